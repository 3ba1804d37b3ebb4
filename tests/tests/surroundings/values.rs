//! Values that are large, and sessions that are set up differently.

use crate::support::*;
use harness::{Database, law, refresh};

/// Incompressible external values, updated and untouched; rows near the size limit.
#[test]
fn trap_big_toast() {
    let db = Database::new();
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE FUNCTION noise(n int, seed int) RETURNS text LANGUAGE sql AS
         $$ SELECT string_agg(encode(sha512((i || '/' || seed)::text::bytea), 'base64'), '')
            FROM generate_series(1, n) i $$;
         CREATE TABLE big (id int PRIMARY KEY, n int, a text, b text);
         ALTER TABLE big ALTER a SET STORAGE EXTERNAL;
         INSERT INTO big SELECT i, i, noise(300, i), noise(5000, i) FROM generate_series(1, 6) i",
    );
    create(
        &mut client,
        "copied",
        "SELECT id, n, a, b FROM big",
        "DIFFERENTIAL",
    );
    create(
        &mut client,
        "short",
        "SELECT id, n, length(b) AS l FROM big",
        "DIFFERENTIAL",
    );
    create(
        &mut client,
        "only_n",
        "SELECT n FROM big WHERE n > 2",
        "DIFFERENTIAL",
    );
    for (i, sql) in [
        "UPDATE big SET n = n + 1 WHERE id < 4",
        "UPDATE big SET a = noise(300, 77) WHERE id = 1",
        "UPDATE big SET b = b WHERE id = 2",
        "UPDATE big SET b = b || 'x' WHERE id = 2",
        "DELETE FROM big WHERE id = 3",
        "INSERT INTO big VALUES (9, 9, noise(10000, 9), NULL)",
        "UPDATE big SET id = id + 100",
    ]
    .into_iter()
    .enumerate()
    {
        run(&mut client, sql);
        for name in ["copied", "short", "only_n"] {
            run(
                &mut client,
                &format!("SELECT pgtrickle.refresh_stream_table('{name}')"),
            );
            law(&mut client, name);
        }
        if i == 2 {
            let captured = count(
                &mut client,
                "pgtrickle.get_refresh_history('copied', 1) WHERE action <> 'NO_DATA'",
            );
            assert_eq!(
                captured, 0,
                "an update that changes nothing is not captured"
            );
        }
    }
    // Toasted values of deleted rows are needed until they are applied.
    run(&mut client, "DELETE FROM big");
    run(&mut client, "VACUUM big");
    for name in ["copied", "short", "only_n"] {
        refresh(&mut client, name, "DIFFERENTIAL");
        assert_eq!(count(&mut client, name), 0);
    }
    // As many columns as fit into a page.
    let columns: Vec<String> = (0..900)
        .map(|i| format!("c{i} bigint DEFAULT {i}"))
        .collect();
    run(
        &mut client,
        &format!(
            "CREATE TABLE wide (id int PRIMARY KEY, {}); INSERT INTO wide VALUES (1), (2)",
            columns.join(", ")
        ),
    );
    create(&mut client, "widest", "SELECT * FROM wide", "DIFFERENTIAL");
    run(
        &mut client,
        "UPDATE wide SET c899 = -1 WHERE id = 1; INSERT INTO wide VALUES (3)",
    );
    refresh(&mut client, "widest", "DIFFERENTIAL");
}

/// COPY into a source.
#[test]
fn trap_copy() {
    use std::io::Write;
    let (_db, mut client) = setup();
    let mut copy = client.copy_in("COPY item FROM STDIN").expect("copying");
    for i in 100..3100 {
        writeln!(copy, "{i}\tk{}\t{}\t\\N", i % 7, i % 50).expect("a row");
    }
    copy.finish().expect("copied");
    refresh_all(&mut client);
    // One that fails leaves nothing.
    let mut copy = client.copy_in("COPY item FROM STDIN").expect("copying");
    writeln!(copy, "5000\tk1\t100\t\\N\n1\tk1\t1\t\\N").expect("a duplicate");
    copy.finish().expect_err("a duplicate key");
    for table in TABLES {
        refresh(&mut client, table, "NO_DATA");
    }
}

/// Results do not depend on the session that refreshes.
#[test]
fn trap_session_settings() {
    let db = Database::new();
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE event (id int PRIMARY KEY, at timestamptz, span interval, f float8, b bytea);
         CREATE SCHEMA decoy;
         CREATE TABLE decoy.event (id int, at timestamptz, span interval, f float8, b bytea);
         SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'; SET IntervalStyle = 'iso_8601';
         SET bytea_output = 'escape'; SET extra_float_digits = 0",
    );
    let insert = |client: &mut postgres::Client, from: i32| {
        run(
            client,
            &format!(
                "INSERT INTO public.event SELECT i, '2024-01-01 00:00+00'::timestamptz + i * interval '7 hours',
                 i * interval '90 minutes', i / 3.0::float8, ('a' || i)::bytea
                 FROM generate_series({from}, {from} + 9) i"
            ),
        );
    };
    insert(&mut client, 0);
    create(
        &mut client,
        "by_full",
        "SELECT id, at::text AS a, at::date AS d, span::text AS s, f::text AS f, b::text AS b FROM event",
        "FULL",
    );
    create(
        &mut client,
        "later",
        "SELECT id, at FROM event WHERE at > '02.01.2024 00:00'",
        "AUTO",
    );
    create(
        &mut client,
        "plain",
        "SELECT id, at, span, f, b FROM event",
        "DIFFERENTIAL",
    );
    // What these functions make of settings is as steady as the settings that are kept.
    let shown = "SELECT id, date_trunc('day', at) AS day, at::date AS d, to_char(at, 'DD HH24 TZ') AS c, at::text AS a,
             'at ' || at AS t, concat(span, at::timestamp) AS e, extract(hour FROM at) AS h, to_jsonb(at) AS j,
             to_tsvector('a the ' || id) AS v, at + interval '1 day' > timestamp '2024-01-03' AS late
         FROM event WHERE at >= date '2024-01-01'";
    let grouped = "SELECT at::date AS d, count(*) AS n, max(to_char(at, 'HH24')) AS h, jsonb_agg(at ORDER BY id) AS j
         FROM event GROUP BY at::date";
    for (name, query, mode) in [
        ("by_delta", shown, "DIFFERENTIAL"),
        ("grouped", grouped, "DIFFERENTIAL"),
        ("at_once", shown, "IMMEDIATE"),
        ("grouped_at_once", grouped, "IMMEDIATE"),
    ] {
        create(&mut client, name, query, mode);
    }
    let mut other = db.connect();
    run(
        &mut other,
        "SET TimeZone = 'America/New_York'; SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres_verbose';
         SET bytea_output = 'hex'; SET extra_float_digits = 3; SET search_path = decoy, pg_catalog;
         SET row_security = off; SET transform_null_equals = on; SET enable_hashjoin = off",
    );
    for round in 1..4 {
        insert(&mut client, round * 100);
        insert(&mut other, round * 1000);
        run(
            &mut other,
            &format!(
                "DELETE FROM public.event WHERE id % 7 = {round};
                 UPDATE public.event SET at = at + interval '1 hour' WHERE id % 5 = {round}"
            ),
        );
        for name in ["at_once", "grouped_at_once"] {
            law(&mut client, name);
        }
        for name in ["by_full", "later", "plain", "by_delta", "grouped"] {
            run(
                &mut other,
                &format!("SELECT pgtrickle.refresh_stream_table('public.{name}')"),
            );
            // In the session with the settings of the creation.
            law(&mut client, name);
            let wrong = count(&mut other, &format!("pgtrickle.verify('public.{name}')"));
            assert_eq!(wrong, 0, "verify runs with the settings of the creation");
        }
    }
    // The session's settings are what they were.
    let settings = other
        .query_one(
            "SELECT current_setting('TimeZone'), current_setting('search_path'),
             current_setting('IntervalStyle'), current_user::text",
            &[],
        )
        .expect("settings");
    let settings: Vec<String> = (0..4).map(|i| settings.get(i)).collect();
    let expected = [
        "America/New_York",
        "decoy, pg_catalog",
        "postgres_verbose",
        "postgres",
    ];
    assert_eq!(settings, expected);
}
