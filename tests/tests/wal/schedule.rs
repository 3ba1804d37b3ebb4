//! The scheduler, and `run_due`: what waits in the WAL is seen like what waits in a buffer.

use crate::support::{SCHEMA, count, run};
use crate::{IDENTITY, slot};
use harness::{Database, Server, law};
use std::time::{Duration, Instant};

fn creating(schedule: &str) -> String {
    format!(
        "SELECT pgtrickle.create_stream_table('large', 'SELECT kind, amount FROM item WHERE amount > 20', \
         '{schedule}', 'DIFFERENTIAL', cdc_mode => 'wal')"
    )
}

#[track_caller]
fn until(client: &mut postgres::Client, sql: &str) {
    let limit = Instant::now() + Duration::from_secs(30);
    while count(client, sql) == 0 {
        assert!(Instant::now() < limit, "not yet: {sql}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn scheduled() {
    let server = Server::private(
        "walsched",
        "pg_trickle.enabled = on\npg_trickle.scheduler_interval_ms = 100",
    );
    let db = Database::on(&server);
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    run(&mut client, IDENTITY);
    run(&mut client, &creating("1s"));
    run(&mut client, "INSERT INTO item VALUES (100, 'k1', 1000, '')");
    until(&mut client, "large WHERE amount = 1000");
    law(&mut client, "large");
    // Nothing happens: nothing is written. (The server itself notes now and then who runs.)
    std::thread::sleep(Duration::from_secs(2));
    let position = |client: &mut postgres::Client| -> i64 {
        let sql = "SELECT (pg_current_wal_insert_lsn() - '0/0')::int8";
        client.query_one(sql, &[]).expect("a position").get(0)
    };
    let refreshes = "pgtrickle.pgt_refresh_history";
    let before = (position(&mut client), count(&mut client, refreshes));
    std::thread::sleep(Duration::from_secs(3));
    let written = position(&mut client) - before.0;
    assert!(written < 2000, "{written} bytes of WAL");
    assert_eq!(count(&mut client, refreshes), before.1);
    // The slot is moved on though nobody writes to the sources.
    let name = slot(&mut client);
    run(
        &mut client,
        "CREATE TABLE filler AS SELECT repeat('x', 100) AS x FROM generate_series(1, 100000)",
    );
    until(
        &mut client,
        &format!(
            "pg_replication_slots WHERE slot_name = '{name}' AND pg_current_wal_lsn() - \
             confirmed_flush_lsn < 8000000"
        ),
    );
    // One that is dropped is made again.
    let dropping = format!("SELECT pg_drop_replication_slot('{name}')");
    // The scheduler may be reading from it.
    while client.batch_execute(&dropping).is_err() {
        std::thread::sleep(Duration::from_millis(10));
    }
    until(&mut client, "pg_replication_slots");
    run(&mut client, "INSERT INTO item VALUES (101, 'k1', 1001, '')");
    until(&mut client, "large WHERE amount = 1001");
    law(&mut client, "large");
}

/// Refreshers in several processes, beside writers.
#[test]
fn scheduled_under_writers() {
    let server = Server::private(
        "walsoak",
        "pg_trickle.enabled = on\npg_trickle.scheduler_interval_ms = 50",
    );
    let (db, mut client) = crate::setup_on(&server);
    let names = crate::support::TABLES;
    for name in names {
        run(
            &mut client,
            &format!("SELECT pgtrickle.alter_stream_table('{name}', schedule => '1s')"),
        );
    }
    let end = Instant::now() + Duration::from_secs(8);
    let writers: Vec<_> = (0..2)
        .map(|writer| {
            let mut own = db.connect();
            std::thread::spawn(move || {
                let mut i = 1000 + writer * 1_000_000;
                while Instant::now() < end {
                    i += 1;
                    run(
                        &mut own,
                        &format!(
                            "INSERT INTO item VALUES ({i}, 'k{}', {i} % 90, '');
                             UPDATE item SET amount = amount + 1 WHERE id = {i} - 3;
                             DELETE FROM item WHERE id = {i} - 50",
                            i % 6
                        ),
                    );
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().expect("no error");
    }
    run(
        &mut client,
        "INSERT INTO item VALUES (9, 'last', 99, '') ON CONFLICT (id) DO UPDATE SET kind = 'last', amount = 99",
    );
    until(&mut client, "large WHERE kind = 'last'");
    until(&mut client, "kinds WHERE kind = 'last'");
    run(
        &mut client,
        "SELECT pgtrickle.refresh_stream_table('totals')",
    );
    for name in names {
        law(&mut client, name);
    }
    let otherwise = "pgtrickle.pgt_refresh_history WHERE initiated_by = 'SCHEDULER' AND NOT (action IN \
                     ('DIFFERENTIAL', 'NO_DATA') OR status = 'SKIPPED')";
    assert_eq!(count(&mut client, otherwise), 0);
    let many = "pgtrickle.pgt_refresh_history WHERE initiated_by = 'SCHEDULER' AND action = 'DIFFERENTIAL'";
    assert!(count(&mut client, many) > 5);
}

#[test]
fn run_due() {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    run(&mut client, IDENTITY);
    run(&mut client, &creating("1s"));
    run(&mut client, "INSERT INTO item VALUES (100, 'k1', 1000, '')");
    std::thread::sleep(Duration::from_millis(1100));
    run(&mut client, "CALL pgtrickle.run_due()");
    assert_eq!(count(&mut client, "large WHERE amount = 1000"), 1);
    law(&mut client, "large");
    assert_eq!(
        harness::last_refresh(&mut client, "large").action,
        "DIFFERENTIAL"
    );
    let health = client.query_one(
        "SELECT concat_ws(' ', slot_name, source_relid::regclass, active, wal_status) FROM pgtrickle.slot_health()",
        &[],
    );
    let expected = format!("{} item f reserved", slot(&mut client));
    assert_eq!(health.expect("health").get::<_, String>(0), expected);
    let sources = "pgtrickle.check_cdc_health() WHERE alert IS NULL AND lag_bytes >= 0 AND confirmed_lsn IS NOT NULL";
    assert_eq!(count(&mut client, sources), 1);
    run(
        &mut client,
        "SET pg_trickle.slot_lag_warning_threshold_mb = 1;
         CREATE TABLE filler AS SELECT repeat('x', 100) AS x FROM generate_series(1, 40000)",
    );
    let lags = "pgtrickle.health_check() WHERE severity = 'WARN' AND check_name = 'slot_lag'";
    assert_eq!(count(&mut client, lags), 1);
}
