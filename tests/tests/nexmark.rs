//! Nexmark: the queries of a benchmark for stream processors, as stream tables over an auction house
//! ([`events`]) whose rows are corrected and withdrawn, too. `nexmark/queries.sql` holds the queries,
//! in our words; [`harness::suite`] says how they are run.

#[path = "nexmark/events.rs"]
mod events;

use events::House;
use harness::suite::{Suite, run};

#[test]
fn nexmark() {
    let mut house = House::new(18);
    run(&Suite {
        name: "nexmark",
        schema: include_str!("nexmark/schema.sql"),
        queries: include_str!("nexmark/queries.sql"),
        before: vec![house.events(400)],
        batches: vec![
            house.events(60),
            house.corrections(),
            house.withdrawals(),
            house.repetitions(),
            house.corrections(),
            house.silence(),
            house.events(150),
            house.withdrawals(),
        ],
    });
}
