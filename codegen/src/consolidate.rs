//! `Consolidate`: GROUP BY all columns, HAVING a sum of weights other than 0.
//!
//! Rows are one if their images are one. Where equal values have equal images, GROUP BY says just
//! that; other columns are grouped by their binary send form, and any member shows them.

use crate::error::Result;
use crate::expr::Scalar;
use crate::lower::Lowering;
use crate::rel::{Branch, Rel, Weight};
use crate::sql::Sql;
use crate::sql::types::TypeName;
use spec::catalog::Catalog;
use spec::op::Op;
use spec::types::SqlType;
use spec::{Expr, NodeId};

impl Lowering<'_> {
    pub(crate) fn consolidate(&mut self, id: NodeId) -> Result<Rel> {
        let input = self.input(id, 0)?;
        if self.is_consolidated(input) {
            return self.lower(input);
        }
        let branch = self.lower_flat(input)?;
        Ok(Rel::one(consolidated(branch, self.catalog)))
    }

    /// Is every row there once, and of weight other than 0, by the form alone?
    pub(crate) fn is_consolidated(&self, id: NodeId) -> bool {
        match self.circuit.op(id) {
            Op::Consolidate | Op::Positive | Op::AggregateStep(_) => true,
            Op::Closure(c) => c.distinct,
            // A map that keeps every column keeps rows apart.
            Op::Map(exprs) => {
                let inputs = self.circuit.inputs(id);
                let kept: Vec<usize> = exprs.iter().filter_map(Expr::as_column).collect();
                inputs.iter().all(|i| {
                    let mut arity = 0..self.circuit.schema(*i).len();
                    arity.all(|c| kept.contains(&c)) && self.is_consolidated(*i)
                })
            }
            Op::Filter(_) | Op::Repeat(_) | Op::Neg => {
                let inputs = self.circuit.inputs(id);
                inputs.iter().all(|i| self.is_consolidated(*i))
            }
            _ => false,
        }
    }
}

/// Consolidates a flat branch.
pub(crate) fn consolidated(mut branch: Branch, catalog: &Catalog) -> Branch {
    let images = |c: &Scalar| catalog.image_equality(c.ty);
    let cols = || branch.cols.iter().flatten();
    let mut keys: Vec<Sql> = cols()
        .filter(|c| images(c))
        .map(|c| c.sql.clone())
        .collect();
    let others: Vec<Sql> = cols()
        .filter(|c| !images(c))
        .map(|c| c.sql.clone())
        .collect();
    if !others.is_empty() {
        keys.push(Sql::call("record_send", vec![Sql::Row(others)]));
    }
    for col in branch.cols.iter_mut().flatten() {
        if !images(col) {
            *col = Scalar {
                sql: Sql::aggregate("any_value", vec![col.sql.clone()], None),
                ty: SqlType {
                    typmod: -1,
                    ..col.ty
                },
                ..col.clone()
            };
        }
    }
    let constant = branch.weight.factors.is_empty();
    let total = match constant {
        true => Sql::aggregate("count", vec![], None),
        false => Sql::aggregate("sum", vec![branch.weight.sql()], None),
    };
    // A sum of equal signs is not 0, except over nothing.
    if !constant || keys.is_empty() {
        let zero = match constant {
            true => Sql::int8(0),
            false => Sql::zero_weight(),
        };
        branch.having = vec![Sql::op("<>", total.clone(), zero)];
    }
    branch.weight = Weight {
        negative: constant && branch.weight.negative,
        factors: vec![match constant {
            true => total,
            false => total.cast(TypeName::bigint()),
        }],
    };
    branch.group_by = Some(keys);
    branch
}
