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
