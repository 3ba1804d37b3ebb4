//! Refreshing: locks, then one snapshot, then the program, then the new frontier.
//!
//! ```text
//! lock the catalog entries, in id order
//! lock sources, buffers and targets, in OID order
//! take the snapshot; drain what is captured from the WAL
//! for each stream table, upstream first:
//!     read the batches, run the program, move the frontier, write history
//! ```

mod auto;
mod circle;
pub mod cleanup;
pub mod clock;
mod compare;
mod doubt;
pub mod error;
pub mod execute;
pub mod history;
pub mod identity;
pub mod midstatement;
pub mod programs;
pub mod rebuild;
pub mod relation;
pub mod settings;
mod sieve;
pub mod statistics;

pub use error::RefreshError;
pub use history::{Action, Initiator};

use crate::capture::buffer::{Mark, MissingColumn};
use crate::capture::sequence;
use crate::capture::tree;
use crate::capture::wal;
use crate::catalog::stream_table::Source;
use crate::catalog::{StreamTable, stream_table};
use crate::frontier::batch::{self, Waiting};
use crate::frontier::{Epoch, Frontier};
use crate::guard;
use crate::immediate;
use crate::lifecycle;
use crate::pg::OpenRelation;
use crate::sql;
use compare::{Difference, Differences};
use execute::{Changed, Execution};
use pgrx::pg_sys;
use pgrx::prelude::*;
use relation::Delta;
use runtime::policy::{Choice, Way};
use settings::Settings;
use spec::clock::CLOCK;
use spec::program::Batch;
use spec::types::Oid;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

/// What a refresh did.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub pgt_id: i64,
    pub action: Action,
    pub inserted: u64,
    pub deleted: u64,
    /// Changed rows of the sources that it read.
    pub delta_rows: u64,
    pub duration_ms: f64,
    pub started: TimestampWithTimeZone,
    /// When the snapshot was taken that its content is exact for.
    pub data_timestamp: TimestampWithTimeZone,
    pub reason: Option<String>,
}

/// Refreshes stream tables, given upstream first, under one snapshot.
pub fn run_all(ids: &[i64], by: Initiator) -> Result<Vec<Outcome>, RefreshError> {
    let at_work = immediate::AtWork::begin();
    let outcomes = refresh_all(ids, by)?;
    drop(at_work);
    // What reads them.
    immediate::maintain();
    Ok(outcomes)
}

fn refresh_all(ids: &[i64], by: Initiator) -> Result<Vec<Outcome>, RefreshError> {
    AT_WORK.set(None);
    wal::ready(ids)?;
    let sorted: BTreeSet<i64> = ids.iter().copied().collect();
    for &id in &sorted {
        stream_table::lock_entry(id);
    }
    let (tables, anew) = prepare(ids)?;
    let ids: Vec<i64> = tables.iter().map(|t| t.pgt_id).collect();
    midstatement::check(&tables)?;
    wal::check_unwritten(&tables)?;
    let moment = Epoch::moment();
    let epoch = wal::bring_up(&tables, Epoch::begin())?;
    // Under the older snapshot of a REPEATABLE READ transaction the entries may be older, too.
    let tables = if Epoch::is_transaction_wide() {
        refuse_marks(&tables, &epoch)?;
        let older = epoch.active(|| load_all(&ids))?;
        let ways = |of: &[StreamTable]| -> BTreeSet<(u32, bool)> {
            captured(of)
                .map(|s| (s.relid.to_u32(), s.from_wal))
                .collect()
        };
        if let Some(&(source, _)) = ways(&older).difference(&ways(&tables)).next() {
            let source = pg_sys::Oid::from(source);
            let source_name = name_of(source);
            return Err(RefreshError::Recaptured { source_name });
        }
        older
    } else {
        tables
    };
    let memory = Settings::of_maintenance();
    let mut outcomes = vec![];
    for mut together in circle::in_order(tables) {
        match together.as_slice() {
            [table] if table.circle.is_none() => {
                let anew = anew.get(&table.pgt_id);
                outcomes.push(refresh_one(table, &epoch.advanced(), moment, by, anew)?);
            }
            _ => outcomes.extend(circle::refresh(&mut together, &epoch, moment, by, &anew)?),
        }
    }
    memory.restore();
    Ok(outcomes)
}

type Anew = BTreeMap<i64, lifecycle::Definition>;

/// Loads the stream tables, compiles anew those that must be, and locks what they read and write.
/// DDL that was waited for may have told them to compile anew, or have brought a source other
/// partitions or another way of capture: then all over again. Members of circles come with all others.
fn prepare(ids: &[i64]) -> Result<(Vec<StreamTable>, Anew), RefreshError> {
    let asked: BTreeSet<i64> = ids.iter().copied().collect();
    let mut ids = ids.to_vec();
    let mut anew = Anew::new();
    let mut followed = false;
    loop {
        // Compiling anew changes what is captured: before the snapshot.
        let mut tables = load_all(&ids)?;
        if circle::take_along(&mut ids, &tables) {
            continue;
        }
        let stale = circle::stale(&tables);
        if !stale.is_empty() {
            circle::forget_keys(&tables, &stale);
            for table in tables.iter().filter(|t| stale.contains(&t.pgt_id)) {
                anew.insert(table.pgt_id, lifecycle::recompile(table)?);
            }
            tables = load_all(&ids)?;
            // It may be in a circle now.
            let known = |id: &i64| anew.contains_key(id);
            if circle::take_along(&mut ids, &tables) || !circle::stale(&tables).iter().all(known) {
                continue;
            }
        }
        lock_relations(&tables);
        if wal::have_come(&tables) {
            continue;
        }
        let compiled: Vec<i64> = anew.keys().copied().collect();
        let moved = captured(&tables).any(|s| s.members != tree::members(s.relid));
        if !stream_table::any_needs_reinit(&ids, &compiled) && (!moved || followed) {
            // Others were in a circle with them, until now.
            let wanted = |t: &StreamTable| {
                asked.contains(&t.pgt_id) || t.circle.is_some() || anew.contains_key(&t.pgt_id)
            };
            tables.retain(wanted);
            return Ok((tables, anew));
        }
        followed |= moved;
    }
}

fn load_all(ids: &[i64]) -> Result<Vec<StreamTable>, RefreshError> {
    ids.iter()
        .map(|&id| StreamTable::load(id).ok_or_else(|| RefreshError::NotFound(id.to_string())))
        .collect()
}

/// The sources whose changes are captured for any of these.
fn captured(tables: &[StreamTable]) -> impl Iterator<Item = &Source> {
    tables
        .iter()
        .flat_map(|t| &t.sources)
        .filter(|s| s.captured)
}

/// Locks everything that the refreshes read or write, in OID order, and then what the sources
/// consist of.
pub fn lock_relations(tables: &[StreamTable]) {
    let mut locks: BTreeMap<u32, u32> = BTreeMap::new();
    for table in tables {
        locks.insert(table.relid.to_u32(), pg_sys::RowExclusiveLock);
        for source in &table.sources {
            for relid in source.members.iter().chain([&source.relid]) {
                locks
                    .entry(relid.to_u32())
                    .or_insert(pg_sys::AccessShareLock);
            }
            if let Some(buffer) = source.buffer
                && table.refresh_mode != "IMMEDIATE"
            {
                // Clean-up deletes from it.
                locks.insert(buffer.to_u32(), pg_sys::RowExclusiveLock);
            }
        }
    }
    for (oid, mode) in locks {
        // SAFETY: a lock on an OID; whether the relation still exists shows when it is opened.
        unsafe { pg_sys::LockRelationOid(pg_sys::Oid::from(oid), mode as i32) }
    }
    let sources: BTreeSet<u32> = captured(tables).map(|s| s.relid.to_u32()).collect();
    for source in sources {
        tree::keep(pg_sys::Oid::from(source));
    }
}

/// A snapshot older than the locks reads nothing of a table that was truncated since.
fn refuse_marks(tables: &[StreamTable], epoch: &Epoch) -> Result<(), RefreshError> {
    let latest = Epoch::latest();
    for source in tables.iter().flat_map(|t| &t.sources) {
        let Some(buffer) = source.buffer else {
            continue;
        };
        let buffer = OpenRelation::open(buffer, pg_sys::AccessShareLock as i32);
        if batch::marked_since(&buffer, epoch, &latest) {
            return Err(RefreshError::Conflict {
                source_name: name_of(source.relid),
            });
        }
    }
    Ok(())
}

pub fn name_of(relation: pg_sys::Oid) -> String {
    crate::pg::qualified_name(relation).unwrap_or_else(|| relation.to_u32().to_string())
}

enum Work {
    Nothing {
        /// There are changes of columns that it does not read.
        unread: bool,
    },
    Differential {
        program: std::rc::Rc<spec::program::RefreshProgram>,
        reason: Option<String>,
    },
    Rebuild {
        action: Action,
        reason: Option<String>,
    },
}

thread_local! {
    /// The stream table that is being refreshed, or was when an error ended it.
    static AT_WORK: Cell<Option<i64>> = const { Cell::new(None) };
}

/// The stream table at which the last refresh of this session has stopped, if it began with any.
pub fn was_at_work_on() -> Option<i64> {
    AT_WORK.get()
}

fn refresh_one(
    table: &StreamTable,
    epoch: &Epoch,
    moment: TimestampWithTimeZone,
    by: Initiator,
    anew: Option<&lifecycle::Definition>,
) -> Result<Outcome, RefreshError> {
    let started = std::time::Instant::now();
    AT_WORK.set(Some(table.pgt_id));
    let started_at = pgrx::datum::datetime_support::clock_timestamp();
    check(table)?;
    let frontier = now(epoch);
    // A new definition fills its copies itself.
    let differences = match anew {
        Some(_) => Differences::new(),
        None => compare::with_copies(table, epoch)?,
    };
    let compared = !differences.is_empty();
    let advanced = compared.then(|| epoch.advanced());
    let epoch = advanced.as_ref().unwrap_or(epoch);
    let (work, changed, delta_rows) = match (plan(table, epoch, &differences)?, anew) {
        (work @ Work::Rebuild { .. }, Some(definition)) => {
            clock::set(table, epoch)?;
            let changed = rebuild::anew(table, &epoch.advanced(), definition)?;
            (work, changed, 0)
        }
        (work, _) => carry_out(table, epoch, work, &differences)?,
    };
    differences.into_values().for_each(Difference::end);
    let passed_over = matches!(work, Work::Nothing { unread: true });
    let (action, reason) = match work {
        Work::Nothing { .. } => (Action::NoData, None),
        Work::Differential { reason, .. } => (Action::Differential, reason),
        Work::Rebuild { action, reason } => (action, reason),
    };
    let outcome = Outcome {
        pgt_id: table.pgt_id,
        action,
        inserted: changed.inserted,
        deleted: changed.deleted,
        delta_rows,
        duration_ms: started.elapsed().as_secs_f64() * 1000.0,
        started: started_at,
        data_timestamp: moment,
        reason,
    };
    // An idle stream table costs the scheduler nothing: its frontier, though older, consumes the
    // same changes. Where somebody must look whether there is anything to do, at the clock or at
    // what nobody tells of, it is noted that somebody did; and what was passed over is not looked
    // at again.
    let tells = action != Action::NoData || by != Initiator::Scheduler;
    if tells || compared || passed_over || table.clock.is_some() {
        table.store_frontier(&frontier, moment);
    }
    if tells {
        history::completed(&outcome, by);
    }
    if action != Action::NoData {
        cleanup::at_commit(table);
    }
    Ok(outcome)
}

/// Refuses what must not be refreshed by whoever does it now.
fn check(table: &StreamTable) -> Result<(), RefreshError> {
    if table.status == "SUSPENDED" {
        return Err(RefreshError::Suspended(table.name()));
    }
    check_rights(table);
    for source in table.sources.iter().filter(|s| s.captured) {
        refuse_temporary(source.relid)?;
    }
    immediate::log::consumed(table.pgt_id);
    Ok(())
}

/// The frontier of what is refreshed now. What this transaction wrote up to here is in the snapshot;
/// what it writes later is not.
fn now(epoch: &Epoch) -> Frontier {
    let (xid, upto) = sequence::current();
    Frontier {
        snapshot: epoch.visible(),
        xid,
        upto,
    }
}

/// Does what was planned. Says what that came to, what it has changed, and how many changed rows of
/// the sources it has read.
fn carry_out(
    table: &StreamTable,
    epoch: &Epoch,
    work: Work,
    differences: &Differences,
) -> Result<(Work, Changed, u64), RefreshError> {
    let rebuild = |action, reason, rows| {
        let changed = rebuilt(table, epoch)?;
        Ok((Work::Rebuild { action, reason }, changed, rows))
    };
    match work {
        Work::Nothing { .. } => Ok((work, Changed::default(), 0)),
        Work::Rebuild { action, reason } => rebuild(action, reason, 0),
        Work::Differential { program, .. } => {
            match differential(table, epoch, &program, differences)? {
                Ran::Done {
                    changed,
                    rows,
                    reason,
                } => Ok((Work::Differential { program, reason }, changed, rows)),
                Ran::Costly { rows, reason } => rebuild(Action::Full, Some(reason), rows),
                Ran::Replaced => {
                    let reason = Some("a source was truncated".to_string());
                    rebuild(Action::Reinitialize, reason, 0)
                }
            }
        }
    }
}

/// Nobody else reads what a temporary child of this session adds to a source.
pub fn refuse_temporary(source: pg_sys::Oid) -> Result<(), RefreshError> {
    match tree::temporary_member(source) {
        None => Ok(()),
        Some(child) => Err(RefreshError::TemporaryChild {
            source_name: name_of(source),
            child: name_of(child),
        }),
    }
}

/// The owner must still be allowed to read what the stream table reads: batches are not checked by
/// the server.
pub fn check_rights(table: &StreamTable) {
    let mut settings = Settings::local(&[]);
    settings.set("row_security", "off");
    // What is not captured is read by the query alone, and checked by the server.
    for source in table.sources.iter().filter(|s| s.captured || s.compared) {
        // SAFETY: checks that raise the server's own errors.
        unsafe {
            let readable = pg_sys::pg_class_aclcheck(
                source.relid,
                table.owner,
                pg_sys::ACL_SELECT as pg_sys::AclMode,
            ) == pg_sys::AclResult::ACLCHECK_OK
                || (!source.columns.is_empty()
                    && source.columns.iter().all(|&attnum| {
                        pg_sys::pg_attribute_aclcheck(
                            source.relid,
                            attnum,
                            table.owner,
                            pg_sys::ACL_SELECT as pg_sys::AclMode,
                        ) == pg_sys::AclResult::ACLCHECK_OK
                    }));
            if !readable {
                let name = pg_sys::get_rel_name(source.relid);
                pg_sys::aclcheck_error(
                    pg_sys::AclResult::ACLCHECK_NO_PRIV,
                    pg_sys::ObjectType::OBJECT_TABLE,
                    name,
                );
            }
            pg_sys::check_enable_rls(source.relid, table.owner, false);
        }
    }
    settings.restore();
}

/// What this refresh has to do.
fn plan(
    table: &StreamTable,
    epoch: &Epoch,
    differences: &Differences,
) -> Result<Work, RefreshError> {
    if let Some(reason) = &table.reinit {
        return Ok(Work::Rebuild {
            action: Action::Reinitialize,
            reason: (!reason.is_empty()).then(|| reason.clone()),
        });
    }
    let Some(frontier) = table.frontier.as_ref().filter(|_| table.populated) else {
        return Ok(Work::Rebuild {
            action: Action::Full,
            reason: Some("first fill".to_string()),
        });
    };
    // Its changes come statement by statement: who asks for more wants it made anew.
    if ["FULL", "IMMEDIATE"].contains(&table.refresh_mode.as_str()) || !table.incremental {
        return Ok(Work::Rebuild {
            action: Action::Full,
            reason: None,
        });
    }
    for source in table.sources.iter().filter(|s| s.captured) {
        // Being detached, or nobody was told.
        if epoch.active(|| tree::members(source.relid)) != source.members {
            return Ok(Work::Rebuild {
                action: Action::Reinitialize,
                reason: Some(format!(
                    "{} has other partitions or children",
                    name_of(source.relid)
                )),
            });
        }
    }
    let mut changed = BTreeSet::new();
    let mut unread = false;
    for source in table.sources.iter().filter(|s| s.captured) {
        let buffer = source.buffer.ok_or_else(|| RefreshError::NoBuffer {
            source_name: name_of(source.relid),
        })?;
        let buffer = OpenRelation::open(buffer, pg_sys::AccessShareLock as i32);
        let view = epoch.view(source.from_wal);
        match batch::waiting(&buffer, view, frontier, &source.columns).map_err(missing(source))? {
            Waiting::Nothing => {}
            Waiting::Unread => unread = true,
            Waiting::Something => {
                changed.insert(Oid(source.relid.to_u32()));
            }
        }
    }
    if clock::has_moved(table, epoch) {
        changed.insert(CLOCK);
    }
    for (&source, difference) in differences {
        if !difference.is_empty() {
            changed.insert(Oid(source));
        }
    }
    if changed.is_empty() {
        return Ok(Work::Nothing { unread });
    }
    Ok(Work::Differential {
        program: programs::of(table, &changed)?,
        reason: None,
    })
}

/// A column that the buffer of a source should have.
fn missing(source: &Source) -> impl Fn(MissingColumn) -> RefreshError {
    |column| RefreshError::Internal {
        step: name_of(source.relid),
        what: column.to_string(),
    }
}

/// All content made anew, as of the time that it is.
fn rebuilt(table: &StreamTable, epoch: &Epoch) -> Result<Changed, RefreshError> {
    clock::set(table, epoch)?;
    rebuild::run(table, &epoch.advanced())
}

/// So many pages of a change buffer are worth asking each row whether anybody reads it.
const MANY: u32 = 32;

/// What came of running a program.
enum Ran {
    Done {
        changed: Changed,
        rows: u64,
        reason: Option<String>,
    },
    /// A full refresh will cost less: nothing was done.
    Costly { rows: u64, reason: String },
    /// A source says that its content was replaced: nothing was done.
    Replaced,
}

/// Where the steps rely on it that rows only come, they must.
pub fn check_insertions(
    table: &StreamTable,
    batch: &Batch,
    delta: &Delta,
) -> Result<(), RefreshError> {
    let retracts = batch.insertions_only && execute::count(delta).deleted > 0;
    match retracts {
        true => Err(RefreshError::retracted(table, batch_source(batch))),
        false => Ok(()),
    }
}

fn batch_source(batch: &Batch) -> pg_sys::Oid {
    pg_sys::Oid::from(batch.relation.0)
}

/// Runs a program.
fn differential(
    table: &StreamTable,
    epoch: &Epoch,
    program: &spec::program::RefreshProgram,
    differences: &Differences,
) -> Result<Ran, RefreshError> {
    let Some(frontier) = &table.frontier else {
        return Ok(Ran::Replaced);
    };
    identity::as_owner(table.owner, table.safe_settings(), || {
        sql::connect(|connection| {
            let mut execution = Execution::new(connection, epoch);
            clock::move_on(table, &mut execution)?;
            // Which sees the clock as it is now.
            let epoch = &epoch.advanced();
            let mut execution = execution.under(epoch);
            let mut rows = 0;
            for batch in &program.batches {
                if batch.relation == CLOCK {
                    rows += clock::batch(&mut execution, batch)?;
                    continue;
                }
                if let Some(difference) = differences.get(&batch.relation.0) {
                    let delta = difference.batch(&batch.name, &batch.columns)?;
                    check_insertions(table, batch, &delta)?;
                    rows += delta.len();
                    execution.provide(delta);
                    continue;
                }
                let source = table
                    .sources
                    .iter()
                    .find(|s| s.relid.to_u32() == batch.relation.0)
                    .and_then(|s| s.buffer.map(|b| (s, b)));
                let Some((source, buffer)) = source else {
                    return Err(RefreshError::NoBuffer {
                        source_name: name_of(batch_source(batch)),
                    });
                };
                let (shown, columns): (Vec<i16>, Vec<_>) = batch.columns.iter().cloned().unzip();
                let wanted = batch::Wanted {
                    shown: &shown,
                    used: &source.columns,
                };
                let mut delta = Delta::zset(&batch.name, &columns);
                let buffer = OpenRelation::open(buffer, pg_sys::AccessShareLock as i32);
                // To prepare the question costs more than it saves for a few rows.
                if let Some(asked) = batch
                    .asked
                    .as_ref()
                    .filter(|_| batch::pages(&buffer) >= MANY)
                {
                    delta.ask(asked);
                }
                let view = epoch.view(source.from_wal);
                let pending = batch::read(&buffer, view, frontier, &wanted, &mut delta)
                    .map_err(missing(source))?;
                if batch.insertions_only && pending.rebuild == Some(Mark::Truncated) {
                    return Err(RefreshError::truncated(table, source.relid));
                }
                // Also a row that nobody asks for.
                if batch.insertions_only && pending.retracts {
                    return Err(RefreshError::retracted(table, source.relid));
                }
                if pending.rebuild.is_some() {
                    delta.end();
                    execution.end();
                    return Ok(Ran::Replaced);
                }
                rows += pending.rows;
                execution.provide(delta);
            }
            let choice = auto::choose(table, epoch, program, &execution, rows);
            let reason = choice.as_ref().map(|c| c.reason.clone());
            if let Some(Choice {
                way: Way::Full,
                reason,
            }) = choice
            {
                execution.end();
                return Ok(Ran::Costly { rows, reason });
            }
            let changed = run_program(table, program, &mut execution)?;
            execution.end();
            Ok(Ran::Done {
                changed,
                rows,
                reason,
            })
        })
    })
}

/// Runs a program that has its batches, and tells those who read the stream table.
pub fn run_program(
    table: &StreamTable,
    program: &spec::program::RefreshProgram,
    execution: &mut Execution<'_>,
) -> Result<Changed, RefreshError> {
    let (changed, delta) = guard::writing(|| execution.run(program, table.buffer.is_some()))?;
    if let Some(delta) = delta.and_then(|delta| execution.relation(&delta)) {
        execute::publish(table, delta)?;
    }
    Ok(changed)
}
