//! A schema that the tests share, and what they do to it.

use harness::law::describe;
use harness::{Database, law, refresh};
use postgres::Client;
use postgres::error::SqlState;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Two sources, and a stream table of each kind that matters here: a filter without a key, a join
/// with an aggregate, DISTINCT.
pub const SCHEMA: &str = "
    CREATE TABLE item (id int PRIMARY KEY, kind text, amount numeric, note text);
    CREATE TABLE kind (kind text PRIMARY KEY, label text NOT NULL);
    INSERT INTO kind SELECT 'k' || i, 'label ' || i FROM generate_series(0, 4) i;
    INSERT INTO item SELECT i, 'k' || i % 5, i, 'note' FROM generate_series(1, 50) i;";

pub const TABLES: [&str; 3] = ["large", "totals", "kinds"];

pub fn create_all(client: &mut Client) {
    for (name, query) in [
        ("large", "SELECT kind, amount FROM item WHERE amount > 20"),
        (
            "totals",
            "SELECT k.label, sum(i.amount) AS total, count(*) AS n
             FROM item i JOIN kind k ON k.kind = i.kind GROUP BY k.label",
        ),
        ("kinds", "SELECT DISTINCT kind FROM item"),
    ] {
        create(client, name, query, "DIFFERENTIAL");
    }
}

#[track_caller]
pub fn create(client: &mut Client, name: &str, query: &str, mode: &str) {
    run(
        client,
        &format!("SELECT pgtrickle.create_stream_table('{name}', $q${query}$q$, '1h', '{mode}')"),
    );
}

/// A database with the schema and its stream tables, and a connection to it.
pub fn setup() -> (Database, Client) {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    create_all(&mut client);
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

/// Refreshes all incrementally; the law holds for each.
#[track_caller]
pub fn refresh_all(client: &mut Client) {
    for table in TABLES {
        refresh(client, table, "DIFFERENTIAL");
    }
}

#[track_caller]
pub fn law_of_all(client: &mut Client) {
    for table in TABLES {
        law(client, table);
    }
}

/// Runs a statement on a connection of its own, which may have to wait.
pub fn in_background(db: &Database, sql: &str) -> JoinHandle<Result<(), postgres::Error>> {
    let mut client = db.connect();
    let sql = sql.to_string();
    std::thread::spawn(move || client.batch_execute(&sql))
}

/// Waits until some backend of this database waits for a lock.
#[track_caller]
pub fn until_blocked(client: &mut Client) {
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        let waiting: i64 = client
            .query_one(
                "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock'",
                &[],
            )
            .expect("activity")
            .get(0);
        if waiting > 0 {
            return;
        }
        assert!(Instant::now() < limit, "nobody waits for a lock");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[track_caller]
pub fn finish(background: JoinHandle<Result<(), postgres::Error>>) {
    background
        .join()
        .expect("the thread ends")
        .unwrap_or_else(|error| panic!("in the background: {}", describe(&error)));
}

pub fn count(client: &mut Client, sql: &str) -> i64 {
    client
        .query_one(&format!("SELECT count(*) FROM {sql}"), &[])
        .unwrap_or_else(|error| panic!("{sql}: {}", describe(&error)))
        .get(0)
}
