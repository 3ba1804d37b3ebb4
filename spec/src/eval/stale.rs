//! `Stale(old, delta)`: the keys of the groups whose new row cannot be told from the old row and
//! the delta.
//!
//! A group that survives is stale if it loses a value equal to its extremum and gains none that
//! is strictly better, or if it loses a NaN or an infinity from a numeric sum.

use super::aggregate::{Kind, kind};
use super::aggregate_step::{Change, changes, net_values};
use super::functions::Functions;
use super::{Bag, EvalError, Value};
use crate::op::Aggregate;
use std::cmp::Ordering;

pub fn eval(
    a: &Aggregate,
    old: &Bag,
    delta: &Bag,
    functions: &dyn Functions,
) -> Result<Bag, EvalError> {
    let mut out = Bag::default();
    for change in changes(a, old, delta, functions)?.into_values() {
        if is_stale(a, &change, functions)? {
            out.0.push((change.key, 1));
        }
    }
    Ok(out)
}

/// Whether there is anything to recompute: a group that vanishes is not stale.
pub fn is_stale(
    a: &Aggregate,
    change: &Change,
    functions: &dyn Functions,
) -> Result<bool, EvalError> {
    if !change.survives(a)? {
        return Ok(false);
    }
    for (i, agg) in a.aggs.iter().enumerate() {
        let values = || net_values(agg, &change.rows, functions);
        match kind(agg.function) {
            Some(Kind::Extremum { greatest }) => {
                let Some(old) = change.old_value(a, i).filter(|v| !v.is_null()) else {
                    continue;
                };
                let better = if greatest {
                    Ordering::Greater
                } else {
                    Ordering::Less
                };
                let values = values()?;
                let lost = values.iter().any(|(v, w)| *w < 0 && v.same_group(old));
                let beaten = values
                    .iter()
                    .any(|(v, w)| *w > 0 && v.sql_cmp(old) == Some(better));
                if lost && !beaten {
                    return Ok(true);
                }
            }
            Some(Kind::Sum) => {
                let special = |v: &Value| matches!(v, Value::Numeric(n) if !n.is_finite());
                if values()?.iter().any(|(v, w)| *w < 0 && special(v)) {
                    return Ok(true);
                }
            }
            _ => {}
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::super::aggregate;
    use super::super::functions::Builtin;
    use super::super::{Pick, Row, aggregate_step, delta};
    use super::*;
    use crate::expr::Expr;
    use crate::op::AggCall;
    use crate::types::{Oid, SqlType, oids};

    const NUMERIC: SqlType = SqlType {
        typmod: ((10 << 16) | 1) + 4,
        ..SqlType::new(oids::NUMERIC)
    };

    /// `count(*), count(x), sum(x), min(x)` of column 1 by column 0.
    fn aggregates() -> Aggregate {
        let call = |function, ty: SqlType, nullable| AggCall {
            function: Oid(function),
            args: match function {
                2803 => vec![],
                _ => vec![Expr::column(1, NUMERIC)],
            },
            variadic: false,
            distinct: false,
            order_by: vec![],
            filter: None,
            ty,
            collation: Oid::INVALID,
            nullable,
        };
        let int8 = SqlType::new(oids::INT8);
        Aggregate {
            keys: vec![0],
            aggs: vec![
                call(2803, int8, false),
                call(2147, int8, false),
                call(2114, NUMERIC, true),
                call(2146, NUMERIC, true),
            ],
        }
    }

    fn bag(values: &[&str]) -> Bag {
        values
            .iter()
            .map(|text| {
                let x = match *text {
                    "NULL" => Value::Null,
                    text => Value::parse(text, NUMERIC).expect("a numeric"),
                };
                (vec![Value::Int(1), x], 1)
            })
            .collect()
    }

    /// One group goes from these values to those. Returns its row before and after, and whether
    /// it is stale; checks that the step agrees.
    fn group(old: &[&str], new: &[&str]) -> (Option<String>, Option<String>, bool) {
        let (a, old, new) = (aggregates(), bag(old), bag(new));
        let change = delta::difference(&new, &old);
        let of = |x| aggregate::eval(&a, x, &Builtin, Pick::Least).expect("evaluates");
        let (before, after) = (of(&old), of(&new));
        let stale = eval(&a, &before, &change, &Builtin).expect("evaluates");
        let renewed = if stale.0.is_empty() {
            None
        } else {
            Some(&after)
        };
        let step = aggregate_step::eval(&a, &before, &change, renewed, &Builtin, Pick::Least);
        let expected = delta::difference(&after, &before).consolidate();
        assert_eq!(step.map(|b| b.consolidate()), Ok(expected));
        let show = |b: &Bag| {
            let row: Option<&Row> = b.0.first().map(|(row, _)| row);
            row.map(|r| {
                r[1..]
                    .iter()
                    .map(Value::to_string)
                    .collect::<Vec<_>>()
                    .join(" ")
            })
        };
        (show(&before), show(&after), !stale.0.is_empty())
    }

    #[test]
    fn what_folds_and_what_is_stale() {
        for (old, new, before, after, stale) in [
            (
                &["1"][..],
                &["1", "2"][..],
                "1 1 1.0 1.0",
                "2 2 3.0 1.0",
                false,
            ),
            // The last value that is not NULL leaves: NULL, not 0.
            (
                &["1", "NULL"],
                &["NULL"],
                "2 1 1.0 1.0",
                "1 0 NULL NULL",
                true,
            ),
            (
                &["NULL"],
                &["NULL", "5"],
                "1 0 NULL NULL",
                "2 1 5.0 5.0",
                false,
            ),
            // The minimum leaves: stale, unless a better one comes.
            (&["1", "2"], &["2"], "2 2 3.0 1.0", "1 1 2.0 2.0", true),
            (
                &["1", "2"],
                &["2", "0"],
                "2 2 3.0 1.0",
                "2 2 2.0 0.0",
                false,
            ),
            (&["1", "1"], &["1"], "2 2 2.0 1.0", "1 1 1.0 1.0", true),
            (&["1", "2"], &["1"], "2 2 3.0 1.0", "1 1 1.0 1.0", false),
            // A NaN comes: folds. It leaves: cannot be subtracted.
            (&["1"], &["1", "NaN"], "1 1 1.0 1.0", "2 2 NaN 1.0", false),
            (&["1", "NaN"], &["1"], "2 2 NaN 1.0", "1 1 1.0 1.0", true),
        ] {
            let expected = (Some(before.to_owned()), Some(after.to_owned()), stale);
            assert_eq!(group(old, new), expected, "{old:?} to {new:?}");
        }
    }

    #[test]
    fn groups_come_and_go() {
        assert_eq!(
            group(&["1"], &[]),
            (Some("1 1 1.0 1.0".to_owned()), None, false)
        );
        assert_eq!(
            group(&[], &["1"]),
            (None, Some("1 1 1.0 1.0".to_owned()), false)
        );
    }
}
