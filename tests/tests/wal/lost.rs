//! Slots that are gone, void or moved: all readers rebuild, and then go on.

use crate::support::{count, fails, run};
use crate::{create, setup, setup_on, slot};
use harness::{Server, refresh};
use postgres::error::SqlState;

#[test]
fn dropped_by_somebody() {
    let (_db, mut client) = setup();
    let slot = slot(&mut client);
    run(&mut client, "INSERT INTO item VALUES (100, 'k1', 1000, '')");
    run(
        &mut client,
        &format!("SELECT pg_drop_replication_slot('{slot}')"),
    );
    run(&mut client, "INSERT INTO item VALUES (101, 'k1', 1001, '')");
    assert_eq!(
        count(
            &mut client,
            "pgtrickle.health_check() WHERE severity = 'ERROR' AND check_name = 'wal_capture'"
        ),
        1
    );
    // Where it cannot be made again it is said.
    run(&mut client, "BEGIN; CREATE TABLE written (x int)");
    let (state, message) = fails(
        &mut client,
        "SELECT pgtrickle.refresh_stream_table('large')",
    );
    assert_eq!(state, SqlState::ACTIVE_SQL_TRANSACTION, "{message}");
    run(&mut client, "ROLLBACK");
    refresh(&mut client, "large", "REINITIALIZE");
    run(&mut client, "INSERT INTO item VALUES (102, 'k1', 1002, '')");
    refresh(&mut client, "large", "DIFFERENTIAL");
    refresh(&mut client, "totals", "REINITIALIZE");
    refresh(&mut client, "kinds", "REINITIALIZE");
    run(
        &mut client,
        "UPDATE item SET kind = 'k8', amount = 30 WHERE id = 1",
    );
    for name in ["large", "totals", "kinds"] {
        refresh(&mut client, name, "DIFFERENTIAL");
    }
}

#[test]
fn moved_by_somebody() {
    let (_db, mut client) = setup();
    let slot = slot(&mut client);
    // Nobody else reads from it.
    let read = format!("SELECT * FROM pg_logical_slot_get_binary_changes('{slot}', NULL, NULL)");
    let (_, message) = fails(&mut client, &read);
    assert!(message.contains("pg_trickle alone"), "{message}");
    run(&mut client, "INSERT INTO item VALUES (100, 'k1', 1000, '')");
    run(
        &mut client,
        &format!("SELECT pg_replication_slot_advance('{slot}', pg_current_wal_lsn())"),
    );
    refresh(&mut client, "large", "REINITIALIZE");
    run(&mut client, "INSERT INTO item VALUES (101, 'k1', 1001, '')");
    refresh(&mut client, "large", "DIFFERENTIAL");
}

/// The server keeps no more WAL than it was told to.
#[test]
fn invalidated() {
    let server = Server::private(
        "walfull",
        "max_slot_wal_keep_size = '1MB'\nmin_wal_size = '32MB'\nmax_wal_size = '32MB'",
    );
    let (_db, mut client) = setup_on(&server);
    for _ in 0..6 {
        run(
            &mut client,
            "INSERT INTO item VALUES ((SELECT max(id) + 1 FROM item), 'k1', 100, '');
             SELECT pg_logical_emit_message(false, 'x', repeat('x', 10000000)); SELECT pg_switch_wal();
             CHECKPOINT",
        );
    }
    assert_eq!(
        count(
            &mut client,
            "pg_replication_slots WHERE wal_status = 'lost'"
        ),
        1
    );
    let health = "pgtrickle.health_check() WHERE severity = 'ERROR' AND check_name IN ('slot_lag', 'wal_capture')";
    assert_eq!(count(&mut client, health), 2);
    refresh(&mut client, "large", "REINITIALIZE");
    run(
        &mut client,
        "INSERT INTO item VALUES (1001, 'k1', 1001, '')",
    );
    refresh(&mut client, "large", "DIFFERENTIAL");
}

/// Without the WAL's logical part there are triggers.
#[test]
fn wal_level_is_lowered() {
    let server = Server::private("wallevel", "");
    let (db, mut client) = setup_on(&server);
    let slot = slot(&mut client);
    run(&mut client, "INSERT INTO item VALUES (100, 'k1', 1000, '')");
    // The server does not start with a slot that it cannot serve.
    run(
        &mut client,
        &format!("SELECT pg_drop_replication_slot('{slot}')"),
    );
    drop(client);
    server
        .configure("wal_level = replica\n")
        .expect("configured");
    server.stop("fast").expect("stopped");
    server.start().expect("started");
    let mut client = db.connect();
    let (_, message) = fails(
        &mut client,
        "SELECT pgtrickle.refresh_stream_table('large')",
    );
    assert!(message.contains("wal_level = logical"), "{message}");
    let (_, message) = fails(
        &mut client,
        "SELECT pgtrickle.create_stream_table('more', 'SELECT id FROM kind k, item', '1h', cdc_mode => 'wal')",
    );
    assert!(message.contains("wal_level = logical"), "{message}");
    for name in ["large", "totals", "kinds"] {
        run(
            &mut client,
            &format!("SELECT pgtrickle.alter_stream_table('{name}', cdc_mode => 'auto')"),
        );
    }
    run(
        &mut client,
        "SELECT pgtrickle.alter_stream_table('large', cdc_mode => 'trigger')",
    );
    refresh(&mut client, "large", "REINITIALIZE");
    run(&mut client, "INSERT INTO item VALUES (101, 'k1', 1001, '')");
    refresh(&mut client, "large", "DIFFERENTIAL");
}

/// A copy of the database has no slot.
#[test]
fn a_copy_of_the_database() {
    let server = Server::private("walcopy", "");
    let (db, mut client) = setup_on(&server);
    run(&mut client, "INSERT INTO item VALUES (100, 'k1', 1000, '')");
    drop(client);
    let copy = format!("{}_copy", db.name());
    let mut admin = server.connect("postgres").expect("connected");
    run(
        &mut admin,
        &format!("CREATE DATABASE {copy} TEMPLATE {}", db.name()),
    );
    let mut there = server.connect(&copy).expect("connected");
    run(&mut there, "INSERT INTO item VALUES (101, 'k1', 1001, '')");
    refresh(&mut there, "large", "REINITIALIZE");
    run(&mut there, "INSERT INTO item VALUES (102, 'k1', 1001, '')");
    refresh(&mut there, "large", "DIFFERENTIAL");
    let mut client = db.connect();
    refresh(&mut client, "large", "DIFFERENTIAL");
    create(&mut client, "ids", "SELECT id FROM item");
    refresh(&mut client, "ids", "NO_DATA");
}

/// Restored from a dump, it is captured from the WAL again.
#[test]
fn restored_from_a_dump() {
    let (from, mut client) = setup();
    run(&mut client, "INSERT INTO item VALUES (100, 'k1', 1000, '')");
    let host = from.server().socket_directory().display().to_string();
    let tool = |name: &str| {
        let program = harness::postgres18::program(name).expect("a program");
        let mut command = std::process::Command::new(program);
        command.args(["-h", &host, "-U", "postgres"]);
        command
    };
    for at_once in [true, false] {
        let to = harness::Database::empty(from.server());
        let file = std::env::temp_dir().join(format!("{}.sql", to.name()));
        let dumped = tool("pg_dump")
            .arg("-f")
            .arg(&file)
            .arg(from.name())
            .status();
        assert!(dumped.expect("pg_dump").success());
        let restored = tool("psql")
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", to.name(), "-f"])
            .arg(&file)
            .output();
        std::fs::remove_file(&file).expect("removed");
        assert!(restored.expect("psql").status.success());
        let mut there = to.connect();
        if at_once {
            run(&mut there, "SELECT pgtrickle.restore_stream_tables()");
        } else {
            for name in ["large", "totals", "kinds"] {
                refresh(&mut there, name, "REINITIALIZE");
            }
        }
        let ways = "pgtrickle.pgt_cdc_status WHERE cdc_mode = 'wal'";
        assert_eq!(count(&mut there, ways), 2);
        run(&mut there, "INSERT INTO item VALUES (101, 'k1', 1001, '')");
        for name in ["large", "totals", "kinds"] {
            refresh(&mut there, name, "DIFFERENTIAL");
        }
    }
}
