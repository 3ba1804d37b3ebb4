//! Functions that are STABLE in PostgreSQL and steady here: what they return is told by their
//! arguments and by settings that a stream table keeps from its creation (TimeZone, DateStyle,
//! IntervalStyle, lc_*, default_text_search_config). Every run of its query and of its programs has
//! these settings, whoever makes it, so that to them such a function is as good as IMMUTABLE.
//!
//! The time of day is no setting: what asks for it (`now()`, `age(x)`, `timetz`, whose offset follows
//! daylight saving of today, texts like `'today'` that are read as dates) is not among them. Nor is what
//! looks into the catalog (`regclass`, labels of enums).

use crate::typing::cast_volatility;
use spec::Expr;
use spec::catalog::{Catalog, FIRST_UNPINNED, Function, Volatility};
use spec::types::oids;

/// All STABLE functions of these names, with any arguments but `timetz`.
const SETTLED: &[&str] = &[
    // TimeZone
    "date",
    "date_add",
    "date_part",
    "date_subtract",
    "date_trunc",
    "extract",
    "generate_series",
    "in_range",
    "interval_pl_timestamptz",
    "make_timestamptz",
    "overlaps",
    "time",
    "timestamp",
    "timestamptz",
    "timestamptz_mi_interval",
    "timestamptz_pl_interval",
    "timezone",
    // lc_monetary
    "money",
    "numeric",
    // lc_numeric, lc_time, TimeZone
    "to_char",
    "to_date",
    "to_number",
    "to_timestamp",
    // default_text_search_config
    "phraseto_tsquery",
    "plainto_tsquery",
    "to_tsquery",
    "to_tsvector",
    "ts_headline",
    "ts_match_tq",
    "ts_match_tt",
    "websearch_to_tsquery",
];

/// Comparisons of `date`, `timestamp` and `timestamptz` with each other depend on TimeZone.
const COMPARED: &[&str] = &["date", "timestamp", "timestamptz"];
const COMPARISONS: &[&str] = &["cmp", "eq", "ge", "gt", "le", "lt", "ne"];

/// STABLE functions that show their arguments, of any type, as text or JSON.
const SHOWING: &[&str] = &[
    "anytextcat",
    "array_to_json",
    "array_to_string",
    "concat",
    "concat_ws",
    "format",
    "json_build_array",
    "json_build_object",
    "jsonb_build_array",
    "jsonb_build_object",
    "quote_literal",
    "quote_nullable",
    "row_to_json",
    "textanycat",
    "to_json",
    "to_jsonb",
];

/// What a call depends on besides the values of these arguments and the settings that are kept.
pub fn of_call(f: &Function, args: &[Expr], catalog: &Catalog) -> Volatility {
    if !is_own(f) || !SHOWING.contains(&f.name.as_str()) {
        return volatility(f);
    }
    let shown = args.iter().map(|a| cast_volatility(catalog, a, oids::TEXT));
    shown.max().unwrap_or(f.volatility)
}

/// The same with any arguments.
pub fn volatility(f: &Function) -> Volatility {
    match is_settled(f) {
        true => Volatility::Immutable,
        false => f.volatility,
    }
}

/// Is it one of PostgreSQL's, and STABLE?
fn is_own(f: &Function) -> bool {
    f.oid.0 < FIRST_UNPINNED
        && f.namespace == oids::PG_CATALOG
        && f.volatility == Volatility::Stable
}

fn is_settled(f: &Function) -> bool {
    is_own(f)
        && !f.args.contains(&oids::TIMETZ)
        && (SETTLED.contains(&f.name.as_str()) || is_comparison(&f.name))
}

/// `date_lt_timestamptz` and kin.
fn is_comparison(name: &str) -> bool {
    let mut parts = name.split('_');
    let [left, by, right] = [(); 3].map(|()| parts.next().unwrap_or_default());
    parts.next().is_none()
        && COMPARED.contains(&left)
        && COMPARISONS.contains(&by)
        && COMPARED.contains(&right)
}

#[cfg(test)]
mod tests {
    use super::*;

    use spec::types::{Oid, SqlType};

    const DATES: Oid = Oid(1182);
    const REGCLASS: Oid = Oid(2205);

    /// All that is taken for steady, so that a new version of PostgreSQL adds nothing unseen.
    #[test]
    fn settled_functions() {
        let catalog = Catalog::builtin();
        let compared = COMPARED.iter().flat_map(|a| {
            let by = COMPARISONS.iter();
            by.flat_map(move |op| COMPARED.iter().map(move |b| format!("{a}_{op}_{b}")))
        });
        let names = SETTLED.iter().map(|name| name.to_string()).chain(compared);
        let mut settled = vec![];
        for name in names {
            for f in catalog.functions_named(&name) {
                if volatility(f) != f.volatility {
                    let ty = |oid: &Oid| catalog.ty(*oid).map_or("?", |t| t.name.as_str());
                    let args: Vec<&str> = f.args.iter().map(ty).collect();
                    settled.push(format!("{}({})", f.name, args.join(", ")));
                }
            }
        }
        insta::assert_snapshot!(settled.join("\n"));
        let of = |name: &str, args: &[Oid]| {
            let mut all = catalog.functions_named(name);
            volatility(all.find(|f| f.args == args).expect("a function"))
        };
        for (name, args) in [
            ("now", &[][..]),
            ("age", &[oids::TIMESTAMPTZ]),
            ("timetz", &[oids::TIMESTAMPTZ]),
            ("timezone", &[oids::TEXT, oids::TIMETZ]),
            ("regclass", &[oids::TEXT]),
        ] {
            assert_eq!(of(name, args), Volatility::Stable, "{name}");
        }
        assert_eq!(of("random", &[]), Volatility::Volatile);
        let mut shown = catalog.functions_named("to_jsonb");
        let to_jsonb = shown.next().expect("a function");
        let of = |ty| of_call(to_jsonb, &[Expr::column(0, SqlType::new(ty))], &catalog);
        assert_eq!(of(oids::TIMESTAMPTZ), Volatility::Immutable);
        assert_eq!(of(DATES), Volatility::Immutable);
        assert_eq!(of(REGCLASS), Volatility::Stable);
    }
}
