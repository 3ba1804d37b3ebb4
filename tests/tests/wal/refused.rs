//! What capture from the WAL asks for, and refuses by name.

use crate::support::{SCHEMA, count, fails, run};
use crate::{IDENTITY, create, setup};
use harness::{Database, Server, refresh};
use postgres::error::SqlState;

fn creating(query: &str, mode: &str) -> String {
    format!(
        "SELECT pgtrickle.create_stream_table('t', $q${query}$q$, '1h', '{mode}', cdc_mode => 'wal')"
    )
}

#[test]
fn at_creation() {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    run(&mut client, "CREATE UNLOGGED TABLE fast (id int)");
    for (query, mode, state, says) in [
        (
            "SELECT kind, amount FROM item",
            "DIFFERENTIAL",
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            "public.item needs REPLICA IDENTITY FULL",
        ),
        (
            "SELECT id FROM fast",
            "DIFFERENTIAL",
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            "public.fast is not logged",
        ),
        (
            "SELECT id FROM item",
            "IMMEDIATE",
            SqlState::FEATURE_NOT_SUPPORTED,
            "cannot be IMMEDIATE",
        ),
    ] {
        let (found, message) = fails(&mut client, &creating(query, mode));
        assert_eq!(found, state, "{message}");
        assert!(message.contains(says), "{message}");
    }
    let (state, _) = fails(
        &mut client,
        "SELECT pgtrickle.create_stream_table('t', 'SELECT 1 AS x', cdc_mode => 'other')",
    );
    assert_eq!(state, SqlState::INVALID_PARAMETER_VALUE);
    assert_eq!(count(&mut client, "pgtrickle.pgt_captures"), 0);
}

/// The slot is made in a transaction that has not written.
#[test]
fn in_a_transaction_that_has_written() {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    run(&mut client, IDENTITY);
    run(&mut client, "BEGIN; INSERT INTO kind VALUES ('k10', '')");
    let (state, message) = fails(&mut client, &creating("SELECT id FROM item", "AUTO"));
    assert_eq!(state, SqlState::ACTIVE_SQL_TRANSACTION);
    assert!(message.contains("cannot be made"), "{message}");
    run(&mut client, "ROLLBACK");
    run(&mut client, "BEGIN");
    run(&mut client, &creating("SELECT id FROM item", "AUTO"));
    run(
        &mut client,
        "INSERT INTO item VALUES (100, 'k1', 5, ''); COMMIT",
    );
    refresh(&mut client, "t", "DIFFERENTIAL");
    // When it is there, anywhere; but not where the source itself was written.
    run(
        &mut client,
        "BEGIN; INSERT INTO item VALUES (101, 'k1', 5, '')",
    );
    create(&mut client, "labels", "SELECT label FROM kind");
    let (state, _) = fails(
        &mut client,
        &creating("SELECT id + 1 AS x FROM item", "AUTO").replace("'t'", "'t2'"),
    );
    assert_eq!(state, SqlState::OBJECT_IN_USE);
    run(&mut client, "ROLLBACK");
    run(
        &mut client,
        "BEGIN; CREATE TABLE new AS SELECT 1 AS x; ALTER TABLE new REPLICA IDENTITY FULL",
    );
    let (state, _) = fails(
        &mut client,
        &creating("SELECT x FROM new", "AUTO").replace("'t'", "'t3'"),
    );
    assert_eq!(state, SqlState::OBJECT_IN_USE);
    run(&mut client, "ROLLBACK");
}

/// Readers that ask for different ways.
#[test]
fn contradictions() {
    let (_db, mut client) = setup();
    let (state, message) = fails(
        &mut client,
        "SELECT pgtrickle.create_stream_table('own', 'SELECT id FROM item', cdc_mode => 'trigger')",
    );
    assert_eq!(state, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
    assert!(
        message.contains("public.kinds asks for wal") || message.contains("asks for wal"),
        "{message}"
    );
    let (_, message) = fails(
        &mut client,
        "SELECT pgtrickle.create_stream_table('own', 'SELECT id FROM item', refresh_mode => 'IMMEDIATE')",
    );
    assert!(message.contains("asks for wal"), "{message}");
    let (_, message) = fails(
        &mut client,
        "SELECT pgtrickle.alter_stream_table('kinds', refresh_mode => 'IMMEDIATE')",
    );
    assert!(message.contains("cannot be IMMEDIATE"), "{message}");
    // One that asks for nothing takes what there is.
    run(
        &mut client,
        "SELECT pgtrickle.create_stream_table('own', 'SELECT id FROM item', '1h', 'DIFFERENTIAL')",
    );
    assert_eq!(
        count(
            &mut client,
            "pgtrickle.list_sources('own') WHERE cdc_mode = 'wal'"
        ),
        1
    );
    run(&mut client, "INSERT INTO item VALUES (100, 'k1', 5, '')");
    refresh(&mut client, "own", "DIFFERENTIAL");
}

#[test]
fn no_free_slot_and_no_trust() {
    let server = Server::private("walslots", "max_replication_slots = 0");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    run(&mut client, IDENTITY);
    let (_, message) = fails(&mut client, &creating("SELECT id FROM item", "AUTO"));
    assert!(message.contains("max_replication_slots"), "{message}");
    let asks = client
        .query(
            "SELECT FROM pg_settings WHERE name = 'output_plugin_libraries'",
            &[],
        )
        .expect("settings");
    if !asks.is_empty() {
        server
            .configure("max_replication_slots = 4\noutput_plugin_libraries = 'pgoutput'\n")
            .expect("configured");
        drop(client);
        server.stop("fast").expect("stopped");
        server.start().expect("started");
        let mut client = db.connect();
        let (_, message) = fails(&mut client, &creating("SELECT id FROM item", "AUTO"));
        assert!(message.contains("output_plugin_libraries"), "{message}");
    }
}
