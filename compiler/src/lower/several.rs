//! Subqueries of any number of rows where one value stands: all their rows become one.
//!
//! ```text
//! ARRAY(y)    γ[; array_agg(c ORDER BY o)] y, with the empty array for what that is of no rows
//! (y)         γ[; count(*), any_value(c), …] y: NULL of no row, of one what is made of it, and an
//!             error of more, for a row of x that asks for the value
//! ```
//!
//! The parameters of an aggregate over all rows come out as those of any other.

use super::subquery::{Extended, OneRow, unfit};
use super::{LowerError, Lowering, reads_subquery};
use crate::bind::context::AggregateCall;
use crate::bind::query::{Body, From, Grouping, Query, Reads, Select, Subquery, SubqueryKind};
use spec::catalog::TypeKind;
use spec::compiled::OutputColumn;
use spec::expr::{Coercion, ExprKind};
use spec::fold::COUNT_ROWS;
use spec::op::SortKey;
use spec::types::{SqlType, oids};
use spec::{ColType, Expr, Oid, Reason, ReasonCode};
use std::sync::Arc;

const ANY_VALUE: Oid = Oid(6291);
const ARRAY_AGG: Oid = Oid(2335);
const ARRAY_AGG_OF_ARRAYS: Oid = Oid(4053);
const INT8: SqlType = SqlType::new(oids::INT8);
const BOOL: SqlType = SqlType::new(oids::BOOL);

impl Lowering<'_> {
    /// `ARRAY(y)` as a scalar subquery.
    pub(super) fn array(&mut self, subquery: &Subquery, order: &[SortKey]) -> Subquery {
        let (select, columns) = rows(&subquery.query);
        let element = columns.first().map_or(BOOL, Expr::ty);
        let is_array = self.catalog.element_type(element.oid).is_some();
        let array = match is_array {
            true => Some(element.oid),
            false => self.catalog.array_type(element.oid),
        };
        let ty = SqlType {
            oid: array.unwrap_or(element.oid),
            ..element
        };
        let sorted = order.iter().map(|key| SortKey {
            expr: key
                .expr
                .as_column()
                .map_or_else(|| key.expr.clone(), |column| columns[column].clone()),
            ..key.clone()
        });
        let call = AggregateCall {
            args: columns.iter().take(1).cloned().collect(),
            order_by: sorted.collect(),
            ..call(
                match is_array {
                    true => ARRAY_AGG_OF_ARRAYS,
                    false => ARRAY_AGG,
                },
                SqlType { typmod: -1, ..ty },
                subquery,
            )
        };
        let values = Expr::column(0, call.ty);
        let none = Expr::literal("{}", call.ty);
        let value = Expr::new(ExprKind::Coalesce(vec![values, none]), call.ty);
        self.aggregated(subquery, select, vec![call], vec![retyped(value, ty)])
    }

    /// The only row of a subquery that may have several.
    pub(super) fn only_row(
        &mut self,
        ext: &mut Extended,
        subquery: &Subquery,
    ) -> Result<OneRow, LowerError> {
        let (select, columns) = rows(&subquery.query);
        // What is made of the row is made above, where it is known to be one, and of what it reads.
        let mut carried: Vec<Expr> = vec![];
        let mut above = |e: &Expr| {
            let known = carried.iter().position(|c| c == e);
            let at = known.unwrap_or_else(|| {
                carried.push(e.clone());
                carried.len() - 1
            });
            Expr::column(1 + at, e.ty())
        };
        let wanted = match subquery.kind {
            SubqueryKind::Row { .. } => columns.len(),
            _ => 1,
        };
        let values: Vec<Expr> = columns
            .iter()
            .take(wanted)
            .map(|column| match reads_subquery(column) {
                true => above(column),
                false => column.substitute(&mut |c, ty| match Reads::of(c) {
                    Reads::Column(_) => above(&Expr::column(c, ty)),
                    _ => Expr::column(c, ty),
                }),
            })
            .collect();
        let pseudo = |e: &Expr| {
            let ty = self.catalog.ty(e.ty().oid);
            ty.is_some_and(|t| t.kind == TypeKind::Pseudo)
        };
        if carried.iter().any(pseudo) {
            return Err(LowerError::Reason(Reason {
                code: ReasonCode::AnonymousRow,
                message: "a scalar subquery of rows without a type of their own".into(),
                span: subquery.span,
                hint: None,
            }));
        }
        let count = call(COUNT_ROWS, INT8, subquery);
        let mut calls = vec![count];
        calls.extend(carried.iter().map(|e| AggregateCall {
            args: vec![e.clone()],
            ..call(
                ANY_VALUE,
                SqlType {
                    typmod: -1,
                    ..e.ty()
                },
                subquery,
            )
        }));
        // An aggregate does not show the length of what it is of.
        let declared = |e: &Expr| {
            e.substitute(&mut |c, ty| match (Reads::of(c), calls.get(c)) {
                (Reads::Column(_), Some(call)) => retyped(Expr::column(c, call.ty), ty),
                _ => Expr::column(c, ty),
            })
        };
        let outputs = std::iter::once(Expr::column(0, INT8));
        let outputs = outputs.chain(values.iter().map(declared)).collect();
        let counted = self.aggregated(subquery, select, calls, outputs);
        let Some(OneRow {
            there: None,
            mut outputs,
        }) = self.at_most_one(ext, &counted)?
        else {
            return Err(unfit(subquery, "that cannot be counted"));
        };
        let count = outputs.remove(0);
        Ok(OneRow {
            there: Some(self.is_one(count)?),
            outputs,
        })
    }

    /// TRUE of one row, and an error of several.
    fn is_one(&self, count: Expr) -> Result<Expr, LowerError> {
        let compared = |name: &str| -> Result<Expr, LowerError> {
            let operator =
                self.catalog
                    .operator_exact(Some("pg_catalog"), name, INT8.oid, INT8.oid);
            let operator =
                operator.ok_or_else(|| LowerError::NotIncremental(format!("{name} of bigint")))?;
            let kind = ExprKind::Operator {
                operator: operator.oid,
                function: operator.function,
                args: vec![count.clone(), Expr::literal("1", INT8)],
                collation: Oid::INVALID,
            };
            Ok(Expr::new(kind, BOOL))
        };
        let checked = Expr::new(ExprKind::OneRow(count.clone()), BOOL);
        let several = Expr::new(ExprKind::And(vec![compared(">")?, checked]), BOOL);
        let kind = ExprKind::Or(vec![compared("=")?, several]);
        Ok(Expr::new(kind, BOOL))
    }

    /// Aggregates over all rows of a SELECT, in place of a subquery.
    fn aggregated(
        &mut self,
        subquery: &Subquery,
        mut select: Select,
        aggregates: Vec<AggregateCall>,
        outputs: Vec<Expr>,
    ) -> Subquery {
        let columns = outputs.iter().map(|e| OutputColumn {
            name: String::new(),
            ty: ColType {
                ty: e.ty(),
                nullable: true,
            },
        });
        let columns = columns.collect();
        select.grouping = Some(Grouping {
            keys: vec![],
            aggregates,
            sets: vec![],
            groupings: vec![],
            span: subquery.span,
        });
        select.outputs = outputs;
        let query = Arc::new(Query {
            columns,
            body: Body::Select(Box::new(select)),
        });
        self.applied.push(query.clone());
        Subquery {
            kind: SubqueryKind::Scalar,
            query,
            ..subquery.clone()
        }
    }
}

/// The rows of a query before a SELECT list, and its columns over them.
fn rows(query: &Arc<Query>) -> (Select, Vec<Expr>) {
    if let Body::Select(select) = &query.body
        && select.grouping.is_none()
        && !select.distinct
        && !select.ranks()
        && select.sets.is_empty()
    {
        let mut select = (**select).clone();
        let columns = std::mem::take(&mut select.outputs);
        return (select, columns);
    }
    let columns = Expr::of_columns(&query.types(), 0).collect();
    let select = Select {
        from: Some(From::Query {
            name: String::new(),
            query: query.clone(),
        }),
        ..Select::default()
    };
    (select, columns)
}

fn call(function: Oid, ty: SqlType, subquery: &Subquery) -> AggregateCall {
    AggregateCall {
        function,
        direct: vec![],
        args: vec![],
        variadic: false,
        distinct: false,
        order_by: vec![],
        filter: None,
        ty,
        collation: ty.collation,
        span: subquery.span,
    }
}

/// The same value as one of this type, of which it is already.
fn retyped(value: Expr, ty: SqlType) -> Expr {
    if value.ty() == ty {
        return value;
    }
    let cast = ExprKind::Cast {
        arg: value,
        coercion: Coercion::Relabel,
        explicit: true,
    };
    Expr::new(cast, ty)
}
