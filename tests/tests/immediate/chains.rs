//! IMMEDIATE stream tables on others, and deferred ones on them.

use crate::support::*;
use harness::refresh;

#[test]
fn chains_and_diamonds() {
    let (_db, mut client) = setup_with(&["totals", "kinds", "large"]);
    create(
        &mut client,
        "big_totals",
        "SELECT label, total FROM totals WHERE total > 50",
    );
    create(
        &mut client,
        "grand",
        "SELECT sum(total) AS s, count(*) AS n FROM totals",
    );
    // Both ways from one table.
    create(
        &mut client,
        "of_two",
        "SELECT t.label, l.amount FROM totals t JOIN kind k USING (label) JOIN large l ON l.kind = k.kind
         WHERE EXISTS (SELECT FROM kinds WHERE kinds.kind = k.kind)",
    );
    create(
        &mut client,
        "doubled",
        "SELECT a.label, b.amount FROM of_two a JOIN of_two b USING (label)",
    );
    for sql in [
        "INSERT INTO item VALUES (100, 'k1', 100, 'new'), (101, NULL, NULL, NULL)",
        "UPDATE item SET amount = amount + 1 WHERE id % 3 = 0",
        "UPDATE kind SET label = 'same' WHERE kind IN ('k1', 'k2')",
        "DELETE FROM kind WHERE kind = 'k3'",
        "BEGIN; UPDATE item SET kind = 'k1'; SAVEPOINT a; DELETE FROM item WHERE id % 2 = 0",
        "ROLLBACK TO a",
        "COMMIT",
        "TRUNCATE item CASCADE",
        "INSERT INTO item SELECT i, 'k1', i, 'note' FROM generate_series(1, 5) i",
        "SELECT pgtrickle.refresh_stream_table('totals')",
    ] {
        then_exact(&mut client, sql);
    }
}

#[test]
fn deferred_readers() {
    let (_db, mut client) = setup_with(&["totals", "large"]);
    for (name, query) in [
        ("later", "SELECT label, total FROM totals WHERE n > 2"),
        (
            "mixed",
            "SELECT k.kind, t.total, l.v FROM totals t JOIN kind k USING (label) JOIN lone l ON l.k = k.kind",
        ),
    ] {
        run(
            &mut client,
            &format!(
                "SELECT pgtrickle.create_stream_table('{name}', $q${query}$q$, '1h', 'DIFFERENTIAL')"
            ),
        );
    }
    for sql in [
        "INSERT INTO item VALUES (100, 'k1', 100, 'new'), (101, 'k0', NULL, NULL)",
        "UPDATE item SET amount = amount + 1 WHERE id % 3 = 0; DELETE FROM item WHERE id = 2",
        "BEGIN; DELETE FROM item WHERE kind = 'k4'; SAVEPOINT a; DELETE FROM item; ROLLBACK TO a; COMMIT",
    ] {
        then_exact(&mut client, sql);
        refresh(&mut client, "later", "DIFFERENTIAL");
        refresh(&mut client, "mixed", "DIFFERENTIAL");
    }
    // A refresh does not make what is IMMEDIATE anew.
    let made = "pgtrickle.get_refresh_history('totals') WHERE initiated_by = 'MANUAL'";
    assert_eq!(count(&mut client, made), 0);
    // The deferred reader of a table that both read: its buffer is cleaned up, too.
    run(
        &mut client,
        "SELECT pgtrickle.create_stream_table('of_both', 'SELECT id, kind FROM item', '1h', 'DIFFERENTIAL')",
    );
    then_exact(&mut client, "UPDATE item SET kind = 'k2' WHERE id < 9");
    refresh(&mut client, "of_both", "DIFFERENTIAL");
    then_exact(&mut client, "SELECT pgtrickle.drop_stream_table('of_both')");
    then_exact(&mut client, "UPDATE item SET kind = 'k3' WHERE id < 9");
    // Rows for nobody are not kept.
    let before = buffered(&mut client, "item");
    then_exact(&mut client, "UPDATE item SET kind = 'k4' WHERE id < 9");
    assert_eq!(buffered(&mut client, "item"), before);
}

/// The rows in the change buffer of a table.
fn buffered(client: &mut postgres::Client, table: &str) -> i64 {
    let oid: u32 = client
        .query_one("SELECT ($1::text)::regclass::oid", &[&table])
        .expect("the table")
        .get(0);
    count(client, &format!("pgtrickle_store.changes_{oid}"))
}

/// Mid-statement, a deferred stream table refreshes from what its upstream holds.
#[test]
fn others_of_the_same_sources() {
    let (_db, mut client) = setup_with(&["totals"]);
    run(
        &mut client,
        "SELECT pgtrickle.create_stream_table('deferred', 'SELECT kind, count(*) AS n FROM item GROUP BY kind', '1h', 'DIFFERENTIAL')",
    );
    for sql in [
        "INSERT INTO item VALUES (100, 'k1', 100, 'new')",
        "UPDATE item SET amount = 1, kind = 'k2' WHERE id < 20",
        "BEGIN; DELETE FROM item WHERE id = 4; SAVEPOINT a; DELETE FROM item; ROLLBACK TO a; COMMIT",
    ] {
        then_exact(&mut client, sql);
        refresh(&mut client, "deferred", "DIFFERENTIAL");
    }
}
