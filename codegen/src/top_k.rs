//! `TopK`: ORDER BY … LIMIT over all rows; `row_number()` and `rank()` over each group, and where
//! OFFSET cuts through ties that WITH TIES keeps.
//!
//! Rows are of weight 1 here: a weighted input (an Old that is not stored) is consolidated, and each
//! of its rows repeated. What ORDER BY leaves tied is put in the order of the images of its rows.

use crate::error::Result;
use crate::expr::Scalar;
use crate::keys::present;
use crate::lower::Lowering;
use crate::ordering::by_image;
use crate::rel::{Branch, Rel};
use crate::sql::ident::Namer;
use crate::sql::{Limit, SortBy, Sql, WindowCall};
use spec::NodeId;
use spec::op::{Op, TopK};
use spec::types::{SqlType, oids};

impl Lowering<'_> {
    pub(crate) fn top_k(&mut self, t: &TopK, id: NodeId) -> Result<Rel> {
        let mut input = self.input(id, 0)?;
        // The first rows of a reserve, where it is not stored, are those of what it is kept of.
        if let Op::Reserve(_) = self.circuit.op(input)
            && !self.held.contains_key(&input)
            && !self.has_let(input)
        {
            input = self.input(input, 0)?;
        }
        if let Some(seek) = self.seek(t, input) {
            return self.sought(t, &seek, id);
        }
        let mut branch = self.lower_flat(input)?;
        if !branch.weight.is_one() {
            branch = self.repeated(branch, input)?;
        }
        let ties = self.printer(&branch.cols).sort_keys(&t.order)?;
        let mut order_by = ties.clone();
        if t.is_open() {
            order_by.push(by_image(&branch.cols));
        }
        // WITH TIES asks ORDER BY alone what is tied, which must not know of images then.
        let asks_images = t.with_ties && t.is_open();
        if t.keys.is_empty() && !asks_images {
            branch.limit = Some(Limit {
                order_by,
                offset: (t.offset > 0).then(|| count(t.offset)),
                count: t.limit.map(count),
                with_ties: t.with_ties,
            });
            return Ok(Rel::one(branch));
        }
        self.first_of_groups(t, branch, order_by, ties, input)
    }

    /// The rows of a branch by their positions in their groups.
    fn first_of_groups(
        &mut self,
        t: &TopK,
        mut branch: Branch,
        order_by: Vec<SortBy>,
        ties: Vec<SortBy>,
        input: NodeId,
    ) -> Result<Rel> {
        let keys = present(&branch.cols, &t.keys)?;
        let over =
            |function: &str, order_by| counting(Sql::call(function, vec![]), &keys, order_by);
        // Nothing is tied with the last of no rows.
        let tied = t.with_ties && t.limit != Some(0);
        let mut positions = vec![];
        if t.offset > 0 || !tied {
            positions.push(("position", over("row_number", order_by), t.offset));
        }
        if tied {
            positions.push(("rank", over("rank", ties), 0));
        }
        let mut names = self.column_names(input);
        let mut namer = Namer::reserving(names.iter().flatten().map(String::as_str));
        let mut bounds = vec![];
        let last = t.limit.map(|n| count(t.offset.saturating_add(n)));
        for (i, (wish, position, offset)) in positions.into_iter().enumerate() {
            let name = namer.unique(wish);
            let ends = i > 0 || !tied || t.offset == 0;
            bounds.push((name.clone(), offset, last.clone().filter(|_| ends)));
            names.push(Some(name));
            branch.cols.push(Some(position));
        }
        let mut out = self.enclose(Rel::one(branch), input, &names)?;
        let alias = out.subquery()?.to_owned();
        for (name, offset, last) in bounds {
            let position = Sql::column(&alias, &name);
            if offset > 0 {
                out.filter
                    .push(Sql::op(">", position.clone(), count(offset)));
            }
            if let Some(last) = last {
                out.filter.push(Sql::op("<=", position, last));
            }
        }
        Ok(Rel::one(out))
    }
}

/// A call that counts rows of a group, over the group in an order.
pub(crate) fn counting(call: Sql, keys: &[Scalar], order_by: Vec<SortBy>) -> Scalar {
    let over = WindowCall {
        call,
        partition_by: keys.iter().map(|k| k.sql.clone()).collect(),
        order_by,
        frame: None,
    };
    Scalar::not_null(Sql::Over(Box::new(over)), SqlType::new(oids::INT8))
}

/// No number of rows is beyond bigint.
pub(crate) fn count(n: u64) -> Sql {
    Sql::int8(i64::try_from(n).unwrap_or(i64::MAX))
}
