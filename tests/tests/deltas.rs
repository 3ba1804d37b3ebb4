//! The traps of deltas: batches of changes that incremental view maintenance is known to get
//! wrong. Each test refreshes DIFFERENTIAL and checks the law after each batch.

#[path = "deltas/support.rs"]
mod support;

#[path = "deltas/aggregates.rs"]
mod aggregates;
#[path = "deltas/append_only.rs"]
mod append_only;
#[path = "deltas/clock.rs"]
mod clock;
#[path = "deltas/distinct_aggregates.rs"]
mod distinct_aggregates;
#[path = "deltas/errors.rs"]
mod errors;
#[path = "deltas/extension_types.rs"]
mod extension_types;
#[path = "deltas/groups.rs"]
mod groups;
#[path = "deltas/joins.rs"]
mod joins;
#[path = "deltas/lateral.rs"]
mod lateral;
#[path = "deltas/numbers.rs"]
mod numbers;
#[path = "deltas/recursion.rs"]
mod recursion;
#[path = "deltas/refused.rs"]
mod refused;
#[path = "deltas/rows.rs"]
mod rows;
#[path = "deltas/search_cycle.rs"]
mod search_cycle;
#[path = "deltas/set_operations.rs"]
mod set_operations;
#[path = "deltas/sql_json.rs"]
mod sql_json;
#[path = "deltas/sql_xml.rs"]
mod sql_xml;
#[path = "deltas/subqueries.rs"]
mod subqueries;
#[path = "deltas/top_k.rs"]
mod top_k;
#[path = "deltas/types.rs"]
mod types;
#[path = "deltas/windows.rs"]
mod windows;
