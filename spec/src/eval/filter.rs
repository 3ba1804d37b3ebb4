//! `Filter(p)(x)[r] = x[r] if p(r) is true, else 0`. Linear.

use super::expr;
use super::functions::Functions;
use super::{Bag, EvalError};
use crate::expr::Expr;

pub fn eval(predicate: &Expr, x: &Bag, functions: &dyn Functions) -> Result<Bag, EvalError> {
    let mut out = Bag::default();
    for (row, w) in &x.0 {
        if expr::holds(predicate, row, functions)? {
            out.0.push((row.clone(), *w));
        }
    }
    Ok(out)
}
