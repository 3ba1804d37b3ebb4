//! Grouping: rows whose keys are equal by SQL equality, NULL with NULL.

use super::value::{Row, Value};
use std::cmp::Ordering;

/// A key of a group. `Eq` and `Ord` are those of the types, not of images.
#[derive(Clone, Debug)]
pub struct GroupKey(pub Row);

impl GroupKey {
    /// The projection of a row.
    pub fn of(row: &[Value], columns: &[usize]) -> GroupKey {
        GroupKey(project(row, columns))
    }
}

/// The values of these columns; a missing column (an ill-typed circuit, which cannot be built) is
/// NULL.
pub fn project(row: &[Value], columns: &[usize]) -> Row {
    columns
        .iter()
        .map(|&c| row.get(c).cloned().unwrap_or(Value::Null))
        .collect()
}

impl Ord for GroupKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0
            .iter()
            .zip(&other.0)
            .map(|(a, b)| a.group_cmp(b))
            .find(|o| o.is_ne())
            .unwrap_or_else(|| self.0.len().cmp(&other.0.len()))
    }
}

impl PartialOrd for GroupKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for GroupKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for GroupKey {}
