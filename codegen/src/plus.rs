//! `Plus`: UNION ALL. In particular `Old(Source)` is `Plus(New(Source), Neg(Delta(Source)))`.

use crate::error::Result;
use crate::expr::{Strength, agree};
use crate::lower::Lowering;
use crate::rel::{Branch, Rel};
use spec::NodeId;
use spec::types::ColType;

impl Lowering<'_> {
    pub(crate) fn plus(&mut self, id: NodeId) -> Result<Rel> {
        let schema = self.circuit.schema(id).to_vec();
        let demand = self.demand[id.index()].clone();
        let mut branches = vec![];
        for &input in self.circuit.inputs(id) {
            for mut branch in self.lower(input)?.branches {
                for (i, col) in branch.cols.iter_mut().enumerate() {
                    col.take_if(|_| !demand.contains(&i));
                }
                self.agree_on(&mut branch, &schema)?;
                branches.push(branch);
            }
        }
        Ok(Rel { branches })
    }

    /// Gives the columns of a branch of a UNION ALL the collations of the whole: branches of
    /// different ones would leave a column with none.
    pub(crate) fn agree_on(&self, branch: &mut Branch, schema: &[ColType]) -> Result<()> {
        for (col, ty) in branch.cols.iter_mut().zip(schema) {
            let Some(scalar) = col.take() else {
                continue;
            };
            let differs =
                scalar.strength != Strength::None && scalar.ty.collation != ty.ty.collation;
            *col = match differs && ty.ty.collation.is_valid() && branch.limit.is_none() {
                true => agree(vec![scalar], ty.ty.collation, self.catalog)?.pop(),
                false => Some(scalar),
            };
        }
        Ok(())
    }
}
