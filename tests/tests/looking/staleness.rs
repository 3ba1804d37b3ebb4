//! Content is as old as the snapshot that it is exact for.

use crate::{query, run, texts};
use harness::Database;
use postgres::Client;

fn yes(client: &mut Client, sql: &str) {
    let rows = query(client, &format!("SELECT {sql}"));
    assert_eq!(rows[0].get::<_, Option<bool>>(0), Some(true), "{sql}");
}

/// A refresh that takes long: what it has not seen happens while it runs.
#[test]
fn as_of_the_snapshot_not_of_the_end() {
    let db = Database::new();
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE FUNCTION slow(x int) RETURNS int IMMUTABLE LANGUAGE plpgsql
             AS $$ BEGIN PERFORM pg_sleep(0.4); RETURN x; END $$;
         CREATE TABLE t (x int); INSERT INTO t VALUES (1), (2);
         SELECT pgtrickle.create_stream_table('st', 'SELECT slow(x) AS x FROM t', '1h', 'FULL');
         SELECT pgtrickle.create_stream_table('reader', 'SELECT x FROM st', '1h', 'DIFFERENTIAL')",
    );
    // The first fill.
    yes(
        &mut client,
        "data_timestamp < last_refresh_at - interval '0.8 s' FROM pgtrickle.pgt_stream_tables WHERE pgt_name = 'st'",
    );
    run(&mut client, "INSERT INTO t VALUES (3)");
    let before = &texts(&mut client, "SELECT clock_timestamp()::text")[0];
    // The reader's snapshot is that of what it reads: all of a chain is exact as of one moment.
    run(
        &mut client,
        "SELECT pgtrickle.refresh_stream_table('reader')",
    );
    for name in ["st", "reader"] {
        yes(
            &mut client,
            &format!(
                "data_timestamp BETWEEN '{before}' AND '{before}'::timestamptz + interval '0.6 s'
                     AND clock_timestamp() - data_timestamp >= interval '1.2 s'
                     AND staleness BETWEEN interval '1.2 s' AND interval '1 min'
                 FROM pgtrickle.pgt_status() WHERE name = 'public.{name}'"
            ),
        );
        yes(
            &mut client,
            &format!("pgtrickle.get_staleness('{name}') > 1.2"),
        );
        yes(
            &mut client,
            &format!(
                "data_timestamp < end_time - interval '1.2 s' FROM pgtrickle.get_refresh_history('{name}', 1)"
            ),
        );
    }
    yes(
        &mut client,
        "count(DISTINCT data_timestamp) = 1 FROM pgtrickle.stream_tables_info",
    );
    yes(
        &mut client,
        "staleness_secs > 1.2 FROM pgtrickle.st_refresh_stats() WHERE pgt_name = 'st'",
    );
}

/// The snapshot of a REPEATABLE READ transaction is older than its refreshes.
#[test]
fn as_of_the_transaction_where_that_has_the_snapshot() {
    let db = Database::new();
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE t (x int);
         SELECT pgtrickle.create_stream_table('st', 'SELECT x FROM t', '1h', 'DIFFERENTIAL');
         INSERT INTO t VALUES (1)",
    );
    run(
        &mut client,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t; SELECT pg_sleep(0.5);
         SELECT pgtrickle.refresh_stream_table('st')",
    );
    yes(
        &mut client,
        "data_timestamp = now() FROM pgtrickle.pgt_stream_tables",
    );
    yes(
        &mut client,
        "start_time >= now() + interval '0.5 s' FROM pgtrickle.get_refresh_history('st', 1)",
    );
    run(&mut client, "COMMIT");
}
