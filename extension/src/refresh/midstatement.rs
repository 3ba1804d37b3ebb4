//! Refusing to refresh in the middle of a statement that changes a source.
//!
//! Such a statement's rows are in the table already, while their capture events are queued until
//! it ends: a refresh would read them now and apply them again later. So the executor's hooks keep
//! a list of the data-modifying queries that this backend is running, and a refresh that finds a
//! source among their targets raises 55006.
//!
//! Changes can also hide behind a foreign key: the events of a cascade belong to the query on the
//! referenced table. A running query on a table that foreign keys refer to therefore refuses, too.

use super::{RefreshError, name_of};
use crate::capture::{pending, tree};
use crate::catalog::StreamTable;
use crate::server;
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::{Cell, RefCell};

/// A data-modifying query that is running.
struct Running {
    /// Where on the stack its hook's frame is; queries within it are below.
    frame: usize,
    /// The subtransaction that it runs in. An error ends both.
    subtransaction: u32,
    targets: Vec<pg_sys::Oid>,
}

thread_local! {
    /// Outermost first.
    static RUNNING: RefCell<Vec<Running>> = const { RefCell::new(Vec::new()) };
    /// When the statement began within which this library was loaded: queries that were running
    /// already are not in the list.
    static LOADED_DURING: Cell<i64> = const { Cell::new(i64::MIN) };
}

static mut PREVIOUS_RUN: pg_sys::ExecutorRun_hook_type = None;
static mut PREVIOUS_FINISH: pg_sys::ExecutorFinish_hook_type = None;
static mut PREVIOUS_UTILITY: pg_sys::ProcessUtility_hook_type = None;

/// An address in the caller's frame.
#[inline(always)]
fn frame() -> usize {
    let here = 0u8;
    std::hint::black_box(&raw const here) as usize
}

fn enter(frame: usize, targets: Vec<pg_sys::Oid>) {
    // SAFETY: reads the transaction's state; raises no error.
    let subtransaction = unsafe { server::GetCurrentSubTransactionId() };
    RUNNING.with_borrow_mut(|running| {
        running.push(Running {
            frame,
            subtransaction,
            targets,
        });
    });
}

fn leave(frame: usize) {
    RUNNING.with_borrow_mut(|running| {
        while running.last().is_some_and(|r| r.frame <= frame) {
            running.pop();
        }
    });
}

/// An error ends what runs in its subtransaction; the end of the transaction ends all.
#[pg_guard]
unsafe extern "C-unwind" fn at_end(
    _event: pg_sys::XactEvent::Type,
    _argument: *mut std::ffi::c_void,
) {
    RUNNING.with_borrow_mut(Vec::clear);
}

#[pg_guard]
unsafe extern "C-unwind" fn at_subtransaction_end(
    event: pg_sys::SubXactEvent::Type,
    own: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _argument: *mut std::ffi::c_void,
) {
    if event == pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB {
        RUNNING.with_borrow_mut(|running| running.retain(|r| r.subtransaction < own));
    }
}

/// Does the query change any table?
///
/// # Safety
/// `query` must be valid.
pub unsafe fn changes(query: *mut pg_sys::QueryDesc) -> bool {
    // SAFETY: by the caller's promise.
    unsafe { !(*(*query).plannedstmt).resultRelations.is_null() }
}

/// The tables that a query changes, also in its WITH clauses.
///
/// # Safety
/// `query` must be valid.
pub unsafe fn targets(query: *mut pg_sys::QueryDesc) -> Vec<pg_sys::Oid> {
    // SAFETY: resultRelations holds 1-based indexes into the range table.
    unsafe {
        let plan = (*query).plannedstmt;
        let relations = (*plan).resultRelations;
        if relations.is_null() {
            return Vec::new();
        }
        (0..(*relations).length)
            .filter_map(|i| {
                let index = (*(*relations).elements.add(i as usize)).int_value;
                let table = (*plan).rtable;
                let entry = (*(*table).elements.add(index as usize - 1)).ptr_value
                    as *mut pg_sys::RangeTblEntry;
                ((*entry).rtekind == pg_sys::RTEKind::RTE_RELATION).then(|| (*entry).relid)
            })
            .collect()
    }
}

/// What a statement may do to rows that foreign keys follow. (They follow no insertion.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Events {
    pub update: bool,
    pub delete: bool,
}

/// What a query does to the tables that it changes.
///
/// # Safety
/// `query` must be valid.
pub unsafe fn events(query: *mut pg_sys::QueryDesc) -> Events {
    use pg_sys::CmdType::*;
    // SAFETY: the tag says what the plan is.
    unsafe {
        let statement = (*query).plannedstmt;
        let plan = (*statement).planTree;
        let is_plain = !(*statement).hasModifyingCTE
            && !plan.is_null()
            && (*plan).type_ == pg_sys::NodeTag::T_ModifyTable;
        let updates = || {
            let action = (*plan.cast::<pg_sys::ModifyTable>()).onConflictAction;
            action == pg_sys::OnConflictAction::ONCONFLICT_UPDATE
        };
        let (update, delete) = match (*query).operation {
            CMD_INSERT if is_plain => (updates(), false),
            CMD_UPDATE if is_plain => (true, false),
            CMD_DELETE if is_plain => (false, true),
            _ => (true, true),
        };
        Events { update, delete }
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
        let run = |query| match PREVIOUS_RUN {
            Some(previous) => previous(query, direction, count),
            None => server::standard_ExecutorRun(query, direction, count),
        };
        if !changes(query) {
            return run(query);
        }
        let frame = frame();
        enter(frame, targets(query));
        run(query);
        leave(frame);
    }
}

/// # Safety
/// Called by the server.
unsafe extern "C-unwind" fn executor_finish(query: *mut pg_sys::QueryDesc) {
    // SAFETY: passes on what the server passed.
    unsafe {
        let finish = |query| match PREVIOUS_FINISH {
            Some(previous) => previous(query),
            None => server::standard_ExecutorFinish(query),
        };
        if !changes(query) {
            return finish(query);
        }
        let frame = frame();
        enter(frame, targets(query));
        finish(query);
        leave(frame);
    }
}

/// COPY … FROM does not pass through the executor's hooks.
///
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
    // SAFETY: passes on what the server passed.
    unsafe {
        let copied = copied_into((*statement).utilityStmt);
        let frame = frame();
        if copied != pg_sys::InvalidOid {
            enter(frame, vec![copied]);
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
        if copied != pg_sys::InvalidOid {
            leave(frame);
        }
    }
}

/// # Safety
/// `node` must be valid.
pub unsafe fn copied_into(node: *mut pg_sys::Node) -> pg_sys::Oid {
    // SAFETY: the tag says what it is.
    unsafe {
        if node.is_null() || (*node).type_ != pg_sys::NodeTag::T_CopyStmt {
            return pg_sys::InvalidOid;
        }
        let copy = node.cast::<pg_sys::CopyStmt>();
        if !(*copy).is_from || (*copy).relation.is_null() {
            return pg_sys::InvalidOid;
        }
        server::RangeVarGetRelidExtended(
            (*copy).relation,
            pg_sys::NoLock as i32,
            pg_sys::RVROption::RVR_MISSING_OK,
            None,
            std::ptr::null_mut(),
        )
    }
}

/// Installs the hooks. Once per process, from `_PG_init`.
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
        if !pg_sys::process_shared_preload_libraries_in_progress {
            LOADED_DURING.set(pg_sys::GetCurrentStatementStartTimestamp());
        }
    }
}

pub fn check(tables: &[StreamTable]) -> Result<(), RefreshError> {
    for table in tables {
        let sources: Vec<pg_sys::Oid> = table.sources.iter().map(|s| s.relid).collect();
        if let Some(busy) = changing(&sources) {
            return Err(RefreshError::MidStatement {
                table: table.name(),
                source_name: name_of(busy),
            });
        }
    }
    Ok(())
}

/// One of these tables, or of those whose foreign keys they may follow, that a running statement
/// of this session is changing.
pub fn changing(sources: &[pg_sys::Oid]) -> Option<pg_sys::Oid> {
    let running: Vec<pg_sys::Oid> = RUNNING.with_borrow(|running| {
        running
            .iter()
            .flat_map(|r| r.targets.iter().copied())
            .collect()
    });
    let blind = is_blind();
    let direct = sources.iter().copied().find(|&read| {
        running.iter().any(|&r| tree::are_related(r, read))
            || (blind && tree::members(read).into_iter().any(in_use))
    });
    direct
        .or_else(|| running.iter().copied().find(|&r| is_referenced(r)))
        .or_else(|| pending::below(sources))
}

/// May a running statement of this session still change one of these tables, itself or through
/// foreign keys? What it has changed so far may be in the tables and not yet told.
pub fn may_change(sources: &[pg_sys::Oid]) -> bool {
    let mut reached: Vec<pg_sys::Oid> = RUNNING.with_borrow(|running| {
        running
            .iter()
            .flat_map(|r| r.targets.iter().copied())
            .collect()
    });
    let mut next = 0;
    while let Some(&table) = reached.get(next) {
        next += 1;
        if sources.iter().any(|&read| tree::are_related(table, read)) {
            return true;
        }
        for member in tree::members(table) {
            for referencing in followers(member) {
                if !reached.contains(&referencing) {
                    reached.push(referencing);
                }
            }
        }
    }
    false
}

/// The tables whose foreign keys follow what happens to this one.
fn followers(relation: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    foreign_keys(relation).into_iter().map(|(t, _)| t).collect()
}

/// This table, and those that foreign keys change when this is done to it.
pub fn followed(table: pg_sys::Oid, does: Events) -> Vec<pg_sys::Oid> {
    let mut reached = vec![(table, does)];
    let mut next = 0;
    while let Some(&(table, does)) = reached.get(next) {
        next += 1;
        for member in tree::members(table) {
            for (referencing, action) in foreign_keys(member) {
                let then = match action {
                    pg_sys::F_RI_FKEY_CASCADE_DEL if does.delete => Events {
                        delete: true,
                        ..Events::default()
                    },
                    pg_sys::F_RI_FKEY_SETNULL_DEL | pg_sys::F_RI_FKEY_SETDEFAULT_DEL
                        if does.delete =>
                    {
                        UPDATE
                    }
                    pg_sys::F_RI_FKEY_CASCADE_UPD
                    | pg_sys::F_RI_FKEY_SETNULL_UPD
                    | pg_sys::F_RI_FKEY_SETDEFAULT_UPD
                        if does.update =>
                    {
                        UPDATE
                    }
                    _ => continue,
                };
                if !reached.contains(&(referencing, then)) {
                    reached.push((referencing, then));
                }
            }
        }
    }
    reached.into_iter().map(|(table, _)| table).collect()
}

const UPDATE: Events = Events {
    update: true,
    delete: false,
};

/// The foreign keys that refer to a table: the referencing table, and the trigger's function, which
/// says what becomes of it when.
fn foreign_keys(relation: pg_sys::Oid) -> Vec<(pg_sys::Oid, u32)> {
    // SAFETY: a running query holds a lock on it, or it is opened if it is there.
    unsafe {
        let opened = pg_sys::try_relation_open(relation, pg_sys::NoLock as i32);
        if opened.is_null() {
            return Vec::new();
        }
        let triggers = (*opened).trigdesc;
        let count = if triggers.is_null() {
            0
        } else {
            (*triggers).numtriggers
        };
        let found = (0..count)
            .map(|i| &*(*triggers).triggers.add(i as usize))
            .filter(|t| pg_sys::RI_FKey_trigger_type(t.tgfoid) == pg_sys::RI_TRIGGER_PK as i32)
            .map(|t| (t.tgconstrrelid, t.tgfoid.to_u32()))
            .filter(|(table, _)| *table != pg_sys::InvalidOid)
            .collect();
        pg_sys::relation_close(opened, pg_sys::NoLock as i32);
        found
    }
}

/// Does the statement last within which this library was loaded? The hooks may have missed its
/// beginning, and may miss its end.
pub fn is_blind() -> bool {
    // SAFETY: reads a variable of the backend; raises no error.
    LOADED_DURING.get() == unsafe { server::GetCurrentStatementStartTimestamp() }
}

/// Does anything in this session have the table open? Also true of open cursors, which is why
/// this is asked only where the hooks cannot know.
fn in_use(relation: pg_sys::Oid) -> bool {
    // SAFETY: answers null if there is no such relation any more.
    unsafe {
        let opened = pg_sys::try_relation_open(relation, pg_sys::NoLock as i32);
        if opened.is_null() {
            return false;
        }
        let count = (*opened).rd_refcnt;
        pg_sys::relation_close(opened, pg_sys::NoLock as i32);
        count > 1
    }
}

/// Is the table referenced by a foreign key with triggers of its own?
fn is_referenced(relation: pg_sys::Oid) -> bool {
    // SAFETY: a running query holds a lock on it.
    unsafe {
        let opened = pg_sys::try_relation_open(relation, pg_sys::NoLock as i32);
        if opened.is_null() {
            return false;
        }
        let triggers = (*opened).trigdesc;
        let found = !triggers.is_null()
            && (0..(*triggers).numtriggers).any(|i| {
                let trigger = (*triggers).triggers.add(i as usize);
                pg_sys::RI_FKey_trigger_type((*trigger).tgfoid) == pg_sys::RI_TRIGGER_PK as i32
            });
        pg_sys::relation_close(opened, pg_sys::NoLock as i32);
        found
    }
}
