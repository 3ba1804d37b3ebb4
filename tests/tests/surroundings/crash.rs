//! Servers that are killed.

use crate::support::*;
use harness::crash::{STOPPING, kill_stopped, reconnect, recovered};
use harness::{Database, Server};

/// A backend killed in the middle of a refresh takes the server through recovery; then a killed
/// postmaster. Afterwards the law holds without a rebuild.
#[test]
fn trap_crash() {
    let server = Server::private("crash", "");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    run(&mut client, STOPPING);
    create_all(&mut client);
    create(
        &mut client,
        "slow",
        "SELECT kind, sum(stopping(amount)) AS s FROM item GROUP BY kind",
        "DIFFERENTIAL",
    );
    run(
        &mut client,
        "UPDATE item SET amount = amount + 1, kind = 'k2' WHERE id < 20",
    );
    run(&mut client, "SELECT pg_advisory_lock(1)");
    let refreshing = in_background(&db, "SELECT pgtrickle.refresh_stream_table('slow')");
    let mut writer = db.connect();
    run(
        &mut writer,
        "BEGIN; INSERT INTO item SELECT 1000 + i, 'k1', i, '' FROM generate_series(1, 500) i",
    );
    until_blocked(&mut client);
    kill_stopped(&mut client);
    assert!(refreshing.join().expect("the thread ends").is_err());
    let mut client = recovered(&db, client);
    for name in TABLES.into_iter().chain(["slow"]) {
        harness::refresh(&mut client, name, "DIFFERENTIAL");
    }
    run(
        &mut client,
        "INSERT INTO item VALUES (5000, 'k2', 5000, '')",
    );
    let mut writer = db.connect();
    run(&mut writer, "BEGIN; DELETE FROM item WHERE id % 2 = 0");
    server.stop("immediate").expect("stopped");
    server.start().expect("started");
    let mut client = reconnect(&db);
    for name in TABLES.into_iter().chain(["slow"]) {
        harness::refresh(&mut client, name, "DIFFERENTIAL");
    }
}
