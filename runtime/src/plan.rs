//! A scheduler cycle: which stream tables are due, in which order, and when to wake up next.

use crate::backoff;
use crate::dag::{Cycle, Dag, TableId};
use crate::schedule::Schedule;
use std::collections::BTreeMap;
use std::time::Duration;

/// What the scheduler knows of one active stream table. Times are on one clock of the caller's,
/// since any epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub id: TableId,
    pub schedule: Schedule,
    /// When its content was last known to be exact; none if it was never filled.
    pub fresh_at: Option<Duration>,
    /// When it was last tried, if that failed.
    pub failed_at: Option<Duration>,
    pub consecutive_errors: u32,
}

/// What a cycle is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cycles {
    /// Due now, upstreams first.
    pub due: Vec<TableId>,
    /// The earliest time at which another becomes due; none if there is nothing to wait for.
    pub next: Option<Duration>,
}

/// When this table becomes due.
fn due_at(table: &Table, every: Duration) -> Duration {
    let by_schedule = table
        .fresh_at
        .map_or(Duration::ZERO, |at| at.saturating_add(every));
    let by_backoff = match table.failed_at {
        Some(at) if table.consecutive_errors > 0 => {
            at.saturating_add(backoff::pause(table.consecutive_errors, every))
        }
        _ => Duration::ZERO,
    };
    by_schedule.max(by_backoff)
}

/// Plans the cycle at `now`. `edges` are (upstream, downstream) among the tables; intervals below
/// `shortest` are stretched to it.
pub fn cycle(
    tables: &[Table],
    edges: &[(TableId, TableId)],
    now: Duration,
    default: Duration,
    shortest: Duration,
) -> Result<Cycles, Cycle> {
    let dag = Dag::new(tables.iter().map(|t| t.id), edges.iter().copied());
    let schedules: BTreeMap<TableId, Schedule> =
        tables.iter().map(|t| (t.id, t.schedule)).collect();
    let demand = dag.demand(&schedules, default)?;
    let by_id: BTreeMap<TableId, &Table> = tables.iter().map(|t| (t.id, t)).collect();
    let mut out = Cycles::default();
    for id in dag.refresh_order()? {
        let (Some(table), Some(every)) = (by_id.get(&id), demand.get(&id)) else {
            continue;
        };
        let every = (*every).max(shortest);
        let at = due_at(table, every);
        if at <= now {
            out.due.push(id);
        }
        // After this cycle the table is due again one interval from now.
        let again = if at <= now {
            now.saturating_add(every)
        } else {
            at
        };
        out.next = Some(out.next.map_or(again, |next| next.min(again)));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn table(id: TableId, schedule: Schedule) -> Table {
        Table {
            id,
            schedule,
            fresh_at: None,
            failed_at: None,
            consecutive_errors: 0,
        }
    }

    #[test]
    fn never_filled_is_due_and_fresh_is_not() {
        let mut t = table(1, Schedule::Every(S(10)));
        let run = |t: &Table, now| cycle(std::slice::from_ref(t), &[], now, S(1), S(1)).unwrap();
        assert_eq!(run(&t, S(100)).due, vec![1]);
        t.fresh_at = Some(S(95));
        let c = run(&t, S(100));
        assert_eq!((c.due, c.next), (vec![], Some(S(105))));
        assert_eq!(run(&t, S(105)).due, vec![1]);
    }

    #[test]
    fn errors_wait_longer() {
        let mut t = table(1, Schedule::Every(S(10)));
        t.fresh_at = Some(S(0));
        t.failed_at = Some(S(100));
        t.consecutive_errors = 3;
        let c = cycle(&[t], &[], S(110), S(1), S(1)).unwrap();
        assert_eq!((c.due, c.next), (vec![], Some(S(140))));
    }

    proptest! {
        /// Simulates an hour: nothing is refreshed before its upstreams in a cycle, nothing waits
        /// longer than its interval, and the scheduler sleeps in between.
        #[test]
        fn nothing_due_is_skipped(
            intervals in proptest::collection::vec(1u64..120, 1..12),
            edges in proptest::collection::vec((0usize..12, 0usize..12), 0..20),
        ) {
            let n = intervals.len();
            let edges: Vec<(TableId, TableId)> = edges.into_iter()
                .filter(|(a, b)| a < b && *b < n)
                .map(|(a, b)| (a as TableId, b as TableId)).collect();
            let mut tables: Vec<Table> = intervals.iter().enumerate()
                .map(|(i, s)| table(i as TableId, Schedule::Every(S(*s)))).collect();
            let mut now = S(1000);
            let mut cycles = 0;
            while now < S(4600) {
                let c = cycle(&tables, &edges, now, S(1), S(1)).unwrap();
                let at = |t: &TableId| c.due.iter().position(|d| d == t);
                for (up, down) in &edges {
                    if let (Some(u), Some(d)) = (at(up), at(down)) {
                        prop_assert!(u < d);
                    }
                }
                for t in &mut tables {
                    if c.due.contains(&t.id) {
                        t.fresh_at = Some(now);
                    }
                    let Schedule::Every(every) = t.schedule else { unreachable!() };
                    prop_assert!(now - t.fresh_at.unwrap() < every || every == S(0));
                }
                prop_assert!(c.next.unwrap() > now, "busy waiting");
                now = c.next.unwrap();
                cycles += 1;
            }
            let shortest = *intervals.iter().min().unwrap();
            prop_assert!(cycles as u64 <= intervals.iter().map(|i| 3600 / i + 1).sum::<u64>());
            prop_assert!(cycles as u64 >= 3600 / shortest);
        }
    }
}
