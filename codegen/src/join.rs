//! `Join`: FROM and WHERE. `w` is the product of the weights of all inputs.
//!
//! All inputs stand in one FROM list, which the planner orders as it sees fit.

use crate::error::Result;
use crate::lower::Lowering;
use crate::rel::{Branch, Rel, Weight};
use spec::{Expr, NodeId};

impl Lowering<'_> {
    pub(crate) fn join(&mut self, conjuncts: &[Expr], id: NodeId) -> Result<Rel> {
        let mut all = Branch::new(vec![], vec![], Weight::one());
        for &input in self.circuit.inputs(id) {
            let one = self.lower_flat(input)?;
            let arity = self.circuit.schema(input).len();
            let mut cols = one.cols;
            cols.resize(arity, None);
            all.from.extend(one.from);
            all.filter.extend(one.filter);
            all.cols.extend(cols);
            all.weight = all.weight.times(one.weight);
        }
        let conjuncts = self.conjuncts(conjuncts, &all.cols)?;
        all.filter.extend(conjuncts);
        Ok(Rel::one(all))
    }
}
