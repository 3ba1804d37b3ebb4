//! Leaving a database that somebody needs for himself.
//!
//! DROP DATABASE, ALTER DATABASE … RENAME TO or SET TABLESPACE, and CREATE DATABASE … TEMPLATE fail
//! while any process is connected to it. The worker leaves before they run, and comes back if the
//! database is still there. So it does for DROP EXTENSION, which takes the locks of all that there is
//! one after the other, as refreshes do in their own order.

use super::{jobs, process, shared};
use crate::server;
use pgrx::prelude::*;
use std::ffi::CStr;

static mut PREVIOUS: pg_sys::ProcessUtility_hook_type = None;

unsafe extern "C" {
    fn kill(pid: i32, signal: i32) -> i32;
}

pub fn install() {
    // SAFETY: while the server starts, in one thread.
    unsafe {
        PREVIOUS = pg_sys::ProcessUtility_hook;
        pg_sys::ProcessUtility_hook = Some(process_utility);
    }
}

/// The database that a statement needs for itself, and whether it is dropped.
///
/// # Safety
/// `node` must be valid.
unsafe fn needed(node: *mut pg_sys::Node) -> Option<(pg_sys::Oid, bool)> {
    // SAFETY: the tag says what the node is.
    unsafe {
        if (*node).type_ == pg_sys::NodeTag::T_DropStmt {
            let own = drops_extension(node.cast());
            return own.then_some((pg_sys::MyDatabaseId, false));
        }
        let (name, dropped) = match (*node).type_ {
            pg_sys::NodeTag::T_DropdbStmt => ((*node.cast::<pg_sys::DropdbStmt>()).dbname, true),
            pg_sys::NodeTag::T_AlterDatabaseStmt => {
                let alter = node.cast::<pg_sys::AlterDatabaseStmt>();
                option((*alter).options, c"tablespace")?;
                ((*alter).dbname, false)
            }
            pg_sys::NodeTag::T_RenameStmt => {
                let rename = node.cast::<pg_sys::RenameStmt>();
                if (*rename).renameType != pg_sys::ObjectType::OBJECT_DATABASE {
                    return None;
                }
                ((*rename).subname, false)
            }
            pg_sys::NodeTag::T_CreatedbStmt => {
                let create = node.cast::<pg_sys::CreatedbStmt>();
                let template = option((*create).options, c"template")?;
                (pg_sys::defGetString(template), false)
            }
            _ => return None,
        };
        if name.is_null() {
            return None;
        }
        let database = pg_sys::get_database_oid(name, true);
        let allowed = database != pg_sys::InvalidOid
            && database != pg_sys::MyDatabaseId
            && pg_sys::object_ownercheck(
                pg_sys::Oid::from(pg_sys::DatabaseRelationId.to_u32()),
                database,
                pg_sys::GetUserId(),
            );
        allowed.then_some((database, dropped))
    }
}

/// Does it drop this extension, and may the user do that?
///
/// # Safety
/// `statement` must be valid.
unsafe fn drops_extension(statement: *mut pg_sys::DropStmt) -> bool {
    // SAFETY: of extensions the objects are names.
    unsafe {
        if (*statement).removeType != pg_sys::ObjectType::OBJECT_EXTENSION {
            return false;
        }
        let objects = (*statement).objects;
        let named = (0..(*objects).length).any(|i| {
            let name = (*(*objects).elements.add(i as usize)).ptr_value;
            CStr::from_ptr((*name.cast::<pg_sys::String>()).sval) == c"pg_trickle"
        });
        let extension = pg_sys::get_extension_oid(c"pg_trickle".as_ptr(), true);
        named
            && extension != pg_sys::InvalidOid
            && pg_sys::object_ownercheck(
                pg_sys::ExtensionRelationId,
                extension,
                pg_sys::GetUserId(),
            )
    }
}

/// # Safety
/// `options` must be null or a list of DefElem.
unsafe fn option(options: *mut pg_sys::List, name: &CStr) -> Option<*mut pg_sys::DefElem> {
    // SAFETY: by the caller's promise.
    unsafe {
        let length = if options.is_null() {
            0
        } else {
            (*options).length
        };
        (0..length)
            .map(|i| {
                (*(*options).elements.add(i as usize))
                    .ptr_value
                    .cast::<pg_sys::DefElem>()
            })
            .find(|&element| CStr::from_ptr((*element).defname) == name)
    }
}

/// Ends the worker of a database and its refreshers, if there are any: these may outlast it. Says
/// whether there may be a worker again.
fn evict(database: pg_sys::Oid) -> bool {
    if !shared::preloaded() {
        return false;
    }
    let worker = shared::bar(database);
    let mut processes = jobs::dismiss(database);
    processes.extend(worker);
    processes.retain(|pid| shared::alive(*pid));
    if !processes.is_empty() {
        for pid in &processes {
            // SAFETY: one of this server's own processes; at worst it has ended since.
            unsafe { kill(*pid, process::SIGTERM) };
        }
        for _ in 0..500 {
            if !processes.iter().any(|pid| shared::alive(*pid)) {
                break;
            }
            pg_sys::check_for_interrupts!();
            // SAFETY: sleeps.
            unsafe { pg_sys::pg_usleep(10_000) };
        }
    }
    worker.is_some()
}

fn invite(database: pg_sys::Oid) {
    shared::unbar(database);
    shared::wake_launcher();
}

/// # Safety
/// Called by the server.
#[pg_guard]
#[allow(clippy::too_many_arguments)] // PostgreSQL's signature
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
    let run = || {
        // SAFETY: passes on what the server passed.
        unsafe {
            let process = PREVIOUS.unwrap_or(server::standard_ProcessUtility);
            pg_sys::ffi::pg_guard_ffi_boundary(|| {
                process(
                    statement,
                    text,
                    read_only_tree,
                    context,
                    params,
                    environment,
                    receiver,
                    completion,
                )
            });
        }
    };
    // SAFETY: a statement that the server passed.
    match unsafe { needed((*statement).utilityStmt) } {
        Some((database, dropped)) if evict(database) => {
            PgTryBuilder::new(std::panic::AssertUnwindSafe(run))
                .catch_others(|error| {
                    invite(database);
                    error.rethrow()
                })
                .execute();
            if dropped {
                shared::forget(database);
            } else {
                invite(database);
            }
        }
        _ => run(),
    }
}
