//! Rules and whole plans against the reference evaluator.

mod plans;
mod random;
