//! Sources by name, and who may speak for them: their owner, and who may load them.

use crate::lifecycle::LifecycleError;
use crate::lifecycle::relation;
use crate::refresh::identity::current_user;
use crate::refresh::name_of;
use pgrx::pg_sys;

/// The source of this name, if the current user may say how complete it is.
pub fn source(name: &str) -> Result<pg_sys::Oid, LifecycleError> {
    let relid = relation(name);
    // SAFETY: checks that return.
    let allowed = unsafe {
        pg_sys::object_ownercheck(pg_sys::RelationRelationId, relid, current_user())
            || pg_sys::pg_class_aclcheck(
                relid,
                current_user(),
                pg_sys::ACL_INSERT as pg_sys::AclMode,
            ) == pg_sys::AclResult::ACLCHECK_OK
    };
    match allowed {
        true => Ok(relid),
        false => Err(LifecycleError::Denied(format!("table {}", name_of(relid)))),
    }
}

/// The name of the current user.
pub fn user() -> String {
    // SAFETY: the current user exists.
    unsafe { crate::pg::string(pg_sys::GetUserNameFromId(current_user(), true)) }
        .unwrap_or_default()
}
