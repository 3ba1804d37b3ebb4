//! `Touched`: the set of keys that a Delta mentions.

use crate::distinct::distinct_rows;
use crate::error::Result;
use crate::keys::present;
use crate::lower::Lowering;
use crate::rel::{Rel, Weight};
use crate::sql::Limit;
use spec::NodeId;

impl Lowering<'_> {
    pub(crate) fn touched(&mut self, cols: &[usize], id: NodeId) -> Result<Rel> {
        let input = self.input(id, 0)?;
        let mut branch = self.lower_flat(input)?;
        let keys = present(&branch.cols, cols)?;
        branch.cols = keys.into_iter().map(Some).collect();
        branch.weight = Weight::one();
        if cols.is_empty() {
            branch.limit = Some(Limit::any(1));
            return Ok(Rel::one(branch));
        }
        Ok(Rel::one(distinct_rows(branch)))
    }
}
