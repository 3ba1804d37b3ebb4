//! As whom code runs.
//!
//! The extension's own tables are read and written as the superuser that PostgreSQL was
//! initialised with; everything that comes from a defining query runs as the owner of the stream
//! table in a security-restricted operation, with nothing but trusted schemas in the search path.

use super::settings::Settings;
use pgrx::pg_sys;

struct Switched {
    user: pg_sys::Oid,
    context: i32,
}

impl Switched {
    fn to(user: pg_sys::Oid, flags: u32) -> Self {
        // SAFETY: plain variables of the backend.
        unsafe {
            let (mut old, mut context) = (pg_sys::InvalidOid, 0);
            pg_sys::GetUserIdAndSecContext(&mut old, &mut context);
            pg_sys::SetUserIdAndSecContext(user, context | flags as i32);
            Switched { user: old, context }
        }
    }
}

impl Drop for Switched {
    fn drop(&mut self) {
        // After an error, too: the caller's identity comes back at once, as it would at the
        // clean-up of the (sub)transaction.
        // SAFETY: plain variables of the backend.
        unsafe { pg_sys::SetUserIdAndSecContext(self.user, self.context) }
    }
}

/// Runs our own SQL, whose every name is qualified, on our own tables.
pub fn as_system<R>(work: impl FnOnce() -> R) -> R {
    let _switched = Switched::to(
        pg_sys::Oid::from(pg_sys::BOOTSTRAP_SUPERUSERID),
        pg_sys::SECURITY_LOCAL_USERID_CHANGE,
    );
    let mut settings = Settings::local(&[]);
    settings.set("search_path", "pg_catalog, pg_temp");
    settings.set("row_security", "on");
    settings.set("check_function_bodies", "off");
    let result = work();
    settings.restore();
    result
}

/// Runs what a stream table's definition says, as its owner.
pub fn as_owner<R>(
    owner: pg_sys::Oid,
    settings: &[(String, String)],
    work: impl FnOnce() -> R,
) -> R {
    let _switched = Switched::to(owner, pg_sys::SECURITY_RESTRICTED_OPERATION);
    let mut local = Settings::local(&[]);
    local.set("search_path", "pg_catalog, pg_temp");
    for (name, value) in settings {
        local.set(name, value);
    }
    // A policy raises an error instead of hiding rows.
    local.set("row_security", "off");
    // PostgreSQL 18 forgets to rename the eliminated table in the branches of a UNION ALL beside it,
    // and then reads a row that is not there: the server goes down.
    local.set("enable_self_join_elimination", "off");
    let result = work();
    local.restore();
    result
}

pub fn current_user() -> pg_sys::Oid {
    // SAFETY: reads a variable of the backend.
    unsafe { pg_sys::GetUserId() }
}
