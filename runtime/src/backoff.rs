//! What follows an error: try again soon, later, or not at all.

use std::time::Duration;

/// Is an error likely to go away by itself?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A conflict or a shortage: tried again, and never a reason to suspend.
    Transient,
    /// The query, the data or the definitions are at fault: counted.
    Persistent,
}

/// Classifies by SQLSTATE: serialization failures and deadlocks (40xxx), locks not available
/// (55P03), resources (53xxx), operator intervention such as a shutdown or a cancelled query
/// (57xxx) and connection troubles (08xxx) pass; all else stays.
pub fn classify(sqlstate: &str) -> Class {
    match sqlstate.get(..2) {
        Some("40" | "53" | "57" | "08") => Class::Transient,
        _ if sqlstate == "55P03" => Class::Transient,
        _ => Class::Persistent,
    }
}

/// The pause before the next attempt after `errors` failures in a row: doubles from the table's
/// own interval (at least one second), to an hour at the most or the interval, if that is longer.
pub fn pause(errors: u32, interval: Duration) -> Duration {
    let base = interval.max(Duration::from_secs(1));
    let longest = base.max(Duration::from_secs(3600));
    1u32.checked_shl(errors.saturating_sub(1))
        .and_then(|factor| base.checked_mul(factor))
        .map_or(longest, |pause| pause.min(longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        for code in [
            "40001", "40P01", "53300", "55P03", "57014", "57P01", "08006",
        ] {
            assert_eq!(classify(code), Class::Transient, "{code}");
        }
        for code in ["22012", "42P01", "55006", "XX000", "", "4"] {
            assert_eq!(classify(code), Class::Persistent, "{code}");
        }
    }

    #[test]
    fn pauses_double_up_to_an_hour() {
        let s = Duration::from_secs;
        assert_eq!(pause(1, s(5)), s(5));
        assert_eq!(pause(3, s(5)), s(20));
        assert_eq!(pause(40, s(5)), s(3600));
        assert_eq!(pause(u32::MAX, s(5)), s(3600));
        assert_eq!(pause(2, s(86_400)), s(86_400));
        assert_eq!(pause(1, Duration::ZERO), s(1));
    }
}
