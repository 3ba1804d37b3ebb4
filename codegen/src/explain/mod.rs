//! What is known about one query, rendered for people and tools.
//!
//! `explain-delta` and the extension's `pgtrickle.explain_delta` print through here, so that both
//! say the same. Renderings depend on nothing but what they are given; no colours, no clock.
//!
//! | format | for |
//! |---|---|
//! | [`Format::Text`] | reading |
//! | [`Format::Json`] | tools |
//! | [`Format::Sql`] | psql: storage, batches as temporary tables, lets, applies |
//! | [`Format::Dot`], [`Format::Svg`] | the circuit of the deltas as a drawing |

pub(crate) mod advice;
mod circuit;
mod json;
mod picture;
mod reasons;
mod script;
mod text;

pub use advice::{Advice, Wanted, advice, wanted};
pub use reasons::{excerpt, reasons};

use crate::error::Result;
use crate::names::{Names, stored_columns};
use spec::Reason;
use spec::catalog::Catalog;
use spec::compiled::{Compiled, DeltaPlan};
use spec::program::{RefreshProgram, StorageDdl};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Text,
    Json,
    Sql,
    Dot,
    Svg,
}

impl Format {
    pub const ALL: [(&'static str, Format); 5] = [
        ("text", Format::Text),
        ("json", Format::Json),
        ("sql", Format::Sql),
        ("dot", Format::Dot),
        ("svg", Format::Svg),
    ];

    pub fn named(name: &str) -> Option<Format> {
        let found = Format::ALL.iter().find(|(n, _)| *n == name);
        found.map(|(_, format)| *format)
    }
}

/// An incremental query with everything that is derived from it.
pub struct Explanation<'a> {
    /// The text as the user wrote it.
    pub query: &'a str,
    /// Where it comes from, for instance a file's name.
    pub origin: &'a str,
    pub compiled: &'a Compiled,
    pub plan: &'a DeltaPlan,
    /// With the clock.
    pub catalog: Catalog,
    pub names: &'a Names,
    pub bound: String,
    pub program: RefreshProgram,
    pub storage: StorageDdl,
    pub advice: Vec<Advice>,
    pub(crate) stored: Vec<Vec<String>>,
}

impl<'a> Explanation<'a> {
    pub fn new(
        query: &'a str,
        origin: &'a str,
        compiled: &'a Compiled,
        plan: &'a DeltaPlan,
        catalog: &'a Catalog,
        names: &'a Names,
    ) -> Result<Explanation<'a>> {
        Ok(Explanation {
            query,
            origin,
            compiled,
            plan,
            catalog: names.catalog(compiled, catalog),
            names,
            bound: crate::select(compiled, catalog, names)?,
            program: crate::program(compiled, plan, catalog, names)?,
            storage: crate::storage(compiled, catalog, names)?,
            advice: advice(plan, catalog)?,
            stored: stored_columns(compiled, catalog, names)?,
        })
    }

    pub fn render(&self, format: Format) -> Result<String> {
        Ok(match format {
            Format::Text => text::render(self)?,
            Format::Json => json::render(self)?,
            Format::Sql => script::render(self)?,
            Format::Dot => picture::of(self)?.dot(),
            Format::Svg => picture::of(self)?.svg(),
        })
    }
}

/// A query that is not incremental, or refused: its reasons, as text or JSON (the other formats
/// have nothing to show and get the text).
pub fn render_reasons(query: &str, origin: &str, found: &[Reason], format: Format) -> String {
    match format {
        Format::Json => json::not_incremental(query, origin, found),
        _ => reasons(query, origin, found),
    }
}
