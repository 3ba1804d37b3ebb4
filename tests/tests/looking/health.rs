//! `health_check()` finds what we break on purpose.

use crate::{run, texts};
use harness::{Database, Server, law};
use postgres::Client;
use std::time::{Duration, Instant};

/// Severity and detail of a check.
fn check(client: &mut Client, name: &str) -> String {
    texts(
        client,
        &format!(
            "SELECT severity || ': ' || detail FROM pgtrickle.health_check() WHERE check_name = '{name}'"
        ),
    )
    .remove(0)
}

/// What is not well, but for the scheduler, which does not run where tests do.
fn unwell(client: &mut Client) -> Vec<String> {
    texts(
        client,
        "SELECT concat_ws(' ', severity, check_name) FROM pgtrickle.health_check()
         WHERE severity <> 'OK' AND check_name <> 'scheduler_running'",
    )
}

fn orders(client: &mut Client) {
    run(
        client,
        "CREATE TABLE orders (id int PRIMARY KEY, amount int);
         INSERT INTO orders SELECT i, i FROM generate_series(1, 10) i;
         SELECT pgtrickle.create_stream_table('st', 'SELECT id, 100 / amount AS y FROM orders', '1h', 'DIFFERENTIAL')",
    );
    assert_eq!(unwell(client), Vec::<String>::new());
}

#[test]
fn a_dead_scheduler() {
    let server = Server::private("health", "pg_trickle.enabled = on");
    let db = Database::on(&server);
    let mut client = db.connect();
    orders(&mut client);
    let started = Instant::now();
    while check(&mut client, "scheduler_running") != "OK: the scheduler serves this database" {
        assert!(started.elapsed() < Duration::from_secs(60), "it never runs");
        std::thread::sleep(Duration::from_millis(100));
    }
    // The launcher first, which would start another worker.
    let ended = texts(
        &mut client,
        "SELECT pg_terminate_backend(pid, 10000)::text FROM pg_stat_activity
         WHERE backend_type LIKE 'pg_trickle%' ORDER BY backend_type",
    );
    assert_eq!(ended, ["true", "true"]);
    assert_eq!(
        check(&mut client, "scheduler_running"),
        "ERROR: no scheduler serves this database"
    );
    assert_eq!(
        texts(&mut client, "SELECT status FROM pgtrickle.quick_health"),
        ["CRITICAL"]
    );
}

#[test]
fn a_scheduler_with_nothing_to_do() {
    let db = Database::new();
    let mut client = db.connect();
    orders(&mut client);
    assert_eq!(
        check(&mut client, "scheduler_running"),
        "ERROR: no scheduler serves this database: pg_trickle.enabled is off"
    );
    run(
        &mut client,
        "SELECT pgtrickle.alter_stream_table('st', refresh_mode => 'IMMEDIATE')",
    );
    assert_eq!(
        check(&mut client, "scheduler_running"),
        "OK: there is nothing to refresh"
    );
    assert_eq!(
        texts(&mut client, "SELECT status FROM pgtrickle.quick_health"),
        ["OK"]
    );
}

#[test]
fn a_disabled_trigger() {
    let db = Database::new();
    let mut client = db.connect();
    orders(&mut client);
    // Where event triggers see it, the next refresh puts it right.
    run(
        &mut client,
        "ALTER TABLE orders DISABLE TRIGGER pgt_capture_row",
    );
    assert_eq!(
        check(&mut client, "capture_triggers"),
        "ERROR: pgt_capture_row on public.orders is disabled"
    );
    assert_eq!(
        check(&mut client, "needs_reinit"),
        "WARN: public.st (the capture of public.orders was disabled)"
    );
    run(&mut client, "SELECT pgtrickle.refresh_stream_table('st')");
    assert_eq!(unwell(&mut client), Vec::<String>::new());
    // Where they do not.
    run(
        &mut client,
        "SET session_replication_role = replica;
         DROP TRIGGER pgt_capture_truncate ON orders;
         ALTER TABLE orders DISABLE TRIGGER pgt_capture_row;
         RESET session_replication_role;
         DELETE FROM orders WHERE id = 1",
    );
    assert_eq!(unwell(&mut client), ["ERROR capture_triggers"]);
    assert_eq!(
        check(&mut client, "capture_triggers"),
        "ERROR: pgt_capture_row on public.orders is disabled, pgt_capture_truncate on public.orders is missing"
    );
    let alert = "SELECT alert FROM pgtrickle.check_cdc_health()";
    assert_eq!(
        texts(&mut client, alert),
        [
            "trigger pgt_capture_row on public.orders is disabled, trigger pgt_capture_truncate on public.orders is missing"
        ]
    );
    assert_eq!(
        texts(&mut client, "SELECT pgtrickle.rebuild_cdc_triggers()"),
        ["capture triggers rebuilt: public.orders; what reads them will be rebuilt"]
    );
    assert_eq!(unwell(&mut client), ["WARN needs_reinit"]);
    run(&mut client, "SELECT pgtrickle.refresh_stream_table('st')");
    law(&mut client, "st");
    assert_eq!(unwell(&mut client), Vec::<String>::new());
    assert_eq!(
        texts(&mut client, "SELECT pgtrickle.rebuild_cdc_triggers()"),
        ["all capture triggers are in place"]
    );
    // They work.
    run(
        &mut client,
        "DELETE FROM orders WHERE id = 2; SELECT pgtrickle.refresh_stream_table('st')",
    );
    law(&mut client, "st");
}

/// IMMEDIATE stream tables have no refresh to wait for.
#[test]
fn a_disabled_trigger_below_an_immediate_one() {
    let db = Database::new();
    let mut client = db.connect();
    orders(&mut client);
    run(
        &mut client,
        "SELECT pgtrickle.create_stream_table('now', 'SELECT sum(amount) AS s FROM orders', refresh_mode => 'IMMEDIATE');
         SET session_replication_role = replica;
         ALTER TABLE orders DISABLE TRIGGER pgt_capture_row;
         RESET session_replication_role;
         DELETE FROM orders WHERE id = 1;
         SELECT pgtrickle.rebuild_cdc_triggers()",
    );
    law(&mut client, "now");
    run(&mut client, "DELETE FROM orders WHERE id = 2");
    law(&mut client, "now");
    run(
        &mut client,
        "CREATE ROLE somebody_else_{}"
            .replace("{}", db.name())
            .as_str(),
    );
    run(
        &mut client,
        &format!("SET ROLE somebody_else_{}", db.name()),
    );
    let refused = client.batch_execute("SELECT pgtrickle.rebuild_cdc_triggers()");
    assert_eq!(
        refused
            .expect_err("not for everybody")
            .code()
            .map(|c| c.code()),
        Some("42501")
    );
    run(
        &mut client,
        &format!("RESET ROLE; DROP ROLE somebody_else_{}", db.name()),
    );
}

#[test]
fn a_stuck_refresh() {
    let db = Database::new();
    let mut client = db.connect();
    orders(&mut client);
    run(
        &mut client,
        "SELECT pgtrickle.alter_stream_table('st', schedule => '1s')",
    );
    let (mut holder, mut prepared) = (db.connect(), db.connect());
    run(
        &mut holder,
        "BEGIN; SELECT pgtrickle.refresh_stream_table('st')",
    );
    run(
        &mut prepared,
        "SELECT pgtrickle.create_stream_table('other', 'SELECT id FROM orders', '1s')",
    );
    run(
        &mut prepared,
        "BEGIN; SELECT pgtrickle.refresh_stream_table('other'); PREPARE TRANSACTION 'stuck'",
    );
    std::thread::sleep(Duration::from_millis(11_500));
    let found = check(&mut client, "stuck_refreshes");
    // Before anything can fail: it would be in the way of other tests.
    run(&mut client, "ROLLBACK PREPARED 'stuck'");
    assert!(
        found.starts_with("WARN: public.other: held for 00:00:1"),
        "{found}"
    );
    assert!(
        found.contains(" by a prepared transaction, public.st: held for 00:00:1"),
        "{found}"
    );
    run(&mut holder, "COMMIT");
    assert_eq!(check(&mut client, "stuck_refreshes"), "OK: none");
}

#[test]
fn a_growing_buffer() {
    let db = Database::new();
    let mut client = db.connect();
    orders(&mut client);
    // For which nothing waits.
    run(
        &mut client,
        "SELECT pgtrickle.create_stream_table('now', 'SELECT id FROM orders', refresh_mode => 'IMMEDIATE')",
    );
    run(
        &mut client,
        "SET pg_trickle.buffer_alert_threshold = 20; UPDATE orders SET amount = amount + 1",
    );
    assert_eq!(unwell(&mut client), ["WARN buffer_growth"]);
    assert_eq!(
        check(&mut client, "buffer_growth"),
        "WARN: public.orders: 20 rows wait for public.st"
    );
    run(&mut client, "SELECT pgtrickle.refresh_stream_table('st')");
    assert_eq!(unwell(&mut client), Vec::<String>::new());
}

#[test]
fn a_slot_that_lags() {
    let db = Database::new();
    let mut client = db.connect();
    orders(&mut client);
    let slot = db.name();
    run(
        &mut client,
        &format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')"),
    );
    let health = texts(
        &mut client,
        "SELECT concat_ws(' ', slot_name, active, wal_status) FROM pgtrickle.slot_health()",
    );
    assert_eq!(health, [format!("{slot} f reserved")]);
    assert_eq!(unwell(&mut client), Vec::<String>::new());
    run(
        &mut client,
        "SET pg_trickle.slot_lag_warning_threshold_mb = 1;
         SET pg_trickle.slot_lag_critical_threshold_mb = 1000;
         CREATE TABLE filler AS SELECT repeat('x', 100) AS x FROM generate_series(1, 20000)",
    );
    let found = check(&mut client, "slot_lag");
    assert!(
        found.starts_with(&format!("WARN: {slot} keeps ")),
        "{found}"
    );
    run(
        &mut client,
        "SET pg_trickle.slot_lag_critical_threshold_mb = 1",
    );
    assert_eq!(unwell(&mut client), ["ERROR slot_lag"]);
    // Of other databases, others are told.
    let other = Database::new();
    let mut there = other.connect();
    assert!(
        texts(
            &mut there,
            "SELECT slot_name::text FROM pgtrickle.slot_health()"
        )
        .is_empty()
    );
    run(
        &mut client,
        &format!("SELECT pg_drop_replication_slot('{slot}')"),
    );
    assert_eq!(
        check(&mut client, "slot_lag"),
        "OK: none: changes are captured by triggers"
    );
}

#[test]
fn a_missing_index() {
    let db = Database::new();
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE customers (id int PRIMARY KEY, name text);
         CREATE TABLE \"Orders\" (id int PRIMARY KEY, \"Customer\" int NOT NULL, note text);
         INSERT INTO customers SELECT i, 'c' || i FROM generate_series(1, 100) i;
         INSERT INTO \"Orders\" SELECT i, 1 + i % 100, repeat('x', 100) FROM generate_series(1, 10000) i;
         SELECT pgtrickle.create_stream_table('st',
             'SELECT o.id, c.name FROM \"Orders\" o JOIN customers c ON c.id = o.\"Customer\"', '1h', 'DIFFERENTIAL')",
    );
    let missing = "SELECT concat_ws(' ', stream_table, source_table, columns, create_index) FROM pgtrickle.missing_indexes()";
    let create = "CREATE INDEX ON public.\"Orders\" (\"Customer\")";
    assert_eq!(
        texts(&mut client, missing),
        [format!("public.st public.\"Orders\" {{Customer}} {create}")]
    );
    assert_eq!(
        check(&mut client, "missing_indexes"),
        format!("WARN: {create} for public.st")
    );
    // explain_delta advises the same.
    let explained = texts(&mut client, "SELECT pgtrickle.explain_delta('st')").remove(0);
    assert!(
        explained.contains("CREATE INDEX ON public.\"Orders\""),
        "{explained}"
    );
    // One that does not serve, and one that does.
    run(
        &mut client,
        "CREATE INDEX ON \"Orders\" (note, \"Customer\"); CREATE INDEX ON \"Orders\" (\"Customer\") WHERE id > 7",
    );
    assert_eq!(texts(&mut client, missing).len(), 1);
    run(&mut client, create);
    assert_eq!(texts(&mut client, missing), Vec::<String>::new());
    assert_eq!(unwell(&mut client), Vec::<String>::new());
    // It is known again after the query is compiled anew.
    run(
        &mut client,
        "DROP INDEX \"Orders_Customer_idx1\"; ALTER TABLE \"Orders\" ALTER \"Customer\" TYPE bigint;
         SELECT pgtrickle.refresh_stream_table('st')",
    );
    assert_eq!(texts(&mut client, missing).len(), 1);
}

/// Little tables are read at once: it is not worth a warning.
#[test]
fn a_missing_index_on_a_little_table() {
    let db = Database::new();
    let mut client = db.connect();
    orders(&mut client);
    run(
        &mut client,
        "SELECT pgtrickle.create_stream_table('pairs',
             'SELECT a.id FROM orders a JOIN orders b ON a.amount = b.amount', '1h', 'DIFFERENTIAL')",
    );
    let missing = "SELECT create_index FROM pgtrickle.missing_indexes()";
    assert_eq!(
        texts(&mut client, missing),
        ["CREATE INDEX ON public.orders (amount)"]
    );
    assert_eq!(unwell(&mut client), Vec::<String>::new());
}

#[test]
fn errors_and_suspended_ones() {
    let db = Database::new();
    let mut client = db.connect();
    orders(&mut client);
    run(
        &mut client,
        "SELECT pgtrickle.alter_stream_table('st', status => 'SUSPENDED');
         UPDATE pgtrickle.pgt_stream_tables SET consecutive_errors = 3, last_error = 'division by zero'",
    );
    assert_eq!(
        unwell(&mut client),
        ["ERROR error_tables", "WARN consecutive_errors"]
    );
    assert_eq!(
        check(&mut client, "consecutive_errors"),
        "WARN: public.st: division by zero"
    );
}
