//! DDL on sources and stream tables.
//!
//! Event triggers look at what a command has done and tell the stream tables concerned; they refuse
//! only what is to be refused ([`super::blocking`]), and never what has nothing to do with one. A program names its sources by OID and attnum, and the query
//! is kept as what it means, so that renaming needs nothing.

use super::blocking::unless_blocked;
use super::{capturing, dropping, immediate};
use crate::capture::audience::Audience;
use crate::capture::buffer::{self, Mark};
use crate::capture::tree;
use crate::immediate::turn;
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

fn oids(sql: &'static str) -> Vec<pg_sys::Oid> {
    sql::connect(|c| c.own(sql).iter().filter_map(|row| row.get(1)).collect())
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
    if is_ready() && !capturing::is_at_work() {
        as_system(|| {
            let dropped = oids(
                "SELECT objid FROM pg_catalog.pg_event_trigger_dropped_objects() WHERE classid = \
                 'pg_catalog.pg_class'::pg_catalog.regclass AND objsubid = 0 AND object_type IN \
                 ('table', 'view', 'foreign table', 'materialized view')",
            );
            unless_blocked(|| {
                let mut replaced = vec![];
                if !dropped.is_empty() {
                    dropping::forget(&dropped);
                    replaced = capturing::follow_members();
                }
                check_reliance();
                replaced
            });
            immediate::after_ddl();
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
    if is_ready() && !capturing::is_at_work() {
        as_system(|| {
            // A new table by itself concerns nobody, nor does what is kept in our own schema.
            let altered = oids(
                "SELECT DISTINCT e.objid FROM pg_catalog.pg_event_trigger_ddl_commands() e WHERE \
                 e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.command_tag IN \
                 ('ALTER TABLE', 'ALTER VIEW', 'CREATE VIEW', 'CREATE TABLE', 'ALTER SCHEMA', \
                 'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE') AND e.schema_name IS DISTINCT FROM \
                 'pgtrickle_store' AND (e.command_tag <> 'CREATE TABLE' OR EXISTS (SELECT FROM \
                 pg_catalog.pg_inherits i WHERE i.inhrelid = e.objid))",
            );
            if !altered.is_empty() {
                unless_blocked(|| {
                    let replaced = capturing::follow_members();
                    after_alter(&altered);
                    check_reliance();
                    replaced
                });
                immediate::after_ddl();
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
            for source in rewritten.into_iter().flat_map(tree::readers) {
                let Some(buffer) = buffer::find(source) else {
                    continue;
                };
                let audience = Audience::of(source);
                if audience.deferred {
                    buffer::append(buffer, |writer| writer.mark(Mark::Rewritten));
                }
                audience.immediate.iter().for_each(|&id| turn::mark(id));
            }
        });
    }
    pg_sys::Datum::from(0)
}

/// Tells stream tables that have lost something that they rely on: a key, a NOT NULL, a foreign
/// key, the capture of a source, or that a source's rows are its own and not its children's.
///
/// It follows each DDL of the database, so it looks up what is relied on, once however many do, and
/// reads no catalog as a whole: the planner would hash an EXISTS for the many facts that it
/// expects, but asks a scalar subquery for each.
fn check_reliance() {
    sql::own(
        "WITH disabled AS MATERIALIZED (SELECT k.source_relid FROM pgtrickle.pgt_captures k JOIN \
         pg_catalog.pg_class c ON c.oid = ANY (k.members) AND c.relkind = 'r' WHERE \
         k.method <> 'REFRESH' \
         AND (SELECT pg_catalog.count(*) FROM pg_catalog.pg_trigger t WHERE t.tgrelid = \
         c.oid AND (t.tgname = 'pgt_capture_truncate' OR t.tgname = 'pgt_capture_row' AND k.method = \
         'TRIGGER') AND t.tgenabled = 'A') < CASE k.method WHEN 'TRIGGER' THEN 2 ELSE 1 END), \
         facts AS (SELECT pg_catalog.array_agg(s.pgt_id) AS ids, f.kind, f.v FROM \
         pgtrickle.pgt_stream_tables s, \
         pg_catalog.jsonb_array_elements(s.dependencies) AS e (fact), \
         pg_catalog.jsonb_each(e.fact) AS f (kind, v) WHERE s.dependencies <> '[]' GROUP BY 2, 3), \
         lost AS (SELECT pg_catalog.unnest(ids) AS pgt_id, CASE kind WHEN 'Key' THEN \
         'a unique key' WHEN 'NotNull' THEN 'a NOT NULL' ELSE 'a foreign key' END || \
         ' that it relied on is gone' AS reason FROM facts \
         WHERE CASE kind \
         WHEN 'Key' THEN (SELECT i.indisunique AND i.indisvalid FROM pg_catalog.pg_index i WHERE \
         i.indexrelid = (v ->> 'index')::oid) \
         WHEN 'NotNull' THEN (SELECT a.attnotnull AND NOT \
         EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.conrelid = a.attrelid AND c.contype \
         = 'n' AND c.conkey = ARRAY[a.attnum] AND NOT c.convalidated) FROM \
         pg_catalog.pg_attribute a WHERE a.attrelid = (v ->> 'relation')::oid AND a.attnum = (v \
         ->> 'attnum')::int2) \
         ELSE (SELECT c.convalidated AND c.conenforced FROM pg_catalog.pg_constraint c WHERE c.oid \
         = (v ->> 'constraint')::oid) END IS NOT TRUE \
         UNION ALL SELECT d.pgt_id, 'source ' || d.source_relid::regclass || ' has children' FROM \
         pgtrickle.pgt_dependencies d JOIN pgtrickle.pgt_captures k USING (source_relid) JOIN \
         pg_catalog.pg_inherits i ON i.inhparent = d.source_relid WHERE d.captured AND k.method = \
         'REFRESH' \
         UNION ALL SELECT d.pgt_id, 'the capture of ' || d.source_relid::regclass || ' was disabled' \
         FROM pgtrickle.pgt_dependencies d JOIN disabled USING (source_relid) WHERE d.captured \
         UNION ALL SELECT d.pgt_id, u.member_relid::regclass || ' ' || u.what || ' to be captured from \
         the WAL' FROM pgtrickle._wal_unfit u JOIN pgtrickle.pgt_dependencies d USING (source_relid) \
         WHERE d.captured) \
         UPDATE pgtrickle.pgt_stream_tables s SET needs_reinit = true, reinit_reason = l.reason \
         FROM lost l WHERE l.pgt_id = s.pgt_id AND NOT s.needs_reinit",
    );
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
    // A view that was inlined may mean something else.
    sql::run(
        "UPDATE pgtrickle.pgt_stream_tables s SET needs_reinit = true, reinit_reason = 'view ' || \
         c.oid::regclass || ' was changed' FROM pgtrickle.pgt_dependencies d JOIN \
         pg_catalog.pg_class c ON c.oid = d.source_relid WHERE d.pgt_id = s.pgt_id AND c.relkind = \
         'v' AND c.oid = ANY ($1) AND s.compiled IS NOT NULL",
        &[arg(altered.to_vec())],
    );
    // A column that matters is gone or has another type, or what was captured of it is void.
    let sources: Vec<pg_sys::Oid> = sql::connect(|c| {
        c.run(
            "SELECT DISTINCT source_relid FROM pgtrickle.pgt_dependencies WHERE source_relid = ANY \
             ($1) ORDER BY 1",
            &[arg(altered.to_vec())],
        )
        .iter()
        .filter_map(|row| row.get(1))
        .collect()
    });
    for source in sources {
        // Whoever has been told already: the buffer keeps what the source has now.
        let replaced = capturing::refit(source);
        sql::run(
            "WITH used AS (SELECT d.pgt_id, (t.v ->> 0)::int2 AS attnum, (t.v ->> 1)::oid AS ty, \
             (t.v ->> 2)::int4 AS typmod, (t.v ->> 3)::oid AS collation \
             FROM pgtrickle.pgt_dependencies d, pg_catalog.jsonb_array_elements(d.column_types) \
             AS t (v) WHERE d.source_relid = $1), \
             broken AS (SELECT u.*, a.attisdropped, a.attname FROM used u JOIN \
             pg_catalog.pg_attribute a ON a.attrelid = $1 AND a.attnum = u.attnum \
             WHERE a.attisdropped OR u.attnum = ANY ($2) OR (a.atttypid, a.atttypmod, \
             a.attcollation) IS DISTINCT FROM (u.ty, u.typmod, u.collation)) \
             UPDATE pgtrickle.pgt_stream_tables s SET needs_reinit = true, \
             reinit_reason = b.reason FROM (SELECT pgt_id, 'of ' || $1::regclass || ': ' \
             || pg_catalog.string_agg(CASE WHEN attisdropped THEN 'column ' || attnum || \
             ' was dropped' ELSE 'column ' || pg_catalog.quote_ident(attname) || \
             ' has another type' END, ', ') AS reason FROM broken GROUP BY pgt_id) \
             b WHERE b.pgt_id = s.pgt_id",
            &[arg(source), arg(replaced)],
        );
    }
}

crate::c_function!(pg_finfo_pgt_on_drop);
crate::c_function!(pg_finfo_pgt_on_ddl);
crate::c_function!(pg_finfo_pgt_on_rewrite);
