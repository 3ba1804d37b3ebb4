//! Directed graphs as drawings: SVG without any program but this one, and text for Graphviz and
//! Mermaid.
//!
//! Layers by the longest way from a leaf; within a layer, nodes stand in the order of the mean
//! position of their inputs (one sweep of the barycentre heuristic of Sugiyama et al., 1981). An
//! edge that closes a cycle is dashed, and counts for neither.

use std::collections::BTreeMap;

const CHAR: f64 = 6.7;
const BOX: f64 = 40.0;
const GAP_X: f64 = 24.0;
const GAP_Y: f64 = 36.0;
const MAX_CHARS: usize = 48;

/// What a node looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    #[default]
    Plain,
    Good,
    Idle,
    Bad,
}

impl Tone {
    fn fill(self) -> &'static str {
        match self {
            Tone::Plain => "#f6f6f6",
            Tone::Good => "#dff0d8",
            Tone::Idle => "#fcf8e3",
            Tone::Bad => "#f2dede",
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Node {
    /// A letter, and letters and digits.
    pub id: String,
    pub title: String,
    /// A second line; may be empty.
    pub detail: String,
    pub tone: Tone,
    /// It holds rows of its own.
    pub is_stored: bool,
    /// Where its rows go, if that is no node.
    pub target: Option<String>,
    /// Places of the nodes that it reads. Those at its own place or later close a cycle.
    pub inputs: Vec<usize>,
}

/// Nodes after those that they read, as far as there is such an order.
#[derive(Clone, Debug, Default)]
pub struct Drawing {
    pub name: &'static str,
    pub nodes: Vec<Node>,
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
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

struct Placed {
    x: f64,
    y: f64,
    width: f64,
}

impl Drawing {
    /// For Graphviz.
    pub fn dot(&self) -> String {
        let mut out = format!(
            "digraph {} {{\n  rankdir = BT;\n  node [shape = box, fontname = \"monospace\"];\n",
            self.name
        );
        for (at, node) in self.nodes.iter().enumerate() {
            let label = match node.detail.is_empty() {
                true => node.title.clone(),
                false => format!("{}\n{}", node.title, node.detail),
            };
            let mut attributes = format!("label = {}", quoted(&label).replace('\n', "\\n"));
            if node.is_stored {
                attributes += ", shape = cylinder";
            }
            if node.tone != Tone::Plain {
                attributes += &format!(", style = filled, fillcolor = \"{}\"", node.tone.fill());
            }
            out += &format!("  {} [{attributes}];\n", node.id);
            for input in &node.inputs {
                let style = if *input < at { "" } else { " [style = dashed]" };
                out += &format!("  {} -> {}{style};\n", self.nodes[*input].id, node.id);
            }
        }
        for node in &self.nodes {
            if let Some(target) = &node.target {
                let (id, label) = (&node.id, quoted(target));
                out += &format!("  {id}_target [label = {label}, shape = cylinder];\n");
                out += &format!("  {id} -> {id}_target;\n");
            }
        }
        out + "}\n"
    }

    /// For Mermaid, as Markdown renderers draw it.
    pub fn mermaid(&self) -> String {
        let text = |text: &str| -> String {
            let letter = |c: char| match c {
                '#' | '&' | '<' | '>' | '"' | '`' => format!("#{};", u32::from(c)),
                c => c.to_string(),
            };
            text.chars().map(letter).collect()
        };
        let mut out = String::from("flowchart BT\n");
        for node in &self.nodes {
            let mut label = text(&node.title);
            if !node.detail.is_empty() {
                label += &format!("<br/>{}", text(&node.detail));
            }
            let (open, close) = if node.is_stored {
                ("[(", ")]")
            } else {
                ("[", "]")
            };
            out += &format!("    {}{open}\"{label}\"{close}\n", node.id);
        }
        for (at, node) in self.nodes.iter().enumerate() {
            for input in &node.inputs {
                let arrow = if *input < at { "-->" } else { "-.->" };
                out += &format!("    {} {arrow} {}\n", self.nodes[*input].id, node.id);
            }
        }
        for node in self.nodes.iter().filter(|n| n.tone != Tone::Plain) {
            out += &format!("    style {} fill:{}\n", node.id, node.tone.fill());
        }
        out
    }

    fn layers(&self) -> Vec<Vec<usize>> {
        let mut layer: Vec<usize> = vec![];
        let mut layers: Vec<Vec<usize>> = vec![];
        for (at, node) in self.nodes.iter().enumerate() {
            let below = node.inputs.iter().filter_map(|i| layer.get(*i));
            let own = below.max().map_or(0, |l| l + 1);
            layer.push(own);
            layers.resize(layers.len().max(own + 1), vec![]);
            layers[own].push(at);
        }
        layers
    }

    /// Where the nodes stand, and the size of the whole.
    fn places(&self) -> (BTreeMap<usize, Placed>, f64, f64) {
        let mut placed: BTreeMap<usize, Placed> = BTreeMap::new();
        let (mut width, mut height) = (GAP_X, GAP_Y);
        for (depth, layer) in self.layers().iter().enumerate() {
            let centre = |at: usize| {
                let inputs = self.nodes[at].inputs.iter().filter_map(|i| placed.get(i));
                let (sum, n) = inputs.fold((0.0, 0), |(s, n), p| (s + p.x + p.width / 2.0, n + 1));
                if n == 0 { 0.0 } else { sum / f64::from(n) }
            };
            let mut ordered: Vec<(f64, usize)> =
                layer.iter().map(|at| (centre(*at), *at)).collect();
            ordered.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let y = GAP_Y / 2.0 + depth as f64 * (BOX + GAP_Y);
            let mut left = GAP_X / 2.0;
            for (wish, at) in ordered {
                let node = &self.nodes[at];
                let lines = [node.title.as_str(), node.detail.as_str()];
                let chars = lines
                    .iter()
                    .map(|l| l.chars().count().min(MAX_CHARS))
                    .max()
                    .unwrap_or(0);
                let own = CHAR * chars as f64 + 16.0;
                left = left.max(wish - own / 2.0);
                placed.insert(
                    at,
                    Placed {
                        x: left,
                        y,
                        width: own,
                    },
                );
                left += own + GAP_X;
            }
            width = width.max(left);
            height = y + BOX + GAP_Y;
        }
        (placed, width, height)
    }

    /// A picture for a browser.
    pub fn svg(&self) -> String {
        let (placed, width, height) = self.places();
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             width=\"{width:.0}\" height=\"{height:.0}\" font-family=\"monospace\" font-size=\"11\">\n\
             <defs><marker id=\"a\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" \
             markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n"
        );
        for (at, to) in &placed {
            for input in &self.nodes[*at].inputs {
                let Some(from) = placed.get(input) else {
                    continue;
                };
                let dashed = match input < at {
                    true => "",
                    false => " stroke-dasharray=\"4 3\"",
                };
                out += &format!(
                    "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"#555\"{dashed} \
                     marker-end=\"url(#a)\"/>\n",
                    from.x + from.width / 2.0,
                    from.y + BOX,
                    to.x + to.width / 2.0,
                    to.y
                );
            }
        }
        for (at, p) in &placed {
            let node = &self.nodes[*at];
            out += &format!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{BOX}\" rx=\"4\" \
                 fill=\"{}\" stroke=\"#333\"/>\n",
                p.x,
                p.y,
                p.width,
                node.tone.fill()
            );
            for (i, line) in [&node.title, &node.detail].into_iter().enumerate() {
                out += &format!(
                    "<text x=\"{:.1}\" y=\"{:.1}\"{}>{}</text>\n",
                    p.x + 8.0,
                    p.y + 16.0 + 15.0 * i as f64,
                    if i == 0 { " font-weight=\"bold\"" } else { "" },
                    escaped(&cut(line))
                );
            }
            if let Some(target) = &node.target {
                out += &format!(
                    "<text x=\"{:.1}\" y=\"{:.1}\">→ {}</text>\n",
                    p.x,
                    p.y + BOX + 14.0,
                    escaped(target)
                );
            }
        }
        out + "</svg>\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str, title: &str, inputs: &[usize]) -> Node {
        Node {
            id: id.into(),
            title: title.into(),
            inputs: inputs.to_vec(),
            ..Node::default()
        }
    }

    fn drawing() -> Drawing {
        let mut nodes = vec![
            node("a", "one \"<&\" two", &[]),
            node("b", "b", &[0, 2]),
            node("c", "c", &[1]),
        ];
        nodes[0].is_stored = true;
        nodes[1].tone = Tone::Bad;
        Drawing {
            name: "test",
            nodes,
        }
    }

    #[test]
    fn text_for_graphviz() {
        assert_eq!(
            drawing().dot(),
            "digraph test {\n  rankdir = BT;\n  node [shape = box, fontname = \"monospace\"];\n  \
             a [label = \"one \\\"<&\\\" two\", shape = cylinder];\n  \
             b [label = \"b\", style = filled, fillcolor = \"#f2dede\"];\n  a -> b;\n  \
             c -> b [style = dashed];\n  c [label = \"c\"];\n  b -> c;\n}\n"
        );
    }

    #[test]
    fn text_for_mermaid() {
        assert_eq!(
            drawing().mermaid(),
            "flowchart BT\n    a[(\"one #34;#60;#38;#34; two\")]\n    b[\"b\"]\n    c[\"c\"]\n    \
             a --> b\n    c -.-> b\n    b --> c\n    style b fill:#f2dede\n"
        );
    }

    #[test]
    fn a_picture_has_every_node_and_edge() {
        let svg = drawing().svg();
        for (what, times) in [("<rect", 3), ("<line", 3), ("stroke-dasharray", 1)] {
            assert_eq!(svg.matches(what).count(), times, "{what} in {svg}");
        }
        assert!(svg.contains("one &quot;&lt;&amp;&quot; two"), "{svg}");
        // Layers do not overlap.
        let (placed, ..) = drawing().places();
        assert!(placed[&0].y < placed[&1].y && placed[&1].y < placed[&2].y);
        assert!(Drawing::default().svg().ends_with("</svg>\n"));
    }
}
