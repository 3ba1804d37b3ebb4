//! `top_k` and `window`: what is said of a row depends on all rows of its group, so that groups that
//! are touched are looked up again.

use super::epoch::{new_without_ghosts, safe_on_ghosts};
use super::filter::{above, decides_groups, split};
use super::probe::{parts, sink};
use super::shown::shown;
use super::suffix::is_stepped;
use super::terms;
use crate::rewrite::predicate::conjunction;
use crate::rewrite::term::{Graph, Recipe, Term};
use egg::Id;
use spec::Op;

/// The columns that group what such an operator looks at: columns of its input that come out as they
/// are, at the same places.
fn keys(op: &Op) -> Option<&[usize]> {
    match op {
        Op::TopK(t) => Some(&t.keys),
        Op::Window(w) => Some(&w.partition),
        _ => None,
    }
}

/// `σp (γ(keys) x) = γ(keys) (σp x)` for p that is one decision for a group.
pub fn filter_below(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Filter(p) = &*term.op else {
        return vec![];
    };
    let x = term.inputs[0];
    terms(graph, x)
        .filter_map(|t| {
            let keys = keys(&t.op)?;
            let (down, up) = split(p, |c| {
                let columns = c.columns();
                !columns.is_empty()
                    && columns.iter().all(|i| keys.contains(i))
                    && decides_groups(graph, x, c)
            })?;
            let inner = Recipe::filter(conjunction(down), t.inputs[0]);
            Some(above(up, Recipe::unary(t.op.as_ref().clone(), inner)))
        })
        .collect()
}

/// The groups of `New(x)` whose keys are in `touched`. Of one group of all rows, it is the result that
/// is probed: a probe without columns tells nothing of x.
pub(super) fn groups(graph: &Graph, op: &Op, keys: &[usize], x: Id, touched: Recipe) -> Recipe {
    let new = match safe_on_ghosts(graph, op) {
        true => Recipe::new(x),
        false => new_without_ghosts(graph, x),
    };
    match keys.is_empty() {
        true => Recipe::probe(vec![], Recipe::unary(op.clone(), new), touched),
        false => Recipe::unary(op.clone(), Recipe::probe(keys.to_vec(), new, touched)),
    }
}

/// `Delta(f γ x) = f γ(New x ⋉ K) − (Old(f γ x) ⋉ K)`, K the touched keys (see `shown.rs`).
pub fn delta(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Delta = &*term.op else { return vec![] };
    let x = term.inputs[0];
    if !graph[x].data.kept {
        return vec![];
    }
    let recomputed = shown(graph, x, |t| keys(&t.op).map(<[usize]>::to_vec));
    let recomputed = recomputed.into_iter().filter_map(|shown| {
        // Of which less is looked at.
        if is_stepped(graph, x, shown.term) {
            return None;
        }
        let op = shown.term.op.clone();
        let keys = keys(&op)?;
        let y = shown.term.inputs[0];
        let touched = Recipe::touched(keys.to_vec(), Recipe::delta(y));
        let new = groups(graph, &op, keys, y, touched.clone());
        Some(shown.delta(x, new, touched))
    });
    recomputed.collect()
}

/// `γ(keys) x ⋉ K = γ(keys) (x ⋉ K)` for columns that group. Not without any: all or nothing of x
/// could no longer be read in the order of an index.
pub fn probe_below(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Some((columns, x, probed)) = parts(graph, term) else {
        return vec![];
    };
    terms(graph, x)
        .filter_map(|t| {
            let keys = keys(&t.op)?;
            if columns.is_empty() {
                return None;
            }
            let sink = sink(columns, probed, |c| keys.contains(&c).then_some(c))?;
            let inner = Recipe::unary(t.op.as_ref().clone(), sink.probe(t.inputs[0]));
            Some(sink.finish(columns, probed, inner))
        })
        .collect()
}
