//! One source at a time, by every kind of statement.

use crate::support::*;
use std::io::Write;

#[test]
fn every_kind_of_statement() {
    let (_db, mut client) = setup();
    exact(&mut client, "creation");
    for sql in [
        "INSERT INTO item VALUES (100, 'k1', 100, 'new'), (101, NULL, NULL, NULL), (102, 'k4', 1.50, 'x')",
        "UPDATE item SET amount = amount + 1 WHERE id % 3 = 0",
        "UPDATE item SET kind = 'k2', amount = NULL WHERE id = 7",
        // Moves keys; several rows change places.
        "UPDATE item SET id = id + 1000 WHERE id < 5",
        "UPDATE item SET id = CASE id WHEN 1001 THEN 1 ELSE id END",
        "DELETE FROM item WHERE id % 4 = 1",
        "INSERT INTO item SELECT i, 'k' || i % 3, i, 'c' FROM generate_series(5, 12) i
             ON CONFLICT (id) DO UPDATE SET amount = item.amount * 2, note = EXCLUDED.note",
        "INSERT INTO item VALUES (6, 'k0', 0, '') ON CONFLICT DO NOTHING",
        "MERGE INTO item USING (SELECT generate_series(8, 40) AS id) s ON item.id = s.id
             WHEN MATCHED AND item.id % 2 = 0 THEN DELETE
             WHEN MATCHED THEN UPDATE SET amount = 5, kind = 'k3'
             WHEN NOT MATCHED AND s.id > 35 THEN INSERT VALUES (s.id, 'k1', s.id, 'merged')",
        "INSERT INTO lone VALUES ('k3', 1); INSERT INTO remark VALUES (100, 'r'), (NULL, 'nobody')",
        "UPDATE kind SET label = label || '!' WHERE kind IN ('k1', 'k2')",
        "DELETE FROM lone WHERE v % 2 = 0",
        "TRUNCATE remark",
        "INSERT INTO remark SELECT id, 'again' FROM item WHERE id % 2 = 0",
        "TRUNCATE item CASCADE",
        "INSERT INTO item SELECT i, 'k' || i % 5, i, 'note' FROM generate_series(1, 20) i",
        "DELETE FROM item",
    ] {
        then_exact(&mut client, sql);
    }
}

/// Only TRUNCATE makes anything anew.
#[test]
fn by_the_changes_alone() {
    let (_db, mut client) = setup();
    for sql in [
        "INSERT INTO item VALUES (100, 'k1', 100, 'new')",
        "UPDATE item SET amount = 3 WHERE kind = 'k1'; DELETE FROM kind WHERE kind = 'k2'",
        "BEGIN; DELETE FROM item; SAVEPOINT a; INSERT INTO lone VALUES ('k1', 3); ROLLBACK TO a; COMMIT",
    ] {
        then_exact(&mut client, sql);
    }
    assert_eq!(rebuilds(&mut client), 0);
    then_exact(&mut client, "TRUNCATE lone");
    assert_eq!(rebuilds(&mut client), 1);
}

#[test]
fn copy() {
    let (_db, mut client) = setup();
    let mut copy = client
        .copy_in("COPY item (id, kind, amount) FROM STDIN")
        .expect("COPY begins");
    for id in 200..260 {
        writeln!(copy, "{id}\tk{}\t{}.50", id % 5, id % 9).expect("a row");
    }
    assert_eq!(copy.finish().expect("COPY ends"), 60);
    exact(&mut client, "COPY");
    // From within a transaction, by a program's rows, to a file and back.
    then_exact(
        &mut client,
        "BEGIN; COPY (DELETE FROM item WHERE id % 2 = 0 RETURNING id) TO '/dev/null'",
    );
    then_exact(&mut client, "ROLLBACK");
}

/// Read what was written, statement by statement, and back to what it was.
#[test]
fn savepoints() {
    let (_db, mut client) = setup();
    for sql in [
        "BEGIN",
        "INSERT INTO item VALUES (100, 'k1', 100, 'new')",
        "SAVEPOINT a",
        "DELETE FROM kind WHERE kind = 'k1'",
        "SAVEPOINT b",
        "UPDATE item SET amount = amount * 2",
        "RELEASE b",
        "TRUNCATE lone",
        "ROLLBACK TO a",
        "UPDATE item SET kind = 'k3' WHERE id < 10",
        "SAVEPOINT c",
        "UPDATE item SET amount = 0 WHERE id > 20",
        "RELEASE c",
        "ROLLBACK TO a",
        "DELETE FROM item WHERE id % 2 = 1",
        "COMMIT",
        "BEGIN",
        "TRUNCATE item CASCADE",
        "INSERT INTO item VALUES (1, 'k1', 1, '')",
        "ROLLBACK",
    ] {
        then_exact(&mut client, sql);
    }
}

/// Functions, DO, procedures, rules, cursors: statements within statements.
#[test]
fn within_functions() {
    let (_db, mut client) = setup();
    run(
        &mut client,
        "CREATE FUNCTION total(which text) RETURNS numeric LANGUAGE sql
             AS $$ SELECT total FROM totals WHERE label = 'label ' || which $$;
         CREATE FUNCTION add(amount numeric) RETURNS numeric LANGUAGE plpgsql AS $$
             DECLARE before numeric := total('1'); now numeric; BEGIN
                 INSERT INTO item VALUES ((SELECT max(id) + 1 FROM item), 'k1', amount, 'added');
                 now := total('1');
                 IF now IS DISTINCT FROM before + amount THEN
                     RAISE 'before %, now %', before, now;
                 END IF;
                 BEGIN
                     DELETE FROM item WHERE kind = 'k1';
                     IF total('1') IS NOT NULL THEN RAISE 'still %', total('1'); END IF;
                     RAISE division_by_zero;
                 EXCEPTION WHEN division_by_zero THEN
                     IF total('1') IS DISTINCT FROM now THEN RAISE 'not %', now; END IF;
                 END;
                 RETURN now;
             END $$;
         CREATE PROCEDURE steps() LANGUAGE plpgsql AS $$ BEGIN
             FOR i IN 1..3 LOOP
                 UPDATE item SET amount = amount + i WHERE id % 3 = i - 1;
                 IF (SELECT sum(total) FROM totals) <> (SELECT sum(amount) FROM item WHERE kind IS NOT NULL)
                 THEN RAISE 'at %', i; END IF;
                 COMMIT;
             END LOOP; END $$;
         CREATE VIEW shown AS SELECT id, kind, amount FROM item;
         CREATE RULE also AS ON INSERT TO lone DO ALSO INSERT INTO item VALUES (NEW.v + 5000, NEW.k, 1, 'rule')",
    );
    for sql in [
        "SELECT add(5)",
        "SELECT add(x) FROM generate_series(1, 3) x",
        "DO $$ BEGIN PERFORM add(7); UPDATE item SET amount = 1 WHERE id = 2; PERFORM add(8); END $$",
        "CALL steps()",
        "INSERT INTO shown VALUES (300, 'k2', 3)",
        "UPDATE shown SET amount = amount + 1 WHERE kind = 'k2'",
        "INSERT INTO lone VALUES ('k2', 77)",
        "PREPARE p AS UPDATE item SET amount = amount + $1 WHERE id = $2; EXECUTE p (1, 3); EXECUTE p (2, 4)",
        "BEGIN; DECLARE c CURSOR FOR SELECT id FROM item WHERE kind = 'k3' FOR UPDATE; FETCH 2 FROM c",
        "UPDATE item SET amount = 77 WHERE CURRENT OF c",
        "DELETE FROM item WHERE CURRENT OF c; COMMIT",
        "EXPLAIN ANALYZE UPDATE item SET amount = amount + 1 WHERE kind = 'k4'",
        "CREATE TABLE copied AS SELECT add(1) AS a",
    ] {
        then_exact(&mut client, sql);
    }
}

/// A statement that changes no row, or no column that matters, does nothing.
#[test]
fn nothing_to_do() {
    let (_db, mut client) = setup_with(&["totals", "large"]);
    run(&mut client, "INSERT INTO item VALUES (100, 'k1', 1, '')");
    let versions = "SELECT string_agg(concat_ws('/', tableoid, ctid, xmin), ',') FROM (SELECT tableoid, ctid, \
         xmin FROM totals UNION ALL SELECT tableoid, ctid, xmin FROM large UNION ALL SELECT tableoid, \
         ctid, xmin FROM pgtrickle.pgt_turns ORDER BY 1, 2) AS t";
    let before: String = client.query_one(versions, &[]).expect("rows").get(0);
    run(
        &mut client,
        "UPDATE item SET amount = 3 WHERE id = -1; UPDATE item SET note = 'other';
         UPDATE item SET amount = amount; INSERT INTO item SELECT * FROM item WHERE false;
         DELETE FROM kind WHERE kind = 'none'",
    );
    let after: String = client.query_one(versions, &[]).expect("rows").get(0);
    assert_eq!(before, after);
}

#[test]
fn partitions_and_children() {
    let db = harness::Database::new();
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE part (gone int, id int, kind text, amount int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
         ALTER TABLE part DROP COLUMN gone;
         CREATE TABLE low PARTITION OF part FOR VALUES FROM (MINVALUE) TO (100);
         CREATE TABLE middle (amount int, id int NOT NULL, kind text) PARTITION BY HASH (id);
         CREATE TABLE middle0 PARTITION OF middle FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE TABLE middle1 (kind text, id int NOT NULL, amount int);
         ALTER TABLE middle ATTACH PARTITION middle1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
         ALTER TABLE part ATTACH PARTITION middle FOR VALUES FROM (100) TO (200);
         CREATE TABLE parent (id int, v int); CREATE TABLE child (w int) INHERITS (parent);
         INSERT INTO part (id, kind, amount) SELECT i, 'k' || i % 5, i % 7 FROM generate_series(1, 199) i;
         INSERT INTO parent VALUES (1, 1); INSERT INTO child VALUES (2, 2, 2)",
    );
    create(
        &mut client,
        "sums",
        "SELECT kind, count(*) AS n, sum(amount) AS s FROM part GROUP BY kind",
    );
    create(&mut client, "leaf", "SELECT DISTINCT kind FROM middle1");
    create(
        &mut client,
        "joined",
        "SELECT p.id, m.amount FROM part p JOIN middle m ON m.id = p.id + 1",
    );
    create(
        &mut client,
        "family",
        "SELECT id, v FROM parent WHERE v > 0",
    );
    for sql in [
        "INSERT INTO part (id, kind, amount) SELECT i, 'new', i FROM generate_series(-20, 0) i",
        // Between partitions, and from one level to another.
        "UPDATE part SET id = id + 1000 - 1000 WHERE id % 3 = 0",
        "UPDATE part SET id = id - 200 WHERE id BETWEEN 110 AND 130",
        "UPDATE part SET id = -300 - id WHERE id IN (151, 152, 199)",
        "UPDATE middle1 SET amount = 100; INSERT INTO low VALUES (-1000, 'direct', 5)",
        "DELETE FROM middle0; DELETE FROM part WHERE id % 4 = 1; UPDATE middle SET kind = 'k2'",
        "MERGE INTO part p USING (SELECT generate_series(90, 110) AS id) s ON p.id = s.id
             WHEN MATCHED AND p.id % 3 = 0 THEN UPDATE SET id = p.id + 50, amount = 9
             WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, kind, amount) VALUES (s.id, 'k3', 4)",
        "TRUNCATE middle1",
        "INSERT INTO middle (id, kind, amount) SELECT i, 'm', 1 FROM generate_series(160, 199) i ON CONFLICT DO NOTHING",
        "CREATE TABLE high PARTITION OF part FOR VALUES FROM (200) TO (300)",
        "INSERT INTO part (id, kind, amount) VALUES (250, 'k1', 3)",
        "CREATE TABLE loose (kind text, id int NOT NULL PRIMARY KEY, amount int); INSERT INTO loose VALUES ('l', 350, 7)",
        "ALTER TABLE part ATTACH PARTITION loose FOR VALUES FROM (300) TO (400)",
        "UPDATE loose SET amount = 8; UPDATE part SET id = 351 WHERE id = 250",
        "ALTER TABLE part DETACH PARTITION high; INSERT INTO high (id, kind, amount) VALUES (260, 'gone', 1)",
        "DROP TABLE low",
        "UPDATE parent SET v = v + 1; INSERT INTO child VALUES (3, 3, 3); UPDATE child SET w = 9",
        "CREATE TABLE other () INHERITS (parent); INSERT INTO other VALUES (4, 4)",
        "DELETE FROM ONLY parent; TRUNCATE child",
    ] {
        then_exact(&mut client, sql);
    }
}

/// Values out of line, changed and untouched; virtual generated columns; a dropped column.
#[test]
fn values() {
    let db = harness::Database::new();
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE FUNCTION noise(n int) RETURNS text LANGUAGE sql VOLATILE
             AS $$ SELECT string_agg(md5(random()::text), '') FROM generate_series(1, n) $$;
         CREATE TABLE doc (id int PRIMARY KEY, gone int, body text, size int, twice int GENERATED ALWAYS AS (size * 2) VIRTUAL,
             kept int GENERATED ALWAYS AS (size * 3) STORED, data jsonb);
         ALTER TABLE doc ALTER body SET STORAGE EXTERNAL; ALTER TABLE doc DROP COLUMN gone;
         INSERT INTO doc (id, body, size, data) SELECT i, noise(300), i, jsonb_build_object('a', i) FROM generate_series(1, 5) i",
    );
    create(
        &mut client,
        "docs",
        "SELECT id, body, twice, kept, data FROM doc WHERE twice > 2",
    );
    create(
        &mut client,
        "bodies",
        "SELECT body, count(*) AS n FROM doc GROUP BY body",
    );
    for sql in [
        "INSERT INTO doc (id, body, size, data) VALUES (10, noise(1000), 10, '{\"b\": 1.0}'), (11, NULL, 11, NULL)",
        "UPDATE doc SET size = size + 1",
        "UPDATE doc SET body = noise(400) WHERE id = 2; UPDATE doc SET body = body || 'x' WHERE id = 3",
        "UPDATE doc SET data = '{\"b\": 1.00}' WHERE id = 10",
        "DELETE FROM doc WHERE id IN (1, 10)",
        "BEGIN; UPDATE doc SET body = noise(600); DELETE FROM doc WHERE id = 3; ROLLBACK",
        "INSERT INTO doc (id, body, size) SELECT i + 100, noise(100), i FROM generate_series(1, 200) i",
        "DELETE FROM doc WHERE id > 150",
    ] {
        then_exact(&mut client, sql);
    }
}

/// An error in maintenance says of which stream table, and leaves nothing half done.
#[test]
fn errors() {
    let (_db, mut client) = setup_with(&["totals", "large"]);
    create(
        &mut client,
        "inverse",
        "SELECT id, 100 / amount AS inverse FROM item",
    );
    let (code, message) = fails(
        &mut client,
        "INSERT INTO item VALUES (500, 'k1', 20, ''), (501, 'k1', 0, '')",
    );
    assert_eq!(code.code(), "22012", "{message}");
    assert!(
        message.contains("public.inverse") && message.contains("division by zero"),
        "{message}"
    );
    exact(&mut client, "an error");
    then_exact(
        &mut client,
        "DO $$ BEGIN
             BEGIN UPDATE item SET amount = amount - 3; EXCEPTION WHEN division_by_zero THEN NULL; END;
             UPDATE item SET amount = amount + 1 WHERE id = 9;
         END $$",
    );
    assert_eq!(count(&mut client, "item WHERE id IN (500, 501)"), 0);
    run(&mut client, "BEGIN; SAVEPOINT a");
    fails(&mut client, "UPDATE item SET amount = 0");
    then_exact(&mut client, "ROLLBACK TO a");
    then_exact(&mut client, "DELETE FROM item WHERE id = 1; COMMIT");
}
