//! What IMMEDIATE asks of a stream table, and what becomes of one when DDL changes what it reads.

use super::LifecycleError;
use super::create::Definition;
use crate::capture::audience;
use crate::immediate::{self, log};
use crate::refresh::name_of;
use crate::scheduler::preloaded;
use crate::sql::{self, arg};
use pgrx::pg_sys;

/// Refuses, by name, what changes without a statement that could tell of it.
pub fn check(definition: &Definition) -> Result<(), LifecycleError> {
    let refuse = |what: String, hint| Err(LifecycleError::NotImmediate { what, hint });
    if !preloaded() {
        return refuse(
            "pg_trickle is not in shared_preload_libraries".into(),
            "Sessions must know the library before their first statement ends.",
        );
    }
    if let Some(copy) = definition.copies.first() {
        return refuse(
            format!("nobody is told when {} changes", name_of(copy.source)),
            "refresh_mode DIFFERENTIAL compares it with a kept copy at each refresh.",
        );
    }
    if definition.clock.is_some() {
        return refuse(
            "the query asks for the time, which moves without any statement".into(),
            "refresh_mode DIFFERENTIAL follows it at each refresh.",
        );
    }
    for (source, _) in &definition.captured {
        if mode_of(*source).is_some_and(|mode| mode != "IMMEDIATE") {
            return refuse(
                format!(
                    "{} is a stream table that is not IMMEDIATE",
                    name_of(*source)
                ),
                "Make that IMMEDIATE first, or this one DIFFERENTIAL.",
            );
        }
    }
    Ok(())
}

/// The refresh mode of a stream table; none of another table.
fn mode_of(relation: pg_sys::Oid) -> Option<String> {
    sql::one(
        "SELECT refresh_mode FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = $1",
        &[arg(relation)],
    )
}

/// An IMMEDIATE stream table that reads this one.
pub fn reader_of(relation: pg_sys::Oid) -> Option<String> {
    let reader: Option<pg_sys::Oid> = sql::one(
        "SELECT s.pgt_relid::pg_catalog.oid FROM pgtrickle.pgt_dependencies d JOIN \
         pgtrickle.pgt_stream_tables s USING (pgt_id) WHERE d.source_relid = $1 AND s.refresh_mode \
         = 'IMMEDIATE' ORDER BY 1 LIMIT 1",
        &[arg(relation)],
    );
    reader.map(name_of)
}

/// DDL has taken away what IMMEDIATE stream tables relied on: they are compiled anew when it ends,
/// or it fails. Run as the system.
pub fn after_ddl() {
    if immediate::is_at_work() {
        return;
    }
    let void: Vec<i64> = sql::connect(|c| {
        c.own(
            "SELECT pgt_id FROM pgtrickle.pgt_stream_tables WHERE refresh_mode = 'IMMEDIATE' AND \
             needs_reinit AND is_populated AND status <> 'SUSPENDED' AND home = pgtrickle._home() \
             ORDER BY 1",
        )
        .iter()
        .filter_map(|row| row.get(1))
        .collect()
    });
    if !void.is_empty() {
        audience::changed();
    }
    void.into_iter().for_each(log::rebuild);
}
