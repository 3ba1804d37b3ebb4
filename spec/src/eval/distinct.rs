//! `Distinct(x)[r] = 1` for one r of each group of rows of positive weight that are equal by SQL
//! equality; all else 0. Which one, [`Pick`] says.

use super::group::GroupKey;
use super::{Bag, Pick, Row};
use std::collections::BTreeMap;

pub fn eval(x: &Bag, pick: Pick) -> Bag {
    let mut groups: BTreeMap<GroupKey, Row> = BTreeMap::new();
    for (row, w) in x.consolidate().iter() {
        if w > 0 {
            let chosen = groups
                .entry(GroupKey(row.clone()))
                .or_insert_with(|| row.clone());
            if pick.prefers(row, chosen) {
                *chosen = row.clone();
            }
        }
    }
    groups.into_values().map(|row| (row, 1)).collect()
}
