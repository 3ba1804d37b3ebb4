//! Inheritance: reading a table reads its children.

use crate::support::*;
use harness::{Database, refresh};
use postgres::Client;

const FAMILY: &str = "
    CREATE TABLE p (id int PRIMARY KEY, v int NOT NULL, s text);
    CREATE TABLE other (note text, s text, extra int);
    CREATE TABLE c1 (more text) INHERITS (p);
    CREATE TABLE c2 (own int) INHERITS (other, p);
    CREATE TABLE grand (deep int) INHERITS (c1);
    INSERT INTO p SELECT i, i, 'p' FROM generate_series(1, 20) i;
    INSERT INTO c1 SELECT i, i, 'c1', 'm' FROM generate_series(10, 25) i;
    INSERT INTO c2 (id, v, s, own) SELECT i, i, 'c2', 1 FROM generate_series(10, 25) i;
    INSERT INTO grand (id, v, s) SELECT i, i, 'g' FROM generate_series(10, 12) i;";

const NAMES: [&str; 4] = ["rows", "sums", "child", "others"];

fn family() -> (Database, Client) {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, FAMILY);
    for (name, query) in [
        ("rows", "SELECT id, v FROM p WHERE v > 3"),
        (
            "sums",
            "SELECT s, count(*) AS n, sum(v) AS v FROM p GROUP BY s",
        ),
        (
            "child",
            "SELECT a.id, b.more FROM c1 a JOIN c1 b ON a.id = b.v",
        ),
        (
            "others",
            "SELECT s, count(note) AS n, max(extra) AS m FROM other GROUP BY s",
        ),
    ] {
        create(&mut client, name, query, "DIFFERENTIAL");
    }
    (db, client)
}

#[track_caller]
fn each(client: &mut Client, actions: [&str; 4]) {
    for (name, action) in NAMES.into_iter().zip(actions) {
        refresh(client, name, action);
    }
}

const D: &str = "DIFFERENTIAL";
const N: &str = "NO_DATA";
const R: &str = "REINITIALIZE";

#[test]
fn trap_leaf_and_child() {
    let (_db, mut client) = family();
    // The parent's key binds the parent's own rows.
    let keyed = "pgtrickle.pgt_stream_tables WHERE dependencies @> '[{\"Key\": {}}]'";
    assert_eq!(count(&mut client, keyed), 0);
    run(&mut client, "UPDATE p SET v = v + 1");
    each(&mut client, [D, D, D, N]);
    run(
        &mut client,
        "INSERT INTO grand (id, v, s, more, deep) VALUES (10, 10, 'g2', 'gm', 1), (11, 7, 'g', NULL, 2)",
    );
    each(&mut client, [D, D, D, N]);
    run(
        &mut client,
        "UPDATE c2 SET note = 'n', extra = v, s = 'c3' WHERE id % 2 = 0; DELETE FROM c2 WHERE id = 11",
    );
    each(&mut client, [D, D, N, D]);
    run(
        &mut client,
        "INSERT INTO other VALUES ('o', 'c2', 4); UPDATE other SET extra = extra + 1; DELETE FROM ONLY p WHERE id = 10",
    );
    each(&mut client, [D, D, N, D]);
    run(
        &mut client,
        "UPDATE ONLY p SET s = 'only'; UPDATE c1 SET more = 'x' || id",
    );
    each(&mut client, [N, D, D, N]);
    run(&mut client, "TRUNCATE ONLY p");
    each(&mut client, [R, R, N, N]);
    run(
        &mut client,
        "TRUNCATE grand; INSERT INTO p VALUES (1, 5, 'p')",
    );
    each(&mut client, [R, R, R, N]);
    run(&mut client, "TRUNCATE c1");
    each(&mut client, [R, R, R, N]);
    run(
        &mut client,
        "INSERT INTO p VALUES (2, 6, 'p'); INSERT INTO c1 VALUES (2, 2, 'c1', 'm'); INSERT INTO c2 (id, v) VALUES (2, 6)",
    );
    each(&mut client, [D, D, D, D]);
}

/// ONLY is not incremental where there is more.
#[test]
fn trap_only() {
    let (_db, mut client) = family();
    let only = "SELECT id, v FROM ONLY p";
    let sql = format!("SELECT pgtrickle.create_stream_table('o', '{only}', '1h', 'DIFFERENTIAL')");
    let (code, message) = fails(&mut client, &sql);
    assert_eq!(code.code(), "0A000", "{message}");
    assert!(message.contains("PGT0131"), "{message}");
    create(&mut client, "o", only, "AUTO");
    run(&mut client, "UPDATE p SET v = v + 1");
    refresh(&mut client, "o", "FULL");
    // Until it has children, it is the same.
    create(&mut client, "g", "SELECT id, v FROM ONLY grand", "AUTO");
    run(&mut client, "UPDATE p SET v = v + 1");
    refresh(&mut client, "g", D);
    run(
        &mut client,
        "CREATE TABLE great () INHERITS (grand); INSERT INTO great (id, v, s) VALUES (1, 1, 'x')",
    );
    refresh(&mut client, "g", R);
    refresh(&mut client, "g", "FULL");
}

#[test]
fn trap_children_come_and_go() {
    let (db, mut client) = family();
    create(&mut client, "keyed", "SELECT id, v FROM grand", D);
    run(
        &mut client,
        "CREATE TABLE c3 () INHERITS (p); INSERT INTO c3 VALUES (1, 1, 'c3'), (2, 9, 'c3'); UPDATE c3 SET v = 8",
    );
    each(&mut client, [D, D, N, N]);
    run(
        &mut client,
        "ALTER TABLE c1 NO INHERIT p; UPDATE c1 SET v = v + 1",
    );
    each(&mut client, [R, R, D, N]);
    run(
        &mut client,
        "ALTER TABLE c1 INHERIT p; UPDATE c1 SET v = v - 1",
    );
    each(&mut client, [R, R, D, N]);
    run(&mut client, "DROP TABLE c3");
    each(&mut client, [R, R, N, N]);
    run(
        &mut client,
        "ALTER TABLE c2 NO INHERIT other; UPDATE c2 SET note = 'n', v = 6",
    );
    each(&mut client, [D, D, N, R]);
    // The first child takes the key away; the query is compiled anew.
    create(
        &mut client,
        "alone",
        "SELECT o.s, k.v FROM other o LEFT JOIN grand k ON k.id = o.extra",
        D,
    );
    run(
        &mut client,
        "CREATE TABLE great () INHERITS (grand); INSERT INTO great (id, v, s) SELECT id, v, s FROM grand; INSERT INTO other VALUES ('a', 'b', 10)",
    );
    refresh(&mut client, "alone", R);
    run(
        &mut client,
        "UPDATE great SET v = 3; UPDATE p SET v = v + 2",
    );
    for name in ["alone", "keyed"] {
        run(
            &mut client,
            &format!("SELECT pgtrickle.refresh_stream_table('{name}')"),
        );
        harness::law(&mut client, name);
    }
    each(&mut client, [D, D, D, D]);
    // What only this session reads.
    run(
        &mut client,
        "CREATE TEMP TABLE mine () INHERITS (p); INSERT INTO mine VALUES (1, 100, 'temporary')",
    );
    let (code, message) = fails(&mut client, "SELECT pgtrickle.refresh_stream_table('rows')");
    assert_eq!(code.code(), "55000", "{message}");
    let mut elsewhere = db.connect();
    refresh(&mut elsewhere, "rows", N);
    run(&mut elsewhere, "UPDATE p SET v = v + 3");
    refresh(&mut elsewhere, "rows", D);
    run(&mut client, "DROP TABLE mine");
    each(&mut client, [N, D, D, N]);
}
