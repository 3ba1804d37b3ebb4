//! `repeat` and `flat_map`: linear, row by row. φ is either.

use super::epoch::safe_on_ghosts;
use super::filter::{above, split};
use super::{terms, width};
use crate::rewrite::predicate::{conjunction, error_free};
use crate::rewrite::term::{Graph, Recipe, Term};
use spec::Op;

/// `Delta(φ x) = φ (Delta x)`, above `Consolidate` where φ may raise (see `delta_map`).
pub fn delta(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Delta = &*term.op else { return vec![] };
    terms(graph, term.inputs[0])
        .filter_map(|t| {
            let op @ (Op::Repeat(_) | Op::FlatMap(_)) = &*t.op else {
                return None;
            };
            let mut delta = Recipe::delta(t.inputs[0]);
            if !safe_on_ghosts(graph, op) {
                delta = Recipe::consolidate(delta);
            }
            Some(Recipe::unary(op.clone(), delta))
        })
        .collect()
}

/// `σp (φ x) = φ (σp x)` for p over the columns of x. Not where p may raise: it would meet rows of
/// which nothing comes out.
pub fn filter_below(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Filter(p) = &*term.op else {
        return vec![];
    };
    let catalog = graph.analysis.catalog;
    terms(graph, term.inputs[0])
        .filter_map(|t| {
            let op @ (Op::Repeat(_) | Op::FlatMap(_)) = &*t.op else {
                return None;
            };
            let n = width(graph, t.inputs[0]);
            let (down, up) = split(p, |c| {
                c.columns().iter().all(|i| *i < n) && error_free(c, catalog)
            })?;
            let inner = Recipe::filter(conjunction(down), t.inputs[0]);
            Some(above(up, Recipe::unary(op.clone(), inner)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::facts::Setting;
    use crate::rewrite::tests::random::{BIG, INT, R, bigint, catalog, operator, source};
    use spec::Expr;
    use std::collections::BTreeSet;
    use std::sync::Arc;

    /// Ghosts that make a quotient raise are rare among random changes.
    #[test]
    fn what_may_raise_is_asked_of_no_ghosts() {
        let catalog = catalog();
        let mut graph = Graph::new(Setting::new(&catalog, BTreeSet::from([R])));
        let mut add = |op: Op, inputs| {
            let op = Arc::new(op);
            graph.add(Term::new(op, inputs))
        };
        let x = add(source(&catalog, R), vec![]);
        let (a, b) = (Expr::column(0, INT), Expr::column(1, INT));
        let quotient = Op::Repeat(bigint(operator(&catalog, "/", a, b)));
        let twice = Op::Repeat(Expr::literal("2", BIG));
        let of_quotient = add(quotient.clone(), vec![x]);
        let of_two = add(twice.clone(), vec![x]);
        let delta_of = |repeated| {
            let term = Term::new(Arc::new(Op::Delta), vec![repeated]);
            delta(&graph, &term)
        };
        let fenced = Recipe::consolidate(Recipe::delta(x));
        assert_eq!(delta_of(of_quotient), [Recipe::unary(quotient, fenced)]);
        assert_eq!(delta_of(of_two), [Recipe::unary(twice, Recipe::delta(x))]);
    }
}
