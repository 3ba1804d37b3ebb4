//! SQL/XML: XMLTABLE in FROM, expressions that make and read XML.

use crate::support::{World, creation};

const TABLES: &str = r#"
    CREATE TABLE t (id int PRIMARY KEY, k int, x xml, s text, a int[], d date);
    CREATE TABLE u (id int PRIMARY KEY, k int NOT NULL, v int);
    CREATE INDEX ON t (k);
    CREATE INDEX ON u (k);
    INSERT INTO t SELECT i, i % 4, ('<r n="' || i || '"><e a="1">' || i || '</e><e>x</e><f/></r>')::xml, 's<' || i, ARRAY[i, 2], '2024-01-01'::date + i
        FROM generate_series(1, 8) i;
    INSERT INTO u SELECT i, i % 4, i % 5 FROM generate_series(1, 12) i;"#;

const BATCHES: &[&str] = &[
    "UPDATE t SET x = '<r><e>7</e></r>' WHERE id < 4; INSERT INTO u VALUES (20, 3, 1)",
    "UPDATE t SET x = NULL, s = NULL WHERE id = 2; UPDATE t SET x = '<r/>' WHERE id = 3; DELETE FROM u WHERE k = 1",
    "UPDATE t SET x = '<r>text <e>and</e> more</r>', s = '&', k = NULL WHERE id = 5; UPDATE u SET k = 3 - k",
    "UPDATE t SET x = '<r n=\"1\"><e>1</e><e>1</e><e/></r>', a = NULL WHERE id = 6; UPDATE t SET k = k + 1 WHERE id = 7",
    "UPDATE t SET x = '<z:r xmlns:z=\"http://z\"><z:e>5</z:e></z:r>' WHERE id = 1",
    "DELETE FROM t WHERE id = 8; INSERT INTO t VALUES (8, 2, '<r><e>8</e></r>', 'x', '{}', NULL)",
    "DELETE FROM u; DELETE FROM t WHERE id < 5",
    "INSERT INTO u SELECT i, i % 3, i FROM generate_series(1, 5) i; INSERT INTO t (id, k, x) VALUES (1, 1, '<r><e a=\"2\">2</e></r>')",
    "DELETE FROM t",
    "INSERT INTO t SELECT i, i, '<r><e/></r>', NULL, NULL, NULL FROM generate_series(1, 3) i",
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

#[test]
fn trap_xml_table() {
    keep_all(&[
        "SELECT t.id, x.e FROM t, XMLTABLE('/r/e' PASSING t.x COLUMNS e text PATH '.') AS x",
        "SELECT t.id, x.* FROM t, LATERAL XMLTABLE('/r/e' PASSING BY REF t.x COLUMNS n FOR ORDINALITY, \"A\" int PATH '@a' DEFAULT -1, e text PATH '.' NOT NULL) AS x",
        "SELECT t.id, xmltable.n, f FROM t, XMLTABLE('/r' PASSING t.x COLUMNS n numeric(6, 2) PATH '@n', f bool PATH 'boolean(f)', \"e\" varchar(3) PATH 'e[1]' DEFAULT 'abc')",
        "SELECT t.id, x.e FROM t LEFT JOIN XMLTABLE('/r/e' PASSING t.x COLUMNS e text PATH '.') AS x ON x.e <> 'x'",
        "SELECT t.id, x.e FROM t, XMLTABLE(XMLNAMESPACES('http://z' AS q), '/q:r/q:e' PASSING t.x COLUMNS e int PATH '.') AS x",
        "SELECT x.e, count(*) AS n FROM t, XMLTABLE('//e' PASSING t.x COLUMNS e text PATH '.') AS x GROUP BY x.e",
        "SELECT t.id, u.id AS uid, x.e FROM t JOIN u ON u.k = t.k, XMLTABLE(('//e[' || u.v::text || ']') PASSING t.x COLUMNS e text PATH '.', d int PATH '@b' DEFAULT u.v) AS x WHERE u.v > 0 AND x.e <> ''",
        "SELECT t.id FROM t WHERE EXISTS (SELECT FROM XMLTABLE('//e' PASSING t.x COLUMNS e text PATH '.') AS x WHERE x.e = t.k::text)",
        "SELECT a, b FROM XMLTABLE('/l/i' PASSING '<l><i>1</i><i>2</i></l>' COLUMNS i int PATH '.') AS x(a) LEFT JOIN (SELECT v AS b FROM u) u ON u.b = x.a",
    ]);
}

#[test]
fn trap_xml_expressions() {
    keep_all(&[
        "SELECT id, XMLELEMENT(NAME a, XMLATTRIBUTES(id, k AS \"K\", s), x, s, d, a) AS e, XMLFOREST(id, s AS \"S\", d) AS f FROM t",
        "SELECT id, XMLCONCAT(x, XMLELEMENT(NAME b)) AS c, XMLPI(NAME php, k::text) AS p, XMLSERIALIZE(CONTENT x AS text) AS s, x IS DOCUMENT AS d, XMLPARSE(CONTENT coalesce('t' || k::text, '<a/>')) IS NOT DOCUMENT AS n FROM t",
        "SELECT id, XMLROOT(x, VERSION '1.0', STANDALONE YES) AS r, XMLPARSE(CONTENT XMLSERIALIZE(CONTENT x AS text) PRESERVE WHITESPACE) AS p, XMLSERIALIZE(CONTENT x AS varchar(300) INDENT) AS i FROM t WHERE x IS DOCUMENT",
        "SELECT id, xmlexists('/r/e' PASSING x) AS e FROM t WHERE xmlexists('/r' PASSING BY VALUE x)",
        "SELECT id, xpath('/r/e/text()', x)::text[] AS e FROM t WHERE x IS NOT DOCUMENT OR k > 1",
        "SELECT k, xmlagg(XMLELEMENT(NAME i, XMLATTRIBUTES(id AS id), s) ORDER BY id) AS x FROM t GROUP BY k",
        "SELECT k, XMLELEMENT(NAME g, XMLATTRIBUTES(k AS k), count(*)) AS x FROM t GROUP BY k",
        "SELECT XMLSERIALIZE(CONTENT XMLELEMENT(NAME e, k) AS text) AS e, count(*) AS n FROM t GROUP BY 1",
    ]);
}

/// Where the defining query raises, and only there, refreshing raises.
#[test]
fn xml_that_raises_meets_no_ghosts() {
    let mut w = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, u int, x xml);
         CREATE TABLE u (id int PRIMARY KEY, y int);
         INSERT INTO t VALUES (1, 1, '<r><e>1</e></r>'), (2, 2, '<r><e>2</e><e>2</e></r>');
         INSERT INTO u VALUES (1, 1), (2, 2)",
    );
    w.keep(
        "st",
        "SELECT t.id, x.e FROM t JOIN u ON u.id = t.u, XMLTABLE('/r' PASSING t.x COLUMNS e int PATH ('e[' || u.y::text || ']') NOT NULL) AS x",
    );
    w.batch("UPDATE t SET x = '<r><e>1</e><e>2</e><e>3</e></r>' WHERE id = 1; UPDATE u SET y = 3 WHERE id = 1");
    w.batch("UPDATE t SET x = '<r><e>1</e></r>' WHERE id = 2; UPDATE u SET y = 1 WHERE id = 2");
    w.batch("INSERT INTO t VALUES (3, 3, '<r/>')");
    w.run("INSERT INTO u VALUES (3, 1)");
    let (state, message) = w.fails("SELECT pgtrickle.refresh_stream_table('st')");
    assert_eq!(state, "22004", "{message}");
    w.batch("DELETE FROM u WHERE id = 3; UPDATE u SET y = 2 WHERE id = 1");
}

#[test]
fn xml_is_seen_as_postgresql_sees_it() {
    let mut w = World::new(TABLES);
    for (sql, message) in [
        (
            "SELECT t.id, x.d FROM t, XMLTABLE('/r' PASSING t.x COLUMNS d date PATH '@d') x",
            "PGT0120",
        ),
        (
            "SELECT id, XMLFOREST(id + 1) AS x FROM t",
            "unnamed XML element value must be a column reference",
        ),
        (
            "SELECT t.id, x.a FROM t, XMLTABLE('/r' PASSING t.s COLUMNS a int PATH 'a') x",
            "argument of XMLTABLE must be type xml",
        ),
    ] {
        let (_, found) = w.fails(&creation("no", sql, "DIFFERENTIAL"));
        assert!(found.contains(message), "{sql}: {found}");
    }
}
