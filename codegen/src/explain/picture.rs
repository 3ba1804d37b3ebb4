//! The circuit of the deltas as a drawing: what the stored collections are made of.

use super::Explanation;
use super::circuit::Notation;
use crate::drawing::{Drawing, Node, Tone};
use crate::error::Result;
use spec::NodeId;

pub fn of(x: &Explanation<'_>) -> Result<Drawing> {
    let circuit = &x.plan.circuit;
    let notation = Notation::new(circuit, &x.catalog, &x.stored);
    let roots: Vec<NodeId> = x.plan.deltas.iter().map(|(_, node)| *node).collect();
    let reachable = circuit.reachable(&roots);
    let mut nodes = vec![];
    for &id in &reachable {
        let (title, detail) = notation.node(id)?;
        let stored = x.plan.deltas.iter().filter(|(_, node)| *node == id);
        let targets = stored.map(|(stored, _)| Ok(x.names.table(*stored)?.to_string()));
        let targets = targets.collect::<Result<Vec<String>>>()?;
        let target = (!targets.is_empty()).then(|| targets.join(", "));
        let inputs = circuit.inputs(id).iter();
        nodes.push(Node {
            id: format!("n{}", id.0),
            title: title.to_owned(),
            detail,
            tone: match target {
                Some(_) => Tone::Good,
                None => Tone::Plain,
            },
            is_stored: false,
            target,
            inputs: inputs
                .filter_map(|i| reachable.iter().position(|r| r == i))
                .collect(),
        });
    }
    Ok(Drawing {
        name: "deltas",
        nodes,
    })
}
