//! Manual refreshes.

use super::error::or_report;
use super::recompile::recompile;
use super::{LifecycleError, names};
use crate::capture::wal;
use crate::catalog::{StreamTable, stream_table};
use crate::refresh::identity::{as_system, current_user};
use crate::refresh::{self, Initiator, RefreshError, name_of};
use crate::scheduler::notes;
use crate::sql::{self, arg};
use pgrx::pg_sys;
use pgrx::prelude::*;
use runtime::dag::Dag;

/// The stream tables that this one reads, directly or not, upstream first, and then itself. What
/// was restored from a dump is compiled anew first, as nobody knows what it reads.
fn known_chain(pgt_id: i64) -> Result<Vec<i64>, RefreshError> {
    loop {
        let ids = chain(pgt_id);
        let restored: Vec<i64> = as_system(|| {
            sql::connect(|c| {
                c.run(
                    "SELECT pgt_id FROM pgtrickle.pgt_stream_tables WHERE pgt_id = ANY ($1) AND \
                     home <> pgtrickle._home() AND status <> 'SUSPENDED' ORDER BY 1",
                    &[arg(ids.clone())],
                )
                .iter()
                .filter_map(|row| row.get(1))
                .collect()
            })
        });
        if restored.is_empty() {
            return Ok(ids);
        }
        wal::ready(&restored)?;
        for id in restored {
            stream_table::lock_entry(id);
            let table =
                StreamTable::load(id).ok_or_else(|| RefreshError::NotFound(id.to_string()))?;
            recompile(&table)?;
        }
    }
}

fn chain(pgt_id: i64) -> Vec<i64> {
    let reads: Vec<(i64, Vec<i64>)> = as_system(|| {
        sql::connect(|c| {
            c.run(
                "WITH RECURSIVE upstream (pgt_id) AS (SELECT $1 UNION SELECT s.pgt_id FROM upstream \
                 JOIN pgtrickle.pgt_dependencies d USING (pgt_id) JOIN pgtrickle.pgt_stream_tables s \
                 ON s.pgt_relid = d.source_relid) SELECT s.pgt_id, ARRAY(SELECT u.pgt_id FROM \
                 pgtrickle.pgt_dependencies d JOIN pgtrickle.pgt_stream_tables u ON u.pgt_relid = \
                 d.source_relid WHERE d.pgt_id = s.pgt_id) FROM upstream JOIN \
                 pgtrickle.pgt_stream_tables s USING (pgt_id) WHERE s.pgt_id = $1 OR (s.status <> \
                 'SUSPENDED' AND s.refresh_mode <> 'IMMEDIATE')",
                &[arg(pgt_id)],
            )
            .iter()
            .filter_map(|row| Some((row.get(1)?, row.get(2)?)))
            .collect()
        })
    });
    let edges = reads
        .iter()
        .flat_map(|(down, ups)| ups.iter().map(move |up| (*up, *down)));
    let dag = Dag::new(reads.iter().map(|(id, _)| *id), edges);
    dag.components().into_iter().flatten().collect()
}

pub fn check_may_refresh(relid: pg_sys::Oid) -> Result<(), RefreshError> {
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
        run_noted(pgt_id);
        Ok(())
    })());
}

/// An error is noted for the history, which the transaction itself cannot write.
fn run_noted(pgt_id: i64) {
    // SAFETY: reads the clock.
    let started = unsafe { pg_sys::GetCurrentTimestamp() };
    PgTryBuilder::new(std::panic::AssertUnwindSafe(|| {
        let done = known_chain(pgt_id).and_then(|ids| refresh::run_all(&ids, Initiator::Manual));
        if let Err(error) = done {
            error.report();
        }
    }))
    .catch_others(|error| {
        notes::leave(pgt_id, started, &error);
        error.rethrow()
    })
    .execute();
}
