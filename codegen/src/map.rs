//! `Map`: the SELECT list. Linear, so it is printed into every branch of its input.

use crate::error::Result;
use crate::expr::has_query;
use crate::lower::Lowering;
use crate::rel::{Branch, Rel};
use spec::{Expr, NodeId};

impl Lowering<'_> {
    pub(crate) fn map(&mut self, exprs: &[Expr], id: NodeId) -> Result<Rel> {
        let input = self.input(id, 0)?;
        let rel = self.lower(input)?;
        let demand = self.demand[id.index()].clone();
        let read = exprs.iter().enumerate().filter(|(i, _)| demand.contains(i));
        let mut rel = self.there_to_show(rel, input, read.map(|(_, e)| e))?;
        // What is above LIMIT is another query; so is what has one in it, above aggregates.
        let queries = exprs.iter().any(has_query);
        let apart = |b: &Branch| b.limit.is_some() || queries && b.group_by.is_some();
        if rel.branches.iter().any(apart) {
            rel = Rel::one(self.flat(rel, input)?);
        }
        for branch in &mut rel.branches {
            let printer = self.printer(&branch.cols);
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
