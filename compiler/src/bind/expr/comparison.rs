//! Operators of all kinds: plain, ANY/ALL of an array, IS DISTINCT FROM, NULLIF, IN, LIKE, BETWEEN.

use super::boolean::BOOL;
use super::{Binder, node};
use crate::bind::context::BindError;
use crate::typing::{Chosen, error};
use pg_query::NodeEnum;
use pg_query::protobuf::{self, AExprKind, Node, SubLinkType};
use spec::catalog::CastContext;
use spec::expr::ExprKind;
use spec::types::{Oid, SqlType, oids};
use spec::{Expr, ReasonCode, Span};

pub(super) const EQUALS: &str = "=";

impl Binder<'_, '_> {
    pub(super) fn operator_expr(&mut self, e: &protobuf::AExpr) -> Result<Expr, BindError> {
        let span = self.typing.span(e.location);
        let name = node::name(&e.name)?;
        match AExprKind::try_from(e.kind).unwrap_or(AExprKind::Undefined) {
            // LIKE and kin name their operator; SIMILAR TO rewrites its pattern by a function call.
            AExprKind::AexprOp
            | AExprKind::AexprLike
            | AExprKind::AexprIlike
            | AExprKind::AexprSimilar => self.plain(e, &name, span),
            AExprKind::AexprOpAny | AExprKind::AexprOpAll => {
                let left = self.required(&e.lexpr)?;
                let right = self.required(&e.rexpr)?;
                let any = e.kind == AExprKind::AexprOpAny as i32;
                self.typing.scalar_array(&name, any, left, right, span)
            }
            AExprKind::AexprDistinct => self.distinct_from(e, &name, false, span),
            AExprKind::AexprNotDistinct => self.distinct_from(e, &name, true, span),
            AExprKind::AexprNullif => {
                let left = self.required(&e.lexpr)?;
                let right = self.required(&e.rexpr)?;
                let chosen = self
                    .typing
                    .choose_operator(&name, Some(left), right, span)?;
                self.must_be_boolean(&chosen, "NULLIF requires = operator to yield boolean", span)?;
                let (operator, args) = two(chosen, span)?;
                let ty = SqlType {
                    typmod: args[0].ty().typmod,
                    ..SqlType::new(args[0].ty().oid)
                };
                let kind = ExprKind::NullIf {
                    operator: operator.0,
                    function: operator.1,
                    args,
                    collation: Oid::INVALID,
                };
                Ok(Expr::new(kind, ty))
            }
            AExprKind::AexprIn => self.in_list(e, &name, span),
            AExprKind::AexprBetween => self.between(e, false, false, span),
            AExprKind::AexprNotBetween => self.between(e, true, false, span),
            AExprKind::AexprBetweenSym => self.between(e, false, true, span),
            AExprKind::AexprNotBetweenSym => self.between(e, true, true, span),
            AExprKind::Undefined => Err(error(
                ReasonCode::Unsupported,
                "an unknown kind of operator",
                span,
            )),
        }
    }

    fn plain(
        &mut self,
        e: &protobuf::AExpr,
        name: &[String],
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        let raw_row = |n: &Option<Box<Node>>| {
            matches!(
                n.as_ref().and_then(|n| n.node.as_ref()),
                Some(NodeEnum::RowExpr(_))
            )
        };
        if raw_row(&e.lexpr)
            && let Some(NodeEnum::SubLink(sub)) = e.rexpr.as_ref().and_then(|n| n.node.as_ref())
            && sub.sub_link_type == SubLinkType::ExprSublink as i32
        {
            return self.row_and_subquery(name, &e.lexpr, sub, span);
        }
        let left = match &e.lexpr {
            Some(_) => Some(self.required(&e.lexpr)?),
            None => None,
        };
        let right = match &e.rexpr {
            Some(right) => self.expr(right)?,
            None => {
                return Err(error(
                    ReasonCode::Syntax,
                    "postfix operators are not supported",
                    span,
                ));
            }
        };
        if raw_row(&e.lexpr)
            && raw_row(&e.rexpr)
            && let Some(left) = &left
            && let ExprKind::Row { fields: left, .. } = left.kind()
            && let ExprKind::Row { fields: right, .. } = right.kind()
        {
            return self.compare_rows(name, left, right, span);
        }
        self.typing.operator(name, left, right, span)
    }

    fn must_be_boolean(
        &self,
        chosen: &Chosen<'_>,
        message: &str,
        span: Option<Span>,
    ) -> Result<(), BindError> {
        if chosen.result == oids::BOOL {
            Ok(())
        } else {
            Err(error(ReasonCode::Type, message, span))
        }
    }

    fn distinct_from(
        &mut self,
        e: &protobuf::AExpr,
        name: &[String],
        negated: bool,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        // Against a bare NULL no equality is needed.
        for (null, other) in [(&e.rexpr, &e.lexpr), (&e.lexpr, &e.rexpr)] {
            if node::is_null_literal(null) {
                let arg = self.required(other)?;
                // Not by the fields of a row: this is about the value itself.
                let kind = ExprKind::IsNull {
                    arg,
                    negated: !negated,
                    row: false,
                };
                return Ok(Expr::new(kind, BOOL));
            }
        }
        let left = self.required(&e.lexpr)?;
        let right = self.required(&e.rexpr)?;
        if let (ExprKind::Row { fields: l, .. }, ExprKind::Row { fields: r, .. }) =
            (left.kind(), right.kind())
            && left.ty().oid == oids::RECORD
            && right.ty().oid == oids::RECORD
        {
            if l.len() != r.len() {
                let message = "unequal number of entries in row expressions";
                return Err(error(ReasonCode::Syntax, message, span));
            }
            let mut pairs = Vec::with_capacity(l.len());
            for (l, r) in l.iter().zip(r) {
                pairs.push(self.distinct(name, l.clone(), r.clone(), false, span)?);
            }
            let distinct = match (pairs.pop(), pairs.is_empty()) {
                (None, _) => self.typing.boolean(false),
                (Some(only), true) => only,
                (Some(last), false) => {
                    pairs.push(last);
                    Expr::new(ExprKind::Or(pairs), BOOL)
                }
            };
            return Ok(if negated {
                Expr::new(ExprKind::Not(distinct), BOOL)
            } else {
                distinct
            });
        }
        self.distinct(name, left, right, negated, span)
    }

    fn distinct(
        &mut self,
        name: &[String],
        left: Expr,
        right: Expr,
        negated: bool,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        let chosen = self.typing.choose_operator(name, Some(left), right, span)?;
        let message = "IS DISTINCT FROM requires = operator to yield boolean";
        self.must_be_boolean(&chosen, message, span)?;
        let (operator, args) = two(chosen, span)?;
        let kind = ExprKind::Distinct {
            operator: operator.0,
            function: operator.1,
            args,
            collation: Oid::INVALID,
            negated,
        };
        Ok(Expr::new(kind, BOOL))
    }

    /// `x IN (…)`: what reads no columns becomes an array of the common type, if there is one; the
    /// rest is compared item by item.
    fn in_list(
        &mut self,
        e: &protobuf::AExpr,
        name: &[String],
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        let any = name.first().is_none_or(|n| n != "<>");
        let mark = self.typing.mark();
        let left = self.required(&e.lexpr)?;
        let of_left = self.typing.since(mark);
        let Some(NodeEnum::List(list)) = e.rexpr.as_ref().and_then(|n| n.node.as_ref()) else {
            return Err(error(ReasonCode::Unsupported, "IN without a list", span));
        };
        let mut items = vec![];
        for item in &list.items {
            items.push(self.expr(item)?);
        }
        let mut parts: Vec<Expr> = vec![];
        let mut rest = items.clone();
        let fixed: Vec<&Expr> = items.iter().filter(|i| i.columns().is_empty()).collect();
        if fixed.len() > 1
            && let Some(array) = self.array_for_in(&left, &fixed, span)?
        {
            parts.push(
                self.typing
                    .scalar_array(name, any, left.clone(), array, span)?,
            );
            rest.retain(|i| !i.columns().is_empty());
        }
        for item in rest {
            // PostgreSQL's tree has a copy of the operand for each comparison.
            if !parts.is_empty() {
                self.typing.repeat(&of_left, span)?;
            }
            let compared = match (left.kind(), item.kind()) {
                (ExprKind::Row { fields: l, .. }, ExprKind::Row { fields: r, .. })
                    if left.ty().oid == oids::RECORD && item.ty().oid == oids::RECORD =>
                {
                    self.compare_rows(name, l, r, span)?
                }
                _ => self.typing.operator(name, Some(left.clone()), item, span)?,
            };
            parts.push(self.typing.coerce_to_boolean(compared, "IN", span)?);
        }
        Ok(match (parts.pop(), parts.is_empty()) {
            (None, _) => return Err(error(ReasonCode::Syntax, "IN with an empty list", span)),
            (Some(only), true) => only,
            (Some(last), false) => {
                parts.push(last);
                let kind = if any {
                    ExprKind::Or(parts)
                } else {
                    ExprKind::And(parts)
                };
                Expr::new(kind, BOOL)
            }
        })
    }

    fn array_for_in(
        &mut self,
        left: &Expr,
        fixed: &[&Expr],
        span: Option<Span>,
    ) -> Result<Option<Expr>, BindError> {
        let all: Vec<&Expr> = std::iter::once(left).chain(fixed.iter().copied()).collect();
        let Ok(common) = self.typing.common_type(&all, "IN", span) else {
            return Ok(None);
        };
        let common = common.oid;
        let array = self
            .typing
            .catalog
            .array_type(common)
            .filter(|_| common != oids::RECORD);
        let fits = |e: &&Expr| {
            self.typing
                .can_coerce(e.ty().oid, common, CastContext::Implicit)
        };
        let Some(array) = array.filter(|_| all.iter().all(fits)) else {
            return Ok(None);
        };
        let elements: Result<Vec<Expr>, BindError> = (fixed.iter().copied())
            .map(|e| self.typing.coerce_to_common(e.clone(), common, "IN", span))
            .collect();
        let elements = elements?;
        let ty = SqlType {
            typmod: super::conditional::agreed(common, elements.iter()).typmod,
            ..SqlType::new(array)
        };
        Ok(Some(Expr::new(ExprKind::Array(elements), ty)))
    }

    /// `a BETWEEN b AND c` is `a >= b AND a <= c`; SYMMETRIC adds the same with b and c exchanged.
    fn between(
        &mut self,
        e: &protobuf::AExpr,
        negated: bool,
        symmetric: bool,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        let Some(NodeEnum::List(bounds)) = e.rexpr.as_ref().and_then(|n| n.node.as_ref()) else {
            return Err(error(
                ReasonCode::Unsupported,
                "BETWEEN without bounds",
                span,
            ));
        };
        let [low, high] = bounds.items.as_slice() else {
            return Err(error(
                ReasonCode::Unsupported,
                "BETWEEN without two bounds",
                span,
            ));
        };
        // PostgreSQL binds a copy of the operand for each comparison; copies are alike.
        let operand = |binder: &mut Self, node: &Node| -> Result<_, BindError> {
            let mark = binder.typing.mark();
            let expr = binder.expr(node)?;
            Ok((expr, binder.typing.since(mark)))
        };
        let Some(value) = &e.lexpr else {
            return Err(error(
                ReasonCode::Unsupported,
                "BETWEEN without an operand",
                span,
            ));
        };
        let (value, of_value) = operand(self, value)?;
        let (low, of_low) = operand(self, low)?;
        let (high, of_high) = operand(self, high)?;
        let (first, second) = if negated { ("<", ">") } else { (">=", "<=") };
        let compare = |low: &Expr, high: &Expr| -> Result<Expr, BindError> {
            let mut parts = Vec::with_capacity(2);
            for (symbol, bound) in [(first, low), (second, high)] {
                let name = [symbol.to_owned()];
                let compared =
                    self.typing
                        .operator(&name, Some(value.clone()), bound.clone(), span)?;
                let clause = if negated { "OR" } else { "AND" };
                parts.push(self.typing.coerce_to_boolean(compared, clause, span)?);
            }
            let kind = if negated {
                ExprKind::Or(parts)
            } else {
                ExprKind::And(parts)
            };
            Ok(Expr::new(kind, BOOL))
        };
        let one = compare(&low, &high)?;
        self.typing.repeat(&of_value, span)?;
        if !symmetric {
            return Ok(one);
        }
        let other = compare(&high, &low)?;
        for copied in [&of_value, &of_value, &of_low, &of_high] {
            self.typing.repeat(copied, span)?;
        }
        let parts = vec![one, other];
        let kind = if negated {
            ExprKind::And(parts)
        } else {
            ExprKind::Or(parts)
        };
        Ok(Expr::new(kind, BOOL))
    }
}

/// The operator and its function, with both operands.
pub(super) fn two(
    chosen: Chosen<'_>,
    span: Option<Span>,
) -> Result<((Oid, Oid), [Expr; 2]), BindError> {
    let operator = (chosen.operator.oid, chosen.operator.function);
    match <[Expr; 2]>::try_from(chosen.args) {
        Ok(args) => Ok((operator, args)),
        Err(_) => Err(error(
            ReasonCode::Unsupported,
            "an operator without two operands",
            span,
        )),
    }
}
