//! Visibility follows commits, not inserts.

use crate::support::*;
use harness::{Database, Server, law, refresh};

/// Written before a refresh, committed after it.
#[test]
fn trap_late_commit() {
    let (db, mut client) = setup();
    let mut writer = db.connect();
    run(
        &mut writer,
        "BEGIN; INSERT INTO item VALUES (100, 'k1', 1000, 'late')",
    );
    // Later ids, committed earlier.
    run(
        &mut client,
        "INSERT INTO item VALUES (101, 'k2', 500, 'early')",
    );
    refresh_all(&mut client);
    run(&mut writer, "COMMIT");
    refresh_all(&mut client);
    assert_eq!(count(&mut client, "large WHERE amount = 1000"), 1);
    refresh(&mut client, "large", "NO_DATA");
}

/// The same with a writer that idles through several refreshes, in a subtransaction, and prepared.
#[test]
fn trap_idle_in_transaction() {
    let server = Server::private("prepared", "max_prepared_transactions = 4");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    create_all(&mut client);
    let mut idle = db.connect();
    run(
        &mut idle,
        "BEGIN; SAVEPOINT a; INSERT INTO item VALUES (100, 'k1', 1000, 'sub'); RELEASE a;
         SAVEPOINT b; INSERT INTO item VALUES (101, 'k1', 1001, 'undone'); ROLLBACK TO b;
         SAVEPOINT c; SAVEPOINT d; UPDATE item SET amount = 77 WHERE id = 1; RELEASE d",
    );
    let mut preparing = db.connect();
    run(
        &mut preparing,
        "BEGIN; INSERT INTO item VALUES (102, 'k2', 2000, 'prepared');
         DELETE FROM item WHERE id = 30; PREPARE TRANSACTION 'p'",
    );
    for i in 0..3 {
        run(
            &mut client,
            &format!("INSERT INTO item VALUES ({}, 'k3', 40, '')", 200 + i),
        );
        refresh_all(&mut client);
    }
    run(&mut idle, "COMMIT");
    refresh_all(&mut client);
    run(&mut client, "INSERT INTO item VALUES (300, 'k3', 40, '')");
    refresh_all(&mut client);
    run(&mut preparing, "COMMIT PREPARED 'p'");
    refresh_all(&mut client);
    assert_eq!(
        count(&mut client, "large WHERE amount IN (77, 1000, 2000)"),
        3
    );
    assert_eq!(count(&mut client, "large WHERE amount = 1001"), 0);
}

/// Clean-up must not take the rows of a writer that has not committed.
#[test]
fn trap_cleanup_race() {
    let (db, mut client) = setup();
    let mut writer = db.connect();
    run(
        &mut writer,
        "BEGIN; INSERT INTO item SELECT 10000 + i, 'k1', 100, repeat('x', 200)
         FROM generate_series(1, 2000) i",
    );
    // Enough for the buffer to be worth cleaning, several times.
    for round in 0..4 {
        run(
            &mut client,
            &format!(
                "INSERT INTO item SELECT {round} * 3000 + 20000 + i, 'k2', 50, repeat('y', 200)
                 FROM generate_series(1, 3000) i"
            ),
        );
        refresh_all(&mut client);
    }
    // What all have consumed is gone; what is not committed is not.
    let buffer = buffer_of(&mut client, "item");
    assert_eq!(count(&mut client, &buffer), 0, "clean-up ran");
    run(&mut writer, "COMMIT");
    assert_eq!(count(&mut client, &buffer), 2000);
    refresh_all(&mut client);
    assert_eq!(count(&mut client, "large WHERE amount = 100"), 2000);
}

/// A buffer that all have consumed, and that nobody writes to, is emptied as a whole; not before
/// the refresh is sure to stay, and not if it does not.
#[test]
fn a_consumed_buffer_is_emptied_at_once() {
    const ALL: &str = "SELECT pgtrickle.refresh_stream_table(name)
                       FROM unnest(ARRAY['kinds', 'totals', 'large']) AS name";
    let (_db, mut client) = setup();
    let buffer = buffer_of(&mut client, "item");
    let pages = format!("pg_relation_size('{buffer}') > 0");
    let is_long = |client: &mut postgres::Client| -> bool {
        let row = client.query_one(&format!("SELECT {pages}"), &[]);
        row.expect("a size").get(0)
    };
    let fill = |client: &mut postgres::Client, from: i32| {
        run(
            client,
            &format!(
                "INSERT INTO item SELECT {from} + i, 'k2', 50, repeat('y', 500)
                 FROM generate_series(1, 9000) i"
            ),
        );
    };
    fill(&mut client, 20_000);
    for undone in ["ROLLBACK", "ROLLBACK TO a; COMMIT"] {
        run(&mut client, &format!("BEGIN; SAVEPOINT a; {ALL}; {undone}"));
        assert!(is_long(&mut client), "{undone}");
    }
    refresh_all(&mut client);
    assert!(!is_long(&mut client), "emptied");
    fill(&mut client, 30_000);
    // Within a transaction that writes more, and drops a reader, afterwards.
    run(&mut client, &format!("BEGIN; {ALL}"));
    run(
        &mut client,
        "INSERT INTO item VALUES (90000, 'k1', 7, 'z'); SELECT pgtrickle.drop_stream_table('kinds')",
    );
    assert!(is_long(&mut client), "not before the end");
    run(&mut client, "COMMIT");
    assert_eq!(
        count(&mut client, &buffer),
        1,
        "what was written after the refresh stays"
    );
    refresh(&mut client, "totals", "DIFFERENTIAL");
    refresh(&mut client, "large", "DIFFERENTIAL");
}

/// Readers that are behind keep what they have not read, whoever refreshes, drops or suspends.
#[test]
fn trap_shared_source() {
    let (_db, mut client) = setup();
    let fill = |client: &mut postgres::Client, from: i32| {
        run(
            client,
            &format!(
                "INSERT INTO item SELECT {from} + i, 'k2', 50, repeat('y', 500)
                 FROM generate_series(1, 2000) i"
            ),
        );
    };
    run(
        &mut client,
        "SELECT pgtrickle.alter_stream_table('totals', status => 'SUSPENDED')",
    );
    for round in 1..4 {
        fill(&mut client, round * 10_000);
        refresh(&mut client, "large", "DIFFERENTIAL");
    }
    let (_, message) = fails(
        &mut client,
        "SELECT pgtrickle.refresh_stream_table('totals')",
    );
    assert!(message.contains("suspended"), "{message}");
    refresh(&mut client, "kinds", "DIFFERENTIAL");
    run(&mut client, "SELECT pgtrickle.drop_stream_table('kinds')");
    fill(&mut client, 50_000);
    refresh(&mut client, "large", "DIFFERENTIAL");
    run(
        &mut client,
        "SELECT pgtrickle.resume_stream_table('totals')",
    );
    refresh(&mut client, "totals", "DIFFERENTIAL");
    law(&mut client, "large");
    run(&mut client, "SELECT pgtrickle.drop_stream_table('large')");
    fill(&mut client, 70_000);
    refresh(&mut client, "totals", "DIFFERENTIAL");
    run(&mut client, "SELECT pgtrickle.drop_stream_table('totals')");
    assert_eq!(count(&mut client, "pgtrickle.pgt_captures"), 0);
    assert_eq!(
        count(
            &mut client,
            "pg_trigger WHERE tgrelid IN ('item'::regclass, 'kind'::regclass)"
        ),
        0,
        "the last reader takes the triggers along"
    );
    fill(&mut client, 90_000);
}

/// Thousands of transactions running while the frontier was taken.
#[test]
fn trap_many_xids() {
    let server = Server::private("many", "max_prepared_transactions = 1200");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    create_all(&mut client);
    for i in 0..1000 {
        run(
            &mut client,
            &format!(
                "BEGIN; INSERT INTO item VALUES ({}, 'k1', 100, ''); PREPARE TRANSACTION 'p{i}'",
                1000 + i
            ),
        );
    }
    run(&mut client, "INSERT INTO item VALUES (900, 'k1', 100, '')");
    refresh_all(&mut client);
    for i in (0..1000).step_by(2) {
        run(&mut client, &format!("COMMIT PREPARED 'p{i}'"));
    }
    run(
        &mut client,
        "INSERT INTO item SELECT 10000 + i, 'k2', 30, '' FROM generate_series(1, 50000) i",
    );
    let started = std::time::Instant::now();
    refresh_all(&mut client);
    assert!(
        started.elapsed().as_secs() < 60,
        "50,000 rows against 1,000 transactions took {:?}",
        started.elapsed()
    );
    for i in (1..1000).step_by(2) {
        run(&mut client, &format!("COMMIT PREPARED 'p{i}'"));
    }
    refresh_all(&mut client);
    assert_eq!(count(&mut client, "large WHERE amount = 100"), 1001);
}

fn buffer_of(client: &mut postgres::Client, source: &str) -> String {
    client
        .query_one(
            "SELECT format('pgtrickle_store.changes_%s', ($1::text)::regclass::oid)",
            &[&source],
        )
        .expect("a source")
        .get(0)
}
