//! Sums of values of several scales, as sums of one scale each.
//!
//! A sum of numerics shows the largest scale among its terms, so it can be folded only where all
//! terms have one scale. `sum(CASE WHEN p THEN price ELSE 0 END)` has terms of two, but which of
//! them a row gives is known from the CASE. Split by it,
//!
//! ```text
//! s2 = sum(CASE WHEN p THEN price END)        s0 = sum(CASE WHEN p THEN NULL ELSE 0 END)
//! sum = coalesce(s0 + s2, s0, s2)
//! ```
//!
//! and each part folds. The value is the same, and so is its scale: a part is NULL unless some row
//! gave a term of its scale, and `+` shows the larger scale. CASE and COALESCE below `+`, `-`, `*`
//! are lifted above them first.

use spec::Expr;
use spec::catalog::Catalog;
use spec::expr::ExprKind;
use spec::fold::fixed_scale;
use spec::types::{Oid, SqlType, oids};
use std::collections::BTreeSet;

/// More branches than this are not worth it.
const MAX_LEAVES: usize = 16;

/// A numeric expression by cases.
#[derive(Clone)]
enum Cases {
    Leaf(Expr),
    Choice(Vec<(Expr, Cases)>, Box<Cases>),
}

/// The argument of a sum split by scale, smallest first: expressions that are NULL where the
/// argument is NULL or of another scale. None unless all scales are known.
pub(super) fn split_by_scale(argument: &Expr) -> Option<Vec<Expr>> {
    if argument.ty().oid != oids::NUMERIC {
        return None;
    }
    let mut leaves = 0;
    let cases = cases(argument, &mut leaves)?;
    let mut scales = BTreeSet::new();
    gather(&cases, &mut scales)?;
    let parts: Vec<Expr> = scales
        .iter()
        .map(|scale| part(&cases, *scale, argument.ty()))
        .collect();
    (parts.len() > 1 && parts.iter().all(|p| fixed_scale(p).is_some())).then_some(parts)
}

fn is_null(expr: &Expr) -> bool {
    matches!(expr.kind(), ExprKind::Const(None))
}

/// `expr` with its cases on the outside.
fn cases(expr: &Expr, leaves: &mut usize) -> Option<Cases> {
    if is_null(expr) || fixed_scale(expr).is_some() {
        *leaves += 1;
        return (*leaves <= MAX_LEAVES).then(|| Cases::Leaf(expr.clone()));
    }
    match expr.kind() {
        ExprKind::Case { whens, otherwise } => {
            let whens = whens
                .iter()
                .map(|(when, then)| Some((when.clone(), cases(then, leaves)?)))
                .collect::<Option<Vec<_>>>()?;
            let otherwise = Box::new(cases(otherwise, leaves)?);
            Some(Cases::Choice(whens, otherwise))
        }
        ExprKind::Coalesce(args) => {
            let (last, first) = args.split_last()?;
            let whens = first
                .iter()
                .map(|arg| {
                    let there = Expr::new(
                        ExprKind::IsNull {
                            arg: arg.clone(),
                            negated: true,
                            row: false,
                        },
                        SqlType::new(oids::BOOL),
                    );
                    Some((there, cases(arg, leaves)?))
                })
                .collect::<Option<Vec<_>>>()?;
            Some(Cases::Choice(whens, Box::new(cases(last, leaves)?)))
        }
        ExprKind::Operator { .. } => {
            // The first operand that has cases is replaced by each of them in turn.
            let operands = expr.children();
            let at = operands
                .iter()
                .position(|o| o.ty().oid == oids::NUMERIC && fixed_scale(o).is_none())?;
            let operand = operands[at];
            let mut inner = 0;
            match cases(operand, &mut inner)? {
                Cases::Leaf(_) => None,
                choice => replace(expr, at, &choice, leaves),
            }
        }
        _ => None,
    }
}

/// `expr` with its operand `at` replaced by each leaf of `choice`.
fn replace(expr: &Expr, at: usize, choice: &Cases, leaves: &mut usize) -> Option<Cases> {
    match choice {
        Cases::Leaf(leaf) => {
            // The operators that have a scale at all are strict.
            if is_null(leaf) {
                *leaves += 1;
                return (*leaves <= MAX_LEAVES).then(|| Cases::Leaf(Expr::null(expr.ty())));
            }
            let mut i = 0;
            let replaced = expr.map_children(&mut |child| {
                i += 1;
                if i - 1 == at {
                    leaf.clone()
                } else {
                    child.clone()
                }
            });
            cases(&replaced, leaves)
        }
        Cases::Choice(whens, otherwise) => {
            let whens = whens
                .iter()
                .map(|(when, then)| Some((when.clone(), replace(expr, at, then, leaves)?)))
                .collect::<Option<Vec<_>>>()?;
            let otherwise = Box::new(replace(expr, at, otherwise, leaves)?);
            Some(Cases::Choice(whens, otherwise))
        }
    }
}

fn gather(cases: &Cases, scales: &mut BTreeSet<u32>) -> Option<()> {
    match cases {
        Cases::Leaf(leaf) if is_null(leaf) => Some(()),
        Cases::Leaf(leaf) => {
            scales.insert(fixed_scale(leaf)?);
            Some(())
        }
        Cases::Choice(whens, otherwise) => {
            for (_, then) in whens {
                gather(then, scales)?;
            }
            gather(otherwise, scales)
        }
    }
}

/// The values of one scale.
fn part(cases: &Cases, scale: u32, ty: SqlType) -> Expr {
    match cases {
        Cases::Leaf(leaf) if !is_null(leaf) && fixed_scale(leaf) == Some(scale) => leaf.clone(),
        Cases::Leaf(_) => Expr::null(ty),
        Cases::Choice(whens, otherwise) => {
            let whens: Vec<(Expr, Expr)> = whens
                .iter()
                .map(|(when, then)| (when.clone(), part(then, scale, ty)))
                .collect();
            let otherwise = part(otherwise, scale, ty);
            if is_null(&otherwise) && whens.iter().all(|(_, then)| is_null(then)) {
                return otherwise;
            }
            Expr::new(ExprKind::Case { whens, otherwise }, ty)
        }
    }
}

/// The sum of several sums, NULL where all are: the parts that are there added up.
pub(super) fn add_up(parts: Vec<Expr>, catalog: &Catalog) -> Option<Expr> {
    let numeric = SqlType::new(oids::NUMERIC);
    let plus = catalog.operator_exact(Some("pg_catalog"), "+", numeric.oid, numeric.oid)?;
    let mut parts = parts.into_iter();
    let first = parts.next()?;
    Some(parts.fold(first, |sum, part| {
        let both = Expr::new(
            ExprKind::Operator {
                operator: plus.oid,
                function: plus.function,
                args: vec![sum.clone(), part.clone()],
                collation: Oid::INVALID,
            },
            numeric,
        );
        Expr::new(ExprKind::Coalesce(vec![both, sum, part]), numeric)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(scale: i32) -> SqlType {
        SqlType {
            typmod: ((15 << 16) | scale) + 4,
            ..SqlType::new(oids::NUMERIC)
        }
    }

    fn literal(text: &str) -> Expr {
        Expr::literal(text, SqlType::new(oids::NUMERIC))
    }

    fn operator(name: &str, a: Expr, b: Expr) -> Expr {
        let catalog = Catalog::builtin();
        let o = catalog
            .operator_exact(None, name, oids::NUMERIC, oids::NUMERIC)
            .expect("exists");
        Expr::new(
            ExprKind::Operator {
                operator: o.oid,
                function: o.function,
                args: vec![a, b],
                collation: Oid::INVALID,
            },
            SqlType::new(oids::NUMERIC),
        )
    }

    fn case(then: Expr, otherwise: Expr) -> Expr {
        let whens = vec![(Expr::column(9, SqlType::new(oids::BOOL)), then)];
        Expr::new(
            ExprKind::Case { whens, otherwise },
            SqlType::new(oids::NUMERIC),
        )
    }

    fn split(expr: &Expr) -> Option<Vec<String>> {
        let catalog = Catalog::builtin();
        let parts = split_by_scale(expr)?;
        Some(
            parts
                .iter()
                .map(|p| p.display(&catalog).to_string())
                .collect(),
        )
    }

    #[test]
    fn branches_of_other_scales_are_apart() {
        let price = Expr::column(0, numeric(2));
        assert_eq!(
            split(&case(price.clone(), literal("0"))),
            Some(vec![
                "CASE WHEN $9 THEN NULL::numeric ELSE '0'::numeric END".to_string(),
                "CASE WHEN $9 THEN $0 ELSE NULL::numeric END".into(),
            ])
        );
        // One scale needs no splitting; an unknown one has none.
        assert_eq!(split(&case(price.clone(), literal("0.00"))), None);
        assert_eq!(split(&price), None);
        let loose = Expr::column(1, SqlType::new(oids::NUMERIC));
        assert_eq!(split(&case(price, loose)), None);
    }

    #[test]
    fn coalesce_is_lifted_above_arithmetic() {
        let price = Expr::column(0, numeric(2));
        let rate = Expr::column(1, numeric(4));
        let some_rate = Expr::new(
            ExprKind::Coalesce(vec![rate, literal("0")]),
            SqlType::new(oids::NUMERIC),
        );
        let net = operator("*", price, operator("-", literal("1"), some_rate));
        assert_eq!(
            split(&net),
            Some(vec![
                "CASE WHEN ($1 IS NOT NULL) THEN NULL::numeric ELSE ($0 * ('1'::numeric - \
                 '0'::numeric)) END"
                    .into(),
                "CASE WHEN ($1 IS NOT NULL) THEN ($0 * ('1'::numeric - $1)) ELSE NULL::numeric END"
                    .into(),
            ])
        );
        // A quotient has no fixed scale.
        let ratio = operator("/", literal("1"), case(literal("1.0"), literal("2")));
        assert_eq!(split(&ratio), None);
    }
}
