//! Stream tables that come from a dump, from another server by pg_upgrade, or from another version of
//! this library.
//!
//! A dump holds the tables themselves and their rows in `pgt_stream_tables`, which name them by
//! name. Everything else is void in the database that they are restored into: the OIDs that the
//! compiled query is made of, the transactions of the frontier, what was captured. So each row says
//! where it is at home; elsewhere the stream table is compiled anew and rebuilt by its next
//! refresh. [`restore_stream_tables`] does that for all at once.

use super::error::or_report;
use super::refresh::check_may_refresh;
use super::{LifecycleError, circles, recompile};
use crate::capture::wal;
use crate::catalog::{StreamTable, stream_table};
use crate::pg::attempt;
use crate::refresh::identity::as_system;
use crate::refresh::{self, Initiator, RefreshError};
use crate::scheduler::Failure;
use crate::sql;
use compiler::rewrite::storage::STORAGE_VERSION;
use pgrx::pg_sys;
use pgrx::prelude::*;

/// Where the catalog's OIDs, transaction ids and compiled queries are valid: this server and
/// database, and libraries that plan storage as this one does.
#[pg_extern(stable, parallel_safe)]
fn _home() -> String {
    // SAFETY: constants of the server and of the session.
    let (server, database) = unsafe { (pg_sys::GetSystemIdentifier(), pg_sys::MyDatabaseId) };
    format!("{server}/{}/{STORAGE_VERSION}", database.to_u32())
}

fn strangers() -> Vec<(i64, pg_sys::Oid)> {
    as_system(|| {
        sql::connect(|c| {
            c.run(
                "SELECT s.pgt_id, c.oid FROM pgtrickle.pgt_stream_tables s JOIN pg_catalog.pg_class \
                 c ON c.oid = s.pgt_relid WHERE s.home <> pgtrickle._home() ORDER BY 1",
                &[],
            )
            .iter()
            .filter_map(|row| Some((row.get(1)?, row.get(2)?)))
            .collect()
        })
    })
}

/// Buffers of nobody, and states of those that are to be rebuilt.
fn drop_leftovers() {
    let leftovers: Vec<String> = sql::connect(|c| {
        c.run(
            "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = 'pgtrickle_store' AND c.relkind = 'r' AND CASE \
             WHEN c.relname LIKE 'changes\\_%' THEN NOT EXISTS (SELECT FROM \
             pgtrickle.pgt_captures k WHERE k.buffer_relid = c.oid) \
             ELSE NOT EXISTS (SELECT FROM pgtrickle.pgt_stream_tables s WHERE \
             s.home = pgtrickle._home() AND (c.relname LIKE 'state\\_' || s.pgt_id || '\\_%' \
             OR c.relname = 'clock_' || s.pgt_id)) END",
            &[],
        )
        .iter()
        .filter_map(|row| row.get(1))
        .collect()
    });
    for table in leftovers {
        sql::run(&format!("DROP TABLE {table}"), &[]);
    }
}

/// Compiles anew and rebuilds the stream tables that were restored from a dump; says how many. One
/// that cannot be (its query calls what was not restored) is named in a WARNING and left as it is.
#[pg_extern(volatile, parallel_unsafe)]
fn restore_stream_tables() -> i64 {
    or_report::<_, LifecycleError>((|| {
        let restored = strangers();
        for &(_, relid) in &restored {
            check_may_refresh(relid)?;
        }
        let ids: Vec<i64> = restored.iter().map(|(id, _)| *id).collect();
        wal::ready(&ids).map_err(RefreshError::from)?;
        for &id in &ids {
            stream_table::lock_entry(id);
        }
        as_system(drop_leftovers);
        // What each of them reads is known once it is compiled.
        let compiled: Vec<i64> = ids.into_iter().filter(|&id| compile_anew(id)).collect();
        let rebuilt = circles::in_order(&compiled).into_iter().filter(|&id| {
            each(id, || {
                refresh::run_all(&[id], Initiator::Manual).map(|_| ())
            })
        });
        Ok(rebuilt.count() as i64)
    })())
}

/// False of one that is suspended.
fn compile_anew(id: i64) -> bool {
    let active = StreamTable::load(id).filter(|t| t.status != "SUSPENDED");
    active.is_some_and(|table| each(id, || recompile::recompile(&table).map(|_| ())))
}

/// Whether it went well; if not, nothing has happened but a WARNING.
fn each(id: i64, work: impl FnOnce() -> Result<(), RefreshError>) -> bool {
    let done = attempt(|| or_report::<_, LifecycleError>(work().map_err(Into::into)));
    let Err(error) = done else {
        return true;
    };
    let name = StreamTable::load(id).map_or_else(|| id.to_string(), |table| table.name());
    warning!(
        "stream table {name} could not be restored: {}",
        Failure::of(&error).message
    );
    false
}
