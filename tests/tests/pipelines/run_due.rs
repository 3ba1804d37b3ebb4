//! `CALL pgtrickle.run_due()`, where no scheduler runs.

use crate::support::{number, refused, rows, run};
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
