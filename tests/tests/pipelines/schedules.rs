//! Durations, calendars, tiers, and what is asked of those that do not say.

use crate::support::{enabled, number, refused, run, wait};
use harness::Database;

#[test]
fn schedules_are_checked_when_they_are_given() {
    let db = Database::new();
    let mut client = db.connect();
    run(&mut client, "CREATE TABLE t (x int)");
    let create = |schedule: &str| {
        format!("SELECT pgtrickle.create_stream_table('st', 'SELECT x FROM t', '{schedule}')")
    };
    for (schedule, what) in [
        ("soon", "a number is missing"),
        ("10 parsecs", "unknown unit \"parsecs\""),
        ("0s", "is not positive"),
        ("61 * * * *", "cannot be understood"),
        ("* * * * * * *", "cannot be understood"),
        ("@sometimes", "cannot be understood"),
        ("0 0 30 2 *", "has no moment at all"),
        (
            "CRON_TZ=Mars/Olympus 0 9 * * *",
            "\"Mars/Olympus\" is not a time zone",
        ),
    ] {
        let (code, message, hint) = refused(&mut client, &create(schedule));
        assert_eq!(code, "22023", "{schedule}: {message}");
        assert!(message.contains(what), "{schedule}: {message}");
        assert!(!hint.is_empty(), "{schedule}: no hint");
    }
    run(
        &mut client,
        &create("CRON_TZ=Europe/Berlin 0 9 * * MON-FRI"),
    );
    for schedule in [
        "*/5 * * * *",
        "*/20 * * * * *",
        "@hourly",
        "1h30m",
        "calculated",
    ] {
        run(
            &mut client,
            &format!("SELECT pgtrickle.alter_stream_table('st', schedule => '{schedule}')"),
        );
    }
    let (code, message, _) = refused(
        &mut client,
        "SELECT pgtrickle.alter_stream_table('st', tier => 'tepid')",
    );
    assert_eq!((code.as_str(), message.contains("tepid")), ("22023", true));
    assert_eq!(
        number(
            &mut client,
            "SELECT pgtrickle.parse_duration_seconds('1h30m')"
        ),
        5400
    );
}

/// Every two seconds of the clock, and a reader's calendar reaches what it reads.
#[test]
fn calendars_are_kept() {
    let server = enabled("calendars", "");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE t (id int PRIMARY KEY, x int);
         SELECT pgtrickle.create_stream_table('up', 'SELECT id, x FROM t', 'calculated');
         SELECT pgtrickle.create_stream_table('down', 'SELECT count(*) AS n FROM up', '*/3 * * * * *');
         INSERT INTO t SELECT i, i FROM generate_series(1, 10) i",
    );
    wait(&mut client, "SELECT n = 10 FROM down");
    run(&mut client, "INSERT INTO t VALUES (11, 11)");
    wait(&mut client, "SELECT n = 11 FROM down");
    // Right after a moment of the calendar, not in between: on an idle machine within
    // milliseconds, here within what a loaded one needs.
    let between = number(
        &mut client,
        "SELECT count(*) FROM pgtrickle.pgt_refresh_history
         WHERE initiated_by = 'SCHEDULER' AND extract(epoch FROM start_time)::numeric % 3 > 1.5",
    );
    assert_eq!(between, 0, "refreshed between two moments");
    let full = number(
        &mut client,
        "SELECT count(*) FROM pgtrickle.pgt_refresh_history
         WHERE initiated_by = 'SCHEDULER' AND action <> 'DIFFERENTIAL'",
    );
    assert_eq!(full, 0);
}

#[test]
fn frozen_until_it_is_thawed() {
    let server = enabled("frozen", "");
    let db = Database::on(&server);
    let mut client = db.connect();
    run(
        &mut client,
        "CREATE TABLE t (x int);
         SELECT pgtrickle.create_stream_table('cold', 'SELECT x FROM t', '1s');
         SELECT pgtrickle.create_stream_table('hot', 'SELECT x FROM t', '1s');
         SELECT pgtrickle.alter_stream_table('cold', tier => 'frozen');
         INSERT INTO t VALUES (1)",
    );
    wait(&mut client, "SELECT count(*) = 1 FROM hot");
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(number(&mut client, "SELECT count(*) FROM cold"), 0);
    run(
        &mut client,
        "SELECT pgtrickle.alter_stream_table('cold', tier => 'hot')",
    );
    wait(&mut client, "SELECT count(*) = 1 FROM cold");
}
