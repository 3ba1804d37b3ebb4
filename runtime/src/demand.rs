//! When each stream table should be refreshed: what its schedule says, or its readers ask for.
//!
//! ```text
//! demand(x) = tier(x) · own(x)
//! own(x)    = its schedule, or where that is `calculated`:
//!             the demands of all that read it together; the default if nothing does
//! ```

use crate::cron::Cron;
use crate::schedule::Schedule;
use std::sync::Arc;
use std::time::Duration;

/// How much a stream table matters: what its schedule is multiplied by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tier {
    #[default]
    Hot,
    Warm,
    Cold,
    /// Not refreshed by a schedule at all.
    Frozen,
}

impl Tier {
    pub fn parse(text: &str) -> Option<Tier> {
        match text.to_ascii_lowercase().as_str() {
            "hot" => Some(Tier::Hot),
            "warm" => Some(Tier::Warm),
            "cold" => Some(Tier::Cold),
            "frozen" => Some(Tier::Frozen),
            _ => None,
        }
    }

    /// None: never.
    fn factor(self) -> Option<u32> {
        match self {
            Tier::Hot => Some(1),
            Tier::Warm => Some(2),
            Tier::Cold => Some(10),
            Tier::Frozen => None,
        }
    }
}

/// The moments at which content is wanted that is no older than they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    every: Option<Duration>,
    /// At each n-th moment of a calendar.
    at: Vec<(Arc<Cron>, u32)>,
}

impl Demand {
    pub fn every(interval: Duration) -> Demand {
        Demand {
            every: Some(interval),
            at: vec![],
        }
    }

    /// None for `calculated`.
    pub fn of(schedule: &Schedule) -> Option<Demand> {
        match schedule {
            Schedule::Every(every) => Some(Demand::every(*every)),
            Schedule::At(cron) => Some(Demand {
                every: None,
                at: vec![(cron.clone(), 1)],
            }),
            Schedule::Calculated => None,
        }
    }

    pub fn is_never(&self) -> bool {
        self.every.is_none() && self.at.is_empty()
    }

    /// Both: what is wanted by either.
    pub fn and(&mut self, other: &Demand) {
        self.every = match (self.every, other.every) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        for moment in &other.at {
            if !self.at.contains(moment) {
                self.at.push(moment.clone());
            }
        }
    }

    pub fn in_tier(mut self, tier: Tier) -> Demand {
        let Some(factor) = tier.factor() else {
            return Demand::default();
        };
        self.every = self.every.map(|every| every.saturating_mul(factor));
        for (_, nth) in &mut self.at {
            *nth = nth.saturating_mul(factor);
        }
        self
    }

    /// No interval below this.
    pub fn at_least(mut self, shortest: Duration) -> Demand {
        self.every = self.every.map(|every| every.max(shortest));
        self
    }

    /// When content that is exact as of `as_of` has become too old; None if it never does.
    pub fn due(&self, as_of: Duration) -> Option<Duration> {
        self.due_after(as_of, as_of)
    }

    /// The same, where all moments of a calendar up to `kept` are kept.
    pub fn due_after(&self, as_of: Duration, kept: Duration) -> Option<Duration> {
        let by_interval = self.every.map(|every| as_of.saturating_add(every));
        let by_calendar = self.at.iter().filter_map(|(cron, nth)| {
            (0..*nth).try_fold(as_of.max(kept), |moment, _| cron.next(moment))
        });
        by_interval.into_iter().chain(by_calendar).min()
    }

    /// What an error's pause begins with: about the time between two refreshes.
    pub fn interval(&self, now: Duration) -> Duration {
        let gap = self
            .due(now)
            .and_then(|first| Some(self.due(first)?.saturating_sub(first)));
        gap.unwrap_or(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn demand(schedule: &str) -> Demand {
        Demand::of(&Schedule::parse(schedule, "UTC").unwrap()).unwrap()
    }

    #[test]
    fn the_tightest_of_both() {
        let mut both = demand("1h");
        both.and(&demand("0 * * * *"));
        both.and(&demand("0 * * * *"));
        assert_eq!(both.at.len(), 1);
        // By the calendar, then by the interval.
        assert_eq!(both.due(S(1800)), Some(S(3600)));
        let mut both = demand("10s");
        both.and(&demand("@daily"));
        assert_eq!(both.due(S(100)), Some(S(110)));
        assert_eq!(both.due(S(86_395)), Some(S(86_400)));
    }

    #[test]
    fn moments_that_were_kept() {
        let mut both = demand("0 * * * *");
        assert_eq!(both.due_after(S(10), S(3600)), Some(S(7200)));
        both.and(&demand("10s"));
        assert_eq!(both.due_after(S(10), S(3600)), Some(S(20)));
    }

    #[test]
    fn tiers_stretch() {
        assert_eq!(demand("10s").in_tier(Tier::Warm).due(S(0)), Some(S(20)));
        assert_eq!(demand("10s").in_tier(Tier::Cold).due(S(0)), Some(S(100)));
        let hourly = demand("@hourly").in_tier(Tier::Warm);
        assert_eq!(hourly.due(S(100)), Some(S(7200)));
        assert_eq!(hourly.interval(S(100)), S(7200));
        assert!(demand("10s").in_tier(Tier::Frozen).is_never());
        assert_eq!(demand("10s").in_tier(Tier::Frozen).due(S(0)), None);
    }

    #[test]
    fn names() {
        assert_eq!(Tier::parse("COLD"), Some(Tier::Cold));
        assert_eq!(Tier::parse("tepid"), None);
    }
}
