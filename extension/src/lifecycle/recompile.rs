//! Compiling anew, when DDL has taken something away that the compiled query relied on.

use super::capturing::{Reader, Way};
use super::create::{self, Definition};
use super::{LifecycleError, analyse, capturing, circles, query};
use crate::capture::audience;
use crate::catalog::StreamTable;
use crate::compiled;
use crate::frontier::Epoch;
use crate::pg::{OpenRelation, attributes};
use crate::refresh::RefreshError;
use crate::refresh::identity::{as_owner, as_system};
use crate::sql::{self, arg};
use pgrx::{JsonB, pg_sys};

/// The definition that the query has now, with its sources locked against writers, their capture
/// installed and new, empty states. What is left is to fill from a snapshot that is taken
/// afterwards.
pub fn recompile(table: &StreamTable) -> Result<Definition, RefreshError> {
    let cannot = |why: String| RefreshError::CannotRebuild {
        table: table.name(),
        why,
    };
    if Epoch::is_transaction_wide() {
        return Err(cannot(
            "its definition must be compiled anew, in READ COMMITTED".into(),
        ));
    }
    let name = compiled::name_of(table.relid)
        .ok_or_else(|| RefreshError::NotFound(table.pgt_id.to_string()))?;
    let current = query::current(table);
    let (analysed, definition, kept) = as_owner(table.owner, &current.settings, || {
        let analysed = analyse::analyse(&current.text)?;
        check_columns(table, &analysed)?;
        let mode = &table.refresh_mode;
        let definition = create::define(mode, &current.text, &analysed, &name, table.pgt_id)?;
        // What the user's own text means now; other text is what was kept.
        let kept = (current.text == table.original_query)
            .then(|| query::keep(&current.text))
            .flatten();
        Ok::<_, LifecycleError>((analysed, definition, kept))
    })
    .map_err(|error| cannot(error.to_string()))?;
    let ways = circles::readmit(table, &current, &analysed.relations, &definition)
        .map_err(|error| cannot(error.to_string()))?;
    let asks = Way::asked(&table.cdc_mode, &table.refresh_mode);
    let reader = Reader {
        pgt_id: table.pgt_id,
        asks,
    };
    create::install_capture(&definition, reader)?;
    as_system(|| {
        drop_states(table);
        if let Some(storage) = &definition.storage {
            create::run_each(storage.tables.get(1..).unwrap_or_default());
        }
        create::own_states(&definition.states, table.relid, table.owner);
        sql::run(
            "DELETE FROM pgtrickle.pgt_dependencies WHERE pgt_id = $1",
            &[arg(table.pgt_id)],
        );
        forget_dependencies(table.relid);
        create::record_dependencies(table.pgt_id, table.relid, &analysed.relations, &definition);
        circles::record(table, &ways);
        sql::run(
            "UPDATE pgtrickle.pgt_stream_tables SET compiled = $2, dependencies = $3, reasons = $4, \
             defining_query = $5, clock = $8, analysed = coalesce($6, analysed), printed = coalesce($7, \
             printed), generation = generation + 1, \
             needs_reinit = needs_reinit OR home <> pgtrickle._home(), \
             reinit_reason = CASE WHEN home <> pgtrickle._home() THEN 'it was restored, or \
             pg_trickle upgraded' ELSE reinit_reason END, \
             frontier = CASE WHEN home = pgtrickle._home() THEN frontier END, \
             home = pgtrickle._home() WHERE pgt_id = $1",
            &[
                arg(table.pgt_id),
                arg(definition.compiled.clone().map(JsonB)),
                arg(JsonB(definition.dependencies.clone())),
                arg(JsonB(definition.reasons.clone())),
                arg(definition.canonical.as_str()),
                arg(kept.as_ref().map(|k| k.analysed.clone())),
                arg(kept.as_ref().map(|k| k.printed.clone())),
                arg(definition.clock.clone()),
            ],
        );
        capturing::release_unread();
        // Also after what this has written to the catalog.
        audience::changed();
    });
    Ok(definition)
}

/// The columns of the table are what people and other stream tables rely on: they stay.
fn check_columns(table: &StreamTable, analysed: &analyse::Analysed) -> Result<(), LifecycleError> {
    let same = columns(table, analysed, |_, _| true);
    same.then_some(())
        .ok_or_else(|| LifecycleError::Query("its query now has other columns".into()))
}

/// Has a query the columns of the table, with their names?
pub fn same_columns(table: &StreamTable, analysed: &analyse::Analysed) -> bool {
    columns(table, analysed, |have, want| have == want)
}

/// The same types in the same order, and names that are `alike`.
fn columns(
    table: &StreamTable,
    analysed: &analyse::Analysed,
    alike: impl Fn(&str, &str) -> bool,
) -> bool {
    let relation = OpenRelation::open(table.relid, pg_sys::AccessShareLock as i32);
    // SAFETY: open.
    let columns = unsafe { attributes(relation.tuple_desc()) };
    let live: Vec<_> = columns.iter().filter(|a| !a.attisdropped).collect();
    live.len() == analysed.columns.len()
        && live.iter().zip(&analysed.columns).all(|(have, want)| {
            alike(crate::pg::name(&have.attname), &want.name)
                && (have.atttypid, have.atttypmod, have.attcollation)
                    == (want.ty, want.typmod, want.collation)
        })
}

fn drop_states(table: &StreamTable) {
    let pattern = format!("state\\_{}\\_%", table.pgt_id);
    let clock = format!("clock_{}", table.pgt_id);
    let states: Vec<String> = sql::connect(|c| {
        c.run(
            "SELECT pg_catalog.format('%I.%I', 'pgtrickle_store', relname) FROM \
             pg_catalog.pg_class WHERE relnamespace = 'pgtrickle_store'::regnamespace AND \
             relkind = 'r' AND (relname LIKE $1 OR relname = $2)",
            &[arg(pattern), arg(clock)],
        )
        .iter()
        .filter_map(|row| row.get(1))
        .collect()
    });
    for state in states {
        sql::run(&format!("DROP TABLE {state}"), &[]);
    }
}

/// The new definition may read other relations.
fn forget_dependencies(relid: pg_sys::Oid) {
    // SAFETY: only dependencies of the table as a whole on other tables: ours.
    unsafe {
        pg_sys::deleteDependencyRecordsForClass(
            pg_sys::RelationRelationId,
            relid,
            pg_sys::RelationRelationId,
            pg_sys::DependencyType::DEPENDENCY_NORMAL as std::ffi::c_char,
        );
    }
}

/// Drops the indexes on the stream table that a definition of ours made.
pub fn drop_own_indexes(table: &StreamTable) {
    let own: Vec<String> = sql::connect(|c| {
        c.run(
            "SELECT i.indexrelid::pg_catalog.regclass::pg_catalog.text FROM \
             pgtrickle.pgt_stream_tables s JOIN pg_catalog.pg_index i ON i.indrelid = s.pgt_relid \
             JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid AND c.relname = ANY (s.own_indexes) \
             WHERE s.pgt_id = $1",
            &[arg(table.pgt_id)],
        )
        .iter()
        .filter_map(|row| row.get(1))
        .collect()
    });
    for index in own {
        sql::run(&format!("DROP INDEX {index}"), &[]);
    }
}

/// Creates the indexes of a definition and remembers those on the stream table itself.
pub fn create_indexes(pgt_id: i64, relid: pg_sys::Oid, definition: &Definition) {
    let Some(storage) = &definition.storage else {
        return;
    };
    let indexes = || -> Vec<String> {
        sql::one(
            "SELECT coalesce(pg_catalog.array_agg(c.relname::pg_catalog.text), '{}') FROM \
             pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid WHERE \
             i.indrelid = $1",
            &[arg(relid)],
        )
        .unwrap_or_default()
    };
    let before = indexes();
    create::run_each(&storage.indexes);
    let own: Vec<String> = indexes()
        .into_iter()
        .filter(|i| !before.contains(i))
        .collect();
    sql::run(
        "UPDATE pgtrickle.pgt_stream_tables SET own_indexes = $2 WHERE pgt_id = $1",
        &[arg(pgt_id), arg(own)],
    );
}
