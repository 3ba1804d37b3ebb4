//! Installing capture on a source and all that it is read through, following what comes to it and
//! leaves it, and taking capture away with the last reader.

use crate::capture::audience::{self, Audience};
use crate::capture::buffer;
use crate::capture::tree;
use crate::capture::trigger;
use crate::frontier::Epoch;
use crate::pg::OpenRelation;
use crate::refresh::name_of;
use crate::sql::{self, arg};
use pgrx::pg_sys;
use std::cell::Cell;

thread_local! {
    static AT_WORK: Cell<bool> = const { Cell::new(false) };
}

/// Are triggers being created or dropped right now? That is DDL, too, of which there is nothing to
/// tell.
pub fn is_at_work() -> bool {
    AT_WORK.get()
}

fn at_work(work: impl FnOnce()) {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            AT_WORK.set(self.0);
        }
    }
    let _before = Before(AT_WORK.replace(true));
    work();
}

const ROW: &str = "pgt_capture_row";
const TRUNCATE: &str = "pgt_capture_truncate";

/// Makes sure that the changes of these columns are captured. The source and its members are
/// locked against writers until the transaction ends; run as the system.
pub fn install(source: pg_sys::Oid, columns: &[i16], stream_table: bool) {
    let mode = pg_sys::ShareRowExclusiveLock as i32;
    let opened = OpenRelation::open(source, mode);
    let members = match stream_table {
        true => vec![source],
        false => tree::lock_members(source, mode),
    };
    let before: Option<Vec<pg_sys::Oid>> = sql::one(
        "SELECT members FROM pgtrickle.pgt_captures WHERE source_relid = $1",
        &[arg(source)],
    );
    if before.is_none()
        && let Some(left) = buffer::find(source)
    {
        // Restored from a dump of another database, where this was the OID of another table.
        sql::run(&format!("DROP TABLE {}", name_of(left)), &[]);
    }
    let buffer = buffer::ensure(&opened, columns);
    // ALTER TABLE refuses a table that is open; the lock stays.
    drop(opened);
    if let Some(before) = before {
        if before != members {
            // Nobody has told of it.
            trigger::replaced(source, buffer, &Audience::of(source));
        }
        sql::run(
            "UPDATE pgtrickle.pgt_captures SET columns = ARRAY(SELECT DISTINCT c FROM \
             pg_catalog.unnest(columns || $2) AS c ORDER BY c), members = $3 WHERE source_relid = \
             $1",
            &[arg(source), arg(columns.to_vec()), arg(members.clone())],
        );
    } else {
        let method = if stream_table { "REFRESH" } else { "TRIGGER" };
        sql::run(
            "INSERT INTO pgtrickle.pgt_captures VALUES ($1, $2, $3, $4, $5)",
            &[
                arg(source),
                arg(buffer),
                arg(columns.to_vec()),
                arg(method),
                arg(members.clone()),
            ],
        );
        depend(buffer, source);
    }
    at_work(|| {
        for member in members {
            forget_targets(member);
            if !stream_table {
                ensure_triggers(member);
            }
        }
    });
}

/// Puts triggers back that the members of a source lack; writers are locked out until the
/// transaction ends.
pub fn mend(source: pg_sys::Oid) {
    let mode = pg_sys::ShareRowExclusiveLock as i32;
    drop(OpenRelation::open(source, mode));
    let members = tree::lock_members(source, mode);
    at_work(|| {
        for member in members {
            forget_targets(member);
            ensure_triggers(member);
        }
    });
}

/// The map of columns is stale in every backend.
fn forget_targets(member: pg_sys::Oid) {
    // SAFETY: sends a message about a relation that is there.
    unsafe { pg_sys::CacheInvalidateRelcacheByRelid(member) }
}

/// A table in which rows are has both triggers.
fn ensure_triggers(member: pg_sys::Oid) {
    if !tree::has_rows(member) {
        return;
    }
    ensure_trigger(
        member,
        ROW,
        "AFTER INSERT OR UPDATE OR DELETE",
        "FOR EACH ROW EXECUTE FUNCTION pgtrickle.capture_row()",
    );
    ensure_trigger(
        member,
        TRUNCATE,
        "AFTER TRUNCATE",
        "FOR EACH STATEMENT EXECUTE FUNCTION pgtrickle.capture_truncate()",
    );
}

/// A captured source whose members are not what they were.
struct Moved {
    source: pg_sys::Oid,
    buffer: pg_sys::Oid,
    before: Vec<pg_sys::Oid>,
    now: Vec<pg_sys::Oid>,
}

fn moved() -> Vec<Moved> {
    sql::connect(|c| {
        c.own(
            "WITH RECURSIVE member (source, buffer, known, relid) AS (SELECT source_relid, \
             buffer_relid, members, source_relid FROM pgtrickle.pgt_captures WHERE method = \
             'TRIGGER' UNION SELECT m.source, m.buffer, m.known, i.inhrelid FROM member m JOIN \
             pg_catalog.pg_inherits i ON i.inhparent = m.relid JOIN pg_catalog.pg_class c ON c.oid \
             = i.inhrelid WHERE NOT i.inhdetachpending AND c.relpersistence <> 't') \
             SELECT source, buffer, known, pg_catalog.array_agg(relid ORDER BY relid) FROM member \
             GROUP BY source, buffer, known HAVING pg_catalog.array_agg(relid ORDER BY relid) <> \
             known ORDER BY source",
        )
        .iter()
        .filter_map(|row| {
            Some(Moved {
                source: row.get(1)?,
                buffer: row.get(2)?,
                before: row.get(3)?,
                now: row.get(4)?,
            })
        })
        .collect()
    })
}

/// Captures what has come to a source and lets go of what has left it; run as the system. What
/// came or left with rows in it replaces the content of the source. Returns the sources of which it
/// did.
pub fn follow_members() -> Vec<pg_sys::Oid> {
    for moved in moved() {
        tree::change(moved.source);
    }
    // What was waited for may have changed them, too.
    let mut replaced = vec![];
    at_work(|| {
        let all = moved();
        let other = all.iter().filter(|m| follow(m)).map(|m| m.source);
        replaced.extend(other);
    });
    replaced
}

fn follow(moved: &Moved) -> bool {
    let (before, now) = (&moved.before, &moved.now);
    sql::run(
        "UPDATE pgtrickle.pgt_captures SET members = $2 WHERE source_relid = $1",
        &[arg(moved.source), arg(now.clone())],
    );
    audience::changed();
    let came: Vec<_> = now.iter().filter(|m| !before.contains(m)).collect();
    let left: Vec<_> = before.iter().filter(|m| !now.contains(m)).collect();
    for &&member in &came {
        forget_targets(member);
        ensure_triggers(member);
    }
    // Rows that came or left before a trigger was there to tell. (The triggers' locks have waited
    // for whoever wrote them.)
    let replaced = came.iter().chain(&left).any(|&&m| may_have_rows(m));
    for &&member in &left {
        if crate::pg::qualified_name(member).is_some() {
            forget_targets(member);
            release(member);
        }
    }
    if replaced {
        trigger::replaced(moved.source, moved.buffer, &Audience::of(moved.source));
    }
    // Keys of a table bind the rows of those that inherit from it no more than its own. And what
    // a foreign table holds nobody is told of.
    let inherits = before.len() == 1 && tree::has_rows(moved.source);
    let foreign = came.iter().any(|&&m| {
        // SAFETY: a look-up.
        unsafe { pg_sys::get_rel_relkind(m) as u8 == pg_sys::RELKIND_FOREIGN_TABLE }
    });
    if inherits || foreign {
        sql::run(
            "UPDATE pgtrickle.pgt_stream_tables s SET needs_reinit = true, reinit_reason = \
             'source ' || d.source_relid::regclass || ' has other children' FROM \
             pgtrickle.pgt_dependencies d WHERE d.pgt_id = s.pgt_id AND d.captured AND \
             d.source_relid = $1 AND NOT s.needs_reinit",
            &[arg(moved.source)],
        );
    }
    replaced
}

/// False only of a table that is known to be empty.
fn may_have_rows(member: pg_sys::Oid) -> bool {
    let Some(name) = crate::pg::qualified_name(member) else {
        return true;
    };
    // SAFETY: a look-up.
    let kind = unsafe { pg_sys::get_rel_relkind(member) } as u8;
    match kind {
        pg_sys::RELKIND_PARTITIONED_TABLE => false,
        // An old snapshot does not see what others have written.
        pg_sys::RELKIND_RELATION if !Epoch::is_transaction_wide() => sql::connect(|c| {
            let rows = c.run(&format!("SELECT FROM ONLY {name} LIMIT 1"), &[]);
            !rows.is_empty()
        }),
        _ => true,
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
    type Unread = (pg_sys::Oid, pg_sys::Oid, Vec<pg_sys::Oid>);
    let unread: Vec<Unread> = sql::connect(|c| {
        c.run(
            "SELECT k.source_relid, k.buffer_relid, k.members FROM pgtrickle.pgt_captures k WHERE \
             NOT EXISTS (SELECT FROM pgtrickle.pgt_dependencies d WHERE d.source_relid = \
             k.source_relid AND d.captured) ORDER BY 1",
            &[],
        )
        .iter()
        .filter_map(|row| Some((row.get(1)?, row.get(2)?, row.get(3)?)))
        .collect()
    });
    audience::changed();
    for (source, buffer, members) in unread {
        sql::run(
            "DELETE FROM pgtrickle.pgt_captures WHERE source_relid = $1",
            &[arg(source)],
        );
        for member in members {
            release(member);
        }
        // It may be gone already, with what is being dropped.
        if let Some(table) = crate::pg::qualified_name(buffer) {
            sql::run(&format!("DROP TABLE IF EXISTS {table}"), &[]);
        }
    }
}

/// Drops the triggers of a table through which nothing that is captured is read any more.
fn release(member: pg_sys::Oid) {
    let read: bool = sql::one(
        "SELECT EXISTS (SELECT FROM pgtrickle.pgt_captures WHERE method = 'TRIGGER' AND members @> \
         ARRAY[$1])",
        &[arg(member)],
    )
    .unwrap_or(false);
    // It may be gone already, with what is being dropped.
    if !read
        && tree::has_rows(member)
        && let Some(table) = crate::pg::qualified_name(member)
    {
        for trigger in [ROW, TRUNCATE] {
            sql::run(&format!("DROP TRIGGER IF EXISTS {trigger} ON {table}"), &[]);
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
