//! `Plus(x₁…xₙ)[r] = Σ xᵢ[r]`. Linear.

use super::Bag;
use std::sync::Arc;

pub fn eval(inputs: &[Arc<Bag>]) -> Bag {
    inputs.iter().flat_map(|x| x.0.iter().cloned()).collect()
}
