//! SELECT: its clauses, in the order in which PostgreSQL looks at them.

use super::clause::{Aggregates, Calls};
use super::context::BindError;
use super::expr::window::named_windows;
use super::expr::{ExprPosition, row_fields};
use super::grouping::plain;
use super::label::label;
use super::order::Distinct;
use super::query::{Body, From, Query, Reads, Select, Subquery, Top};
use super::scope::{Item, Scope};
use super::{Binder, MAX_DEPTH, Order, Unknowns};
use crate::typename::strings;
use crate::typing::error;
use pg_query::NodeEnum;
use pg_query::protobuf::{AStar, ColumnRef, Node, ResTarget, SelectStmt, SetOperation};
use spec::compiled::OutputColumn;
use spec::expr::ExprKind;
use spec::op::SortKey;
use spec::types::oids;
use spec::{ColType, Expr, ReasonCode, Span};
use std::convert::Infallible;

/// An entry of the SELECT list.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub name: String,
    pub expr: Expr,
    pub span: Option<Span>,
    /// Columns that it reads outside aggregates, with their places.
    pub seen: Vec<(usize, Option<Span>)>,
}

/// What the clauses of one SELECT see and find.
pub(super) struct Level<'l> {
    pub scope: Scope<'l>,
    pub from: Option<&'l From>,
    pub calls: Calls,
}

/// A bound expression with the columns that it reads outside aggregates, and their places.
pub(super) type Seen = (Expr, Vec<(usize, Option<Span>)>);

impl Binder<'_> {
    /// Any query. `parent` is what subqueries in expressions, and LATERAL, see around them.
    pub(super) fn query(
        &mut self,
        select: &SelectStmt,
        parent: Option<&Scope<'_>>,
        unknowns: Unknowns,
    ) -> Result<Query, BindError> {
        self.query_in(select, parent, unknowns, Order::Dropped)
    }

    /// The same, with or without an ORDER BY that nothing in it asks for.
    pub(super) fn query_in(
        &mut self,
        select: &SelectStmt,
        parent: Option<&Scope<'_>>,
        unknowns: Unknowns,
        order: Order,
    ) -> Result<Query, BindError> {
        if self.session.depth >= MAX_DEPTH {
            let message = "queries are nested too deeply";
            return Err(error(ReasonCode::TooDeep, message, None));
        }
        self.session.depth += 1;
        let query = self.with(select.with_clause.as_ref(), parent, |binder| {
            binder.side_effects(select);
            match select.op() {
                SetOperation::SetopNone | SetOperation::Undefined => {
                    if select.values_lists.is_empty() {
                        binder.select(select, parent, unknowns, order)
                    } else {
                        binder.values(select, parent, order)
                    }
                }
                _ => binder.set_operation(select, parent, order),
            }
        });
        self.session.depth -= 1;
        query
    }

    fn side_effects(&mut self, select: &SelectStmt) {
        if let Some(into) = &select.into_clause {
            let span = into.rel.as_ref().and_then(|r| self.unit.span(r.location));
            self.report(ReasonCode::SideEffect, "SELECT INTO", span);
        }
        if !select.locking_clause.is_empty() {
            let text = &self.unit.text;
            let words = [
                &["FOR", "UPDATE"][..],
                &["FOR", "NO", "KEY", "UPDATE"],
                &["FOR", "SHARE"],
                &["FOR", "KEY", "SHARE"],
            ];
            let head = super::from::head(select);
            let span = words.iter().find_map(|w| text.words_after(head, w));
            let message = "FOR UPDATE or FOR SHARE locks rows";
            self.report(ReasonCode::SideEffect, message, span);
        }
    }

    fn select(
        &mut self,
        select: &SelectStmt,
        parent: Option<&Scope<'_>>,
        unknowns: Unknowns,
        kept: Order,
    ) -> Result<Query, BindError> {
        self.session.subqueries.push(vec![]);
        self.session.sets.push(vec![]);
        self.session.windows.push(vec![]);
        let named = named_windows(&select.window_clause);
        self.session.named_windows.push(named);
        let (from, namespace) = self.bind_from(&select.from_clause, parent)?;
        let mut level = Level {
            scope: Scope {
                items: &namespace,
                parent,
                depth: self.session.depth_of_subqueries(),
            },
            from: from.as_ref(),
            calls: Calls::default(),
        };
        let mut targets = self.targets(&select.target_list, &mut level)?;
        let filter = match select.where_clause.as_deref() {
            Some(node) => {
                let mut clause = self.clause(&level.scope, ExprPosition::Where, Aggregates::No);
                Some(clause.condition(node)?)
            }
            None => None,
        };
        let having = match select.having_clause.as_deref() {
            Some(node) => Some(self.expr(node, ExprPosition::Having, true, true, &mut level)?),
            None => None,
        };
        let listed = level.calls.aggregates.len();
        let sets = self.session.sets.last().map_or(0, Vec::len);
        let order = self.order_by(&select.sort_clause, &mut targets, &mut level)?;
        // Rows are made beside those of the others, though nobody sees what is made.
        let order_makes_rows = self.session.sets.last().map_or(0, Vec::len) > sets;
        let (keys, sets) = self.group_by(select, &mut targets, &mut level)?;
        let distinct = self.distinct(select, &mut targets, &mut level)?;
        match &distinct {
            Distinct::No => {}
            Distinct::Rows => self.check_distinct_order(&order, &targets)?,
            Distinct::On(on) => self.check_distinct_on_order(&order, on)?,
        }
        let limit = self.limit(select, &level.scope)?;
        let is_distinct = matches!(distinct, Distinct::Rows);
        let on = match distinct {
            Distinct::On(on) => on,
            _ => vec![],
        };
        // Elsewhere the order means nothing.
        let kept = kept == Order::Kept && !order.is_empty();
        let ordered = limit.is_some() || !on.is_empty() || kept;
        let order_keys: Vec<SortKey> = order.iter().map(|o| o.key.clone()).collect();
        // What is sorted by, behind what is distinct; as it is put out, if it is.
        let sorted = on.iter().chain(order.iter().map(|o| &o.seen));
        let sorted: Vec<Seen> = sorted
            .map(|(expr, seen)| {
                let shown = targets.iter().find(|t| plain(&t.expr) == plain(expr));
                let expr = shown.map_or(expr, |t| &t.expr);
                (expr.clone(), seen.clone())
            })
            .collect();
        if ordered {
            let exprs: Vec<Expr> = sorted.iter().map(|(e, _)| e.clone()).collect();
            let first = select
                .sort_clause
                .first()
                .or(select.distinct_clause.first());
            let span = first.and_then(|n| self.expr_span(n));
            let (told_apart, sorted) = exprs.split_at(on.len());
            self.check_sorted(told_apart, sorted, "ORDER BY", span);
        }
        if unknowns == Unknowns::ToText {
            for target in &mut targets {
                target.expr = self.unit.typing.resolve_unknown(target.expr.clone());
            }
        }

        let input = from.as_ref().map_or_else(Vec::new, From::types);
        let grouped = !select.group_clause.is_empty()
            || having.is_some()
            || !level.calls.aggregates.is_empty()
            || !level.calls.groupings.is_empty();
        let mut body = Select {
            from: None,
            filter,
            grouping: None,
            having: None,
            outputs: vec![],
            distinct: is_distinct,
            top: None,
            windows: vec![],
            subqueries: vec![],
            grouped_subqueries: vec![],
            sets: vec![],
            grouped_sets: vec![],
        };
        let mut sorted_exprs: Vec<Expr> = sorted.iter().map(|(e, _)| e.clone()).collect();
        let mut types: Vec<ColType> = input.clone();
        if grouped {
            // Those of ORDER BY alone are bound here only for its errors.
            let mut regrouping = self.regrouping(keys, sets, &level);
            let mut outputs = targets
                .iter()
                .map(|t| regrouping.outside(&t.expr, &t.seen))
                .collect::<Result<Vec<_>, _>>()?;
            let having = having
                .map(|(expr, seen)| regrouping.outside(&expr, &seen))
                .transpose()?;
            // What stands before WITHIN GROUP is said once for each group.
            let mut unsaid = vec![];
            for call in &level.calls.aggregates {
                for direct in &call.direct {
                    let columns = regrouping.outside(direct, &[])?.columns();
                    let mut reads = columns.iter().map(|c| Reads::of(*c));
                    let keys = |r| matches!(r, Reads::Column(_) | Reads::Parameter(_));
                    if regrouping.has_sets() && !columns.is_empty() {
                        unsaid.push(("grouping sets", call.span));
                    } else if !reads.all(keys) {
                        unsaid.push(("a subquery", call.span));
                    }
                }
            }
            // If not ordered by, only to be sure that PostgreSQL would accept them.
            for (expr, seen) in &sorted {
                outputs.push(regrouping.outside(expr, seen)?);
            }
            let listed = match ordered || order_makes_rows {
                true => level.calls.aggregates.len(),
                false => {
                    outputs.truncate(targets.len());
                    listed
                }
            };
            let mut finished = regrouping.finish(level.calls, listed, outputs, having)?;
            sorted_exprs = finished.outputs.split_off(targets.len());
            let span = select
                .group_clause
                .first()
                .and_then(|g| self.expr_span(g))
                .or_else(|| finished.grouping.aggregates.first().and_then(|a| a.span));
            let mut grouping = finished.grouping;
            grouping.span = span;
            for (relation, index) in finished.keys_used {
                self.session
                    .dependencies
                    .insert(spec::compiled::Dependency::Key { relation, index });
            }
            for (what, span) in unsaid {
                let message = format!("an argument before WITHIN GROUP that reads {what}");
                self.report(ReasonCode::Aggregate, message, span);
            }
            for (message, span) in finished.unhashable {
                self.report(ReasonCode::Unsupported, message, span);
            }
            types = grouping.types(&input);
            body.grouping = Some(grouping);
            body.outputs = finished.outputs;
            body.having = finished.having;
            body.grouped_subqueries = finished.subqueries;
            body.grouped_sets = finished.functions;
            body.windows = finished.windows;
        } else {
            body.outputs = targets.iter().map(|t| t.expr.clone()).collect();
        }
        let columns = targets
            .iter()
            .zip(&body.outputs)
            .map(|(target, expr)| OutputColumn {
                name: target.name.clone(),
                ty: ColType {
                    ty: expr.ty(),
                    nullable: expr.nullable(&types),
                },
            })
            .collect();
        if ordered {
            let mut order = order_keys;
            let sorted = sorted_exprs.split_off(on.len());
            for (key, expr) in order.iter_mut().zip(sorted) {
                key.expr = expr;
            }
            body.top = Some(Top {
                on: sorted_exprs,
                order,
                limit,
                per: vec![],
            });
        }
        body.from = from;
        body.subqueries = self.session.subqueries.pop().unwrap_or_default();
        body.sets = self.session.sets.pop().unwrap_or_default();
        self.session.named_windows.pop();
        let windows = self.session.windows.pop().unwrap_or_default();
        if !grouped {
            body.windows = windows;
        }
        drop_unread_windows(&mut body);
        drop_unread_sets(&mut body);
        drop_unread(&mut body);
        Ok(Query {
            columns,
            body: Body::Select(Box::new(body)),
        })
    }

    /// An expression over FROM.
    pub(super) fn expr(
        &mut self,
        node: &Node,
        position: ExprPosition,
        aggregates: bool,
        condition: bool,
        level: &mut Level<'_>,
    ) -> Result<Seen, BindError> {
        let Level { scope, calls, .. } = level;
        let aggregates = if aggregates {
            Aggregates::Into(calls)
        } else {
            Aggregates::No
        };
        let mut clause = self.clause(scope, position, aggregates);
        let expr = if condition {
            clause.condition(node)?
        } else {
            clause.expr(node)?
        };
        Ok((expr, clause.seen))
    }

    fn targets(&mut self, list: &[Node], level: &mut Level<'_>) -> Result<Vec<Target>, BindError> {
        let mut targets = vec![];
        for node in list {
            if let Some(NodeEnum::ResTarget(target)) = &node.node {
                self.target(target, level, &mut targets)?;
            }
        }
        Ok(targets)
    }

    fn target(
        &mut self,
        target: &ResTarget,
        level: &mut Level<'_>,
        targets: &mut Vec<Target>,
    ) -> Result<(), BindError> {
        let Some(value) = target.val.as_deref() else {
            return Err(error(
                ReasonCode::Unsupported,
                "an output without a value",
                None,
            ));
        };
        let span = self.expr_span(value);
        match value.node.as_ref() {
            Some(NodeEnum::ColumnRef(column)) if ends_in_star(&column.fields) => {
                let qualifier = strings(&column.fields);
                let found = level
                    .scope
                    .star(&qualifier, span, &self.unit.table_named())?;
                let Some(star) = found else {
                    self.session.lost_columns = true;
                    return Ok(());
                };
                for column in star.columns {
                    let expr = self.session.brought(&column.expr, star.level);
                    targets.push(Target {
                        name: column.name,
                        seen: expr.columns().into_iter().map(|i| (i, span)).collect(),
                        expr,
                        span,
                    });
                }
            }
            Some(NodeEnum::AIndirection(row)) if ends_in_star(&row.indirection) => {
                // (row).*, (row).field.*
                let mut inner = row.clone();
                inner.indirection.pop();
                let inner = match (inner.indirection.is_empty(), inner.arg) {
                    (true, Some(arg)) => *arg,
                    (_, arg) => {
                        inner.arg = arg;
                        Node {
                            node: Some(NodeEnum::AIndirection(inner)),
                        }
                    }
                };
                let (expr, seen) =
                    self.expr(&inner, ExprPosition::SelectList, true, false, level)?;
                // A whole item is as its `*`, which may leave columns out.
                if let (Some(NodeEnum::ColumnRef(item)), ExprKind::Row { .. }) =
                    (&inner.node, expr.kind())
                {
                    let mut starred = target.clone();
                    let mut fields = item.fields.clone();
                    fields.push(Node {
                        node: Some(NodeEnum::AStar(AStar {})),
                    });
                    starred.val = Some(Box::new(Node {
                        node: Some(NodeEnum::ColumnRef(ColumnRef {
                            fields,
                            location: item.location,
                        })),
                    }));
                    return self.target(&starred, level, targets);
                }
                let fields = match self.session.fields_of_set(&expr) {
                    Some(fields) => fields,
                    None => row_fields(&expr, span, &self.unit.typing)?,
                };
                for (name, expr) in fields {
                    let seen = seen.clone();
                    targets.push(Target {
                        name,
                        expr,
                        span,
                        seen,
                    });
                }
            }
            _ => {
                let (expr, seen) =
                    self.expr(value, ExprPosition::SelectList, true, false, level)?;
                let name = if target.name.is_empty() {
                    label(value)
                } else {
                    target.name.clone()
                };
                targets.push(Target {
                    name,
                    expr,
                    span,
                    seen,
                });
            }
        }
        Ok(())
    }

    /// DISTINCT and DISTINCT ON.
    fn distinct(
        &mut self,
        select: &SelectStmt,
        targets: &mut [Target],
        level: &mut Level<'_>,
    ) -> Result<Distinct, BindError> {
        let on: Vec<&Node> = select
            .distinct_clause
            .iter()
            .filter(|n| n.node.is_some())
            .collect();
        if !on.is_empty() {
            let mut keys = vec![];
            for node in on {
                let key = self.sql92_key(node, ExprPosition::DistinctOn, targets, level)?;
                let span = self.expr_span(node);
                self.unit.typing.grouping_equality(key.0.ty(), span)?;
                keys.push(key);
            }
            return Ok(Distinct::On(keys));
        }
        if select.distinct_clause.is_empty() {
            return Ok(Distinct::No);
        }
        for target in targets {
            let typing = &self.unit.typing;
            target.expr = typing.resolve_unknown(target.expr.clone());
            let ty = target.expr.ty();
            typing.grouping_equality(ty, target.span)?;
            self.note_images(&target.expr, "DISTINCT", target.span);
        }
        Ok(Distinct::Rows)
    }

    /// Can values of this expression be equal and look different?
    pub(super) fn has_images(&self, expr: &Expr) -> bool {
        if let ExprKind::Row { fields, .. } = expr.kind() {
            return fields.iter().any(|f| self.has_images(f));
        }
        let ty = expr.ty();
        let catalog = self.unit.catalog;
        let fixed =
            catalog.base_of(ty.oid) == oids::NUMERIC && spec::fold::fixed_scale(expr).is_some();
        !catalog.image_equality(ty) && !fixed && catalog.equality(ty.oid).is_some()
    }

    /// Grouping by values that can be equal and look different keeps any one of them.
    pub(super) fn note_images(&mut self, expr: &Expr, what: &str, span: Option<Span>) {
        if self.has_images(expr) {
            let message =
                format!("of several equal values that look different, {what} shows any one");
            self.report(ReasonCode::OrderDependent, message, span);
        }
    }
}

/// Drops the window functions that nothing reads: those of ORDER BY, where it does not matter.
fn drop_unread_windows(select: &mut Select) {
    let read = |select: &Select, at: usize| {
        let top = select.top.iter().flat_map(|t| {
            let sorted = t.order.iter().map(|k| &k.expr);
            t.on.iter().chain(sorted)
        });
        let calls = select
            .sets
            .iter()
            .chain(&select.grouped_sets)
            .map(|s| &s.call);
        let operands = |s: &[Subquery]| -> Vec<Expr> {
            s.iter().flat_map(Subquery::operands).cloned().collect()
        };
        let operands = [
            operands(&select.subqueries),
            operands(&select.grouped_subqueries),
        ]
        .concat();
        let mut all = select
            .outputs
            .iter()
            .chain(top)
            .chain(calls)
            .chain(&operands);
        all.any(|e| e.columns().contains(&Reads::Window(at).column()))
    };
    let kept: Vec<bool> = (0..select.windows.len())
        .map(|at| read(select, at))
        .collect();
    if kept.iter().all(|k| *k) {
        return;
    }
    let place = |at: usize| kept.iter().take(at).filter(|k| **k).count();
    let windows = std::mem::take(&mut select.windows).into_iter().zip(&kept);
    select.windows = windows.filter(|(_, k)| **k).map(|(w, _)| w).collect();
    let mut moved = |e: &Expr| -> Result<Expr, Infallible> {
        Ok(e.remap(&mut |c| match Reads::of(c) {
            Reads::Window(at) => Reads::Window(place(at)).column(),
            _ => c,
        }))
    };
    let Ok(()) = select.map_below(&mut moved);
    let Ok(()) = select.map_above(&mut moved);
}

/// Drops the set-returning functions that no key reads, where there is a grouping: their rows are
/// made behind it.
fn drop_unread_sets(select: &mut Select) {
    if select.grouping.is_none() {
        return;
    }
    let sets = std::mem::take(&mut select.sets);
    let mut read = vec![false; sets.len()];
    let note = |read: &mut Vec<bool>, e: &Expr| {
        for column in e.columns() {
            if let Reads::Set(at) = Reads::of(column)
                && let Some(read) = read.get_mut(at)
            {
                *read = true;
            }
        }
    };
    let Ok(()) = select.map_below(&mut |e| -> Result<Expr, Infallible> {
        note(&mut read, e);
        Ok(e.clone())
    });
    // One reads only those before it.
    for (at, set) in sets.iter().enumerate().rev() {
        if read[at] {
            note(&mut read, &set.call);
        }
    }
    let place = |at: usize| read.iter().take(at).filter(|r| **r).count();
    let kept = sets.into_iter().zip(&read).filter(|(_, read)| **read);
    select.sets = kept.map(|(set, _)| set).collect();
    let Ok(()) = select.map_below(&mut |e| -> Result<Expr, Infallible> {
        Ok(e.remap(&mut |c| match Reads::of(c) {
            Reads::Set(at) => Reads::Set(place(at)).column(),
            _ => c,
        }))
    });
}

/// Drops the subqueries over FROM that nothing there reads: those of ORDER BY, and those that
/// stand behind the grouping.
pub(super) fn drop_unread(select: &mut Select) {
    let mut read: Vec<bool> = vec![false; select.subqueries.len()];
    let note = |read: &mut Vec<bool>, e: &Expr| {
        for column in e.columns() {
            if let Reads::Subquery(at) = Reads::of(column)
                && let Some(read) = read.get_mut(at)
            {
                *read = true;
            }
        }
    };
    let subqueries = std::mem::take(&mut select.subqueries);
    let keep = |read: &mut Vec<bool>, e: &Expr| -> Result<Expr, Infallible> {
        note(read, e);
        Ok(e.clone())
    };
    let Ok(()) = select.map_below(&mut |e| keep(&mut read, e));
    // One reads only those before it.
    for (at, subquery) in subqueries.iter().enumerate().rev() {
        if read[at] {
            for operand in subquery.operands() {
                note(&mut read, operand);
            }
        }
    }
    let place = |at: usize| read.iter().take(at).filter(|r| **r).count();
    select.subqueries = subqueries
        .iter()
        .zip(&read)
        .filter(|(_, read)| **read)
        .map(|(s, _)| s.clone())
        .collect();
    let Ok(()) = select.map_below(&mut |e| -> Result<Expr, Infallible> {
        Ok(e.remap(&mut |c| match Reads::of(c) {
            Reads::Subquery(at) => Reads::Subquery(place(at)).column(),
            _ => c,
        }))
    });
}

fn ends_in_star(fields: &[Node]) -> bool {
    matches!(
        fields.last().and_then(|f| f.node.as_ref()),
        Some(NodeEnum::AStar(_))
    )
}

/// Names in a scope without any items.
pub(super) const NO_ITEMS: &[Item] = &[];
