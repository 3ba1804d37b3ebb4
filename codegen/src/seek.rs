//! Seeks: the first rows of each group of a few, read in the order of an index.
//!
//! ```text
//! top(keys; order; k) (f (x ⋉ K))  =  for each key of K: SELECT … FROM x WHERE x.keys = key
//!                                     ORDER BY order LIMIT k
//! ```
//!
//! f maps and filters that pass the keys on, K a set. With an index on the keys, then what the order
//! begins with, this reads k rows of a group (and those that are tied with the last of them), however
//! many it has. Without one each group would be searched for in all of the table, so that it is left
//! to a join, which reads whole groups.
//!
//! An index is read in its order where its leading columns equal something. `x.key IS NULL` is no
//! equation; so groups with a NULL in their key are found apart, and sorted by their key first.

use crate::error::{CodegenError, Result};
use crate::expr::{Scalar, operator_name};
use crate::keys::{equal, null_test, present};
use crate::lower::{Lowering, columns_of};
use crate::ordering::by_image;
use crate::rel::{Branch, Rel, Weight};
use crate::sql::{FromItem, Limit, Query, SortBy};
use crate::top_k::count;
use spec::NodeId;
use spec::catalog::Relation;
use spec::circuit::Circuit;
use spec::op::{Op, TopK};
use spec::types::Oid;

/// Groups with more columns that may be NULL on both sides are not told apart.
const MAX_LOOSE: usize = 2;

/// A column of a probe, and the key outside that it is to match.
pub struct OuterKey {
    column: usize,
    key: Scalar,
    /// Both are NULL; else they are equal.
    null: bool,
}

/// What is read in the order of an index.
pub(crate) struct Seek {
    /// The probe of a table, by the keys of the groups.
    probe: NodeId,
    columns: Vec<usize>,
}

impl Lowering<'_> {
    /// Can the first rows of the groups be sought? The input is a probe by the very keys of the
    /// groups, under maps and filters, of a table with a fitting index.
    pub(crate) fn seek(&self, t: &TopK, input: NodeId) -> Option<Seek> {
        let place = place(self.circuit, t, input, |at| self.has_let(at))?;
        let [_, set] = *self.circuit.inputs(place.probe) else {
            return None;
        };
        let (relation, keys, first) = place.attnums(self.circuit)?;
        let is_there = is_in_order(self.catalog.relation(relation)?, &keys, first);
        (self.is_set(set) && is_there).then_some(Seek {
            probe: place.probe,
            columns: place.columns,
        })
    }

    /// The first rows of each group that is touched; a branch for each pattern of NULLs.
    pub(crate) fn sought(&mut self, t: &TopK, seek: &Seek, id: NodeId) -> Result<Rel> {
        let [x, set] = [0, 1].map(|i| self.input(seek.probe, i));
        let (x, set) = (x?, set?);
        let relation = self.lower_let(set)?;
        let loose = loose_columns(self.circuit, x, set, &seek.columns);
        let mut branches = vec![];
        for pattern in 0..1usize << loose.len() {
            let is_null = |c: &usize| {
                let at = loose.iter().position(|l| l == c);
                at.is_some_and(|at| pattern & (1 << at) != 0)
            };
            let mut key = self.read(&relation, set);
            let keys = present(&key.cols, &(0..seek.columns.len()).collect::<Vec<_>>())?;
            let outer = seek.columns.iter().zip(keys).map(|(c, key)| OuterKey {
                column: *c,
                null: is_null(c),
                key,
            });
            self.outer.insert(seek.probe, outer.collect());
            let mut rows = self.lower_flat(self.input(id, 0)?)?;
            let mut order_by = self.printer(&rows.cols).sort_keys(&t.order)?;
            if t.is_open() {
                order_by.push(by_image(&rows.cols));
            }
            if pattern != 0 {
                let keys = present(&rows.cols, &t.keys)?;
                let by: Vec<SortBy> = keys
                    .iter()
                    .map(|k| self.as_in_index(k, t))
                    .collect::<Result<_>>()?;
                order_by.splice(0..0, by);
            }
            rows.limit = Some(Limit {
                order_by,
                offset: (t.offset > 0).then(|| count(t.offset)),
                count: t.limit.map(count),
                with_ties: t.with_ties,
            });
            let names = self.column_names(id);
            let there = names.iter().zip(&rows.cols);
            let names: Vec<Option<String>> = there
                .map(|(n, c)| n.clone().filter(|_| c.is_some()))
                .collect();
            let alias = self.alias("first_rows");
            let select = rows.select(None, &names);
            let cols = columns_of(&alias, &names, self.circuit.schema(id));
            key.from
                .push(FromItem::lateral(Query::from(select), &alias));
            branches.push(Branch::new(key.from, cols, Weight::one()));
        }
        Ok(Rel { branches })
    }

    /// A key of a group as an index on it and on what the order begins with sorts it, read forwards
    /// or backwards.
    fn as_in_index(&self, key: &Scalar, t: &TopK) -> Result<SortBy> {
        let ty = key.ty.oid;
        let equality = self.catalog.equality(ty);
        let equality = equality.ok_or(CodegenError::NoEquality(ty))?;
        let descends = t.order.first().is_some_and(|by| {
            let ty = by.expr.ty().oid;
            let equality = self.catalog.equality(ty);
            equality.is_some_and(|e| e.gt == by.operator)
        });
        let operator = if descends { equality.gt } else { equality.lt };
        Ok(SortBy {
            expr: key.sql.clone(),
            operator: operator_name(operator, self.catalog)?,
            nulls_first: descends,
        })
    }

    /// The rows of one key that stands outside.
    pub(crate) fn probed_by_one(&self, mut branch: Branch, key: &[OuterKey]) -> Result<Branch> {
        for OuterKey { column, key, null } in key {
            let own = present(&branch.cols, [column])?;
            for own in &own {
                let nulls = |value: &Scalar| null_test(value, false, self.catalog);
                match null {
                    true => branch.filter.extend([nulls(own)?, nulls(key)?]),
                    false => branch.filter.push(equal(own, key, self.catalog)?),
                }
            }
        }
        Ok(branch)
    }
}

/// Where the first rows of groups are: a probe by the keys of the groups.
pub(crate) struct Place {
    probe: NodeId,
    columns: Vec<usize>,
    /// What the order begins with.
    first: Option<usize>,
}

/// The probe by the very keys of the groups that is below, under maps and filters that pass them and
/// what the order begins with on; none of these nodes may be one that `stops`.
pub(crate) fn place(
    circuit: &Circuit,
    t: &TopK,
    input: NodeId,
    stops: impl Fn(NodeId) -> bool,
) -> Option<Place> {
    if t.limit.is_none() || t.keys.is_empty() || t.with_ties && t.is_open() {
        return None;
    }
    let mut keys = t.keys.clone();
    let mut first = match t.order.first() {
        Some(by) => Some(by.expr.as_column()?),
        None => None,
    };
    let mut at = input;
    loop {
        if stops(at) {
            return None;
        }
        match circuit.op(at) {
            Op::Map(exprs) => {
                let below = |c: usize| exprs.get(c)?.as_column();
                keys = keys.into_iter().map(below).collect::<Option<_>>()?;
                if let Some(column) = first {
                    first = Some(below(column)?);
                }
            }
            Op::Filter(_) => {}
            Op::Probe(columns) => {
                let same = columns.len() == keys.len() && keys.iter().all(|k| columns.contains(k));
                let [x, set] = *circuit.inputs(at) else {
                    return None;
                };
                let few = loose_columns(circuit, x, set, columns).len() <= MAX_LOOSE;
                return (same && few).then(|| Place {
                    probe: at,
                    columns: columns.clone(),
                    first,
                });
            }
            _ => return None,
        }
        at = *circuit.inputs(at).first()?;
    }
}

/// Those of the columns of a probe that `=` does not suffice for.
fn loose_columns(circuit: &Circuit, x: NodeId, set: NodeId, columns: &[usize]) -> Vec<usize> {
    let (of_x, of_set) = (circuit.schema(x), circuit.schema(set));
    let pairs = columns.iter().zip(of_set);
    let loose = pairs.filter(|(c, key)| of_x[**c].nullable && key.nullable);
    loose.map(|(c, _)| *c).collect()
}

impl Place {
    /// In the table that is probed: the columns of the keys, and what the order begins with.
    pub(crate) fn attnums(&self, circuit: &Circuit) -> Option<(Oid, Vec<i16>, Option<i16>)> {
        let x = *circuit.inputs(self.probe).first()?;
        let (Op::New, [source]) = (circuit.op(x), circuit.inputs(x)) else {
            return None;
        };
        let Op::Source(s) = circuit.op(*source) else {
            return None;
        };
        let attnum = |c: &usize| s.attnums.get(*c).copied();
        let keys = self.columns.iter().map(attnum).collect::<Option<_>>()?;
        let first = match &self.first {
            Some(c) => Some(attnum(c)?),
            None => None,
        };
        Some((s.relation, keys, first))
    }
}

/// Has the table an index on these columns, in any order, and then on this one?
pub(crate) fn is_in_order(relation: &Relation, keys: &[i16], then: Option<i16>) -> bool {
    in_order(relation, keys, then).is_some()
}

/// The columns of such an index.
pub(crate) fn in_order<'r>(
    relation: &'r Relation,
    keys: &[i16],
    then: Option<i16>,
) -> Option<&'r [i16]> {
    ordered_by(relation).find(|index| {
        let Some((leading, rest)) = index.split_at_checked(keys.len()) else {
            return false;
        };
        let follows = then.is_none_or(|c| rest.first() == Some(&c));
        keys.iter().all(|k| leading.contains(k)) && follows
    })
}

/// The columns of the btree indexes of a table, in their order.
fn ordered_by(relation: &Relation) -> impl Iterator<Item = &[i16]> {
    let indexes = relation.indexes.iter().filter(|i| i.method == "btree");
    let keys = relation.keys.iter().map(|k| k.columns.as_slice());
    indexes.map(|i| i.columns.as_slice()).chain(keys)
}
