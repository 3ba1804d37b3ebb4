//! `Map`: the SELECT list. Linear, so it is printed into every branch of its input.

use crate::error::Result;
use crate::lower::Lowering;
use crate::rel::Rel;
use spec::{Expr, NodeId};

impl Lowering<'_> {
    pub(crate) fn map(&mut self, exprs: &[Expr], id: NodeId) -> Result<Rel> {
        let input = self.input(id, 0)?;
        let mut rel = self.lower(input)?;
        // What is above LIMIT is another query.
        if rel.branches.iter().any(|b| b.limit.is_some()) {
            rel = Rel::one(self.flat(rel, input)?);
        }
        for branch in &mut rel.branches {
            let printer = self.printer(&branch.cols);
            let demand = &self.demand[id.index()];
            let cols = exprs
                .iter()
                .enumerate()
                .map(|(i, e)| demand.contains(&i).then(|| printer.scalar(e)).transpose())
                .collect::<Result<_>>()?;
            branch.cols = cols;
        }
        Ok(rel)
    }
}
