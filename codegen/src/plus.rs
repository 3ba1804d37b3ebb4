//! `Plus`: UNION ALL. In particular `Old(Source)` is `Plus(New(Source), Neg(Delta(Source)))`.

use crate::error::Result;
use crate::expr::{Strength, agree};
use crate::lower::Lowering;
use crate::rel::Rel;
use spec::NodeId;

impl Lowering<'_> {
    pub(crate) fn plus(&mut self, id: NodeId) -> Result<Rel> {
        let schema = self.circuit.schema(id).to_vec();
        let demand = self.demand[id.index()].clone();
        let mut branches = vec![];
        for &input in self.circuit.inputs(id) {
            for mut branch in self.lower(input)?.branches {
                for (i, (col, ty)) in branch.cols.iter_mut().zip(&schema).enumerate() {
                    let Some(scalar) = col.take().filter(|_| demand.contains(&i)) else {
                        continue;
                    };
                    // Branches of different collations would leave the column with none.
                    let differs =
                        scalar.strength != Strength::None && scalar.ty.collation != ty.ty.collation;
                    *col = match differs && ty.ty.collation.is_valid() && branch.limit.is_none() {
                        true => agree(vec![scalar], ty.ty.collation, self.catalog)?.pop(),
                        false => Some(scalar),
                    };
                }
                branches.push(branch);
            }
        }
        Ok(Rel { branches })
    }
}
