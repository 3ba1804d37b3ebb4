//! Capture from the WAL: writers of a source pay nothing, and its changes are decoded later.
//!
//! The buffer of a source is the same, and so are programs and frontiers: only who writes into it
//! is not. A *drain* ([`drain`]) decodes the transactions that have committed since the last one,
//! in the order of their commits, and writes their changes as `(xid, seq, w, columns…)` with the
//! xid of the transaction that made the change.
//!
//! ```text
//! a refresh:  its locks,  its snapshot S,  position p = where the WAL ends now,  drain to p
//! ```
//!
//! What S sees has its commit record before p. So after the drain the buffers hold every change that S
//! sees, and maybe more: rows are read under a snapshot taken after the drain, and those of
//! transactions that S does not see are left for later ([`crate::frontier::epoch::View`]).
//!
//! What is no change of rows is told as ever, by who does it: TRUNCATE, and the DDL that writes marks,
//! are seen by triggers that fire once for a statement.
//!
//! A transaction cannot read its own changes from the WAL: it must not refresh what reads them
//! ([`check_unwritten`]).

pub mod drain;
mod error;
mod glance;
mod plugin;
pub mod slot;

pub use error::WalError;
pub use plugin::forget_layouts;

use super::audience;
use crate::catalog::StreamTable;
use crate::catalog::stream_table::own_table_if_any;
use crate::frontier::Epoch;
use crate::pg::OpenRelation;
use crate::refresh::identity::as_system;
use crate::refresh::name_of;
use crate::sql::{self, arg};
use pgrx::pg_sys;
use std::cell::Cell;

/// Once per process, from `_PG_init`.
pub fn install() {
    slot::install();
    drain::install();
}

thread_local! {
    /// Whether this database captures anything from the WAL, as long as nobody tells otherwise.
    static USED: Cell<Option<bool>> = const { Cell::new(None) };
}

/// The audience of a source has changed, and with it maybe the way of its capture.
pub fn forget() {
    USED.set(None);
}

/// Does this database capture anything from the WAL, or will it when its stream tables, which come
/// from elsewhere, are refreshed?
pub fn is_used() -> bool {
    if let Some(known) = USED.get() {
        return known;
    }
    if own_table_if_any("pgt_wal").is_none() {
        return false;
    }
    audience::signal();
    let used = audience::latest(|c| {
        let rows = c.read(
            "SELECT EXISTS (SELECT FROM pgtrickle.pgt_captures WHERE method = 'WAL') OR EXISTS (SELECT \
             FROM pgtrickle.pgt_stream_tables WHERE cdc_mode = 'wal' AND (needs_reinit OR home <> \
             pgtrickle._home()))",
            &[],
        );
        rows.first().and_then(|row| row.get(1)).unwrap_or(false)
    });
    USED.set(Some(used));
    used
}

/// Has the slot made, or made again, if one of these stream tables needs it. To be called before
/// the transaction writes.
pub fn ready(ids: &[i64]) -> Result<(), WalError> {
    if !is_used() {
        return Ok(());
    }
    let concerned = audience::latest(|c| {
        let rows = c.read(
            "SELECT EXISTS (SELECT FROM pgtrickle.pgt_stream_tables s WHERE s.pgt_id = ANY ($1) AND \
             (s.cdc_mode = 'wal' AND (s.needs_reinit OR s.home <> pgtrickle._home()) OR EXISTS (SELECT \
             FROM pgtrickle.pgt_dependencies d JOIN pgtrickle.pgt_captures k USING (source_relid) WHERE \
             d.pgt_id = s.pgt_id AND d.captured AND k.method = 'WAL')))",
            &[arg(ids.to_vec())],
        );
        rows.first().and_then(|row| row.get(1)).unwrap_or(false)
    });
    match concerned {
        true => slot::ensure(),
        false => Ok(()),
    }
}

/// What the scheduler does before it looks for what waits: so that what waits is in the buffers. A
/// slot that nobody needs any more goes. It waits for nobody who drains at the time: others have
/// nothing to do with that. False if, therefore, it does not know all that waits.
pub fn look() -> Result<bool, WalError> {
    if !is_used() {
        slot::tidy();
        return Ok(true);
    }
    if !slot::is_sound() {
        // Whose changes were lost is told to be rebuilt.
        return slot::ensure().map(|()| true);
    }
    let alone = slot::try_keep() && drain::try_lock();
    if alone {
        drain::to(drain::end_of_wal())?;
    }
    Ok(alone)
}

/// Brings the buffers of these stream tables' sources to what the epoch sees, which must have been
/// taken just before; returns the epoch with a view of them.
pub fn bring_up(tables: &[StreamTable], epoch: Epoch) -> Result<Epoch, WalError> {
    let mut sources = tables.iter().flat_map(|t| &t.sources);
    if !sources.any(|s| s.from_wal) {
        return Ok(epoch);
    }
    drain::to(drain::end_of_wal())?;
    Ok(epoch.with_drained())
}

/// Is a source captured from the WAL by now of which these do not know it? To be asked when the
/// sources are locked: from then on, none comes to be. (One that ceases to be does no harm: what is read
/// as drained is what there is.)
pub fn have_come(tables: &[StreamTable]) -> bool {
    let sources = tables.iter().flat_map(|t| &t.sources);
    let unaware: Vec<pg_sys::Oid> = sources
        .filter(|s| s.captured && !s.from_wal)
        .map(|s| s.relid)
        .collect();
    if unaware.is_empty() || !is_used() {
        return false;
    }
    audience::latest(|c| {
        let rows = c.read(
            "SELECT EXISTS (SELECT FROM pgtrickle.pgt_captures WHERE source_relid = ANY ($1) AND method = \
             'WAL')",
            &[arg(unaware)],
        );
        rows.first().and_then(|row| row.get(1)).unwrap_or(false)
    })
}

/// Refuses if this transaction has changed a source of these whose changes come from the WAL.
pub fn check_unwritten(tables: &[StreamTable]) -> Result<(), WalError> {
    let sources = tables.iter().flat_map(|t| &t.sources);
    for source in sources.filter(|s| s.from_wal) {
        refuse_written(source.relid, &source.members)?;
    }
    Ok(())
}

/// The same for one source and its members.
pub fn refuse_written(source: pg_sys::Oid, members: &[pg_sys::Oid]) -> Result<(), WalError> {
    match members.iter().any(|&m| may_have_written(m)) {
        true => Err(WalError::Written(name_of(source))),
        false => Ok(()),
    }
}

/// May this transaction have changed rows of the table? Who changes rows locks the table for it
/// until he ends, or has just created it.
fn may_have_written(table: pg_sys::Oid) -> bool {
    let tag = pg_sys::LOCKTAG {
        // SAFETY: reads a variable of the backend.
        locktag_field1: unsafe { pg_sys::MyDatabaseId }.to_u32(),
        locktag_field2: table.to_u32(),
        locktag_field3: 0,
        locktag_field4: 0,
        locktag_type: pg_sys::LockTagType::LOCKTAG_RELATION as u8,
        locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
    };
    // SAFETY: a look at the own locks.
    if unsafe { pg_sys::LockHeldByMe(&tag, pg_sys::RowExclusiveLock as i32, false) } {
        return true;
    }
    OpenRelation::if_there(table, pg_sys::AccessShareLock as i32)
        // SAFETY: open.
        .is_some_and(|t| unsafe { (*t.0).rd_createSubid } != 0)
}

/// What happened to all captures from the WAL: transactions were lost that nobody can read any more.
/// Nothing is taken for a source until its capture is installed anew, and all readers rebuild.
pub fn void(reason: &str) {
    as_system(|| {
        sql::run("DELETE FROM pgtrickle.pgt_wal_members", &[]);
        sql::run(
            "UPDATE pgtrickle.pgt_stream_tables s SET needs_reinit = true, reinit_reason = $1 WHERE NOT \
             s.needs_reinit AND EXISTS (SELECT FROM pgtrickle.pgt_dependencies d JOIN \
             pgtrickle.pgt_captures k USING (source_relid) WHERE d.pgt_id = s.pgt_id AND d.captured AND \
             k.method = 'WAL')",
            &[arg(reason)],
        );
    });
}
