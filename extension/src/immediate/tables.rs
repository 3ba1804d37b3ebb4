//! What this session knows of the IMMEDIATE stream tables that it has maintained: until a capture,
//! or something about one of them, changes. To be asked for when one has the turn: who changes it
//! has had it before, and has told of that when it gave it back.

use crate::capture::audience;
use crate::catalog::StreamTable;
use crate::sql;
use pgrx::pg_sys;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

thread_local! {
    static TABLES: RefCell<HashMap<i64, Rc<StreamTable>>> = RefCell::new(HashMap::new());
}

/// None if it is gone.
pub fn get(pgt_id: i64) -> Option<Rc<StreamTable>> {
    if let Some(known) = TABLES.with_borrow(|tables| tables.get(&pgt_id).cloned()) {
        return Some(known);
    }
    audience::signal();
    let table = Rc::new(StreamTable::load(pgt_id)?);
    if table.pooled {
        sql::forget_plans(pgt_id);
    }
    // What is about to change is looked at again.
    if table.populated && table.reinit.is_none() {
        TABLES.with_borrow_mut(|tables| tables.insert(pgt_id, table.clone()));
    }
    Some(table)
}

/// Forgets what a changed relation made stale: its owner may be another one.
pub fn forget(is_signal: bool, changed: pg_sys::Oid) {
    TABLES.with_borrow_mut(|tables| match is_signal {
        true => tables.clear(),
        false => tables.retain(|_, table| table.relid != changed),
    });
}
