//! A row of `pgt_stream_tables` with its sources.

use crate::frontier::{Frontier, PgSnapshot};
use crate::pg::cstring;
use crate::refresh::identity::as_system;
use crate::sql::{self, Arg, Row, arg};
use pgrx::prelude::*;
use pgrx::{JsonB, pg_sys};

pub struct Source {
    pub relid: pg_sys::Oid,
    /// Its change buffer, if its changes are captured for this stream table.
    pub buffer: Option<pg_sys::Oid>,
    /// attnums whose values matter.
    pub columns: Vec<i16>,
    /// False for what is read through a view that was inlined, and where only FULL is possible.
    pub captured: bool,
    /// It is compared with a kept copy of these columns.
    pub compared: bool,
    /// Itself, its partitions and children, as they are captured; in the order of their OIDs.
    pub members: Vec<pg_sys::Oid>,
    /// Its changes come from the WAL.
    pub from_wal: bool,
    /// Of a stream table in a circle: 1 if it grows with the source, -1 if it grows as the source
    /// shrinks, 0 if neither is certain.
    pub monotone: i16,
}

pub struct StreamTable {
    pub pgt_id: i64,
    pub relid: pg_sys::Oid,
    pub owner: pg_sys::Oid,
    pub original_query: String,
    pub refresh_mode: String,
    pub status: String,
    pub populated: bool,
    pub frontier: Option<Frontier>,
    pub reinit: Option<String>,
    pub incremental: bool,
    pub generation: i64,
    pub settings: Vec<(String, String)>,
    safe_settings: Vec<(String, String)>,
    /// In the order of their OIDs.
    pub sources: Vec<Source>,
    /// Its own change buffer, if other stream tables read it.
    pub buffer: Option<pg_sys::Oid>,
    /// A query for how its clock has moved, if it asks for the time.
    pub clock: Option<String>,
    /// The circle that it is in, if it reads itself through others or not.
    pub circle: Option<i64>,
    /// How it asks for the capture of its sources.
    pub cdc_mode: String,
    /// Its sources are promised to gain rows only.
    pub append_only: bool,
    /// `pooler_compatibility_mode`: nothing is kept for it in the sessions that write.
    pub pooled: bool,
}

impl StreamTable {
    /// The name with its schema, quoted, as it is now.
    pub fn name(&self) -> String {
        crate::pg::qualified_name(self.relid)
            .unwrap_or_else(|| format!("stream table {}", self.pgt_id))
    }

    /// Loads it under a current snapshot.
    pub fn load(pgt_id: i64) -> Option<StreamTable> {
        as_system(|| {
            sql::connect(|c| {
                let rows = c.run(
                    "SELECT s.pgt_id, s.pgt_relid, c.relowner, s.original_query, s.refresh_mode, \
                     s.status, s.is_populated, s.frontier, s.frontier_xid, s.frontier_upto, \
                     CASE WHEN s.home <> pgtrickle._home() THEN \
                     'it was restored, or pg_trickle upgraded' \
                     WHEN s.needs_reinit THEN coalesce(s.reinit_reason, '') END, \
                     s.compiled IS NOT NULL, s.generation, s.settings, \
                     k.buffer_relid, s.clock, s.circle, s.append_only, s.pooler_compatibility_mode, \
                     s.cdc_mode \
                     FROM pgtrickle.pgt_stream_tables s \
                     JOIN pg_catalog.pg_class c ON c.oid = s.pgt_relid \
                     LEFT JOIN pgtrickle.pgt_captures k ON k.source_relid = s.pgt_relid \
                     WHERE s.pgt_id = $1",
                    &[arg(pgt_id)],
                );
                let row = rows.first()?;
                let mut this = Self::of(row)?;
                let sources = c.run(
                    "SELECT d.source_relid, CASE WHEN d.captured THEN k.buffer_relid END, \
                     d.columns_used, d.captured, CASE WHEN d.captured THEN k.members END, d.compared, \
                     coalesce(d.monotone, 0::pg_catalog.int2), \
                     d.captured AND coalesce(k.method = 'WAL', false) \
                     FROM pgtrickle.pgt_dependencies d \
                     LEFT JOIN pgtrickle.pgt_captures k USING (source_relid) \
                     WHERE d.pgt_id = $1 ORDER BY d.source_relid",
                    &[arg(pgt_id)],
                );
                this.sources = sources
                    .iter()
                    .filter_map(|row| {
                        Some(Source {
                            relid: row.get(1)?,
                            buffer: row.get(2),
                            columns: row.get(3)?,
                            captured: row.get(4)?,
                            compared: row.get(6)?,
                            members: row.get(5).unwrap_or_default(),
                            monotone: row.get(7)?,
                            from_wal: row.get(8)?,
                        })
                    })
                    .collect();
                Some(this)
            })
        })
    }

    fn of(row: Row<'_, '_>) -> Option<StreamTable> {
        let frontier = match (row.datum(8), row.datum(9), row.get::<i64>(10)) {
            // SAFETY: columns of types pg_snapshot and xid8.
            (Some(snapshot), Some(xid), Some(upto)) => Some(Frontier {
                snapshot: unsafe { PgSnapshot::from_datum(snapshot) },
                xid: xid.value() as u64,
                upto,
            }),
            _ => None,
        };
        let JsonB(settings) = row.get(14)?;
        let settings: Vec<(String, String)> = serde_json::from_value(settings).ok()?;
        let safe = settings.iter().filter(|(name, _)| name != "search_path");
        let safe_settings = safe.cloned().collect();
        Some(StreamTable {
            pgt_id: row.get(1)?,
            relid: row.get(2)?,
            owner: row.get(3)?,
            original_query: row.get(4)?,
            refresh_mode: row.get(5)?,
            status: row.get(6)?,
            populated: row.get(7)?,
            frontier,
            reinit: row.get(11),
            incremental: row.get(12)?,
            generation: row.get(13)?,
            settings,
            safe_settings,
            sources: Vec::new(),
            buffer: row.get(15),
            clock: row.get(16),
            circle: row.get(17),
            append_only: row.get(18)?,
            pooled: row.get(19)?,
            cdc_mode: row.get(20)?,
        })
    }

    /// Records what a refresh has made of it.
    pub fn store_frontier(&self, frontier: &Frontier, at: TimestampWithTimeZone) {
        as_system(|| {
            sql::run(
                "UPDATE pgtrickle.pgt_stream_tables SET frontier = $2, frontier_xid = $3, \
                 frontier_upto = $4, data_timestamp = $5, last_refresh_at = \
                 pg_catalog.clock_timestamp(), is_populated = true, consecutive_errors = 0, \
                 last_error = NULL, needs_reinit = false, reinit_reason = NULL, \
                 status = CASE WHEN status IN ('INITIALIZING', 'ERROR') THEN 'ACTIVE' ELSE status \
                 END WHERE pgt_id = $1",
                &[
                    arg(self.pgt_id),
                    Arg::raw(pg_sys::PG_SNAPSHOTOID, Some(frontier.snapshot.to_datum())),
                    Arg::raw(pg_sys::XID8OID, Some(pg_sys::Datum::from(frontier.xid))),
                    arg(frontier.upto),
                    arg(at),
                ],
            );
        });
    }
}

/// The OID of one of our tables.
pub fn own_table(name: &str) -> pg_sys::Oid {
    let (schema, table) = (cstring("pgtrickle"), cstring(name));
    // SAFETY: look-ups that return invalid for what is missing.
    unsafe {
        let namespace = pg_sys::get_namespace_oid(schema.as_ptr(), false);
        pg_sys::get_relname_relid(table.as_ptr(), namespace)
    }
}

/// Takes the lock that makes us the only one to refresh, alter or drop a stream table, until the
/// transaction ends.
pub fn lock_entry(pgt_id: i64) {
    lock_part(pgt_id, 0, pg_sys::ExclusiveLock);
}

/// The same, unless somebody has it.
pub fn try_lock_entry(pgt_id: i64) -> bool {
    // SAFETY: a heavyweight lock on an object of our own.
    unsafe {
        pg_sys::ConditionalLockDatabaseObject(
            own_table("pgt_stream_tables"),
            pg_sys::Oid::from(pgt_id as u32),
            0,
            pg_sys::ExclusiveLock as i32,
        )
    }
}

/// Makes us the only one to write what is behind, until the transaction ends.
pub fn lock_behind() {
    // SAFETY: a heavyweight lock on an object of our own.
    unsafe {
        pg_sys::LockDatabaseObject(
            own_table("pgt_behind"),
            pg_sys::InvalidOid,
            0,
            pg_sys::ExclusiveLock as i32,
        );
    }
}

/// Takes a lock of a part of the entry; part 0 is what [`lock_entry`] locks.
pub fn lock_part(pgt_id: i64, part: u16, mode: u32) {
    // SAFETY: a heavyweight lock on an object of our own.
    unsafe {
        pg_sys::LockDatabaseObject(
            own_table("pgt_stream_tables"),
            pg_sys::Oid::from(pgt_id as u32),
            part,
            mode as i32,
        );
    }
}

/// Must any of these, except the second, be compiled anew?
pub fn any_needs_reinit(ids: &[i64], except: &[i64]) -> bool {
    as_system(|| {
        sql::one(
            "SELECT EXISTS (SELECT FROM pgtrickle.pgt_stream_tables WHERE pgt_id = ANY ($1) AND \
             (needs_reinit OR home <> pgtrickle._home()) AND status <> 'SUSPENDED' AND NOT pgt_id = \
             ANY ($2))",
            &[arg(ids.to_vec()), arg(except.to_vec())],
        )
    })
    .unwrap_or(false)
}

/// The stream table that lives in a table.
pub fn of_relation(relid: pg_sys::Oid) -> Option<i64> {
    as_system(|| {
        sql::one(
            "SELECT pgt_id FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = $1",
            &[arg(relid)],
        )
    })
}

impl StreamTable {
    /// The recorded settings that can change what an expression means, without the search path:
    /// programs name everything with its schema.
    pub fn safe_settings(&self) -> &[(String, String)] {
        &self.safe_settings
    }
}

/// The OID of one of our tables, if it exists.
pub fn own_table_if_any(name: &str) -> Option<pg_sys::Oid> {
    let (schema, table) = (cstring("pgtrickle"), cstring(name));
    // SAFETY: look-ups that return invalid for what is missing.
    unsafe {
        let namespace = pg_sys::get_namespace_oid(schema.as_ptr(), true);
        if namespace == pg_sys::InvalidOid {
            return None;
        }
        let oid = pg_sys::get_relname_relid(table.as_ptr(), namespace);
        (oid != pg_sys::InvalidOid).then_some(oid)
    }
}
