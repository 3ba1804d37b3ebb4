//! What is asked of every changed row before it matters: conditions on a source that all readers of
//! its delta have.
//!
//! ```text
//! asked(x) = ⋂ over readers r of x   of the conditions of r on x, and asked(r) as far as it is
//!                                    about columns of x
//! ```
//!
//! A row on which one of them is not true leads to nothing, so that a batch may leave it out. A
//! condition that may raise an error is not among them: it would be asked of rows that others have
//! sorted out before.

use super::predicate::{conjunction, conjuncts, error_free};
use crate::expr_facts::max_volatility;
use spec::catalog::{Catalog, Volatility};
use spec::expr::ExprKind;
use spec::types::{SqlType, oids};
use spec::{Circuit, Expr, NodeId, Oid, Op};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// The conditions on each changed source, over its columns; none for sources without any.
pub fn of_deltas(
    circuit: &Circuit,
    roots: &[NodeId],
    catalog: &Catalog,
) -> BTreeMap<Oid, Vec<Expr>> {
    // Of nodes that nobody has been seen to read there is no entry: all is asked, then.
    let mut asked: HashMap<NodeId, Vec<Expr>> = HashMap::new();
    asked.extend(roots.iter().map(|root| (*root, vec![])));
    let mut out: BTreeMap<Oid, Vec<Expr>> = BTreeMap::new();
    for id in circuit.reachable(roots).into_iter().rev() {
        let own = asked.get(&id).cloned().unwrap_or_default();
        let inputs = circuit.inputs(id);
        if let (Op::Delta, [input]) = (circuit.op(id), inputs)
            && let Op::Source(s) = circuit.op(*input)
        {
            let sure = |c: &Expr| {
                !c.columns().is_empty()
                    && error_free(c, catalog)
                    && max_volatility(c, catalog) == Volatility::Immutable
            };
            let own: Vec<Expr> = own.into_iter().filter(sure).collect();
            out.entry(s.relation)
                .and_modify(|known| known.retain(|c| own.contains(c)))
                .or_insert(own);
            continue;
        }
        for (i, input) in inputs.iter().enumerate() {
            let of_reader = on_input(circuit, id, &own, i);
            asked
                .entry(*input)
                .and_modify(|known| known.retain(|c| of_reader.contains(c)))
                .or_insert(of_reader);
        }
    }
    out.retain(|_, conditions| !conditions.is_empty());
    out
}

/// What a node of which `own` is asked asks of its i-th input.
fn on_input(circuit: &Circuit, id: NodeId, own: &[Expr], i: usize) -> Vec<Expr> {
    let inputs = circuit.inputs(id);
    let width = |i: usize| circuit.schema(inputs[i]).len();
    match (circuit.op(id), i) {
        (Op::Filter(p), _) => own.iter().cloned().chain(conjuncts(p)).collect(),
        (Op::Map(exprs), _) => own.iter().filter_map(|c| below_map(c, exprs)).collect(),
        (Op::Neg | Op::Plus | Op::Consolidate | Op::Positive | Op::Repeat(_), _)
        | (Op::Probe(_) | Op::Anti(_), 0) => own.to_vec(),
        (Op::FlatMap(_), _) => local(own, 0..width(0)),
        (Op::Join(on), _) => {
            let start: usize = (0..i).map(width).sum();
            let all: Vec<Expr> = own.iter().chain(on).cloned().collect();
            local(&all, start..start + width(i))
        }
        (Op::Semi(on), 0) => {
            let all: Vec<Expr> = own.iter().chain(on).cloned().collect();
            local(&all, 0..width(0))
        }
        (Op::Semi(on) | Op::Anti(on), _) => local(on, width(0)..width(0) + width(1)),
        _ => vec![],
    }
}

/// A condition on the columns of a map, of its input, if these are columns of it.
fn below_map(c: &Expr, exprs: &[Expr]) -> Option<Expr> {
    let place = |column: usize| exprs.get(column)?.as_column();
    let known = c
        .columns()
        .into_iter()
        .all(|column| place(column).is_some());
    known.then(|| c.remap(&mut |column| place(column).unwrap_or(column)))
}

/// Those of the conditions that are about these columns alone, counted from the first of them; and
/// what alternatives say of them: `(a AND x) OR (b AND y)` says `a OR b`.
fn local(conditions: &[Expr], columns: Range<usize>) -> Vec<Expr> {
    let is_local = |c: &Expr| c.columns().iter().all(|column| columns.contains(column));
    let mut out = vec![];
    for c in conditions {
        let said = match c.kind() {
            _ if is_local(c) => Some(c.clone()),
            ExprKind::Or(alternatives) => alternatives
                .iter()
                .map(|a| {
                    let parts: Vec<Expr> = conjuncts(a).into_iter().filter(is_local).collect();
                    (!parts.is_empty()).then(|| conjunction(parts))
                })
                .collect::<Option<Vec<Expr>>>()
                .map(|parts| Expr::new(ExprKind::Or(parts), SqlType::new(oids::BOOL))),
            _ => None,
        };
        out.extend(said.map(|c| c.remap(&mut |column| column - columns.start)));
    }
    out
}
