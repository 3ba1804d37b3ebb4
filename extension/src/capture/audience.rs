//! Who is told of the changes of a source.
//!
//! Deferred readers find them in the source's change buffer at their next refresh; IMMEDIATE ones
//! are told when the statement ends ([`crate::immediate`]). Known per session, until somebody
//! begins or ceases to read a captured source, or reads it otherwise: [`changed`].

use crate::catalog::stream_table::own_table;
use crate::refresh::identity::as_system;
use crate::sql::{self, arg};
use pgrx::pg_sys;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// Somebody reads the change buffer.
    pub deferred: bool,
    /// The IMMEDIATE stream tables that read the source, in the order of their ids.
    pub immediate: Vec<i64>,
    /// The changes of its rows come from the WAL: only marks are written by who makes them.
    pub by_wal: bool,
}

thread_local! {
    static AUDIENCES: RefCell<HashMap<pg_sys::Oid, Rc<Audience>>> = RefCell::new(HashMap::new());
    /// The relation whose invalidation tells of a change.
    static SIGNAL: Cell<pg_sys::Oid> = const { Cell::new(pg_sys::InvalidOid) };
}

/// The relation whose invalidation tells every session that an audience has changed.
pub fn signal() -> pg_sys::Oid {
    if SIGNAL.get() == pg_sys::InvalidOid {
        SIGNAL.set(own_table("pgt_captures"));
    }
    SIGNAL.get()
}

/// Does the invalidation of this relation tell of changed audiences?
pub fn is_signal(changed: pg_sys::Oid) -> bool {
    changed == pg_sys::InvalidOid || changed == SIGNAL.get()
}

/// Tells every session, once this transaction commits, to look anew.
pub fn changed() {
    // SAFETY: sends a message about a relation that is there.
    unsafe { pg_sys::CacheInvalidateRelcacheByRelid(own_table("pgt_captures")) }
}

/// The catalog may be a new one.
pub fn forget() {
    AUDIENCES.with_borrow_mut(HashMap::clear);
    SIGNAL.set(pg_sys::InvalidOid);
    super::wal::forget();
}

/// Runs a query on our own tables under the newest snapshot: also in REPEATABLE READ, captures are
/// what they are now.
pub fn latest<R>(work: impl FnOnce(&sql::Connection) -> R) -> R {
    as_system(|| {
        sql::connect(|connection| {
            // SAFETY: pushed and popped here; after an error the transaction's clean-up pops it.
            unsafe {
                pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot());
                let result = work(connection);
                pg_sys::PopActiveSnapshot();
                result
            }
        })
    })
}

impl Audience {
    pub fn of(source: pg_sys::Oid) -> Rc<Audience> {
        if let Some(known) = AUDIENCES.with_borrow(|known| known.get(&source).cloned()) {
            return known;
        }
        signal();
        let mut audience = Audience::default();
        latest(|connection| {
            let rows = connection.read(
                "SELECT s.pgt_id, s.refresh_mode = 'IMMEDIATE' FROM pgtrickle.pgt_dependencies d \
                 JOIN pgtrickle.pgt_stream_tables s USING (pgt_id) WHERE d.source_relid = $1 AND \
                 d.captured ORDER BY 1",
                &[arg(source)],
            );
            for row in rows.iter() {
                match (row.get(1), row.get(2)) {
                    (Some(id), Some(true)) => audience.immediate.push(id),
                    _ => audience.deferred = true,
                }
            }
            let of_wal = connection.read(
                "SELECT method = 'WAL' FROM pgtrickle.pgt_captures WHERE source_relid = $1",
                &[arg(source)],
            );
            audience.by_wal = of_wal.first().and_then(|row| row.get(1)).unwrap_or(false);
        });
        let audience = Rc::new(audience);
        AUDIENCES.with_borrow_mut(|known| known.insert(source, audience.clone()));
        audience
    }
}
