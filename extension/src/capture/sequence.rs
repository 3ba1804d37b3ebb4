//! Numbers the changes of one top-level transaction. Rolled-back savepoints leave gaps, never a
//! number twice.

use crate::server;
use pgrx::pg_sys;
use std::cell::Cell;

thread_local! {
    static LAST: Cell<(u64, i64)> = const { Cell::new((0, 0)) };
}

/// The own transaction (it gets an id if it has none) and the next number in it.
///
/// # Safety
/// Within a transaction, and a guarded region: the server's errors pass over this frame.
pub unsafe fn next() -> (u64, i64) {
    // SAFETY: by the caller's promise.
    let xid = unsafe { server::GetTopFullTransactionId() }.value;
    LAST.with(|last| {
        let (of, seq) = last.get();
        let seq = if of == xid { seq + 1 } else { 1 };
        last.set((xid, seq));
        (xid, seq)
    })
}

/// The own transaction (it gets an id if it has none) and the last number given in it.
pub fn current() -> (u64, i64) {
    // SAFETY: within a transaction.
    let xid = unsafe { pg_sys::GetTopFullTransactionId() }.value;
    let (of, seq) = LAST.get();
    (xid, if of == xid { seq } else { 0 })
}
