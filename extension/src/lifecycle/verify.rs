//! `verify`: the rows by which a stream table differs from its query, by image, in one snapshot.
//!
//! Where the query leaves something open (which of several tied rows are the first ten), it is
//! compared as it was compiled: another valid choice is no difference.

use super::error::or_report;
use super::{LifecycleError, names, query as defining};
use crate::catalog::StreamTable;
use crate::compiled;
use crate::frontier::Epoch;
use crate::refresh::identity::as_owner;
use crate::refresh::{RefreshError, name_of, rebuild};
use crate::sql;
use pgrx::prelude::*;

/// The rows by which the stream table differs from its query: how many times too often (or, if
/// negative, too seldom) it holds each. None if it is exact.
#[pg_extern(volatile, parallel_unsafe)]
fn verify(
    name: &str,
) -> TableIterator<'static, (name!(weight, i64), name!(row_text, Option<String>))> {
    let rows = or_report::<_, LifecycleError>((|| {
        let pgt_id = names::stream_table(name)?;
        names::check_owner(names::relation(name))?;
        let table =
            StreamTable::load(pgt_id).ok_or_else(|| RefreshError::NotFound(name.to_string()))?;
        let columns = rebuild::columns_of(table.relid);
        let current = match compiled::choosing(&table)? {
            Some(text) => defining::Current {
                text,
                settings: table.safe_settings().to_vec(),
            },
            None => defining::current(&table),
        };
        let epoch = Epoch::begin();
        let query = rebuild::difference(
            &name_of(table.relid),
            &format!(
                "(SELECT * FROM (\n{}\n) AS q ({}))",
                current.text,
                columns.join(", ")
            ),
            &columns,
        );
        let text = format!(
            "SELECT d.{}, ROW({})::pg_catalog.text FROM ({query}) AS d ORDER BY 2",
            rebuild::weight(&columns),
            columns
                .iter()
                .map(|c| format!("d.{c}"))
                .collect::<Vec<_>>()
                .join(", ")
        );
        Ok(as_owner(table.owner, &current.settings, || {
            epoch.active(|| {
                sql::connect(|c| {
                    c.read(&text, &[])
                        .iter()
                        .map(|row| (row.get(1).unwrap_or_default(), row.get(2)))
                        .collect::<Vec<(i64, Option<String>)>>()
                })
            })
        }))
    })());
    TableIterator::new(rows)
}
