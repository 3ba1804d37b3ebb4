//! Rebuilding a stream table from its query: the first fill, FULL refreshes, and whenever changes
//! cannot tell (a truncated source).
//!
//! The new content is compared with the old by image, and only the difference is written:
//!
//! ```text
//! delta = consolidate(query ⊎ −old)
//! ```
//!
//! so that what stays is not touched, and readers of the stream table are told exactly what
//! changed.

use super::execute::{Changed, Execution, count, publish};
use super::identity::{as_owner, as_system};
use super::relation::Delta;
use super::{RefreshError, name_of, run_program};
use crate::catalog::StreamTable;
use crate::compiled;
use crate::frontier::Epoch;
use crate::guard;
use crate::lifecycle::{self, Definition};
use crate::pg::{OpenRelation, attributes, quote_identifier};
use crate::sql;
use pgrx::pg_sys;

const NEW: &str = "pgt_new";
const DELTA: &str = "pgt_delta";

/// The live columns of a table, quoted.
pub fn columns_of(relation: pg_sys::Oid) -> Vec<String> {
    let table = OpenRelation::open(relation, pg_sys::AccessShareLock as i32);
    // SAFETY: open.
    unsafe {
        attributes(table.tuple_desc())
            .iter()
            .filter(|a| !a.attisdropped)
            .map(|a| quote_identifier(crate::pg::name(&a.attname)))
            .collect()
    }
}

/// The name of the weight beside these (quoted) columns, none of which has it.
pub fn weight(columns: &[String]) -> String {
    let mut name = String::from("w");
    while columns.contains(&name) {
        name.push('_');
    }
    name
}

/// `SELECT weight, columns…`: the difference between two relations, by image.
pub fn difference(new: &str, old: &str, columns: &[String]) -> String {
    let w = weight(columns);
    let list = columns.join(", ");
    let any: String = columns
        .iter()
        .map(|c| format!(", pg_catalog.any_value({c}) AS {c}"))
        .collect();
    format!(
        "SELECT pg_catalog.sum({w})::pg_catalog.int8 AS {w}{any} FROM (\
         SELECT 1 AS {w}, n.* FROM {new} AS n UNION ALL SELECT -1, {list} FROM {old}) AS u \
         ({w}, {list}) GROUP BY pgtrickle.row_image(ROW({list})) \
         HAVING pg_catalog.sum({w}) <> 0"
    )
}

/// Brings all that is stored of a stream table to what its query says.
pub fn run(table: &StreamTable, epoch: &Epoch) -> Result<Changed, RefreshError> {
    match compiled::reconciling(table)? {
        Some(program) => as_owner(table.owner, table.safe_settings(), || {
            sql::connect(|connection| {
                let mut execution = Execution::new(connection, epoch);
                let changed = run_program(table, &program, &mut execution)?;
                execution.end();
                Ok(changed)
            })
        }),
        None => from_text(table, epoch),
    }
}

/// The same for a new definition, whose states are empty: its indexes come last, as what is stored
/// may not fit them yet.
pub fn anew(
    table: &StreamTable,
    epoch: &Epoch,
    definition: &Definition,
) -> Result<Changed, RefreshError> {
    as_system(|| lifecycle::drop_own_indexes(table));
    let changed = match &definition.storage {
        Some(storage) => {
            as_owner(table.owner, table.safe_settings(), || {
                sql::connect(|connection| {
                    let execution = Execution::new(connection, epoch);
                    guard::writing(|| {
                        for (_, fill) in storage.fills.iter().filter(|(id, _)| id.0 != 0) {
                            execution.write(fill);
                        }
                    });
                    execution.end();
                });
            });
            // Which reads the states.
            let filled = epoch.advanced();
            from_query(table, &filled, &storage.content, table.safe_settings())?
        }
        None => from_text(table, epoch)?,
    };
    as_system(|| lifecycle::create_indexes(table.pgt_id, table.relid, definition));
    Ok(changed)
}

/// The stream table itself, from the text of its query.
fn from_text(table: &StreamTable, epoch: &Epoch) -> Result<Changed, RefreshError> {
    let current = lifecycle::query::current(table);
    from_query(table, epoch, &current.text, &current.settings)
}

fn from_query(
    table: &StreamTable,
    epoch: &Epoch,
    query: &str,
    settings: &[(String, String)],
) -> Result<Changed, RefreshError> {
    let target = name_of(table.relid);
    let columns = columns_of(table.relid);
    as_owner(table.owner, settings, || {
        sql::connect(|connection| {
            let mut execution = Execution::new(connection, epoch);
            execution.query(NEW, query)?;
            let mut safe = super::settings::Settings::local(&[]);
            safe.set("search_path", "pg_catalog, pg_temp");
            let (changed, delta) = replace(&mut execution, NEW, &target, &columns)?;
            publish(table, delta)?;
            safe.restore();
            execution.end();
            Ok(changed)
        })
    })
}

/// Brings a table to what a query says, and says by what they differed.
pub fn bring<'e>(
    execution: &'e mut Execution<'_>,
    query: &str,
    target: &str,
    columns: &[String],
) -> Result<&'e Delta, RefreshError> {
    let (_, delta) = replace(execution, &format!("({query})"), target, columns)?;
    Ok(delta)
}

/// Brings a table to the rows of a relation, and says by what they differed.
pub fn replace<'e>(
    execution: &'e mut Execution<'_>,
    new: &str,
    target: &str,
    columns: &[String],
) -> Result<(Changed, &'e Delta), RefreshError> {
    execution.query(DELTA, &difference(new, target, columns))?;
    let changed = apply(execution, target, columns);
    let delta = execution
        .relation(DELTA)
        .ok_or_else(|| RefreshError::Internal {
            step: DELTA.to_string(),
            what: "is not there".to_string(),
        })?;
    Ok((changed, delta))
}

/// Applies a consolidated delta to a table, matching rows by image.
fn apply(execution: &Execution<'_>, target: &str, columns: &[String]) -> Changed {
    let Some(delta) = execution.relation(DELTA) else {
        return Changed::default();
    };
    let changed = count(delta);
    let list = columns.join(", ");
    let w = weight(columns);
    guard::writing(|| {
        if changed.deleted > 0 {
            execution.write(&format!(
                "DELETE FROM {target} AS t USING (\
                 SELECT s.tid, d.k, pg_catalog.row_number() OVER (PARTITION BY d.image) AS n \
                 FROM (SELECT ctid AS tid, pgtrickle.row_image(ROW({list})) AS image FROM {target}) \
                 AS s JOIN (SELECT pgtrickle.row_image(ROW({list})) AS image, -{w} AS k FROM {DELTA} \
                 WHERE {w} < 0) AS d ON s.image = d.image) AS v \
                 WHERE t.ctid = v.tid AND v.n <= v.k"
            ));
        }
        if changed.inserted > 0 {
            let values: Vec<String> = columns.iter().map(|c| format!("d.{c}")).collect();
            execution.write(&format!(
                "INSERT INTO {target} ({list}) SELECT {} FROM {DELTA} AS d, \
                 pg_catalog.generate_series(1, d.{w}) AS copies WHERE d.{w} > 0",
                values.join(", ")
            ));
        }
    });
    changed
}

/// The content of an empty stream table: the rows of its query, as they come. Says how many.
pub fn first_fill(table: &StreamTable, epoch: &Epoch) -> Result<u64, RefreshError> {
    let target = name_of(table.relid);
    let list = columns_of(table.relid).join(", ");
    let current = lifecycle::query::current(table);
    as_owner(table.owner, &current.settings, || {
        sql::connect(|connection| {
            let mut execution = Execution::new(connection, epoch);
            execution.query(NEW, &current.text)?;
            let inserted = guard::writing(|| {
                execution.write(&format!(
                    "INSERT INTO {target} ({list}) SELECT * FROM {NEW}"
                ))
            });
            execution.end();
            Ok(inserted)
        })
    })
}
