//! `append_only`: what is promised is relied on, and checked.

use crate::support::{World, creation};
use harness::{last_refresh, law, law_by_equality};
use postgres::Client;

const SCHEMA: &str = "
    CREATE TABLE bids (id int PRIMARY KEY, item int, price numeric, note text);
    CREATE TABLE items (item int PRIMARY KEY, name text NOT NULL);
    INSERT INTO items SELECT i, 'item ' || i FROM generate_series(1, 4) i;
    INSERT INTO bids SELECT i, i % 5, i, 'n' FROM generate_series(1, 40) i;";

/// One for each way in which rows that go are work.
const QUERIES: [(&str, &str); 11] = [
    (
        "highest",
        "SELECT item, max(price) AS high, min(price) AS low, count(*) AS n FROM bids GROUP BY item",
    ),
    (
        "extremes",
        "SELECT max(price) AS high, sum(id) AS ids FROM bids",
    ),
    ("cheap", "SELECT item, price FROM bids WHERE price < 20"),
    (
        "named",
        "SELECT b.id, b.price, i.name FROM bids b JOIN items i ON i.item = b.item",
    ),
    (
        "per_name",
        "SELECT i.name, sum(b.price) AS total, max(b.id) AS last FROM bids b JOIN items i ON i.item = b.item GROUP BY i.name",
    ),
    (
        "by_name",
        "SELECT i.name, min(b.id) AS first, max(b.id) AS last, count(*) AS n FROM bids b JOIN items i ON i.item = b.item GROUP BY i.name",
    ),
    (
        "latest",
        "SELECT name, count(*) AS n, max(item) AS item FROM items GROUP BY name",
    ),
    ("kinds", "SELECT DISTINCT item FROM bids"),
    // Rows come, and others go for it.
    (
        "unnamed",
        "SELECT id FROM bids b WHERE NOT EXISTS (SELECT FROM items i WHERE i.item = b.item)",
    ),
    (
        "first",
        "SELECT id, price FROM bids ORDER BY price DESC, id LIMIT 5",
    ),
    (
        "ranked",
        "SELECT id, rank() OVER (PARTITION BY item ORDER BY price DESC, id) AS r FROM bids",
    ),
];

fn promised(name: &str, query: &str, mode: &str) -> String {
    let create = creation(name, query, mode);
    let create = create.trim_end_matches(')');
    format!("{create}, append_only => true)")
}

/// Of equal prices any may stand for all.
fn of(name: &str) -> fn(&mut Client, &str) {
    match name {
        "highest" | "extremes" => law_by_equality,
        _ => law,
    }
}

fn laws(world: &mut World) {
    for (name, _) in QUERIES {
        of(name)(&mut world.client, name);
    }
}

fn steps(world: &mut World, name: &str) -> usize {
    let sql = format!(
        "SELECT jsonb_array_length(pgtrickle.explain_delta('{name}', 'json')::jsonb -> 'program' -> 'steps') AS n"
    );
    world.rows(&sql)[0]
        .trim_matches(['(', ')'])
        .parse()
        .expect("a number")
}

fn refresh(world: &mut World, name: &str) -> String {
    world.run(&format!("SELECT pgtrickle.refresh_stream_table('{name}')"));
    of(name)(&mut world.client, name);
    last_refresh(&mut world.client, name).action
}

/// The law, under insertions alone, with fewer steps where that was promised.
#[test]
fn insertions_are_less_work() {
    let mut world = World::new(SCHEMA);
    for (name, query) in QUERIES {
        world.run(&promised(name, query, "DIFFERENTIAL"));
    }
    for batch in [
        "INSERT INTO bids SELECT 100 + i, i % 7, i * 3, 'x' FROM generate_series(1, 20) i",
        "INSERT INTO items VALUES (5, 'five'), (0, 'zero'); INSERT INTO bids VALUES (200, 5, 'NaN', NULL), (201, NULL, NULL, ''), (202, NULL, 5.00, '')",
        "INSERT INTO bids VALUES (300, 5, 'Infinity', ''), (301, 6, '-Infinity', ''), (302, 1, 1.000, ''), (303, 1, 1.0, '')",
        "INSERT INTO items VALUES (6, 'six'); UPDATE bids SET note = 'unread' WHERE id < 20",
    ] {
        world.run(batch);
        for (name, _) in QUERIES {
            let action = refresh(&mut world, name);
            assert!(
                ["DIFFERENTIAL", "NO_DATA"].contains(&action.as_str()),
                "{name}: {action}"
            );
        }
    }
    let other = world.rows(
        "SELECT h.* FROM pgtrickle.pgt_refresh_history h
         WHERE initiated_by = 'MANUAL' AND action NOT IN ('DIFFERENTIAL', 'NO_DATA')",
    );
    assert!(other.is_empty(), "{other:?}");
    let text = world
        .rows("SELECT pgtrickle.explain_delta('latest') AS t")
        .join("");
    assert!(
        text.contains("insertions only") && !text.contains("DELETE"),
        "{text}"
    );
    for (name, fewer) in [
        ("highest", true),
        ("extremes", true),
        ("by_name", true),
        ("cheap", false),
    ] {
        let with = steps(&mut world, name);
        world.run(&format!(
            "SELECT pgtrickle.alter_stream_table('{name}', append_only => false)"
        ));
        let without = steps(&mut world, name);
        assert!(
            with < without || (!fewer && with == without),
            "{name}: {with} of {without} steps"
        );
    }
    let cheap = world
        .rows("SELECT pgtrickle.explain_delta('cheap') AS t")
        .join("");
    assert!(cheap.contains("DELETE"), "{cheap}");
}

/// Whatever else happens to a source is an error, after which nothing is lost.
#[test]
fn what_is_not_an_insertion_is_noticed() {
    for broken in [
        "DELETE FROM bids WHERE id = 3",
        "UPDATE bids SET price = price + 1 WHERE id = 3",
        // To another image of the same value.
        "UPDATE bids SET price = 7.00 WHERE id = 7",
        "INSERT INTO bids VALUES (100, 1, 1, ''); DELETE FROM bids WHERE id = 100",
        "TRUNCATE bids",
        "DELETE FROM items WHERE item = 1",
    ] {
        let mut world = World::new(SCHEMA);
        world.run(&promised("per_name", QUERIES[4].1, "DIFFERENTIAL"));
        world.run(&promised(
            "unrelated",
            "SELECT id FROM bids WHERE id > 30",
            "AUTO",
        ));
        world.run("INSERT INTO bids VALUES (50, 2, 7, '')");
        world.run(broken);
        world.run("INSERT INTO bids VALUES (51, 2, 8, '')");
        let refreshing = "SELECT pgtrickle.refresh_stream_table('per_name')";
        for _ in 0..2 {
            let (code, message) = world.fails(refreshing);
            assert_eq!(code, "23000", "{broken}");
            let source = if broken.contains("items") {
                "public.items"
            } else {
                "public.bids"
            };
            assert!(
                message.contains("public.per_name is append_only") && message.contains(source),
                "{broken}: {message}"
            );
        }
        // It does not matter which rows a query asks for, only which columns.
        let unrelated = "SELECT pgtrickle.refresh_stream_table('unrelated')";
        if broken.contains("price") || broken.contains("items") {
            world.run(unrelated);
        } else {
            world.fails(unrelated);
        }
        world.run("SELECT pgtrickle.alter_stream_table('per_name', append_only => false)");
        let action = refresh(&mut world, "per_name");
        let expected = if broken.contains("TRUNCATE") {
            "REINITIALIZE"
        } else {
            "DIFFERENTIAL"
        };
        assert_eq!(action, expected, "{broken}");
    }
}

/// Also where a long change buffer is read with a sieve.
#[test]
fn what_nobody_asks_for_is_noticed() {
    let mut world = World::new(SCHEMA);
    world.run(&promised(
        "cheap",
        "SELECT item, price FROM bids WHERE price < 0",
        "DIFFERENTIAL",
    ));
    world.run("INSERT INTO bids SELECT i, i % 5, i, 'n' FROM generate_series(1000, 30000) i");
    world.run("DELETE FROM bids WHERE id = 9");
    let (code, _) = world.fails("SELECT pgtrickle.refresh_stream_table('cheap')");
    assert_eq!(code, "23000");
    world.run("SELECT pgtrickle.alter_stream_table('cheap', append_only => false)");
    assert_eq!(refresh(&mut world, "cheap"), "DIFFERENTIAL");
}

/// The statement fails, and the stream table stays what it is.
#[test]
fn immediately() {
    let mut world = World::new(SCHEMA);
    for (name, query) in QUERIES {
        world.run(&promised(name, query, "IMMEDIATE"));
    }
    for sql in [
        "INSERT INTO bids SELECT 100 + i, i % 7, i * 3, 'x' FROM generate_series(1, 20) i",
        "INSERT INTO items VALUES (5, 'five'), (6, 'six')",
        "UPDATE bids SET note = 'unread'",
        "BEGIN; INSERT INTO bids VALUES (300, 1, 0, ''); SAVEPOINT s; INSERT INTO bids VALUES (301, 1, 999, ''); ROLLBACK TO s; COMMIT",
    ] {
        world.run(sql);
        laws(&mut world);
    }
    for sql in [
        "DELETE FROM bids WHERE id = 3",
        "UPDATE bids SET price = price + 1",
        "TRUNCATE bids",
        "INSERT INTO bids VALUES (3, 1, 1, '') ON CONFLICT (id) DO UPDATE SET price = 0",
        "MERGE INTO items USING (VALUES (1)) AS v (item) ON items.item = v.item WHEN MATCHED THEN DELETE",
    ] {
        let (code, message) = world.fails(sql);
        assert_eq!(code, "23000", "{sql}: {message}");
        assert!(message.contains("is append_only"), "{sql}: {message}");
    }
    laws(&mut world);
    for (name, _) in QUERIES {
        world.run(&format!(
            "SELECT pgtrickle.alter_stream_table('{name}', append_only => false)"
        ));
    }
    world.run("DELETE FROM bids WHERE id < 9; UPDATE bids SET price = 1 WHERE id = 20");
    laws(&mut world);
    let rebuilt = world
        .rows("SELECT h.* FROM pgtrickle.pgt_refresh_history h WHERE initiated_by <> 'INITIAL'");
    assert!(rebuilt.is_empty(), "{rebuilt:?}");
}

/// It is a promise about changes: of what is refreshed in full there is nothing to promise.
#[test]
fn where_it_means_nothing() {
    let mut world = World::new(SCHEMA);
    let (code, message) = world.fails(&promised("drawn", "SELECT random() FROM bids", "AUTO"));
    assert_eq!(code, "22023", "{message}");
    world.fails(&promised("listed", "SELECT id FROM bids", "FULL"));
    world.run(&promised("highest", QUERIES[0].1, "DIFFERENTIAL"));
    let to_full = "SELECT pgtrickle.alter_stream_table('highest', refresh_mode => 'FULL'";
    world.fails(&format!("{to_full})"));
    world.run(&format!("{to_full}, append_only => false)"));
    world.fails("SELECT pgtrickle.alter_stream_table('highest', append_only => true)");
    world.run("SELECT pgtrickle.alter_stream_table('highest', refresh_mode => 'DIFFERENTIAL', append_only => true)");
    // Partitions that go take rows with them: made anew, as ever.
    world.run(
        "CREATE TABLE days (day int, x int) PARTITION BY LIST (day);
         CREATE TABLE monday PARTITION OF days FOR VALUES IN (1); CREATE TABLE tuesday PARTITION OF days FOR VALUES IN (2);
         INSERT INTO days VALUES (1, 1), (2, 2)",
    );
    world.run(&promised(
        "of_days",
        "SELECT day, max(x) AS x FROM days GROUP BY day",
        "DIFFERENTIAL",
    ));
    world.run("DROP TABLE monday; INSERT INTO days VALUES (2, 5)");
    assert_eq!(refresh(&mut world, "of_days"), "REINITIALIZE");
    world.run("INSERT INTO days VALUES (2, 7)");
    assert_eq!(refresh(&mut world, "of_days"), "DIFFERENTIAL");
    // A stream table as a source may lose rows by any insertion.
    world.run(&creation(
        "up",
        "SELECT day, max(x) AS x FROM days GROUP BY day",
        "DIFFERENTIAL",
    ));
    world.run(&promised("down", "SELECT x FROM up", "DIFFERENTIAL"));
    world.run("INSERT INTO days VALUES (2, 9)");
    let (code, message) = world.fails("SELECT pgtrickle.refresh_stream_table('down')");
    assert!(
        code == "23000" && message.contains("public.up"),
        "{message}"
    );
}
