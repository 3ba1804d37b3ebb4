//! Outer joins: `Left`, with the sides changed about, or with what the other side has alone.
//!
//! ```text
//! a RIGHT JOIN b ON θ     Map (Left(θ)(b, a))
//! a FULL JOIN b ON θ      Left(θ)(a, b) ⊎ pad(Anti(θ)(b, a))
//! ```

use super::{LowerError, Lowering, split};
use crate::bind::query::{From, JoinKind};
use spec::{Expr, NodeId, Op};

impl Lowering<'_> {
    /// `start` columns of FROM stand before this join.
    pub(super) fn outer_join(
        &mut self,
        kind: JoinKind,
        left: &From,
        right: &From,
        condition: Option<&Expr>,
        start: usize,
    ) -> Result<NodeId, LowerError> {
        let x = self.side(left, start)?;
        let n = self.circuit.schema(x).len();
        let y = self.side(right, start + n)?;
        let m = self.circuit.schema(y).len();
        let mut on = vec![];
        if let Some(condition) = condition {
            split(condition, &mut on);
        }
        let on: Vec<Expr> = on.iter().map(|c| c.remap(&mut |c| c - start)).collect();
        // Over the columns of y, then of x.
        let turned: Vec<Expr> = on
            .iter()
            .map(|c| c.remap(&mut |c| if c < n { c + m } else { c - n }))
            .collect();
        let types = |node: NodeId| self.circuit.schema(node).to_vec();
        let (of_x, of_y) = (types(x), types(y));
        match kind {
            JoinKind::Inner => self.add(Op::Join(on), vec![x, y], None),
            JoinKind::Left => self.add(Op::Left(on), vec![x, y], None),
            JoinKind::Right => {
                let join = self.add(Op::Left(turned), vec![y, x], None)?;
                let columns = Expr::of_columns(&of_x, m)
                    .chain(Expr::of_columns(&of_y, 0))
                    .collect();
                self.add(Op::Map(columns), vec![join], None)
            }
            JoinKind::Full => {
                let join = self.add(Op::Left(on), vec![x, y], None)?;
                let alone = self.add(Op::Anti(turned), vec![y, x], None)?;
                let nulls = of_x.iter().map(|t| Expr::null(t.ty));
                let padded = nulls.chain(Expr::of_columns(&of_y, 0)).collect();
                let alone = self.add(Op::Map(padded), vec![alone], None)?;
                self.add(Op::Plus, vec![join, alone], None)
            }
        }
    }

    /// One side, as one collection.
    fn side(&mut self, from: &From, start: usize) -> Result<NodeId, LowerError> {
        let (mut inputs, mut conjuncts) = (vec![], vec![]);
        self.from(from, start, &mut inputs, &mut conjuncts)?;
        let local = conjuncts.iter().map(|c| c.remap(&mut |c| c - start));
        self.inner_join(inputs, local.collect())
    }
}
