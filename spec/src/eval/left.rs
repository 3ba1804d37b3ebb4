//! `Left(p)(x, y) = Join(p)(x, y) + Anti(p)(x, y) ‖ NULL…`. Linear in x.

use super::functions::Functions;
use super::value::Value;
use super::{Bag, EvalError, anti, join};
use crate::expr::Expr;
use std::sync::Arc;

/// `width`: the number of columns of y.
pub fn eval(
    conjuncts: &[Expr],
    x: &Arc<Bag>,
    y: &Arc<Bag>,
    width: usize,
    functions: &dyn Functions,
) -> Result<Bag, EvalError> {
    let mut out = join::eval(conjuncts, &[x.clone(), y.clone()], functions)?;
    for (mut row, w) in anti::eval(conjuncts, x, y, functions)?.0 {
        row.extend(std::iter::repeat_n(Value::Null, width));
        out.0.push((row, w));
    }
    Ok(out)
}
