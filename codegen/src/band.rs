//! Bands: a join with a scalar that has moved meets the rows between its old and its new value.
//!
//! ```text
//! x ⋈(v > s) Δs  =  σ(lo < v ≤ hi) x ⋈(v > s) Δs      lo, hi the least and the greatest s of Δs
//! ```
//!
//! where the weights of Δs add up to 0 (an old row and a new one), and nothing but the comparison
//! reads its columns: a row of x above all of Δs meets each of its rows, and these cancel out. So a
//! total that moves costs the rows between the two totals, which an index on v finds, and not all
//! rows that are above it. Where the weights add up to something else (the first row of Δs, or the
//! last), another branch reads all of x. Both are LATERAL subqueries with a fence behind the one look
//! at Δs, which decides which of the two runs: left to itself, the planner would put what the other
//! reads first.
//!
//! Not where `Touched` reads the rows: an old row and a new one that differ in a column which it does
//! not read touch the same key, and cancel out in what is left of them.

use crate::error::Result;
use crate::expr::Scalar;
use crate::lower::{Lowering, columns_of};
use crate::names::WEIGHT;
use crate::rel::{Branch, Weight};
use crate::sql::{FromItem, Item, Query, Select, Sql};
use spec::expr::ExprKind;
use spec::types::{Oid, oids};
use spec::{Expr, NodeId};
use std::ops::Range;

/// Types whose comparison operators and `min` and `max` agree on one order.
const ORDERED: [Oid; 10] = [
    oids::INT2,
    oids::INT4,
    oids::INT8,
    oids::FLOAT4,
    oids::FLOAT8,
    oids::NUMERIC,
    oids::DATE,
    oids::TIMESTAMP,
    oids::TIMESTAMPTZ,
    oids::INTERVAL,
];

/// A comparison `v op s` in a join, where s is all that is read of an input that has changed: a
/// column of it, so that what computes s and may raise is computed for each of its rows anyway.
pub(crate) struct Band {
    /// The input.
    pub input: usize,
    /// Over the columns of the join.
    v: Expr,
    s: Expr,
    op: &'static str,
}

impl Lowering<'_> {
    pub(crate) fn band(&self, conjuncts: &[Expr], id: NodeId) -> Option<Band> {
        let inputs = self.circuit.inputs(id);
        if self.by_rows[id.index()] || inputs.iter().all(|i| self.is_small(*i)) {
            return None;
        }
        let mut start = 0;
        for (i, input) in inputs.iter().enumerate() {
            let own = start..start + self.circuit.schema(*input).len();
            start = own.end;
            let is_read = |e: &Expr| e.columns().iter().any(|c| own.contains(c));
            let mut reading = conjuncts.iter().filter(|c| is_read(c));
            if !self.is_small(*input) || self.demand[id.index()].range(own.clone()).count() > 0 {
                continue;
            }
            if let (Some(one), None) = (reading.next(), reading.next())
                && let Some((v, op, s)) = self.comparison(one, &own)
            {
                return Some(Band { input: i, v, op, s });
            }
        }
        None
    }

    /// `v op s`, s over these columns, v over the others.
    fn comparison(&self, e: &Expr, of_s: &Range<usize>) -> Option<(Expr, &'static str, Expr)> {
        let ExprKind::Operator { operator, args, .. } = e.kind() else {
            return None;
        };
        let [a, b] = args.as_slice() else {
            return None;
        };
        let found = self.catalog.operator(*operator)?;
        let pg_catalog = operator.0 < FIRST_OTHER;
        if !pg_catalog || found.left != found.right || !ORDERED.contains(&found.left) {
            return None;
        }
        let (op, turned) = match &*found.name {
            "<" => ("<", ">"),
            "<=" => ("<=", ">="),
            ">" => (">", "<"),
            ">=" => (">=", "<="),
            _ => return None,
        };
        let within = |e: &Expr| e.as_column().is_some_and(|c| of_s.contains(&c));
        let without = |e: &Expr| !e.columns().iter().any(|c| of_s.contains(c));
        match () {
            () if without(a) && within(b) => Some((a.clone(), op, b.clone())),
            () if within(a) && without(b) => Some((b.clone(), turned, a.clone())),
            () => None,
        }
    }

    /// A branch of the join as two: of rows of the band, and of all rows. `changed` is the branch
    /// of the input that has changed, `at` where its columns are.
    pub(crate) fn banded(
        &mut self,
        band: &Band,
        branch: Branch,
        changed: &Branch,
        at: usize,
        id: NodeId,
    ) -> Result<Vec<Branch>> {
        let is_small =
            |f: &FromItem| matches!(f, FromItem::Table { name, .. } if name.schema.is_none());
        if branch.from.iter().all(is_small) {
            return Ok(vec![branch]);
        }
        let mut cols: Vec<Option<Scalar>> = vec![None; at];
        cols.extend(changed.cols.iter().cloned());
        let s = self.printer(&cols).scalar(&band.s)?.sql;
        let v = self.printer(&branch.cols).scalar(&band.v)?.sql;
        let alias = self.alias("band");
        let mut filter = changed.filter.clone();
        filter.push(s.clone().is_not_null());
        let weight = Sql::aggregate("sum", vec![changed.weight.sql()], None);
        let ends = Select {
            items: vec![
                Item::new(Sql::aggregate("min", vec![s.clone()], None), "low"),
                Item::new(Sql::aggregate("max", vec![s], None), "high"),
                Item::new(weight, "w"),
            ],
            from: changed.from.clone(),
            filter,
            ..Select::default()
        };
        let ends = FromItem::query(Query::from(ends), &alias);
        let end = |name: &str| Sql::column(&alias, name);
        let (low, high) = match band.op {
            ">" | "<=" => (">", "<="),
            _ => (">=", "<"),
        };
        let mut within = branch.clone();
        let all = branch;
        within.filter.push(Sql::op(low, v.clone(), end("low")));
        within.filter.push(Sql::op(high, v, end("high")));
        let mut out = vec![];
        for (mut branch, op) in [(within, "="), (all, "<>")] {
            branch
                .filter
                .push(Sql::op(op, end("w"), Sql::zero_weight()));
            out.push(self.behind(ends.clone(), branch, id));
        }
        Ok(out)
    }
}

impl Lowering<'_> {
    /// A branch of a join that is run only when it is known whether it has to be, and of which rows.
    fn behind(&mut self, ends: FromItem, branch: Branch, join: NodeId) -> Branch {
        let names = self.column_names(join);
        let alias = self.alias("met");
        let cols = columns_of(&alias, &names, self.circuit.schema(join));
        let shown = cols.into_iter().zip(&branch.cols);
        let cols = shown.map(|(c, inside)| inside.as_ref().and(c)).collect();
        let weight = Weight::column(&alias, WEIGHT);
        let mut select = branch.select(Some(WEIGHT), &names);
        select.fence = true;
        let item = FromItem::lateral(Query::from(select), &alias);
        Branch::new(vec![ends, item], cols, weight)
    }
}

/// Objects of `pg_catalog` have lower OIDs (`FirstGenbkiObjectId`).
const FIRST_OTHER: u32 = 10_000;
