//! `Neg`: the weight changes its sign.

use crate::error::Result;
use crate::lower::Lowering;
use crate::rel::{Rel, Weight};
use spec::NodeId;

impl Lowering<'_> {
    pub(crate) fn neg(&mut self, id: NodeId) -> Result<Rel> {
        let input = self.input(id, 0)?;
        let mut rel = self.lower(input)?;
        for branch in &mut rel.branches {
            let weight = std::mem::replace(&mut branch.weight, Weight::one());
            branch.weight = weight.negated();
        }
        Ok(rel)
    }
}
