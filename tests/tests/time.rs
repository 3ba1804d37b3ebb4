//! The traps of time and concurrency: several connections, scripted to interleave.

#[path = "time/support.rs"]
mod support;

#[path = "time/bulk.rs"]
mod bulk;
#[path = "time/children.rs"]
mod children;
#[path = "time/commits.rs"]
mod commits;
#[path = "time/compared.rs"]
mod compared;
#[path = "time/creation.rs"]
mod creation;
#[path = "time/isolation.rs"]
mod isolation;
#[path = "time/large.rs"]
mod large;
#[path = "time/own_transaction.rs"]
mod own_transaction;
#[path = "time/partitions.rs"]
mod partitions;
#[path = "time/refreshers.rs"]
mod refreshers;
#[path = "time/replication.rs"]
mod replication;
#[path = "time/truncation.rs"]
mod truncation;
#[path = "time/unread.rs"]
mod unread;
