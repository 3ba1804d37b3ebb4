//! `Aggregate(keys, aggs)(x)`: one row `keys ‖ aggs` for each group of rows of x whose keys are
//! equal by SQL equality, NULL with NULL; without keys one row always. x must be a multiset.
//!
//! The key columns show the keys of one row of the group, all of the same row; [`Pick`] says of
//! which. `min` and `max` show one of several equal extrema in the same way.

use super::expr;
use super::functions::Functions;
use super::group::{GroupKey, project};
use super::numeric::Numeric;
use super::{Bag, EvalError, Pick, Row, Value};
use crate::op::{AggCall, Aggregate};
use crate::types::{Oid, oids};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What a known aggregate computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    CountRows,
    CountValues,
    Sum,
    Average,
    Extremum { greatest: bool },
    BoolAnd,
    BoolOr,
}

/// `min` and `max` of the case-insensitive type.
pub const MIN_CITEXT: Oid = Oid(90_030);
pub const MAX_CITEXT: Oid = Oid(90_031);

pub fn kind(function: Oid) -> Option<Kind> {
    match function.0 {
        2803 => Some(Kind::CountRows),
        2147 => Some(Kind::CountValues),
        2107 | 2108 | 2109 | 2111 | 2114 => Some(Kind::Sum),
        2100 | 2101 | 2102 | 2103 | 2105 => Some(Kind::Average),
        2115 | 2116 | 2117 | 2120 | 2129 | 2130 => Some(Kind::Extremum { greatest: true }),
        2131 | 2132 | 2133 | 2136 | 2145 | 2146 => Some(Kind::Extremum { greatest: false }),
        2517 | 2519 => Some(Kind::BoolAnd),
        2518 => Some(Kind::BoolOr),
        _ if function == MIN_CITEXT => Some(Kind::Extremum { greatest: false }),
        _ if function == MAX_CITEXT => Some(Kind::Extremum { greatest: true }),
        _ => None,
    }
}

pub fn eval(
    a: &Aggregate,
    x: &Bag,
    functions: &dyn Functions,
    pick: Pick,
) -> Result<Bag, EvalError> {
    // What raises on a row, raises also where the row's weights cancel.
    for (row, _) in &x.0 {
        for agg in &a.aggs {
            argument(agg, row, functions)?;
        }
    }
    let mut groups: BTreeMap<GroupKey, (Row, Vec<(Row, i64)>)> = BTreeMap::new();
    if a.keys.is_empty() {
        groups.insert(GroupKey(vec![]), (vec![], vec![]));
    }
    for (row, w) in x.consolidate().iter() {
        if w < 0 {
            return Err(EvalError::Negative);
        }
        let key = project(row, &a.keys);
        let (shown, rows) = groups
            .entry(GroupKey(key.clone()))
            .or_insert_with(|| (key.clone(), vec![]));
        if pick.prefers(&key, shown) {
            *shown = key;
        }
        rows.push((row.clone(), w));
    }
    groups
        .into_values()
        .map(|(mut out, rows)| {
            for agg in &a.aggs {
                out.push(apply(agg, &rows, functions, pick)?);
            }
            Ok((out, 1))
        })
        .collect::<Result<_, _>>()
        .map(Bag)
}

/// What a row gives an aggregate: nothing if the filter drops it; no value for `count(*)`.
pub fn argument(
    agg: &AggCall,
    row: &[Value],
    functions: &dyn Functions,
) -> Result<Option<Row>, EvalError> {
    if let Some(filter) = &agg.filter
        && !expr::holds(filter, row, functions)?
    {
        return Ok(None);
    }
    agg.args
        .iter()
        .map(|e| expr::eval(e, row, functions))
        .collect::<Result<_, _>>()
        .map(Some)
}

/// The weights of the arguments that a set of rows gives to an aggregate, by image, none of them
/// 0. Not yet without duplicates where the aggregate is DISTINCT.
pub fn arguments(
    agg: &AggCall,
    rows: &[(Row, i64)],
    functions: &dyn Functions,
) -> Result<BTreeMap<Row, i64>, EvalError> {
    let mut out: BTreeMap<Row, i64> = BTreeMap::new();
    for (row, w) in rows {
        if let Some(arg) = argument(agg, row, functions)? {
            *out.entry(arg).or_default() += w;
        }
    }
    out.retain(|_, w| *w != 0);
    Ok(out)
}

/// One aggregate over the rows of one group.
pub fn apply(
    agg: &AggCall,
    rows: &[(Row, i64)],
    functions: &dyn Functions,
    pick: Pick,
) -> Result<Value, EvalError> {
    let mut args = arguments(agg, rows, functions)?;
    if agg.distinct {
        let mut groups: BTreeMap<GroupKey, Row> = BTreeMap::new();
        for arg in args.into_keys() {
            let shown = groups
                .entry(GroupKey(arg.clone()))
                .or_insert_with(|| arg.clone());
            if pick.prefers(&arg, shown) {
                *shown = arg;
            }
        }
        args = groups.into_values().map(|arg| (arg, 1)).collect();
    }
    let Some(kind) = kind(agg.function) else {
        // A made-up aggregate: a function of the multiset.
        let multiset: Vec<Value> = args
            .into_iter()
            .flat_map(|(arg, w)| arg.into_iter().chain([Value::Int(w)]))
            .collect();
        return expr::call(agg.function, &multiset, functions);
    };
    if kind == Kind::CountRows {
        return Ok(Value::Int(args.values().sum()));
    }
    // All known aggregates of one argument ignore NULL.
    let mut values: Vec<(Value, i64)> = vec![];
    for (mut arg, w) in args {
        match (arg.pop(), arg.is_empty()) {
            (Some(Value::Null), true) => {}
            (Some(value), true) => values.push((value, w)),
            _ => return Err(EvalError::IllTyped),
        }
    }
    let count: i64 = values.iter().map(|(_, w)| w).sum();
    match kind {
        Kind::CountRows | Kind::CountValues => Ok(Value::Int(count)),
        _ if values.is_empty() => Ok(Value::Null),
        Kind::Sum => sum(agg.ty.oid, &values),
        Kind::Average => match values[0].0 {
            Value::Float(_) => match sum(oids::FLOAT8, &values)? {
                Value::Float(bits) => Ok(Value::float(f64::from_bits(bits) / count as f64)),
                _ => Err(EvalError::IllTyped),
            },
            _ => match sum(oids::NUMERIC, &values)? {
                Value::Numeric(n) => n.over(Numeric::integer(count)).map(Value::Numeric),
                _ => Err(EvalError::IllTyped),
            },
        },
        Kind::Extremum { greatest } => {
            extremum(values.into_iter().map(|(v, _)| v), greatest, pick).ok_or(EvalError::IllTyped)
        }
        Kind::BoolAnd => Ok(Value::Bool(
            values.iter().all(|(v, _)| *v == Value::Bool(true)),
        )),
        Kind::BoolOr => Ok(Value::Bool(
            values.iter().any(|(v, _)| *v == Value::Bool(true)),
        )),
    }
}

/// Σ w·v, of at least one value; weights may be negative. Floats are added in the order of their
/// images.
pub fn sum(result: Oid, values: &[(Value, i64)]) -> Result<Value, EvalError> {
    let mut exact = Numeric::integer(0);
    let mut float = 0.0;
    let mut is_float = false;
    for (value, w) in values {
        match value {
            Value::Int(i) => {
                let term = i128::from(*i) * i128::from(*w);
                exact = exact.plus(Numeric::new(term, 0))?;
            }
            Value::Numeric(n) => exact = exact.plus(n.times(Numeric::integer(*w))?)?,
            Value::Float(bits) if *w > 0 => {
                is_float = true;
                for _ in 0..*w {
                    float += f64::from_bits(*bits);
                }
            }
            _ => return Err(EvalError::IllTyped),
        }
    }
    match result {
        oids::FLOAT8 if is_float => Ok(Value::float(float)),
        oids::NUMERIC => Ok(Value::Numeric(exact)),
        integer => super::value::int(exact.to_integer()?, integer),
    }
}

/// Of equal extrema, the preferred image.
pub fn extremum(values: impl Iterator<Item = Value>, greatest: bool, pick: Pick) -> Option<Value> {
    let better = if greatest {
        Ordering::Greater
    } else {
        Ordering::Less
    };
    values.reduce(|best, v| match v.sql_cmp(&best) {
        Some(Ordering::Equal) if pick.prefers(&v, &best) => v,
        Some(o) if o == better => v,
        _ => best,
    })
}

#[cfg(test)]
mod tests {
    use super::super::functions::Builtin;
    use super::*;
    use crate::expr::{Expr, ExprKind};
    use crate::types::SqlType;

    /// One aggregate over one column of texts of this type, without keys.
    fn over(function: u32, ty: Oid, values: &[&str], edit: impl Fn(&mut AggCall)) -> String {
        let column = Expr::column(0, SqlType::new(ty));
        let mut agg = AggCall {
            function: Oid(function),
            args: if function == 2803 {
                vec![]
            } else {
                vec![column]
            },
            variadic: false,
            distinct: false,
            order_by: vec![],
            filter: None,
            ty: SqlType::new(match function {
                2107 | 2100..=2103 | 2114 => oids::NUMERIC,
                2111 | 2105 => oids::FLOAT8,
                2803 | 2147 | 2108 | 2109 => oids::INT8,
                _ => ty,
            }),
            collation: Oid::INVALID,
            nullable: true,
        };
        edit(&mut agg);
        let a = Aggregate {
            keys: vec![],
            aggs: vec![agg],
        };
        let x: Bag = values
            .iter()
            .map(|text| match *text {
                "NULL" => (vec![Value::Null], 1),
                text => {
                    let value = Value::parse(text, SqlType::new(ty)).expect("a literal");
                    (vec![value], 1)
                }
            })
            .collect();
        match eval(&a, &x, &Builtin, Pick::Least) {
            Ok(bag) => bag.0[0].0[0].to_string(),
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn nulls_and_empty_groups() {
        let plain = |_: &mut AggCall| {};
        assert_eq!(over(2803, oids::INT4, &["1", "NULL"], plain), "2");
        assert_eq!(over(2147, oids::INT4, &["1", "NULL"], plain), "1");
        assert_eq!(over(2108, oids::INT4, &["1", "NULL", "1"], plain), "2");
        assert_eq!(over(2108, oids::INT4, &["NULL"], plain), "NULL");
        assert_eq!(over(2108, oids::INT4, &[], plain), "NULL");
        assert_eq!(over(2147, oids::INT4, &[], plain), "0");
        assert_eq!(
            over(2101, oids::INT4, &["1", "2"], plain),
            "1.5000000000000000"
        );
        assert_eq!(over(2517, oids::BOOL, &["t", "f"], plain), "f");
        assert_eq!(over(2518, oids::BOOL, &["t", "f", "NULL"], plain), "t");
        assert_eq!(over(2131, oids::INT8, &["3", "NULL", "2"], plain), "2");
    }

    #[test]
    fn images_and_special_values() {
        let plain = |_: &mut AggCall| {};
        assert_eq!(over(2114, oids::NUMERIC, &["1.0", "1.00"], plain), "2.00");
        assert_eq!(
            over(2114, oids::NUMERIC, &["Infinity", "-Infinity"], plain),
            "NaN"
        );
        assert_eq!(over(2130, oids::NUMERIC, &["1.0", "NaN"], plain), "NaN");
        // Of equal extrema, the least image: one digit after the point before two.
        assert_eq!(over(2130, oids::NUMERIC, &["1.00", "1.0"], plain), "1.0");
        assert_eq!(over(2111, oids::FLOAT8, &["0.5", "0.25"], plain), "0.75");
    }

    #[test]
    fn filter_and_distinct() {
        let distinct = |a: &mut AggCall| a.distinct = true;
        assert_eq!(over(2108, oids::INT4, &["1", "1", "2"], distinct), "3");
        assert_eq!(over(2147, oids::NUMERIC, &["1.0", "1.00"], distinct), "1");
        let not_null = |a: &mut AggCall| {
            let kind = ExprKind::IsNull {
                arg: Expr::column(0, SqlType::new(oids::INT4)),
                negated: true,
                row: false,
            };
            a.filter = Some(Expr::new(kind, SqlType::new(oids::BOOL)));
        };
        assert_eq!(over(2803, oids::INT4, &["1", "NULL"], not_null), "1");
    }

    #[test]
    fn no_meaning_over_negative_weights() {
        let a = Aggregate {
            keys: vec![0],
            aggs: vec![],
        };
        let x: Bag = [(vec![Value::Int(1)], -1)].into_iter().collect();
        assert_eq!(
            eval(&a, &x, &Builtin, Pick::Least),
            Err(EvalError::Negative)
        );
    }
}
