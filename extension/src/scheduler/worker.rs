//! The worker of one database: sleeps until a stream table is due, then refreshes it.

use super::shared;
use crate::settings;
use pgrx::bgworkers::{BackgroundWorker, SignalWakeFlags};
use pgrx::pg_sys::panic::CaughtError;
use pgrx::prelude::*;
use runtime::plan::{self, Table};
use runtime::schedule::Schedule;
use std::time::Duration;

#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn pg_trickle_scheduler(arg: pg_sys::Datum) {
    let database = pg_sys::Oid::from(arg.value() as u32);
    BackgroundWorker::attach_signal_handlers(SignalWakeFlags::SIGHUP);
    // SAFETY: PostgreSQL's own handler: it ends the process at the next check for interrupts,
    // also in the middle of a long refresh.
    unsafe { pg_sys::pqsignal_be(pg_sys::SIGTERM as i32, Some(pg_sys::die)) };
    BackgroundWorker::connect_worker_to_spi_by_oid(Some(database), None);
    // SAFETY: the process's own id.
    let pid = unsafe { pg_sys::MyProcPid };
    if !shared::enter(database, pid) {
        return;
    }
    loop {
        reload_settings();
        let pause = if settings::enabled() {
            match cycle() {
                Cycle::Sleep(pause) => pause,
                Cycle::Nothing if shared::leave(database, pid) => return,
                Cycle::Nothing => continue,
            }
        } else {
            Duration::from_secs(60)
        };
        if !BackgroundWorker::wait_latch(Some(pause)) {
            return;
        }
    }
}

fn reload_settings() {
    // SAFETY: a flag that the signal handler sets, read and cleared as PostgreSQL's own loops do.
    unsafe {
        if (&raw const pg_sys::ConfigReloadPending).read_volatile() != 0 {
            (&raw mut pg_sys::ConfigReloadPending).write_volatile(0);
            pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
        }
    }
}

enum Cycle {
    /// No extension, or no stream table that the scheduler should refresh.
    Nothing,
    Sleep(Duration),
}

/// Looks at what is due, refreshes it, and says how long there is to sleep.
fn cycle() -> Cycle {
    let now = now();
    let looked = transaction(|| look());
    let (tables, edges) = match looked {
        Ok(Some(found)) => found,
        Ok(None) => return Cycle::Nothing,
        Err(error) => {
            warn("looking for what is due", &error);
            return Cycle::Sleep(settings::scheduler_interval());
        }
    };
    let planned = plan::cycle(
        &tables,
        &edges,
        now,
        settings::default_schedule(),
        settings::min_schedule(),
    );
    let planned = match planned {
        Ok(planned) => planned,
        Err(cycle) => {
            // Creation refuses cycles, so the catalog must have been written to.
            warning!("pg_trickle: {cycle}: {:?}", cycle.members);
            return Cycle::Sleep(Duration::from_secs(60));
        }
    };
    for id in &planned.due {
        pg_sys::check_for_interrupts!();
        reload_settings();
        if !settings::enabled() {
            break;
        }
        refresh(*id);
    }
    let pause = planned
        .next
        .map_or(settings::scheduler_interval(), |next| {
            next.saturating_sub(self::now())
        });
    Cycle::Sleep(pause.clamp(Duration::from_millis(1), settings::scheduler_interval()))
}

/// Refreshes one stream table in a transaction of its own; an error is recorded in another.
fn refresh(id: i64) {
    let started = crate::history::clock();
    if let Err(error) = transaction(|| crate::refresh::scheduled(id)) {
        let (sqlstate, message) = describe(&error);
        let recorded =
            transaction(|| crate::history::record_failure(id, started, &sqlstate, &message));
        if let Err(second) = recorded {
            warn("recording a failed refresh", &second);
        }
    }
}

/// The server's clock, since its epoch.
fn now() -> Duration {
    // SAFETY: reads the clock.
    let microseconds = unsafe { pg_sys::GetCurrentTimestamp() };
    Duration::from_micros(microseconds.max(0) as u64)
}

type Found = (Vec<Table>, Vec<(i64, i64)>);

/// Reads the active stream tables; none if there are none, or the extension is not here.
fn look() -> Option<Found> {
    let here: bool = Spi::get_one("SELECT to_regclass('pgtrickle.pgt_stream_tables') IS NOT NULL")
        .unwrap_or_report()
        .unwrap_or(false);
    if !here {
        return None;
    }
    let micros = |at: Option<i64>| at.map(|us| Duration::from_micros(us.max(0) as u64));
    let (tables, edges) = Spi::connect(|client| {
        let mut tables = vec![];
        let rows = client
            .select(include_str!("look.sql"), None, &[])
            .unwrap_or_report();
        for row in rows {
            let text: String = row.get(2).unwrap_or_report().unwrap_or_default();
            let id = row.get(1).unwrap_or_report().unwrap_or_default();
            let Ok(schedule) = text.parse::<Schedule>() else {
                warning!("pg_trickle: stream table {id} has the schedule \"{text}\", which is not one");
                continue;
            };
            tables.push(Table {
                id,
                schedule,
                fresh_at: micros(row.get(3).unwrap_or_report()),
                failed_at: micros(row.get(4).unwrap_or_report()),
                consecutive_errors: row.get::<i32>(5).unwrap_or_report().unwrap_or(0).max(0) as u32,
            });
        }
        let mut edges = vec![];
        let rows = client
            .select(include_str!("edges.sql"), None, &[])
            .unwrap_or_report();
        for row in rows {
            let up: Option<i64> = row.get(1).unwrap_or_report();
            let down: Option<i64> = row.get(2).unwrap_or_report();
            edges.extend(up.zip(down));
        }
        (tables, edges)
    });
    (!tables.is_empty()).then_some((tables, edges))
}

/// Runs `work` in a transaction that is committed, or rolled back if it raises an error.
fn transaction<T>(work: impl FnOnce() -> T) -> Result<T, CaughtError> {
    // SAFETY: the calls of a background worker's main loop, in their order; after an error the
    // transaction is aborted before anything else touches the database.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
    }
    let outcome = PgTryBuilder::new(std::panic::AssertUnwindSafe(|| {
        // SAFETY: within the transaction just started.
        let out = unsafe {
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            let out = work();
            pg_sys::PopActiveSnapshot();
            pg_sys::CommitTransactionCommand();
            out
        };
        Ok(out)
    }))
    .catch_others(|error| {
        // SAFETY: as above.
        unsafe { pg_sys::AbortCurrentTransaction() };
        Err(error)
    })
    .execute();
    outcome
}

/// SQLSTATE and message of an error.
fn describe(error: &CaughtError) -> (String, String) {
    match error {
        CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => {
            let mut message = report.message().to_owned();
            if let Some(detail) = report.detail() {
                message.push_str(&format!(" ({detail})"));
            }
            (crate::history::sqlstate(report.sql_error_code()), message)
        }
        CaughtError::RustPanic { ereport, .. } => ("XX000".into(), ereport.message().to_owned()),
    }
}

fn warn(doing: &str, error: &CaughtError) {
    let (sqlstate, message) = describe(error);
    warning!("pg_trickle: {doing}: {message} ({sqlstate})");
}
