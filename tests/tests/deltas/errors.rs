//! Expressions that raise, and functions whose value moves by itself.

use crate::support::{World, creation};

/// An expression that raises on a row that the query does not evaluate it for: one that it filters
/// out, that finds no partner, or that is gone again.
#[test]
fn trap_error_row() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, k int, d int, s text);
         CREATE TABLE u (k int PRIMARY KEY, d int);
         INSERT INTO t SELECT i, i % 3, i, i::text FROM generate_series(1, 9) i;
         INSERT INTO u SELECT i, i + 1 FROM generate_series(0, 2) i",
    );
    w.keep("filtered", "SELECT id, 100 / d AS q FROM t WHERE d <> 0");
    w.keep(
        "nested",
        "SELECT id, 100 / d AS q FROM (SELECT id, d FROM t WHERE d <> 0) AS x",
    );
    w.keep("in_case", "SELECT id, CASE WHEN d <> 0 THEN 100 / d END AS q, CASE WHEN s ~ '^[0-9]+$' THEN s::int ELSE -1 END AS n FROM t");
    w.keep(
        "joined",
        "SELECT t.id, 100 / u.d AS q FROM t JOIN u ON u.k = t.k",
    );
    w.keep(
        "joined_filter",
        "SELECT t.id, t.d / u.d AS q FROM t JOIN u ON u.k = t.k WHERE u.d <> 0",
    );
    w.keep(
        "aggregate",
        "SELECT k, sum(100 / d) FILTER (WHERE d <> 0) AS q FROM t GROUP BY k",
    );
    w.keep(
        "having_s",
        "SELECT k, 100 / sum(d) AS q FROM t GROUP BY k HAVING sum(d) <> 0",
    );
    w.keep(
        "above",
        "SELECT k, 100 / s AS q FROM (SELECT k, sum(d) AS s FROM t GROUP BY k) AS x WHERE s <> 0",
    );
    w.keep(
        "grouped",
        "SELECT 100 / d AS q, count(*) AS n FROM t WHERE d > 0 GROUP BY 100 / d",
    );
    w.keep(
        "distinct_q",
        "SELECT DISTINCT 100 / d AS q FROM t WHERE d > 0",
    );
    for sql in [
        "INSERT INTO t VALUES (10, 0, 0, 'x')",
        "UPDATE t SET d = 0, s = 'y' WHERE id = 1",
        // Without a partner.
        "INSERT INTO u VALUES (7, 0)",
        "UPDATE t SET d = 0 WHERE k = 2",
        "UPDATE t SET d = -d WHERE id = 3; UPDATE t SET d = -(SELECT sum(d) FROM t WHERE k = 0 AND id <> 6) WHERE id = 6",
        "DELETE FROM t WHERE d = 0",
        "DELETE FROM u WHERE k = 7; UPDATE t SET d = 1",
    ] {
        w.batch(sql);
    }
    // The row that raises is gone again when the refresh looks.
    w.keep("bare", "SELECT id, 100 / d AS q FROM t");
    w.keep("bare_keyless", "SELECT 100 / d AS q FROM t");
    w.keep("bare_sum", "SELECT k, sum(100 / d) AS q FROM t GROUP BY k");
    w.batch("INSERT INTO t VALUES (20, 0, 0, 'x'); DELETE FROM t WHERE id = 20");
    w.batch("UPDATE t SET d = 0 WHERE id = 4; UPDATE t SET d = 5 WHERE id = 4");
    // It is still there: the refresh fails as the query does, and nothing is lost.
    w.run("INSERT INTO t VALUES (21, 0, 0, 'x'), (22, 0, 7, 'x')");
    for table in ["bare", "bare_keyless", "bare_sum"] {
        let (code, message) = w.fails(&format!("SELECT pgtrickle.refresh_stream_table('{table}')"));
        assert_eq!(code, "22012", "{message}");
    }
    w.batch("UPDATE t SET d = 3 WHERE id = 21");
    // A partner makes it raise; the partner goes, and it does not.
    w.run("INSERT INTO u VALUES (9, 0); INSERT INTO t VALUES (30, 9, 1, 'x')");
    let (code, message) = w.fails("SELECT pgtrickle.refresh_stream_table('joined')");
    assert_eq!(code, "22012", "{message}");
    w.batch("DELETE FROM t WHERE id = 30");
    // A cast that fails, and an overflow.
    w.keep(
        "cast_s",
        "SELECT id, s::int AS n FROM t WHERE s ~ '^[0-9]+$'",
    );
    w.keep(
        "product",
        "SELECT k, max(d * 1000000) AS m FROM t WHERE d < 1000 GROUP BY k",
    );
    w.batch("UPDATE t SET s = 'no' WHERE id = 4; INSERT INTO t VALUES (40, 1, 100000, '1e9')");
}

/// An outer join is computed in two halves, of which one has NULL where no partner is: an expression
/// that would raise on it, and is never evaluated on it by the query, as each row has a partner.
#[test]
fn trap_error_row_without_partner() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, k int NOT NULL, d int);
         CREATE TABLE w (id int PRIMARY KEY, k int);
         CREATE INDEX ON t (k);
         INSERT INTO t SELECT i, i % 3, i FROM generate_series(1, 7) i;
         INSERT INTO w SELECT i, i % 4 FROM generate_series(1, 5) i",
    );
    let g = "(SELECT k, count(*) AS n FROM t GROUP BY k) AS g";
    for (i, query) in [
        "SELECT t.id, 6 / COALESCE(g.n, 0) AS q FROM t LEFT JOIN {g} ON g.k = t.k",
        "SELECT t.id, w.id AS wid FROM t LEFT JOIN {g} ON g.k = t.k JOIN w ON w.k = t.k AND 6 / COALESCE(g.n, 0) < 4",
        "SELECT t.id, w.id AS wid FROM t LEFT JOIN {g} ON g.k = t.k JOIN w ON w.k < t.k WHERE 6 / COALESCE(g.n, 0) > 1",
        "SELECT x.id, w.id AS wid FROM (SELECT t.id, 6 / COALESCE(g.n, 0) AS q FROM t LEFT JOIN {g} ON g.k = t.k) AS x JOIN w ON w.k = x.q",
        "SELECT x.id, w.id AS wid FROM (SELECT t.id, t.k, 6 / COALESCE(g.n, 0) AS q FROM t LEFT JOIN {g} ON g.k = t.k) AS x JOIN w ON w.k = x.k WHERE x.q > 1",
        "SELECT t.id FROM t LEFT JOIN {g} ON g.k = t.k WHERE EXISTS (SELECT FROM w WHERE w.k = 6 / COALESCE(g.n, 0))",
        "SELECT t.id FROM t LEFT JOIN {g} ON g.k = t.k WHERE NOT EXISTS (SELECT FROM w WHERE w.k = t.k AND w.id > 6 / COALESCE(g.n, 0))",
        "SELECT w.id, s FROM w JOIN t ON t.k = w.k LEFT JOIN {g} ON g.k = t.k, generate_series(1, 6 / COALESCE(g.n, 0)) AS s",
        "SELECT w.k, sum(6 / COALESCE(g.n, 0)) AS q FROM w JOIN t ON t.k = w.k LEFT JOIN {g} ON g.k = t.k GROUP BY w.k",
        "SELECT DISTINCT 6 / COALESCE(g.n, 0) AS q FROM w JOIN t ON t.k = w.k FULL JOIN {g} ON g.k = t.k",
        "SELECT x.id FROM (SELECT id, CASE WHEN (SELECT count(*) FROM t b WHERE b.k = a.k) < 2 THEN (SELECT b.k FROM t b WHERE b.k = a.k) END AS one FROM t a) AS x JOIN w ON x.one = w.k",
    ]
    .iter()
    .enumerate()
    {
        w.keep(&format!("st{i}"), &query.replace("{g}", g));
    }
    for sql in [
        "INSERT INTO w VALUES (6, 2), (7, 0)",
        "INSERT INTO t VALUES (8, 5, 1), (9, 1, 1)",
        "UPDATE w SET k = k + 1 WHERE id < 4; UPDATE t SET k = 5 WHERE id = 2",
        "DELETE FROM t WHERE k = 0; INSERT INTO w VALUES (8, 5)",
        "UPDATE t SET k = id, d = 0; DELETE FROM w WHERE id = 1",
        "DELETE FROM t; INSERT INTO t VALUES (1, 1, 1), (2, 2, 1), (3, 2, 1)",
    ] {
        w.batch(sql);
    }
}

/// A subquery in a branch is asked for some rows only, and raises for others.
#[test]
fn trap_error_row_of_branch() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, k int, d int, s text);
         CREATE TABLE u (id int PRIMARY KEY, k int, d int, n numeric);
         CREATE INDEX ON u (k);
         INSERT INTO t SELECT i, i % 4, i % 3, i::text FROM generate_series(1, 9) i;
         INSERT INTO u SELECT i, i % 4, i % 3, i FROM generate_series(1, 8) i WHERE i % 4 <> 3 OR i = 3",
    );
    for (i, query) in [
        // By the value of x that it divides by; by what there is of y; by nothing of either.
        "SELECT id, CASE WHEN d <> 0 THEN (SELECT sum(u.id / t.d) FROM u WHERE u.k = t.k) END AS q FROM t",
        "SELECT id, CASE WHEN k = 1 THEN (SELECT 6 / u.d FROM u WHERE u.k = t.k AND u.id < 4) ELSE -1 END AS q FROM t",
        "SELECT id, CASE WHEN (SELECT min(d) FROM u WHERE u.k = t.k) > 0 THEN (SELECT max(6 / d) FROM u WHERE u.k = t.k) END AS q FROM t",
        "SELECT id, CASE WHEN EXISTS (SELECT FROM u) THEN (SELECT 6 / count(*) FROM u) END AS q FROM t",
        "SELECT id, CASE WHEN k > 90 THEN (SELECT sum(6 / d) FROM u) ELSE 0 END AS q FROM t",
        "SELECT id, COALESCE(nullif(d, 0), (SELECT avg(DISTINCT n)::int FROM u), 7) AS q FROM t",
        "SELECT id, COALESCE(d, (SELECT max(6 / u.d) FROM u WHERE u.k = t.k AND u.id < 6)) AS q FROM t",
        // In conditions, keys and aggregates; as a comparison; as an array.
        "SELECT id FROM t WHERE CASE WHEN d <> 0 THEN EXISTS (SELECT FROM u WHERE u.id = 6 / t.d) ELSE true END",
        "SELECT id FROM t WHERE CASE WHEN d <> 0 THEN 6 / d IN (SELECT u.id FROM u WHERE u.k > 1) ELSE k = 1 END",
        "SELECT k, sum(CASE WHEN d <> 0 THEN (SELECT count(*) FROM u WHERE u.id > 6 / t.d) ELSE 100 END) AS s FROM t GROUP BY k",
        "SELECT CASE WHEN k < 3 THEN (SELECT max(s::int) FROM t b WHERE b.k = t.k AND b.id < 40) END AS q, count(*) AS n FROM t GROUP BY 1",
        "SELECT id, CASE WHEN d <> 0 THEN ARRAY(SELECT u.id / t.d FROM u WHERE u.k = t.k ORDER BY 1) END AS q FROM t",
        // Branches within branches, and one subquery in another's guard.
        "SELECT id, CASE WHEN k < 3 THEN CASE WHEN d = 0 THEN 5 ELSE (SELECT max(u.id / t.d) FROM u) END WHEN d <> 0 THEN (SELECT min(u.id / t.d) FROM u WHERE u.k = 0) END AS q FROM t",
        "SELECT id, CASE WHEN CASE WHEN d <> 0 THEN (SELECT max(u.id / t.d) FROM u) END > 3 THEN (SELECT sum(u.id / t.d) FROM u WHERE u.k = t.k) END AS q FROM t",
        "SELECT id, CASE WHEN d <> 0 THEN (SELECT sum((SELECT count(*) FROM u b WHERE b.id > u.id / t.d)) FROM u WHERE u.k = t.k) END AS q FROM t",
        // The same subquery in several places.
        "SELECT id, CASE WHEN d <> 0 THEN (SELECT max(u.id / t.d) FROM u WHERE u.k = t.k) END AS a, CASE WHEN d > 1 THEN (SELECT max(u.id / t.d) FROM u WHERE u.k = t.k) + 1 WHEN d < 0 THEN 3 END AS b FROM t",
        "SELECT id, CASE WHEN d > 1 THEN (SELECT max(u.id / t.d) FROM u WHERE u.k = t.k) END AS a FROM t UNION ALL SELECT id, CASE WHEN d = 1 THEN (SELECT max(u.id / t.d) FROM u WHERE u.k = t.k) END FROM t",
        "SELECT id, CASE WHEN d = 0 THEN (SELECT max(6 / u.d) FROM u WHERE u.d > 0) END AS a, (SELECT max(6 / u.d) FROM u WHERE u.d > 0) AS b FROM t",
        // Grouped, joined and limited inside.
        "SELECT id, CASE WHEN d <> 0 THEN (SELECT u.id / t.d FROM u WHERE u.k = t.k GROUP BY u.id ORDER BY u.id DESC LIMIT 1) END AS q FROM t",
        "SELECT id, CASE WHEN d <> 0 THEN (SELECT sum(u.id / t.d + b.id) FROM u LEFT JOIN u b ON b.k = u.d WHERE u.k = t.k) END AS q FROM t",
        "SELECT id, CASE WHEN k > 90 THEN (SELECT sum(x.q) FROM (SELECT id, 6 / d AS q FROM u) AS x WHERE x.id > 1) END AS q FROM t",
        "SELECT id, CASE WHEN d <> 0 THEN (SELECT sum(x.n / t.d) FROM (SELECT k, count(*) AS n FROM u GROUP BY k) AS x WHERE x.k = t.k) END AS q FROM t",
    ]
    .iter()
    .enumerate()
    {
        w.keep(&format!("st{i}"), query);
    }
    for sql in [
        "INSERT INTO u VALUES (20, 1, 0, 1.5), (21, 2, 0, NULL)",
        "INSERT INTO t VALUES (10, 1, 0, '10'), (11, 2, NULL, '11'), (12, NULL, 2, '12')",
        "UPDATE t SET d = 0 WHERE k = 1; UPDATE t SET d = 2 WHERE d IS NULL",
        "UPDATE u SET d = d + 1 WHERE k IN (0, 1); UPDATE t SET k = 2 WHERE id = 9",
        "INSERT INTO t VALUES (40, 0, 0, 'no')",
        "DELETE FROM u WHERE k = 2; UPDATE t SET d = d + 1 WHERE d > 0",
        "DELETE FROM u",
        "INSERT INTO u SELECT i, i % 3, i % 2, i + 0.50 FROM generate_series(1, 6) i",
        "UPDATE t SET d = 0; DELETE FROM t WHERE id < 4",
        "DELETE FROM t; INSERT INTO t VALUES (1, 1, 1, '1'), (2, 2, 0, '2')",
    ] {
        w.batch(sql);
    }
    // Where the query raises, the refresh does, too, and nothing is lost.
    w.keep("raising", "SELECT id, CASE WHEN d > 0 THEN (SELECT max(6 / nullif(u.d, 5)) FROM u WHERE u.k = t.k) END AS q FROM t WHERE id = 2");
    w.run("UPDATE t SET d = 1, k = 7 WHERE id = 2; UPDATE u SET k = 7, d = 0 WHERE id = 2");
    let (code, message) = w.fails("SELECT pgtrickle.refresh_stream_table('raising')");
    assert_eq!(code, "22012", "{message}");
    w.run("UPDATE u SET d = 3 WHERE id = 2");
    w.refresh("what raised is gone");
}

/// Functions that are not IMMUTABLE are refused in DIFFERENTIAL mode, with the reason; in AUTO
/// the rows are computed anew at each refresh.
#[test]
fn trap_now_goes_stale() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, at timestamptz, d date, v int);
         INSERT INTO t SELECT i, now() - i * interval '1 day', current_date - i, i FROM generate_series(1, 6) i;
         CREATE TABLE setting (v int);
         INSERT INTO setting VALUES (3);
         CREATE FUNCTION limit_v() RETURNS int LANGUAGE sql STABLE AS 'SELECT v FROM public.setting';
         CREATE FUNCTION moving() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT v FROM public.setting';
         CREATE FUNCTION near(int, int) RETURNS bool LANGUAGE sql STABLE AS
             'SELECT $1 < $2 + (SELECT v FROM public.setting)';
         CREATE OPERATOR @@@ (LEFTARG = int, RIGHTARG = int, FUNCTION = near)",
    );
    for (query, code) in [
        ("SELECT id, localtimestamp AS l FROM t", "PGT0120"),
        ("SELECT id, current_user AS u FROM t", "PGT0120"),
        ("SELECT id, age(at) AS a FROM t", "PGT0120"),
        ("SELECT id FROM t WHERE v < limit_v()", "PGT0120"),
        ("SELECT id FROM t WHERE v @@@ 1", "PGT0120"),
        (
            "SELECT x.n FROM (SELECT count(*) AS n FROM t WHERE v < limit_v()) AS x",
            "PGT0120",
        ),
        ("SELECT id, moving() AS m FROM t", "PGT0121"),
        (
            "SELECT count(*) FILTER (WHERE v < moving()) AS n FROM t",
            "PGT0121",
        ),
        ("SELECT id, clock_timestamp() > at AS c FROM t", "PGT0121"),
        (
            "SELECT v, count(*) AS n FROM t GROUP BY v HAVING random() >= 0",
            "PGT0121",
        ),
    ] {
        let (state, message) = w.fails(&creation("refused", query, "DIFFERENTIAL"));
        assert_eq!(state, "0A000", "{query}: {message}");
        assert!(message.contains(code), "{query}: {message}");
    }
    // What moves without a change of the sources is right after each refresh in AUTO mode.
    w.run(&creation(
        "below",
        "SELECT id FROM t WHERE v < limit_v()",
        "AUTO",
    ));
    w.run(&creation(
        "moved",
        "SELECT id, moving() AS m FROM t",
        "AUTO",
    ));
    for v in [5, 1, 9] {
        w.run(&format!("UPDATE setting SET v = {v}"));
        harness::refresh(&mut w.client, "below", "FULL");
        harness::refresh(&mut w.client, "moved", "FULL");
        assert_eq!(w.rows("SELECT * FROM below").len(), 6.min(v - 1));
    }
    // IMMUTABLE relatives are incremental.
    w.keep("fixed", "SELECT id, date_trunc('day', at, 'UTC') AS day, (at AT TIME ZONE 'UTC')::date AS d FROM t WHERE at > '2020-01-01 00:00+00'::timestamptz");
    w.batch("UPDATE t SET at = at + interval '10 hours'");
    // `now` and its kin as literals are the moment at which the query was read, not a constant.
    for literal in [
        "'now'::timestamptz",
        "'today'::date",
        "timestamptz 'tomorrow'",
        "date 'yesterday'",
    ] {
        let query = format!("SELECT id FROM t WHERE at < {literal}");
        let (state, message) = w.fails(&creation("refused", &query, "DIFFERENTIAL"));
        assert_eq!(state, "0A000", "{query}: {message}");
        assert!(message.contains("PGT0120"), "{query}: {message}");
    }
}
