//! The one snapshot that every statement of a refresh runs under.
//!
//! **Drained buffers.** What is captured from the WAL is written into its buffer later, by whoever drains
//! it: the snapshot may see a change and not the row that tells of it. So those buffers are read under a
//! snapshot that was taken after they were brought up, and rows of transactions that the epoch's own
//! snapshot does not see are passed over. What the own transaction has written there are marks.

use super::PgSnapshot;
use crate::capture::pending;
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::rc::Rc;

/// A registered snapshot of our own, which nothing else advances.
pub struct Epoch {
    snapshot: pg_sys::Snapshot,
    drained: Option<Rc<Drained>>,
}

/// What an epoch sees of buffers that are filled from the WAL.
struct Drained {
    /// With their rows.
    heap: Epoch,
    seen: PgSnapshot,
    own: u64,
}

/// What an epoch sees of a buffer.
#[derive(Clone, Copy)]
pub struct View<'e> {
    snapshot: pg_sys::Snapshot,
    drained: Option<&'e Drained>,
}

impl View<'_> {
    pub fn as_ptr(self) -> pg_sys::Snapshot {
        self.snapshot
    }

    /// Is a change of this transaction none that the epoch sees, though its row is there?
    #[inline]
    pub fn is_later(self, xid: u64) -> bool {
        self.drained
            .is_some_and(|d| xid != d.own && !d.seen.sees(xid))
    }
}

impl Epoch {
    /// A new snapshot in READ COMMITTED, the transaction's own in REPEATABLE READ and above; with
    /// everything that this transaction has done so far. Take it after the locks.
    pub fn begin() -> Self {
        // SAFETY: within a transaction.
        unsafe {
            everything_so_far();
            Self::copy_of(pg_sys::GetTransactionSnapshot())
        }
    }

    /// What [`Epoch::begin`] sees, had it been committed by now: a time to ask for right before.
    pub fn moment() -> TimestampWithTimeZone {
        // SAFETY: reads clocks.
        let microseconds = unsafe {
            match Self::is_transaction_wide() {
                // The snapshot is that of the transaction's first statement, and not older.
                true => pg_sys::GetCurrentTransactionStartTimestamp(),
                false => pg_sys::GetCurrentTimestamp(),
            }
        };
        TimestampWithTimeZone::try_from(microseconds)
            .unwrap_or_else(|_| pgrx::datum::datetime_support::now())
    }

    /// The same moment for other transactions, and what this one has done by now.
    pub fn advanced(&self) -> Self {
        // SAFETY: the snapshot is registered.
        unsafe {
            everything_so_far();
            let mut advanced = Self::copy_of(self.snapshot);
            advanced.drained = self.drained.clone();
            advanced
        }
    }

    /// The same, after the buffers that are filled from the WAL were brought to what it sees.
    pub fn with_drained(mut self) -> Self {
        let heap = Self::latest();
        let seen = self.visible();
        // SAFETY: reads the transaction's state.
        let own = unsafe { pg_sys::GetTopFullTransactionIdIfAny() }.value;
        self.drained = Some(Rc::new(Drained { heap, seen, own }));
        self
    }

    /// What it sees of a buffer, which is filled from the WAL or not.
    pub fn view(&self, from_wal: bool) -> View<'_> {
        match self.drained.as_deref().filter(|_| from_wal) {
            Some(drained) => View {
                snapshot: drained.heap.snapshot,
                drained: Some(drained),
            },
            None => View {
                snapshot: self.snapshot,
                drained: None,
            },
        }
    }

    /// This moment for other transactions, while of this one's work it sees no more than before. Only
    /// in READ COMMITTED is it another moment.
    pub fn renewed(&self) -> Self {
        // SAFETY: the snapshot is registered; the copy is active alone when its command id is set.
        unsafe {
            pg_sys::PushCopiedSnapshot(pg_sys::GetTransactionSnapshot());
            let snapshot = pg_sys::GetActiveSnapshot();
            (*snapshot).curcid = (*self.snapshot).curcid;
            let snapshot = pg_sys::RegisterSnapshot(snapshot);
            pg_sys::PopActiveSnapshot();
            Epoch {
                snapshot,
                drained: None,
            }
        }
    }

    /// What is visible at this very moment, whatever the isolation level.
    pub fn latest() -> Self {
        // SAFETY: within a transaction.
        unsafe {
            everything_so_far();
            Self::copy_of(pg_sys::GetLatestSnapshot())
        }
    }

    /// # Safety
    /// `snapshot` must be valid.
    unsafe fn copy_of(snapshot: pg_sys::Snapshot) -> Self {
        // SAFETY: the copy is active alone when its command id is set, and registered before it
        // stops being active.
        unsafe {
            pg_sys::PushCopiedSnapshot(snapshot);
            pg_sys::UpdateActiveSnapshotCommandId();
            let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetActiveSnapshot());
            pg_sys::PopActiveSnapshot();
            Epoch {
                snapshot,
                drained: None,
            }
        }
    }

    pub fn as_ptr(&self) -> pg_sys::Snapshot {
        self.snapshot
    }

    /// Runs `work` with this snapshot active.
    pub fn active<R>(&self, work: impl FnOnce() -> R) -> R {
        // SAFETY: registered; after an error the transaction's clean-up pops it.
        unsafe {
            pg_sys::PushActiveSnapshot(self.snapshot);
            let result = work();
            pg_sys::PopActiveSnapshot();
            result
        }
    }

    /// The top-level transactions that it sees, with 64-bit ids.
    pub fn visible(&self) -> PgSnapshot {
        // SAFETY: registered; xip has xcnt elements, top-level transactions only.
        unsafe {
            let s = &*self.snapshot;
            let next = pg_sys::ReadNextFullTransactionId().value;
            let running = if s.xcnt == 0 {
                &[]
            } else {
                std::slice::from_raw_parts(s.xip, s.xcnt as usize)
            };
            let mut xip: Vec<u64> = running
                .iter()
                .map(|x| widen(x.into_inner(), next))
                .collect();
            xip.sort_unstable();
            xip.dedup();
            PgSnapshot {
                xmin: widen(s.xmin.into_inner(), next),
                xmax: widen(s.xmax.into_inner(), next),
                xip,
            }
        }
    }

    /// Is this snapshot from before the statement: REPEATABLE READ or above?
    pub fn is_transaction_wide() -> bool {
        // SAFETY: reads a variable of the backend.
        unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
    }
}

/// Makes what this transaction has done so far visible to the next snapshot: also the changes that
/// it has captured and not yet written.
unsafe fn everything_so_far() {
    pending::settle();
    // SAFETY: within a transaction.
    unsafe { pg_sys::CommandCounterIncrement() }
}

/// The 64-bit id of a 32-bit one that is not newer than `next`.
pub fn widen(xid: u32, next: u64) -> u64 {
    let epoch = next >> 32;
    let wide = (epoch << 32) | u64::from(xid);
    if wide > next && epoch > 0 {
        wide - (1 << 32)
    } else {
        wide
    }
}

impl Drop for Epoch {
    fn drop(&mut self) {
        // An error's clean-up releases what is registered.
        if !std::thread::panicking() {
            // SAFETY: registered above, released once.
            unsafe { pg_sys::UnregisterSnapshot(self.snapshot) }
        }
    }
}
