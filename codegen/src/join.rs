//! `Join`: FROM and WHERE. `w` is the product of the weights of all inputs.
//!
//! All inputs stand in one FROM list, which the planner orders as it sees fit. A join is linear in
//! each input, so an input that is a sum, like Old of a table, `New ⊎ −Δ`, is multiplied out:
//! `a ⋈ (b ⊎ c) = (a ⋈ b) ⊎ (a ⋈ c)`. Inside one FROM the sum would have to be scanned whole,
//! because PostgreSQL hands no keys down into a UNION ALL that reads a tuplestore; apart, the
//! table is looked up by its index and the two small changes are hashed. A comparison with a scalar
//! that has moved makes two branches, too: see [`crate::band`].

use crate::error::Result;
use crate::lower::Lowering;
use crate::rel::{Branch, Rel, Weight};
use spec::{Expr, NodeId};

/// How many SELECTs one join may become. What would be more is joined as a UNION ALL, which costs
/// scans where planning all the SELECTs would cost more.
const MOST_BRANCHES: usize = 16;

impl Lowering<'_> {
    pub(crate) fn join(&mut self, conjuncts: &[Expr], id: NodeId) -> Result<Rel> {
        let mut branches = vec![(Branch::new(vec![], vec![], Weight::one()), vec![])];
        let look_ups = self.look_ups(conjuncts, id);
        let inputs = self.circuit.inputs(id).len();
        let mut at = 0;
        let band = self.band(conjuncts, id);
        // What has moved, and where its columns are.
        let mut moved = None;
        for (i, &input) in self.circuit.inputs(id).iter().enumerate() {
            let arity = self.circuit.schema(input).len();
            let rel = self.lower(input)?;
            let multiplied = branches.len() * rel.branches.len();
            let parts =
                match multiplied <= MOST_BRANCHES && rel.branches.iter().all(Branch::is_flat) {
                    true => rel.branches,
                    false => vec![self.flat(rel, input)?],
                };
            if band.as_ref().is_some_and(|b| b.input == i)
                && let [part] = parts.as_slice()
            {
                moved = Some((part.clone(), at));
            }
            let look_up = look_ups.iter().find(|l| l.input == i);
            let mut products = vec![];
            for (left, behind) in &branches {
                for part in &parts {
                    let (mut part, mut behind) = (part.clone(), behind.clone());
                    if inputs > 1 {
                        part = self.found_first(part, input);
                    }
                    if let Some(look_up) = look_up {
                        behind.extend(self.take_out(look_up, &mut part, input, at)?);
                    }
                    products.push((beside(left.clone(), part, arity), behind));
                }
            }
            branches = products;
            at += arity;
        }
        let mut closed = vec![];
        for (mut branch, behind) in branches {
            let left = self.put_back(behind, &mut branch, conjuncts)?;
            branch.filter.extend(left);
            closed.push(branch);
        }
        let mut branches = closed;
        if let (Some(band), Some((moved, at))) = (band, moved)
            && 2 * branches.len() <= MOST_BRANCHES
        {
            let each = branches.into_iter();
            let each = each.map(|branch| self.banded(&band, branch, &moved, at, id));
            branches = each.collect::<Result<Vec<_>>>()?.concat();
        }
        Ok(Rel { branches })
    }
}

/// The product of two flat branches; the second has this many columns.
fn beside(mut left: Branch, mut right: Branch, arity: usize) -> Branch {
    right.cols.resize(arity, None);
    left.from.append(&mut right.from);
    left.filter.append(&mut right.filter);
    left.cols.append(&mut right.cols);
    left.weight = left.weight.times(right.weight);
    left
}
