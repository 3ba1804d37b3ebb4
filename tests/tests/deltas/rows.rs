//! What happens to one row, or to rows that are the same, in one batch.

use crate::support::World;

/// Insert and delete, there and back again, chains of updates, and the same key anew.
#[test]
fn trap_same_row_many_times() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, k int, v text);
         CREATE TABLE u (k int PRIMARY KEY, label text);
         INSERT INTO t SELECT i, i % 3, 'v' || i FROM generate_series(1, 10) i;
         INSERT INTO u VALUES (0, 'zero'), (1, 'one'), (2, 'two')",
    );
    w.keep("plain", "SELECT id, k, v FROM t");
    w.keep("keyless", "SELECT k, v FROM t WHERE k > 0");
    w.keep(
        "joined",
        "SELECT t.id, u.label, t.v FROM t JOIN u ON u.k = t.k",
    );
    w.keep(
        "grouped",
        "SELECT k, count(*) AS n, min(v) AS lo, max(v) AS hi FROM t GROUP BY k",
    );
    w.keep("distinct_k", "SELECT DISTINCT k FROM t");
    for sql in [
        "INSERT INTO t VALUES (20, 1, 'x'); DELETE FROM t WHERE id = 20",
        "UPDATE t SET v = 'B' WHERE id = 1; UPDATE t SET v = 'v1' WHERE id = 1",
        "UPDATE t SET v = 'B' WHERE id = 2; UPDATE t SET v = 'C' WHERE id = 2; UPDATE t SET k = 0 WHERE id = 2; UPDATE t SET v = 'D' WHERE id = 2",
        "DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (3, 2, 'again')",
        "DELETE FROM t WHERE id = 4; INSERT INTO t VALUES (4, 1, 'v4'); UPDATE t SET v = 'w' WHERE id = 6",
        "INSERT INTO t VALUES (30, 7, 'a'); UPDATE t SET k = 1, v = 'b' WHERE id = 30; DELETE FROM t WHERE id = 30; INSERT INTO t VALUES (30, 2, 'c')",
        "UPDATE t SET id = 31 WHERE id = 30; UPDATE t SET id = 30 WHERE id = 31; UPDATE t SET id = 32 WHERE id = 30",
        "UPDATE u SET label = 'uno' WHERE k = 1; UPDATE t SET k = 1 WHERE id = 5; UPDATE u SET label = 'one' WHERE k = 1",
        "DELETE FROM u WHERE k = 2; INSERT INTO u VALUES (2, 'deux'); UPDATE t SET k = 2 WHERE k = 2",
        "UPDATE t SET v = v; UPDATE t SET k = k + 10; UPDATE t SET k = k - 10",
    ] {
        w.batch(sql);
    }
    // The same over several transactions, some of which roll back.
    for sql in [
        "UPDATE t SET v = 'q' WHERE id = 7",
        "BEGIN; DELETE FROM t WHERE id = 7; ROLLBACK",
        "BEGIN; SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; UPDATE t SET v = 'r' WHERE id = 7; COMMIT",
        "DELETE FROM t WHERE id = 7",
        "INSERT INTO t VALUES (7, 7, 'seven')",
        "INSERT INTO t VALUES (7, 8, 'eight') ON CONFLICT (id) DO UPDATE SET k = excluded.k",
        "MERGE INTO t USING u ON t.k = u.k WHEN MATCHED AND t.id > 8 THEN DELETE WHEN MATCHED THEN UPDATE SET v = v || u.label WHEN NOT MATCHED THEN INSERT VALUES (1000 + u.k, u.k, 'new')",
    ] {
        w.run(sql);
    }
    w.refresh("several transactions");
}

/// Primary keys are swapped by one statement, and change otherwise.
#[test]
fn trap_pk_swap() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY DEFERRABLE, v text NOT NULL);
         CREATE TABLE pair (a int, b int, v text, PRIMARY KEY (a, b) DEFERRABLE);
         CREATE TABLE ref (t int NOT NULL, n int NOT NULL);
         CREATE TABLE plain_key (id int PRIMARY KEY, v text NOT NULL);
         INSERT INTO plain_key SELECT i, 'v' || i FROM generate_series(1, 6) i;
         INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 6) i;
         INSERT INTO pair SELECT i % 3, i, 'p' || i FROM generate_series(1, 6) i;
         INSERT INTO ref SELECT i % 6 + 1, i FROM generate_series(1, 12) i",
    );
    w.keep("plain", "SELECT id, v FROM t");
    w.keep("upper_v", "SELECT id, upper(v) AS v FROM t WHERE id <> 3");
    w.keep("pairs", "SELECT a, b, v FROM pair");
    w.keep("joined", "SELECT r.n, t.v FROM ref r JOIN t ON t.id = r.t");
    w.keep(
        "grouped",
        "SELECT t.id, t.v, sum(r.n) AS s FROM t JOIN ref r ON r.t = t.id GROUP BY t.id, t.v",
    );
    w.keep("plain_keys", "SELECT id, v FROM plain_key");
    w.keep(
        "joined_keys",
        "SELECT r.n, p.v FROM ref r JOIN plain_key p ON p.id = r.t",
    );
    for sql in [
        "UPDATE plain_key SET id = -id; UPDATE plain_key SET id = CASE id WHEN -1 THEN 2 WHEN -2 THEN 1 ELSE -id END",
        "UPDATE plain_key SET id = id + 100; UPDATE plain_key SET id = 107 - id, v = v || 'x'",
        "UPDATE t SET id = CASE id WHEN 1 THEN 2 ELSE 1 END WHERE id IN (1, 2)",
        "UPDATE t SET id = id % 6 + 1",
        "UPDATE t SET id = 7 - id, v = v || id",
        "UPDATE pair SET a = b, b = a WHERE a <> b",
        "UPDATE t SET id = id + 10",
        "UPDATE t SET id = id - 10; UPDATE t SET id = id % 6 + 1; UPDATE ref SET t = t % 6 + 1",
        "UPDATE t SET id = 3 WHERE id = 100; UPDATE t SET id = 100 WHERE id = 3",
    ] {
        w.batch(sql);
    }
    assert_eq!(w.rows("SELECT count(*) FROM plain"), ["(6)"]);
}

/// Sources without a key: duplicates, and k of n identical rows deleted.
#[test]
fn trap_keyless_duplicates() {
    let mut w = World::new(
        "CREATE TABLE t (a int, b text);
         CREATE TABLE u (a int, n numeric);
         INSERT INTO t SELECT i % 3, 'x' FROM generate_series(1, 12) i;
         INSERT INTO t VALUES (NULL, NULL), (NULL, NULL);
         INSERT INTO u SELECT i % 3, 1.5 FROM generate_series(1, 6) i",
    );
    w.keep("plain", "SELECT * FROM t");
    w.keep("one_column", "SELECT b FROM t");
    w.keep("constant", "SELECT 1 AS one FROM t");
    w.keep("joined", "SELECT t.b, u.n FROM t JOIN u ON u.a = t.a");
    w.keep(
        "twice",
        "SELECT a FROM t UNION ALL SELECT a FROM u UNION ALL SELECT a FROM t",
    );
    w.keep("grouped", "SELECT a, b, count(*) AS n FROM t GROUP BY a, b");
    w.keep("distinct_rows", "SELECT DISTINCT a, b FROM t");
    let delete = |k: i32, which: &str| {
        format!("DELETE FROM t WHERE ctid IN (SELECT ctid FROM t WHERE {which} LIMIT {k})")
    };
    for sql in [
        delete(1, "a = 1"),
        delete(2, "a = 2"),
        delete(1, "a IS NULL"),
        format!("{}; INSERT INTO t VALUES (1, 'x'), (1, 'x'), (1, 'x')", delete(1, "a = 1")),
        format!("{}; UPDATE t SET b = 'y' WHERE a = 0", delete(1, "a = 0")),
        "UPDATE t SET a = 0, b = 'x' WHERE a IS NULL OR a = 1".to_owned(),
        "INSERT INTO t SELECT * FROM t; INSERT INTO u SELECT * FROM u".to_owned(),
        "DELETE FROM u WHERE ctid IN (SELECT max(ctid) FROM u GROUP BY a); DELETE FROM t WHERE ctid IN (SELECT min(ctid) FROM t GROUP BY a)".to_owned(),
        delete(100, "a = 0"),
        "DELETE FROM t".to_owned(),
        "INSERT INTO t VALUES (NULL, NULL), (1, 'x')".to_owned(),
    ] {
        w.batch(&sql);
    }
    assert_eq!(w.rows("SELECT count(*) FROM plain"), ["(2)"]);
}

/// UNION ALL adds multiplicities, nested and of different shapes.
#[test]
fn trap_union_all_multiplicity() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, k int, v numeric);
         CREATE TABLE u (k int, v int);
         INSERT INTO t SELECT i, i % 3, i FROM generate_series(1, 9) i;
         INSERT INTO u SELECT i % 3, i FROM generate_series(1, 6) i",
    );
    w.keep("both", "SELECT k, v FROM t UNION ALL SELECT k, v FROM u");
    w.keep("same", "SELECT k FROM t UNION ALL SELECT k FROM t WHERE k > 0 UNION ALL (SELECT k FROM u UNION ALL SELECT 1)");
    w.keep("grouped", "SELECT k, count(*) AS n, sum(v) AS s FROM (SELECT k, id AS v FROM t UNION ALL SELECT k, v FROM u) AS x GROUP BY k");
    w.keep(
        "distinct_k",
        "SELECT DISTINCT k FROM (SELECT k FROM t UNION ALL SELECT k FROM u) AS x",
    );
    w.keep("joined", "WITH x AS (SELECT k FROM t UNION ALL SELECT k FROM u) SELECT x.k, t.v FROM x JOIN t ON t.k = x.k");
    w.keep(
        "constants",
        "SELECT 1 AS a UNION ALL SELECT 1 UNION ALL SELECT k FROM u",
    );
    for sql in [
        "INSERT INTO u VALUES (1, 1), (1, 1), (NULL, NULL)",
        "DELETE FROM t WHERE k = 1; INSERT INTO u VALUES (1, 4), (1, 7)",
        "UPDATE t SET k = NULL WHERE k = 2; UPDATE u SET k = 2 WHERE k IS NULL",
        "DELETE FROM u; INSERT INTO u SELECT k, id FROM t",
        "DELETE FROM t",
        "DELETE FROM u; INSERT INTO t VALUES (1, NULL, NULL)",
    ] {
        w.batch(sql);
    }
    assert_eq!(w.rows("SELECT * FROM constants"), ["(1)", "(1)"]);
}

/// While the check of a deferred key is still to come, rows may share the key; a refresh in that
/// transaction sees them.
#[test]
fn trap_deferred_key() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v text NOT NULL);
         INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 4) i",
    );
    w.keep("plain", "SELECT id, v FROM t");
    w.keep("distinct_ids", "SELECT DISTINCT id FROM t");
    w.keep("grouped", "SELECT id, count(*) AS n FROM t GROUP BY id");
    w.run("BEGIN");
    w.run("UPDATE t SET id = 2 WHERE id = 1; INSERT INTO t VALUES (3, 'again')");
    for table in ["plain", "distinct_ids", "grouped"] {
        w.run(&format!("SELECT pgtrickle.refresh_stream_table('{table}')"));
        let wrong = w.rows(&format!("SELECT * FROM pgtrickle.verify('{table}')"));
        assert!(wrong.is_empty(), "{table}: {wrong:?}");
    }
    w.run("UPDATE t SET id = 5 WHERE v = 'v1'; UPDATE t SET id = 6 WHERE v = 'again'; COMMIT");
    w.refresh("the key is unique again");
}
