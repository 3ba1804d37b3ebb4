//! Circles: stream tables that read themselves, through others or not.
//!
//! What such stream tables hold is the least fixed point of their queries, and that there is one is
//! because each query is monotone in the others of the circle ([`compiler::monotone`]). So a circle
//! is closed only if `pg_trickle.allow_circular` lets it be, and every member is differential and
//! monotone; that is looked at again whenever one is compiled anew. [`crate::refresh::circle`] finds
//! the fixed point.
//!
//! The catalog knows of each stream table the circle that it is in, which is told apart by the least
//! `pgt_id` of its members.

use super::{LifecycleError, analyse, create, query as defining};
use crate::catalog::{StreamTable, stream_table};
use crate::compiled;
use crate::refresh::identity::{as_owner, as_system};
use crate::refresh::name_of;
use crate::settings;
use crate::sql::{self, arg};
use compiler::monotone::{Reading, Way, readings};
use pgrx::pg_sys;
use pgrx::prelude::*;
use runtime::dag::Dag;
use spec::compiled::Compiled;
use spec::types::Oid;
use std::collections::BTreeMap;

/// The stream tables, and who reads whom.
struct Graph {
    tables: BTreeMap<i64, pg_sys::Oid>,
    /// (upstream, downstream)
    edges: Vec<(i64, i64)>,
}

impl Graph {
    fn load() -> Graph {
        as_system(|| {
            sql::connect(|c| {
                let tables = c.own(
                    "SELECT pgt_id, pgt_relid::pg_catalog.oid FROM pgtrickle.pgt_stream_tables",
                );
                let edges = c.own(
                    "SELECT u.pgt_id, d.pgt_id FROM pgtrickle.pgt_dependencies d JOIN \
                     pgtrickle.pgt_stream_tables u ON u.pgt_relid = d.source_relid",
                );
                let pair = |row: sql::Row<'_, '_>| Some((row.get(1)?, row.get(2)?));
                Graph {
                    tables: tables.iter().filter_map(pair).collect(),
                    edges: edges
                        .iter()
                        .filter_map(|row| Some((row.get(1)?, row.get(2)?)))
                        .collect(),
                }
            })
        })
    }

    /// The same, if one of them reads these relations.
    fn with(mut self, table: i64, reads: &[pg_sys::Oid]) -> Graph {
        self.edges.retain(|(_, down)| *down != table);
        let read = self.tables.iter().filter(|(_, oid)| reads.contains(oid));
        self.edges.extend(read.map(|(up, _)| (*up, table)));
        self
    }

    /// Is the stream table read, and would it read another or itself?
    fn may_be_closed_by(&self, table: &StreamTable, reads: &[pg_sys::Oid]) -> bool {
        let is_read = self.edges.iter().any(|(up, _)| *up == table.pgt_id);
        let reads_one = self.tables.values().any(|oid| reads.contains(oid));
        reads.contains(&table.relid) || is_read && reads_one
    }

    fn dag(&self) -> Dag {
        Dag::new(self.tables.keys().copied(), self.edges.iter().copied())
    }
}

/// These stream tables, each after those that it reads; those of a circle side by side.
pub fn in_order(ids: &[i64]) -> Vec<i64> {
    let graph = Graph::load();
    let among = graph.edges.into_iter();
    let among = among.filter(|(up, down)| ids.contains(up) && ids.contains(down));
    let components = Dag::new(ids.iter().copied(), among).components();
    components.into_iter().flatten().collect()
}

/// A circle that a stream table is in, or would be.
pub struct Circle {
    /// With their tables.
    members: BTreeMap<i64, pg_sys::Oid>,
}

/// The circle that a stream table would be in, if it read these relations.
pub fn of(table: &StreamTable, reads: &[pg_sys::Oid]) -> Option<Circle> {
    let graph = Graph::load().with(table.pgt_id, reads);
    let circles = graph.dag().circles().into_iter();
    let circle = circles.into_iter().find(|c| c.contains(&table.pgt_id))?;
    let member = |id: &i64| Some((*id, *graph.tables.get(id)?));
    Some(Circle {
        members: circle.iter().filter_map(member).collect(),
    })
}

/// What is to be a member of a circle.
struct Candidate<'a> {
    table: &'a StreamTable,
    mode: &'a str,
    text: &'a str,
    settings: &'a [(String, String)],
    reads: &'a [pg_sys::Oid],
    compiled: Option<Compiled>,
}

/// How it reads its sources.
pub type Ways = Vec<(pg_sys::Oid, Way)>;

impl Circle {
    /// Refuses it where it may not be closed.
    fn may_close(&self, table: &StreamTable, reads: &[pg_sys::Oid]) -> Result<(), LifecycleError> {
        if table.circle.is_some() || settings::allow_circular() {
            return Ok(());
        }
        let through = reads
            .iter()
            .find(|r| self.members.values().any(|m| m == *r));
        Err(LifecycleError::Circle {
            table: table.name(),
            through: name_of(through.copied().unwrap_or(table.relid)),
        })
    }

    /// Refuses a stream table whose query is not monotone in the members of the circle.
    fn check(&self, candidate: &Candidate<'_>) -> Result<Ways, LifecycleError> {
        let table = candidate.table;
        let refuse = |what: String| {
            Err(LifecycleError::NotCircular {
                table: table.name(),
                what,
            })
        };
        if !["AUTO", "DIFFERENTIAL"].contains(&candidate.mode) {
            return refuse(format!("its refresh_mode is {}", candidate.mode));
        }
        let Some(compiled) = &candidate.compiled else {
            return refuse("its query cannot be incremental".into());
        };
        if compiled.clock.is_some() {
            return refuse("its query asks for the time".into());
        }
        let internal = |what: String| LifecycleError::Compiler(what);
        let (written, optimised, copied) = as_owner(table.owner, candidate.settings, || {
            let catalog = compiled::snapshot(candidate.reads);
            let catalog = catalog.map_err(|e| internal(e.to_string()))?;
            let analysis = compiler::analyse::analyse(candidate.text, &catalog)
                .map_err(|r| internal(compiled::explain(&r, candidate.text)))?;
            let written = analysis.circuit.as_ref();
            let written = written.map(|(circuit, root)| readings(circuit, *root, &catalog));
            let optimised = readings(&compiled.circuit, compiled.root, &catalog);
            let copied = crate::catalog::copies::Copy::all(compiled, &catalog);
            let copied = copied.first().map(|c| c.source);
            Ok::<_, LifecycleError>((written.unwrap_or_default(), optimised, copied))
        })?;
        if let Some(source) = copied {
            return refuse(format!("nobody tells of changes of {}", name_of(source)));
        }
        let mut ways = vec![];
        for &source in candidate.reads {
            let oid = Oid(source.to_u32());
            // What one of the two forms of the query shows is so.
            let forms = [optimised.get(&oid), written.get(&oid)];
            let is_sure = |r: &&Reading| r.way != Way::Neither;
            let sure = forms.iter().flatten().find(|r| is_sure(r)).copied();
            let Some(reading) = sure.or(forms[1]).or(forms[0]) else {
                continue;
            };
            let is_member = self.members.values().any(|member| *member == source);
            if is_member && reading.way != Way::With {
                let obstacle = reading.obstacle.as_ref();
                let what = obstacle.map_or("?", |o| o.what.as_str());
                let place = compiled::place(obstacle.and_then(|o| o.span), candidate.text);
                return refuse(format!(
                    "its query is not monotone in {}: {what}{place}",
                    name_of(source)
                ));
            }
            ways.push((source, reading.way));
        }
        Ok(ways)
    }
}

/// Refuses a new query or mode of a stream table if that would close a circle that may not be, or
/// change a member of one to what cannot be.
pub fn admit(
    table: &StreamTable,
    mode: &str,
    text: &str,
    recorded: &[(String, String)],
    reads: &[pg_sys::Oid],
) -> Result<(), LifecycleError> {
    if !Graph::load().may_be_closed_by(table, reads) {
        return Ok(());
    }
    // Two that would close a circle from both sides must see each other.
    stream_table::lock_entry(0);
    let Some(circle) = of(table, reads) else {
        return Ok(());
    };
    circle.may_close(table, reads)?;
    let name = compiled::name_of(table.relid);
    let name = name.ok_or_else(|| LifecycleError::NotAStreamTable(table.name()))?;
    let definition = as_owner(table.owner, recorded, || {
        let analysed = analyse(text)?;
        create::define(mode, text, &analysed, &name, table.pgt_id)
    })?;
    circle.check(&Candidate {
        table,
        mode,
        text,
        settings: recorded,
        reads,
        compiled: parsed(definition.compiled)?,
    })?;
    for &id in circle.members.keys().filter(|id| **id != table.pgt_id) {
        let Some(other) = StreamTable::load(id) else {
            continue;
        };
        let current = defining::current(&other);
        let reads: Vec<pg_sys::Oid> = other.sources.iter().map(|s| s.relid).collect();
        circle.check(&Candidate {
            table: &other,
            mode: &other.refresh_mode,
            text: &current.text,
            settings: &current.settings,
            reads: &reads,
            compiled: compiled::load(&other)?,
        })?;
    }
    if table.circle.is_none() {
        let names: Vec<String> = circle.members.values().map(|m| name_of(*m)).collect();
        notice!(
            "{} {} a circle: where it loses rows, its whole queries are run",
            names.join(", "),
            if names.len() == 1 { "is" } else { "are" }
        );
    }
    Ok(())
}

/// What is compiled anew, if that makes it a member of a circle: refused if it cannot be one, or how
/// it reads its sources.
pub fn readmit(
    table: &StreamTable,
    current: &defining::Current,
    reads: &[pg_sys::Oid],
    definition: &create::Definition,
) -> Result<Ways, LifecycleError> {
    let Some(circle) = of(table, reads) else {
        return Ok(vec![]);
    };
    circle.may_close(table, reads)?;
    circle.check(&Candidate {
        table,
        mode: &table.refresh_mode,
        text: &current.text,
        settings: &current.settings,
        reads,
        compiled: parsed(definition.compiled.clone())?,
    })
}

fn parsed(compiled: Option<serde_json::Value>) -> Result<Option<Compiled>, LifecycleError> {
    let parsed = compiled.map(serde_json::from_value).transpose();
    parsed.map_err(|error| LifecycleError::Compiler(error.to_string()))
}

/// Notes how a stream table reads its sources, and which circles there are now. Run as the system,
/// when what it reads was recorded.
pub fn record(table: &StreamTable, ways: &Ways) {
    if ways.is_empty() && table.circle.is_none() {
        return;
    }
    let (sources, monotone): (Vec<pg_sys::Oid>, Vec<i16>) = ways
        .iter()
        .map(|(source, way)| match way {
            Way::With => (*source, 1),
            Way::Against => (*source, -1),
            Way::Neither => (*source, 0),
        })
        .unzip();
    sql::run(
        "UPDATE pgtrickle.pgt_dependencies d SET monotone = w.monotone FROM ROWS FROM \
         (pg_catalog.unnest($2), pg_catalog.unnest($3)) AS w (source, monotone) WHERE d.pgt_id = $1 \
         AND d.source_relid = w.source",
        &[arg(table.pgt_id), arg(sources), arg(monotone)],
    );
    let circles = Graph::load().dag().circles();
    let of_members = circles.iter().flat_map(|members| {
        let circle = members.iter().copied().min().unwrap_or_default();
        members.iter().map(move |member| (*member, circle))
    });
    let (members, of): (Vec<i64>, Vec<i64>) = of_members.unzip();
    sql::run(
        "UPDATE pgtrickle.pgt_stream_tables s SET circle = n.circle FROM ROWS FROM \
         (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS n (pgt_id, circle) WHERE s.pgt_id = \
         n.pgt_id AND s.circle IS DISTINCT FROM n.circle",
        &[arg(members.clone()), arg(of)],
    );
    // Of one whose members are being restored nobody knows yet what they read.
    sql::run(
        "UPDATE pgtrickle.pgt_stream_tables s SET circle = NULL WHERE s.circle IS NOT NULL AND NOT \
         s.pgt_id = ANY ($1) AND NOT EXISTS (SELECT FROM pgtrickle.pgt_stream_tables m WHERE \
         m.circle = s.circle AND m.home <> pgtrickle._home())",
        &[arg(members)],
    );
    sql::run(
        "DELETE FROM pgtrickle.pgt_circles c WHERE NOT EXISTS (SELECT FROM \
         pgtrickle.pgt_stream_tables s WHERE s.circle = c.circle)",
        &[],
    );
}
