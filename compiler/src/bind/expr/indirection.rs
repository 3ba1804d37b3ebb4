//! `(x).field`, `x[i]`, `x[lo:hi]`.

use super::{Binder, node, span_of};
use crate::bind::context::BindError;
use crate::bind::rows_from::row_of;
use crate::typing::{Argument, FunctionCall, Resolved, Typing, error, error_with_hint};
use pg_query::NodeEnum;
use pg_query::protobuf::{AIndices, AIndirection, Node};
use spec::catalog::CastContext;
use spec::expr::ExprKind;
use spec::types::{Oid, SqlType, oids};
use spec::{Expr, ReasonCode, Span};

const INT2VECTOR: Oid = Oid(22);
const OIDVECTOR: Oid = Oid(30);
const INT2_ARRAY: Oid = Oid(1005);
const OID_ARRAY: Oid = Oid(1028);

impl Binder<'_, '_> {
    pub(super) fn indirection(&mut self, e: &AIndirection) -> Result<Expr, BindError> {
        self.select(e, e.indirection.len())
    }

    /// The first `steps` selections of an indirection.
    pub(super) fn select(&mut self, e: &AIndirection, steps: usize) -> Result<Expr, BindError> {
        let mut value = self.row_operand(&e.arg)?;
        let span = e.arg.as_ref().and_then(|a| span_of(a, self.typing));
        let mut subscripts: Vec<&AIndices> = vec![];
        for step in &e.indirection[..steps.min(e.indirection.len())] {
            match &step.node {
                Some(NodeEnum::AIndices(i)) => subscripts.push(i),
                Some(NodeEnum::String(field)) => {
                    value = self.subscript(value, std::mem::take(&mut subscripts), span)?;
                    let ty = value.ty().oid;
                    let selected = self.select_field(value, &field.sval, span)?;
                    value = selected.ok_or_else(|| no_field(&field.sval, ty, span, self.typing))?;
                }
                _ if node::is_star(step) => {
                    let message = "row expansion via \"*\" is not supported here";
                    return Err(error(ReasonCode::Unsupported, message, span));
                }
                _ => {
                    return Err(error(ReasonCode::Unsupported, "an unknown selection", span));
                }
            }
        }
        self.subscript(value, subscripts, span)
    }

    /// `value.name`: a field, or a function of the row.
    pub(super) fn select_field(
        &mut self,
        value: Expr,
        name: &str,
        span: Option<Span>,
    ) -> Result<Option<Expr>, BindError> {
        if let Ok(all) = fields(&value, span, self.typing)
            && let Some((_, field)) = all.into_iter().find(|(n, _)| n == name)
        {
            return Ok(Some(field));
        }
        let name = [name.to_owned()];
        let call = FunctionCall {
            name: &name,
            args: vec![Argument {
                expr: value,
                name: None,
            }],
            variadic: false,
            span,
        };
        let resolved = self.resolve(call);
        match resolved {
            Ok(Resolved::Cast(cast)) => Ok(Some(cast)),
            Ok(Resolved::Call(call)) => self.scalar_call(call, span).map(Some),
            Ok(Resolved::NotFound) => Ok(None),
            Err(e) if e.0.code == ReasonCode::Name => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn subscript(
        &mut self,
        container: Expr,
        subscripts: Vec<&AIndices>,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        if subscripts.is_empty() {
            return Ok(container);
        }
        let catalog = self.typing.catalog;
        let (base, typmod) = catalog.base_type(container.ty().oid, container.ty().typmod);
        let slice = subscripts.iter().any(|s| s.is_slice);
        let result = match base {
            oids::JSONB if slice => {
                let message = "jsonb subscript does not support slices";
                return Err(error(ReasonCode::Type, message, span));
            }
            oids::JSONB => SqlType {
                typmod,
                ..SqlType::new(oids::JSONB)
            },
            _ => {
                let container = match base {
                    INT2VECTOR => INT2_ARRAY,
                    OIDVECTOR => OID_ARRAY,
                    other => other,
                };
                let ty = catalog.ty(container);
                let Some(element) = ty.map(|t| t.element).filter(|e| e.is_valid()) else {
                    let message = format!(
                        "cannot subscript type {} because it does not support subscripting",
                        self.typing.type_name(base)
                    );
                    return Err(error(ReasonCode::Type, message, span));
                };
                let oid = if slice { container } else { element };
                SqlType {
                    typmod,
                    ..SqlType::new(oid)
                }
            }
        };
        let mut bound = Vec::with_capacity(subscripts.len());
        for s in subscripts {
            let upper = self.index(&s.uidx, base)?;
            let lower = match self.index(&s.lidx, base)? {
                // Among slices, `[i]` is `[1:i]`.
                None if slice && !s.is_slice => Some(self.typing.integer(1)),
                lower => lower,
            };
            bound.push((lower, upper));
        }
        let kind = ExprKind::Subscript {
            container,
            subscripts: bound,
            slice,
        };
        Ok(Expr::new(kind, result))
    }

    fn index(
        &mut self,
        node: &Option<Box<Node>>,
        container: Oid,
    ) -> Result<Option<Expr>, BindError> {
        let Some(node) = node else {
            return Ok(None);
        };
        let span = span_of(node, self.typing);
        let index = self.expr(node)?;
        let source = index.ty().oid;
        if container != oids::JSONB {
            let target = SqlType::new(oids::INT4);
            let coerced = self
                .typing
                .coerce_to(index, target, CastContext::Assignment, span)?;
            let message = "array subscript must have type integer";
            return coerced
                .map(Some)
                .ok_or_else(|| error(ReasonCode::Type, message, span));
        }
        // An undecided literal is a key.
        let candidates: &[Oid] = if source == oids::UNKNOWN {
            &[oids::TEXT]
        } else {
            &[oids::INT4, oids::TEXT]
        };
        let fits = |&&t: &&Oid| self.typing.can_coerce(source, t, CastContext::Implicit);
        let mut fitting = candidates.iter().filter(fits);
        match (fitting.next(), fitting.next()) {
            (Some(&target), None) => {
                let target = SqlType::new(target);
                self.typing
                    .coerce_to(index, target, CastContext::Implicit, span)
            }
            _ => Err(error_with_hint(
                ReasonCode::Type,
                format!(
                    "subscript type {} is not supported",
                    self.typing.type_name(source)
                ),
                span,
                "jsonb subscript must be coercible to either integer or text.",
            )),
        }
    }
}

fn no_field(name: &str, ty: Oid, span: Option<Span>, typing: &Typing<'_>) -> BindError {
    let type_name = typing.type_name(ty);
    let message = if typing.catalog.relation_of_row_type(ty).is_some() {
        format!("column \"{name}\" not found in data type {type_name}")
    } else if ty == oids::RECORD {
        format!("could not identify column \"{name}\" in record data type")
    } else {
        format!(
            "column notation .{name} applied to type {type_name}, which is not a composite type"
        )
    };
    error(ReasonCode::Name, message, span)
}

/// The fields of a value of a composite type, or of a row whose fields are known.
pub(super) fn fields(
    expr: &Expr,
    span: Option<Span>,
    typing: &Typing<'_>,
) -> Result<Vec<(String, Expr)>, BindError> {
    if let ExprKind::Row { fields, names } = expr.kind() {
        let names = names.iter().map(|n| n.to_string());
        return Ok(names.zip(fields.iter().cloned()).collect());
    }
    let ty = expr.ty().oid;
    if ty == oids::RECORD
        && let Some(columns) = row_of(expr, typing.catalog)
    {
        let field = |(index, (name, ty)): (usize, (String, SqlType))| {
            let kind = ExprKind::Field {
                arg: expr.clone(),
                index,
                name: name.as_str().into(),
            };
            (name, Expr::new(kind, ty))
        };
        return Ok(columns.into_iter().enumerate().map(field).collect());
    }
    let Some(relation) = typing.catalog.relation_of_row_type(ty) else {
        let name = typing.type_name(ty);
        let message = if ty == oids::RECORD {
            "the columns of a value of type record are not known".to_owned()
        } else {
            format!("type {name} is not composite")
        };
        return Err(error(ReasonCode::Type, message, span));
    };
    let field = |c: &spec::catalog::Column| {
        let kind = ExprKind::Field {
            arg: expr.clone(),
            index: usize::try_from(c.attnum).unwrap_or(0).saturating_sub(1),
            name: c.name.as_str().into(),
        };
        (c.name.clone(), Expr::new(kind, c.ty))
    };
    Ok(relation.columns.iter().map(field).collect())
}
