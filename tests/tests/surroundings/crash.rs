//! Servers that are killed.

use crate::support::*;
use harness::{Database, Server};

/// A backend killed in the middle of a refresh takes the server through recovery; then a killed
/// postmaster. Afterwards the law holds without a rebuild.
#[test]
fn trap_crash() {
    let server = Server::private("crash", "");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    run(
        &mut client,
        "CREATE FUNCTION stopping(x numeric) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS $$
         BEGIN PERFORM pg_advisory_lock_shared(1); PERFORM pg_advisory_unlock_shared(1);
         RETURN x; END $$",
    );
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
    let pid: i32 = client
        .query_one(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()
             AND wait_event_type = 'Lock'",
            &[],
        )
        .expect("the refresher")
        .get(0);
    let killed = std::process::Command::new("kill")
        .args(["-9", &pid.to_string()])
        .status();
    assert!(killed.expect("kill runs").success());
    assert!(refreshing.join().expect("the thread ends").is_err());
    // The server ends all its processes before it recovers, but not at once.
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while client.simple_query("").is_ok() {
        assert!(std::time::Instant::now() < limit, "the server goes on");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let mut client = reconnect(&db);
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

/// A connection, as soon as the server has recovered.
fn reconnect(db: &Database) -> postgres::Client {
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        match db.config().connect(postgres::NoTls) {
            Ok(client) => return client,
            Err(error) => {
                assert!(std::time::Instant::now() < limit, "no recovery: {error}");
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        }
    }
}
