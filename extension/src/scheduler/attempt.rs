//! Refreshing a unit in a transaction of its own, and recording what went wrong in another.

use super::look::timestamp;
use super::process::{Failure, now};
use crate::refresh::identity::as_system;
use crate::refresh::{self, Initiator, history};
use crate::settings;
use crate::sql::{self, arg};
use pgrx::prelude::*;
use runtime::backoff::{self, Class};
use std::time::Duration;

/// How transactions are begun and ended here: in a process of ours, or in somebody's procedure.
pub trait Transactions {
    /// Runs `work` in a transaction of its own, which is rolled back if it raises an error.
    fn run<T>(&mut self, activity: &str, work: impl FnOnce() -> T) -> Result<T, Failure>;
}

/// What became of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    Done,
    /// The member that failed, and whether that will pass by itself.
    Failed(i64, Class),
}

/// Refreshes the members of a unit, upstreams first, in one transaction and under one snapshot.
pub fn refresh(transactions: &mut impl Transactions, members: &[i64]) -> Attempt {
    let started = now();
    let activity = match members {
        [id] => format!("refreshing stream table {id}"),
        _ => format!("refreshing stream tables {members:?}"),
    };
    let outcome = transactions.run(&activity, || {
        if let Err(error) = refresh::run_all(members, Initiator::Scheduler) {
            error.report();
        }
    });
    let Err(failure) = outcome else {
        return Attempt::Done;
    };
    let class = backoff::classify(&failure.sqlstate);
    let id = refresh::was_at_work_on()
        .or(members.first().copied())
        .unwrap_or(0);
    let activity = format!("recording that stream table {id} could not be refreshed");
    let recorded = transactions.run(&activity, || record(id, started, &failure, class));
    if let Err(second) = recorded {
        failure.warn(&format!("refreshing stream table {id}"));
        second.warn("recording that");
    }
    Attempt::Failed(id, class)
}

/// Records a refresh that was rolled back, and suspends the stream table after too many in a row.
fn record(id: i64, started: Duration, failure: &Failure, class: Class) {
    let duration = now().saturating_sub(started).as_secs_f64() * 1000.0;
    let started = timestamp(started);
    let Failure { sqlstate, message } = failure;
    let name = as_system(|| {
        sql::one::<String>(
            "SELECT pg_catalog.format('%I.%I', pgt_schema, pgt_name) \
             FROM pgtrickle.pgt_stream_tables WHERE pgt_id = $1",
            &[arg(id)],
        )
    });
    // Dropped meanwhile.
    let Some(name) = name else { return };
    if class == Class::Transient {
        log!("pg_trickle: {name} could not be refreshed now: {message} (SQLSTATE {sqlstate})");
        // A lock that was not to be had is no failure: it was skipped.
        let skipped = sqlstate == "55P03";
        history::not_now(
            id,
            started,
            duration,
            sqlstate,
            message,
            skipped,
            Initiator::Scheduler,
        );
        return;
    }
    warning!("pg_trickle: refreshing {name}: {message} (SQLSTATE {sqlstate})");
    history::attempted(
        id,
        started,
        duration,
        sqlstate,
        message,
        Initiator::Scheduler,
    );
    let errors = history::count_failure(id, message);
    if errors.is_some_and(|errors| errors >= settings::max_consecutive_errors()) {
        suspend(id, &name, errors.unwrap_or(0));
    }
}

fn suspend(id: i64, name: &str, errors: i32) {
    as_system(|| {
        sql::run(
            "UPDATE pgtrickle.pgt_stream_tables SET status = 'SUSPENDED' WHERE pgt_id = $1",
            &[arg(id)],
        );
    });
    warning!(
        "pg_trickle: {name} is suspended after {errors} failures in a row; \
         pgtrickle.resume_stream_table({}) resumes it",
        pgrx::spi::quote_literal(name)
    );
}
