//! A change that meets several sums: joined with them one after the other.
//!
//! Multiplied out all at once, a change that meets the Old of k tables, each of which is a table and
//! its change, becomes 2ᵏ joins, and each of them begins with the same change. Joined with one sum at
//! a time it takes k lets of two joins each, and what one let has found is what the next begins
//! with:
//!
//! ```text
//! Δa ⋈ Old(b) ⋈ Old(c)   =   led ⋈ c ⊎ −(led ⋈ Δc)   where led = Δa ⋈ b ⊎ −(Δa ⋈ Δb)
//! ```
//!
//! A let takes along what its rows lead to by a key, since that makes them no more. Which input comes
//! next is decided by what is known for certain: one that is reached by a key before one that is
//! reached by some equation. What nothing leads to is left to the last join, and to the planner.

use crate::error::Result;
use crate::lower::{Lowering, Relation};
use crate::names::WEIGHT;
use crate::rel::{Branch, Rel, Weight};
use crate::sql::ident::Namer;
use crate::sql::{FromItem, Name};
use spec::{Expr, NodeId, Oid};
use std::collections::BTreeSet;

/// The inputs of a join that are joined so far.
pub(crate) struct Led {
    pub inputs: BTreeSet<usize>,
    /// Columns of the whole join, those of these inputs that are asked for.
    pub relation: Relation,
}

/// An input of the join.
struct Input {
    /// Its columns among those of the join.
    columns: std::ops::Range<usize>,
    table: Option<(Oid, Vec<Option<i16>>)>,
    /// It is a sum, and is multiplied out.
    sum: bool,
}

/// How an input is reached from others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    ByKey,
    ByEquation,
}

impl Lowering<'_> {
    /// What a join of a change begins with, and the conditions that are left, if it is worth while.
    pub(crate) fn chain(&mut self, on: &[Expr], id: NodeId) -> Result<(Option<Led>, Vec<Expr>)> {
        let mut left = on.to_vec();
        let nodes = self.circuit.inputs(id).to_vec();
        let leads = |i: &usize| {
            let node = nodes[*i];
            self.is_small(node) && self.is_changing(node) && self.base_table(node).is_some()
        };
        let Some(first) = (0..nodes.len()).find(leads).filter(|_| nodes.len() > 2) else {
            return Ok((None, left));
        };
        let inputs = self.chained_inputs(&nodes)?;
        if inputs[first].sum || !inputs.iter().any(|i| i.sum) {
            return Ok((None, left));
        }
        let mut done = BTreeSet::from([first]);
        let mut led: Option<Led> = None;
        // What the change leads to is found once for both parts of a sum.
        let mut members = self.led_by_keys(&inputs, &done, &left);
        if !members.is_empty() {
            members.insert(first);
            led = Some(self.lead(None, &members, &mut left, first, id)?);
            done = members;
        }
        loop {
            let sums = |i: &usize| inputs[*i].sum && !done.contains(i);
            if (0..nodes.len()).filter(sums).count() < 2 {
                break;
            }
            let others = (0..nodes.len()).filter(|i| !done.contains(i));
            let reached = others.filter_map(|i| Some((self.reached(&inputs, i, &done, &left)?, i)));
            let Some((_, next)) = reached.min() else {
                break;
            };
            let mut members = BTreeSet::from([next]);
            let with: BTreeSet<usize> = done.iter().copied().chain([next]).collect();
            members.extend(self.led_by_keys(&inputs, &with, &left));
            if led.is_none() {
                members.insert(first);
            }
            led = Some(self.lead(led.as_ref(), &members, &mut left, first, id)?);
            done.extend(members);
        }
        Ok((led, left))
    }

    fn chained_inputs(&mut self, nodes: &[NodeId]) -> Result<Vec<Input>> {
        let mut inputs = vec![];
        let mut at = 0;
        for node in nodes {
            let width = self.circuit.schema(*node).len();
            let branches = self.aside(|this| this.lower(*node))?.branches;
            inputs.push(Input {
                columns: at..at + width,
                table: self.base_table(*node),
                sum: branches.len() > 1 && branches.iter().all(Branch::is_flat),
            });
            at += width;
        }
        Ok(inputs)
    }

    /// How these inputs lead to another one.
    fn reached(
        &self,
        inputs: &[Input],
        to: usize,
        done: &BTreeSet<usize>,
        on: &[Expr],
    ) -> Option<Reached> {
        let of_done = |c: usize| done.iter().any(|i| inputs[*i].columns.contains(&c));
        let own = &inputs[to].columns;
        let mut fixed = BTreeSet::new();
        for (a, b) in on.iter().filter_map(|c| self.equation(c)) {
            for (mine, other) in [(a, b), (b, a)] {
                if own.contains(&mine) && of_done(other) {
                    fixed.insert(mine - own.start);
                }
            }
        }
        if fixed.is_empty() {
            return None;
        }
        let by_key = inputs[to]
            .table
            .as_ref()
            .is_some_and(|(relation, attnums)| {
                let fixes = |c: &i16| fixed.iter().any(|f| attnums.get(*f) == Some(&Some(*c)));
                let relation = self.catalog.relation(*relation);
                let mut keys = relation.iter().flat_map(|r| r.keys.iter());
                keys.any(|k| k.columns.iter().all(fixes))
            });
        Some(match by_key {
            true => Reached::ByKey,
            false => Reached::ByEquation,
        })
    }

    /// The inputs that are no sums and that these lead to by keys, one after the other.
    fn led_by_keys(
        &self,
        inputs: &[Input],
        done: &BTreeSet<usize>,
        on: &[Expr],
    ) -> BTreeSet<usize> {
        let mut all = done.clone();
        loop {
            let next = (0..inputs.len()).find(|i| {
                !all.contains(i)
                    && !inputs[*i].sum
                    && self.reached(inputs, *i, &all, on) == Some(Reached::ByKey)
            });
            match next {
                Some(next) => all.insert(next),
                None => return all.difference(done).copied().collect(),
            };
        }
    }

    /// Closes a join with more inputs into a let, with all conditions that read nothing else.
    fn lead(
        &mut self,
        led: Option<&Led>,
        members: &BTreeSet<usize>,
        left: &mut Vec<Expr>,
        first: usize,
        id: NodeId,
    ) -> Result<Led> {
        let before = led.iter().flat_map(|l| l.inputs.iter());
        let inputs: BTreeSet<usize> = before.chain(members).copied().collect();
        let nodes = self.circuit.inputs(id).to_vec();
        let mut owned = vec![];
        for (i, node) in nodes.iter().enumerate() {
            owned.resize(
                owned.len() + self.circuit.schema(*node).len(),
                inputs.contains(&i),
            );
        }
        let within = |c: &Expr| c.columns().iter().all(|c| owned[*c]);
        let (inside, outside) = left.drain(..).partition(within);
        *left = outside;
        let inside: Vec<Expr> = inside;

        let asked: BTreeSet<usize> = left
            .iter()
            .flat_map(Expr::columns)
            .chain(self.demand[id.index()].iter().copied())
            .collect();
        let mut namer = Namer::reserving([WEIGHT]);
        let hints = self.hints[id.index()].clone();
        let names: Vec<Option<String>> = (0..owned.len())
            .map(|c| (owned[c] && asked.contains(&c)).then(|| namer.unique(&hints[c])))
            .collect();
        let comment = "the change, with what it leads to";
        let relation = self.weighted_let("led", &names, nodes[first], comment, |lowering| {
            let branches = lowering.products(led, members, &inside, id)?;
            Ok(Rel { branches })
        })?;
        Ok(Led { inputs, relation })
    }

    /// What was joined so far, to begin a join with.
    pub(crate) fn start(&mut self, led: Option<&Led>, id: NodeId) -> Branch {
        let Some(Led { relation, .. }) = led else {
            return Branch::new(vec![], vec![], Weight::one());
        };
        let alias = self.alias(&relation.name);
        let columns = crate::lower::columns_of(&alias, &relation.columns, self.circuit.schema(id));
        let from = FromItem::table(Name::bare(&relation.name), &alias);
        let weight = Weight::column(&alias, WEIGHT);
        Branch::new(vec![from], columns, weight)
    }
}
