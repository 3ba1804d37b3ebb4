//! Writing and refreshing in one transaction.

use crate::support::*;
use harness::{law, refresh};

/// Write, refresh, write, refresh, roll back to a savepoint, refresh, commit.
#[test]
fn trap_own_transaction() {
    let (_db, mut client) = setup();
    let go = |client: &mut postgres::Client| {
        for table in TABLES {
            run(
                client,
                &format!("SELECT pgtrickle.refresh_stream_table('{table}')"),
            );
            let differences = format!("pgtrickle.verify('{table}')");
            assert_eq!(count(client, &differences), 0, "{table}");
        }
    };
    run(&mut client, "BEGIN");
    run(
        &mut client,
        "INSERT INTO item VALUES (100, 'k1', 100, ''), (101, 'new', 101, '')",
    );
    go(&mut client);
    run(
        &mut client,
        "UPDATE item SET amount = amount + 1 WHERE id >= 99",
    );
    go(&mut client);
    run(&mut client, "SAVEPOINT s; DELETE FROM item WHERE id = 100");
    go(&mut client);
    run(&mut client, "INSERT INTO item VALUES (100, 'k2', 7000, '')");
    go(&mut client);
    run(&mut client, "ROLLBACK TO s");
    go(&mut client);
    run(&mut client, "UPDATE item SET kind = 'k3' WHERE id = 101");
    go(&mut client);
    run(&mut client, "COMMIT");
    for table in TABLES {
        law(&mut client, table);
        refresh(&mut client, table, "NO_DATA");
    }
    // A whole transaction rolled back leaves nothing behind.
    run(&mut client, "BEGIN; DELETE FROM item");
    go(&mut client);
    run(&mut client, "ROLLBACK");
    law_of_all(&mut client);
    run(&mut client, "DELETE FROM item WHERE id < 10");
    refresh_all(&mut client);
}

/// Refreshing in the middle of a statement that changes a source.
#[test]
fn trap_mid_statement_refresh() {
    let (_db, mut client) = setup();
    let refused = |client: &mut postgres::Client, sql: &str| {
        let (code, message) = fails(client, sql);
        assert_eq!(code.code(), "55006", "{sql}: {message}");
    };
    refused(
        &mut client,
        "INSERT INTO item SELECT 100, 'k1', 50, pgtrickle.refresh_stream_table('large')::text",
    );
    refused(
        &mut client,
        "WITH w AS (UPDATE item SET amount = 99 RETURNING id)
         SELECT pgtrickle.refresh_stream_table('large') FROM w LIMIT 1",
    );
    run(
        &mut client,
        "CREATE FUNCTION refreshing() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN PERFORM pgtrickle.refresh_stream_table('large'); RETURN NULL; END $$;
         CREATE TRIGGER a_first AFTER INSERT ON item FOR EACH ROW EXECUTE FUNCTION refreshing()",
    );
    refused(&mut client, "INSERT INTO item VALUES (100, 'k1', 50, '')");
    // Through COPY and through a cascade, whose events belong to the statement on the parent.
    run(&mut client, "DROP TRIGGER a_first ON item");
    run(
        &mut client,
        "CREATE TRIGGER a_first AFTER DELETE ON kind FOR EACH ROW EXECUTE FUNCTION refreshing();
         ALTER TABLE item ADD FOREIGN KEY (kind) REFERENCES kind ON DELETE CASCADE",
    );
    refused(&mut client, "DELETE FROM kind WHERE kind = 'k1'");
    run(&mut client, "DROP TRIGGER a_first ON kind");
    // An open cursor on a source, a pending deferred key, and a statement on another table are no
    // reason to refuse.
    run(
        &mut client,
        "CREATE TABLE log (t text);
         INSERT INTO item VALUES (200, 'k1', 50, '');
         INSERT INTO log SELECT pgtrickle.refresh_stream_table('large')::text;
         BEGIN; DECLARE c CURSOR FOR SELECT * FROM item; FETCH 1 FROM c;
         SELECT pgtrickle.refresh_stream_table('large'); COMMIT",
    );
    law(&mut client, "large");
    run(&mut client, "DELETE FROM kind WHERE kind = 'k1'");
    refresh_all(&mut client);
}
