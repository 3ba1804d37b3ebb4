//! The extension loads, answers, and does not disturb the server that it lives in; the harness
//! sees what it must see.

use harness::law::{by_equality, by_image, describe};
use harness::{Database, Server};

#[test]
fn the_extension_answers() {
    let db = Database::new();
    let row = db
        .connect()
        .query_one("SELECT pgtrickle.version()", &[])
        .expect("a version");
    assert_eq!(row.get::<_, &str>(0), env!("CARGO_PKG_VERSION"));
}

/// libpg_query parses inside the server, and all symbols that both define are the server's.
#[test]
fn libpg_query_is_isolated() {
    let db = Database::new();
    let sql = "SELECT symbol, is_the_servers FROM pgtrickle._isolation('SELECT a FROM t')";
    let rows = db.connect().query(sql, &[]).expect("parses in the server");
    let captured: Vec<&str> = rows
        .iter()
        .filter(|r| !r.get::<_, bool>(1))
        .map(|r| r.get(0))
        .collect();
    assert!(rows.len() >= 20, "only {} symbols compared", rows.len());
    assert!(captured.is_empty(), "not the server's: {captured:?}");
}

#[test]
fn hostile_sql_leaves_the_server_alive() {
    let db = Database::new();
    let mut client = db.connect();
    let pid = |client: &mut postgres::Client| -> i32 {
        client
            .query_one("SELECT pg_backend_pid()", &[])
            .expect("a pid")
            .get(0)
    };
    let before = pid(&mut client);
    let parens = format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000));
    let chain = format!("SELECT 1{}", " + 1".repeat(100_000));
    for (sql, expected) in [
        (
            "SELECT a FORM t GROUP".to_owned(),
            r#"PGT0002: syntax error at or near "t""#,
        ),
        (parens, "PGT0005: the query is nested too deeply"),
        (chain, "PGT0005: the query is nested too deeply"),
    ] {
        for _ in 0..3 {
            let error = client
                .query("SELECT * FROM pgtrickle._isolation($1)", &[&sql])
                .expect_err("must be refused");
            assert!(describe(&error).ends_with(expected), "{}", describe(&error));
        }
    }
    assert_eq!(pid(&mut client), before, "the backend is the same");
    let long = format!("SELECT 1{}", " + 1".repeat(240));
    client
        .query("SELECT * FROM pgtrickle._isolation($1)", &[&long])
        .expect("deep, and allowed");
}

/// The queries of the law: what they find by image, and what by equality.
#[test]
fn the_law_sees_differences() {
    let db = Database::new();
    let mut client = db.connect();
    client
        .batch_execute(
            "CREATE TABLE st (a int, n numeric);
             INSERT INTO st VALUES (1, 1.0), (1, 1.0), (NULL, NULL), (2, 2)",
        )
        .expect("a table");
    let mut differences = |query: &str, law: fn(&str, &str) -> String| -> Vec<(String, i64)> {
        let rows = client
            .query(&law("public.st", query), &[])
            .expect("the law runs");
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    };
    let same = "VALUES (2, 2::numeric), (1, 1.0), (NULL, NULL), (1, 1.0) -- a comment";
    let image = "VALUES (2, 2.00), (1, 1.0), (NULL, NULL), (1, 1.0)";
    let other = "VALUES (2, 2::numeric), (1, 1.0), (3, NULL)";
    for law in [by_image, by_equality] {
        assert_eq!(differences(same, law), []);
        let mut found = differences(other, law);
        found.sort();
        let expected = [("(,)", 1), ("(1,1.0)", 1), ("(3,)", -1)];
        assert_eq!(found, expected.map(|(text, w)| (text.to_owned(), w)));
    }
    let expected = [("(2,2)", 1), ("(2,2.00)", -1)].map(|(text, w)| (text.to_owned(), w));
    assert_eq!(differences(image, by_image), expected);
    assert_eq!(differences(image, by_equality), []);
}

/// A private server can be killed and comes back with its data.
#[test]
fn a_private_server_survives_a_kill() {
    let server = Server::private("smoke", "work_mem = '5MB'");
    let db = Database::on(&server);
    let mut client = db.connect();
    client
        .batch_execute("CREATE TABLE kept (); INSERT INTO kept DEFAULT VALUES")
        .expect("a table");
    let work_mem = client.query_one("SHOW work_mem", &[]).expect("a setting");
    assert_eq!(work_mem.get::<_, &str>(0), "5MB");
    server.stop("immediate").expect("killed");
    assert!(client.is_closed() || client.query("SELECT 1", &[]).is_err());
    server.start().expect("started again");
    let row = db
        .connect()
        .query_one("SELECT count(*) FROM kept", &[])
        .expect("the table is there");
    assert_eq!(row.get::<_, i64>(0), 1);
}
