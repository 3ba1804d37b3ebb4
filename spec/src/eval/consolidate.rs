//! `Consolidate(x) = x`, written with each row once.

use super::Bag;

pub fn eval(x: &Bag) -> Bag {
    x.consolidate().to_bag()
}
