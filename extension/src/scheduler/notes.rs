//! Manual refreshes that failed.
//!
//! The transaction of such a refresh is rolled back, and with it whatever it could write about
//! itself. So the session leaves a note in shared memory, and the worker of the database writes it
//! into the history. A note waits while `pg_trickle.enabled` is off; it is lost when the server
//! stops before, or when too many wait.

use super::process::{Failure, transaction};
use super::shared;
use crate::refresh::{Initiator, history};
use pgrx::prelude::*;
use pgrx::{PGRXSharedMemory, PgLwLock, pg_shmem_init};
use std::time::Duration;

/// Notes that can wait, in all databases.
const NOTES: usize = 64;
/// Bytes of a message that are kept.
const LENGTH: usize = 480;

#[derive(Clone, Copy)]
struct Note {
    /// 0: free.
    database: u32,
    pgt_id: i64,
    started: i64,
    duration_ms: f64,
    sqlstate: [u8; 5],
    length: usize,
    message: [u8; LENGTH],
}

const FREE: Note = Note {
    database: 0,
    pgt_id: 0,
    started: 0,
    duration_ms: 0.0,
    sqlstate: [b'0'; 5],
    length: 0,
    message: [0; LENGTH],
};

#[derive(Clone, Copy)]
struct Notes([Note; NOTES]);

impl Default for Notes {
    fn default() -> Self {
        Notes([FREE; NOTES])
    }
}

// SAFETY: plain data without pointers.
unsafe impl PGRXSharedMemory for Notes {}

// SAFETY: initialised by `register` before any process but the postmaster exists.
static WAITING: PgLwLock<Notes> = unsafe { PgLwLock::new(c"pg_trickle_notes") };

#[allow(unexpected_cfgs)] // of the macro, for versions of PostgreSQL that are not ours
pub fn register() {
    pg_shmem_init!(WAITING);
}

/// The longest beginning of a text that fits.
fn beginning(text: &str) -> &str {
    let end = (0..=text.len().min(LENGTH))
        .rev()
        .find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

/// Leaves a note about a refresh that the current session began at `started` (microseconds).
pub fn leave(pgt_id: i64, started: i64, error: &pg_sys::panic::CaughtError) {
    if !shared::preloaded() {
        return;
    }
    // SAFETY: set for the life of the session; reads the clock.
    let (database, now) = unsafe { (pg_sys::MyDatabaseId, pg_sys::GetCurrentTimestamp()) };
    let failure = Failure::of(error);
    let message = beginning(&failure.message).as_bytes();
    let mut sqlstate = FREE.sqlstate;
    for (to, from) in sqlstate.iter_mut().zip(failure.sqlstate.bytes()) {
        *to = from;
    }
    {
        let mut notes = WAITING.exclusive();
        let Some(note) = notes.0.iter_mut().find(|n| n.database == 0) else {
            return;
        };
        *note = Note {
            database: database.to_u32(),
            pgt_id,
            started,
            duration_ms: (now - started) as f64 / 1000.0,
            sqlstate,
            length: message.len(),
            ..FREE
        };
        note.message[..message.len()].copy_from_slice(message);
    }
    shared::summon();
}

/// Writes the notes of this database into the history.
pub fn record(database: pg_sys::Oid) {
    let mut taken = vec![];
    for note in WAITING.exclusive().0.iter_mut() {
        if note.database == database.to_u32() {
            taken.push(std::mem::replace(note, FREE));
        }
    }
    for note in taken {
        let message = String::from_utf8_lossy(&note.message[..note.length.min(LENGTH)]);
        let started = super::look::timestamp(Duration::from_micros(note.started.max(0) as u64));
        let recorded = transaction("recording a failed refresh", || {
            history::attempted(
                note.pgt_id,
                started,
                note.duration_ms,
                &String::from_utf8_lossy(&note.sqlstate),
                &message,
                Initiator::Manual,
            );
        });
        if let Err(failure) = recorded {
            failure.warn("recording a failed refresh");
        }
    }
}
