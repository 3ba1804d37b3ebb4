//! The scheduler: background workers that refresh what is due.
//!
//! One *launcher* per server starts a *worker* for each database that has active stream tables. A
//! worker sleeps until the next stream table is due; it is woken when one is created or altered.
//! It gives what takes long to *refreshers*. What is due, and when, is decided by the `runtime`
//! crate.

mod attempt;
mod databases;
mod eviction;
pub mod jobs;
mod launcher;
mod look;
pub mod notes;
mod pending;
mod process;
mod run_due;
mod shared;
mod watch;
mod worker;

use pgrx::prelude::*;
pub use process::Failure;
pub use shared::{announce, preloaded};

/// Called while the server starts, if the library is in `shared_preload_libraries`.
pub fn register() {
    shared::register();
    crate::capture::newest::register();
    notes::register();
    jobs::register();
    launcher::register();
    eviction::install();
}

/// How the stream tables that are scheduled hang together; none if there are none.
pub fn structure() -> Option<runtime::unit::Structure> {
    look::Memory::default().look().map(|look| look.structure)
}

/// Does a scheduler serve this database right now? NULL if there cannot be one, because
/// pg_trickle is not in shared_preload_libraries.
#[pg_extern(name = "_scheduler_running", volatile, parallel_restricted)]
fn scheduler_running() -> Option<bool> {
    shared::running()
}

/// When the scheduler last knew of every stream table of this database whether changes wait for
/// it. Those for which none did were exact then.
#[pg_extern(name = "_looked_at", volatile, parallel_restricted)]
fn looked_at() -> Option<TimestampWithTimeZone> {
    TimestampWithTimeZone::try_from(shared::looked_at()?).ok()
}

/// As `_PG_init` needs it: without the postmaster there is no place for processes.
pub fn is_server_starting() -> bool {
    // SAFETY: a variable of the process.
    unsafe { pg_sys::process_shared_preload_libraries_in_progress }
}
