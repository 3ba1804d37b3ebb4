//! Random SQL expressions, typed, that cannot raise and have one value: immutable functions only,
//! divisors that are not zero, products with small literals only.
//!
//! An expression is *fuzzy* if which of several equal images it has is not fixed, because it
//! comes from a key of a group, a DISTINCT, a minimum or a maximum of a type that
//! [has images](Ty::has_images). Of a fuzzy value nothing is taken that shows the image, such as
//! its text.

use super::types::Ty;
use spec::tape::Tape;

#[derive(Clone, Debug, PartialEq)]
pub struct Sql {
    pub text: String,
    pub ty: Ty,
    pub fuzzy: bool,
}

/// What expressions may refer to.
pub type Scope = [Sql];

fn sql(text: String, ty: Ty) -> Sql {
    Sql {
        text,
        ty,
        fuzzy: false,
    }
}

/// Fuzzy if any part is.
fn of(text: String, ty: Ty, parts: &[&Sql]) -> Sql {
    Sql {
        text,
        ty,
        fuzzy: ty.has_images() && parts.iter().any(|p| p.fuzzy),
    }
}

/// A reference to a column of this type, if there is one.
pub fn column(tape: &mut Tape, scope: &Scope, wanted: impl Fn(&Sql) -> bool) -> Option<Sql> {
    let found: Vec<&Sql> = scope.iter().filter(|c| wanted(c)).collect();
    tape.pick(&found).map(|c| (*c).clone())
}

fn leaf(tape: &mut Tape, scope: &Scope, ty: Ty) -> Sql {
    if !tape.percent(15)
        && let Some(c) = column(tape, scope, |c| c.ty == ty)
    {
        return c;
    }
    if tape.percent(4) {
        return sql(format!("NULL::{}", ty.sql()), ty);
    }
    sql(ty.literal(tape), ty)
}

/// An expression of exactly this type (a `Money` may lose its scale, and be a `Numeric`, only
/// through a cast back).
pub fn expr(tape: &mut Tape, scope: &Scope, ty: Ty, depth: usize) -> Sql {
    if depth == 0 || tape.percent(30) {
        return leaf(tape, scope, ty);
    }
    let d = depth - 1;
    if ty == Ty::Bool {
        return condition(tape, scope, d);
    }
    match tape.weighted(&[12, 12, 6, 70]) {
        0 => {
            let (when, then) = (condition(tape, scope, d), expr(tape, scope, ty, d));
            let other = match tape.percent(25) {
                true => sql("NULL".to_owned(), ty),
                false => expr(tape, scope, ty, d),
            };
            let text = format!(
                "CASE WHEN {} THEN {} ELSE {} END",
                when.text, then.text, other.text
            );
            return keep(of(text, ty, &[&then, &other]));
        }
        1 => {
            let (a, b) = (expr(tape, scope, ty, d), leaf(tape, scope, ty));
            return keep(of(
                format!("COALESCE({}, {})", a.text, b.text),
                ty,
                &[&a, &b],
            ));
        }
        2 => {
            let (a, b) = (expr(tape, scope, ty, d), leaf(tape, scope, ty));
            return keep(of(format!("NULLIF({}, {})", a.text, b.text), ty, &[&a, &b]));
        }
        _ => {}
    }
    specific(tape, scope, ty, d).unwrap_or_else(|| leaf(tape, scope, ty))
}

/// CASE and kin lose the typmod of their type where branches differ; a cast brings it back.
fn keep(e: Sql) -> Sql {
    match e.ty {
        Ty::Money | Ty::Varchar | Ty::Bpchar => Sql {
            text: format!("({})::{}", e.text, e.ty.sql()),
            ..e
        },
        _ => e,
    }
}

/// What only this type has.
fn specific(tape: &mut Tape, scope: &Scope, ty: Ty, d: usize) -> Option<Sql> {
    let e = |tape: &mut Tape, ty| expr(tape, scope, ty, d);
    let some = |tape: &mut Tape, types: &[Ty]| column(tape, scope, |c| types.contains(&c.ty));
    Some(match ty {
        Ty::Int4 => match tape.below(9) {
            0 => of_two(tape, scope, ty, "+", d),
            1 => of_two(tape, scope, ty, "-", d),
            2 => {
                let a = e(tape, ty);
                sql(format!("({} * {})", a.text, tape.between(2, 3)), ty)
            }
            3 => {
                let a = e(tape, ty);
                sql(format!("({} % {})", a.text, tape.between(2, 4)), ty)
            }
            4 => sql(format!("length({})", e(tape, Ty::Text).text), ty),
            5 => sql(
                format!("{}::int4", some(tape, &[Ty::Int2, Ty::Bool])?.text),
                ty,
            ),
            6 => sql(format!("abs({})", e(tape, ty).text), ty),
            7 => {
                let (a, b) = (some(tape, &[Ty::Date])?, e(tape, Ty::Date));
                sql(format!("({} - {})", a.text, b.text), ty)
            }
            _ => {
                let array = some(tape, &[Ty::Ints])?;
                match tape.percent(50) {
                    true => sql(format!("cardinality({})", array.text), ty),
                    false => sql(format!("({})[1]", array.text), ty),
                }
            }
        },
        Ty::Int8 => match tape.below(3) {
            0 => sql(format!("{}::int8", e(tape, Ty::Int4).text), ty),
            1 => {
                let (a, b) = (e(tape, Ty::Int8), e(tape, Ty::Int4));
                sql(format!("({} + {})", a.text, b.text), ty)
            }
            _ => {
                let a = e(tape, ty);
                sql(format!("({} * {})", a.text, tape.between(2, 3)), ty)
            }
        },
        Ty::Numeric => match tape.below(6) {
            0 => of_two(tape, scope, ty, "+", d),
            1 => of_two(tape, scope, ty, "-", d),
            2 => {
                let a = e(tape, ty);
                let factor = tape.pick(&["2", "0.5", "1.10"]).unwrap_or(&"2");
                of(format!("({} * {factor})", a.text), ty, &[&a])
            }
            3 => {
                let a = some(tape, &[Ty::Money, Ty::Int4, Ty::Int8, Ty::Int2])?;
                sql(format!("{}::numeric", a.text), ty)
            }
            4 => {
                // Rounding fixes the image.
                let a = e(tape, ty);
                sql(format!("round({}, 1)", a.text), ty)
            }
            _ => {
                // How many digits a quotient has depends on the scales.
                let a = column(tape, scope, |c| c.ty == ty && !c.fuzzy)?;
                let b = e(tape, Ty::Int4);
                sql(format!("({} / NULLIF({}, 0))", a.text, b.text), ty)
            }
        },
        Ty::Money => {
            let a = e(tape, ty);
            let b = leaf(tape, scope, ty);
            let symbol = tape.pick(&["+", "-"]).unwrap_or(&"+");
            // Small enough for its precision, except NaN, which fits all.
            sql(
                format!("(({} {symbol} {}) % 1000)::numeric(10,2)", a.text, b.text),
                ty,
            )
        }
        Ty::Float8 => match tape.below(4) {
            // Sums of small multiples of powers of two are exact in any order.
            0 => of_two(tape, scope, ty, "+", d),
            1 => of_two(tape, scope, ty, "-", d),
            2 => {
                let a = e(tape, ty);
                of(format!("({} * 0.5)", a.text), ty, &[&a])
            }
            _ => sql(format!("{}::float8", e(tape, Ty::Int4).text), ty),
        },
        Ty::Text => match tape.below(8) {
            0 => of_two(tape, scope, ty, "||", d),
            1 => sql(format!("upper({})", e(tape, ty).text), ty),
            2 => sql(format!("left({}, 1)", e(tape, ty).text), ty),
            3 => {
                let number = |c: &Sql| c.ty.is_number() || c.ty == Ty::Uuid || c.ty == Ty::Bool;
                let a = column(tape, scope, |c| number(c) && !c.fuzzy)?;
                sql(format!("{}::text", a.text), ty)
            }
            4 => sql(
                format!("{}::text", some(tape, &[Ty::Varchar, Ty::Bpchar])?.text),
                ty,
            ),
            5 => {
                let a = column(tape, scope, |c| c.ty == Ty::Jsonb && !c.fuzzy)?;
                sql(format!("({} ->> 'a')", a.text), ty)
            }
            6 => sql(
                format!("replace({}, 'a', 'bb')", leaf(tape, scope, ty).text),
                ty,
            ),
            _ => sql(format!("lower({})", e(tape, ty).text), ty),
        },
        Ty::Date => match tape.below(2) {
            0 => sql(
                format!("({} + {})", e(tape, ty).text, tape.between(1, 3)),
                ty,
            ),
            _ => sql(format!("{}::date", some(tape, &[Ty::Timestamp])?.text), ty),
        },
        Ty::Timestamp => match tape.below(3) {
            0 => sql(format!("{}::timestamp", some(tape, &[Ty::Date])?.text), ty),
            1 => {
                let a = e(tape, ty);
                sql(format!("({} + interval '1 hour')", a.text), ty)
            }
            _ => sql(format!("date_trunc('day', {})", e(tape, ty).text), ty),
        },
        Ty::Interval => match tape.below(3) {
            0 => of_two(tape, scope, ty, "+", d),
            1 => {
                let (a, b) = (some(tape, &[Ty::Timestamp])?, e(tape, Ty::Timestamp));
                sql(format!("({} - {})", a.text, b.text), ty)
            }
            _ => {
                let a = e(tape, ty);
                of(format!("({} * 2)", a.text), ty, &[&a])
            }
        },
        Ty::Jsonb => {
            let a = some(tape, &[Ty::Jsonb])?;
            of(format!("({} -> 'a')", a.text), ty, &[&a])
        }
        Ty::Ints => match tape.below(2) {
            0 => {
                let (a, b) = (e(tape, ty), e(tape, Ty::Int4));
                sql(format!("({} || {})", a.text, b.text), ty)
            }
            _ => {
                let (a, b) = (e(tape, Ty::Int4), e(tape, Ty::Int4));
                sql(format!("ARRAY[{}, {}]", a.text, b.text), ty)
            }
        },
        _ => return None,
    })
}

fn of_two(tape: &mut Tape, scope: &Scope, ty: Ty, symbol: &str, d: usize) -> Sql {
    let (a, b) = (expr(tape, scope, ty, d), leaf(tape, scope, ty));
    of(format!("({} {symbol} {})", a.text, b.text), ty, &[&a, &b])
}

/// A type that some column has.
pub fn some_type(tape: &mut Tape, scope: &Scope) -> Ty {
    tape.pick(scope).map_or(Ty::Int4, |c| c.ty)
}

/// A condition that is now true, now false.
pub fn condition(tape: &mut Tape, scope: &Scope, depth: usize) -> Sql {
    let d = depth.saturating_sub(1);
    let junction = if depth > 0 { 10 } else { 0 };
    let text = match tape.weighted(&[40, junction, junction, junction / 2, 8, 6, 6, 5, 4, 8, 3, 3])
    {
        1 | 2 => {
            let (a, b) = (condition(tape, scope, d), condition(tape, scope, d));
            let word = if tape.percent(65) { "OR" } else { "AND" };
            format!("({} {word} {})", a.text, b.text)
        }
        3 => format!("NOT {}", condition(tape, scope, d).text),
        4 => {
            let ty = some_type(tape, scope);
            let not = if tape.percent(50) { " NOT" } else { "" };
            format!("({} IS{not} NULL)", expr(tape, scope, ty, d).text)
        }
        5 => {
            let ty = some_type(tape, scope);
            let (a, b) = (expr(tape, scope, ty, d), expr(tape, scope, ty, d));
            let not = if tape.percent(50) { " NOT" } else { "" };
            format!("({} IS{not} DISTINCT FROM {})", a.text, b.text)
        }
        6 => {
            let ty = some_type(tape, scope);
            let a = expr(tape, scope, ty, d);
            let items: Vec<String> = (0..tape.between(1, 3)).map(|_| ty.literal(tape)).collect();
            let not = if tape.percent(30) { " NOT" } else { "" };
            format!("({}{not} IN ({}))", a.text, items.join(", "))
        }
        7 => {
            let types = [
                Ty::Int4,
                Ty::Date,
                Ty::Text,
                Ty::Money,
                Ty::Int8,
                Ty::Numeric,
            ];
            match column(tape, scope, |c| types.contains(&c.ty)) {
                Some(c) => {
                    let (low, high) = (c.ty.literal(tape), c.ty.literal(tape));
                    format!("({} BETWEEN {low} AND {high})", c.text)
                }
                None => format!("({} > 0)", leaf(tape, scope, Ty::Int4).text),
            }
        }
        8 => match column(tape, scope, |c| c.ty == Ty::Text) {
            Some(c) => format!("({} LIKE 'a%')", c.text),
            None => format!("({} >= 0)", leaf(tape, scope, Ty::Int4).text),
        },
        9 => match column(tape, scope, |c| c.ty == Ty::Bool) {
            Some(c) => {
                let test = tape.pick(&["", " IS TRUE", " IS NOT TRUE", " IS UNKNOWN"]);
                format!("({}{})", c.text, test.unwrap_or(&""))
            }
            None => format!("({} > 0)", leaf(tape, scope, Ty::Int4).text),
        },
        10 => match column(tape, scope, |c| c.ty == Ty::Jsonb) {
            Some(c) => match tape.below(3) {
                0 => format!("JSON_EXISTS({}, '$.a ? (@ == 1)')", c.text),
                1 => format!("(JSON_VALUE({}, '$.b') = 'x')", c.text),
                _ => format!("({} @> '{{\"a\": 1}}'::jsonb)", c.text),
            },
            None => format!("({} = ANY (ARRAY[1, 2]))", leaf(tape, scope, Ty::Int4).text),
        },
        11 => match column(tape, scope, |c| c.ty == Ty::Ints) {
            Some(c) => format!("({} && ARRAY[2])", c.text),
            None => format!(
                "({} <> ALL ('{{1,3}}'::int4[]))",
                leaf(tape, scope, Ty::Int4).text
            ),
        },
        _ => {
            let ty = some_type(tape, scope);
            let symbol = tape
                .pick(&["=", "<", ">=", "<>", "<=", ">"])
                .unwrap_or(&"=");
            // Not a constant, mostly: its comparison would hold for all rows or for none.
            let a = match tape.percent(70) {
                true => column(tape, scope, |c| c.ty == ty),
                false => None,
            };
            let a = a.unwrap_or_else(|| expr(tape, scope, ty, d));
            let mut b = expr(tape, scope, ty, d);
            if a.text == b.text || tape.percent(50) {
                b = sql(ty.literal(tape), ty);
            }
            format!("({} {symbol} {})", a.text, b.text)
        }
    };
    sql(text, Ty::Bool)
}
