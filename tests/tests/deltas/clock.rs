//! Time in conditions: rows enter and leave while no table changes.

use crate::support::{World, creation};
use harness::last_refresh;
use harness::law::{by_image, describe};
use postgres::Client;
use std::thread::sleep;
use std::time::Duration;

const SCHEMA: &str = "
    CREATE TABLE t (id int PRIMARY KEY, k int, v int, at timestamptz, local timestamp, d date);
    INSERT INTO t SELECT i, i % 4, i, now() + i * interval '100 ms', now()::timestamp + i * interval '100 ms',
        current_date + i - 10 FROM generate_series(-20, 20) i;
    INSERT INTO t VALUES (99, NULL, NULL, NULL, NULL, NULL);
    CREATE TABLE u (id int PRIMARY KEY, k int);
    INSERT INTO u SELECT i, i % 6 FROM generate_series(1, 9) i;
    CREATE INDEX ON t (at);
    CREATE VIEW recent AS SELECT id, k, v FROM t WHERE at > now() - interval '1 second'";

const QUERIES: &[(&str, &str)] = &[
    (
        "later",
        "SELECT id, v FROM t WHERE at > now() - interval '1 second'",
    ),
    ("earlier", "SELECT id FROM t WHERE at <= now()"),
    (
        "band",
        "SELECT id, v FROM t WHERE at BETWEEN now() - interval '1 second' AND current_timestamp + interval '300 ms'",
    ),
    (
        "other_types",
        "SELECT id, at::date AS day FROM t WHERE local > now() AND at > d AND at::date >= current_date - 1",
    ),
    (
        "local_time",
        "SELECT id FROM t WHERE local > localtimestamp",
    ),
    (
        "either",
        "SELECT id FROM t WHERE at < transaction_timestamp() - interval '1 second' OR v = 3",
    ),
    (
        "neither",
        "SELECT id FROM t WHERE NOT (at < now() AND v % 2 = 0) AND v <> 5",
    ),
    (
        "age",
        "SELECT id FROM t WHERE now() - at < interval '1 second'",
    ),
    (
        "groups",
        "SELECT k, count(*) AS n, sum(v) AS s, max(v) AS m FROM t WHERE at > now() GROUP BY k",
    ),
    (
        "joined",
        "SELECT t.id, u.id AS other FROM t JOIN u ON u.k = t.k AND t.at < now() - interval '500 ms'",
    ),
    (
        "padded",
        "SELECT u.id, x.v FROM u LEFT JOIN (SELECT k, v FROM t WHERE at > now()) AS x ON x.k = u.k",
    ),
    (
        "on_outer",
        "SELECT t.id, u.id AS other FROM t LEFT JOIN u ON u.k = t.k AND t.at > now()",
    ),
    (
        "of_groups",
        "SELECT k, max(at) AS m FROM t GROUP BY k HAVING max(at) < now() + interval '1700 ms'",
    ),
    (
        "existing",
        "SELECT id FROM u WHERE EXISTS (SELECT FROM t WHERE t.k = u.k AND t.at > now() + interval '1500 ms')",
    ),
    (
        "not_in",
        "SELECT id FROM u WHERE k NOT IN (SELECT v FROM t WHERE at > now() AND v IS NOT NULL)",
    ),
    (
        "in_two",
        "WITH x AS (SELECT id, at FROM t WHERE at < now()) SELECT id FROM x UNION SELECT id FROM u WHERE now() > '2000-01-01'",
    ),
    ("of_view", "SELECT k, count(*) AS n FROM recent GROUP BY k"),
    ("of_days", "SELECT id FROM t WHERE d >= current_date - 3"),
    (
        "truncated",
        "SELECT id FROM t WHERE at >= date_trunc('second', now())",
    ),
];

/// All refreshed and looked at in one transaction, in which it is one time. Says how many changed.
#[track_caller]
fn tick(client: &mut Client, tables: &[(&str, &str)]) -> usize {
    let run = |client: &mut Client, sql: &str| {
        client
            .batch_execute(sql)
            .unwrap_or_else(|error| panic!("{sql}: {}", describe(&error)));
    };
    run(client, "BEGIN");
    let mut changed = 0;
    for (name, query) in tables {
        run(
            client,
            &format!("SELECT pgtrickle.refresh_stream_table('{name}')"),
        );
        let done = last_refresh(client, name);
        match done.action.as_str() {
            "DIFFERENTIAL" => changed += 1,
            "NO_DATA" => {}
            _ => panic!("{name}: {done:?}"),
        }
        check(client, name, query);
    }
    run(client, "COMMIT");
    changed
}

#[track_caller]
fn check(client: &mut Client, name: &str, query: &str) {
    let differences = client.query(&by_image(name, query), &[]);
    let differences = differences.unwrap_or_else(|error| panic!("{name}: {}", describe(&error)));
    let texts: Vec<(String, i64)> = differences.iter().map(|r| (r.get(0), r.get(1))).collect();
    assert!(texts.is_empty(), "{name}: {texts:?}");
    let sql = format!("SELECT count(*) FROM pgtrickle.verify('{name}')");
    let found: i64 = client.query_one(&sql, &[]).expect("verify").get(0);
    assert_eq!(found, 0, "{name}");
}

#[test]
fn trap_now_moves_on() {
    let mut w = World::new(SCHEMA);
    for (name, query) in QUERIES {
        w.run(&creation(name, query, "DIFFERENTIAL"));
    }
    w.run(&creation(
        "chained",
        "SELECT k, n FROM groups WHERE n > 1",
        "DIFFERENTIAL",
    ));
    let mut changed = 0;
    for batch in [
        "",
        "UPDATE t SET at = at + interval '1 second' WHERE k = 1",
        "",
        "INSERT INTO t SELECT i, i % 3, i, now() + interval '200 ms', localtimestamp, current_date FROM generate_series(100, 104) i;
         DELETE FROM t WHERE id IN (0, 1, 2); UPDATE u SET k = k + 1",
        "UPDATE t SET at = NULL WHERE id = 101",
        "",
    ] {
        sleep(Duration::from_millis(250));
        w.run(batch);
        changed += tick(&mut w.client, QUERIES);
        w.run("SELECT pgtrickle.refresh_stream_table('chained')");
        harness::law(&mut w.client, "chained");
    }
    assert!(changed > QUERIES.len() * 3, "{changed}");
}

/// What does not ask for more than the day has nothing to do until it ends.
#[test]
fn a_bound_that_stays_costs_nothing() {
    let mut w = World::new(SCHEMA);
    let query = "SELECT id FROM t WHERE d >= '2000-01-01'::date + (current_date - current_date) OR at < date_trunc('century', now())";
    w.run(&creation("days", query, "DIFFERENTIAL"));
    for _ in 0..3 {
        assert_eq!(tick(&mut w.client, &[("days", query)]), 0);
    }
}

/// A transaction that began before the last refresh: its time is earlier.
#[test]
fn trap_now_moves_back() {
    let mut w = World::new(SCHEMA);
    for (name, query) in QUERIES {
        w.run(&creation(name, query, "DIFFERENTIAL"));
    }
    let mut other = w.connect();
    other
        .batch_execute("BEGIN; SELECT now()")
        .expect("a transaction");
    sleep(Duration::from_millis(400));
    assert!(tick(&mut w.client, QUERIES) > 5);
    let mut changed = 0;
    for (name, query) in QUERIES {
        let sql = format!("SELECT pgtrickle.refresh_stream_table('{name}')");
        other.batch_execute(&sql).expect("a refresh");
        changed += usize::from(last_refresh(&mut other, name).action == "DIFFERENTIAL");
        check(&mut other, name, query);
    }
    assert!(changed > 5, "{changed}");
    // Rolled back, it is as late as before.
    other.batch_execute("ROLLBACK").expect("a rollback");
    tick(&mut w.client, QUERIES);
}

/// A stream table keeps the time zone in which it was made.
#[test]
fn trap_time_zone() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, d timestamp);
         INSERT INTO t SELECT i, (now() AT TIME ZONE 'UTC') + i * interval '1 hour' FROM generate_series(-30, 30) i",
    );
    w.run("SET TimeZone = 'Pacific/Kiritimati'");
    let query = "SELECT id FROM t WHERE d > localtimestamp AND d < current_date + interval '1 day'";
    w.run(&creation("there", query, "DIFFERENTIAL"));
    tick(&mut w.client, &[("there", query)]);
    w.run("SET TimeZone = 'Pacific/Honolulu'");
    w.run("INSERT INTO t VALUES (100, (now() AT TIME ZONE 'Pacific/Kiritimati') + interval '1 second')");
    w.run("SELECT pgtrickle.refresh_stream_table('there')");
    assert_eq!(last_refresh(&mut w.client, "there").action, "DIFFERENTIAL");
    assert_eq!(w.rows("SELECT * FROM pgtrickle.verify('there')"), [""; 0]);
    w.run("SET TimeZone = 'Pacific/Kiritimati'");
    tick(&mut w.client, &[("there", query)]);
}

/// DDL, TRUNCATE and FULL refreshes set the clock, too.
#[test]
fn the_clock_survives_being_made_anew() {
    let mut w = World::new(SCHEMA);
    let tables = &QUERIES[..8];
    for (name, query) in tables {
        w.run(&creation(name, query, "AUTO"));
    }
    for ddl in [
        "ALTER TABLE t DROP CONSTRAINT t_pkey",
        "CREATE TABLE old AS SELECT * FROM t; TRUNCATE t; INSERT INTO t SELECT * FROM old; DROP TABLE old",
        "ALTER TABLE t RENAME COLUMN at TO moment; ALTER TABLE t RENAME COLUMN moment TO at",
    ] {
        w.run(ddl);
        for (name, query) in tables {
            w.run("BEGIN");
            w.run(&format!("SELECT pgtrickle.refresh_stream_table('{name}')"));
            check(&mut w.client, name, query);
            w.run("COMMIT");
        }
        sleep(Duration::from_millis(150));
        tick(&mut w.client, tables);
    }
    for (name, query) in tables {
        w.run(&format!(
            "SELECT pgtrickle.alter_stream_table('{name}', refresh_mode => 'FULL')"
        ));
        w.run("BEGIN");
        w.run(&format!("SELECT pgtrickle.refresh_stream_table('{name}')"));
        check(&mut w.client, name, query);
        w.run("COMMIT");
        w.run(&format!(
            "SELECT pgtrickle.alter_stream_table('{name}', refresh_mode => 'DIFFERENTIAL')"
        ));
    }
    sleep(Duration::from_millis(150));
    for (name, query) in tables {
        w.run("BEGIN");
        w.run(&format!("SELECT pgtrickle.refresh_stream_table('{name}')"));
        check(&mut w.client, name, query);
        w.run("COMMIT");
    }
    tick(&mut w.client, tables);
    for (name, _) in tables {
        w.run(&format!("SELECT pgtrickle.drop_stream_table('{name}')"));
    }
    let left =
        w.rows("SELECT relname FROM pg_class WHERE relname LIKE 'clock\\_%' AND relkind = 'r'");
    assert_eq!(left, [""; 0]);
}

/// Time elsewhere than in a condition on rows would change all of them.
#[test]
fn where_time_may_not_stand() {
    let mut w = World::new(SCHEMA);
    for (query, code) in [
        ("SELECT id, now() - at AS age FROM t", "PGT0120"),
        (
            "SELECT id FROM t WHERE age(at) < interval '1 day'",
            "PGT0120",
        ),
        (
            "SELECT id FROM t WHERE at > statement_timestamp()",
            "PGT0120",
        ),
        (
            "SELECT id FROM t WHERE at > now() AND current_user = 'me'",
            "PGT0120",
        ),
        (
            "SELECT count(*) FILTER (WHERE at > now()) AS n FROM t",
            "PGT0120",
        ),
        (
            "SELECT k FROM t GROUP BY k HAVING count(*) FILTER (WHERE at > now()) > 1",
            "PGT0120",
        ),
        (
            "SELECT id FROM t WHERE now() IN (SELECT at FROM t) AND age(at) > '0'",
            "PGT0120",
        ),
        (
            "SELECT at > now() AS a, count(*) AS n FROM t GROUP BY 1",
            "PGT0120",
        ),
        ("SELECT id FROM t WHERE at > clock_timestamp()", "PGT0121"),
        (
            "SELECT id FROM t WHERE at > now() + random() * interval '1 day'",
            "PGT0121",
        ),
    ] {
        let (state, message) = w.fails(&creation("refused", query, "DIFFERENTIAL"));
        assert_eq!(state, "0A000", "{query}: {message}");
        assert!(message.contains(code), "{query}: {message}");
        let one = message.matches("PGT").count() == 1;
        assert!(one || code == "PGT0121", "{query}: {message}");
    }
}
