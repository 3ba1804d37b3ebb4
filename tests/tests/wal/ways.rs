//! Going over from triggers to the WAL, and back.

use crate::support::{count, create_all, run};
use crate::{IDENTITY, setup};
use harness::{Database, law, refresh};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn ways(client: &mut postgres::Client) -> Vec<String> {
    let rows = client.query(
        "SELECT source_table || ' ' || cdc_mode FROM pgtrickle.pgt_cdc_status ORDER BY 1",
        &[],
    );
    rows.expect("ways").iter().map(|row| row.get(0)).collect()
}

#[track_caller]
fn alter(client: &mut postgres::Client, name: &str, way: &str) {
    run(
        client,
        &format!("SELECT pgtrickle.alter_stream_table('{name}', cdc_mode => '{way}')"),
    );
}

#[test]
fn nothing_is_lost_or_rebuilt() {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, crate::support::SCHEMA);
    run(&mut client, IDENTITY);
    create_all(&mut client);
    run(&mut client, "INSERT INTO item VALUES (100, 'k1', 100, '')");
    alter(&mut client, "large", "wal");
    assert_eq!(
        ways(&mut client),
        ["public.item wal", "public.kind trigger"]
    );
    let triggers = "pg_trigger WHERE tgname = 'pgt_capture_row'";
    assert_eq!(count(&mut client, triggers), 1);
    run(&mut client, "INSERT INTO item VALUES (101, 'k1', 101, '')");
    // Rows that triggers have written, and such from the WAL.
    for name in ["large", "totals", "kinds"] {
        client
            .execute("SELECT pgtrickle.refresh_stream_table($1)", &[&name])
            .expect("refreshed");
        law(&mut client, name);
    }
    assert_eq!(
        harness::last_refresh(&mut client, "totals").action,
        "DIFFERENTIAL"
    );
    run(&mut client, "UPDATE item SET amount = 102 WHERE id = 100");
    alter(&mut client, "large", "trigger");
    assert_eq!(
        ways(&mut client),
        ["public.item trigger", "public.kind trigger"]
    );
    run(
        &mut client,
        "DELETE FROM item WHERE id = 101; INSERT INTO item VALUES (103, 'k1', 103, '')",
    );
    refresh(&mut client, "large", "DIFFERENTIAL");
    refresh(&mut client, "totals", "DIFFERENTIAL");
    alter(&mut client, "large", "wal");
    run(&mut client, "DELETE FROM item WHERE id = 103");
    refresh(&mut client, "large", "DIFFERENTIAL");
    // The last one that asks for the WAL goes, and it stays.
    run(&mut client, "SELECT pgtrickle.drop_stream_table('large')");
    run(&mut client, "UPDATE item SET amount = 1 WHERE id = 100");
    refresh(&mut client, "totals", "DIFFERENTIAL");
    assert_eq!(
        ways(&mut client),
        ["public.item wal", "public.kind trigger"]
    );
}

/// The setting is for those who say nothing.
#[test]
fn the_setting() {
    let (_db, mut client) = setup();
    run(
        &mut client,
        "CREATE TABLE plain (id int); CREATE TABLE whole (id int); ALTER TABLE whole REPLICA IDENTITY FULL",
    );
    run(
        &mut client,
        "SELECT pgtrickle.create_stream_table('a', 'SELECT id FROM plain', '1h')",
    );
    run(&mut client, "SET pg_trickle.cdc_mode = 'wal'");
    run(
        &mut client,
        "SELECT pgtrickle.create_stream_table('b', 'SELECT id FROM whole', '1h')",
    );
    run(
        &mut client,
        "SELECT pgtrickle.create_stream_table('c', 'SELECT id + 1 AS id FROM plain', '1h', cdc_mode => 'trigger')",
    );
    assert_eq!(
        ways(&mut client),
        [
            "public.item wal",
            "public.kind wal",
            "public.plain trigger",
            "public.whole wal"
        ]
    );
}

/// Over and back while others write and refresh.
#[test]
fn under_writers() {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, crate::support::SCHEMA);
    run(&mut client, IDENTITY);
    create_all(&mut client);
    let stop = Arc::new(AtomicBool::new(false));
    let others: Vec<_> = (0..3)
        .map(|worker| {
            let mut own = db.connect();
            let stop = stop.clone();
            std::thread::spawn(move || {
                let mut i = 0;
                while !stop.load(Ordering::Relaxed) {
                    let id = 1000 + worker * 100_000 + i;
                    let sql = match worker {
                        2 => "SELECT pgtrickle.refresh_stream_table('totals')".to_string(),
                        _ => format!(
                            "INSERT INTO item VALUES ({id}, 'k{}', {i}, '');
                             UPDATE item SET amount = amount + 1 WHERE id = {id} - 5;
                             DELETE FROM item WHERE id = {id} - 20",
                            i % 6
                        ),
                    };
                    own.batch_execute(&sql)
                        .unwrap_or_else(|e| panic!("{sql}: {}", harness::law::describe(&e)));
                    i += 1;
                }
                i
            })
        })
        .collect();
    for round in 0..10 {
        std::thread::sleep(Duration::from_millis(100));
        alter(&mut client, "large", ["wal", "trigger"][round % 2]);
        run(
            &mut client,
            "SELECT pgtrickle.refresh_stream_table('large')",
        );
        let action = harness::last_refresh(&mut client, "large").action;
        assert!(
            ["DIFFERENTIAL", "NO_DATA"].contains(&action.as_str()),
            "{action}"
        );
    }
    stop.store(true, Ordering::Relaxed);
    for other in others {
        assert!(other.join().expect("no error") > 0);
    }
    for name in ["large", "totals", "kinds"] {
        run(
            &mut client,
            &format!("SELECT pgtrickle.refresh_stream_table('{name}')"),
        );
        law(&mut client, name);
    }
    let rebuilt = count(
        &mut client,
        "pgtrickle.pgt_refresh_history WHERE action NOT IN ('DIFFERENTIAL', 'NO_DATA') AND initiated_by <> 'INITIAL'",
    );
    assert_eq!(rebuilt, 0);
}
