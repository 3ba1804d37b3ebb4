//! `pgt_refresh_history`: one row for each refresh.

use super::Outcome;
use super::identity::as_system;
use crate::sql::{self, arg};
use pgrx::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    NoData,
    Differential,
    Full,
    Reinitialize,
}

impl Action {
    pub fn name(self) -> &'static str {
        match self {
            Action::NoData => "NO_DATA",
            Action::Differential => "DIFFERENTIAL",
            Action::Full => "FULL",
            Action::Reinitialize => "REINITIALIZE",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initiator {
    Scheduler,
    Manual,
    Initial,
}

impl Initiator {
    pub fn name(self) -> &'static str {
        match self {
            Initiator::Scheduler => "SCHEDULER",
            Initiator::Manual => "MANUAL",
            Initiator::Initial => "INITIAL",
        }
    }
}

pub fn completed(outcome: &Outcome, by: Initiator) {
    as_system(|| {
        sql::run(
            "INSERT INTO pgtrickle.pgt_refresh_history (pgt_id, data_timestamp, start_time, \
             end_time, action, status, rows_inserted, rows_deleted, delta_rows, duration_ms, \
             reason, initiated_by) VALUES ($1, $2, $2, pg_catalog.clock_timestamp(), $3, \
             'COMPLETED', $4, $5, $6, $7, $8, $9)",
            &[
                arg(outcome.pgt_id),
                arg(outcome.data_timestamp),
                arg(outcome.action.name()),
                arg(outcome.inserted as i64),
                arg(outcome.deleted as i64),
                arg(outcome.delta_rows as i64),
                arg(outcome.duration_ms),
                arg(outcome.reason.clone()),
                arg(by.name()),
            ],
        );
    });
}

/// Records an attempt that was rolled back, in a transaction of its own.
pub fn attempted(
    pgt_id: i64,
    started: TimestampWithTimeZone,
    duration_ms: f64,
    message: &str,
    by: Initiator,
) {
    as_system(|| {
        sql::run(
            "INSERT INTO pgtrickle.pgt_refresh_history (pgt_id, start_time, end_time, action, \
             status, duration_ms, error_message, initiated_by) SELECT $1, $2, \
             pg_catalog.clock_timestamp(), CASE WHEN refresh_mode = 'FULL' OR compiled IS NULL \
             THEN 'FULL' WHEN needs_reinit THEN 'REINITIALIZE' ELSE 'DIFFERENTIAL' END, 'FAILED', \
             $3, $4, $5 FROM pgtrickle.pgt_stream_tables WHERE pgt_id = $1",
            &[
                arg(pgt_id),
                arg(started),
                arg(duration_ms),
                arg(message),
                arg(by.name()),
            ],
        );
    });
}

/// Counts an attempt that failed, and says how many did in a row.
pub fn count_failure(pgt_id: i64, message: &str) -> Option<i32> {
    as_system(|| {
        sql::one(
            "UPDATE pgtrickle.pgt_stream_tables SET consecutive_errors = consecutive_errors + 1, \
             last_error = $2 WHERE pgt_id = $1 RETURNING consecutive_errors",
            &[arg(pgt_id), arg(message)],
        )
    })
}

/// Records an attempt that found things in its way, which will pass: it does not count as a
/// failure of the stream table.
pub fn not_now(
    pgt_id: i64,
    started: TimestampWithTimeZone,
    duration_ms: f64,
    message: &str,
    skipped: bool,
    by: Initiator,
) {
    let (action, status) = if skipped {
        ("SKIP", "SKIPPED")
    } else {
        ("DIFFERENTIAL", "FAILED")
    };
    as_system(|| {
        sql::run(
            "INSERT INTO pgtrickle.pgt_refresh_history (pgt_id, start_time, end_time, action, \
             status, duration_ms, error_message, reason, initiated_by) SELECT pgt_id, $2, \
             pg_catalog.clock_timestamp(), CASE WHEN $3 = 'SKIP' THEN 'SKIP' WHEN refresh_mode = \
             'FULL' OR compiled IS NULL THEN 'FULL' WHEN needs_reinit THEN 'REINITIALIZE' ELSE \
             'DIFFERENTIAL' END, $4, $5, $6, 'it will be tried again', $7 \
             FROM pgtrickle.pgt_stream_tables WHERE pgt_id = $1",
            &[
                arg(pgt_id),
                arg(started),
                arg(action),
                arg(status),
                arg(duration_ms),
                arg(message),
                arg(by.name()),
            ],
        );
    });
}

/// Records that a refresh is due and must not be done now.
pub fn held(pgt_id: i64, reason: &str, by: Initiator) {
    as_system(|| {
        sql::run(
            "INSERT INTO pgtrickle.pgt_refresh_history (pgt_id, start_time, end_time, action, \
             status, duration_ms, reason, initiated_by) SELECT pgt_id, \
             pg_catalog.clock_timestamp(), pg_catalog.clock_timestamp(), 'SKIP', 'SKIPPED', 0, $2, \
             $3 FROM pgtrickle.pgt_stream_tables WHERE pgt_id = $1",
            &[arg(pgt_id), arg(reason), arg(by.name())],
        );
    });
}
