//! SQL/JSON: JSON_TABLE in FROM, query functions, constructors, aggregates, `IS JSON`.

use crate::support::{World, creation};

const TABLES: &str = r#"
    CREATE TYPE color AS ENUM ('red', 'green');
    CREATE TYPE pair AS (p int, q text);
    CREATE DOMAIN positive AS int CHECK (value > 0);
    CREATE TABLE t (id int PRIMARY KEY, k int, x int, j jsonb, js json, s text, d date);
    CREATE TABLE u (id int PRIMARY KEY, k int NOT NULL, v int);
    CREATE TABLE bag (k int, j jsonb);
    CREATE INDEX ON t (k);
    CREATE INDEX ON u (k);
    INSERT INTO t SELECT i, i % 4, i % 3,
        jsonb_build_object('v', i, 'w', jsonb_build_array(i, i % 2, 'x'), 'o', jsonb_build_array(
            jsonb_build_object('n', i, 'l', jsonb_build_array(1, i)), jsonb_build_object('n', 'z', 'm', jsonb_build_array('p')))),
        ('{"a": [' || i || ', null], "b":  "' || i || '"}')::json, '{"s": ' || i || '}', '2024-01-01'::date + i
        FROM generate_series(1, 8) i;
    INSERT INTO u SELECT i, i % 4, i % 5 FROM generate_series(1, 12) i;
    INSERT INTO bag SELECT i % 2, jsonb_build_array(i % 2, 7) FROM generate_series(1, 6) i;"#;

/// Changes that make documents grow, shrink, vanish and take other shapes; partners come and go.
const BATCHES: &[&str] = &[
    "UPDATE t SET j = jsonb_set(j, '{w}', '[5, 5, null]') WHERE id < 4; INSERT INTO u VALUES (20, 3, 1)",
    "UPDATE t SET j = j #- '{o,0}' WHERE id = 2; UPDATE t SET j = '{}' WHERE id = 3; UPDATE t SET j = NULL, js = NULL, s = NULL WHERE id = 5; DELETE FROM u WHERE k = 1",
    r#"UPDATE t SET j = '[1, {"v": 2}]', js = '"x"', s = 'no json' WHERE id = 1; INSERT INTO bag SELECT * FROM bag WHERE k = 1"#,
    r#"UPDATE t SET j = '{"v": 1.0, "w": "x", "o": {"n": 1}}' WHERE id = 4; UPDATE t SET j = '{"v": 1}' WHERE id = 6; UPDATE u SET k = 3 - k, v = v + 1"#,
    "UPDATE t SET k = NULL, x = 4 WHERE id IN (2, 5); UPDATE t SET x = x - 1 WHERE id = 7; UPDATE t SET js = '{\"a\": [], \"b\": null}' WHERE id = 8",
    "UPDATE t SET j = jsonb_set(j, '{v}', '1.00') WHERE id = 4; DELETE FROM bag WHERE ctid IN (SELECT min(ctid) FROM bag GROUP BY k)",
    r#"DELETE FROM t WHERE id = 6; INSERT INTO t VALUES (6, 2, 2, '{"v": true, "w": [], "o": [{"l": [3, 3]}, {"l": []}]}', '[]', '[1,2]', NULL), (30, NULL, NULL, '3', '3', '3', NULL)"#,
    "DELETE FROM u; DELETE FROM bag WHERE k = 0",
    "INSERT INTO u SELECT i, i % 3, i % 4 FROM generate_series(1, 7) i; UPDATE t SET k = k + 1, s = '{\"s\": 1, \"s\": 2}' WHERE id > 3",
    "DELETE FROM t; DELETE FROM bag",
    r#"INSERT INTO t SELECT i, i, i, jsonb_build_object('v', i, 'w', ARRAY[i]), '{}', '"q"', NULL FROM generate_series(1, 3) i; INSERT INTO bag VALUES (1, '[7, 7]'), (NULL, NULL)"#,
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

/// JSON_TABLE over columns to the left of it and alone: with all kinds of columns, nested, with what
/// is passed to it, on either side of joins, under filters and aggregates, outer.
#[test]
fn trap_json_table() {
    keep_all(&[
        "SELECT t.id, x.e FROM t, JSON_TABLE(t.j, '$.w[*]' COLUMNS (e text PATH '$')) AS x",
        // PostgreSQL 18.6 takes the value of lower() as a column only.
        "SELECT g.k, x.e FROM (SELECT k, lower(min(s)) AS l FROM t GROUP BY k) AS g, JSON_TABLE(JSON_ARRAY(g.l, g.k RETURNING jsonb), '$[*]' COLUMNS (e text PATH '$')) AS x",
        "SELECT t.id, x.* FROM t, LATERAL JSON_TABLE(t.j, 'lax $.w[*]' COLUMNS (n FOR ORDINALITY, e int PATH '$' DEFAULT -1 ON ERROR, f text FORMAT JSON PATH '$')) AS x",
        "SELECT t.id, v FROM t, JSON_TABLE(t.j, '$' COLUMNS (v numeric(6, 2)))",
        "SELECT t.id, json_table.v FROM t, JSON_TABLE(t.j, '$' COLUMNS (v text DEFAULT 'none' ON EMPTY)) WHERE json_table.v <> 'none'",
        "SELECT t.id, x.* FROM t, JSON_TABLE(t.j, '$' AS root COLUMNS (NESTED PATH '$.o[*]' AS o COLUMNS (i FOR ORDINALITY, n text PATH '$.n', NESTED PATH '$.l[*]' COLUMNS (l int PATH '$'), NESTED '$.m[*]' COLUMNS (m text PATH '$')), v text PATH '$.v')) AS x",
        "SELECT t.id, x.hi, x.has, x.num FROM t, JSON_TABLE(t.j, '$.w[*]' PASSING t.x AS lo, t.s AS name COLUMNS (hi bool EXISTS PATH '$ ? (@ > $lo)', has int EXISTS PATH '$ ? (@ == $lo)' TRUE ON ERROR, num numeric PATH '$ ? (@ >= $lo)' NULL ON ERROR)) AS x",
        "SELECT t.id, x.* FROM t, JSON_TABLE(t.j, '$' COLUMNS (w jsonb PATH '$.w' WITHOUT WRAPPER, o json PATH '$.o', a int[] PATH '$.o[*].l' NULL ON ERROR, q text PATH '$.w[*]' WITH CONDITIONAL WRAPPER, u varchar(5) PATH '$.v' OMIT QUOTES, d varchar(3) PATH '$.zz' DEFAULT 'abc' ON EMPTY)) AS x",
        "SELECT t.id, x.a, x.b FROM t LEFT JOIN JSON_TABLE(t.js, '$.a[*]' COLUMNS (a int PATH '$', b text PATH '$ ? (@ > 2)')) AS x ON x.a > t.x",
        "SELECT t.id, x.e FROM t LEFT JOIN LATERAL JSON_TABLE(t.j, '$.w[*]' COLUMNS (e text PATH '$')) AS x ON true",
        "SELECT t.id, x.c FROM t LEFT JOIN JSON_TABLE(t.j, '$.w[*]' COLUMNS (c positive PATH '$' NULL ON ERROR)) AS x ON true WHERE x.c > 1",
        "SELECT t.id, x.a, x.z FROM t, JSON_TABLE(t.j, '$.w[*]' COLUMNS (e text PATH '$', f int PATH '$' DEFAULT 0 ON ERROR)) AS x(a, z)",
        "SELECT x.e, count(*) AS n, sum(t.x) AS s FROM t, JSON_TABLE(t.j, '$.w[*]' COLUMNS (e text PATH '$')) AS x GROUP BY x.e HAVING count(*) > 1",
        "SELECT DISTINCT x.e FROM t, JSON_TABLE(t.j, '$.w[*]' COLUMNS (e text PATH '$')) AS x",
        "SELECT bag.k, x.e FROM bag, JSON_TABLE(bag.j, '$[*]' COLUMNS (e int PATH '$')) AS x",
        "SELECT t.id, u.id AS uid, x.e FROM t JOIN u ON u.k = t.k, JSON_TABLE(t.j, '$.w[*]' PASSING u.v AS v COLUMNS (e text PATH '$ ? (@ >= $v)')) AS x WHERE x.e IS NOT NULL",
        "SELECT t.id, u.id AS uid, x.e FROM t, JSON_TABLE(t.j, '$.w[*]' COLUMNS (e int PATH '$' NULL ON ERROR)) AS x JOIN u ON u.k = x.e",
        "SELECT t.id, y.e FROM t, JSON_TABLE(t.j, '$.o[*]' COLUMNS (l jsonb PATH '$.l')) AS x, JSON_TABLE(x.l, '$[*]' COLUMNS (e text PATH '$')) AS y",
        "SELECT t.id FROM t WHERE EXISTS (SELECT FROM JSON_TABLE(t.j, '$.w[*]' COLUMNS (e text PATH '$')) AS x WHERE x.e = t.x::text)",
        "SELECT t.id, (SELECT count(x.e) FROM JSON_TABLE(t.j, '$.w[*]' COLUMNS (e text PATH '$')) AS x) AS n FROM t",
        "SELECT x.n, u.id FROM JSON_TABLE('[1, 2, 3]'::jsonb, '$[*]' COLUMNS (n int PATH '$')) AS x LEFT JOIN u ON u.v = x.n",
        "SELECT t.id, x.\"A b\", x.\"select\" FROM t, JSON_TABLE(t.j, '$' COLUMNS (\"A b\" text PATH '$.\"v\"', \"select\" bool EXISTS PATH '$.w')) AS x",
        "WITH e AS (SELECT t.id, x.e FROM t, JSON_TABLE(t.j, '$.w[*]' COLUMNS (e text PATH '$')) AS x) SELECT a.id, b.id AS other FROM e a JOIN e b ON a.e = b.e AND a.id < b.id",
        "SELECT x.e, row_number() OVER (PARTITION BY t.id ORDER BY x.i) AS r FROM t, JSON_TABLE(t.j, '$.w[*]' COLUMNS (i FOR ORDINALITY, e text PATH '$')) AS x",
    ]);
}

/// JSON_EXISTS, JSON_VALUE, JSON_QUERY and `IS JSON` wherever expressions stand.
#[test]
fn trap_json_query_functions() {
    keep_all(&[
        "SELECT id, JSON_EXISTS(j, '$.v') AS e, JSON_EXISTS(js, 'strict $.a[5]' TRUE ON ERROR) AS f FROM t WHERE js IS NOT NULL",
        "SELECT id FROM t WHERE JSON_EXISTS(j, '$.w[*] ? (@ == $x)' PASSING x AS x)",
        "SELECT id, JSON_VALUE(j, '$.v') AS v, JSON_VALUE(j, '$.v' RETURNING int DEFAULT 0 ON EMPTY DEFAULT '-1' ON ERROR) AS n, JSON_VALUE(js, '$.b' RETURNING varchar(4)) AS b FROM t WHERE j IS NOT NULL",
        "SELECT id, JSON_QUERY(j, '$.w') AS w, JSON_QUERY(j, '$.w[*]' RETURNING text WITH WRAPPER) AS x, JSON_QUERY(j, '$.o[1].n' RETURNING text OMIT QUOTES EMPTY ARRAY ON EMPTY) AS y, JSON_QUERY(j, '$.o[0].l' RETURNING int[]) AS z FROM t WHERE j IS NOT NULL",
        "SELECT id, s IS JSON AS a, s IS JSON OBJECT AS b, s IS NOT JSON ARRAY AS c, s IS JSON WITH UNIQUE KEYS AS d, js IS JSON SCALAR AS e FROM t",
        "SELECT JSON_VALUE(j, '$.v') AS v, count(*) AS n, min(id) AS m FROM t GROUP BY JSON_VALUE(j, '$.v')",
        "SELECT t.id, u.id AS uid FROM t JOIN u ON u.k = JSON_VALUE(t.j, '$.w[1]' RETURNING int NULL ON ERROR)",
        "SELECT t.id, u.id AS uid, JSON_VALUE(t.j, '$.v') AS v FROM u LEFT JOIN t ON u.k = t.k AND JSON_EXISTS(t.j, '$.o')",
        "SELECT sum(JSON_VALUE(j, '$.v' RETURNING numeric)) AS s, bool_or(s IS JSON) AS b FROM t",
        "SELECT DISTINCT JSON_VALUE(j, '$.w[0]' RETURNING text) COLLATE \"C\" AS v FROM t",
        "SELECT t.id, v FROM t, JSON_VALUE(t.j, '$.v') v",
        "SELECT id, CASE WHEN s IS JSON THEN JSON_VALUE(s, '$.s' ERROR ON ERROR) END AS v FROM t",
        "SELECT k, JSON_QUERY(j, '$') AS j, count(*) AS n FROM bag GROUP BY k, j",
        "SELECT id, JSON_VALUE(j, '$.w[$n]' PASSING length(s) - 7 AS n) AS c, JSON_VALUE(j, '$.v' RETURNING positive) AS p, JSON_QUERY(j, '$.o[0]' RETURNING pair) AS q FROM t",
    ]);
}

/// Constructors and aggregates.
#[test]
fn trap_json_constructors() {
    keep_all(&[
        "SELECT id, JSON_OBJECT('id' : id, 'k' : k, 's' : s ABSENT ON NULL) AS o, JSON_ARRAY(k, j, s NULL ON NULL RETURNING text) AS a, JSON_ARRAY(x, d) AS b, JSON_OBJECT('j' VALUE js RETURNING jsonb) AS c FROM t",
        "SELECT id, JSON_SCALAR(x) AS x, JSON_SCALAR(s) AS s, JSON_SERIALIZE(j) AS j, JSON_SERIALIZE(js RETURNING varchar(100)) AS js, JSON(j::text) AS p, JSON_OBJECT() AS e, JSON_ARRAY() AS f FROM t",
        "SELECT id, JSON(s) AS p, JSON_OBJECT('s' : s FORMAT JSON) AS o FROM t WHERE s IS JSON",
        "SELECT k, JSON_ARRAYAGG(id ORDER BY id) AS a, JSON_ARRAYAGG(s ORDER BY id NULL ON NULL) AS b, JSON_ARRAYAGG(j ORDER BY id DESC RETURNING jsonb) AS c, JSON_ARRAYAGG(x ORDER BY id RETURNING text) AS d FROM t GROUP BY k",
        "SELECT k, JSON_OBJECTAGG(id : s RETURNING jsonb) AS a, JSON_OBJECTAGG(id::text : x ABSENT ON NULL RETURNING jsonb) AS b, JSON_OBJECTAGG(id VALUE x WITH UNIQUE KEYS RETURNING jsonb) FILTER (WHERE x > 0) AS c FROM t GROUP BY k",
        "SELECT k, JSON_ARRAYAGG(JSON_OBJECT('id' : id, 'v' : JSON_VALUE(j, '$.v')) ORDER BY id) AS a FROM t GROUP BY k HAVING count(*) > 1",
        "SELECT t.id, JSON_ARRAY(SELECT u.v FROM u WHERE u.k = t.k AND u.v < 0) AS a FROM t",
        "SELECT JSON_OBJECT('k' : k, 'n' : count(*)) AS o FROM t GROUP BY k",
        "SELECT id, JSON_ARRAYAGG(v NULL ON NULL) OVER (PARTITION BY k ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS a, JSON_OBJECTAGG(id : v RETURNING text) FILTER (WHERE v > 1) OVER (PARTITION BY k ORDER BY id ROWS UNBOUNDED PRECEDING) AS o FROM u",
    ]);
}

/// Where the defining query raises, and only there, refreshing raises.
#[test]
fn json_that_raises_meets_no_ghosts() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, u int, j jsonb);
         CREATE TABLE u (id int PRIMARY KEY, y int);
         INSERT INTO t VALUES (1, 1, '[1, 2]'), (2, 2, '[3]');
         INSERT INTO u VALUES (1, 1), (2, 2)",
    );
    // An element is there, or ERROR ON ERROR raises.
    w.keep(
        "st",
        "SELECT t.id, x.e FROM t JOIN u ON u.id = t.u, JSON_TABLE(t.j, 'strict $[0]' PASSING u.y AS y COLUMNS (e int PATH 'strict $ ? (@ >= $y)' ERROR ON EMPTY ERROR ON ERROR) ERROR ON ERROR) AS x",
    );
    w.keep(
        "st2",
        "SELECT t.id, JSON_VALUE(t.j, 'strict $[$y]' PASSING u.y - 1 AS y ERROR ON ERROR) AS v FROM t JOIN u ON u.id = t.u WHERE u.y = 1",
    );
    // Old documents with new rows of u, or the other way, raise.
    w.batch("UPDATE t SET j = '[9]' WHERE id = 1; UPDATE u SET y = 8 WHERE id = 1");
    w.batch("UPDATE u SET y = 1 WHERE id = 2; UPDATE t SET j = '[1]' WHERE id = 2");
    w.batch("INSERT INTO t VALUES (3, 3, '[]')");
    w.run("INSERT INTO u VALUES (3, 1)");
    for table in ["st", "st2"] {
        let refresh = format!("SELECT pgtrickle.refresh_stream_table('{table}')");
        let (state, message) = w.fails(&refresh);
        assert_eq!(state, "22033", "{message}");
    }
    w.batch("DELETE FROM u WHERE id = 3; UPDATE t SET j = '[15, 6]' WHERE id = 1");
}

/// What depends on settings is STABLE; what the query may not say, it may not.
#[test]
fn json_is_seen_as_postgresql_sees_it() {
    let mut w = World::new(TABLES);
    for (sql, message) in [
        (
            "SELECT t.id, x.d FROM t, JSON_TABLE(t.j, '$' COLUMNS (d date)) x",
            "PGT0120",
        ),
        (
            "SELECT t.id, x.d FROM t, JSON_TABLE(t.j, '$' COLUMNS (d text PATH '$.d.datetime()')) x",
            "PGT0120",
        ),
        (
            "SELECT id, JSON_VALUE(j, '$.v' RETURNING timestamptz) AS v FROM t",
            "PGT0120",
        ),
        (
            "SELECT id, JSON_EXISTS(j, s::jsonpath) AS v FROM t",
            "PGT0120",
        ),
        (
            "SELECT id, JSON_EXISTS(j, '$ ? (@ == $d)' PASSING d AS d) AS v FROM t",
            "PGT0120",
        ),
        (
            "SELECT id, JSON_VALUE(j, '$.v' RETURNING color) AS v FROM t",
            "PGT0120",
        ),
        (
            "SELECT t.id, x.a FROM t, JSON_TABLE(t.j, '$' COLUMNS (a int, a int)) x",
            "duplicate JSON_TABLE column",
        ),
        (
            "SELECT t.id, x.a FROM t, JSON_TABLE(t.j, '$' COLUMNS (a int DEFAULT t.x ON EMPTY)) x",
            "for DEFAULT",
        ),
        (
            "SELECT t.id, x.a FROM t, JSON_TABLE(t.x, '$' COLUMNS (a int)) x",
            "cannot cast type integer to jsonb",
        ),
    ] {
        let (_, found) = w.fails(&creation("no", sql, "DIFFERENTIAL"));
        assert!(found.contains(message), "{sql}: {found}");
    }
}

/// PostgreSQL shows what ON EMPTY and ON ERROR say of one document for a NULL behind it, too; here
/// NULL is NULL, whichever rows are read before it.
#[test]
fn json_of_null_is_null() {
    let mut w = World::new(TABLES);
    let query = "SELECT id, JSON_VALUE(j, '$.zz' DEFAULT 'none' ON EMPTY) AS v, JSON_EXISTS(j, 'strict $.zz' TRUE ON ERROR) AS e, JSON_QUERY(j, '$.zz' EMPTY ARRAY ON EMPTY) AS q FROM t WHERE id < 4";
    w.run("UPDATE t SET j = NULL WHERE id = 2");
    w.run(&creation("st", query, "DIFFERENTIAL"));
    assert_eq!(
        w.rows("SELECT * FROM st"),
        ["(1,none,t,[])", "(2,,,)", "(3,none,t,[])"]
    );
    w.run("UPDATE t SET j = NULL WHERE id = 3; UPDATE t SET j = '{}' WHERE id = 2");
    w.run("SELECT pgtrickle.refresh_stream_table('st')");
    assert_eq!(
        w.rows("SELECT * FROM st"),
        ["(1,none,t,[])", "(2,none,t,[])", "(3,,,)"]
    );
    w.run("DELETE FROM t WHERE id IN (1, 3)");
    w.run("SELECT pgtrickle.refresh_stream_table('st')");
    assert_eq!(w.rows("SELECT * FROM st"), ["(2,none,t,[])"]);
    let done = harness::last_refresh(&mut w.client, "st");
    assert_eq!(done.action, "DIFFERENTIAL");
}

/// What is renamed is the same as before.
#[test]
fn json_knows_renamed_columns_and_types() {
    let mut w = World::new(TABLES);
    w.keep(
        "st",
        "SELECT t.id, x.* FROM t, JSON_TABLE(t.j, '$.w[*]' COLUMNS (p positive PATH '$' NULL ON ERROR, q pair PATH '$' NULL ON ERROR)) AS x",
    );
    w.run("ALTER DOMAIN positive RENAME TO above; ALTER TABLE t RENAME COLUMN j TO doc");
    let mut other = w.connect();
    crate::support::run(
        &mut other,
        "UPDATE t SET doc = '{\"w\": [4, 5]}' WHERE id < 3",
    );
    crate::support::run(&mut other, "SELECT pgtrickle.refresh_stream_table('st')");
    assert_eq!(
        harness::last_refresh(&mut other, "st").action,
        "DIFFERENTIAL"
    );
    let rows = w.rows("SELECT id, p FROM st WHERE id < 3");
    assert_eq!(rows, ["(1,4)", "(1,5)", "(2,4)", "(2,5)"]);
}
