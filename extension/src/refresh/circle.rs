//! Refreshing a circle: stream tables that read each other come to the least fixed point of their
//! queries together, in one transaction and under one snapshot.
//!
//! **Growing.** Let X be what the members hold, the least fixed point over the sources S, and S′ the
//! sources now. Every query F is monotone in the members. If it is also monotone in what has changed
//! from S to S′, X lies below F(S′, X), and below the least fixed point over S′. So members are
//! refreshed in turn by their ordinary programs, which is to say with the change alone, until no change
//! waits for any of them. All that comes about on the way stays below the least fixed point, and what it
//! comes to rest at is a fixed point: it is the least one.
//!
//! **Anew.** Where anything may have left that they were derived from, what the members hold may lie
//! above the new least fixed point: rows that were derived from each other would go on to support
//! each other, whatever is counted (an edge that led to them and a loop among them may even come and
//! go in one change that cancels out). Then the fixed point is computed from nothing,
//!
//! ```text
//! X₀ = ∅    Xₙ₊₁ = F(S′, Xₙ)    until |Xₙ₊₁| = |Xₙ|, for then Xₙ₊₁ = Xₙ, as the one contains the other
//! ```
//!
//! or from what certainly stays ([`super::doubt`]), in relations in memory, and each member is brought to
//! it by the difference, by image, so that what stays is not touched and readers are told of nothing
//! else. Afterwards the states of the members, which no other reads, are made what they should be.

use super::doubt::{self, Left};
use super::execute::{Changed, Execution, publish};
use super::history::{self, Action, Initiator};
use super::identity::{as_owner, as_system};
use super::relation::Delta;
use super::{
    AT_WORK, Anew, Outcome, RefreshError, Work, carry_out, check, cleanup, missing, name_of, now,
    plan, rebuild,
};
use crate::capture::buffer;
use crate::catalog::StreamTable;
use crate::catalog::stream_table::{self, Source};
use crate::compiled;
use crate::frontier::batch::{self, Waiting, Wanted};
use crate::frontier::{Epoch, Frontier};
use crate::lifecycle;
use crate::pg::{OpenRelation, attributes, quote_identifier};
use crate::settings;
use crate::sql::{self, arg};
use pgrx::pg_sys;
use pgrx::prelude::*;
use spec::program::RelColumn;
use spec::types::{Oid, SqlType};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Has those refreshed, too, that are in one circle with any of these; says whether there are any.
pub fn take_along(ids: &mut Vec<i64>, tables: &[StreamTable]) -> bool {
    let circles: BTreeSet<i64> = tables.iter().filter_map(|t| t.circle).collect();
    if circles.is_empty() {
        return false;
    }
    let members: Vec<i64> = as_system(|| {
        sql::connect(|c| {
            c.run(
                "SELECT pgt_id FROM pgtrickle.pgt_stream_tables WHERE circle = ANY ($1) ORDER BY 1",
                &[arg(circles.into_iter().collect::<Vec<i64>>())],
            )
            .iter()
            .filter_map(|row| row.get(1))
            .collect()
        })
    });
    let others: Vec<i64> = members.into_iter().filter(|m| !ids.contains(m)).collect();
    for &id in &others {
        stream_table::lock_entry(id);
    }
    ids.extend(&others);
    !others.is_empty()
}

/// Those of these that are to be compiled anew. With one member of a circle that is the whole circle:
/// that one member's rows have a key may follow from another's having one, which must not follow from
/// it in turn.
pub fn stale(tables: &[StreamTable]) -> BTreeSet<i64> {
    let active = || tables.iter().filter(|t| t.status != "SUSPENDED");
    let is_stale = |t: &&StreamTable| t.reinit.is_some();
    let circles: BTreeSet<i64> = active().filter(is_stale).filter_map(|t| t.circle).collect();
    let concerned =
        |t: &&StreamTable| is_stale(t) || t.circle.is_some_and(|c| circles.contains(&c));
    active().filter(concerned).map(|t| t.pgt_id).collect()
}

/// Before members of circles are compiled anew: none may rely on a key of another.
pub fn forget_keys(tables: &[StreamTable], stale: &BTreeSet<i64>) {
    let members = tables
        .iter()
        .filter(|t| t.circle.is_some() && stale.contains(&t.pgt_id));
    let ids: Vec<i64> = members.clone().map(|t| t.pgt_id).collect();
    if ids.is_empty() {
        return;
    }
    as_system(|| {
        members.for_each(lifecycle::drop_own_indexes);
        sql::run(
            "UPDATE pgtrickle.pgt_stream_tables SET needs_reinit = true, reinit_reason = \
             'its circle was compiled anew' WHERE pgt_id = ANY ($1) AND NOT needs_reinit",
            &[arg(ids)],
        );
    });
}

/// Each after those that it reads, and the members of circles side by side.
pub fn in_order(tables: Vec<StreamTable>) -> Vec<Vec<StreamTable>> {
    if tables.iter().all(|t| t.circle.is_none()) {
        return tables.into_iter().map(|t| vec![t]).collect();
    }
    let ids: BTreeMap<u32, i64> = (tables.iter().map(|t| (t.relid.to_u32(), t.pgt_id))).collect();
    let edges = tables.iter().flat_map(|t| {
        let reads = t.sources.iter().filter_map(|s| ids.get(&s.relid.to_u32()));
        reads.map(move |up| (*up, t.pgt_id))
    });
    let dag = runtime::dag::Dag::new(ids.values().copied(), edges);
    let mut by_id: BTreeMap<i64, StreamTable> = tables.into_iter().map(|t| (t.pgt_id, t)).collect();
    let components = dag.components().into_iter();
    components
        .map(|c| c.iter().filter_map(|id| by_id.remove(id)).collect())
        .collect()
}

/// What was done for a member.
struct Done {
    action: Action,
    changed: Changed,
    rows: u64,
    reason: Option<String>,
    unread: bool,
    started: TimestampWithTimeZone,
    spent: std::time::Duration,
}

impl Done {
    fn nothing() -> Done {
        Done {
            action: Action::NoData,
            changed: Changed::default(),
            rows: 0,
            reason: None,
            unread: false,
            started: pgrx::datum::datetime_support::clock_timestamp(),
            spent: std::time::Duration::ZERO,
        }
    }

    fn add(&mut self, changed: Changed) {
        self.changed.inserted += changed.inserted;
        self.changed.deleted += changed.deleted;
    }
}

/// Refreshes all members of a circle.
pub fn refresh(
    members: &mut [StreamTable],
    epoch: &Epoch,
    moment: TimestampWithTimeZone,
    by: Initiator,
    anew: &Anew,
) -> Result<Vec<Outcome>, RefreshError> {
    let mut done: Vec<Done> = members.iter().map(|_| Done::nothing()).collect();
    for table in members.iter() {
        AT_WORK.set(Some(table.pgt_id));
        check(table)?;
    }
    let mut rounds = Rounds::new(members);
    let epoch = epoch.advanced();
    let before = now(&epoch);
    let (mut lost, mut fewer) = (None, None);
    for table in members.iter() {
        AT_WORK.set(Some(table.pgt_id));
        match ahead(table, members, &epoch)? {
            Ahead::Anew(action, reason) => {
                lost.get_or_insert((action, reason));
            }
            Ahead::Fewer(_, reason) => {
                fewer.get_or_insert(reason);
            }
            Ahead::Nothing { .. } | Ahead::More(_) => {}
        }
    }
    // What is left to begin with, if not nothing; or what has left has taken nothing along.
    let (mut left, mut harmless) = (None, false);
    if lost.is_none()
        && let Some(reason) = fewer
    {
        match doubt::left(members, &epoch, rounds.most)? {
            Left::All => harmless = true,
            Left::Some(contents) => left = Some(contents),
            Left::Unclear => {}
        }
        lost = (!harmless).then_some((Action::Full, reason));
    }
    loop {
        if let Some((action, reason)) = lost.take() {
            compute(members, &epoch, left.take(), anew, &mut rounds, &mut done)?;
            for (table, done) in members.iter_mut().zip(&mut done) {
                done.action = match (done.action, action) {
                    (Action::Reinitialize, _) | (_, Action::Reinitialize) => Action::Reinitialize,
                    _ => Action::Full,
                };
                done.reason.get_or_insert(reason.clone());
                table.reinit = None;
                table.populated = true;
            }
        }
        let mut moved = false;
        for (at, done) in done.iter_mut().enumerate() {
            let table = &members[at];
            AT_WORK.set(Some(table.pgt_id));
            let began = Instant::now();
            let epoch = epoch.advanced();
            let frontier = now(&epoch);
            let work = match ahead(table, members, &epoch)? {
                Ahead::Nothing { unread } => {
                    done.unread |= unread;
                    continue;
                }
                Ahead::Anew(action, reason) => {
                    lost = Some((action, reason));
                    break;
                }
                // Nor has anything else left since.
                Ahead::Fewer(work, _) if harmless && !has_changed(members, &epoch, &before)? => {
                    work
                }
                Ahead::Fewer(_, reason) => {
                    lost = Some((Action::Full, reason));
                    break;
                }
                Ahead::More(work) => work,
            };
            if !std::mem::replace(&mut moved, true) {
                rounds.another()?;
            }
            let (work, changed, rows) = carry_out(table, &epoch, work, &Default::default())?;
            done.rows += rows;
            done.add(changed);
            done.spent += began.elapsed();
            match work {
                Work::Nothing { .. } => {}
                Work::Differential { reason, .. } => {
                    if done.action == Action::NoData {
                        done.action = Action::Differential;
                        done.reason = reason;
                    }
                }
                Work::Rebuild { action, reason } => {
                    if !matches!(done.action, Action::Full | Action::Reinitialize) {
                        (done.action, done.reason) = (action, reason);
                    }
                }
            }
            let replaced = (changed.deleted > 0).then(|| table.name());
            members[at].frontier = Some(frontier);
            if let Some(name) = replaced {
                lost = Some((Action::Full, format!("rows of {name} were replaced")));
                break;
            }
        }
        if !moved && lost.is_none() {
            break;
        }
    }
    let epoch = epoch.advanced();
    note(members, done, &now(&epoch), moment, by, &rounds)
}

/// Frontiers and history.
fn note(
    members: &[StreamTable],
    done: Vec<Done>,
    frontier: &Frontier,
    moment: TimestampWithTimeZone,
    by: Initiator,
    rounds: &Rounds,
) -> Result<Vec<Outcome>, RefreshError> {
    let any = done.iter().any(|d| d.action != Action::NoData);
    let took = match rounds.number {
        1 => "1 round".to_owned(),
        n => format!("{n} rounds"),
    };
    let mut outcomes = vec![];
    for (table, done) in members.iter().zip(done) {
        let circle = match done.action {
            Action::NoData => None,
            Action::Differential => Some(format!("a circle, in {took}")),
            Action::Full | Action::Reinitialize => {
                Some(format!("a circle, computed anew in {took}"))
            }
        };
        let parts: Vec<String> = done.reason.into_iter().chain(circle).collect();
        let outcome = Outcome {
            pgt_id: table.pgt_id,
            action: done.action,
            inserted: done.changed.inserted,
            deleted: done.changed.deleted,
            delta_rows: done.rows,
            duration_ms: done.spent.as_secs_f64() * 1000.0,
            started: done.started,
            data_timestamp: moment,
            reason: (!parts.is_empty()).then(|| parts.join(": ")),
        };
        // What one has told the others they have consumed.
        let tells = outcome.action != Action::NoData || by != Initiator::Scheduler;
        if any || tells || done.unread {
            table.store_frontier(frontier, moment);
        }
        if tells {
            history::completed(&outcome, by);
        }
        if any {
            cleanup::at_commit(table);
        }
        outcomes.push(outcome);
    }
    if let Some(circle) = members.first().and_then(|t| t.circle).filter(|_| any) {
        as_system(|| {
            sql::run(
                "INSERT INTO pgtrickle.pgt_circles VALUES ($1, $2, $3) ON CONFLICT (circle) DO UPDATE \
                 SET last_iterations = excluded.last_iterations, last_converged_at = \
                 excluded.last_converged_at",
                &[arg(circle), arg(rounds.number as i32), arg(moment)],
            );
        });
    }
    Ok(outcomes)
}

/// How often the members were gone through, and may be.
struct Rounds {
    number: u32,
    most: u32,
    names: String,
}

impl Rounds {
    fn new(members: &[StreamTable]) -> Rounds {
        let names: Vec<String> = members.iter().map(StreamTable::name).collect();
        Rounds {
            number: 0,
            most: settings::max_fixpoint_iterations(),
            names: names.join(", "),
        }
    }

    fn another(&mut self) -> Result<(), RefreshError> {
        if self.number == self.most {
            return Err(RefreshError::NoFixpoint {
                members: self.names.clone(),
                rounds: self.most,
            });
        }
        self.number += 1;
        Ok(())
    }
}

/// What waits for a member.
enum Ahead {
    Nothing {
        unread: bool,
    },
    /// Changes that can only add rows.
    More(Work),
    /// Rows have left sources outside of the circle that it is monotone in, and it may have to lose
    /// some, too.
    Fewer(Work, String),
    /// It may have to lose rows: how that is called, and why.
    Anew(Action, String),
}

fn ahead(
    table: &StreamTable,
    members: &[StreamTable],
    epoch: &Epoch,
) -> Result<Ahead, RefreshError> {
    let work = match plan(table, epoch, &Default::default())? {
        Work::Nothing { unread } => return Ok(Ahead::Nothing { unread }),
        Work::Rebuild { action, reason } => {
            let reason = reason.map_or(table.name(), |r| format!("{}: {r}", table.name()));
            return Ok(Ahead::Anew(action, reason));
        }
        work @ Work::Differential { .. } => work,
    };
    let Some(frontier) = &table.frontier else {
        return Ok(Ahead::More(work));
    };
    let mut fewer = None;
    for source in table.sources.iter().filter(|s| s.captured) {
        let change = Change::of(source, epoch, frontier)?;
        let is_member = members.iter().any(|m| m.relid == source.relid);
        let name = || name_of(source.relid);
        let (action, reason) = match (source.monotone, change) {
            (_, Change { replaced: true, .. }) => {
                (Action::Reinitialize, format!("{} was truncated", name()))
            }
            (1, Change { fewer: true, .. }) if !is_member => {
                fewer.get_or_insert_with(|| format!("{} lost rows", name()));
                continue;
            }
            (1, Change { fewer: true, .. }) => (Action::Full, format!("{} lost rows", name())),
            (-1, Change { more: true, .. }) => (Action::Full, format!("{} gained rows", name())),
            (0, Change { more, fewer, .. }) if more || fewer => {
                (Action::Full, format!("{} has changed", name()))
            }
            _ => continue,
        };
        return Ok(Ahead::Anew(action, reason));
    }
    Ok(match fewer {
        Some(reason) => Ahead::Fewer(work, reason),
        None => Ahead::More(work),
    })
}

/// What has become of a source, all in all.
#[derive(Clone, Copy, Default)]
struct Change {
    more: bool,
    fewer: bool,
    replaced: bool,
}

impl Change {
    fn of(source: &Source, epoch: &Epoch, frontier: &Frontier) -> Result<Change, RefreshError> {
        let Some(buffer) = source.buffer else {
            return Ok(Change::default());
        };
        let Changes {
            columns,
            rows,
            replaced,
        } = changes(source, buffer, epoch, frontier)?;
        let mut change = Change {
            replaced,
            ..Change::default()
        };
        rows.for_each(|slot| {
            // SAFETY: the first column is `w bigint`, not null.
            let w = unsafe { *(*slot).tts_values }.value() as i64;
            change.more |= w > 0;
            change.fewer |= w < 0;
        });
        if change.more && change.fewer {
            // What came and left again has neither come nor left.
            let list: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
            (change.more, change.fewer) = as_system(|| {
                sql::connect(|connection| {
                    rows.register(connection);
                    let of_rows = connection.run(
                        &format!(
                            "SELECT coalesce(pg_catalog.bool_or(w > 0), false), \
                             coalesce(pg_catalog.bool_or(w < 0), false) FROM (SELECT \
                             pg_catalog.sum(w) AS w FROM pgt_change GROUP BY \
                             pgtrickle.row_image(ROW({}))) AS s",
                            list.join(", ")
                        ),
                        &[],
                    );
                    let row = of_rows.first();
                    row.map_or((true, true), |r| {
                        (r.get(1).unwrap_or(true), r.get(2).unwrap_or(true))
                    })
                })
            });
        }
        rows.end();
        Ok(change)
    }
}

/// The rows of a buffer that wait, as `pgt_change`.
pub struct Changes {
    pub columns: Vec<RelColumn>,
    pub rows: Delta,
    /// They are not all: the source was truncated, or the like.
    pub replaced: bool,
}

pub fn changes(
    source: &Source,
    buffer: pg_sys::Oid,
    epoch: &Epoch,
    frontier: &Frontier,
) -> Result<Changes, RefreshError> {
    let opened = OpenRelation::open(buffer, pg_sys::AccessShareLock as i32);
    let columns = captured(&opened, &source.columns).map_err(missing(source))?;
    let mut rows = Delta::zset("pgt_change", &columns);
    let wanted = Wanted {
        shown: &source.columns,
        used: &source.columns,
    };
    let view = epoch.view(source.from_wal);
    let pending = batch::read(&opened, view, frontier, &wanted, &mut rows);
    Ok(Changes {
        columns,
        rows,
        replaced: pending.map_err(missing(source))?.rebuild.is_some(),
    })
}

/// The columns of a change buffer that have these columns of its source, named by their places.
fn captured(
    buffer: &OpenRelation,
    attnums: &[i16],
) -> Result<Vec<RelColumn>, buffer::MissingColumn> {
    // SAFETY: open.
    let columns = unsafe { attributes(buffer.tuple_desc()) };
    let column = |(place, attnum): (usize, &i16)| {
        let at = buffer::position(&columns, *attnum)?;
        Ok(RelColumn {
            name: format!("c{place}"),
            ty: type_of(columns[at]),
        })
    };
    attnums.iter().enumerate().map(column).collect()
}

fn type_of(column: &pg_sys::FormData_pg_attribute) -> SqlType {
    SqlType {
        oid: Oid(column.atttypid.to_u32()),
        typmod: column.atttypmod,
        collation: Oid(column.attcollation.to_u32()),
    }
}

/// A member while the fixed point is being computed.
struct Member {
    /// Its query over the contents of all members.
    query: String,
    /// The places of the members that it reads.
    reads: Vec<usize>,
    content: Content,
    /// Something that it reads has grown since its query ran.
    behind: bool,
}

/// The rows of a member, under a name that queries know them by, with its columns.
pub struct Content {
    pub rows: Delta,
    columns: Vec<RelColumn>,
}

impl Content {
    pub fn empty(table: &StreamTable) -> Content {
        let columns = live_columns(table.relid);
        let each: Vec<&RelColumn> = columns.iter().collect();
        Content {
            rows: Delta::of_columns(&Content::name(table), &each),
            columns,
        }
    }

    fn name(table: &StreamTable) -> String {
        format!("pgt_circle_{}", table.pgt_id)
    }
}

/// Computes the least fixed point, from what is certain or from nothing, and brings all members to it.
fn compute(
    tables: &mut [StreamTable],
    epoch: &Epoch,
    mut certain: Option<Vec<Content>>,
    anew: &Anew,
    rounds: &mut Rounds,
    done: &mut [Done],
) -> Result<(), RefreshError> {
    loop {
        let epoch = epoch.advanced();
        let before = now(&epoch);
        let members = fixed_point(tables, &epoch, certain.take(), rounds, done)?;
        for ((table, member), done) in tables.iter().zip(&members).zip(done.iter_mut()) {
            AT_WORK.set(Some(table.pgt_id));
            let began = Instant::now();
            done.add(bring(table, &epoch.advanced(), &member.content.rows)?);
            done.spent += began.elapsed();
        }
        for member in members {
            member.content.rows.end();
        }
        for table in tables.iter() {
            if let Some(definition) = anew.get(&table.pgt_id) {
                as_system(|| lifecycle::create_indexes(table.pgt_id, table.relid, definition));
            }
        }
        settle(tables, &epoch, rounds, done)?;
        let after = epoch.advanced();
        let frontier = now(&after);
        for table in tables.iter_mut() {
            table.frontier = Some(frontier.clone());
        }
        // What triggers of users on the members have written meanwhile was not read.
        if !has_changed(tables, &after, &before)? {
            return Ok(());
        }
    }
}

/// Has a source that is none of these changed since?
fn has_changed(
    tables: &[StreamTable],
    epoch: &Epoch,
    since: &Frontier,
) -> Result<bool, RefreshError> {
    let outside = |s: &&Source| s.captured && !tables.iter().any(|t| t.relid == s.relid);
    for source in tables.iter().flat_map(|t| &t.sources).filter(outside) {
        let Some(buffer) = source.buffer else {
            continue;
        };
        let buffer = OpenRelation::open(buffer, pg_sys::AccessShareLock as i32);
        let view = epoch.view(source.from_wal);
        let waiting = batch::waiting(&buffer, view, since, &source.columns);
        if waiting.map_err(missing(source))? == Waiting::Something {
            return Ok(true);
        }
    }
    Ok(false)
}

fn fixed_point(
    tables: &[StreamTable],
    epoch: &Epoch,
    certain: Option<Vec<Content>>,
    rounds: &mut Rounds,
    done: &mut [Done],
) -> Result<Vec<Member>, RefreshError> {
    let instead: BTreeMap<Oid, String> = tables
        .iter()
        .map(|t| (Oid(t.relid.to_u32()), Content::name(t)))
        .collect();
    let contents = certain.unwrap_or_else(|| tables.iter().map(Content::empty).collect());
    let mut members = vec![];
    for (table, content) in tables.iter().zip(contents) {
        AT_WORK.set(Some(table.pgt_id));
        let is_read = |other: &StreamTable| table.sources.iter().any(|s| s.relid == other.relid);
        members.push(Member {
            query: compiled::over(table, &instead)?,
            reads: (0..tables.len()).filter(|i| is_read(&tables[*i])).collect(),
            content,
            behind: true,
        });
    }
    while members.iter().any(|m| m.behind) {
        rounds.another()?;
        for (at, table) in tables.iter().enumerate() {
            if !std::mem::replace(&mut members[at].behind, false) {
                continue;
            }
            AT_WORK.set(Some(table.pgt_id));
            let began = Instant::now();
            let content = evaluate(table, epoch, &members, at);
            done[at].spent += began.elapsed();
            let grown = content.rows.len() != members[at].content.rows.len();
            let before = std::mem::replace(&mut members[at].content, content);
            before.rows.end();
            for member in members
                .iter_mut()
                .filter(|m| grown && m.reads.contains(&at))
            {
                member.behind = true;
            }
        }
    }
    Ok(members)
}

/// The rows of a member's query over the contents of all of them.
fn evaluate(table: &StreamTable, epoch: &Epoch, members: &[Member], at: usize) -> Content {
    let member = &members[at];
    // In memory that outlasts the connection; under a name that the query does not read.
    let columns = member.content.columns.clone();
    let rows = Delta::of_columns("pgt_next", &columns.iter().collect::<Vec<_>>());
    as_owner(table.owner, table.safe_settings(), || {
        sql::connect(|connection| {
            for read in &member.reads {
                members[*read].content.rows.register(connection);
            }
            let execution = Execution::new(connection, epoch);
            execution.read(&rows, &member.query);
            execution.end();
        });
    });
    Content {
        rows: rows.renamed(&Content::name(table)),
        columns,
    }
}

pub fn live_columns(relation: pg_sys::Oid) -> Vec<RelColumn> {
    let table = OpenRelation::open(relation, pg_sys::AccessShareLock as i32);
    // SAFETY: open.
    let columns = unsafe { attributes(table.tuple_desc()) };
    let live = columns.into_iter().filter(|a| !a.attisdropped);
    live.map(|a| RelColumn {
        name: crate::pg::name(&a.attname).to_owned(),
        ty: type_of(a),
    })
    .collect()
}

/// Brings a member to its content, and tells its readers of the difference.
fn bring(table: &StreamTable, epoch: &Epoch, content: &Delta) -> Result<Changed, RefreshError> {
    let target = name_of(table.relid);
    let columns = rebuild::columns_of(table.relid);
    let content_name = quote_identifier(&content.name);
    as_owner(table.owner, table.safe_settings(), || {
        sql::connect(|connection| {
            content.register(connection);
            let mut execution = Execution::new(connection, epoch);
            let (changed, delta) =
                rebuild::replace(&mut execution, &content_name, &target, &columns)?;
            publish(table, delta)?;
            execution.end();
            Ok(changed)
        })
    })
}

/// Makes the states of all members what they should be. Their queries say what they hold already,
/// unless of several equal rows others are chosen now: then all of it again.
fn settle(
    tables: &[StreamTable],
    epoch: &Epoch,
    rounds: &mut Rounds,
    done: &mut [Done],
) -> Result<(), RefreshError> {
    loop {
        let mut moved = false;
        for (table, done) in tables.iter().zip(done.iter_mut()) {
            AT_WORK.set(Some(table.pgt_id));
            if !compiled::has_states(table)? {
                continue;
            }
            let began = Instant::now();
            let changed = rebuild::run(table, &epoch.advanced())?;
            moved |= changed.inserted + changed.deleted > 0;
            done.add(changed);
            done.spent += began.elapsed();
        }
        if !moved {
            return Ok(());
        }
        rounds.another()?;
    }
}
