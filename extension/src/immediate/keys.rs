//! Where writers that run together meet ([`spec::program::Meeting`]): locks on groups, and on rows
//! of which there may be copies, until the transaction ends, as locks of rows would last.
//!
//! They are locks of the server's lock manager, taken in the order of hashes, and not of rows: a
//! group that two transactions are about to make has no row yet, and who has waited for one reads
//! on under a new snapshot instead of within the old one. As the lock manager has room for a few
//! dozen locks per session, a transaction that has many keys in one place keeps all of that to
//! itself; who has some says so by a weaker lock of the whole. To wait for the whole while one has
//! keys can be a deadlock, so that is left for when there are far too many.

use crate::capture::pending::own_subtransaction;
use crate::image;
use crate::refresh::relation::Delta;
use pgrx::pg_sys;
use pgrx::pg_sys::LockAcquireResult as Taken;
use spec::program::{Meeting, Over};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// More keys than this a transaction locks one by one only beside others.
const MANY: usize = 32;
/// And more than this never.
const TOO_MANY: usize = 512;

/// What this transaction has locked in one stored collection.
struct Held {
    subtransaction: u32,
    table: pg_sys::Oid,
    target: u32,
    keys: usize,
    /// All of it.
    whole: bool,
}

thread_local! {
    static HELD: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };
}

/// Keeps what the rows tell of from everybody else; says whether there was anything. What others
/// did to it before is seen by snapshots that are taken afterwards.
pub fn settle(table: pg_sys::Oid, meeting: &Meeting, rows: &Delta) -> bool {
    let hashes = match meeting.over {
        Over::Group(keys) => of_groups(rows, keys),
        Over::Copies => of_images(rows),
    };
    if hashes.is_empty() {
        return false;
    }
    let target = meeting.target.0;
    let (keys, is_whole) = HELD.with_borrow(|held| {
        let here = held
            .iter()
            .filter(|h| (h.table, h.target) == (table, target));
        here.fold((0, false), |(keys, whole), h| {
            (keys + h.keys, whole || h.whole)
        })
    });
    if is_whole {
        return true;
    }
    let hold = |keys, whole| {
        let subtransaction = own_subtransaction();
        HELD.with_borrow_mut(|held| {
            held.push(Held {
                subtransaction,
                table,
                target,
                keys,
                whole,
            });
        });
    };
    let whole = Lock {
        table,
        target,
        key: None,
    };
    let all = keys + hashes.len();
    if all > MANY
        && whole.take(pg_sys::ExclusiveLock, all > TOO_MANY) != Taken::LOCKACQUIRE_NOT_AVAIL
    {
        hold(0, true);
        return true;
    }
    whole.take(pg_sys::RowExclusiveLock, true);
    let is_new = |hash: &u32| {
        let key = Lock {
            key: Some(*hash),
            ..whole
        };
        key.take(pg_sys::ExclusiveLock, true) == Taken::LOCKACQUIRE_OK
    };
    let new = hashes.iter().filter(|hash| is_new(hash)).count();
    if new > 0 {
        hold(new, false);
    }
    true
}

#[derive(Clone, Copy)]
struct Lock {
    table: pg_sys::Oid,
    target: u32,
    key: Option<u32>,
}

impl Lock {
    fn take(self, mode: u32, waits: bool) -> Taken::Type {
        // The lock of an object that no catalog has: nobody else's.
        let tag = pg_sys::LOCKTAG {
            // SAFETY: reads a variable of the backend.
            locktag_field1: unsafe { pg_sys::MyDatabaseId }.to_u32(),
            locktag_field2: self.table.to_u32(),
            locktag_field3: self.key.unwrap_or_default(),
            locktag_field4: (self.target * 2 + u32::from(self.key.is_some())) as u16,
            locktag_type: pg_sys::LockTagType::LOCKTAG_OBJECT as u8,
            locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
        };
        // SAFETY: a lock until the transaction ends, which is in progress.
        unsafe { pg_sys::LockAcquire(&tag, mode as i32, false, !waits) }
    }
}

/// The hashes, as far as their number matters.
fn distinct(
    rows: &Delta,
    mut of: impl FnMut(*mut pg_sys::TupleTableSlot) -> Option<u32>,
) -> BTreeSet<u32> {
    let mut hashes = BTreeSet::new();
    rows.for_each(|slot| {
        if hashes.len() <= TOO_MANY {
            hashes.extend(of(slot));
        }
    });
    hashes
}

/// Of the first columns, equal for what SQL calls equal.
fn of_groups(rows: &Delta, keys: usize) -> BTreeSet<u32> {
    let columns: Vec<_> = rows.attributes().into_iter().take(keys).collect();
    let hashers: Vec<_> = columns.iter().map(|c| hasher(c.atttypid)).collect();
    distinct(rows, |slot| {
        let mut hash = 0u64;
        for (i, (column, hasher)) in columns.iter().zip(&hashers).enumerate() {
            // SAFETY: the slot is deformed and has these columns; the function hashes their type.
            let of_column = unsafe {
                match (*(*slot).tts_isnull.add(i), hasher) {
                    (false, Some(hasher)) => pg_sys::FunctionCall2Coll(
                        *hasher,
                        column.attcollation,
                        *(*slot).tts_values.add(i),
                        pg_sys::Datum::from(0),
                    )
                    .value() as u64,
                    (is_null, _) => u64::from(is_null),
                }
            };
            hash = hash.rotate_left(5).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ of_column;
        }
        Some((hash ^ hash >> 32) as u32)
    })
}

/// The extended hash function of a type. Without one, all its values are one.
fn hasher(ty: pg_sys::Oid) -> Option<*mut pg_sys::FmgrInfo> {
    let flags = pg_sys::TYPECACHE_HASH_EXTENDED_PROC | pg_sys::TYPECACHE_HASH_EXTENDED_PROC_FINFO;
    // SAFETY: entries of the cache are never freed.
    unsafe {
        let entry = pg_sys::lookup_type_cache(ty, flags as i32);
        let found = (*entry).hash_extended_proc != pg_sys::InvalidOid;
        found.then(|| &raw mut (*entry).hash_extended_proc_finfo)
    }
}

/// Of the rows that go, behind their weight.
fn of_images(rows: &Delta) -> BTreeSet<u32> {
    let columns = rows.attributes();
    distinct(rows, |slot| {
        // SAFETY: the slot is deformed; the first column is `w bigint`, not null.
        unsafe {
            let (values, nulls) = ((*slot).tts_values, (*slot).tts_isnull);
            let goes = ((*values).value() as i64) < 0;
            goes.then(|| {
                let mut hash = image::Hash::default();
                for (i, column) in columns.iter().enumerate().skip(1) {
                    hash.column(column, (!*nulls.add(i)).then(|| *values.add(i)));
                }
                hash.finish() as u32
            })
        }
    })
}

/// A subtransaction is rolled back, and its locks are released.
pub fn forget_from(subtransaction: u32) {
    HELD.with_borrow_mut(|held| held.retain(|h| h.subtransaction < subtransaction));
}

/// A subtransaction is committed: what it locked is its parent's now.
pub fn pass_on(subtransaction: u32, parent: u32) {
    HELD.with_borrow_mut(|held| {
        let own = held
            .iter_mut()
            .filter(|h| h.subtransaction == subtransaction);
        own.for_each(|h| h.subtransaction = parent);
    });
}

pub fn forget_all() {
    HELD.with_borrow_mut(Vec::clear);
}
