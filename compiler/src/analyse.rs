//! From the text of a query to its circuit, before anything is optimised.

use crate::bind::query::Query;
use crate::bind::{Bound, bind};
use crate::lower::{LowerError, lower};
use crate::parse::parse;
use spec::catalog::Catalog;
use spec::clock::Clock;
use spec::compiled::{Bindings, Dependency, OutputColumn};
use spec::reason::Severity;
use spec::{Circuit, NodeId, Reason, ReasonCode};
use std::collections::BTreeSet;

/// What is known of a query before it is optimised.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// None where binding came to an end behind something that is not incremental.
    pub query: Option<Query>,
    /// None where the query is not incremental.
    pub circuit: Option<(Circuit, NodeId)>,
    /// Of severity `NotIncremental` and `Bounded`.
    pub reasons: Vec<Reason>,
    pub dependencies: BTreeSet<Dependency>,
    pub bindings: Bindings,
    /// What the query asks of time.
    pub clock: Option<Clock>,
}

impl Analysis {
    /// The output columns, where they could all be inferred.
    pub fn columns(&self) -> Option<&[OutputColumn]> {
        let query = self.query.as_ref()?;
        query.has_known_columns().then_some(&query.columns)
    }
}

/// Parses, binds and lowers a query. The error holds every reason that was found, at least one of
/// which refuses the query outright.
pub fn analyse(sql: &str, catalog: &Catalog) -> Result<Analysis, Vec<Reason>> {
    let tree = parse(sql).map_err(|e| {
        vec![Reason {
            code: e.code(),
            message: e.to_string(),
            span: e.span(),
            hint: e.hint().map(String::from),
        }]
    })?;
    let statement = match tree.stmts.as_slice() {
        [one] => one.stmt.as_deref(),
        _ => None,
    };
    let Some(statement) = statement else {
        return Err(vec![Reason {
            code: ReasonCode::NotASelect,
            message: format!("one query is wanted, not {} statements", tree.stmts.len()),
            span: None,
            hint: None,
        }]);
    };
    let Bound {
        query,
        mut reasons,
        mut dependencies,
        bindings,
        clock,
    } = bind(sql, statement, catalog)?;
    let has = |severity| reasons.iter().any(|r| r.code.severity() == severity);
    if has(Severity::Refused) {
        return Err(reasons);
    }
    let catalog = &Clock::known(clock.as_ref(), catalog);
    let circuit = match &query {
        Some(query) if !has(Severity::NotIncremental) => match lower(query, catalog) {
            Ok(lowered) => {
                dependencies.extend(lowered.dependencies);
                Some((lowered.circuit, lowered.root))
            }
            Err(LowerError::Reason(reason)) => {
                reasons.push(reason);
                None
            }
            Err(e) => return Err(vec![internal(e.to_string())]),
        },
        _ => None,
    };
    Ok(Analysis {
        query,
        circuit,
        reasons,
        dependencies,
        bindings,
        clock,
    })
}

/// A defect of the compiler, which must be loud.
pub(crate) fn internal(message: String) -> Reason {
    Reason {
        code: ReasonCode::Internal,
        message,
        span: None,
        hint: Some("This is a defect of pg_trickle: please report it with the query.".into()),
    }
}
