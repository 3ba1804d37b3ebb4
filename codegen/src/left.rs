//! `Left`: LEFT JOIN, of whole queries. In delta programs it is the sum of its two parts.

use crate::error::{CodegenError, Result};
use crate::expr::Scalar;
use crate::lower::Lowering;
use crate::rel::{Branch, Rel};
use crate::sql::{FromItem, Sql};
use spec::{Expr, NodeId};

impl Lowering<'_> {
    pub(crate) fn left(&mut self, on: &[Expr], id: NodeId) -> Result<Rel> {
        let (x, y) = (self.input(id, 0)?, self.input(id, 1)?);
        // In a query of its own, no weight is negative.
        let rel = self.lower(x)?;
        let rel = self.copied(rel, x)?;
        let rel = self.flat_branches(rel, x)?;
        let mut branches = vec![];
        for mut branch in rel.branches {
            if branch.from.len() != 1 {
                let columns = self.column_names(x);
                branch = self.enclose(Rel::one(branch), x, &columns)?;
            }
            branches.push(self.left_join(on, branch, y)?);
        }
        Ok(Rel { branches })
    }

    fn left_join(&mut self, on: &[Expr], mut branch: Branch, y: NodeId) -> Result<Branch> {
        let right = self.lower(y)?;
        let right = self.copied(right, y)?;
        if !right.is_plain() || !branch.weight.is_one() {
            return Err(CodegenError::Plan("a left join of changes".into()));
        }
        // What has no match shows NULL for whatever y shows: only columns can.
        let column = |c: &Option<Scalar>| match c {
            Some(c) => matches!(c.sql, Sql::Column(..)),
            None => true,
        };
        let mut right = match right.branches.as_slice() {
            [one]
                if one.is_flat()
                    && one.from.len() == 1
                    && one.filter.is_empty()
                    && one.cols.iter().all(column) =>
            {
                one.clone()
            }
            _ => {
                let columns = self.column_names(y);
                self.enclose(right, y, &columns)?
            }
        };
        right.cols.resize(self.circuit.schema(y).len(), None);
        let cols: Vec<Option<Scalar>> = branch.cols.iter().chain(&right.cols).cloned().collect();
        let on = self.conjuncts(on, &cols)?;
        let one = |from: &mut Vec<FromItem>| {
            from.pop()
                .ok_or_else(|| CodegenError::Plan("a left join of nothing".into()))
        };
        let item = FromItem::LeftJoin {
            left: Box::new(one(&mut branch.from)?),
            right: Box::new(one(&mut right.from)?),
            on,
        };
        branch.from = vec![item];
        let padded = right.cols.into_iter().map(|c| {
            c.map(|c| Scalar {
                nullable: true,
                ..c
            })
        });
        branch.cols.extend(padded);
        Ok(branch)
    }
}
