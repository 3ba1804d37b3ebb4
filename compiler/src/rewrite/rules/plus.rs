//! `plus` and `neg`: Z-sets are an abelian group, and both are linear.

use super::terms;
use crate::rewrite::term::{Graph, Recipe, Term, same_types};
use spec::Op;

/// `x ⊎ ∅ = x`. The first input lends its types to the sum: where it is empty and the next has
/// another collation or typmod, it stays.
pub fn drop_empty(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Plus = &*term.op else { return vec![] };
    let kept: Vec<_> = term
        .inputs
        .iter()
        .copied()
        .filter(|i| !graph[*i].data.empty)
        .collect();
    let (Some(leads), Some(led)) = (kept.first(), term.inputs.first()) else {
        return vec![];
    };
    if kept.len() == term.inputs.len() {
        return vec![];
    }
    let types = |id: &egg::Id| graph[*id].data.types.as_deref().unwrap_or_default();
    if same_types(types(leads), types(led)) {
        return vec![Recipe::plus(kept)];
    }
    if kept.len() + 1 == term.inputs.len() {
        // Only the one that lends the types is empty.
        return vec![];
    }
    let lender = Recipe::from(*led);
    let kept = kept.into_iter().map(Recipe::from);
    vec![Recipe::plus(std::iter::once(lender).chain(kept))]
}

/// `⊎(x) = x`
pub fn single(_: &Graph, term: &Term) -> Vec<Recipe> {
    match &*term.op {
        Op::Plus if term.inputs.len() == 1 => vec![term.inputs[0].into()],
        _ => vec![],
    }
}

/// `(a ⊎ b) ⊎ c = a ⊎ b ⊎ c`. The first input lends its types to the sum; an inner sum of other
/// typmods stays as it is.
pub fn flatten(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Plus = &*term.op else { return vec![] };
    let mut out = vec![];
    for (i, input) in term.inputs.iter().enumerate() {
        for inner in terms(graph, *input) {
            let Op::Plus = &*inner.op else { continue };
            // What is empty reaches itself; `plus_drop_empty` is for it.
            if graph[*input].data.empty {
                continue;
            }
            let types = |id| graph[id].data.types.as_deref().unwrap_or_default();
            if inner.inputs.contains(input)
                || !inner
                    .inputs
                    .iter()
                    .all(|x| same_types(types(*x), types(*input)))
            {
                continue;
            }
            let mut inputs = term.inputs.clone();
            inputs.splice(i..=i, inner.inputs.iter().copied());
            out.push(Recipe::plus(inputs));
        }
    }
    out
}

/// `−−x = x`
pub fn neg_neg(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Neg = &*term.op else { return vec![] };
    terms(graph, term.inputs[0])
        .filter(|t| matches!(&*t.op, Op::Neg))
        .map(|t| t.inputs[0].into())
        .collect()
}

/// `Delta(x ⊎ y) = Delta(x) ⊎ Delta(y)`
pub fn delta(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Delta = &*term.op else { return vec![] };
    terms(graph, term.inputs[0])
        .filter(|t| matches!(&*t.op, Op::Plus))
        .map(|t| Recipe::plus(t.inputs.iter().map(|i| Recipe::delta(*i))))
        .collect()
}

/// `Delta(−x) = −Delta(x)`
pub fn delta_neg(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Delta = &*term.op else { return vec![] };
    terms(graph, term.inputs[0])
        .filter(|t| matches!(&*t.op, Op::Neg))
        .map(|t| Recipe::neg(Recipe::delta(t.inputs[0])))
        .collect()
}
