//! Schedules: a duration, a calendar, or `calculated`.

use super::LifecycleError;
use super::error::or_report;
use crate::settings;
use pgrx::prelude::*;
use runtime::schedule::{Schedule, parse_duration};

/// Is this a schedule that can be had? `zone` is the time zone of a calendar that does not say its
/// own.
pub fn check(text: &str, zone: &str) -> Result<(), LifecycleError> {
    match Schedule::parse(text, zone)? {
        Schedule::Every(every) if every < settings::min_schedule() => {
            Err(LifecycleError::Invalid {
                argument: "schedule",
                value: text.to_string(),
                hint: "It is shorter than pg_trickle.min_schedule_seconds allows.",
            })
        }
        _ => Ok(()),
    }
}

/// The time zone among recorded settings.
pub fn zone(settings: &[(String, String)]) -> &str {
    let mut zones = settings.iter().filter(|(name, _)| name == "TimeZone");
    zones.next().map_or("UTC", |(_, zone)| zone)
}

/// Seconds of a duration.
#[pg_extern(immutable, parallel_safe, strict)]
fn parse_duration_seconds(text: &str) -> i64 {
    let duration = parse_duration(text).map_err(LifecycleError::from);
    or_report::<_, LifecycleError>(duration).as_secs() as i64
}
