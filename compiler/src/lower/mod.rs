//! Bound query to circuit.
//!
//! Each clause is one operator, from the inside out:
//!
//! ```text
//! FROM a, b JOIN c ON θ WHERE φ      Join(θ, φ)(a, b, c)
//! a LEFT JOIN b ON θ                 Left(θ)(a, b)           (see `outer_join.rs`)
//! GROUP BY k, aggregates             Map; Aggregate; Map      (see `aggregate.rs`)
//! GROUPING SETS                      Plus of one Aggregate each   (see `grouping_sets.rs`)
//! HAVING ψ                           Filter(ψ)
//! SELECT e                           Map(e)
//! DISTINCT                           Distinct
//! UNION, INTERSECT, EXCEPT           Plus, and counts of it    (see `set_operation.rs`)
//! VALUES                             Constant
//! ```
//!
//! Nothing is pushed anywhere: where a filter or a projection sits best is a choice, and choices
//! are the e-graph's. Equal sub-queries become one node, since circuits are hash-consed.

mod aggregate;
mod digits;
mod distinct;
mod grouping_sets;
mod outer_join;
mod scale;
mod set_operation;

use crate::bind::query::{Body, From, JoinKind, Query, Select};
use spec::catalog::Catalog;
use spec::circuit::IllTyped;
use spec::expr::ExprKind;
use spec::op::{Constant, Source};
use spec::types::{SqlType, oids};
use spec::{Circuit, ColType, Expr, NodeId, Op, Span};
use std::collections::HashMap;
use std::sync::Arc;

/// A bound query that has no circuit. Neither happens to a query without reported constructs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LowerError {
    #[error(transparent)]
    IllTyped(#[from] IllTyped),
    #[error("{0} has no circuit")]
    NotIncremental(String),
}

/// The circuit of a query, and its root.
pub fn lower(query: &Query, catalog: &Catalog) -> Result<(Circuit, NodeId), LowerError> {
    let mut lowering = Lowering {
        catalog,
        circuit: Circuit::new(),
        shared: HashMap::new(),
    };
    let root = lowering.query(query)?;
    Ok((lowering.circuit, root))
}

struct Lowering<'a> {
    catalog: &'a Catalog,
    circuit: Circuit,
    /// Queries that several others read (WITH, views): lowered once.
    shared: HashMap<*const Query, NodeId>,
}

impl Lowering<'_> {
    fn add(
        &mut self,
        op: Op,
        inputs: Vec<NodeId>,
        span: Option<Span>,
    ) -> Result<NodeId, LowerError> {
        Ok(self.circuit.add(op, inputs, span)?)
    }

    fn shared(&mut self, query: &Arc<Query>) -> Result<NodeId, LowerError> {
        if let Some(node) = self.shared.get(&Arc::as_ptr(query)) {
            return Ok(*node);
        }
        let node = self.query(query)?;
        self.shared.insert(Arc::as_ptr(query), node);
        Ok(node)
    }

    fn query(&mut self, query: &Query) -> Result<NodeId, LowerError> {
        match &query.body {
            Body::Select(select) => self.select(select),
            Body::SetOperation {
                operator,
                all,
                branches,
            } => self.set_operation(*operator, *all, branches),
            Body::Values(rows) => {
                let constant = Constant {
                    types: query.types(),
                    rows: rows.clone(),
                };
                self.add(Op::Constant(constant), vec![], None)
            }
            Body::Opaque { what, .. } => Err(LowerError::NotIncremental(what.clone())),
        }
    }

    /// `Map`, unless it would change nothing.
    fn project(
        &mut self,
        input: NodeId,
        outputs: &[Expr],
        span: Option<Span>,
    ) -> Result<NodeId, LowerError> {
        if is_identity(outputs, self.circuit.schema(input)) {
            return Ok(input);
        }
        self.add(Op::Map(outputs.to_vec()), vec![input], span)
    }

    fn select(&mut self, select: &Select) -> Result<NodeId, LowerError> {
        let mut node = self.rows(select)?;
        let mut outputs = select.outputs.clone();
        let mut having = select.having.clone();
        if let Some(grouping) = select.grouping.as_ref().filter(|g| !g.sets.is_empty()) {
            node = self.grouping_sets(node, grouping)?;
        } else if let Some(grouping) = &select.grouping {
            let grouped = self.grouping(node, grouping)?;
            node = grouped.node;
            outputs = outputs.iter().map(|e| grouped.above(e)).collect();
            having = having.map(|e| grouped.above(&e));
        }
        if let Some(having) = having {
            node = self.add(Op::Filter(having), vec![node], None)?;
        }
        node = self.project(node, &outputs, None)?;
        if select.distinct {
            node = self.add(Op::Distinct, vec![node], None)?;
        }
        Ok(node)
    }

    /// FROM and WHERE.
    fn rows(&mut self, select: &Select) -> Result<NodeId, LowerError> {
        let mut inputs = vec![];
        let mut conjuncts = vec![];
        if let Some(from) = &select.from {
            self.from(from, 0, &mut inputs, &mut conjuncts)?;
        }
        if let Some(filter) = &select.filter {
            split(filter, &mut conjuncts);
        }
        if inputs.is_empty() {
            let one_row = Constant {
                types: vec![],
                rows: vec![vec![]],
            };
            inputs.push(self.add(Op::Constant(one_row), vec![], None)?);
        }
        self.inner_join(inputs, conjuncts)
    }

    fn inner_join(
        &mut self,
        inputs: Vec<NodeId>,
        conjuncts: Vec<Expr>,
    ) -> Result<NodeId, LowerError> {
        match inputs.as_slice() {
            [one] if conjuncts.is_empty() => Ok(*one),
            [one] => {
                let one = *one;
                self.add(Op::Filter(conjoin(conjuncts)), vec![one], None)
            }
            _ => self.add(Op::Join(conjuncts), inputs, None),
        }
    }

    /// The inputs of an inner join from left to right, and its conditions. Columns are counted over
    /// all of FROM, of which `start` stand before this item, so that flattening renumbers nothing.
    fn from(
        &mut self,
        from: &From,
        start: usize,
        inputs: &mut Vec<NodeId>,
        conjuncts: &mut Vec<Expr>,
    ) -> Result<(), LowerError> {
        match from {
            From::Table(table) => {
                let source = Source {
                    relation: table.relation,
                    attnums: table.attnums.clone(),
                    types: table.types.clone(),
                };
                inputs.push(self.add(Op::Source(source), vec![], table.span)?);
            }
            From::Query { query, .. } => inputs.push(self.shared(query)?),
            From::Join {
                kind: JoinKind::Inner,
                left,
                right,
                condition,
            } => {
                self.from(left, start, inputs, conjuncts)?;
                self.from(right, start + left.types().len(), inputs, conjuncts)?;
                if let Some(condition) = condition {
                    split(condition, conjuncts);
                }
            }
            From::Join {
                kind,
                left,
                right,
                condition,
            } => inputs.push(self.outer_join(*kind, left, right, condition.as_ref(), start)?),
            From::Opaque { what, .. } => return Err(LowerError::NotIncremental(what.clone())),
        }
        Ok(())
    }
}

/// The conjuncts of a condition, each once; TRUE is none.
fn split(condition: &Expr, conjuncts: &mut Vec<Expr>) {
    match condition.kind() {
        ExprKind::And(args) => {
            for arg in args {
                split(arg, conjuncts);
            }
        }
        ExprKind::Const(Some(value)) if matches!(value.as_ref(), "t" | "true") => {}
        _ if conjuncts.contains(condition) => {}
        _ => conjuncts.push(condition.clone()),
    }
}

fn conjoin(mut conjuncts: Vec<Expr>) -> Expr {
    match conjuncts.len() {
        1 => conjuncts.swap_remove(0),
        _ => Expr::new(ExprKind::And(conjuncts), SqlType::new(oids::BOOL)),
    }
}

fn is_identity(outputs: &[Expr], input: &[ColType]) -> bool {
    outputs.len() == input.len()
        && outputs
            .iter()
            .zip(input)
            .enumerate()
            .all(|(i, (e, c))| e.as_column() == Some(i) && e.ty() == c.ty)
}
