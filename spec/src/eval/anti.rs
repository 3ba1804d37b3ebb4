//! `Anti(p)(x, y) = x − Semi(p)(x, y)`. Linear in x.

use super::functions::Functions;
use super::semi::matches;
use super::{Bag, EvalError};
use crate::expr::Expr;

pub fn eval(
    conjuncts: &[Expr],
    x: &Bag,
    y: &Bag,
    functions: &dyn Functions,
) -> Result<Bag, EvalError> {
    let mut out = Bag::default();
    for (row, w) in &x.0 {
        if !matches(conjuncts, row, y, functions)? {
            out.0.push((row.clone(), *w));
        }
    }
    Ok(out)
}
