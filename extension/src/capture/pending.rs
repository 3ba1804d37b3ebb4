//! Changes that are captured and not yet written to their buffers.
//!
//! The rows of a statement are written together, when it ends ([`super::statement`]) or when a
//! chunk of them is full: so nothing is pending between statements, and memory is bounded. Before
//! this transaction reads a buffer, [`settle`] writes what is pending; it is called wherever a
//! snapshot is taken to read with.
//!
//! **Layers.** A row is written with the id of the subtransaction that captured it, so that both
//! are undone together. Within a statement a trigger of the user's may begin another one (PL/pgSQL
//! does where it has an EXCEPTION block); what is pending then stays in a layer below, until the
//! subtransaction has ended and the statement goes on. A layer is dropped with its subtransaction
//! when that is rolled back. What lies in a layer below cannot be written from above; it belongs
//! to a statement that has not ended, during which its source's readers are not refreshed anyway
//! ([`crate::refresh::midstatement`], which asks [`below`] too).

use super::buffer::{self, Row};
use super::chunk::{Chunk, Fit};
use super::columns::Target;
use super::sequence;
use crate::pg::image_eq_raw;
use crate::refresh::midstatement;
use crate::server;
use pgrx::pg_sys;
use std::cell::RefCell;

type Slot = *mut pg_sys::TupleTableSlot;

/// The pending rows of one buffer.
struct Kept {
    source: pg_sys::Oid,
    buffer: pg_sys::Oid,
    chunk: Chunk,
}

/// What one subtransaction has captured.
struct Layer {
    subtransaction: u32,
    kept: Vec<Kept>,
}

struct Pending {
    /// The innermost subtransaction's last.
    layers: Vec<Layer>,
    /// The memory of a small chunk that was written, for the next.
    spare: Option<Chunk>,
    row: Row,
}

thread_local! {
    static PENDING: RefCell<Pending> = const {
        RefCell::new(Pending {
            layers: Vec::new(),
            spare: None,
            row: Row::new(),
        })
    };
}

/// What stopped the rows of an event: the row that was not kept, and its number.
struct Stopped {
    row: usize,
    number: (u64, i64),
    fit: Fit,
}

impl Pending {
    /// The chunk of a buffer in the own subtransaction's layer, and room to form a row in.
    fn chunk(&mut self, target: &Target) -> (&mut Chunk, &mut Row) {
        let own = own_subtransaction();
        if self.layers.last().is_none_or(|l| l.subtransaction != own) {
            self.layers.push(Layer {
                subtransaction: own,
                kept: Vec::new(),
            });
        }
        let last = self.layers.len() - 1;
        let kept = &mut self.layers[last].kept;
        let index = match kept.iter().position(|k| k.buffer == target.buffer) {
            Some(index) => index,
            None => {
                kept.push(Kept {
                    source: target.source,
                    buffer: target.buffer,
                    chunk: self.spare.take().unwrap_or_default(),
                });
                kept.len() - 1
            }
        };
        (&mut kept[index].chunk, &mut self.row)
    }
}

pub fn own_subtransaction() -> u32 {
    // SAFETY: reads the transaction's state; raises no error.
    unsafe { server::GetCurrentSubTransactionId() }
}

/// Captures an event: the old row, the new one, or both if a captured column differs.
///
/// # Safety
/// Each slot must be null or hold a row of the table whose target it is, and `misfit` be false. Within a
/// transaction.
pub unsafe fn add(target: &Target, old: Slot, new: Slot) {
    let rows = [(-1, old), (1, new)];
    let mut from = 0;
    let mut number = None;
    loop {
        let stopped = PENDING.with_borrow_mut(|pending| {
            let (chunk, row) = pending.chunk(target);
            // SAFETY: by the caller's promise. The borrow ends when an error unwinds from here.
            unsafe {
                pg_sys::ffi::pg_guard_ffi_boundary(|| {
                    keep(target, &rows, from, number.take(), chunk, row)
                })
            }
        });
        let Some(stopped) = stopped else {
            break;
        };
        settle();
        from = stopped.row;
        number = Some(stopped.number);
        if stopped.fit == Fit::Large {
            let (w, slot) = rows[from];
            // SAFETY: by the caller's promise.
            buffer::append(target.buffer, |writer| unsafe {
                writer.write_numbered(stopped.number, w, |values, nulls| {
                    fill(target, slot, values, nulls);
                });
            });
            from += 1;
            number = None;
        }
    }
    // While the statement within which this library was loaded lasts, nobody may be there to tell
    // of its end.
    if midstatement::is_blind() {
        settle();
    }
}

/// Keeps the rows of an event, those before `from` excepted. The first has its number already, if
/// it was stopped before.
///
/// # Safety
/// As [`add`], within a guarded region: the server's errors pass over this frame.
unsafe fn keep(
    target: &Target,
    rows: &[(i16, Slot); 2],
    from: usize,
    mut number: Option<(u64, i64)>,
    chunk: &mut Chunk,
    row: &mut Row,
) -> Option<Stopped> {
    let [(_, old), (_, new)] = *rows;
    // SAFETY: by the caller's promise.
    unsafe {
        for slot in [old, new] {
            if !slot.is_null() && i32::from((*slot).tts_nvalid) < target.reach {
                server::slot_getsomeattrs_int(slot, target.reach);
            }
        }
        if from == 0 && !old.is_null() && !new.is_null() && unchanged(target, old, new) {
            return None;
        }
        if chunk.is_empty() {
            // Kept until the transaction ends, as by any writer: who gets a lock that excludes
            // this one knows that no row is on its way.
            server::LockRelationOid(target.buffer, pg_sys::RowExclusiveLock as i32);
        }
        for (i, &(w, slot)) in rows.iter().enumerate().skip(from) {
            if slot.is_null() {
                continue;
            }
            let own = match number.take() {
                Some(number) => number,
                None => sequence::next(),
            };
            let desc = target.desc.as_ptr();
            let natts = (*desc).natts as usize;
            row.set(natts, own, w, |values, nulls| {
                fill(target, slot, values, nulls)
            });
            let fit = chunk.put(desc, row);
            if fit != Fit::Kept {
                return Some(Stopped {
                    row: i,
                    number: own,
                    fit,
                });
            }
        }
    }
    None
}

/// Do both rows have the same image in all captured columns?
///
/// # Safety
/// As [`keep`]; the rows' captured columns must be deformed.
pub unsafe fn unchanged(target: &Target, old: Slot, new: Slot) -> bool {
    target.columns.iter().all(|column| {
        // SAFETY: by the caller's promise.
        unsafe {
            let (a, b) = (
                *(*old).tts_isnull.add(column.from),
                *(*new).tts_isnull.add(column.from),
            );
            a == b
                && (a
                    || image_eq_raw(
                        *(*old).tts_values.add(column.from),
                        *(*new).tts_values.add(column.from),
                        column.by_value,
                        column.len,
                    ))
        }
    })
}

/// The captured columns of a row, where the buffer has them.
///
/// # Safety
/// The row's captured columns must be deformed.
pub unsafe fn fill(target: &Target, slot: Slot, values: &mut [pg_sys::Datum], nulls: &mut [bool]) {
    for column in &target.columns {
        // SAFETY: by the caller's promise.
        unsafe {
            values[column.to] = *(*slot).tts_values.add(column.from);
            nulls[column.to] = *(*slot).tts_isnull.add(column.from);
        }
    }
}

/// Writes what the own subtransaction has captured so far.
pub fn settle() {
    let own = own_subtransaction();
    let layer = PENDING
        .with_borrow_mut(|pending| pending.layers.pop_if(|layer| layer.subtransaction == own));
    let Some(mut layer) = layer else {
        return;
    };
    // An error drops the rest: it ends the subtransaction, too.
    for kept in &mut layer.kept {
        if !kept.chunk.is_empty() {
            // SAFETY: the buffer was locked when its first row was kept.
            unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| write(kept.buffer, &mut kept.chunk)) }
        }
    }
    PENDING.with_borrow_mut(|pending| {
        let chunk = layer.kept.pop().map(|kept| kept.chunk);
        pending.spare = chunk.filter(Chunk::is_small);
    });
}

/// # Safety
/// The buffer must be locked. Within a guarded region: the server's errors pass over this frame.
unsafe fn write(buffer: pg_sys::Oid, chunk: &mut Chunk) {
    // SAFETY: by the caller's promise.
    unsafe {
        let relation = server::try_table_open(buffer, pg_sys::NoLock as i32);
        // A buffer that the transaction has dropped since went with its last reader.
        if relation.is_null() {
            chunk.clear();
        } else {
            chunk.write(relation);
            server::table_close(relation, pg_sys::NoLock as i32);
        }
    }
}

/// Is anything pending?
pub fn any() -> bool {
    PENDING.with_borrow(|pending| !pending.layers.is_empty())
}

/// One of these sources that has pending rows of a subtransaction around the own one.
pub fn below(sources: &[pg_sys::Oid]) -> Option<pg_sys::Oid> {
    let own = own_subtransaction();
    PENDING.with_borrow(|pending| {
        pending
            .layers
            .iter()
            .filter(|layer| layer.subtransaction != own)
            .flat_map(|layer| &layer.kept)
            .filter(|kept| !kept.chunk.is_empty())
            .map(|kept| kept.source)
            .find(|source| sources.contains(source))
    })
}

/// Forgets what was captured in a subtransaction that is rolled back, and in those within it.
pub fn forget_from(subtransaction: u32) {
    PENDING.with_borrow_mut(|pending| {
        pending
            .layers
            .retain(|layer| layer.subtransaction < subtransaction);
    });
}

/// Forgets everything: the transaction has ended.
pub fn forget_all() {
    PENDING.with_borrow_mut(|pending| pending.layers.clear());
}
