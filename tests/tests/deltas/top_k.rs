//! ORDER BY … LIMIT and DISTINCT ON.

use crate::support::World;

const SCHEMA: &str = "
    CREATE TABLE t (id int PRIMARY KEY, k int, v int, n numeric, s text);
    INSERT INTO t SELECT i, i % 4, nullif(i % 7, 3), (i % 5) * 1.5, 's' || i % 3 FROM generate_series(1, 30) i;
    CREATE TABLE u (k int, w int);
    INSERT INTO u SELECT i % 6, i FROM generate_series(1, 9) i;
    CREATE TABLE bag (a int, b int);
    INSERT INTO bag SELECT i % 3, i % 2 FROM generate_series(1, 9) i";

/// Rows that come into the window and leave it, from before, inside and behind it.
const BATCHES: &[&str] = &[
    // Inside the window.
    "DELETE FROM t WHERE id IN (1, 2, 30)",
    "INSERT INTO t VALUES (0, 0, 0, 0, 'a'), (31, 3, 6, 9.5, 'z'), (-1, NULL, NULL, NULL, NULL)",
    // At the boundary.
    "UPDATE t SET v = 6 WHERE id IN (4, 5, 6)",
    "UPDATE t SET v = v + 1 WHERE v = 5; UPDATE t SET v = NULL WHERE id = 31",
    "UPDATE t SET id = -id WHERE id > 20",
    "UPDATE t SET k = 1 - k, s = NULL WHERE id < 3",
    "INSERT INTO u VALUES (NULL, 5), (2, 5), (2, 5); DELETE FROM u WHERE w = 3",
    "INSERT INTO bag VALUES (0, 0), (NULL, 1), (2, NULL); DELETE FROM bag WHERE a = 0",
    // Nothing that shows.
    "UPDATE t SET n = n WHERE id = 7; INSERT INTO t VALUES (99, 2, 1, 1, 'x'); DELETE FROM t WHERE id = 99",
    // Fewer rows than asked for, and none.
    "DELETE FROM t WHERE id % 5 <> 0",
    "DELETE FROM u; DELETE FROM bag WHERE b = 1",
    "DELETE FROM t",
    "INSERT INTO t VALUES (5, 1, 1, 1.0, 'a'), (6, 1, 1, 1.00, 'a'); INSERT INTO u VALUES (1, 1); INSERT INTO bag VALUES (1, 1), (1, 1), (1, 1)",
];

#[test]
fn trap_top_k() {
    let mut w = World::new(SCHEMA);
    w.run("CREATE VIEW three AS SELECT id, k FROM t ORDER BY n DESC NULLS LAST, id LIMIT 3");
    for (name, query) in [
        ("first", "SELECT id, v FROM t ORDER BY v, id LIMIT 4"),
        (
            "last",
            "SELECT id, v FROM t ORDER BY v DESC NULLS LAST, id DESC LIMIT 4 OFFSET 2",
        ),
        (
            "nulls_first",
            "SELECT id, v FROM t ORDER BY v NULLS FIRST, id LIMIT 6",
        ),
        (
            "nulls_last",
            "SELECT id, v FROM t ORDER BY v DESC NULLS FIRST, id OFFSET 1 FETCH FIRST ROW ONLY",
        ),
        (
            "behind",
            "SELECT id, v FROM t ORDER BY v USING >, id OFFSET 25",
        ),
        (
            "hidden",
            "SELECT s FROM t ORDER BY n DESC, id % 3, id LIMIT 5",
        ),
        (
            "ties",
            "SELECT id, v FROM t ORDER BY v FETCH FIRST 3 ROWS WITH TIES",
        ),
        (
            "ties_of_nulls",
            "SELECT v, s FROM t ORDER BY v DESC FETCH FIRST 2 ROWS WITH TIES",
        ),
        (
            "ties_behind",
            "SELECT v FROM t ORDER BY v OFFSET 2 FETCH FIRST 2 ROWS WITH TIES",
        ),
        ("duplicates", "SELECT a, b FROM bag ORDER BY a, b LIMIT 4"),
        ("none", "SELECT id FROM t ORDER BY id LIMIT 0"),
        ("all_of_them", "SELECT id FROM t ORDER BY id LIMIT ALL"),
        (
            "computed",
            "SELECT id FROM t ORDER BY id LIMIT 1 + 2 OFFSET '1'",
        ),
        (
            "of_groups",
            "SELECT k FROM t GROUP BY k ORDER BY count(*) DESC, sum(v), k LIMIT 2",
        ),
        (
            "of_having",
            "SELECT k, sum(n) AS n FROM t GROUP BY k HAVING count(*) > 1 ORDER BY 2 DESC, 1 LIMIT 3",
        ),
        (
            "of_distinct",
            "SELECT DISTINCT v FROM t ORDER BY v DESC LIMIT 3",
        ),
        (
            "of_joined",
            "SELECT t.id, u.w FROM t JOIN u ON u.k = t.k ORDER BY u.w, t.id LIMIT 5",
        ),
        (
            "of_left",
            "SELECT t.id, u.w FROM t LEFT JOIN u ON u.k = t.k ORDER BY u.w DESC, t.id DESC, u.w LIMIT 5",
        ),
        (
            "in_from",
            "SELECT x.k, sum(x.v) AS s FROM (SELECT id, k, v FROM t ORDER BY id DESC LIMIT 9) AS x GROUP BY x.k",
        ),
        (
            "in_from_filtered",
            "SELECT x.id FROM (SELECT id, v FROM t ORDER BY v, id LIMIT 9) AS x WHERE x.v % 2 = 0",
        ),
        (
            "twice",
            "WITH x AS (SELECT id, k FROM t ORDER BY n, id LIMIT 6) SELECT a.id, b.id AS other FROM x AS a JOIN x AS b USING (k)",
        ),
        (
            "nested",
            "SELECT id FROM (SELECT id, v FROM t ORDER BY v DESC, id LIMIT 8) AS x ORDER BY id LIMIT 3",
        ),
        (
            "in_view",
            "SELECT three.id, u.w FROM three JOIN u ON u.k = three.k",
        ),
        (
            "in_branches",
            "(SELECT id FROM t ORDER BY id LIMIT 2) UNION ALL (SELECT w FROM u ORDER BY w DESC, k LIMIT 2)",
        ),
        (
            "of_union",
            "SELECT id FROM t UNION SELECT w FROM u ORDER BY 1 DESC LIMIT 7",
        ),
        (
            "of_except",
            "SELECT id FROM t EXCEPT ALL SELECT w FROM u ORDER BY id OFFSET 1 LIMIT 7",
        ),
        (
            "in_condition",
            "SELECT w FROM u WHERE k IN (SELECT k FROM t ORDER BY id DESC LIMIT 3)",
        ),
        (
            "not_in",
            "SELECT w FROM u WHERE k NOT IN (SELECT v FROM t ORDER BY id LIMIT 2)",
        ),
        (
            "exists",
            "SELECT w FROM u WHERE EXISTS (SELECT 1 FROM t ORDER BY id OFFSET 5)",
        ),
        (
            "lateral",
            "SELECT t.id, x.w FROM t, LATERAL (SELECT u.w FROM u WHERE u.k = t.k ORDER BY u.w DESC LIMIT 2) AS x",
        ),
        (
            "left_lateral",
            "SELECT t.id, x.v FROM t LEFT JOIN LATERAL (SELECT o.v FROM t AS o WHERE o.k = t.k AND o.id > t.id ORDER BY o.id LIMIT 1) AS x ON true",
        ),
        (
            "of_each",
            "SELECT w, (SELECT t.n FROM t WHERE t.k = u.k ORDER BY t.v DESC, t.id LIMIT 1) AS n FROM u",
        ),
        (
            "second_of_each",
            "SELECT id, (SELECT x.v FROM t AS x WHERE x.k = t.k AND x.id < t.id ORDER BY x.id DESC OFFSET 1 LIMIT 1) AS v FROM t",
        ),
        (
            "in_of_each",
            "SELECT id FROM t WHERE v IN (SELECT w FROM u WHERE u.k = t.k ORDER BY w LIMIT 2)",
        ),
        (
            "value",
            "SELECT w, (SELECT s FROM t ORDER BY v, id LIMIT 1) AS s FROM u",
        ),
    ] {
        w.keep(name, query);
    }
    for batch in BATCHES {
        w.batch(batch);
    }
    assert_eq!(
        w.rows("SELECT * FROM duplicates"),
        ["(1,0)", "(1,1)", "(1,1)", "(1,1)"]
    );
    assert_eq!(w.rows("SELECT * FROM first"), ["(5,1)", "(6,1)"]);
}

#[test]
fn trap_distinct_on_ties() {
    let mut w = World::new(SCHEMA);
    for (name, query) in [
        (
            "one",
            "SELECT DISTINCT ON (k) k, id, v FROM t ORDER BY k, v DESC NULLS LAST, id",
        ),
        (
            "two",
            "SELECT DISTINCT ON (k, s) id, n FROM t ORDER BY s, k, v, id",
        ),
        (
            "not_shown",
            "SELECT DISTINCT ON (v) id FROM t ORDER BY v, id DESC",
        ),
        (
            "expression",
            "SELECT DISTINCT ON (v % 3) v, id FROM t ORDER BY v % 3, id",
        ),
        (
            "limited",
            "SELECT DISTINCT ON (v) v, id, k FROM t ORDER BY v DESC, id LIMIT 3 OFFSET 1",
        ),
        (
            "of_groups",
            "SELECT DISTINCT ON (k) k, s, count(*) AS n FROM t GROUP BY k, s ORDER BY k, count(*) DESC, s",
        ),
        (
            "joined",
            "SELECT DISTINCT ON (u.k) u.k, u.w, t.id FROM u JOIN t ON t.k = u.k ORDER BY u.k, u.w, t.id",
        ),
        (
            "below",
            "SELECT v, count(*) AS c FROM (SELECT DISTINCT ON (k, s) v FROM t ORDER BY k, s, id) AS x GROUP BY v",
        ),
        (
            "filtered",
            "SELECT x.id FROM (SELECT DISTINCT ON (k) k, id, v FROM t ORDER BY k, id DESC) AS x WHERE x.k > 0 AND x.v > 1",
        ),
        (
            "whole",
            "SELECT DISTINCT ON (a, b) a, b FROM bag ORDER BY b, a",
        ),
    ] {
        w.keep(name, query);
    }
    for batch in BATCHES {
        w.batch(batch);
    }
}

/// Where ORDER BY leaves ties, several answers are right. It is always the same one of them.
#[test]
fn trap_open_orders() {
    let mut w = World::new(SCHEMA);
    let open = [
        ("first", "SELECT id, v FROM t ORDER BY v LIMIT 4", "v"),
        (
            "behind",
            "SELECT id, v FROM t ORDER BY v DESC OFFSET 3 LIMIT 4",
            "v",
        ),
        ("any_of_each", "SELECT DISTINCT ON (k) k, id FROM t", "k"),
        (
            "tied",
            "SELECT DISTINCT ON (k) k, v, id FROM t ORDER BY k, v",
            "k, v",
        ),
        (
            "tied_behind",
            "SELECT v, id FROM t ORDER BY v OFFSET 2 FETCH FIRST 2 ROWS WITH TIES",
            "v",
        ),
        (
            "twice",
            "WITH x AS (SELECT id, k FROM t ORDER BY k LIMIT 6) SELECT k, id FROM x UNION ALL SELECT k, id FROM x",
            "k",
        ),
        (
            "images",
            "SELECT n, id FROM t ORDER BY n LIMIT 3",
            "trim_scale(n) AS n",
        ),
    ];
    for (name, query, _) in open {
        w.run(&crate::support::creation(name, query, "DIFFERENTIAL"));
        let codes = format!("SELECT code FROM pgtrickle.validate_query($q${query}$q$)");
        assert!(w.rows(&codes).contains(&"(PGT0203)".to_owned()), "{query}");
    }
    for batch in std::iter::once(&"SELECT 1").chain(BATCHES) {
        w.run(batch);
        for (name, query, fixed) in open {
            w.run(&format!("SELECT pgtrickle.refresh_stream_table('{name}')"));
            // What the order fixes is as in the query; the rows are rows of its source.
            let shown = w.rows(&format!("SELECT {fixed} FROM {name}"));
            assert_eq!(
                shown,
                w.rows(&format!("SELECT {fixed} FROM ({query}) AS q")),
                "{name} after {batch}"
            );
            let foreign = w.rows(&format!("SELECT id FROM {name} EXCEPT SELECT id FROM t"));
            assert!(foreign.is_empty(), "{name} after {batch}: {foreign:?}");
            let differs = w.rows(&format!("SELECT * FROM pgtrickle.verify('{name}')"));
            assert!(differs.is_empty(), "{name} after {batch}: {differs:?}");
            let action = harness::last_refresh(&mut w.client, name).action;
            assert!(
                ["DIFFERENTIAL", "NO_DATA", "INITIAL"].contains(&action.as_str()),
                "{name}: {action}"
            );
        }
    }
    // And so does a rebuild.
    w.run("TRUNCATE t; INSERT INTO t SELECT i, i % 3, i % 4, (i % 5) * 1.50, 'x' FROM generate_series(1, 40) i");
    for (name, ..) in open {
        w.run(&format!("SELECT pgtrickle.refresh_stream_table('{name}')"));
        let differs = w.rows(&format!("SELECT * FROM pgtrickle.verify('{name}')"));
        assert!(differs.is_empty(), "{name} rebuilt: {differs:?}");
    }
}

/// A row of a group gives way to another that differs in nothing by which groups are found: they
/// cancel out in what is touched, and the group has changed all the same.
#[test]
fn trap_swapped_in_a_group_by_inequality() {
    let mut w = World::new(SCHEMA);
    for (name, query) in [
        (
            "first_below",
            "SELECT a.id, x.id AS y FROM t a, LATERAL (SELECT b.id FROM t b WHERE b.v < a.v ORDER BY b.v, b.id LIMIT 2) AS x",
        ),
        (
            "last_above",
            "SELECT a.id, x.id AS y FROM t a LEFT JOIN LATERAL (SELECT b.id FROM t b WHERE b.v >= a.v ORDER BY b.v DESC, b.id OFFSET 1 LIMIT 2) AS x ON x.id <> 4",
        ),
        (
            "listed",
            "SELECT a.id, (SELECT string_agg(b.s, ',' ORDER BY b.id) FROM t b WHERE b.v < a.v) AS y FROM t a",
        ),
    ] {
        w.keep(name, query);
    }
    for batch in [
        "UPDATE t SET id = id + 100 WHERE id = 7",
        "UPDATE t SET id = id + 100 WHERE id < 6",
        "UPDATE t SET s = s || 'x' WHERE id > 25",
        "DELETE FROM t WHERE id = 14; INSERT INTO t VALUES (-14, 1, 0, 1, 'new')",
    ] {
        w.batch(batch);
    }
}

/// Rows that are kept in reserve make up for those that leave. When they are used up, the source is
/// read; what is behind the last of them is not known, what comes before it is.
#[test]
fn trap_reserve_used_up() {
    let mut w = World::new(
        "CREATE TABLE e (id int PRIMARY KEY, k int, v int, s text);
         INSERT INTO e SELECT i, i % 7, nullif(i / 3, 20), 's' || i % 5 FROM generate_series(1, 300) i;
         CREATE TABLE f (k int, w int);
         INSERT INTO f SELECT i % 8, i FROM generate_series(1, 16) i;
         CREATE TABLE bag (a int, b int);
         INSERT INTO bag SELECT i / 10, i % 2 FROM generate_series(1, 300) i",
    );
    for (name, query) in [
        ("first", "SELECT id, v FROM e ORDER BY v, id LIMIT 3"),
        (
            "last",
            "SELECT id, v FROM e ORDER BY v DESC NULLS LAST, id DESC LIMIT 2 OFFSET 2",
        ),
        (
            "nulls",
            "SELECT id, v FROM e ORDER BY v NULLS FIRST, id LIMIT 4",
        ),
        (
            "ties",
            "SELECT id, v FROM e ORDER BY v FETCH FIRST 4 ROWS WITH TIES",
        ),
        ("copies", "SELECT a, b FROM bag ORDER BY a, b LIMIT 5"),
        (
            "joined",
            "SELECT e.id, e.v, f.w FROM e JOIN f ON f.k = e.k WHERE e.s <> 's1' ORDER BY e.v, e.id, f.w LIMIT 4",
        ),
        (
            "grouped",
            "SELECT v, count(*) AS n, sum(id) AS s FROM e GROUP BY v ORDER BY n DESC, v LIMIT 3",
        ),
        (
            "computed",
            "SELECT id FROM e WHERE k <> 0 ORDER BY 100 / k + v, id DESC LIMIT 3",
        ),
        (
            "read_twice",
            "WITH x AS (SELECT id, k, v FROM e ORDER BY v DESC, id LIMIT 5) SELECT a.id, b.w FROM x AS a JOIN f AS b ON b.k = a.k UNION ALL SELECT v, k FROM x",
        ),
        (
            "numbered",
            "SELECT id, n FROM (SELECT id, row_number() OVER (ORDER BY v, id) AS n FROM e) AS x WHERE n <= 4",
        ),
        (
            "ranked",
            "SELECT v FROM (SELECT v, rank() OVER (ORDER BY v) AS r FROM e) AS x WHERE r < 5",
        ),
    ] {
        w.keep(name, query);
    }
    let kept = |w: &mut World| {
        let id = w.rows("SELECT pgt_id FROM pgtrickle.pgt_stream_tables WHERE pgt_name = 'first'");
        let id = id[0].trim_matches(['(', ')']).to_owned();
        let rows = w.rows(&format!(
            "SELECT count(*) FROM pgtrickle_store.state_{id}_1"
        ));
        rows[0]
            .trim_matches(['(', ')'])
            .parse::<usize>()
            .expect("a number")
    };
    let full = kept(&mut w);
    assert!(full > 20, "{full}");
    let first =
        |n: usize| format!("DELETE FROM e WHERE id IN (SELECT id FROM e ORDER BY v, id LIMIT {n})");
    w.batch(&first(10));
    assert_eq!(kept(&mut w), full - 10);
    // Behind the last row that is kept, and before it.
    w.batch("UPDATE e SET v = 500 WHERE id IN (200, 201); INSERT INTO e VALUES (-1, 3, -5, 's2'), (-2, 4, 2, NULL)");
    assert_eq!(kept(&mut w), full - 8);
    // More than are left.
    w.batch(&first(full - 9));
    assert_eq!(kept(&mut w), full);
    for batch in [
        first(full),
        "DELETE FROM e WHERE v > 80".to_owned(),
        "DELETE FROM bag WHERE a < 3".to_owned(),
        "DELETE FROM bag WHERE ctid IN (SELECT ctid FROM bag ORDER BY a, b LIMIT 40); INSERT INTO bag VALUES (3, 0), (4, 0), (4, 0)".to_owned(),
        "INSERT INTO bag SELECT 0, 0 FROM generate_series(1, 60); INSERT INTO e SELECT -i, i % 7, -i / 9, 's2' FROM generate_series(3, 90) i".to_owned(),
        "UPDATE e SET v = v + 40 WHERE v < 0; UPDATE bag SET b = 1 - b WHERE a < 5".to_owned(),
        "UPDATE f SET k = k + 1; UPDATE e SET s = 's1' WHERE id % 2 = 0".to_owned(),
        "UPDATE e SET v = NULL WHERE id % 3 <> 0".to_owned(),
        "DELETE FROM e WHERE id % 4 <> 0; DELETE FROM bag WHERE a > 1".to_owned(),
        "DELETE FROM e; DELETE FROM bag".to_owned(),
        "INSERT INTO e VALUES (1, 1, 1, 's'), (2, 0, NULL, 's'); INSERT INTO bag VALUES (1, 1)".to_owned(),
        "INSERT INTO e SELECT i, i % 7, i % 10, 's' FROM generate_series(3, 80) i; INSERT INTO bag SELECT i % 4, 1 FROM generate_series(1, 80) i".to_owned(),
        "DELETE FROM e WHERE v < 4; DELETE FROM bag WHERE a < 2".to_owned(),
    ] {
        w.batch(&batch);
    }
}

/// The same where several rows are tied, which are told apart by their images.
#[test]
fn trap_reserve_of_an_open_order() {
    let mut w = World::new(
        "CREATE TABLE e (id int PRIMARY KEY, v int, n numeric);
         INSERT INTO e SELECT i, i / 40, (i % 3) * 1.0 FROM generate_series(1, 300) i;
         CREATE INDEX ON e (v)",
    );
    let queries = [
        ("tied", "SELECT id, v FROM e ORDER BY v LIMIT 3"),
        (
            "behind",
            "SELECT v, id FROM e ORDER BY v OFFSET 2 FETCH FIRST 3 ROWS WITH TIES",
        ),
        ("images", "SELECT n FROM e ORDER BY v DESC LIMIT 5"),
        (
            "numbered",
            "SELECT id, n FROM (SELECT id, row_number() OVER (ORDER BY v) AS n FROM e) AS x WHERE n < 4",
        ),
    ];
    for (name, query) in queries {
        w.run(&crate::support::creation(name, query, "DIFFERENTIAL"));
    }
    for batch in [
        "DELETE FROM e WHERE id < 9",
        "INSERT INTO e VALUES (-1, 0, 1.0), (-2, 0, 1.00), (-3, 9, 1)",
        "UPDATE e SET n = 1.00 WHERE n = 1.0",
        "DELETE FROM e WHERE id < 39",
        "DELETE FROM e WHERE v < 3; DELETE FROM e WHERE v > 5",
        "UPDATE e SET v = v - 1 WHERE id % 2 = 0",
        "UPDATE e SET id = -id",
        "DELETE FROM e WHERE v <> 4",
        "DELETE FROM e",
        "INSERT INTO e SELECT i, i % 2, 1 FROM generate_series(1, 90) i",
        "DELETE FROM e WHERE id < 60",
    ] {
        w.run(batch);
        for (name, _) in queries {
            w.run(&format!("SELECT pgtrickle.refresh_stream_table('{name}')"));
            let done = harness::last_refresh(&mut w.client, name);
            // Not every query reads every column.
            assert!(
                ["DIFFERENTIAL", "NO_DATA"].contains(&done.action.as_str()),
                "{name} {batch}: {done:?}"
            );
            let differences = w.rows(&format!("SELECT * FROM pgtrickle.verify('{name}')"));
            assert_eq!(differences, [""; 0], "{name} after {batch}");
        }
    }
}
