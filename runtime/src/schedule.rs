//! Schedules: how stale a stream table may become.

use crate::cron::Cron;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// When a stream table is refreshed, if there is anything to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// At least this often.
    Every(Duration),
    /// At these moments.
    At(Arc<Cron>),
    /// When its most demanding readers ask for it ([`crate::demand`]).
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
    #[error("cron schedule \"{text}\" cannot be understood: {why}")]
    Cron { text: String, why: String },
    #[error("cron schedule \"{text}\" has no moment at all")]
    Never { text: String },
    #[error("\"{zone}\" is not a time zone that a cron schedule can be read in: \"{text}\"")]
    Zone { text: String, zone: String },
}

impl ScheduleError {
    /// What to write instead.
    pub fn hint(&self) -> &'static str {
        match self {
            ScheduleError::Cron { .. } | ScheduleError::Never { .. } => {
                "A cron schedule has five fields (minute, hour, day of month, month, day of week), \
                 six with seconds in front, or is @hourly, @daily, @weekly, @monthly or @yearly."
            }
            ScheduleError::Zone { .. } => {
                "Name one of the IANA database in front, for instance \
                 'CRON_TZ=Europe/Berlin 0 9 * * *', or set TimeZone to one."
            }
            _ => {
                "Write a duration such as '30s', '5m', '1h30m', '1d' or '1w', a cron schedule such \
                 as '*/5 * * * *' or '@hourly', or 'calculated'."
            }
        }
    }
}

impl Schedule {
    /// `zone` is the time zone of a cron schedule that does not say its own.
    pub fn parse(text: &str, zone: &str) -> Result<Schedule, ScheduleError> {
        if text.trim().eq_ignore_ascii_case("calculated") {
            Ok(Schedule::Calculated)
        } else if Cron::looks_like_one(text) {
            Cron::parse(text, zone).map(|cron| Schedule::At(Arc::new(cron)))
        } else {
            parse_duration(text).map(Schedule::Every)
        }
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
        let every = match self {
            Schedule::Every(every) => every,
            Schedule::At(cron) => return cron.fmt(f),
            Schedule::Calculated => return f.write_str("calculated"),
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
            Schedule::parse("99 * * * *", "UTC"),
            Err(ScheduleError::Cron { .. })
        ));
    }

    proptest! {
        #[test]
        fn display_is_parsed_back(seconds in 1u64..10_000_000) {
            let schedule = Schedule::Every(Duration::from_secs(seconds));
            prop_assert_eq!(Schedule::parse(&schedule.to_string(), "UTC"), Ok(schedule));
        }

        #[test]
        fn never_panics(text in "\\PC{0,20}") {
            let _ = Schedule::parse(&text, "UTC");
        }
    }
}
