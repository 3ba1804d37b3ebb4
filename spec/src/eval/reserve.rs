//! `Reserve(order, least, most)(x)`: some of the first rows of x, at least `least`.
//!
//! Filled, it is `TopK(order, most)`. Later it is what is left of that: see [`after`], which is all that
//! there is to say of a refresh. It is a *prefix* of x in the order, and has fewer rows than `least`
//! only if it is all of x.

use super::functions::Functions;
use super::ordering::{Order, Sorted};
use super::{Bag, EvalError, Pick, delta, positive, top_k};
use crate::op::{Reserve, TopK};

/// What it holds where `spent` rows have left since it was filled.
pub fn eval(
    r: &Reserve,
    x: &Bag,
    spent: u64,
    functions: &dyn Functions,
    pick: Pick,
) -> Result<Bag, EvalError> {
    let first = TopK {
        limit: Some(r.most.saturating_sub(spent).max(r.least)),
        ..r.filled()
    };
    top_k::eval(&first, x, functions, pick)
}

/// What is left of it with a change: of the change what is not behind its last row; or all, where it
/// held all rows. And whether that is too little, because there may be more behind its last row.
pub fn left(
    r: &Reserve,
    old: &Bag,
    delta: &Bag,
    functions: &dyn Functions,
    pick: Pick,
) -> Result<(Bag, bool), EvalError> {
    let order = Order::new(&r.order, pick)?;
    let sorted = |row: &super::Row, weight: i64| -> Result<Sorted, EvalError> {
        Ok(Sorted {
            by: order.by(row, functions)?,
            row: row.clone(),
            weight,
        })
    };
    let least = i128::from(r.least);
    let count = |x: &Bag| -> i128 { x.0.iter().map(|(_, w)| i128::from(*w)).sum() };
    let mut rows = old
        .0
        .iter()
        .map(|(row, w)| sorted(row, *w))
        .collect::<Result<Vec<_>, _>>()?;
    order.sort(&mut rows);
    let last = rows.pop();
    let open = r.filled().is_open();
    let is_all = count(old) < least;
    let mut all = old.clone();
    for (row, w) in &delta.0 {
        let row = sorted(row, *w)?;
        let within = last.as_ref().is_some_and(|last| match open {
            true => order.compare_all(&row, last).is_le(),
            false => order.compare(&row, last).is_le(),
        });
        if is_all || within {
            all.0.push((row.row, row.weight));
        }
    }
    let left = positive::eval(&all);
    let short = !is_all && count(&left) < least;
    Ok((left, short))
}

/// What it is after a refresh, given what it was.
pub fn after(
    r: &Reserve,
    old: &Bag,
    old_x: &Bag,
    new_x: &Bag,
    functions: &dyn Functions,
    pick: Pick,
) -> Result<Bag, EvalError> {
    let change = delta::difference(new_x, old_x);
    let (left, short) = left(r, old, &change, functions, pick)?;
    let rows = if short { new_x } else { &left };
    top_k::eval(&r.filled(), rows, functions, pick)
}

#[cfg(test)]
mod tests {
    use super::super::Value;
    use super::super::functions::Builtin;
    use super::*;
    use crate::expr::Expr;
    use crate::op::SortKey;
    use crate::types::{Oid, SqlType, oids};

    /// Of two at least and four at most.
    fn reserve(with_ties: bool) -> Reserve {
        Reserve {
            order: vec![SortKey {
                expr: Expr::column(0, SqlType::new(oids::INT4)),
                operator: Oid(97),
                nulls_first: false,
            }],
            least: 2,
            most: 4,
            with_ties,
            total: false,
        }
    }

    fn bag(rows: &[&str]) -> Bag {
        let row = |text: &&str| {
            let (by, name) = text.split_once(' ').expect("two columns");
            let by = Value::Int(by.parse().expect("a number"));
            (vec![by, Value::text(name)], 1)
        };
        rows.iter().map(row).collect()
    }

    fn show(x: &Bag) -> String {
        let rows = x.consolidate();
        let names = rows
            .iter()
            .flat_map(|(row, w)| std::iter::repeat_n(row[1].to_string(), w as usize));
        names.collect()
    }

    /// What is kept of x, and then of each next x.
    fn history(with_ties: bool, xs: &[&[&str]]) -> Vec<String> {
        let r = reserve(with_ties);
        let mut x = bag(xs[0]);
        let mut kept = eval(&r, &x, 0, &Builtin, Pick::Least).expect("no error");
        let mut out = vec![show(&kept)];
        for next in &xs[1..] {
            let next = bag(next);
            kept = after(&r, &kept, &x, &next, &Builtin, Pick::Least).expect("no error");
            out.push(show(&kept));
            x = next;
        }
        out
    }

    #[test]
    fn it_is_filled_again_when_too_little_is_left() {
        let xs: &[&[&str]] = &[
            &["1 a", "2 b", "3 c", "4 d", "5 e", "6 f"],
            // Two are left of four.
            &["2 b", "4 d", "5 e", "6 f"],
            // What comes behind the last row is not known, what comes before it is.
            &["1 x", "2 b", "4 d", "5 e", "6 f", "7 g"],
            &["2 b", "5 e", "6 f", "7 g"],
            // All that there is.
            &["7 g"],
            &["7 g", "9 h", "8 i"],
        ];
        let kept = ["abcd", "bd", "xbd", "befg", "g", "gih"];
        assert_eq!(history(false, xs), kept);
    }

    #[test]
    fn ties_are_images_or_all_of_them() {
        let xs: &[&[&str]] = &[
            &["1 a", "1 b", "1 c", "1 d", "1 e"],
            &["1 b", "1 c", "1 d", "1 e", "1 f"],
            &["0 x", "1 d", "1 e", "1 f"],
        ];
        assert_eq!(history(false, xs), ["abcd", "bcd", "xd"]);
        assert_eq!(history(true, xs), ["abcde", "bcdef", "xdef"]);
    }

    #[test]
    fn copies_of_the_last_row() {
        let xs: &[&[&str]] = &[
            &["1 a", "2 b", "2 b", "2 b", "2 b", "2 b"],
            &["1 a", "2 b", "2 b", "2 b"],
            &["1 a", "2 b", "2 b", "2 b", "2 b"],
            &["1 a"],
        ];
        assert_eq!(history(false, xs), ["abbb", "ab", "abb", "a"]);
    }
}
