//! The scheduler of one database: sleeps until something is due, then sees to it that it is
//! refreshed.
//!
//! A cycle is one look at everything, in one transaction that writes nothing, and then a
//! transaction for each unit that is due. Units that are expected to be quick it refreshes itself,
//! one after the other; what takes longer goes to refreshers ([`jobs`]), so that nothing waits for
//! it but what reads it. What it learns of stream tables that changes wait for it publishes in
//! `pgt_behind`, when that changes; that no changes wait for the others it says in shared memory.
//! So a stream table to which nothing happens is never written about.

use super::attempt::{self, Attempt, Due};
use super::look::{Look, Memory, publish};
use super::process::{self, Failure, Process, now, transaction};
use super::watch::Watch;
use super::{jobs, notes, shared};
use crate::capture::wal;
use crate::refresh::{Initiator, RefreshError, history};
use crate::settings;
use pgrx::bgworkers::BackgroundWorker;
use pgrx::prelude::*;
use runtime::backoff::Class;
use runtime::plan::{self, Cycle, Limits, Pipeline};
use runtime::unit::Unit;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// What is expected to take longer is given to a refresher.
const QUICK: Duration = Duration::from_millis(50);
/// And so is what is beyond this in one cycle.
const QUICK_TOGETHER: Duration = Duration::from_millis(200);

#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn pg_trickle_scheduler(arg: pg_sys::Datum) {
    let database = pg_sys::Oid::from(arg.value() as u32);
    process::attach();
    BackgroundWorker::connect_worker_to_spi_by_oid(Some(database), None);
    // SAFETY: the process's own id.
    let pid = unsafe { pg_sys::MyProcPid };
    if !shared::enter(database, pid) {
        return;
    }
    process::settle("pg_trickle scheduler");
    let mut scheduler = Scheduler::new(database);
    loop {
        process::reload_settings();
        if !settings::enabled() {
            process::sleep(Duration::from_secs(60));
            continue;
        }
        match scheduler.turn() {
            Turn::Sleep(pause) => {
                process::sleep(pause);
            }
            Turn::Nothing if shared::leave(database, pid) => return,
            Turn::Nothing => {}
        }
    }
}

enum Turn {
    /// No extension, or no stream table that the scheduler should refresh.
    Nothing,
    Sleep(Duration),
}

/// A cycle that has been planned, as far as it has come.
struct Planned {
    units: Vec<Unit>,
    cycle: Cycle,
    look: Look,
    /// Units that were begun, and those that have ended.
    begun: BTreeSet<usize>,
    ended: BTreeSet<usize>,
}

struct Scheduler {
    database: pg_sys::Oid,
    memory: Memory,
    watch: Watch,
    /// Jobs that have not ended, by what they refresh.
    running: BTreeMap<i64, Vec<i64>>,
    planned: Option<Planned>,
    next_look: Duration,
    /// How long each unit took, by its first member.
    took: HashMap<i64, Duration>,
    /// Attempts in a row, by the first member.
    attempts: HashMap<i64, u32>,
    /// What the history says is held up, and why.
    held: BTreeMap<i64, String>,
    /// Why the WAL could not be read.
    unread: Option<Failure>,
}

impl Scheduler {
    fn new(database: pg_sys::Oid) -> Scheduler {
        Scheduler {
            database,
            memory: Memory::default(),
            watch: Watch::default(),
            running: jobs::inherit(database).into_iter().collect(),
            planned: None,
            next_look: Duration::ZERO,
            took: HashMap::new(),
            attempts: HashMap::new(),
            held: BTreeMap::new(),
            unread: None,
        }
    }

    fn turn(&mut self) -> Turn {
        let called = shared::called(self.database);
        notes::record(self.database);
        let ended = self.collect();
        let waits = self.planned.as_ref().is_some_and(|p| p.cycle.waits);
        if called || now() >= self.next_look || (ended && waits) {
            match self.look() {
                Some(true) => {}
                Some(false) if self.running.is_empty() => return Turn::Nothing,
                Some(false) | None => {
                    self.next_look = now().saturating_add(settings::scheduler_interval());
                }
            }
        } else {
            self.dispatch();
        }
        let pause = self.next_look.saturating_sub(now());
        Turn::Sleep(pause.clamp(Duration::from_millis(1), settings::scheduler_interval()))
    }

    /// Takes note of what refreshers have done. Says whether anything has ended.
    fn collect(&mut self) -> bool {
        if self.running.is_empty() {
            return false;
        }
        let (ended, unwanted) = jobs::collect(self.database);
        let any = !ended.is_empty() || !unwanted.is_empty();
        for job in ended {
            self.running.remove(&job.id);
            self.take_note(&job.members, job.attempt, job.duration);
        }
        if !unwanted.is_empty() {
            self.running
                .retain(|_, members| !unwanted.contains(members));
            self.next_look = Duration::ZERO;
        }
        any
    }

    fn take_note(&mut self, members: &[i64], attempt: Attempt, duration: Duration) {
        let first = members.first().copied().unwrap_or(0);
        match attempt {
            Attempt::Done | Attempt::Superseded | Attempt::Busy => {
                if attempt == Attempt::Done {
                    self.took.insert(first, duration);
                }
                self.attempts.remove(&first);
                for member in members {
                    self.memory.passing.remove(member);
                }
            }
            Attempt::Failed(member, class) => {
                self.took.insert(first, duration);
                *self.attempts.entry(first).or_insert(0) += 1;
                match class {
                    Class::Transient => {
                        let passing = self.memory.passing.entry(member).or_insert((0, now()));
                        *passing = (passing.0.saturating_add(1), now());
                    }
                    Class::Persistent => {
                        self.memory.passing.remove(&member);
                    }
                }
            }
        }
        if let Some(planned) = &mut self.planned {
            let unit = planned.units.iter().position(|u| u.members == members);
            planned.ended.extend(unit);
            if attempt == Attempt::Done {
                for member in members {
                    planned.cycle.behind.remove(member);
                }
            }
        }
    }

    /// Has what waits in the WAL where it is looked for, and says whether it has all of it. What goes
    /// wrong is said once.
    fn read_wal(&mut self) -> bool {
        let read = transaction("reading changes from the WAL", || {
            wal::look().unwrap_or_else(|error| RefreshError::from(error).report())
        });
        let all = read.as_ref().is_ok_and(|all| *all);
        let failure = read.err();
        if let Some(failure) = failure
            .as_ref()
            .filter(|f| self.unread.as_ref() != Some(*f))
        {
            failure.warn("reading changes from the WAL");
        }
        self.unread = failure;
        all
    }

    /// Plans a cycle and begins it. None if that failed; else whether there is anything to schedule.
    fn look(&mut self) -> Option<bool> {
        // What nobody has begun yet is planned again.
        for id in jobs::withdraw(self.database) {
            self.running.remove(&id);
        }
        self.planned = None;
        let before = now();
        let knows = self.read_wal();
        self.watch.before_cycle();
        let at = now();
        let look = match transaction("looking for what is due", || self.memory.look()) {
            Ok(Some(look)) => look,
            Ok(None) => return Some(false),
            Err(failure) => {
                failure.warn("looking for what is due");
                return None;
            }
        };
        let units = self.memory.units(&look.structure).to_vec();
        let cycle = plan::cycle(
            &Pipeline {
                tables: &look.tables,
                edges: &look.edges,
                units: &units,
            },
            &self.running.values().flatten().copied().collect(),
            at,
            Limits {
                default: settings::default_schedule(),
                shortest: settings::min_schedule(),
            },
        );
        let next = cycle.next.unwrap_or(Duration::MAX);
        self.next_look = next.min(at.saturating_add(settings::scheduler_interval()));
        self.say_held(&cycle.held, &look.held);
        self.planned = Some(Planned {
            units,
            cycle,
            look,
            begun: BTreeSet::new(),
            ended: BTreeSet::new(),
        });
        self.dispatch();
        self.publish(before, knows);
        self.watch.after_cycle();
        Some(true)
    }

    /// Notes in the history what would be due and must not be refreshed: once, until the reason is
    /// another.
    fn say_held(&mut self, held: &[i64], reasons: &BTreeMap<i64, String>) {
        self.held
            .retain(|id, reason| reasons.get(id) == Some(reason));
        for id in held {
            let Some(reason) = reasons.get(id) else {
                continue;
            };
            if self.held.insert(*id, reason.clone()).is_none() {
                let said = transaction("noting what is held up", || {
                    history::held(*id, reason, Initiator::Scheduler);
                });
                if let Err(failure) = said {
                    failure.warn("noting what is held up");
                }
            }
        }
    }

    /// Begins what can be begun of the cycle.
    fn dispatch(&mut self) {
        let mut together = Duration::ZERO;
        let mut alone = settings::max_concurrent_refreshes() <= 1;
        let mut queued = false;
        while let Some((place, unit)) = self.ready() {
            process::reload_settings();
            if !settings::enabled() {
                break;
            }
            let members = &unit.members;
            let look = self.planned.as_ref().map(|p| &p.look);
            let due = Due {
                members,
                newest: look.map(|l| l.newest(members)).unwrap_or_default(),
                waits: true,
            };
            let first = members.first().copied().unwrap_or(0);
            let expected = self.expected(&unit);
            let quick = expected <= QUICK && together + expected <= QUICK_TOGETHER;
            if let Some(planned) = &mut self.planned {
                planned.begun.insert(place);
            }
            if !alone && !quick && members.len() <= jobs::MEMBERS {
                let attempt = self.attempts.get(&first).copied().unwrap_or(0) + 1;
                if let Some(id) = jobs::enqueue(self.database, due, unit.kind, attempt) {
                    self.running.insert(id, members.clone());
                    if jobs::recruit(self.database) {
                        queued = true;
                        continue;
                    }
                    // Nobody can be had.
                    for id in jobs::withdraw(self.database) {
                        self.running.remove(&id);
                    }
                    alone = true;
                }
            }
            pg_sys::check_for_interrupts!();
            let started = now();
            let attempt = attempt::refresh(&mut Process, due);
            let duration = now().saturating_sub(started);
            together += duration;
            self.take_note(members, attempt, duration);
        }
        if queued {
            jobs::recruit(self.database);
        }
    }

    /// The unit that has been due for longest, of those that need not wait for another.
    fn ready(&self) -> Option<(usize, Unit)> {
        let planned = self.planned.as_ref()?;
        let due = planned.cycle.due.iter();
        let free = due.filter(|run| {
            !planned.begun.contains(&run.unit)
                && run.after.iter().all(|up| planned.ended.contains(up))
        });
        let run = free.min_by_key(|run| run.since)?;
        Some((run.unit, planned.units[run.unit].clone()))
    }

    /// How long a unit takes, as far as anybody knows: what reads only changes is quick.
    fn expected(&self, unit: &Unit) -> Duration {
        if let Some(known) = unit.members.first().and_then(|first| self.took.get(first)) {
            return *known;
        }
        let planned = self.planned.as_ref();
        let by_changes = unit
            .members
            .iter()
            .all(|member| planned.is_some_and(|p| p.look.by_changes.contains(member)));
        match by_changes {
            true => Duration::ZERO,
            false => Duration::MAX,
        }
    }

    /// Says what is behind, and that nothing waits for the rest, if it is known.
    fn publish(&mut self, at: Duration, knows: bool) {
        let Some(Planned { cycle, look, .. }) = &self.planned else {
            return;
        };
        let behind: BTreeMap<i64, Duration> = cycle
            .behind
            .iter()
            .filter(|(id, _)| look.by_changes.contains(id))
            .filter_map(|(id, as_of)| Some((*id, (*as_of)?)))
            .collect();
        let published = behind == look.published
            || match transaction("noting what is behind", || {
                publish(&behind, &look.published)
            }) {
                Ok(()) => true,
                Err(failure) => {
                    failure.warn("noting what is behind");
                    false
                }
            };
        if published && knows {
            shared::looked(self.database, at.as_micros() as i64);
            self.memory.looked = Some((at, look.tables.iter().map(|t| t.id).collect()));
        }
    }
}
