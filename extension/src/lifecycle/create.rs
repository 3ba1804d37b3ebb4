//! Creation.
//!
//! ```text
//! analyse and compile; nothing is changed before the query is known to be good
//! lock the sources against writers, install capture
//! create the storage
//! take a new snapshot, fill from it: it is the first frontier
//! ```
//!
//! Writers of the sources wait until the creating transaction ends.

use super::analyse::{Analysed, analyse};
use super::capturing::{Reader, Way};
use super::error::or_report;
use super::names::{self, NewName};
use super::recompile::{create_indexes, same_columns};
use super::{
    LifecycleError, alter, capturing, dropping, immediate, query as defining, redefine, settings,
};
use crate::capture::{audience, sequence, wal};
use crate::catalog::{StreamTable, copies, stream_table};
use crate::compiled;
use crate::frontier::{Epoch, Frontier};
use crate::guard;
use crate::looking::indexes;
use crate::pg::{self, quote_identifier};
use crate::refresh::identity::{as_owner, as_system, current_user};
use crate::refresh::{self, Action, Initiator, Outcome, RefreshError, name_of};
use crate::sql::{self, arg};
use pgrx::prelude::*;
use pgrx::{JsonB, pg_sys};
use spec::Reason;
use spec::catalog::Catalog;
use spec::clock::CLOCK;
use spec::compiled::{Compiled, SourceUse};
use spec::program::{QualifiedName, StorageDdl};

/// The arguments of `create_stream_table`.
struct Request<'a> {
    name: &'a str,
    query: &'a str,
    schedule: &'a str,
    refresh_mode: String,
    initialize: bool,
    if_not_exists: bool,
    diamond: Diamond,
    append_only: bool,
    pooled: bool,
    /// auto, trigger or wal.
    cdc_mode: String,
}

/// Whether the parts of a diamond that ends here are kept together, and when they are due.
#[derive(Clone, Debug, Default)]
pub(super) struct Diamond {
    pub consistency: Option<String>,
    pub policy: Option<String>,
}

impl Diamond {
    pub fn new(consistency: Option<&str>, policy: Option<&str>) -> Result<Diamond, LifecycleError> {
        let of = |argument, value: Option<&str>, known: [&str; 2], hint| match value {
            None => Ok(None),
            Some(value) if known.contains(&value.to_lowercase().as_str()) => {
                Ok(Some(value.to_lowercase()))
            }
            Some(other) => Err(LifecycleError::Invalid {
                argument,
                value: other.to_string(),
                hint,
            }),
        };
        Ok(Diamond {
            consistency: of(
                "diamond_consistency",
                consistency,
                ["none", "atomic"],
                "It is none or atomic.",
            )?,
            policy: of(
                "diamond_schedule_policy",
                policy,
                ["fastest", "slowest"],
                "It is fastest or slowest.",
            )?,
        })
    }
}

/// What the stream table will be made of.
pub struct Definition {
    pub compiled: Option<serde_json::Value>,
    /// Sources to capture, with their attnums.
    pub captured: Vec<(pg_sys::Oid, Vec<i16>)>,
    /// Of an IMMEDIATE one: those whose writers can run together.
    pub together: Vec<pg_sys::Oid>,
    /// Sources that are compared with kept copies.
    pub copies: Vec<copies::Copy>,
    pub storage: Option<StorageDdl>,
    /// The tables of the states, `schema.name` quoted, in the order of their ids from 1; and that of
    /// the clock.
    pub states: Vec<String>,
    /// A query for how the clock has moved.
    pub clock: Option<String>,
    pub canonical: String,
    pub dependencies: serde_json::Value,
    pub reasons: serde_json::Value,
    /// Indexes on the sources that its programs would use.
    pub wanted: Vec<indexes::Wanted>,
}

/// The refresh mode, in upper case.
pub(super) fn check_mode(refresh_mode: &str) -> Result<String, LifecycleError> {
    let refresh_mode = refresh_mode.to_uppercase();
    match refresh_mode.as_str() {
        "AUTO" | "DIFFERENTIAL" | "FULL" | "IMMEDIATE" => (),
        _ => {
            return Err(LifecycleError::Invalid {
                argument: "refresh_mode",
                value: refresh_mode,
                hint: "It is AUTO, DIFFERENTIAL, FULL or IMMEDIATE.",
            });
        }
    }
    Ok(refresh_mode)
}

/// How a stream table asks for capture, in lower case. Nobody can keep one at each statement by what
/// is read from the WAL when it has committed.
pub(super) fn check_cdc_mode(cdc_mode: &str, refresh_mode: &str) -> Result<String, LifecycleError> {
    let cdc_mode = cdc_mode.to_lowercase();
    match cdc_mode.as_str() {
        "auto" | "trigger" => Ok(cdc_mode),
        "wal" if refresh_mode.eq_ignore_ascii_case("IMMEDIATE") => {
            Err(LifecycleError::NotImmediate {
                what: "changes can be read from the WAL only when they have committed".into(),
                hint: "cdc_mode => 'trigger' captures them at once.",
            })
        }
        "wal" => Ok(cdc_mode),
        _ => Err(LifecycleError::Invalid {
            argument: "cdc_mode",
            value: cdc_mode,
            hint: "It is auto, trigger or wal.",
        }),
    }
}

/// That a source only gains rows can be seen in its changes alone.
pub(super) fn check_append_only(incremental: bool) -> Result<(), LifecycleError> {
    match incremental {
        true => Ok(()),
        false => Err(LifecycleError::Invalid {
            argument: "append_only",
            value: "true".into(),
            hint: "It is refreshed in full, and reads no changes that could be checked.",
        }),
    }
}

#[allow(clippy::too_many_arguments)]
fn request<'a>(
    name: &'a str,
    query: &'a str,
    schedule: &'a str,
    refresh_mode: &str,
    initialize: bool,
    diamond_consistency: Option<&str>,
    diamond_schedule_policy: Option<&str>,
    cdc_mode: Option<&str>,
    append_only: bool,
    pooler_compatibility_mode: bool,
    if_not_exists: bool,
) -> Result<Request<'a>, LifecycleError> {
    let refresh_mode = check_mode(refresh_mode)?;
    let cdc_mode = match cdc_mode {
        Some(asked) => check_cdc_mode(asked, &refresh_mode)?,
        // What was not asked for is not refused.
        None if refresh_mode == "IMMEDIATE" => "auto".to_string(),
        None => crate::settings::cdc_mode().to_string(),
    };
    super::schedule::check(schedule, super::schedule::zone(&settings::current()))?;
    Ok(Request {
        name,
        query,
        schedule,
        refresh_mode,
        initialize,
        if_not_exists,
        diamond: Diamond::new(diamond_consistency, diamond_schedule_policy)?,
        append_only,
        pooled: pooler_compatibility_mode,
        cdc_mode,
    })
}

/// Creates it in place of what has the name, if that is a stream table.
fn replace(request: &Request<'_>) -> Result<(), LifecycleError> {
    let name = names::new_name(request.name)?;
    let Some(existing) = name.existing else {
        return create(request);
    };
    let Some(pgt_id) = stream_table::of_relation(existing) else {
        return Err(LifecycleError::Exists(name.quoted()));
    };
    names::check_owner(existing)?;
    let table = redefine::load(pgt_id)?;
    let query = redefine::trimmed(request.query);
    let analysed = redefine::analysed(&table, query)?;
    if same_columns(&table, &analysed) {
        let changes = alter::Changes {
            query: (query != table.original_query || table.settings != settings::current())
                .then_some(query),
            schedule: Some(request.schedule),
            refresh_mode: Some(&request.refresh_mode),
            diamond: request.diamond.clone(),
            append_only: Some(request.append_only),
            pooled: Some(request.pooled),
            cdc_mode: Some(&request.cdc_mode),
            ..alter::Changes::default()
        };
        return alter::alter(&name.quoted(), &changes);
    }
    dropping::drop_table(existing, pgt_id, false);
    create(request)
}

fn create(request: &Request<'_>) -> Result<(), LifecycleError> {
    if Epoch::is_transaction_wide() {
        return Err(LifecycleError::Isolation("create_stream_table"));
    }
    let name = names::new_name(request.name)?;
    if let Some(existing) = name.existing {
        if request.if_not_exists && stream_table::of_relation(existing).is_some() {
            notice!("stream table {} already exists, skipping", name.quoted());
            return Ok(());
        }
        return Err(LifecycleError::Exists(name.quoted()));
    }
    let query = redefine::trimmed(request.query);
    let analysed = analyse(query)?;
    let kept = defining::keep(query)
        .ok_or_else(|| LifecycleError::Query("the query must be a single SELECT".into()))?;
    if request.cdc_mode == "wal" && request.refresh_mode != "FULL" {
        // Nothing has been written yet: as the server wants it.
        wal::slot::ensure().map_err(RefreshError::from)?;
    }
    let pgt_id = as_system(|| {
        sql::one::<i64>(
            "SELECT pg_catalog.nextval(pg_catalog.pg_get_serial_sequence(\
             'pgtrickle.pgt_stream_tables', 'pgt_id'))",
            &[],
        )
    })
    .ok_or_else(|| LifecycleError::Compiler("no id for the stream table".into()))?;
    let target = QualifiedName {
        schema: name.schema.clone(),
        name: name.name.clone(),
    };
    let definition = define(&request.refresh_mode, query, &analysed, &target, pgt_id)?;
    if request.append_only {
        check_append_only(definition.compiled.is_some())?;
    }
    build(request, query, &analysed, &name, pgt_id, &definition, kept)
}

fn must_be_incremental(refresh_mode: &str) -> bool {
    ["DIFFERENTIAL", "IMMEDIATE"].contains(&refresh_mode)
        || (refresh_mode == "AUTO" && crate::settings::strict())
}

/// Compiles the query, or says why only FULL can run it.
pub(super) fn define(
    refresh_mode: &str,
    query: &str,
    analysed: &Analysed,
    name: &QualifiedName,
    pgt_id: i64,
) -> Result<Definition, LifecycleError> {
    let full = |reasons: &[Reason]| Definition {
        compiled: None,
        captured: Vec::new(),
        together: Vec::new(),
        copies: Vec::new(),
        storage: None,
        clock: None,
        states: Vec::new(),
        canonical: query.to_string(),
        dependencies: serde_json::json!([]),
        reasons: serde_json::json!(reasons),
        wanted: Vec::new(),
    };
    let internal = |what: String| LifecycleError::Compiler(what);
    let catalog = compiled::snapshot(&analysed.relations).map_err(|e| internal(e.to_string()))?;
    let outcome = match compiler::compile(query, &catalog) {
        Ok(outcome) => outcome,
        Err(reasons) => {
            // What PostgreSQL accepts and the compiler does not understand is a bug of the
            // compiler; what no refresh could keep is the query's.
            let understood = |r: &Reason| {
                use spec::ReasonCode::*;
                r.code.severity() == spec::reason::Severity::Refused
                    && !matches!(r.code, Name | Type | Syntax)
            };
            let text = compiled::explain(&reasons, query);
            if reasons.iter().any(|r| r.code == spec::ReasonCode::TooDeep)
                || !reasons.iter().any(understood)
            {
                if must_be_incremental(refresh_mode) {
                    return Err(internal(text));
                }
                if refresh_mode == "AUTO" {
                    warning!(
                        "the query will be refreshed in FULL mode; internal compiler error: {text}"
                    );
                }
                return Ok(full(&reasons));
            }
            return Err(LifecycleError::Query(text));
        }
    };
    let compiled = match outcome {
        compiler::Outcome::Incremental(compiled) => compiled,
        compiler::Outcome::NotIncremental { reasons, .. } => {
            let text = compiled::explain(&reasons, query);
            if must_be_incremental(refresh_mode) {
                return Err(LifecycleError::NotIncremental(text));
            }
            if refresh_mode == "AUTO" {
                notice!(
                    "the query cannot be incremental and will be refreshed in FULL mode: {text}"
                );
            }
            return Ok(full(&reasons));
        }
    };
    compiled::check(&compiled, analysed).map_err(internal)?;
    if refresh_mode == "FULL" {
        return Ok(full(&compiled.reasons));
    }
    let made = |error: codegen::CodegenError| internal(format!("{}: {error}", error.code()));
    let names = codegen::Names::new(name.clone(), pgt_id, &compiled);
    let canonical = codegen::select(&compiled, &catalog, &names).map_err(made)?;
    let clock = codegen::clock_change(&compiled, &catalog, &names).map_err(made)?;
    let clock_table = clock.as_ref().map(|_| QualifiedName {
        schema: codegen::STORE.into(),
        name: names.clock.clone(),
    });
    let copies = copies::Copy::all(&compiled, &catalog);
    let mut substituted = catalog;
    copies::substitute(pgt_id, &compiled, &mut substituted);
    let mut storage = codegen::storage(&compiled, &substituted, &names).map_err(made)?;
    let of_copies = copies::store(pgt_id, &copies, &mut storage);
    let compared = |s: &SourceUse| copies.iter().any(|c| c.source.to_u32() == s.relation.0);
    let json = |e: serde_json::Error| internal(e.to_string());
    let mut wanted = indexes::wanted(&compiled, &substituted).map_err(internal)?;
    // Copies have what they need.
    wanted.retain(|w| !copies.iter().any(|c| c.source.to_u32() == w.relation.0));
    let definition = Definition {
        wanted,
        captured: compiled
            .sources
            .iter()
            .filter(|s| s.relation != CLOCK && !compared(s))
            .map(|s| (pg_sys::Oid::from(s.relation.0), s.columns.clone()))
            .collect(),
        states: names
            .stored
            .iter()
            .skip(1)
            .chain(&clock_table)
            .map(|n| {
                format!(
                    "{}.{}",
                    pg::quote_identifier(&n.schema),
                    pg::quote_identifier(&n.name)
                )
            })
            .chain(of_copies)
            .collect(),
        copies,
        storage: Some(storage),
        clock,
        canonical,
        together: match refresh_mode {
            "IMMEDIATE" => together(&compiled, &substituted).map_err(internal)?,
            _ => vec![],
        },
        dependencies: serde_json::to_value(&compiled.dependencies).map_err(json)?,
        reasons: serde_json::to_value(&compiled.reasons).map_err(json)?,
        compiled: Some(serde_json::to_value(&*compiled).map_err(json)?),
    };
    if refresh_mode == "IMMEDIATE" {
        immediate::check(&definition)?;
    }
    Ok(definition)
}

/// The sources whose writers can run together.
fn together(compiled: &Compiled, catalog: &Catalog) -> Result<Vec<pg_sys::Oid>, String> {
    let mut together = vec![];
    for source in &compiled.sources {
        let plan = compiler::delta(compiled, catalog, &[source.relation].into());
        if codegen::runs_together(&plan.map_err(|error| error.to_string())?) {
            together.push(pg_sys::Oid::from(source.relation.0));
        }
    }
    Ok(together)
}

fn build(
    request: &Request<'_>,
    query: &str,
    analysed: &Analysed,
    name: &NewName,
    pgt_id: i64,
    definition: &Definition,
    kept: defining::Kept,
) -> Result<(), LifecycleError> {
    let owner = current_user();
    let recorded = settings::current();
    let quoted = name.quoted();
    // Sources first: their lock waits for running writers, whose changes the fill will see.
    let mut sources = analysed.relations.clone();
    sources.sort_by_key(|oid| oid.to_u32());
    if let Some(busy) = refresh::midstatement::changing(&sources) {
        return Err(LifecycleError::MidStatement(name_of(busy)));
    }
    for (source, _) in &definition.captured {
        refresh::refuse_temporary(*source)?;
    }
    let asks = Way::asked(&request.cdc_mode, &request.refresh_mode);
    install_capture(definition, Reader { pgt_id, asks })?;
    let storage = definition.storage.as_ref();
    match storage {
        Some(storage) => {
            let (table, states) = storage
                .tables
                .split_first()
                .ok_or_else(|| LifecycleError::Compiler("no table to store in".into()))?;
            as_owner(owner, &[], || sql::run(table, &[]));
            as_system(|| run_each(states));
        }
        None => {
            let columns: Vec<String> = analysed.columns.iter().map(|c| c.definition()).collect();
            as_owner(owner, &[], || {
                sql::run(
                    &format!("CREATE TABLE {quoted} ({})", columns.join(", ")),
                    &[],
                );
            });
        }
    }
    let relid = names::relation(&quoted);
    // The new table may hide a source of the same name from the query's text.
    let hides = defining::keep(query).is_none_or(|now| now.printed != kept.printed);
    let printed = if hides { String::new() } else { kept.printed };
    as_system(|| {
        protect(&quoted);
        own_states(&definition.states, relid, owner);
        sql::run(
            "INSERT INTO pgtrickle.pgt_stream_tables (pgt_id, pgt_relid, pgt_name, pgt_schema, \
             defining_query, original_query, schedule, refresh_mode, compiled, reasons, settings, \
             dependencies, analysed, printed, clock, diamond_consistency, diamond_schedule_policy, \
             append_only, pooler_compatibility_mode, cdc_mode, home) OVERRIDING SYSTEM VALUE VALUES \
             ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, coalesce($16, 'atomic'), \
             coalesce($17, 'fastest'), $18, $19, $20, pgtrickle._home())",
            &[
                arg(pgt_id),
                arg(relid),
                arg(name.name.as_str()),
                arg(name.schema.as_str()),
                arg(definition.canonical.as_str()),
                arg(query),
                arg(request.schedule),
                arg(request.refresh_mode.as_str()),
                arg(definition.compiled.clone().map(JsonB)),
                arg(JsonB(definition.reasons.clone())),
                arg(JsonB(serde_json::json!(recorded))),
                arg(JsonB(definition.dependencies.clone())),
                arg(kept.analysed),
                arg(printed),
                arg(definition.clock.clone()),
                arg(request.diamond.consistency.clone()),
                arg(request.diamond.policy.clone()),
                arg(request.append_only),
                arg(request.pooled),
                arg(request.cdc_mode.as_str()),
            ],
        );
        record_dependencies(pgt_id, relid, &sources, definition);
    });
    crate::scheduler::announce();
    if request.initialize {
        fill(pgt_id, definition)?;
    } else {
        as_system(|| create_indexes(pgt_id, relid, definition));
    }
    Ok(())
}

/// Locks the sources against writers and has their changes captured from here on.
pub(super) fn install_capture(definition: &Definition, reader: Reader) -> Result<(), RefreshError> {
    as_system(|| {
        for (source, columns) in &definition.captured {
            match stream_table::of_relation(*source) {
                Some(_) => capturing::install_upstream(*source, columns),
                None => capturing::install(*source, columns, reader)?,
            }
        }
        Ok(())
    })
}

/// Nobody but a refresh writes to it.
fn protect(table: &str) {
    run_each(&[
        format!(
            "CREATE TRIGGER pgt_refuse_writes BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE \
             ON {table} FOR EACH STATEMENT EXECUTE FUNCTION pgtrickle.refuse_writes()"
        ),
        format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER pgt_refuse_writes"),
    ]);
}

/// Gives new state tables to the owner of the stream table, and lets them go with it.
pub(super) fn own_states(states: &[String], relid: pg_sys::Oid, owner: pg_sys::Oid) {
    let owner = quote_identifier(&role_name(owner));
    for state in states {
        run_each(&[format!("ALTER TABLE {state} OWNER TO {owner}")]);
        protect(state);
        capturing::depend(names::relation(state), relid);
    }
}

pub(super) fn record_dependencies(
    pgt_id: i64,
    relid: pg_sys::Oid,
    sources: &[pg_sys::Oid],
    definition: &Definition,
) {
    for &source in sources {
        let captured = definition.captured.iter().find(|(oid, _)| *oid == source);
        let copy = definition.copies.iter().find(|c| c.source == source);
        let columns = captured.map(|(_, columns)| columns);
        let columns = columns.or(copy.map(|c| &c.attnums)).cloned();
        let read = Read {
            columns: columns.unwrap_or_default(),
            captured: captured.is_some(),
            compared: copy.is_some(),
            together: definition.together.contains(&source),
        };
        record_dependency(pgt_id, source, &read);
        if source != relid {
            capturing::depend_strictly(relid, source);
        }
    }
    indexes::record(pgt_id, &definition.wanted);
    audience::changed();
}

pub(super) fn run_each(statements: &[String]) {
    for statement in statements {
        sql::run(statement, &[]);
    }
}

fn role_name(role: pg_sys::Oid) -> String {
    // SAFETY: raises an error if there is no such role.
    unsafe { pg::string(pg_sys::GetUserNameFromId(role, false)) }.unwrap_or_default()
}

/// What is read of a source, and how its changes are known.
struct Read {
    columns: Vec<i16>,
    captured: bool,
    compared: bool,
    together: bool,
}

/// Records that a source is read, and the types of the columns that matter.
fn record_dependency(pgt_id: i64, source: pg_sys::Oid, read: &Read) {
    sql::run(
        "INSERT INTO pgtrickle.pgt_dependencies (pgt_id, source_relid, source_type, columns_used, \
         column_types, captured, compared, together) SELECT $1, $2, CASE WHEN EXISTS (SELECT FROM \
         pgtrickle.pgt_stream_tables WHERE pgt_relid = $2) THEN 'STREAM_TABLE' WHEN c.relkind IN \
         ('r', 'p') THEN 'TABLE' ELSE 'OTHER' END, $3, coalesce((SELECT \
         pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(attnum, atttypid::pg_catalog.int8, \
         atttypmod, attcollation::pg_catalog.int8) ORDER BY attnum) FROM pg_catalog.pg_attribute \
         WHERE attrelid = $2 AND attnum = ANY ($3)), '[]'), $4, $5, $6 FROM pg_catalog.pg_class c \
         WHERE c.oid = $2",
        &[
            arg(pgt_id),
            arg(source),
            arg(read.columns.clone()),
            arg(read.captured),
            arg(read.compared),
            arg(read.together),
        ],
    );
}

/// The first content, from a snapshot taken after the locks.
fn fill(pgt_id: i64, definition: &Definition) -> Result<(), LifecycleError> {
    let started = std::time::Instant::now();
    stream_table::lock_entry(pgt_id);
    let table = StreamTable::load(pgt_id)
        .ok_or_else(|| LifecycleError::Compiler("the new stream table is not there".into()))?;
    let at = Epoch::moment();
    let epoch = Epoch::begin();
    refresh::clock::set(&table, &epoch)?;
    let epoch = epoch.advanced();
    let (xid, upto) = sequence::current();
    let frontier = Frontier {
        snapshot: epoch.visible(),
        xid,
        upto,
    };
    let inserted = match &definition.storage {
        Some(storage) => {
            let inserted = as_owner(table.owner, table.safe_settings(), || {
                sql::connect(|connection| {
                    let execution = refresh::execute::Execution::new(connection, &epoch);
                    let mut inserted = 0;
                    guard::writing(|| {
                        for (id, statement) in &storage.fills {
                            let rows = execution.write(statement);
                            if id.0 == 0 {
                                inserted = rows;
                            }
                        }
                    });
                    execution.end();
                    inserted
                })
            });
            as_system(|| create_indexes(pgt_id, table.relid, definition));
            inserted
        }
        None => refresh::rebuild::first_fill(&table, &epoch)?,
    };
    drop(epoch);
    table.store_frontier(&frontier, at);
    refresh::history::completed(
        &Outcome {
            pgt_id,
            action: Action::Full,
            inserted,
            deleted: 0,
            delta_rows: 0,
            duration_ms: started.elapsed().as_secs_f64() * 1000.0,
            started: at,
            data_timestamp: at,
            reason: Some("first fill".into()),
        },
        Initiator::Initial,
    );
    Ok(())
}

/// Functions with the same arguments.
macro_rules! creating {
    ($(#[$doc:meta])* $name:ident, $if_not_exists:literal, $create:ident) => {
        $(#[$doc])*
        #[pg_extern(volatile, parallel_unsafe)]
        #[allow(clippy::too_many_arguments)]
        fn $name(
            name: &str,
            query: &str,
            schedule: default!(&str, "'calculated'"),
            refresh_mode: default!(&str, "'AUTO'"),
            initialize: default!(bool, true),
            diamond_consistency: default!(Option<&str>, "NULL"),
            diamond_schedule_policy: default!(Option<&str>, "NULL"),
            cdc_mode: default!(Option<&str>, "NULL"),
            append_only: default!(bool, false),
            pooler_compatibility_mode: default!(bool, false),
        ) {
            or_report::<_, LifecycleError>(
                request(
                    name,
                    query,
                    schedule,
                    refresh_mode,
                    initialize,
                    diamond_consistency,
                    diamond_schedule_policy,
                    cdc_mode,
                    append_only,
                    pooler_compatibility_mode,
                    $if_not_exists,
                )
                .and_then(|r| $create(&r)),
            );
        }
    };
}

creating!(
    /// Creates a stream table.
    create_stream_table,
    false,
    create
);
creating!(
    /// Creates a stream table unless there is one of that name.
    create_stream_table_if_not_exists,
    true,
    create
);
creating!(
    /// Creates a stream table in place of the one of that name, if there is one.
    create_or_replace_stream_table,
    false,
    replace
);
