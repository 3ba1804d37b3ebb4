//! ORDER BY and LIMIT. The order of a table's rows means nothing, so ORDER BY is bound only for
//! its errors; LIMIT makes it matter.

use super::Binder;
use super::clause::Aggregates;
use super::context::BindError;
use super::expr::{ExprPosition, bind_expr};
use super::grouping::plain;
use super::scope::Scope;
use super::select::{Level, Seen, Target};
use crate::typename::strings;
use crate::typing::error;
use pg_query::NodeEnum;
use pg_query::protobuf::{LimitOption, Node, SelectStmt, a_const};
use spec::compiled::OutputColumn;
use spec::types::oids;
use spec::{Reason, ReasonCode};

impl Binder<'_> {
    pub(super) fn order_by(
        &mut self,
        clause: &[Node],
        targets: &mut [Target],
        level: &mut Level<'_>,
    ) -> Result<Vec<Seen>, BindError> {
        let mut keys = vec![];
        for node in clause {
            let Some(key) = sort_expression(node) else {
                continue;
            };
            let (expr, seen) = self.sql92_key(key, ExprPosition::OrderBy, targets, level)?;
            let ordered = self.unit.catalog.equality(expr.ty().oid);
            if !ordered.is_some_and(|e| e.lt.is_valid()) && !self.session.lost_columns {
                let ty = self.unit.catalog.ty(expr.ty().oid);
                let message = format!(
                    "could not identify an ordering operator for type {}",
                    ty.map_or("?", |t| &t.name)
                );
                return Err(error(ReasonCode::NoEquality, message, self.expr_span(key)));
            }
            keys.push((expr, seen));
        }
        Ok(keys)
    }

    /// Under DISTINCT, only what is put out can be ordered by.
    pub(super) fn check_distinct_order(
        &self,
        order: &[Seen],
        targets: &[Target],
        select: &SelectStmt,
    ) -> Result<(), BindError> {
        for ((expr, _), node) in order.iter().zip(&select.sort_clause) {
            if !targets.iter().any(|t| plain(&t.expr) == plain(expr)) {
                let message =
                    "for SELECT DISTINCT, ORDER BY expressions must appear in select list";
                let span = sort_expression(node).and_then(|n| self.expr_span(n));
                return Err(error(ReasonCode::Type, message, span));
            }
        }
        Ok(())
    }

    /// ORDER BY of a set operation or of VALUES: output columns by name or number.
    pub(super) fn order_by_output(
        &self,
        clause: &[Node],
        columns: &[OutputColumn],
        known: bool,
    ) -> Result<(), BindError> {
        for node in clause {
            let Some(key) = sort_expression(node) else {
                continue;
            };
            let span = self.expr_span(key);
            let found = match key.node.as_ref() {
                Some(NodeEnum::ColumnRef(c)) => match strings(&c.fields).as_slice() {
                    [name] => columns.iter().any(|c| c.name == *name),
                    _ => false,
                },
                Some(NodeEnum::AConst(c)) => match c.val {
                    Some(a_const::Val::Ival(ref n)) => {
                        usize::try_from(n.ival).is_ok_and(|n| n > 0 && n <= columns.len())
                    }
                    _ => false,
                },
                _ => false,
            };
            if !found && known {
                let message = "ORDER BY of a set operation must name or number an output column";
                return Err(error(ReasonCode::Name, message, span));
            }
        }
        Ok(())
    }

    /// Reports LIMIT and OFFSET, unless they say nothing (`LIMIT ALL`, `OFFSET 0`).
    pub(super) fn limit(
        &mut self,
        select: &SelectStmt,
        scope: &Scope<'_>,
    ) -> Result<(), BindError> {
        let outer = Scope {
            items: super::select::NO_ITEMS,
            parent: scope.parent,
            depth: scope.depth,
        };
        let unit = self.unit;
        let parts = [
            (&select.limit_count, ExprPosition::Limit, ["LIMIT", "FETCH"]),
            (
                &select.limit_offset,
                ExprPosition::Offset,
                ["OFFSET", "OFFSET"],
            ),
        ];
        for (node, position, words) in parts {
            let Some(node) = node.as_deref() else {
                continue;
            };
            let span = self.expr_span(node);
            let mut clause = self.clause(&outer, position, Aggregates::No);
            let value = bind_expr(node, position, &mut clause, &unit.typing)?;
            unit.typing
                .coerce_to_specific(value, oids::INT8, position.name(), span)?;
            unit.typing.flush(&mut clause);
            if says_nothing(node, position) {
                continue;
            }
            let location = span.and_then(|s| i32::try_from(s.start).ok());
            let span = unit.text.keyword_before(location, &words, &[]).or(span);
            if select.sort_clause.is_empty() {
                let message = format!("{} without ORDER BY picks rows at random", position.name());
                let reason = Reason {
                    code: ReasonCode::LimitWithoutOrder,
                    message,
                    span,
                    hint: Some("Add an ORDER BY that tells which rows are meant.".into()),
                };
                self.session.report(self.unit, reason);
            } else {
                let ties = select.limit_option() == LimitOption::WithTies
                    && position == ExprPosition::Limit;
                let message = match ties {
                    true => "ORDER BY … FETCH … WITH TIES".to_string(),
                    false => format!("ORDER BY … {}", position.name()),
                };
                self.report(ReasonCode::TopK, message, span);
            }
        }
        Ok(())
    }
}

fn sort_expression(node: &Node) -> Option<&Node> {
    match node.node.as_ref()? {
        NodeEnum::SortBy(sort) => sort.node.as_deref(),
        _ => None,
    }
}

fn says_nothing(node: &Node, position: ExprPosition) -> bool {
    let Some(NodeEnum::AConst(constant)) = &node.node else {
        return false;
    };
    let zero = match &constant.val {
        Some(a_const::Val::Ival(n)) => n.ival == 0,
        _ => false,
    };
    constant.isnull || (zero && position == ExprPosition::Offset)
}
