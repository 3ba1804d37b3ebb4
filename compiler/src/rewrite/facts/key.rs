//! Unique keys: sets of columns of which no two rows agree.
//!
//! A key claims that a collection has at most one row, of weight 1, for each value of its columns,
//! by the equality that grouping uses (NULL equals NULL). The empty key: at most one row in all.

use crate::rewrite::bits::Bits;
use crate::rewrite::predicate::{column_of, equal_columns, equation, is_constant};
use spec::Expr;
use spec::catalog::{Catalog, Relation};
use spec::compiled::Dependency;
use spec::expr::ExprKind;
use spec::op::{FlatMap, Source};
use spec::types::ColType;
use std::collections::BTreeSet;

/// A key, and the facts of the catalog that it rests on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub columns: BTreeSet<usize>,
    pub because: BTreeSet<Dependency>,
}

impl Key {
    pub fn of(columns: impl IntoIterator<Item = usize>) -> Key {
        Key {
            columns: columns.into_iter().collect(),
            because: BTreeSet::new(),
        }
    }
}

/// The minimal keys, smallest first. More than a few are of no use to anybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys(Vec<Key>);

const MAX_KEYS: usize = 6;

impl FromIterator<Key> for Keys {
    fn from_iter<I: IntoIterator<Item = Key>>(keys: I) -> Keys {
        let mut all: Vec<Key> = keys.into_iter().collect();
        all.sort_by(|a, b| (a.columns.len(), a).cmp(&(b.columns.len(), b)));
        let mut out: Vec<Key> = vec![];
        for key in all {
            if out.len() < MAX_KEYS && !out.iter().any(|k| k.columns.is_subset(&key.columns)) {
                out.push(key);
            }
        }
        Keys(out)
    }
}

impl Keys {
    /// A row of the input and the number of the row that is made of it; or the row alone, where
    /// each function makes one.
    pub fn flat_map(&self, f: &FlatMap, width: usize, catalog: &Catalog) -> Keys {
        let one = |call: &Expr| match call.kind() {
            ExprKind::Call { function, .. } => {
                catalog.function(*function).is_some_and(|f| !f.returns_set)
            }
            _ => false,
        };
        if f.calls().all(one) {
            return self.clone();
        }
        if !f.ordinality {
            return Keys::default();
        }
        let with_number = self.iter().map(|k| Key {
            columns: k.columns.iter().copied().chain([width - 1]).collect(),
            because: k.because.clone(),
        });
        with_number.collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// At most one row?
    pub fn single_row(&self) -> bool {
        self.0.first().is_some_and(|k| k.columns.is_empty())
    }

    pub fn first(&self) -> Option<&Key> {
        self.0.first()
    }

    /// The keys of the same collection, known from two sides.
    pub fn union(&self, other: &Keys) -> Keys {
        self.0.iter().chain(&other.0).cloned().collect()
    }

    /// Through a projection: keys all of whose columns come out unchanged.
    pub fn project(&self, exprs: &[Expr]) -> Keys {
        self.iter()
            .filter_map(|key| {
                let columns = key
                    .columns
                    .iter()
                    .map(|c| exprs.iter().position(|e| e.as_column() == Some(*c)))
                    .collect::<Option<_>>()?;
                Some(Key {
                    columns,
                    because: key.because.clone(),
                })
            })
            .collect()
    }

    /// Under conjuncts: a column that equals a constant tells no rows apart.
    pub fn filter(&self, conjuncts: &[Expr], types: &[ColType], catalog: &Catalog) -> Keys {
        let fixed: BTreeSet<usize> = conjuncts
            .iter()
            .filter_map(|c| {
                let e = equation(c, catalog)?;
                let (column, constant) = match e.sides.map(column_of) {
                    [Some(c), None] => (c, e.sides[1]),
                    [None, Some(c)] => (c, e.sides[0]),
                    _ => return None,
                };
                let ty = types.get(column)?.ty;
                (is_constant(constant) && e.groups(catalog, ty, ty)).then_some(column)
            })
            .collect();
        self.iter()
            .map(|key| Key {
                columns: key.columns.difference(&fixed).copied().collect(),
                because: key.because.clone(),
            })
            .collect()
    }

    /// Of a join: one key of each input together, less the columns that the others determine
    /// through equations and keys.
    pub fn join(inputs: &[(&Keys, &[ColType])], conjuncts: &[Expr], catalog: &Catalog) -> Keys {
        if inputs.iter().any(|(keys, _)| keys.is_empty()) {
            return Keys::default();
        }
        let types: Vec<ColType> = inputs.iter().flat_map(|(_, t)| t.iter().copied()).collect();
        let offsets: Vec<usize> = inputs
            .iter()
            .scan(0, |at, (_, t)| {
                let here = *at;
                *at += t.len();
                Some(here)
            })
            .collect();
        let equal: Vec<(usize, usize)> = conjuncts
            .iter()
            .filter_map(|c| {
                let e = equation(c, catalog)?;
                let [Some(a), Some(b)] = e.sides.map(column_of) else {
                    return None;
                };
                e.groups(catalog, types.get(a)?.ty, types.get(b)?.ty)
                    .then_some((a, b))
            })
            .collect();
        let shifted: Vec<Vec<Key>> = inputs
            .iter()
            .zip(&offsets)
            .map(|((keys, _), at)| {
                keys.iter()
                    .map(|k| Key {
                        columns: k.columns.iter().map(|c| c + at).collect(),
                        because: k.because.clone(),
                    })
                    .collect()
            })
            .collect();
        // Start from the first key of every input, and from each other key in its place.
        let mut starts: Vec<Vec<&Key>> = vec![shifted.iter().map(|k| &k[0]).collect()];
        for (i, keys) in shifted.iter().enumerate() {
            for key in &keys[1..] {
                let mut start = starts[0].clone();
                start[i] = key;
                starts.push(start);
            }
        }
        let because: BTreeSet<Dependency> = shifted
            .iter()
            .flatten()
            .flat_map(|k| k.because.iter().copied())
            .collect();
        let width = types.len();
        let whole: Vec<Bits> = inputs
            .iter()
            .zip(&offsets)
            .map(|((_, types), at)| Bits::of(width, *at..*at + types.len()))
            .collect();
        let columns_of = |k: &Key| Bits::of(width, k.columns.iter().copied());
        let of_keys: Vec<Vec<Bits>> = shifted
            .iter()
            .map(|keys| keys.iter().map(columns_of).collect())
            .collect();
        // Do these columns determine those?
        let determine = |columns: &Bits, all: &Bits| {
            let mut known = columns.clone();
            loop {
                if all.is_subset(&known) {
                    return true;
                }
                let before = known.count();
                for &(a, b) in &equal {
                    if known.contains(a) || known.contains(b) {
                        known.insert(a);
                        known.insert(b);
                    }
                }
                for (keys, whole) in of_keys.iter().zip(&whole) {
                    if keys.iter().any(|k| k.is_subset(&known)) {
                        known.union(whole);
                    }
                }
                if known.count() == before {
                    return false;
                }
            }
        };
        let mut found = vec![];
        for start in starts {
            let all = start.iter().flat_map(|k| k.columns.iter().copied());
            let all = Bits::of(width, all);
            // Columns of one input after the other are tried first, so that different inputs
            // may keep theirs.
            for kept in 0..inputs.len() {
                let mine =
                    |c: usize| (offsets[kept]..offsets[kept] + inputs[kept].1.len()).contains(&c);
                let others = all.iter().filter(|c| !mine(*c));
                let order = others.chain(all.iter().filter(|c| mine(*c)));
                let mut columns = all.clone();
                for c in order {
                    columns.remove(c);
                    if !determine(&columns, &all) {
                        columns.insert(c);
                    }
                }
                found.push(Key {
                    columns: columns.iter().collect(),
                    because: because.clone(),
                });
            }
        }
        found.into_iter().collect()
    }

    /// Of a left join: a key of x, if a row of x has one match at most; else with a key of y, as
    /// NULL stands for a match of no other row of x.
    pub fn left_join(
        (x, left): (&Keys, &[ColType]),
        (y, right): (&Keys, &[ColType]),
        conjuncts: &[Expr],
        catalog: &Catalog,
    ) -> Keys {
        let n = left.len();
        // Columns of y that x fixes where there is a match.
        let equal = equal_columns(conjuncts, left, right, catalog);
        let fixed: BTreeSet<usize> = equal.into_iter().map(|(_, of_y)| of_y).collect();
        let mut out = vec![];
        for key in x.iter() {
            for other in y.iter() {
                let single = other.columns.is_subset(&fixed);
                let more = other.columns.iter().filter(|_| !single).map(|c| c + n);
                out.push(Key {
                    columns: key.columns.iter().copied().chain(more).collect(),
                    because: key.because.union(&other.because).copied().collect(),
                });
            }
        }
        out.into_iter().collect()
    }

    /// Of a base table: its trusted unique indexes whose columns cannot be NULL, or that hold
    /// NULLs equal. Not those whose check can be deferred: a refresh in the transaction that defers
    /// it may see rows that share the key.
    pub fn source(source: &Source, relation: &Relation) -> Keys {
        relation
            .keys
            .iter()
            .filter(|k| !k.deferrable)
            .filter_map(|k| {
                let mut because = BTreeSet::from([Dependency::Key {
                    relation: source.relation,
                    index: k.index,
                }]);
                let mut columns = BTreeSet::new();
                for attnum in &k.columns {
                    let at = source.attnums.iter().position(|a| a == attnum)?;
                    if !k.nulls_not_distinct {
                        if source.types.get(at)?.nullable {
                            return None;
                        }
                        because.insert(Dependency::NotNull {
                            relation: source.relation,
                            attnum: *attnum,
                        });
                    }
                    columns.insert(at);
                }
                Some(Key { columns, because })
            })
            .collect()
    }
}
