//! What an IMMEDIATE stream table costs writers: the same statements on a table that no view reads,
//! on one with a statement trigger that somebody has written by hand, and on one with an IMMEDIATE
//! stream table, both of which keep the same join with an aggregate.
//!
//! The three take turns, so that whatever else the machine does falls on all of them; what is shown
//! are medians.

use benches::database::{self, Connection, with_causes};
use benches::measure::{Result, median, print_table, schedule, time, vacuum};
use clap::Parser;
use postgres::Client;
use std::process::ExitCode;

#[derive(Parser)]
#[command(about = "What an IMMEDIATE stream table costs writers")]
struct Args {
    #[command(flatten)]
    connection: Connection,
    /// Turns of each kind of statement.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Single-row statements in a turn.
    #[arg(long, default_value_t = 500)]
    statements: i32,
}

const KINDS: [&str; 3] = ["plain", "hand", "native"];

const ROWS: i32 = 200_000;
const GROUPS: i32 = 1000;

/// At most so many times the cost with the trigger.
const SINGLE: f64 = 2.0;
const BULK: f64 = 1.5;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("immediate: {}", with_causes(&*error));
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
        (
            "UPDATE of a row",
            "UPDATE item_{t} SET v = v + 1 WHERE id = $1",
        ),
        (
            "INSERT of a row",
            "INSERT INTO item_{t} VALUES ($1 + 1000000, $1 % 1000, $1)",
        ),
        (
            "DELETE of a row",
            "DELETE FROM item_{t} WHERE id = $1 + 1000000",
        ),
    ] {
        let samples = single(&mut client, sql, args)?;
        rows.push(show(name, &samples, f64::from(args.statements), SINGLE));
    }
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
        let samples = bulk(&mut client, sql, args.rounds)?;
        rows.push(show(name, &samples, 1.0, BULK));
    }
    println!();
    let headings = [
        "one statement",
        "no view",
        "by hand",
        "IMMEDIATE",
        "by hand ×",
        "IMMEDIATE ×",
        "IMMEDIATE / by hand",
        "goal",
    ];
    print_table(&headings, &rows);
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

fn prepare(client: &mut Client) -> Result<()> {
    for kind in KINDS {
        client.batch_execute(&format!(
            "CREATE TABLE kind_{kind} (k int PRIMARY KEY, label text NOT NULL);
             INSERT INTO kind_{kind} SELECT i, 'label ' || i / 2 FROM generate_series(0, {GROUPS} - 1) i;
             CREATE TABLE item_{kind} (id int PRIMARY KEY, k int NOT NULL, v bigint)
                WITH (fillfactor = 70, autovacuum_enabled = off);
             INSERT INTO item_{kind} SELECT i, i % {GROUPS}, i FROM generate_series(1, {ROWS}) i"
        ))?;
    }
    client.batch_execute(BY_HAND)?;
    client.batch_execute(
        "SELECT pgtrickle.create_stream_table('totals_native',
            'SELECT k.label, count(*) AS n, sum(i.v) AS total
             FROM item_native i JOIN kind_native k USING (k) GROUP BY k.label',
            refresh_mode => 'IMMEDIATE')",
    )?;
    vacuum_all(client)
}

fn vacuum_all(client: &mut Client) -> Result<()> {
    vacuum(
        client,
        &[
            "item_plain",
            "item_hand",
            "item_native",
            "totals_hand",
            "totals_native",
            "pgtrickle.pgt_turns",
        ],
    )
}

/// Both must hold the same, or nothing is compared.
fn check(client: &mut Client) -> Result<()> {
    let row = client.query_one(
        "SELECT (SELECT count(*) FROM pgtrickle.verify('totals_native')), (SELECT count(*) FROM (
            SELECT * FROM totals_hand EXCEPT ALL SELECT * FROM totals_native) AS d)",
        &[],
    )?;
    let (wrong, other): (i64, i64) = (row.get(0), row.get(1));
    if wrong + other > 0 {
        return Err(format!("{wrong} rows are wrong, {other} differ").into());
    }
    Ok(())
}

type Samples = [Vec<f64>; 3];

fn single(client: &mut Client, sql: &str, args: &Args) -> Result<Samples> {
    let mut samples = Samples::default();
    let mut next = 0;
    let prepared = KINDS.map(|t| client.prepare(&sql.replace("{t}", t)));
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
    vacuum_all(client)?;
    Ok(samples)
}

fn bulk(client: &mut Client, sql: &str, rounds: usize) -> Result<Samples> {
    let mut samples = Samples::default();
    for _ in 0..rounds {
        for (kind, times) in KINDS.iter().zip(&mut samples) {
            let sql = sql.replace("{t}", kind);
            times.push(time(|| Ok(client.batch_execute(&sql)?))?);
        }
        check(client)?;
        for kind in KINDS {
            client.batch_execute(&format!("DELETE FROM item_{kind} WHERE id > 2000000"))?;
        }
        vacuum_all(client)?;
    }
    Ok(samples)
}

fn show(name: &str, samples: &Samples, statements: f64, goal: f64) -> Vec<String> {
    let [plain, hand, native] = samples.each_ref().map(|s| median(s));
    let ms = |ms: f64| match ms / statements {
        one if one < 1.0 => format!("{:.1} µs", one * 1000.0),
        one => format!("{one:.1} ms"),
    };
    let mark = if native / hand <= goal { "" } else { " missed" };
    vec![
        name.to_owned(),
        ms(plain),
        ms(hand),
        ms(native),
        format!("{:.2}", hand / plain),
        format!("{:.2}", native / plain),
        format!("{:.2}", native / hand),
        format!("{goal:.2}{mark}"),
    ]
}
