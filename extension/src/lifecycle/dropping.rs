//! Dropping, and forgetting what was dropped otherwise.

use super::error::or_report;
use super::{LifecycleError, capturing, names};
use crate::catalog::stream_table;
use crate::refresh::identity::as_system;
use crate::refresh::name_of;
use crate::sql::{self, arg};
use pgrx::pg_sys;
use pgrx::prelude::*;

/// Drops a stream table; with `cascade` also what reads it.
#[pg_extern(volatile, parallel_unsafe)]
fn drop_stream_table(name: &str, cascade: default!(bool, false)) {
    or_report::<_, LifecycleError>((|| {
        let relid = names::relation(name);
        let pgt_id = names::stream_table(name)?;
        names::check_owner(relid)?;
        drop_table(relid, pgt_id, cascade);
        Ok(())
    })());
}

pub fn drop_table(relid: pg_sys::Oid, pgt_id: i64, cascade: bool) {
    stream_table::lock_entry(pgt_id);
    let behaviour = if cascade { "CASCADE" } else { "RESTRICT" };
    // The event trigger on dropped objects forgets it, and those that go with it.
    as_system(|| {
        sql::run(&format!("DROP TABLE {} {behaviour}", name_of(relid)), &[]);
    });
}

/// Forgets the stream tables whose tables were dropped, and releases what nobody reads any more.
/// Called with the OIDs of dropped tables; run as the system.
pub fn forget(dropped: &[pg_sys::Oid]) {
    let forgotten = sql::run(
        "DELETE FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = ANY ($1)",
        &[arg(dropped.to_vec())],
    );
    let sources = sql::run(
        "DELETE FROM pgtrickle.pgt_captures WHERE source_relid = ANY ($1)",
        &[arg(dropped.to_vec())],
    );
    for statement in [
        "DELETE FROM pgtrickle.pgt_source_gates WHERE source_relid = ANY ($1)",
        "DELETE FROM pgtrickle.pgt_watermarks WHERE source_relid = ANY ($1)",
        "DELETE FROM pgtrickle.pgt_watermark_groups WHERE sources::pg_catalog.oid[] && $1",
    ] {
        sql::run(statement, &[arg(dropped.to_vec())]);
    }
    if forgotten + sources > 0 {
        capturing::release_unread();
    }
}
