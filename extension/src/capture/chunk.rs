//! Rows of a buffer that are formed and not yet written, so that many are written at once: one
//! record of the log and one lock of a page for all rows that go to it.
//!
//! They lie in memory of the chunk's own, and are gone with it whatever error comes. Rows that
//! will not do are those with values out of line, which must be fetched before their table may
//! lose them, and those too large to share a page with many others: nothing is gained by keeping
//! them.

use super::buffer::Row;
use super::newest;
use crate::server;
use pgrx::pg_sys;
use std::cell::Cell;
use std::mem::offset_of;

/// How much is kept. A buffer that grows by more than eight pages at once grows without writing
/// zeros to its file.
const BYTES: usize = 128 * 1024;

/// What a backend holds on to for its next statement, which may well be of one row.
const SPARE: usize = 8 * 1024;

/// Larger rows may have to be toasted.
const LARGE: usize = 2000;

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    Kept,
    /// Not kept: the chunk must be written first.
    Full,
    /// Not kept: write it by itself.
    Large,
}

#[derive(Default)]
pub struct Chunk {
    /// The tuples, one after the other, each aligned.
    memory: Vec<u64>,
    /// Words of the memory that are in use.
    used: usize,
    /// Where each tuple begins, in words, and its length in bytes.
    tuples: Vec<(usize, u32)>,
    slots: Vec<pg_sys::HeapTupleTableSlot>,
    pointers: Vec<*mut pg_sys::TupleTableSlot>,
}

/// MAXALIGN.
const WORD: usize = std::mem::size_of::<u64>();

/// The length of a tuple's header with its bitmap of nulls, aligned.
fn header_length(natts: usize, has_nulls: bool) -> usize {
    let bitmap = if has_nulls { natts.div_ceil(8) } else { 0 };
    (offset_of!(pg_sys::HeapTupleHeaderData, t_bits) + bitmap).next_multiple_of(WORD)
}

impl Chunk {
    pub fn is_empty(&self) -> bool {
        self.tuples.is_empty()
    }

    /// Is it small enough to hold on to?
    pub fn is_small(&self) -> bool {
        self.memory.len() * WORD <= SPARE
    }

    pub fn clear(&mut self) {
        self.used = 0;
        self.tuples.clear();
    }

    /// Forms a tuple of the row and keeps it, if it will do.
    ///
    /// # Safety
    /// The row must be one of the descriptor's. Within a guarded region: the server's errors pass
    /// over this frame.
    pub unsafe fn put(&mut self, desc: pg_sys::TupleDesc, row: &Row) -> Fit {
        let (values, nulls) = (row.values(), row.nulls());
        let natts = values.len();
        let has_nulls = nulls.contains(&true);
        let header = header_length(natts, has_nulls);
        // SAFETY: arrays of natts elements.
        let data = unsafe { server::heap_compute_data_size(desc, values.as_ptr(), nulls.as_ptr()) };
        let length = header + data;
        if length > LARGE {
            return Fit::Large;
        }
        let words = length.div_ceil(WORD);
        let end = self.used + words;
        if end > BYTES / WORD {
            return Fit::Full;
        }
        if end > self.memory.len() {
            let size = end.next_power_of_two().max(SPARE / WORD);
            self.memory.resize(size, 0);
        }
        let place = &mut self.memory[self.used..end];
        place.fill(0);
        let tuple = place.as_mut_ptr().cast::<u8>();
        let mut infomask = 0;
        // SAFETY: the place has room for the header and the data, and is aligned and zero, as
        // padding must be. Who and when is filled in by the insertion.
        unsafe {
            let head = tuple.cast::<pg_sys::HeapTupleHeaderData>();
            let bits = match has_nulls {
                true => tuple.add(offset_of!(pg_sys::HeapTupleHeaderData, t_bits)),
                false => std::ptr::null_mut(),
            };
            server::heap_fill_tuple(
                desc,
                values.as_ptr(),
                nulls.as_ptr(),
                tuple.add(header).cast(),
                data,
                &mut infomask,
                bits,
            );
            (*head).t_infomask = infomask;
            (*head).t_infomask2 = natts as u16;
            (*head).t_hoff = header as u8;
        }
        if u32::from(infomask) & pg_sys::HEAP_HASEXTERNAL != 0 {
            return Fit::Large;
        }
        self.tuples.push((self.used, length as u32));
        self.used = end;
        Fit::Kept
    }

    /// Writes all rows, in their order, and forgets them.
    ///
    /// # Safety
    /// The relation must be open and locked, and be the one that the rows were formed for. Within
    /// a guarded region: the server's errors pass over this frame.
    pub unsafe fn write(&mut self, relation: pg_sys::Relation) {
        self.slots.clear();
        self.pointers.clear();
        let memory = self.memory.as_mut_ptr();
        for &(start, length) in &self.tuples {
            let mut slot = pg_sys::HeapTupleTableSlot::default();
            slot.base.type_ = pg_sys::NodeTag::T_TupleTableSlot;
            // The slot has a tuple of its own: it need not make itself a copy. Nobody clears it.
            slot.base.tts_flags = pg_sys::TTS_FLAG_SHOULDFREE as u16;
            slot.base.tts_ops = &raw const pg_sys::TTSOpsHeapTuple;
            slot.tupdata.t_len = length;
            // SAFETY: within the memory.
            slot.tupdata.t_data = unsafe { memory.add(start) }.cast();
            self.slots.push(slot);
        }
        for slot in &mut self.slots {
            slot.tuple = &raw mut slot.tupdata;
            self.pointers.push((&raw mut *slot).cast());
        }
        // SAFETY: the slots hold tuples of the relation; the slots and the tuples outlive the
        // calls.
        unsafe {
            newest::note((*relation).rd_id);
            let command = || server::GetCurrentCommandId(true);
            let nothing = std::ptr::null_mut();
            match self.slots.as_mut_slice() {
                [] => (),
                [one] => server::heap_insert(relation, one.tuple, command(), 0, nothing),
                many => {
                    let before = pg_sys::MemoryContextSwitchTo(scratch());
                    server::heap_multi_insert(
                        relation,
                        self.pointers.as_mut_ptr(),
                        many.len() as i32,
                        command(),
                        0,
                        nothing,
                    );
                    pg_sys::MemoryContextSwitchTo(before);
                    server::MemoryContextReset(scratch());
                }
            }
        }
        self.clear();
    }
}

/// Writes one row, whatever its size: values out of line are fetched from where they are, and
/// stored in the buffer's own TOAST table.
///
/// # Safety
/// As [`Chunk::put`] and [`Chunk::write`].
pub unsafe fn write_one(relation: pg_sys::Relation, row: &Row) {
    // SAFETY: arrays of natts elements.
    unsafe {
        newest::note((*relation).rd_id);
        let tuple = server::heap_form_tuple(
            (*relation).rd_att,
            row.values().as_ptr(),
            row.nulls().as_ptr(),
        );
        server::heap_insert(
            relation,
            tuple,
            server::GetCurrentCommandId(true),
            0,
            std::ptr::null_mut(),
        );
        server::heap_freetuple(tuple);
    }
}

/// Where the server leaves what it needs during an insertion.
fn scratch() -> pg_sys::MemoryContext {
    thread_local! {
        static SCRATCH: Cell<pg_sys::MemoryContext> = const { Cell::new(std::ptr::null_mut()) };
    }
    if SCRATCH.get().is_null() {
        // SAFETY: a context that lives as long as the backend; the name is static.
        SCRATCH.set(unsafe {
            pg_sys::AllocSetContextCreateInternal(
                pg_sys::TopMemoryContext,
                c"pg_trickle capture".as_ptr(),
                pg_sys::ALLOCSET_SMALL_MINSIZE as usize,
                pg_sys::ALLOCSET_SMALL_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            )
        });
    }
    SCRATCH.get()
}
