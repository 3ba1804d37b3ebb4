//! Functions that make rows: in FROM (`ROWS FROM (…)`, alone or several, WITH ORDINALITY), and
//! set-returning ones in the SELECT list.
//!
//! A function in FROM is any function: one that returns no set makes one row. Its columns are those
//! of the composite type that it returns, its OUT parameters, what `AS (a int, …)` defines, or else
//! the one value. In a SELECT list the call is taken out of the expression, and what it makes stands
//! for it:
//!
//! ```text
//! SELECT 1 + unnest(f(generate_series(1, a)))     *0 = generate_series(1, a)
//!                                                 *1 = unnest(f(*0))          1 + *1
//! ```

use super::clause::Aggregates;
use super::context::BindError;
use super::expr::{
    ExprPosition, TableFunction, bind_json_table, bind_xml_table, fills_records, is_set,
    returns_set,
};
use super::from::Bound;
use super::label::label;
use super::query::{From, Reads, SetCall};
use super::scope::{Item, Named, Scope};
use super::{Binder, Session, Unit};
use crate::typename::{strings, type_from_ast};
use crate::typing::error;
use pg_query::NodeEnum;
use pg_query::protobuf::{Alias, JsonTable, Node, RangeFunction, RangeTableFunc};
use spec::catalog::{Catalog, Function, TypeKind};
use spec::compiled::OutputColumn;
use spec::expr::ExprKind;
use spec::types::{Oid, SqlType, oids};
use spec::{ColType, Expr, ReasonCode, Span};

/// The columns of a row that an expression is: names and types. None where they are not known.
type Columns = Option<Vec<(String, SqlType)>>;

/// A function in FROM as it is written.
struct Written<'n> {
    call: &'n Node,
    /// `AS (a int, …)`
    definitions: &'n [Node],
}

impl Binder<'_> {
    /// Functions in FROM.
    pub(super) fn functions(
        &mut self,
        range: &RangeFunction,
        start: usize,
        lateral: &Scope<'_>,
        span: Option<Span>,
    ) -> Result<Bound, BindError> {
        let alias = range.alias.as_ref();
        let mut written: Vec<Written<'_>> = vec![];
        for item in &range.functions {
            // Each is a pair: the call, and its column definitions.
            let Some(NodeEnum::List(pair)) = &item.node else {
                return Err(error(ReasonCode::Unsupported, "a function in FROM", span));
            };
            let Some(call) = pair.items.first() else {
                return Err(error(ReasonCode::Unsupported, "a function in FROM", span));
            };
            let definitions = match pair.items.get(1).and_then(|d| d.node.as_ref()) {
                Some(NodeEnum::List(list)) if !list.items.is_empty() => &list.items,
                _ => &range.coldeflist,
            };
            written.push(Written { call, definitions });
        }
        // `unnest(a, b)` is `ROWS FROM (unnest(a), unnest(b))`.
        let several: Vec<Node> = match written.as_slice() {
            [one] if one.definitions.is_empty() => unnest_each(one.call),
            _ => vec![],
        };
        if !several.is_empty() {
            let apart = |call| Written {
                call,
                definitions: &[],
            };
            written = several.iter().map(apart).collect();
        }
        let alone = written.len() == 1;
        let mut functions = vec![];
        let mut known = true;
        for one in &written {
            match self.function(one, alias.filter(|_| alone), lateral, span)? {
                Some(function) => functions.push(function),
                None => known = false,
            }
        }
        // Several calls of unnest are called after it, too.
        let name = match range.functions.as_slice() {
            [one] => call_name(one),
            _ => String::new(),
        };
        let plain = |f: &SetCall| matches!(f.call.kind(), ExprKind::Call { .. });
        if known && (!alone || range.ordinality) && !functions.iter().all(plain) {
            let message = "what is no function, in ROWS FROM or WITH ORDINALITY";
            self.report(ReasonCode::Lateral, message, span);
        }
        let scalar = alone && !range.ordinality && functions.iter().all(|f| !f.composite);
        let row_type = match functions.as_slice() {
            [one] if one.composite && !range.ordinality => Some(one.call.ty().oid),
            _ => None,
        };
        let from = From::Functions {
            name: alias.map_or(&name, |a| &a.aliasname).clone(),
            functions,
            ordinality: range.ordinality,
            span,
        };
        let mut bound = match known {
            true => {
                let mut names: Vec<String> = vec![];
                if let From::Functions { functions, .. } = &from {
                    let columns = functions.iter().flat_map(|f| &f.columns);
                    names.extend(columns.map(|c| c.name.clone()));
                }
                names.extend(range.ordinality.then(|| "ordinality".to_owned()));
                self.made_item(from, names, &name, alias, start)?
            }
            false => {
                let message = "a function in FROM whose columns are not known";
                self.report(ReasonCode::Lateral, message, span);
                self.unknown_item(&name, alias)?
            }
        };
        bound.top.scalar = scalar && known;
        bound.top.row_type = row_type.filter(|t| *t != oids::RECORD);
        bound.namespace = vec![bound.top.clone()];
        Ok(bound)
    }

    /// One function in FROM; none if its columns cannot be told.
    fn function(
        &mut self,
        written: &Written<'_>,
        alias: Option<&Alias>,
        lateral: &Scope<'_>,
        span: Option<Span>,
    ) -> Result<Option<SetCall>, BindError> {
        let unit = self.unit;
        let catalog = unit.catalog;
        let place = self.expr_span(written.call).or(span);
        let mut clause = self.clause(lateral, ExprPosition::FromFunction, Aggregates::No);
        let call = clause.expr(written.call)?;
        let call = unit.typing.resolve_unknown(call);
        let inner = match is_set(&call, catalog) {
            true => call.children(),
            false => vec![&call],
        };
        if inner.into_iter().any(|e| returns_set(e, catalog)) {
            let message = "set-returning functions must appear at top level of FROM";
            return Err(error(ReasonCode::Type, message, place));
        }
        unit.typing.flush(&mut clause);
        let columns = row_of(&call, catalog);
        if !written.definitions.is_empty() {
            let wrong = match (&columns, call.ty().oid) {
                (Some(_), oids::RECORD) => {
                    "a column definition list is redundant for a function with OUT parameters"
                }
                (Some(_), _) => {
                    "a column definition list is redundant for a function returning a named \
                     composite type"
                }
                (None, oids::RECORD) => "",
                (None, _) => {
                    "a column definition list is only allowed for functions returning \"record\""
                }
            };
            if !wrong.is_empty() {
                return Err(error(ReasonCode::Type, wrong, place));
            }
            let columns = self.defined(&call, written.definitions, place)?;
            return Ok(Some(set_call(call, columns, true, true)));
        }
        if let Some(columns) = columns {
            return Ok(Some(set_call(call, columns, false, true)));
        }
        match call.ty().oid {
            oids::RECORD => match call.kind() {
                ExprKind::Call { function, .. } if has_out_parameters(*function, catalog) => {
                    Ok(None)
                }
                _ => {
                    let message = "a column definition list is required for functions returning \
                                   \"record\"";
                    Err(error(ReasonCode::Type, message, place))
                }
            },
            oids::UNKNOWN => Ok(None),
            _ => {
                // The name of the only OUT argument comes before the alias.
                let out = match call.kind() {
                    ExprKind::Call { function, .. } => {
                        catalog.function(*function).and_then(only_out_name)
                    }
                    _ => None,
                };
                let alias = || alias.map_or_else(|| label(written.call), |a| a.aliasname.clone());
                let column = (out.unwrap_or_else(alias), call.ty());
                Ok(Some(set_call(call, vec![column], false, false)))
            }
        }
    }

    /// `AS (a int, b text)`
    fn defined(
        &mut self,
        call: &Expr,
        definitions: &[Node],
        span: Option<Span>,
    ) -> Result<Vec<(String, SqlType)>, BindError> {
        let unit = self.unit;
        let mut columns: Vec<(String, SqlType)> = vec![];
        for definition in definitions {
            let Some(NodeEnum::ColumnDef(column)) = &definition.node else {
                let message = "an unknown column definition";
                return Err(error(ReasonCode::Unsupported, message, span));
            };
            let Some(ty) = &column.type_name else {
                let message = "a column definition without a type";
                return Err(error(ReasonCode::Unsupported, message, span));
            };
            if column.coll_clause.is_some() {
                let message = "COLLATE in a column definition list";
                self.report(ReasonCode::Lateral, message, span);
            }
            let ty =
                type_from_ast(ty, unit.catalog).map_err(|e| BindError(Box::new(e.reason())))?;
            let name = &column.colname;
            if columns.iter().any(|(known, _)| known == name) {
                let message = format!("column name \"{name}\" specified more than once");
                return Err(error(ReasonCode::Name, message, span));
            }
            columns.push((name.clone(), ty));
        }
        if let ExprKind::Call { function, .. } = call.kind()
            && fills_records(*function)
        {
            for (_, ty) in &columns {
                unit.typing.note_input(ty.oid, span);
            }
            let nothing = Scope::EMPTY;
            let mut clause = self.clause(&nothing, ExprPosition::FromFunction, Aggregates::No);
            unit.typing.flush(&mut clause);
        }
        Ok(columns)
    }

    /// JSON_TABLE, which sees what stands to the left of it whether or not it says LATERAL.
    pub(super) fn json_table(
        &mut self,
        table: &JsonTable,
        start: usize,
        lateral: &Scope<'_>,
    ) -> Result<Bound, BindError> {
        let unit = self.unit;
        let mut clause = self.clause(lateral, ExprPosition::FromFunction, Aggregates::No);
        let function = bind_json_table(table, &mut clause, &unit.typing)?;
        let span = unit.span(table.location);
        self.table_function(function, "json_table", table.alias.as_ref(), span, start)
    }

    /// XMLTABLE, likewise.
    pub(super) fn xml_table(
        &mut self,
        table: &RangeTableFunc,
        start: usize,
        lateral: &Scope<'_>,
    ) -> Result<Bound, BindError> {
        let unit = self.unit;
        let mut clause = self.clause(lateral, ExprPosition::FromFunction, Aggregates::No);
        let function = bind_xml_table(table, &mut clause, &unit.typing)?;
        let span = unit.span(table.location);
        self.table_function(function, "xmltable", table.alias.as_ref(), span, start)
    }

    fn table_function(
        &mut self,
        function: TableFunction,
        name: &str,
        alias: Option<&Alias>,
        span: Option<Span>,
        start: usize,
    ) -> Result<Bound, BindError> {
        let TableFunction { call, columns } = function;
        if returns_set(&call, self.unit.catalog) {
            let message = "set-returning functions must appear at top level of FROM";
            return Err(error(ReasonCode::Type, message, span));
        }
        let names = columns.iter().map(|(name, _)| name.clone()).collect();
        let from = From::Functions {
            name: alias.map_or(name, |a| &a.aliasname).to_owned(),
            functions: vec![set_call(call, columns, false, true)],
            ordinality: false,
            span,
        };
        self.made_item(from, names, name, alias, start)
    }

    /// An item of FROM with these columns, called so where it has no alias.
    pub(super) fn made_item(
        &mut self,
        from: From,
        names: Vec<String>,
        name: &str,
        alias: Option<&Alias>,
        start: usize,
    ) -> Result<Bound, BindError> {
        let types = from.types();
        let columns = names.into_iter().zip(types).enumerate();
        let named = columns.map(|(i, (name, c))| Named::new(&name, Expr::column(start + i, c.ty)));
        let name = alias.map_or(name, |a| &a.aliasname);
        let name = Some(name.to_string()).filter(|n| !n.is_empty());
        let mut top = Item::new(name, named.collect());
        self.rename_columns(&mut top, alias)?;
        Ok(Bound::leaf(from, top))
    }

    /// The same, reported, whose columns are not known.
    fn unknown_item(&mut self, what: &str, alias: Option<&Alias>) -> Result<Bound, BindError> {
        let from = From::Opaque {
            what: what.into(),
            types: vec![],
        };
        let name = alias.map_or(what, |a| &a.aliasname);
        let mut top = Item::new(Some(name.to_string()).filter(|n| !n.is_empty()), vec![]);
        top.opaque = true;
        self.rename_columns(&mut top, alias)?;
        Ok(Bound::leaf(from, top))
    }
}

impl Session {
    /// Takes the calls of set-returning functions out of an expression of the innermost SELECT,
    /// innermost first.
    pub(super) fn without_sets(
        &mut self,
        expr: &Expr,
        span: Option<Span>,
        unit: &Unit<'_>,
    ) -> Result<Expr, BindError> {
        if !returns_set(expr, unit.catalog) {
            return Ok(expr.clone());
        }
        let below = map_children(expr, &mut |child| self.without_sets(child, span, unit))?;
        if !is_set(&below, unit.catalog) {
            return Ok(below);
        }
        let ty = below.ty();
        let (columns, composite) = match row_of(&below, unit.catalog) {
            Some(columns) => (columns, true),
            None => (vec![(String::new(), ty)], false),
        };
        let set = SetCall {
            span,
            ..set_call(below, columns, false, composite)
        };
        let Some(sets) = self.sets.last_mut() else {
            let message = "a set-returning function outside of a SELECT";
            return Err(error(ReasonCode::Internal, message, None));
        };
        let known = sets.iter().position(|s| s.call == set.call);
        let at = known.unwrap_or_else(|| {
            sets.push(set);
            sets.len() - 1
        });
        Ok(Reads::Set(at).expr(ty))
    }
}

impl Session {
    /// The fields of what a set-returning function makes, by their names.
    pub(super) fn fields_of_set(&self, expr: &Expr) -> Option<Vec<(String, Expr)>> {
        let Reads::Set(at) = Reads::of(expr.as_column()?) else {
            return None;
        };
        let set = self.sets.last()?.get(at).filter(|s| s.composite)?;
        let field = |(index, c): (usize, &OutputColumn)| {
            let kind = ExprKind::Field {
                arg: expr.clone(),
                index,
                name: c.name.as_str().into(),
            };
            (c.name.clone(), Expr::new(kind, c.ty.ty))
        };
        Some(set.columns.iter().enumerate().map(field).collect())
    }
}

fn map_children(
    expr: &Expr,
    f: &mut impl FnMut(&Expr) -> Result<Expr, BindError>,
) -> Result<Expr, BindError> {
    let mut failure = None;
    let mapped = expr.map_children(&mut |child| match f(child) {
        Ok(child) => child,
        Err(e) => {
            failure.get_or_insert(e);
            child.clone()
        }
    });
    match failure {
        None => Ok(mapped),
        Some(e) => Err(e),
    }
}

fn set_call(
    call: Expr,
    columns: Vec<(String, SqlType)>,
    defined: bool,
    composite: bool,
) -> SetCall {
    let never_null = match call.kind() {
        ExprKind::Call { function, .. } => is_series(*function),
        _ => false,
    };
    let columns = columns.into_iter().map(|(name, ty)| OutputColumn {
        name,
        ty: ColType {
            ty,
            nullable: !never_null,
        },
    });
    SetCall {
        columns: columns.collect(),
        call,
        defined,
        composite,
        span: None,
    }
}

/// `generate_series` of integers, numerics and times.
fn is_series(function: Oid) -> bool {
    matches!(function.0, 938 | 939 | 1066..=1069 | 3259 | 3260 | 6274)
}

/// The columns of the row that a call returns; none if it returns none, or they are not known.
pub(super) fn row_of(call: &Expr, catalog: &Catalog) -> Columns {
    let ty = call.ty();
    if let Some(relation) = catalog.relation_of_row_type(catalog.base_of(ty.oid)) {
        let columns = relation.columns.iter().map(|c| (c.name.clone(), c.ty));
        return Some(columns.collect());
    }
    let ExprKind::Call { function, .. } = call.kind() else {
        return None;
    };
    let f = catalog
        .function(*function)
        .filter(|f| f.result == oids::RECORD)?;
    let pseudo = |ty: Oid| catalog.ty(ty).is_none_or(|t| t.kind == TypeKind::Pseudo);
    if f.out_args.is_empty() || f.out_args.iter().any(|(_, ty)| pseudo(*ty)) {
        return None;
    }
    let columns = f.out_args.iter().enumerate().map(|(i, (name, ty))| {
        let name = match name.is_empty() {
            true => format!("column{}", i + 1),
            false => name.clone(),
        };
        (name, catalog.sql_type(*ty, -1))
    });
    Some(columns.collect())
}

fn has_out_parameters(function: Oid, catalog: &Catalog) -> bool {
    catalog
        .function(function)
        .is_some_and(|f| !f.out_args.is_empty())
}

/// The name of the only OUT argument of a function.
fn only_out_name(function: &Function) -> Option<String> {
    match function.out_args.as_slice() {
        [(name, _)] if !name.is_empty() => Some(name.clone()),
        _ => None,
    }
}

/// The calls that `unnest` of several arguments stands for, if the call is that.
fn unnest_each(call: &Node) -> Vec<Node> {
    let Some(NodeEnum::FuncCall(call)) = &call.node else {
        return vec![];
    };
    let name = strings(&call.funcname);
    let bare = call.agg_order.is_empty()
        && call.agg_filter.is_none()
        && call.over.is_none()
        && !call.agg_star
        && !call.agg_distinct
        && !call.func_variadic;
    let named = |a: &Node| matches!(a.node, Some(NodeEnum::NamedArgExpr(_)));
    if name != ["unnest"] || call.args.len() < 2 || !bare || call.args.iter().any(named) {
        return vec![];
    }
    let string = |s: &str| Node {
        node: Some(NodeEnum::String(pg_query::protobuf::String {
            sval: s.to_owned(),
        })),
    };
    let of = |arg: &Node| {
        let mut one = (**call).clone();
        one.funcname = vec![string("pg_catalog"), string("unnest")];
        one.args = vec![arg.clone()];
        Node {
            node: Some(NodeEnum::FuncCall(Box::new(one))),
        }
    };
    call.args.iter().map(of).collect()
}

/// The name by which a function in FROM is known without an alias.
fn call_name(item: &Node) -> String {
    match &item.node {
        Some(NodeEnum::List(pair)) => pair.items.first().map(label).unwrap_or_default(),
        _ => String::new(),
    }
}
