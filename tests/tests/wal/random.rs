//! Random queries × random DML: the same scenarios as elsewhere, the sources captured from the WAL.

use harness::random::campaign::{SUBJECTS, check};
use harness::random::run::Mode;

fn seeds(first: u64) {
    let stats = check(first..first + 3, SUBJECTS, Mode::Wal);
    assert!(stats.changed * 10 > stats.refreshes, "{stats:?}");
}

#[test]
fn random_0() {
    seeds(7000);
}

#[test]
fn random_1() {
    seeds(7100);
}

#[test]
fn random_2() {
    seeds(7200);
}

#[test]
fn random_3() {
    seeds(7300);
}
