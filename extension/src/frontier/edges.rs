//! Updates whose old and new row do not lie side by side.
//!
//! A statement's rows are written one after the other, and where a page is full they go on
//! wherever there is room, also in the middle of another: the last row before a gap and the first
//! one behind it may be the two rows of one update. These are kept until the end of a pass: a few
//! for each page, and every row that was written alone, up to a limit.

use super::batch::{Head, Row};
use crate::pg::OpenRelation;
use crate::server;
use pgrx::pg_sys;
use std::collections::BTreeMap;

/// Updates beyond it are read though nothing changes by them: right, but not free.
const MOST: usize = 10_000;

/// A copy of a row.
struct Copy(pg_sys::HeapTuple);

impl Drop for Copy {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: made below, and of nobody else.
            unsafe { pg_sys::heap_freetuple(self.0) }
        }
    }
}

pub struct Edges<'r> {
    buffer: &'r OpenRelation,
    /// By transaction and number.
    old: BTreeMap<(u64, i64), (Head, Copy)>,
    new: Vec<(Head, Copy)>,
}

impl<'r> Edges<'r> {
    pub fn of(buffer: &'r OpenRelation) -> Self {
        Edges {
            buffer,
            old: BTreeMap::new(),
            new: vec![],
        }
    }

    /// Keeps a row of weight 1 or -1 for later, as far as it is deformed, if there is room.
    ///
    /// # Safety
    /// The row must be one of the buffer that is still there. Within a guarded region: the server's
    /// errors pass over this frame.
    pub unsafe fn keep(&mut self, row: &Row) -> bool {
        if self.old.len() + self.new.len() >= MOST {
            return false;
        }
        // Of its values: the scan has one place for the headers of all its rows, and what is there
        // by now may be the next one's.
        // SAFETY: by the caller's promise.
        let tuple = unsafe {
            let desc = self.buffer.tuple_desc();
            let deformed = usize::from((*row.slot).tts_nvalid.unsigned_abs());
            for unread in deformed..(*desc).natts as usize {
                *(*row.slot).tts_isnull.add(unread) = true;
            }
            server::heap_form_tuple(desc, (*row.slot).tts_values, (*row.slot).tts_isnull)
        };
        let kept = (row.head, Copy(tuple));
        match row.head.w {
            -1 => {
                self.old.insert((row.head.xid, row.head.seq), kept);
            }
            _ => self.new.push(kept),
        }
        true
    }

    /// Shows what was kept: the two rows of an update together. Stops, and says so, when it is told
    /// to by a false.
    pub fn each(mut self, mut show: impl FnMut(Option<&Row>, Option<&Row>) -> bool) -> bool {
        if self.old.is_empty() && self.new.is_empty() {
            return true;
        }
        let slots = Slots::of(self.buffer);
        for new in std::mem::take(&mut self.new) {
            let old = self.old.remove(&(new.0.xid, new.0.seq - 1));
            let first = old.as_ref().map(|old| slots.row(0, old));
            if !show(first.as_ref(), Some(&slots.row(1, &new))) {
                return false;
            }
        }
        let mut left = self.old.values();
        left.all(|old| show(Some(&slots.row(0, old)), None))
    }
}

/// Room to read two copies from.
struct Slots([*mut pg_sys::TupleTableSlot; 2]);

impl Slots {
    fn of(buffer: &OpenRelation) -> Slots {
        // SAFETY: the relation is open.
        let slot = || unsafe {
            pg_sys::MakeSingleTupleTableSlot(
                buffer.tuple_desc(),
                &raw const pg_sys::TTSOpsHeapTuple,
            )
        };
        Slots([slot(), slot()])
    }

    /// The row, as long as the copy is there and the slot is not used again.
    fn row(&self, at: usize, (head, copy): &(Head, Copy)) -> Row {
        let slot = self.0[at];
        // SAFETY: a tuple with the columns of the slot.
        unsafe {
            pg_sys::ExecStoreHeapTuple(copy.0, slot, false);
            pg_sys::slot_getsomeattrs_int(slot, (*(*slot).tts_tupleDescriptor).natts);
        }
        Row { head: *head, slot }
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            for slot in self.0 {
                // SAFETY: made above. They do not own what they read from.
                unsafe { pg_sys::ExecDropSingleTupleTableSlot(slot) }
            }
        }
    }
}
