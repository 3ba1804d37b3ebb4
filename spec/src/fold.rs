//! Which aggregates can be folded: computed from their old value and the change alone.
//!
//! `count` and exact sums form a group under addition, so that new = old + Σ w·x. A minimum is a
//! semilattice: an insertion folds, a retraction of the extremum does not, and makes the group
//! *stale* (recomputed from its rows). Floating-point sums are neither: addition is not
//! associative, and their error would grow. Numeric sums show the largest scale among their
//! terms, so they fold only where all terms have one scale.

use crate::catalog::Catalog;
use crate::expr::{Coercion, Expr, ExprKind};
use crate::op::{AggCall, Aggregate};
use crate::types::{ColType, Oid, SqlType, oids};

/// How one aggregate folds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// `count(*)`: new = old + Σ w.
    CountRows,
    /// `count(x)`: new = old + Σ w over non-NULL x.
    CountValues,
    /// new = old + Σ w·x; NULL where `CountValues` of the same argument becomes 0.
    Sum,
    /// `min` (`greatest` false) or `max`.
    Extremum { greatest: bool },
}

pub const COUNT_ROWS: Oid = Oid(2803);
pub const COUNT_VALUES: Oid = Oid(2147);
pub const SUM_INT8: Oid = Oid(2107);
pub const SUM_INT4: Oid = Oid(2108);
pub const SUM_INT2: Oid = Oid(2109);
pub const SUM_MONEY: Oid = Oid(2112);
pub const SUM_NUMERIC: Oid = Oid(2114);
pub const AVG_INT8: Oid = Oid(2100);
pub const AVG_INT4: Oid = Oid(2101);
pub const AVG_INT2: Oid = Oid(2102);
pub const AVG_NUMERIC: Oid = Oid(2103);

/// The number of digits after the point that every (finite) value of a numeric expression has,
/// if that is fixed by typmods. PostgreSQL: `+` and `-` show the larger scale of both, `*` the
/// sum of both.
pub fn fixed_scale(e: &Expr) -> Option<u32> {
    const ADD: Oid = Oid(1758);
    const SUB: Oid = Oid(1759);
    const MUL: Oid = Oid(1760);
    const NEG: Oid = Oid(1751);
    const POS: Oid = Oid(1915);
    const ABS: Oid = Oid(1763);
    const FROM_INT: [Oid; 3] = [Oid(1740), Oid(1781), Oid(1782)];
    if e.ty().oid != oids::NUMERIC {
        return None;
    }
    if let Some(scale) = typmod_scale(e.ty().typmod) {
        return Some(scale);
    }
    match e.kind() {
        ExprKind::Const(Some(text)) => literal_scale(text),
        ExprKind::Const(None) => None,
        ExprKind::Operator { operator, args, .. } => match (*operator, args.as_slice()) {
            (ADD | SUB, [a, b]) => Some(fixed_scale(a)?.max(fixed_scale(b)?)),
            (MUL, [a, b]) => Some(fixed_scale(a)? + fixed_scale(b)?),
            (NEG | POS | ABS, [a]) => fixed_scale(a),
            _ => None,
        },
        ExprKind::Cast {
            coercion: Coercion::Function(f),
            ..
        } if FROM_INT.contains(f) => Some(0),
        ExprKind::Case { whens, otherwise } => {
            // A NULL branch adds nothing to a sum.
            let mut scales = whens
                .iter()
                .map(|(_, then)| then)
                .chain([otherwise])
                .filter(|e| !matches!(e.kind(), ExprKind::Const(None)))
                .map(fixed_scale);
            let first = scales.next()??;
            scales.all(|s| s == Some(first)).then_some(first)
        }
        ExprKind::Coalesce(args) => {
            let first = fixed_scale(args.first()?)?;
            args.iter()
                .all(|a| fixed_scale(a) == Some(first))
                .then_some(first)
        }
        _ => None,
    }
}

/// The scale in a numeric typmod; negative scales round to the left and show none.
fn typmod_scale(typmod: i32) -> Option<u32> {
    if typmod < 4 {
        return None;
    }
    let raw = (typmod - 4) & 0x7ff;
    let scale = (raw ^ 1024) - 1024;
    Some(scale.max(0) as u32)
}

/// The scale of a plain decimal literal.
fn literal_scale(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    (plain(whole) && plain(fraction) && !digits.is_empty()).then_some(fraction.len() as u32)
}

/// How this aggregate folds, if it does. `min` and `max` are known by their sort operator.
pub fn fold(agg: &AggCall, catalog: &Catalog) -> Option<Fold> {
    if agg.distinct || !agg.order_by.is_empty() {
        return None;
    }
    match agg.function {
        COUNT_ROWS => Some(Fold::CountRows),
        COUNT_VALUES => Some(Fold::CountValues),
        SUM_INT2 | SUM_INT4 | SUM_INT8 | SUM_MONEY => Some(Fold::Sum),
        SUM_NUMERIC => fixed_scale(agg.args.first()?).map(|_| Fold::Sum),
        function => {
            let f = catalog.function(function)?;
            let greatest = match (f.namespace, f.name.as_str()) {
                (oids::PG_CATALOG, "min") => false,
                (oids::PG_CATALOG, "max") => true,
                _ => return None,
            };
            Some(Fold::Extremum { greatest })
        }
    }
}

/// Is the value of this aggregate, its image too, the same in whatever order it sees its arguments?
/// Only of those that are known to be; `argument` is the first one's type.
pub fn is_of_bag(function: Oid, argument: Option<SqlType>, catalog: &Catalog) -> bool {
    const EXACT: [Oid; 6] = [
        oids::INT2,
        oids::INT4,
        oids::INT8,
        oids::NUMERIC,
        oids::MONEY,
        oids::INTERVAL,
    ];
    let Some(f) = catalog.function(function) else {
        return false;
    };
    let exact = argument.is_some_and(|ty| EXACT.contains(&ty.oid));
    let one_image = argument.is_some_and(|ty| catalog.image_equality(ty));
    f.namespace == oids::PG_CATALOG
        && match f.name.as_str() {
            "count" | "bool_and" | "bool_or" | "every" | "bit_and" | "bit_or" | "bit_xor" => true,
            "sum" | "avg" | "variance" | "var_pop" | "var_samp" | "stddev" | "stddev_pop"
            | "stddev_samp" => exact,
            "min" | "max" => one_image,
            _ => false,
        }
}

impl Aggregate {
    /// How each aggregate folds, or none if the aggregate as a whole cannot be folded: its keys
    /// must be told apart by image (one group, one image), `count(*)` must be there to see when a
    /// group vanishes (unless there are no keys), and each sum that can be NULL needs the count of
    /// its argument under the same filter beside it.
    pub fn folding(&self, input: &[ColType], catalog: &Catalog) -> Option<Vec<Fold>> {
        let folds: Vec<Fold> = self
            .aggs
            .iter()
            .map(|a| fold(a, catalog))
            .collect::<Option<_>>()?;
        let keys_by_image = self
            .keys
            .iter()
            .all(|&k| input.get(k).is_some_and(|c| catalog.image_equality(c.ty)));
        let sums_counted = self
            .aggs
            .iter()
            .zip(&folds)
            .all(|(a, f)| *f != Fold::Sum || !a.nullable || self.count_beside(a).is_some());
        // What is recomputed must be told from what is not there, by a count that is never NULL.
        let counted = folds
            .iter()
            .any(|f| matches!(f, Fold::CountRows | Fold::CountValues))
            || !folds.iter().any(|f| matches!(f, Fold::Extremum { .. }));
        (keys_by_image
            && (self.keys.is_empty() || self.row_count().is_some())
            && sums_counted
            && counted)
            .then_some(folds)
    }

    /// The position among the aggregates of a `count(*)` without filter.
    pub fn row_count(&self) -> Option<usize> {
        self.aggs
            .iter()
            .position(|a| a.function == COUNT_ROWS && a.filter.is_none())
    }

    /// The position of the count of non-NULL arguments that belongs to a sum or an extremum:
    /// `count(x)` (or `count(*)`, for an argument that is never NULL, which the caller of
    /// normalisation writes so) with the same filter.
    pub fn count_beside(&self, sum: &AggCall) -> Option<usize> {
        self.aggs.iter().position(|a| {
            a.function == COUNT_VALUES
                && a.args == sum.args
                && a.filter == sum.filter
                && !a.distinct
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SqlType;

    fn numeric(precision: i32, scale: i32) -> SqlType {
        SqlType {
            typmod: ((precision << 16) | (scale & 0x7ff)) + 4,
            ..SqlType::new(oids::NUMERIC)
        }
    }

    fn operator(oid: u32, args: Vec<Expr>) -> Expr {
        Expr::new(
            ExprKind::Operator {
                operator: Oid(oid),
                function: Oid::INVALID,
                args,
                collation: Oid::INVALID,
            },
            SqlType::new(oids::NUMERIC),
        )
    }

    fn call(function: Oid, args: Vec<Expr>, ty: Oid) -> AggCall {
        AggCall {
            function,
            nullable: function != COUNT_ROWS && function != COUNT_VALUES,
            args,
            variadic: false,
            distinct: false,
            order_by: vec![],
            filter: None,
            ty: SqlType::new(ty),
            collation: Oid::INVALID,
        }
    }

    fn int(i: usize) -> Expr {
        Expr::column(i, SqlType::new(oids::INT4))
    }

    const INTS: [ColType; 2] = [ColType {
        ty: SqlType::new(oids::INT4),
        nullable: true,
    }; 2];

    #[test]
    fn scales_follow_typmods_through_arithmetic() {
        let price = Expr::column(0, numeric(15, 2));
        let rate = Expr::column(1, numeric(5, 4));
        let loose = Expr::column(2, SqlType::new(oids::NUMERIC));
        let one = Expr::literal("1", SqlType::new(oids::NUMERIC));
        let one_minus_rate = operator(1759, vec![one.clone(), rate.clone()]);
        assert_eq!(fixed_scale(&price), Some(2));
        assert_eq!(fixed_scale(&one_minus_rate), Some(4));
        let product = operator(1760, vec![price.clone(), one_minus_rate]);
        assert_eq!(fixed_scale(&product), Some(6));
        assert_eq!(
            fixed_scale(&operator(1758, vec![price.clone(), loose])),
            None
        );
        // A quotient's scale depends on its value.
        assert_eq!(fixed_scale(&operator(1761, vec![price, one])), None);
        assert_eq!(fixed_scale(&Expr::column(0, numeric(5, -2))), Some(0));
    }

    #[test]
    fn literals_and_branches() {
        let num = |s: &str| Expr::literal(s, SqlType::new(oids::NUMERIC));
        assert_eq!(fixed_scale(&num("-1.50")), Some(2));
        assert_eq!(fixed_scale(&num("NaN")), None);
        assert_eq!(fixed_scale(&num("1e5")), None);
        let case = |a: Expr, b: Expr| {
            let whens = vec![(Expr::literal("t", SqlType::new(oids::BOOL)), a)];
            let kind = ExprKind::Case {
                whens,
                otherwise: b,
            };
            Expr::new(kind, SqlType::new(oids::NUMERIC))
        };
        assert_eq!(fixed_scale(&case(num("1.0"), num("0.5"))), Some(1));
        assert_eq!(fixed_scale(&case(num("1.0"), num("0"))), None);
        let null = Expr::null(SqlType::new(oids::NUMERIC));
        assert_eq!(fixed_scale(&case(num("1.0"), null)), Some(1));
    }

    #[test]
    fn integers_fold_and_floats_do_not() {
        let catalog = Catalog::builtin();
        let folded = |a: &AggCall| fold(a, &catalog);
        assert_eq!(
            folded(&call(COUNT_ROWS, vec![], oids::INT8)),
            Some(Fold::CountRows)
        );
        let sum = call(SUM_INT4, vec![int(0)], oids::INT8);
        assert_eq!(folded(&sum), Some(Fold::Sum));
        let of_distinct = AggCall {
            distinct: true,
            ..sum.clone()
        };
        assert_eq!(folded(&of_distinct), None);
        let float = Expr::column(0, SqlType::new(oids::FLOAT8));
        assert_eq!(folded(&call(Oid(2111), vec![float], oids::FLOAT8)), None);
        let loose = Expr::column(0, SqlType::new(oids::NUMERIC));
        assert_eq!(folded(&call(SUM_NUMERIC, vec![loose], oids::NUMERIC)), None);
        let fixed = Expr::column(0, numeric(9, 2));
        assert_eq!(
            folded(&call(SUM_NUMERIC, vec![fixed], oids::NUMERIC)),
            Some(Fold::Sum)
        );
        // max(int4), min(int4), and avg, which the binder decomposes.
        assert_eq!(
            folded(&call(Oid(2116), vec![int(0)], oids::INT4)),
            Some(Fold::Extremum { greatest: true })
        );
        assert_eq!(
            folded(&call(Oid(2132), vec![int(0)], oids::INT4)),
            Some(Fold::Extremum { greatest: false })
        );
        assert_eq!(folded(&call(AVG_INT4, vec![int(0)], oids::NUMERIC)), None);
    }

    #[test]
    fn an_aggregate_folds_if_counts_stand_beside_it() {
        let catalog = Catalog::builtin();
        let rows = call(COUNT_ROWS, vec![], oids::INT8);
        let values = call(COUNT_VALUES, vec![int(1)], oids::INT8);
        let sum = call(SUM_INT4, vec![int(1)], oids::INT8);
        let folds = |keys: Vec<usize>, aggs: Vec<AggCall>, input: &[ColType]| {
            Aggregate { keys, aggs }.folding(input, &catalog)
        };
        let all = vec![rows.clone(), sum.clone(), values.clone()];
        assert_eq!(
            folds(vec![0], all.clone(), &INTS),
            Some(vec![Fold::CountRows, Fold::Sum, Fold::CountValues])
        );
        assert_eq!(folds(vec![0], vec![rows.clone(), sum.clone()], &INTS), None);
        assert_eq!(
            folds(vec![0], vec![sum.clone(), values.clone()], &INTS),
            None
        );
        assert!(folds(vec![], vec![sum.clone(), values], &INTS).is_some());
        // A count under another filter does not tell when this sum is NULL.
        let filter = Some(Expr::literal("t", SqlType::new(oids::BOOL)));
        let filtered = AggCall {
            filter,
            ..sum.clone()
        };
        let mixed = vec![rows.clone(), filtered, all[2].clone()];
        assert_eq!(folds(vec![0], mixed, &INTS), None);
        // Groups of numeric keys have several images.
        let numeric_key = [
            ColType {
                ty: SqlType::new(oids::NUMERIC),
                nullable: true,
            },
            INTS[1],
        ];
        assert_eq!(folds(vec![0], all, &numeric_key), None);
    }
}
