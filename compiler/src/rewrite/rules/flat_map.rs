//! `flat_map`: linear, row by row: Φ makes rows of each row, and keeps its columns before them.

use super::{terms, width};
use crate::rewrite::predicate::{conjunction, conjuncts, error_free, flat_map_error_free};
use crate::rewrite::term::{Graph, Recipe, Term};
use spec::Op;
use spec::op::FlatMap;

/// `σp (Φ[outer on θ] x) = σ(θ ∧ p) (Φ x)` where p is not true of what is padded. θ and p must not
/// raise: they come to be evaluated in any order.
pub fn outer_strict(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Filter(p) = &*term.op else {
        return vec![];
    };
    let catalog = graph.analysis.catalog;
    terms(graph, term.inputs[0])
        .filter_map(|t| {
            let Op::FlatMap(f) = &*t.op else { return None };
            let on = f.outer.as_ref()?;
            let n = width(graph, t.inputs[0]);
            let strict = p.rejects_null().into_iter().any(|c| c >= n);
            let safe = error_free(p, catalog) && flat_map_error_free(f, catalog);
            // A list of several, padded to the longest, has NULLs of its own.
            if !strict || !safe {
                return None;
            }
            let inner = FlatMap {
                outer: None,
                ..f.clone()
            };
            let mut all = on.clone();
            all.extend(conjuncts(p));
            let inner = Recipe::unary(Op::FlatMap(inner), t.inputs[0]);
            Some(Recipe::filter(conjunction(all), inner))
        })
        .collect()
}

/// `Φ x ⋉ K = Φ (x ⋉ K)` for the columns of x; where others are among them, the probe stays above
/// what is then small.
pub fn probe_below(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let (Op::Probe(columns), [x, keys]) = (&*term.op, term.inputs.as_slice()) else {
        return vec![];
    };
    if graph[*x].data.small {
        return vec![];
    }
    terms(graph, *x)
        .filter_map(|t| {
            let op @ Op::FlatMap(_) = &*t.op else {
                return None;
            };
            let n = width(graph, t.inputs[0]);
            let sink = super::probe::sink(columns, *keys, |c| (c < n).then_some(c))?;
            let inner = Recipe::unary(op.clone(), sink.probe(t.inputs[0]));
            Some(sink.finish(columns, *keys, inner))
        })
        .collect()
}
