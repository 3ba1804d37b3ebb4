//! Expressions that may raise an error, above rows that are not there.
//!
//! Programs pair rows that no query pairs: the halves of a LEFT JOIN, of which the second has NULL
//! for the columns of y, and changes that cancel out. The operators evaluate nothing on them that may
//! raise an error. The planner would: it takes conditions into the branches of a UNION ALL and below
//! GROUP BY, and computes what is constant there while it plans. So there is a fence between.
//!
//! ```sql
//! SELECT … FROM (SELECT … UNION ALL SELECT …, NULL AS n FROM … WHERE NOT EXISTS (…) OFFSET 0) AS b
//! WHERE 1 / COALESCE(b.n, 0) > 2
//! ```

use crate::error::Result;
use crate::lower::Lowering;
use crate::rel::{Branch, Rel};
use spec::raising::error_free;
use spec::{Expr, NodeId, Op};
use std::collections::HashMap;

impl Lowering<'_> {
    /// What `rel`, the rows of a node, is to be where conditions and calls of these expressions are put
    /// into its branches.
    pub(crate) fn there<'e>(
        &mut self,
        rel: Rel,
        id: NodeId,
        exprs: impl IntoIterator<Item = &'e Expr>,
    ) -> Result<Rel> {
        let exprs: Vec<&Expr> = exprs.into_iter().collect();
        let raises = exprs.iter().any(|e| !error_free(e, self.catalog));
        let apart = raises && rel.branches.iter().any(is_sum) || self.meets_padding(&exprs, id);
        match apart || rel.branches.iter().any(|b| b.fence) {
            true => Ok(Rel::one(self.fenced(rel, id)?)),
            false => Ok(rel),
        }
    }

    /// What it is to be where these expressions are shown.
    pub(crate) fn there_to_show<'e>(
        &mut self,
        mut rel: Rel,
        id: NodeId,
        exprs: impl IntoIterator<Item = &'e Expr>,
    ) -> Result<Rel> {
        let exprs: Vec<&Expr> = exprs.into_iter().collect();
        if self.meets_padding(&exprs, id) {
            return Ok(Rel::one(self.fenced(rel, id)?));
        }
        // A SELECT list is computed after GROUP BY; only conditions on it could go below.
        if exprs.iter().any(|e| !error_free(e, self.catalog)) {
            let sums = rel.branches.iter_mut().filter(|b| is_sum(b));
            sums.for_each(|b| b.fence = true);
        }
        Ok(rel)
    }

    /// May one of them raise an error, and does it read a column that is NULL for want of a match?
    fn meets_padding(&self, exprs: &[&Expr], id: NodeId) -> bool {
        let mut raising = exprs.iter().filter(|e| !error_free(e, self.catalog));
        let Some(first) = raising.next() else {
            return false;
        };
        let padded = self.without_match(id, &mut HashMap::new());
        let reads = |c: &usize| padded.get(*c).copied().unwrap_or_default();
        let mut raising = std::iter::once(first).chain(raising);
        raising.any(|e| e.columns().iter().any(reads))
    }

    /// The columns of a node that are NULL for want of a match, in some of the branches that it is
    /// printed as.
    fn without_match(&self, id: NodeId, known: &mut HashMap<NodeId, Vec<bool>>) -> Vec<bool> {
        if let Some(known) = known.get(&id) {
            return known.clone();
        }
        let width = self.circuit.schema(id).len();
        let mut padded = vec![];
        if !self.has_let(id) {
            let inputs = self.circuit.inputs(id).to_vec();
            let mut of = |i: usize| match inputs.get(i) {
                Some(input) => self.without_match(*input, known),
                None => vec![],
            };
            match self.circuit.op(id) {
                Op::Map(exprs) => {
                    let below = of(0);
                    let reads = |c: &usize| below.get(*c).copied().unwrap_or_default();
                    let pads = |e: &Expr| is_null(e) || e.columns().iter().any(reads);
                    padded = exprs.iter().map(pads).collect();
                }
                Op::Plus => {
                    padded = vec![false; width];
                    for i in 0..inputs.len() {
                        let there = padded.iter_mut().zip(of(i));
                        there.for_each(|(padded, own)| *padded |= own);
                    }
                }
                Op::Join(_) => padded = (0..inputs.len()).flat_map(of).collect(),
                Op::Filter(_)
                | Op::Repeat(_)
                | Op::Neg
                | Op::New
                | Op::Semi(_)
                | Op::Anti(_)
                | Op::Probe(_)
                | Op::FlatMap(_) => padded = of(0),
                _ => {}
            }
        }
        padded.resize(width, false);
        known.insert(id, padded.clone());
        padded
    }
}

/// Are its rows sums of changes?
fn is_sum(b: &Branch) -> bool {
    !b.is_flat() && !b.weight.is_one()
}

fn is_null(e: &Expr) -> bool {
    matches!(e.kind(), spec::expr::ExprKind::Const(None))
}
