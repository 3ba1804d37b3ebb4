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
