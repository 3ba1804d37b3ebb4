//! SEARCH and CYCLE: the columns that they add are made where they are read, of what is kept.

use super::recursion::check;
use crate::support::World;

/// What leads round ends where it comes back, and is found again when the way changes.
#[test]
fn trap_recursion_cycle() {
    check(&[
        (
            "rounds",
            "WITH RECURSIVE r AS (SELECT src, dst FROM edge WHERE src < 3
                 UNION ALL SELECT e.src, e.dst FROM r JOIN edge e ON e.src = r.dst) CYCLE dst SET again USING path
             SELECT src, dst, again, path::text AS path FROM r",
        ),
        (
            "by_two",
            "WITH RECURSIVE r (a, b) AS (SELECT src, dst FROM edge WHERE src < 3
                 UNION ALL SELECT e.src, e.dst FROM r JOIN edge e ON e.src = r.b) CYCLE b, a SET again USING path
             SELECT a, b, again, path::text AS path, path[1]::text AS first FROM r",
        ),
        (
            "nulls_are_equal",
            "WITH RECURSIVE r AS (SELECT a, b FROM loose
                 UNION ALL SELECT l.a, l.b FROM r JOIN loose l ON l.a IS NOT DISTINCT FROM r.b) CYCLE a SET again USING path
             SELECT a, b, again, path::text AS path FROM r",
        ),
        (
            "nulls_are_equal_in_rows",
            "WITH RECURSIVE r AS (SELECT a, b FROM loose
                 UNION ALL SELECT l.a, l.b FROM r JOIN loose l ON l.a IS NOT DISTINCT FROM r.b) CYCLE a, b SET again USING path
             SELECT a, b, again, path::text AS path FROM r",
        ),
        (
            "marks_of_text",
            "WITH RECURSIVE r AS (SELECT src, dst FROM edge WHERE src = 1
                 UNION ALL SELECT e.src, e.dst FROM r JOIN edge e ON e.src = r.dst)
                 CYCLE src, dst SET again TO 'yes' DEFAULT 'no' USING path
             SELECT src, dst, again, again || '!' AS loud FROM r",
        ),
        (
            "marks_of_numbers",
            "WITH RECURSIVE r AS (SELECT src, dst FROM edge WHERE src = 1
                 UNION ALL SELECT e.src, e.dst FROM r JOIN edge e ON e.src = r.dst)
                 CYCLE dst SET again TO 1 DEFAULT 0.5 USING path
             SELECT again, count(*) AS n, sum(again) AS s FROM r GROUP BY again",
        ),
        (
            "no_mark_no_step",
            "WITH RECURSIVE r AS (SELECT src, dst FROM edge
                 UNION ALL SELECT e.src, e.dst FROM r JOIN edge e ON e.src = r.dst)
                 CYCLE dst SET again TO date '2024-01-01' DEFAULT null USING path
             SELECT src, dst, again FROM r",
        ),
        (
            "read_in_the_step",
            "WITH RECURSIVE r AS (SELECT src, dst FROM edge WHERE src = 1
                 UNION ALL SELECT e.src, e.dst FROM r JOIN edge e ON e.src = r.dst AND array_length(r.path, 1) < 4 AND NOT r.again)
                 CYCLE src, dst SET again USING path
             SELECT src, dst, again FROM r",
        ),
        (
            "each_row_once",
            "WITH RECURSIVE r AS (SELECT src, dst FROM edge WHERE src < 3
                 UNION SELECT e.src, e.dst FROM r JOIN edge e ON e.src = r.dst) CYCLE src, dst SET again USING path
             SELECT src, dst, again, path::text AS path FROM r",
        ),
        (
            "not_in_stars_within",
            "WITH RECURSIVE r AS (SELECT src, dst FROM edge WHERE src = 1
                 UNION ALL SELECT e.src, e.dst FROM r JOIN edge e ON e.src = r.dst) CYCLE dst SET again USING path
             SELECT * FROM (SELECT *, (r).* FROM r) AS x (a, b, c, d)",
        ),
        (
            "padded",
            "WITH RECURSIVE r AS (SELECT src, dst FROM edge WHERE src = 1
                 UNION ALL SELECT e.src, e.dst FROM r JOIN edge e ON e.src = r.dst) CYCLE dst SET again USING path
             SELECT n.id, r.again, r.path::text AS path FROM node n LEFT JOIN r ON r.dst = n.id",
        ),
        (
            "of_text",
            "WITH RECURSIVE r AS (SELECT whole, piece FROM part
                 UNION ALL SELECT p.whole, p.piece FROM r JOIN part p ON p.whole = r.piece)
                 CYCLE piece SET again USING path
             SELECT piece, again, path::text AS path FROM r WHERE NOT again",
        ),
    ]);
}

/// The order in which rows are found.
#[test]
fn trap_recursion_search() {
    check(&[
        (
            "breadth_first",
            "WITH RECURSIVE t AS (SELECT id, parent FROM node WHERE parent IS NULL
                 UNION ALL SELECT n.id, n.parent FROM t JOIN node n ON n.parent = t.id) SEARCH BREADTH FIRST BY id SET place
             SELECT id, parent, place::text AS place FROM t",
        ),
        (
            "depth_first",
            "WITH RECURSIVE t AS (SELECT id, parent, name FROM node WHERE parent IS NULL
                 UNION ALL SELECT n.id, n.parent, n.name FROM t JOIN node n ON n.parent = t.id)
                 SEARCH DEPTH FIRST BY name, id SET place
             SELECT id, place::text AS place, array_length(place, 1) AS depth FROM t",
        ),
        (
            "first_in_breadth",
            "WITH RECURSIVE t AS (SELECT id, parent FROM node WHERE parent IS NULL
                 UNION ALL SELECT n.id, n.parent FROM t JOIN node n ON n.parent = t.id) SEARCH BREADTH FIRST BY id SET place
             SELECT id, parent FROM t ORDER BY place LIMIT 7",
        ),
        (
            "last_in_depth",
            "WITH RECURSIVE t AS (SELECT id, parent, name FROM node WHERE parent IS NULL
                 UNION ALL SELECT n.id, n.parent, n.name FROM t JOIN node n ON n.parent = t.id)
                 SEARCH DEPTH FIRST BY name SET place
             SELECT name FROM t ORDER BY place DESC, id LIMIT 5 OFFSET 2",
        ),
        (
            "unread",
            "WITH RECURSIVE t AS (SELECT id, parent FROM node WHERE parent IS NULL
                 UNION ALL SELECT n.id, n.parent FROM t JOIN node n ON n.parent = t.id) SEARCH DEPTH FIRST BY id SET place
             SELECT id FROM t",
        ),
        (
            "compared",
            "WITH RECURSIVE t AS (SELECT id, parent FROM node WHERE parent IS NULL
                 UNION ALL SELECT n.id, n.parent FROM t JOIN node n ON n.parent = t.id) SEARCH DEPTH FIRST BY id SET place
             SELECT a.id, b.id AS below FROM t a JOIN t b ON a.place < b.place AND a.id = b.parent",
        ),
        (
            "both",
            "WITH RECURSIVE r AS (SELECT src, dst FROM edge WHERE src = 1
                 UNION ALL SELECT e.src, e.dst FROM r JOIN edge e ON e.src = r.dst)
                 SEARCH BREADTH FIRST BY dst, src SET place CYCLE dst SET again USING path
             SELECT src, dst, place::text AS place, again, path::text AS path FROM r",
        ),
        (
            "both_along_one_path",
            "WITH RECURSIVE r AS (SELECT src, dst FROM edge WHERE src = 1
                 UNION SELECT e.src, e.dst FROM r JOIN edge e ON e.src = r.dst)
                 SEARCH DEPTH FIRST BY src, dst SET place CYCLE dst, src SET again USING path
             SELECT src, dst, place::text AS place, again, path::text AS path FROM r",
        ),
        (
            "joined_by_values",
            "WITH RECURSIVE r (at) AS (VALUES (1)
                 UNION ALL SELECT e.dst FROM r JOIN edge e ON e.src = r.at) SEARCH BREADTH FIRST BY at SET place CYCLE at SET again USING path
             SELECT n.name, (SELECT count(*) FROM r WHERE r.at = n.id AND NOT r.again) AS n, EXISTS (SELECT FROM r WHERE r.path::text LIKE '%(4)%' AND r.at = n.id) AS by_4 FROM node n",
        ),
    ]);
}

/// Equality is that of the types, as in comparing rows.
#[test]
fn trap_recursion_cycle_of_types() {
    let mut w = World::new(
        "CREATE TYPE pair AS (x int, y text);
         CREATE DOMAIN tiny AS int CHECK (VALUE < 100);
         CREATE TABLE way (f numeric, t numeric, x float8, y float8, a text, b text, p pair, q pair, m tiny, n tiny, v varchar(3), c char(4));
         INSERT INTO way VALUES
             (1, 2.0, 0.0, 1, 'x', 'Y', (1, 'a'), (2, NULL), 1, 2, 'a', 'b'),
             (2.00, 1.0, 1, '-0', 'y', 'X', (2, NULL), (1, 'a'), 2, 1, 'b', 'a'),
             (1.000, 3, '-0', 'nan', 'X', 'z', (1, 'a'), (3, 'c'), NULL, 3, 'b', NULL),
             (3, 3.00, 'nan', 'nan', 'Z', 'x', (3, 'c'), NULL, 3, NULL, 'c', 'b')",
    );
    let mut keep = |name: &str, from: &str, to: &str, shown: &str| {
        let query = format!(
            "WITH RECURSIVE r (f, t) AS (SELECT {from}, {to} FROM way
                 UNION ALL SELECT w.{from}, w.{to} FROM r JOIN way w ON w.{from} = r.t) CYCLE {shown} SET again USING path
             SELECT f, t, again, path::text AS path, array_length(path, 1) AS n FROM r"
        );
        w.keep(name, &query);
        let query = query.replace(&format!("CYCLE {shown} "), "CYCLE f, t ");
        w.keep(&format!("{name}_2"), &query);
    };
    keep("numbers", "f", "t", "t");
    keep("floats", "x", "y", "t");
    keep("words", "a", "b", "t");
    keep("pairs", "p", "q", "f");
    keep("domains", "m", "n", "t");
    w.keep(
        "padded_words",
        "WITH RECURSIVE r (f, t) AS (SELECT v, c::varchar(3) FROM way
             UNION ALL SELECT w.v, w.c::varchar(3) FROM r JOIN way w ON w.v = r.t) CYCLE t SET again TO varchar(2) 'x' DEFAULT varchar(2) 'y' USING path
         SELECT f, t, again, path::text AS path FROM r",
    );
    for batch in [
        "UPDATE way SET t = 1.00 WHERE f = 3; DELETE FROM way WHERE y = 'nan' AND x = 0",
        "INSERT INTO way VALUES (3.0, 2, 1.0, 'nan', 'ä', 'x', NULL, (1, 'a'), 2, 3, 'd', 'a'), (4, NULL, NULL, 0, 'Y', 'ä', (2, NULL), (2, NULL), 3, 1, 'c', 'd')",
        "UPDATE way SET a = upper(a), b = lower(b), f = f + 0.000, p = (1, 'a') WHERE f = 2",
        "DELETE FROM way WHERE f = 1.0; UPDATE way SET n = m, c = v",
        "DELETE FROM way",
        "INSERT INTO way VALUES (1, 1.0, 0, '-0', 'x', 'X', (1, NULL), (1, NULL), 1, 1, 'a', 'a')",
    ] {
        w.batch(batch);
    }
}

/// Rows without a type of their own can be read, not put out; nor can what has no way.
#[test]
fn search_and_cycle_refused() {
    let mut w = World::new(
        "CREATE TABLE edge (a int, b int, j json, l int[]);
         INSERT INTO edge VALUES (1, 2, '1', '{1}'), (2, 1, '2', '{2}')",
    );
    let mut codes = |query: &str| -> Vec<String> {
        let found = w.rows(&format!(
            "SELECT code FROM pgtrickle.validate_query($q${query}$q$)"
        ));
        let trimmed = found.iter().map(|c| c.trim_matches(['(', ')']).to_owned());
        trimmed.collect()
    };
    let r = "WITH RECURSIVE r AS (SELECT a, b, j, l FROM edge UNION ALL SELECT e.a, e.b, e.j, e.l FROM r JOIN edge e ON e.a = r.b)";
    for (rest, code) in [
        (
            "CYCLE a SET again USING path SELECT a, path FROM r",
            "PGT0008",
        ),
        ("CYCLE a SET again USING path SELECT * FROM r", "PGT0008"),
        (
            "SEARCH BREADTH FIRST BY a SET place CYCLE a SET again USING path SELECT a, place FROM r",
            "PGT0008",
        ),
        (
            "CYCLE a SET again USING path SELECT again FROM (SELECT again, path FROM r) x ORDER BY path LIMIT 1",
            "PGT0141",
        ),
        (
            "CYCLE a SET again USING path SELECT DISTINCT ON (path) a FROM r ORDER BY path, a",
            "PGT0141",
        ),
        (
            "CYCLE j SET again USING path SELECT a, again FROM r",
            "PGT0107",
        ),
        (
            "CYCLE l SET again USING path SELECT a, again FROM r",
            "PGT0107",
        ),
    ] {
        let found = codes(&format!("{r} {rest}"));
        assert!(found.iter().any(|c| c == code), "{rest}: {found:?}");
    }
}
