//! `Map(e₁…eₙ)(x)[s] = Σ { x[r] : (e₁(r)…eₙ(r)) = s }`. Linear.

use super::expr;
use super::functions::Functions;
use super::{Bag, EvalError};
use crate::expr::Expr;

pub fn eval(exprs: &[Expr], x: &Bag, functions: &dyn Functions) -> Result<Bag, EvalError> {
    x.0.iter()
        .map(|(row, w)| {
            let mapped = exprs
                .iter()
                .map(|e| expr::eval(e, row, functions))
                .collect::<Result<_, _>>()?;
            Ok((mapped, *w))
        })
        .collect::<Result<_, _>>()
        .map(Bag)
}
