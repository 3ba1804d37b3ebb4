//! AUTO takes the way that costs less, and says why.

use harness::law::describe;
use harness::{Database, law};
use postgres::Client;

fn run(client: &mut Client, sql: &str) {
    client
        .batch_execute(sql)
        .unwrap_or_else(|error| panic!("{sql}: {}", describe(&error)));
}

/// Refreshes; action, changed rows and reason of what was done.
fn refreshed(client: &mut Client, name: &str) -> (String, i64, Option<String>) {
    run(
        client,
        &format!("SELECT pgtrickle.refresh_stream_table('{name}')"),
    );
    law(client, name);
    let row = client
        .query_one(
            "SELECT action, delta_rows, reason FROM pgtrickle.get_refresh_history($1, 1)",
            &[&name],
        )
        .expect("a refresh");
    (row.get(0), row.get(1), row.get(2))
}

#[test]
fn small_changes_are_differential_and_huge_ones_full() {
    let db = Database::new();
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE a (id int PRIMARY KEY, b int NOT NULL, x int NOT NULL);
         CREATE TABLE b (id int PRIMARY KEY, c int NOT NULL, y int NOT NULL);
         CREATE TABLE c (id int PRIMARY KEY, z int NOT NULL);
         INSERT INTO a SELECT i, i % 2000, i FROM generate_series(1, 20000) i;
         INSERT INTO b SELECT i, i % 200, i FROM generate_series(0, 1999) i;
         INSERT INTO c SELECT i, i FROM generate_series(0, 199) i;
         ANALYZE a, b, c;
         SELECT pgtrickle.create_stream_table('st',
             'SELECT a.id, x, y, z FROM a JOIN b ON b.id = a.b JOIN c ON c.id = b.c', '1h')",
    );
    // So few that nobody is asked.
    run(&mut client, "UPDATE a SET x = -x WHERE id <= 20");
    assert_eq!(
        refreshed(&mut client, "st"),
        ("DIFFERENTIAL".to_owned(), 40, None)
    );
    // Some: the planner is asked, and a few hundred rows cost less than all.
    run(&mut client, "UPDATE a SET x = x + 1 WHERE id <= 200");
    let (action, rows, reason) = refreshed(&mut client, "st");
    assert_eq!((action.as_str(), rows), ("DIFFERENTIAL", 400));
    assert!(reason.is_some_and(|r| r.contains("planner cost")));
    // Everything, in all sources.
    run(
        &mut client,
        "UPDATE a SET x = x + 1; UPDATE b SET y = y + 1; UPDATE c SET z = z + 1",
    );
    let (action, rows, reason) = refreshed(&mut client, "st");
    assert_eq!((action.as_str(), rows), ("FULL", 44_400), "{reason:?}");
    assert!(reason.is_some_and(|r| r.starts_with("differential ")));
    // DIFFERENTIAL does as it is told.
    run(
        &mut client,
        "SELECT pgtrickle.create_stream_table('told',
             'SELECT a.id, x, y, z FROM a JOIN b ON b.id = a.b JOIN c ON c.id = b.c', '1h',
             'DIFFERENTIAL');
         UPDATE a SET x = x + 1; UPDATE b SET y = y + 1; UPDATE c SET z = z + 1",
    );
    let (action, _, reason) = refreshed(&mut client, "told");
    assert_eq!((action.as_str(), reason), ("DIFFERENTIAL", None));
}

#[test]
fn strict_refuses_what_only_full_can_do() {
    let db = Database::new();
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE t (x int); SET pg_trickle.strict = on",
    );
    let refused = client
        .batch_execute("SELECT pgtrickle.create_stream_table('st', 'SELECT random() AS r FROM t')")
        .expect_err("strict");
    assert!(
        describe(&refused).contains("PGT0121"),
        "{}",
        describe(&refused)
    );
    run(
        &mut client,
        "SELECT pgtrickle.create_stream_table('st', 'SELECT x FROM t')",
    );
}
