//! Groups that come, go and change.

use crate::support::World;

/// NULL as a key: equal when grouping, not when joining.
#[test]
fn trap_null_group_key() {
    let mut w = World::new(
        "CREATE TABLE t (a int, b text, v int);
         CREATE TABLE u (a int, c int);
         INSERT INTO t VALUES (1, 'x', 1), (NULL, 'x', 2), (NULL, NULL, 3), (NULL, NULL, 4), (1, NULL, 5);
         INSERT INTO u VALUES (1, 1), (NULL, 2), (NULL, 3)",
    );
    w.keep(
        "grouped",
        "SELECT a, b, count(*) AS n, sum(v) AS s, max(v) AS m FROM t GROUP BY a, b",
    );
    w.keep(
        "by_one",
        "SELECT a, count(*) AS n, count(a) AS not_null FROM t GROUP BY a",
    );
    w.keep(
        "by_expression",
        "SELECT a + 1 AS k, min(v) AS m FROM t GROUP BY a + 1",
    );
    w.keep("distinct_rows", "SELECT DISTINCT a, b FROM t");
    w.keep("joined", "SELECT t.v, u.c FROM t JOIN u ON t.a = u.a");
    w.keep("joined_using", "SELECT a, b, c FROM t JOIN u USING (a)");
    w.keep("unknown", "SELECT t.v FROM t, u WHERE NOT (t.a = u.a)");
    w.keep(
        "is_distinct",
        "SELECT t.v, u.c FROM t JOIN u ON t.a IS NOT DISTINCT FROM u.a",
    );
    w.keep(
        "all_of_both",
        "SELECT DISTINCT a FROM (SELECT a FROM t UNION ALL SELECT a FROM u) AS x",
    );
    w.keep("outer_groups", "SELECT n, count(*) AS groups FROM (SELECT a, count(*) AS n FROM t GROUP BY a) AS g GROUP BY n");
    for sql in [
        "DELETE FROM t WHERE v = 3",
        "INSERT INTO t VALUES (NULL, NULL, NULL), (NULL, 'x', NULL); INSERT INTO u VALUES (NULL, NULL)",
        "UPDATE t SET a = NULL WHERE a = 1; UPDATE u SET a = NULL WHERE a = 1",
        "UPDATE t SET a = 2 WHERE b IS NULL; UPDATE u SET a = 2 WHERE c = 3",
        "UPDATE t SET a = NULL, b = NULL",
        "DELETE FROM t WHERE a IS NULL",
        "DELETE FROM u; INSERT INTO t VALUES (NULL, NULL, 1)",
    ] {
        w.batch(sql);
    }
    assert_eq!(w.rows("SELECT * FROM grouped"), ["(,,1,1,1)"]);
}

/// The last value that is not NULL leaves a group: its sum is NULL, not 0.
#[test]
fn trap_null_sum() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, k int NOT NULL, i int, n numeric(9,2), x numeric, f float8, m money, d interval);
         CREATE TABLE u (k int PRIMARY KEY, name text);
         INSERT INTO t SELECT i, i % 2, i, i, i / 3.0, i, i, i * interval '1 day' FROM generate_series(1, 6) i;
         INSERT INTO u VALUES (0, 'even'), (1, 'odd')",
    );
    let sums = "sum(i) AS i, sum(n) AS n, sum(x) AS x, sum(f) AS f, sum(m) AS m, sum(d) AS d, avg(i) AS ai, avg(n) AS an, avg(f) AS af, avg(d) AS ad, count(i) AS c";
    w.keep("grouped", &format!("SELECT k, {sums} FROM t GROUP BY k"));
    w.keep("global", &format!("SELECT {sums} FROM t"));
    w.keep(
        "joined",
        &format!("SELECT u.name, {sums} FROM t JOIN u USING (k) GROUP BY u.name"),
    );
    w.keep("shown", "SELECT k, coalesce(sum(i), -1) AS s, sum(i) IS NULL AS none, sum(i + n) AS both FROM t GROUP BY k");
    w.keep(
        "nested",
        "SELECT sum(s) AS total, count(s) AS n FROM (SELECT k, sum(i) AS s FROM t GROUP BY k) AS g",
    );
    let nulls = "i = NULL, n = NULL, x = NULL, f = NULL, m = NULL, d = NULL";
    for sql in [
        format!("UPDATE t SET {nulls} WHERE id IN (1, 3)"),
        format!("UPDATE t SET {nulls} WHERE id = 5"),
        "INSERT INTO t (id, k) VALUES (7, 1), (8, 2)".to_owned(),
        "UPDATE t SET i = 0, n = 0, x = 0, f = 0, m = 0, d = '0' WHERE id = 7".to_owned(),
        "DELETE FROM t WHERE id = 7; UPDATE u SET name = 'ODD' WHERE k = 1".to_owned(),
        format!("UPDATE t SET {nulls}"),
        "UPDATE t SET n = 1 WHERE id = 2; UPDATE t SET i = -id".to_owned(),
        "UPDATE t SET k = 1 WHERE k = 0".to_owned(),
        "DELETE FROM t WHERE k = 1".to_owned(),
        "DELETE FROM t".to_owned(),
        "INSERT INTO t (id, k) VALUES (1, 1)".to_owned(),
    ] {
        w.batch(&sql);
    }
    assert_eq!(w.rows("SELECT * FROM nested"), ["(,0)"]);
}

/// An aggregate without GROUP BY over nothing is one row.
#[test]
fn trap_empty_global_aggregate() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, v int, f float8);
         CREATE TABLE u (id int PRIMARY KEY, v int)",
    );
    w.keep("all_of", "SELECT count(*) AS n, count(v) AS c, sum(v) AS s, avg(v) AS a, min(v) AS lo, max(v) AS hi, sum(f) AS f FROM t");
    w.keep("extremum", "SELECT max(v) AS hi FROM t");
    w.keep("counted", "SELECT count(*) AS n FROM t");
    w.keep("filtered", "SELECT sum(v) AS s FROM t WHERE v > 100");
    w.keep(
        "joined",
        "SELECT count(*) AS n, sum(t.v * u.v) AS s FROM t JOIN u USING (id)",
    );
    w.keep(
        "having_many",
        "SELECT count(*) AS n FROM t HAVING count(*) > 1",
    );
    w.keep("having_empty", "SELECT 1 AS one FROM t HAVING count(*) = 0");
    w.keep(
        "crossed",
        "SELECT u.id, x.n FROM u, (SELECT count(*) AS n FROM t) AS x",
    );
    w.keep(
        "shown",
        "SELECT coalesce(sum(v), 0) + 1 AS s, 'k' AS k FROM t",
    );
    w.keep("no_source", "SELECT count(*) AS n FROM t WHERE false");
    w.keep("two_counts", "SELECT x.n, y.n AS m FROM (SELECT count(*) AS n FROM t) AS x, (SELECT count(*) AS n FROM u) AS y");
    w.keep(
        "by_constant",
        "SELECT 1 AS k, count(*) AS n FROM t GROUP BY 1",
    );
    w.keep(
        "united",
        "SELECT count(*) AS n FROM t UNION ALL SELECT count(*) FROM u",
    );
    for sql in [
        "INSERT INTO t VALUES (1, 1, 1)",
        "INSERT INTO u VALUES (1, 5), (2, 6)",
        "INSERT INTO t VALUES (2, 200, 2); DELETE FROM t WHERE id = 1",
        "DELETE FROM t",
        "INSERT INTO t VALUES (1, NULL, NULL); DELETE FROM u",
        "DELETE FROM t; INSERT INTO u VALUES (1, 1)",
        "INSERT INTO t SELECT i, i * 60, i FROM generate_series(1, 4) i; UPDATE u SET v = 2",
        "DELETE FROM t; DELETE FROM u",
        "INSERT INTO t VALUES (1, 1, 1); DELETE FROM t",
    ] {
        w.batch(sql);
    }
    assert_eq!(w.rows("SELECT * FROM all_of"), ["(0,0,,,,,)"]);
    assert_eq!(w.rows("SELECT * FROM no_source"), ["(0)"]);
    assert_eq!(w.rows("SELECT * FROM by_constant").len(), 0);
}

/// Groups cross HAVING in both directions, stay across, and appear just to vanish.
#[test]
fn trap_having_crossing() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, k int NOT NULL, v int);
         INSERT INTO t SELECT i, i % 4, i FROM generate_series(1, 12) i",
    );
    w.keep(
        "by_sum",
        "SELECT k, sum(v) AS s FROM t GROUP BY k HAVING sum(v) > 18",
    );
    w.keep(
        "hidden",
        "SELECT k FROM t GROUP BY k HAVING count(*) BETWEEN 2 AND 3 AND max(v) < 100",
    );
    w.keep(
        "by_key",
        "SELECT k, count(*) AS n FROM t GROUP BY k HAVING k <> 2 AND min(v) >= 0",
    );
    w.keep("on_top", "SELECT count(*) AS groups, sum(s) AS s FROM (SELECT k, sum(v) AS s FROM t GROUP BY k HAVING count(*) > 2) AS g");
    w.keep("filter", "SELECT k, count(*) FILTER (WHERE v > 5) AS n FROM t GROUP BY k HAVING count(*) FILTER (WHERE v > 5) > 1");
    for sql in [
        "UPDATE t SET v = v + 10 WHERE id = 1",
        "UPDATE t SET v = v - 10 WHERE id = 1",
        "UPDATE t SET v = v + 5 WHERE k = 3",
        "INSERT INTO t VALUES (100, 9, 50), (101, 9, 50); DELETE FROM t WHERE id = 100",
        "DELETE FROM t WHERE id = 101",
        "INSERT INTO t VALUES (102, 8, 50); DELETE FROM t WHERE id = 102",
        "UPDATE t SET k = 0 WHERE k = 1; UPDATE t SET k = 1 WHERE k = 2",
        "UPDATE t SET v = NULL WHERE k = 0",
        "UPDATE t SET v = 1000 WHERE id = 4; UPDATE t SET v = -1 WHERE id = 3",
        "UPDATE t SET v = 7 WHERE v = 1000 OR v < 0 OR v IS NULL",
        "DELETE FROM t WHERE id % 2 = 0",
        "DELETE FROM t",
        "INSERT INTO t SELECT i, i % 2, i * 10 FROM generate_series(1, 6) i",
    ] {
        w.batch(sql);
    }
    assert_eq!(w.rows("SELECT * FROM by_sum"), ["(0,120)", "(1,90)"]);
}

/// The extremum is deleted, a duplicate of it is, the group is emptied.
#[test]
fn trap_min_max_retract() {
    let mut w = World::new(
        "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
         CREATE TABLE t (id int PRIMARY KEY, k int, v int, s text, d date, m mood, a int[], i inet);
         INSERT INTO t SELECT i, i % 3, (i * 7) % 11, 's' || (i * 7) % 11, date '2024-01-01' + (i * 7) % 11,
             (enum_range(NULL::mood))[i % 3 + 1], ARRAY[i % 5, i], ('10.0.0.' || i % 9)::inet
         FROM generate_series(1, 30) i;
         CREATE TABLE u (k int PRIMARY KEY, w int);
         INSERT INTO u VALUES (0, 1), (1, 2), (2, 3)",
    );
    let all = "min(v) AS v0, max(v) AS v1, min(s) AS s0, max(s) AS s1, min(d) AS d0, max(d) AS d1, min(m) AS m0, max(m) AS m1, min(a) AS a0, max(a) AS a1, min(i) AS i0, max(i) AS i1";
    w.keep("grouped", &format!("SELECT k, {all} FROM t GROUP BY k"));
    w.keep("global", &format!("SELECT {all} FROM t"));
    w.keep("joined", "SELECT u.w, max(t.v * u.w) AS hi, min(t.v - u.w) AS lo FROM t JOIN u USING (k) GROUP BY u.w");
    w.keep("spread", "SELECT max(hi) AS hi, min(lo) AS lo, max(hi - lo) AS spread FROM (SELECT k, max(v) AS hi, min(v) AS lo FROM t GROUP BY k) AS g");
    w.keep(
        "filtered",
        "SELECT k, max(v) FILTER (WHERE s > 's3') AS hi FROM t GROUP BY k",
    );
    for sql in [
        "DELETE FROM t WHERE v = 10",
        "DELETE FROM t WHERE id = (SELECT min(id) FROM t WHERE v = 0)",
        "UPDATE t SET v = v + 1 WHERE v = (SELECT max(v) FROM t)",
        "DELETE FROM t WHERE v = (SELECT max(v) FROM t); INSERT INTO t (id, k, v, s) VALUES (100, 0, 9, NULL)",
        "UPDATE t SET v = NULL, s = NULL, d = NULL, m = NULL, a = NULL, i = NULL WHERE k = 1",
        "INSERT INTO t (id, k, v) VALUES (101, 1, 1), (102, 1, 1)",
        "DELETE FROM t WHERE id = 101; UPDATE u SET w = -w WHERE k < 2",
        "UPDATE t SET v = -v, k = 2 - k",
        "INSERT INTO t (id, k, v) VALUES (200, 2, 1000); UPDATE t SET v = -1000 WHERE id = 200",
        "DELETE FROM t WHERE k = 2",
        "UPDATE u SET k = 7 - k",
        "DELETE FROM t",
        "INSERT INTO t (id, k, v) VALUES (1, 5, 3), (2, 5, 3)",
    ] {
        w.batch(sql);
    }
    assert_eq!(w.rows("SELECT * FROM spread"), ["(3,3,0)"]);
}

/// FILTER inside aggregates. DISTINCT and ORDER BY inside them, ordered-set aggregates and users'
/// own are refused (see `refused.rs`), but where they change nothing.
#[test]
fn trap_aggregate_filter_distinct_order() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, k int, v int, f float8, ok bool);
         INSERT INTO t SELECT i, i % 3, i, i, i % 2 = 0 FROM generate_series(1, 12) i",
    );
    w.keep("filters", "SELECT k, count(*) FILTER (WHERE ok) AS n, count(v) FILTER (WHERE v > 5) AS c, sum(v) FILTER (WHERE ok) AS s,
         avg(v) FILTER (WHERE NOT ok) AS a, min(v) FILTER (WHERE v > 3) AS lo, max(v) FILTER (WHERE ok IS NULL) AS hi,
         sum(f) FILTER (WHERE ok) AS f, count(*) AS all_rows FROM t GROUP BY k");
    w.keep("global", "SELECT sum(v) FILTER (WHERE ok) AS s, count(*) FILTER (WHERE false) AS never, sum(v) FILTER (WHERE NULL) AS unknown FROM t");
    w.keep("same_twice", "SELECT k, sum(v) FILTER (WHERE ok) AS a, sum(v) FILTER (WHERE NOT ok) AS b, sum(v) AS c FROM t GROUP BY k");
    w.keep(
        "idle_distinct",
        "SELECT k, min(DISTINCT v) AS lo, max(DISTINCT v) AS hi FROM t GROUP BY k",
    );
    for sql in [
        "UPDATE t SET ok = NOT ok WHERE id <= 4",
        "UPDATE t SET ok = NULL WHERE k = 1",
        "DELETE FROM t WHERE ok; UPDATE t SET v = NULL WHERE id = 5",
        "UPDATE t SET ok = true, v = v - 3",
        "INSERT INTO t VALUES (20, NULL, NULL, NULL, NULL), (21, 7, 1, 1, false)",
        "DELETE FROM t WHERE ok IS NOT NULL",
        "DELETE FROM t",
    ] {
        w.batch(sql);
    }
}

/// SUM(CASE …), nested CASE and COALESCE, around and inside aggregates.
#[test]
fn trap_case_in_sum() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, k text, status text, v int, n numeric(8,2));
         CREATE TABLE kind (k text PRIMARY KEY, weight int);
         INSERT INTO t SELECT i, 'k' || i % 3, (ARRAY['new', 'paid', 'gone', NULL])[i % 4 + 1], i, i * 1.25 FROM generate_series(1, 24) i;
         INSERT INTO kind VALUES ('k0', 1), ('k1', NULL), ('k2', 3)",
    );
    w.keep("sums", "SELECT k, sum(CASE WHEN status IN ('new', 'paid') THEN v ELSE 0 END) AS open,
         sum(CASE WHEN status = 'paid' THEN n END) AS paid, sum(CASE status WHEN 'gone' THEN -1 WHEN 'new' THEN 1 END) AS net,
         count(CASE WHEN v % 2 = 0 THEN 1 END) AS even, avg(CASE WHEN status IS NULL THEN n ELSE 0 END) AS a
         FROM t GROUP BY k");
    w.keep("nested", "SELECT sum(CASE WHEN v > 5 THEN CASE WHEN v > 10 THEN coalesce(n, 0) ELSE 1 END ELSE coalesce(nullif(v, 3), 100) END) AS s,
         CASE WHEN count(*) > 20 THEN 'many' WHEN sum(v) IS NULL THEN 'unknown' ELSE 'few' END AS size FROM t");
    w.keep("key", "SELECT CASE WHEN v < 8 THEN 'low' WHEN v < 16 THEN 'mid' END AS band, count(*) AS n, sum(v) AS s FROM t GROUP BY 1");
    w.keep("joined", "SELECT kind.k, sum(CASE WHEN t.status = 'paid' THEN t.v * coalesce(kind.weight, 0) ELSE -1 END) AS s
         FROM t JOIN kind ON kind.k = t.k GROUP BY kind.k HAVING sum(CASE WHEN t.v > 0 THEN 1 ELSE 0 END) > 2");
    w.keep("share", "SELECT k, 100.0 * sum(CASE WHEN status = 'paid' THEN n ELSE 0 END) / nullif(sum(n), 0) AS share FROM t GROUP BY k");
    for sql in [
        "UPDATE t SET status = 'paid' WHERE status = 'new'",
        "UPDATE t SET status = NULL WHERE v % 3 = 0; UPDATE kind SET weight = coalesce(weight, 0) + 1",
        "UPDATE t SET v = NULL WHERE id < 6; UPDATE t SET n = NULL WHERE id > 20",
        "DELETE FROM t WHERE k = 'k0'; INSERT INTO t VALUES (99, 'k9', 'paid', 3, 3), (98, 'k1', '', 0, 0)",
        "UPDATE t SET n = -n, v = v + 8",
        "DELETE FROM kind WHERE weight > 1",
        "DELETE FROM t",
    ] {
        w.batch(sql);
    }
    assert_eq!(w.rows("SELECT * FROM nested"), ["(,unknown)"]);
}

/// CUBE, ROLLUP, nested and combined sets, GROUPING(); NULL as data beside NULL as total.
#[test]
fn trap_grouping_sets() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, a int, b text, c date, v numeric(9,2));
         CREATE TABLE u (a int, name text);
         INSERT INTO t SELECT i, nullif(i % 4, 3), nullif('b' || i % 3, 'b2'), date '2024-01-01' + i % 2, i
             FROM generate_series(1, 20) i;
         INSERT INTO u VALUES (0, 'zero'), (1, 'one'), (NULL, 'none')",
    );
    w.keep(
        "rolled",
        "SELECT a, b, GROUPING(a, b) AS g, count(*) AS n, sum(v) AS s FROM t GROUP BY ROLLUP (a, b)",
    );
    w.keep(
        "cubed",
        "SELECT a, b, c, GROUPING(c) AS g, sum(v) AS s, avg(v) AS mean, max(v) AS most FROM t GROUP BY CUBE (a, b, c)",
    );
    w.keep(
        "sets",
        "SELECT a, b, c, count(*) AS n FROM t GROUP BY GROUPING SETS ((a, b), (c), (), ())",
    );
    w.keep(
        "nested",
        "SELECT a, b, c, count(*) AS n FROM t GROUP BY GROUPING SETS (a, ROLLUP (b, c), CUBE (a, c))",
    );
    w.keep(
        "combined",
        "SELECT a, b, c, min(v) AS least FROM t GROUP BY a, ROLLUP (b), GROUPING SETS (c, ())",
    );
    w.keep(
        "composed",
        "SELECT a, b, c, count(*) AS n FROM t GROUP BY ROLLUP ((a, b), c)",
    );
    w.keep(
        "once",
        "SELECT a, b, count(*) AS n FROM t GROUP BY DISTINCT ROLLUP (a, b), ROLLUP (a, b)",
    );
    w.keep(
        "expressions",
        "SELECT a % 2 AS parity, a % 2 + 1 AS more, coalesce(b, 'all') AS b, sum(v) FILTER (WHERE v > 5) AS s
         FROM t GROUP BY ROLLUP (a % 2, b) HAVING count(*) > 1 OR GROUPING(b) = 1",
    );
    w.keep(
        "joined",
        "SELECT u.name, t.b, count(*) AS n FROM t LEFT JOIN u ON u.a = t.a GROUP BY GROUPING SETS ((u.name), (t.b))",
    );
    w.keep(
        "dependent",
        "SELECT id, b, a, count(*) AS n FROM t GROUP BY id, ROLLUP (b)",
    );
    w.keep(
        "plain_grouping",
        "SELECT a, GROUPING(a) AS g FROM t GROUP BY a",
    );
    w.keep(
        "above",
        "SELECT g, count(*) AS groups FROM (SELECT GROUPING(a, b) AS g FROM t GROUP BY CUBE (a, b)) AS x GROUP BY g",
    );
    for batch in [
        "INSERT INTO t VALUES (30, NULL, NULL, NULL, NULL), (31, 7, 'b7', '2025-01-01', 7)",
        "DELETE FROM t WHERE id = 31; UPDATE t SET a = NULL WHERE id % 5 = 0",
        "UPDATE t SET b = 'moved', v = v + 1 WHERE a = 1; DELETE FROM u WHERE a = 1",
        "DELETE FROM t",
        "INSERT INTO t VALUES (1, 1, 'x', NULL, 3)",
    ] {
        w.batch(batch);
    }
    let (code, _) = w.fails(
        "SELECT pgtrickle.create_stream_table('bad', 'SELECT a, GROUPING(b) AS g FROM t GROUP BY ROLLUP (a)')",
    );
    assert_eq!(code, "42803");
}

/// Views that have a row for each group, or none, made of that group's row alone.
#[test]
fn views_follow_their_groups() {
    let mut w = World::new("CREATE TABLE t (id int PRIMARY KEY, k text, v bigint, x numeric)");
    // The key is not the first column, the sum may be NULL, and a row comes and goes.
    w.keep(
        "many",
        "SELECT sum(v) AS s, k, count(*) * 2 AS twice FROM t WHERE k IS NOT NULL GROUP BY k \
         HAVING count(*) > 1",
    );
    w.keep(
        "shown",
        "SELECT k, coalesce(sum(v), -1) AS s, sum(x) AS x, 10 / count(*) AS tenth FROM t \
         WHERE k IS NOT NULL GROUP BY k",
    );
    w.keep(
        "keys",
        "SELECT k FROM t WHERE k IS NOT NULL GROUP BY k HAVING sum(v) > 3",
    );
    w.keep("nulls", "SELECT sum(v) + 1 AS s, k FROM t GROUP BY k");
    w.keep(
        "above",
        "SELECT s, count(*) AS n FROM (SELECT k, sum(v) AS s FROM t GROUP BY k) AS q GROUP BY s",
    );
    for sql in [
        "INSERT INTO t VALUES (1, 'a', 1, 1.50), (2, 'a', NULL, 1), (3, 'b', 2, NULL), (4, NULL, 5, 0)",
        "UPDATE t SET v = 7 WHERE id = 2",
        "UPDATE t SET v = NULL, x = 1.5 WHERE k = 'a'",
        "DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (5, 'b', 9223372036854775807, 2), (6, 'b', 9223372036854775807, 2)",
        "UPDATE t SET v = -9223372036854775808 WHERE id >= 5",
        "UPDATE t SET k = 'a' WHERE k = 'b'; UPDATE t SET k = 'c' WHERE id = 2",
        "UPDATE t SET k = 'c'",
        "UPDATE t SET x = x + 0.000 WHERE k = 'c'",
        "DELETE FROM t",
        "INSERT INTO t VALUES (1, 'a', 4, 4)",
    ] {
        w.batch(sql);
    }
    assert_eq!(w.rows("SELECT k FROM keys"), ["(a)"]);
    assert_eq!(w.rows("SELECT k, s, x, tenth FROM shown"), ["(a,4,4,10)"]);
}

/// Rows without a type of their own as what rows are told apart by: kept as their fields.
#[test]
fn rows_as_keys() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, k int, v int, s text);
         CREATE TABLE u (k int, w int);
         INSERT INTO t SELECT i, nullif(i % 4, 3), i % 3, 's' || i % 2 FROM generate_series(1, 20) i;
         INSERT INTO u SELECT nullif(i % 5, 4), i % 3 FROM generate_series(1, 12) i",
    );
    for (name, query) in [
        (
            "counted",
            "SELECT count(*) AS n FROM (SELECT DISTINCT (k, v) AS r FROM t) AS x",
        ),
        (
            "compared",
            "SELECT r = ROW(1, 1) AS one, r IS NULL AS none, count(*) AS n FROM (SELECT ROW(k, v) AS r FROM t) AS x GROUP BY r",
        ),
        (
            "grouped",
            "SELECT count(*) AS n, max(s) AS s FROM t GROUP BY (ROW(k, v % 2)) HAVING count(*) > 1",
        ),
        (
            "shared",
            "SELECT r = ROW(1, 1) AS one, count(*) AS n FROM (SELECT ROW(k, v) AS r FROM t INTERSECT ALL SELECT ROW(k, w) FROM u) AS x GROUP BY 1",
        ),
        (
            "left_over",
            "SELECT r < ROW(2, 1) AS less, count(*) AS n FROM (SELECT ROW(k, v) AS r FROM t EXCEPT SELECT ROW(k, w) FROM u) AS x GROUP BY 1",
        ),
        (
            "either",
            "SELECT r IS NULL AS none, r >= ROW(1, 1) AS more FROM (SELECT (k, v) AS r FROM t UNION SELECT (k, w) FROM u) AS x",
        ),
        (
            "nested",
            "SELECT count(*) AS n FROM (SELECT DISTINCT ROW(k, ROW(s, v)) AS r FROM t) AS x",
        ),
        (
            "optional",
            "SELECT t.id, x.r IS NULL AS none, x.r = ROW(1, 1) AS one FROM t LEFT JOIN (SELECT DISTINCT k, ROW(k, w) AS r FROM u) AS x ON x.k = t.k",
        ),
        (
            "joined",
            "SELECT x.n, y.r IS NULL AS none FROM (SELECT ROW(k, v) AS r, count(*) AS n FROM t GROUP BY 1) AS x JOIN (SELECT DISTINCT (k, w) AS r FROM u) AS y ON x.r = y.r",
        ),
        (
            "whole_queries",
            "SELECT count(*) AS n FROM (SELECT DISTINCT x FROM (SELECT k, v FROM t) AS x) AS y",
        ),
    ] {
        w.keep(name, query);
    }
    for batch in [
        "UPDATE t SET k = NULL, v = NULL WHERE id IN (3, 4); INSERT INTO u VALUES (NULL, NULL), (1, NULL)",
        "DELETE FROM t WHERE id % 3 = 0; DELETE FROM u WHERE k = 1",
        "UPDATE t SET v = v + 1 WHERE k = 2; INSERT INTO t VALUES (30, 1, 1, 's1'), (31, 1, 1, NULL)",
        "DELETE FROM u; UPDATE t SET s = NULL WHERE id = 8",
        "DELETE FROM t; INSERT INTO u VALUES (1, 1), (1, 1)",
        "INSERT INTO t VALUES (1, 1, 1, 'a'), (2, 1, 1, 'a')",
    ] {
        w.batch(batch);
    }
}
