//! Bringing one IMMEDIATE stream table up to date.

use super::turn::{self, Turn};
use super::{log, tables};
use crate::capture::tree;
use crate::catalog::StreamTable;
use crate::frontier::{Epoch, batch};
use crate::pg::{self, OpenRelation};
use crate::refresh::execute::Execution;
use crate::refresh::relation::Delta;
use crate::refresh::{self, Initiator, RefreshError, identity, name_of, programs};
use crate::sql::{self, Kin};
use pgrx::pg_sys;
use pgrx::prelude::*;
use spec::program::RefreshProgram;
use spec::types::Oid;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

/// Reads what is unread. An error says which stream table it is of.
pub fn bring_up_to_date(pgt_id: i64) {
    PgTryBuilder::new(AssertUnwindSafe(|| {
        if let Err(error) = run(pgt_id) {
            error.report();
        }
    }))
    .catch_others(|error| {
        use pg_sys::panic::CaughtError::*;
        let report = match &error {
            PostgresError(report)
            | ErrorReport(report)
            | RustPanic {
                ereport: report, ..
            } => report,
        };
        let code = report.sql_error_code();
        // Nothing is wrong with the stream table.
        if code == PgSqlErrorCode::ERRCODE_QUERY_CANCELED {
            error.rethrow();
        }
        let name = NAME.with_borrow(Clone::clone);
        let message = format!(
            "stream table {name} could not be kept: {}",
            report.message()
        );
        let mut named = pg_sys::panic::ErrorReport::new(code, message, "pg_trickle");
        if let Some(detail) = report.detail() {
            named = named.set_detail(detail);
        }
        if let Some(hint) = report.hint() {
            named = named.set_hint(hint);
        }
        named.report(PgLogLevel::ERROR);
        unreachable!("an ERROR does not return")
    })
    .execute();
}

thread_local! {
    /// The stream table at hand.
    static NAME: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
}

fn run(pgt_id: i64) -> Result<(), RefreshError> {
    NAME.set(format!("{pgt_id}"));
    let turn = turn::take(pgt_id, &log::changed(pgt_id));
    if let Some(name) = super::readers::all()
        .and_then(|all| all.get(&pgt_id).map(|r| r.relid))
        .and_then(pg::qualified_name)
    {
        NAME.set(name);
    }
    turn::check(pgt_id, || NAME.with_borrow(Clone::clone))?;
    let Some(table) = tables::get(pgt_id) else {
        // Dropped since.
        log::consumed(pgt_id);
        return Ok(());
    };
    // What does not hold anything yet, or is at rest, is filled when that ends: its lock waits for
    // this transaction.
    let is_kept = table.refresh_mode == "IMMEDIATE" && table.status != "SUSPENDED";
    if !is_kept || (!table.populated && table.reinit.is_none()) {
        log::consumed(pgt_id);
        return Ok(());
    }
    if table.append_only
        && let Some(source) = log::truncated(pgt_id)
    {
        return Err(RefreshError::truncated(&table, source));
    }
    if log::is_void(pgt_id) || table.reinit.is_some() {
        return rebuild(pgt_id);
    }
    refresh::lock_relations(std::slice::from_ref(&*table));
    for source in &table.sources {
        refresh::refuse_temporary(source.relid)?;
    }
    let changed: BTreeSet<Oid> = log::changed(pgt_id).into_iter().map(Oid).collect();
    let program = programs::of(&table, &changed)?;
    let others = match turn {
        Turn::Together { .. } => program.together.as_deref(),
        Turn::Alone => None,
    };
    if others.is_none() {
        Turn::Alone.lock(pgt_id);
    }
    let epoch = Epoch::begin();
    let is_another = |s: &crate::catalog::stream_table::Source| {
        s.members.len() > 1 && epoch.active(|| tree::members(s.relid)) != s.members
    };
    if table.sources.iter().any(is_another) {
        return rebuild(pgt_id);
    }
    identity::as_owner(table.owner, table.safe_settings(), || {
        refresh::check_rights(&table);
        sql::connect(|connection| {
            let mut execution = match table.pooled {
                true => Execution::new(connection, &epoch),
                false => Execution::keeping_plans(connection, &epoch, kin(&table, &changed)),
            };
            if let Some(meetings) = others {
                execution = execution.among_others(table.relid, meetings);
            }
            let rows = provide(&table, &program, &mut execution)?;
            // What a trigger on the stream table changes from here on is not read yet.
            log::consumed(pgt_id);
            if rows > 0 {
                turn::mark(pgt_id);
                refresh::run_program(&table, &program, &mut execution)?;
            }
            execution.end();
            Ok::<_, RefreshError>(())
        })
    })
}

/// What plans of its program are kept for. A plan for a table of a few rows must not be used when
/// it has many; nobody may have analysed it since.
fn kin(table: &StreamTable, changed: &BTreeSet<Oid>) -> Kin {
    let members = table.sources.iter().flat_map(|s| &s.members);
    let sizes = members
        .chain([&table.relid])
        .filter(|&&t| tree::has_rows(t));
    Kin {
        table: (table.pgt_id, table.generation),
        changed: changed.iter().map(|source| source.0).collect(),
        sizes: sizes.map(|&t| magnitude(t)).collect(),
    }
}

/// Of its pages, in powers of four.
fn magnitude(table: pg_sys::Oid) -> u32 {
    let relation = OpenRelation::open(table, pg_sys::AccessShareLock as i32);
    // SAFETY: open.
    let pages = unsafe {
        pg_sys::RelationGetNumberOfBlocksInFork(relation.0, pg_sys::ForkNumber::MAIN_FORKNUM)
    };
    pages.checked_ilog2().map_or(0, |log| log / 2 + 1)
}

/// The batches of a program; says how many rows they have.
fn provide(
    table: &StreamTable,
    program: &RefreshProgram,
    execution: &mut Execution<'_>,
) -> Result<u64, RefreshError> {
    let mut rows = 0;
    for batch in &program.batches {
        let relid = pg_sys::Oid::from(batch.relation.0);
        let internal = |what: String| RefreshError::Internal {
            step: name_of(relid),
            what,
        };
        let source = table.sources.iter().find(|s| s.relid == relid);
        let source = source.ok_or_else(|| internal("is not a source".to_string()))?;
        let (shown, columns): (Vec<i16>, Vec<_>) = batch.columns.iter().cloned().unzip();
        let wanted = batch::Wanted {
            shown: &shown,
            used: &source.columns,
        };
        let mut delta = Delta::zset(&batch.name, &columns);
        let read = log::read(table.pgt_id, relid, &wanted, &mut delta);
        rows += read.map_err(|missing| internal(missing.to_string()))?;
        refresh::check_insertions(table, batch, &delta)?;
        execution.provide(delta);
    }
    Ok(rows)
}

/// Changes cannot tell.
fn rebuild(pgt_id: i64) -> Result<(), RefreshError> {
    turn::mark(pgt_id);
    log::consumed(pgt_id);
    refresh::run_all(&[pgt_id], Initiator::Manual)?;
    Ok(())
}
