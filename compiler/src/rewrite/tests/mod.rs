//! Rules and whole plans against the reference evaluator.

mod directed;
mod plans;
pub mod random;
mod rules;
mod shapes;
