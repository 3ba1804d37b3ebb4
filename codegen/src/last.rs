//! `Last`: the last rows of a few groups before a place of their group.
//!
//! ```text
//! FROM places, LATERAL (SELECT … FROM x WHERE x.keys = places.keys AND x.by < places.by
//!                       ORDER BY the order, backwards LIMIT n)
//! ```
//!
//! With an index on the keys, then what places are values of, this reads n rows of a group (and those
//! that have one value of that with the last of them), however many it has. As in `seek.rs`, groups
//! with a NULL in their keys are found apart: where they are told apart by a hash, they need not be.
//!
//! The planner holds that the rows of a group are spread evenly among all others. With an index on what
//! places are values of alone, it would read that backwards till it has met n rows of the group, and of
//! a new group there are none. So the leading column of the index that serves is compared in a way that
//! does not fix it (`= ANY (ARRAY[…])`), and sorted by: no other index has that order.

use crate::error::{CodegenError, Result};
use crate::expr::{Scalar, Strength, operator_name};
use crate::keys::{all_same, equal, null_test, present};
use crate::lower::{Lowering, columns_of};
use crate::ordering::by_image;
use crate::rel::{Branch, Rel, Weight};
use crate::sql::ident::Namer;
use crate::sql::{FromItem, Limit, Name, Query, SortBy, Sql, WindowCall};
use crate::suffix::{MAX_LOOSE, Side, column_of, same_hash};
use crate::top_k::{count, counting};
use spec::NodeId;
use spec::op::{Last, SortKey};
use spec::types::{SqlType, oids};

impl Lowering<'_> {
    pub(crate) fn last(&mut self, l: &Last, id: NodeId) -> Result<Rel> {
        let (x, places) = (self.input(id, 0)?, self.input(id, 1)?);
        let missing = || CodegenError::Plan("the last rows of no order".into());
        let first = l.order.first().ok_or_else(missing)?;
        let by = column_of(first)?;
        let relation = self.lower_let(places)?;
        if !l.keys.is_empty() && !self.is_read_in_order(x, &l.keys, by) {
            return self.numbered_back(l, id);
        }
        let is_hashed = self.is_hashed_in_order(x, &l.keys, by);
        let loose = self.loose(x, places, &l.keys);
        let index = self.key_order(x, &l.keys, by);
        let leading = index.and_then(|index| index.first().copied());
        let apart = !is_hashed && loose.len() <= MAX_LOOSE;
        let patterns = if apart { 1 << loose.len() } else { 1 };
        let mut branches = vec![];
        for pattern in 0..patterns {
            for part in 0.. {
                let mut place = self.read(&relation, places);
                let mut keys = present(&place.cols, &(0..=l.keys.len()).collect::<Vec<_>>())?;
                let at = keys.remove(l.keys.len());
                let mut rows = self.lower_flat(x)?;
                let left = present(&rows.cols, &l.keys)?;
                let own = present(&rows.cols, [&by])?.remove(0);
                let stands = self.stands(&own, &at, first, Side::Before)?;
                let is_last = part + 1 == stands.len();
                rows.filter.extend(stands.into_iter().nth(part));
                let mut sorted = vec![];
                if is_hashed {
                    rows.filter.push(same_hash(&left, &keys));
                }
                if apart {
                    for (i, (own, key)) in left.iter().zip(&keys).enumerate() {
                        let bit = loose.iter().position(|c| *c == i);
                        let null = bit.is_some_and(|bit| pattern & (1 << bit) != 0);
                        if bit.is_some() {
                            place.filter.push(null_test(key, !null, self.catalog)?);
                        }
                        rows.filter.push(match null {
                            true => null_test(own, false, self.catalog)?,
                            false if leading == Some(i) => self.is_any(own, key)?,
                            false => equal(own, key, self.catalog)?,
                        });
                        if null || leading == Some(i) {
                            sorted.push(l.keys[i]);
                        }
                    }
                } else {
                    rows.filter.extend(all_same(&left, &keys, self.catalog)?);
                }
                if !rows.weight.is_one() {
                    rows = self.repeated(rows, x)?;
                }
                let mut order_by = vec![];
                for own in &present(&rows.cols, &sorted)? {
                    order_by.push(self.beside(own, first)?);
                }
                let rows = self.last_rows(l, rows, order_by, x)?;
                branches.push(self.found(rows, place, id)?);
                if is_last {
                    break;
                }
            }
        }
        Ok(Rel { branches })
    }

    /// The last rows of all groups, by their positions.
    fn numbered_back(&mut self, l: &Last, id: NodeId) -> Result<Rel> {
        let (x, places) = (self.input(id, 0)?, self.input(id, 1)?);
        let missing = || CodegenError::Plan("the last rows of no order".into());
        let first = l.order.first().ok_or_else(missing)?;
        let by = column_of(first)?;
        let relation = self.lower_let(places)?;
        let loose = self.loose(x, places, &l.keys);
        let apart = loose.len() <= MAX_LOOSE;
        let patterns = if apart { 1 << loose.len() } else { 1 };
        let mut found = vec![];
        for rows in self.lower_branches(x)?.branches {
            let left = present(&rows.cols, &l.keys)?;
            let own = present(&rows.cols, [&by])?.remove(0);
            for pattern in 0..patterns {
                let place = self.read(&relation, places);
                let mut keys = present(&place.cols, &(0..=l.keys.len()).collect::<Vec<_>>())?;
                let at = keys.remove(l.keys.len());
                let mut rows = rows.clone();
                let stands = self.stands(&own, &at, first, Side::Before)?;
                rows.filter.push(Sql::Or(stands));
                found.push(match apart {
                    true => self.apart(rows, place, (&left, &keys), (&loose, pattern))?,
                    false => self.probe_branch(rows, place, &left, &keys, x)?,
                });
            }
        }
        let mut rows = self.flat(Rel { branches: found }, x)?;
        if !rows.weight.is_one() {
            rows = self.repeated(rows, x)?;
        }
        let keys = present(&rows.cols, &l.keys)?;
        // Of the last row, the rows up to its peers are those that are tied with it.
        let tied = match l.ties {
            Some(n) => {
                let count = Sql::aggregate("count", vec![], None);
                Some(counting(
                    count,
                    &keys,
                    self.backwards(&l.order[..n], &rows)?,
                ))
            }
            None => None,
        };
        let number = Sql::call("row_number", vec![]);
        let position = counting(number, &keys, self.last_first(l, &rows)?);
        let mut names = self.column_names(id);
        let mut namer = Namer::reserving(names.iter().flatten().map(String::as_str));
        let name = namer.unique("position");
        names.push(Some(name.clone()));
        rows.cols.extend(tied.map(Some));
        rows.cols.push(Some(position));
        let mut out = self.enclose(Rel::one(rows), id, &names)?;
        let alias = out.subquery()?.to_owned();
        let position = Sql::column(&alias, &name);
        out.filter.push(Sql::op("<=", position, count(l.limit)));
        Ok(Rel::one(out))
    }

    /// The whole order, the other way round.
    fn last_first(&self, l: &Last, rows: &Branch) -> Result<Vec<SortBy>> {
        let mut order_by = self.backwards(&l.order, rows)?;
        if !l.total {
            let forwards = by_image(&rows.cols);
            order_by.push(SortBy {
                operator: Name::pg("*>"),
                ..forwards
            });
        }
        Ok(order_by)
    }

    /// The last of these rows; `groups` first, if an index is to be read so.
    fn last_rows(
        &mut self,
        l: &Last,
        mut rows: Branch,
        groups: Vec<SortBy>,
        x: NodeId,
    ) -> Result<Branch> {
        if let Some(n) = l.ties {
            let mut order_by = groups.clone();
            order_by.extend(self.backwards(&l.order[..n], &rows)?);
            rows.limit = Some(Limit {
                order_by,
                offset: None,
                count: Some(count(1)),
                with_ties: true,
            });
            let names = self.column_names(x);
            rows = self.enclose(Rel::one(rows), x, &names)?;
            let counted = WindowCall {
                call: Sql::aggregate("count", vec![], None),
                partition_by: vec![],
                order_by: vec![],
                frame: None,
            };
            let order_by = self.backwards(&l.order, &rows)?;
            rows.cols.push(Some(Scalar {
                sql: Sql::Over(Box::new(counted)),
                ty: SqlType::new(oids::INT8),
                nullable: false,
                strength: Strength::None,
            }));
            rows.limit = Some(Limit {
                order_by,
                count: Some(count(l.limit)),
                ..Limit::default()
            });
            return Ok(rows);
        }
        let mut order_by = groups;
        order_by.extend(self.last_first(l, &rows)?);
        rows.limit = Some(Limit {
            order_by,
            count: Some(count(l.limit)),
            ..Limit::default()
        });
        Ok(rows)
    }

    /// The keys of an order, the other way round.
    fn backwards(&self, order: &[SortKey], rows: &Branch) -> Result<Vec<SortBy>> {
        let mut out = self.printer(&rows.cols).sort_keys(order)?;
        for (i, (by, key)) in out.iter_mut().zip(order).enumerate() {
            let ty = key.expr.ty().oid;
            let equality = self.catalog.equality(ty);
            let equality = equality.ok_or(CodegenError::NoEquality(ty))?;
            let descends = key.operator == equality.lt;
            let operator = if descends { equality.gt } else { equality.lt };
            by.operator = operator_name(operator, self.catalog)?;
            by.nulls_first = !key.nulls_first;
            // NULL stands where an index has it, or is not there.
            if i == 0 {
                by.nulls_first = descends;
            }
        }
        Ok(out)
    }

    /// A key of a group, as an index on it and on what places are values of sorts it, read backwards.
    fn beside(&self, key: &Scalar, first: &SortKey) -> Result<SortBy> {
        let of = |ty| {
            self.catalog
                .equality(ty)
                .ok_or(CodegenError::NoEquality(ty))
        };
        let descends = first.operator == of(first.expr.ty().oid)?.lt;
        let own = of(key.ty.oid)?;
        Ok(SortBy {
            expr: key.sql.clone(),
            operator: operator_name(if descends { own.gt } else { own.lt }, self.catalog)?,
            nulls_first: descends,
        })
    }

    /// Rows that are looked for from what stands before them in FROM.
    fn found(&mut self, rows: Branch, mut outer: Branch, id: NodeId) -> Result<Branch> {
        let names = self.column_names(id);
        let there = names.iter().zip(&rows.cols);
        let names: Vec<Option<String>> = there
            .map(|(n, c)| n.clone().filter(|_| c.is_some()))
            .collect();
        let alias = self.alias("last_rows");
        let cols = columns_of(&alias, &names, self.circuit.schema(id));
        let select = rows.select(None, &names);
        outer
            .from
            .push(FromItem::lateral(Query::from(select), &alias));
        outer.cols = cols;
        outer.weight = Weight::one();
        Ok(outer)
    }

    /// `own = ANY (ARRAY[key])`
    fn is_any(&self, own: &Scalar, key: &Scalar) -> Result<Sql> {
        Ok(match equal(own, key, self.catalog)? {
            Sql::Binary(operator, sides) => {
                let [own, key] = *sides;
                Sql::ScalarArray {
                    operator,
                    any: true,
                    args: Box::new([own, Sql::Array(vec![key])]),
                }
            }
            other => other,
        })
    }
}
