//! Processes that refresh beside the scheduler.

use crate::support::{enabled, number, rows, run, wait};
use harness::{Database, law};

/// A stream table whose refresh takes seconds, which nothing but a full refresh can do.
const SLOW: &str = "CREATE TABLE t (id int PRIMARY KEY, x int); INSERT INTO t VALUES (1, 1);
    CREATE FUNCTION slowly(int) RETURNS int STABLE LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep(2); RETURN $1; END'";

fn slow(name: &str) -> String {
    format!(
        "SELECT pgtrickle.create_stream_table('{name}', 'SELECT slowly(x) AS x FROM t WHERE id = 1', '1s', 'FULL')"
    )
}

/// What takes long holds nobody up, and several of it run at a time.
#[test]
fn what_takes_long_goes_to_others() {
    let server = enabled("parallel", "max_worker_processes = 12");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(&mut client, SLOW);
    for name in ["slow_1", "slow_2"] {
        run(&mut client, &slow(name));
    }
    run(
        &mut client,
        "SELECT pgtrickle.create_stream_table('quick', 'SELECT id, x FROM t', '1s')",
    );
    wait(
        &mut client,
        "SELECT count(*) = 2 FROM pgtrickle.parallel_job_status() WHERE status = 'RUNNING'",
    );
    wait(
        &mut client,
        "SELECT active_workers = 2 FROM pgtrickle.worker_pool_status()",
    );
    for i in 2..6 {
        run(&mut client, &format!("INSERT INTO t VALUES ({i}, {i})"));
        wait(&mut client, &format!("SELECT count(*) = {i} FROM quick"));
    }
    law(&mut client, "quick");
    wait(
        &mut client,
        "SELECT count(*) >= 2 FROM pgtrickle.parallel_job_status()
         WHERE status = 'SUCCEEDED' AND unit_kind = 'singleton' AND duration_ms > 1900 AND attempt_no = 1",
    );
    // While one of them ran, the quick one was refreshed: it did not wait for two seconds.
    let late = number(
        &mut client,
        "SELECT count(*) FROM pgtrickle.get_refresh_history('quick')
         WHERE initiated_by = 'SCHEDULER' AND action <> 'DIFFERENTIAL'",
    );
    assert_eq!(late, 0);
    assert_eq!(
        rows(
            &mut client,
            "SELECT max_workers, per_db_cap, parallel_mode FROM pgtrickle.worker_pool_status()"
        ),
        ["(4,4,on)"]
    );
    // They end by themselves when there is nothing to do.
    run(
        &mut client,
        "SELECT pgtrickle.drop_stream_table('slow_1'); SELECT pgtrickle.drop_stream_table('slow_2')",
    );
    wait(
        &mut client,
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_trickle refresher'",
    );
}

/// Without a process to be had the scheduler does it all.
#[test]
fn nobody_else_to_be_had() {
    let server = enabled("alone", "max_worker_processes = 3");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(&mut client, SLOW);
    run(&mut client, &slow("slow"));
    run(
        &mut client,
        "SELECT pgtrickle.create_stream_table('quick', 'SELECT id, x FROM t', '1s');
         INSERT INTO t VALUES (2, 2)",
    );
    wait(&mut client, "SELECT count(*) = 2 FROM quick");
    wait(
        &mut client,
        "SELECT count(*) >= 2 FROM pgtrickle.get_refresh_history('slow') WHERE initiated_by = 'SCHEDULER' AND status = 'COMPLETED'",
    );
}

/// A long refresh can be cancelled, or has its time; both pass, and are tried again.
#[test]
fn long_refreshes_are_cancelled() {
    let server = enabled(
        "cancelled",
        "max_worker_processes = 12\npg_trickle.refresh_timeout = '1s'",
    );
    let db = Database::on(&server);
    let mut client = db.connect();
    run(&mut client, SLOW);
    run(&mut client, &slow("slow"));
    wait(
        &mut client,
        "SELECT count(*) >= 1 FROM pgtrickle.get_refresh_history('slow')
         WHERE status = 'FAILED' AND error_message LIKE 'canceling statement due to statement timeout%'",
    );
    run(
        &mut client,
        "ALTER SYSTEM SET pg_trickle.refresh_timeout = 0",
    );
    run(&mut client, "SELECT pg_reload_conf()");
    wait(
        &mut client,
        "SELECT count(*) >= 1 FROM pgtrickle.get_refresh_history('slow') WHERE initiated_by = 'SCHEDULER' AND status = 'COMPLETED'",
    );
    wait(
        &mut client,
        "SELECT bool_or(pg_cancel_backend(pid)) FROM pg_stat_activity
         WHERE backend_type = 'pg_trickle refresher' AND state = 'active' AND query LIKE 'refreshing%'",
    );
    wait(
        &mut client,
        "SELECT count(*) >= 1 FROM pgtrickle.get_refresh_history('slow')
         WHERE status = 'FAILED' AND error_message LIKE 'canceling statement due to user request%'",
    );
    // Terminated in the middle: it is noticed, and another takes over.
    wait(
        &mut client,
        "SELECT bool_or(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE backend_type = 'pg_trickle refresher' AND state = 'active' AND query LIKE 'refreshing%'",
    );
    let done = number(
        &mut client,
        "SELECT max(refresh_id) FROM pgtrickle.pgt_refresh_history",
    );
    wait(
        &mut client,
        &format!(
            "SELECT count(*) >= 1 FROM pgtrickle.get_refresh_history('slow')
             WHERE status = 'COMPLETED' AND refresh_id > {done}"
        ),
    );
    assert_eq!(
        rows(
            &mut client,
            "SELECT status FROM pgtrickle.pgt_stream_tables"
        ),
        ["(ACTIVE)"]
    );
}
