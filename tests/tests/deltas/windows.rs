//! Window functions: partitions that change are computed anew, and no others.

use crate::support::{World, creation};

const SCHEMA: &str = "
    CREATE TABLE t (id int PRIMARY KEY, k int, v int, n numeric(8,2), f float8, s text, d date);
    INSERT INTO t SELECT i, i % 4, nullif(i % 7, 3), (i % 5) * 1.5, i % 3, 's' || i % 3, '2024-01-01'::date + i % 9
        FROM generate_series(1, 30) i;
    CREATE TABLE u (k int, w int);
    INSERT INTO u SELECT i % 6, i FROM generate_series(1, 9) i;
    CREATE TABLE bag (a int, b int);
    INSERT INTO bag SELECT i % 3, i % 2 FROM generate_series(1, 9) i";

/// Rows that come, go, move between partitions and within them; ties; NULLs; all and nothing.
const BATCHES: &[&str] = &[
    "DELETE FROM t WHERE id IN (1, 2, 30)",
    "INSERT INTO t VALUES (0, 0, 0, 0, 0, 'a', '2024-01-03'), (31, 3, 6, 9.5, 1, 'z', NULL), (-1, NULL, NULL, NULL, NULL, NULL, NULL)",
    "UPDATE t SET v = 6 WHERE id IN (4, 5, 6)",
    "UPDATE t SET k = 1 - k, s = NULL WHERE id < 9",
    "UPDATE t SET v = v + 1 WHERE v = 5; UPDATE t SET v = NULL WHERE id = 31",
    "UPDATE t SET k = NULL WHERE id % 6 = 0",
    "UPDATE t SET id = -id WHERE id > 20",
    "INSERT INTO u VALUES (NULL, 5), (2, 5), (2, 5); DELETE FROM u WHERE w = 3",
    "INSERT INTO bag VALUES (0, 0), (NULL, 1), (2, NULL), (2, NULL); DELETE FROM bag WHERE a = 0",
    // Nothing that shows.
    "UPDATE t SET n = n WHERE id = 7; INSERT INTO t VALUES (99, 2, 1, 1, 1, 'x', NULL); DELETE FROM t WHERE id = 99",
    "DELETE FROM t WHERE id % 5 <> 0",
    "DELETE FROM u; DELETE FROM bag WHERE b = 1",
    "DELETE FROM t",
    "INSERT INTO t VALUES (5, 1, 1, 1.0, 1, 'a', '2024-02-01'), (6, 1, 1, 1.00, 1, 'a', '2024-02-02'); INSERT INTO u VALUES (1, 1); INSERT INTO bag VALUES (1, 1), (1, 1)",
];

#[track_caller]
fn check(queries: &[(&str, &str)]) {
    check_with("", queries);
}

#[track_caller]
fn check_with(setup: &str, queries: &[(&str, &str)]) {
    let mut w = World::new(SCHEMA);
    w.run(setup);
    for (name, query) in queries {
        w.keep(name, query);
    }
    // So that each batch has something to do.
    w.keep(
        "of_u",
        "SELECT k, w, rank() OVER (PARTITION BY k ORDER BY w) AS r FROM u",
    );
    w.keep(
        "of_bag",
        "SELECT a, count(b) OVER (PARTITION BY a) AS c FROM bag",
    );
    for batch in BATCHES {
        w.batch(batch);
    }
}

#[test]
fn trap_window_partitions() {
    check(&[
        (
            "numbered",
            "SELECT id, k, row_number() OVER (PARTITION BY k ORDER BY v, id) AS n FROM t",
        ),
        (
            "hidden",
            "SELECT id, row_number() OVER (PARTITION BY k ORDER BY v DESC NULLS LAST, id) AS n FROM t",
        ),
        (
            "ranks",
            "SELECT id, k, rank() OVER w AS r, dense_rank() OVER w AS d, percent_rank() OVER w AS p, cume_dist() OVER w AS c
             FROM t WINDOW w AS (PARTITION BY k ORDER BY v)",
        ),
        (
            "neighbours",
            "SELECT id, k, lag(v) OVER w AS a, lead(v, 2, -1) OVER w AS b, lag(s, 1, 'none') OVER w AS c, ntile(3) OVER w AS d
             FROM t WINDOW w AS (PARTITION BY k ORDER BY id)",
        ),
        (
            "ends",
            "SELECT id, k, first_value(v) OVER w AS a, last_value(v) OVER w AS b, nth_value(id, 2) OVER w AS c
             FROM t WINDOW w AS (PARTITION BY k ORDER BY v, id ROWS BETWEEN 1 PRECEDING AND 2 FOLLOWING)",
        ),
        (
            "shares",
            "SELECT id, k, n, n / nullif(sum(n) OVER (PARTITION BY k), 0) AS share, count(*) OVER () AS all_of_them FROM t",
        ),
        (
            "unread",
            "WITH x AS (SELECT g.n, rank() OVER (PARTITION BY g.b ORDER BY g.a) AS r
                 FROM (SELECT count(*) AS n, min(k) AS a, sum(v) FILTER (WHERE s > 's1') AS b FROM t) AS g)
             SELECT t.id, x.n FROM t JOIN x ON t.v < x.n JOIN x AS y ON y.n = x.n",
        ),
        (
            "running",
            "SELECT id, k, sum(v) OVER (PARTITION BY k ORDER BY id) AS s, avg(n) OVER (PARTITION BY k ORDER BY d, id) AS a,
             count(v) FILTER (WHERE v > 2) OVER (PARTITION BY k ORDER BY d) AS c FROM t",
        ),
        (
            "floats",
            "SELECT id, k, sum(f) OVER (PARTITION BY k ORDER BY id) AS s, array_agg(v) OVER (PARTITION BY k ORDER BY id) AS a FROM t",
        ),
        (
            "by_expression",
            "SELECT id, rank() OVER (PARTITION BY coalesce(k, 0) % 2, s ORDER BY v + id % 3) AS r FROM t WHERE v IS NOT NULL",
        ),
        (
            "of_a_bag",
            "SELECT a, b, rank() OVER (PARTITION BY a ORDER BY b) AS r, count(*) OVER (PARTITION BY b) AS c FROM bag",
        ),
    ]);
}

#[test]
fn trap_window_frames() {
    check(&[
        (
            "rows_between",
            "SELECT id, k, sum(v) OVER (PARTITION BY k ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS a,
             sum(v) OVER (PARTITION BY k ORDER BY id ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW) AS b FROM t",
        ),
        (
            "range_between",
            "SELECT id, k, sum(v) OVER (PARTITION BY k ORDER BY d RANGE BETWEEN interval '2 days' PRECEDING AND '1 day' FOLLOWING) AS a,
             count(*) OVER (PARTITION BY k ORDER BY v DESC RANGE BETWEEN 1 PRECEDING AND 2 FOLLOWING EXCLUDE GROUP) AS b,
             max(v) OVER (PARTITION BY s ORDER BY n RANGE 1.5 PRECEDING) AS c FROM t",
        ),
        (
            "groups_between",
            "SELECT id, k, sum(v) OVER (PARTITION BY k ORDER BY v GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE TIES) AS a,
             min(id) OVER (PARTITION BY k ORDER BY d GROUPS CURRENT ROW) AS b FROM t",
        ),
        (
            "inherited",
            "SELECT id, k, sum(v) OVER (w ORDER BY d) AS a, count(*) OVER (w ORDER BY id ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW) AS b, rank() OVER v AS r
             FROM t WINDOW w AS (PARTITION BY k), v AS (w ORDER BY n)",
        ),
        (
            "without_partition",
            "SELECT id, sum(v) OVER (ORDER BY id) AS s, rank() OVER (ORDER BY n DESC) AS r FROM t",
        ),
        // Of these, a refresh goes on from the first row that changes.
        (
            "going_on",
            "SELECT id, k, v, sum(v) OVER w AS s, count(*) OVER w AS c, count(v) FILTER (WHERE v > 2) OVER w AS f,
                 min(v) OVER w AS low, max(d) OVER w AS high, bool_or(v = 6) OVER w AS six, sum(n) OVER w AS total,
                 first_value(s) OVER w AS first
             FROM t WINDOW w AS (PARTITION BY k ORDER BY id)",
        ),
        (
            "going_on_over_peers",
            "SELECT id, k, v, rank() OVER w AS r, dense_rank() OVER w AS d, sum(n) OVER w AS s, count(*) OVER w AS c,
                 sum(id::bigint) FILTER (WHERE s <> 's1') OVER w AS f
             FROM t WINDOW w AS (PARTITION BY k ORDER BY v)",
        ),
        (
            "going_on_by_rank",
            "SELECT k, v, rank() OVER w AS r, dense_rank() OVER w AS d FROM t WINDOW w AS (PARTITION BY k ORDER BY v)",
        ),
        (
            "going_down",
            "SELECT id, k, v, row_number() OVER w AS r, sum(v) OVER w AS s, rank() OVER w AS same
             FROM t WINDOW w AS (PARTITION BY k ORDER BY v DESC, id)",
        ),
        (
            "going_on_over_rows",
            "SELECT id, k, n, s, d, sum(n) OVER (w ROWS UNBOUNDED PRECEDING) AS a, row_number() OVER w AS r,
                 max(id) OVER (w GROUPS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS b
             FROM t WINDOW w AS (PARTITION BY s, k ORDER BY d DESC, id)",
        ),
        (
            "going_on_by_all",
            "SELECT id, v, sum(v) OVER w AS s, row_number() OVER w AS r, v - lag(v, 2, 0) OVER w AS gap
             FROM t WINDOW w AS (ORDER BY v, id)",
        ),
        (
            "nulls_where_they_are_not",
            "SELECT id, k, v, sum(v) OVER (PARTITION BY k ORDER BY v NULLS FIRST, id) AS s FROM t",
        ),
        (
            "looking_around",
            "SELECT id, k, lag(v) OVER w AS a, lag(s, 2, 'none') OVER w AS b, lead(v, 2, -1) OVER w AS c, lead(id, -1) OVER w AS d,
                 sum(v) OVER (w ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING) AS e,
                 nth_value(v, 2) OVER (w ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW) AS f,
                 last_value(s) OVER (w ROWS BETWEEN CURRENT ROW AND 2 FOLLOWING) AS g,
                 count(*) OVER (w ROWS BETWEEN 3 PRECEDING AND 2 PRECEDING) AS h
             FROM t WINDOW w AS (PARTITION BY k ORDER BY id)",
        ),
        (
            "looking_back_and_going_on",
            "SELECT id, k, d, row_number() OVER w AS r, sum(n) OVER w AS s, n - lag(n) OVER w AS gap, lead(d) OVER w AS next,
                 first_value(id) OVER w AS first, avg(v) OVER (w ROWS 2 PRECEDING) AS moving
             FROM t WINDOW w AS (PARTITION BY k ORDER BY d DESC, id)",
        ),
        (
            "of_peers_alone",
            "SELECT id, k, v, count(*) OVER (PARTITION BY k ORDER BY v GROUPS CURRENT ROW) AS c,
                 sum(n) OVER (PARTITION BY k ORDER BY v RANGE BETWEEN CURRENT ROW AND CURRENT ROW) AS s FROM t",
        ),
        (
            "going_on_over_groups",
            "SELECT k, d, count(*) AS c, sum(sum(v)) OVER (PARTITION BY k ORDER BY d) AS s, sum(count(*)) OVER (PARTITION BY k ORDER BY d) AS n
             FROM t GROUP BY k, d",
        ),
        (
            "going_on_over_a_join",
            "SELECT t.id, t.k, u.w, rank() OVER w AS r, sum(u.w) OVER w AS s FROM t JOIN u ON u.k = t.v
             WINDOW w AS (PARTITION BY t.k ORDER BY t.id)",
        ),
        (
            "going_on_over_an_outer_join",
            "SELECT t.id, t.k, u.w, count(u.w) OVER w AS c FROM t LEFT JOIN u ON u.k = t.v AND u.w > 3
             WINDOW w AS (PARTITION BY t.k ORDER BY t.id)",
        ),
        (
            "going_on_over_a_bag",
            "SELECT a, b, rank() OVER w AS r, count(*) OVER w AS c, sum(b) OVER w AS s FROM bag WINDOW w AS (PARTITION BY a ORDER BY b)",
        ),
        (
            "going_on_below",
            "SELECT k, max(s) AS s, max(r) AS r FROM (SELECT k, id, sum(v) OVER w AS s, row_number() OVER w AS r FROM t
                 WINDOW w AS (PARTITION BY k ORDER BY id)) AS x GROUP BY k",
        ),
        (
            "going_on_twice",
            "SELECT id, k, s, d, a, sum(a) OVER (PARTITION BY s ORDER BY id) AS b
             FROM (SELECT id, k, s, d, sum(v) OVER (PARTITION BY k ORDER BY d, id) AS a FROM t) AS x",
        ),
        (
            "going_on_by_an_expression",
            "SELECT id, k, v, sum(v) OVER (PARTITION BY coalesce(k, -1) % 3 ORDER BY id) AS s, coalesce(k, -1) % 3 AS p FROM t WHERE v IS NOT NULL",
        ),
    ]);
}

#[test]
fn trap_window_ties() {
    // Of several answers, the one that images decide: the law holds by the compiled query.
    let mut w = World::new(SCHEMA);
    w.run(OF_USERS);
    let mut names = vec![];
    for (name, query) in [
        (
            "ties",
            "SELECT id, k, row_number() OVER (PARTITION BY k ORDER BY v) AS n FROM t",
        ),
        (
            "first_of",
            "SELECT id, k, first_value(s) OVER (PARTITION BY k ORDER BY v) AS a, lag(id) OVER (PARTITION BY k) AS b FROM t",
        ),
        (
            "float_sum",
            "SELECT id, k, sum(f) OVER (PARTITION BY k) AS a, array_agg(v) OVER (PARTITION BY s) AS b FROM t",
        ),
        (
            "same_rows",
            "SELECT a, row_number() OVER (PARTITION BY a) AS n FROM bag",
        ),
        (
            "going_on",
            "SELECT id, k, v, row_number() OVER w AS n, sum(id) OVER (w ROWS UNBOUNDED PRECEDING) AS s, rank() OVER w AS r,
                 lag(id) OVER w AS a, lead(id, 2) OVER w AS b, first_value(s) OVER w AS c FROM t WINDOW w AS (PARTITION BY k ORDER BY v)",
        ),
        (
            "same_rows_in_order",
            "SELECT a, b, row_number() OVER w AS n, lag(b) OVER w AS l FROM bag WINDOW w AS (PARTITION BY a ORDER BY b DESC)",
        ),
        // What depends on which rows are tied, too.
        (
            "last_of_peers",
            "SELECT id, k, last_value(id) OVER w AS l, nth_value(s, 2) OVER w AS n, rank() OVER w AS r, row_number() OVER w AS i
             FROM t WINDOW w AS (PARTITION BY k ORDER BY v DESC)",
        ),
        (
            "running_sums",
            "SELECT id, s, sum(f) OVER (PARTITION BY s ORDER BY d) AS a, sum(v) OVER (PARTITION BY s ORDER BY d) AS b, avg(f / 3) OVER (ORDER BY k) AS c FROM t",
        ),
        (
            "lists",
            "SELECT id, array_agg(id) OVER (ORDER BY v GROUPS 1 PRECEDING) AS a, string_agg(s, ',') FILTER (WHERE v > 1) OVER (PARTITION BY k ORDER BY n) AS b FROM t",
        ),
        (
            "without_peers",
            "SELECT id, k, array_agg(id) OVER (w ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING EXCLUDE TIES) AS a,
                 first_value(id) OVER (w RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE GROUP) AS b,
                 array_agg(id) OVER (w RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS c
             FROM t WINDOW w AS (PARTITION BY k ORDER BY v)",
        ),
        (
            "in_a_constant_partition",
            "SELECT id, k, last_value(id) OVER (PARTITION BY k ORDER BY v) AS l FROM t WHERE k = 1",
        ),
        (
            "by_the_partition_again",
            "SELECT id, k, v, last_value(id) OVER (PARTITION BY k ORDER BY k DESC, v) AS l FROM t WHERE k = v OR v > 2",
        ),
        (
            "by_an_expression",
            "SELECT t.id, u.w, last_value(t.id) OVER (PARTITION BY u.k ORDER BY t.v + u.w, lower(t.s) COLLATE \"C\" DESC NULLS LAST) AS l
             FROM t JOIN u ON u.k = t.v",
        ),
        (
            "cut_off",
            "SELECT id, k, l FROM (SELECT id, k, rank() OVER w AS r, last_value(id) OVER w AS l FROM t WINDOW w AS (PARTITION BY k ORDER BY v)) AS x
             WHERE r <= 3",
        ),
        (
            "of_users",
            "SELECT id, k, number() OVER (PARTITION BY k ORDER BY v) AS a, next_one(id) OVER (PARTITION BY k ORDER BY v ROWS 1 PRECEDING) AS b FROM t",
        ),
    ] {
        w.run(&creation(name, query, "DIFFERENTIAL"));
        names.push(name);
    }
    for batch in BATCHES {
        w.run(batch);
        for name in &names {
            w.run(&format!("SELECT pgtrickle.refresh_stream_table('{name}')"));
            let done = harness::last_refresh(&mut w.client, name);
            assert!(
                ["DIFFERENTIAL", "NO_DATA"].contains(&done.action.as_str()),
                "{name} {batch}: {done:?}"
            );
            let differences = w.rows(&format!("SELECT * FROM pgtrickle.verify('{name}')"));
            assert_eq!(differences, [""; 0], "{name} after {batch}");
        }
    }
}

#[test]
fn windows_among_other_things() {
    check(&[
        (
            "of_groups",
            "SELECT k, sum(v) AS s, rank() OVER (ORDER BY sum(v) DESC NULLS LAST) AS r, sum(count(*)) OVER () AS c FROM t GROUP BY k",
        ),
        (
            "of_groups_by_partition",
            "SELECT k, s, count(*) AS c, sum(sum(v)) OVER (PARTITION BY k ORDER BY s) AS running FROM t GROUP BY k, s HAVING count(*) > 0",
        ),
        (
            "of_a_join",
            "SELECT t.id, u.w, count(*) OVER (PARTITION BY u.w) AS c, rank() OVER (PARTITION BY t.k ORDER BY u.w) AS r FROM t JOIN u ON u.k = t.k",
        ),
        (
            "padded",
            "SELECT t.id, u.w, sum(u.w) OVER (PARTITION BY t.k) AS s FROM t LEFT JOIN u ON u.k = t.k AND u.w > 4",
        ),
        (
            "top_of_each",
            "SELECT id, k FROM (SELECT id, k, row_number() OVER (PARTITION BY k ORDER BY v, id) AS n FROM t) AS x WHERE n <= 2",
        ),
        (
            "grouped_again",
            "SELECT r, count(*) AS c FROM (SELECT k, rank() OVER (PARTITION BY k ORDER BY v) AS r FROM t) AS x GROUP BY r",
        ),
        (
            "joined_again",
            "SELECT x.id, x.r, u.w FROM (SELECT id, k, dense_rank() OVER (PARTITION BY k ORDER BY n) AS r FROM t) AS x JOIN u ON u.k = x.r",
        ),
        (
            "of_a_window",
            "SELECT id, k, sum(d) OVER (PARTITION BY s ORDER BY id) AS gaps FROM (SELECT id, k, s, v - lag(v) OVER (PARTITION BY k ORDER BY id) AS d FROM t) AS x",
        ),
        (
            "distinct_ranks",
            "SELECT DISTINCT k, max(v) OVER (PARTITION BY k) AS m FROM t",
        ),
        (
            "in_expressions",
            "SELECT id, CASE WHEN v > avg(v) OVER (PARTITION BY k) THEN 'above' ELSE 'below' END AS c FROM t",
        ),
        (
            "in_union",
            "SELECT id AS a, rank() OVER (PARTITION BY k ORDER BY v) AS r FROM t UNION ALL SELECT a, count(*) OVER (PARTITION BY a) FROM bag",
        ),
        (
            "in_subquery",
            "SELECT id FROM t WHERE id IN (SELECT id FROM (SELECT id, rank() OVER (PARTITION BY k ORDER BY v DESC) AS r FROM t) AS x WHERE r = 1)",
        ),
        // Without an order all rows are tied.
        (
            "ranks_of_no_order",
            "SELECT id, k FROM (SELECT id, k, rank() OVER () AS r FROM t) AS x WHERE r <= 2",
        ),
        (
            "correlated",
            "SELECT u.k, u.w, (SELECT max(x.r) FROM (SELECT rank() OVER (ORDER BY t.v) AS r FROM t WHERE t.k = u.k) AS x) AS m FROM u",
        ),
        (
            "lateral_windows",
            "SELECT u.k, u.w, x.id, x.r FROM u, LATERAL (SELECT t.id, rank() OVER (ORDER BY t.v) AS r FROM t WHERE t.k = u.k) AS x",
        ),
        (
            "with_sets",
            "SELECT id, generate_series(1, rank() OVER (PARTITION BY k ORDER BY v)::int % 3) AS g FROM t",
        ),
        (
            "of_a_cte",
            "WITH x AS (SELECT id, k, count(*) OVER (PARTITION BY k) AS c FROM t) SELECT a.id, b.c FROM x AS a JOIN x AS b ON a.k = b.k AND a.id < b.id",
        ),
        (
            "limited",
            "SELECT id, rank() OVER (PARTITION BY k ORDER BY v) AS r FROM t ORDER BY rank() OVER (PARTITION BY k ORDER BY v), id LIMIT 5",
        ),
        (
            "limited_groups",
            "SELECT k, count(*) AS c FROM t GROUP BY k ORDER BY rank() OVER (ORDER BY count(*)), k LIMIT 2",
        ),
        (
            "ordered_in_vain",
            "SELECT id FROM t ORDER BY row_number() OVER (ORDER BY v)",
        ),
        (
            "filtered_partitions",
            "SELECT id, r FROM (SELECT id, k, rank() OVER (PARTITION BY k ORDER BY v) AS r FROM t) AS x WHERE k = 1 AND r < 4",
        ),
    ]);
}

#[test]
fn a_window_that_raises_meets_no_ghosts() {
    let mut w = World::new(SCHEMA);
    w.keep(
        "dividing",
        "SELECT id, k, sum(100 / v) OVER (PARTITION BY k ORDER BY id) AS s FROM t WHERE v <> 0",
    );
    w.keep(
        "tiles",
        "SELECT id, k, ntile(nullif(v, 0)) OVER (PARTITION BY k ORDER BY id) AS s FROM t",
    );
    w.batch("INSERT INTO t VALUES (50, 1, 0, 0, 0, 'x', NULL); DELETE FROM t WHERE id = 50");
    w.batch("UPDATE t SET v = 0 WHERE id = 7; UPDATE t SET v = 5 WHERE id = 7");
    w.batch("UPDATE t SET v = 0 WHERE id = 8");
}

/// They may look at rows and peers as they like: all is well where no rows are tied.
#[test]
fn window_functions_of_users() {
    check_with(
        OF_USERS,
        &[
            (
                "numbers",
                "SELECT id, k, number() OVER (PARTITION BY k ORDER BY v, id) AS n, next_one(v) OVER (PARTITION BY k ORDER BY id DESC) AS next FROM t",
            ),
            (
                "cut_off",
                "SELECT id, k, m FROM (SELECT id, k, row_number() OVER w AS n, next_one(v) OVER w AS m FROM t
                     WINDOW w AS (PARTITION BY k ORDER BY id ROWS UNBOUNDED PRECEDING)) AS x WHERE n <= 2",
            ),
        ],
    );
}

const OF_USERS: &str = "
    CREATE FUNCTION number() RETURNS bigint LANGUAGE internal WINDOW IMMUTABLE AS 'window_row_number';
    CREATE FUNCTION next_one(anyelement) RETURNS anyelement LANGUAGE internal WINDOW IMMUTABLE AS 'window_lead'";

/// Rows that come sorted are sorted no more, whatever else the planner likes.
#[test]
fn ties_are_in_order_in_every_plan() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, k int, v int, f float8);
         CREATE TABLE u (k int, w int);
         CREATE INDEX ON t (k, v);
         INSERT INTO t SELECT i, i % 3, i % 7, 1.0 / i FROM generate_series(1, 3000) i;
         INSERT INTO u SELECT i % 3, i FROM generate_series(0, 4) i;
         ANALYZE t; ANALYZE u",
    );
    // Another query that has the same answer.
    for (name, query, same) in [
        (
            "last",
            "SELECT id, k, v, last_value(id) OVER (PARTITION BY k ORDER BY v) AS l FROM t",
            "SELECT id, k, v, max(id) OVER (PARTITION BY k, v) AS l FROM t",
        ),
        (
            "added",
            "SELECT id, k, v, sum(f) OVER (PARTITION BY k ORDER BY v DESC) AS s, count(*) OVER (PARTITION BY v) AS c FROM t",
            "SELECT id, k, v, last_value(s) OVER (PARTITION BY k, v ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS s, c
             FROM (SELECT id, k, v, sum(f) OVER (PARTITION BY k ORDER BY v DESC, id) AS s, count(*) OVER (PARTITION BY v) AS c FROM t) AS x",
        ),
        (
            "constant",
            "SELECT id, k, v, w, array_agg(id) OVER (PARTITION BY k, v ORDER BY w) AS a
             FROM (SELECT t.id, t.k, t.v, u.w FROM t JOIN u ON u.k = t.k AND t.k = t.v WHERE t.id < 900) AS x WHERE k = 1",
            "SELECT id, k, v, w, last_value(a) OVER (PARTITION BY k, v, w ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS a
             FROM (SELECT id, t.k, v, w, array_agg(id) OVER (PARTITION BY t.k, v ORDER BY w, id) AS a
                   FROM t JOIN u ON u.k = t.k AND t.k = t.v WHERE id < 900 AND t.k = 1) AS x",
        ),
    ] {
        w.run(&creation(name, query, "DIFFERENTIAL"));
        for settings in [
            "",
            "SET enable_sort = off",
            "SET enable_incremental_sort = off; SET enable_indexscan = off; SET enable_bitmapscan = off",
            "SET work_mem = '64kB'; SET enable_hashjoin = off; SET enable_mergejoin = off",
            "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET debug_parallel_query = on",
        ] {
            w.run(settings);
            let differences = w.rows(&format!("SELECT * FROM pgtrickle.verify('{name}')"));
            assert_eq!(differences, [""; 0], "{name}: {settings}");
            let differences = w.rows(&harness::law::by_image(name, same));
            assert_eq!(differences, [""; 0], "{name}: {settings}");
            w.run("UPDATE t SET f = f / 2 WHERE id % 100 = 1; DELETE FROM t WHERE id % 100 = 2");
            w.run(&format!("SELECT pgtrickle.refresh_stream_table('{name}')"));
            w.run("RESET ALL");
        }
        let differences = w.rows(&harness::law::by_image(name, same));
        assert_eq!(differences, [""; 0], "{name}");
    }
}

/// What is cut off by a number is the first rows of each partition.
#[test]
fn trap_numbers_cut_off() {
    let mut w = World::new(SCHEMA);
    w.run(
        "CREATE INDEX ON t (k, v, id); CREATE INDEX ON t (s, k, n DESC);
         ALTER TABLE t ADD g int NOT NULL DEFAULT 0; UPDATE t SET g = id % 3; CREATE INDEX ON t (g, v);
         CREATE VIEW numbered AS SELECT id, k, row_number() OVER (PARTITION BY k ORDER BY v, id) AS n FROM t",
    );
    for (name, query) in [
        (
            "hidden",
            "SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY k ORDER BY v, id) AS n FROM t) AS x WHERE n <= 2",
        ),
        ("shown", "SELECT id, k, n FROM numbered WHERE n < 3"),
        ("only", "SELECT id, k FROM numbered WHERE n = 1"),
        ("second", "SELECT id, k FROM numbered WHERE n = 2"),
        ("between", "SELECT id, n FROM numbered WHERE n BETWEEN 2 AND 3"),
        ("turned", "SELECT id, k FROM numbered WHERE 2 >= n AND id > 3 AND k IS NOT NULL"),
        ("never", "SELECT id, k FROM numbered WHERE n <= 0"),
        (
            "descending",
            "SELECT id, k FROM (SELECT id, k, row_number() OVER (PARTITION BY k ORDER BY v DESC, id DESC) AS n FROM t) AS x WHERE n <= 2",
        ),
        (
            "nulls",
            "SELECT id, g, n FROM (SELECT id, g, row_number() OVER (PARTITION BY g ORDER BY v NULLS FIRST, id) AS n FROM t) AS x WHERE n <= 3",
        ),
        (
            "two_keys",
            "SELECT id, k, s FROM (SELECT id, k, s, row_number() OVER (PARTITION BY k, s ORDER BY n DESC, id) AS n FROM t WHERE id <> 5) AS x WHERE n <= 1",
        ),
        (
            "ranks",
            "SELECT id, k, r FROM (SELECT id, k, rank() OVER (PARTITION BY k ORDER BY v) AS r FROM t) AS x WHERE r <= 2",
        ),
        (
            "ranks_of_nulls",
            "SELECT id, g FROM (SELECT id, g, rank() OVER (PARTITION BY g ORDER BY v DESC) AS r FROM t) AS x WHERE r = 1",
        ),
        (
            "dense",
            "SELECT id, k, r FROM (SELECT id, k, dense_rank() OVER (PARTITION BY k ORDER BY v) AS r FROM t) AS x WHERE r <= 2",
        ),
        (
            "densest",
            "SELECT id, k FROM (SELECT id, k, dense_rank() OVER (PARTITION BY k ORDER BY v) AS r FROM t) AS x WHERE r = 1",
        ),
        (
            "beside_others",
            "SELECT id, k, a, b, c FROM (SELECT id, k, row_number() OVER w AS n, lag(v) OVER w AS a,
                 sum(v) OVER (PARTITION BY k ORDER BY v, id ROWS UNBOUNDED PRECEDING) AS b, rank() OVER w AS c
             FROM t WINDOW w AS (PARTITION BY k ORDER BY v, id)) AS x WHERE n <= 3",
        ),
        (
            "looking_ahead",
            "SELECT id, k, a FROM (SELECT id, k, row_number() OVER w AS n, lead(v) OVER w AS a FROM t WINDOW w AS (PARTITION BY k ORDER BY v, id)) AS x WHERE n <= 2",
        ),
        (
            "looking_back_ahead",
            "SELECT id, k, a FROM (SELECT id, k, row_number() OVER w AS n, lag(v, -1) OVER w AS a FROM t WINDOW w AS (PARTITION BY k ORDER BY v, id)) AS x WHERE n <= 2",
        ),
        (
            "running_peers",
            "SELECT id, k, a FROM (SELECT id, k, rank() OVER w AS r, sum(v) OVER w AS a FROM t WINDOW w AS (PARTITION BY k ORDER BY v)) AS x WHERE r <= 2",
        ),
        (
            "below_another",
            "SELECT id, n, c FROM (SELECT id, row_number() OVER (PARTITION BY k ORDER BY v, id) AS n, count(*) OVER (PARTITION BY s) AS c FROM t) AS x WHERE n <= 2",
        ),
        (
            "above_another",
            "SELECT id, k, share FROM (SELECT id, k, v::float8 / nullif(sum(v) OVER (PARTITION BY k), 0) AS share, row_number() OVER (PARTITION BY k ORDER BY v, id) AS n FROM t) AS x WHERE n <= 2",
        ),
        (
            "two_bounds",
            "SELECT id, k FROM (SELECT id, k, row_number() OVER w AS n, rank() OVER w AS r FROM t WINDOW w AS (PARTITION BY k ORDER BY v, id)) AS x WHERE n <= 3 AND r = 2",
        ),
        (
            "joined",
            "SELECT x.id, u.w FROM (SELECT id, k, row_number() OVER (PARTITION BY k ORDER BY v, id) AS n FROM t) AS x JOIN u ON u.k = x.k WHERE x.n <= 2",
        ),
        (
            "of_a_join",
            "SELECT id, w FROM (SELECT t.id, u.w, row_number() OVER (PARTITION BY t.k ORDER BY u.w, t.id) AS n FROM t JOIN u ON u.k = t.k) AS x WHERE n <= 2",
        ),
        (
            "of_groups",
            "SELECT k, s, c FROM (SELECT k, s, count(*) AS c, row_number() OVER (PARTITION BY k ORDER BY count(*) DESC, s) AS n FROM t GROUP BY k, s) AS x WHERE n <= 1",
        ),
        (
            "grouped_again",
            "SELECT k, sum(v) AS s FROM (SELECT k, v, row_number() OVER (PARTITION BY k ORDER BY v, id) AS n FROM t) AS x WHERE n <= 2 GROUP BY k",
        ),
        (
            "in_a_cte",
            "WITH x AS (SELECT id, k, v, row_number() OVER (PARTITION BY k ORDER BY v, id) AS n FROM t)
             SELECT a.id, b.id AS next FROM x AS a LEFT JOIN x AS b ON b.k = a.k AND b.n = 2 WHERE a.n = 1",
        ),
        (
            "of_a_bag",
            "SELECT a, b FROM (SELECT a, b, row_number() OVER (PARTITION BY a ORDER BY b) AS n FROM bag) AS x WHERE n <= 2",
        ),
        (
            "everything",
            "SELECT id, v FROM (SELECT id, v, row_number() OVER (ORDER BY v, id) AS n FROM t) AS x WHERE n <= 5",
        ),
    ] {
        w.keep(name, query);
    }
    for batch in BATCHES {
        w.batch(batch);
    }
}

/// First rows under so many operators that the stream table does not tell what they were.
#[test]
fn windows_far_above_first_rows() {
    let mut w = World::new(SCHEMA);
    for (name, limited) in [
        ("limited", "SELECT id, v FROM t ORDER BY v DESC, id LIMIT 4"),
        (
            "numbered",
            "SELECT id, v FROM (SELECT id, v, row_number() OVER (ORDER BY v DESC, id) AS n FROM t) AS x WHERE n <= 4",
        ),
    ] {
        w.keep(
            name,
            &format!(
                "SELECT id FROM (SELECT id, v, count(*) OVER () AS n FROM (SELECT id, v FROM ({limited}) AS f WHERE v IS NOT NULL) AS g) AS c WHERE n BETWEEN 2 AND 4"
            ),
        );
    }
    for batch in [
        "DELETE FROM t WHERE id IN (1, 2, 30)",
        "UPDATE t SET v = 6 WHERE id IN (4, 5)",
        "UPDATE t SET v = NULL WHERE v > 4",
        // Fewer than are shown, none, and more again.
        "DELETE FROM t WHERE id > 3",
        "UPDATE t SET v = 9",
        "DELETE FROM t",
        "INSERT INTO t (id, v) VALUES (1, 1), (2, NULL), (3, 3)",
        "INSERT INTO t (id, v) VALUES (4, 3), (5, 3), (6, 2), (7, 2)",
    ] {
        w.batch(batch);
    }
}

/// With an index on partition and order, a refresh reads no more of a partition than it shows.
#[test]
fn first_rows_of_partitions_are_read_by_an_index() {
    let mut w = World::new(
        "CREATE TABLE e (id int PRIMARY KEY, k int, v int);
         INSERT INTO e SELECT i, i % 3, i FROM generate_series(1, 30000) i;
         CREATE INDEX ON e (k, v DESC)",
    );
    w.keep(
        "top",
        "SELECT id, k, n FROM (SELECT id, k, row_number() OVER (PARTITION BY k ORDER BY v DESC, id) AS n FROM e) AS x WHERE n <= 3",
    );
    w.run("ANALYZE e");
    let read = |w: &mut World| {
        w.run("SELECT pg_stat_force_next_flush()");
        let rows = w.rows(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'e'",
        );
        rows[0]
            .trim_matches(['(', ')'])
            .parse::<i64>()
            .expect("a number")
    };
    w.batch("INSERT INTO e VALUES (0, 1, 40000), (-1, NULL, 5), (-2, NULL, NULL); DELETE FROM e WHERE id = 29999");
    let before = read(&mut w);
    w.run("INSERT INTO e VALUES (-3, 1, 40000), (-4, 2, 40001); DELETE FROM e WHERE id = -1");
    let written = read(&mut w);
    w.run("SELECT pgtrickle.refresh_stream_table('top')");
    let after = read(&mut w);
    assert!(after - written < 100, "{before} {written} {after}");
    w.batch("UPDATE e SET v = -v WHERE id = 0");
}

/// Rows that a refresh reads of these tables, of which there are many.
fn rows_read(w: &mut World, tables: &str) -> i64 {
    w.run("SELECT pg_stat_force_next_flush()");
    let rows = w.rows(&format!(
        "SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_user_tables WHERE relname IN ({tables})"
    ));
    rows[0].trim_matches(['(', ')']).parse().expect("a number")
}

/// With an index on partition and order, a refresh reads no more of a partition than what follows the
/// first row that changes, of the source and of the stream table.
#[test]
fn what_follows_a_change_is_read_by_an_index() {
    let mut w = World::new(
        "CREATE TABLE e (id int PRIMARY KEY, k int, at timestamp NOT NULL, v int, s text);
         INSERT INTO e SELECT i, i % 3, '2024-01-01'::timestamp + i * interval '1 minute', i % 10, 'x' || i % 2
             FROM generate_series(1, 30000) i;
         CREATE INDEX ON e (k, at); CREATE INDEX ON e (s, at); CREATE INDEX ON e (at)",
    );
    w.run("ANALYZE e");
    let queries = [
        (
            "running",
            "SELECT id, k, at, v, sum(v) OVER w AS s, count(*) OVER w AS c, row_number() OVER w AS n, rank() OVER w AS r
             FROM e WINDOW w AS (PARTITION BY k ORDER BY at, id)",
        ),
        (
            "by_text",
            "SELECT id, s, at, sum(v) OVER (PARTITION BY s ORDER BY at) AS t FROM e",
        ),
        (
            "all_together",
            "SELECT id, at, v, sum(v) OVER (ORDER BY at, id) AS t FROM e",
        ),
        (
            "neighbours",
            "SELECT id, k, at, at - lag(at) OVER w AS gap, lead(v, 2) OVER w AS next, sum(v) OVER (w ROWS 9 PRECEDING) AS moving
             FROM e WINDOW w AS (PARTITION BY k ORDER BY at, id)",
        ),
    ];
    for (name, query) in queries {
        w.keep(name, query);
        w.run(&format!("ANALYZE {name}"));
    }
    w.batch(
        "INSERT INTO e VALUES (0, NULL, '2020-01-01', 1, NULL); DELETE FROM e WHERE id = 29999",
    );
    for (i, change) in [
        "INSERT INTO e SELECT 40000 + i, i % 3, '2025-01-01'::timestamp + i * interval '1 minute', 5, 'x1' FROM generate_series(1, 6) i",
        "DELETE FROM e WHERE id IN (29998, 40006)",
        "UPDATE e SET v = 7, at = at + interval '1 hour' WHERE id = 40001",
        "INSERT INTO e VALUES (50000, NULL, '2025-01-02', 3, NULL)",
    ]
    .into_iter()
    .enumerate()
    {
        w.run(change);
        for (name, _) in queries {
            let tables = format!("'e', '{name}'");
            let before = rows_read(&mut w, &tables);
            w.run(&format!("SELECT pgtrickle.refresh_stream_table('{name}')"));
            let done = harness::last_refresh(&mut w.client, name);
            assert_eq!(done.action, "DIFFERENTIAL", "{name} after {change}: {done:?}");
            let read = rows_read(&mut w, &tables) - before;
            assert!(read < 400, "{name} after change {i}: {read} rows");
            harness::law(&mut w.client, name);
        }
    }
}

/// A part of what is read has no NULL where windows are ordered by, and another has.
#[test]
fn places_are_null_in_a_part_only() {
    let mut w = World::new(
        "CREATE TABLE a (k int NOT NULL, b int); CREATE TABLE t (k int NOT NULL, v int);
         INSERT INTO a VALUES (1, 1), (4, 4); INSERT INTO t VALUES (1, 5), (7, 6)",
    );
    for (name, order) in [
        ("descending", "a.k DESC, a.b, t.v"),
        ("ascending", "a.k, a.b, t.v"),
    ] {
        w.keep(
            name,
            &format!(
                "SELECT a.k, a.b, t.v, sum(t.v) OVER (w ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS near,
                     count(*) OVER w AS n
                 FROM a FULL JOIN t ON a.k = t.k + 1 WINDOW w AS (ORDER BY {order})"
            ),
        );
    }
    w.batch("INSERT INTO a VALUES (2, 0), (0, 3), (3, -1); INSERT INTO t VALUES (2, 3), (-1, 1), (9, 0)");
    w.batch("DELETE FROM t WHERE k = 9; UPDATE a SET b = 8 WHERE k = 4");
    w.batch("DELETE FROM a WHERE k < 3; INSERT INTO t VALUES (3, 2)");
}

/// Where no index has the rows of a join in the order of a window, what each of many partitions looks
/// back at is found at once.
#[test]
fn neighbours_in_joins_are_found_at_once() {
    let mut w = World::new(
        "CREATE TABLE p (id int PRIMARY KEY, name text); CREATE TABLE e (id int PRIMARY KEY, p int, at int NOT NULL, v int);
         INSERT INTO p SELECT i, 'p' || i FROM generate_series(1, 400) i;
         INSERT INTO e SELECT i, i % 402, i / 3, i % 10 FROM generate_series(1, 8000) i;
         CREATE INDEX ON e (p); ANALYZE",
    );
    w.keep(
        "s",
        "SELECT e.id, p.name, e.at, e.at - lag(e.at) OVER w AS gap, sum(e.v) OVER (w ROWS 2 PRECEDING) AS moving,
             rank() OVER w AS r
         FROM e JOIN p ON p.id = e.p WINDOW w AS (PARTITION BY p.name ORDER BY e.at, e.id)",
    );
    w.run("INSERT INTO e SELECT 10000 + i, i, 3000, 1 FROM generate_series(1, 400) i");
    let before = rows_read(&mut w, "'e'");
    w.run("SELECT pgtrickle.refresh_stream_table('s')");
    let read = rows_read(&mut w, "'e'") - before;
    assert!(read < 50_000, "{read} rows");
    harness::law(&mut w.client, "s");
    w.batch("UPDATE e SET at = at - 1000 WHERE id > 10200; DELETE FROM p WHERE id = 7; UPDATE p SET name = 'p8' WHERE id = 9");
    w.batch("INSERT INTO p VALUES (0, NULL), (401, NULL)");
    w.batch("DELETE FROM e WHERE id % 7 = 0");
}
