//! A schema file (DDL, by hand or by `pg_dump --schema-only`) to a catalog snapshot.
//!
//! Statements are taken in order, each seeing what came before, as a server would run them. Kept is
//! what [`spec::catalog`] describes: what an object is, not what it is stored in or who may use
//! it. A statement whose effect on the snapshot is not understood is an error or a [`Warning`],
//! never passed over; one that cannot have any (GRANT, COMMENT, data) is.
//!
//! OIDs are synthetic: counted from 16384 in the order of the file, so the same file always gives
//! the same catalog.
//!
//! | file | statements |
//! |---|---|
//! | `loader.rs` | the state of loading, names, which statement goes where |
//! | `table.rs` | CREATE TABLE and its columns, views |
//! | `constraint.rs` | keys, foreign keys, NOT NULL, indexes |
//! | `alter.rs` | ALTER TABLE |
//! | `types.rs` | enums, domains, composites, ranges |
//! | `routine.rs` | functions, aggregates, operators, casts |

mod alter;
mod constraint;
mod loader;
mod routine;
mod table;
mod types;

use crate::parse::{ParseError, parse};
use crate::typename::TypeNameError;
use loader::Loader;
use spec::Span;
use spec::catalog::Catalog;
use std::borrow::Cow;

/// Why a schema file is no schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SchemaError {
    pub message: String,
    /// In the schema file. The span is empty where only the beginning is known.
    pub span: Option<Span>,
    pub hint: Option<String>,
}

impl SchemaError {
    fn new(message: impl Into<String>) -> SchemaError {
        SchemaError {
            message: message.into(),
            span: None,
            hint: None,
        }
    }

    fn at(mut self, location: i32) -> SchemaError {
        if let Ok(at) = u32::try_from(location) {
            self.span = Some(Span { start: at, end: at });
        }
        self
    }

    fn hint(mut self, hint: impl Into<String>) -> SchemaError {
        self.hint = Some(hint.into());
        self
    }
}

impl From<ParseError> for SchemaError {
    fn from(error: ParseError) -> SchemaError {
        SchemaError {
            span: error.span(),
            hint: error.hint().map(str::to_owned),
            message: error.to_string(),
        }
    }
}

impl From<TypeNameError> for SchemaError {
    fn from(error: TypeNameError) -> SchemaError {
        let reason = error.reason();
        SchemaError {
            message: reason.message,
            span: reason.span,
            hint: reason.hint,
        }
    }
}

/// A statement that was passed over although it might matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub message: String,
    pub span: Span,
}

/// What a schema file says.
#[derive(Clone, Debug)]
pub struct Schema {
    pub catalog: Catalog,
    pub warnings: Vec<Warning>,
}

/// Reads a schema file.
///
/// The catalog's search path is the last one that the file sets, if that is not empty (pg_dump
/// sets an empty one for itself), else `public`.
pub fn load_schema(sql: &str) -> Result<Schema, SchemaError> {
    let sql = without_meta_commands(sql);
    let tree = parse(&sql)?;
    let mut loader = Loader::new();
    for raw in &tree.stmts {
        let span = statement_span(&sql, raw.stmt_location, raw.stmt_len);
        let Some(statement) = raw.stmt.as_ref().and_then(|s| s.node.as_ref()) else {
            continue;
        };
        loader
            .statement(statement, span)
            .map_err(|error| SchemaError {
                span: error.span.or(Some(span)),
                ..error
            })?;
    }
    Ok(loader.finish())
}

/// psql's own commands that pg_dump writes, blanked out so that positions stay.
fn without_meta_commands(sql: &str) -> Cow<'_, str> {
    const COMMANDS: [&str; 4] = ["\\restrict ", "\\unrestrict ", "\\connect ", "\\c "];
    let is_command = |line: &str| COMMANDS.iter().any(|c| line.starts_with(c));
    if !sql.split_inclusive('\n').any(is_command) {
        return Cow::Borrowed(sql);
    }
    let mut text = String::with_capacity(sql.len());
    for line in sql.split_inclusive('\n') {
        if is_command(line) {
            text.extend(line.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }));
        } else {
            text.push_str(line);
        }
    }
    Cow::Owned(text)
}

/// The statement without the blanks and comments before it; a length of 0 means the rest.
fn statement_span(sql: &str, location: i32, length: i32) -> Span {
    let start = usize::try_from(location).unwrap_or(0).min(sql.len());
    let end = match usize::try_from(length) {
        Ok(length) if length > 0 => (start + length).min(sql.len()),
        _ => sql.len(),
    };
    let text = sql.get(start..end).unwrap_or("");
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let skipped = if rest.starts_with("--") {
            rest.split_once('\n').map_or("", |(_, after)| after)
        } else if rest.starts_with("/*") {
            rest.split_once("*/").map_or("", |(_, after)| after)
        } else {
            break;
        };
        rest = skipped;
    }
    let at = |position: usize| u32::try_from(position).unwrap_or(u32::MAX);
    Span {
        start: at(start + text.len() - rest.len()),
        end: at(start + text.trim_end().len().max(text.len() - rest.len())),
    }
}
