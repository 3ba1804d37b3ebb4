//! `ReserveStep`: the Delta of a reserve, from its old rows and the Delta of its input.
//!
//! A let holds what is left: the old rows with those of the change that are not behind all of them
//! (of a reserve of fewer rows than `least`, which is all there is, with the whole change). That is
//! told by sorting both together, in the order of the reserve, and counting the old rows from each
//! row on: no comparison of sort keys is written out, with its NULLs and directions.
//!
//! ```text
//! left   = {r ∈ old ⊎ Δ : old rows at r or behind it > 0, or |old| < least}
//! short  = |old| ≥ least > |left|
//! Δ      = top(most)(left)    unless short
//!        ⊎ renewed            if short
//!        ⊎ −old
//! ```

use crate::error::Result;
use crate::expr::Scalar;
use crate::lower::{Lowering, Relation};
use crate::ordering::by_image;
use crate::rel::{Branch, Rel};
use crate::sql::ident::Namer;
use crate::sql::types::TypeName;
use crate::sql::{Frame, Item, Limit, Query, Select, SortBy, Sql, WindowCall};
use crate::top_k::count;
use spec::NodeId;
use spec::op::Reserve;
use spec::types::{SqlType, oids};

impl Lowering<'_> {
    pub(crate) fn reserve_step(&mut self, r: &Reserve, id: NodeId) -> Result<Rel> {
        let old = self.input(id, 0)?;
        let left = self.what_is_left(r, id)?;
        let is_short = self.is_short(r, id)?;
        let mut kept = self.read(&left, old);
        kept.filter.push(is_short.negated());
        kept.limit = Some(Limit {
            order_by: self.order_of(r, &kept)?,
            offset: None,
            count: Some(count(r.most)),
            with_ties: r.with_ties,
        });
        // A let of its own, which is not even planned unless it is needed.
        let renewed = self.input(id, 2)?;
        let relation = self.lower_let(renewed)?;
        let mut branches = vec![kept, self.read(&relation, renewed)];
        for mut branch in self.lower(old)?.branches {
            branch.weight = branch.weight.negated();
            branches.push(branch);
        }
        Ok(Rel { branches })
    }

    /// `|old| ≥ least > |left|`
    pub(crate) fn is_short(&mut self, r: &Reserve, id: NodeId) -> Result<Sql> {
        let old = self.input(id, 0)?;
        let left = self.what_is_left(r, id)?;
        let left = self.read(&left, old);
        let old = self.lower_flat(old)?;
        Ok(Sql::And(vec![
            Sql::op(">=", number_of(old), count(r.least)),
            Sql::op("<", number_of(left), count(r.least)),
        ]))
    }

    /// The let of what is left; both the step and whether it is short read it.
    fn what_is_left(&mut self, r: &Reserve, id: NodeId) -> Result<Relation> {
        let (old, delta) = (self.input(id, 0)?, self.input(id, 1)?);
        let memo = (old, delta);
        if let Some(relation) = self.reserves.get(&memo) {
            return Ok(relation.clone());
        }
        let names: Vec<String> = self.column_names(old).into_iter().flatten().collect();
        let comment = "the rows of the reserve and of the change up to the last of them";
        let relation = self.extra_let("left_rows", &names, Some(delta), comment, |lowering| {
            lowering.left_rows(r, old, delta)
        })?;
        self.reserves.insert(memo, relation.clone());
        Ok(relation)
    }

    fn left_rows(&mut self, r: &Reserve, old: NodeId, delta: NodeId) -> Result<Rel> {
        let mut rows = vec![];
        for (node, was) in [(old, "t"), (delta, "f")] {
            let schema = self.circuit.schema(old).to_vec();
            let mut branch = self.lower_flat(node)?;
            self.agree_on(&mut branch, &schema)?;
            let was = Sql::Literal(Some(was.into()), TypeName::new(BOOL, self.catalog)?);
            branch.cols.push(Some(Scalar::not_null(was, BOOL)));
            rows.push(branch);
        }
        let mut names = self.column_names(old);
        let mut namer = Namer::reserving(names.iter().flatten().map(String::as_str));
        let (was, behind) = (namer.unique("was"), namer.unique("behind"));
        names.push(Some(was.clone()));
        let mut all = self.enclose(Rel { branches: rows }, old, &names)?;
        let was = Sql::column(all.subquery()?, &was);
        let counted = WindowCall {
            call: Sql::aggregate("count", vec![], Some(was)),
            partition_by: vec![],
            order_by: self.order_of(r, &all)?,
            frame: Some(Frame {
                mode: "RANGE",
                start: (None, "CURRENT ROW"),
                end: (None, "UNBOUNDED FOLLOWING"),
                exclude: None,
            }),
        };
        let counted = Scalar::not_null(Sql::Over(Box::new(counted)), SqlType::new(oids::INT8));
        all.cols.push(Some(counted));
        names.pop();
        names.push(Some(behind.clone()));
        let mut counted = self.enclose(Rel::one(all), old, &names)?;
        let behind = Sql::column(counted.subquery()?, &behind);
        let old_rows = self.lower_flat(old)?;
        counted.filter.push(Sql::Or(vec![
            Sql::op(">", behind, Sql::int8(0)),
            Sql::op("<", number_of(old_rows), count(r.least)),
        ]));
        Ok(Rel::one(self.repeated(counted, old)?))
    }

    /// The order of the reserve, in which peers are what it does not tell apart.
    fn order_of(&self, r: &Reserve, branch: &Branch) -> Result<Vec<SortBy>> {
        let mut order_by = self.printer(&branch.cols).sort_keys(&r.order)?;
        if r.filled().is_open() {
            order_by.push(by_image(&branch.cols));
        }
        Ok(order_by)
    }
}

const BOOL: SqlType = SqlType::new(oids::BOOL);

/// `(SELECT count(*) FROM …)`
fn number_of(rows: Branch) -> Sql {
    let select = Select {
        items: vec![Item::new(Sql::aggregate("count", vec![], None), "n")],
        from: rows.from,
        filter: rows.filter,
        ..Select::default()
    };
    Sql::Scalar(Box::new(Query::from(select)))
}
