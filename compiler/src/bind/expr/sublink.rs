//! Subqueries in expressions: the operands are bound here, the query by the context.

use super::comparison::EQUALS;
use super::{Binder, node, span_of};
use crate::bind::context::{BindError, SublinkKind};
use crate::typing::error;
use pg_query::NodeEnum;
use pg_query::protobuf::{self, SubLinkType};
use spec::expr::ExprKind;
use spec::{Expr, ReasonCode};

impl Binder<'_, '_> {
    pub(super) fn sublink(&mut self, e: &protobuf::SubLink) -> Result<Expr, BindError> {
        let span = self.typing.span(e.location);
        let kind = match SubLinkType::try_from(e.sub_link_type) {
            Ok(SubLinkType::ExistsSublink) => SublinkKind::Exists,
            Ok(SubLinkType::ExprSublink) => SublinkKind::Scalar,
            Ok(SubLinkType::ArraySublink) => SublinkKind::Array,
            Ok(kind @ (SubLinkType::AnySublink | SubLinkType::AllSublink)) => {
                let operand = self.required(&e.testexpr)?;
                let left = match (
                    operand.kind(),
                    e.testexpr.as_ref().and_then(|t| t.node.as_ref()),
                ) {
                    (ExprKind::Row { fields, .. }, Some(NodeEnum::RowExpr(_))) => fields.clone(),
                    _ => vec![operand],
                };
                let place = e.testexpr.as_ref().and_then(|t| span_of(t, self.typing));
                let left = left.iter().map(|l| self.typing.assign_collations(l, place));
                // IN has no operator.
                let operator = match node::name(&e.oper_name)? {
                    name if name.is_empty() => vec![EQUALS.to_owned()],
                    name => name,
                };
                SublinkKind::Quantified {
                    any: kind == SubLinkType::AnySublink,
                    operator,
                    left: left.collect::<Result<_, _>>()?,
                }
            }
            _ => {
                self.not_incremental(ReasonCode::Subquery, "this kind of subquery", span);
                return Ok(self.placeholder(spec::types::oids::BOOL));
            }
        };
        match &e.subselect {
            Some(select) => self.scope.sublink(kind, select, span),
            None => Err(error(
                ReasonCode::Unsupported,
                "a subquery without a query",
                span,
            )),
        }
    }
}
