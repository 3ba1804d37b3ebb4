//! `top_k`: groups that are touched are looked up again; an order that keys make total leaves no ties
//! to break.

use super::epoch::{new_without_ghosts, safe_on_ghosts};
use super::filter::{above, decides_groups, split};
use super::probe::{parts, sink};
use super::shown::shown;
use super::terms;
use crate::rewrite::facts::key::Key;
use crate::rewrite::predicate::conjunction;
use crate::rewrite::term::{Graph, Recipe, Term};
use egg::Id;
use spec::Op;
use spec::compiled::Dependency;
use spec::op::TopK;
use std::collections::BTreeSet;

/// The columns by which no two rows of a group can be tied: what groups them, and what is sorted by
/// the order by which its type groups.
fn tells_apart(graph: &Graph, t: &TopK) -> BTreeSet<usize> {
    let catalog = graph.analysis.catalog;
    let sorted = t.order.iter().filter_map(|key| {
        let column = key.expr.as_column()?;
        let equality = catalog.equality(key.expr.ty().oid)?;
        [equality.lt, equality.gt]
            .contains(&key.operator)
            .then_some(column)
    });
    sorted.chain(t.keys.iter().copied()).collect()
}

/// A key of x that the order tells all rows apart by.
fn deciding<'g>(graph: &'g Graph, t: &TopK, x: Id) -> Option<&'g Key> {
    let known = tells_apart(graph, t);
    let mut keys = graph[x].data.keys.iter();
    keys.find(|key| key.columns.is_subset(&known))
}

/// `top(order) x = top(order, total) x` where a key of x is among what is sorted and grouped by.
pub fn total(graph: &Graph, term: &Term) -> Vec<Recipe> {
    match &*term.op {
        Op::TopK(t) if !t.total && deciding(graph, t, term.inputs[0]).is_some() => {
            let total = TopK {
                total: true,
                ..t.clone()
            };
            vec![Recipe::unary(Op::TopK(total), term.inputs[0])]
        }
        _ => vec![],
    }
}

/// The key that proves it.
pub fn total_relies_on(graph: &Graph, term: &Term) -> BTreeSet<Dependency> {
    match &*term.op {
        Op::TopK(t) => deciding(graph, t, term.inputs[0])
            .map(|key| key.because.clone())
            .unwrap_or_default(),
        _ => BTreeSet::new(),
    }
}

/// `σp (top(keys) x) = top(keys) (σp x)` for p that is one decision for a group.
pub fn filter_below(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Filter(p) = &*term.op else {
        return vec![];
    };
    let x = term.inputs[0];
    terms(graph, x)
        .filter_map(|t| {
            let Op::TopK(top) = &*t.op else { return None };
            let (down, up) = split(p, |c| {
                let columns = c.columns();
                !columns.is_empty()
                    && columns.iter().all(|i| top.keys.contains(i))
                    && decides_groups(graph, x, c)
            })?;
            let inner = Recipe::filter(conjunction(down), t.inputs[0]);
            Some(above(up, Recipe::unary(t.op.as_ref().clone(), inner)))
        })
        .collect()
}

/// The groups of `New(x)` whose keys are in `keys`. Of an order of all rows, it is the result that is
/// probed: a probe without columns tells nothing of x.
fn groups(graph: &Graph, top: &TopK, x: Id, keys: Recipe) -> Recipe {
    let op = Op::TopK(top.clone());
    let new = match safe_on_ghosts(graph, &op) {
        true => Recipe::new(x),
        false => new_without_ghosts(graph, x),
    };
    match top.keys.is_empty() {
        true => Recipe::probe(vec![], Recipe::unary(op, new), keys),
        false => Recipe::unary(op, Recipe::probe(top.keys.clone(), new, keys)),
    }
}

/// `Delta(f top x) = f top(New x ⋉ K) − (Old(f top x) ⋉ K)`, K the touched keys (see `shown.rs`).
pub fn delta(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Delta = &*term.op else { return vec![] };
    let x = term.inputs[0];
    if !graph[x].data.kept {
        return vec![];
    }
    let recomputed = shown(graph, x, |t| match &*t.op {
        Op::TopK(top) => Some(top.keys.clone()),
        _ => None,
    });
    let recomputed = recomputed.into_iter().filter_map(|shown| {
        let Op::TopK(top) = &*shown.term.op else {
            return None;
        };
        let y = shown.term.inputs[0];
        let touched = Recipe::touched(top.keys.clone(), Recipe::delta(y));
        let new = groups(graph, top, y, touched.clone());
        Some(shown.delta(x, new, touched))
    });
    recomputed.collect()
}

/// `top(keys) x ⋉ K = top(keys) (x ⋉ K)` for columns that group. Not without any: all or nothing of x
/// could no longer be read in the order of an index.
pub fn probe_below(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Some((columns, x, keys)) = parts(graph, term) else {
        return vec![];
    };
    terms(graph, x)
        .filter_map(|t| {
            let Op::TopK(top) = &*t.op else { return None };
            if columns.is_empty() {
                return None;
            }
            let sink = sink(columns, keys, |c| top.keys.contains(&c).then_some(c))?;
            let inner = Recipe::unary(t.op.as_ref().clone(), sink.probe(t.inputs[0]));
            Some(sink.finish(columns, keys, inner))
        })
        .collect()
}
