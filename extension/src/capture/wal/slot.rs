//! The replication slot of a database: `pg_trickle_<database oid>`.
//!
//! It is made before the first source is captured from the WAL, in a transaction that has not
//! written: the server wants it so. Nothing undoes that, so a slot can be there that nobody needs; the
//! scheduler drops it ([`tidy`]).
//!
//! **What was lost.** `pgt_wal` says how far has been drained. If the slot is gone or void, or somebody
//! else has moved it beyond that, changes were lost: it is made again, and all readers rebuild.
//!
//! **Locks.** Who relies on the slot keeps others from dropping it until his transaction ends; who
//! makes it does so alone.

use super::drain::Lsn;
use super::{WalError, drain, is_used, void};
use crate::capture::pending::own_subtransaction;
use crate::catalog::stream_table::{own_table, own_table_if_any};
use crate::pg::cstring;
use crate::refresh::identity::as_system;
use crate::sql::{self, Arg, arg};
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::Cell;
use std::ffi::CStr;

/// Of the output plugin: this library.
const PLUGIN: &CStr = c"pg_trickle";

pub fn name() -> String {
    // SAFETY: set for the life of the session.
    format!("pg_trickle_{}", unsafe { pg_sys::MyDatabaseId }.to_u32())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Missing,
    /// The server has removed what it needs.
    Invalidated,
    Ready {
        /// Transactions that committed before are not decoded any more.
        confirmed: Lsn,
    },
}

fn state() -> State {
    let name = cstring(&name());
    // SAFETY: slots stay where they are in shared memory; the fields are read as they are at the
    // moment.
    unsafe {
        let slot = pg_sys::SearchNamedReplicationSlot(name.as_ptr(), true);
        if slot.is_null() || (*slot).data.database != pg_sys::MyDatabaseId {
            return State::Missing;
        }
        match (*slot).data.invalidated {
            pg_sys::ReplicationSlotInvalidationCause::RS_INVAL_NONE => State::Ready {
                confirmed: (*slot).data.confirmed_flush,
            },
            _ => State::Invalidated,
        }
    }
}

/// Where reading must begin; none if there is no slot.
pub fn begin() -> Option<Lsn> {
    let name = cstring(&name());
    // SAFETY: as above.
    unsafe {
        let slot = pg_sys::SearchNamedReplicationSlot(name.as_ptr(), true);
        (!slot.is_null()).then(|| (*slot).data.restart_lsn)
    }
}

/// Of the lock that keeps the slot.
const KEEPING: u16 = 1;

fn lock(mode: u32) {
    // SAFETY: a heavyweight lock on an object of our own.
    unsafe {
        pg_sys::LockDatabaseObject(
            own_table("pgt_wal"),
            pg_sys::InvalidOid,
            KEEPING,
            mode as i32,
        );
    }
}

/// What is wrong with the slot, if anything is.
fn fault() -> Option<&'static str> {
    match (state(), drain::recorded()) {
        (State::Missing, _) => Some("is gone"),
        (State::Invalidated, _) => Some("was invalidated"),
        (State::Ready { .. }, None) => Some("is new"),
        (State::Ready { confirmed }, Some(recorded)) if confirmed > recorded.upto => {
            Some("was moved by somebody else")
        }
        _ => None,
    }
}

pub fn is_sound() -> bool {
    fault().is_none()
}

/// Keeps the slot until the transaction ends, unless somebody is making or dropping it.
pub fn try_keep() -> bool {
    try_lock(pg_sys::ShareLock)
}

fn try_lock(mode: u32) -> bool {
    // SAFETY: a heavyweight lock on an object of our own.
    unsafe {
        pg_sys::ConditionalLockDatabaseObject(
            own_table("pgt_wal"),
            pg_sys::InvalidOid,
            KEEPING,
            mode as i32,
        )
    }
}

/// An error if the slot cannot be relied on; keeps it until the transaction ends.
pub fn check() -> Result<(), WalError> {
    lock(pg_sys::ShareLock);
    match fault() {
        None => Ok(()),
        Some(what) => Err(WalError::NoSlot { slot: name(), what }),
    }
}

/// Makes the slot, if it is not there as it should be, and keeps it until the transaction ends. All
/// readers rebuild if changes were lost.
pub fn ensure() -> Result<(), WalError> {
    if fault().is_none() {
        return check();
    }
    // SAFETY: reads the transaction's state.
    if unsafe { pg_sys::GetTopTransactionIdIfAny() } != pg_sys::InvalidTransactionId {
        return Err(WalError::NotAlone(name()));
    }
    lock(pg_sys::ExclusiveLock);
    let Some(what) = fault() else {
        return Ok(());
    };
    let from = match state() {
        State::Ready { confirmed } => confirmed,
        State::Missing => make()?,
        State::Invalidated => {
            drop_slot();
            make()?
        }
    };
    void(&format!("the replication slot {} {what}", name()));
    as_system(|| {
        sql::run("DELETE FROM pgtrickle.pgt_wal", &[]);
        sql::run(
            "INSERT INTO pgtrickle.pgt_wal (slot_name, drained, drained_by) VALUES ($1, $2, \
             pg_catalog.pg_current_xact_id())",
            &[
                arg(name()),
                Arg::raw(pg_sys::PG_LSNOID, Some(pg_sys::Datum::from(from))),
            ],
        );
    });
    Ok(())
}

/// Does the server let this library decode? (Before 18.6 it had no such setting.)
fn is_trusted() -> bool {
    // SAFETY: a look at a setting, or null if there is no such.
    let trusted = unsafe {
        let value = pg_sys::GetConfigOption(c"output_plugin_libraries".as_ptr(), true, false);
        crate::pg::string(value)
    };
    trusted.is_none_or(|list| {
        let mut names = list.split(',').map(|n| n.trim().trim_matches('"'));
        names.any(|n| Some(n) == PLUGIN.to_str().ok())
    })
}

fn make() -> Result<Lsn, WalError> {
    // SAFETY: reads a setting of the server.
    if unsafe { pg_sys::wal_level } < pg_sys::WalLevel::WAL_LEVEL_LOGICAL as i32 {
        return Err(WalError::Level);
    }
    if !is_trusted() {
        return Err(WalError::NotTrusted);
    }
    // SAFETY: raises the server's errors.
    unsafe { pg_sys::CheckLogicalDecodingRequirements() };
    let name = cstring(&name());
    // SAFETY: as the server's own function does. What an error leaves behind goes with the slot,
    // which is not persistent until all is well.
    unsafe {
        let held = Acquired::with(|| {
            pg_sys::ReplicationSlotCreate(
                name.as_ptr(),
                true,
                pg_sys::ReplicationSlotPersistency::RS_EPHEMERAL,
                false,
                false,
                false,
            );
        });
        let context = pg_sys::CreateInitDecodingContext(
            PLUGIN.as_ptr(),
            std::ptr::null_mut(),
            false,
            0,
            &mut drain::routine(),
            None,
            None,
            None,
        );
        // Waits for all transactions that are running.
        pg_sys::DecodingContextFindStartpoint(context);
        let from = (*pg_sys::MyReplicationSlot).data.confirmed_flush;
        pg_sys::FreeDecodingContext(context);
        pg_sys::ReplicationSlotPersist();
        drop(held);
        Ok(from)
    }
}

fn drop_slot() {
    let name = cstring(&name());
    // SAFETY: raises an error if somebody reads from it.
    unsafe {
        let held = Acquired::with(|| pg_sys::ReplicationSlotAcquire(name.as_ptr(), true, false));
        pg_sys::ReplicationSlotDropAcquired();
        held.forget();
    }
}

/// Drops the slot if nobody needs it.
pub fn tidy() {
    if state() == State::Missing {
        return;
    }
    if own_table_if_any("pgt_wal").is_some() {
        let alone = try_lock(pg_sys::ExclusiveLock);
        super::forget();
        if !alone || is_used() {
            return;
        }
        as_system(|| sql::run("DELETE FROM pgtrickle.pgt_wal", &[]));
    }
    drop_slot();
}

thread_local! {
    /// The subtransaction in which this process has acquired the slot; 0: it has not.
    static ACQUIRED: Cell<u32> = const { Cell::new(0) };
}

/// The slot, acquired by this process. An error that is caught further out does not end the session,
/// which would release it; so it is released with the subtransaction that is rolled back.
pub struct Acquired(());

impl Acquired {
    pub fn take() -> Acquired {
        let name = cstring(&name());
        // SAFETY: raises an error if it is gone, void, or acquired by somebody else.
        Acquired::with(|| unsafe { pg_sys::ReplicationSlotAcquire(name.as_ptr(), true, true) })
    }

    fn with(acquire: impl FnOnce()) -> Acquired {
        ACQUIRED.set(own_subtransaction());
        acquire();
        Acquired(())
    }

    /// It is gone.
    fn forget(self) {
        ACQUIRED.set(0);
        std::mem::forget(self);
    }
}

impl Drop for Acquired {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            release();
        }
    }
}

fn release() {
    ACQUIRED.set(0);
    // SAFETY: only what was acquired is released.
    unsafe {
        if !pg_sys::MyReplicationSlot.is_null() {
            pg_sys::ReplicationSlotRelease();
        }
    }
}

/// Decoding runs each transaction in a subtransaction of its own, which it rolls back: those are
/// younger.
#[pg_guard]
unsafe extern "C-unwind" fn at_subtransaction_end(
    event: pg_sys::SubXactEvent::Type,
    own: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _argument: *mut std::ffi::c_void,
) {
    let acquired = ACQUIRED.get();
    if event == pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB && acquired != 0 && own <= acquired {
        release();
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_end(
    event: pg_sys::XactEvent::Type,
    _argument: *mut std::ffi::c_void,
) {
    if event == pg_sys::XactEvent::XACT_EVENT_ABORT && ACQUIRED.get() != 0 {
        release();
    }
}

pub fn install() {
    // SAFETY: backends have one thread; once per process.
    unsafe {
        pg_sys::RegisterXactCallback(Some(at_end), std::ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(at_subtransaction_end), std::ptr::null_mut());
    }
}

/// Is the slot there and as it should be? NULL if nothing needs it.
#[pg_extern(name = "_slot_fault", volatile, parallel_unsafe)]
fn slot_fault() -> Option<String> {
    if !is_used() {
        let there = state() != State::Missing;
        return there.then(|| "is not needed any more".to_string());
    }
    fault().map(str::to_string)
}
