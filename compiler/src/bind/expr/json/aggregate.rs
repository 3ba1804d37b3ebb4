//! JSON_OBJECTAGG and JSON_ARRAYAGG: other names of `json_object_agg`, `jsonb_agg_strict` and kin,
//! whose result may be made text.

use super::super::Binder;
use super::super::syntax::Syntax;
use super::constructor::Returning;
use super::value::Wanted;
use crate::bind::context::BindError;
use crate::typing::{Argument, FunctionCall, Resolved, error};
use pg_query::protobuf::{FuncCall, JsonAggConstructor, JsonArrayAgg, JsonObjectAgg};
use spec::catalog::CastContext;
use spec::types::{Oid, oids};
use spec::{Expr, ReasonCode, Span};

impl Binder<'_, '_> {
    pub(in super::super) fn json_array_agg(&mut self, a: &JsonArrayAgg) -> Result<Expr, BindError> {
        let Some(constructor) = &a.constructor else {
            return Err(error(ReasonCode::Unsupported, "JSON_ARRAYAGG", None));
        };
        let strict = if a.absent_on_null { "_strict" } else { "" };
        self.json_aggregate(constructor, &format!("agg{strict}"), &mut |binder| {
            let value = binder.json_value(&a.arg, Wanted::Any, "JSON_ARRAYAGG()")?;
            Ok(vec![binder.formatted(value)?])
        })
    }

    pub(in super::super) fn json_object_agg(
        &mut self,
        a: &JsonObjectAgg,
    ) -> Result<Expr, BindError> {
        let (Some(constructor), Some(pair)) = (&a.constructor, &a.arg) else {
            return Err(error(ReasonCode::Unsupported, "JSON_OBJECTAGG", None));
        };
        let unique = if a.unique { "_unique" } else { "" };
        let strict = if a.absent_on_null { "_strict" } else { "" };
        let name = format!("object_agg{unique}{strict}");
        self.json_aggregate(constructor, &name, &mut |binder| {
            let key = binder.required(&pair.key)?;
            let key = binder.typing.resolve_unknown(key);
            let value = binder.json_value(&pair.value, Wanted::Any, "JSON_OBJECTAGG()")?;
            Ok(vec![key, binder.formatted(value)?])
        })
    }

    /// A value with FORMAT JSON is JSON.
    fn formatted(&mut self, value: super::value::Value) -> Result<Expr, BindError> {
        if value.format.is_empty() || value.ty == value.expr.ty().oid {
            return Ok(value.expr);
        }
        let mut syntax = Syntax::new("JSON(");
        let ty = spec::types::SqlType::new(value.ty);
        value.print(&mut syntax);
        syntax.sql(")");
        Ok(syntax.finish(ty, false, self.typing, None))
    }

    fn json_aggregate(
        &mut self,
        constructor: &JsonAggConstructor,
        name: &str,
        args: &mut dyn FnMut(&mut Self) -> Result<Vec<Expr>, BindError>,
    ) -> Result<Expr, BindError> {
        let span = self.typing.span(constructor.location);
        let inside = constructor.over.is_none();
        if inside {
            self.scope.enter_aggregate(span)?;
        }
        let bound = args(self);
        // What an aggregate otherwise has.
        let call = FuncCall {
            agg_order: constructor.agg_order.clone(),
            agg_filter: constructor.agg_filter.clone(),
            over: constructor.over.clone(),
            location: constructor.location,
            ..FuncCall::default()
        };
        let rest = self.bind_arguments(&call);
        if inside {
            self.scope.leave_aggregate();
        }
        let (given, rest) = (bound?, rest?);
        let types: Vec<Oid> = given.iter().map(|a| a.ty().oid).collect();
        let returning = self.json_returning(&constructor.output, &types)?;
        let prefix = match returning.made {
            oids::JSONB => "jsonb",
            _ => "json",
        };
        let name = vec!["pg_catalog".to_owned(), format!("{prefix}_{name}")];
        let arguments = given.iter().map(|a| Argument {
            expr: a.clone(),
            name: None,
        });
        let resolved = self.resolve(FunctionCall {
            name: &name,
            args: arguments.collect(),
            variadic: false,
            span,
        })?;
        let Resolved::Call(resolved) = resolved else {
            let message = format!("there is no aggregate {}", name.join("."));
            return Err(error(ReasonCode::Unsupported, message, span));
        };
        let made = match &call.over {
            Some(over) => self.window_call(&call, over, resolved, rest.filter, span)?,
            None => {
                self.aggregate_call(&call, resolved, rest.order_by, rest.filter, given, span)?
            }
        };
        self.json_returned(made, &returning, span)
    }

    fn json_returned(
        &mut self,
        made: Expr,
        returning: &Returning,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        if made.ty().oid == returning.ty.oid {
            return Ok(made);
        }
        if !self.is_string(returning.ty.oid) && returning.ty.oid != oids::BYTEA {
            let coerced =
                self.typing
                    .coerce_to(made, returning.ty, CastContext::Assignment, span)?;
            let ty = self.typing.type_name(returning.ty.oid);
            let message = format!("cannot cast type json to {ty}");
            return coerced.ok_or_else(|| error(ReasonCode::Type, message, span));
        }
        // Text that is too long is an error, which it would not be of a cast.
        self.note_json_output(returning.made, returning.ty, span)?;
        let mut syntax = Syntax::new("JSON_SERIALIZE(");
        syntax.arg(made).sql(" RETURNING ").ty(returning.ty);
        syntax.sql(&returning.format).sql(")");
        Ok(syntax.finish(returning.ty, false, self.typing, span))
    }
}
