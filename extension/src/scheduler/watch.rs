//! What holds, and listeners should know of: told when it begins, once.
//!
//! What was told is kept in `pgt_alerts` as long as it holds, so that a new worker does not tell it
//! again. Two looks: a quick one before each cycle, at what the catalog says of each stream table
//! (afterwards, much of it has been dealt with), and now and then a slow one after it.

use super::process::{now, transaction};
use crate::catalog::{StreamTable, stream_table};
use crate::looking::pending;
use crate::refresh::identity::as_system;
use crate::settings;
use crate::sql::{self, Row, arg};
use crate::telling;
use pgrx::{JsonB, pg_sys};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The pause between two slow looks.
const PAUSE: Duration = Duration::from_secs(5);
/// What comes and goes has ended when it was not seen for so long.
const QUIET: Duration = Duration::from_secs(30);
/// A row of a change buffer takes at least so many bytes.
const SMALLEST_ROW: u64 = 48;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Condition {
    Suspended,
    ReinitializeNeeded,
    Stale,
    FallingBehind,
    BufferGrowth,
    SlotLag,
}

impl Condition {
    fn of(event: &str) -> Option<Condition> {
        Some(match event {
            "suspended" | "auto_suspended" => Condition::Suspended,
            "reinitialize_needed" => Condition::ReinitializeNeeded,
            "stale_data" => Condition::Stale,
            "scheduler_falling_behind" => Condition::FallingBehind,
            "buffer_growth_warning" => Condition::BufferGrowth,
            "slot_lag_warning" => Condition::SlotLag,
            _ => return None,
        })
    }

    fn is_quick(self) -> bool {
        matches!(self, Condition::Suspended | Condition::ReinitializeNeeded)
    }
}

/// A condition, and of what: a stream table, something else, or the scheduler itself.
type Key = (Condition, Option<i64>, Option<String>);

/// The event, and what there is to say.
type Seen = BTreeMap<Key, (String, Map<String, Value>)>;

/// What has been told and has not ended: the event, and when it was last seen.
type Known = BTreeMap<Key, (String, Duration)>;

#[derive(Default)]
pub struct Watch {
    /// None before the first look.
    known: Option<Known>,
    looked: Option<Duration>,
}

impl Watch {
    /// Before a cycle.
    pub fn before_cycle(&mut self) {
        self.look(true);
    }

    /// After it.
    pub fn after_cycle(&mut self) {
        let at = now();
        if self.looked.is_none_or(|looked| looked + PAUSE <= at) {
            self.looked = Some(at);
            self.look(false);
        }
    }

    fn look(&mut self, quick: bool) {
        let at = now();
        let looked = transaction("looking for what to tell", || {
            stream_table::own_table_if_any("pgt_alerts")?;
            let mut known = match self.known.take() {
                Some(known) => known,
                None => as_system(|| told(at)),
            };
            let seen = as_system(|| match quick {
                true => conditions(include_str!("watch_quick.sql")),
                false => {
                    let mut seen = conditions(include_str!("watch_slow.sql"));
                    seen.extend(buffers());
                    seen
                }
            });
            as_system(|| compare(&mut known, seen, quick, at));
            Some(known)
        });
        match looked {
            Ok(known) => self.known = known,
            // Nothing was told: as the table says.
            Err(failure) => {
                self.known = None;
                failure.warn("looking for what to tell");
            }
        }
    }
}

/// Tells what has begun, and forgets what has ended.
fn compare(known: &mut Known, seen: Seen, quick: bool, at: Duration) {
    let ended: Vec<Key> = known
        .iter()
        .filter(|(key, (_, last))| {
            key.0.is_quick() == quick && !seen.contains_key(*key) && (quick || *last + QUIET <= at)
        })
        .map(|(key, _)| key.clone())
        .collect();
    for key in ended {
        let Some((event, _)) = known.remove(&key) else {
            continue;
        };
        sql::run(
            "DELETE FROM pgtrickle.pgt_alerts WHERE event = $1 AND pgt_id IS NOT DISTINCT FROM $2 \
             AND subject IS NOT DISTINCT FROM $3",
            &[arg(event), arg(key.1), arg(key.2.clone())],
        );
        if let (Condition::Suspended, Some(pgt_id)) = (key.0, key.1) {
            telling::note("resumed", pgt_id, json!({}));
        }
    }
    for (key, (event, details)) in seen {
        if let Some((_, last)) = known.get_mut(&key) {
            *last = at;
            continue;
        }
        if !key.1.is_some_and(telling::is_silent) {
            telling::tell(&event, details.clone());
        }
        sql::run(
            "INSERT INTO pgtrickle.pgt_alerts (event, pgt_id, subject, details) VALUES \
             ($1, $2, $3, $4)",
            &[
                arg(event.as_str()),
                arg(key.1),
                arg(key.2.clone()),
                arg(JsonB(Value::Object(details))),
            ],
        );
        known.insert(key, (event, at));
    }
}

/// Columns: event, stream table, another subject.
fn key(row: Row<'_, '_>) -> Option<(Key, String)> {
    let event: String = row.get(1)?;
    let key = (Condition::of(&event)?, row.get(2), row.get(3));
    Some((key, event))
}

/// What was told, also by workers before this one.
fn told(at: Duration) -> Known {
    sql::connect(|c| {
        c.run(
            "SELECT event, pgt_id, subject FROM pgtrickle.pgt_alerts",
            &[],
        )
        .iter()
        .filter_map(|row| key(row).map(|(key, event)| (key, (event, at))))
        .collect()
    })
}

fn conditions(query: &'static str) -> Seen {
    sql::connect(|c| {
        c.own(query)
            .iter()
            .filter_map(|row| {
                let (key, event) = key(row)?;
                let JsonB(details) = row.get(4)?;
                let Value::Object(details) = details else {
                    return None;
                };
                Some((key, (event, details)))
            })
            .collect()
    })
}

/// Readers that very many changes wait for. Only long buffers are looked into, and only those that
/// can be had without waiting.
fn buffers() -> Seen {
    let threshold = settings::buffer_alert_threshold();
    let captures: Vec<(i64, pg_sys::Oid, pg_sys::Oid, String)> = sql::connect(|c| {
        c.run(
            "SELECT d.pgt_id, d.source_relid, k.buffer_relid, \
             pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pgtrickle.pgt_dependencies d \
             JOIN pgtrickle.pgt_stream_tables s USING (pgt_id) \
             JOIN pgtrickle.pgt_captures k USING (source_relid) \
             JOIN pg_catalog.pg_class c ON c.oid = d.source_relid \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE d.captured AND s.refresh_mode <> 'IMMEDIATE'",
            &[],
        )
        .iter()
        .filter_map(|row| Some((row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .collect()
    });
    let mut seen = Seen::new();
    for (pgt_id, source, buffer, name) in captures {
        if !may_hold(buffer, threshold) {
            continue;
        }
        let Some(table) = StreamTable::load(pgt_id) else {
            continue;
        };
        let rows = pending::count(&table, source).unwrap_or(0);
        if rows as u64 >= threshold {
            let details = json!({
                "stream_table": table.name(),
                "source_table": &name,
                "pending_rows": rows,
            });
            let Value::Object(details) = details else {
                continue;
            };
            let key = (Condition::BufferGrowth, Some(pgt_id), Some(name));
            seen.insert(key, ("buffer_growth_warning".into(), details));
        }
    }
    seen
}

/// Is a buffer, if it can be had, long enough for so many rows? It stays locked if it is: there can be
/// very many buffers.
fn may_hold(buffer: pg_sys::Oid, rows: u64) -> bool {
    let mode = pg_sys::AccessShareLock as i32;
    // SAFETY: the relation is locked while it is open.
    unsafe {
        if !pg_sys::ConditionalLockRelationOid(buffer, mode) {
            return false;
        }
        let relation = pg_sys::try_table_open(buffer, pg_sys::NoLock as i32);
        let mut pages = 0;
        if !relation.is_null() {
            pages =
                pg_sys::RelationGetNumberOfBlocksInFork(relation, pg_sys::ForkNumber::MAIN_FORKNUM);
            pg_sys::table_close(relation, pg_sys::NoLock as i32);
        }
        let is_long =
            u64::from(pages) * u64::from(pg_sys::BLCKSZ) >= rows.saturating_mul(SMALLEST_ROW);
        if !is_long {
            pg_sys::UnlockRelationOid(buffer, mode);
        }
        is_long
    }
}
