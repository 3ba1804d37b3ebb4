//! Watermarks: up to which moment a source is complete. What reads several sources of a *watermark
//! group* is refreshed while their watermarks are close to each other.

use super::names::{source, user};
use crate::lifecycle::{LifecycleError, or_report};
use crate::refresh::identity::as_system;
use crate::refresh::name_of;
use crate::scheduler;
use crate::sql::{self, arg};
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::collections::BTreeSet;

fn advance(name: &str, watermark: TimestampWithTimeZone) -> Result<(), LifecycleError> {
    let source = source(name)?;
    let by = user();
    let before: Option<bool> = as_system(|| {
        // Who advances the same one at the same time waits here.
        sql::run(
            "INSERT INTO pgtrickle.pgt_watermarks (source_relid, watermark, advanced_by) VALUES \
             ($1, $2, $3) ON CONFLICT (source_relid) DO NOTHING",
            &[arg(source), arg(watermark), arg(by.as_str())],
        );
        sql::one(
            "WITH known AS (SELECT w.source_relid, w.watermark FROM pgtrickle.pgt_watermarks w \
             WHERE w.source_relid = $1 FOR UPDATE), moved AS (UPDATE pgtrickle.pgt_watermarks w SET \
             watermark = $2, updated_at = pg_catalog.now(), advanced_by = $3 FROM known k WHERE \
             w.source_relid = k.source_relid AND k.watermark < $2) SELECT watermark > $2 FROM known",
            &[arg(source), arg(watermark), arg(by.as_str())],
        )
    });
    if before == Some(true) {
        return Err(LifecycleError::Backwards(name_of(source)));
    }
    scheduler::announce();
    Ok(())
}

/// Says that a source is complete up to a moment.
#[pg_extern(volatile, parallel_unsafe)]
fn advance_watermark(source: &str, watermark: TimestampWithTimeZone) {
    or_report(advance(source, watermark));
}

fn create(name: &str, sources: &[String], tolerance: f64) -> Result<i32, LifecycleError> {
    if !(tolerance >= 0.0 && tolerance.is_finite()) {
        return Err(LifecycleError::Invalid {
            argument: "tolerance_secs",
            value: tolerance.to_string(),
            hint: "It is a number of seconds, 0 or more.",
        });
    }
    let mut oids = vec![];
    for name in sources {
        oids.push(source(name)?);
    }
    let distinct: BTreeSet<u32> = oids.iter().map(|o| o.to_u32()).collect();
    if distinct.len() < 2 || distinct.len() < oids.len() {
        return Err(LifecycleError::Invalid {
            argument: "sources",
            value: sources.join(", "),
            hint: "A watermark group has two sources or more, each once.",
        });
    }
    let id = as_system(|| {
        sql::one::<i32>(
            "INSERT INTO pgtrickle.pgt_watermark_groups (group_name, sources, tolerance_secs) \
             SELECT $1, $2::oid[]::regclass[], $3 WHERE NOT EXISTS (SELECT FROM \
             pgtrickle.pgt_watermark_groups WHERE group_name = $1) RETURNING group_id",
            &[arg(name), arg(oids), arg(tolerance)],
        )
    });
    scheduler::announce();
    id.ok_or_else(|| LifecycleError::GroupExists(name.to_owned()))
}

/// Declares sources that are to be read together only while they are about equally complete.
#[pg_extern(volatile, parallel_unsafe)]
fn create_watermark_group(
    group_name: &str,
    sources: Vec<String>,
    tolerance_secs: default!(f64, 0.0),
) -> i32 {
    or_report(create(group_name, &sources, tolerance_secs))
}

/// Forgets such a declaration.
#[pg_extern(volatile, parallel_unsafe)]
fn drop_watermark_group(group_name: &str) {
    or_report((|| {
        let sources: Option<Vec<pg_sys::Oid>> = as_system(|| {
            sql::one(
                "SELECT sources::oid[] FROM pgtrickle.pgt_watermark_groups WHERE group_name = $1",
                &[arg(group_name)],
            )
        });
        let Some(sources) = sources else {
            return Err(LifecycleError::NoGroup(group_name.to_owned()));
        };
        for relid in sources {
            if let Some(name) = crate::pg::qualified_name(relid) {
                source(&name)?;
            }
        }
        as_system(|| {
            sql::run(
                "DELETE FROM pgtrickle.pgt_watermark_groups WHERE group_name = $1",
                &[arg(group_name)],
            );
        });
        scheduler::announce();
        Ok(())
    })());
}
