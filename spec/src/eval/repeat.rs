//! `Repeat(n)(x)[r] = x[r] · max(n(r), 0)`, and 0 where n is NULL. Linear.

use super::expr;
use super::functions::Functions;
use super::{Bag, EvalError, Value};
use crate::expr::Expr;

pub fn eval(times: &Expr, x: &Bag, functions: &dyn Functions) -> Result<Bag, EvalError> {
    let mut out = Bag::default();
    for (row, w) in &x.0 {
        match expr::eval(times, row, functions)? {
            Value::Null => {}
            Value::Int(n) => {
                if n > 0 {
                    out.0.push((row.clone(), w * n));
                }
            }
            _ => return Err(EvalError::IllTyped),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::functions::Builtin;
    use super::*;
    use crate::types::{SqlType, oids};

    #[test]
    fn what_is_not_positive_is_dropped() {
        let times = Expr::column(0, SqlType::new(oids::INT8));
        let rows = [(Some(3), -2), (Some(0), 1), (Some(-1), 1), (None, 1)];
        let row = |n: Option<i64>| vec![n.map_or(Value::Null, Value::Int)];
        let x: Bag = rows.into_iter().map(|(n, w)| (row(n), w)).collect();
        let repeated = eval(&times, &x, &Builtin).expect("no error");
        assert_eq!(repeated.0, [(row(Some(3)), -6)]);
    }
}
