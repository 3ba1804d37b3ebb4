//! Reading a change buffer: one pass of the heap under the refresh's snapshot, keeping what the
//! frontier has not consumed.

use super::{Epoch, Frontier};
use crate::capture::buffer::{self, Mark};
use crate::pg::{OpenRelation, attributes, image_eq};
use crate::refresh::relation::Delta;
use pgrx::pg_sys;
use std::marker::PhantomData;

/// What a buffer holds for one reader.
pub struct Pending {
    pub rows: u64,
    /// The source was truncated, or its content replaced: its readers must rebuild.
    pub rebuild: bool,
}

/// A sequential scan of a table under a snapshot.
pub struct Scan<'r> {
    relation: PhantomData<&'r OpenRelation>,
    scan: pg_sys::TableScanDesc,
    /// Used in turn.
    slots: [*mut pg_sys::TupleTableSlot; 2],
}

impl<'r> Scan<'r> {
    pub fn begin(relation: &'r OpenRelation, snapshot: pg_sys::Snapshot) -> Self {
        use pg_sys::ScanOptions::*;
        // SAFETY: the relation is open and locked, the snapshot registered. No parallel scan, no
        // synchronised scan: a buffer is read from its beginning.
        unsafe {
            Scan {
                relation: PhantomData,
                scan: pg_sys::heap_beginscan(
                    relation.0,
                    snapshot,
                    0,
                    std::ptr::null_mut(),
                    std::ptr::null_mut(),
                    SO_TYPE_SEQSCAN | SO_ALLOW_PAGEMODE | SO_ALLOW_STRAT,
                ),
                slots: [(); 2].map(|()| {
                    pg_sys::MakeSingleTupleTableSlot(
                        relation.tuple_desc(),
                        &raw const pg_sys::TTSOpsBufferHeapTuple,
                    )
                }),
            }
        }
    }

    /// The next row: its slot, of which the head can be read; [`deform`] gets at the rest. The
    /// row before stays where it is.
    pub fn advance(&mut self) -> Option<*mut pg_sys::TupleTableSlot> {
        // SAFETY: the scan and its slot are ours.
        unsafe {
            if !pg_sys::heap_getnextslot(
                self.scan,
                pg_sys::ScanDirection::ForwardScanDirection,
                self.slots[1],
            ) {
                return None;
            }
            self.slots.swap(0, 1);
            deform(self.slots[0], buffer::FIXED as i32);
            Some(self.slots[0])
        }
    }
}

impl Drop for Scan<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: begun above.
            unsafe {
                for slot in self.slots {
                    pg_sys::ExecDropSingleTupleTableSlot(slot);
                }
                pg_sys::heap_endscan(self.scan);
            }
        }
    }
}

/// Gets the first `columns` columns of a row out of its tuple.
///
/// # Safety
/// `slot` must hold a row of at least so many columns.
unsafe fn deform(slot: *mut pg_sys::TupleTableSlot, columns: i32) {
    // SAFETY: as this function's.
    unsafe {
        if i32::from((*slot).tts_nvalid) < columns {
            pg_sys::slot_getsomeattrs_int(slot, columns);
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
/// `slot` must hold a row of a buffer with its head deformed.
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
///
/// An update that changes none of these columns, but others that are captured for other readers,
/// is left out: its old and its new row stand side by side.
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
    let mut projection = Projection {
        values: vec![pg_sys::Datum::from(0); attnums.len() + 1],
        nulls: vec![false; attnums.len() + 1],
        columns,
        positions,
    };
    let mut scan = Scan::begin(buffer, epoch.as_ptr());
    // The row before, if it is an old one that may yet meet its like.
    let mut retracted: Option<Row> = None;
    while let Some(slot) = scan.advance() {
        // SAFETY: a row of a buffer; the scan leaves the one before it as it was.
        unsafe {
            let head = head(slot);
            if frontier.consumed(head.xid, head.seq) {
                continue;
            }
            match Mark::of(head.w) {
                None => (),
                Some(Mark::Replaced) => {
                    pending.rebuild = true;
                    return Ok(pending);
                }
                Some(Mark::Rewritten) => continue,
            }
            deform(slot, projection.columns.len() as i32);
            let row = Row { head, slot };
            if let Some(old) = retracted.take() {
                if old.is_followed_by(&row) && projection.is_same(old.slot, slot) {
                    continue;
                }
                projection.put(&old, into);
                pending.rows += 1;
            }
            match head.w {
                -1 => retracted = Some(row),
                _ => {
                    projection.put(&row, into);
                    pending.rows += 1;
                }
            }
        }
    }
    if let Some(old) = retracted {
        // SAFETY: the last row that the scan has returned.
        unsafe { projection.put(&old, into) };
        pending.rows += 1;
    }
    Ok(pending)
}

/// A row of a buffer, all columns deformed.
struct Row {
    head: Head,
    slot: *mut pg_sys::TupleTableSlot,
}

impl Row {
    /// Are these the old and the new row of one update?
    fn is_followed_by(&self, next: &Row) -> bool {
        let (old, new) = (self.head, next.head);
        old.w == -1 && new.w == 1 && old.xid == new.xid && old.seq + 1 == new.seq
    }
}

/// The columns that a reader wants.
struct Projection<'b> {
    columns: Vec<&'b pg_sys::FormData_pg_attribute>,
    positions: Vec<usize>,
    /// Room for `w` and the wanted columns of one row.
    values: Vec<pg_sys::Datum>,
    nulls: Vec<bool>,
}

impl Projection<'_> {
    /// Are the wanted columns the same, byte by byte?
    ///
    /// # Safety
    /// Both slots must hold rows of the buffer with all columns deformed.
    unsafe fn is_same(
        &self,
        a: *mut pg_sys::TupleTableSlot,
        b: *mut pg_sys::TupleTableSlot,
    ) -> bool {
        self.positions.iter().all(|&i| {
            let column = self.columns[i];
            // SAFETY: positions are within the rows; the values are of the column's type.
            unsafe {
                match (*(*a).tts_isnull.add(i), *(*b).tts_isnull.add(i)) {
                    (false, false) => image_eq(
                        *(*a).tts_values.add(i),
                        *(*b).tts_values.add(i),
                        column.attbyval,
                        column.attlen,
                    ),
                    (a, b) => a == b,
                }
            }
        })
    }

    /// # Safety
    /// As [`Self::is_same`].
    unsafe fn put(&mut self, row: &Row, into: &mut Delta) {
        self.values[0] = pg_sys::Datum::from(i64::from(row.head.w));
        // SAFETY: positions are within the row.
        unsafe {
            for (i, &position) in self.positions.iter().enumerate() {
                self.values[i + 1] = *(*row.slot).tts_values.add(position);
                self.nulls[i + 1] = *(*row.slot).tts_isnull.add(position);
            }
            into.put(&self.values, &self.nulls);
        }
    }
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
