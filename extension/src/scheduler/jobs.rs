//! Work that the scheduler of a database gives to other processes, in shared memory.
//!
//! A job is a unit to refresh. The scheduler puts jobs into the table, in the order in which they
//! are to be begun; *refreshers*, background workers of the same database, take them, and wake the
//! scheduler when they have ended. A refresher that finds nothing to do for some time ends.

use super::attempt::{self, Attempt, Due};
use super::process::{self, Process};
use super::shared;
use crate::settings;
use pgrx::bgworkers::BackgroundWorker;
use pgrx::prelude::*;
use pgrx::{PGRXSharedMemory, PgLwLock, pg_shmem_init};
use runtime::backoff::Class;
use runtime::unit::Kind;
use std::time::Duration;

/// Jobs that are remembered, in all databases: those at work and the newest that have ended.
const JOBS: usize = 128;
/// Members of a unit that fit a job; larger units the scheduler refreshes itself.
pub const MEMBERS: usize = 64;
/// Refreshers at a time, in all databases: as many as the setting allows.
const REFRESHERS: usize = 64;
/// How long a refresher waits for more to do.
const IDLE: Duration = Duration::from_secs(10);
/// A refresher that was asked for and has not come by now (microseconds) will not come.
const PATIENCE: i64 = 10_000_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    #[default]
    Free,
    Queued,
    Running,
    Done,
    Superseded,
    /// Which member, and whether it will pass.
    Failed(i64, bool),
    /// The scheduler has taken note.
    Closed(bool),
}

#[derive(Clone, Copy)]
pub struct Job {
    pub id: i64,
    pub database: u32,
    pub state: State,
    pub kind: Kind,
    members: [i64; MEMBERS],
    count: usize,
    /// When one of them had last been refreshed when this was due.
    newest: Duration,
    pub attempt: i32,
    pub scheduler: i32,
    pub worker: i32,
    pub enqueued_at: i64,
    pub started_at: i64,
    pub finished_at: i64,
}

const FREE: Job = Job {
    id: 0,
    database: 0,
    state: State::Free,
    kind: Kind::Single,
    members: [0; MEMBERS],
    count: 0,
    newest: Duration::ZERO,
    attempt: 0,
    scheduler: 0,
    worker: 0,
    enqueued_at: 0,
    started_at: 0,
    finished_at: 0,
};

impl Job {
    /// As it is shown.
    pub fn status(&self) -> &'static str {
        match self.state {
            State::Free => "FREE",
            State::Queued => "QUEUED",
            State::Running => "RUNNING",
            State::Done | State::Superseded | State::Closed(true) => "SUCCEEDED",
            State::Failed(..) | State::Closed(false) => "FAILED",
        }
    }

    pub fn members(&self) -> &[i64] {
        &self.members[..self.count.min(MEMBERS)]
    }
}

#[derive(Clone, Copy, Default)]
struct Refresher {
    /// 0: free.
    database: u32,
    /// 0: asked for.
    pid: i32,
    asked_at: i64,
    busy: bool,
}

#[derive(Clone, Copy)]
struct Table {
    jobs: [Job; JOBS],
    refreshers: [Refresher; REFRESHERS],
    last: i64,
}

impl Default for Table {
    fn default() -> Self {
        Table {
            jobs: [FREE; JOBS],
            refreshers: [Refresher::default(); REFRESHERS],
            last: 0,
        }
    }
}

// SAFETY: plain data without pointers.
unsafe impl PGRXSharedMemory for Table {}

// SAFETY: initialised by `register` before any process but the postmaster exists.
static TABLE: PgLwLock<Table> = unsafe { PgLwLock::new(c"pg_trickle_jobs") };

#[allow(unexpected_cfgs)] // of the macro, for versions of PostgreSQL that are not ours
pub fn register() {
    pg_shmem_init!(TABLE);
}

fn clock() -> i64 {
    // SAFETY: reads the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

/// Puts a job into the table; none if it is full of work.
pub fn enqueue(database: pg_sys::Oid, due: Due<'_>, kind: Kind, attempt: u32) -> Option<i64> {
    let members = due.members;
    let mut table = TABLE.exclusive();
    // The one that ended longest ago gives its place up.
    let place = (0..JOBS)
        .filter(|&i| matches!(table.jobs[i].state, State::Free | State::Closed(_)))
        .min_by_key(|&i| table.jobs[i].id)?;
    table.last += 1;
    let id = table.last;
    let mut job = Job {
        id,
        database: database.to_u32(),
        state: State::Queued,
        kind,
        count: members.len(),
        newest: due.newest,
        attempt: attempt as i32,
        // SAFETY: the process's own id.
        scheduler: unsafe { pg_sys::MyProcPid },
        enqueued_at: clock(),
        ..FREE
    };
    job.members
        .get_mut(..members.len())?
        .copy_from_slice(members);
    table.jobs[place] = job;
    Some(id)
}

/// A job of the current scheduler that has ended.
pub struct Ended {
    pub id: i64,
    pub members: Vec<i64>,
    pub attempt: Attempt,
    pub duration: Duration,
}

/// Takes note of the jobs of a database that have ended, and of those that nobody does any more: a
/// refresher that was terminated has failed, and what no refresher will take comes back as
/// `unwanted`.
pub fn collect(database: pg_sys::Oid) -> (Vec<Ended>, Vec<Vec<i64>>) {
    let (mut ended, mut unwanted) = (vec![], vec![]);
    let now = clock();
    let mut table = TABLE.exclusive();
    for r in table.refreshers.iter_mut().filter(|r| r.database != 0) {
        let gone = match r.pid {
            0 => now - r.asked_at > PATIENCE,
            pid => !shared::alive(pid),
        };
        if gone {
            *r = Refresher::default();
        }
    }
    let some = |t: &Table| t.refreshers.iter().any(|r| r.database == database.to_u32());
    let anybody = some(&table);
    for job in table
        .jobs
        .iter_mut()
        .filter(|j| j.database == database.to_u32())
    {
        let attempt = match job.state {
            State::Done => Attempt::Done,
            State::Superseded => Attempt::Superseded,
            State::Failed(member, passes) => Attempt::Failed(
                member,
                if passes {
                    Class::Transient
                } else {
                    Class::Persistent
                },
            ),
            State::Running if !shared::alive(job.worker) => {
                Attempt::Failed(job.members[0], Class::Transient)
            }
            State::Queued if !anybody => {
                unwanted.push(job.members().to_vec());
                *job = FREE;
                continue;
            }
            _ => continue,
        };
        if job.finished_at == 0 {
            job.finished_at = now;
        }
        job.state = State::Closed(!matches!(attempt, Attempt::Failed(..)));
        let duration = (job.finished_at - job.started_at).max(0) as u64;
        ended.push(Ended {
            id: job.id,
            members: job.members().to_vec(),
            attempt,
            duration: Duration::from_micros(duration),
        });
    }
    (ended, unwanted)
}

/// A scheduler that begins knows of no job of an earlier one that was not begun; what runs is
/// returned, by its members.
pub fn inherit(database: pg_sys::Oid) -> Vec<(i64, Vec<i64>)> {
    let mut table = TABLE.exclusive();
    let mut running = vec![];
    for job in table
        .jobs
        .iter_mut()
        .filter(|j| j.database == database.to_u32())
    {
        match job.state {
            State::Queued => *job = FREE,
            State::Running => {
                // SAFETY: the process's own id.
                job.scheduler = unsafe { pg_sys::MyProcPid };
                running.push((job.id, job.members().to_vec()));
            }
            _ => (),
        }
    }
    running
}

/// Takes back what no refresher has begun: it will be planned again.
pub fn withdraw(database: pg_sys::Oid) -> Vec<i64> {
    let mut table = TABLE.exclusive();
    let mut out = vec![];
    for job in table.jobs.iter_mut() {
        if job.database == database.to_u32() && job.state == State::Queued {
            out.push(job.id);
            *job = FREE;
        }
    }
    out
}

/// Sees to it that somebody takes the queued jobs of a database: wakes refreshers that wait, starts
/// more as far as the setting and the server allow. False if there is nobody at all.
pub fn recruit(database: pg_sys::Oid) -> bool {
    let own = database.to_u32();
    let mut missing = {
        let table = TABLE.share();
        let queued = table
            .jobs
            .iter()
            .filter(|j| j.database == own && j.state == State::Queued);
        let free = table
            .refreshers
            .iter()
            .filter(|r| r.database == own && !r.busy);
        for refresher in free.clone() {
            shared::wake(refresher.pid);
        }
        queued.count().saturating_sub(free.count())
    };
    while missing > 0 && reserve(own) {
        if !process::start("refresher", database) {
            release(own, 0);
            break;
        }
        missing -= 1;
    }
    TABLE.share().refreshers.iter().any(|r| r.database == own)
}

/// A place for one more refresher, if there may be one.
fn reserve(database: u32) -> bool {
    let most = (settings::max_concurrent_refreshes() as usize).min(REFRESHERS);
    let mut table = TABLE.exclusive();
    if table.refreshers.iter().filter(|r| r.database != 0).count() >= most {
        return false;
    }
    match table.refreshers.iter_mut().find(|r| r.database == 0) {
        None => false,
        Some(free) => {
            *free = Refresher {
                database,
                asked_at: clock(),
                ..Refresher::default()
            };
            true
        }
    }
}

fn release(database: u32, pid: i32) {
    let mut table = TABLE.exclusive();
    let mut places = table.refreshers.iter_mut();
    if let Some(place) = places.find(|r| r.database == database && r.pid == pid) {
        *place = Refresher::default();
    }
}

/// The refreshers of a database, of which there are to be no more: those that were asked for and
/// have not come yet find that nobody waits for them, and end.
pub fn dismiss(database: pg_sys::Oid) -> Vec<i32> {
    let mut table = TABLE.exclusive();
    let mut present = vec![];
    let own = |r: &&mut Refresher| r.database == database.to_u32();
    for refresher in table.refreshers.iter_mut().filter(own) {
        match refresher.pid {
            0 => *refresher = Refresher::default(),
            pid => present.push(pid),
        }
    }
    present
}

/// How many refreshers are at work, in all databases.
pub fn busy() -> usize {
    let table = TABLE.share();
    table
        .refreshers
        .iter()
        .filter(|r| r.database != 0 && r.busy)
        .count()
}

/// All jobs of a database, newest first.
pub fn all(database: pg_sys::Oid) -> Vec<Job> {
    let table = TABLE.share();
    let of = |j: &&Job| j.database == database.to_u32() && j.state != State::Free;
    let mut jobs: Vec<Job> = table.jobs.iter().filter(of).copied().collect();
    jobs.sort_unstable_by_key(|j| std::cmp::Reverse(j.id));
    jobs
}

/// The refresher says that it is here. False if nobody has asked for it.
fn enter(database: u32, pid: i32) -> bool {
    let mut table = TABLE.exclusive();
    let mut places = table.refreshers.iter_mut();
    match places.find(|r| r.database == database && r.pid == 0) {
        Some(place) => {
            place.pid = pid;
            true
        }
        None => false,
    }
}

/// Takes the job that was put first.
fn take(database: u32, pid: i32) -> Option<Job> {
    let mut table = TABLE.exclusive();
    let place = (0..JOBS)
        .filter(|&i| {
            let job = &table.jobs[i];
            job.database == database && job.state == State::Queued
        })
        .min_by_key(|&i| table.jobs[i].id);
    if let Some(me) = table.refreshers.iter_mut().find(|r| r.pid == pid) {
        me.busy = place.is_some();
    }
    let job = &mut table.jobs[place?];
    job.state = State::Running;
    job.worker = pid;
    job.started_at = clock();
    Some(*job)
}

fn finish(id: i64, attempt: Attempt) {
    let scheduler = {
        let mut table = TABLE.exclusive();
        let Some(job) = table.jobs.iter_mut().find(|j| j.id == id) else {
            return;
        };
        job.finished_at = clock();
        job.state = match attempt {
            Attempt::Done => State::Done,
            Attempt::Superseded | Attempt::Busy => State::Superseded,
            Attempt::Failed(member, class) => State::Failed(member, class == Class::Transient),
        };
        job.scheduler
    };
    shared::wake(scheduler);
}

#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn pg_trickle_refresher(arg: pg_sys::Datum) {
    let database = pg_sys::Oid::from(arg.value() as u32);
    process::attach();
    BackgroundWorker::connect_worker_to_spi_by_oid(Some(database), None);
    // SAFETY: the process's own id.
    let pid = unsafe { pg_sys::MyProcPid };
    let database = database.to_u32();
    if !enter(database, pid) {
        return;
    }
    process::settle("pg_trickle refresher");
    loop {
        process::reload_settings();
        let mut ended = false;
        // Once more after it has waited in vain, as somebody may count on it.
        let job = take(database, pid).or_else(|| {
            let called = process::sleep(IDLE);
            ended = !called;
            take(database, pid)
        });
        match job {
            Some(job) => {
                let due = Due {
                    members: job.members(),
                    newest: job.newest,
                    waits: true,
                };
                let attempt = attempt::refresh(&mut Process, due);
                finish(job.id, attempt);
            }
            None if ended => break,
            None => {}
        }
    }
    release(database, pid);
}
