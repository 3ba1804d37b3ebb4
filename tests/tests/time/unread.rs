//! Changes of columns that are captured for somebody else.

use crate::support::*;
use harness::{Database, law, refresh};
use postgres::Client;

/// How many changed rows the last refresh read.
#[track_caller]
fn delta_rows(client: &mut Client, name: &str) -> i64 {
    let sql = "SELECT delta_rows FROM pgtrickle.get_refresh_history($1, 1)";
    client.query_one(sql, &[&name]).expect("a refresh").get(0)
}

/// An update of columns that a stream table does not read is nothing to it, wherever its two rows
/// lie: many of them are the last row of a page and the first of another.
#[test]
fn trap_unread_columns() {
    let db = Database::new();
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE t (id int PRIMARY KEY, a int, b text);
         INSERT INTO t SELECT i, i % 7, repeat('b', 20 + i % 400) FROM generate_series(1, 3000) i",
    );
    let (of_a, of_b) = (
        "SELECT a, count(*) AS n FROM t GROUP BY a",
        "SELECT id, b FROM t",
    );
    create(&mut client, "of_a", of_a, "DIFFERENTIAL");
    create(&mut client, "of_b", of_b, "DIFFERENTIAL");
    let mut round = |sql: &str, action: &str, rows: i64| {
        run(&mut client, sql);
        refresh(&mut client, "of_a", action);
        assert_eq!(delta_rows(&mut client, "of_a"), rows, "{sql}");
        refresh(&mut client, "of_b", "DIFFERENTIAL");
        law(&mut client, "of_a");
        law(&mut client, "of_b");
    };
    round("UPDATE t SET b = b || 'x'", "NO_DATA", 0);
    round(
        "UPDATE t SET b = b || 'y', a = 8 WHERE id <= 5",
        "DIFFERENTIAL",
        10,
    );
    // Rows go on where there is room again.
    round(
        "UPDATE t SET b = 'z' || b WHERE id % 3 = 0; UPDATE t SET a = 9 WHERE id = 700;
         UPDATE t SET b = b || '!' WHERE id % 2 = 0",
        "DIFFERENTIAL",
        2,
    );
    // Not updates, though they look alike.
    round(
        "INSERT INTO t SELECT 3000 + i, 1, repeat('c', i) FROM generate_series(1, 200) i;
         DELETE FROM t WHERE id BETWEEN 100 AND 199",
        "DIFFERENTIAL",
        300,
    );
    round("UPDATE t SET b = reverse(b)", "NO_DATA", 0);
}
