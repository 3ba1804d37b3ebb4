//! What writers do, and what becomes of it.

use crate::support::{
    SCHEMA, count, fails, finish, in_background, refresh_all, run, until_blocked,
};
use crate::{IDENTITY, create, setup};
use harness::{Database, law, refresh};
use postgres::error::SqlState;

#[test]
fn rows_come_change_and_go() {
    let (db, mut client) = setup();
    let triggers = count(&mut client, "pg_trigger WHERE tgname = 'pgt_capture_row'");
    assert_eq!(triggers, 0, "no row triggers");
    for change in [
        "INSERT INTO item VALUES (100, 'k1', 1000, 'x')",
        "UPDATE item SET amount = amount + 1 WHERE id % 3 = 0",
        "UPDATE item SET id = id + 1000 WHERE id < 10",
        "UPDATE item SET kind = 'k9' WHERE id = 20; UPDATE item SET kind = NULL WHERE id = 21",
        "DELETE FROM item WHERE id IN (30, 31, 1001)",
        "INSERT INTO item VALUES (30, 'k2', 21.50, NULL) ON CONFLICT (id) DO UPDATE SET amount = 0;
         INSERT INTO item VALUES (30, 'k2', 1, NULL) ON CONFLICT (id) DO UPDATE SET amount = 99",
        "MERGE INTO item USING (VALUES (40), (4000)) v (id) ON item.id = v.id
         WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (v.id, 'k3', 77, '')",
        "UPDATE kind SET label = label || '!' WHERE kind = 'k1'",
        "INSERT INTO item VALUES (600, 'k1', 50, ''); DELETE FROM item WHERE id = 600;
         INSERT INTO item VALUES (600, 'k1', 60, '')",
    ] {
        run(&mut client, change);
        for name in ["large", "totals", "kinds"] {
            client
                .execute("SELECT pgtrickle.refresh_stream_table($1)", &[&name])
                .expect("refreshed");
            let action = harness::last_refresh(&mut client, name).action;
            assert!(
                ["DIFFERENTIAL", "NO_DATA"].contains(&action.as_str()),
                "{change}: {action}"
            );
            law(&mut client, name);
        }
    }
    let mut copy = client.copy_in("COPY item FROM stdin").expect("copies");
    let rows = b"500\tk1\t25\tcopied\n501\tk2\t30\t\\N\n";
    std::io::Write::write_all(&mut copy, rows).expect("written");
    copy.finish().expect("copied");
    refresh_all(&mut client);
    // What nobody reads is nothing.
    run(&mut client, "UPDATE item SET note = 'other'");
    refresh(&mut client, "large", "NO_DATA");
    // With the old snapshot of another transaction around.
    let mut old = db.connect();
    run(
        &mut old,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM item",
    );
    run(&mut client, "INSERT INTO item VALUES (700, 'k4', 44, '')");
    refresh_all(&mut client);
}

/// Visibility follows commits.
#[test]
fn commits_after_the_snapshot() {
    let (db, mut client) = setup();
    let mut writer = db.connect();
    run(
        &mut writer,
        "BEGIN; INSERT INTO item VALUES (100, 'k1', 1000, 'late')",
    );
    run(
        &mut client,
        "INSERT INTO item VALUES (101, 'k2', 500, 'early')",
    );
    refresh_all(&mut client);
    run(&mut writer, "COMMIT");
    refresh_all(&mut client);
    refresh(&mut client, "large", "NO_DATA");
    // A refresh whose snapshot is older than a drain: what it does not see is for later.
    let mut repeatable = db.connect();
    run(&mut client, "INSERT INTO item VALUES (102, 'k1', 4100, '')");
    run(
        &mut repeatable,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM kind",
    );
    run(&mut client, "INSERT INTO item VALUES (103, 'k1', 4200, '')");
    // Drains all of it.
    refresh(&mut client, "totals", "DIFFERENTIAL");
    run(
        &mut repeatable,
        "SELECT pgtrickle.refresh_stream_table('large')",
    );
    assert_eq!(count(&mut repeatable, "large WHERE amount = 4100"), 1);
    assert_eq!(count(&mut repeatable, "large WHERE amount = 4200"), 0);
    run(&mut repeatable, "COMMIT");
    refresh(&mut client, "large", "DIFFERENTIAL");
}

#[test]
fn subtransactions_and_prepared_transactions() {
    let (db, mut client) = setup();
    let mut idle = db.connect();
    run(
        &mut idle,
        "BEGIN; SAVEPOINT a; INSERT INTO item VALUES (100, 'k1', 1000, 'sub'); RELEASE a;
         SAVEPOINT b; INSERT INTO item VALUES (101, 'k1', 1001, 'undone'); ROLLBACK TO b;
         SAVEPOINT c; SAVEPOINT d; UPDATE item SET amount = 77 WHERE id = 1; RELEASE d",
    );
    let gid = format!("p_{}", db.name());
    let mut preparing = db.connect();
    run(
        &mut preparing,
        &format!(
            "BEGIN; INSERT INTO item VALUES (102, 'k2', 2000, 'prepared');
             DELETE FROM item WHERE id = 30; PREPARE TRANSACTION '{gid}'"
        ),
    );
    for i in 0..3 {
        run(
            &mut client,
            &format!("INSERT INTO item VALUES ({}, 'k3', 40, '')", 200 + i),
        );
        refresh_all(&mut client);
    }
    run(&mut idle, "COMMIT");
    refresh_all(&mut client);
    run(&mut client, "INSERT INTO item VALUES (300, 'k3', 40, '')");
    refresh_all(&mut client);
    run(&mut preparing, &format!("COMMIT PREPARED '{gid}'"));
    refresh_all(&mut client);
    assert_eq!(
        count(&mut client, "large WHERE amount IN (77, 1000, 2000)"),
        3
    );
    assert_eq!(count(&mut client, "large WHERE amount = 1001"), 0);
}

/// A commit is seen before it is on disk.
#[test]
fn asynchronous_commits() {
    let (_db, mut client) = setup();
    run(&mut client, "SET synchronous_commit = off");
    for i in 0..20 {
        run(
            &mut client,
            &format!(
                "INSERT INTO item VALUES ({}, 'k1', {}, '')",
                100 + i,
                50 + i
            ),
        );
        refresh(&mut client, "large", "DIFFERENTIAL");
    }
}

#[test]
fn truncation_rebuilds() {
    let (db, mut client) = setup();
    run(&mut client, "INSERT INTO item VALUES (100, 'k1', 1000, '')");
    run(&mut client, "TRUNCATE item");
    run(&mut client, "INSERT INTO item VALUES (100, 'k1', 2000, '')");
    for name in ["large", "totals", "kinds"] {
        refresh(&mut client, name, "REINITIALIZE");
    }
    run(&mut client, "INSERT INTO item VALUES (101, 'k1', 2001, '')");
    refresh_all(&mut client);
    // In the own transaction: seen at once, and what follows comes later.
    run(
        &mut client,
        "BEGIN; TRUNCATE item; SELECT pgtrickle.refresh_stream_table('large');
         INSERT INTO item VALUES (102, 'k1', 2002, ''); COMMIT",
    );
    refresh(&mut client, "large", "DIFFERENTIAL");
    assert_eq!(count(&mut client, "large"), 1);
    // A snapshot from before.
    let mut old = db.connect();
    run(
        &mut old,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM kind",
    );
    run(&mut client, "TRUNCATE item");
    let (state, _) = fails(&mut old, "SELECT pgtrickle.refresh_stream_table('large')");
    assert_eq!(state, SqlState::T_R_SERIALIZATION_FAILURE);
}

/// What a transaction has changed itself is not in the WAL yet as what has committed.
#[test]
fn own_changes() {
    let (_db, mut client) = setup();
    for change in [
        "INSERT INTO item VALUES (100, 'k1', 1000, '')",
        "UPDATE item SET amount = 0 WHERE id = 1",
        "UPDATE kind SET label = 'x' WHERE kind = 'k1'",
    ] {
        run(&mut client, &format!("BEGIN; {change}"));
        let (state, message) = fails(
            &mut client,
            "SELECT pgtrickle.refresh_stream_table('totals')",
        );
        assert_eq!(state, SqlState::OBJECT_IN_USE, "{message}");
        assert!(message.contains("captured from the WAL"), "{message}");
        run(&mut client, "ROLLBACK");
    }
    // What was undone is no change; and what comes after a refresh is for the next.
    run(
        &mut client,
        "BEGIN; SAVEPOINT a; INSERT INTO item VALUES (100, 'k1', 1000, ''); ROLLBACK TO a;
         SELECT pgtrickle.refresh_stream_table('totals');
         INSERT INTO item VALUES (100, 'k1', 1000, ''); COMMIT",
    );
    refresh(&mut client, "totals", "DIFFERENTIAL");
    refresh(&mut client, "large", "DIFFERENTIAL");
    // While a statement is changing it.
    let (state, _) = fails(
        &mut client,
        "INSERT INTO item SELECT 2000, 'k1', 5, pgtrickle.refresh_stream_table('large')::text",
    );
    assert_eq!(state, SqlState::OBJECT_IN_USE);
    // An error that is caught does not keep the slot.
    run(
        &mut client,
        "DO $$ BEGIN INSERT INTO item VALUES (101, 'k1', 30, '');
         BEGIN PERFORM pgtrickle.refresh_stream_table('large');
         EXCEPTION WHEN object_in_use THEN NULL; END; END $$",
    );
    refresh_all(&mut client);
}

/// Two refreshes of one stream table, and of two.
#[test]
fn two_refreshers() {
    let (db, mut client) = setup();
    run(&mut client, "INSERT INTO item VALUES (100, 'k1', 100, '')");
    let mut first = db.connect();
    run(
        &mut first,
        "BEGIN; SELECT pgtrickle.refresh_stream_table('large')",
    );
    let second = in_background(&db, "SELECT pgtrickle.refresh_stream_table('totals')");
    until_blocked(&mut client);
    run(&mut client, "INSERT INTO item VALUES (101, 'k1', 101, '')");
    run(&mut first, "COMMIT");
    finish(second);
    // What it drains is more than its snapshot saw.
    refresh(&mut client, "totals", "DIFFERENTIAL");
    refresh(&mut client, "large", "DIFFERENTIAL");
    // The first is undone: the second drains all anew.
    run(&mut client, "DELETE FROM item WHERE id = 100");
    run(
        &mut first,
        "BEGIN; SELECT pgtrickle.refresh_stream_table('large')",
    );
    let second = in_background(&db, "SELECT pgtrickle.refresh_stream_table('totals')");
    until_blocked(&mut client);
    run(&mut first, "ROLLBACK");
    finish(second);
    law(&mut client, "totals");
    refresh_all_differently(&mut client);
}

fn refresh_all_differently(client: &mut postgres::Client) {
    run(client, "SELECT pgtrickle.refresh_stream_table('large')");
    law(client, "large");
}

/// Partitions, moves between them, and columns that lie elsewhere.
#[test]
fn partitions_and_children() {
    let db = Database::new();
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE p (id int, region text, n int) PARTITION BY LIST (region);
         CREATE TABLE other (n int, gone text, region text, id int);
         ALTER TABLE other DROP COLUMN gone;
         ALTER TABLE p ATTACH PARTITION other FOR VALUES IN ('b');
         CREATE TABLE p_a PARTITION OF p FOR VALUES IN ('a');
         CREATE TABLE parent (id int, v text);
         CREATE TABLE child (extra int) INHERITS (parent);
         INSERT INTO p VALUES (1, 'a', 1), (2, 'b', 2); INSERT INTO child VALUES (1, 'x', 9);",
    );
    for table in ["p", "p_a", "other", "parent", "child"] {
        run(
            &mut client,
            &format!("ALTER TABLE {table} REPLICA IDENTITY FULL"),
        );
    }
    create(
        &mut client,
        "sums",
        "SELECT region, sum(n) AS s, count(*) AS c FROM p GROUP BY region",
    );
    create(&mut client, "both", "SELECT id, v FROM parent");
    create(&mut client, "leaf", "SELECT id, n FROM other");
    run(
        &mut client,
        "UPDATE p SET region = CASE region WHEN 'a' THEN 'b' ELSE 'a' END, n = n * 10",
    );
    run(
        &mut client,
        "INSERT INTO p_a VALUES (3, 'a', 3); DELETE FROM other WHERE id = 1",
    );
    run(
        &mut client,
        "INSERT INTO parent VALUES (2, 'y'); UPDATE parent SET v = v || '!'",
    );
    for name in ["sums", "both", "leaf"] {
        refresh(&mut client, name, "DIFFERENTIAL");
    }
    // A new partition, and one that comes with rows and goes.
    run(
        &mut client,
        "CREATE TABLE p_c PARTITION OF p FOR VALUES IN ('c');
         INSERT INTO p VALUES (4, 'c', 4)",
    );
    run(&mut client, "UPDATE p SET n = 5 WHERE id = 4");
    refresh(&mut client, "sums", "DIFFERENTIAL");
    run(
        &mut client,
        "CREATE TABLE p_d (LIKE p); INSERT INTO p_d VALUES (6, 'd', 6), (7, 'd', 7)",
    );
    run(
        &mut client,
        "DELETE FROM p_d WHERE id = 6; ALTER TABLE p ATTACH PARTITION p_d FOR VALUES IN ('d')",
    );
    run(&mut client, "INSERT INTO p VALUES (8, 'd', 8)");
    refresh(&mut client, "sums", "REINITIALIZE");
    run(&mut client, "DELETE FROM p_d");
    run(
        &mut client,
        "ALTER TABLE p DETACH PARTITION p_d; INSERT INTO p_d VALUES (9, 'd', 9)",
    );
    refresh(&mut client, "sums", "REINITIALIZE");
    run(&mut client, "INSERT INTO p VALUES (10, 'a', 8)");
    refresh(&mut client, "sums", "DIFFERENTIAL");
}

/// Buffers are cleaned up as ever.
#[test]
fn clean_up() {
    let (db, mut client) = setup();
    let mut writer = db.connect();
    run(
        &mut writer,
        "BEGIN; INSERT INTO item SELECT 10000 + i, 'k1', 100, repeat('x', 200)
         FROM generate_series(1, 2000) i",
    );
    for round in 0..4 {
        run(
            &mut client,
            &format!(
                "INSERT INTO item SELECT {round} * 3000 + 20000 + i, 'k2', 50, repeat('y', 200)
                 FROM generate_series(1, 3000) i"
            ),
        );
        refresh_all(&mut client);
    }
    let buffer: String = client
        .query_one(
            "SELECT buffer_table FROM pgtrickle.pgt_cdc_status WHERE source_table = 'public.item'",
            &[],
        )
        .expect("the buffer")
        .get(0);
    assert_eq!(count(&mut client, &buffer), 0, "clean-up ran");
    run(&mut writer, "COMMIT");
    refresh_all(&mut client);
    assert_eq!(count(&mut client, "large WHERE amount = 100"), 2000);
}

/// What the identity has is enough where nothing else is read.
#[test]
fn a_key_as_identity() {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    create(&mut client, "ids", "SELECT id FROM item WHERE id % 2 = 0");
    create(&mut client, "many", "SELECT count(*) AS n FROM item");
    run(
        &mut client,
        "UPDATE item SET id = id + 100 WHERE id < 5; UPDATE item SET amount = 1",
    );
    run(
        &mut client,
        "DELETE FROM item WHERE id = 10; INSERT INTO item VALUES (1000, 'k1', 1, '')",
    );
    refresh(&mut client, "ids", "DIFFERENTIAL");
    run(&mut client, "SELECT pgtrickle.refresh_stream_table('many')");
    law(&mut client, "many");
    let (_, message) = fails(
        &mut client,
        "SELECT pgtrickle.create_stream_table('amounts', 'SELECT id, amount FROM item', '1h', \
         'DIFFERENTIAL', cdc_mode => 'wal')",
    );
    assert!(message.contains("REPLICA IDENTITY FULL"), "{message}");
    run(&mut client, IDENTITY);
    create(&mut client, "amounts", "SELECT id, amount FROM item");
    run(&mut client, "UPDATE item SET amount = 2 WHERE id = 12");
    refresh(&mut client, "amounts", "DIFFERENTIAL");
}

/// Whoever writes: replicas of other servers, and sessions that fire no triggers.
#[test]
fn every_writer() {
    let (_db, mut client) = setup();
    run(
        &mut client,
        "SET session_replication_role = replica; INSERT INTO item VALUES (100, 'k1', 1000, '');
         RESET session_replication_role",
    );
    refresh(&mut client, "large", "DIFFERENTIAL");
    let origin = format!("of_{}", crate::slot(&mut client));
    run(
        &mut client,
        &format!("SELECT pg_replication_origin_create('{origin}')"),
    );
    run(
        &mut client,
        &format!("SELECT pg_replication_origin_session_setup('{origin}')"),
    );
    run(
        &mut client,
        "INSERT INTO item VALUES (101, 'k1', 1001, '');
         UPDATE item SET amount = 1002 WHERE id = 100",
    );
    run(&mut client, "SELECT pg_replication_origin_session_reset()");
    run(
        &mut client,
        &format!("SELECT pg_replication_origin_drop('{origin}')"),
    );
    refresh_all(&mut client);
}

/// What reads a stream table, or itself, over sources that are captured from the WAL.
#[test]
fn chains_and_circles() {
    let db = Database::new();
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE edge (a int, b int); ALTER TABLE edge REPLICA IDENTITY FULL;
         INSERT INTO edge VALUES (1, 2), (2, 3), (5, 6)",
    );
    create(&mut client, "tc", "SELECT a, b FROM edge");
    run(
        &mut client,
        "SET pg_trickle.allow_circular = on;
         SELECT pgtrickle.alter_stream_table('tc', query => 'SELECT a, b FROM edge UNION SELECT x.a, y.b
             FROM tc x JOIN tc y ON y.a = x.b')",
    );
    create(
        &mut client,
        "reach",
        "SELECT a, count(*) AS n FROM tc GROUP BY a",
    );
    run(&mut client, "INSERT INTO edge VALUES (3, 5)");
    refresh(&mut client, "reach", "DIFFERENTIAL");
    let action = harness::last_refresh(&mut client, "tc").action;
    assert_eq!(action, "DIFFERENTIAL");
    assert_eq!(count(&mut client, "tc"), 10);
    run(&mut client, "DELETE FROM edge WHERE a = 2");
    run(
        &mut client,
        "SELECT pgtrickle.refresh_stream_table('reach')",
    );
    law(&mut client, "reach");
    assert_eq!(count(&mut client, "tc"), 4);
}
