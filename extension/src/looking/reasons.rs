//! Why a query is not incremental, or not without bound: every reason, with its place.

use crate::catalog::StreamTable;
use crate::compiled;
use crate::lifecycle::{self, LifecycleError, or_report};
use crate::refresh::RefreshError;
use crate::refresh::identity::as_system;
use crate::sql::{self, arg};
use compiler::Outcome;
use pgrx::JsonB;
use pgrx::prelude::*;
use spec::reason::{Reason, Severity};

/// A reason as a row: code, severity, message, line, column, the text there, hint.
type Shown = (
    String,
    &'static str,
    String,
    Option<i32>,
    Option<i32>,
    Option<String>,
    Option<String>,
);

fn severity(of: Severity) -> &'static str {
    match of {
        Severity::Refused => "REFUSED",
        Severity::NotIncremental => "NOT INCREMENTAL",
        Severity::Bounded => "BOUNDED",
    }
}

fn show(reason: &Reason, query: &str) -> Shown {
    let place = reason.span.and_then(|span| {
        let before = query.get(..span.start as usize)?;
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        let fragment = query.get(span.start as usize..span.end as usize)?;
        Some((line as i32, column as i32, fragment.to_owned()))
    });
    let (line, column, fragment) = match place {
        Some((line, column, fragment)) => (Some(line), Some(column), Some(fragment)),
        None => (None, None, None),
    };
    (
        reason.code.code().to_owned(),
        severity(reason.code.severity()),
        reason.message.clone(),
        line,
        column,
        fragment,
        reason.hint.clone(),
    )
}

/// Every reason that the compiler finds against a query, the search path being what it is.
fn find(query: &str) -> Result<Vec<Reason>, LifecycleError> {
    let relations = match lifecycle::analyse_any(query) {
        Ok(analysed) => analysed.relations,
        // The compiler says the same with a code and a place.
        Err(LifecycleError::Query(_)) => vec![],
        Err(other) => return Err(other),
    };
    let catalog =
        compiled::snapshot(&relations).map_err(|e| LifecycleError::Compiler(e.to_string()))?;
    Ok(match compiler::compile(query, &catalog) {
        Ok(Outcome::Incremental(compiled)) => compiled.reasons,
        Ok(Outcome::NotIncremental { reasons, .. }) | Err(reasons) => reasons,
    })
}

/// The reasons that were found when the stream table was compiled.
pub fn stored(pgt_id: i64) -> Result<Vec<Reason>, LifecycleError> {
    let stored: Option<JsonB> = as_system(|| {
        sql::one(
            "SELECT reasons FROM pgtrickle.pgt_stream_tables WHERE pgt_id = $1",
            &[arg(pgt_id)],
        )
    });
    stored.map_or(Ok(vec![]), |JsonB(value)| {
        serde_json::from_value(value).map_err(|error| LifecycleError::Compiler(error.to_string()))
    })
}

/// Every reason why a query cannot be incremental, or not without bound.
#[pg_extern(volatile, parallel_unsafe, strict)]
#[allow(clippy::type_complexity)]
fn validate_query(
    query: &str,
) -> TableIterator<
    'static,
    (
        name!(code, String),
        name!(severity, &'static str),
        name!(message, String),
        name!(line, Option<i32>),
        name!(col, Option<i32>),
        name!(fragment, Option<String>),
        name!(hint, Option<String>),
    ),
> {
    let reasons = or_report::<_, LifecycleError>(find(query));
    let rows: Vec<Shown> = reasons.iter().map(|r| show(r, query)).collect();
    TableIterator::new(rows)
}

/// How a stream table is refreshed, and every reason; one row without a code if there is none.
#[pg_extern(volatile, parallel_unsafe, strict)]
#[allow(clippy::type_complexity)]
fn explain_refresh_mode(
    name: &str,
) -> TableIterator<
    'static,
    (
        name!(configured_mode, String),
        name!(effective_mode, &'static str),
        name!(code, Option<String>),
        name!(severity, Option<&'static str>),
        name!(message, Option<String>),
        name!(line, Option<i32>),
        name!(col, Option<i32>),
        name!(fragment, Option<String>),
        name!(hint, Option<String>),
    ),
> {
    let (table, reasons) = or_report::<_, LifecycleError>((|| {
        let pgt_id = lifecycle::stream_table(name)?;
        let table =
            StreamTable::load(pgt_id).ok_or_else(|| RefreshError::NotFound(name.to_owned()))?;
        Ok((table, stored(pgt_id)?))
    })());
    let configured = table.refresh_mode.clone();
    let effective = match (configured.as_str(), table.incremental) {
        ("FULL", _) | (_, false) => "FULL",
        ("AUTO", true) => "DIFFERENTIAL or FULL, by cost",
        _ => "DIFFERENTIAL",
    };
    let query = lifecycle::query::current(&table).text;
    let mut rows = vec![];
    for reason in &reasons {
        let (code, severity, message, line, column, fragment, hint) = show(reason, &query);
        rows.push((
            configured.clone(),
            effective,
            Some(code),
            Some(severity),
            Some(message),
            line,
            column,
            fragment,
            hint,
        ));
    }
    if rows.is_empty() {
        rows.push((
            configured, effective, None, None, None, None, None, None, None,
        ));
    }
    TableIterator::new(rows)
}
