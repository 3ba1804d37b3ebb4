//! `State`: a stored collection, read as it was before the refresh.

use crate::error::Result;
use crate::expr::Scalar;
use crate::lower::Lowering;
use crate::rel::{Branch, Rel, Weight};
use crate::sql::FromItem;
use spec::op::State;

impl Lowering<'_> {
    pub(crate) fn state(&mut self, state: &State) -> Result<Rel> {
        let name = self.names.table(state.id)?;
        let alias = self.alias(&name.name);
        let columns = self.stored.get(state.id.0 as usize);
        let columns = columns.into_iter().flatten().zip(&state.types);
        let cols = columns
            .map(|(c, ty)| Some(Scalar::column(&alias, c, *ty)))
            .collect();
        let from = FromItem::table(name, &alias);
        Ok(Rel::one(Branch::new(vec![from], cols, Weight::one())))
    }
}
