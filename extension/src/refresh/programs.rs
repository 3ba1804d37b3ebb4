//! Refresh programs of this session: one for each stream table, compilation and set of changed
//! sources, for as long as everything that they name is called what it was.

use super::RefreshError;
use crate::catalog::StreamTable;
use crate::compiled;
use crate::pg::{self, OpenRelation, attributes};
use pgrx::{PgList, pg_sys};
use spec::program::RefreshProgram;
use spec::types::Oid;
use std::cell::RefCell;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::rc::Rc;

#[derive(PartialEq, Eq, Hash)]
struct Key {
    pgt_id: i64,
    generation: i64,
    names: u64,
    changed: BTreeSet<Oid>,
}

/// Beyond this many, a session begins anew.
const MANY: usize = 10_000;

thread_local! {
    static PROGRAMS: RefCell<HashMap<Key, Rc<RefreshProgram>>> = RefCell::new(HashMap::new());
}

pub fn of(
    table: &StreamTable,
    changed: &BTreeSet<Oid>,
) -> Result<Rc<RefreshProgram>, RefreshError> {
    let key = Key {
        pgt_id: table.pgt_id,
        generation: table.generation,
        names: names(table),
        changed: changed.clone(),
    };
    if let Some(known) = PROGRAMS.with_borrow(|programs| programs.get(&key).cloned()) {
        return Ok(known);
    }
    let time = compiled::named::time();
    let program = Rc::new(compiled::program(table, changed)?);
    if compiled::named::time() != time {
        // What it was made from may have changed meanwhile.
        return Ok(program);
    }
    PROGRAMS.with_borrow_mut(|programs| {
        if programs.len() >= MANY {
            programs.clear();
        }
        programs.insert(key, program.clone());
    });
    Ok(program)
}

/// The names of all tables and columns that the program may write out, and the indexes that it may be
/// made for, as one number.
fn names(table: &StreamTable) -> u64 {
    let mut hash = DefaultHasher::new();
    for relid in table.sources.iter().map(|s| s.relid).chain([table.relid]) {
        pg::qualified_name(relid).hash(&mut hash);
        let relation = OpenRelation::open(relid, pg_sys::AccessShareLock as i32);
        // SAFETY: open.
        for attribute in unsafe { attributes(relation.tuple_desc()) } {
            pg::name(&attribute.attname).hash(&mut hash);
        }
        // SAFETY: open; the list is a copy.
        let indexes: PgList<pg_sys::Oid> =
            unsafe { PgList::from_pg(pg_sys::RelationGetIndexList(relation.0)) };
        for index in indexes.iter_oid() {
            index.to_u32().hash(&mut hash);
        }
    }
    hash.finish()
}

/// An object that programs may name has changed.
pub fn forget() {
    PROGRAMS.with_borrow_mut(|programs| programs.clear());
}
