//! JSON_EXISTS, JSON_VALUE, JSON_QUERY, and `IS JSON`.

use super::super::syntax::Syntax;
use super::super::{Binder, span_of};
use super::path::{is_stable, never_raises};
use super::value::{Allowed, CONVERT_FROM, Implied, Wanted};
use crate::bind::context::BindError;
use crate::typing::{error, io_volatility};
use pg_query::protobuf::{
    JsonBehavior, JsonBehaviorType, JsonExprOp, JsonFuncExpr, JsonIsPredicate, JsonQuotes,
    JsonValueType, JsonWrapper, Node,
};
use spec::catalog::{CastContext, Volatility};
use spec::expr::ExprKind;
use spec::types::{Oid, SqlType, oids};
use spec::{Expr, Reason, ReasonCode, Span};

impl Binder<'_, '_> {
    /// PostgreSQL 17 and 18 do not forget, on a document that is NULL, whether the one before it was
    /// empty or in error: they show the value of ON EMPTY or ON ERROR again. What a row shows would
    /// depend on which rows are read before it, which are others here; so it is NULL, as it ought to
    /// be.
    pub(in super::super) fn json_query_function(
        &mut self,
        f: &JsonFuncExpr,
    ) -> Result<Expr, BindError> {
        let span = self.typing.span(f.location);
        let (name, ty, allowed) = match f.op() {
            JsonExprOp::JsonExistsOp => ("JSON_EXISTS", oids::BOOL, Allowed::Exists),
            JsonExprOp::JsonValueOp => ("JSON_VALUE", oids::TEXT, Allowed::Value),
            JsonExprOp::JsonQueryOp => ("JSON_QUERY", oids::JSONB, Allowed::Json),
            JsonExprOp::JsonTableOp | JsonExprOp::Undefined => {
                let message = "this SQL/JSON function";
                return Err(error(ReasonCode::Unsupported, message, span));
            }
        };
        let mut syntax = Syntax::new(name);
        syntax.sql("(");
        let implied = match allowed {
            Allowed::Json => Implied::Jsonb,
            _ => Implied::None,
        };
        let wanted = Wanted::Type(oids::JSONB, implied);
        let value = self.json_value(&f.context_item, wanted, name)?;
        let item = value.expr.clone();
        value.print(&mut syntax);
        let path = self.json_path(&f.pathspec, &mut syntax)?;
        syntax.sql(", ").arg(path.clone());
        self.json_passing(&f.passing, name, &mut syntax)?;
        let output = self.json_output(&f.output)?;
        let returning = match output {
            Some((ty, format)) => {
                if f.op() != JsonExprOp::JsonQueryOp && !format.is_empty() {
                    let message =
                        format!("cannot specify FORMAT JSON in RETURNING clause of {name}()");
                    return Err(error(ReasonCode::Syntax, message, span));
                }
                syntax.sql(" RETURNING ").ty(ty).sql(&format);
                ty
            }
            None => self.typing.catalog.sql_type(ty, -1),
        };
        if f.op() == JsonExprOp::JsonQueryOp {
            syntax.sql(wrapper(f.wrapper())).sql(quotes(f.quotes()));
        }
        self.json_read(returning.oid, &mut syntax);
        self.json_behavior(&f.on_empty, "EMPTY", allowed, returning, &mut syntax)?;
        self.json_behavior(&f.on_error, "ERROR", allowed, returning, &mut syntax)?;
        syntax.sql(")");
        let call = syntax.finish(returning, false, self.typing, span);
        if !shows_others(f, &path) {
            return Ok(call);
        }
        self.scope.report(Reason {
            code: ReasonCode::OrderDependent,
            message: format!(
                "{name} of NULL is NULL here; PostgreSQL may show what ON EMPTY or ON ERROR \
                 said of another row"
            ),
            span,
            hint: None,
        });
        let null = ExprKind::IsNull {
            arg: item,
            negated: false,
            row: false,
        };
        let null = Expr::new(null, SqlType::new(oids::BOOL));
        let kind = ExprKind::Case {
            whens: vec![(null, Expr::null(returning))],
            otherwise: call,
        };
        Ok(Expr::new(kind, returning))
    }

    /// Values of this type are read from what a path yields.
    pub(super) fn json_read(&self, ty: Oid, syntax: &mut Syntax) {
        let volatility = io_volatility(self.typing.catalog, oids::TEXT, ty);
        let what = format!("reading type {} from JSON", self.typing.type_name(ty));
        syntax.moves(what, volatility);
    }

    /// The path, of type `jsonpath`.
    fn json_path(
        &mut self,
        path: &Option<Box<Node>>,
        syntax: &mut Syntax,
    ) -> Result<Expr, BindError> {
        let span = path.as_ref().and_then(|p| span_of(p, self.typing));
        let path = self.required(path)?;
        let ty = path.ty().oid;
        let wanted = SqlType::new(oids::JSONPATH);
        let path = self
            .typing
            .coerce_to(path, wanted, CastContext::Explicit, span)?
            .ok_or_else(|| {
                let message = format!(
                    "JSON path expression must be of type jsonpath, not of type {}",
                    self.typing.type_name(ty)
                );
                error(ReasonCode::Type, message, span)
            })?;
        match path.kind() {
            ExprKind::Const(text) => {
                note_path(text.as_deref().unwrap_or_default(), syntax);
            }
            // It may make times.
            _ => {
                syntax.moves("a path that is no literal", Volatility::Stable);
            }
        }
        Ok(path)
    }

    pub(in super::super) fn is_json(&mut self, p: &JsonIsPredicate) -> Result<Expr, BindError> {
        let span = self.typing.span(p.location);
        let arg = self.json_text(&p.expr, span)?;
        if !matches!(
            arg.ty().oid,
            oids::TEXT | oids::JSON | oids::JSONB | oids::BYTEA
        ) {
            let ty = self.typing.type_name(arg.ty().oid);
            let message = format!("cannot use type {ty} in IS JSON predicate");
            return Err(error(ReasonCode::Type, message, span));
        }
        let mut syntax = Syntax::new("");
        syntax.arg(arg).sql(" IS JSON");
        syntax.sql(match p.item_type() {
            JsonValueType::JsTypeObject => " OBJECT",
            JsonValueType::JsTypeArray => " ARRAY",
            JsonValueType::JsTypeScalar => " SCALAR",
            JsonValueType::JsTypeAny | JsonValueType::Undefined => "",
        });
        syntax.sql(if p.unique_keys {
            " WITH UNIQUE KEYS"
        } else {
            ""
        });
        Ok(syntax.finish(SqlType::new(oids::BOOL), false, self.typing, span))
    }

    /// What is examined as JSON: strings become text. (So do bytes, when it runs.)
    pub(super) fn json_text(
        &mut self,
        arg: &Option<Box<Node>>,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        let mark = self.typing.mark();
        let arg = self.required(arg)?;
        let ty = arg.ty().oid;
        if ty == oids::BYTEA {
            self.typing.repeat(&self.typing.since(mark), span)?;
            self.typing.note_steady_call(CONVERT_FROM);
        }
        if ty != oids::UNKNOWN && !self.is_string(ty) || ty == oids::TEXT {
            return Ok(arg);
        }
        self.typing
            .coerce_to_specific(arg, oids::TEXT, "IS JSON", span)
    }
}

/// Is there a value other than NULL for documents that are empty or in error?
fn shows_others(f: &JsonFuncExpr, path: &Expr) -> bool {
    use JsonBehaviorType as B;
    let shown = |behavior: &Option<Box<JsonBehavior>>| {
        let btype = behavior.as_ref().map(|b| b.btype());
        !matches!(
            btype,
            None | Some(B::JsonBehaviorNull | B::JsonBehaviorUnknown | B::JsonBehaviorError)
        )
    };
    if f.op() != JsonExprOp::JsonExistsOp {
        return shown(&f.on_empty) || shown(&f.on_error);
    }
    // FALSE where nothing is said.
    let safe = match path.kind() {
        ExprKind::Const(Some(path)) => never_raises(path),
        _ => false,
    };
    (f.on_error.is_none() || shown(&f.on_error)) && !safe
}

/// What a path does, for a literal.
pub(super) fn note_path(path: &str, syntax: &mut Syntax) {
    if is_stable(path) {
        syntax.moves("a path that makes dates or times", Volatility::Stable);
    }
}

pub(super) fn wrapper(wrapper: JsonWrapper) -> &'static str {
    match wrapper {
        JsonWrapper::JswNone => " WITHOUT WRAPPER",
        JsonWrapper::JswConditional => " WITH CONDITIONAL WRAPPER",
        JsonWrapper::JswUnconditional => " WITH UNCONDITIONAL WRAPPER",
        JsonWrapper::JswUnspec | JsonWrapper::Undefined => "",
    }
}

pub(super) fn quotes(quotes: JsonQuotes) -> &'static str {
    match quotes {
        JsonQuotes::JsQuotesKeep => " KEEP QUOTES",
        JsonQuotes::JsQuotesOmit => " OMIT QUOTES",
        JsonQuotes::JsQuotesUnspec | JsonQuotes::Undefined => "",
    }
}
