//! Time in conditions.
//!
//! `now()` and its kin are STABLE, so that nothing incremental can hold them; but what a WHERE, ON
//! or HAVING asks of time is one value for all rows. Each largest part of a condition that reads
//! nothing but time becomes a column of the clock (see [`spec::clock`]), and stands in the condition
//! as the value of a subquery that selects it:
//!
//! ```text
//! ts > now() - interval '1 hour'      ts > (SELECT time_1 FROM clock)
//! ```
//!
//! Such a part may also depend on the settings that a stream table keeps, TimeZone above all.

use super::clause::Clause;
use super::query::{Body, From, Query, Reads, Select, Subquery, SubqueryKind, Table};
use crate::expr_facts::{max_volatility, own_volatility};
use spec::catalog::{Catalog, FIRST_UNPINNED, Volatility};
use spec::clock::{CLOCK, Clock};
use spec::compiled::OutputColumn;
use spec::expr::{ExprKind, SessionValue};
use spec::types::{Oid, oids};
use spec::{ColType, Expr, Span};
use std::sync::Arc;

/// `now()` and `transaction_timestamp()`.
const NOW: [Oid; 2] = [Oid(1299), Oid(2647)];

/// What the time is called in reasons.
const NAMES: [&str; 7] = [
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
    "function now()",
    "function transaction_timestamp()",
];

/// What values of STABLE functions may be made of here: such a function only asks for settings.
const OF_TIME: [Oid; 15] = [
    oids::DATE,
    oids::TIME,
    oids::TIMETZ,
    oids::TIMESTAMP,
    oids::TIMESTAMPTZ,
    oids::INTERVAL,
    oids::BOOL,
    oids::INT2,
    oids::INT4,
    oids::INT8,
    oids::FLOAT4,
    oids::FLOAT8,
    oids::NUMERIC,
    oids::TEXT,
    oids::UNKNOWN,
];

impl Clause<'_> {
    /// The condition with columns of the clock in place of what it asks of time, where nothing else
    /// in it is STABLE. Otherwise that is reported, and it stays as it is.
    pub(super) fn timed(&mut self, condition: Expr, span: Option<Span>) -> Expr {
        let unsteady = std::mem::take(&mut self.unsteady);
        if unsteady.is_empty() {
            return condition;
        }
        let timed = self.with_clock(&condition, span);
        if self.is_steady(&timed) && !self.unsteady_aggregate {
            return timed;
        }
        let of_time = |what: &str| NAMES.contains(&what.to_ascii_lowercase().as_str());
        let others = unsteady.iter().any(|(what, _)| !of_time(what));
        for (what, span) in &unsteady {
            if !others || !of_time(what) {
                self.not_immutable(what, Volatility::Stable, *span);
            }
        }
        condition
    }

    /// Is this IMMUTABLE, with the operands of the subqueries in it?
    fn is_steady(&self, e: &Expr) -> bool {
        let catalog = self.unit.catalog;
        let mut todo = vec![e];
        while let Some(e) = todo.pop() {
            if max_volatility(e, catalog) != Volatility::Immutable {
                return false;
            }
            for column in e.columns() {
                if let Reads::Subquery(at) = Reads::of(column) {
                    let found = self.session.subqueries.last().and_then(|s| s.get(at));
                    todo.extend(found.into_iter().flat_map(Subquery::operands));
                }
            }
        }
        true
    }

    fn with_clock(&mut self, e: &Expr, span: Option<Span>) -> Expr {
        if asks_time(e) && e.columns().is_empty() && is_of_time(e, self.unit.catalog) {
            return self.clock_column(e, span);
        }
        e.map_children(&mut |child| self.with_clock(child, span))
    }

    fn clock_column(&mut self, value: &Expr, span: Option<Span>) -> Expr {
        let values = &mut self.session.clock;
        let at = values.iter().position(|v| v == value).unwrap_or_else(|| {
            values.push(value.clone());
            values.len() - 1
        });
        let attnum = i16::try_from(at + 1).unwrap_or(i16::MAX);
        let ty = ColType {
            ty: value.ty(),
            nullable: value.nullable(&[]),
        };
        let subquery = Subquery {
            kind: SubqueryKind::Scalar,
            parameters: vec![],
            query: Arc::new(column_of_clock(attnum, ty)),
            span,
        };
        let Some(subqueries) = self.session.subqueries.last_mut() else {
            return value.clone();
        };
        let known = subqueries.iter().position(|s| s.query == subquery.query);
        let at = known.unwrap_or_else(|| {
            subqueries.push(subquery);
            subqueries.len() - 1
        });
        Reads::Subquery(at).expr(value.ty())
    }
}

/// `SELECT time_n FROM clock`
fn column_of_clock(attnum: i16, ty: ColType) -> Query {
    let name = Clock::column_name(attnum);
    let clock = Table {
        relation: CLOCK,
        name: "clock".into(),
        attnums: vec![attnum],
        types: vec![ty],
        span: None,
    };
    Query {
        columns: vec![OutputColumn { name, ty }],
        body: Body::Select(Box::new(Select {
            from: Some(From::Table(clock)),
            outputs: vec![Expr::column(0, ty.ty)],
            ..Select::default()
        })),
    }
}

impl Query {
    /// Is this a column of the clock, which has one row?
    pub fn is_clock(&self) -> bool {
        let Body::Select(select) = &self.body else {
            return false;
        };
        let of_clock = matches!(&select.from, Some(From::Table(t)) if t.relation == CLOCK);
        of_clock && select.filter.is_none() && select.grouping.is_none()
    }
}

fn asks_time(e: &Expr) -> bool {
    let here = match e.kind() {
        ExprKind::SessionValue(value) => is_time(*value),
        ExprKind::Call { function, .. } => NOW.contains(function),
        _ => false,
    };
    here || e.children().into_iter().any(asks_time)
}

fn is_time(value: SessionValue) -> bool {
    use SessionValue::*;
    match value {
        CurrentDate | CurrentTime | CurrentTimestamp | LocalTime | LocalTimestamp => true,
        CurrentUser | SessionUser | CurrentCatalog | CurrentSchema => false,
    }
}

/// Is all that is not IMMUTABLE in it the time, or a function that depends on settings alone?
fn is_of_time(e: &Expr, catalog: &Catalog) -> bool {
    let children = e.children();
    let known = |e: &Expr| OF_TIME.contains(&e.ty().oid);
    let here = match e.kind() {
        ExprKind::SessionValue(value) => is_time(*value),
        ExprKind::Call { function, .. } if NOW.contains(function) => true,
        _ if own_volatility(e, catalog) == Volatility::Immutable => true,
        ExprKind::Call { function, .. } | ExprKind::Operator { function, .. } => {
            // `statement_timestamp()`, of no arguments, is another time.
            function.0 < FIRST_UNPINNED && !children.is_empty() && known(e)
        }
        ExprKind::Cast { .. } => known(e),
        _ => false,
    };
    let steady = own_volatility(e, catalog) != Volatility::Volatile;
    here && steady
        && children.into_iter().all(|c| {
            (known(c) || own_volatility(e, catalog) == Volatility::Immutable)
                && is_of_time(c, catalog)
        })
}
