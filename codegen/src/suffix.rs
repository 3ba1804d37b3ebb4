//! `Suffix`: the rows of a few groups that stand at a place of their group or behind it.
//!
//! ```text
//! FROM places, x WHERE x.keys = places.keys AND x.by >= places.by
//! ```
//!
//! An index on the keys, then what places are values of, is read from the place on. The planner knows
//! nothing of how far that is from the end, and takes it for a third of the group (or of the table,
//! where that is one group), of which it would read all. So where there is such an index, the rows are
//! a let of its own, for which a scan of the table is no choice. The same of what is before a place
//! (see `last.rs`).
//!
//! NULL stands where ORDER BY of its own accord has it: behind all else in an ascending order, before
//! all else in a descending one. `x.by IS NULL` is no range, and so a branch of its own.

use crate::error::{CodegenError, Result};
use crate::expr::{Scalar, operator_name};
use crate::identity::{OrderedAccess, ordered_access, record_hash};
use crate::keys::{all_same, equal, null_test, present};
use crate::lower::Lowering;
use crate::rel::{Branch, Rel};
use crate::seek;
use crate::sql::Sql;
use spec::NodeId;
use spec::op::{Op, SortKey, StoredId, Suffix};
use spec::types::{ColType, Oid, oids};

/// Groups with more columns that may be NULL on both sides are not told apart.
pub(crate) const MAX_LOOSE: usize = 2;

/// Which side of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    /// At the place, too.
    Behind,
}

impl Lowering<'_> {
    pub(crate) fn suffix(&mut self, s: &Suffix, id: NodeId) -> Result<Rel> {
        let (x, places) = (self.input(id, 0)?, self.input(id, 1)?);
        let by = column_of(&s.by)?;
        let relation = self.lower_let(places)?;
        let is_hashed = self.is_hashed_in_order(x, &s.keys, by);
        let loose = self.loose(x, places, &s.keys);
        let apart = !is_hashed && loose.len() <= MAX_LOOSE;
        let patterns = if apart { 1 << loose.len() } else { 1 };
        let index = self.key_order(x, &s.keys, by);
        let mut branches = vec![];
        for branch in self.lower_branches(x)?.branches {
            let left = present(&branch.cols, &s.keys)?;
            let own = present(&branch.cols, [&by])?.remove(0);
            let at = self.circuit.schema(places).last();
            let all = s.by.nulls_first && at.is_some_and(|at| at.nullable);
            let parts = 1 + usize::from(own.nullable || all);
            for (pattern, part) in (0..patterns).flat_map(|p| (0..parts).map(move |n| (p, n))) {
                let place = self.read(&relation, places);
                let mut keys = present(&place.cols, &(0..=s.keys.len()).collect::<Vec<_>>())?;
                let at = keys.remove(s.keys.len());
                let mut branch = branch.clone();
                let row = match (&index, pattern, part) {
                    (Some(index), 0, 0) => {
                        self.as_row((&left, &own), (&keys, &at), &s.by, index)?
                    }
                    _ => None,
                };
                let stands = self.stands(&own, &at, &s.by, Side::Behind)?;
                // An index is entered at the place by the plain comparison only.
                branch.filter.extend(row);
                branch.filter.extend(stands.into_iter().nth(part));
                if is_hashed {
                    branch.filter.push(same_hash(&left, &keys));
                    branch.filter.extend(all_same(&left, &keys, self.catalog)?);
                    branches.push(meet(branch, place));
                } else if apart {
                    let branch = self.apart(branch, place, (&left, &keys), (&loose, pattern))?;
                    branches.push(branch);
                } else {
                    branches.push(self.probe_branch(branch, place, &left, &keys, id)?);
                }
            }
        }
        Ok(Rel { branches })
    }

    /// The rows of the groups of places in which just these of the loose keys are NULL.
    pub(crate) fn apart(
        &self,
        mut rows: Branch,
        mut place: Branch,
        (left, keys): (&[Scalar], &[Scalar]),
        (loose, pattern): (&[usize], usize),
    ) -> Result<Branch> {
        for (i, (own, key)) in left.iter().zip(keys).enumerate() {
            let bit = loose.iter().position(|c| *c == i);
            let null = bit.is_some_and(|bit| pattern & (1 << bit) != 0);
            if bit.is_some() {
                place.filter.push(null_test(key, !null, self.catalog)?);
            }
            rows.filter.push(match null {
                true => null_test(own, false, self.catalog)?,
                false => equal(own, key, self.catalog)?,
            });
        }
        Ok(meet(rows, place))
    }

    /// Which keys may be NULL on both sides.
    pub(crate) fn loose(&self, x: NodeId, places: NodeId, keys: &[usize]) -> Vec<usize> {
        let (of_x, of_place) = (self.circuit.schema(x), self.circuit.schema(places));
        let pairs = keys.iter().zip(of_place).enumerate();
        let loose = pairs.filter(|(_, (c, key))| of_x[**c].nullable && key.nullable);
        loose.map(|(i, _)| i).collect()
    }

    /// The order in which an index of a table has the keys that it begins with, if it then has this
    /// column.
    pub(crate) fn key_order(&self, x: NodeId, keys: &[usize], by: usize) -> Option<Vec<usize>> {
        let (relation, attnums) = self.base_table(x)?;
        let attnum = |c: &usize| attnums.get(*c).copied().flatten();
        let of_keys: Vec<i16> = keys.iter().map(attnum).collect::<Option<_>>()?;
        let relation = self.catalog.relation(relation)?;
        let index = seek::in_order(relation, &of_keys, attnum(&by))?;
        let leading = index.iter().take(keys.len());
        leading
            .map(|attnum| of_keys.iter().position(|k| k == attnum))
            .collect()
    }

    /// `ROW(keys, own) >= ROW(place)`: where the keys are equal, the same as `own >= at`, but only an
    /// index that begins with the keys can be asked it. To the planner, to read on in an index on what
    /// places are values of alone, past the rows of all other groups, may seem as good.
    fn as_row(
        &self,
        (left, own): (&[Scalar], &Scalar),
        (keys, at): (&[Scalar], &Scalar),
        by: &SortKey,
        index: &[usize],
    ) -> Result<Option<Sql>> {
        let operator = self.catalog.operator(by.operator).map(|o| o.negator);
        let operator = operator.and_then(|oid| self.catalog.operator(oid));
        let pairs = || index.iter().map(|i| (&left[*i], &keys[*i]));
        // Which operators compare the columns is not said.
        let known = |(a, b): (&Scalar, &Scalar)| {
            let less = self.catalog.equality(a.ty.oid).map(|e| e.lt);
            let less = less.and_then(|lt| self.catalog.operator(lt));
            let own = less.is_some_and(|o| o.namespace == oids::PG_CATALOG && o.name == "<");
            own && a.ty.oid == b.ty.oid && a.ty.collation == b.ty.collation
        };
        let named = operator
            .filter(|o| o.namespace == oids::PG_CATALOG && [">=", "<="].contains(&o.name.as_str()));
        let Some(operator) = named.filter(|_| !index.is_empty() && pairs().all(known)) else {
            return Ok(None);
        };
        let row = |values: Vec<&Scalar>| Sql::Row(values.iter().map(|v| v.sql.clone()).collect());
        let mine = pairs().map(|p| p.0).chain([own]).collect();
        let theirs = pairs().map(|p| p.1).chain([at]).collect();
        let name = operator_name(operator.oid, self.catalog)?;
        Ok(Some(Sql::Binary(name, Box::new([row(mine), row(theirs)]))))
    }

    /// The conditions under which a row is on this side of a place: one or two, which exclude each
    /// other.
    pub(crate) fn stands(
        &self,
        own: &Scalar,
        place: &Scalar,
        by: &SortKey,
        side: Side,
    ) -> Result<Vec<Sql>> {
        let operator = self.catalog.operator(by.operator);
        let missing = || CodegenError::Plan(format!("no opposite of operator {}", by.operator));
        let oid = match side {
            Side::Before => by.operator,
            Side::Behind => operator.ok_or_else(missing)?.negator,
        };
        let name = operator_name(oid, self.catalog)?;
        let compared = Sql::Binary(name, Box::new([own.sql.clone(), place.sql.clone()]));
        let null = |of: &Scalar, negated| null_test(of, negated, self.catalog);
        if !own.nullable {
            // Of the rows that are not NULL, all are behind a NULL that is first, and before one that
            // is last.
            let all = place.nullable && (side == Side::Behind) == by.nulls_first;
            let all = if all { Some(null(place, false)?) } else { None };
            return Ok([compared].into_iter().chain(all).collect());
        }
        Ok(match (side, by.nulls_first) {
            (Side::Behind, false) => vec![compared, null(own, false)?],
            (Side::Behind, true) => vec![compared, null(place, false)?],
            (Side::Before, false) => {
                let all = Sql::And(vec![null(place, false)?, null(own, true)?]);
                vec![compared, all]
            }
            (Side::Before, true) => {
                let before = Sql::Or(vec![compared, null(own, false)?]);
                vec![Sql::And(vec![before, null(place, true)?])]
            }
        })
    }

    /// Is it read by an index on these columns, then this one?
    pub(crate) fn is_read_in_order(&self, x: NodeId, keys: &[usize], by: usize) -> bool {
        if let Some((_, types)) = self.stored_columns(x, keys, by) {
            let (by, keys) = (types[keys.len()], &types[..keys.len()]);
            return ordered_access(keys, by, self.catalog) != OrderedAccess::None;
        }
        let Some((relation, attnums)) = self.base_table(x) else {
            return false;
        };
        let attnum = |c: &usize| attnums.get(*c).copied().flatten();
        let keys: Option<Vec<i16>> = keys.iter().map(attnum).collect();
        let info = self.catalog.relation(relation);
        match (info, keys, attnum(&by)) {
            (Some(info), Some(keys), Some(by)) => seek::is_in_order(info, &keys, Some(by)),
            _ => false,
        }
    }

    /// Is it read from a stored collection by the hash of these columns, then this one?
    pub(crate) fn is_hashed_in_order(&self, x: NodeId, keys: &[usize], by: usize) -> bool {
        self.stored_columns(x, keys, by).is_some_and(|(_, types)| {
            let (by, keys) = (types[keys.len()], &types[..keys.len()]);
            ordered_access(keys, by, self.catalog) == OrderedAccess::Hash
        })
    }

    /// The stored collection that these are columns of, and their types.
    fn stored_columns(
        &self,
        x: NodeId,
        keys: &[usize],
        by: usize,
    ) -> Option<(StoredId, Vec<ColType>)> {
        let schema = self.circuit.schema(x);
        let columns = || keys.iter().chain([&by]);
        let found = columns().map(|c| self.stored_column(x, *c));
        let found = found.collect::<Option<Vec<_>>>()?;
        let stored = found.first()?.0;
        let types = columns().map(|c| schema.get(*c).copied());
        let same = found.iter().all(|(s, _)| *s == stored);
        Some((stored, types.collect::<Option<_>>()?)).filter(|_| same)
    }

    /// Planner settings of a let that cuts something at places.
    pub(crate) fn in_order(&self, id: NodeId) -> Option<(String, String)> {
        let x = *self.circuit.inputs(id).first()?;
        let (keys, by) = match self.circuit.op(id) {
            Op::Suffix(s) => (&s.keys, &s.by),
            Op::Last(l) => (&l.keys, l.order.first()?),
            _ => return None,
        };
        let is_read = self.is_read_in_order(x, keys, by.expr.as_column()?);
        is_read.then(|| ("enable_seqscan".to_owned(), "off".to_owned()))
    }
}

/// Rows beside places, which are put before them in FROM.
fn meet(mut rows: Branch, mut place: Branch) -> Branch {
    place.from.append(&mut rows.from);
    place.filter.append(&mut rows.filter);
    rows.from = place.from;
    rows.filter = place.filter;
    rows
}

pub(crate) fn same_hash(left: &[Scalar], right: &[Scalar]) -> Sql {
    Sql::op("=", record_hash(left), record_hash(right))
}

/// The table column that the first key of an order is.
pub(crate) fn column_of(by: &SortKey) -> Result<usize> {
    let missing = || CodegenError::Plan("a place is not one of a column".into());
    by.expr.as_column().ok_or_else(missing)
}

/// The columns of tables that what is cut at a place would be read by: keys, and the place.
pub(crate) fn table_columns(
    op: &Op,
    column: impl Fn(usize) -> Option<(Oid, i16)>,
) -> Option<(Oid, Vec<i16>, i16)> {
    let (keys, by) = match op {
        Op::Suffix(s) => (&s.keys, &s.by),
        Op::Last(l) => (&l.keys, l.order.first()?),
        _ => return None,
    };
    let (relation, place) = column(by.expr.as_column()?)?;
    let keys: Vec<(Oid, i16)> = keys.iter().map(|c| column(*c)).collect::<Option<_>>()?;
    let same = keys.iter().all(|(r, _)| *r == relation);
    same.then(|| (relation, keys.into_iter().map(|k| k.1).collect(), place))
}
