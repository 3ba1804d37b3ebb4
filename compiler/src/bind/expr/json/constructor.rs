//! JSON_OBJECT, JSON_ARRAY, JSON(), JSON_SCALAR, JSON_SERIALIZE.

use super::super::Binder;
use super::super::syntax::Syntax;
use super::value::{Value, Wanted};
use crate::bind::context::{BindError, SublinkKind};
use crate::typing::error;
use pg_query::NodeEnum;
use pg_query::protobuf::{
    Alias, ColumnRef, JsonAggConstructor, JsonArrayAgg, JsonArrayConstructor,
    JsonArrayQueryConstructor, JsonObjectConstructor, JsonOutput, JsonParseExpr, JsonScalarExpr,
    JsonSerializeExpr, JsonValueExpr, Node, RangeSubselect, ResTarget, SelectStmt, String as Word,
};
use spec::types::{Oid, SqlType, oids};
use spec::{Expr, ReasonCode, Span};

/// RETURNING of a constructor.
pub(super) struct Returning {
    pub ty: SqlType,
    pub format: String,
    pub written: bool,
    /// What is made before it is coerced: `json` or `jsonb`.
    pub made: Oid,
}

/// What is put into JSON.
#[derive(Default)]
struct Parts {
    types: Vec<Oid>,
    /// Some have a collation.
    collatable: bool,
    /// Some had one, but are read as JSON.
    read: bool,
}

impl Returning {
    fn print(&self, syntax: &mut Syntax) {
        if self.written {
            syntax.sql(" RETURNING ").ty(self.ty).sql(&self.format);
        }
    }
}

impl Binder<'_, '_> {
    /// RETURNING, which is `jsonb` where one of these types is, or else `json`.
    pub(super) fn json_returning(
        &self,
        output: &Option<JsonOutput>,
        types: &[Oid],
    ) -> Result<Returning, BindError> {
        Ok(match self.json_output(output)? {
            Some((ty, format)) => {
                let jsonb = ty.oid == oids::JSONB && format.is_empty();
                Returning {
                    ty,
                    format,
                    written: true,
                    made: if jsonb { oids::JSONB } else { oids::JSON },
                }
            }
            None => {
                let made = match types.contains(&oids::JSONB) {
                    true => oids::JSONB,
                    false => oids::JSON,
                };
                Returning {
                    ty: SqlType::new(made),
                    format: String::new(),
                    written: false,
                    made,
                }
            }
        })
    }

    /// The clauses at the end, and the expression.
    fn constructed(
        &self,
        mut syntax: Syntax,
        returning: &Returning,
        collates: bool,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        returning.print(&mut syntax);
        syntax.sql(")");
        self.note_json_output(returning.made, returning.ty, span)?;
        Ok(syntax.finish(returning.ty, collates, self.typing, span))
    }

    /// What is put into JSON.
    fn shown(&mut self, value: Value, syntax: &mut Syntax, parts: &mut Parts, span: Option<Span>) {
        parts.types.push(value.ty);
        let has_collation = |ty: Oid| self.typing.catalog.type_collation(ty).is_valid();
        parts.collatable |= has_collation(value.ty);
        parts.read |= has_collation(value.expr.ty().oid) && !has_collation(value.ty);
        syntax.also(self.note_json_of(value.ty, span));
        value.print(syntax);
    }

    /// Does the collation of the result come from the parts?
    fn collates(&mut self, parts: &Parts, returning: &Returning, span: Option<Span>) -> bool {
        let has_collation = self.typing.catalog.type_collation(returning.ty.oid);
        if parts.collatable && parts.read && has_collation.is_valid() {
            // Of some of them.
            let what = "text from text beside text with FORMAT JSON";
            self.not_incremental(ReasonCode::Unsupported, what, span);
        }
        parts.collatable
    }

    pub(in super::super) fn json_object(
        &mut self,
        c: &JsonObjectConstructor,
    ) -> Result<Expr, BindError> {
        let span = self.typing.span(c.location);
        let mut syntax = Syntax::new("JSON_OBJECT(");
        let mut parts = Parts::default();
        for (i, node) in c.exprs.iter().enumerate() {
            let Some(NodeEnum::JsonKeyValue(pair)) = &node.node else {
                let message = "an unknown argument of JSON_OBJECT";
                return Err(error(ReasonCode::Unsupported, message, span));
            };
            if i > 0 {
                syntax.sql(", ");
            }
            let key = self.required(&pair.key)?;
            let key = self.typing.resolve_unknown(key);
            let key = Value::plain(key);
            self.shown(key, &mut syntax, &mut parts, span);
            syntax.sql(" : ");
            let value = self.json_value(&pair.value, Wanted::Any, "JSON_OBJECT()")?;
            self.shown(value, &mut syntax, &mut parts, span);
        }
        if !c.exprs.is_empty() {
            syntax.sql(nulls(c.absent_on_null));
            syntax.sql(if c.unique { " WITH UNIQUE KEYS" } else { "" });
        }
        let returning = self.json_returning(&c.output, &parts.types)?;
        let collates = self.collates(&parts, &returning, span);
        self.constructed(syntax, &returning, collates, span)
    }

    pub(in super::super) fn json_array(
        &mut self,
        c: &JsonArrayConstructor,
    ) -> Result<Expr, BindError> {
        let span = self.typing.span(c.location);
        let mut syntax = Syntax::new("JSON_ARRAY(");
        let mut parts = Parts::default();
        for (i, node) in c.exprs.iter().enumerate() {
            let Some(NodeEnum::JsonValueExpr(value)) = &node.node else {
                let message = "an unknown argument of JSON_ARRAY";
                return Err(error(ReasonCode::Unsupported, message, span));
            };
            if i > 0 {
                syntax.sql(", ");
            }
            let value = self.json_value(&Some(value.clone()), Wanted::Any, "JSON_ARRAY()")?;
            self.shown(value, &mut syntax, &mut parts, span);
        }
        if !c.exprs.is_empty() {
            syntax.sql(nulls(c.absent_on_null));
        }
        let returning = self.json_returning(&c.output, &parts.types)?;
        let collates = self.collates(&parts, &returning, span);
        self.constructed(syntax, &returning, collates, span)
    }

    /// `JSON_ARRAY(query)` is `(SELECT JSON_ARRAYAGG(a) FROM (query) q(a))`.
    pub(in super::super) fn json_array_of_query(
        &mut self,
        c: &JsonArrayQueryConstructor,
    ) -> Result<Expr, BindError> {
        let span = self.typing.span(c.location);
        let node = |node: NodeEnum| Node { node: Some(node) };
        let word = |word: &str| {
            node(NodeEnum::String(Word {
                sval: word.to_owned(),
            }))
        };
        let column = ColumnRef {
            fields: vec![word("q"), word("a")],
            location: c.location,
        };
        let aggregate = JsonArrayAgg {
            constructor: Some(Box::new(JsonAggConstructor {
                output: c.output.clone(),
                location: c.location,
                ..JsonAggConstructor::default()
            })),
            arg: Some(Box::new(JsonValueExpr {
                raw_expr: Some(Box::new(node(NodeEnum::ColumnRef(column)))),
                formatted_expr: None,
                format: c.format,
            })),
            absent_on_null: c.absent_on_null,
        };
        let target = ResTarget {
            val: Some(Box::new(node(NodeEnum::JsonArrayAgg(Box::new(aggregate))))),
            location: c.location,
            ..ResTarget::default()
        };
        let range = RangeSubselect {
            lateral: false,
            subquery: c.query.clone(),
            alias: Some(Alias {
                aliasname: "q".to_owned(),
                colnames: vec![word("a")],
            }),
        };
        let select = SelectStmt {
            target_list: vec![node(NodeEnum::ResTarget(Box::new(target)))],
            from_clause: vec![node(NodeEnum::RangeSubselect(Box::new(range)))],
            ..SelectStmt::default()
        };
        let select = node(NodeEnum::SelectStmt(Box::new(select)));
        self.scope.sublink(SublinkKind::Scalar, &select, span)
    }

    /// `JSON(text)`
    pub(in super::super) fn json_parse(&mut self, c: &JsonParseExpr) -> Result<Expr, BindError> {
        let span = self.typing.span(c.location);
        let returning = self.json_only(&c.output, "JSON()", span)?;
        let mut syntax = Syntax::new("JSON(");
        match (&c.expr, c.unique_keys) {
            (Some(value), true) => {
                let arg = self.json_text(&value.raw_expr, span)?;
                if !matches!(arg.ty().oid, oids::TEXT | oids::BYTEA) {
                    let message = "cannot use non-string types with WITH UNIQUE KEYS clause";
                    return Err(error(ReasonCode::Type, message, span));
                }
                let format = value.format.as_ref();
                let format = format.filter(|f| super::value::is_given(f));
                let format = format.map(super::value::format_clause);
                syntax.arg(arg).sql(&format.unwrap_or_default());
                syntax.sql(" WITH UNIQUE KEYS");
            }
            (value, _) => {
                let wanted = Wanted::Type(returning.ty.oid, super::value::Implied::Json);
                let value = self.json_value(value, wanted, "JSON()")?;
                value.print(&mut syntax);
            }
        }
        self.constructed(syntax, &returning, false, span)
    }

    pub(in super::super) fn json_scalar(&mut self, c: &JsonScalarExpr) -> Result<Expr, BindError> {
        let span = self.typing.span(c.location);
        let returning = self.json_only(&c.output, "JSON_SCALAR()", span)?;
        let arg = self.required(&c.expr)?;
        let arg = self.typing.resolve_unknown(arg);
        let mut syntax = Syntax::new("JSON_SCALAR(");
        syntax.also(self.note_json_of(arg.ty().oid, span));
        syntax.arg(arg);
        self.constructed(syntax, &returning, false, span)
    }

    pub(in super::super) fn json_serialize(
        &mut self,
        c: &JsonSerializeExpr,
    ) -> Result<Expr, BindError> {
        let span = self.typing.span(c.location);
        let mut syntax = Syntax::new("JSON_SERIALIZE(");
        let value = self.json_value(&c.expr, Wanted::Json, "JSON_SERIALIZE()")?;
        value.print(&mut syntax);
        let returning = match self.json_output(&c.output)? {
            Some((ty, format)) => Returning {
                ty,
                format,
                written: true,
                made: oids::JSON,
            },
            None => Returning {
                ty: self.typing.catalog.sql_type(oids::TEXT, -1),
                format: String::new(),
                written: false,
                made: oids::JSON,
            },
        };
        let ty = returning.ty.oid;
        if ty != oids::BYTEA && !self.is_string(ty) {
            let ty = self.typing.type_name(ty);
            let message = format!("cannot use type {ty} in RETURNING clause of JSON_SERIALIZE()");
            return Err(error(ReasonCode::Type, message, span));
        }
        self.constructed(syntax, &returning, false, span)
    }

    /// RETURNING that may only be JSON.
    fn json_only(
        &self,
        output: &Option<JsonOutput>,
        construct: &str,
        span: Option<Span>,
    ) -> Result<Returning, BindError> {
        let returning = self.json_returning(output, &[])?;
        if !matches!(returning.ty.oid, oids::JSON | oids::JSONB) {
            let ty = self.typing.type_name(returning.ty.oid);
            let message = format!("cannot use type {ty} in RETURNING clause of {construct}");
            return Err(error(ReasonCode::Type, message, span));
        }
        Ok(returning)
    }
}

pub(super) fn nulls(absent: bool) -> &'static str {
    match absent {
        true => " ABSENT ON NULL",
        false => " NULL ON NULL",
    }
}
