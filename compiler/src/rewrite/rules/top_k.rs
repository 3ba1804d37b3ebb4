//! `top_k`: an order that keys make total leaves no ties to break. (Its delta: see `whole_group.rs`.)

use crate::rewrite::facts::key::Key;
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
