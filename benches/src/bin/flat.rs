//! `./dev bench flat`: the same change to tables of one, four and sixteen times as many rows: what a
//! refresh costs must follow from the change, not from the tables. A query for each family of
//! operators ([`families`]).
//!
//! Prints medians, and how many times longer it takes with sixteen times the rows, the worst first;
//! ends non-zero if a stream table differs from its query or a refresh did not run DIFFERENTIAL.

#[path = "flat/families.rs"]
mod families;

use benches::database::{self, Connection, with_causes};
use benches::measure::{Result, median, print_table, schedule, time};
use clap::Parser;
use families::{FAMILIES, Family};
use postgres::Client;
use std::process::ExitCode;

#[derive(Parser)]
#[command(about = "Refreshes of the same change to tables of growing size")]
struct Args {
    #[command(flatten)]
    connection: Connection,
    /// Rows of the large tables at their smallest; a multiple of 100.
    #[arg(long, default_value_t = 20_000)]
    rows: i32,
    /// Rows of each large table that are inserted, deleted and updated between two refreshes.
    #[arg(long, default_value_t = 20)]
    changes: i32,
    /// Refreshes that are measured.
    #[arg(long, default_value_t = 9)]
    rounds: i32,
    /// Only families whose name contains this.
    #[arg(long)]
    only: Option<String>,
}

const GROWTH: [i32; 3] = [1, 4, 16];
/// The first refreshes make plans and fill caches, and do not count.
const WARM_UP: i32 = 2;
/// Times longer, with sixteen times the rows, than what can still be noise and deeper indexes.
const FLAT: f64 = 2.0;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("flat: {}", with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

/// What was measured of one family.
struct Measured {
    family: &'static Family,
    /// Why it need not be flat: the codes of the bounds that its query is told.
    bounds: String,
    /// Milliseconds, by size.
    times: [Vec<f64>; 3],
    /// Rows of the result that refreshes inserted and deleted, by size.
    changed: [Vec<f64>; 3],
}

fn run(args: &Args) -> Result<bool> {
    let wanted = |f: &&Family| {
        args.only
            .as_ref()
            .is_none_or(|part| f.name.contains(part.as_str()))
    };
    let mut client = database::fresh(&args.connection)?;
    // To wait for the disk would hide what is measured.
    client.batch_execute("SET synchronous_commit = off")?;
    schedule(&mut client, false)?;
    let mut measured: Vec<Measured> = FAMILIES
        .iter()
        .filter(wanted)
        .map(|family| Measured {
            family,
            bounds: String::new(),
            times: Default::default(),
            changed: Default::default(),
        })
        .collect();
    for growth in GROWTH {
        create(&mut client, args.rows * growth, growth, &mut measured)?;
    }
    client.batch_execute("VACUUM ANALYZE")?;
    for round in 0..WARM_UP + args.rounds {
        for (size, growth) in GROWTH.into_iter().enumerate() {
            enter(&mut client, growth)?;
            change(&mut client, args.rows * growth, args.changes, round)?;
            for (i, one) in measured.iter_mut().enumerate() {
                let (took, changed) = refresh(&mut client, i)?;
                if round >= WARM_UP {
                    one.times[size].push(took);
                    one.changed[size].push(changed);
                }
            }
        }
    }
    let mut right = true;
    for growth in GROWTH {
        enter(&mut client, growth)?;
        for (i, one) in measured.iter().enumerate() {
            let sql = "SELECT count(*) FROM pgtrickle.verify($1)";
            let differences: i64 = client.query_one(sql, &[&table(i)])?.get(0);
            if differences != 0 {
                eprintln!(
                    "{} at ×{growth}: {differences} differences",
                    one.family.name
                );
                right = false;
            }
        }
    }
    report(args, &mut measured);
    Ok(right)
}

/// Each size has tables of the same names, in a schema of its own.
fn enter(client: &mut Client, growth: i32) -> Result<()> {
    Ok(client.batch_execute(&format!("SET search_path = x{growth}, public"))?)
}

fn table(i: usize) -> String {
    format!("st{i}")
}

fn create(client: &mut Client, rows: i32, growth: i32, measured: &mut [Measured]) -> Result<()> {
    client.batch_execute(&format!("CREATE SCHEMA x{growth}"))?;
    enter(client, growth)?;
    let schema = include_str!("flat/schema.sql").replace(":n", &rows.to_string());
    client.batch_execute(&schema)?;
    client.batch_execute("ANALYZE")?;
    for (i, one) in measured.iter_mut().enumerate() {
        let Family { name, sql } = one.family;
        let created = client.execute(
            "SELECT pgtrickle.create_stream_table($1, $2, '1d', 'DIFFERENTIAL')",
            &[&table(i), sql],
        );
        created.map_err(|error| format!("{name}: {}", with_causes(&error)))?;
        let bounds =
            "SELECT coalesce(string_agg(DISTINCT code, ' '), '') FROM pgtrickle.validate_query($1)
                      WHERE code IN ('PGT0201', 'PGT0202')";
        one.bounds = client.query_one(bounds, &[sql])?.get(0);
    }
    Ok(())
}

/// Changes as many rows of each table, wherever they are: each row once in all rounds, in an order
/// that visits them all; and the order of the greatest amount is gone.
fn change(client: &mut Client, rows: i32, changes: i32, round: i32) -> Result<()> {
    let quarter = (changes / 4).max(1);
    let updates = (changes - 2 * quarter).max(1);
    let some = |of: i32, from: i32, count: i32| {
        let first = i64::from(from) + i64::from(round) * i64::from(changes);
        format!(
            "(SELECT (1 + n * 7919 % {of})::int AS pick, n::int AS n
              FROM generate_series({first}::bigint, {first}::bigint + {count} - 1) AS n) AS picks"
        )
    };
    let gone = some(rows, 0, quarter);
    let updated = some(rows, quarter, updates);
    let new = some(rows, quarter + updates, quarter);
    let customers = some(rows / 10, 0, updates);
    // The deepest third of the tree: what is below a node stays as small as it is.
    let moved = format!("2 * {rows} / 3 + pick / 3");
    client.batch_execute(&format!(
        "BEGIN;
         DELETE FROM orders USING {gone} WHERE id = pick;
         DELETE FROM orders WHERE id = (SELECT id FROM orders ORDER BY amount DESC, id DESC LIMIT 1);
         UPDATE orders SET amount = amount + 1 + n % 3, price = price + 1 FROM {updated} WHERE id = pick;
         INSERT INTO orders SELECT 2 * {rows} + n, 1 + pick / 11, pick * 10 + n % 10, n, 'status ' || n % 4, pick, now(), ARRAY[n % 7]
            FROM {new};
         UPDATE customer SET region = (region + 1) % 25, credit = credit + n % 7 FROM {customers} WHERE id = pick;
         DELETE FROM node USING {gone} WHERE id = {moved};
         UPDATE node SET parent = 2 + pick / 4 FROM {updated} WHERE id = {moved};
         INSERT INTO node SELECT 2 * {rows} + n, 1 + pick / 2, 'new' FROM {new};
         INSERT INTO reading SELECT 2 * {rows} + n, pick % 8, 2 * {rows} + n, pick % 1000 FROM {new};
         COMMIT"
    ))?;
    Ok(())
}

/// Milliseconds of a refresh, and how many rows of the result it changed.
fn refresh(client: &mut Client, i: usize) -> Result<(f64, f64)> {
    let name = table(i);
    let took = time(|| {
        client.execute("SELECT pgtrickle.refresh_stream_table($1)", &[&name])?;
        Ok(())
    })?;
    let row = client.query_one(
        "SELECT action, (rows_inserted + rows_deleted)::float8 FROM pgtrickle.get_refresh_history($1, 1)",
        &[&name],
    )?;
    match row.get::<_, &str>(0) {
        "DIFFERENTIAL" => Ok((took, row.get(1))),
        other => Err(format!("a refresh of {name} ran {other}, not DIFFERENTIAL").into()),
    }
}

fn report(args: &Args, measured: &mut [Measured]) {
    let ratio = |m: &Measured| median(&m.times[2]) / median(&m.times[0]);
    measured.sort_by(|a, b| ratio(b).total_cmp(&ratio(a)));
    let rows: Vec<Vec<String>> = measured
        .iter()
        .map(|m| {
            let mut row = vec![m.family.name.to_owned()];
            row.extend(m.times.iter().map(|t| format!("{:.1}", median(t))));
            row.push(format!("{:.2}", ratio(m)));
            row.extend([&m.changed[0], &m.changed[2]].map(|c| format!("{:.0}", median(c))));
            row.push(m.bounds.clone());
            row
        })
        .collect();
    println!(
        "\n{} rows of each large table changed, medians of {} refreshes in milliseconds; rows of the large\n\
         tables: ×1 = {}, ×4 = {}, ×16 = {}:\n",
        args.changes,
        args.rounds,
        args.rows,
        args.rows * GROWTH[1],
        args.rows * GROWTH[2],
    );
    print_table(
        &[
            "family",
            "×1",
            "×4",
            "×16",
            "×16 / ×1",
            "rows out ×1",
            "×16",
            "bounds",
        ],
        &rows,
    );
    let flat = measured.iter().filter(|m| ratio(m) <= FLAT).count();
    println!(
        "\n{flat} of {} families take at most {FLAT} times as long with sixteen times the rows.",
        measured.len()
    );
}
