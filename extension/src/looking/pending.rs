//! Counting what waits.

use crate::capture::buffer::Mark;
use crate::catalog::StreamTable;
use crate::frontier::Epoch;
use crate::frontier::batch::{Scan, head};
use crate::pg::OpenRelation;
use pgrx::prelude::*;

/// Changed rows of a source that a stream table has not consumed yet; NULL if it does not know.
#[pg_extern(name = "_pending_rows", volatile, parallel_unsafe, strict)]
fn pending_rows(pgt_id: i64, source: pg_sys::Oid) -> Option<i64> {
    count(&StreamTable::load(pgt_id)?, source)
}

/// The same; none if its changes are not captured, or it was never filled.
pub fn count(table: &StreamTable, source: pg_sys::Oid) -> Option<i64> {
    let frontier = table.frontier.as_ref()?;
    let buffer = table
        .sources
        .iter()
        .find(|s| s.relid == source)
        .and_then(|s| s.buffer)?;
    let buffer = OpenRelation::open(buffer, pg_sys::AccessShareLock as i32);
    let epoch = Epoch::begin();
    let mut scan = Scan::begin(&buffer, epoch.as_ptr());
    let mut rows = 0;
    while let Some(slot) = scan.advance() {
        // SAFETY: a row of a buffer.
        let row = unsafe { head(slot) };
        if Mark::of(row.w).is_none() && !frontier.consumed(row.xid, row.seq) {
            rows += 1;
        }
    }
    Some(rows)
}
