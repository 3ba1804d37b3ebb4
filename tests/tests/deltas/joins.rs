//! Several sides of a join change in one batch.

use crate::support::World;

/// Both sides of a join of two tables, all sides of joins of three and of five, in every
/// combination of sides.
#[test]
fn trap_both_sides_change() {
    let tables = ["a", "b", "c", "d", "e"];
    let mut schema = String::new();
    for t in tables {
        schema += &format!(
            "CREATE TABLE {t} (id int PRIMARY KEY, k int, l int, v int);
             INSERT INTO {t} SELECT i, i % 4, i % 3, i FROM generate_series(1, 12) i;"
        );
    }
    let mut w = World::new(&schema);
    w.keep(
        "two",
        "SELECT a.id, b.id AS b, a.v + b.v AS v FROM a JOIN b USING (k)",
    );
    w.keep("three_sum", "SELECT a.k, count(*) AS n, sum(b.v * c.v) AS s FROM a, b, c WHERE a.k = b.k AND b.l = c.l GROUP BY a.k");
    w.keep("triangle", "SELECT a.v AS x, b.v AS y, c.v AS z FROM a JOIN b ON a.k = b.k JOIN c ON b.l = c.l AND c.k = a.l");
    w.keep(
        "five",
        "SELECT a.id AS a, b.id AS b, c.id AS c, d.id AS d, e.id AS e
         FROM a JOIN b ON b.id = a.v JOIN c ON c.id = b.v JOIN d ON d.id = c.v JOIN e ON e.id = d.v",
    );
    // Subsets of the five as bits: pairs, triples, all.
    for (round, subset) in [
        0b00011, 0b00101, 0b00110, 0b00111, 0b11000, 0b10101, 0b11111, 0b11111,
    ]
    .into_iter()
    .enumerate()
    {
        let mut sql = String::new();
        for (i, t) in tables
            .into_iter()
            .enumerate()
            .filter(|(i, _)| subset >> i & 1 == 1)
        {
            let n = 100 * (round + 1) + i;
            sql += &format!(
                "UPDATE {t} SET v = v % 12 + 1, k = (k + 1) % 4 WHERE id % 5 = {};
                 INSERT INTO {t} VALUES ({n}, {}, {}, {}), ({}, NULL, 0, NULL);
                 DELETE FROM {t} WHERE id % 6 = {};",
                round % 5,
                round % 4,
                (round + i) % 3,
                1 + (round + i) % 12,
                n + 10,
                (round + i) % 6,
            );
        }
        w.batch(&sql);
    }
    // Everything leaves and comes back, on all sides.
    w.batch("DELETE FROM a; DELETE FROM b; DELETE FROM c; DELETE FROM d; DELETE FROM e");
    assert_eq!(w.rows("SELECT * FROM two").len(), 0);
    let inserts = tables.map(|t| {
        format!("INSERT INTO {t} SELECT i, i % 2, i % 2, i FROM generate_series(1, 6) i;")
    });
    w.batch(&inserts.concat());
    assert_eq!(w.rows("SELECT * FROM five").len(), 6);
}

/// The join key of a row moves in the batch that deletes its old partner (and makes the new one).
#[test]
fn trap_key_move_and_partner_delete() {
    let mut w = World::new(
        "CREATE TABLE parent (id int PRIMARY KEY, name text NOT NULL);
         CREATE TABLE child (id int PRIMARY KEY, parent int, v int NOT NULL);
         INSERT INTO parent SELECT i, 'p' || i FROM generate_series(1, 6) i;
         INSERT INTO child SELECT i, i % 6 + 1, i FROM generate_series(1, 24) i",
    );
    w.keep(
        "pairs",
        "SELECT c.id, c.v, p.name FROM child c JOIN parent p ON p.id = c.parent",
    );
    w.keep("totals", "SELECT p.name, sum(c.v) AS total, count(*) AS n FROM child c JOIN parent p ON p.id = c.parent GROUP BY p.name");
    w.keep(
        "names",
        "SELECT DISTINCT p.name FROM child c JOIN parent p ON p.id = c.parent",
    );
    w.batch("UPDATE child SET parent = 2 WHERE id = 6; DELETE FROM parent WHERE id = 1");
    w.batch("DELETE FROM parent WHERE id = 2; UPDATE child SET parent = 3 WHERE parent = 2");
    w.batch("INSERT INTO parent VALUES (7, 'p7'); UPDATE child SET parent = 7 WHERE parent = 3; DELETE FROM parent WHERE id = 3");
    // The key of the parent moves away from under its children, and another takes its place.
    w.batch("UPDATE parent SET id = 40 WHERE id = 4; UPDATE parent SET id = 4 WHERE id = 5");
    // To nowhere, and from nowhere.
    w.batch("UPDATE child SET parent = NULL WHERE parent = 7; DELETE FROM parent WHERE id = 7");
    w.batch(
        "INSERT INTO parent VALUES (7, 'p7'); UPDATE child SET parent = 7 WHERE parent IS NULL",
    );
    w.batch("UPDATE child SET parent = 6 WHERE parent = 7; UPDATE parent SET name = 'six' WHERE id = 6; DELETE FROM parent WHERE id = 7");
}

/// Matching rows of three joined tables are deleted in one batch.
#[test]
fn trap_co_delete_three() {
    let mut w = World::new(
        "CREATE TABLE customer (id int PRIMARY KEY, name text);
         CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL);
         CREATE TABLE item (orders int NOT NULL, n int NOT NULL, price numeric(9,2), PRIMARY KEY (orders, n));
         INSERT INTO customer SELECT i, 'c' || i % 4 FROM generate_series(1, 8) i;
         INSERT INTO orders SELECT i, i % 8 + 1 FROM generate_series(1, 32) i;
         INSERT INTO item SELECT o, n, o * n FROM generate_series(1, 32) o, generate_series(1, 3) n",
    );
    w.keep("lines", "SELECT c.name, o.id, i.n, i.price FROM customer c JOIN orders o ON o.customer = c.id JOIN item i ON i.orders = o.id");
    w.keep("totals", "SELECT c.name, sum(i.price) AS total, avg(i.price) AS mean, max(i.price) AS most
         FROM customer c, orders o, item i WHERE o.customer = c.id AND i.orders = o.id GROUP BY c.name");
    let delete = |who: &str| {
        format!(
            "DELETE FROM item WHERE orders IN (SELECT id FROM orders WHERE customer {who});
             DELETE FROM orders WHERE customer {who}; DELETE FROM customer WHERE id {who}"
        )
    };
    w.batch(&delete("= 3"));
    w.batch(&delete("IN (4, 7)"));
    // Deleted and made again, otherwise.
    w.batch(&format!(
        "{}; INSERT INTO customer VALUES (5, 'c9'); INSERT INTO orders VALUES (500, 5); INSERT INTO item VALUES (500, 1, 7.5)",
        delete("= 5")
    ));
    w.batch(&delete("> 0"));
    assert_eq!(
        w.rows("SELECT * FROM lines").len() + w.rows("SELECT * FROM totals").len(),
        0
    );
}

/// One table twice and thrice, and once in a CTE and once in the main query.
#[test]
fn trap_self_join() {
    let mut w = World::new(
        "CREATE TABLE emp (id int PRIMARY KEY, boss int, pay int NOT NULL, dept text);
         INSERT INTO emp SELECT i, nullif(i / 2, 0), i * 10, 'd' || i % 3 FROM generate_series(1, 15) i;
         CREATE TABLE edge (a int, b int);
         INSERT INTO edge SELECT i % 5, (i * 3) % 5 FROM generate_series(1, 12) i;
         CREATE VIEW rich AS SELECT id, dept FROM emp WHERE pay > 50",
    );
    w.keep(
        "twice",
        "SELECT e.id, b.id AS boss, e.pay - b.pay AS gap FROM emp e JOIN emp b ON b.id = e.boss",
    );
    w.keep("thrice", "SELECT e.id, b.id AS b, g.id AS g FROM emp e JOIN emp b ON b.id = e.boss JOIN emp g ON g.id = b.boss");
    w.keep("peers", "SELECT x.dept, count(*) AS n, sum(x.pay * y.pay) AS s FROM emp x JOIN emp y ON x.dept = y.dept AND x.id < y.id GROUP BY x.dept");
    w.keep(
        "paths",
        "SELECT x.a, y.b, z.b AS c FROM edge x, edge y, edge z WHERE x.b = y.a AND y.b = z.a",
    );
    w.keep(
        "cte_and_main",
        "WITH d AS (SELECT dept, sum(pay) AS total, count(*) AS n FROM emp GROUP BY dept)
         SELECT e.id, e.pay, d.total, d.n FROM emp e JOIN d ON d.dept = e.dept",
    );
    w.keep(
        "cte_twice",
        "WITH p AS (SELECT boss, count(*) AS n FROM emp GROUP BY boss)
         SELECT x.boss AS x, y.boss AS y, x.n FROM p x JOIN p y ON x.n = y.n",
    );
    w.keep(
        "view_and_table",
        "SELECT r.id, e.pay FROM rich r JOIN emp e ON e.dept = r.dept",
    );
    for sql in [
        "UPDATE emp SET boss = 3 WHERE id IN (4, 5); UPDATE emp SET pay = pay + 1 WHERE id IN (2, 3)",
        "UPDATE emp SET id = id + 100 WHERE id = 2; UPDATE emp SET boss = 102 WHERE boss = 2",
        "DELETE FROM emp WHERE id IN (3, 6, 7, 12)",
        "INSERT INTO emp VALUES (3, 1, 7, 'd1'), (6, 3, 8, 'd2'), (12, 6, 9, NULL)",
        "INSERT INTO edge VALUES (1, 1), (1, 1), (2, 1)",
        "DELETE FROM edge WHERE ctid = (SELECT min(ctid) FROM edge WHERE (a, b) = (1, 1)); UPDATE edge SET b = a WHERE a = 3",
        "UPDATE edge SET a = b, b = a; UPDATE emp SET dept = 'd0'",
        "DELETE FROM edge WHERE a = b; INSERT INTO edge VALUES (NULL, 1), (1, NULL)",
        "UPDATE emp SET dept = NULL, boss = id; DELETE FROM emp WHERE id % 2 = 0",
    ] {
        w.batch(sql);
    }
    w.batch("DELETE FROM emp; DELETE FROM edge");
    w.batch("INSERT INTO emp VALUES (1, 1, 1, 'x'); INSERT INTO edge VALUES (1, 1)");
    assert_eq!(w.rows("SELECT * FROM paths"), ["(1,1,1)"]);
}

/// LEFT, RIGHT, FULL: the last match leaves, the first one comes, both sides change; chains, other
/// conditions than equations, constant ones; filters and aggregates above.
#[test]
fn trap_outer_join_flip() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, k int, v int);
         CREATE TABLE u (id int PRIMARY KEY, k int, v numeric(8,2));
         CREATE TABLE loose (k int, s text);
         CREATE VIEW padded AS SELECT t.id, u.v FROM t LEFT JOIN u ON u.id = t.id;
         INSERT INTO t SELECT i, i % 3, i FROM generate_series(1, 9) i;
         INSERT INTO u SELECT i, i % 4, i FROM generate_series(3, 12) i;
         INSERT INTO loose SELECT i % 5, 's' || i % 3 FROM generate_series(1, 8) i",
    );
    w.keep(
        "lefts",
        "SELECT t.id, u.id AS uid, u.v FROM t LEFT JOIN u ON u.k = t.k",
    );
    w.keep(
        "rights",
        "SELECT t.id, t.v AS tv, u.v FROM t RIGHT JOIN u ON u.k = t.k AND t.v > 3",
    );
    w.keep(
        "fulls",
        "SELECT k, t.id, u.id AS uid FROM t FULL JOIN u USING (k)",
    );
    w.keep("by_view", "SELECT id, v FROM padded");
    w.keep(
        "less",
        "SELECT t.k, count(u.id) AS n, sum(u.v) AS s FROM t LEFT JOIN u ON u.v < t.v GROUP BY t.k",
    );
    w.keep(
        "chain",
        "SELECT t.id, u.id AS uid, l.s FROM t LEFT JOIN u ON u.k = t.k AND u.v > 4 LEFT JOIN loose l ON l.k = u.k",
    );
    w.keep(
        "nested",
        "SELECT l.s, t.id, u.id AS uid FROM loose l LEFT JOIN (t JOIN u ON u.id = t.id) ON t.k = l.k",
    );
    w.keep(
        "none",
        "SELECT t.id FROM t LEFT JOIN u ON u.k = t.k WHERE u.id IS NULL",
    );
    w.keep(
        "inner_after_all",
        "SELECT t.id, u.v FROM t LEFT JOIN u ON u.k = t.k WHERE u.v > 5",
    );
    w.keep(
        "coalesced",
        "SELECT t.id, coalesce(u.v, -1) AS v FROM t LEFT JOIN u ON u.id = t.id",
    );
    w.keep(
        "always",
        "SELECT t.id, l.s FROM t LEFT JOIN loose l ON true WHERE t.id < 4",
    );
    w.keep(
        "never",
        "SELECT t.id, l.s FROM t LEFT JOIN loose l ON false",
    );
    w.keep(
        "own_side",
        "SELECT t.id, u.v FROM t LEFT JOIN u ON t.v > 5 AND u.k = t.k",
    );
    w.keep("extremes", "SELECT u.k, max(t.v) AS most, min(u.v) AS least FROM u LEFT JOIN t ON t.k = u.k GROUP BY u.k");
    w.keep(
        "names",
        "SELECT DISTINCT l.s FROM t LEFT JOIN loose l ON l.k = t.k",
    );
    w.keep(
        "itself",
        "SELECT a.id, b.id AS below FROM t a LEFT JOIN t b ON b.id = a.v - 1",
    );
    w.keep(
        "raises",
        "SELECT t.id, u.id AS uid FROM t LEFT JOIN u ON u.k = t.k AND 12 / t.v > u.v / 2",
    );
    for batch in [
        // The last match leaves; the first one comes.
        "DELETE FROM u WHERE k = 1",
        "INSERT INTO u VALUES (20, 1, 1)",
        // A witness is swapped.
        "DELETE FROM u WHERE id = 20; INSERT INTO u VALUES (21, 1, 7)",
        // The left side alone, with and without a match.
        "INSERT INTO t VALUES (30, 1, 5), (31, NULL, 6), (32, 77, 7); DELETE FROM t WHERE id = 1",
        // Both sides.
        "UPDATE t SET k = k + 1 WHERE id % 2 = 0; UPDATE u SET k = k - 1 WHERE id % 3 = 0",
        "INSERT INTO t VALUES (40, 9, 9); INSERT INTO u VALUES (40, 9, 9); INSERT INTO loose VALUES (9, 'new'), (9, 'new')",
        "DELETE FROM u WHERE id = 40; DELETE FROM t WHERE id = 40; DELETE FROM loose WHERE k = 9",
        "UPDATE t SET k = NULL WHERE id = 5; UPDATE u SET k = NULL WHERE id = 5; UPDATE loose SET k = NULL WHERE k = 2",
        "UPDATE u SET v = v + 1",
        "DELETE FROM u; DELETE FROM loose",
        "INSERT INTO u SELECT i, i % 2, i FROM generate_series(1, 6) i; INSERT INTO loose VALUES (0, 'a'), (NULL, 'b')",
        "DELETE FROM t",
        "INSERT INTO t SELECT i, i % 2, i FROM generate_series(1, 6) i; DELETE FROM u WHERE k = 0",
    ] {
        w.batch(batch);
    }
}

/// What is computed from a row that is missing is NULL, whatever it would make of NULLs.
#[test]
fn trap_virtual_columns_of_missing_rows() {
    let mut w = World::new(
        "CREATE TABLE a (i int);
         CREATE TABLE b (id int PRIMARY KEY, x int, v int GENERATED ALWAYS AS (coalesce(x, -1)) VIRTUAL);
         CREATE TABLE c (v int, z int);
         INSERT INTO a VALUES (1), (2), (3);
         INSERT INTO b (id, x) VALUES (1, NULL), (3, 7), (5, 4);
         INSERT INTO c VALUES (-1, 1), (7, 2), (8, 3)",
    );
    for (name, query) in [
        (
            "l",
            "SELECT a.i, b.v, b.v IS NULL AS none FROM a LEFT JOIN b ON b.id = a.i",
        ),
        (
            "r",
            "SELECT a.i, b.v FROM b RIGHT JOIN a ON b.id = a.i AND b.v < 5",
        ),
        ("f", "SELECT v, z, id FROM b FULL JOIN c USING (v)"),
        (
            "nested",
            "SELECT a.i, s.* FROM a LEFT JOIN (SELECT b.id, b.v, c.z FROM b LEFT JOIN c ON c.v = b.v) s ON s.id = a.i",
        ),
        (
            "inner_below",
            "SELECT i, id, x, b.v AS bv, c.v AS cv, z FROM a LEFT JOIN (b JOIN c ON c.v = b.v) ON b.id = a.i",
        ),
        (
            "twice",
            "SELECT a.i, b.v, c.z FROM c LEFT JOIN (a LEFT JOIN b ON b.id = a.i) ON a.i = c.z",
        ),
    ] {
        w.keep(name, query);
    }
    for batch in [
        "INSERT INTO a VALUES (4), (5); DELETE FROM b WHERE id = 3",
        "UPDATE b SET x = 8 WHERE id = 5; INSERT INTO b (id, x) VALUES (2, NULL)",
        "DELETE FROM a WHERE i = 1; DELETE FROM c WHERE v = -1",
    ] {
        w.batch(batch);
    }
}
