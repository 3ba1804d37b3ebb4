//! Materialized views and foreign tables: compared with a kept copy.

use crate::support::*;
use harness::{Database, refresh};
use postgres::Client;

const D: &str = "DIFFERENTIAL";
const N: &str = "NO_DATA";

/// A materialized view, and a foreign table that is a table of another database.
fn compared() -> (Database, Client, Database, Client) {
    let (far_db, db) = (Database::new(), Database::new());
    let mut far = far_db.connect();
    run(
        &mut far,
        "CREATE TABLE remote (id int, name text, amount numeric);
         INSERT INTO remote SELECT i, 'k' || i % 3, i * 1.0 FROM generate_series(1, 30) i;
         INSERT INTO remote SELECT 7, 'k1', 7.0 FROM generate_series(1, 3)",
    );
    let mut client = db.connect();
    let host = db.server().socket_directory().display().to_string();
    let port: String = client.query_one("SHOW port", &[]).expect("a port").get(0);
    run(
        &mut client,
        &format!(
            "CREATE EXTENSION postgres_fdw;
             CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw
                 OPTIONS (host '{host}', port '{port}', dbname '{}');
             CREATE USER MAPPING FOR postgres SERVER far OPTIONS (user 'postgres');
             CREATE FOREIGN TABLE afar (id int NOT NULL, name text, amount numeric)
                 SERVER far OPTIONS (table_name 'remote');
             CREATE TABLE base (id int, name text, unused text);
             INSERT INTO base SELECT i, 'k' || i % 4, 'u' FROM generate_series(1, 20) i;
             CREATE MATERIALIZED VIEW frozen AS SELECT id, name, unused, id / 2.0 AS half FROM base;
             CREATE UNIQUE INDEX ON frozen (id)",
            far_db.name()
        ),
    );
    for (name, query) in [
        ("of_frozen", "SELECT id, half FROM frozen WHERE id > 3"),
        (
            "sums",
            "SELECT name, count(*) AS n, sum(amount) AS s FROM afar GROUP BY name",
        ),
        (
            "joined",
            "SELECT f.id, a.amount, b.name FROM frozen f JOIN afar a ON a.id = f.id
             LEFT JOIN base b ON b.id = f.id",
        ),
        ("counted", "SELECT count(*) AS n FROM afar"),
    ] {
        create(&mut client, name, query, D);
    }
    (db, client, far_db, far)
}

const NAMES: [&str; 4] = ["of_frozen", "sums", "joined", "counted"];

#[track_caller]
fn each(client: &mut Client, actions: [&str; 4]) {
    for (name, action) in NAMES.into_iter().zip(actions) {
        refresh(client, name, action);
    }
}

#[test]
fn trap_compared_sources() {
    let (_db, mut client, _far_db, mut far) = compared();
    let named = "pgtrickle.pgt_stream_tables WHERE reasons::text LIKE '%compared with a copy%'";
    assert_eq!(count(&mut client, named), 4);
    let listed = "pgtrickle.list_sources('joined') WHERE cdc_mode = 'comparison'";
    assert_eq!(count(&mut client, listed), 2);
    each(&mut client, [N, N, N, N]);
    // Not before it is refreshed.
    run(
        &mut client,
        "UPDATE base SET name = 'x' || name, id = id + 1 WHERE id > 10",
    );
    each(&mut client, [N, N, D, N]);
    run(&mut client, "REFRESH MATERIALIZED VIEW frozen");
    each(&mut client, [D, N, D, N]);
    run(
        &mut client,
        "UPDATE base SET unused = 'v'; REFRESH MATERIALIZED VIEW frozen",
    );
    each(&mut client, [N, N, N, N]);
    run(
        &mut client,
        "DELETE FROM base WHERE id % 3 = 0; REFRESH MATERIALIZED VIEW CONCURRENTLY frozen",
    );
    each(&mut client, [D, N, D, N]);
    for sql in [
        "UPDATE remote SET amount = amount + 1 WHERE id % 2 = 0; DELETE FROM remote WHERE id = 5",
        // One of several identical rows; another image of the same value.
        "DELETE FROM remote WHERE ctid = (SELECT min(ctid) FROM remote WHERE id = 7); INSERT INTO remote VALUES (8, NULL, NULL), (9, 'k9', 9)",
        "TRUNCATE remote; INSERT INTO remote SELECT i, 'k1', i FROM generate_series(1, 5) i",
    ] {
        run(&mut far, sql);
        for name in NAMES {
            run(
                &mut client,
                &format!("SELECT pgtrickle.refresh_stream_table('{name}')"),
            );
            let action = harness::last_refresh(&mut client, name).action;
            assert!(action == D || action == N, "{name}: {action}");
            harness::law(&mut client, name);
        }
    }
    run(&mut far, "UPDATE remote SET amount = amount * 1.00");
    refresh(&mut client, "sums", D);
    refresh(&mut client, "counted", N);
    // Within one transaction, twice.
    run(
        &mut client,
        "BEGIN; DELETE FROM base WHERE id < 5; REFRESH MATERIALIZED VIEW frozen;
         SELECT pgtrickle.refresh_stream_table('of_frozen');
         INSERT INTO base VALUES (100, 'k1', ''); REFRESH MATERIALIZED VIEW frozen;
         SELECT pgtrickle.refresh_stream_table('of_frozen'); COMMIT",
    );
    harness::law(&mut client, "of_frozen");
    // FULL if one prefers, and back.
    for mode in ["FULL", "DIFFERENTIAL"] {
        run(
            &mut client,
            &format!("SELECT pgtrickle.alter_stream_table('sums', refresh_mode => '{mode}')"),
        );
        run(&mut far, "INSERT INTO remote VALUES (50, 'k5', 50)");
        refresh(&mut client, "sums", "REINITIALIZE");
        run(&mut far, "INSERT INTO remote VALUES (51, 'k5', 51)");
        refresh(&mut client, "sums", mode);
    }
    run(
        &mut client,
        "TRUNCATE base; REFRESH MATERIALIZED VIEW frozen",
    );
    run(
        &mut client,
        "SELECT pgtrickle.refresh_stream_table('joined')",
    );
    harness::law(&mut client, "joined");
    for name in NAMES {
        run(
            &mut client,
            &format!("SELECT pgtrickle.drop_stream_table('{name}')"),
        );
    }
    assert_eq!(
        count(&mut client, "pg_class WHERE relname LIKE 'state%copy%'"),
        0
    );
}

/// A column that is used changes its type, is dropped, or is renamed; one that is not used goes.
#[test]
fn trap_compared_ddl() {
    let (_db, mut client, _far_db, mut far) = compared();
    run(
        &mut client,
        "ALTER FOREIGN TABLE afar OPTIONS (ADD batch_size '10')",
    );
    run(&mut far, "UPDATE remote SET name = 'x' WHERE id < 4");
    refresh(&mut client, "sums", D);
    run(
        &mut client,
        "ALTER FOREIGN TABLE afar ADD more int OPTIONS (column_name 'id'); ALTER FOREIGN TABLE afar DROP more",
    );
    run(&mut far, "UPDATE remote SET name = 'y' WHERE id < 3");
    refresh(&mut client, "sums", D);
    run(
        &mut client,
        "ALTER FOREIGN TABLE afar ALTER amount TYPE numeric(30,12)",
    );
    run(
        &mut far,
        "ALTER TABLE remote ALTER amount TYPE numeric(30,12)",
    );
    run(&mut far, "UPDATE remote SET amount = amount / 3");
    refresh(&mut client, "sums", "REINITIALIZE");
    run(&mut far, "UPDATE remote SET amount = amount / 3");
    refresh(&mut client, "sums", D);
    // An error of the other side is told, and mended by itself.
    run(&mut far, "ALTER TABLE remote RENAME TO gone");
    let (_, message) = fails(
        &mut client,
        "SELECT pgtrickle.refresh_stream_table('counted')",
    );
    assert!(message.contains("remote"), "{message}");
    run(
        &mut far,
        "DELETE FROM gone WHERE id > 20; ALTER TABLE gone RENAME TO remote",
    );
    refresh(&mut client, "counted", D);
    // Under another name, here only.
    run(
        &mut client,
        "ALTER FOREIGN TABLE afar RENAME name TO title;
         ALTER FOREIGN TABLE afar ALTER title OPTIONS (column_name 'name')",
    );
    run(&mut far, "UPDATE remote SET name = 'z' WHERE id < 9");
    run(&mut client, "SELECT pgtrickle.refresh_stream_table('sums')");
    assert_eq!(harness::last_refresh(&mut client, "sums").action, D);
    assert_eq!(count(&mut client, "pgtrickle.verify('sums')"), 0);
    // As with tables, a column that is used may be dropped, and its readers say so.
    run(
        &mut client,
        "ALTER FOREIGN TABLE afar RENAME title TO name; ALTER FOREIGN TABLE afar DROP amount",
    );
    let refresh_sums = "SELECT pgtrickle.refresh_stream_table('sums')";
    let (_, message) = fails(&mut client, refresh_sums);
    assert!(message.contains("amount"), "{message}");
    run(&mut far, "DELETE FROM remote WHERE id > 10");
    refresh(&mut client, "counted", D);
}

/// The owner of the stream table reads the source, and nobody the copy.
#[test]
fn trap_compared_rights() {
    let (_db, mut client, _far_db, _far) = compared();
    let role = format!("reader_{}", std::process::id());
    run(
        &mut client,
        &format!(
            "CREATE ROLE {role}; GRANT CREATE ON SCHEMA public TO {role}; GRANT SELECT ON frozen TO {role};
             SET SESSION AUTHORIZATION {role};
             SELECT pgtrickle.create_stream_table('own', 'SELECT half, count(*) AS n FROM frozen GROUP BY half', '1h', 'DIFFERENTIAL');
             RESET SESSION AUTHORIZATION;
             UPDATE base SET id = id + 7; REFRESH MATERIALIZED VIEW frozen"
        ),
    );
    refresh(&mut client, "own", D);
    let readable = format!(
        "pg_class WHERE relname ~ '^state.*copy' AND has_table_privilege('{role}', oid, 'SELECT') AND relowner <> '{role}'::regrole"
    );
    assert_eq!(count(&mut client, &readable), 0);
    run(
        &mut client,
        &format!(
            "REVOKE SELECT ON frozen FROM {role}; UPDATE base SET id = id + 7; REFRESH MATERIALIZED VIEW frozen"
        ),
    );
    let (_, message) = fails(&mut client, "SELECT pgtrickle.refresh_stream_table('own')");
    assert!(message.contains("frozen"), "{message}");
    run(
        &mut client,
        &format!(
            "SELECT pgtrickle.drop_stream_table('own'); DROP OWNED BY {role}; DROP ROLE {role}"
        ),
    );
}
