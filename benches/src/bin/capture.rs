//! What capture costs writers: the same statements on a table without triggers, with native
//! capture, and with a PL/pgSQL row trigger that writes the same change rows.
//!
//! The three take turns, so that whatever else the machine does falls on all of them; what is
//! shown are medians.

use benches::database::{self, Connection, with_causes};
use benches::measure::{Result, median, print_table, schedule, time, vacuum};
use clap::Parser;
use postgres::Client;
use std::process::ExitCode;

#[derive(Parser)]
#[command(about = "What capture costs writers")]
struct Args {
    #[command(flatten)]
    connection: Connection,
    /// Turns of each kind of statement.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Single-row statements in a turn.
    #[arg(long, default_value_t = 1000)]
    statements: i32,
}

const TABLES: [&str; 3] = ["plain", "native", "plpgsql"];

const ROWS: i32 = 200_000;

/// Single rows: at most this much longer than without a trigger.
const SINGLE: f64 = 1.15;
const BULK: f64 = 1.5;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("capture: {}", with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let mut client = database::fresh(&args.connection)?;
    // To wait for the disk would hide what is measured.
    client.batch_execute("SET synchronous_commit = off")?;
    schedule(&mut client, false)?;
    prepare(&mut client)?;
    let mut rows = vec![];
    for (name, sql) in [
        ("UPDATE of a row", "UPDATE {t} SET v = v + 1 WHERE id = $1"),
        (
            "INSERT of a row",
            "INSERT INTO {t} VALUES ($1 + 1000000, $1 % 1000, $1, 'a note')",
        ),
    ] {
        let samples = single(&mut client, sql, args)?;
        rows.push(show(name, &samples, f64::from(args.statements), SINGLE));
    }
    for count in [10_000, 100_000] {
        for (name, sql) in [
            (
                "INSERT of",
                format!(
                    "INSERT INTO {{t}} SELECT i, i % 1000, i, 'a note' FROM generate_series(2000001, 2000000 + {count}) i"
                ),
            ),
            (
                "UPDATE of",
                format!("UPDATE {{t}} SET v = v + 1 WHERE id <= {count}"),
            ),
        ] {
            let samples = bulk(&mut client, &sql, args.rounds.div_ceil(2))?;
            rows.push(show(&format!("{name} {count} rows"), &samples, 1.0, BULK));
        }
    }
    println!();
    let headings = [
        "one statement",
        "no trigger",
        "native",
        "PL/pgSQL",
        "native ×",
        "PL/pgSQL ×",
        "goal",
    ];
    print_table(&headings, &rows);
    Ok(())
}

fn prepare(client: &mut Client) -> Result<()> {
    for table in TABLES {
        client.batch_execute(&format!(
            "CREATE TABLE {table} (id int PRIMARY KEY, k int NOT NULL, v numeric, note text)
                WITH (fillfactor = 70, autovacuum_enabled = off);
             INSERT INTO {table} SELECT i, i % 1000, i, 'a note' FROM generate_series(1, {ROWS}) i"
        ))?;
    }
    client.batch_execute(
        "CREATE TABLE log (xid xid8, seq bigint, w smallint, k int, v numeric)
            WITH (autovacuum_enabled = off);
         CREATE SEQUENCE numbers CACHE 100;
         CREATE FUNCTION log_changes() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF TG_OP <> 'INSERT' THEN
                 INSERT INTO log VALUES (pg_current_xact_id(), nextval('numbers'), -1, OLD.k, OLD.v);
             END IF;
             IF TG_OP <> 'DELETE' THEN
                 INSERT INTO log VALUES (pg_current_xact_id(), nextval('numbers'), 1, NEW.k, NEW.v);
             END IF;
             RETURN NULL;
         END $$;
         CREATE TRIGGER log_changes AFTER INSERT OR UPDATE OR DELETE ON plpgsql
            FOR EACH ROW EXECUTE FUNCTION log_changes();
         SELECT pgtrickle.create_stream_table('sums',
            'SELECT k, count(*) AS n, sum(v) AS total FROM native GROUP BY k', '1h', 'DIFFERENTIAL')",
    )?;
    vacuum(client, &TABLES)
}

/// Change rows that were written since the last call, natively and by the other trigger.
fn captured(client: &mut Client) -> Result<(i64, i64)> {
    let row = client.query_one(
        "SELECT (SELECT sum(pending_rows)::bigint FROM pgtrickle.change_buffer_sizes()),
            (SELECT count(*) FROM log)",
        &[],
    )?;
    let counts = (row.get(0), row.get(1));
    client.batch_execute("SELECT pgtrickle.refresh_stream_table('sums'); TRUNCATE log")?;
    Ok(counts)
}

/// Both must have written the same, or nothing is compared.
fn check(client: &mut Client) -> Result<()> {
    let (native, other) = captured(client)?;
    if native == 0 || native != other {
        return Err(format!("captured {native} rows natively and {other} otherwise").into());
    }
    Ok(())
}

type Samples = [Vec<f64>; 3];

fn single(client: &mut Client, sql: &str, args: &Args) -> Result<Samples> {
    let mut samples = Samples::default();
    let mut next = 0;
    let prepared = TABLES.map(|t| client.prepare(&sql.replace("{t}", t)));
    let prepared = prepared
        .into_iter()
        .collect::<std::result::Result<Vec<_>, _>>()?;
    for _ in 0..args.rounds {
        for (statement, times) in prepared.iter().zip(&mut samples) {
            times.push(time(|| {
                for i in next..next + args.statements {
                    // All over the table, each row once.
                    let id = (i64::from(i) * 7919 % i64::from(ROWS)) as i32 + 1;
                    client.execute(statement, &[&id])?;
                }
                Ok(())
            })?);
        }
        next += args.statements;
        check(client)?;
    }
    Ok(samples)
}

fn bulk(client: &mut Client, sql: &str, rounds: usize) -> Result<Samples> {
    let mut samples = Samples::default();
    for _ in 0..rounds {
        for (table, times) in TABLES.iter().zip(&mut samples) {
            let sql = sql.replace("{t}", table);
            times.push(time(|| Ok(client.batch_execute(&sql)?))?);
        }
        check(client)?;
        for table in TABLES {
            client.batch_execute(&format!("DELETE FROM {table} WHERE id > 2000000"))?;
        }
        vacuum(client, &TABLES)?;
        captured(client)?;
    }
    Ok(samples)
}

fn show(name: &str, samples: &Samples, statements: f64, goal: f64) -> Vec<String> {
    let [plain, native, plpgsql] = samples.each_ref().map(|s| median(s));
    let ms = |ms: f64| match ms / statements {
        one if one < 1.0 => format!("{:.1} µs", one * 1000.0),
        one => format!("{one:.1} ms"),
    };
    let mark = if native / plain <= goal {
        ""
    } else {
        " missed"
    };
    vec![
        name.to_owned(),
        ms(plain),
        ms(native),
        ms(plpgsql),
        format!("{:.2}", native / plain),
        format!("{:.2}", plpgsql / plain),
        format!("{goal:.2}{mark}"),
    ]
}
