//! Subqueries in expressions, and what they read of the queries around them.
//!
//! A subquery is bound like any query; names that mean nothing in it are looked for around it. A
//! column that is found there becomes a *parameter* of the subquery and of every subquery in
//! between, so that each query reads only columns of its own and its parameters:
//!
//! ```text
//! SELECT … FROM a WHERE EXISTS (SELECT … FROM b WHERE EXISTS (SELECT … FROM c WHERE c.x = a.y))
//!                       :0 = a.y                      :0 = :0                      x = :0
//! ```
//!
//! The subquery goes to the list of its SELECT; the expression reads its value.

use super::clause::{Aggregates, Calls, Clause, reason};
use super::context::{BindError, SublinkKind, WindowCall};
use super::query::{Query, Reads, Subquery, SubqueryKind};
use super::scope::Level;
use super::{Binder, Order, Session, Unknowns};
use crate::typing::error;
use pg_query::NodeEnum;
use pg_query::protobuf::{Node, SelectStmt, a_const};
use spec::types::{SqlType, oids};
use spec::{Expr, ReasonCode, Span};
use std::sync::Arc;

/// A subquery in an expression that is being bound, or of LATERAL.
#[derive(Default)]
pub(super) struct Frame {
    /// Its parameters, as columns of the SELECT that it stands in.
    pub parameters: Vec<Expr>,
    /// Where it stands in that SELECT, and what is computed of groups there, if that may be.
    pub place: &'static str,
    pub calls: Option<Calls>,
    pub inside_aggregate: bool,
    pub unsteady_aggregate: bool,
}

impl Frame {
    pub(super) fn lateral() -> Frame {
        Frame {
            place: "FROM clause of their own query level",
            ..Frame::default()
        }
    }

    fn parameter(&mut self, column: Expr) -> Expr {
        let ty = column.ty();
        let known = self.parameters.iter().position(|p| *p == column);
        let at = known.unwrap_or_else(|| {
            self.parameters.push(column);
            self.parameters.len() - 1
        });
        Reads::Parameter(at).expr(ty)
    }
}

impl Session {
    pub(super) fn depth_of_subqueries(&self) -> usize {
        self.frames.len()
    }

    /// What was found at a level, as the innermost subquery sees it.
    pub(super) fn brought(&mut self, expr: &Expr, level: Level) -> Expr {
        match level {
            Level::Here => expr.clone(),
            Level::Outer(depth) => expr.substitute(&mut |column, ty| {
                let between = self.frames.iter_mut().skip(depth);
                between.fold(Expr::column(column, ty), |e, frame| frame.parameter(e))
            }),
        }
    }

    /// All that an expression of the innermost SELECT reads, also through subqueries in it.
    pub(super) fn reads(&self, expr: &Expr) -> Vec<Reads> {
        let mut out = vec![];
        let mut todo = vec![expr];
        while let Some(expr) = todo.pop() {
            for column in expr.columns() {
                let reads = Reads::of(column);
                match reads {
                    Reads::Subquery(at) => {
                        let found = self.subqueries.last().and_then(|s| s.get(at));
                        todo.extend(found.into_iter().flat_map(Subquery::operands));
                    }
                    Reads::Result(_) => {}
                    Reads::Set(at) => {
                        let found = self.sets.last().and_then(|s| s.get(at));
                        todo.extend(found.map(|s| &s.call));
                    }
                    Reads::Window(at) => {
                        let found = self.windows.last().and_then(|w| w.get(at));
                        todo.extend(found.into_iter().flat_map(WindowCall::exprs));
                    }
                    _ => out.push(reads),
                }
            }
        }
        out
    }
}

impl Clause<'_> {
    /// A subquery, as the value that it has in the expression around it.
    pub(super) fn subquery(
        &mut self,
        kind: SublinkKind,
        select: &Node,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        let Some(NodeEnum::SelectStmt(select)) = &select.node else {
            let message = "a subquery that is not a SELECT";
            return Err(error(ReasonCode::Unsupported, message, span));
        };
        let unlimited;
        let mut select: &SelectStmt = select;
        if matches!(kind, SublinkKind::Exists)
            && let Some(limit) = select.limit_count.as_deref()
            && is_positive(limit)
            && select.limit_offset.is_none()
        {
            // One row is as good as all; the coercion of the number is in PostgreSQL's tree.
            let typing = &self.unit.typing;
            let number = typing.integer(1);
            typing.coerce_to_specific(number, oids::INT8, "LIMIT", span)?;
            unlimited = SelectStmt {
                limit_count: None,
                ..select.clone()
            };
            select = &unlimited;
        }
        // What was noted so far is this clause's.
        let unit = self.unit;
        unit.typing.flush(self);
        // Aggregates in it may be ours (see `around`).
        let calls = match &mut self.aggregates {
            Aggregates::Into(calls) => Some(std::mem::take(&mut **calls)),
            Aggregates::No => None,
        };
        self.session.frames.push(Frame {
            place: self.position.name(),
            calls,
            inside_aggregate: self.inside_aggregate,
            ..Frame::default()
        });
        let mut inner = Binder {
            unit: self.unit,
            session: self.session,
            env: self.env,
        };
        let order = match kind {
            SublinkKind::Array => Order::Kept,
            _ => Order::Dropped,
        };
        let query = inner.query_in(select, Some(self.scope), Unknowns::ToText, order);
        let frame = self.session.frames.pop().unwrap_or_default();
        if let (Aggregates::Into(calls), Some(back)) = (&mut self.aggregates, frame.calls) {
            **calls = back;
        }
        self.unsteady_aggregate |= frame.unsteady_aggregate;
        let mut query = query?;
        for parameter in &frame.parameters {
            self.see(parameter, span);
        }
        let known = query.has_known_columns();
        if !known {
            self.session.lost_columns = true;
        }
        let (kind, ty) = self.kind(kind, &mut query, known, span)?;
        let subquery = Subquery {
            kind,
            parameters: frame.parameters,
            query: Arc::new(query),
            span,
        };
        if !known {
            return Ok(self.placeholder(ty));
        }
        let Some(found) = self.session.subqueries.last_mut() else {
            let message = "a subquery outside of a SELECT";
            self.session
                .report(self.unit, reason(ReasonCode::Subquery, message, span));
            return Ok(self.placeholder(ty));
        };
        let plain = |s: &Subquery| {
            let query = Arc::new(s.query.without_places());
            Subquery {
                query,
                span: None,
                ..s.clone()
            }
        };
        let same = plain(&subquery);
        let at = found.iter().position(|other| plain(other) == same);
        let at = at.unwrap_or_else(|| {
            found.push(subquery);
            found.len() - 1
        });
        Ok(Reads::Subquery(at).expr(ty))
    }

    /// What the subquery is, and the type of its value.
    fn kind(
        &mut self,
        kind: SublinkKind,
        query: &mut Query,
        known: bool,
        span: Option<Span>,
    ) -> Result<(SubqueryKind, SqlType), BindError> {
        let boolean = SqlType::new(oids::BOOL);
        let one_column = || match query.columns.as_slice() {
            [column] => Ok(column.ty.ty),
            _ if !known => Ok(SqlType::new(oids::UNKNOWN)),
            _ => {
                let message = "subquery must return only one column";
                Err(error(ReasonCode::Type, message, span))
            }
        };
        Ok(match kind {
            SublinkKind::Exists => (SubqueryKind::Exists, boolean),
            SublinkKind::Scalar => (SubqueryKind::Scalar, one_column()?),
            SublinkKind::Array => {
                let element = one_column()?;
                let catalog = self.unit.catalog;
                let is_array = catalog.element_type(element.oid).is_some();
                let array = catalog.array_type(element.oid);
                let Some(array) = array.or(is_array.then_some(element.oid)) else {
                    let message = "could not find an array type for the subquery";
                    return Err(error(ReasonCode::Type, message, span));
                };
                let of_arrays = catalog.base_element_type(element.oid).is_some();
                if of_arrays && array != element.oid {
                    // array_agg makes arrays of more dimensions of these.
                    let ty = catalog.ty(element.oid).map_or("?", |t| &t.name);
                    let message = format!("ARRAY of a subquery of {ty}");
                    self.session
                        .report(self.unit, reason(ReasonCode::Subquery, message, span));
                }
                let ty = SqlType {
                    oid: array,
                    ..element
                };
                let order = query.show_order();
                (SubqueryKind::Array { order }, ty)
            }
            SublinkKind::Quantified { .. } | SublinkKind::Row { .. } if !known => {
                (SubqueryKind::Exists, boolean)
            }
            SublinkKind::Row { operator, left } => {
                let comparison = self.comparison(&operator, &left, query, span)?;
                (SubqueryKind::Row { comparison }, boolean)
            }
            SublinkKind::Quantified {
                any,
                operator,
                left,
            } => {
                let comparison = self.comparison(&operator, &left, query, span)?;
                (SubqueryKind::Quantified { any, comparison }, boolean)
            }
        })
    }

    /// The comparison of a row with one of the query.
    fn comparison(
        &mut self,
        operator: &[String],
        left: &[Expr],
        query: &Query,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        if query.columns.len() != left.len() {
            let message = match query.columns.len() < left.len() {
                true => "subquery has too few columns",
                false => "subquery has too many columns",
            };
            return Err(error(ReasonCode::Type, message, span));
        }
        let columns = query.columns.iter().enumerate();
        let right: Vec<Expr> = columns
            .map(|(i, c)| Reads::Result(i).expr(c.ty.ty))
            .collect();
        let typing = &self.unit.typing;
        let comparison = typing.compare_rows(operator, left, &right, span)?;
        let comparison = typing.assign_collations(&comparison, span)?;
        self.session.without_sets(&comparison, span, self.unit)
    }
}

/// Is this LIMIT a number that is not 0?
fn is_positive(limit: &Node) -> bool {
    match &limit.node {
        Some(NodeEnum::AConst(constant)) => match &constant.val {
            Some(a_const::Val::Ival(n)) => !constant.isnull && n.ival > 0,
            _ => false,
        },
        _ => false,
    }
}
