//! `Semi`, `Anti`: EXISTS and NOT EXISTS.
//!
//! Where y is a sum with negative parts, as Old of a table is, a row matches if the weights of what
//! it matches add up to more than 0. Then the few rows of x are joined with each part of y, once for
//! each value of the columns that matter:
//!
//! ```text
//! matched = SELECT k FROM (SELECT DISTINCT k FROM x), y WHERE p GROUP BY k HAVING sum(w) > 0
//! ```
//!
//! Each part is then reached in the way that suits it: tables through their indexes, changes by
//! hashing. (A sum in a subquery would read all changes once for each row of x.)
//!
//! Most values match nothing of a negative part, and one row of the others is then as good as all:
//!
//! ```text
//! disturbed = SELECT DISTINCT k FROM x, (the negative parts of y) WHERE p
//! matched   = SELECT DISTINCT k FROM x WHERE k ∉ disturbed AND EXISTS (SELECT FROM (the others) WHERE p)
//!             UNION ALL what is above, of disturbed
//! ```

use crate::distinct::distinct_rows;
use crate::error::Result;
use crate::expr::{Columns, Scalar};
use crate::keys::{all_same, present};
use crate::lower::{Lowering, Relation};
use crate::rel::{Branch, Rel, Weight};
use crate::sql::{FromItem, Limit, Query, Sql};
use spec::expr::ExprKind;
use spec::{ColType, Expr, NodeId};
use std::collections::BTreeSet;

impl Lowering<'_> {
    pub(crate) fn semi(&mut self, on: &[Expr], anti: bool, id: NodeId) -> Result<Rel> {
        let (x, y) = (self.input(id, 0)?, self.input(id, 1)?);
        let outside = std::mem::replace(&mut self.looks_up_first, false);
        let right = self.lower_branches(y);
        self.looks_up_first = outside;
        let right = right?;
        // Not within a query, which has no lets.
        let changes = self.is_changing(x) || self.is_changing(y);
        if !right.is_plain() && changes && self.is_small(x) && self.equal_values_match_alike(on, x)
        {
            return self.matched(on, anti, id);
        }
        let rel = self.lower_branches(x)?;
        let mut rel = self.there(rel, x, on)?;
        for branch in &mut rel.branches {
            let condition = self.exists(on, anti, &branch.cols, right.clone(), y)?;
            branch.filter.extend(condition);
        }
        Ok(rel)
    }

    /// Do the conditions read nothing of x by which equal values can be told apart?
    fn equal_values_match_alike(&self, on: &[Expr], x: NodeId) -> bool {
        let schema = self.circuit.schema(x);
        let alike = |c: &usize| match schema.get(*c) {
            Some(c) => self.catalog.image_equality(c.ty),
            None => true,
        };
        on.iter().all(|c| {
            let compares = match c.kind() {
                ExprKind::Operator { operator, args, .. } => args.iter().all(|a| {
                    let equality = self.catalog.equality(a.ty().oid);
                    a.as_column().is_some() && equality.is_some_and(|e| e.eq == *operator)
                }),
                _ => false,
            };
            compares || c.columns().iter().all(alike)
        })
    }

    /// The rows of y that match a row with these columns.
    fn matching(&self, on: &[Expr], x: &Columns, mut y: Branch, id: NodeId) -> Result<Branch> {
        y.cols.resize(self.circuit.schema(id).len(), None);
        let cols: Vec<Option<Scalar>> = x.iter().chain(&y.cols).cloned().collect();
        let conditions = self.conjuncts(on, &cols)?;
        y.filter.extend(conditions);
        Ok(y)
    }

    fn exists(
        &mut self,
        on: &[Expr],
        anti: bool,
        x: &Columns,
        y: Rel,
        id: NodeId,
    ) -> Result<Vec<Sql>> {
        let plain = y.is_plain();
        let parts = y.branches.into_iter();
        let parts = parts.map(|b| self.matching(on, x, b, id));
        let parts = parts.collect::<Result<Vec<Branch>>>()?;
        if plain {
            let query = |b: Branch| Box::new(Query::from(b.select(None, &[])));
            if anti {
                return Ok(parts
                    .into_iter()
                    .map(|b| Sql::NotExists(query(b)))
                    .collect());
            }
            let any: Vec<Sql> = parts.into_iter().map(|b| Sql::Exists(query(b))).collect();
            return Ok(match any.len() {
                1 => any,
                _ => vec![Sql::Or(any)],
            });
        }
        let zero = || Sql::int8(0);
        let sums = parts.into_iter().map(|mut b| {
            let sum = match b.weight.is_one() {
                true => Sql::aggregate("count", vec![], None),
                false => Sql::Coalesce(vec![
                    Sql::aggregate("sum", vec![b.weight.sql()], None),
                    Sql::zero_weight(),
                ]),
            };
            b.cols = vec![];
            b.weight = Weight::one();
            let mut select = b.select(None, &[]);
            select.items = vec![crate::sql::Item::new(sum, "w")];
            Sql::Scalar(Box::new(Query::from(select)))
        });
        let sum = sums
            .reduce(|all, s| Sql::op("+", all, s))
            .unwrap_or_else(zero);
        Ok(vec![Sql::op(if anti { "<=" } else { ">" }, sum, zero())])
    }

    /// The few rows of x that match, or do not, told by the values that do.
    fn matched(&mut self, on: &[Expr], anti: bool, id: NodeId) -> Result<Rel> {
        let (x, y) = (self.input(id, 0)?, self.input(id, 1)?);
        let relation = self.lower_let(x)?;
        let arity = self.circuit.schema(x).len();
        let used: BTreeSet<usize> = on.iter().flat_map(Expr::columns).collect();
        let keys: Vec<usize> = used.range(..arity).copied().collect();
        let names: Vec<String> = keys
            .iter()
            .map(|k| self.hints[x.index()][*k].clone())
            .collect();
        let comment = "the values that have a match";
        let matched = self.extra_let("matched", &names, Some(x), comment, |this| {
            this.values_that_match(on, &keys, &relation, x, y)
        })?;
        let mut branch = self.read(&relation, x);
        let own = present(&branch.cols, &keys)?;
        let mut found = self.read_extra(&matched, &types(&own));
        let theirs = present(&found.cols, &(0..keys.len()).collect::<Vec<_>>())?;
        found.filter = all_same(&own, &theirs, self.catalog)?;
        let query = Box::new(Query::from(found.select(None, &[])));
        branch.filter.push(match anti {
            true => Sql::NotExists(query),
            false => Sql::Exists(query),
        });
        Ok(Rel::one(branch))
    }

    fn values_that_match(
        &mut self,
        on: &[Expr],
        keys: &[usize],
        relation: &Relation,
        x: NodeId,
        y: NodeId,
    ) -> Result<Rel> {
        let outside = std::mem::replace(&mut self.looks_up_first, false);
        let right = self.lower_branches(y);
        self.looks_up_first = outside;
        let Rel { branches: parts } = right?;
        let positive = |b: &&Branch| b.weight.is_one();
        let others: Vec<Branch> = parts.iter().filter(positive).cloned().collect();
        if keys.is_empty() || others.is_empty() {
            return self.values_of_positive_sum(on, keys, &Candidates::All(relation), x, y);
        }
        let names: Vec<String> = keys
            .iter()
            .map(|k| self.hints[x.index()][*k].clone())
            .collect();
        let comment = "the values that something taken away matches";
        let disturbed = self.extra_let("disturbed", &names, Some(x), comment, |this| {
            let parts = this.lower_branches(y)?.branches;
            let parts = parts.into_iter().filter(|b| !b.weight.is_one()).collect();
            let mut pairs = this.pairs(on, keys, &Candidates::All(relation), parts, (x, y))?;
            pairs.weight = Weight::one();
            Ok(Rel::one(distinct_rows(pairs)))
        })?;

        let (from, own) = self.candidates(keys, &Candidates::All(relation), x)?;
        let left = self.placed(keys, &own, x);
        let mut settled = Branch::new(
            vec![from],
            own.iter().cloned().map(Some).collect(),
            Weight::one(),
        );
        let mut found = self.read_extra(&disturbed, &types(&own));
        let theirs = present(&found.cols, &(0..keys.len()).collect::<Vec<_>>())?;
        found.filter = all_same(&own, &theirs, self.catalog)?;
        let query = Box::new(Query::from(found.select(None, &[])));
        settled.filter.push(Sql::NotExists(query));
        let others = Rel { branches: others };
        settled
            .filter
            .extend(self.exists(on, false, &left, others, y)?);
        let mut all =
            self.values_of_positive_sum(on, keys, &Candidates::These(&disturbed), x, y)?;
        all.branches.insert(0, settled);
        Ok(all)
    }

    /// Of the candidates, those for which what they match of y adds up to more than 0.
    fn values_of_positive_sum(
        &mut self,
        on: &[Expr],
        keys: &[usize],
        candidates: &Candidates<'_>,
        x: NodeId,
        y: NodeId,
    ) -> Result<Rel> {
        let parts = self.lower_branches(y)?.branches;
        let mut all = self.pairs(on, keys, candidates, parts, (x, y))?;
        let sum = Sql::aggregate("sum", vec![all.weight.sql()], None);
        let zero = Sql::zero_weight();
        all.having = vec![Sql::op(">", sum, zero)];
        let keys = all.cols.iter().flatten().map(|c| c.sql.clone()).collect();
        all.group_by = Some(keys);
        all.weight = Weight::one();
        Ok(Rel::one(all))
    }

    /// The candidates, each with the weight of each row that it matches of these parts of y.
    fn pairs(
        &mut self,
        on: &[Expr],
        keys: &[usize],
        candidates: &Candidates<'_>,
        parts: Vec<Branch>,
        (x, y): (NodeId, NodeId),
    ) -> Result<Branch> {
        let mut pairs = vec![];
        for part in parts {
            let (from, own) = self.candidates(keys, candidates, x)?;
            let left = self.placed(keys, &own, x);
            let mut branch = self.matching(on, &left, part, y)?;
            branch.from.insert(0, from);
            branch.cols = own.into_iter().map(Some).collect();
            pairs.push(branch);
        }
        let names: Vec<Option<String>> = (0..keys.len()).map(|i| Some(format!("k{i}"))).collect();
        self.enclose_extra(Rel { branches: pairs }, keys, x, &names)
    }

    /// The values of the columns of x that matter, each once.
    fn candidates(
        &mut self,
        keys: &[usize],
        candidates: &Candidates<'_>,
        x: NodeId,
    ) -> Result<(FromItem, Vec<Scalar>)> {
        let schema = self.circuit.schema(x);
        let like: Vec<ColType> = keys.iter().map(|k| schema[*k]).collect();
        let mut values = match candidates {
            Candidates::All(relation) => self.read(relation, x),
            Candidates::These(relation) => {
                let mut these = self.read_extra(relation, &like);
                let from = these.from.swap_remove(0);
                return Ok((from, these.cols.into_iter().flatten().collect()));
            }
        };
        let own = present(&values.cols, keys)?;
        values.cols = own.iter().cloned().map(Some).collect();
        values.weight = Weight::one();
        let values = match keys.is_empty() {
            // Whether there is a row at all.
            true => {
                values.limit = Some(Limit::any(1));
                values
            }
            false => distinct_rows(values),
        };
        let alias = self.alias("candidates");
        let names: Vec<Option<String>> = (0..keys.len()).map(|i| Some(format!("k{i}"))).collect();
        let query = Rel::one(values).query(None, &names);
        let columns = own.iter().zip(names.iter().flatten()).map(|(s, name)| {
            let ty = ColType {
                ty: s.ty,
                nullable: s.nullable,
            };
            Scalar::column(&alias, name, ty)
        });
        Ok((FromItem::query(query, &alias), columns.collect()))
    }

    /// Columns of x, of which there are only these.
    fn placed(&self, keys: &[usize], own: &[Scalar], x: NodeId) -> Vec<Option<Scalar>> {
        let mut all = vec![None; self.circuit.schema(x).len()];
        for (key, scalar) in keys.iter().zip(own) {
            all[*key] = Some(scalar.clone());
        }
        all
    }

    /// A subquery of what is no node: these columns of x.
    fn enclose_extra(
        &mut self,
        rel: Rel,
        keys: &[usize],
        x: NodeId,
        names: &[Option<String>],
    ) -> Result<Branch> {
        let alias = self.alias("pairs");
        let schema = self.circuit.schema(x);
        let types: Vec<ColType> = keys.iter().map(|k| schema[*k]).collect();
        let cols = crate::lower::columns_of(&alias, names, &types);
        let query = rel.query(Some(crate::names::WEIGHT), names);
        let weight = Weight::column(&alias, crate::names::WEIGHT);
        Ok(Branch::new(
            vec![FromItem::query(query, &alias)],
            cols,
            weight,
        ))
    }

    /// The rows of an extra let, with columns of these types.
    fn read_extra(&mut self, relation: &Relation, like: &[ColType]) -> Branch {
        let alias = self.alias(&relation.name);
        let cols = relation
            .columns
            .iter()
            .zip(like)
            .map(|(name, ty)| Some(Scalar::column(&alias, name.as_deref()?, *ty)));
        let cols = cols.collect();
        let from = FromItem::table(crate::sql::Name::bare(&relation.name), &alias);
        Branch::new(vec![from], cols, Weight::one())
    }
}

/// The candidates of a match.
enum Candidates<'r> {
    /// Of this relation, which holds the rows of x.
    All(&'r Relation),
    /// This relation, which holds their values.
    These(&'r Relation),
}

fn types(columns: &[Scalar]) -> Vec<ColType> {
    let ty = |s: &Scalar| ColType {
        ty: s.ty,
        nullable: s.nullable,
    };
    columns.iter().map(ty).collect()
}
