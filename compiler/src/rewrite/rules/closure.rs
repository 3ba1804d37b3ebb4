//! `closure`: what a change of the seed or of what is stepped along takes away and adds.
//!
//! Of x, what both epochs share is `x_c = New(x) − Δ⁺(x) = Old(x) − Δ⁻(x)`. A step is linear in both
//! of its inputs; `s(r, x)` is one. All that is followed is not negative, so that following it ends
//! where the query does.

use super::terms;
use crate::rewrite::term::{Graph, Recipe, Term};
use egg::Id;
use spec::Op;
use spec::op::Closure;

/// The two inputs of a closure in the circuit of a query.
fn closures<'g>(graph: &'g Graph, x: Id) -> impl Iterator<Item = (&'g Closure, Id, Id)> {
    terms(graph, x).filter_map(|t| match (&*t.op, t.inputs.as_slice()) {
        (Op::Closure(c), [seed, x]) if !c.change => Some((c, *seed, *x)),
        _ => None,
    })
}

/// What went away and what came.
fn parts(x: Id) -> [Recipe; 2] {
    let positive = |x: Recipe| Recipe::unary(Op::Positive, x);
    [
        positive(Recipe::neg(Recipe::delta(x))),
        positive(Recipe::delta(x)),
    ]
}

fn step(c: &Closure, r: Recipe, x: Recipe) -> Recipe {
    Recipe::map(c.map.clone(), Recipe::join(c.on.clone(), [r, x]))
}

fn closure(c: &Closure, inputs: Vec<Recipe>) -> Recipe {
    let closure = Closure {
        change: true,
        ..c.clone()
    };
    Recipe::Apply(Op::Closure(closure), inputs)
}

/// ```text
/// D = closure(b⁻ ⊎ s(Old r, x⁻); x_c)             derivations through what is gone
/// I = closure(b⁺ ⊎ s(Old r − D, x⁺); New x)       derivations through what is new
/// Delta(r) = I − D
/// ```
///
/// D is closed under what both epochs share: under the old x, a derivation through two rows that are
/// gone would be taken away twice.
pub fn delta_all(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Delta = &*term.op else { return vec![] };
    let r = term.inputs[0];
    if !graph[r].data.kept {
        return vec![];
    }
    closures(graph, r)
        .filter(|(c, ..)| !c.distinct)
        .map(|(c, b, x)| {
            let [b_gone, b_new] = parts(b);
            let [x_gone, x_new] = parts(x);
            let shared = Recipe::minus(Recipe::new(x), x_new.clone());
            let seed = Recipe::plus([b_gone, step(c, Recipe::old(r), x_gone)]);
            let gone = closure(c, vec![seed, shared]);
            let left = Recipe::consolidate(Recipe::minus(Recipe::old(r), gone.clone()));
            let seed = Recipe::plus([b_new, step(c, left, x_new)]);
            let new = closure(c, vec![seed, Recipe::new(x)]);
            Recipe::minus(new, gone)
        })
        .collect()
}

/// ```text
/// O = closure(b⁻ ∪ s(Old r, x⁻); x_c)                      whatever lost a derivation
/// G = Old r ⋉ O,   M = Old r − G                           what is left for sure
/// I = closure((New b ∪ s(M, New x)) ⋉ O ∪ b⁺ ∪ s(M, x⁺);   put back what has another, and insert
///             New x; not again what is in M)
/// Delta(r) = I − G
/// ```
pub fn delta_distinct(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Delta = &*term.op else { return vec![] };
    let r = term.inputs[0];
    if !graph[r].data.kept {
        return vec![];
    }
    closures(graph, r)
        .filter(|(c, ..)| c.distinct)
        .map(|(c, b, x)| {
            let all: Vec<usize> = (0..c.types.len()).collect();
            let [b_gone, b_new] = parts(b);
            let [x_gone, x_new] = parts(x);
            let old = || Recipe::old(r);
            let shared = Recipe::minus(Recipe::new(x), x_new.clone());
            let seed = Recipe::plus([b_gone, step(c, old(), x_gone)]);
            let lost = closure(c, vec![seed, shared]);
            let gone = Recipe::probe(all.clone(), old(), lost.clone());
            let left = Recipe::consolidate(Recipe::minus(old(), gone.clone()));
            let derived = Recipe::plus([Recipe::new(b), step(c, left.clone(), Recipe::new(x))]);
            let again = Recipe::probe(all, derived, lost.clone());
            let seed = Recipe::plus([again, b_new, step(c, left, x_new)]);
            let new = closure(c, vec![seed, Recipe::new(x), old(), lost]);
            Recipe::minus(new, gone)
        })
        .collect()
}
