//! A glance at the WAL: has anything been written there that decoding could find?
//!
//! To decode, the server must forget all that it knows of the catalogs, and learn it again. Mostly there
//! is nothing to be found: a refresh has written its own tables, or nobody has written anything to the
//! sources. So the records are looked over first, as they are, for the files that the sources lie in.
//!
//! ```text
//! settled(p):  no transaction that is running at p has changed what is captured by then
//! settled(p) and no record of the sources' files in [p, q)   =>   nothing to decode in [p, q), settled(q)
//! ```
//!
//! After decoding, p is settled if no transaction is left over. A source gets another file only with a
//! record that says so, which counts as one of its own.

use super::drain::{Lsn, routine};
use crate::capture::audience;
use crate::server;
use pgrx::pg_sys;
use std::collections::BTreeSet;

/// What a relation is created with, of the records of files.
const CREATE: u8 = 0x10;

/// What is captured: each table, the file that it lies in, and the buffer.
pub type Captured = BTreeSet<(u32, u32, u32)>;

pub fn captured() -> Captured {
    audience::latest(|c| {
        let rows = c.read(
            "SELECT m.member_relid, c.relfilenode, k.buffer_relid FROM pgtrickle.pgt_wal_members m JOIN \
             pgtrickle.pgt_captures k USING (source_relid) JOIN pg_catalog.pg_class c ON c.oid = \
             m.member_relid WHERE k.method = 'WAL'",
            &[],
        );
        let oid = |value: Option<pg_sys::Oid>| value.map(|oid| oid.to_u32());
        rows.iter()
            .filter_map(|row| Some((oid(row.get(1))?, oid(row.get(2))?, oid(row.get(3))?)))
            .collect()
    })
}

/// Is there no record that concerns what is captured? False, too, if that cannot be told.
pub fn finds_nothing(from: Lsn, until: Lsn, captured: &Captured) -> bool {
    let files: BTreeSet<u32> = captured.iter().map(|(_, file, _)| *file).collect();
    // SAFETY: a reader of our own, which begins at the beginning of a record and ends with the last that
    // is on disk.
    unsafe {
        let reader = pg_sys::XLogReaderAllocate(
            pg_sys::wal_segment_size,
            std::ptr::null(),
            &mut routine(),
            std::ptr::null_mut(),
        );
        if reader.is_null() {
            return false;
        }
        pg_sys::XLogBeginRead(reader, from);
        let mut nothing = true;
        while nothing && (*reader).EndRecPtr < until {
            let read = pg_sys::ffi::pg_guard_ffi_boundary(|| {
                let mut problem = std::ptr::null_mut();
                !server::XLogReadRecord(reader, &mut problem).is_null()
            });
            nothing = read && !concerns(&*(*reader).record, &files);
        }
        pg_sys::XLogReaderFree(reader);
        nothing
    }
}

/// # Safety
/// The record must be one that was read.
unsafe fn concerns(record: &pg_sys::DecodedXLogRecord, files: &BTreeSet<u32>) -> bool {
    use pg_sys::RmgrIds::*;
    // SAFETY: reads a variable of the backend.
    let database = unsafe { pg_sys::MyDatabaseId };
    match u32::from(record.header.xl_rmid) {
        RM_HEAP_ID | RM_HEAP2_ID => {
            (0..=record.max_block_id).any(|i| {
                // SAFETY: so many blocks follow.
                let block = unsafe { &*record.blocks.as_ptr().add(i as usize) };
                block.in_use
                    && block.rlocator.dbOid == database
                    && files.contains(&block.rlocator.relNumber.to_u32())
            })
        }
        RM_SMGR_ID => {
            // SAFETY: such a record begins with the place of the file.
            let place = unsafe {
                record
                    .main_data
                    .cast::<pg_sys::RelFileLocator>()
                    .read_unaligned()
            };
            record.header.xl_info & 0xf0 == CREATE && place.dbOid == database
        }
        _ => false,
    }
}
