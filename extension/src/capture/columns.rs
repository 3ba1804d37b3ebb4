//! Which column of a changed table goes where in which buffer: worked out once per table and
//! backend, and again when one of them changes.

use super::audience::{self, Audience};
use super::{buffer, tree, wal};
use crate::pg::{OpenRelation, attributes};
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// A captured column.
#[derive(Clone, Copy)]
pub struct Captured {
    /// Its index in the changed table's rows.
    pub from: usize,
    /// Its index in the buffer's rows.
    pub to: usize,
    pub by_value: bool,
    pub len: i16,
}

/// Where the changes of a table go for those who read one of the tables that it is a member of.
pub struct Target {
    /// What they read.
    pub source: pg_sys::Oid,
    pub buffer: pg_sys::Oid,
    pub columns: Vec<Captured>,
    /// How many of the changed table's columns, from the first, hold all that is captured.
    pub reach: i32,
    /// What the buffer's rows look like.
    pub desc: Rc<OwnDesc>,
    /// Who is told.
    pub audience: Rc<Audience>,
    /// A captured column has another type than the buffer keeps: changes cannot be told, and each
    /// is a mark instead.
    pub misfit: bool,
}

/// A descriptor of our own, which lives as long as the backend if need be.
pub struct OwnDesc(pg_sys::TupleDesc);

impl OwnDesc {
    pub fn copy_of(desc: pg_sys::TupleDesc) -> Self {
        // SAFETY: the descriptor is that of an open relation.
        unsafe {
            let before = pg_sys::MemoryContextSwitchTo(pg_sys::TopMemoryContext);
            let copy = pg_sys::CreateTupleDescCopy(desc);
            pg_sys::MemoryContextSwitchTo(before);
            OwnDesc(copy)
        }
    }

    pub fn as_ptr(&self) -> pg_sys::TupleDesc {
        self.0
    }
}

impl Drop for OwnDesc {
    fn drop(&mut self) {
        // SAFETY: allocated above; frees memory only.
        unsafe { pg_sys::FreeTupleDesc(self.0) }
    }
}

thread_local! {
    static TARGETS: RefCell<HashMap<pg_sys::Oid, Rc<[Target]>>> = RefCell::new(HashMap::new());
}

/// Where the changes of a table go; nowhere if nothing captures them.
pub fn targets(changed: pg_sys::Relation) -> Rc<[Target]> {
    // SAFETY: the table is open.
    let oid = unsafe { (*changed).rd_id };
    if let Some(known) = TARGETS.with_borrow(|targets| targets.get(&oid).cloned()) {
        return known;
    }
    let captured = tree::readers(oid).into_iter();
    let built: Rc<[Target]> = captured
        .filter_map(|source| Some(build(changed, source, buffer::find(source)?)))
        .collect();
    TARGETS.with_borrow_mut(|targets| targets.insert(oid, built.clone()));
    built
}

fn build(changed: pg_sys::Relation, source: pg_sys::Oid, buffer: pg_sys::Oid) -> Target {
    let relation = OpenRelation::open(buffer, pg_sys::RowExclusiveLock as i32);
    // SAFETY: both are open.
    let (oid, of_changed, of_buffer) = unsafe {
        (
            (*changed).rd_id,
            attributes((*changed).rd_att),
            attributes(relation.tuple_desc()),
        )
    };
    let mut columns = Vec::new();
    let mut misfit = false;
    for (to, kept) in of_buffer.iter().enumerate().skip(buffer::FIXED) {
        if kept.attisdropped {
            continue;
        }
        let Some(attnum) = buffer::source_attnum(crate::pg::name(&kept.attname)) else {
            continue;
        };
        // A column dropped from the source is NULL from now on; who used it is told by the DDL.
        let column = match oid == source {
            true => of_changed
                .iter()
                .find(|a| a.attnum == attnum && !a.attisdropped),
            false => {
                let Some(name) = column_name(source, attnum) else {
                    continue;
                };
                let column = of_changed
                    .iter()
                    .find(|a| !a.attisdropped && crate::pg::name(&a.attname) == name);
                misfit |= column.is_none();
                column
            }
        };
        let Some(column) = column else {
            continue;
        };
        misfit |= !buffer::fits(column, kept);
        columns.push(Captured {
            from: column.attnum as usize - 1,
            to,
            by_value: column.attbyval,
            len: column.attlen,
        });
    }
    Target {
        source,
        buffer,
        reach: columns.iter().map(|c| c.from as i32 + 1).max().unwrap_or(0),
        columns,
        desc: Rc::new(OwnDesc::copy_of(relation.tuple_desc())),
        audience: Audience::of(source),
        misfit,
    }
}

/// The name of a column that was not dropped.
fn column_name(relation: pg_sys::Oid, attnum: i16) -> Option<String> {
    // SAFETY: look-ups that answer null and 0 for what is missing.
    unsafe {
        let name = pg_sys::get_attname(relation, attnum, true);
        let live = !name.is_null() && pg_sys::get_attnum(relation, name) == attnum;
        live.then(|| crate::pg::string(name)).flatten()
    }
}

/// Forgets what a changed relation made stale. Registered once per backend.
#[pg_guard]
unsafe extern "C-unwind" fn forget(_argument: pg_sys::Datum, changed: pg_sys::Oid) {
    // The cache is borrowed only to look up or insert, never across a call into the server, so
    // that an invalidation cannot meet a borrow.
    wal::forget_layouts();
    let all = audience::is_signal(changed);
    if all {
        audience::forget();
    }
    TARGETS.with_borrow_mut(|targets| {
        if all {
            targets.clear();
        } else {
            targets.retain(|&table, targets| {
                let mut buffers = targets.iter().map(|t| t.buffer);
                table != changed && buffers.all(|buffer| buffer != changed)
            });
        }
    });
}

pub fn register_invalidation() {
    // SAFETY: once per process, from _PG_init.
    unsafe { pg_sys::CacheRegisterRelcacheCallback(Some(forget), pg_sys::Datum::from(0)) }
}
