//! Which columns of each node are read, so that the others are not printed.

use spec::circuit::Circuit;
use spec::compiled::SourceUse;
use spec::op::{AggCall, Op};
use spec::window::{WindowCall, WindowStep};
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
///
/// A `Consolidate` adds up what is equal in the columns that are left of it, which is right for
/// readers that add up as well. `Touched` does not: a row that only changes another column is −1
/// and +1 of one key, and touches it. So what it reads through is consolidated whole, as far as
/// changes have been captured: no change of other columns is there.
pub fn demand(circuit: &Circuit, roots: &[NodeId], captured: &[SourceUse]) -> Vec<BTreeSet<usize>> {
    let there = available(circuit, captured);
    let mut demand = vec![BTreeSet::new(); circuit.len()];
    let rows = read_by_rows(circuit, roots);
    for root in roots {
        demand[root.index()].extend(0..circuit.schema(*root).len());
    }
    for id in circuit.reachable(roots).into_iter().rev() {
        let mut own = std::mem::take(&mut demand[id.index()]);
        let inputs = circuit.inputs(id);
        match circuit.op(id) {
            Op::Consolidate if rows[id.index()] => own.extend(&there[id.index()]),
            // Which rows are positive is told by their whole images.
            Op::Positive => own.extend(&there[id.index()]),
            Op::Closure(c) => own.extend(0..c.types.len()),
            _ => {}
        }
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
            Op::Repeat(times) => {
                need(0, &mut own.iter().copied().chain(times.columns()));
            }
            Op::FlatMap(f) => {
                let n = all(0).end;
                let on = f.outer.iter().flatten();
                let read = f.calls().chain(on).flat_map(Expr::columns);
                need(0, &mut own.iter().copied().chain(read).filter(|c| *c < n));
            }
            Op::Semi(conjuncts) | Op::Anti(conjuncts) => {
                let n = all(0).end;
                let read: BTreeSet<usize> = conjuncts.iter().flat_map(Expr::columns).collect();
                need(0, &mut own.iter().chain(read.range(..n)).copied());
                need(1, &mut read.range(n..).map(|c| c - n));
            }
            Op::Join(conjuncts) | Op::Left(conjuncts) => {
                let mut read = own.clone();
                read.extend(conjuncts.iter().flat_map(Expr::columns));
                let mut start = 0;
                for (i, input) in inputs.iter().enumerate() {
                    let end = start + circuit.schema(*input).len();
                    need(i, &mut read.range(start..end).map(|c| c - start));
                    start = end;
                }
            }
            Op::Plus | Op::Neg | Op::Consolidate | Op::Positive | Op::New | Op::Old | Op::Delta => {
                for i in 0..inputs.len() {
                    need(i, &mut own.iter().copied());
                }
            }
            Op::Distinct => need(0, &mut all(0)),
            // Ties are broken by the image of the whole row.
            Op::TopK(t) if t.is_open() => need(0, &mut all(0)),
            Op::TopK(t) => need(0, &mut own.iter().copied().chain(t.columns())),
            Op::Aggregate(a) => {
                let wanted = (0..a.aggs.len()).filter(|i| own.contains(&(a.keys.len() + i)));
                let read = of_calls(&a.keys, wanted.map(|i| &a.aggs[i]));
                need(0, &mut read.into_iter());
            }
            Op::Window(w) if w.is_open() => need(0, &mut all(0)),
            Op::Window(w) => {
                let n = circuit.schema(inputs[0]).len();
                let calls = own.iter().filter_map(|c| w.calls.get(c.checked_sub(n)?));
                let read = w.columns(calls);
                let mut columns = own.iter().copied().filter(|c| *c < n).chain(read);
                need(0, &mut columns);
            }
            Op::Closure(c) => {
                let widths = inputs.iter().skip(1).map(|i| circuit.schema(*i).len());
                let joined: Vec<_> = c.joined(widths).map(|(_, columns)| columns).collect();
                let n = joined.len();
                for (i, columns) in joined.into_iter().enumerate() {
                    need(1 + i, &mut c.read(columns).into_iter());
                }
                for i in [0, n + 1, n + 2] {
                    need(i, &mut own.iter().copied());
                }
            }
            Op::Probe(cols) => {
                need(0, &mut own.iter().chain(cols).copied());
                need(1, &mut all(1));
            }
            Op::Suffix(s) => {
                let read = s.keys.iter().copied().chain(s.by.expr.columns());
                need(0, &mut own.iter().copied().chain(read));
                need(1, &mut all(1));
            }
            Op::Last(l) => {
                let n = all(0).end;
                match l.total {
                    true => need(
                        0,
                        &mut own.iter().copied().filter(|c| *c < n).chain(l.columns()),
                    ),
                    false => need(0, &mut all(0)),
                }
                need(1, &mut all(1));
            }
            Op::WindowStep(step) => {
                let (w, n) = (&step.window, all(0).end);
                let calls = own.iter().filter_map(|c| w.calls.get(c.checked_sub(n)?));
                let mut read: BTreeSet<usize> = w.columns(calls).into_iter().collect();
                read.extend(own.iter().copied().filter(|c| *c < n));
                if w.is_open() {
                    read.extend(all(0));
                }
                need(0, &mut read.iter().copied());
                need(1, &mut all(1));
                need(2, &mut read.into_iter());
            }
            Op::Touched(cols) => need(0, &mut cols.iter().copied()),
            Op::Reserve(_) | Op::ReserveStep(_) | Op::Short(_) => {
                for i in 0..inputs.len() {
                    need(i, &mut all(i));
                }
            }
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

/// The nodes of which `Touched` reads each row, not their sum: rows of them that differ only in
/// columns that are not read do not cancel out. What is below a `Consolidate` is added up anyway.
pub fn read_by_rows(circuit: &Circuit, roots: &[NodeId]) -> Vec<bool> {
    let mut rows = vec![false; circuit.len()];
    for id in circuit.reachable(roots).into_iter().rev() {
        let adds_up = matches!(circuit.op(id), Op::Consolidate | Op::Positive);
        let passes = rows[id.index()] && !adds_up;
        if passes || matches!(circuit.op(id), Op::Touched(_)) {
            for input in circuit.inputs(id) {
                rows[input.index()] = true;
            }
        }
    }
    rows
}

/// For each node, the columns that can be told from what is captured of each source (of a source
/// that is not among them, all).
fn available(circuit: &Circuit, captured: &[SourceUse]) -> Vec<BTreeSet<usize>> {
    let mut there: Vec<BTreeSet<usize>> = Vec::with_capacity(circuit.len());
    for id in circuit.ids() {
        let inputs = circuit.inputs(id);
        let all = || (0..circuit.schema(id).len()).collect::<BTreeSet<usize>>();
        let first = || {
            inputs
                .first()
                .map_or_else(all, |i| there[i.index()].clone())
        };
        let own = match circuit.op(id) {
            Op::Delta => match inputs.first().map(|i| circuit.op(*i)) {
                Some(Op::Source(s)) => match captured.iter().find(|u| u.relation == s.relation) {
                    Some(used) => all()
                        .into_iter()
                        .filter(|i| used.columns.contains(&s.attnums[*i]))
                        .collect(),
                    None => all(),
                },
                _ => first(),
            },
            Op::Map(exprs) => {
                let input = first();
                let told = |e: &Expr| e.columns().iter().all(|c| input.contains(c));
                let told = exprs.iter().enumerate().filter(|(_, e)| told(e));
                told.map(|(i, _)| i).collect()
            }
            Op::Join(_) | Op::Left(_) => {
                let mut own = BTreeSet::new();
                let mut start = 0;
                for input in inputs {
                    own.extend(there[input.index()].iter().map(|c| start + c));
                    start += circuit.schema(*input).len();
                }
                own
            }
            // What is made can be told from all that the functions read, which is captured.
            Op::FlatMap(_) => {
                let n = inputs.first().map_or(0, |i| circuit.schema(*i).len());
                let mut own = first();
                own.extend(n..circuit.schema(id).len());
                own
            }
            Op::Aggregate(a) => {
                let input = first();
                let told = |call: &AggCall| of_calls(&[], [call]).iter().all(|c| input.contains(c));
                let n = a.keys.len();
                let calls = a.aggs.iter().enumerate().filter(|(_, call)| told(call));
                (0..n).chain(calls.map(|(i, _)| n + i)).collect()
            }
            Op::Window(w) | Op::WindowStep(WindowStep { window: w, .. }) if !w.is_open() => {
                let n = inputs.first().map_or(0, |i| circuit.schema(*i).len());
                let mut own = first();
                let told = |call: &WindowCall| w.columns([call]).iter().all(|c| own.contains(c));
                let calls = w.calls.iter().enumerate().filter(|(_, call)| told(call));
                let calls: Vec<usize> = calls.map(|(i, _)| n + i).collect();
                own.extend(calls);
                own
            }
            Op::TopK(t) if !t.is_open() => first(),
            Op::Plus => {
                let mut own = all();
                own.retain(|c| inputs.iter().all(|i| there[i.index()].contains(c)));
                own
            }
            Op::Filter(_)
            | Op::Repeat(_)
            | Op::Semi(_)
            | Op::Anti(_)
            | Op::Neg
            | Op::Consolidate
            | Op::Positive
            | Op::New
            | Op::Old
            | Op::Probe(_)
            | Op::Suffix(_) => first(),
            Op::Last(l) if l.total => {
                let mut own = first();
                own.extend(inputs.first().map_or(0, |i| circuit.schema(*i).len())..all().len());
                own
            }
            _ => all(),
        };
        there.push(own);
    }
    there
}

#[cfg(test)]
mod tests {
    use super::*;
    use spec::op::{State, StoredId};
    use spec::types::{ColType, SqlType, oids};

    #[test]
    fn what_is_touched_is_consolidated_whole() {
        let int = ColType {
            ty: SqlType::new(oids::INT4),
            nullable: true,
        };
        let mut circuit = Circuit::new();
        let mut add = |op, inputs| circuit.add(op, inputs, None).expect("fits its inputs");
        let state = State {
            id: StoredId(1),
            types: vec![int; 2],
        };
        let state = add(Op::State(state), vec![]);
        let once = add(Op::Consolidate, vec![state]);
        let positive = add(Op::Neg, vec![once]);
        let key = Expr::column(0, int.ty);
        let projected = add(Op::Map(vec![key]), vec![once]);
        let touched = add(Op::Touched(vec![0]), vec![positive]);
        let of = |root, node: NodeId| demand(&circuit, &[root], &[])[node.index()].len();
        assert_eq!(of(projected, once), 1);
        assert_eq!(of(touched, once), 2);
    }

    #[test]
    fn what_is_not_captured_is_not_asked_for() {
        let int = ColType {
            ty: SqlType::new(oids::INT4),
            nullable: true,
        };
        let relation = spec::Oid(20_000);
        let source = spec::op::Source {
            relation,
            attnums: vec![1, 2, 3],
            types: vec![int; 3],
        };
        let mut circuit = Circuit::new();
        let mut add = |op, inputs| circuit.add(op, inputs, None).expect("fits its inputs");
        let source = add(Op::Source(source), vec![]);
        let delta = add(Op::Delta, vec![source]);
        let once = add(Op::Consolidate, vec![delta]);
        let touched = add(Op::Touched(vec![0]), vec![once]);
        let columns = vec![1, 3];
        let captured = [SourceUse {
            relation,
            columns,
            append_only: false,
        }];
        let demand = demand(&circuit, &[touched], &captured);
        assert_eq!(demand[once.index()], BTreeSet::from([0, 2]));
        assert_eq!(demand[delta.index()], BTreeSet::from([0, 2]));
    }
}
