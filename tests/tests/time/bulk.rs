//! Statements of many rows, whose changes are written when they end: what else happens in their
//! transaction must neither lose nor keep any.

use crate::support::*;
use harness::{Database, Server, law, refresh};
use postgres::Client;

/// More rows than are kept before they are written.
const INSERT: &str = "INSERT INTO item SELECT i, 'k' || i % 7, i, repeat('x', i % 50)
    FROM generate_series(1001, 9000) i";

/// Refreshes all within the transaction, and compares.
#[track_caller]
fn exact_within(client: &mut Client) {
    for table in TABLES {
        run(
            client,
            &format!("SELECT pgtrickle.refresh_stream_table('{table}')"),
        );
        let differences = format!("pgtrickle.verify('{table}')");
        assert_eq!(count(client, &differences), 0, "{table}");
    }
}

#[test]
fn bulk_and_savepoints() {
    let (_db, mut client) = setup();
    run(&mut client, "BEGIN");
    run(&mut client, INSERT);
    exact_within(&mut client);
    run(&mut client, "SAVEPOINT a");
    run(&mut client, "UPDATE item SET amount = amount + 1");
    run(&mut client, "SAVEPOINT b");
    run(&mut client, "DELETE FROM item WHERE id % 2 = 0");
    exact_within(&mut client);
    run(&mut client, "ROLLBACK TO b");
    run(&mut client, "UPDATE item SET kind = 'k1' WHERE id % 3 = 0");
    run(&mut client, "RELEASE b");
    exact_within(&mut client);
    run(&mut client, "ROLLBACK TO a");
    exact_within(&mut client);
    run(
        &mut client,
        "UPDATE item SET amount = 0, kind = 'k2' WHERE id % 5 = 0; COMMIT",
    );
    refresh_all(&mut client);
    // A statement that fails in its last row, within a transaction that goes on.
    run(&mut client, "BEGIN; SAVEPOINT a");
    fails(
        &mut client,
        "INSERT INTO item SELECT i, 'k1', i FROM generate_series(19000, 9000, -1) i",
    );
    run(
        &mut client,
        "ROLLBACK TO a; DELETE FROM item WHERE id > 8000; COMMIT",
    );
    refresh_all(&mut client);
}

/// While a statement's changes are pending, triggers begin subtransactions that write to the same
/// source and to another one; some are rolled back.
#[test]
fn bulk_with_triggers_in_subtransactions() {
    let (_db, mut client) = setup();
    // One fires before capture and one after it, for each row.
    run(
        &mut client,
        "CREATE FUNCTION follow() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF pg_trigger_depth() > 1 THEN RETURN NULL; END IF;
             BEGIN
                 INSERT INTO item VALUES (NEW.id + TG_ARGV[0]::int, 'followed', NEW.amount);
                 INSERT INTO kind VALUES (TG_ARGV[0] || NEW.id, 'label ' || NEW.id % 3);
                 BEGIN
                     UPDATE item SET kind = 'inner' WHERE id = NEW.id;
                     UPDATE kind SET label = 'inner' WHERE kind = 'k1';
                     IF NEW.id % 3 = 0 THEN RAISE EXCEPTION 'inner'; END IF;
                 EXCEPTION WHEN raise_exception THEN NULL;
                 END;
                 IF NEW.id % 2 = 0 THEN RAISE EXCEPTION 'outer'; END IF;
             EXCEPTION WHEN raise_exception THEN NULL;
             END;
             RETURN NULL;
         END $$;
         CREATE TRIGGER a_first AFTER INSERT ON item
            FOR EACH ROW EXECUTE FUNCTION follow('1000000');
         CREATE TRIGGER z_last AFTER INSERT ON item
            FOR EACH ROW EXECUTE FUNCTION follow('2000000')",
    );
    run(
        &mut client,
        "INSERT INTO item SELECT i, 'k' || i % 5, i FROM generate_series(1001, 1600) i",
    );
    assert!(count(&mut client, "item WHERE kind = 'inner'") > 0);
    assert!(count(&mut client, "item WHERE kind = 'followed'") > 0);
    refresh_all(&mut client);
    // All of it undone, and done again in the same transaction.
    let again = "INSERT INTO item SELECT i, 'k' || i % 5, i FROM generate_series(2001, 2600) i";
    run(
        &mut client,
        &format!("BEGIN; SAVEPOINT a; {again}; ROLLBACK TO a; {again}; COMMIT"),
    );
    refresh_all(&mut client);
}

/// A statement fails while its triggers fire, when many of its rows are captured: none may stay
/// behind, for the transaction that goes on or for the next.
#[test]
fn bulk_fails_in_a_trigger() {
    let (_db, mut client) = setup();
    run(
        &mut client,
        "CREATE FUNCTION failing() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'enough'; END $$;
         CREATE TRIGGER z_last AFTER INSERT OR UPDATE ON item
            FOR EACH ROW WHEN (NEW.amount = 4321) EXECUTE FUNCTION failing()",
    );
    let unchanged = |client: &mut Client| {
        for table in TABLES {
            refresh(client, table, "NO_DATA");
        }
    };
    fails(&mut client, INSERT);
    unchanged(&mut client);
    run(&mut client, "BEGIN; SAVEPOINT a");
    fails(&mut client, INSERT);
    run(&mut client, "ROLLBACK TO a");
    exact_within(&mut client);
    run(&mut client, "COMMIT");
    unchanged(&mut client);
    run(
        &mut client,
        &format!(
            "DO $$ BEGIN
                 UPDATE item SET amount = amount + 1;
                 BEGIN {INSERT}; EXCEPTION WHEN raise_exception THEN NULL; END;
                 DELETE FROM item WHERE id < 5;
             END $$"
        ),
    );
    refresh_all(&mut client);
    run(&mut client, "INSERT INTO item VALUES (100, 'k1', 100)");
    refresh_all(&mut client);
}

/// A refresh that a trigger asks for in a subtransaction, while rows of the statement around it
/// are pending, is refused; the trigger survives that, and nothing is lost.
#[test]
fn bulk_refuses_refreshes_from_subtransactions() {
    let (_db, mut client) = setup();
    run(
        &mut client,
        "CREATE TABLE seen (code text);
         CREATE FUNCTION trying() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             BEGIN
                 PERFORM pgtrickle.refresh_stream_table('large');
             EXCEPTION WHEN OTHERS THEN INSERT INTO seen VALUES (SQLSTATE);
             END;
             RETURN NULL;
         END $$;
         CREATE TRIGGER z_last AFTER INSERT ON item FOR EACH ROW EXECUTE FUNCTION trying();
         INSERT INTO item SELECT i, 'k1', i FROM generate_series(101, 110) i",
    );
    assert_eq!(count(&mut client, "seen WHERE code = '55006'"), 10);
    refresh_all(&mut client);
}

#[test]
fn bulk_in_functions() {
    let (_db, mut client) = setup();
    run(&mut client, INSERT);
    // Statement after statement, each undone or not; a refresh between them.
    run(
        &mut client,
        "DO $$ BEGIN
             FOR i IN 1..40 LOOP
                 BEGIN
                     UPDATE item SET amount = amount + i WHERE id % 40 = i;
                     DELETE FROM item WHERE id = 1000 + i;
                     IF i % 2 = 0 THEN RAISE EXCEPTION 'undone'; END IF;
                 EXCEPTION WHEN raise_exception THEN NULL;
                 END;
                 IF i % 10 = 5 THEN PERFORM pgtrickle.refresh_stream_table('large'); END IF;
             END LOOP;
         END $$",
    );
    law_after_refresh(&mut client);
    // A function called from a query writes, and then refreshes.
    run(
        &mut client,
        "CREATE FUNCTION writing() RETURNS bigint LANGUAGE sql AS $$
             DELETE FROM item WHERE id BETWEEN 3000 AND 3500;
             UPDATE item SET kind = 'k2' WHERE id BETWEEN 3501 AND 4000;
             SELECT count(*) FROM item
         $$;
         BEGIN; SELECT writing(), pgtrickle.refresh_stream_table('large'); COMMIT",
    );
    law_after_refresh(&mut client);
}

#[track_caller]
fn law_after_refresh(client: &mut Client) {
    for table in TABLES {
        run(
            client,
            &format!("SELECT pgtrickle.refresh_stream_table('{table}')"),
        );
        law(client, table);
    }
}

#[test]
fn bulk_copy_in_a_transaction() {
    use std::io::Write;
    let (_db, mut client) = setup();
    let copy = |client: &mut Client, from: i32| {
        let mut copy = client.copy_in("COPY item FROM STDIN").expect("copying");
        for i in from..from + 4000 {
            writeln!(copy, "{i}\tk{}\t{}\t\\N", i % 7, i % 50).expect("a row");
        }
        copy.finish().expect("copied");
    };
    run(&mut client, "BEGIN");
    copy(&mut client, 10_000);
    // Nothing is left to the statements that follow.
    run(&mut client, "SAVEPOINT a");
    exact_within(&mut client);
    copy(&mut client, 20_000);
    exact_within(&mut client);
    run(&mut client, "ROLLBACK TO a");
    exact_within(&mut client);
    copy(&mut client, 30_000);
    run(&mut client, "COMMIT");
    refresh_all(&mut client);
}

#[test]
fn bulk_cascades() {
    let (_db, mut client) = setup();
    run(&mut client, INSERT);
    run(
        &mut client,
        "INSERT INTO kind SELECT DISTINCT kind, 'new ' || kind FROM item
            ON CONFLICT DO NOTHING;
         ALTER TABLE item ADD FOREIGN KEY (kind) REFERENCES kind
            ON DELETE CASCADE ON UPDATE CASCADE",
    );
    refresh_all(&mut client);
    run(&mut client, "BEGIN");
    run(&mut client, "DELETE FROM kind WHERE kind IN ('k1', 'k2')");
    run(&mut client, "SAVEPOINT a");
    exact_within(&mut client);
    run(&mut client, "UPDATE kind SET kind = 'u' || kind");
    exact_within(&mut client);
    run(&mut client, "ROLLBACK TO a");
    run(
        &mut client,
        "UPDATE kind SET kind = 'v' || kind WHERE kind > 'k3'",
    );
    run(&mut client, "COMMIT");
    refresh_all(&mut client);
    assert_eq!(count(&mut client, "item WHERE kind = 'vk4'"), 1153);
}

#[test]
fn bulk_then_dropped() {
    let (_db, mut client) = setup();
    // One of several readers, then all of them and with them the buffer, and back again.
    run(&mut client, "BEGIN");
    run(&mut client, INSERT);
    run(&mut client, "SELECT pgtrickle.drop_stream_table('kinds')");
    run(&mut client, "DELETE FROM item WHERE id % 3 = 0");
    run(&mut client, "SAVEPOINT a");
    run(
        &mut client,
        "SELECT pgtrickle.drop_stream_table('large'), pgtrickle.drop_stream_table('totals')",
    );
    run(&mut client, "UPDATE item SET amount = 1");
    run(&mut client, "ROLLBACK TO a");
    run(&mut client, "UPDATE item SET amount = 2 WHERE id % 3 = 1");
    run(&mut client, "COMMIT");
    for table in ["large", "totals"] {
        refresh(&mut client, table, "DIFFERENTIAL");
    }
    // Dropped for good in the transaction that wrote.
    run(&mut client, "BEGIN");
    run(&mut client, "UPDATE item SET amount = amount + 1");
    run(
        &mut client,
        "SELECT pgtrickle.drop_stream_table('large'), pgtrickle.drop_stream_table('totals');
         DELETE FROM item WHERE id > 5000; COMMIT",
    );
    create_all(&mut client);
    run(
        &mut client,
        "UPDATE item SET amount = amount + 30, kind = 'k9'",
    );
    refresh_all(&mut client);
}

/// The writing of what is pending fails: a reader of the buffer and its writer depend on each
/// other, and are serializable.
#[test]
fn bulk_fails_in_writing() {
    let (db, mut client) = setup();
    run(
        &mut client,
        "CREATE TABLE other (i int); INSERT INTO item VALUES (100, 'k1', 100)",
    );
    refresh_all(&mut client);
    let mut reader = db.connect();
    let isolated = "BEGIN ISOLATION LEVEL SERIALIZABLE";
    for whole in [true, false] {
        run(&mut reader, isolated);
        run(&mut client, isolated);
        run(&mut client, "TABLE other");
        run(
            &mut reader,
            "SELECT * FROM pgtrickle.change_buffer_sizes(); INSERT INTO other VALUES (1); COMMIT",
        );
        if whole {
            let (code, message) = fails(&mut client, INSERT);
            assert_eq!(code.code(), "40001", "{message}");
        } else {
            // In a subtransaction, whose failure the transaction does not survive either.
            run(&mut client, "SAVEPOINT a");
            let (code, message) = fails(&mut client, INSERT);
            assert_eq!(code.code(), "40001", "{message}");
        }
        run(&mut client, "ROLLBACK");
        for table in TABLES {
            refresh(&mut client, table, "NO_DATA");
        }
        run(&mut client, "DELETE FROM item WHERE id = 1");
        run(&mut client, "INSERT INTO item VALUES (1, 'k1', 100)");
        refresh_all(&mut client);
    }
}

/// A session that loads the library within its first statement cannot see that one end.
#[test]
fn bulk_in_a_session_that_loads_the_library() {
    let server = Server::private("unloaded", "shared_preload_libraries = ''");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    create_all(&mut client);
    let mut fresh = db.connect();
    run(&mut fresh, "BEGIN");
    run(&mut fresh, INSERT);
    run(&mut fresh, "SAVEPOINT a");
    exact_within(&mut fresh);
    run(&mut fresh, "DELETE FROM item WHERE id % 2 = 0");
    run(&mut fresh, "ROLLBACK TO a");
    exact_within(&mut fresh);
    run(&mut fresh, "COMMIT");
    law_of_all(&mut client);
}
