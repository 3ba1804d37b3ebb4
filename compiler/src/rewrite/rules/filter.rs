//! `filter`: linear; sinks towards the leaves.
//!
//! A filter that may raise does not sink into joins and groups: below, it would meet rows that the
//! query does not evaluate it on.

use super::epoch::safe_on_ghosts;
use super::map::compose;
use super::terms;
use crate::rewrite::predicate::{conjunction, conjuncts, error_free};
use crate::rewrite::term::{Graph, Recipe, Term};
use spec::{Expr, Op};

/// `σp σq x = σ(q ∧ p) x`. Not where p may raise: `NULL ∧ p` evaluates p, on a row that q drops.
pub fn fusion(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Filter(p) = &*term.op else {
        return vec![];
    };
    if !error_free(p, graph.analysis.catalog) {
        return vec![];
    }
    terms(graph, term.inputs[0])
        .filter_map(|t| {
            let Op::Filter(q) = &*t.op else { return None };
            let mut all = conjuncts(q);
            for c in conjuncts(p) {
                if !all.contains(&c) {
                    all.push(c);
                }
            }
            Some(Recipe::filter(conjunction(all), t.inputs[0]))
        })
        .collect()
}

/// Splits the conjuncts of a filter: what may sink, and what stays above.
pub(super) fn split(
    p: &Expr,
    mut sinks: impl FnMut(&Expr) -> bool,
) -> Option<(Vec<Expr>, Vec<Expr>)> {
    let (down, up): (Vec<_>, Vec<_>) = conjuncts(p).into_iter().partition(|c| sinks(c));
    (!down.is_empty()).then_some((down, up))
}

/// x under the conjuncts that are left, if any.
pub(super) fn above(up: Vec<Expr>, x: impl Into<Recipe>) -> Recipe {
    if up.is_empty() {
        x.into()
    } else {
        Recipe::filter(conjunction(up), x)
    }
}

/// `σp (map f x) = map f (σ(p ∘ f) x)`. Row by row, so that p meets the same rows, raise or not.
pub fn below_map(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Filter(p) = &*term.op else {
        return vec![];
    };
    terms(graph, term.inputs[0])
        .filter_map(|t| {
            let Op::Map(exprs) = &*t.op else { return None };
            let inner = Recipe::filter(compose(p, exprs), t.inputs[0]);
            Some(Recipe::map(exprs.clone(), inner))
        })
        .collect()
}

/// `σp (⋈c x…) = ⋈(c ∧ p) x…`. Not where p may raise: the conjuncts of a join are evaluated in any
/// order.
pub fn into_join(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Filter(p) = &*term.op else {
        return vec![];
    };
    let catalog = graph.analysis.catalog;
    terms(graph, term.inputs[0])
        .filter_map(|t| {
            let Op::Join(on) = &*t.op else { return None };
            let (down, up) = split(p, |c| error_free(c, catalog))?;
            let mut all = on.clone();
            for c in down {
                if !all.contains(&c) {
                    all.push(c);
                }
            }
            Some(above(up, Recipe::join(all, t.inputs.iter().copied())))
        })
        .collect()
}

/// `σp (x ⊎ y) = σp x ⊎ σp y`. Where p may raise, only if no row of x can cancel one of y: the
/// query does not evaluate p on those.
pub fn below_plus(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Filter(p) = &*term.op else {
        return vec![];
    };
    let safe = error_free(p, graph.analysis.catalog);
    terms(graph, term.inputs[0])
        .filter(|t| matches!(&*t.op, Op::Plus))
        .filter(|t| safe || t.inputs.iter().all(|i| graph[*i].data.nonnegative))
        .map(|t| Recipe::plus(t.inputs.iter().map(|i| Recipe::filter(p.clone(), *i))))
        .collect()
}

/// `σp (−x) = −σp x`
pub fn below_neg(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Filter(p) = &*term.op else {
        return vec![];
    };
    terms(graph, term.inputs[0])
        .filter(|t| matches!(&*t.op, Op::Neg))
        .map(|t| Recipe::neg(Recipe::filter(p.clone(), t.inputs[0])))
        .collect()
}

/// Does the conjunct read only columns whose equal values look alike? A group is one decision
/// only then: `k::text = '1.0'` is true of some rows of the group of numeric 1 and false of others.
pub(super) fn decides_groups(graph: &Graph, x: egg::Id, c: &Expr) -> bool {
    let catalog = graph.analysis.catalog;
    let types = graph[x].data.types.as_deref().unwrap_or_default();
    error_free(c, catalog)
        && c.columns()
            .iter()
            .all(|i| types.get(*i).is_some_and(|t| catalog.image_equality(t.ty)))
}

/// `σp (γ(keys; aggs) x) = γ(keys; aggs) (σp x)` for p over the keys. Not without keys: that
/// group is there over nothing, too.
pub fn below_aggregate(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Filter(p) = &*term.op else {
        return vec![];
    };
    let x = term.inputs[0];
    terms(graph, x)
        .filter_map(|t| {
            let Op::Aggregate(a) = &*t.op else {
                return None;
            };
            if a.keys.is_empty() {
                return None;
            }
            let (down, up) = split(p, |c| {
                c.columns().iter().all(|i| *i < a.keys.len()) && decides_groups(graph, x, c)
            })?;
            let down = down.iter().map(|c| c.remap(&mut |i| a.keys[i])).collect();
            let inner = Recipe::filter(conjunction(down), t.inputs[0]);
            Some(above(up, Recipe::aggregate(a.clone(), inner)))
        })
        .collect()
}

/// `σp (distinct x) = distinct (σp x)`
pub fn below_distinct(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Filter(p) = &*term.op else {
        return vec![];
    };
    let x = term.inputs[0];
    terms(graph, x)
        .filter_map(|t| {
            let Op::Distinct = &*t.op else { return None };
            let (down, up) = split(p, |c| decides_groups(graph, x, c))?;
            let inner = Recipe::filter(conjunction(down), t.inputs[0]);
            Some(above(up, Recipe::unary(Op::Distinct, inner)))
        })
        .collect()
}

/// `Delta(σp x) = σp (Delta x)`, above `Consolidate` where p may raise (see `delta_map`).
pub fn delta(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Delta = &*term.op else { return vec![] };
    terms(graph, term.inputs[0])
        .filter_map(|t| {
            let Op::Filter(p) = &*t.op else { return None };
            let delta = Recipe::delta(t.inputs[0]);
            Some(Recipe::filter(
                p.clone(),
                if safe_on_ghosts(graph, &t.op) {
                    delta
                } else {
                    Recipe::consolidate(delta)
                },
            ))
        })
        .collect()
}
