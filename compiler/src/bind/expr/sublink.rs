//! Subqueries in expressions: the operands are bound here, the query by the context.

use super::comparison::EQUALS;
use super::{Binder, node, span_of};
use crate::bind::context::{BindError, SublinkKind};
use crate::typing::error;
use pg_query::NodeEnum;
use pg_query::protobuf::{self, Node, SubLinkType};
use spec::expr::ExprKind;
use spec::{Expr, ReasonCode, Span};

impl Binder<'_, '_> {
    pub(super) fn sublink(&mut self, e: &protobuf::SubLink) -> Result<Expr, BindError> {
        let span = self.typing.span(e.location);
        let kind = match SubLinkType::try_from(e.sub_link_type) {
            Ok(SubLinkType::ExistsSublink) => SublinkKind::Exists,
            Ok(SubLinkType::ExprSublink) => SublinkKind::Scalar,
            Ok(SubLinkType::ArraySublink) => SublinkKind::Array,
            Ok(kind @ (SubLinkType::AnySublink | SubLinkType::AllSublink)) => {
                let left = self.compared(&e.testexpr)?;
                // IN has no operator.
                let operator = match node::name(&e.oper_name)? {
                    name if name.is_empty() => vec![EQUALS.to_owned()],
                    name => name,
                };
                SublinkKind::Quantified {
                    any: kind == SubLinkType::AnySublink,
                    operator,
                    left,
                }
            }
            _ => {
                self.not_incremental(ReasonCode::Subquery, "this kind of subquery", span);
                return Ok(self.placeholder(spec::types::oids::BOOL));
            }
        };
        self.subquery(kind, e, span)
    }

    /// `row op (SELECT …)`, of a query of one row.
    pub(super) fn row_and_subquery(
        &mut self,
        operator: &[String],
        left: &Option<Box<Node>>,
        e: &protobuf::SubLink,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        let kind = SublinkKind::Row {
            operator: operator.to_vec(),
            left: self.compared(left)?,
        };
        self.subquery(kind, e, span)
    }

    /// The fields of a row that is written out; else the one value.
    fn compared(&mut self, node: &Option<Box<Node>>) -> Result<Vec<Expr>, BindError> {
        let operand = self.required(node)?;
        let fields = match (operand.kind(), node.as_ref().and_then(|n| n.node.as_ref())) {
            (ExprKind::Row { fields, .. }, Some(NodeEnum::RowExpr(_))) => fields.clone(),
            _ => vec![operand],
        };
        let place = node.as_ref().and_then(|n| span_of(n, self.typing));
        let fields = fields.iter();
        fields
            .map(|l| self.typing.assign_collations(l, place))
            .collect()
    }

    fn subquery(
        &mut self,
        kind: SublinkKind,
        e: &protobuf::SubLink,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
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
