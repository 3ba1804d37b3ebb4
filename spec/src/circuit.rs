//! Hash-consed DAGs of operators.

use crate::op::Op;
use crate::reason::Span;
use crate::types::ColType;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

impl NodeId {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// An operator applied to nodes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Node {
    pub op: Op,
    pub inputs: Vec<NodeId>,
}

/// Inputs come before the nodes that read them; equal nodes are one node.
#[derive(Clone, Debug, Default)]
pub struct Circuit {
    nodes: Vec<Node>,
    schemas: Vec<Arc<[ColType]>>,
    spans: Vec<Option<Span>>,
    memo: HashMap<Node, NodeId>,
}

/// An operator that does not fit its inputs: a bug of the pass that built it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("operator {op} does not fit its inputs")]
pub struct IllTyped {
    pub op: String,
}

impl Circuit {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a node, or finds the equal one. The span of the first comer stays.
    pub fn add(
        &mut self,
        op: Op,
        inputs: Vec<NodeId>,
        span: Option<Span>,
    ) -> Result<NodeId, IllTyped> {
        let node = Node { op, inputs };
        if let Some(&id) = self.memo.get(&node) {
            return Ok(id);
        }
        let types: Vec<&[ColType]> = node.inputs.iter().map(|i| self.schema(*i)).collect();
        let Some(schema) = node.op.schema(&types) else {
            return Err(IllTyped {
                op: format!("{:?}", node.op),
            });
        };
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(node.clone());
        self.schemas.push(schema);
        self.spans.push(span);
        self.memo.insert(node, id);
        Ok(id)
    }

    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    pub fn op(&self, id: NodeId) -> &Op {
        &self.node(id).op
    }

    pub fn inputs(&self, id: NodeId) -> &[NodeId] {
        &self.node(id).inputs
    }

    pub fn schema(&self, id: NodeId) -> &[ColType] {
        &self.schemas[id.index()]
    }

    pub fn span(&self, id: NodeId) -> Option<Span> {
        self.spans[id.index()]
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// All nodes, inputs first.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    /// The nodes that `roots` need, inputs first.
    pub fn reachable(&self, roots: &[NodeId]) -> Vec<NodeId> {
        let mut needed = vec![false; self.nodes.len()];
        for root in roots {
            needed[root.index()] = true;
        }
        for id in self.ids().rev() {
            if needed[id.index()] {
                for input in self.inputs(id) {
                    needed[input.index()] = true;
                }
            }
        }
        self.ids().filter(|id| needed[id.index()]).collect()
    }
}

#[derive(Serialize, Deserialize)]
struct Plain {
    nodes: Vec<Node>,
    spans: Vec<Option<Span>>,
}

impl Serialize for Circuit {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        Plain {
            nodes: self.nodes.clone(),
            spans: self.spans.clone(),
        }
        .serialize(s)
    }
}

impl<'de> Deserialize<'de> for Circuit {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let plain = Plain::deserialize(d)?;
        let mut circuit = Circuit::new();
        for (i, node) in plain.nodes.into_iter().enumerate() {
            if node.inputs.iter().any(|input| input.index() >= i) {
                return Err(D::Error::custom("a node comes before its inputs"));
            }
            let span = plain.spans.get(i).copied().flatten();
            let id = circuit
                .add(node.op, node.inputs, span)
                .map_err(D::Error::custom)?;
            if id.index() != i {
                return Err(D::Error::custom("a node stands twice"));
            }
        }
        Ok(circuit)
    }
}
