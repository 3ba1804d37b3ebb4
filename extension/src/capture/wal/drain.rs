//! Draining: what has committed since the last drain goes from the WAL into the buffers.
//!
//! **Exactly once.** A drain runs within a transaction, and records in it, in `pgt_wal`, how far it
//! has come; both stand or fall with the transaction. The next one decodes what has committed since
//! the recorded position: the server's decoding takes it to the letter, transaction by transaction. The
//! slot, which knows of no transactions, is moved only to what a drain has recorded that has committed,
//! and whose commit is on disk: what the slot has left behind is gone, also after a crash.
//!
//! **One at a time.** A lock keeps other drains waiting until the transaction ends.
//!
//! **Sources come later.** Each member of a source is taken from the position on at which it became one:
//! its writers were locked out then, so that each of their transactions has committed before or
//! begun after it. Who is taken is asked after the position to drain to is known: whoever becomes a
//! member later has no changes before it.
//!
//! A drain that finds nothing writes nothing, unless the slot would keep too much: a server where
//! nothing happens is not kept awake by being looked at. Often a glance is enough ([`glance`]).

use super::{WalError, glance, plugin, slot};
use crate::capture::audience;
use crate::capture::buffer;
use crate::capture::newest;
use crate::catalog::stream_table::own_table;
use crate::compiled::named;
use crate::frontier::Epoch;
use crate::pg::OpenRelation;
use crate::refresh::identity::as_system;
use crate::server;
use crate::sql::{self, arg};
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::Cell;

/// A position in the WAL.
pub type Lsn = u64;

/// The slot may keep so much that nobody needs, and a drain read so much that others have.
const SLACK: Lsn = 1024 * 1024;

/// After so much WAL the server is asked for a place from which later drains can begin to read.
const FAR: Lsn = 4 * 1024 * 1024;

/// How far has been drained.
#[derive(Clone, Copy, Debug)]
pub struct Recorded {
    pub upto: Lsn,
    by: u64,
}

pub fn recorded() -> Option<Recorded> {
    let name = slot::name();
    audience::latest(|c| {
        let rows = c.read(
            "SELECT drained, drained_by FROM pgtrickle.pgt_wal WHERE slot_name = $1",
            &[arg(name)],
        );
        let row = rows.first()?;
        Some(Recorded {
            upto: row.datum(1)?.value() as Lsn,
            by: row.datum(2)?.value() as u64,
        })
    })
}

/// Where the WAL ends now: each transaction that anybody sees as committed has its commit before.
pub fn end_of_wal() -> Lsn {
    // SAFETY: reads shared memory.
    let (at, segment) = unsafe { (pg_sys::GetXLogInsertRecPtr(), pg_sys::wal_segment_size) };
    // That is where the next record will be: behind the header of a page, if one begins there. What
    // there is ends before.
    const LONG: Lsn = 40;
    const SHORT: Lsn = 24;
    if at % segment as Lsn == LONG {
        at - LONG
    } else if at % Lsn::from(pg_sys::XLOG_BLCKSZ) == SHORT {
        at - SHORT
    } else {
        at
    }
}

/// How the server's decoding reads the WAL.
pub fn routine() -> pg_sys::XLogReaderRoutine {
    pg_sys::XLogReaderRoutine {
        page_read: Some(server::read_local_xlog_page),
        segment_open: Some(server::wal_segment_open),
        segment_close: Some(server::wal_segment_close),
    }
}

thread_local! {
    /// Up to here this process has found nothing to drain, since what was recorded last.
    static LOOKED: Cell<Lsn> = const { Cell::new(0) };
    /// No transaction that is running here has changed what is captured.
    static SETTLED: Cell<Lsn> = const { Cell::new(0) };
    /// What the WAL is being decoded with.
    static READER: Cell<*mut pg_sys::XLogReaderState> = const { Cell::new(std::ptr::null_mut()) };
    /// Where the server was last asked for a place to begin from.
    static ASKED: Cell<Lsn> = const { Cell::new(0) };
    static AT_WORK: Cell<bool> = const { Cell::new(false) };
}

/// Drains everything that has committed before `until`, where the WAL has come to already. Says how
/// many rows.
pub fn to(until: Lsn) -> Result<u64, WalError> {
    lock();
    slot::check()?;
    let Some(recorded) = recorded() else {
        return Err(WalError::NoSlot {
            slot: slot::name(),
            what: "is new",
        });
    };
    let from = recorded.upto.max(LOOKED.get());
    if from >= until {
        return Ok(0);
    }
    if let Some(end) = glance(from) {
        SETTLED.set(end);
        LOOKED.set(end);
        if end - recorded.upto > SLACK {
            record(end);
        }
        return Ok(0);
    }
    // What was recorded by a drain that was waited for is on disk before the slot is moved to it.
    // SAFETY: a position that the WAL has reached.
    unsafe { pg_sys::XLogFlush(end_of_wal()) };
    let stores = taken();
    // SAFETY: reads the transaction's state.
    let own = unsafe { pg_sys::GetTopFullTransactionIdIfAny() }.value;
    let confirmed = (recorded.by != own).then_some(recorded.upto);
    let decoded = decode(confirmed, from, until, stores);
    let rows: u64 = decoded.iter().map(|store| store.count).sum();
    for store in decoded {
        write(store);
    }
    if rows > 0 || until - recorded.upto > SLACK {
        record(until);
    } else {
        LOOKED.set(until);
    }
    Ok(rows)
}

/// Up to where there is nothing to decode, if a glance can tell.
fn glance(from: Lsn) -> Option<Lsn> {
    // What is captured is asked for twice: a file that it had before the end is known by the first
    // answer, or by a record; and whatever has come to be captured, by the second.
    let before = glance::captured();
    let end = end_of_wal();
    let far = end.saturating_sub(slot::begin()?) > FAR;
    if far || SETTLED.get() != from || glance::captured() != before {
        // From far back the server is to find a place to begin from that is nearer.
        return None;
    }
    // SAFETY: a position that the WAL has reached.
    unsafe { pg_sys::XLogFlush(end) };
    glance::finds_nothing(from, end, &before).then_some(end)
}

/// Makes this transaction the only one that drains, until it ends. Take it before the lock of a
/// buffer that keeps writers out: who drains waits for that.
pub fn lock() {
    // SAFETY: a heavyweight lock on an object of our own.
    unsafe {
        pg_sys::LockDatabaseObject(
            own_table("pgt_wal"),
            pg_sys::InvalidOid,
            0,
            pg_sys::ExclusiveLock as i32,
        );
    }
}

/// The same, unless there is another one.
pub fn try_lock() -> bool {
    // SAFETY: a heavyweight lock on an object of our own.
    unsafe {
        pg_sys::ConditionalLockDatabaseObject(
            own_table("pgt_wal"),
            pg_sys::InvalidOid,
            0,
            pg_sys::ExclusiveLock as i32,
        )
    }
}

/// Also under an old snapshot, of which the row is not: only one drain at a time writes it.
fn record(upto: Lsn) {
    let latest = Epoch::latest();
    as_system(|| {
        sql::connect(|c| {
            let plan = c.prepare(&format!(
                "UPDATE pgtrickle.pgt_wal SET drained = '{:X}/{:X}', drained_by = \
                 pg_catalog.pg_current_xact_id() WHERE slot_name = '{}'",
                upto >> 32,
                upto & 0xffff_ffff,
                slot::name()
            ));
            // SAFETY: registered.
            unsafe { plan.write_under(latest.as_ptr()) };
        });
    });
}

/// What is taken, and where to. The buffers are locked, so that they stay as they are.
fn taken() -> Vec<plugin::Store> {
    let rows: Vec<(pg_sys::Oid, pg_sys::Oid, pg_sys::Oid, Lsn)> = audience::latest(|c| {
        let rows = c.read(
            "SELECT m.source_relid, k.buffer_relid, m.member_relid, m.since FROM \
             pgtrickle.pgt_wal_members m JOIN pgtrickle.pgt_captures k USING (source_relid) WHERE \
             k.method = 'WAL' ORDER BY 1, 3",
            &[],
        );
        rows.iter()
            .filter_map(|row| {
                let since = row.datum(4)?.value() as Lsn;
                Some((row.get(1)?, row.get(2)?, row.get(3)?, since))
            })
            .collect()
    });
    let mut stores: Vec<plugin::Store> = vec![];
    for (source, buffer, member, since) in rows {
        if stores.last().is_none_or(|store| store.source != source) {
            // A source that has been dropped since went with its readers.
            let mode = pg_sys::RowExclusiveLock as i32;
            let Some(opened) = OpenRelation::if_there(buffer, mode) else {
                continue;
            };
            stores.push(plugin::Store::new(source, buffer, &opened));
        }
        if let Some(store) = stores.last_mut() {
            store.members.push((member, since));
        }
    }
    stores
}

/// Decodes the transactions that have committed between two positions.
fn decode(
    confirmed: Option<Lsn>,
    from: Lsn,
    until: Lsn,
    stores: Vec<plugin::Store>,
) -> Vec<plugin::Store> {
    AT_WORK.set(true);
    plugin::begin(stores);
    PgTryBuilder::new(std::panic::AssertUnwindSafe(|| {
        let held = slot::Acquired::take();
        // SAFETY: the slot is acquired.
        unsafe { run(confirmed, from, until) };
        drop(held);
    }))
    .catch_others(|error| {
        plugin::abandon();
        AT_WORK.set(false);
        close();
        // What was read of the catalogs as they were.
        // SAFETY: as the server's own functions do after an error.
        unsafe { pg_sys::InvalidateSystemCaches() };
        error.rethrow()
    })
    .execute();
    AT_WORK.set(false);
    plugin::end()
}

/// An error leaves the file open that was read from.
fn close() {
    let reader = READER.replace(std::ptr::null_mut());
    // SAFETY: the reader is there as long as the transaction has not been cleaned up.
    unsafe {
        if !reader.is_null() && (*reader).seg.ws_file >= 0 {
            server::wal_segment_close(reader);
        }
    }
}

/// # Safety
/// The slot must be acquired.
unsafe fn run(confirmed: Option<Lsn>, from: Lsn, until: Lsn) {
    // SAFETY: the calls of the server's own function that reads changes, in their order.
    unsafe {
        let owner = pg_sys::CurrentResourceOwner;
        let slot = pg_sys::MyReplicationSlot;
        if let Some(confirmed) = confirmed.filter(|c| *c > (*slot).data.confirmed_flush) {
            pg_sys::LogicalConfirmReceivedLocation(confirmed);
            pg_sys::ReplicationSlotMarkDirty();
        }
        let context = pg_sys::CreateDecodingContext(
            from,
            std::ptr::null_mut(),
            false,
            &mut routine(),
            None,
            None,
            None,
        );
        let reader = (*context).reader;
        READER.set(reader);
        pg_sys::XLogBeginRead(reader, (*slot).data.restart_lsn);
        // What is known of the catalogs is of now, and decoding reads them as they were.
        named::unchanged(|| pg_sys::InvalidateSystemCaches());
        loop {
            if (*reader).EndRecPtr >= until {
                break;
            }
            let mut problem = std::ptr::null_mut();
            let read = pg_sys::ffi::pg_guard_ffi_boundary(|| {
                let record = server::XLogReadRecord(reader, &mut problem);
                if !record.is_null() {
                    server::LogicalDecodingProcessRecord(context, reader);
                }
                !record.is_null()
            });
            if !read {
                let problem = crate::pg::string(problem).unwrap_or_default();
                error!(
                    "cannot read the WAL for the slot {}: {problem}",
                    slot::name()
                );
            }
            pg_sys::check_for_interrupts!();
        }
        pg_sys::CurrentResourceOwner = owner;
        let left = pg_sys::hash_get_num_entries((*(*context).reorder).by_txn);
        SETTLED.set(if left == 0 { (*reader).EndRecPtr } else { 0 });
        READER.set(std::ptr::null_mut());
        pg_sys::FreeDecodingContext(context);
        named::unchanged(|| pg_sys::InvalidateSystemCaches());
        let begins = ASKED.get().max((*slot).data.restart_lsn);
        if until.saturating_sub(begins) > FAR {
            ASKED.set(until);
            pg_sys::LogStandbySnapshot();
        }
    }
}

/// Writes what was decoded into its buffer.
fn write(store: plugin::Store) {
    let mode = pg_sys::RowExclusiveLock as i32;
    if store.count == 0 {
        // SAFETY: locked when it was opened.
        unsafe { pg_sys::UnlockRelationOid(store.buffer, mode) };
        store.discard();
        return;
    }
    let to = store.buffer;
    buffer::append(to, |writer| {
        store.each(|number, w, values, nulls| {
            newest::raise(to, number.0);
            // SAFETY: rows that were formed for this buffer, which has been locked since.
            unsafe {
                writer.write_numbered(number, w, |to, to_nulls| {
                    to[buffer::FIXED..].copy_from_slice(&values[buffer::FIXED..]);
                    to_nulls[buffer::FIXED..].copy_from_slice(&nulls[buffer::FIXED..]);
                });
            }
        });
    });
}

static mut PREVIOUS_LOG: pg_sys::emit_log_hook_type = None;

/// Each decoding is announced in the server's log, for those who begin one and stream for days.
///
/// # Safety
/// Called by the server.
unsafe extern "C-unwind" fn quieten(data: *mut pg_sys::ErrorData) {
    // SAFETY: passes on what the server passed.
    unsafe {
        if AT_WORK.get() && (*data).elevel == pg_sys::LOG as i32 {
            (*data).output_to_server = false;
            return;
        }
        if let Some(previous) = PREVIOUS_LOG {
            previous(data);
        }
    }
}

/// Once per process.
pub fn install() {
    // SAFETY: backends have one thread.
    unsafe {
        PREVIOUS_LOG = pg_sys::emit_log_hook;
        pg_sys::emit_log_hook = Some(quieten);
    }
}
