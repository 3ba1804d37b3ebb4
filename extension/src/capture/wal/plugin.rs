//! The output plugin: what decoding calls for each change.
//!
//! It knows what is taken from what [`super::drain`] has begun, and keeps the rows, as the buffers
//! will have them, until decoding has ended: while it lasts nothing can be written, and the catalogs
//! are seen as they were when the change was made. So columns are found where they were then, those of
//! partitions and children by the names that they had.
//!
//! **Old rows** are in the WAL as far as the table's replica identity says. Where that is not all that
//! is captured, nobody can tell what has changed: a mark makes the readers rebuild.
//!
//! **Values out of line** that an UPDATE left as they were are not in the WAL with its new row; the old
//! row has them.

use super::drain::Lsn;
use crate::capture::buffer::{self, Mark};
use crate::capture::columns::{Captured, OwnDesc};
use crate::frontier::epoch::widen;
use crate::pg::{OpenRelation, attributes, image_eq_raw};
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

/// Changes of a transaction are numbered from here on: above all that it counts itself. So a
/// refresh that it runs before it changes a source does not consume what it changes afterwards.
const FIRST: i64 = 1 << 62;

thread_local! {
    static DECODING: RefCell<Option<Decoding>> = const { RefCell::new(None) };
    /// Counts what may have changed where a table has its columns.
    static LAYOUTS: Cell<u64> = const { Cell::new(0) };
}

/// A table may have other columns from here on.
pub fn forget_layouts() {
    LAYOUTS.set(LAYOUTS.get().wrapping_add(1));
}

/// A column that a buffer keeps.
#[derive(Clone, Copy)]
struct Kept {
    /// Of the source.
    attnum: i16,
    /// Its index in the buffer's rows.
    to: usize,
}

/// What is decoded for one buffer.
pub struct Store {
    pub source: pg_sys::Oid,
    pub buffer: pg_sys::Oid,
    /// What the source consists of, and from which position on.
    pub members: Vec<(pg_sys::Oid, Lsn)>,
    pub count: u64,
    desc: OwnDesc,
    kept: Vec<Kept>,
    rows: *mut pg_sys::Tuplestorestate,
    /// Room for one.
    row: buffer::Row,
    /// The transaction that has a mark already.
    marked: u64,
}

impl Store {
    pub fn new(source: pg_sys::Oid, buffer: pg_sys::Oid, opened: &OpenRelation) -> Store {
        // SAFETY: open.
        let columns = unsafe { attributes(opened.tuple_desc()) };
        let kept = columns
            .iter()
            .enumerate()
            .skip(buffer::FIXED)
            .filter(|(_, column)| !column.attisdropped)
            .filter_map(|(to, column)| {
                let attnum = buffer::source_attnum(crate::pg::name(&column.attname))?;
                Some(Kept { attnum, to })
            })
            .collect();
        Store {
            source,
            buffer,
            members: vec![],
            count: 0,
            desc: OwnDesc::copy_of(opened.tuple_desc()),
            kept,
            // SAFETY: it lives as long as the statement, or until it is ended.
            rows: unsafe {
                pg_sys::tuplestore_begin_heap(false, false, pg_sys::maintenance_work_mem)
            },
            row: buffer::Row::new(),
            marked: 0,
        }
    }

    fn put(&mut self, number: (u64, i64), w: i16, row: Option<(&Layout, &Tuple)>) {
        // SAFETY: the descriptor is valid.
        let natts = unsafe { (*self.desc.as_ptr()).natts } as usize;
        self.row.set(natts, number, w, |values, nulls| {
            let Some((layout, tuple)) = row else {
                return;
            };
            for column in &layout.columns {
                values[column.to] = tuple.values[column.from];
                nulls[column.to] = tuple.nulls[column.from];
            }
        });
        // SAFETY: a row of the descriptor, which is copied.
        unsafe {
            pg_sys::tuplestore_putvalues(
                self.rows,
                self.desc.as_ptr(),
                self.row.values().as_ptr(),
                self.row.nulls().as_ptr(),
            );
        }
        self.count += 1;
    }

    /// Something has changed that cannot be told in rows.
    fn mark(&mut self, number: (u64, i64)) {
        if self.marked != number.0 {
            self.marked = number.0;
            self.put(number, Mark::Replaced.weight(), None);
        }
    }

    /// Shows the rows, in their order: number, weight, and all columns.
    pub fn each(self, mut show: impl FnMut((u64, i64), i16, &[pg_sys::Datum], &[bool])) {
        // SAFETY: the slot has the descriptor of the rows; all of it ends here.
        unsafe {
            let desc = self.desc.as_ptr();
            let slot =
                pg_sys::MakeSingleTupleTableSlot(desc, &raw const pg_sys::TTSOpsMinimalTuple);
            let natts = (*desc).natts;
            while pg_sys::tuplestore_gettupleslot(self.rows, true, false, slot) {
                pg_sys::slot_getsomeattrs_int(slot, natts);
                let values = std::slice::from_raw_parts((*slot).tts_values, natts as usize);
                let nulls = std::slice::from_raw_parts((*slot).tts_isnull, natts as usize);
                let number = (
                    values[buffer::XID].value() as u64,
                    values[buffer::SEQ].value() as i64,
                );
                show(number, values[buffer::W].value() as i16, values, nulls);
            }
            pg_sys::ExecDropSingleTupleTableSlot(slot);
        }
        self.discard();
    }

    /// Frees the rows. Nothing else does, but the end of the transaction: a process that ends while it
    /// decodes has neither.
    pub fn discard(self) {
        // SAFETY: begun above; nothing points into it any more.
        unsafe { pg_sys::tuplestore_end(self.rows) }
    }
}

/// How much of an old row the WAL has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Identity {
    Full,
    /// All that is captured; and nothing, if an UPDATE left that as it was.
    Captured,
    Less,
}

/// Where a table has what is captured.
struct Layout {
    generation: u64,
    columns: Vec<Captured>,
    identity: Identity,
}

impl Layout {
    /// # Safety
    /// The relation must be open, as decoding passes it.
    unsafe fn of(relation: pg_sys::Relation, store: &Store) -> Layout {
        let generation = LAYOUTS.get();
        // SAFETY: open; look-ups in catalogs, which decoding allows.
        unsafe {
            let relid = (*relation).rd_id;
            let columns = attributes((*relation).rd_att);
            let of_buffer = attributes(store.desc.as_ptr());
            let find = |kept: &Kept| {
                let column = match relid == store.source {
                    true => columns.iter().find(|a| a.attnum == kept.attnum),
                    false => {
                        let name = crate::pg::string(pg_sys::get_attname(
                            store.source,
                            kept.attnum,
                            true,
                        ))?;
                        columns
                            .iter()
                            .find(|a| !a.attisdropped && crate::pg::name(&a.attname) == name)
                    }
                };
                // One that had another type is void for those who read it: they compile anew.
                let column =
                    column.filter(|a| !a.attisdropped && buffer::fits(a, of_buffer[kept.to]))?;
                Some(Captured {
                    from: column.attnum as usize - 1,
                    to: kept.to,
                    by_value: column.attbyval,
                    len: column.attlen,
                })
            };
            let columns: Vec<Captured> = store.kept.iter().filter_map(find).collect();
            Layout {
                generation,
                identity: identity(relation, &columns),
                columns,
            }
        }
    }
}

/// # Safety
/// As [`Layout::of`].
unsafe fn identity(relation: pg_sys::Relation, columns: &[Captured]) -> Identity {
    // SAFETY: open.
    unsafe {
        if (*(*relation).rd_rel).relreplident as u8 == pg_sys::REPLICA_IDENTITY_FULL {
            return Identity::Full;
        }
        let key = pg_sys::RelationGetIdentityKeyBitmap(relation);
        let is_in = |column: &Captured| {
            let attnum = column.from as i32 + 1;
            pg_sys::bms_is_member(attnum - pg_sys::FirstLowInvalidHeapAttributeNumber, key)
        };
        match columns.iter().all(is_in) {
            true => Identity::Captured,
            false => Identity::Less,
        }
    }
}

/// A row as the WAL has it.
#[derive(Clone, Default)]
struct Tuple {
    values: Vec<pg_sys::Datum>,
    nulls: Vec<bool>,
}

impl Tuple {
    /// # Safety
    /// `tuple` must be null or one of the relation.
    unsafe fn of(relation: pg_sys::Relation, tuple: pg_sys::HeapTuple) -> Option<Tuple> {
        if tuple.is_null() {
            return None;
        }
        // SAFETY: by the caller's promise; arrays of natts elements.
        unsafe {
            let desc = (*relation).rd_att;
            let natts = (*desc).natts as usize;
            let mut this = Tuple {
                values: vec![pg_sys::Datum::from(0); natts],
                nulls: vec![true; natts],
            };
            pg_sys::heap_deform_tuple(
                tuple,
                desc,
                this.values.as_mut_ptr(),
                this.nulls.as_mut_ptr(),
            );
            Some(this)
        }
    }

    /// Fetches values that are out of line: those that came with the row from where decoding has put
    /// them together, and those that are where they were from the row before. False if one cannot be had.
    ///
    /// # Safety
    /// The values must be of the layout's types.
    unsafe fn complete(&mut self, layout: &Layout, before: Option<&Tuple>) -> bool {
        for column in layout.columns.iter().filter(|c| c.len == -1) {
            let i = column.from;
            if self.nulls[i] {
                continue;
            }
            // SAFETY: a varlena.
            unsafe {
                let value = self.values[i].cast_mut_ptr::<u8>();
                if crate::pg::is_on_disk(value) {
                    let Some(before) = before.filter(|b| !b.nulls[i]) else {
                        return false;
                    };
                    self.values[i] = before.values[i];
                } else if crate::pg::is_external(value) {
                    let fetched = pg_sys::detoast_external_attr(value.cast());
                    self.values[i] = pg_sys::Datum::from(fetched);
                }
            }
        }
        true
    }
}

/// Who takes the changes of a table.
struct Taker {
    store: usize,
    since: Lsn,
    layout: Option<Layout>,
}

struct Decoding {
    takers: HashMap<pg_sys::Oid, Vec<Taker>>,
    stores: Vec<Store>,
    /// What a change needs while it is looked at.
    scratch: pg_sys::MemoryContext,
    /// The transaction being decoded, how far its changes are counted, and where it committed.
    xid: u64,
    last: i64,
    commit: Lsn,
}

/// What follows is decoded for these.
pub fn begin(stores: Vec<Store>) {
    let mut takers: HashMap<pg_sys::Oid, Vec<Taker>> = HashMap::new();
    for (i, store) in stores.iter().enumerate() {
        for &(member, since) in &store.members {
            takers.entry(member).or_default().push(Taker {
                store: i,
                since,
                layout: None,
            });
        }
    }
    // SAFETY: a child of the present context; the name is static.
    let scratch = unsafe {
        pg_sys::AllocSetContextCreateInternal(
            pg_sys::CurrentMemoryContext,
            c"pg_trickle decoding".as_ptr(),
            pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        )
    };
    DECODING.set(Some(Decoding {
        takers,
        stores,
        scratch,
        xid: 0,
        last: 0,
        commit: 0,
    }));
}

/// It has ended: what was decoded.
pub fn end() -> Vec<Store> {
    match DECODING.take() {
        Some(decoding) => {
            // SAFETY: made by `begin`; nothing points into it.
            unsafe { pg_sys::MemoryContextDelete(decoding.scratch) };
            decoding.stores
        }
        None => vec![],
    }
}

/// An error has ended it, which takes the memory of the rows with it.
pub fn abandon() {
    DECODING.take();
}

impl Decoding {
    fn number(&mut self) -> (u64, i64) {
        self.last += 1;
        (self.xid, self.last)
    }

    /// # Safety
    /// As decoding passes it: the relation is open, and the change one of it.
    unsafe fn take(&mut self, relation: pg_sys::Relation, change: &pg_sys::ReorderBufferChange) {
        use pg_sys::ReorderBufferChangeType::*;
        // SAFETY: open.
        let relid = unsafe { (*relation).rd_id };
        let Some(mut takers) = self.takers.remove(&relid) else {
            return;
        };
        // SAFETY: these actions have tuples.
        let (before, after) = unsafe {
            match change.action {
                REORDER_BUFFER_CHANGE_INSERT
                | REORDER_BUFFER_CHANGE_UPDATE
                | REORDER_BUFFER_CHANGE_DELETE => (
                    Tuple::of(relation, change.data.tp.oldtuple),
                    Tuple::of(relation, change.data.tp.newtuple),
                ),
                _ => (None, None),
            }
        };
        let action = change.action;
        let commit = self.commit;
        for taker in takers.iter_mut().filter(|t| t.since <= commit) {
            let store = &self.stores[taker.store];
            let layout = match taker.layout.take() {
                Some(known) if known.generation == LAYOUTS.get() => known,
                // SAFETY: open.
                _ => unsafe { Layout::of(relation, store) },
            };
            // SAFETY: the rows are of the relation.
            unsafe {
                self.tell(
                    taker.store,
                    &layout,
                    action,
                    before.as_ref(),
                    after.as_ref(),
                )
            };
            taker.layout = Some(layout);
        }
        self.takers.insert(relid, takers);
    }

    /// # Safety
    /// The rows must have the layout.
    unsafe fn tell(
        &mut self,
        store: usize,
        layout: &Layout,
        action: pg_sys::ReorderBufferChangeType::Type,
        before: Option<&Tuple>,
        after: Option<&Tuple>,
    ) {
        use pg_sys::ReorderBufferChangeType::*;
        // What nobody tells apart needs no old row.
        let nothing = Tuple::default();
        let blank = layout.columns.is_empty();
        let before = match blank {
            true => before.or(Some(&nothing)),
            false => before.filter(|_| layout.identity != Identity::Less),
        };
        match (action, before, after) {
            (REORDER_BUFFER_CHANGE_INSERT, _, Some(new)) => {
                let mut new = new.clone();
                // SAFETY: by the caller's promise.
                match unsafe { new.complete(layout, None) } {
                    true => self.put(store, 1, layout, &new),
                    false => self.mark(store),
                }
            }
            (REORDER_BUFFER_CHANGE_DELETE, Some(old), _) => self.put(store, -1, layout, old),
            (REORDER_BUFFER_CHANGE_UPDATE, _, Some(_)) if blank => {}
            (REORDER_BUFFER_CHANGE_UPDATE, None, Some(_))
                if layout.identity == Identity::Captured => {}
            (REORDER_BUFFER_CHANGE_UPDATE, Some(old), Some(new)) => {
                let mut new = new.clone();
                // SAFETY: by the caller's promise.
                unsafe {
                    if !new.complete(layout, Some(old)) {
                        self.mark(store);
                    } else if !same(layout, old, &new) {
                        self.put(store, -1, layout, old);
                        self.put(store, 1, layout, &new);
                    }
                }
            }
            _ => self.mark(store),
        }
    }

    fn put(&mut self, store: usize, w: i16, layout: &Layout, row: &Tuple) {
        let number = self.number();
        self.stores[store].put(number, w, Some((layout, row)));
    }

    fn mark(&mut self, store: usize) {
        let number = self.number();
        self.stores[store].mark(number);
    }
}

/// Do both rows have the same image in all captured columns?
///
/// # Safety
/// The rows must have the layout.
unsafe fn same(layout: &Layout, old: &Tuple, new: &Tuple) -> bool {
    layout.columns.iter().all(|column| {
        let i = column.from;
        match (old.nulls[i], new.nulls[i]) {
            // SAFETY: by the caller's promise; nothing in the closure needs dropping.
            (false, false) => unsafe {
                pg_sys::ffi::pg_guard_ffi_boundary(|| {
                    image_eq_raw(old.values[i], new.values[i], column.by_value, column.len)
                })
            },
            (a, b) => a == b,
        }
    })
}

#[pg_guard]
unsafe extern "C-unwind" fn startup(
    _context: *mut pg_sys::LogicalDecodingContext,
    options: *mut pg_sys::OutputPluginOptions,
    is_init: bool,
) {
    if !is_init && DECODING.with_borrow(Option::is_none) {
        ereport!(
            ERROR,
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the changes of this slot are read by pg_trickle alone"
        );
    }
    // SAFETY: the server's, to be filled.
    unsafe {
        (*options).output_type = pg_sys::OutputPluginOutputType::OUTPUT_PLUGIN_BINARY_OUTPUT;
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn transaction_begins(
    _context: *mut pg_sys::LogicalDecodingContext,
    transaction: *mut pg_sys::ReorderBufferTXN,
) {
    // SAFETY: the transaction that is being decoded, of which the end is known.
    let (xid, commit, next) = unsafe {
        (
            (*transaction).xid.into_inner(),
            (*transaction).final_lsn,
            pg_sys::ReadNextFullTransactionId().value,
        )
    };
    DECODING.with_borrow_mut(|decoding| {
        if let Some(decoding) = decoding {
            decoding.xid = widen(xid, next);
            decoding.last = FIRST;
            decoding.commit = commit;
        }
    });
}

#[pg_guard]
unsafe extern "C-unwind" fn changed(
    _context: *mut pg_sys::LogicalDecodingContext,
    _transaction: *mut pg_sys::ReorderBufferTXN,
    relation: pg_sys::Relation,
    change: *mut pg_sys::ReorderBufferChange,
) {
    DECODING.with_borrow_mut(|decoding| {
        let Some(decoding) = decoding else {
            return;
        };
        // SAFETY: as the server passes them; the context of before comes back.
        unsafe {
            let before = pg_sys::MemoryContextSwitchTo(decoding.scratch);
            decoding.take(relation, &*change);
            pg_sys::MemoryContextSwitchTo(before);
            pg_sys::MemoryContextReset(decoding.scratch);
        }
    });
}

#[pg_guard]
unsafe extern "C-unwind" fn transaction_ends(
    _context: *mut pg_sys::LogicalDecodingContext,
    _transaction: *mut pg_sys::ReorderBufferTXN,
    _commit: pg_sys::XLogRecPtr,
) {
}

/// The server asks the library for its callbacks.
///
/// # Safety
/// Called by the server only.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn _PG_output_plugin_init(
    callbacks: *mut pg_sys::OutputPluginCallbacks,
) {
    // SAFETY: the server's, to be filled.
    unsafe {
        (*callbacks).startup_cb = Some(startup);
        (*callbacks).begin_cb = Some(transaction_begins);
        (*callbacks).change_cb = Some(changed);
        (*callbacks).commit_cb = Some(transaction_ends);
    }
}
