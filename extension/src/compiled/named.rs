//! What programs of this session may name: every object of the catalog snapshots that they were
//! made from, but for the built-in ones, whose names are settled.
//!
//! Most invalidations are of other objects: each table that is created or dropped has a row type.

use pgrx::pg_sys;
use pgrx::pg_sys::SysCacheIdentifier::{self, *};
use pgrx::prelude::*;
use spec::catalog::Objects;
use spec::types::Oid;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;

/// The caches of the kinds of objects.
const CACHES: [SysCacheIdentifier::Type; 5] = [NAMESPACEOID, TYPEOID, PROCOID, OPEROID, COLLOID];

thread_local! {
    /// By cache, and by the hash that an invalidation tells.
    static NAMED: RefCell<HashSet<(i32, u32)>> = RefCell::new(HashSet::new());
    /// How many invalidations there were, of whatever object.
    static TOLD: Cell<u64> = const { Cell::new(0) };
    static FORGET: Cell<fn()> = const { Cell::new(|| ()) };
    /// How many caches were told to be void while they are being reset though nothing has changed.
    static RESETTING: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Runs what resets all caches of the session though nothing has changed: what is known stays. Each
/// cache is told of once; where one is told of more often, something has changed meanwhile.
pub fn unchanged(reset: impl FnOnce()) {
    struct Ends;
    impl Drop for Ends {
        fn drop(&mut self) {
            if RESETTING.take() != Some(CACHES.len()) {
                NAMED.with_borrow_mut(HashSet::clear);
                FORGET.get()();
            }
        }
    }
    RESETTING.set(Some(0));
    let _ends = Ends;
    reset();
}

/// Everything in the snapshot may be named from now on.
pub fn note(objects: &Objects) {
    let kinds: [Vec<Oid>; CACHES.len()] = [
        objects.namespaces.iter().map(|o| o.oid).collect(),
        objects.types.iter().map(|o| o.oid).collect(),
        objects.functions.iter().map(|o| o.oid).collect(),
        objects.operators.iter().map(|o| o.oid).collect(),
        objects.collations.iter().map(|o| o.oid).collect(),
    ];
    let mut hashes = vec![];
    for (cache, oids) in CACHES.into_iter().zip(kinds) {
        for oid in oids {
            let none = pg_sys::Datum::from(0);
            let key = pg_sys::Datum::from(pg_sys::Oid::from(oid.0));
            // SAFETY: a cache whose one key is an OID.
            let hash = unsafe { pg_sys::GetSysCacheHashValue(cache as i32, key, none, none, none) };
            hashes.push((cache as i32, hash));
        }
    }
    NAMED.with_borrow_mut(|named| named.extend(hashes));
}

/// Changes with every invalidation: what was read while it stayed the same is of one time.
pub fn time() -> u64 {
    TOLD.get()
}

#[pg_guard]
unsafe extern "C-unwind" fn told(_argument: pg_sys::Datum, cache: i32, hash: u32) {
    TOLD.set(TOLD.get() + 1);
    if let Some(told) = RESETTING.get().filter(|_| hash == 0) {
        RESETTING.set(Some(told + 1));
        return;
    }
    // The set is borrowed only to look up or insert, never across a call into the server, so that
    // an invalidation cannot meet a borrow. Hash 0 stands for all of a cache.
    let is_named = NAMED.with_borrow_mut(|named| {
        let is_named = hash == 0 || named.contains(&(cache, hash));
        if is_named {
            named.clear();
        }
        is_named
    });
    if is_named {
        FORGET.get()();
    }
}

/// Once per process, from `_PG_init`: calls `forget` when an object that may be named has changed.
pub fn register_invalidation(forget: fn()) {
    FORGET.set(forget);
    for cache in CACHES {
        // SAFETY: a callback that only touches our own memory.
        unsafe {
            pg_sys::CacheRegisterSyscacheCallback(cache as i32, Some(told), pg_sys::Datum::from(0));
        }
    }
}
