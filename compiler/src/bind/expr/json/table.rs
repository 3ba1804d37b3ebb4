//! JSON_TABLE: what it is printed as, and its columns.
//!
//! The columns of a level come before those that are nested in it, wherever NESTED stands.

use super::super::syntax::Syntax;
use super::super::{Binder, ExprPosition, TableFunction};
use super::query::{note_path, quotes, wrapper};
use super::value::{Allowed, Implied, Wanted, is_given};
use crate::bind::context::{BindError, Context};
use crate::typing::{Typing, error};
use pg_query::NodeEnum;
use pg_query::protobuf::a_const::Val;
use pg_query::protobuf::{
    JsonBehaviorType, JsonTable, JsonTableColumn, JsonTableColumnType, JsonTablePathSpec, Node,
};
use spec::catalog::TypeKind;
use spec::types::{Oid, SqlType, oids};
use spec::{ReasonCode, Span};

/// Binds JSON_TABLE in FROM.
pub fn bind_json_table(
    table: &JsonTable,
    scope: &mut dyn Context,
    typing: &Typing<'_>,
) -> Result<TableFunction, BindError> {
    let mut binder = Binder {
        typing,
        scope,
        position: ExprPosition::FromFunction,
    };
    let function = binder.json_table(table)?;
    typing.flush(scope);
    Ok(function)
}

/// What is read and made on the way.
struct Columns {
    made: Vec<(String, SqlType)>,
    /// Of columns and paths.
    names: Vec<String>,
    /// How many are made by paths: each has what is passed for itself.
    by_path: usize,
}

impl Binder<'_, '_> {
    fn json_table(&mut self, table: &JsonTable) -> Result<TableFunction, BindError> {
        const NAME: &str = "JSON_TABLE";
        let span = self.typing.span(table.location);
        let mut syntax = Syntax::new("JSON_TABLE(");
        let wanted = Wanted::Type(oids::JSONB, Implied::Jsonb);
        self.json_value(&table.context_item, wanted, NAME)?
            .print(&mut syntax);
        syntax.sql(", ");
        let mut columns = Columns {
            made: vec![],
            names: vec![],
            by_path: 0,
        };
        let Some(path) = &table.pathspec else {
            return Err(error(
                ReasonCode::Unsupported,
                "JSON_TABLE without a path",
                span,
            ));
        };
        self.path(path, &mut columns, &mut syntax)?;
        let mark = self.typing.mark();
        self.json_passing(&table.passing, NAME, &mut syntax)?;
        let passed = self.typing.since(mark);
        syntax.sql(" ");
        self.level(&table.columns, &mut columns, &mut syntax)?;
        for _ in 0..=columns.by_path {
            self.typing.repeat(&passed, span)?;
        }
        let jsonb = SqlType::new(oids::JSONB);
        self.json_behavior(&table.on_error, "ERROR", Allowed::Rows, jsonb, &mut syntax)?;
        syntax.sql(")");
        let call = syntax.finish(SqlType::new(oids::RECORD), false, self.typing, span);
        Ok(TableFunction {
            call: self.typing.assign_collations(&call, span)?,
            columns: columns.made,
        })
    }

    /// `COLUMNS (…)`: prints them as they stand.
    fn level(
        &mut self,
        nodes: &[Node],
        columns: &mut Columns,
        syntax: &mut Syntax,
    ) -> Result<(), BindError> {
        syntax.sql("COLUMNS (");
        let mut nested = vec![];
        let mut own = vec![];
        let mut numbered = false;
        for (i, node) in nodes.iter().enumerate() {
            let Some(NodeEnum::JsonTableColumn(column)) = &node.node else {
                let message = "an unknown column of JSON_TABLE";
                return Err(error(ReasonCode::Unsupported, message, None));
            };
            let span = self.typing.span(column.location);
            if i > 0 {
                syntax.sql(", ");
            }
            match column.coltype() {
                JsonTableColumnType::JtcNested => {
                    let Some(path) = &column.pathspec else {
                        let message = "NESTED without a path";
                        return Err(error(ReasonCode::Unsupported, message, span));
                    };
                    syntax.sql("NESTED PATH ");
                    self.path(path, columns, syntax)?;
                    syntax.sql(" ");
                    let before = std::mem::take(&mut columns.made);
                    self.level(&column.columns, columns, syntax)?;
                    nested.append(&mut columns.made);
                    columns.made = before;
                }
                JsonTableColumnType::JtcForOrdinality => {
                    if std::mem::replace(&mut numbered, true) {
                        let message = "only one FOR ORDINALITY column is allowed";
                        return Err(error(ReasonCode::Syntax, message, span));
                    }
                    self.named(&column.name, columns, span)?;
                    syntax.name(&column.name).sql(" FOR ORDINALITY");
                    own.push((column.name.clone(), SqlType::new(oids::INT4)));
                }
                _ => {
                    self.named(&column.name, columns, span)?;
                    columns.by_path += 1;
                    let ty = self.column(column, span, syntax)?;
                    own.push((column.name.clone(), ty));
                }
            }
        }
        syntax.sql(")");
        columns.made.append(&mut own);
        columns.made.append(&mut nested);
        Ok(())
    }

    fn column(
        &mut self,
        column: &JsonTableColumn,
        span: Option<Span>,
        syntax: &mut Syntax,
    ) -> Result<SqlType, BindError> {
        let Some(name) = &column.type_name else {
            let message = "a column of JSON_TABLE without a type";
            return Err(error(ReasonCode::Unsupported, message, span));
        };
        let ty = self.type_name(name)?;
        let pseudo = |t: Oid| {
            let known = self.typing.catalog.ty(t);
            known.is_none_or(|t| t.kind == TypeKind::Pseudo)
        };
        if pseudo(ty.oid) {
            let message = "returning pseudo-types is not supported in SQL/JSON functions";
            return Err(error(ReasonCode::Type, message, span));
        }
        syntax.name(&column.name).sql(" ").ty(ty);
        let exists = column.coltype() == JsonTableColumnType::JtcExists;
        if exists {
            syntax.sql(" EXISTS");
        }
        if let Some(format) = column.format.as_ref().filter(|f| is_given(f)) {
            syntax.sql(&super::value::format_clause(format));
        }
        if let Some(path) = &column.pathspec {
            let text = text_of(path, span)?;
            note_path(text, syntax);
            syntax.sql(" PATH ").text(text);
        }
        self.json_read(ty.oid, syntax);
        // An EXISTS column has neither, whatever the tree says.
        let shape = match exists {
            true => String::new(),
            false => [wrapper(column.wrapper()), quotes(column.quotes())].concat(),
        };
        syntax.sql(&shape);
        let read = column.coltype() == JsonTableColumnType::JtcFormatted
            || !shape.is_empty()
            || self.is_json_like(ty.oid);
        let allowed = match () {
            () if exists => Allowed::Exists,
            () if read => Allowed::Json,
            () => Allowed::Value,
        };
        self.json_behavior(&column.on_empty, "EMPTY", allowed, ty, syntax)?;
        self.json_behavior(&column.on_error, "ERROR", allowed, ty, syntax)?;
        if exists {
            let on_error = column.on_error.as_ref().map(|b| b.btype());
            let value = match on_error {
                None | Some(JsonBehaviorType::JsonBehaviorFalse) => Some(false),
                Some(JsonBehaviorType::JsonBehaviorTrue) => Some(true),
                _ => None,
            };
            if let Some(value) = value {
                let value = self.typing.boolean(value);
                syntax.also(self.note_behavior(&value, ty, span)?);
            }
        }
        Ok(ty)
    }

    /// Is a column of this type read as by JSON_QUERY, not JSON_VALUE?
    fn is_json_like(&self, ty: Oid) -> bool {
        let catalog = self.typing.catalog;
        let base = catalog.base_of(ty);
        let composite = |t: Oid| catalog.ty(t).is_some_and(|t| t.kind == TypeKind::Composite);
        matches!(base, oids::JSON | oids::JSONB)
            || catalog.element_type(base).is_some()
            || composite(base)
    }

    /// A path of rows, and its name.
    fn path(
        &mut self,
        path: &JsonTablePathSpec,
        columns: &mut Columns,
        syntax: &mut Syntax,
    ) -> Result<(), BindError> {
        let span = self.typing.span(path.location);
        let text = text_of(path, span)?;
        note_path(text, syntax);
        syntax.text(text);
        if !path.name.is_empty() {
            self.named(&path.name, columns, span)?;
            syntax.sql(" AS ").name(&path.name);
        }
        Ok(())
    }

    fn named(
        &self,
        name: &str,
        columns: &mut Columns,
        span: Option<Span>,
    ) -> Result<(), BindError> {
        if columns.names.iter().any(|n| n == name) {
            let message = format!("duplicate JSON_TABLE column or path name: {name}");
            return Err(error(ReasonCode::Name, message, span));
        }
        columns.names.push(name.to_owned());
        Ok(())
    }
}

/// A path of JSON_TABLE is always a literal.
fn text_of(path: &JsonTablePathSpec, span: Option<Span>) -> Result<&str, BindError> {
    match path.string.as_ref().and_then(|s| s.node.as_ref()) {
        Some(NodeEnum::AConst(c)) => match &c.val {
            Some(Val::Sval(text)) => Ok(&text.sval),
            _ => Ok(""),
        },
        _ => Err(error(
            ReasonCode::Unsupported,
            "only string constants are supported in JSON_TABLE path specification",
            span,
        )),
    }
}
