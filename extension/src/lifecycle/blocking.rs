//! `pg_trickle.block_source_ddl`: DDL that a stream table would have to be rebuilt for is refused.
//!
//! What a command does to stream tables is known when they have been told of it. So they are told,
//! and the command fails if one of them is worse off than before; nothing that concerns none of them
//! can fail.

use super::LifecycleError;
use crate::settings;
use crate::sql::{self, arg};
use pgrx::pg_sys;
use std::collections::BTreeSet;

/// Runs `tell`, which tells stream tables of a command and returns the sources whose content it has
/// replaced. Run as the system.
pub fn unless_blocked(tell: impl FnOnce() -> Vec<pg_sys::Oid>) {
    if !settings::block_source_ddl() {
        tell();
        return;
    }
    let before = void();
    let replaced = tell();
    let mut concerned: Vec<String> = void().difference(&before).cloned().collect();
    concerned.extend(readers(replaced));
    if !concerned.is_empty() {
        LifecycleError::Blocked(concerned.join(", ")).report();
    }
}

/// Stream tables that must be rebuilt, each with the reason.
fn void() -> BTreeSet<String> {
    sql::connect(|c| {
        c.own(
            "SELECT pg_catalog.format('%I.%I (%s)', pgt_schema, pgt_name, reinit_reason) FROM \
             pgtrickle.pgt_stream_tables WHERE needs_reinit",
        )
        .iter()
        .filter_map(|row| row.get(1))
        .collect()
    })
}

/// Those that must be rebuilt when these sources have other content.
fn readers(replaced: Vec<pg_sys::Oid>) -> Vec<String> {
    if replaced.is_empty() {
        return vec![];
    }
    sql::connect(|c| {
        c.run(
            "SELECT pg_catalog.format('%I.%I (other partitions or children of %s)', s.pgt_schema, \
             s.pgt_name, d.source_relid::pg_catalog.regclass) FROM pgtrickle.pgt_dependencies d \
             JOIN pgtrickle.pgt_stream_tables s USING (pgt_id) WHERE d.captured AND d.source_relid \
             = ANY ($1) AND NOT s.needs_reinit AND s.is_populated ORDER BY 1",
            &[arg(replaced)],
        )
        .iter()
        .filter_map(|row| row.get(1))
        .collect()
    })
}
