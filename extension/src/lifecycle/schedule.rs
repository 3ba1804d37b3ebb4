//! Schedules: a duration, or `calculated`.

use super::LifecycleError;
use super::error::or_report;
use pgrx::prelude::*;

const HINT: &str = "A duration is for instance 30s, 5m, 1h30m, 1d or 1w.";

/// Seconds of `1h30m` and kin.
pub fn seconds(text: &str) -> Option<i64> {
    let mut total: i64 = 0;
    let mut digits = String::new();
    let mut parts = 0;
    for c in text.trim().chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let unit: i64 = match c {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        let amount: i64 = digits.parse().ok()?;
        total = total.checked_add(amount.checked_mul(unit)?)?;
        digits.clear();
        parts += 1;
    }
    (digits.is_empty() && parts > 0).then_some(total)
}

pub fn check(schedule: &str) -> Result<(), LifecycleError> {
    if schedule == "calculated" {
        return Ok(());
    }
    if schedule.starts_with('@') || schedule.split_whitespace().count() >= 5 {
        return Err(LifecycleError::NotYet("cron schedules".into()));
    }
    match seconds(schedule) {
        Some(1..) => Ok(()),
        _ => Err(LifecycleError::Invalid {
            argument: "schedule",
            value: schedule.to_string(),
            hint: HINT,
        }),
    }
}

/// Seconds of a duration.
#[pg_extern(immutable, parallel_safe, strict)]
fn parse_duration_seconds(text: &str) -> i64 {
    or_report::<_, LifecycleError>(seconds(text).ok_or_else(|| LifecycleError::Invalid {
        argument: "duration",
        value: text.to_string(),
        hint: HINT,
    }))
}
