//! Binding: names and types.
//!
//! [`bind`] turns a parse tree into a [`query::Query`] in which every name is resolved, every
//! expression typed, and views, `*` and generated columns are expanded, by PostgreSQL's own rules.
//! What a query contains that cannot be incremental is *reported* and stands in the result as
//! something opaque, so that all of it is named at once; what PostgreSQL would reject ends binding.
//!
//! | file | concept |
//! |---|---|
//! | [`query`] | bound queries; `explain.rs` prints them |
//! | `select.rs`, `grouping.rs`, `order.rs` | SELECT, its grouping, its order |
//! | `from.rs`, `join.rs`, `source.rs` | items of FROM; joins; tables and views |
//! | `rows_from.rs` | functions that make rows, in FROM and in the SELECT list |
//! | `set_operation.rs`, `values.rs`, `cte.rs` | UNION; VALUES; WITH |
//! | `search_cycle.rs` | what SEARCH and CYCLE add to a recursive WITH query |
//! | `scope.rs`, [`context`], `clause.rs` | which names mean what, where |
//! | [`expr`] | expressions |
//! | `sublink.rs` | subqueries in expressions, and their parameters |
//! | `clock.rs` | what conditions ask of time |
//! | `label.rs`, `text.rs` | names of output columns; places in the text |

pub mod aggregates;
mod around;
mod clause;
mod clock;
pub mod context;
mod cte;
mod explain;
pub mod expr;
mod from;
pub(crate) mod grouping;
mod grouping_sets;
mod join;
mod label;
mod order;
pub mod query;
mod rows_from;
mod scope;
pub(crate) mod search_cycle;
mod select;
mod set_operation;
mod source;
mod sublink;
mod text;
mod values;

use crate::typing::{Typing, error};
use context::BindError;
use cte::Env;
use pg_query::NodeEnum;
use pg_query::protobuf::Node;
use query::{Body, Query};
use spec::catalog::{Catalog, TypeKind};
use spec::clock::Clock;
use spec::compiled::{Bindings, Dependency};
use spec::types::oids;
use spec::{Expr, Oid, Reason, ReasonCode, Span};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use text::Text;

/// How deep queries may nest in each other, through views too. (PostgreSQL's stack ends there,
/// too, sooner or later.)
const MAX_DEPTH: usize = 50;

/// What binding found out.
#[derive(Clone, Debug)]
pub struct Bound {
    /// None where the query contains something whose columns could not be inferred, so that
    /// binding came to an end.
    pub query: Option<Query>,
    /// Everything that stands in the way, and what is bounded only.
    pub reasons: Vec<Reason>,
    pub dependencies: BTreeSet<Dependency>,
    pub bindings: Bindings,
    pub clock: Option<Clock>,
}

impl Bound {
    /// Are all output columns known?
    pub fn has_known_columns(&self) -> bool {
        self.query.as_ref().is_some_and(Query::has_known_columns)
    }
}

/// Binds the query in `statement`, which stands in `sql`. The error is the first thing that
/// PostgreSQL would reject, behind the reasons that were found before it.
pub fn bind(sql: &str, statement: &Node, catalog: &Catalog) -> Result<Bound, Vec<Reason>> {
    let unit = Unit::new(catalog, Some(sql), None);
    let mut session = Session::default();
    let bound = bind_top(&unit, &mut session, statement);
    let Session {
        mut reasons,
        dependencies,
        mut bindings,
        lost_columns,
        clock,
        ..
    } = session;
    let query = match bound {
        Ok(query) => Some(query),
        // A consequence of not knowing some columns, most likely; PostgreSQL will tell.
        Err(_) if lost_columns => None,
        Err(BindError(reason)) => {
            reasons.push(*reason);
            return Err(reasons);
        }
    };
    add(&mut bindings, unit.typing.bindings());
    Ok(Bound {
        query: query.filter(|_| !lost_columns),
        reasons,
        dependencies,
        bindings,
        clock: (!clock.is_empty()).then_some(Clock { values: clock }),
    })
}

fn bind_top(unit: &Unit<'_>, session: &mut Session, statement: &Node) -> Result<Query, BindError> {
    let Some(NodeEnum::SelectStmt(select)) = &statement.node else {
        let message = "only a SELECT, VALUES or WITH … SELECT can define a stream table";
        return Err(error(ReasonCode::NotASelect, message, None));
    };
    let env = Env::empty();
    let mut binder = Binder {
        unit,
        session,
        env: &env,
    };
    let query = binder.query(select, None, Unknowns::ToText)?;
    binder.check_table(&query);
    Ok(query)
}

fn add(all: &mut Bindings, more: Bindings) {
    all.functions.extend(more.functions);
    all.operators.extend(more.operators);
    all.aggregates.extend(more.aggregates);
    all.functions.sort_unstable();
    all.operators.sort_unstable();
    all.aggregates.sort_unstable();
}

/// One text that is bound: the query itself, or the definition of a view in it.
struct Unit<'a> {
    catalog: &'a Catalog,
    typing: Typing<'a>,
    text: Text,
    /// Where the text comes from (`view public.v`), if it is not the query's own.
    origin: Option<&'a str>,
}

impl<'a> Unit<'a> {
    fn new(catalog: &'a Catalog, sql: Option<&'a str>, origin: Option<&'a str>) -> Unit<'a> {
        Unit {
            catalog,
            typing: Typing::new(catalog, sql),
            text: Text::new(sql),
            origin,
        }
    }

    fn span(&self, location: i32) -> Option<Span> {
        self.typing.span(location)
    }

    fn error(&self, code: ReasonCode, message: impl Into<String>, location: i32) -> BindError {
        error(code, message, self.span(location))
    }

    /// The relation `schema.name`.
    fn table_named(&self) -> impl Fn(&str, &str) -> Option<Oid> + use<'_, 'a> {
        |schema, name| Some(self.catalog.relation_named(Some(schema), name)?.oid)
    }
}

/// What is gathered over all texts.
#[derive(Default)]
struct Session {
    reasons: Vec<Reason>,
    dependencies: BTreeSet<Dependency>,
    /// Of finished views.
    bindings: Bindings,
    /// Views that were bound; reading one twice is reading the same query twice.
    views: HashMap<Oid, Arc<Query>>,
    /// Views that are being bound.
    open_views: Vec<Oid>,
    depth: usize,
    /// How many recursive WITH queries there are so far.
    recursions: usize,
    /// The subqueries in expressions that are being bound, from the outside in.
    frames: Vec<sublink::Frame>,
    /// For each SELECT that is being bound, from the outside in: the subqueries in its expressions.
    subqueries: Vec<Vec<query::Subquery>>,
    /// The same of set-returning functions.
    sets: Vec<Vec<query::SetCall>>,
    /// The same of calls of window functions.
    windows: Vec<Vec<context::WindowCall>>,
    /// The same of named windows.
    named_windows: Vec<Vec<pg_query::protobuf::WindowDef>>,
    /// A name was taken for a column of something whose columns are not known.
    lost_columns: bool,
    /// What conditions ask of time, each once.
    clock: Vec<Expr>,
}

/// What becomes of a literal in the SELECT list that nothing gave a type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknowns {
    ToText,
    /// A set operation above will decide.
    Keep,
}

/// What becomes of ORDER BY where no LIMIT gives it a meaning.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// The rows of a table have none.
    Dropped,
    /// What is above asks for it.
    Kept,
}

/// Binds queries of one text.
struct Binder<'b> {
    unit: &'b Unit<'b>,
    session: &'b mut Session,
    env: &'b Env<'b>,
}

impl Binder<'_> {
    /// Notes what cannot be incremental; binding goes on.
    fn report(&mut self, code: ReasonCode, message: impl Into<String>, span: Option<Span>) {
        self.session.report(
            self.unit,
            Reason {
                code,
                message: message.into(),
                span,
                hint: None,
            },
        );
    }

    /// A table can have these columns.
    fn check_table(&mut self, query: &Query) {
        let catalog = self.unit.catalog;
        let mut seen = BTreeSet::new();
        for column in &query.columns {
            let name = &column.name;
            let mut refuse = |code, message: String, hint: &str| {
                let reason = Reason {
                    code,
                    message,
                    span: None,
                    hint: Some(hint.into()),
                };
                self.session.report(self.unit, reason);
            };
            if !seen.insert(name) {
                let message = format!("output column \"{name}\" is specified more than once");
                let hint = "Give one of them another name with AS.";
                refuse(ReasonCode::DuplicateColumn, message, hint);
            }
            if scope::is_system_column(name) {
                let message =
                    format!("output column name \"{name}\" conflicts with a system column");
                let hint = "Give it another name with AS.";
                refuse(ReasonCode::Name, message, hint);
            }
            let ty = column.ty.ty;
            if catalog
                .ty(ty.oid)
                .is_some_and(|t| t.kind == TypeKind::Pseudo)
            {
                let type_name = self.unit.typing.type_name(ty.oid);
                let message = format!("output column \"{name}\" has pseudo-type {type_name}");
                let hint = match ty.oid {
                    oids::RECORD_ARRAY => "Leave it out, or cast it to text[] or text.",
                    _ => "Select its fields one by one, or cast it to a type of its own.",
                };
                refuse(ReasonCode::PseudoType, message, hint);
            } else if !ty.collation.is_valid() && catalog.type_collation(ty.oid).is_valid() {
                let message = format!("no collation was derived for output column \"{name}\"");
                let hint = "Use the COLLATE clause to set the collation explicitly.";
                refuse(ReasonCode::Type, message, hint);
            }
        }
        if query.columns.is_empty() && query.has_known_columns() {
            self.report(
                ReasonCode::Unsupported,
                "a query without output columns",
                None,
            );
        }
    }

    /// Something reported, with columns as far as they are known.
    fn opaque(&self, what: &str, columns: Option<Vec<spec::compiled::OutputColumn>>) -> Query {
        Query {
            body: Body::Opaque {
                what: what.into(),
                known: columns.is_some(),
            },
            columns: columns.unwrap_or_default(),
        }
    }
}

impl Session {
    /// Notes a reason once. In a text that is not the query's it has no place, but says where.
    fn report(&mut self, unit: &Unit<'_>, mut reason: Reason) {
        if let Some(origin) = unit.origin {
            reason.span = None;
            reason.message = format!("in {origin}: {}", reason.message);
        }
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }
}
