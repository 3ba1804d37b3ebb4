//! Gates: while a source is being loaded, the scheduler leaves alone what reads it.

use super::names::{source, user};
use crate::lifecycle::{LifecycleError, or_report};
use crate::refresh::identity::as_system;
use crate::scheduler;
use crate::sql::{self, arg};
use pgrx::prelude::*;

fn set(name: &str, gated: bool) -> Result<(), LifecycleError> {
    let source = source(name)?;
    let by = user();
    as_system(|| {
        if gated {
            sql::run(
                "INSERT INTO pgtrickle.pgt_source_gates AS g (source_relid, gated, gated_at, \
                 gated_by) VALUES ($1, true, pg_catalog.clock_timestamp(), $2) ON CONFLICT \
                 (source_relid) DO UPDATE SET gated = true, gated_at = excluded.gated_at, gated_by \
                 = excluded.gated_by, ungated_at = NULL WHERE NOT g.gated",
                &[arg(source), arg(by)],
            );
        } else {
            sql::run(
                "UPDATE pgtrickle.pgt_source_gates SET gated = false, ungated_at = \
                 pg_catalog.clock_timestamp() WHERE source_relid = $1 AND gated",
                &[arg(source)],
            );
        }
    });
    scheduler::announce();
    Ok(())
}

/// Keeps the scheduler from refreshing what reads a source.
#[pg_extern(volatile, parallel_unsafe)]
fn gate_source(source: &str) {
    or_report(set(source, true));
}

/// Lets the scheduler refresh it again.
#[pg_extern(volatile, parallel_unsafe)]
fn ungate_source(source: &str) {
    or_report(set(source, false));
}
