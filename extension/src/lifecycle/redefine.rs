//! Changing the query of a stream table that stays: its columns, readers, indexes and privileges do.

use super::analyse::{Analysed, analyse};
use super::recompile::same_columns;
use super::{LifecycleError, circles, query as defining, settings};
use crate::capture::audience;
use crate::catalog::StreamTable;
use crate::refresh::identity::{as_owner, as_system};
use crate::refresh::{self, Initiator, RefreshError};
use crate::sql::{self, arg};
use pgrx::JsonB;

/// A query without what may stand around it.
pub fn trimmed(query: &str) -> &str {
    query.trim().trim_end_matches(';').trim_end()
}

/// Analyses a query as the owner of the stream table, under this session's settings.
pub fn analysed(table: &StreamTable, query: &str) -> Result<Analysed, LifecycleError> {
    as_owner(table.owner, &settings::current(), || analyse(query))
}

/// Gives a stream table another query with the same columns, and fills it from that at once.
pub fn redefine(table: &StreamTable, query: &str) -> Result<(), LifecycleError> {
    let query = trimmed(query);
    let recorded = settings::current();
    let analysed = analysed(table, query)?;
    if !same_columns(table, &analysed) {
        return Err(LifecycleError::OtherColumns(table.name()));
    }
    let mode = &table.refresh_mode;
    circles::admit(table, mode, query, &recorded, &analysed.relations)?;
    let kept = as_owner(table.owner, &recorded, || defining::keep(query))
        .ok_or_else(|| LifecycleError::Query("the query must be a single SELECT".into()))?;
    as_system(|| {
        sql::run(
            "UPDATE pgtrickle.pgt_stream_tables SET original_query = $2, analysed = $3, printed = \
             $4, settings = $5, needs_reinit = true, reinit_reason = 'its query was changed' WHERE \
             pgt_id = $1",
            &[
                arg(table.pgt_id),
                arg(query),
                arg(kept.analysed),
                arg(kept.printed),
                arg(JsonB(serde_json::json!(recorded))),
            ],
        );
        audience::changed();
    });
    if table.status != "SUSPENDED" && table.populated {
        refresh::run_all(&[table.pgt_id], Initiator::Manual)?;
    }
    Ok(())
}

/// The stream table, locked by the caller.
pub fn load(pgt_id: i64) -> Result<StreamTable, LifecycleError> {
    StreamTable::load(pgt_id).ok_or_else(|| RefreshError::NotFound(pgt_id.to_string()).into())
}
