//! The language of the e-graph: an operator of the algebra over e-classes.

use egg::{Id, Language};
use spec::Op;
use spec::op::{Aggregate, Constant};
use spec::types::ColType;
use spec::{Circuit, Expr, NodeId};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::facts::Setting;

/// An e-node. The operator is shared: rules copy terms more often than they build new payload.
#[derive(Clone, Debug, Eq)]
pub struct Term {
    pub op: Arc<Op>,
    pub inputs: Vec<Id>,
    /// Of the operator. Graphs ask for it whenever classes are united.
    hash: u64,
}

impl Term {
    pub fn new(op: Arc<Op>, inputs: Vec<Id>) -> Term {
        let mut hasher = DefaultHasher::new();
        op.hash(&mut hasher);
        Term {
            op,
            inputs,
            hash: hasher.finish(),
        }
    }
}

impl Hash for Term {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
        self.inputs.hash(state);
    }
}

impl PartialEq for Term {
    fn eq(&self, other: &Term) -> bool {
        self.hash == other.hash && self.inputs == other.inputs && self.op == other.op
    }
}

impl PartialOrd for Term {
    fn partial_cmp(&self, other: &Term) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Term {
    fn cmp(&self, other: &Term) -> Ordering {
        let of_ops = match Arc::ptr_eq(&self.op, &other.op) {
            true => Ordering::Equal,
            false => self.op.cmp(&other.op),
        };
        of_ops.then_with(|| self.inputs.cmp(&other.inputs))
    }
}

impl Language for Term {
    type Discriminant = std::mem::Discriminant<Op>;

    fn discriminant(&self) -> Self::Discriminant {
        std::mem::discriminant(&*self.op)
    }

    fn matches(&self, other: &Self) -> bool {
        self.hash == other.hash && self.inputs.len() == other.inputs.len() && self.op == other.op
    }

    fn children(&self) -> &[Id] {
        &self.inputs
    }

    fn children_mut(&mut self) -> &mut [Id] {
        &mut self.inputs
    }
}

pub type Graph<'a> = egg::EGraph<Term, Setting<'a>>;

/// Adds what `roots` need of a circuit; returns the class of each node that was added.
pub fn load(graph: &mut Graph, circuit: &Circuit, roots: &[NodeId]) -> HashMap<NodeId, Id> {
    let mut classes = HashMap::new();
    for id in circuit.reachable(roots) {
        let inputs = circuit.inputs(id).iter().map(|i| classes[i]).collect();
        let op = Arc::new(circuit.op(id).clone());
        classes.insert(id, graph.add(Term::new(op, inputs)));
    }
    classes
}

/// The right-hand side of a rewrite: operators over classes that are already there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipe {
    Class(Id),
    Apply(Op, Vec<Recipe>),
}

impl From<Id> for Recipe {
    fn from(id: Id) -> Recipe {
        Recipe::Class(id)
    }
}

/// Constructors, so that rules read like their equations.
impl Recipe {
    pub fn unary(op: Op, input: impl Into<Recipe>) -> Recipe {
        Recipe::Apply(op, vec![input.into()])
    }

    pub fn new(x: impl Into<Recipe>) -> Recipe {
        Recipe::unary(Op::New, x)
    }

    pub fn old(x: impl Into<Recipe>) -> Recipe {
        Recipe::unary(Op::Old, x)
    }

    pub fn delta(x: impl Into<Recipe>) -> Recipe {
        Recipe::unary(Op::Delta, x)
    }

    pub fn neg(x: impl Into<Recipe>) -> Recipe {
        Recipe::unary(Op::Neg, x)
    }

    pub fn consolidate(x: impl Into<Recipe>) -> Recipe {
        Recipe::unary(Op::Consolidate, x)
    }

    pub fn plus<R: Into<Recipe>>(inputs: impl IntoIterator<Item = R>) -> Recipe {
        Recipe::Apply(Op::Plus, inputs.into_iter().map(Into::into).collect())
    }

    pub fn minus(a: impl Into<Recipe>, b: impl Into<Recipe>) -> Recipe {
        Recipe::plus([a.into(), Recipe::neg(b)])
    }

    pub fn map(exprs: Vec<Expr>, x: impl Into<Recipe>) -> Recipe {
        Recipe::unary(Op::Map(exprs), x)
    }

    pub fn filter(predicate: Expr, x: impl Into<Recipe>) -> Recipe {
        Recipe::unary(Op::Filter(predicate), x)
    }

    pub fn join<R: Into<Recipe>>(
        conjuncts: Vec<Expr>,
        inputs: impl IntoIterator<Item = R>,
    ) -> Recipe {
        Recipe::Apply(
            Op::Join(conjuncts),
            inputs.into_iter().map(Into::into).collect(),
        )
    }

    pub fn aggregate(aggregate: Aggregate, x: impl Into<Recipe>) -> Recipe {
        Recipe::unary(Op::Aggregate(aggregate), x)
    }

    pub fn probe(columns: Vec<usize>, x: impl Into<Recipe>, keys: impl Into<Recipe>) -> Recipe {
        Recipe::Apply(Op::Probe(columns), vec![x.into(), keys.into()])
    }

    pub fn touched(columns: Vec<usize>, delta: impl Into<Recipe>) -> Recipe {
        Recipe::unary(Op::Touched(columns), delta)
    }

    pub fn zero(types: &[ColType]) -> Recipe {
        let constant = Constant {
            types: types.to_vec(),
            rows: vec![],
        };
        Recipe::Apply(Op::Constant(constant), vec![])
    }

    /// The types of the result; none where the recipe does not fit together.
    fn types(&self, graph: &Graph) -> Option<Arc<[ColType]>> {
        match self {
            Recipe::Class(id) => graph[*id].data.types.clone(),
            Recipe::Apply(op, inputs) => {
                let types: Vec<_> = inputs
                    .iter()
                    .map(|i| i.types(graph))
                    .collect::<Option<_>>()?;
                op.schema(&types.iter().map(|t| &**t).collect::<Vec<_>>())
            }
        }
    }

    fn add(&self, graph: &mut Graph) -> Id {
        match self {
            Recipe::Class(id) => *id,
            Recipe::Apply(op, inputs) => {
                let inputs = inputs.iter().map(|i| i.add(graph)).collect();
                let op = Arc::new(op.clone());
                graph.add(Term::new(op, inputs))
            }
        }
    }

    /// Adds the terms, if they fit together and are of the types of `class` (nullability aside,
    /// of which both sides may know a different half of the truth).
    pub fn add_as(&self, graph: &mut Graph, class: Id) -> Option<Id> {
        let types = self.types(graph)?;
        let expected = graph[class].data.types.clone()?;
        same_types(&types, &expected).then(|| self.add(graph))
    }
}

/// Equal but for nullability.
pub fn same_types(a: &[ColType], b: &[ColType]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.ty == b.ty)
}
