//! Sources that are written by the apply of a subscription: row triggers fire, but there are no
//! statements. What is applied is maintained before it commits.

use crate::support::*;
use harness::{Database, Server};
use postgres::Client;
use std::time::{Duration, Instant};

/// Waits until a query returns true.
#[track_caller]
fn until(client: &mut Client, sql: &str) {
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        let row = client.query_one(sql, &[]);
        let row = row.unwrap_or_else(|error| panic!("{sql}: {error}"));
        if row.get(0) {
            return;
        }
        assert!(Instant::now() < limit, "still false: {sql}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn trap_immediate_replicated_source() {
    let server = Server::private(
        "immediate_replicated",
        "logical_decoding_work_mem = '64kB'\nmax_prepared_transactions = 4",
    );
    let publisher = Database::on(&server);
    let mut there = publisher.connect();
    run(&mut there, SCHEMA);
    run(
        &mut there,
        "CREATE PUBLICATION p FOR TABLE item, kind, lone;
         ALTER TABLE item REPLICA IDENTITY FULL; ALTER TABLE lone REPLICA IDENTITY FULL",
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
         CREATE TABLE kind (kind text PRIMARY KEY, label text NOT NULL);
         CREATE TABLE lone (k text, v int); CREATE TABLE remark (item int, words text);
         CREATE TABLE seen (id int)",
    );
    for (name, query) in QUERIES {
        create(&mut here, name, query);
    }
    // Its statements end while a row is applied that is not logged yet: its name comes first.
    run(
        &mut here,
        "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO public.seen VALUES (NEW.id);
             UPDATE public.lone SET v = v + 1 WHERE k = 'seen';
             RETURN NULL; END $$;
         CREATE TRIGGER a_first AFTER INSERT OR UPDATE ON item FOR EACH ROW EXECUTE FUNCTION see();
         ALTER TABLE item ENABLE ALWAYS TRIGGER a_first; INSERT INTO lone VALUES ('seen', 0)",
    );
    run(
        &mut here,
        &format!(
            "CREATE SUBSCRIPTION s CONNECTION 'host={} dbname={} user=postgres' PUBLICATION p
                WITH (create_slot = false, slot_name = 's', two_phase = true, streaming = parallel)",
            server.socket_directory().display(),
            publisher.name()
        ),
    );
    until(
        &mut here,
        "SELECT count(*) = 3 AND bool_and(srsubstate = 'r') FROM pg_subscription_rel",
    );
    exact(&mut here, "the first copy");
    assert_eq!(count(&mut here, "item"), 30);
    for changes in [
        "INSERT INTO item VALUES (100, 'k1', 100, 'a'), (103, 'k1', 7, 'a'); UPDATE item SET amount = 70 WHERE id < 9",
        "BEGIN; INSERT INTO item VALUES (101, 'k2', 200, 'b'); SAVEPOINT a; DELETE FROM item; ROLLBACK TO a; \
         SAVEPOINT b; DELETE FROM item WHERE id = 3; RELEASE b; UPDATE kind SET label = 'other' WHERE kind = 'k2'; \
         INSERT INTO item VALUES (102, 'k2', 300, 'c'); COMMIT",
        "BEGIN; INSERT INTO item SELECT i, 'k' || i % 5, i, repeat('x', 40) FROM generate_series(1001, 3000) i; \
         SAVEPOINT a; DELETE FROM item WHERE id % 2 = 0; ROLLBACK TO a; \
         SAVEPOINT b; DELETE FROM item WHERE id BETWEEN 1100 AND 2990; RELEASE b; COMMIT",
        "BEGIN; UPDATE item SET kind = 'k3' WHERE id % 5 = 0; PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p'",
        "BEGIN; UPDATE item SET amount = 1; TRUNCATE lone; INSERT INTO lone VALUES ('k1', 1); COMMIT",
    ] {
        for statement in changes.split("; ") {
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
        exact(&mut here, changes);
    }
    assert!(count(&mut here, "seen") > 30);
    run(&mut here, "DROP SUBSCRIPTION s");
}
