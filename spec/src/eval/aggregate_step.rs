//! `AggregateStep(old, delta)`: the Delta of an aggregate from its old rows and the Delta of its
//! input alone.
//!
//! ```text
//! AggregateStep(Old(A x), Delta x)           = Delta(A x)   if no group is in Stale(…)
//! AggregateStep(Old(A x), Delta x, renewed)  = Delta(A x)   if renewed ⊆ New(A x) holds every
//!                                                           group of Stale(…) that still exists
//! ```
//!
//! for aggregates that fold: counts (`new = old + Σ w`), exact sums (`new = old + Σ w·v`, NULL
//! where the count of values beside it comes to 0), and extrema (the better of old and inserted).
//! A group whose `count(*)` comes to 0 vanishes.

use super::aggregate::{Kind, argument, arguments, extremum, kind, sum};
use super::functions::Functions;
use super::group::{GroupKey, project};
use super::{Bag, EvalError, Pick, Row, Value, stale};
use crate::op::{AggCall, Aggregate};
use crate::types::oids;
use std::collections::BTreeMap;

/// What happens to one touched group.
#[derive(Clone, Debug)]
pub struct Change {
    pub key: Row,
    /// The group's old row, `keys ‖ aggs`.
    pub old: Option<Row>,
    /// The group's part of the delta, consolidated.
    pub rows: Vec<(Row, i64)>,
}

/// The groups that the delta touches.
pub fn changes(
    a: &Aggregate,
    old: &Bag,
    delta: &Bag,
    functions: &dyn Functions,
) -> Result<BTreeMap<GroupKey, Change>, EvalError> {
    let mut out: BTreeMap<GroupKey, Change> = BTreeMap::new();
    for (row, _) in &delta.0 {
        for agg in &a.aggs {
            argument(agg, row, functions)?;
        }
    }
    for (row, w) in delta.consolidate().iter() {
        let key = project(row, &a.keys);
        out.entry(GroupKey(key.clone()))
            .or_insert(Change {
                key,
                old: None,
                rows: vec![],
            })
            .rows
            .push((row.clone(), w));
    }
    for (row, w) in old.consolidate().iter() {
        if w != 1 {
            return Err(EvalError::Negative);
        }
        let key = GroupKey(row.iter().take(a.keys.len()).cloned().collect());
        if let Some(change) = out.get_mut(&key) {
            change.old = Some(row.clone());
        }
    }
    Ok(out)
}

impl Change {
    /// The old value of the i-th aggregate; None for a group that was not there.
    pub fn old_value(&self, a: &Aggregate, i: usize) -> Option<&Value> {
        self.old.as_ref()?.get(a.keys.len() + i)
    }

    /// The group's new number of rows, if the aggregate counts them.
    pub fn new_count(&self, a: &Aggregate) -> Result<Option<i64>, EvalError> {
        let Some(i) = a
            .aggs
            .iter()
            .position(|g| kind(g.function) == Some(Kind::CountRows) && g.filter.is_none())
        else {
            return Ok(None);
        };
        let change: i64 = self.rows.iter().map(|(_, w)| w).sum();
        match self.old_value(a, i) {
            None => Ok(Some(change)),
            Some(Value::Int(old)) => Ok(Some(old + change)),
            Some(_) => Err(EvalError::IllTyped),
        }
    }

    /// Is there anything left of the group? One without keys is always there.
    pub fn survives(&self, a: &Aggregate) -> Result<bool, EvalError> {
        if a.keys.is_empty() {
            return Ok(true);
        }
        match self.new_count(a)? {
            Some(n) if n < 0 => Err(EvalError::Negative),
            Some(n) => Ok(n > 0),
            None => Err(EvalError::NotFoldable),
        }
    }
}

/// The net change of the values of a one-argument aggregate, NULLs left out.
pub fn net_values(
    agg: &AggCall,
    rows: &[(Row, i64)],
    functions: &dyn Functions,
) -> Result<Vec<(Value, i64)>, EvalError> {
    Ok(arguments(agg, rows, functions)?
        .into_iter()
        .filter_map(|(mut arg, w)| arg.pop().map(|v| (v, w)))
        .filter(|(v, _)| !v.is_null())
        .collect())
}

pub fn eval(
    a: &Aggregate,
    old: &Bag,
    delta: &Bag,
    renewed: Option<&Bag>,
    functions: &dyn Functions,
    pick: Pick,
) -> Result<Bag, EvalError> {
    let renewed: BTreeMap<GroupKey, Row> = renewed
        .into_iter()
        .flat_map(|bag| bag.consolidate().to_bag().0)
        .map(|(row, _)| {
            let key = row.iter().take(a.keys.len()).cloned().collect();
            (GroupKey(key), row)
        })
        .collect();
    let mut out = Bag::default();
    for (key, change) in changes(a, old, delta, functions)? {
        let new = match renewed.get(&key) {
            Some(row) => Some(row.clone()),
            None if stale::is_stale(a, &change, functions)? => None,
            None if !change.survives(a)? => None,
            None => Some(fold(a, &change, functions, pick)?),
        };
        if new != change.old {
            out.0.extend(change.old.map(|row| (row, -1)));
            out.0.extend(new.map(|row| (row, 1)));
        }
    }
    Ok(out)
}

/// The new row of a group that survives and is not stale.
fn fold(
    a: &Aggregate,
    change: &Change,
    functions: &dyn Functions,
    pick: Pick,
) -> Result<Row, EvalError> {
    let mut row = change.key.clone();
    for (i, agg) in a.aggs.iter().enumerate() {
        let old = change.old_value(a, i);
        row.push(fold_one(a, agg, old, change, functions, pick)?);
    }
    Ok(row)
}

fn fold_one(
    a: &Aggregate,
    agg: &AggCall,
    old: Option<&Value>,
    change: &Change,
    functions: &dyn Functions,
    pick: Pick,
) -> Result<Value, EvalError> {
    if agg.distinct {
        return Err(EvalError::NotFoldable);
    }
    match kind(agg.function) {
        Some(Kind::CountRows) => {
            let n: i64 = arguments(agg, &change.rows, functions)?.values().sum();
            add_count(old, n)
        }
        Some(Kind::CountValues) => {
            let values = net_values(agg, &change.rows, functions)?;
            add_count(old, values.iter().map(|(_, w)| w).sum())
        }
        Some(Kind::Sum) if agg.ty.oid != oids::FLOAT8 => {
            if agg.nullable {
                let beside = a
                    .aggs
                    .iter()
                    .position(|c| {
                        kind(c.function) == Some(Kind::CountValues)
                            && c.args == agg.args
                            && c.filter == agg.filter
                            && !c.distinct
                    })
                    .ok_or(EvalError::NotFoldable)?;
                let count = fold_one(
                    a,
                    &a.aggs[beside],
                    change.old_value(a, beside),
                    change,
                    functions,
                    pick,
                )?;
                if count == Value::Int(0) {
                    return Ok(Value::Null);
                }
            }
            let mut values = net_values(agg, &change.rows, functions)?;
            values.extend(old.filter(|v| !v.is_null()).map(|v| (v.clone(), 1)));
            sum(agg.ty.oid, &values)
        }
        Some(Kind::Extremum { greatest }) => {
            let inserted = net_values(agg, &change.rows, functions)?
                .into_iter()
                .filter(|(_, w)| *w > 0)
                .map(|(v, _)| v);
            let old = old.filter(|v| !v.is_null()).cloned();
            Ok(extremum(inserted.chain(old), greatest, pick).unwrap_or(Value::Null))
        }
        _ => Err(EvalError::NotFoldable),
    }
}

fn add_count(old: Option<&Value>, change: i64) -> Result<Value, EvalError> {
    match old {
        None => Ok(Value::Int(change)),
        Some(Value::Int(n)) => Ok(Value::Int(n + change)),
        Some(_) => Err(EvalError::IllTyped),
    }
}
