//! `Closure`: WITH RECURSIVE.
//!
//! ```text
//! WITH RECURSIVE reached AS (seed UNION [ALL] SELECT map FROM reached, x WHERE on)
//! ```
//!
//! The step reads `reached` once, as it must. The planner does not know how many rows each round
//! finds: where an index serves a link, x is looked up row by row in a LATERAL subquery that must
//! not be dissolved, or all of x would be read again in each round. Where none does, all of x is
//! hashed, once; of a left join, the rows so far are a subquery then. If x is a sum, like a table
//! less what has come, its parts are added up, there or there. Weights other than 1 travel with the
//! rows, unless they are distinct.
//!
//! What is not followed again (`known ∖ gone`) is asked of the rows as they are made: `known` through
//! its index, in a subquery that the planner must not dissolve (it would read all of it), and `gone`
//! through a hash.

use crate::consolidate::consolidated;
use crate::error::{CodegenError, Result};
use crate::explain::advice::{compared, is_served};
use crate::expr::{Scalar, agree, operator_name};
use crate::flat_map::computes_for_syntax;
use crate::identity::record_hash;
use crate::keys::{all_same, present};
use crate::lower::{Lowering, Relation, columns_of};
use crate::names::{WEIGHT, made_hints};
use crate::rel::{Branch, Rel, Weight};
use crate::sql::ident::Namer;
use crate::sql::types::TypeName;
use crate::sql::{FromItem, Name, Query, Sql};
use spec::op::{Closure, Link, Op};
use spec::types::{ColType, SqlType};
use spec::{Expr, NodeId};

/// What is not followed again.
struct Barrier {
    known: NodeId,
    gone: NodeId,
    relation: Relation,
}

impl Lowering<'_> {
    pub(crate) fn closure(&mut self, c: &Closure, id: NodeId) -> Result<Rel> {
        let missing = || CodegenError::Plan("a closure lacks an input".into());
        let (seed, rest) = self.circuit.inputs(id).split_first().ok_or_else(missing)?;
        let seed = *seed;
        let (along, barrier) = rest.split_at_checked(c.inputs()).ok_or_else(missing)?;
        let barrier = match barrier {
            [known, gone] => Some(Barrier {
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
        let mut sides = vec![];
        for x in along {
            sides.push((*x, self.lower(*x)?));
        }
        if seeds.branches.is_empty() {
            return Ok(seeds);
        }
        let name = self.relations.unique("reached");
        let columns = self.column_names(id);
        let alias = self.alias(&name);
        let sums = !seeds.is_plain() || sides.iter().any(|(_, rel)| !rel.is_plain());
        let weighted = !c.distinct && sums;
        let rows = Branch::new(
            vec![FromItem::table(Name::bare(&name), &alias)],
            columns_of(&alias, &columns, &c.types),
            match weighted {
                true => Weight::column(&alias, WEIGHT),
                false => Weight::one(),
            },
        );
        let mut step = self.step(c, sides, rows, weighted)?;
        if let Some(step) = &mut step {
            let printer = self.printer(&step.cols);
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

    /// The rows at the end of the links; none if there can be none.
    fn step(
        &mut self,
        c: &Closure,
        sides: Vec<(NodeId, Rel)>,
        mut rows: Branch,
        weighted: bool,
    ) -> Result<Option<Branch>> {
        let missing = || CodegenError::Plan("a link lacks its input".into());
        let mut sides = sides.into_iter();
        let mut types = c.types.clone();
        for link in &c.links {
            match link {
                Link::Join(on) => {
                    let (x, rel) = sides.next().ok_or_else(missing)?;
                    if rel.branches.is_empty() {
                        return Ok(None);
                    }
                    let of_x = self.circuit.schema(x);
                    types.extend(of_x);
                    let look_up = c.change && self.is_looked_up(on, rows.cols.len(), x);
                    let mut there = match look_up {
                        true => self.looked_up(on, rel, x, &rows.cols, weighted)?,
                        false => self.all_beside(on, rel, x, &rows.cols)?,
                    };
                    there.cols.resize(of_x.len(), None);
                    rows.from.append(&mut there.from);
                    rows.filter.append(&mut there.filter);
                    rows.cols.append(&mut there.cols);
                    rows.weight = rows.weight.times(there.weight);
                }
                Link::Left(on) => {
                    let (x, rel) = sides.next().ok_or_else(missing)?;
                    rows = self.left_link(c, on, (x, rel), rows, &types, weighted)?;
                    let padded = |c: &ColType| ColType {
                        nullable: true,
                        ..*c
                    };
                    types.extend(self.circuit.schema(x).iter().map(padded));
                }
                Link::FlatMap(f) => {
                    if computes_for_syntax(f, &rows.cols) {
                        rows = self.so_far(rows, &types, weighted);
                    }
                    types.extend(f.made());
                    let mut namer = Namer::default();
                    let hints = made_hints(f, &[], self.catalog);
                    let named = hints.iter().map(|hint| match hint.is_empty() {
                        true => namer.unique("made"),
                        false => namer.unique(hint),
                    });
                    let names: Vec<String> = named.collect();
                    let read = vec![true; names.len()];
                    let (item, mut made) = self.flat_map_item(f, &rows.cols, names, read)?;
                    rows.from.push(item);
                    rows.cols.append(&mut made);
                }
                Link::Filter(on) => {
                    let on = self.conjuncts(on, &rows.cols)?;
                    rows.filter.extend(on);
                }
            }
        }
        Ok(Some(rows))
    }

    /// LEFT JOIN of the rows so far.
    fn left_link(
        &mut self,
        c: &Closure,
        on: &[Expr],
        (x, rel): (NodeId, Rel),
        mut rows: Branch,
        types: &[ColType],
        weighted: bool,
    ) -> Result<Branch> {
        let width = self.circuit.schema(x).len();
        if rel.branches.is_empty() {
            let nulls: Vec<Expr> = self
                .circuit
                .schema(x)
                .iter()
                .map(|c| Expr::null(c.ty))
                .collect();
            for null in &nulls {
                let null = self.printer(&[]).scalar(null)?;
                rows.cols.push(Some(null));
            }
            return Ok(rows);
        }
        let look_up = c.change && self.is_looked_up(on, rows.cols.len(), x);
        let (mut there, on) = match look_up {
            true => (self.looked_up(on, rel, x, &rows.cols, weighted)?, vec![]),
            false => {
                if rows.from.len() != 1 {
                    rows = self.so_far(rows, types, weighted);
                }
                let all = self.added_up(rel, x, None)?;
                let names = self.column_names(x);
                let mut there = self.enclose(Rel::one(all), x, &names)?;
                there.cols.resize(width, None);
                let cols: Vec<Option<Scalar>> =
                    rows.cols.iter().chain(&there.cols).cloned().collect();
                let on = self.conjuncts(on, &cols)?;
                (there, on)
            }
        };
        there.cols.resize(width, None);
        let missing = || CodegenError::Plan("a left join of nothing".into());
        let left = rows.from.pop().ok_or_else(missing)?;
        let right = there.from.pop().ok_or_else(missing)?;
        rows.from.push(left.left_join(right, on));
        let padded = there.cols.into_iter().map(|c| {
            c.map(|c| Scalar {
                nullable: true,
                ..c
            })
        });
        rows.cols.extend(padded);
        if !there.weight.is_one() && weighted {
            // Padded, it is there once.
            let weight = Sql::Coalesce(vec![there.weight.sql(), Sql::int8(1)]);
            rows.weight.factors.push(weight);
        }
        Ok(rows)
    }

    /// The rows so far as a subquery.
    fn so_far(&mut self, rows: Branch, types: &[ColType], weighted: bool) -> Branch {
        let mut namer = Namer::reserving([WEIGHT]);
        let name = |c: &Option<Scalar>| {
            let hint = match &c.as_ref()?.sql {
                Sql::Column(_, name) => name.to_string(),
                _ => "made".to_owned(),
            };
            Some(namer.unique(&hint))
        };
        let names: Vec<Option<String>> = rows.cols.iter().map(name).collect();
        let alias = self.alias("so_far");
        let select = rows.select(weighted.then_some(WEIGHT), &names);
        let weight = match weighted {
            true => Weight::column(&alias, WEIGHT),
            false => Weight::one(),
        };
        let cols = columns_of(&alias, &names, types);
        let item = FromItem::query(Query::from(select), &alias);
        Branch::new(vec![item], cols, weight)
    }

    /// The rows of x as one SELECT, or of those on which a link's conditions hold.
    fn added_up(
        &mut self,
        rel: Rel,
        x: NodeId,
        on: Option<(&[Expr], &[Option<Scalar>])>,
    ) -> Result<Branch> {
        let is_sum = !rel.is_plain();
        let mut parts = vec![];
        for branch in rel.branches {
            let mut part = match branch.is_flat() {
                true => branch,
                false => self.flat(Rel::one(branch), x)?,
            };
            if let Some((on, found)) = on {
                let cols: Vec<Option<Scalar>> = found.iter().chain(&part.cols).cloned().collect();
                let on = self.conjuncts(on, &cols)?;
                part.filter.extend(on);
            }
            parts.push(part);
        }
        let all = self.flat(Rel { branches: parts }, x)?;
        Ok(match is_sum {
            true => consolidated(all, self.catalog),
            false => all,
        })
    }

    /// Of x what a row reaches.
    fn looked_up(
        &mut self,
        on: &[Expr],
        rel: Rel,
        x: NodeId,
        found: &[Option<Scalar>],
        weighted: bool,
    ) -> Result<Branch> {
        let weighted = weighted && !rel.is_plain();
        let all = self.added_up(rel, x, Some((on, found)))?;
        let names = self.column_names(x);
        let alias = self.alias("there");
        let cols = columns_of(&alias, &names, self.circuit.schema(x));
        let weight = match weighted {
            true => Weight::column(&alias, WEIGHT),
            false => Weight::one(),
        };
        let mut select = all.select(weighted.then_some(WEIGHT), &names);
        select.fence = true;
        let from = FromItem::lateral(Query::from(select), &alias);
        Ok(Branch::new(vec![from], cols, weight))
    }

    /// All of x, beside the rows so far.
    fn all_beside(
        &mut self,
        on: &[Expr],
        rel: Rel,
        x: NodeId,
        found: &[Option<Scalar>],
    ) -> Result<Branch> {
        let all = self.added_up(rel, x, None)?;
        let mut all = self.flat(Rel::one(all), x)?;
        let cols: Vec<Option<Scalar>> = found.iter().chain(&all.cols).cloned().collect();
        let on = self.conjuncts(on, &cols)?;
        all.filter.extend(on);
        Ok(all)
    }

    /// Does an index serve a link from a row of so many columns?
    fn is_looked_up(&self, on: &[Expr], start: usize, x: NodeId) -> bool {
        let own = start..start + self.circuit.schema(x).len();
        let mut compared = on.iter().filter_map(|e| compared(e, self.catalog, &own));
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
