//! Altering and resuming.

use super::error::or_report;
use super::{LifecycleError, analyse, create, names, query, schedule};
use crate::catalog::{StreamTable, stream_table};
use crate::compiled;
use crate::refresh::RefreshError;
use crate::refresh::identity::{as_owner, as_system};
use crate::sql::{self, arg};
use pgrx::prelude::*;

fn locked(name: &str) -> Result<StreamTable, LifecycleError> {
    let relid = names::relation(name);
    let pgt_id = names::stream_table(name)?;
    names::check_owner(relid)?;
    stream_table::lock_entry(pgt_id);
    crate::scheduler::announce();
    StreamTable::load(pgt_id).ok_or_else(|| RefreshError::NotFound(name.to_string()).into())
}

fn set_status(pgt_id: i64, status: &str) {
    as_system(|| {
        sql::run(
            "UPDATE pgtrickle.pgt_stream_tables SET status = CASE WHEN $2 = 'ACTIVE' AND NOT \
             is_populated THEN 'INITIALIZING' ELSE $2 END, consecutive_errors = CASE WHEN $2 = \
             'ACTIVE' THEN 0 ELSE consecutive_errors END WHERE pgt_id = $1",
            &[arg(pgt_id), arg(status)],
        );
    });
}

/// Changes the mode; the next refresh compiles anew, as another mode captures and stores other
/// things. A query that the new mode cannot have is refused at once.
fn set_mode(table: &StreamTable, mode: &str) -> Result<(), LifecycleError> {
    let mode = create::check_mode(mode)?;
    if mode == table.refresh_mode {
        return Ok(());
    }
    let name = compiled::name_of(table.relid)
        .ok_or_else(|| RefreshError::NotFound(table.pgt_id.to_string()))?;
    let current = query::current(table);
    as_owner(table.owner, &current.settings, || {
        let analysed = analyse::analyse(&current.text)?;
        create::define(&mode, &current.text, &analysed, &name, table.pgt_id)
    })?;
    as_system(|| {
        sql::run(
            "UPDATE pgtrickle.pgt_stream_tables SET refresh_mode = $2, needs_reinit = true, \
             reinit_reason = 'refresh_mode was ' || refresh_mode WHERE pgt_id = $1",
            &[arg(table.pgt_id), arg(mode)],
        );
    });
    Ok(())
}

/// Changes a stream table; what is NULL stays.
#[pg_extern(volatile, parallel_unsafe)]
#[allow(clippy::too_many_arguments)]
fn alter_stream_table(
    name: &str,
    query: default!(Option<&str>, "NULL"),
    schedule: default!(Option<&str>, "NULL"),
    refresh_mode: default!(Option<&str>, "NULL"),
    status: default!(Option<&str>, "NULL"),
    diamond_consistency: default!(Option<&str>, "NULL"),
    diamond_schedule_policy: default!(Option<&str>, "NULL"),
    cdc_mode: default!(Option<&str>, "NULL"),
    append_only: default!(Option<bool>, "NULL"),
    pooler_compatibility_mode: default!(Option<bool>, "NULL"),
    tier: default!(Option<&str>, "NULL"),
) {
    or_report::<_, LifecycleError>((|| {
        let table = locked(name)?;
        if query.is_some() {
            return Err(LifecycleError::NotYet(
                "alter_stream_table with query".into(),
            ));
        }
        create::check_later_work(
            diamond_consistency,
            diamond_schedule_policy,
            cdc_mode,
            append_only.unwrap_or(false),
            pooler_compatibility_mode.unwrap_or(false),
        )?;
        if let Some(tier) = tier {
            return Err(LifecycleError::NotYet(format!("tier {tier}")));
        }
        if let Some(text) = schedule {
            schedule::check(text)?;
            as_system(|| {
                sql::run(
                    "UPDATE pgtrickle.pgt_stream_tables SET schedule = $2 WHERE pgt_id = $1",
                    &[arg(table.pgt_id), arg(text)],
                );
            });
        }
        if let Some(mode) = refresh_mode {
            set_mode(&table, mode)?;
        }
        match status.map(str::to_uppercase).as_deref() {
            None => (),
            Some(status @ ("ACTIVE" | "SUSPENDED")) => set_status(table.pgt_id, status),
            Some(other) => {
                return Err(LifecycleError::Invalid {
                    argument: "status",
                    value: other.to_string(),
                    hint: "It is ACTIVE or SUSPENDED.",
                });
            }
        }
        Ok(())
    })());
}

/// Makes a suspended or failed stream table active again.
#[pg_extern(volatile, parallel_unsafe)]
fn resume_stream_table(name: &str) {
    or_report::<_, LifecycleError>(locked(name).map(|table| set_status(table.pgt_id, "ACTIVE")));
}
