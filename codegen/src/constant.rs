//! `Constant`: literal rows.

use crate::error::Result;
use crate::expr::Scalar;
use crate::lower::Lowering;
use crate::rel::{Branch, Rel, Weight};
use crate::sql::{FromItem, Sql};
use spec::op::Constant;
use spec::types::oids;

impl Lowering<'_> {
    pub(crate) fn constant(&mut self, constant: &Constant) -> Result<Rel> {
        let printer = self.printer(&[]);
        let mut rows: Vec<Vec<Scalar>> = vec![];
        for row in &constant.rows {
            rows.push(
                row.iter()
                    .map(|e| printer.scalar(e))
                    .collect::<Result<_>>()?,
            );
        }
        // One row, or rows of no columns (which VALUES cannot have): a SELECT without FROM each.
        if rows.len() == 1 || (!rows.is_empty() && constant.types.is_empty()) {
            let branch = |row: Vec<Scalar>| {
                let cols = row.into_iter().map(Some).collect();
                Branch::new(vec![], cols, Weight::one())
            };
            let branches = rows.into_iter().map(branch).collect();
            return Ok(Rel { branches });
        }
        if rows.is_empty() {
            let null = |ty: &spec::ColType| printer.scalar(&spec::Expr::null(ty.ty));
            let cols: Vec<Scalar> = constant.types.iter().map(null).collect::<Result<_>>()?;
            let cols = cols.into_iter().map(Some).collect();
            let mut branch = Branch::new(vec![], cols, Weight::one());
            let boolean = spec::SqlType::new(oids::BOOL);
            branch.filter = vec![printer.scalar(&spec::Expr::literal("f", boolean))?.sql];
            return Ok(Rel::one(branch));
        }
        let alias = self.alias("v");
        let columns: Vec<String> = (1..=constant.types.len())
            .map(|i| format!("column{i}"))
            .collect();
        let cols = columns.iter().zip(&constant.types);
        let cols = cols.map(|(name, ty)| Some(Scalar::column(&alias, name, *ty)));
        let cols = cols.collect();
        let rows: Vec<Vec<Sql>> = rows
            .into_iter()
            .map(|row| row.into_iter().map(|s| s.sql).collect())
            .collect();
        let from = FromItem::Values {
            rows,
            alias,
            columns,
        };
        Ok(Rel::one(Branch::new(vec![from], cols, Weight::one())))
    }
}
