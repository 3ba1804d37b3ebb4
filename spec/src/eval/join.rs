//! `Join(p₁…pₘ)(x₁…xₙ)[r₁ ‖ … ‖ rₙ] = Π xᵢ[rᵢ] if all pⱼ are true, else 0`. Linear in each input.

use super::expr;
use super::functions::Functions;
use super::{Bag, EvalError, Row};
use crate::expr::Expr;
use std::sync::Arc;

pub fn eval(
    conjuncts: &[Expr],
    inputs: &[Arc<Bag>],
    functions: &dyn Functions,
) -> Result<Bag, EvalError> {
    let mut product: Vec<(Row, i64)> = vec![(vec![], 1)];
    for x in inputs {
        product = product
            .iter()
            .flat_map(|(left, w)| {
                x.0.iter().map(move |(right, v)| {
                    let row = left.iter().chain(right).cloned().collect();
                    (row, w * v)
                })
            })
            .collect();
    }
    let mut out = Bag::default();
    for (row, w) in product {
        if expr::all_hold(conjuncts, &row, functions)? {
            out.0.push((row, w));
        }
    }
    Ok(out)
}
