//! PostgreSQL's type resolution over a catalog snapshot.
//!
//! The rules are PostgreSQL's own: which function or operator an overloaded name means, which
//! coercions are inserted, what the common type of a CASE or a UNION is, how typmods and collations
//! travel. [`Typing`] is the state of typing one query text: the snapshot, and two accumulators
//! (what was chosen, and what is not IMMUTABLE). Its methods take bound expressions and return
//! bound expressions; nothing here knows about columns or clauses.
//!
//! An undecided literal is a `Const` of type `unknown`; whatever remains undecided at the end
//! becomes `text` ([`Typing::resolve_unknown`]). Collations are derived in a pass of their own over
//! the finished expression ([`Typing::assign_collations`]), as PostgreSQL does: until then
//! collations inside an expression mean nothing.
//!
//! | file | rule |
//! |---|---|
//! | `pathway.rs` | is there a coercion from one type to another, and which |
//! | `coerce.rs` | inserting coercions, typmods, literals |
//! | `common.rs` | the common type of several expressions; USING; set operations |
//! | `polymorphic.rs` | `anyelement` and its kin |
//! | `candidates.rs` | which of several overloads |
//! | `function.rs`, `operator.rs` | calls |
//! | `literal.rs` | literals |
//! | `collate.rs` | collation derivation |

use crate::bind::context::{BindError, Context};
use spec::catalog::{Catalog, Equality, Volatility};
use spec::compiled::Bindings;
use spec::types::{Oid, SqlType};
use spec::{Expr, Reason, ReasonCode, Span};
use std::cell::RefCell;

/// The state of typing one query text.
pub struct Typing<'a> {
    pub catalog: &'a Catalog,
    text: Option<&'a str>,
    bindings: RefCell<Bindings>,
    unsteady: RefCell<Vec<Unsteady>>,
}

/// A call whose value may move without any row changing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unsteady {
    what: String,
    volatility: Volatility,
    span: Option<Span>,
}

impl<'a> Typing<'a> {
    /// `text` is the query's text, into which the locations of its parse tree point; without one
    /// (the definition of a view) there are no spans.
    pub fn new(catalog: &'a Catalog, text: Option<&'a str>) -> Self {
        Typing {
            catalog,
            text,
            bindings: RefCell::default(),
            unsteady: RefCell::default(),
        }
    }

    /// What was chosen so far, sorted.
    pub fn bindings(&self) -> Bindings {
        let mut bindings = self.bindings.borrow().clone();
        bindings.functions.sort_unstable();
        bindings.operators.sort_unstable();
        bindings.aggregates.sort_unstable();
        bindings
    }

    /// Tells the context of all calls since the last time that are not IMMUTABLE. `bind_expr` does
    /// it by itself; call it after using methods of `Typing` that insert coercions or operators.
    pub fn flush(&self, scope: &mut dyn Context) {
        for Unsteady {
            what,
            volatility,
            span,
        } in self.unsteady.take()
        {
            scope.volatility(&what, volatility, span);
        }
    }

    /// The token that starts at a location of the parse tree (−1: not known).
    pub fn span(&self, location: i32) -> Option<Span> {
        let start = usize::try_from(location).ok()?;
        let rest = self.text?.get(start..)?;
        let saturate = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Some(Span {
            start: saturate(start),
            end: saturate(start + rest.len().min(1)),
        })
    }

    pub(crate) fn unsupported(&self, what: &str) -> BindError {
        error(ReasonCode::Unsupported, what, None)
    }

    /// The operand as boolean, where `clause` (as in `WHERE`) demands a condition.
    pub fn coerce_to_boolean(
        &self,
        expr: Expr,
        clause: &str,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        let _ = (expr, span);
        Err(self.unsupported(clause))
    }

    /// The operand as `target`, by implicit coercion (LIMIT: int8).
    pub fn coerce_to_specific(
        &self,
        expr: Expr,
        target: Oid,
        clause: &str,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        let _ = (expr, target, span);
        Err(self.unsupported(clause))
    }

    /// A literal that nothing decided becomes text; everything else stays.
    pub fn resolve_unknown(&self, expr: Expr) -> Expr {
        expr
    }

    /// The type and typmod common to several expressions (a column of VALUES); the collation is
    /// derived by [`Typing::common_collation`].
    pub fn common_type(
        &self,
        exprs: &[&Expr],
        clause: &str,
        span: Option<Span>,
    ) -> Result<SqlType, BindError> {
        let _ = (exprs, span);
        Err(self.unsupported(clause))
    }

    /// The operand as the common type that was found for it (no typmod is applied).
    pub fn coerce_to_common(
        &self,
        expr: Expr,
        target: Oid,
        clause: &str,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        let _ = (expr, target, span);
        Err(self.unsupported(clause))
    }

    /// The type of a column of `left UNION right` (or INTERSECT, EXCEPT), collation included.
    /// `left` and `right` are any expressions of the types of the two columns; literals of type
    /// `unknown` must be given as they are. Then coerce each branch by
    /// [`Typing::coerce_to_common`].
    pub fn set_operation_column(
        &self,
        left: &Expr,
        right: &Expr,
        operation: &str,
        union_all: bool,
        span: Option<Span>,
    ) -> Result<SqlType, BindError> {
        let _ = (left, right, union_all, span);
        Err(self.unsupported(operation))
    }

    /// A pair of columns that USING or NATURAL joins.
    pub fn using_column(
        &self,
        left: Expr,
        right: Expr,
        span: Option<Span>,
    ) -> Result<UsingColumn, BindError> {
        let _ = (left, right, span);
        Err(self.unsupported("USING"))
    }

    /// `left name right`, or `name right`: the operator that PostgreSQL would choose.
    pub fn operator(
        &self,
        name: &[String],
        left: Option<Expr>,
        right: Expr,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        let _ = (name, left, right, span);
        Err(self.unsupported("operator"))
    }

    /// The equality of GROUP BY and DISTINCT; an error where the type has none.
    pub fn grouping_equality(
        &self,
        ty: SqlType,
        span: Option<Span>,
    ) -> Result<Equality, BindError> {
        let _ = (ty, span);
        Err(self.unsupported("GROUP BY"))
    }

    /// Derives the collations of an expression anew, all through.
    pub fn assign_collations(&self, expr: &Expr, span: Option<Span>) -> Result<Expr, BindError> {
        let _ = span;
        Ok(expr.clone())
    }

    /// The collation common to several expressions (a column of VALUES). Invalid where there is
    /// none, or, if `none_ok`, where they conflict.
    pub fn common_collation(
        &self,
        exprs: &[&Expr],
        none_ok: bool,
        span: Option<Span>,
    ) -> Result<Oid, BindError> {
        let _ = (exprs, none_ok);
        Err(error(ReasonCode::Unsupported, "collation", span))
    }
}

/// What a column of USING is made of. All collations are assigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsingColumn {
    /// `left = right`.
    pub condition: Expr,
    /// Both sides, as their common type.
    pub left: Expr,
    pub right: Expr,
    /// What the merged column of an inner join reads.
    pub merged: Expr,
}

/// An error of ours that PostgreSQL would raise too.
pub(crate) fn error(code: ReasonCode, message: impl Into<String>, span: Option<Span>) -> BindError {
    BindError(Box::new(Reason {
        code,
        message: message.into(),
        span,
        hint: None,
    }))
}
