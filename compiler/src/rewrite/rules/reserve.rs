//! `reserve`: the first rows of all, from those that were kept and the change.
//!
//! ```text
//! Delta(reserve x) = Step(Old(reserve x), Delta x, top(most) (New x) ⋉ Short(Old(reserve x), Delta x))
//! ```
//!
//! `top(n) x = top(n) (reserve x)` is no rule but a pass, [`keep_reserves`]: what is kept is decided
//! once.

use super::terms;
use super::whole_group::groups;
use crate::rewrite::rules::epoch::safe_on_ghosts;
use crate::rewrite::term::{Graph, Recipe, Term};
use spec::circuit::IllTyped;
use spec::op::Reserve;
use spec::{Circuit, NodeId, Op};
use std::collections::HashMap;

pub fn delta(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Delta = &*term.op else { return vec![] };
    let x = term.inputs[0];
    if !graph[x].data.kept {
        return vec![];
    }
    terms(graph, x)
        .filter_map(|t| {
            let Op::Reserve(r) = &*t.op else { return None };
            let y = t.inputs[0];
            let first = Op::TopK(r.filled());
            let delta = match safe_on_ghosts(graph, &first) {
                true => Recipe::delta(y),
                false => Recipe::consolidate(Recipe::delta(y)),
            };
            let mut inputs = vec![Recipe::old(x), delta];
            let short = Recipe::Apply(Op::Short(r.clone()), inputs.clone());
            inputs.push(groups(graph, &first, &[], y, short));
            Some(Recipe::Apply(Op::ReserveStep(r.clone()), inputs))
        })
        .collect()
}

/// Of more first rows no reserve is kept: each refresh would read all of it.
const MANY: u64 = 10_000;

/// How many rows are kept beyond the first ones: as many again, and some more.
pub fn spare(least: u64) -> u64 {
    least + 32
}

/// `top(m, n) x = top(m, n) (reserve(m + n) x)` for the first rows of all rows.
pub fn keep_reserves(
    circuit: &Circuit,
    root: NodeId,
    spare: impl Fn(u64) -> u64,
) -> Result<(Circuit, NodeId), IllTyped> {
    let least_of = |id: &NodeId| match circuit.op(*id) {
        Op::TopK(t) if t.keys.is_empty() => {
            let least = t.limit.map(|n| t.offset.saturating_add(n));
            Some(t).zip(least.filter(|n| (1..=MANY).contains(n)))
        }
        _ => None,
    };
    let nodes = circuit.reachable(&[root]);
    if nodes.iter().all(|id| least_of(id).is_none()) {
        return Ok((circuit.clone(), root));
    }
    let mut out = Circuit::new();
    let mut done: HashMap<NodeId, NodeId> = HashMap::new();
    for id in nodes {
        let mut inputs: Vec<NodeId> = circuit.inputs(id).iter().map(|i| done[i]).collect();
        let span = circuit.span(id);
        if let Some((t, least)) = least_of(&id) {
            let reserve = Reserve {
                order: t.order.clone(),
                least,
                most: least + spare(least),
                with_ties: t.with_ties,
                total: t.total,
            };
            inputs = vec![out.add(Op::Reserve(reserve), inputs, span)?];
        }
        done.insert(id, out.add(circuit.op(id).clone(), inputs, span)?);
    }
    Ok((out, done[&root]))
}
