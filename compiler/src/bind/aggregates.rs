//! Which aggregates an incremental query may have, and what is known of them.
//!
//! All of these are functions of the multiset of their arguments, up to rounding: of a group that
//! changed they can be computed again from its rows. Which of them can also be *folded* is said by
//! `spec::fold`.

use super::context::AggregateCall;
use spec::catalog::{Catalog, FunctionKind};
use spec::fold::{COUNT_ROWS, COUNT_VALUES, fixed_scale};
use spec::types::{Oid, oids};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Never NULL.
    Count,
    /// sum, avg, min, max, bool_and, bit_or, …: NULL iff there is no non-NULL argument.
    Total,
    /// var_samp, stddev_pop, …: may be NULL for a group with values, too.
    Spread,
}

impl Family {
    /// The family of a built-in aggregate; none for those that are not yet incremental. Built-in
    /// objects have the same OIDs on every server.
    pub fn of(function: Oid) -> Option<Family> {
        if matches!(function, COUNT_ROWS | COUNT_VALUES) {
            return Some(Family::Count);
        }
        let builtin = Catalog::builtin();
        let f = builtin.function(function)?;
        if f.namespace != oids::PG_CATALOG || f.kind != FunctionKind::Aggregate {
            return None;
        }
        match f.name.as_str() {
            "sum" | "avg" | "min" | "max" | "bool_and" | "bool_or" | "every" | "bit_and"
            | "bit_or" | "bit_xor" => Some(Family::Total),
            "variance" | "var_pop" | "var_samp" | "stddev" | "stddev_pop" | "stddev_samp" => {
                Some(Family::Spread)
            }
            _ => None,
        }
    }
}

/// Do duplicates among the arguments change nothing?
pub fn ignores_duplicates(function: Oid, catalog: &Catalog) -> bool {
    Family::of(function) == Some(Family::Total)
        && catalog.function(function).is_some_and(|f| {
            matches!(
                f.name.as_str(),
                "min" | "max" | "bool_and" | "bool_or" | "every" | "bit_and" | "bit_or"
            )
        })
}

/// Why the result of this aggregate depends on the order in which it sees its arguments, if it
/// does.
pub fn order_dependence(call: &AggregateCall, catalog: &Catalog) -> Option<String> {
    let name = &catalog.function(call.function)?.name;
    let argument = call.args.first()?;
    let ty = catalog.base_of(argument.ty().oid);
    match name.as_str() {
        "min" | "max" => {
            let scale_is_fixed = ty == oids::NUMERIC && fixed_scale(argument).is_some();
            let one_image = catalog.image_equality(argument.ty()) || scale_is_fixed;
            (!one_image).then(|| {
                format!("of several equal values that look different, {name} shows any one")
            })
        }
        "count" => None,
        _ if matches!(ty, oids::FLOAT4 | oids::FLOAT8) => Some(format!(
            "rounding of {name} over floating-point values depends on their order"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spec::types::SqlType;
    use spec::{Expr, fold};

    #[test]
    fn families() {
        assert_eq!(Family::of(fold::COUNT_ROWS), Some(Family::Count));
        assert_eq!(Family::of(fold::AVG_INT4), Some(Family::Total));
        let named = |name: &str| {
            let catalog = Catalog::builtin();
            let f = catalog.functions_named(name).next().expect("exists").oid;
            (Family::of(f), ignores_duplicates(f, &catalog))
        };
        assert_eq!(named("stddev_pop"), (Some(Family::Spread), false));
        assert_eq!(named("bool_and"), (Some(Family::Total), true));
        assert_eq!(named("max"), (Some(Family::Total), true));
        assert_eq!(named("bit_xor"), (Some(Family::Total), false));
        assert_eq!(named("string_agg"), (None, false));
        assert_eq!(named("lower"), (None, false));
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
