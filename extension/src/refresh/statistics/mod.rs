//! What the planner is told of the rows of ephemeral relations: what ANALYZE would say of a table.
//!
//! PostgreSQL itself knows their number alone. It takes a column for one of at most 200 different
//! values and a condition for a guess; so it never keeps what it has looked up for the next row with
//! the same key (Memoize), though the two rows of an update mostly have the same one and the rows of
//! a detail table come by the order. What is told here is read off a sample of the rows, of the
//! columns that the planner asks for, when it asks.

mod sample;

use pgrx::pg_sys;
use pgrx::prelude::*;
use sample::Rows;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CStr, CString};

/// A relation whose rows are there to be looked at.
struct Known {
    id: u64,
    name: CString,
    rows: Rows,
    /// A row of `pg_statistic` for each column that was asked for, if there is one.
    columns: HashMap<i16, Option<pg_sys::HeapTuple>>,
}

thread_local! {
    static KNOWN: RefCell<Vec<Known>> = const { RefCell::new(Vec::new()) };
}

static mut PREVIOUS: pg_sys::get_relation_stats_hook_type = None;

/// Installs the hook. Once per process, from `_PG_init`.
pub fn install() {
    // SAFETY: backends have one thread.
    unsafe {
        PREVIOUS = pg_sys::get_relation_stats_hook;
        pg_sys::get_relation_stats_hook = Some(of_column);
    }
}

/// As long as it lives, the planner is told of a relation.
pub struct Told(u64);

impl Told {
    /// # Safety
    /// The store, its descriptor and the context must live as long as what this returns.
    pub unsafe fn of(
        name: &CStr,
        store: *mut pg_sys::Tuplestorestate,
        desc: pg_sys::TupleDesc,
        context: pg_sys::MemoryContext,
    ) -> Told {
        KNOWN.with_borrow_mut(|known| {
            let id = known.last().map_or(0, |k| k.id + 1);
            known.push(Known {
                id,
                name: name.to_owned(),
                rows: Rows {
                    store,
                    desc,
                    context,
                },
                columns: HashMap::new(),
            });
            Told(id)
        })
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        KNOWN.with_borrow_mut(|known| known.retain(|k| k.id != self.0));
    }
}

/// # Safety
/// Called by the planner.
#[pg_guard]
unsafe extern "C-unwind" fn of_column(
    root: *mut pg_sys::PlannerInfo,
    entry: *mut pg_sys::RangeTblEntry,
    attnum: pg_sys::AttrNumber,
    out: *mut pg_sys::VariableStatData,
) -> bool {
    // SAFETY: the planner's arguments are valid.
    unsafe {
        let named = (*entry).rtekind == pg_sys::RTEKind::RTE_NAMEDTUPLESTORE;
        if named && let Some(tuple) = look_up(CStr::from_ptr((*entry).enrname), attnum) {
            (*out).statsTuple = tuple;
            (*out).freefunc = Some(leave);
            (*out).acl_ok = true;
            return true;
        }
        match PREVIOUS {
            Some(previous) => previous(root, entry, attnum, out),
            None => false,
        }
    }
}

/// The tuple is kept for the next one who asks.
unsafe extern "C-unwind" fn leave(_tuple: pg_sys::HeapTuple) {}

fn look_up(name: &CStr, attnum: i16) -> Option<pg_sys::HeapTuple> {
    let (id, rows, kept) = KNOWN.with_borrow(|all| {
        let known = all.iter().rfind(|k| *k.name == *name)?;
        Some((known.id, known.rows, known.columns.get(&attnum).copied()))
    })?;
    if let Some(tuple) = kept {
        return tuple;
    }
    // SAFETY: what they are made of is there as long as the relation is known.
    let tuple = unsafe { rows.analysed(attnum) };
    KNOWN.with_borrow_mut(|all| {
        if let Some(known) = all.iter_mut().find(|k| k.id == id) {
            known.columns.insert(attnum, tuple);
        }
    });
    tuple
}
