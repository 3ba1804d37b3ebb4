//! Names of stream tables: `name` or `schema.name`, quoted as in SQL.

use super::LifecycleError;
use crate::catalog::stream_table;
use crate::pg::{self, cstring};
use crate::refresh::identity::current_user;
use pgrx::pg_sys;
use pgrx::prelude::*;

fn range_var(name: &str) -> *mut pg_sys::RangeVar {
    // SAFETY: the server's own parser of qualified names; raises its errors.
    unsafe {
        let text = name.into_datum().unwrap_or(pg_sys::Datum::from(0));
        let list = pg_sys::textToQualifiedNameList(text.cast_mut_ptr());
        pg_sys::makeRangeVarFromNameList(list)
    }
}

/// Where a new table of this name goes.
pub struct NewName {
    pub schema: String,
    pub name: String,
    /// A relation of that name that is there already.
    pub existing: Option<pg_sys::Oid>,
}

impl NewName {
    pub fn quoted(&self) -> String {
        format!(
            "{}.{}",
            pg::quote_identifier(&self.schema),
            pg::quote_identifier(&self.name)
        )
    }
}

/// The schema given, or the first of the search path that can be created in.
pub fn new_name(name: &str) -> Result<NewName, LifecycleError> {
    let var = range_var(name);
    // SAFETY: the server's own resolution; raises its errors.
    unsafe {
        let namespace = pg_sys::RangeVarGetCreationNamespace(var);
        let schema = pg::string(pg_sys::get_namespace_name(namespace)).unwrap_or_default();
        let relation = pg::string((*var).relname).unwrap_or_default();
        if pg_sys::isTempNamespace(namespace) {
            return Err(LifecycleError::NotYet("temporary stream tables".into()));
        }
        let allowed = pg_sys::object_aclcheck(
            pg_sys::NamespaceRelationId,
            namespace,
            current_user(),
            pg_sys::ACL_CREATE as pg_sys::AclMode,
        );
        if allowed != pg_sys::AclResult::ACLCHECK_OK {
            return Err(LifecycleError::Denied(format!("schema {schema}")));
        }
        let text = cstring(&relation);
        let existing = pg_sys::get_relname_relid(text.as_ptr(), namespace);
        // A longer name is cut as in CREATE TABLE.
        let mut cut = cstring(&relation).into_bytes_with_nul();
        pg_sys::truncate_identifier(cut.as_mut_ptr().cast(), relation.len() as i32, true);
        let name = pg::string(cut.as_ptr().cast()).unwrap_or_default();
        Ok(NewName {
            schema,
            name,
            existing: (existing != pg_sys::InvalidOid).then_some(existing),
        })
    }
}

/// The relation of that name along the search path.
pub fn relation(name: &str) -> pg_sys::Oid {
    let var = range_var(name);
    // SAFETY: raises an error if there is none.
    unsafe {
        pg_sys::RangeVarGetRelidExtended(var, pg_sys::NoLock as i32, 0, None, std::ptr::null_mut())
    }
}

/// The stream table of that name.
pub fn stream_table(name: &str) -> Result<i64, LifecycleError> {
    stream_table::of_relation(relation(name))
        .ok_or_else(|| LifecycleError::NotAStreamTable(name.to_string()))
}

/// Only the owner (or a member of it) may change a stream table.
pub fn check_owner(relation: pg_sys::Oid) -> Result<(), LifecycleError> {
    // SAFETY: a check that returns.
    let owner =
        unsafe { pg_sys::object_ownercheck(pg_sys::RelationRelationId, relation, current_user()) };
    if owner {
        Ok(())
    } else {
        Err(LifecycleError::NotOwner(crate::refresh::name_of(relation)))
    }
}
