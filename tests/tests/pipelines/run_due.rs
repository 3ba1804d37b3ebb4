//! `CALL pgtrickle.run_due()`, where no scheduler runs.

use crate::support::{enabled, number, refused, rows, run};
use harness::{Database, law};

#[test]
fn run_due_does_the_work_of_the_scheduler() {
    let db = Database::new();
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE t (id int PRIMARY KEY, x int); INSERT INTO t VALUES (1, 1);
         SELECT pgtrickle.create_stream_table('up', 'SELECT id, x FROM t');
         SELECT pgtrickle.create_stream_table('down', 'SELECT count(*) AS n FROM up', '1s');
         SELECT pgtrickle.create_stream_table('fails', 'SELECT 1 / x AS y FROM t', '1s');
         SELECT pgtrickle.create_stream_table('later', 'SELECT x FROM t', '1d');
         INSERT INTO t VALUES (2, 0)",
    );
    std::thread::sleep(std::time::Duration::from_millis(1100));
    run(&mut client, "CALL pgtrickle.run_due()");
    for table in ["up", "down"] {
        law(&mut client, table);
    }
    assert_eq!(number(&mut client, "SELECT n FROM down"), 2);
    assert_eq!(number(&mut client, "SELECT count(*) FROM later"), 1);
    assert_eq!(
        rows(
            &mut client,
            "SELECT pgt_name, h.action, h.status, h.initiated_by, h.error_message
             FROM pgtrickle.pgt_refresh_history h JOIN pgtrickle.pgt_stream_tables USING (pgt_id)
             WHERE h.initiated_by <> 'INITIAL' ORDER BY pgt_name"
        ),
        [
            "(down,DIFFERENTIAL,COMPLETED,SCHEDULER,)",
            "(fails,DIFFERENTIAL,FAILED,SCHEDULER,\"division by zero\")",
            "(up,DIFFERENTIAL,COMPLETED,SCHEDULER,)"
        ]
    );
    // Nothing is due, and what failed backs off.
    run(&mut client, "CALL pgtrickle.run_due()");
    let refreshes =
        "SELECT count(*) FROM pgtrickle.pgt_refresh_history WHERE initiated_by = 'SCHEDULER'";
    assert_eq!(number(&mut client, refreshes), 3);
    // It is suspended in the end, and the others go on.
    for _ in 0..2 {
        run(
            &mut client,
            "UPDATE pgtrickle.pgt_refresh_history SET start_time = start_time - interval '1 min' WHERE status = 'FAILED'",
        );
        run(&mut client, "CALL pgtrickle.run_due()");
    }
    assert_eq!(
        rows(
            &mut client,
            "SELECT status, consecutive_errors FROM pgtrickle.pgt_stream_tables WHERE pgt_name = 'fails'"
        ),
        ["(SUSPENDED,3)"]
    );
    let (code, message, hint) = refused(&mut client, "BEGIN; CALL pgtrickle.run_due()");
    assert_eq!(code, "2D000");
    assert!(
        message.contains("transaction block") && !hint.is_empty(),
        "{message}"
    );
    run(&mut client, "ROLLBACK");
    // From within a procedure, too.
    run(
        &mut client,
        "CREATE PROCEDURE hourly() LANGUAGE plpgsql AS 'BEGIN CALL pgtrickle.run_due(); END';
         INSERT INTO t VALUES (3, 3)",
    );
    std::thread::sleep(std::time::Duration::from_millis(1100));
    run(&mut client, "CALL hourly()");
    assert_eq!(number(&mut client, "SELECT n FROM down"), 3);
}

/// It refreshes what the caller may refresh, and nothing else.
#[test]
fn run_due_keeps_to_what_is_allowed() {
    let db = Database::new();
    let mut client = db.connect();
    let role = format!("{}_cron", db.name());
    run(
        &mut client,
        &format!(
            "CREATE TABLE t (x int);
             SELECT pgtrickle.create_stream_table('mine', 'SELECT x FROM t', '1s');
             SELECT pgtrickle.create_stream_table('other', 'SELECT x FROM t', '1s');
             CREATE ROLE {role}; GRANT MAINTAIN ON mine TO {role};
             INSERT INTO t VALUES (1); SELECT pg_sleep(1.1)"
        ),
    );
    run(&mut client, &format!("SET ROLE {role}"));
    run(&mut client, "CALL pgtrickle.run_due()");
    run(&mut client, "RESET ROLE");
    assert_eq!(number(&mut client, "SELECT count(*) FROM mine"), 1);
    assert_eq!(number(&mut client, "SELECT count(*) FROM other"), 0);
    run(
        &mut client,
        &format!("DROP OWNED BY {role}; DROP ROLE {role}"),
    );
}

/// Stream tables that a refresh in full takes some time for, a chain and a diamond.
const PIPELINE: &str = "
    CREATE FUNCTION slowly(int) RETURNS int STABLE LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep(0.3); RETURN $1; END';
    CREATE TABLE t (id int PRIMARY KEY, x int); INSERT INTO t SELECT i, i FROM generate_series(1, 20) i;
    SELECT pgtrickle.create_stream_table('slow_1', 'SELECT slowly(x) AS x FROM t WHERE id = 1', '1h', 'FULL');
    SELECT pgtrickle.create_stream_table('slow_2', 'SELECT slowly(x) AS x FROM t WHERE id = 2', '1h', 'FULL');
    SELECT pgtrickle.create_stream_table('up', 'SELECT id, x FROM t', '1h', 'DIFFERENTIAL');
    SELECT pgtrickle.create_stream_table('left_side', 'SELECT id, x FROM up WHERE x % 2 = 0', '1h', 'DIFFERENTIAL');
    SELECT pgtrickle.create_stream_table('right_side', 'SELECT id, x FROM up WHERE x % 3 = 0', '1h', 'DIFFERENTIAL');
    SELECT pgtrickle.create_stream_table('met', 'SELECT l.id FROM left_side l JOIN right_side r USING (id)', '1h', 'DIFFERENTIAL');";

const NAMES: [&str; 6] = ["slow_1", "slow_2", "up", "left_side", "right_side", "met"];

/// All are due at once: their schedules become short ones.
const ALL_DUE: &str = "UPDATE pgtrickle.pgt_stream_tables SET schedule = '1s'";

/// Refreshes that were begun by the scheduler's rules and were not what they should be.
const STRANGE: &str = "SELECT count(*) FROM pgtrickle.pgt_refresh_history
    WHERE initiated_by = 'SCHEDULER' AND status <> 'COMPLETED'";

/// Several sessions at once: each unit is refreshed by one of them, and none waits for another.
#[test]
fn sessions_share_what_is_due() {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, PIPELINE);
    let mut done = 0;
    for round in 1..=5 {
        run(
            &mut client,
            "UPDATE t SET x = x + 1; UPDATE pgtrickle.pgt_stream_tables SET schedule = '1h'",
        );
        std::thread::sleep(std::time::Duration::from_millis(1100));
        run(&mut client, ALL_DUE);
        let sessions: Vec<_> = (0..4)
            .map(|_| {
                let mut client = db.connect();
                std::thread::spawn(move || run(&mut client, "CALL pgtrickle.run_due()"))
            })
            .collect();
        sessions.into_iter().for_each(|s| s.join().expect("ends"));
        for name in NAMES {
            law(&mut client, name);
        }
        assert_eq!(number(&mut client, STRANGE), 0, "round {round}");
        let all = number(
            &mut client,
            "SELECT count(*) FROM pgtrickle.pgt_refresh_history WHERE initiated_by = 'SCHEDULER' AND action <> 'NO_DATA'",
        );
        assert!(all - done <= 6, "{} refreshes in round {round}", all - done);
        done = all;
        // A full refresh shows most: it would be done again.
        let full = number(
            &mut client,
            "SELECT count(*) FROM pgtrickle.pgt_refresh_history WHERE initiated_by = 'SCHEDULER' AND action = 'FULL'",
        );
        assert_eq!(full, 2 * round);
    }
}

/// Beside a scheduler: each is refreshed as often as it is due, whoever does it.
#[test]
fn a_scheduler_and_sessions_share_what_is_due() {
    let server = enabled("beside", "pg_trickle.scheduler_interval_ms = 50");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(&mut client, PIPELINE);
    run(&mut client, &ALL_DUE.replace("1s", "2s"));
    let until = std::time::Instant::now() + std::time::Duration::from_secs(12);
    let sessions: Vec<_> = (0..2)
        .map(|_| {
            let mut client = db.connect();
            std::thread::spawn(move || {
                let mut calls = 0;
                while std::time::Instant::now() < until {
                    run(&mut client, "CALL pgtrickle.run_due()");
                    std::thread::sleep(std::time::Duration::from_millis(20));
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    while std::time::Instant::now() < until {
        run(&mut client, "UPDATE t SET x = x + 1 WHERE id % 3 = 1");
        std::thread::sleep(std::time::Duration::from_millis(30));
    }
    for session in sessions {
        assert!(session.join().expect("ends") > 10);
    }
    // Between two refreshes of one lie two seconds. (Those by changes would show nothing: whoever
    // comes second has none.)
    let close = rows(
        &mut client,
        "SELECT pgt_name, gap FROM (
             SELECT pgt_id, h.data_timestamp - lag(h.data_timestamp) OVER (PARTITION BY pgt_id ORDER BY refresh_id) AS gap
             FROM pgtrickle.pgt_refresh_history h WHERE initiated_by = 'SCHEDULER' AND action = 'FULL'
         ) h JOIN pgtrickle.pgt_stream_tables USING (pgt_id) WHERE gap < interval '1.9 s'",
    );
    assert!(close.is_empty(), "{close:?}");
    let failed = "SELECT count(*) FROM pgtrickle.pgt_refresh_history WHERE status = 'FAILED'";
    assert_eq!(number(&mut client, failed), 0);
    for name in NAMES {
        run(
            &mut client,
            &format!("SELECT pgtrickle.refresh_stream_table('{name}')"),
        );
        law(&mut client, name);
    }
}

/// The caller's own timeout ends it, not only the refresh at hand.
#[test]
fn it_can_be_cancelled() {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, PIPELINE);
    run(&mut client, "SELECT pg_sleep(1.1)");
    run(&mut client, ALL_DUE);
    run(&mut client, "SET statement_timeout = 100");
    let (code, _, _) = refused(&mut client, "CALL pgtrickle.run_due()");
    assert_eq!(code, "57014");
    run(&mut client, "RESET statement_timeout");
    run(&mut client, "UPDATE t SET x = x + 1");
    run(&mut client, "CALL pgtrickle.run_due()");
    for name in NAMES {
        law(&mut client, name);
    }
}
