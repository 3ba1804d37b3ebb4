//! What is known of aggregates.
//!
//! All of them are functions of the multiset of their arguments, up to rounding, to which of several
//! equal values stands for all of them, and to the order in which they see their arguments: of a
//! group that changed they can be computed again from its rows. Which of them can also be *folded* is
//! said by `spec::fold`.

use super::context::AggregateCall;
use crate::expr_facts::error_free;
use crate::typing::cast_volatility;
use spec::Expr;
use spec::catalog::{AggregateKind, Catalog, Function, FunctionKind, Volatility};
use spec::expr::ExprKind;
use spec::fold::{COUNT_ROWS, COUNT_VALUES, fixed_scale};
use spec::op::AggCall;
use spec::types::{Oid, oids};
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Never NULL.
    Count,
    /// sum, avg, min, max, bool_and, bit_or, …: NULL iff there is no non-NULL argument.
    Total,
    /// var_samp, corr, percentile_cont, range_agg, …: of the multiset of the arguments alone, and
    /// perhaps NULL for a group with values, too.
    Measure,
    /// array_agg, string_agg, any_value, …: of their order, too. So, for all that is known, are
    /// those of users.
    Sequence,
}

impl Family {
    /// The family of an aggregate. Built-in objects have the same OIDs on every server.
    pub fn of(function: Oid) -> Family {
        if matches!(function, COUNT_ROWS | COUNT_VALUES) {
            return Family::Count;
        }
        let builtin = Catalog::builtin();
        let Some(f) = builtin.function(function) else {
            return Family::Sequence;
        };
        if f.namespace != oids::PG_CATALOG || f.kind != FunctionKind::Aggregate {
            return Family::Sequence;
        }
        match f.name.as_str() {
            "sum" | "avg" | "min" | "max" | "bool_and" | "bool_or" | "every" | "bit_and"
            | "bit_or" | "bit_xor" => Family::Total,
            "variance"
            | "var_pop"
            | "var_samp"
            | "stddev"
            | "stddev_pop"
            | "stddev_samp"
            | "corr"
            | "covar_pop"
            | "covar_samp"
            | "range_agg"
            | "range_intersect_agg" => Family::Measure,
            name if name.starts_with("regr_") || is_ordered_set(function, &builtin) => {
                Family::Measure
            }
            _ => Family::Sequence,
        }
    }
}

/// Is it called with WITHIN GROUP?
pub fn is_ordered_set(function: Oid, catalog: &Catalog) -> bool {
    let aggregate = catalog
        .function(function)
        .and_then(|f| f.aggregate.as_ref());
    aggregate.is_some_and(|a| a.kind != AggregateKind::Normal)
}

/// Do duplicates among the arguments change nothing?
pub fn ignores_duplicates(function: Oid, catalog: &Catalog) -> bool {
    Family::of(function) == Family::Total
        && catalog.function(function).is_some_and(|f| {
            matches!(
                f.name.as_str(),
                "min" | "max" | "bool_and" | "bool_or" | "every" | "bit_and" | "bit_or"
            )
        })
}

/// Does the order of the arguments change nothing, and raise nothing?
pub fn ignores_order(call: &AggregateCall, catalog: &Catalog) -> bool {
    Family::of(call.function) != Family::Sequence
        && !is_ordered_set(call.function, catalog)
        && order_dependence(call, catalog).is_none()
        && call
            .order_by
            .iter()
            .all(|key| error_free(&key.expr, catalog))
}

/// Why the result of this aggregate depends on the order in which it sees its arguments, if it
/// does.
pub fn order_dependence(call: &AggregateCall, catalog: &Catalog) -> Option<String> {
    let name = &catalog.function(call.function)?.name;
    let argument = call.args.first()?;
    let ty = catalog.base_of(argument.ty().oid);
    let any_one = || {
        let message = format!("of several equal values that look different, {name} shows any one");
        Some(message)
    };
    let unlike = call.args.iter().any(|a| !has_one_image(a, catalog));
    match (Family::of(call.function), name.as_str()) {
        (Family::Count, _) => None,
        (_, "min" | "max" | "mode" | "percentile_disc") if unlike => any_one(),
        (_, "min" | "max" | "mode" | "percentile_disc") => None,
        (Family::Sequence, "any_value") => {
            Some("any_value shows any one of several values".to_owned())
        }
        // Whether ORDER BY tells all rows apart is known when keys are: see `sequence_order`.
        (Family::Sequence, _) => None,
        // Digits after the point, and so the rounding of an average.
        _ if call.distinct && unlike => any_one(),
        (Family::Measure, "range_agg" | "range_intersect_agg") => None,
        _ if is_ordered_set(call.function, catalog) => None,
        _ if matches!(ty, oids::FLOAT4 | oids::FLOAT8) => Some(format!(
            "rounding of {name} over floating-point values depends on their order"
        )),
        _ => None,
    }
}

/// Why what an aggregate shows depends on an order that nobody fixed, if it does. `tells_apart`: do
/// these columns tell the rows of a group apart?
pub fn sequence_order(
    call: &AggCall,
    catalog: &Catalog,
    tells_apart: impl Fn(&BTreeSet<usize>) -> bool,
) -> Option<String> {
    let name = &catalog.function(call.function)?.name;
    if Family::of(call.function) != Family::Sequence || call.args.is_empty() || name == "any_value"
    {
        return None;
    }
    let sorted = |a: &Expr| {
        let constant = matches!(a.kind(), ExprKind::Const(_));
        let known = call.distinct || call.order_by.iter().any(|key| key.expr == *a);
        constant || (known && has_one_image(a, catalog))
    };
    let by = call.order_by.iter().filter_map(|key| key.expr.as_column());
    let fixed = call.args.iter().all(sorted) || tells_apart(&by.collect());
    (!fixed).then(|| format!("{name} sees its arguments in an order that the query does not fix"))
}

/// Have equal values of this expression equal images?
fn has_one_image(e: &Expr, catalog: &Catalog) -> bool {
    let number = catalog.base_of(e.ty().oid) == oids::NUMERIC;
    catalog.image_equality(e.ty()) || (number && fixed_scale(e).is_some())
}

/// Is this one of the aggregates that are STABLE only because they show values as JSON?
pub(super) fn makes_json(f: &Function) -> bool {
    let shows = [
        "json_agg",
        "jsonb_agg",
        "json_object_agg",
        "jsonb_object_agg",
    ];
    f.namespace == oids::PG_CATALOG
        && f.kind == FunctionKind::Aggregate
        && shows.iter().any(|name| f.name.starts_with(name))
}

/// Why the result depends on more than its input, if it does. The functions that make JSON are STABLE
/// because of the text forms of some types.
pub fn unsteadiness(call: &AggregateCall, catalog: &Catalog) -> Option<String> {
    let f = catalog.function(call.function)?;
    if f.volatility != Volatility::Stable {
        return None;
    }
    let builtin = Catalog::builtin().function(call.function).is_some();
    let moves = |a: &&Expr| cast_volatility(catalog, a, oids::TEXT) != Volatility::Immutable;
    match builtin {
        true => call.args.iter().find(moves).map(|a| {
            let ty = catalog.ty(a.ty().oid).map_or("?", |t| t.name.as_str());
            format!("{} of {ty} is STABLE", f.name)
        }),
        false => Some(format!("aggregate {} is STABLE", f.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spec::fold;
    use spec::op::SortKey;
    use spec::types::SqlType;

    #[test]
    fn families() {
        assert_eq!(Family::of(fold::COUNT_ROWS), Family::Count);
        assert_eq!(Family::of(fold::AVG_INT4), Family::Total);
        let named = |name: &str| {
            let catalog = Catalog::builtin();
            let f = catalog.functions_named(name).next().expect("exists").oid;
            (Family::of(f), ignores_duplicates(f, &catalog))
        };
        assert_eq!(named("stddev_pop"), (Family::Measure, false));
        assert_eq!(named("regr_slope"), (Family::Measure, false));
        assert_eq!(named("percentile_cont"), (Family::Measure, false));
        assert_eq!(named("bool_and"), (Family::Total, true));
        assert_eq!(named("max"), (Family::Total, true));
        assert_eq!(named("bit_xor"), (Family::Total, false));
        assert_eq!(named("string_agg"), (Family::Sequence, false));
        assert_eq!(named("lower"), (Family::Sequence, false));
    }

    #[test]
    fn order_is_fixed_by_what_is_shown_or_by_a_key() {
        let catalog = Catalog::builtin();
        let f = catalog.functions_named("array_agg").next().expect("exists");
        let column = |i: usize, ty: Oid| Expr::column(i, SqlType::new(ty));
        let depends = |arg: Expr, key: Option<Expr>, distinct: bool| {
            let key = key.map(|expr| SortKey {
                operator: Oid::INVALID,
                nulls_first: false,
                expr,
            });
            let call = AggCall {
                function: f.oid,
                args: vec![arg],
                variadic: false,
                distinct,
                order_by: key.into_iter().collect(),
                filter: None,
                ty: SqlType::new(f.result),
                collation: Oid::INVALID,
                nullable: true,
            };
            let tells_apart = |by: &BTreeSet<usize>| by.contains(&2);
            sequence_order(&call, &catalog, tells_apart).is_some()
        };
        let int = || column(0, oids::INT4);
        assert!(depends(int(), None, false));
        assert!(!depends(int(), Some(int()), false));
        assert!(!depends(int(), None, true));
        assert!(depends(int(), Some(column(1, oids::INT4)), false));
        assert!(!depends(int(), Some(column(2, oids::INT4)), false));
        let numeric = || column(0, oids::NUMERIC);
        assert!(depends(numeric(), Some(numeric()), false));
    }

    #[test]
    fn order_matters_where_images_differ() {
        let catalog = Catalog::builtin();
        let depends = |name: &str, ty: SqlType| {
            let f = catalog
                .functions_named(name)
                .find(|f| f.args == [ty.oid])
                .expect("exists");
            let call = AggregateCall {
                function: f.oid,
                direct: vec![],
                args: vec![Expr::column(0, ty)],
                variadic: false,
                distinct: false,
                order_by: vec![],
                filter: None,
                ty: SqlType::new(f.result),
                collation: Oid::INVALID,
                span: None,
            };
            order_dependence(&call, &catalog).is_some()
        };
        assert!(depends("sum", SqlType::new(oids::FLOAT8)));
        assert!(!depends("sum", SqlType::new(oids::INT4)));
        assert!(!depends("max", SqlType::new(oids::INT4)));
        assert!(depends("max", SqlType::new(oids::FLOAT4)));
        assert!(depends("min", SqlType::new(oids::NUMERIC)));
        let money = SqlType {
            typmod: (9 << 16) + 2 + 4,
            ..SqlType::new(oids::NUMERIC)
        };
        assert!(!depends("min", money));
    }
}
