//! FROM: its items from left to right, separated by commas.

use super::clause::Aggregates;
use super::context::BindError;
use super::expr::{ExprPosition, span_of};
use super::query::{From, JoinKind, Query};
use super::scope::{Item, Named, Scope};
use super::{Binder, Unknowns};
use crate::typename::{strings, type_from_ast};
use crate::typing::error;
use pg_query::NodeEnum;
use pg_query::protobuf::{Alias, Node, RangeFunction, RangeSubselect, SelectStmt};
use spec::catalog::Function;
use spec::expr::ExprKind;
use spec::types::{SqlType, oids};
use spec::{ColType, Expr, ReasonCode, Span};
use std::sync::Arc;

/// A bound item of FROM, and how it is seen.
pub(super) struct Bound {
    pub from: From,
    pub width: usize,
    /// The item as a side of a join: its columns in order.
    pub top: Item,
    /// All names that it brings along, those of its inner items included.
    pub namespace: Vec<Item>,
}

impl Bound {
    pub(super) fn leaf(from: From, top: Item) -> Bound {
        Bound {
            width: from.types().len(),
            from,
            namespace: vec![top.clone()],
            top,
        }
    }
}

impl Binder<'_> {
    /// All items of FROM: their product, and the names that they bring.
    pub(super) fn bind_from(
        &mut self,
        items: &[Node],
        parent: Option<&Scope<'_>>,
    ) -> Result<(Option<From>, Vec<Item>), BindError> {
        let mut all: Option<From> = None;
        let mut width = 0;
        let mut namespace: Vec<Item> = vec![];
        for item in items {
            let bound = self.bind_item(item, width, &namespace, parent)?;
            check_names(&namespace, &bound.namespace, self.place(item))?;
            namespace.extend(bound.namespace);
            width += bound.width;
            all = Some(match all {
                None => bound.from,
                Some(left) => From::Join {
                    kind: JoinKind::Inner,
                    left: Box::new(left),
                    right: Box::new(bound.from),
                    condition: None,
                },
            });
        }
        Ok((all, namespace))
    }

    /// One item, whose columns start at `start`. `left` holds the names to the left of it, which
    /// only LATERAL sees.
    pub(super) fn bind_item(
        &mut self,
        item: &Node,
        start: usize,
        left: &[Item],
        parent: Option<&Scope<'_>>,
    ) -> Result<Bound, BindError> {
        let lateral = Scope {
            items: left,
            parent,
            depth: self.session.depth_of_subqueries(),
        };
        match item.node.as_ref() {
            Some(NodeEnum::RangeVar(range)) => self.named_item(range, start),
            Some(NodeEnum::RangeSubselect(sub)) => self.subselect(sub, start, parent, &lateral),
            Some(NodeEnum::JoinExpr(join)) => self.join(join, start, left, parent),
            Some(NodeEnum::RangeTableSample(sample)) => {
                let span = self.unit.span(sample.location);
                let message = "TABLESAMPLE picks rows at random";
                self.report(ReasonCode::TableSample, message, span);
                match sample.relation.as_deref() {
                    Some(relation) => self.bind_item(relation, start, left, parent),
                    None => Err(error(ReasonCode::Unsupported, "TABLESAMPLE", span)),
                }
            }
            Some(NodeEnum::RangeFunction(function)) => {
                self.function(function, start, &lateral, self.place(item))
            }
            Some(NodeEnum::RangeTableFunc(table)) => {
                let span = self.unit.span(table.location);
                self.table_function("XMLTABLE", table.alias.as_ref(), start, span)
            }
            Some(NodeEnum::JsonTable(table)) => {
                let span = self.unit.span(table.location);
                self.table_function("JSON_TABLE", table.alias.as_ref(), start, span)
            }
            _ => Err(error(
                ReasonCode::Unsupported,
                "an unknown kind of item in FROM",
                None,
            )),
        }
    }

    fn subselect(
        &mut self,
        sub: &RangeSubselect,
        start: usize,
        parent: Option<&Scope<'_>>,
        lateral: &Scope<'_>,
    ) -> Result<Bound, BindError> {
        let Some(NodeEnum::SelectStmt(select)) =
            sub.subquery.as_ref().and_then(|q| q.node.as_ref())
        else {
            return Err(error(ReasonCode::NotASelect, "not a subquery", None));
        };
        let parent = if sub.lateral {
            let location = head(select);
            let span = self.unit.text.keyword_before(location, &["LATERAL"], &[]);
            self.report(ReasonCode::Lateral, "LATERAL subquery", span);
            Some(lateral)
        } else {
            parent
        };
        let query = self.query(select, parent, Unknowns::ToText)?;
        self.query_item(Arc::new(query), "", sub.alias.as_ref(), start)
    }

    /// Functions in FROM: reported, with columns as far as they can be told.
    fn function(
        &mut self,
        function: &RangeFunction,
        start: usize,
        lateral: &Scope<'_>,
        span: Option<Span>,
    ) -> Result<Bound, BindError> {
        self.report(ReasonCode::Lateral, "function in FROM", span);
        let mut columns: Option<Vec<(String, SqlType)>> = Some(vec![]);
        for item in &function.functions {
            // Each is a pair: the call, and its column definitions.
            let Some(NodeEnum::List(pair)) = &item.node else {
                columns = None;
                continue;
            };
            let definitions = match pair.items.get(1).and_then(|d| d.node.as_ref()) {
                Some(NodeEnum::List(list)) if !list.items.is_empty() => &list.items,
                _ => &function.coldeflist,
            };
            let found = match pair.items.first() {
                Some(call) => {
                    let one = function.functions.len() == 1;
                    let alias = function.alias.as_ref().filter(|_| one);
                    self.function_columns(call, definitions, alias, lateral)?
                }
                None => None,
            };
            columns = columns.zip(found).map(|(mut all, found)| {
                all.extend(found);
                all
            });
        }
        if function.ordinality
            && let Some(columns) = &mut columns
        {
            columns.push(("ordinality".into(), SqlType::new(oids::INT8)));
        }
        let name = match function.functions.as_slice() {
            [one] => call_name(one),
            _ => String::new(),
        };
        self.opaque_item(&name, columns, function.alias.as_ref(), start)
    }

    /// The columns that a function in FROM returns, if they can be told.
    fn function_columns(
        &mut self,
        call: &Node,
        definitions: &[Node],
        alias: Option<&Alias>,
        lateral: &Scope<'_>,
    ) -> Result<Option<Vec<(String, SqlType)>>, BindError> {
        let unit = self.unit;
        let mut clause = self.clause(lateral, ExprPosition::FromFunction, Aggregates::No);
        clause.ignore = Some(ReasonCode::SetReturning);
        let expr = clause.expr(call)?;
        unit.typing.flush(&mut clause);
        if !definitions.is_empty() {
            let mut columns = vec![];
            for definition in definitions {
                let Some(NodeEnum::ColumnDef(column)) = &definition.node else {
                    return Ok(None);
                };
                let Some(ty) = &column.type_name else {
                    return Ok(None);
                };
                let ty =
                    type_from_ast(ty, unit.catalog).map_err(|e| BindError(Box::new(e.reason())))?;
                columns.push((column.colname.clone(), ty));
            }
            return Ok(Some(columns));
        }
        let ty = expr.ty();
        if let Some(relation) = unit.catalog.relation_of_row_type(ty.oid) {
            let columns = relation.columns.iter().map(|c| (c.name.clone(), c.ty));
            return Ok(Some(columns.collect()));
        }
        if let ExprKind::Call { function, .. } = expr.kind()
            && let Some(f) = unit.catalog.function(*function)
            && f.result == oids::RECORD
        {
            let known = !f.out_args.is_empty()
                && f.out_args.iter().all(|(_, ty)| {
                    unit.catalog
                        .ty(*ty)
                        .is_some_and(|t| t.kind != spec::catalog::TypeKind::Pseudo)
                });
            let columns = f
                .out_args
                .iter()
                .map(|(name, ty)| (name.clone(), unit.catalog.sql_type(*ty, -1)));
            return Ok(known.then(|| columns.collect()));
        }
        if ty.oid == oids::RECORD || ty.oid == oids::UNKNOWN {
            return Ok(None);
        }
        // The name of the only OUT argument comes before the alias.
        let out = match expr.kind() {
            ExprKind::Call { function, .. } => {
                unit.catalog.function(*function).and_then(only_out_name)
            }
            _ => self.only_out_name_of(call),
        };
        let alias = || alias.map_or_else(|| super::label::label(call), |a| a.aliasname.clone());
        Ok(Some(vec![(out.unwrap_or_else(alias), ty)]))
    }

    /// The same where the call is not bound: by the name of the function.
    fn only_out_name_of(&self, call: &Node) -> Option<String> {
        let Some(NodeEnum::FuncCall(call)) = &call.node else {
            return None;
        };
        let name = strings(&call.funcname).pop()?;
        let mut all = self.unit.catalog.functions_named(&name);
        all.find_map(only_out_name)
    }

    fn table_function(
        &mut self,
        what: &str,
        alias: Option<&Alias>,
        start: usize,
        span: Option<Span>,
    ) -> Result<Bound, BindError> {
        self.report(ReasonCode::Lateral, format!("{what} in FROM"), span);
        self.opaque_item(&what.to_lowercase(), None, alias, start)
    }

    fn opaque_item(
        &mut self,
        what: &str,
        columns: Option<Vec<(String, SqlType)>>,
        alias: Option<&Alias>,
        start: usize,
    ) -> Result<Bound, BindError> {
        let known = columns.is_some();
        let columns = columns.unwrap_or_default();
        let types = columns.iter().map(|(_, ty)| ColType {
            ty: *ty,
            nullable: true,
        });
        let from = From::Opaque {
            what: what.into(),
            types: types.collect(),
        };
        let named = columns
            .into_iter()
            .enumerate()
            .map(|(i, (name, ty))| Named {
                name,
                expr: Expr::column(start + i, ty),
            });
        let name = alias.map_or(what, |a| &a.aliasname);
        let mut top = Item::new(
            Some(name.to_string()).filter(|n| !n.is_empty()),
            named.collect(),
        );
        top.opaque = !known;
        self.rename_columns(&mut top, alias)?;
        Ok(Bound::leaf(from, top))
    }

    /// Where an item of FROM stands.
    pub(super) fn place(&self, item: &Node) -> Option<Span> {
        self.unit.span(location(item)?)
    }
}

/// Two items of one name are an error, unless they are tables of two schemas.
pub(super) fn check_names(
    left: &[Item],
    right: &[Item],
    span: Option<Span>,
) -> Result<(), BindError> {
    for new in right.iter().filter(|i| i.by_name) {
        let clash = left.iter().any(|old| {
            let two_tables = old.table.is_some() && new.table.is_some() && old.table != new.table;
            old.by_name && old.name == new.name && !two_tables
        });
        if clash {
            let name = new.name.as_deref().unwrap_or("?");
            let message = format!("table name \"{name}\" specified more than once");
            return Err(error(ReasonCode::Name, message, span));
        }
    }
    Ok(())
}

/// The name by which a function in FROM is known without an alias.
/// The name of the only OUT argument of a function.
fn only_out_name(function: &Function) -> Option<String> {
    match function.out_args.as_slice() {
        [(name, _)] if !name.is_empty() => Some(name.clone()),
        _ => None,
    }
}

fn call_name(item: &Node) -> String {
    match &item.node {
        Some(NodeEnum::List(pair)) => match pair.items.first().and_then(|c| c.node.as_ref()) {
            Some(NodeEnum::FuncCall(call)) => strings(&call.funcname).pop().unwrap_or_default(),
            _ => String::new(),
        },
        _ => String::new(),
    }
}

/// A location near the beginning of an item of FROM.
pub(super) fn location(item: &Node) -> Option<i32> {
    match item.node.as_ref()? {
        NodeEnum::RangeVar(r) => Some(r.location),
        NodeEnum::RangeSubselect(s) => match s.subquery.as_ref()?.node.as_ref()? {
            NodeEnum::SelectStmt(select) => head(select),
            _ => None,
        },
        NodeEnum::JoinExpr(j) => location(j.larg.as_deref()?),
        NodeEnum::RangeTableSample(s) => location(s.relation.as_deref()?),
        NodeEnum::RangeFunction(f) => match f.functions.first()?.node.as_ref()? {
            NodeEnum::List(pair) => match pair.items.first()?.node.as_ref()? {
                NodeEnum::FuncCall(call) => Some(call.location),
                NodeEnum::SqlvalueFunction(value) => Some(value.location),
                _ => None,
            },
            _ => None,
        },
        NodeEnum::RangeTableFunc(t) => Some(t.location),
        NodeEnum::JsonTable(t) => Some(t.location),
        _ => None,
    }
}

/// A location near the beginning of a query: of its WITH, its first output or its first value.
pub(super) fn head(select: &SelectStmt) -> Option<i32> {
    if let Some(with) = &select.with_clause {
        return Some(with.location);
    }
    if let Some(left) = &select.larg {
        return head(left);
    }
    let first = select.target_list.first().map(|t| match &t.node {
        Some(NodeEnum::ResTarget(t)) => t.location,
        _ => -1,
    });
    let value = || match select.values_lists.first()?.node.as_ref()? {
        NodeEnum::List(row) => match row.items.first()?.node.as_ref()? {
            NodeEnum::AConst(c) => Some(c.location),
            NodeEnum::TypeCast(c) => Some(c.location),
            _ => None,
        },
        _ => None,
    };
    let table = || location(select.from_clause.first()?);
    first.or_else(value).or_else(table).filter(|l| *l >= 0)
}

impl Binder<'_> {
    /// The place of an expression.
    pub(super) fn expr_span(&self, node: &Node) -> Option<Span> {
        span_of(node, &self.unit.typing)
    }

    /// A query without known columns was read: say so to whoever needs them.
    pub(super) fn known(&mut self, query: &Query) -> bool {
        if !query.has_known_columns() {
            self.session.lost_columns = true;
        }
        query.has_known_columns()
    }
}
