//! Removing change rows that every reader has consumed.
//!
//! Where nobody else is at a buffer, and all that is in it is consumed, its storage is replaced by
//! an empty one: that costs the same for any number of rows, and leaves none dead for later
//! refreshes to step over. It needs the lock that keeps everybody out, which is only tried for, so
//! nobody is waited for; a writer keeps its lock until it ends, so where the lock is had, no row is
//! on its way. It is transactional: should this refresh roll back, the rows are there again.
//!
//! Else rows are deleted under the refresh's snapshot, so that a row of a writer that has not
//! committed is not even seen. A reader with an older snapshot still sees a deleted row. Nobody
//! waits here either: a row that another clean-up is deleting is left to it.

use super::identity::as_system;
use crate::capture::buffer::STORE;
use crate::catalog::StreamTable;
use crate::frontier::batch::{Scan, head};
use crate::frontier::{Epoch, Frontier, PgSnapshot};
use crate::pg::OpenRelation;
use crate::sql::{self, arg};
use pgrx::pg_sys;

/// Reading this many pages again and again is cheaper than cleaning them up.
const PAGES: u32 = 32;

pub fn after_refresh(table: &StreamTable, epoch: &Epoch) {
    for source in &table.sources {
        let Some(oid) = source.buffer else { continue };
        let buffer = OpenRelation::open(oid, pg_sys::RowExclusiveLock as i32);
        // SAFETY: open.
        let pages = unsafe {
            pg_sys::RelationGetNumberOfBlocksInFork(buffer.0, pg_sys::ForkNumber::MAIN_FORKNUM)
        };
        if pages <= PAGES {
            continue;
        }
        let readers = frontiers(source.relid);
        if is_consumed(&buffer, epoch, &readers) && lock_alone(oid) {
            let latest = Epoch::latest();
            if is_consumed(&buffer, &latest, &readers) {
                // TRUNCATE wants to be the only one who has it open.
                drop(buffer);
                empty(source.relid);
                continue;
            }
        }
        delete_consumed(&buffer, epoch, &readers);
    }
}

/// Has every reader consumed every row that the snapshot sees?
fn is_consumed(buffer: &OpenRelation, epoch: &Epoch, readers: &[Frontier]) -> bool {
    let mut scan = Scan::begin(buffer, epoch.as_ptr());
    while let Some(slot) = scan.advance() {
        // SAFETY: a row of a buffer.
        let row = unsafe { head(slot) };
        if !readers.iter().all(|f| f.consumed(row.xid, row.seq)) {
            return false;
        }
    }
    true
}

/// Tries to keep everybody else away from the buffer until this transaction ends. Not within a
/// transaction block, which may last.
fn lock_alone(buffer: pg_sys::Oid) -> bool {
    // SAFETY: plain calls; the lock is one on a relation that is open.
    unsafe {
        !pg_sys::IsTransactionBlock()
            && pg_sys::ConditionalLockRelationOid(buffer, pg_sys::AccessExclusiveLock as i32)
    }
}

fn empty(source: pg_sys::Oid) {
    let name = crate::capture::buffer::table_name(source);
    as_system(|| {
        sql::connect(|c| {
            c.run(&format!("TRUNCATE {STORE}.{name}"), &[]);
        })
    });
}

/// The frontiers of all readers of a source, this transaction's own moves included. A stream table
/// that has never been filled reads nothing yet.
fn frontiers(source: pg_sys::Oid) -> Vec<Frontier> {
    as_system(|| {
        sql::connect(|c| {
            let rows = c.run(
                "SELECT s.frontier, s.frontier_xid, s.frontier_upto \
                 FROM pgtrickle.pgt_dependencies d JOIN pgtrickle.pgt_stream_tables s USING (pgt_id) \
                 WHERE d.source_relid = $1 AND s.frontier IS NOT NULL",
                &[arg(source)],
            );
            rows.iter()
                .filter_map(|row| {
                    Some(Frontier {
                        // SAFETY: a column of type pg_snapshot.
                        snapshot: unsafe { PgSnapshot::from_datum(row.datum(1)?) },
                        xid: row.datum(2)?.value() as u64,
                        upto: row.get(3)?,
                    })
                })
                .collect()
        })
    })
}

/// Deletes what all `readers` have consumed; says how many rows.
fn delete_consumed(buffer: &OpenRelation, epoch: &Epoch, readers: &[Frontier]) -> u64 {
    let mut deleted = 0;
    let mut scan = Scan::begin(buffer, epoch.as_ptr());
    while let Some(slot) = scan.advance() {
        // SAFETY: a row of a buffer; its tid is valid while the slot pins it.
        unsafe {
            let row = head(slot);
            if !readers.iter().all(|f| f.consumed(row.xid, row.seq)) {
                continue;
            }
            let mut tid = (*slot).tts_tid;
            let mut failure = pg_sys::TM_FailureData::default();
            let result = pg_sys::heap_delete(
                buffer.0,
                &mut tid,
                pg_sys::GetCurrentCommandId(true),
                std::ptr::null_mut(),
                false,
                &mut failure,
                false,
            );
            if result == pg_sys::TM_Result::TM_Ok {
                deleted += 1;
            }
        }
    }
    deleted
}
