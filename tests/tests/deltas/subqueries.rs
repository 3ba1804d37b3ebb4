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

/// The values of a subquery as an array: empty of no rows, NULLs and duplicates in it, in the order of
/// what need not be shown, of first rows, of groups and of unions; where it may be any order, all of
/// them.
#[test]
fn arrays() {
    keep_all(&[
        "SELECT id, ARRAY(SELECT v FROM u WHERE u.k = t.k ORDER BY v DESC NULLS LAST) AS a FROM t",
        "SELECT id, ARRAY(SELECT u.v + t.w FROM u WHERE u.k = t.k ORDER BY u.n, u.id) AS a FROM t",
        "SELECT ARRAY(SELECT id FROM u ORDER BY v, id) AS a, ARRAY(SELECT DISTINCT k FROM bag ORDER BY k) AS b",
        "SELECT id, ARRAY(SELECT v FROM u WHERE u.k = t.k ORDER BY v, id LIMIT 2) AS a, cardinality(ARRAY(SELECT v FROM bag WHERE bag.k < t.k)) AS n FROM t",
        "SELECT id FROM t WHERE v = ANY (ARRAY(SELECT v FROM u WHERE u.k = t.k)) OR ARRAY(SELECT k FROM bag) = '{}'",
        "SELECT id, ARRAY(SELECT x.v FROM (SELECT v FROM u WHERE u.k = t.k UNION ALL SELECT v FROM bag WHERE bag.k = t.k) AS x ORDER BY 1) AS a FROM t",
        "SELECT id, ARRAY(SELECT v FROM u WHERE u.k = t.k UNION SELECT v FROM bag ORDER BY v) AS a FROM t",
        "SELECT id, ARRAY(SELECT count(*) FROM u WHERE u.k = t.k GROUP BY u.v ORDER BY 1, u.v) AS a FROM t",
        "SELECT id, ARRAY(SELECT ARRAY[id, v] FROM u WHERE u.n = t.w ORDER BY id) AS a FROM t",
        "SELECT id, ARRAY(SELECT (SELECT count(*) FROM bag WHERE bag.k = u.k) FROM u WHERE u.k = t.k ORDER BY id) AS a FROM t",
        "SELECT k, sum(v) AS s, ARRAY(SELECT id FROM u WHERE u.k = t.k ORDER BY id) AS a FROM t GROUP BY k",
        "SELECT ARRAY(SELECT id FROM u WHERE u.k = t.k ORDER BY id) AS a, count(*) AS n FROM t GROUP BY 1",
        "SELECT id, CASE WHEN v > 0 THEN ARRAY(SELECT n FROM u WHERE u.k = t.k ORDER BY n) END AS a FROM t",
        "SELECT id, ARRAY(SELECT rank() OVER (ORDER BY v) FROM u WHERE u.k = t.k ORDER BY 1) AS a FROM t",
        "SELECT id, ARRAY(SELECT generate_series(1, u.n) FROM u WHERE u.k = t.k ORDER BY 1) AS a FROM t",
        "SELECT id, ARRAY(SELECT DISTINCT ON (v) id FROM u WHERE u.k = t.k ORDER BY v, id DESC) AS a FROM t",
        "SELECT id, ARRAY(SELECT s::varchar(3) FROM t AS o WHERE o.k = t.k ORDER BY o.id) AS a FROM t",
    ]);
    let mut w = World::new(TABLES);
    w.run(&creation(
        "loose",
        "SELECT id, ARRAY(SELECT v FROM u WHERE u.k = t.k) AS a, ARRAY(SELECT k FROM bag) AS b FROM t",
        "DIFFERENTIAL",
    ));
    for batch in BATCHES {
        w.run(batch);
        w.run("SELECT pgtrickle.refresh_stream_table('loose')");
        let action = harness::last_refresh(&mut w.client, "loose").action;
        assert_ne!(action, "FULL", "after {batch}");
        let sorted = |a: &str| format!("ARRAY(SELECT unnest({a}) ORDER BY 1)");
        let differences = format!(
            "SELECT id, {} AS a, {} AS b FROM loose EXCEPT ALL
             SELECT id, ARRAY(SELECT v FROM u WHERE u.k = t.k ORDER BY v), ARRAY(SELECT k FROM bag ORDER BY k) FROM t",
            sorted("a"),
            sorted("b"),
        );
        assert_eq!(w.rows(&differences).len(), 0, "after {batch}");
        let count = "SELECT (SELECT count(*) FROM loose) = (SELECT count(*) FROM t)";
        assert_eq!(w.rows(count), ["(t)"], "after {batch}");
    }
}

/// A row compared with the only row of a subquery, if there is one.
#[test]
fn rows_and_scalar_subqueries() {
    keep_all(&[
        "SELECT id FROM t WHERE (k, v) = (SELECT k, v FROM u WHERE u.id = t.id)",
        "SELECT id, (k, v) <> (SELECT k, v FROM u WHERE u.id = t.w) AS a, (v, k) < (SELECT max(v), min(k) FROM bag WHERE bag.k = t.k) AS b FROM t",
        "SELECT id, ((k, v) >= (SELECT min(k), max(v) FROM u)) IS NULL AS a FROM t",
        "SELECT id FROM t WHERE ROW(v) = (SELECT count(*) FROM u WHERE u.k = t.k) OR (w, v) > (SELECT n, k FROM u ORDER BY id LIMIT 1)",
        "SELECT k, sum(v) AS s FROM t GROUP BY k HAVING (sum(v), k) >= (SELECT min(v), max(k) FROM bag)",
    ]);
}

/// Subqueries in conditions of outer joins, of the one side, the other, or both; and in joins inside.
#[test]
fn outer_joins_on_subqueries() {
    keep_all(&[
        "SELECT t.id, u.id AS uid FROM t LEFT JOIN u ON u.k = t.k AND EXISTS (SELECT FROM bag WHERE bag.k = t.v)",
        "SELECT t.id, u.id AS uid FROM t LEFT JOIN u ON u.k = t.k AND u.v IN (SELECT v FROM bag)",
        "SELECT t.id, u.id AS uid FROM t LEFT JOIN u ON u.k = t.k AND u.v NOT IN (SELECT v FROM bag WHERE bag.k = t.v)",
        "SELECT t.id, u.id AS uid FROM t RIGHT JOIN u ON u.k = t.k AND EXISTS (SELECT FROM bag WHERE bag.k = t.v AND bag.v = u.v)",
        "SELECT t.id, u.id AS uid FROM t RIGHT JOIN u ON u.k = t.k AND t.v = (SELECT max(v) FROM bag WHERE bag.k = u.n)",
        "SELECT t.id, u.id AS uid FROM t FULL JOIN u ON t.k = (SELECT max(bag.v) FROM bag WHERE bag.k = u.k)",
        "SELECT t.id, u.id AS uid, b.v FROM t LEFT JOIN (u JOIN bag AS b ON b.k = u.k AND EXISTS (SELECT FROM bag WHERE bag.v = u.n)) ON u.k = t.k AND EXISTS (SELECT FROM bag WHERE bag.v = t.v)",
        "SELECT t.id, x.m FROM t LEFT JOIN LATERAL (SELECT max(v) AS m FROM u WHERE u.k = t.k) AS x ON x.m > (SELECT count(*) FROM bag WHERE bag.k = x.m) AND EXISTS (SELECT FROM bag WHERE bag.k = t.v)",
        "SELECT b.k, b.v, u.id FROM bag AS b LEFT JOIN u ON u.k = b.k OR EXISTS (SELECT FROM t WHERE t.w = u.n AND t.v = b.v)",
        "SELECT t.id, (SELECT sum(u.n) FROM u LEFT JOIN bag AS b ON b.k = u.k AND b.v IN (SELECT x.v FROM bag AS x WHERE x.k = t.k) WHERE u.k = t.k) AS n FROM t",
        "SELECT t.id, u.id AS uid FROM t LEFT JOIN u ON u.k = t.k AND u.v = (SELECT x.v FROM u AS x WHERE x.id = t.id)",
    ]);
}

/// Rows of VALUES that read subqueries, or what stands around them; and what is beside a FULL join.
#[test]
fn values_of_subqueries() {
    keep_all(&[
        "SELECT id FROM t WHERE v IN (VALUES ((SELECT max(v) FROM u)), (1), (t.w))",
        "SELECT id, (SELECT max(x) FROM (VALUES (t.v), (t.w), (t.k)) AS y (x)) AS m FROM t",
        "SELECT t.id, x.a FROM t, LATERAL (VALUES (t.v, 'v'), (t.w, 'w')) AS x (a, b) WHERE x.b = 'v' OR x.a > 1",
        "SELECT t.id, x.a FROM t LEFT JOIN LATERAL (VALUES (t.v, 0), (t.w, 1)) AS x (a, b) ON x.a = t.k",
        "SELECT a, b FROM (VALUES ((SELECT count(*) FROM u), 'u'), ((SELECT count(*) FROM bag), 'bag')) AS x (a, b)",
        "SELECT t.id, u.id AS uid FROM t JOIN u ON u.id = t.id WHERE t.v IN (VALUES (u.v), (3))",
        "SELECT k, v, (SELECT count(*) FROM (VALUES (bag.k), (bag.v)) AS x (a) WHERE x.a > (SELECT min(v) FROM u)) AS n FROM bag",
        "SELECT id, (SELECT count(*) FROM (SELECT k, v FROM u WHERE u.n < t.w) AS a FULL JOIN (SELECT k, v FROM bag WHERE bag.k <> t.v) AS b ON a.k = b.k) AS n FROM t",
        "SELECT t.id, x.a, x.b FROM t, LATERAL (SELECT a.v AS a, b.v AS b FROM u AS a FULL JOIN bag AS b ON a.k = b.k + t.w) AS x WHERE x.b IS NULL OR x.a = 1",
    ]);
}

/// Parameters of types of which equal values can look different, beside rows without a key.
#[test]
fn parameters_with_images() {
    let mut w = World::new(
        "CREATE TABLE a (x numeric, y float8, z int[]);
         CREATE TABLE b (id int PRIMARY KEY, x numeric, y float8, z int[]);
         INSERT INTO a VALUES (1, 0, '{1,2}'), (1.0, '-0', '{1,2}'), (1.00, 0, NULL), (1.0, 0, '{}'), (NULL, NULL, '{1}'), ('NaN', 'NaN', '[0:0]={1}');
         INSERT INTO b VALUES (1, 1.00, 0, '{1,2}'), (2, 2, '-0', '{1}'), (3, NULL, 1, '{}'), (4, 'NaN', 'NaN', '[0:0]={1}')",
    );
    for (i, query) in [
        "SELECT x, (SELECT max(b.x::text || a.x::text) FROM b WHERE b.x <= a.x) AS m FROM a",
        "SELECT x, y, (SELECT string_agg(a.y::text || b.id::text, ',' ORDER BY b.id) FROM b WHERE b.y >= a.y AND b.x = a.x) AS m FROM a",
        "SELECT z, (SELECT count(*) FROM b WHERE b.z > a.z) AS n, ARRAY(SELECT a.z[1] + b.id FROM b WHERE b.z && a.z ORDER BY b.id) AS l FROM a",
        "SELECT x FROM a WHERE EXISTS (SELECT b.x FROM b WHERE b.x >= a.x GROUP BY b.x HAVING max(length(a.x::text) + b.id) > 4)",
    ]
    .into_iter()
    .enumerate()
    {
        w.keep(&format!("st{i}"), query);
    }
    for batch in [
        "INSERT INTO a VALUES (1.0, '-0', '{1,2}'), (1, 0, '{3}')",
        "UPDATE a SET x = 1.000 WHERE x::text = '1'; UPDATE b SET x = 1 WHERE id = 1",
        "DELETE FROM a WHERE x::text = '1.0'; INSERT INTO b VALUES (9, 1, '-0', '{2}')",
        "UPDATE a SET y = '-0' WHERE y = 0; UPDATE b SET y = 0, z = z || 1",
        "DELETE FROM b WHERE id IN (1, 9); INSERT INTO a SELECT x, y, z FROM a",
    ] {
        w.batch(batch);
    }
}

/// Where a row that the query evaluates has a second row in its subquery, the refresh fails as the
/// query does, and loses nothing. Where none asks for the value, it does not.
#[test]
fn trap_scalar_subquery_of_two_rows() {
    let mut w = World::new(TABLES);
    w.run("DELETE FROM u WHERE id > 5; DELETE FROM bag");
    let by_k = "SELECT id, (SELECT v FROM u WHERE u.k = t.k) AS v FROM t";
    let queries = [
        by_k,
        "SELECT id FROM t WHERE w < 4 AND v = (SELECT u.v FROM u WHERE u.k = t.k)",
        "SELECT k, sum((SELECT u.v + t.v FROM u WHERE u.k = t.k)) AS s FROM t GROUP BY k",
        "SELECT id, (k, v) = (SELECT k, v FROM u WHERE u.k = t.k) AS same FROM t",
        "SELECT (SELECT v FROM u WHERE u.k = t.k) AS v, count(*) AS n FROM t GROUP BY 1",
        "SELECT t.id, x.id AS other FROM t LEFT JOIN t AS x ON x.id = t.w AND x.v = (SELECT u.v FROM u WHERE u.k = t.k)",
    ];
    for (i, query) in queries.iter().enumerate() {
        w.keep(&format!("st{i}"), query);
    }
    // Nobody asks for the second row.
    w.keep(
        "in_case",
        "SELECT id, CASE WHEN w NOT IN (0, 1) THEN (SELECT v FROM u WHERE u.n = t.w) ELSE -1 END AS v FROM t",
    );
    w.keep(
        "filtered",
        "SELECT id, (SELECT u.v FROM u WHERE u.k = t.k + 10) AS v FROM t WHERE k <> 0",
    );
    w.keep(
        "all_of_bag",
        "SELECT (SELECT k FROM bag) AS k, (SELECT v FROM bag) > 1 AS v",
    );
    w.keep(
        "bag_if_asked",
        "SELECT id, CASE WHEN w > 99 THEN (SELECT v FROM bag) ELSE coalesce(v, (SELECT k FROM bag)) END AS c FROM t",
    );
    for batch in [
        "INSERT INTO u VALUES (30, 9, 5, 1), (31, 9, 6, 1), (32, 10, 1, 1), (33, 10, 2, 1), (34, 11, 7, 7)",
        "UPDATE u SET v = v + 1; INSERT INTO bag VALUES (7, 7)",
        "INSERT INTO u VALUES (40, 0, 8, 8); DELETE FROM u WHERE id = 3",
        // Gone again when the refresh looks.
        "INSERT INTO u VALUES (41, 1, 8, 8); UPDATE t SET v = v + 1 WHERE k = 1; DELETE FROM u WHERE id = 41",
        // The rows change places, and go with those that ask.
        "UPDATE u SET k = 3 - k WHERE k < 3; DELETE FROM t WHERE k = 3",
        "INSERT INTO u VALUES (42, 3, 1, 1), (43, 3, 1, 1)",
        "DELETE FROM u WHERE k = 3; INSERT INTO t VALUES (50, 3, 3, 'x', 3)",
        // Those that would ask go with the change; the second row goes as others come to ask.
        "DELETE FROM t WHERE id = 50; INSERT INTO u VALUES (44, 3, 5, 5), (45, 3, 6, 6)",
        "DELETE FROM u WHERE id = 44; INSERT INTO t VALUES (51, 3, 3, 'x', 3); UPDATE t SET v = v + 1 WHERE k = 2",
        "DELETE FROM bag; INSERT INTO bag VALUES (1, NULL)",
        "UPDATE t SET k = NULL WHERE id = 4; UPDATE u SET v = NULL WHERE k = 1",
    ] {
        w.batch(batch);
    }
    // Two of the same value are two.
    for (change, undo, more) in [
        (
            "INSERT INTO u SELECT 60, k, v, n FROM u WHERE k = 1",
            "DELETE FROM u WHERE id = 60",
            "UPDATE t SET v = v - 1",
        ),
        (
            "INSERT INTO t VALUES (61, 9, 1, 'x', 1)",
            "DELETE FROM t WHERE id = 61",
            "INSERT INTO u VALUES (62, 77, 1, 1)",
        ),
        (
            "UPDATE t SET k = 9 WHERE id = 6",
            "UPDATE t SET k = 2 WHERE id = 6",
            "UPDATE u SET v = 2 WHERE k = 1",
        ),
    ] {
        w.run(&format!("{change}; {more}"));
        for (i, query) in queries.iter().enumerate() {
            let (state, message) = w.fails(query);
            assert_eq!(state, "21000", "{query} after {change}: {message}");
            for _ in 0..2 {
                let refresh = format!("SELECT pgtrickle.refresh_stream_table('st{i}')");
                let (state, message) = w.fails(&refresh);
                assert_eq!(state, "21000", "{query} after {change}: {message}");
                assert!(message.contains("more than one row"), "{message}");
            }
        }
        w.batch(undo);
    }
    w.run("INSERT INTO bag VALUES (3, 3)");
    let (state, message) = w.fails("SELECT pgtrickle.refresh_stream_table('all_of_bag')");
    assert_eq!(state, "21000", "{message}");
    w.run("UPDATE t SET v = 1 WHERE v IS NULL");
    harness::refresh(&mut w.client, "bag_if_asked", "DIFFERENTIAL");
    w.run("UPDATE t SET v = NULL WHERE id = 8");
    let (state, message) = w.fails("SELECT pgtrickle.refresh_stream_table('bag_if_asked')");
    assert_eq!(state, "21000", "{message}");
    w.batch("DELETE FROM bag WHERE k = 3");
    // Creation fails as the query fails.
    w.run("INSERT INTO u SELECT id + 100, k, v, n FROM u");
    let (state, message) = w.fails(&creation("late", by_k, "DIFFERENTIAL"));
    assert_eq!(state, "21000", "{message}");
}
