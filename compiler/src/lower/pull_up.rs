//! Bringing what depends on parameters out of a subquery.
//!
//! ```text
//! σ[θ(p), φ] y, outputs e(p)           =  y' = σ[φ] y, with θ and e outside
//! γ[k; agg](σ[p = g] y), HAVING ψ(p)   =  y' = γ[k, g; agg] y, with p = g and ψ outside
//! γ[; agg](σ[p = g] y)                 =  y' = γ[g; agg] y, beside x by a left join: a group that
//!                                         is not there is one over nothing (count 0, others NULL)
//! ```
//!
//! The equations `p = g` are equalities that group as the type of g does: so all rows that meet
//! one are of one group, and none of another. DISTINCT does not change whether there is a row.

use super::subquery::{Beside, Extended, with_side};
use super::{LowerError, Lowering, conjoin, map_subqueries, split};
use crate::bind::aggregates::{Family, is_ordered_set};
use crate::bind::context::AggregateCall;
use crate::bind::query::{Body, From, Grouping, JoinKind, Query, Reads, Select, Subquery};
use crate::rewrite::predicate::{equation, error_free};
use spec::catalog::Catalog;
use spec::expr::ExprKind;
use spec::types::SqlType;
use spec::{Expr, Op};

/// A subquery without its parameters: `y(p) = Map(outputs(p)) σ[conditions(p)] node`.
struct Pulled {
    node: spec::NodeId,
    /// Over the columns of the node, and parameters.
    conditions: Vec<Expr>,
    outputs: Vec<Expr>,
}

/// `parameters = key`, a condition of a subquery.
struct Correlation {
    condition: Expr,
    /// Which operand the key is.
    side: usize,
    key: Expr,
}

impl Lowering<'_> {
    /// The rows of a subquery beside those of x, for any number of them.
    pub(super) fn beside(
        &mut self,
        x: spec::NodeId,
        subquery: &Subquery,
    ) -> Result<Beside, LowerError> {
        if self.for_rows_only {
            return self.applied(x, subquery);
        }
        let width = self.circuit.schema(x).len();
        let columns = |shift: usize| {
            let columns = subquery.query.columns.iter().enumerate();
            columns
                .map(|(i, c)| Expr::column(shift + i, c.ty.ty))
                .collect::<Vec<_>>()
        };
        if !subquery.query.is_correlated() {
            return Ok(Beside {
                y: self.shared(&subquery.query)?,
                conditions: vec![],
                outputs: columns(width),
            });
        }
        if let Some(pulled) = self.pull_up(&subquery.query)? {
            let over = |e: &Expr| over_pair(e, width, &subquery.parameters);
            return Ok(Beside {
                y: pulled.node,
                conditions: pulled.conditions.iter().map(over).collect(),
                outputs: pulled.outputs.iter().map(over).collect(),
            });
        }
        self.applied(x, subquery)
    }

    /// None where its parameters do not come out.
    fn pull_up(&mut self, query: &Query) -> Result<Option<Pulled>, LowerError> {
        let Body::Select(select) = &query.body else {
            return Ok(None);
        };
        if select.ranks() {
            return Ok(None);
        }
        let Some((mut ext, mut conditions)) = self.uncorrelated_rows(select)? else {
            return Ok(None);
        };
        let over_parameters = select.sets.iter().any(|s| reads_parameter(&s.call));
        if over_parameters || !select.grouped_sets.is_empty() {
            return Ok(None);
        }
        self.make_sets(&mut ext, &select.sets, &select.subqueries)?;
        let Some(grouping) = &select.grouping else {
            for expr in conditions.iter().chain(&select.outputs) {
                self.evaluate(&mut ext, expr, &select.subqueries)?;
            }
            return Ok(Some(Pulled {
                node: ext.node,
                conditions: conditions.iter().map(|e| ext.over(e)).collect(),
                outputs: self.made_values(&ext, &select.outputs, None)?,
            }));
        };
        if grouping.keys.is_empty() || !grouping.sets.is_empty() {
            return Ok(None);
        }
        let correlations = self.correlations(&conditions, &grouping_reads(grouping));
        let Some(correlations) = correlations else {
            return Ok(None);
        };
        let given = grouping.keys.len();
        let mut keyed = grouping.clone();
        conditions.clear();
        let mut places = vec![];
        for correlation in &correlations {
            let known = keyed.keys.iter().position(|k| *k == correlation.key);
            places.push(known.unwrap_or_else(|| {
                keyed.keys.push(correlation.key.clone());
                keyed.keys.len() - 1
            }));
        }
        let more = keyed.keys.len() - given;
        let grouped = self.grouped(&mut ext, &keyed, &select.subqueries)?;
        for (correlation, place) in correlations.iter().zip(places) {
            let key = grouped.above(&Expr::column(place, correlation.key.ty()));
            conditions.push(with_side(&correlation.condition, correlation.side, key));
        }
        let above = |e: &Expr| {
            let moved = e.remap(&mut |c| match Reads::of(c) {
                Reads::Column(at) if at >= given => at + more,
                _ => c,
            });
            grouped.above(&moved)
        };
        let subqueries = map_subqueries(&select.grouped_subqueries, above);
        if subqueries.iter().any(reads_parameters) {
            return Ok(None);
        }
        let mut ext = Extended::new(grouped.node, &subqueries);
        let mut having = vec![];
        if let Some(condition) = &select.having {
            split(&above(condition), &mut having);
        }
        let (outside, inside): (Vec<Expr>, Vec<Expr>) =
            having.into_iter().partition(reads_parameter);
        self.restrict(&mut ext, inside, &subqueries)?;
        conditions.extend(outside);
        let outputs: Vec<Expr> = select.outputs.iter().map(above).collect();
        for expr in conditions.iter().chain(&outputs) {
            self.evaluate(&mut ext, expr, &subqueries)?;
        }
        Ok(Some(Pulled {
            node: ext.node,
            conditions: conditions.iter().map(|e| ext.over(e)).collect(),
            outputs: outputs.iter().map(|e| ext.over(e)).collect(),
        }))
    }

    /// FROM and WHERE without the conditions that read parameters, and those; none where parameters
    /// stand elsewhere.
    fn uncorrelated_rows(
        &mut self,
        select: &Select,
    ) -> Result<Option<(Extended, Vec<Expr>)>, LowerError> {
        let from = select.from.as_ref();
        let stuck =
            from.is_some_and(|f| f.is_correlated() || outer_join_reads_parameters(f, false));
        if stuck || select.subqueries.iter().any(reads_parameters) {
            return Ok(None);
        }
        let (inputs, conjuncts) = self.product(select)?;
        let (conditions, conjuncts): (Vec<Expr>, Vec<Expr>) =
            conjuncts.into_iter().partition(reads_parameter);
        let ext = self.restricted(inputs, conjuncts, &select.subqueries)?;
        Ok(Some((ext, conditions)))
    }

    /// All conditions as correlations; none if one is not, or if a parameter is among what the
    /// grouping reads.
    fn correlations(&self, conditions: &[Expr], reads: &[Expr]) -> Option<Vec<Correlation>> {
        if reads.iter().any(reads_parameter) {
            return None;
        }
        conditions.iter().map(|c| self.correlation(c)).collect()
    }

    fn correlation(&self, condition: &Expr) -> Option<Correlation> {
        let found = equation(condition, self.catalog)?;
        let only = |e: &Expr, wanted: fn(Reads) -> bool| {
            let columns = e.columns();
            !columns.is_empty() && columns.iter().all(|c| wanted(Reads::of(*c)))
        };
        let outside = |e: &Expr| only(e, |r| matches!(r, Reads::Parameter(_)));
        let inside = |e: &Expr| only(e, |r| matches!(r, Reads::Column(_)));
        let [a, b] = found.sides;
        let side = match () {
            () if outside(a) && inside(b) => 1,
            () if inside(a) && outside(b) => 0,
            () => return None,
        };
        let key = found.sides[side].clone();
        let fits = found.groups(self.catalog, a.ty(), b.ty()) && error_free(&key, self.catalog);
        fits.then(|| Correlation {
            condition: condition.clone(),
            side,
            key,
        })
    }

    /// The outputs of a correlated aggregate over all rows, beside the rows of `ext`, and its HAVING.
    pub(super) fn global_values(
        &mut self,
        ext: &mut Extended,
        select: &Select,
        subquery: &Subquery,
    ) -> Result<Option<Values>, LowerError> {
        let Some(grouping) = &select.grouping else {
            return Ok(None);
        };
        let known = grouping.aggregates.iter().all(|a| of_nothing(a).is_some());
        let sets = !select.sets.is_empty() || !select.grouped_sets.is_empty();
        if !select.grouped_subqueries.is_empty() || !grouping.sets.is_empty() || !known || sets {
            return Ok(None);
        }
        let Some((mut rows, conditions)) = self.uncorrelated_rows(select)? else {
            return Ok(None);
        };
        let correlations = self.correlations(&conditions, &grouping_reads(grouping));
        let Some(correlations) = correlations else {
            return Ok(None);
        };
        let mut keyed = grouping.clone();
        for correlation in &correlations {
            if !keyed.keys.contains(&correlation.key) {
                keyed.keys.push(correlation.key.clone());
            }
        }
        let keys = keyed.keys.len();
        let grouped = self.grouped(&mut rows, &keyed, &select.subqueries)?;
        let types = keyed.keys.iter().map(Expr::ty);
        let types: Vec<SqlType> = types.chain(keyed.aggregates.iter().map(|a| a.ty)).collect();
        let columns = types.iter().enumerate();
        let outputs: Vec<Expr> = columns
            .map(|(i, ty)| grouped.above(&Expr::column(i, *ty)))
            .collect();
        let y = self.project(grouped.node, &outputs, None)?;
        let width = self.circuit.schema(ext.node).len();
        let over = |e: &Expr| over_pair(e, width, &subquery.parameters);
        let on = correlations.iter().map(|c| {
            let place = keyed.keys.iter().position(|k| *k == c.key).unwrap_or(0);
            over(&with_side(
                &c.condition,
                c.side,
                Expr::column(place, c.key.ty()),
            ))
        });
        let op = match correlations.is_empty() {
            true => Op::Join(vec![]),
            false => Op::Left(on.collect()),
        };
        ext.node = self.add(op, vec![ext.node, y], subquery.span)?;
        let value = |e: &Expr| {
            over(&e.substitute(&mut |column, ty| match Reads::of(column) {
                Reads::Column(at) => {
                    let column = Expr::column(keys + at, ty);
                    over_nothing(&grouping.aggregates[at], column)
                }
                _ => Expr::column(column, ty),
            }))
        };
        let outputs = select.outputs.iter().map(&value).collect();
        Ok(Some((outputs, select.having.as_ref().map(value))))
    }
}

/// The outputs of a query of one row, and its HAVING.
pub(super) type Values = (Vec<Expr>, Option<Expr>);

/// What an aggregate is of no rows.
pub(super) enum Nothing {
    Null,
    Zero,
}

/// None for those of users, and for what is computed of an argument before WITHIN GROUP.
pub(super) fn of_nothing(call: &AggregateCall) -> Option<Nothing> {
    if Family::of(call.function) == Family::Count {
        return Some(Nothing::Zero);
    }
    let builtin = Catalog::builtin();
    let function = builtin.function(call.function)?;
    match function.name.as_str() {
        "regr_count" => Some(Nothing::Zero),
        "percentile_cont" | "percentile_disc" | "mode" => Some(Nothing::Null),
        _ if is_ordered_set(call.function, &builtin) => None,
        _ => Some(Nothing::Null),
    }
}

/// An aggregate whose group may not be there: what it is of nothing, then.
pub(super) fn over_nothing(call: &AggregateCall, column: Expr) -> Expr {
    match of_nothing(call) {
        Some(Nothing::Zero) => {
            let ty = column.ty();
            let kind = ExprKind::Coalesce(vec![column, Expr::literal("0", ty)]);
            Expr::new(kind, ty)
        }
        _ => column,
    }
}

/// What is read by keys and arguments of aggregates.
fn grouping_reads(grouping: &Grouping) -> Vec<Expr> {
    let mut out = grouping.keys.clone();
    for call in &grouping.aggregates {
        out.extend(
            call.args
                .iter()
                .chain(&call.direct)
                .chain(&call.filter)
                .cloned(),
        );
        out.extend(call.order_by.iter().map(|k| k.expr.clone()));
    }
    out
}

/// An expression over the columns of y and parameters, over the columns of x and y.
fn over_pair(expr: &Expr, width: usize, parameters: &[Expr]) -> Expr {
    expr.substitute(&mut |column, ty| match Reads::of(column) {
        Reads::Parameter(at) => parameters[at].clone(),
        _ => Expr::column(width + column, ty),
    })
}

pub(super) fn reads_parameter(expr: &Expr) -> bool {
    let columns = expr.columns();
    columns
        .iter()
        .any(|c| matches!(Reads::of(*c), Reads::Parameter(_)))
}

fn reads_parameters(subquery: &Subquery) -> bool {
    subquery.operands().any(reads_parameter)
}

/// Does the condition of an outer join, or of a join in one, read a parameter?
fn outer_join_reads_parameters(from: &From, inside: bool) -> bool {
    let From::Join {
        kind,
        left,
        right,
        condition,
    } = from
    else {
        return false;
    };
    let inside = inside || *kind != JoinKind::Inner;
    (inside && condition.as_ref().is_some_and(reads_parameter))
        || outer_join_reads_parameters(left, inside)
        || outer_join_reads_parameters(right, inside)
}

/// All conjuncts as one condition, if there are any.
pub(super) fn all_of(conjuncts: Vec<Expr>) -> Option<Expr> {
    (!conjuncts.is_empty()).then(|| conjoin(conjuncts))
}
