//! The launcher: starts a worker for each database that has something to schedule.
//!
//! It looks at every database once when the server starts (a worker that finds no stream tables
//! ends at once); after that, sessions ask for workers, so that it sleeps while nothing happens.

use super::{databases, process, shared};
use crate::settings;
use pgrx::bgworkers::{BackgroundWorker, BackgroundWorkerBuilder, BgWorkerStartTime};
use pgrx::prelude::*;
use std::time::Duration;

/// How often it looks for workers that died.
const LOOK: Duration = Duration::from_secs(5);

pub fn register() {
    BackgroundWorkerBuilder::new("pg_trickle launcher")
        .set_type("pg_trickle launcher")
        .set_library("pg_trickle")
        .set_function("pg_trickle_launcher")
        .enable_spi_access()
        .set_start_time(BgWorkerStartTime::RecoveryFinished)
        .set_restart_time(Some(Duration::from_secs(5)))
        .load();
}

#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn pg_trickle_launcher(_arg: pg_sys::Datum) {
    process::attach();
    BackgroundWorker::connect_worker_to_spi(None, None);
    // SAFETY: the process's own id.
    shared::set_launcher(unsafe { pg_sys::MyProcPid });
    let mut looked = false;
    loop {
        process::reload_settings();
        if settings::enabled() {
            if !looked {
                for database in databases::connectable() {
                    if !shared::want(database) {
                        warning!(
                            "pg_trickle: too many databases to look at, some have no scheduler until a stream table is created or altered there"
                        );
                        break;
                    }
                }
                looked = true;
            }
            let wanted = shared::take_wanted();
            if !wanted.is_empty() {
                let existing = databases::connectable();
                for database in wanted {
                    if !existing.contains(&database) {
                        shared::forget(database);
                    } else if !process::start("scheduler", database) {
                        // No free worker process: again at the next look.
                        shared::want(database);
                    }
                }
            }
        }
        process::sleep(LOOK);
    }
}
