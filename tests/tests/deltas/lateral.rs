//! LATERAL subqueries, functions in FROM, set-returning functions in the SELECT list.

use crate::support::World;

const TABLES: &str = "
    CREATE TYPE pair AS (p int, q text);
    CREATE TABLE t (id int PRIMARY KEY, k int, x int, a int[], b text[], j jsonb, s text, n numeric, c pair[]);
    CREATE TABLE u (id int PRIMARY KEY, k int NOT NULL, v int, w numeric(10,2));
    CREATE INDEX ON t (k);
    CREATE INDEX ON u (k);
    CREATE TABLE bag (k int, a int[], j json);
    CREATE FUNCTION twice(n int) RETURNS SETOF int IMMUTABLE LANGUAGE sql AS 'VALUES (n), (n)';
    CREATE FUNCTION halves(n int, OUT low int, OUT high int) IMMUTABLE LANGUAGE plpgsql
        AS 'BEGIN low := n / 2; high := n - n / 2; END';
    CREATE FUNCTION pairs(n int) RETURNS TABLE (i int, word text) IMMUTABLE STRICT LANGUAGE plpgsql
        AS 'BEGIN FOR i IN 1..n LOOP word := repeat(''x'', i); RETURN NEXT; END LOOP; END';
    CREATE FUNCTION of_pair(n int) RETURNS SETOF pair IMMUTABLE LANGUAGE sql
        AS $$SELECT i, 'p' || i FROM generate_series(1, n) i$$;
    INSERT INTO t SELECT i, i % 4, i % 3, ARRAY[i, i % 2, i], ARRAY['a' || i, NULL], jsonb_build_object('v', i, 'w', ARRAY[i, 1]),
        'p,q' || i, i + 0.50, ARRAY[(i, 'one')::pair] FROM generate_series(1, 10) i;
    INSERT INTO u SELECT i, i % 4, i % 5, i + 0.25 FROM generate_series(1, 12) i;
    INSERT INTO bag SELECT i % 2, ARRAY[i % 3, 7], json_build_array(i % 2, 'z') FROM generate_series(1, 6) i;";

/// Changes that make arrays grow, shrink and vanish, partners come and go, keys move, and images
/// change alone.
const BATCHES: &[&str] = &[
    "UPDATE t SET a = a || 9 WHERE id < 4; INSERT INTO u VALUES (20, 3, 1, 1)",
    "UPDATE t SET a = '{}' WHERE id = 2; UPDATE t SET a = NULL, b = '{}' WHERE id = 3; DELETE FROM u WHERE k = 1",
    "UPDATE t SET k = NULL, x = 4 WHERE id IN (2, 5); INSERT INTO bag SELECT * FROM bag WHERE k = 1",
    "UPDATE u SET k = 3 - k, v = v + 1; UPDATE t SET x = x - 1, n = n + 1",
    "UPDATE t SET j = '{\"v\": 1.0, \"z\": null}' WHERE id = 1; UPDATE t SET j = NULL WHERE id = 4; UPDATE t SET n = 3.5 WHERE id = 3",
    "DELETE FROM t WHERE id = 6; INSERT INTO t VALUES (6, 2, 2, '{1,NULL,1}', '{x,y,z}', '{}', ',', 1.0, NULL), (30, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{}')",
    "UPDATE t SET j = '{\"v\": 1}', n = 1.00 WHERE id IN (1, 6); DELETE FROM bag WHERE ctid IN (SELECT min(ctid) FROM bag GROUP BY k)",
    "DELETE FROM u; DELETE FROM bag WHERE k = 0; UPDATE t SET s = s || ',r' WHERE id = 7",
    "INSERT INTO u SELECT i, i % 3, i % 4, i FROM generate_series(1, 7) i; UPDATE t SET a = ARRAY[1, 2, 3, 1] WHERE a = '{}' OR a IS NULL",
    "UPDATE t SET k = k + 1, c = c || (7, NULL)::pair WHERE id > 3; UPDATE u SET v = NULL WHERE id = 2",
    "DELETE FROM t; DELETE FROM bag",
    "INSERT INTO t SELECT i, i % 4, i % 3, ARRAY[i, 1], ARRAY['b' || i], jsonb_build_object('v', i), 'm', i, NULL FROM generate_series(1, 5) i; INSERT INTO bag VALUES (1, '{7,7}', '[1,1]'), (NULL, NULL, NULL)",
];

#[track_caller]
fn keep_all(queries: &[&str]) {
    let mut w = World::new(TABLES);
    for (i, query) in queries.iter().enumerate() {
        w.keep(&format!("st{i}"), query);
    }
    for batch in BATCHES {
        w.batch(batch);
    }
}

/// Functions in FROM over columns to the left of them: of arrays, of several, numbered, in lockstep,
/// of JSON, of rows, of users; on either side of joins, under filters and aggregates; outer.
#[test]
fn trap_lateral_functions() {
    keep_all(&[
        "SELECT t.id, u FROM t, unnest(t.a) AS u",
        "SELECT t.id, u.e, u.o FROM t, unnest(t.a) WITH ORDINALITY AS u(e, o)",
        "SELECT t.id, u.* FROM t, unnest(t.a, t.b) AS u(p, q)",
        "SELECT t.id, u.* FROM t LEFT JOIN unnest(t.a, t.b) AS u(p, q) ON u.p > t.x",
        "SELECT t.id, u.o FROM t LEFT JOIN unnest(t.b) WITH ORDINALITY AS u(e, o) ON u.e IS NULL WHERE t.k > 0",
        "SELECT t.id, u FROM t LEFT JOIN unnest(t.a) AS u ON true WHERE u > 2",
        "SELECT t.id, g FROM t, generate_series(1, t.x) g WHERE g < t.id",
        "SELECT t.id, g FROM t, generate_series(t.x, 0, -1) AS g(n)",
        "SELECT t.id, k.key, k.value FROM t, jsonb_each(t.j) k",
        "SELECT t.id, k.value FROM t, jsonb_each_text(t.j) k WHERE k.key = 'v'",
        "SELECT t.id, e.value AS e FROM t, jsonb_array_elements(t.j -> 'w') e",
        "SELECT t.id, r.* FROM t, jsonb_to_record(t.j) AS r(v numeric, w text)",
        "SELECT t.id, r.* FROM t, ROWS FROM (jsonb_to_recordset(jsonb_path_query_array(t.j, '$')) AS (v text, z int), generate_series(1, t.x)) WITH ORDINALITY AS r(m)",
        "SELECT bag.k, e FROM bag, json_array_elements(bag.j) e",
        "SELECT bag.k, e FROM bag, unnest(bag.a) e",
        "SELECT t.id, m FROM t, regexp_matches(t.s, '([a-z])', 'g') m",
        "SELECT t.id, w FROM t, string_to_table(t.s, ',') w",
        "SELECT t.id, w FROM t, regexp_split_to_table(t.s, ',') WITH ORDINALITY AS w",
        "SELECT t.id, f FROM t, twice(t.x) f",
        "SELECT t.id, h.* FROM t, halves(t.x) h",
        "SELECT t.id, p.* FROM t, pairs(t.x) p",
        "SELECT t.id, o.*, o AS whole FROM t, of_pair(t.x) o",
        "SELECT t.id, c.p, c.q FROM t, unnest(t.c) c",
        "SELECT t.id, l, up FROM t, lower(t.s) l, upper(l) up",
        "SELECT t.id, d FROM t LEFT JOIN abs(t.x) d ON d > 1",
        "SELECT t.id, y FROM t, CAST(t.x AS bigint) y",
        "SELECT t.id, g, n.o FROM t JOIN generate_series(1, 3) g ON g = t.x, ROWS FROM (generate_series(1, 2)) WITH ORDINALITY AS n(e, o)",
        "SELECT t.id, u.id AS uid, e FROM t, unnest(t.a) e JOIN u ON u.k = e",
        "SELECT t.id, u.v, e FROM t JOIN u ON u.k = t.k, unnest(t.a) WITH ORDINALITY AS e(e, o) WHERE e.o <= u.v",
        "SELECT e, count(*) AS n, sum(t.x) AS s FROM t, unnest(t.a) e GROUP BY e HAVING count(*) > 1",
        "SELECT t.k, min(e) AS m, count(DISTINCT e) AS n FROM t LEFT JOIN unnest(t.a) e ON e < 5 GROUP BY t.k",
        "SELECT DISTINCT e FROM t, unnest(t.a) e",
        "SELECT e FROM t, unnest(t.a) e UNION SELECT v FROM u",
        "SELECT t.id FROM t WHERE 1 IN (SELECT unnest(t.a)) AND EXISTS (SELECT FROM unnest(t.a) WITH ORDINALITY AS e(v, o) WHERE e.v = e.o)",
        "SELECT t.id, (SELECT sum(e) FROM unnest(t.a) e) AS s, (SELECT max(v) FROM u WHERE u.k = t.k) AS m FROM t",
        "WITH e AS (SELECT t.id, e FROM t, unnest(t.a) e) SELECT a.id, b.id AS other FROM e a JOIN e b ON a.e = b.e AND a.id < b.id",
        "SELECT g FROM generate_series(1, 5) g LEFT JOIN u ON u.v = g",
        "SELECT t.id, a.g, b.g AS h FROM t, generate_series(1, 2) AS a(g), generate_series(1, 2) AS b(g) WHERE a.g <> b.g",
        "WITH g AS (SELECT n FROM generate_series(1, 3) n WHERE n > 1) SELECT t.id FROM t WHERE t.x IN (SELECT n FROM g) OR t.k NOT IN (SELECT n FROM g)",
    ]);
}

/// Correlated LATERAL subqueries, nested, inner and outer, with all that a SELECT may hold.
#[test]
fn trap_lateral() {
    keep_all(&[
        "SELECT t.id, l.v, l.y FROM t, LATERAL (SELECT u.v, u.v * t.x AS y FROM u WHERE u.k = t.k AND u.v <> t.x) l",
        "SELECT t.id, l.v, l.y FROM t LEFT JOIN LATERAL (SELECT u.v, u.v * t.x AS y FROM u WHERE u.k = t.k) l ON true",
        "SELECT t.id, l.v, l.y FROM t LEFT JOIN LATERAL (SELECT u.v, 1 AS y FROM u WHERE u.k = t.k) l ON l.v > t.x",
        "SELECT t.id, l.* FROM t, LATERAL (SELECT count(*) AS n, max(v) AS m, sum(v + 1) AS s FROM u WHERE u.k = t.k) l",
        "SELECT t.id, l.* FROM t LEFT JOIN LATERAL (SELECT count(*) AS n, max(v) AS m FROM u WHERE u.k = t.k) l ON l.n > 1",
        "SELECT t.id, l.* FROM t, LATERAL (SELECT count(*) AS n FROM u WHERE u.k = t.k HAVING count(*) > 1) l",
        "SELECT t.id, l.* FROM t LEFT JOIN LATERAL (SELECT max(v) AS n FROM u WHERE u.k = t.k HAVING count(*) > 2) l ON l.n < 4",
        "SELECT t.id, l.* FROM t, LATERAL (SELECT v, count(*) AS n FROM u WHERE u.k = t.k GROUP BY v) l",
        "SELECT t.id, l.* FROM t LEFT JOIN LATERAL (SELECT v, count(*) AS n FROM u WHERE u.k = t.k GROUP BY v HAVING count(*) > 1 OR v > t.x) l ON true",
        "SELECT t.id, l.v FROM t, LATERAL (SELECT DISTINCT v FROM u WHERE u.k = t.k) l",
        "SELECT t.id, l.y FROM t, LATERAL (SELECT DISTINCT v + t.x AS y FROM u WHERE u.k >= t.k) l",
        "SELECT t.id, l.v FROM t, LATERAL (SELECT v FROM u WHERE u.k = t.k UNION ALL SELECT t.x UNION ALL SELECT e FROM unnest(t.a) e) l",
        "SELECT t.id, l.v FROM t LEFT JOIN LATERAL (SELECT v FROM u WHERE u.k = t.k EXCEPT SELECT t.x) l ON true",
        "SELECT t.id, l.v FROM t, LATERAL (VALUES (1), (2)) l(v) WHERE l.v < t.x",
        "SELECT t.id, l.y, m.z FROM t, LATERAL (SELECT t.x + 1 AS y) l, LATERAL (SELECT l.y * 2 AS z WHERE l.y > 1) m",
        "SELECT t.id, l.y FROM t LEFT JOIN LATERAL (SELECT t.x + 1 AS y WHERE t.x > 0) l ON l.y < 3",
        "SELECT t.id, l.v, l.n FROM t, LATERAL (SELECT u.v, m.n FROM u, LATERAL (SELECT count(*) AS n FROM bag WHERE bag.k = u.v) m WHERE u.k = t.k AND m.n < t.x + 3) l",
        "SELECT t.id, l.uid, l.n FROM t LEFT JOIN LATERAL (SELECT u.id AS uid, m.n FROM u LEFT JOIN LATERAL (SELECT b.id AS n FROM t b WHERE b.k = u.v AND b.x = t.x) m ON true WHERE u.k = t.k) l ON true",
        "SELECT t.id, l.v, l.tid FROM t, LATERAL (SELECT u.v, b.id AS tid FROM u LEFT JOIN t b ON b.k = u.v AND b.x > t.x WHERE u.k = t.k) l",
        "SELECT t.id, l.v, l.tid FROM t, LATERAL (SELECT u.v, b.id AS tid FROM u RIGHT JOIN t b ON b.k = u.v AND b.x > t.x) l WHERE t.id < 4",
        "SELECT t.id, l.e FROM t LEFT JOIN LATERAL (SELECT e + t.x AS e FROM unnest(t.a) e WHERE e > 1) l ON true",
        "SELECT t.id, l.s, l.n FROM t, LATERAL (SELECT sum(e) AS s, count(*) AS n FROM unnest(t.a) e) l",
        "SELECT t.id, l.e, l.n FROM t LEFT JOIN LATERAL (SELECT e, count(*) AS n FROM unnest(t.a) e GROUP BY e) l ON l.n > 1",
        "SELECT t.id, l.n FROM t, LATERAL (SELECT count(*) AS n FROM u WHERE u.w > t.n) l",
        "SELECT bag.k, l.v FROM bag, LATERAL (SELECT v FROM u WHERE u.k = bag.k) l",
        "SELECT bag.k, l.n FROM bag LEFT JOIN LATERAL (SELECT count(*) AS n FROM u WHERE u.k > bag.k) l ON true",
        "SELECT t.k, sum(l.n) AS s FROM t, LATERAL (SELECT count(*) AS n FROM u WHERE u.k = t.k) l GROUP BY t.k",
        "SELECT t.id, l.v FROM t, LATERAL (SELECT v FROM u WHERE u.k = t.k AND EXISTS (SELECT FROM bag WHERE bag.k = t.x)) l",
        "SELECT t.id, l.m FROM t, LATERAL (SELECT (SELECT max(v) FROM u WHERE u.k = t.k) AS m, EXISTS (SELECT FROM bag WHERE bag.k = t.k) AS e) l WHERE l.e",
        "SELECT t.id, l.v FROM t, LATERAL (SELECT s.v FROM (SELECT v, k FROM u WHERE v > t.x) s WHERE s.k = t.k) l",
        "SELECT t.id, d.v FROM t RIGHT JOIN LATERAL (SELECT v FROM u) d ON d.v = t.x",
        "SELECT a.id, b.id AS other, l.n FROM t a JOIN t b ON b.k = a.k JOIN LATERAL (SELECT count(*) AS n FROM u WHERE u.k = a.k AND u.v = b.x) l ON l.n > 0 WHERE a.id <> b.id",
        "SELECT t.id FROM t WHERE EXISTS (SELECT FROM u, LATERAL (SELECT e FROM unnest(t.a) e WHERE e = u.v) l WHERE u.k = t.k)",
        "SELECT x.id, x.e FROM (SELECT t.id, e FROM t LEFT JOIN LATERAL unnest(t.a) e ON true) x WHERE x.e IS NULL OR x.id > 2",
    ]);
}

/// A query that the server of this version cannot eliminate a self-join of without going down:
/// neither a refresh nor `verify` lets it.
#[test]
fn trap_self_join_elimination() {
    let query = "SELECT a.id, l.v FROM t a JOIN t b USING (id),
        LATERAL (SELECT u.v FROM u WHERE u.id = a.k UNION ALL SELECT a.id) l";
    let mut w = World::new(TABLES);
    // What the law compares with is asked in this session.
    w.run("SET enable_self_join_elimination = off");
    w.keep("st", query);
    w.batch(BATCHES[0]);
    let mut other = w.connect();
    let of_other = format!(
        "SELECT pgtrickle.create_stream_table('whole', $${query}$$, refresh_mode => 'FULL');
         {}; SELECT pgtrickle.refresh_stream_table('st'), pgtrickle.refresh_stream_table('whole');
         SELECT pgtrickle.verify('st'), pgtrickle.verify('whole')",
        BATCHES[3]
    );
    let done = other.batch_execute(&of_other);
    done.unwrap_or_else(|e| panic!("another session: {}", harness::law::describe(&e)));
    harness::law(&mut w.client, "st");
    harness::law(&mut w.client, "whole");
}

/// Set-returning functions in the SELECT list: in lockstep, nested, in expressions, over groups, as
/// keys, under DISTINCT and in subqueries.
#[test]
fn trap_lateral_select_list() {
    keep_all(&[
        "SELECT id, unnest(a) AS e FROM t",
        "SELECT id, unnest(a) AS e, generate_series(1, x) AS g FROM t",
        "SELECT id, unnest(a) + x AS e, unnest(a) AS f FROM t WHERE k > 0",
        "SELECT id, generate_series(1, unnest(a)) AS g, unnest(b) AS w FROM t WHERE id < 5",
        "SELECT id, (jsonb_each(j)).* FROM t",
        "SELECT id, (jsonb_each_text(j)).value AS v, unnest(b) AS w FROM t",
        "SELECT id, (pairs(x)).word, (of_pair(x)).q, (halves(x)).low FROM t",
        "SELECT DISTINCT unnest(a) AS e FROM t",
        "SELECT unnest(a) AS e, count(*) AS n FROM t GROUP BY 1",
        "SELECT unnest(a) AS e, unnest(b) AS w, max(x) AS m FROM t GROUP BY e, w",
        "SELECT k, unnest(array_agg(id ORDER BY id)) AS i, count(*) AS n FROM t GROUP BY k",
        "SELECT k, generate_series(1, count(*)) AS g, generate_series(1, k) AS h FROM t GROUP BY k",
        "SELECT unnest(array_agg(x ORDER BY id)) AS x FROM t",
        "SELECT id, unnest(a) AS e FROM t UNION ALL SELECT k, unnest(a) FROM bag",
        "SELECT id, (SELECT max(v) FROM u WHERE u.k = t.k) AS m, unnest(a) AS e FROM t",
        "SELECT id, unnest(a) > ANY (ARRAY[1, 2]) AS e FROM t",
        "SELECT id, generate_series(1, (SELECT count(*) FROM u WHERE u.k = t.k)) AS g FROM t",
        "SELECT x.id, x.e, u.v FROM (SELECT id, unnest(a) AS e FROM t) x JOIN u ON u.k = x.e WHERE x.id > 1",
        "SELECT id, unnest(a) AS e FROM t ORDER BY unnest(a), id",
        "SELECT id, unnest(a) AS e FROM t ORDER BY generate_series(1, k)",
        "SELECT id FROM t ORDER BY generate_series(1, 3) DESC, id LIMIT 5",
        "SELECT k FROM t GROUP BY k ORDER BY generate_series(1, count(*))",
        "SELECT k, count(*) AS n FROM t GROUP BY k ORDER BY unnest(array_agg(id)), k LIMIT 4",
        "SELECT t.id, l.e FROM t, LATERAL (SELECT unnest(t.a) AS e, unnest(t.b) AS w) l WHERE l.w IS NOT NULL",
        "SELECT t.id, l.e FROM t LEFT JOIN LATERAL (SELECT unnest(t.a) AS e) l ON l.e > 1",
        "SELECT id, twice(x) AS d FROM t WHERE x IN (SELECT generate_series(0, 2))",
    ]);
}

/// A function that raises on a row that the full query filters out, or that was there in neither
/// epoch.
#[test]
fn a_function_that_raises_meets_no_ghosts() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, u int, x int);
         CREATE TABLE u (id int PRIMARY KEY, y int);
         INSERT INTO t VALUES (1, 1, 5), (2, 2, 6);
         INSERT INTO u VALUES (1, 1), (2, 2)",
    );
    w.keep(
        "st",
        "SELECT t.id, g FROM t JOIN u ON u.id = t.u, generate_series(1, 10, t.x - u.y) g",
    );
    w.keep(
        "st2",
        "SELECT t.id, g FROM (SELECT * FROM t WHERE x > 0) t, generate_series(1, 10, t.x) g",
    );
    // Old rows of t with new rows of u, or the other way, have a step of 0.
    w.batch("UPDATE t SET x = 9 WHERE id = 1; UPDATE u SET y = 5 WHERE id = 1");
    w.batch("UPDATE u SET y = 4 WHERE id = 2; UPDATE t SET x = 2 WHERE id = 2");
    w.batch("INSERT INTO t VALUES (3, 3, 0)");
    w.run("INSERT INTO u VALUES (3, 0)");
    let (state, _) = w.fails("SELECT pgtrickle.refresh_stream_table('st')");
    assert_eq!(state, "22023");
    w.batch(
        "DELETE FROM u WHERE id = 3; INSERT INTO u VALUES (4, 1); UPDATE t SET x = 1 WHERE id = 3",
    );
}

/// The row of a set-returning function has its names and types where the query reads it whole.
#[test]
fn functions_are_seen_as_postgresql_sees_them() {
    let mut w = World::new(TABLES);
    w.keep("st0", "SELECT g FROM t, generate_series(1, t.x) AS g(n)");
    w.keep(
        "st1",
        "SELECT o.n, o.ordinality, t.id FROM t, generate_series(1, t.x) WITH ORDINALITY AS o(n)",
    );
    w.keep(
        "st2",
        "SELECT t.id, jsonb_array_elements.value FROM t, jsonb_array_elements(t.j -> 'w')",
    );
    w.keep("st3", "SELECT t.id, h.low FROM t, halves(t.x) AS h");
    w.keep("st4", "SELECT t.id, unnest FROM t, unnest(t.a)");
    w.batch("UPDATE t SET x = x + 1, a = a || 1 WHERE id < 4");
    for (sql, message) in [
        (
            "SELECT * FROM t FULL JOIN unnest(t.a) u ON true",
            "invalid reference to FROM-clause entry",
        ),
        (
            "SELECT id, CASE WHEN x > 1 THEN unnest(a) END AS e FROM t",
            "set-returning functions are not allowed in CASE",
        ),
        (
            "SELECT sum(unnest(a)) AS e FROM t",
            "aggregate function calls cannot contain set-returning function calls",
        ),
        (
            "SELECT id, e FROM t, abs(unnest(t.a)) e",
            "set-returning functions must appear at top level of FROM",
        ),
        (
            "SELECT id FROM t WHERE unnest(a) > 1",
            "set-returning functions are not allowed in WHERE",
        ),
        (
            "SELECT r.* FROM t, jsonb_to_record(t.j) r",
            "a column definition list is required",
        ),
        (
            "SELECT id, generate_series(1, random()::int) AS r FROM t",
            "VOLATILE",
        ),
        (
            "SELECT t.id, r.* FROM t, jsonb_to_record(t.j) AS r(v date)",
            "STABLE",
        ),
    ] {
        let (_, found) = w.fails(&crate::support::creation("no", sql, "DIFFERENTIAL"));
        assert!(found.contains(message), "{sql}: {found}");
    }
}
