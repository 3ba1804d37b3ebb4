//! WITH RECURSIVE: what a change takes away and adds is followed, and nothing else.

use crate::support::World;

const SCHEMA: &str = "
    CREATE TABLE node (id int PRIMARY KEY, parent int, name text);
    INSERT INTO node SELECT i, nullif(i / 3, 0), 'n' || i FROM generate_series(1, 30) i;
    CREATE INDEX ON node (parent);
    CREATE TABLE edge (src int NOT NULL, dst int NOT NULL);
    INSERT INTO edge VALUES (1, 2), (2, 3), (3, 1), (3, 4), (4, 5), (5, 6), (6, 4), (7, 8), (2, 5), (2, 5);
    CREATE TABLE loose (a int, b int);
    INSERT INTO loose VALUES (1, 2), (2, NULL), (NULL, 3), (2, 3), (3, 1);
    CREATE TABLE part (whole text, piece text, n int);
    INSERT INTO part VALUES ('car', 'wheel', 4), ('wheel', 'bolt', 5), ('car', 'bolt', 2), ('bolt', 'steel', 1)";

/// Of a graph with cycles and alternative paths, in which both come and go; of a tree, whose branches
/// move.
const BATCHES: &[&str] = &[
    "INSERT INTO edge VALUES (8, 1), (6, 7)",
    // One of two paths; then one of two equal edges; then the other.
    "DELETE FROM edge WHERE src = 1",
    "DELETE FROM edge WHERE ctid = (SELECT min(ctid) FROM edge WHERE src = 2 AND dst = 5)",
    "DELETE FROM edge WHERE src = 2 AND dst = 5",
    "INSERT INTO edge VALUES (1, 2), (1, 1), (9, 9), (5, 5)",
    "UPDATE edge SET dst = dst + 1 WHERE src IN (3, 5)",
    // A way round through what is new, where the old way goes.
    "DELETE FROM edge WHERE src = 2; INSERT INTO edge VALUES (2, 10), (10, 3)",
    "UPDATE node SET parent = 20 WHERE id IN (4, 5)",
    "UPDATE node SET parent = NULL WHERE id = 6; DELETE FROM node WHERE id IN (2, 13)",
    "INSERT INTO node VALUES (2, 30, 'n2'), (31, 2, NULL), (32, 31, 'n32')",
    "UPDATE node SET name = upper(name) WHERE id % 4 = 1",
    "UPDATE loose SET b = 4 WHERE a = 2; INSERT INTO loose VALUES (4, 1), (NULL, NULL)",
    "DELETE FROM loose WHERE a IS NULL; INSERT INTO loose VALUES (4, 1), (3, NULL)",
    "INSERT INTO part VALUES ('bike', 'wheel', 2), ('wheel', 'spoke', 30); UPDATE part SET n = 6 WHERE whole = 'wheel' AND piece = 'bolt'",
    "DELETE FROM part WHERE piece = 'bolt' AND whole = 'car'",
    // Nothing that shows.
    "INSERT INTO edge VALUES (100, 101); DELETE FROM edge WHERE src = 100; UPDATE part SET n = n",
    "UPDATE edge SET src = dst, dst = src",
    "DELETE FROM edge WHERE src > 2; DELETE FROM node WHERE id > 3; DELETE FROM part WHERE n < 5",
    "DELETE FROM edge; DELETE FROM node; DELETE FROM part; DELETE FROM loose",
    "INSERT INTO edge VALUES (1, 2), (2, 1); INSERT INTO node VALUES (1, NULL, 'a'), (2, 1, 'b'); INSERT INTO part VALUES ('a', 'b', 2); INSERT INTO loose VALUES (1, 1)",
];

#[track_caller]
pub(super) fn check(queries: &[(&str, &str)]) {
    let mut w = World::new(SCHEMA);
    for (name, query) in queries {
        w.keep(name, query);
    }
    // So that each batch has something to do.
    w.keep("of_edge", "SELECT src, dst FROM edge");
    w.keep("of_node", "SELECT id, parent, name FROM node");
    w.keep("of_loose", "SELECT a, b FROM loose");
    w.keep("of_part", "SELECT whole, piece, n FROM part");
    for batch in BATCHES {
        w.batch(batch);
    }
}

/// Cycles and alternative derivations: what is deleted too much is put back.
#[test]
fn trap_recursion_deletes_exactly() {
    check(&[
        (
            "reachable",
            "WITH RECURSIVE r AS (SELECT src, dst FROM edge
                 UNION SELECT r.src, e.dst FROM r JOIN edge e ON e.src = r.dst)
             SELECT src, dst FROM r",
        ),
        (
            "from_one",
            "WITH RECURSIVE r (at) AS (VALUES (1) UNION SELECT e.dst FROM r, edge e WHERE e.src = r.at)
             SELECT at FROM r",
        ),
        (
            "right_linear",
            "WITH RECURSIVE r AS (SELECT src, dst FROM edge
                 UNION SELECT e.src, r.dst FROM r JOIN edge e ON e.dst = r.src)
             SELECT src, dst FROM r WHERE src <> dst",
        ),
        (
            "counted",
            "WITH RECURSIVE r (at, start) AS (SELECT id, id FROM node WHERE id < 4
                 UNION SELECT e.dst, r.start FROM r JOIN edge e ON e.src = r.at WHERE e.dst <> 6)
             SELECT start, count(*) AS n, max(at) AS most FROM r GROUP BY start",
        ),
        (
            "with_nulls",
            "WITH RECURSIVE r AS (SELECT a, b FROM loose
                 UNION SELECT r.a, l.b FROM r JOIN loose l ON l.a = r.b)
             SELECT a, b FROM r",
        ),
        (
            "null_meets_null",
            "WITH RECURSIVE r AS (SELECT a, b FROM loose WHERE a = 1
                 UNION SELECT r.a, l.b FROM r JOIN loose l ON l.a IS NOT DISTINCT FROM r.b)
             SELECT a, b FROM r",
        ),
        (
            "words",
            "WITH RECURSIVE r AS (SELECT whole, piece FROM part
                 UNION SELECT r.whole, p.piece FROM r JOIN part p ON p.whole = r.piece)
             SELECT whole, string_agg(piece, ',' ORDER BY piece) AS pieces FROM r GROUP BY whole",
        ),
    ]);
}

/// Every derivation counts.
#[test]
fn trap_recursion_counts_derivations() {
    check(&[
        (
            "tree",
            "WITH RECURSIVE up (id, parent, depth) AS (
                 SELECT id, parent, 0 FROM node WHERE parent IS NULL
                 UNION ALL SELECT n.id, n.parent, up.depth + 1 FROM node n JOIN up ON n.parent = up.id)
             SELECT id, parent, depth FROM up",
        ),
        (
            "paths",
            "WITH RECURSIVE p (id, path) AS (
                 SELECT id, name FROM node WHERE parent IS NULL
                 UNION ALL SELECT n.id, p.path || '/' || n.name FROM p JOIN node n ON n.parent = p.id)
             SELECT id, path FROM p",
        ),
        (
            "arrays",
            "WITH RECURSIVE p (at, path) AS (
                 SELECT 1, ARRAY[1]
                 UNION ALL SELECT e.dst, p.path || e.dst FROM p JOIN edge e ON e.src = p.at WHERE e.dst <> ALL (p.path))
             SELECT at, path FROM p",
        ),
        (
            "walks",
            "WITH RECURSIVE w (at, steps) AS (
                 SELECT src, 0 FROM edge
                 UNION ALL SELECT e.dst, w.steps + 1 FROM w, edge e WHERE e.src = w.at AND w.steps < 3)
             SELECT at, steps FROM w",
        ),
        (
            "explosion",
            "WITH RECURSIVE e (whole, piece, n) AS (
                 SELECT whole, piece, n::numeric FROM part
                 UNION ALL SELECT e.whole, p.piece, e.n * p.n FROM e JOIN part p ON p.whole = e.piece)
             SELECT whole, piece, sum(n) AS n FROM e GROUP BY whole, piece",
        ),
        (
            "numbers",
            "WITH RECURSIVE n (i) AS (SELECT id FROM node WHERE id = 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
             SELECT i FROM n",
        ),
    ]);
}

/// Of what stands beside it: other collections, in all forms.
#[test]
fn trap_recursion_along_queries() {
    check(&[
        (
            "along_groups",
            "WITH RECURSIVE g AS (SELECT src, max(dst) AS dst FROM edge GROUP BY src),
                 r (at) AS (SELECT 1 UNION SELECT g.dst FROM r JOIN g ON g.src = r.at)
             SELECT at FROM r",
        ),
        (
            "along_two",
            "WITH RECURSIVE r (at) AS (SELECT id FROM node WHERE id = 1
                 UNION SELECT e.dst FROM r JOIN edge e ON e.src = r.at JOIN node n ON n.id = e.dst)
             SELECT at FROM r",
        ),
        (
            "along_outer",
            "WITH RECURSIVE r (at, name) AS (SELECT 1, 'start'
                 UNION SELECT x.dst, x.name FROM r JOIN
                     (SELECT e.src, e.dst, n.name FROM edge e LEFT JOIN node n ON n.id = e.dst) x ON x.src = r.at)
             SELECT at, name FROM r",
        ),
        (
            "along_left",
            "WITH RECURSIVE r (at, name) AS (SELECT 1, 'start'
                 UNION SELECT e.dst, n.name FROM r JOIN edge e ON e.src = r.at LEFT JOIN node n ON n.id = e.dst)
             SELECT at, name FROM r",
        ),
        (
            "along_subquery",
            "WITH RECURSIVE r (at) AS (SELECT 1
                 UNION ALL SELECT e.dst FROM r JOIN edge e ON e.src = r.at AND e.dst > r.at
                     WHERE EXISTS (SELECT FROM node n WHERE n.id = e.dst) AND e.src NOT IN (SELECT id FROM node WHERE name = 'N5'))
             SELECT at, count(*) AS n FROM r GROUP BY at",
        ),
        (
            "from_recursion",
            "WITH RECURSIVE r (at) AS (SELECT 1 UNION SELECT e.dst FROM r JOIN edge e ON e.src = r.at),
                 s (at) AS (SELECT at FROM r WHERE at > 2 UNION SELECT n.parent FROM s JOIN node n ON n.id = s.at WHERE n.parent IS NOT NULL)
             SELECT at FROM s",
        ),
        (
            "along_recursion",
            "WITH RECURSIVE t AS (SELECT src, dst FROM edge UNION SELECT t.src, e.dst FROM t JOIN edge e ON e.src = t.dst),
                 r (id, parent) AS (SELECT id, parent FROM node WHERE id > 25
                     UNION ALL SELECT n.id, n.parent FROM r JOIN node n ON n.id = r.parent
                         JOIN t ON t.src = 1 AND t.dst = 2)
             SELECT id, parent FROM r",
        ),
        (
            "joined",
            "SELECT n.name, r.at FROM node n LEFT JOIN
                 (WITH RECURSIVE r (at) AS (SELECT 1 UNION SELECT e.dst FROM r JOIN edge e ON e.src = r.at) SELECT at FROM r) r
                 ON r.at = n.id",
        ),
        (
            "twice",
            "WITH RECURSIVE r AS (SELECT src, dst FROM edge UNION SELECT r.src, e.dst FROM r JOIN edge e ON e.src = r.dst)
             SELECT a.src, count(*) AS n FROM r a JOIN r b ON a.src = b.dst AND a.dst = b.src GROUP BY a.src",
        ),
        (
            "several_seeds",
            "WITH RECURSIVE r AS ((SELECT src FROM edge WHERE src < 3 UNION ALL SELECT id FROM node WHERE id > 28)
                 UNION SELECT e.dst FROM r JOIN edge e ON e.src = r.src)
             SELECT src FROM r",
        ),
    ]);
}

/// Of what stands beside each row that was found last: what has no match, what functions make of it.
#[test]
fn trap_recursion_with_links() {
    check(&[
        (
            "left_of_found",
            "WITH RECURSIVE r (at, name) AS (SELECT src, 'start' FROM edge WHERE src = 1
                 UNION SELECT e.dst, n.name FROM r LEFT JOIN edge e ON e.src = r.at LEFT JOIN node n ON n.id = r.at AND n.parent = e.dst)
             SELECT at, name FROM r",
        ),
        (
            "left_all",
            "WITH RECURSIVE r (at, depth) AS (SELECT id, 0 FROM node WHERE parent IS NULL
                 UNION ALL SELECT n.id, r.depth + 1 FROM r LEFT JOIN node n ON n.parent = r.at WHERE r.at IS NOT NULL)
             SELECT at, depth FROM r",
        ),
        (
            "left_and_on",
            "WITH RECURSIVE r (at, by) AS (SELECT 1, NULL::int
                 UNION SELECT e.dst, coalesce(l.b, -1) FROM r LEFT JOIN loose l ON l.a = r.at JOIN edge e ON e.src = r.at AND e.dst <> coalesce(l.b, 0))
             SELECT at, by FROM r",
        ),
        (
            "closed_nodes",
            "WITH RECURSIVE r (at) AS (SELECT 1
                 UNION SELECT e.dst FROM r JOIN edge e ON e.src = r.at
                     WHERE NOT EXISTS (SELECT FROM loose l WHERE l.a = r.at AND l.b > 2))
             SELECT at FROM r",
        ),
        (
            "not_both",
            "WITH RECURSIVE r (at) AS (SELECT 1
                 UNION SELECT e.dst FROM r JOIN edge e ON e.src = r.at
                     WHERE NOT EXISTS (SELECT FROM loose l WHERE l.a = r.at AND l.b = e.dst))
             SELECT at FROM r",
        ),
        (
            "not_less",
            "WITH RECURSIVE r (at) AS (SELECT 1
                 UNION SELECT e.dst FROM r JOIN edge e ON e.src = r.at WHERE NOT EXISTS (SELECT FROM loose l WHERE l.a > r.at))
             SELECT at FROM r",
        ),
        (
            "not_in",
            "WITH RECURSIVE r (at, n) AS (SELECT id, 0 FROM node WHERE parent IS NULL
                 UNION ALL SELECT n.id, r.n + 1 FROM r JOIN node n ON n.parent = r.at WHERE r.at NOT IN (SELECT b FROM loose))
             SELECT at, n FROM r",
        ),
        (
            "in_all",
            "WITH RECURSIVE r (at, n) AS (SELECT id, 0 FROM node WHERE parent IS NULL
                 UNION ALL SELECT n.id, r.n + 1 FROM r JOIN node n ON n.parent = r.at WHERE r.at IN (SELECT src FROM edge) OR r.n = 0)
             SELECT at, n FROM r",
        ),
        (
            "witnesses",
            "WITH RECURSIVE r (at, n) AS (SELECT id, 0 FROM node WHERE parent IS NULL
                 UNION ALL SELECT n.id, r.n + 1 FROM r JOIN node n ON n.parent = r.at WHERE EXISTS (SELECT FROM edge e WHERE e.src = r.at))
             SELECT at, n FROM r",
        ),
        (
            "some_less",
            "WITH RECURSIVE r (at) AS (SELECT 1
                 UNION SELECT e.dst FROM r JOIN edge e ON e.src = r.at WHERE EXISTS (SELECT FROM loose l WHERE l.a < r.at))
             SELECT at FROM r",
        ),
        (
            "made",
            "WITH RECURSIVE r (a) AS (SELECT a FROM loose UNION SELECT g FROM r, generate_series(r.a, 3) g) SELECT a FROM r",
        ),
        (
            "made_of_both",
            "WITH RECURSIVE r (at, i) AS (SELECT id, 0 FROM node WHERE parent IS NULL
                 UNION ALL SELECT n.id, g FROM r JOIN node n ON n.parent = r.at, LATERAL generate_series(1, least(n.id - r.at, 2)) g)
             SELECT at, i FROM r",
        ),
        (
            "unnested",
            "WITH RECURSIVE r (at, list) AS (SELECT src, ARRAY[dst, src] FROM edge WHERE src = 1
                 UNION ALL SELECT u.x, CASE WHEN u.o = 1 THEN ARRAY[e.dst] END FROM r, unnest(r.list) WITH ORDINALITY AS u(x, o)
                     LEFT JOIN edge e ON e.src = u.x AND e.dst > u.x WHERE u.x IS NOT NULL)
             SELECT at, list FROM r",
        ),
        (
            "padded_functions",
            "WITH RECURSIVE r (at) AS (SELECT a FROM loose UNION SELECT g FROM r LEFT JOIN generate_series(r.at + 1, 2) g ON g <> 4) SELECT at FROM r",
        ),
        (
            "with_scalars",
            "WITH RECURSIVE r (at, most) AS (SELECT 1, 0
                 UNION SELECT e.dst, (SELECT max(l.b) FROM loose l WHERE l.a = r.at) FROM r JOIN edge e ON e.src = r.at)
             SELECT at, most FROM r",
        ),
        (
            "limited_by_all",
            "WITH RECURSIVE r (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < (SELECT count(*) FROM node)) SELECT i FROM r",
        ),
        (
            "two_beside",
            "WITH RECURSIVE r (a, b) AS (SELECT src, dst FROM edge WHERE src < 3
                 UNION SELECT e.dst, f.dst FROM r JOIN edge e ON e.src = r.a JOIN edge f ON f.src = r.b)
             SELECT a, b FROM r",
        ),
    ]);
}
