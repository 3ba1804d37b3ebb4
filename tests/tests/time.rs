//! The traps of time and concurrency: several connections, scripted to interleave.

#[path = "time/support.rs"]
mod support;

#[path = "time/commits.rs"]
mod commits;
#[path = "time/creation.rs"]
mod creation;
#[path = "time/isolation.rs"]
mod isolation;
#[path = "time/own_transaction.rs"]
mod own_transaction;
#[path = "time/refreshers.rs"]
mod refreshers;
#[path = "time/truncation.rs"]
mod truncation;
