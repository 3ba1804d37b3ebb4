//! Processes that are killed while several databases are refreshed and written to; databases and
//! extensions that come and go beside.

use crate::support::{PATIENCE, enabled, number, rows, run, wait};
use harness::{Database, Server, law};
use postgres::{Client, NoTls};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Shared sources, a chain, a diamond, an aggregate over a join, and a stream table that is kept at
/// once. What is slow is given to refreshers, or keeps a writer in the middle of its statement.
const PIPELINE: &str = "
    CREATE FUNCTION slowly(x int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep(0.01); RETURN x; END';
    CREATE TABLE kinds (kind int PRIMARY KEY, label text NOT NULL);
    CREATE TABLE items (id int PRIMARY KEY, kind int, x int NOT NULL);
    CREATE TABLE entries (id int PRIMARY KEY, kind int, x int NOT NULL);
    INSERT INTO kinds SELECT i, 'label ' || i FROM generate_series(0, 4) i;
    INSERT INTO items SELECT i, i % 5, i FROM generate_series(1, 60) i;
    INSERT INTO entries SELECT i, i % 5, i FROM generate_series(1, 20) i;
    SELECT pgtrickle.create_stream_table('slow_items', 'SELECT id, slowly(x) AS x FROM items WHERE kind < 3', '1s', 'DIFFERENTIAL');
    SELECT pgtrickle.create_stream_table('slow_sums', 'SELECT kind, sum(slowly(x)) AS s FROM items GROUP BY kind', '1s', 'DIFFERENTIAL');
    SELECT pgtrickle.create_stream_table('totals', 'SELECT k.label, count(*) AS n, max(i.x) AS high FROM items i JOIN kinds k USING (kind) GROUP BY k.label', '1s', 'DIFFERENTIAL');
    SELECT pgtrickle.create_stream_table('left_side', 'SELECT id, x FROM slow_items WHERE x % 2 = 0', '1s', 'DIFFERENTIAL');
    SELECT pgtrickle.create_stream_table('right_side', 'SELECT id, x FROM slow_items WHERE x % 3 = 0', '1s', 'DIFFERENTIAL');
    SELECT pgtrickle.create_stream_table('met', 'SELECT id FROM left_side JOIN right_side USING (id)', '1s', 'DIFFERENTIAL');
    SELECT pgtrickle.create_stream_table('held', 'SELECT kind, count(*) AS n, sum(slowly(x)) AS s FROM entries GROUP BY kind', refresh_mode => 'IMMEDIATE');";

const DEFERRED: [&str; 6] = [
    "slow_items",
    "slow_sums",
    "totals",
    "left_side",
    "right_side",
    "met",
];

/// A connection, as soon as the server lets anybody in.
fn connect(server: &Server, database: &str) -> Client {
    let started = Instant::now();
    loop {
        if let Ok(mut client) = server.config(database).connect(NoTls)
            && client.batch_execute("SELECT 1").is_ok()
        {
            return client;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "the server does not come back"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn kill(pid: i64) {
    let killed = std::process::Command::new("kill")
        .args(["-9", &pid.to_string()])
        .status();
    assert!(killed.expect("kill runs").success());
}

/// Writes until it is told to stop, connecting again whenever the server has gone.
fn write(server: &Server, database: &str, stop: &AtomicBool, written: &AtomicU32) {
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut client) = server.config(database).connect(NoTls) else {
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        while !stop.load(Ordering::Relaxed) {
            n += 1;
            let id = n % 60 + 1;
            let sql = match n % 7 {
                0 => format!("UPDATE items SET x = x + 1 WHERE id % 20 = {}", id % 20),
                1 => format!("DELETE FROM items WHERE id = {id}"),
                2 => format!(
                    "INSERT INTO items VALUES ({id}, {}, {n}) ON CONFLICT (id) DO UPDATE SET kind = {}",
                    n % 5,
                    n % 4
                ),
                3 => format!(
                    "UPDATE kinds SET label = 'label {n}' WHERE kind = {}",
                    n % 5
                ),
                4 => format!("UPDATE entries SET x = x + 1 WHERE id % 4 = {}", n % 4),
                5 => format!(
                    "BEGIN; UPDATE entries SET kind = {} WHERE id = {}; UPDATE items SET kind = {} WHERE id = {id}; COMMIT",
                    n % 5,
                    n % 20 + 1,
                    n % 5
                ),
                _ => format!(
                    "BEGIN; DELETE FROM entries WHERE id = {}; ROLLBACK",
                    n % 20 + 1
                ),
            };
            match client.batch_execute(&sql) {
                Ok(()) => written.fetch_add(1, Ordering::Relaxed),
                // Whoever else is refused anything here, the server has gone or is going.
                Err(error)
                    if error.is_closed()
                        || error.code().is_none_or(|c| c.code().starts_with("57P")) =>
                {
                    break;
                }
                Err(error) => panic!("{sql}: {}", harness::law::describe(&error)),
            };
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Victim {
    Refresher,
    Scheduler,
    Launcher,
    Writer,
    Postmaster,
}

impl Victim {
    /// Finds one that is in the middle of something, as far as it ever is.
    fn query(self) -> &'static str {
        match self {
            Victim::Refresher => {
                "backend_type = 'pg_trickle refresher' AND state = 'active' AND wait_event = 'PgSleep'"
            }
            Victim::Scheduler => "backend_type = 'pg_trickle scheduler'",
            Victim::Launcher => "backend_type = 'pg_trickle launcher'",
            Victim::Writer => {
                "backend_type = 'client backend' AND wait_event = 'PgSleep' AND query LIKE '%entries%'"
            }
            Victim::Postmaster => unreachable!("it is no backend"),
        }
    }

    fn strike(self, server: &Server, client: &mut Client) {
        if self == Victim::Postmaster {
            server.kill().expect("killed");
            server.start().expect("started");
            return;
        }
        let started = Instant::now();
        let pid = loop {
            let sql = format!(
                "SELECT pid::bigint FROM pg_stat_activity WHERE {} LIMIT 1",
                self.query()
            );
            if let Some(row) = client.query_opt(&sql, &[]).expect("activity") {
                break row.get(0);
            }
            assert!(started.elapsed() < PATIENCE, "no {self:?} to be seen");
        };
        kill(pid);
        while client.simple_query("").is_ok() {
            assert!(started.elapsed() < PATIENCE, "the server goes on");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Everything is refreshed again by itself, and what was refreshed before is not made anew.
#[test]
fn trap_crash_of_processes() {
    let server = enabled(
        "killed",
        "pg_trickle.scheduler_interval_ms = 100\npg_trickle.max_concurrent_refreshes = 6\nmax_worker_processes = 32",
    );
    let databases = [(); 3].map(|()| Database::on(&server));
    for db in &databases {
        run(&mut db.connect(), PIPELINE);
    }
    let stop = AtomicBool::new(false);
    let written = AtomicU32::new(0);
    std::thread::scope(|scope| {
        // Also if something fails here.
        struct Stop<'a>(&'a AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let writing = Stop(&stop);
        for db in &databases {
            for _ in 0..2 {
                scope.spawn(|| write(&server, db.name(), &stop, &written));
            }
        }
        use Victim::*;
        for victim in [
            Refresher, Scheduler, Writer, Launcher, Postmaster, Refresher, Writer, Scheduler,
        ] {
            let mut client = connect(&server, "postgres");
            victim.strike(&server, &mut client);
            let written_before = written.load(Ordering::Relaxed);
            for db in &databases {
                let mut client = connect(&server, db.name());
                let since: String = client
                    .query_one("SELECT clock_timestamp()::text", &[])
                    .expect("the time")
                    .get(0);
                wait(
                    &mut client,
                    &format!(
                        "SELECT count(*) = 6 FROM pgtrickle.pgt_stream_tables WHERE refresh_mode = 'DIFFERENTIAL' AND data_timestamp > '{since}'"
                    ),
                );
                law(&mut client, "held");
            }
            assert!(
                written.load(Ordering::Relaxed) > written_before,
                "after {victim:?}"
            );
        }
        drop(writing);
    });
    for db in &databases {
        let mut client = connect(&server, db.name());
        for name in DEFERRED {
            run(
                &mut client,
                &format!("SELECT pgtrickle.refresh_stream_table('{name}')"),
            );
        }
        for name in DEFERRED.into_iter().chain(["held"]) {
            law(&mut client, name);
        }
        let others = rows(
            &mut client,
            "SELECT pgt_name, h.action, h.status, h.reason, h.error_message FROM pgtrickle.pgt_refresh_history h
             JOIN pgtrickle.pgt_stream_tables USING (pgt_id) WHERE h.initiated_by <> 'INITIAL' AND
             (h.action NOT IN ('DIFFERENTIAL', 'NO_DATA', 'SKIP') OR h.status = 'FAILED')",
        );
        assert!(others.is_empty(), "{others:#?}");
    }
    assert!(written.load(Ordering::Relaxed) > 100, "{written:?}");
}

/// One database goes on while others, and extensions in them, come and go.
#[test]
fn databases_and_extensions_come_and_go() {
    let server = enabled(
        "going",
        "pg_trickle.scheduler_interval_ms = 50\nmax_worker_processes = 32",
    );
    let db = Database::on(&server);
    let mut client = db.connect();
    run(&mut client, PIPELINE);
    let stop = AtomicBool::new(false);
    let written = AtomicU32::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| write(&server, db.name(), &stop, &written));
        let guests: Vec<_> = (0..2)
            .map(|n| {
                scope.spawn({
                    let server = &server;
                    move || {
                        (0..4).for_each(|round| come_and_go(server, &format!("guest_{n}"), round))
                    }
                })
            })
            .collect();
        let ended: Vec<_> = guests.into_iter().map(|g| g.join()).collect();
        stop.store(true, Ordering::Relaxed);
        for guest in ended {
            guest.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    for name in DEFERRED {
        run(
            &mut client,
            &format!("SELECT pgtrickle.refresh_stream_table('{name}')"),
        );
        law(&mut client, name);
    }
    wait(
        &mut client,
        "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_trickle scheduler'",
    );
    let strange = "SELECT count(*) FROM pgtrickle.pgt_refresh_history WHERE status = 'FAILED'
         OR initiated_by <> 'INITIAL' AND action NOT IN ('DIFFERENTIAL', 'NO_DATA', 'SKIP')";
    assert_eq!(number(&mut client, strange), 0);
    let log = std::fs::read_to_string(server.log()).expect("a log");
    for bad in ["PANIC", "terminated by signal", "XX000"] {
        assert!(!log.contains(bad), "{bad} in the log");
    }
}

fn come_and_go(server: &Server, name: &str, round: i32) {
    let mut admin = connect(server, "postgres");
    run(
        &mut admin,
        &format!("CREATE DATABASE {name} TEMPLATE template0"),
    );
    let mut client = connect(server, name);
    for extension in 0..2 {
        run(&mut client, "CREATE EXTENSION pg_trickle");
        run(&mut client, PIPELINE);
        // In the middle of whatever it is that the scheduler does.
        for i in 0..=(round + extension) {
            run(
                &mut client,
                &format!("UPDATE items SET x = x + 1 WHERE id > {i}"),
            );
            std::thread::sleep(Duration::from_millis(300));
        }
        if round == 0 {
            wait(
                &mut client,
                "SELECT count(*) = 6 FROM (SELECT DISTINCT pgt_id FROM pgtrickle.pgt_refresh_history WHERE initiated_by = 'SCHEDULER') s",
            );
        }
        if extension == 0 || round % 2 == 0 {
            run(&mut client, "DROP EXTENSION pg_trickle CASCADE");
            run(
                &mut client,
                "DROP TABLE IF EXISTS held, met, left_side, right_side, totals, slow_sums, slow_items;
                 DROP TABLE items, kinds, entries; DROP FUNCTION slowly",
            );
        }
    }
    drop(client);
    // Nobody is in the way, and nobody comes back.
    run(&mut admin, &format!("DROP DATABASE {name}"));
}
