//! PostgreSQL's `numeric`: an exact decimal with a display scale, NaN and the infinities.
//!
//! The scale is part of the image (`1.0` and `1.00` are shown differently) but not of the value
//! (they are equal). This is the oracle's own small model: 38 digits, and
//! [`EvalError::OutOfRange`] beyond, where PostgreSQL would go on; generated data stays far below.

use super::EvalError;
use std::cmp::Ordering;
use std::fmt;

/// `Eq`, `Ord` and `Hash` are by image; [`Numeric::sql_cmp`] is PostgreSQL's comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Numeric {
    NegativeInfinity,
    /// `unscaled · 10^−scale`, shown with `scale` digits after the point.
    Finite {
        unscaled: i128,
        scale: u32,
    },
    Infinity,
    NaN,
}

use Numeric::{Finite, Infinity, NaN, NegativeInfinity};

/// The most digits that an `i128` always holds.
const MAX_SCALE: u32 = 38;

fn power(n: u32) -> Result<i128, EvalError> {
    10i128.checked_pow(n).ok_or(EvalError::OutOfRange)
}

/// `unscaled` written with `to` ≥ `from` digits after the point.
fn widen(unscaled: i128, from: u32, to: u32) -> Result<i128, EvalError> {
    unscaled
        .checked_mul(power(to - from)?)
        .ok_or(EvalError::OutOfRange)
}

impl Numeric {
    pub fn new(unscaled: i128, scale: u32) -> Numeric {
        Finite { unscaled, scale }
    }

    pub fn integer(i: i64) -> Numeric {
        Numeric::new(i.into(), 0)
    }

    pub fn parse(text: &str) -> Option<Numeric> {
        let text = text.trim();
        match text.to_ascii_lowercase().as_str() {
            "nan" => return Some(NaN),
            "infinity" | "inf" | "+infinity" | "+inf" => return Some(Infinity),
            "-infinity" | "-inf" => return Some(NegativeInfinity),
            _ => {}
        }
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all = format!("{whole}{fraction}");
        if all.is_empty() || !all.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let scale = u32::try_from(fraction.len()).ok()?;
        let magnitude: i128 = all.parse().ok()?;
        (scale <= MAX_SCALE)
            .then(|| Numeric::new(if negative { -magnitude } else { magnitude }, scale))
    }

    pub fn is_finite(&self) -> bool {
        matches!(self, Finite { .. })
    }

    pub fn is_zero(&self) -> bool {
        matches!(self, Finite { unscaled: 0, .. })
    }

    fn sign(&self) -> i128 {
        match self {
            NegativeInfinity => -1,
            Finite { unscaled, .. } => unscaled.signum(),
            Infinity | NaN => 1,
        }
    }

    /// −∞ < finite < ∞ < NaN = NaN; scales do not matter.
    pub fn sql_cmp(&self, other: &Numeric) -> Ordering {
        let (
            Finite {
                unscaled: a,
                scale: s,
            },
            Finite {
                unscaled: b,
                scale: t,
            },
        ) = (self, other)
        else {
            let rank = |n: &Numeric| match n {
                NegativeInfinity => 0,
                Finite { .. } => 1,
                Infinity => 2,
                NaN => 3,
            };
            return rank(self).cmp(&rank(other));
        };
        // 10^38 fits, and so does a fraction written with 38 digits.
        let (p, q) = (10i128.pow(*s), 10i128.pow(*t));
        let scale = *s.max(t);
        (a / p)
            .cmp(&(b / q))
            .then_with(|| ((a % p) * 10i128.pow(scale - s)).cmp(&((b % q) * 10i128.pow(scale - t))))
    }

    pub fn negated(self) -> Numeric {
        match self {
            NegativeInfinity => Infinity,
            Infinity => NegativeInfinity,
            NaN => NaN,
            Finite { unscaled, scale } => Numeric::new(-unscaled, scale),
        }
    }

    pub fn abs(self) -> Numeric {
        if self.sign() < 0 {
            self.negated()
        } else {
            self
        }
    }

    /// Shows the larger scale of both.
    pub fn plus(self, other: Numeric) -> Result<Numeric, EvalError> {
        Ok(match (self, other) {
            (NaN, _) | (_, NaN) => NaN,
            (Infinity, NegativeInfinity) | (NegativeInfinity, Infinity) => NaN,
            (Infinity, _) | (_, Infinity) => Infinity,
            (NegativeInfinity, _) | (_, NegativeInfinity) => NegativeInfinity,
            (
                Finite {
                    unscaled: a,
                    scale: s,
                },
                Finite {
                    unscaled: b,
                    scale: t,
                },
            ) => {
                let scale = s.max(t);
                let sum = widen(a, s, scale)?.checked_add(widen(b, t, scale)?);
                Numeric::new(sum.ok_or(EvalError::OutOfRange)?, scale)
            }
        })
    }

    pub fn minus(self, other: Numeric) -> Result<Numeric, EvalError> {
        self.plus(other.negated())
    }

    /// Shows the sum of both scales.
    pub fn times(self, other: Numeric) -> Result<Numeric, EvalError> {
        let (
            Finite {
                unscaled: a,
                scale: s,
            },
            Finite {
                unscaled: b,
                scale: t,
            },
        ) = (self, other)
        else {
            if self == NaN || other == NaN {
                return Ok(NaN);
            }
            return Ok(match self.sign() * other.sign() {
                0 => NaN,
                1 => Infinity,
                _ => NegativeInfinity,
            });
        };
        if s + t > MAX_SCALE {
            return Err(EvalError::OutOfRange);
        }
        let product = a.checked_mul(b).ok_or(EvalError::OutOfRange)?;
        Ok(Numeric::new(product, s + t))
    }

    /// The quotient shows at least 16 significant digits, and no smaller scale than either
    /// operand; PostgreSQL counts them in groups of four decimal digits.
    pub fn over(self, other: Numeric) -> Result<Numeric, EvalError> {
        match (self, other) {
            (NaN, _) | (_, NaN) => Ok(NaN),
            (_, o) if o.is_zero() => Err(EvalError::DivisionByZero),
            (Infinity | NegativeInfinity, Infinity | NegativeInfinity) => Ok(NaN),
            (Infinity | NegativeInfinity, o) => Ok(if self.sign() * o.sign() > 0 {
                Infinity
            } else {
                NegativeInfinity
            }),
            (_, Infinity | NegativeInfinity) => Ok(Numeric::new(0, 0)),
            (
                Finite {
                    unscaled: a,
                    scale: s,
                },
                Finite {
                    unscaled: b,
                    scale: t,
                },
            ) => {
                let scale = quotient_scale((a, s), (b, t));
                Ok(Numeric::new(quotient(a, b, t + scale, s)?, scale))
            }
        }
    }

    /// The remainder of truncated division, with the sign of the dividend.
    pub fn modulo(self, other: Numeric) -> Result<Numeric, EvalError> {
        match (self, other) {
            (NaN, _) | (_, NaN) => Ok(NaN),
            (_, o) if o.is_zero() => Err(EvalError::DivisionByZero),
            (Infinity | NegativeInfinity, _) => Ok(NaN),
            (_, Infinity | NegativeInfinity) => Ok(self),
            (
                Finite {
                    unscaled: a,
                    scale: s,
                },
                Finite {
                    unscaled: b,
                    scale: t,
                },
            ) => {
                let scale = s.max(t);
                Ok(Numeric::new(
                    widen(a, s, scale)? % widen(b, t, scale)?,
                    scale,
                ))
            }
        }
    }

    /// Half away from zero.
    pub fn round(self, to: u32) -> Result<Numeric, EvalError> {
        match self {
            Finite { unscaled, scale } if scale > to => Ok(Numeric::new(
                quotient(unscaled, power(scale - to)?, 0, 0)?,
                to,
            )),
            Finite { unscaled, scale } => Ok(Numeric::new(widen(unscaled, scale, to)?, to)),
            special => Ok(special),
        }
    }

    /// Rounded to a whole number, as a cast to an integer type does.
    pub fn to_integer(self) -> Result<i128, EvalError> {
        match self.round(0)? {
            Finite { unscaled, .. } => Ok(unscaled),
            _ => Err(EvalError::OutOfRange),
        }
    }

    /// `numeric(precision, scale)` applied: rounds to the scale, raises beyond the precision.
    pub fn with_typmod(self, typmod: i32) -> Result<Numeric, EvalError> {
        if typmod < 4 {
            return Ok(self);
        }
        let precision = ((typmod - 4) >> 16) & 0xffff;
        let scale = (((typmod - 4) & 0x7ff) ^ 1024) - 1024;
        let (Ok(precision), Ok(scale)) = (u32::try_from(precision), u32::try_from(scale)) else {
            // Negative scales round to the left of the point; no generator makes them.
            return Err(EvalError::OutOfRange);
        };
        match self {
            NaN => Ok(NaN),
            Infinity | NegativeInfinity => Err(EvalError::OutOfRange),
            Finite { .. } => match self.round(scale)? {
                Finite { unscaled, .. } if unscaled.abs() >= power(precision)? => {
                    Err(EvalError::OutOfRange)
                }
                rounded => Ok(rounded),
            },
        }
    }

    pub fn to_f64(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The shortest decimal that PostgreSQL would make of a float (15 significant digits), for
    /// values that are written plainly.
    pub fn from_f64(f: f64) -> Result<Numeric, EvalError> {
        if f.is_nan() {
            return Ok(NaN);
        }
        if f.is_infinite() {
            return Ok(if f > 0.0 { Infinity } else { NegativeInfinity });
        }
        if f != 0.0 && !(1e-4..1e15).contains(&f.abs()) {
            return Err(EvalError::OutOfRange);
        }
        let whole = (f.abs().max(1.0).log10().floor() as usize) + 1;
        let text = format!("{:.*}", 15usize.saturating_sub(whole), f);
        let text = match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.'),
            false => &text,
        };
        Numeric::parse(if text == "-0" { "0" } else { text }).ok_or(EvalError::OutOfRange)
    }
}

/// PostgreSQL's `select_div_scale`.
fn quotient_scale(a: (i128, u32), b: (i128, u32)) -> u32 {
    /// The weight (power of 10,000) of the first base-10,000 digit, and that digit.
    fn first_digit((unscaled, scale): (i128, u32)) -> (i64, u32) {
        if unscaled == 0 {
            return (0, 0);
        }
        let pad = (4 - scale % 4) % 4;
        let digits = format!("{}{}", unscaled.unsigned_abs(), "0".repeat(pad as usize));
        let groups = digits.len().div_ceil(4);
        let first = &digits[..digits.len() - (groups - 1) * 4];
        let weight = groups as i64 - 1 - i64::from((scale + pad) / 4);
        (weight, first.parse().unwrap_or(0))
    }
    let (weight_a, digit_a) = first_digit(a);
    let (weight_b, digit_b) = first_digit(b);
    let mut weight = weight_a - weight_b;
    if digit_a <= digit_b {
        weight -= 1;
    }
    let scale = (16 - weight * 4)
        .max(i64::from(a.1))
        .max(i64::from(b.1))
        .clamp(0, 1000);
    u32::try_from(scale).unwrap_or(0)
}

/// a · 10^(up − down) / b, rounded half away from zero; digit by digit, so that only the result
/// must fit.
fn quotient(a: i128, b: i128, up: u32, down: u32) -> Result<i128, EvalError> {
    let negative = (a < 0) != (b < 0);
    let (mut b, a) = (b.unsigned_abs(), a.unsigned_abs());
    if down > up {
        b = 10u128
            .checked_pow(down - up)
            .and_then(|p| b.checked_mul(p))
            .ok_or(EvalError::OutOfRange)?;
    }
    let mut q = a / b;
    let mut r = a % b;
    for _ in 0..up.saturating_sub(down) {
        r = r.checked_mul(10).ok_or(EvalError::OutOfRange)?;
        q = q
            .checked_mul(10)
            .and_then(|q| q.checked_add(r / b))
            .ok_or(EvalError::OutOfRange)?;
        r %= b;
    }
    if r >= b - r {
        q += 1;
    }
    let q = i128::try_from(q).map_err(|_| EvalError::OutOfRange)?;
    Ok(if negative { -q } else { q })
}

impl fmt::Display for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NegativeInfinity => f.write_str("-Infinity"),
            Infinity => f.write_str("Infinity"),
            NaN => f.write_str("NaN"),
            Finite { unscaled, scale: 0 } => write!(f, "{unscaled}"),
            Finite { unscaled, scale } => {
                let digits = format!(
                    "{:0width$}",
                    unscaled.unsigned_abs(),
                    width = *scale as usize + 1
                );
                let (whole, fraction) = digits.split_at(digits.len() - *scale as usize);
                let sign = if *unscaled < 0 { "-" } else { "" };
                write!(f, "{sign}{whole}.{fraction}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n(text: &str) -> Numeric {
        Numeric::parse(text).expect("a numeric literal")
    }

    #[test]
    fn image_is_not_value() {
        assert_ne!(n("1.0"), n("1.00"));
        assert_eq!(n("1.0").sql_cmp(&n("1.00")), Ordering::Equal);
        assert_eq!(n("-0.5").sql_cmp(&n("-0.25")), Ordering::Less);
        assert_eq!(n("NaN").sql_cmp(&n("Infinity")), Ordering::Greater);
        assert_eq!(n("-12.5").sql_cmp(&n("-12")), Ordering::Less);
    }

    /// Expected values are what PostgreSQL 18 prints.
    #[test]
    fn arithmetic_shows_postgresqls_scales() {
        for (a, op, b, expect) in [
            ("1.0", '+', "2.00", "3.00"),
            ("1.000", '-', "1.0", "0.000"),
            ("1.5", '*', "2.25", "3.375"),
            ("1", '/', "3", "0.33333333333333333333"),
            ("10", '/', "4", "2.5000000000000000"),
            ("7", '/', "1", "7.0000000000000000"),
            ("1", '/', "10000", "0.000100000000000000000000"),
            ("100000", '/', "3", "33333.333333333333"),
            ("2", '/', "3.00", "0.66666666666666666667"),
            ("12345.678", '/', "0.0007", "17636682.857142857143"),
            ("1", '/', "99999.5", "0.000010000050000250001250"),
            ("0", '/', "3", "0.00000000000000000000"),
            ("-7.5", '%', "2", "-1.5"),
            ("Infinity", '+', "-Infinity", "NaN"),
            ("Infinity", '*', "0", "NaN"),
            ("5", '/', "-Infinity", "0"),
        ] {
            let got = match op {
                '+' => n(a).plus(n(b)),
                '-' => n(a).minus(n(b)),
                '*' => n(a).times(n(b)),
                '/' => n(a).over(n(b)),
                _ => n(a).modulo(n(b)),
            };
            assert_eq!(
                got.map(|g| g.to_string()),
                Ok(expect.into()),
                "{a} {op} {b}"
            );
        }
        assert_eq!(n("1").over(n("0.00")), Err(EvalError::DivisionByZero));
    }

    #[test]
    fn typmods_round_and_bound() {
        let typmod = |p: i32, s: i32| ((p << 16) | s) + 4;
        assert_eq!(n("1.005").with_typmod(typmod(10, 2)), Ok(n("1.01")));
        assert_eq!(n("-1.005").with_typmod(typmod(10, 2)), Ok(n("-1.01")));
        assert_eq!(n("1").with_typmod(typmod(10, 2)), Ok(n("1.00")));
        assert_eq!(
            n("100").with_typmod(typmod(4, 2)),
            Err(EvalError::OutOfRange)
        );
        assert_eq!(n("NaN").with_typmod(typmod(4, 2)), Ok(NaN));
    }
}
