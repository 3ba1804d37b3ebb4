//! `Filter`: WHERE, or HAVING above an aggregate. Linear, so it is printed into every branch of
//! its input, where the planner can use it with an index.

use crate::error::Result;
use crate::expr::has_query;
use crate::lower::Lowering;
use crate::rel::{Branch, Rel};
use spec::{Expr, NodeId};

impl Lowering<'_> {
    pub(crate) fn filter(&mut self, predicate: &Expr, id: NodeId) -> Result<Rel> {
        let input = self.input(id, 0)?;
        let rel = self.lower(input)?;
        let mut rel = self.there(rel, input, [predicate])?;
        let queries = has_query(predicate);
        let apart = |b: &Branch| b.limit.is_some() || queries && b.group_by.is_some();
        if rel.branches.iter().any(apart) {
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
