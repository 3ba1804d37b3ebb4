//! Values come exactly: also those that lie out of line, whatever the writer's settings.

use crate::create;
use crate::support::{count, run};
use harness::{Database, refresh};

#[test]
fn all_types() {
    let db = Database::new();
    let mut client = db.connect();
    // A literal for each type that has one; two for those that have more.
    run(
        &mut client,
        "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE pair AS (a int, b text);
         CREATE DOMAIN positive AS numeric(10,2) CHECK (VALUE > 0);
         CREATE TABLE every (id int PRIMARY KEY, b bool, c \"char\", n name, i2 int2, i8 int8, f4 float4,
             f8 float8, num numeric, t text, v varchar(20), bp char(7), by bytea, d date, ti time, tz timetz,
             ts timestamp, tt timestamptz, iv interval, u uuid, j json, jb jsonb, ine inet, ci cidr,
             ma macaddr, m8 macaddr8, bi bit(5), vb varbit, p point, l line, s lseg, bo box, pa path,
             po polygon, cr circle, ts2 tsvector, tq tsquery, ir int4range, mr nummultirange, ia int[],
             ta text[][], o oid, re regclass, mo mood, pr pair, dm positive, pl pg_lsn, xi xid8, mny money,
             g int GENERATED ALWAYS AS (id * 2) STORED);
         ALTER TABLE every REPLICA IDENTITY FULL",
    );
    create(&mut client, "copied", "SELECT * FROM every");
    let row = |id: i32, t: &str| {
        format!(
            "INSERT INTO every VALUES ({id}, true, 'x', 'a name', -3, 1234567890123, 'NaN', '-0', 1.500, {t},
             'varchar', 'bpchar', '\\x0001ff', '2024-02-29', '13:14:15.123456', '13:14:15+05', 'infinity',
             '2024-03-31 02:30:00+02', '1 mon -2 days 03:04:05.6', '{{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}}',
             '{{\"a\" : 1, \"a\":2}}', '{{\"b\": [1.0, null]}}', '10.1.2.3/8', '10.0.0.0/8',
             '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', '10110', '101', '(1,-0)', '{{1,2,3}}', '[(0,0),(1,1)]',
             '(1,1),(0,0)', '[(0,0),(1,1)]', '((0,0),(1,1),(1,0))', '<(0,0),1.5>', 'a:1 b:2', 'a & b',
             '[1,5)', '{{[1.0,2.00)}}', '{{1,NULL,3}}', '{{{{a,b}},{{c,d}}}}', 16384, 'pg_class', 'ok',
             '(1,\"x y\")', 12.34, '16/B374D848', '4294967296', '12.34')"
        )
    };
    run(
        &mut client,
        "SET TimeZone = 'America/St_Johns'; SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'sql_standard'; SET extra_float_digits = -15; SET bytea_output = 'escape'",
    );
    run(&mut client, &row(1, "'plain'"));
    run(&mut client, &row(2, "repeat('compressible ', 1000)"));
    run(&mut client, "INSERT INTO every (id) VALUES (3)");
    run(&mut client, "RESET ALL");
    refresh(&mut client, "copied", "DIFFERENTIAL");
    run(
        &mut client,
        "UPDATE every SET num = 1.50, f8 = 0, jb = '{}' WHERE id = 1; DELETE FROM every WHERE id = 2",
    );
    refresh(&mut client, "copied", "DIFFERENTIAL");
    // Another image of an equal value.
    run(&mut client, "UPDATE every SET num = 1.5 WHERE id = 1");
    refresh(&mut client, "copied", "DIFFERENTIAL");
    assert_eq!(count(&mut client, "copied WHERE num::text = '1.5'"), 1);
}

/// Values that do not fit a page: left as they are, changed, compressed or not.
#[test]
fn out_of_line() {
    let db = Database::new();
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE doc (id int PRIMARY KEY, body text, other text, n int);
         ALTER TABLE doc ALTER body SET STORAGE EXTERNAL; ALTER TABLE doc REPLICA IDENTITY FULL;
         CREATE FUNCTION noise(k int) RETURNS text LANGUAGE sql AS $$
             SELECT string_agg(md5((i * k)::text), '') FROM generate_series(1, 600) i $$;
         INSERT INTO doc SELECT i, noise(i), noise(i + 100), i FROM generate_series(1, 5) i",
    );
    create(&mut client, "docs", "SELECT id, body, other, n FROM doc");
    create(
        &mut client,
        "lengths",
        "SELECT length(body) AS l, sum(n) AS n FROM doc GROUP BY length(body)",
    );
    for change in [
        "UPDATE doc SET n = n + 1",
        "UPDATE doc SET body = noise(77) WHERE id = 1",
        "UPDATE doc SET other = noise(78), n = 0 WHERE id IN (2, 3)",
        "INSERT INTO doc SELECT 10 + i, noise(i + 20), NULL, i FROM generate_series(1, 50) i",
        "UPDATE doc SET body = body || 'x' WHERE id > 40; UPDATE doc SET n = 7 WHERE id > 40",
        "DELETE FROM doc WHERE id IN (1, 2, 12)",
        "UPDATE doc SET id = id + 1000",
    ] {
        run(&mut client, change);
        refresh(&mut client, "docs", "DIFFERENTIAL");
        client
            .execute("SELECT pgtrickle.refresh_stream_table('lengths')", &[])
            .expect("refreshed");
        harness::law(&mut client, "lengths");
    }
    // In a transaction that is too large for memory.
    run(&mut client, "SET logical_decoding_work_mem = '64kB'");
    run(
        &mut client,
        "BEGIN; INSERT INTO doc SELECT 5000 + i, noise(i % 7), 'o', i FROM generate_series(1, 300) i;
         UPDATE doc SET n = -n WHERE id > 5000; COMMIT",
    );
    refresh(&mut client, "docs", "DIFFERENTIAL");
}
