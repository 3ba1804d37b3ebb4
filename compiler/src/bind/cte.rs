//! WITH: named queries, bound once and shared by all who read them.

use super::context::BindError;
use super::query::Query;
use super::scope::Scope;
use super::{Binder, Unknowns};
use pg_query::NodeEnum;
use pg_query::protobuf::{CommonTableExpr, WithClause};
use spec::compiled::OutputColumn;
use spec::{Reason, ReasonCode};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::typename::strings;

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
    state: RefCell<State>,
}

enum State {
    /// It is being bound; whoever reads it now makes it recursive. The columns are those of the
    /// left side of its UNION, once that is bound.
    Open { columns: Option<Vec<OutputColumn>> },
    /// What is reported in it counts only if somebody reads it.
    Done {
        query: Arc<Query>,
        reasons: Vec<Reason>,
    },
}

/// What reading a named query yields.
pub(super) enum Read {
    Query(Arc<Query>),
    /// It reads itself; its columns, if they are known.
    Recursive(Option<Vec<OutputColumn>>),
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

    /// The left side of the UNION of the query that is being bound has these columns.
    pub(super) fn note_columns(&self, columns: &[OutputColumn]) {
        let entries = self.entries.borrow();
        let Some(last) = entries.last() else {
            return;
        };
        if let State::Open { columns: known } = &mut *last.state.borrow_mut()
            && known.is_none()
        {
            *known = Some(columns.to_vec());
        }
    }
}

impl Cte {
    pub(super) fn read(&self, binder: &mut Binder<'_>) -> Read {
        match &mut *self.state.borrow_mut() {
            State::Open { columns } => {
                let mut columns = columns.clone();
                for (column, alias) in columns.iter_mut().flatten().zip(&self.aliases) {
                    column.name.clone_from(alias);
                }
                Read::Recursive(columns)
            }
            State::Done { query, reasons } => {
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
                Read::Query(query.clone())
            }
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
        for cte in &with.ctes {
            if let Some(NodeEnum::CommonTableExpr(cte)) = &cte.node {
                inner.cte(cte, with.recursive, parent, &env)?;
            }
        }
        f(&mut inner)
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
        let entry = Rc::new(Cte {
            name: name.clone(),
            aliases: strings(&cte.aliascolnames),
            depth: self.session.depth_of_subqueries(),
            state: RefCell::new(State::Open { columns: None }),
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
            let reasons = vec![];
            *entry.state.borrow_mut() = State::Done { query, reasons };
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
        for (column, alias) in query.columns.iter_mut().zip(&entry.aliases) {
            column.name.clone_from(alias);
        }
        let query = Arc::new(query);
        *entry.state.borrow_mut() = State::Done { query, reasons };
        if !recursive {
            env.entries.borrow_mut().push(entry);
        }
        Ok(())
    }
}
