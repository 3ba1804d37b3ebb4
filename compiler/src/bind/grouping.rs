//! GROUP BY: its keys, and what may stand behind it.
//!
//! Behind a grouping only keys and aggregates exist. An expression over FROM is brought there by
//! replacing, from the outside in, whatever equals a key, and the columns that stand for
//! aggregates. A column that remains is an error, unless the keys hold the primary key of its
//! table: then it has one value per group, and becomes a key itself.

use super::Binder;
use super::clause::{Calls, reads_window};
use super::context::{BindError, WindowCall};
use super::expr::ExprPosition;
use super::query::{From, Grouping, Reads, SetCall, Subquery};
use super::select::{Level, Seen, Target};
use crate::typing::error;
use pg_query::NodeEnum;
use pg_query::protobuf::{Node, a_const};
use spec::catalog::Catalog;
use spec::expr::ExprKind;
use spec::{Expr, Oid, ReasonCode, Span, SqlType};
use std::convert::Infallible;

impl Binder<'_> {
    /// The place of a key among the keys, each of which stands there once.
    pub(super) fn group_key(
        &mut self,
        node: &Node,
        targets: &mut [Target],
        level: &mut Level<'_>,
        keys: &mut Vec<Expr>,
    ) -> Result<usize, BindError> {
        let span = self.expr_span(node);
        let (expr, _) = self.sql92_key(node, ExprPosition::GroupBy, targets, level)?;
        let reads = self.session.reads(&expr);
        if reads.iter().any(|r| matches!(r, Reads::Aggregate(_))) {
            let message = "aggregate functions are not allowed in GROUP BY";
            return Err(error(ReasonCode::Type, message, span));
        }
        if reads_window(&expr) {
            let message = "window functions are not allowed in GROUP BY";
            return Err(error(ReasonCode::Type, message, span));
        }
        self.unit.typing.grouping_equality(expr.ty(), span)?;
        let key = plain(&expr);
        if let Some(known) = keys.iter().position(|k| *k == key) {
            return Ok(known);
        }
        self.note_images(&expr, "GROUP BY", span);
        keys.push(key);
        Ok(keys.len() - 1)
    }

    /// A key of GROUP BY, DISTINCT ON or ORDER BY: an output column by number or name, or an
    /// expression over FROM. A name is an output column for ORDER BY and DISTINCT ON, but for
    /// GROUP BY only where no column of FROM is called so.
    pub(super) fn sql92_key(
        &mut self,
        node: &Node,
        position: ExprPosition,
        targets: &mut [Target],
        level: &mut Level<'_>,
    ) -> Result<Seen, BindError> {
        let span = self.expr_span(node);
        let chosen = match node.node.as_ref() {
            Some(NodeEnum::ColumnRef(column)) => match one_name(&column.fields) {
                Some(name) => {
                    let of_from = position == ExprPosition::GroupBy
                        && level.scope.local_column(name, span)?.is_some();
                    if of_from {
                        None
                    } else {
                        self.target_named(name, position, targets, span)?
                    }
                }
                None => None,
            },
            Some(NodeEnum::AConst(constant)) if !constant.isnull => match &constant.val {
                Some(a_const::Val::Ival(number)) => {
                    let at = usize::try_from(number.ival).unwrap_or(0);
                    if at == 0 || at > targets.len() {
                        let message = format!(
                            "{} position {} is not in select list",
                            position.name(),
                            number.ival
                        );
                        return Err(error(ReasonCode::Name, message, span));
                    }
                    Some(at - 1)
                }
                Some(a_const::Val::Boolval(_)) | None => None,
                Some(_) => {
                    let message = format!("non-integer constant in {}", position.name());
                    return Err(error(ReasonCode::Type, message, span));
                }
            },
            _ => None,
        };
        let typing = &self.unit.typing;
        if let Some(at) = chosen {
            let target = &mut targets[at];
            target.expr = typing.resolve_unknown(target.expr.clone());
            return Ok((target.expr.clone(), target.seen.clone()));
        }
        let aggregates = position != ExprPosition::GroupBy;
        let (expr, seen) = self.expr(node, position, aggregates, false, level)?;
        Ok((self.unit.typing.resolve_unknown(expr), seen))
    }

    /// The output column of this name; several are fine if they are the same.
    fn target_named(
        &self,
        name: &str,
        position: ExprPosition,
        targets: &[Target],
        span: Option<Span>,
    ) -> Result<Option<usize>, BindError> {
        let mut found = targets.iter().enumerate().filter(|(_, t)| t.name == name);
        let Some((first, target)) = found.next() else {
            return Ok(None);
        };
        if found.any(|(_, other)| plain(&other.expr) != plain(&target.expr)) {
            let message = format!("{} \"{name}\" is ambiguous", position.name());
            return Err(error(ReasonCode::Name, message, span));
        }
        Ok(Some(first))
    }

    pub(super) fn regrouping<'r>(
        &'r self,
        keys: Vec<Expr>,
        sets: Vec<Vec<usize>>,
        level: &Level<'r>,
    ) -> Regrouping<'r> {
        Regrouping {
            sets,
            catalog: self.unit.catalog,
            from: level.from,
            given: keys.len(),
            keys,
            names: Names::of(level),
            keys_used: vec![],
            unhashable: vec![],
            all_windows: self.session.windows.last().map_or(&[], Vec::as_slice),
            windows: vec![],
            found: self.session.subqueries.last().map_or(&[], Vec::as_slice),
            subqueries: vec![],
            all_sets: self.session.sets.last().map_or(&[], Vec::as_slice),
            functions: vec![],
        }
    }
}

/// The single name that a column reference consists of.
fn one_name(fields: &[Node]) -> Option<&str> {
    match fields {
        [field] => match &field.node {
            Some(NodeEnum::String(name)) => Some(&name.sval),
            _ => None,
        },
        _ => None,
    }
}

/// The form in which expressions are compared: whether a cast was written or implied does not
/// matter.
pub(crate) fn plain(expr: &Expr) -> Expr {
    let below = expr.map_children(&mut plain);
    match below.kind() {
        ExprKind::Cast {
            arg,
            coercion,
            explicit: true,
        } => Expr::new(
            ExprKind::Cast {
                arg: arg.clone(),
                coercion: *coercion,
                explicit: false,
            },
            below.ty(),
        ),
        _ => below,
    }
}

/// What columns are called, for messages.
struct Names(Vec<(usize, String)>);

impl Names {
    fn of(level: &Level<'_>) -> Names {
        let mut names = vec![];
        for item in level.scope.items {
            for column in item.columns.iter() {
                if let Some(index) = column.expr.as_column() {
                    let name = match &item.name {
                        Some(item) => format!("{item}.{}", column.name),
                        None => column.name.clone(),
                    };
                    names.push((index, name));
                }
            }
        }
        Names(names)
    }

    fn get(&self, column: usize) -> &str {
        let found = self.0.iter().find(|(c, _)| *c == column);
        found.map_or("?", |(_, name)| name)
    }
}

/// Brings expressions behind a grouping.
pub(super) struct Regrouping<'r> {
    catalog: &'r Catalog,
    from: Option<&'r From>,
    /// Those that were written, then those that follow from them.
    keys: Vec<Expr>,
    given: usize,
    /// Of the keys that were written, those of each grouping set; none: all keys are one set.
    sets: Vec<Vec<usize>>,
    names: Names,
    keys_used: Vec<(Oid, Oid)>,
    unhashable: Vec<(String, Option<Span>)>,
    /// The subqueries of the SELECT, over FROM.
    found: &'r [Subquery],
    /// Those of them that stand behind the grouping.
    subqueries: Vec<Subquery>,
    /// The same of set-returning functions.
    all_sets: &'r [SetCall],
    functions: Vec<SetCall>,
    /// The same of window functions.
    all_windows: &'r [WindowCall],
    windows: Vec<WindowCall>,
}

/// A finished grouping, and what is over it.
pub(super) struct Regrouped {
    pub grouping: Grouping,
    pub outputs: Vec<Expr>,
    pub having: Option<Expr>,
    pub subqueries: Vec<Subquery>,
    pub functions: Vec<SetCall>,
    pub windows: Vec<WindowCall>,
    /// Primary keys that grouping relies on: (table, index).
    pub keys_used: Vec<(Oid, Oid)>,
    /// Columns that follow from the keys, but cannot be keys.
    pub unhashable: Vec<(String, Option<Span>)>,
}

impl Regrouping<'_> {
    pub(super) fn has_sets(&self) -> bool {
        !self.sets.is_empty()
    }

    /// `expr` over the keys and aggregates. Aggregates keep their provisional places, since keys
    /// may still be added.
    pub(super) fn outside(
        &mut self,
        expr: &Expr,
        seen: &[(usize, Option<Span>)],
    ) -> Result<Expr, BindError> {
        if let Some(key) = self.keys.iter().position(|k| *k == plain(expr)) {
            return Ok(Expr::column(key, expr.ty()));
        }
        if let Some(column) = expr.as_column() {
            return match Reads::of(column) {
                Reads::Column(_) => self.dependent(column, expr.ty(), seen),
                Reads::Subquery(at) => self.subquery(at, expr.ty(), seen),
                Reads::Set(at) => self.set(at, expr.ty(), seen),
                Reads::Window(at) => self.window(at, expr.ty(), seen),
                Reads::Aggregate(_)
                | Reads::Grouping(_)
                | Reads::Parameter(_)
                | Reads::Result(_) => Ok(expr.clone()),
            };
        }
        let mut failure = None;
        let mapped = expr.map_children(&mut |child| match self.outside(child, seen) {
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

    /// The value of a subquery that stands behind the grouping.
    fn subquery(
        &mut self,
        at: usize,
        ty: SqlType,
        seen: &[(usize, Option<Span>)],
    ) -> Result<Expr, BindError> {
        let found = self.found;
        let Some(subquery) = found.get(at) else {
            let message = "a subquery that is not there";
            return Err(error(ReasonCode::Internal, message, None));
        };
        let subquery = subquery.map(&mut |e| self.outside(e, seen))?;
        let known = self.subqueries.iter().position(|s| *s == subquery);
        let at = known.unwrap_or_else(|| {
            self.subqueries.push(subquery);
            self.subqueries.len() - 1
        });
        Ok(Reads::Subquery(at).expr(ty))
    }

    /// A set-returning function whose rows are made behind the grouping.
    fn set(
        &mut self,
        at: usize,
        ty: SqlType,
        seen: &[(usize, Option<Span>)],
    ) -> Result<Expr, BindError> {
        let all = self.all_sets;
        let Some(set) = all.get(at) else {
            let message = "a set-returning function that is not there";
            return Err(error(ReasonCode::Internal, message, None));
        };
        let set = SetCall {
            call: self.outside(&set.call, seen)?,
            ..set.clone()
        };
        let known = self.functions.iter().position(|s| s.call == set.call);
        let at = known.unwrap_or_else(|| {
            self.functions.push(set);
            self.functions.len() - 1
        });
        Ok(Reads::Set(at).expr(ty))
    }

    /// A window function, which looks at groups.
    fn window(
        &mut self,
        at: usize,
        ty: SqlType,
        seen: &[(usize, Option<Span>)],
    ) -> Result<Expr, BindError> {
        let all = self.all_windows;
        let Some(window) = all.get(at) else {
            let message = "a window function that is not there";
            return Err(error(ReasonCode::Internal, message, None));
        };
        let window = window.map(&mut |e| self.outside(e, seen))?;
        let known = self.windows.iter().position(|w| *w == window);
        let at = known.unwrap_or_else(|| {
            self.windows.push(window);
            self.windows.len() - 1
        });
        Ok(Reads::Window(at).expr(ty))
    }

    /// A column that is not a key: a new one, if the keys hold the primary key of its table.
    fn dependent(
        &mut self,
        column: usize,
        ty: SqlType,
        seen: &[(usize, Option<Span>)],
    ) -> Result<Expr, BindError> {
        let span = seen.iter().find(|(c, _)| *c == column).and_then(|s| s.1);
        let Some((relation, index)) = self.primary_key_of(column) else {
            let message = format!(
                "column \"{}\" must appear in the GROUP BY clause or be used in an aggregate \
                 function",
                self.names.get(column)
            );
            return Err(error(ReasonCode::Type, message, span));
        };
        if !self.keys_used.contains(&(relation, index)) {
            self.keys_used.push((relation, index));
        }
        if self.catalog.equality(ty.oid).is_none() {
            let message = format!(
                "column \"{}\" follows from a primary key in GROUP BY, but its type has no \
                 equality",
                self.names.get(column)
            );
            self.unhashable.push((message, span));
        }
        self.keys.push(Expr::column(column, ty));
        Ok(Expr::column(self.keys.len() - 1, ty))
    }

    /// The table of a column and its primary key, if the written keys hold all of it.
    fn primary_key_of(&self, column: usize) -> Option<(Oid, Oid)> {
        let (table, start) = table_of(self.from?, column, 0)?;
        let relation = self.catalog.relation(table.relation)?;
        let key = relation.keys.iter().find(|k| k.primary && !k.deferrable)?;
        let held = key.columns.iter().all(|attnum| {
            table
                .attnums
                .iter()
                .position(|a| a == attnum)
                .is_some_and(|i| {
                    let written = self.keys[..self.given].iter();
                    written.enumerate().any(|(at, k)| {
                        k.as_column() == Some(start + i)
                            && self.sets.iter().all(|s| s.contains(&at))
                    })
                })
        });
        held.then_some((relation.oid, key.index))
    }

    /// Gives keys and aggregates their places. Only the first `listed` aggregates are put out; the
    /// others serve ORDER BY alone.
    pub(super) fn finish(
        self,
        calls: Calls,
        listed: usize,
        outputs: Vec<Expr>,
        having: Option<Expr>,
    ) -> Result<Regrouped, BindError> {
        let mut aggregates = calls.aggregates;
        aggregates.truncate(listed);
        let groupings = calls.groupings.iter().map(|(args, span)| {
            let place = |arg: &Expr| {
                self.keys[..self.given]
                    .iter()
                    .position(|k| *k == plain(arg))
            };
            let places: Option<Vec<usize>> = args.iter().map(place).collect();
            places.ok_or_else(|| {
                let message = "arguments to GROUPING must be grouping expressions of the \
                               associated query level";
                error(ReasonCode::Type, message, *span)
            })
        });
        let groupings = groupings.collect::<Result<Vec<_>, _>>()?;
        let mut sets = self.sets;
        if sets.is_empty() && !groupings.is_empty() {
            sets.push((0..self.given).collect());
        }
        for set in &mut sets {
            set.extend(self.given..self.keys.len());
        }
        let keys = self.keys.len();
        let aggregated = keys + aggregates.len();
        let place = |expr: &Expr| {
            expr.remap(&mut |c| match Reads::of(c) {
                Reads::Aggregate(aggregate) => keys + aggregate,
                Reads::Grouping(grouping) => aggregated + grouping,
                _ => c,
            })
        };
        let placed = |s: &Subquery| {
            let Ok(subquery) = s.map(&mut |e| -> Result<Expr, Infallible> { Ok(place(e)) });
            subquery
        };
        Ok(Regrouped {
            subqueries: self.subqueries.iter().map(placed).collect(),
            functions: self
                .functions
                .iter()
                .map(|s| SetCall {
                    call: place(&s.call),
                    ..s.clone()
                })
                .collect(),
            windows: self
                .windows
                .iter()
                .map(|w| {
                    let Ok(w) = w.map(&mut |e| -> Result<Expr, Infallible> { Ok(place(e)) });
                    w
                })
                .collect(),
            outputs: outputs.iter().map(place).collect(),
            having: having.as_ref().map(place),
            grouping: Grouping {
                keys: self.keys,
                aggregates,
                sets,
                groupings,
                span: None,
            },
            keys_used: self.keys_used,
            unhashable: self.unhashable,
        })
    }
}

/// The table among the items of FROM that a column belongs to, and where its columns start.
fn table_of(from: &From, column: usize, start: usize) -> Option<(&super::query::Table, usize)> {
    match from {
        From::Table(table) => (start..start + table.types.len())
            .contains(&column)
            .then_some((table, start)),
        From::Join { left, right, .. } => table_of(left, column, start)
            .or_else(|| table_of(right, column, start + left.types().len())),
        From::Query { .. }
        | From::Lateral { .. }
        | From::Functions { .. }
        | From::Parameters { .. }
        | From::Opaque { .. } => None,
    }
}
