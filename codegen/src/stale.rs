//! `Stale`: the groups whose new row the change does not tell.
//!
//! An extremum is stale where a value is retracted that may have been it: one that is not worse
//! than both the old extremum and the best insertion. A numeric sum is stale where NaN or an
//! infinity takes part. Groups that have vanished are not stale. This may name more groups than
//! necessary, never fewer.

use crate::aggregate_step::{Change, Groups, row_count};
use crate::error::{CodegenError, Result};
use crate::expr::{Scalar, operator_name};
use crate::lower::Lowering;
use crate::rel::{Branch, Rel, Weight};
use crate::sql::Sql;
use crate::sql::types::TypeName;
use spec::NodeId;
use spec::expr::BoolTest;
use spec::op::Aggregate;
use spec::types::{Oid, SqlType, oids};

/// `numeric[]`
const NUMERIC_ARRAY: Oid = Oid(1231);

impl Lowering<'_> {
    pub(crate) fn stale(&mut self, a: &Aggregate, id: NodeId) -> Result<Rel> {
        let groups = self.changed_groups(a, id, None)?;
        let mut reasons = vec![];
        for i in 0..a.aggs.len() {
            reasons.extend(self.is_stale(a, &groups, i)?);
        }
        let never = Sql::Literal(
            Some("f".into()),
            TypeName::new(SqlType::new(oids::BOOL), self.catalog)?,
        );
        let mut filter = vec![Sql::any(reasons).unwrap_or(never)];
        if !a.keys.is_empty() {
            let count = self.folded(a, &groups, row_count(a)?)?;
            filter.push(Sql::op(">", count, Sql::int8(0)));
        }
        let cols: Vec<Option<Scalar>> = groups.keys.into_iter().map(Some).collect();
        let mut branch = Branch::new(groups.from, cols, Weight::one());
        branch.filter = filter;
        Ok(Rel::one(branch))
    }

    fn is_stale(&self, a: &Aggregate, groups: &Groups, i: usize) -> Result<Option<Sql>> {
        let agg = &a.aggs[i];
        let old = groups.old[i].clone();
        match &groups.changes[i] {
            Change::Count(_) => Ok(None),
            Change::Sum(change) if agg.ty.oid == oids::NUMERIC && takes_part(agg) => {
                let array = TypeName::new(SqlType::new(NUMERIC_ARRAY), self.catalog)?;
                let special = Sql::Literal(Some("{NaN,Infinity,-Infinity}".into()), array);
                let is_special = |value: Sql| Sql::ScalarArray {
                    operator: crate::sql::Name::pg("="),
                    any: true,
                    args: Box::new([value, special.clone()]),
                };
                Ok(Some(Sql::Or(vec![
                    is_special(change.clone()),
                    Sql::And(vec![change.clone().is_not_null(), is_special(old)]),
                ])))
            }
            Change::Sum(_) => Ok(None),
            Change::Extremum(added, removed) => {
                let function = self.catalog.function(agg.function);
                let sort = function.and_then(|f| f.aggregate.as_ref()?.sort_operator.into());
                let sort = sort.ok_or(CodegenError::Missing {
                    what: "aggregate",
                    oid: agg.function,
                })?;
                let best = self.better(agg, old, added.clone())?;
                let better = Sql::Binary(
                    operator_name(sort, self.catalog)?,
                    Box::new([best, removed.clone()]),
                );
                Ok(Some(Sql::And(vec![
                    removed.clone().is_not_null(),
                    Sql::BoolTest(Box::new(better), BoolTest::IsNotTrue),
                ])))
            }
        }
    }
}

/// Can a term of the sum be NaN or infinite? Integers cannot.
fn takes_part(agg: &spec::op::AggCall) -> bool {
    agg.args
        .first()
        .is_some_and(|a| a.ty().oid == oids::NUMERIC)
}
