//! The newest transaction that may have written to a change buffer, so that whoever has seen an
//! idle buffer once need not open it again.
//!
//! Shared memory has a cell for each of many buffers: the highest id of a top-level transaction
//! that wrote to one of those that share the cell. A transaction is noted before it writes, and so
//! before it commits: who takes a snapshot first, and asks then, is told of all that the snapshot
//! sees. Buffers that share a cell cost each other a look, no more.
//!
//! Of what wrote before the server started nothing is known but that its id is lower than the next
//! one was.

use crate::server;
use pgrx::prelude::*;
use pgrx::{PGRXSharedMemory, PgAtomic, pg_shmem_init};
use std::sync::atomic::{AtomicU64, Ordering};

const BITS: u32 = 14;

struct Newest {
    /// The next transaction's id when somebody first asked; 0: nobody did.
    unknown_before: AtomicU64,
    cells: [AtomicU64; 1 << BITS],
}

impl Default for Newest {
    fn default() -> Self {
        Newest {
            unknown_before: AtomicU64::new(0),
            cells: [const { AtomicU64::new(0) }; 1 << BITS],
        }
    }
}

// SAFETY: atomics, without pointers.
unsafe impl PGRXSharedMemory for Newest {}

// SAFETY: initialised by `register` before any process but the postmaster exists.
static NEWEST: PgAtomic<Newest> = unsafe { PgAtomic::new(c"pg_trickle_newest") };

#[allow(unexpected_cfgs)] // of the macro, for versions of PostgreSQL that are not ours
pub fn register() {
    pg_shmem_init!(NEWEST);
}

fn cell(buffer: pg_sys::Oid) -> &'static AtomicU64 {
    // SAFETY: set for the life of the session.
    let database = unsafe { pg_sys::MyDatabaseId }.to_u32();
    let name = (u64::from(database) << 32) | u64::from(buffer.to_u32());
    // Fibonacci hashing: OIDs that follow each other come to lie far apart.
    let at = name.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - BITS);
    &NEWEST.get().cells[at as usize]
}

/// The own transaction is about to write to this buffer.
///
/// # Safety
/// Within a transaction, and a guarded region: the server's errors pass over this frame.
pub unsafe fn note(buffer: pg_sys::Oid) {
    if !crate::scheduler::preloaded() {
        return;
    }
    // SAFETY: by the caller's promise.
    let own = unsafe { server::GetTopFullTransactionId() }.value;
    raise(buffer, own);
}

/// The same of a transaction whose changes the own one is about to write: it may be seen as committed
/// later than the own one.
pub fn raise(buffer: pg_sys::Oid, xid: u64) {
    if crate::scheduler::preloaded() {
        cell(buffer).fetch_max(xid, Ordering::Relaxed);
    }
}

/// No transaction of this id or a higher one has written to the buffer, as far as the snapshots
/// see that were taken before. None: nobody knows.
pub fn bound(buffer: pg_sys::Oid) -> Option<u64> {
    // SAFETY: reads the server's state.
    if !crate::scheduler::preloaded() || unsafe { pg_sys::RecoveryInProgress() } {
        return None;
    }
    let unknown_before = &NEWEST.get().unknown_before;
    let mut before = unknown_before.load(Ordering::Relaxed);
    if before == 0 {
        // SAFETY: reads a counter.
        let next = unsafe { pg_sys::ReadNextFullTransactionId() }.value;
        before =
            match unknown_before.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => next,
                Err(known) => known,
            };
    }
    Some(before.max(cell(buffer).load(Ordering::Relaxed) + 1))
}
