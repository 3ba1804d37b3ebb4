//! DDL on sources, while changes of before have not been read yet.

use crate::support::{count, fails, run};
use crate::{create, setup, setup_on};
use harness::{Server, law, refresh};

#[test]
fn columns() {
    let (_db, mut client) = setup();
    // Rows of the narrower time, then of the wider one, in one batch.
    run(&mut client, "INSERT INTO item VALUES (100, 'k1', 30, 'n')");
    run(
        &mut client,
        "ALTER TABLE item ADD COLUMN extra int DEFAULT 7",
    );
    run(
        &mut client,
        "INSERT INTO item VALUES (101, 'k1', 31, 'n', 8); UPDATE item SET amount = 32 WHERE id = 1",
    );
    refresh(&mut client, "large", "DIFFERENTIAL");
    refresh(&mut client, "totals", "DIFFERENTIAL");
    run(&mut client, "UPDATE item SET extra = 9 WHERE id = 2");
    create(&mut client, "extras", "SELECT id, extra FROM item");
    run(
        &mut client,
        "UPDATE item SET extra = extra + 1 WHERE id IN (1, 2, 101)",
    );
    run(&mut client, "DELETE FROM item WHERE id = 3");
    refresh(&mut client, "extras", "DIFFERENTIAL");
    // Names do not matter.
    run(&mut client, "UPDATE item SET amount = 90 WHERE id = 4");
    run(
        &mut client,
        "ALTER TABLE item RENAME amount TO sum; ALTER TABLE item RENAME TO things",
    );
    run(&mut client, "UPDATE things SET sum = 91 WHERE id = 5");
    refresh_by_name(&mut client, "large");
    run(
        &mut client,
        "ALTER TABLE things RENAME TO item; ALTER TABLE item RENAME sum TO amount",
    );
    // A column that somebody reads gets another type.
    run(
        &mut client,
        "UPDATE item SET amount = 92, extra = 1 WHERE id = 6",
    );
    run(&mut client, "ALTER TABLE item ALTER extra TYPE text");
    run(
        &mut client,
        "UPDATE item SET amount = 93, extra = 'x' WHERE id = 7",
    );
    refresh(&mut client, "large", "DIFFERENTIAL");
    run(
        &mut client,
        "UPDATE item SET note = 'dropped soon', amount = 94 WHERE id = 8",
    );
    run(&mut client, "ALTER TABLE item DROP COLUMN note");
    run(&mut client, "UPDATE item SET amount = 95 WHERE id = 9");
    refresh(&mut client, "large", "DIFFERENTIAL");
    refresh(&mut client, "totals", "DIFFERENTIAL");
    // And a rewrite.
    run(&mut client, "UPDATE item SET amount = 96 WHERE id = 10");
    run(&mut client, "VACUUM FULL item");
    run(&mut client, "UPDATE item SET amount = 97 WHERE id = 11");
    refresh(&mut client, "large", "DIFFERENTIAL");
}

/// The query still has the column's old name, so that the law cannot be asked.
fn refresh_by_name(client: &mut postgres::Client, name: &str) {
    run(
        client,
        &format!("SELECT pgtrickle.refresh_stream_table('{name}')"),
    );
    assert_eq!(harness::last_refresh(client, name).action, "DIFFERENTIAL");
    assert_eq!(count(client, &format!("pgtrickle.verify('{name}')")), 0);
}

#[test]
fn the_identity_is_taken_away() {
    let (_db, mut client) = setup();
    run(&mut client, "ALTER TABLE item REPLICA IDENTITY DEFAULT");
    let wrong: String = client
        .query_one(
            "SELECT alert FROM pgtrickle.check_cdc_health() WHERE source_table = 'public.item'",
            &[],
        )
        .expect("health")
        .get(0);
    assert!(wrong.contains("REPLICA IDENTITY FULL"), "{wrong}");
    assert_eq!(
        count(
            &mut client,
            "pgtrickle.health_check() WHERE severity = 'ERROR' AND check_name = 'wal_capture'"
        ),
        1
    );
    run(&mut client, "UPDATE item SET amount = 1 WHERE id = 1");
    let (_, message) = fails(
        &mut client,
        "SELECT pgtrickle.refresh_stream_table('large')",
    );
    assert!(message.contains("REPLICA IDENTITY FULL"), "{message}");
    run(&mut client, "ALTER TABLE item REPLICA IDENTITY FULL");
    refresh(&mut client, "large", "REINITIALIZE");
    run(&mut client, "UPDATE item SET amount = 100 WHERE id = 1");
    refresh(&mut client, "large", "DIFFERENTIAL");
    // Where nobody was told, the WAL tells.
    refresh(&mut client, "totals", "REINITIALIZE");
    run(
        &mut client,
        "SET event_triggers = off; ALTER TABLE item REPLICA IDENTITY NOTHING;
         UPDATE item SET amount = 50 WHERE id = 2; DELETE FROM item WHERE id = 40;
         ALTER TABLE item REPLICA IDENTITY FULL; RESET event_triggers",
    );
    refresh(&mut client, "large", "REINITIALIZE");
}

#[test]
fn unlogged() {
    let (_db, mut client) = setup();
    run(&mut client, "ALTER TABLE item SET UNLOGGED");
    let (_, message) = fails(
        &mut client,
        "SELECT pgtrickle.refresh_stream_table('large')",
    );
    assert!(message.contains("not logged"), "{message}");
    run(
        &mut client,
        "UPDATE item SET amount = 100 WHERE id = 1; ALTER TABLE item SET LOGGED",
    );
    refresh(&mut client, "large", "REINITIALIZE");
}

/// The slot goes with the last reader, and with the extension.
#[test]
fn nobody_reads_any_more() {
    let server = Server::private(
        "walgone",
        "pg_trickle.enabled = on\npg_trickle.scheduler_interval_ms = 100",
    );
    let (_db, mut client) = setup_on(&server);
    assert_eq!(count(&mut client, "pg_replication_slots"), 1);
    run(
        &mut client,
        "SELECT pgtrickle.drop_stream_table('large'); SELECT pgtrickle.drop_stream_table('totals');
         SELECT pgtrickle.drop_stream_table('kinds')",
    );
    let triggers = "pg_trigger WHERE tgname LIKE 'pgt_capture%'";
    assert_eq!(count(&mut client, triggers), 0);
    no_slots(&mut client);
    create(
        &mut client,
        "large",
        "SELECT kind, amount FROM item WHERE amount > 20",
    );
    law(&mut client, "large");
    assert_eq!(count(&mut client, "pg_replication_slots"), 1);
    run(&mut client, "DROP EXTENSION pg_trickle CASCADE");
    no_slots(&mut client);
}

fn no_slots(client: &mut postgres::Client) {
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while count(client, "pg_replication_slots") > 0 {
        assert!(std::time::Instant::now() < limit, "the slot stays");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
