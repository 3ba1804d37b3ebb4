//! Epochs: `Old` and `New` distribute over every operator, `Old = New ⊎ −Delta`.

use super::{terms, unchanged};
use crate::rewrite::predicate::{error_free, flat_map_error_free};
use crate::rewrite::term::{Graph, Recipe, Term};
use egg::Id;
use spec::op::{Link, Reserve, TopK};
use spec::{Expr, Op};

/// `x = ∅` where a fact says so; `Delta(x) = ∅` where no source of x changed is such a fact.
pub fn zero(graph: &Graph, term: &Term) -> Vec<Recipe> {
    // What is empty is so because an input is, or because it is the change of what did not.
    let candidate =
        matches!(&*term.op, Op::Delta) || term.inputs.iter().any(|i| graph[*i].data.empty);
    if !candidate {
        return vec![];
    }
    let Some(id) = graph.lookup(term.clone()) else {
        return vec![];
    };
    let facts = &graph[id].data;
    match &facts.types {
        Some(types) if facts.empty => vec![Recipe::zero(types)],
        _ => vec![],
    }
}

/// `Old(x) = New(x)` where no source of x changed.
pub fn old_unchanged(graph: &Graph, term: &Term) -> Vec<Recipe> {
    match &*term.op {
        Op::Old if unchanged(graph, term.inputs[0]) => vec![Recipe::new(term.inputs[0])],
        _ => vec![],
    }
}

/// `Old(R) = New(R) ⊎ −Delta(R)`: only the new content of a base table can be read.
pub fn old_source(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Old = &*term.op else { return vec![] };
    let x = term.inputs[0];
    let source = terms(graph, x).any(|t| matches!(&*t.op, Op::Source(_)));
    if source && !unchanged(graph, x) {
        vec![Recipe::minus(Recipe::new(x), Recipe::delta(x))]
    } else {
        vec![]
    }
}

/// `New(x) = Old(x) ⊎ Delta(x)`, where Old is stored (a base table's New can be read itself). The delta is consolidated (as it is for the
/// store anyway), so that what reads it sees rows of either epoch only.
pub fn new_kept(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::New = &*term.op else { return vec![] };
    let x = term.inputs[0];
    let table = terms(graph, x).any(|t| matches!(&*t.op, Op::Source(_)));
    if graph[x].data.kept && !table && !unchanged(graph, x) {
        let delta = Recipe::consolidate(Recipe::delta(x));
        vec![Recipe::plus([Recipe::old(x), delta])]
    } else {
        vec![]
    }
}

/// `New(f(x…)) = f(New(x)…)`. A kept collection is read from the store instead: computing it anew
/// could show another of several right answers (an image of equal keys, a float sum).
pub fn new_distributes(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::New = &*term.op else { return vec![] };
    let x = term.inputs[0];
    if graph[x].data.kept {
        return vec![];
    }
    terms(graph, x)
        .filter(|t| of_query(&t.op))
        .map(|t| {
            let safe = safe_on_ghosts(graph, &t.op);
            let pairs = matches!(&*t.op, Op::Semi(_) | Op::Anti(_));
            let new = |i: &Id| match safe {
                true => Recipe::new(*i),
                false if pairs && graph[*i].data.kept => Recipe::consolidate(Recipe::new(*i)),
                false => new_without_ghosts(graph, *i),
            };
            let inputs = t.inputs.iter().map(new).collect();
            Recipe::Apply((*t.op).clone(), inputs)
        })
        .collect()
}

/// `New(x)`, for expressions that may raise. A stored collection is new as a sum, of which each row
/// was there in one epoch at least; but what it was joined with may be of the other.
pub fn new_without_ghosts(graph: &Graph, x: Id) -> Recipe {
    let facts = &graph[x].data;
    match facts.reads_state && !facts.kept && !unchanged(graph, x) {
        true => Recipe::consolidate(Recipe::new(x)),
        false => Recipe::new(x),
    }
}

/// `Old(f(x…)) = f(Old(x)…)`. The old content of a base table is a difference, and a join of
/// differences holds ghost rows: expressions that may raise are evaluated above `Consolidate`.
pub fn old_distributes(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Old = &*term.op else { return vec![] };
    let x = term.inputs[0];
    if graph[x].data.kept || unchanged(graph, x) {
        return vec![];
    }
    terms(graph, x)
        .filter(|t| of_query(&t.op))
        .filter_map(|t| {
            let safe = safe_on_ghosts(graph, &t.op);
            if !safe && matches!(&*t.op, Op::Join(_)) && t.inputs.len() != 1 {
                // `join_hoist` offers the same join with a filter above it.
                return None;
            }
            let fence = |r: Recipe| if safe { r } else { Recipe::consolidate(r) };
            let inputs = t.inputs.iter().map(|i| fence(Recipe::old(*i))).collect();
            Some(Recipe::Apply((*t.op).clone(), inputs))
        })
        .collect()
}

/// Operators over collections of one epoch, other than `Source`, and `Left`, which is a sum.
fn of_query(op: &Op) -> bool {
    matches!(
        op,
        Op::Constant(_)
            | Op::Map(_)
            | Op::Filter(_)
            | Op::Join(_)
            | Op::Semi(_)
            | Op::Anti(_)
            | Op::Plus
            | Op::Neg
            | Op::Distinct
            | Op::Aggregate(_)
            | Op::TopK(_)
            | Op::Window(_)
            | Op::Repeat(_)
            | Op::FlatMap(_)
            | Op::Closure(_)
    )
}

/// Can the expressions of this operator be evaluated on any row at all?
pub fn safe_on_ghosts(graph: &Graph, op: &Op) -> bool {
    let catalog = graph.analysis.catalog;
    match op {
        Op::Map(exprs) | Op::Join(exprs) | Op::Semi(exprs) | Op::Anti(exprs) | Op::Left(exprs) => {
            exprs.iter().all(|e| error_free(e, catalog))
        }
        Op::Filter(predicate) => error_free(predicate, catalog),
        Op::Repeat(times) => error_free(times, catalog),
        Op::FlatMap(f) => flat_map_error_free(f, catalog),
        // What window functions and aggregates raise by themselves, offsets of frames included, they
        // may raise on other groups than there are.
        Op::Window(w) => w.exprs().all(|e| error_free(e, catalog)) && w.raises_nothing(),
        Op::Closure(c) => {
            let safe = |e: &Expr| error_free(e, catalog);
            let mut links = c.links.iter();
            let links = links.all(|link| match link {
                Link::FlatMap(f) => flat_map_error_free(f, catalog),
                link => link.exprs().into_iter().all(safe),
            });
            links && c.map.iter().all(safe)
        }
        Op::TopK(TopK { order, .. })
        | Op::Reserve(Reserve { order, .. })
        | Op::ReserveStep(Reserve { order, .. })
        | Op::Short(Reserve { order, .. }) => order.iter().all(|k| error_free(&k.expr, catalog)),
        Op::Aggregate(a) => a.aggs.iter().all(|agg| {
            agg.args.iter().all(|e| error_free(e, catalog))
                && agg.filter.iter().all(|e| error_free(e, catalog))
                && agg.order_by.iter().all(|k| error_free(&k.expr, catalog))
        }),
        _ => true,
    }
}
