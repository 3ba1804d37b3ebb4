//! When a statement begins and ends.
//!
//! It begins with its executor, and so does its turn: before a row is touched, so that who waits for
//! the turn holds no row that the one who has it may want. It ends when its executor has finished,
//! which has fired all triggers: its own and those of the foreign keys that it set off. Queries of
//! foreign keys leave their triggers to the statement around them, and are no end. What happens
//! within a statement that is still changing sources waits for its end ([`super::maintain`]).
//!
//! COPY … FROM, TRUNCATE and DDL do not pass through the executor. The apply of logical replication
//! passes through neither: what it has changed is maintained before it commits.

use super::readers::Reached;
use super::{keys, log, maintain, readers, turn};
use crate::refresh::midstatement::{Events, changes, copied_into, events, targets};
use crate::server;
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::collections::BTreeSet;

static mut PREVIOUS_RUN: pg_sys::ExecutorRun_hook_type = None;
static mut PREVIOUS_FINISH: pg_sys::ExecutorFinish_hook_type = None;
static mut PREVIOUS_UTILITY: pg_sys::ProcessUtility_hook_type = None;

/// Installs the hooks. Once per process, from `_PG_init`, after those of
/// [`crate::refresh::midstatement`], which these are called around.
pub fn install() {
    // SAFETY: backends have one thread.
    unsafe {
        PREVIOUS_RUN = pg_sys::ExecutorRun_hook;
        pg_sys::ExecutorRun_hook = Some(executor_run);
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
extern "C-unwind" fn end_of_statement() {
    // The apply of logical replication changes tables without statements: nobody can tell whether
    // what ends here was set off by a row of it that is not logged yet.
    // SAFETY: reads a variable of the process.
    if !unsafe { pg_sys::IsLogicalWorker() } {
        maintain();
    }
}

/// The stream tables that a statement on these tables may change.
fn reached(tables: &[pg_sys::Oid], does: Events) -> Reached {
    let mut all = Reached::new();
    if !super::is_at_work() {
        for &table in tables {
            for (id, sources) in readers::reached(table, does).iter() {
                all.entry(*id).or_default().extend(sources);
            }
        }
    }
    all
}

/// Takes a turn of each of them.
fn begin(reached: &Reached) {
    for (id, sources) in reached {
        turn::take(*id, sources);
    }
}

/// # Safety
/// `query` must be valid.
#[pg_guard]
unsafe extern "C-unwind" fn begin_query(query: *mut pg_sys::QueryDesc) {
    // SAFETY: by the caller's promise.
    begin(&unsafe { reached(&targets(query), events(query)) });
}

/// # Safety
/// `node` must be a COPY or TRUNCATE.
#[pg_guard]
unsafe extern "C-unwind" fn begin_utility(node: *mut pg_sys::Node) {
    // SAFETY: the tag says what it is.
    unsafe {
        if (*node).type_ == pg_sys::NodeTag::T_CopyStmt {
            let copied = copied_into(node);
            return begin(&reached(&[copied], Events::default()));
        }
        let tables = (*node.cast::<pg_sys::TruncateStmt>()).relations;
        let count = if tables.is_null() {
            0
        } else {
            (*tables).length
        };
        let tables: Vec<pg_sys::Oid> = (0..count)
            .map(|i| (*(*tables).elements.add(i as usize)).ptr_value)
            .map(|table| {
                pg_sys::RangeVarGetRelidExtended(
                    table.cast(),
                    pg_sys::NoLock as i32,
                    pg_sys::RVROption::RVR_MISSING_OK,
                    None,
                    std::ptr::null_mut(),
                )
            })
            .collect();
        // To be made anew.
        let reached = reached(&tables, Events::default()).into_keys();
        begin(&reached.map(|id| (id, BTreeSet::new())).collect());
    }
}

/// # Safety
/// Called by the server.
unsafe extern "C-unwind" fn executor_run(
    query: *mut pg_sys::QueryDesc,
    direction: pg_sys::ScanDirection::Type,
    count: u64,
) {
    // SAFETY: passes on what the server passed.
    unsafe {
        if changes(query) {
            begin_query(query);
        }
        match PREVIOUS_RUN {
            Some(previous) => previous(query, direction, count),
            None => server::standard_ExecutorRun(query, direction, count),
        }
    }
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
        if fires && log::any() && changes(query) {
            end_of_statement();
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
        let node = (*statement).utilityStmt;
        if matches!(
            (*node).type_,
            pg_sys::NodeTag::T_CopyStmt | pg_sys::NodeTag::T_TruncateStmt
        ) {
            begin_utility(node);
        }
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
        if log::any() {
            end_of_statement();
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
        XACT_EVENT_PRE_COMMIT | XACT_EVENT_PRE_PREPARE => {
            if log::any() {
                // SAFETY: the transaction is in progress; popped below, or by the clean-up after
                // an error.
                unsafe {
                    pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
                    maintain();
                    pg_sys::PopActiveSnapshot();
                }
            }
        }
        _ => {
            if event == XACT_EVENT_PREPARE {
                turn::leave_marks();
            }
            log::forget_all();
            turn::forget_all();
            keys::forget_all();
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_subtransaction_end(
    event: pg_sys::SubXactEvent::Type,
    own: pg_sys::SubTransactionId,
    parent: pg_sys::SubTransactionId,
    _argument: *mut std::ffi::c_void,
) {
    use pg_sys::SubXactEvent::*;
    match event {
        SUBXACT_EVENT_COMMIT_SUB => {
            log::pass_on(own, parent);
            turn::pass_on(own, parent);
            keys::pass_on(own, parent);
        }
        SUBXACT_EVENT_ABORT_SUB => {
            log::forget_from(own);
            turn::forget_from(own);
            keys::forget_from(own);
        }
        _ => (),
    }
}
