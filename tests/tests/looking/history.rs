//! The history is bounded, and the totals are not.

use crate::{query, run};
use harness::Database;
use postgres::Client;

fn number(client: &mut Client, sql: &str) -> i64 {
    query(client, sql)[0].get(0)
}

#[test]
fn old_rows_go_without_a_scheduler() {
    let db = Database::new();
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE t (x int);
         SELECT pgtrickle.create_stream_table('idle', 'SELECT x FROM t WHERE x < 0', '1h');
         SELECT pgtrickle.create_stream_table('gone', 'SELECT x FROM t WHERE x < 0', '1h');
         SELECT pgtrickle.create_stream_table('st', 'SELECT x FROM t', '1h', 'DIFFERENTIAL');
         SELECT pgtrickle.drop_stream_table('gone');
         INSERT INTO pgtrickle.pgt_refresh_history (pgt_id, start_time, end_time, action, status, initiated_by)
             SELECT pgt_id, now(), now(), 'NO_DATA', 'COMPLETED', 'MANUAL'
             FROM pgtrickle.pgt_stream_tables, generate_series(1, 1200) WHERE pgt_name = 'st';
         UPDATE pgtrickle.pgt_refresh_history SET start_time = now() - interval '8 days';
         INSERT INTO t VALUES (7)",
    );
    let rows = "SELECT count(*) FROM pgtrickle.pgt_refresh_history";
    assert_eq!(number(&mut client, rows), 1203);
    // It is looked for every so many refreshes, and not all at once.
    let mut most = 0;
    for _ in 0..100 {
        let before = number(&mut client, rows);
        run(&mut client, "SELECT pgtrickle.refresh_stream_table('st')");
        most = most.max(before - number(&mut client, rows));
    }
    assert_eq!(most, 999);
    for _ in 0..100 {
        run(&mut client, "SELECT pgtrickle.refresh_stream_table('st')");
    }
    let old = "SELECT count(*) FROM pgtrickle.pgt_refresh_history WHERE start_time < now() - interval '7 days'";
    // The newest of what there still is stays.
    assert_eq!(number(&mut client, old), 1);
    assert_eq!(
        number(
            &mut client,
            "SELECT count(*) FROM pgtrickle.get_refresh_history('idle')"
        ),
        1
    );
    // Totals are those of all refreshes that were ours.
    assert_eq!(
        number(
            &mut client,
            "SELECT total_refreshes FROM pgtrickle.st_refresh_stats() WHERE pgt_name = 'st'"
        ),
        201
    );
    assert_eq!(
        number(
            &mut client,
            "SELECT total_rows_inserted FROM pgtrickle.st_refresh_stats() WHERE pgt_name = 'st'"
        ),
        1
    );
    // As long as is said.
    run(
        &mut client,
        "SET pg_trickle.history_retention_days = 30;
         UPDATE pgtrickle.pgt_refresh_history SET start_time = now() - interval '8 days'",
    );
    let before = number(&mut client, rows);
    for _ in 0..100 {
        run(&mut client, "SELECT pgtrickle.refresh_stream_table('st')");
    }
    assert_eq!(number(&mut client, rows), before + 100);
}

/// Who cuts the history in a transaction that goes on is in nobody's way.
#[test]
fn nobody_waits_for_who_cuts_it() {
    let db = Database::new();
    let (mut one, mut other) = (db.connect(), db.connect());
    run(
        &mut one,
        "CREATE TABLE t (x int);
         SELECT pgtrickle.create_stream_table('a', 'SELECT x FROM t', '1h');
         SELECT pgtrickle.create_stream_table('b', 'SELECT x FROM t', '1h');
         INSERT INTO pgtrickle.pgt_refresh_history (pgt_id, start_time, action, status, initiated_by)
             SELECT pgt_id, now() - interval '8 days', 'NO_DATA', 'COMPLETED', 'MANUAL'
             FROM pgtrickle.pgt_stream_tables, generate_series(1, 600)",
    );
    run(&mut one, "BEGIN");
    for _ in 0..100 {
        run(&mut one, "SELECT pgtrickle.refresh_stream_table('a')");
    }
    run(&mut other, "SET statement_timeout = '20s'");
    for _ in 0..100 {
        run(&mut other, "SELECT pgtrickle.refresh_stream_table('b')");
    }
    run(&mut one, "COMMIT");
    let old = number(
        &mut one,
        "SELECT count(*) FROM pgtrickle.pgt_refresh_history WHERE start_time < now() - interval '7 days'",
    );
    // Each has left alone what the other did; the newest row that both saw of a table stays.
    assert!(old <= 1, "{old}");
}
