//! What the scheduler makes of all that: units, and the jobs by which they are refreshed.

use crate::refresh::identity::as_system;
use crate::scheduler::{jobs, structure};
use crate::settings;
use crate::sql::{self, arg};
use pgrx::prelude::*;
use runtime::unit::{Kind, Policy, Structure};
use std::collections::{BTreeMap, BTreeSet};

fn current() -> Structure {
    structure().unwrap_or_default()
}

/// Name and schema of a stream table, and the transaction that has refreshed it.
fn named(id: i64) -> Option<(String, String, Option<i64>)> {
    as_system(|| {
        sql::connect(|c| {
            let rows = c.run(
                "SELECT pgt_name::pg_catalog.text, pgt_schema::pg_catalog.text, \
                 frontier_xid::pg_catalog.text::pg_catalog.int8 FROM pgtrickle.pgt_stream_tables \
                 WHERE pgt_id = $1",
                &[arg(id)],
            );
            let row = rows.first()?;
            Some((row.get(1)?, row.get(2)?, row.get(3)))
        })
    })
}

/// Stream tables that are refreshed together because paths from one source meet in one of them.
#[pg_extern(stable, parallel_restricted)]
#[allow(clippy::type_complexity)] // a row
fn diamond_groups() -> TableIterator<
    'static,
    (
        name!(group_id, i32),
        name!(member_name, String),
        name!(member_schema, String),
        name!(is_convergence, bool),
        name!(epoch, Option<i64>),
        name!(schedule_policy, String),
    ),
> {
    let structure = current();
    let ends: BTreeSet<i64> = structure
        .diamonds()
        .into_iter()
        .map(|(end, _)| end)
        .collect();
    let diamonds = structure
        .units()
        .into_iter()
        .filter(|u| u.kind == Kind::Diamond);
    let mut rows = vec![];
    for (group, unit) in (1..).zip(diamonds) {
        let policy = match unit.policy {
            Policy::Fastest => "fastest",
            Policy::Slowest => "slowest",
        };
        for id in unit.members {
            if let Some((name, schema, epoch)) = named(id) {
                rows.push((
                    group,
                    name,
                    schema,
                    ends.contains(&id),
                    epoch,
                    policy.to_owned(),
                ));
            }
        }
    }
    TableIterator::new(rows)
}

/// Processes that refresh, and how many there may be.
#[pg_extern(stable, parallel_restricted)]
fn worker_pool_status() -> TableIterator<
    'static,
    (
        name!(active_workers, i32),
        name!(max_workers, i32),
        name!(per_db_cap, i32),
        name!(parallel_mode, String),
    ),
> {
    let most = settings::max_concurrent_refreshes();
    let preloaded = crate::scheduler::preloaded();
    let mode = match (preloaded, most) {
        (true, 2..) => "on",
        _ => "off",
    };
    let busy = if preloaded { jobs::busy() } else { 0 };
    TableIterator::once((busy as i32, most, most, mode.to_owned()))
}

fn moment(at: i64) -> Option<TimestampWithTimeZone> {
    TimestampWithTimeZone::try_from(at).ok().filter(|_| at != 0)
}

/// What was given to processes that refresh, newest first.
#[pg_extern(stable, parallel_restricted)]
#[allow(clippy::type_complexity)] // a row
fn parallel_job_status(
    max_age_seconds: default!(i32, 300),
) -> TableIterator<
    'static,
    (
        name!(job_id, i64),
        name!(unit_key, String),
        name!(unit_kind, String),
        name!(status, String),
        name!(member_count, i32),
        name!(attempt_no, i32),
        name!(scheduler_pid, i32),
        name!(worker_pid, Option<i32>),
        name!(enqueued_at, Option<TimestampWithTimeZone>),
        name!(started_at, Option<TimestampWithTimeZone>),
        name!(finished_at, Option<TimestampWithTimeZone>),
        name!(duration_ms, Option<f64>),
    ),
> {
    if !crate::scheduler::preloaded() {
        return TableIterator::new(vec![]);
    }
    // SAFETY: reads the clock; set for the life of the session.
    let (now, database) = unsafe { (pg_sys::GetCurrentTimestamp(), pg_sys::MyDatabaseId) };
    let oldest = now - i64::from(max_age_seconds) * 1_000_000;
    let mut names: BTreeMap<i64, String> = BTreeMap::new();
    let rows: Vec<_> = jobs::all(database)
        .into_iter()
        .filter(|job| job.finished_at == 0 || job.finished_at >= oldest)
        .map(|job| {
            let key: Vec<String> = job
                .members()
                .iter()
                .map(|id| {
                    let name = names.entry(*id).or_insert_with(|| {
                        let named = named(*id);
                        named.map_or_else(
                            || id.to_string(),
                            |(name, schema, _)| {
                                let quote = crate::pg::quote_identifier;
                                format!("{}.{}", quote(&schema), quote(&name))
                            },
                        )
                    });
                    name.clone()
                })
                .collect();
            let ended = job.finished_at != 0;
            (
                job.id,
                key.join(", "),
                job.kind.name().to_owned(),
                job.status().to_owned(),
                job.members().len() as i32,
                job.attempt,
                job.scheduler,
                (job.worker != 0).then_some(job.worker),
                moment(job.enqueued_at),
                moment(job.started_at),
                moment(job.finished_at),
                (ended && job.started_at != 0)
                    .then(|| (job.finished_at - job.started_at) as f64 / 1000.0),
            )
        })
        .collect();
    TableIterator::new(rows)
}
