//! The scheduler, each test on a server of its own where it is enabled.

#[path = "pipelines/support.rs"]
#[allow(dead_code)]
mod support;

use harness::{Database, law};
use postgres::Client;
use std::time::{Duration, Instant};
use support::{PATIENCE, enabled, number, run, text, wait};

const SALES: &str = "CREATE TABLE sales (id int PRIMARY KEY, region text, amount numeric);
    INSERT INTO sales SELECT i, 'r' || i % 5, i FROM generate_series(1, 100) i;
    SELECT pgtrickle.create_stream_table('totals',
        'SELECT region, count(*) AS n, sum(amount) AS total FROM sales GROUP BY region', 'calculated');
    SELECT pgtrickle.create_stream_table('large',
        'SELECT region, total FROM totals WHERE total > 1000', '1s')";

/// Writes into the extension's tables and the buffers, as the statistics count them.
fn writes(client: &mut Client) -> i64 {
    number(
        client,
        "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint FROM pg_stat_all_tables
         WHERE schemaname IN ('pgtrickle', 'pgtrickle_store')",
    )
}

/// Time passes, and nobody writes.
#[test]
fn the_scheduler_knows_the_clock() {
    let server = enabled("clock", "");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE events (id int PRIMARY KEY, at timestamptz);
         INSERT INTO events SELECT i, now() + i * interval '500 ms' FROM generate_series(1, 6) i;
         SELECT pgtrickle.create_stream_table('coming', 'SELECT id FROM events WHERE at > now()', '1s', 'DIFFERENTIAL');
         SELECT pgtrickle.create_stream_table('today', 'SELECT id FROM events WHERE at > date_trunc(''century'', now())', '1s', 'DIFFERENTIAL')",
    );
    wait(&mut client, "SELECT count(*) BETWEEN 1 AND 4 FROM coming");
    wait(&mut client, "SELECT count(*) = 0 FROM coming");
    let others = number(
        &mut client,
        "SELECT count(*) FROM pgtrickle.pgt_refresh_history JOIN pgtrickle.pgt_stream_tables USING (pgt_id)
         WHERE initiated_by = 'SCHEDULER' AND (pgt_name = 'today' OR action <> 'DIFFERENTIAL')",
    );
    assert_eq!(others, 0);
    assert_eq!(number(&mut client, "SELECT count(*) FROM today"), 6);
}

/// Nobody tells of what a materialized view has come to hold.
#[test]
fn the_scheduler_looks_at_what_is_compared() {
    let server = enabled("compared", "");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE base (id int);
         CREATE MATERIALIZED VIEW frozen AS SELECT id FROM base;
         SELECT pgtrickle.create_stream_table('copied', 'SELECT id FROM frozen', '1s', 'DIFFERENTIAL');
         INSERT INTO base VALUES (1); REFRESH MATERIALIZED VIEW frozen",
    );
    wait(&mut client, "SELECT count(*) = 1 FROM copied");
    run(
        &mut client,
        "TRUNCATE base; REFRESH MATERIALIZED VIEW frozen",
    );
    wait(&mut client, "SELECT count(*) = 0 FROM copied");
    let differential = "SELECT count(*) FROM pgtrickle.pgt_refresh_history
         WHERE initiated_by = 'SCHEDULER' AND action = 'DIFFERENTIAL'";
    assert_eq!(number(&mut client, differential), 2);
}

#[test]
fn a_chain_stays_fresh_and_costs_nothing_when_idle() {
    let server = enabled("fresh", "");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(&mut client, SALES);
    wait(&mut client, "SELECT pgtrickle._scheduler_running()");
    for i in 0..3 {
        run(
            &mut client,
            &format!(
                "INSERT INTO sales VALUES (1000 + {i}, 'new', 5000); UPDATE sales SET amount = amount + 1 WHERE id = {i} + 1"
            ),
        );
        wait(
            &mut client,
            &format!("SELECT (SELECT total FROM large WHERE region = 'new') = 5000 * ({i} + 1)"),
        );
    }
    wait(
        &mut client,
        "SELECT count(*) = 0 FROM pgtrickle.change_buffer_sizes() WHERE pending_rows > 0",
    );
    law(&mut client, "totals");
    law(&mut client, "large");
    let others = number(
        &mut client,
        "SELECT count(*) FROM pgtrickle.pgt_refresh_history WHERE initiated_by = 'SCHEDULER'
         AND (action, status) <> ('DIFFERENTIAL', 'COMPLETED')",
    );
    assert_eq!(others, 0);
    // In one cycle: the reader begins right after what it reads, not a second later.
    let late = number(
        &mut client,
        "SELECT count(*) FROM pgtrickle.pgt_refresh_history l
         JOIN pgtrickle.pgt_stream_tables s USING (pgt_id)
         WHERE s.pgt_name = 'large' AND l.initiated_by = 'SCHEDULER' AND NOT EXISTS (
            SELECT FROM pgtrickle.pgt_refresh_history t
            JOIN pgtrickle.pgt_stream_tables u USING (pgt_id)
            WHERE u.pgt_name = 'totals' AND t.start_time <= l.start_time
            AND t.refresh_id < l.refresh_id)",
    );
    assert_eq!(late, 0);

    // Idle: cycles go on, the content is known to be exact, and nothing is written.
    std::thread::sleep(Duration::from_secs(3));
    let history = number(
        &mut client,
        "SELECT max(refresh_id) FROM pgtrickle.pgt_refresh_history",
    );
    let before = writes(&mut client);
    let looked: String = text(&mut client, "SELECT pgtrickle._looked_at()::text");
    std::thread::sleep(Duration::from_secs(4));
    wait(
        &mut client,
        &format!("SELECT pgtrickle._looked_at() >= '{looked}'::timestamptz + interval '3 seconds'"),
    );
    assert_eq!(writes(&mut client), before);
    assert_eq!(
        number(
            &mut client,
            "SELECT max(refresh_id) FROM pgtrickle.pgt_refresh_history"
        ),
        history
    );
    wait(&mut client, "SELECT pgtrickle.get_staleness('large') < 3");

    // What waits because it is not its time yet is known to be behind.
    run(
        &mut client,
        "SELECT pgtrickle.create_stream_table('slow', 'SELECT count(*) AS n FROM sales', '1h');
         INSERT INTO sales VALUES (2000, 'late', 1)",
    );
    wait(&mut client, "SELECT count(*) = 1 FROM pgtrickle.pgt_behind");
    std::thread::sleep(Duration::from_secs(3));
    wait(
        &mut client,
        "SELECT pgtrickle.get_staleness('slow') > 3 AND pgtrickle.get_staleness('large') < 3",
    );
    assert_eq!(number(&mut client, "SELECT n FROM slow"), 103);
}

#[test]
fn failures_back_off_suspend_and_do_not_stop_others() {
    let server = enabled("failing", "pg_trickle.max_consecutive_errors = 2");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE t (id int PRIMARY KEY, x int);
         INSERT INTO t VALUES (1, 1);
         SELECT pgtrickle.create_stream_table('fails', 'SELECT id, 10 / x AS y FROM t', '1s');
         SELECT pgtrickle.create_stream_table('works', 'SELECT id, x FROM t', '1s');
         INSERT INTO t VALUES (2, 0)",
    );
    wait(&mut client, "SELECT count(*) = 2 FROM works");
    wait(
        &mut client,
        "SELECT status = 'SUSPENDED' FROM pgtrickle.pgt_stream_tables WHERE pgt_name = 'fails'",
    );
    let failed = number(
        &mut client,
        "SELECT count(*) FROM pgtrickle.get_refresh_history('fails')
         WHERE status = 'FAILED' AND error_message LIKE 'division by zero%' AND initiated_by = 'SCHEDULER'",
    );
    assert_eq!(failed, 2);
    // The second attempt waited as long as the back-off says, counted from the first.
    let gap = number(
        &mut client,
        "SELECT (extract(epoch FROM max(start_time) - min(start_time)) * 1000)::bigint
         FROM pgtrickle.get_refresh_history('fails') WHERE status = 'FAILED'",
    );
    assert!(gap >= 1000, "tried again after {gap} ms");
    let log = std::fs::read_to_string(server.log()).expect("a log");
    assert!(log.contains("public.fails is suspended after 2 failures in a row"));
    let health: String = text(
        &mut client,
        "SELECT severity FROM pgtrickle.health_check() WHERE check_name = 'error_tables'",
    );
    assert_eq!(health, "ERROR");

    // The others go on, and it does so when it is resumed.
    run(&mut client, "INSERT INTO t VALUES (3, 3)");
    wait(&mut client, "SELECT count(*) = 3 FROM works");
    assert_eq!(number(&mut client, "SELECT count(*) FROM fails"), 1);
    run(
        &mut client,
        "DELETE FROM t WHERE x = 0; SELECT pgtrickle.resume_stream_table('fails')",
    );
    wait(&mut client, "SELECT count(*) = 2 FROM fails");
    law(&mut client, "fails");
    assert_eq!(
        number(
            &mut client,
            "SELECT consecutive_errors::bigint FROM pgtrickle.pgt_stream_tables WHERE pgt_name = 'fails'"
        ),
        0
    );
}

/// A lock that somebody holds on one source delays no other stream table.
#[test]
fn a_lock_is_not_waited_for() {
    let server = enabled("locked", "");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE a (x int); CREATE TABLE b (x int);
         SELECT pgtrickle.create_stream_table('of_a', 'SELECT x FROM a', '1s');
         SELECT pgtrickle.create_stream_table('of_b', 'SELECT x FROM b', '1s');
         INSERT INTO a VALUES (1)",
    );
    wait(&mut client, "SELECT count(*) = 1 FROM of_a");
    let mut holder = db.connect();
    run(
        &mut holder,
        "BEGIN; LOCK TABLE a IN ACCESS EXCLUSIVE MODE; INSERT INTO a VALUES (2)",
    );
    run(&mut client, "INSERT INTO b VALUES (1)");
    wait(&mut client, "SELECT count(*) = 1 FROM of_b");
    run(&mut holder, "COMMIT");
    wait(&mut client, "SELECT count(*) = 2 FROM of_a");
    let failed = number(
        &mut client,
        "SELECT count(*) FROM pgtrickle.pgt_refresh_history WHERE status = 'FAILED'",
    );
    assert_eq!(failed, 0);
}

#[test]
fn it_survives_restarts_and_leaves_databases_alone() {
    let server = enabled("restart", "");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(&mut client, SALES);
    run(&mut client, "INSERT INTO sales VALUES (1001, 'one', 5000)");
    wait(
        &mut client,
        "SELECT EXISTS (SELECT FROM large WHERE region = 'one')",
    );

    // In order, and by a crash of the whole server.
    for (mode, region) in [("fast", "two"), ("immediate", "three")] {
        drop(client);
        server.stop(mode).expect("stopped");
        server.start().expect("started");
        client = db.connect();
        run(
            &mut client,
            &format!("INSERT INTO sales SELECT max(id) + 1, '{region}', 5000 FROM sales"),
        );
        wait(
            &mut client,
            &format!("SELECT EXISTS (SELECT FROM large WHERE region = '{region}')"),
        );
    }

    // kill -9 of the worker: the server restarts itself.
    let worker = number(
        &mut client,
        "SELECT pid::bigint FROM pg_stat_activity WHERE backend_type = 'pg_trickle scheduler' AND datname = current_database()",
    );
    let killed = std::process::Command::new("kill")
        .args(["-9", &worker.to_string()])
        .status()
        .expect("kill runs");
    assert!(killed.success());
    let started = Instant::now();
    let mut client = loop {
        std::thread::sleep(Duration::from_millis(200));
        if let Ok(mut client) = server.connect(db.name())
            && client.batch_execute("SELECT 1").is_ok()
        {
            break client;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "the server does not come back"
        );
    };
    run(
        &mut client,
        "INSERT INTO sales SELECT max(id) + 1, 'four', 5000 FROM sales",
    );
    wait(
        &mut client,
        "SELECT EXISTS (SELECT FROM large WHERE region = 'four')",
    );
    law(&mut client, "totals");
    law(&mut client, "large");

    // Several databases, one worker each.
    let other = Database::on(&server);
    let mut there = other.connect();
    run(&mut there, SALES);
    run(&mut there, "INSERT INTO sales VALUES (1001, 'there', 5000)");
    wait(
        &mut there,
        "SELECT EXISTS (SELECT FROM large WHERE region = 'there')",
    );
    let workers =
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_trickle scheduler'";
    assert_eq!(number(&mut client, workers), 2);

    // DROP EXTENSION ends the worker, and creating it again begins anew.
    run(&mut there, "DROP EXTENSION pg_trickle CASCADE");
    wait(&mut there, &format!("SELECT ({workers}) = 1"));
    run(
        &mut there,
        "DROP TABLE IF EXISTS large, totals, sales; CREATE EXTENSION pg_trickle",
    );
    run(&mut there, SALES);
    run(&mut there, "INSERT INTO sales VALUES (1001, 'again', 5000)");
    wait(
        &mut there,
        "SELECT EXISTS (SELECT FROM large WHERE region = 'again')",
    );

    // Who needs a database for himself gets it, without FORCE, and the worker comes back.
    drop(there);
    let renamed = format!("{}_renamed", other.name());
    run(
        &mut client,
        &format!("ALTER DATABASE {} RENAME TO {renamed}", other.name()),
    );
    let mut there = server.connect(&renamed).expect("renamed");
    wait(&mut there, "SELECT pgtrickle._scheduler_running()");
    drop(there);
    run(&mut client, &format!("DROP DATABASE {renamed}"));
    run(&mut client, &format!("CREATE DATABASE {}", other.name()));
    wait(&mut client, &format!("SELECT ({workers}) = 1"));

    // Without a stream table there is nothing to serve.
    run(
        &mut client,
        "SELECT pgtrickle.drop_stream_table('totals', true)",
    );
    wait(&mut client, &format!("SELECT ({workers}) = 0"));
    run(
        &mut client,
        "SELECT pgtrickle.create_stream_table('later', 'SELECT count(*) AS n FROM sales', '1s');
         DELETE FROM sales",
    );
    wait(&mut client, "SELECT n = 0 FROM later");
}

#[test]
fn manual_refreshes_that_failed_are_in_the_history() {
    let server = enabled("noted", "");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE t (a int); INSERT INTO t VALUES (1);
         SELECT pgtrickle.create_stream_table('st', 'SELECT 1 / a AS b FROM t', '1h');
         INSERT INTO t VALUES (0)",
    );
    let failed = client
        .batch_execute("SELECT pgtrickle.refresh_stream_table('st')")
        .expect_err("a division by zero");
    assert_eq!(failed.code().map(|c| c.code()), Some("22012"));
    // Also in the middle of a transaction that goes on.
    run(
        &mut client,
        "DO $$ BEGIN PERFORM pgtrickle.refresh_stream_table('st');
         EXCEPTION WHEN division_by_zero THEN NULL; END $$",
    );
    wait(
        &mut client,
        "SELECT count(*) = 2 FROM pgtrickle.get_refresh_history('st')
         WHERE status = 'FAILED' AND initiated_by = 'MANUAL' AND action = 'DIFFERENTIAL'
         AND error_message LIKE 'division by zero%' AND duration_ms >= 0 AND end_time >= start_time",
    );
    // They are no reason for the scheduler to give up.
    let status = text(
        &mut client,
        "SELECT status || consecutive_errors FROM pgtrickle.pgt_stream_tables",
    );
    assert_eq!(status, "ACTIVE0");
}
