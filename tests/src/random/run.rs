//! Runs a scenario on a server.
//!
//! With the extension, every query becomes a DIFFERENTIAL stream table, and after each batch each
//! of them must have been refreshed incrementally and obey the law; in the end each must pass
//! `verify`, which compares once more what the law has. IMMEDIATE ones
//! ([`Mode::Immediate`]) must obey it after each statement, within transactions, too. Without it
//! ([`Mode::Plain`]) the generator itself is put to the test: no statement may fail, and the same
//! query planned in another way must give the same rows.

use super::offline::Offline;
use super::query::Query;
use super::{Scenario, Subject};
use crate::law::{by_equality, by_image, describe};
use postgres::error::SqlState;
use postgres::{Client, SimpleQueryMessage};
use std::fmt;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Extension,
    /// The same, the sources captured from the WAL.
    Wal,
    /// Kept by every statement.
    Immediate,
    /// The same, by several writers at once ([`super::crowd`]).
    Crowd,
    Plain,
    /// Compiled and maintained by [`super::offline`].
    Offline,
}

/// What went wrong, and with which stream table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub kind: Kind,
    pub subject: Option<String>,
    /// The batch after which it showed; none before the first.
    pub batch: Option<usize>,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// DDL or DML of the scenario failed: the generator is wrong, or capture is.
    Statement,
    /// Creating the stream table failed.
    Create,
    /// The refresh failed.
    Refresh,
    /// It was refreshed in another way than incrementally.
    Action,
    /// The stream table differs from its query.
    Law,
    /// `verify` found something, or failed.
    Verify,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.kind)?;
        if let Some(subject) = &self.subject {
            write!(f, " of {subject}")?;
        }
        match self.batch {
            Some(batch) => write!(f, " after batch {batch}: {}", self.message),
            None => write!(f, " at creation: {}", self.message),
        }
    }
}

/// How much was done, and how long it took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Stream tables that went through a whole history.
    pub cases: usize,
    pub refreshes: usize,
    /// Refreshes that changed rows.
    pub changed: usize,
    /// Stream tables that a known limit of the compiler refuses, with those that read them.
    pub refused: usize,
    /// Comparisons that could not be made, because PostgreSQL cannot plan the query itself.
    pub unplannable: usize,
    pub creating: Duration,
    pub writing: Duration,
    pub refreshing: Duration,
    pub checking: Duration,
}

impl std::ops::AddAssign for Stats {
    fn add_assign(&mut self, other: Stats) {
        self.cases += other.cases;
        self.refreshes += other.refreshes;
        self.changed += other.changed;
        self.refused += other.refused;
        self.unplannable += other.unplannable;
        self.creating += other.creating;
        self.writing += other.writing;
        self.refreshing += other.refreshing;
        self.checking += other.checking;
    }
}

/// What the compiler says of the limits that random queries can meet, rarely: what it could make of
/// them would be too long, a value could not be told from its equals, or computed where it must not.
const LIMITS: [&str; 4] = [
    "beside too many others with conditions that are no equations",
    "of which equal ones can look different, beside rows without a key",
    "in a branch of CASE or COALESCE",
    "in so many places that its SQL would be too long",
];

fn is_limit(failure: &Failure) -> bool {
    LIMITS.iter().any(|said| failure.message.contains(said))
}

/// Runs the whole scenario in an empty database; ends at the first failure.
pub fn run(scenario: &Scenario, client: &mut Client, mode: Mode) -> Result<Stats, Failure> {
    let mut runner = Runner {
        client,
        mode,
        batch: None,
        stats: Stats::default(),
        offline: None,
    };
    for sql in scenario.setup() {
        runner.statement(&sql)?;
    }
    if mode == Mode::Wal {
        runner.statement(IDENTITY)?;
    }
    if mode == Mode::Offline {
        let tables: Vec<String> = scenario.tables.iter().map(|t| t.name.clone()).collect();
        let started = Offline::start(runner.client, &tables);
        runner.offline = Some(started.map_err(|e| runner.failure(Kind::Statement, None, e))?);
    }
    let mut subjects: Vec<&Subject> = vec![];
    let mut refused: Vec<&Subject> = vec![];
    for subject in &scenario.subjects {
        let reads = |of: &&&Subject| subject.streams && subject.query.sql.contains(&of.name);
        if refused.iter().any(|of| reads(&of)) {
            refused.push(subject);
            continue;
        }
        match runner.create(subject) {
            Err(failure) if is_limit(&failure) => refused.push(subject),
            created => {
                created?;
                runner.law(subject)?;
                subjects.push(subject);
            }
        }
    }
    for (i, batch) in scenario.batches.iter().enumerate() {
        runner.batch = Some(i);
        if batch.atomic {
            runner.statement("BEGIN;")?;
        }
        for sql in &batch.statements {
            runner.statement(sql)?;
            if mode == Mode::Immediate {
                for subject in &subjects {
                    runner.law(subject)?;
                }
            }
        }
        if batch.atomic {
            runner.statement("COMMIT;")?;
        }
        if mode == Mode::Immediate {
            for subject in &subjects {
                runner.law(subject)?;
                runner.verify(subject)?;
            }
            continue;
        }
        for subject in &subjects {
            runner.refresh(subject, batch.truncates)?;
            runner.law(subject)?;
        }
        if let Some(offline) = &runner.offline {
            let done = offline.consume(runner.client);
            done.map_err(|e| runner.failure(Kind::Statement, None, e))?;
        }
    }
    if matches!(mode, Mode::Extension | Mode::Wal) {
        for subject in &subjects {
            runner.verify(subject)?;
        }
    }
    runner.stats.cases = subjects.len();
    runner.stats.refused = refused.len();
    Ok(runner.stats)
}

struct Runner<'a> {
    client: &'a mut Client,
    mode: Mode,
    batch: Option<usize>,
    stats: Stats,
    offline: Option<Offline>,
}

impl Runner<'_> {
    fn failure(&self, kind: Kind, subject: Option<&Subject>, mut message: String) -> Failure {
        if let Some(offline) = self.offline.as_ref().filter(|o| !o.program.is_empty()) {
            message = format!("{message}\nthe program:\n{}", offline.program);
        }
        Failure {
            kind,
            subject: subject.map(|s| s.name.clone()),
            batch: self.batch,
            message,
        }
    }

    fn statement(&mut self, sql: &str) -> Result<(), Failure> {
        let start = Instant::now();
        let done = self.client.batch_execute(sql);
        self.stats.writing += start.elapsed();
        done.map_err(|e| self.failure(Kind::Statement, None, format!("{}\n{sql}", describe(&e))))
    }

    fn create(&mut self, subject: &Subject) -> Result<(), Failure> {
        let start = Instant::now();
        if let Some(offline) = &mut self.offline {
            let done = offline.create(self.client, subject);
            self.stats.creating += start.elapsed();
            return done.map_err(|e| self.failure(Kind::Create, Some(subject), e));
        }
        let done = self.client.batch_execute(&create_sql(subject, self.mode));
        self.stats.creating += start.elapsed();
        done.map_err(|e| self.failure(Kind::Create, Some(subject), describe(&e)))
    }

    fn refresh(&mut self, subject: &Subject, rebuilds: bool) -> Result<(), Failure> {
        if self.mode == Mode::Plain {
            let changes = by_image(&subject.name, &subject.query.sql);
            let rows = simple(self.client, &changes)
                .map_err(|e| self.failure(Kind::Refresh, Some(subject), describe(&e)))?;
            self.stats.changed += usize::from(!rows.is_empty());
        }
        let start = Instant::now();
        if let Some(offline) = &mut self.offline {
            let done = offline.refresh(self.client, subject);
            self.stats.refreshing += start.elapsed();
            self.stats.refreshes += 1;
            let rows = done.map_err(|e| self.failure(Kind::Refresh, Some(subject), e))?;
            self.stats.changed += usize::from(rows > 0);
            return Ok(());
        }
        let done = self.client.batch_execute(&refresh_sql(subject, self.mode));
        self.stats.refreshing += start.elapsed();
        self.stats.refreshes += 1;
        done.map_err(|e| self.failure(Kind::Refresh, Some(subject), describe(&e)))?;
        if self.mode == Mode::Plain {
            return Ok(());
        }
        let row = self.client.query_one(
            "SELECT action::text, status::text, coalesce(rows_inserted, 0)::int8,
                    coalesce(rows_deleted, 0)::int8, coalesce(error_message::text, '')
             FROM pgtrickle.get_refresh_history($1, 1)",
            &[&subject.name],
        );
        let row = row.map_err(|e| self.failure(Kind::Refresh, Some(subject), describe(&e)))?;
        let (action, status): (String, String) = (row.get(0), row.get(1));
        let (inserted, deleted): (i64, i64) = (row.get(2), row.get(3));
        if action == "DIFFERENTIAL" && inserted + deleted > 0 {
            self.stats.changed += 1;
        }
        let incremental = matches!(action.as_str(), "DIFFERENTIAL" | "NO_DATA");
        let rebuilt = rebuilds && matches!(action.as_str(), "FULL" | "REINITIALIZE");
        if status != "COMPLETED" || !(incremental || rebuilt) {
            let message = format!("{action} {status} {}", row.get::<_, String>(4));
            return Err(self.failure(Kind::Action, Some(subject), message));
        }
        Ok(())
    }

    fn law(&mut self, subject: &Subject) -> Result<(), Failure> {
        let start = Instant::now();
        let result = self.check(subject);
        self.stats.checking += start.elapsed();
        result
    }

    fn check(&mut self, subject: &Subject) -> Result<(), Failure> {
        if subject.query.open && matches!(self.mode, Mode::Plain | Mode::Offline) {
            return Ok(());
        }
        let settings = match self.mode {
            Mode::Extension | Mode::Wal | Mode::Immediate | Mode::Crowd | Mode::Offline => "",
            // The same query in another order.
            Mode::Plain => REPLAN,
        };
        let sql = format!("{settings} {}", law_sql(&subject.name, &subject.query));
        let rows = simple(self.client, &sql);
        if rows.as_ref().is_err_and(is_internal) && self.is_unplannable(subject) {
            self.stats.unplannable += 1;
            return Ok(());
        }
        let rows = rows
            .and_then(|rows| self.client.batch_execute(RESET).map(|()| rows))
            .map_err(|e| self.failure(Kind::Law, Some(subject), describe(&e)))?;
        if !rows.is_empty() {
            return Err(self.failure(Kind::Law, Some(subject), rows.join("\n")));
        }
        Ok(())
    }

    fn verify(&mut self, subject: &Subject) -> Result<(), Failure> {
        let start = Instant::now();
        let result = verified(self.client, subject);
        self.stats.checking += start.elapsed();
        if result.is_err() && self.is_unplannable(subject) {
            self.stats.unplannable += 1;
            return Ok(());
        }
        let rows = result.map_err(|message| self.failure(Kind::Verify, Some(subject), message))?;
        match rows.is_empty() {
            true => Ok(()),
            false => Err(self.failure(Kind::Verify, Some(subject), rows.join("\n"))),
        }
    }
}

/// What `verify` finds to be wrong.
pub fn verified(client: &mut Client, subject: &Subject) -> Result<Vec<String>, String> {
    let verify = format!("SELECT * FROM pgtrickle.verify('{}')", subject.name);
    let rows = simple(client, &verify).map_err(|e| describe(&e))?;
    // It compares images, which of a fuzzy query are not fixed.
    Ok(match subject.query.is_exact() {
        true => rows,
        false => vec![],
    })
}

impl Runner<'_> {
    /// Does PostgreSQL's own planner fail on the query as it was written? 18.6 does on some nests of
    /// set operations ("no relation entry for relid 1"); the stream table is right, but nothing can
    /// be compared with it.
    fn is_unplannable(&mut self, subject: &Subject) -> bool {
        let explain = format!("EXPLAIN {}", subject.query.sql);
        simple(self.client, &explain).is_err_and(|e| is_internal(&e))
    }
}

/// An error that the server did not expect of itself.
fn is_internal(error: &postgres::Error) -> bool {
    error.code() == Some(&SqlState::INTERNAL_ERROR)
}

/// Old rows are in the WAL as a whole.
pub const IDENTITY: &str = "DO $$ DECLARE t regclass; BEGIN FOR t IN SELECT oid FROM pg_class WHERE \
     relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP EXECUTE format('ALTER TABLE %s \
     REPLICA IDENTITY FULL', t); END LOOP; END $$;";

const REPLAN: &str =
    "SET enable_hashagg = off; SET enable_hashjoin = off; SET enable_nestloop = off;";
const RESET: &str = "RESET enable_hashagg; RESET enable_hashjoin; RESET enable_nestloop;";

/// The rows, as text.
fn simple(client: &mut Client, sql: &str) -> Result<Vec<String>, postgres::Error> {
    let messages = client.simple_query(sql)?;
    Ok(messages
        .iter()
        .filter_map(|m| match m {
            SimpleQueryMessage::Row(row) => {
                let values: Vec<&str> = (0..row.len())
                    .map(|i| row.get(i).unwrap_or("NULL"))
                    .collect();
                Some(values.join(" "))
            }
            _ => None,
        })
        .collect())
}

pub fn law_sql(name: &str, query: &Query) -> String {
    if query.open {
        // Of a fuzzy query not even the ties are known.
        let limit = if query.is_exact() { "" } else { " LIMIT 0" };
        return format!("SELECT * FROM pgtrickle.verify('{name}'){limit}");
    }
    let law = if query.is_exact() {
        by_image
    } else {
        by_equality
    };
    law(name, &query.sql)
}

pub fn create_sql(subject: &Subject, mode: Mode) -> String {
    let (name, query) = (&subject.name, &subject.query.sql);
    match mode {
        Mode::Extension | Mode::Offline => format!(
            "SELECT pgtrickle.create_stream_table('{name}', $query${query}$query$, '1d', 'DIFFERENTIAL');"
        ),
        Mode::Wal => format!(
            "SELECT pgtrickle.create_stream_table('{name}', $query${query}$query$, '1d', 'DIFFERENTIAL', cdc_mode => 'wal');"
        ),
        Mode::Immediate | Mode::Crowd => format!(
            "SELECT pgtrickle.create_stream_table('{name}', $query${query}$query$, refresh_mode => 'IMMEDIATE');"
        ),
        Mode::Plain => format!("CREATE TABLE {name} AS {query};"),
    }
}

pub fn refresh_sql(subject: &Subject, mode: Mode) -> String {
    let (name, query) = (&subject.name, &subject.query.sql);
    match mode {
        Mode::Extension | Mode::Wal | Mode::Offline => {
            format!("SELECT pgtrickle.refresh_stream_table('{name}');")
        }
        Mode::Immediate | Mode::Crowd => String::new(),
        Mode::Plain => format!("TRUNCATE {name}; INSERT INTO {name} {query};"),
    }
}
