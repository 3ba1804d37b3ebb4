//! WITH: named queries, bound once and shared by all who read them.
//!
//! A query that reads itself is `seed UNION [ALL] step`, and within `step` its name stands for the
//! rows that were found last. They have the types of the seed; step has to put out the same. With
//! SEARCH or CYCLE it has columns behind those (see `search_cycle.rs`).

use super::context::BindError;
use super::query::{Body, Query, SetOperator};
use super::scope::{Named, Scope};
use super::search_cycle::{Clauses, Layout};
use super::{Binder, Unknowns};
use pg_query::protobuf::{CommonTableExpr, WithClause};
use pg_query::{NodeEnum, NodeRef};
use spec::compiled::OutputColumn;
use spec::types::oids;
use spec::{ColType, Expr, Reason, ReasonCode, SqlType};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::typename::strings;
use crate::typing::error;

/// The named queries that are visible, from the innermost WITH outwards.
pub(super) struct Env<'e> {
    parent: Option<&'e Env<'e>>,
    /// The last of a name is the visible one.
    entries: RefCell<Vec<Rc<Cte>>>,
}

pub(super) struct Cte {
    name: String,
    /// Names of its first columns.
    aliases: Vec<String>,
    /// How many subqueries in expressions lie around it.
    depth: usize,
    /// How many queries do.
    level: usize,
    /// SEARCH and CYCLE.
    clauses: Option<Clauses>,
    state: RefCell<State>,
}

enum State {
    /// It is being bound; whoever reads it now makes it recursive. The columns are those of the
    /// left side of its UNION, once that is bound; the number is given when somebody reads it.
    Open {
        columns: Option<Vec<OutputColumn>>,
        number: Option<usize>,
    },
    /// What is reported in it counts only if somebody reads it.
    Done {
        query: Arc<Query>,
        layout: Option<Layout>,
        reasons: Vec<Reason>,
    },
}

/// What reading a named query yields.
pub(super) enum Read {
    /// The query; if it reads itself, the rows that were found last.
    Query(Arc<Query>, Option<Extra>),
    /// It reads itself, and its columns are not known yet.
    Early,
}

/// Columns that SEARCH and CYCLE add.
pub(super) struct Extra {
    /// How many columns the query has without them. Those behind have no names.
    pub width: usize,
    /// Over the columns of the query.
    pub columns: Vec<Named>,
    /// A column of the query that is never NULL.
    pub present: Option<Expr>,
}

impl<'e> Env<'e> {
    pub(super) fn empty() -> Env<'static> {
        Env {
            parent: None,
            entries: RefCell::default(),
        }
    }

    fn within(parent: &'e Env<'e>) -> Env<'e> {
        Env {
            parent: Some(parent),
            entries: RefCell::default(),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<Rc<Cte>> {
        let entries = self.entries.borrow();
        match entries.iter().rev().find(|c| c.name == name) {
            Some(cte) => Some(cte.clone()),
            None => self.parent?.get(name),
        }
    }
}

impl Cte {
    pub(super) fn read(&self, binder: &mut Binder<'_>) -> Result<Read, BindError> {
        Ok(match &mut *self.state.borrow_mut() {
            State::Open { columns: None, .. } => Read::Early,
            State::Open {
                columns: Some(columns),
                number,
            } => {
                let number = *number.get_or_insert_with(|| {
                    binder.session.recursions += 1;
                    binder.session.recursions
                });
                if self.depth < binder.session.depth_of_subqueries() {
                    let message = format!(
                        "WITH RECURSIVE: \"{}\" reads itself in a subquery",
                        self.name
                    );
                    binder.report(ReasonCode::Recursion, message, None);
                }
                let mut columns = self.renamed(columns.clone());
                let mut extra = None;
                if let Some(clauses) = &self.clauses {
                    match binder.layout(clauses, &columns)? {
                        Some(layout) => {
                            extra = Some(self.extra(&layout, binder));
                            columns = layout.columns(columns);
                        }
                        None => {
                            let query = binder.opaque("SEARCH or CYCLE", None);
                            return Ok(Read::Query(Arc::new(query), None));
                        }
                    }
                }
                let query = Query {
                    columns,
                    body: Body::Working { number },
                };
                Read::Query(Arc::new(query), extra)
            }
            State::Done {
                query,
                layout,
                reasons,
            } => {
                let session = &mut binder.session.reasons;
                for reason in reasons.drain(..) {
                    if !session.contains(&reason) {
                        session.push(reason);
                    }
                }
                // Its parameters are not those of the subquery that reads it.
                if self.depth < binder.session.depth_of_subqueries() && query.is_correlated() {
                    let message = format!(
                        "WITH query \"{}\" depends on a query around it, and is read in a subquery",
                        self.name
                    );
                    binder.report(ReasonCode::Subquery, message, None);
                }
                let extra = layout.as_ref().map(|l| self.extra(l, binder));
                Read::Query(query.clone(), extra)
            }
        })
    }

    fn renamed(&self, mut columns: Vec<OutputColumn>) -> Vec<OutputColumn> {
        for (column, alias) in columns.iter_mut().zip(&self.aliases) {
            column.name.clone_from(alias);
        }
        columns
    }

    /// As PostgreSQL has it, `*` leaves them out in queries within the one that has the WITH.
    fn extra(&self, layout: &Layout, binder: &Binder<'_>) -> Extra {
        let within = binder.session.depth > self.level;
        let column = |c: &Named| Named {
            apart: within,
            ..c.clone()
        };
        Extra {
            width: layout.width(),
            columns: layout.shown.iter().map(column).collect(),
            present: layout.present(),
        }
    }
}

impl Binder<'_> {
    /// Runs `f` where the queries of `with` are visible.
    pub(super) fn with<R>(
        &mut self,
        with: Option<&WithClause>,
        parent: Option<&Scope<'_>>,
        f: impl FnOnce(&mut Binder<'_>) -> Result<R, BindError>,
    ) -> Result<R, BindError> {
        let Some(with) = with else { return f(self) };
        let env = Env::within(self.env);
        let mut inner = Binder {
            unit: self.unit,
            session: self.session,
            env: &env,
        };
        for cte in in_order(with) {
            inner.cte(cte, with.recursive, parent, &env)?;
        }
        f(&mut inner)
    }

    /// The left side of the UNION that is being bound has these columns.
    pub(super) fn note_columns(&mut self, columns: &[OutputColumn]) {
        let level = self.session.depth;
        // Perhaps with a WITH of its own. Not of a UNION within the query.
        let mut env = Some(self.env);
        let open = loop {
            let Some(here) = env else { return };
            match here.entries.borrow().last() {
                Some(last) if last.level + 1 == level => break last.clone(),
                _ => env = here.parent,
            }
        };
        if let State::Open { columns: known, .. } = &mut *open.state.borrow_mut() {
            let column = |c: &OutputColumn| OutputColumn {
                name: c.name.clone(),
                ty: ColType {
                    ty: match c.ty.ty.oid {
                        oids::UNKNOWN => self.unit.catalog.sql_type(oids::TEXT, -1),
                        _ => c.ty.ty,
                    },
                    // Steps may find NULLs where there were none.
                    nullable: true,
                },
            };
            *known = Some(columns.iter().map(column).collect());
        }
    }

    fn cte(
        &mut self,
        cte: &CommonTableExpr,
        recursive: bool,
        parent: Option<&Scope<'_>>,
        env: &Env<'_>,
    ) -> Result<(), BindError> {
        let name = &cte.ctename;
        if env.entries.borrow().iter().any(|c| c.name == *name) {
            let message = format!("WITH query name \"{name}\" specified more than once");
            return Err(self.unit.error(ReasonCode::Name, message, cte.location));
        }
        let clauses = self.search_and_cycle(cte)?;
        let entry = Rc::new(Cte {
            clauses,
            name: name.clone(),
            aliases: strings(&cte.aliascolnames),
            depth: self.session.depth_of_subqueries(),
            level: self.session.depth,
            state: RefCell::new(State::Open {
                columns: None,
                number: None,
            }),
        });
        if recursive {
            env.entries.borrow_mut().push(entry.clone());
        }
        let Some(NodeEnum::SelectStmt(select)) =
            cte.ctequery.as_ref().and_then(|q| q.node.as_ref())
        else {
            // It would run whether or not it is read.
            let span = self.unit.span(cte.location);
            let message = format!("WITH query \"{name}\" modifies data");
            self.report(ReasonCode::SideEffect, message, span);
            let query = Arc::new(self.opaque("modifies data", None));
            *entry.state.borrow_mut() = State::Done {
                query,
                layout: None,
                reasons: vec![],
            };
            if !recursive {
                env.entries.borrow_mut().push(entry);
            }
            return Ok(());
        };
        let before = std::mem::take(&mut self.session.reasons);
        let query = self.query(select, parent, Unknowns::ToText);
        let reasons = std::mem::replace(&mut self.session.reasons, before);
        let mut query = match query {
            Ok(query) => query,
            Err(e) => {
                self.session.reasons.extend(reasons);
                return Err(e);
            }
        };
        if query.has_known_columns() && entry.aliases.len() > query.columns.len() {
            let message = format!(
                "WITH query \"{name}\" has {} columns available but {} columns specified",
                query.columns.len(),
                entry.aliases.len()
            );
            return Err(self.unit.error(ReasonCode::Name, message, cte.location));
        }
        query.columns = entry.renamed(query.columns);
        let found = match &*entry.state.borrow() {
            State::Open {
                columns: Some(columns),
                number: Some(number),
            } => Some((columns.clone(), *number)),
            _ => None,
        };
        let mut layout = None;
        match (found, &entry.clauses) {
            (Some((columns, number)), None) => {
                query = self.recursive(query, number, &columns, cte)?;
            }
            (Some((columns, number)), Some(clauses)) => {
                query = self.recursive(query, number, &columns, cte)?;
                (query, layout) = self.searched(query, clauses, cte)?;
            }
            (None, Some(_)) if query.has_known_columns() && reasons.is_empty() => {
                let message = "WITH query is not recursive";
                return Err(self.unit.error(ReasonCode::Name, message, cte.location));
            }
            (None, Some(_)) => query = self.opaque("SEARCH or CYCLE", None),
            (None, None) => {}
        }
        let query = Arc::new(query);
        *entry.state.borrow_mut() = State::Done {
            query,
            layout,
            reasons,
        };
        if !recursive {
            env.entries.borrow_mut().push(entry);
        }
        Ok(())
    }

    /// A recursion with what SEARCH and CYCLE ask of it.
    fn searched(
        &mut self,
        query: Query,
        clauses: &Clauses,
        cte: &CommonTableExpr,
    ) -> Result<(Query, Option<Layout>), BindError> {
        let Query { columns, body } = query;
        if let Body::Recursive {
            number,
            distinct,
            seed,
            step,
            span,
        } = body
            && let Some(layout) = self.layout(clauses, &columns)?
            && let Some([seed, step]) = self.keeping(&layout, number, cte, [seed, step])?
        {
            let query = Query {
                columns: layout.columns(columns),
                body: Body::Recursive {
                    number,
                    distinct,
                    seed,
                    step,
                    span,
                },
            };
            return Ok((query, Some(layout)));
        }
        Ok((self.opaque("SEARCH or CYCLE", None), None))
    }

    /// `seed UNION step`, where step reads the rows that were found last.
    fn recursive(
        &mut self,
        query: Query,
        number: usize,
        columns: &[OutputColumn],
        cte: &CommonTableExpr,
    ) -> Result<Query, BindError> {
        let name = &cte.ctename;
        let span = self.unit.span(cte.location);
        let Query { columns: out, body } = query;
        let Body::SetOperation {
            operator: SetOperator::Union,
            all,
            branches: [seed, step],
        } = body
        else {
            if !matches!(body, Body::Opaque { .. }) {
                let message = format!(
                    "WITH RECURSIVE: \"{name}\" is not of the form … UNION [ALL] …, without ORDER BY \
                     and LIMIT of its own"
                );
                self.report(ReasonCode::Recursion, message, span);
            }
            return Ok(self.opaque("recursion of another form", Some(out)));
        };
        for (i, (first, all)) in columns.iter().zip(&out).enumerate() {
            let (first, all) = (first.ty.ty, all.ty.ty);
            if first == all {
                continue;
            }
            let unit = self.unit;
            let collation = |ty: SqlType| match unit.catalog.collation(ty.collation) {
                Some(collation) => format!("\"{}\"", collation.name),
                None => ty.collation.to_string(),
            };
            let (what, first, all, cure) = match (first.oid, first.typmod) == (all.oid, all.typmod)
            {
                true => (
                    "collation",
                    collation(first),
                    collation(all),
                    "Use the COLLATE clause to set the collation of the non-recursive term.",
                ),
                false => (
                    "type",
                    unit.typing.full_type_name(first),
                    unit.typing.full_type_name(all),
                    "Cast the output of the non-recursive term to the correct type.",
                ),
            };
            let message = format!(
                "recursive query \"{name}\" column {} has {what} {first} in non-recursive term but {what} {all} overall",
                i + 1
            );
            let mut error = error(ReasonCode::Type, message, span);
            error.0.hint = Some(cure.into());
            return Err(error);
        }
        Ok(Query {
            columns: out,
            body: Body::Recursive {
                number,
                distinct: !all,
                seed,
                step,
                span,
            },
        })
    }
}

/// The queries of a WITH, each behind those that it reads: under RECURSIVE a name may be used before
/// it is declared.
fn in_order(with: &WithClause) -> Vec<&CommonTableExpr> {
    let mut waiting: Vec<&CommonTableExpr> = vec![];
    for cte in &with.ctes {
        if let Some(NodeEnum::CommonTableExpr(cte)) = &cte.node {
            waiting.push(cte);
        }
    }
    if !with.recursive {
        return waiting;
    }
    let reads = |cte: &CommonTableExpr| -> Vec<String> {
        let query = cte.ctequery.as_ref().and_then(|q| q.node.as_ref());
        let nodes = query.map_or_else(Vec::new, NodeEnum::nodes);
        let names = nodes.into_iter().filter_map(|(node, ..)| match node {
            NodeRef::RangeVar(r) if r.schemaname.is_empty() => Some(r.relname.clone()),
            _ => None,
        });
        names.filter(|name| *name != cte.ctename).collect()
    };
    let mut waiting: Vec<(&CommonTableExpr, Vec<String>)> =
        waiting.into_iter().map(|cte| (cte, reads(cte))).collect();
    let mut out = vec![];
    while !waiting.is_empty() {
        let ready = |(_, reads): &(&CommonTableExpr, Vec<String>)| {
            !waiting
                .iter()
                .any(|(other, _)| reads.contains(&other.ctename))
        };
        // Queries that read each other are an error of PostgreSQL's.
        let next = waiting.iter().position(ready).unwrap_or(0);
        out.push(waiting.remove(next).0);
    }
    out
}
