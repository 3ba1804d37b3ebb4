//! Saturation: all rules on all terms until nothing is new, in a fixed order, bounded by nodes and
//! iterations. The same circuit always gives the same graph; no clock is read.
//!
//! A rule sees a term, the facts of its class, and what is below it. Where nothing of that has
//! changed since the rule was asked, it is not asked again.

use super::rules::{ALL, Phase, ZERO};
use super::term::{Graph, Term};
use egg::Id;
use spec::compiled::Dependency;
use std::collections::{BTreeMap, BTreeSet, HashSet};

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub nodes: usize,
    pub iterations: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            nodes: 20_000,
            iterations: 64,
        }
    }
}

/// What happened.
#[derive(Clone, Debug, Default)]
pub struct Saturation {
    pub iterations: usize,
    /// E-nodes at the end.
    pub nodes: usize,
    /// Nothing new was left to find.
    pub saturated: bool,
    /// How often each rule showed two classes to be one.
    pub fired: BTreeMap<&'static str, usize>,
    /// Facts of the catalog that those applications rest on.
    pub dependencies: BTreeSet<Dependency>,
}

pub fn saturate(graph: &mut Graph, phase: Phase, limits: Limits) -> Saturation {
    let rules: Vec<_> = ALL.iter().filter(|r| r.runs_in(phase)).collect();
    let mut out = Saturation::default();
    graph.rebuild();
    graph.analysis.touched.clear();
    let mut fresh: Option<HashSet<Id>> = None;
    while out.iterations < limits.iterations && !out.saturated {
        out.iterations += 1;
        let mut found = vec![];
        for (class, term) in all_terms(graph) {
            if fresh.as_ref().is_some_and(|fresh| !fresh.contains(&class)) {
                continue;
            }
            // All that is empty (of one type) is one class, which so reaches itself: rules would
            // unfold it for ever.
            let empty = graph[class].data.empty;
            for rule in rules.iter().filter(|r| !empty || r.name == ZERO) {
                for recipe in (rule.rewrite)(graph, term) {
                    let relies_on = (rule.relies_on)(graph, term);
                    found.push((rule.name, class, recipe, relies_on));
                }
            }
        }
        out.saturated = true;
        for (name, class, recipe, relies_on) in found {
            if graph.total_size() > limits.nodes {
                out.saturated = false;
                break;
            }
            let Some(new) = recipe.add_as(graph, class) else {
                debug_assert!(false, "rule {name} builds what does not fit: {recipe:?}");
                continue;
            };
            if graph.union(class, new) {
                out.saturated = false;
                *out.fired.entry(name).or_default() += 1;
                out.dependencies.extend(relies_on);
            }
        }
        graph.rebuild();
        if graph.total_size() > limits.nodes {
            break;
        }
        let touched = std::mem::take(&mut graph.analysis.touched);
        fresh = Some(with_all_above(graph, touched));
    }
    out.nodes = graph.total_number_of_nodes();
    out
}

/// These classes and all that are computed from them.
fn with_all_above(graph: &Graph, classes: Vec<Id>) -> HashSet<Id> {
    let mut out = HashSet::new();
    let mut open = classes;
    while let Some(id) = open.pop() {
        let class = graph.find(id);
        if out.insert(class) {
            open.extend(graph[class].parents());
        }
    }
    out
}

/// Every term with its class, in an order that only depends on the graph's history.
pub fn all_terms<'g>(graph: &'g Graph) -> Vec<(Id, &'g Term)> {
    let mut classes: Vec<_> = graph.classes().collect();
    classes.sort_by_key(|c| c.id);
    classes
        .into_iter()
        .flat_map(|c| c.nodes.iter().map(move |t| (c.id, t)))
        .collect()
}
