//! `repeat`: row by row (see `row_by_row.rs`), like a filter whose answer is a number.

use super::terms;
use crate::rewrite::term::{Graph, Recipe, Term};
use spec::Op;

/// `ρn x ⋉ K = ρn (x ⋉ K)`
pub fn probe_below(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let (Op::Probe(columns), [x, keys]) = (&*term.op, term.inputs.as_slice()) else {
        return vec![];
    };
    if graph[*x].data.small {
        return vec![];
    }
    terms(graph, *x)
        .filter_map(|t| {
            let op @ Op::Repeat(_) = &*t.op else {
                return None;
            };
            let inner = Recipe::probe(columns.clone(), t.inputs[0], *keys);
            Some(Recipe::unary(op.clone(), inner))
        })
        .collect()
}
