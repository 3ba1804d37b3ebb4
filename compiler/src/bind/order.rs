//! ORDER BY, and what makes it matter: LIMIT, OFFSET and DISTINCT ON. Elsewhere it is bound only for
//! its errors: the rows of a table have no order.

use super::clause::Aggregates;
use super::context::BindError;
use super::expr::{ExprPosition, bind_expr, operator_name};
use super::grouping::plain;
use super::query::{Body, From, Limit, Query, Select, Top};
use super::scope::Scope;
use super::select::{Level, Seen, Target};
use super::{Binder, Order};
use crate::typename::strings;
use crate::typing::{Typing, error};
use pg_query::NodeEnum;
use pg_query::protobuf::{LimitOption, Node, SelectStmt, SortBy, SortByDir, SortByNulls, a_const};
use spec::catalog::TypeKind;
use spec::compiled::OutputColumn;
use spec::eval;
use spec::eval::functions::Builtin;
use spec::op::SortKey;
use spec::types::oids;
use spec::{Expr, Reason, ReasonCode, Span};
use std::sync::Arc;

/// A key of ORDER BY, with the columns that it reads and their places.
pub(super) struct Ordered {
    pub key: SortKey,
    pub seen: Seen,
    span: Option<Span>,
}

/// What SELECT DISTINCT says.
pub(super) enum Distinct {
    No,
    Rows,
    On(Vec<Seen>),
}

/// A key of ORDER BY: its operator, and where NULL stands.
pub(super) fn sort_key(
    sort: &SortBy,
    expr: Expr,
    typing: &Typing<'_>,
) -> Result<SortKey, BindError> {
    let span = typing.span(sort.location);
    let ty = expr.ty().oid;
    let dir = SortByDir::try_from(sort.sortby_dir).unwrap_or(SortByDir::SortbyDefault);
    let (operator, descending) = match dir {
        SortByDir::SortbyUsing => {
            let name = operator_name(&sort.use_op)?;
            let operator = typing.sort_operator(&name, ty, span)?;
            let descending = operator.btree.iter().any(|(_, strategy)| *strategy == 5);
            (operator.oid, descending)
        }
        dir => {
            let descending = dir == SortByDir::SortbyDesc;
            (typing.ordering_operator(ty, descending, span)?, descending)
        }
    };
    let nulls_first = match SortByNulls::try_from(sort.sortby_nulls) {
        Ok(SortByNulls::SortbyNullsFirst) => true,
        Ok(SortByNulls::SortbyNullsLast) => false,
        _ => descending,
    };
    Ok(SortKey {
        expr,
        operator,
        nulls_first,
    })
}

impl Binder<'_> {
    pub(super) fn order_by(
        &mut self,
        clause: &[Node],
        targets: &mut [Target],
        level: &mut Level<'_>,
    ) -> Result<Vec<Ordered>, BindError> {
        let mut keys = vec![];
        for (sort, node) in clause.iter().filter_map(sort_by) {
            let (expr, seen) = self.sql92_key(node, ExprPosition::OrderBy, targets, level)?;
            let span = self.expr_span(node);
            let key = match self.sorted(sort, &expr, span) {
                Ok(key) => key,
                // A type that stands for one that is not known.
                Err(_) if self.session.lost_columns => continue,
                Err(error) => return Err(error),
            };
            keys.push(Ordered {
                key,
                seen: (expr, seen),
                span,
            });
        }
        Ok(keys)
    }

    fn sorted(&self, sort: &SortBy, expr: &Expr, span: Option<Span>) -> Result<SortKey, BindError> {
        let ty = expr.ty().oid;
        let using = sort.sortby_dir() == SortByDir::SortbyUsing;
        let ordered = self.unit.catalog.equality(ty);
        if !using && !ordered.is_some_and(|e| e.lt.is_valid()) {
            let ty = self.unit.catalog.ty(ty);
            let message = format!(
                "could not identify an ordering operator for type {}",
                ty.map_or("?", |t| &t.name)
            );
            return Err(error(ReasonCode::NoEquality, message, span));
        }
        sort_key(sort, expr.clone(), &self.unit.typing)
    }

    /// Under DISTINCT, only what is put out can be ordered by.
    pub(super) fn check_distinct_order(
        &self,
        order: &[Ordered],
        targets: &[Target],
    ) -> Result<(), BindError> {
        for ordered in order {
            let expr = &ordered.key.expr;
            if !targets.iter().any(|t| plain(&t.expr) == plain(expr)) {
                let message =
                    "for SELECT DISTINCT, ORDER BY expressions must appear in select list";
                return Err(error(ReasonCode::Type, message, ordered.span));
            }
        }
        Ok(())
    }

    /// Under DISTINCT ON, ORDER BY begins with what is distinct, in any order.
    pub(super) fn check_distinct_on_order(
        &self,
        order: &[Ordered],
        on: &[Seen],
    ) -> Result<(), BindError> {
        let is_on = |o: &Ordered| on.iter().any(|(e, _)| plain(e) == plain(&o.key.expr));
        let leading = order.iter().take_while(|o| is_on(o)).count();
        let (leading, rest) = order.split_at(leading);
        let all_lead = on.iter().all(|(e, _)| {
            let same = |o: &Ordered| plain(e) == plain(&o.key.expr);
            leading.iter().any(same)
        });
        // What is distinct may stand there once more, under another name.
        let late = rest.iter().find(|o| is_on(o)).or(rest.first());
        let span = match late {
            Some(late) if !all_lead => late.span,
            _ => return Ok(()),
        };
        let message = "SELECT DISTINCT ON expressions must match initial ORDER BY expressions";
        Err(error(ReasonCode::Type, message, span))
    }

    /// What rows are told apart by is a column of what is kept, and what they are sorted by is made
    /// of columns; no column can hold rows without a type of their own.
    pub(super) fn check_sorted(
        &mut self,
        told_apart: &[Expr],
        sorted: &[Expr],
        what: &str,
        span: Option<Span>,
    ) {
        let catalog = self.unit.catalog;
        let pseudo = |e: &Expr| {
            let ty = catalog.ty(e.ty().oid);
            ty.is_some_and(|t| t.kind == TypeKind::Pseudo)
        };
        let mut reads = false;
        for expr in sorted.iter().filter(|e| pseudo(e)) {
            expr.walk(&mut |e| reads |= e.as_column().is_some() && pseudo(e));
        }
        if reads || told_apart.iter().any(pseudo) {
            let message = format!("{what} of rows without a type of their own");
            self.report(ReasonCode::AnonymousRow, message, span);
        }
    }

    /// ORDER BY and LIMIT of a set operation or of VALUES.
    pub(super) fn top_of(
        &mut self,
        select: &SelectStmt,
        query: Query,
        scope: &Scope<'_>,
        kept: Order,
    ) -> Result<Query, BindError> {
        let known = query.has_known_columns();
        let order = self.order_by_output(&select.sort_clause, &query.columns, known)?;
        let limit = self.limit(select, scope)?;
        let matters = limit.is_some() || kept == Order::Kept && !order.is_empty();
        if !known || !matters {
            return Ok(query);
        }
        let exprs: Vec<Expr> = order.iter().map(|k| k.expr.clone()).collect();
        self.check_sorted(&[], &exprs, "ORDER BY", None);
        let columns = query.columns.clone();
        let outputs = columns.iter().enumerate();
        let select = Select {
            outputs: outputs.map(|(i, c)| Expr::column(i, c.ty.ty)).collect(),
            from: Some(From::Query {
                name: String::new(),
                query: Arc::new(query),
            }),
            top: Some(Top {
                order,
                limit,
                ..Top::default()
            }),
            ..Select::default()
        };
        Ok(Query {
            columns,
            body: Body::Select(Box::new(select)),
        })
    }

    /// ORDER BY of a set operation or of VALUES: output columns by name or number.
    fn order_by_output(
        &self,
        clause: &[Node],
        columns: &[OutputColumn],
        known: bool,
    ) -> Result<Vec<SortKey>, BindError> {
        let mut keys = vec![];
        for (sort, node) in clause.iter().filter_map(sort_by) {
            let span = self.expr_span(node);
            let found = match node.node.as_ref() {
                Some(NodeEnum::ColumnRef(c)) => match strings(&c.fields).as_slice() {
                    [name] => columns.iter().position(|c| c.name == *name),
                    _ => None,
                },
                Some(NodeEnum::AConst(c)) => match c.val {
                    Some(a_const::Val::Ival(ref n)) => usize::try_from(n.ival)
                        .ok()
                        .and_then(|n| n.checked_sub(1))
                        .filter(|n| *n < columns.len()),
                    _ => None,
                },
                _ => None,
            };
            let Some(found) = found else {
                if !known {
                    continue;
                }
                let message = "ORDER BY of a set operation must name or number an output column";
                return Err(error(ReasonCode::Name, message, span));
            };
            let column = Expr::column(found, columns[found].ty.ty);
            keys.push(self.sorted(sort, &column, span)?);
        }
        Ok(keys)
    }

    /// LIMIT and OFFSET; none if they say nothing (`LIMIT ALL`, `OFFSET 0`), or were reported.
    pub(super) fn limit(
        &mut self,
        select: &SelectStmt,
        scope: &Scope<'_>,
    ) -> Result<Option<Limit>, BindError> {
        let count = self.rows(select, &select.limit_count, ExprPosition::Limit, scope)?;
        let offset = self.rows(select, &select.limit_offset, ExprPosition::Offset, scope)?;
        let limit = Limit {
            offset: offset.unwrap_or(0),
            count,
            with_ties: select.limit_option() == LimitOption::WithTies,
        };
        Ok((limit.offset > 0 || limit.count.is_some()).then_some(limit))
    }

    /// The number of LIMIT or OFFSET.
    fn rows(
        &mut self,
        select: &SelectStmt,
        node: &Option<Box<Node>>,
        position: ExprPosition,
        scope: &Scope<'_>,
    ) -> Result<Option<u64>, BindError> {
        let Some(node) = node.as_deref() else {
            return Ok(None);
        };
        let outer = Scope {
            items: super::select::NO_ITEMS,
            parent: scope.parent,
            depth: scope.depth,
        };
        let unit = self.unit;
        let span = self.expr_span(node);
        let mut clause = self.clause(&outer, position, Aggregates::No);
        let value = bind_expr(node, position, &mut clause, &unit.typing)?;
        let value = unit
            .typing
            .coerce_to_specific(value, oids::INT8, position.name(), span)?;
        unit.typing.flush(&mut clause);
        let rows = match eval::expr::eval(&value, &[], &Builtin) {
            _ if !value.columns().is_empty() => None,
            Ok(eval::Value::Null) => return Ok(None),
            Ok(eval::Value::Int(rows)) => Some(rows),
            _ => None,
        };
        let location = span.and_then(|s| i32::try_from(s.start).ok());
        let words = match position {
            ExprPosition::Limit => ["LIMIT", "FETCH"],
            _ => ["OFFSET", "OFFSET"],
        };
        let place = unit.text.keyword_before(location, &words, &[]).or(span);
        let Some(rows) = rows else {
            let message = format!("{} that is not a constant", position.name());
            self.report(ReasonCode::TopK, message, place);
            return Ok(None);
        };
        let Ok(rows) = u64::try_from(rows) else {
            // PostgreSQL says so only when the query runs.
            let message = format!("{} must not be negative", position.name());
            self.report(ReasonCode::TopK, message, span);
            return Ok(None);
        };
        if select.sort_clause.is_empty() && !(rows == 0 && position == ExprPosition::Offset) {
            let message = format!("{} without ORDER BY picks rows at random", position.name());
            let reason = Reason {
                code: ReasonCode::LimitWithoutOrder,
                message,
                span: place,
                hint: Some("Add an ORDER BY that tells which rows are meant.".into()),
            };
            self.session.report(self.unit, reason);
            return Ok(None);
        }
        Ok(Some(rows))
    }
}

fn sort_by(node: &Node) -> Option<(&SortBy, &Node)> {
    match node.node.as_ref()? {
        NodeEnum::SortBy(sort) => Some((sort, sort.node.as_deref()?)),
        _ => None,
    }
}
