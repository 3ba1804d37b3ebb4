//! Which columns of each node are read, so that the others are not printed.

use spec::circuit::Circuit;
use spec::op::{AggCall, Op};
use spec::{Expr, NodeId};
use std::collections::BTreeSet;

/// Columns read by an aggregate: keys, and what its calls evaluate.
pub fn of_calls<'a>(keys: &[usize], calls: impl IntoIterator<Item = &'a AggCall>) -> Vec<usize> {
    let mut out = keys.to_vec();
    for call in calls {
        out.extend(call.args.iter().flat_map(Expr::columns));
        out.extend(call.order_by.iter().flat_map(|s| s.expr.columns()));
        out.extend(call.filter.iter().flat_map(Expr::columns));
    }
    out
}

/// For each node, the columns that some reader needs; of the roots, all.
pub fn demand(circuit: &Circuit, roots: &[NodeId]) -> Vec<BTreeSet<usize>> {
    let mut demand = vec![BTreeSet::new(); circuit.len()];
    for root in roots {
        demand[root.index()].extend(0..circuit.schema(*root).len());
    }
    for id in circuit.reachable(roots).into_iter().rev() {
        let own = std::mem::take(&mut demand[id.index()]);
        let inputs = circuit.inputs(id);
        let mut need = |input: usize, columns: &mut dyn Iterator<Item = usize>| {
            if let Some(input) = inputs.get(input) {
                demand[input.index()].extend(columns);
            }
        };
        let all = |input: usize| 0..inputs.get(input).map_or(0, |i| circuit.schema(*i).len());
        match circuit.op(id) {
            Op::Source(_) | Op::Constant(_) | Op::State(_) => {}
            Op::Map(exprs) => {
                let read = own.iter().filter_map(|&c| exprs.get(c));
                need(0, &mut read.flat_map(Expr::columns));
            }
            Op::Filter(predicate) => {
                need(0, &mut own.iter().copied().chain(predicate.columns()));
            }
            Op::Join(conjuncts) => {
                let mut read = own.clone();
                read.extend(conjuncts.iter().flat_map(Expr::columns));
                let mut start = 0;
                for (i, input) in inputs.iter().enumerate() {
                    let end = start + circuit.schema(*input).len();
                    need(i, &mut read.range(start..end).map(|c| c - start));
                    start = end;
                }
            }
            Op::Plus | Op::Neg | Op::Consolidate | Op::New | Op::Old | Op::Delta => {
                for i in 0..inputs.len() {
                    need(i, &mut own.iter().copied());
                }
            }
            Op::Distinct => need(0, &mut all(0)),
            Op::Aggregate(a) => {
                let wanted = (0..a.aggs.len()).filter(|i| own.contains(&(a.keys.len() + i)));
                let read = of_calls(&a.keys, wanted.map(|i| &a.aggs[i]));
                need(0, &mut read.into_iter());
            }
            Op::Probe(cols) => {
                need(0, &mut own.iter().chain(cols).copied());
                need(1, &mut all(1));
            }
            Op::Touched(cols) => need(0, &mut cols.iter().copied()),
            Op::AggregateStep(a) | Op::Stale(a) => {
                need(0, &mut all(0));
                need(1, &mut of_calls(&a.keys, &a.aggs).into_iter());
                need(2, &mut all(2));
            }
        }
        demand[id.index()] = own;
    }
    demand
}
