//! Random queries × random DML: a scenario is a schema, some stream tables over it, and batches
//! of changes; after each batch every stream table is refreshed and must obey the law.
//!
//! | module | what it makes |
//! |---|---|
//! | [`types`] | column types, literals from tiny domains |
//! | [`schema`] | tables with and without keys |
//! | [`expr`], [`query`] | typed expressions and queries that cannot raise |
//! | [`history`] | DML that cannot fail |
//! | [`run`] | running a scenario on a server, and what can go wrong |
//! | [`crowd`] | several writers at once |
//! | [`offline`] | running programs without the extension |
//! | [`shrink`] | making a failing scenario small, and printing it as a script |
//! | [`campaign`] | many scenarios |
//!
//! Everything is read from tapes ([`spec::tape::Tape`]), and a seed fixes the tapes: the same seed
//! is the same scenario.

pub mod campaign;
pub mod crowd;
pub mod expr;
pub mod history;
pub mod offline;
pub mod query;
pub mod run;
pub mod schema;
pub mod shrink;
pub mod types;

use history::Batch;
use query::{Query, Relation};
use schema::Table;
use spec::tape::Tape;

/// One stream table to be.
#[derive(Clone, Debug)]
pub struct Subject {
    pub name: String,
    pub query: Query,
    /// What the query was read from.
    pub tape: Tape,
    /// May read other stream tables.
    pub streams: bool,
}

/// In each session that asks a query itself: PostgreSQL 18 goes down where it eliminates a self-join
/// beside a LATERAL UNION ALL.
const UNHARMED: &str = "SET enable_self_join_elimination = off;";

#[derive(Clone, Debug)]
pub struct Scenario {
    pub seed: u64,
    pub tables: Vec<Table>,
    /// Name and query.
    pub views: Vec<(String, Query)>,
    /// One INSERT each.
    pub rows: Vec<String>,
    pub subjects: Vec<Subject>,
    pub batches: Vec<Batch>,
}

impl Scenario {
    /// Without what only the extension does: TRUNCATE, partitions and children, and stream tables
    /// on stream tables.
    pub fn without_extension(mut self) -> Scenario {
        self.subjects.retain(|s| !s.streams);
        for table in &mut self.tables {
            table.parts = schema::Parts::None;
        }
        let statements = self.batches.iter_mut().flat_map(|b| &mut b.statements);
        for sql in statements.chain(&mut self.rows) {
            *sql = sql.replace(schema::CHILD, "");
        }
        for batch in &mut self.batches {
            for sql in &mut batch.statements {
                *sql = sql.replace("TRUNCATE ", "DELETE FROM ");
            }
            batch.truncates = false;
        }
        self
    }

    /// With statements within functions and savepoints, some of which are undone: for stream tables
    /// that are exact after each of them. The tapes of everything else stay what they are.
    pub fn with_savepoints(mut self) -> Scenario {
        for (i, batch) in self.batches.iter_mut().enumerate() {
            let seed = self
                .seed
                .wrapping_mul(1_000_003)
                .wrapping_add(1000 + i as u64);
            history::undo_some(&mut Tape::seeded(seed, 400), batch);
        }
        self
    }

    /// The scenario of a seed, with so many stream tables.
    pub fn generate(seed: u64, subjects: usize) -> Scenario {
        let part = |n: u64| seed.wrapping_mul(1_000_003).wrapping_add(n);
        let mut tape = Tape::seeded(part(0), 4000);
        let tables = schema::tables(&mut tape);
        let mut out = Scenario {
            seed,
            rows: history::initial_rows(&mut tape, &tables),
            batches: history::batches(&mut tape, &tables),
            tables,
            views: vec![],
            subjects: vec![],
        };
        let mut tape = Tape::seeded(part(1), 400);
        for i in 0..tape.weighted(&[40, 40, 20]) {
            let q = query::view(&mut tape, &out.relations(false));
            out.views.push((format!("v{i}"), q));
        }
        for i in 0..subjects {
            let tape = Tape::seeded(part(2 + i as u64), 600);
            let subject = out.subject(format!("s{i}"), tape);
            out.subjects.push(subject);
        }
        out
    }

    /// Reads a query from a tape.
    pub fn subject(&self, name: String, tape: Tape) -> Subject {
        let mut reader = tape.clone();
        // The second half reads stream tables too.
        let streams = self.subjects.len() >= 3 && reader.percent(20);
        let query = query::query(&mut reader, &self.relations(streams));
        Subject {
            name,
            query,
            tape,
            streams,
        }
    }

    /// What queries may read.
    fn relations(&self, streams: bool) -> Vec<Relation> {
        let mut out: Vec<Relation> = self.tables.iter().map(Relation::table).collect();
        out.extend(
            self.views
                .iter()
                .map(|(name, q)| Relation::view(name, q, 4)),
        );
        if streams {
            let subjects = self.subjects.iter();
            out.extend(subjects.map(|s| Relation::stream_table(&s.name, &s.query)));
        }
        out
    }

    /// The statements that make types, tables, views and rows.
    pub fn setup(&self) -> Vec<String> {
        let mut out = vec![UNHARMED.to_owned(), schema::TYPES.to_owned()];
        out.extend(self.tables.iter().map(Table::ddl));
        out.extend(self.rows.iter().cloned());
        let views = self.views.iter();
        out.extend(views.map(|(name, q)| format!("CREATE VIEW {name} AS {};", q.sql)));
        out
    }
}
