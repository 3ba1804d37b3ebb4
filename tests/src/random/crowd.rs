//! Several writers at once: the stream tables of a scenario are IMMEDIATE, and each writer has
//! batches of its own, on a connection of its own. Within each transaction, and in the end, all
//! stream tables must obey the law. What happens in which order is not fixed, so that nothing is
//! shrunk; a failure tells the seed.

use super::UNHARMED;
use super::history::{Batch, batches};
use super::run::{Failure, Kind, Mode, Stats, create_sql, law_sql, verified};
use super::{Scenario, Subject};
use crate::database::Database;
use crate::law::describe;
use postgres::error::SqlState;
use postgres::{Client, SimpleQueryMessage};
use spec::tape::Tape;

/// How many write.
const WRITERS: u64 = 4;

/// Runs the history of every writer, all at the same time.
pub fn run(scenario: &Scenario) -> Result<Stats, Failure> {
    let db = Database::new();
    let mut client = db.connect();
    for sql in scenario.setup() {
        let done = client.batch_execute(&sql);
        done.map_err(|e| {
            failure(
                Kind::Statement,
                None,
                None,
                format!("{}\n{sql}", describe(&e)),
            )
        })?;
    }
    for subject in &scenario.subjects {
        let done = client.batch_execute(&create_sql(subject, Mode::Immediate));
        done.map_err(|e| failure(Kind::Create, Some(subject), None, describe(&e)))?;
    }
    let done: Vec<Result<(), Failure>> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|w| {
                let mut client = db.connect();
                client
                    .batch_execute(UNHARMED)
                    .unwrap_or_else(|e| panic!("a writer cannot start: {}", describe(&e)));
                let seed = scenario.seed.wrapping_mul(1_000_003).wrapping_add(500 + w);
                let history = batches(&mut Tape::seeded(seed, 4000), &scenario.tables);
                scope.spawn(move || {
                    Writer {
                        scenario,
                        client,
                        w,
                    }
                    .write(&history)
                })
            })
            .collect();
        let joined = writers.into_iter().map(|w| w.join());
        joined
            .map(|w| w.unwrap_or_else(|_| panic!("a writer panicked")))
            .collect()
    });
    done.into_iter().collect::<Result<(), Failure>>()?;
    for subject in &scenario.subjects {
        law(&mut client, subject, None)?;
        let wrong = verified(&mut client, subject);
        let wrong = wrong.map_err(|m| failure(Kind::Verify, Some(subject), None, m))?;
        if !wrong.is_empty() {
            let message = wrong.join("\n");
            return Err(failure(Kind::Verify, Some(subject), None, message));
        }
    }
    Ok(Stats {
        cases: scenario.subjects.len(),
        ..Stats::default()
    })
}

fn failure(
    kind: Kind,
    subject: Option<&Subject>,
    batch: Option<usize>,
    message: String,
) -> Failure {
    Failure {
        kind,
        subject: subject.map(|s| s.name.clone()),
        batch,
        message,
    }
}

fn law(client: &mut Client, subject: &Subject, batch: Option<usize>) -> Result<(), Failure> {
    match client.simple_query(&law_sql(&subject.name, &subject.query)) {
        // Which the server itself cannot plan.
        Err(e) if e.code() == Some(&SqlState::INTERNAL_ERROR) && batch.is_none() => Ok(()),
        Err(e) => Err(failure(Kind::Law, Some(subject), batch, describe(&e))),
        Ok(messages) => {
            let rows = messages.iter().filter_map(|m| match m {
                SimpleQueryMessage::Row(row) => {
                    let values = (0..row.len()).map(|i| row.get(i).unwrap_or("NULL"));
                    Some(values.collect::<Vec<_>>().join(" "))
                }
                _ => None,
            });
            let rows: Vec<String> = rows.collect();
            match rows.is_empty() {
                true => Ok(()),
                false => Err(failure(Kind::Law, Some(subject), batch, rows.join("\n"))),
            }
        }
    }
}

struct Writer<'a> {
    scenario: &'a Scenario,
    client: Client,
    w: u64,
}

impl Writer<'_> {
    /// The last one's snapshots are older than its locks.
    fn is_repeatable(&self) -> bool {
        self.w + 1 == WRITERS
    }

    fn write(mut self, history: &[Batch]) -> Result<(), Failure> {
        let level = match self.is_repeatable() {
            true => "repeatable read",
            false => "read committed",
        };
        self.execute(&format!("SET default_transaction_isolation = '{level}'"), 0)?;
        for (i, batch) in history.iter().enumerate() {
            if batch.atomic {
                let begun = self.execute("BEGIN;", i)?;
                let mut statements = batch.statements.iter();
                let all = statements
                    .try_fold(begun, |so_far, sql| Ok(so_far && self.execute(sql, i)?))?;
                if all {
                    for subject in &self.scenario.subjects {
                        law(&mut self.client, subject, Some(i))?;
                    }
                    self.execute("COMMIT;", i)?;
                }
            } else {
                for sql in &batch.statements {
                    self.execute(sql, i)?;
                }
            }
        }
        Ok(())
    }

    /// Was it done? Others may be in the way: then all of the transaction is undone.
    fn execute(&mut self, sql: &str, batch: usize) -> Result<bool, Failure> {
        let Err(error) = self.client.batch_execute(sql) else {
            return Ok(true);
        };
        let message = describe(&error);
        let is = |code: SqlState| error.code() == Some(&code);
        let expected = is(SqlState::T_R_DEADLOCK_DETECTED)
            || is(SqlState::T_R_SERIALIZATION_FAILURE) && self.is_repeatable()
            // A row of a writer's own table, which PostgreSQL follows to no other partition.
            || is(SqlState::T_R_SERIALIZATION_FAILURE) && message.contains("moved to another partition")
            // Two rows get the same key, of which one is not committed yet. In what is stored there
            // can be no such rows.
            || is(SqlState::UNIQUE_VIOLATION) && !message.contains("could not be kept");
        if !expected {
            let message = format!("{message}\n{sql}");
            return Err(failure(Kind::Statement, None, Some(batch), message));
        }
        let undone = self.client.batch_execute("ROLLBACK");
        undone.map_err(|e| failure(Kind::Statement, None, Some(batch), describe(&e)))?;
        Ok(false)
    }
}
