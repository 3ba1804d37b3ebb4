//! A stored collection as it was before this refresh: `State(s) = Old(x)` where s stores x.

use super::{Bag, EvalError, World};
use crate::op::State;

pub fn eval(state: &State, world: &World) -> Result<Bag, EvalError> {
    world
        .states
        .get(&state.id)
        .map(|z| z.to_bag())
        .ok_or(EvalError::NoState { id: state.id })
}
