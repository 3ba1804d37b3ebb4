//! Checking the compiler against the server: column types, and the functions, operators and
//! aggregates that it chose. A difference is a bug of the compiler, and is said loudly.

use crate::lifecycle::Analysed;
use crate::sql::{self, arg};
use pgrx::pg_sys;
use spec::compiled::Compiled;
use spec::types::Oid;
use std::collections::BTreeSet;

/// What differs, if anything does.
pub fn check(compiled: &Compiled, analysed: &Analysed) -> Result<(), String> {
    if compiled.columns.len() != analysed.columns.len() {
        return Err(format!(
            "{} columns inferred, PostgreSQL has {}",
            compiled.columns.len(),
            analysed.columns.len()
        ));
    }
    for (ours, theirs) in compiled.columns.iter().zip(&analysed.columns) {
        let ty = ours.ty.ty;
        let inferred = (ty.oid.0, ty.typmod, ty.collation.0);
        let actual = (theirs.ty.to_u32(), theirs.typmod, theirs.collation.to_u32());
        if ours.name != theirs.name || inferred != actual {
            return Err(format!(
                "column \"{}\" was inferred as {} {inferred:?}, PostgreSQL says \"{}\" {actual:?} \
                 (type, typmod, collation)",
                ours.name, ours.name, theirs.name
            ));
        }
    }
    let of = |oids: &[Oid]| oids.iter().map(|o| o.0).collect::<BTreeSet<u32>>();
    differ(
        "function",
        "regprocedure",
        &of(&compiled.bindings.functions),
        &analysed.functions,
    )?;
    differ(
        "operator",
        "regoperator",
        &of(&compiled.bindings.operators),
        &analysed.operators,
    )?;
    differ(
        "aggregate",
        "regprocedure",
        &of(&compiled.bindings.aggregates),
        &analysed.aggregates,
    )
}

fn differ(
    what: &str,
    ty: &str,
    ours: &BTreeSet<u32>,
    theirs: &BTreeSet<u32>,
) -> Result<(), String> {
    let show = |oids: Vec<u32>| -> String {
        let names: Vec<String> = oids
            .into_iter()
            .map(|oid| {
                let text = format!("SELECT $1::pg_catalog.{ty}::pg_catalog.text");
                sql::one::<String>(&text, &[arg(pg_sys::Oid::from(oid))])
                    .unwrap_or_else(|| oid.to_string())
            })
            .collect();
        names.join(", ")
    };
    let only_ours: Vec<u32> = ours.difference(theirs).copied().collect();
    let only_theirs: Vec<u32> = theirs.difference(ours).copied().collect();
    if only_ours.is_empty() && only_theirs.is_empty() {
        return Ok(());
    }
    Err(format!(
        "chose {what}s [{}] where PostgreSQL chose [{}]",
        show(only_ours),
        show(only_theirs)
    ))
}
