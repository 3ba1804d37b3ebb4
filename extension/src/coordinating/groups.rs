//! Refresh groups: stream tables that are refreshed together, as the user wants it.

use crate::lifecycle::{LifecycleError, check_owner, or_report, relation, stream_table};
use crate::refresh::identity::as_system;
use crate::scheduler;
use crate::sql::{self, arg};
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::collections::BTreeSet;

fn create(name: &str, members: &[String], isolation: &str) -> Result<i32, LifecycleError> {
    if !["read_committed", "repeatable_read"].contains(&isolation) {
        return Err(LifecycleError::Invalid {
            argument: "isolation",
            value: isolation.to_owned(),
            hint: "It is read_committed or repeatable_read; either way, all members are refreshed \
                   under one snapshot.",
        });
    }
    let mut ids = BTreeSet::new();
    for member in members {
        check_owner(relation(member))?;
        ids.insert(stream_table(member)?);
    }
    if ids.len() < 2 || ids.len() < members.len() {
        return Err(LifecycleError::Invalid {
            argument: "members",
            value: members.join(", "),
            hint: "A refresh group has two stream tables or more, each once.",
        });
    }
    let immediate = as_system(|| {
        sql::one::<String>(
            "SELECT pg_catalog.format('%I.%I', pgt_schema, pgt_name) FROM \
             pgtrickle.pgt_stream_tables WHERE pgt_id = ANY ($1) AND refresh_mode = 'IMMEDIATE' \
             LIMIT 1",
            &[arg(ids.iter().copied().collect::<Vec<i64>>())],
        )
    });
    if let Some(immediate) = immediate {
        return Err(LifecycleError::Invalid {
            argument: "members",
            value: immediate,
            hint: "An IMMEDIATE stream table is kept by those who write to its sources, and is \
                   always up to date.",
        });
    }
    let id = as_system(|| {
        let id = sql::one::<i32>(
            "INSERT INTO pgtrickle.pgt_refresh_groups (group_name, isolation) SELECT $1, $2 WHERE \
             NOT EXISTS (SELECT FROM pgtrickle.pgt_refresh_groups WHERE group_name = $1) RETURNING \
             group_id",
            &[arg(name), arg(isolation)],
        )?;
        sql::run(
            "INSERT INTO pgtrickle.pgt_refresh_group_members (group_id, pgt_id) SELECT $1, m FROM \
             pg_catalog.unnest($2) AS m",
            &[arg(id), arg(ids.iter().copied().collect::<Vec<i64>>())],
        );
        Some(id)
    });
    scheduler::announce();
    id.ok_or_else(|| LifecycleError::GroupExists(name.to_owned()))
}

/// Has stream tables refreshed together.
#[pg_extern(volatile, parallel_unsafe)]
fn create_refresh_group(
    name: &str,
    members: Vec<String>,
    isolation: default!(&str, "'read_committed'"),
) -> i32 {
    or_report(create(name, &members, isolation))
}

/// Has them refreshed one by one again.
#[pg_extern(volatile, parallel_unsafe)]
fn drop_refresh_group(name: &str) {
    or_report((|| {
        let known: Option<bool> = as_system(|| {
            sql::one(
                "SELECT true FROM pgtrickle.pgt_refresh_groups WHERE group_name = $1",
                &[arg(name)],
            )
        });
        if known.is_none() {
            return Err(LifecycleError::NoGroup(name.to_owned()));
        }
        let members: Option<Vec<pg_sys::Oid>> = as_system(|| {
            sql::one(
                "SELECT ARRAY(SELECT s.pgt_relid::pg_catalog.oid FROM pgtrickle.pgt_refresh_groups \
                 g JOIN pgtrickle.pgt_refresh_group_members USING (group_id) JOIN \
                 pgtrickle.pgt_stream_tables s USING (pgt_id) WHERE g.group_name = $1)",
                &[arg(name)],
            )
        });
        for relid in members.unwrap_or_default() {
            check_owner(relid)?;
        }
        as_system(|| {
            sql::run(
                "DELETE FROM pgtrickle.pgt_refresh_groups WHERE group_name = $1",
                &[arg(name)],
            );
        });
        scheduler::announce();
        Ok(())
    })());
}
