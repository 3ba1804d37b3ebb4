//! Set operations: sums of both sides, and what is left of them.
//!
//! ```text
//! a UNION ALL b         Plus(a, b)
//! a UNION b             Distinct(Plus(a, b))
//!
//! γ = Aggregate(all columns; n = count(*), l = count(*) FILTER (left)) of
//!     Plus((a, left = true), (b, left = false)): every row, and how often it is on either side
//!
//! a INTERSECT b         Filter(l > 0 AND l < n)(γ)
//! a EXCEPT b            Filter(l > 0 AND l = n)(γ)
//! a INTERSECT ALL b     Repeat(least(l, n - l))(γ)
//! a EXCEPT ALL b        Repeat(l - (n - l))(γ)
//! ```
//!
//! Both multiplicities stand in one row of one stored state, which folds. NULLs are equal, as in any
//! grouping. An operand whose duplicates do not matter is left without its own UNION or DISTINCT.

use super::{LowerError, Lowering, conjoin, is_identity};
use crate::bind::query::{Body, Branch, Query, Select, SetOperator};
use crate::rewrite::rules::distinct::count_rows;
use spec::expr::ExprKind;
use spec::op::{AggCall, Aggregate};
use spec::types::{SqlType, oids};
use spec::{Expr, NodeId, Oid, Op};

const INT8: SqlType = SqlType::new(oids::INT8);
const BOOL: SqlType = SqlType::new(oids::BOOL);

impl Lowering<'_> {
    pub(super) fn set_operation(
        &mut self,
        operator: SetOperator,
        all: bool,
        branches: &[Branch; 2],
    ) -> Result<NodeId, LowerError> {
        if operator == SetOperator::Union {
            let mut inputs = vec![];
            for branch in branches {
                self.summands(branch, all, &mut inputs)?;
            }
            let sum = self.add(Op::Plus, inputs, None)?;
            return match all {
                true => Ok(sum),
                false => self.add(Op::Distinct, vec![sum], None),
            };
        }
        let mut tagged = vec![];
        for (branch, left) in branches.iter().zip(["t", "f"]) {
            let mut inputs = vec![];
            self.summands(branch, all, &mut inputs)?;
            for input in inputs {
                let types = self.circuit.schema(input);
                let mut exprs: Vec<Expr> = Expr::of_columns(types, 0).collect();
                exprs.push(Expr::literal(left, BOOL));
                tagged.push(self.add(Op::Map(exprs), vec![input], None)?);
            }
        }
        let both = self.add(Op::Plus, tagged, None)?;
        let width = self.circuit.schema(both).len() - 1;
        let of_left = AggCall {
            filter: Some(Expr::column(width, BOOL)),
            ..count_rows()
        };
        let counts = Aggregate {
            keys: (0..width).collect(),
            aggs: vec![count_rows(), of_left],
        };
        let counted = self.add(Op::Aggregate(counts), vec![both], None)?;
        let n = Expr::column(width, INT8);
        let l = Expr::column(width + 1, INT8);
        let kept = match (operator, all) {
            (SetOperator::Except, true) => {
                let right = self.of_counts("-", n, l.clone())?;
                Op::Repeat(self.of_counts("-", l, right)?)
            }
            (_, true) => {
                let right = self.of_counts("-", n, l.clone())?;
                let least = ExprKind::MinMax {
                    greatest: false,
                    args: vec![l, right],
                    collation: Oid::INVALID,
                };
                Op::Repeat(Expr::new(least, INT8))
            }
            (operator, false) => {
                let name = match operator {
                    SetOperator::Except => "=",
                    _ => "<",
                };
                let there = self.of_counts(">", l.clone(), Expr::literal("0", INT8))?;
                let and = self.of_counts(name, l, n)?;
                Op::Filter(conjoin(vec![there, and]))
            }
        };
        let kept = self.add(kept, vec![counted], None)?;
        let shown = &self.circuit.schema(kept)[..width];
        let shown: Vec<Expr> = Expr::of_columns(shown, 0).collect();
        self.project(kept, &shown, None)
    }

    /// What a branch is the sum of: the branches of UNION ALLs in it and, where duplicates do not
    /// matter, of UNIONs.
    fn summands(
        &mut self,
        branch: &Branch,
        all: bool,
        inputs: &mut Vec<NodeId>,
    ) -> Result<(), LowerError> {
        // Of equal values that look different, DISTINCT below an expression chooses.
        if is_identity(&branch.outputs, &branch.query.types()) {
            match &branch.query.body {
                Body::SetOperation {
                    operator: SetOperator::Union,
                    all: inner,
                    branches,
                } if *inner || !all => {
                    for branch in branches {
                        self.summands(branch, all, inputs)?;
                    }
                    return Ok(());
                }
                Body::Select(select) if select.distinct && select.top.is_none() && !all => {
                    let select = Select {
                        distinct: false,
                        ..Select::clone(select)
                    };
                    let query = Query {
                        columns: branch.query.columns.clone(),
                        body: Body::Select(Box::new(select)),
                    };
                    inputs.push(self.query(&query)?);
                    return Ok(());
                }
                _ => {}
            }
        }
        let node = self.shared(&branch.query)?;
        inputs.push(self.project(node, &branch.outputs, None)?);
        Ok(())
    }

    /// An operator of two counts.
    fn of_counts(&self, name: &str, a: Expr, b: Expr) -> Result<Expr, LowerError> {
        let operator = self
            .catalog
            .operator_exact(Some("pg_catalog"), name, oids::INT8, oids::INT8)
            .ok_or_else(|| LowerError::NotIncremental(format!("operator {name}")))?;
        let kind = ExprKind::Operator {
            operator: operator.oid,
            function: operator.function,
            args: vec![a, b],
            collation: Oid::INVALID,
        };
        Ok(Expr::new(kind, SqlType::new(operator.result)))
    }
}
