//! DISTINCT ON, LIMIT and OFFSET: the first rows in the order of ORDER BY.
//!
//! ```text
//! SELECT DISTINCT ON (k) e ORDER BY k, o           π(e) (TopK(k; o; 1) (π(e, k, o) x))
//! SELECT e ORDER BY o OFFSET m LIMIT n             π(e) (TopK(; o; m, n) (π(e, o) x))
//! ```
//!
//! and the second over the first where there are both. What is sorted by is put beside the outputs
//! where it is not among them; of rows without a type of their own, what they are made of. Of a subquery, all this is said for each value of its parameters, by
//! which TopK then groups, too.

use super::{LowerError, Lowering};
use crate::bind::query::{Limit, Top};
use spec::catalog::TypeKind;
use spec::op::{SortKey, TopK};
use spec::{Expr, NodeId, Op};

impl Top {
    pub(super) fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let sorted = self.order.iter().map(|k| &k.expr);
        self.per.iter().chain(&self.on).chain(sorted)
    }

    pub(super) fn map(&self, mut f: impl FnMut(&Expr) -> Expr) -> Top {
        let mut out = self.clone();
        for expr in out.per.iter_mut().chain(&mut out.on) {
            *expr = f(expr);
        }
        for SortKey { expr, .. } in &mut out.order {
            *expr = f(expr);
        }
        out
    }
}

impl Lowering<'_> {
    pub(super) fn distinct_if(
        &mut self,
        distinct: bool,
        node: NodeId,
    ) -> Result<NodeId, LowerError> {
        match distinct {
            true => self.add(Op::Distinct, vec![node], None),
            false => Ok(node),
        }
    }

    /// The outputs of the rows that come out. Under DISTINCT, all that is sorted by is among them.
    pub(super) fn top(
        &mut self,
        rows: NodeId,
        outputs: &[Expr],
        distinct: bool,
        top: &Top,
    ) -> Result<NodeId, LowerError> {
        let mut shown = outputs.to_vec();
        let placed = top.map(|e| {
            let mut column = |e: &Expr| {
                let known = shown.iter().position(|s| s == e);
                let at = known.unwrap_or_else(|| {
                    shown.push(e.clone());
                    shown.len() - 1
                });
                Expr::column(at, e.ty())
            };
            let ty = self.catalog.ty(e.ty().oid);
            match ty.is_some_and(|t| t.kind == TypeKind::Pseudo) {
                // No column can hold it.
                true => e.substitute(&mut |c, ty| column(&Expr::column(c, ty))),
                false => column(e),
            }
        });
        let node = self.project(rows, &shown, None)?;
        let mut node = self.distinct_if(distinct, node)?;
        let column = |e: &Expr| e.as_column().unwrap_or_default();
        let per: Vec<usize> = placed.per.iter().map(column).collect();
        let on: Vec<usize> = placed.on.iter().map(column).collect();
        if !on.is_empty() {
            let keys: Vec<usize> = per.iter().chain(&on).copied().collect();
            let order = placed.order.iter();
            let order = order.filter(|k| !keys.contains(&column(&k.expr)));
            let first = TopK {
                keys: distinct_of(&keys),
                order: order.cloned().collect(),
                offset: 0,
                limit: Some(1),
                with_ties: false,
                total: false,
            };
            node = self.add(Op::TopK(first), vec![node], None)?;
        }
        if let Some(Limit {
            offset,
            count,
            with_ties,
        }) = placed.limit
        {
            let first = TopK {
                keys: distinct_of(&per),
                order: placed.order.clone(),
                offset,
                limit: count,
                with_ties,
                total: false,
            };
            node = self.add(Op::TopK(first), vec![node], None)?;
        }
        if shown.len() > outputs.len() {
            let columns = outputs.iter().enumerate();
            let columns = columns.map(|(i, e)| Expr::column(i, e.ty())).collect();
            node = self.add(Op::Map(columns), vec![node], None)?;
        }
        Ok(node)
    }
}

fn distinct_of(columns: &[usize]) -> Vec<usize> {
    let mut out = vec![];
    for c in columns {
        if !out.contains(c) {
            out.push(*c);
        }
    }
    out
}
