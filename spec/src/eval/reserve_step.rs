//! `ReserveStep(Old(reserve x), Delta x, renewed) = Delta(reserve x)`: what is left, or what it is
//! filled with anew, less what was there.

use super::functions::Functions;
use super::{Bag, EvalError, Pick, delta, reserve, top_k};
use crate::op::Reserve;

pub fn eval(
    r: &Reserve,
    old: &Bag,
    delta: &Bag,
    renewed: &Bag,
    functions: &dyn Functions,
    pick: Pick,
) -> Result<Bag, EvalError> {
    let (left, short) = reserve::left(r, old, delta, functions, pick)?;
    let new = match short {
        true => renewed.clone(),
        false => top_k::eval(&r.filled(), &left, functions, pick)?,
    };
    Ok(delta::difference(&new, old))
}
