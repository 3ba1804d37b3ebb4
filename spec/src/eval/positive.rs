//! `Positive(x)[r] = max(x[r], 0)`, written with each row once.

use super::Bag;

pub fn eval(x: &Bag) -> Bag {
    let rows = x.consolidate();
    let positive = rows.iter().filter(|(_, w)| *w > 0);
    positive.map(|(row, w)| (row.clone(), w)).collect()
}
