//! Writers of the same source that keep a stream table at the same time, scripted to interleave.

use crate::support::*;
use harness::Database;
use postgres::Client;

/// Sums, bags and joins, of which all writers of a source run together.
const ADDITIVE: [(&str, &str); 8] = [
    (
        "sums",
        "SELECT j, sum(v) AS s, count(*) AS n, avg(v) AS m FROM a GROUP BY j",
    ),
    ("all_of_it", "SELECT count(*) AS n, sum(v) AS s FROM a"),
    ("bag", "SELECT j, v % 2 AS odd FROM a WHERE v > 0"),
    ("keyed", "SELECT id, v * 2 AS twice FROM a"),
    (
        "joined",
        "SELECT b.w, count(*) AS n, sum(a.v) AS s FROM a JOIN b ON a.j = b.j GROUP BY b.w",
    ),
    ("pairs", "SELECT a.id, a.v, b.w FROM a JOIN b ON a.j = b.j"),
    ("kinds", "SELECT DISTINCT j FROM a"),
    (
        "extremes",
        "SELECT j, min(v) AS low, max(v) AS high, sum(x) AS sx FROM a GROUP BY j",
    ),
];

fn setup_with(views: &[(&str, &str)]) -> (Database, Client) {
    let db = Database::new();
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE a (id int PRIMARY KEY, j int, v bigint, x numeric(12,2));
         CREATE TABLE b (j int PRIMARY KEY, w text);
         INSERT INTO a SELECT i, i % 4, i, i FROM generate_series(1, 40) i;
         INSERT INTO b SELECT i, 'w' || i FROM generate_series(0, 4) i",
    );
    for (name, query) in views {
        create(&mut client, name, query);
    }
    (db, client)
}

fn setup() -> (Database, Client) {
    setup_with(&ADDITIVE)
}

/// A connection that gives up instead of waiting.
fn impatient(db: &Database) -> Client {
    let mut client = db.connect();
    run(&mut client, "SET lock_timeout = '10s'");
    client
}

/// The views of which one of the groups is that of all rows.
const WITHOUT_TOTAL: [usize; 6] = [0, 3, 4, 5, 6, 7];

fn without_total() -> (Database, Client) {
    setup_with(&WITHOUT_TOTAL.map(|i| ADDITIVE[i]))
}

/// Nobody waits whose rows are in other groups, whoever ends first and however.
#[test]
fn other_groups() {
    let (db, mut client) = without_total();
    let mut other = impatient(&db);
    run(&mut client, "SET lock_timeout = '10s'");
    for (ours, theirs) in [
        (
            "UPDATE a SET v = v + 1 WHERE id = 1",
            "UPDATE a SET v = v + 1 WHERE id = 2",
        ),
        (
            "DELETE FROM a WHERE j = 1",
            "INSERT INTO a VALUES (101, 2, 7, 7)",
        ),
        (
            "INSERT INTO a SELECT i, i + 100, i, i FROM generate_series(201, 210) i",
            "INSERT INTO a SELECT i, i + 100, i, i FROM generate_series(301, 310) i",
        ),
        (
            "UPDATE a SET v = 3 WHERE j = 3; SAVEPOINT s; UPDATE a SET j = 9 WHERE j = 3; ROLLBACK TO s",
            "UPDATE a SET v = -v WHERE j = 2; SAVEPOINT s; DELETE FROM a WHERE j = 0; RELEASE s",
        ),
    ] {
        for (our_end, their_end) in [
            ("COMMIT", "COMMIT"),
            ("ROLLBACK", "COMMIT"),
            ("COMMIT", "ROLLBACK"),
        ] {
            let what = format!("{ours}; {our_end} | {theirs}; {their_end}");
            run(&mut client, &format!("BEGIN; {ours}"));
            run(&mut other, &format!("BEGIN; {theirs}"));
            exact(&mut client, &what);
            exact(&mut other, &what);
            run(&mut client, our_end);
            exact(&mut other, &what);
            run(&mut other, their_end);
            exact(&mut client, &what);
            run(
                &mut client,
                "DELETE FROM a; INSERT INTO a SELECT i, i % 4, i, i FROM generate_series(1, 40) i",
            );
        }
    }
    assert_eq!(rebuilds(&mut client), 0);
}

/// Who wants the same group waits, and goes on from what the other has made of it.
#[test]
fn same_group() {
    let (db, mut client) = without_total();
    for (ours, theirs) in [
        // Rows of one group.
        (
            "UPDATE a SET v = v + 1, x = x + 1 WHERE id = 1",
            "UPDATE a SET v = v * 10, x = x * 10 WHERE id = 5",
        ),
        // A new group, made by both at once.
        (
            "INSERT INTO a VALUES (101, 50, 1, 1)",
            "INSERT INTO a VALUES (102, 50, 2, 2)",
        ),
        // One empties a group while the other adds to it, and the other way round.
        (
            "DELETE FROM a WHERE j = 1",
            "INSERT INTO a VALUES (103, 1, 5, 5)",
        ),
        (
            "INSERT INTO a VALUES (104, 2, 6, 6)",
            "DELETE FROM a WHERE j = 2 AND id < 100",
        ),
        // The extremum goes.
        (
            "DELETE FROM a WHERE id = (SELECT max(id) FROM a WHERE j = 3)",
            "DELETE FROM a WHERE id = (SELECT min(id) FROM a WHERE j = 3)",
        ),
        // Rows that leave for the other's group.
        (
            "UPDATE a SET j = 3 WHERE id IN (4, 8)",
            "UPDATE a SET j = 0 WHERE id IN (7, 11)",
        ),
        // NULL is a group, too; and a sum of nothing but NULLs.
        (
            "INSERT INTO a VALUES (105, NULL, NULL, NULL), (106, 7, NULL, NULL)",
            "INSERT INTO a VALUES (107, NULL, 1, 'NaN'), (108, 7, 1, 'NaN')",
        ),
        (
            "DELETE FROM a WHERE id IN (107, 108)",
            "UPDATE a SET v = NULL, x = 3 WHERE id = 105; UPDATE a SET x = NULL WHERE id = 106",
        ),
    ] {
        for end in ["ROLLBACK", "COMMIT"] {
            let what = format!("{ours}; {end} | {theirs}");
            run(&mut client, &format!("BEGIN; {ours}"));
            let waiting = in_background(db.connect(), &format!("BEGIN; {theirs}"));
            let mut looking = db.connect();
            until_blocked(&mut looking);
            run(&mut client, end);
            let mut other = finish(waiting);
            exact(&mut other, &what);
            run(&mut other, end);
            exact(&mut client, &what);
        }
    }
    assert_eq!(rebuilds(&mut client), 0);
}

/// Of several copies each goes once.
#[test]
fn copies() {
    let (db, mut client) = setup_with(&[ADDITIVE[2]]);
    // Nobody waits for who only adds.
    let mut other = impatient(&db);
    run(&mut client, "BEGIN; INSERT INTO a VALUES (101, 1, 1, 1)");
    run(&mut other, "BEGIN; INSERT INTO a VALUES (102, 1, 1, 1)");
    let mut third = impatient(&db);
    run(&mut third, "DELETE FROM a WHERE id = 1");
    exact(&mut third, "a third");
    run(&mut client, "COMMIT");
    run(&mut other, "COMMIT");
    exact(&mut client, "three");
    // But who takes a copy away waits for who does.
    run(&mut client, "BEGIN; DELETE FROM a WHERE id = 5");
    let waiting = in_background(db.connect(), "DELETE FROM a WHERE j = 1 AND id > 20");
    until_blocked(&mut other);
    run(&mut client, "COMMIT");
    finish(waiting);
    exact(&mut client, "all of them");
}

/// Writers of the two sides of a join exclude each other, as rows of both may match.
#[test]
fn other_sources() {
    let (db, mut client) = setup_with(&[ADDITIVE[4], ADDITIVE[5]]);
    let mut other = impatient(&db);
    let mut looking = db.connect();
    run(&mut client, "BEGIN; INSERT INTO a VALUES (101, 50, 1, 1)");
    run(&mut other, "BEGIN; INSERT INTO a VALUES (102, 50, 2, 2)");
    let waiting = in_background(db.connect(), "BEGIN; INSERT INTO b VALUES (50, 'new')");
    until_blocked(&mut looking);
    run(&mut client, "COMMIT");
    run(&mut other, "COMMIT");
    let mut third = finish(waiting);
    exact(&mut third, "its own");
    // The same the other way round; two writers of b run together.
    run(&mut other, "BEGIN; INSERT INTO b VALUES (51, 'other')");
    let waiting = in_background(db.connect(), "UPDATE a SET j = 51 WHERE id = 102");
    until_blocked(&mut looking);
    run(&mut other, "COMMIT");
    run(&mut third, "COMMIT");
    finish(waiting);
    exact(&mut looking, "all");
    assert_eq!(count(&mut looking, "pairs WHERE w IN ('new', 'other')"), 2);
}

/// Three sources: each excludes both others.
#[test]
fn three_sources() {
    let (db, mut client) = setup_with(&[]);
    run(
        &mut client,
        "CREATE TABLE c (w text PRIMARY KEY, u int); INSERT INTO c SELECT 'w' || i, i FROM generate_series(0, 4) i",
    );
    create(
        &mut client,
        "three",
        "SELECT a.id, b.w, c.u FROM a JOIN b ON a.j = b.j JOIN c ON b.w = c.w",
    );
    let inserts = [
        "INSERT INTO a VALUES (101, 50, 1, 1)",
        "INSERT INTO b VALUES (50, 'w50')",
        "INSERT INTO c VALUES ('w50', 50)",
    ];
    let mut looking = db.connect();
    for (i, ours) in inserts.iter().enumerate() {
        for theirs in inserts.iter().enumerate().filter(|(k, _)| *k != i) {
            run(&mut client, &format!("BEGIN; {ours}"));
            let waiting = in_background(db.connect(), theirs.1);
            until_blocked(&mut looking);
            run(&mut client, "COMMIT");
            finish(waiting);
            exact(&mut client, &format!("{ours} | {}", theirs.1));
            for undo in [
                "DELETE FROM a WHERE id = 101",
                "DELETE FROM b WHERE j = 50",
                "DELETE FROM c WHERE u = 50",
            ] {
                run(&mut client, undo);
            }
        }
        let mut other = impatient(&db);
        run(&mut client, &format!("BEGIN; {ours}"));
        let again = ours.replace("50", "60").replace("101", "102");
        run(&mut other, &format!("BEGIN; {again}; COMMIT"));
        run(&mut client, "ROLLBACK");
        exact(&mut client, ours);
    }
}

/// What is rolled back to a savepoint is nobody's any more.
#[test]
fn savepoints() {
    let (db, mut client) = setup();
    let mut other = impatient(&db);
    run(
        &mut client,
        "BEGIN; SAVEPOINT s; UPDATE a SET v = 0 WHERE j = 1; ROLLBACK TO s",
    );
    run(&mut other, "UPDATE a SET v = v + 1 WHERE j = 1");
    run(&mut client, "UPDATE a SET v = v + 1 WHERE j = 1");
    exact(&mut client, "after a savepoint");
    run(&mut client, "COMMIT");
    exact(&mut other, "both");
    // A released one is the transaction's.
    run(
        &mut client,
        "BEGIN; SAVEPOINT s; UPDATE a SET v = 0 WHERE j = 1; RELEASE s",
    );
    let waiting = in_background(db.connect(), "UPDATE a SET v = v + 1 WHERE j = 1");
    until_blocked(&mut other);
    run(&mut client, "COMMIT");
    finish(waiting);
    exact(&mut other, "a released one");
}

/// A prepared transaction keeps its groups, and only these; and the next one of its session has a
/// mark of its own.
#[test]
fn prepared() {
    let (db, mut client) = without_total();
    let name = db.name().to_string();
    run(
        &mut client,
        &format!("BEGIN; UPDATE a SET v = 7 WHERE id = 1; PREPARE TRANSACTION '{name}'"),
    );
    run(&mut client, "SET lock_timeout = '10s'");
    run(&mut client, "UPDATE a SET v = 8 WHERE id = 2");
    exact(&mut client, "beside a prepared one");
    let waiting = in_background(db.connect(), "UPDATE a SET v = 9 WHERE id = 5");
    until_blocked(&mut client);
    run(&mut client, &format!("COMMIT PREPARED '{name}'"));
    finish(waiting);
    exact(&mut client, "all");
}

/// An older snapshot cannot be exact beside somebody else's turn, whose row it does not see; and
/// without such, it runs alone.
#[test]
fn older_snapshots() {
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        let (db, mut client) = setup_with(&[ADDITIVE[0], ADDITIVE[4]]);
        for theirs in [
            "UPDATE a SET v = v + 1 WHERE id = 1",
            "INSERT INTO a VALUES (101, 99, 1, 1)",
            "INSERT INTO b VALUES (77, 'none')",
        ] {
            let mut other = db.connect();
            run(
                &mut other,
                &format!("BEGIN ISOLATION LEVEL {level}; SELECT FROM a"),
            );
            run(&mut client, theirs);
            let ours = "UPDATE a SET v = v + 1 WHERE id = 2";
            let (code, _) = fails(&mut other, ours);
            assert_eq!(code.code(), "40001", "{level}: {theirs}");
            run(&mut other, "ROLLBACK");
            run(
                &mut other,
                &format!("BEGIN ISOLATION LEVEL {level}; {ours}"),
            );
            exact(&mut other, theirs);
            // It is alone.
            let waiting = in_background(db.connect(), "UPDATE a SET v = v + 1 WHERE id = 3");
            until_blocked(&mut client);
            run(&mut other, "COMMIT");
            finish(waiting);
            exact(&mut client, theirs);
        }
        // It waits for one that is at it, and fails if that commits.
        for (end, ok) in [("ROLLBACK", true), ("COMMIT", false)] {
            run(&mut client, "BEGIN; UPDATE a SET v = v + 1 WHERE id = 1");
            let mut other = db.connect();
            run(
                &mut other,
                &format!("BEGIN ISOLATION LEVEL {level}; SELECT FROM a"),
            );
            let waiting = in_background(other, "UPDATE a SET v = v + 1 WHERE id = 2");
            let mut looking = db.connect();
            until_blocked(&mut looking);
            run(&mut client, end);
            if ok {
                run(&mut finish(waiting), "COMMIT");
            } else {
                assert_eq!(fails_in(waiting).1, "40001", "{level}");
            }
            exact(&mut client, end);
        }
    }
}

/// Refreshes, DDL and TRUNCATE wait for all who are at it, and they for these.
#[test]
fn refreshes_and_ddl() {
    for theirs in [
        "SELECT pgtrickle.refresh_stream_table('sums')",
        "SELECT pgtrickle.alter_stream_table('sums', status => 'SUSPENDED'); SELECT pgtrickle.alter_stream_table('sums', status => 'ACTIVE')",
        "SELECT pgtrickle.alter_stream_table('sums', refresh_mode => 'DIFFERENTIAL')",
        "SELECT pgtrickle.drop_stream_table('sums')",
        "TRUNCATE a",
        "ALTER TABLE a ALTER x TYPE numeric(14,2)",
    ] {
        let (db, mut client) = setup_with(&[ADDITIVE[0], ADDITIVE[4]]);
        let mut other = impatient(&db);
        run(&mut client, "BEGIN; UPDATE a SET v = v + 1 WHERE id = 1");
        run(&mut other, "BEGIN; UPDATE a SET v = v + 1 WHERE id = 2");
        let waiting = in_background(db.connect(), theirs);
        let mut looking = db.connect();
        until_blocked(&mut looking);
        run(&mut client, "COMMIT");
        run(&mut other, "UPDATE a SET v = v + 1 WHERE id = 6; COMMIT");
        finish(waiting);
        exact(&mut looking, theirs);
        // And those who come meanwhile, for it.
        if theirs.starts_with("SELECT pgtrickle.refresh") {
            run(&mut client, &format!("BEGIN; {theirs}"));
            let waiting = in_background(db.connect(), "UPDATE a SET v = v + 1 WHERE id = 1");
            until_blocked(&mut looking);
            run(&mut client, "COMMIT");
            finish(waiting);
        }
        run(&mut client, "INSERT INTO a VALUES (500, 1, 1, 1)");
        exact(&mut client, theirs);
        if theirs.contains("DIFFERENTIAL") {
            let back = theirs.replace("DIFFERENTIAL", "IMMEDIATE");
            run(&mut looking, &back);
            run(&mut client, "BEGIN; UPDATE a SET v = v + 1 WHERE id = 1");
            run(&mut other, "UPDATE a SET v = v + 1 WHERE id = 2");
            run(&mut client, "COMMIT");
            exact(&mut client, &back);
        }
    }
}

/// More groups than there is room for locks.
#[test]
fn many_groups() {
    let (db, mut client) = without_total();
    let mut other = impatient(&db);
    let mut looking = db.connect();
    run(&mut client, "SET lock_timeout = '30s'");
    let groups = |from: i32, to: i32| {
        format!("INSERT INTO a SELECT i, i, i, i FROM generate_series({from}, {to}) i")
    };
    // Beside somebody else, one by one.
    run(&mut other, "BEGIN; UPDATE a SET v = v + 1 WHERE id = 1");
    run(&mut client, &format!("BEGIN; {}", groups(1001, 1100)));
    exact(&mut client, "many");
    run(&mut other, "UPDATE a SET v = v + 1 WHERE id = 2; COMMIT");
    run(&mut other, "UPDATE a SET v = v + 1 WHERE id = 3");
    run(&mut client, "COMMIT");
    // All of them, where nobody is.
    run(&mut client, &format!("BEGIN; {}", groups(2001, 2100)));
    let waiting = in_background(other, "UPDATE a SET v = v + 1 WHERE id = 2");
    until_blocked(&mut looking);
    run(&mut client, "COMMIT");
    let mut other = finish(waiting);
    exact(&mut client, "all, and one");
    // Too many.
    run(&mut other, "BEGIN; UPDATE a SET v = v + 1 WHERE id = 1");
    let waiting = in_background(client, &groups(3001, 3600));
    until_blocked(&mut looking);
    run(&mut other, "COMMIT");
    let mut client = finish(waiting);
    exact(&mut client, "too many");
    // A few in each of many statements, of two at once, neither of which waits.
    run(&mut client, "BEGIN");
    run(&mut other, "BEGIN");
    for part in 0..12 {
        let from = 5000 + 20 * part;
        run(&mut client, &groups(from, from + 9));
        run(&mut other, &groups(from + 10, from + 19));
    }
    run(&mut other, "COMMIT");
    exact(&mut client, "a few at a time");
    run(&mut client, "COMMIT");
    exact(&mut client, "both");
}

/// Who changes both sides of a join may meet another who does, once; from then on they take turns.
#[test]
fn several_sources_in_a_transaction() {
    let (db, client) = setup_with(&[ADDITIVE[4]]);
    let both = |id: i32| {
        format!("INSERT INTO a VALUES ({id}, {id}, 1, 1); INSERT INTO b VALUES ({id}, 'w{id}')")
    };
    let mut first = client;
    run(&mut first, &format!("BEGIN; {}; COMMIT", both(101)));
    exact(&mut first, "both");
    // It knows now, and is alone from its first statement on.
    run(&mut first, "BEGIN; INSERT INTO a VALUES (102, 102, 1, 1)");
    let waiting = in_background(db.connect(), &format!("BEGIN; {}; COMMIT", both(103)));
    let mut looking = db.connect();
    until_blocked(&mut looking);
    run(&mut first, "INSERT INTO b VALUES (102, 'w102'); COMMIT");
    finish(waiting);
    exact(&mut first, "each after the other");
    // And forgets when it did not need that.
    run(&mut first, "UPDATE a SET v = 2 WHERE id = 101");
    let mut other = impatient(&db);
    run(&mut first, "BEGIN; UPDATE a SET v = 3 WHERE id = 101");
    run(&mut other, "UPDATE a SET v = 3 WHERE id = 102");
    run(&mut first, "COMMIT");
    exact(&mut first, "together again");
}

/// Stream tables that read each other, each of which runs together.
#[test]
fn chains() {
    let (db, mut client) = setup_with(&[ADDITIVE[0]]);
    create(
        &mut client,
        "above",
        "SELECT n, count(*) AS times, sum(n) AS s FROM sums GROUP BY n",
    );
    create(&mut client, "copy", "SELECT n FROM sums");
    let mut other = impatient(&db);
    run(
        &mut client,
        "INSERT INTO a VALUES (101, 1, 1, 1), (102, 1, 1, 1)",
    );
    run(&mut client, "BEGIN; UPDATE a SET v = v + 1 WHERE j = 1");
    // Another group of each.
    run(
        &mut other,
        "INSERT INTO a SELECT i, 60, i, i FROM generate_series(201, 230) i",
    );
    exact(&mut other, "another group");
    let waiting = in_background(
        db.connect(),
        "INSERT INTO a VALUES (103, 2, 1, 1), (104, 2, 1, 1)",
    );
    until_blocked(&mut other);
    run(&mut client, "COMMIT");
    finish(waiting);
    exact(&mut client, "a chain");
}

/// One of the sources of a statement is known when it begins: what foreign keys do is, too.
#[test]
fn foreign_keys() {
    let (db, mut client) = setup_with(&[]);
    run(
        &mut client,
        "ALTER TABLE a ADD FOREIGN KEY (j) REFERENCES b ON DELETE CASCADE",
    );
    create(&mut client, "joined", ADDITIVE[4].1);
    let mut other = impatient(&db);
    run(&mut client, "BEGIN; UPDATE b SET w = 'x' WHERE j = 1");
    run(&mut other, "UPDATE b SET w = 'y' WHERE j = 2");
    run(&mut client, "COMMIT");
    run(&mut client, "BEGIN; DELETE FROM b WHERE j = 1");
    exact(&mut client, "a cascade");
    let waiting = in_background(other, "UPDATE b SET w = 'z' WHERE j = 2");
    let mut looking = db.connect();
    until_blocked(&mut looking);
    run(&mut client, "COMMIT");
    finish(waiting);
    exact(&mut client, "and another");
}
