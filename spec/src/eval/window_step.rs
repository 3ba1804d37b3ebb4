//! `WindowStep(Suffix(x, p), Last(Window x, p), Last(x, p)) = Suffix(Window x, p)`: what a window says
//! of the rows that follow a place, from these rows, what it said of the last one before them, and as
//! many rows before them as it looks back at.

use super::functions::Functions;
use super::group::GroupKey;
use super::ordering::{Order, Sorted};
use super::window::{Partition, check_arguments};
use super::{Bag, EvalError, Pick, Row, Value, aggregate};
use crate::eval::window::{Kind, kind};
use crate::window::{Carry, Reach, WindowCall, WindowStep};
use std::collections::BTreeMap;

/// Of (x, carried, before).
pub fn eval(
    step: &WindowStep,
    [x, carried, before]: [&Bag; 3],
    functions: &dyn Functions,
    pick: Pick,
) -> Result<Bag, EvalError> {
    let window = &step.window;
    let n = window.partition.len();
    let order = Order::new(&window.order, pick)?;
    check_arguments(window, x, functions)?;
    let mut known: BTreeMap<GroupKey, Row> = BTreeMap::new();
    for (row, _) in carried.consolidate().iter() {
        let (key, values) = row.split_at(n.min(row.len()));
        known.insert(GroupKey(key.to_vec()), values.to_vec());
    }
    let mut context: BTreeMap<GroupKey, Vec<Sorted>> = BTreeMap::new();
    for rows in order.groups(&window.partition, before, functions)? {
        if let Some(first) = rows.first() {
            context.insert(GroupKey::of(&first.row, &window.partition), rows);
        }
    }
    let mut out = vec![];
    for rows in order.groups(&window.partition, x, functions)? {
        let Some(first) = rows.first() else { continue };
        let key = GroupKey::of(&first.row, &window.partition);
        let before = context.remove(&key).unwrap_or_default();
        let here = Partition::sorted(&order, rows.iter().cloned());
        let skipped: i64 = before.iter().map(|s| s.weight).sum();
        let skipped = usize::try_from(skipped).unwrap_or(0);
        let near = Partition::sorted(&order, before.into_iter().chain(rows));
        for at in 0..here.rows.len() {
            let mut row = here.rows[at].clone();
            for (i, (call, reach)) in window.calls.iter().zip(&step.reach).enumerate() {
                row.push(match reach {
                    Reach::Near { .. } => near.call(call, skipped + at, functions, pick)?,
                    Reach::Carried(carry) => {
                        let v = here.call(call, at, functions, pick)?;
                        match known.get(&key) {
                            Some(carried) => go_on(call, *carry, carried, i, v, pick)?,
                            None => v,
                        }
                    }
                });
            }
            out.push((row, 1));
        }
    }
    Ok(Bag(out))
}

/// The value of the i-th call, of which v is what there is since `carried`.
fn go_on(
    call: &WindowCall,
    carry: Carry,
    carried: &Row,
    i: usize,
    v: Value,
    pick: Pick,
) -> Result<Value, EvalError> {
    let c = carried.get(i).cloned().ok_or(EvalError::IllTyped)?;
    let plus = |values: &[&Value]| {
        let sum = |all: Option<i64>, v: &&Value| match v {
            Value::Int(n) => all?.checked_add(*n),
            _ => None,
        };
        let all = values.iter().fold(Some(0), sum);
        all.map(Value::Int).ok_or(EvalError::OutOfRange)
    };
    match carry {
        Carry::First => Ok(c),
        Carry::Number if kind(call.function) == Some(Kind::Rank) => {
            // The rows before the last one's peers, and these.
            let tied = carried.last().ok_or(EvalError::IllTyped)?;
            plus(&[&c, tied, &Value::Int(-1), &v])
        }
        Carry::Number | Carry::Count => plus(&[&c, &v]),
        Carry::Sum | Carry::Fold if c.is_null() => Ok(v),
        Carry::Sum | Carry::Fold if v.is_null() => Ok(c),
        Carry::Sum | Carry::Fold => {
            use aggregate::Kind::*;
            match aggregate::kind(call.function) {
                Some(Sum) => aggregate::sum(call.ty.oid, &[(c, 1), (v, 1)]),
                Some(Extremum { greatest }) => {
                    aggregate::extremum([c, v].into_iter(), greatest, pick)
                        .ok_or(EvalError::IllTyped)
                }
                Some(BoolAnd) => Ok(c.min(v)),
                Some(BoolOr) => Ok(c.max(v)),
                _ => Err(EvalError::Unknown {
                    what: format!("how function {} goes on", call.function),
                }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::functions::Builtin;
    use super::super::{last, suffix, window as whole};
    use super::*;
    use crate::catalog::Catalog;
    use crate::expr::Expr;
    use crate::op::{Last, SortKey, Suffix};
    use crate::types::{Oid, SqlType, oids};
    use crate::window::{Bound, Frame, FrameMode, Window};

    const INT: SqlType = SqlType::new(oids::INT4);

    fn call(function: u32, args: Vec<Expr>, ty: Oid) -> WindowCall {
        WindowCall {
            function: Oid(function),
            args,
            filter: None,
            frame: Frame::default(),
            ty: SqlType::new(ty),
            collation: Oid::INVALID,
            nullable: true,
            by_image: false,
            variadic: false,
        }
    }

    fn window() -> Window {
        let value = || vec![Expr::column(2, INT)];
        let near = Frame {
            mode: FrameMode::Rows,
            start: Bound::Preceding(Expr::literal("2", INT)),
            end: Bound::CurrentRow,
            ..Frame::default()
        };
        Window {
            partition: vec![0],
            order: vec![SortKey {
                expr: Expr::column(1, INT),
                operator: Oid(97),
                nulls_first: false,
            }],
            calls: vec![
                call(3101, vec![], oids::INT8),
                call(3102, vec![], oids::INT8),
                call(2803, vec![], oids::INT8),
                call(2108, value(), oids::INT8),
                call(2132, value(), oids::INT4),
                call(3106, value(), oids::INT4),
                WindowCall {
                    frame: near,
                    ..call(2108, value(), oids::INT8)
                },
            ],
        }
    }

    fn bag(rows: &[[Option<i64>; 3]]) -> Bag {
        let row = |row: &[Option<i64>; 3]| {
            let values = row.iter().map(|v| v.map_or(Value::Null, Value::Int));
            (values.collect(), 1)
        };
        rows.iter().map(row).collect()
    }

    /// What a window says from a place on, told from there on.
    #[test]
    fn what_follows_goes_on() {
        let catalog = Catalog::builtin();
        let w = window();
        let reach = w.calls.iter().map(|c| c.reach(&catalog));
        let reach = reach.collect::<Option<Vec<_>>>().expect("a reach each");
        let step = WindowStep {
            window: w.clone(),
            reach,
        };
        assert_eq!(step.near(), (2, 0));
        let mut rows = vec![];
        for i in 0..9 {
            let value = Some(i).filter(|i| i % 4 != 2);
            rows.push([Some(i % 2), Some(i / 3).filter(|i| *i < 2), value]);
        }
        let x = bag(&rows);
        let pick = Pick::Least;
        let all = whole::eval(&w, &x, &Builtin, pick).expect("no error");
        for place in [Some(0), Some(1), Some(7), None] {
            let place = place.map_or(Value::Null, Value::Int);
            let places: Bag = (0..2)
                .map(|k| (vec![Value::Int(k), place.clone()], 1))
                .collect();
            let cut = Suffix {
                keys: vec![0],
                by: w.order[0].clone(),
            };
            let last = |limit, ties| Last {
                keys: vec![0],
                order: w.order.clone(),
                limit,
                ties,
                total: true,
            };
            let behind = |x: &Bag| suffix::eval(&cut, x, &places, &Builtin).expect("no error");
            let before =
                |l: &Last, x: &Bag| last::eval(l, x, &places, &Builtin, pick).expect("no error");
            let known = before(&last(1, Some(1)), &all);
            let carried: Bag = known
                .0
                .into_iter()
                .map(|(row, w)| ([&row[..1], &row[3..]].concat(), w))
                .collect();
            let context = before(&last(2, None), &x);
            let got = eval(&step, [&behind(&x), &carried, &context], &Builtin, pick);
            let got = got.expect("no error").consolidate();
            assert_eq!(got, behind(&all).consolidate(), "from {place}");
        }
    }
}
