//! Z-sets: finite maps from rows to integer weights, a commutative group under addition.
//!
//! Rows are told apart by image. A [`ZSet`] is normal: no row has weight 0. A [`Bag`] is a Z-set
//! as a program holds it while it runs: the same row may stand several times, with weights that
//! cancel. What evaluates an expression sees the rows of the bag.

use super::value::{Row, Value};
use std::collections::BTreeMap;
use std::fmt;

/// A Z-set in normal form.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZSet(BTreeMap<Row, i64>);

/// An unconsolidated Z-set. Equality is of the representation; compare [`Bag::consolidate`]d ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bag(pub Vec<(Row, i64)>);

impl ZSet {
    pub fn new() -> ZSet {
        ZSet::default()
    }

    /// Adds a row; its weight may come to 0.
    pub fn insert(&mut self, row: Row, weight: i64) {
        use std::collections::btree_map::Entry;
        match self.0.entry(row) {
            Entry::Vacant(e) if weight != 0 => {
                e.insert(weight);
            }
            Entry::Vacant(_) => {}
            Entry::Occupied(mut e) => {
                *e.get_mut() += weight;
                if *e.get() == 0 {
                    e.remove();
                }
            }
        }
    }

    pub fn weight(&self, row: &[Value]) -> i64 {
        self.0.get(row).copied().unwrap_or(0)
    }

    /// Rows with their weights, none of which is 0, in the order of images.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Row, i64)> {
        self.0.iter().map(|(row, w)| (row, *w))
    }

    /// The number of different rows.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Is it a multiset?
    pub fn is_positive(&self) -> bool {
        self.iter().all(|(_, w)| w > 0)
    }

    pub fn to_bag(&self) -> Bag {
        Bag(self.iter().map(|(r, w)| (r.clone(), w)).collect())
    }
}

/// (a + b)(r) = a(r) + b(r)
impl std::ops::Add for &ZSet {
    type Output = ZSet;

    fn add(self, other: &ZSet) -> ZSet {
        self.iter()
            .chain(other.iter())
            .map(|(r, w)| (r.clone(), w))
            .collect()
    }
}

/// (−a)(r) = −a(r)
impl std::ops::Neg for &ZSet {
    type Output = ZSet;

    fn neg(self) -> ZSet {
        self.iter().map(|(r, w)| (r.clone(), -w)).collect()
    }
}

/// a − b = a + (−b)
impl std::ops::Sub for &ZSet {
    type Output = ZSet;

    fn sub(self, other: &ZSet) -> ZSet {
        self + &-other
    }
}

impl Bag {
    pub fn consolidate(&self) -> ZSet {
        self.0.iter().cloned().collect()
    }
}

impl FromIterator<(Row, i64)> for ZSet {
    fn from_iter<I: IntoIterator<Item = (Row, i64)>>(rows: I) -> ZSet {
        let mut out = ZSet::new();
        for (row, w) in rows {
            out.insert(row, w);
        }
        out
    }
}

impl FromIterator<(Row, i64)> for Bag {
    fn from_iter<I: IntoIterator<Item = (Row, i64)>>(rows: I) -> Bag {
        Bag(rows.into_iter().collect())
    }
}

/// One row a line, `+2 (1, a)`: what a failing test prints.
impl fmt::Display for ZSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (row, w) in self.iter() {
            let values: Vec<String> = row.iter().map(Value::to_string).collect();
            writeln!(f, "{w:+} ({})", values.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_group() {
        let a: ZSet = [(vec![Value::Int(1)], 2), (vec![Value::Int(2)], -1)]
            .into_iter()
            .collect();
        assert!((&a - &a).is_empty());
        assert_eq!(&a + &ZSet::new(), a);
        assert_eq!((&a + &a).weight(&[Value::Int(1)]), 4);
        assert!(!a.is_positive());
    }

    #[test]
    fn images_are_not_merged() {
        let rows = ["1.0", "1.00"].map(|t| {
            let n = super::super::numeric::Numeric::parse(t).expect("a literal");
            (vec![Value::Numeric(n)], 1)
        });
        assert_eq!(rows.into_iter().collect::<ZSet>().len(), 2);
    }
}
