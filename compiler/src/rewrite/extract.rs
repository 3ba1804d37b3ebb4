//! Extraction: the cheapest DAG of terms, one for each class that is needed.
//!
//! Shared terms are counted once. What a term costs depends on how it is read: a base table costs
//! nothing through an index and everything otherwise, so that the unit of choice is a class *in a
//! context* ([`Reading`]). Costs are compared component by component; what cannot be executed at
//! all is no candidate.
//!
//! Finding the optimum is NP-hard. A fixpoint over sets of needed choices (each candidate is
//! costed with all that it needs, counted once) is followed by local improvement, both in a fixed
//! order with ties going to the first, so that one graph has one answer. On small graphs the tests
//! compare it with exhaustive search.

use super::bits::Bits;
use super::term::{Graph, Term};
use egg::Id;
use spec::circuit::IllTyped;
use spec::{Circuit, NodeId, Oid, Op, Span};
use std::cell::RefCell;
use std::collections::HashMap;

/// Scans of N-sized collections, probes, nodes; compared in this order.
pub type Cost = [u64; 3];

/// How a collection is read by what is above it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reading {
    /// All of it.
    Whole,
    /// All of it, when a reserve has to be filled anew.
    Seldom,
    /// By values of any of these columns, known row by row to a join.
    Look(Vec<usize>),
    /// By a set of values of all these columns.
    Probe(Vec<usize>),
    /// By a set of values of all these columns but the last, and of that one from a value on, or up to
    /// one.
    Range(Vec<usize>),
}

/// What one term needs and costs.
pub struct Candidate<'g> {
    pub term: &'g Term,
    pub own: Cost,
    /// Added to the last component for each choice that is needed below this one.
    pub per_node_below: u64,
    pub needs: Vec<(Id, Reading)>,
    /// Inputs that are emitted as the base table that their class holds.
    pub leaf: bool,
}

pub trait Model {
    /// None: it cannot be executed.
    fn candidate<'g>(
        &self,
        graph: &'g Graph,
        term: &'g Term,
        reading: &Reading,
    ) -> Option<Candidate<'g>>;

    /// Readings that come to the same are made one.
    fn normal(&self, graph: &Graph, class: Id, reading: Reading) -> Reading;
}

struct Choice<'g> {
    class: Id,
    reading: Reading,
    candidates: Vec<Candidate<'g>>,
    /// For each candidate, the places of what it needs.
    needs: Vec<Vec<usize>>,
}

/// All that could be chosen, and what was.
pub struct Extraction<'g, 'a> {
    graph: &'g Graph<'a>,
    choices: Vec<Choice<'g>>,
    roots: Vec<usize>,
    picked: Vec<Option<usize>>,
    walk: RefCell<Walk>,
}

/// What is known of a walk from the roots down, and room for the next one.
#[derive(Default)]
struct Walk {
    /// Of each choice, when it was entered and left: see `number`.
    state: Vec<u32>,
    /// Choices that this walk enters have this number, those that it has left the next one.
    number: u32,
    stack: Vec<(usize, usize)>,
    /// Left, in this order.
    order: Vec<usize>,
}

impl Walk {
    fn start(&mut self, choices: usize) {
        self.number += 2;
        if self.state.len() != choices || self.number >= u32::MAX - 2 {
            self.state = vec![0; choices];
            self.number = 1;
        }
        self.stack.clear();
        self.order.clear();
    }
}

/// A class for which no executable term was found: a gap in the rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPlan {
    #[error("no executable form of {0} was found")]
    Infeasible(String),
    #[error("the rewritten circuit does not fit together: {0}")]
    IllTyped(#[from] IllTyped),
    #[error("rewriting changed the types of a result")]
    OtherTypes,
}

impl<'g, 'a> Extraction<'g, 'a> {
    /// Chooses for these roots together.
    pub fn new(graph: &'g Graph<'a>, model: &impl Model, roots: &[Id]) -> Extraction<'g, 'a> {
        let mut out = Extraction::discover(graph, model, roots);
        out.picked = out.fixpoint();
        out.improve();
        out
    }

    fn discover(graph: &'g Graph<'a>, model: &impl Model, roots: &[Id]) -> Extraction<'g, 'a> {
        let mut places: HashMap<(Id, Reading), usize> = HashMap::new();
        let mut choices: Vec<Choice> = vec![];
        let mut place = |choices: &mut Vec<Choice<'g>>, class: Id, reading: Reading| {
            let class = graph.find(class);
            let reading = model.normal(graph, class, reading);
            *places.entry((class, reading.clone())).or_insert_with(|| {
                choices.push(Choice {
                    class,
                    reading,
                    candidates: vec![],
                    needs: vec![],
                });
                choices.len() - 1
            })
        };
        let root_places: Vec<usize> = roots
            .iter()
            .map(|r| place(&mut choices, *r, Reading::Whole))
            .collect();
        let mut at = 0;
        while at < choices.len() {
            let (class, reading) = (choices[at].class, choices[at].reading.clone());
            for term in &graph[class].nodes {
                let Some(candidate) = model.candidate(graph, term, &reading) else {
                    continue;
                };
                let needs = candidate
                    .needs
                    .iter()
                    .map(|(class, reading)| place(&mut choices, *class, reading.clone()))
                    .collect();
                choices[at].candidates.push(candidate);
                choices[at].needs.push(needs);
            }
            at += 1;
        }
        let picked = vec![None; choices.len()];
        Extraction {
            graph,
            choices,
            roots: root_places,
            picked,
            walk: RefCell::default(),
        }
    }

    /// For each choice the candidate that is cheapest with all that it needs.
    fn fixpoint(&self) -> Vec<Option<usize>> {
        struct Best {
            pick: usize,
            total: Cost,
            own: Cost,
            set: Bits,
        }
        let n = self.choices.len();
        let mut best: Vec<Option<Best>> = (0..n).map(|_| None).collect();
        // Each pass lets a cheaper form rise one level at least; costs only fall.
        for _ in 0..=n {
            let mut changed = false;
            for at in (0..n).rev() {
                for (pick, candidate) in self.choices[at].candidates.iter().enumerate() {
                    let mut set = Bits::new(n);
                    let needs = &self.choices[at].needs[pick];
                    let known = needs.iter().all(|need| match &best[*need] {
                        Some(b) => {
                            set.union(&b.set);
                            true
                        }
                        None => false,
                    });
                    if !known || set.contains(at) {
                        continue;
                    }
                    let mut own = candidate.own;
                    own[2] += candidate.per_node_below * set.count();
                    let mut total = own;
                    for member in set.iter() {
                        if let Some(b) = &best[member] {
                            add(&mut total, b.own);
                        }
                    }
                    if best[at].as_ref().is_none_or(|b| total < b.total) {
                        set.insert(at);
                        best[at] = Some(Best {
                            pick,
                            total,
                            own,
                            set,
                        });
                        changed = true;
                    }
                }
            }
            if !changed {
                break;
            }
        }
        let picked: Vec<Option<usize>> = best.iter().map(|b| b.as_ref().map(|b| b.pick)).collect();
        if self.total(&picked).is_some() {
            return picked;
        }
        // Picks that were made against older ones may form a cycle. Costs of trees cannot.
        self.trees()
    }

    /// For each choice the candidate that is cheapest as a tree.
    fn trees(&self) -> Vec<Option<usize>> {
        let n = self.choices.len();
        let mut best: Vec<Option<(Cost, usize)>> = vec![None; n];
        loop {
            let mut changed = false;
            for at in (0..n).rev() {
                for (pick, candidate) in self.choices[at].candidates.iter().enumerate() {
                    let mut total = candidate.own;
                    total[2] += 1;
                    let known = self.choices[at].needs[pick].iter().all(|need| {
                        best[*need].is_some_and(|(cost, _)| {
                            add(&mut total, cost);
                            true
                        })
                    });
                    if known && best[at].is_none_or(|(cost, _)| total < cost) {
                        best[at] = Some((total, pick));
                        changed = true;
                    }
                }
            }
            if !changed {
                return best.into_iter().map(|b| b.map(|b| b.1)).collect();
            }
        }
    }

    /// The cost of a selection; none if it is cyclic or not complete.
    fn total(&self, picked: &[Option<usize>]) -> Option<Cost> {
        self.total_below(picked, None)
    }

    /// The same if it is less than this.
    fn total_below(&self, picked: &[Option<usize>], bound: Option<Cost>) -> Option<Cost> {
        let walk = &mut *self.walk.borrow_mut();
        let mut total = Cost::default();
        self.walk(picked, walk, |at| {
            let candidate = &self.choices[at].candidates[picked[at]?];
            add(&mut total, candidate.own);
            if candidate.per_node_below > 0 {
                let below = self.reachable(picked, &self.choices[at].needs[picked[at]?]);
                total[2] += candidate.per_node_below * below;
            }
            // What is left to add makes it no less.
            bound.is_none_or(|bound| total < bound).then_some(())
        })?;
        Some(total)
    }

    fn reachable(&self, picked: &[Option<usize>], from: &[usize]) -> u64 {
        let mut seen = Bits::new(self.choices.len());
        let mut open: Vec<usize> = from.to_vec();
        while let Some(at) = open.pop() {
            if !seen.contains(at) {
                seen.insert(at);
                if let Some(pick) = picked[at] {
                    open.extend(&self.choices[at].needs[pick]);
                }
            }
        }
        seen.count()
    }

    /// The choices that the roots need, needs first; none if there is a cycle or a gap.
    fn order(&self, picked: &[Option<usize>]) -> Option<Vec<usize>> {
        let walk = &mut *self.walk.borrow_mut();
        self.walk(picked, walk, |_| Some(()))?;
        Some(walk.order.clone())
    }

    /// Calls `left` with each of them; none if it wants no more, too.
    fn walk(
        &self,
        picked: &[Option<usize>],
        walk: &mut Walk,
        mut left: impl FnMut(usize) -> Option<()>,
    ) -> Option<()> {
        walk.start(self.choices.len());
        let (entered, done) = (walk.number, walk.number + 1);
        for root in &self.roots {
            if walk.state[*root] < entered {
                walk.state[*root] = entered;
                walk.stack.push((*root, 0));
            }
            while let Some((at, next)) = walk.stack.pop() {
                let needs = &self.choices[at].needs[picked[at]?];
                match needs.get(next) {
                    None => {
                        walk.state[at] = done;
                        walk.order.push(at);
                        left(at)?;
                    }
                    Some(need) => {
                        walk.stack.push((at, next + 1));
                        if walk.state[*need] < entered {
                            walk.state[*need] = entered;
                            walk.stack.push((*need, 0));
                        } else if walk.state[*need] == entered {
                            return None;
                        }
                    }
                }
            }
        }
        Some(())
    }

    /// Takes another candidate wherever that makes the whole cheaper: alone, or together with what
    /// then becomes cheaper elsewhere.
    fn improve(&mut self) {
        // Bounded by work, so that large graphs keep what the fixpoint found.
        let mut budget = 2_000_000usize;
        let Some(mut total) = self.total(&self.picked) else {
            return;
        };
        self.descend(None, &mut total, &mut budget);
        budget = budget.min(300_000);
        let Some(order) = self.order(&self.picked) else {
            return;
        };
        for at in order {
            for pick in 0..self.choices[at].candidates.len() {
                if self.picked[at].is_none_or(|before| before == pick) {
                    continue;
                }
                let before = self.picked.clone();
                self.picked[at] = Some(pick);
                let better = self.total(&self.picked).and_then(|mut other| {
                    self.descend(Some(at), &mut other, &mut budget);
                    (other < total).then_some(other)
                });
                match better {
                    Some(better) => total = better,
                    None => self.picked = before,
                }
                if budget == 0 {
                    return;
                }
            }
        }
    }

    /// Takes another candidate wherever that alone makes the whole cheaper, except in one place.
    fn descend(&mut self, fixed: Option<usize>, total: &mut Cost, budget: &mut usize) {
        loop {
            let mut better = false;
            let Some(order) = self.order(&self.picked) else {
                return;
            };
            for at in order.into_iter().filter(|at| Some(*at) != fixed) {
                for pick in 0..self.choices[at].candidates.len() {
                    let before = self.picked[at];
                    if before == Some(pick) {
                        continue;
                    }
                    *budget = budget.saturating_sub(self.choices.len());
                    if *budget == 0 {
                        return;
                    }
                    self.picked[at] = Some(pick);
                    match self.total_below(&self.picked, Some(*total)) {
                        Some(new) => {
                            *total = new;
                            better = true;
                        }
                        None => self.picked[at] = before,
                    }
                }
            }
            if !better {
                return;
            }
        }
    }

    /// The chosen terms with their readings, needs first.
    pub fn chosen(&self) -> Vec<(&'g Term, &Reading)> {
        self.order(&self.picked)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|at| {
                let choice = &self.choices[at];
                let pick = self.picked[at]?;
                Some((choice.candidates[pick].term, &choice.reading))
            })
            .collect()
    }

    /// The relation that a term over a base table reads.
    pub fn table_of(&self, term: &Term) -> Option<Oid> {
        let source = base_table(self.graph, *term.inputs.first()?)?;
        match &*source.op {
            Op::Source(s) => Some(s.relation),
            _ => None,
        }
    }

    /// Is the class of this term O(Δ)?
    pub fn is_small(&self, term: &Term) -> bool {
        let class = self.graph.lookup(term.clone());
        class.is_some_and(|id| self.graph[id].data.small)
    }

    /// The cost of what was chosen.
    pub fn cost(&self) -> Option<Cost> {
        self.total(&self.picked)
    }

    /// The chosen terms as a circuit, and the node of each root.
    pub fn circuit(
        &self,
        span: impl Fn(Id) -> Option<Span>,
    ) -> Result<(Circuit, Vec<NodeId>), NoPlan> {
        let gap = || {
            let missing = self.roots.iter().find(|r| self.picked[**r].is_none());
            let class = self.choices[*missing.unwrap_or(&self.roots[0])].class;
            NoPlan::Infeasible(format!("{:?}", self.graph[class].nodes))
        };
        let order = self.order(&self.picked).ok_or_else(gap)?;
        let mut circuit = Circuit::new();
        let mut nodes: HashMap<usize, NodeId> = HashMap::new();
        for at in order {
            let choice = &self.choices[at];
            let pick = self.picked[at].ok_or_else(gap)?;
            let candidate = &choice.candidates[pick];
            let mut inputs: Vec<NodeId> =
                choice.needs[pick].iter().map(|need| nodes[need]).collect();
            if candidate.leaf {
                let x = candidate.term.inputs[0];
                let source = base_table(self.graph, x).ok_or_else(gap)?;
                inputs = vec![circuit.add((*source.op).clone(), vec![], span(x))?];
            }
            let node = circuit.add((*candidate.term.op).clone(), inputs, span(choice.class))?;
            nodes.insert(at, node);
        }
        let roots = self.roots.iter().map(|r| nodes[r]).collect();
        Ok((circuit, roots))
    }
}

/// The base table that a class is.
pub fn base_table<'g>(graph: &'g Graph, class: Id) -> Option<&'g Term> {
    graph[class]
        .nodes
        .iter()
        .find(|t| matches!(&*t.op, Op::Source(_)))
}

fn add(total: &mut Cost, other: Cost) {
    for (a, b) in total.iter_mut().zip(other) {
        *a = a.saturating_add(b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::cost::RefreshModel;
    use crate::rewrite::facts::Setting;
    use crate::rewrite::rules::Phase;
    use crate::rewrite::saturate::{Limits, saturate};
    use crate::rewrite::tests::random::{Grower, Rng, catalog, some_tables};
    use crate::rewrite::{Parts, optimise, seed};

    /// The cheapest selection of all, if it is found within a number of steps.
    struct Exhaustive<'e, 'g, 'a> {
        extraction: &'e Extraction<'g, 'a>,
        picked: Vec<Option<usize>>,
        best: Option<Cost>,
        steps: usize,
    }

    impl Exhaustive<'_, '_, '_> {
        fn search(&mut self, mut open: Vec<usize>, so_far: Cost) {
            self.steps -= usize::from(self.steps > 0);
            if self.steps == 0 || self.best.is_some_and(|b| so_far >= b) {
                return;
            }
            let Some(at) = open.pop() else {
                // Cyclic ones are no selections.
                if self.extraction.total(&self.picked).is_some() {
                    self.best = Some(so_far);
                }
                return;
            };
            if self.picked[at].is_some() {
                return self.search(open, so_far);
            }
            for pick in 0..self.extraction.choices[at].candidates.len() {
                let mut total = so_far;
                add(&mut total, self.extraction.choices[at].candidates[pick].own);
                let mut more = open.clone();
                more.extend(&self.extraction.choices[at].needs[pick]);
                self.picked[at] = Some(pick);
                self.search(more, total);
                self.picked[at] = None;
            }
        }
    }

    #[test]
    fn small_graphs_are_extracted_as_exhaustive_search_does() {
        let catalog = catalog();
        let (mut compared, mut with_choice) = (0, 0);
        for n in 0..250u64 {
            let mut rng = Rng(n.wrapping_mul(0x2545_f491_4f6c_dd1d));
            let mut grower = Grower {
                catalog: &catalog,
                rng: &mut rng,
                circuit: Circuit::new(),
            };
            let root = grower.grow(2 + (n % 2) as usize);
            let query = grower.circuit;
            let o = optimise(&query, root, &catalog).expect("optimised");
            let changed = some_tables(&mut rng).into_iter().collect();
            let mut graph = Graph::new(Setting::new(&catalog, changed));
            let (_, roots) = seed(&mut graph, &Parts::of(&o));
            saturate(&mut graph, Phase::Refresh, Limits::default());
            let roots: Vec<Id> = roots.into_iter().map(|(_, delta)| delta).collect();
            let extraction = Extraction::new(&graph, &RefreshModel, &roots);
            let mut exhaustive = Exhaustive {
                picked: vec![None; extraction.choices.len()],
                best: None,
                steps: 20_000,
                extraction: &extraction,
            };
            exhaustive.search(extraction.roots.clone(), Cost::default());
            if exhaustive.steps > 0 {
                assert_eq!(extraction.cost(), exhaustive.best, "seed {n}");
                compared += 1;
                let several = |c: &Choice| c.candidates.len() > 1;
                with_choice += usize::from(extraction.choices.iter().any(several));
            }
        }
        assert!(
            compared > 100 && with_choice > 40,
            "{compared} {with_choice}"
        );
    }
}
