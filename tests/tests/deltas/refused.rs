//! What is not incremental yet: each construct by its code in DIFFERENTIAL mode, all of a query's
//! at once; in AUTO mode FULL, with a notice, and right.

use crate::support::{World, creation, run};
use harness::{Database, refresh};

const SCHEMA: &str = "
    CREATE TABLE t (id int PRIMARY KEY, k int, v int, s text, a int[], j jsonb);
    CREATE TABLE u (id int PRIMARY KEY, k int, v int);
    CREATE TABLE edge (a int, b int);
    CREATE TABLE part (id int, v int) PARTITION BY HASH (id);
    CREATE TABLE part0 PARTITION OF part FOR VALUES WITH (MODULUS 1, REMAINDER 0);
    CREATE TABLE mother (id int, v int);
    CREATE TABLE daughter () INHERITS (mother);
    CREATE FUNCTION add_up(int, int) RETURNS int LANGUAGE sql STABLE AS 'SELECT coalesce($1, 0) + coalesce($2, 0)';
    CREATE AGGREGATE settled(int) (SFUNC = add_up, STYPE = int);
    INSERT INTO t SELECT i, i % 3, i, 's' || i % 4, ARRAY[i, 1], jsonb_build_array(i, 2) FROM generate_series(1, 9) i;
    INSERT INTO u SELECT i, i % 4, i FROM generate_series(3, 12) i;
    INSERT INTO edge VALUES (1, 2), (2, 3), (3, 1), (3, 4);
    INSERT INTO part SELECT i, i FROM generate_series(1, 5) i;
    INSERT INTO mother VALUES (1, 1);
    INSERT INTO daughter VALUES (2, 2);
    CREATE EXTENSION file_fdw;
    CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
    CREATE TABLE alien (id int, v int) PARTITION BY LIST (id);
    CREATE FOREIGN TABLE alien1 PARTITION OF alien FOR VALUES IN (1)
        SERVER files OPTIONS (program 'echo 1,2', format 'csv');";

/// A query, and the code of each construct in it that is not incremental.
const QUERIES: &[(&str, &[&str])] = &[
    // subqueries
    (
        "SELECT id, CASE WHEN k > 1 THEN (SELECT max(x.v) FROM u LEFT JOIN (SELECT id, 10 / v AS v FROM u) x ON x.id = u.id
             WHERE u.k = t.k) END AS m FROM t",
        &["PGT0106"],
    ),
    // top_k
    (
        "SELECT id, v FROM t ORDER BY v DESC LIMIT (SELECT 3)",
        &["PGT0111"],
    ),
    (
        "SELECT id, v FROM t ORDER BY v OFFSET (SELECT 1) FETCH FIRST (SELECT 2) ROWS WITH TIES",
        &["PGT0111", "PGT0111"],
    ),
    // lateral
    (
        "SELECT t.id, x.e FROM t, JSON_TABLE(t.j, '$[*]' COLUMNS (e date PATH '$')) AS x",
        &["PGT0120"],
    ),
    (
        "SELECT id, unnest(s::tsvector) IS NULL AS e FROM t",
        &["PGT0110"],
    ),
    // recursion_delete
    (
        "WITH RECURSIVE r AS (SELECT a, b FROM edge UNION ALL SELECT r.a, e.b FROM r JOIN edge e ON e.a = r.b AND e.b > r.a
             WHERE EXISTS (SELECT FROM u WHERE u.k > r.a)) SELECT a, b FROM r",
        &["PGT0107"],
    ),
    (
        "WITH RECURSIVE r AS (SELECT a, b FROM edge UNION SELECT r.a, e.b FROM r LEFT JOIN edge e ON e.a = r.b AND 6 / e.b > r.a) SELECT a, b FROM r",
        &["PGT0107"],
    ),
    (
        "WITH RECURSIVE r AS (SELECT a, ARRAY[b] AS b FROM edge UNION ALL SELECT r.a, ARRAY[e.b] FROM r JOIN edge e ON e.a = r.b[1])
             CYCLE b SET again USING path SELECT a, b, again FROM r",
        &["PGT0107"],
    ),
    (
        "WITH RECURSIVE r AS (SELECT a, b FROM edge UNION ALL SELECT DISTINCT e.a, e.b FROM r JOIN edge e ON e.a = r.b WHERE e.a > r.a)
             SEARCH DEPTH FIRST BY a SET place SELECT a, b, array_length(place, 1) AS n FROM r",
        &["PGT0107"],
    ),
    // aggregate_filter_distinct_order
    (
        "SELECT k, percentile_cont((SELECT 0.5)) WITHIN GROUP (ORDER BY v) AS m FROM t GROUP BY k",
        &["PGT0102"],
    ),
    (
        "SELECT k, settled(v) AS l FROM t GROUP BY k",
        &["PGT0120"],
    ),
    // kinds of sources
    ("SELECT id, v FROM ONLY part", &["PGT0131"]),
    ("SELECT id, v FROM ONLY mother", &["PGT0131"]),
    ("SELECT id, v FROM alien", &["PGT0130"]),
    (
        "SELECT relname FROM pg_class WHERE relname = 'edge'",
        &["PGT0130"],
    ),
    ("SELECT id, ctid AS c FROM t", &["PGT0132"]),
    ("SELECT id FROM t TABLESAMPLE SYSTEM (100)", &["PGT0112"]),
    // Several in one query.
    (
        "SELECT DISTINCT ON (t.k) t.k, random() > 2 AS r, rank() OVER (ORDER BY t.k, t.id) AS n,
             (SELECT max((SELECT t.v))) AS m, percentile_disc((SELECT 0.5)) WITHIN GROUP (ORDER BY t.v) AS c
         FROM t LEFT JOIN u ON u.id = t.id, unnest(ARRAY[1]) AS e
         WHERE t.v NOT IN (SELECT b FROM edge) AND statement_timestamp() > '2000-01-01'
         GROUP BY GROUPING SETS ((t.k, t.id)) ORDER BY t.k, t.id LIMIT (SELECT 2)",
        &["PGT0102", "PGT0106", "PGT0111", "PGT0120", "PGT0121"],
    ),
];

/// The codes in a message, sorted.
fn codes(message: &str) -> Vec<String> {
    let mut codes: Vec<String> = message
        .match_indices("PGT")
        .filter_map(|(at, _)| message.get(at..at + 7).map(str::to_owned))
        .collect();
    codes.sort();
    codes
}

#[test]
fn trap_not_incremental_says_so() {
    let mut w = World::new(SCHEMA);
    let mut wrong = vec![];
    for (query, expected) in QUERIES {
        let (state, message) = w.fails(&creation("refused", query, "DIFFERENTIAL"));
        let found = codes(&message);
        if state != "0A000" || found != *expected {
            wrong.push(format!(
                "{query}\n    expected {expected:?}, found {state} {message}"
            ));
        }
        // Each with its place, but in a view.
        let placed = message.matches("(line ").count();
        if placed != expected.len() && !query.contains("padded") {
            wrong.push(format!("{query}\n    places are missing: {message}"));
        }
        let shown = w.rows(&format!(
            "SELECT code FROM pgtrickle.validate_query($q${query}$q$)"
        ));
        let mut shown: Vec<String> = shown
            .iter()
            .map(|c| c.trim_matches(['(', ')']).to_owned())
            .collect();
        shown.retain(|code| !code.starts_with("PGT02"));
        if shown != *expected {
            wrong.push(format!("{query}\n    validate_query: {shown:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(w.rows("SELECT 1 FROM pgtrickle.pgt_stream_tables").len(), 0);
}

#[test]
fn trap_not_incremental_runs_full() {
    let db = Database::new();
    let (mut client, notices) = db.connect_with_notices();
    run(&mut client, SCHEMA);
    let mut names = vec![];
    for (i, (query, expected)) in QUERIES.iter().enumerate() {
        if let Ok(mut notices) = notices.lock() {
            notices.clear();
        }
        let name = format!("st{i}");
        run(&mut client, &creation(&name, query, "AUTO"));
        let said = notices.lock().map(|n| n.join("\n")).unwrap_or_default();
        assert!(
            said.contains("will be refreshed in FULL mode"),
            "{query}: {said}"
        );
        assert_eq!(codes(&said), *expected, "{query}");
        names.push(name);
    }
    for sql in [
        "UPDATE t SET k = k + 1, v = v + 1 WHERE id < 5; DELETE FROM u WHERE id = 4; INSERT INTO edge VALUES (4, 5)",
        "DELETE FROM t WHERE id = 2; INSERT INTO u VALUES (1, NULL, NULL); DELETE FROM edge WHERE a = 2;
         UPDATE part SET v = 9 WHERE id = 1; UPDATE daughter SET v = 7",
    ] {
        run(&mut client, sql);
        for name in &names {
            refresh(&mut client, name, "FULL");
        }
    }
}
