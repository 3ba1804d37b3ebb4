//! What waits in the change buffers, for all stream tables in one pass.
//!
//! A buffer is scanned once, however many read it, and remembered as its transactions and how far
//! each of them has counted. A reader whose frontier sees them all has nothing to do. As long as
//! nothing happens the buffer is not even opened: nobody has written to it since the reader's
//! frontier, or since it was last found to hold nothing for the reader.

use crate::capture::buffer::Mark;
use crate::capture::newest;
use crate::frontier::batch::{Scan, head};
use crate::frontier::{Epoch, Frontier};
use crate::pg::OpenRelation;
use pgrx::pg_sys;
use std::collections::{BTreeMap, HashMap};

/// What a buffer holds under one snapshot.
enum Content {
    /// The newest change of each transaction.
    Changes(BTreeMap<u64, i64>),
    /// Locked by somebody, or gone: nobody knows.
    Unknown,
}

/// Of a stream table and a buffer in which nothing waited for it: all transactions below this one
/// had ended then.
pub type Idle = HashMap<(i64, pg_sys::Oid), u64>;

pub struct Buffers<'e> {
    epoch: &'e Epoch,
    /// All transactions below this one have ended, as the epoch sees it.
    ended: u64,
    known: HashMap<pg_sys::Oid, Content>,
    idle: &'e mut Idle,
}

impl<'e> Buffers<'e> {
    pub fn new(epoch: &'e Epoch, idle: &'e mut Idle) -> Self {
        Buffers {
            epoch,
            ended: epoch.visible().xmin,
            known: HashMap::new(),
            idle,
        }
    }

    /// Forgets the stream tables that are not among these, and the buffers that they do not read.
    pub fn forget_others(&mut self, read: &HashMap<i64, Vec<Option<pg_sys::Oid>>>) {
        self.idle
            .retain(|(id, buffer), _| read.get(id).is_some_and(|all| all.contains(&Some(*buffer))));
    }

    /// Is there, or may there be, anything in the buffer that the stream table's frontier has not
    /// consumed?
    pub fn pending(&mut self, id: i64, buffer: pg_sys::Oid, frontier: &Frontier) -> bool {
        let consumed = frontier.snapshot.xmin.min(frontier.xid);
        let idle = self.idle.get(&(id, buffer)).copied().unwrap_or(0);
        // Asked after the epoch's snapshot was taken.
        if newest::bound(buffer).is_some_and(|bound| bound <= consumed.max(idle)) {
            return false;
        }
        let pending = self.scanned(buffer, frontier);
        match pending {
            true => self.idle.remove(&(id, buffer)),
            false => self.idle.insert((id, buffer), self.ended),
        };
        pending
    }

    /// The same by what is in the buffer.
    fn scanned(&mut self, buffer: pg_sys::Oid, frontier: &Frontier) -> bool {
        let epoch = self.epoch;
        match self
            .known
            .entry(buffer)
            .or_insert_with(|| read(buffer, epoch))
        {
            Content::Unknown => true,
            Content::Changes(changes) => {
                // Every transaction below xmin is seen, except that its own is counted.
                let Some((&newest, _)) = changes.last_key_value() else {
                    return false;
                };
                if newest < frontier.snapshot.xmin && newest < frontier.xid {
                    return false;
                }
                let from = frontier.snapshot.xmin.min(frontier.xid);
                changes
                    .range(from..)
                    .any(|(&xid, &seq)| !frontier.consumed(xid, seq))
            }
        }
    }
}

/// Reads a buffer without ever waiting for a lock, and lets it go at once.
fn read(buffer: pg_sys::Oid, epoch: &Epoch) -> Content {
    let mode = pg_sys::AccessShareLock as i32;
    // SAFETY: the relation is locked while it is open; both end below.
    unsafe {
        if !pg_sys::ConditionalLockRelationOid(buffer, mode) {
            return Content::Unknown;
        }
        let relation = pg_sys::try_table_open(buffer, pg_sys::NoLock as i32);
        if relation.is_null() {
            pg_sys::UnlockRelationOid(buffer, mode);
            return Content::Unknown;
        }
        let mut changes = BTreeMap::new();
        let relation = OpenRelation(relation);
        if pg_sys::RelationGetNumberOfBlocksInFork(relation.0, pg_sys::ForkNumber::MAIN_FORKNUM) > 0
        {
            let mut scan = Scan::begin(&relation, epoch.as_ptr());
            while let Some(slot) = scan.advance() {
                let row = head(slot);
                if Mark::of(row.w) != Some(Mark::Rewritten) {
                    let newest = changes.entry(row.xid).or_insert(row.seq);
                    *newest = row.seq.max(*newest);
                }
            }
        }
        drop(relation);
        pg_sys::UnlockRelationOid(buffer, mode);
        Content::Changes(changes)
    }
}
