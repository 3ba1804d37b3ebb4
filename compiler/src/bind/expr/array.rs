//! `ARRAY[…]`, nested or not.

use super::conditional::agreed;
use super::{Binder, span_of};
use crate::bind::context::BindError;
use crate::typing::error;
use pg_query::NodeEnum;
use pg_query::protobuf::AArrayExpr;
use spec::catalog::CastContext;
use spec::expr::ExprKind;
use spec::types::{Oid, SqlType};
use spec::{Expr, ReasonCode};

const INT2VECTOR: Oid = Oid(22);
const OIDVECTOR: Oid = Oid(30);

impl Binder<'_, '_> {
    /// `wanted`: the array type to which it is cast, which then decides about the elements.
    pub(super) fn array(
        &mut self,
        e: &AArrayExpr,
        wanted: Option<SqlType>,
    ) -> Result<Expr, BindError> {
        let span = self.typing.span(e.location);
        let catalog = self.typing.catalog;
        let mut elements = vec![];
        let mut nested = false;
        for node in &e.elements {
            elements.push(match &node.node {
                Some(NodeEnum::AArrayExpr(inner)) => {
                    nested = true;
                    self.array(inner, wanted)?
                }
                _ => {
                    let element = self.expr(node)?;
                    let ty = element.ty().oid;
                    nested |=
                        ty != INT2VECTOR && ty != OIDVECTOR && catalog.element_type(ty).is_some();
                    element
                }
            });
        }
        // The type of the elements as given here (arrays, if nested), and of the whole.
        let (each, array, element) = match wanted {
            Some(wanted) => {
                let element = catalog.element_type(wanted.oid).unwrap_or(wanted.oid);
                (
                    if nested { wanted.oid } else { element },
                    wanted.oid,
                    element,
                )
            }
            None if elements.is_empty() => {
                return Err(crate::typing::error_with_hint(
                    ReasonCode::Type,
                    "cannot determine type of empty array",
                    span,
                    "Explicitly cast to the desired type, for example ARRAY[]::integer[].",
                ));
            }
            None => {
                let all: Vec<&Expr> = elements.iter().collect();
                let common = self.typing.common_type(&all, "ARRAY", span)?.oid;
                if nested {
                    let element = catalog.element_type(common).ok_or_else(|| {
                        let name = self.typing.type_name(common);
                        let message = format!("could not find element type for data type {name}");
                        error(ReasonCode::Type, message, span)
                    })?;
                    (common, common, element)
                } else {
                    let array = catalog.array_type(common).ok_or_else(|| {
                        let name = self.typing.type_name(common);
                        let message = format!("could not find array type for data type {name}");
                        error(ReasonCode::Type, message, span)
                    })?;
                    (common, array, common)
                }
            }
        };
        let mut coerced = Vec::with_capacity(elements.len());
        for (value, node) in elements.into_iter().zip(&e.elements) {
            let place = span_of(node, self.typing);
            coerced.push(match wanted {
                Some(wanted) => {
                    let target = SqlType {
                        oid: each,
                        ..wanted
                    };
                    let source = value.ty().oid;
                    let value =
                        self.typing
                            .coerce_to(value, target, CastContext::Explicit, place)?;
                    value.ok_or_else(|| {
                        let (source, target) =
                            (self.typing.type_name(source), self.typing.type_name(each));
                        let message = format!("cannot cast type {source} to {target}");
                        error(ReasonCode::Type, message, place)
                    })?
                }
                None => self.typing.coerce_to_common(value, each, "ARRAY", place)?,
            });
        }
        let typmod = agreed(if nested { array } else { element }, coerced.iter()).typmod;
        let ty = SqlType {
            typmod: if coerced.is_empty() { -1 } else { typmod },
            ..SqlType::new(array)
        };
        Ok(Expr::new(ExprKind::Array(coerced), ty))
    }
}
