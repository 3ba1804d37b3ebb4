//! `Delta(x) = New(x) − Old(x)`; of a source, the log of its changes as it was written.

use super::{Bag, EvalError, World};
use crate::op::Source;

pub fn source(source: &Source, world: &World) -> Result<Bag, EvalError> {
    let relation = source.relation;
    if !world.old.contains_key(&relation) {
        return Err(EvalError::NoRelation { relation });
    }
    Ok(world.delta.get(&relation).cloned().unwrap_or_default())
}

pub fn difference(new: &Bag, old: &Bag) -> Bag {
    (&new.consolidate() - &old.consolidate()).to_bag()
}
