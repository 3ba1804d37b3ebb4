//! Frontiers: what a stream table's content is exact for.
//!
//! PostgreSQL's own visibility is the clock. A frontier is a snapshot, the refreshing transaction
//! and how far that transaction had counted its own changes; a change `(xid, seq)` is consumed iff
//!
//! ```text
//! xid = f.xid ? seq <= f.upto : visible(xid, f.snapshot)
//! ```
//!
//! The own case comes first, because a transaction's snapshot may report its own xid as visible.

pub mod batch;
mod edges;
pub mod epoch;

pub use epoch::Epoch;

use pgrx::pg_sys;

/// The top-level transactions that a snapshot sees: those below `xmin`, and those below `xmax`
/// that are not in `xip` (sorted).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PgSnapshot {
    pub xmin: u64,
    pub xmax: u64,
    pub xip: Vec<u64>,
}

impl PgSnapshot {
    /// `pg_visible_in_snapshot`.
    pub fn sees(&self, xid: u64) -> bool {
        xid < self.xmin || (xid < self.xmax && self.xip.binary_search(&xid).is_err())
    }

    /// Reads a value of type `pg_snapshot`, detoasting it.
    ///
    /// # Safety
    /// `datum` must be a non-null `pg_snapshot`.
    pub unsafe fn from_datum(datum: pg_sys::Datum) -> Self {
        // SAFETY: the layout of pg_snapshot: header, nxip, xmin, xmax, xip[nxip].
        unsafe {
            let value = pg_sys::pg_detoast_datum(datum.cast_mut_ptr());
            let base = value.cast::<u8>();
            let nxip = base.add(4).cast::<u32>().read_unaligned() as usize;
            let word = |i: usize| base.add(8 + 8 * i).cast::<u64>().read_unaligned();
            PgSnapshot {
                xmin: word(0),
                xmax: word(1),
                xip: (0..nxip).map(|i| word(2 + i)).collect(),
            }
        }
    }

    /// A value of type `pg_snapshot` in the current memory context.
    pub fn to_datum(&self) -> pg_sys::Datum {
        let len = 24 + 8 * self.xip.len();
        // SAFETY: as many bytes as are written; the header is a plain 4-byte one.
        unsafe {
            let base = pg_sys::palloc0(len).cast::<u8>();
            pgrx::set_varsize_4b(base.cast(), len as i32);
            base.add(4)
                .cast::<u32>()
                .write_unaligned(self.xip.len() as u32);
            let put = |i: usize, v: u64| base.add(8 + 8 * i).cast::<u64>().write_unaligned(v);
            put(0, self.xmin);
            put(1, self.xmax);
            for (i, &xid) in self.xip.iter().enumerate() {
                put(2 + i, xid);
            }
            pg_sys::Datum::from(base)
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontier {
    pub snapshot: PgSnapshot,
    /// The refreshing transaction.
    pub xid: u64,
    /// How far it had counted its own changes.
    pub upto: i64,
}

impl Frontier {
    #[inline]
    pub fn consumed(&self, xid: u64, seq: i64) -> bool {
        if xid == self.xid {
            seq <= self.upto
        } else {
            self.snapshot.sees(xid)
        }
    }
}
