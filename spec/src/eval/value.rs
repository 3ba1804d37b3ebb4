//! Values, told apart in two ways: by *image* (what is stored and shown) and by SQL equality.
//!
//! `Eq`, `Ord` and `Hash` are by image: `1.0` is not `1.00`, `-0.0` is not `0.0`, `a` is not `A`
//! of a case-insensitive type. [`Value::sql_cmp`] is the comparison of the type's default btree
//! operator class, by which these are equal.

use super::EvalError;
use super::builtin::CITEXT;
use super::numeric::Numeric;
use crate::types::{Oid, SqlType, oids};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// A value of one of the types that the oracle knows. Which of `int2`, `int4`, `int8` an `Int`
/// is, its column says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Numeric(Numeric),
    /// The bits of a `float8`.
    Float(u64),
    Text(Arc<str>),
    /// Of a type like citext: compared without regard to case.
    CiText(Arc<str>),
    Array(Vec<Value>),
}

/// A row; positional.
pub type Row = Vec<Value>;

impl Value {
    pub fn float(f: f64) -> Value {
        Value::Float(f.to_bits())
    }

    pub fn text(s: &str) -> Value {
        Value::Text(s.into())
    }

    pub fn is_null(&self) -> bool {
        *self == Value::Null
    }

    /// The order of the default btree operator class; None if either is NULL, or if these are
    /// not of one type. The collation of texts is `"C"`.
    pub fn sql_cmp(&self, other: &Value) -> Option<Ordering> {
        use Value::*;
        match (self, other) {
            (Bool(a), Bool(b)) => Some(a.cmp(b)),
            (Int(a), Int(b)) => Some(a.cmp(b)),
            (Numeric(a), Numeric(b)) => Some(a.sql_cmp(b)),
            (Float(a), Float(b)) => {
                let (a, b) = (f64::from_bits(*a), f64::from_bits(*b));
                Some(
                    a.partial_cmp(&b)
                        .unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())),
                )
            }
            (Text(a), Text(b)) => Some(a.cmp(b)),
            (CiText(a), CiText(b)) => Some(a.to_lowercase().cmp(&b.to_lowercase())),
            (Array(a), Array(b)) => {
                // NULL elements are equal to each other and after everything else.
                for (x, y) in a.iter().zip(b) {
                    match x.group_cmp(y) {
                        Ordering::Equal => {}
                        different => return Some(different),
                    }
                }
                Some(a.len().cmp(&b.len()))
            }
            _ => None,
        }
    }

    /// The order of groups and sorting: as [`Value::sql_cmp`], NULL equal to NULL and last.
    pub fn group_cmp(&self, other: &Value) -> Ordering {
        self.sql_cmp(other)
            .unwrap_or_else(|| match (self.is_null(), other.is_null()) {
                (false, false) => self.cmp(other),
                (a, b) => a.cmp(&b),
            })
    }

    /// Are these in one group: equal by the type's own equality, NULL to NULL?
    pub fn same_group(&self, other: &Value) -> bool {
        self.group_cmp(other) == Ordering::Equal
    }

    /// Reads the text form of a type, as its input function does.
    pub fn parse(text: &str, ty: SqlType) -> Result<Value, EvalError> {
        let invalid = || EvalError::InvalidText {
            text: text.to_owned(),
            ty: ty.oid,
        };
        match ty.oid {
            oids::BOOL => match text.trim().to_ascii_lowercase().as_str() {
                "t" | "true" | "yes" | "on" | "1" => Ok(Value::Bool(true)),
                "f" | "false" | "no" | "off" | "0" => Ok(Value::Bool(false)),
                _ => Err(invalid()),
            },
            oids::INT2 | oids::INT4 | oids::INT8 => {
                let i: i128 = text.trim().parse().map_err(|_| invalid())?;
                int(i, ty.oid)
            }
            oids::NUMERIC => Numeric::parse(text)
                .ok_or_else(invalid)?
                .with_typmod(ty.typmod)
                .map(Value::Numeric),
            oids::FLOAT8 => {
                let f: f64 = text.trim().parse().map_err(|_| invalid())?;
                Ok(Value::float(f))
            }
            oids::TEXT | oids::VARCHAR | oids::UNKNOWN => Ok(Value::text(text)),
            CITEXT => Ok(Value::CiText(text.into())),
            other => match element(other) {
                Some(element) => parse_array(text, SqlType::new(element)).ok_or_else(invalid)?,
                None => Err(EvalError::Unknown {
                    what: format!("type {other}"),
                }),
            },
        }
    }
}

/// Checks the range of an integer type.
pub fn int(i: i128, ty: Oid) -> Result<Value, EvalError> {
    let fits = match ty {
        oids::INT2 => i16::try_from(i).is_ok(),
        oids::INT4 => i32::try_from(i).is_ok(),
        _ => i64::try_from(i).is_ok(),
    };
    match i64::try_from(i) {
        Ok(i) if fits => Ok(Value::Int(i)),
        _ => Err(EvalError::OutOfRange),
    }
}

/// The element types of the array types that the oracle knows.
pub fn element(array: Oid) -> Option<Oid> {
    match array.0 {
        1000 => Some(oids::BOOL),
        1005 => Some(oids::INT2),
        1007 => Some(oids::INT4),
        1016 => Some(oids::INT8),
        1009 => Some(oids::TEXT),
        1022 => Some(oids::FLOAT8),
        1231 => Some(oids::NUMERIC),
        _ => None,
    }
}

/// `{a,NULL,"b c"}`; one dimension, no escapes but `\`.
fn parse_array(text: &str, element: SqlType) -> Option<Result<Value, EvalError>> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut items: Vec<(String, bool)> = vec![];
    let mut quoted = false;
    let mut item = (String::new(), false);
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => item.0.push(chars.next()?),
            '"' => {
                quoted = !quoted;
                item.1 = true;
            }
            ',' if !quoted => items.push(std::mem::take(&mut item)),
            c => item.0.push(c),
        }
    }
    if quoted {
        return None;
    }
    if !inner.is_empty() {
        items.push(item);
    }
    Some(
        items
            .into_iter()
            .map(|(text, quoted)| match text.as_str() {
                "NULL" if !quoted => Ok(Value::Null),
                text => Value::parse(text, element),
            })
            .collect::<Result<_, _>>()
            .map(Value::Array),
    )
}

/// The text form, as the type's output function writes it; NULL as `NULL`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("NULL"),
            Value::Bool(b) => f.write_str(if *b { "t" } else { "f" }),
            Value::Int(i) => i.fmt(f),
            Value::Numeric(n) => n.fmt(f),
            Value::Float(bits) => {
                let x = f64::from_bits(*bits);
                if x.is_nan() {
                    f.write_str("NaN")
                } else if x.is_infinite() {
                    f.write_str(if x > 0.0 { "Infinity" } else { "-Infinity" })
                } else if x != 0.0 && !(1e-4..1e15).contains(&x.abs()) {
                    write!(f, "{x:e}")
                } else {
                    x.fmt(f)
                }
            }
            Value::Text(s) | Value::CiText(s) => f.write_str(s),
            Value::Array(items) => {
                f.write_str("{")?;
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        f.write_str(",")?;
                    }
                    match item {
                        Value::Text(s) | Value::CiText(s) => write!(f, "{s:?}")?,
                        other => other.fmt(f)?,
                    }
                }
                f.write_str("}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_with_different_images() {
        let parse = |text, ty| Value::parse(text, SqlType::new(ty)).expect("a literal");
        for (a, b, ty) in [
            ("1.0", "1.00", oids::NUMERIC),
            ("0", "-0", oids::FLOAT8),
            ("ab", "AB", CITEXT),
        ] {
            let (a, b) = (parse(a, ty), parse(b, ty));
            assert_ne!(a, b);
            assert_eq!(a.sql_cmp(&b), Some(Ordering::Equal));
        }
        assert_eq!(Value::Null.sql_cmp(&Value::Null), None);
        assert!(Value::Null.same_group(&Value::Null));
        assert_eq!(Value::Int(3).group_cmp(&Value::Null), Ordering::Less);
        let nan = Value::float(f64::NAN);
        assert_eq!(nan.sql_cmp(&nan), Some(Ordering::Equal));
        assert_eq!(
            Value::float(f64::INFINITY).sql_cmp(&nan),
            Some(Ordering::Less)
        );
    }

    #[test]
    fn text_forms_round_trip() {
        for (text, ty) in [
            ("t", oids::BOOL),
            ("-7", oids::INT2),
            ("-0.050", oids::NUMERIC),
            ("Infinity", oids::FLOAT8),
            ("0.5", oids::FLOAT8),
            ("x", oids::TEXT),
            ("{1,NULL,3}", Oid(1007)),
            ("{}", Oid(1007)),
        ] {
            let value = Value::parse(text, SqlType::new(ty)).expect(text);
            assert_eq!(value.to_string(), text);
        }
        assert_eq!(
            Value::parse("40000", SqlType::new(oids::INT2)),
            Err(EvalError::OutOfRange)
        );
        assert!(Value::parse("x", SqlType::new(oids::INT4)).is_err());
    }
}
