//! The batch of a source that is compared with a kept copy, see [`copies`].

use super::RefreshError;
use super::execute::Execution;
use super::identity::as_owner;
use super::rebuild;
use super::relation::Delta;
use crate::catalog::{StreamTable, copies};
use crate::frontier::Epoch;
use crate::sql;
use pgrx::pg_sys;
use spec::program::RelColumn;
use std::collections::BTreeMap;

/// What differed between a source and its copy.
pub struct Difference {
    attnums: Vec<i16>,
    rows: Delta,
}

/// By the OIDs of the sources.
pub type Differences = BTreeMap<u32, Difference>;

impl Difference {
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The batch of a program: these columns of it.
    pub fn batch(&self, name: &str, columns: &[(i16, RelColumn)]) -> Result<Delta, RefreshError> {
        let mut places = vec![0];
        for (attnum, _) in columns {
            let place = self.attnums.iter().position(|a| a == attnum);
            places.push(place.map(|p| p + 1).ok_or_else(|| RefreshError::Internal {
                step: name.to_string(),
                what: format!("reads column {attnum}, which is not kept"),
            })?);
        }
        let columns: Vec<RelColumn> = columns.iter().map(|(_, c)| c.clone()).collect();
        let mut batch = Delta::zset(name, &columns);
        let mut values = vec![pg_sys::Datum::from(0); places.len()];
        let mut nulls = vec![false; places.len()];
        self.rows.for_each(|slot| {
            // SAFETY: places are within the rows, whose columns have the types of the batch's.
            unsafe {
                for (to, &from) in places.iter().enumerate() {
                    values[to] = *(*slot).tts_values.add(from);
                    nulls[to] = *(*slot).tts_isnull.add(from);
                }
                batch.put(&values, &nulls);
            }
        });
        Ok(batch)
    }

    pub fn end(self) {
        self.rows.end();
    }
}

/// Compares all sources of a stream table that it keeps copies of, and brings the copies to what
/// the sources are under the epoch. What comes after must see what this has written.
pub fn with_copies(table: &StreamTable, epoch: &Epoch) -> Result<Differences, RefreshError> {
    let mut differences = Differences::new();
    for copy in copies::kept(table) {
        let columns = copy.batch();
        let mut rows = Delta::zset("pgt_difference", &columns);
        as_owner(table.owner, table.safe_settings(), || {
            sql::connect(|connection| {
                let mut execution = Execution::new(connection, epoch);
                let (target, query) = (copy.name(table.pgt_id), copy.query());
                let found = rebuild::bring(&mut execution, &query, &target, &copy.columns())?;
                let width = columns.len() + 1;
                found.for_each(|slot| {
                    // SAFETY: as wide as `w` and the columns, and of their types.
                    unsafe {
                        rows.put(
                            std::slice::from_raw_parts((*slot).tts_values, width),
                            std::slice::from_raw_parts((*slot).tts_isnull, width),
                        );
                    }
                });
                execution.end();
                Ok::<_, RefreshError>(())
            })
        })?;
        let attnums = copy.attnums;
        differences.insert(copy.source.to_u32(), Difference { attnums, rows });
    }
    Ok(differences)
}
