//! A clause of a query, as the binding of expressions sees it.

use super::aggregates::{ignores_duplicates, ignores_order, order_dependence, unsteadiness};
use super::context::{AggregateCall, BindError, Context, SublinkKind, WindowCall};
use super::cte::Env;
use super::expr::{ExprPosition, bind_condition, bind_expr, moved_to_lateral, returns_set};
use super::query::Reads;
use super::scope::{Found, Level, Scope};
use super::{Binder, Session, Unit};
use crate::expr_facts::max_volatility;
use crate::typing::error;
use pg_query::protobuf::Node;
use spec::catalog::{Catalog, TypeKind, Volatility};
use spec::expr::ExprKind;
use spec::types::{SqlType, oids};
use spec::{Expr, Reason, ReasonCode, Span};

/// What is computed of whole groups, in the order in which it was found.
#[derive(Default)]
pub(super) struct Calls {
    pub aggregates: Vec<AggregateCall>,
    /// The arguments of each `GROUPING(…)`.
    pub groupings: Vec<(Vec<Expr>, Option<Span>)>,
}

impl Calls {
    /// The value of this call, which is made once.
    fn aggregate(&mut self, call: AggregateCall) -> Reads {
        let same = |other: &AggregateCall| {
            let span = other.span;
            *other
                == AggregateCall {
                    span,
                    ..call.clone()
                }
        };
        let known = self.aggregates.iter().position(same);
        Reads::Aggregate(known.unwrap_or_else(|| {
            self.aggregates.push(call);
            self.aggregates.len() - 1
        }))
    }

    fn grouping(&mut self, args: Vec<Expr>, span: Option<Span>) -> Reads {
        let known = self.groupings.iter().position(|(known, _)| *known == args);
        Reads::Grouping(known.unwrap_or_else(|| {
            self.groupings.push((args, span));
            self.groupings.len() - 1
        }))
    }
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
    pub(super) inside_aggregate: bool,
    /// How many parameters the subqueries around had when the aggregate was entered.
    marks: Vec<usize>,
    /// Columns read outside aggregates, with their places.
    pub seen: Vec<(usize, Option<Span>)>,
    /// Reasons of this code are the clause's own business.
    pub ignore: Option<ReasonCode>,
    /// What is STABLE in a condition: it may be a matter of time.
    pub(super) unsteady: Vec<(String, Option<Span>)>,
    /// In the arguments of an aggregate.
    pub(super) unsteady_aggregate: bool,
    /// A condition is being bound.
    in_condition: bool,
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
            marks: vec![],
            seen: vec![],
            ignore: None,
            unsteady: vec![],
            unsteady_aggregate: false,
            in_condition: false,
        }
    }
}

impl Clause<'_> {
    pub(super) fn expr(&mut self, node: &Node) -> Result<Expr, BindError> {
        let unit = self.unit;
        let expr = bind_expr(node, self.position, self, &unit.typing)?;
        match self.position {
            // There, what it makes are the columns.
            ExprPosition::FromFunction => Ok(expr),
            _ => {
                let span = super::expr::span_of(node, &unit.typing);
                self.session.without_sets(&expr, span, unit)
            }
        }
    }

    /// What is computed of the groups of the SELECT of this level, if that may be done where we are
    /// in it.
    fn calls(
        &mut self,
        home: Level,
        what: &str,
        span: Option<Span>,
    ) -> Result<&mut Calls, BindError> {
        let (calls, place) = match home {
            Level::Outer(depth) => self.session.calls_around(depth, span)?,
            Level::Here => match &mut self.aggregates {
                Aggregates::Into(calls) => (Some(&mut **calls), self.position.name()),
                Aggregates::No => (None, self.position.name()),
            },
        };
        calls.ok_or_else(|| {
            let message = format!("{what} are not allowed in {place}");
            error(ReasonCode::Type, message, span)
        })
    }

    /// Drops the parameters that only the arguments of what belongs to a query around had need of.
    fn keep_marked(&mut self, home: Level) {
        if let Level::Outer(_) = home {
            self.session.keep(&self.marks);
        }
    }

    /// What was computed at a level, as read here.
    fn value_at(&mut self, home: Level, value: Expr, span: Option<Span>) -> Expr {
        let value = self.session.brought(&value, home);
        if let Level::Outer(_) = home {
            self.see(&value, span);
        }
        value
    }

    pub(super) fn condition(&mut self, node: &Node) -> Result<Expr, BindError> {
        let unit = self.unit;
        self.in_condition = true;
        let condition = bind_condition(node, self.position, self, &unit.typing);
        self.in_condition = false;
        let span = super::expr::span_of(node, &unit.typing);
        Ok(self.timed(condition?, span))
    }

    pub(super) fn not_immutable(&mut self, what: &str, volatility: Volatility, span: Option<Span>) {
        let (code, word) = match volatility {
            Volatility::Immutable => return,
            Volatility::Stable => (ReasonCode::Stable, "STABLE"),
            Volatility::Volatile => (ReasonCode::Volatile, "VOLATILE"),
        };
        self.report(reason(code, format!("{what} is {word}"), span));
    }

    /// Notes the columns that are read.
    pub(super) fn see(&mut self, expr: &Expr, span: Option<Span>) {
        if !self.inside_aggregate {
            let columns = expr.columns().into_iter();
            self.seen.extend(columns.map(|c| (c, span)));
        }
    }

    /// The value of something that was reported.
    pub(super) fn placeholder(&self, ty: SqlType) -> Expr {
        Expr::null(ty)
    }
}

impl Context for Clause<'_> {
    fn column(&mut self, name: &[String], span: Option<Span>) -> Result<Expr, BindError> {
        let found = self.scope.resolve(name, span, &self.unit.table_named())?;
        Ok(match found {
            Found::Column(expr, level) => {
                let expr = self.session.brought(&expr, level);
                self.see(&expr, span);
                expr
            }
            Found::PaddedRow {
                name,
                row,
                present,
                level,
            } => {
                let row = self.session.brought(&row, level);
                self.see(&row, span);
                match present {
                    Some(present) => {
                        let missing = ExprKind::IsNull {
                            arg: self.session.brought(&present, level),
                            negated: false,
                            row: false,
                        };
                        let missing = Expr::new(missing, SqlType::new(oids::BOOL));
                        let ty = row.ty();
                        let whens = vec![(missing, Expr::null(ty))];
                        let otherwise = row;
                        Expr::new(ExprKind::Case { whens, otherwise }, ty)
                    }
                    None => {
                        let message =
                            format!("the row of \"{name}\", which an outer join may not have");
                        let mut reason = reason(ReasonCode::Unsupported, message, span);
                        let hint = "Name its columns; or read them from a table that has a NOT NULL column.";
                        reason.hint = Some(hint.into());
                        self.report(reason);
                        row
                    }
                }
            }
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

    fn fields(&mut self, name: &[String], span: Option<Span>) -> Result<Expr, BindError> {
        let found = self.scope.resolve(name, span, &self.unit.table_named())?;
        let Found::PaddedRow { row, level, .. } = found else {
            return self.column(name, span);
        };
        let row = self.session.brought(&row, level);
        self.see(&row, span);
        Ok(row)
    }

    fn star(
        &mut self,
        qualifier: &[String],
        span: Option<Span>,
    ) -> Result<Vec<(String, Expr)>, BindError> {
        let Some(star) = self.scope.star(qualifier, span, &self.unit.table_named())? else {
            self.session.lost_columns = true;
            return Ok(vec![]);
        };
        let mut columns = vec![];
        for column in star.columns {
            let expr = self.session.brought(&column.expr, star.level);
            self.see(&expr, span);
            columns.push((column.name, expr));
        }
        Ok(columns)
    }

    fn aggregate(&mut self, call: AggregateCall) -> Result<Expr, BindError> {
        let given = call.args.iter().chain(&call.filter);
        if self.session.is_from_around_within(given) {
            let message = "an aggregate of the query around, of a subquery";
            self.report(reason(ReasonCode::Subquery, message, call.span));
            return Ok(self.placeholder(call.ty));
        }
        let (home, mut call) = self.session.home_of_aggregate(call);
        self.keep_marked(home);
        let catalog = self.unit.catalog;
        if !is_steady(&call, catalog) {
            self.unsteady_aggregate = true;
            self.session.note_unsteady(home);
        }
        self.calls(home, "aggregate functions", call.span)?;
        if call.args.iter().chain(&call.filter).any(reads_window) {
            let message = "aggregate function calls cannot contain window function calls";
            return Err(error(ReasonCode::Type, message, call.span));
        }
        if call.args.iter().any(|a| returns_set(a, catalog)) {
            let message = "aggregate function calls cannot contain set-returning function calls";
            return Err(moved_to_lateral(message, call.span));
        }
        if ignores_duplicates(call.function, catalog) {
            call.distinct = false;
        }
        if ignores_order(&call, catalog) {
            call.order_by.clear();
        }
        if let Some(message) = order_dependence(&call, catalog) {
            self.report(reason(ReasonCode::OrderDependent, message, call.span));
        }
        if let Some(message) = unsteadiness(&call, catalog) {
            self.report(reason(ReasonCode::Stable, message, call.span));
        }
        let (ty, span) = (call.ty, call.span);
        let calls = self.calls(home, "aggregate functions", span)?;
        let value = calls.aggregate(call);
        Ok(self.value_at(home, value.expr(ty), span))
    }

    fn grouping(&mut self, args: Vec<Expr>, span: Option<Span>) -> Result<Expr, BindError> {
        let (home, args) = self.session.home_of_grouping(args);
        self.keep_marked(home);
        let calls = self.calls(home, "grouping operations", span)?;
        if args.len() > 31 {
            let message = "GROUPING must have fewer than 32 arguments";
            return Err(error(ReasonCode::Type, message, span));
        }
        let value = calls.grouping(args, span);
        Ok(self.value_at(home, value.expr(SqlType::new(oids::INT4)), span))
    }

    fn enter_aggregate(&mut self, span: Option<Span>) -> Result<(), BindError> {
        if self.inside_aggregate {
            let message = "aggregate function calls cannot be nested";
            return Err(error(ReasonCode::Type, message, span));
        }
        self.inside_aggregate = true;
        self.marks = self.session.marks();
        Ok(())
    }

    fn leave_aggregate(&mut self) {
        self.inside_aggregate = false;
    }

    fn window(&mut self, call: WindowCall) -> Result<Expr, BindError> {
        let catalog = self.unit.catalog;
        if call.exprs().any(reads_window) {
            let message = "window function calls cannot be nested";
            return Err(error(ReasonCode::Type, message, call.span));
        }
        if call.exprs().any(|e| returns_set(e, catalog)) {
            let message = "window function calls cannot contain set-returning function calls";
            return Err(moved_to_lateral(message, call.span));
        }
        if let Some(message) = self.session.window_of_rows(&call, catalog) {
            self.report(reason(ReasonCode::Unsupported, message, call.span));
        }
        let ty = call.ty;
        let Some(windows) = self.session.windows.last_mut() else {
            let message = "a window function outside of a SELECT";
            self.report(reason(ReasonCode::Unsupported, message, call.span));
            return Ok(self.placeholder(ty));
        };
        let same = |other: &WindowCall| {
            let span = other.span;
            *other
                == WindowCall {
                    span,
                    ..call.clone()
                }
        };
        let known = windows.iter().position(same);
        let at = known.unwrap_or_else(|| {
            windows.push(call.clone());
            windows.len() - 1
        });
        Ok(Reads::Window(at).expr(ty))
    }

    fn named_window(&self, name: &str) -> Option<pg_query::protobuf::WindowDef> {
        let named = self.session.named_windows.last()?;
        named.iter().find(|w| w.name == name).cloned()
    }

    fn sublink(
        &mut self,
        kind: SublinkKind,
        select: &Node,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        self.subquery(kind, select, span)
    }

    fn report(&mut self, reason: Reason) {
        if self.ignore != Some(reason.code) {
            self.session.report(self.unit, reason);
        }
    }

    fn volatility(&mut self, what: &str, volatility: Volatility, span: Option<Span>) {
        match volatility {
            Volatility::Stable if self.in_condition => self.unsteady.push((what.to_owned(), span)),
            _ => self.not_immutable(what, volatility, span),
        }
    }

    fn moving_literal(&mut self, what: &str, span: Option<Span>) {
        self.not_immutable(what, Volatility::Stable, span);
    }
}

/// Is all that it is given IMMUTABLE?
fn is_steady(call: &AggregateCall, catalog: &Catalog) -> bool {
    let steady = |e: &Expr| max_volatility(e, catalog) == Volatility::Immutable;
    call.exprs().all(steady)
}

/// Does it read the value of a window function?
pub(super) fn reads_window(e: &Expr) -> bool {
    let mut columns = e.columns().into_iter();
    columns.any(|c| matches!(Reads::of(c), Reads::Window(_)))
}

impl Session {
    /// What partitions and sorts are columns of what is kept; no column can hold rows without a type
    /// of their own.
    fn window_of_rows(&self, call: &WindowCall, catalog: &Catalog) -> Option<&'static str> {
        let pseudo = call.exprs().any(|e| {
            let ty = catalog.ty(e.ty().oid);
            ty.is_some_and(|t| t.kind == TypeKind::Pseudo)
        });
        pseudo.then_some("a window function of rows without a type of their own")
    }
}

pub(super) fn reason(code: ReasonCode, message: impl Into<String>, span: Option<Span>) -> Reason {
    Reason {
        code,
        message: message.into(),
        span,
        hint: None,
    }
}
