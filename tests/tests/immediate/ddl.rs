//! Creation, alteration, DDL on sources, dropping, and coming from a dump.

use crate::support::*;
use harness::{law, refresh};

#[test]
fn alter_both_ways_loses_nothing() {
    let (db, mut client) = setup_with(&["totals", "large"]);
    for (mode, change) in [
        (
            "DIFFERENTIAL",
            "UPDATE item SET amount = amount + 1 WHERE id % 2 = 0",
        ),
        ("IMMEDIATE", "DELETE FROM item WHERE id IN (3, 5)"),
        ("FULL", "INSERT INTO item VALUES (100, 'k1', 100, 'new')"),
        ("IMMEDIATE", "UPDATE kind SET label = label || 'x'"),
        ("AUTO", "UPDATE item SET kind = 'k0' WHERE id < 8"),
        ("IMMEDIATE", "UPDATE item SET kind = 'k2' WHERE id < 8"),
    ] {
        // With changes that nobody has refreshed yet.
        run(&mut client, change);
        for name in ["totals", "large"] {
            run(
                &mut client,
                &format!("SELECT pgtrickle.alter_stream_table('{name}', refresh_mode => '{mode}')"),
            );
            law(&mut client, name);
        }
        run(
            &mut client,
            "UPDATE item SET amount = amount * 2 WHERE id % 5 = 0",
        );
        for name in ["totals", "large"] {
            if mode != "IMMEDIATE" {
                refresh(
                    &mut client,
                    name,
                    if mode == "FULL" {
                        "FULL"
                    } else {
                        "DIFFERENTIAL"
                    },
                );
            }
            law(&mut client, name);
        }
    }
    // A writer that has not committed when the mode changes.
    let mut writer = db.connect();
    for mode in ["DIFFERENTIAL", "IMMEDIATE"] {
        run(
            &mut writer,
            "BEGIN; UPDATE item SET amount = amount + 5 WHERE id = 10",
        );
        let altering = in_background(
            db.connect(),
            &format!("SELECT pgtrickle.alter_stream_table('large', refresh_mode => '{mode}')"),
        );
        until_blocked(&mut client);
        run(&mut writer, "DELETE FROM item WHERE id = 11; COMMIT");
        finish(altering);
        run(
            &mut client,
            "SELECT pgtrickle.refresh_stream_table('large')",
        );
        law(&mut client, "large");
        run(&mut writer, "INSERT INTO item VALUES (11, 'k1', 50, '')");
    }
    exact(&mut client, "changing modes");
}

#[test]
fn suspended_and_resumed() {
    let (_db, mut client) = setup_with(&["totals", "large"]);
    run(
        &mut client,
        "SELECT pgtrickle.alter_stream_table('large', status => 'SUSPENDED')",
    );
    run(&mut client, "DELETE FROM item WHERE id > 20");
    assert!(count(&mut client, "pgtrickle.verify('large')") > 0);
    assert_eq!(count(&mut client, "pgtrickle.verify('totals')"), 0);
    then_exact(&mut client, "SELECT pgtrickle.resume_stream_table('large')");
    then_exact(
        &mut client,
        "INSERT INTO item VALUES (100, 'k1', 100, 'new')",
    );
}

/// Created empty, it is kept from its first refresh on.
#[test]
fn not_initialized() {
    let (db, mut client) = setup_with(&[]);
    run(
        &mut client,
        "SELECT pgtrickle.create_stream_table('large', 'SELECT kind, amount FROM item WHERE amount > 10',
             refresh_mode => 'IMMEDIATE', initialize => false)",
    );
    run(
        &mut client,
        "INSERT INTO item VALUES (100, 'k1', 100, 'new')",
    );
    assert_eq!(count(&mut client, "large"), 0);
    let mut writer = db.connect();
    run(
        &mut writer,
        "BEGIN; INSERT INTO item VALUES (101, 'k1', 101, 'new')",
    );
    let filling = in_background(
        db.connect(),
        "SELECT pgtrickle.refresh_stream_table('large')",
    );
    until_blocked(&mut client);
    run(&mut writer, "COMMIT");
    finish(filling);
    exact(&mut client, "the first refresh");
    then_exact(&mut client, "DELETE FROM item WHERE id % 2 = 0");
}

/// Creation waits for those who are writing, and they for it.
#[test]
fn creation_among_writers() {
    let (db, mut client) = setup_with(&[]);
    let mut writer = db.connect();
    run(
        &mut writer,
        "BEGIN; INSERT INTO item VALUES (100, 'k1', 100, 'new')",
    );
    let creating = in_background(
        db.connect(),
        "SELECT pgtrickle.create_stream_table('large', 'SELECT kind, amount FROM item WHERE amount > 10', refresh_mode => 'IMMEDIATE')",
    );
    until_blocked(&mut client);
    run(
        &mut writer,
        "INSERT INTO item VALUES (101, 'k1', 101, 'new'); COMMIT",
    );
    finish(creating);
    exact(&mut client, "creation");
    // In the transaction that has created it.
    then_exact(
        &mut client,
        "BEGIN; SELECT pgtrickle.create_stream_table('own', 'SELECT kind, count(*) AS n FROM item GROUP BY kind', refresh_mode => 'IMMEDIATE');
         DELETE FROM item WHERE id = 3; SAVEPOINT a",
    );
    then_exact(
        &mut client,
        "DELETE FROM item; ROLLBACK TO a; DELETE FROM item WHERE id = 4",
    );
    then_exact(&mut client, "COMMIT");
    then_exact(&mut client, "DELETE FROM item WHERE id = 5");
    // A session that knew the table before.
    run(&mut writer, "DELETE FROM item WHERE id = 6");
    exact(&mut client, "another session");
    then_exact(
        &mut client,
        "BEGIN; SELECT pgtrickle.drop_stream_table('own'); DELETE FROM item WHERE id = 7",
    );
    then_exact(&mut client, "ROLLBACK; DELETE FROM item WHERE id = 8");
    then_exact(
        &mut client,
        "SELECT pgtrickle.drop_stream_table('own'); DELETE FROM item WHERE id = 9",
    );
}

#[test]
fn ddl_on_sources() {
    let (_db, mut client) = setup();
    for sql in [
        "ALTER TABLE item ADD COLUMN more int DEFAULT 3",
        "ALTER TABLE item RENAME COLUMN more TO fewer; ALTER TABLE item DROP COLUMN fewer",
        "UPDATE item SET amount = 9 WHERE id = 9",
        "ALTER TABLE remark RENAME TO saying; INSERT INTO saying VALUES (2, 'renamed');
         ALTER TABLE saying RENAME COLUMN words TO said; UPDATE saying SET said = 'so';
         ALTER TABLE saying RENAME COLUMN said TO words; ALTER TABLE saying RENAME TO remark",
        "CREATE INDEX ON item (kind); ANALYZE item; DELETE FROM item WHERE id = 2",
        "ALTER TABLE lone ADD PRIMARY KEY (k, v); INSERT INTO lone VALUES ('k4', 4)",
        "ALTER TABLE item DROP CONSTRAINT item_pkey CASCADE",
        "INSERT INTO item SELECT * FROM item WHERE id = 4; DELETE FROM item WHERE id = 6",
        "ALTER TABLE item ALTER note TYPE varchar(100); UPDATE item SET amount = 2 WHERE id = 7",
        "ALTER TABLE item DISABLE TRIGGER ALL",
        "UPDATE item SET amount = 3 WHERE id = 8",
        "CREATE TABLE more_items () INHERITS (item); INSERT INTO more_items VALUES (1, 'k1', 4, '')",
        "SET session_replication_role = replica; UPDATE item SET amount = 30 WHERE id = 8; RESET session_replication_role",
    ] {
        then_exact(&mut client, sql);
    }
    // What makes a query impossible is refused, as of a view.
    let (_, message) = fails(&mut client, "ALTER TABLE item DROP COLUMN amount");
    assert!(message.contains("public."), "{message}");
    exact(&mut client, "a refused DDL");
    // The storage is new; so is the type of a column that is read.
    then_exact(&mut client, "ALTER TABLE lone ALTER v TYPE bigint");
    then_exact(&mut client, "INSERT INTO lone VALUES ('k1', 5000000000)");
    then_exact(&mut client, "DROP TABLE item CASCADE");
    assert_eq!(count(&mut client, "pgtrickle.pgt_stream_tables"), 0);
}

/// The scheduler leaves them alone, and they are never stale.
#[test]
fn status() {
    let (_db, mut client) = setup_with(&["large"]);
    run(
        &mut client,
        "DELETE FROM item WHERE id = 20; SELECT pg_sleep(0.1)",
    );
    let row = client
        .query_one(
            "SELECT refresh_mode, status, extract(epoch FROM staleness)::float8, pgtrickle.get_staleness('large')
             FROM pgtrickle.pgt_status()",
            &[],
        )
        .expect("status");
    assert_eq!(row.get::<_, String>(0), "IMMEDIATE");
    assert_eq!(row.get::<_, String>(1), "ACTIVE");
    assert!(row.get::<_, f64>(2) < 0.05 && row.get::<_, f64>(3) < 0.05);
}

/// A writer waits for the turn while somebody changes the mode: nobody is a victim.
#[test]
fn alter_among_waiting_writers() {
    let (db, mut client) = setup_with(&["large"]);
    for mode in ["DIFFERENTIAL", "IMMEDIATE"] {
        let mut first = db.connect();
        run(
            &mut first,
            "BEGIN; UPDATE item SET amount = amount + 1 WHERE id = 12",
        );
        let altering = in_background(
            db.connect(),
            &format!("SELECT pgtrickle.alter_stream_table('large', refresh_mode => '{mode}')"),
        );
        until_blocked(&mut client);
        let second = in_background(
            db.connect(),
            "UPDATE item SET amount = amount + 1 WHERE id = 13",
        );
        std::thread::sleep(std::time::Duration::from_millis(100));
        run(
            &mut first,
            "UPDATE item SET amount = amount + 1 WHERE id = 14; COMMIT",
        );
        finish(altering);
        finish(second);
        run(
            &mut client,
            "SELECT pgtrickle.refresh_stream_table('large')",
        );
        law(&mut client, "large");
    }
    exact(&mut client, "the end");
}

/// What a session keeps, plans above all, follows what others do to everything that they name; and
/// how many rows there are.
#[test]
fn trap_immediate_kept_plans() {
    let (db, mut client) = setup_with(&["totals", "large", "pairs", "extremes"]);
    let mut writer = db.connect();
    let mut round = 0;
    let mut write = |client: &mut postgres::Client, after: &str| {
        round += 1;
        let sql = format!(
            "UPDATE item SET amount = amount + 1 WHERE id % 7 = {};
             INSERT INTO item VALUES ({}, 'k1', {round}, ''); UPDATE kind SET label = label || {round} WHERE kind = 'k2';
             DELETE FROM item WHERE id = {}",
            round % 7,
            1000 + round,
            round
        );
        run(&mut writer, &sql);
        exact(client, after);
    };
    write(&mut client, "the first time");
    write(&mut client, "the second time");
    for ddl in [
        "CREATE INDEX i ON item (kind); ANALYZE item",
        "DROP INDEX i",
        "ALTER TABLE large RENAME TO larger",
        "ALTER TABLE larger RENAME COLUMN amount TO sum",
        "CREATE SCHEMA elsewhere; ALTER TABLE larger SET SCHEMA elsewhere",
        "ALTER SCHEMA elsewhere RENAME TO there",
        "ALTER TABLE item ADD COLUMN more text; ALTER TABLE item DROP COLUMN note; ALTER TABLE item ADD COLUMN note text",
        "SELECT pgtrickle.alter_stream_table('totals', refresh_mode => 'DIFFERENTIAL'); SELECT pgtrickle.alter_stream_table('totals', refresh_mode => 'IMMEDIATE')",
        "SELECT pgtrickle.alter_stream_table('totals', status => 'SUSPENDED'); SELECT pgtrickle.resume_stream_table('totals')",
        "SELECT pgtrickle.create_stream_table('on_top', 'SELECT sum(total) AS s FROM totals', refresh_mode => 'IMMEDIATE')",
        "SELECT pgtrickle.drop_stream_table('on_top')",
        "ALTER TABLE item DROP CONSTRAINT item_pkey CASCADE",
        "SELECT pgtrickle.refresh_stream_table('totals')",
    ] {
        run(&mut client, ddl);
        write(&mut client, ddl);
        write(&mut client, ddl);
    }
    // From one row to many, and back: a plan for one row would take very long.
    run(&mut client, "SELECT pgtrickle.drop_stream_table('pairs')");
    let started = std::time::Instant::now();
    run(
        &mut client,
        "INSERT INTO item (id, kind, amount) VALUES (20000, 'k1', 1);
         INSERT INTO item (id, kind, amount) SELECT i, 'k' || i % 5, i FROM generate_series(20001, 60000) i;
         UPDATE item SET amount = amount + 1 WHERE id > 20000; UPDATE item SET amount = 1 WHERE id = 30000",
    );
    exact(&mut client, "many rows");
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
