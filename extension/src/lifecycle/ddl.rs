//! DDL on sources and stream tables.
//!
//! Event triggers look at what a command has done and tell the stream tables concerned; they never
//! refuse what has nothing to do with one. A program names its sources by OID and attnum, so that
//! renaming needs nothing.

use super::{capturing, dropping};
use crate::capture::buffer::{self, Mark, Writer};
use crate::refresh::identity::as_system;
use crate::sql::{self, arg};
use pgrx::pg_sys;
use pgrx::prelude::*;

/// # Safety
/// `fcinfo` must be what the server passed.
unsafe fn check_event(fcinfo: pg_sys::FunctionCallInfo) {
    // SAFETY: the node's tag is checked.
    unsafe {
        let context = (*fcinfo).context;
        if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_EventTriggerData {
            error!("this function can only be called as an event trigger");
        }
    }
}

/// While the extension itself is being created or dropped its tables are not all there.
fn is_ready() -> bool {
    crate::catalog::stream_table::own_table_if_any("pgt_captures").is_some()
}

fn oids(sql: &str) -> Vec<pg_sys::Oid> {
    sql::connect(|c| {
        c.run(sql, &[])
            .iter()
            .filter_map(|row| row.get(1))
            .collect()
    })
}

/// ON sql_drop.
///
/// # Safety
/// Called by the server only.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn pgt_on_drop(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: by the server.
    unsafe { check_event(fcinfo) };
    if is_ready() {
        as_system(|| {
            let dropped = oids(
                "SELECT objid FROM pg_catalog.pg_event_trigger_dropped_objects() WHERE classid = \
                 'pg_catalog.pg_class'::pg_catalog.regclass AND objsubid = 0 AND object_type IN \
                 ('table', 'view', 'foreign table', 'materialized view')",
            );
            if !dropped.is_empty() {
                dropping::forget(&dropped);
            }
        });
    }
    pg_sys::Datum::from(0)
}

/// ON ddl_command_end.
///
/// # Safety
/// Called by the server only.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn pgt_on_ddl(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: by the server.
    unsafe { check_event(fcinfo) };
    if is_ready() {
        as_system(|| {
            let altered = oids(
                "SELECT DISTINCT e.objid FROM pg_catalog.pg_event_trigger_ddl_commands() e WHERE \
                 e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.command_tag IN \
                 ('ALTER TABLE', 'ALTER VIEW', 'CREATE VIEW', 'ALTER FOREIGN TABLE')",
            );
            if !altered.is_empty() {
                after_alter(&altered);
            }
        });
    }
    pg_sys::Datum::from(0)
}

/// ON table_rewrite: the table's rows get new storage, in which a snapshot from before sees none.
///
/// # Safety
/// Called by the server only.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn pgt_on_rewrite(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: by the server.
    unsafe { check_event(fcinfo) };
    if is_ready() {
        as_system(|| {
            let rewritten = oids("SELECT pg_catalog.pg_event_trigger_table_rewrite_oid()");
            for source in rewritten {
                if let Some(buffer) = buffer::find(source) {
                    Writer::open(buffer).mark(Mark::Rewritten);
                }
            }
        });
    }
    pg_sys::Datum::from(0)
}

/// Tells the readers of altered relations what has become of what they use.
fn after_alter(altered: &[pg_sys::Oid]) {
    // Names are shown, not used.
    sql::run(
        "UPDATE pgtrickle.pgt_stream_tables s SET pgt_name = c.relname, pgt_schema = n.nspname \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.oid = s.pgt_relid AND c.oid = ANY ($1) AND \
         (s.pgt_name, s.pgt_schema) IS DISTINCT FROM (c.relname, n.nspname)",
        &[arg(altered.to_vec())],
    );
    // A column that matters is gone or has another type.
    let broken: Vec<(pg_sys::Oid, Vec<i16>)> = sql::connect(|c| {
        c.run(
            "WITH used AS (SELECT d.pgt_id, d.source_relid, (t.v ->> 0)::int2 AS attnum, \
             (t.v ->> 1)::oid AS ty, (t.v ->> 2)::int4 AS typmod, (t.v ->> 3)::oid AS collation \
             FROM pgtrickle.pgt_dependencies d, pg_catalog.jsonb_array_elements(d.column_types) \
             AS t (v) WHERE d.source_relid = ANY ($1)), \
             broken AS (SELECT u.*, a.attisdropped, a.attname FROM used u JOIN \
             pg_catalog.pg_attribute a ON a.attrelid = u.source_relid AND a.attnum = u.attnum \
             WHERE a.attisdropped OR (a.atttypid, a.atttypmod, a.attcollation) IS DISTINCT FROM \
             (u.ty, u.typmod, u.collation)), \
             told AS (UPDATE pgtrickle.pgt_stream_tables s SET needs_reinit = true, \
             reinit_reason = b.reason FROM (SELECT pgt_id, 'of ' || source_relid::regclass || ': ' \
             || pg_catalog.string_agg(CASE WHEN attisdropped THEN 'column ' || attnum || \
             ' was dropped' ELSE 'column ' || pg_catalog.quote_ident(attname) || \
             ' has another type' END, ', ') AS reason FROM broken GROUP BY pgt_id, source_relid) \
             b WHERE b.pgt_id = s.pgt_id) \
             SELECT source_relid, pg_catalog.array_agg(DISTINCT attnum) FROM broken WHERE NOT \
             attisdropped GROUP BY source_relid",
            &[arg(altered.to_vec())],
        )
        .iter()
        .filter_map(|row| Some((row.get(1)?, row.get(2)?)))
        .collect()
    });
    for (source, attnums) in broken {
        capturing::retype(source, &attnums);
    }
}

crate::c_function!(pg_finfo_pgt_on_drop);
crate::c_function!(pg_finfo_pgt_on_ddl);
crate::c_function!(pg_finfo_pgt_on_rewrite);
