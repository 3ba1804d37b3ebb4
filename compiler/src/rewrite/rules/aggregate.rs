//! `aggregate`: an algebraic step where its functions fold, else keyed recomputation.

use super::epoch::{new_without_ghosts, safe_on_ghosts};
use super::shown::shown;
use super::terms;
use crate::rewrite::term::{Graph, Recipe, Term};
use egg::Id;
use spec::Op;
use spec::fold::{Fold, SUM_NUMERIC};
use spec::op::Aggregate;

fn folding(graph: &Graph, a: &Aggregate, input: Id) -> Option<Vec<Fold>> {
    let types = graph[input].data.types.as_deref()?;
    a.folding(types, graph.analysis.catalog)
}

/// The groups of `New(x)` whose keys are in `keys`. The only group of an aggregate without keys
/// is there over nothing, too, so that it is the result that is probed, not the input.
fn groups(graph: &Graph, a: &Aggregate, x: Id, keys: Recipe) -> Recipe {
    let new = match safe_on_ghosts(graph, &Op::Aggregate(a.clone())) {
        true => Recipe::new(x),
        false => new_without_ghosts(graph, x),
    };
    if a.keys.is_empty() {
        Recipe::probe(vec![], Recipe::aggregate(a.clone(), new), keys)
    } else {
        let rows = Recipe::probe(a.keys.clone(), new, keys);
        Recipe::aggregate(a.clone(), rows)
    }
}

/// `Delta(γ x) = Step(Old(γ x), Delta x)`; where a group can turn stale (an extremum or a NaN
/// that leaves) it is taken from `γ(New x ⋉ Stale)`.
pub fn delta_step(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Delta = &*term.op else { return vec![] };
    let x = term.inputs[0];
    if !graph[x].data.kept {
        return vec![];
    }
    terms(graph, x)
        .filter_map(|t| {
            let Op::Aggregate(a) = &*t.op else {
                return None;
            };
            let y = t.inputs[0];
            let folds = folding(graph, a, y)?;
            let delta = if safe_on_ghosts(graph, &t.op) {
                Recipe::delta(y)
            } else {
                Recipe::consolidate(Recipe::delta(y))
            };
            let mut inputs = vec![Recipe::old(x), delta];
            let turns_stale = folds.iter().zip(&a.aggs).any(|(fold, agg)| {
                matches!(fold, Fold::Extremum { .. }) || agg.function == SUM_NUMERIC
            });
            if turns_stale {
                let stale = Recipe::Apply(Op::Stale(a.clone()), inputs.clone());
                inputs.push(groups(graph, a, y, stale));
            }
            Some(Recipe::Apply(Op::AggregateStep(a.clone()), inputs))
        })
        .collect()
}

/// `Delta(f γ x) = f γ(New x ⋉ K) − (Old(f γ x) ⋉ K)`, K the touched keys, f maps and filters that
/// show all keys (or none at all). Only where γ does not fold: the step reads less. Old comes from
/// the store, so that what is retracted is what was shown (of several images of a key, of several
/// orders of a float sum).
pub fn delta_recompute(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Delta = &*term.op else { return vec![] };
    let x = term.inputs[0];
    if !graph[x].data.kept {
        return vec![];
    }
    let recomputed = shown(graph, x, |t| match &*t.op {
        Op::Aggregate(a) if folding(graph, a, t.inputs[0]).is_none() => {
            Some((0..a.keys.len()).collect())
        }
        _ => None,
    });
    let recomputed = recomputed.into_iter().filter_map(|shown| {
        let Op::Aggregate(a) = &*shown.term.op else {
            return None;
        };
        let y = shown.term.inputs[0];
        let touched = Recipe::touched(a.keys.clone(), Recipe::delta(y));
        let new = groups(graph, a, y, touched.clone());
        Some(shown.delta(x, new, touched))
    });
    recomputed.collect()
}

/// `Step(Old(γ x), Δ, renewed) = Step(Old(γ x), Δ)` for a Δ that only adds: no extremum and no NaN
/// leaves a group, so that none is stale. (Δ as a sum: some of its terms may take back what others
/// add.)
pub fn step_of_insertions(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let (Op::AggregateStep(a), &[old, delta, _]) = (&*term.op, &*term.inputs) else {
        return vec![];
    };
    if !graph[delta].data.nonnegative {
        return vec![];
    }
    let inputs = vec![old.into(), delta.into()];
    vec![Recipe::Apply(Op::AggregateStep(a.clone()), inputs)]
}
