//! Where the compiler and codegen are joined to the server: the catalog snapshot that they read,
//! the check of what they concluded, and the programs that they make.

mod check;
pub mod named;
mod snapshot;

pub use check::check;
pub use snapshot::snapshot;

use crate::catalog::{StreamTable, copies};
use crate::pg::{OpenRelation, attributes, cstring};
use crate::refresh::RefreshError;
use crate::refresh::identity::as_system;
use crate::sql::{self, arg};
use codegen::Names;
use pgrx::pg_sys;
use spec::clock::CLOCK;
use spec::compiled::Compiled;
use spec::program::{QualifiedName, RefreshProgram};
use spec::reason::{Reason, ReasonCode};
use spec::types::Oid;
use std::collections::BTreeSet;

/// Schema and name of a relation as they are now.
pub fn name_of(relation: pg_sys::Oid) -> Option<QualifiedName> {
    // SAFETY: look-ups that return null for what does not exist.
    unsafe {
        let schema = pg_sys::get_namespace_name(pg_sys::get_rel_namespace(relation));
        Some(QualifiedName {
            schema: crate::pg::string(schema)?,
            name: crate::pg::string(pg_sys::get_rel_name(relation))?,
        })
    }
}

fn internal(table: &StreamTable, what: impl std::fmt::Display) -> RefreshError {
    RefreshError::Internal {
        step: table.name(),
        what: what.to_string(),
    }
}

/// The compiled query of a stream table; none if it is not incremental.
pub fn load(table: &StreamTable) -> Result<Option<Compiled>, RefreshError> {
    let text: Option<String> = as_system(|| {
        sql::one(
            "SELECT compiled::pg_catalog.text FROM pgtrickle.pgt_stream_tables WHERE pgt_id = $1",
            &[arg(table.pgt_id)],
        )
    });
    let compiled = text.map(|text| serde_json::from_str(&text).map_err(|e| internal(table, e)));
    let mut compiled: Option<Compiled> = compiled.transpose()?;
    // Time is no source that anybody can promise something of.
    let sources = compiled.iter_mut().flat_map(|c| &mut c.sources);
    for source in sources.filter(|s| s.relation != CLOCK) {
        source.append_only = table.append_only;
    }
    Ok(compiled)
}

pub fn names(table: &StreamTable, compiled: &Compiled) -> Result<Names, RefreshError> {
    let name =
        name_of(table.relid).ok_or_else(|| RefreshError::NotFound(table.pgt_id.to_string()))?;
    let mut names = Names::new(name, table.pgt_id, compiled);
    names.columns = names.stored.iter().map(columns_of).collect();
    Ok(names)
}

/// The columns of a table as they are called now; none if there is no such table.
fn columns_of(table: &QualifiedName) -> Option<Vec<String>> {
    let (schema, name) = (cstring(&table.schema), cstring(&table.name));
    // SAFETY: look-ups that return invalid for what is missing; the table is open while its
    // descriptor is read.
    unsafe {
        let schema = pg_sys::get_namespace_oid(schema.as_ptr(), true);
        let oid = pg_sys::get_relname_relid(name.as_ptr(), schema);
        if oid == pg_sys::InvalidOid {
            return None;
        }
        let relation = OpenRelation::open(oid, pg_sys::AccessShareLock as i32);
        let columns = attributes(relation.tuple_desc());
        let live = columns.iter().filter(|a| !a.attisdropped);
        Some(live.map(|a| crate::pg::name(&a.attname).into()).collect())
    }
}

pub fn sources(compiled: &Compiled) -> Vec<pg_sys::Oid> {
    let tables = compiled.sources.iter().filter(|s| s.relation != CLOCK);
    tables.map(|s| pg_sys::Oid::from(s.relation.0)).collect()
}

/// The query as it was compiled, of a stream table of which several contents are right: it makes
/// the choice that refreshes make, and reads its clock.
pub fn choosing(table: &StreamTable) -> Result<Option<String>, RefreshError> {
    let open = |r: &Reason| r.code == ReasonCode::OrderDependent;
    let open = |c: &Compiled| c.clock.is_some() || c.reasons.iter().any(open);
    let Some(compiled) = load(table)?.filter(open) else {
        return Ok(None);
    };
    let catalog = snapshot(&sources(&compiled)).map_err(|e| internal(table, e))?;
    let names = names(table, &compiled)?;
    let query = codegen::select(&compiled, &catalog, &names);
    query.map(Some).map_err(|error| internal(table, error))
}

/// The program for a set of changed sources.
pub fn program(
    table: &StreamTable,
    changed: &BTreeSet<Oid>,
) -> Result<RefreshProgram, RefreshError> {
    let compiled =
        load(table)?.ok_or_else(|| internal(table, "is not incremental, and has no program"))?;
    let mut catalog = snapshot(&sources(&compiled)).map_err(|e| internal(table, e))?;
    copies::substitute(table.pgt_id, &compiled, &mut catalog);
    let names = names(table, &compiled)?;
    let plan =
        compiler::delta(&compiled, &catalog, changed).map_err(|error| internal(table, error))?;
    codegen::program(&compiled, &plan, &catalog, &names).map_err(|error| internal(table, error))
}

/// The program that makes all stored collections what the query says; none if not incremental.
pub fn reconciling(table: &StreamTable) -> Result<Option<RefreshProgram>, RefreshError> {
    let Some(compiled) = load(table)? else {
        return Ok(None);
    };
    let mut catalog = snapshot(&sources(&compiled)).map_err(|e| internal(table, e))?;
    copies::substitute(table.pgt_id, &compiled, &mut catalog);
    let names = names(table, &compiled)?;
    codegen::reconcile(&compiled, &catalog, &names)
        .map(Some)
        .map_err(|error| internal(table, error))
}

/// `PGT0109: LATERAL (line 1, column 20)`, one for each reason.
pub fn explain(reasons: &[Reason], query: &str) -> String {
    let lines: Vec<String> = reasons
        .iter()
        .map(|reason| {
            let at = reason.span.map_or(String::new(), |span| {
                let before = query.get(..span.start as usize).unwrap_or(query);
                let line = before.matches('\n').count() + 1;
                let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
                format!(" (line {line}, column {column})")
            });
            format!("{}: {}{at}", reason.code, reason.message)
        })
        .collect();
    lines.join("; ")
}
