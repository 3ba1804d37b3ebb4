//! Names that break those who paste text.

use crate::support::*;
use harness::{Database, refresh};

#[test]
fn trap_names() {
    let db = Database::new();
    let mut client = db.connect();
    let long = "x".repeat(63);
    let names = [
        "Order".to_string(),
        "select".to_string(),
        "a\"b'c\\d".to_string(),
        "Größe 数量 🦀".to_string(),
        "with space; DROP TABLE".to_string(),
        "w".to_string(),
        "xid".to_string(),
        "delta_w".to_string(),
        long,
    ];
    run(
        &mut client,
        "CREATE SCHEMA \"My Schema\"; CREATE SCHEMA \"select\"",
    );
    for (i, name) in names.iter().enumerate() {
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        for schema in ["\"My Schema\"", "\"select\""] {
            run(
                &mut client,
                &format!(
                    "CREATE TABLE {schema}.{quoted} ({quoted} int, seq text, w int, c1 int);
                     INSERT INTO {schema}.{quoted} ({quoted}, seq, w, c1)
                     SELECT i, i % 3, i % 5, i FROM generate_series(1, 20) i"
                )
                .replace(", w int", if name == "w" { ", ww int" } else { ", w int" })
                .replace("seq, w,", if name == "w" { "seq, ww," } else { "seq, w," }),
            );
        }
        let w = if name == "w" { "ww" } else { "w" };
        let tables = [
            (
                format!("{schema}.\"st {i}\"", schema = "\"My Schema\""),
                format!(
                    "SELECT a.{quoted}, b.seq, a.{w} AS \"W\" FROM \"My Schema\".{quoted} a
                 JOIN \"select\".{quoted} b ON a.{quoted} = b.c1"
                ),
            ),
            (
                format!("\"select\".\"st {i}\""),
                format!(
                    "SELECT seq AS {quoted}, sum(c1) AS sum, count(*) AS count
                 FROM \"My Schema\".{quoted} GROUP BY seq"
                ),
            ),
        ];
        for (table, query) in &tables {
            client
                .execute(
                    "SELECT pgtrickle.create_stream_table($1, $2, '1h', 'DIFFERENTIAL')",
                    &[table, query],
                )
                .unwrap_or_else(|e| panic!("{table}: {query}: {}", harness::law::describe(&e)));
        }
        run(
            &mut client,
            &format!(
                "DELETE FROM \"My Schema\".{quoted} WHERE c1 < 5;
                 UPDATE \"select\".{quoted} SET seq = 'new' WHERE c1 % 4 = 0;
                 INSERT INTO \"My Schema\".{quoted} VALUES (7, 'n', 7, 7)"
            ),
        );
        for (table, _) in &tables {
            refresh(&mut client, table, "DIFFERENTIAL");
        }
        // A stream table as the name of another, and one renamed.
        let derived = format!("\"My Schema\".\"of {i}\"");
        let query = format!("SELECT count(*) AS {quoted} FROM {}", tables[0].0);
        client
            .execute(
                "SELECT pgtrickle.create_stream_table($1, $2, '1h', 'DIFFERENTIAL')",
                &[&derived, &query],
            )
            .unwrap_or_else(|e| panic!("{derived}: {}", harness::law::describe(&e)));
        run(
            &mut client,
            &format!("DELETE FROM \"select\".{quoted} WHERE c1 = 9"),
        );
        refresh(&mut client, &derived, "DIFFERENTIAL");
    }
    // Unqualified names go where they can be created.
    run(
        &mut client,
        "SET search_path = \"select\", public; CREATE TABLE t (a int);
         SELECT pgtrickle.create_stream_table('unqualified', 'SELECT a FROM t', '1h', 'DIFFERENTIAL')",
    );
    assert_eq!(
        count(
            &mut client,
            "pg_class WHERE oid = '\"select\".unqualified'::regclass"
        ),
        1
    );
    let (code, _) = fails(
        &mut client,
        "SELECT pgtrickle.create_stream_table('unqualified', 'SELECT a FROM t', '1h')",
    );
    assert_eq!(code.code(), "42P07");
    run(
        &mut client,
        "SELECT pgtrickle.create_stream_table_if_not_exists('unqualified', 'SELECT a FROM t', '1h')",
    );
}
