//! A scheduler cycle: which stream tables are due, in which order, and when to wake up next.
//!
//! A stream table that no change waits for is exact by itself, and costs nothing. Where changes
//! wait, its content is exact *as of* the last moment at which none did:
//!
//! ```text
//! as_of(x)  = pending(x) ? last moment without pending changes : now
//!             and no newer than as_of of what it reads, if that is refreshed in this cycle
//! due(x)    = pending(x) and as_of(x) + interval(x) <= now, and not backing off
//! ```

use crate::backoff;
use crate::dag::{Cycle, Dag, TableId};
use crate::schedule::Schedule;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What the scheduler knows of one active stream table. Times are on one clock of the caller's,
/// since any epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub id: TableId,
    pub schedule: Schedule,
    /// Changes wait for it, or whether any do cannot be known (FULL).
    pub pending: bool,
    /// When its content was last known to be exact; none if it was never filled.
    pub as_of: Option<Duration>,
    /// When it was last tried, if that failed.
    pub failed_at: Option<Duration>,
    pub consecutive_errors: u32,
}

/// What a cycle is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cycles {
    /// Due now, upstreams first.
    pub due: Vec<TableId>,
    /// The as-of moment of those that are, or after this cycle will be, behind: the due ones, too.
    /// None if it was never filled.
    pub behind: BTreeMap<TableId, Option<Duration>>,
    /// The earliest time at which another becomes due; none if there is nothing to wait for.
    pub next: Option<Duration>,
}

/// When a table that is behind becomes due.
fn due_at(table: &Table, as_of: Option<Duration>, every: Duration) -> Duration {
    let by_schedule = as_of.map_or(Duration::ZERO, |at| at.saturating_add(every));
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
    let mut due = BTreeSet::new();
    for id in dag.refresh_order()? {
        let (Some(table), Some(every)) = (by_id.get(&id), demand.get(&id)) else {
            continue;
        };
        let every = (*every).max(shortest);
        let inherited = dag
            .upstream(id)
            .into_iter()
            .filter(|up| due.contains(up))
            .filter_map(|up| out.behind.get(&up).copied())
            .min();
        let as_of = match (table.pending, inherited) {
            (true, Some(inherited)) => Some(table.as_of.min(inherited)),
            (true, None) => Some(table.as_of),
            (false, inherited) => inherited,
        };
        // What is behind nothing may be so right after this look.
        let mut again = now.saturating_add(every);
        if let Some(as_of) = as_of {
            out.behind.insert(id, as_of);
            let at = due_at(table, as_of, every);
            if at <= now {
                out.due.push(id);
                due.insert(id);
            } else {
                again = at;
            }
        }
        out.next = Some(out.next.map_or(again, |next| next.min(again)));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn table(id: TableId, seconds: u64) -> Table {
        Table {
            id,
            schedule: Schedule::Every(S(seconds)),
            pending: true,
            as_of: None,
            failed_at: None,
            consecutive_errors: 0,
        }
    }

    fn at(now: u64, tables: &[Table], edges: &[(TableId, TableId)]) -> Cycles {
        cycle(tables, edges, S(now), S(1), S(1)).unwrap()
    }

    #[test]
    fn never_filled_is_due_and_fresh_is_not() {
        let mut t = table(1, 10);
        assert_eq!(at(100, std::slice::from_ref(&t), &[]).due, vec![1]);
        t.as_of = Some(S(95));
        let c = at(100, std::slice::from_ref(&t), &[]);
        assert_eq!((c.due, c.next), (vec![], Some(S(105))));
        assert_eq!(c.behind, BTreeMap::from([(1, Some(S(95)))]));
        assert_eq!(at(105, std::slice::from_ref(&t), &[]).due, vec![1]);
    }

    #[test]
    fn nothing_pending_nothing_due() {
        let mut t = table(1, 10);
        t.as_of = Some(S(1));
        t.pending = false;
        let c = at(1000, &[t], &[]);
        assert_eq!((c.due, c.next), (vec![], Some(S(1010))));
        assert_eq!(c.behind, BTreeMap::new());
    }

    #[test]
    fn errors_wait_longer() {
        let mut t = table(1, 10);
        t.as_of = Some(S(0));
        t.failed_at = Some(S(100));
        t.consecutive_errors = 3;
        let c = at(110, &[t], &[]);
        assert_eq!((c.due, c.next), (vec![], Some(S(140))));
    }

    /// A change passes through a chain in one cycle, or as late as a reader allows.
    #[test]
    fn a_refresh_is_passed_on() {
        let mut up = table(1, 5);
        up.as_of = Some(S(100));
        let mut down = table(2, 5);
        down.pending = false;
        let mut slow = table(3, 60);
        slow.pending = false;
        let tables = [up, down, slow];
        let edges = [(1, 2), (1, 3)];
        let c = at(105, &tables, &edges);
        assert_eq!(c.due, vec![1, 2]);
        assert_eq!(c.behind[&3], Some(S(100)));
        assert_eq!(c.next, Some(S(110)));
        assert_eq!(at(104, &tables, &edges).behind.len(), 1);
    }

    proptest! {
        /// Simulates an hour in which something is always pending: nothing is refreshed before
        /// its upstreams in a cycle, nothing waits longer than its interval, and the scheduler
        /// sleeps in between.
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
                .map(|(i, s)| table(i as TableId, *s)).collect();
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
                    t.as_of = if c.due.contains(&t.id) { Some(now) } else { c.behind[&t.id] };
                    let Schedule::Every(every) = t.schedule else { unreachable!() };
                    prop_assert!(now - t.as_of.unwrap() < every);
                }
                prop_assert!(c.next.unwrap() > now, "busy waiting");
                now = c.next.unwrap();
                cycles += 1;
            }
            let shortest = *intervals.iter().min().unwrap();
            // What is refreshed is only as new as its upstreams are, and due again when the
            // oldest of them would be.
            prop_assert!(cycles as u64 <= (n * n) as u64 * (3600 / shortest + 1));
            prop_assert!(cycles as u64 >= 3600 / shortest);
        }

        /// Without changes nothing is ever due, and the pause is the shortest interval.
        #[test]
        fn idle_costs_nothing(intervals in proptest::collection::vec(1u64..120, 1..12)) {
            let tables: Vec<Table> = intervals.iter().enumerate().map(|(i, s)| {
                let mut t = table(i as TableId, *s);
                (t.pending, t.as_of) = (false, Some(S(1)));
                t
            }).collect();
            let c = at(5000, &tables, &[]);
            prop_assert_eq!(c.due, Vec::<TableId>::new());
            prop_assert_eq!(c.next, Some(S(5000 + intervals.iter().min().unwrap())));
        }
    }
}
