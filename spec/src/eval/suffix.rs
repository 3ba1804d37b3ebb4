//! `Suffix(keys, by)(x, places)[r] = x[r] if r is of a group of places, by SQL equality (NULL matching
//! NULL), and at its place or behind it, else 0`. Linear in x.

use super::functions::Functions;
use super::group::GroupKey;
use super::ordering::{Order, Sorted};
use super::{Bag, EvalError, Pick, Row};
use crate::op::{SortKey, Suffix};
use std::cmp::Ordering;
use std::collections::BTreeMap;

pub fn eval(
    s: &Suffix,
    x: &Bag,
    places: &Bag,
    functions: &dyn Functions,
) -> Result<Bag, EvalError> {
    let places = Places::new(&s.by, s.keys.len(), places)?;
    let mut out = Bag::default();
    for (row, w) in &x.0 {
        if places
            .side(row, &s.keys, functions)?
            .is_some_and(Ordering::is_ge)
        {
            out.0.push((row.clone(), *w));
        }
    }
    Ok(out)
}

/// The place of each group.
pub(super) struct Places<'a> {
    order: Order<'a>,
    places: BTreeMap<GroupKey, Row>,
}

impl<'a> Places<'a> {
    pub(super) fn new(by: &'a SortKey, keys: usize, places: &Bag) -> Result<Places<'a>, EvalError> {
        let mut out = BTreeMap::new();
        for (row, w) in places.consolidate().iter() {
            if w < 0 {
                return Err(EvalError::Negative);
            }
            let (key, place) = row.split_at(keys.min(row.len()));
            if out.insert(GroupKey(key.to_vec()), place.to_vec()).is_some() {
                return Err(EvalError::Unknown {
                    what: "two places in one group".into(),
                });
            }
        }
        Ok(Places {
            order: Order::new(std::slice::from_ref(by), Pick::Least)?,
            places: out,
        })
    }

    /// Where a row stands, seen from the place of its group, if that has one.
    pub(super) fn side(
        &self,
        row: &Row,
        keys: &[usize],
        functions: &dyn Functions,
    ) -> Result<Option<Ordering>, EvalError> {
        let Some(place) = self.places.get(&GroupKey::of(row, keys)) else {
            return Ok(None);
        };
        let sorted = |by: Row| Sorted {
            by,
            row: vec![],
            weight: 1,
        };
        let by = self.order.by(row, functions)?;
        Ok(Some(
            self.order.compare(&sorted(by), &sorted(place.clone())),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Value;
    use super::super::functions::Builtin;
    use super::super::last;
    use super::*;
    use crate::expr::Expr;
    use crate::op::Last;
    use crate::types::{Oid, SqlType, oids};

    const LESS: u32 = 97;
    const GREATER: u32 = 521;

    fn value(text: &str) -> Value {
        match text {
            "-" => Value::Null,
            n => Value::Int(n.parse().expect("a number")),
        }
    }

    fn bag(rows: &[&str]) -> Bag {
        let row = |row: &&str| (row.split(' ').map(value).collect(), 1);
        rows.iter().map(row).collect()
    }

    fn by(operator: u32, nulls_first: bool) -> SortKey {
        SortKey {
            expr: Expr::column(1, SqlType::new(oids::INT4)),
            operator: Oid(operator),
            nulls_first,
        }
    }

    /// The second columns of the rows from the places on, and of the last ones before them.
    fn both(by: SortKey, rows: &[&str], places: &[&str]) -> String {
        let shown = |bag: Bag| {
            let rows = bag.consolidate();
            let rows = rows
                .iter()
                .map(|(row, w)| format!("{}{}", row[1], "+".repeat(w as usize - 1)));
            let mut rows: Vec<String> = rows.collect();
            rows.sort();
            rows.join(" ")
        };
        let (x, places) = (bag(rows), bag(places));
        let suffix = Suffix {
            keys: vec![0],
            by: by.clone(),
        };
        let last = Last {
            keys: vec![0],
            order: vec![by],
            limit: 2,
            ties: None,
            total: true,
        };
        let behind = eval(&suffix, &x, &places, &Builtin).expect("no error");
        let before = last::eval(&last, &x, &places, &Builtin, Pick::Least).expect("no error");
        format!("{} | {}", shown(behind), shown(before))
    }

    #[test]
    fn places_cut_groups_in_two() {
        let rows = [
            "1 1", "1 2", "1 3", "1 3", "1 4", "1 -", "2 1", "- 1", "- 2",
        ];
        let at = |key: SortKey, place: &str| both(key, &rows, &[place]);
        assert_eq!(at(by(LESS, false), "1 3"), "3+ 4 NULL | 1 2");
        assert_eq!(at(by(LESS, false), "1 4"), "4 NULL | 3+");
        assert_eq!(at(by(LESS, true), "1 2"), "2 3+ 4 | 1 NULL");
        assert_eq!(at(by(GREATER, true), "1 3"), "1 2 3+ | 4 NULL");
        assert_eq!(at(by(LESS, false), "1 -"), "NULL | 3 4");
        assert_eq!(at(by(LESS, true), "1 -"), "1 2 3+ 4 NULL | ");
        // A place need not be a row's, nor a group of places one of x.
        assert_eq!(at(by(LESS, false), "1 9"), "NULL | 3 4");
        assert_eq!(at(by(LESS, false), "- 2"), "2 | 1");
        assert_eq!(at(by(LESS, false), "7 1"), " | ");
        assert_eq!(
            both(by(LESS, false), &rows, &["1 4", "2 0"]),
            "1 4 NULL | 3+"
        );
    }

    #[test]
    fn a_group_has_one_place() {
        let places = bag(&["1 1", "1 2"]);
        let by = by(LESS, false);
        assert!(Places::new(&by, 1, &places).is_err());
    }
}
