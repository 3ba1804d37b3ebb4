//! Which IMMEDIATE stream tables a statement on a table concerns, known per session until a capture
//! changes.

use super::tables;
use crate::capture::audience::{self, latest};
use crate::capture::tree;
use crate::catalog::stream_table::own_table_if_any;
use crate::sql::arg;
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// What is read by an IMMEDIATE stream table.
#[derive(Clone, Debug)]
pub struct Reads {
    pub relid: pg_sys::Oid,
    /// One more than that of the deepest stream table that it reads.
    pub depth: i32,
    pub sources: Vec<pg_sys::Oid>,
}

/// All IMMEDIATE stream tables, by their ids.
pub type All = BTreeMap<i64, Reads>;

thread_local! {
    /// By table: those that its changes may reach.
    static REACHED: RefCell<HashMap<pg_sys::Oid, Rc<[i64]>>> = RefCell::new(HashMap::new());
    static ALL: RefCell<Option<Rc<All>>> = const { RefCell::new(None) };
}

/// None while the extension is not there, or being created or dropped.
pub fn all() -> Option<Rc<All>> {
    if let Some(known) = ALL.with_borrow(Clone::clone) {
        return Some(known);
    }
    for name in ["pgt_captures", "pgt_dependencies", "pgt_stream_tables"] {
        own_table_if_any(name)?;
    }
    audience::signal();
    let mut all = All::new();
    latest(|connection| {
        let rows = connection.read(
            "WITH RECURSIVE own AS (SELECT pgt_id, pgt_relid FROM pgtrickle.pgt_stream_tables \
             WHERE refresh_mode = $1), depth (pgt_id, of) AS (SELECT pgt_id, 0 FROM own UNION \
             SELECT d.pgt_id, p.of + 1 FROM depth p JOIN own u USING (pgt_id) JOIN \
             pgtrickle.pgt_dependencies d ON d.source_relid = u.pgt_relid JOIN own o ON \
             o.pgt_id = d.pgt_id) SELECT pgt_id, pgt_relid::pg_catalog.oid, pg_catalog.max(of), \
             ARRAY(SELECT d.source_relid FROM pgtrickle.pgt_dependencies d WHERE d.pgt_id = \
             own.pgt_id AND d.captured ORDER BY 1) FROM own JOIN depth USING (pgt_id) GROUP BY 1, 2",
            &[arg("IMMEDIATE")],
        );
        for row in rows.iter() {
            let reads = || {
                Some(Reads {
                    relid: row.get(2)?,
                    depth: row.get(3)?,
                    sources: row.get(4)?,
                })
            };
            all.extend(row.get(1).zip(reads()));
        }
    });
    let all = Rc::new(all);
    ALL.with_borrow_mut(|known| *known = Some(all.clone()));
    Some(all)
}

/// The IMMEDIATE stream tables that changes of a table may reach, directly or through others, in
/// the order of their ids.
pub fn reached(changed: pg_sys::Oid) -> Rc<[i64]> {
    if let Some(known) = REACHED.with_borrow(|reached| reached.get(&changed).cloned()) {
        return known;
    }
    let Some(all) = all().filter(|_| is_there(changed)) else {
        return Rc::new([]);
    };
    let sources: BTreeSet<u32> = all
        .values()
        .flat_map(|r| r.sources.iter().map(|s| s.to_u32()))
        .collect();
    let concerned: BTreeSet<u32> = sources
        .into_iter()
        .map(pg_sys::Oid::from)
        // While a table is being dropped, so is what reads it.
        .filter(|&s| is_there(s) && tree::are_related(changed, s))
        .map(|s| s.to_u32())
        .collect();
    let reads = |r: &Reads| r.sources.iter().any(|s| concerned.contains(&s.to_u32()));
    let direct = all.iter().filter(|(_, r)| reads(r)).map(|(id, _)| *id);
    let found: Rc<[i64]> = with_readers(&all, direct.collect()).into_iter().collect();
    REACHED.with_borrow_mut(|reached| reached.insert(changed, found.clone()));
    found
}

fn is_there(table: pg_sys::Oid) -> bool {
    // SAFETY: a look-up that answers 0 for what is missing.
    unsafe { pg_sys::get_rel_relkind(table) != 0 }
}

/// These, and all that read them, directly or not.
pub fn with_readers(all: &All, mut found: BTreeSet<i64>) -> BTreeSet<i64> {
    let mut relids: BTreeSet<u32> = found
        .iter()
        .filter_map(|id| all.get(id))
        .map(|r| r.relid.to_u32())
        .collect();
    let mut upwards: Vec<(&i64, &Reads)> = all.iter().filter(|(_, r)| r.depth > 0).collect();
    upwards.sort_by_key(|(_, reads)| reads.depth);
    for (&id, reads) in upwards {
        if reads.sources.iter().any(|s| relids.contains(&s.to_u32())) {
            found.insert(id);
            relids.insert(reads.relid.to_u32());
        }
    }
    found
}

/// Forgets what a changed relation made stale. Registered once per backend.
#[pg_guard]
unsafe extern "C-unwind" fn forget(_argument: pg_sys::Datum, changed: pg_sys::Oid) {
    // The caches are borrowed only to look up or insert, never across a call into the server.
    let is_signal = audience::is_signal(changed);
    tables::forget(is_signal, changed);
    REACHED.with_borrow_mut(|reached| {
        if is_signal {
            reached.clear();
        } else {
            reached.remove(&changed);
        }
    });
    if is_signal {
        ALL.with_borrow_mut(|known| *known = None);
    }
}

/// Before the capture's own, which forgets what the signal is.
pub fn register_invalidation() {
    // SAFETY: once per process, from _PG_init.
    unsafe { pg_sys::CacheRegisterRelcacheCallback(Some(forget), pg_sys::Datum::from(0)) }
}
