//! Being a background process: signals, sleeping, transactions.

use super::attempt::Transactions;
use crate::server;
use crate::settings;
use crate::telling;
use pgrx::bgworkers::{BackgroundWorkerBuilder, BgWorkerStartTime};
use pgrx::pg_sys::panic::CaughtError;
use pgrx::prelude::*;
use std::time::Duration;

/// Takes signals as PostgreSQL's own processes do: SIGTERM ends the process at the next check for
/// interrupts, also in the middle of a long refresh; SIGINT cancels what runs; SIGHUP is noted.
pub fn attach() {
    // SAFETY: the server's own handlers, installed before signals are unblocked.
    unsafe {
        pg_sys::pqsignal_be(SIGHUP, Some(server::SignalHandlerForConfigReload));
        pg_sys::pqsignal_be(SIGTERM, Some(server::die));
        pg_sys::pqsignal_be(SIGINT, Some(server::StatementCancelHandler));
        pg_sys::BackgroundWorkerUnblockSignals();
    }
}

/// Of the server's `TimeoutId`.
const STATEMENT_TIMEOUT: std::ffi::c_uint = 3;
const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
pub const SIGTERM: i32 = 15;

/// Starts a process of this kind for a database; false if max_worker_processes are in use.
pub fn start(kind: &str, database: pg_sys::Oid) -> bool {
    BackgroundWorkerBuilder::new(&format!("pg_trickle {kind} {}", database.to_u32()))
        .set_type(&format!("pg_trickle {kind}"))
        .set_library("pg_trickle")
        .set_function(&format!("pg_trickle_{kind}"))
        .enable_spi_access()
        .set_start_time(BgWorkerStartTime::RecoveryFinished)
        .set_restart_time(None)
        .set_argument(Some(pg_sys::Datum::from(database)))
        .load_dynamic()
        .is_ok()
}

/// What the processes of the scheduler run with.
pub fn settle(application: &str) {
    set("application_name", application);
    set("default_transaction_isolation", "read committed");
    set("default_transaction_read_only", "off");
    // Who holds a lock for long must not keep the other stream tables waiting.
    set("lock_timeout", "1s");
}

fn set(name: &str, value: &str) {
    let (name, value) = (crate::pg::cstring(name), crate::pg::cstring(value));
    // SAFETY: settings that exist.
    unsafe {
        pg_sys::SetConfigOption(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_OVERRIDE,
        );
    }
}

/// Sleeps until something sets the latch, which it says, or for this long. Ends with the
/// postmaster.
pub fn sleep(pause: Duration) -> bool {
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    let milliseconds = pause.as_micros().div_ceil(1000).min(3_600_000);
    // SAFETY: the process's own latch.
    let events = unsafe {
        let events = pg_sys::WaitLatch(
            pg_sys::MyLatch,
            events as i32,
            milliseconds as std::ffi::c_long,
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
        events
    };
    pg_sys::check_for_interrupts!();
    events & pg_sys::WL_LATCH_SET as i32 != 0
}

/// Reads the configuration again, if that was asked for.
pub fn reload_settings() {
    // SAFETY: a flag that the signal handler sets, read and cleared as PostgreSQL's own loops do.
    unsafe {
        if (&raw const pg_sys::ConfigReloadPending).read_volatile() != 0 {
            (&raw mut pg_sys::ConfigReloadPending).write_volatile(0);
            pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
        }
    }
}

/// An error that ended a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub sqlstate: String,
    pub message: String,
}

impl Failure {
    pub fn of(error: &CaughtError) -> Failure {
        match error {
            CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => {
                let mut message = report.message().to_owned();
                if let Some(detail) = report.detail() {
                    message.push_str(&format!(" ({detail})"));
                }
                Failure {
                    sqlstate: sqlstate(report.sql_error_code()),
                    message,
                }
            }
            CaughtError::RustPanic { ereport, .. } => Failure {
                sqlstate: "XX000".into(),
                message: ereport.message().to_owned(),
            },
        }
    }

    /// Into the server's log, as what went wrong while `doing`.
    pub fn warn(&self, doing: &str) {
        warning!(
            "pg_trickle: {doing}: {} (SQLSTATE {})",
            self.message,
            self.sqlstate
        );
    }
}

/// Five characters, from six bits each.
fn sqlstate(code: PgSqlErrorCode) -> String {
    let code = code as i32;
    (0..5)
        .map(|i| char::from((((code >> (6 * i)) & 0x3f) as u8).wrapping_add(b'0')))
        .collect()
}

/// The transactions of a background process.
pub struct Process;

impl Transactions for Process {
    fn run<T>(&mut self, activity: &str, work: impl FnOnce() -> T) -> Result<T, Failure> {
        let timeout = settings::refresh_timeout();
        transaction(activity, || {
            // SAFETY: a timeout that the server has made for every process with a database; the
            // end of the transaction does away with it.
            unsafe {
                if let Some(timeout) = timeout {
                    server::enable_timeout_after(STATEMENT_TIMEOUT, timeout);
                }
            }
            let out = work();
            // SAFETY: as above.
            unsafe { server::disable_timeout(STATEMENT_TIMEOUT, false) };
            out
        })
    }
}

/// Runs `work` in a transaction of its own, which is rolled back if it raises an error. Listeners are
/// told of what it noted when it has committed.
pub fn transaction<T>(activity: &str, work: impl FnOnce() -> T) -> Result<T, Failure> {
    let outcome = plain_transaction(activity, work);
    let noted = telling::take();
    if outcome.is_ok() && !noted.is_empty() {
        let told = plain_transaction("telling what was done", || telling::tell_noted(&noted));
        if let Err(failure) = told {
            failure.warn("telling what was done");
        }
    }
    outcome
}

fn plain_transaction<T>(activity: &str, work: impl FnOnce() -> T) -> Result<T, Failure> {
    let activity = crate::pg::cstring(activity);
    // SAFETY: the calls of a background worker's main loop, in their order.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, activity.as_ptr());
    }
    let outcome = PgTryBuilder::new(std::panic::AssertUnwindSafe(|| {
        // SAFETY: within the transaction just started.
        unsafe {
            // Values that are stored out of line are read under some snapshot.
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            let out = work();
            pg_sys::PopActiveSnapshot();
            pg_sys::CommitTransactionCommand();
            Ok(out)
        }
    }))
    .catch_others(|error| {
        let failure = Failure::of(&error);
        // SAFETY: before anything else touches the database.
        unsafe {
            server::disable_timeout(STATEMENT_TIMEOUT, false);
            pg_sys::AbortCurrentTransaction();
        }
        Err(failure)
    })
    .execute();
    // SAFETY: outside of a transaction, as the server wants it.
    unsafe {
        pg_sys::pgstat_report_stat(false);
        pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_IDLE, std::ptr::null());
    }
    outcome
}

/// The server's clock: microseconds since its epoch.
pub fn now() -> Duration {
    // SAFETY: reads the clock.
    let microseconds = unsafe { pg_sys::GetCurrentTimestamp() };
    Duration::from_micros(microseconds.max(0) as u64)
}
