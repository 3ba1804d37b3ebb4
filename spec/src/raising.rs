//! What is proved to raise no error, whatever the rows hold.
//!
//! One-sided: `true` is a proof; the contrary says nothing.

use crate::catalog::{Catalog, FIRST_UNPINNED, Function};
use crate::eval::functions::Builtin;
use crate::expr::{Coercion, Expr, ExprKind};
use crate::op::FlatMap;
use crate::types::{Oid, SqlType, oids};

/// Is it proved that evaluating this raises no error, whatever the columns hold?
///
/// An error is one that depends on the row. What every evaluation meets (memory, cancelling) does
/// not count, nor do constraints of domains, which columns have passed.
pub fn error_free(e: &Expr, catalog: &Catalog) -> bool {
    use ExprKind::*;
    let call = |function: Oid, args: &[Expr], collation: Oid| {
        call_error_free(function, args, collation, catalog)
    };
    let here = match e.kind() {
        Column(_)
        | Const(_)
        | And(_)
        | Or(_)
        | Not(_)
        | IsNull { .. }
        | BoolTest { .. }
        | Case { .. }
        | Coalesce(_)
        | Array(_)
        | Row { .. }
        | Field { .. }
        | Collate(_) => true,
        OneRow(_) | SessionValue(_) | Verbatim { .. } => false,
        Call {
            function,
            args,
            collation,
            variadic,
        } => !variadic && call(*function, args, *collation),
        Operator {
            function,
            args,
            collation,
            ..
        } => call(*function, args, *collation),
        Distinct {
            function,
            args,
            collation,
            ..
        }
        | NullIf {
            function,
            args,
            collation,
            ..
        } => call(*function, args, *collation),
        // Of an array that is not written out, nothing is known but its type.
        ScalarArray {
            function,
            left,
            array,
            collation,
            ..
        } => {
            matches!(array.kind(), Const(_) | Array(_))
                && call(*function, std::slice::from_ref(left), *collation)
        }
        // The comparison of the type's default btree class.
        MinMax {
            args, collation, ..
        } => catalog
            .equality(e.ty().oid)
            .and_then(|eq| catalog.operator(eq.lt))
            .is_some_and(|lt| call(lt.function, args, *collation)),
        // An element out of bounds is NULL; a slice's bounds are checked.
        Subscript {
            container, slice, ..
        } => {
            let ty = container.ty().oid;
            !slice && (ty == oids::JSONB || catalog.base_element_type(ty).is_some())
        }
        Cast { arg, coercion, .. } => match coercion {
            Coercion::Relabel => true,
            Coercion::Function(f) => call(*f, std::slice::from_ref(arg), arg.ty().collation),
            Coercion::InOut => e.ty().oid == oids::TEXT && HAVE_TEXT.contains(&arg.ty().oid),
            _ => false,
        },
    };
    if here || bounded_digits(e).is_some_and(|d| d <= MAX_DIGITS) {
        // Arithmetic of bounded numerics is judged as a whole.
        e.children().iter().all(|c| error_free(c, catalog))
    } else {
        constant_evaluates(e, catalog)
    }
}

/// Can these functions in FROM, and the conditions on what they make, be evaluated on any row?
pub fn flat_map_error_free(f: &FlatMap, catalog: &Catalog) -> bool {
    f.calls().all(|call| set_error_free(call, catalog))
        && f.outer.iter().flatten().all(|c| error_free(c, catalog))
}

/// The same of one function: those that were read, or any that returns no set.
fn set_error_free(call: &Expr, catalog: &Catalog) -> bool {
    let ExprKind::Call {
        function,
        args,
        variadic: false,
        ..
    } = call.kind()
    else {
        return error_free(call, catalog);
    };
    if !catalog.function(*function).is_some_and(|f| f.returns_set) {
        return error_free(call, catalog);
    }
    let constant_step = || match args.get(2).map(Expr::kind) {
        Some(ExprKind::Const(Some(step))) => step.parse::<i64>().is_ok_and(|n| n != 0),
        _ => false,
    };
    let safe = match function.0 {
        // unnest of an array, generate_series of two integers, generate_subscripts; string_to_table
        2331 | 1067 | 1069 | 1191 | 1192 | 6160 | 6161 => true,
        1066 | 1068 => constant_step(),
        _ => false,
    };
    safe && args.iter().all(|a| error_free(a, catalog))
}

/// Types of which every value has a text form. (That of a long `bytea` is too long.)
pub const HAVE_TEXT: [Oid; 16] = [
    oids::BOOL,
    oids::CHAR,
    oids::NAME,
    oids::INT8,
    oids::INT2,
    oids::INT4,
    oids::TEXT,
    oids::OID,
    oids::FLOAT4,
    oids::FLOAT8,
    oids::BPCHAR,
    oids::DATE,
    oids::TIME,
    oids::TIMESTAMP,
    oids::NUMERIC,
    oids::UUID,
];

/// Is this a constant that was computed here, without an error?
///
/// Of floats nothing is claimed: the reference evaluator lets them underflow.
fn constant_evaluates(e: &Expr, catalog: &Catalog) -> bool {
    if let ExprKind::Operator { function, args, .. } = e.kind()
        && let [left, right] = args.as_slice()
        && catalog.function(*function).is_some_and(is_step_in_time)
    {
        return plain_time(left) && plain_step(right);
    }
    let mut exact = true;
    e.walk(&mut |e| {
        exact &= !matches!(e.ty().oid, oids::FLOAT4 | oids::FLOAT8)
            && !matches!(e.kind(), ExprKind::Column(_));
    });
    exact && crate::eval::expr::eval(e, &[], &Builtin).is_ok()
}

/// `date ± interval` and the like.
fn is_step_in_time(f: &Function) -> bool {
    let time = |ty: &Oid| matches!(*ty, oids::DATE | oids::TIMESTAMP | oids::TIMESTAMPTZ);
    f.namespace == oids::PG_CATALOG
        && f.oid.0 < FIRST_UNPINNED
        && (f.name.ends_with("_pl_interval") || f.name.ends_with("_mi_interval"))
        && matches!(f.args.as_slice(), [t, oids::INTERVAL] if time(t))
}

/// A literal of the years 1 to 9999.
fn plain_time(e: &Expr) -> bool {
    let ExprKind::Const(Some(text)) = e.kind() else {
        return false;
    };
    let form = |c: char| if c.is_ascii_digit() { '0' } else { c };
    let date = text.get(..10).unwrap_or_default();
    date.chars().map(form).eq("0000-00-00".chars())
        && text[10..]
            .chars()
            .all(|c| c.is_ascii_digit() || " :.".contains(c))
}

/// A literal of up to 999 years, months, days, …: far from the ends of time, from any of the years
/// 1 to 9999.
fn plain_step(e: &Expr) -> bool {
    const UNITS: [&str; 9] = [
        "year", "month", "mon", "week", "day", "hour", "minute", "second", "",
    ];
    let ExprKind::Const(Some(text)) = e.kind() else {
        return false;
    };
    let text = text.trim().trim_start_matches(['+', '-']);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit = text[digits..].trim();
    let singular = unit.strip_suffix('s').unwrap_or(unit);
    (1..=3).contains(&digits) && UNITS.contains(&singular.to_ascii_lowercase().as_str())
}

fn call_error_free(function: Oid, args: &[Expr], collation: Oid, catalog: &Catalog) -> bool {
    let Some(f) = catalog.function(function) else {
        return false;
    };
    let collatable = f.args.iter().any(|&t| catalog.type_collation(t).is_valid());
    let collation_fits = !collatable || catalog.is_deterministic(collation);
    if EXTRACT.contains(&function.0) {
        return args.first().is_some_and(is_plain_field);
    }
    // The least integer over -1 overflows; its remainder is 0.
    if INTEGER_DIVISION.contains(&function.0) || INTEGER_REMAINDER.contains(&function.0) {
        let divides = |n| n != 0 && (n != -1 || INTEGER_REMAINDER.contains(&function.0));
        return args.get(1).and_then(integer).is_some_and(divides);
    }
    if LIKE.contains(&function.0) {
        return collation_fits && args.get(1).is_some_and(is_like_pattern);
    }
    collation_fits && never_raises(f)
}

/// Is this a built-in function that raises no error on any arguments (under a deterministic
/// collation, where it wants one)?
///
/// PostgreSQL marks the comparisons of most types as leakproof, which is nearly that; the list of
/// the others was read one by one. Arithmetic is not on it, for it overflows.
pub fn never_raises(f: &Function) -> bool {
    f.oid.0 < FIRST_UNPINNED
        && !f.returns_set
        && ((f.leakproof && !LEAKPROOF_BUT_RAISING.contains(&f.oid.0)) || SAFE.contains(&f.oid.0))
}

/// Leakproof only in that their errors do not show their arguments: digests (the library may refuse
/// one), `starts_with` (not for every collation provider), the length of segments and the area of
/// circles, by which they are compared (they overflow).
const LEAKPROOF_BUT_RAISING: &[u32] = &[
    2311, 2321, 3419, 3420, 3421, 3422, 3696, 999, 1482, 1483, 1484, 1485, 1486, 1462, 1463, 1464,
    1465, 1466, 1467,
];

/// Not leakproof for reasons of their own, but without errors.
const SAFE: &[u32] = &[
    // numeric = <> > >= < <=
    1718, 1719, 1720, 1721, 1722, 1723,
    // date, timestamp and timestamptz compared with each other
    2338, 2339, 2340, 2341, 2342, 2343, 2351, 2352, 2353, 2354, 2355, 2356, 2364, 2365, 2366, 2367,
    2368, 2369, 2377, 2378, 2379, 2380, 2381, 2382, 2520, 2521, 2522, 2523, 2524, 2525, 2527, 2528,
    2529, 2530, 2531, 2532, // enum = <> (their order asks the catalog)
    3508, 3509, // jsonb: comparisons, ?, ->, ->>, jsonb_typeof
    4038, 4039, 4040, 4041, 4042, 4043, 4047, 3478, 3214, 3215, 3216, 3210,
    // integers: & | # ~ << >> and unary +
    1892, 1893, 1894, 1895, 1896, 1897, 1898, 1899, 1900, 1901, 1902, 1903, 1904, 1905, 1906, 1907,
    1908, 1909, 1910, 1911, 1912,
    // float and numeric: unary + and -, abs (integers overflow)
    206, 207, 220, 221, 1913, 1914, 1394, 1395, 1704, 1705, 1771, 1915, // lengths
    720, 1257, 1317, 1318, 1372, 1374, 1375, 1381, 1681, 1682, 2010,
];

/// LIKE and NOT LIKE of text, bpchar and name: all that can be wrong is the pattern's end.
const LIKE: &[u32] = &[850, 851, 1631, 1632, 858, 859];

/// `/` and `%` of integers.
const INTEGER_DIVISION: &[u32] = &[153, 154, 172, 173, 466, 840, 948, 1277, 1281];
const INTEGER_REMAINDER: &[u32] = &[155, 156, 940, 941, 945, 947];

/// The value of an integer literal, made another integer or not.
fn integer(e: &Expr) -> Option<i64> {
    if ![oids::INT2, oids::INT4, oids::INT8].contains(&e.ty().oid) {
        return None;
    }
    match e.kind() {
        ExprKind::Const(Some(text)) => text.parse().ok(),
        ExprKind::Cast {
            arg,
            coercion: Coercion::Function(_) | Coercion::Relabel,
            ..
        } => integer(arg),
        _ => None,
    }
}

/// `extract` of date, timestamp and timestamptz, `date_part` of the latter two. (That of a date makes
/// it a timestamp first, which has a shorter range.)
const EXTRACT: &[u32] = &[6199, 6202, 6203, 2021, 1171];

/// Fields that every date has.
pub const FIELDS: [&str; 9] = [
    "year", "quarter", "month", "week", "day", "dow", "isodow", "doy", "isoyear",
];

/// A literal that names a field which every date has. (Of an infinite one it is infinite, or NULL.)
fn is_plain_field(e: &Expr) -> bool {
    match e.kind() {
        ExprKind::Const(Some(text)) => FIELDS.contains(&&**text),
        _ => false,
    }
}

/// A literal that does not end in a lone escape character.
fn is_like_pattern(e: &Expr) -> bool {
    match e.kind() {
        ExprKind::Const(None) => true,
        ExprKind::Const(Some(text)) => text
            .chars()
            .rev()
            .take_while(|c| *c == '\\')
            .count()
            .is_multiple_of(2),
        ExprKind::Collate(arg) => is_like_pattern(arg),
        ExprKind::Cast {
            arg,
            coercion: Coercion::Relabel,
            ..
        } => is_like_pattern(arg),
        _ => false,
    }
}

const NUMERIC_ADD: Oid = Oid(1724);
const NUMERIC_SUB: Oid = Oid(1725);
const NUMERIC_MUL: Oid = Oid(1726);
const NUMERIC_MINUS: Oid = Oid(1771);
const NUMERIC_PLUS: Oid = Oid(1915);
/// `numeric` of int4, int2, int8.
const NUMERIC_OF_INTEGER: [Oid; 3] = [Oid(1740), Oid(1782), Oid(1781)];

/// A numeric has up to 131072 digits before the point.
const MAX_DIGITS: usize = 100_000;

/// How many digits before the point a numeric can have, where its form tells: what has a type with a
/// precision, literals, integers, and sums and products of such.
fn bounded_digits(e: &Expr) -> Option<usize> {
    let SqlType { oid, typmod, .. } = e.ty();
    if oid != oids::NUMERIC {
        return None;
    }
    match e.kind() {
        ExprKind::Const(text) => {
            let text = text.as_deref().unwrap_or_default();
            let plain = text
                .bytes()
                .all(|b| b.is_ascii_digit() || b"+-._ ".contains(&b));
            plain.then_some(text.len())
        }
        ExprKind::Column(_) | ExprKind::Cast { .. } if typmod >= 4 => {
            // A negative scale adds digits to the precision; it is at least −1000.
            let precision = usize::try_from(((typmod - 4) >> 16) & 0xffff).ok()?;
            Some(precision + 1000)
        }
        ExprKind::Cast {
            arg,
            coercion: Coercion::Function(f),
            ..
        } if NUMERIC_OF_INTEGER.contains(f) && arg.ty().oid != oids::NUMERIC => Some(20),
        ExprKind::Cast {
            arg,
            coercion: Coercion::Relabel,
            ..
        } => bounded_digits(arg),
        ExprKind::Operator { function, args, .. } => {
            let digits = |i: usize| args.get(i).and_then(bounded_digits);
            match *function {
                NUMERIC_ADD | NUMERIC_SUB => Some(digits(0)?.max(digits(1)?) + 1),
                NUMERIC_MINUS | NUMERIC_PLUS => digits(0),
                NUMERIC_MUL => digits(0)?.checked_add(digits(1)?),
                _ => None,
            }
        }
        ExprKind::Case { whens, otherwise } => {
            let results = whens.iter().map(|(_, r)| r).chain([otherwise]);
            results
                .map(bounded_digits)
                .try_fold(0, |m, d| Some(m.max(d?)))
        }
        ExprKind::Coalesce(args) => args
            .iter()
            .map(bounded_digits)
            .try_fold(0, |m, d| Some(m.max(d?))),
        _ => None,
    }
}
