//! Aggregates over distinct arguments, from counted state.
//!
//! ```text
//! γ(k; f(DISTINCT x)) r  =  γ(k; f(x)) (distinct (π k, x r))
//! ```
//!
//! so that a change moves a value into or out of its group only where its count leaves or reaches 0.
//! Beside plain aggregates, or aggregates over other arguments, each part of the rows stands for
//! itself in one sum, with NULL for what belongs to another part:
//!
//! ```text
//! γ(k; f(DISTINCT x), g(DISTINCT y), h(z)) r  =
//!     γ(k; f(x), g(y), h(z) FILTER (plain)) of  (k, x, NULL, NULL, false)   distinct
//!                                             ⊎ (k, NULL, y, NULL, false)   distinct
//!                                             ⊎ (k, NULL, NULL, z, true)
//! ```
//!
//! f and g are strict, as all that folds is. Every part has a row for every group. `x FILTER (p)` is
//! `CASE WHEN p THEN x END`: the group is there, whatever p says.

use super::{LowerError, Lowering, conjoin};
use crate::rewrite::predicate::error_free;
use spec::catalog::TypeKind;
use spec::expr::ExprKind;
use spec::op::AggCall;
use spec::types::{SqlType, oids};
use spec::{ColType, Expr, NodeId, Op};

const BOOL: SqlType = SqlType::new(oids::BOOL);

/// Aggregates without DISTINCT that say the same, over other rows. The keys are their first columns.
pub(super) struct Undistinct {
    pub node: NodeId,
    pub calls: Vec<AggCall>,
}

impl Lowering<'_> {
    /// None where there is no DISTINCT, or one of another form than `f(DISTINCT x)`.
    pub(super) fn undistinct(
        &mut self,
        input: NodeId,
        keys: &[usize],
        asked: &[AggCall],
    ) -> Result<Option<Undistinct>, LowerError> {
        // No state can hold a row without a type of its own.
        let stored = |e: &Expr| {
            let ty = self.catalog.ty(e.ty().oid);
            ty.is_some_and(|t| t.kind != TypeKind::Pseudo)
        };
        let one_argument =
            |c: &AggCall| c.args.len() == 1 && c.order_by.is_empty() && c.args.iter().all(stored);
        let mut distinct = asked.iter().filter(|c| c.distinct).peekable();
        if distinct.peek().is_none() || !distinct.all(one_argument) {
            return Ok(None);
        }
        let types = self.circuit.schema(input).to_vec();
        let keys: Vec<Expr> = keys
            .iter()
            .map(|k| Expr::column(*k, types[*k].ty))
            .collect();
        let mut values: Vec<Expr> = vec![];
        for value in asked.iter().filter(|c| c.distinct).filter_map(value_of) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        let plain: Vec<&AggCall> = asked.iter().filter(|c| !c.distinct).collect();
        let node = match values.as_slice() {
            [value] if plain.is_empty() => self.values(input, &keys, value)?,
            _ => self.parts(input, &keys, &values, &plain)?,
        };
        let schema = self.circuit.schema(node);
        let first = keys.len();
        let calls = asked
            .iter()
            .map(|call| match value_of(call) {
                Some(value) if call.distinct => {
                    let at = values.iter().position(|v| *v == value).unwrap_or(0);
                    of_value(call, first + at, schema)
                }
                _ => of_row(call, first + values.len(), &plain, schema.len() - 1, self),
            })
            .collect();
        Ok(Some(Undistinct { node, calls }))
    }

    /// The distinct values of each group.
    fn values(&mut self, input: NodeId, keys: &[Expr], value: &Expr) -> Result<NodeId, LowerError> {
        let exprs = keys.iter().chain([value]).cloned().collect();
        let pairs = self.add(Op::Map(exprs), vec![input], None)?;
        self.add(Op::Distinct, vec![pairs], None)
    }

    /// The distinct values of each argument, and the rows: keys, values, what plain aggregates read,
    /// and whether this is for them.
    fn parts(
        &mut self,
        input: NodeId,
        keys: &[Expr],
        values: &[Expr],
        plain: &[&AggCall],
    ) -> Result<NodeId, LowerError> {
        let types = self.circuit.schema(input).to_vec();
        let read = columns_read(plain);
        let nulls =
            |exprs: &[Expr]| -> Vec<Expr> { exprs.iter().map(|e| Expr::null(e.ty())).collect() };
        let read: Vec<Expr> = read
            .iter()
            .map(|c| Expr::column(*c, types[*c].ty))
            .collect();
        let mut parts = vec![];
        for (i, value) in values.iter().enumerate() {
            let distinct = self.values(input, keys, value)?;
            let mut exprs: Vec<Expr> = keys
                .iter()
                .enumerate()
                .map(|(k, key)| Expr::column(k, key.ty()))
                .collect();
            exprs.extend(nulls(values));
            exprs[keys.len() + i] = Expr::column(keys.len(), value.ty());
            exprs.extend(nulls(&read));
            exprs.push(Expr::literal("f", BOOL));
            parts.push(self.add(Op::Map(exprs), vec![distinct], None)?);
        }
        if !plain.is_empty() {
            let mut exprs = keys.to_vec();
            exprs.extend(nulls(values));
            exprs.extend(read);
            exprs.push(Expr::literal("t", BOOL));
            parts.push(self.add(Op::Map(exprs), vec![input], None)?);
        }
        self.add(Op::Plus, parts, None)
    }
}

/// What an aggregate counts as its argument: NULL where its FILTER drops the row.
fn value_of(call: &AggCall) -> Option<Expr> {
    let value = call.args.first()?.clone();
    Some(match &call.filter {
        None => value,
        Some(filter) => {
            let ty = value.ty();
            let kind = ExprKind::Case {
                whens: vec![(filter.clone(), value)],
                otherwise: Expr::null(ty),
            };
            Expr::new(kind, ty)
        }
    })
}

/// The input columns that these read, each once, in order.
fn columns_read(calls: &[&AggCall]) -> Vec<usize> {
    let mut read: Vec<usize> = calls
        .iter()
        .flat_map(|c| {
            let sorted = c.order_by.iter().map(|k| &k.expr);
            c.args.iter().chain(&c.filter).chain(sorted)
        })
        .flat_map(Expr::columns)
        .collect();
    read.sort_unstable();
    read.dedup();
    read
}

fn of_value(call: &AggCall, column: usize, schema: &[ColType]) -> AggCall {
    let value = Expr::column(column, schema[column].ty);
    let counts = !call.nullable && call.function == spec::fold::COUNT_VALUES;
    AggCall {
        nullable: !counts && (call.nullable || value.nullable(schema)),
        args: vec![value],
        filter: None,
        distinct: false,
        ..call.clone()
    }
}

/// A plain aggregate over what it read, from the column `first`, of the rows that `tag` marks.
fn of_row(
    call: &AggCall,
    first: usize,
    plain: &[&AggCall],
    tag: usize,
    lowering: &Lowering<'_>,
) -> AggCall {
    let read = columns_read(plain);
    let place =
        |e: &Expr| e.remap(&mut |c| first + read.iter().position(|r| *r == c).unwrap_or_default());
    let plain = Expr::column(tag, BOOL);
    let filter = match call.filter.as_ref().map(place) {
        None => plain,
        Some(filter) if error_free(&filter, lowering.catalog) => conjoin(vec![plain, filter]),
        // Not on rows that are not for it.
        Some(filter) => {
            let kind = ExprKind::Case {
                whens: vec![(plain, filter)],
                otherwise: Expr::literal("f", BOOL),
            };
            Expr::new(kind, BOOL)
        }
    };
    let mut out = AggCall {
        nullable: spec::fold::COUNT_ROWS != call.function
            && spec::fold::COUNT_VALUES != call.function,
        args: call.args.iter().map(place).collect(),
        filter: Some(filter),
        ..call.clone()
    };
    for key in &mut out.order_by {
        key.expr = place(&key.expr);
    }
    out
}
