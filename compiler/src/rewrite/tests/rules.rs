//! Every rule of [`ALL`] alone: on random circuits, both sides of each application have one value.
//!
//! For the rules of a refresh a graph is saturated a little, so that rules meet the terms that other
//! rules make. Then each rule is applied to each term. The left side is evaluated over the plainest terms of its input
//! classes (their definitions: `Delta(x)` rather than a sum of joins), the right side over random
//! ones (as a program might hold them, ghost rows and all). Where the left side has a value, the
//! right side must have the same value, and may not raise.

use super::directed::DIRECTED;
use super::plans::show;
use super::random::*;
use crate::rewrite::facts::Setting;
use crate::rewrite::rules::reserve::keep_reserves;
use crate::rewrite::rules::{ALL, Phase, ZERO};
use crate::rewrite::saturate::{Limits, all_terms, saturate};
use crate::rewrite::term::{Graph, Recipe, Term, load};
use crate::rewrite::{Parts, seed, storage};
use egg::Id;
use spec::eval::{Pick, World, eval};
use spec::op::{Last, SortKey, Suffix, TopK};
use spec::{Circuit, Expr, NodeId, Oid, Op};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// One term for each class, without cycles: the cheapest trees under some weights.
struct Forms<'g, 'a> {
    graph: &'g Graph<'a>,
    /// What is touched is a superset, and depends on how the delta is written. Whatever it is, it
    /// is one set in all of a program; so that both sides of a rule take it from here.
    touched: Option<&'g Forms<'g, 'a>>,
    /// Over all terms, and over terms of the query alone (for what stands under an epoch).
    any: HashMap<Id, (u64, &'g Term)>,
    query: HashMap<Id, (u64, &'g Term)>,
}

fn is_epoch(op: &Op) -> bool {
    matches!(op, Op::New | Op::Old | Op::Delta)
}

fn is_query(op: &Op) -> bool {
    matches!(
        op,
        Op::Source(_)
            | Op::Constant(_)
            | Op::Map(_)
            | Op::Filter(_)
            | Op::Join(_)
            | Op::Semi(_)
            | Op::Anti(_)
            | Op::Left(_)
            | Op::Plus
            | Op::Neg
            | Op::Distinct
            | Op::Aggregate(_)
            | Op::TopK(_)
            | Op::Reserve(_)
            | Op::Window(_)
            | Op::Repeat(_)
            | Op::FlatMap(_)
            | Op::Closure(_)
    )
}

impl<'g, 'a> Forms<'g, 'a> {
    fn new(graph: &'g Graph<'a>, mut weight: impl FnMut(&Term) -> u64) -> Forms<'g, 'a> {
        let terms: Vec<(Id, &Term, u64)> = all_terms(graph)
            .into_iter()
            .map(|(id, t)| (id, t, weight(t)))
            .collect();
        let mut query: HashMap<Id, (u64, &Term)> = HashMap::new();
        let mut any: HashMap<Id, (u64, &Term)> = HashMap::new();
        loop {
            let mut changed = false;
            for (id, term, weight) in &terms {
                let cost = |table: &HashMap<Id, (u64, &Term)>| {
                    let below = term.inputs.iter().map(|i| table.get(i).map(|(c, _)| *c));
                    below.sum::<Option<u64>>().map(|c| c + weight)
                };
                let mut offer = |table: &mut HashMap<Id, (u64, &'g Term)>, cost: Option<u64>| {
                    let Some(cost) = cost else { return };
                    if table.get(id).is_none_or(|(c, _)| cost < *c) {
                        table.insert(*id, (cost, term));
                        changed = true;
                    }
                };
                if is_query(&term.op) {
                    let c = cost(&query);
                    offer(&mut query, c);
                }
                let c = if is_epoch(&term.op) {
                    cost(&query)
                } else {
                    cost(&any)
                };
                offer(&mut any, c);
            }
            if !changed {
                return Forms {
                    graph,
                    touched: None,
                    any,
                    query,
                };
            }
        }
    }

    fn class(&self, out: &mut Circuit, id: Id, query: bool) -> Option<NodeId> {
        let table = if query { &self.query } else { &self.any };
        let (_, term) = table.get(&self.graph.find(id))?;
        match self.touched {
            Some(other) if matches!(&*term.op, Op::Touched(_)) => other.class(out, id, query),
            _ => self.term(out, term, query),
        }
    }

    fn term(&self, out: &mut Circuit, term: &Term, query: bool) -> Option<NodeId> {
        let query = query || is_epoch(&term.op);
        let inputs = term
            .inputs
            .iter()
            .map(|i| self.class(out, *i, query))
            .collect::<Option<_>>()?;
        out.add((*term.op).clone(), inputs, None).ok()
    }

    fn recipe(&self, out: &mut Circuit, recipe: &Recipe, query: bool) -> Option<NodeId> {
        match recipe {
            Recipe::Class(id) => self.class(out, *id, query),
            Recipe::Apply(op, inputs) => {
                let query = query || is_epoch(op);
                let inputs = inputs
                    .iter()
                    .map(|i| self.recipe(out, i, query))
                    .collect::<Option<_>>()?;
                out.add(op.clone(), inputs, None).ok()
            }
        }
    }
}

/// Probes of random collections by what changed in them, for the rules that move probes.
fn add_probes(graph: &mut Graph, classes: &HashMap<NodeId, Id>, rng: &mut Rng) {
    let mut nodes: Vec<_> = classes.iter().map(|(n, c)| (*n, *c)).collect();
    nodes.sort_unstable();
    for _ in 0..3 {
        let (_, x) = *rng.pick(&nodes);
        let width = graph[x].data.types.as_ref().map_or(0, |t| t.len());
        let mut columns: Vec<usize> = (0..width).filter(|_| rng.one_in(2)).collect();
        columns.truncate(2);
        let add = |graph: &mut Graph, op: Op, inputs: Vec<Id>| {
            let op = Arc::new(op);
            graph.add(Term::new(op, inputs))
        };
        let delta = add(graph, Op::Delta, vec![x]);
        let keys = add(graph, Op::Touched(columns.clone()), vec![delta]);
        let epoch = if rng.one_in(2) { Op::New } else { Op::Old };
        let side = add(graph, epoch, vec![x]);
        let fenced = if rng.one_in(4) {
            add(graph, Op::Consolidate, vec![side])
        } else {
            side
        };
        add(graph, Op::Probe(columns), vec![fenced, keys]);
    }
}

/// What follows the first place that changed in random collections, for the rules that move suffixes.
fn add_suffixes(graph: &mut Graph, classes: &HashMap<NodeId, Id>, rng: &mut Rng) {
    let mut nodes: Vec<_> = classes.iter().map(|(n, c)| (*n, *c)).collect();
    nodes.sort_unstable();
    for _ in 0..3 {
        let (_, x) = *rng.pick(&nodes);
        let types = graph[x].data.types.clone().unwrap_or_default();
        let sorted = |c: &usize| graph.analysis.catalog.equality(types[*c].ty.oid);
        let all: Vec<usize> = (0..types.len()).collect();
        let places: Vec<usize> = all
            .iter()
            .copied()
            .filter(|c| sorted(c).is_some())
            .collect();
        if places.is_empty() {
            continue;
        }
        let by = *rng.pick(&places);
        let equality = sorted(&by).expect("an order");
        let mut keys: Vec<usize> = all
            .into_iter()
            .filter(|c| *c != by && rng.one_in(3))
            .collect();
        keys.truncate(2);
        let key = |column: usize, rng: &mut Rng| SortKey {
            expr: Expr::column(column, types[by].ty),
            operator: [equality.lt, equality.gt][rng.below(2)],
            nulls_first: rng.one_in(2),
        };
        let by_column = key(by, rng);
        let first = SortKey {
            expr: Expr::column(keys.len(), types[by].ty),
            ..by_column.clone()
        };
        let first = Op::TopK(TopK {
            keys: (0..keys.len()).collect(),
            order: vec![first],
            offset: 0,
            limit: Some(1),
            with_ties: false,
            total: true,
        });
        let add =
            |graph: &mut Graph, op: Op, inputs: Vec<Id>| graph.add(Term::new(Arc::new(op), inputs));
        let columns = keys.iter().copied().chain([by]).collect();
        let delta = add(graph, Op::Delta, vec![x]);
        let touched = add(graph, Op::Touched(columns), vec![delta]);
        let places = add(graph, first, vec![touched]);
        let epoch = if rng.one_in(2) { Op::New } else { Op::Old };
        let mut side = add(graph, epoch, vec![x]);
        if rng.one_in(4) {
            side = add(graph, Op::Consolidate, vec![side]);
        }
        let suffix = Suffix {
            keys: keys.clone(),
            by: by_column.clone(),
        };
        add(graph, Op::Suffix(suffix), vec![side, places]);
        if graph[x].data.nonnegative {
            let side = add(graph, Op::Consolidate, vec![side]);
            let last = Last {
                keys,
                order: vec![by_column],
                limit: 2,
                ties: None,
                total: false,
            };
            add(graph, Op::Last(last), vec![side, places]);
        }
    }
}

/// Applies every rule everywhere; counts applications, and those whose value is not empty.
fn check_all(
    graph: &Graph,
    phase: Phase,
    world: &World,
    rng: &mut Rng,
    applied: &mut BTreeMap<&'static str, (usize, usize)>,
    context: &dyn Fn() -> String,
) {
    let mut dice = rng.clone();
    let random = Forms::new(graph, |_| 1 + dice.below(40) as u64);
    let plain = Forms {
        touched: Some(&random),
        ..Forms::new(graph, |_| 1)
    };
    let mut budget: BTreeMap<&str, usize> = BTreeMap::new();
    for (class, term) in all_terms(graph) {
        // What is empty has terms that raise, and is never made of them: as in saturation.
        let empty = graph[class].data.empty;
        let rules = ALL.iter().filter(|r| !empty || r.name == ZERO);
        for rule in rules.filter(|r| r.runs_in(phase)) {
            if budget.get(rule.name).is_some_and(|n| *n >= 6) {
                continue;
            }
            for recipe in (rule.rewrite)(graph, term) {
                *budget.entry(rule.name).or_default() += 1;
                let mut circuit = Circuit::new();
                let Some(left) = plain.term(&mut circuit, term, false) else {
                    continue;
                };
                // What is empty at every epoch is one class, so that an epoch may come to stand
                // over a term that has epochs of its own; no program can hold that.
                let Some(right) = random.recipe(&mut circuit, &recipe, false) else {
                    continue;
                };
                let Ok(expected) = eval(&circuit, left, world) else {
                    continue;
                };
                let got = eval(&circuit, right, world);
                if got.as_ref() != Ok(&expected) {
                    panic!(
                        "rule {}: {}\nleft\n{}={expected}\nright\n{}= {got:?}\n{}\n{world:?}",
                        rule.name,
                        context(),
                        show(&circuit, &[left]),
                        show(&circuit, &[right]),
                        got.as_ref().map(|z| z.to_string()).unwrap_or_default(),
                    );
                }
                let counts = applied.entry(rule.name).or_default();
                counts.0 += 1;
                counts.1 += usize::from(!expected.is_empty());
            }
        }
    }
}

fn run(seeds: std::ops::Range<u64>) -> BTreeMap<&'static str, (usize, usize)> {
    let catalog = catalog();
    let mut applied = BTreeMap::new();
    for n in seeds {
        let mut rng = Rng(n.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let mut grower = Grower {
            catalog: &catalog,
            rng: &mut rng,
            circuit: Circuit::new(),
        };
        let root = if n % 4 == 0 {
            grower.directed(n as usize / 4 % DIRECTED)
        } else {
            let grown = grower.grow(1 + (n % 2) as usize);
            grower.cover(grown)
        };
        let (circuit, root) = match n % 2 {
            0 => (grower.circuit, root),
            _ => keep_reserves(&grower.circuit, root, |_| 1).expect("reserves"),
        };
        let changed = some_tables(&mut rng);
        let append_only = match n % 5 {
            3.. => changed.clone(),
            _ => vec![],
        };
        let mut world = world(&catalog, &mut rng, &changed, &append_only);
        world.spent = n / 2 % 2;
        if n % 3 == 0 {
            world.pick = Pick::Greatest;
        }
        let context = || format!("seed {n}\n{}", show(&circuit, &[root]));
        let setting = |changed: &[Oid]| {
            Setting::new(&catalog, changed.iter().copied().collect::<BTreeSet<Oid>>())
        };
        let few = Limits {
            nodes: 250,
            iterations: 3,
        };

        let mut graph = Graph::new(setting(&[]));
        let classes = load(&mut graph, &circuit, &[root]);
        let keys = |id: NodeId| graph[classes[&id]].data.keys.clone();
        let (mut storage, _) = storage::plan(&circuit, root, keys, &catalog);
        // The rules for queries may make terms that raise less. So they are applied to circuits,
        // of which each class has one term: the query itself, and two that rewriting made of it.
        let mut top = classes[&root];
        for _ in 0..3 {
            check_all(
                &graph,
                Phase::Query,
                &world,
                &mut rng,
                &mut applied,
                &context,
            );
            saturate(&mut graph, Phase::Query, few);
            let mut other = Circuit::new();
            let forms = Forms::new(&graph, |_| 1 + rng.below(40) as u64);
            let Some(root) = forms.class(&mut other, top, true) else {
                break;
            };
            let mut fresh = Graph::new(setting(&[]));
            top = load(&mut fresh, &other, &[root])[&root];
            graph = fresh;
        }

        // Plans keep every aggregate; rules must hold for those that are not kept, too.
        storage.stored.retain(|s| s.id.0 == 0 || !rng.one_in(3));
        if world.store(&circuit, &storage).is_err() {
            continue;
        }
        let append_only: BTreeSet<Oid> = append_only.into_iter().collect();
        let mut graph = Graph::new(setting(&changed).with_append_only(append_only.clone()));
        let parts = Parts {
            circuit: &circuit,
            root,
            storage: &storage,
            append_only,
        };
        let (classes, _) = seed(&mut graph, &parts);
        add_probes(&mut graph, &classes, &mut rng);
        add_suffixes(&mut graph, &classes, &mut rng);
        saturate(&mut graph, Phase::Refresh, few);
        check_all(
            &graph,
            Phase::Refresh,
            &world,
            &mut rng,
            &mut applied,
            &context,
        );
    }
    applied
}

#[test]
fn every_rule_holds() {
    let applied = run(0..4_500);
    println!("{applied:#?}");
    for rule in ALL {
        let (all, telling) = applied.get(rule.name).copied().unwrap_or_default();
        // What is proved empty is empty.
        let enough = if rule.name == "zero" {
            all >= 50
        } else {
            telling >= 15
        };
        assert!(
            enough,
            "rule {} was met {all} times, {telling} with rows",
            rule.name
        );
    }
}

/// By hand: `RULES=100000..200000 cargo test -p pgtrickle-compiler many_rules -- --ignored`
#[test]
#[ignore = "as long as one likes"]
fn many_rules() {
    let range = std::env::var("RULES").unwrap_or_else(|_| "10000..30000".into());
    let (from, to) = range.split_once("..").expect("from..to");
    let seed = |s: &str| s.parse().expect("a number");
    println!("{:#?}", run(seed(from)..seed(to)));
}
