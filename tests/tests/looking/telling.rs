//! What listeners are told, on a server of their own where the scheduler runs.

use crate::{run, texts};
use harness::{Database, Server};
use postgres::Client;
use postgres::fallible_iterator::FallibleIterator;
use serde_json::Value;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

struct Listener {
    client: Client,
    heard: Vec<Value>,
}

impl Listener {
    fn new(db: &Database) -> Listener {
        let mut client = db.connect();
        run(&mut client, "LISTEN pg_trickle_alert");
        Listener {
            client,
            heard: vec![],
        }
    }

    /// Listens for so long.
    fn listen(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            let mut notifications = self.client.notifications();
            let told = notifications
                .timeout_iter(left)
                .next()
                .expect("a connection");
            let Some(told) = told else { return };
            assert_eq!(told.channel(), "pg_trickle_alert");
            let told: Value = serde_json::from_str(told.payload()).expect("JSON");
            self.heard.push(told);
        }
    }

    fn count(&self, event: &str, stream_table: &str) -> usize {
        let is = |v: &&Value| {
            v["event"] == event && (stream_table.is_empty() || v["stream_table"] == stream_table)
        };
        self.heard.iter().filter(is).count()
    }

    /// Waits until an event is told, and says with what.
    fn wait(&mut self, event: &str, stream_table: &str) -> Value {
        let started = Instant::now();
        while self.count(event, stream_table) == 0 {
            assert!(
                started.elapsed() < PATIENCE,
                "{event} of {stream_table} was not told: {:#?}",
                self.heard
            );
            self.listen(Duration::from_millis(200));
        }
        let is = |v: &&Value| {
            v["event"] == event && (stream_table.is_empty() || v["stream_table"] == stream_table)
        };
        self.heard.iter().find(is).cloned().unwrap_or_default()
    }
}

fn wait(client: &mut Client, sql: &str) {
    let started = Instant::now();
    while texts(client, &format!("SELECT ({sql})::text")) != ["true"] {
        assert!(started.elapsed() < PATIENCE, "not in time: {sql}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_refreshes_do_and_what_holds() {
    let server = Server::private(
        "telling",
        "pg_trickle.enabled = on
         pg_trickle.max_consecutive_errors = 2
         pg_trickle.buffer_alert_threshold = 500
         pg_trickle.slot_lag_warning_threshold_mb = 1",
    );
    let db = Database::on(&server);
    let mut client = db.connect();
    let mut listener = Listener::new(&db);
    run(
        &mut client,
        "CREATE TABLE t (id int PRIMARY KEY, x int); INSERT INTO t VALUES (1, 1);
         SELECT pgtrickle.create_stream_table('works', 'SELECT id, x::text AS x FROM t', '1s', 'DIFFERENTIAL');
         SELECT pgtrickle.create_stream_table('fails', 'SELECT id, (10 / x)::text AS y FROM t', '1s', 'DIFFERENTIAL')",
    );
    run(&mut client, "INSERT INTO t VALUES (2, 0)");
    let done = listener.wait("refresh_completed", "public.works");
    assert_eq!(
        (
            &done["action"],
            &done["rows_inserted"],
            &done["rows_deleted"]
        ),
        (&"DIFFERENTIAL".into(), &1.into(), &0.into())
    );
    let failed = listener.wait("refresh_failed", "public.fails");
    assert_eq!(
        (&failed["error_message"], &failed["initiated_by"]),
        (&"division by zero".into(), &"SCHEDULER".into())
    );
    let suspended = listener.wait("auto_suspended", "public.fails");
    assert_eq!(
        (
            &suspended["error_message"],
            &suspended["consecutive_errors"]
        ),
        (&"division by zero".into(), &2.into())
    );
    assert_eq!(listener.count("refresh_failed", "public.fails"), 2);
    // It gets older, and more and more changes wait for it.
    listener.wait("stale_data", "public.fails");
    run(
        &mut client,
        "INSERT INTO t SELECT i, 1 FROM generate_series(3, 1000) i",
    );
    let growth = listener.wait("buffer_growth_warning", "public.fails");
    assert_eq!(growth["source_table"], "public.t");
    assert!(growth["pending_rows"].as_i64() >= Some(900), "{growth}");
    // DDL, of which there is nothing to refresh now.
    run(&mut client, "ALTER TABLE t ALTER x TYPE bigint");
    let needed = listener.wait("reinitialize_needed", "public.fails");
    assert!(
        needed["reason"]
            .as_str()
            .is_some_and(|r| r.contains("another type")),
        "{needed}"
    );
    // A slot.
    run(
        &mut client,
        "SELECT pg_create_logical_replication_slot('lags', 'pgoutput');
         CREATE TABLE filler AS SELECT repeat('x', 100) AS x FROM generate_series(1, 20000)",
    );
    let slot = listener.wait("slot_lag_warning", "");
    assert_eq!(slot["slot_name"], "lags");
    // Each of them once, as long as it holds, also by another worker.
    let held = "SELECT string_agg(a.event, ' ' ORDER BY a.event) FROM pgtrickle.pgt_alerts a
         LEFT JOIN pgtrickle.pgt_stream_tables s USING (pgt_id)
         WHERE s.pgt_name = 'fails' OR a.subject = 'lags'";
    let all =
        "auto_suspended buffer_growth_warning reinitialize_needed slot_lag_warning stale_data";
    wait(&mut client, &format!("({held}) = '{all}'"));
    run(
        &mut client,
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE backend_type = 'pg_trickle scheduler'",
    );
    wait(&mut client, "pgtrickle._scheduler_running()");
    let before = listener.heard.len();
    listener.listen(Duration::from_secs(12));
    let is_of = |v: &&Value| v["stream_table"] == "public.fails" || v["slot_name"] == "lags";
    let again: Vec<&Value> = listener.heard[before..].iter().filter(is_of).collect();
    assert!(again.is_empty(), "{again:#?}");
    assert_eq!(texts(&mut client, held), [all]);
    // Resumed, it catches up, and nothing holds any more.
    run(
        &mut client,
        "SELECT pg_drop_replication_slot('lags');
         DELETE FROM t WHERE x = 0; SELECT pgtrickle.resume_stream_table('fails')",
    );
    listener.wait("resumed", "public.fails");
    let rebuilt = listener.wait("refresh_completed", "public.fails");
    assert_eq!(rebuilt["action"], "REINITIALIZE");
    wait(
        &mut client,
        "SELECT NOT EXISTS (SELECT FROM pgtrickle.pgt_alerts WHERE event IN ('auto_suspended', 'reinitialize_needed'))",
    );
    // By hand: suspending is told, refreshing is not.
    run(
        &mut client,
        "SELECT pgtrickle.alter_stream_table('works', status => 'SUSPENDED')",
    );
    listener.wait("suspended", "public.works");
    assert_eq!(listener.count("auto_suspended", "public.works"), 0);
    // A failure by hand.
    run(
        &mut client,
        "SELECT pgtrickle.create_stream_table('late', 'SELECT id, 10 / x AS y FROM t', '1h', 'DIFFERENTIAL'); INSERT INTO t VALUES (0, 0)",
    );
    assert!(
        client
            .batch_execute("SELECT pgtrickle.refresh_stream_table('late')")
            .is_err()
    );
    let failed = listener.wait("refresh_failed", "public.late");
    assert_eq!(failed["initiated_by"], "MANUAL");
    // Messages can be long.
    run(
        &mut client,
        "DELETE FROM t WHERE x = 0;
         CREATE FUNCTION talks(x bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS
             $$ BEGIN IF x = 5 THEN RAISE EXCEPTION '%', repeat('\"', 20000); END IF; RETURN x; END $$;
         SELECT pgtrickle.create_stream_table('talking', 'SELECT id, talks(x) AS y FROM t', '1s', 'DIFFERENTIAL');
         INSERT INTO t VALUES (5000, 5)",
    );
    let failed = listener.wait("refresh_failed", "public.talking");
    assert!(
        failed["error_message"]
            .as_str()
            .is_some_and(|m| m.ends_with("\"…")),
        "{failed}"
    );
    // What comes and goes is over when it was gone for a while.
    wait(
        &mut client,
        "SELECT NOT EXISTS (SELECT FROM pgtrickle.pgt_alerts
             JOIN pgtrickle.pgt_stream_tables USING (pgt_id)
             WHERE pgt_name = 'fails' AND event IN ('stale_data', 'buffer_growth_warning'))",
    );
    let log = std::fs::read_to_string(server.log()).expect("a log");
    assert!(
        !log.contains("looking for what to tell:") && !log.contains("telling what was done:"),
        "{log}"
    );
}

/// More to do than there is time for.
#[test]
fn a_scheduler_that_falls_behind() {
    let server = Server::private("behind", "pg_trickle.enabled = on");
    let db = Database::on(&server);
    let mut client = db.connect();
    let mut listener = Listener::new(&db);
    run(
        &mut client,
        "CREATE FUNCTION slow(x int) RETURNS int IMMUTABLE LANGUAGE plpgsql
             AS $$ BEGIN PERFORM pg_sleep(2.5); RETURN x; END $$;
         CREATE TABLE t (x int); INSERT INTO t VALUES (1);
         SELECT pgtrickle.create_stream_table('one', 'SELECT slow(x) AS x FROM t', '1s', 'FULL');
         SELECT pgtrickle.create_stream_table('two', 'SELECT slow(x) + 1 AS x FROM t', '1s', 'FULL')",
    );
    let told = listener.wait("scheduler_falling_behind", "");
    assert!(told["stream_tables"].as_i64() >= Some(1), "{told}");
    assert!(told["staleness_seconds"].as_f64() >= Some(2.0), "{told}");
    listener.listen(Duration::from_secs(15));
    assert_eq!(listener.count("scheduler_falling_behind", ""), 1);
}

/// Neither refreshes by hand nor what users alter can be in the way of PREPARE TRANSACTION.
#[test]
fn transactions_of_users_do_not_tell() {
    let db = Database::new();
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE t (x int);
         SELECT pgtrickle.create_stream_table('st', 'SELECT x FROM t', '1h', 'DIFFERENTIAL');
         BEGIN; INSERT INTO t VALUES (1); SELECT pgtrickle.refresh_stream_table('st');
         PREPARE TRANSACTION 'refreshed'",
    );
    run(&mut client, "COMMIT PREPARED 'refreshed'");
    assert_eq!(texts(&mut client, "SELECT x::text FROM st"), ["1"]);
}
