//! IMMEDIATE stream tables: exact at the end of every statement that changes a source, in the
//! writer's own transaction.
//!
//! ```text
//! a statement begins      take a turn of every stream table that it may change
//! its rows are changed    row triggers log Δ, in memory
//! it ends                 for each stream table with an unread Δ, upstream first:
//!                             run its refresh program, with Δ as its batches;
//!                             its own delta is the Δ of those that read it
//! ```
//!
//! The program is that of a differential refresh, and its snapshot sees all that is committed and
//! what this transaction has done so far: that is New, and Old = New − Δ ([`turn`] says why that is
//! what the stream table holds). It is exact only when no statement is half done. So a stream table
//! waits as long as a statement around this one may still be changing one of its sources, itself or
//! through foreign keys; that statement's end will look again.
//!
//! | module | what it knows |
//! |---|---|
//! | [`statement`] | when statements begin and end |
//! | [`log`] | what was changed, and who has not read it yet |
//! | [`readers`] | which stream tables a change may reach, and in which order |
//! | [`turn`] | who else is writing |
//! | [`keys`] | where those who write at the same time meet |
//! | [`tables`] | what the session knows of them |
//! | [`restored`] | those that come from a dump |
//! | [`program`] | bringing one stream table up to date |

mod keys;
pub mod log;
mod program;
pub mod readers;
pub mod restored;
mod statement;
mod tables;
pub mod turn;

pub use keys::settle;
pub use readers::register_invalidation;
pub use statement::install;

use crate::refresh::midstatement;
use pgrx::pg_sys;
use std::cell::Cell;
use std::collections::BTreeSet;

thread_local! {
    static AT_WORK: Cell<bool> = const { Cell::new(false) };
}

/// Is this session bringing stream tables up to date right now?
pub fn is_at_work() -> bool {
    AT_WORK.get()
}

/// The session is bringing stream tables up to date as long as it is there.
pub struct AtWork;

impl AtWork {
    /// None if it is at work already.
    pub fn begin() -> Option<AtWork> {
        // Made only then: its end ends the work.
        match AT_WORK.replace(true) {
            true => None,
            false => Some(AtWork),
        }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        AT_WORK.set(false);
    }
}

/// Brings every IMMEDIATE stream table up to date for which something is unread and whose sources
/// nobody is changing right now.
pub fn maintain() {
    // What maintenance itself sets off (a user's trigger on a stream table) is seen by the loop.
    let Some(_at_work) = AtWork::begin() else {
        return;
    };
    let Some(all) = readers::all() else {
        return;
    };
    let waiting = log::waiting().into_iter().map(|id| (id, log::changed(id)));
    for (id, changed) in readers::with_readers(&all, waiting.collect()) {
        turn::take(id, &changed);
    }
    // Memory of its own: the statement may be one of very many in its context.
    // SAFETY: the context is current until it is deleted; an error deletes it with its parent.
    unsafe {
        let memory = pg_sys::AllocSetContextCreateInternal(
            pg_sys::CurrentMemoryContext,
            c"pg_trickle IMMEDIATE".as_ptr(),
            pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        );
        let before = pg_sys::MemoryContextSwitchTo(memory);
        while let Some(id) = next() {
            program::bring_up_to_date(id);
        }
        pg_sys::MemoryContextSwitchTo(before);
        pg_sys::MemoryContextDelete(memory);
    }
}

/// The stream table to bring up to date next: upstream first, none whose sources are being changed.
fn next() -> Option<i64> {
    let waiting: BTreeSet<i64> = log::waiting();
    if waiting.is_empty() {
        return None;
    }
    let all = readers::all()?;
    let mut ordered: Vec<(i32, i64)> = waiting
        .into_iter()
        .map(|id| (all.get(&id).map_or(0, |r| r.depth), id))
        .collect();
    ordered.sort_unstable();
    let is_ready = |id: &i64| {
        let reads = all.get(id);
        reads.is_none_or(|r| !midstatement::may_change(&r.sources))
    };
    ordered.into_iter().map(|(_, id)| id).find(is_ready)
}
