//! Clients that write as pgbench does, over several stream tables: some whose writers run together,
//! some whose writers take turns. Nothing may be lost.
//!
//! `PGT_SOAK_SECONDS=600 ./dev test -E 'test(/soak/)'` lets it run longer.

use crate::support::*;
use postgres::Client;
use std::time::{Duration, Instant};

const SCHEMA: &str = "
    CREATE TABLE branches (bid int PRIMARY KEY, region text NOT NULL, balance bigint NOT NULL);
    CREATE TABLE tellers (tid int PRIMARY KEY, bid int NOT NULL, balance bigint NOT NULL);
    CREATE TABLE accounts (aid int PRIMARY KEY, bid int, balance numeric(14,2) NOT NULL);
    CREATE TABLE history (tid int, bid int, aid int, delta int);
    INSERT INTO branches SELECT i, 'r' || i % 3, 0 FROM generate_series(1, 8) i;
    INSERT INTO tellers SELECT i, i % 8 + 1, 0 FROM generate_series(1, 24) i;
    INSERT INTO accounts SELECT i, nullif(i % 9, 0), 0 FROM generate_series(1, 400) i;";

const TOGETHER: [(&str, &str); 7] = [
    (
        "balances",
        "SELECT bid, sum(balance) AS total, count(*) AS n FROM accounts GROUP BY bid",
    ),
    (
        "by_region",
        "SELECT b.region, sum(a.balance) AS total, count(*) AS n
         FROM accounts a JOIN branches b ON a.bid = b.bid GROUP BY b.region",
    ),
    ("ledger", "SELECT bid, delta % 5 AS kind FROM history"),
    (
        "moved",
        "SELECT tid, sum(delta) AS moved, avg(delta) AS mean FROM history GROUP BY tid HAVING count(*) > 2",
    ),
    (
        "extremes",
        "SELECT bid, min(balance) AS low, max(balance) AS high FROM accounts GROUP BY bid",
    ),
    ("used", "SELECT DISTINCT bid, aid % 10 AS kind FROM history"),
    // Reads a stream table.
    (
        "sizes",
        "SELECT n, count(*) AS branches FROM balances GROUP BY n",
    ),
];

const IN_TURNS: [(&str, &str); 3] = [
    (
        "neighbours",
        "SELECT a.tid AS a, b.tid AS b FROM tellers a JOIN tellers b ON a.bid = b.bid AND a.balance < b.balance",
    ),
    (
        "idle",
        "SELECT b.bid, count(t.tid) AS n FROM branches b LEFT JOIN tellers t
         ON t.bid = b.bid AND t.balance > b.balance GROUP BY b.bid",
    ),
    (
        "first",
        "SELECT tid, balance FROM tellers ORDER BY balance DESC, tid LIMIT 5",
    ),
];

struct Dice(u64);

impl Dice {
    fn below(&mut self, n: i32) -> i32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as i32
    }

    fn transaction(&mut self) -> String {
        let aid = self.below(400) + 1;
        let (tid, bid) = (self.below(24) + 1, self.below(8) + 1);
        let delta = self.below(2000) - 1000;
        let account = format!("UPDATE accounts SET balance = balance + {delta} WHERE aid = {aid}");
        let teller = format!("UPDATE tellers SET balance = balance + {delta} WHERE tid = {tid}");
        let branch = format!("UPDATE branches SET balance = balance + {delta} WHERE bid = {bid}");
        let history = format!("INSERT INTO history VALUES ({tid}, {bid}, {aid}, {delta})");
        match self.below(12) {
            0 => format!("{account}; {teller}; {branch}; {history}"),
            1 => format!("{account}; {history}; SAVEPOINT s; {account}; {teller}; ROLLBACK TO s"),
            2 => format!("UPDATE accounts SET bid = {bid} WHERE aid = {aid}"),
            3 => format!("DELETE FROM history WHERE aid = {aid} OR tid = {tid} AND bid = {bid}"),
            4 => format!("DELETE FROM accounts WHERE aid = {aid}"),
            5 => format!(
                "INSERT INTO accounts VALUES ({aid}, {bid}, 1) ON CONFLICT (aid) DO UPDATE SET bid = NULL"
            ),
            6 => teller,
            7 => format!(
                "UPDATE accounts SET balance = balance + 1 WHERE aid % 40 = {}",
                aid % 40
            ),
            8 => format!(
                "UPDATE branches SET region = 'r{}' WHERE bid = {bid}",
                aid % 4
            ),
            9 => history,
            _ => account,
        }
    }
}

/// Runs transactions until the time is over; says how many were committed, and how many were tried
/// again.
fn write(mut client: Client, seed: u64, level: &str, until: Instant) -> (u32, u32) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let (mut done, mut again) = (0, 0);
    while Instant::now() < until {
        let sql = dice.transaction();
        let end = if dice.below(10) == 0 {
            "ROLLBACK"
        } else {
            "COMMIT"
        };
        let whole = format!("BEGIN ISOLATION LEVEL {level}; {sql}; {end}");
        while let Err(error) = client.batch_execute(&whole) {
            let code = error.code().map(|c| c.code().to_string());
            let code = code.unwrap_or_default();
            // Rows that are locked in different orders; and older snapshots.
            let expected = code == "40P01" || code == "40001" && level != "READ COMMITTED";
            assert!(expected, "{whole}: {}", harness::law::describe(&error));
            client.batch_execute("ROLLBACK").expect("rolled back");
            again += 1;
            if Instant::now() > until {
                return (done, again);
            }
        }
        done += 1;
    }
    (done, again)
}

#[test]
fn pgbench_soak() {
    let db = harness::Database::new();
    let mut client = db.connect();
    run(&mut client, SCHEMA);
    for (name, query) in TOGETHER.iter().chain(&IN_TURNS) {
        create(&mut client, name, query);
    }
    let seconds = std::env::var("PGT_SOAK_SECONDS");
    let seconds = seconds.map_or(10, |s| s.parse().expect("a number of seconds"));
    let until = Instant::now() + Duration::from_secs(seconds);
    let seed = std::env::var("PGT_SOAK_SEED");
    let seed: u64 = seed.map_or(1, |s| s.parse().expect("a number"));
    let writers: Vec<_> = (0..8)
        .map(|w| {
            let client = db.connect();
            let level = match w {
                6 => "REPEATABLE READ",
                7 => "SERIALIZABLE",
                _ => "READ COMMITTED",
            };
            std::thread::spawn(move || write(client, seed * 100 + w + 1, level, until))
        })
        .collect();
    // Whoever looks meanwhile sees what is exact.
    while Instant::now() < until {
        exact(&mut client, "some of it");
        std::thread::sleep(Duration::from_millis(300));
    }
    let counts: Vec<(u32, u32)> = writers
        .into_iter()
        .map(|w| w.join().expect("ends"))
        .collect();
    eprintln!("committed, tried again: {counts:?}");
    exact(&mut client, "the soak");
    assert_eq!(rebuilds(&mut client), 0);
    // Those with older snapshots may find none that is new enough.
    assert!(counts[..6].iter().all(|(done, _)| *done > 0), "{counts:?}");
}
