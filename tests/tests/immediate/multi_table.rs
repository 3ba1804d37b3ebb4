//! Statements that change several sources.

use crate::support::*;

/// Foreign keys that cascade, data-modifying WITH, user triggers that write to sources.
#[test]
fn trap_immediate_multi_table() {
    let (_db, mut client) = setup();
    for sql in [
        // Cascades over two levels, and set to NULL.
        "DELETE FROM kind WHERE kind = 'k1'",
        "UPDATE kind SET kind = 'renamed' WHERE kind = 'k2'",
        "UPDATE kind SET kind = kind || 'x', label = label || 'y'",
        "UPDATE item SET id = id + 500 WHERE kind = 'k3x'",
        "WITH k AS (INSERT INTO kind VALUES ('w1', 'with') RETURNING kind),
              i AS (INSERT INTO item SELECT 900 + x, 'k4x', x, '' FROM generate_series(1, 3) x RETURNING id),
              d AS (DELETE FROM remark WHERE item < 20 RETURNING item)
         UPDATE lone SET v = v + (SELECT count(*) FROM d) + (SELECT count(*) FROM i), k = (SELECT kind FROM k)
         WHERE v < 4",
        "WITH gone AS (DELETE FROM item WHERE id % 2 = 0 RETURNING *)
         INSERT INTO remark SELECT NULL, note || kind FROM gone",
        "WITH moved AS (DELETE FROM kind WHERE kind = 'w1' RETURNING *) SELECT * FROM moved",
    ] {
        then_exact(&mut client, sql);
    }
    assert_eq!(rebuilds(&mut client), 0);
}

#[test]
fn user_triggers_that_write_to_sources() {
    let (_db, mut client) = setup();
    run(
        &mut client,
        "CREATE TABLE seen (what text, n bigint);
         CREATE FUNCTION follow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO lone VALUES (COALESCE(NEW.kind, OLD.kind), 50);
             IF TG_OP = 'INSERT' AND NEW.id < 3000 THEN
                 INSERT INTO item VALUES (NEW.id + 1000, NEW.kind, 1, 'by the trigger');
             END IF;
             IF TG_OP = 'DELETE' THEN
                 DELETE FROM kind WHERE kind = OLD.kind AND NOT EXISTS (SELECT FROM item WHERE kind = OLD.kind);
             END IF;
             RETURN NULL; END $$;
         CREATE TRIGGER follow AFTER INSERT OR UPDATE OR DELETE ON item FOR EACH ROW EXECUTE FUNCTION follow();
         CREATE FUNCTION before() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             UPDATE remark SET words = words || '!' WHERE item = NEW.id;
             UPDATE kind SET label = label || '+' WHERE kind = NEW.kind;
             NEW.amount := NEW.amount + 1;
             RETURN NEW; END $$;
         CREATE TRIGGER before BEFORE INSERT OR UPDATE ON item FOR EACH ROW EXECUTE FUNCTION before();
         CREATE FUNCTION deferred() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO item VALUES (5000 + NEW.v, NULL, NEW.v, 'late') ON CONFLICT DO NOTHING;
             INSERT INTO seen SELECT 'kinds', count(*) FROM kinds; RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER late AFTER INSERT ON lone DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION deferred();
         -- In a subtransaction of its own, some of which are rolled back.
         CREATE FUNCTION within() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             BEGIN
                 INSERT INTO remark VALUES (NULL, 'within ' || NEW.words);
                 IF NEW.words LIKE '%no%' THEN RAISE division_by_zero; END IF;
             EXCEPTION WHEN division_by_zero THEN NULL; END;
             RETURN NULL; END $$;
         CREATE TRIGGER within AFTER INSERT ON remark FOR EACH ROW WHEN (NEW.item IS NOT NULL)
             EXECUTE FUNCTION within()",
    );
    for sql in [
        "INSERT INTO item VALUES (2000, 'k1', 5, '')",
        "UPDATE item SET amount = amount * 2 WHERE id < 10",
        "DELETE FROM item WHERE kind = 'k2'",
        "UPDATE kind SET kind = 'other' WHERE kind = 'k3'",
        "BEGIN",
        "INSERT INTO lone VALUES ('k1', 60), ('k1', 61)",
        "SET CONSTRAINTS ALL IMMEDIATE",
        "INSERT INTO lone VALUES ('k1', 62)",
        "SET CONSTRAINTS ALL DEFERRED; INSERT INTO lone VALUES ('k1', 63)",
        "COMMIT",
        "INSERT INTO remark SELECT id, CASE WHEN id % 3 = 0 THEN 'no' ELSE 'yes' END FROM item WHERE id < 12",
        "DO $$ BEGIN
             BEGIN DELETE FROM kind; RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END;
             DELETE FROM kind WHERE kind = 'k0';
         END $$",
    ] {
        then_exact(&mut client, sql);
    }
    assert_eq!(rebuilds(&mut client), 0);
    assert!(count(&mut client, "item WHERE note = 'late'") > 3);
}

/// A statement within another one is exact at its own end, if the one around it changes none of
/// what the stream table reads.
#[test]
fn within_another_statement() {
    let (_db, mut client) = setup_with(&["large"]);
    create(
        &mut client,
        "lonely",
        "SELECT k, sum(v) AS s FROM lone GROUP BY k",
    );
    run(
        &mut client,
        "CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO lone VALUES ('seen', 1);
             IF (SELECT s FROM lonely WHERE k = 'seen') <> (SELECT count(*) FROM lone WHERE k = 'seen') THEN
                 RAISE 'not yet'; END IF;
             RETURN NULL; END $$;
         CREATE TRIGGER look AFTER INSERT ON item FOR EACH ROW EXECUTE FUNCTION look();
         CREATE TABLE log (n bigint)",
    );
    then_exact(
        &mut client,
        "INSERT INTO item SELECT 600 + i, 'k1', 50, '' FROM generate_series(1, 3) i",
    );
    // A query that writes elsewhere what a function does here.
    run(
        &mut client,
        "CREATE FUNCTION inserted(i int) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO item VALUES (700 + i, 'k1', 60, '');
             RETURN (SELECT count(*) FROM large WHERE amount = 60); END $$",
    );
    then_exact(
        &mut client,
        "INSERT INTO log SELECT inserted(i) FROM generate_series(1, 4) i",
    );
    assert_eq!(count(&mut client, "(SELECT DISTINCT n FROM log) AS n"), 4);
}

/// The same cascade reaches one table at two depths.
#[test]
fn cascades_of_different_depth() {
    let db = harness::Database::new();
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE p (id int PRIMARY KEY);
         CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE);
         CREATE TABLE d (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE);
         CREATE TABLE d2 (id int PRIMARY KEY, d int REFERENCES d ON DELETE CASCADE);
         CREATE TABLE e (id int PRIMARY KEY, c int REFERENCES c ON DELETE CASCADE, d2 int REFERENCES d2 ON DELETE SET NULL,
             e int REFERENCES e ON DELETE CASCADE);
         INSERT INTO p SELECT generate_series(1, 5); INSERT INTO c SELECT i, i % 5 + 1 FROM generate_series(1, 20) i;
         INSERT INTO d SELECT i, i % 5 + 1 FROM generate_series(1, 20) i; INSERT INTO d2 SELECT i, i FROM generate_series(1, 20) i;
         INSERT INTO e SELECT i, i, 21 - i, NULLIF(i / 2, 0) FROM generate_series(1, 20) i",
    );
    create(
        &mut client,
        "ce",
        "SELECT c.p, count(*) AS n, sum(e.id) AS s FROM c JOIN e ON e.c = c.id GROUP BY c.p",
    );
    create(
        &mut client,
        "de",
        "SELECT d2.d, e.id, e.c FROM d2 FULL JOIN e ON e.d2 = d2.id",
    );
    create(
        &mut client,
        "ee",
        "SELECT a.id, b.id AS of FROM e a LEFT JOIN e b ON a.e = b.id",
    );
    for sql in [
        "DELETE FROM p WHERE id = 1",
        "DELETE FROM e WHERE id = 3",
        "WITH x AS (DELETE FROM d WHERE id = 9) DELETE FROM p WHERE id IN (2, 3)",
        "DELETE FROM p",
    ] {
        then_exact(&mut client, sql);
    }
    assert_eq!(rebuilds(&mut client), 0);
}
