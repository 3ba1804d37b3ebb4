//! The circuit of the deltas as a drawing, without any program but this one.
//!
//! Layers by the longest way from a leaf; within a layer, nodes stand in the order of the mean
//! position of their inputs (one sweep of the barycentre heuristic of Sugiyama et al., 1981).

use super::Explanation;
use super::circuit::Notation;
use crate::error::Result;
use spec::NodeId;
use std::collections::BTreeMap;

const CHAR: f64 = 6.7;
const BOX: f64 = 40.0;
const GAP_X: f64 = 24.0;
const GAP_Y: f64 = 36.0;
const MAX_CHARS: usize = 48;

struct Placed {
    x: f64,
    y: f64,
    width: f64,
    lines: [String; 2],
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn cut(text: &str) -> String {
    if text.chars().count() <= MAX_CHARS {
        return text.to_owned();
    }
    let kept: String = text.chars().take(MAX_CHARS - 1).collect();
    format!("{kept}…")
}

pub fn render(x: &Explanation<'_>) -> Result<String> {
    let circuit = &x.plan.circuit;
    let notation = Notation::new(circuit, &x.catalog, &x.stored);
    let roots: Vec<NodeId> = x.plan.deltas.iter().map(|(_, node)| *node).collect();
    let nodes = circuit.reachable(&roots);
    let mut layer: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut layers: Vec<Vec<NodeId>> = vec![];
    for &id in &nodes {
        let inputs = circuit.inputs(id).iter();
        let own = inputs
            .filter_map(|i| layer.get(i))
            .max()
            .map_or(0, |l| l + 1);
        layer.insert(id, own);
        layers.resize(layers.len().max(own + 1), vec![]);
        layers[own].push(id);
    }
    let mut placed: BTreeMap<NodeId, Placed> = BTreeMap::new();
    let (mut width, mut height) = (0.0f64, 0.0f64);
    for (depth, ids) in layers.iter().enumerate() {
        let centre = |id: &NodeId| {
            let inputs = circuit.inputs(*id).iter().filter_map(|i| placed.get(i));
            let (sum, n) = inputs.fold((0.0, 0), |(s, n), p| (s + p.x + p.width / 2.0, n + 1));
            if n == 0 { 0.0 } else { sum / f64::from(n) }
        };
        let mut ordered: Vec<(f64, NodeId)> = ids.iter().map(|id| (centre(id), *id)).collect();
        ordered.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let y = GAP_Y / 2.0 + depth as f64 * (BOX + GAP_Y);
        let mut left = GAP_X / 2.0;
        for (wish, id) in ordered {
            let (head, detail) = notation.node(id)?;
            let lines = [head.to_owned(), cut(&detail)];
            let chars = lines.iter().map(|l| l.chars().count()).max().unwrap_or(0);
            let own = CHAR * chars as f64 + 16.0;
            left = left.max(wish - own / 2.0);
            placed.insert(
                id,
                Placed {
                    x: left,
                    y,
                    width: own,
                    lines,
                },
            );
            left += own + GAP_X;
        }
        width = width.max(left);
        height = y + BOX + GAP_Y;
    }
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         width=\"{width:.0}\" height=\"{height:.0}\" font-family=\"monospace\" font-size=\"11\">\n\
         <defs><marker id=\"a\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" \
         markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n"
    );
    for &id in &nodes {
        let Some(to) = placed.get(&id) else { continue };
        for from in circuit.inputs(id).iter().filter_map(|i| placed.get(i)) {
            out += &format!(
                "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"#555\" \
                 marker-end=\"url(#a)\"/>\n",
                from.x + from.width / 2.0,
                from.y + BOX,
                to.x + to.width / 2.0,
                to.y
            );
        }
    }
    for (id, p) in &placed {
        let root = x.plan.deltas.iter().find(|(_, node)| node == id);
        let fill = if root.is_some() { "#dff0d8" } else { "#f6f6f6" };
        out += &format!(
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{BOX}\" rx=\"4\" \
             fill=\"{fill}\" stroke=\"#333\"/>\n",
            p.x, p.y, p.width
        );
        for (i, line) in p.lines.iter().enumerate() {
            out += &format!(
                "<text x=\"{:.1}\" y=\"{:.1}\"{}>{}</text>\n",
                p.x + 8.0,
                p.y + 16.0 + 15.0 * i as f64,
                if i == 0 { " font-weight=\"bold\"" } else { "" },
                escaped(line)
            );
        }
        if let Some((stored, _)) = root {
            let table = x.names.table(*stored)?.to_string();
            out += &format!(
                "<text x=\"{:.1}\" y=\"{:.1}\">→ {}</text>\n",
                p.x,
                p.y + BOX + 14.0,
                escaped(&table)
            );
        }
    }
    Ok(out + "</svg>\n")
}
