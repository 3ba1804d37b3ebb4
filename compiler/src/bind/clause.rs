//! A clause of a query, as the binding of expressions sees it.

use super::aggregates::{ignores_duplicates, ignores_order, order_dependence, settings_dependence};
use super::context::{AggregateCall, BindError, Context, SublinkKind};
use super::cte::Env;
use super::expr::{ExprPosition, bind_condition, bind_expr};
use super::scope::{Found, Scope};
use super::{Binder, Session, Unit, Unknowns};
use crate::typing::error;
use pg_query::NodeEnum;
use pg_query::protobuf::Node;
use spec::catalog::Volatility;
use spec::types::{SqlType, oids};
use spec::{Expr, Reason, ReasonCode, Span};

/// Columns from here on stand for aggregates, in the order in which they were found, until
/// grouping gives them their places.
pub(super) const FIRST_AGGREGATE: usize = 1 << 24;

/// And from here on for `GROUPING(…)`.
pub(super) const FIRST_GROUPING: usize = 1 << 25;

/// What is computed of whole groups, in the order in which it was found.
#[derive(Default)]
pub(super) struct Calls {
    pub aggregates: Vec<AggregateCall>,
    /// The arguments of each `GROUPING(…)`.
    pub groupings: Vec<(Vec<Expr>, Option<Span>)>,
}

/// May aggregates stand here?
pub(super) enum Aggregates<'c> {
    No,
    Into(&'c mut Calls),
}

/// The context of the expressions of one clause.
pub(super) struct Clause<'c> {
    pub unit: &'c Unit<'c>,
    pub session: &'c mut Session,
    pub env: &'c Env<'c>,
    pub scope: &'c Scope<'c>,
    pub position: ExprPosition,
    pub aggregates: Aggregates<'c>,
    inside_aggregate: bool,
    /// Columns read outside aggregates, with their places.
    pub seen: Vec<(usize, Option<Span>)>,
    /// Reasons of this code are the clause's own business.
    pub ignore: Option<ReasonCode>,
}

impl Binder<'_> {
    /// The context of a clause over `scope`.
    pub(super) fn clause<'c>(
        &'c mut self,
        scope: &'c Scope<'c>,
        position: ExprPosition,
        aggregates: Aggregates<'c>,
    ) -> Clause<'c> {
        Clause {
            unit: self.unit,
            session: self.session,
            env: self.env,
            scope,
            position,
            aggregates,
            inside_aggregate: false,
            seen: vec![],
            ignore: None,
        }
    }
}

impl Clause<'_> {
    pub(super) fn expr(&mut self, node: &Node) -> Result<Expr, BindError> {
        let unit = self.unit;
        bind_expr(node, self.position, self, &unit.typing)
    }

    pub(super) fn condition(&mut self, node: &Node) -> Result<Expr, BindError> {
        let unit = self.unit;
        bind_condition(node, self.position, self, &unit.typing)
    }

    /// The value of something that was reported.
    fn placeholder(&self, ty: SqlType) -> Expr {
        Expr::null(ty)
    }
}

impl Context for Clause<'_> {
    fn column(&mut self, name: &[String], span: Option<Span>) -> Result<Expr, BindError> {
        let found = self.scope.resolve(name, span, &self.unit.table_named())?;
        Ok(match found {
            Found::Column(expr) => {
                if !self.inside_aggregate {
                    self.seen
                        .extend(expr.columns().into_iter().map(|c| (c, span)));
                }
                expr
            }
            Found::Outer(ty) => self.placeholder(ty),
            Found::System(ty) => {
                let column = name.last().map_or("", String::as_str);
                let message = format!("system column {column}");
                self.report(reason(ReasonCode::SystemColumn, message, span));
                self.placeholder(ty)
            }
            Found::Opaque => {
                self.session.lost_columns = true;
                self.placeholder(SqlType::new(oids::UNKNOWN))
            }
        })
    }

    fn star(
        &mut self,
        qualifier: &[String],
        span: Option<Span>,
    ) -> Result<Vec<(String, Expr)>, BindError> {
        let Some(columns) = self.scope.star(qualifier, span, &self.unit.table_named())? else {
            self.session.lost_columns = true;
            return Ok(vec![]);
        };
        if !self.inside_aggregate {
            let read = columns.iter().flat_map(|c| c.expr.columns());
            self.seen.extend(read.map(|c| (c, span)));
        }
        Ok(columns.into_iter().map(|c| (c.name, c.expr)).collect())
    }

    fn aggregate(&mut self, mut call: AggregateCall) -> Result<Expr, BindError> {
        let Aggregates::Into(_) = self.aggregates else {
            let message = format!(
                "aggregate functions are not allowed in {}",
                self.position.name()
            );
            return Err(error(ReasonCode::Type, message, call.span));
        };
        let catalog = self.unit.catalog;
        let name = catalog.function(call.function).map_or("?", |f| &f.name);
        if ignores_duplicates(call.function, catalog) {
            call.distinct = false;
        }
        if ignores_order(&call, catalog) {
            call.order_by.clear();
        }
        let constant = |e: &Expr| e.columns().is_empty();
        if call.variadic {
            let message = format!("{name}(VARIADIC …)");
            self.report(reason(ReasonCode::Aggregate, message, call.span));
        } else if !call.direct.iter().all(constant) {
            let message = format!("{name}(…) WITHIN GROUP of an argument that is not constant");
            self.report(reason(ReasonCode::Aggregate, message, call.span));
        } else if let Some(message) = order_dependence(&call, catalog) {
            self.report(reason(ReasonCode::OrderDependent, message, call.span));
        }
        if let Some(message) = settings_dependence(&call, catalog) {
            self.report(reason(ReasonCode::Stable, message, call.span));
        }
        let ty = call.ty;
        let Aggregates::Into(calls) = &mut self.aggregates else {
            return Ok(self.placeholder(ty));
        };
        let same = |other: &AggregateCall| {
            let span = other.span;
            let mut here = call.clone();
            here.span = span;
            *other == here
        };
        let calls = &mut calls.aggregates;
        let index = calls.iter().position(same).unwrap_or_else(|| {
            calls.push(call.clone());
            calls.len() - 1
        });
        Ok(Expr::column(FIRST_AGGREGATE + index, ty))
    }

    fn grouping(&mut self, args: Vec<Expr>, span: Option<Span>) -> Result<Expr, BindError> {
        let Aggregates::Into(calls) = &mut self.aggregates else {
            let message = format!(
                "grouping operations are not allowed in {}",
                self.position.name()
            );
            return Err(error(ReasonCode::Type, message, span));
        };
        if args.len() > 31 {
            let message = "GROUPING must have fewer than 32 arguments";
            return Err(error(ReasonCode::Type, message, span));
        }
        let known = calls.groupings.iter().position(|(known, _)| *known == args);
        let index = known.unwrap_or_else(|| {
            calls.groupings.push((args, span));
            calls.groupings.len() - 1
        });
        let ty = SqlType::new(oids::INT4);
        Ok(Expr::column(FIRST_GROUPING + index, ty))
    }

    fn enter_aggregate(&mut self, span: Option<Span>) -> Result<(), BindError> {
        if self.inside_aggregate {
            let message = "aggregate function calls cannot be nested";
            return Err(error(ReasonCode::Type, message, span));
        }
        self.inside_aggregate = true;
        Ok(())
    }

    fn leave_aggregate(&mut self) {
        self.inside_aggregate = false;
    }

    fn sublink(
        &mut self,
        kind: SublinkKind,
        select: &Node,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        let what = match &kind {
            SublinkKind::Exists => "EXISTS (subquery)",
            SublinkKind::Quantified { any: true, .. } => "IN or ANY (subquery)",
            SublinkKind::Quantified { any: false, .. } => "ALL (subquery)",
            SublinkKind::Scalar => "scalar subquery",
            SublinkKind::Array => "ARRAY (subquery)",
        };
        self.report(reason(ReasonCode::Subquery, what, span));
        let Some(NodeEnum::SelectStmt(select)) = &select.node else {
            return Err(error(ReasonCode::Unsupported, what, span));
        };
        let mut inner = Binder {
            unit: self.unit,
            session: self.session,
            env: self.env,
        };
        let query = inner.query(select, Some(self.scope), Unknowns::ToText)?;
        let known = query.has_known_columns();
        if !known {
            self.session.lost_columns = true;
        }
        let one_column = || match query.columns.as_slice() {
            [column] => Ok(column.ty.ty),
            _ if !known => Ok(SqlType::new(oids::UNKNOWN)),
            _ => {
                let message = "subquery must return only one column";
                Err(error(ReasonCode::Type, message, span))
            }
        };
        let ty = match &kind {
            SublinkKind::Exists => SqlType::new(oids::BOOL),
            SublinkKind::Scalar => one_column()?,
            SublinkKind::Array => {
                let element = one_column()?;
                let catalog = self.unit.catalog;
                let array = match catalog.element_type(element.oid) {
                    Some(_) => Some(element.oid),
                    None => catalog.array_type(element.oid),
                };
                let Some(array) = array else {
                    let message = "could not find an array type for the subquery";
                    return Err(error(ReasonCode::Type, message, span));
                };
                SqlType {
                    oid: array,
                    ..element
                }
            }
            SublinkKind::Quantified { operator, left, .. } => {
                if known && query.columns.len() != left.len() {
                    let few = query.columns.len() < left.len();
                    let message = if few {
                        "subquery has too few columns"
                    } else {
                        "subquery has too many columns"
                    };
                    return Err(error(ReasonCode::Type, message, span));
                }
                for (left, right) in left.iter().zip(&query.columns) {
                    let right = self.placeholder(right.ty.ty);
                    let typing = &self.unit.typing;
                    typing.operator(operator, Some(left.clone()), right, span)?;
                }
                SqlType::new(oids::BOOL)
            }
        };
        Ok(self.placeholder(ty))
    }

    fn report(&mut self, reason: Reason) {
        if self.ignore != Some(reason.code) {
            self.session.report(self.unit, reason);
        }
    }

    fn volatility(&mut self, what: &str, volatility: Volatility, span: Option<Span>) {
        let (code, word) = match volatility {
            Volatility::Immutable => return,
            Volatility::Stable => (ReasonCode::Stable, "STABLE"),
            Volatility::Volatile => (ReasonCode::Volatile, "VOLATILE"),
        };
        self.report(reason(code, format!("{what} is {word}"), span));
    }
}

fn reason(code: ReasonCode, message: impl Into<String>, span: Option<Span>) -> Reason {
    Reason {
        code,
        message: message.into(),
        span,
        hint: None,
    }
}
