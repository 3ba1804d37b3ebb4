//! Refresh programs of this session: one for each stream table, compilation and set of changed
//! sources, for as long as everything that they name is called what it was.

use super::RefreshError;
use crate::catalog::StreamTable;
use crate::compiled;
use crate::pg::{self, OpenRelation, attributes};
use pgrx::prelude::*;
use pgrx::{PgList, pg_sys};
use spec::program::RefreshProgram;
use spec::types::Oid;
use std::cell::{Cell, RefCell};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::rc::Rc;

/// Relations, and their names as one number.
type Named = (Vec<pg_sys::Oid>, u64);

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
    /// By stream table and compilation, what [`names`] says, and of which relations.
    static NAMES: RefCell<HashMap<(i64, i64), Named>> = RefCell::new(HashMap::new());
    /// How many relations have changed so far.
    static TOLD: Cell<u64> = const { Cell::new(0) };
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
/// made for, as one number; looked up again when one of the tables, or its schema, changes.
fn names(table: &StreamTable) -> u64 {
    let key = (table.pgt_id, table.generation);
    if let Some(known) = NAMES.with_borrow(|names| names.get(&key).map(|(_, hash)| *hash)) {
        return known;
    }
    let time = (TOLD.get(), compiled::named::time());
    let sources = table.sources.iter().map(|s| s.relid);
    let relations: Vec<pg_sys::Oid> = sources.chain([table.relid]).collect();
    let hash = names_of(&relations);
    // What was looked up first may have changed meanwhile.
    if time == (TOLD.get(), compiled::named::time()) {
        NAMES.with_borrow_mut(|names| {
            if names.len() >= MANY {
                names.clear();
            }
            names.insert(key, (relations, hash));
        });
    }
    hash
}

fn names_of(relations: &[pg_sys::Oid]) -> u64 {
    let mut hash = DefaultHasher::new();
    for &relid in relations {
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
    NAMES.with_borrow_mut(|names| names.clear());
}

/// A relation has changed, or any may have.
#[pg_guard]
unsafe extern "C-unwind" fn told(_argument: pg_sys::Datum, changed: pg_sys::Oid) {
    TOLD.set(TOLD.get() + 1);
    // Borrowed only to look up or insert, never across a call into the server, so that an
    // invalidation cannot meet a borrow.
    NAMES.with_borrow_mut(|names| {
        let is_any = changed == pg_sys::InvalidOid;
        names.retain(|_, (relations, _)| !is_any && !relations.contains(&changed));
    });
}

/// Once per process, from `_PG_init`.
pub fn register_invalidation() {
    // SAFETY: a callback that only touches our own memory.
    unsafe { pg_sys::CacheRegisterRelcacheCallback(Some(told), pg_sys::Datum::from(0)) }
}
