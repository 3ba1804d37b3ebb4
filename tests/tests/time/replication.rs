//! A source that is written by the apply workers of a subscription: row triggers fire, but there
//! are no statements.

use crate::support::*;
use harness::{Database, Server, refresh};
use postgres::Client;
use std::time::{Duration, Instant};

/// Waits until a query returns true.
#[track_caller]
fn until(client: &mut Client, sql: &str) {
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        let done: bool = client
            .query_one(sql, &[])
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
            .get(0);
        if done {
            return;
        }
        assert!(Instant::now() < limit, "still false: {sql}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The first copy of the tables, small transactions, some with savepoints rolled back, large ones
/// that are streamed while they run, prepared ones, and truncation.
#[test]
fn trap_replicated_source() {
    let server = Server::private(
        "replicated",
        "logical_decoding_work_mem = '64kB'\nmax_prepared_transactions = 4",
    );
    let publisher = Database::on(&server);
    let mut there = publisher.connect();
    run(&mut there, SCHEMA);
    run(
        &mut there,
        "CREATE PUBLICATION p FOR TABLE item, kind;
         ALTER TABLE item REPLICA IDENTITY FULL",
    );
    run(
        &mut there,
        "SELECT pg_create_logical_replication_slot('s', 'pgoutput', false, true)",
    );
    let subscriber = Database::on(&server);
    let mut here = subscriber.connect();
    run(
        &mut here,
        "CREATE TABLE item (id int PRIMARY KEY, kind text, amount numeric, note text);
         CREATE TABLE kind (kind text PRIMARY KEY, label text NOT NULL)",
    );
    create_all(&mut here);
    // Within the transaction that is applied: refused from a subtransaction, while there may be
    // pending changes around it; exact from the transaction itself.
    run(
        &mut here,
        "CREATE TABLE refused (code text);
         CREATE FUNCTION refreshing() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             BEGIN
                 PERFORM pgtrickle.refresh_stream_table('public.kinds');
             EXCEPTION WHEN object_in_use THEN INSERT INTO public.refused VALUES (SQLSTATE);
             END;
             PERFORM pgtrickle.refresh_stream_table('public.large');
             RETURN NULL;
         END $$;
         CREATE TRIGGER refreshing AFTER UPDATE ON kind
            FOR EACH ROW EXECUTE FUNCTION refreshing();
         ALTER TABLE kind ENABLE ALWAYS TRIGGER refreshing",
    );
    run(
        &mut here,
        &format!(
            "CREATE SUBSCRIPTION s CONNECTION 'host={} dbname={} user=postgres' PUBLICATION p
                WITH (create_slot = false, slot_name = 's', two_phase = true,
                      streaming = parallel)",
            server.socket_directory().display(),
            publisher.name()
        ),
    );
    until(
        &mut here,
        "SELECT count(*) = 2 AND bool_and(srsubstate = 'r') FROM pg_subscription_rel",
    );
    refresh_all(&mut here);
    assert_eq!(count(&mut here, "item"), 50);

    let big = "INSERT INTO item SELECT i, 'k' || i % 7, i, repeat('x', 40)
               FROM generate_series(1001, 9000) i";
    for changes in [
        "INSERT INTO item VALUES (100, 'k1', 100, 'a'); UPDATE item SET amount = 70 WHERE id < 9",
        "BEGIN; INSERT INTO item VALUES (101, 'k2', 200, 'b');
         SAVEPOINT a; DELETE FROM item; ROLLBACK TO a;
         SAVEPOINT b; DELETE FROM item WHERE id = 3; RELEASE b;
         UPDATE kind SET label = 'other' WHERE kind = 'k2';
         INSERT INTO item VALUES (102, 'k2', 300, 'c'); COMMIT",
        &format!(
            "BEGIN; {big}; SAVEPOINT a; DELETE FROM item WHERE id % 2 = 0; ROLLBACK TO a;
             SAVEPOINT b; UPDATE item SET amount = amount + 1; RELEASE b; COMMIT"
        ),
        "BEGIN; UPDATE item SET kind = 'k3' WHERE id % 5 = 0; PREPARE TRANSACTION 'p';
         COMMIT PREPARED 'p'",
    ] {
        for statement in changes.split(';') {
            run(&mut there, statement);
        }
        run(
            &mut there,
            "UPDATE item SET note = (SELECT pg_current_wal_lsn()) WHERE id = 1",
        );
        let marker: String = there
            .query_one("SELECT note FROM item WHERE id = 1", &[])
            .expect("a marker")
            .get(0);
        until(
            &mut here,
            &format!("SELECT note = '{marker}' FROM item WHERE id = 1"),
        );
        refresh_all_that_changed(&mut here);
    }
    assert_eq!(count(&mut here, "refused"), 1);
    assert_eq!(
        count(&mut here, "item WHERE kind = 'k3'"),
        count(&mut there, "item WHERE kind = 'k3'")
    );
    // Changes before a truncation in the same transaction.
    run(
        &mut there,
        "BEGIN; UPDATE item SET amount = 1; TRUNCATE item;
         INSERT INTO item VALUES (1, 'k1', 1000, 'last'); COMMIT",
    );
    until(&mut here, "SELECT count(*) = 1 FROM item");
    for table in TABLES {
        refresh(&mut here, table, "REINITIALIZE");
    }
    run(&mut here, "DROP SUBSCRIPTION s");
}

/// Each changed, or has nothing to do; the law holds.
#[track_caller]
fn refresh_all_that_changed(client: &mut Client) {
    for table in TABLES {
        run(
            client,
            &format!("SELECT pgtrickle.refresh_stream_table('{table}')"),
        );
        let last = harness::last_refresh(client, table);
        assert!(
            ["DIFFERENTIAL", "NO_DATA"].contains(&last.action.as_str()),
            "{table}: {last:?}"
        );
    }
    law_of_all(client);
}
