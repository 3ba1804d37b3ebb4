//! Bound queries: names resolved, types known, `*` and views expanded.
//!
//! Column numbering: inside a SELECT the columns of all items of FROM stand in a row, from left to
//! right, whatever joins them; conditions of joins, WHERE, grouping keys and arguments of
//! aggregates count in it. Behind a grouping, HAVING and the outputs count in the keys followed by
//! the aggregates.

use super::context::AggregateCall;
use spec::compiled::OutputColumn;
use spec::types::oids;
use spec::{ColType, Expr, Oid, Span, SqlType};
use std::sync::Arc;

/// A query with its output columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub columns: Vec<OutputColumn>,
    pub body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Select(Box<Select>),
    SetOperation {
        operator: SetOperator,
        all: bool,
        branches: [Branch; 2],
    },
    /// VALUES; constant expressions.
    Values(Vec<Vec<Expr>>),
    /// A construct that is reported as not incremental; only the columns are known (or not even
    /// they, see [`Query::has_known_columns`]).
    Opaque {
        what: String,
        known: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOperator {
    Union,
    Intersect,
    Except,
}

impl SetOperator {
    pub fn word(self) -> &'static str {
        match self {
            SetOperator::Union => "UNION",
            SetOperator::Intersect => "INTERSECT",
            SetOperator::Except => "EXCEPT",
        }
    }
}

/// A branch of a set operation, and what of it is put out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    pub query: Arc<Query>,
    /// Over the columns of `query`.
    pub outputs: Vec<Expr>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Select {
    /// None: one row without columns.
    pub from: Option<From>,
    pub filter: Option<Expr>,
    pub grouping: Option<Grouping>,
    pub having: Option<Expr>,
    pub outputs: Vec<Expr>,
    pub distinct: bool,
}

/// GROUP BY: one row per group. Without keys there is exactly one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping {
    pub keys: Vec<Expr>,
    pub aggregates: Vec<AggregateCall>,
    /// Grouping sets, as places of keys, which are NULL in the groups of the other sets. None: all
    /// keys are one set.
    pub sets: Vec<Vec<usize>>,
    /// `GROUPING(…)`, as places of keys: columns behind the aggregates, of type integer.
    pub groupings: Vec<Vec<usize>>,
    pub span: Option<Span>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
}

/// An item of FROM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    Table(Table),
    Query {
        /// The name that the rest of the query calls it.
        name: String,
        query: Arc<Query>,
    },
    /// `condition` none: every pair.
    Join {
        kind: JoinKind,
        left: Box<From>,
        right: Box<From>,
        condition: Option<Expr>,
    },
    /// Reported as not incremental.
    Opaque {
        what: String,
        types: Vec<ColType>,
    },
}

/// All stored columns of a table, in attnum order. (Virtual generated columns are expressions
/// over them.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub relation: Oid,
    /// The name that the rest of the query calls it.
    pub name: String,
    pub attnums: Vec<i16>,
    pub types: Vec<ColType>,
    pub span: Option<Span>,
}

impl Query {
    pub fn types(&self) -> Vec<ColType> {
        self.columns.iter().map(|c| c.ty).collect()
    }

    /// False for what is reported and whose columns could not be inferred.
    pub fn has_known_columns(&self) -> bool {
        !matches!(self.body, Body::Opaque { known: false, .. })
    }
}

impl From {
    /// The types of its columns. The side of an outer join that may be missing is nullable.
    pub fn types(&self) -> Vec<ColType> {
        match self {
            From::Table(table) => table.types.clone(),
            From::Query { query, .. } => query.types(),
            From::Opaque { types, .. } => types.clone(),
            From::Join {
                kind, left, right, ..
            } => {
                let padded = |from: &From, padded: bool| {
                    from.types().into_iter().map(move |c| ColType {
                        nullable: c.nullable || padded,
                        ..c
                    })
                };
                let left = padded(left, matches!(kind, JoinKind::Right | JoinKind::Full));
                left.chain(padded(
                    right,
                    matches!(kind, JoinKind::Left | JoinKind::Full),
                ))
                .collect()
            }
        }
    }
}

impl Grouping {
    /// The types of the keys, then of the aggregates and of GROUPING().
    pub fn types(&self, input: &[ColType]) -> Vec<ColType> {
        let keys = self.keys.iter().enumerate().map(|(i, k)| ColType {
            ty: k.ty(),
            nullable: k.nullable(input) || self.sets.iter().any(|s| !s.contains(&i)),
        });
        let groupings = self.groupings.iter().map(|_| ColType {
            ty: SqlType::new(oids::INT4),
            nullable: false,
        });
        let aggregates = self.aggregates.iter().map(|a| ColType {
            ty: a.ty,
            nullable: self.nullable(a, input),
        });
        keys.chain(aggregates).chain(groupings).collect()
    }

    /// Can this aggregate be NULL for a group that exists?
    pub fn nullable(&self, call: &AggregateCall, input: &[ColType]) -> bool {
        use super::aggregates::Family;
        match Family::of(call.function) {
            Family::Count => false,
            // Over rows that are there and have a value, these have one, too.
            Family::Total => {
                self.keys.is_empty()
                    || self.sets.iter().any(Vec::is_empty)
                    || call.filter.is_some()
                    || call.args.iter().any(|a| a.nullable(input))
            }
            _ => true,
        }
    }
}
