//! `pgt_refresh_history`: one row for each refresh, for some time, and the totals, for ever.

use super::Outcome;
use super::identity::as_system;
use crate::frontier::Epoch;
use crate::settings;
use crate::sql::{self, arg};
use crate::telling;
use pgrx::prelude::*;
use serde_json::json;

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

/// Adds what a statement's `done` has recorded to the totals of its stream table, which stay when
/// the history is cut.
macro_rules! counted {
    () => {
        "INSERT INTO pgtrickle.pgt_refresh_totals AS t SELECT d.pgt_id, d.action, d.status, 1, \
         d.rows_inserted, d.rows_deleted, d.delta_rows, coalesce(d.duration_ms, 0) FROM done d \
         ON CONFLICT (pgt_id, action, status) DO UPDATE SET refreshes = t.refreshes + 1, \
         rows_inserted = t.rows_inserted + excluded.rows_inserted, \
         rows_deleted = t.rows_deleted + excluded.rows_deleted, \
         delta_rows = t.delta_rows + excluded.delta_rows, \
         duration_ms = t.duration_ms + excluded.duration_ms RETURNING (SELECT refresh_id FROM done)"
    };
}

fn record(sql: &str, args: &[sql::Arg]) {
    as_system(|| {
        if let Some(refresh_id) = sql::one(sql, args) {
            cut(refresh_id);
        }
    });
}

pub fn completed(outcome: &Outcome, by: Initiator) {
    record(
        concat!(
            "WITH done AS (INSERT INTO pgtrickle.pgt_refresh_history (pgt_id, data_timestamp, \
             start_time, end_time, action, status, rows_inserted, rows_deleted, delta_rows, \
             duration_ms, reason, initiated_by) VALUES ($1, $2, $3, pg_catalog.clock_timestamp(), \
             $4, 'COMPLETED', $5, $6, $7, $8, $9, $10) RETURNING *) ",
            counted!()
        ),
        &[
            arg(outcome.pgt_id),
            arg(outcome.data_timestamp),
            arg(outcome.started),
            arg(outcome.action.name()),
            arg(outcome.inserted as i64),
            arg(outcome.deleted as i64),
            arg(outcome.delta_rows as i64),
            arg(outcome.duration_ms),
            arg(outcome.reason.clone()),
            arg(by.name()),
        ],
    );
    if by == Initiator::Scheduler {
        telling::note(
            "refresh_completed",
            outcome.pgt_id,
            json!({
                "action": outcome.action.name(),
                "rows_inserted": outcome.inserted,
                "rows_deleted": outcome.deleted,
                "duration_ms": (outcome.duration_ms * 1000.0).round() / 1000.0,
                "reason": outcome.reason,
            }),
        );
    }
}

/// Records an attempt that was rolled back, in a transaction of its own of a background process.
pub fn attempted(
    pgt_id: i64,
    started: TimestampWithTimeZone,
    duration_ms: f64,
    sqlstate: &str,
    message: &str,
    by: Initiator,
) {
    record(
        concat!(
            "WITH done AS (INSERT INTO pgtrickle.pgt_refresh_history (pgt_id, start_time, end_time, \
             action, status, duration_ms, error_message, initiated_by, sqlstate) SELECT $1, $2, \
             pg_catalog.clock_timestamp(), CASE WHEN refresh_mode = 'FULL' OR compiled IS NULL \
             THEN 'FULL' WHEN needs_reinit THEN 'REINITIALIZE' ELSE 'DIFFERENTIAL' END, 'FAILED', \
             $3, $4, $5, $6 FROM pgtrickle.pgt_stream_tables WHERE pgt_id = $1 RETURNING *) ",
            counted!()
        ),
        &[
            arg(pgt_id),
            arg(started),
            arg(duration_ms),
            arg(message),
            arg(by.name()),
            arg(sqlstate),
        ],
    );
    telling::note(
        "refresh_failed",
        pgt_id,
        json!({ "error_message": message, "sqlstate": sqlstate, "initiated_by": by.name() }),
    );
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
    sqlstate: &str,
    message: &str,
    skipped: bool,
    by: Initiator,
) {
    let (action, status) = if skipped {
        ("SKIP", "SKIPPED")
    } else {
        ("DIFFERENTIAL", "FAILED")
    };
    record(
        concat!(
            "WITH done AS (INSERT INTO pgtrickle.pgt_refresh_history (pgt_id, start_time, end_time, \
             action, status, duration_ms, error_message, reason, initiated_by, sqlstate) SELECT \
             pgt_id, $2, \
             pg_catalog.clock_timestamp(), CASE WHEN $3 = 'SKIP' THEN 'SKIP' WHEN refresh_mode = \
             'FULL' OR compiled IS NULL THEN 'FULL' WHEN needs_reinit THEN 'REINITIALIZE' ELSE \
             'DIFFERENTIAL' END, $4, $5, $6, 'it will be tried again', $7, $8 \
             FROM pgtrickle.pgt_stream_tables WHERE pgt_id = $1 RETURNING *) ",
            counted!()
        ),
        &[
            arg(pgt_id),
            arg(started),
            arg(action),
            arg(status),
            arg(duration_ms),
            arg(message),
            arg(by.name()),
            arg(sqlstate),
        ],
    );
}

/// Records that a refresh is due and must not be done now.
pub fn held(pgt_id: i64, reason: &str, by: Initiator) {
    record(
        concat!(
            "WITH done AS (INSERT INTO pgtrickle.pgt_refresh_history (pgt_id, start_time, end_time, \
             action, status, duration_ms, reason, initiated_by) SELECT pgt_id, \
             pg_catalog.clock_timestamp(), pg_catalog.clock_timestamp(), 'SKIP', 'SKIPPED', 0, $2, \
             $3 FROM pgtrickle.pgt_stream_tables WHERE pgt_id = $1 RETURNING *) ",
            counted!()
        ),
        &[arg(pgt_id), arg(reason), arg(by.name())],
    );
}

/// So many rows are written before any are looked for that are too old, and so many go at once: then
/// there are never many more than there should be, whoever refreshes.
const EVERY: i64 = 100;

/// Cuts the history, after the row `refresh_id` was written. The newest row of each stream table
/// stays. Nobody waits for another who is cutting it.
fn cut(refresh_id: i64) {
    if refresh_id % EVERY != 0 || Epoch::is_transaction_wide() {
        return;
    }
    sql::run(
        "DELETE FROM pgtrickle.pgt_refresh_history WHERE refresh_id IN (SELECT h.refresh_id FROM \
         pgtrickle.pgt_refresh_history h WHERE h.start_time < pg_catalog.now() - \
         pg_catalog.make_interval(days => $1) AND (EXISTS (SELECT FROM \
         pgtrickle.pgt_refresh_history n WHERE n.pgt_id = h.pgt_id AND n.refresh_id > \
         h.refresh_id) OR NOT EXISTS (SELECT FROM pgtrickle.pgt_stream_tables s WHERE s.pgt_id = \
         h.pgt_id)) LIMIT $2 FOR UPDATE OF h SKIP LOCKED)",
        &[arg(settings::history_retention_days()), arg(10 * EVERY)],
    );
}
