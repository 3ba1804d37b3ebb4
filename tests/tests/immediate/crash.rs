//! Backends that are killed in the middle of keeping a stream table, or of making it IMMEDIATE.

use crate::support::*;
use harness::crash::{STOPPING, kill_stopped, recovered};
use harness::{Database, Server, law, refresh};
use postgres::Client;

const SLOW: &str =
    "SELECT kind, sum(stopping(amount)) AS s, max(amount) AS high FROM item GROUP BY kind";

/// Runs a statement that stops in the middle, and kills its backend there. The server recovers.
fn killed(db: &Database, client: Client, sql: &str) -> Client {
    let mut client = client;
    run(&mut client, "SELECT pg_advisory_lock(1)");
    let stopped = in_background(db.connect(), sql);
    until_blocked(&mut client);
    kill_stopped(&mut client);
    let (_, done) = stopped.join().expect("the thread ends");
    assert!(done.is_err(), "{sql} has ended");
    recovered(db, client)
}

#[test]
fn trap_crash_immediate() {
    let server = Server::private("immediate-crash", "");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    run(&mut client, STOPPING);
    for (name, query) in QUERIES {
        create(&mut client, name, query);
    }
    create(&mut client, "slow", SLOW);
    // Statements, also within transactions that have changed something before.
    for sql in [
        "UPDATE item SET amount = amount + 1 WHERE id < 12",
        "BEGIN; INSERT INTO lone VALUES ('k1', 5); UPDATE kind SET kind = 'k9' WHERE kind = 'k2'; COMMIT",
        "INSERT INTO item SELECT 100 + i, 'k1', i FROM generate_series(1, 20) i",
        "MERGE INTO item USING generate_series(1, 50) AS g (id) ON item.id = g.id WHEN MATCHED THEN UPDATE SET kind = 'k4' WHEN NOT MATCHED THEN INSERT VALUES (g.id, 'k4', g.id)",
    ] {
        client = killed(&db, client, sql);
        exact(&mut client, sql);
        run(
            &mut client,
            "UPDATE item SET amount = amount + 1 WHERE id = 3; INSERT INTO lone VALUES ('k4', 1)",
        );
        exact(&mut client, "the statement after a crash");
        assert_eq!(rebuilds(&mut client), 0, "{sql}");
    }
    // With the postmaster, while a transaction is open that has changed something.
    let mut open = db.connect();
    run(
        &mut open,
        "BEGIN; DELETE FROM item WHERE id % 2 = 0; UPDATE kind SET label = 'other'",
    );
    drop(client);
    server.stop("immediate").expect("stopped");
    server.start().expect("started");
    let mut client = db.connect();
    exact(&mut client, "a crash of the server");
    run(&mut client, "DELETE FROM item WHERE id % 3 = 0");
    exact(&mut client, "the statement after it");
    assert_eq!(rebuilds(&mut client), 0);
}

#[test]
fn trap_crash_switch() {
    let server = Server::private("switch-crash", "");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    run(&mut client, STOPPING);
    run(
        &mut client,
        &format!(
            "SELECT pgtrickle.create_stream_table('slow', $q${SLOW}$q$, '1h', 'DIFFERENTIAL')"
        ),
    );
    let mode = |client: &mut Client| -> String {
        let row = client.query_one("SELECT refresh_mode FROM pgtrickle.pgt_stream_tables", &[]);
        row.expect("a stream table").get(0)
    };
    let switch =
        |to: &str| format!("SELECT pgtrickle.alter_stream_table('slow', refresh_mode => '{to}')");
    for round in 1..=2 {
        // What waits for it when it is switched is not lost with the switch.
        run(
            &mut client,
            "UPDATE item SET amount = amount + 1; DELETE FROM item WHERE id = 5",
        );
        client = killed(&db, client, &switch("IMMEDIATE"));
        assert_eq!(mode(&mut client), "DIFFERENTIAL");
        run(
            &mut client,
            &format!("INSERT INTO item VALUES ({round}00, 'k1', 7)"),
        );
        refresh(&mut client, "slow", "DIFFERENTIAL");
        run(
            &mut client,
            "UPDATE item SET amount = amount + 1 WHERE id > 20",
        );
        run(&mut client, &switch("IMMEDIATE"));
        law(&mut client, "slow");
        // And back.
        client = killed(&db, client, &switch("DIFFERENTIAL"));
        assert_eq!(mode(&mut client), "IMMEDIATE");
        run(
            &mut client,
            "DELETE FROM item WHERE id = 6; UPDATE item SET kind = 'k0' WHERE id < 9",
        );
        exact(&mut client, "a switch that was killed");
        run(&mut client, &switch("DIFFERENTIAL"));
        run(
            &mut client,
            "UPDATE item SET amount = amount + 1 WHERE id < 20",
        );
        refresh(&mut client, "slow", "DIFFERENTIAL");
    }
}
