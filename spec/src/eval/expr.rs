//! The meaning of scalar expressions: three-valued logic, strictness, errors as values.
//!
//! An expression over a row is a value or an error. AND, OR, CASE and COALESCE evaluate from left
//! to right and stop where the answer is known; PostgreSQL promises that for CASE and COALESCE
//! only, so that nothing may be concluded from the order of the conjuncts beyond what holds for
//! any order. Every other argument is evaluated, and a strict function of a NULL is NULL.

use super::builtin::{self, Comparison, Meaning};
use super::functions::Functions;
use super::numeric::Numeric;
use super::value::{Value, element, int};
use super::{EvalError, value};
use crate::expr::{BoolTest, Coercion, Expr, ExprKind};
use crate::types::{Oid, SqlType, oids};
use std::cmp::Ordering;

/// Evaluates over one row.
pub fn eval(e: &Expr, row: &[Value], functions: &dyn Functions) -> Result<Value, EvalError> {
    let eval = |e: &Expr| eval(e, row, functions);
    match e.kind() {
        ExprKind::Column(i) => row.get(*i).cloned().ok_or(EvalError::IllTyped),
        ExprKind::Const(None) => Ok(Value::Null),
        ExprKind::Const(Some(text)) => Value::parse(text, e.ty()),
        ExprKind::Call { function, args, .. } | ExprKind::Operator { function, args, .. } => {
            let args = args.iter().map(eval).collect::<Result<Vec<_>, _>>()?;
            call(*function, &args, functions)
        }
        ExprKind::And(args) => connective(args, false, eval),
        ExprKind::Or(args) => connective(args, true, eval),
        ExprKind::Not(arg) => Ok(match truth(eval(arg)?)? {
            Some(b) => Value::Bool(!b),
            None => Value::Null,
        }),
        ExprKind::IsNull {
            arg,
            negated,
            row: false,
        } => Ok(Value::Bool(eval(arg)?.is_null() != *negated)),
        ExprKind::BoolTest { arg, test } => {
            let t = truth(eval(arg)?)?;
            Ok(Value::Bool(match test {
                BoolTest::IsTrue => t == Some(true),
                BoolTest::IsNotTrue => t != Some(true),
                BoolTest::IsFalse => t == Some(false),
                BoolTest::IsNotFalse => t != Some(false),
                BoolTest::IsUnknown => t.is_none(),
                BoolTest::IsNotUnknown => t.is_some(),
            }))
        }
        ExprKind::Distinct {
            function,
            args: [a, b],
            negated,
            ..
        } => {
            let (a, b) = (eval(a)?, eval(b)?);
            let distinct = match (a.is_null(), b.is_null()) {
                (false, false) => truth(call(*function, &[a, b], functions)?)? == Some(false),
                (a, b) => a != b,
            };
            Ok(Value::Bool(distinct != *negated))
        }
        ExprKind::NullIf {
            function,
            args: [a, b],
            ..
        } => {
            let (a, b) = (eval(a)?, eval(b)?);
            if a.is_null() || b.is_null() {
                return Ok(a);
            }
            let equal = truth(call(*function, &[a.clone(), b], functions)?)?;
            Ok(if equal == Some(true) { Value::Null } else { a })
        }
        ExprKind::ScalarArray {
            function,
            any,
            left,
            array,
            ..
        } => {
            let (left, items) = match (eval(left)?, eval(array)?) {
                (_, Value::Null) => return Ok(Value::Null),
                (left, Value::Array(items)) => (left, items),
                _ => return Err(EvalError::IllTyped),
            };
            // Of no items, and only then, the answer does not depend on `left`.
            let mut unknown = false;
            for item in items {
                match truth(call(*function, &[left.clone(), item], functions)?)? {
                    Some(t) if t == *any => return Ok(Value::Bool(t)),
                    Some(_) => {}
                    None => unknown = true,
                }
            }
            Ok(if unknown {
                Value::Null
            } else {
                Value::Bool(!any)
            })
        }
        ExprKind::Case { whens, otherwise } => {
            for (when, then) in whens {
                if truth(eval(when)?)? == Some(true) {
                    return eval(then);
                }
            }
            eval(otherwise)
        }
        ExprKind::Coalesce(args) => {
            for arg in args {
                match eval(arg)? {
                    Value::Null => {}
                    value => return Ok(value),
                }
            }
            Ok(Value::Null)
        }
        ExprKind::MinMax { greatest, args, .. } => {
            let mut best = Value::Null;
            for arg in args {
                let value = eval(arg)?;
                let better = if *greatest {
                    Ordering::Greater
                } else {
                    Ordering::Less
                };
                if best.is_null() || value.sql_cmp(&best) == Some(better) {
                    best = value;
                }
            }
            Ok(best)
        }
        ExprKind::Array(items) => Ok(Value::Array(
            items.iter().map(eval).collect::<Result<_, _>>()?,
        )),
        ExprKind::Cast { arg, coercion, .. } => {
            let from = arg.ty();
            let value = eval(arg)?;
            cast(value, from, e.ty(), *coercion, functions)
        }
        ExprKind::Collate(arg) => eval(arg),
        ExprKind::OneRow(arg) => match eval(arg)? {
            Value::Null | Value::Int(..=0) => Ok(Value::Null),
            Value::Int(1) => Ok(Value::Bool(true)),
            Value::Int(_) => Err(EvalError::SeveralRows),
            _ => Err(EvalError::IllTyped),
        },
        ExprKind::IsNull { row: true, .. }
        | ExprKind::Row { .. }
        | ExprKind::Field { .. }
        | ExprKind::Subscript { .. }
        | ExprKind::SessionValue(_)
        | ExprKind::Verbatim { .. } => Err(EvalError::Unknown {
            what: format!("expression {:?}", e.kind()),
        }),
    }
}

/// A condition keeps a row where it is true; false and unknown drop it.
pub fn holds(e: &Expr, row: &[Value], functions: &dyn Functions) -> Result<bool, EvalError> {
    Ok(truth(eval(e, row, functions)?)? == Some(true))
}

/// Do all conjuncts hold? Stops at the first that does not.
pub fn all_hold(
    conjuncts: &[Expr],
    row: &[Value],
    functions: &dyn Functions,
) -> Result<bool, EvalError> {
    for e in conjuncts {
        if !holds(e, row, functions)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn truth(value: Value) -> Result<Option<bool>, EvalError> {
    match value {
        Value::Bool(b) => Ok(Some(b)),
        Value::Null => Ok(None),
        _ => Err(EvalError::IllTyped),
    }
}

/// OR stops at true, AND at false; else unknown if any is unknown.
fn connective(
    args: &[Expr],
    stop: bool,
    eval: impl Fn(&Expr) -> Result<Value, EvalError>,
) -> Result<Value, EvalError> {
    let mut unknown = false;
    for arg in args {
        match truth(eval(arg)?)? {
            Some(b) if b == stop => return Ok(Value::Bool(stop)),
            Some(_) => {}
            None => unknown = true,
        }
    }
    Ok(if unknown {
        Value::Null
    } else {
        Value::Bool(!stop)
    })
}

/// Applies a function: a built-in of the table, or what `functions` makes of it.
pub fn call(function: Oid, args: &[Value], functions: &dyn Functions) -> Result<Value, EvalError> {
    match builtin::meaning(function) {
        Some(_) if args.iter().any(Value::is_null) => Ok(Value::Null),
        Some((meaning, result)) => apply(meaning, result, args),
        None => functions.call(function, args).unwrap_or_else(|| {
            Err(EvalError::Unknown {
                what: format!("function {function}"),
            })
        }),
    }
}

/// A known, strict function of arguments that are not NULL.
fn apply(meaning: Meaning, result: Oid, args: &[Value]) -> Result<Value, EvalError> {
    use Meaning::*;
    match (meaning, args) {
        (Compare(comparison), [a, b]) => {
            let order = a.sql_cmp(b).ok_or(EvalError::IllTyped)?;
            Ok(Value::Bool(match comparison {
                Comparison::Equal => order.is_eq(),
                Comparison::NotEqual => order.is_ne(),
                Comparison::Less => order.is_lt(),
                Comparison::LessEqual => order.is_le(),
                Comparison::Greater => order.is_gt(),
                Comparison::GreaterEqual => order.is_ge(),
            }))
        }
        (Add | Subtract | Multiply | Divide | Modulo, [a, b]) => arithmetic(meaning, result, a, b),
        (Negate, [Value::Int(a)]) => int(-i128::from(*a), result),
        (Negate, [Value::Numeric(a)]) => Ok(Value::Numeric(a.negated())),
        (Negate, [Value::Float(a)]) => Ok(Value::float(-f64::from_bits(*a))),
        (Identity, [a]) => Ok(a.clone()),
        (Absolute, [Value::Int(a)]) => int(i128::from(*a).abs(), result),
        (Absolute, [Value::Numeric(a)]) => Ok(Value::Numeric(a.abs())),
        (Absolute, [Value::Float(a)]) => Ok(Value::float(f64::from_bits(*a).abs())),
        (Concatenate, [Value::Text(a), Value::Text(b)]) => Ok(Value::text(&format!("{a}{b}"))),
        (Lower, [Value::Text(a)]) => Ok(Value::text(&a.to_lowercase())),
        (Upper, [Value::Text(a)]) => Ok(Value::text(&a.to_uppercase())),
        (Length, [Value::Text(a)]) => int(a.chars().count() as i128, result),
        (Convert, [a]) => convert(a, result),
        (ToText, [Value::Bool(b)]) => Ok(Value::text(if *b { "true" } else { "false" })),
        (ToText, [a]) => Ok(Value::text(&a.to_string())),
        (Typmod, [Value::Numeric(a), Value::Int(typmod)]) => {
            let typmod = i32::try_from(*typmod).map_err(|_| EvalError::OutOfRange)?;
            a.with_typmod(typmod).map(Value::Numeric)
        }
        _ => Err(EvalError::IllTyped),
    }
}

fn arithmetic(op: Meaning, result: Oid, a: &Value, b: &Value) -> Result<Value, EvalError> {
    use Meaning::*;
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => {
            let (a, b) = (i128::from(*a), i128::from(*b));
            let exact = match op {
                Divide | Modulo if b == 0 => return Err(EvalError::DivisionByZero),
                Add => a + b,
                Subtract => a - b,
                Multiply => a * b,
                Divide => a / b,
                _ => a % b,
            };
            int(exact, result)
        }
        (Value::Numeric(a), Value::Numeric(b)) => match op {
            Add => a.plus(*b),
            Subtract => a.minus(*b),
            Multiply => a.times(*b),
            Divide => a.over(*b),
            _ => a.modulo(*b),
        }
        .map(Value::Numeric),
        (Value::Float(a), Value::Float(b)) => {
            let (a, b) = (f64::from_bits(*a), f64::from_bits(*b));
            let f = match op {
                Divide if b == 0.0 && !a.is_nan() => return Err(EvalError::DivisionByZero),
                Add => a + b,
                Subtract => a - b,
                Multiply => a * b,
                Divide => a / b,
                _ => return Err(EvalError::IllTyped),
            };
            if f.is_infinite() && !a.is_infinite() && !b.is_infinite() {
                return Err(EvalError::OutOfRange);
            }
            Ok(Value::float(f))
        }
        _ => Err(EvalError::IllTyped),
    }
}

/// Between integers, numeric, float8 and bool.
fn convert(value: &Value, to: Oid) -> Result<Value, EvalError> {
    match (value, to) {
        (Value::Bool(b), oids::INT4) => Ok(Value::Int((*b).into())),
        (Value::Int(i), oids::BOOL) => Ok(Value::Bool(*i != 0)),
        (Value::Int(i), oids::NUMERIC) => Ok(Value::Numeric(Numeric::integer(*i))),
        (Value::Int(i), oids::FLOAT8) => Ok(Value::float(*i as f64)),
        (Value::Int(i), _) => int((*i).into(), to),
        (Value::Numeric(n), oids::FLOAT8) => Ok(Value::float(n.to_f64())),
        (Value::Numeric(n), _) => int(n.to_integer()?, to),
        (Value::Float(bits), oids::NUMERIC) => {
            Numeric::from_f64(f64::from_bits(*bits)).map(Value::Numeric)
        }
        (Value::Float(bits), _) => {
            // Half to even, as `rint` rounds.
            let f = f64::from_bits(*bits).round_ties_even();
            if !(-9.3e18..9.3e18).contains(&f) {
                return Err(EvalError::OutOfRange);
            }
            int(f as i128, to)
        }
        _ => Err(EvalError::IllTyped),
    }
}

fn cast(
    value: Value,
    from: SqlType,
    to: SqlType,
    coercion: Coercion,
    functions: &dyn Functions,
) -> Result<Value, EvalError> {
    match (coercion, value) {
        // A function from one type to another; the length coercion takes the typmod too.
        (Coercion::Function(f), value) => match builtin::meaning(f) {
            Some((Meaning::Typmod, _)) => {
                call(f, &[value, Value::Int(to.typmod.into())], functions)
            }
            _ => call(f, &[value], functions),
        },
        (_, Value::Null) => Ok(Value::Null),
        // The image stays, the equality that it is compared by may change.
        (Coercion::Relabel, Value::CiText(s)) if to.oid != builtin::CITEXT => Ok(Value::Text(s)),
        (Coercion::Relabel, Value::Text(s)) if to.oid == builtin::CITEXT => Ok(Value::CiText(s)),
        (Coercion::Relabel, value) => Ok(value),
        (Coercion::InOut, value) => Value::parse(&value.to_string(), to),
        (Coercion::Array(f), Value::Array(items)) => {
            let (Some(from), Some(to)) = (element(from.oid), value::element(to.oid)) else {
                return Err(EvalError::IllTyped);
            };
            let coercion = if f.is_valid() {
                Coercion::Function(f)
            } else {
                Coercion::Relabel
            };
            items
                .into_iter()
                .map(|v| cast(v, SqlType::new(from), SqlType::new(to), coercion, functions))
                .collect::<Result<_, _>>()
                .map(Value::Array)
        }
        (coercion, _) => Err(EvalError::Unknown {
            what: format!("coercion {coercion:?}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::functions::Builtin;

    const INT4: SqlType = SqlType::new(oids::INT4);
    const BOOL: SqlType = SqlType::new(oids::BOOL);

    fn lit(text: &str, ty: Oid) -> Expr {
        Expr::literal(text, SqlType::new(ty))
    }

    fn int4(i: i32) -> Expr {
        lit(&i.to_string(), oids::INT4)
    }

    fn infix(symbol: &str, a: Expr, b: Expr) -> Expr {
        let op = builtin::operator(symbol, a.ty().oid, b.ty().oid).expect("an operator");
        Expr::new(
            ExprKind::Operator {
                operator: op.operator,
                function: op.function,
                args: vec![a, b],
                collation: Oid::INVALID,
            },
            SqlType::new(op.result),
        )
    }

    fn show(kind: ExprKind, ty: SqlType) -> String {
        show_expr(&Expr::new(kind, ty))
    }

    fn show_expr(e: &Expr) -> String {
        match eval(e, &[], &Builtin) {
            Ok(v) => v.to_string(),
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn three_valued_logic() {
        let (t, f, u) = (lit("t", oids::BOOL), lit("f", oids::BOOL), Expr::null(BOOL));
        for (args, and, or) in [
            (vec![t.clone(), f.clone()], "f", "t"),
            (vec![u.clone(), f.clone()], "f", "NULL"),
            (vec![u.clone(), t.clone()], "NULL", "t"),
            (vec![], "t", "f"),
        ] {
            assert_eq!(show(ExprKind::And(args.clone()), BOOL), and);
            assert_eq!(show(ExprKind::Or(args), BOOL), or);
        }
        assert_eq!(show(ExprKind::Not(u), BOOL), "NULL");
    }

    #[test]
    fn errors_are_values_and_case_hides_them() {
        let bad = infix("/", int4(1), int4(0));
        assert_eq!(show_expr(&bad), "division by zero");
        assert_eq!(
            show_expr(&infix("+", int4(i32::MAX), int4(1))),
            "value out of range"
        );
        let null = Expr::null(INT4);
        assert_eq!(show_expr(&infix("/", null, int4(0))), "NULL");
        let case = ExprKind::Case {
            whens: vec![(lit("f", oids::BOOL), bad.clone())],
            otherwise: int4(7),
        };
        assert_eq!(show(case, INT4), "7");
        assert_eq!(
            show(ExprKind::Coalesce(vec![int4(1), bad.clone()]), INT4),
            "1"
        );
        assert_eq!(
            show(ExprKind::Coalesce(vec![Expr::null(INT4), bad]), INT4),
            "division by zero"
        );
    }

    #[test]
    fn distinct_from_and_nullif() {
        let eq = builtin::operator("=", oids::INT4, oids::INT4).expect("int4eq");
        let distinct = |a: Expr, b: Expr| ExprKind::Distinct {
            operator: eq.operator,
            function: eq.function,
            args: [a, b],
            collation: Oid::INVALID,
            negated: false,
        };
        let null = || Expr::null(INT4);
        assert_eq!(show(distinct(null(), null()), BOOL), "f");
        assert_eq!(show(distinct(int4(1), null()), BOOL), "t");
        assert_eq!(show(distinct(int4(1), int4(1)), BOOL), "f");
        let nullif = |a: Expr, b: Expr| ExprKind::NullIf {
            operator: eq.operator,
            function: eq.function,
            args: [a, b],
            collation: Oid::INVALID,
        };
        assert_eq!(show(nullif(int4(1), int4(1)), INT4), "NULL");
        assert_eq!(show(nullif(int4(1), null()), INT4), "1");
    }

    #[test]
    fn any_and_all_over_arrays_with_nulls() {
        let eq = builtin::operator("=", oids::INT4, oids::INT4).expect("int4eq");
        let ask = |any, left: Expr, array: &str| {
            show(
                ExprKind::ScalarArray {
                    operator: eq.operator,
                    function: eq.function,
                    any,
                    left,
                    array: lit(array, Oid(1007)),
                    collation: Oid::INVALID,
                },
                BOOL,
            )
        };
        assert_eq!(ask(true, int4(1), "{2,1}"), "t");
        assert_eq!(ask(true, int4(1), "{2,NULL}"), "NULL");
        assert_eq!(ask(true, int4(1), "{2}"), "f");
        assert_eq!(ask(true, Expr::null(INT4), "{}"), "f");
        assert_eq!(ask(false, int4(1), "{1,NULL}"), "NULL");
        assert_eq!(ask(false, int4(1), "{}"), "t");
    }

    #[test]
    fn casts_round_and_relabel() {
        let via = |text: &str, from: Oid, to: Oid| {
            let f = builtin::conversion(from, to).expect("a cast");
            show(
                ExprKind::Cast {
                    arg: lit(text, from),
                    coercion: Coercion::Function(f.function),
                    explicit: true,
                },
                SqlType::new(to),
            )
        };
        assert_eq!(via("2.5", oids::NUMERIC, oids::INT4), "3");
        assert_eq!(via("2.5", oids::FLOAT8, oids::INT4), "2");
        assert_eq!(via("70000", oids::INT4, oids::INT2), "value out of range");
        assert_eq!(via("t", oids::BOOL, oids::TEXT), "true");
        assert_eq!(via("0.1", oids::FLOAT8, oids::NUMERIC), "0.1");
        let relabel = Expr::new(
            ExprKind::Cast {
                arg: lit("aB", builtin::CITEXT),
                coercion: Coercion::Relabel,
                explicit: true,
            },
            SqlType::new(oids::TEXT),
        );
        let ab = lit("ab", oids::TEXT);
        assert_eq!(show_expr(&infix("=", relabel, ab)), "f");
        let same = infix("=", lit("aB", builtin::CITEXT), lit("Ab", builtin::CITEXT));
        assert_eq!(show_expr(&same), "t");
    }
}
