//! Many writers, refreshers, and a look at the end.

use crate::setup;
use crate::support::{TABLES, run};
use harness::law;
use std::time::{Duration, Instant};

struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    fn transaction(&mut self) -> String {
        let (id, kind) = (self.below(300), self.below(6));
        let amount = self.below(100);
        let insert = format!(
            "INSERT INTO item VALUES ({id}, 'k{kind}', {amount}, '') ON CONFLICT (id) DO UPDATE SET amount = {amount}"
        );
        let update =
            format!("UPDATE item SET kind = 'k{kind}', amount = amount + 1 WHERE id = {id}");
        let delete = format!("DELETE FROM item WHERE id = {id}");
        match self.below(8) {
            0 => format!("{insert}; SAVEPOINT s; {update}; ROLLBACK TO s; {delete}"),
            1 => format!(
                "UPDATE kind SET label = label || 'x' WHERE kind = 'k{kind}' AND length(label) < 30"
            ),
            2 => format!("SAVEPOINT a; {delete}; SAVEPOINT b; {insert}; RELEASE b"),
            3 => delete,
            4 => update,
            _ => insert,
        }
    }
}

#[test]
fn soak() {
    let (db, mut client) = setup();
    let until = Instant::now() + Duration::from_secs(15);
    let writers = (1..5u64).map(|seed| {
        let mut own = db.connect();
        std::thread::spawn(move || {
            let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            if seed % 2 == 0 {
                run(&mut own, "SET synchronous_commit = off");
            }
            while Instant::now() < until {
                let end = if dice.below(10) == 0 {
                    "ROLLBACK"
                } else {
                    "COMMIT"
                };
                let whole = format!("BEGIN; {}; {end}", dice.transaction());
                if let Err(error) = own.batch_execute(&whole) {
                    let code = error.code().map(|c| c.code().to_string());
                    assert_eq!(code.as_deref(), Some("40P01"), "{whole}: {error}");
                    run(&mut own, "ROLLBACK");
                }
            }
        })
    });
    let refreshers = TABLES.iter().map(|name| {
        let mut own = db.connect();
        std::thread::spawn(move || {
            let mut i = 0;
            while Instant::now() < until {
                i += 1;
                run(&mut own, &format!("SELECT pgtrickle.refresh_stream_table('{name}')"));
                if i % 5 == 0 {
                    // In one snapshot with the sources, after the refresh in the same transaction.
                    run(
                        &mut own,
                        &format!(
                            "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pgtrickle.refresh_stream_table('{name}')"
                        ),
                    );
                    let wrong = own
                        .query(&format!("SELECT * FROM pgtrickle.verify('{name}')"), &[])
                        .expect("verified");
                    assert!(wrong.is_empty(), "{name} is wrong");
                    run(&mut own, "COMMIT");
                }
            }
        })
    });
    let all: Vec<_> = writers.chain(refreshers).collect();
    for one in all {
        one.join().expect("no error");
    }
    for name in TABLES {
        run(
            &mut client,
            &format!("SELECT pgtrickle.refresh_stream_table('{name}')"),
        );
        law(&mut client, name);
    }
    let rebuilt: i64 = client
        .query_one(
            "SELECT count(*) FROM pgtrickle.pgt_refresh_history WHERE action NOT IN ('DIFFERENTIAL', 'NO_DATA')
             AND initiated_by <> 'INITIAL'",
            &[],
        )
        .expect("history")
        .get(0);
    assert_eq!(rebuilt, 0);
}
