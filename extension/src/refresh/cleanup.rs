//! Removing change rows that every reader has consumed: the last thing that a transaction with a
//! refresh in it does before it commits, so that its locks are held no longer than the commit.
//!
//! Where nobody else is at a buffer, and all that is in it is consumed, its storage is replaced by
//! an empty one: that costs the same for any number of rows, and leaves none dead for later
//! refreshes to step over. It needs the lock that keeps everybody out, which is only tried for, so
//! nobody is waited for; a writer keeps its lock until it ends, so where the lock is had, no row is
//! on its way. It is transactional: should the commit fail, the rows are there again.
//!
//! Else rows are deleted under a snapshot, so that a row of a writer that has not committed is not
//! even seen. A reader with an older snapshot still sees a deleted row. Nobody waits here either: a
//! row that another clean-up is deleting is left to it.

use super::identity::as_system;
use crate::capture::buffer::STORE;
use crate::catalog::StreamTable;
use crate::frontier::batch::{Scan, head};
use crate::frontier::{Epoch, Frontier, PgSnapshot};
use crate::pg::OpenRelation;
use crate::sql::{self, arg};
use pgrx::{PgXactCallbackEvent, pg_sys, register_xact_callback};

/// Reading this many pages again and again is cheaper than cleaning them up.
const PAGES: u32 = 32;

/// Cleans the buffers of a stream table's sources up when the transaction commits. (One that is
/// prepared instead leaves it to the next.)
pub fn at_commit(table: &StreamTable) {
    let buffers = table
        .sources
        .iter()
        .filter_map(|s| Some((s.relid, s.buffer?)));
    let buffers: Vec<(pg_sys::Oid, pg_sys::Oid)> = buffers
        .filter(|(_, buffer)| OpenRelation::if_there(*buffer, LOCK).is_some_and(|b| is_long(&b)))
        .collect();
    if buffers.is_empty() {
        return;
    }
    register_xact_callback(PgXactCallbackEvent::PreCommit, move || {
        // SAFETY: the transaction is in progress; the snapshot is popped below, or by the clean-up
        // after an error.
        unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot()) }
        for (source, buffer) in buffers {
            clean(source, buffer);
        }
        // SAFETY: pushed above.
        unsafe { pg_sys::PopActiveSnapshot() }
    });
}

const LOCK: i32 = pg_sys::RowExclusiveLock as i32;

fn is_long(buffer: &OpenRelation) -> bool {
    // SAFETY: open.
    let pages = unsafe {
        pg_sys::RelationGetNumberOfBlocksInFork(buffer.0, pg_sys::ForkNumber::MAIN_FORKNUM)
    };
    pages > PAGES
}

fn clean(source: pg_sys::Oid, oid: pg_sys::Oid) {
    // The transaction may have dropped it since, or cleaned it up for another stream table.
    let Some(buffer) = OpenRelation::if_there(oid, LOCK).filter(is_long) else {
        return;
    };
    let readers = frontiers(source);
    let latest = Epoch::latest();
    // What is new is mostly at the end: a look there tells whether the lock is worth trying for.
    let end = Scan::begin(&buffer, latest.as_ptr()).tail(PAGES);
    if is_consumed(end, &readers) && lock_alone(oid) {
        let latest = Epoch::latest();
        if is_consumed(Scan::begin(&buffer, latest.as_ptr()), &readers) {
            // TRUNCATE wants to be the only one who has it open.
            drop(buffer);
            empty(source);
            return;
        }
    }
    delete_consumed(&buffer, &latest, &readers);
}

/// Has every reader consumed every row of the scan?
fn is_consumed(mut scan: Scan<'_>, readers: &[Frontier]) -> bool {
    while let Some(slot) = scan.advance() {
        // SAFETY: a row of a buffer.
        let row = unsafe { head(slot) };
        if !readers.iter().all(|f| f.consumed(row.xid, row.seq)) {
            return false;
        }
    }
    true
}

/// Tries to keep everybody else away from the buffer until this transaction has ended.
fn lock_alone(buffer: pg_sys::Oid) -> bool {
    // SAFETY: a lock on a relation that is open.
    unsafe { pg_sys::ConditionalLockRelationOid(buffer, pg_sys::AccessExclusiveLock as i32) }
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
                 WHERE d.source_relid = $1 AND s.frontier IS NOT NULL AND s.refresh_mode <> 'IMMEDIATE'",
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
