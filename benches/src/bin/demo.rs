//! `./dev demo`: TPC-H data, four stream tables, a stream of changes, and what each refresh did.
//!
//! Ends non-zero if any stream table differs from its query.

use benches::changes::{self, Batch};
use benches::database::{self, Connection};
use benches::tpch;
use clap::Parser;
use postgres::{Client, NoTls};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[derive(Parser)]
#[command(about = "Shows stream tables at work on TPC-H data")]
struct Args {
    /// Connection string of a superuser, for instance `host=/tmp/socket user=postgres`.
    #[arg(long)]
    connect: String,
    /// The database to make and use.
    #[arg(long, default_value = "demo")]
    database: String,
    /// TPC-H scale factor.
    #[arg(long, default_value_t = 0.1)]
    scale: f64,
    /// How long changes stream in.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Rows changed by each batch.
    #[arg(long, default_value_t = 500)]
    rows: i64,
}

struct StreamTable {
    name: &'static str,
    what: &'static str,
    query: &'static str,
}

const STREAM_TABLES: [StreamTable; 4] = [
    StreamTable {
        name: "regional_totals",
        what: "join of four tables, grouped",
        query: "SELECT r_name AS region, count(*) AS orders, sum(o_totalprice) AS total\n\
                FROM orders\n\
                JOIN customer ON c_custkey = o_custkey\n\
                JOIN nation ON n_nationkey = c_nationkey\n\
                JOIN region ON r_regionkey = n_regionkey\n\
                GROUP BY r_name",
    },
    StreamTable {
        name: "unshipped_orders",
        what: "TPC-H Q3, all of it",
        query: include_str!("../queries/q3.sql"),
    },
    StreamTable {
        name: "market_segments",
        what: "DISTINCT over a join",
        query: "SELECT DISTINCT n_name AS nation, c_mktsegment AS segment\n\
                FROM customer JOIN nation ON n_nationkey = c_nationkey\n\
                WHERE c_acctbal > 9000",
    },
    StreamTable {
        name: "unshipped_by_day",
        what: "on a stream table",
        query: "SELECT o_orderdate AS day, count(*) AS orders, sum(revenue) AS revenue\n\
                FROM unshipped_orders GROUP BY o_orderdate",
    },
];

/// The latest refresh of a stream table, as the history has it.
#[derive(Default, Clone)]
struct Latest {
    refreshes: i64,
    action: String,
    rows_in: i64,
    inserted: i64,
    deleted: i64,
    ms: f64,
    failed: Option<String>,
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("demo: {}", database::with_causes(&*e));
            ExitCode::FAILURE
        }
    }
}

fn connect(args: &Args, database: &str) -> Result<Client> {
    Ok(Client::connect(
        &format!("{} dbname={database}", args.connect),
        NoTls,
    )?)
}

fn run(args: &Args) -> Result<bool> {
    prepare(args)?;
    let mut client = connect(args, &args.database)?;
    let full_ms = full_times(&mut client)?;

    println!(
        "\nChanging about {} rows a batch for {} seconds; the scheduler keeps four stream tables fresh.\n",
        args.rows, args.seconds
    );
    let stop = Arc::new(AtomicBool::new(false));
    let changed = Arc::new(AtomicU64::new(0));
    let writer = {
        let (stop, changed) = (stop.clone(), changed.clone());
        let mut client = connect(args, &args.database)?;
        let rows = args.rows;
        std::thread::spawn(move || -> std::result::Result<(), postgres::Error> {
            let mut seed = 1;
            while !stop.load(Ordering::Relaxed) {
                let n = changes::apply(&mut client, Batch::of(rows), seed)?;
                changed.fetch_add(n, Ordering::Relaxed);
                seed += 1;
                std::thread::sleep(Duration::from_millis(300));
            }
            Ok(())
        })
    };
    watch(&mut client, args, &full_ms, &changed)?;
    stop.store(true, Ordering::Relaxed);
    writer
        .join()
        .map_err(|_| "the writer of changes panicked")??;

    println!("\nBringing all up to date once more, then comparing each with its query:");
    let mut right = true;
    for st in &STREAM_TABLES {
        client.execute("SELECT pgtrickle.refresh_stream_table($1)", &[&st.name])?;
    }
    for st in &STREAM_TABLES {
        let differences: i64 = client
            .query_one("SELECT count(*) FROM pgtrickle.verify($1)", &[&st.name])?
            .get(0);
        let rows: i64 = client
            .query_one(&format!("SELECT count(*) FROM {}", st.name), &[])?
            .get(0);
        let failed: i64 = client
            .query_one(
                "SELECT count(*) FROM pgtrickle.get_refresh_history($1, 10000) WHERE status = 'FAILED'",
                &[&st.name],
            )?
            .get(0);
        right &= differences == 0 && failed == 0;
        let verdict = match (differences, failed) {
            (0, 0) => "exact".to_owned(),
            (d, f) => format!("{d} DIFFERENCES, {f} failed refreshes"),
        };
        println!("  {:<18} {rows:>7} rows   {verdict}", st.name);
    }

    println!(
        "\nThe delta program of regional_totals (SELECT pgtrickle.explain_delta('regional_totals')):\n"
    );
    let program: String = client
        .query_one("SELECT pgtrickle.explain_delta('regional_totals')", &[])?
        .get(0);
    println!("{program}");
    println!(
        "\nLook around:  ./dev psql {}\n  SELECT * FROM regional_totals;\n  SELECT * FROM pgtrickle.pgt_status();\nStop:         ./dev stop",
        args.database
    );
    Ok(right)
}

/// Loads the data unless a former run did, and makes the stream tables.
fn prepare(args: &Args) -> Result<()> {
    if !is_loaded(args)? {
        println!("Loading TPC-H at scale factor {}:", args.scale);
        let mut client = database::fresh(&Connection {
            connect: args.connect.clone(),
            database: args.database.clone(),
        })?;
        tpch::load(&mut client, args.scale, |table, rows| {
            println!("  {table:<10} {rows:>9} rows");
        })?;
        client.batch_execute(&format!(
            "CREATE TABLE tpch_loaded AS SELECT {}::float8 AS scale, ({INSTALLED}) AS extension",
            args.scale
        ))?;
    }
    let mut client = connect(args, &args.database)?;
    client.batch_execute("SET client_min_messages = warning")?;
    println!("\nStream tables:");
    for st in &STREAM_TABLES {
        let started = Instant::now();
        client.execute(
            "SELECT pgtrickle.create_stream_table_if_not_exists($1, $2, schedule => '1s', refresh_mode => 'DIFFERENTIAL')",
            &[&st.name, &st.query],
        )?;
        println!(
            "  {:<18} {:<30} {:>8.0} ms",
            st.name,
            st.what,
            started.elapsed().as_secs_f64() * 1000.0
        );
    }
    Ok(())
}

/// The version of the extension that is installed on the server, by content: while it is being
/// worked on, its number stays the same.
const INSTALLED: &str = "
    SELECT md5(pg_read_file(setting || '/extension/pg_trickle--' || default_version || '.sql'))
    FROM pg_config, pg_available_extensions
    WHERE pg_config.name = 'SHAREDIR' AND pg_available_extensions.name = 'pg_trickle'";

/// Has a former run loaded this database, at this scale and with the extension as it is now?
fn is_loaded(args: &Args) -> Result<bool> {
    let sql = "SELECT FROM pg_database WHERE datname = $1";
    let known = connect(args, "postgres")?.query_opt(sql, &[&args.database])?;
    if known.is_none() {
        return Ok(false);
    }
    let mut client = connect(args, &args.database)?;
    let sql = "SELECT to_regclass('tpch_loaded') IS NOT NULL";
    if !client.query_one(sql, &[])?.get::<_, bool>(0) {
        return Ok(false);
    }
    // By name, as an older demo may have noted less.
    let sql = format!(
        "SELECT FROM (SELECT to_jsonb(t) AS t FROM tpch_loaded t) AS noted \
         WHERE (t ->> 'scale')::float8 = $1 AND t ->> 'extension' = ({INSTALLED})"
    );
    Ok(client.query_opt(&sql, &[&args.scale])?.is_some())
}

/// What each query costs when it is run in full: the median of three.
fn full_times(client: &mut Client) -> Result<Vec<f64>> {
    let mut out = vec![];
    for st in &STREAM_TABLES {
        let mut times = vec![];
        for _ in 0..3 {
            let started = Instant::now();
            client.batch_execute(&format!(
                "EXPLAIN (ANALYZE, TIMING OFF, BUFFERS OFF, COSTS OFF) {}",
                st.query
            ))?;
            times.push(started.elapsed().as_secs_f64() * 1000.0);
        }
        times.sort_by(f64::total_cmp);
        out.push(times[1]);
    }
    Ok(out)
}

fn latest(client: &mut Client, name: &str) -> Result<Latest> {
    let row = client.query_opt(
        "SELECT action, COALESCE(delta_rows, 0)::bigint, COALESCE(rows_inserted, 0)::bigint,
                COALESCE(rows_deleted, 0)::bigint, COALESCE(duration_ms, 0)::float8, status, error_message,
                count(*) OVER ()
         FROM pgtrickle.get_refresh_history($1, 10000)
         WHERE action <> 'NO_DATA'
         ORDER BY refresh_id DESC LIMIT 1",
        &[&name],
    )?;
    Ok(row.map_or_else(Latest::default, |row| Latest {
        action: row.get(0),
        rows_in: row.get(1),
        inserted: row.get(2),
        deleted: row.get(3),
        ms: row.get(4),
        failed: (row.get::<_, String>(5) == "FAILED")
            .then(|| row.get::<_, Option<String>>(6).unwrap_or_default()),
        refreshes: row.get(7),
    }))
}

/// Redraws a table on a terminal; elsewhere prints a line for each new refresh.
fn watch(client: &mut Client, args: &Args, full_ms: &[f64], changed: &AtomicU64) -> Result<()> {
    let terminal = std::io::stdout().is_terminal();
    let started = Instant::now();
    let mut seen = vec![0; STREAM_TABLES.len()];
    let mut drawn = false;
    let header = format!(
        "{:<18} {:>9} {:<12} {:>10} {:>8} {:>8} {:>9} {:>9} {:>8}",
        "stream table",
        "refreshes",
        "latest",
        "changed in",
        "inserted",
        "deleted",
        "ms",
        "full ms",
        "faster"
    );
    if !terminal {
        println!("{header}");
    }
    while started.elapsed() < Duration::from_secs(args.seconds) {
        std::thread::sleep(Duration::from_millis(250));
        let mut lines = vec![];
        for (i, st) in STREAM_TABLES.iter().enumerate() {
            let now = latest(client, st.name)?;
            let faster = match now.action.as_str() {
                "DIFFERENTIAL" if now.ms > 0.0 => format!("{:.0}x", full_ms[i] / now.ms),
                _ => String::new(),
            };
            let line = format!(
                "{:<18} {:>9} {:<12} {:>10} {:>8} {:>8} {:>9.1} {:>9.1} {:>8}{}",
                st.name,
                now.refreshes,
                now.action,
                now.rows_in,
                now.inserted,
                now.deleted,
                now.ms,
                full_ms[i],
                faster,
                now.failed
                    .as_ref()
                    .map_or_else(String::new, |e| format!("  FAILED: {e}"))
            );
            if !terminal && now.refreshes != seen[i] {
                println!("{line}");
            }
            seen[i] = now.refreshes;
            lines.push(line);
        }
        if terminal {
            let done = started.elapsed().as_secs_f64() / args.seconds.max(1) as f64;
            let filled = (done.min(1.0) * 30.0) as usize;
            if drawn {
                print!("\x1b[{}A", lines.len() + 2);
            }
            println!(
                "\x1b[2K[{}{}] {} rows changed",
                "#".repeat(filled),
                "-".repeat(30 - filled),
                changed.load(Ordering::Relaxed)
            );
            println!("\x1b[2K{header}");
            for line in &lines {
                println!("\x1b[2K{line}");
            }
            std::io::stdout().flush()?;
            drawn = true;
        }
    }
    if !terminal {
        println!("{} rows changed", changed.load(Ordering::Relaxed));
    }
    Ok(())
}
