//! Ephemeral named relations: rows in a tuplestore that SQL reads by name, with their exact number
//! for the planner.

use super::sieve::Sieve;
use super::statistics::Told;
use crate::pg::{attributes, cstring};
use crate::server;
use crate::sql;
use pgrx::pg_sys;
use spec::program::RelColumn;
use spec::types::{SqlType, oids};

/// A named Z-set: the first column is `w bigint`, or whatever a let's query gave.
///
/// It lives in a memory context of the refresh, which outlives every use.
pub struct Delta {
    pub name: String,
    store: *mut pg_sys::Tuplestorestate,
    desc: pg_sys::TupleDesc,
    context: pg_sys::MemoryContext,
    /// What rows that are put are asked for.
    sieve: Option<Sieve>,
    /// The planner may look at the rows.
    _told: Told,
}

impl Delta {
    /// An empty relation `(w bigint, columns…)`.
    pub fn zset(name: &str, columns: &[RelColumn]) -> Self {
        let weight = RelColumn {
            name: "w".into(),
            ty: SqlType::new(oids::INT8),
        };
        let all: Vec<&RelColumn> = [&weight].into_iter().chain(columns).collect();
        Self::of_columns(name, &all)
    }

    /// An empty relation with these columns.
    pub fn of_columns(name: &str, columns: &[&RelColumn]) -> Self {
        // SAFETY: the descriptor has columns.len() attributes, all initialised.
        unsafe {
            let desc = pg_sys::CreateTemplateTupleDesc(columns.len() as i32);
            let put = |i: usize, name: &str, ty: u32, typmod: i32, collation: u32| {
                let name = cstring(name);
                let number = i as i16 + 1;
                pg_sys::TupleDescInitEntry(
                    desc,
                    number,
                    name.as_ptr(),
                    pg_sys::Oid::from(ty),
                    typmod,
                    0,
                );
                if collation != 0 {
                    pg_sys::TupleDescInitEntryCollation(desc, number, pg_sys::Oid::from(collation));
                }
            };
            for (i, column) in columns.iter().enumerate() {
                let ty = column.ty;
                put(i, &column.name, ty.oid.0, ty.typmod, ty.collation.0);
            }
            Self::with(name, desc)
        }
    }

    /// An empty relation with the columns of a query's result.
    ///
    /// # Safety
    /// `desc` must be valid; it is copied.
    pub unsafe fn like(name: &str, desc: pg_sys::TupleDesc) -> Self {
        // SAFETY: by the caller's promise.
        unsafe { Self::with(name, pg_sys::CreateTupleDescCopy(desc)) }
    }

    unsafe fn with(name: &str, desc: pg_sys::TupleDesc) -> Self {
        // SAFETY: lives in the current context.
        unsafe {
            let store = pg_sys::tuplestore_begin_heap(true, false, pg_sys::work_mem);
            let context = pg_sys::CurrentMemoryContext;
            Delta {
                name: name.to_string(),
                store,
                desc,
                context,
                sieve: None,
                _told: Told::of(&cstring(name), store, desc, context),
            }
        }
    }

    /// The same rows under another name.
    pub fn renamed(self, name: &str) -> Self {
        // SAFETY: as they live now.
        let told = unsafe { Told::of(&cstring(name), self.store, self.desc, self.context) };
        Delta {
            name: name.to_string(),
            _told: told,
            ..self
        }
    }

    /// From now on, rows on which this condition on its columns is not true may be left out.
    pub fn ask(&mut self, condition: &str) {
        self.sieve = Sieve::of(self, condition);
    }

    /// Appends a row, if it is not left out.
    ///
    /// # Safety
    /// One value and null flag per column, of its type.
    pub unsafe fn put(&mut self, values: &[pg_sys::Datum], nulls: &[bool]) {
        // SAFETY: by the caller's promise; nothing in the closure needs dropping.
        unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| self.put_raw(values, nulls)) }
    }

    /// [`Delta::put`] for many rows in one guarded region.
    ///
    /// # Safety
    /// As [`Delta::put`], and within a guarded region: the server's errors pass over this frame.
    pub unsafe fn put_raw(&mut self, values: &[pg_sys::Datum], nulls: &[bool]) {
        // SAFETY: by the caller's promise.
        unsafe {
            let sieve = self.sieve.as_ref();
            if sieve.is_none_or(|s| s.passes(values, nulls)) {
                let (values, nulls) = (values.as_ptr(), nulls.as_ptr());
                server::tuplestore_putvalues(self.store, self.desc, values, nulls);
            }
        }
    }

    /// Appends a row as it came from a statement.
    ///
    /// # Safety
    /// The tuple must have the relation's columns.
    pub unsafe fn put_tuple(&mut self, tuple: pg_sys::HeapTuple) {
        // SAFETY: by the caller's promise; the tuple is copied.
        unsafe { pg_sys::tuplestore_puttuple(self.store, tuple) }
    }

    /// A receiver of a query's rows.
    pub fn receiver(&self) -> *mut pg_sys::DestReceiver {
        // SAFETY: the store outlives the query.
        unsafe { crate::pg::tuplestore_receiver(self.store, self.context) }
    }

    pub fn len(&self) -> u64 {
        // SAFETY: a live store.
        unsafe { pg_sys::tuplestore_tuple_count(self.store) as u64 }
    }

    pub fn columns(&self) -> pg_sys::TupleDesc {
        self.desc
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn width(&self) -> usize {
        // SAFETY: a live descriptor.
        unsafe { (*self.desc).natts as usize }
    }

    pub fn attributes(&self) -> Vec<&pg_sys::FormData_pg_attribute> {
        // SAFETY: a live descriptor.
        unsafe { attributes(self.desc) }
    }

    /// Makes it known to statements of `connection` that are prepared from now on.
    pub fn register(&self, connection: &sql::Connection) {
        self.register_as(connection, self.len() as f64);
    }

    /// The same, while the planner is told another number of rows.
    pub fn register_as(&self, connection: &sql::Connection, rows: f64) {
        // SAFETY: allocated in the refresh's context, like what it points to.
        unsafe {
            let relation = pg_sys::MemoryContextAllocZero(
                self.context,
                std::mem::size_of::<pg_sys::EphemeralNamedRelationData>(),
            )
            .cast::<pg_sys::EphemeralNamedRelationData>();
            let name = cstring(&self.name);
            (*relation).md.name = pg_sys::MemoryContextStrdup(self.context, name.as_ptr());
            (*relation).md.reliddesc = pg_sys::InvalidOid;
            (*relation).md.tupdesc = self.desc;
            (*relation).md.enrtype = pg_sys::EphemeralNameRelationType::ENR_NAMED_TUPLESTORE;
            (*relation).md.enrtuples = rows;
            (*relation).reldata = self.store.cast();
            connection.register(relation);
        }
    }

    /// Calls `each` with the slot of every row, all columns deformed.
    pub fn for_each(&self, mut each: impl FnMut(*mut pg_sys::TupleTableSlot)) {
        let all = [(0, self.len() as i64)];
        // SAFETY: the store is ours.
        unsafe { rows_of(self.store, self.desc, &all, |_, slot| each(slot)) }
    }

    /// Frees the rows.
    pub fn end(self) {
        if let Some(sieve) = self.sieve {
            sieve.end();
        }
        // SAFETY: ended once; no statement reads it any more.
        unsafe { pg_sys::tuplestore_end(self.store) }
    }
}

/// Calls `each` with the slot of every row of some stretches, all columns deformed, and with the
/// number of the stretch. A stretch is where it begins, behind the end of the one before, and how
/// many rows it has.
///
/// # Safety
/// The store must have rows of the descriptor, and is not to be written to meanwhile.
pub unsafe fn rows_of(
    store: *mut pg_sys::Tuplestorestate,
    desc: pg_sys::TupleDesc,
    stretches: &[(i64, i64)],
    mut each: impl FnMut(usize, *mut pg_sys::TupleTableSlot),
) {
    // SAFETY: by the caller's promise; the slot is dropped before the descriptor.
    unsafe {
        let pointer = pg_sys::tuplestore_alloc_read_pointer(store, pg_sys::EXEC_FLAG_REWIND as i32);
        pg_sys::tuplestore_select_read_pointer(store, pointer);
        pg_sys::tuplestore_rescan(store);
        let slot = pg_sys::MakeSingleTupleTableSlot(desc, &raw const pg_sys::TTSOpsMinimalTuple);
        let natts = (*desc).natts;
        let mut at = 0;
        for (stretch, &(from, rows)) in stretches.iter().enumerate() {
            if from > at {
                pg_sys::tuplestore_skiptuples(store, from - at, true);
            }
            let advance = || {
                pg_sys::ffi::pg_guard_ffi_boundary(|| {
                    let found = server::tuplestore_gettupleslot(store, true, false, slot);
                    if found {
                        server::slot_getsomeattrs_int(slot, natts);
                    }
                    found
                })
            };
            let mut left = rows;
            while left > 0 && advance() {
                each(stretch, slot);
                left -= 1;
            }
            at = from + rows;
        }
        pg_sys::ExecDropSingleTupleTableSlot(slot);
        pg_sys::tuplestore_select_read_pointer(store, 0);
    }
}
