//! `left`: an inner join, and what has no match, padded with NULL.

use super::filter::{above, split};
use super::map::compose;
use super::{terms, width};
use crate::rewrite::predicate::{conjunction, error_free};
use crate::rewrite::term::{Graph, Recipe, Term};
use egg::Id;
use spec::expr::ExprKind;
use spec::{Expr, Op};
use std::ops::Range;

fn left_join(on: Vec<Expr>, x: impl Into<Recipe>, y: impl Into<Recipe>) -> Recipe {
    Recipe::Apply(Op::Left(on), vec![x.into(), y.into()])
}

/// The columns of x, then NULL for each column of y.
fn padded(graph: &Graph, x: Id, y: Id) -> Option<Vec<Expr>> {
    let (left, right) = (&graph[x].data.types, &graph[y].data.types);
    let own = Expr::of_columns(left.as_ref()?, 0);
    let nulls = right.as_ref()?.iter().map(|t| Expr::null(t.ty));
    Some(own.chain(nulls).collect())
}

/// `x ⟕ y = (x ⋈ y) ⊎ pad(x ▷ y)`
pub fn expand(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Left(on) = &*term.op else {
        return vec![];
    };
    let (x, y) = (term.inputs[0], term.inputs[1]);
    let Some(padded) = padded(graph, x, y) else {
        return vec![];
    };
    let alone = Recipe::Apply(Op::Anti(on.clone()), vec![x.into(), y.into()]);
    vec![Recipe::plus([
        Recipe::join(on.clone(), [x, y]),
        Recipe::map(padded, alone),
    ])]
}

/// Is the predicate not true of any row that has NULL in these columns?
fn drops_padded(p: &Expr, padded: Range<usize>) -> bool {
    p.rejects_null().iter().any(|c| padded.contains(c))
}

/// `σp (x ⟕c y) = σp (x ⋈c y)` for p that is not true where columns of y are NULL.
pub fn strict_filter(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Filter(p) = &*term.op else {
        return vec![];
    };
    terms(graph, term.inputs[0])
        .filter_map(|t| {
            let Op::Left(on) = &*t.op else { return None };
            let (x, y) = (t.inputs[0], t.inputs[1]);
            drops_padded(p, width(graph, x)..width(graph, term.inputs[0]))
                .then(|| Recipe::filter(p.clone(), Recipe::join(on.clone(), [x, y])))
        })
        .collect()
}

/// `⋈c (x ⟕d y, z) = ⋈c (x ⋈d y, z)` for c that is not true where columns of y are NULL.
pub fn strict_join(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Join(on) = &*term.op else {
        return vec![];
    };
    let offsets = super::offsets(graph, &term.inputs);
    let mut out = vec![];
    for (i, input) in term.inputs.iter().enumerate() {
        for t in terms(graph, *input) {
            let Op::Left(inner) = &*t.op else { continue };
            let (x, y) = (t.inputs[0], t.inputs[1]);
            let padded = offsets[i] + width(graph, x)..offsets[i] + width(graph, *input);
            if !on.iter().any(|c| drops_padded(c, padded.clone())) {
                continue;
            }
            let mut inputs: Vec<Recipe> = term.inputs.iter().map(|x| (*x).into()).collect();
            inputs[i] = Recipe::join(inner.clone(), [x, y]);
            out.push(Recipe::join(on.clone(), inputs));
        }
    }
    out
}

/// `σ(y.k IS NULL) (x ⟕c y) = pad(x ▷c y)` for a k that is NOT NULL in every match.
pub fn as_anti(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Filter(p) = &*term.op else {
        return vec![];
    };
    terms(graph, term.inputs[0])
        .filter_map(|t| {
            let Op::Left(on) = &*t.op else { return None };
            let (x, y) = (t.inputs[0], t.inputs[1]);
            let n = width(graph, x);
            let types = graph[y].data.types.clone()?;
            let strict: Vec<usize> = on.iter().flat_map(|c| c.rejects_null()).collect();
            let tells = |c: &Expr| match c.kind() {
                ExprKind::IsNull {
                    arg,
                    negated: false,
                    ..
                } => arg
                    .as_column()
                    .is_some_and(|c| c >= n && (!types[c - n].nullable || strict.contains(&c))),
                _ => false,
            };
            let (_, rest) = split(p, tells)?;
            let alone = Recipe::Apply(Op::Anti(on.clone()), vec![x.into(), y.into()]);
            Some(above(rest, Recipe::map(padded(graph, x, y)?, alone)))
        })
        .collect()
}

/// `σp (x ⟕ y) = σp x ⟕ y` for p that reads x only: each row of x comes out, so that p meets the
/// same rows, raise or not.
pub fn filter_below(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Filter(p) = &*term.op else {
        return vec![];
    };
    terms(graph, term.inputs[0])
        .filter_map(|t| {
            let Op::Left(on) = &*t.op else { return None };
            let (x, y) = (t.inputs[0], t.inputs[1]);
            let n = width(graph, x);
            let sinks = |c: &Expr| c.columns().iter().all(|c| *c < n);
            let (down, up) = split(p, sinks)?;
            let x = Recipe::filter(conjunction(down), x);
            Some(above(up, left_join(on.clone(), x, y)))
        })
        .collect()
}

/// `x ⟕(c ∧ p) y = x ⟕c σp y` for p that reads y only, and cannot raise.
pub fn push(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Left(on) = &*term.op else {
        return vec![];
    };
    let (x, y) = (term.inputs[0], term.inputs[1]);
    let catalog = graph.analysis.catalog;
    let n = width(graph, x);
    let sinks = |c: &Expr| {
        let columns = c.columns();
        error_free(c, catalog) && !columns.is_empty() && columns.iter().all(|c| *c >= n)
    };
    let (down, keep): (Vec<_>, Vec<_>) = on.iter().cloned().partition(sinks);
    if down.is_empty() {
        return vec![];
    }
    let down = down.iter().map(|c| c.remap(&mut |c| c - n)).collect();
    vec![left_join(keep, x, Recipe::filter(conjunction(down), y))]
}

/// `map f x ⟕c y = map (f, y) (x ⟕(c ∘ f) y)`; of y, only a map of plain columns, which makes NULL
/// of NULL. So that joins meet, and keys are columns.
pub fn above_map(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Left(on) = &*term.op else {
        return vec![];
    };
    let (x, y) = (term.inputs[0], term.inputs[1]);
    let catalog = graph.analysis.catalog;
    let n = width(graph, x);
    let (Some(left), Some(right)) = (&graph[x].data.types, &graph[y].data.types) else {
        return vec![];
    };
    let used: Vec<usize> = on.iter().flat_map(|c| c.columns()).collect();
    let mut out = vec![];
    for t in terms(graph, x) {
        let Op::Map(exprs) = &*t.op else { continue };
        let usable = |c: &usize| exprs.get(*c).is_some_and(|e| error_free(e, catalog));
        if graph.find(t.inputs[0]) == graph.find(x) || !used.iter().filter(|c| **c < n).all(usable)
        {
            continue;
        }
        let m = width(graph, t.inputs[0]);
        let theirs = Expr::of_columns(right, m);
        let columns: Vec<Expr> = exprs.iter().cloned().chain(theirs).collect();
        let on = on.iter().map(|c| compose(c, &columns)).collect();
        out.push(Recipe::map(columns, left_join(on, t.inputs[0], y)));
    }
    for t in terms(graph, y) {
        let Op::Map(exprs) = &*t.op else { continue };
        if graph.find(t.inputs[0]) == graph.find(y) || exprs.iter().any(|e| e.as_column().is_none())
        {
            continue;
        }
        let theirs = exprs.iter().map(|e| e.remap(&mut |c| c + n));
        let columns: Vec<Expr> = Expr::of_columns(left, 0).chain(theirs).collect();
        let on = on.iter().map(|c| compose(c, &columns)).collect();
        out.push(Recipe::map(columns, left_join(on, x, t.inputs[0])));
    }
    out
}
