//! Several refreshers at a time.

use crate::support::*;
use harness::{Database, law, refresh};

/// Two refreshes of one stream table: the second waits, then has nothing left to do.
#[test]
fn trap_two_refreshers() {
    let (db, mut client) = setup();
    run(&mut client, "INSERT INTO item VALUES (100, 'k1', 100, '')");
    let mut first = db.connect();
    run(
        &mut first,
        "BEGIN; SELECT pgtrickle.refresh_stream_table('large')",
    );
    let second = in_background(&db, "SELECT pgtrickle.refresh_stream_table('large')");
    until_blocked(&mut client);
    run(&mut client, "INSERT INTO item VALUES (101, 'k1', 101, '')");
    run(&mut first, "COMMIT");
    finish(second);
    law(&mut client, "large");
    // The first rolled back: the second must do it all.
    run(&mut client, "DELETE FROM item WHERE id = 100");
    run(
        &mut first,
        "BEGIN; SELECT pgtrickle.refresh_stream_table('large')",
    );
    let second = in_background(&db, "SELECT pgtrickle.refresh_stream_table('large')");
    until_blocked(&mut client);
    run(&mut first, "ROLLBACK");
    finish(second);
    law(&mut client, "large");
    assert_eq!(count(&mut client, "large WHERE amount = 100"), 0);
}

/// Chains refreshed in opposite order by many sessions: no deadlock, nothing lost.
#[test]
fn trap_two_refreshers_of_a_chain() {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    create(
        &mut client,
        "a",
        "SELECT kind, sum(amount) AS s FROM item GROUP BY kind",
        "DIFFERENTIAL",
    );
    create(
        &mut client,
        "b",
        "SELECT kind, s FROM a WHERE s > 100",
        "DIFFERENTIAL",
    );
    create(
        &mut client,
        "c",
        "SELECT count(*) AS n, sum(s) AS s FROM b",
        "DIFFERENTIAL",
    );
    create(
        &mut client,
        "d",
        "SELECT a.kind, a.s, c.s AS of FROM a CROSS JOIN c",
        "DIFFERENTIAL",
    );
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let mut own = db.connect();
            std::thread::spawn(move || {
                for i in 0..15 {
                    let id = 1000 + worker * 100 + i;
                    let amount = (i * 37) % 90;
                    own.batch_execute(&format!(
                        "INSERT INTO item VALUES ({id}, 'k{}', {amount}, '');
                         UPDATE item SET amount = amount + {i} WHERE id % 10 = {worker}",
                        i % 7
                    ))?;
                    let order = if (worker + i) % 2 == 0 {
                        "a,b,c,d"
                    } else {
                        "d,c,b,a"
                    };
                    for name in order.split(',') {
                        own.batch_execute(&format!(
                            "SELECT pgtrickle.refresh_stream_table('{name}')"
                        ))?;
                    }
                    // Also several in one transaction.
                    own.batch_execute("BEGIN; SELECT pgtrickle.refresh_stream_table('d'); COMMIT")?;
                }
                Ok::<(), postgres::Error>(())
            })
        })
        .collect();
    workers.into_iter().for_each(finish);
    run(&mut client, "SELECT pgtrickle.refresh_stream_table('d')");
    for name in ["a", "b", "c", "d"] {
        law(&mut client, name);
        refresh(&mut client, name, "NO_DATA");
    }
    let other = count(
        &mut client,
        "pgtrickle.pgt_refresh_history WHERE initiated_by = 'MANUAL'
         AND action NOT IN ('DIFFERENTIAL', 'NO_DATA')",
    );
    assert_eq!(other, 0);
}

/// Writers, refreshers and clean-up all at once; at the end nothing is missing or double.
#[test]
fn soak() {
    let (db, mut client) = setup();
    let writers = (0..3).map(|worker: i32| {
        let mut own = db.connect();
        std::thread::spawn(move || {
            for i in 0..60 {
                let base = 1_000_000 + worker * 100_000 + i * 100;
                own.batch_execute(&format!(
                    "BEGIN;
                     INSERT INTO item SELECT {base} + n, 'k' || n % 7, n, repeat('z', 300)
                     FROM generate_series(1, 40) n;
                     SAVEPOINT s; DELETE FROM item WHERE id BETWEEN {base} AND {base} + 5;
                     {};
                     UPDATE item SET amount = amount + 1, kind = 'k{}'
                     WHERE id BETWEEN {base} + 10 AND {base} + 20;
                     {}",
                    if i % 3 == 0 {
                        "ROLLBACK TO s"
                    } else {
                        "RELEASE s"
                    },
                    i % 5,
                    if i % 5 == 4 { "ROLLBACK" } else { "COMMIT" },
                ))?;
            }
            Ok::<(), postgres::Error>(())
        })
    });
    let refreshers = TABLES.into_iter().map(|table| {
        let mut own = db.connect();
        std::thread::spawn(move || {
            for _ in 0..40 {
                own.batch_execute(&format!("SELECT pgtrickle.refresh_stream_table('{table}')"))?;
            }
            Ok::<(), postgres::Error>(())
        })
    });
    let all: Vec<_> = writers.chain(refreshers).collect();
    all.into_iter().for_each(finish);
    for table in TABLES {
        run(
            &mut client,
            &format!("SELECT pgtrickle.refresh_stream_table('{table}')"),
        );
    }
    law_of_all(&mut client);
    let other = count(
        &mut client,
        "pgtrickle.pgt_refresh_history WHERE initiated_by = 'MANUAL'
         AND action NOT IN ('DIFFERENTIAL', 'NO_DATA')",
    );
    assert_eq!(other, 0);
}
