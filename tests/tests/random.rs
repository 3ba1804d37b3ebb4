//! Random queries × random DML: 2,000 (query, history) cases with fixed seeds, or as many as
//! `PGT_RANDOM_CASES` says, from the seed `PGT_RANDOM_SEED` on. For long runs with fresh seeds see
//! the program `pgt-random`.

use harness::random::campaign::{SUBJECTS, check};
use harness::random::run::Mode;

const SHARDS: u64 = 8;

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(value) => value
            .parse()
            .unwrap_or_else(|_| panic!("{name} must be a number, not {value}")),
        Err(_) => default,
    }
}

/// One shard of the scenarios, so that the test runner can use all cores.
fn shard(index: u64) {
    let scenarios = setting("PGT_RANDOM_CASES", 2000).div_ceil(SUBJECTS as u64);
    let first = setting("PGT_RANDOM_SEED", 1);
    let seeds = (first..first + scenarios).filter(|seed| seed % SHARDS == index);
    let stats = check(seeds, SUBJECTS, Mode::Extension);
    println!("{stats:?}");
    // Refreshes that have nothing to do prove little.
    let enough = stats.cases == 0 || stats.changed * 5 > stats.refreshes;
    assert!(enough, "too few refreshes changed anything: {stats:?}");
    let compared = stats.unplannable * 100 <= stats.refreshes;
    assert!(compared, "too few could be compared: {stats:?}");
}

macro_rules! shards {
    ($($name:ident = $index:literal;)+) => {
        $(#[test] fn $name() { shard($index); })+

        #[test]
        fn every_shard_runs() {
            assert_eq!([$($index),+], core::array::from_fn::<u64, { SHARDS as usize }, _>(|i| i as u64));
        }
    };
}

shards! {
    random_0 = 0;
    random_1 = 1;
    random_2 = 2;
    random_3 = 3;
    random_4 = 4;
    random_5 = 5;
    random_6 = 6;
    random_7 = 7;
}

/// The generator itself: no statement fails, the same query planned in another way has the same
/// rows, and enough of them change.
#[test]
fn generated_queries_are_valid_and_deterministic() {
    let stats = check(500..512, 30, Mode::Plain);
    assert_eq!(stats.cases, 360);
    // As of the shards: what NOT IN, EXCEPT and a WHERE over subqueries leave is often nothing.
    assert!(stats.changed * 5 > stats.refreshes, "{stats:?}");
}
