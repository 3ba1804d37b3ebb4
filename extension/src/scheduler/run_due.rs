//! `CALL pgtrickle.run_due()`: a cycle of the scheduler in a session, for servers on which there
//! can be no background processes.

use super::attempt::{self, Attempt, Due, Transactions};
use super::look::{Memory, publish};
use super::process::{Failure, now};
use crate::capture::wal;
use crate::lifecycle::{LifecycleError, check_may_refresh, or_report};
use crate::refresh::identity::as_system;
use crate::refresh::{Initiator, RefreshError, history};
use crate::settings;
use crate::sql::{self, arg};
use crate::telling;
use pgrx::prelude::*;
use runtime::plan::{self, Limits, Pipeline};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The transactions of a procedure. An error must not end the procedure, so each is run in a
/// subtransaction, which can be rolled back alone.
#[derive(Default)]
struct Procedure {
    /// But for one: the caller, or his timeout, has cancelled it.
    cancelled: Option<Failure>,
}

impl Transactions for Procedure {
    fn run<T>(&mut self, _activity: &str, work: impl FnOnce() -> T) -> Result<T, Failure> {
        // SAFETY: as the server's procedural languages run a block with an exception handler: the
        // context and the owner of resources are those of before when it has ended.
        let outcome = unsafe {
            let context = pg_sys::CurrentMemoryContext;
            let owner = pg_sys::CurrentResourceOwner;
            pg_sys::BeginInternalSubTransaction(std::ptr::null());
            let outcome = PgTryBuilder::new(std::panic::AssertUnwindSafe(|| {
                let out = work();
                pg_sys::ReleaseCurrentSubTransaction();
                Ok(out)
            }))
            .catch_others(|error| {
                let failure = Failure::of(&error);
                pg_sys::RollbackAndReleaseCurrentSubTransaction();
                Err(failure)
            })
            .execute();
            pg_sys::MemoryContextSwitchTo(context);
            pg_sys::CurrentResourceOwner = owner;
            outcome
        };
        self.cancelled = self.cancelled.take().or_else(|| {
            let failure = outcome.as_ref().err();
            failure.filter(|f| f.sqlstate == "57014").cloned()
        });
        let noted = telling::take();
        // SAFETY: connected to SPI in a context that is not atomic.
        unsafe { pg_sys::SPI_commit() };
        if outcome.is_ok() && !noted.is_empty() {
            telling::tell_noted(&noted);
            // SAFETY: as above.
            unsafe { pg_sys::SPI_commit() };
        }
        outcome
    }
}

/// Refreshes what is due, of what the caller may refresh.
fn run_due() {
    // SAFETY: finished below, or by the end of the transaction.
    unsafe { pg_sys::SPI_connect_ext(pg_sys::SPI_OPT_NONATOMIC as i32) };
    let read = Procedure::default().run("reading changes from the WAL", || {
        if let Err(error) = wal::look() {
            RefreshError::from(error).report();
        }
    });
    if let Err(failure) = read {
        failure.warn("reading changes from the WAL");
    }
    let mut memory = Memory::default();
    let at = now();
    if let Some(look) = memory.look() {
        let allowed = may_refresh();
        let units = memory.units(&look.structure).to_vec();
        let limits = Limits {
            default: settings::default_schedule(),
            shortest: settings::min_schedule(),
        };
        let pipeline = Pipeline {
            tables: &look.tables,
            edges: &look.edges,
            units: &units,
        };
        let cycle = plan::cycle(&pipeline, &BTreeSet::new(), at, limits);
        for id in &cycle.held {
            if let Some(reason) = look.held.get(id) {
                history::held(*id, reason, Initiator::Scheduler);
            }
        }
        let mut behind = cycle.behind;
        // What others are at work on, and what is to come after that.
        let mut others = BTreeSet::new();
        for run in &cycle.due {
            let unit = &units[run.unit];
            if !unit.members.iter().all(|id| allowed.contains(id)) {
                continue;
            }
            if run.after.iter().any(|up| others.contains(up)) {
                others.insert(run.unit);
                continue;
            }
            pg_sys::check_for_interrupts!();
            let due = Due {
                members: &unit.members,
                newest: look.newest(&unit.members),
                waits: false,
            };
            let mut procedure = Procedure::default();
            match attempt::refresh(&mut procedure, due) {
                Attempt::Done => behind.retain(|id, _| !unit.members.contains(id)),
                Attempt::Busy => {
                    others.insert(run.unit);
                }
                Attempt::Superseded | Attempt::Failed(..) => (),
            }
            if let Some(cancelled) = procedure.cancelled {
                ereport!(
                    ERROR,
                    PgSqlErrorCode::ERRCODE_QUERY_CANCELED,
                    cancelled.message
                );
            }
        }
        let behind: BTreeMap<i64, Duration> = behind
            .into_iter()
            .filter(|(id, _)| look.by_changes.contains(id))
            .filter_map(|(id, as_of)| Some((id, as_of?)))
            .collect();
        publish(&behind, &look.published);
    }
    // SAFETY: connected above.
    unsafe { pg_sys::SPI_finish() };
}

/// The stream tables that the caller may refresh.
fn may_refresh() -> BTreeSet<i64> {
    let all: Vec<(i64, pg_sys::Oid)> = as_system(|| {
        sql::connect(|c| {
            c.run(
                "SELECT pgt_id, pgt_relid::pg_catalog.oid FROM pgtrickle.pgt_stream_tables WHERE \
                 status <> $1",
                &[arg("SUSPENDED")],
            )
            .iter()
            .filter_map(|row| Some((row.get(1)?, row.get(2)?)))
            .collect()
        })
    });
    all.into_iter()
        .filter(|(_, relid)| check_may_refresh(*relid).is_ok())
        .map(|(id, _)| id)
        .collect()
}

/// `run_due()`.
///
/// # Safety
/// Called by the server only.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn pgt_run_due(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: CALL says in what kind of context it runs.
    let atomic = unsafe {
        let context = (*fcinfo).context;
        context.is_null()
            || (*context).type_ != pg_sys::NodeTag::T_CallContext
            || (*context.cast::<pg_sys::CallContext>()).atomic
    };
    if atomic {
        or_report::<(), _>(Err(LifecycleError::Atomic("run_due")));
    }
    run_due();
    pg_sys::Datum::from(0)
}

crate::c_function!(pg_finfo_pgt_run_due);
