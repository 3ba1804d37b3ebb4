//! TRUNCATE and rewrites are not MVCC.

use crate::support::*;
use harness::{law, refresh};

/// TRUNCATE and INSERT in one batch, in one transaction; CASCADE.
#[test]
fn trap_truncate_insert() {
    let (_db, mut client) = setup();
    run(
        &mut client,
        "TRUNCATE item; INSERT INTO item VALUES (1, 'k1', 500, ''), (2, 'k2', 5, '')",
    );
    for table in TABLES {
        refresh(&mut client, table, "REINITIALIZE");
    }
    run(
        &mut client,
        "BEGIN; INSERT INTO item VALUES (3, 'k3', 30, ''); TRUNCATE item;
         INSERT INTO item VALUES (3, 'k4', 40, ''); COMMIT;
         INSERT INTO item VALUES (4, 'k4', 41, '')",
    );
    for table in TABLES {
        refresh(&mut client, table, "REINITIALIZE");
    }
    run(
        &mut client,
        "ALTER TABLE item ADD FOREIGN KEY (kind) REFERENCES kind",
    );
    run(&mut client, "TRUNCATE kind CASCADE");
    for table in TABLES {
        refresh(&mut client, table, "REINITIALIZE");
        assert_eq!(count(&mut client, table), 0);
    }
    run(
        &mut client,
        "INSERT INTO kind VALUES ('k1', 'one'); INSERT INTO item VALUES (9, 'k1', 90, '')",
    );
    refresh_all(&mut client);
    // Rolled back, it never was.
    run(
        &mut client,
        "BEGIN; TRUNCATE item; ROLLBACK; INSERT INTO item VALUES (10, 'k1', 91, '')",
    );
    refresh_all(&mut client);
}

/// A REPEATABLE READ refresh after a concurrent TRUNCATE or rewrite: its snapshot reads no row.
#[test]
fn trap_old_snapshot_truncate() {
    for concurrent in [
        "TRUNCATE item",
        "ALTER TABLE item ADD COLUMN extra double precision DEFAULT random()",
    ] {
        let (db, mut client) = setup();
        let mut old = db.connect();
        run(
            &mut old,
            "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM kind",
        );
        // Within the old snapshot there is something to do.
        run(&mut client, concurrent);
        for table in TABLES {
            let sql = format!("SAVEPOINT s; SELECT pgtrickle.refresh_stream_table('{table}')");
            let (code, message) = fails(&mut old, &sql);
            assert_eq!(code.code(), "40001", "{concurrent}: {message}");
            run(&mut old, "ROLLBACK TO s");
        }
        run(&mut old, "ROLLBACK");
        for table in TABLES {
            run(
                &mut client,
                &format!("SELECT pgtrickle.refresh_stream_table('{table}')"),
            );
            law(&mut client, table);
        }
    }
}
