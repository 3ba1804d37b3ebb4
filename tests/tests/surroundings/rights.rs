//! Who may do what, and as whom things run.

use crate::support::*;
use harness::{Database, law, refresh};
use postgres::Client;

/// Roles belong to the server: each test has its own.
fn role(client: &mut Client, name: &str) {
    let exists = count(client, &format!("pg_roles WHERE rolname = '{name}'")) > 0;
    if !exists {
        run(client, &format!("CREATE ROLE {name}"));
    }
}

/// Users' DML and TRUNCATE on stream tables and states.
#[test]
fn trap_direct_write() {
    let (_db, mut client) = setup();
    let mut targets: Vec<String> = TABLES.iter().map(|t| (*t).to_string()).collect();
    let states = client
        .query(
            "SELECT format('pgtrickle_store.%I', relname) FROM pg_class
             WHERE relnamespace = 'pgtrickle_store'::regnamespace AND relname LIKE 'state%' AND relkind = 'r'",
            &[],
        )
        .expect("states");
    assert!(!states.is_empty(), "totals has a state");
    targets.extend(states.iter().map(|row| row.get::<_, String>(0)));
    for target in &targets {
        for sql in [
            format!("DELETE FROM {target}"),
            format!("TRUNCATE {target}"),
            format!("INSERT INTO {target} SELECT * FROM {target}"),
            format!("SET session_replication_role = replica; DELETE FROM {target}"),
        ] {
            let (code, message) = fails(&mut client, &sql);
            assert_eq!(code.code(), "55000", "{sql}: {message}");
            assert!(message.contains("cannot be changed directly"), "{message}");
            run(&mut client, "RESET session_replication_role");
        }
    }
    let (code, _) = fails(&mut client, "UPDATE large SET amount = 0");
    assert_eq!(code.code(), "55000");
    let (code, _) = fails(
        &mut client,
        "MERGE INTO large l USING item i ON false WHEN NOT MATCHED THEN INSERT VALUES ('x', 1)",
    );
    assert_eq!(code.code(), "55000");
    // A refresh that fails half-way leaves the guard in place.
    run(
        &mut client,
        "CREATE TABLE bad (a int); INSERT INTO bad VALUES (1);
         SELECT pgtrickle.create_stream_table('inverse', 'SELECT 1 / a AS b FROM bad', '1h', 'DIFFERENTIAL');
         INSERT INTO bad VALUES (0)",
    );
    let (code, _) = fails(
        &mut client,
        "SELECT pgtrickle.refresh_stream_table('inverse')",
    );
    assert_eq!(code.code(), "22012");
    let (code, _) = fails(&mut client, "DELETE FROM inverse");
    assert_eq!(code.code(), "55000");
    run(
        &mut client,
        "DELETE FROM bad WHERE a = 0; INSERT INTO bad VALUES (2)",
    );
    refresh(&mut client, "inverse", "DIFFERENTIAL");
}

/// A writer without any right on our schemas; rows applied with session_replication_role = replica.
#[test]
fn trap_privileges_of_writers() {
    let (db, mut client) = setup();
    role(&mut client, "pgt_writer");
    run(
        &mut client,
        "GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON item TO pgt_writer;
         REVOKE ALL ON SCHEMA pgtrickle, pgtrickle_store FROM PUBLIC",
    );
    let mut writer = db.connect();
    run(
        &mut writer,
        "SET ROLE pgt_writer; INSERT INTO item VALUES (100, 'k1', 100, '');
         UPDATE item SET amount = 0 WHERE id < 40; DELETE FROM item WHERE id = 45",
    );
    refresh_all(&mut client);
    run(
        &mut client,
        "SET session_replication_role = replica; UPDATE item SET kind = 'k4' WHERE id > 45;
         RESET session_replication_role",
    );
    refresh_all(&mut client);
    run(
        &mut writer,
        "TRUNCATE item; INSERT INTO item VALUES (1, 'k1', 30, '')",
    );
    for table in TABLES {
        refresh(&mut client, table, "REINITIALIZE");
    }
}

/// A refresh runs with its owner's rights, whoever asks for it, and reads nothing that the owner
/// may not read.
#[test]
fn trap_privileges() {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    for name in ["pgt_owner", "pgt_other"] {
        role(&mut client, name);
    }
    run(
        &mut client,
        "CREATE SCHEMA own AUTHORIZATION pgt_owner; GRANT SELECT ON item, kind TO pgt_owner;
         CREATE TABLE public.secret (a int); INSERT INTO public.secret VALUES (42)",
    );
    let mut owner = db.connect();
    run(&mut owner, "SET ROLE pgt_owner");
    // Not in a schema without CREATE, not from a table without SELECT.
    let (code, _) = fails(
        &mut owner,
        "SELECT pgtrickle.create_stream_table('public.st', 'SELECT kind FROM item', '1h')",
    );
    assert_eq!(code.code(), "42501");
    let (code, message) = fails(
        &mut owner,
        "SELECT pgtrickle.create_stream_table('own.st', 'SELECT a FROM secret', '1h')",
    );
    assert_eq!(code.code(), "42501", "{message}");
    for (name, query) in [
        (
            "own.sums",
            "SELECT kind, sum(amount) AS s, count(*) AS n FROM item GROUP BY kind",
        ),
        (
            "own.linear",
            "SELECT kind, amount FROM item WHERE amount > 10",
        ),
        (
            "own.joined",
            "SELECT i.id, k.label FROM item i JOIN kind k USING (kind)",
        ),
    ] {
        create(&mut owner, name, query, "DIFFERENTIAL");
    }
    let owned = count(
        &mut client,
        "pg_class WHERE relnamespace = 'own'::regnamespace AND relkind = 'r'
         AND relowner = 'pgt_owner'::regrole",
    );
    assert_eq!(owned, 3);
    run(
        &mut client,
        "UPDATE item SET amount = amount + 1; DELETE FROM kind WHERE kind = 'k3'",
    );
    for name in ["own.sums", "own.linear"] {
        run(
            &mut owner,
            &format!("SELECT pgtrickle.refresh_stream_table('{name}')"),
        );
        law(&mut client, name);
    }
    refresh(&mut client, "own.joined", "DIFFERENTIAL");
    // Others may not refresh, alter, drop or verify; nor read buffers.
    let mut other = db.connect();
    run(&mut client, "GRANT USAGE ON SCHEMA own TO pgt_other");
    run(&mut other, "SET ROLE pgt_other");
    for sql in [
        "SELECT pgtrickle.refresh_stream_table('own.sums')",
        "SELECT pgtrickle.drop_stream_table('own.sums')",
        "SELECT pgtrickle.alter_stream_table('own.sums', status => 'SUSPENDED')",
        "SELECT pgtrickle.resume_stream_table('own.sums')",
        "SELECT * FROM pgtrickle.verify('own.sums')",
        "UPDATE pgtrickle.pgt_stream_tables SET status = 'ACTIVE'",
    ] {
        let (code, message) = fails(&mut other, sql);
        assert_eq!(code.code(), "42501", "{sql}: {message}");
    }
    let buffer: String = client
        .query_one(
            "SELECT format('pgtrickle_store.changes_%s', 'item'::regclass::oid)",
            &[],
        )
        .expect("a name")
        .get(0);
    for session in [&mut other, &mut owner] {
        let (code, _) = fails(session, &format!("SELECT * FROM {buffer}"));
        assert_eq!(code.code(), "42501");
        let (code, _) = fails(
            session,
            "CREATE TEMP TABLE mine (a int);
             CREATE TRIGGER t AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION pgtrickle.capture_row()",
        );
        assert_eq!(code.code(), "42501");
    }
    assert_eq!(count(&mut other, "pgtrickle.pgt_stream_tables"), 3);
    // With MAINTAIN they may refresh.
    run(
        &mut client,
        "GRANT MAINTAIN ON own.sums TO pgt_other; UPDATE item SET amount = 7",
    );
    run(
        &mut other,
        "SELECT pgtrickle.refresh_stream_table('own.sums')",
    );
    law(&mut client, "own.sums");
    // Without SELECT on a source, or on one of the columns, nothing more is learned; also where
    // the program would only read the batch.
    run(
        &mut client,
        "REVOKE SELECT ON item FROM pgt_owner; GRANT SELECT (kind) ON item TO pgt_owner",
    );
    run(&mut client, "UPDATE item SET amount = 99");
    for name in ["own.sums", "own.linear"] {
        let sql = format!("SELECT pgtrickle.refresh_stream_table('{name}')");
        let (code, message) = fails(&mut client, &sql);
        assert_eq!(code.code(), "42501", "{name}: {message}");
    }
    run(
        &mut client,
        "GRANT SELECT (amount, id) ON item TO pgt_owner",
    );
    refresh(&mut client, "own.linear", "DIFFERENTIAL");
    // A row policy raises an error instead of hiding rows.
    run(
        &mut client,
        "ALTER TABLE item ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON item USING (id < 10);
         UPDATE item SET amount = 98",
    );
    let (code, message) = fails(
        &mut client,
        "SELECT pgtrickle.refresh_stream_table('own.linear')",
    );
    assert_eq!(code.code(), "42501", "{message}");
    run(&mut client, "ALTER TABLE item DISABLE ROW LEVEL SECURITY");
    refresh(&mut client, "own.linear", "DIFFERENTIAL");
    run(&mut client, "DROP OWNED BY pgt_owner CASCADE");
}

/// A function in the defining query gains nothing from whoever refreshes.
#[test]
fn trap_privileges_of_functions() {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    role(&mut client, "pgt_mallory");
    run(
        &mut client,
        "CREATE SCHEMA evil AUTHORIZATION pgt_mallory; GRANT SELECT ON item TO pgt_mallory;
         CREATE TABLE public.secret (a int); INSERT INTO public.secret VALUES (42)",
    );
    let mut mallory = db.connect();
    run(
        &mut mallory,
        "SET ROLE pgt_mallory; SET search_path = evil, public;
         CREATE FUNCTION evil.spy(x numeric) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
         BEGIN RETURN current_user || ' ' || session_user; END $$;
         CREATE FUNCTION evil.steal(x numeric) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
         BEGIN RETURN (SELECT a FROM public.secret); EXCEPTION WHEN insufficient_privilege THEN
         RETURN 'no'; END $$;
         CREATE FUNCTION evil.escape(x numeric) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
         BEGIN PERFORM set_config('role', 'none', false); RETURN current_user;
         EXCEPTION WHEN OTHERS THEN RETURN 'no'; END $$;
         SELECT pgtrickle.create_stream_table('evil.st', 'SELECT id, spy(amount) AS a, steal(amount)
             AS b, escape(amount) AS c FROM item', '1h', 'DIFFERENTIAL');
         SELECT pgtrickle.create_stream_table('evil.full', 'SELECT id, spy(amount) AS a,
             steal(amount) AS b, escape(amount) AS c FROM item', '1h', 'FULL')",
    );
    // The superuser changes the source and refreshes.
    run(&mut client, "INSERT INTO item VALUES (100, 'k1', 1, '')");
    for name in ["evil.st", "evil.full"] {
        run(
            &mut client,
            &format!("SELECT pgtrickle.refresh_stream_table('{name}')"),
        );
        let row = client
            .query_one(&format!("SELECT a, b, c FROM {name} WHERE id = 100"), &[])
            .expect("the new row");
        let (a, b, c): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        assert!(a.starts_with("pgt_mallory "), "{name} ran as {a}");
        assert_eq!((b.as_str(), c.as_str()), ("no", "no"), "{name}");
    }
    run(&mut client, "DROP OWNED BY pgt_mallory CASCADE");
}

/// In FULL mode, the owner needs no rights on the tables of a view that he may read: the view's
/// owner does.
#[test]
fn trap_privileges_of_views() {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    role(&mut client, "pgt_viewer");
    run(
        &mut client,
        "CREATE SCHEMA views AUTHORIZATION pgt_viewer;
         CREATE VIEW public.shown AS SELECT kind, count(*) AS n FROM item GROUP BY kind;
         GRANT SELECT ON public.shown TO pgt_viewer",
    );
    let mut viewer = db.connect();
    run(&mut viewer, "SET ROLE pgt_viewer");
    create(
        &mut viewer,
        "views.st",
        "SELECT kind, n FROM shown WHERE n > 2",
        "FULL",
    );
    run(&mut client, "DELETE FROM item WHERE id < 40");
    run(
        &mut viewer,
        "SELECT pgtrickle.refresh_stream_table('views.st')",
    );
    law(&mut client, "views.st");
    // Incrementally, the batches would show him the rows themselves.
    let (code, message) = fails(
        &mut viewer,
        "SELECT pgtrickle.create_stream_table('views.inc', 'SELECT kind, n FROM shown', '1h', 'DIFFERENTIAL')",
    );
    assert_eq!(code.code(), "42501", "{message}");
    // Without the right on the view nothing is learned.
    run(&mut client, "REVOKE SELECT ON public.shown FROM pgt_viewer");
    let (code, message) = fails(
        &mut viewer,
        "SELECT pgtrickle.refresh_stream_table('views.st')",
    );
    assert_eq!(code.code(), "42501", "{message}");
    run(&mut client, "DROP OWNED BY pgt_viewer CASCADE");
}
