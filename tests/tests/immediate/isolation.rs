//! Writers that meet, under the three isolation levels, scripted to interleave.

use crate::support::*;

const JOINED: &str = "SELECT a.id, a.v, b.w FROM a JOIN b ON a.j = b.j";

fn setup_pair() -> (harness::Database, postgres::Client) {
    let db = harness::Database::new();
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE a (id int PRIMARY KEY, j int, v int, unread int); CREATE TABLE b (id int PRIMARY KEY, j int, w int);
         INSERT INTO a SELECT i, i % 3, i FROM generate_series(1, 9) i; INSERT INTO b SELECT i, i, i FROM generate_series(0, 2) i",
    );
    create(&mut client, "joined", JOINED);
    create(
        &mut client,
        "sums",
        "SELECT j, sum(v) AS s, count(*) AS n FROM a GROUP BY j",
    );
    create(
        &mut client,
        "grouped",
        "SELECT b.w, count(*) AS n, sum(a.v) AS s FROM a LEFT JOIN b ON a.j = b.j GROUP BY b.w",
    );
    (db, client)
}

/// Writers of both sides of a join, of rows that only together are in it: each is committed before
/// the other sees it, in every order and at every level.
#[test]
fn trap_immediate_isolation() {
    for level in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        let (db, mut client) = setup_pair();
        let mut other = db.connect();
        // Neither row joins anything yet.
        run(
            &mut client,
            &format!("BEGIN ISOLATION LEVEL {level}; SELECT count(*) FROM a"),
        );
        run(&mut client, "INSERT INTO a VALUES (100, 50, 100)");
        exact(&mut client, "the one");
        run(
            &mut other,
            &format!("BEGIN ISOLATION LEVEL {level}; SELECT count(*) FROM b"),
        );
        let waiting = in_background(other, "INSERT INTO b VALUES (100, 50, 100)");
        let mut looking = db.connect();
        until_blocked(&mut looking);
        run(&mut client, "COMMIT");
        match level {
            "READ COMMITTED" => {
                let mut other = finish(waiting);
                exact(&mut other, "the other");
                run(&mut other, "COMMIT");
                assert_eq!(count(&mut looking, "joined WHERE v = 100 AND w = 100"), 1);
            }
            _ => {
                let (mut other, code) = fails_in(waiting);
                assert_eq!(code, "40001", "{level}");
                run(&mut other, "ROLLBACK");
                // Again, with a snapshot that is new enough.
                run(
                    &mut other,
                    &format!("BEGIN ISOLATION LEVEL {level}; INSERT INTO b VALUES (100, 50, 100)"),
                );
                exact(&mut other, "the other");
                run(&mut other, "COMMIT");
                assert_eq!(count(&mut looking, "joined WHERE v = 100 AND w = 100"), 1);
            }
        }
        exact(&mut looking, level);
    }
}

/// The snapshot is older than what has been committed meanwhile, without anybody waiting.
#[test]
fn older_snapshots() {
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        for (theirs, ours) in [
            (
                "INSERT INTO a VALUES (100, 50, 100)",
                "INSERT INTO b VALUES (100, 50, 100)",
            ),
            (
                "UPDATE a SET v = 7 WHERE id = 1",
                "UPDATE a SET v = 7 WHERE id = 2",
            ),
            ("TRUNCATE a", "INSERT INTO b VALUES (100, 50, 100)"),
            (
                "ALTER TABLE a ALTER unread TYPE bigint",
                "INSERT INTO b VALUES (100, 50, 100)",
            ),
            (
                "BEGIN; SAVEPOINT s; DELETE FROM a WHERE id = 1; RELEASE s; COMMIT",
                "DELETE FROM b WHERE id = 1",
            ),
            (
                "SELECT pgtrickle.create_stream_table('late', 'SELECT sum(w) AS s FROM b', refresh_mode => 'IMMEDIATE')",
                "INSERT INTO b VALUES (100, 50, 100)",
            ),
            (
                "SELECT pgtrickle.refresh_stream_table('joined')",
                "INSERT INTO b VALUES (100, 50, 100)",
            ),
        ] {
            let (db, mut client) = setup_pair();
            let mut other = db.connect();
            run(
                &mut other,
                "SELECT count(*) FROM a; UPDATE a SET v = v; UPDATE b SET w = w",
            );
            run(
                &mut other,
                &format!("BEGIN ISOLATION LEVEL {level}; SELECT count(*) FROM kind_of_nothing")
                    .replace("SELECT count(*) FROM kind_of_nothing", "SELECT 1"),
            );
            for statement in theirs.split("; ") {
                run(&mut client, statement);
            }
            let (code, message) = fails(&mut other, ours);
            assert_eq!(
                code.code(),
                "40001",
                "{level}: {theirs} / {ours}: {message}"
            );
            run(&mut other, "ROLLBACK");
            exact(&mut client, theirs);
            run(&mut other, ours);
            exact(&mut client, ours);
        }
    }
}

/// Who changed nothing that matters, or rolled it back, is in nobody's way.
#[test]
fn snapshots_that_are_old_and_fine() {
    let (db, mut client) = setup_pair();
    run(&mut client, "CREATE TABLE unrelated (x int)");
    let mut other = db.connect();
    run(
        &mut other,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM a",
    );
    run(
        &mut client,
        "BEGIN; DELETE FROM a; ROLLBACK; INSERT INTO unrelated VALUES (1); UPDATE a SET v = v;
         BEGIN; SAVEPOINT s; UPDATE a SET v = 0; ROLLBACK TO s; COMMIT",
    );
    run(&mut other, "INSERT INTO b VALUES (100, 2, 100)");
    exact(&mut other, "an old snapshot");
    run(
        &mut other,
        "SAVEPOINT s; DELETE FROM b WHERE id = 1; ROLLBACK TO s; INSERT INTO a VALUES (300, 2, 1)",
    );
    exact(&mut other, "a rolled back one");
    run(&mut other, "COMMIT");
    exact(&mut client, "the end");
}

/// Under READ COMMITTED who waits reads what the other has committed: of the same rows, of the other
/// source, and also if that is rolled back.
#[test]
fn taking_turns() {
    let (db, mut client) = setup_pair();
    for (first, end, second) in [
        (
            "UPDATE a SET v = v + 1 WHERE id = 1",
            "COMMIT",
            "UPDATE a SET v = v * 10 WHERE id = 1",
        ),
        (
            "UPDATE a SET v = v + 1 WHERE id = 1",
            "ROLLBACK",
            "UPDATE a SET v = v * 10 WHERE id = 1",
        ),
        (
            "INSERT INTO a VALUES (200, 60, 1)",
            "COMMIT",
            "INSERT INTO b VALUES (200, 60, 1)",
        ),
        (
            "DELETE FROM b WHERE id = 0",
            "COMMIT",
            "UPDATE a SET j = 0 WHERE id < 5",
        ),
        (
            "UPDATE a SET j = 1",
            "COMMIT",
            "DELETE FROM a WHERE j = 1 AND id > 3",
        ),
        ("TRUNCATE b", "COMMIT", "UPDATE a SET v = 1"),
        ("INSERT INTO b VALUES (1, 1, 1)", "COMMIT", "TRUNCATE a"),
        (
            "INSERT INTO a VALUES (7, 1, 1); SAVEPOINT x; UPDATE a SET v = 9; ROLLBACK TO x",
            "COMMIT",
            "INSERT INTO a VALUES (8, 1, 1); INSERT INTO b VALUES (9, 1, 9)",
        ),
    ] {
        run(&mut client, &format!("BEGIN; {first}"));
        let waiting = in_background(db.connect(), &format!("BEGIN; {second}; COMMIT"));
        let mut looking = db.connect();
        until_blocked(&mut looking);
        run(&mut client, end);
        finish(waiting);
        exact(&mut client, &format!("{first}; {end} | {second}"));
    }
}

/// Where writers take turns, the turn is taken before any row is locked: transactions of several
/// statements that meet in the same rows wait for each other, and none is a victim.
#[test]
fn no_deadlock() {
    let (db, mut client) = setup_pair();
    let pairs = "SELECT x.id AS x, y.id AS y FROM a x JOIN a y ON x.v = y.v AND x.id < y.id";
    create(&mut client, "pairs", pairs);
    run(&mut client, "BEGIN; UPDATE a SET v = 1 WHERE id = 1");
    let waiting = in_background(
        db.connect(),
        "BEGIN; UPDATE a SET v = 2 WHERE id = 2; UPDATE a SET v = 3 WHERE id = 1; COMMIT",
    );
    let mut looking = db.connect();
    until_blocked(&mut looking);
    run(&mut client, "UPDATE a SET v = 4 WHERE id = 2; COMMIT");
    finish(waiting);
    exact(&mut client, "both");
}

/// Prepared transactions keep their turn.
#[test]
fn prepared() {
    let (db, mut client) = setup_pair();
    let name = db.name().to_string();
    run(
        &mut client,
        &format!("BEGIN; INSERT INTO a VALUES (100, 50, 100); PREPARE TRANSACTION '{name}'"),
    );
    let waiting = in_background(db.connect(), "INSERT INTO b VALUES (100, 50, 100)");
    until_blocked(&mut client);
    run(&mut client, &format!("COMMIT PREPARED '{name}'"));
    finish(waiting);
    exact(&mut client, "both");
    assert_eq!(count(&mut client, "joined WHERE v = 100"), 1);
}

/// Many at once, over several views; nothing is lost.
#[test]
fn soak() {
    let (db, mut client) = setup_pair();
    let writers: Vec<_> = (0..6)
        .map(|w| {
            let mut client = db.connect();
            std::thread::spawn(move || {
                let level = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"][w % 3];
                let mut done = 0;
                for i in 0..40 {
                    let id = 1000 * (w as i32 + 1) + i;
                    let sql = match (i as usize + w) % 5 {
                        0 => format!("INSERT INTO a VALUES ({id}, {}, {i})", i % 7),
                        1 => format!("UPDATE a SET v = v + 1 WHERE id = {}", i % 9 + 1),
                        2 => format!("INSERT INTO b VALUES ({id}, {}, {w}); SAVEPOINT s; DELETE FROM a; ROLLBACK TO s", i % 7),
                        3 => format!("UPDATE a SET j = {} WHERE id % 5 = {}; DELETE FROM b WHERE id = {}", i % 5, w % 5, id - 1),
                        _ => format!("DELETE FROM a WHERE id = {}; UPDATE b SET w = w + 1 WHERE j = {}", id - 4, i % 3),
                    };
                    let whole = format!("BEGIN ISOLATION LEVEL {level}; {sql}; COMMIT");
                    // Who has an older snapshot tries again; the others wait their turn.
                    let mut attempts = 0;
                    while let Err(error) = client.batch_execute(&whole) {
                        let code = error.code().map(|c| c.code().to_string());
                        let code = code.unwrap_or_default();
                        assert!(["40001", "40P01"].contains(&code.as_str()), "{error:?}");
                        client.batch_execute("ROLLBACK").expect("rolled back");
                        attempts += 1;
                        assert!(attempts < 1000 && (w % 3 > 0 || attempts < 10), "{whole}");
                        std::thread::sleep(std::time::Duration::from_millis(3 * w as u64));
                    }
                    done += 1;
                }
                done
            })
        })
        .collect();
    let done: Vec<i32> = writers
        .into_iter()
        .map(|w| w.join().expect("ends"))
        .collect();
    assert_eq!(done, [40; 6]);
    exact(&mut client, "the soak");
    assert_eq!(rebuilds(&mut client), 0);
}
