//! A scheduler cycle: which units are due, in which order, and when to wake up next.
//!
//! A stream table that no change waits for is exact by itself, and costs nothing. Where changes
//! wait, its content is exact *as of* the last moment at which none did:
//!
//! ```text
//! as_of(x)  = pending(x) ? last moment without pending changes : now
//!             and no newer than as_of of what it reads, if that is refreshed in this cycle
//! due(x)    = pending(x) and demand(x) wants what is newer than as_of(x) by now, not backing off
//! due(unit) = one of its members is due (or all that changes wait for, as its policy says), and
//!             none is held up
//! ```
//!
//! A unit is refreshed after those units that it reads and that are due as well; while one of these
//! is still being refreshed from an earlier cycle, it waits. But not for ever, where these are due
//! again and again: what is overdue by more than its own interval waits for nobody, and workers
//! take what has been due for longest first.

use crate::backoff;
use crate::dag::{Dag, TableId};
use crate::demand::{Demand, Tier};
use crate::schedule::Schedule;
use crate::unit::{Policy, Unit};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What the scheduler knows of one active stream table. Times are on the scheduler's clock
/// ([`crate::cron`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub id: TableId,
    pub schedule: Schedule,
    pub tier: Tier,
    /// Changes wait for it, or whether any do cannot be known (FULL).
    pub pending: bool,
    /// When its content was last known to be exact; none if it was never filled.
    pub as_of: Option<Duration>,
    /// When it was last refreshed.
    pub refreshed_at: Option<Duration>,
    /// When it was last tried, if that failed.
    pub failed_at: Option<Duration>,
    pub consecutive_errors: u32,
    /// It must not be refreshed now: a source is gated, or watermarks are apart.
    pub held: bool,
}

/// How often at the most, and how often where nobody says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of `calculated` stream tables that nothing reads.
    pub default: Duration,
    /// Shorter intervals are stretched to this.
    pub shortest: Duration,
}

/// Stream tables and how they hang together.
#[derive(Clone, Copy, Debug)]
pub struct Pipeline<'a> {
    pub tables: &'a [Table],
    /// (upstream, downstream), among the tables.
    pub edges: &'a [(TableId, TableId)],
    /// Each after those that it reads. A table that is in none is never refreshed.
    pub units: &'a [Unit],
}

/// A unit that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its place among the units.
    pub unit: usize,
    /// Units of this cycle that must have ended before.
    pub after: Vec<usize>,
    /// Since when it is due.
    pub since: Duration,
}

/// What a cycle is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cycle {
    /// Due now, upstreams first.
    pub due: Vec<Run>,
    /// Would be due, and are held up.
    pub held: Vec<TableId>,
    /// Some are due that wait for what runs: plan again when that has ended.
    pub waits: bool,
    /// The as-of moment of those that are, or after this cycle will be, behind: the due ones, too.
    /// None if it was never filled.
    pub behind: BTreeMap<TableId, Option<Duration>>,
    /// The earliest time at which another becomes due; none if there is nothing to wait for.
    pub next: Option<Duration>,
}

/// When a table that is behind becomes due; None: never.
fn due_at(table: &Table, as_of: Option<Duration>, demand: &Demand) -> Option<Duration> {
    match as_of {
        // A moment of the calendar at which it was refreshed has been kept, although what it
        // reads was older.
        Some(at) => demand.due_after(at, table.refreshed_at.unwrap_or(at)),
        None => (!demand.is_never()).then_some(Duration::ZERO),
    }
}

/// Until when it is left alone because it failed.
fn backs_off(table: &Table, demand: &Demand, now: Duration) -> Option<Duration> {
    let at = table.failed_at.filter(|_| table.consecutive_errors > 0)?;
    let pause = backoff::pause(table.consecutive_errors, demand.interval(now));
    Some(at.saturating_add(pause))
}

/// Plans the cycle at `now`, while the units that `running` are members of are being refreshed.
pub fn cycle(
    pipeline: &Pipeline<'_>,
    running: &BTreeSet<TableId>,
    now: Duration,
    limits: Limits,
) -> Cycle {
    let Pipeline {
        tables,
        edges,
        units,
    } = *pipeline;
    let dag = Dag::new(tables.iter().map(|t| t.id), edges.iter().copied());
    let schedules: BTreeMap<TableId, (Schedule, Tier)> = tables
        .iter()
        .map(|t| (t.id, (t.schedule.clone(), t.tier)))
        .collect();
    let demand = dag.demand(&schedules, &Demand::every(limits.default));
    let demand: BTreeMap<TableId, Demand> = demand
        .into_iter()
        .map(|(id, demand)| (id, demand.at_least(limits.shortest)))
        .collect();
    let by_id: BTreeMap<TableId, &Table> = tables.iter().map(|t| (t.id, t)).collect();
    let mut out = Cycle::default();
    // The units of this cycle that a table belongs to, and those that wait for what still runs.
    let mut due: BTreeMap<TableId, usize> = BTreeMap::new();
    let mut waiting: BTreeSet<TableId> = running.clone();
    let wake = |out: &mut Cycle, at: Option<Duration>| {
        if let Some(at) = at {
            out.next = Some(out.next.map_or(at, |next| next.min(at)));
        }
    };
    for (place, unit) in units.iter().enumerate() {
        let known = || {
            let members = unit.members.iter();
            members.filter_map(|id| Some((*by_id.get(id)?, demand.get(id)?)))
        };
        let upstream: BTreeSet<TableId> = unit
            .members
            .iter()
            .flat_map(|id| dag.upstream(*id))
            .filter(|up| !unit.members.contains(up))
            .collect();
        // What waits in front of it from outside.
        let mut as_of: BTreeMap<TableId, Option<Duration>> = BTreeMap::new();
        for (table, _) in known() {
            let inherited = dag
                .upstream(table.id)
                .into_iter()
                .filter(|up| due.contains_key(up) && upstream.contains(up))
                .filter_map(|up| out.behind.get(&up).copied())
                .min();
            match (table.pending, inherited) {
                (true, Some(inherited)) => as_of.insert(table.id, table.as_of.min(inherited)),
                (true, None) => as_of.insert(table.id, table.as_of),
                (false, Some(inherited)) => as_of.insert(table.id, inherited),
                (false, None) => None,
            };
        }
        let moments: BTreeMap<TableId, Option<Duration>> = known()
            .filter_map(|(table, demand)| {
                let as_of = *as_of.get(&table.id)?;
                Some((table.id, due_at(table, as_of, demand)))
            })
            .collect();
        let since = match unit.policy {
            Policy::Fastest => moments.values().flatten().min().copied(),
            Policy::Slowest => moments
                .values()
                .try_fold(Duration::ZERO, |latest, at| at.map(|at| latest.max(at))),
        };
        // Its members fail together.
        let pause = known()
            .filter_map(|(table, demand)| backs_off(table, demand, now))
            .max()
            .filter(|until| *until > now);
        let wanted = !moments.is_empty() && since.is_some_and(|since| since <= now);
        let is_due = wanted && pause.is_none();
        // What is due for what it inherits alone has not waited itself.
        let waited = known().filter_map(|(table, demand)| {
            let as_of = (*as_of.get(&table.id)?).max(table.refreshed_at);
            due_at(table, as_of, demand)
        });
        let since = is_due.then(|| waited.min().map_or(now, |since| since.min(now)));
        let held: Vec<TableId> = known()
            .filter(|(table, _)| table.held && since.is_some())
            .map(|(table, _)| table.id)
            .collect();
        let ready = since.filter(|_| held.is_empty());
        out.held.extend(held);
        // Never filled, or not yet so late that it must not wait.
        let filled = known().all(|(table, _)| table.as_of.is_some());
        let patient = ready.is_some_and(|since| {
            let interval = known().map(|(_, demand)| demand.interval(now)).min();
            filled && now < since.saturating_add(interval.unwrap_or_default())
        });
        let awaited: Vec<TableId> = upstream
            .iter()
            .filter(|up| patient || by_id.get(up).is_some_and(|t| t.as_of.is_none()))
            .copied()
            .collect();
        let waits = unit.members.iter().any(|id| running.contains(id))
            || awaited.iter().any(|up| waiting.contains(up));
        if ready.is_some() && waits {
            waiting.extend(unit.members.iter().copied());
            out.waits = true;
        }
        if let Some(since) = ready.filter(|_| !waits) {
            let after: BTreeSet<usize> = awaited
                .iter()
                .filter_map(|up| due.get(up).copied())
                .collect();
            // Its members pass on to each other what waits.
            for (table, _) in known() {
                let within = dag
                    .upstream(table.id)
                    .into_iter()
                    .filter(|up| unit.members.contains(up))
                    .filter_map(|up| as_of.get(&up).copied())
                    .min();
                if let Some(within) = within {
                    let own = as_of.get(&table.id).copied().unwrap_or(within);
                    as_of.insert(table.id, own.min(within));
                }
            }
            due.extend(unit.members.iter().map(|id| (*id, place)));
            out.due.push(Run {
                unit: place,
                after: after.into_iter().collect(),
                since,
            });
        }
        if let Some(until) = pause.filter(|_| wanted) {
            wake(&mut out, Some(until));
            out.behind.extend(as_of);
            continue;
        }
        for (table, demand) in known() {
            // What is behind nothing may be so right after this look.
            let again = match moments.get(&table.id) {
                Some(Some(at)) if *at > now => Some(*at),
                Some(None) => None,
                _ => demand.due(now),
            };
            wake(&mut out, again);
        }
        out.behind.extend(as_of);
    }
    for table in tables.iter().filter(|t| t.pending) {
        out.behind.entry(table.id).or_insert(table.as_of);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::{Input, Kind, Structure};
    use proptest::prelude::*;

    const S: fn(u64) -> Duration = Duration::from_secs;
    const LIMITS: Limits = Limits {
        default: Duration::from_secs(1),
        shortest: Duration::from_secs(1),
    };

    fn table(id: TableId, schedule: &str) -> Table {
        Table {
            id,
            schedule: Schedule::parse(schedule, "UTC").unwrap(),
            tier: Tier::Hot,
            pending: true,
            as_of: None,
            refreshed_at: None,
            failed_at: None,
            consecutive_errors: 0,
            held: false,
        }
    }

    fn every(id: TableId, seconds: u64) -> Table {
        table(id, &format!("{seconds}s"))
    }

    /// Each in a unit of its own, or as `together` says.
    fn structure(
        tables: &[Table],
        edges: &[(TableId, TableId)],
        together: &[&[TableId]],
    ) -> Vec<Unit> {
        Structure {
            tables: tables.iter().map(|t| t.id).collect(),
            reads: edges
                .iter()
                .map(|(up, down)| (Input::Table(*up), *down))
                .collect(),
            atomic: BTreeMap::new(),
            groups: together
                .iter()
                .map(|g| g.iter().copied().collect())
                .collect(),
        }
        .units()
    }

    /// What is due, and the rest of the plan.
    fn at(now: u64, tables: &[Table], edges: &[(TableId, TableId)]) -> (Vec<TableId>, Cycle) {
        let units = structure(tables, edges, &[]);
        let pipeline = Pipeline {
            tables,
            edges,
            units: &units,
        };
        let cycle = cycle(&pipeline, &BTreeSet::new(), S(now), LIMITS);
        let due = cycle.due.iter().flat_map(|r| units[r.unit].members.clone());
        (due.collect(), cycle)
    }

    #[test]
    fn never_filled_is_due_and_fresh_is_not() {
        let mut t = every(1, 10);
        assert_eq!(at(100, std::slice::from_ref(&t), &[]).0, vec![1]);
        t.as_of = Some(S(95));
        let (due, c) = at(100, std::slice::from_ref(&t), &[]);
        assert_eq!((due, c.next), (vec![], Some(S(105))));
        assert_eq!(c.behind, BTreeMap::from([(1, Some(S(95)))]));
        assert_eq!(at(105, std::slice::from_ref(&t), &[]).0, vec![1]);
    }

    #[test]
    fn nothing_pending_nothing_due() {
        let mut t = every(1, 10);
        t.as_of = Some(S(1));
        t.pending = false;
        let (due, c) = at(1000, &[t], &[]);
        assert_eq!((due, c.next), (vec![], Some(S(1010))));
        assert_eq!(c.behind, BTreeMap::new());
    }

    #[test]
    fn errors_wait_longer() {
        let mut t = every(1, 10);
        t.as_of = Some(S(0));
        t.failed_at = Some(S(100));
        t.consecutive_errors = 3;
        let (due, c) = at(110, &[t], &[]);
        assert_eq!((due, c.next), (vec![], Some(S(140))));
    }

    /// What came in since the last full hour is refreshed at the next; also when that was missed.
    #[test]
    fn by_the_calendar() {
        let mut t = table(1, "0 * * * *");
        t.as_of = Some(S(3700));
        let (due, c) = at(7000, std::slice::from_ref(&t), &[]);
        assert_eq!((due, c.next), (vec![], Some(S(7200))));
        assert_eq!(at(7200, std::slice::from_ref(&t), &[]).0, vec![1]);
        assert_eq!(at(9000, std::slice::from_ref(&t), &[]).0, vec![1]);
    }

    #[test]
    fn frozen_is_behind_and_never_due() {
        let mut t = every(1, 10);
        t.tier = Tier::Frozen;
        t.as_of = Some(S(0));
        let (due, c) = at(1000, std::slice::from_ref(&t), &[]);
        assert_eq!((due, c.next), (vec![], None));
        assert_eq!(c.behind[&1], Some(S(0)));
        t.as_of = None;
        assert_eq!(at(1000, &[t], &[]).0, Vec::<TableId>::new());
    }

    /// A change passes through a chain in one cycle, or as late as a reader allows.
    #[test]
    fn a_refresh_is_passed_on() {
        let mut up = every(1, 5);
        up.as_of = Some(S(100));
        let mut down = every(2, 5);
        down.as_of = Some(S(100));
        down.pending = false;
        let mut slow = every(3, 60);
        slow.as_of = Some(S(100));
        slow.pending = false;
        let tables = [up, down, slow];
        let edges = [(1, 2), (1, 3)];
        let (due, c) = at(105, &tables, &edges);
        assert_eq!(due, vec![1, 2]);
        assert_eq!(c.due[1].after, vec![c.due[0].unit]);
        assert_eq!(c.behind[&3], Some(S(100)));
        assert_eq!(c.next, Some(S(110)));
        assert_eq!(at(104, &tables, &edges).1.behind.len(), 1);
    }

    #[test]
    fn units_are_due_as_a_whole() {
        let mut one = every(1, 10);
        one.as_of = Some(S(0));
        let mut two = every(2, 100);
        two.as_of = Some(S(5));
        let mut three = every(3, 1);
        three.pending = false;
        let tables = [one, two, three];
        let mut units = structure(&tables, &[], &[&[1, 2, 3]]);
        let plan = |units: &[Unit], now| {
            let pipeline = Pipeline {
                tables: &tables,
                edges: &[],
                units,
            };
            cycle(&pipeline, &BTreeSet::new(), S(now), LIMITS)
        };
        assert_eq!(plan(&units, 9).due, vec![]);
        assert_eq!(plan(&units, 10).due.len(), 1);
        units[0].policy = Policy::Slowest;
        assert_eq!(plan(&units, 104).due, vec![]);
        assert_eq!(plan(&units, 105).due.len(), 1);
    }

    #[test]
    fn gates_hold_and_what_runs_is_waited_for() {
        let mut one = every(1, 10);
        one.held = true;
        let tables = [one, every(2, 10), every(3, 10), every(4, 10)];
        let edges = [(2, 3)];
        let (due, c) = at(100, &tables, &edges);
        assert_eq!(due.len(), 3);
        assert_eq!(c.held, vec![1]);
        let units = structure(&tables, &edges, &[]);
        let pipeline = Pipeline {
            tables: &tables,
            edges: &edges,
            units: &units,
        };
        let c = cycle(&pipeline, &BTreeSet::from([2]), S(100), LIMITS);
        let due: Vec<_> = c.due.iter().map(|r| &units[r.unit].members).collect();
        assert_eq!(due, vec![&vec![4]]);
        // Held with it.
        let units = structure(&tables, &edges, &[&[1, 4]]);
        let pipeline = Pipeline {
            tables: &tables,
            edges: &edges,
            units: &units,
        };
        let c = cycle(&pipeline, &BTreeSet::new(), S(100), LIMITS);
        assert_eq!((c.due.len(), c.held), (2, vec![1]));
        assert!(units.iter().any(|u| u.kind == Kind::Group));
    }

    /// A server with workers, in which something is always pending.
    struct Simulation {
        tables: Vec<Table>,
        edges: Vec<(TableId, TableId)>,
        units: Vec<Unit>,
        now: Duration,
        /// Units that are being refreshed: until when, and from when their snapshot is.
        running: BTreeMap<usize, (Duration, Duration)>,
        /// Units of the last plan that no worker has taken yet.
        queue: Vec<Run>,
        next: Duration,
        waits: bool,
    }

    impl Simulation {
        fn demand(&self) -> BTreeMap<TableId, Demand> {
            let schedules = self.tables.iter();
            let schedules = schedules.map(|t| (t.id, (t.schedule.clone(), t.tier)));
            Dag::new(self.tables.iter().map(|t| t.id), self.edges.iter().copied())
                .demand(&schedules.collect(), &Demand::every(LIMITS.default))
        }

        fn look(&mut self) {
            let pipeline = Pipeline {
                tables: &self.tables,
                edges: &self.edges,
                units: &self.units,
            };
            let running = self
                .running
                .keys()
                .flat_map(|u| self.units[*u].members.clone())
                .collect();
            let plan = cycle(&pipeline, &running, self.now, LIMITS);
            self.next = plan.next.unwrap_or(self.now + S(60));
            self.queue = plan.due;
            self.waits = plan.waits;
        }

        /// Gives units to free workers, those first that have been due for longest; which of them
        /// begin at all is checked here.
        fn dispatch(
            &mut self,
            workers: usize,
            cost: &dyn Fn(usize) -> Duration,
            demand: &BTreeMap<TableId, Demand>,
        ) {
            self.queue.sort_by_key(|r| r.since);
            while self.running.len() < workers {
                let queued: BTreeSet<usize> = self.queue.iter().map(|r| r.unit).collect();
                let free = |r: &Run| {
                    let mut after = r.after.iter();
                    !after.any(|a| self.running.contains_key(a) || queued.contains(a))
                };
                let Some(place) = self.queue.iter().position(free) else {
                    break;
                };
                let run = self.queue.remove(place);
                let members = &self.units[run.unit].members;
                let in_time = self
                    .tables
                    .iter()
                    .filter(|t| members.contains(&t.id))
                    .all(|t| {
                        t.as_of.is_some() && self.now < run.since + demand[&t.id].interval(self.now)
                    });
                let reads = |up: &TableId| {
                    self.edges
                        .iter()
                        .any(|(u, d)| u == up && members.contains(d))
                };
                for other in self.running.keys().filter(|_| in_time) {
                    let others = &self.units[*other].members;
                    assert!(!others.iter().any(reads), "an upstream is still at it");
                }
                self.running
                    .insert(run.unit, (self.now + cost(run.unit), self.now));
            }
        }

        /// To the next moment at which something happens.
        fn pass(&mut self) {
            let ends = self.running.values().map(|(until, _)| *until).min();
            let to = ends
                .map_or(self.next, |ends| ends.min(self.next))
                .max(self.now);
            self.now = to;
            let ended: Vec<usize> = self
                .running
                .iter()
                .filter(|(_, (until, _))| *until <= to)
                .map(|(u, _)| *u)
                .collect();
            if self.waits && !ended.is_empty() {
                self.next = to;
            }
            for unit in ended {
                let (_, snapshot) = self.running.remove(&unit).unwrap();
                for t in &mut self.tables {
                    if self.units[unit].members.contains(&t.id) {
                        t.as_of = Some(snapshot);
                        t.refreshed_at = Some(snapshot);
                    }
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        /// Random pipelines, with refreshes that take time: nothing is refreshed while what it
        /// reads is, nothing waits much longer than its schedule and what the workers need, and
        /// the scheduler sleeps in between.
        #[test]
        fn nothing_due_is_skipped(
            schedules in proptest::collection::vec((1u64..120, 0u8..8), 1..12),
            edges in proptest::collection::vec((0usize..12, 0usize..12), 0..20),
            groups in proptest::collection::vec(proptest::collection::vec(0usize..12, 2..4), 0..2),
            costs in proptest::collection::vec(0u64..4000, 12),
            workers in 1usize..5,
        ) {
            let n = schedules.len();
            let edges: Vec<(TableId, TableId)> = edges.into_iter()
                .filter(|(a, b)| a < b && *b < n)
                .map(|(a, b)| (a as TableId, b as TableId)).collect();
            let tables: Vec<Table> = schedules.iter().enumerate()
                .map(|(i, (s, kind))| match kind {
                    0 => table(i as TableId, "*/2 * * * *"),
                    1 => table(i as TableId, "*/10 * * * * *"),
                    2 => table(i as TableId, "calculated"),
                    _ => every(i as TableId, *s),
                }).collect();
            let groups: Vec<Vec<TableId>> = groups.into_iter()
                .map(|g| g.into_iter().filter(|i| *i < n).map(|i| i as TableId).collect()).collect();
            let groups: Vec<&[TableId]> = groups.iter().map(Vec::as_slice).collect();
            let units = structure(&tables, &edges, &groups);
            let work: Duration = (0..units.len()).map(|u| Duration::from_millis(costs[u].max(1))).sum();
            let mut simulation = Simulation {
                tables, edges, units, now: S(1000), running: BTreeMap::new(), queue: vec![],
                next: S(1000), waits: false,
            };
            let cost = |u: usize| Duration::from_millis(costs[u].max(1));
            let demand = simulation.demand();
            let (mut steps, mut still) = (0u64, 0);
            while simulation.now < S(1000 + 300) {
                // What no worker has taken yet is planned again.
                if simulation.next <= simulation.now {
                    simulation.look();
                }
                simulation.dispatch(workers, &cost, &demand);
                let before = simulation.now;
                simulation.pass();
                still = if simulation.now == before { still + 1 } else { 0 };
                prop_assert!(still < 2 * simulation.units.len() + 3, "busy waiting");
                // All that is begun ends, so whatever is overdue is begun after as much work as
                // there is at the most, twice: what ran, and what was in front.
                for t in &simulation.tables {
                    if let Some(as_of) = t.as_of {
                        let due = demand[&t.id].due(as_of).unwrap() + demand[&t.id].interval(as_of);
                        prop_assert!(simulation.now <= due + 3 * work + S(1), "{} waits", t.id);
                    } else {
                        prop_assert!(simulation.now <= S(1000) + 3 * work + S(1), "{} is never filled", t.id);
                    }
                }
                steps += 1;
                prop_assert!(steps < 100_000);
            }
        }
    }
}
