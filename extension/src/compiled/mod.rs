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
use spec::Op;
use spec::clock::CLOCK;
use spec::compiled::Compiled;
use spec::program::{QualifiedName, RefreshProgram};
use spec::reason::{Reason, ReasonCode, Span};
use spec::types::Oid;
use std::collections::{BTreeMap, BTreeSet, HashMap};

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

/// Is more kept of it than its rows?
pub fn has_states(table: &StreamTable) -> Result<bool, RefreshError> {
    Ok(load(table)?.is_some_and(|compiled| compiled.storage.stored.len() > 1))
}

/// The query as it was compiled, over other rows: where it reads one of these relations, what has
/// this name.
pub fn over(table: &StreamTable, instead: &BTreeMap<Oid, String>) -> Result<String, RefreshError> {
    let compiled =
        load(table)?.ok_or_else(|| internal(table, "is not incremental, and has no circuit"))?;
    let catalog = snapshot(&sources(&compiled)).map_err(|e| internal(table, e))?;
    let names = names(table, &compiled)?;
    codegen::select_over(&compiled, &catalog, &names, instead)
        .map_err(|error| internal(table, error))
}

/// A relation of rows that are gone from a source.
pub struct Leaf {
    pub name: String,
    /// The columns of the source that it has, as `c0`, `c1`, …; None: all.
    pub attnums: Option<Vec<i16>>,
}

/// What rows that are gone had a part in.
pub enum Doubts {
    Nothing,
    /// The rows of this query, at least.
    Of(String),
    Unclear,
}

/// What rows gone from the sources `from` had a part in, where `lost` do not hold theirs any more; the
/// rows that are gone from a source are in its leaf.
pub fn doubts(
    table: &StreamTable,
    lost: &BTreeSet<Oid>,
    from: &BTreeSet<Oid>,
    leaf: &dyn Fn(Oid) -> Option<Leaf>,
) -> Result<Doubts, RefreshError> {
    let compiled =
        load(table)?.ok_or_else(|| internal(table, "is not incremental, and has no circuit"))?;
    let catalog = snapshot(&sources(&compiled)).map_err(|e| internal(table, e))?;
    let circuit = &compiled.circuit;
    let found = match compiler::doubt::doubt(circuit, compiled.root, lost, from, &catalog) {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(Doubts::Nothing),
        Err(compiler::doubt::Unclear) => return Ok(Doubts::Unclear),
    };
    let mut named = HashMap::new();
    for (relation, node) in &found.gone {
        let attnums = circuit.ids().find_map(|id| match circuit.op(id) {
            Op::Source(source) if source.relation == *relation => Some(&source.attnums),
            _ => None,
        });
        let (Some(leaf), Some(attnums)) = (leaf(*relation), attnums) else {
            return Ok(Doubts::Unclear);
        };
        let kept = leaf.attnums.as_ref().unwrap_or(attnums);
        let column = |attnum: &i16| {
            let place = kept.iter().position(|a| a == attnum)?;
            Some(format!("c{place}"))
        };
        let columns = attnums.iter().map(column).collect();
        let name = leaf.name;
        named.insert(*node, codegen::Named { name, columns });
    }
    let columns: Vec<String> = compiled.columns.iter().map(|c| c.name.clone()).collect();
    let query = codegen::select_with(&found.circuit, found.root, &columns, &catalog, named);
    query
        .map(Doubts::Of)
        .map_err(|error| internal(table, error))
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
            let at = place(reason.span, query);
            format!("{}: {}{at}", reason.code, reason.message)
        })
        .collect();
    lines.join("; ")
}

/// ` (line 1, column 20)`, if it is known.
pub fn place(span: Option<Span>, query: &str) -> String {
    span.map_or(String::new(), |span| {
        let before = query.get(..span.start as usize).unwrap_or(query);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        format!(" (line {line}, column {column})")
    })
}
