//! `Join`: FROM and WHERE. `w` is the product of the weights of all inputs.
//!
//! All inputs stand in one FROM list, which the planner orders as it sees fit. A join is linear in
//! each input, so an input that is a sum, like Old of a table, `New ⊎ −Δ`, is multiplied out:
//! `a ⋈ (b ⊎ c) = (a ⋈ b) ⊎ (a ⋈ c)`. Inside one FROM the sum would have to be scanned whole,
//! because PostgreSQL hands no keys down into a UNION ALL that reads a tuplestore; apart, the
//! table is looked up by its index and the two small changes are hashed. Several sums are
//! multiplied out one after the other: see [`crate::chain`]. A comparison with a scalar that has
//! moved makes two branches, too: see [`crate::band`].

use crate::band::Band;
use crate::chain::Led;
use crate::error::Result;
use crate::lower::Lowering;
use crate::rel::{Branch, Rel};
use spec::{Expr, NodeId};
use std::collections::BTreeSet;

/// How many SELECTs one join may become. What would be more is joined as a UNION ALL, which costs
/// scans where planning all the SELECTs would cost more.
const MOST_BRANCHES: usize = 16;

impl Lowering<'_> {
    pub(crate) fn join(&mut self, conjuncts: &[Expr], id: NodeId) -> Result<Rel> {
        let band = self.band(conjuncts, id);
        let (led, left) = match &band {
            None => self.chain(conjuncts, id)?,
            Some(_) => (None, conjuncts.to_vec()),
        };
        let done = |i: &usize| led.as_ref().is_some_and(|l| l.inputs.contains(i));
        let inputs = self.circuit.inputs(id).len();
        let others = (0..inputs).filter(|i| !done(i)).collect();
        let mut branches = self.products(led.as_ref(), &others, &left, id)?;
        if let Some(band) = band
            && 2 * branches.len() <= MOST_BRANCHES
            && let Some((moved, at)) = self.moved(&band, id)?
        {
            let each = branches.into_iter();
            let each = each.map(|branch| self.banded(&band, branch, &moved, at, id));
            branches = each.collect::<Result<Vec<_>>>()?.concat();
        }
        Ok(Rel { branches })
    }

    /// What was joined before with these inputs under the conditions, multiplied out.
    pub(crate) fn products(
        &mut self,
        led: Option<&Led>,
        members: &BTreeSet<usize>,
        on: &[Expr],
        id: NodeId,
    ) -> Result<Vec<Branch>> {
        let inputs = self.circuit.inputs(id).to_vec();
        let start = self.start(led, id);
        let known = start.cols.clone();
        let start = Branch {
            cols: vec![],
            ..start
        };
        let mut branches = vec![(start, vec![])];
        let mut look_ups = self.look_ups(on, id);
        look_ups.retain(|l| members.contains(&l.input));
        let mut at = 0;
        for (i, &input) in inputs.iter().enumerate() {
            let arity = self.circuit.schema(input).len();
            let columns = at..at + arity;
            at += arity;
            if !members.contains(&i) {
                let own = known.get(columns).unwrap_or(&[]);
                for (branch, _) in &mut branches {
                    branch.cols.extend_from_slice(own);
                    branch.cols.resize(at, None);
                }
                continue;
            }
            let rel = self.lower(input)?;
            let multiplied = branches.len() * rel.branches.len();
            let parts =
                match multiplied <= MOST_BRANCHES && rel.branches.iter().all(Branch::is_flat) {
                    true => rel.branches,
                    false => vec![self.flat(rel, input)?],
                };
            let look_up = look_ups.iter().find(|l| l.input == i);
            let mut products = vec![];
            for (left, behind) in &branches {
                for part in &parts {
                    let (mut part, mut behind) = (part.clone(), behind.clone());
                    if inputs.len() > 1 {
                        part = self.found_first(part, input);
                    }
                    if let Some(look_up) = look_up {
                        behind.extend(self.take_out(look_up, &mut part, input, columns.start)?);
                    }
                    products.push((beside(left.clone(), part, arity), behind));
                }
            }
            branches = products;
        }
        let mut closed = vec![];
        for (mut branch, behind) in branches {
            let left = self.put_back(behind, &mut branch, on)?;
            branch.filter.extend(left);
            closed.push(branch);
        }
        Ok(closed)
    }
}

impl Lowering<'_> {
    /// The input of a join that has moved, and where its columns are.
    fn moved(&mut self, band: &Band, id: NodeId) -> Result<Option<(Branch, usize)>> {
        let inputs = self.circuit.inputs(id).to_vec();
        let widths = inputs.iter().map(|i| self.circuit.schema(*i).len());
        let at = widths.take(band.input).sum();
        let rel = self.lower(inputs[band.input])?;
        match rel.branches.len() {
            1 => Ok(Some((self.flat(rel, inputs[band.input])?, at))),
            _ => Ok(None),
        }
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
