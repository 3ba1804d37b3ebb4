//! `Distinct`: each row of positive weight once, by SQL equality.
//!
//! Printed as a grouping on all columns, so that projections and filters above can still merge
//! into it; it closes as SELECT DISTINCT where it stands alone.

use crate::error::Result;
use crate::lower::Lowering;
use crate::rel::{Branch, Rel, Weight};
use crate::sql::Sql;
use spec::NodeId;

impl Lowering<'_> {
    pub(crate) fn distinct(&mut self, id: NodeId) -> Result<Rel> {
        let input = self.input(id, 0)?;
        let branch = self.lower_flat(input)?;
        Ok(Rel::one(distinct_rows(branch)))
    }
}

/// Groups a flat branch on all its columns.
pub(crate) fn distinct_rows(mut branch: Branch) -> Branch {
    let keys: Vec<Sql> = branch
        .cols
        .iter()
        .flatten()
        .map(|c| c.sql.clone())
        .collect();
    let zero = Sql::zero_weight();
    if !branch.weight.is_one() {
        let sum = Sql::aggregate("sum", vec![branch.weight.sql()], None);
        branch.having = vec![Sql::op(">", sum, zero)];
    } else if keys.is_empty() {
        // One group there is always, also of no rows.
        let count = Sql::aggregate("count", vec![], None);
        branch.having = vec![Sql::op(">", count, Sql::int8(0))];
    }
    branch.group_by = Some(keys);
    branch.weight = Weight::one();
    branch
}
