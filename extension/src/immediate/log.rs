//! What this transaction has changed and IMMEDIATE stream tables do not know yet: for each source a
//! Z-set log in memory, whose rows look like those of its change buffer.
//!
//! Rows come from the source's row triggers, or are the delta of a stream table that was itself
//! brought up to date. Each log knows its readers and how far each of them has read; it goes when
//! all have read it.
//!
//! **Subtransactions.** A log belongs to the subtransaction that wrote it, passes to the parent when
//! that is committed, and goes when it is rolled back. What a subtransaction's maintenance has read
//! was written within it: before, the statement around it is still running, and its sources'
//! readers wait for its end. So a rollback never has to give rows back.

use crate::capture::audience::Audience;
use crate::capture::buffer::{self, Mark, Row};
use crate::capture::columns::{OwnDesc, Target};
use crate::capture::pending::{fill, own_subtransaction, unchanged};
use crate::frontier::batch::{Projection, Wanted, sift};
use crate::pg::OpenRelation;
use crate::refresh::midstatement;
use crate::refresh::relation::Delta;
use crate::server;
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

type Slot = *mut pg_sys::TupleTableSlot;

struct Reader {
    pgt_id: i64,
    /// Rows that it has read.
    read: i64,
}

/// The changes of one source within one subtransaction.
struct Log {
    subtransaction: u32,
    source: pg_sys::Oid,
    desc: Rc<OwnDesc>,
    audience: Rc<Audience>,
    tuples: *mut pg_sys::Tuplestorestate,
    rows: i64,
    readers: Vec<Reader>,
}

/// A stream table is to be made anew.
struct Rebuild {
    /// That asked for it.
    subtransaction: u32,
    pgt_id: i64,
    /// The source that was truncated, if that is why.
    truncated: Option<pg_sys::Oid>,
}

struct Logs {
    logs: Vec<Log>,
    rebuild: Vec<Rebuild>,
    row: Row,
    seq: i64,
}

thread_local! {
    static LOGS: RefCell<Logs> = const {
        RefCell::new(Logs {
            logs: Vec::new(),
            rebuild: Vec::new(),
            row: Row::new(),
            seq: 0,
        })
    };
}

impl Log {
    /// An empty log, which lives as long as the transaction.
    fn begin(
        subtransaction: u32,
        source: pg_sys::Oid,
        desc: Rc<OwnDesc>,
        audience: Rc<Audience>,
    ) -> Log {
        // SAFETY: the store takes the memory and the resource owner that are current here.
        let tuples = unsafe {
            let (memory, owner) = (
                pg_sys::MemoryContextSwitchTo(pg_sys::TopTransactionContext),
                pg_sys::CurrentResourceOwner,
            );
            pg_sys::CurrentResourceOwner = pg_sys::TopTransactionResourceOwner;
            let tuples = pg_sys::tuplestore_begin_heap(true, false, pg_sys::work_mem);
            pg_sys::CurrentResourceOwner = owner;
            pg_sys::MemoryContextSwitchTo(memory);
            tuples
        };
        let reader = |&pgt_id: &i64| Reader { pgt_id, read: 0 };
        Log {
            subtransaction,
            source,
            readers: audience.immediate.iter().map(reader).collect(),
            desc,
            audience,
            tuples,
            rows: 0,
        }
    }

    /// How many of its rows a reader has not read; none for who does not read it.
    fn unread(&self, pgt_id: i64) -> i64 {
        let reader = self.readers.iter().find(|r| r.pgt_id == pgt_id);
        reader.map_or(0, |r| self.rows - r.read)
    }

    /// # Safety
    /// The row must be one of the descriptor's. Within a guarded region: the server's errors pass
    /// over this frame.
    unsafe fn put(&mut self, row: &Row) {
        // SAFETY: by the caller's promise.
        unsafe {
            server::tuplestore_putvalues(
                self.tuples,
                self.desc.as_ptr(),
                row.values().as_ptr(),
                row.nulls().as_ptr(),
            );
        }
        self.rows += 1;
    }

    fn end(self) {
        // SAFETY: ended once; nothing reads it any more.
        unsafe { pg_sys::tuplestore_end(self.tuples) }
    }
}

impl Logs {
    /// Where to write the next rows of a source.
    fn current(
        &mut self,
        source: pg_sys::Oid,
        desc: &Rc<OwnDesc>,
        audience: &Rc<Audience>,
    ) -> (&mut Log, &mut Row, &mut i64) {
        let own = own_subtransaction();
        let fits = |l: &Log| {
            l.subtransaction == own
                && l.source == source
                && Rc::ptr_eq(&l.desc, desc)
                && Rc::ptr_eq(&l.audience, audience)
        };
        let index = self.logs.iter().rposition(fits).unwrap_or_else(|| {
            let log = Log::begin(own, source, desc.clone(), audience.clone());
            self.logs.push(log);
            self.logs.len() - 1
        });
        (&mut self.logs[index], &mut self.row, &mut self.seq)
    }

    fn drop_read(&mut self) {
        let done = |l: &mut Log| l.readers.iter().all(|r| r.read >= l.rows);
        self.logs.extract_if(.., done).for_each(Log::end);
    }
}

/// This session did not see the statement begin.
fn refuse_blind() {
    if midstatement::is_blind() {
        ereport!(
            ERROR,
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "pg_trickle was loaded within this statement, which changes a source of an IMMEDIATE \
             stream table",
            "Repeat the statement. To avoid this, add pg_trickle to shared_preload_libraries."
        );
    }
}

/// Logs an event: the old row, the new one, or both if a captured column differs.
///
/// # Safety
/// Each slot must be null or hold a row of the table whose target it is, and `misfit` be false.
/// Within a transaction.
pub unsafe fn add(target: &Target, old: Slot, new: Slot) {
    refuse_blind();
    LOGS.with_borrow_mut(|logs| {
        // SAFETY: by the caller's promise. The borrow ends when an error unwinds from here.
        let differs = unsafe {
            pg_sys::ffi::pg_guard_ffi_boundary(|| {
                for slot in [old, new] {
                    if !slot.is_null() && i32::from((*slot).tts_nvalid) < target.reach {
                        server::slot_getsomeattrs_int(slot, target.reach);
                    }
                }
                old.is_null() || new.is_null() || !unchanged(target, old, new)
            })
        };
        if !differs {
            return;
        }
        let (log, row, seq) = logs.current(target.source, &target.desc, &target.audience);
        // SAFETY: as above; the row is made for the descriptor.
        unsafe {
            let natts = (*log.desc.as_ptr()).natts as usize;
            pg_sys::ffi::pg_guard_ffi_boundary(|| {
                for (w, slot) in [(-1, old), (1, new)] {
                    if !slot.is_null() {
                        *seq += 1;
                        row.set(natts, (0, *seq), w, |values, nulls| {
                            fill(target, slot, values, nulls);
                        });
                        log.put(row);
                    }
                }
            });
        }
    });
}

/// Logs the delta of a stream table, for those that read it. `columns` are pairs of places, in the
/// delta and in the buffer.
pub fn publish(
    source: pg_sys::Oid,
    buffer: pg_sys::Oid,
    audience: &Rc<Audience>,
    columns: &[(usize, usize)],
    delta: &Delta,
) {
    let desc = {
        let buffer = OpenRelation::open(buffer, pg_sys::AccessShareLock as i32);
        Rc::new(OwnDesc::copy_of(buffer.tuple_desc()))
    };
    // SAFETY: ours.
    let natts = unsafe { (*desc.as_ptr()).natts } as usize;
    delta.for_each(|slot| {
        LOGS.with_borrow_mut(|logs| {
            let (log, row, seq) = logs.current(source, &desc, audience);
            // SAFETY: the rows have the types of the stream table's columns, which are the
            // buffer's; the first is `w bigint`, not null.
            unsafe {
                let mut w = (*(*slot).tts_values).value() as i64;
                pg_sys::ffi::pg_guard_ffi_boundary(|| {
                    // A weight too large for one row is spread over several.
                    while w != 0 {
                        let part = w.clamp(-buffer::LARGEST, buffer::LARGEST);
                        // A gap, so that no two rows look like those of one update.
                        *seq += 2;
                        row.set(natts, (0, *seq), part as i16, |values, nulls| {
                            for &(from, to) in columns {
                                values[to] = *(*slot).tts_values.add(from);
                                nulls[to] = *(*slot).tts_isnull.add(from);
                            }
                        });
                        log.put(row);
                        w -= part;
                    }
                });
            }
        });
    });
}

/// The content of a source was replaced: its readers are to be made anew.
pub fn replaced(source: pg_sys::Oid, audience: &Audience, mark: Mark) {
    if !audience.immediate.is_empty() {
        refuse_blind();
        let truncated = (mark == Mark::Truncated).then_some(source);
        audience
            .immediate
            .iter()
            .for_each(|&id| ask_for_rebuild(id, truncated));
    }
}

/// Has a stream table made anew when the statement ends.
pub fn rebuild(pgt_id: i64) {
    ask_for_rebuild(pgt_id, None);
}

fn ask_for_rebuild(pgt_id: i64, truncated: Option<pg_sys::Oid>) {
    let rebuild = Rebuild {
        subtransaction: own_subtransaction(),
        pgt_id,
        truncated,
    };
    LOGS.with_borrow_mut(|logs| logs.rebuild.push(rebuild));
}

/// A source of a stream table that was truncated since it was last brought up to date.
pub fn truncated(pgt_id: i64) -> Option<pg_sys::Oid> {
    LOGS.with_borrow(|logs| {
        let own = logs.rebuild.iter().filter(|r| r.pgt_id == pgt_id);
        own.filter_map(|r| r.truncated).next()
    })
}

/// Is anything unread?
pub fn any() -> bool {
    LOGS.with_borrow(|logs| !logs.logs.is_empty() || !logs.rebuild.is_empty())
}

/// The stream tables for which something is unread.
pub fn waiting() -> BTreeSet<i64> {
    LOGS.with_borrow(|logs| {
        let unread = logs.logs.iter().flat_map(|l| {
            let unread = l.readers.iter().filter(|r| r.read < l.rows);
            unread.map(|r| r.pgt_id)
        });
        let rebuild = logs.rebuild.iter().map(|r| r.pgt_id);
        unread.chain(rebuild).collect()
    })
}

/// Is a stream table to be made anew?
pub fn is_void(pgt_id: i64) -> bool {
    LOGS.with_borrow(|logs| logs.rebuild.iter().any(|r| r.pgt_id == pgt_id))
}

/// The sources of a stream table of which something is unread; none if it is to be made anew.
pub fn changed(pgt_id: i64) -> BTreeSet<u32> {
    if is_void(pgt_id) {
        return BTreeSet::new();
    }
    LOGS.with_borrow(|logs| {
        let unread = logs.logs.iter().filter(|l| l.unread(pgt_id) > 0);
        unread.map(|l| l.source.to_u32()).collect()
    })
}

/// Puts what a stream table has not read of a source into `into`.
pub fn read(
    pgt_id: i64,
    source: pg_sys::Oid,
    wanted: &Wanted<'_>,
    into: &mut Delta,
) -> Result<u64, buffer::MissingColumn> {
    LOGS.with_borrow(|logs| {
        let mut rows = 0;
        let unread = |l: &&Log| l.source == source && l.unread(pgt_id) > 0;
        for log in logs.logs.iter().filter(unread) {
            // SAFETY: the descriptor lives as long as the log.
            let projection = unsafe { Projection::new(log.desc.as_ptr(), wanted)? };
            let mut scan = Scan::begin(log, log.rows - log.unread(pgt_id));
            // SAFETY: the log's rows; each has a slot of its own until the next but one.
            rows += unsafe { sift(|| scan.advance(), projection, into) };
        }
        Ok(rows)
    })
}

/// Reads a log from some row on.
struct Scan<'l> {
    log: &'l Log,
    /// Used in turn.
    slots: [Slot; 2],
}

impl<'l> Scan<'l> {
    fn begin(log: &'l Log, from: i64) -> Self {
        // SAFETY: the store is ours, and has so many rows.
        unsafe {
            pg_sys::tuplestore_rescan(log.tuples);
            if from > 0 {
                pg_sys::tuplestore_skiptuples(log.tuples, from, true);
            }
            let slot = || {
                pg_sys::MakeSingleTupleTableSlot(
                    log.desc.as_ptr(),
                    &raw const pg_sys::TTSOpsMinimalTuple,
                )
            };
            Scan {
                log,
                slots: [slot(), slot()],
            }
        }
    }

    /// The next row, deformed. The row before stays where it is.
    fn advance(&mut self) -> Option<Slot> {
        let slot = self.slots[1];
        // SAFETY: the store and the slots are ours. What is in memory stays there: the store is
        // not written to while it is read.
        let found = unsafe {
            pg_sys::ffi::pg_guard_ffi_boundary(|| {
                let found = server::tuplestore_gettupleslot(self.log.tuples, true, false, slot);
                if found {
                    server::slot_getsomeattrs_int(slot, (*self.log.desc.as_ptr()).natts);
                }
                found
            })
        };
        self.slots.swap(0, 1);
        found.then_some(slot)
    }
}

impl Drop for Scan<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: made above.
            unsafe {
                for slot in self.slots {
                    pg_sys::ExecDropSingleTupleTableSlot(slot);
                }
            }
        }
    }
}

/// A stream table has read everything that is there.
pub fn consumed(pgt_id: i64) {
    LOGS.with_borrow_mut(|logs| {
        logs.rebuild.retain(|r| r.pgt_id != pgt_id);
        for log in &mut logs.logs {
            let rows = log.rows;
            let own = log.readers.iter_mut().filter(|r| r.pgt_id == pgt_id);
            own.for_each(|r| r.read = rows);
        }
        logs.drop_read();
    });
}

/// A subtransaction is rolled back, and those within it.
pub fn forget_from(subtransaction: u32) {
    LOGS.with_borrow_mut(|logs| {
        logs.rebuild.retain(|r| r.subtransaction < subtransaction);
        let within = |l: &mut Log| l.subtransaction >= subtransaction;
        logs.logs.extract_if(.., within).for_each(Log::end);
    });
}

/// A subtransaction is committed: what it wrote is its parent's now.
pub fn pass_on(subtransaction: u32, parent: u32) {
    LOGS.with_borrow_mut(|logs| {
        let own = logs.logs.iter_mut().map(|l| &mut l.subtransaction);
        let rebuild = logs.rebuild.iter_mut().map(|r| &mut r.subtransaction);
        for of in own.chain(rebuild).filter(|of| **of == subtransaction) {
            *of = parent;
        }
    });
}

/// The transaction has ended, and the memory of the logs with it.
pub fn forget_all() {
    LOGS.with_borrow_mut(|logs| {
        logs.logs.clear();
        logs.rebuild.clear();
    });
}
