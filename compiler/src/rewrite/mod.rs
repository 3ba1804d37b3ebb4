//! Rewriting by equality saturation: from the circuit of a query to an optimised one with a storage
//! plan, and from that to the circuit of its deltas.
//!
//! | file | concept |
//! |---|---|
//! | `term.rs` | e-nodes, and right-hand sides of rules |
//! | `facts/` | what is known of each e-class: types, keys, emptiness, size |
//! | `predicate.rs` | what is known of scalar expressions: equations, freedom from errors |
//! | `rules/` | one file per operator, one function per rule |
//! | `saturate.rs` | applying all rules, deterministically and within bounds |
//! | `cost.rs`, `extract.rs` | what terms cost, and choosing the cheapest DAG of them |
//! | `prune.rs` | columns that nobody reads |
//! | `storage.rs` | what is kept between refreshes |
//! | `sieve.rs` | what is asked of every changed row |
//! | `bits.rs` | sets of small numbers |
//!
//! At creation ([`optimise`]) rules move filters down and maps up, flatten joins and settle
//! distincts. For a refresh ([`delta`]) the terms `Delta(x)` of all kept collections are rewritten
//! together until only what can be read is left: `New` and `Delta` of base tables, and stored
//! states. What is N-sized is reached by probes; where it is not, the plan says so.

mod bits;
pub mod cost;
pub mod extract;
pub mod facts;
pub mod predicate;
pub mod prune;
pub mod rules;
pub mod saturate;
pub mod sieve;
pub mod storage;
pub mod term;
#[cfg(test)]
mod tests;

pub use extract::NoPlan;

use crate::bind::aggregates::sequence_order;
use cost::{QueryModel, RefreshModel};
use extract::{Extraction, Reading};
use facts::Setting;
use facts::key::Keys;
use rules::Phase;
use rules::reserve::{keep_reserves, spare};
use saturate::{Limits, saturate};
use spec::catalog::Catalog;
use spec::compiled::{Compiled, DeltaPlan, Dependency, SourceUse, StoragePlan};
use spec::op::{Source, State, StoredId, TopK};
use spec::reason::{Reason, ReasonCode};
use spec::window::Window;
use spec::{Circuit, Expr, NodeId, Oid, Op, Span};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use term::{Graph, Term, load, same_types};

/// What [`optimise`] makes of a query's circuit: the parts of a [`Compiled`] that it decides.
#[derive(Clone, Debug)]
pub struct Optimised {
    pub circuit: Circuit,
    pub root: NodeId,
    pub sources: Vec<SourceUse>,
    pub storage: StoragePlan,
    /// Only of severity `Bounded`.
    pub reasons: Vec<Reason>,
    pub dependencies: BTreeSet<Dependency>,
    /// Named rules that fired, with how often.
    pub rules: Vec<(String, usize)>,
    /// E-nodes at the end of saturation.
    pub enodes: usize,
}

/// The unique keys that are known of a node of a query's circuit.
pub fn keys_of(circuit: &Circuit, node: NodeId, catalog: &Catalog) -> facts::key::Keys {
    let mut graph = Graph::new(Setting::new(catalog, BTreeSet::new()));
    let classes = load(&mut graph, circuit, &[node]);
    graph[classes[&node]].data.keys.clone()
}

/// Optimises the circuit of a query and decides what is stored.
pub fn optimise(circuit: &Circuit, root: NodeId, catalog: &Catalog) -> Result<Optimised, NoPlan> {
    let setting = Setting::new(catalog, BTreeSet::new());
    let mut graph = Graph::new(setting.clone());
    let classes = load(&mut graph, circuit, &[root]);
    let done = saturate(&mut graph, Phase::Query, Limits::default());
    let spans = spans(&graph, circuit, &classes);
    let extraction = Extraction::new(&graph, &QueryModel, &[classes[&root]]);
    let (chosen, roots) = extraction.circuit(|class| spans.get(&class).copied())?;
    let (circuit_out, root_out) = prune::prune(&chosen, roots[0])?;
    let (circuit_out, root_out) = keep_reserves(&circuit_out, root_out, spare)?;
    if !same_types(circuit_out.schema(root_out), circuit.schema(root)) {
        return Err(NoPlan::OtherTypes);
    }

    let mut graph = Graph::new(setting);
    let classes = load(&mut graph, &circuit_out, &[root_out]);
    let keys = |id: NodeId| -> Keys { graph[classes[&id]].data.keys.clone() };
    let (storage, because) = storage::plan(&circuit_out, root_out, keys, catalog);
    let unordered = unordered(&circuit_out, root_out, keys, catalog);
    let sources = sources(&circuit_out, root_out);
    let mut dependencies = done.dependencies;
    dependencies.extend(because);
    dependencies.extend(not_nulls(&circuit_out, root_out, &sources));

    let mut out = Optimised {
        circuit: circuit_out,
        root: root_out,
        sources,
        storage,
        reasons: vec![],
        dependencies,
        rules: named(done.fired),
        enodes: done.nodes,
    };
    // What the deltas of each source alone, and of all together, look up and cannot avoid.
    let all: BTreeSet<Oid> = out.sources.iter().map(|s| s.relation).collect();
    let mut look_ups = BTreeSet::new();
    let mut reasons = unordered;
    let each = all.iter().map(|s| BTreeSet::from([*s]));
    for changed in each.chain((all.len() > 1).then(|| all.clone())) {
        let parts = Parts::of(&out);
        let (plan, looks) = plan_delta(&parts, catalog, &changed)?;
        look_ups.extend(looks);
        for reason in plan.reasons {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
    }
    storage::add_indexes(&mut out.storage, look_ups);
    out.reasons = reasons;
    Ok(out)
}

/// The deltas of all stored collections, for a change of these sources.
pub fn delta(
    compiled: &Compiled,
    catalog: &Catalog,
    changed: &BTreeSet<Oid>,
) -> Result<DeltaPlan, NoPlan> {
    let parts = Parts {
        circuit: &compiled.circuit,
        root: compiled.root,
        storage: &compiled.storage,
        append_only: append_only(&compiled.sources),
    };
    plan_delta(&parts, catalog, changed).map(|(plan, _)| plan)
}

/// What deltas are made from.
struct Parts<'a> {
    circuit: &'a Circuit,
    root: NodeId,
    storage: &'a StoragePlan,
    append_only: BTreeSet<Oid>,
}

fn append_only(sources: &[SourceUse]) -> BTreeSet<Oid> {
    let append_only = sources.iter().filter(|s| s.append_only);
    append_only.map(|s| s.relation).collect()
}

impl<'a> Parts<'a> {
    fn of(optimised: &'a Optimised) -> Parts<'a> {
        Parts {
            circuit: &optimised.circuit,
            root: optimised.root,
            storage: &optimised.storage,
            append_only: append_only(&optimised.sources),
        }
    }
}

type LookUps = BTreeSet<storage::LookUp>;

fn plan_delta(
    parts: &Parts,
    catalog: &Catalog,
    changed: &BTreeSet<Oid>,
) -> Result<(DeltaPlan, LookUps), NoPlan> {
    let setting = Setting::new(catalog, changed.clone());
    let mut graph = Graph::new(setting.with_append_only(parts.append_only.clone()));
    let (classes, roots) = seed(&mut graph, parts);
    let done = saturate(&mut graph, Phase::Refresh, Limits::default());
    let spans = spans(&graph, parts.circuit, &classes);
    // Nothing to do for what cannot change.
    let changing: Vec<_> = roots
        .into_iter()
        .filter(|(_, delta)| !graph[*delta].data.empty)
        .collect();
    let wanted: Vec<egg::Id> = changing.iter().map(|(_, delta)| *delta).collect();
    let extraction = Extraction::new(&graph, &RefreshModel, &wanted);
    let (circuit, nodes) = extraction.circuit(|class| spans.get(&class).copied())?;
    let deltas: Vec<(StoredId, NodeId)> = changing.iter().map(|(id, _)| *id).zip(nodes).collect();
    for (id, node) in &deltas {
        let stored = parts.storage.stored.iter().find(|s| s.id == *id);
        let expected = stored.map(|s| parts.circuit.schema(s.node));
        if !expected.is_some_and(|types| same_types(types, circuit.schema(*node))) {
            return Err(NoPlan::OtherTypes);
        }
    }
    let mut reasons = scans(&extraction, parts, catalog);
    reasons.extend(recomputed(parts, catalog, changed, &circuit));
    let mut look_ups = storage::look_ups(&extraction);
    let roots: Vec<NodeId> = deltas.iter().map(|(_, node)| *node).collect();
    look_ups.extend(storage::ranges(&circuit, &roots, catalog));
    let plan = DeltaPlan {
        changed: changed.clone(),
        deltas,
        asked: sieve::of_deltas(&circuit, &roots, catalog),
        circuit,
        rules: named(done.fired),
        enodes: done.nodes,
        reasons,
    };
    Ok((plan, look_ups))
}

/// Loads what is kept, with its axioms: the Old of a stored collection is its state, and that of
/// an aggregate which the stream table shows whole is read back from there. Returns the class of
/// each node, and the consolidated delta of each stored collection.
fn seed(graph: &mut Graph, parts: &Parts) -> (HashMap<NodeId, egg::Id>, Vec<(StoredId, egg::Id)>) {
    let nodes: Vec<NodeId> = parts.storage.stored.iter().map(|s| s.node).collect();
    let classes = load(graph, parts.circuit, &nodes);
    let add = |graph: &mut Graph, op: Op, inputs: Vec<egg::Id>| {
        graph.add(Term::new(Arc::new(op), inputs))
    };
    let mut deltas = vec![];
    for stored in &parts.storage.stored {
        let class = classes[&stored.node];
        let state = State {
            id: stored.id,
            types: parts.circuit.schema(stored.node).to_vec(),
        };
        let state = add(graph, Op::State(state), vec![]);
        let old = add(graph, Op::Old, vec![class]);
        graph.union(old, state);
        let delta = add(graph, Op::Delta, vec![class]);
        deltas.push((stored.id, add(graph, Op::Consolidate, vec![delta])));
        keep(graph, class);
        if stored.node == parts.root
            && let Some((inner, places)) = storage::served_by_root(parts.circuit, parts.root)
            && parts.storage.at(inner).is_none()
        {
            let types = parts.circuit.schema(inner);
            let columns = places.iter().zip(types);
            let exprs = columns.map(|(p, t)| Expr::column(*p, t.ty)).collect();
            let back = add(graph, Op::Map(exprs), vec![state]);
            let old = add(graph, Op::Old, vec![classes[&inner]]);
            graph.union(old, back);
            keep(graph, classes[&inner]);
        }
    }
    graph.rebuild();
    (classes, deltas)
}

fn keep(graph: &mut Graph, class: egg::Id) {
    let mut facts = graph[class].data.clone();
    facts.kept = true;
    graph.set_analysis_data(class, facts);
}

/// The place in the query that each class came from.
fn spans(
    graph: &Graph,
    circuit: &Circuit,
    classes: &HashMap<NodeId, egg::Id>,
) -> HashMap<egg::Id, Span> {
    let mut out = HashMap::new();
    for id in circuit.ids() {
        if let (Some(class), Some(span)) = (classes.get(&id), circuit.span(id)) {
            out.entry(graph.find(*class)).or_insert(span);
        }
    }
    out
}

fn named(fired: BTreeMap<&'static str, usize>) -> Vec<(String, usize)> {
    fired.into_iter().map(|(n, c)| (n.to_owned(), c)).collect()
}

/// The base tables of a circuit, with the columns that are read.
fn sources(circuit: &Circuit, root: NodeId) -> Vec<SourceUse> {
    let mut columns: BTreeMap<Oid, BTreeSet<i16>> = BTreeMap::new();
    for (id, read) in prune::columns_read(circuit, root) {
        if let Op::Source(Source {
            relation, attnums, ..
        }) = circuit.op(id)
        {
            let read = read.iter().filter_map(|c| attnums.get(*c).copied());
            columns.entry(*relation).or_default().extend(read);
        }
    }
    columns
        .into_iter()
        .map(|(relation, columns)| SourceUse {
            relation,
            columns: columns.into_iter().collect(),
            append_only: false,
        })
        .collect()
}

/// Every NOT NULL of a column that is read: types say it all through the circuit.
fn not_nulls(circuit: &Circuit, root: NodeId, sources: &[SourceUse]) -> BTreeSet<Dependency> {
    let mut out = BTreeSet::new();
    for id in circuit.reachable(&[root]) {
        let Op::Source(s) = circuit.op(id) else {
            continue;
        };
        let Some(used) = sources.iter().find(|u| u.relation == s.relation) else {
            continue;
        };
        for (attnum, ty) in s.attnums.iter().zip(&s.types) {
            if !ty.nullable && used.columns.contains(attnum) {
                out.insert(Dependency::NotNull {
                    relation: s.relation,
                    attnum: *attnum,
                });
            }
        }
    }
    out
}

/// The N-sized reads that are left.
fn scans(extraction: &Extraction, parts: &Parts, catalog: &Catalog) -> Vec<Reason> {
    let mut sources: BTreeSet<Oid> = BTreeSet::new();
    let mut states: BTreeSet<StoredId> = BTreeSet::new();
    for (term, reading) in extraction.chosen() {
        if *reading != Reading::Whole {
            continue;
        }
        match &*term.op {
            Op::New => sources.extend(extraction.table_of(term)),
            Op::State(s) if !extraction.is_small(term) => {
                states.insert(s.id);
            }
            _ => {}
        }
    }
    let hint = "Each refresh costs at least as much as reading it. A join by equality, or a key \
                that groups it, lets a refresh find the rows that it needs through an index.";
    let reason = |message: String, span: Option<Span>| Reason {
        code: ReasonCode::FullScan,
        message,
        span,
        hint: Some(hint.to_owned()),
    };
    let of_sources = sources.iter().map(|oid| {
        let name = catalog
            .relation(*oid)
            .map_or_else(|| oid.to_string(), |r| r.name.clone());
        let node = parts
            .circuit
            .ids()
            .find(|id| matches!(parts.circuit.op(*id), Op::Source(s) if s.relation == *oid));
        let span = node.and_then(|id| parts.circuit.span(id));
        reason(format!("a change makes a refresh read all of {name}"), span)
    });
    let of_states = states.iter().filter_map(|id| {
        let stored = parts.storage.stored.iter().find(|s| s.id == *id)?;
        let what = if id.0 == 0 {
            "the stream table".to_owned()
        } else {
            format!("the stored intermediate result {}", id.0)
        };
        let span = parts.circuit.span(stored.node);
        Some(reason(
            format!("a change makes a refresh read all of {what}"),
            span,
        ))
    });
    of_sources.chain(of_states).collect()
}

/// What shows an order which the query does not fix.
fn unordered(
    circuit: &Circuit,
    root: NodeId,
    keys: impl Fn(NodeId) -> Keys,
    catalog: &Catalog,
) -> Vec<Reason> {
    let mut out = vec![];
    for id in circuit.reachable(&[root]) {
        if let Op::TopK(t) = circuit.op(id)
            && t.is_open()
        {
            out.push(Reason {
                code: ReasonCode::OrderDependent,
                message: open_order(t),
                span: circuit.span(id),
                hint: Some("Add a unique column to ORDER BY to say which.".to_owned()),
            });
        }
        if let Op::Window(w) = circuit.op(id)
            && w.is_open()
        {
            out.push(Reason {
                code: ReasonCode::OrderDependent,
                message:
                    "the order of rows that ORDER BY of a window leaves tied is that of their \
                          images"
                        .to_owned(),
                span: circuit.span(id),
                hint: Some("Add a unique column to ORDER BY to say which comes first.".to_owned()),
            });
        }
        let Op::Aggregate(a) = circuit.op(id) else {
            continue;
        };
        let rows = keys(circuit.inputs(id)[0]);
        let tells_apart = |by: &BTreeSet<usize>| {
            let known = |c: &usize| by.contains(c) || a.keys.contains(c);
            rows.iter().any(|key| key.columns.iter().all(known))
        };
        for call in &a.aggs {
            let message = sequence_order(call, catalog, tells_apart);
            out.extend(message.map(|message| Reason {
                code: ReasonCode::OrderDependent,
                message,
                span: circuit.span(id),
                hint: None,
            }));
        }
    }
    out
}

fn open_order(t: &TopK) -> String {
    let what = match (t.keys.is_empty(), t.limit) {
        (false, Some(1)) => "which of several rows that are first alike is shown",
        _ => "which of several rows that ORDER BY leaves tied are shown",
    };
    format!("{what} is decided by their images")
}

/// The aggregates and distincts that do not fold, and first rows.
fn recomputed(
    parts: &Parts,
    catalog: &Catalog,
    changed: &BTreeSet<Oid>,
    deltas: &Circuit,
) -> Vec<Reason> {
    let circuit = parts.circuit;
    let goes_on = |w: &Window| {
        let mut ids = deltas.ids();
        ids.any(|id| matches!(deltas.op(id), Op::WindowStep(s) if s.window == *w))
    };
    let mut out = vec![];
    for id in circuit.reachable(&[parts.root]) {
        let input = |id: NodeId| circuit.schema(circuit.inputs(id)[0]);
        let message = match circuit.op(id) {
            Op::Aggregate(a) if a.folding(input(id), catalog).is_none() => {
                "aggregates of the groups that change are recomputed from their rows"
            }
            Op::Distinct => "DISTINCT rows that change are looked up again",
            Op::TopK(t) if !t.keys.is_empty() => {
                "the first rows of groups that change are looked up again"
            }
            Op::TopK(_) if matches!(circuit.op(circuit.inputs(id)[0]), Op::Reserve(_)) => {
                "the first rows of the order are looked up again when more rows have left them than \
                 are kept in reserve"
            }
            Op::TopK(_) => "the first rows of the order are looked up again",
            Op::Window(w) if goes_on(w) && w.partition.is_empty() => {
                "window functions are computed again from the first row on that changes"
            }
            Op::Window(w) if goes_on(w) => {
                "window functions are computed again from the first row on that changes in each \
                 partition"
            }
            Op::Window(w) if !w.partition.is_empty() => {
                "window functions are computed again for the partitions that change"
            }
            Op::Window(_) => "window functions are computed again for all rows",
            _ => continue,
        };
        let touched = circuit
            .reachable(&[id])
            .into_iter()
            .any(|i| matches!(circuit.op(i), Op::Source(s) if changed.contains(&s.relation)));
        if touched {
            out.push(Reason {
                code: ReasonCode::GroupRecompute,
                message: message.to_owned(),
                span: circuit.span(id),
                hint: None,
            });
        }
    }
    out
}
