//! A schema that the tests share, and what they do to it.

use harness::Database;
use harness::law::{by_image, describe};
use postgres::Client;
use postgres::error::SqlState;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Items of kinds, which go with their kind; notes on items.
pub const SCHEMA: &str = "
    CREATE TABLE kind (kind text PRIMARY KEY, label text NOT NULL);
    CREATE TABLE item (id int PRIMARY KEY, kind text REFERENCES kind ON DELETE CASCADE ON UPDATE CASCADE,
        amount numeric, note text);
    CREATE TABLE remark (item int REFERENCES item ON DELETE SET NULL ON UPDATE CASCADE, words text);
    CREATE TABLE lone (k text, v int);
    INSERT INTO kind SELECT 'k' || i, 'label ' || i FROM generate_series(0, 4) i;
    INSERT INTO item SELECT i, 'k' || i % 5, i, 'note' FROM generate_series(1, 30) i;
    INSERT INTO remark SELECT i, 'words ' || i FROM generate_series(1, 30, 2) i;
    INSERT INTO lone SELECT 'k' || i % 3, i FROM generate_series(1, 9) i;";

/// One of each kind that matters: a filter, a join with an aggregate, DISTINCT, a self-join, outer
/// and semi joins, min and max, a window, the first rows, recursion.
pub const QUERIES: [(&str, &str); 10] = [
    ("large", "SELECT kind, amount FROM item WHERE amount > 10"),
    (
        "totals",
        "SELECT k.label, sum(i.amount) AS total, count(*) AS n
         FROM item i JOIN kind k ON k.kind = i.kind GROUP BY k.label",
    ),
    ("kinds", "SELECT DISTINCT kind FROM item"),
    (
        "pairs",
        "SELECT a.id AS a, b.id AS b FROM item a JOIN item b ON a.kind = b.kind AND a.id < b.id",
    ),
    (
        "outer_joined",
        "SELECT k.label, i.id, r.words FROM kind k LEFT JOIN item i ON i.kind = k.kind
         LEFT JOIN remark r ON r.item = i.id",
    ),
    (
        "bare",
        "SELECT id, kind FROM item WHERE NOT EXISTS (SELECT FROM remark r WHERE r.item = item.id)
         AND kind IN (SELECT k FROM lone)",
    ),
    (
        "extremes",
        "SELECT kind, min(amount) AS low, max(amount) AS high FROM item GROUP BY kind",
    ),
    (
        "ranked",
        "SELECT id, kind, rank() OVER (PARTITION BY kind ORDER BY amount DESC, id) AS r FROM item",
    ),
    (
        "first",
        "SELECT id, amount FROM item ORDER BY amount DESC, id LIMIT 4",
    ),
    (
        "chain",
        "WITH RECURSIVE c (id, depth) AS (SELECT id, 0 FROM item WHERE id = 1 UNION
         SELECT i.id, c.depth + 1 FROM c JOIN item i ON i.id = c.id * 2)
         SELECT id, depth FROM c",
    ),
];

#[track_caller]
pub fn create(client: &mut Client, name: &str, query: &str) {
    run(
        client,
        &format!(
            "SELECT pgtrickle.create_stream_table('{name}', $q${query}$q$, refresh_mode => 'IMMEDIATE')"
        ),
    );
}

/// A database with the schema and all stream tables, and a connection to it.
pub fn setup() -> (Database, Client) {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    for (name, query) in QUERIES {
        create(&mut client, name, query);
    }
    (db, client)
}

/// As [`setup`], with these stream tables only.
pub fn setup_with(names: &[&str]) -> (Database, Client) {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    for (name, query) in QUERIES {
        if names.contains(&name) {
            create(&mut client, name, query);
        }
    }
    (db, client)
}

#[track_caller]
pub fn run(client: &mut Client, sql: &str) {
    client
        .batch_execute(sql)
        .unwrap_or_else(|error| panic!("{sql}: {}", describe(&error)));
}

/// The SQLSTATE and message with which a statement fails.
#[track_caller]
pub fn fails(client: &mut Client, sql: &str) -> (SqlState, String) {
    let error = client
        .batch_execute(sql)
        .expect_err(&format!("must fail: {sql}"));
    match error.as_db_error() {
        Some(db) => (db.code().clone(), db.message().to_string()),
        None => panic!("{sql}: {error}"),
    }
}

/// Every stream table equals its query, as this session's transaction sees both; and `verify`, the
/// states behind it included, agrees.
#[track_caller]
pub fn exact(client: &mut Client, after: &str) {
    let tables = client
        .query(
            "SELECT pgt_relid::text, original_query
             FROM pgtrickle.pgt_stream_tables WHERE refresh_mode = 'IMMEDIATE' ORDER BY pgt_id",
            &[],
        )
        .unwrap_or_else(|error| panic!("{}", describe(&error)));
    for row in tables {
        let (name, query): (String, String) = (row.get(0), row.get(1));
        let wrong: Vec<String> = client
            .query(&by_image(&name, &query), &[])
            .unwrap_or_else(|error| panic!("{name} after {after}: {}", describe(&error)))
            .iter()
            .map(|r| format!("{} × {}", r.get::<_, i64>(1), r.get::<_, String>(0)))
            .collect();
        assert!(
            wrong.is_empty(),
            "{name} is wrong after {after}:\n{}",
            wrong.join("\n")
        );
        let differing = count(client, &format!("pgtrickle.verify('{name}')"));
        assert_eq!(differing, 0, "verify of {name} after {after}");
    }
}

/// Runs a statement, after which the law holds.
#[track_caller]
pub fn then_exact(client: &mut Client, sql: &str) {
    run(client, sql);
    exact(client, sql);
}

/// How often each stream table was made anew.
#[track_caller]
pub fn rebuilds(client: &mut Client) -> i64 {
    count(
        client,
        "pgtrickle.pgt_refresh_history WHERE initiated_by <> 'INITIAL'",
    )
}

/// Runs a statement on a connection of its own, which may have to wait.
pub fn in_background(
    mut client: Client,
    sql: &str,
) -> JoinHandle<(Client, Result<(), postgres::Error>)> {
    let sql = sql.to_string();
    std::thread::spawn(move || {
        let done = client.batch_execute(&sql);
        (client, done)
    })
}

/// Waits until some backend of this database waits for a lock.
#[track_caller]
pub fn until_blocked(client: &mut Client) {
    let limit = Instant::now() + Duration::from_secs(60);
    while count(
        client,
        "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    ) == 0
    {
        assert!(Instant::now() < limit, "nobody waits for a lock");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[track_caller]
pub fn finish(background: JoinHandle<(Client, Result<(), postgres::Error>)>) -> Client {
    let (client, done) = background.join().expect("the thread ends");
    done.unwrap_or_else(|error| panic!("in the background: {}", describe(&error)));
    client
}

/// The SQLSTATE with which it fails.
#[track_caller]
pub fn fails_in(background: JoinHandle<(Client, Result<(), postgres::Error>)>) -> (Client, String) {
    let (client, done) = background.join().expect("the thread ends");
    let error = done.expect_err("must fail");
    let code = error.code().map(|c| c.code().to_string());
    (client, code.unwrap_or_default())
}

#[track_caller]
pub fn count(client: &mut Client, sql: &str) -> i64 {
    client
        .query_one(&format!("SELECT count(*) FROM {sql}"), &[])
        .unwrap_or_else(|error| panic!("{sql}: {}", describe(&error)))
        .get(0)
}
