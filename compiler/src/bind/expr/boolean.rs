//! AND, OR, NOT, IS NULL, IS TRUE.

use super::{Binder, span_of};
use crate::bind::context::BindError;
use crate::typing::error;
use pg_query::protobuf::{self, BoolExprType, BoolTestType, NullTestType};
use spec::catalog::TypeKind;
use spec::expr::{BoolTest, ExprKind};
use spec::types::{SqlType, oids};
use spec::{Expr, ReasonCode};

pub(super) const BOOL: SqlType = SqlType::new(oids::BOOL);

impl Binder<'_, '_> {
    pub(super) fn bool_expr(&mut self, e: &protobuf::BoolExpr) -> Result<Expr, BindError> {
        let op = BoolExprType::try_from(e.boolop).unwrap_or(BoolExprType::Undefined);
        let name = match op {
            BoolExprType::AndExpr => "AND",
            BoolExprType::OrExpr => "OR",
            _ => "NOT",
        };
        let mut args = Vec::with_capacity(e.args.len());
        for arg in &e.args {
            let bound = self.expr(arg)?;
            let span = span_of(arg, self.typing);
            args.push(self.typing.coerce_to_boolean(bound, name, span)?);
        }
        let kind = match (op, args.pop()) {
            (BoolExprType::NotExpr, Some(arg)) if args.is_empty() => ExprKind::Not(arg),
            (BoolExprType::AndExpr, Some(last)) => ExprKind::And(push(args, last)),
            (BoolExprType::OrExpr, Some(last)) => ExprKind::Or(push(args, last)),
            _ => {
                let span = self.typing.span(e.location);
                return Err(error(
                    ReasonCode::Unsupported,
                    "an unknown boolean operator",
                    span,
                ));
            }
        };
        Ok(Expr::new(kind, BOOL))
    }

    pub(super) fn null_test(&mut self, e: &protobuf::NullTest) -> Result<Expr, BindError> {
        let arg = self.row_operand(&e.arg)?;
        let negated = e.nulltesttype == NullTestType::IsNotNull as i32;
        Ok(self.is_null(arg, negated))
    }

    /// Rows are NULL if all their fields are, and not NULL if none is.
    pub(super) fn is_null(&self, arg: Expr, negated: bool) -> Expr {
        let base = self.typing.catalog.base_of(arg.ty().oid);
        let composite = self
            .typing
            .catalog
            .ty(base)
            .is_some_and(|t| t.kind == TypeKind::Composite);
        let row = composite || base == oids::RECORD;
        Expr::new(ExprKind::IsNull { arg, negated, row }, BOOL)
    }

    pub(super) fn boolean_test(&mut self, e: &protobuf::BooleanTest) -> Result<Expr, BindError> {
        let (test, name) = match BoolTestType::try_from(e.booltesttype) {
            Ok(BoolTestType::IsTrue) => (BoolTest::IsTrue, "IS TRUE"),
            Ok(BoolTestType::IsNotTrue) => (BoolTest::IsNotTrue, "IS NOT TRUE"),
            Ok(BoolTestType::IsFalse) => (BoolTest::IsFalse, "IS FALSE"),
            Ok(BoolTestType::IsNotFalse) => (BoolTest::IsNotFalse, "IS NOT FALSE"),
            Ok(BoolTestType::IsUnknown) => (BoolTest::IsUnknown, "IS UNKNOWN"),
            Ok(BoolTestType::IsNotUnknown) => (BoolTest::IsNotUnknown, "IS NOT UNKNOWN"),
            _ => {
                let span = self.typing.span(e.location);
                return Err(error(
                    ReasonCode::Unsupported,
                    "an unknown boolean test",
                    span,
                ));
            }
        };
        let arg = self.required(&e.arg)?;
        let arg = self
            .typing
            .coerce_to_boolean(arg, name, self.typing.span(e.location))?;
        Ok(Expr::new(ExprKind::BoolTest { arg, test }, BOOL))
    }
}

fn push(mut args: Vec<Expr>, last: Expr) -> Vec<Expr> {
    args.push(last);
    args
}
