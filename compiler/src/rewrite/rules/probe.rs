//! `probe`: sinks to the leaves, where an index serves it.
//!
//! `Probe(x, cols, K) = x ⋉ K` with NULL matching NULL: a filter by a set, so that it commutes
//! with whatever a filter on `cols` commutes with. Where only some of the columns can sink, the
//! rows below are probed by those, and the whole probe stays above what is then small.

use super::{offsets, owner, terms};
use crate::rewrite::term::{Graph, Recipe, Term};
use egg::Id;
use spec::Op;

/// The parts of a probe of something that is worth probing.
pub(super) fn parts<'t>(graph: &Graph, term: &'t Term) -> Option<(&'t [usize], Id, Id)> {
    match &*term.op {
        Op::Probe(columns) if !graph[term.inputs[0]].data.small => {
            Some((columns, term.inputs[0], term.inputs[1]))
        }
        _ => None,
    }
}

/// For the columns that have a place below: that place, and the keys reduced to them.
pub(super) struct Sink {
    columns: Vec<usize>,
    keys: Recipe,
    whole: bool,
}

pub(super) fn sink(
    columns: &[usize],
    keys: Id,
    place: impl Fn(usize) -> Option<usize>,
) -> Option<Sink> {
    let placed: Vec<(usize, usize)> = columns
        .iter()
        .enumerate()
        .filter_map(|(i, c)| Some((i, place(*c)?)))
        .collect();
    if placed.len() == columns.len() {
        return Some(Sink {
            columns: placed.iter().map(|p| p.1).collect(),
            keys: keys.into(),
            whole: true,
        });
    }
    let some = placed.iter().map(|p| p.0).collect();
    (!placed.is_empty()).then(|| Sink {
        columns: placed.iter().map(|p| p.1).collect(),
        keys: Recipe::touched(some, keys),
        whole: false,
    })
}

impl Sink {
    /// The rows below that may match.
    pub(super) fn probe(&self, x: Id) -> Recipe {
        Recipe::probe(self.columns.clone(), x, self.keys.clone())
    }

    /// What is left to do above.
    pub(super) fn finish(&self, columns: &[usize], keys: Id, x: Recipe) -> Recipe {
        if self.whole {
            x
        } else {
            Recipe::probe(columns.to_vec(), x, keys)
        }
    }
}

/// `map f x ⋉ K = map f (x ⋉ K)` for columns that f passes on.
pub fn below_map(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Some((columns, x, keys)) = parts(graph, term) else {
        return vec![];
    };
    terms(graph, x)
        .filter_map(|t| {
            let Op::Map(exprs) = &*t.op else { return None };
            let sink = sink(columns, keys, |c| exprs.get(c)?.as_column())?;
            let inner = Recipe::map(exprs.clone(), sink.probe(t.inputs[0]));
            Some(sink.finish(columns, keys, inner))
        })
        .collect()
}

/// `σp x ⋉ K = σp (x ⋉ K)`
pub fn below_filter(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Some((columns, x, keys)) = parts(graph, term) else {
        return vec![];
    };
    terms(graph, x)
        .filter_map(|t| {
            let Op::Filter(p) = &*t.op else { return None };
            let inner = Recipe::probe(columns.to_vec(), t.inputs[0], keys);
            Some(Recipe::filter(p.clone(), inner))
        })
        .collect()
}

/// `(⋈ x…) ⋉ K = ⋈ (… xᵢ ⋉ K …)`, for the columns that xᵢ has; the others stay above.
pub fn into_join(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Some((columns, x, keys)) = parts(graph, term) else {
        return vec![];
    };
    let mut out = vec![];
    for t in terms(graph, x) {
        let Op::Join(on) = &*t.op else { continue };
        let at = offsets(graph, &t.inputs);
        for (i, input) in t.inputs.iter().enumerate() {
            // Small inputs drive the join already.
            if graph[*input].data.small {
                continue;
            }
            let place = |c: usize| (owner(&at, c) == i).then(|| c - at[i]);
            let Some(sink) = sink(columns, keys, place) else {
                continue;
            };
            let mut inputs: Vec<Recipe> = t.inputs.iter().map(|x| (*x).into()).collect();
            inputs[i] = sink.probe(*input);
            let inner = Recipe::join(on.clone(), inputs);
            out.push(sink.finish(columns, keys, inner));
        }
    }
    out
}

/// `(x ⊎ y) ⋉ K = (x ⋉ K) ⊎ (y ⋉ K)`
pub fn below_plus(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Some((columns, x, keys)) = parts(graph, term) else {
        return vec![];
    };
    terms(graph, x)
        .filter(|t| matches!(&*t.op, Op::Plus))
        .map(|t| {
            let probe = |i: &Id| Recipe::probe(columns.to_vec(), *i, keys);
            Recipe::plus(t.inputs.iter().map(probe))
        })
        .collect()
}

/// `−x ⋉ K = −(x ⋉ K)`
pub fn below_neg(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Some((columns, x, keys)) = parts(graph, term) else {
        return vec![];
    };
    terms(graph, x)
        .filter(|t| matches!(&*t.op, Op::Neg))
        .map(|t| Recipe::neg(Recipe::probe(columns.to_vec(), t.inputs[0], keys)))
        .collect()
}

/// `γ(keys; …) x ⋉ K = γ(keys; …) (x ⋉ K)` for group keys. Never without any: that group is
/// there over nothing, too.
pub fn below_aggregate(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Some((columns, x, keys)) = parts(graph, term) else {
        return vec![];
    };
    terms(graph, x)
        .filter_map(|t| {
            let Op::Aggregate(a) = &*t.op else {
                return None;
            };
            // One row, and so small, by the facts of today; the equation does not rest on them.
            if a.keys.is_empty() {
                return None;
            }
            let sink = sink(columns, keys, |c| a.keys.get(c).copied())?;
            let inner = Recipe::aggregate(a.clone(), sink.probe(t.inputs[0]));
            Some(sink.finish(columns, keys, inner))
        })
        .collect()
}

/// `distinct x ⋉ K = distinct (x ⋉ K)`
pub fn below_distinct(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Some((columns, x, keys)) = parts(graph, term) else {
        return vec![];
    };
    terms(graph, x)
        .filter(|t| matches!(&*t.op, Op::Distinct))
        .map(|t| {
            let inner = Recipe::probe(columns.to_vec(), t.inputs[0], keys);
            Recipe::unary(Op::Distinct, inner)
        })
        .collect()
}

/// `C(x) ⋉ K = C(x ⋉ K)`: matching rows of one image are all there, or none is.
pub fn below_consolidate(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Some((columns, x, keys)) = parts(graph, term) else {
        return vec![];
    };
    terms(graph, x)
        .filter(|t| matches!(&*t.op, Op::Consolidate))
        .map(|t| Recipe::consolidate(Recipe::probe(columns.to_vec(), t.inputs[0], keys)))
        .collect()
}
