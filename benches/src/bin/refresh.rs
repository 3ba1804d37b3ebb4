//! What a refresh costs: a join of 1 M with 100 k rows under an aggregate, against the delta MERGE
//! that a careful person would write, and against the full query; what it costs to see that
//! nothing has changed; and a cycle of the scheduler over a thousand idle stream tables.

use benches::database::{self, Connection, with_causes};
use benches::measure::{Result, median, print_table, schedule, time, vacuum};
use clap::Parser;
use postgres::Client;
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[derive(Parser)]
#[command(about = "What a refresh costs")]
struct Args {
    #[command(flatten)]
    connection: Connection,
    /// Refreshes of each size.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Idle stream tables for the scheduler; 0 leaves that out.
    #[arg(long, default_value_t = 1000)]
    idle: i32,
}

const FACTS: i32 = 1_000_000;
const DIMENSIONS: i32 = 100_000;
const GROUPS: i32 = 10_000;

/// A refresh: at most this much longer than the MERGE.
const GOAL: f64 = 1.5;
/// Milliseconds of a scheduler's cycle.
const CYCLE: f64 = 20.0;

const QUERY: &str = "SELECT d.grp, count(*) AS n, sum(f.amount) AS total
    FROM fact f JOIN dim d ON d.id = f.dim GROUP BY d.grp";

const MERGE: &str = "MERGE INTO by_hand t USING (
        SELECT d.grp, sum(x.w)::bigint AS n, sum(x.w * x.amount)::bigint AS total
        FROM log x JOIN dim d ON d.id = x.dim GROUP BY d.grp
        HAVING sum(x.w) <> 0 OR sum(x.w * x.amount) <> 0
    ) s ON t.grp = s.grp
    WHEN MATCHED AND t.n + s.n = 0 THEN DELETE
    WHEN MATCHED THEN UPDATE SET n = t.n + s.n, total = t.total + s.total
    WHEN NOT MATCHED THEN INSERT VALUES (s.grp, s.n, s.total)";

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("refresh: {}", with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<bool> {
    let mut client = database::fresh(&args.connection)?;
    // To wait for the disk would hide what is measured.
    client.batch_execute("SET synchronous_commit = off")?;
    schedule(&mut client, false)?;
    prepare(&mut client)?;
    let mut rows = vec![];
    let mut exact = true;
    for count in [100, 1_000, 10_000, 100_000] {
        let (row, right) = sizes(&mut client, count, args.rounds)?;
        rows.push(row);
        exact &= right;
    }
    println!("\nA join of {FACTS} with {DIMENSIONS} rows, grouped; rows updated at random:\n");
    let headings = [
        "rows",
        "refresh",
        "of that inside",
        "MERGE",
        "full query",
        "× MERGE",
        "goal",
    ];
    print_table(&headings, &rows);
    let idle = nothing(&mut client)?;
    println!(
        "\nA refresh that finds nothing changed: {:.0} µs, of which {:.0} µs is what any call costs.",
        idle.0, idle.1
    );
    if args.idle > 0 {
        let cycle = cycle(&mut client, args)?;
        let mark = if cycle <= CYCLE { "" } else { ", missed" };
        println!(
            "A scheduler's cycle over {} idle stream tables: {cycle:.1} ms of CPU (goal {CYCLE}{mark}).",
            args.idle
        );
    }
    if !exact {
        eprintln!("a stream table differs from its query");
    }
    Ok(exact)
}

fn prepare(client: &mut Client) -> Result<()> {
    client.batch_execute(&format!(
        "CREATE TABLE dim (id int PRIMARY KEY, grp int NOT NULL, name text);
         CREATE TABLE fact (id int PRIMARY KEY, dim int NOT NULL, amount int NOT NULL, note text)
            WITH (fillfactor = 80);
         INSERT INTO dim SELECT i, i % {GROUPS}, 'dimension ' || i FROM generate_series(1, {DIMENSIONS}) i;
         INSERT INTO fact SELECT i, 1 + (i::bigint * 7919 % {DIMENSIONS}), i % 1000, 'a note'
            FROM generate_series(1, {FACTS}) i;
         CREATE INDEX ON fact (dim);
         CREATE TABLE log (w smallint, dim int, amount int);
         ANALYZE dim; ANALYZE fact;
         CREATE TABLE by_hand (grp int PRIMARY KEY, n bigint, total bigint) WITH (fillfactor = 70);
         INSERT INTO by_hand {QUERY};
         SELECT pgtrickle.create_stream_table('st', $q${QUERY}$q$, '1h', 'DIFFERENTIAL')"
    ))?;
    vacuum(client, &["dim", "fact", "by_hand", "st"])
}

/// Changes random rows, and has both find out.
fn sizes(client: &mut Client, count: i32, rounds: usize) -> Result<(Vec<String>, bool)> {
    let (mut ours, mut inside, mut theirs) = (vec![], vec![], vec![]);
    for round in 0..rounds {
        let start = i64::from(count) * round as i64 * 31 % i64::from(FACTS);
        client.batch_execute(&format!(
            "WITH changed AS (
                UPDATE fact SET amount = amount + 1 + fact.id % 3 FROM (
                    SELECT 1 + (({start} + i) * 104729 % {FACTS})::int AS id
                    FROM generate_series(1, {count}::bigint) i) p
                WHERE fact.id = p.id RETURNING old.dim AS d0, old.amount AS a0, new.dim AS d1, new.amount AS a1)
             INSERT INTO log SELECT v.* FROM changed, LATERAL (VALUES (-1, d0, a0), (1, d1, a1)) v;
             ANALYZE log"
        ))?;
        let merge = |client: &mut Client| time(|| Ok(client.batch_execute(MERGE)?));
        let refresh = |client: &mut Client| {
            time(|| Ok(client.batch_execute("SELECT pgtrickle.refresh_stream_table('st')")?))
        };
        // Who comes second finds a warmer cache: by turns.
        if round % 2 == 0 {
            theirs.push(merge(client)?);
            ours.push(refresh(client)?);
        } else {
            ours.push(refresh(client)?);
            theirs.push(merge(client)?);
        }
        let row = client.query_one(
            "SELECT action, delta_rows, duration_ms FROM pgtrickle.get_refresh_history('st', 1)",
            &[],
        )?;
        let (action, delta): (String, i64) = (row.get(0), row.get(1));
        if (action.as_str(), delta) != ("DIFFERENTIAL", 2 * i64::from(count)) {
            return Err(format!("the refresh was {action} of {delta} rows").into());
        }
        inside.push(row.get(2));
        client.batch_execute("TRUNCATE log")?;
    }
    let full: Vec<f64> = (0..3)
        .map(|_| {
            time(|| {
                client.query(&format!("SELECT sum(n), sum(total) FROM ({QUERY}) q"), &[])?;
                Ok(())
            })
        })
        .collect::<Result<_>>()?;
    let wrong: i64 = client
        .query_one(
            &format!(
                "SELECT (SELECT count(*) FROM pgtrickle.verify('st')) +
                 (SELECT count(*) FROM (SELECT * FROM by_hand EXCEPT ALL {QUERY}) d)"
            ),
            &[],
        )?
        .get(0);
    vacuum(client, &["fact", "by_hand", "st"])?;
    let ratio = median(&ours) / median(&theirs);
    let mark = if ratio <= GOAL { "" } else { " missed" };
    let ms = |samples: &[f64]| format!("{:.1} ms", median(samples));
    let row = vec![
        count.to_string(),
        ms(&ours),
        ms(&inside),
        ms(&theirs),
        ms(&full),
        format!("{ratio:.2}"),
        format!("{GOAL:.2}{mark}"),
    ];
    Ok((row, wrong == 0))
}

/// Microseconds of a refresh without changes, and of a call that does nothing.
fn nothing(client: &mut Client) -> Result<(f64, f64)> {
    let mut times = [vec![], vec![]];
    for (sql, times) in [
        "SELECT pgtrickle.refresh_stream_table('st')",
        "SELECT pgtrickle.version()",
    ]
    .iter()
    .zip(&mut times)
    {
        let statement = client.prepare(sql)?;
        for _ in 0..300 {
            times.push(time(|| {
                client.execute(&statement, &[])?;
                Ok(())
            })?);
        }
    }
    let [refresh, call] = times.each_ref().map(|t| 1000.0 * median(t));
    Ok((refresh, call))
}

/// Milliseconds of CPU that a cycle of the scheduler takes, as Linux counts them.
fn cycle(client: &mut Client, args: &Args) -> Result<f64> {
    const PAUSE: f64 = 100.0;
    const SOURCES: i32 = 100;
    for i in 0..SOURCES {
        client.batch_execute(&format!(
            "CREATE TABLE source{i} (id int PRIMARY KEY, k int, v int)"
        ))?;
    }
    let started = Instant::now();
    for i in 0..args.idle {
        client.batch_execute(&format!(
            "SELECT pgtrickle.create_stream_table('idle{i}',
                'SELECT k, count(*) AS n, sum(v) AS s FROM source{} WHERE id > {i} GROUP BY k', '1s')",
            i % SOURCES
        ))?;
    }
    println!(
        "{} stream tables created, {:.1} ms each.",
        args.idle,
        started.elapsed().as_secs_f64() * 1000.0 / f64::from(args.idle)
    );
    client.batch_execute(&format!(
        "ALTER SYSTEM SET pg_trickle.scheduler_interval_ms = {PAUSE}"
    ))?;
    schedule(client, true)?;
    let pid = worker(client)?;
    // The first cycles fill caches.
    std::thread::sleep(Duration::from_secs(3));
    let (before, started) = (on_cpu(pid)?, Instant::now());
    std::thread::sleep(Duration::from_secs(10));
    let busy = (on_cpu(pid)? - before) / (started.elapsed().as_secs_f64() * 1000.0);
    client.batch_execute("ALTER SYSTEM RESET pg_trickle.scheduler_interval_ms")?;
    client.batch_execute("ALTER SYSTEM RESET pg_trickle.enabled")?;
    client.batch_execute("SELECT pg_reload_conf()")?;
    // A cycle of c after each pause: busy = c / (pause + c).
    Ok(PAUSE * busy / (1.0 - busy))
}

fn worker(client: &mut Client) -> Result<i32> {
    for _ in 0..600 {
        let found = client.query_opt(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()
             AND backend_type = 'pg_trickle scheduler' AND pgtrickle._looked_at() IS NOT NULL",
            &[],
        )?;
        if let Some(row) = found {
            return Ok(row.get(0));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err("the scheduler does not run".into())
}

/// Milliseconds that a process has run.
fn on_cpu(pid: i32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat"))?;
    let nanoseconds: f64 = text.split_whitespace().next().unwrap_or("").parse()?;
    Ok(nanoseconds / 1e6)
}
