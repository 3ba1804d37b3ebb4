//! What cannot be IMMEDIATE, by name; and what is refused of what is.

use crate::support::*;

fn creating(query: &str) -> String {
    format!(
        "SELECT pgtrickle.create_stream_table('no', $q${query}$q$, refresh_mode => 'IMMEDIATE')"
    )
}

#[test]
fn refused_by_name() {
    let (_db, mut client) = setup_with(&["totals"]);
    run(
        &mut client,
        "CREATE MATERIALIZED VIEW kept AS SELECT * FROM lone;
         CREATE EXTENSION postgres_fdw;
         CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw;
         CREATE FOREIGN TABLE foreigners (id int) SERVER far;
         SELECT pgtrickle.create_stream_table('later', 'SELECT * FROM lone', '1h', 'DIFFERENTIAL');",
    );
    for (query, what) in [
        ("SELECT * FROM kept", "public.kept"),
        ("SELECT * FROM foreigners", "public.foreigners"),
        ("SELECT * FROM later", "public.later"),
        ("SELECT k FROM lone WHERE now() > '2020-01-01'", "time"),
        ("SELECT random() AS r FROM lone", "random"),
    ] {
        let (code, message) = fails(&mut client, &creating(query));
        assert_eq!(code.code(), "0A000", "{message}");
        assert!(message.contains(what), "{message}");
    }
    // Upstream of what is IMMEDIATE stays IMMEDIATE.
    create(&mut client, "above", "SELECT sum(total) AS s FROM totals");
    let (code, message) = fails(
        &mut client,
        "SELECT pgtrickle.alter_stream_table('totals', refresh_mode => 'DIFFERENTIAL')",
    );
    assert_eq!(code.code(), "2BP01", "{message}");
    assert!(message.contains("public.above"), "{message}");
    exact(&mut client, "refusals");
    let (code, message) = fails(&mut client, "DELETE FROM totals");
    assert_eq!(code.code(), "55000", "{message}");
    let (code, _) = fails(
        &mut client,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pgtrickle.create_stream_table('no', 'SELECT k FROM lone', refresh_mode => 'IMMEDIATE')",
    );
    assert_eq!(code.code(), "25001");
}

/// Without the library in every session from its start there is no end of a statement to see.
#[test]
fn without_preloading() {
    let server = harness::Server::private("immediate_unloaded", "shared_preload_libraries = ''");
    let db = harness::Database::on(&server);
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    let (code, message) = fails(&mut client, &creating("SELECT k FROM lone"));
    assert_eq!(code.code(), "0A000");
    assert!(message.contains("shared_preload_libraries"), "{message}");
}

/// Writers need no right on the stream table; its owner's rights are what counts.
#[test]
fn rights() {
    let db = harness::Database::new();
    let mut client = db.connect();
    let suffix = db.name().to_string();
    run(
        &mut client,
        &format!(
            "CREATE ROLE owner_{suffix}; CREATE ROLE writer_{suffix};
             CREATE TABLE a (id int PRIMARY KEY, v int); CREATE TABLE b (id int, secret int);
             GRANT SELECT ON a TO owner_{suffix}; GRANT SELECT (id) ON b TO owner_{suffix};
             GRANT SELECT, INSERT, UPDATE, DELETE ON a, b TO writer_{suffix};
             CREATE SCHEMA own AUTHORIZATION owner_{suffix};
             SET ROLE owner_{suffix};
             SELECT pgtrickle.create_stream_table('own.st', 'SELECT a.id, a.v FROM public.a JOIN public.b USING (id)', refresh_mode => 'IMMEDIATE');
             RESET ROLE"
        ),
    );
    for sql in [
        "INSERT INTO a SELECT i, i FROM generate_series(1, 5) i",
        "INSERT INTO b SELECT i, i FROM generate_series(1, 5, 2) i",
        "UPDATE a SET v = 7 WHERE id = 3; DELETE FROM b WHERE id = 1",
    ] {
        run(
            &mut client,
            &format!("SET ROLE writer_{suffix}; {sql}; RESET ROLE"),
        );
        exact(&mut client, sql);
    }
    assert_eq!(count(&mut client, "own.st"), 2);
    run(
        &mut client,
        &format!("REVOKE SELECT (id) ON b FROM owner_{suffix}"),
    );
    let (code, message) = fails(&mut client, "DELETE FROM b");
    assert_eq!(code.code(), "42501", "{message}");
    assert!(message.contains("own.st"), "{message}");
    run(
        &mut client,
        &format!(
            "SELECT pgtrickle.drop_stream_table('own.st');
             DROP OWNED BY owner_{suffix}, writer_{suffix}; DROP ROLE owner_{suffix}, writer_{suffix}"
        ),
    );
}
