//! Aggregates over distinct values.

use crate::support::World;

/// `f(DISTINCT x)`: alone, several in one GROUP BY, beside plain ones; values whose count leaves and
/// reaches 0, in a group and between groups.
#[test]
fn trap_distinct_aggregates() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, k int, v int, n numeric(8,2), s text, ok bool, b int8);
         INSERT INTO t SELECT i, i % 3, i % 4, (i % 5) * 1.25, 's' || i % 2, i % 2 = 0, i FROM generate_series(1, 12) i;
         CREATE TABLE u (k int, w int NOT NULL);
         INSERT INTO u VALUES (0, 1), (1, 2), (1, 3), (2, 4)",
    );
    for (name, query) in [
        ("counted", "SELECT k, count(DISTINCT v) AS c FROM t GROUP BY k"),
        ("global", "SELECT count(DISTINCT v) AS c, sum(DISTINCT v) AS s, avg(DISTINCT n) AS a, count(DISTINCT s) AS cs FROM t"),
        ("global_beside", "SELECT count(DISTINCT v) AS c, count(*) AS n, sum(b) AS s, max(v) AS m FROM t"),
        ("several", "SELECT k, count(DISTINCT v) AS cv, count(DISTINCT s) AS cs, sum(DISTINCT n) AS sn, avg(DISTINCT v) AS av, count(DISTINCT (v + b)) AS e FROM t GROUP BY k"),
        ("beside", "SELECT k, count(*) AS n, count(v) AS c, count(DISTINCT v) AS cv, sum(v) AS s, sum(DISTINCT v) AS sv, avg(n) AS a, min(v) AS lo, max(n) AS hi FROM t GROUP BY k"),
        ("filters", "SELECT k, count(DISTINCT v) FILTER (WHERE ok) AS a, count(DISTINCT v) FILTER (WHERE NOT ok) AS b, count(DISTINCT v) AS c,
             sum(DISTINCT n) FILTER (WHERE v > 1) AS s, count(*) FILTER (WHERE ok) AS n, sum(v) FILTER (WHERE s = 's1') AS sv FROM t GROUP BY k"),
        ("raising", "SELECT s, count(DISTINCT v) AS c, sum(10 / v) FILTER (WHERE v <> 0) AS q, sum(v) FILTER (WHERE v <> 0 AND 6 / v > 1) AS r FROM t WHERE v <> 0 GROUP BY s"),
        ("by_expression", "SELECT v % 2 AS odd, count(DISTINCT k) AS c, sum(n * 2) AS s FROM t GROUP BY v % 2"),
        ("nothing_else", "SELECT count(DISTINCT v) AS c FROM t GROUP BY k"),
        ("not_shown", "SELECT k FROM t GROUP BY k HAVING count(DISTINCT v) > 1"),
        ("joined", "SELECT u.k, count(DISTINCT t.v) AS c, sum(u.w) AS s, count(DISTINCT u.w) AS cw FROM t JOIN u USING (k) GROUP BY u.k"),
        ("of_key", "SELECT k, count(DISTINCT id) AS c, sum(DISTINCT id) AS s FROM t GROUP BY k"),
        ("on_top", "SELECT c, count(*) AS n FROM (SELECT k, count(DISTINCT v) AS c FROM t GROUP BY k) AS g GROUP BY c"),
        ("below", "SELECT count(DISTINCT c) AS d FROM (SELECT k, count(*) AS c FROM t GROUP BY k) AS g"),
        ("text_keys", "SELECT s, ok, count(DISTINCT k) AS c, count(*) AS n FROM t GROUP BY s, ok"),
        (
            "of_rows",
            "SELECT k, count(DISTINCT (v, s)) AS c, count(DISTINCT t) AS rows FROM t GROUP BY k",
        ),
        (
            "sets",
            "SELECT k, ok, count(DISTINCT v) AS c, sum(DISTINCT n) FILTER (WHERE v > 1) AS s, count(*) AS n, string_agg(s, ',' ORDER BY id) AS l FROM t GROUP BY ROLLUP (k, ok)",
        ),
        (
            "sets_counted",
            "SELECT k, ok, count(DISTINCT v) AS c, sum(b) AS s FROM t GROUP BY CUBE (k, ok)",
        ),
        ("extrema", "SELECT k, min(DISTINCT v) AS lo, max(DISTINCT v) AS hi, bool_and(DISTINCT ok) AS every, count(DISTINCT ok) AS c FROM t GROUP BY k"),
        ("floats", "SELECT k, sum(DISTINCT v::float8) AS f, stddev_pop(DISTINCT v) AS d, bit_xor(DISTINCT v) AS x, count(DISTINCT v) AS c FROM t GROUP BY k"),
        ("ordered", "SELECT k, sum(v ORDER BY id DESC) AS s, sum(b::float8 ORDER BY id) AS f, count(DISTINCT v ORDER BY v) AS c FROM t GROUP BY k"),
    ] {
        w.keep(name, query);
    }
    for sql in [
        "INSERT INTO t SELECT i, i % 3, i % 4, (i % 5) * 1.25, 's' || i % 2, i % 2 = 0, i FROM generate_series(13, 24) i",
        "DELETE FROM t WHERE id <= 12",
        "UPDATE t SET v = 7 WHERE id = 13",
        "UPDATE t SET v = NULL WHERE v = 7",
        "UPDATE t SET v = NULL, n = NULL, s = NULL WHERE k = 1",
        "UPDATE t SET k = NULL WHERE k = 2; INSERT INTO u VALUES (NULL, 9), (0, 1)",
        "DELETE FROM t WHERE k IS NULL; UPDATE t SET ok = NOT ok",
        "INSERT INTO t VALUES (50, 5, 1, 1, 'x', NULL, 3); INSERT INTO t VALUES (51, 5, 1, 1, 'x', NULL, 3); DELETE FROM t WHERE id = 50",
        "DELETE FROM t WHERE id = 51; UPDATE t SET k = 1 - k; DELETE FROM u WHERE w = 2",
        "UPDATE t SET v = id % 2 + 1, n = 2.5, ok = NULL",
        "DELETE FROM t",
        "INSERT INTO t VALUES (1, 1, 1, 1, 'x', true, 1), (2, 1, 1, 1, 'x', true, 1)",
    ] {
        w.batch(sql);
    }
    assert_eq!(w.rows("SELECT * FROM counted"), ["(1,1)"]);
}

/// Equal values with several images are one value; which of them is summed is not fixed.
#[test]
fn trap_distinct_aggregates_of_images() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, k int, x numeric, f float8, d interval, g numeric);
         INSERT INTO t VALUES (1, 1, 1.0, 0, '1 day', 1), (2, 1, 1.00, '-0', '24:00', 1.0), (3, 1, 2, 1, '1 mon', 2), (4, 2, 1, 1, '30 days', 1.00)",
    );
    w.keep("counted", "SELECT k, count(DISTINCT x) AS x, count(DISTINCT f) AS f, count(DISTINCT d) AS d FROM t GROUP BY k");
    w.keep(
        "beside",
        "SELECT k, count(DISTINCT x) AS x, sum(x) AS s, count(*) AS n FROM t GROUP BY k",
    );
    w.keep(
        "only_counts",
        "SELECT k, count(DISTINCT x) AS x, count(*) AS n, max(id) AS m FROM t GROUP BY k",
    );
    w.keep_equal(
        "summed",
        "SELECT k, sum(DISTINCT x) AS x, sum(DISTINCT f) AS f FROM t GROUP BY k",
    );
    w.keep_equal(
        "grouped",
        "SELECT g, count(DISTINCT x) AS x, count(DISTINCT k) AS k FROM t GROUP BY g",
    );
    for sql in [
        "UPDATE t SET x = 1 WHERE id = 2; DELETE FROM t WHERE id = 1",
        "INSERT INTO t VALUES (5, 2, 1.000, 'NaN', '1 day', 2.0), (6, 2, 'NaN', 'NaN', NULL, NULL)",
        "UPDATE t SET g = g + 0.00, k = 3 - k",
        "DELETE FROM t WHERE x = 1",
        "DELETE FROM t WHERE k = 1",
        "UPDATE t SET x = 5, g = 1 WHERE k = 2",
        "DELETE FROM t; INSERT INTO t VALUES (1, 1, 1, 1, NULL, 1)",
    ] {
        w.batch(sql);
    }
}
