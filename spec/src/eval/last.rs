//! `Last(keys, order, limit)(x, places)`: of the rows of x before the place of their group the last
//! ones in the order, each copy of a row one of its own. x must be a multiset. Ties are broken by
//! image (see [`super::ordering`]).

use super::functions::Functions;
use super::ordering::{Order, Sorted};
use super::suffix::Places;
use super::{Bag, EvalError, Pick, Value};
use crate::op::Last;
use std::cmp::Ordering;

pub fn eval(
    l: &Last,
    x: &Bag,
    places: &Bag,
    functions: &dyn Functions,
    pick: Pick,
) -> Result<Bag, EvalError> {
    let by = l.order.first().ok_or(EvalError::IllTyped)?;
    let places = Places::new(by, l.keys.len(), places)?;
    let order = Order::new(&l.order, pick)?;
    let tied_by = Order::new(&l.order[..l.ties.unwrap_or(0)], pick)?;
    let mut out = Bag::default();
    for rows in order.groups(&l.keys, x, functions)? {
        let mut before: Vec<Sorted> = vec![];
        for sorted in rows {
            let side = places.side(&sorted.row, &l.keys, functions)?;
            before.extend(side.is_some_and(Ordering::is_lt).then_some(sorted));
        }
        let Some(last) = before.last() else { continue };
        let tied = before.iter().filter(|s| tied_by.compare(s, last).is_eq());
        let tied: i64 = tied.map(|s| s.weight).sum();
        let mut left = i64::try_from(l.limit).unwrap_or(i64::MAX);
        for sorted in before.into_iter().rev() {
            let copies = sorted.weight.min(left);
            if copies > 0 {
                let mut row = sorted.row;
                row.extend(l.ties.map(|_| Value::Int(tied)));
                out.0.push((row, copies));
            }
            left -= copies;
        }
    }
    Ok(out)
}
