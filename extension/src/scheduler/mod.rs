//! The scheduler: background workers that refresh what is due.
//!
//! One *launcher* per server starts a *worker* for each database that has active stream tables. A
//! worker sleeps until the next stream table is due; it is woken when one is created or altered.
//! What is due, and when, is decided by the `runtime` crate.

mod databases;
mod launcher;
mod shared;
mod worker;

pub use shared::announce;

/// Called while the server starts, if the library is in `shared_preload_libraries`.
pub fn register() {
    shared::register();
    launcher::register();
}

/// Is there a scheduler in this server, and does it serve the current database right now?
pub fn running() -> Option<bool> {
    shared::running()
}
