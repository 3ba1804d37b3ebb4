//! Reading a change buffer: one pass of the heap under the refresh's snapshot, keeping what the
//! frontier has not consumed.

use super::edges::Edges;
use super::epoch::View;
use super::{Epoch, Frontier};
use crate::capture::buffer::{self, Mark};
use crate::pg::{OpenRelation, attributes, image_eq_raw, next_row_raw};
use crate::refresh::relation::Delta;
use crate::server;
use pgrx::pg_sys;
use std::marker::PhantomData;
use std::ops::ControlFlow;

/// What a buffer holds for one reader.
pub struct Pending {
    pub rows: u64,
    /// Some row of it was deleted, or changed.
    pub retracts: bool,
    /// The source was truncated, or its content replaced: its readers must rebuild.
    pub rebuild: Option<Mark>,
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

    /// Only rows of the last `pages` pages. To be called before the first row is asked for.
    pub fn tail(self, pages: u32) -> Self {
        // SAFETY: the scan has not begun to return rows; the pages are there.
        unsafe {
            let all = (*self.scan.cast::<pg_sys::HeapScanDescData>()).rs_nblocks;
            let pages = pages.min(all);
            pg_sys::heap_setscanlimits(self.scan, all - pages, pages);
        }
        self
    }

    /// The next row: its slot, of which the head can be read. The row before stays where it is.
    pub fn advance(&mut self) -> Option<*mut pg_sys::TupleTableSlot> {
        // SAFETY: nothing in the closure needs dropping.
        unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| self.advance_raw()) }
    }

    /// [`Scan::advance`] for many rows in one guarded region.
    ///
    /// # Safety
    /// Within a guarded region: the server's errors pass over this frame.
    unsafe fn advance_raw(&mut self) -> Option<*mut pg_sys::TupleTableSlot> {
        // SAFETY: the scan and its slot are ours.
        unsafe {
            if !next_row_raw(self.scan, self.slots[1], buffer::FIXED as i32) {
                return None;
            }
            self.slots.swap(0, 1);
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

/// How many pages a table has.
pub fn pages(relation: &OpenRelation) -> u32 {
    // SAFETY: the relation is open.
    unsafe { pg_sys::RelationGetNumberOfBlocksInFork(relation.0, pg_sys::ForkNumber::MAIN_FORKNUM) }
}

fn is_without_pages(relation: &OpenRelation) -> bool {
    pages(relation) == 0
}

/// What one reader wants of a source.
pub struct Wanted<'a> {
    /// The columns of the batch, after `w`.
    pub shown: &'a [i16],
    /// All columns that the stream table reads: a superset of those shown.
    pub used: &'a [i16],
}

/// What waits for a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    Nothing,
    /// Only updates of columns that it does not read.
    Unread,
    Something,
}

/// Is there anything in the buffer for a reader of these columns that the frontier has not
/// consumed?
pub fn waiting(
    buffer: &OpenRelation,
    view: View<'_>,
    frontier: &Frontier,
    used: &[i16],
) -> Result<Waiting, buffer::MissingColumn> {
    if is_without_pages(buffer) {
        return Ok(Waiting::Nothing);
    }
    let wanted = Wanted { shown: &[], used };
    // SAFETY: the buffer stays open.
    let mut projection = unsafe { Projection::new(buffer.tuple_desc(), &wanted)? };
    let passed = pass(buffer, view, frontier, &mut projection, |_, _| {
        ControlFlow::Break(())
    });
    Ok(match passed {
        Passed::All { unread: false } => Waiting::Nothing,
        Passed::All { unread: true } => Waiting::Unread,
        Passed::Stopped | Passed::Marked(_) => Waiting::Something,
    })
}

/// Reads the batch of one source into `into`. Stops early at a mark that asks for a rebuild.
pub fn read(
    buffer: &OpenRelation,
    view: View<'_>,
    frontier: &Frontier,
    wanted: &Wanted<'_>,
    into: &mut Delta,
) -> Result<Pending, buffer::MissingColumn> {
    let mut pending = Pending {
        rows: 0,
        retracts: false,
        rebuild: None,
    };
    if is_without_pages(buffer) {
        return Ok(pending);
    }
    // SAFETY: the buffer stays open.
    let mut projection = unsafe { Projection::new(buffer.tuple_desc(), wanted)? };
    let passed = pass(
        buffer,
        view,
        frontier,
        &mut projection,
        |projection, row| {
            // SAFETY: the row is the last one or the last but one that the scan has returned.
            unsafe { projection.put(row, into) };
            pending.rows += 1;
            pending.retracts |= row.head.w < 0;
            ControlFlow::Continue(())
        },
    );
    if let Passed::Marked(mark) = passed {
        pending.rebuild = Some(mark);
    }
    Ok(pending)
}

/// How far a pass came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passed {
    /// To the end; were there updates of columns that nobody reads?
    All { unread: bool },
    /// It was stopped at a row.
    Stopped,
    /// To a mark that asks for a rebuild.
    Marked(Mark),
}

/// Shows the rows that the frontier has not consumed.
///
/// An update that changes no used column, but others that are captured for other readers, is left
/// out: its old and its new row stand side by side, or before and behind a gap. An update of a used column stays, even if the
/// columns shown are the same: it touches the row.
///
/// `show` is called within a guarded region: the server's errors pass over its frame.
fn pass<'b>(
    buffer: &OpenRelation,
    view: View<'_>,
    frontier: &Frontier,
    projection: &mut Projection<'b>,
    mut show: impl FnMut(&mut Projection<'b>, &Row) -> ControlFlow<()>,
) -> Passed {
    let mut scan = Scan::begin(buffer, view.as_ptr());
    let mut edges = Edges::of(buffer);
    // One region for all rows: entering one takes a fifth of what a row takes otherwise.
    // SAFETY: `walk` owns nothing that needs dropping.
    let walked = unsafe {
        pg_sys::ffi::pg_guard_ffi_boundary(|| {
            walk(&mut scan, view, frontier, projection, &mut edges, &mut show)
        })
    };
    let Passed::All { mut unread } = walked else {
        return walked;
    };
    let all = edges.each(|old, new| {
        // SAFETY: the rows are copies; nothing in the closure needs dropping.
        unsafe {
            pg_sys::ffi::pg_guard_ffi_boundary(|| {
                if let (Some(old), Some(new)) = (old, new)
                    && projection.is_same(old, new)
                {
                    unread = true;
                    return true;
                }
                let mut rows = [old, new].into_iter().flatten();
                rows.all(|row| show(projection, row).is_continue())
            })
        }
    });
    match all {
        true => Passed::All { unread },
        false => Passed::Stopped,
    }
}

/// The rows in the order of the heap; those that may have met their like elsewhere are left to
/// `edges`.
///
/// # Safety
/// The projection must be of the buffer that is scanned. Within a guarded region: the server's errors
/// pass over this frame.
unsafe fn walk<'b>(
    scan: &mut Scan<'_>,
    view: View<'_>,
    frontier: &Frontier,
    projection: &mut Projection<'b>,
    edges: &mut Edges<'_>,
    show: &mut impl FnMut(&mut Projection<'b>, &Row) -> ControlFlow<()>,
) -> Passed {
    let reach = projection.reach();
    let mut unread = false;
    // What lies before this row.
    let mut before: Option<Head> = None;
    // The row before, if it is an old one that may yet meet its like.
    let mut retracted: Option<Row> = None;
    // SAFETY: by the caller's promise; rows are the last one or the last but one that the scan has
    // returned, which it leaves as they were.
    unsafe {
        while let Some(slot) = scan.advance_raw() {
            let head = head(slot);
            let follows = before.replace(head).is_some_and(|b| b.is_followed_by(head));
            let mark = Mark::of(head.w);
            // What is later is the next batch's.
            let consumed = frontier.consumed(head.xid, head.seq) || view.is_later(head.xid);
            let row = match consumed || mark.is_some() {
                true => None,
                false => {
                    // Now, while the scan has it: what a later look deforms would be of another row.
                    if i32::from((*slot).tts_nvalid) < reach {
                        server::slot_getsomeattrs_int(slot, reach);
                    }
                    Some(Row { head, slot })
                }
            };
            if let Some(old) = retracted.take() {
                let (same, kept) = match &row {
                    Some(new) if follows && head.w == 1 => (projection.is_same(&old, new), false),
                    _ if follows => (false, false),
                    _ => (false, edges.keep(&old)),
                };
                if same {
                    unread = true;
                    continue;
                }
                if !kept && show(projection, &old).is_break() {
                    return Passed::Stopped;
                }
            }
            match row {
                Some(row) if head.w == -1 => retracted = Some(row),
                Some(row) if head.w == 1 && !follows && edges.keep(&row) => {}
                Some(row) if show(projection, &row).is_break() => return Passed::Stopped,
                None if !consumed => {
                    if let Some(mark @ (Mark::Truncated | Mark::Replaced)) = mark {
                        return Passed::Marked(mark);
                    }
                }
                _ => (),
            }
        }
        if let Some(old) = retracted {
            let kept = edges.keep(&old);
            if !kept && show(projection, &old).is_break() {
                return Passed::Stopped;
            }
        }
    }
    Passed::All { unread }
}

/// A row of a buffer, the columns that its reader wants deformed.
pub(super) struct Row {
    pub head: Head,
    pub slot: *mut pg_sys::TupleTableSlot,
}

impl Head {
    /// Was the next change of the same transaction?
    fn is_followed_by(self, next: Head) -> bool {
        self.xid == next.xid && self.seq + 1 == next.seq
    }
}

/// Where a buffer has the columns that a reader wants.
pub struct Projection<'b> {
    columns: Vec<&'b pg_sys::FormData_pg_attribute>,
    shown: Vec<usize>,
    used: Vec<usize>,
    /// Room for `w` and the columns shown of one row.
    values: Vec<pg_sys::Datum>,
    nulls: Vec<bool>,
}

impl<'b> Projection<'b> {
    /// # Safety
    /// `desc` must be a buffer's, and live as long as this is used.
    pub unsafe fn new(
        desc: pg_sys::TupleDesc,
        wanted: &Wanted<'_>,
    ) -> Result<Projection<'b>, buffer::MissingColumn> {
        // SAFETY: by the caller's promise.
        let columns = unsafe { attributes(desc) };
        let positions = |attnums: &[i16]| {
            let positions = attnums.iter().map(|&n| buffer::position(&columns, n));
            positions.collect::<Result<Vec<usize>, _>>()
        };
        Ok(Projection {
            shown: positions(wanted.shown)?,
            used: positions(wanted.used)?,
            values: vec![pg_sys::Datum::from(0); wanted.shown.len() + 1],
            nulls: vec![false; wanted.shown.len() + 1],
            columns,
        })
    }

    /// How many columns of a row have to be deformed for it.
    fn reach(&self) -> i32 {
        let wanted = self.shown.iter().chain(&self.used).max();
        wanted.map_or(buffer::FIXED, |last| last + 1) as i32
    }

    /// Are the used columns the same, byte by byte?
    ///
    /// # Safety
    /// Both must be rows of the buffer that are still there. Within a guarded region: the server's
    /// errors pass over this frame.
    unsafe fn is_same(&self, a: &Row, b: &Row) -> bool {
        self.used.iter().all(|&i| {
            let column = self.columns[i];
            // SAFETY: positions are within the rows; the values are of the column's type.
            unsafe {
                let nulls = |row: &Row| *(*row.slot).tts_isnull.add(i);
                let value = |row: &Row| *(*row.slot).tts_values.add(i);
                match (nulls(a), nulls(b)) {
                    (false, false) => {
                        image_eq_raw(value(a), value(b), column.attbyval, column.attlen)
                    }
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
            for (i, &position) in self.shown.iter().enumerate() {
                self.values[i + 1] = *(*row.slot).tts_values.add(position);
                self.nulls[i + 1] = *(*row.slot).tts_isnull.add(position);
            }
            into.put_raw(&self.values, &self.nulls);
        }
    }
}

/// Puts rows that are not in a buffer's heap into `into`; says how many. The two rows of an update
/// stand side by side, and are left out if they are the same in all columns that are read.
///
/// # Safety
/// The rows must be deformed and have the projection's descriptor; each must outlast the next call.
pub unsafe fn sift(
    mut advance: impl FnMut() -> Option<*mut pg_sys::TupleTableSlot>,
    mut projection: Projection<'_>,
    into: &mut Delta,
) -> u64 {
    let mut rows = 0;
    // The row before, if it is an old one that may yet meet its like.
    let mut retracted: Option<Row> = None;
    loop {
        // SAFETY: by the caller's promise.
        let row = advance().map(|slot| Row {
            head: unsafe { head(slot) },
            slot,
        });
        if let Some(old) = retracted.take() {
            let is_update = |new: &Row| new.head.w == 1 && old.head.is_followed_by(new.head);
            // SAFETY: the row before is there until the next call; nothing in the closure needs
            // dropping.
            let shown = unsafe {
                pg_sys::ffi::pg_guard_ffi_boundary(|| {
                    let new = row.as_ref().filter(|new| is_update(new));
                    let shown = !new.is_some_and(|new| projection.is_same(&old, new));
                    if shown {
                        projection.put(&old, into);
                    }
                    shown
                })
            };
            if !shown {
                continue;
            }
            rows += 1;
        }
        match row {
            None => return rows,
            Some(row) if row.head.w == -1 => retracted = Some(row),
            Some(row) => {
                // SAFETY: it has just come; nothing in the closure needs dropping.
                unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| projection.put(&row, into)) };
                rows += 1;
            }
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
