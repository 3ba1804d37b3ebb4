//! What the members of a circle may have lost when rows have left their sources: what these had a part
//! in, and what that had a part in, and so on.
//!
//! ```text
//! D₀ = doubt of the rows that are gone from the sources       Dₙ₊₁ = Dₙ ∪ doubt of Dₙ
//! ```
//!
//! What is left without D is derived in all the ways that it was derived in before, from what is left
//! as well. So it lies below the new least fixed point, and below what the queries make of it: the fixed
//! point can be computed from there. And where nothing is in doubt, what has left has taken nothing
//! along.

use super::circle::{Changes, Content, changes, live_columns};
use super::execute::Execution;
use super::identity::{as_owner, as_system};
use super::rebuild::columns_of;
use super::relation::Delta;
use super::{RefreshError, name_of};
use crate::catalog::StreamTable;
use crate::compiled::{self, Doubts, Leaf};
use crate::frontier::Epoch;
use crate::sql;
use spec::program::RelColumn;
use spec::types::Oid;
use std::collections::{BTreeMap, BTreeSet};

/// Rows that are gone, or in doubt.
type Rows = Delta;

/// A member.
struct Member<'t> {
    table: &'t StreamTable,
    /// `c0`, `c1`, …
    columns: Vec<RelColumn>,
    /// By the sources that are no members.
    gone: BTreeMap<Oid, Rows>,
    known: Rows,
    /// Those of them that were found last.
    fresh: Rows,
    /// What the rows in doubt of other members had a part in, once it was asked for.
    follow: Option<Doubts>,
}

/// What is left of the members without what is in doubt.
pub enum Left {
    All,
    Some(Vec<Content>),
    /// What is in doubt cannot be told.
    Unclear,
}

/// What is left of the members of a circle, by the rows that have left other sources that they are
/// monotone in. Nothing else may have left anything.
pub fn left(tables: &[StreamTable], epoch: &Epoch, most: u32) -> Result<Left, RefreshError> {
    let members: BTreeSet<Oid> = tables.iter().map(oid_of).collect();
    let mut all = vec![];
    for table in tables {
        let columns = numbered(&live_columns(table.relid));
        let Some(gone) = gone(table, epoch, &members)? else {
            return Ok(Left::Unclear);
        };
        let empty = |name: &str| Delta::of_columns(name, &columns.iter().collect::<Vec<_>>());
        all.push(Member {
            table,
            gone,
            known: empty(&format!("pgt_known_{}", table.pgt_id)),
            fresh: empty(&fresh_name(table)),
            columns: columns.clone(),
            follow: None,
        });
    }
    let found = search(&mut all, epoch, &members, most)?;
    let left = match found {
        false => Left::Unclear,
        true if all.iter().all(|m| m.known.is_empty()) => Left::All,
        true => Left::Some(all.iter().map(|m| m.left(epoch)).collect()),
    };
    for member in all {
        member.known.end();
        member.fresh.end();
        member.gone.into_values().for_each(Delta::end);
    }
    Ok(left)
}

/// False if it cannot be told.
fn search(
    all: &mut [Member<'_>],
    epoch: &Epoch,
    members: &BTreeSet<Oid>,
    most: u32,
) -> Result<bool, RefreshError> {
    for member in all.iter_mut() {
        let lost = member.gone.keys().copied().collect();
        match member.doubts(&lost, members)? {
            Doubts::Unclear => return Ok(false),
            Doubts::Nothing => {}
            Doubts::Of(query) => {
                let fresh = member.ask(&query, &[], epoch);
                member.found(fresh);
            }
        }
    }
    for _ in 0..most {
        let fresh: BTreeSet<Oid> = all
            .iter()
            .filter(|m| !m.fresh.is_empty())
            .map(|m| oid_of(m.table))
            .collect();
        if fresh.is_empty() {
            return Ok(true);
        }
        let mut next = vec![];
        for at in 0..all.len() {
            let reads = all[at].table.sources.iter();
            let reads: Vec<usize> = reads
                .filter(|s| fresh.contains(&Oid(s.relid.to_u32())))
                .filter_map(|s| all.iter().position(|m| m.table.relid == s.relid))
                .collect();
            if reads.is_empty() {
                next.push(None);
                continue;
            }
            if all[at].follow.is_none() {
                all[at].follow = Some(all[at].doubts(members, members)?);
            }
            next.push(match &all[at].follow {
                Some(Doubts::Of(query)) => {
                    // All that it reads have a relation; most are empty.
                    let known: Vec<&Rows> = all.iter().map(|m| &m.fresh).collect();
                    Some(all[at].ask(query, &known, epoch))
                }
                Some(Doubts::Nothing) => None,
                Some(Doubts::Unclear) | None => return Ok(false),
            });
        }
        for (member, fresh) in all.iter_mut().zip(next) {
            let fresh = fresh.unwrap_or_else(|| {
                let columns: Vec<&RelColumn> = member.columns.iter().collect();
                Delta::of_columns(&fresh_name(member.table), &columns)
            });
            member.found(fresh);
        }
    }
    Ok(false)
}

fn oid_of(table: &StreamTable) -> Oid {
    Oid(table.relid.to_u32())
}

fn fresh_name(table: &StreamTable) -> String {
    format!("pgt_doubt_{}", table.pgt_id)
}

fn gone_name(source: Oid) -> String {
    format!("pgt_gone_{}", source.0)
}

/// The same types, under names that follow from their places.
fn numbered(columns: &[RelColumn]) -> Vec<RelColumn> {
    let column = |(i, c): (usize, &RelColumn)| RelColumn {
        name: format!("c{i}"),
        ty: c.ty,
    };
    columns.iter().enumerate().map(column).collect()
}

fn names(columns: &[RelColumn]) -> Vec<String> {
    columns.iter().map(|c| c.name.clone()).collect()
}

/// The rows that are gone, all in all, from each source that is no member; none of a source of which
/// no column is known.
fn gone(
    table: &StreamTable,
    epoch: &Epoch,
    members: &BTreeSet<Oid>,
) -> Result<Option<BTreeMap<Oid, Rows>>, RefreshError> {
    let mut all = BTreeMap::new();
    let Some(frontier) = &table.frontier else {
        return Ok(None);
    };
    for source in table
        .sources
        .iter()
        .filter(|s| s.captured && s.monotone == 1)
    {
        let oid = Oid(source.relid.to_u32());
        let Some(buffer) = source.buffer.filter(|_| !members.contains(&oid)) else {
            continue;
        };
        let Changes { columns, rows, .. } = changes(source, buffer, epoch, frontier)?;
        let found = Delta::of_columns(&gone_name(oid), &columns.iter().collect::<Vec<_>>());
        let list = names(&columns);
        as_system(|| {
            sql::connect(|connection| {
                rows.register(connection);
                let execution = Execution::new(connection, epoch);
                let query = format!(
                    "SELECT {} FROM pgt_change GROUP BY pgtrickle.row_image(ROW({})) HAVING \
                     pg_catalog.sum(w) < 0",
                    any_of(&list),
                    list.join(", ")
                );
                execution.read(&found, &query);
                execution.end();
            });
        });
        rows.end();
        match (found.is_empty(), columns.is_empty()) {
            (true, _) => found.end(),
            (false, true) => return Ok(None),
            (false, false) => drop(all.insert(oid, found)),
        }
    }
    Ok(Some(all))
}

fn any_of(columns: &[String]) -> String {
    let each = columns.iter();
    let each: Vec<String> = each
        .map(|c| format!("pg_catalog.any_value({c}) AS {c}"))
        .collect();
    each.join(", ")
}

impl Member<'_> {
    /// What rows gone from these had a part in.
    fn doubts(
        &self,
        from: &BTreeSet<Oid>,
        members: &BTreeSet<Oid>,
    ) -> Result<Doubts, RefreshError> {
        let lost = self.gone.keys().copied().collect();
        let sources = &self.table.sources;
        let leaf = |oid: Oid| {
            let source = sources.iter().find(|s| s.relid.to_u32() == oid.0)?;
            Some(match members.contains(&oid) {
                true => Leaf {
                    name: format!(
                        "pgt_doubt_{}",
                        crate::catalog::stream_table::of_relation(source.relid)?
                    ),
                    attnums: None,
                },
                false => Leaf {
                    name: gone_name(oid),
                    attnums: Some(source.columns.clone()),
                },
            })
        };
        compiled::doubts(self.table, &lost, from, &leaf)
    }

    /// The rows that a query finds, each once, and without those that are known.
    fn ask(&self, query: &str, fresh: &[&Rows], epoch: &Epoch) -> Rows {
        let columns: Vec<&RelColumn> = self.columns.iter().collect();
        let found = Delta::of_columns("pgt_found", &columns);
        as_owner(self.table.owner, self.table.safe_settings(), || {
            sql::connect(|connection| {
                self.gone
                    .values()
                    .for_each(|rows| rows.register(connection));
                fresh.iter().for_each(|rows| rows.register(connection));
                let execution = Execution::new(connection, epoch);
                execution.read(&found, query);
                execution.end();
            });
        });
        let new = Delta::of_columns("pgt_next", &columns);
        let list = names(&self.columns);
        as_system(|| {
            sql::connect(|connection| {
                found.register(connection);
                self.known.register(connection);
                let execution = Execution::new(connection, epoch);
                let query = format!(
                    "SELECT {list} FROM (SELECT pgtrickle.row_image(ROW({list})) AS image, {any} FROM \
                     pgt_found GROUP BY 1) AS f WHERE NOT EXISTS ({known} WHERE k.image = f.image)",
                    list = list.join(", "),
                    any = any_of(&list),
                    known = self.images(),
                );
                execution.read(&new, &query);
                execution.end();
            });
        });
        found.end();
        new.renamed(&fresh_name(self.table))
    }

    /// `SELECT … FROM k`: the images of all rows in doubt.
    fn images(&self) -> String {
        format!(
            "SELECT FROM (SELECT pgtrickle.row_image(ROW({})) AS image FROM {}) AS k",
            names(&self.columns).join(", "),
            self.known.name
        )
    }

    fn found(&mut self, fresh: Rows) {
        let width = self.columns.len();
        fresh.for_each(|slot| {
            // SAFETY: the same columns.
            unsafe {
                let values = std::slice::from_raw_parts((*slot).tts_values, width);
                let nulls = std::slice::from_raw_parts((*slot).tts_isnull, width);
                self.known.put(values, nulls);
            }
        });
        std::mem::replace(&mut self.fresh, fresh).end();
    }

    /// Its rows that are not in doubt.
    fn left(&self, epoch: &Epoch) -> Content {
        let content = Content::empty(self.table);
        let columns: Vec<String> = columns_of(self.table.relid)
            .iter()
            .map(|c| format!("t.{c}"))
            .collect();
        let list = columns.join(", ");
        as_owner(self.table.owner, self.table.safe_settings(), || {
            sql::connect(|connection| {
                self.known.register(connection);
                let execution = Execution::new(connection, epoch);
                let query = format!(
                    "SELECT {list} FROM {} AS t WHERE NOT EXISTS ({} WHERE k.image = \
                     pgtrickle.row_image(ROW({list})))",
                    name_of(self.table.relid),
                    self.images()
                );
                execution.read(&content.rows, &query);
                execution.end();
            });
        });
        content
    }
}
