//! Questions about order books, positions and graphs, of the kind that systems for standing queries
//! over markets are measured with: nested aggregates that move with every order, bands, self-joins.
//! `order_books/queries.sql` holds them; [`harness::suite`] says how they are run.

#[path = "order_books/changes.rs"]
mod changes;

use changes::Market;
use harness::suite::{Suite, run};

#[test]
fn order_books() {
    let mut market = Market::new(41);
    run(&Suite {
        name: "order_books",
        schema: include_str!("order_books/schema.sql"),
        queries: include_str!("order_books/queries.sql"),
        before: vec![market.arrivals(25)],
        batches: vec![
            market.arrivals(5),
            market.changes(),
            market.changes(),
            market.empty("asks"),
            market.arrivals(20),
            market.changes(),
            market.empty("bids"),
            market.arrivals(25),
            market.changes(),
        ],
    });
}
