//! `Probe(c)(x, keys)[r] = x[r] if some k in keys has k = r.c by SQL equality (NULL matching
//! NULL), else 0`. Linear in x; of keys only matters which rows it has.

use super::Bag;
use super::group::GroupKey;
use std::collections::BTreeSet;

pub fn eval(columns: &[usize], x: &Bag, keys: &Bag) -> Bag {
    let keys: BTreeSet<GroupKey> = keys
        .0
        .iter()
        .filter(|(_, w)| *w != 0)
        .map(|(k, _)| GroupKey(k.clone()))
        .collect();
    x.0.iter()
        .filter(|(row, _)| keys.contains(&GroupKey::of(row, columns)))
        .cloned()
        .collect()
}
