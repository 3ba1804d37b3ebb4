//! Executes a refresh program: lets, asserts and applies, all under one snapshot.
//!
//! Lets and asserts run read-only under the epoch as it is. Applies and merges run under copies of
//! it whose command id advances, so that each sees what those before it wrote and nothing else that
//! is new. Where others run the same program at the same time, each meeting with them renews the
//! epoch.

use super::RefreshError;
use super::relation::Delta;
use super::settings::Settings;
use crate::capture::audience::Audience;
use crate::capture::buffer;
use crate::catalog::StreamTable;
use crate::frontier::Epoch;
use crate::immediate::{self, log};
use crate::pg::{OpenRelation, attributes};
use crate::sql::{Connection, Kin, Plan, PlanKey};
use pgrx::pg_sys;
use spec::op::StoredId;
use spec::program::{Meeting, RefreshProgram, Step, StepKind};
use std::collections::HashMap;
use std::rc::Rc;

/// What a program did to the stream table itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Changed {
    pub inserted: u64,
    pub deleted: u64,
}

/// Rows for which a statement is planned each time.
const MANY: u64 = 1000;

pub struct Execution<'e> {
    connection: &'e Connection,
    epoch: &'e Epoch,
    /// Newer ones, the last of which holds. Rows that were read under the others may still point to
    /// values that only these keep.
    renewed: Vec<Epoch>,
    relations: HashMap<String, Delta>,
    /// Whose plans are kept for the session, if they are.
    plans_of: Option<Rc<Kin>>,
    /// Planner settings of the step at hand.
    wanted: Vec<(String, String)>,
    /// The stream table, and where others that keep it may be met.
    others: Option<(pg_sys::Oid, &'e [Meeting])>,
}

impl<'e> Execution<'e> {
    pub fn new(connection: &'e Connection, epoch: &'e Epoch) -> Self {
        Execution {
            connection,
            epoch,
            renewed: Vec::new(),
            relations: HashMap::new(),
            plans_of: None,
            wanted: Vec::new(),
            others: None,
        }
    }

    /// The same, for a program that this session will often run.
    pub fn keeping_plans(connection: &'e Connection, epoch: &'e Epoch, kin: Kin) -> Self {
        Execution {
            plans_of: Some(Rc::new(kin)),
            ..Execution::new(connection, epoch)
        }
    }

    /// The same, while others may run the same program.
    pub fn among_others(self, table: pg_sys::Oid, meetings: &'e [Meeting]) -> Self {
        Execution {
            others: Some((table, meetings)),
            ..self
        }
    }

    fn epoch(&self) -> &Epoch {
        self.renewed.last().unwrap_or(self.epoch)
    }

    /// Waits for others where they are met before this step.
    fn meet(&mut self, step: usize) -> Result<(), RefreshError> {
        let Some((table, meetings)) = self.others else {
            return Ok(());
        };
        for meeting in meetings.iter().filter(|m| m.before == step) {
            let rows = self.named("meeting", &meeting.relation)?;
            if immediate::settle(table, meeting, rows) {
                self.renewed.push(self.epoch().renewed());
            }
        }
        Ok(())
    }

    fn prepare(&self, sql: &str) -> Plan<'e> {
        // To plan is nothing beside what many rows cost, and a plan for them must not be an old one.
        let is_large = || self.relations.values().any(|delta| delta.len() >= MANY);
        let Some(of) = self.plans_of.clone().filter(|_| !is_large()) else {
            return self.connection.prepare(sql);
        };
        let mut relations: Vec<&Delta> = self.relations.values().collect();
        relations.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let magnitude = |delta: &&Delta| delta.len().checked_ilog10().map_or(0, |m| m as u8 + 1);
        self.connection.prepare_once(PlanKey {
            sql: sql.to_string(),
            of,
            magnitudes: relations.iter().map(magnitude).collect(),
        })
    }

    /// Has a statement run under the epoch, and under the settings of the step where it is yet to be
    /// planned: to set them costs as much as a small statement.
    fn with<R>(&self, sql: &str, work: impl FnOnce(&Plan<'e>) -> R) -> R {
        self.epoch().active(|| {
            let plan = self.prepare(sql);
            let settings = match plan.is_planned() {
                true => Settings::local(&[]),
                false => Settings::local(&self.wanted),
            };
            let result = work(&plan);
            settings.restore();
            result
        })
    }

    /// The same, from now on at another moment.
    pub fn under(self, epoch: &'e Epoch) -> Self {
        Execution {
            epoch,
            renewed: Vec::new(),
            ..self
        }
    }

    /// Adds a relation for the steps to read.
    pub fn provide(&mut self, relation: Delta) {
        relation.register(self.connection);
        self.relations.insert(relation.name.clone(), relation);
    }

    pub fn relation(&self, name: &str) -> Option<&Delta> {
        self.relations.get(name)
    }

    /// Runs all steps; says what changed in the stream table and, if that is to be published, which
    /// relation is its delta.
    pub fn run(
        &mut self,
        program: &RefreshProgram,
        published: bool,
    ) -> Result<(Changed, Option<String>), RefreshError> {
        let mut changed = Changed::default();
        let mut delta_of_root = None;
        for (number, step) in program.steps.iter().enumerate() {
            self.meet(number)?;
            // Mostly those of the step before: nothing to copy.
            if self.wanted != step.settings {
                self.wanted.clone_from(&step.settings);
            }
            match &step.kind {
                StepKind::Let { sql, columns } => {
                    self.let_relation(step, sql, columns.len())?;
                }
                StepKind::Assert {
                    sql,
                    sqlstate,
                    message,
                } => {
                    if !self.skips(step)? && self.returns_rows(sql) {
                        return Err(RefreshError::Asserted {
                            sqlstate: sqlstate.clone(),
                            message: message.clone(),
                        });
                    }
                }
                StepKind::Apply {
                    target,
                    delta,
                    statements,
                } => {
                    let skip = self.skips(step)?;
                    let relation = self.named(&step.name, delta)?;
                    if *target == StoredId(0) {
                        changed = count(relation);
                        delta_of_root = Some(delta.clone());
                    }
                    if !skip && !relation.is_empty() {
                        for sql in statements {
                            self.write(sql);
                        }
                    }
                }
                StepKind::Merge {
                    target,
                    with,
                    rows,
                    columns,
                    counted,
                } => {
                    let is_root = *target == StoredId(0);
                    let of_step = match counted {
                        Some(_) if self.skips(step)? => Changed::default(),
                        Some(counted) if !(is_root && published) => self.merge_counted(counted),
                        _ => {
                            if is_root {
                                delta_of_root = Some(step.name.clone());
                            }
                            self.merge_relation(step, &format!("{with}\n{rows}"), columns.len())?
                        }
                    };
                    if is_root {
                        changed = of_step;
                    }
                }
            }
        }
        self.wanted.clear();
        Ok((changed, delta_of_root))
    }

    fn named(&self, step: &str, name: &str) -> Result<&Delta, RefreshError> {
        self.relations
            .get(name)
            .ok_or_else(|| RefreshError::Internal {
                step: step.to_string(),
                what: format!("reads {name}, which no step before it makes"),
            })
    }

    fn skips(&self, step: &Step) -> Result<bool, RefreshError> {
        let mut all_empty = !step.skip_if_empty.is_empty();
        for name in &step.skip_if_empty {
            all_empty &= self.named(&step.name, name)?.is_empty();
        }
        Ok(all_empty)
    }

    /// Runs a query into a new relation and makes that known.
    pub fn query(&mut self, name: &str, sql: &str) -> Result<&Delta, RefreshError> {
        let relation = self.read_into(name, sql, false)?;
        self.provide(relation);
        Ok(&self.relations[name])
    }

    fn let_relation(&mut self, step: &Step, sql: &str, columns: usize) -> Result<(), RefreshError> {
        let skip = self.skips(step)?;
        let relation = self.read_into(&step.name, sql, skip)?;
        self.provide_checked(step, relation, columns)
    }

    /// Merges, and makes the change known.
    fn merge_relation(
        &mut self,
        step: &Step,
        sql: &str,
        columns: usize,
    ) -> Result<Changed, RefreshError> {
        let skip = self.skips(step)?;
        let relation = self.with(sql, |plan| {
            let desc = plan.columns().ok_or_else(|| no_rows(&step.name))?;
            // SAFETY: the plan's descriptor is copied; the epoch is registered; the rows are those
            // of the plan.
            unsafe {
                let mut relation = Delta::like(&step.name, desc);
                if !skip {
                    let rows = plan.write_returning(self.epoch().as_ptr());
                    rows.for_each_tuple(|tuple| relation.put_tuple(tuple));
                }
                Ok::<_, RefreshError>(relation)
            }
        })?;
        let changed = count(&relation);
        self.provide_checked(step, relation, columns)?;
        Ok(changed)
    }

    /// Merges, and says how many rows that inserted and deleted.
    fn merge_counted(&self, sql: &str) -> Changed {
        self.with(sql, |plan| {
            // SAFETY: the epoch is registered.
            let rows = unsafe { plan.write_returning(self.epoch().as_ptr()) };
            let number = |column| {
                let n: Option<i64> = rows.first().and_then(|row| row.get(column));
                n.unwrap_or_default().unsigned_abs()
            };
            Changed {
                inserted: number(1),
                deleted: number(2),
            }
        })
    }

    fn provide_checked(
        &mut self,
        step: &Step,
        relation: Delta,
        columns: usize,
    ) -> Result<(), RefreshError> {
        let width = relation.width();
        if width != columns && width != columns + 1 {
            return Err(RefreshError::Internal {
                step: step.name.clone(),
                what: format!("has {width} columns where the program says {columns}"),
            });
        }
        self.provide(relation);
        Ok(())
    }

    fn read_into(&self, name: &str, sql: &str, skip: bool) -> Result<Delta, RefreshError> {
        self.with(sql, |plan| {
            let desc = plan.columns().ok_or_else(|| no_rows(name))?;
            // SAFETY: the plan's descriptor is copied.
            let relation = unsafe { Delta::like(name, desc) };
            if !skip {
                read(plan, &relation);
            }
            Ok(relation)
        })
    }

    /// Adds the rows of a query to a relation that has its columns.
    pub fn read(&self, relation: &Delta, sql: &str) {
        self.with(sql, |plan| read(plan, relation));
    }

    fn returns_rows(&self, sql: &str) -> bool {
        let settings = Settings::local(&self.wanted);
        let returns = self
            .epoch
            .active(|| !self.connection.read(sql, &[]).is_empty());
        settings.restore();
        returns
    }

    /// Runs one statement that writes to a stored collection.
    pub fn write(&self, sql: &str) -> u64 {
        self.with(sql, |plan| {
            // SAFETY: the epoch is registered.
            unsafe { plan.write_under(self.epoch().as_ptr()) }
        })
    }

    pub fn end(self) {
        for relation in self.relations.into_values() {
            relation.end();
        }
    }
}

fn read(plan: &Plan<'_>, relation: &Delta) {
    // SAFETY: the receiver lives until the query ends.
    unsafe {
        let receiver = relation.receiver();
        plan.read_into(receiver);
        if let Some(destroy) = (*receiver).rDestroy {
            destroy(receiver);
        }
    }
}

fn no_rows(step: &str) -> RefreshError {
    RefreshError::Internal {
        step: step.to_string(),
        what: "returns no rows".to_string(),
    }
}

/// Positive and negative rows of a consolidated delta.
pub fn count(delta: &Delta) -> Changed {
    let mut changed = Changed::default();
    delta.for_each(|slot| {
        // SAFETY: the first column is `w bigint`, not null.
        let w = unsafe { *(*slot).tts_values }.value() as i64;
        if w > 0 {
            changed.inserted += w.unsigned_abs();
        } else {
            changed.deleted += w.unsigned_abs();
        }
    });
    changed
}

/// Tells the readers of a stream table of its delta: those who look at its change buffer later, and
/// those who are to know at once.
pub fn publish(table: &StreamTable, delta: &Delta) -> Result<(), RefreshError> {
    let Some(buffer) = table.buffer else {
        return Ok(());
    };
    let columns = {
        let buffer = OpenRelation::open(buffer, pg_sys::AccessShareLock as i32);
        places(&buffer, delta.width())
    };
    let columns = columns.ok_or_else(|| RefreshError::Internal {
        step: delta.name.clone(),
        what: "has fewer columns than the stream table's change buffer".to_string(),
    })?;
    let audience = Audience::of(table.relid);
    if audience.deferred {
        buffer::append(buffer, |writer| append(delta, &columns, writer));
    }
    if !audience.immediate.is_empty() {
        log::publish(table.relid, buffer, &audience, &columns, delta);
    }
    Ok(())
}

/// Where a change buffer keeps the columns of a stream table, whose delta has them behind `w`:
/// pairs of places, in the delta and in the buffer. None if there is no such column.
fn places(buffer: &OpenRelation, width: usize) -> Option<Vec<(usize, usize)>> {
    // SAFETY: open.
    let columns = unsafe { attributes(buffer.tuple_desc()) };
    let live = columns.iter().enumerate().skip(buffer::FIXED);
    live.filter(|(_, kept)| !kept.attisdropped)
        .map(|(to, kept)| {
            // Column i of the delta (after w) is column i of the stream table, attnum i.
            let attnum = buffer::source_attnum(crate::pg::name(&kept.attname))?;
            let from = usize::try_from(attnum).ok()?;
            (from < width).then_some((from, to))
        })
        .collect()
}

fn append(delta: &Delta, columns: &[(usize, usize)], writer: &mut buffer::Writer) {
    delta.for_each(|slot| {
        // SAFETY: the rows have the types of the stream table's columns.
        unsafe {
            let mut w = (*(*slot).tts_values).value() as i64;
            // A weight too large for one row is spread over several.
            while w != 0 {
                let part = w.clamp(-buffer::LARGEST, buffer::LARGEST);
                writer.write(part as i16, |values, nulls| {
                    for &(from, to) in columns {
                        values[to] = *(*slot).tts_values.add(from);
                        nulls[to] = *(*slot).tts_isnull.add(from);
                    }
                });
                w -= part;
            }
        }
    });
}
