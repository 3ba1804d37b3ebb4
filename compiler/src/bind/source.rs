//! Tables and views in FROM.

use super::context::BindError;
use super::cte::{Env, Extra, Read};
use super::expr::{ExprPosition, bind_expr};
use super::from::Bound;
use super::query::{From, Query, Table};
use super::scope::{Item, Named, Scope, distance, suggest};
use super::{Binder, Unit, Unknowns, add};
use crate::typing::error;
use pg_query::NodeEnum;
use pg_query::protobuf::{Node, RangeVar};
use spec::catalog::{CastContext, FIRST_UNPINNED, Generated, Relation, RelationKind};
use spec::compiled::OutputColumn;
use spec::{ColType, Expr, Reason, ReasonCode, Span};
use std::sync::Arc;

/// Deeper than any sane stack of views.
const MAX_VIEWS: usize = 32;

impl Binder<'_> {
    /// A name in FROM: a WITH query, a table or a view. Its columns start at `start`.
    pub(super) fn named_item(
        &mut self,
        range: &RangeVar,
        start: usize,
    ) -> Result<Bound, BindError> {
        let span = self.unit.span(range.location);
        let name = &range.relname;
        if range.schemaname.is_empty()
            && let Some(cte) = self.env.get(name)
        {
            let query = match cte.read(self)? {
                Read::Query(query, None) => query,
                Read::Query(query, Some(extra)) => {
                    return self.searched_item(query, &extra, name, range.alias.as_ref(), start);
                }
                Read::Early => {
                    let message = format!(
                        "WITH RECURSIVE: \"{name}\" reads itself elsewhere than in the second part of a UNION"
                    );
                    self.report(ReasonCode::Recursion, message, span);
                    Arc::new(self.opaque("recursive reference", None))
                }
            };
            return self.query_item(query, name, range.alias.as_ref(), start);
        }
        let schema = Some(range.schemaname.as_str()).filter(|s| !s.is_empty());
        let catalog = self.unit.catalog;
        if let Some(relation) = catalog.relation_named(schema, name) {
            return self.relation_item(relation, range, start);
        }
        if catalog.is_system_relation(schema, name) {
            let message = format!("system catalog {name}");
            self.report(ReasonCode::SourceKind, message, span);
            let query = Arc::new(self.opaque("system catalog", None));
            return self.query_item(query, name, range.alias.as_ref(), start);
        }
        let written = match schema {
            Some(schema) => format!("{schema}.{name}"),
            None => name.clone(),
        };
        let message = format!("relation \"{written}\" does not exist");
        let mut missing = error(ReasonCode::Name, message, span);
        let known = catalog.objects().relations.iter();
        let names = known.map(|r| (distance(&r.name, name), r.name.clone()));
        missing.0.hint = suggest(names, name);
        Err(missing)
    }

    fn relation_item(
        &mut self,
        relation: &Relation,
        range: &RangeVar,
        start: usize,
    ) -> Result<Bound, BindError> {
        let span = self.unit.span(range.location);
        let mut bound = match relation.kind {
            RelationKind::View => {
                let query = self.view(relation, span)?;
                self.query_item(query, &relation.name, range.alias.as_ref(), start)?
            }
            RelationKind::Composite | RelationKind::Other => {
                let message = format!("\"{}\" is not a table or view", relation.name);
                return Err(error(ReasonCode::Name, message, span));
            }
            _ => {
                self.check_source(relation, range.inh, span);
                self.table_item(relation, range, start, span)?
            }
        };
        bound.top.row_type = Some(relation.row_type).filter(|t| t.is_valid());
        bound.top.table = range.alias.is_none().then_some(relation.oid);
        bound.namespace = vec![bound.top.clone()];
        Ok(bound)
    }

    /// Reports what kinds of sources cannot be incremental.
    fn check_source(&mut self, relation: &Relation, with_children: bool, span: Option<Span>) {
        let name = &relation.name;
        let kind = match relation.kind {
            _ if relation.oid.0 < FIRST_UNPINNED => Some("system catalog"),
            // A schema file does not tell its columns.
            RelationKind::MaterializedView if relation.columns.is_empty() => {
                Some("materialized view")
            }
            _ => None,
        };
        let compared = match relation.kind {
            RelationKind::Foreign => Some("foreign table"),
            RelationKind::MaterializedView => Some("materialized view"),
            _ => None,
        };
        if let Some(kind) = kind {
            let message = format!("{kind} \"{name}\" as a source");
            self.report(ReasonCode::SourceKind, message, span);
        }
        if let Some(compared) = compared.filter(|_| kind.is_none()) {
            let message = format!("{compared} \"{name}\" is compared with a copy at each refresh");
            self.report(ReasonCode::Compared, message, span);
        }
        if relation.has_foreign_parts {
            let message = format!("partitions or children of \"{name}\" are foreign tables");
            self.report(ReasonCode::SourceKind, message, span);
        }
        let has_parts = relation.kind == RelationKind::Partitioned || relation.has_children;
        if has_parts && !with_children {
            let message = format!("ONLY \"{name}\", which has partitions or children");
            self.report(ReasonCode::Inheritance, message, span);
        } else if has_parts && relation.kind == RelationKind::StreamTable {
            let message = format!("stream table \"{name}\" has inheritance children");
            self.report(ReasonCode::Inheritance, message, span);
        }
        if relation.row_security {
            let message = format!("row-level security applies to table \"{name}\"");
            self.report(ReasonCode::SourceKind, message, span);
        }
    }

    fn table_item(
        &mut self,
        relation: &Relation,
        range: &RangeVar,
        start: usize,
        span: Option<Span>,
    ) -> Result<Bound, BindError> {
        let is_virtual = |g: &Generated| matches!(g, Generated::Virtual(_));
        let stored: Vec<_> = relation
            .columns
            .iter()
            .filter(|c| !is_virtual(&c.generated))
            .collect();
        let of_stored: Vec<Named> = stored
            .iter()
            .enumerate()
            .map(|(i, c)| Named::new(&c.name, Expr::column(start + i, c.ty)))
            .collect();
        let mut columns = Vec::with_capacity(relation.columns.len());
        let mut plain = of_stored.iter();
        for column in &relation.columns {
            let named = match &column.generated {
                Generated::Virtual(expression) => Named::new(
                    &column.name,
                    self.generated(relation, column.ty, expression, &of_stored)
                        .map_err(|mut e| {
                            e.0.span = span;
                            e.0.message =
                                format!("generated column \"{}\": {}", column.name, e.0.message);
                            e
                        })?,
                ),
                // As many as there are columns that are not virtual.
                _ => match plain.next() {
                    Some(named) => named.clone(),
                    None => continue,
                },
            };
            columns.push(named);
        }
        let name = range
            .alias
            .as_ref()
            .map_or(&relation.name, |a| &a.aliasname);
        let from = From::Table(Table {
            relation: relation.oid,
            name: name.clone(),
            attnums: stored.iter().map(|c| c.attnum).collect(),
            types: stored
                .iter()
                .map(|c| ColType {
                    ty: c.ty,
                    nullable: !c.not_null,
                })
                .collect(),
            span,
        });
        let mut top = Item::new(Some(name.clone()), columns);
        top.system_columns = true;
        top.computed = stored.len() < relation.columns.len();
        let present = stored.iter().position(|c| c.not_null);
        top.present = present.map(|i| Expr::column(start + i, stored[i].ty));
        // A schema file does not tell the columns of a materialized view.
        top.opaque = relation.columns.is_empty() && relation.kind == RelationKind::MaterializedView;
        self.rename_columns(&mut top, range.alias.as_ref())?;
        Ok(Bound::leaf(from, top))
    }

    /// The expression of a virtual generated column, over the stored columns. (Generated columns
    /// do not refer to each other.) Its text is the catalog's, not the query's.
    fn generated(
        &mut self,
        relation: &Relation,
        ty: spec::SqlType,
        expression: &str,
        columns: &[Named],
    ) -> Result<Expr, BindError> {
        let catalog = self
            .unit
            .catalog
            .with_search_path(&relation.definition_path);
        let text = format!("SELECT {expression}");
        let tree = crate::parse::parse(&text).map_err(|e| error(e.code(), e.to_string(), None))?;
        let unreadable = || error(ReasonCode::Unsupported, "unreadable expression", None);
        let value = select_of(&tree)
            .and_then(|s| s.target_list.first())
            .and_then(|t| match &t.node {
                Some(NodeEnum::ResTarget(t)) => t.val.as_deref(),
                _ => None,
            })
            .ok_or_else(unreadable)?;
        let place = format!("generated columns of table {}", relation.name);
        let unit = Unit::new(&catalog, None, Some(&place));
        let env = Env::empty();
        let mut inner = Binder {
            unit: &unit,
            session: self.session,
            env: &env,
        };
        let items = [Item::new(Some(relation.name.clone()), columns.to_vec())];
        let scope = Scope {
            items: &items,
            parent: None,
            depth: inner.session.depth_of_subqueries(),
        };
        let position = ExprPosition::GeneratedColumn;
        let mut clause = inner.clause(&scope, position, super::clause::Aggregates::No);
        let expr = bind_expr(value, position, &mut clause, &unit.typing)?;
        let coerced = unit
            .typing
            .coerce_to(expr, ty, CastContext::Assignment, None)?;
        unit.typing.flush(&mut clause);
        let expr = coerced.ok_or_else(|| error(ReasonCode::Type, "of another type", None))?;
        unit.typing.assign_collations(&expr, None)
    }

    /// The query of a view, bound once.
    fn view(&mut self, relation: &Relation, span: Option<Span>) -> Result<Arc<Query>, BindError> {
        if let Some(query) = self.session.views.get(&relation.oid) {
            return Ok(query.clone());
        }
        let catalog = self.unit.catalog;
        let name = match catalog.namespace(relation.namespace) {
            Some(schema) => format!("{}.{}", schema.name, relation.name),
            None => relation.name.clone(),
        };
        let in_view = |mut e: BindError| {
            e.0.message = format!("in view {name}: {}", e.0.message);
            e.0.span = span;
            e
        };
        let Some(definition) = &relation.definition else {
            let message = "its definition is not in the catalog snapshot";
            return Err(in_view(error(ReasonCode::Unsupported, message, None)));
        };
        let open = &mut self.session.open_views;
        if open.contains(&relation.oid) || open.len() >= MAX_VIEWS {
            let message = "views are nested too deeply";
            return Err(in_view(error(ReasonCode::TooDeep, message, None)));
        }
        let tree = crate::parse::parse(definition)
            .map_err(|e| in_view(error(e.code(), e.to_string(), None)))?;
        let catalog = catalog.with_search_path(&relation.definition_path);
        let place = format!("view {name}");
        let unit = Unit::new(&catalog, None, Some(&place));
        let env = Env::empty();
        self.session.open_views.push(relation.oid);
        let mut inner = Binder {
            unit: &unit,
            session: self.session,
            env: &env,
        };
        let bound = match select_of(&tree) {
            Some(select) => inner.query(select, None, Unknowns::ToText),
            None => Err(error(ReasonCode::Unsupported, "it is not a SELECT", None)),
        };
        self.session.open_views.pop();
        let mut query = bound.map_err(in_view)?;
        add(&mut self.session.bindings, unit.typing.bindings());
        // The catalog's names hold: columns of a view can be renamed.
        if !relation.columns.is_empty() && query.has_known_columns() {
            if relation.columns.len() != query.columns.len() {
                let message = "its columns are not those of its definition";
                return Err(in_view(error(ReasonCode::Unsupported, message, None)));
            }
            for (column, known) in query.columns.iter_mut().zip(&relation.columns) {
                column.name.clone_from(&known.name);
            }
        }
        let query = Arc::new(query);
        self.session.views.insert(relation.oid, query.clone());
        Ok(query)
    }

    /// A query in FROM, under a name.
    pub(super) fn query_item(
        &mut self,
        query: Arc<Query>,
        name: &str,
        alias: Option<&pg_query::protobuf::Alias>,
        start: usize,
    ) -> Result<Bound, BindError> {
        let name = alias.map_or(name, |a| &a.aliasname);
        let named =
            |(i, c): (usize, &OutputColumn)| Named::new(&c.name, Expr::column(start + i, c.ty.ty));
        let columns = query.columns.iter().enumerate().map(named).collect();
        let mut top = Item::new(Some(name.to_string()).filter(|n| !n.is_empty()), columns);
        top.opaque = !query.has_known_columns();
        self.rename_columns(&mut top, alias)?;
        let name = name.to_string();
        Ok(Bound::leaf(From::Query { name, query }, top))
    }

    /// A WITH query with the columns that SEARCH and CYCLE add. Only they have no other names.
    fn searched_item(
        &mut self,
        query: Arc<Query>,
        extra: &Extra,
        name: &str,
        alias: Option<&pg_query::protobuf::Alias>,
        start: usize,
    ) -> Result<Bound, BindError> {
        let plain = Query {
            columns: query.columns[..extra.width].to_vec(),
            body: query.body.clone(),
        };
        let mut bound = self.query_item(Arc::new(plain), name, alias, start)?;
        let shown = extra.columns.iter().map(|c| Named {
            expr: c.expr.remap(&mut |c| start + c),
            ..c.clone()
        });
        let mut top = bound.top;
        top.columns = top.columns.iter().cloned().chain(shown).collect();
        top.computed = true;
        top.present = (extra.present.as_ref()).map(|e| e.remap(&mut |c| start + c));
        if let From::Query { name, .. } = bound.from {
            bound = Bound::leaf(From::Query { name, query }, top);
        } else {
            bound.top = top;
        }
        Ok(bound)
    }

    /// `AS t(a, b)`: names of the first columns.
    pub(super) fn rename_columns(
        &self,
        item: &mut Item,
        alias: Option<&pg_query::protobuf::Alias>,
    ) -> Result<(), BindError> {
        let names = alias.map_or_else(Vec::new, |a| crate::typename::strings(&a.colnames));
        if names.len() > item.columns.len() && !item.opaque {
            let table = item.name.as_deref().unwrap_or("?");
            let message = format!(
                "table \"{table}\" has {} columns available but {} columns specified",
                item.columns.len(),
                names.len()
            );
            return Err(BindError(Box::new(Reason {
                code: ReasonCode::Name,
                message,
                span: None,
                hint: None,
            })));
        }
        if !names.is_empty() {
            let mut columns = item.columns.to_vec();
            for (column, name) in columns.iter_mut().zip(names) {
                column.name = name;
            }
            item.columns = columns.into();
        }
        Ok(())
    }
}

fn select_of(tree: &crate::parse::ParseTree) -> Option<&pg_query::protobuf::SelectStmt> {
    let [statement] = tree.stmts.as_slice() else {
        return None;
    };
    let node: &Node = statement.stmt.as_deref()?;
    match node.node.as_ref()? {
        NodeEnum::SelectStmt(select) => Some(select),
        _ => None,
    }
}
