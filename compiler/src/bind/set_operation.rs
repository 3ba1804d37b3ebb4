//! UNION, INTERSECT and EXCEPT, with and without ALL.
//!
//! Types are found pairwise, from left to right, as PostgreSQL does: `a UNION b UNION c` is
//! `(a UNION b) UNION c`.

use super::context::BindError;
use super::from::head;
use super::query::{Body, Branch, Query, SetOperator};
use super::scope::Scope;
use super::{Binder, Order, Unknowns};
use crate::typing::error;
use pg_query::protobuf::{SelectStmt, SetOperation};
use spec::compiled::OutputColumn;
use spec::expr::{Coercion, ExprKind};
use spec::types::oids;
use spec::{ColType, Expr, ReasonCode, Span, SqlType};
use std::sync::Arc;

impl Binder<'_> {
    pub(super) fn set_operation(
        &mut self,
        select: &SelectStmt,
        parent: Option<&Scope<'_>>,
        order: Order,
    ) -> Result<Query, BindError> {
        // Down the left side without recursion: a UNION of hundreds is not deep.
        let mut spine = vec![select];
        let mut leftmost = select.larg.as_deref();
        while let Some(left) = leftmost {
            if !is_inner(left) {
                break;
            }
            spine.push(left);
            leftmost = left.larg.as_deref();
        }
        let missing = || error(ReasonCode::Unsupported, "a set operation of one side", None);
        let leftmost = leftmost.ok_or_else(missing)?;
        let mut left = self.query(leftmost, parent, Unknowns::Keep)?;
        for (above, operation) in spine.into_iter().enumerate().rev() {
            let rarg = operation.rarg.as_deref().ok_or_else(missing)?;
            if left.has_known_columns() && above == 0 {
                self.note_columns(&left.columns);
            }
            let right = self.query(rarg, parent, Unknowns::Keep)?;
            let operator = match operation.op() {
                SetOperation::SetopIntersect => SetOperator::Intersect,
                SetOperation::SetopExcept => SetOperator::Except,
                _ => SetOperator::Union,
            };
            let words = [operator.word()];
            let span = self.unit.text.keyword_before(head(rarg), &words, &[]);
            left = self.combine(operator, operation.all, left, right, span)?;
        }
        self.top_of(select, left, parent.unwrap_or(&Scope::EMPTY), order)
    }

    fn combine(
        &mut self,
        operator: SetOperator,
        all: bool,
        mut left: Query,
        mut right: Query,
        span: Option<Span>,
    ) -> Result<Query, BindError> {
        let word = operator.word();
        let union_all = operator == SetOperator::Union && all;
        if !self.known(&left) || !self.known(&right) {
            return Ok(self.opaque(word, None));
        }
        if left.columns.len() != right.columns.len() {
            let message = format!("each {word} query must have the same number of columns");
            return Err(error(ReasonCode::Type, message, span));
        }
        let unit = self.unit;
        let mut columns = vec![];
        let mut outputs = [vec![], vec![]];
        for i in 0..left.columns.len() {
            let sides = [column(&left, i), column(&right, i)];
            // PostgreSQL only tries the coercions here: its tree has them once it is planned.
            let mark = unit.typing.mark();
            let ty = unit
                .typing
                .set_operation_column(&sides[0], &sides[1], word, union_all, span)?;
            unit.typing.rewind(mark);
            for ((query, side), outputs) in [&mut left, &mut right]
                .into_iter()
                .zip(sides)
                .zip(&mut outputs)
            {
                let undecided = side.as_column().is_none();
                let coerced = unit.typing.coerce_to_common(side, ty.oid, word, span)?;
                unit.typing.rewind(mark);
                let coerced = unit.typing.assign_collations(&coerced, span)?;
                outputs.push(match undecided {
                    true => retype(decide(query, i, coerced), ty),
                    false => retype(coerced, ty),
                });
            }
            let nullable = outputs
                .iter()
                .zip([&left, &right])
                .any(|(o, q)| o[i].nullable(&q.types()));
            columns.push(OutputColumn {
                name: left.columns[i].name.clone(),
                ty: ColType { ty, nullable },
            });
        }
        if !union_all {
            let what = if all {
                format!("{word} ALL")
            } else {
                word.into()
            };
            for of_left in &outputs[0] {
                self.note_images(of_left, &what, span);
            }
        }
        let [of_left, of_right] = outputs;
        let branch = |query: Query, outputs| Branch {
            query: Arc::new(query),
            outputs,
        };
        Ok(Query {
            columns,
            body: Body::SetOperation {
                operator,
                all,
                branches: [branch(left, of_left), branch(right, of_right)],
            },
        })
    }
}

/// A set operation whose own ORDER BY, LIMIT or WITH does not set it apart.
fn is_inner(select: &SelectStmt) -> bool {
    !matches!(
        select.op(),
        SetOperation::SetopNone | SetOperation::Undefined
    ) && select.sort_clause.is_empty()
        && select.limit_count.is_none()
        && select.limit_offset.is_none()
        && select.locking_clause.is_empty()
        && select.with_clause.is_none()
}

/// A column of a branch, or the literal of unknown type that it is.
fn column(query: &Query, i: usize) -> Expr {
    let ty = query.columns[i].ty.ty;
    match &query.body {
        Body::Select(select) if ty.oid == oids::UNKNOWN => select.outputs[i].clone(),
        _ => Expr::column(i, ty),
    }
}

/// Gives an undecided output of a branch its expression; the column that it is from now on.
fn decide(query: &mut Query, i: usize, expr: Expr) -> Expr {
    let ty = expr.ty();
    let column = &mut query.columns[i];
    column.ty = ColType {
        ty,
        nullable: expr.nullable(&[]),
    };
    if let Body::Select(select) = &mut query.body {
        select.outputs[i] = expr;
    }
    Expr::column(i, ty)
}

/// The same value under another typmod or collation.
pub(super) fn retype(expr: Expr, ty: SqlType) -> Expr {
    if expr.ty() == ty {
        return expr;
    }
    if let ExprKind::Const(value) = expr.kind()
        && expr.ty().oid == ty.oid
    {
        return Expr::new(ExprKind::Const(value.clone()), ty);
    }
    Expr::new(
        ExprKind::Cast {
            arg: expr,
            coercion: Coercion::Relabel,
            explicit: false,
        },
        ty,
    )
}
