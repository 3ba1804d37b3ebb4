//! What is refreshed together: diamonds and refresh groups.

use crate::support::{enabled, number, refused, rows, run, wait};
use harness::{Database, law};
use std::sync::atomic::{AtomicBool, Ordering};

const DIAMOND: &str = "CREATE TABLE a (id int PRIMARY KEY, x int NOT NULL);
    INSERT INTO a SELECT i, i FROM generate_series(1, 100) i;
    SELECT pgtrickle.create_stream_table('b', 'SELECT id, x + 1 AS y FROM a', '1s', 'DIFFERENTIAL');
    SELECT pgtrickle.create_stream_table('c', 'SELECT id, x * 2 AS z FROM a', '7s', 'DIFFERENTIAL');
    SELECT pgtrickle.create_stream_table('d', 'SELECT b.id, y, z FROM b JOIN c USING (id)', '1s', 'DIFFERENTIAL')";

/// Readers never see b, c and d disagree, however they are scheduled, while somebody writes.
#[test]
fn trap_diamond() {
    let server = enabled("diamond", "");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(&mut client, DIAMOND);
    let stop = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut writer = db.connect();
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                run(
                    &mut writer,
                    &format!(
                        "UPDATE a SET x = x + 1 WHERE id % 10 = {n} % 10;
                         DELETE FROM a WHERE id = {n};
                         INSERT INTO a VALUES (1000 + {n}, {n})"
                    ),
                );
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        });
        let mut versions = std::collections::BTreeSet::new();
        let started = std::time::Instant::now();
        while started.elapsed() < std::time::Duration::from_secs(12) {
            let row = client
                .query_one(
                    "SELECT (SELECT count(*) FROM d WHERE (y - 1) * 2 <> z),
                        (SELECT count(*) FROM b FULL JOIN c USING (id) WHERE (y - 1) * 2 IS DISTINCT FROM z),
                        (SELECT count(*) FROM b FULL JOIN d USING (id) WHERE b.y IS DISTINCT FROM d.y),
                        (SELECT sum(y) FROM b)",
                    &[],
                )
                .expect("a reader");
            let wrong: [i64; 3] = [row.get(0), row.get(1), row.get(2)];
            assert_eq!(wrong, [0, 0, 0], "parts disagree");
            versions.insert(row.get::<_, i64>(3));
        }
        stop.store(true, Ordering::Relaxed);
        writer.join().expect("the writer");
        versions.len()
    });
    assert!(seen > 3, "only {seen} states were seen");
    wait(
        &mut client,
        "SELECT (SELECT count(*) FROM b) = (SELECT count(*) FROM a)
         AND (SELECT sum(y - 1) FROM d) = (SELECT sum(x) FROM a)",
    );
    for table in ["b", "c", "d"] {
        law(&mut client, table);
    }
    let others = rows(
        &mut client,
        "SELECT * FROM pgtrickle.pgt_refresh_history WHERE initiated_by = 'SCHEDULER'
         AND (status <> 'COMPLETED' OR action NOT IN ('DIFFERENTIAL', 'NO_DATA'))",
    );
    assert_eq!(others, Vec::<String>::new());
    assert_eq!(
        rows(
            &mut client,
            "SELECT group_id, member_name, member_schema, is_convergence, schedule_policy
             FROM pgtrickle.diamond_groups() ORDER BY member_name"
        ),
        [
            "(1,b,public,f,fastest)",
            "(1,c,public,f,fastest)",
            "(1,d,public,t,fastest)"
        ]
    );
}

#[test]
fn diamonds_of_which_nobody_wants_to_know() {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, DIAMOND);
    let groups = "SELECT count(*) FROM pgtrickle.diamond_groups()";
    assert_eq!(number(&mut client, groups), 3);
    run(
        &mut client,
        "SELECT pgtrickle.alter_stream_table('d', diamond_schedule_policy => 'slowest')",
    );
    let slowest =
        "SELECT count(*) FROM pgtrickle.diamond_groups() WHERE schedule_policy = 'slowest'";
    assert_eq!(number(&mut client, slowest), 3);
    run(
        &mut client,
        "SELECT pgtrickle.alter_stream_table('d', diamond_consistency => 'none')",
    );
    assert_eq!(number(&mut client, groups), 0);
    let (code, message, hint) = refused(
        &mut client,
        "SELECT pgtrickle.alter_stream_table('d', diamond_consistency => 'maybe')",
    );
    assert_eq!(code, "22023");
    assert!(
        message.contains("maybe") && hint.contains("atomic"),
        "{message}: {hint}"
    );
}

/// A member that fails holds the others up, until it is suspended; then they go on without it.
#[test]
fn a_part_that_fails() {
    let server = enabled("part", "pg_trickle.max_consecutive_errors = 2");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE a (id int PRIMARY KEY, x int NOT NULL);
         INSERT INTO a VALUES (1, 1);
         SELECT pgtrickle.create_stream_table('b', 'SELECT id, 10 / x AS y FROM a', '1s', 'DIFFERENTIAL');
         SELECT pgtrickle.create_stream_table('c', 'SELECT id, x FROM a', '1s');
         SELECT pgtrickle.create_stream_table('d', 'SELECT id, y, x FROM b JOIN c USING (id)', '1s');
         INSERT INTO a VALUES (2, 0)",
    );
    wait(
        &mut client,
        "SELECT status = 'SUSPENDED' FROM pgtrickle.pgt_stream_tables WHERE pgt_name = 'b'",
    );
    let failed = number(
        &mut client,
        "SELECT count(*) FROM pgtrickle.pgt_refresh_history h JOIN pgtrickle.pgt_stream_tables USING (pgt_id)
         WHERE h.status = 'FAILED' AND pgt_name <> 'b'",
    );
    assert_eq!(failed, 0);
    wait(&mut client, "SELECT count(*) = 2 FROM c");
}

#[test]
fn groups_are_refreshed_under_one_snapshot() {
    let server = enabled("groups", "");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE a (x int); CREATE TABLE b (x int);
         SELECT pgtrickle.create_stream_table('of_a', 'SELECT x FROM a', '1s');
         SELECT pgtrickle.create_stream_table('of_b', 'SELECT x FROM b', '1h');
         SELECT pgtrickle.create_stream_table('now_a', 'SELECT x FROM a', '1h', 'IMMEDIATE')",
    );
    let (code, message, hint) = refused(
        &mut client,
        "SELECT pgtrickle.create_refresh_group('pair', ARRAY['of_a', 'now_a'])",
    );
    assert!(
        code == "22023" && message.contains("now_a") && hint.contains("IMMEDIATE"),
        "{message}: {hint}"
    );
    for (call, code) in [
        ("create_refresh_group('pair', ARRAY['of_a'])", "22023"),
        (
            "create_refresh_group('pair', ARRAY['of_a', 'of_a'])",
            "22023",
        ),
        ("create_refresh_group('pair', ARRAY['of_a', 'a'])", "42P01"),
        (
            "create_refresh_group('pair', ARRAY['of_a', 'of_b'], 'serializable')",
            "22023",
        ),
        ("drop_refresh_group('pair')", "42704"),
    ] {
        let (seen, message, _) = refused(&mut client, &format!("SELECT pgtrickle.{call}"));
        assert_eq!(seen, code, "{call}: {message}");
    }
    run(
        &mut client,
        "SELECT pgtrickle.create_refresh_group('pair', ARRAY['of_a', 'of_b']);
         INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)",
    );
    // The fastest member takes the other along.
    wait(&mut client, "SELECT count(*) = 1 FROM of_b");
    wait(&mut client, "SELECT count(*) = 1 FROM of_a");
    let together = "SELECT count(DISTINCT frontier_xid::text) FROM pgtrickle.pgt_stream_tables WHERE pgt_name IN ('of_a', 'of_b')";
    assert_eq!(number(&mut client, together), 1);
    assert_eq!(
        rows(
            &mut client,
            "SELECT group_name, isolation, members FROM pgtrickle.refresh_groups()"
        ),
        ["(pair,read_committed,\"{public.of_a,public.of_b}\")"]
    );
    let (code, ..) = refused(
        &mut client,
        "SELECT pgtrickle.create_refresh_group('pair', ARRAY['of_a', 'of_b'])",
    );
    assert_eq!(code, "42710");
    run(&mut client, "SELECT pgtrickle.drop_refresh_group('pair')");
    assert_eq!(
        number(
            &mut client,
            "SELECT count(*) FROM pgtrickle.refresh_groups()"
        ),
        0
    );
}
