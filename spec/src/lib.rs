//! The language that every other crate speaks, and what it means.
//!
//! A defining query becomes a [`circuit::Circuit`] over Z-sets (Budiu et al., "DBSP: Automatic
//! Incremental View Maintenance for Rich Query Languages", VLDB 2023): a hash-consed DAG of
//! [`op::Op`] nodes whose edges carry positional, typed columns. A refresh has two epochs, before
//! and after; `New`, `Old` and `Delta` are operators of the same algebra, so that incrementalising
//! is rewriting. The result of compilation is a [`program::RefreshProgram`]: data that a small
//! runtime executes.
//!
//! | module | concept |
//! |---|---|
//! | [`types`] | OIDs, column types, nullability |
//! | [`catalog`] | the snapshot of PostgreSQL's catalog that binding reads |
//! | [`expr`] | typed scalar expressions |
//! | [`null`] | where NULLs come from, and what keeps them out |
//! | [`clock`] | time as a source |
//! | [`op`], [`circuit`] | the algebra, and hash-consed DAGs of it |
//! | [`fold`] | which aggregates can be computed from their old value and the change |
//! | [`compiled`] | what compiling yields: circuit, storage plan, deltas |
//! | [`program`] | the refresh program |
//! | [`eval`] | the reference evaluator: what a circuit means, and the oracle of rewrite rules |
//! | [`tape`] | a tape of choices, for generators of random cases |
//! | [`reason`] | stable codes for everything that cannot be incremental, with spans |

pub mod catalog;
pub mod circuit;
pub mod clock;
pub mod compiled;
pub mod display;
pub mod eval;
pub mod expr;
pub mod fold;
pub mod null;
pub mod op;
pub mod program;
pub mod raising;
pub mod reason;
pub mod tape;
pub mod types;
pub mod window;

pub use circuit::{Circuit, NodeId};
pub use expr::Expr;
pub use op::Op;
pub use reason::{Reason, ReasonCode, Span};
pub use types::{ColType, Oid, SqlType};
