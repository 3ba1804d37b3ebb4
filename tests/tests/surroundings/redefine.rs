//! Another query for a stream table that stays, or takes the place of another.

use crate::support::*;
use harness::{last_refresh, law, refresh};

const DOUBLED: &str = "SELECT k.label, sum(2 * i.amount) AS total, count(*) AS n
    FROM item i JOIN kind k ON k.kind = i.kind WHERE i.note IS NOT NULL GROUP BY k.label";

fn oid(client: &mut postgres::Client, table: &str) -> u32 {
    client
        .query_one(&format!("SELECT '{table}'::regclass::oid"), &[])
        .expect("a table")
        .get(0)
}

/// Readers are told what has changed, privileges stay, and it goes on incrementally: also with
/// columns of a source that nobody captured before.
#[test]
fn another_query_with_the_same_columns() {
    let (_db, mut client) = setup();
    create(
        &mut client,
        "reader",
        "SELECT label, total FROM totals WHERE total > 100",
        "DIFFERENTIAL",
    );
    run(&mut client, "GRANT SELECT ON totals TO PUBLIC");
    let before = oid(&mut client, "totals");
    run(
        &mut client,
        &format!("SELECT pgtrickle.alter_stream_table('totals', query => $q${DOUBLED};$q$)"),
    );
    assert_eq!(oid(&mut client, "totals"), before);
    let last = last_refresh(&mut client, "totals");
    assert_eq!(last.action, "REINITIALIZE");
    law(&mut client, "totals");
    refresh(&mut client, "reader", "DIFFERENTIAL");
    for change in [
        "UPDATE item SET note = NULL WHERE id % 7 = 0",
        "UPDATE item SET note = 'again', amount = amount + 1 WHERE id % 14 = 0; DELETE FROM item WHERE id < 10",
        "INSERT INTO item SELECT 100 + i, 'k' || i % 5, i, NULLIF(i % 3, 0)::text FROM generate_series(1, 30) i",
    ] {
        run(&mut client, change);
        refresh(&mut client, "totals", "DIFFERENTIAL");
        refresh(&mut client, "reader", "DIFFERENTIAL");
    }
    let granted = count(
        &mut client,
        "pg_class WHERE oid = 'totals'::regclass AND relacl::text LIKE '%=r/%'",
    );
    assert_eq!(granted, 1);
    // And back, to a query that only FULL can run, in its mode.
    run(
        &mut client,
        "SELECT pgtrickle.alter_stream_table('large', refresh_mode => 'FULL',
            query => 'SELECT kind, amount FROM item WHERE random() >= 0')",
    );
    let (_, message) = fails(
        &mut client,
        "SELECT pgtrickle.alter_stream_table('totals', query => 'SELECT label, random()::numeric AS total, 1::bigint AS n FROM kind')",
    );
    assert!(message.contains("cannot be incremental"), "{message}");
    law(&mut client, "totals");
}

#[test]
fn other_columns_and_circles_are_refused() {
    let (_db, mut client) = setup();
    create(
        &mut client,
        "reader",
        "SELECT label, total, n FROM totals WHERE n > 1",
        "DIFFERENTIAL",
    );
    for query in [
        "SELECT label, 1::numeric AS total FROM kind",
        "SELECT label, 1 AS total, 2::bigint AS n FROM kind",
        "SELECT label, 1::numeric AS sum, 2::bigint AS n FROM kind",
    ] {
        let (code, message) = fails(
            &mut client,
            &format!("SELECT pgtrickle.alter_stream_table('totals', query => '{query}')"),
        );
        assert_eq!(code.code(), "42P16", "{message}");
        assert!(message.contains("public.totals"), "{message}");
    }
    for query in [
        "SELECT label, total, n FROM reader",
        "SELECT label, total, n FROM totals",
    ] {
        let (code, message) = fails(
            &mut client,
            &format!("SELECT pgtrickle.alter_stream_table('totals', query => '{query}')"),
        );
        assert_eq!(code.code(), "42P17", "{message}");
        assert!(message.contains("would read itself"), "{message}");
    }
    run(&mut client, "UPDATE item SET amount = amount + 1");
    for table in ["large", "totals", "reader"] {
        refresh(&mut client, table, "DIFFERENTIAL");
    }
}

#[test]
fn an_immediate_stream_table_gets_another_query() {
    let (_db, mut client) = setup();
    create(
        &mut client,
        "now",
        "SELECT kind, count(*) AS n FROM item GROUP BY kind",
        "IMMEDIATE",
    );
    run(
        &mut client,
        "SELECT pgtrickle.alter_stream_table('now', query =>
            'SELECT k.label AS kind, count(*) AS n FROM item i JOIN kind k USING (kind) WHERE amount > 10 GROUP BY k.label')",
    );
    law(&mut client, "now");
    for change in [
        "DELETE FROM item WHERE id % 3 = 0",
        "UPDATE kind SET label = label || '!' WHERE kind < 'k2'",
        "INSERT INTO item VALUES (1000, 'k1', 11, NULL), (1001, 'k1', 9, NULL)",
    ] {
        run(&mut client, change);
        law(&mut client, "now");
    }
}

#[test]
fn create_or_replace() {
    let (_db, mut client) = setup();
    let replace = |name: &str, query: &str, mode: &str| {
        format!(
            "SELECT pgtrickle.create_or_replace_stream_table('{name}', $q${query}$q$, '1h', '{mode}')"
        )
    };
    // New.
    run(
        &mut client,
        &replace("fresh", "SELECT id FROM item", "DIFFERENTIAL"),
    );
    law(&mut client, "fresh");
    // The same columns: it stays.
    let before = oid(&mut client, "totals");
    run(&mut client, &replace("totals", DOUBLED, "DIFFERENTIAL"));
    assert_eq!(oid(&mut client, "totals"), before);
    run(
        &mut client,
        "UPDATE item SET amount = amount + 1, note = NULL WHERE id = 7",
    );
    refresh(&mut client, "totals", "DIFFERENTIAL");
    // Exactly the same: nothing is done.
    let refreshes = "pgtrickle.pgt_refresh_history";
    let done = count(&mut client, refreshes);
    run(&mut client, &replace("totals", DOUBLED, "DIFFERENTIAL"));
    assert_eq!(count(&mut client, refreshes), done);
    // Other columns: another table.
    run(
        &mut client,
        &replace(
            "totals",
            "SELECT kind, max(amount) AS most FROM item GROUP BY kind",
            "DIFFERENTIAL",
        ),
    );
    assert_ne!(oid(&mut client, "totals"), before);
    run(
        &mut client,
        "UPDATE item SET amount = amount * 2 WHERE id % 2 = 0",
    );
    refresh(&mut client, "totals", "DIFFERENTIAL");
    // Not while somebody needs the old ones.
    create(
        &mut client,
        "reader",
        "SELECT most FROM totals",
        "DIFFERENTIAL",
    );
    let (code, message) = fails(
        &mut client,
        &replace("totals", "SELECT kind FROM item", "DIFFERENTIAL"),
    );
    assert_eq!(code.code(), "2BP01", "{message}");
    let (code, message) = fails(&mut client, &replace("item", "SELECT 1 AS x", "AUTO"));
    assert_eq!(code.code(), "42P07", "{message}");
    run(&mut client, "UPDATE item SET amount = amount + 1");
    refresh(&mut client, "reader", "DIFFERENTIAL");
}
