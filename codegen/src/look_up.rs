//! Look-ups that the planner is not left to order.
//!
//! What is probed is found before it is joined with anything else: the planner, which knows nothing
//! of how the keys of a change are spread and takes pages that it reads again for cached, would
//! start from another table at times, and read far more of what is probed. So it is a subquery
//! with a fence.
//!
//! The planner multiplies the selectivities of all columns that a join compares, as if they were
//! independent: of a join along a key of two columns it expects next to nothing, where each row
//! has its one partner, and plans what follows for no rows (a change that is scanned again for
//! each, or tables that are read whole because nothing seems to come of them). So a table that a
//! change leads to along the whole of such a key is looked up in a LATERAL subquery with a fence,
//! of which the planner knows that it is one row.

use crate::error::Result;
use crate::lower::{Lowering, columns_of};
use crate::names::{WEIGHT, relation_name};
use crate::rel::{Branch, Weight};
use crate::sql::{FromItem, Query, Sql};
use spec::expr::ExprKind;
use spec::op::Op;
use spec::{Expr, NodeId, Oid};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// An input of a join that is a base table, with the conditions that fix a key of it.
pub(crate) struct LookUp {
    pub input: usize,
    /// Places in the list of conditions.
    pub conditions: BTreeSet<usize>,
}

/// A table that is still to be put into FROM, behind what leads to it.
#[derive(Clone)]
pub(crate) struct LookedUp {
    table: Branch,
    alias: String,
    names: Vec<Option<String>>,
    conditions: BTreeSet<usize>,
    /// Where its columns are among those of the join.
    at: usize,
}

impl Lowering<'_> {
    /// The rows of one table that keys reach, on their way into a join.
    pub(crate) fn found_first(&mut self, part: Branch, input: NodeId) -> Branch {
        let mut below = input;
        while let (Op::Map(_) | Op::Filter(_), [next]) =
            (self.circuit.op(below), self.circuit.inputs(below))
        {
            below = *next;
        }
        let tables = |item: &FromItem| matches!(item, FromItem::Table { .. });
        let looked_up = matches!(self.circuit.op(below), Op::Probe(_))
            && part.from.len() == 2
            && part.from.iter().all(tables);
        if !looked_up || !self.looks_up_first {
            return part;
        }
        let names = self.column_names(input);
        let alias = self.alias("found");
        let weight = match part.weight.factors.is_empty() {
            true => part.weight.clone(),
            false => Weight::column(&alias, WEIGHT),
        };
        let weighted = !part.weight.factors.is_empty();
        let mut select = part.select(weighted.then_some(WEIGHT), &names);
        select.fence = true;
        let cols = columns_of(&alias, &names, self.circuit.schema(input));
        let item = FromItem::query(Query::from(select), &alias);
        Branch::new(vec![item], cols, weight)
    }

    /// The inputs of a join with a change that are to be looked up.
    pub(crate) fn look_ups(&self, on: &[Expr], id: NodeId) -> Vec<LookUp> {
        let inputs = self.circuit.inputs(id);
        let leads = |i: &NodeId| self.is_small(*i) && self.is_changing(*i);
        if !self.looks_up_first || !inputs.iter().any(leads) {
            return vec![];
        }
        let mut starts = vec![];
        let mut width = 0;
        for input in inputs {
            starts.push(width);
            width += self.circuit.schema(*input).len();
        }
        let input_of = |column: usize| starts.partition_point(|s| *s <= column) - 1;
        let equations: Vec<_> = on.iter().map(|c| self.equation(c)).collect();
        let mut out: Vec<LookUp> = vec![];
        // What leads to another table stands in FROM before it.
        let mut leads = BTreeSet::new();
        for (i, input) in inputs.iter().enumerate() {
            if self.is_small(*input) || leads.contains(&i) {
                continue;
            }
            let Some((relation, attnums)) = self.base_table(*input) else {
                continue;
            };
            let mut fixed = vec![];
            for (at, equation) in equations.iter().enumerate() {
                let Some((a, b)) = *equation else { continue };
                for (own, other) in [(a, b), (b, a)] {
                    let from = input_of(other);
                    let led = out.iter().any(|l| l.input == from);
                    if input_of(own) == i && from != i && !led {
                        let attnum = attnums.get(own - starts[i]).copied().flatten();
                        fixed.extend(attnum.map(|attnum| (attnum, at, from)));
                    }
                }
            }
            let sources: BTreeSet<usize> = fixed.iter().map(|f| f.2).collect();
            let keys = self.catalog.relation(relation).map(|r| r.keys.as_slice());
            // One input leads to it: by two, these would have to be multiplied first.
            let found = sources.into_iter().find_map(|from| {
                let led: Vec<_> = fixed.iter().filter(|f| f.2 == from).collect();
                let fixes = |c: &i16| led.iter().any(|f| f.0 == *c);
                let mut keys = keys.unwrap_or_default().iter();
                let key = keys.find(|k| k.columns.len() > 1 && k.columns.iter().all(fixes))?;
                let used = led.iter().filter(|f| key.columns.contains(&f.0));
                Some((from, used.map(|f| f.1).collect()))
            });
            let Some((from, conditions)) = found else {
                continue;
            };
            leads.insert(from);
            out.push(LookUp {
                input: i,
                conditions,
            });
        }
        out
    }

    /// `a = b`, of two columns.
    pub(crate) fn equation(&self, c: &Expr) -> Option<(usize, usize)> {
        let ExprKind::Operator { operator, args, .. } = c.kind() else {
            return None;
        };
        let [a, b] = args.as_slice() else { return None };
        let equality = self.catalog.equality(a.ty().oid)?;
        (equality.eq == *operator).then_some(())?;
        Some((a.as_column()?, b.as_column()?))
    }

    /// The table whose rows these are, some of them, and the columns of it that they show.
    pub(crate) fn base_table(&self, id: NodeId) -> Option<(Oid, Vec<Option<i16>>)> {
        let below = || self.base_table(*self.circuit.inputs(id).first()?);
        match self.circuit.op(id) {
            Op::Source(s) => Some((s.relation, s.attnums.iter().copied().map(Some).collect())),
            Op::New | Op::Old | Op::Delta | Op::Neg | Op::Filter(_) => below(),
            // Old of it, from New of it and the change.
            Op::Plus => {
                let of = |i: &NodeId| self.base_table(*i);
                let mut all = self.circuit.inputs(id).iter().map(of);
                let first = all.next()??;
                all.all(|other| other.as_ref() == Some(&first))
                    .then_some(first)
            }
            Op::Map(exprs) => {
                let (relation, columns) = below()?;
                let shown = exprs
                    .iter()
                    .map(|e| columns.get(e.as_column()?).copied().flatten());
                Some((relation, shown.collect()))
            }
            _ => None,
        }
    }

    /// Takes the table out of FROM, if this part of the input is the table itself (Old of it has a
    /// part that is the change).
    pub(crate) fn take_out(
        &mut self,
        look_up: &LookUp,
        part: &mut Branch,
        input: NodeId,
        at: usize,
    ) -> Result<Option<LookedUp>> {
        let Some((relation, _)) = self.base_table(input) else {
            return Ok(None);
        };
        let table = relation_name(relation, self.catalog)?;
        let is_table =
            matches!(part.from.as_slice(), [FromItem::Table { name, .. }] if *name == table);
        if !is_table || !part.weight.is_one() {
            return Ok(None);
        }
        let names = self.column_names(input);
        let alias = self.alias("found");
        let cols = columns_of(&alias, &names, self.circuit.schema(input));
        let outside = Branch::new(vec![], cols, part.weight.clone());
        Ok(Some(LookedUp {
            table: std::mem::replace(part, outside),
            alias,
            names,
            conditions: look_up.conditions.clone(),
            at,
        }))
    }

    /// Puts tables into FROM that the columns of the join lead to, with the conditions on their
    /// keys; gives the conditions that are left, printed.
    ///
    /// Behind the fence the planner does not see that the key is what has led to it. What is
    /// compared with the key outside is compared with that instead, and may so be joined before.
    pub(crate) fn put_back(
        &self,
        looked_up: Vec<LookedUp>,
        branch: &mut Branch,
        on: &[Expr],
    ) -> Result<Vec<Sql>> {
        let mut left: Vec<Option<&Expr>> = on.iter().map(Some).collect();
        // A column of a key, what has led to it, and by which equality.
        let mut led = vec![];
        for mut table in looked_up {
            let own = table.at..table.at + table.table.cols.len();
            let mut inside = branch.cols.clone();
            inside[own.clone()].clone_from_slice(&table.table.cols);
            for at in table.conditions {
                let Some(condition) = left[at].take() else {
                    continue;
                };
                if let Some((a, b)) = self.equation(condition) {
                    let (key, from) = if own.contains(&a) { (a, b) } else { (b, a) };
                    led.push((key, from, comparison(condition)));
                }
                let printed = self.conjuncts([condition], &inside)?;
                table.table.filter.extend(printed);
            }
            let mut select = table.table.select(None, &table.names);
            select.fence = true;
            let item = FromItem::lateral(Query::from(select), &table.alias);
            branch.from.push(item);
        }
        let mut printed = vec![];
        for condition in left.into_iter().flatten() {
            let by = self.equation(condition).and_then(|_| comparison(condition));
            let mut cols = Cow::Borrowed(&branch.cols);
            for (key, from, _) in led.iter().filter(|l| by.is_some() && l.2 == by) {
                cols.to_mut()[*key].clone_from(&branch.cols[*from]);
            }
            printed.extend(self.conjuncts([condition], &cols)?);
        }
        Ok(printed)
    }
}

/// The operator and the collation by which two values are compared.
fn comparison(e: &Expr) -> Option<(Oid, Oid)> {
    match e.kind() {
        ExprKind::Operator {
            operator,
            collation,
            ..
        } => Some((*operator, *collation)),
        _ => None,
    }
}
