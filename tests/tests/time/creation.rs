//! Creation while others write.

use crate::support::*;
use harness::{Database, law, refresh};

/// Writers before, during and after creation: nothing missed, nothing doubled.
#[test]
fn trap_create_during_writes() {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    // A writer that has not committed holds creation up; its rows are in the fill.
    let mut writer = db.connect();
    run(
        &mut writer,
        "BEGIN; INSERT INTO item VALUES (100, 'k1', 100, '')",
    );
    let creating = in_background(
        &db,
        "SELECT pgtrickle.create_stream_table('large',
             'SELECT kind, amount FROM item WHERE amount > 20', '1h', 'DIFFERENTIAL')",
    );
    until_blocked(&mut client);
    run(
        &mut writer,
        "UPDATE item SET amount = 101 WHERE id = 100; COMMIT",
    );
    finish(creating);
    law(&mut client, "large");
    refresh(&mut client, "large", "NO_DATA");
    // Many writers while more stream tables come, which need more columns.
    let writers: Vec<_> = (0..3)
        .map(|worker: i32| {
            let mut own = db.connect();
            std::thread::spawn(move || {
                for i in 0..80 {
                    let id = 1000 + worker * 1000 + i;
                    own.batch_execute(&format!(
                        "INSERT INTO item VALUES ({id}, 'k{}', {i}, 'n{i}');
                         UPDATE item SET note = note || 'x' WHERE id = {};
                         DELETE FROM item WHERE id = {}",
                        i % 6,
                        id - 3,
                        id - 7
                    ))?;
                }
                Ok::<(), postgres::Error>(())
            })
        })
        .collect();
    let queries = [
        ("s1", "SELECT DISTINCT kind FROM item"),
        ("s2", "SELECT note, count(*) AS n FROM item GROUP BY note"),
        ("s3", "SELECT id, kind, note FROM item WHERE amount > 10"),
    ];
    for (name, query) in queries {
        create(&mut client, name, query, "DIFFERENTIAL");
    }
    writers.into_iter().for_each(finish);
    for name in ["large", "s1", "s2", "s3"] {
        run(
            &mut client,
            &format!("SELECT pgtrickle.refresh_stream_table('{name}')"),
        );
        law(&mut client, name);
    }
}

/// Creation, which would need another snapshot, is refused in REPEATABLE READ.
#[test]
fn trap_create_in_old_snapshot() {
    let (_db, mut client) = setup();
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        run(&mut client, &format!("BEGIN ISOLATION LEVEL {level}"));
        let (code, message) = fails(
            &mut client,
            "SELECT pgtrickle.create_stream_table('n', 'SELECT note FROM item', '1h')",
        );
        assert_eq!(code.code(), "25001", "{message}");
        run(&mut client, "ROLLBACK");
    }
}

/// Creation inside a transaction that has written, and rolled back with it.
#[test]
fn create_in_a_transaction() {
    let (_db, mut client) = setup();
    run(
        &mut client,
        "BEGIN; INSERT INTO item VALUES (100, 'k1', 100, 'a');
         SELECT pgtrickle.create_stream_table('n', 'SELECT note, count(*) AS n FROM item GROUP BY note',
             '1h', 'DIFFERENTIAL');
         INSERT INTO item VALUES (101, 'k1', 100, 'b');
         SELECT pgtrickle.refresh_stream_table('n'); COMMIT",
    );
    law(&mut client, "n");
    run(&mut client, "INSERT INTO item VALUES (102, 'k1', 100, 'c')");
    refresh(&mut client, "n", "DIFFERENTIAL");
    run(
        &mut client,
        "BEGIN; SELECT pgtrickle.create_stream_table('m', 'SELECT note FROM item', '1h'); ROLLBACK;
         INSERT INTO item VALUES (103, 'k1', 100, 'd')",
    );
    assert_eq!(
        count(
            &mut client,
            "pgtrickle.pgt_stream_tables WHERE pgt_name = 'm'"
        ),
        0
    );
    refresh(&mut client, "n", "DIFFERENTIAL");
    refresh_all(&mut client);
}
