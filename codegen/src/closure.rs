//! `Closure`: WITH RECURSIVE.
//!
//! ```text
//! WITH RECURSIVE reached AS (seed UNION [ALL] SELECT map FROM reached, x WHERE on)
//! ```
//!
//! The step reads `reached` once, as it must. The planner does not know how many rows each round
//! finds: where an index serves the step, x is looked up row by row in a LATERAL subquery that must
//! not be dissolved, or all of x would be read again in each round. Where none does, all of x is
//! hashed, once. If x is a sum, like a table less what has come, its parts are added up, there or
//! there. Weights other than 1 travel with the rows, unless they are distinct.
//!
//! What is not followed again (`known ∖ gone`) is asked of the rows as they are made: `known` through
//! its index, in a subquery that the planner must not dissolve (it would read all of it), and `gone`
//! through a hash.

use crate::consolidate::consolidated;
use crate::error::{CodegenError, Result};
use crate::explain::advice::{compared, is_served};
use crate::expr::{Scalar, agree, operator_name};
use crate::identity::record_hash;
use crate::keys::{all_same, present};
use crate::lower::{Lowering, Relation, columns_of};
use crate::names::WEIGHT;
use crate::rel::{Branch, Rel, Weight};
use crate::sql::types::TypeName;
use crate::sql::{FromItem, Name, Query, Sql};
use spec::NodeId;
use spec::op::{Closure, Op};
use spec::types::{ColType, SqlType};

/// What is not followed again.
struct Barrier {
    known: NodeId,
    gone: NodeId,
    relation: Relation,
}

impl Lowering<'_> {
    pub(crate) fn closure(&mut self, c: &Closure, id: NodeId) -> Result<Rel> {
        let (seed, x) = (self.input(id, 0)?, self.input(id, 1)?);
        let barrier = match self.circuit.inputs(id) {
            [_, _, known, gone] => Some(Barrier {
                known: *known,
                gone: *gone,
                relation: self.lower_let(*gone)?,
            }),
            _ => None,
        };
        if c.change {
            // So that the planner knows how many they are.
            self.lower_let(seed)?;
        }
        let seeds = self.seeds(c, seed, barrier.as_ref())?;
        let along = self.lower(x)?;
        if seeds.branches.is_empty() {
            return Ok(seeds);
        }
        let name = self.relations.unique("reached");
        let columns = self.column_names(id);
        let alias = self.alias(&name);
        let found = columns_of(&alias, &columns, &c.types);
        let from = FromItem::table(Name::bare(&name), &alias);
        let mut step = match along.branches.is_empty() {
            true => None,
            false => Some(self.along(c, along, x, &found)?),
        };
        let weighted =
            !c.distinct && (!seeds.is_plain() || step.as_ref().is_some_and(|s| !s.weight.is_one()));
        if let Some(step) = &mut step {
            let mut cols = found;
            cols.append(&mut step.cols);
            step.from.insert(0, from);
            if weighted {
                let weight = std::mem::replace(&mut step.weight, Weight::one());
                step.weight = Weight::column(&alias, WEIGHT).times(weight);
            }
            let printer = self.printer(&cols);
            let mapped: Vec<Scalar> = c
                .map
                .iter()
                .map(|e| printer.scalar(e))
                .collect::<Result<_>>()?;
            step.cols = self.as_typed(mapped, &c.types)?;
            if let Some(barrier) = &barrier {
                let open = self.is_open(barrier, &step.cols)?;
                step.filter.push(open);
            }
        }
        let w = weighted.then_some(WEIGHT);
        let seed = seeds.query(w, &columns);
        let query = match step {
            Some(step) => Query::Recursive {
                name: name.clone(),
                columns: w
                    .map(str::to_owned)
                    .into_iter()
                    .chain(columns.iter().flatten().cloned())
                    .collect(),
                seed: Box::new(seed),
                distinct: c.distinct,
                step: Box::new(step.select(w, &columns)),
            },
            None => seed,
        };
        let alias = self.alias(&name);
        let cols = columns_of(&alias, &columns, &c.types);
        let weight = match weighted {
            true => Weight::column(&alias, WEIGHT),
            false => Weight::one(),
        };
        let mut all = Branch::new(vec![FromItem::query(query, &alias)], cols, weight);
        if c.distinct {
            // Not the numbers of their derivations.
            all.weight = Weight::one();
        }
        Ok(Rel::one(all))
    }

    /// The rows to begin with, of a positive weight each.
    fn seeds(&mut self, c: &Closure, seed: NodeId, barrier: Option<&Barrier>) -> Result<Rel> {
        let mut rel = self.lower(seed)?;
        if !rel.is_plain() && !self.is_consolidated(seed) {
            let branch = self.flat(rel, seed)?;
            rel = Rel::one(consolidated(branch, self.catalog));
        }
        let mut branches = vec![];
        for mut branch in rel.branches {
            if barrier.is_some() && !branch.is_flat() {
                branch = self.flat(Rel::one(branch), seed)?;
            }
            let cols = present(&branch.cols, &(0..c.types.len()).collect::<Vec<_>>())?;
            branch.cols = self.as_typed(cols, &c.types)?;
            if let Some(barrier) = barrier {
                let open = self.is_open(barrier, &branch.cols)?;
                branch.filter.push(open);
            }
            if c.distinct && branch.is_flat() {
                branch.weight = Weight::one();
            }
            branches.push(branch);
        }
        Ok(Rel { branches })
    }

    /// Both parts of a recursive query must have the same types, modifiers and collations.
    fn as_typed(&self, cols: Vec<Scalar>, types: &[ColType]) -> Result<Vec<Option<Scalar>>> {
        let mut out = vec![];
        for (mut col, ty) in cols.into_iter().zip(types) {
            if col.ty.typmod != -1 || ty.ty.typmod != -1 {
                let plain = SqlType {
                    typmod: -1,
                    ..ty.ty
                };
                col.sql = col.sql.cast(TypeName::new(plain, self.catalog)?);
                col.ty.typmod = -1;
            }
            let collation = ty.ty.collation;
            out.extend(
                agree(vec![col], collation, self.catalog)?
                    .into_iter()
                    .map(Some),
            );
        }
        Ok(out)
    }

    /// What one step goes along: of x what a row reaches, or all of it.
    fn along(
        &mut self,
        c: &Closure,
        along: Rel,
        x: NodeId,
        found: &[Option<Scalar>],
    ) -> Result<Branch> {
        let names = self.column_names(x);
        let is_sum = !along.is_plain();
        let look_up = c.change && self.is_looked_up(c, x);
        let mut parts = vec![];
        for branch in along.branches {
            let mut part = match branch.is_flat() {
                true => branch,
                false => self.flat(Rel::one(branch), x)?,
            };
            if look_up {
                let cols: Vec<Option<Scalar>> = found.iter().chain(&part.cols).cloned().collect();
                let on = self.conjuncts(&c.on, &cols)?;
                part.filter.extend(on);
            }
            parts.push(part);
        }
        let mut all = self.flat(Rel { branches: parts }, x)?;
        if is_sum {
            all = consolidated(all, self.catalog);
        }
        if !look_up {
            let mut all = self.flat(Rel::one(all), x)?;
            let cols: Vec<Option<Scalar>> = found.iter().chain(&all.cols).cloned().collect();
            let on = self.conjuncts(&c.on, &cols)?;
            all.filter.extend(on);
            return Ok(all);
        }
        let alias = self.alias("there");
        let cols = columns_of(&alias, &names, self.circuit.schema(x));
        let weighted = is_sum && !c.distinct;
        let weight = match weighted {
            true => Weight::column(&alias, WEIGHT),
            false => Weight::one(),
        };
        let mut select = all.select(weighted.then_some(WEIGHT), &names);
        select.fence = true;
        let from = FromItem::lateral(Query::from(select), &alias);
        Ok(Branch::new(vec![from], cols, weight))
    }

    /// Does an index serve the step from a row?
    fn is_looked_up(&self, c: &Closure, x: NodeId) -> bool {
        let start = c.types.len();
        let own = start..start + self.circuit.schema(x).len();
        let mut compared = c.on.iter().filter_map(|e| compared(e, self.catalog, &own));
        compared.any(|column| self.is_indexed(x, column - start))
    }

    fn is_indexed(&self, id: NodeId, column: usize) -> bool {
        let inputs = self.circuit.inputs(id);
        match self.circuit.op(id) {
            Op::State(_) => true,
            Op::Source(s) => s.attnums.get(column).is_some_and(|attnum| {
                let relation = self.catalog.relation(s.relation);
                relation.is_some_and(|r| is_served(r, &[*attnum]))
            }),
            Op::Join(_) => {
                let mut column = column;
                for input in inputs {
                    let width = self.circuit.schema(*input).len();
                    if column < width {
                        return self.is_indexed(*input, column);
                    }
                    column -= width;
                }
                false
            }
            Op::Map(exprs) => {
                let inner = exprs.get(column).and_then(|e| e.as_column());
                inner.is_some_and(|c| self.is_indexed(inputs[0], c))
            }
            // Old of a table: New less what has come.
            Op::New | Op::Filter(_) | Op::Repeat(_) | Op::Plus => {
                inputs.first().is_some_and(|i| self.is_indexed(*i, column))
            }
            Op::FlatMap(_) | Op::Semi(_) | Op::Anti(_) | Op::Left(_)
                if column < self.circuit.schema(inputs[0]).len() =>
            {
                self.is_indexed(inputs[0], column)
            }
            _ => false,
        }
    }

    /// Is a row to be followed: not known, or gone?
    fn is_open(&mut self, barrier: &Barrier, row: &[Option<Scalar>]) -> Result<Sql> {
        let all: Vec<usize> = (0..row.len()).collect();
        let own = present(row, &all)?;
        let known = self.lower_branches(barrier.known)?;
        let hashed = self.is_record_hashed(barrier.known, &all);
        let mut open = vec![];
        for mut branch in known.branches {
            let theirs = present(&branch.cols, &all)?;
            if hashed {
                let same = Sql::op("=", record_hash(&theirs), record_hash(&own));
                branch.filter.push(same);
            }
            branch.filter.extend(all_same(&theirs, &own, self.catalog)?);
            let mut select = branch.select(None, &[]);
            select.fence = true;
            open.push(Sql::NotExists(Box::new(Query::from(select))));
        }
        let mut gone = self.read(&barrier.relation, barrier.gone);
        let theirs = present(&gone.cols, &all)?;
        let gone = match self.one_operator(&own, &theirs)? {
            Some(operator) => {
                let names = &barrier.relation.columns;
                Sql::AnyOf {
                    operator,
                    row: own.into_iter().map(|c| c.sql).collect(),
                    query: Box::new(Query::from(gone.select(None, names))),
                }
            }
            None => {
                gone.filter = all_same(&theirs, &own, self.catalog)?;
                Sql::Exists(Box::new(Query::from(gone.select(None, &[]))))
            }
        };
        let not_known = Sql::all(open).ok_or_else(|| CodegenError::Plan("no state".into()))?;
        Ok(Sql::Or(vec![not_known, gone]))
    }

    /// The operator by which these rows can be compared as rows, and hashed: one for all columns,
    /// none of which is NULL.
    fn one_operator(&self, left: &[Scalar], right: &[Scalar]) -> Result<Option<Name>> {
        let mut name = None;
        for (l, r) in left.iter().zip(right) {
            let Some(equality) = self.catalog.equality(l.ty.oid) else {
                return Ok(None);
            };
            let operator = operator_name(equality.eq, self.catalog)?;
            let other = name.get_or_insert_with(|| operator.clone());
            let comparable = l.ty.collation == r.ty.collation && l.ty.oid == r.ty.oid;
            if *other != operator || !comparable || l.nullable || r.nullable {
                return Ok(None);
            }
        }
        Ok(name)
    }
}
