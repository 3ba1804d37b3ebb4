//! `window`, where the value on a row is told by the rows before it and a few behind it: of a
//! partition only what follows the first row that changes is looked at again.
//!
//! ```text
//! Delta(f W x) = f WindowStep(New x ≥ p, c, b) − (Old(f W x) ≥ p)
//!
//! p   the first place of each partition in Delta x, and before it as many rows as W looks ahead
//! c   what W says of the last row before p, from the store
//! b   as many rows of New x before p as W looks back at
//! ```
//!
//! Before p nothing changed, so that Old and New of it are one: b may be of either, and is of the store
//! where x is stored. f are maps, which show what c needs.
//! A place is a value of the first key of the order: rows that it does not tell apart, peers among
//! them, are never torn apart.

use super::epoch::{new_without_ghosts, safe_on_ghosts};
use super::shown::{Shown, shown};
use super::{offsets, owner, terms, width};
use crate::rewrite::term::{Graph, Recipe, Term};
use egg::Id;
use spec::catalog::Catalog;
use spec::eval::window::{Kind, kind};
use spec::fold::COUNT_ROWS;
use spec::op::{Last, SortKey, Suffix, TopK};
use spec::types::{ColType, SqlType, oids};
use spec::window::{Carry, FrameMode, Reach, Window, WindowCall, WindowStep};
use spec::{Expr, Op};

pub fn delta(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Delta = &*term.op else { return vec![] };
    let x = term.inputs[0];
    let mut out = vec![];
    for (step, shown) in stepped(graph, x) {
        let y = shown.term.inputs[0];
        let safe = safe_on_ghosts(graph, &shown.term.op);
        let new = match safe {
            true => Recipe::new(y),
            false => new_without_ghosts(graph, y),
        };
        out.push(step.delta(graph, x, &shown, new.clone(), &new));
        if step.step.near() != (0, 0) {
            let old = match safe {
                true => Recipe::old(y),
                false => Recipe::consolidate(Recipe::old(y)),
            };
            out.push(step.delta(graph, x, &shown, new, &old));
        }
    }
    out
}

/// Is this window, below x, computed again from the first row on that changes?
pub(super) fn is_stepped(graph: &Graph, x: Id, window: &Term) -> bool {
    stepped(graph, x)
        .iter()
        .any(|(_, shown)| shown.term == window)
}

fn stepped<'g>(graph: &'g Graph, x: Id) -> Vec<(Step, Shown<'g>)> {
    if !graph[x].data.kept {
        return vec![];
    }
    let mut out = vec![];
    for shown in shown(graph, x, |t| Some(Step::of(graph, t)?.read)) {
        if shown.is_mapped()
            && let Some(step) = Step::of(graph, shown.term)
        {
            out.push((step, shown));
        }
    }
    out
}

struct Step {
    step: WindowStep,
    /// The first key of the order.
    place: usize,
    /// The columns of the window that must come out: the keys of the partition, the columns of the
    /// order, what is carried.
    read: Vec<usize>,
    /// A call, with which the order is total where what is carried asks for that.
    position: Option<usize>,
    /// What is carried asks how many rows are tied with the last one.
    ties: bool,
}

impl Step {
    fn of(graph: &Graph, term: &Term) -> Option<Step> {
        let Op::Window(w) = &*term.op else {
            return None;
        };
        let catalog = graph.analysis.catalog;
        let types = graph[term.inputs[0]].data.types.as_deref()?;
        let place = place(w, types, catalog)?;
        let reach: Vec<Reach> = w
            .calls
            .iter()
            .map(|c| c.reach(catalog))
            .collect::<Option<_>>()?;
        let calls = || w.calls.iter().zip(&reach).enumerate();
        let mut read = w.partition.clone();
        read.push(place);
        let mut position = None;
        if calls().any(|(_, (_, r))| matches!(r, Reach::Carried(_))) {
            for key in &w.order {
                read.push(key.expr.as_column()?);
            }
            let torn = calls().any(|(_, (c, r))| {
                c.by_image && matches!(r, Reach::Carried(carry) if *carry != Carry::First)
            });
            // Of what is said of one of several tied rows, the last in a row is carried.
            if torn {
                let counting = calls().find(|(_, (c, r))| counts_rows(c, r));
                position = Some(counting?.0);
            }
        }
        for (i, (_, r)) in calls() {
            if matches!(r, Reach::Carried(_)) {
                read.push(types.len() + i);
            }
        }
        Some(Step {
            ties: w.calls.iter().any(|c| kind(c.function) == Some(Kind::Rank)),
            step: WindowStep {
                window: w.clone(),
                reach,
            },
            place,
            read,
            position,
        })
    }

    /// Of `new`, where rows before the places are looked up in `either`.
    fn delta(&self, graph: &Graph, x: Id, shown: &Shown, new: Recipe, either: &Recipe) -> Recipe {
        let w = &self.step.window;
        let y = shown.term.inputs[0];
        let n = w.partition.len();
        let at: Vec<usize> = w.partition.iter().copied().chain([self.place]).collect();
        let last = |keys: Vec<usize>, limit: u64| Last {
            keys,
            order: w.order.clone(),
            limit,
            ties: None,
            total: !w.is_open(),
        };
        let before = |limit: u64, places: &Recipe| {
            let last = Op::Last(last(w.partition.clone(), limit));
            Recipe::Apply(last, vec![either.clone(), places.clone()])
        };
        // The places.
        let touched = Recipe::touched(at.clone(), Recipe::delta(y));
        let first = Op::TopK(TopK {
            keys: (0..n).collect(),
            order: vec![SortKey {
                expr: Expr::column(n, w.order[0].expr.ty()),
                ..w.order[0].clone()
            }],
            offset: 0,
            limit: Some(1),
            with_ties: false,
            total: true,
        });
        let mut places = Recipe::unary(first.clone(), touched.clone());
        let (back, ahead) = self.step.near();
        if ahead > 0 {
            let earlier = Recipe::touched(at.clone(), before(ahead, &places));
            places = Recipe::unary(first, Recipe::plus([touched, earlier]));
        }
        // Where the columns of the window come out.
        let shows = |column: usize| shown.place(&self.read, column);
        let keys: Vec<usize> = w.partition.iter().map(|c| shows(*c)).collect();
        let sort = |key: &SortKey| SortKey {
            expr: key.expr.remap(&mut |c| shows(c)),
            ..key.clone()
        };
        let old = Recipe::old(x);
        let cut = Op::Suffix(Suffix {
            keys: keys.clone(),
            by: sort(&w.order[0]),
        });
        let old_rows = Recipe::Apply(cut, vec![old.clone(), places.clone()]);
        let types = graph[y].data.types.as_deref().unwrap_or_default();
        let carried = match self
            .step
            .reach
            .iter()
            .any(|r| matches!(r, Reach::Carried(_)))
        {
            true => self.carried(graph, types, keys, shown, &places, old),
            false => Recipe::zero(&carried_types(w, types)),
        };
        let before = match back {
            0 => Recipe::zero(types),
            _ => before(back, &places),
        };
        let cut = Op::Suffix(Suffix {
            keys: w.partition.clone(),
            by: w.order[0].clone(),
        });
        let rows = Recipe::Apply(cut, vec![new, places]);
        let step = Op::WindowStep(self.step.clone());
        let new_rows = shown.above(Recipe::Apply(step, vec![rows, carried, before]));
        Recipe::minus(new_rows, old_rows)
    }

    /// The keys of each partition, what is carried of each call, and how many rows are tied.
    fn carried(
        &self,
        graph: &Graph,
        types: &[ColType],
        keys: Vec<usize>,
        shown: &Shown,
        places: &Recipe,
        old: Recipe,
    ) -> Recipe {
        let w = &self.step.window;
        let catalog = graph.analysis.catalog;
        let shows = |column: usize| shown.place(&self.read, column);
        let mut order: Vec<SortKey> = w.order.clone();
        for key in &mut order {
            key.expr = key.expr.remap(&mut |c| shows(c));
        }
        let ties = self.ties.then_some(order.len());
        let number = SqlType::new(oids::INT8);
        if let Some(call) = self.position
            && let Some(equality) = catalog.equality(oids::INT8)
        {
            order.push(SortKey {
                expr: Expr::column(shows(types.len() + call), number),
                operator: equality.lt,
                nulls_first: false,
            });
        }
        let mut exprs: Vec<Expr> = vec![];
        for (c, key) in w.partition.iter().zip(&keys) {
            exprs.push(Expr::column(*key, types[*c].ty));
        }
        let calls = w.calls.iter().zip(&self.step.reach).enumerate();
        exprs.extend(calls.map(|(i, (call, reach))| match reach {
            Reach::Carried(_) => Expr::column(shows(types.len() + i), call.ty),
            Reach::Near { .. } => Expr::null(call.ty),
        }));
        exprs.push(match ties {
            Some(_) => Expr::column(shown.width(), number),
            None => Expr::null(number),
        });
        // Whatever is tied then is the same in all that is read of it.
        let last = Op::Last(Last {
            keys,
            order,
            limit: 1,
            ties,
            total: true,
        });
        Recipe::map(exprs, Recipe::Apply(last, vec![old, places.clone()]))
    }
}

fn carried_types(w: &Window, types: &[ColType]) -> Vec<ColType> {
    let keys = w.partition.iter().map(|c| types[*c]);
    let of = |ty| ColType { ty, nullable: true };
    let calls = w.calls.iter().map(|c| of(c.ty));
    keys.chain(calls)
        .chain([of(SqlType::new(oids::INT8))])
        .collect()
}

/// Does it number the rows of a partition one by one?
fn counts_rows(call: &WindowCall, reach: &Reach) -> bool {
    let counts = call.function == COUNT_ROWS
        && call.filter.is_none()
        && call.frame.mode == FrameMode::Rows
        && matches!(reach, Reach::Carried(_));
    counts || kind(call.function) == Some(Kind::RowNumber)
}

/// The column that places are values of: the first key of the order, if it sorts as an index does that
/// says nothing of its order, read forwards or backwards.
fn place(w: &Window, types: &[ColType], catalog: &Catalog) -> Option<usize> {
    let by = w.order.first()?;
    let column = by.expr.as_column()?;
    let ty = by.expr.ty();
    let equality = catalog.equality(ty.oid)?;
    let descends = match by.operator {
        o if o == equality.lt => false,
        o if o == equality.gt => true,
        _ => return None,
    };
    let has_opposite = catalog.operator(by.operator)?.negator.is_valid();
    let nulls_as_usual = by.nulls_first == descends || !types.get(column)?.nullable;
    let fits = has_opposite
        && nulls_as_usual
        && !catalog.type_collation(ty.oid).is_valid()
        && !w.partition.contains(&column);
    fits.then_some(column)
}

/// The parts of a suffix of something that is worth cutting.
fn parts<'t>(graph: &Graph, term: &'t Term) -> Option<(&'t Suffix, Id, Id)> {
    match &*term.op {
        Op::Suffix(s) if !graph[term.inputs[0]].data.small => {
            Some((s, term.inputs[0], term.inputs[1]))
        }
        _ => None,
    }
}

/// Commutes with whatever a filter on the keys and the place commutes with, if all of them are there
/// below.
pub fn below(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Some((s, x, places)) = parts(graph, term) else {
        return vec![];
    };
    let Some(by) = s.by.expr.as_column() else {
        return vec![];
    };
    // The suffix of an input, in which the columns stand elsewhere.
    let cut = |input: Id, place: &dyn Fn(usize) -> Option<usize>| -> Option<Recipe> {
        let keys = s.keys.iter().map(|c| place(*c)).collect::<Option<_>>()?;
        let suffix = Suffix {
            keys,
            by: SortKey {
                expr: Expr::column(place(by)?, s.by.expr.ty()),
                ..s.by.clone()
            },
        };
        Some(Recipe::Apply(
            Op::Suffix(suffix),
            vec![input.into(), places.into()],
        ))
    };
    let mut out = vec![];
    for t in terms(graph, x) {
        let op = &*t.op;
        let here = |place: &dyn Fn(usize) -> Option<usize>| -> Option<Recipe> {
            let mut inputs: Vec<Recipe> = t.inputs.iter().map(|i| (*i).into()).collect();
            inputs[0] = cut(t.inputs[0], place)?;
            Some(Recipe::Apply(op.clone(), inputs))
        };
        match op {
            Op::Map(exprs) => out.extend(here(&|c| exprs.get(c)?.as_column())),
            Op::Filter(_) | Op::Neg | Op::Consolidate | Op::Repeat(_) => {
                out.extend(here(&Some));
            }
            Op::Semi(_) | Op::Anti(_) => out.extend(here(&Some)),
            Op::Plus => {
                let inputs = t.inputs.iter().map(|i| cut(*i, &Some));
                out.extend(inputs.collect::<Option<Vec<_>>>().map(Recipe::plus));
            }
            Op::FlatMap(_) => {
                let n = width(graph, t.inputs[0]);
                out.extend(here(&|c| Some(c).filter(|c| *c < n)));
            }
            Op::Aggregate(a) if !a.keys.is_empty() => {
                out.extend(here(&|c| a.keys.get(c).copied()));
            }
            Op::Join(on) => {
                let at = offsets(graph, &t.inputs);
                for (i, input) in t.inputs.iter().enumerate() {
                    if graph[*input].data.small {
                        continue;
                    }
                    let place = |c: usize| (owner(&at, c) == i).then(|| c - at[i]);
                    let Some(suffix) = cut(*input, &place) else {
                        continue;
                    };
                    let mut inputs: Vec<Recipe> = t.inputs.iter().map(|x| (*x).into()).collect();
                    inputs[i] = suffix;
                    out.push(Recipe::join(on.clone(), inputs));
                }
            }
            _ => {}
        }
    }
    out
}

/// `Suffix(x, p) = Suffix(x ⋉ keys of p, p)`, and so `Last`: where the place is not there below, the
/// groups are.
pub fn probed(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let keys = match &*term.op {
        Op::Suffix(s) => &s.keys,
        Op::Last(l) => &l.keys,
        _ => return vec![],
    };
    let (x, places) = (term.inputs[0], term.inputs[1]);
    if keys.is_empty() || graph[x].data.small {
        return vec![];
    }
    let groups = Recipe::touched((0..keys.len()).collect(), places);
    let probe = Recipe::probe(keys.clone(), x, groups);
    vec![Recipe::Apply(
        (*term.op).clone(),
        vec![probe, places.into()],
    )]
}
