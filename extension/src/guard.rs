//! Stream tables and their states are written by refreshes only. A statement trigger on each
//! refuses everybody else, in every session_replication_role.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::Cell;

thread_local! {
    /// The nesting of our own writes in this backend.
    static WRITING: Cell<u32> = const { Cell::new(0) };
}

struct Writing;

impl Drop for Writing {
    fn drop(&mut self) {
        WRITING.set(WRITING.get() - 1);
    }
}

/// Lets `work` write to stream tables and states.
pub fn writing<R>(work: impl FnOnce() -> R) -> R {
    WRITING.set(WRITING.get() + 1);
    let _writing = Writing;
    work()
}

/// BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE … FOR EACH STATEMENT.
///
/// # Safety
/// Called by the server only.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn pgt_refuse_writes(
    fcinfo: pg_sys::FunctionCallInfo,
) -> pg_sys::Datum {
    // SAFETY: the server passes a TriggerData; the tag is checked.
    unsafe {
        let context = (*fcinfo).context;
        if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_TriggerData {
            error!("this function can only be called as a trigger");
        }
        if WRITING.get() == 0 {
            let relation = (*context.cast::<pg_sys::TriggerData>()).tg_relation;
            let name = crate::pg::qualified_name((*relation).rd_id).unwrap_or_default();
            ereport!(
                ERROR,
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("{name} is a stream table and cannot be changed directly"),
                "It holds the result of its defining query. Change the sources, or use \
                 pgtrickle.alter_stream_table or pgtrickle.drop_stream_table."
            );
        }
        pg_sys::Datum::from(0)
    }
}

crate::c_function!(pg_finfo_pgt_refuse_writes);
