//! `Positive`: consolidated, HAVING a positive sum of weights.

use crate::consolidate::consolidated;
use crate::error::Result;
use crate::lower::Lowering;
use crate::rel::Rel;
use crate::sql::Sql;
use spec::NodeId;

impl Lowering<'_> {
    pub(crate) fn positive(&mut self, id: NodeId) -> Result<Rel> {
        let input = self.input(id, 0)?;
        let branch = self.lower_flat(input)?;
        let mut branch = match self.is_consolidated(input) {
            true => branch,
            false => consolidated(branch, self.catalog),
        };
        let is_positive = Sql::op(">", branch.weight.sql(), Sql::int8(0));
        match branch.group_by {
            Some(_) => branch.having = vec![is_positive],
            None => branch.filter.push(is_positive),
        }
        Ok(Rel::one(branch))
    }
}
