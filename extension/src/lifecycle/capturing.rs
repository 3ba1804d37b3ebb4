//! Installing capture on a source and all that it is read through, following what comes to it and
//! leaves it, and taking capture away with the last reader.
//!
//! **Ways.** A source is captured in one way for all its readers: by triggers, or from the WAL
//! ([`wal`]). Going over to the other way loses nothing: its writers are locked out, and what they have done
//! before is in the buffer by then, or will be with what is drained next.

use crate::capture::audience::{self, Audience};
use crate::capture::buffer;
use crate::capture::tree;
use crate::capture::trigger;
use crate::capture::wal::{self, WalError};
use crate::frontier::Epoch;
use crate::pg::OpenRelation;
use crate::refresh::name_of;
use crate::sql::{self, Arg, arg};
use pgrx::pg_sys;
use std::cell::Cell;

/// How the changes of a source come to its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Trigger,
    Wal,
}

impl Way {
    fn method(self) -> &'static str {
        match self {
            Way::Trigger => "TRIGGER",
            Way::Wal => "WAL",
        }
    }

    fn mode(self) -> &'static str {
        match self {
            Way::Trigger => "trigger",
            Way::Wal => "wal",
        }
    }

    /// What a stream table asks for, if it does.
    pub fn asked(cdc_mode: &str, refresh_mode: &str) -> Option<Way> {
        match cdc_mode {
            _ if refresh_mode == "IMMEDIATE" => Some(Way::Trigger),
            "trigger" => Some(Way::Trigger),
            "wal" => Some(Way::Wal),
            _ => None,
        }
    }

    /// How a source is captured now, if it is.
    fn of(source: pg_sys::Oid) -> Option<Way> {
        let method: Option<String> = sql::one(
            "SELECT method FROM pgtrickle.pgt_captures WHERE source_relid = $1",
            &[arg(source)],
        );
        Some(match method?.as_str() {
            "WAL" => Way::Wal,
            _ => Way::Trigger,
        })
    }
}

/// A reader that is coming.
#[derive(Clone, Copy)]
pub struct Reader {
    pub pgt_id: i64,
    pub asks: Option<Way>,
}

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

/// Makes sure that the changes of a stream table are captured, as [`install`]; its refreshes tell of
/// them.
pub fn install_upstream(source: pg_sys::Oid, columns: &[i16]) {
    let mode = pg_sys::ShareRowExclusiveLock as i32;
    let opened = OpenRelation::open(source, mode);
    put(source, opened, columns, "REFRESH", vec![source]);
}

/// Makes sure that the changes of these columns are captured, in the way that the reader asks for.
/// The source and its members are locked against writers until the transaction ends; run as the
/// system.
pub fn install(source: pg_sys::Oid, columns: &[i16], reader: Reader) -> Result<(), WalError> {
    let becomes_wal = reader.asks == Some(Way::Wal) && Way::of(source) == Some(Way::Trigger);
    let mode = match becomes_wal {
        // To drop triggers takes it: at once, so that nobody comes between.
        true => pg_sys::AccessExclusiveLock as i32,
        false => pg_sys::ShareRowExclusiveLock as i32,
    };
    let opened = OpenRelation::open(source, mode);
    let members = tree::lock_members(source, mode);
    let before = Way::of(source);
    let way = reader.asks.or(before).unwrap_or(Way::Trigger);
    if [Some(way), before].contains(&Some(Way::Wal)) {
        wal::refuse_written(source, &members)?;
    }
    if before.is_some_and(|before| before != way) {
        refuse_contradiction(source, way, reader.pgt_id)?;
        if before == Some(Way::Wal) {
            leave_wal(source)?;
        }
    }
    if way == Way::Wal {
        wal::slot::check()?;
        if before == Some(Way::Wal) && lacks(source, columns) {
            wal::drain::lock();
        }
    }
    put(source, opened, columns, way.method(), members.clone());
    if way == Way::Wal {
        take_from_here(source, &members);
        refuse_unfit(source)?;
    }
    if before.is_some_and(|before| before != way) {
        at_work(|| members.into_iter().for_each(release));
        audience::changed();
    }
    Ok(())
}

/// Will the buffer of a source get columns?
fn lacks(source: pg_sys::Oid, columns: &[i16]) -> bool {
    sql::one(
        "SELECT NOT columns @> $2 FROM pgtrickle.pgt_captures WHERE source_relid = $1",
        &[arg(source), arg(columns.to_vec())],
    )
    .unwrap_or(true)
}

/// Does another reader ask for the other way?
fn refuse_contradiction(source: pg_sys::Oid, way: Way, pgt_id: i64) -> Result<(), WalError> {
    let other = match way {
        Way::Trigger => Way::Wal,
        Way::Wal => Way::Trigger,
    };
    let reader: Option<pg_sys::Oid> = sql::one(
        "SELECT s.pgt_relid::pg_catalog.oid FROM pgtrickle.pgt_dependencies d JOIN \
         pgtrickle.pgt_stream_tables s USING (pgt_id) WHERE d.source_relid = $1 AND d.captured AND \
         s.pgt_id <> $2 AND CASE WHEN s.refresh_mode = 'IMMEDIATE' THEN 'trigger' ELSE s.cdc_mode END \
         = $3 ORDER BY 1 LIMIT 1",
        &[arg(source), arg(pgt_id), arg(other.mode())],
    );
    match reader {
        None => Ok(()),
        Some(reader) => Err(WalError::Contradiction {
            source_name: name_of(source),
            reader: name_of(reader),
            way: other.mode(),
        }),
    }
}

/// What the writers of a source have done, whom the caller has locked out, is in the buffer after
/// this. If it cannot be had any more, all readers rebuild.
fn leave_wal(source: pg_sys::Oid) -> Result<(), WalError> {
    match wal::slot::check() {
        Ok(()) => {
            wal::drain::to(wal::drain::end_of_wal())?;
        }
        Err(error) => wal::void(&error.to_string()),
    }
    sql::run(
        "DELETE FROM pgtrickle.pgt_wal_members WHERE source_relid = $1",
        &[arg(source)],
    );
    Ok(())
}

/// Members of a source that are new are taken from the WAL from here on. The caller has locked their
/// writers out.
fn take_from_here(source: pg_sys::Oid, members: &[pg_sys::Oid]) {
    let here = pg_sys::Datum::from(wal::drain::end_of_wal());
    sql::run(
        "INSERT INTO pgtrickle.pgt_wal_members (source_relid, member_relid, since) SELECT $1, m, $3 \
         FROM pg_catalog.unnest($2) AS m ON CONFLICT DO NOTHING",
        &[
            arg(source),
            arg(members.to_vec()),
            Arg::raw(pg_sys::PG_LSNOID, Some(here)),
        ],
    );
    sql::run(
        "DELETE FROM pgtrickle.pgt_wal_members WHERE source_relid = $1 AND NOT member_relid = ANY ($2)",
        &[arg(source), arg(members.to_vec())],
    );
}

/// The WAL must have all that is captured.
fn refuse_unfit(source: pg_sys::Oid) -> Result<(), WalError> {
    let unfit: Option<(pg_sys::Oid, String)> = sql::connect(|c| {
        let rows = c.run(
            "SELECT member_relid, what FROM pgtrickle._wal_unfit WHERE source_relid = $1 ORDER BY 1 \
             LIMIT 1",
            &[arg(source)],
        );
        let row = rows.first()?;
        Some((row.get(1)?, row.get(2)?))
    });
    let Some((member, what)) = unfit else {
        return Ok(());
    };
    let member = name_of(member);
    let hint = what
        .contains("IDENTITY")
        .then(|| format!("ALTER TABLE {member} REPLICA IDENTITY FULL; or cdc_mode => 'trigger'."));
    Err(WalError::Unfit {
        source_name: name_of(source),
        what: format!("{member} {what}"),
        hint,
    })
}

/// Buffer, row of the catalog, and triggers of a source that is locked.
fn put(
    source: pg_sys::Oid,
    opened: OpenRelation,
    columns: &[i16],
    method: &str,
    members: Vec<pg_sys::Oid>,
) {
    let stream_table = method == "REFRESH";
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
             pg_catalog.unnest(columns || $2) AS c ORDER BY c), members = $3, method = $4 WHERE \
             source_relid = $1",
            &[
                arg(source),
                arg(columns.to_vec()),
                arg(members.clone()),
                arg(method),
            ],
        );
    } else {
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

/// Is the table read through a source that is captured in one of these ways?
fn is_captured(member: pg_sys::Oid, methods: &[&str]) -> bool {
    sql::one(
        "SELECT EXISTS (SELECT FROM pgtrickle.pgt_captures WHERE method = ANY ($2) AND members @> \
         ARRAY[$1])",
        &[
            arg(member),
            arg(methods.iter().map(|m| m.to_string()).collect::<Vec<_>>()),
        ],
    )
    .unwrap_or(false)
}

/// A table in which rows are has both triggers; the one for rows only where it captures.
fn ensure_triggers(member: pg_sys::Oid) {
    if !tree::has_rows(member) {
        return;
    }
    if is_captured(member, &["TRIGGER"]) {
        ensure_trigger(
            member,
            ROW,
            "AFTER INSERT OR UPDATE OR DELETE",
            "FOR EACH ROW EXECUTE FUNCTION pgtrickle.capture_row()",
        );
    }
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
    from_wal: bool,
}

fn moved() -> Vec<Moved> {
    sql::connect(|c| {
        c.own(
            "WITH RECURSIVE member (source, buffer, known, from_wal, relid) AS (SELECT source_relid, \
             buffer_relid, members, method = 'WAL', source_relid FROM pgtrickle.pgt_captures WHERE \
             method <> 'REFRESH' UNION SELECT m.source, m.buffer, m.known, m.from_wal, i.inhrelid FROM \
             member m JOIN pg_catalog.pg_inherits i ON i.inhparent = m.relid JOIN pg_catalog.pg_class \
             c ON c.oid = i.inhrelid WHERE NOT i.inhdetachpending AND c.relpersistence <> 't') \
             SELECT source, buffer, known, pg_catalog.array_agg(relid ORDER BY relid), from_wal FROM \
             member GROUP BY source, buffer, known, from_wal HAVING pg_catalog.array_agg(relid ORDER \
             BY relid) <> known ORDER BY source",
        )
        .iter()
        .filter_map(|row| {
            Some(Moved {
                source: row.get(1)?,
                buffer: row.get(2)?,
                before: row.get(3)?,
                now: row.get(4)?,
                from_wal: row.get(5)?,
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
        if moved.from_wal {
            ensure_identity(moved.source, member);
        }
    }
    // Rows that came or left before a trigger was there to tell. (The triggers' locks have waited
    // for whoever wrote them.)
    // Of what has left the source, though it be empty now, changes may not have been drained.
    let replaced = came.iter().chain(&left).any(|&&m| may_have_rows(m))
        || (moved.from_wal && !left.is_empty());
    if moved.from_wal {
        take_from_here(moved.source, now);
    }
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

/// What comes to a table whose old rows are logged as a whole has its own logged so, too: the server
/// does not pass that on.
fn ensure_identity(source: pg_sys::Oid, member: pg_sys::Oid) {
    let differs: Option<bool> = sql::one(
        "SELECT s.relreplident = 'f' AND m.relreplident <> 'f' AND m.relkind = 'r' FROM \
         pg_catalog.pg_class s, pg_catalog.pg_class m WHERE s.oid = $1 AND m.oid = $2",
        &[arg(source), arg(member)],
    );
    if differs == Some(true) {
        let table = name_of(member);
        sql::run(&format!("ALTER TABLE {table} REPLICA IDENTITY FULL"), &[]);
    }
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

/// Drops the triggers of a table that nothing is captured by any more.
fn release(member: pg_sys::Oid) {
    // It may be gone already, with what is being dropped.
    if !tree::has_rows(member) {
        return;
    }
    let Some(table) = crate::pg::qualified_name(member) else {
        return;
    };
    for (trigger, methods) in [(ROW, &["TRIGGER"][..]), (TRUNCATE, &["TRIGGER", "WAL"])] {
        if !is_captured(member, methods) {
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
