//! What launcher, workers and sessions know of each other, in shared memory.

use pgrx::prelude::*;
use pgrx::{PGRXSharedMemory, PgLwLock, PgXactCallbackEvent, pg_shmem_init, register_xact_callback};
use std::cell::Cell;

/// Databases that can have a worker at a time.
const SLOTS: usize = 256;

#[derive(Clone, Copy, Default)]
struct Slot {
    /// 0: free.
    database: u32,
    /// 0: no worker.
    pid: i32,
    /// A worker should be started.
    wanted: bool,
}

#[derive(Clone, Copy)]
struct Shared {
    launcher: i32,
    slots: [Slot; SLOTS],
}

impl Default for Shared {
    fn default() -> Self {
        Shared {
            launcher: 0,
            slots: [Slot::default(); SLOTS],
        }
    }
}

// SAFETY: plain data without pointers.
unsafe impl PGRXSharedMemory for Shared {}

// SAFETY: initialised by `register` before any process but the postmaster exists.
static SHARED: PgLwLock<Shared> = unsafe { PgLwLock::new(c"pg_trickle_scheduler") };

thread_local! {
    /// Set in the postmaster and inherited by every process that it forks.
    static PRELOADED: Cell<bool> = const { Cell::new(false) };
    /// An announcement waits for this transaction to commit.
    static ANNOUNCED: Cell<bool> = const { Cell::new(false) };
}

pub fn register() {
    pg_shmem_init!(SHARED);
    PRELOADED.with(|p| p.set(true));
}

fn preloaded() -> bool {
    PRELOADED.with(Cell::get)
}

/// Wakes the process if it (still) is one of this server's.
fn wake(pid: i32) {
    if pid == 0 {
        return;
    }
    // SAFETY: BackendPidGetProc looks up a live process; a latch may be set by any process, and a
    // set latch of a slot that was given to another process since is a harmless early wake-up.
    unsafe {
        let process = pg_sys::BackendPidGetProc(pid);
        if !process.is_null() {
            pg_sys::SetLatch(&raw mut (*process).procLatch);
        }
    }
}

fn alive(pid: i32) -> bool {
    // SAFETY: a look-up.
    pid != 0 && unsafe { !pg_sys::BackendPidGetProc(pid).is_null() }
}

/// Asks for a worker in this database, now. False if there is no free slot.
pub fn want(database: pg_sys::Oid) -> bool {
    let database = database.to_u32();
    let mut shared = SHARED.exclusive();
    let index = shared
        .slots
        .iter()
        .position(|s| s.database == database)
        .or_else(|| shared.slots.iter().position(|s| s.database == 0));
    let Some(index) = index else {
        return false;
    };
    shared.slots[index].database = database;
    shared.slots[index].wanted = true;
    true
}

/// Tells the scheduler, when this transaction commits, that stream tables of this database were
/// created, altered or dropped.
pub fn announce() {
    if !preloaded() || ANNOUNCED.with(|a| a.replace(true)) {
        return;
    }
    register_xact_callback(PgXactCallbackEvent::Commit, || {
        ANNOUNCED.with(|a| a.set(false));
        // SAFETY: set for the life of the session.
        let database = unsafe { pg_sys::MyDatabaseId };
        let worker = {
            let shared = SHARED.share();
            let slot = shared
                .slots
                .iter()
                .find(|s| s.database == database.to_u32());
            slot.map_or(0, |s| s.pid)
        };
        if alive(worker) {
            wake(worker);
        } else if want(database) {
            let launcher = SHARED.share().launcher;
            wake(launcher);
        }
    });
    register_xact_callback(PgXactCallbackEvent::Abort, || {
        ANNOUNCED.with(|a| a.set(false));
    });
}

/// None if the library was not preloaded; else whether a worker serves the current database.
pub fn running() -> Option<bool> {
    if !preloaded() {
        return None;
    }
    // SAFETY: set for the life of the session.
    let database = unsafe { pg_sys::MyDatabaseId }.to_u32();
    let shared = SHARED.share();
    let pid = shared
        .slots
        .iter()
        .find(|s| s.database == database)
        .map_or(0, |s| s.pid);
    drop(shared);
    Some(alive(pid))
}

pub fn set_launcher(pid: i32) {
    SHARED.exclusive().launcher = pid;
}

/// The databases for which a worker is to be started now: asked for, or the worker died without
/// saying goodbye. Takes the request.
pub fn take_wanted() -> Vec<pg_sys::Oid> {
    let mut out = vec![];
    let mut shared = SHARED.exclusive();
    for slot in shared.slots.iter_mut().filter(|s| s.database != 0) {
        if slot.pid != 0 && !alive(slot.pid) {
            slot.pid = 0;
            slot.wanted = true;
        }
        if slot.wanted && slot.pid == 0 {
            slot.wanted = false;
            out.push(pg_sys::Oid::from(slot.database));
        }
    }
    out
}

/// Gives the slot of a database up: it is gone.
pub fn forget(database: pg_sys::Oid) {
    let mut shared = SHARED.exclusive();
    for slot in shared.slots.iter_mut() {
        if slot.database == database.to_u32() && slot.pid == 0 {
            *slot = Slot::default();
        }
    }
}

/// A worker says that it serves a database. False if another one does.
pub fn enter(database: pg_sys::Oid, pid: i32) -> bool {
    let mut shared = SHARED.exclusive();
    for slot in shared.slots.iter_mut() {
        if slot.database == database.to_u32() {
            if slot.pid != 0 && slot.pid != pid && alive(slot.pid) {
                return false;
            }
            slot.pid = pid;
            slot.wanted = false;
            return true;
        }
    }
    false
}

/// A worker has nothing left to do and ends. False if it was asked for meanwhile: then it stays.
pub fn leave(database: pg_sys::Oid, pid: i32) -> bool {
    let mut shared = SHARED.exclusive();
    for slot in shared.slots.iter_mut() {
        if slot.database == database.to_u32() && slot.pid == pid {
            if slot.wanted {
                slot.wanted = false;
                return false;
            }
            *slot = Slot::default();
        }
    }
    true
}
