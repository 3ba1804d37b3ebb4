//! Which indexes on the sources the delta programs would use.
//!
//! That is known when a query is compiled, and kept; whether they are there is asked of the
//! catalog, by `missing_indexes()`.

use crate::sql::{self, arg};
use pgrx::pg_sys;
use spec::catalog::Catalog;
use spec::compiled::Compiled;

/// A source, and columns of it by which programs read it: an index that begins with any serves.
pub type Wanted = (pg_sys::Oid, Vec<i16>);

/// What the program for changes of all sources wants.
pub fn wanted(compiled: &Compiled, catalog: &Catalog) -> Result<Vec<Wanted>, String> {
    let changed = compiled.sources.iter().map(|s| s.relation).collect();
    let plan = compiler::delta(compiled, catalog, &changed).map_err(|error| error.to_string())?;
    let wanted = codegen::explain::wanted(&plan, catalog);
    Ok(wanted
        .into_iter()
        .map(|(relation, columns)| (pg_sys::Oid::from(relation.0), columns))
        .collect())
}

/// Keeps that; run as the system.
pub fn record(pgt_id: i64, wanted: &[Wanted]) {
    sql::run(
        "DELETE FROM pgtrickle.pgt_wanted_indexes WHERE pgt_id = $1",
        &[arg(pgt_id)],
    );
    for (source, columns) in wanted {
        sql::run(
            "INSERT INTO pgtrickle.pgt_wanted_indexes VALUES ($1, $2, $3)",
            &[arg(pgt_id), arg(*source), arg(columns.clone())],
        );
    }
}
