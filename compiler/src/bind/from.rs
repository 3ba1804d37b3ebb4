//! FROM: its items from left to right, separated by commas.

use super::context::BindError;
use super::expr::span_of;
use super::query::{From, JoinKind, Query};
use super::scope::{Item, Scope};
use super::sublink::Frame;
use super::{Binder, Unknowns};
use crate::typing::error;
use pg_query::NodeEnum;
use pg_query::protobuf::{Node, RangeSubselect, SelectStmt};
use spec::{ReasonCode, Span};
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
                self.functions(function, start, &lateral, self.place(item))
            }
            Some(NodeEnum::RangeTableFunc(table)) => self.xml_table(table, start, &lateral),
            Some(NodeEnum::JsonTable(table)) => self.json_table(table, start, &lateral),
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
        if !sub.lateral {
            let query = self.query(select, parent, Unknowns::ToText)?;
            return self.query_item(Arc::new(query), "", sub.alias.as_ref(), start);
        }
        // What it reads to the left of it, and around, are its parameters.
        self.session.frames.push(Frame::lateral());
        let query = self.query(select, Some(lateral), Unknowns::ToText);
        let frame = self.session.frames.pop().unwrap_or_default();
        let mut bound = self.query_item(Arc::new(query?), "", sub.alias.as_ref(), start)?;
        if let (From::Query { name, query }, false) = (&bound.from, frame.parameters.is_empty()) {
            let location = head(select);
            bound.from = From::Lateral {
                name: name.clone(),
                query: query.clone(),
                parameters: frame.parameters,
                span: self.unit.text.keyword_before(location, &["LATERAL"], &[]),
            };
        }
        Ok(bound)
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
