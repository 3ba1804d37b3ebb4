//! A look at everything: which stream tables there are, how they hang together, and which of them
//! changes wait for. It writes nothing.

use super::pending::{Buffers, Idle};
use crate::catalog::stream_table;
use crate::frontier::{Epoch, Frontier, PgSnapshot};
use crate::refresh::identity::as_system;
use crate::sql::{self, Row, arg};
use pgrx::pg_sys;
use pgrx::prelude::*;
use runtime::demand::Tier;
use runtime::plan::Table;
use runtime::schedule::Schedule;
use runtime::unit::{Input, Policy, Structure, Unit};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// What a look has found. Moments are on the scheduler's clock.
pub struct Look {
    pub tables: Vec<Table>,
    /// (upstream, downstream) among all stream tables.
    pub edges: Vec<(i64, i64)>,
    pub structure: Structure,
    /// Those whose changes are captured.
    pub by_changes: BTreeSet<i64>,
    /// What `pgt_behind` says, also where that was before the last refresh.
    pub published: BTreeMap<i64, Duration>,
    /// Why some must not be refreshed now.
    pub held: BTreeMap<i64, String>,
}

impl Look {
    /// When one of these was last refreshed.
    pub fn newest(&self, members: &[i64]) -> Duration {
        let own = self.tables.iter().filter(|t| members.contains(&t.id));
        own.filter_map(|t| t.refreshed_at).max().unwrap_or_default()
    }
}

/// What one who looks remembers from one look to the next.
#[derive(Default)]
pub struct Memory {
    /// When it last looked, and at which stream tables.
    pub looked: Option<(Duration, BTreeSet<i64>)>,
    /// Failures in a row that are no fault of the stream table, and when the last one was.
    pub passing: HashMap<i64, (u32, Duration)>,
    /// Schedules by their text and time zone: to parse a calendar takes longer than to use it.
    schedules: HashMap<(String, String), Option<Schedule>>,
    /// Buffers that held nothing for a stream table, when they were last opened.
    idle: Idle,
    /// The units of a structure.
    units: Option<(Structure, Vec<Unit>)>,
}

impl Memory {
    fn last_look(&self, id: i64) -> Option<Duration> {
        let (at, tables) = self.looked.as_ref()?;
        tables.contains(&id).then_some(*at)
    }

    fn schedule(&mut self, id: i64, text: &str, zone: &str) -> Option<Schedule> {
        let known = self
            .schedules
            .entry((text.to_owned(), zone.to_owned()))
            .or_insert_with(|| match Schedule::parse(text, zone) {
                Ok(schedule) => Some(schedule),
                Err(error) => {
                    warning!("pg_trickle: stream table {id} is not refreshed: {error}");
                    None
                }
            });
        known.clone()
    }

    /// What is refreshed together.
    pub fn units(&mut self, structure: &Structure) -> &[Unit] {
        if self.units.as_ref().is_none_or(|(of, _)| of != structure) {
            self.units = Some((structure.clone(), structure.units()));
        }
        self.units.as_ref().map_or(&[], |(_, units)| units)
    }

    /// Reads the stream tables, and which of them changes wait for. None if there are none, or the
    /// extension is not here.
    pub fn look(&mut self) -> Option<Look> {
        stream_table::own_table_if_any("pgt_behind")?;
        let epoch = Epoch::begin();
        as_system(|| {
            sql::connect(|c| {
                let mut look = Look {
                    tables: vec![],
                    edges: vec![],
                    structure: Structure::default(),
                    by_changes: BTreeSet::new(),
                    published: BTreeMap::new(),
                    held: BTreeMap::new(),
                };
                let mut buffers: HashMap<i64, Vec<Option<pg_sys::Oid>>> = HashMap::new();
                for row in c.own(include_str!("sources.sql")).iter() {
                    let id = row.get(1)?;
                    buffers.entry(id).or_default().push(row.get(2));
                    let input = match row.get(3) {
                        Some(up) => {
                            look.edges.push((up, id));
                            Input::Table(up)
                        }
                        None => Input::Source(row.get::<pg_sys::Oid>(4)?.to_u32()),
                    };
                    look.structure.reads.insert((input, id));
                }
                let groups = c.run(
                    "SELECT group_id, pgt_id FROM pgtrickle.pgt_refresh_group_members ORDER BY 1",
                    &[],
                );
                let mut members: BTreeMap<i32, BTreeSet<i64>> = BTreeMap::new();
                for row in groups.iter() {
                    members.entry(row.get(1)?).or_default().insert(row.get(2)?);
                }
                look.structure.groups = members.into_values().collect();
                let mut idle = std::mem::take(&mut self.idle);
                let mut content = Buffers::new(&epoch, &mut idle);
                for row in c.own(include_str!("look.sql")).iter() {
                    self.take(row, &buffers, &mut content, &mut look)?;
                }
                content.forget_others(&buffers);
                self.idle = idle;
                (!look.tables.is_empty()).then_some(look)
            })
        })
    }

    /// A row of look.sql.
    fn take(
        &mut self,
        row: Row<'_, '_>,
        buffers: &HashMap<i64, Vec<Option<pg_sys::Oid>>>,
        content: &mut Buffers<'_>,
        look: &mut Look,
    ) -> Option<()> {
        let id: i64 = row.get(1)?;
        let text: String = row.get(2)?;
        let zone: String = row.get(14).unwrap_or_else(|| "UTC".into());
        let tier = row.get::<String>(11).and_then(|t| Tier::parse(&t));
        let tier = tier.unwrap_or_default();
        let Some(schedule) = self.schedule(id, &text, &zone) else {
            return Some(());
        };
        if tier != Tier::Frozen {
            look.structure.tables.insert(id);
            if row.get(12).unwrap_or(false) {
                let policy = match row.get(13).unwrap_or(false) {
                    true => Policy::Slowest,
                    false => Policy::Fastest,
                };
                look.structure.atomic.insert(id, policy);
            }
        }
        let filled = moment(row, 3);
        let published = moment(row, 4);
        let frontier = row.get(7).unwrap_or(false).then(|| frontier(row)).flatten();
        let (pending, as_of) = match &frontier {
            Some(frontier) => {
                look.by_changes.insert(id);
                look.published.extend(published.map(|p| (id, p)));
                let of = buffers.get(&id).map_or(&[][..], Vec::as_slice);
                let pending = of
                    .iter()
                    .any(|b| b.is_none_or(|b| content.pending(id, b, frontier)));
                let published = published.filter(|p| filled.is_none_or(|f| *p >= f));
                (pending, published.or(filled.max(self.last_look(id))))
            }
            None => (true, filled),
        };
        let errors = row.get::<i32>(6).unwrap_or(0).max(0) as u32;
        let (errors, failed_at) = match errors {
            1.. => (errors, moment(row, 5)),
            0 => self
                .passing
                .get(&id)
                .map_or((0, None), |(errors, at)| (*errors, Some(*at))),
        };
        let held: Option<String> = row.get(15);
        look.tables.push(Table {
            id,
            schedule,
            tier,
            pending,
            as_of,
            refreshed_at: filled,
            failed_at,
            consecutive_errors: errors,
            held: held.is_some(),
        });
        look.held.extend(held.map(|reason| (id, reason)));
        Some(())
    }
}

/// A column of type timestamptz, on the scheduler's clock.
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
pub fn publish(behind: &BTreeMap<i64, Duration>, published: &BTreeMap<i64, Duration>) {
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
    if ids.is_empty() && gone.is_empty() {
        return;
    }
    // Who looks at the same time writes the same rows, in whatever order.
    stream_table::lock_behind();
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
