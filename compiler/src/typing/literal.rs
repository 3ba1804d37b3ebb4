//! Literals.
//!
//! A number is `int4`, `int8` or `numeric`, by its size; a quoted string is `unknown` until
//! something decides, and then a literal of that type with the text as written. PostgreSQL reads
//! the text when it analyses the query; the simple types are checked here as well, so that a bad
//! literal is an error now. Text that means another value at another time (`'now'::timestamptz`) is
//! noted as STABLE.

use super::{Typing, error};
use crate::bind::context::BindError;
use spec::catalog::TypeKind;
use spec::expr::ExprKind;
use spec::types::{Oid, SqlType, oids};
use spec::{Expr, ReasonCode, Span};

const REGCLASS: Oid = Oid(2205);
const REGTYPE: Oid = Oid(2206);
/// The other types whose text is the name of an object.
const REG_TYPES: &[u32] = &[24, 2202, 2203, 2204, 3734, 3769, 4089, 4096, 4191];

impl Typing<'_> {
    /// A string literal, or NULL, that nothing has decided.
    pub(crate) fn unknown_literal(&self, text: Option<&str>) -> Expr {
        Expr::new(
            ExprKind::Const(text.map(Into::into)),
            SqlType::new(oids::UNKNOWN),
        )
    }

    /// `true` and `false`.
    pub(crate) fn boolean(&self, value: bool) -> Expr {
        let text = if value { "true" } else { "false" };
        Expr::literal(text, SqlType::new(oids::BOOL))
    }

    /// An integer that the grammar could hold in 32 bits.
    pub(crate) fn integer(&self, value: i32) -> Expr {
        Expr::literal(&value.to_string(), SqlType::new(oids::INT4))
    }

    /// A number that the grammar could not hold in 32 bits, its sign included: beyond them, or with
    /// a point or exponent.
    pub(crate) fn number(&self, text: &str, span: Option<Span>) -> Result<Expr, BindError> {
        match parse_signed(text) {
            Some(value) if i32::try_from(value).is_ok() => {
                self.literal(Some(&value.to_string()), oids::INT4, -1, span)
            }
            Some(value) if i64::try_from(value).is_ok() => {
                self.literal(Some(&value.to_string()), oids::INT8, -1, span)
            }
            _ => self.literal(Some(text), oids::NUMERIC, -1, span),
        }
    }

    /// Text as a literal of a type that is no domain.
    pub(super) fn literal(
        &self,
        text: Option<&str>,
        ty: Oid,
        typmod: i32,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        // Only interval reads its text by the typmod; all else is fitted to it afterwards.
        let typmod = if ty == oids::INTERVAL { typmod } else { -1 };
        let sql_type = self.catalog.sql_type(ty, typmod);
        let Some(text) = text else {
            return Ok(Expr::null(sql_type));
        };
        if matches!(self.catalog.ty(ty), Some(t) if t.kind == TypeKind::Pseudo)
            && !matches!(ty, oids::UNKNOWN | CSTRING | VOID)
        {
            let message = format!("cannot accept a value of type {}", self.type_name(ty));
            return Err(error(ReasonCode::Type, message, span));
        }
        if let Some(what) = self.text_problem(text, ty) {
            return Err(error(ReasonCode::Type, what, span));
        }
        if let Some(oid) = self.object_literal(text, ty, span)? {
            return Ok(Expr::literal(&oid, sql_type));
        }
        self.note_moving(text, ty, span);
        Ok(Expr::literal(text, sql_type))
    }

    /// Why a text is no value of a type, as far as that is known here.
    fn text_problem(&self, text: &str, ty: Oid) -> Option<String> {
        let name = || self.type_name(ty);
        let bounds = match ty {
            oids::INT2 => Some((i128::from(i16::MIN), i128::from(i16::MAX))),
            oids::INT4 => Some((i128::from(i32::MIN), i128::from(i32::MAX))),
            oids::INT8 => Some((i128::from(i64::MIN), i128::from(i64::MAX))),
            _ => None,
        };
        if let Some((low, high)) = bounds {
            return match parse_signed(text) {
                None => Some(format!(
                    "invalid input syntax for type {}: \"{text}\"",
                    name()
                )),
                Some(v) if v < low || v > high => Some(format!(
                    "value \"{text}\" is out of range for type {}",
                    name()
                )),
                Some(_) => None,
            };
        }
        let valid = match ty {
            oids::BOOL => is_boolean(text),
            oids::NUMERIC | oids::FLOAT4 | oids::FLOAT8 => is_number(text, ty == oids::NUMERIC),
            oids::UUID => is_uuid(text),
            _ => match self.catalog.ty(ty) {
                Some(t) if t.kind == TypeKind::Enum && !t.labels.is_empty() => {
                    if t.labels.iter().any(|l| l == text) {
                        return None;
                    }
                    return Some(format!(
                        "invalid input value for enum {}: \"{text}\"",
                        name()
                    ));
                }
                // oidvector and int2vector have a text form of their own.
                Some(t) if t.is_array && !is_vector(ty) => {
                    if trim(text).starts_with(['{', '[']) {
                        return None;
                    }
                    return Some(format!("malformed array literal: \"{text}\""));
                }
                _ => true,
            },
        };
        (!valid).then(|| format!("invalid input syntax for type {}: \"{text}\"", name()))
    }

    /// The OID that the name of an object stands for: a name would be looked up again, perhaps
    /// along another search path.
    fn object_literal(
        &self,
        text: &str,
        ty: Oid,
        span: Option<Span>,
    ) -> Result<Option<String>, BindError> {
        let is_reg = ty == REGCLASS || ty == REGTYPE || REG_TYPES.contains(&ty.0);
        if !is_reg {
            return Ok(None);
        }
        if text == "-" {
            return Ok(Some("0".into()));
        }
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Some(text.into()));
        }
        let names = super::text::split_name(text);
        let found = match (ty, names.as_deref()) {
            (REGCLASS, Some([name])) => self.catalog.relation_named(None, name).map(|r| r.oid),
            (REGCLASS, Some([schema, name])) => self
                .catalog
                .relation_named(Some(schema), name)
                .map(|r| r.oid),
            (REGTYPE, Some([name])) => self.catalog.type_named(None, name).map(|t| t.oid),
            (REGTYPE, Some([schema, name])) => {
                self.catalog.type_named(Some(schema), name).map(|t| t.oid)
            }
            _ => None,
        };
        match found {
            Some(oid) => Ok(Some(oid.to_string())),
            None => Err(error(
                ReasonCode::Unsupported,
                format!(
                    "the object '{text}'::{} is not known here",
                    self.type_name(ty)
                ),
                span,
            )),
        }
    }

    /// Date and time literals that follow the clock.
    fn note_moving(&self, text: &str, ty: Oid, span: Option<Span>) {
        let words: &[&str] = match ty {
            oids::DATE | oids::TIMESTAMP | oids::TIMESTAMPTZ => {
                &["now", "today", "tomorrow", "yesterday"]
            }
            oids::TIME | oids::TIMETZ => &["now"],
            _ => return,
        };
        let lower = text.to_ascii_lowercase();
        let mut tokens = lower.split(|c: char| !c.is_ascii_alphabetic());
        if tokens.any(|t| words.contains(&t)) {
            let what = format!("the literal '{text}' of type {}", self.type_name(ty));
            self.note_moving_literal(what, span);
        }
    }
}

fn is_vector(ty: Oid) -> bool {
    matches!(ty, Oid(22) | Oid(30))
}

const CSTRING: Oid = Oid(2275);
const VOID: Oid = Oid(2278);

/// An unsigned integer as the scanner and the integer types read it: decimal, `0x`, `0o`, `0b`,
/// with single underscores between digits. None also if it is beyond all integer types.
fn parse_integer(text: &str) -> Option<i128> {
    let lower = text.to_ascii_lowercase();
    let (radix, digits, based) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..], true),
        Some("0o") => (8, &lower[2..], true),
        Some("0b") => (2, &lower[2..], true),
        _ => (10, lower.as_str(), false),
    };
    let digits = if based {
        digits.strip_prefix('_').unwrap_or(digits)
    } else {
        digits
    };
    let well_formed = !digits.is_empty()
        && !digits.starts_with('_')
        && !digits.ends_with('_')
        && !digits.contains("__")
        && digits.chars().all(|c| c == '_' || c.is_digit(radix));
    if !well_formed {
        return None;
    }
    i128::from_str_radix(&digits.replace('_', ""), radix)
        .ok()
        .or(Some(i128::MAX))
}

fn parse_signed(text: &str) -> Option<i128> {
    let text = trim(text);
    match text.strip_prefix('-') {
        Some(rest) => parse_integer(rest).map(|v| -v),
        None => parse_integer(text.strip_prefix('+').unwrap_or(text)),
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c'))
}

fn is_boolean(text: &str) -> bool {
    let text = trim(text).to_ascii_lowercase();
    let prefix_of = |word: &str| !text.is_empty() && word.starts_with(&text);
    prefix_of("true")
        || prefix_of("false")
        || prefix_of("yes")
        || prefix_of("no")
        || matches!(text.as_str(), "on" | "of" | "off" | "1" | "0")
}

/// Is this a value of numeric (or of the floating-point types, whose range is not checked)?
fn is_number(text: &str, numeric: bool) -> bool {
    let text = trim(text);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let lower = unsigned.to_ascii_lowercase();
    if matches!(lower.as_str(), "nan") {
        return true;
    }
    if matches!(lower.as_str(), "inf" | "infinity") {
        return true;
    }
    if numeric && parse_integer(unsigned).is_some() {
        return true;
    }
    // strtod also reads hexadecimal floats; let them pass.
    if !numeric && lower.starts_with("0x") {
        return true;
    }
    let (mantissa, exponent) = match lower.split_once('e') {
        Some((m, e)) => (m, Some(e)),
        None => (lower.as_str(), None),
    };
    let digits = |s: &str| {
        s.bytes()
            .all(|b| b.is_ascii_digit() || (numeric && b == b'_'))
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_fits = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['+', '-']).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    !(whole.is_empty() && fraction.is_empty()) && digits(whole) && digits(fraction) && exponent_fits
}

fn is_uuid(text: &str) -> bool {
    let braced = text.strip_prefix('{').map(|t| t.strip_suffix('}'));
    let text = match braced {
        Some(Some(inner)) => inner,
        Some(None) => return false,
        None => text,
    };
    let mut digits = 0;
    let mut previous_hyphen = true;
    for c in text.chars() {
        if c == '-' {
            if previous_hyphen || digits % 4 != 0 || digits == 32 {
                return false;
            }
            previous_hyphen = true;
        } else if c.is_ascii_hexdigit() {
            digits += 1;
            previous_hyphen = false;
        } else {
            return false;
        }
    }
    digits == 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_in_four_bases() {
        for (text, value) in [
            ("0", Some(0)),
            ("1_000", Some(1000)),
            ("0xFF", Some(255)),
            ("0x_ff", Some(255)),
            ("0o17", Some(15)),
            ("0b101", Some(5)),
            ("1__0", None),
            ("_1", None),
            ("1_", None),
            ("", None),
            ("1.0", None),
            ("0b2", None),
        ] {
            assert_eq!(parse_integer(text), value, "{text}");
        }
        assert_eq!(parse_signed(" -12 "), Some(-12));
        assert_eq!(parse_signed("- 12"), None);
    }

    #[test]
    fn booleans_are_prefixes() {
        for text in [
            "t", "TRUE", " tr ", "f", "y", "yes", "n", "no", "on", "off", "of", "1", "0",
        ] {
            assert!(is_boolean(text), "{text}");
        }
        for text in ["", "o", "tru e", "2", "offf", "maybe"] {
            assert!(!is_boolean(text), "{text}");
        }
    }

    #[test]
    fn numbers() {
        for text in [
            "1",
            "-1.5",
            ".5",
            "5.",
            "1e10",
            "1.5E-3",
            "NaN",
            "-Infinity",
            "inf",
            "1_000.5",
        ] {
            assert!(is_number(text, true), "{text}");
        }
        for text in ["", ".", "e5", "1e", "1.2.3", "abc", "1,5"] {
            assert!(!is_number(text, true), "{text}");
        }
        assert!(!is_number("1_0", false));
    }

    #[test]
    fn uuids() {
        assert!(is_uuid("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"));
        assert!(is_uuid("{a0eebc999c0b4ef8bb6d6bb9bd380a11}"));
        assert!(!is_uuid("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1"));
        assert!(!is_uuid("a0e-ebc999c0b4ef8bb6d6bb9bd380a11"));
    }
}
