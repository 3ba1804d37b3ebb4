//! `Reserve`: the first rows of all, in a query.
//!
//! Only the first rows of a reserve are read, which are those of what it is kept of: where it is not
//! read from where it is stored, `top_k.rs` reads that.

use crate::error::Result;
use crate::lower::Lowering;
use crate::rel::Rel;
use spec::NodeId;
use spec::op::Reserve;

impl Lowering<'_> {
    pub(crate) fn reserve(&mut self, r: &Reserve, id: NodeId) -> Result<Rel> {
        self.top_k(&r.filled(), id)
    }
}
