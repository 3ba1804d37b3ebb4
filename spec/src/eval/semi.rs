//! `Semi(p₁…pₘ)(x, y)[r] = x[r] if Σ {y[s] : all pⱼ(r ‖ s) are true} > 0, else 0`. Linear in x.
//!
//! Where y has no negative weights that is EXISTS. On a y that is written as a sum it is the same as
//! on the sum, so that rows that cancel do not matter.

use super::expr;
use super::functions::Functions;
use super::{Bag, EvalError, Row};
use crate::expr::Expr;

pub fn eval(
    conjuncts: &[Expr],
    x: &Bag,
    y: &Bag,
    functions: &dyn Functions,
) -> Result<Bag, EvalError> {
    let mut out = Bag::default();
    for (row, w) in &x.0 {
        if matches(conjuncts, row, y, functions)? {
            out.0.push((row.clone(), *w));
        }
    }
    Ok(out)
}

/// Does this row of x match?
pub fn matches(
    conjuncts: &[Expr],
    row: &Row,
    y: &Bag,
    functions: &dyn Functions,
) -> Result<bool, EvalError> {
    let mut pair = row.clone();
    let mut sum = 0;
    for (right, w) in &y.0 {
        pair.extend(right.iter().cloned());
        if expr::all_hold(conjuncts, &pair, functions)? {
            sum += w;
        }
        pair.truncate(row.len());
    }
    Ok(sum > 0)
}

#[cfg(test)]
mod tests {
    use super::super::functions::Builtin;
    use super::super::value::Value;
    use super::super::{anti, left};
    use super::*;
    use crate::eval::builtin;
    use crate::expr::ExprKind;
    use crate::types::{Oid, SqlType, oids};

    fn equal() -> [Expr; 1] {
        let o = builtin::operator("=", oids::INT4, oids::INT4).expect("an operator");
        let int = SqlType::new(oids::INT4);
        let kind = ExprKind::Operator {
            operator: o.operator,
            function: o.function,
            args: vec![Expr::column(0, int), Expr::column(1, int)],
            collation: Oid::INVALID,
        };
        [Expr::new(kind, SqlType::new(o.result))]
    }

    fn bag(rows: &[(Option<i64>, i64)]) -> Bag {
        let value = |v: &Option<i64>| v.map_or(Value::Null, Value::Int);
        rows.iter().map(|(v, w)| (vec![value(v)], *w)).collect()
    }

    #[test]
    fn rows_that_cancel_do_not_match() {
        let x = bag(&[(Some(1), 2), (Some(2), 1), (Some(3), -1), (None, 1)]);
        let y = bag(&[
            (Some(1), 1),
            (Some(1), 1),
            (Some(2), 1),
            (Some(2), -1),
            (Some(3), 1),
            (None, 1),
        ]);
        let semi = eval(&equal(), &x, &y, &Builtin).expect("no error");
        assert_eq!(semi, bag(&[(Some(1), 2), (Some(3), -1)]));
        let anti = anti::eval(&equal(), &x, &y, &Builtin).expect("no error");
        assert_eq!(anti, bag(&[(Some(2), 1), (None, 1)]));
        let left = left::eval(&equal(), &x.into(), &y.into(), 1, &Builtin).expect("no error");
        let one = |v: Option<i64>, right: Option<i64>, w: i64| {
            let value = |v: Option<i64>| v.map_or(Value::Null, Value::Int);
            (vec![value(v), value(right)], w)
        };
        let expected: Bag = [
            one(Some(1), Some(1), 4),
            one(Some(2), None, 1),
            one(Some(3), Some(3), -1),
            one(None, None, 1),
        ]
        .into_iter()
        .collect();
        assert_eq!(left.consolidate(), expected.consolidate());
    }
}
