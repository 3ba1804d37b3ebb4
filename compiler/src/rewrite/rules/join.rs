//! `join`: multilinear; n-ary, so that a change of n inputs is a sum of n terms.

use super::epoch::safe_on_ghosts;
use super::map::compose;
use super::{offsets, owner, terms, unchanged, width};
use crate::rewrite::facts::key::Key;
use crate::rewrite::facts::{Reach, connected};
use crate::rewrite::predicate::{column_of, conjunction, equation, error_free, size};
use crate::rewrite::term::{Graph, Recipe, Term};
use egg::Id;
use spec::{Expr, Op};

/// `⋈p (x) = σp x`
pub fn single(_: &Graph, term: &Term) -> Vec<Recipe> {
    match &*term.op {
        Op::Join(on) if term.inputs.len() == 1 => {
            let x = term.inputs[0];
            if on.is_empty() {
                vec![x.into()]
            } else {
                vec![Recipe::filter(conjunction(on.clone()), x)]
            }
        }
        _ => vec![],
    }
}

/// `⋈(c ∧ p) x… = σp (⋈c x…)` for p that may raise: its delta is then taken above `Consolidate`.
pub fn hoist(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Join(on) = &*term.op else {
        return vec![];
    };
    let catalog = graph.analysis.catalog;
    let (keep, lift): (Vec<_>, Vec<_>) = on.iter().cloned().partition(|c| error_free(c, catalog));
    if lift.is_empty() {
        return vec![];
    }
    let join = Recipe::join(keep, term.inputs.iter().copied());
    vec![Recipe::filter(conjunction(lift), join)]
}

/// `⋈(c ∧ p) x… = ⋈c (… σp xᵢ …)` for p that reads xᵢ only. Not one that may raise: it would meet
/// rows of xᵢ that join nothing.
pub fn push(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Join(on) = &*term.op else {
        return vec![];
    };
    let catalog = graph.analysis.catalog;
    let at = offsets(graph, &term.inputs);
    let mut keep = vec![];
    let mut sink: Vec<Vec<Expr>> = vec![vec![]; term.inputs.len()];
    for c in on {
        let owners: Vec<usize> = c.columns().iter().map(|i| owner(&at, *i)).collect();
        let first = owners.first().copied().unwrap_or(0);
        if owners.iter().all(|o| *o == first) && error_free(c, catalog) {
            sink[first].push(c.remap(&mut |i| i - at[first]));
        } else {
            keep.push(c.clone());
        }
    }
    if keep.len() == on.len() {
        return vec![];
    }
    let inputs = term.inputs.iter().zip(sink).map(|(x, sink)| {
        if sink.is_empty() {
            Recipe::Class(*x)
        } else {
            Recipe::filter(conjunction(sink), *x)
        }
    });
    vec![Recipe::join(keep, inputs)]
}

/// `⋈c (x, ⋈d (y, z)) = ⋈(d ∧ c) (x, y, z)`, all inputs at once.
pub fn flatten(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Join(on) = &*term.op else {
        return vec![];
    };
    let at = offsets(graph, &term.inputs);
    let (mut all, mut inputs) = (vec![], vec![]);
    for (x, at) in term.inputs.iter().zip(at) {
        let nested = terms(graph, *x).find_map(|t| match &*t.op {
            Op::Join(on) if !t.inputs.contains(x) => Some((on, &t.inputs)),
            _ => None,
        });
        match nested {
            Some((on, nested)) => {
                all.extend(on.iter().map(|c| c.remap(&mut |col| col + at)));
                inputs.extend_from_slice(nested);
            }
            None => inputs.push(*x),
        }
    }
    if inputs.len() == term.inputs.len() {
        return vec![];
    }
    all.extend(on.iter().cloned());
    vec![Recipe::join(all, inputs)]
}

/// `⋈c (x, map f y) = map (x, f) (⋈(c ∘ f) (x, y))`, all inputs at once: so that joins meet, and
/// keys are columns. The condition must not come to depend on an expression that may raise:
/// `join_hoist` would lift it, and leave a product.
pub fn above_map(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Join(on) = &*term.op else {
        return vec![];
    };
    let catalog = graph.analysis.catalog;
    let at = offsets(graph, &term.inputs);
    // Every column of the join as an expression over the new join.
    let mut columns: Vec<Expr> = vec![];
    let mut inputs = vec![];
    let mut new_at = 0;
    for (i, x) in term.inputs.iter().enumerate() {
        let usable = |exprs: &[Expr]| {
            let used = on.iter().flat_map(|c| c.columns());
            used.filter(|c| owner(&at, *c) == i)
                .all(|c| exprs.get(c - at[i]).is_some_and(|e| error_free(e, catalog)))
        };
        let map = terms(graph, *x).find_map(|t| match &*t.op {
            Op::Map(exprs) if graph.find(t.inputs[0]) != graph.find(*x) && usable(exprs) => {
                Some((exprs, t.inputs[0]))
            }
            _ => None,
        });
        match map {
            Some((exprs, y)) => {
                columns.extend(exprs.iter().map(|e| e.remap(&mut |c| c + new_at)));
                inputs.push(y);
            }
            None => {
                let types = graph[*x].data.types.as_deref().unwrap_or_default();
                columns.extend(Expr::of_columns(types, new_at));
                inputs.push(*x);
            }
        }
        new_at += width(graph, inputs[i]);
    }
    let condition: Vec<Expr> = on.iter().map(|c| compose(c, &columns)).collect();
    if inputs == term.inputs || condition.iter().map(size).sum::<usize>() > 2_000 {
        return vec![];
    }
    vec![Recipe::map(columns, Recipe::join(condition, inputs))]
}

/// `Delta(⋈ x₁…xₙ) = Σᵢ ⋈ (New x₁ … New xᵢ₋₁, Delta xᵢ, Old xᵢ₊₁ … Old xₙ)` over the inputs that
/// changed: n terms, not 2ⁿ − 1. The order is free; base tables come first, because their New is
/// what can be read, and stored collections last, because their Old is. Among them, what is looked
/// up by its key comes before what looks it up: the changes of the latter are many, as a rule, and
/// meet tables as they are then, where each Old would be two (a table and its change).
pub fn delta(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Delta = &*term.op else { return vec![] };
    terms(graph, term.inputs[0])
        .filter_map(|t| {
            let Op::Join(on) = &*t.op else { return None };
            // Ghost rows are what the terms are made of; `join_hoist` lifts what may raise.
            if !safe_on_ghosts(graph, &t.op) {
                return None;
            }
            let mut order: Vec<usize> = (0..t.inputs.len())
                .filter(|i| !unchanged(graph, t.inputs[*i]))
                .collect();
            let depths = depths(graph, on, &t.inputs);
            order.sort_by_key(|i| {
                let facts = &graph[t.inputs[*i]].data;
                (facts.kept || facts.reads_state, depths[*i])
            });
            let terms = order.iter().enumerate().map(|(at, changing)| {
                let inputs = t.inputs.iter().enumerate().map(|(i, x)| {
                    if i == *changing {
                        Recipe::delta(*x)
                    } else if order[at..].contains(&i) {
                        Recipe::old(*x)
                    } else {
                        Recipe::new(*x)
                    }
                });
                Recipe::join(on.clone(), inputs)
            });
            (!order.is_empty()).then(|| Recipe::plus(terms))
        })
        .collect()
}

/// How far each input of a join is from one that looks nothing up: x looks y up if equations with
/// columns of x hold a key of y. (Where two look each other up, none is further.)
fn depths(graph: &Graph, on: &[Expr], inputs: &[Id]) -> Vec<usize> {
    let at = offsets(graph, inputs);
    let equal: Vec<(usize, usize)> = on
        .iter()
        .filter_map(|c| {
            let [a, b] = equation(c, graph.analysis.catalog)?.sides;
            Some((column_of(a)?, column_of(b)?))
        })
        .collect();
    let looks_up = |x: usize, y: usize| {
        let of_x = |c: &usize| {
            let both = equal.iter().flat_map(|(a, b)| [(a, b), (b, a)]);
            both.filter(|(own, _)| *own == c)
                .any(|(_, other)| owner(&at, *other) == x)
        };
        let held = |key: &Key| key.columns.iter().all(|c| of_x(&(at[y] + c)));
        let keys = graph[inputs[y]].data.keys.iter();
        x != y && keys.filter(|k| !k.columns.is_empty()).any(held)
    };
    let all = 0..inputs.len();
    let edges: Vec<(usize, usize)> = (all.clone())
        .flat_map(|x| all.clone().map(move |y| (x, y)))
        .filter(|(x, y)| looks_up(*x, *y) && !looks_up(*y, *x))
        .collect();
    let mut depths = vec![0; inputs.len()];
    // A path has fewer edges than there are inputs; a circle ends there, too.
    for _ in all {
        for (x, y) in &edges {
            depths[*x] = depths[*x].max((depths[*y] + 1).min(inputs.len()));
        }
    }
    depths
}

/// `⋈c (d, x) = ⋈c (d, Probe(x, π(d)))` along an equation of c, for a small d and an x that no
/// index reaches as it stands: the probe is then pushed down into x.
pub fn probe(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Join(on) = &*term.op else {
        return vec![];
    };
    let Some(reach) = connected(graph, on, &term.inputs) else {
        return vec![];
    };
    let at = offsets(graph, &term.inputs);
    let mut out = vec![];
    for (i, reached) in reach.iter().enumerate() {
        let Reach::Look(links) = reached else {
            continue;
        };
        if graph[term.inputs[i]].data.probeable {
            continue;
        }
        // Equations between columns of one type, one for each column.
        let mut pairs: Vec<(usize, usize)> = vec![];
        for link in links {
            if let Some(other) = link.same_as
                && !pairs.iter().any(|(c, _)| *c == link.column)
            {
                pairs.push((link.column, other));
            }
        }
        if pairs.is_empty() {
            continue;
        }
        let columns = pairs.iter().map(|(c, _)| *c).collect();
        let owners: Vec<usize> = pairs.iter().map(|(_, o)| owner(&at, *o)).collect();
        let driver = owners[0];
        let keys = if reach[driver] == Reach::Drives && owners.iter().all(|o| *o == driver) {
            let local = pairs.iter().map(|(_, o)| o - at[driver]).collect();
            Recipe::touched(local, term.inputs[driver])
        } else {
            let others: Vec<usize> = (0..term.inputs.len())
                .filter(|j| *j != i && !graph[term.inputs[*j]].data.empty)
                .filter(|j| reach[*j] != Reach::Scan)
                .filter(|j| reach[*j] == Reach::Drives || graph[term.inputs[*j]].data.probeable)
                .collect();
            let Some((keys, position)) = subjoin(graph, on, &term.inputs, &at, &others) else {
                continue;
            };
            let local: Option<Vec<usize>> = pairs.iter().map(|(_, o)| position(*o)).collect();
            let Some(local) = local else { continue };
            Recipe::touched(local, keys)
        };
        let mut inputs: Vec<Recipe> = term.inputs.iter().map(|x| (*x).into()).collect();
        inputs[i] = Recipe::probe(columns, term.inputs[i], keys);
        out.push(Recipe::join(on.clone(), inputs));
    }
    out
}

/// The join of some of the inputs under the conjuncts that read no others, and where a column of
/// the whole join stands in it.
fn subjoin<'a>(
    graph: &Graph,
    on: &[Expr],
    inputs: &[Id],
    at: &[usize],
    some: &'a [usize],
) -> Option<(Recipe, impl Fn(usize) -> Option<usize> + use<'a>)> {
    let mut places = vec![];
    for j in some {
        places.extend(at[*j]..at[*j] + width(graph, inputs[*j]));
    }
    let position = move |c: usize| places.iter().position(|p| *p == c);
    let conjuncts = on
        .iter()
        .filter(|c| c.columns().iter().all(|i| position(*i).is_some()))
        .map(|c| c.remap(&mut |i| position(i).unwrap_or(i)))
        .collect();
    let join = Recipe::join(conjuncts, some.iter().map(|j| inputs[*j]));
    (!some.is_empty()).then_some((join, position))
}
