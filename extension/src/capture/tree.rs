//! What reading a table reads: itself, and what inherits from it.
//!
//! ```text
//! members(t) = {t} ∪ partitions and inheritance children of t, at any depth
//! rows of FROM t = ⊎ rows of ONLY m, m in members(t)
//! ```
//!
//! So a change of `m` is a change of every table that `m` is a member of: each that is captured
//! has a buffer of its own, in which columns are called by that table's attnums. Partitions and
//! children may have them elsewhere; names are what they share. A temporary child is a member in
//! no session but its own.
//!
//! **Coming and going.** The set of members follows no snapshot: a table that is attached is
//! read at once. So who changes the set does it alone ([`change`]), and who refreshes keeps it as it
//! is ([`keep`]) from before the snapshot until the transaction ends.

use crate::catalog::stream_table::own_table;
use pgrx::pg_sys;

/// Functions of the server that the bindings do not declare.
mod missing {
    use pgrx::pg_sys;
    unsafe extern "C-unwind" {
        pub fn find_all_inheritors(
            parent: pg_sys::Oid,
            mode: i32,
            parents: *mut *mut pg_sys::List,
        ) -> *mut pg_sys::List;
    }
}

/// `pg_inherits`, its index on `(inhrelid, inhseqno)`, and the attnums of `inhrelid`, `inhparent`.
const INHERITS: u32 = 2611;
const BY_CHILD: u32 = 2680;
const CHILD: i16 = 1;
const PARENT: i32 = 2;

const NO_LOCK: i32 = pg_sys::NoLock as i32;

/// The table and what inherits from it, locked in that mode (itself excepted), in OID order. A
/// partition whose detaching has begun is one as long as the active snapshot says so.
fn inheritors(table: pg_sys::Oid, mode: i32) -> Vec<pg_sys::Oid> {
    // SAFETY: the server's own look-up; the list is of OIDs.
    let mut found: Vec<pg_sys::Oid> = unsafe {
        let list = pg_sys::ffi::pg_guard_ffi_boundary(|| {
            missing::find_all_inheritors(table, mode, std::ptr::null_mut())
        });
        let length = if list.is_null() { 0 } else { (*list).length };
        let found = (0..length)
            .map(|i| (*(*list).elements.add(i as usize)).oid_value)
            .collect();
        pg_sys::list_free(list);
        found
    };
    found.sort_by_key(|oid| oid.to_u32());
    found
}

/// Is it there, and not temporary?
fn is_permanent(table: pg_sys::Oid) -> bool {
    // SAFETY: look-ups; the second one is of a relation that is there.
    unsafe {
        pg_sys::get_rel_relkind(table) != 0
            && pg_sys::get_rel_persistence(table) as u8 != pg_sys::RELPERSISTENCE_TEMP
    }
}

/// The members of a table, in OID order.
pub fn members(table: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    lock_members(table, NO_LOCK)
}

/// The same, each but the table itself locked until the transaction ends.
pub fn lock_members(table: pg_sys::Oid, mode: i32) -> Vec<pg_sys::Oid> {
    let mut members = inheritors(table, mode);
    members.retain(|&m| m == table || is_permanent(m));
    members
}

/// A temporary table of this session that inherits from the table: what this session reads of it
/// nobody else does.
pub fn temporary_member(table: pg_sys::Oid) -> Option<pg_sys::Oid> {
    inheritors(table, NO_LOCK).into_iter().find(|&m| {
        // SAFETY: look-ups, of a relation that is there.
        m != table && unsafe { pg_sys::isTempNamespace(pg_sys::get_rel_namespace(m)) }
    })
}

/// Has the relation rows of its own, which row triggers tell of?
pub fn has_rows(table: pg_sys::Oid) -> bool {
    // SAFETY: a look-up.
    unsafe { pg_sys::get_rel_relkind(table) as u8 == pg_sys::RELKIND_RELATION }
}

/// The tables that this one is a member of, itself first.
pub fn readers(table: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    let mut found = vec![table];
    let mut next = 0;
    while let Some(&child) = found.get(next) {
        next += 1;
        for parent in parents(child) {
            if !found.contains(&parent) {
                found.push(parent);
            }
        }
    }
    found
}

fn parents(child: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    let mut found = Vec::new();
    // SAFETY: a scan of a system catalog; inhparent is an OID that is not NULL.
    unsafe {
        let mode = pg_sys::AccessShareLock as i32;
        let catalog = pg_sys::table_open(pg_sys::Oid::from(INHERITS), mode);
        let mut key = pg_sys::ScanKeyData::default();
        pg_sys::ScanKeyInit(
            &mut key,
            CHILD,
            pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
            pg_sys::Oid::from(pg_sys::F_OIDEQ),
            pg_sys::Datum::from(child),
        );
        let index = pg_sys::Oid::from(BY_CHILD);
        let scan =
            pg_sys::systable_beginscan(catalog, index, true, std::ptr::null_mut(), 1, &mut key);
        loop {
            let tuple = pg_sys::systable_getnext(scan);
            if tuple.is_null() {
                break;
            }
            let mut is_null = false;
            let parent = pg_sys::heap_getattr(tuple, PARENT, (*catalog).rd_att, &mut is_null);
            found.push(pg_sys::Oid::from(parent.value() as u32));
        }
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(catalog, mode);
    }
    found
}

/// May a statement on one of these tables change what reading the other reads? A partition's rows
/// may move to any other partition of the same root.
pub fn are_related(changed: pg_sys::Oid, read: pg_sys::Oid) -> bool {
    let top = partition_root(changed);
    top == read || members(top).contains(&read) || members(read).contains(&top) || {
        top != changed && members(read).contains(&changed)
    }
}

/// The table that is partitioned into this one, if it is a partition at all.
fn partition_root(table: pg_sys::Oid) -> pg_sys::Oid {
    let mut top = table;
    // SAFETY: a look-up.
    while unsafe { pg_sys::get_rel_relispartition(top) } {
        match parents(top).first() {
            Some(&parent) => top = parent,
            None => break,
        }
    }
    top
}

fn lock(source: pg_sys::Oid, mode: u32) {
    // SAFETY: a heavyweight lock on an object of our own.
    unsafe { pg_sys::LockDatabaseObject(own_table("pgt_captures"), source, 0, mode as i32) }
}

/// Waits until nobody changes the members of a captured table, and keeps everybody from it until
/// the transaction ends. Take it after the locks of the members: who changes them has some.
pub fn keep(source: pg_sys::Oid) {
    lock(source, pg_sys::ShareLock);
}

/// Waits for those who rely on the members of a captured table as they were.
pub fn change(source: pg_sys::Oid) {
    lock(source, pg_sys::ExclusiveLock);
}
