//! `explain_delta`: the same output as the program `explain-delta`, from the live catalog.

use crate::catalog::StreamTable;
use crate::compiled;
use crate::lifecycle::{self, LifecycleError, or_report};
use crate::refresh::RefreshError;
use codegen::explain::{Explanation, Format, render_reasons};
use pgrx::prelude::*;
use spec::clock::CLOCK;
use spec::types::Oid;
use std::collections::BTreeSet;

/// The refresh program as it would run now: for the sources that have changes, or for all of them
/// if none has.
#[pg_extern(volatile, parallel_unsafe, strict)]
fn explain_delta(name: &str, format: default!(&str, "'text'")) -> String {
    or_report::<_, LifecycleError>(explain(name, format))
}

fn explain(name: &str, format: &str) -> Result<String, LifecycleError> {
    let format = Format::named(&format.to_lowercase()).ok_or_else(|| LifecycleError::Invalid {
        argument: "format",
        value: format.to_owned(),
        hint: "It is text, json, sql, dot or svg.",
    })?;
    let internal = |error: &dyn std::fmt::Display| LifecycleError::Compiler(error.to_string());
    let pgt_id = lifecycle::stream_table(name)?;
    let table = StreamTable::load(pgt_id).ok_or_else(|| RefreshError::NotFound(name.to_owned()))?;
    let query = lifecycle::query::current(&table).text;
    let Some(compiled) = compiled::load(&table)? else {
        let reasons = super::reasons::stored(pgt_id)?;
        return Ok(render_reasons(&query, name, &reasons, format));
    };
    let catalog = compiled::snapshot(&compiled::sources(&compiled)).map_err(|e| internal(&e))?;
    let names = compiled::names(&table, &compiled)?;
    let plan = compiler::delta(&compiled, &catalog, &changed(&table)).map_err(|e| internal(&e))?;
    Explanation::new(&query, name, &compiled, &plan, &catalog, &names)
        .and_then(|explanation| explanation.render(format))
        .map_err(|e| internal(&e))
}

/// The sources that have changes that wait, or all.
fn changed(table: &StreamTable) -> BTreeSet<Oid> {
    let of = |relid: pg_sys::Oid| Oid(relid.to_u32());
    let waiting: BTreeSet<Oid> = table
        .sources
        .iter()
        .filter(|s| super::pending::count(table, s.relid).is_some_and(|rows| rows > 0))
        .map(|s| of(s.relid))
        .collect();
    let time = table.clock.iter().map(|_| CLOCK);
    if waiting.is_empty() {
        table
            .sources
            .iter()
            .map(|s| of(s.relid))
            .chain(time)
            .collect()
    } else {
        waiting.into_iter().chain(time).collect()
    }
}
