//! What launcher, workers and sessions know of each other, in shared memory.

use pgrx::prelude::*;
use pgrx::{
    PGRXSharedMemory, PgLwLock, PgXactCallbackEvent, pg_shmem_init, register_xact_callback,
};
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
    /// When the launcher asked for a worker that has not come yet; 0: it did not.
    asked_at: i64,
    /// No worker is started before: somebody needs the database for himself.
    barred_until: i64,
    /// Something was created, altered or noted since the worker last asked.
    called: bool,
    /// When the worker last knew of all its stream tables whether changes wait; 0: never.
    looked_at: i64,
}

/// A worker that was asked for and has not come by now (microseconds) is asked for again.
const PATIENCE: i64 = 30_000_000;

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

#[allow(unexpected_cfgs)] // of the macro, for versions of PostgreSQL that are not ours
pub fn register() {
    pg_shmem_init!(SHARED);
    PRELOADED.with(|p| p.set(true));
}

pub fn preloaded() -> bool {
    PRELOADED.with(Cell::get)
}

/// Wakes the process if it (still) is one of this server's.
pub fn wake(pid: i32) {
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

fn clock() -> i64 {
    // SAFETY: reads the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

pub fn alive(pid: i32) -> bool {
    // SAFETY: a look-up.
    pid != 0 && unsafe { !pg_sys::BackendPidGetProc(pid).is_null() }
}

/// Asks for a worker in this database soon. False if there is no free slot.
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
        summon();
    });
    for end in [PgXactCallbackEvent::Abort, PgXactCallbackEvent::Prepare] {
        register_xact_callback(end, || ANNOUNCED.with(|a| a.set(false)));
    }
}

/// Wakes the worker of the current database, or asks for one.
pub fn summon() {
    // SAFETY: set for the life of the session.
    let database = unsafe { pg_sys::MyDatabaseId };
    let worker = {
        let mut shared = SHARED.exclusive();
        let slot = shared
            .slots
            .iter_mut()
            .find(|s| s.database == database.to_u32());
        slot.map_or(0, |s| {
            s.called = true;
            s.pid
        })
    };
    if alive(worker) {
        wake(worker);
    } else if want(database) {
        wake_launcher();
    }
}

pub fn wake_launcher() {
    let launcher = SHARED.share().launcher;
    wake(launcher);
}

/// Was the worker of a database called since it last asked?
pub fn called(database: pg_sys::Oid) -> bool {
    let mut shared = SHARED.exclusive();
    let mut slots = shared.slots.iter_mut();
    let slot = slots.find(|s| s.database == database.to_u32());
    slot.is_some_and(|s| std::mem::take(&mut s.called))
}

/// Lets no worker into a database for some time; returns the process id of the one that is there,
/// or 0. None if there is nothing to keep out.
pub fn bar(database: pg_sys::Oid) -> Option<i32> {
    if !preloaded() {
        return None;
    }
    let mut shared = SHARED.exclusive();
    let slot = shared
        .slots
        .iter_mut()
        .find(|s| s.database == database.to_u32())?;
    slot.barred_until = clock() + 60_000_000;
    Some(slot.pid)
}

/// Ends that.
pub fn unbar(database: pg_sys::Oid) {
    let mut shared = SHARED.exclusive();
    for slot in shared.slots.iter_mut() {
        if slot.database == database.to_u32() {
            slot.barred_until = 0;
            slot.wanted = true;
        }
    }
}

/// The worker knows of everything as it was at this time.
pub fn looked(database: pg_sys::Oid, at: i64) {
    let mut shared = SHARED.exclusive();
    for slot in shared.slots.iter_mut() {
        if slot.database == database.to_u32() {
            slot.looked_at = at;
        }
    }
}

/// When the scheduler last knew of all stream tables of the current database whether changes
/// wait; none if it never did.
pub fn looked_at() -> Option<i64> {
    if !preloaded() {
        return None;
    }
    // SAFETY: set for the life of the session.
    let database = unsafe { pg_sys::MyDatabaseId }.to_u32();
    let shared = SHARED.share();
    let slot = shared.slots.iter().find(|s| s.database == database)?;
    (slot.looked_at > 0).then_some(slot.looked_at)
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
    let now = clock();
    let mut shared = SHARED.exclusive();
    for slot in shared.slots.iter_mut().filter(|s| s.database != 0) {
        if slot.pid != 0 && !alive(slot.pid) {
            slot.pid = 0;
            slot.wanted = true;
        }
        if slot.asked_at != 0 && now - slot.asked_at > PATIENCE {
            slot.asked_at = 0;
            slot.wanted = true;
        }
        if slot.wanted && slot.pid == 0 && slot.barred_until < now {
            slot.wanted = false;
            slot.asked_at = now;
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
            if slot.barred_until > clock() {
                slot.wanted = true;
                slot.asked_at = 0;
                return false;
            }
            slot.pid = pid;
            slot.wanted = false;
            slot.asked_at = 0;
            slot.looked_at = 0;
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
