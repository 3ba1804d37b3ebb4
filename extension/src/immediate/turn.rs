//! Writers take turns: a transaction maintains an IMMEDIATE stream table from its first statement on
//! a source until it ends, either *alone* or *together* with others.
//!
//! The lock is that of the stream table's entry, which refreshes, DDL and `alter_stream_table` take
//! too, in a mode that excludes everybody. Who has that and then takes a snapshot sees everything
//! that the ones before have written, to the stream table and to its sources: nobody can commit a
//! change of a source without having had a turn. So
//!
//! ```text
//! stored = Q(old sources),  old sources = what the snapshot sees − own Δ
//! ```
//!
//! **Together.** Transactions that change the same source, and no other, run together where the
//! program for that allows it (`codegen`'s `together.rs`); where they meet is in [`super::keys`]. The
//! equation then holds for everything that the program reads: of the other sources because their
//! writers wait, and of the rest from where they meet on. Their lock modes let writers of the same
//! source pass, and nobody else: of the two modes that conflict with each other but not with
//! themselves a source takes one for each binary digit of its place, and two places differ in one
//! digit at least.
//!
//! Who changes a second source takes the other modes, too, for which it may have to wait, holding
//! what the others may want. So each session remembers which stream tables its last transaction
//! ended up in several modes for, and begins the next one alone.
//!
//! **Older snapshots.** In REPEATABLE READ and above the snapshot is older than the lock, and the
//! equation fails if somebody else had a turn in between, also where no row of the stream table
//! was changed (a row that joins nothing yet). So these run alone, and each turn leaves its mark, a
//! new version of a row of the stream table's and the backend's; a version that the newest snapshot
//! sees and the transaction's own does not is a serialization failure.

use super::readers;
use crate::catalog::stream_table::{self, lock_part, own_table};
use crate::frontier::Epoch;
use crate::pg::OpenRelation;
use crate::refresh::RefreshError;
use crate::refresh::identity::as_system;
use crate::sql::{self, Arg, arg};
use pgrx::pg_sys;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Alone,
    /// With all that change the source at this place among so many.
    Together {
        place: u32,
        of: u32,
    },
}

thread_local! {
    /// The stream tables whose turn this transaction has marked, and in which subtransaction.
    static MARKED: RefCell<Vec<(u32, i64)>> = const { RefCell::new(Vec::new()) };
    /// The rows that this backend marks.
    static OWN_MARKS: RefCell<HashMap<i64, Own>> = RefCell::new(HashMap::new());
    /// What this transaction has needed.
    static NEEDED: RefCell<Vec<(i64, Turn)>> = const { RefCell::new(Vec::new()) };
    /// Those for which the last transaction has needed several turns.
    static SEVERAL: RefCell<BTreeSet<i64>> = const { RefCell::new(BTreeSet::new()) };
}

/// Waits for a turn in which these sources may be changed, and keeps it until the transaction ends.
/// Without any, all may be changed.
pub fn take(pgt_id: i64, changed: &BTreeSet<u32>) -> Turn {
    loop {
        let needed = needed(pgt_id, changed);
        // Also if waiting for it ends in an error. Who is alone needs nothing else.
        NEEDED.with_borrow_mut(|all| {
            let covers = |n: &(i64, Turn)| n.0 == pgt_id && [needed, Turn::Alone].contains(&n.1);
            if !all.iter().any(covers) {
                all.push((pgt_id, needed));
            }
        });
        let several = SEVERAL.with_borrow(|several| several.contains(&pgt_id));
        let turn = if several { Turn::Alone } else { needed };
        turn.lock(pgt_id);
        // Who was waited for may have altered it.
        if self::needed(pgt_id, changed) == needed {
            return turn;
        }
    }
}

fn needed(pgt_id: i64, changed: &BTreeSet<u32>) -> Turn {
    let mut sources = changed.iter();
    let (Some(&source), None) = (sources.next(), sources.next()) else {
        return Turn::Alone;
    };
    if Epoch::is_transaction_wide() {
        return Turn::Alone;
    }
    let place = |reads: &readers::Reads| {
        let place = reads.sources.iter().position(|s| s.to_u32() == source)?;
        reads.together.get(place)?.then_some(Turn::Together {
            place: place as u32,
            of: reads.sources.len() as u32,
        })
    };
    let turn = readers::all().and_then(|all| all.get(&pgt_id).and_then(place));
    turn.unwrap_or(Turn::Alone)
}

impl Turn {
    pub fn lock(self, pgt_id: i64) {
        let Turn::Together { place, of } = self else {
            return stream_table::lock_entry(pgt_id);
        };
        let digits = of.next_power_of_two().trailing_zeros().max(1);
        for digit in 0..digits {
            let mode = match place >> digit & 1 {
                0 => pg_sys::RowExclusiveLock,
                _ => pg_sys::ShareLock,
            };
            lock_part(pgt_id, digit as u16, mode);
        }
    }
}

/// The versions of what is known of a stream table and of its turns.
fn version(pgt_id: i64, epoch: &Epoch) -> Option<String> {
    as_system(|| {
        sql::connect(|c| {
            epoch.active(|| {
                let rows = c.read(
                    "SELECT pg_catalog.concat_ws('/', s.ctid, s.xmin, (SELECT \
                     pg_catalog.string_agg(pg_catalog.concat_ws('/', t.ctid, t.xmin), ',' ORDER BY \
                     t.ctid) FROM pgtrickle.pgt_turns t WHERE t.pgt_id = s.pgt_id)) FROM \
                     pgtrickle.pgt_stream_tables s WHERE s.pgt_id = $1",
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

/// A row for the marks of this backend.
#[derive(Clone, Copy)]
struct Own {
    /// Since when it is there.
    since: i64,
    /// Where its version is that this backend wrote last. It may have been rolled back.
    at: pg_sys::ItemPointerData,
}

/// Tells those with older snapshots that somebody had a turn.
pub fn mark(pgt_id: i64) {
    if MARKED.with_borrow(|marked| marked.iter().any(|(_, id)| *id == pgt_id)) {
        return;
    }
    // SAFETY: reads a variable of the backend.
    let writer = unsafe { pg_sys::MyProcNumber };
    let own = OWN_MARKS.with_borrow(|own| own.get(&pgt_id).copied());
    let again = own.and_then(|own| mark_again(pgt_id, writer, own));
    let marked = again.or_else(|| {
        as_system(|| {
            own.and_then(|own| {
                marked(
                    "UPDATE pgtrickle.pgt_turns SET turn = turn + 1 WHERE pgt_id = $1 AND \
                     writer = $2 AND since = $3 RETURNING since, ctid",
                    &[arg(pgt_id), arg(writer), arg(own.since)],
                )
            })
            .or_else(|| first_mark(pgt_id, writer))
        })
    });
    OWN_MARKS.with_borrow_mut(|own| own.extend(marked.map(|marked| (pgt_id, marked))));
    let own = crate::capture::pending::own_subtransaction();
    MARKED.with_borrow_mut(|marked| marked.push((own, pgt_id)));
}

/// Marks a row where it is known to be: as that is done in every transaction, without a statement.
/// None if it is not there (any more).
fn mark_again(pgt_id: i64, writer: i32, own: Own) -> Option<Own> {
    let turns = OpenRelation::open(own_table("pgt_turns"), pg_sys::RowExclusiveLock as i32);
    // SAFETY: the table is open and locked, and its rows have these four columns, none of them NULL.
    // A version that is still valid is changed by nobody but this backend, and nothing that it is
    // in the middle of has written one.
    unsafe {
        let mut at = own.at;
        let mut buffer = 0;
        let mut found = pg_sys::HeapTupleData {
            t_self: at,
            ..Default::default()
        };
        let snapshot = &raw mut pg_sys::SnapshotSelfData;
        if !pg_sys::heap_fetch(turns.0, snapshot, &mut found, &mut buffer, false) {
            return None;
        }
        let desc = turns.tuple_desc();
        let (mut values, mut nulls) = ([pg_sys::Datum::from(0); 4], [false; 4]);
        pg_sys::heap_deform_tuple(&mut found, desc, values.as_mut_ptr(), nulls.as_mut_ptr());
        let [id, of, since, turn] = values.map(|v| v.value() as i64);
        // What a look at the table through an index would do, and nobody else does.
        pg_sys::heap_page_prune_opt(turns.0, buffer);
        pg_sys::ReleaseBuffer(buffer);
        if (id, of as i32, since) != (pgt_id, writer, own.since) {
            return None;
        }
        values[3] = pg_sys::Datum::from(turn + 1);
        let new = pg_sys::heap_form_tuple(desc, values.as_ptr(), nulls.as_ptr());
        pg_sys::CatalogTupleUpdate(turns.0, &mut at, new);
        let at = (*new).t_self;
        pg_sys::heap_freetuple(new);
        Some(Own { at, ..own })
    }
}

/// Runs a statement that writes one of our rows, and returns since when that is there and where.
fn marked(sql: &str, args: &[Arg]) -> Option<Own> {
    sql::connect(|c| {
        let rows = c.run(sql, args);
        let row = rows.first()?;
        let at = row.datum(2)?.cast_mut_ptr::<pg_sys::ItemPointerData>();
        Some(Own {
            since: row.get(1)?,
            // SAFETY: a tid, which is passed by reference.
            at: unsafe { *at },
        })
    })
}

/// Finds or makes a row for the marks of this backend: one that it is not known to have, as a
/// transaction that was prepared in its place may hold it.
fn first_mark(pgt_id: i64, writer: i32) -> Option<Own> {
    let args = || [arg(pgt_id), arg(writer)];
    let found = marked(
        "UPDATE pgtrickle.pgt_turns SET turn = turn + 1 WHERE ctid = (SELECT ctid FROM \
         pgtrickle.pgt_turns WHERE pgt_id = $1 AND writer = $2 LIMIT 1 FOR UPDATE SKIP LOCKED) \
         RETURNING since, ctid",
        &args(),
    );
    found.or_else(|| {
        marked(
            "INSERT INTO pgtrickle.pgt_turns (pgt_id, writer, since, turn) VALUES ($1, $2, \
             pg_catalog.pg_current_xact_id()::pg_catalog.text::pg_catalog.int8, 1) RETURNING \
             since, ctid",
            &args(),
        )
    })
}

/// The transaction was prepared, and its marks stay locked until somebody ends it.
pub fn leave_marks() {
    OWN_MARKS.with_borrow_mut(HashMap::clear);
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
    NEEDED.with_borrow_mut(|needed| {
        SEVERAL.with_borrow_mut(|several| {
            needed.iter().for_each(|(id, _)| {
                several.remove(id);
            });
            let ids = needed.iter().enumerate();
            let again =
                ids.filter(|(i, (id, _))| needed[..*i].iter().any(|(other, _)| other == id));
            several.extend(again.map(|(_, (id, _))| *id));
        });
        needed.clear();
    });
}
