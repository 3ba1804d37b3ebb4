//! `Filter`: WHERE, or HAVING above an aggregate. Linear, so it is printed into every branch of
//! its input, where the planner can use it with an index.

use crate::error::Result;
use crate::lower::Lowering;
use crate::rel::Rel;
use spec::{Expr, NodeId};

impl Lowering<'_> {
    pub(crate) fn filter(&mut self, predicate: &Expr, id: NodeId) -> Result<Rel> {
        let input = self.input(id, 0)?;
        let mut rel = self.lower(input)?;
        if rel.branches.iter().any(|b| b.limit.is_some()) {
            rel = Rel::one(self.flat(rel, input)?);
        }
        for branch in &mut rel.branches {
            let conjuncts = self.printer(&branch.cols).conjuncts(predicate)?;
            match branch.group_by {
                None => branch.filter.extend(conjuncts),
                Some(_) => branch.having.extend(conjuncts),
            }
        }
        Ok(rel)
    }
}
