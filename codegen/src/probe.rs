//! `Probe`: the rows of a collection that match a small set of keys.
//!
//! The keys are a let, so that the planner knows how many they are. Where `=` suffices, the probe
//! is a join that merges into its surroundings. Where NULL must match NULL, it is a LATERAL
//! subquery with a fence, in which the planner looks both cases up in the index.

use crate::distinct::distinct_rows;
use crate::error::Result;
use crate::expr::Scalar;
use crate::identity::record_hash;
use crate::keys::{all_same, is_strict, present};
use crate::lower::{Lowering, columns_of};
use crate::names::WEIGHT;
use crate::rel::{Branch, Rel, Weight};
use crate::sql::{FromItem, Query, Sql};
use spec::NodeId;
use spec::op::Op;

impl Lowering<'_> {
    /// Does each row stand there once, by the form alone?
    pub(crate) fn is_set(&self, id: NodeId) -> bool {
        match self.circuit.op(id) {
            Op::Touched(_) | Op::Stale(_) | Op::Distinct => true,
            Op::Closure(c) => c.distinct,
            _ => false,
        }
    }

    pub(crate) fn probe(&mut self, cols: &[usize], id: NodeId) -> Result<Rel> {
        let (x, keys) = (self.input(id, 0)?, self.input(id, 1)?);
        if let Some(one) = self.outer.remove(&id) {
            let branch = self.lower_flat(x)?;
            return Ok(Rel::one(self.probed_by_one(branch, &one)?));
        }
        let relation = self.lower_let(keys)?;
        let rel = self.lower_branches(x)?;
        let mut branches = vec![];
        for branch in rel.branches {
            let mut key = self.read(&relation, keys);
            if !self.is_set(keys) {
                // A key that stood twice would double what it finds.
                key.weight = Weight::one();
                key = self.flat(Rel::one(distinct_rows(key)), keys)?;
            }
            let left = present(&branch.cols, cols)?;
            let right = present(&key.cols, &(0..cols.len()).collect::<Vec<_>>())?;
            if self.is_record_hashed(x, cols) {
                // The index is on the hash, by which the planner can look up and join.
                let mut branch = branch;
                let hashes = Sql::op("=", record_hash(&left), record_hash(&right));
                branch.filter.push(hashes);
                branch.filter.extend(all_same(&left, &right, self.catalog)?);
                key.from.append(&mut branch.from);
                branch.from = key.from;
                branches.push(branch);
                continue;
            }
            branches.push(self.probe_branch(branch, key, &left, &right, id)?);
        }
        Ok(Rel { branches })
    }

    pub(crate) fn probe_branch(
        &mut self,
        mut branch: Branch,
        mut key: Branch,
        left: &[Scalar],
        right: &[Scalar],
        id: NodeId,
    ) -> Result<Branch> {
        branch.filter.extend(all_same(left, right, self.catalog)?);
        if left.iter().zip(right).all(|(l, r)| is_strict(l, r)) {
            key.from.append(&mut branch.from);
            branch.from = key.from;
            return Ok(branch);
        }
        let names = self.column_names(id);
        let alias = self.alias("found");
        let there = names.iter().zip(&branch.cols);
        let names: Vec<Option<String>> = there
            .map(|(n, c)| n.clone().filter(|_| c.is_some()))
            .collect();
        let weighted = !branch.weight.factors.is_empty();
        let weight = match weighted {
            true => Weight::column(&alias, WEIGHT),
            false => branch.weight.clone(),
        };
        let mut select = branch.select(weighted.then_some(WEIGHT), &names);
        select.fence = true;
        let cols = columns_of(&alias, &names, self.circuit.schema(id));
        key.from
            .push(FromItem::lateral(Query::from(select), &alias));
        Ok(Branch::new(key.from, cols, weight))
    }
}
