//! Grouping in normal form.
//!
//! An aggregate that can be *folded* (see `spec::fold`) is computed from its old value and the
//! change alone. That takes more than what the query asks for, and simpler parts of it:
//!
//! ```text
//! always            count(*) first: a group is there iff it is not 0
//! sum(x)            with count(x) beside it, if the sum can be NULL: it is iff that is 0
//! avg(x)            sum(x)::numeric / count(x)::numeric, where PostgreSQL computes just that
//! sum of scales     one sum for each scale (see `scale.rs`)
//! sum of sums       of what is declared to have their scale (see `digits.rs`)
//! ```
//!
//! each part once, under the same FILTER; what the query asks for is an expression over them. If
//! any part of the node cannot be folded, touched groups are recomputed from their rows, and the
//! aggregates stay as they were written. What stands before WITHIN GROUP is of the keys.
//!
//! Keys that are expressions are computed by a `Map` below. What aggregates over distinct values is
//! first said without DISTINCT (see `distinct.rs`).

use super::digits::{claim, declare, relabel};
use super::scale::{add_up, split_by_scale};
use super::{LowerError, Lowering};
use crate::bind::aggregates::is_ordered_set;
use crate::bind::context::AggregateCall;
use crate::bind::grouping::plain;
use crate::bind::query::Grouping;
use spec::catalog::{CastMethod, Catalog};
use spec::expr::{Coercion, ExprKind};
use spec::fold::{self, COUNT_ROWS, COUNT_VALUES};
use spec::op::{AggCall, Aggregate, SortKey};
use spec::types::{SqlType, oids};
use spec::{ColType, Expr, NodeId, Oid, Op};
use std::collections::BTreeMap;

/// A grouping, and where the keys and aggregates of the query are in it.
pub(super) struct Grouped {
    pub node: NodeId,
    /// Keys, then aggregates, as expressions over the columns of `node`.
    columns: Vec<Expr>,
}

impl Grouped {
    /// One whose keys and aggregates are the columns of the node.
    pub(super) fn plain(node: NodeId, types: &[ColType]) -> Grouped {
        let columns = Expr::of_columns(types, 0).collect();
        Grouped { node, columns }
    }

    /// An expression over keys and aggregates as one over the columns of the node.
    pub(super) fn above(&self, expr: &Expr) -> Expr {
        expr.substitute(&mut |i, ty| match self.columns.get(i) {
            Some(column) => column.clone(),
            None => Expr::column(i, ty),
        })
    }
}

impl Lowering<'_> {
    pub(super) fn grouping(
        &mut self,
        input: NodeId,
        grouping: &Grouping,
    ) -> Result<Grouped, LowerError> {
        let types = self.circuit.schema(input).to_vec();
        let columns: Option<Vec<usize>> = grouping.keys.iter().map(Expr::as_column).collect();
        let (input, keys, mut calls) = match columns {
            Some(keys) => (input, keys, grouping.aggregates.clone()),
            None => self.key_map(input, grouping)?,
        };
        for (call, original) in calls.iter_mut().zip(&grouping.aggregates) {
            let direct = original.direct.iter();
            call.direct = direct.map(|e| over_keys(e, grouping, &keys)).collect();
        }
        let input = self.claimed(input, &keys)?;
        // What they are of is not what is claimed of a key.
        let known = self.circuit.schema(input);
        let mut unclaimed_column = |e: &Expr| {
            e.substitute(&mut |i, ty| match known.get(i) {
                Some(column) => unclaimed(i, column.ty, ty),
                None => Expr::column(i, ty),
            })
        };
        let asked: Vec<AggCall> = calls
            .iter()
            .zip(&grouping.aggregates)
            .map(|(call, original)| {
                let nullable = grouping.nullable(original, &types);
                let call = over(call, &mut unclaimed_column);
                plain_call(&call, nullable, self.catalog)
            })
            .collect();
        let (input, folded) = match self.undistinct(input, &keys, &asked)? {
            None => (input, self.folded(input, &keys, &asked)),
            Some(undistinct) => {
                let keys: Vec<usize> = (0..keys.len()).collect();
                match self.folded(undistinct.node, &keys, &undistinct.calls) {
                    None => (input, None),
                    folded => (undistinct.node, folded),
                }
            }
        };
        let (aggregate, outputs) = folded.unwrap_or_else(|| {
            let outputs = asked
                .iter()
                .enumerate()
                .map(|(i, a)| Expr::column(keys.len() + i, a.ty))
                .collect();
            let aggregate = Aggregate {
                keys: keys.clone(),
                aggs: asked.clone(),
            };
            (aggregate, outputs)
        });
        let columns = grouping
            .keys
            .iter()
            .enumerate()
            .map(|(i, key)| {
                unclaimed(
                    i,
                    self.circuit.schema(input)[aggregate.keys[i]].ty,
                    key.ty(),
                )
            })
            .chain(outputs)
            .collect();
        let node = self.add(Op::Aggregate(aggregate), vec![input], grouping.span)?;
        Ok(Grouped { node, columns })
    }

    /// The input with all that is known of its key columns said by their types.
    fn claimed(&mut self, input: NodeId, keys: &[usize]) -> Result<NodeId, LowerError> {
        let claims: BTreeMap<usize, SqlType> = keys
            .iter()
            .filter_map(|key| Some((*key, claim(&self.circuit, input, *key)?)))
            .collect();
        if claims.is_empty() {
            return Ok(input);
        }
        let outputs = Expr::of_columns(self.circuit.schema(input), 0);
        let outputs = outputs.enumerate().map(|(i, arg)| match claims.get(&i) {
            None => arg,
            Some(ty) => relabel(arg, *ty),
        });
        let outputs = outputs.collect();
        self.add(Op::Map(outputs), vec![input], None)
    }

    /// The foldable form, if need be of numbers whose digits the circuit below knows.
    fn folded(
        &self,
        input: NodeId,
        keys: &[usize],
        asked: &[AggCall],
    ) -> Option<(Aggregate, Vec<Expr>)> {
        let types = self.circuit.schema(input);
        normal_form(keys, asked, types, self.catalog).or_else(|| {
            let of = |call| declare(&self.circuit, input, call);
            let declared: Vec<AggCall> = asked.iter().map(of).collect();
            normal_form(keys, &declared, types, self.catalog)
        })
    }

    /// Keys that are expressions become columns: the keys first, then the columns that aggregates
    /// read.
    fn key_map(
        &mut self,
        input: NodeId,
        grouping: &Grouping,
    ) -> Result<(NodeId, Vec<usize>, Vec<AggregateCall>), LowerError> {
        let mut outputs = grouping.keys.clone();
        let mut remap = |expr: &Expr| {
            expr.substitute(&mut |i, ty| {
                let column = Expr::column(i, ty);
                let at = outputs.iter().position(|o| *o == column);
                let at = at.unwrap_or_else(|| {
                    outputs.push(column);
                    outputs.len() - 1
                });
                Expr::column(at, ty)
            })
        };
        let calls = grouping.aggregates.iter();
        let calls = calls.map(|call| {
            let mut call = call.clone();
            call.direct.clear();
            over(&call, &mut remap)
        });
        let calls = calls.collect();
        let node = self.add(Op::Map(outputs), vec![input], None)?;
        Ok((node, (0..grouping.keys.len()).collect(), calls))
    }
}

/// The same aggregate of other expressions.
fn over(call: &AggregateCall, f: &mut impl FnMut(&Expr) -> Expr) -> AggregateCall {
    AggregateCall {
        direct: call.direct.iter().map(&mut *f).collect(),
        args: call.args.iter().map(&mut *f).collect(),
        filter: call.filter.as_ref().map(&mut *f),
        order_by: call
            .order_by
            .iter()
            .map(|key| SortKey {
                expr: f(&key.expr),
                ..key.clone()
            })
            .collect(),
        ..call.clone()
    }
}

/// An expression of which all that it reads follows from the keys, over the columns that they are.
fn over_keys(expr: &Expr, grouping: &Grouping, columns: &[usize]) -> Expr {
    match grouping.keys.iter().position(|k| *k == plain(expr)) {
        Some(key) => Expr::column(columns[key], expr.ty()),
        None => expr.map_children(&mut |e| over_keys(e, grouping, columns)),
    }
}

/// A key column as the query knows it, without what is claimed of it.
fn unclaimed(i: usize, claimed: SqlType, ty: SqlType) -> Expr {
    let column = Expr::column(i, claimed);
    if claimed == ty || claimed.declared() == claimed {
        return Expr::column(i, ty);
    }
    relabel(column, ty)
}

/// The arguments of an ordered-set aggregate are its direct ones; the others are its sort keys.
fn plain_call(call: &AggregateCall, nullable: bool, catalog: &Catalog) -> AggCall {
    let args = match is_ordered_set(call.function, catalog) {
        true => &call.direct,
        false => &call.args,
    };
    AggCall {
        function: call.function,
        args: args.clone(),
        variadic: call.variadic,
        distinct: call.distinct,
        order_by: call.order_by.clone(),
        filter: call.filter.clone(),
        ty: call.ty,
        collation: call.collation,
        nullable,
    }
}

/// The foldable form of these aggregates, and each of them over the columns of that form; none if
/// it cannot be folded.
fn normal_form(
    keys: &[usize],
    asked: &[AggCall],
    input: &[ColType],
    catalog: &Catalog,
) -> Option<(Aggregate, Vec<Expr>)> {
    let mut parts = Parts {
        keys: keys.len(),
        aggs: vec![],
    };
    parts.column(count_rows(None));
    let outputs = asked
        .iter()
        .map(|call| parts.of(call, input, catalog))
        .collect::<Option<Vec<Expr>>>()?;
    let aggregate = Aggregate {
        keys: keys.to_vec(),
        aggs: parts.aggs,
    };
    aggregate.folding(input, catalog)?;
    Some((aggregate, outputs))
}

/// The parts of a foldable aggregate, each once.
struct Parts {
    keys: usize,
    aggs: Vec<AggCall>,
}

impl Parts {
    /// The column of this part.
    fn column(&mut self, call: AggCall) -> Expr {
        let ty = call.ty;
        let at = self.aggs.iter().position(|a| *a == call);
        let at = at.unwrap_or_else(|| {
            self.aggs.push(call);
            self.aggs.len() - 1
        });
        Expr::column(self.keys + at, ty)
    }

    fn of(&mut self, call: &AggCall, input: &[ColType], catalog: &Catalog) -> Option<Expr> {
        if let Some(sum) = sum_of_average(call.function) {
            return self.average(call, sum, input, catalog);
        }
        if call.function == fold::SUM_NUMERIC {
            return self.numeric_sum(call, input, catalog);
        }
        match fold::fold(call, catalog)? {
            fold::Fold::CountValues if !has_nulls(call, input) && call.filter.is_none() => {
                Some(self.column(count_rows(None)))
            }
            fold::Fold::Sum => Some(self.sum(call.clone())),
            _ => Some(self.column(call.clone())),
        }
    }

    /// A sum, with the count of what it adds beside it if it can be NULL.
    fn sum(&mut self, call: AggCall) -> Expr {
        let count = call.nullable.then(|| count_values(&call));
        let column = self.column(call);
        if let Some(count) = count {
            self.column(count);
        }
        column
    }

    /// A sum of numerics: of one scale, or one for each.
    fn numeric_sum(
        &mut self,
        call: &AggCall,
        input: &[ColType],
        catalog: &Catalog,
    ) -> Option<Expr> {
        if fold::fold(call, catalog).is_some() {
            return Some(self.sum(call.clone()));
        }
        let parts = split_by_scale(call.args.first()?)?;
        let sums = parts
            .into_iter()
            .map(|part| {
                let sum = AggCall {
                    nullable: call.nullable || part.nullable(input),
                    args: vec![part],
                    ..call.clone()
                };
                self.sum(sum)
            })
            .collect();
        add_up(sums, catalog)
    }

    /// `sum(x)::numeric / count(x)::numeric`, NULL over nothing since the sum is.
    fn average(
        &mut self,
        call: &AggCall,
        sum: Oid,
        input: &[ColType],
        catalog: &Catalog,
    ) -> Option<Expr> {
        let sum = AggCall {
            function: sum,
            ty: catalog.sql_type(catalog.function(sum)?.result, -1),
            ..call.clone()
        };
        let every_row = !has_nulls(call, input) && call.filter.is_none() && !call.nullable;
        let count = match every_row {
            true => count_rows(None),
            false => count_values(call),
        };
        let sum = match sum.function {
            fold::SUM_NUMERIC => self.numeric_sum(&sum, input, catalog)?,
            _ => self.sum(sum),
        };
        let count = self.column(count);
        let numeric = SqlType::new(oids::NUMERIC);
        let divide = catalog.operator_exact(Some("pg_catalog"), "/", numeric.oid, numeric.oid)?;
        let args = vec![to_numeric(sum, catalog)?, to_numeric(count, catalog)?];
        Some(Expr::new(
            ExprKind::Operator {
                operator: divide.oid,
                function: divide.function,
                args,
                collation: Oid::INVALID,
            },
            numeric,
        ))
    }
}

/// The sum that PostgreSQL divides by the count to get this average.
fn sum_of_average(function: Oid) -> Option<Oid> {
    Some(match function {
        fold::AVG_INT2 => fold::SUM_INT2,
        fold::AVG_INT4 => fold::SUM_INT4,
        fold::AVG_INT8 => fold::SUM_INT8,
        fold::AVG_NUMERIC => fold::SUM_NUMERIC,
        _ => return None,
    })
}

fn has_nulls(call: &AggCall, input: &[ColType]) -> bool {
    call.args.iter().any(|a| a.nullable(input))
}

fn count_rows(filter: Option<Expr>) -> AggCall {
    AggCall {
        function: COUNT_ROWS,
        args: vec![],
        variadic: false,
        distinct: false,
        order_by: vec![],
        filter,
        ty: SqlType::new(oids::INT8),
        collation: Oid::INVALID,
        nullable: false,
    }
}

fn count_values(call: &AggCall) -> AggCall {
    AggCall {
        function: COUNT_VALUES,
        args: call.args.clone(),
        // The argument of count is "any": no collation is derived for it that would matter.
        collation: call.collation,
        ..count_rows(call.filter.clone())
    }
}

fn to_numeric(expr: Expr, catalog: &Catalog) -> Option<Expr> {
    if expr.ty().oid == oids::NUMERIC {
        return Some(expr);
    }
    let CastMethod::Function(function) = catalog.cast(expr.ty().oid, oids::NUMERIC)?.method else {
        return None;
    };
    Some(Expr::new(
        ExprKind::Cast {
            arg: expr,
            coercion: Coercion::Function(function),
            explicit: true,
        },
        SqlType::new(oids::NUMERIC),
    ))
}
