//! Which indexes on the sources the delta programs would use.
//!
//! That is known when a query is compiled, and kept; whether they are there is asked of the
//! catalog, by `missing_indexes()`.

use crate::sql::{self, arg};
use pgrx::pg_sys;
use spec::catalog::Catalog;
use spec::compiled::Compiled;

pub use codegen::explain::Wanted;

/// What the program for changes of all sources wants.
pub fn wanted(compiled: &Compiled, catalog: &Catalog) -> Result<Vec<Wanted>, String> {
    let changed = compiled.sources.iter().map(|s| s.relation).collect();
    let plan = compiler::delta(compiled, catalog, &changed).map_err(|error| error.to_string())?;
    Ok(codegen::explain::wanted(&plan, catalog)
        .into_iter()
        .collect())
}

/// Keeps that; run as the system.
pub fn record(pgt_id: i64, wanted: &[Wanted]) {
    sql::run(
        "DELETE FROM pgtrickle.pgt_wanted_indexes WHERE pgt_id = $1",
        &[arg(pgt_id)],
    );
    for w in wanted {
        let prefix = w.prefix.and_then(|n| i16::try_from(n).ok());
        sql::run(
            "INSERT INTO pgtrickle.pgt_wanted_indexes VALUES ($1, $2, $3, $4)",
            &[
                arg(pgt_id),
                arg(pg_sys::Oid::from(w.relation.0)),
                arg(w.columns.clone()),
                arg(prefix),
            ],
        );
    }
}
