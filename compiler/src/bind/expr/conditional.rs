//! CASE, COALESCE, GREATEST, LEAST.

use super::comparison::EQUALS;
use super::{Binder, moved_to_lateral, returns_set, span_of};
use crate::bind::context::BindError;
use crate::typing::error;
use pg_query::NodeEnum;
use pg_query::protobuf::{self, MinMaxOp, Node};
use spec::expr::ExprKind;
use spec::types::{Oid, SqlType, oids};
use spec::{Expr, ReasonCode, Span};

impl Binder<'_, '_> {
    /// `CASE x WHEN y` is `CASE WHEN x = y`; what x may do besides having a value is reported
    /// elsewhere, so copies of it do no harm.
    pub(super) fn case(&mut self, e: &protobuf::CaseExpr) -> Result<Expr, BindError> {
        let test = match &e.arg {
            Some(arg) => {
                let test = self.expr(arg)?;
                Some(self.typing.resolve_unknown(test))
            }
            None => None,
        };
        let mut conditions = vec![];
        let mut results = vec![];
        let mut places = vec![];
        for when in &e.args {
            let Some(NodeEnum::CaseWhen(when)) = &when.node else {
                let span = self.typing.span(e.location);
                return Err(error(ReasonCode::Unsupported, "a CASE without WHEN", span));
            };
            let span = self.typing.span(when.location);
            let condition = self.required(&when.expr)?;
            let condition = match &test {
                Some(test) => {
                    let name = [EQUALS.to_owned()];
                    self.typing
                        .operator(&name, Some(test.clone()), condition, span)?
                }
                None => condition,
            };
            conditions.push(
                self.typing
                    .coerce_to_boolean(condition, "CASE/WHEN", span)?,
            );
            results.push(self.required(&when.result)?);
            places.push(when.result.as_ref().and_then(|r| span_of(r, self.typing)));
        }
        let otherwise = match &e.defresult {
            Some(otherwise) => self.expr(otherwise)?,
            None => self.typing.unknown_literal(None),
        };
        // ELSE counts first.
        let all: Vec<&Expr> = std::iter::once(&otherwise).chain(&results).collect();
        let span = self.typing.span(e.location);
        let common = self.typing.common_type(&all, "CASE", span)?.oid;
        let otherwise = self
            .typing
            .coerce_to_common(otherwise, common, "CASE/ELSE", span)?;
        let mut whens = Vec::with_capacity(results.len());
        for ((condition, result), place) in conditions.into_iter().zip(results).zip(places) {
            let result = self
                .typing
                .coerce_to_common(result, common, "CASE/WHEN", place)?;
            whens.push((condition, result));
        }
        let results = std::iter::once(&otherwise).chain(whens.iter().map(|(_, r)| r));
        let ty = agreed(common, results);
        self.without_sets(
            Expr::new(ExprKind::Case { whens, otherwise }, ty),
            "CASE",
            span,
        )
    }

    pub(super) fn coalesce(&mut self, e: &protobuf::CoalesceExpr) -> Result<Expr, BindError> {
        let span = self.typing.span(e.location);
        let args = self.of_common_type(&e.args, "COALESCE", span)?;
        let common = args.first().map_or(oids::TEXT, |a| a.ty().oid);
        let ty = agreed(common, args.iter());
        self.without_sets(Expr::new(ExprKind::Coalesce(args), ty), "COALESCE", span)
    }

    /// Refuses what would make rows in some branch only.
    fn without_sets(&self, expr: Expr, place: &str, span: Option<Span>) -> Result<Expr, BindError> {
        match returns_set(&expr, self.typing.catalog) {
            false => Ok(expr),
            true => {
                let message = format!("set-returning functions are not allowed in {place}");
                Err(moved_to_lateral(message, span))
            }
        }
    }

    pub(super) fn min_max(&mut self, e: &protobuf::MinMaxExpr) -> Result<Expr, BindError> {
        let span = self.typing.span(e.location);
        let greatest = e.op == MinMaxOp::IsGreatest as i32;
        let name = if greatest { "GREATEST" } else { "LEAST" };
        let args = self.of_common_type(&e.args, name, span)?;
        let common = args.first().map_or(oids::TEXT, |a| a.ty().oid);
        self.typing.ordering_operator(common, greatest, span)?;
        let ty = agreed(common, args.iter());
        let kind = ExprKind::MinMax {
            greatest,
            args,
            collation: Oid::INVALID,
        };
        Ok(Expr::new(kind, ty))
    }

    fn of_common_type(
        &mut self,
        nodes: &[Node],
        clause: &str,
        span: Option<Span>,
    ) -> Result<Vec<Expr>, BindError> {
        let mut args = Vec::with_capacity(nodes.len());
        for node in nodes {
            args.push(self.expr(node)?);
        }
        let all: Vec<&Expr> = args.iter().collect();
        let common = self.typing.common_type(&all, clause, span)?.oid;
        let coerce = |(arg, node)| {
            self.typing
                .coerce_to_common(arg, common, clause, span_of(node, self.typing))
        };
        args.into_iter().zip(nodes).map(coerce).collect()
    }
}

/// The type, with the typmod on which all alternatives agree.
pub(super) fn agreed<'e>(ty: Oid, mut exprs: impl Iterator<Item = &'e Expr>) -> SqlType {
    let first = exprs.next().map_or(SqlType::new(ty), |e| e.ty());
    let same = first.oid == ty && exprs.all(|e| e.ty().oid == ty && e.ty().typmod == first.typmod);
    SqlType {
        typmod: if same { first.typmod } else { -1 },
        ..SqlType::new(ty)
    }
}
