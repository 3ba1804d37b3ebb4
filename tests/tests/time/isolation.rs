//! One snapshot for a whole refresh, in every isolation level.

use crate::support::*;
use harness::crash::STOPPING;
use harness::{Database, law};

/// Other sessions commit between the steps of a refresh in READ COMMITTED: none of its statements
/// may see them. A function in the query stops the refresh until the other session has committed.
#[test]
fn trap_read_committed_drift() {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    // Waits wherever it is evaluated while somebody holds the advisory lock.
    run(&mut client, STOPPING);
    create(
        &mut client,
        "totals",
        "SELECT k.label, sum(stopping(i.amount)) AS total, count(*) AS n
         FROM item i JOIN kind k ON k.kind = i.kind GROUP BY k.label",
        "DIFFERENTIAL",
    );
    for round in 0..3 {
        run(
            &mut client,
            &format!(
                "UPDATE item SET amount = amount + 1 WHERE id % 3 = {round};
                 UPDATE kind SET label = label || 'x' WHERE kind = 'k{round}'"
            ),
        );
        run(&mut client, "SELECT pg_advisory_lock(1)");
        let refreshing = in_background(&db, "SELECT pgtrickle.refresh_stream_table('totals')");
        until_blocked(&mut client);
        // In the middle of the refresh: both sides change, a group appears, another loses rows.
        run(
            &mut client,
            &format!(
                "INSERT INTO kind VALUES ('n{round}', 'new {round}');
                 INSERT INTO item VALUES ({}, 'n{round}', 1, ''), ({}, 'k1', 5, '');
                 UPDATE kind SET label = label || 'y' WHERE kind = 'k2';
                 DELETE FROM item WHERE id = {}",
                1000 + round,
                2000 + round,
                10 + round
            ),
        );
        run(&mut client, "SELECT pg_advisory_unlock(1)");
        finish(refreshing);
        run(
            &mut client,
            "SELECT pgtrickle.refresh_stream_table('totals')",
        );
        law(&mut client, "totals");
    }
    let full = count(
        &mut client,
        "pgtrickle.get_refresh_history('totals') WHERE action <> 'DIFFERENTIAL' AND initiated_by = 'MANUAL'",
    );
    assert_eq!(full, 0);
}

/// Changes between the snapshot of a FULL refresh and its frontier.
#[test]
fn trap_full_refresh_race() {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    run(&mut client, STOPPING);
    let query = "SELECT kind, stopping(amount) AS amount FROM item";
    create(&mut client, "copied", query, "DIFFERENTIAL");
    // TRUNCATE makes the next refresh a full one.
    run(
        &mut client,
        "TRUNCATE item; INSERT INTO item SELECT i, 'k1', i, '' FROM generate_series(1, 20) i;
         SELECT pg_advisory_lock(1)",
    );
    let refreshing = in_background(&db, "SELECT pgtrickle.refresh_stream_table('copied')");
    until_blocked(&mut client);
    run(
        &mut client,
        "INSERT INTO item VALUES (100, 'k1', 100, ''); DELETE FROM item WHERE id = 3;
         SELECT pg_advisory_unlock(1)",
    );
    finish(refreshing);
    assert_eq!(
        count(&mut client, "copied WHERE amount IN (3, 100)"),
        1,
        "the older snapshot"
    );
    harness::refresh(&mut client, "copied", "DIFFERENTIAL");
}

/// A refresh in REPEATABLE READ is exact for its own snapshot, or fails with 40001.
#[test]
fn repeatable_read() {
    let (db, mut client) = setup();
    let mut old = db.connect();
    run(
        &mut old,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM item",
    );
    run(&mut client, "INSERT INTO item VALUES (100, 'k1', 100, '')");
    // Exact for the old snapshot, which does not see it.
    run(&mut old, "SELECT pgtrickle.refresh_stream_table('large')");
    assert_eq!(count(&mut old, "pgtrickle.verify('large')"), 0);
    run(&mut old, "INSERT INTO item VALUES (101, 'k1', 101, '')");
    run(&mut old, "SELECT pgtrickle.refresh_stream_table('large')");
    assert_eq!(count(&mut old, "pgtrickle.verify('large')"), 0);
    run(&mut old, "COMMIT");
    harness::refresh(&mut client, "large", "DIFFERENTIAL");
    // A newer refresh by somebody else conflicts.
    run(
        &mut old,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM item",
    );
    run(&mut client, "INSERT INTO item VALUES (102, 'k1', 102, '')");
    harness::refresh(&mut client, "large", "DIFFERENTIAL");
    run(&mut old, "INSERT INTO item VALUES (103, 'k1', 103, '')");
    let (code, message) = fails(&mut old, "SELECT pgtrickle.refresh_stream_table('large')");
    assert_eq!(code.code(), "40001", "{message}");
    run(&mut old, "ROLLBACK");
    harness::refresh(&mut client, "large", "NO_DATA");
    law(&mut client, "large");
}
