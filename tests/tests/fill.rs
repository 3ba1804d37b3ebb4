//! A stream table is filled from its states, so that of equal values that look different both hold
//! the same; what changes of the one is then found in the other.

use harness::law::describe;
use harness::{Database, last_refresh, law_by_equality};
use postgres::Client;

fn run(client: &mut Client, sql: &str) {
    client
        .batch_execute(sql)
        .unwrap_or_else(|error| panic!("{sql}: {}", describe(&error)));
}

/// Runs `change`, refreshes by `action`, and compares the stream table with its query and the
/// images of its keys with those of its state.
fn after(client: &mut Client, change: &str, action: &str) {
    run(client, change);
    run(client, "SELECT pgtrickle.refresh_stream_table('st')");
    assert_eq!(last_refresh(client, "st").action, action, "{change}");
    same_images(client);
}

fn same_images(client: &mut Client) {
    law_by_equality(client, "st");
    let sql = "SELECT st.x::text FROM st WHERE st.day IS NOT NULL AND NOT EXISTS (
                   SELECT FROM pgtrickle_store.state_1_1 s
                   WHERE record_image_eq(ROW(st.day, st.x), ROW(s.day, s.x)))";
    let strange = client.query(sql, &[]).expect("the state has these columns");
    let strange: Vec<String> = strange.iter().map(|row| row.get(0)).collect();
    assert!(strange.is_empty(), "not in the state: {strange:?}");
}

/// Found by random testing: HAVING let the server choose another order of the rows for the stream
/// table than for its state, and with it another image of the key.
#[test]
fn equal_keys_look_the_same_in_state_and_stream_table() {
    let db = Database::new();
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE t (k int, day date, x numeric NOT NULL);
         INSERT INTO t VALUES (0, '2023-12-31', '0'), (0, '2023-12-31', '0.0');
         SELECT pgtrickle.create_stream_table('st', $$
             SELECT a.day, a.x, avg(a.x) AS mean
             FROM t a JOIN (SELECT x FROM t) b ON a.x = b.x
             GROUP BY a.day, a.x
             HAVING a.x BETWEEN -1 AND 1.00
             UNION ALL SELECT NULL, 1, k FROM t WHERE k > 5$$, '1d', 'DIFFERENTIAL')",
    );
    same_images(&mut client);
    let more = "INSERT INTO t VALUES (-1, '2024-01-01', '0'), (NULL, '2024-01-01', '2.5')";
    after(&mut client, more, "DIFFERENTIAL");
    let other =
        "TRUNCATE t; INSERT INTO t VALUES (0, '2023-12-31', '0.00'), (0, '2023-12-31', '0.0')";
    after(&mut client, other, "REINITIALIZE");
    let less = "DELETE FROM t WHERE x::text = '0.00'; INSERT INTO t VALUES (7, '2024-01-01', 0)";
    after(&mut client, less, "DIFFERENTIAL");
}
