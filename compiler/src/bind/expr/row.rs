//! Rows and their comparison.
//!
//! `(a, b) = (c, d)` is `a = c AND b = d`, and `<>` the OR of `<>`. The orderings are lexicographic:
//! `(a, b) < (c, d)` is `a < c OR (a = c AND b < d)`, where all operators are members of the btree
//! families of the ones that were found for the symbol.

use super::Binder;
use super::boolean::BOOL;
use crate::bind::context::BindError;
use crate::typing::{Chosen, Typing, error, error_with_hint, operator_call};
use pg_query::protobuf::RowExpr;
use spec::catalog::Operator;
use spec::expr::ExprKind;
use spec::types::{Oid, SqlType, oids};
use spec::{Expr, ReasonCode, Span};

const LESS: u8 = 1;
const LESS_EQUAL: u8 = 2;
const EQUAL: u8 = 3;
const GREATER_EQUAL: u8 = 4;
const GREATER: u8 = 5;
/// Not a strategy of btree: the negator of its equality.
const NOT_EQUAL: u8 = 6;

impl Binder<'_, '_> {
    pub(super) fn row(&mut self, e: &RowExpr) -> Result<Expr, BindError> {
        let fields = self.expanded_list(&e.args)?;
        let names = (1..=fields.len()).map(|i| format!("f{i}").into()).collect();
        Ok(Expr::new(
            ExprKind::Row { fields, names },
            SqlType::new(oids::RECORD),
        ))
    }

    pub(super) fn compare_rows(
        &mut self,
        name: &[String],
        left: &[Expr],
        right: &[Expr],
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        self.typing.compare_rows(name, left, right, span)
    }
}

impl Typing<'_> {
    /// `(left) name (right)`, field by field. Of single fields it is their comparison, which must
    /// be boolean.
    pub(crate) fn compare_rows(
        &self,
        name: &[String],
        left: &[Expr],
        right: &[Expr],
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        if left.len() != right.len() {
            let message = "unequal number of entries in row expressions";
            return Err(error(ReasonCode::Syntax, message, span));
        }
        if left.is_empty() {
            return Err(error(
                ReasonCode::Syntax,
                "cannot compare rows of zero length",
                span,
            ));
        }
        let mut chosen = Vec::with_capacity(left.len());
        for (l, r) in left.iter().zip(right) {
            let one = self.choose_operator(name, Some(l.clone()), r.clone(), span)?;
            if one.result != oids::BOOL {
                let ty = self.type_name(one.result);
                let message =
                    format!("row comparison operator must yield type boolean, not type {ty}");
                return Err(error(ReasonCode::Type, message, span));
            }
            chosen.push(one);
        }
        if chosen.len() == 1
            && let Some(only) = chosen.pop()
        {
            return Ok(operator_call(only));
        }
        let meanings: Vec<Vec<(Oid, u8)>> =
            chosen.iter().map(|c| self.meanings(c.operator)).collect();
        let common = (LESS..=NOT_EQUAL).find(|s| {
            meanings
                .iter()
                .all(|m| m.iter().any(|(_, strategy)| strategy == s))
        });
        let Some(strategy) = common else {
            return Err(error_with_hint(
                ReasonCode::Name,
                format!(
                    "could not determine interpretation of row comparison operator {}",
                    name.join(".")
                ),
                span,
                "Row comparison operators must be associated with btree operator families.",
            ));
        };
        match strategy {
            EQUAL => {
                let all = chosen.into_iter().map(operator_call).collect();
                Ok(Expr::new(ExprKind::And(all), BOOL))
            }
            NOT_EQUAL => {
                let any = chosen.into_iter().map(operator_call).collect();
                Ok(Expr::new(ExprKind::Or(any), BOOL))
            }
            _ => {
                let families = meanings.iter().map(|m| {
                    let family = m.iter().find(|(_, s)| *s == strategy);
                    family.map_or(Oid::INVALID, |(family, _)| *family)
                });
                self.lexicographic(chosen.into_iter().zip(families).collect(), strategy, span)
            }
        }
    }

    /// The btree families in which an operator stands, and as what.
    fn meanings(&self, operator: &Operator) -> Vec<(Oid, u8)> {
        if !operator.btree.is_empty() {
            return operator.btree.clone();
        }
        let negator = self.catalog.operator(operator.negator);
        let of_negator = negator.map_or(&[][..], |n| n.btree.as_slice());
        let equalities = of_negator.iter().filter(|(_, s)| *s == EQUAL);
        equalities.map(|(family, _)| (*family, NOT_EQUAL)).collect()
    }

    fn lexicographic(
        &self,
        pairs: Vec<(Chosen<'_>, Oid)>,
        strategy: u8,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        let strict = match strategy {
            LESS | LESS_EQUAL => LESS,
            _ => GREATER,
        };
        debug_assert!(matches!(
            strategy,
            LESS | LESS_EQUAL | GREATER_EQUAL | GREATER
        ));
        // From the last pair outwards.
        let mut result: Option<Expr> = None;
        for (chosen, family) in pairs.into_iter().rev() {
            let member = |strategy: u8| -> Result<Expr, BindError> {
                let operator = self.family_member(chosen.operator, family, strategy);
                let operator = operator.ok_or_else(|| {
                    let message = format!(
                        "the operator family of {} has no operator that row comparison needs",
                        chosen.operator.name
                    );
                    error(ReasonCode::Unsupported, message, span)
                })?;
                Ok(operator_call(Chosen {
                    operator,
                    result: oids::BOOL,
                    args: chosen.args.clone(),
                }))
            };
            result = Some(match result {
                None => operator_call(chosen),
                Some(rest) => {
                    let tie = Expr::new(ExprKind::And(vec![member(EQUAL)?, rest]), BOOL);
                    Expr::new(ExprKind::Or(vec![member(strict)?, tie]), BOOL)
                }
            });
        }
        result.ok_or_else(|| {
            error(
                ReasonCode::Syntax,
                "cannot compare rows of zero length",
                span,
            )
        })
    }
}
