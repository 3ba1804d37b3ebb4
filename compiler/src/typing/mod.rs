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

mod candidates;
mod coerce;
mod collate;
mod common;
mod function;
mod io;
mod literal;
mod operator;
mod pathway;
mod polymorphic;
mod text;

pub(crate) use coerce::collate;
pub use common::{UsingColumn, UsingSides};
pub(crate) use function::{Argument, Call, FunctionCall, Resolved};
pub(crate) use io::{cast_volatility, io_volatility};
pub(crate) use operator::{Chosen, operator_call};

use crate::bind::context::{BindError, Context};
use crate::settled;
use spec::catalog::{Catalog, Volatility};
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
    literal: bool,
}

/// Positions in the accumulator: functions, operators, aggregates.
pub(crate) type Bindings3 = [usize; 3];

const MAX_BINDINGS: usize = 1_000_000;

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
            literal,
        } in self.unsteady.take()
        {
            match literal {
                true => scope.moving_literal(&what, span),
                false => scope.volatility(&what, volatility, span),
            }
        }
    }

    /// Where the accumulator of what was chosen stands now.
    pub(crate) fn mark(&self) -> Bindings3 {
        let bindings = self.bindings.borrow();
        [
            bindings.functions.len(),
            bindings.operators.len(),
            bindings.aggregates.len(),
        ]
    }

    /// Forgets what was chosen since a mark; what is not IMMUTABLE stays noted.
    pub(crate) fn rewind(&self, [functions, operators, aggregates]: Bindings3) {
        let mut bindings = self.bindings.borrow_mut();
        bindings.functions.truncate(functions);
        bindings.operators.truncate(operators);
        bindings.aggregates.truncate(aggregates);
    }

    /// What was chosen since a mark.
    pub(crate) fn since(&self, [functions, operators, aggregates]: Bindings3) -> Bindings {
        let bindings = self.bindings.borrow();
        let tail = |all: &[Oid], from: usize| all.get(from..).unwrap_or_default().to_vec();
        Bindings {
            functions: tail(&bindings.functions, functions),
            operators: tail(&bindings.operators, operators),
            aggregates: tail(&bindings.aggregates, aggregates),
        }
    }

    /// Notes the same choices again: PostgreSQL's tree has a copy of the expression.
    pub(crate) fn repeat(&self, chosen: &Bindings, span: Option<Span>) -> Result<(), BindError> {
        let mut bindings = self.bindings.borrow_mut();
        bindings.functions.extend_from_slice(&chosen.functions);
        bindings.operators.extend_from_slice(&chosen.operators);
        bindings.aggregates.extend_from_slice(&chosen.aggregates);
        // Nested BETWEENs double at each level.
        if bindings.functions.len() + bindings.operators.len() > MAX_BINDINGS {
            return Err(error(
                ReasonCode::TooDeep,
                "the expression is too large",
                span,
            ));
        }
        Ok(())
    }

    /// The token that starts at a location of the parse tree (−1: not known).
    pub fn span(&self, location: i32) -> Option<Span> {
        let start = usize::try_from(location).ok()?;
        let rest = self.text?.get(start..)?;
        let saturate = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Some(Span {
            start: saturate(start),
            end: saturate(start + text::token_length(rest)),
        })
    }

    pub(crate) fn note_unsteady(
        &self,
        what: impl FnOnce() -> String,
        volatility: Volatility,
        span: Option<Span>,
    ) {
        if volatility != Volatility::Immutable {
            self.unsteady.borrow_mut().push(Unsteady {
                what: what(),
                volatility,
                span,
                literal: false,
            });
        }
    }

    fn note_moving_literal(&self, what: String, span: Option<Span>) {
        self.unsteady.borrow_mut().push(Unsteady {
            what,
            volatility: Volatility::Stable,
            span,
            literal: true,
        });
    }

    /// A function that an operator or a cast calls, or that is called by name.
    fn note_volatility_of(&self, function: Oid, args: &[Expr], span: Option<Span>) {
        if let Some(f) = self.catalog.function(function) {
            let volatility = settled::of_call(f, args, self.catalog);
            self.note_unsteady(|| format!("function {}()", f.name), volatility, span);
        }
    }

    fn note_function(&self, function: Oid, args: &[Expr], span: Option<Span>) {
        self.bindings.borrow_mut().functions.push(function);
        self.note_volatility_of(function, args, span);
    }

    /// What PostgreSQL's tree has in the place of something else here. All of it is IMMUTABLE.
    pub(crate) fn note_instead(&self, functions: &[Oid], operators: &[Oid]) {
        let mut bindings = self.bindings.borrow_mut();
        bindings.functions.extend_from_slice(functions);
        bindings.operators.extend_from_slice(operators);
    }

    /// A function that is called by name, and IMMUTABLE here whatever it is called.
    pub(crate) fn note_steady_call(&self, function: Oid) {
        self.bindings.borrow_mut().functions.push(function);
    }

    /// An aggregate that is not IMMUTABLE.
    pub(crate) fn note_volatile(&self, function: Oid, span: Option<Span>) {
        self.note_volatility_of(function, &[], span);
    }

    pub(crate) fn note_aggregate(&self, function: Oid) {
        self.bindings.borrow_mut().aggregates.push(function);
    }

    fn note_operator(&self, operator: Oid, args: &[Expr], span: Option<Span>) {
        self.bindings.borrow_mut().operators.push(operator);
        if let Some(o) = self.catalog.operator(operator)
            && let Some(f) = self.catalog.function(o.function)
        {
            let what = || format!("operator {} (function {}())", o.name, f.name);
            self.note_unsteady(what, settled::of_call(f, args, self.catalog), span);
        }
    }

    /// The type as PostgreSQL's messages call it.
    pub fn type_name(&self, ty: Oid) -> String {
        text::type_name(self.catalog, ty, -1)
    }

    /// The type with its modifier, as in `character varying(10)`.
    pub fn full_type_name(&self, ty: SqlType) -> String {
        text::type_name(self.catalog, ty.oid, ty.typmod)
    }
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

/// The same, with a hint.
pub(crate) fn error_with_hint(
    code: ReasonCode,
    message: impl Into<String>,
    span: Option<Span>,
    hint: impl Into<String>,
) -> BindError {
    BindError(Box::new(Reason {
        code,
        message: message.into(),
        span,
        hint: Some(hint.into()),
    }))
}
