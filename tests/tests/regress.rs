//! Queries in the spirit of PostgreSQL's own regression tests: odd ones, of each construct, over
//! shared tables that change at random. `regress/<topic>.sql` holds the queries of a topic
//! ([`harness::topics`] says how), `regress/schema.sql` the tables, `regress/changes.rs` the changes.
//! [`harness::suite`] says how they are run.

#[path = "regress/changes.rs"]
mod changes;

use changes::{BATCHES, Batch, statements};
use harness::suite::{self, Suite};
use spec::tape::Tape;

const SCHEMA: &str = include_str!("regress/schema.sql");

macro_rules! topics {
    ($($topic:ident)+) => {
        $(#[test]
        fn $topic() {
            run(stringify!($topic), include_str!(concat!("regress/", stringify!($topic), ".sql")));
        })+

        const TOPICS: &[&str] = &[$(stringify!($topic)),+];
    };
}

topics! {
    joins aggregates grouping_sets subqueries windows set_operations with lateral limits distinct jsonb types
}

/// Every file of queries is a test.
#[test]
fn all_topics_are_run() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/regress");
    let mut files: Vec<String> = std::fs::read_dir(directory)
        .expect("the topics")
        .filter_map(|file| file.ok()?.file_name().into_string().ok())
        .filter_map(|file| Some(file.strip_suffix(".sql")?.to_owned()))
        .filter(|file| file != "schema")
        .collect();
    files.sort();
    let mut topics = TOPICS.to_vec();
    topics.sort_unstable();
    assert_eq!(files, topics);
}

fn run(topic: &str, queries: &str) {
    // Each topic has changes of its own.
    let mut tape = Tape::seeded(topic.bytes().map(u64::from).sum(), 100_000);
    let mut batch = |kind: Batch| suite::Batch {
        name: format!("{kind:?}"),
        statements: statements(kind, &mut tape),
    };
    suite::run(&Suite {
        name: topic,
        schema: SCHEMA,
        queries,
        before: [Batch::Fill, Batch::Fill].map(&mut batch).into(),
        batches: BATCHES.map(&mut batch).into(),
    });
}
