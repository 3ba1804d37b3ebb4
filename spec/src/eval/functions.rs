//! Functions that the oracle does not know: what a test says they are.
//!
//! A rewrite rule may rely on a function's strictness and volatility, never on what it computes.
//! So rules are tested with functions that compute nothing in particular: any deterministic map
//! of the arguments' *images* will do, and two equal values with different images may well be
//! mapped to different results, as `x::text` does.

use super::EvalError;
use super::numeric::Numeric;
use super::value::Value;
use crate::types::{Oid, oids};
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

pub trait Functions: fmt::Debug {
    /// The value of an immutable function; None if it is not known.
    fn call(&self, function: Oid, args: &[Value]) -> Option<Result<Value, EvalError>>;
}

/// No functions but the built-in ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct Builtin;

impl Functions for Builtin {
    fn call(&self, _: Oid, _: &[Value]) -> Option<Result<Value, EvalError>> {
        None
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PseudoFunction {
    pub result: Oid,
    /// NULL of a NULL; otherwise a NULL is an argument like any other.
    pub strict: bool,
    /// Raises on about one in eight arguments.
    pub raises: bool,
}

/// Pseudo-random functions: each maps arguments to a small value of its result type, the same
/// for the same seed and images. Now and then the value is NULL.
#[derive(Clone, Debug, Default)]
pub struct Pseudo {
    pub seed: u64,
    pub functions: BTreeMap<Oid, PseudoFunction>,
}

impl Functions for Pseudo {
    fn call(&self, function: Oid, args: &[Value]) -> Option<Result<Value, EvalError>> {
        let f = self.functions.get(&function)?;
        if f.strict && args.iter().any(Value::is_null) {
            return Some(Ok(Value::Null));
        }
        let mut hasher = DefaultHasher::new();
        (self.seed, function, args).hash(&mut hasher);
        let hash = hasher.finish();
        if f.raises && hash % 8 == 7 {
            return Some(Err(EvalError::Raised { function }));
        }
        let small = ((hash >> 8) % 3) as i64;
        Some(match f.result {
            _ if (hash >> 4) % 8 == 7 => Ok(Value::Null),
            oids::BOOL => Ok(Value::Bool(small == 0)),
            oids::INT2 | oids::INT4 | oids::INT8 => Ok(Value::Int(small)),
            oids::NUMERIC => Ok(Value::Numeric(Numeric::new(small.into(), 1))),
            oids::FLOAT8 => Ok(Value::float(small as f64)),
            oids::TEXT => Ok(Value::text(&format!("f{small}"))),
            result => Err(EvalError::Unknown {
                what: format!("a pseudo-random value of type {result}"),
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depend_on_images_alone() {
        let strict = Oid(1);
        let lax = Oid(2);
        let f = |strict| PseudoFunction {
            result: oids::INT4,
            strict,
            raises: false,
        };
        let pseudo = Pseudo {
            seed: 3,
            functions: [(strict, f(true)), (lax, f(false))].into(),
        };
        let of = |function, n: i64| pseudo.call(function, &[Value::Int(n)]);
        assert_eq!(of(strict, 1), of(strict, 1));
        assert!((0..20).any(|n| of(strict, n) != of(strict, 0)));
        assert!((0..20).any(|n| of(strict, n) != of(lax, n)));
        assert_eq!(pseudo.call(strict, &[Value::Null]), Some(Ok(Value::Null)));
        assert_eq!(pseudo.call(Oid(9), &[]), None);
    }
}
