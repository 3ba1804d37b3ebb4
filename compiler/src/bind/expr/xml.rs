//! SQL/XML: XMLELEMENT and kin, `IS DOCUMENT`, XMLSERIALIZE, XMLTABLE.

use super::syntax::Syntax;
use super::{Binder, ExprPosition, TableFunction, node, span_of};
use crate::bind::context::{BindError, Context};
use crate::expr_facts::max_volatility;
use crate::typing::{Typing, error, io_volatility};
use pg_query::NodeEnum;
use pg_query::protobuf::{
    RangeTableFunc, RangeTableFuncCol, ResTarget, XmlExpr, XmlExprOp, XmlOptionType, XmlSerialize,
};
use spec::catalog::CastContext;
use spec::expr::ExprKind;
use spec::types::{Oid, SqlType, oids};
use spec::{Expr, ReasonCode, Span};

impl Binder<'_, '_> {
    pub(super) fn xml_expr(&mut self, x: &XmlExpr) -> Result<Expr, BindError> {
        let span = self.typing.span(x.location);
        let xml = SqlType::new(oids::XML);
        let mut syntax = match x.op() {
            XmlExprOp::IsXmlconcat => {
                let mut syntax = Syntax::new("XMLCONCAT(");
                for (i, arg) in x.args.iter().enumerate() {
                    let arg = self.specific(arg, oids::XML, "XMLCONCAT")?;
                    syntax.sql(if i > 0 { ", " } else { "" }).arg(arg);
                }
                syntax
            }
            XmlExprOp::IsXmlelement => self.xml_element(x, span)?,
            XmlExprOp::IsXmlforest => {
                let mut syntax = Syntax::new("XMLFOREST(");
                self.xml_named(x, "element", span, &mut syntax)?;
                syntax
            }
            XmlExprOp::IsXmlparse => {
                let mut syntax = Syntax::new("XMLPARSE(");
                syntax.sql(option(x.xmloption()));
                let [text, keep] = self.args(x, span)?;
                syntax.arg(self.typed(text, oids::TEXT, "XMLPARSE", span)?);
                let keep = matches!(keep.kind(), ExprKind::Const(Some(k)) if k.starts_with('t'));
                syntax.sql(match keep {
                    true => " PRESERVE WHITESPACE",
                    false => " STRIP WHITESPACE",
                });
                syntax
            }
            XmlExprOp::IsXmlpi => {
                let mut syntax = Syntax::new("XMLPI(NAME ");
                syntax.name(&x.name);
                for arg in &x.args {
                    let arg = self.specific(arg, oids::TEXT, "XMLPI")?;
                    syntax.sql(", ").arg(arg);
                }
                syntax
            }
            XmlExprOp::IsXmlroot => {
                let [document, version, standalone] = self.args(x, span)?;
                let mut syntax = Syntax::new("XMLROOT(");
                syntax.arg(self.typed(document, oids::XML, "XMLROOT", span)?);
                syntax.sql(", VERSION ");
                match version.kind() {
                    ExprKind::Const(None) if version.ty().oid == oids::UNKNOWN => {
                        syntax.sql("NO VALUE");
                    }
                    _ => {
                        syntax.arg(self.typed(version, oids::TEXT, "XMLROOT", span)?);
                    }
                }
                syntax.sql(match standalone.kind() {
                    ExprKind::Const(Some(n)) if &**n == "0" => ", STANDALONE YES",
                    ExprKind::Const(Some(n)) if &**n == "1" => ", STANDALONE NO",
                    ExprKind::Const(Some(n)) if &**n == "2" => ", STANDALONE NO VALUE",
                    _ => "",
                });
                syntax
            }
            XmlExprOp::IsDocument => {
                let [document] = self.args(x, span)?;
                let mut syntax = Syntax::new("");
                syntax.arg(self.typed(document, oids::XML, "IS DOCUMENT", span)?);
                syntax.sql(" IS DOCUMENT");
                let ty = SqlType::new(oids::BOOL);
                return Ok(syntax.finish(ty, false, self.typing, span));
            }
            XmlExprOp::IsXmlserialize | XmlExprOp::Undefined => {
                let message = "this SQL/XML expression";
                return Err(error(ReasonCode::Unsupported, message, span));
            }
        };
        syntax.sql(")");
        Ok(syntax.finish(xml, false, self.typing, span))
    }

    fn xml_element(&mut self, x: &XmlExpr, span: Option<Span>) -> Result<Syntax, BindError> {
        let mut syntax = Syntax::new("XMLELEMENT(NAME ");
        syntax.name(&x.name);
        if !x.named_args.is_empty() {
            syntax.sql(", XMLATTRIBUTES(");
            self.xml_named(x, "attribute", span, &mut syntax)?;
            syntax.sql(")");
        }
        for content in &x.args {
            let arg = self.expr(content)?;
            let arg = self.typing.resolve_unknown(arg);
            self.xml_shown(arg.ty().oid, &mut syntax);
            syntax.sql(", ").arg(arg);
        }
        Ok(syntax)
    }

    /// `value AS name, …`
    fn xml_named(
        &mut self,
        x: &XmlExpr,
        what: &str,
        span: Option<Span>,
        syntax: &mut Syntax,
    ) -> Result<(), BindError> {
        for (i, arg) in x.named_args.iter().enumerate() {
            let Some(NodeEnum::ResTarget(target)) = &arg.node else {
                let message = "an unknown argument of an SQL/XML function";
                return Err(error(ReasonCode::Unsupported, message, span));
            };
            let name = self.xml_name(target, what)?;
            let value = self.required(&target.val)?;
            let value = self.typing.resolve_unknown(value);
            self.xml_shown(value.ty().oid, syntax);
            syntax.sql(if i > 0 { ", " } else { "" });
            syntax.arg(value).sql(" AS ").name(&name);
        }
        Ok(())
    }

    /// The name of an attribute or element: that of the column, if it has none.
    fn xml_name(&mut self, target: &ResTarget, what: &str) -> Result<String, BindError> {
        if !target.name.is_empty() {
            return Ok(target.name.clone());
        }
        let span = self.typing.span(target.location);
        let Some(NodeEnum::ColumnRef(column)) = target.val.as_ref().and_then(|v| v.node.as_ref())
        else {
            let message = format!("unnamed XML {what} value must be a column reference");
            return Err(error(ReasonCode::Syntax, message, span));
        };
        let name = node::name(&column.fields)?.pop().unwrap_or_default();
        let xml = name.get(..3).is_some_and(|n| n.eq_ignore_ascii_case("xml"));
        if xml || name.contains(':') {
            // It would be escaped otherwise than a name that is written.
            let message = format!("an XML {what} called after the column \"{name}\"");
            let mut refused = error(ReasonCode::Unsupported, message, span);
            refused.0.hint = Some("Give it a name with AS.".into());
            return Err(refused);
        }
        Ok(name)
    }

    /// A value of this type is shown as XML.
    fn xml_shown(&self, ty: Oid, syntax: &mut Syntax) {
        let what = format!("XML of type {}", self.typing.type_name(ty));
        syntax.moves(what, io_volatility(self.typing.catalog, ty, oids::TEXT));
    }

    fn args<const N: usize>(
        &mut self,
        x: &XmlExpr,
        span: Option<Span>,
    ) -> Result<[Expr; N], BindError> {
        let args = x.args.iter().map(|a| self.expr(a));
        let args = args.collect::<Result<Vec<_>, _>>()?;
        <[Expr; N]>::try_from(args).map_err(|_| {
            let message = "an SQL/XML expression of other arguments";
            error(ReasonCode::Unsupported, message, span)
        })
    }

    fn specific(
        &mut self,
        arg: &pg_query::protobuf::Node,
        ty: Oid,
        what: &str,
    ) -> Result<Expr, BindError> {
        let span = span_of(arg, self.typing);
        let arg = self.expr(arg)?;
        self.typed(arg, ty, what, span)
    }

    fn typed(
        &mut self,
        arg: Expr,
        ty: Oid,
        what: &str,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        self.typing.coerce_to_specific(arg, ty, what, span)
    }

    pub(super) fn xml_serialize(&mut self, x: &XmlSerialize) -> Result<Expr, BindError> {
        let span = self.typing.span(x.location);
        let Some(name) = &x.type_name else {
            let message = "XMLSERIALIZE without a type";
            return Err(error(ReasonCode::Unsupported, message, span));
        };
        let ty = self.type_name(name)?;
        let arg = self.required(&x.expr)?;
        let arg = self.typed(arg, oids::XML, "XMLSERIALIZE", span)?;
        let text = Expr::column(0, self.typing.catalog.sql_type(oids::TEXT, -1));
        let made = self
            .typing
            .coerce_to(text, ty, CastContext::Implicit, span)?;
        if made.is_none() {
            let ty = self.typing.type_name(ty.oid);
            let message = format!("cannot cast XMLSERIALIZE result to {ty}");
            return Err(error(ReasonCode::Type, message, span));
        }
        let mut syntax = Syntax::new("XMLSERIALIZE(");
        syntax.sql(option(x.xmloption())).arg(arg);
        syntax.sql(" AS ").ty(ty);
        syntax.sql(if x.indent { " INDENT)" } else { " NO INDENT)" });
        Ok(syntax.finish(ty, false, self.typing, span))
    }

    fn xml_table(&mut self, table: &RangeTableFunc) -> Result<TableFunction, BindError> {
        const NAME: &str = "XMLTABLE";
        let span = self.typing.span(table.location);
        let mut syntax = Syntax::new("XMLTABLE(");
        for (i, namespace) in table.namespaces.iter().enumerate() {
            let Some(NodeEnum::ResTarget(target)) = &namespace.node else {
                let message = "an unknown namespace";
                return Err(error(ReasonCode::Unsupported, message, span));
            };
            let uri = self.required(&target.val)?;
            let uri = self.typed(uri, oids::TEXT, NAME, span)?;
            syntax.sql(if i > 0 { ", " } else { "XMLNAMESPACES(" });
            match target.name.is_empty() {
                true => syntax.sql("DEFAULT ").arg(uri),
                false => syntax.arg(uri).sql(" AS ").name(&target.name),
            };
        }
        syntax.sql(match table.namespaces.is_empty() {
            true => "",
            false => "), ",
        });
        let row = self.required(&table.rowexpr)?;
        syntax.arg(self.typed(row, oids::TEXT, NAME, span)?);
        let document = self.required(&table.docexpr)?;
        let document = self.typed(document, oids::XML, NAME, span)?;
        syntax.sql(" PASSING ").arg(document).sql(" COLUMNS ");
        let mut columns: Vec<(String, SqlType)> = vec![];
        let mut numbered = false;
        for (i, column) in table.columns.iter().enumerate() {
            let Some(NodeEnum::RangeTableFuncCol(column)) = &column.node else {
                let message = "an unknown column of XMLTABLE";
                return Err(error(ReasonCode::Unsupported, message, span));
            };
            let place = self.typing.span(column.location);
            if columns.iter().any(|(name, _)| *name == column.colname) {
                let message = format!("column name \"{}\" is not unique", column.colname);
                return Err(error(ReasonCode::Syntax, message, place));
            }
            if column.for_ordinality && std::mem::replace(&mut numbered, true) {
                let message = "only one FOR ORDINALITY column is allowed";
                return Err(error(ReasonCode::Syntax, message, place));
            }
            syntax.sql(if i > 0 { ", " } else { "" });
            let ty = self.xml_column(column, place, &mut syntax)?;
            columns.push((column.colname.clone(), ty));
        }
        syntax.sql(")");
        let call = syntax.finish(SqlType::new(oids::RECORD), false, self.typing, span);
        Ok(TableFunction {
            call: self.typing.assign_collations(&call, span)?,
            columns,
        })
    }

    fn xml_column(
        &mut self,
        column: &RangeTableFuncCol,
        span: Option<Span>,
        syntax: &mut Syntax,
    ) -> Result<SqlType, BindError> {
        const NAME: &str = "XMLTABLE";
        syntax.name(&column.colname);
        if column.for_ordinality {
            syntax.sql(" FOR ORDINALITY");
            return Ok(SqlType::new(oids::INT4));
        }
        let Some(name) = &column.type_name else {
            let message = "a column of XMLTABLE without a type";
            return Err(error(ReasonCode::Unsupported, message, span));
        };
        let ty = self.type_name(name)?;
        syntax.sql(" ").ty(ty);
        let what = format!("reading type {} from XML", self.typing.type_name(ty.oid));
        syntax.moves(what, io_volatility(self.typing.catalog, oids::TEXT, ty.oid));
        if let Some(path) = &column.colexpr {
            let path = self.specific(path, oids::TEXT, NAME)?;
            syntax.sql(" PATH ").arg(path);
        }
        if let Some(default) = &column.coldefexpr {
            let place = span_of(default, self.typing);
            let default = self.expr(default)?;
            let default = self.sized_later(default, ty, place)?;
            let given = default.ty().oid;
            let coerced =
                self.typing
                    .coerce_to(default.clone(), ty, CastContext::Assignment, place)?;
            let Some(coerced) = coerced else {
                let (to, from) = (self.typing.type_name(ty.oid), self.typing.type_name(given));
                let message = format!("argument of XMLTABLE must be type {to}, not type {from}");
                return Err(error(ReasonCode::Type, message, place));
            };
            syntax.also(max_volatility(&coerced, self.typing.catalog));
            syntax.sql(" DEFAULT ").arg(default);
        }
        syntax.sql(if column.is_not_null { " NOT NULL" } else { "" });
        Ok(ty)
    }
}

/// Binds XMLTABLE in FROM.
pub fn bind_xml_table(
    table: &RangeTableFunc,
    scope: &mut dyn Context,
    typing: &Typing<'_>,
) -> Result<TableFunction, BindError> {
    let mut binder = Binder {
        typing,
        scope,
        position: ExprPosition::FromFunction,
    };
    let function = binder.xml_table(table)?;
    typing.flush(scope);
    Ok(function)
}

fn option(option: XmlOptionType) -> &'static str {
    match option {
        XmlOptionType::XmloptionDocument => "DOCUMENT ",
        XmlOptionType::XmloptionContent | XmlOptionType::Undefined => "CONTENT ",
    }
}
