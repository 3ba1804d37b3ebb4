//! Which IMMEDIATE stream tables a statement on a table concerns, known per session until a capture
//! changes.

use super::tables;
use crate::capture::audience::{self, latest};
use crate::capture::tree;
use crate::catalog::stream_table::own_table_if_any;
use crate::refresh::midstatement::{self, Events};
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
    /// In the order of their OIDs.
    pub sources: Vec<pg_sys::Oid>,
    /// Of each source: can its writers run together?
    pub together: Vec<bool>,
}

/// IMMEDIATE stream tables, and the sources of each that are changed.
pub type Reached = BTreeMap<i64, BTreeSet<u32>>;

/// All IMMEDIATE stream tables, by their ids.
pub type All = BTreeMap<i64, Reads>;

thread_local! {
    /// By table and what is done to it: those that its changes may reach.
    static REACHED: RefCell<HashMap<(pg_sys::Oid, Events), Rc<Reached>>> =
        RefCell::new(HashMap::new());
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
             own.pgt_id AND d.captured ORDER BY d.source_relid), ARRAY(SELECT d.together FROM \
             pgtrickle.pgt_dependencies d WHERE d.pgt_id = own.pgt_id AND d.captured ORDER BY \
             d.source_relid) FROM own JOIN depth USING (pgt_id) GROUP BY 1, 2",
            &[arg("IMMEDIATE")],
        );
        for row in rows.iter() {
            let reads = || {
                Some(Reads {
                    relid: row.get(2)?,
                    depth: row.get(3)?,
                    sources: row.get(4)?,
                    together: row.get(5)?,
                })
            };
            all.extend(row.get(1).zip(reads()));
        }
    });
    let all = Rc::new(all);
    ALL.with_borrow_mut(|known| *known = Some(all.clone()));
    Some(all)
}

/// The IMMEDIATE stream tables that a statement which does this to a table may reach: directly,
/// through foreign keys, or through other stream tables.
pub fn reached(changed: pg_sys::Oid, does: Events) -> Rc<Reached> {
    let key = (changed, does);
    if let Some(known) = REACHED.with_borrow(|reached| reached.get(&key).cloned()) {
        return known;
    }
    let Some(all) = all().filter(|_| is_there(changed)) else {
        return Rc::default();
    };
    let changed = midstatement::followed(changed, does);
    let sources: BTreeSet<u32> = all
        .values()
        .flat_map(|r| r.sources.iter().map(|s| s.to_u32()))
        .collect();
    let concerned: BTreeSet<u32> = sources
        .into_iter()
        .map(pg_sys::Oid::from)
        // While a table is being dropped, so is what reads it.
        .filter(|&s| is_there(s) && changed.iter().any(|&c| tree::are_related(c, s)))
        .map(|s| s.to_u32())
        .collect();
    let direct = all.iter().filter_map(|(&id, reads)| {
        let sources = reads.sources.iter().map(|s| s.to_u32());
        let sources: BTreeSet<u32> = sources.filter(|s| concerned.contains(s)).collect();
        (!sources.is_empty()).then_some((id, sources))
    });
    let found = Rc::new(with_readers(&all, direct.collect()));
    REACHED.with_borrow_mut(|reached| reached.insert(key, found.clone()));
    found
}

fn is_there(table: pg_sys::Oid) -> bool {
    // SAFETY: a look-up that answers 0 for what is missing.
    unsafe { pg_sys::get_rel_relkind(table) != 0 }
}

/// These, and all that read them, directly or not.
pub fn with_readers(all: &All, mut found: Reached) -> Reached {
    let mut upwards: Vec<(&i64, &Reads)> = all.iter().collect();
    upwards.sort_by_key(|(_, reads)| reads.depth);
    let mut relids = BTreeSet::new();
    for (&id, reads) in upwards {
        let sources = reads.sources.iter().map(|s| s.to_u32());
        let upstream: Vec<u32> = sources.filter(|s| relids.contains(s)).collect();
        if !upstream.is_empty() {
            found.entry(id).or_default().extend(upstream);
        }
        if found.contains_key(&id) {
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
            reached.retain(|(table, _), _| *table != changed);
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
