//! What an IMMEDIATE stream table costs writers: the same statements on a table that no view reads,
//! on one with a statement trigger that somebody has written by hand, on one with an IMMEDIATE
//! stream table, and, where pg_ivm is installed, on one with an incremental materialized view of
//! its. All three views are the same join with an aggregate.
//!
//! They take turns, so that whatever else the machine does falls on all of them; what is shown are
//! medians.

use benches::database::{self, Connection, with_causes};
use benches::measure::{Result, median, print_table, schedule, time, vacuum};
use clap::Parser;
use postgres::Client;
use postgres::error::SqlState;
use std::process::ExitCode;

#[derive(Parser)]
#[command(about = "What an IMMEDIATE stream table costs writers")]
struct Args {
    #[command(flatten)]
    connection: Connection,
    /// Turns of each kind of statement.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Single-row statements in a turn, of each client.
    #[arg(long, default_value_t = 500)]
    statements: i32,
    /// How many write at the same time, where several do.
    #[arg(long, default_value_t = 4)]
    clients: i32,
}

/// Those that are always there; the last two are what is compared.
const KINDS: [&str; 3] = ["plain", "hand", "native"];
const THEIRS: &str = "ivm";

const ROWS: i32 = 200_000;
const GROUPS: i32 = 1000;

/// At most so many times the cost with the trigger, and at least so many times the throughput with
/// pg_ivm.
struct Goal {
    by_hand: f64,
    theirs: Option<f64>,
}

const SINGLE: Goal = Goal {
    by_hand: 2.0,
    theirs: None,
};
const UPDATE: Goal = Goal {
    theirs: Some(5.0),
    ..SINGLE
};
const CLIENTS: Goal = Goal {
    theirs: Some(10.0),
    ..SINGLE
};
const BULK: Goal = Goal {
    by_hand: 1.5,
    theirs: None,
};

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("immediate: {}", with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

const ROW: &str = "UPDATE item_{t} SET v = v + 1 WHERE id = $1";

fn run(args: &Args) -> Result<()> {
    let mut bench = Bench::prepare(args)?;
    let mut rows = vec![];
    for (name, goal, sql) in [
        ("UPDATE of a row", UPDATE, ROW),
        (
            "INSERT of a row",
            SINGLE,
            "INSERT INTO item_{t} VALUES ($1 + 1000000, $1 % 1000, $1)",
        ),
        (
            "DELETE of a row",
            SINGLE,
            "DELETE FROM item_{t} WHERE id = $1 + 1000000",
        ),
    ] {
        let samples = bench.single(sql, 1)?;
        rows.push(bench.show(name, &samples, f64::from(args.statements), &goal));
    }
    let samples = bench.single(ROW, args.clients)?;
    let name = format!("UPDATE of a row, {} clients", args.clients);
    let statements = f64::from(args.statements * args.clients);
    rows.push(bench.show(&name, &samples, statements, &CLIENTS));
    for (name, sql) in [
        (
            "UPDATE of 10000 rows",
            "UPDATE item_{t} SET v = v + 1 WHERE id <= 10000",
        ),
        (
            "INSERT of 10000 rows",
            "INSERT INTO item_{t} SELECT i, i % 1000, i FROM generate_series(2000001, 2010000) i",
        ),
    ] {
        let samples = bench.bulk(sql)?;
        rows.push(bench.show(name, &samples, 1.0, &BULK));
    }
    println!();
    let headings = [
        "one statement",
        "no view",
        "by hand",
        "IMMEDIATE",
        "pg_ivm",
        "IMMEDIATE / by hand",
        "goal",
        "pg_ivm / IMMEDIATE",
        "goal",
    ];
    print_table(&headings, &rows);
    if !bench.kinds.contains(&THEIRS) {
        println!("\npg_ivm is not installed here: nothing is compared with it");
    }
    Ok(())
}

/// What somebody would write who knows the view.
const BY_HAND: &str = "
    CREATE TABLE totals_hand (label text PRIMARY KEY, n bigint NOT NULL, total numeric)
        WITH (fillfactor = 70);
    INSERT INTO totals_hand SELECT k.label, count(*), sum(i.v)
        FROM item_hand i JOIN kind_hand k USING (k) GROUP BY k.label;
    CREATE FUNCTION keep_totals() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'UPDATE' THEN
            MERGE INTO totals_hand t USING (
                SELECT k.label, sum(c.w) AS n, sum(c.w * c.v) AS v FROM (
                    SELECT k, v, 1 AS w FROM new_rows UNION ALL SELECT k, v, -1 FROM old_rows) c
                JOIN kind_hand k USING (k) GROUP BY k.label) d ON t.label = d.label
            WHEN MATCHED AND t.n + d.n = 0 THEN DELETE
            WHEN MATCHED THEN UPDATE SET n = t.n + d.n, total = t.total + d.v
            WHEN NOT MATCHED THEN INSERT VALUES (d.label, d.n, d.v);
        ELSIF TG_OP = 'INSERT' THEN
            MERGE INTO totals_hand t USING (
                SELECT k.label, count(*) AS n, sum(c.v) AS v FROM new_rows c
                JOIN kind_hand k USING (k) GROUP BY k.label) d ON t.label = d.label
            WHEN MATCHED THEN UPDATE SET n = t.n + d.n, total = t.total + d.v
            WHEN NOT MATCHED THEN INSERT VALUES (d.label, d.n, d.v);
        ELSE
            MERGE INTO totals_hand t USING (
                SELECT k.label, count(*) AS n, sum(c.v) AS v FROM old_rows c
                JOIN kind_hand k USING (k) GROUP BY k.label) d ON t.label = d.label
            WHEN MATCHED AND t.n = d.n THEN DELETE
            WHEN MATCHED THEN UPDATE SET n = t.n - d.n, total = t.total - d.v;
        END IF;
        RETURN NULL; END $$;
    CREATE TRIGGER of_insert AFTER INSERT ON item_hand REFERENCING NEW TABLE AS new_rows
        FOR EACH STATEMENT EXECUTE FUNCTION keep_totals();
    CREATE TRIGGER of_update AFTER UPDATE ON item_hand
        REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows
        FOR EACH STATEMENT EXECUTE FUNCTION keep_totals();
    CREATE TRIGGER of_delete AFTER DELETE ON item_hand REFERENCING OLD TABLE AS old_rows
        FOR EACH STATEMENT EXECUTE FUNCTION keep_totals()";

struct Bench<'a> {
    args: &'a Args,
    client: Client,
    kinds: Vec<&'static str>,
}

/// Milliseconds, for each kind.
type Samples = Vec<Vec<f64>>;

impl Bench<'_> {
    fn prepare(args: &Args) -> Result<Bench<'_>> {
        let mut client = database::fresh(&args.connection)?;
        schedule(&mut client, false)?;
        let mut kinds = KINDS.to_vec();
        let found = client.query(
            "SELECT FROM pg_available_extensions WHERE name = 'pg_ivm'",
            &[],
        )?;
        if !found.is_empty() {
            // What it asks for; in every session, so that all kinds pay for its hooks.
            client.batch_execute(&format!(
                "ALTER DATABASE \"{}\" SET session_preload_libraries = 'pg_ivm'; CREATE EXTENSION pg_ivm",
                args.connection.database
            ))?;
            kinds.push(THEIRS);
        }
        let mut bench = Bench {
            client: connect(args)?,
            args,
            kinds,
        };
        bench.create()?;
        Ok(bench)
    }

    fn create(&mut self) -> Result<()> {
        for kind in &self.kinds {
            self.client.batch_execute(&format!(
                "CREATE TABLE kind_{kind} (k int PRIMARY KEY, label text NOT NULL);
                 INSERT INTO kind_{kind} SELECT i, 'label ' || i / 2 FROM generate_series(0, {GROUPS} - 1) i;
                 CREATE TABLE item_{kind} (id int PRIMARY KEY, k int NOT NULL, v bigint)
                    WITH (fillfactor = 70, autovacuum_enabled = off);
                 INSERT INTO item_{kind} SELECT i, i % {GROUPS}, i FROM generate_series(1, {ROWS}) i"
            ))?;
        }
        let query = |kind| {
            format!(
                "SELECT k.label, count(*) AS n, sum(i.v) AS total
                 FROM item_{kind} i JOIN kind_{kind} k ON i.k = k.k GROUP BY k.label"
            )
        };
        self.client.batch_execute(BY_HAND)?;
        self.client.batch_execute(&format!(
            "SELECT pgtrickle.create_stream_table('totals_native', '{}', refresh_mode => 'IMMEDIATE')",
            query("native")
        ))?;
        if self.kinds.contains(&THEIRS) {
            self.client.batch_execute(&format!(
                "SELECT pgivm.create_immv('totals_ivm', '{}')",
                query(THEIRS)
            ))?;
        }
        self.vacuum_all()
    }

    fn vacuum_all(&mut self) -> Result<()> {
        let mut tables = vec!["pgtrickle.pgt_turns".to_owned()];
        for kind in &self.kinds {
            tables.push(format!("item_{kind}"));
            tables.extend((*kind != "plain").then(|| format!("totals_{kind}")));
        }
        let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
        vacuum(&mut self.client, &tables)
    }

    /// All must hold the same, or nothing is compared.
    fn check(&mut self) -> Result<()> {
        let row = self.client.query_one(
            "SELECT count(*) FROM pgtrickle.verify('totals_native')",
            &[],
        )?;
        let wrong: i64 = row.get(0);
        if wrong > 0 {
            return Err(format!("{wrong} rows are wrong").into());
        }
        for kind in self.kinds.iter().skip(1) {
            let row = self.client.query_one(
                &format!(
                    "SELECT count(*) FROM (SELECT label, n, total FROM totals_{kind} EXCEPT ALL
                     SELECT * FROM totals_native) AS d"
                ),
                &[],
            )?;
            let differ: i64 = row.get(0);
            if differ > 0 {
                return Err(format!("{differ} rows of totals_{kind} differ").into());
            }
        }
        Ok(())
    }

    /// Single-row statements, by several clients at once.
    fn single(&mut self, sql: &str, clients: i32) -> Result<Samples> {
        let mut samples = vec![vec![]; self.kinds.len()];
        let mut writers = vec![];
        for _ in 0..clients {
            let mut client = connect(self.args)?;
            let prepared = self
                .kinds
                .iter()
                .map(|t| client.prepare(&sql.replace("{t}", t)));
            let prepared = prepared.collect::<std::result::Result<Vec<_>, _>>()?;
            writers.push((client, prepared));
        }
        let count = self.args.statements;
        // Each row once.
        let mut next = 0;
        for _ in 0..self.args.rounds {
            for (kind, times) in samples.iter_mut().enumerate() {
                let first = next;
                times.push(time(|| {
                    std::thread::scope(|scope| {
                        let working: Vec<_> = (first..)
                            .step_by(count as usize)
                            .zip(&mut writers)
                            .map(|(first, (client, prepared))| {
                                scope.spawn(move || write(client, &prepared[kind], first, count))
                            })
                            .collect();
                        working
                            .into_iter()
                            .try_for_each(|w| w.join().map_err(|_| "a client has panicked")?)
                    })
                })?);
            }
            next += count * clients;
            self.check()?;
        }
        self.vacuum_all()?;
        Ok(samples)
    }

    fn bulk(&mut self, sql: &str) -> Result<Samples> {
        let mut samples = vec![vec![]; self.kinds.len()];
        for _ in 0..self.args.rounds {
            for (kind, times) in self.kinds.iter().zip(&mut samples) {
                let sql = sql.replace("{t}", kind);
                let client = &mut self.client;
                times.push(time(|| Ok(client.batch_execute(&sql)?))?);
            }
            self.check()?;
            for kind in &self.kinds {
                self.client
                    .batch_execute(&format!("DELETE FROM item_{kind} WHERE id > 2000000"))?;
            }
            self.vacuum_all()?;
        }
        Ok(samples)
    }

    fn show(&self, name: &str, samples: &Samples, statements: f64, goal: &Goal) -> Vec<String> {
        let ms = |ms: f64| match ms / statements {
            one if one < 1.0 => format!("{:.1} µs", one * 1000.0),
            one => format!("{one:.1} ms"),
        };
        let medians: Vec<f64> = samples.iter().map(|s| median(s)).collect();
        let mut cells = vec![name.to_owned()];
        cells.extend(medians.iter().map(|m| ms(*m)));
        let missing = || "–".to_owned();
        cells.resize(2 + KINDS.len(), missing());
        let by_hand = medians[2] / medians[1];
        let mark = if by_hand <= goal.by_hand {
            ""
        } else {
            " missed"
        };
        cells.push(format!("{by_hand:.2}"));
        cells.push(format!("≤ {:.1}{mark}", goal.by_hand));
        let theirs = medians.get(3).map(|theirs| theirs / medians[2]);
        cells.push(theirs.map_or_else(missing, |t| format!("{t:.1}")));
        cells.push(match (theirs, goal.theirs) {
            (Some(theirs), Some(goal)) => {
                let mark = if theirs >= goal { "" } else { " missed" };
                format!("≥ {goal:.0}{mark}")
            }
            _ => String::new(),
        });
        cells
    }
}

fn connect(args: &Args) -> Result<Client> {
    let mut client = args.connection.client()?;
    // To wait for the disk would hide what is measured.
    client.batch_execute("SET synchronous_commit = off")?;
    Ok(client)
}

/// So many single-row statements, each of a row of its own.
fn write(
    client: &mut Client,
    statement: &postgres::Statement,
    first: i32,
    count: i32,
) -> Result<()> {
    for i in first..first + count {
        // All over the table.
        let id = (i64::from(i) * 7919 % i64::from(ROWS)) as i32 + 1;
        while let Err(error) = client.execute(statement, &[&id]) {
            let again = [
                SqlState::T_R_SERIALIZATION_FAILURE,
                SqlState::T_R_DEADLOCK_DETECTED,
            ];
            if !error.code().is_some_and(|code| again.contains(code)) {
                return Err(error.into());
            }
        }
    }
    Ok(())
}
