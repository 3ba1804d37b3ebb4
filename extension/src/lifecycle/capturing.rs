//! Installing capture on a source, and taking it away with the last reader.

use crate::capture::buffer;
use crate::pg::OpenRelation;
use crate::refresh::name_of;
use crate::sql::{self, arg};
use pgrx::pg_sys;

const ROW: &str = "pgt_capture_row";
const TRUNCATE: &str = "pgt_capture_truncate";

/// Makes sure that the changes of these columns are captured. The source is locked against
/// writers until the transaction ends; run as the system.
pub fn install(source: pg_sys::Oid, columns: &[i16], stream_table: bool) {
    let opened = OpenRelation::open(source, pg_sys::ShareRowExclusiveLock as i32);
    let known: bool = sql::one(
        "SELECT EXISTS (SELECT FROM pgtrickle.pgt_captures WHERE source_relid = $1)",
        &[arg(source)],
    )
    .unwrap_or(false);
    if !known && let Some(left) = buffer::find(source) {
        // Restored from a dump of another database, where this was the OID of another table.
        sql::run(&format!("DROP TABLE {}", name_of(left)), &[]);
    }
    let buffer = buffer::ensure(&opened, columns);
    // ALTER TABLE refuses a table that is open; the lock stays.
    drop(opened);
    // SAFETY: the map of columns is stale in every backend.
    unsafe { pg_sys::CacheInvalidateRelcacheByRelid(source) }
    if known {
        sql::run(
            "UPDATE pgtrickle.pgt_captures SET columns = ARRAY(SELECT DISTINCT c FROM \
             pg_catalog.unnest(columns || $2) AS c ORDER BY c) WHERE source_relid = $1",
            &[arg(source), arg(columns.to_vec())],
        );
    } else {
        let method = if stream_table { "REFRESH" } else { "TRIGGER" };
        sql::run(
            "INSERT INTO pgtrickle.pgt_captures VALUES ($1, $2, $3, $4)",
            &[arg(source), arg(buffer), arg(columns.to_vec()), arg(method)],
        );
        depend(buffer, source);
    }
    if !stream_table {
        ensure_trigger(
            source,
            ROW,
            "AFTER INSERT OR UPDATE OR DELETE",
            "FOR EACH ROW EXECUTE FUNCTION pgtrickle.capture_row()",
        );
        ensure_trigger(
            source,
            TRUNCATE,
            "AFTER TRUNCATE",
            "FOR EACH STATEMENT EXECUTE FUNCTION pgtrickle.capture_truncate()",
        );
    }
}

/// The trigger is there, and fires whoever writes.
fn ensure_trigger(source: pg_sys::Oid, name: &str, events: &str, action: &str) {
    let table = name_of(source);
    let enabled: Option<String> = sql::one(
        "SELECT tgenabled::pg_catalog.text FROM pg_catalog.pg_trigger WHERE tgrelid = $1 AND \
         tgname = $2",
        &[arg(source), arg(name)],
    );
    if enabled.is_none() {
        sql::run(
            &format!("CREATE TRIGGER {name} {events} ON {table} {action}"),
            &[],
        );
    }
    if enabled.as_deref() != Some("A") {
        sql::run(
            &format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"),
            &[],
        );
    }
}

/// Takes capture away from sources that nobody reads any more; run as the system.
pub fn release_unread() {
    let unread: Vec<(pg_sys::Oid, pg_sys::Oid)> = sql::connect(|c| {
        c.run(
            "SELECT k.source_relid, k.buffer_relid FROM pgtrickle.pgt_captures k WHERE NOT EXISTS \
             (SELECT FROM pgtrickle.pgt_dependencies d WHERE d.source_relid = k.source_relid \
             AND d.captured) ORDER BY 1",
            &[],
        )
        .iter()
        .filter_map(|row| Some((row.get(1)?, row.get(2)?)))
        .collect()
    });
    for (source, buffer) in unread {
        sql::run(
            "DELETE FROM pgtrickle.pgt_captures WHERE source_relid = $1",
            &[arg(source)],
        );
        // Either may be gone already, with what is being dropped.
        if let Some(table) = crate::pg::qualified_name(source) {
            for trigger in [ROW, TRUNCATE] {
                sql::run(&format!("DROP TRIGGER IF EXISTS {trigger} ON {table}"), &[]);
            }
        }
        if let Some(table) = crate::pg::qualified_name(buffer) {
            sql::run(&format!("DROP TABLE IF EXISTS {table}"), &[]);
        }
    }
}

/// `dependent` goes when `on` goes.
pub fn depend(dependent: pg_sys::Oid, on: pg_sys::Oid) {
    record(dependent, on, pg_sys::DependencyType::DEPENDENCY_AUTO);
}

/// `on` cannot be dropped without CASCADE while `dependent` is there.
pub fn depend_strictly(dependent: pg_sys::Oid, on: pg_sys::Oid) {
    record(dependent, on, pg_sys::DependencyType::DEPENDENCY_NORMAL);
}

fn record(dependent: pg_sys::Oid, on: pg_sys::Oid, kind: pg_sys::DependencyType::Type) {
    let address = |oid| pg_sys::ObjectAddress {
        classId: pg_sys::RelationRelationId,
        objectId: oid,
        objectSubId: 0,
    };
    // SAFETY: both relations exist and are locked.
    unsafe { pg_sys::recordDependencyOn(&address(dependent), &address(on), kind) }
}

/// Gives the buffer's columns the types that the source's columns have now; says which were
/// replaced. What the buffer held of them is void; those who read these columns compile anew.
pub fn refit(source: pg_sys::Oid) -> Vec<i16> {
    if buffer::find(source).is_none() {
        return Vec::new();
    }
    let opened = OpenRelation::open(source, pg_sys::AccessShareLock as i32);
    let replaced = buffer::misfits(&opened);
    buffer::ensure(&opened, &replaced);
    replaced
}
