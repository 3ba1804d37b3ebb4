//! The circuit of the deltas for Graphviz.

use super::Explanation;
use super::circuit::Notation;
use crate::error::Result;
use spec::NodeId;

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

pub fn render(x: &Explanation<'_>) -> Result<String> {
    let notation = Notation::new(&x.plan.circuit, &x.catalog, &x.stored);
    let roots: Vec<NodeId> = x.plan.deltas.iter().map(|(_, node)| *node).collect();
    let mut out = String::from(
        "digraph deltas {\n  rankdir = BT;\n  node [shape = box, fontname = \"monospace\"];\n",
    );
    for id in x.plan.circuit.reachable(&roots) {
        let (head, detail) = notation.node(id)?;
        let label = match detail.is_empty() {
            true => head.to_owned(),
            false => format!("{head}\n{detail}"),
        };
        out += &format!(
            "  n{} [label = {}];\n",
            id.0,
            quoted(&label).replace('\n', "\\n")
        );
        for input in x.plan.circuit.inputs(id) {
            out += &format!("  n{} -> n{};\n", input.0, id.0);
        }
    }
    for (id, node) in &x.plan.deltas {
        let table = x.names.table(*id)?;
        let label = quoted(&table.to_string());
        out += &format!("  s{} [label = {label}, shape = cylinder];\n", id.0);
        out += &format!("  n{} -> s{};\n", node.0, id.0);
    }
    Ok(out + "}\n")
}
