//! Collation derivation.
//!
//! Every expression has a collation of some *strength*: none (its type has no collations), implicit
//! (from a column or a type), explicit (COLLATE), or a conflict of two implicit ones. A call takes
//! the strongest of its arguments as its input collation; between two implicit ones, `"default"`
//! gives way, and two others conflict, which is an error only if the function asks for its collation
//! when it runs. Two different explicit ones are an error here. The result of a call of collatable
//! type has the input's collation and strength, or the type's own where there is no collatable
//! input.
//!
//! PostgreSQL does this in a pass over the finished expression, and so does this file: collations
//! inside the given expression are ignored, but for those of leaves, COLLATE and fields.

use super::{Typing, error};
use crate::bind::context::BindError;
use spec::expr::{Coercion, ExprKind};
use spec::types::{Oid, SqlType, oids};
use spec::{Expr, ReasonCode, Span};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    None,
    Implicit,
    Conflict,
    Explicit,
}

/// Of an expression, or of all arguments of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    collation: Oid,
    strength: Strength,
}

impl State {
    const NONE: State = State {
        collation: Oid::INVALID,
        strength: Strength::None,
    };

    fn implicit(collation: Oid) -> State {
        if collation.is_valid() {
            State {
                collation,
                strength: Strength::Implicit,
            }
        } else {
            State::NONE
        }
    }

    /// The collation as stored in an expression: none where it is a conflict.
    fn stored(self) -> Oid {
        if self.strength == Strength::Conflict {
            Oid::INVALID
        } else {
            self.collation
        }
    }
}

impl Typing<'_> {
    /// Derives the collations of an expression anew, all through.
    pub fn assign_collations(&self, expr: &Expr, span: Option<Span>) -> Result<Expr, BindError> {
        Ok(self.derive(expr, span)?.0)
    }

    /// The collation common to several expressions, whose own are assigned (a column of VALUES, of
    /// a set operation). Where implicit ones conflict it is invalid if `none_ok`, else an error.
    pub fn common_collation(
        &self,
        exprs: &[&Expr],
        none_ok: bool,
        span: Option<Span>,
    ) -> Result<Oid, BindError> {
        let mut state = State::NONE;
        for expr in exprs {
            let (_, other) = self.derive(expr, span)?;
            state = self.merge(state, other, span)?;
        }
        if state.strength == Strength::Conflict {
            if none_ok {
                return Ok(Oid::INVALID);
            }
            return Err(super::error_with_hint(
                ReasonCode::Type,
                "collation mismatch between implicit collations",
                span,
                "Choose the collation by applying the COLLATE clause to one or both expressions.",
            ));
        }
        Ok(state.collation)
    }

    /// The collation that a function called on these arguments is given, and their strength as a
    /// COLLATE: used for aggregates, whose call is not an expression.
    pub(crate) fn input_collation(
        &self,
        args: &[&Expr],
        span: Option<Span>,
    ) -> Result<InputCollation, BindError> {
        let mut state = State::NONE;
        for arg in args {
            let (_, other) = self.derive(arg, span)?;
            state = self.merge(state, other, span)?;
        }
        Ok(InputCollation {
            collation: state.stored(),
            explicit: state.strength == Strength::Explicit,
            any: state.strength != Strength::None,
        })
    }

    fn merge(&self, a: State, b: State, span: Option<Span>) -> Result<State, BindError> {
        if b.strength != a.strength {
            return Ok(if b.strength > a.strength { b } else { a });
        }
        match a.strength {
            Strength::Implicit if a.collation != b.collation => {
                Ok(if a.collation == oids::DEFAULT_COLLATION {
                    b
                } else if b.collation == oids::DEFAULT_COLLATION {
                    a
                } else {
                    State {
                        collation: a.collation,
                        strength: Strength::Conflict,
                    }
                })
            }
            Strength::Explicit if a.collation != b.collation => {
                let name = |oid| match self.catalog.collation(oid) {
                    Some(c) => c.name.clone(),
                    None => oid.to_string(),
                };
                let (a, b) = (name(a.collation), name(b.collation));
                let message =
                    format!("collation mismatch between explicit collations \"{a}\" and \"{b}\"");
                Err(error(ReasonCode::Type, message, span))
            }
            _ => Ok(a),
        }
    }

    fn derive(&self, expr: &Expr, span: Option<Span>) -> Result<(Expr, State), BindError> {
        let own = self.catalog.type_collation(expr.ty().oid);
        match expr.kind() {
            ExprKind::Column(_) | ExprKind::Const(_) | ExprKind::SessionValue(_) => {
                let state = if self.is_collatable_leaf(expr.ty()) {
                    State::implicit(expr.ty().collation)
                } else {
                    State::NONE
                };
                return Ok((expr.clone(), state));
            }
            ExprKind::Collate(arg) => {
                let (arg, _) = self.derive(arg, span)?;
                let collation = expr.ty().collation;
                let ty = SqlType {
                    collation,
                    ..expr.ty()
                };
                let state = State {
                    collation,
                    strength: Strength::Explicit,
                };
                return Ok((Expr::new(ExprKind::Collate(arg), ty), state));
            }
            _ => {}
        }
        // The arguments, and what all of them together say.
        let mut inputs = State::NONE;
        let mut failed = None;
        let conditions = condition_positions(expr.kind());
        let mut position = 0;
        let rebuilt = expr.map_children(&mut |child| {
            if failed.is_some() {
                return child.clone();
            }
            let is_condition = conditions(position);
            position += 1;
            let derived = self.derive(child, span).and_then(|(child, state)| {
                if !is_condition {
                    inputs = self.merge(inputs, state, span)?;
                }
                Ok(child)
            });
            derived.unwrap_or_else(|e| {
                failed = Some(e);
                child.clone()
            })
        });
        if let Some(e) = failed {
            return Err(e);
        }
        let state = match expr.kind() {
            // Fields have the collation of their column.
            ExprKind::Field { .. } => State::implicit(expr.ty().collation),
            ExprKind::Row { .. } => State::NONE,
            ExprKind::Verbatim {
                collates: false, ..
            } => State::implicit(own),
            _ if !own.is_valid() => State::NONE,
            // A domain with a collation of its own gives it to its values.
            ExprKind::Cast {
                coercion: Coercion::Domain | Coercion::Relabel,
                ..
            } if self.is_domain(expr.ty().oid) && own != oids::DEFAULT_COLLATION => {
                State::implicit(own)
            }
            _ if inputs.strength > Strength::None => inputs,
            _ => State::implicit(own),
        };
        let ty = SqlType {
            collation: state.stored(),
            ..expr.ty()
        };
        let kind = with_input_collation(rebuilt.kind(), inputs.stored());
        Ok((Expr::new(kind, ty), state))
    }

    /// An undecided literal is not collatable; a column says itself.
    fn is_collatable_leaf(&self, ty: SqlType) -> bool {
        ty.oid != oids::UNKNOWN
    }
}

/// See [`Typing::input_collation`].
pub(crate) struct InputCollation {
    pub collation: Oid,
    /// It comes from a COLLATE.
    pub explicit: bool,
    /// Some argument is collatable.
    pub any: bool,
}

/// Children that do not take part in deriving: the conditions of CASE.
fn condition_positions(kind: &ExprKind) -> impl Fn(usize) -> bool + use<> {
    let whens = match kind {
        ExprKind::Case { whens, .. } => whens.len(),
        _ => 0,
    };
    move |position| position < 2 * whens && position.is_multiple_of(2)
}

fn with_input_collation(kind: &ExprKind, input: Oid) -> ExprKind {
    let mut kind = kind.clone();
    match &mut kind {
        ExprKind::Call { collation, .. }
        | ExprKind::Operator { collation, .. }
        | ExprKind::Distinct { collation, .. }
        | ExprKind::NullIf { collation, .. }
        | ExprKind::ScalarArray { collation, .. }
        | ExprKind::MinMax { collation, .. } => *collation = input,
        _ => {}
    }
    kind
}
