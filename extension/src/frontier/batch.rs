//! Reading a change buffer: one pass of the heap under the refresh's snapshot, keeping what the
//! frontier has not consumed.

use super::{Epoch, Frontier};
use crate::capture::buffer::{self, Mark};
use crate::pg::{OpenRelation, attributes};
use crate::refresh::relation::Delta;
use pgrx::pg_sys;

/// What a buffer holds for one reader.
pub struct Pending {
    pub rows: u64,
    /// The source was truncated, or its content replaced: its readers must rebuild.
    pub rebuild: bool,
}

/// A sequential scan of a table under a snapshot.
pub struct Scan<'r> {
    relation: &'r OpenRelation,
    scan: pg_sys::TableScanDesc,
    slot: *mut pg_sys::TupleTableSlot,
}

impl<'r> Scan<'r> {
    pub fn begin(relation: &'r OpenRelation, snapshot: pg_sys::Snapshot) -> Self {
        use pg_sys::ScanOptions::*;
        // SAFETY: the relation is open and locked, the snapshot registered. No parallel scan, no
        // synchronised scan: a buffer is read from its beginning.
        unsafe {
            Scan {
                relation,
                scan: pg_sys::heap_beginscan(
                    relation.0,
                    snapshot,
                    0,
                    std::ptr::null_mut(),
                    std::ptr::null_mut(),
                    SO_TYPE_SEQSCAN | SO_ALLOW_PAGEMODE | SO_ALLOW_STRAT,
                ),
                slot: pg_sys::MakeSingleTupleTableSlot(
                    relation.tuple_desc(),
                    &raw const pg_sys::TTSOpsBufferHeapTuple,
                ),
            }
        }
    }

    /// The next row: its slot, with all columns at hand.
    pub fn advance(&mut self) -> Option<*mut pg_sys::TupleTableSlot> {
        // SAFETY: the scan and its slot are ours.
        unsafe {
            if !pg_sys::heap_getnextslot(
                self.scan,
                pg_sys::ScanDirection::ForwardScanDirection,
                self.slot,
            ) {
                return None;
            }
            let natts = (*self.relation.tuple_desc()).natts;
            if i32::from((*self.slot).tts_nvalid) < natts {
                pg_sys::slot_getsomeattrs_int(self.slot, natts);
            }
            Some(self.slot)
        }
    }
}

impl Drop for Scan<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: begun above.
            unsafe {
                pg_sys::ExecDropSingleTupleTableSlot(self.slot);
                pg_sys::heap_endscan(self.scan);
            }
        }
    }
}

/// The columns every buffer begins with.
#[derive(Clone, Copy)]
pub struct Head {
    pub xid: u64,
    pub seq: i64,
    pub w: i16,
}

/// # Safety
/// `slot` must hold a row of a buffer with all columns deformed.
pub unsafe fn head(slot: *mut pg_sys::TupleTableSlot) -> Head {
    // SAFETY: the first three columns of a buffer are NOT NULL.
    unsafe {
        let values = (*slot).tts_values;
        Head {
            xid: (*values.add(buffer::XID)).value() as u64,
            seq: (*values.add(buffer::SEQ)).value() as i64,
            w: (*values.add(buffer::W)).value() as i16,
        }
    }
}

fn is_without_pages(relation: &OpenRelation) -> bool {
    // SAFETY: the relation is open.
    unsafe {
        pg_sys::RelationGetNumberOfBlocksInFork(relation.0, pg_sys::ForkNumber::MAIN_FORKNUM) == 0
    }
}

/// Is there anything in the buffer that the frontier has not consumed?
pub fn any(buffer: &OpenRelation, epoch: &Epoch, frontier: &Frontier) -> bool {
    if is_without_pages(buffer) {
        return false;
    }
    let mut scan = Scan::begin(buffer, epoch.as_ptr());
    while let Some(slot) = scan.advance() {
        // SAFETY: a row of a buffer.
        let row = unsafe { head(slot) };
        if Mark::of(row.w) != Some(Mark::Rewritten) && !frontier.consumed(row.xid, row.seq) {
            return true;
        }
    }
    false
}

/// Reads the batch of one source into `into`, whose columns are `w` and then the source's columns
/// `attnums`. Stops early at a mark that asks for a rebuild.
pub fn read(
    buffer: &OpenRelation,
    epoch: &Epoch,
    frontier: &Frontier,
    attnums: &[i16],
    into: &mut Delta,
) -> Result<Pending, buffer::MissingColumn> {
    let mut pending = Pending {
        rows: 0,
        rebuild: false,
    };
    if is_without_pages(buffer) {
        return Ok(pending);
    }
    // SAFETY: the descriptor lives while the relation is open.
    let columns = unsafe { attributes(buffer.tuple_desc()) };
    let positions = attnums
        .iter()
        .map(|&attnum| buffer::position(&columns, attnum))
        .collect::<Result<Vec<usize>, _>>()?;
    let mut values = vec![pg_sys::Datum::from(0); attnums.len() + 1];
    let mut nulls = vec![false; attnums.len() + 1];
    let mut scan = Scan::begin(buffer, epoch.as_ptr());
    while let Some(slot) = scan.advance() {
        // SAFETY: a row of a buffer, all columns deformed; positions are within it.
        unsafe {
            let row = head(slot);
            if frontier.consumed(row.xid, row.seq) {
                continue;
            }
            match Mark::of(row.w) {
                None => (),
                Some(Mark::Replaced) => {
                    pending.rebuild = true;
                    break;
                }
                Some(Mark::Rewritten) => continue,
            }
            values[0] = pg_sys::Datum::from(i64::from(row.w));
            for (i, &position) in positions.iter().enumerate() {
                values[i + 1] = *(*slot).tts_values.add(position);
                nulls[i + 1] = *(*slot).tts_isnull.add(position);
            }
            into.put(&values, &nulls);
        }
        pending.rows += 1;
    }
    Ok(pending)
}

/// Marks that `newer` sees and `epoch` does not: the source was truncated or rewritten after the
/// snapshot, which therefore reads no rows of it at all.
pub fn marked_since(buffer: &OpenRelation, epoch: &Epoch, newer: &Epoch) -> bool {
    if is_without_pages(buffer) {
        return false;
    }
    // Within the own transaction both see the same, by sequence of commands.
    // SAFETY: reads the transaction's state.
    let own = unsafe { pg_sys::GetTopFullTransactionIdIfAny() }.value;
    let seen = epoch.visible();
    let mut scan = Scan::begin(buffer, newer.as_ptr());
    while let Some(slot) = scan.advance() {
        // SAFETY: a row of a buffer.
        let row = unsafe { head(slot) };
        if Mark::of(row.w).is_some() && row.xid != own && !seen.sees(row.xid) {
            return true;
        }
    }
    false
}
