//! What reads what: stream tables, the tables and views that they read, and what the views read.
//!
//! A tree for psql, which shows what is read more than once in full only the first time, and
//! drawings. Where a view reads a table for a stream table, the way through the view is what is shown.

use crate::lifecycle::{LifecycleError, or_report};
use crate::refresh::identity::as_system;
use crate::sql;
use codegen::drawing::{Drawing, Node, Tone};
use pgrx::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// One relation.
struct Relation {
    oid: u32,
    name: String,
    /// As in `pg_class.relkind`.
    kind: char,
    /// Of a stream table.
    status: Option<String>,
    refresh_mode: Option<String>,
    needs_reinit: bool,
    /// What it reads, by name.
    reads: Vec<usize>,
}

impl Relation {
    fn is_stream_table(&self) -> bool {
        self.status.is_some()
    }

    fn node_type(&self) -> &'static str {
        match self.kind {
            _ if self.is_stream_table() => "stream_table",
            'v' => "view",
            'm' => "materialized_view",
            'f' => "foreign_table",
            _ => "source_table",
        }
    }
}

/// In the order of their names.
struct Graph(Vec<Relation>);

impl Graph {
    fn load() -> Graph {
        let (mut relations, edges) = as_system(|| sql::connect(|c| (relations(c), edges(c))));
        let place: BTreeMap<u32, usize> = relations.iter().map(|r| r.oid).zip(0..).collect();
        for (reader, source) in edges {
            if let (Some(&reader), Some(&source)) = (place.get(&reader), place.get(&source)) {
                relations[reader].reads.push(source);
            }
        }
        let mut graph = Graph(relations);
        graph.leave_to_views();
        graph
    }

    /// Takes away what a stream table reads through a view of it.
    fn leave_to_views(&mut self) {
        let relations = &self.0;
        let through_views: Vec<BTreeSet<usize>> = relations
            .iter()
            .map(|relation| {
                let mut seen = BTreeSet::new();
                let is_view = |at: &usize| relations[*at].kind == 'v';
                let mut open: Vec<usize> = relation.reads.iter().copied().filter(is_view).collect();
                while let Some(view) = open.pop() {
                    for &read in &relations[view].reads {
                        if seen.insert(read) && is_view(&read) {
                            open.push(read);
                        }
                    }
                }
                seen
            })
            .collect();
        for (relation, through) in self.0.iter_mut().zip(through_views) {
            relation.reads.retain(|read| !through.contains(read));
            relation.reads.sort_unstable();
            relation.reads.dedup();
        }
    }

    /// The places of all, each after what it reads, but where they read each other.
    fn in_order(&self) -> Vec<usize> {
        let mut order = vec![];
        let mut seen = BTreeSet::new();
        for at in 0..self.0.len() {
            self.visit(at, &mut seen, &mut order);
        }
        order
    }

    fn visit(&self, from: usize, seen: &mut BTreeSet<usize>, order: &mut Vec<usize>) {
        // Chains can be long: no recursion.
        let mut path = vec![];
        if seen.insert(from) {
            path.push((from, 0));
        }
        while let Some((at, next)) = path.last_mut() {
            match self.0[*at].reads.get(*next) {
                Some(&read) => {
                    *next += 1;
                    if seen.insert(read) {
                        path.push((read, 0));
                    }
                }
                None => {
                    order.push(*at);
                    path.pop();
                }
            }
        }
    }

    /// Stream tables that no other reads, and of each cycle that nobody else reads, one.
    fn roots(&self) -> Vec<usize> {
        let read: BTreeSet<usize> = (self.0.iter().enumerate())
            .flat_map(|(at, r)| r.reads.iter().copied().filter(move |read| *read != at))
            .collect();
        let (mut seen, mut order) = (BTreeSet::new(), vec![]);
        let mut roots = vec![];
        let stream_tables = || (0..self.0.len()).filter(|&at| self.0[at].is_stream_table());
        let unread = stream_tables().filter(|at| !read.contains(at));
        for at in unread.chain(stream_tables()) {
            if !seen.contains(&at) {
                roots.push(at);
                self.visit(at, &mut seen, &mut order);
            }
        }
        roots
    }

    fn lines(&self) -> Vec<Line> {
        let mut lines = vec![];
        let mut shown = BTreeSet::new();
        for root in self.roots() {
            // What is still to be shown: the node, its line's beginning, that of the lines below.
            let mut open = vec![(root, String::new(), String::new(), 0)];
            while let Some((at, own, below, depth)) = open.pop() {
                let relation = &self.0[at];
                let again = !relation.reads.is_empty() && !shown.insert(at);
                let note = match relation.kind {
                    _ if again => " [see above]",
                    _ if relation.is_stream_table() => "",
                    'v' => " [view]",
                    _ => " [src]",
                };
                lines.push(Line {
                    text: format!("{own}{}{note}", relation.name),
                    at,
                    depth,
                });
                if again {
                    continue;
                }
                for (i, &read) in relation.reads.iter().enumerate().rev() {
                    let (branch, stem) = match i + 1 == relation.reads.len() {
                        true => ("`-- ", "    "),
                        false => ("|-- ", "|   "),
                    };
                    let own = format!("{below}{branch}");
                    open.push((read, own, format!("{below}{stem}"), depth + 1));
                }
            }
        }
        lines
    }

    fn drawing(&self) -> Drawing {
        let order = self.in_order();
        let place: BTreeMap<usize, usize> = order.iter().copied().zip(0..).collect();
        let nodes = order.iter().map(|&at| {
            let relation = &self.0[at];
            let kind = relation.node_type().replace('_', " ");
            let (detail, tone) = match (&relation.refresh_mode, relation.status.as_deref()) {
                (Some(mode), Some(status)) => {
                    let reinit = match relation.needs_reinit {
                        true => ", to be rebuilt",
                        false => "",
                    };
                    let tone = match status {
                        "ACTIVE" if !relation.needs_reinit => Tone::Good,
                        "SUSPENDED" | "ERROR" => Tone::Bad,
                        _ => Tone::Idle,
                    };
                    (format!("{mode}, {status}{reinit}"), tone)
                }
                _ => (kind, Tone::Plain),
            };
            Node {
                id: format!("n{}", place[&at]),
                title: relation.name.clone(),
                detail,
                tone,
                is_stored: relation.kind != 'v',
                target: None,
                inputs: relation.reads.iter().map(|read| place[read]).collect(),
            }
        });
        Drawing {
            name: "stream_tables",
            nodes: nodes.collect(),
        }
    }
}

struct Line {
    text: String,
    at: usize,
    depth: i32,
}

fn relations(c: &sql::Connection) -> Vec<Relation> {
    c.run(
        "SELECT c.oid::pg_catalog.int8, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, \
         c.relkind::pg_catalog.text, s.status, s.refresh_mode, \
         coalesce(s.needs_reinit OR s.home <> pgtrickle._home(), false) \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pgtrickle.pgt_stream_tables s ON s.pgt_relid = c.oid \
         WHERE s.pgt_id IS NOT NULL OR c.oid IN (SELECT source_relid FROM \
         pgtrickle.pgt_dependencies) ORDER BY n.nspname, c.relname",
        &[],
    )
    .iter()
    .filter_map(|row| {
        Some(Relation {
            oid: row.get::<i64>(1)? as u32,
            name: row.get(2)?,
            kind: row.get::<String>(3)?.chars().next()?,
            status: row.get(4),
            refresh_mode: row.get(5),
            needs_reinit: row.get(6)?,
            reads: vec![],
        })
    })
    .collect()
}

/// Who reads what: as recorded, and what views read according to their rules.
fn edges(c: &sql::Connection) -> Vec<(u32, u32)> {
    c.run(
        "SELECT s.pgt_relid::pg_catalog.oid::pg_catalog.int8, d.source_relid::pg_catalog.int8 \
         FROM pgtrickle.pgt_dependencies d JOIN pgtrickle.pgt_stream_tables s USING (pgt_id) \
         UNION SELECT r.ev_class::pg_catalog.int8, d.refobjid::pg_catalog.int8 \
         FROM pg_catalog.pg_rewrite r \
         JOIN pg_catalog.pg_class v ON v.oid = r.ev_class AND v.relkind = 'v' \
         JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass \
         AND d.objid = r.oid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
         AND d.refobjid <> r.ev_class \
         WHERE r.ev_class IN (SELECT source_relid FROM pgtrickle.pgt_dependencies)",
        &[],
    )
    .iter()
    .filter_map(|row| Some((row.get::<i64>(1)? as u32, row.get::<i64>(2)? as u32)))
    .collect()
}

/// Stream tables that no other reads, and below each what it reads.
#[pg_extern(stable, parallel_unsafe)]
#[allow(clippy::type_complexity)]
fn dependency_tree() -> TableIterator<
    'static,
    (
        name!(tree_line, String),
        name!(node, String),
        name!(node_type, &'static str),
        name!(depth, i32),
        name!(status, Option<String>),
        name!(refresh_mode, Option<String>),
    ),
> {
    let graph = Graph::load();
    let lines = graph.lines().into_iter().map(|line| {
        let relation = &graph.0[line.at];
        (
            line.text,
            relation.name.clone(),
            relation.node_type(),
            line.depth,
            relation.status.clone(),
            relation.refresh_mode.clone(),
        )
    });
    TableIterator::new(lines.collect::<Vec<_>>())
}

/// The same as a drawing.
#[pg_extern(stable, parallel_unsafe, strict)]
fn dependency_graph(format: default!(&str, "'dot'")) -> String {
    let drawing = Graph::load().drawing();
    or_report::<_, LifecycleError>(match format.to_lowercase().as_str() {
        "dot" => Ok(drawing.dot()),
        "svg" => Ok(drawing.svg()),
        "mermaid" => Ok(drawing.mermaid()),
        _ => Err(LifecycleError::Invalid {
            argument: "format",
            value: format.to_owned(),
            hint: "It is dot, svg or mermaid.",
        }),
    })
}
