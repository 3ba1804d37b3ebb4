//! Types whose equality is not identity, or that have none; many columns.

use crate::support::{World, creation};

/// Values that are equal and look different: grouped as equal, shown as stored. In these batches
/// all rows of a group have one image, which changes as a whole.
#[test]
fn trap_equal_not_identical() {
    let mut w = World::new(
        "CREATE EXTENSION citext;
         CREATE TABLE t (id int PRIMARY KEY, c citext, f float8, i interval, j jsonb, b bpchar, a numeric[], r numrange);
         CREATE TABLE u (c citext PRIMARY KEY, f float8, n int);
         INSERT INTO t SELECT i, 'name' || i % 3, 0.0, '1 day', '{\"n\": 1.0}', 'x', '{1.0,2}', '[1.0,2)' FROM generate_series(1, 6) i;
         INSERT INTO u VALUES ('Name0', '-0', 0), ('NAME1', 0, 1)",
    );
    w.keep("plain", "SELECT * FROM t");
    w.keep("keyless", "SELECT c, f, i, j, b, a, r FROM t");
    for column in ["c", "f", "i", "j", "b", "a", "r"] {
        w.keep(
            &format!("group_{column}"),
            &format!("SELECT {column}, count(*) AS n, sum(id) AS s FROM t GROUP BY {column}"),
        );
        w.keep(
            &format!("distinct_{column}"),
            &format!("SELECT DISTINCT {column} FROM t"),
        );
    }
    w.keep(
        "text_of_group",
        "SELECT c::text AS c, f::text AS f, count(*) AS n FROM t GROUP BY c, f",
    );
    w.keep(
        "text_above",
        "SELECT x.c::text || '!' AS c, x.n FROM (SELECT c, count(*) AS n FROM t GROUP BY c) AS x",
    );
    w.keep(
        "by_text",
        "SELECT c::text AS c, f::text AS f, j::text AS j, count(*) AS n FROM t GROUP BY 1, 2, 3",
    );
    w.keep(
        "joined",
        "SELECT t.id, t.c, u.c AS uc, t.f, u.f AS uf FROM t JOIN u ON u.c = t.c",
    );
    w.keep(
        "joined_f",
        "SELECT t.id, t.f, u.f AS uf, u.n FROM t JOIN u ON u.f = t.f",
    );
    w.keep("key", "SELECT c, n FROM u");
    w.keep("text_key", "SELECT c::text AS c, f::text AS f FROM u");
    for sql in [
        "UPDATE t SET c = upper(c::text)",
        "UPDATE t SET f = '-0'",
        "UPDATE t SET i = '24 hours', j = '{\"n\": 1.00}'",
        "UPDATE t SET b = 'x  ', a = '{1.00,2.0}', r = '[1.00,2)'",
        "UPDATE u SET c = lower(c::text)::citext",
        "UPDATE u SET f = -f",
        "UPDATE t SET c = lower(c::text), f = 0, i = '1 day' WHERE c = 'NAME1'; UPDATE t SET f = 0, i = '1 day'",
        "UPDATE t SET c = 'Other' WHERE c = 'name1'; UPDATE u SET c = 'OTHER' WHERE c = 'name1'",
        "DELETE FROM t WHERE id % 2 = 0; INSERT INTO u VALUES ('name2', 0, 2)",
        "DELETE FROM u WHERE c = 'NAME0'; INSERT INTO u VALUES ('nAmE0', '-0', 5); UPDATE t SET c = NULL, f = NULL, a = NULL WHERE id = 1",
        "DELETE FROM t",
        "INSERT INTO t (id, c, f) VALUES (1, 'NaMe0', '-0'), (2, 'NaMe0', '-0')",
    ] {
        w.batch(sql);
    }
    assert_eq!(w.rows("SELECT * FROM text_of_group"), ["(NaMe0,-0,2)"]);
}

/// The same where a group has several images at once: any of them may stand for it.
#[test]
fn trap_equal_not_identical_mixed() {
    let mut w = World::new(
        "CREATE EXTENSION citext;
         CREATE TABLE t (id int PRIMARY KEY, c citext, f float8, i interval);
         INSERT INTO t SELECT i, CASE WHEN i % 2 = 0 THEN 'Ab' ELSE 'aB' END, CASE WHEN i % 3 = 0 THEN '-0' ELSE '0' END::float8,
             CASE WHEN i % 2 = 0 THEN '1 day' ELSE '24:00' END::interval FROM generate_series(1, 12) i",
    );
    w.keep_equal(
        "groups",
        "SELECT c, f, i, count(*) AS n, sum(id) AS s FROM t GROUP BY c, f, i",
    );
    w.keep_equal("distinct_rows", "SELECT DISTINCT c, f, i FROM t");
    w.keep_equal("pairs", "SELECT x.id, y.id AS other FROM (SELECT DISTINCT c FROM t) AS d JOIN t x ON x.c = d.c JOIN t y ON y.f = x.f");
    w.keep("images", "SELECT c::text AS c, f::text AS f, extract(day FROM i) AS i, count(*) AS n FROM t GROUP BY c::text, f::text, extract(day FROM i)");
    for sql in [
        "DELETE FROM t WHERE id = 1",
        "DELETE FROM t WHERE id % 2 = 1 AND id < 9",
        "UPDATE t SET c = 'AB', f = -f, i = '1 day' WHERE id IN (2, 11)",
        "DELETE FROM t WHERE c::text = 'Ab'",
        "INSERT INTO t VALUES (20, 'ab', '-0', '24 hours'), (21, 'ac', 0, '0')",
        "DELETE FROM t WHERE id < 20",
    ] {
        w.batch(sql);
    }
    assert_eq!(w.rows("SELECT * FROM groups").len(), 2);
}

/// A nondeterministic collation needs a server with ICU. Without, there is nothing to test.
#[test]
fn trap_nondeterministic_collation() {
    const COLLATION: &str = "CREATE COLLATION ci
        (provider = icu, locale = 'und-u-ks-level2', deterministic = false)";
    let mut w = World::new("");
    if let Err(error) = w.client.batch_execute(COLLATION) {
        let message = harness::law::describe(&error);
        assert!(message.contains("ICU is not supported"), "{message}");
        return;
    }
    w.run(
        "CREATE TABLE t (id int PRIMARY KEY, s text COLLATE ci);
         INSERT INTO t VALUES (1, 'abc'), (2, 'abc'), (3, 'x')",
    );
    w.keep("plain", "SELECT id, s FROM t");
    w.keep("grouped", "SELECT s, count(*) AS n FROM t GROUP BY s");
    w.keep(
        "as_text",
        "SELECT s COLLATE \"C\" AS s, count(*) AS n FROM t GROUP BY s COLLATE \"C\"",
    );
    w.batch("UPDATE t SET s = 'ABC' WHERE s = 'abc'");
    w.batch("UPDATE t SET s = 'X'; DELETE FROM t WHERE id = 2");
}

/// Types without equality as plain columns; arrays, ranges, composites, enums, domains as keys.
#[test]
fn trap_type_without_equality() {
    let mut w = World::new(
        "CREATE TYPE color AS ENUM ('red', 'green', 'blue');
         CREATE TYPE pair AS (a int, b text);
         CREATE DOMAIN positive AS int CHECK (value > 0);
         CREATE TABLE t (id int PRIMARY KEY, j json, x xml, p point, b box, g polygon, n int);
         CREATE TABLE bag (j json, x xml, p point);
         CREATE TABLE k (id int PRIMARY KEY, a int[], r int4range, m int4multirange, c pair, e color, d positive, u uuid, y bytea, bits bit(4), j jsonb);
         INSERT INTO t SELECT i, ('{\"a\": ' || i || '}')::json, ('<a>' || i || '</a>')::xml, point(i, 0), box(point(0, 0), point(i, i)), NULL, i FROM generate_series(1, 5) i;
         INSERT INTO bag SELECT '{}', '<a/>', '(1,2)' FROM generate_series(1, 4);
         INSERT INTO bag VALUES ('{ }', '<a />', '(-0,2)'), (NULL, NULL, NULL);
         INSERT INTO k SELECT i, ARRAY[i % 2, NULL], int4range(0, i % 3 + 1), NULL, ROW(i % 2, NULL)::pair, (enum_range(NULL::color))[i % 3 + 1],
             i % 4 + 1, NULL, decode('0' || i, 'hex'), (i % 4)::bit(4), jsonb_build_object('k', i % 2) FROM generate_series(1, 9) i",
    );
    w.keep("plain", "SELECT * FROM t");
    w.keep("keyless", "SELECT j, x, p FROM bag");
    w.keep(
        "joined",
        "SELECT t.j, t.p, k.id FROM t JOIN k ON k.id = t.n",
    );
    w.keep(
        "inside",
        "SELECT id, j ->> 'a' AS a, p[0] AS px, j FROM t WHERE (j ->> 'a')::int > 2",
    );
    w.keep("united", "SELECT j FROM t UNION ALL SELECT j FROM bag");
    for column in ["a", "r", "m", "c", "e", "d", "u", "y", "bits", "j"] {
        w.keep(
            &format!("by_{column}"),
            &format!("SELECT {column}, count(*) AS n, min(id) AS lo FROM k GROUP BY {column}"),
        );
    }
    w.keep("distinct_all", "SELECT DISTINCT a, r, c, e, d, j FROM k");
    w.keep(
        "joined_on_types",
        "SELECT x.id, y.id AS other FROM k x JOIN k y ON x.c = y.c AND x.r = y.r AND x.a = y.a",
    );
    for sql in [
        "UPDATE t SET j = '{\"a\":  3}' WHERE id = 3; DELETE FROM bag WHERE ctid = (SELECT min(ctid) FROM bag)",
        "UPDATE bag SET j = '{ }' WHERE ctid = (SELECT min(ctid) FROM bag); INSERT INTO bag VALUES ('{}', '<b/>', '(0,2)')",
        "UPDATE t SET p = point(id, id), x = NULL, b = NULL, g = '((0,0),(1,1))' WHERE id < 3",
        "UPDATE k SET a = a || 7, r = 'empty', m = '{[1,3)}', c = ROW(NULL, NULL)::pair WHERE id % 3 = 0",
        "UPDATE k SET e = 'blue', d = 9, u = '00000000-0000-0000-0000-000000000001', c = NULL, bits = NULL WHERE id % 3 = 1",
        "DELETE FROM k WHERE id % 2 = 0; UPDATE t SET n = n + 2",
        "UPDATE bag SET j = NULL, x = NULL, p = NULL",
        "DELETE FROM t; DELETE FROM k; DELETE FROM bag",
        "INSERT INTO bag VALUES ('{}', NULL, NULL), ('{}', NULL, NULL); INSERT INTO k (id) VALUES (1), (2); INSERT INTO t VALUES (1, '1')",
    ] {
        w.batch(sql);
    }
    assert_eq!(w.rows("SELECT * FROM by_c"), ["(,2,1)"]);
    // Where an equality is needed and there is none, PostgreSQL says so.
    let (code, message) =
        w.fails("SELECT pgtrickle.create_stream_table('no', 'SELECT DISTINCT j FROM t')");
    assert_eq!(code, "42883", "{message}");
}

/// More than 64 and more than 1,000 columns; a key of more columns than an index can have;
/// dropped columns; generated columns, virtual and stored.
#[test]
fn trap_wide_table() {
    let columns = |n: usize| -> String { (1..=n).map(|i| format!(", c{i} int")).collect() };
    let mut w = World::new(&format!(
        "CREATE TABLE w70 (id int PRIMARY KEY{});
         CREATE TABLE bag70 (id int{});
         CREATE TABLE w1200 (id int PRIMARY KEY{});
         CREATE TABLE w1600 (id int PRIMARY KEY{});
         INSERT INTO w70 SELECT i FROM generate_series(1, 5) i;
         INSERT INTO bag70 SELECT i % 2 FROM generate_series(1, 5) i;
         INSERT INTO w1200 SELECT i FROM generate_series(1, 3) i;
         INSERT INTO w1600 SELECT i FROM generate_series(1, 3) i;
         CREATE TABLE g (dead1 int, id int PRIMARY KEY, a int NOT NULL, dead2 text, b int,
             stored int GENERATED ALWAYS AS (a + 1) STORED, virt int GENERATED ALWAYS AS (b * 2) VIRTUAL);
         INSERT INTO g (dead1, id, a, dead2, b) SELECT 1, i, i, 'x', i FROM generate_series(1, 5) i;
         ALTER TABLE g DROP dead1, DROP dead2",
        columns(70),
        columns(70),
        columns(1200),
        columns(1599),
    ));
    let list = |n: usize| -> String { (1..=n).map(|i| format!(", c{i}")).collect() };
    w.keep("all70", "SELECT * FROM w70");
    w.keep(
        "last70",
        "SELECT c70, c65, count(*) AS n FROM w70 GROUP BY c70, c65",
    );
    w.keep("keyless70", "SELECT * FROM bag70");
    w.keep(
        "key_of_40",
        &format!(
            "SELECT id{0}, count(*) AS n FROM bag70 GROUP BY id{0}",
            list(39)
        ),
    );
    w.keep("distinct70", "SELECT DISTINCT * FROM bag70");
    w.keep("all1200", "SELECT * FROM w1200");
    w.keep(
        "last1200",
        "SELECT id, c1200, c1100 + c1 AS s FROM w1200 WHERE c1199 IS NULL",
    );
    w.keep("last1600", "SELECT id, c1599, c1 FROM w1600");
    w.keep("generated", "SELECT id, a, b, stored, virt FROM g");
    w.keep(
        "by_virtual",
        "SELECT virt, count(*) AS n, sum(stored) AS s FROM g GROUP BY virt",
    );
    for sql in [
        "UPDATE w70 SET c70 = 1, c65 = 2 WHERE id = 1; UPDATE bag70 SET c70 = 1 WHERE id = 1; UPDATE w1200 SET c1200 = 7 WHERE id = 2; UPDATE w1600 SET c1599 = 1; UPDATE g SET a = 10 WHERE id = 1",
        "UPDATE w70 SET c64 = 1; UPDATE bag70 SET c30 = 1 WHERE id = 0; UPDATE w1200 SET c1199 = 7, c1100 = 1 WHERE id = 2; UPDATE w1600 SET c1500 = 1; UPDATE g SET b = 10 WHERE id < 3",
        "UPDATE w70 SET id = id + 10; DELETE FROM bag70 WHERE ctid = (SELECT min(ctid) FROM bag70); DELETE FROM w1200 WHERE id = 1; INSERT INTO w1600 (id, c1599) VALUES (9, 9); DELETE FROM g WHERE id = 1",
        "ALTER TABLE g ADD extra text; UPDATE g SET b = NULL, extra = 'e'; INSERT INTO w1200 (id, c1, c1100) VALUES (9, 1, 2); UPDATE w1200 SET c1199 = NULL",
        "ALTER TABLE g DROP extra; UPDATE g SET a = 1; UPDATE w70 SET c4 = 1; INSERT INTO bag70 SELECT * FROM bag70",
    ] {
        w.batch(sql);
    }
}

/// Columns that are called as those of our own statements.
#[test]
fn trap_columns_called_as_ours() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, w int, pgt_w int, w_ int, r real, n int, d date, k int, u text, q text, tid int, image bytea, copies int, generate_series int, st int);
         CREATE TABLE bag (w int, d int);
         INSERT INTO t (id, w, pgt_w, r) SELECT i, i, i % 2, i FROM generate_series(1, 4) i;
         INSERT INTO bag SELECT i % 2, 1 FROM generate_series(1, 4) i",
    );
    w.keep("plain", "SELECT * FROM t");
    w.keep("keyless", "SELECT w, d FROM bag");
    w.keep(
        "grouped",
        "SELECT w, d, count(*) AS n FROM bag GROUP BY w, d",
    );
    w.keep(
        "joined",
        "SELECT t.w, bag.d AS k, t.id AS image FROM t JOIN bag ON bag.w = t.w",
    );
    w.run(&creation("by_full", "SELECT * FROM t", "FULL"));
    w.run(&creation("bag_by_full", "SELECT w, d FROM bag", "FULL"));
    for sql in [
        "UPDATE t SET w = 1 WHERE id = 2; INSERT INTO bag SELECT * FROM bag",
        "DELETE FROM t WHERE id = 1; DELETE FROM bag WHERE ctid IN (SELECT min(ctid) FROM bag GROUP BY w)",
    ] {
        w.batch(sql);
        for table in ["by_full", "bag_by_full"] {
            harness::refresh(&mut w.client, table, "FULL");
        }
        for table in [
            "plain",
            "keyless",
            "grouped",
            "joined",
            "by_full",
            "bag_by_full",
        ] {
            assert_eq!(
                w.rows(&format!("SELECT * FROM pgtrickle.verify('{table}')"))
                    .len(),
                0
            );
        }
    }
}
