//! `semi`, `anti`: linear in the left side; a change of the right side moves the rows of the left
//! side that it matches, and no others.
//!
//! `x ⊳⊲ y` stands for either of `x ⋉ y` and `x ▷ y` below.

use super::epoch::safe_on_ghosts;
use super::filter::{above, split};
use super::map::compose;
use super::{terms, unchanged, width};
use crate::rewrite::facts::key::Key;
use crate::rewrite::predicate::{conjunction, equal_columns, error_free};
use crate::rewrite::term::{Graph, Recipe, Term};
use egg::Id;
use spec::compiled::Dependency;
use spec::{Expr, Op};
use std::collections::BTreeSet;

/// A semi or anti join.
pub(super) struct Half<'t> {
    anti: bool,
    on: &'t [Expr],
    x: Id,
    y: Id,
}

pub(super) fn half(term: &Term) -> Option<Half<'_>> {
    let (anti, on) = match &*term.op {
        Op::Semi(on) => (false, on),
        Op::Anti(on) => (true, on),
        _ => return None,
    };
    let (x, y) = (term.inputs[0], term.inputs[1]);
    Some(Half { anti, on, x, y })
}

impl Half<'_> {
    /// The same kind of join.
    fn of(&self, on: Vec<Expr>, x: impl Into<Recipe>, y: impl Into<Recipe>) -> Recipe {
        let op = if self.anti {
            Op::Anti(on)
        } else {
            Op::Semi(on)
        };
        Recipe::Apply(op, vec![x.into(), y.into()])
    }
}

/// `x ▷ ∅ = x`
pub fn anti_nothing(graph: &Graph, term: &Term) -> Vec<Recipe> {
    match &*term.op {
        Op::Anti(_) if graph[term.inputs[1]].data.empty => vec![term.inputs[0].into()],
        _ => vec![],
    }
}

/// See [`equal_columns`].
fn equations(graph: &Graph, on: &[Expr], x: Id, y: Id) -> Vec<(usize, usize)> {
    match (&graph[x].data.types, &graph[y].data.types) {
        (Some(left), Some(right)) => equal_columns(on, left, right, graph.analysis.catalog),
        _ => vec![],
    }
}

/// The key of y of which the conditions fix all columns: no row of x matches twice.
fn fixed_key<'g>(graph: &'g Graph, on: &[Expr], x: Id, y: Id) -> Option<&'g Key> {
    let fixed: BTreeSet<usize> = equations(graph, on, x, y).iter().map(|e| e.1).collect();
    let mut keys = graph[y].data.keys.iter();
    keys.find(|k| k.columns.is_subset(&fixed))
}

/// `x ⋉c y = π(x ⋈c y)` where a row of x matches one row of y at most.
pub fn as_join(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Semi(on) = &*term.op else {
        return vec![];
    };
    let (x, y) = (term.inputs[0], term.inputs[1]);
    let Some(types) = &graph[x].data.types else {
        return vec![];
    };
    if fixed_key(graph, on, x, y).is_none() {
        return vec![];
    }
    let columns = Expr::of_columns(types, 0).collect();
    vec![Recipe::map(columns, Recipe::join(on.clone(), [x, y]))]
}

/// The key that proves it.
pub fn join_relies_on(graph: &Graph, term: &Term) -> BTreeSet<Dependency> {
    let Op::Semi(on) = &*term.op else {
        return BTreeSet::new();
    };
    let key = fixed_key(graph, on, term.inputs[0], term.inputs[1]);
    key.map(|k| k.because.clone()).unwrap_or_default()
}

/// `x ⊳⊲(c ∧ p) y = x ⊳⊲c σp y` for p that reads y only; `x ⋉(c ∧ p) y = σp x ⋉c y` for p that
/// reads x only. Not one that may raise: it would meet rows that have nothing to match.
pub fn push(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Some(half) = half(term) else {
        return vec![];
    };
    let catalog = graph.analysis.catalog;
    let n = width(graph, half.x);
    let (mut keep, mut left, mut right) = (vec![], vec![], vec![]);
    for c in half.on {
        let columns = c.columns();
        let safe = error_free(c, catalog);
        if safe && !columns.is_empty() && columns.iter().all(|i| *i >= n) {
            right.push(c.remap(&mut |i| i - n));
        } else if safe && !half.anti && columns.iter().all(|i| *i < n) {
            left.push(c.clone());
        } else {
            keep.push(c.clone());
        }
    }
    if left.is_empty() && right.is_empty() {
        return vec![];
    }
    vec![half.of(keep, above(left, half.x), above(right, half.y))]
}

/// `σp (x ⊳⊲ y) = σp x ⊳⊲ y`, for what cannot raise: below, it meets more rows.
pub fn below(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Filter(p) = &*term.op else {
        return vec![];
    };
    let catalog = graph.analysis.catalog;
    terms(graph, term.inputs[0])
        .filter_map(|t| {
            let half = half(t)?;
            let (down, up) = split(p, |c| error_free(c, catalog))?;
            let x = Recipe::filter(conjunction(down), half.x);
            let inner = half.of(half.on.to_vec(), x, half.y);
            Some(above(up, inner))
        })
        .collect()
}

/// `x ⊳⊲c map f y = x ⊳⊲(c ∘ f) y`, so that the conditions read what is stored. They must not come
/// to depend on an expression that may raise: the change would be recomputed.
pub fn right_map(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Some(half) = half(term) else {
        return vec![];
    };
    let catalog = graph.analysis.catalog;
    let Some(left) = graph[half.x].data.types.clone() else {
        return vec![];
    };
    let n = left.len();
    let used: BTreeSet<usize> = half.on.iter().flat_map(|c| c.columns()).collect();
    terms(graph, half.y)
        .filter_map(|t| {
            let Op::Map(exprs) = &*t.op else { return None };
            let usable = |c: &usize| exprs.get(c - n).is_some_and(|e| error_free(e, catalog));
            if graph.find(t.inputs[0]) == graph.find(half.y)
                || !used.iter().filter(|c| **c >= n).all(usable)
            {
                return None;
            }
            let theirs = exprs.iter().map(|e| e.remap(&mut |c| c + n));
            let columns: Vec<Expr> = Expr::of_columns(&left, 0).chain(theirs).collect();
            let on = half.on.iter().map(|c| compose(c, &columns)).collect();
            Some(half.of(on, half.x, t.inputs[0]))
        })
        .collect()
}

/// `x ⊳⊲ distinct y = x ⊳⊲ y` where equal rows look alike, so that no condition tells them apart.
pub fn right_distinct(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Some(half) = half(term) else {
        return vec![];
    };
    let catalog = graph.analysis.catalog;
    let types = graph[half.y].data.types.as_deref().unwrap_or_default();
    if !types.iter().all(|t| catalog.image_equality(t.ty)) {
        return vec![];
    }
    terms(graph, half.y)
        .filter(|t| matches!(&*t.op, Op::Distinct) && graph[t.inputs[0]].data.nonnegative)
        .map(|t| half.of(half.on.to_vec(), half.x, t.inputs[0]))
        .collect()
}

/// The rows of `x` (an epoch of the left side) that rows of Delta(y) match, and maybe others.
fn moved(graph: &Graph, half: &Half<'_>, x: Recipe) -> Recipe {
    let pairs = equations(graph, half.on, half.x, half.y);
    if !pairs.is_empty() {
        let (left, right) = pairs.into_iter().unzip();
        return Recipe::probe(left, x, Recipe::touched(right, Recipe::delta(half.y)));
    }
    let n = width(graph, half.x);
    let used: BTreeSet<usize> = half.on.iter().flat_map(|c| c.columns()).collect();
    let read: Vec<usize> = used.range(n..).map(|c| c - n).collect();
    let touched = Recipe::touched(read.clone(), Recipe::delta(half.y));
    let place = |c: usize| read.iter().position(|r| *r + n == c).map_or(c, |at| at + n);
    let on = half.on.iter().map(|c| c.remap(&mut |c| place(c))).collect();
    Recipe::Apply(Op::Semi(on), vec![x, touched])
}

/// `Delta(x ⊳⊲ y) = Delta x ⊳⊲ Old y + (C ⊳⊲ New y) − (C ⊳⊲ Old y)`, C the rows of New x that
/// Delta(y) matches; or, with the epochs of both sides changed about, for an x of which Old is what
/// can be read. No other row of x gains or loses its match.
pub fn delta(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Delta = &*term.op else { return vec![] };
    terms(graph, term.inputs[0])
        .filter_map(|t| {
            let half = half(t)?;
            // Pairs of rows of different epochs meet; see `delta_recompute`.
            if !safe_on_ghosts(graph, &t.op) {
                return None;
            }
            let on = || half.on.to_vec();
            let facts = &graph[half.x].data;
            let old_first = facts.kept || facts.reads_state;
            let mut sum = vec![];
            if !unchanged(graph, half.x) {
                let y = match old_first {
                    true => Recipe::new(half.y),
                    false => Recipe::old(half.y),
                };
                sum.push(half.of(on(), Recipe::delta(half.x), y));
            }
            if !unchanged(graph, half.y) {
                let x = match old_first {
                    true => Recipe::old(half.x),
                    false => Recipe::new(half.x),
                };
                let moved = moved(graph, &half, x);
                sum.push(half.of(on(), moved.clone(), Recipe::new(half.y)));
                sum.push(Recipe::neg(half.of(on(), moved, Recipe::old(half.y))));
            }
            (!sum.is_empty()).then(|| Recipe::plus(sum))
        })
        .collect()
}

/// `Delta(x ⊳⊲ y) = (New x ⋉ K ⊳⊲ New y ⋉ K) − (Old x ⋉ K ⊳⊲ Old y ⋉ K)`, K what either change
/// touches of the columns that are equal: for conditions that may raise, which meet pairs of one
/// epoch only. Without equations K is everything.
pub fn delta_recompute(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Delta = &*term.op else { return vec![] };
    terms(graph, term.inputs[0])
        .filter_map(|t| {
            let half = half(t)?;
            if safe_on_ghosts(graph, &t.op) {
                return None;
            }
            let (left, right): (Vec<usize>, Vec<usize>) = equations(graph, half.on, half.x, half.y)
                .into_iter()
                .unzip();
            let keys = Recipe::plus([
                Recipe::touched(left.clone(), Recipe::delta(half.x)),
                Recipe::touched(right.clone(), Recipe::delta(half.y)),
            ]);
            let some = |x: Recipe, columns: &[usize]| {
                let some = match columns.is_empty() {
                    true => x,
                    false => Recipe::probe(columns.to_vec(), x, keys.clone()),
                };
                Recipe::consolidate(some)
            };
            let at = |epoch: fn(Id) -> Recipe| {
                let (x, y) = (some(epoch(half.x), &left), some(epoch(half.y), &right));
                half.of(half.on.to_vec(), x, y)
            };
            Some(Recipe::minus(at(Recipe::new), at(Recipe::old)))
        })
        .collect()
}

/// `(x ⊳⊲ y) ⋉ K = (x ⋉ K) ⊳⊲ y`
pub fn probe_below(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Probe(columns) = &*term.op else {
        return vec![];
    };
    let (x, keys) = (term.inputs[0], term.inputs[1]);
    if graph[x].data.small {
        return vec![];
    }
    terms(graph, x)
        .filter_map(|t| {
            let half = half(t)?;
            let inner = Recipe::probe(columns.clone(), half.x, keys);
            Some(half.of(half.on.to_vec(), inner, half.y))
        })
        .collect()
}

/// `d ⊳⊲c y = d ⊳⊲c (y ⋉ π(d))` along the equations of c, for a small d and a y that no index
/// reaches as it stands.
pub fn probe_right(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Some(half) = half(term) else {
        return vec![];
    };
    let y = &graph[half.y].data;
    if !graph[half.x].data.small || y.small || y.probeable {
        return vec![];
    }
    let (left, right): (Vec<usize>, Vec<usize>) = equations(graph, half.on, half.x, half.y)
        .into_iter()
        .unzip();
    if left.is_empty() {
        return vec![];
    }
    let keys = Recipe::touched(left, half.x);
    let y = Recipe::probe(right, half.y, keys);
    vec![half.of(half.on.to_vec(), half.x, y)]
}
