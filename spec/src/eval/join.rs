//! `Join(p₁…pₘ)(x₁…xₙ)[r₁ ‖ … ‖ rₙ] = Π xᵢ[rᵢ] if all pⱼ are true, else 0`. Linear in each input.
//!
//! The conjuncts of a row of the product are evaluated in their order, up to the first that is not
//! true. Rows are built input by input, and given up as soon as the conjuncts that can be
//! evaluated so far say so, which is the same: one that raises is left for the whole row, if there
//! is any.

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
    let mut product = Product {
        conjuncts,
        inputs,
        functions,
        out: Bag::default(),
    };
    product.extend(&mut vec![], 1, 0, 0)?;
    Ok(product.out)
}

struct Product<'a> {
    conjuncts: &'a [Expr],
    inputs: &'a [Arc<Bag>],
    functions: &'a dyn Functions,
    out: Bag,
}

impl Product<'_> {
    /// All rows that begin with `row`, which is of the first `depth` inputs and on which the first
    /// `held` conjuncts hold.
    fn extend(
        &mut self,
        row: &mut Row,
        weight: i64,
        depth: usize,
        mut held: usize,
    ) -> Result<(), EvalError> {
        let Some(input) = self.inputs.get(depth) else {
            if expr::all_hold(&self.conjuncts[held..], row, self.functions)? {
                self.out.0.push((row.clone(), weight));
            }
            return Ok(());
        };
        while let Some(conjunct) = self.conjuncts.get(held)
            && conjunct.columns().last().is_none_or(|c| *c < row.len())
        {
            match expr::holds(conjunct, row, self.functions) {
                Ok(true) => held += 1,
                Ok(false) => return Ok(()),
                Err(_) => break,
            }
        }
        let width = row.len();
        for (right, w) in &input.0 {
            row.extend(right.iter().cloned());
            self.extend(row, weight * w, depth + 1, held)?;
            row.truncate(width);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::functions::Builtin;
    use super::super::value::Value;
    use super::*;
    use crate::eval::builtin;
    use crate::expr::ExprKind;
    use crate::types::{Oid, SqlType, oids};

    fn int(i: usize) -> Expr {
        Expr::column(i, SqlType::new(oids::INT4))
    }

    fn infix(symbol: &str, a: Expr, b: Expr) -> Expr {
        let o = builtin::operator(symbol, oids::INT4, oids::INT4).expect("an operator");
        let kind = ExprKind::Operator {
            operator: o.operator,
            function: o.function,
            args: vec![a, b],
            collation: Oid::INVALID,
        };
        Expr::new(kind, SqlType::new(o.result))
    }

    fn bag(values: &[i64]) -> Arc<Bag> {
        Arc::new(values.iter().map(|v| (vec![Value::Int(*v)], 2)).collect())
    }

    #[test]
    fn weights_multiply() {
        let on = [infix("=", int(0), int(1))];
        let out = eval(&on, &[bag(&[1, 2]), bag(&[2, 3])], &Builtin).expect("no error");
        assert_eq!(out.0, [(vec![Value::Int(2), Value::Int(2)], 4)]);
    }

    #[test]
    fn a_conjunct_raises_only_on_whole_rows_that_come_to_it() {
        let one = Expr::literal("1", SqlType::new(oids::INT4));
        let raises = infix("=", infix("/", one, int(0)), int(0));
        let never = infix("<", int(1), int(0));
        let zero = bag(&[0]);
        let run = |on: &[Expr], right: &[i64]| {
            eval(on, &[zero.clone(), bag(right)], &Builtin).map(|b| b.0.len())
        };
        let error = Err(EvalError::DivisionByZero);
        assert_eq!(run(&[raises.clone(), never.clone()], &[0]), error);
        assert_eq!(run(&[never, raises.clone()], &[0]), Ok(0));
        assert_eq!(run(&[raises], &[]), Ok(0));
    }
}
