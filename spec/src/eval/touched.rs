//! `Touched(c)(x) = { r.c : r stands in x }`, each once (by image).
//!
//! A row stands in x as x is written: one whose weights cancel may still be counted as touched.
//! That is a superset, which every use of it allows, and it makes the operator commute with
//! projection and `Plus`.

use super::Bag;
use super::group::project;
use std::collections::BTreeSet;

pub fn eval(columns: &[usize], x: &Bag) -> Bag {
    let rows: BTreeSet<_> =
        x.0.iter()
            .filter(|(_, w)| *w != 0)
            .map(|(row, _)| project(row, columns))
            .collect();
    rows.into_iter().map(|row| (row, 1)).collect()
}
