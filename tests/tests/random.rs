//! Random queries × random DML: 10,000 (query, history) cases with fixed seeds, or as many as
//! `PGT_RANDOM_CASES` says, from the seed `PGT_RANDOM_SEED` on. For long runs with fresh seeds see
//! the program `pgt-random`.

use harness::random::campaign::{SUBJECTS, check};
use harness::random::run::Mode;

const SHARDS: u64 = 40;

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
    let scenarios = setting("PGT_RANDOM_CASES", 10_000).div_ceil(SUBJECTS as u64);
    let first = setting("PGT_RANDOM_SEED", 1);
    let seeds = (first..first + scenarios).filter(|seed| seed % SHARDS == index);
    let stats = check(seeds, SUBJECTS, Mode::Extension);
    println!("{stats:?}");
    // Refreshes that have nothing to do prove little. A shard has few schemas and histories, of which
    // some change little: a share that all have, not the usual one.
    let enough = stats.cases == 0 || stats.changed * 10 > stats.refreshes;
    assert!(enough, "too few refreshes changed anything: {stats:?}");
    let kept = stats.refused * 10 <= stats.cases;
    assert!(kept, "too many are refused: {stats:?}");
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
    random_00 = 0;
    random_01 = 1;
    random_02 = 2;
    random_03 = 3;
    random_04 = 4;
    random_05 = 5;
    random_06 = 6;
    random_07 = 7;
    random_08 = 8;
    random_09 = 9;
    random_10 = 10;
    random_11 = 11;
    random_12 = 12;
    random_13 = 13;
    random_14 = 14;
    random_15 = 15;
    random_16 = 16;
    random_17 = 17;
    random_18 = 18;
    random_19 = 19;
    random_20 = 20;
    random_21 = 21;
    random_22 = 22;
    random_23 = 23;
    random_24 = 24;
    random_25 = 25;
    random_26 = 26;
    random_27 = 27;
    random_28 = 28;
    random_29 = 29;
    random_30 = 30;
    random_31 = 31;
    random_32 = 32;
    random_33 = 33;
    random_34 = 34;
    random_35 = 35;
    random_36 = 36;
    random_37 = 37;
    random_38 = 38;
    random_39 = 39;
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
