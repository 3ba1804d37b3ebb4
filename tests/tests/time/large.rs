//! Large batches: rows that nobody reads are left out while a change buffer is read, and the planner is
//! told what the others are like.

use crate::support::*;
use harness::{Database, law, refresh};

const TABLES: &str = "
    CREATE TABLE head (id int PRIMARY KEY, kind text NOT NULL, at date NOT NULL);
    CREATE TABLE line (head int NOT NULL, n int NOT NULL, amount numeric(12,2), note text,
        PRIMARY KEY (head, n));
    INSERT INTO head SELECT i, 'k' || i % 5, date '2024-01-01' + i % 365
        FROM generate_series(1, 4000) i;
    INSERT INTO line SELECT i % 4000 + 1, i, i % 100, repeat('n', i % 40)
        FROM generate_series(1, 20000) i";

#[test]
fn what_nobody_reads_is_left_out() {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, TABLES);
    let queries = [
        // Of one table, with NULLs; of types by reference.
        ("few", "SELECT head, n, amount FROM line WHERE amount < 5 AND note <> 'nnn'"),
        // The old and the new state of both.
        (
            "joined",
            "SELECT h.kind, count(*) AS n, sum(l.amount) AS total FROM head h JOIN line l ON l.head = h.id
             WHERE h.at < '2024-03-01' AND l.amount BETWEEN 20 AND 40 GROUP BY h.kind",
        ),
        // What alternatives have in common.
        (
            "either",
            "SELECT l.head, l.n FROM head h, line l WHERE h.id = l.head AND h.kind = 'k1' AND l.amount < 10
             OR h.id = l.head AND h.kind = 'k2' AND l.amount > 90",
        ),
        // One reader asks, another does not.
        (
            "both",
            "SELECT count(*) AS n FROM line WHERE amount < 3 UNION ALL SELECT count(*) FROM line",
        ),
        // Nothing may be asked of rows that others have sorted out.
        (
            "raising",
            "SELECT head, n FROM line WHERE note <> '' AND 10 / length(note) > 0 AND amount < 50",
        ),
        (
            "absent",
            "SELECT id FROM head h WHERE at > '2024-06-01'
             AND NOT EXISTS (SELECT FROM line l WHERE l.head = h.id AND l.amount > 70)",
        ),
    ];
    for (name, query) in queries {
        create(&mut client, name, query, "DIFFERENTIAL");
    }
    for change in [
        "UPDATE line SET amount = amount + 3",
        "UPDATE line SET amount = NULL WHERE n % 7 = 0; UPDATE head SET at = at + 100",
        "DELETE FROM line WHERE n % 2 = 0; UPDATE head SET kind = 'k' || id % 3 WHERE id % 2 = 0",
        "INSERT INTO line SELECT i % 5000, 100000 + i, i % 97, repeat('m', 1 + i % 9)
             FROM generate_series(1, 15000) i;
         DELETE FROM head WHERE id % 10 = 0",
    ] {
        run(&mut client, change);
        for (name, _) in queries {
            refresh(&mut client, name, "DIFFERENTIAL");
            law(&mut client, name);
        }
    }
}

/// Estimates of named tuplestores that are far off, of all plans of a refresh.
fn misjudged(plans: &[String]) -> Vec<String> {
    let number = |line: &str, before: &str| -> Option<f64> {
        let rest = line.split(before).nth(1)?;
        let digits = rest
            .split(|c: char| !c.is_ascii_digit() && c != '.')
            .next()?;
        digits.parse().ok()
    };
    let lines = plans.iter().flat_map(|p| p.lines());
    let scans = lines.filter(|l| l.contains("Named Tuplestore Scan"));
    let far = scans.filter(|line| {
        let actual = line.split("actual").nth(1).and_then(|a| number(a, "rows="));
        match (number(line, "rows="), actual) {
            (Some(expected), Some(actual)) => {
                actual.max(expected) > 2.0 * actual.min(expected).max(10.0)
            }
            _ => true,
        }
    });
    far.map(str::to_owned).collect()
}

#[test]
fn the_planner_knows_the_change() {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, TABLES);
    create(
        &mut client,
        "totals",
        "SELECT h.kind, count(*) AS n, sum(l.amount) AS total FROM head h JOIN line l ON l.head = h.id
         WHERE l.amount < 20 GROUP BY h.kind",
        "DIFFERENTIAL",
    );
    run(&mut client, "UPDATE line SET amount = amount + 1; ANALYZE");
    refresh(&mut client, "totals", "DIFFERENTIAL");
    run(&mut client, "UPDATE line SET amount = amount + 1");
    let (mut listener, notices) = db.connect_with_notices();
    run(
        &mut listener,
        "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0;
         SET auto_explain.log_analyze = on; SET auto_explain.log_timing = off;
         SET auto_explain.log_nested_statements = on; SET client_min_messages = log;
         SELECT pgtrickle.refresh_stream_table('totals')",
    );
    law(&mut client, "totals");
    let plans = notices.lock().expect("no panic").clone();
    let scanned = |p: &String| p.contains("Named Tuplestore Scan");
    assert!(plans.iter().any(scanned), "{plans:#?}");
    let misjudged = misjudged(&plans);
    assert!(misjudged.is_empty(), "{misjudged:#?}");
}
