//! Manual refreshes.

use super::error::or_report;
use super::{LifecycleError, names};
use crate::refresh::identity::{as_system, current_user};
use crate::refresh::{self, Initiator, RefreshError, name_of};
use crate::sql::{self, arg};
use pgrx::pg_sys;
use pgrx::prelude::*;

/// The stream tables that this one reads, directly or not, upstream first, and then itself.
fn chain(pgt_id: i64) -> Vec<i64> {
    as_system(|| {
        sql::connect(|c| {
            c.run(
                "WITH RECURSIVE upstream (pgt_id, depth) AS (SELECT $1, 0 UNION SELECT s.pgt_id, \
                 u.depth + 1 FROM upstream u JOIN pgtrickle.pgt_dependencies d USING (pgt_id) JOIN \
                 pgtrickle.pgt_stream_tables s ON s.pgt_relid = d.source_relid) SELECT pgt_id FROM \
                 upstream JOIN pgtrickle.pgt_stream_tables USING (pgt_id) WHERE status <> \
                 'SUSPENDED' OR depth = 0 GROUP BY pgt_id ORDER BY pg_catalog.max(depth) DESC, pgt_id",
                &[arg(pgt_id)],
            )
            .iter()
            .filter_map(|row| row.get(1))
            .collect()
        })
    })
}

fn check_may_refresh(relid: pg_sys::Oid) -> Result<(), RefreshError> {
    // SAFETY: checks that return.
    let allowed = unsafe {
        pg_sys::object_ownercheck(pg_sys::RelationRelationId, relid, current_user())
            || pg_sys::pg_class_aclcheck(
                relid,
                current_user(),
                pg_sys::ACL_MAINTAIN as pg_sys::AclMode,
            ) == pg_sys::AclResult::ACLCHECK_OK
    };
    if allowed {
        Ok(())
    } else {
        Err(RefreshError::NotPermitted(name_of(relid)))
    }
}

/// Brings a stream table up to date, those that it reads first.
#[pg_extern(volatile, parallel_unsafe)]
fn refresh_stream_table(name: &str) {
    or_report::<_, LifecycleError>((|| {
        let relid = names::relation(name);
        let pgt_id = names::stream_table(name)?;
        check_may_refresh(relid)?;
        refresh::run_all(&chain(pgt_id), Initiator::Manual)?;
        Ok(())
    })());
}
