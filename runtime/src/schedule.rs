//! Schedules: how stale a stream table may become.

use std::fmt;
use std::time::Duration;

/// How often a stream table is refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// At least this often.
    Every(Duration),
    /// As often as the most demanding reader asks ([`crate::dag::Dag::demand`]).
    Calculated,
}

/// A schedule that cannot be understood; the message says what would be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    #[error("schedule is empty")]
    Empty,
    #[error("unknown unit \"{unit}\" in schedule \"{text}\"")]
    Unit { text: String, unit: String },
    #[error("a number is missing or too large in schedule \"{text}\"")]
    Number { text: String },
    #[error("schedule \"{text}\" is not positive")]
    NotPositive { text: String },
    #[error("cron schedules are not yet supported: \"{text}\"")]
    Cron { text: String },
}

impl ScheduleError {
    /// What to write instead.
    pub fn hint(&self) -> &'static str {
        "Write a duration such as '30s', '5m', '1h30m', '1d' or '1w', or 'calculated'."
    }
}

impl std::str::FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let trimmed = text.trim();
        if trimmed.eq_ignore_ascii_case("calculated") {
            return Ok(Schedule::Calculated);
        }
        let fields = trimmed.split_whitespace().count();
        if trimmed.starts_with('@') || fields == 5 || fields == 6 {
            return Err(ScheduleError::Cron {
                text: text.to_owned(),
            });
        }
        parse_duration(text).map(Schedule::Every)
    }
}

/// Parses `30s`, `5m`, `1h30m`, `1d`, `2w`: unsigned numbers, each with a unit of s, m, h, d or w,
/// added up. White space between the parts is allowed.
pub fn parse_duration(text: &str) -> Result<Duration, ScheduleError> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if compact.is_empty() {
        return Err(ScheduleError::Empty);
    }
    let number_error = || ScheduleError::Number {
        text: text.to_owned(),
    };
    let mut rest = compact.as_str();
    let mut seconds: u64 = 0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().map_err(|_| number_error())?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let unit = &rest[..letters];
        let scale = match unit.to_ascii_lowercase().as_str() {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            "w" => 604_800,
            _ => {
                return Err(ScheduleError::Unit {
                    text: text.to_owned(),
                    unit: unit.to_owned(),
                });
            }
        };
        rest = &rest[letters..];
        seconds = number
            .checked_mul(scale)
            .and_then(|s| s.checked_add(seconds))
            .filter(|s| *s <= i64::MAX as u64 / 1_000_000)
            .ok_or_else(number_error)?;
    }
    if seconds == 0 {
        return Err(ScheduleError::NotPositive {
            text: text.to_owned(),
        });
    }
    Ok(Duration::from_secs(seconds))
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Schedule::Every(every) = self else {
            return f.write_str("calculated");
        };
        let mut rest = every.as_secs();
        for (unit, scale) in [("w", 604_800), ("d", 86_400), ("h", 3600), ("m", 60)] {
            if rest >= scale {
                write!(f, "{}{unit}", rest / scale)?;
                rest %= scale;
            }
        }
        if rest > 0 || every.as_secs() == 0 {
            write!(f, "{rest}s")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations() {
        let seconds = |s: &str| parse_duration(s).map(|d| d.as_secs());
        assert_eq!(seconds("30s"), Ok(30));
        assert_eq!(seconds("5m"), Ok(300));
        assert_eq!(seconds("1h30m"), Ok(5400));
        assert_eq!(seconds(" 1h 30m "), Ok(5400));
        assert_eq!(seconds("1d"), Ok(86_400));
        assert_eq!(seconds("1w"), Ok(604_800));
        assert_eq!(seconds("1H"), Ok(3600));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let err = |s: &str| parse_duration(s).unwrap_err();
        assert_eq!(err(""), ScheduleError::Empty);
        assert!(matches!(err("10"), ScheduleError::Unit { unit, .. } if unit.is_empty()));
        assert!(matches!(err("10 parsecs"), ScheduleError::Unit { unit, .. } if unit == "parsecs"));
        assert!(matches!(err("-5s"), ScheduleError::Number { .. }));
        assert!(matches!(err("s"), ScheduleError::Number { .. }));
        assert!(matches!(err("0s"), ScheduleError::NotPositive { .. }));
        assert!(matches!(
            err("99999999999999999999s"),
            ScheduleError::Number { .. }
        ));
        assert!(matches!(
            err("30000000000000000w"),
            ScheduleError::Number { .. }
        ));
        assert!(matches!(
            "*/5 * * * *".parse::<Schedule>(),
            Err(ScheduleError::Cron { .. })
        ));
        assert!(matches!(
            "@hourly".parse::<Schedule>(),
            Err(ScheduleError::Cron { .. })
        ));
    }

    proptest! {
        #[test]
        fn display_is_parsed_back(seconds in 1u64..10_000_000) {
            let schedule = Schedule::Every(Duration::from_secs(seconds));
            prop_assert_eq!(schedule.to_string().parse::<Schedule>(), Ok(schedule));
        }

        #[test]
        fn never_panics(text in "\\PC{0,20}") {
            let _ = text.parse::<Schedule>();
        }
    }
}
