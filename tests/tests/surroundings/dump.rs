//! Dump and restore.

use crate::support::*;
use harness::{Database, law, postgres18, refresh};
use std::process::Command;

/// pg_dump into an empty database of the same server, where OIDs are others.
fn copy(from: &Database, to: &str) {
    let host = from.server().socket_directory().display().to_string();
    let tool = |name: &str| {
        let mut command = Command::new(postgres18::program(name).expect("a program"));
        command.args(["-h", &host, "-U", "postgres"]);
        command
    };
    let dump = tool("pg_dump").arg(from.name()).output().expect("pg_dump");
    assert!(
        dump.status.success(),
        "{}",
        String::from_utf8_lossy(&dump.stderr)
    );
    let file = std::env::temp_dir().join(format!("{to}.sql"));
    std::fs::write(&file, &dump.stdout).expect("a file");
    let restored = tool("psql")
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", to, "-f"])
        .arg(&file)
        .output()
        .expect("psql");
    std::fs::remove_file(&file).expect("removed");
    assert!(
        restored.status.success(),
        "{}",
        String::from_utf8_lossy(&restored.stderr)
    );
}

/// Stream tables of all kinds come back and are right: all at once, or each by its next refresh.
#[test]
fn trap_dump_restore() {
    let (from, mut client) = setup();
    create(
        &mut client,
        "largest",
        "SELECT label, total FROM totals WHERE total > 100",
        "DIFFERENTIAL",
    );
    create(&mut client, "by_full", "SELECT id, note FROM item", "FULL");
    create(
        &mut client,
        "\"Odd name\"",
        "SELECT id FROM item WHERE amount = 7",
        "AUTO",
    );
    run(
        &mut client,
        "DROP TABLE largest CASCADE; INSERT INTO item VALUES (100, 'k1', 500, 'x')",
    );
    create(
        &mut client,
        "largest",
        "SELECT label, total FROM totals WHERE total > 100",
        "DIFFERENTIAL",
    );
    // Changes that no refresh has seen; a buffer that is not empty.
    run(
        &mut client,
        "UPDATE item SET amount = amount + 3 WHERE id < 30; DELETE FROM item WHERE id = 40",
    );
    let names = [
        "large",
        "totals",
        "kinds",
        "largest",
        "by_full",
        "\"Odd name\"",
    ];
    for at_once in [true, false] {
        let to = Database::empty(from.server());
        {
            // OIDs are other ones than where it came from.
            let mut there = to.connect();
            run(
                &mut there,
                "CREATE TABLE one (); CREATE TABLE two (); DROP TABLE one, two",
            );
        }
        copy(&from, to.name());
        let mut there = to.connect();
        assert_eq!(count(&mut there, "pgtrickle.pgt_stream_tables"), 6);
        // Writers go on; nothing is captured yet, or it does not matter.
        run(
            &mut there,
            "UPDATE item SET amount = amount + 1 WHERE id > 30; INSERT INTO item VALUES (200, 'k2', 300, '')",
        );
        if at_once {
            let restored: i64 = there
                .query_one("SELECT pgtrickle.restore_stream_tables()", &[])
                .expect("restored")
                .get(0);
            assert_eq!(restored, 6);
            for name in names {
                law(&mut there, name);
                let last = harness::last_refresh(&mut there, name);
                assert_eq!(last.action, "REINITIALIZE", "{name}");
            }
        } else {
            run(
                &mut there,
                "SELECT pgtrickle.refresh_stream_table('largest')",
            );
            law(&mut there, "totals");
            law(&mut there, "largest");
            for name in ["large", "kinds", "by_full", "\"Odd name\""] {
                refresh(&mut there, name, "REINITIALIZE");
            }
        }
        // From here on by the changes, as ever.
        run(
            &mut there,
            "UPDATE item SET amount = amount + 1, kind = 'k0' WHERE id < 20; DELETE FROM item WHERE id = 200",
        );
        for name in ["large", "totals", "kinds", "largest", "\"Odd name\""] {
            refresh(&mut there, name, "DIFFERENTIAL");
        }
        refresh(&mut there, "by_full", "FULL");
        // Nothing is left of what was void, and new stream tables get new ids.
        let again: i64 = there
            .query_one("SELECT pgtrickle.restore_stream_tables()", &[])
            .expect("nothing to do")
            .get(0);
        assert_eq!(again, 0);
        let strays = count(
            &mut there,
            "pg_class c WHERE relnamespace = 'pgtrickle_store'::regnamespace AND relkind = 'r'
             AND relname LIKE 'changes%' AND NOT EXISTS (SELECT FROM pgtrickle.pgt_captures WHERE
             buffer_relid = c.oid)",
        );
        assert_eq!(strays, 0);
        create(&mut there, "later", "SELECT kind FROM kind", "DIFFERENTIAL");
        run(&mut there, "INSERT INTO kind VALUES ('z', 'z')");
        refresh(&mut there, "later", "DIFFERENTIAL");
        let (code, _) = fails(&mut there, "DELETE FROM large");
        assert_eq!(code.code(), "55000");
    }
}

/// One that cannot be restored keeps no other from it.
#[test]
fn trap_dump_restore_one_fails() {
    let (from, mut client) = setup();
    run(
        &mut client,
        "CREATE FUNCTION ratio(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 100 / $1'",
    );
    create(
        &mut client,
        "ratios",
        "SELECT id, ratio(amount::int) AS ratio FROM item WHERE id = 3",
        "DIFFERENTIAL",
    );
    let to = Database::empty(from.server());
    copy(&from, to.name());
    let mut there = to.connect();
    run(&mut there, "UPDATE item SET amount = 0 WHERE id = 3");
    let restore = "SELECT pgtrickle.restore_stream_tables()";
    let restored = |client: &mut postgres::Client| -> i64 {
        client.query_one(restore, &[]).expect("restored").get(0)
    };
    assert_eq!(restored(&mut there), 3);
    for name in ["large", "totals", "kinds"] {
        law(&mut there, name);
    }
    let (code, _) = fails(
        &mut there,
        "SELECT pgtrickle.refresh_stream_table('ratios')",
    );
    assert_eq!(code.code(), "22012");
    run(&mut there, "UPDATE item SET amount = 5 WHERE id = 3");
    refresh(&mut there, "ratios", "REINITIALIZE");
}

/// Stream tables that read each other: which of them is compiled first does not know of the circle.
#[test]
fn circles_come_back() {
    let from = Database::new();
    let mut client = from.connect();
    run(
        &mut client,
        "CREATE TABLE edge (a int NOT NULL, b int NOT NULL); INSERT INTO edge VALUES (1, 2), (2, 3), (3, 1);
         SET pg_trickle.allow_circular = on;
         SELECT pgtrickle.create_stream_table('reach', 'SELECT a, b FROM edge', '1s', 'DIFFERENTIAL');
         SELECT pgtrickle.create_stream_table('step', 'SELECT r.a, e.b FROM reach r JOIN edge e ON e.a = r.b', '1s', 'DIFFERENTIAL');
         SELECT pgtrickle.alter_stream_table('reach', query => 'SELECT a, b FROM edge UNION SELECT a, b FROM step')",
    );
    for at_once in [true, false] {
        let to = Database::empty(from.server());
        copy(&from, to.name());
        let mut there = to.connect();
        run(&mut there, "DELETE FROM edge WHERE a = 3");
        match at_once {
            true => run(&mut there, "SELECT pgtrickle.restore_stream_tables()"),
            false => run(&mut there, "SELECT pgtrickle.refresh_stream_table('step')"),
        }
        for name in ["reach", "step"] {
            law(&mut there, name);
        }
        assert_eq!(count(&mut there, "reach"), 3);
        let members = count(
            &mut there,
            "pgtrickle.pgt_scc_status() WHERE members = '{public.reach,public.step}'",
        );
        assert_eq!(members, 1);
        run(&mut there, "INSERT INTO edge VALUES (3, 4)");
        refresh(&mut there, "reach", "DIFFERENTIAL");
        run(&mut there, "DELETE FROM edge WHERE a = 2");
        refresh(&mut there, "reach", "FULL");
        assert_eq!(count(&mut there, "reach"), 2);
    }
}

/// IMMEDIATE stream tables come back filled, and are exact again at the end of the first statement
/// on a source, without anybody asking for it.
#[test]
fn trap_dump_restore_immediate() {
    let (from, mut client) = setup();
    let queries = [
        (
            "held",
            "SELECT kind, count(*) AS n, sum(amount) AS total, max(id) AS last FROM item GROUP BY kind",
        ),
        ("ids", "SELECT n, count(*) AS kinds FROM held GROUP BY n"),
        (
            "named",
            "SELECT i.id, k.label FROM item i JOIN kind k ON k.kind = i.kind WHERE i.amount > 3",
        ),
    ];
    for (name, query) in queries {
        create(&mut client, name, query, "IMMEDIATE");
    }
    run(
        &mut client,
        "UPDATE item SET amount = amount + 3 WHERE id < 30; DELETE FROM item WHERE id = 40",
    );
    for first in [
        "UPDATE item SET amount = amount + 1 WHERE id > 30",
        "INSERT INTO kind VALUES ('new', 'label')",
        "TRUNCATE item",
        "BEGIN; SAVEPOINT s; DELETE FROM item WHERE id < 5; ROLLBACK TO s; DELETE FROM item WHERE id = 7; COMMIT",
        "BEGIN; DELETE FROM item WHERE id < 5; ROLLBACK; INSERT INTO item VALUES (500, 'k1', 5, '')",
        "COPY item (id, kind, amount) FROM PROGRAM 'echo 600,k2,7' WITH (FORMAT csv)",
    ] {
        let to = Database::empty(from.server());
        copy(&from, to.name());
        let mut there = to.connect();
        for (name, _) in queries {
            law(&mut there, name);
        }
        run(&mut there, first);
        for (name, _) in queries {
            law(&mut there, name);
            let last = harness::last_refresh(&mut there, name);
            assert_eq!(last.action, "REINITIALIZE", "{name} after {first}");
        }
        let refreshes = count(&mut there, "pgtrickle.pgt_refresh_history");
        run(
            &mut there,
            "UPDATE item SET kind = 'k0', amount = 9 WHERE id % 3 = 0; INSERT INTO item VALUES (700, 'k1', 5, '')",
        );
        run(&mut there, "DELETE FROM kind WHERE kind = 'k3'");
        for (name, _) in queries {
            law(&mut there, name);
        }
        assert_eq!(
            count(&mut there, "pgtrickle.pgt_refresh_history"),
            refreshes
        );
        // The others wait for their own refresh, as ever.
        refresh(&mut there, "totals", "REINITIALIZE");
        let again: i64 = there
            .query_one("SELECT pgtrickle.restore_stream_tables()", &[])
            .expect("restored")
            .get(0);
        assert_eq!(again, 2);
    }
}

/// What another version has compiled is compiled anew: deferred stream tables by their next refresh,
/// with the changes that they have not seen, IMMEDIATE ones when a statement ends.
#[test]
fn another_version_is_followed() {
    let (db, mut client) = setup();
    create(
        &mut client,
        "at_once",
        "SELECT kind, count(*) AS n FROM item GROUP BY kind",
        "IMMEDIATE",
    );
    run(
        &mut client,
        "UPDATE item SET amount = amount + 3 WHERE id < 30; DELETE FROM item WHERE id = 40;
         UPDATE pgtrickle.pgt_stream_tables SET home = regexp_replace(home, '^([0-9]+/[0-9]+)/[0-9]+$', '\\1/1'),
             compiled = '{\"of\": \"another version\"}' WHERE compiled IS NOT NULL",
    );
    // As sessions that begin after the upgrade.
    let mut client = db.connect();
    for name in ["large", "totals", "kinds"] {
        refresh(&mut client, name, "REINITIALIZE");
    }
    run(&mut client, "DELETE FROM item WHERE id = 41");
    law(&mut client, "at_once");
    for name in ["large", "totals"] {
        refresh(&mut client, name, "DIFFERENTIAL");
    }
}
