//! The storage plan: what is kept between refreshes, and how its rows are told apart.
//!
//! The stream table holds the root. Aggregates, distincts, the first rows of an order and recursions
//! below it are kept, too: their Old is then free, and what is retracted is what was shown. An aggregate whose columns all come out
//! of the root unchanged is read back from the stream table itself; one that does not fold is not
//! kept if the root shows its keys (see `aggregate::delta_recompute`). Below the first rows of all,
//! a reserve is kept (see `rules/reserve.rs`).

use super::extract::{Extraction, Reading};
use super::facts::key::Keys;
use super::predicate::column_of;
use spec::catalog::Catalog;
use spec::compiled::{Dependency, Identity, StoragePlan, Stored};
use spec::expr::ExprKind;
use spec::op::StoredId;
use spec::types::ColType;
use spec::{Circuit, Expr, NodeId, Op};
use std::collections::BTreeSet;

/// Bumped whenever the meaning of a stored plan changes.
pub const STORAGE_VERSION: u32 = 2;

/// PostgreSQL's limit on the columns of an index.
const MAX_INDEX_COLUMNS: usize = 32;

/// What is kept wherever it stands: its delta needs what it was.
pub fn is_kept(op: &Op) -> bool {
    matches!(
        op,
        Op::Aggregate(_)
            | Op::Distinct
            | Op::TopK(_)
            | Op::Window(_)
            | Op::Closure(_)
            | Op::Reserve(_)
    )
}

/// If the root is a selection of plain columns that shows every column of an aggregate (or
/// distinct) right below it: that node, and for each of its columns the place in the root.
pub fn served_by_root(circuit: &Circuit, root: NodeId) -> Option<(NodeId, Vec<usize>)> {
    let Op::Map(exprs) = circuit.op(root) else {
        return None;
    };
    let input = circuit.inputs(root)[0];
    if !is_kept(circuit.op(input)) || exprs.iter().any(|e| e.as_column().is_none()) {
        return None;
    }
    let places = (0..circuit.schema(input).len())
        .map(|c| exprs.iter().position(|e| e.as_column() == Some(c)))
        .collect::<Option<_>>()?;
    Some((input, places))
}

/// The columns by which an operator groups what it looks at, which come out of it as they went in.
pub fn groups_by(op: &Op) -> Option<BTreeSet<usize>> {
    match op {
        Op::TopK(t) => Some(t.keys.iter().copied().collect()),
        Op::Window(w) => Some(w.partition.iter().copied().collect()),
        _ => None,
    }
}

/// How many operators there may be between what is recomputed into the root and the root: rules look
/// for it through as many.
pub const MAX_SHOWN: usize = 4;

/// If the root is made of first rows, windows or an aggregate that does not fold by maps and filters
/// that show all their keys: these, as far as they look at the same groups. What they were for the
/// groups that are touched is then looked up in the stream table, and what they are, is recomputed:
/// a copy of their own would serve nobody.
fn recomputed_into_root(circuit: &Circuit, root: NodeId, catalog: &Catalog) -> Vec<NodeId> {
    let mut out = vec![];
    let mut at = root;
    // The columns of `at` that the root shows, and those that group what is above.
    let mut shown: BTreeSet<usize> = (0..circuit.schema(root).len()).collect();
    let mut groups: Option<BTreeSet<usize>> = None;
    for _ in 0..=MAX_SHOWN {
        match circuit.op(at) {
            Op::Map(exprs) => {
                let plain = |i: usize| exprs.get(i)?.as_column();
                shown = shown.into_iter().filter_map(plain).collect();
                let below = groups.map(|g| g.into_iter().map(plain).collect::<Option<_>>());
                match below {
                    Some(None) => return out,
                    below => groups = below.flatten(),
                }
            }
            Op::Filter(_) => {}
            Op::Aggregate(a) => {
                let input = circuit.schema(circuit.inputs(at)[0]);
                let keys = (0..a.keys.len()).collect();
                let serves = at != root
                    && a.folding(input, catalog).is_none()
                    && shown.is_superset(&keys)
                    && groups.is_none_or(|g| g == keys);
                out.extend(serves.then_some(at));
                return out;
            }
            op => {
                let Some(keys) = groups_by(op) else {
                    return out;
                };
                if !shown.is_superset(&keys) || groups.is_some_and(|g| g != keys) {
                    return out;
                }
                out.extend((at != root).then_some(at));
                groups = Some(keys);
            }
        }
        at = circuit.inputs(at)[0];
        let read_by = |id: &NodeId| circuit.inputs(*id).contains(&at);
        if circuit
            .reachable(&[root])
            .iter()
            .filter(|id| read_by(id))
            .count()
            > 1
        {
            return out;
        }
    }
    out
}

/// Which collections are kept; indexes are added when the deltas are known.
pub fn plan(
    circuit: &Circuit,
    root: NodeId,
    keys: impl Fn(NodeId) -> Keys,
    catalog: &Catalog,
) -> (StoragePlan, BTreeSet<Dependency>) {
    let mut served: Vec<NodeId> = vec![];
    served.extend(served_by_root(circuit, root).map(|(node, _)| node));
    served.extend(recomputed_into_root(circuit, root, catalog));
    let inner = circuit
        .reachable(&[root])
        .into_iter()
        .filter(|id| *id != root && !served.contains(id) && is_kept(circuit.op(*id)));
    let mut dependencies = BTreeSet::new();
    let stored = std::iter::once(root)
        .chain(inner)
        .zip(0..)
        .map(|(node, id)| {
            let (identity, because) = identity(&keys(node), circuit.schema(node), catalog);
            dependencies.extend(because);
            Stored {
                id: StoredId(id),
                node,
                identity,
                indexes: vec![],
                in_order: vec![],
            }
        })
        .collect();
    let plan = StoragePlan {
        version: STORAGE_VERSION,
        stored,
    };
    (plan, dependencies)
}

/// The best key: few wide columns first (an index entry has to fit a page), then few columns, then
/// few that may be NULL, then the first.
fn identity(keys: &Keys, types: &[ColType], catalog: &Catalog) -> (Identity, BTreeSet<Dependency>) {
    let wide = |c: &usize| catalog.ty(types[*c].ty.oid).is_none_or(|t| t.len < 0);
    let best = keys
        .iter()
        .filter(|k| {
            k.columns.len() <= MAX_INDEX_COLUMNS
                && k.columns.iter().all(|c| {
                    // A unique index needs an order.
                    let equality = catalog.equality(types[*c].ty.oid);
                    equality.is_some_and(|e| e.lt.is_valid())
                })
        })
        .min_by_key(|k| {
            (
                k.columns.iter().filter(|c| wide(c)).count(),
                k.columns.len(),
                k.columns.iter().filter(|c| types[**c].nullable).count(),
                *k,
            )
        });
    match best {
        Some(key) => (
            Identity::Key(key.columns.iter().copied().collect()),
            key.because.clone(),
        ),
        None => (Identity::Image, BTreeSet::new()),
    }
}

/// How deltas look into stored collections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LookUp {
    /// By these columns.
    Of(StoredId, Vec<usize>),
    /// By all but the last of these columns, in the order of that.
    InOrder(StoredId, Vec<usize>),
}

/// By which columns the chosen terms look into stored collections.
pub fn look_ups(extraction: &Extraction) -> BTreeSet<LookUp> {
    extraction
        .chosen()
        .into_iter()
        .filter_map(|(term, reading)| {
            let Op::State(state) = &*term.op else {
                return None;
            };
            match reading {
                Reading::Whole | Reading::Seldom => None,
                Reading::Look(columns) | Reading::Probe(columns) => {
                    Some(LookUp::Of(state.id, columns.clone()))
                }
                Reading::Range(columns) => Some(LookUp::InOrder(state.id, columns.clone())),
            }
        })
        .collect()
}

/// The columns of stored collections that joins compare, by order, with what they do not scan: a
/// scalar that moves meets a range of them. Only of types that any index takes.
pub fn ranges(circuit: &Circuit, roots: &[NodeId], catalog: &Catalog) -> BTreeSet<LookUp> {
    let mut out = BTreeSet::new();
    for id in circuit.reachable(roots) {
        let Op::Join(on) = circuit.op(id) else {
            continue;
        };
        let inputs = circuit.inputs(id);
        // Of each column of the join: which input it is of, and where it stands there.
        let places: Vec<(usize, usize)> = inputs
            .iter()
            .enumerate()
            .flat_map(|(i, input)| (0..circuit.schema(*input).len()).map(move |c| (i, c)))
            .collect();
        for [a, b] in on.iter().filter_map(|c| ordered(c, catalog)) {
            for (mine, other) in [(a, b), (b, a)] {
                let Some(&(input, column)) = column_of(mine).and_then(|c| places.get(c)) else {
                    continue;
                };
                let known = other.columns();
                let elsewhere = |c: &usize| places.get(*c).is_some_and(|p| p.0 != input);
                let fixed = catalog.ty(mine.ty().oid).is_some_and(|t| t.len > 0);
                if fixed && !known.is_empty() && known.iter().all(elsewhere) {
                    let states = states(circuit, inputs[input], column);
                    out.extend(states.into_iter().map(|(id, c)| LookUp::Of(id, vec![c])));
                }
            }
        }
    }
    out
}

/// The sides of `a < b`, `a <= b`, `a > b` or `a >= b`.
fn ordered<'e>(e: &'e Expr, catalog: &Catalog) -> Option<[&'e Expr; 2]> {
    let ExprKind::Operator { operator, args, .. } = e.kind() else {
        return None;
    };
    let [a, b] = args.as_slice() else { return None };
    let btree = &catalog.operator(*operator)?.btree;
    btree
        .iter()
        .any(|(_, strategy)| *strategy != 3)
        .then_some([a, b])
}

/// The stored columns that a column comes from unchanged.
fn states(circuit: &Circuit, node: NodeId, column: usize) -> Vec<(StoredId, usize)> {
    let below = |column: usize| {
        let inputs = circuit.inputs(node).iter();
        inputs.flat_map(|i| states(circuit, *i, column)).collect()
    };
    match circuit.op(node) {
        Op::State(state) => vec![(state.id, column)],
        Op::Map(exprs) => exprs
            .get(column)
            .and_then(column_of)
            .map_or_else(Vec::new, below),
        Op::Filter(_) | Op::Plus => below(column),
        _ => vec![],
    }
}

/// Adds the indexes that these look-ups need besides the keys.
pub fn add_indexes(plan: &mut StoragePlan, look_ups: BTreeSet<LookUp>) {
    let mut plain = vec![];
    for look_up in look_ups {
        match look_up {
            LookUp::Of(id, columns) => plain.push((id, columns)),
            LookUp::InOrder(id, columns) => {
                if let Some(stored) = plan.stored.iter_mut().find(|s| s.id == id)
                    && !stored.in_order.contains(&columns)
                {
                    stored.in_order.push(columns);
                }
            }
        }
    }
    for (id, columns) in plain {
        let Some(stored) = plan.stored.iter_mut().find(|s| s.id == id) else {
            continue;
        };
        // The key's index serves a look-up by its leading columns.
        let by_key = match &stored.identity {
            Identity::Key(key) => {
                let leading = key.len().min(columns.len());
                !key.is_empty() && key[..leading].iter().all(|c| columns.contains(c))
            }
            Identity::Image => false,
        };
        let key_is_empty = stored.identity == Identity::Key(vec![]);
        if !by_key && !key_is_empty && !stored.indexes.contains(&columns) {
            stored.indexes.push(columns);
        }
    }
    for stored in &mut plan.stored {
        stored.indexes.sort();
        stored.in_order.sort();
    }
}
