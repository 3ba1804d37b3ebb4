//! Which nodes of a plan lose no row where some sources only gain them: nothing that is to be taken
//! away has to be looked for then, neither groups that have become empty nor rows that are gone.

use spec::Oid;
use spec::circuit::Circuit;
use spec::compiled::SourceUse;
use spec::op::Op;

/// Of each node: no weight of it is ever negative.
pub fn growing(circuit: &Circuit, sources: &[SourceUse]) -> Vec<bool> {
    let grows = |relation: Oid| {
        let of = sources.iter().find(|s| s.relation == relation);
        of.is_some_and(|s| s.append_only)
    };
    let mut out: Vec<bool> = Vec::with_capacity(circuit.len());
    for id in circuit.ids() {
        let inputs = circuit.inputs(id);
        let of = |i: usize| inputs.get(i).is_some_and(|n| out[n.index()]);
        out.push(match circuit.op(id) {
            Op::Delta => inputs.first().is_some_and(|n| match circuit.op(*n) {
                Op::Source(s) => grows(s.relation),
                _ => false,
            }),
            Op::Neg | Op::AggregateStep(_) | Op::ReserveStep(_) => false,
            // What they say of a change is another matter: its rows, or its keys.
            Op::Semi(_) | Op::Anti(_) | Op::Probe(_) => of(0),
            Op::Touched(_) | Op::Stale(_) | Op::Short(_) | Op::Positive => true,
            _ => (0..inputs.len()).all(of),
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use spec::expr::Expr;
    use spec::op::Source;
    use spec::types::{ColType, SqlType, oids};

    #[test]
    fn what_is_subtracted_does_not_grow() {
        let int = ColType {
            ty: SqlType::new(oids::INT4),
            nullable: true,
        };
        let [grown, other] = [Oid(20_000), Oid(20_001)];
        let mut circuit = Circuit::new();
        let mut add = |op, inputs| circuit.add(op, inputs, None).expect("fits its inputs");
        let mut deltas = vec![];
        for relation in [grown, other] {
            let source = Source {
                relation,
                attnums: vec![1],
                types: vec![int],
            };
            let source = add(Op::Source(source), vec![]);
            deltas.push(add(Op::Delta, vec![source]));
        }
        let shown = add(Op::Map(vec![Expr::column(0, int.ty)]), vec![deltas[0]]);
        let less = add(Op::Neg, vec![shown]);
        let both = add(Op::Plus, vec![shown, deltas[1]]);
        let sources = [grown, other].map(|relation| SourceUse {
            relation,
            columns: vec![1],
            append_only: relation == grown,
        });
        let growing = growing(&circuit, &sources);
        let of = [deltas[0], shown, deltas[1], less, both].map(|n| growing[n.index()]);
        assert_eq!(of, [true, true, false, false, false]);
    }
}
