//! `Aggregate`: GROUP BY.
//!
//! Over rows of weight 1 that is PostgreSQL's own. Over a weighted input (an Old that is not
//! stored), counts and integer sums are sums of weights; for everything else the input is
//! consolidated and each row repeated `w` times.

use crate::consolidate::consolidated;
use crate::error::Result;
use crate::expr::{Columns, Scalar, Strength};
use crate::keys::present;
use crate::lower::Lowering;
use crate::rel::{Branch, Rel, Weight};
use crate::sql::types::TypeName;
use crate::sql::{Name, Sql};
use spec::NodeId;
use spec::fold::{Fold, SUM_INT2, SUM_INT4, fold};
use spec::op::{AggCall, Aggregate};
use spec::types::{Oid, SqlType, oids};

impl Lowering<'_> {
    pub(crate) fn aggregate(&mut self, a: &Aggregate, id: NodeId) -> Result<Rel> {
        let input = self.input(id, 0)?;
        let mut rel = self.lower(input)?;
        // Of several branches, what is aggregated is computed above.
        if rel.branches.len() == 1 {
            let exprs = a
                .aggs
                .iter()
                .flat_map(|agg| agg.args.iter().chain(&agg.filter));
            rel = self.there(rel, input, exprs)?;
        }
        let mut branch = self.flat(rel, input)?;
        let demand = self.demand[id.index()].clone();
        let wanted = |i: usize| demand.contains(&(a.keys.len() + i));
        let weighted = !branch.weight.is_one();
        let additive = |agg: &AggCall| {
            let fold = fold(agg, self.catalog);
            match fold {
                Some(Fold::CountRows | Fold::CountValues) => true,
                // A NaN that has come and gone would stay in a numeric sum.
                Some(Fold::Sum) => agg.ty.oid == oids::INT8,
                _ => false,
            }
        };
        let additive = a
            .aggs
            .iter()
            .enumerate()
            .all(|(i, agg)| !wanted(i) || additive(agg));
        if weighted && !additive {
            branch = self.repeated(branch, input)?;
        }
        let weighted = !branch.weight.is_one();
        let keys = present(&branch.cols, &a.keys)?;
        let mut cols: Vec<Option<Scalar>> = keys.iter().cloned().map(Some).collect();
        for (i, agg) in a.aggs.iter().enumerate() {
            let col = match (wanted(i), weighted) {
                (false, _) => None,
                (true, false) => Some(self.printer(&branch.cols).aggregate(agg)?),
                (true, true) => {
                    Some(self.total(agg, &branch.cols, &branch.weight, !a.keys.is_empty())?)
                }
            };
            cols.push(col);
        }
        if weighted && !keys.is_empty() {
            let sum = Sql::aggregate("sum", vec![branch.weight.sql()], None);
            let zero = Sql::zero_weight();
            branch.having = vec![Sql::op("<>", sum, zero)];
        }
        branch.group_by = Some(keys.into_iter().map(|k| k.sql).collect());
        branch.cols = cols;
        branch.weight = Weight::one();
        Ok(Rel::one(branch))
    }

    /// The input with each row as often as its weight says.
    pub(crate) fn repeated(&mut self, branch: Branch, id: NodeId) -> Result<Branch> {
        let columns = self.column_names(id);
        let grouped = consolidated(branch, self.catalog);
        let branch = self.enclose(Rel::one(grouped), id, &columns)?;
        Ok(self.copies(branch))
    }

    /// A count or a sum over weighted rows. Counts are never NULL; sums are where no row has a
    /// value.
    pub(crate) fn total(
        &self,
        agg: &AggCall,
        input: &Columns,
        weight: &Weight,
        grouped: bool,
    ) -> Result<Scalar> {
        let printer = self.printer(input);
        let mut filter = match &agg.filter {
            Some(f) => printer.conjuncts(f)?,
            None => vec![],
        };
        let arg = agg.args.first().map(|a| printer.scalar(a)).transpose()?;
        let sql = match (fold(agg, self.catalog), arg) {
            (Some(Fold::Sum), Some(arg)) => {
                let sum = |term: Sql| Sql::aggregate("sum", vec![term], Sql::all(filter.clone()));
                weighted_sum(agg, arg.sql, weight, sum)
            }
            (_, arg) => {
                if let Some(arg) = arg
                    && arg.nullable
                {
                    filter.push(crate::keys::null_test(&arg, true, self.catalog)?);
                }
                weighted_count(weight, Sql::all(filter), grouped)
            }
        };
        Ok(Scalar {
            sql,
            ty: agg.ty,
            nullable: agg.nullable,
            strength: Strength::None,
        })
    }
}

/// Σ w, as bigint. A group (where `grouped`) has rows; all of them may fail a filter.
fn weighted_count(weight: &Weight, filter: Option<Sql>, grouped: bool) -> Sql {
    if weight.factors.is_empty() {
        let count = Sql::aggregate("count", vec![], filter);
        return match weight.negative {
            true => Sql::Prefix(Name::pg("-"), Box::new(count)),
            false => count,
        };
    }
    let never_null = grouped && filter.is_none();
    let sum = Sql::aggregate("sum", vec![weight.sql()], filter);
    if never_null {
        return sum.cast(TypeName::bigint());
    }
    let zero = Sql::zero_weight();
    Sql::Coalesce(vec![sum, zero]).cast(TypeName::bigint())
}

/// Σ w·x, of the type of the sum.
fn weighted_sum(agg: &AggCall, arg: Sql, weight: &Weight, sum: impl Fn(Sql) -> Sql) -> Sql {
    if weight.is_one() {
        return sum(arg);
    }
    let int4 = matches!(agg.function, SUM_INT2 | SUM_INT4);
    match agg.ty.oid {
        // An int4 times a weight cannot leave bigint; an int8 could.
        oids::INT8 if int4 => {
            let product = Sql::op("*", arg.cast(TypeName::bigint()), weight.sql());
            sum(product).cast(TypeName::bigint())
        }
        oids::NUMERIC => {
            let numeric = |e: Sql| e.cast(TypeName::numeric());
            let arg = match agg.args.first().map(|a| a.ty().oid) {
                Some(oids::NUMERIC) => arg,
                _ => numeric(arg),
            };
            sum(Sql::op("*", arg, numeric(weight.sql())))
        }
        _ => sum(Sql::op("*", arg, weight.sql())),
    }
}

/// The zero of a sum.
pub(crate) fn zero(ty: Oid, catalog: &spec::catalog::Catalog) -> Result<Sql> {
    let ty = TypeName::new(SqlType::new(ty), catalog)?;
    Ok(Sql::Literal(Some("0".into()), ty))
}
