//! Random queries × random DML. For long runs with fresh seeds see the program `pgt-random`.

use harness::random::campaign::check;
use harness::random::run::Mode;

/// The generator itself: no statement fails, the same query planned in another way has the same
/// rows, and enough of them change.
#[test]
fn generated_queries_are_valid_and_deterministic() {
    let stats = check(500..506, 30, Mode::Plain);
    assert_eq!(stats.cases, 180);
    assert!(stats.changed * 4 > stats.refreshes, "{stats:?}");
}
