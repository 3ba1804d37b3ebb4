//! LATERAL subqueries: beside each row of x, the rows of a query y(p) that depends on it through its
//! parameters p.
//!
//! ```text
//! x, LATERAL (SELECT e(p) FROM y WHERE θ(p))      x, y under θ, and e: one SELECT of both
//! x, LATERAL (a UNION ALL b)                      the sum of x, LATERAL a and x, LATERAL b
//! x, LATERAL (SELECT γ(…) …)                      γ for each value of p, joined with x
//! x LEFT JOIN LATERAL y ON φ                      the same, as a left join
//! ```
//!
//! What does not come apart otherwise is computed for each value of the parameters (`apply.rs`).

use super::pull_up::{all_of, reads_parameter};
use super::subquery::{Beside, Extended, if_then, is_null};
use super::{LowerError, Lowering, Product, conjoin, split};
use crate::bind::query::{
    Body, From, Grouping, Query, Reads, Select, SetOperator, Subquery, SubqueryKind,
};
use spec::compiled::OutputColumn;
use spec::op::{FlatMap, SetFunction};
use spec::types::{SqlType, oids};
use spec::{Expr, NodeId, Op, Span};
use std::convert::Infallible;
use std::sync::Arc;

/// A subquery in FROM that reads what stands to the left of it.
#[derive(Clone)]
pub(super) struct LateralItem {
    pub query: Arc<Query>,
    /// Columns of FROM.
    pub parameters: Vec<Expr>,
    pub span: Option<Span>,
}

impl LateralItem {
    /// An item of FROM, whose columns start there, as a subquery of what it reads before it.
    pub(super) fn of(from: &From, start: usize) -> LateralItem {
        let mut parameters: Vec<Expr> = vec![];
        let mut from = from.clone();
        let columns = from.types().into_iter();
        let columns: Vec<OutputColumn> = columns
            .map(|ty| OutputColumn {
                name: String::new(),
                ty,
            })
            .collect();
        let mut inside = |e: &Expr| {
            e.substitute(&mut |column, ty| match Reads::of(column) {
                Reads::Column(at) if at < start => {
                    let read = Expr::column(at, ty);
                    let known = parameters.iter().position(|p| *p == read);
                    let at = known.unwrap_or_else(|| {
                        parameters.push(read);
                        parameters.len() - 1
                    });
                    Reads::Parameter(at).expr(ty)
                }
                Reads::Column(at) => Expr::column(at - start, ty),
                _ => Expr::column(column, ty),
            })
        };
        let Ok(()) = from.map(&mut |e| -> Result<Expr, Infallible> { Ok(inside(e)) });
        let outputs = columns.iter().enumerate();
        let outputs = outputs.map(|(i, c)| Expr::column(i, c.ty.ty)).collect();
        let select = Select {
            from: Some(from),
            filter: None,
            grouping: None,
            having: None,
            outputs,
            distinct: false,
            top: None,
            windows: vec![],
            subqueries: vec![],
            grouped_subqueries: vec![],
            sets: vec![],
            grouped_sets: vec![],
        };
        LateralItem {
            query: Arc::new(Query {
                columns,
                body: Body::Select(Box::new(select)),
            }),
            parameters,
            span: None,
        }
    }

    /// A subquery in FROM, LATERAL or not.
    pub(super) fn taken(from: From) -> LateralItem {
        match from {
            From::Lateral {
                query,
                parameters,
                span,
                ..
            } => LateralItem {
                query,
                parameters,
                span,
            },
            From::Query { query, .. } => LateralItem {
                query,
                parameters: vec![],
                span: None,
            },
            from => LateralItem::of(&from, 0),
        }
    }

    /// Of columns that are counted from this one.
    pub(super) fn over(&self, base: usize) -> Subquery {
        let parameters = self.parameters.iter();
        Subquery {
            kind: SubqueryKind::Scalar,
            parameters: parameters.map(|p| p.remap(&mut |c| c - base)).collect(),
            query: self.query.clone(),
            span: self.span,
        }
    }
}

impl Lowering<'_> {
    /// The columns of x and those of the query; `outer`: LEFT JOIN on these conditions over both.
    pub(super) fn lateral(
        &mut self,
        x: NodeId,
        item: &Subquery,
        outer: Option<Vec<Expr>>,
    ) -> Result<NodeId, LowerError> {
        // Nodes are remembered by the address of their query.
        self.applied.push(item.query.clone());
        match &item.query.body {
            Body::Select(select) => {
                let select = laterals(select, item);
                let plain = select.grouping.is_none() && !select.distinct;
                let simple = match &outer {
                    // Which rows are the first is told for each row of x.
                    _ if select.ranks() => None,
                    None if plain => Some(self.inlined(x, &select, item)?),
                    Some(on) if plain => self.outer_inlined(x, &select, item, on)?,
                    outer => self.beside_aggregate(x, &select, item, outer.as_deref())?,
                };
                if let Some(node) = simple {
                    return Ok(node);
                }
            }
            Body::SetOperation {
                operator: SetOperator::Union,
                all: true,
                branches,
            } if outer.is_none() => {
                let mut sum = vec![];
                for branch in branches {
                    let item = Subquery {
                        query: branch.query.clone(),
                        ..item.clone()
                    };
                    let types = self.circuit.schema(x).to_vec();
                    let width = types.len();
                    let node = self.lateral(x, &item, None)?;
                    let outputs = branch.outputs.iter();
                    let outputs = outputs.map(|e| e.remap(&mut |c| width + c));
                    let all: Vec<Expr> = Expr::of_columns(&types, 0).chain(outputs).collect();
                    sum.push(self.project(node, &all, item.span)?);
                }
                return self.add(Op::Plus, sum, item.span);
            }
            Body::Values(rows) => {
                let item = Subquery {
                    query: Arc::new(Query::of_rows(&item.query.columns, rows, &[])),
                    ..item.clone()
                };
                return self.lateral(x, &item, outer);
            }
            _ => {}
        }
        let beside = self.rows_beside(x, item)?;
        match outer {
            None => {
                let types = self.circuit.schema(x).to_vec();
                let join = Op::Join(beside.conditions);
                let join = self.add(join, vec![x, beside.y], item.span)?;
                let all: Vec<Expr> = Expr::of_columns(&types, 0).chain(beside.outputs).collect();
                self.project(join, &all, item.span)
            }
            Some(on) => self.left_beside(x, beside, &on, item.span),
        }
    }

    /// `x LEFT JOIN y ON φ`, for a y beside x.
    fn left_beside(
        &mut self,
        x: NodeId,
        beside: Beside,
        on: &[Expr],
        span: Option<Span>,
    ) -> Result<NodeId, LowerError> {
        let types = self.circuit.schema(x).to_vec();
        let width = types.len();
        let of_y = self.circuit.schema(beside.y).to_vec();
        let Beside {
            mut y,
            mut conditions,
            outputs,
        } = beside;
        conditions.extend(on.iter().map(|c| over_outputs(c, width, &outputs)));
        // A column of y is NULL where there is no row of it. Others are computed where there is one.
        let plain = |e: &Expr| e.as_column().is_some_and(|c| c >= width);
        let there = width + of_y.len();
        if !outputs.iter().all(plain) {
            let mark = Expr::literal("t", SqlType::new(oids::BOOL));
            let marked = Expr::of_columns(&of_y, 0).chain([mark]).collect();
            y = self.add(Op::Map(marked), vec![y], None)?;
        }
        let join = self.add(Op::Left(conditions), vec![x, y], span)?;
        let there = is_null(Expr::column(there, SqlType::new(oids::BOOL)), true);
        let outputs = outputs.into_iter().map(|e| match plain(&e) {
            true => e,
            false => if_then(there.clone(), e),
        });
        let all: Vec<Expr> = Expr::of_columns(&types, 0).chain(outputs).collect();
        self.project(join, &all, span)
    }

    /// A SELECT without grouping beside x: its FROM behind that of x, its WHERE with that of x.
    fn inlined(
        &mut self,
        x: NodeId,
        select: &Select,
        item: &Subquery,
    ) -> Result<NodeId, LowerError> {
        let types = self.circuit.schema(x).to_vec();
        let width = types.len();
        let mut select = select.clone();
        let Ok(()) = select.map_below(&mut |e| -> Result<Expr, Infallible> {
            Ok(over_both(e, width, &item.parameters))
        });
        let mut product = Product::default();
        product.inputs.push(x);
        if let Some(filter) = &select.filter {
            split(filter, &mut product.wanted);
        }
        if let Some(from) = &select.from {
            self.all_of_from(from, width, &select.subqueries, &mut product)?;
        }
        let (inputs, conjuncts) = product.finish();
        let mut rows = self.restricted(inputs, conjuncts, &select.subqueries)?;
        self.make_sets(&mut rows, &select.sets, &select.subqueries)?;
        for output in &select.outputs {
            self.evaluate(&mut rows, output, &select.subqueries)?;
        }
        let outputs = self.made_values(&rows, &select.outputs, item.span)?;
        let all: Vec<Expr> = Expr::of_columns(&types, 0).chain(outputs).collect();
        self.project(rows.node, &all, item.span)
    }

    /// The same on the right side of a LEFT JOIN, where it reads nothing but its parameters: what it
    /// computes of them, or rows that functions make of them.
    fn outer_inlined(
        &mut self,
        x: NodeId,
        select: &Select,
        item: &Subquery,
        on: &[Expr],
    ) -> Result<Option<NodeId>, LowerError> {
        if !select.sets.is_empty() {
            return Ok(None);
        }
        let types = self.circuit.schema(x).to_vec();
        let width = types.len();
        let over = |e: &Expr| over_both(e, width, &item.parameters);
        let mut wanted = vec![];
        if let Some(filter) = &select.filter {
            split(&over(filter), &mut wanted);
        }
        let outputs: Vec<Expr> = select.outputs.iter().map(over).collect();
        wanted.extend(on.iter().map(|c| over_outputs(c, width, &outputs)));
        let padded = |there: Option<Expr>, rows: &Extended, outputs: &[Expr]| {
            let outputs = outputs.iter().map(|e| match &there {
                Some(there) => if_then(there.clone(), rows.over(e)),
                None => rows.over(e),
            });
            let all = Expr::of_columns(&types, 0).chain(outputs);
            all.collect::<Vec<Expr>>()
        };
        match &select.from {
            None => {
                let subqueries = super::map_subqueries(&select.subqueries, over);
                let mut rows = Extended::new(x, &subqueries);
                for expr in wanted.iter().chain(&outputs) {
                    self.evaluate(&mut rows, expr, &subqueries)?;
                }
                let wanted = wanted.iter().map(|e| rows.over(e)).collect();
                let all = padded(all_of(wanted), &rows, &outputs);
                self.project(rows.node, &all, item.span).map(Some)
            }
            Some(From::Functions {
                functions,
                ordinality,
                span,
                ..
            }) if select.subqueries.is_empty()
                && functions
                    .iter()
                    .all(|f| super::rows_from::is_function(&f.call)) =>
            {
                let functions: Vec<SetFunction> = functions
                    .iter()
                    .map(|f| super::rows_from::set_function(f, over))
                    .collect();
                let columns: usize = functions.iter().map(|f| f.columns.len()).sum();
                // Where nothing is made, there is no number.
                let number = width + columns;
                let plain = |e: &Expr| e.as_column().is_some_and(|c| c >= width);
                let marked = !outputs.iter().all(plain);
                let op = Op::FlatMap(FlatMap {
                    functions,
                    ordinality: *ordinality || marked,
                    outer: Some(wanted),
                });
                let node = self.add(op, vec![x], *span)?;
                let there = is_null(Expr::column(number, SqlType::new(oids::INT8)), true);
                let rows = Extended::new(node, &[]);
                let outputs: Vec<Expr> = outputs
                    .iter()
                    .map(|e| match plain(e) {
                        true => e.clone(),
                        false => if_then(there.clone(), e.clone()),
                    })
                    .collect();
                let all = padded(None, &rows, &outputs);
                self.project(node, &all, item.span).map(Some)
            }
            Some(_) => Ok(None),
        }
    }

    /// Aggregates over all rows beside x: always one row, or none where HAVING is not true.
    fn beside_aggregate(
        &mut self,
        x: NodeId,
        select: &Select,
        item: &Subquery,
        outer: Option<&[Expr]>,
    ) -> Result<Option<NodeId>, LowerError> {
        let global = select.grouping.as_ref().is_some_and(|g| g.keys.is_empty());
        if !global {
            return Ok(None);
        }
        let types = self.circuit.schema(x).to_vec();
        let mut rows = Extended::new(x, &[]);
        let Some((outputs, having)) = self.global_values(&mut rows, select, item)? else {
            return Ok(None);
        };
        let mut wanted: Vec<Expr> = having.into_iter().collect();
        let Some(on) = outer else {
            if !wanted.is_empty() {
                let filter = Op::Filter(conjoin(wanted));
                rows.node = self.add(filter, vec![rows.node], item.span)?;
            }
            let all: Vec<Expr> = Expr::of_columns(&types, 0).chain(outputs).collect();
            return self.project(rows.node, &all, item.span).map(Some);
        };
        wanted.extend(on.iter().map(|c| over_outputs(c, types.len(), &outputs)));
        let outputs = outputs.into_iter().map(|e| match wanted.is_empty() {
            true => e,
            false => if_then(conjoin(wanted.clone()), e),
        });
        let all: Vec<Expr> = Expr::of_columns(&types, 0).chain(outputs).collect();
        self.project(rows.node, &all, item.span).map(Some)
    }

    /// The rows of a query beside those of x, as often as they come.
    fn rows_beside(&mut self, x: NodeId, item: &Subquery) -> Result<Beside, LowerError> {
        let Body::Select(select) = &item.query.body else {
            return self.beside(x, item);
        };
        if !select.distinct {
            return self.beside(x, item);
        }
        // DISTINCT is a grouping by all outputs, which more keys can be added to.
        let fits = select.grouping.is_none()
            && select.sets.is_empty()
            && !select.outputs.iter().any(reads_parameter);
        if !fits {
            return self.applied(x, item);
        }
        let mut grouped = select.clone();
        grouped.distinct = false;
        let keys = std::mem::take(&mut grouped.outputs);
        let outputs = keys.iter().enumerate();
        grouped.outputs = outputs.map(|(i, k)| Expr::column(i, k.ty())).collect();
        grouped.grouping = Some(Grouping {
            keys,
            aggregates: vec![],
            sets: vec![],
            groupings: vec![],
            span: item.span,
        });
        let item = Subquery {
            query: Arc::new(Query {
                columns: item.query.columns.clone(),
                body: Body::Select(grouped),
            }),
            ..item.clone()
        };
        self.applied.push(item.query.clone());
        self.beside(x, &item)
    }
}

/// An expression over the query's own columns and its parameters, over the columns of x and those.
fn over_both(expr: &Expr, width: usize, parameters: &[Expr]) -> Expr {
    expr.substitute(&mut |column, ty| match Reads::of(column) {
        Reads::Column(at) => Expr::column(width + at, ty),
        Reads::Parameter(at) => parameters[at].clone(),
        _ => Expr::column(column, ty),
    })
}

/// A condition over the columns of x and those that a query puts out.
fn over_outputs(condition: &Expr, width: usize, outputs: &[Expr]) -> Expr {
    condition.substitute(&mut |column, ty| match column.checked_sub(width) {
        Some(at) if at < outputs.len() => outputs[at].clone(),
        _ => Expr::column(column, ty),
    })
}

/// The same SELECT, in which subqueries in FROM that read its parameters are LATERAL ones that are
/// given them.
fn laterals(select: &Select, item: &Subquery) -> Select {
    let parameters = item.parameters.iter().enumerate();
    let parameters: Vec<Expr> = parameters
        .map(|(i, p)| Reads::Parameter(i).expr(p.ty()))
        .collect();
    let mut out = select.clone();
    if let Some(from) = &mut out.from {
        give_parameters(from, &parameters);
    }
    out
}

/// See [`laterals`].
pub(super) fn give_parameters(from: &mut From, parameters: &[Expr]) {
    match from {
        From::Query { name, query } if query.is_correlated() => {
            *from = From::Lateral {
                name: name.clone(),
                query: query.clone(),
                parameters: parameters.to_vec(),
                span: None,
            };
        }
        From::Join { left, right, .. } => {
            give_parameters(left, parameters);
            give_parameters(right, parameters);
        }
        _ => {}
    }
}
