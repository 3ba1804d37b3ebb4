//! Literal rows, each once: `Old(c) = New(c) = c`, `Delta(c) = 0`.

use super::expr;
use super::functions::Functions;
use super::{Bag, EvalError};
use crate::op::Constant;

pub fn eval(constant: &Constant, functions: &dyn Functions) -> Result<Bag, EvalError> {
    constant
        .rows
        .iter()
        .map(|row| {
            let row = row
                .iter()
                .map(|e| expr::eval(e, &[], functions))
                .collect::<Result<_, _>>()?;
            Ok((row, 1))
        })
        .collect::<Result<_, _>>()
        .map(Bag)
}
