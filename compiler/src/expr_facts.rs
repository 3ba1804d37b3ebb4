//! Facts about expressions that rewriting relies on: what cannot raise an error (as `spec::raising`
//! proves it), what is not IMMUTABLE. (Where NULLs come from and go, `spec::null` tells.)

use crate::settled;
use crate::typing::{cast_volatility, io_volatility};
use spec::Expr;
use spec::catalog::{Catalog, Volatility};
use spec::expr::{Coercion, ExprKind};
pub use spec::raising::{FIELDS, HAVE_TEXT, error_free, flat_map_error_free, never_raises};
use spec::types::Oid;

/// The most volatile thing in the expression.
pub fn max_volatility(e: &Expr, catalog: &Catalog) -> Volatility {
    let children = e.children().into_iter().map(|c| max_volatility(c, catalog));
    children.fold(own_volatility(e, catalog), Volatility::max)
}

/// That of its outermost operation.
pub fn own_volatility(e: &Expr, catalog: &Catalog) -> Volatility {
    use ExprKind::*;
    // What is not known may be anything.
    let of = |f: Oid| {
        catalog
            .function(f)
            .map_or(Volatility::Volatile, settled::volatility)
    };
    match e.kind() {
        Call { function, args, .. } | Operator { function, args, .. } => {
            let of_call = |f| settled::of_call(f, args, catalog);
            catalog
                .function(*function)
                .map_or(Volatility::Volatile, of_call)
        }
        Distinct { function, .. } | NullIf { function, .. } | ScalarArray { function, .. } => {
            of(*function)
        }
        Cast { arg, coercion, .. } => match coercion {
            Coercion::Function(f) => of(*f),
            Coercion::Array(f) if f.is_valid() => of(*f),
            Coercion::InOut => cast_volatility(catalog, arg, e.ty().oid),
            // Without a function the elements are relabelled, or go through their text.
            Coercion::Array(_) => io_volatility(catalog, arg.ty().oid, e.ty().oid),
            Coercion::Relabel | Coercion::Domain | Coercion::Row => Volatility::Immutable,
        },
        SessionValue(_) => Volatility::Stable,
        Verbatim { volatility, .. } => *volatility,
        _ => Volatility::Immutable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bind::expr::tests::bind_in_table;

    fn check<T: std::fmt::Debug + PartialEq>(
        fact: impl Fn(&Expr, &Catalog) -> T,
        cases: &[(&str, T)],
    ) {
        let catalog = Catalog::builtin();
        for (sql, expected) in cases {
            assert_eq!(&fact(&bind_in_table(sql), &catalog), expected, "{sql}");
        }
    }

    #[test]
    fn what_cannot_raise() {
        check(
            error_free,
            &[
                ("i4 = 1 AND t < 'x' OR b IS NULL", true),
                ("i4 + 1", false),
                ("i4 / 2 = 1", true),
                ("n / n", false),
                ("n2 * (1 - n2)", true),
                ("n2 * (1 - n)", false),
                ("n * 2", false),
                ("n2 * i4", true),
                ("n2 + '1e100000'", false),
                ("d < ts AND ts < tz", true),
                ("i4 % 8 = i8 / 3", true),
                ("i8 % -1", true),
                ("mod(i4, 5) + 0 > i4", false),
                ("mod(i4, 5) > 0", true),
                ("i4 / -1", false),
                ("i4 % 0", false),
                ("i4 / i4", false),
                ("8 / i4", false),
                ("t LIKE 'a%'", true),
                ("t LIKE 'a\\'", false),
                ("t LIKE 'a\\\\'", true),
                ("t LIKE v", false),
                ("t ~ 'a'", false),
                ("i4 IN (1, 2)", true),
                ("i4 = ANY (ia)", false),
                ("ia[1]", true),
                ("ia[1:2]", false),
                ("t::int4", false),
                ("i4::int8", true),
                ("i4::int2", false),
                ("i4::text", true),
                ("ia::text", false),
                ("v::text", true),
                ("1 + 10 > i4", true),
                ("2147483647 + 10 > i4", false),
                ("0.06 - 0.01 < n", true),
                ("1.0 / 0 < n", false),
                ("1e300::float8 * 1e300 > f8", false),
                ("d < date '1994-01-01' + interval '1 year'", true),
                ("d < date '1994-01-01' + interval '1' year", true),
                ("d <= date '1998-12-01' - interval '90' day", true),
                (
                    "ts < timestamp '1994-01-01 10:00' - interval '3 months'",
                    true,
                ),
                ("d < date '1994-01-01' + interval '3 millennia'", false),
                ("d < date '1994-01-01' + interval '1000 years'", false),
                ("d < date '5874897-12-31' + interval '1 year'", false),
                ("d < date '1994-01-01' + iv", false),
                ("d + interval '1 year' > ts", false),
                ("extract(year FROM d) = 1994", true),
                ("extract(bogus FROM d) = 1994", false),
                ("date_part('year', ts) = 1994", true),
                ("date_part('year', d) = 1994", false),
                ("date_trunc('week', ts) = ts", false),
                ("j ->> 'a' = 'x'", true),
                ("js ->> 'a'", false),
                ("CASE WHEN i4 = 1 THEN 1 ELSE 1 / i4 END", false),
                ("CASE WHEN i4 = 1 THEN n2 ELSE 0 END", true),
                ("GREATEST(i4, 2)", true),
                ("md5(t)", false),
                ("(tc || tx) < 'a'", false),
                ("tc < tx", false),
                ("length(t) > 3", true),
                ("NULLIF(i4, 0)", true),
                ("upper(t)", false),
            ],
        );
    }

    #[test]
    fn what_moves() {
        check(
            max_volatility,
            &[
                ("i4 + 1", Volatility::Immutable),
                // As settings have it that are kept.
                ("d::timestamptz", Volatility::Immutable),
                ("date_trunc('day', tz)", Volatility::Immutable),
                ("tz::text", Volatility::Immutable),
                ("now() > tz", Volatility::Stable),
                ("age(tz)", Volatility::Stable),
                ("t::date", Volatility::Stable),
                ("random() > f8", Volatility::Volatile),
                ("ia::text[]", Volatility::Immutable),
                ("CURRENT_DATE", Volatility::Stable),
            ],
        );
    }
}
