//! `TopK(keys, order, offset, limit)(x)`: of each group of rows of x whose keys are equal, the rows
//! at the positions from `offset` to `offset + limit` of the order, each copy of a row at a position
//! of its own. WITH TIES also those that the order leaves tied with the last of them. x must be a
//! multiset. Where the order is open, ties are broken by image (see [`super::ordering`]).

use super::functions::Functions;
use super::ordering::{Order, Sorted};
use super::{Bag, EvalError, Pick};
use crate::op::TopK;

pub fn eval(t: &TopK, x: &Bag, functions: &dyn Functions, pick: Pick) -> Result<Bag, EvalError> {
    let order = Order::new(&t.order, pick)?;
    let groups = order.groups(&t.keys, x, functions)?;
    let mut out = Bag::default();
    // Nothing is tied with the last of no rows.
    if t.limit == Some(0) {
        return Ok(out);
    }
    for rows in groups {
        let start = i128::from(t.offset);
        let end = t.limit.map(|n| start + i128::from(n));
        let mut at = 0i128;
        let mut last: Option<Sorted> = None;
        for sorted in rows {
            let next = at + i128::from(sorted.weight);
            let tied = |last: &Sorted| t.with_ties && order.compare(last, &sorted).is_eq();
            let stop = match end {
                Some(end) if end <= at && !last.as_ref().is_some_and(tied) => break,
                // Of the row at the end, all copies are tied with it.
                Some(end) if !t.with_ties => next.min(end),
                _ => next,
            };
            let copies = stop - at.max(start);
            if copies > 0 {
                out.0.push((sorted.row.clone(), copies as i64));
            }
            at = next;
            last = Some(sorted);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::Value;
    use super::super::functions::Builtin;
    use super::*;
    use crate::expr::Expr;
    use crate::op::SortKey;
    use crate::types::{Oid, SqlType, oids};

    const LESS: u32 = 97;
    const GREATER: u32 = 521;

    /// The second column of what is first by the first.
    fn first(operator: u32, nulls_first: bool, rows: &[&str], edit: impl Fn(&mut TopK)) -> String {
        let mut t = TopK {
            keys: vec![],
            order: vec![SortKey {
                expr: Expr::column(0, SqlType::new(oids::INT4)),
                operator: Oid(operator),
                nulls_first,
            }],
            offset: 0,
            limit: Some(2),
            with_ties: false,
            total: false,
        };
        edit(&mut t);
        let x: Bag = rows
            .iter()
            .map(|row| {
                let (by, name) = row.split_once(' ').expect("two columns");
                let by = match by {
                    "-" => Value::Null,
                    n => Value::Int(n.parse().expect("a number")),
                };
                (vec![by, Value::text(name)], 1)
            })
            .collect();
        let top = eval(&t, &x, &Builtin, Pick::Least).expect("no error");
        let mut names: Vec<String> = top
            .consolidate()
            .iter()
            .flat_map(|(row, w)| std::iter::repeat_n(row[1].to_string(), w as usize))
            .collect();
        names.sort();
        names.join("")
    }

    #[test]
    fn orders_and_nulls() {
        let rows = ["1 a", "2 b", "3 c", "- n"];
        let plain = |_: &mut TopK| {};
        assert_eq!(first(LESS, false, &rows, plain), "ab");
        assert_eq!(first(LESS, true, &rows, plain), "an");
        assert_eq!(first(GREATER, false, &rows, plain), "bc");
        assert_eq!(first(GREATER, true, &rows, plain), "cn");
        let skip = |t: &mut TopK| t.offset = 3;
        assert_eq!(first(LESS, false, &rows, skip), "n");
        let rest = |t: &mut TopK| {
            t.offset = 1;
            t.limit = None;
        };
        assert_eq!(first(LESS, false, &rows, rest), "bcn");
        assert_eq!(first(LESS, false, &rows, |t| t.limit = Some(0)), "");
    }

    #[test]
    fn ties() {
        let rows = ["1 a", "2 b", "2 c", "2 c", "3 d"];
        assert_eq!(first(LESS, false, &rows, |_| {}), "ab");
        assert_eq!(first(LESS, false, &rows, |t| t.limit = Some(3)), "abc");
        let tied = |t: &mut TopK| t.with_ties = true;
        assert_eq!(first(LESS, false, &rows, tied), "abcc");
        let behind = |t: &mut TopK| {
            t.with_ties = true;
            t.offset = 2;
            t.limit = Some(1);
        };
        assert_eq!(first(LESS, false, &rows, behind), "cc");
        let none = |t: &mut TopK| {
            t.with_ties = true;
            t.offset = 2;
            t.limit = Some(0);
        };
        assert_eq!(first(LESS, false, &rows, none), "");
    }

    #[test]
    fn of_each_group() {
        let rows = ["1 a", "3 b", "1 c", "2 d", "2 d"];
        let one = |t: &mut TopK| {
            t.keys = vec![0];
            t.limit = Some(1);
        };
        assert_eq!(first(LESS, false, &rows, one), "abd");
    }
}
