//! `Closure(on, map)(seed, x)`: the least `r = seed ⊎ step(r)`, for
//! `step(r) = Map(map)(Join(on)(r, x))`; see [`Closure`].
//!
//! Rows are stepped from generation by generation, as PostgreSQL does. With `distinct`, only those
//! that were not reached before make up the next generation.

use super::functions::Functions;
use super::group::GroupKey;
use super::{Bag, EvalError, Pick, distinct, join, map};
use crate::op::Closure;
use std::collections::BTreeSet;
use std::sync::Arc;

/// More generations than any test has rows: what is still growing then, does not end.
const MOST: usize = 500;

pub fn eval(
    c: &Closure,
    seed: &Bag,
    x: &Bag,
    barrier: Option<(&Arc<Bag>, &Arc<Bag>)>,
    functions: &dyn Functions,
    pick: Pick,
) -> Result<Bag, EvalError> {
    let keys = |b: &Bag| -> BTreeSet<GroupKey> {
        let rows = b.consolidate();
        rows.iter().map(|(row, _)| GroupKey(row.clone())).collect()
    };
    let mut reached = match barrier {
        Some((known, gone)) => &keys(known) - &keys(gone),
        None => BTreeSet::new(),
    };
    let x = Arc::new(multiset(x)?);
    let mut generation = multiset(seed)?;
    let mut out = Bag::default();
    for _ in 0..MOST {
        if c.distinct {
            generation = distinct::eval(&generation, pick);
            generation
                .0
                .retain(|(row, _)| reached.insert(GroupKey(row.clone())));
        }
        if generation.0.is_empty() {
            return Ok(out);
        }
        out.0.extend(generation.0.iter().cloned());
        let joined = join::eval(&c.on, &[Arc::new(generation), x.clone()], functions)?;
        generation = map::eval(&c.map, &joined, functions)?
            .consolidate()
            .to_bag();
    }
    Err(EvalError::Endless)
}

fn multiset(x: &Bag) -> Result<Bag, EvalError> {
    let rows = x.consolidate();
    match rows.is_positive() {
        true => Ok(rows.to_bag()),
        false => Err(EvalError::Negative),
    }
}

#[cfg(test)]
mod tests {
    use super::super::functions::Builtin;
    use super::super::value::Value;
    use super::*;
    use crate::eval::builtin;
    use crate::expr::{Expr, ExprKind};
    use crate::types::{ColType, Oid, SqlType, oids};

    const INT: SqlType = SqlType::new(oids::INT4);

    fn bag(rows: &[&[i64]]) -> Arc<Bag> {
        let row = |r: &&[i64]| (r.iter().map(|v| Value::Int(*v)).collect(), 1);
        Arc::new(rows.iter().map(row).collect())
    }

    /// Where one comes to from a node, along edges.
    fn walk(distinct: bool) -> Closure {
        let equal = builtin::operator("=", oids::INT4, oids::INT4).expect("an operator");
        let kind = ExprKind::Operator {
            operator: equal.operator,
            function: equal.function,
            args: vec![Expr::column(0, INT), Expr::column(1, INT)],
            collation: Oid::INVALID,
        };
        Closure {
            on: vec![Expr::new(kind, SqlType::new(oids::BOOL))],
            map: vec![Expr::column(2, INT)],
            types: vec![ColType {
                ty: INT,
                nullable: false,
            }],
            distinct,
            change: false,
        }
    }

    fn run(distinct: bool, seed: &[i64], edges: &[&[i64]]) -> Result<Vec<(i64, i64)>, EvalError> {
        let seed: Vec<[i64; 1]> = seed.iter().map(|s| [*s]).collect();
        let seed: Vec<&[i64]> = seed.iter().map(|s| s.as_slice()).collect();
        let out = eval(
            &walk(distinct),
            &bag(&seed),
            &bag(edges),
            None,
            &Builtin,
            Pick::Least,
        )?;
        let rows = out.consolidate();
        let number = |v: &Value| match v {
            Value::Int(i) => *i,
            _ => -1,
        };
        Ok(rows.iter().map(|(r, w)| (number(&r[0]), w)).collect())
    }

    #[test]
    fn every_derivation_counts_unless_distinct() {
        let diamond: [&[i64]; 4] = [&[1, 2], &[1, 3], &[2, 4], &[3, 4]];
        let all = run(false, &[1], &diamond);
        assert_eq!(all, Ok(vec![(1, 1), (2, 1), (3, 1), (4, 2)]));
        let once = run(true, &[1, 1], &diamond);
        assert_eq!(once, Ok(vec![(1, 1), (2, 1), (3, 1), (4, 1)]));
    }

    #[test]
    fn a_cycle_ends_only_if_distinct() {
        let cycle: [&[i64]; 2] = [&[1, 2], &[2, 1]];
        assert_eq!(run(false, &[1], &cycle), Err(EvalError::Endless));
        assert_eq!(run(true, &[1], &cycle), Ok(vec![(1, 1), (2, 1)]));
    }

    #[test]
    fn what_is_known_is_not_followed() {
        let edges = bag(&[&[1, 2], &[2, 3], &[1, 4], &[4, 5]]);
        let barrier = (bag(&[&[2], &[4]]), bag(&[&[4]]));
        let out = eval(
            &walk(true),
            &bag(&[&[1]]),
            &edges,
            Some((&barrier.0, &barrier.1)),
            &Builtin,
            Pick::Least,
        );
        let rows = out.expect("an end").consolidate();
        assert_eq!(rows, bag(&[&[1], &[4], &[5]]).consolidate());
    }
}
