//! Subqueries in expressions.

use crate::support::{World, creation};

const TABLES: &str = "
    CREATE TABLE t (id int PRIMARY KEY, k int, v int, s text, w int NOT NULL);
    CREATE TABLE u (id int PRIMARY KEY, k int, v int, n int NOT NULL);
    CREATE INDEX ON t (k);
    CREATE INDEX ON u (k);
    CREATE TABLE bag (k int, v int);
    INSERT INTO t SELECT i, i % 4, i % 3, 's' || i % 4, i % 5 FROM generate_series(1, 12) i;
    INSERT INTO u SELECT i, i % 3, i % 4, i % 2 FROM generate_series(3, 10) i;
    INSERT INTO bag SELECT i % 2, i % 3 FROM generate_series(1, 5) i;";

/// Changes that make witnesses come, go, double and move, NULLs appear and vanish, and tables empty.
const BATCHES: &[&str] = &[
    "INSERT INTO u VALUES (20, 3, 1, 1)",
    "DELETE FROM u WHERE k = 1",
    "UPDATE t SET k = NULL WHERE id IN (2, 5); INSERT INTO bag VALUES (3, 1), (3, 1), (NULL, 2)",
    "INSERT INTO u VALUES (21, NULL, 2, 0), (22, 2, NULL, 1)",
    "UPDATE u SET k = 3 - k, v = v + 1; DELETE FROM bag WHERE k = 3",
    "UPDATE t SET k = k + 1, v = v - 1 WHERE id > 3; UPDATE u SET n = n + 3 WHERE id < 6",
    "DELETE FROM u WHERE k IS NULL; DELETE FROM bag WHERE k IS NULL",
    "DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (3, 2, 2, 'x', 1), (30, NULL, NULL, NULL, 0)",
    "DELETE FROM u; DELETE FROM bag WHERE v = 1",
    "UPDATE t SET v = NULL WHERE id = 7; UPDATE t SET w = w + 1",
    "INSERT INTO u SELECT i, i % 3, i % 5, i % 2 FROM generate_series(1, 6) i; INSERT INTO bag VALUES (1, NULL), (0, 0)",
    "UPDATE u SET v = NULL WHERE id = 2; UPDATE u SET v = 7 WHERE id = 2; UPDATE t SET k = 0 WHERE k IS NULL",
    "DELETE FROM t; DELETE FROM bag",
    "INSERT INTO t SELECT i, i % 4, nullif(i % 3, 0), 's' || i % 4, i % 5 FROM generate_series(1, 8) i; INSERT INTO bag VALUES (1, 1), (1, 1), (2, NULL)",
];

fn keep_all(queries: &[&str]) {
    let mut w = World::new(TABLES);
    for (i, query) in queries.iter().enumerate() {
        w.keep(&format!("st{i}"), query);
    }
    for batch in BATCHES {
        w.batch(batch);
    }
}

/// EXISTS does not count its witnesses; they come and go, two in one batch, under OR and CASE, and
/// in the SELECT list.
#[test]
fn trap_exists_multiplicity() {
    keep_all(&[
        "SELECT id, v FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k)",
        "SELECT id, v FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k = t.k AND u.v > 1)",
        "SELECT k, v FROM bag WHERE EXISTS (SELECT FROM bag AS b WHERE b.k = bag.v)",
        "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k AND u.v <> t.v) AND NOT EXISTS (SELECT 1 FROM bag WHERE bag.k < t.w)",
        "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u) AND NOT EXISTS (SELECT 1 FROM bag WHERE v = 1 LIMIT 1)",
        "SELECT id FROM t WHERE EXISTS (SELECT FROM u WHERE u.k = t.k) OR v > 1 OR NOT EXISTS (SELECT FROM bag WHERE bag.v = t.v)",
        "SELECT id, EXISTS (SELECT FROM u WHERE u.k = t.k) AS e, NOT EXISTS (SELECT FROM bag WHERE k > t.k) AS n, EXISTS (SELECT FROM u) AS any_u FROM t",
        "SELECT id, CASE WHEN EXISTS (SELECT FROM u WHERE u.k = t.k AND u.n = t.w) THEN 'both' WHEN v > 1 THEN 'v' END AS c FROM t",
        "SELECT EXISTS (SELECT FROM u WHERE u.k = t.k) AS e, count(*) AS n FROM t GROUP BY EXISTS (SELECT FROM u WHERE u.k = t.k)",
        "SELECT t.id, u.id AS uid FROM t JOIN u ON u.k = t.k AND EXISTS (SELECT FROM bag WHERE bag.k = t.v AND bag.v = u.v)",
        "SELECT id FROM t WHERE EXISTS (SELECT FROM u WHERE u.k = t.k AND NOT EXISTS (SELECT FROM bag WHERE bag.k = u.v AND bag.v = t.v))",
        "SELECT id FROM t WHERE EXISTS (SELECT k FROM u WHERE u.n = t.w GROUP BY k HAVING count(*) > 1 AND max(v) > t.v)",
        "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k UNION ALL SELECT 1 FROM bag WHERE bag.v = t.v)",
        "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u LEFT JOIN bag ON bag.k = u.v WHERE u.k = t.k AND bag.v IS NULL)",
        "SELECT k, count(*) AS n FROM t GROUP BY k HAVING EXISTS (SELECT 1 FROM u WHERE u.k = t.k) OR count(*) > 2",
        // Few rows on the left, which no change makes, and numbers of rows on the right.
        "SELECT a FROM (VALUES (1), (2)) AS x(a) WHERE NOT EXISTS (SELECT FROM (SELECT k, v FROM t EXCEPT ALL SELECT k, v FROM u) AS d WHERE d.k = a)",
        "SELECT a FROM (VALUES (1), (2)) AS x(a) WHERE EXISTS (SELECT FROM (SELECT k, v FROM t EXCEPT ALL SELECT k, v FROM u) AS d WHERE d.k > a)",
    ]);
}

/// NOT IN and ALL with NULL in the subquery and in the outer row; over nothing; of several columns;
/// correlated.
#[test]
fn trap_not_in_null() {
    keep_all(&[
        "SELECT id, k FROM t WHERE k NOT IN (SELECT k FROM u)",
        "SELECT id, k FROM t WHERE k NOT IN (SELECT n FROM u)",
        "SELECT id, w FROM t WHERE w NOT IN (SELECT k FROM u)",
        "SELECT id, w FROM t WHERE w NOT IN (SELECT n FROM u)",
        "SELECT id, k FROM t WHERE k NOT IN (SELECT v FROM u WHERE u.k = t.v)",
        "SELECT id FROM t WHERE (k, v) NOT IN (SELECT k, v FROM u)",
        "SELECT id FROM t WHERE (w, v) NOT IN (SELECT n, v FROM u)",
        "SELECT id FROM t WHERE (k, v) IN (SELECT k, v FROM bag)",
        "SELECT id FROM t WHERE v >= ALL (SELECT v FROM u WHERE u.k = t.k)",
        "SELECT id FROM t WHERE v > ANY (SELECT v FROM bag) AND w <> ALL (SELECT k FROM bag)",
        "SELECT id FROM t WHERE NOT (v < ANY (SELECT v FROM u WHERE u.n = t.w))",
        "SELECT id FROM t WHERE NOT (v <= ALL (SELECT v FROM u WHERE u.k = t.k))",
        "SELECT id FROM t WHERE (k NOT IN (SELECT k FROM bag)) IS NULL",
        "SELECT id, k IN (SELECT k FROM u) AS a, k NOT IN (SELECT v FROM u WHERE u.k = t.v) AS b FROM t",
        "SELECT id, (k, w) IN (SELECT v, n FROM u) AS c, w > ALL (SELECT v FROM bag) AS d FROM t",
        "SELECT id FROM t WHERE v + 1 NOT IN (SELECT k * 2 FROM u WHERE u.n < t.w) OR v IS NULL",
        "SELECT k, v FROM bag WHERE (v, k) < ANY (SELECT k, v FROM bag)",
        "SELECT id FROM t WHERE k::bigint IN (SELECT v FROM u) AND s NOT IN (SELECT 's' || k::text FROM bag)",
    ]);
}

/// Zero rows are NULL, and count 0 of nothing; correlated, nested, by key.
#[test]
fn trap_scalar_subquery() {
    keep_all(&[
        "SELECT id, (SELECT max(v) FROM u) AS m, (SELECT count(*) FROM bag) AS n FROM t",
        "SELECT id FROM t WHERE v >= (SELECT avg(v) FROM u)",
        "SELECT k, sum(v) AS s FROM t GROUP BY k HAVING sum(v) > (SELECT avg(v) FROM u)",
        "SELECT id, (SELECT max(v) FROM u WHERE u.k = t.k) AS m, (SELECT count(*) FROM u WHERE u.k = t.k) AS n, (SELECT coalesce(sum(v), -1) FROM bag WHERE bag.k = t.k AND bag.v = t.v) AS s FROM t",
        "SELECT id FROM t WHERE w > (SELECT avg(u.v) FROM u WHERE u.k = t.k)",
        "SELECT id FROM t WHERE (SELECT count(*) FROM u WHERE u.k = t.k AND u.v > 0) = 0 OR w > 2",
        "SELECT id, (SELECT u.v FROM u WHERE u.id = t.id) AS v, (SELECT coalesce(u.v, 99) + t.w FROM u WHERE u.id = t.w) AS w FROM t",
        "SELECT id, (SELECT sum((SELECT count(*) FROM bag WHERE bag.k = u.v)) FROM u WHERE u.k = t.k) AS n FROM t",
        "SELECT id, (SELECT sum(u.v * t.w) FROM u WHERE u.k < t.k) AS s, (SELECT count(*) FROM bag WHERE bag.v > t.v) AS n FROM t",
        "SELECT id, (SELECT count(*) FROM u WHERE u.k = t.k HAVING count(*) > 1) AS n FROM t",
        "SELECT id, (SELECT t.v + 1) AS p, (SELECT max(x) FROM (SELECT v AS x FROM u WHERE u.k = t.k UNION ALL SELECT v FROM bag WHERE bag.k = t.k) AS x2) AS m FROM t",
        "SELECT sum((SELECT count(*) FROM u WHERE u.k = t.k)) AS s, max((SELECT max(v) FROM bag)) AS m FROM t",
        "SELECT k, (SELECT count(*) FROM u WHERE u.k = t.k) AS n, sum(v) AS s FROM t GROUP BY k",
        "SELECT DISTINCT (SELECT min(v) FROM u WHERE u.k = t.k) AS m FROM t",
        "SELECT id, coalesce((SELECT max(v) FROM u WHERE u.k = t.k), (SELECT min(v) FROM bag)) AS c FROM t",
        "SELECT id, v IN (SELECT count(*) FROM u WHERE u.k = t.k) AS c FROM t",
        "SELECT id, (SELECT max(u.v) FROM u WHERE u.k = t.k AND u.v < (SELECT max(b.v) FROM bag AS b WHERE b.k = t.k)) AS m FROM t",
        "WITH top AS (SELECT k, sum(v) AS s FROM t GROUP BY k) SELECT k, s FROM top WHERE s = (SELECT max(s) FROM top)",
    ]);
}

/// A scalar that moves meets the rows between its old and its new value: up, down, onto rows, from
/// and to NULL, beyond all rows, while rows move too.
#[test]
fn bands() {
    let mut w = World::new(
        "CREATE TABLE x (id int PRIMARY KEY, v numeric(9,2), f float8, d date);
         CREATE INDEX ON x (v);
         CREATE TABLE y (id int PRIMARY KEY, v numeric(9,2), f float8, d date);
         INSERT INTO x SELECT i, i % 17, i % 5, date '2020-01-01' + i % 9 FROM generate_series(1, 60) i;
         INSERT INTO x VALUES (70, NULL, 'NaN', 'infinity'), (71, 8.5, '-Infinity', NULL), (72, 'NaN', 0, 'infinity');
         INSERT INTO y SELECT i, i, i, date '2020-01-01' + i FROM generate_series(1, 6) i;",
    );
    let queries = [
        "SELECT id, v FROM x WHERE v > (SELECT avg(v) FROM y)",
        "SELECT id, v FROM x WHERE v >= (SELECT max(v) FROM y)",
        "SELECT id FROM x WHERE v < (SELECT sum(v) FROM y)",
        "SELECT id FROM x WHERE (SELECT min(v) FROM y) >= v",
        "SELECT f, count(*) AS n FROM x WHERE f <= (SELECT max(f) FROM y) GROUP BY f",
        "SELECT DISTINCT d FROM x WHERE d > (SELECT min(d) FROM y)",
        "SELECT id FROM x WHERE v > (SELECT avg(v) FROM x) AND NOT EXISTS (SELECT FROM y WHERE y.v = x.v)",
        "SELECT v, sum(id) AS s FROM x GROUP BY v HAVING sum(id) > (SELECT sum(id) / 9 FROM x)",
    ];
    for (i, query) in queries.iter().enumerate() {
        w.keep(&format!("st{i}"), query);
    }
    for batch in [
        "UPDATE y SET v = v + 1, f = f - 1, d = d + 1",
        "UPDATE y SET v = v - 3, f = f + 2, d = d - 3; UPDATE x SET v = v + 1 WHERE id < 20",
        "INSERT INTO y VALUES (10, 8.5, 'NaN', 'infinity'), (11, 100, 3, '-infinity')",
        "DELETE FROM y WHERE id > 9; DELETE FROM x WHERE id IN (4, 71)",
        "UPDATE y SET v = 'NaN', f = '-Infinity' WHERE id = 3",
        "UPDATE y SET v = NULL, f = NULL, d = NULL",
        "UPDATE y SET v = 3, f = 2, d = '2020-01-04'; INSERT INTO x VALUES (80, 3, 2, '2020-01-04')",
        "DELETE FROM y",
        "INSERT INTO y VALUES (1, -5, 0, '2019-01-01')",
        "UPDATE y SET v = 500, f = 500, d = '2030-01-01'; UPDATE x SET id = id + 100, v = -v",
        "DELETE FROM x WHERE v < -8; UPDATE y SET v = -8",
        "DELETE FROM x",
    ] {
        w.batch(batch);
    }
}

/// Conditions and subqueries inside sums.
#[test]
fn trap_case_in_sum_of_subqueries() {
    keep_all(&[
        "SELECT k, sum(CASE WHEN v IN (SELECT v FROM u) THEN 1 ELSE 0 END) AS n FROM t GROUP BY k",
        "SELECT k, sum(CASE WHEN w NOT IN (SELECT v FROM bag) THEN CASE WHEN v > 1 THEN v ELSE coalesce(k, (SELECT max(n) FROM u)) END END) AS n FROM t GROUP BY k",
        "SELECT count(*) FILTER (WHERE EXISTS (SELECT FROM u WHERE u.k = t.k)) AS n, sum(v) FILTER (WHERE k IN (SELECT k FROM bag)) AS s FROM t",
    ]);
}

/// A scalar subquery that may have two rows is FULL, and its error loses nothing.
#[test]
fn trap_scalar_subquery_of_two_rows() {
    let mut w = World::new(TABLES);
    let query = "SELECT id, (SELECT v FROM u WHERE u.k = t.k) AS v FROM t";
    let (state, message) = w.fails(&creation("refused", query, "DIFFERENTIAL"));
    assert_eq!(state, "0A000", "{message}");
    assert!(message.contains("PGT0113"), "{message}");
    w.run("DELETE FROM u WHERE id > 5");
    w.run(&creation("two", query, "AUTO"));
    harness::refresh(&mut w.client, "two", "FULL");
    w.run("INSERT INTO u VALUES (30, 0, 5, 1)");
    let (state, _) = w.fails("SELECT pgtrickle.refresh_stream_table('two')");
    assert_eq!(state, "21000");
    w.run("DELETE FROM u WHERE id = 30; UPDATE u SET v = 8 WHERE id = 3");
    harness::refresh(&mut w.client, "two", "FULL");
}
