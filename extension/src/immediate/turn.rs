//! Writers take turns: one transaction at a time maintains an IMMEDIATE stream table, from its first
//! statement on a source until it ends.
//!
//! The lock is that of the stream table's entry, which refreshes, DDL and `alter_stream_table` take
//! too. Who has it and then takes a snapshot sees everything that the ones before have written, to
//! the stream table and to its sources: nobody can commit a change of a source without having had
//! the turn. So
//!
//! ```text
//! stored = Q(old sources),  old sources = what the snapshot sees − own Δ
//! ```
//!
//! **Older snapshots.** In REPEATABLE READ and above the snapshot is older than the lock, and that
//! equation fails if somebody else had the turn in between, also where no row of the stream table
//! was changed (a row that joins nothing yet). So each turn leaves its mark, a new version of a row
//! of the stream table's; a version that the newest snapshot sees and the transaction's own does
//! not is a serialization failure.

use crate::catalog::stream_table;
use crate::frontier::Epoch;
use crate::refresh::RefreshError;
use crate::refresh::identity::as_system;
use crate::sql::{self, arg};
use pgrx::pg_sys;
use std::cell::RefCell;

thread_local! {
    /// The stream tables whose turn this transaction has marked, and in which subtransaction.
    static MARKED: RefCell<Vec<(u32, i64)>> = const { RefCell::new(Vec::new()) };
}

/// Waits for the turn, and keeps it until the transaction ends.
pub fn take(pgt_id: i64) {
    stream_table::lock_entry(pgt_id);
}

/// The versions of what is known of a stream table and of its last turn.
fn version(pgt_id: i64, epoch: &Epoch) -> Option<String> {
    as_system(|| {
        sql::connect(|c| {
            epoch.active(|| {
                let rows = c.read(
                    "SELECT pg_catalog.concat_ws('/', s.ctid, s.xmin, t.ctid, t.xmin) FROM \
                     pgtrickle.pgt_stream_tables s LEFT JOIN pgtrickle.pgt_turns t USING (pgt_id) \
                     WHERE s.pgt_id = $1",
                    &[arg(pgt_id)],
                );
                rows.first().and_then(|row| row.get(1))
            })
        })
    })
}

/// Refuses to work under a snapshot from before somebody else's turn. To be called after [`take`].
pub fn check(pgt_id: i64, name: impl FnOnce() -> String) -> Result<(), RefreshError> {
    if !Epoch::is_transaction_wide() {
        return Ok(());
    }
    let own = version(pgt_id, &Epoch::begin());
    let latest = version(pgt_id, &Epoch::latest());
    match own == latest {
        true => Ok(()),
        false => Err(RefreshError::Overtaken { table: name() }),
    }
}

/// Tells those with older snapshots that somebody had the turn.
pub fn mark(pgt_id: i64) {
    if MARKED.with_borrow(|marked| marked.iter().any(|(_, id)| *id == pgt_id)) {
        return;
    }
    as_system(|| {
        let updated = sql::run(
            "UPDATE pgtrickle.pgt_turns SET turn = turn + 1 WHERE pgt_id = $1",
            &[arg(pgt_id)],
        );
        if updated == 0 {
            sql::run(
                "INSERT INTO pgtrickle.pgt_turns (pgt_id, turn) VALUES ($1, 1)",
                &[arg(pgt_id)],
            );
        }
    });
    let own = crate::capture::pending::own_subtransaction();
    MARKED.with_borrow_mut(|marked| marked.push((own, pgt_id)));
}

/// A subtransaction is rolled back, and the marks with it.
pub fn forget_from(subtransaction: pg_sys::SubTransactionId) {
    MARKED.with_borrow_mut(|marked| marked.retain(|(of, _)| *of < subtransaction));
}

pub fn pass_on(subtransaction: pg_sys::SubTransactionId, parent: pg_sys::SubTransactionId) {
    MARKED.with_borrow_mut(|marked| {
        let own = marked.iter_mut().filter(|(of, _)| *of == subtransaction);
        own.for_each(|(of, _)| *of = parent);
    });
}

pub fn forget_all() {
    MARKED.with_borrow_mut(Vec::clear);
}
