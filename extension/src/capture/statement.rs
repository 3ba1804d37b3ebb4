//! When pending changes are written: at the end of the statement that made them, and for what
//! does not come as a statement, at the end of the (sub)transaction.
//!
//! The end of a data-modifying query is its executor's finish, which fires the AFTER triggers that
//! were queued. A query whose triggers are left to the one around it (the actions of foreign keys)
//! is not an end. COPY … FROM does not pass through the executor. The apply of logical replication
//! passes through neither: its rows wait for a full chunk or the end of the transaction.
//!
//! Why not only at the end of the transaction: so memory is bounded by what one statement writes,
//! an error in writing belongs to the statement that caused it, and a savepoint finds nothing
//! pending.

use super::pending;
use crate::server;
use pgrx::pg_sys;
use pgrx::prelude::*;

static mut PREVIOUS_FINISH: pg_sys::ExecutorFinish_hook_type = None;
static mut PREVIOUS_UTILITY: pg_sys::ProcessUtility_hook_type = None;

/// Installs the hooks. Once per process, from `_PG_init`.
pub fn install() {
    // SAFETY: backends have one thread.
    unsafe {
        PREVIOUS_FINISH = pg_sys::ExecutorFinish_hook;
        pg_sys::ExecutorFinish_hook = Some(executor_finish);
        PREVIOUS_UTILITY = pg_sys::ProcessUtility_hook;
        pg_sys::ProcessUtility_hook = Some(process_utility);
        pg_sys::RegisterXactCallback(Some(at_end), std::ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(at_subtransaction_end), std::ptr::null_mut());
    }
}

/// Called from hooks, which errors pass over.
#[pg_guard]
extern "C-unwind" fn settle() {
    pending::settle();
}

/// # Safety
/// Called by the server.
unsafe extern "C-unwind" fn executor_finish(query: *mut pg_sys::QueryDesc) {
    // SAFETY: passes on what the server passed; the executor's state is there until its end.
    unsafe {
        match PREVIOUS_FINISH {
            Some(previous) => previous(query),
            None => server::standard_ExecutorFinish(query),
        }
        let fires = (*(*query).estate).es_top_eflags as u32 & pg_sys::EXEC_FLAG_SKIP_TRIGGERS == 0;
        if fires && pending::any() {
            settle();
        }
    }
}

/// # Safety
/// Called by the server.
unsafe extern "C-unwind" fn process_utility(
    statement: *mut pg_sys::PlannedStmt,
    text: *const std::ffi::c_char,
    read_only_tree: bool,
    context: pg_sys::ProcessUtilityContext::Type,
    params: pg_sys::ParamListInfo,
    environment: *mut pg_sys::QueryEnvironment,
    receiver: *mut pg_sys::DestReceiver,
    completion: *mut pg_sys::QueryCompletion,
) {
    // SAFETY: passes on what the server passed. The tree of a statement that ends the transaction
    // may be gone afterwards.
    unsafe {
        let copies = (*(*statement).utilityStmt).type_ == pg_sys::NodeTag::T_CopyStmt;
        let process = match PREVIOUS_UTILITY {
            Some(previous) => previous,
            None => server::standard_ProcessUtility,
        };
        process(
            statement,
            text,
            read_only_tree,
            context,
            params,
            environment,
            receiver,
            completion,
        );
        if copies && pending::any() {
            settle();
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_end(
    event: pg_sys::XactEvent::Type,
    _argument: *mut std::ffi::c_void,
) {
    use pg_sys::XactEvent::*;
    match event {
        // Deferred triggers have fired.
        XACT_EVENT_PRE_COMMIT | XACT_EVENT_PRE_PREPARE => pending::settle(),
        _ => pending::forget_all(),
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_subtransaction_end(
    event: pg_sys::SubXactEvent::Type,
    own: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _argument: *mut std::ffi::c_void,
) {
    use pg_sys::SubXactEvent::*;
    match event {
        SUBXACT_EVENT_PRE_COMMIT_SUB => pending::settle(),
        SUBXACT_EVENT_ABORT_SUB => pending::forget_from(own),
        _ => (),
    }
}
