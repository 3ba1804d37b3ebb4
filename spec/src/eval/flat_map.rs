//! `FlatMap(f)(x)[r·s] = x[r] · #{ s in f(r) }`: each row beside the rows that functions make of it.
//! Linear.
//!
//! The functions run side by side; a list that is shorter than the longest is padded with NULLs.
//! An outer one keeps a row of which nothing is made that meets its conditions, once and padded.

use super::expr;
use super::functions::Functions;
use super::value::Row;
use super::{Bag, EvalError, Value};
use crate::expr::{Expr, ExprKind};
use crate::op::{FlatMap, SetFunction};
use crate::types::Oid;

/// `generate_series` of two int4, of two int8, and of three.
pub const SERIES: [Oid; 4] = [Oid(1067), Oid(1069), Oid(1066), Oid(1068)];
/// `unnest(anyarray)`
pub const UNNEST: Oid = Oid(2331);

pub fn eval(f: &FlatMap, x: &Bag, functions: &dyn Functions) -> Result<Bag, EvalError> {
    let mut out = Bag::default();
    for (row, w) in &x.0 {
        let mut some = false;
        for made in made(f, row, functions)? {
            let joined: Row = row.iter().cloned().chain(made).collect();
            if let Some(on) = &f.outer
                && !expr::all_hold(on, &joined, functions)?
            {
                continue;
            }
            some = true;
            out.0.push((joined, *w));
        }
        if f.outer.is_some() && !some {
            let nulls = std::iter::repeat_n(Value::Null, f.made().len());
            out.0.push((row.iter().cloned().chain(nulls).collect(), *w));
        }
    }
    Ok(out)
}

/// The rows that are made of one row.
fn made(f: &FlatMap, row: &[Value], functions: &dyn Functions) -> Result<Vec<Row>, EvalError> {
    let lists: Vec<Vec<Row>> = f
        .functions
        .iter()
        .map(|f| rows(f, row, functions))
        .collect::<Result<_, _>>()?;
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    let side_by_side = (0..longest).map(|i| {
        let parts = f.functions.iter().zip(&lists);
        let mut out: Row = parts
            .flat_map(|(f, list)| match list.get(i) {
                Some(part) => part.clone(),
                None => vec![Value::Null; f.columns.len()],
            })
            .collect();
        if f.ordinality {
            out.push(Value::Int(i as i64 + 1));
        }
        out
    });
    Ok(side_by_side.collect())
}

/// What one function makes of one row.
fn rows(f: &SetFunction, row: &[Value], functions: &dyn Functions) -> Result<Vec<Row>, EvalError> {
    let of_one = |values: Vec<Value>| values.into_iter().map(|v| vec![v]).collect();
    let evaluate = |e: &Expr| expr::eval(e, row, functions);
    match f.call.kind() {
        ExprKind::Call { function, args, .. }
            if *function == UNNEST || SERIES.contains(function) =>
        {
            let args = args.iter().map(evaluate).collect::<Result<Vec<_>, _>>()?;
            if args.iter().any(Value::is_null) {
                return Ok(vec![]);
            }
            match args.as_slice() {
                [Value::Array(items)] => Ok(of_one(items.clone())),
                [Value::Int(from), Value::Int(to)] => series(*from, *to, 1).map(of_one),
                [Value::Int(from), Value::Int(to), Value::Int(step)] => {
                    series(*from, *to, *step).map(of_one)
                }
                _ => Err(EvalError::IllTyped),
            }
        }
        _ => Ok(of_one(vec![evaluate(&f.call)?])),
    }
}

/// From one number to another. A step of 0 raises; the oracle counts only so far.
fn series(from: i64, to: i64, step: i64) -> Result<Vec<Value>, EvalError> {
    const MOST: usize = 1000;
    if step == 0 {
        return Err(EvalError::OutOfRange);
    }
    let inside = |n: &i64| if step > 0 { *n <= to } else { *n >= to };
    let all = std::iter::successors(Some(from), |n| n.checked_add(step));
    let all: Vec<Value> = all.take_while(inside).take(MOST).map(Value::Int).collect();
    match all.len() {
        MOST => Err(EvalError::Unknown {
            what: "so long a series".into(),
        }),
        _ => Ok(all),
    }
}

#[cfg(test)]
mod tests {
    use super::super::functions::Builtin;
    use super::*;
    use crate::types::{ColType, SqlType, oids};

    const INT: SqlType = SqlType::new(oids::INT4);

    fn function(oid: Oid, args: Vec<Expr>) -> SetFunction {
        let kind = ExprKind::Call {
            function: oid,
            args,
            collation: Oid::INVALID,
            variadic: false,
        };
        SetFunction {
            call: Expr::new(kind, INT),
            columns: vec![ColType {
                ty: INT,
                nullable: true,
            }],
            definitions: vec![],
        }
    }

    fn up_to(last: Expr) -> SetFunction {
        function(SERIES[0], vec![Expr::literal("1", INT), last])
    }

    fn int(n: i64) -> Value {
        Value::Int(n)
    }

    fn of(f: &FlatMap, row: Row) -> Vec<Row> {
        let x = Bag(vec![(row, 3)]);
        let out = eval(f, &x, &Builtin).expect("no error").0;
        assert!(out.iter().all(|(_, w)| *w == 3));
        out.into_iter().map(|(r, _)| r).collect()
    }

    #[test]
    fn functions_run_side_by_side() {
        let f = FlatMap {
            functions: vec![
                up_to(Expr::column(0, INT)),
                function(UNNEST, vec![Expr::column(1, SqlType::new(Oid(1007)))]),
            ],
            ordinality: true,
            outer: None,
        };
        let array = Value::Array(vec![int(7), Value::Null, int(7)]);
        let row = vec![int(2), array];
        let made: Vec<Row> = of(&f, row).into_iter().map(|r| r[2..].to_vec()).collect();
        assert_eq!(
            made,
            [
                vec![int(1), int(7), int(1)],
                vec![int(2), Value::Null, int(2)],
                vec![Value::Null, int(7), int(3)],
            ]
        );
        assert_eq!(of(&f, vec![int(0), Value::Array(vec![])]).len(), 0);
        assert_eq!(of(&f, vec![Value::Null, Value::Null]).len(), 0);
    }

    #[test]
    fn an_outer_one_keeps_what_makes_nothing() {
        let f = FlatMap {
            functions: vec![up_to(Expr::column(0, INT))],
            ordinality: false,
            outer: Some(vec![]),
        };
        assert_eq!(of(&f, vec![int(2)]).len(), 2);
        assert_eq!(of(&f, vec![int(0)]), [vec![int(0), Value::Null]]);
        let never = FlatMap {
            outer: Some(vec![Expr::literal("f", SqlType::new(oids::BOOL))]),
            ..f
        };
        assert_eq!(of(&never, vec![int(2)]), [vec![int(2), Value::Null]]);
    }

    #[test]
    fn a_step_of_nothing_raises() {
        assert!(series(1, 2, 0).is_err());
        assert_eq!(series(3, 1, -2), Ok(vec![int(3), int(1)]));
    }
}
