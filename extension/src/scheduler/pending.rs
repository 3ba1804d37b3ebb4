//! What waits in the change buffers, for all stream tables in one pass.
//!
//! A buffer is scanned once, however many read it, and remembered as its transactions and how far
//! each of them has counted. A reader whose frontier sees them all has nothing to do; that is one
//! comparison as long as nothing happens.

use crate::capture::buffer::Mark;
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

pub struct Buffers<'e> {
    epoch: &'e Epoch,
    known: HashMap<pg_sys::Oid, Content>,
}

impl<'e> Buffers<'e> {
    pub fn new(epoch: &'e Epoch) -> Self {
        Buffers {
            epoch,
            known: HashMap::new(),
        }
    }

    /// Is there, or may there be, anything that the frontier has not consumed?
    pub fn pending(&mut self, buffer: pg_sys::Oid, frontier: &Frontier) -> bool {
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
