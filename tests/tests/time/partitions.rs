//! Partitioned tables as sources: rows routed and moved, partitions that come and go.

use crate::support::*;
use harness::{Database, law, refresh};
use postgres::Client;
use std::io::Write;

/// Partitions at two levels, one with the columns in another order, one that has lost a column.
const PARTED: &str = "
    CREATE TABLE part (gone int, id int, kind text, amount numeric, note text,
        PRIMARY KEY (id)) PARTITION BY RANGE (id);
    ALTER TABLE part DROP COLUMN gone;
    CREATE TABLE low PARTITION OF part FOR VALUES FROM (MINVALUE) TO (100);
    CREATE TABLE middle (note text, amount numeric, lost int, id int NOT NULL, kind text)
        PARTITION BY HASH (id);
    ALTER TABLE middle DROP COLUMN lost;
    CREATE TABLE middle0 PARTITION OF middle FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE middle1 (kind text, id int NOT NULL, note text, amount numeric);
    ALTER TABLE middle ATTACH PARTITION middle1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    ALTER TABLE part ATTACH PARTITION middle FOR VALUES FROM (100) TO (200);
    CREATE TABLE high PARTITION OF part FOR VALUES FROM (200) TO (1000);
    CREATE TABLE label (kind text PRIMARY KEY, label text NOT NULL);
    INSERT INTO label SELECT 'k' || i, 'label ' || i FROM generate_series(0, 3) i;
    INSERT INTO part (id, kind, amount, note)
        SELECT i, 'k' || i % 5, i % 7, 'n' FROM generate_series(1, 400) i;";

const NAMES: [&str; 4] = ["flat", "sums", "joined", "leaf"];

fn parted() -> (Database, Client) {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, PARTED);
    for (name, query) in [
        ("flat", "SELECT id, kind, amount FROM part WHERE amount > 2"),
        (
            "sums",
            "SELECT kind, count(*) AS n, sum(amount) AS s FROM part GROUP BY kind",
        ),
        (
            "joined",
            "SELECT p.id, l.label, m.amount FROM part p JOIN label l USING (kind)
             LEFT JOIN middle1 m ON m.id = p.id + 1",
        ),
        ("leaf", "SELECT DISTINCT kind, note FROM middle1"),
    ] {
        create(&mut client, name, query, "DIFFERENTIAL");
    }
    (db, client)
}

#[track_caller]
fn all(client: &mut Client, action: &str) {
    for name in NAMES {
        refresh(client, name, action);
    }
}

/// The action of each, where not all read what has changed.
#[track_caller]
fn each(client: &mut Client, actions: [&str; 4]) {
    for (name, action) in NAMES.into_iter().zip(actions) {
        refresh(client, name, action);
    }
}

#[test]
fn trap_copy_and_partition() {
    let (_db, mut client) = parted();
    for sql in [
        // Routed, changed in place, moved: to a leaf, out of one, between levels.
        "INSERT INTO part (id, kind, amount, note) SELECT i, 'k' || i % 3, i, 'new' FROM generate_series(-50, 0) i",
        "UPDATE part SET amount = amount + 1, note = 'u' WHERE id % 3 = 0",
        "UPDATE part SET id = id + 500 WHERE id BETWEEN 80 AND 130; UPDATE part SET id = id - 2000, amount = 1 WHERE id BETWEEN 600 AND 640",
        "DELETE FROM middle WHERE id <= 150; UPDATE middle SET id = 300 - id, kind = 'k2' WHERE id < 180 AND id > 150",
        // Directly.
        "INSERT INTO high (id, kind, amount) VALUES (900, 'k1', 9.50), (901, NULL, NULL);
         UPDATE middle1 SET amount = 100, note = 'direct'; UPDATE low SET kind = 'k1' WHERE id > 90",
        "DELETE FROM middle0; DELETE FROM part WHERE id % 4 = 1; DELETE FROM middle1 WHERE id % 5 = 0;
         UPDATE middle1 SET note = 'again'",
        "INSERT INTO part (id, kind, amount) SELECT i, 'c', 3 FROM generate_series(1, 200) i
             ON CONFLICT (id) DO UPDATE SET amount = part.amount * 2, note = EXCLUDED.kind",
        "MERGE INTO part p USING (SELECT generate_series(90, 210) AS id) s ON p.id = s.id
             WHEN MATCHED AND p.id % 2 = 0 THEN DELETE
             WHEN MATCHED AND p.id % 3 = 0 THEN UPDATE SET id = p.id + 750
             WHEN MATCHED THEN UPDATE SET note = 'merged', amount = 5
             WHEN NOT MATCHED THEN INSERT (id, kind, amount) VALUES (s.id, 'k3', 4)",
        // There and back again in one batch.
        "UPDATE part SET id = id + 100 WHERE id BETWEEN 0 AND 99 AND NOT EXISTS (SELECT FROM part q WHERE q.id = part.id + 100);
         BEGIN; UPDATE part SET id = -id WHERE id = 100; UPDATE part SET id = -id WHERE id = -100; COMMIT;
         BEGIN; DELETE FROM part; ROLLBACK; UPDATE middle1 SET note = 'w'",
    ] {
        run(&mut client, sql);
        for name in NAMES {
            let sql = format!("SELECT pgtrickle.refresh_stream_table('{name}')");
            run(&mut client, &sql);
            let action = harness::last_refresh(&mut client, name).action;
            assert!(
                action == "DIFFERENTIAL" || (name == "leaf" && action == "NO_DATA"),
                "{name}: {action} after {sql}"
            );
            law(&mut client, name);
        }
    }
    run(
        &mut client,
        "DELETE FROM part WHERE id > 100 AND id % 3 = 0",
    );
    all(&mut client, "DIFFERENTIAL");
    for (target, ids) in [
        ("part", 2000..2300),
        ("middle", 100..200),
        ("middle0", 100..200),
    ] {
        let missing = format!(
            "SELECT i FROM generate_series({}, {}) i WHERE NOT EXISTS (SELECT FROM part WHERE id = \
             CASE WHEN i < 2000 THEN i ELSE -i END) AND ('{target}' <> 'middle0' OR \
             satisfies_hash_partition('middle'::regclass, 2, 0, i))",
            ids.start,
            ids.end - 1
        );
        let ids: Vec<i32> = client
            .query(&missing, &[])
            .expect("ids")
            .iter()
            .map(|row| row.get(0))
            .collect();
        let mut copy = client
            .copy_in(&format!(
                "COPY {target} (id, kind, amount, note) FROM STDIN"
            ))
            .expect("COPY begins");
        for id in ids.into_iter().take(60) {
            let id = if id < 2000 { id } else { -id };
            writeln!(copy, "{id}\tk{}\t{}.50\tcopied", id % 4, id % 9).expect("a row");
        }
        let copied = copy.finish().expect("COPY ends");
        assert!(copied > 10 || target == "middle0", "{target}: {copied}");
        for name in ["flat", "sums", "joined"] {
            if copied > 0 {
                refresh(&mut client, name, "DIFFERENTIAL");
            }
        }
        run(
            &mut client,
            "DELETE FROM middle0 WHERE id % 2 = 0; UPDATE middle1 SET note = note || '!'; UPDATE part SET amount = amount + 1",
        );
        all(&mut client, "DIFFERENTIAL");
    }
}

/// An empty partition costs nothing; one with rows in it makes readers of the root rebuild.
#[test]
fn trap_partitions_come_and_go() {
    let (_db, mut client) = parted();
    run(
        &mut client,
        "CREATE TABLE later PARTITION OF part FOR VALUES FROM (1000) TO (2000);
         INSERT INTO part (id, kind, amount) VALUES (1000, 'k1', 7), (1001, 'k9', 8);
         UPDATE later SET amount = 9 WHERE id = 1000; UPDATE middle1 SET note = 'x'",
    );
    all(&mut client, "DIFFERENTIAL");
    run(&mut client, "ALTER TABLE part DETACH PARTITION high");
    each(
        &mut client,
        ["REINITIALIZE", "REINITIALIZE", "REINITIALIZE", "NO_DATA"],
    );
    // It is nobody's any more.
    assert_eq!(
        count(
            &mut client,
            "pg_trigger WHERE tgrelid = 'high'::regclass AND tgname LIKE 'pgt%'"
        ),
        0
    );
    run(
        &mut client,
        "UPDATE high SET amount = 1000; DELETE FROM high WHERE id % 2 = 0",
    );
    each(&mut client, ["NO_DATA", "NO_DATA", "NO_DATA", "NO_DATA"]);
    // Back again, within a batch with other changes.
    run(
        &mut client,
        "BEGIN; UPDATE part SET amount = 3 WHERE id < 20;
         ALTER TABLE part ATTACH PARTITION high FOR VALUES FROM (200) TO (1000);
         UPDATE part SET amount = 4 WHERE id BETWEEN 210 AND 230; COMMIT;
         DELETE FROM high WHERE id > 300",
    );
    each(
        &mut client,
        ["REINITIALIZE", "REINITIALIZE", "REINITIALIZE", "NO_DATA"],
    );
    run(
        &mut client,
        "UPDATE part SET id = id + 1000 WHERE id BETWEEN 205 AND 215; UPDATE middle1 SET note = 'y'",
    );
    each(
        &mut client,
        ["DIFFERENTIAL", "NO_DATA", "DIFFERENTIAL", "DIFFERENTIAL"],
    );
    // Between two refreshes, changed while it was away.
    run(
        &mut client,
        "ALTER TABLE part DETACH PARTITION high; UPDATE high SET amount = 55;
         ALTER TABLE part ATTACH PARTITION high FOR VALUES FROM (200) TO (1000)",
    );
    each(
        &mut client,
        ["REINITIALIZE", "REINITIALIZE", "REINITIALIZE", "NO_DATA"],
    );
    // Rolled back, it never was.
    run(
        &mut client,
        "BEGIN; ALTER TABLE part DETACH PARTITION low; UPDATE low SET amount = 56; ROLLBACK;
         UPDATE low SET amount = 57; UPDATE middle1 SET note = 'z'",
    );
    each(
        &mut client,
        ["DIFFERENTIAL", "DIFFERENTIAL", "NO_DATA", "DIFFERENTIAL"],
    );
    run(&mut client, "DROP TABLE low");
    each(
        &mut client,
        ["REINITIALIZE", "REINITIALIZE", "REINITIALIZE", "NO_DATA"],
    );
    // A whole branch with the leaf that is a source by itself.
    run(
        &mut client,
        "ALTER TABLE part DETACH PARTITION middle; UPDATE middle1 SET note = 'away', amount = 2",
    );
    each(
        &mut client,
        [
            "REINITIALIZE",
            "REINITIALIZE",
            "REINITIALIZE",
            "DIFFERENTIAL",
        ],
    );
    run(
        &mut client,
        "ALTER TABLE part ATTACH PARTITION middle FOR VALUES FROM (100) TO (200);
         UPDATE middle SET kind = 'k2'",
    );
    each(
        &mut client,
        [
            "REINITIALIZE",
            "REINITIALIZE",
            "REINITIALIZE",
            "DIFFERENTIAL",
        ],
    );
    run(
        &mut client,
        "UPDATE middle SET kind = 'k1', note = 'end'; INSERT INTO part (id, kind, amount) VALUES (500, 'k1', 5)",
    );
    all(&mut client, "DIFFERENTIAL");
    // Without readers, no triggers.
    for name in NAMES {
        run(
            &mut client,
            &format!("SELECT pgtrickle.drop_stream_table('{name}')"),
        );
    }
    assert_eq!(
        count(&mut client, "pg_trigger WHERE tgname LIKE 'pgt_capture%'"),
        0
    );
    assert_eq!(count(&mut client, "pgtrickle.pgt_captures"), 0);
    run(&mut client, "UPDATE part SET amount = 1");
}

#[test]
fn trap_truncate_partition() {
    let (_db, mut client) = parted();
    let root_only = ["REINITIALIZE", "REINITIALIZE", "REINITIALIZE", "NO_DATA"];
    run(
        &mut client,
        "TRUNCATE high; INSERT INTO part (id, kind, amount) VALUES (300, 'k1', 9)",
    );
    each(&mut client, root_only);
    run(&mut client, "TRUNCATE middle1");
    all(&mut client, "REINITIALIZE");
    run(
        &mut client,
        "INSERT INTO part (id, kind, amount) SELECT i, 'k1', 9 FROM generate_series(100, 199) i ON CONFLICT DO NOTHING",
    );
    all(&mut client, "DIFFERENTIAL");
    run(
        &mut client,
        "BEGIN; TRUNCATE part; INSERT INTO part (id, kind, amount) VALUES (150, 'k2', 5), (151, 'k2', 6), (7, 'k1', 7); COMMIT",
    );
    all(&mut client, "REINITIALIZE");
    assert_eq!(count(&mut client, "flat"), 3);
    run(
        &mut client,
        "BEGIN; TRUNCATE part; ROLLBACK; UPDATE part SET kind = 'k0'",
    );
    for name in NAMES {
        run(
            &mut client,
            &format!("SELECT pgtrickle.refresh_stream_table('{name}')"),
        );
        assert_ne!(
            harness::last_refresh(&mut client, name).action,
            "REINITIALIZE"
        );
        law(&mut client, name);
    }
}

/// Writers of leaves that commit after a refresh; what comes while others are at it.
#[test]
fn trap_partition_writers() {
    let (db, mut client) = parted();
    let (mut one, mut two) = (db.connect(), db.connect());
    run(
        &mut one,
        "BEGIN; UPDATE middle1 SET amount = 77; INSERT INTO high (id, kind, amount) VALUES (950, 'k1', 3)",
    );
    run(
        &mut two,
        "BEGIN; SAVEPOINT s; UPDATE part SET id = id + 600 WHERE id = 5; RELEASE s",
    );
    run(&mut client, "UPDATE low SET amount = 5 WHERE id < 4");
    each(
        &mut client,
        ["DIFFERENTIAL", "DIFFERENTIAL", "NO_DATA", "NO_DATA"],
    );
    run(&mut one, "UPDATE middle1 SET note = 'one'; COMMIT");
    all(&mut client, "DIFFERENTIAL");
    run(&mut two, "COMMIT");
    each(
        &mut client,
        ["DIFFERENTIAL", "NO_DATA", "DIFFERENTIAL", "NO_DATA"],
    );

    // A partition that comes waits for the refreshes that have begun, and they see all of it or
    // nothing.
    run(
        &mut client,
        "CREATE TABLE later (LIKE part); INSERT INTO later (id, kind, amount) SELECT i, 'k1', 9 FROM generate_series(1000, 1010) i",
    );
    run(&mut one, "BEGIN; UPDATE low SET amount = 6 WHERE id < 4");
    run(&mut one, "SELECT pgtrickle.refresh_stream_table('flat')");
    let attach = "ALTER TABLE part ATTACH PARTITION later FOR VALUES FROM (1000) TO (2000)";
    let attaching = in_background(&db, attach);
    until_blocked(&mut client);
    run(&mut one, "SELECT pgtrickle.refresh_stream_table('sums')");
    assert_eq!(count(&mut one, "pgtrickle.verify('flat')"), 0);
    assert_eq!(count(&mut one, "pgtrickle.verify('sums')"), 0);
    run(&mut one, "COMMIT");
    finish(attaching);
    each(
        &mut client,
        ["REINITIALIZE", "REINITIALIZE", "REINITIALIZE", "NO_DATA"],
    );

    // A snapshot from before knows nothing of it.
    run(
        &mut one,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM label",
    );
    run(&mut client, "ALTER TABLE part DETACH PARTITION later");
    let (code, message) = fails(&mut one, "SELECT pgtrickle.refresh_stream_table('flat')");
    assert_eq!(code.code(), "40001", "{message}");
    run(&mut one, "ROLLBACK");
    each(
        &mut client,
        ["REINITIALIZE", "REINITIALIZE", "REINITIALIZE", "NO_DATA"],
    );
}

/// While a partition is being detached CONCURRENTLY, new snapshots do not see its rows any more.
#[test]
fn trap_partition_being_detached() {
    let (db, mut client) = parted();
    let mut reader = db.connect();
    run(
        &mut reader,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM part",
    );
    let detaching = in_background(&db, "ALTER TABLE part DETACH PARTITION high CONCURRENTLY");
    until_blocked(&mut client);
    run(
        &mut client,
        "UPDATE part SET amount = 5 WHERE id < 10; UPDATE high SET amount = 6",
    );
    let before = count(&mut client, "part");
    assert!(before < 400, "{before}");
    for action in ["REINITIALIZE", "REINITIALIZE"] {
        refresh(&mut client, "sums", action);
    }
    run(&mut reader, "COMMIT");
    finish(detaching);
    for name in ["flat", "sums", "joined"] {
        refresh(&mut client, name, "REINITIALIZE");
        refresh(&mut client, name, "NO_DATA");
    }
    run(&mut client, "UPDATE part SET amount = 6 WHERE id < 10");
    refresh(&mut client, "sums", "DIFFERENTIAL");
}

/// A statement on any partition may move rows to any other.
#[test]
fn trap_partition_mid_statement() {
    let (_db, mut client) = parted();
    for (name, sql) in [
        (
            "flat",
            "UPDATE middle1 SET amount = 8 WHERE id = (SELECT min(id) FROM middle1) RETURNING (SELECT 1 FROM again('flat'))",
        ),
        (
            "leaf",
            "INSERT INTO part (id, kind, amount) VALUES (960, 'k1', 3) RETURNING (SELECT 1 FROM again('leaf'))",
        ),
        (
            "leaf",
            "UPDATE part SET note = 'm' WHERE id = 1 RETURNING (SELECT 1 FROM again('leaf'))",
        ),
    ] {
        run(
            &mut client,
            "CREATE OR REPLACE FUNCTION again(name text) RETURNS SETOF int LANGUAGE plpgsql AS
             $$ BEGIN PERFORM pgtrickle.refresh_stream_table(name); RETURN NEXT 1; END $$",
        );
        let (code, message) = fails(&mut client, sql);
        assert_eq!(code.code(), "55006", "{name}: {message}");
    }
    run(&mut client, "UPDATE middle1 SET amount = 8, note = 'q'");
    all(&mut client, "DIFFERENTIAL");
}

/// The key of the root holds over all partitions; a leaf that is retyped, rewritten or loses its
/// triggers is noticed.
#[test]
fn trap_partition_ddl() {
    let (_db, mut client) = parted();
    let keyed =
        "pgtrickle.pgt_stream_tables WHERE pgt_name = 'flat' AND dependencies @> '[{\"Key\": {}}]'";
    assert_eq!(count(&mut client, keyed), 1);
    run(
        &mut client,
        "ALTER TABLE part RENAME COLUMN amount TO price; ALTER TABLE high RENAME TO top;
         ALTER TABLE part ADD COLUMN extra int DEFAULT 3; CREATE SCHEMA other; ALTER TABLE low SET SCHEMA other;
         UPDATE part SET price = price + 1; UPDATE middle1 SET note = 'ddl';
         ALTER TABLE part RENAME COLUMN price TO amount",
    );
    all(&mut client, "DIFFERENTIAL");
    run(
        &mut client,
        "ALTER TABLE top DISABLE TRIGGER pgt_capture_row; UPDATE top SET amount = 0",
    );
    each(
        &mut client,
        ["REINITIALIZE", "REINITIALIZE", "REINITIALIZE", "NO_DATA"],
    );
    run(
        &mut client,
        "SET session_replication_role = replica; UPDATE part SET amount = amount + 1; UPDATE middle1 SET note = 'r'",
    );
    run(&mut client, "RESET session_replication_role");
    all(&mut client, "DIFFERENTIAL");
    // Nobody was told of this one.
    run(
        &mut client,
        "SET event_triggers = off; CREATE TABLE silent PARTITION OF part FOR VALUES FROM (2000) TO (3000);
         RESET event_triggers; INSERT INTO part (id, kind, amount) VALUES (2000, 'k1', 9)",
    );
    refresh(&mut client, "flat", "REINITIALIZE");
    run(&mut client, "UPDATE silent SET amount = 10");
    refresh(&mut client, "flat", "REINITIALIZE");
    // A rewrite by type.
    run(
        &mut client,
        "ALTER TABLE part ALTER amount TYPE numeric(10,2)",
    );
    run(&mut client, "SELECT pgtrickle.drop_stream_table('joined')");
    let (code, message) = fails(&mut client, "SELECT pgtrickle.refresh_stream_table('flat')");
    assert_eq!(code.code(), "55000", "{message}");
    run(&mut client, "ALTER TABLE part ALTER amount TYPE numeric");
    refresh(&mut client, "flat", "REINITIALIZE");
    run(&mut client, "UPDATE part SET amount = amount * 2");
    refresh(&mut client, "flat", "DIFFERENTIAL");
}
