//! A base table: `Old(R) = old(R)`, `New(R) = old(R) + delta(R)`.

use super::{Bag, Epoch, EvalError, World};
use crate::op::Source;

pub fn eval(source: &Source, epoch: Epoch, world: &World) -> Result<Bag, EvalError> {
    Ok(world.source(source.relation, epoch)?.to_bag())
}
