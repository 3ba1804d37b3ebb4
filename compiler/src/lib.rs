//! SQL text and a catalog snapshot to an optimised incremental circuit: a pure function.

pub mod analyse;
pub mod bind;
pub mod compile;
pub mod doubt;
pub mod expr_facts;
pub mod lower;
pub mod monotone;
pub mod parse;
pub mod rewrite;
pub mod schema;
mod settled;
pub mod typename;
pub mod typing;

pub use compile::{Outcome, compile, delta};
