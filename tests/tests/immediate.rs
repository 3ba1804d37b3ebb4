//! IMMEDIATE: the law after every statement that changes a source, in the writer's own transaction.

#[path = "immediate/support.rs"]
mod support;

#[path = "immediate/chains.rs"]
mod chains;
#[path = "immediate/crash.rs"]
mod crash;
#[path = "immediate/ddl.rs"]
mod ddl;
#[path = "immediate/isolation.rs"]
mod isolation;
#[path = "immediate/multi_table.rs"]
mod multi_table;
#[path = "immediate/random.rs"]
mod random;
#[path = "immediate/refused.rs"]
mod refused;
#[path = "immediate/replication.rs"]
mod replication;
#[path = "immediate/soak.rs"]
mod soak;
#[path = "immediate/statements.rs"]
mod statements;
#[path = "immediate/together.rs"]
mod together;
