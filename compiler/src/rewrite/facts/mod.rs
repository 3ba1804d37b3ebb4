//! What is known of each e-class. Facts are about the collection, so every term of a class has
//! them, and what one term proves holds for all.
//!
//! | fact | of |
//! |---|---|
//! | types | every class; classes of different types are never united |
//! | keys | collections at an epoch; never of a `Delta` |
//! | non-negative | collections at an epoch, and what is made of the `Delta` of append-only sources |
//! | empty, small | every class; *small* means O(Δ) rows |
//! | sources, kept, probeable, raises, reads_state | collections of the query |

pub mod key;

use super::predicate::conjuncts;
use super::rules::epoch::safe_on_ghosts;
use super::term::{Graph, Term};
use egg::{Analysis, DidMerge, Id};
use key::{Key, Keys};
use spec::Op;
use spec::catalog::Catalog;
use spec::clock::CLOCK;
use spec::types::{ColType, Oid};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the facts are relative to.
#[derive(Clone)]
pub struct Setting<'a> {
    pub catalog: &'a Catalog,
    /// The sources that this refresh changes.
    pub changed: BTreeSet<Oid>,
    /// Those that only gain rows by it.
    pub append_only: BTreeSet<Oid>,
    /// The classes of which something new is known, or in which there is a new term, since whoever
    /// empties this looked.
    pub touched: Vec<Id>,
}

impl<'a> Setting<'a> {
    pub fn new(catalog: &'a Catalog, changed: BTreeSet<Oid>) -> Setting<'a> {
        Setting {
            catalog,
            changed,
            append_only: BTreeSet::new(),
            touched: vec![],
        }
    }

    pub fn with_append_only(self, append_only: BTreeSet<Oid>) -> Setting<'a> {
        Setting {
            append_only,
            ..self
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// None only for a term that does not fit together, which nothing can be united with.
    pub types: Option<Arc<[ColType]>>,
    pub keys: Keys,
    /// No row has a negative weight.
    pub nonnegative: bool,
    /// Always without rows.
    pub empty: bool,
    /// Of O(Δ) rows.
    pub small: bool,
    /// The base tables that it is computed from.
    pub sources: Arc<BTreeSet<Oid>>,
    /// Its old value is stored.
    pub kept: bool,
    /// A look-up by columns that it shows unchanged reaches an index without more rewriting: a
    /// base table or a stored collection under projections, filters and sums.
    pub probeable: bool,
    /// Some expression may raise on rows that are in neither epoch, so that Old is added up below it,
    /// where no look-up passes.
    pub raises: bool,
    /// Reads stored collections, whose Old is free and whose New is not.
    pub reads_state: bool,
}

impl Facts {
    /// Each row at most once. (Only what is not negative has keys.)
    pub fn is_set(&self) -> bool {
        !self.keys.is_empty()
    }

    fn of(graph: &Graph, term: &Term) -> Facts {
        let catalog = graph.analysis.catalog;
        let inputs: Vec<&Facts> = term.inputs.iter().map(|i| &graph[*i].data).collect();
        let types: Option<Arc<[ColType]>> = inputs
            .iter()
            .map(|f| f.types.as_deref())
            .collect::<Option<Vec<_>>>()
            .and_then(|types| term.op.schema(&types));
        let all = |f: fn(&Facts) -> bool| inputs.iter().all(|i| f(i));
        let any = |f: fn(&Facts) -> bool| inputs.iter().any(|i| f(i));
        let first = inputs.first();
        let sources = match &*term.op {
            Op::Source(s) => Arc::new(BTreeSet::from([s.relation])),
            _ if inputs.len() == 1 => inputs[0].sources.clone(),
            _ => Arc::new(
                inputs
                    .iter()
                    .flat_map(|f| f.sources.iter().copied())
                    .collect(),
            ),
        };
        let unchanged = || sources.is_disjoint(&graph.analysis.changed);
        let mut facts = Facts {
            keys: Keys::default(),
            nonnegative: all(|f| f.nonnegative),
            empty: false,
            small: !inputs.is_empty() && all(|f| f.small),
            kept: false,
            probeable: false,
            raises: !safe_on_ghosts(graph, &term.op) || any(|f| f.raises),
            reads_state: any(|f| f.kept || f.reads_state),
            sources: sources.clone(),
            types,
        };
        let (Some(types), true) = (&facts.types, inputs.iter().all(|f| f.types.is_some())) else {
            return facts;
        };
        match &*term.op {
            Op::Source(s) => {
                facts.probeable = true;
                if s.relation == CLOCK {
                    facts.keys = [Key::of([])].into_iter().collect();
                } else if let Some(relation) = catalog.relation(s.relation) {
                    facts.keys = Keys::source(s, relation);
                }
            }
            Op::Constant(c) => {
                facts.small = true;
                facts.empty = c.rows.is_empty();
                if c.rows.len() <= 1 {
                    facts.keys = [Key::of([])].into_iter().collect();
                }
            }
            Op::State(_) => facts.probeable = true,
            Op::Map(exprs) => {
                facts.keys = inputs[0].keys.project(exprs);
                facts.empty = inputs[0].empty;
                facts.probeable = inputs[0].probeable || inputs[0].kept;
            }
            Op::Filter(predicate) => {
                facts.keys = inputs[0].keys.filter(&conjuncts(predicate), types, catalog);
                facts.empty = inputs[0].empty;
                facts.probeable = inputs[0].probeable || inputs[0].kept;
            }
            Op::Join(conjuncts) => {
                let of: Vec<(&Keys, &[ColType])> = inputs
                    .iter()
                    .map(|f| (&f.keys, f.types.as_deref().unwrap_or_default()))
                    .collect();
                facts.keys = Keys::join(&of, conjuncts, catalog);
                facts.empty = any(|f| f.empty);
                facts.small = connected(graph, conjuncts, &term.inputs)
                    .is_some_and(|looks| looks.iter().all(|l| *l != Reach::Scan));
            }
            Op::Semi(conjuncts) => {
                facts.keys = inputs[0].keys.clone();
                facts.nonnegative = inputs[0].nonnegative;
                facts.empty = any(|f| f.empty);
                facts.small = inputs[0].small
                    || connected(graph, conjuncts, &term.inputs)
                        .is_some_and(|looks| looks[0] != Reach::Scan);
                facts.probeable = inputs[0].probeable || inputs[0].kept;
            }
            Op::Anti(_) => {
                facts.keys = inputs[0].keys.clone();
                facts.nonnegative = inputs[0].nonnegative;
                facts.empty = inputs[0].empty;
                facts.small = inputs[0].small;
                facts.probeable = inputs[0].probeable || inputs[0].kept;
            }
            Op::Left(conjuncts) => {
                let of = |i: usize| (&inputs[i].keys, inputs[i].types.as_deref().unwrap_or(&[]));
                facts.keys = Keys::left_join(of(0), of(1), conjuncts, catalog);
                facts.empty = inputs[0].empty;
                facts.small = inputs[0].small
                    && connected(graph, conjuncts, &term.inputs)
                        .is_some_and(|looks| looks.iter().all(|l| *l != Reach::Scan));
            }
            Op::Plus => {
                facts.empty = all(|f| f.empty);
                facts.probeable = all(|f| f.probeable || f.kept || f.small);
                if inputs.len() == 1 {
                    facts.keys = inputs[0].keys.clone();
                }
            }
            Op::Neg => {
                facts.nonnegative = false;
                facts.empty = inputs[0].empty;
                facts.probeable = inputs[0].probeable || inputs[0].kept;
            }
            Op::Distinct => {
                facts.nonnegative = true;
                facts.keys = inputs[0]
                    .keys
                    .iter()
                    .filter(|_| inputs[0].nonnegative)
                    .cloned()
                    .chain([Key::of(0..types.len())])
                    .collect();
                facts.empty = inputs[0].empty;
            }
            Op::Aggregate(a) => {
                facts.nonnegative = true;
                facts.keys = [Key::of(0..a.keys.len())].into_iter().collect();
                facts.empty = inputs[0].empty && !a.keys.is_empty();
            }
            Op::TopK(t) => {
                let one = t.limit == Some(1) && !t.with_ties;
                let of_group = one.then(|| Key::of(t.keys.iter().copied()));
                facts.keys = inputs[0].keys.iter().cloned().chain(of_group).collect();
                facts.nonnegative = true;
                facts.empty = inputs[0].empty || t.limit == Some(0);
            }
            // Of a bounded number.
            Op::Reserve(_) => {
                facts.nonnegative = true;
                facts.keys = inputs[0].keys.clone();
                facts.empty = inputs[0].empty;
                facts.small = true;
            }
            // Each row stays, under what is told of it.
            Op::Window(_) => {
                facts.nonnegative = true;
                facts.keys = inputs[0].keys.clone();
                facts.empty = inputs[0].empty;
            }
            // Weights grow, so that nothing is a key any more.
            Op::Repeat(_) => {
                facts.empty = inputs[0].empty;
                facts.probeable = inputs[0].probeable || inputs[0].kept;
            }
            Op::FlatMap(f) => {
                facts.keys = inputs[0].keys.flat_map(f, types.len(), catalog);
                facts.empty = inputs[0].empty;
                facts.probeable = inputs[0].probeable || inputs[0].kept;
            }
            Op::New | Op::Old => {
                let fenced = matches!(&*term.op, Op::Old) && inputs[0].raises && !unchanged();
                facts.keys = inputs[0].keys.clone();
                facts.empty = inputs[0].empty;
                facts.probeable = (inputs[0].probeable && !fenced) || inputs[0].kept;
            }
            Op::Delta => {
                let grows = |t: &Term| matches!(&*t.op, Op::Source(s) if graph.analysis.append_only.contains(&s.relation));
                facts.nonnegative = graph[term.inputs[0]].nodes.iter().any(grows);
                facts.empty = inputs[0].empty || unchanged();
                facts.small = true;
            }
            Op::Probe(_) => {
                facts.keys = inputs[0].keys.clone();
                facts.nonnegative = inputs[0].nonnegative;
                facts.empty = any(|f| f.empty);
                facts.small = any(|f| f.small);
            }
            Op::Suffix(_) => {
                facts.keys = inputs[0].keys.clone();
                facts.nonnegative = inputs[0].nonnegative;
                facts.empty = any(|f| f.empty);
                facts.small = any(|f| f.small);
            }
            Op::Last(l) => {
                let of_group = (l.limit == 1).then(|| Key::of(l.keys.iter().copied()));
                facts.keys = inputs[0].keys.iter().cloned().chain(of_group).collect();
                facts.nonnegative = true;
                facts.empty = any(|f| f.empty);
                facts.small = any(|f| f.small);
            }
            Op::WindowStep(_) => {
                facts.keys = inputs[0].keys.clone();
                facts.nonnegative = true;
                facts.empty = inputs[0].empty;
                facts.small = inputs[0].small;
            }
            Op::Closure(c) => {
                facts.nonnegative = true;
                facts.keys = c
                    .distinct
                    .then(|| Key::of(0..types.len()))
                    .into_iter()
                    .collect();
                facts.empty = inputs[0].empty;
                facts.small = c.change;
            }
            Op::Positive => {
                facts.nonnegative = true;
                facts.empty = inputs[0].empty;
                if inputs[0].nonnegative {
                    facts.keys = inputs[0].keys.clone();
                }
            }
            Op::Consolidate => {
                facts.keys = inputs[0].keys.clone();
                facts.empty = inputs[0].empty;
            }
            Op::Touched(_) => {
                facts.nonnegative = true;
                facts.empty = first.is_some_and(|f| f.empty);
                facts.small = true;
            }
            Op::AggregateStep(_) | Op::Stale(_) | Op::ReserveStep(_) | Op::Short(_) => {
                facts.nonnegative = matches!(&*term.op, Op::Stale(_) | Op::Short(_));
                facts.empty = inputs[1].empty;
                facts.small = true;
            }
        }
        debug_assert!(facts.nonnegative || facts.keys.is_empty());
        facts.small |= facts.keys.single_row() || facts.empty;
        facts
    }
}

impl Analysis<Term> for Setting<'_> {
    type Data = Facts;

    fn make(graph: &mut Graph<'_>, term: &Term, _: Id) -> Facts {
        Facts::of(graph, term)
    }

    fn modify(graph: &mut Graph<'_>, class: Id) {
        graph.analysis.touched.push(class);
    }

    fn merge(&mut self, a: &mut Facts, b: Facts) -> DidMerge {
        let types = match (&a.types, &b.types) {
            (Some(x), Some(y)) if x != y => Some(
                x.iter()
                    .zip(y.iter())
                    .map(|(x, y)| ColType {
                        ty: x.ty,
                        nullable: x.nullable && y.nullable,
                    })
                    .collect(),
            ),
            (Some(x), _) | (None, Some(x)) => Some(x.clone()),
            (None, None) => None,
        };
        let sources = if a.sources == b.sources {
            a.sources.clone()
        } else {
            Arc::new(a.sources.intersection(&b.sources).copied().collect())
        };
        let merged = Facts {
            types,
            keys: if a.keys == b.keys {
                b.keys.clone()
            } else {
                a.keys.union(&b.keys)
            },
            nonnegative: a.nonnegative | b.nonnegative,
            empty: a.empty | b.empty,
            small: a.small | b.small,
            sources,
            kept: a.kept | b.kept,
            probeable: a.probeable | b.probeable,
            raises: a.raises & b.raises,
            reads_state: a.reads_state | b.reads_state,
        };
        let did = DidMerge(merged != *a, merged != b);
        *a = merged;
        did
    }
}

/// How a join driven by its small inputs reaches one of its inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It is small itself.
    Drives,
    /// By look-ups on any of these columns of its own, which equations fix.
    Look(Vec<Link>),
    /// Not through an equation: all of it is read.
    Scan,
}

/// `column` of an input equals `other` (over the columns of the join), which the inputs `reads`
/// know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub column: usize,
    /// The conjunct that says so.
    pub conjunct: usize,
    /// The column of the join that it equals, if that is a plain column of the same type,
    /// compared as grouping compares.
    pub same_as: Option<usize>,
}

/// How each input of a join is reached from the small ones; none if there is no small input.
pub fn connected(graph: &Graph, conjuncts: &[spec::Expr], inputs: &[Id]) -> Option<Vec<Reach>> {
    let catalog = graph.analysis.catalog;
    let mut reach: Vec<Reach> = inputs
        .iter()
        .map(|i| match graph[*i].data.small {
            true => Reach::Drives,
            false => Reach::Scan,
        })
        .collect();
    if !reach.contains(&Reach::Drives) {
        return None;
    }
    let mut owner = vec![];
    let mut types = vec![];
    for (i, id) in inputs.iter().enumerate() {
        let own = graph[*id].data.types.as_deref().unwrap_or_default();
        owner.extend((0..own.len()).map(|c| (i, c)));
        types.extend_from_slice(own);
    }
    let equations: Vec<(usize, _, [Vec<usize>; 2])> = conjuncts
        .iter()
        .enumerate()
        .filter_map(|(n, c)| {
            let e = equation_of(c, catalog)?;
            let reads = e.sides.map(|side| side.columns());
            Some((n, e, reads))
        })
        .collect();
    // An input that is reached makes others reachable.
    loop {
        let known: Vec<bool> = reach.iter().map(|r| *r != Reach::Scan).collect();
        let mut progress = false;
        for (n, e, reads) in &equations {
            for (mine, other) in [(0, 1), (1, 0)] {
                let Some(column) = super::predicate::column_of(e.sides[mine]) else {
                    continue;
                };
                let Some(&(input, local)) = owner.get(column) else {
                    continue;
                };
                let others_known = !reads[other].is_empty()
                    && reads[other]
                        .iter()
                        .all(|c| owner.get(*c).is_some_and(|(i, _)| *i != input && known[*i]));
                if known[input] || !others_known {
                    continue;
                }
                let same_as = super::predicate::column_of(e.sides[other])
                    .filter(|o| e.groups(catalog, types[column].ty, types[*o].ty));
                let link = Link {
                    column: local,
                    conjunct: *n,
                    same_as,
                };
                match &mut reach[input] {
                    Reach::Look(links) => links.push(link),
                    r => *r = Reach::Look(vec![link]),
                }
                progress = true;
            }
        }
        if !progress {
            return Some(reach);
        }
    }
}

use super::predicate::equation as equation_of;
