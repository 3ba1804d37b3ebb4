//! Numbers with more than one image, or none to add.

use crate::support::World;

/// NaN and ±Infinity enter and leave sums and averages.
#[test]
fn trap_numeric_nan_infinity() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, k int, n numeric, fixed numeric(9,2), f float8, r real);
         INSERT INTO t SELECT i, i % 2, i, i, i, i FROM generate_series(1, 8) i",
    );
    w.keep("sums", "SELECT k, sum(n) AS n, sum(fixed) AS fixed, sum(f) AS f, sum(r) AS r, count(n) AS c FROM t GROUP BY k");
    w.keep(
        "means",
        "SELECT k, avg(n) AS n, avg(fixed) AS fixed, avg(f) AS f, avg(r) AS r FROM t GROUP BY k",
    );
    w.keep("extrema", "SELECT k, min(n) AS n0, max(n) AS n1, min(fixed) AS x0, max(fixed) AS x1, min(f) AS f0, max(f) AS f1 FROM t GROUP BY k");
    w.keep(
        "global",
        "SELECT sum(n) AS n, sum(fixed) AS fixed, sum(f) AS f, avg(fixed) AS a FROM t",
    );
    w.keep(
        "products",
        "SELECT k, sum(fixed * 2) AS x, sum(n * 2) AS n FROM t GROUP BY k HAVING sum(fixed) <> 7",
    );
    w.keep(
        "by_value",
        "SELECT fixed, f, count(*) AS c FROM t GROUP BY fixed, f",
    );
    w.keep(
        "joined",
        "SELECT a.id, b.id AS other FROM t a JOIN t b ON a.f = b.f AND a.fixed = b.fixed",
    );
    for sql in [
        "UPDATE t SET fixed = 'NaN', n = 'NaN', f = 'NaN', r = 'NaN' WHERE id = 1",
        "UPDATE t SET fixed = 1, n = 'Infinity', f = 'Infinity', r = 'Infinity' WHERE id = 1",
        "UPDATE t SET n = '-Infinity', f = '-Infinity', r = '-Infinity', fixed = 'NaN' WHERE id = 3",
        "DELETE FROM t WHERE id = 1",
        "DELETE FROM t WHERE id = 3",
        "INSERT INTO t VALUES (20, 1, 'NaN', 'NaN', 'NaN', 'NaN'), (21, 1, 'NaN', 'NaN', 'NaN', 'NaN')",
        "DELETE FROM t WHERE id = 20",
        "UPDATE t SET k = 0 WHERE id = 21",
        "UPDATE t SET k = 1, n = 'Infinity', fixed = NULL WHERE id = 21",
        "INSERT INTO t VALUES (22, 0, 'NaN', 'NaN', 'NaN', 'NaN'); DELETE FROM t WHERE id = 22",
        "UPDATE t SET n = 'NaN', fixed = 'NaN', f = 'NaN', r = 'NaN'",
        "UPDATE t SET n = id, fixed = id, f = id, r = id",
    ] {
        w.batch(sql);
    }
}

/// Sums of floats are those of the rows that are there; nothing is left of those that were.
/// (All sums here are the same in any order of their terms.)
#[test]
fn trap_float_sum_drift() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, k int, f float8, r real);
         INSERT INTO t SELECT i, i % 3, i / 8.0, i / 8.0 FROM generate_series(1, 30) i;
         INSERT INTO t VALUES (100, 9, 0.1, 0.1), (101, 9, 0.2, 0.2)",
    );
    w.keep(
        "sums",
        "SELECT k, sum(f) AS f, avg(f) AS a, sum(r) AS r FROM t GROUP BY k",
    );
    w.keep("nested", "SELECT max(s) AS s, count(*) AS n FROM (SELECT k, sum(f) AS s FROM t WHERE k < 9 GROUP BY k) AS g");
    for round in 0..25 {
        w.batch(&format!(
            "INSERT INTO t VALUES (200, {0}, 1e100, 1e30); UPDATE t SET f = 0.7 - f, r = 0.7 - r WHERE id = 101",
            round % 3
        ));
        w.batch(&format!("DELETE FROM t WHERE id = 200; UPDATE t SET f = f + {round} WHERE id = 1; UPDATE t SET f = 0.3 WHERE id = 100"));
    }
    w.batch("DELETE FROM t WHERE id >= 100; UPDATE t SET f = id / 8.0");
    assert_eq!(
        w.rows("SELECT k, f FROM sums"),
        ["(0,20.625)", "(1,18.125)", "(2,19.375)"]
    );
}

/// 1.0 and 1.00: one group, two images. A change from one to the other must show.
/// Keys whose scale is known by where they come from fold; they may be infinite all the same.
#[test]
fn groups_by_parts_of_dates() {
    let mut w = World::new(
        "CREATE TABLE e (id int PRIMARY KEY, d date, ts timestamp, x numeric(9,2));
         INSERT INTO e SELECT i, date '2020-01-01' + i * 40, timestamp '2020-01-01' + i * interval '0.7 s',
                i FROM generate_series(1, 40) i;
         INSERT INTO e VALUES (50, 'infinity', '-infinity', 1), (51, NULL, NULL, 2),
                (52, '-infinity', 'infinity', NULL), (53, '0044-03-15 BC', '2020-01-01 00:00:59.999999', 3)",
    );
    w.keep(
        "years",
        "SELECT extract(year FROM d) AS y, count(*) AS n, sum(x) AS s FROM e GROUP BY 1",
    );
    w.keep(
        "seconds",
        "SELECT extract(second FROM ts) AS s, extract(quarter FROM d) * -1 AS q, max(x) AS m, count(*) AS n
         FROM e GROUP BY 1, 2",
    );
    w.keep(
        "decades",
        "SELECT y + 1 AS next, count(*) AS n, sum(s) AS s
         FROM (SELECT extract(decade FROM ts) AS y, sum(x) AS s FROM e GROUP BY 1, id % 3) q GROUP BY y",
    );
    for sql in [
        "UPDATE e SET d = d + 100 WHERE id < 9",
        "UPDATE e SET d = 'infinity', ts = ts + interval '1 s' WHERE id IN (3, 53)",
        "DELETE FROM e WHERE id IN (50, 52)",
        "INSERT INTO e VALUES (60, 'infinity', NULL, 7), (61, NULL, '-infinity', 8), (62, '4714-11-24 BC', 'now'::text::timestamp, 1)",
        "UPDATE e SET d = NULL WHERE id > 30; UPDATE e SET x = x + 0.01",
        "DELETE FROM e",
    ] {
        w.batch(sql);
    }
}

#[test]
fn trap_numeric_scale() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, k int, n numeric);
         CREATE TABLE u (n numeric);
         INSERT INTO t VALUES (1, 1, 1.0), (2, 1, 2), (3, 2, 1.000), (4, 3, NULL);
         INSERT INTO u VALUES (1.00), (1.00), (2.0), (NULL)",
    );
    w.keep("plain", "SELECT k, n FROM t");
    w.keep("keyless", "SELECT n FROM u");
    w.keep(
        "as_text",
        "SELECT n::text AS n, count(*) AS c FROM u GROUP BY n::text",
    );
    w.keep(
        "sums",
        "SELECT k, sum(n) AS s, avg(n) AS a, sum(n * 2) AS d FROM t GROUP BY k",
    );
    w.keep("global", "SELECT sum(n) AS s FROM u");
    w.keep(
        "joined",
        "SELECT t.id, t.n, u.n AS m FROM t JOIN u ON u.n = t.n",
    );
    w.keep("scales", "SELECT id, scale(n) AS s, n + 0 AS m FROM t");
    w.keep(
        "group_of_one",
        "SELECT id, n, count(*) AS c FROM t GROUP BY id, n",
    );
    w.keep_equal("distinct_n", "SELECT DISTINCT n FROM u");
    w.keep_equal("grouped", "SELECT n, count(*) AS c FROM u GROUP BY n");
    w.keep_equal("extrema", "SELECT min(n) AS lo, max(n) AS hi FROM u");
    for sql in [
        "UPDATE t SET n = 1.00 WHERE id = 1",
        "UPDATE u SET n = 1.0 WHERE ctid = (SELECT min(ctid) FROM u WHERE n = 1)",
        "INSERT INTO u VALUES (1), (1.0000), (2.00)",
        "DELETE FROM u WHERE scale(n) = 2",
        "UPDATE t SET n = n * 1.00; UPDATE u SET n = n * 1.0",
        "UPDATE t SET n = 2.0 WHERE id = 3",
        "UPDATE t SET n = trim_scale(n)",
        "DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (2, 1, 2.000)",
        "DELETE FROM u WHERE ctid IN (SELECT min(ctid) FROM u GROUP BY n::text)",
        "INSERT INTO u VALUES (3), (3.0); UPDATE u SET n = 5.0; UPDATE u SET n = 5.00 WHERE ctid = (SELECT max(ctid) FROM u)",
        "DELETE FROM u",
        "INSERT INTO u VALUES (7.50)",
    ] {
        w.batch(sql);
    }
    assert_eq!(w.rows("SELECT * FROM grouped"), ["(7.50,1)"]);
}
