//! A plain incrementaliser, for testing what codegen prints for every operator without relying on
//! the compiler's rewriting: the rules of the epochs, applied top-down, with no choice anywhere.

use spec::catalog::Catalog;
use spec::circuit::Circuit;
use spec::compiled::{Compiled, DeltaPlan};
use spec::op::{Aggregate, Op, State};
use spec::types::Oid;
use spec::{NodeId, fold::Fold};
use std::collections::{BTreeMap, BTreeSet};

/// What to do about aggregates and DISTINCT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// New − Old of the whole.
    Whole,
    /// New − Old of the touched groups.
    Touched,
    /// From the state, where the aggregate folds and is stored; else as `Touched`.
    Step,
    /// As the compiler would.
    Optimised,
    /// The same, of sources that only gain rows.
    Growing,
}

impl Style {
    pub fn is_optimised(self) -> bool {
        [Style::Optimised, Style::Growing].contains(&self)
    }
}

/// The circuit and the storage plan that the compiler would choose.
pub fn optimised(compiled: Compiled, catalog: &Catalog) -> Compiled {
    let root = compiled.root;
    let better = compiler::rewrite::optimise(&compiled.circuit, root, catalog).expect("a plan");
    Compiled {
        circuit: better.circuit,
        root: better.root,
        sources: better.sources,
        storage: better.storage,
        reasons: better.reasons,
        dependencies: better.dependencies,
        ..compiled
    }
}

struct Naive<'a> {
    compiled: &'a Compiled,
    catalog: &'a Catalog,
    changed: &'a BTreeSet<Oid>,
    style: Style,
    out: Circuit,
}

pub fn plan(
    compiled: &Compiled,
    catalog: &Catalog,
    changed: &BTreeSet<Oid>,
    style: Style,
) -> DeltaPlan {
    if style.is_optimised() {
        return compiler::rewrite::delta(compiled, catalog, changed).expect("a plan");
    }
    let mut naive = Naive {
        compiled,
        catalog,
        changed,
        style,
        out: Circuit::new(),
    };
    let mut deltas = vec![];
    for stored in &compiled.storage.stored {
        if let Some(delta) = naive.delta(stored.node) {
            let delta = naive.add(Op::Consolidate, vec![delta]);
            deltas.push((stored.id, delta));
        }
    }
    DeltaPlan {
        changed: changed.clone(),
        circuit: naive.out,
        deltas,
        asked: BTreeMap::new(),
        rules: vec![],
        enodes: 0,
        reasons: vec![],
    }
}

impl Naive<'_> {
    fn add(&mut self, op: Op, inputs: Vec<NodeId>) -> NodeId {
        self.out.add(op, inputs, None).expect("well typed")
    }

    fn rebuild(&mut self, n: NodeId, mut f: impl FnMut(&mut Self, NodeId) -> NodeId) -> NodeId {
        let op = self.compiled.circuit.op(n).clone();
        let inputs = self.compiled.circuit.inputs(n).to_vec();
        let inputs = inputs.into_iter().map(|i| f(self, i)).collect();
        self.add(op, inputs)
    }

    fn after(&mut self, n: NodeId) -> NodeId {
        match self.compiled.circuit.op(n) {
            Op::Source(s) => {
                let source = self.add(Op::Source(s.clone()), vec![]);
                self.add(Op::New, vec![source])
            }
            _ => self.rebuild(n, Self::after),
        }
    }

    fn before(&mut self, n: NodeId) -> NodeId {
        if self.style == Style::Step
            && let Some(stored) = self.compiled.storage.at(n)
        {
            let types = self.compiled.circuit.schema(n).to_vec();
            let id = stored.id;
            return self.add(Op::State(State { id, types }), vec![]);
        }
        match self.compiled.circuit.op(n) {
            Op::Source(_) => {
                let new = self.after(n);
                match self.delta(n) {
                    Some(delta) => {
                        let neg = self.add(Op::Neg, vec![delta]);
                        self.add(Op::Plus, vec![new, neg])
                    }
                    None => new,
                }
            }
            _ => self.rebuild(n, Self::before),
        }
    }

    fn delta(&mut self, n: NodeId) -> Option<NodeId> {
        let compiled = self.compiled;
        let inputs = compiled.circuit.inputs(n);
        match compiled.circuit.op(n) {
            Op::Source(s) => {
                if !self.changed.contains(&s.relation) {
                    return None;
                }
                let source = self.add(Op::Source(s.clone()), vec![]);
                Some(self.add(Op::Delta, vec![source]))
            }
            Op::Constant(_) => None,
            op @ (Op::Map(_) | Op::Filter(_) | Op::Repeat(_) | Op::FlatMap(_) | Op::Neg) => {
                let delta = self.delta(inputs[0])?;
                Some(self.add(op.clone(), vec![delta]))
            }
            Op::Plus => {
                let deltas: Vec<NodeId> = inputs.iter().filter_map(|i| self.delta(*i)).collect();
                (!deltas.is_empty()).then(|| self.add(Op::Plus, deltas))
            }
            op @ Op::Join(_) => {
                let mut terms = vec![];
                for (i, input) in inputs.iter().enumerate() {
                    let Some(delta) = self.delta(*input) else {
                        continue;
                    };
                    let mut sides: Vec<NodeId> =
                        inputs[..i].iter().map(|x| self.after(*x)).collect();
                    sides.push(delta);
                    sides.extend(
                        inputs[i + 1..]
                            .iter()
                            .map(|x| self.before(*x))
                            .collect::<Vec<_>>(),
                    );
                    terms.push(self.add(op.clone(), sides));
                }
                match terms.len() {
                    0 => None,
                    1 => terms.pop(),
                    _ => Some(self.add(Op::Plus, terms)),
                }
            }
            op @ Op::Distinct => {
                let delta = self.delta(inputs[0])?;
                let all: Vec<usize> = (0..compiled.circuit.schema(n).len()).collect();
                Some(self.recomputed(op.clone(), inputs[0], delta, &all))
            }
            op @ Op::Aggregate(a) => {
                let delta = self.delta(inputs[0])?;
                let stored = compiled.storage.at(n).is_some();
                let input = compiled.circuit.schema(inputs[0]);
                match a.folding(input, self.catalog) {
                    Some(folds) if stored && self.style == Style::Step => {
                        Some(self.step(a, n, inputs[0], delta, &folds))
                    }
                    _ => Some(self.recomputed(op.clone(), inputs[0], delta, &a.keys)),
                }
            }
            op @ Op::TopK(t) => {
                let delta = self.delta(inputs[0])?;
                Some(self.recomputed(op.clone(), inputs[0], delta, &t.keys))
            }
            op @ Op::Window(w) => {
                let delta = self.delta(inputs[0])?;
                Some(self.recomputed(op.clone(), inputs[0], delta, &w.partition))
            }
            op @ Op::Closure(_) => {
                let new = inputs.iter().map(|i| self.after(*i)).collect();
                let old = inputs.iter().map(|i| self.before(*i)).collect();
                let new = self.add(op.clone(), new);
                let old = self.add(op.clone(), old);
                let old = self.add(Op::Neg, vec![old]);
                Some(self.add(Op::Plus, vec![new, old]))
            }
            other => panic!("{other:?} in a query"),
        }
    }

    fn recomputed(&mut self, op: Op, x: NodeId, delta: NodeId, keys: &[usize]) -> NodeId {
        let (mut new, mut old) = (self.after(x), self.before(x));
        if self.style != Style::Whole {
            let touched = self.add(Op::Touched(keys.to_vec()), vec![delta]);
            new = self.add(Op::Probe(keys.to_vec()), vec![new, touched]);
            old = self.add(Op::Probe(keys.to_vec()), vec![old, touched]);
        }
        let new = self.add(op.clone(), vec![new]);
        let old = self.add(op, vec![old]);
        let old = self.add(Op::Neg, vec![old]);
        self.add(Op::Plus, vec![new, old])
    }

    fn step(
        &mut self,
        a: &Aggregate,
        n: NodeId,
        x: NodeId,
        delta: NodeId,
        folds: &[Fold],
    ) -> NodeId {
        let old = self.before(n);
        let mut inputs = vec![old, delta];
        let exact = |f: &Fold| matches!(f, Fold::CountRows | Fold::CountValues);
        if !folds.iter().all(exact) {
            let stale = self.add(Op::Stale(a.clone()), vec![old, delta]);
            let mut new = self.after(x);
            // An aggregate without keys has a row for nothing, too: the probe stays above it.
            let keyless = a.keys.is_empty();
            if !keyless {
                new = self.add(Op::Probe(a.keys.clone()), vec![new, stale]);
            }
            new = self.add(Op::Aggregate(a.clone()), vec![new]);
            if keyless {
                new = self.add(Op::Probe(vec![]), vec![new, stale]);
            }
            inputs.push(new);
        }
        self.add(Op::AggregateStep(a.clone()), inputs)
    }
}
