//! `Neg(x)[r] = −x[r]`. Linear.

use super::Bag;

pub fn eval(x: &Bag) -> Bag {
    x.0.iter().map(|(row, w)| (row.clone(), -w)).collect()
}
