//! Many scenarios, and what is told of those that fail.

use super::run::{Failure, Mode, Stats, run};
use super::{Scenario, crowd, shrink};
use crate::database::Database;
use std::time::Duration;

/// Stream tables in one scenario.
pub const SUBJECTS: usize = 20;

/// Runs a scenario in a database of its own: on the shared server, or, without the extension, on
/// the server of a connection string.
pub fn attempt(scenario: &Scenario, mode: Mode, plain: Option<&str>) -> Result<Stats, Failure> {
    match plain {
        None if mode == Mode::Crowd => crowd::run(scenario),
        None => {
            let db = Database::new();
            run(scenario, &mut db.connect(), mode)
        }
        Some(connection) => {
            let mut client = postgres::Client::connect(connection, postgres::NoTls)
                .unwrap_or_else(|e| panic!("cannot connect: {e}"));
            let schema = format!("random_{}", std::process::id());
            let enter = format!(
                "SET client_min_messages = warning; DROP SCHEMA IF EXISTS {schema} CASCADE;
                 CREATE SCHEMA {schema}; SET search_path = {schema}"
            );
            client
                .batch_execute(&enter)
                .unwrap_or_else(|e| panic!("no schema: {e}"));
            let result = run(scenario, &mut client, mode);
            let leave = format!("ROLLBACK; DROP SCHEMA IF EXISTS {schema} CASCADE");
            client
                .batch_execute(&leave)
                .unwrap_or_else(|e| panic!("the schema stays: {e}"));
            result
        }
    }
}

/// Shrinks a failure and writes the script that shows it.
pub fn report(scenario: &Scenario, failure: &Failure, mode: Mode, plain: Option<&str>) -> String {
    if mode == Mode::Crowd {
        // What happens is another thing each time.
        return format!("seed {}: {failure}", scenario.seed);
    }
    let time = std::env::var("PGT_SHRINK_SECONDS").ok();
    let time = Duration::from_secs(time.and_then(|s| s.parse().ok()).unwrap_or(60));
    let (small, failure) =
        shrink::shrink(scenario, failure, time, |s| attempt(s, mode, plain).err());
    shrink::script(&small, &failure, mode)
}

/// Runs the scenarios of these seeds; panics with the scripts of those that fail.
pub fn check(seeds: impl Iterator<Item = u64>, subjects: usize, mode: Mode) -> Stats {
    let mut total = Stats::default();
    let mut reports = vec![];
    for seed in seeds {
        let mut scenario = Scenario::generate(seed, subjects);
        if mode == Mode::Immediate {
            scenario = scenario.with_savepoints();
        }
        match attempt(&scenario, mode, None) {
            Ok(stats) => total += stats,
            Err(failure) => reports.push(report(&scenario, &failure, mode, None)),
        }
    }
    assert!(reports.is_empty(), "{}", reports.join("\n"));
    total
}
