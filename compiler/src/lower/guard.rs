//! Subqueries in branches: of CASE, of COALESCE.
//!
//! A subquery beside all rows is computed for rows, too, for which the query never asks it. Where that
//! could raise an error, it is computed beside those rows alone that ask:
//!
//! ```text
//! CASE WHEN a THEN (SELECT …) END     g = CASE WHEN a THEN true ELSE false END
//! Plus(Map(…, value)(σ[g] x beside y(D)), Map(…, NULL)(σ[g IS NOT TRUE] x))
//! D = Distinct(Map(parameters)(σ[g] x))       as in `apply.rs`, without parameters, too
//! ```
//!
//! All that may raise is computed above σ[g] x, or the subquery is refused: a query at the nullable side
//! of a join is computed from its own sources.

use super::subquery::{Extended, is_null, unfit};
use super::{LowerError, Lowering};
use crate::bind::query::Subquery;
use crate::rewrite::predicate::{error_free, flat_map_error_free};
use spec::expr::{BoolTest, ExprKind};
use spec::types::{SqlType, oids};
use spec::{Expr, NodeId, Op};
use std::collections::HashSet;

const BOOL: SqlType = SqlType::new(oids::BOOL);

/// When an expression evaluates a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Guard {
    Always,
    Never,
    /// Where this is true; it is evaluated as the expression itself evaluates it.
    Where(Expr),
    /// That depends on the column itself.
    Circular,
}

impl Guard {
    pub fn of(expr: &Expr, column: usize) -> Guard {
        match expr.kind() {
            ExprKind::Column(c) if *c == column => Guard::Always,
            ExprKind::Case { whens, otherwise } => {
                let last = Guard::of(otherwise, column);
                whens.iter().rev().fold(last, |later, (when, then)| {
                    let then = Guard::of(then, column);
                    Guard::of(when, column).or_else(when, then, later)
                })
            }
            ExprKind::Coalesce(args) => {
                let mut args = args.iter().rev();
                let last = args.next().map(|e| Guard::of(e, column));
                args.fold(last.unwrap_or(Guard::Never), |later, arg| {
                    let missing = is_null(arg.clone(), false);
                    Guard::of(arg, column).or_else(&missing, later, Guard::Never)
                })
            }
            _ => {
                let children = expr.children().into_iter();
                let children = children.map(|e| Guard::of(e, column));
                children.fold(Guard::Never, Guard::or)
            }
        }
    }

    /// Both are evaluated.
    pub fn or(self, other: Guard) -> Guard {
        match (self, other) {
            (Guard::Always, _) | (_, Guard::Always) => Guard::Always,
            (Guard::Circular, _) | (_, Guard::Circular) => Guard::Circular,
            (Guard::Never, other) | (other, Guard::Never) => other,
            (Guard::Where(a), Guard::Where(b)) => match a == b {
                true => Guard::Where(a),
                false => Guard::Where(Expr::new(ExprKind::Or(vec![a, b]), BOOL)),
            },
        }
    }

    /// First `condition`, of which `self` is the guard, then one of the others.
    fn or_else(self, condition: &Expr, then: Guard, otherwise: Guard) -> Guard {
        match self {
            Guard::Always | Guard::Circular => self,
            _ if then == otherwise => self.or(then),
            Guard::Never => {
                let (Some(then), Some(otherwise)) = (then.expr(), otherwise.expr()) else {
                    return Guard::Circular;
                };
                let kind = ExprKind::Case {
                    whens: vec![(condition.clone(), then)],
                    otherwise,
                };
                Guard::Where(Expr::new(kind, BOOL))
            }
            Guard::Where(_) => Guard::Circular,
        }
    }

    fn expr(&self) -> Option<Expr> {
        match self {
            Guard::Always => Some(Expr::literal("true", BOOL)),
            Guard::Never => Some(Expr::literal("false", BOOL)),
            Guard::Where(e) => Some(e.clone()),
            Guard::Circular => None,
        }
    }
}

impl Lowering<'_> {
    /// May what is read by this node, and not by that one, raise an error? Not what is computed of
    /// the rows of `but`.
    pub(super) fn may_raise(&self, node: NodeId, than: NodeId, but: Option<NodeId>) -> bool {
        let known: HashSet<NodeId> = self.circuit.reachable(&[than]).into_iter().collect();
        let all = self.circuit.reachable(&[node]).into_iter();
        let mut raising = all.filter(|id| !known.contains(id) && self.raises(*id));
        raising.any(|id| but.is_none_or(|but| !self.circuit.reachable(&[id]).contains(&but)))
    }

    fn raises(&self, id: NodeId) -> bool {
        let raises = |e: &Expr| !error_free(e, self.catalog);
        match self.circuit.op(id) {
            Op::Map(exprs)
            | Op::Join(exprs)
            | Op::Semi(exprs)
            | Op::Anti(exprs)
            | Op::Left(exprs) => exprs.iter().any(raises),
            Op::Filter(predicate) => raises(predicate),
            Op::FlatMap(f) => !flat_map_error_free(f, self.catalog),
            Op::Aggregate(aggregate) => aggregate
                .aggs
                .iter()
                .any(|a| a.args.iter().chain(&a.filter).any(raises)),
            _ => false,
        }
    }

    /// The value of a subquery where the guard is true, as a column behind those of the rows.
    pub(super) fn guarded(
        &mut self,
        ext: &mut Extended,
        guard: &Expr,
        subquery: &Subquery,
        subqueries: &[Subquery],
    ) -> Result<Expr, LowerError> {
        self.evaluate(ext, guard, subqueries)?;
        let guard = ext.over(guard);
        let test = |test| {
            let arg = guard.clone();
            Expr::new(ExprKind::BoolTest { arg, test }, BOOL)
        };
        let x = ext.node;
        let types = self.circuit.schema(x).to_vec();
        let asking = self.add(Op::Filter(test(BoolTest::IsTrue)), vec![x], None)?;
        let others = self.add(Op::Filter(test(BoolTest::IsNotTrue)), vec![x], None)?;
        ext.node = asking;
        let outside = std::mem::replace(&mut self.for_rows_only, true);
        let value = self
            .operands(ext, subquery, subqueries)
            .and_then(|subquery| self.value(ext, &subquery));
        self.for_rows_only = outside;
        let value = value?;
        if self.may_raise(ext.node, asking, Some(asking)) {
            let why = "in a branch of CASE or COALESCE, with expressions that may raise errors in a \
                       query that it joins by an outer join";
            return Err(unfit(subquery, why));
        }
        let ty = value.ty();
        let mut sides = vec![];
        for (side, value) in [(ext.node, value), (others, Expr::null(ty))] {
            let outputs = Expr::of_columns(&types, 0).chain([value]).collect();
            sides.push(self.add(Op::Map(outputs), vec![side], None)?);
        }
        ext.node = self.add(Op::Plus, sides, None)?;
        ext.add_sum(subquery)?;
        Ok(Expr::column(types.len(), ty))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bind::expr::tests::bind_in_table;

    fn of(sql: &str) -> Guard {
        let e = bind_in_table(sql);
        let i4 = bind_in_table("i4").as_column().expect("a column");
        Guard::of(&e, i4)
    }

    #[test]
    fn a_guard_says_when_a_column_is_evaluated() {
        let same = |sql: &str, guard: &str| {
            assert_eq!(of(sql), Guard::Where(bind_in_table(guard)), "{sql}");
        };
        assert_eq!(of("i4 + 1 > 2 AND b"), Guard::Always);
        assert_eq!(of("NOT b"), Guard::Never);
        assert_eq!(of("CASE WHEN i4 = 1 THEN t END"), Guard::Always);
        assert_eq!(of("CASE WHEN b THEN i4 ELSE i4 + 1 END"), Guard::Always);
        same(
            "CASE WHEN b THEN i4 END",
            "CASE WHEN b THEN true ELSE false END",
        );
        same(
            "1 + COALESCE(i8, i4)",
            "CASE WHEN i8 IS NULL THEN true ELSE false END",
        );
        same(
            "CASE WHEN b THEN 1 WHEN t = 'a' THEN i4 ELSE 2 END",
            "CASE WHEN b THEN false ELSE CASE WHEN t = 'a' THEN true ELSE false END END",
        );
        same(
            "CASE WHEN b THEN 1 WHEN i4 = 2 THEN 3 ELSE 4 END",
            "CASE WHEN b THEN false ELSE true END",
        );
        let circular = "CASE WHEN CASE WHEN b THEN i4 = 1 END THEN 2 ELSE i4 END";
        assert_eq!(of(circular), Guard::Circular);
    }
}
