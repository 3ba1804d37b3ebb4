//! Refresh programs of this session: one for each stream table, compilation and set of changed
//! sources.

use super::RefreshError;
use super::identity::as_system;
use crate::catalog::StreamTable;
use crate::sql::{self, arg};
use pgrx::JsonB;
use spec::program::RefreshProgram;
use spec::types::Oid;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

type Key = (i64, i64, BTreeSet<Oid>);

thread_local! {
    static PROGRAMS: RefCell<HashMap<Key, Rc<RefreshProgram>>> = RefCell::new(HashMap::new());
}

pub fn of(
    table: &StreamTable,
    changed: &BTreeSet<Oid>,
) -> Result<Rc<RefreshProgram>, RefreshError> {
    let key = (table.pgt_id, table.generation, changed.clone());
    if let Some(known) = PROGRAMS.with_borrow(|programs| programs.get(&key).cloned()) {
        return Ok(known);
    }
    let program = Rc::new(derive(table, changed)?);
    PROGRAMS.with_borrow_mut(|programs| programs.insert(key, program.clone()));
    Ok(program)
}

fn derive(table: &StreamTable, _changed: &BTreeSet<Oid>) -> Result<RefreshProgram, RefreshError> {
    let stored: Option<JsonB> = as_system(|| {
        sql::one(
            "SELECT compiled FROM pgtrickle.pgt_stream_tables WHERE pgt_id = $1",
            &[arg(table.pgt_id)],
        )
    });
    let JsonB(value) = stored.ok_or_else(|| RefreshError::NotFound(table.name()))?;
    serde_json::from_value(value).map_err(|error| RefreshError::Internal {
        step: table.name(),
        what: error.to_string(),
    })
}
