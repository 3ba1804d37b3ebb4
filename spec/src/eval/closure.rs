//! `Closure(links, map)(seed, x…)`: the least `r = seed ⊎ step(r)`, for
//! `step(r) = Map(map)(links(r))`; see [`Closure`].
//!
//! Rows are stepped from generation by generation, as PostgreSQL does. With `distinct`, only those
//! that were not reached before make up the next generation.

use super::functions::Functions;
use super::group::GroupKey;
use super::{Bag, EvalError, Pick, distinct, expr, flat_map, join, left, map};
use crate::op::{Closure, Link};
use std::collections::BTreeSet;
use std::sync::Arc;

/// More generations than any test has rows: what is still growing then, does not end.
const MOST: usize = 500;

/// Of (seed, rest…); `widths`: the numbers of columns of the rest.
pub fn eval(
    c: &Closure,
    seed: &Bag,
    rest: &[Arc<Bag>],
    widths: &[usize],
    functions: &dyn Functions,
    pick: Pick,
) -> Result<Bag, EvalError> {
    let keys = |b: &Bag| -> BTreeSet<GroupKey> {
        let rows = b.consolidate();
        rows.iter().map(|(row, _)| GroupKey(row.clone())).collect()
    };
    let n = c.inputs();
    let (Some(along), Some(widths)) = (rest.get(..n), widths.get(..n)) else {
        return Err(EvalError::IllTyped);
    };
    let mut reached = match &rest[n..] {
        [known, gone] => &keys(known) - &keys(gone),
        _ => BTreeSet::new(),
    };
    let along = along
        .iter()
        .zip(widths)
        .map(|(x, width)| Ok((Arc::new(multiset(x)?), *width)));
    let along: Vec<(Arc<Bag>, usize)> = along.collect::<Result<_, EvalError>>()?;
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
        let rows = follow(&c.links, generation, &along, functions)?;
        generation = map::eval(&c.map, &rows, functions)?.consolidate().to_bag();
    }
    Err(EvalError::Endless)
}

/// The rows at the end of the links.
fn follow(
    links: &[Link],
    mut rows: Bag,
    along: &[(Arc<Bag>, usize)],
    functions: &dyn Functions,
) -> Result<Bag, EvalError> {
    let mut along = along.iter();
    for link in links {
        let mut next = || along.next().ok_or(EvalError::IllTyped);
        rows = match link {
            Link::Join(on) => join::eval(on, &[Arc::new(rows), next()?.0.clone()], functions)?,
            Link::Left(on) => {
                let (y, width) = next()?;
                left::eval(on, &Arc::new(rows), y, *width, functions)?
            }
            Link::FlatMap(f) => flat_map::eval(f, &rows, functions)?,
            Link::Filter(on) => {
                let mut kept = Bag::default();
                for (row, w) in rows.0 {
                    if expr::all_hold(on, &row, functions)? {
                        kept.0.push((row, w));
                    }
                }
                kept
            }
        };
    }
    Ok(rows)
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
            links: vec![Link::Join(vec![Expr::new(kind, SqlType::new(oids::BOOL))])],
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
        let rest = [bag(edges)];
        let out = eval(
            &walk(distinct),
            &bag(&seed),
            &rest,
            &[2],
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
        let rest = [edges, bag(&[&[2], &[4]]), bag(&[&[4]])];
        let out = eval(
            &walk(true),
            &bag(&[&[1]]),
            &rest,
            &[2, 1, 1],
            &Builtin,
            Pick::Least,
        );
        let rows = out.expect("an end").consolidate();
        assert_eq!(rows, bag(&[&[1], &[4], &[5]]).consolidate());
    }
    /// Of each row one more, up to 3, unless it is taken; beside the name that it has.
    #[test]
    fn links_follow_each_other() {
        let column = |c| Expr::column(c, INT);
        let two = |name: &str, a: Expr, b: Expr| {
            let known = builtin::operator(name, oids::INT4, oids::INT4).expect("an operator");
            let kind = ExprKind::Operator {
                operator: known.operator,
                function: known.function,
                args: vec![a, b],
                collation: Oid::INVALID,
            };
            Expr::new(kind, SqlType::new(oids::BOOL))
        };
        let series = ExprKind::Call {
            function: flat_map::SERIES[0],
            args: vec![column(0), Expr::literal("3", INT)],
            collation: Oid::INVALID,
            variadic: false,
        };
        let there = ExprKind::IsNull {
            arg: column(3),
            negated: false,
            row: false,
        };
        let number = ColType {
            ty: INT,
            nullable: true,
        };
        let c = Closure {
            links: vec![
                Link::FlatMap(crate::op::FlatMap {
                    functions: vec![crate::op::SetFunction {
                        call: Expr::new(series, INT),
                        columns: vec![number],
                        definitions: vec![],
                    }],
                    ordinality: false,
                    outer: None,
                }),
                Link::Left(vec![two("=", column(2), column(3))]),
                Link::Filter(vec![Expr::new(there, SqlType::new(oids::BOOL))]),
                Link::Left(vec![two("=", column(2), column(4))]),
            ],
            map: vec![column(2), column(5)],
            types: vec![number; 2],
            distinct: true,
            change: false,
        };
        let rest = [bag(&[&[2]]), bag(&[&[3, 7]])];
        let out = eval(&c, &bag(&[&[1, 0]]), &rest, &[1, 2], &Builtin, Pick::Least);
        let rows = out.expect("an end").consolidate();
        let pair = |a, b| (vec![Value::Int(a), b], 1);
        let expected = [
            pair(1, Value::Int(0)),
            pair(1, Value::Null),
            pair(3, Value::Int(7)),
        ];
        assert_eq!(rows, expected.into_iter().collect::<Bag>().consolidate());
    }
}
