//! What a batch may leave out: rows on which a condition that all its readers have is not true.
//!
//! The condition comes as SQL and is evaluated row by row, while the change buffer is read, on
//! values that need not be copied for it. The steps of the program ask for it all the same: a sieve
//! saves work, and decides nothing.

use super::relation::Delta;
use crate::server;
use crate::sql;
use pgrx::pg_sys;

/// A condition on the rows of a relation. It lives in the memory context that it was made in.
pub struct Sieve {
    state: *mut pg_sys::ExprState,
    context: *mut pg_sys::ExprContext,
    slot: *mut pg_sys::TupleTableSlot,
}

impl Sieve {
    /// `asked` names columns of the relation by its name. None where PostgreSQL reads it as
    /// something else than one condition.
    pub fn of(relation: &Delta, asked: &str) -> Option<Sieve> {
        // SAFETY: the context is the one that the relation lives in, which outlives its sieve.
        unsafe {
            let here = pg_sys::CurrentMemoryContext;
            let condition = sql::connect(|connection| {
                relation.register(connection);
                let name = crate::pg::quote_identifier(&relation.name);
                let plan = connection.prepare(&format!("SELECT FROM {name} WHERE {asked}"));
                let condition = plan.condition()?;
                let before = pg_sys::MemoryContextSwitchTo(here);
                let condition = pg_sys::copyObjectImpl(condition.cast());
                pg_sys::MemoryContextSwitchTo(before);
                Some(condition)
            })?;
            // What all alternatives have in common is asked first, and once.
            let condition = pg_sys::expression_planner(condition.cast());
            let condition = pg_sys::canonicalize_qual(condition, false);
            Some(Sieve {
                state: pg_sys::ExecInitExpr(condition, std::ptr::null_mut()),
                context: pg_sys::CreateStandaloneExprContext(),
                slot: pg_sys::MakeSingleTupleTableSlot(
                    relation.columns(),
                    &raw const pg_sys::TTSOpsVirtual,
                ),
            })
        }
    }

    /// Is the condition true of these values?
    ///
    /// # Safety
    /// One value and null flag per column of the relation, of its type. Within a guarded region: the
    /// server's errors pass over this frame.
    pub unsafe fn passes(&self, values: &[pg_sys::Datum], nulls: &[bool]) -> bool {
        // SAFETY: by the caller's promise; the slot has as many columns.
        unsafe {
            let slot = self.slot;
            if let Some(clear) = (*(*slot).tts_ops).clear {
                clear(slot);
            }
            (*slot)
                .tts_values
                .copy_from_nonoverlapping(values.as_ptr(), values.len());
            (*slot)
                .tts_isnull
                .copy_from_nonoverlapping(nulls.as_ptr(), nulls.len());
            server::ExecStoreVirtualTuple(slot);
            (*self.context).ecxt_scantuple = slot;
            let memory = (*self.context).ecxt_per_tuple_memory;
            let before = pg_sys::CurrentMemoryContext;
            pg_sys::CurrentMemoryContext = memory;
            let mut is_null = false;
            let truth = match (*self.state).evalfunc {
                Some(evaluate) => evaluate(self.state, self.context, &mut is_null),
                None => pg_sys::Datum::from(true),
            };
            pg_sys::CurrentMemoryContext = before;
            server::MemoryContextReset(memory);
            !is_null && truth.value() as u8 != 0
        }
    }

    /// Frees what is not memory alone.
    pub fn end(self) {
        // SAFETY: made above; nothing uses them any more.
        unsafe {
            pg_sys::ExecDropSingleTupleTableSlot(self.slot);
            pg_sys::FreeExprContext(self.context, true);
        }
    }
}
