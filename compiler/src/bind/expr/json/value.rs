//! The parts that SQL/JSON functions have in common: values with a FORMAT, RETURNING, PASSING, ON
//! EMPTY and ON ERROR.
//!
//! All of it is printed back as it was written, over bound expressions; what is told here is what
//! PostgreSQL coerces on the way, and so which types come out, and what reads settings.

use super::super::syntax::Syntax;
use super::super::{Binder, span_of};
use crate::bind::context::BindError;
use crate::expr_facts::max_volatility;
use crate::typing::{error, io_volatility};
use pg_query::NodeEnum;
use pg_query::protobuf::{
    JsonBehavior, JsonBehaviorType, JsonEncoding, JsonFormat, JsonFormatType, JsonOutput,
    JsonValueExpr, Node,
};
use spec::catalog::{CastContext, Volatility};
use spec::expr::ExprKind;
use spec::types::{Oid, SqlType, oids};
use spec::{Expr, ReasonCode, Span};

pub(super) const CONVERT_FROM: Oid = Oid(1714);
const CONVERT_TO: Oid = Oid(1717);
const TO_JSON: Oid = Oid(3176);
const TO_JSONB: Oid = Oid(3787);

/// Types that a path's variable has as they are, but for strings.
const PASSED: [Oid; 12] = [
    oids::BOOL,
    oids::NUMERIC,
    oids::INT2,
    oids::INT4,
    oids::INT8,
    oids::FLOAT4,
    oids::FLOAT8,
    oids::DATE,
    oids::TIME,
    oids::TIMETZ,
    oids::TIMESTAMP,
    oids::TIMESTAMPTZ,
];
/// Of those the last, which depend on TimeZone or DateStyle.
const TIMES: [Oid; 5] = [
    oids::DATE,
    oids::TIME,
    oids::TIMETZ,
    oids::TIMESTAMP,
    oids::TIMESTAMPTZ,
];

/// What a JSON value is needed as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Any type: it will become JSON.
    Any,
    /// JSON: text is read as such.
    Json,
    /// This type.
    Type(Oid, Implied),
    /// A variable of a path.
    Variable,
}

/// The format of what has no FORMAT.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Implied {
    None,
    Json,
    Jsonb,
}

/// Which ON EMPTY and ON ERROR there may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    Exists,
    Value,
    /// Of JSON_QUERY.
    Json,
    /// Of JSON_TABLE as a whole.
    Rows,
}

/// A bound JSON value.
pub(super) struct Value {
    /// As it was given.
    pub expr: Expr,
    /// FORMAT, as it was written.
    pub format: String,
    /// The type that it comes to have.
    pub ty: Oid,
    /// Of how it comes to have it.
    pub volatility: Volatility,
}

impl Value {
    /// One without a FORMAT.
    pub(super) fn plain(expr: Expr) -> Value {
        Value {
            ty: expr.ty().oid,
            expr,
            format: String::new(),
            volatility: Volatility::Immutable,
        }
    }

    pub(super) fn print(self, syntax: &mut Syntax) {
        syntax
            .arg(self.expr)
            .sql(&self.format)
            .also(self.volatility);
    }
}

impl Binder<'_, '_> {
    pub(super) fn is_string(&self, ty: Oid) -> bool {
        self.category(ty) == 'S'
    }

    pub(super) fn json_value(
        &mut self,
        value: &Option<Box<JsonValueExpr>>,
        wanted: Wanted,
        construct: &str,
    ) -> Result<Value, BindError> {
        let Some(value) = value else {
            let message = format!("{construct} without a value");
            return Err(error(ReasonCode::Unsupported, message, None));
        };
        let span = value
            .raw_expr
            .as_ref()
            .and_then(|e| span_of(e, self.typing));
        let mark = self.typing.mark();
        let expr = self.required(&value.raw_expr)?;
        let expr = self.typing.resolve_unknown(expr);
        let chosen = self.typing.since(mark);
        let ty = expr.ty().oid;
        let json = matches!(ty, oids::JSON | oids::JSONB);
        let written = value.format.as_ref().filter(|f| is_given(f));
        let implied = match wanted {
            Wanted::Any => Implied::None,
            Wanted::Json => Implied::Json,
            Wanted::Type(_, implied) => implied,
            Wanted::Variable => Implied::Jsonb,
        };
        let format = match written {
            _ if json && wanted != Wanted::Variable => Implied::None,
            Some(_) if json => Implied::None,
            Some(f) if f.format_type() == JsonFormatType::JsFormatJsonb => Implied::Jsonb,
            Some(_) => Implied::Json,
            None if wanted == Wanted::Variable && (PASSED.contains(&ty) || self.is_string(ty)) => {
                Implied::None
            }
            None => implied,
        };
        let target = match wanted {
            Wanted::Type(target, _) => Some(target),
            _ => None,
        };
        let mut result = ty;
        let mut volatility = Volatility::Immutable;
        if format != Implied::None || target.is_some_and(|t| t != ty) {
            let strings = ty == oids::BYTEA || self.is_string(ty);
            if wanted != Wanted::Variable && target.is_none() && !strings {
                let kind = if written.is_some() {
                    "explicit"
                } else {
                    "implicit"
                };
                let message = format!("cannot use non-string types with {kind} FORMAT JSON clause");
                return Err(error(ReasonCode::Type, message, span));
            }
            let target_type = target.unwrap_or(match format {
                Implied::Jsonb => oids::JSONB,
                _ => oids::JSON,
            });
            let source = match ty == oids::BYTEA && format == Implied::Json {
                true => {
                    self.typing.note_steady_call(CONVERT_FROM);
                    self.typing.catalog.sql_type(oids::TEXT, -1)
                }
                false => expr.ty(),
            };
            let wanted_type = SqlType::new(target_type);
            // Not the value itself, which may be a literal: PostgreSQL has made it text.
            let coerced = self.typing.coerce_to(
                Expr::column(0, source),
                wanted_type,
                CastContext::Explicit,
                span,
            )?;
            match coerced {
                Some(coerced) => volatility = max_volatility(&coerced, self.typing.catalog),
                None if target.is_some() => {
                    let (from, to) = (
                        self.typing.type_name(ty),
                        self.typing.type_name(target_type),
                    );
                    let message = format!("cannot cast type {from} to {to}");
                    return Err(error(ReasonCode::Type, message, span));
                }
                None => {
                    let function = match target_type {
                        oids::JSON => TO_JSON,
                        _ => TO_JSONB,
                    };
                    self.typing.note_steady_call(function);
                    volatility = self.note_json_of(ty, span);
                }
            }
            if source.oid != target_type || source.oid != ty {
                // PostgreSQL keeps what was given beside what became of it.
                self.typing.repeat(&chosen, span)?;
            }
            result = target_type;
        }
        Ok(Value {
            expr,
            format: written.map(format_clause).unwrap_or_default(),
            ty: result,
            volatility,
        })
    }

    /// A value of this type is shown as JSON.
    pub(super) fn note_json_of(&self, ty: Oid, span: Option<Span>) -> Volatility {
        let volatility = io_volatility(self.typing.catalog, ty, oids::TEXT);
        let what = || format!("JSON of type {}", self.typing.type_name(ty));
        self.typing.note_unsteady(what, volatility, span);
        volatility
    }

    /// RETURNING: the type, and the clause. None where there is none.
    pub(super) fn json_output(
        &self,
        output: &Option<JsonOutput>,
    ) -> Result<Option<(SqlType, String)>, BindError> {
        let Some(output) = output else {
            return Ok(None);
        };
        let Some(name) = &output.type_name else {
            return Ok(None);
        };
        let ty = self.type_name(name)?;
        let format = output.returning.as_ref().and_then(|r| r.format.as_ref());
        let format = format.filter(|f| is_given(f)).map(format_clause);
        Ok(Some((ty, format.unwrap_or_default())))
    }

    /// What a constructor makes of JSON for RETURNING.
    pub(super) fn note_json_output(
        &self,
        made: Oid,
        returning: SqlType,
        span: Option<Span>,
    ) -> Result<(), BindError> {
        if made == returning.oid {
            return Ok(());
        }
        let value = Expr::column(0, SqlType::new(made));
        if returning.oid == oids::BYTEA {
            self.typing.note_steady_call(CONVERT_TO);
            return Ok(());
        }
        let coerced = self
            .typing
            .coerce_to(value, returning, CastContext::Assignment, span)?;
        match coerced {
            Some(_) => Ok(()),
            None => {
                let (from, to) = (
                    self.typing.type_name(made),
                    self.typing.type_name(returning.oid),
                );
                let message = format!("cannot cast type {from} to {to}");
                Err(error(ReasonCode::Type, message, span))
            }
        }
    }

    /// `PASSING a AS x, …`; nothing where there is none.
    pub(super) fn json_passing(
        &mut self,
        passing: &[Node],
        construct: &str,
        syntax: &mut Syntax,
    ) -> Result<(), BindError> {
        for (i, node) in passing.iter().enumerate() {
            let Some(NodeEnum::JsonArgument(argument)) = &node.node else {
                let message = "an unknown argument of PASSING";
                return Err(error(ReasonCode::Unsupported, message, None));
            };
            let value = self.json_value(&argument.val, Wanted::Variable, construct)?;
            if TIMES.contains(&value.ty) {
                let what = format!("PASSING {} to a path", self.typing.type_name(value.ty));
                syntax.moves(what, Volatility::Stable);
            }
            syntax.sql(if i == 0 { " PASSING " } else { ", " });
            value.print(syntax);
            syntax.sql(" AS ").name(&argument.name);
        }
        Ok(())
    }

    /// `… ON EMPTY`, `… ON ERROR`, for a result of this type.
    pub(super) fn json_behavior(
        &mut self,
        behavior: &Option<Box<JsonBehavior>>,
        on: &str,
        allowed: Allowed,
        returning: SqlType,
        syntax: &mut Syntax,
    ) -> Result<(), BindError> {
        use JsonBehaviorType as B;
        let Some(behavior) = behavior else {
            return Ok(());
        };
        let words = match (allowed, behavior.btype()) {
            (_, B::JsonBehaviorError) => "ERROR",
            (Allowed::Value | Allowed::Json, B::JsonBehaviorNull) => "NULL",
            (Allowed::Exists, B::JsonBehaviorTrue) => "TRUE",
            (Allowed::Exists, B::JsonBehaviorFalse) => "FALSE",
            (Allowed::Exists, B::JsonBehaviorUnknown) => "UNKNOWN",
            (Allowed::Rows | Allowed::Json, B::JsonBehaviorEmpty | B::JsonBehaviorEmptyArray) => {
                "EMPTY ARRAY"
            }
            (Allowed::Json, B::JsonBehaviorEmptyObject) => "EMPTY OBJECT",
            (Allowed::Value | Allowed::Json, B::JsonBehaviorDefault) => {
                syntax.sql(" DEFAULT ");
                self.json_default(behavior, returning, syntax)?;
                syntax.sql(" ON ").sql(on);
                return Ok(());
            }
            _ => {
                let message = format!("invalid ON {on} behavior");
                let span = self.typing.span(behavior.location);
                return Err(error(ReasonCode::Syntax, message, span));
            }
        };
        syntax.sql(" ").sql(words).sql(" ON ").sql(on);
        Ok(())
    }

    fn json_default(
        &mut self,
        behavior: &JsonBehavior,
        returning: SqlType,
        syntax: &mut Syntax,
    ) -> Result<(), BindError> {
        let span = behavior.expr.as_ref().and_then(|e| span_of(e, self.typing));
        let default = self.required(&behavior.expr)?;
        if !default.columns().is_empty() {
            let message = "DEFAULT expression must not contain column references";
            return Err(error(ReasonCode::Type, message, span));
        }
        if default.ty().oid == oids::UNKNOWN && is_null(&default) {
            syntax.sql("NULL");
            return Ok(());
        }
        let default = self.sized_later(default, returning, span)?;
        syntax.also(self.note_behavior(&default, returning, span)?);
        syntax.arg(default);
        Ok(())
    }

    /// What the value of ON EMPTY or ON ERROR is coerced by.
    pub(super) fn note_behavior(
        &self,
        value: &Expr,
        returning: SqlType,
        span: Option<Span>,
    ) -> Result<Volatility, BindError> {
        let ty = value.ty().oid;
        let of_int = self.typing.catalog.base_of(returning.oid) == oids::INT4;
        // As JSON, when it runs.
        let later = is_null(value) || ty == oids::JSONB || ty == oids::BOOL && !of_int;
        let same = ty == returning.oid && value.ty().typmod == returning.typmod;
        if same || later {
            return Ok(Volatility::Immutable);
        }
        let context = match self.category(returning.oid) {
            'S' | 'V' => CastContext::Assignment,
            _ => CastContext::Explicit,
        };
        match self
            .typing
            .coerce_to(value.clone(), returning, context, span)?
        {
            Some(coerced) => Ok(max_volatility(&coerced, self.typing.catalog)),
            None => {
                let (from, to) = (
                    self.typing.type_name(ty),
                    self.typing.type_name(returning.oid),
                );
                let message = format!("cannot cast behavior expression of type {from} to {to}");
                Err(error(ReasonCode::Type, message, span))
            }
        }
    }
}

fn is_null(value: &Expr) -> bool {
    matches!(value.kind(), ExprKind::Const(None))
}

pub(super) fn is_given(format: &JsonFormat) -> bool {
    !matches!(
        format.format_type(),
        JsonFormatType::Undefined | JsonFormatType::JsFormatDefault
    )
}

pub(super) fn format_clause(format: &JsonFormat) -> String {
    let encoding = match format.encoding() {
        JsonEncoding::JsEncUtf8 => " ENCODING UTF8",
        JsonEncoding::JsEncUtf16 => " ENCODING UTF16",
        JsonEncoding::JsEncUtf32 => " ENCODING UTF32",
        JsonEncoding::JsEncDefault | JsonEncoding::Undefined => "",
    };
    format!(" FORMAT JSON{encoding}")
}
