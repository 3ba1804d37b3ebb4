//! Suites of queries over shared tables that change: each query of a file ([`crate::topics`]) is a
//! stream table. After each batch of changes it is refreshed incrementally, and equals its query.
//! What is not incremental says so by the expected codes, in DIFFERENTIAL mode, and is right in FULL
//! mode.

use crate::law::{by_equality, by_image, describe, holds};
use crate::topics::{Comparison, Expectation, Query, parse};
use crate::{Database, last_refresh};
use postgres::Client;

/// Tables, queries over them, and what happens to the tables.
pub struct Suite<'a> {
    pub name: &'a str,
    /// Makes the tables.
    pub schema: &'a str,
    /// A file of queries.
    pub queries: &'a str,
    /// Before there are stream tables.
    pub before: Vec<Batch>,
    /// Every stream table is refreshed after each.
    pub batches: Vec<Batch>,
}

/// Statements of one transaction.
pub struct Batch {
    pub name: String,
    pub statements: Vec<String>,
}

/// A stream table that is refreshed after each batch.
struct Kept<'a> {
    name: String,
    query: &'a Query,
    comparison: Comparison,
    /// How often it was refreshed by a difference.
    differential: usize,
    /// How many rows these refreshes inserted and deleted.
    changed: i64,
    failed: bool,
}

/// What went wrong, query by query.
#[derive(Default)]
struct Failures(Vec<String>);

impl Failures {
    fn add(&mut self, query: &Query, when: &str, what: &str) {
        let Query { name, sql, .. } = query;
        self.0.push(format!("== {name} ({when}): {what}\n{sql}"));
    }
}

/// Runs a suite, and panics with all that fails.
pub fn run(suite: &Suite<'_>) {
    let name = suite.name;
    let queries = parse(suite.queries).unwrap_or_else(|error| panic!("{name}.sql: {error}"));
    let db = Database::new();
    let mut client = db.connect();
    execute(&mut client, suite.schema).unwrap_or_else(|error| panic!("{name}'s schema: {error}"));
    for batch in &suite.before {
        change(&mut client, batch);
    }

    let mut failures = Failures::default();
    let mut kept = vec![];
    for (i, query) in queries.iter().enumerate() {
        let name = format!("q{i}");
        match create(&mut client, &name, query) {
            Ok(Some(comparison)) => kept.push(Kept {
                name,
                query,
                comparison,
                differential: 0,
                changed: 0,
                failed: false,
            }),
            Ok(None) => {}
            Err(wrong) => failures.add(query, "created", &wrong),
        }
    }
    for (i, batch) in suite.batches.iter().enumerate() {
        let when = format!("batch {i}, {}", batch.name);
        change(&mut client, batch);
        for table in kept.iter_mut().filter(|table| !table.failed) {
            if let Err(wrong) = refresh(&mut client, table) {
                table.failed = true;
                failures.add(table.query, &when, &wrong);
            }
        }
    }
    let mut refreshes = 0;
    for table in &kept {
        refreshes += table.differential;
        let still = table.differential == 0 || table.changed == 0;
        if !table.failed && still != table.query.still {
            let what = format!(
                "{} refreshes changed {} rows",
                table.differential, table.changed
            );
            failures.add(table.query, "all batches", &what);
        }
    }
    println!(
        "{name}: {} queries, {} of them incremental, in {refreshes} refreshes",
        queries.len(),
        kept.len()
    );
    let failed = failures.0.len();
    assert!(
        failed == 0,
        "{name}: {failed} queries fail\n\n{}",
        failures.0.join("\n\n")
    );
}

/// Makes a stream table of a query, if it is expected to be one in DIFFERENTIAL mode.
fn create(client: &mut Client, name: &str, query: &Query) -> Result<Option<Comparison>, String> {
    let creation = |mode: &str| {
        let sql = &query.sql;
        format!("SELECT pgtrickle.create_stream_table('{name}', $q${sql}$q$, '1h', '{mode}')")
    };
    let created = execute(client, &creation("DIFFERENTIAL"));
    match (&query.expectation, created) {
        (Expectation::Incremental(comparison), Ok(())) => {
            let tied = codes(client, &query.sql)?.contains(&"PGT0203".to_owned());
            match comparison {
                Comparison::Image if tied => return Err("has several right answers".to_owned()),
                Comparison::Verify if !tied => return Err("has one right answer".to_owned()),
                _ => {}
            }
            compare(client, name, *comparison)?;
            Ok(Some(*comparison))
        }
        (Expectation::Incremental(_), Err(error)) => Err(error),
        (Expectation::NotIncremental(_) | Expectation::Refused(_), Ok(())) => {
            Err("is incremental".to_owned())
        }
        (Expectation::NotIncremental(expected), Err(error)) => {
            let found = found(client, query, expected, &error)?;
            // Said by the refusal itself, too.
            if let Some(code) = found.iter().find(|code| !error.contains(*code)) {
                return Err(format!("{code} is not in {error}"));
            }
            execute(client, &creation("FULL"))
                .map_err(|error| format!("{found:?}, but in FULL mode: {error}"))?;
            holds(client, name, by_image)?;
            Ok(None)
        }
        // In FULL mode it may run.
        (Expectation::Refused(state), Err(error)) if query.defect.is_some() => {
            match error.contains(state) {
                true => Ok(None),
                false => Err(error),
            }
        }
        (Expectation::Refused(state), Err(error)) => {
            let full = execute(client, &creation("FULL"));
            match full {
                Err(in_full) if error.contains(state) && in_full.contains(state) => Ok(None),
                _ => Err(format!("{error}; in FULL mode: {full:?}")),
            }
        }
    }
}

/// The reasons for which a query is refused, which must be the expected ones.
fn found(
    client: &mut Client,
    query: &Query,
    expected: &[String],
    error: &str,
) -> Result<Vec<String>, String> {
    let mut codes = codes(client, &query.sql)?;
    codes.retain(|code| !code.starts_with("PGT02"));
    if codes != expected {
        return Err(format!("{codes:?}, expected {expected:?}: {error}"));
    }
    Ok(codes)
}

/// The codes of the reasons of a query, sorted.
fn codes(client: &mut Client, sql: &str) -> Result<Vec<String>, String> {
    let rows = client
        .query("SELECT code FROM pgtrickle.validate_query($1)", &[&sql])
        .map_err(|error| describe(&error))?;
    let mut codes: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    codes.sort();
    Ok(codes)
}

/// One refresh: DIFFERENTIAL (or none, where no change waits), and exact.
fn refresh(client: &mut Client, table: &mut Kept<'_>) -> Result<(), String> {
    let name = &table.name;
    execute(
        client,
        &format!("SELECT pgtrickle.refresh_stream_table('{name}')"),
    )?;
    let done = last_refresh(client, name);
    match (done.action.as_str(), done.status.as_str()) {
        ("DIFFERENTIAL", "COMPLETED") => table.differential += 1,
        ("NO_DATA", "COMPLETED") => {}
        _ => return Err(format!("{done:?}")),
    }
    table.changed += done.rows_inserted + done.rows_deleted;
    compare(client, name, table.comparison)
}

fn compare(client: &mut Client, name: &str, comparison: Comparison) -> Result<(), String> {
    match comparison {
        Comparison::Image => holds(client, name, by_image),
        Comparison::Equality => holds(client, name, by_equality),
        Comparison::Verify => {
            let sql = format!("SELECT v::text FROM pgtrickle.verify('{name}') AS v");
            let rows = client.query(&sql, &[]).map_err(|error| describe(&error))?;
            let rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            match rows.is_empty() {
                true => Ok(()),
                false => Err(format!("verify: {}", rows.join("\n"))),
            }
        }
    }
}

/// One batch, in one transaction.
fn change(client: &mut Client, batch: &Batch) {
    let Batch { name, statements } = batch;
    execute(client, "BEGIN").unwrap_or_else(|error| panic!("{name}: {error}"));
    for statement in statements {
        execute(client, statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    execute(client, "COMMIT").unwrap_or_else(|error| panic!("{name}: {error}"));
}

fn execute(client: &mut Client, sql: &str) -> Result<(), String> {
    client.batch_execute(sql).map_err(|error| describe(&error))
}
