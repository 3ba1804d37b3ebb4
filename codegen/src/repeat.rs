//! `Repeat`: a factor of the weight, printed into every branch of its input.
//!
//! Where a query has to show rows of weight 1, each is repeated by `generate_series` at last.

use crate::error::Result;
use crate::lower::Lowering;
use crate::rel::{Branch, Rel, Weight};
use crate::sql::{FromItem, Sql};
use spec::{Expr, NodeId};

impl Lowering<'_> {
    pub(crate) fn repeat(&mut self, times: &Expr, id: NodeId) -> Result<Rel> {
        let input = self.input(id, 0)?;
        let mut rel = self.lower(input)?;
        if rel.branches.iter().any(|b| b.limit.is_some()) {
            rel = Rel::one(self.flat(rel, input)?);
        }
        for branch in &mut rel.branches {
            let times = self.printer(&branch.cols).scalar(times)?.sql;
            let positive = Sql::op(">", times.clone(), Sql::int8(0));
            match branch.group_by {
                None => branch.filter.push(positive),
                Some(_) => branch.having.push(positive),
            }
            branch.weight.factors.push(times);
        }
        Ok(rel)
    }

    /// The same rows, each of weight 1 and as often as its weight, which is not negative, says.
    pub(crate) fn copied(&mut self, rel: Rel, id: NodeId) -> Result<Rel> {
        let mut out = vec![];
        for mut branch in rel.branches {
            if !branch.weight.is_one() {
                if !branch.is_flat() {
                    let columns = self.column_names(id);
                    branch = self.enclose(Rel::one(branch), id, &columns)?;
                }
                branch = self.copies(branch);
            }
            out.push(branch);
        }
        Ok(Rel { branches: out })
    }

    /// Each row of a flat branch as often as its weight says.
    pub(crate) fn copies(&mut self, mut branch: Branch) -> Branch {
        let alias = self.alias("copy");
        branch.from.push(FromItem::Function {
            call: Sql::call("generate_series", vec![Sql::int8(1), branch.weight.sql()]),
            alias,
            column: "n".into(),
        });
        branch.weight = Weight::one();
        branch
    }
}
