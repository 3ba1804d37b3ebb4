//! `closure`: what a change of the seed or of what is stepped along takes away and adds.
//!
//! Let T be a step with what it goes along as it was, as it is, or as far as both epochs share it. It
//! is linear in its rows, and so is what it has of one epoch only:
//!
//! ```text
//! T_old(r) = T_c(r) ⊎ T⁻(r)        T_new(r) = T_c(r) ⊎ T⁺(r)
//! ```
//!
//! For a join with x these are steps along `x_c = New(x) − Δ⁺(x) = Old(x) − Δ⁻(x)`, Δ⁻(x) and Δ⁺(x). A
//! left join pads a row that has no match, so that what comes takes from it and what goes adds to it:
//!
//! ```text
//! T_c(r) = (r ⋈ y_c) ⊎ pad(r ▷ New y ▷ y⁻)
//! T⁻(r)  = (r ⋈ y⁻)  ⊎ pad((r ⋉ y⁺) ▷ Old y)
//! T⁺(r)  = (r ⋈ y⁺)  ⊎ pad((r ⋉ y⁻) ▷ New y)
//! ```
//!
//! Of several links, T⁻ is the sum of what each of them has alone, those before it as both epochs share
//! them, and those behind it as they were. All that is followed is not negative, so that following it
//! ends where the query does.

use super::{terms, unchanged, width};
use crate::rewrite::predicate::conjunction;
use crate::rewrite::term::{Graph, Recipe, Term};
use egg::Id;
use spec::expr::{BoolTest, ExprKind};
use spec::op::{Closure, Link};
use spec::types::{ColType, SqlType, oids};
use spec::{Expr, Op};

const BOOL: SqlType = SqlType::new(oids::BOOL);

/// A closure in the circuit of a query.
struct Found<'g, 'c> {
    graph: &'g Graph<'c>,
    c: &'g Closure,
    seed: Id,
    /// What the links go along.
    along: &'g [Id],
}

/// What a link goes along.
enum Side {
    All(Recipe),
    /// What both epochs share.
    Shared(Id),
    Alone(Box<Alone>),
}

/// What one epoch has alone.
struct Alone {
    /// Its rows.
    all: Recipe,
    /// Those among them that only it has.
    own: Recipe,
    /// What only the other one has.
    others: Recipe,
}

/// What came.
fn come(x: impl Into<Recipe>) -> Recipe {
    Recipe::unary(Op::Positive, Recipe::delta(x))
}

/// What went away.
fn gone(x: impl Into<Recipe>) -> Recipe {
    Recipe::unary(Op::Positive, Recipe::neg(Recipe::delta(x)))
}

fn shared(x: Id) -> Recipe {
    Recipe::minus(Recipe::new(x), come(x))
}

fn sum(mut parts: Vec<Recipe>) -> Recipe {
    match parts.len() {
        1 => parts.remove(0),
        _ => Recipe::plus(parts),
    }
}

impl<'g, 'c> Found<'g, 'c> {
    fn all(graph: &'g Graph<'c>, x: Id, distinct: bool) -> impl Iterator<Item = Found<'g, 'c>> {
        let found = terms(graph, x).filter_map(move |t| match (&*t.op, t.inputs.split_first()) {
            (Op::Closure(c), Some((seed, along))) if !c.change && along.len() == c.inputs() => {
                Some(Found {
                    graph,
                    c,
                    seed: *seed,
                    along,
                })
            }
            _ => None,
        });
        found.filter(move |found| found.c.distinct == distinct)
    }

    fn types(&self, x: Id) -> &[ColType] {
        self.graph[x].data.types.as_deref().unwrap_or_default()
    }

    fn is_changed(&self, x: Id) -> bool {
        !unchanged(self.graph, x)
    }

    fn whole(&self, epoch: fn(Id) -> Recipe) -> Vec<Side> {
        let along = self.along.iter();
        along
            .map(|x| match self.is_changed(*x) {
                true => Side::All(epoch(*x)),
                false => Side::All(Recipe::new(*x)),
            })
            .collect()
    }

    /// What a step makes of rows.
    fn step(&self, rows: Recipe, sides: Vec<Side>) -> Recipe {
        let mut sides = sides.into_iter().zip(self.along);
        let mut types = self.c.types.clone();
        let mut rows = rows;
        for link in &self.c.links {
            rows = match link {
                Link::Join(on) | Link::Left(on) => {
                    let Some((side, x)) = sides.next() else {
                        return rows;
                    };
                    let of_x = self.types(*x);
                    let padded: Vec<Expr> = Expr::of_columns(&types, 0)
                        .chain(of_x.iter().map(|c| Expr::null(c.ty)))
                        .collect();
                    types.extend(of_x);
                    let is_left = matches!(link, Link::Left(_));
                    beside(on, rows, side, is_left.then_some(padded))
                }
                Link::FlatMap(f) => {
                    types.extend(f.made());
                    Recipe::unary(Op::FlatMap(f.clone()), rows)
                }
                Link::Filter(on) => Recipe::filter(conjunction(on.clone()), rows),
            };
        }
        Recipe::map(self.c.map.clone(), rows)
    }

    /// What a step has in one epoch alone, for each link that has such a part.
    fn steps_alone(
        &self,
        rows: &Recipe,
        epoch: fn(Id) -> Recipe,
        own: fn(Id) -> Recipe,
        others: fn(Id) -> Recipe,
    ) -> Vec<Recipe> {
        let mut out = vec![];
        for (i, x) in self.along.iter().enumerate() {
            if !self.is_changed(*x) {
                continue;
            }
            let mut sides = self.whole(epoch);
            for (side, before) in sides.iter_mut().zip(&self.along[..i]) {
                if self.is_changed(*before) {
                    *side = Side::Shared(*before);
                }
            }
            sides[i] = Side::Alone(Box::new(Alone {
                all: epoch(*x),
                own: own(*x),
                others: others(*x),
            }));
            out.push(self.step(rows.clone(), sides));
        }
        out
    }

    /// What is reached along what is there now.
    fn reached(&self, seed: Vec<Recipe>, barrier: Vec<Recipe>) -> Recipe {
        let along = self.along.iter().map(|x| Recipe::new(*x));
        let inputs = std::iter::once(sum(seed)).chain(along).chain(barrier);
        let closure = Closure {
            change: true,
            ..self.c.clone()
        };
        Recipe::Apply(Op::Closure(closure), inputs.collect())
    }

    /// What is reached along what both epochs share. Of a left join, all rows of either epoch are
    /// there to be met, and those of one alone are told by a column, so that they go again.
    fn reached_as_before(&self, seed: Vec<Recipe>) -> Recipe {
        let widths = self.along.iter().map(|x| width(self.graph, *x));
        let joined: Vec<_> = self.c.joined(widths).collect();
        let mut inputs = vec![sum(seed)];
        // Of the links with an input, where their columns end if one follows that tells.
        let mut tells = vec![];
        for (x, (link, columns)) in self.along.iter().zip(&joined) {
            let told = matches!(link, Link::Left(_)) && self.is_changed(*x);
            tells.push(told.then_some(columns.end));
            inputs.push(match (told, self.is_changed(*x)) {
                (true, _) => {
                    let told = |is: &str, rows: Recipe| {
                        let own = Expr::of_columns(self.types(*x), 0);
                        let exprs = own.chain([Expr::literal(is, BOOL)]).collect();
                        Recipe::map(exprs, rows)
                    };
                    Recipe::plus([
                        told("t", shared(*x)),
                        told("f", come(*x)),
                        told("f", gone(*x)),
                    ])
                }
                (false, true) => shared(*x),
                (false, false) => Recipe::new(*x),
            });
        }
        let place = |at: usize| at + tells.iter().flatten().filter(|end| **end <= at).count();
        let moved = self.c.over(&place);
        let mut links = vec![];
        let mut ends = tells.iter();
        let mut before = 0;
        for link in moved.links {
            let end = match link.reads_input() {
                true => ends.next().copied().flatten(),
                false => None,
            };
            links.push(link);
            if let Some(end) = end {
                let kind = ExprKind::BoolTest {
                    arg: Expr::column(end + before, BOOL),
                    test: BoolTest::IsNotFalse,
                };
                links.push(Link::Filter(vec![Expr::new(kind, BOOL)]));
                before += 1;
            }
        }
        let closure = Closure {
            links,
            map: moved.map,
            change: true,
            ..self.c.clone()
        };
        Recipe::Apply(Op::Closure(closure), inputs)
    }
}

/// Rows beside those of a side; `padded`: where there is none, as these.
fn beside(on: &[Expr], rows: Recipe, side: Side, padded: Option<Vec<Expr>>) -> Recipe {
    let half =
        |op: fn(Vec<Expr>) -> Op, x: Recipe, y: Recipe| Recipe::Apply(op(on.to_vec()), vec![x, y]);
    let there = match &side {
        Side::All(y) => y.clone(),
        Side::Shared(y) => shared(*y),
        Side::Alone(alone) => alone.own.clone(),
    };
    let joined = Recipe::join(on.to_vec(), [rows.clone(), there]);
    let Some(padded) = padded else {
        return joined;
    };
    let alone = match side {
        Side::All(y) => half(Op::Anti, rows, y),
        Side::Shared(y) => half(Op::Anti, half(Op::Anti, rows, Recipe::new(y)), gone(y)),
        Side::Alone(alone) => half(Op::Anti, half(Op::Semi, rows, alone.others), alone.all),
    };
    Recipe::plus([joined, Recipe::map(padded, alone)])
}

/// ```text
/// D = closure(b⁻ ⊎ T⁻(Old r); T_c)                derivations through what is gone
/// I = closure(b⁺ ⊎ T⁺(Old r − D); T_new)          derivations through what is new
/// Delta(r) = I − D
/// ```
///
/// D is closed under what both epochs share: under the old step, a derivation through two rows that are
/// gone would be taken away twice.
pub fn delta_all(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Delta = &*term.op else { return vec![] };
    let r = term.inputs[0];
    if !graph[r].data.kept {
        return vec![];
    }
    Found::all(graph, r, false)
        .map(|found| {
            let mut seed = vec![gone(found.seed)];
            seed.extend(found.steps_alone(&Recipe::old(r), Recipe::old, gone, come));
            let lost = found.reached_as_before(seed);
            let left = Recipe::consolidate(Recipe::minus(Recipe::old(r), lost.clone()));
            let mut seed = vec![come(found.seed)];
            seed.extend(found.steps_alone(&left, Recipe::new, come, gone));
            Recipe::minus(found.reached(seed, vec![]), lost)
        })
        .collect()
}

/// ```text
/// O = closure(b⁻ ∪ T⁻(Old r); T_c)                         whatever lost a derivation
/// G = Old r ⋉ O,   M = Old r − G                           what is left for sure
/// I = closure((New b ∪ T_new(M)) ⋉ O ∪ b⁺ ∪ T⁺(M);         put back what has another, and insert
///             T_new; not again what is in M)
/// Delta(r) = I − G
/// ```
pub fn delta_distinct(graph: &Graph, term: &Term) -> Vec<Recipe> {
    let Op::Delta = &*term.op else { return vec![] };
    let r = term.inputs[0];
    if !graph[r].data.kept {
        return vec![];
    }
    Found::all(graph, r, true)
        .map(|found| {
            let all: Vec<usize> = (0..found.c.types.len()).collect();
            let old = || Recipe::old(r);
            let mut seed = vec![gone(found.seed)];
            seed.extend(found.steps_alone(&old(), Recipe::old, gone, come));
            let lost = found.reached_as_before(seed);
            let went = Recipe::probe(all.clone(), old(), lost.clone());
            let left = Recipe::consolidate(Recipe::minus(old(), went.clone()));
            let derived = Recipe::plus([
                Recipe::new(found.seed),
                found.step(left.clone(), found.whole(Recipe::new)),
            ]);
            let again = Recipe::probe(all, derived, lost.clone());
            let mut seed = vec![again, come(found.seed)];
            seed.extend(found.steps_alone(&left, Recipe::new, come, gone));
            Recipe::minus(found.reached(seed, vec![old(), lost]), went)
        })
        .collect()
}
