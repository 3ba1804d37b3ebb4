//! VALUES: rows of expressions, each column of the type that is common to its rows.

use super::clause::Aggregates;
use super::context::BindError;
use super::expr::{ExprPosition, bind_list};
use super::query::{Body, Query};
use super::scope::Scope;
use super::select::NO_ITEMS;
use super::{Binder, Order, set_operation::retype};
use crate::typing::error;
use pg_query::NodeEnum;
use pg_query::protobuf::SelectStmt;
use spec::compiled::OutputColumn;
use spec::{ColType, Expr, ReasonCode};

impl Binder<'_> {
    pub(super) fn values(
        &mut self,
        select: &SelectStmt,
        parent: Option<&Scope<'_>>,
        order: Order,
    ) -> Result<Query, BindError> {
        let unit = self.unit;
        let scope = Scope {
            items: NO_ITEMS,
            parent,
            depth: self.session.depth_of_subqueries(),
        };
        let mut rows: Vec<Vec<Expr>> = vec![];
        self.session.subqueries.push(vec![]);
        let mut clause = self.clause(&scope, ExprPosition::Values, Aggregates::No);
        for list in &select.values_lists {
            let Some(NodeEnum::List(list)) = &list.node else {
                return Err(error(ReasonCode::Unsupported, "a row of VALUES", None));
            };
            let row = bind_list(&list.items, ExprPosition::Values, &mut clause, &unit.typing)?;
            if rows.first().is_some_and(|first| first.len() != row.len()) {
                let message = "VALUES lists must all be the same length";
                let span = list
                    .items
                    .first()
                    .and_then(|i| super::expr::span_of(i, &unit.typing));
                return Err(error(ReasonCode::Type, message, span));
            }
            rows.push(row);
        }
        let width = rows.first().map_or(0, Vec::len);
        let mut columns = vec![];
        for i in 0..width {
            let column: Vec<&Expr> = rows.iter().map(|r| &r[i]).collect();
            let mut ty = unit.typing.common_type(&column, "VALUES", None)?;
            let coerced = column
                .iter()
                .map(|e| {
                    let e = unit
                        .typing
                        .coerce_to_common((*e).clone(), ty.oid, "VALUES", None)?;
                    unit.typing.assign_collations(&e, None)
                })
                .collect::<Result<Vec<Expr>, _>>()?;
            if unit.catalog.type_collation(ty.oid).is_valid() {
                let all: Vec<&Expr> = coerced.iter().collect();
                ty.collation = unit.typing.common_collation(&all, true, None)?;
            }
            let nullable = coerced.iter().any(|e| e.nullable(&[]));
            for (row, expr) in rows.iter_mut().zip(coerced) {
                row[i] = retype(expr, ty);
            }
            columns.push(OutputColumn {
                name: format!("column{}", i + 1),
                ty: ColType { ty, nullable },
            });
        }
        unit.typing.flush(&mut clause);
        let subqueries = self.session.subqueries.pop().unwrap_or_default();
        let query = match subqueries.is_empty() {
            true => Query {
                columns,
                body: Body::Values(rows),
            },
            false => Query::of_rows(&columns, &rows, &subqueries),
        };
        self.top_of(select, query, &scope, order)
    }
}
