//! Cron schedules: moments of a calendar in a time zone.

use crate::schedule::ScheduleError;
use chrono::{DateTime, TimeDelta, Utc};
use croner::parser::{CronParser, Seconds, Year};
use std::fmt;
use std::time::Duration;

/// Five fields (minute, hour, day of month, month, day of week), six with seconds in front, or a
/// nickname such as `@hourly`, read in a time zone.
#[derive(Clone)]
pub struct Cron {
    text: String,
    zone: chrono_tz::Tz,
    pattern: croner::Cron,
}

impl PartialEq for Cron {
    fn eq(&self, other: &Cron) -> bool {
        (&self.text, self.zone) == (&other.text, other.zone)
    }
}
impl Eq for Cron {}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.text, self.zone)
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What may stand in front of the fields to name a time zone.
const ZONE: &str = "CRON_TZ=";

/// The clock of the scheduler counts from here: 2000-01-01 00:00 UTC.
const EPOCH: DateTime<Utc> = DateTime::from_timestamp(946_684_800, 0).unwrap();

impl Cron {
    /// Is this written as a cron schedule?
    pub fn looks_like_one(text: &str) -> bool {
        let text = text.trim();
        text.starts_with('@') || text.starts_with(ZONE) || text.split_whitespace().count() >= 5
    }

    /// `zone` is the time zone of one that does not say its own.
    pub fn parse(text: &str, zone: &str) -> Result<Cron, ScheduleError> {
        let text = text.trim();
        let (zone, fields) = match text.strip_prefix(ZONE) {
            Some(rest) => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
            None => (zone, text),
        };
        let zone: chrono_tz::Tz = zone.parse().map_err(|_| ScheduleError::Zone {
            text: text.to_owned(),
            zone: zone.to_owned(),
        })?;
        let fields = fields.trim();
        let pattern = CronParser::builder()
            .seconds(Seconds::Optional)
            .year(Year::Disallowed)
            .build()
            .parse(fields)
            .map_err(|error| ScheduleError::Cron {
                text: text.to_owned(),
                why: error.to_string(),
            })?;
        let cron = Cron {
            text: text.to_owned(),
            zone,
            pattern,
        };
        // Such as February 30th.
        match cron.next(Duration::ZERO) {
            Some(_) => Ok(cron),
            None => Err(ScheduleError::Never {
                text: text.to_owned(),
            }),
        }
    }

    /// The IANA name of its time zone.
    pub fn zone(&self) -> &'static str {
        self.zone.name()
    }

    /// The first moment after `after`; both on the scheduler's clock. None if there is none.
    pub fn next(&self, after: Duration) -> Option<Duration> {
        let after = EPOCH.checked_add_signed(TimeDelta::from_std(after).ok()?)?;
        let next = self
            .pattern
            .find_next_occurrence(&after.with_timezone(&self.zone), false)
            .ok()?;
        (next.with_timezone(&Utc) - EPOCH).to_std().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Duration {
        let at: DateTime<Utc> = text.parse().unwrap();
        (at - EPOCH).to_std().unwrap()
    }

    fn check(cron: &str, zone: &str, after: &str, next: &str) {
        let cron = Cron::parse(cron, zone).unwrap();
        assert_eq!(cron.next(at(after)), Some(at(next)), "{cron}");
    }

    #[test]
    fn fields_and_nicknames() {
        let now = "2026-03-01T10:07:30Z";
        check("*/5 * * * *", "UTC", now, "2026-03-01T10:10:00Z");
        check("*/20 * * * * *", "UTC", now, "2026-03-01T10:07:40Z");
        check("@hourly", "UTC", now, "2026-03-01T11:00:00Z");
        check("@daily", "UTC", now, "2026-03-02T00:00:00Z");
        check("@weekly", "UTC", now, "2026-03-08T00:00:00Z");
        check("0 9 * * MON-FRI", "UTC", now, "2026-03-02T09:00:00Z");
        check("@yearly", "UTC", now, "2027-01-01T00:00:00Z");
    }

    /// The moment itself is not after it, a microsecond before it is.
    #[test]
    fn strictly_after() {
        check(
            "0 * * * *",
            "UTC",
            "2026-03-01T10:00:00Z",
            "2026-03-01T11:00:00Z",
        );
        check(
            "0 * * * *",
            "UTC",
            "2026-03-01T09:59:59.999999Z",
            "2026-03-01T10:00:00Z",
        );
    }

    /// Nine o'clock in Berlin, before and after the clocks change; half past two is skipped on the
    /// day on which there is none, or comes right after.
    #[test]
    fn in_a_time_zone() {
        let nine = "0 9 * * *";
        check(
            nine,
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            "2026-03-29T07:00:00Z",
        );
        check(
            nine,
            "Europe/Berlin",
            "2026-03-27T12:00:00Z",
            "2026-03-28T08:00:00Z",
        );
        let stated = "CRON_TZ=America/New_York 0 9 * * *";
        check(
            stated,
            "Europe/Berlin",
            "2026-06-01T00:00:00Z",
            "2026-06-01T13:00:00Z",
        );
        let gap = Cron::parse("30 2 * * *", "Europe/Berlin").unwrap();
        let next = gap.next(at("2026-03-28T12:00:00Z")).unwrap();
        assert!(next >= at("2026-03-29T01:00:00Z") && next <= at("2026-03-30T00:30:00Z"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let err = |s: &str| Cron::parse(s, "UTC").unwrap_err();
        assert!(matches!(err("61 * * * *"), ScheduleError::Cron { .. }));
        assert!(matches!(err("@sometimes"), ScheduleError::Cron { .. }));
        assert!(matches!(err("* * * * * * *"), ScheduleError::Cron { .. }));
        assert!(matches!(err("0 0 30 2 *"), ScheduleError::Never { .. }));
        assert!(matches!(
            err("CRON_TZ=Mars/Olympus 0 9 * * *"),
            ScheduleError::Zone { zone, .. } if zone == "Mars/Olympus"
        ));
        assert!(matches!(err("CRON_TZ=UTC"), ScheduleError::Cron { .. }));
    }
}
