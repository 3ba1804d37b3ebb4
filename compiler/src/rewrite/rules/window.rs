//! `window`: rows that are numbered to be cut off are the first rows of their partitions.
//!
//! ```text
//! σ(row_number ≤ k) (W x) = W (top(k) x)
//! σ(rank ≤ k) (W x)       = W (top(k, with ties) x)
//! ```
//!
//! where all that W says of a row is told by the rows before it. Then a partition costs its first k
//! rows, and what is left of W numbers only those (nothing, where nobody reads a number: see
//! `prune.rs`).

use super::filter::above;
use super::terms;
use crate::rewrite::predicate::conjuncts;
use crate::rewrite::term::{Graph, Recipe, Term};
use egg::Id;
use spec::catalog::Catalog;
use spec::eval::window::{Kind, kind};
use spec::expr::ExprKind;
use spec::op::TopK;
use spec::window::{Window, WindowCall};
use spec::{Expr, Op};

/// `σ(n ≤ k ∧ p) (W x) = σp (W (top(k) x))`, n a number that W gives its rows.
pub fn bounded(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Filter(p) = &*term.op else {
        return vec![];
    };
    let catalog = graph.analysis.catalog;
    terms(graph, term.inputs[0])
        .filter_map(|t| {
            let Op::Window(w) = &*t.op else { return None };
            let x = t.inputs[0];
            if is_cut(graph, w, x) {
                return None;
            }
            let width = super::width(graph, x);
            let (first, bounds) = first_rows(w, &conjuncts(p), width, catalog)?;
            let up = bounds.into_iter().filter(|(_, implied)| !implied);
            let up = up.map(|(c, _)| c).collect();
            let rows = Recipe::unary(Op::TopK(first), x);
            Some(above(up, Recipe::unary(Op::Window(w.clone()), rows)))
        })
        .collect()
}

/// Are these the first rows of the partitions of the window already?
pub fn is_cut(graph: &Graph, w: &Window, x: Id) -> bool {
    let keys = distinct(&w.partition);
    terms(graph, x).any(|t| match &*t.op {
        Op::TopK(t) => t.keys == keys && t.order == w.order,
        _ => false,
    })
}

/// The least first rows that hold all rows on which the conjuncts are true; with each conjunct,
/// whether it is true on all of them.
fn first_rows(
    w: &Window,
    conjuncts: &[Expr],
    width: usize,
    catalog: &Catalog,
) -> Option<(TopK, Vec<(Expr, bool)>)> {
    let bound = |c: &Expr| {
        let (column, last, is_all) = bound(c, catalog)?;
        let call = w.calls.get(column.checked_sub(width)?)?;
        let with_ties = with_ties(call, last)?;
        // Without an order all rows are tied, and nothing is cut off.
        if with_ties && w.order.is_empty() {
            return None;
        }
        let mut calls = w.calls.iter();
        let told = calls.all(|c| c.looks_back(with_ties, catalog));
        told.then_some((last, with_ties, is_all, column))
    };
    let bounds: Vec<_> = conjuncts.iter().map(bound).collect();
    let least = bounds.iter().flatten().min()?;
    let (last, with_ties, _, column) = *least;
    let implied = bounds.iter().map(|b| match b {
        Some((at_least, _, is_all, of)) => *is_all && *of == column && *at_least >= last,
        None => false,
    });
    let implied = conjuncts.iter().cloned().zip(implied).collect();
    let first = TopK {
        keys: distinct(&w.partition),
        order: w.order.clone(),
        offset: 0,
        limit: Some(last),
        with_ties,
        total: !with_ties && !w.calls.get(column - width)?.by_image,
    };
    Some((first, implied))
}

/// Does a bound on this number keep the rows that are tied with the last one? None if it bounds
/// no number of rows.
fn with_ties(call: &WindowCall, last: u64) -> Option<bool> {
    match kind(call.function)? {
        Kind::RowNumber => Some(false),
        Kind::Rank => Some(true),
        Kind::DenseRank if last <= 1 => Some(true),
        _ => None,
    }
}

/// `n ≤ k`, in any of its forms: the column, k, and whether nothing else is said of a number that
/// is at least 1.
fn bound(c: &Expr, catalog: &Catalog) -> Option<(usize, u64, bool)> {
    let ExprKind::Operator { operator, args, .. } = c.kind() else {
        return None;
    };
    let [a, b] = args.as_slice() else { return None };
    let btree = &catalog.operator(*operator)?.btree;
    let strategy = btree.first()?.1;
    let number = |e: &Expr| match e.kind() {
        ExprKind::Const(Some(text)) => text.parse::<i64>().ok(),
        _ => None,
    };
    let (column, strategy, k) = match (a.as_column(), b.as_column()) {
        (Some(column), None) => (column, strategy, number(b)?),
        // `k ≥ n`
        (None, Some(column)) => (column, 2 * EQUAL - strategy, number(a)?),
        _ => return None,
    };
    let (last, is_all) = match strategy {
        LESS => (k.saturating_sub(1), true),
        LESS_EQUAL => (k, true),
        EQUAL => (k, k <= 1),
        _ => return None,
    };
    // No row has a number below 1.
    Some((column, u64::try_from(last).unwrap_or(0), is_all))
}

/// Strategies of btree; those of the other direction are at the same distance from `=`.
const LESS: u8 = 1;
const LESS_EQUAL: u8 = 2;
const EQUAL: u8 = 3;

fn distinct(columns: &[usize]) -> Vec<usize> {
    let mut out = vec![];
    for c in columns {
        if !out.contains(c) {
            out.push(*c);
        }
    }
    out
}
