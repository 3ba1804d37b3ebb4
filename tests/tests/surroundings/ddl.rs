//! DDL on sources and stream tables.

use crate::support::*;
use harness::{law, refresh};

fn reinit(client: &mut postgres::Client, name: &str) -> bool {
    client
        .query_one(
            "SELECT needs_reinit FROM pgtrickle.pgt_stream_tables WHERE pgt_name = $1::text",
            &[&name],
        )
        .expect("a stream table")
        .get(0)
}

/// Columns and sources added, renamed, moved: nothing to do.
#[test]
fn trap_ddl_harmless() {
    let (_db, mut client) = setup();
    for ddl in [
        "ALTER TABLE item ADD COLUMN extra int DEFAULT 7",
        "ALTER TABLE item DROP COLUMN note",
        "ALTER TABLE item RENAME COLUMN amount TO price",
        "ALTER TABLE item RENAME TO article",
        "CREATE SCHEMA elsewhere; ALTER TABLE kind SET SCHEMA elsewhere",
        "ALTER SCHEMA elsewhere RENAME TO other",
        "CREATE INDEX ON article (price); ANALYZE article",
        "VACUUM FULL article",
        "ALTER TABLE article ALTER kind SET STATISTICS 10",
        "CLUSTER article USING item_pkey",
    ] {
        run(&mut client, ddl);
        for name in TABLES {
            assert!(!reinit(&mut client, name), "{ddl}: {name}");
        }
        let article = count(&mut client, "pg_class WHERE relname = 'article'") == 1;
        let (table, price) = if article {
            ("article", "price")
        } else {
            ("item", "amount")
        };
        let price = if ddl.contains("RENAME COLUMN") {
            "price"
        } else {
            price
        };
        run(
            &mut client,
            &format!("UPDATE {table} SET {price} = {price} + 1, kind = 'k' || (id + 1) % 5"),
        );
        for name in TABLES {
            run(
                &mut client,
                &format!("SELECT pgtrickle.refresh_stream_table('{name}')"),
            );
        }
    }
    let other = count(
        &mut client,
        "pgtrickle.pgt_refresh_history WHERE initiated_by = 'MANUAL'
         AND action NOT IN ('DIFFERENTIAL', 'NO_DATA')",
    );
    assert_eq!(other, 0);
    // The text of the queries names what is gone; the law by what they mean.
    run(
        &mut client,
        "ALTER TABLE article RENAME TO item; ALTER TABLE item RENAME COLUMN price TO amount;
         ALTER TABLE other.kind SET SCHEMA public",
    );
    law_of_all(&mut client);
}

/// `*` and unqualified names stay what they were when the stream table was created, in every mode.
#[test]
fn trap_ddl_star() {
    let (_db, mut client) = setup();
    let query = "SELECT * FROM item JOIN kind USING (kind)";
    create(&mut client, "by_full", query, "FULL");
    create(&mut client, "by_delta", query, "DIFFERENTIAL");
    for ddl in [
        "ALTER TABLE item ADD COLUMN extra int DEFAULT 7",
        // A temporary table would come first.
        "CREATE TEMP TABLE kind (kind text, label text)",
        "ALTER TABLE kind ADD COLUMN note text",
    ] {
        run(&mut client, ddl);
        run(
            &mut client,
            "UPDATE item SET amount = amount + 1; DELETE FROM item WHERE id = 9",
        );
        run(
            &mut client,
            "SELECT pgtrickle.refresh_stream_table('by_full');
             SELECT pgtrickle.refresh_stream_table('by_delta')",
        );
        for name in ["by_full", "by_delta"] {
            let sql = format!("pgtrickle.verify('{name}')");
            assert_eq!(count(&mut client, &sql), 0, "{ddl}: {name}");
            assert!(count(&mut client, name) > 10, "{ddl}: {name}");
        }
    }
    // Compiled anew, it has the same columns.
    run(
        &mut client,
        "DROP TABLE pg_temp.kind; ALTER TABLE item DROP CONSTRAINT item_pkey;
         INSERT INTO item VALUES (1, 'k1', 5, '')",
    );
    refresh_unlike_text(&mut client, "by_delta", "REINITIALIZE");
    run(&mut client, "UPDATE item SET amount = amount + 1");
    refresh_unlike_text(&mut client, "by_delta", "DIFFERENTIAL");
}

/// Refreshes what its text does not mean any more; the law by what it means.
fn refresh_unlike_text(client: &mut postgres::Client, name: &str, action: &str) {
    run(
        client,
        &format!("SELECT pgtrickle.refresh_stream_table('{name}')"),
    );
    assert_eq!(harness::last_refresh(client, name).action, action);
    let differing = count(client, &format!("pgtrickle.verify('{name}')"));
    assert_eq!(differing, 0, "{name}");
}

/// A column that is used is retyped or dropped; a source is dropped.
#[test]
fn trap_ddl_used() {
    let (_db, mut client) = setup();
    run(
        &mut client,
        "ALTER TABLE item ALTER amount TYPE int USING amount::int",
    );
    assert!(reinit(&mut client, "large") && reinit(&mut client, "totals"));
    assert!(!reinit(&mut client, "kinds"));
    // Writers go on in the meantime.
    run(
        &mut client,
        "INSERT INTO item VALUES (100, 'k1', 100, ''); DELETE FROM item WHERE id = 7",
    );
    refresh(&mut client, "kinds", "DIFFERENTIAL");
    // large would have a column of another type: refused by name. sum(int) is another type, too.
    let (code, message) = fails(
        &mut client,
        "SELECT pgtrickle.refresh_stream_table('large')",
    );
    assert_eq!(code.code(), "55000", "{message}");
    assert!(message.contains("other columns"), "{message}");
    run(&mut client, "ALTER TABLE item ALTER amount TYPE numeric");
    run(&mut client, "UPDATE item SET amount = amount + 1");
    refresh(&mut client, "large", "REINITIALIZE");
    refresh(&mut client, "totals", "REINITIALIZE");
    run(
        &mut client,
        "UPDATE item SET amount = amount + 1, kind = 'k0' WHERE id < 10",
    );
    refresh_all(&mut client);
    run(&mut client, "ALTER TABLE item DROP COLUMN amount");
    run(&mut client, "INSERT INTO item VALUES (200, 'k9', '')");
    refresh(&mut client, "kinds", "DIFFERENTIAL");
    let (_, message) = fails(
        &mut client,
        "SELECT pgtrickle.refresh_stream_table('large')",
    );
    assert!(message.contains("amount"), "{message}");
    // A source is protected; with CASCADE its readers go with it.
    let (code, message) = fails(&mut client, "DROP TABLE item");
    assert_eq!(code.code(), "2BP01", "{message}");
    run(&mut client, "DROP TABLE item CASCADE");
    assert_eq!(count(&mut client, "pgtrickle.pgt_stream_tables"), 0);
    assert_eq!(count(&mut client, "pgtrickle.pgt_captures"), 0);
    assert_eq!(
        count(
            &mut client,
            "pg_class WHERE relnamespace = 'pgtrickle_store'::regnamespace"
        ),
        0
    );
    run(&mut client, "INSERT INTO kind VALUES ('z', 'z')");
}

/// Keys and NOT NULLs that a query relied on go away.
#[test]
fn trap_ddl_keys() {
    let (_db, mut client) = setup();
    create(
        &mut client,
        "keyed",
        "SELECT i.id, i.kind, k.label FROM item i JOIN kind k ON k.kind = i.kind",
        "DIFFERENTIAL",
    );
    run(&mut client, "ALTER TABLE item DROP CONSTRAINT item_pkey");
    run(&mut client, "ALTER TABLE item ALTER id DROP NOT NULL");
    run(
        &mut client,
        "INSERT INTO item VALUES (1, 'k1', 5, ''), (NULL, 'k1', 6, ''), (NULL, NULL, 6, '')",
    );
    run(
        &mut client,
        "SELECT pgtrickle.refresh_stream_table('keyed')",
    );
    law(&mut client, "keyed");
    run(
        &mut client,
        "INSERT INTO item VALUES (1, 'k1', 5, ''); DELETE FROM item WHERE id = 2",
    );
    refresh(&mut client, "keyed", "DIFFERENTIAL");
    run(&mut client, "ALTER TABLE kind DROP CONSTRAINT kind_pkey");
    run(&mut client, "INSERT INTO kind VALUES ('k1', 'again')");
    run(
        &mut client,
        "SELECT pgtrickle.refresh_stream_table('keyed')",
    );
    law(&mut client, "keyed");
    run(&mut client, "DELETE FROM kind WHERE label = 'again'");
    refresh(&mut client, "keyed", "DIFFERENTIAL");
    refresh(&mut client, "kinds", "DIFFERENTIAL");
}

/// Capture that is taken away from a source is noticed, and put back by the next refresh.
#[test]
fn trap_ddl_capture() {
    let (_db, mut client) = setup();
    for ddl in [
        "ALTER TABLE item DISABLE TRIGGER pgt_capture_row",
        "ALTER TABLE item DISABLE TRIGGER ALL",
        "DROP TRIGGER pgt_capture_row ON item",
        "ALTER TABLE item ENABLE TRIGGER pgt_capture_truncate",
    ] {
        run(&mut client, ddl);
        run(
            &mut client,
            "UPDATE item SET amount = amount + 1, kind = 'k' || (id + 1) % 5",
        );
        for name in TABLES {
            assert!(reinit(&mut client, name), "{ddl}: {name}");
            refresh(&mut client, name, "REINITIALIZE");
        }
        run(
            &mut client,
            "UPDATE item SET amount = amount + 1, kind = 'k' || (id + 2) % 5",
        );
        refresh(&mut client, "large", "DIFFERENTIAL");
        run(
            &mut client,
            "SELECT pgtrickle.refresh_stream_table('totals')",
        );
        law(&mut client, "totals");
    }
    // A child table's rows are read, too.
    run(&mut client, "CREATE TABLE child () INHERITS (item)");
    run(&mut client, "INSERT INTO child VALUES (700, 'k1', 100, '')");
    refresh(&mut client, "large", "REINITIALIZE");
    run(&mut client, "UPDATE child SET amount = 101");
    refresh(&mut client, "large", "DIFFERENTIAL");
    run(
        &mut client,
        "ALTER TABLE child DISABLE TRIGGER ALL; UPDATE child SET amount = 102",
    );
    refresh(&mut client, "large", "REINITIALIZE");
    run(&mut client, "DROP TABLE child");
    refresh(&mut client, "large", "REINITIALIZE");
}

/// A view that was inlined is replaced.
#[test]
fn trap_ddl_view() {
    let (_db, mut client) = setup();
    run(
        &mut client,
        "CREATE VIEW dear AS SELECT id, kind, amount FROM item WHERE amount > 30",
    );
    create(
        &mut client,
        "v",
        "SELECT kind, count(*) AS n FROM dear GROUP BY kind",
        "DIFFERENTIAL",
    );
    run(&mut client, "INSERT INTO item VALUES (100, 'k1', 100, '')");
    refresh(&mut client, "v", "DIFFERENTIAL");
    run(
        &mut client,
        "CREATE OR REPLACE VIEW dear AS SELECT id, kind, amount FROM item WHERE amount > 10",
    );
    refresh(&mut client, "v", "REINITIALIZE");
    run(&mut client, "INSERT INTO item VALUES (101, 'k1', 12, '')");
    refresh(&mut client, "v", "DIFFERENTIAL");
}

/// What has nothing to do with a stream table is never in the way; nor is dropping the extension.
#[test]
fn unrelated_ddl() {
    let (_db, mut client) = setup();
    run(
        &mut client,
        "CREATE TABLE t (a int); ALTER TABLE t ADD b text; CREATE VIEW w AS SELECT a FROM t;
         CREATE TEMP TABLE tt AS SELECT 1 AS x; DROP TABLE tt; CREATE INDEX ON t (a);
         ALTER TABLE t ALTER b TYPE varchar(10); DROP TABLE t CASCADE;
         CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; DROP FUNCTION f;
         CREATE TYPE e AS ENUM ('a'); DROP TYPE e; CREATE ROLE unrelated_ddl; DROP ROLE unrelated_ddl",
    );
    for name in TABLES {
        assert!(!reinit(&mut client, name));
    }
    run(&mut client, "DROP EXTENSION pg_trickle CASCADE");
    run(
        &mut client,
        "INSERT INTO item VALUES (100, 'k1', 100, ''); TRUNCATE item; DROP TABLE item CASCADE",
    );
}

/// Sources and columns that are called otherwise now: `verify`, FULL refreshes, rebuilds and
/// compiling anew read what the query meant, not what it said.
#[test]
fn trap_ddl_renamed() {
    let (_db, mut client) = setup();
    run(
        &mut client,
        "CREATE FUNCTION twice(x numeric) RETURNS numeric LANGUAGE sql IMMUTABLE RETURN x * 2;
         CREATE VIEW cheap AS SELECT id, amount AS price FROM item WHERE amount < 40",
    );
    create(
        &mut client,
        "whole",
        "SELECT kind, note, twice(amount) AS a2 FROM item WHERE note IS NOT NULL",
        "FULL",
    );
    create(
        &mut client,
        "viewed",
        "SELECT c.id, c.price, i.kind FROM cheap c JOIN item i USING (id)",
        "FULL",
    );
    let all = || TABLES.into_iter().chain(["whole", "viewed"]);
    // Two columns of one type change places: what the text says is now another, valid query.
    run(
        &mut client,
        "ALTER TABLE item RENAME COLUMN kind TO k; ALTER TABLE item RENAME COLUMN note TO kind;
         ALTER TABLE item RENAME COLUMN k TO note; ALTER TABLE item RENAME COLUMN amount TO \"The Price\";
         ALTER TABLE item RENAME TO \"select\"; ALTER VIEW cheap RENAME COLUMN price TO p;
         ALTER VIEW cheap RENAME TO dear; ALTER FUNCTION twice RENAME TO doubled;
         CREATE SCHEMA elsewhere; ALTER TABLE kind SET SCHEMA elsewhere;
         CREATE TABLE kind (kind text, label text); INSERT INTO kind VALUES ('k1', 'decoy')",
    );
    let exact = |client: &mut postgres::Client, name: &str| {
        let wrong = count(client, &format!("pgtrickle.verify('{name}')"));
        assert_eq!(wrong, 0, "{name} differs from its query");
    };
    let act = |client: &mut postgres::Client, name: &str, action: &str| {
        run(
            client,
            &format!("SELECT pgtrickle.refresh_stream_table('{name}')"),
        );
        assert_eq!(harness::last_refresh(client, name).action, action, "{name}");
        exact(client, name);
    };
    for name in all() {
        exact(&mut client, name);
    }
    run(
        &mut client,
        "UPDATE \"select\" SET \"The Price\" = \"The Price\" + 1; INSERT INTO \"select\" VALUES (99, 'k1', 30, 'x')",
    );
    // The law is checked against something.
    for name in ["large", "totals", "whole", "viewed"] {
        let wrong = count(&mut client, &format!("pgtrickle.verify('{name}')"));
        assert!(wrong > 0, "{name}");
    }
    for name in TABLES {
        act(&mut client, name, "DIFFERENTIAL");
    }
    for name in ["whole", "viewed"] {
        act(&mut client, name, "FULL");
    }
    run(
        &mut client,
        "TRUNCATE \"select\"; INSERT INTO \"select\" VALUES (1, 'k1', 30, 'x'), (2, 'k2', 50, 'y')",
    );
    for name in TABLES {
        act(&mut client, name, "REINITIALIZE");
    }
    // Compiled anew, twice. A column that a view reads cannot be given another type.
    run(&mut client, "DROP VIEW dear CASCADE");
    let all = || TABLES.into_iter().chain(["whole"]);
    for (ddl, sql) in [
        (
            "ALTER TABLE elsewhere.kind DROP CONSTRAINT kind_pkey",
            "INSERT INTO elsewhere.kind VALUES ('k1', 'again')",
        ),
        (
            "ALTER TABLE \"select\" ALTER \"The Price\" TYPE numeric(10, 2)",
            "UPDATE \"select\" SET \"The Price\" = 77 WHERE id = 2",
        ),
        (
            "ALTER TABLE \"select\" ALTER \"The Price\" TYPE numeric",
            "UPDATE \"select\" SET \"The Price\" = 78 WHERE id = 2",
        ),
    ] {
        run(&mut client, ddl);
        run(&mut client, sql);
        if !ddl.contains("(10, 2)") {
            for name in all() {
                run(
                    &mut client,
                    &format!("SELECT pgtrickle.refresh_stream_table('{name}')"),
                );
                exact(&mut client, name);
            }
        }
    }
    run(&mut client, "DELETE FROM \"select\" WHERE id = 1");
    for name in TABLES {
        act(&mut client, name, "DIFFERENTIAL");
    }
    run(
        &mut client,
        "SELECT pgtrickle.alter_stream_table('whole', refresh_mode => 'DIFFERENTIAL')",
    );
    act(&mut client, "whole", "REINITIALIZE");
    run(
        &mut client,
        "INSERT INTO \"select\" VALUES (7, 'k7', 70, 'z')",
    );
    act(&mut client, "whole", "DIFFERENTIAL");
}

/// A stream table that is called like a source in a schema that the search path has later.
#[test]
fn trap_names_hidden_source() {
    let db = harness::Database::new();
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE SCHEMA back; CREATE TABLE back.t (a int); INSERT INTO back.t VALUES (1), (2);
         SET search_path = public, back",
    );
    create(&mut client, "t", "SELECT a FROM t", "FULL");
    run(&mut client, "INSERT INTO back.t VALUES (3)");
    run(&mut client, "SELECT pgtrickle.refresh_stream_table('t')");
    assert_eq!(count(&mut client, "public.t"), 3);
    assert_eq!(count(&mut client, "pgtrickle.verify('t')"), 0);
}

/// Partitioned sources and those with inheritance children, and what becomes of a leaf.
#[test]
fn trap_partitioned() {
    let db = harness::Database::new();
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE parted (a int, b int) PARTITION BY LIST (a);
         CREATE TABLE part1 PARTITION OF parted FOR VALUES IN (1);
         CREATE TABLE part2 PARTITION OF parted FOR VALUES IN (2);
         CREATE TABLE parent (a int); CREATE TABLE child () INHERITS (parent);
         INSERT INTO parted VALUES (1, 1), (2, 2); INSERT INTO child VALUES (1)",
    );
    create(
        &mut client,
        "st",
        "SELECT p.a, p.b FROM parted p LEFT JOIN parent q USING (a)",
        "DIFFERENTIAL",
    );
    run(
        &mut client,
        "UPDATE parted SET a = 2 WHERE a = 1; TRUNCATE part1; INSERT INTO part1 VALUES (1, 7)",
    );
    refresh(&mut client, "st", "REINITIALIZE");
    // A leaf is a table of its own: DML on it directly or through the root is captured.
    create(
        &mut client,
        "leaf",
        "SELECT a, b FROM part2",
        "DIFFERENTIAL",
    );
    run(
        &mut client,
        "INSERT INTO parted VALUES (2, 9); UPDATE parted SET a = 1 WHERE b = 9;
         INSERT INTO part2 VALUES (2, 10); DELETE FROM parted WHERE b = 2",
    );
    refresh(&mut client, "leaf", "DIFFERENTIAL");
    run(
        &mut client,
        "TRUNCATE parted; INSERT INTO parted VALUES (2, 5)",
    );
    refresh(&mut client, "leaf", "REINITIALIZE");
}

/// `pg_trickle.block_source_ddl`: what a stream table would have to be rebuilt for is refused by name,
/// and nothing else is.
#[test]
fn trap_ddl_blocked() {
    let (_db, mut client) = setup();
    run(
        &mut client,
        "CREATE VIEW seen AS SELECT id, kind FROM item;
         CREATE TABLE days (day int, x int) PARTITION BY LIST (day);
         CREATE TABLE monday PARTITION OF days FOR VALUES IN (1);
         CREATE TABLE tuesday (day int, x int); INSERT INTO tuesday VALUES (2, 2);
         CREATE TABLE parent (x int);
         INSERT INTO days VALUES (1, 1)",
    );
    create(
        &mut client,
        "of_view",
        "SELECT kind FROM seen",
        "DIFFERENTIAL",
    );
    create(&mut client, "of_days", "SELECT x FROM days", "DIFFERENTIAL");
    create(
        &mut client,
        "named",
        "SELECT id, label FROM item JOIN kind USING (kind)",
        "IMMEDIATE",
    );
    run(&mut client, "SET pg_trickle.block_source_ddl = on");
    for (ddl, named) in [
        (
            "ALTER TABLE item ALTER amount TYPE numeric(20,2)",
            "public.large (of public.item: column amount has another type)",
        ),
        (
            "ALTER TABLE item DROP COLUMN amount CASCADE",
            "public.totals",
        ),
        (
            "ALTER TABLE item DROP CONSTRAINT item_pkey",
            "public.named (a unique key that it relied on is gone)",
        ),
        (
            "ALTER TABLE kind ALTER label DROP NOT NULL",
            "a NOT NULL that it relied on is gone",
        ),
        (
            "ALTER TABLE item DISABLE TRIGGER pgt_capture_row",
            "the capture of public.item was disabled",
        ),
        (
            "DROP TRIGGER pgt_capture_row ON item",
            "the capture of public.item was disabled",
        ),
        (
            "CREATE OR REPLACE VIEW seen AS SELECT id, kind FROM item WHERE id > 3",
            "public.of_view (view public.seen was changed)",
        ),
        (
            "ALTER TABLE days ATTACH PARTITION tuesday FOR VALUES IN (2)",
            "public.of_days (other partitions or children of public.days)",
        ),
        ("ALTER TABLE days DETACH PARTITION monday", "public.of_days"),
        ("DROP TABLE monday", "public.of_days"),
        ("CREATE TABLE child () INHERITS (item)", "public.large"),
    ] {
        let (code, message) = fails(&mut client, ddl);
        assert_eq!(code.code(), "2BP01", "{ddl}: {message}");
        assert!(message.contains(named), "{ddl}: {message}");
    }
    for ddl in [
        "ALTER TABLE item ADD COLUMN extra int DEFAULT 7",
        "ALTER TABLE item DROP COLUMN note",
        "ALTER TABLE item RENAME COLUMN amount TO price",
        "ALTER TABLE item RENAME COLUMN price TO amount",
        "CREATE INDEX ON item (amount); ANALYZE item",
        "VACUUM FULL item",
        "ALTER TABLE item ADD CHECK (amount > -1000)",
        "CREATE TABLE wednesday PARTITION OF days FOR VALUES IN (3)",
        "CREATE TABLE alone (x int PRIMARY KEY); ALTER TABLE alone DROP CONSTRAINT alone_pkey; ALTER TABLE alone ALTER x TYPE text; DROP TABLE alone",
        "CREATE TABLE other () INHERITS (parent); DROP TABLE parent CASCADE",
        "CREATE VIEW unread AS SELECT 1 AS a; CREATE OR REPLACE VIEW unread AS SELECT 2 AS a",
        "TRUNCATE tuesday",
        "SELECT pgtrickle.alter_stream_table('large', 'SELECT kind, amount FROM item WHERE amount > 21')",
        "SELECT pgtrickle.alter_stream_table('named', refresh_mode => 'DIFFERENTIAL')",
        "SELECT pgtrickle.drop_stream_table('named')",
    ] {
        run(&mut client, ddl);
    }
    assert_eq!(
        count(
            &mut client,
            "pgtrickle.pgt_stream_tables WHERE needs_reinit AND pgt_name <> 'large'"
        ),
        0
    );
    run(
        &mut client,
        "UPDATE item SET amount = amount + 1, kind = 'k1' WHERE id < 30; INSERT INTO days VALUES (1, 5), (3, 7)",
    );
    for name in ["large", "totals", "kinds", "of_view", "of_days"] {
        refresh(&mut client, name, "DIFFERENTIAL");
    }
    // Whoever may set it may have it otherwise for once.
    run(
        &mut client,
        "BEGIN; SET LOCAL pg_trickle.block_source_ddl = off; ALTER TABLE days DETACH PARTITION monday; COMMIT",
    );
    refresh(&mut client, "of_days", "REINITIALIZE");
    fails(&mut client, "ALTER TABLE item ALTER kind TYPE varchar");
}
