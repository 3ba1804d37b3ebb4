//! `Source`: the base table is the new state; its Delta is the batch.

use crate::error::{CodegenError, Result};
use crate::expr::Scalar;
use crate::lower::Lowering;
use crate::names::relation_name;
use crate::rel::{Branch, Rel, Weight};
use crate::sql::FromItem;
use spec::NodeId;
use spec::op::Source;

impl Lowering<'_> {
    /// New of a source.
    pub(crate) fn source(&mut self, source: &Source) -> Result<Rel> {
        let name = relation_name(source.relation, self.catalog)?;
        let alias = self.alias(&name.name);
        let relation = self.catalog.relation(source.relation);
        let column = |attnum: i16| relation.and_then(|r| r.column(attnum));
        let cols = source.attnums.iter().zip(&source.types);
        // A column that was dropped since is missed only where it is read.
        let cols =
            cols.map(|(attnum, ty)| Some(Scalar::column(&alias, &column(*attnum)?.name, *ty)));
        let cols = cols.collect();
        let from = FromItem::table(name, &alias);
        Ok(Rel::one(Branch::new(vec![from], cols, Weight::one())))
    }

    pub(crate) fn source_delta(&mut self, source: &Source, id: NodeId) -> Result<Rel> {
        let batch = self.batches.get(&source.relation).cloned();
        let batch = batch.ok_or_else(|| {
            CodegenError::Plan(format!("source {} has no batch", source.relation))
        })?;
        for &column in &self.demand[id.index()] {
            if !matches!(batch.columns.get(column), Some(Some(_))) {
                return Err(CodegenError::NotCaptured {
                    relation: source.relation,
                    attnum: source.attnums.get(column).copied().unwrap_or_default(),
                });
            }
        }
        Ok(Rel::one(self.read(&batch, id)))
    }
}
