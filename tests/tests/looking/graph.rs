//! What reads what, as a tree and as drawings.

use crate::{query, run, texts};
use harness::Database;
use harness::law::describe;
use postgres::Client;

/// A diamond, a view and a materialized view.
fn diamond(client: &mut Client) {
    run(
        client,
        "CREATE TABLE base (id int PRIMARY KEY, x int NOT NULL);
         CREATE TABLE \"odd \"\"name\"\" <&>\" (id int);
         CREATE VIEW seen AS SELECT id, x + 1 AS y FROM base;
         CREATE VIEW twice AS SELECT id, y FROM seen;
         CREATE MATERIALIZED VIEW frozen AS SELECT id FROM base;
         SELECT pgtrickle.create_stream_table('a', 'SELECT id, x FROM base', '1h', 'DIFFERENTIAL');
         SELECT pgtrickle.create_stream_table('b', 'SELECT id FROM a', '1h', 'DIFFERENTIAL');
         SELECT pgtrickle.create_stream_table('c', 'SELECT id FROM a WHERE x > 0', '1h', 'AUTO');
         SELECT pgtrickle.create_stream_table('d', 'SELECT id FROM b UNION ALL SELECT id FROM c', '1h', 'FULL');
         SELECT pgtrickle.create_stream_table('e', 'SELECT t.id FROM twice t JOIN frozen f ON f.id = t.id', '1h');
         SELECT pgtrickle.create_stream_table('odd', 'SELECT id FROM \"odd \"\"name\"\" <&>\"', '1h');
         SELECT pgtrickle.alter_stream_table('odd', status => 'SUSPENDED')",
    );
}

#[test]
fn a_tree_shows_everything_once() {
    let db = Database::new();
    let mut client = db.connect();
    diamond(&mut client);
    assert_eq!(
        texts(
            &mut client,
            "SELECT concat_ws(' ', tree_line, '|', node_type, depth, status, refresh_mode)
             FROM pgtrickle.dependency_tree()"
        ),
        [
            "public.d | stream_table 0 ACTIVE FULL",
            "|-- public.b | stream_table 1 ACTIVE DIFFERENTIAL",
            "|   `-- public.a | stream_table 2 ACTIVE DIFFERENTIAL",
            "|       `-- public.base [src] | source_table 3",
            "`-- public.c | stream_table 1 ACTIVE AUTO",
            "    `-- public.a [see above] | stream_table 2 ACTIVE DIFFERENTIAL",
            "public.e | stream_table 0 ACTIVE AUTO",
            "|-- public.frozen [src] | materialized_view 1",
            "`-- public.twice [view] | view 1",
            "    `-- public.seen [view] | view 2",
            "        `-- public.base [src] | source_table 3",
            "public.odd | stream_table 0 SUSPENDED AUTO",
            "`-- public.\"odd \"\"name\"\" <&>\" [src] | source_table 1",
        ]
    );
}

#[test]
fn a_cycle_has_an_end() {
    let db = Database::new();
    let mut client = db.connect();
    diamond(&mut client);
    // As if it were allowed.
    run(
        &mut client,
        "INSERT INTO pgtrickle.pgt_dependencies
         SELECT a.pgt_id, d.pgt_relid, 'STREAM_TABLE', '{}', '[]', false, false, false
         FROM pgtrickle.pgt_stream_tables a, pgtrickle.pgt_stream_tables d
         WHERE a.pgt_name = 'a' AND d.pgt_name = 'd'",
    );
    let tree = texts(
        &mut client,
        "SELECT tree_line FROM pgtrickle.dependency_tree()",
    );
    assert!(tree.contains(&"public.a".to_owned()), "{tree:#?}");
    for name in ["a", "b", "c", "d"] {
        let whole = |line: &&String| line.ends_with(&format!("public.{name}"));
        assert_eq!(tree.iter().filter(whole).count(), 1, "{name} in {tree:#?}");
    }
    let dot = &texts(&mut client, "SELECT pgtrickle.dependency_graph()")[0];
    assert_eq!(dot.matches("style = dashed").count(), 2, "{dot}");
}

#[test]
fn drawings_show_everything() {
    let db = Database::new();
    let mut client = db.connect();
    let drawing = |client: &mut Client, format: &str| -> String {
        query(
            client,
            &format!("SELECT pgtrickle.dependency_graph('{format}')"),
        )[0]
        .get(0)
    };
    assert_eq!(drawing(&mut client, "mermaid"), "flowchart BT\n");
    assert!(drawing(&mut client, "svg").ends_with("</svg>\n"));
    diamond(&mut client);
    let edges = 10;
    let dot = drawing(&mut client, "dot");
    assert_eq!(dot.matches(" -> ").count(), edges, "{dot}");
    assert!(
        dot.contains("label = \"public.b\\nDIFFERENTIAL, ACTIVE\""),
        "{dot}"
    );
    assert!(dot.contains("label = \"public.odd\\nAUTO, SUSPENDED\", shape = cylinder, style = filled, fillcolor = \"#f2dede\""), "{dot}");
    assert!(dot.contains("label = \"public.twice\\nview\"]"), "{dot}");
    let mermaid = drawing(&mut client, "MERMAID");
    assert_eq!(mermaid.matches(" --> ").count(), edges, "{mermaid}");
    assert!(mermaid.contains("#60;#38;#62;"), "{mermaid}");
    let svg = drawing(&mut client, "svg");
    assert_eq!(svg.matches("<line").count(), edges, "{svg}");
    assert_eq!(svg.matches("<rect").count(), 11, "{svg}");
    // It is XML, as the server sees it.
    run(
        &mut client,
        "SELECT xmlparse(DOCUMENT pgtrickle.dependency_graph('svg'))",
    );
    let wrong = client
        .query("SELECT pgtrickle.dependency_graph('poem')", &[])
        .expect_err("no such format");
    assert!(describe(&wrong).contains("invalid value for format"));
}
