//! The worker of one database: sleeps until something is due, then refreshes it.
//!
//! A cycle is one look at everything, in one transaction that writes nothing, and then a
//! transaction for each refresh. What it learns of stream tables that changes wait for it
//! publishes in `pgt_behind`, when that changes; that no changes wait for the others it says in
//! shared memory. So a stream table to which nothing happens is never written about.

use super::pending::Buffers;
use super::process::{self, Failure, now, transaction};
use super::watch::Watch;
use super::{notes, shared};
use crate::catalog::stream_table;
use crate::frontier::{Epoch, Frontier, PgSnapshot};
use crate::refresh::identity::as_system;
use crate::refresh::{self, Initiator, history};
use crate::settings;
use crate::sql::{self, Row, arg};
use pgrx::bgworkers::BackgroundWorker;
use pgrx::prelude::*;
use runtime::backoff::{self, Class};
use runtime::plan::{self, Table};
use runtime::schedule::Schedule;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

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
    set("application_name", "pg_trickle scheduler");
    set("default_transaction_isolation", "read committed");
    set("default_transaction_read_only", "off");
    // Who holds a lock for long must not keep the other stream tables waiting.
    set("lock_timeout", "1s");
    let mut memory = Memory::default();
    loop {
        process::reload_settings();
        let pause = if settings::enabled() {
            match memory.cycle(database) {
                Cycle::Sleep(pause) => pause,
                Cycle::Nothing if shared::leave(database, pid) => return,
                Cycle::Nothing => continue,
            }
        } else {
            Duration::from_secs(60)
        };
        process::sleep(pause);
    }
}

fn set(name: &str, value: &str) {
    let (name, value) = (crate::pg::cstring(name), crate::pg::cstring(value));
    // SAFETY: settings that exist.
    unsafe {
        pg_sys::SetConfigOption(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_OVERRIDE,
        );
    }
}

enum Cycle {
    /// No extension, or no stream table that the scheduler should refresh.
    Nothing,
    Sleep(Duration),
}

/// What the worker knows from one cycle to the next.
#[derive(Default)]
struct Memory {
    /// When it last looked, and at which stream tables.
    looked: Option<(Duration, BTreeSet<i64>)>,
    /// Failures in a row that are no fault of the stream table, and when the last one was.
    passing: HashMap<i64, (u32, Duration)>,
    watch: Watch,
}

/// What a look has found.
struct Look {
    tables: Vec<Table>,
    edges: Vec<(i64, i64)>,
    /// Those whose changes are captured.
    by_changes: BTreeSet<i64>,
    /// What `pgt_behind` says that still holds.
    published: BTreeMap<i64, Duration>,
}

impl Memory {
    fn cycle(&mut self, database: pg_sys::Oid) -> Cycle {
        notes::record(database);
        self.watch.before_cycle();
        let at = now();
        let look = match transaction("looking for what is due", || self.look()) {
            Ok(Some(look)) => look,
            Ok(None) => return Cycle::Nothing,
            Err(failure) => {
                failure.warn("looking for what is due");
                return Cycle::Sleep(settings::scheduler_interval());
            }
        };
        let planned = plan::cycle(
            &look.tables,
            &look.edges,
            at,
            settings::default_schedule(),
            settings::min_schedule(),
        );
        let planned = match planned {
            Ok(planned) => planned,
            Err(cycle) => {
                // Creation refuses cycles, so the catalog must have been written to.
                warning!("pg_trickle: {cycle}: {:?}", cycle.members);
                return Cycle::Sleep(Duration::from_secs(60));
            }
        };
        let mut behind = planned.behind;
        for id in planned.due {
            pg_sys::check_for_interrupts!();
            process::reload_settings();
            if !settings::enabled() {
                break;
            }
            if self.refresh(id) {
                behind.remove(&id);
            }
        }
        let behind: BTreeMap<i64, Duration> = behind
            .into_iter()
            .filter(|(id, _)| look.by_changes.contains(id))
            .filter_map(|(id, as_of)| Some((id, as_of?)))
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
        if published {
            shared::looked(database, at.as_micros() as i64);
            self.looked = Some((at, look.tables.iter().map(|t| t.id).collect()));
        }
        self.watch.after_cycle();
        let pause = planned.next.map_or(settings::scheduler_interval(), |next| {
            next.saturating_sub(now())
        });
        Cycle::Sleep(pause.clamp(Duration::from_millis(1), settings::scheduler_interval()))
    }

    /// Reads the stream tables, and which of them changes wait for. None if there are none, or the
    /// extension is not here.
    fn look(&mut self) -> Option<Look> {
        stream_table::own_table_if_any("pgt_behind")?;
        let epoch = Epoch::begin();
        as_system(|| {
            sql::connect(|c| {
                let mut buffers: HashMap<i64, Vec<Option<pg_sys::Oid>>> = HashMap::new();
                let mut edges = vec![];
                for row in c.run(include_str!("sources.sql"), &[]).iter() {
                    let id = row.get(1)?;
                    buffers.entry(id).or_default().push(row.get(2));
                    if let Some(up) = row.get(3) {
                        edges.push((up, id));
                    }
                }
                let mut look = Look {
                    tables: vec![],
                    edges,
                    by_changes: BTreeSet::new(),
                    published: BTreeMap::new(),
                };
                let mut content = Buffers::new(&epoch);
                for row in c.run(include_str!("look.sql"), &[]).iter() {
                    let id: i64 = row.get(1)?;
                    let text: String = row.get(2)?;
                    let Ok(schedule) = text.parse::<Schedule>() else {
                        warning!(
                            "pg_trickle: stream table {id} has the schedule \"{text}\", which is not one"
                        );
                        continue;
                    };
                    let filled = moment(row, 3);
                    let published = moment(row, 4).filter(|p| filled.is_none_or(|f| *p >= f));
                    let frontier = row.get(7).unwrap_or(false).then(|| frontier(row)).flatten();
                    let (pending, as_of) = match &frontier {
                        Some(frontier) => {
                            look.by_changes.insert(id);
                            look.published.extend(published.map(|p| (id, p)));
                            let of = buffers.get(&id).map_or(&[][..], Vec::as_slice);
                            let pending = of
                                .iter()
                                .any(|b| b.is_none_or(|b| content.pending(b, frontier)));
                            (pending, published.or(filled.max(self.last_look(id))))
                        }
                        None => (true, filled),
                    };
                    let (errors, failed_at) = match row.get::<i32>(6).unwrap_or(0) {
                        1.. => (row.get::<i32>(6).unwrap_or(0) as u32, moment(row, 5)),
                        _ => self
                            .passing
                            .get(&id)
                            .map_or((0, None), |(errors, at)| (*errors, Some(*at))),
                    };
                    look.tables.push(Table {
                        id,
                        schedule,
                        pending,
                        as_of,
                        failed_at,
                        consecutive_errors: errors,
                    });
                }
                (!look.tables.is_empty()).then_some(look)
            })
        })
    }

    fn last_look(&self, id: i64) -> Option<Duration> {
        let (at, tables) = self.looked.as_ref()?;
        tables.contains(&id).then_some(*at)
    }

    /// Refreshes one stream table in a transaction of its own; a failure is recorded in another.
    /// Says whether it is up to date now.
    fn refresh(&mut self, id: i64) -> bool {
        let started = now();
        let activity = format!("refreshing stream table {id}");
        let outcome = transaction(&activity, || {
            if let Err(error) = refresh::run(id, Initiator::Scheduler) {
                error.report();
            }
        });
        let Err(failure) = outcome else {
            self.passing.remove(&id);
            return true;
        };
        let class = backoff::classify(&failure.sqlstate);
        match class {
            Class::Transient => {
                let passing = self.passing.entry(id).or_insert((0, started));
                *passing = (passing.0.saturating_add(1), started);
            }
            Class::Persistent => {
                self.passing.remove(&id);
            }
        }
        let activity = format!("recording that stream table {id} could not be refreshed");
        if let Err(second) = transaction(&activity, || record(id, started, &failure, class)) {
            failure.warn(&format!("refreshing stream table {id}"));
            second.warn("recording that");
        }
        false
    }
}

/// A column of type timestamptz, on the clock of [`now`].
fn moment(row: Row<'_, '_>, column: i32) -> Option<Duration> {
    let microseconds = row.datum(column)?.value() as i64;
    Some(Duration::from_micros(microseconds.max(0) as u64))
}

pub fn timestamp(at: Duration) -> TimestampWithTimeZone {
    TimestampWithTimeZone::try_from(at.as_micros() as i64)
        .unwrap_or_else(|_| pgrx::datum::datetime_support::clock_timestamp())
}

fn frontier(row: Row<'_, '_>) -> Option<Frontier> {
    Some(Frontier {
        // SAFETY: a column of type pg_snapshot.
        snapshot: unsafe { PgSnapshot::from_datum(row.datum(8)?) },
        xid: row.datum(9)?.value() as u64,
        upto: row.get(10)?,
    })
}

/// Brings `pgt_behind` from what it says to what is.
fn publish(behind: &BTreeMap<i64, Duration>, published: &BTreeMap<i64, Duration>) {
    let (ids, moments): (Vec<i64>, Vec<TimestampWithTimeZone>) = behind
        .iter()
        .filter(|(id, as_of)| published.get(id) != Some(as_of))
        .map(|(id, as_of)| (*id, timestamp(*as_of)))
        .unzip();
    let gone: Vec<i64> = published
        .keys()
        .filter(|id| !behind.contains_key(id))
        .copied()
        .collect();
    as_system(|| {
        if !ids.is_empty() {
            sql::run(
                "INSERT INTO pgtrickle.pgt_behind (pgt_id, as_of) SELECT b.pgt_id, b.as_of FROM \
                 ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS b (pgt_id, as_of) \
                 JOIN pgtrickle.pgt_stream_tables s USING (pgt_id) \
                 ON CONFLICT (pgt_id) DO UPDATE SET as_of = excluded.as_of",
                &[arg(ids), arg(moments)],
            );
        }
        if !gone.is_empty() {
            sql::run(
                "DELETE FROM pgtrickle.pgt_behind WHERE pgt_id = ANY ($1)",
                &[arg(gone)],
            );
        }
    });
}

/// Records a refresh that was rolled back, and suspends the stream table after too many in a row.
fn record(id: i64, started: Duration, failure: &Failure, class: Class) {
    let duration = now().saturating_sub(started).as_secs_f64() * 1000.0;
    let started = timestamp(started);
    let Failure { sqlstate, message } = failure;
    let name = as_system(|| {
        sql::one::<String>(
            "SELECT pg_catalog.format('%I.%I', pgt_schema, pgt_name) \
             FROM pgtrickle.pgt_stream_tables WHERE pgt_id = $1",
            &[arg(id)],
        )
    });
    // Dropped meanwhile.
    let Some(name) = name else { return };
    if class == Class::Transient {
        log!("pg_trickle: {name} could not be refreshed now: {message} (SQLSTATE {sqlstate})");
        // A lock that was not to be had is no failure: it was skipped.
        let skipped = sqlstate == "55P03";
        history::not_now(
            id,
            started,
            duration,
            message,
            skipped,
            Initiator::Scheduler,
        );
        return;
    }
    warning!("pg_trickle: refreshing {name}: {message} (SQLSTATE {sqlstate})");
    history::attempted(id, started, duration, message, Initiator::Scheduler);
    let errors = history::count_failure(id, message);
    if errors.is_some_and(|errors| errors >= settings::max_consecutive_errors()) {
        suspend(id, &name, errors.unwrap_or(0));
    }
}

fn suspend(id: i64, name: &str, errors: i32) {
    as_system(|| {
        sql::run(
            "UPDATE pgtrickle.pgt_stream_tables SET status = 'SUSPENDED' WHERE pgt_id = $1",
            &[arg(id)],
        );
    });
    warning!(
        "pg_trickle: {name} is suspended after {errors} failures in a row; \
         pgtrickle.resume_stream_table({}) resumes it",
        pgrx::spi::quote_literal(name)
    );
}
