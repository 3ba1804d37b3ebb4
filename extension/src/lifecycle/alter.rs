//! Altering and resuming.

use super::capturing::{self, Reader, Way};
use super::error::or_report;
use super::{
    LifecycleError, analyse, circles, create, immediate, names, query, redefine, schedule,
};
use crate::capture::{audience, wal};
use crate::catalog::{StreamTable, stream_table};
use crate::compiled;
use crate::refresh::identity::{as_owner, as_system};
use crate::refresh::{self, Initiator, RefreshError};
use crate::sql::{self, arg};
use pgrx::pg_sys;
use pgrx::prelude::*;
use runtime::demand::Tier;

fn locked(name: &str) -> Result<StreamTable, LifecycleError> {
    let relid = names::relation(name);
    let pgt_id = names::stream_table(name)?;
    names::check_owner(relid)?;
    stream_table::lock_entry(pgt_id);
    crate::scheduler::announce();
    StreamTable::load(pgt_id).ok_or_else(|| RefreshError::NotFound(name.to_string()).into())
}

/// Writers of what an IMMEDIATE stream table reads have their sources locked when they wait for its
/// entry. So must who changes the mode, which asks for a lock of the sources that excludes them.
fn wait_for_writers(name: &str, mode: Option<&str>) -> Result<(), LifecycleError> {
    let relid = names::relation(name);
    let pgt_id = names::stream_table(name)?;
    names::check_owner(relid)?;
    let sources: Option<Vec<pg_sys::Oid>> = as_system(|| {
        sql::one(
            "SELECT ARRAY(SELECT DISTINCT m FROM pgtrickle.pgt_dependencies d JOIN \
             pgtrickle.pgt_captures k USING (source_relid), pg_catalog.unnest(k.members) AS m WHERE \
             d.pgt_id = s.pgt_id AND d.captured ORDER BY m) FROM pgtrickle.pgt_stream_tables s WHERE \
             s.pgt_id = $1 AND s.refresh_mode IS DISTINCT FROM pg_catalog.upper($2) AND 'IMMEDIATE' IN \
             (s.refresh_mode, coalesce(pg_catalog.upper($2), ''))",
            &[arg(pgt_id), arg(mode)],
        )
    });
    for source in sources.unwrap_or_default() {
        // SAFETY: a lock on an OID; whether the relation still exists shows when it is opened.
        unsafe { pg_sys::LockRelationOid(source, pg_sys::ShareRowExclusiveLock as i32) }
    }
    Ok(())
}

fn set_status(pgt_id: i64, status: &str) {
    as_system(|| {
        sql::run(
            "UPDATE pgtrickle.pgt_stream_tables SET status = CASE WHEN $2 = 'ACTIVE' AND NOT \
             is_populated THEN 'INITIALIZING' ELSE $2 END, consecutive_errors = CASE WHEN $2 = \
             'ACTIVE' THEN 0 ELSE consecutive_errors END WHERE pgt_id = $1",
            &[arg(pgt_id), arg(status)],
        );
        audience::changed();
    });
}

/// Changes the mode; the next refresh compiles anew, as another mode captures and stores other
/// things. A query that the new mode cannot have is refused at once.
fn set_mode(table: &StreamTable, mode: &str, append_only: bool) -> Result<(), LifecycleError> {
    let mode = create::check_mode(mode)?;
    if mode == table.refresh_mode {
        return Ok(());
    }
    create::check_cdc_mode(&table.cdc_mode, &mode)?;
    let name = compiled::name_of(table.relid)
        .ok_or_else(|| RefreshError::NotFound(table.pgt_id.to_string()))?;
    let current = query::current(table);
    let (reads, compiled) = as_owner(table.owner, &current.settings, || {
        let analysed = analyse::analyse(&current.text)?;
        let defined = create::define(&mode, &current.text, &analysed, &name, table.pgt_id)?;
        Ok::<_, LifecycleError>((analysed.relations, defined.compiled.is_some()))
    })?;
    if table.circle.is_some() {
        circles::admit(table, &mode, &current.text, &current.settings, &reads)?;
    }
    if append_only {
        create::check_append_only(compiled)?;
    }
    let now_or_then = mode == "IMMEDIATE" || table.refresh_mode == "IMMEDIATE";
    if table.refresh_mode == "IMMEDIATE"
        && let Some(reader) = immediate::reader_of(table.relid)
    {
        return Err(LifecycleError::ReadImmediately {
            table: table.name(),
            reader,
        });
    }
    as_system(|| {
        sql::run(
            "UPDATE pgtrickle.pgt_stream_tables SET refresh_mode = $2, needs_reinit = true, \
             reinit_reason = 'refresh_mode was ' || refresh_mode WHERE pgt_id = $1",
            &[arg(table.pgt_id), arg(mode)],
        );
        audience::changed();
    });
    // At once: until then nobody tells of changes in the way that the new mode wants.
    if now_or_then && table.status != "SUSPENDED" && table.populated {
        refresh::run_all(&[table.pgt_id], Initiator::Manual)?;
    }
    Ok(())
}

/// Changes how it asks for the capture of its sources, and has them captured so. What is stored and what
/// waits stay as they are: nothing is rebuilt.
fn set_way(table: &StreamTable, cdc_mode: &str) -> Result<(), LifecycleError> {
    let cdc_mode = create::check_cdc_mode(cdc_mode, &table.refresh_mode)?;
    if cdc_mode == table.cdc_mode {
        return Ok(());
    }
    let reader = Reader {
        pgt_id: table.pgt_id,
        asks: Way::asked(&cdc_mode, &table.refresh_mode),
    };
    as_system(|| {
        sql::run(
            "UPDATE pgtrickle.pgt_stream_tables SET cdc_mode = $2 WHERE pgt_id = $1",
            &[arg(table.pgt_id), arg(cdc_mode.as_str())],
        );
        // Who asks for nothing takes what there is, and IMMEDIATE ones have triggers either way. The
        // columns are captured already.
        let asks = reader.asks.is_some() && table.refresh_mode != "IMMEDIATE";
        for source in table.sources.iter().filter(|s| s.captured && asks) {
            if stream_table::of_relation(source.relid).is_none() {
                capturing::install(source.relid, &[], reader).map_err(RefreshError::from)?;
            }
        }
        audience::changed();
        Ok(())
    })
}

/// What its programs rely on, and what is kept of them. What is stored rests on neither: the next
/// refresh goes on from where the last one ended.
fn set_traits(table: &StreamTable, append_only: bool, pooled: bool) {
    if (append_only, pooled) == (table.append_only, table.pooled) {
        return;
    }
    as_system(|| {
        sql::run(
            "UPDATE pgtrickle.pgt_stream_tables SET append_only = $2, pooler_compatibility_mode = \
             $3, generation = generation + 1 WHERE pgt_id = $1",
            &[arg(table.pgt_id), arg(append_only), arg(pooled)],
        );
        audience::changed();
    });
}

/// The tier, in lower case.
fn check_tier(tier: &str) -> Result<String, LifecycleError> {
    match Tier::parse(tier) {
        Some(_) => Ok(tier.to_lowercase()),
        None => Err(LifecycleError::Invalid {
            argument: "tier",
            value: tier.to_string(),
            hint: "It is hot, warm, cold or frozen.",
        }),
    }
}

/// Makes it active again. What an IMMEDIATE one was not told of in the meantime, it reads anew.
fn resume(table: &StreamTable) -> Result<(), LifecycleError> {
    set_status(table.pgt_id, "ACTIVE");
    if table.refresh_mode == "IMMEDIATE" && table.status == "SUSPENDED" && table.populated {
        refresh::run_all(&[table.pgt_id], Initiator::Manual)?;
    }
    Ok(())
}

/// What is to be changed of a stream table; what is None stays.
#[derive(Default)]
pub(super) struct Changes<'a> {
    pub query: Option<&'a str>,
    pub schedule: Option<&'a str>,
    pub refresh_mode: Option<&'a str>,
    pub status: Option<&'a str>,
    pub diamond: create::Diamond,
    pub cdc_mode: Option<&'a str>,
    pub append_only: Option<bool>,
    pub pooled: Option<bool>,
    pub tier: Option<&'a str>,
}

pub(super) fn alter(name: &str, changes: &Changes<'_>) -> Result<(), LifecycleError> {
    if changes.query.is_some() || changes.refresh_mode.is_some() {
        let mode = changes.refresh_mode.filter(|_| changes.query.is_none());
        wait_for_writers(name, mode)?;
    }
    if changes
        .cdc_mode
        .is_some_and(|m| m.eq_ignore_ascii_case("wal"))
    {
        names::check_owner(names::relation(name))?;
        // Before anything is written.
        wal::slot::ensure().map_err(RefreshError::from)?;
    }
    let table = locked(name)?;
    let tier = changes.tier.map(check_tier).transpose()?;
    if let Some(text) = changes.schedule {
        schedule::check(text, schedule::zone(&table.settings))?;
    }
    as_system(|| {
        sql::run(
            "UPDATE pgtrickle.pgt_stream_tables SET schedule = coalesce($2, schedule), tier = \
             coalesce($3, tier), diamond_consistency = coalesce($4, diamond_consistency), \
             diamond_schedule_policy = coalesce($5, diamond_schedule_policy) WHERE pgt_id = $1 \
             AND ($2, $3, $4, $5) IS DISTINCT FROM (NULL, NULL, NULL, NULL)",
            &[
                arg(table.pgt_id),
                arg(changes.schedule),
                arg(tier),
                arg(changes.diamond.consistency.clone()),
                arg(changes.diamond.policy.clone()),
            ],
        );
    });
    let append_only = changes.append_only.unwrap_or(table.append_only);
    // Another mode looks at that itself.
    let mode = changes.refresh_mode.unwrap_or(&table.refresh_mode);
    if append_only && !table.append_only && mode.eq_ignore_ascii_case(&table.refresh_mode) {
        create::check_append_only(table.incremental && table.refresh_mode != "FULL")?;
    }
    set_traits(&table, append_only, changes.pooled.unwrap_or(table.pooled));
    if let Some(cdc_mode) = changes.cdc_mode {
        let mode = changes.refresh_mode.unwrap_or(&table.refresh_mode);
        create::check_cdc_mode(cdc_mode, mode)?;
        set_way(&table, cdc_mode)?;
    }
    let table = redefine::load(table.pgt_id)?;
    if let Some(mode) = changes.refresh_mode {
        set_mode(&table, mode, append_only)?;
    }
    if let Some(query) = changes.query {
        redefine::redefine(&redefine::load(table.pgt_id)?, query)?;
    }
    match changes.status.map(str::to_uppercase).as_deref() {
        None => (),
        Some("ACTIVE") => resume(&redefine::load(table.pgt_id)?)?,
        Some("SUSPENDED") => set_status(table.pgt_id, "SUSPENDED"),
        Some(other) => {
            return Err(LifecycleError::Invalid {
                argument: "status",
                value: other.to_string(),
                hint: "It is ACTIVE or SUSPENDED.",
            });
        }
    }
    Ok(())
}

/// Changes a stream table; what is NULL stays.
#[pg_extern(volatile, parallel_unsafe)]
#[allow(clippy::too_many_arguments)]
fn alter_stream_table(
    name: &str,
    query: default!(Option<&str>, "NULL"),
    schedule: default!(Option<&str>, "NULL"),
    refresh_mode: default!(Option<&str>, "NULL"),
    status: default!(Option<&str>, "NULL"),
    diamond_consistency: default!(Option<&str>, "NULL"),
    diamond_schedule_policy: default!(Option<&str>, "NULL"),
    cdc_mode: default!(Option<&str>, "NULL"),
    append_only: default!(Option<bool>, "NULL"),
    pooler_compatibility_mode: default!(Option<bool>, "NULL"),
    tier: default!(Option<&str>, "NULL"),
) {
    or_report::<_, LifecycleError>((|| {
        let diamond = create::Diamond::new(diamond_consistency, diamond_schedule_policy)?;
        let changes = Changes {
            query,
            schedule,
            refresh_mode,
            status,
            diamond,
            cdc_mode,
            append_only,
            pooled: pooler_compatibility_mode,
            tier,
        };
        alter(name, &changes)
    })());
}

/// Makes a suspended or failed stream table active again.
#[pg_extern(volatile, parallel_unsafe)]
fn resume_stream_table(name: &str) {
    or_report::<_, LifecycleError>(locked(name).and_then(|table| resume(&table)));
}
