//! Outer joins: `Left`, with the sides changed about, or with what the other side has alone.
//!
//! ```text
//! a RIGHT JOIN b ON θ     Map (Left(θ)(b, a))
//! a FULL JOIN b ON θ      Left(θ)(a, b) ⊎ pad(Anti(θ)(b, a))
//! ```
//!
//! and of one of which something reads what stands to the left of it, these two are LATERAL items.
//!
//! A LEFT JOIN of which something reads what stands to the left of it is one of all of that: for each
//! pair of rows of a and b, `a, (b LEFT JOIN c ON θ(a)) = (a, b) LEFT JOIN c ON θ(a)`.

use super::lateral::LateralItem;
use super::on::derived;
use super::{LowerError, Lowering, Product, split};
use crate::bind::query::{From, JoinKind, Reads, Subquery, SubqueryKind};
use spec::expr::ExprKind;
use spec::types::{SqlType, oids};
use spec::{Expr, NodeId, Op};
use std::convert::Infallible;

impl Lowering<'_> {
    /// An outer join as an item of FROM.
    pub(super) fn outer_item(
        &mut self,
        kind: JoinKind,
        a: &From,
        b: &From,
        condition: Option<&Expr>,
        start: usize,
        left: &mut Product,
    ) -> Result<(), LowerError> {
        let middle = start + a.types().len();
        let reads_before = |at: usize, e: &Expr| e.columns().first().is_some_and(|c| *c < at);
        let outside = reads_left(a, start)
            || reads_left(b, start)
            || condition.is_some_and(|c| reads_before(start, c));
        let lateral = reads_left(b, middle) || matches!(b, From::Functions { .. });
        if kind == JoinKind::Right && outside {
            return self.turned_item(a, b, condition, start, left);
        }
        if kind == JoinKind::Full && outside {
            return self.full_item(a, b, condition, start, left);
        }
        if kind != JoinKind::Left || !(outside || lateral) {
            let join = self.outer_join(kind, a, b, condition, start)?;
            left.inputs.push(join);
            return Ok(());
        }
        self.from(a, start, left)?;
        let mut on = vec![];
        if let Some(condition) = condition {
            split(condition, &mut on);
        }
        let functions = match b {
            From::Functions {
                functions,
                ordinality,
                span,
                ..
            } => Some((functions, *ordinality, *span)),
            _ => None,
        };
        let item = match b {
            From::Lateral {
                query,
                parameters,
                span,
                ..
            } => LateralItem {
                query: query.clone(),
                parameters: parameters.clone(),
                span: *span,
            },
            b => LateralItem::of(b, middle),
        };
        let y = match lateral {
            true => None,
            false => Some(self.side(b, middle)?),
        };
        self.beside_left(middle, left, |lowering, x, base| {
            let on: Vec<Expr> = on.iter().map(|c| c.remap(&mut |c| c - base)).collect();
            match (functions, y) {
                (Some((functions, ordinality, span)), _) => {
                    lowering.outer_functions(x, functions, ordinality, span, base, on)
                }
                (None, Some(y)) => lowering.add(Op::Left(on), vec![x, y], None),
                (None, None) => lowering.lateral(x, &item.over(base), Some(on)),
            }
        })
    }

    /// `a FULL JOIN b`, where something reads what stands to the left of it, beside that.
    fn full_item(
        &mut self,
        a: &From,
        b: &From,
        condition: Option<&Expr>,
        start: usize,
        left: &mut Product,
    ) -> Result<(), LowerError> {
        let (of_a, of_b) = (a.types(), b.types());
        let join = From::Join {
            kind: JoinKind::Left,
            left: Box::new(a.clone()),
            right: Box::new(b.clone()),
            condition: condition.cloned(),
        };
        let all = Expr::of_columns(&join.types(), start).collect();
        let joined = derived(join, start, None, all, &[]);
        let turn = turn(start, of_a.len(), of_b.len());
        let behind = start + of_b.len();
        let partner = derived(turned(a, &turn), behind, condition.map(&turn), vec![], &[]);
        let partner = Subquery {
            kind: SubqueryKind::Exists,
            ..LateralItem::taken(partner).over(0)
        };
        let bool = SqlType::new(oids::BOOL);
        let alone = Expr::new(ExprKind::Not(Reads::Subquery(0).expr(bool)), bool);
        let padded = of_a.iter().map(|c| Expr::null(c.ty));
        let padded = padded.chain(Expr::of_columns(&of_b, start)).collect();
        let alone = derived(turned(b, &turn), start, Some(alone), padded, &[partner]);
        self.beside_left(start, left, |lowering, x, base| {
            let mut sum = vec![];
            for item in [joined, alone] {
                let item = LateralItem::taken(item).over(base);
                sum.push(lowering.lateral(x, &item, None)?);
            }
            lowering.add(Op::Plus, sum, None)
        })
    }

    /// `a RIGHT JOIN b` as `b LEFT JOIN a`, where something reads what stands to the left of it.
    fn turned_item(
        &mut self,
        a: &From,
        b: &From,
        condition: Option<&Expr>,
        start: usize,
        left: &mut Product,
    ) -> Result<(), LowerError> {
        let (n, m) = (a.types().len(), b.types().len());
        let turn = turn(start, n, m);
        let (x, y) = (turned(b, &turn), turned(a, &turn));
        let condition = condition.map(turn);
        // Conditions of other items count the columns as they stood.
        let others = (
            std::mem::take(&mut left.conjuncts),
            std::mem::take(&mut left.wanted),
        );
        self.outer_item(JoinKind::Left, &x, &y, condition.as_ref(), start, left)?;
        self.beside_left(start + n + m, left, |lowering, node, base| {
            let types = lowering.circuit.schema(node).to_vec();
            let at = start - base;
            let before = Expr::of_columns(&types[..at], 0);
            let of_a = Expr::of_columns(&types[at + m..], at + m);
            let of_b = Expr::of_columns(&types[at..at + m], at);
            let columns = before.chain(of_a).chain(of_b).collect();
            lowering.add(Op::Map(columns), vec![node], None)
        })?;
        (left.conjuncts, left.wanted) = others;
        Ok(())
    }

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
        let mut product = Product::from(start);
        self.from(from, start, &mut product)?;
        let (inputs, conjuncts) = product.finish();
        let local = conjuncts.iter().map(|c| c.remap(&mut |c| c - start));
        self.inner_join(inputs, local.collect())
    }
}

/// For the sides of a join, of n and m columns from `start`, the other way round.
pub(super) fn turn(start: usize, n: usize, m: usize) -> impl Fn(&Expr) -> Expr {
    move |e| {
        e.remap(&mut |c| match Reads::of(c) {
            Reads::Column(at) if at >= start + n + m => at,
            Reads::Column(at) if at >= start + n => at - n,
            Reads::Column(at) if at >= start => at + m,
            _ => c,
        })
    }
}

/// An item of FROM over other columns.
pub(super) fn turned(from: &From, turn: impl Fn(&Expr) -> Expr) -> From {
    let mut from = from.clone();
    let Ok(()) = from.map(&mut |e| -> Result<Expr, Infallible> { Ok(turn(e)) });
    from
}

/// Does anything in an item of FROM read columns before this one?
fn reads_left(from: &From, start: usize) -> bool {
    let mut found = false;
    from.visit(&mut |e| {
        let columns = e.columns();
        found |= columns
            .iter()
            .any(|c| matches!(Reads::of(*c), Reads::Column(at) if at < start));
    });
    found
}
