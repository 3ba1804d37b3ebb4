//! SQL text and a catalog snapshot to an optimised incremental circuit: a pure function.

pub mod bind;
pub mod parse;
pub mod rewrite;
pub mod schema;
pub mod typename;
pub mod typing;
