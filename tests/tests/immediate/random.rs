//! Random queries × random transactions: the law after each statement, within functions, savepoints
//! and what is undone; and the same by several writers at once. Long runs with fresh seeds:
//! `pgt-random --immediate`, `pgt-random --crowd`.

use harness::random::campaign::check;
use harness::random::run::Mode;

const SUBJECTS: usize = 8;

fn shard(seeds: std::ops::Range<u64>) {
    let scenarios = seeds.end - seeds.start;
    let stats = check(seeds, SUBJECTS, Mode::Immediate);
    assert_eq!(stats.cases as u64, scenarios * SUBJECTS as u64);
}

#[test]
fn random_transactions_0() {
    shard(70_000..70_006);
}

#[test]
fn random_transactions_1() {
    shard(71_000..71_006);
}

#[test]
fn random_writers() {
    let stats = check(72_000..72_004, SUBJECTS, Mode::Crowd);
    assert_eq!(stats.cases, 4 * SUBJECTS);
}
