//! AUTO: refresh by the changes or in full, whichever will cost less.
//!
//! Two estimates of each way are weighed: this table's own history (milliseconds of
//! refreshes of like size) where there is one, else the planner's costs, which are comparable with
//! each other but not with milliseconds.

/// One past refresh by the changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Changed rows that it read.
    pub rows: f64,
    pub ms: f64,
}

/// What is known when the choice is made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Changed rows that wait now.
    pub delta_rows: f64,
    /// The planner's total cost of the full query, and of writing its result.
    pub full_cost: Option<f64>,
    /// The planner's total cost of all steps of the program for these changes.
    pub delta_cost: Option<f64>,
    /// Latest refreshes by the changes, newest first.
    pub differential: Vec<Sample>,
    /// Milliseconds of the latest full refreshes, newest first.
    pub full_ms: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Differential,
    Full,
}

/// Why, for the refresh history.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    pub way: Way,
    pub reason: String,
}

/// FULL must promise this much less than DIFFERENTIAL before it is taken: estimates are rough, a
/// full refresh rewrites what did not change, and switching to and fro is worse than either.
const ADVANTAGE: f64 = 1.5;

/// Below this many changed rows no estimate is asked for: planning both ways would cost more than
/// it could save.
pub const ALWAYS_DIFFERENTIAL: f64 = 100.0;

/// Median; none of nothing.
fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// So many refreshes of like size must there be: the first of a session compiles its program, and
/// any may have waited for something.
const SAMPLES: usize = 3;

/// Milliseconds that a refresh of `rows` changed rows should take: the median of the samples
/// within a factor of three of this size. Times do not carry farther: a good part of them is
/// fixed, and plans change their shape.
fn predicted_ms(samples: &[Sample], rows: f64) -> Option<f64> {
    let like: Vec<&Sample> = samples
        .iter()
        .filter(|s| s.rows >= rows / 3.0 && s.rows <= rows * 3.0)
        .collect();
    if like.len() < SAMPLES {
        return None;
    }
    // More rows than in the sample cost in proportion; fewer save, but nobody knows how much.
    median(like.into_iter().map(|s| s.ms * (rows / s.rows).max(1.0)))
}

/// Chooses the way of the next refresh.
pub fn choose(evidence: &Evidence) -> Choice {
    let differential = |reason: String| Choice {
        way: Way::Differential,
        reason,
    };
    if evidence.delta_rows <= ALWAYS_DIFFERENTIAL {
        return differential(format!("{} changed rows", evidence.delta_rows));
    }
    let measured = predicted_ms(&evidence.differential, evidence.delta_rows)
        .zip(median(evidence.full_ms.iter().copied()));
    let (unit, delta, full) = match (measured, evidence.delta_cost, evidence.full_cost) {
        (Some((delta, full)), _, _) => ("ms, from the history", delta, full),
        (None, Some(delta), Some(full)) => ("planner cost", delta, full),
        _ => return differential("nothing to compare with".to_owned()),
    };
    let reason = format!("differential {delta:.1}, full {full:.1} ({unit})");
    if full * ADVANTAGE < delta {
        Choice {
            way: Way::Full,
            reason,
        }
    } else {
        differential(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(delta_rows: f64) -> Evidence {
        Evidence {
            delta_rows,
            ..Evidence::default()
        }
    }

    #[test]
    fn small_changes_are_never_full() {
        let mut e = evidence(100.0);
        e.full_cost = Some(0.0);
        e.delta_cost = Some(1e9);
        assert_eq!(choose(&e).way, Way::Differential);
    }

    #[test]
    fn costs_decide_without_history() {
        let mut e = evidence(1e6);
        assert_eq!(choose(&e).way, Way::Differential);
        e.full_cost = Some(1000.0);
        e.delta_cost = Some(1400.0);
        assert_eq!(choose(&e).way, Way::Differential);
        e.delta_cost = Some(1600.0);
        assert_eq!(choose(&e).way, Way::Full);
        assert!(choose(&e).reason.contains("planner cost"));
    }

    #[test]
    fn history_of_like_size_overrules_costs() {
        let mut e = evidence(10_000.0);
        e.full_cost = Some(1000.0);
        e.delta_cost = Some(9000.0);
        e.full_ms = vec![300.0, 310.0, 290.0];
        let thrice = |rows, ms| vec![Sample { rows, ms }; 3];
        e.differential = thrice(9_000.0, 40.0);
        assert_eq!(choose(&e).way, Way::Differential);
        // One slow refresh among them does not count.
        e.differential[0].ms = 4000.0;
        assert_eq!(choose(&e).way, Way::Differential);
        // Samples of another magnitude, or too few, say nothing: back to costs.
        e.differential = thrice(10.0, 2.0);
        assert_eq!(choose(&e).way, Way::Full);
        e.differential = vec![Sample {
            rows: 9_000.0,
            ms: 40.0,
        }];
        assert_eq!(choose(&e).way, Way::Full);
        // Slow in practice.
        e.differential = thrice(5_000.0, 400.0);
        assert_eq!(choose(&e).way, Way::Full);
    }
}
