//! Operators: which one a symbol means, and calls of it.
//!
//! First the exact operator, an unknown operand taking the other's type (and that type's base); then
//! the competition of `candidates.rs`.

use super::candidates::{Candidate, Choice};
use super::{Typing, error, error_with_hint};
use crate::bind::context::BindError;
use spec::catalog::{CastContext, Operator};
use spec::expr::ExprKind;
use spec::types::{Oid, SqlType, oids};
use spec::{Expr, ReasonCode, Span};

struct Overload<'a> {
    operator: &'a Operator,
    types: Vec<Oid>,
}

impl Candidate for Overload<'_> {
    fn types(&self) -> &[Oid] {
        &self.types
    }
}

/// A chosen operator over coerced operands.
pub(crate) struct Chosen<'a> {
    pub operator: &'a Operator,
    pub result: Oid,
    pub args: Vec<Expr>,
}

impl<'c> Typing<'c> {
    /// `left name right`, or `name right`: the operator that PostgreSQL would choose. Collations
    /// are not assigned yet.
    pub fn operator(
        &self,
        name: &[String],
        left: Option<Expr>,
        right: Expr,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        let chosen = self.choose_operator(name, left, right, span)?;
        Ok(operator_call(chosen))
    }

    pub(crate) fn choose_operator(
        &self,
        name: &[String],
        left: Option<Expr>,
        right: Expr,
        span: Option<Span>,
    ) -> Result<Chosen<'c>, BindError> {
        let args: Vec<Expr> = left.into_iter().chain([right]).collect();
        let actual: Vec<Oid> = args.iter().map(|a| a.ty().oid).collect();
        let operator = self.find_operator(name, &actual, span)?;
        let mut declared = operand_types(operator);
        let result = self.resolve_polymorphic(&actual, &mut declared, operator.result, span)?;
        self.note_operator(operator.oid, &args, span);
        let args = self.coerce_arguments(args, &declared, span)?;
        Ok(Chosen {
            operator,
            result,
            args,
        })
    }

    /// Arguments as the types that a function or operator declares (`make_fn_arguments`).
    pub(super) fn coerce_arguments(
        &self,
        args: Vec<Expr>,
        declared: &[Oid],
        span: Option<Span>,
    ) -> Result<Vec<Expr>, BindError> {
        let coerce = |(arg, &declared): (Expr, &Oid)| {
            self.coerce(arg, declared, -1, CastContext::Implicit, span)
        };
        args.into_iter().zip(declared).map(coerce).collect()
    }

    pub(super) fn find_operator(
        &self,
        name: &[String],
        actual: &[Oid],
        span: Option<Span>,
    ) -> Result<&'c Operator, BindError> {
        let Some((symbol, schema)) = name.split_last() else {
            return Err(error(ReasonCode::Name, "an operator without a name", span));
        };
        let schema = match schema {
            [] => None,
            [schema] | [_, schema] => Some(schema.as_str()),
            _ => {
                return Err(error(
                    ReasonCode::Name,
                    "improper qualified operator name",
                    span,
                ));
            }
        };
        let exact =
            |left: Oid, right: Oid| self.catalog.operator_exact(schema, symbol, left, right);
        let found = match *actual {
            [right] => exact(Oid::INVALID, right),
            [left, right] => {
                let (l, r) = match (left, right) {
                    (oids::UNKNOWN, r) => (r, r),
                    (l, oids::UNKNOWN) => (l, l),
                    both => both,
                };
                exact(l, r).or_else(|| {
                    let base = self.catalog.base_of(l);
                    let guessed = (l, r) != (left, right);
                    (guessed && base != l).then(|| exact(base, base)).flatten()
                })
            }
            _ => None,
        };
        if let Some(operator) = found {
            return Ok(operator);
        }
        match self.choose(self.overloads(schema, symbol, actual.len()), actual) {
            Choice::One(overload) => Ok(overload.operator),
            choice => {
                let call = self.operator_signature(name, actual);
                let hint = "Perhaps explicit type casts are needed.";
                Err(match choice {
                    Choice::Ambiguous => error_with_hint(
                        ReasonCode::Name,
                        format!("operator is not unique: {call}"),
                        span,
                        hint,
                    ),
                    _ => error_with_hint(
                        ReasonCode::Name,
                        format!("operator does not exist: {call}"),
                        span,
                        hint,
                    ),
                })
            }
        }
    }

    fn operator_signature(&self, name: &[String], actual: &[Oid]) -> String {
        let symbol = name.join(".");
        match *actual {
            [left, right] => {
                format!(
                    "{} {symbol} {}",
                    self.type_name(left),
                    self.type_name(right)
                )
            }
            [right] => format!("{symbol} {}", self.type_name(right)),
            _ => symbol,
        }
    }

    /// All visible operators of a symbol; the first schema of the path hides equal signatures in
    /// later ones.
    fn overloads(&self, schema: Option<&str>, symbol: &str, arity: usize) -> Vec<Overload<'c>> {
        let catalog = self.catalog;
        let namespace = schema.map(|s| catalog.namespace_named(s).map(|n| n.oid));
        let visible = |o: &Operator| match namespace {
            Some(namespace) => Some(o.namespace) == namespace,
            None => catalog.position(o.namespace) != usize::MAX,
        };
        let mut found: Vec<Overload<'c>> = vec![];
        for operator in catalog.operators_named(symbol).filter(|o| visible(o)) {
            let types = operand_types(operator);
            if types.len() != arity {
                continue;
            }
            match found.iter_mut().find(|o| o.types == types) {
                None => found.push(Overload { operator, types }),
                Some(old) => {
                    let position = |o: &Operator| catalog.position(o.namespace);
                    if position(operator) < position(old.operator) {
                        old.operator = operator;
                    }
                }
            }
        }
        found
    }

    /// `left name ANY/ALL (array)`.
    pub(crate) fn scalar_array(
        &self,
        name: &[String],
        any: bool,
        left: Expr,
        array: Expr,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        let array_type = array.ty().oid;
        let element = if array_type == oids::UNKNOWN {
            oids::UNKNOWN
        } else {
            self.catalog.base_element_type(array_type).ok_or_else(|| {
                error(
                    ReasonCode::Type,
                    "op ANY/ALL (array) requires array on right side",
                    span,
                )
            })?
        };
        let operator = self.find_operator(name, &[left.ty().oid, element], span)?;
        let mut declared = operand_types(operator);
        let polymorphic = super::polymorphic::is_polymorphic(operator.right);
        let result = self.resolve_polymorphic(
            &[left.ty().oid, element],
            &mut declared,
            operator.result,
            span,
        )?;
        if result != oids::BOOL {
            let message = "op ANY/ALL (array) requires operator to yield boolean";
            return Err(error(ReasonCode::Type, message, span));
        }
        self.note_operator(operator.oid, &[], span);
        let array = if polymorphic && array_type != oids::UNKNOWN {
            array
        } else {
            let element = declared.get(1).copied().unwrap_or(element);
            let target = self.catalog.array_type(element).ok_or_else(|| {
                let name = self.type_name(element);
                let message = format!("could not find array type for data type {name}");
                error(ReasonCode::Type, message, span)
            })?;
            self.coerce(array, target, -1, CastContext::Implicit, span)?
        };
        let mut left = self.coerce_arguments(vec![left], &declared, span)?;
        let Some(left) = left.pop() else {
            return Err(error(
                ReasonCode::Type,
                "an operator without operands",
                span,
            ));
        };
        let kind = ExprKind::ScalarArray {
            operator: operator.oid,
            function: operator.function,
            any,
            left,
            array,
            collation: Oid::INVALID,
        };
        Ok(Expr::new(kind, SqlType::new(oids::BOOL)))
    }

    /// Another member of the btree family in which an operator stands: the operator of these
    /// operand types and this strategy.
    pub(crate) fn family_member(
        &self,
        like: &Operator,
        family: Oid,
        strategy: u8,
    ) -> Option<&'c Operator> {
        let symbols = [
            "=", "<", "<=", ">", ">=", "*=", "*<", "*<=", "*>", "*>=", "~<~", "~<=~", "~>~", "~>=~",
        ];
        symbols
            .iter()
            .flat_map(|symbol| self.catalog.operators_named(symbol))
            .find(|o| {
                o.left == like.left
                    && o.right == like.right
                    && o.btree.contains(&(family, strategy))
            })
    }

    /// The operator of `ORDER BY … USING`: one of the type with itself, as `<` or `>` of btree.
    pub(crate) fn sort_operator(
        &self,
        name: &[String],
        ty: Oid,
        span: Option<Span>,
    ) -> Result<&'c Operator, BindError> {
        let operator = self.find_operator(name, &[ty, ty], span)?;
        let ordering = |(_, strategy): &(Oid, u8)| matches!(strategy, 1 | 5);
        if operator.btree.iter().any(ordering) {
            return Ok(operator);
        }
        Err(error_with_hint(
            ReasonCode::Type,
            format!(
                "operator {} is not a valid ordering operator",
                operator.name
            ),
            span,
            "Ordering operators must be \"<\" or \">\" members of btree operator families.",
        ))
    }

    /// The `<` or `>` of ORDER BY.
    pub(crate) fn ordering_operator(
        &self,
        ty: Oid,
        descending: bool,
        span: Option<Span>,
    ) -> Result<Oid, BindError> {
        let equality = self.catalog.equality(ty);
        let operator = equality.map(|e| if descending { e.gt } else { e.lt });
        operator.filter(|o| o.is_valid()).ok_or_else(|| {
            error_with_hint(
                ReasonCode::Type,
                format!(
                    "could not identify an ordering operator for type {}",
                    self.type_name(ty)
                ),
                span,
                "Use an explicit ordering operator or modify the query.",
            )
        })
    }
}

pub(crate) fn operator_call(chosen: Chosen<'_>) -> Expr {
    let kind = ExprKind::Operator {
        operator: chosen.operator.oid,
        function: chosen.operator.function,
        args: chosen.args,
        collation: Oid::INVALID,
    };
    Expr::new(kind, SqlType::new(chosen.result))
}

fn operand_types(operator: &Operator) -> Vec<Oid> {
    if operator.left.is_valid() {
        vec![operator.left, operator.right]
    } else {
        vec![operator.right]
    }
}
