//! `./dev bench tpch`: the TPC-H queries as DIFFERENTIAL stream tables under mixed batches, each
//! refresh against REFRESH MATERIALIZED VIEW of the same query, in one run.
//!
//! Prints a table with medians, the worst query first; ends non-zero if a stream table differs
//! from its query or a refresh did not run DIFFERENTIAL.

use benches::changes::{self, Batch};
use benches::database::{self, Connection};
use benches::tpch::{self, QUERIES};
use clap::Parser;
use postgres::Client;
use std::process::ExitCode;
use std::time::Instant;

#[derive(Parser)]
#[command(about = "TPC-H: differential refreshes against materialized views")]
struct Args {
    #[command(flatten)]
    connection: Connection,
    /// TPC-H scale factor.
    #[arg(long, default_value_t = 0.1)]
    scale: f64,
    /// Shares of all rows that a batch changes, in per mille.
    #[arg(long, value_delimiter = ',', default_values_t = [1.0, 10.0])]
    permille: Vec<f64>,
    /// Batches for each share.
    #[arg(long, default_value_t = 5)]
    batches: usize,
    /// Only these queries, for instance q3,q10.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Where the batches start: other seeds change other rows.
    #[arg(long, default_value_t = 1)]
    seed: i64,
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What was measured of one query under one size of batch, in milliseconds.
#[derive(Default, Clone)]
struct Times {
    full: Vec<f64>,
    refresh: Vec<f64>,
    rows: Vec<f64>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("tpch: {}", database::with_causes(&*e));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<bool> {
    let mut client = database::fresh(&args.connection)?;
    println!("TPC-H at scale factor {}:", args.scale);
    let mut total = 0;
    tpch::load(&mut client, args.scale, |_, rows| total += rows)?;
    println!("  {total} rows in 8 tables");
    client.batch_execute("VACUUM ANALYZE")?;
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|o| o == name);
    let queries: Vec<_> = QUERIES.iter().filter(|q| wanted(q.name)).collect();
    for query in &queries {
        client.execute(
            "SELECT pgtrickle.create_stream_table($1, $2, '1d', 'DIFFERENTIAL')",
            &[&query.name, &query.sql],
        )?;
        client.batch_execute(&format!(
            "CREATE MATERIALIZED VIEW {}_full AS {}",
            query.name, query.sql
        ))?;
    }
    let mut seed = args.seed;
    let mut right = true;
    for permille in &args.permille {
        let batch = Batch::of((total as f64 * permille / 1000.0) as i64);
        let mut times = vec![Times::default(); queries.len()];
        let mut changed = vec![];
        // The first batch warms up plans and caches, and does not count.
        for n in 0..=args.batches {
            changed.push(changes::apply(&mut client, batch, seed)? as f64);
            seed += 1;
            for (query, times) in queries.iter().zip(&mut times) {
                let full = full(&mut client, query.name)?;
                let started = Instant::now();
                client.execute("SELECT pgtrickle.refresh_stream_table($1)", &[&query.name])?;
                let refresh = started.elapsed().as_secs_f64() * 1000.0;
                let rows = delta_rows(&mut client, query.name)?;
                if n > 0 {
                    times.full.push(full);
                    times.refresh.push(refresh);
                    times.rows.push(rows);
                }
            }
        }
        for query in &queries {
            let sql = "SELECT count(*) FROM pgtrickle.verify($1)";
            let differences: i64 = client.query_one(sql, &[&query.name])?.get(0);
            if differences != 0 {
                println!("{}: {differences} DIFFERENCES", query.name);
                right = false;
            }
        }
        println!(
            "\n{permille} per mille of the rows changed ({:.0} a batch), medians of {} batches:\n",
            median(&mut changed),
            args.batches
        );
        report(&queries.iter().map(|q| q.name).collect::<Vec<_>>(), times);
    }
    Ok(right)
}

/// What PostgreSQL itself offers.
fn full(client: &mut Client, name: &str) -> Result<f64> {
    let started = Instant::now();
    client.batch_execute(&format!("REFRESH MATERIALIZED VIEW {name}_full"))?;
    Ok(started.elapsed().as_secs_f64() * 1000.0)
}

/// How many change rows the last refresh read; an error if it was not differential.
fn delta_rows(client: &mut Client, name: &str) -> Result<f64> {
    let row = client.query_one(
        "SELECT action, COALESCE(delta_rows, 0)::float8 FROM pgtrickle.get_refresh_history($1, 1)",
        &[&name],
    )?;
    match row.get::<_, &str>(0) {
        "DIFFERENTIAL" => Ok(row.get(1)),
        // Of what reads none of the tables that batches change.
        "NO_DATA" => Ok(0.0),
        other => Err(format!("the refresh of {name} ran {other}, not DIFFERENTIAL").into()),
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n => (values[n / 2] + values[(n - 1) / 2]) / 2.0,
    }
}

fn report(names: &[&str], times: Vec<Times>) {
    let mut lines: Vec<(f64, String)> = vec![];
    let mut logs = 0.0;
    for (name, mut t) in names.iter().zip(times) {
        let (full, refresh) = (median(&mut t.full), median(&mut t.refresh));
        let rows = median(&mut t.rows);
        if rows == 0.0 {
            println!("({name}: no row of its tables changed)\n");
            continue;
        }
        let factor = full / refresh;
        logs += factor.ln();
        lines.push((
            factor,
            format!(
                "| {name:<5} | {rows:>11.0} | {full:>9.1} | {refresh:>10.1} | {factor:>6.1}× |"
            ),
        ));
    }
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    println!("| query | change rows |   full ms | refresh ms | faster |");
    println!("|-------|------------:|----------:|-----------:|-------:|");
    for (_, line) in &lines {
        println!("{line}");
    }
    let mean = (logs / lines.len().max(1) as f64).exp();
    println!("\ngeometric mean: {mean:.1}×");
}
