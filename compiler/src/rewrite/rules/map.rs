//! `map`: linear, and closed under composition.

use super::epoch::safe_on_ghosts;
use super::{terms, width};
use crate::rewrite::predicate::size;
use crate::rewrite::term::{Graph, Recipe, Term, same_types};
use spec::types::ColType;
use spec::{Expr, Op};

/// Fusing may not make expressions grow without bound (each use of a column is a copy).
const MAX_SIZE: usize = 2_000;

/// `π₁…ₙ(x) = x`, all columns in order.
pub fn identity(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Map(exprs) = &*term.op else {
        return vec![];
    };
    let x = term.inputs[0];
    let in_order = exprs
        .iter()
        .enumerate()
        .all(|(i, e)| e.as_column() == Some(i));
    let types: Vec<ColType> = exprs
        .iter()
        .map(|e| ColType {
            ty: e.ty(),
            nullable: true,
        })
        .collect();
    let same = graph[x]
        .data
        .types
        .as_ref()
        .is_some_and(|t| same_types(t, &types));
    if in_order && exprs.len() == width(graph, x) && same {
        vec![x.into()]
    } else {
        vec![]
    }
}

/// `map f (map g x) = map (f ∘ g) x`
pub fn fusion(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Map(outer) = &*term.op else {
        return vec![];
    };
    terms(graph, term.inputs[0])
        .filter_map(|t| {
            let Op::Map(inner) = &*t.op else { return None };
            let fused: Vec<Expr> = outer.iter().map(|e| compose(e, inner)).collect();
            let bounded = fused.iter().map(size).sum::<usize>() <= MAX_SIZE;
            bounded.then(|| Recipe::map(fused, t.inputs[0]))
        })
        .collect()
}

/// An expression over the output of `map inner`, as one over its input.
pub fn compose(e: &Expr, inner: &[Expr]) -> Expr {
    e.substitute(&mut |i, ty| inner.get(i).cloned().unwrap_or(Expr::column(i, ty)))
}

/// `Delta(map f x) = map f (Delta x)`. The delta of x, written as a sum of terms, holds rows that
/// were never there; where f may raise on them it is applied to the consolidated delta, whose rows
/// are all rows of New(x) or Old(x).
pub fn delta(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Delta = &*term.op else { return vec![] };
    terms(graph, term.inputs[0])
        .filter_map(|t| {
            let Op::Map(exprs) = &*t.op else { return None };
            let delta = Recipe::delta(t.inputs[0]);
            Some(Recipe::map(
                exprs.clone(),
                if safe_on_ghosts(graph, &t.op) {
                    delta
                } else {
                    Recipe::consolidate(delta)
                },
            ))
        })
        .collect()
}
