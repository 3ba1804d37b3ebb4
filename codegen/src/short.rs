//! `Short`: has a reserve to be filled anew? See `reserve_step.rs` for what is left of it.

use crate::error::Result;
use crate::lower::Lowering;
use crate::rel::{Branch, Rel, Weight};
use spec::NodeId;
use spec::op::Reserve;

impl Lowering<'_> {
    pub(crate) fn short(&mut self, r: &Reserve, id: NodeId) -> Result<Rel> {
        let mut branch = Branch::new(vec![], vec![], Weight::one());
        branch.filter.push(self.is_short(r, id)?);
        Ok(Rel::one(branch))
    }
}
