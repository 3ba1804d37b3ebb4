//! `distinct`: counted, where groups are told apart by image; gone, where keys prove a set;
//! else recomputed for what was touched.

use super::{terms, width};
use crate::rewrite::term::{Graph, Recipe, Term};
use spec::compiled::Dependency;
use spec::fold::COUNT_ROWS;
use spec::op::{AggCall, Aggregate};
use spec::types::{Oid, SqlType, oids};
use spec::{Expr, Op};
use std::collections::BTreeSet;

/// `distinct x = x` where x is a set.
pub fn of_set(graph: &Graph, term: &Term) -> Vec<Recipe> {
    match &*term.op {
        Op::Distinct if graph[term.inputs[0]].data.is_set() => vec![term.inputs[0].into()],
        _ => vec![],
    }
}

/// The key that proves it.
pub fn set_relies_on(graph: &Graph, term: &Term) -> BTreeSet<Dependency> {
    let key = graph[term.inputs[0]].data.keys.first();
    key.map(|k| k.because.clone()).unwrap_or_default()
}

/// `count(*)`.
pub fn count_rows() -> AggCall {
    AggCall {
        function: COUNT_ROWS,
        args: vec![],
        variadic: false,
        distinct: false,
        order_by: vec![],
        filter: None,
        ty: SqlType::new(oids::INT8),
        collation: Oid::INVALID,
        nullable: false,
    }
}

/// `distinct x = π(γ(all columns; count(*)) x)` where that folds: equal rows have equal images.
/// (Over no columns it does not: that group would be there over nothing.)
pub fn as_aggregate(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Distinct = &*term.op else {
        return vec![];
    };
    let x = term.inputs[0];
    let facts = &graph[x].data;
    let Some(types) = &facts.types else {
        return vec![];
    };
    let aggregate = Aggregate {
        keys: (0..types.len()).collect(),
        aggs: vec![count_rows()],
    };
    // A negative multiplicity would be a group of its own.
    let countable = facts.nonnegative
        && !types.is_empty()
        && aggregate.folding(types, graph.analysis.catalog).is_some();
    if !countable {
        return vec![];
    }
    let columns = Expr::of_columns(types, 0).collect();
    vec![Recipe::map(columns, Recipe::aggregate(aggregate, x))]
}

/// `Delta(distinct x) = distinct(New x ⋉ K) − (Old(distinct x) ⋉ K)`, K the touched rows. The old
/// rows come from the store, so that of several equal images the one shown is retracted.
pub fn delta(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Delta = &*term.op else { return vec![] };
    let x = term.inputs[0];
    if !graph[x].data.kept {
        return vec![];
    }
    terms(graph, x)
        .filter(|t| matches!(&*t.op, Op::Distinct))
        .map(|t| {
            let y = t.inputs[0];
            let all: Vec<usize> = (0..width(graph, y)).collect();
            let keys = Recipe::touched(all.clone(), Recipe::delta(y));
            let new = Recipe::probe(all.clone(), Recipe::new(y), keys.clone());
            let old = Recipe::probe(all, Recipe::old(x), keys);
            Recipe::minus(Recipe::unary(Op::Distinct, new), old)
        })
        .collect()
}
