//! `Short(Old(reserve x), Delta x)`: the empty row, iff the reserve has to be filled anew.

use super::functions::Functions;
use super::{Bag, EvalError, Pick, reserve};
use crate::op::Reserve;

pub fn eval(
    r: &Reserve,
    old: &Bag,
    delta: &Bag,
    functions: &dyn Functions,
    pick: Pick,
) -> Result<Bag, EvalError> {
    let (_, short) = reserve::left(r, old, delta, functions, pick)?;
    Ok(short.then(|| (vec![], 1)).into_iter().collect())
}
