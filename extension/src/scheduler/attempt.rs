//! Refreshing a unit in a transaction of its own, and recording what went wrong in another.

use super::look::timestamp;
use super::process::{Failure, now};
use crate::catalog::stream_table;
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
    /// Somebody else has refreshed it since it was found to be due.
    Superseded,
    /// Somebody else is at work on it.
    Busy,
    /// The member that failed, and whether that will pass by itself.
    Failed(i64, Class),
}

/// A unit that was found to be due.
#[derive(Clone, Copy)]
pub struct Due<'a> {
    /// Upstreams first.
    pub members: &'a [i64],
    /// When one of them had last been refreshed.
    pub newest: Duration,
    /// To be waited for if somebody else is at work on it.
    pub waits: bool,
}

impl Due<'_> {
    /// Takes it, or says why not. Without this, what is always refreshed in full would be, once by
    /// each who has found it due.
    fn take(&self) -> Option<Attempt> {
        let mut sorted = self.members.to_vec();
        sorted.sort_unstable();
        for id in sorted {
            match self.waits {
                true => stream_table::lock_entry(id),
                false if !stream_table::try_lock_entry(id) => return Some(Attempt::Busy),
                false => (),
            }
        }
        let newest: Option<TimestampWithTimeZone> = as_system(|| {
            sql::one(
                "SELECT pg_catalog.max(data_timestamp) FROM pgtrickle.pgt_stream_tables WHERE \
                 pgt_id = ANY ($1)",
                &[arg(self.members.to_vec())],
            )
        });
        let refreshed = newest.is_some_and(|newest| newest > timestamp(self.newest));
        refreshed.then_some(Attempt::Superseded)
    }
}

/// Refreshes the members of a unit in one transaction and under one snapshot.
pub fn refresh(transactions: &mut impl Transactions, due: Due<'_>) -> Attempt {
    let members = due.members;
    let started = now();
    let activity = match members {
        [id] => format!("refreshing stream table {id}"),
        _ => format!("refreshing stream tables {members:?}"),
    };
    let outcome = transactions.run(&activity, || {
        if let Some(why_not) = due.take() {
            return why_not;
        }
        if let Err(error) = refresh::run_all(members, Initiator::Scheduler) {
            error.report();
        }
        Attempt::Done
    });
    let failure = match outcome {
        Ok(attempt) => return attempt,
        Err(failure) => failure,
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
