//! JOIN … ON, USING, NATURAL, CROSS JOIN: conditions, and columns merged by name.
//!
//! A merged column is read from the left side of an inner or left join, from the right side of a
//! right join, and is `COALESCE(left, right)` of a full join.

use super::Binder;
use super::clause::Aggregates;
use super::context::BindError;
use super::expr::ExprPosition;
use super::from::{Bound, check_names, location};
use super::query::{From, JoinKind};
use super::scope::{Item, Named, Scope};
use crate::typename::strings;
use crate::typing::{UsingSides, error};
use pg_query::protobuf::{JoinExpr, JoinType};
use spec::expr::ExprKind;
use spec::types::{SqlType, oids};
use spec::{Expr, ReasonCode, Span};
use std::sync::Arc;

impl Binder<'_> {
    pub(super) fn join(
        &mut self,
        join: &JoinExpr,
        start: usize,
        outside: &[Item],
        parent: Option<&Scope<'_>>,
    ) -> Result<Bound, BindError> {
        let (Some(larg), Some(rarg)) = (join.larg.as_deref(), join.rarg.as_deref()) else {
            return Err(error(ReasonCode::Unsupported, "a join of one side", None));
        };
        let kind = match join.jointype() {
            JoinType::JoinInner => JoinKind::Inner,
            JoinType::JoinLeft => JoinKind::Left,
            JoinType::JoinRight => JoinKind::Right,
            JoinType::JoinFull => JoinKind::Full,
            _ => return Err(error(ReasonCode::Unsupported, "an unknown join", None)),
        };
        let mut left = self.bind_item(larg, start, outside, parent)?;
        let span = self.join_span(location(rarg));
        let readable = matches!(kind, JoinKind::Inner | JoinKind::Left);
        let of_left = left.namespace.iter().map(|item| Item {
            barred: item.barred || !readable,
            ..item.clone()
        });
        let before: Vec<Item> = outside.iter().cloned().chain(of_left).collect();
        let mut right = self.bind_item(rarg, start + left.width, &before, parent)?;
        check_names(&left.namespace, &right.namespace, self.place(rarg))?;

        let common = if join.is_natural {
            let shared = |c: &&Named| right.top.columns.iter().any(|r| r.name == c.name);
            let names = left.top.columns.iter().filter(shared);
            names.map(|c| c.name.clone()).collect()
        } else {
            strings(&join.using_clause)
        };
        let (missing_left, missing_right) = (
            matches!(kind, JoinKind::Right | JoinKind::Full),
            matches!(kind, JoinKind::Left | JoinKind::Full),
        );
        if kind == JoinKind::Full {
            // What is merged is of either side.
            self.pad(&mut left.namespace, &mut left.top, true, span);
            self.pad(&mut right.namespace, &mut right.top, true, span);
        }
        let merged = self.merge(&left.top, &right.top, &common, kind, span)?;
        let present = match (missing_left, missing_right) {
            (false, false) => left.top.present.as_ref().or(right.top.present.as_ref()),
            (false, true) => left.top.present.as_ref(),
            (true, false) => right.top.present.as_ref(),
            (true, true) => None,
        };
        let present = present.cloned();
        let mut namespace = left.namespace;
        let of_right = namespace.len();
        namespace.append(&mut right.namespace);
        let condition = match join.quals.as_deref() {
            Some(condition) => {
                let scope = Scope {
                    items: &namespace,
                    parent,
                    depth: self.session.depth_of_subqueries(),
                };
                let mut clause = self.clause(&scope, ExprPosition::JoinOn, Aggregates::No);
                Some(clause.condition(condition)?)
            }
            None => conjunction(merged.conditions),
        };
        let (of_left, of_right) = namespace.split_at_mut(of_right);
        self.pad(of_left, &mut left.top, missing_left, span);
        self.pad(of_right, &mut right.top, missing_right, span);
        hide_columns(&mut namespace);

        let rest = |item: &Item| -> Vec<Named> {
            let kept = item.columns.iter().filter(|c| !common.contains(&c.name));
            kept.cloned().collect()
        };
        let mut columns = merged.columns.clone();
        columns.extend(rest(&left.top));
        columns.extend(rest(&right.top));
        let mut top = Item::new(join.alias.as_ref().map(|a| a.aliasname.clone()), columns);
        top.opaque = left.top.opaque || right.top.opaque;
        top.present = present;
        self.rename_columns(&mut top, join.alias.as_ref())?;
        if join.alias.is_some() {
            namespace.clear();
        }
        if let Some(alias) = &join.join_using_alias {
            let mut item = Item::new(Some(alias.aliasname.clone()), merged.columns);
            item.by_columns = false;
            check_names(&namespace, std::slice::from_ref(&item), span)?;
            namespace.push(item);
        }
        namespace.push(top.clone());
        Ok(Bound {
            width: left.width + right.width,
            from: From::Join {
                kind,
                left: Box::new(left.from),
                right: Box::new(right.from),
                condition,
            },
            top,
            namespace,
        })
    }

    /// The columns of USING, and what they demand.
    fn merge(
        &mut self,
        left: &Item,
        right: &Item,
        names: &[String],
        kind: JoinKind,
        span: Option<Span>,
    ) -> Result<Merged, BindError> {
        let mut merged = Merged::default();
        for (i, name) in names.iter().enumerate() {
            if names[..i].contains(name) {
                let message = format!("column name \"{name}\" appears more than once in USING");
                return Err(error(ReasonCode::Name, message, span));
            }
            let (Some(l), Some(r)) = (
                self.side(left, name, "left", span)?,
                self.side(right, name, "right", span)?,
            ) else {
                // One side's columns are not known.
                self.session.lost_columns = true;
                let unknown = Expr::null(SqlType::new(oids::UNKNOWN));
                merged.columns.push(Named::new(name, unknown));
                continue;
            };
            let unit = self.unit;
            let typing = &unit.typing;
            let sides = match kind {
                JoinKind::Inner => UsingSides::Either,
                JoinKind::Left => UsingSides::Left,
                JoinKind::Right => UsingSides::Right,
                JoinKind::Full => UsingSides::Both,
            };
            let column = typing.using_column(l, r, sides, span)?;
            let nothing = Scope::EMPTY;
            let mut clause = self.clause(&nothing, ExprPosition::JoinOn, Aggregates::No);
            typing.flush(&mut clause);
            merged.conditions.push(column.condition);
            merged.columns.push(Named::new(name, column.merged));
        }
        Ok(merged)
    }

    fn side(
        &self,
        item: &Item,
        name: &str,
        side: &str,
        span: Option<Span>,
    ) -> Result<Option<Expr>, BindError> {
        let mut found = item.columns.iter().filter(|c| c.name == name);
        match (found.next(), found.next()) {
            (Some(column), None) => Ok(Some(column.expr.clone())),
            (Some(_), Some(_)) => {
                let message =
                    format!("common column name \"{name}\" appears more than once in {side} table");
                Err(error(ReasonCode::Name, message, span))
            }
            (None, _) if item.opaque => Ok(None),
            (None, _) => {
                let message = format!(
                    "column \"{name}\" specified in USING clause does not exist in {side} table"
                );
                Err(error(ReasonCode::Name, message, span))
            }
        }
    }

    /// `LEFT OUTER JOIN`, before the right side.
    fn join_span(&self, right: Option<i32>) -> Option<Span> {
        let before = [
            "LEFT", "RIGHT", "FULL", "OUTER", "INNER", "CROSS", "NATURAL",
        ];
        self.unit.text.keyword_before(right, &["JOIN"], &before)
    }
}

#[derive(Default)]
struct Merged {
    columns: Vec<Named>,
    conditions: Vec<Expr>,
}

impl Binder<'_> {
    /// The rows of a side may be missing from now on. Then what is computed from them, as virtual
    /// generated columns are, is NULL, whatever it would make of NULLs.
    fn pad(&mut self, items: &mut [Item], top: &mut Item, missing: bool, span: Option<Span>) {
        if !missing {
            return;
        }
        let mut computed: Vec<(Expr, Expr)> = vec![];
        for item in items {
            let columns = Arc::make_mut(&mut item.columns).iter_mut();
            for column in columns.filter(|c| item.computed && c.expr.as_column().is_none()) {
                let Some(present) = &item.present else {
                    let message = format!(
                        "generated column \"{}\" of a table without a NOT NULL column, on the side of an outer join whose rows may be missing",
                        column.name
                    );
                    self.report(ReasonCode::Unsupported, message, span);
                    continue;
                };
                let there = ExprKind::IsNull {
                    arg: present.clone(),
                    negated: true,
                    row: false,
                };
                let ty = column.expr.ty();
                let kind = ExprKind::Case {
                    whens: vec![(
                        Expr::new(there, SqlType::new(oids::BOOL)),
                        column.expr.clone(),
                    )],
                    otherwise: Expr::null(ty),
                };
                let padded = Expr::new(kind, ty);
                computed.push((std::mem::replace(&mut column.expr, padded.clone()), padded));
            }
            item.padded = true;
            item.computed = false;
        }
        top.padded = true;
        for column in Arc::make_mut(&mut top.columns) {
            if let Some((_, padded)) = computed.iter().find(|(e, _)| *e == column.expr) {
                column.expr = padded.clone();
            }
        }
    }
}

/// The columns of a side are reached through the join from now on.
fn hide_columns(items: &mut Vec<Item>) {
    for item in items.iter_mut() {
        item.by_columns = false;
    }
    items.retain(|i| i.by_name);
}

pub(super) fn conjunction(mut conditions: Vec<Expr>) -> Option<Expr> {
    match conditions.len() {
        0 => None,
        1 => conditions.pop(),
        _ => Some(Expr::new(
            ExprKind::And(conditions),
            SqlType::new(oids::BOOL),
        )),
    }
}
