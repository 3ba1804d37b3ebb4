//! What is recomputed for the groups that a change touches, under maps and filters of which the
//! result is kept.
//!
//! ```text
//! Delta(f γ x) = f γ(New x ⋉ K) − (Old(f γ x) ⋉ K)
//! ```
//!
//! K the touched keys, f maps and filters that show all keys (or none at all), and operators that
//! look at the same groups (a window over the first rows of its partitions). Old comes from the
//! store, so that what is retracted is what was shown (of several images of a key, of several orders
//! of a float sum).

use super::{terms, width};
use crate::rewrite::storage::{MAX_SHOWN, groups_by};
use crate::rewrite::term::{Graph, Recipe, Term};
use egg::Id;
use spec::Op;
use std::collections::BTreeSet;

/// A term γ(y) under maps and filters.
pub(super) struct Shown<'g> {
    pub term: &'g Term,
    /// Where its keys come out.
    keys: Vec<usize>,
    /// The operators above it, outermost first.
    f: Vec<Op>,
    /// The number of columns that come out.
    width: usize,
}

/// The terms below a class that `keyed` knows, of which it says the columns that are keys.
pub(super) fn shown<'g>(
    graph: &'g Graph,
    x: Id,
    keyed: impl Fn(&Term) -> Option<Vec<usize>>,
) -> Vec<Shown<'g>> {
    below(graph, x, &keyed, MAX_SHOWN)
}

fn below<'g>(
    graph: &'g Graph,
    x: Id,
    keyed: &impl Fn(&Term) -> Option<Vec<usize>>,
    depth: usize,
) -> Vec<Shown<'g>> {
    let mut out = vec![];
    for term in terms(graph, x) {
        if let Some(keys) = keyed(term) {
            let f = vec![];
            let width = width(graph, x);
            out.push(Shown {
                term,
                keys,
                f,
                width,
            });
        }
        let op = &*term.op;
        let passes = matches!(op, Op::Map(_) | Op::Filter(_)) || groups_by(op).is_some();
        // What is kept itself has a delta to map.
        if passes && depth > 0 && !graph[term.inputs[0]].data.kept {
            for mut inner in below(graph, term.inputs[0], keyed, depth - 1) {
                if let Op::Map(exprs) = op {
                    let place = |k: &usize| exprs.iter().position(|e| e.as_column() == Some(*k));
                    let Some(keys) = inner.keys.iter().map(place).collect() else {
                        continue;
                    };
                    inner.keys = keys;
                }
                let keys: BTreeSet<usize> = inner.keys.iter().copied().collect();
                if groups_by(op).is_some_and(|same| same != keys) {
                    continue;
                }
                inner.f.insert(0, op.clone());
                inner.width = width(graph, x);
                out.push(inner);
            }
        }
    }
    out
}

impl Shown<'_> {
    /// The delta of `kept`, of which `new` are the groups that are touched, as they are now.
    pub(super) fn delta(self, kept: Id, new: Recipe, touched: Recipe) -> Recipe {
        let old = Recipe::probe(self.keys.clone(), Recipe::old(kept), touched);
        Recipe::minus(self.above(new), old)
    }

    /// The operators above the term, on top of something else.
    pub(super) fn above(&self, x: Recipe) -> Recipe {
        let f = self.f.iter().rev().cloned();
        f.fold(x, |x, op| Recipe::unary(op, x))
    }

    /// Does each row of the term come out?
    pub(super) fn is_mapped(&self) -> bool {
        self.f.iter().all(|op| matches!(op, Op::Map(_)))
    }

    /// Where one of the keys comes out, which were `keys` of the term.
    pub(super) fn place(&self, keys: &[usize], key: usize) -> usize {
        let at = keys.iter().position(|k| *k == key);
        at.and_then(|at| self.keys.get(at)).copied().unwrap_or(key)
    }

    /// The number of columns that come out.
    pub(super) fn width(&self) -> usize {
        self.width
    }
}
