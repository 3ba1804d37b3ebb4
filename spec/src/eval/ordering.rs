//! ORDER BY: `<` or `>` of the type's default order, with NULL first or last. Rows that it leaves
//! tied are put in the order of their images, least or greatest first as [`Pick`] says: one of the
//! answers that PostgreSQL may give, and the same whenever the rows are the same.

use super::builtin::{self, CITEXT};
use super::expr;
use super::functions::Functions;
use super::group::GroupKey;
use super::value::{Row, Value};
use super::{Bag, EvalError, Pick};
use crate::op::SortKey;
use crate::types::{Oid, oids};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Does this operator sort the greatest first?
fn is_descending(operator: Oid) -> Result<bool, EvalError> {
    let types = [
        oids::BOOL,
        oids::INT2,
        oids::INT4,
        oids::INT8,
        oids::NUMERIC,
        oids::FLOAT8,
        oids::TEXT,
        CITEXT,
    ];
    let is = |symbol: &str| {
        let mut all = types.iter();
        all.any(|t| builtin::operator(symbol, *t, *t).is_some_and(|o| o.operator == operator))
    };
    match (is("<"), is(">")) {
        (true, _) => Ok(false),
        (_, true) => Ok(true),
        _ => Err(EvalError::Unknown {
            what: format!("the order of operator {operator}"),
        }),
    }
}

/// A row with what it is sorted by.
#[derive(Clone, Debug)]
pub struct Sorted {
    pub by: Row,
    pub row: Row,
    pub weight: i64,
}

/// How rows are sorted.
pub struct Order<'a> {
    keys: &'a [SortKey],
    descending: Vec<bool>,
    pick: Pick,
}

impl<'a> Order<'a> {
    pub fn new(keys: &'a [SortKey], pick: Pick) -> Result<Order<'a>, EvalError> {
        let descending = keys.iter().map(|k| is_descending(k.operator));
        Ok(Order {
            keys,
            descending: descending.collect::<Result<_, _>>()?,
            pick,
        })
    }

    /// The rows of a multiset by these columns, each group sorted. What raises on a row raises also
    /// where the row's weights cancel.
    pub fn groups(
        &self,
        keys: &[usize],
        x: &Bag,
        functions: &dyn Functions,
    ) -> Result<Vec<Vec<Sorted>>, EvalError> {
        for (row, _) in &x.0 {
            self.by(row, functions)?;
        }
        let mut groups: BTreeMap<GroupKey, Vec<Sorted>> = BTreeMap::new();
        for (row, weight) in x.consolidate().iter() {
            if weight < 0 {
                return Err(EvalError::Negative);
            }
            let sorted = Sorted {
                by: self.by(row, functions)?,
                row: row.clone(),
                weight,
            };
            let key = GroupKey::of(row, keys);
            groups.entry(key).or_default().push(sorted);
        }
        let mut groups: Vec<Vec<Sorted>> = groups.into_values().collect();
        for rows in &mut groups {
            self.sort(rows);
        }
        Ok(groups)
    }

    /// Does the first key sort the greatest first?
    pub fn first_descends(&self) -> Option<bool> {
        self.descending.first().copied()
    }

    /// What a row is sorted by.
    pub fn by(&self, row: &[Value], functions: &dyn Functions) -> Result<Row, EvalError> {
        let values = self
            .keys
            .iter()
            .map(|k| expr::eval(&k.expr, row, functions));
        values.collect()
    }

    /// By the keys alone; equal where they leave a tie.
    pub fn compare(&self, a: &Sorted, b: &Sorted) -> Ordering {
        let pairs = a.by.iter().zip(&b.by);
        let keys = self.keys.iter().zip(&self.descending);
        pairs
            .zip(keys)
            .map(
                |((a, b), (key, descending))| match (a.is_null(), b.is_null()) {
                    (true, true) => Ordering::Equal,
                    (true, false) if key.nulls_first => Ordering::Less,
                    (true, false) => Ordering::Greater,
                    (false, true) if key.nulls_first => Ordering::Greater,
                    (false, true) => Ordering::Less,
                    _ if *descending => b.group_cmp(a),
                    _ => a.group_cmp(b),
                },
            )
            .find(|o| o.is_ne())
            .unwrap_or(Ordering::Equal)
    }

    /// By the keys, then by image.
    pub fn compare_all(&self, a: &Sorted, b: &Sorted) -> Ordering {
        self.compare(a, b).then_with(|| match self.pick {
            Pick::Least => a.row.cmp(&b.row),
            Pick::Greatest => b.row.cmp(&a.row),
        })
    }

    /// Sorts rows; ties by image.
    pub fn sort(&self, rows: &mut [Sorted]) {
        rows.sort_by(|a, b| self.compare_all(a, b));
    }
}
