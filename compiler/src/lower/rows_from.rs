//! Functions that make rows: `FlatMap`.
//!
//! ```text
//! FROM a, f(a.x)                        FlatMap(f)(a)
//! FROM a, f()                           Join(a, FlatMap(f)(one row))
//! FROM a LEFT JOIN f(a.x) ON θ          FlatMap(f, outer on θ)(a)
//! SELECT f(g(x)), h(x)                  FlatMap(f) (FlatMap(g, h) …)
//! ```
//!
//! What is no call of a function but stands in FROM like one (`CURRENT_DATE`, a cast) makes one row:
//! it is a column more.

use super::subquery::{Extended, if_then};
use super::{LowerError, Lowering, Product, conjoin};
use crate::bind::query::{Reads, SetCall, Subquery};
use spec::expr::ExprKind;
use spec::op::{FlatMap, SetFunction};
use spec::types::oids;
use spec::{Expr, NodeId, Op, Reason, ReasonCode, Span};
use std::sync::Arc;

/// Where the columns that a set-returning function made are.
#[derive(Clone)]
pub(super) struct Made {
    span: Option<Span>,
    first: usize,
    names: Vec<String>,
    composite: bool,
}

impl Made {
    /// The column of a value that is no row.
    pub(super) fn value(&self) -> Option<usize> {
        (!self.composite).then_some(self.first)
    }

    pub(super) fn field(&self, name: &str) -> Option<usize> {
        let at = self.names.iter().position(|n| n == name)?;
        self.composite.then_some(self.first + at)
    }
}

/// The function as it is called in FROM.
pub(super) fn set_function(call: &SetCall, over: impl Fn(&Expr) -> Expr) -> SetFunction {
    let names = call.columns.iter().map(|c| Arc::from(c.name.as_str()));
    SetFunction {
        call: over(&call.call),
        columns: call.columns.iter().map(|c| c.ty).collect(),
        definitions: match call.defined {
            true => names.collect(),
            false => vec![],
        },
    }
}

/// Is it printed as a function in FROM?
pub(super) fn is_function(call: &Expr) -> bool {
    match call.kind() {
        ExprKind::Call { .. } => true,
        ExprKind::Verbatim { .. } => call.ty().oid == oids::RECORD,
        _ => false,
    }
}

impl Lowering<'_> {
    /// Functions as an item of FROM.
    pub(super) fn functions(
        &mut self,
        functions: &[SetCall],
        ordinality: bool,
        span: Option<Span>,
        start: usize,
        left: &mut Product,
    ) -> Result<(), LowerError> {
        let make = |lowering: &mut Self, x: NodeId, base: usize| {
            let over = |e: &Expr| e.remap(&mut |c| c - base);
            if let [one] = functions
                && !is_function(&one.call)
            {
                let value = over(&one.call);
                return lowering.beside_value(x, value, span);
            }
            let functions = functions.iter().map(|f| set_function(f, over)).collect();
            let op = Op::FlatMap(FlatMap {
                functions,
                ordinality,
                outer: None,
            });
            lowering.add(op, vec![x], span)
        };
        if !functions.iter().all(|f| f.call.columns().is_empty()) {
            return self.beside_left(start, left, make);
        }
        let mut apart = Product::from(start);
        self.beside_left(start, &mut apart, make)?;
        left.inputs.append(&mut apart.inputs);
        Ok(())
    }

    /// The same on the right side of a LEFT JOIN with x.
    pub(super) fn outer_functions(
        &mut self,
        x: NodeId,
        functions: &[SetCall],
        ordinality: bool,
        span: Option<Span>,
        base: usize,
        on: Vec<Expr>,
    ) -> Result<NodeId, LowerError> {
        let over = |e: &Expr| e.remap(&mut |c| c - base);
        if let [one] = functions
            && !is_function(&one.call)
        {
            let width = self.circuit.schema(x).len();
            let value = over(&one.call);
            let there = on.iter().map(|c| {
                c.substitute(&mut |column, ty| match column == width {
                    true => value.clone(),
                    false => Expr::column(column, ty),
                })
            });
            let there: Vec<Expr> = there.collect();
            let value = match there.is_empty() {
                true => value.clone(),
                false => if_then(conjoin(there), value.clone()),
            };
            return self.beside_value(x, value, span);
        }
        let functions = functions.iter().map(|f| set_function(f, over)).collect();
        let op = Op::FlatMap(FlatMap {
            functions,
            ordinality,
            outer: Some(on),
        });
        self.add(op, vec![x], span)
    }

    fn beside_value(
        &mut self,
        x: NodeId,
        value: Expr,
        span: Option<Span>,
    ) -> Result<NodeId, LowerError> {
        let types = self.circuit.schema(x).to_vec();
        let outputs = Expr::of_columns(&types, 0).chain([value]).collect();
        self.add(Op::Map(outputs), vec![x], span)
    }

    /// Makes the rows of set-returning functions: those of one depth of nesting beside each other,
    /// the innermost first.
    pub(super) fn make_sets(
        &mut self,
        ext: &mut Extended,
        sets: &[SetCall],
        subqueries: &[Subquery],
    ) -> Result<(), LowerError> {
        let mut depths: Vec<usize> = vec![];
        for set in sets {
            let columns = set.call.columns();
            let below = columns.iter().filter_map(|c| match Reads::of(*c) {
                Reads::Set(at) => depths.get(at).copied(),
                _ => None,
            });
            depths.push(1 + below.max().unwrap_or(0));
        }
        // Nothing reads those that are not made yet.
        ext.sets = sets.iter().map(|_| Made::nothing()).collect();
        for depth in 1..=depths.iter().max().copied().unwrap_or(0) {
            let here: Vec<usize> = (0..sets.len()).filter(|i| depths[*i] == depth).collect();
            for at in &here {
                self.evaluate(ext, &sets[*at].call, subqueries)?;
            }
            let mut first = self.circuit.schema(ext.node).len();
            let mut functions = vec![];
            let mut made = vec![];
            for at in here {
                let set = &sets[at];
                functions.push(SetFunction {
                    call: self.made_value(ext, &set.call, None)?,
                    ..set_function(set, Expr::clone)
                });
                let names = set.columns.iter().map(|c| c.name.clone());
                let columns = Made {
                    span: set.span,
                    first,
                    names: names.collect(),
                    composite: set.composite,
                };
                made.push((at, columns));
                first += set.columns.len();
            }
            let op = Op::FlatMap(FlatMap {
                functions,
                ordinality: false,
                outer: None,
            });
            ext.node = self.add(op, vec![ext.node], None)?;
            for (at, columns) in made {
                ext.sets[at] = columns;
            }
        }
        Ok(())
    }

    /// An expression over the node, in which no value is left that is not there: a row as a whole.
    fn made_value(
        &self,
        ext: &Extended,
        expr: &Expr,
        span: Option<Span>,
    ) -> Result<Expr, LowerError> {
        let over = ext.over(expr);
        let columns = over.columns();
        let whole = columns.iter().find_map(|c| match Reads::of(*c) {
            Reads::Set(at) => Some(ext.sets.get(at).and_then(|made| made.span)),
            _ => None,
        });
        match whole {
            None => Ok(over),
            Some(place) => Err(LowerError::Reason(Reason {
                code: ReasonCode::SetReturning,
                message: "a row of a set-returning function as one value".into(),
                span: place.or(span),
                hint: Some("Call the function in FROM.".into()),
            })),
        }
    }

    pub(super) fn made_values(
        &self,
        ext: &Extended,
        exprs: &[Expr],
        span: Option<Span>,
    ) -> Result<Vec<Expr>, LowerError> {
        exprs
            .iter()
            .map(|e| self.made_value(ext, e, span))
            .collect()
    }
}

impl Made {
    /// Of a function whose rows are not made yet.
    fn nothing() -> Made {
        Made {
            span: None,
            first: 0,
            names: vec![],
            composite: true,
        }
    }
}
