//! Schedules: a duration, a calendar, or `calculated`.

use super::LifecycleError;
use super::error::or_report;
use crate::settings;
use pgrx::prelude::*;
use runtime::demand::{Demand, Tier};
use runtime::schedule::{Schedule, parse_duration};
use std::time::Duration;

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

/// About how many seconds lie between two refreshes of a schedule, in a tier; NULL if there are
/// none. `fallback` is that of a calculated schedule.
#[pg_extern(name = "_schedule_seconds", stable, parallel_safe, strict)]
fn schedule_seconds(schedule: &str, tier: &str, fallback: i64) -> Option<i64> {
    let schedule = Schedule::parse(schedule, "UTC").ok()?;
    let fallback = Demand::every(Duration::from_secs(fallback.max(1) as u64));
    let demand = Demand::of(&schedule).unwrap_or(fallback);
    let demand = demand.in_tier(Tier::parse(tier).unwrap_or_default());
    // SAFETY: reads the clock.
    let now = Duration::from_micros(unsafe { pg_sys::GetCurrentTimestamp() }.max(0) as u64);
    (!demand.is_never()).then(|| demand.interval(now).as_secs() as i64)
}
