//! Functions: which one a name means, and calls of it.
//!
//! Candidates are all functions of the name along the search path that could take this many
//! arguments: as written, with a VARIADIC parameter expanded, with defaults for the rest, or with
//! arguments matched by name. An exact match wins; then comes `type(value)` as a cast that needs no
//! function of its own; then the competition of `candidates.rs`.

use super::candidates::{Candidate, Choice};
use super::pathway::Pathway;
use super::{Typing, error, error_with_hint};
use crate::bind::context::BindError;
use spec::catalog::{CastContext, Function};
use spec::expr::ExprKind;
use spec::types::{Oid, SqlType, oids};
use spec::{Expr, ReasonCode, Span};

/// An argument of a call.
pub(crate) struct Argument {
    pub expr: Expr,
    pub name: Option<String>,
}

/// A call as written.
pub(crate) struct FunctionCall<'n> {
    pub name: &'n [String],
    pub args: Vec<Argument>,
    /// The last argument is marked VARIADIC.
    pub variadic: bool,
    pub span: Option<Span>,
}

/// What a call means.
pub(crate) enum Resolved<'a> {
    /// `text(x)`, `int4('1')`.
    Cast(Expr),
    Call(Call<'a>),
    NotFound,
}

/// A function over coerced arguments, in the order of its parameters, defaults filled in.
pub(crate) struct Call<'a> {
    pub function: &'a Function,
    pub args: Vec<Expr>,
    pub variadic: bool,
    pub result: Oid,
    /// How many trailing arguments of the call went into a VARIADIC parameter.
    pub expanded: usize,
}

impl Call<'_> {
    /// How many trailing arguments of the call are one array now.
    pub fn gathered(&self) -> usize {
        match self.function.variadic {
            oids::ANY => 0,
            _ => self.expanded,
        }
    }
}

/// Binds a default of a parameter.
pub(crate) type Default<'d> = &'d mut dyn FnMut(&str) -> Result<Expr, BindError>;

#[derive(Clone)]
struct Overload<'a> {
    function: &'a Function,
    /// None: several functions are equally good.
    ambiguous: bool,
    /// Types in the order of the call: given arguments, then defaulted parameters.
    types: Vec<Oid>,
    /// For each of `types`, the parameter; empty in positional notation.
    positions: Vec<usize>,
    expanded: usize,
    defaulted: usize,
}

impl Candidate for Overload<'_> {
    fn types(&self) -> &[Oid] {
        &self.types
    }
}

impl<'c> Typing<'c> {
    pub(crate) fn resolve_function(
        &self,
        call: FunctionCall<'_>,
        default: Default<'_>,
    ) -> Result<Resolved<'c>, BindError> {
        let FunctionCall {
            name,
            args,
            variadic,
            span,
        } = call;
        let names: Vec<&str> = args.iter().filter_map(|a| a.name.as_deref()).collect();
        let actual: Vec<Oid> = args.iter().map(|a| a.expr.ty().oid).collect();
        let overloads = self.function_overloads(name, &actual, &names, !variadic, span)?;
        let exact = overloads.iter().find(|o| o.types[..actual.len()] == actual);
        let chosen = match exact {
            Some(exact) => exact.clone(),
            None => {
                if let [only] = args.as_slice()
                    && only.name.is_none()
                    && let Some(cast) = self.function_as_cast(name, &only.expr, span)?
                {
                    return Ok(Resolved::Cast(cast));
                }
                match self.choose(overloads, &actual) {
                    Choice::One(one) => one,
                    Choice::None => return Ok(Resolved::NotFound),
                    Choice::Ambiguous => return Err(self.ambiguous(name, &args, span)),
                }
            }
        };
        if chosen.ambiguous {
            return Err(self.ambiguous(name, &args, span));
        }
        if !names.is_empty()
            && variadic
            && chosen.positions.get(actual.len() - 1) != Some(&(actual.len() - 1))
        {
            return Ok(Resolved::NotFound);
        }
        self.complete(chosen, args, actual, variadic, span, default)
            .map(Resolved::Call)
    }

    /// Defaults, polymorphic types, coercions, VARIADIC arrays, the order of the parameters.
    fn complete(
        &self,
        chosen: Overload<'c>,
        args: Vec<Argument>,
        mut actual: Vec<Oid>,
        mut variadic: bool,
        span: Option<Span>,
        default: Default<'_>,
    ) -> Result<Call<'c>, BindError> {
        let function = chosen.function;
        let mut exprs: Vec<Expr> = args.into_iter().map(|a| a.expr).collect();
        let given = exprs.len();
        for i in given..chosen.types.len() {
            let parameter = chosen.positions.get(i).copied().unwrap_or(i);
            let first = function.args.len() - usize::from(function.defaults);
            let text = parameter
                .checked_sub(first)
                .and_then(|d| function.default_exprs.get(d));
            let Some(text) = text else {
                let message = format!(
                    "the default of an argument of function {} is not known",
                    function.name
                );
                return Err(error(ReasonCode::Unsupported, message, span));
            };
            let expr = default(text)?;
            actual.push(expr.ty().oid);
            exprs.push(expr);
        }
        let mut declared = chosen.types.clone();
        let result = self.resolve_polymorphic(&actual, &mut declared, function.result, span)?;
        // PostgreSQL stores defaults coerced, and its analysed tree does not hold them.
        let defaults = exprs.split_off(given);
        let mut exprs = self.coerce_arguments(exprs, &declared[..given], span)?;
        let mark = self.mark();
        exprs.extend(self.coerce_arguments(defaults, &declared[given..], span)?);
        self.rewind(mark);
        if !function.variadic.is_valid() {
            variadic = false;
        }
        if chosen.expanded > 0 && function.variadic != oids::ANY {
            let rest = exprs.split_off(given - chosen.expanded);
            // All of them were coerced to the same type.
            let element = rest.first().map_or(function.variadic, |e| e.ty().oid);
            let Some(array) = self.catalog.array_type(element) else {
                let name = self.type_name(element);
                let message = format!("could not find array type for data type {name}");
                return Err(error(ReasonCode::Type, message, span));
            };
            let typmod = self.common_typmod(&rest.iter().collect::<Vec<_>>(), element);
            let ty = SqlType {
                typmod,
                ..SqlType::new(array)
            };
            exprs.push(Expr::new(ExprKind::Array(rest), ty));
            variadic = true;
        }
        if variadic
            && function.variadic == oids::ANY
            && let Some(&last) = actual.get(given.saturating_sub(1))
            && self.catalog.base_element_type(last).is_none()
        {
            return Err(error(
                ReasonCode::Type,
                "VARIADIC argument must be an array",
                span,
            ));
        }
        if !chosen.positions.is_empty() {
            let mut ordered: Vec<(usize, Expr)> = chosen.positions.into_iter().zip(exprs).collect();
            ordered.sort_by_key(|(position, _)| *position);
            exprs = ordered.into_iter().map(|(_, expr)| expr).collect();
        }
        Ok(Call {
            function,
            args: exprs,
            variadic,
            result,
            expanded: chosen.expanded,
        })
    }

    /// A call in function notation that is a cast without a function (`text(varchar)`), or of a
    /// literal.
    fn function_as_cast(
        &self,
        name: &[String],
        arg: &Expr,
        span: Option<Span>,
    ) -> Result<Option<Expr>, BindError> {
        let ty = match name {
            [name] => self.catalog.type_named(None, name),
            [schema, name] => self.catalog.type_named(Some(schema), name),
            _ => None,
        };
        // Row types of tables are not meant by their names.
        let Some(target) = ty.filter(|t| !t.relation.is_valid()).map(|t| t.oid) else {
            return Ok(None);
        };
        let source = arg.ty().oid;
        let is_cast = if source == oids::UNKNOWN && matches!(arg.kind(), ExprKind::Const(_)) {
            true
        } else {
            match self.pathway(source, target, CastContext::Explicit) {
                Some(Pathway::Relabel) => true,
                Some(Pathway::InOut) => {
                    let row = source == oids::RECORD || self.is_composite(source);
                    !(row && self.category(target) == 'S')
                }
                _ => false,
            }
        };
        if !is_cast {
            return Ok(None);
        }
        self.coerce(arg.clone(), target, -1, CastContext::Explicit, span)
            .map(Some)
    }

    fn function_overloads(
        &self,
        name: &[String],
        actual: &[Oid],
        names: &[&str],
        expand: bool,
        span: Option<Span>,
    ) -> Result<Vec<Overload<'c>>, BindError> {
        let Some((last, schema)) = name.split_last() else {
            return Err(error(ReasonCode::Name, "a function without a name", span));
        };
        let namespace = match schema {
            [] => None,
            [schema] | [_, schema] => match self.catalog.namespace_named(schema) {
                Some(namespace) => Some(namespace.oid),
                None => {
                    let message = format!("schema \"{schema}\" does not exist");
                    return Err(error(ReasonCode::Name, message, span));
                }
            },
            _ => {
                return Err(error(
                    ReasonCode::Name,
                    "improper qualified function name",
                    span,
                ));
            }
        };
        let mut found: Vec<Overload<'c>> = vec![];
        for function in self.catalog.functions_named(last) {
            let visible = match namespace {
                Some(namespace) => function.namespace == namespace,
                None => self.catalog.position(function.namespace) != usize::MAX,
            };
            if !visible {
                continue;
            }
            if let Some(overload) = overload(function, actual.len(), names, expand) {
                self.add_overload(&mut found, overload);
            }
        }
        Ok(found)
    }

    /// Of functions that take the same arguments, the one earlier in the path; in one schema, one
    /// that is not VARIADIC; else none.
    fn add_overload(&self, found: &mut Vec<Overload<'c>>, new: Overload<'c>) {
        let given = |o: &Overload<'c>| o.types.len() - o.defaulted;
        let same = |o: &Overload<'c>| o.types[..given(o)] == new.types[..given(&new)];
        let Some(old) = found.iter_mut().find(|o| same(o)) else {
            found.push(new);
            return;
        };
        let position = |o: &Overload<'c>| self.catalog.position(o.function.namespace);
        match position(&new).cmp(&position(old)) {
            std::cmp::Ordering::Less => *old = new,
            std::cmp::Ordering::Greater => {}
            std::cmp::Ordering::Equal => match (old.expanded > 0, new.expanded > 0) {
                (true, false) => *old = new,
                (false, true) => {}
                _ => old.ambiguous = true,
            },
        }
    }

    fn ambiguous(&self, name: &[String], args: &[Argument], span: Option<Span>) -> BindError {
        error_with_hint(
            ReasonCode::Name,
            format!("function {} is not unique", self.call_signature(name, args)),
            span,
            "Perhaps explicit type casts are needed.",
        )
    }

    /// `f(integer, b => text)`.
    pub(crate) fn call_signature(&self, name: &[String], args: &[Argument]) -> String {
        let args: Vec<String> = args
            .iter()
            .map(|a| {
                let ty = self.type_name(a.expr.ty().oid);
                a.name
                    .as_ref()
                    .map_or(ty.clone(), |name| format!("{name} => {ty}"))
            })
            .collect();
        format!("{}({})", name.join("."), args.join(", "))
    }

    pub(crate) fn note_call(&self, function: Oid, args: &[Expr], span: Option<Span>) {
        self.note_function(function, args, span);
    }
}

/// A function as a candidate for a call of this many arguments, the last `names.len()` by name.
fn overload<'a>(
    function: &'a Function,
    given: usize,
    names: &[&str],
    expand: bool,
) -> Option<Overload<'a>> {
    let parameters = function.args.len();
    let defaults = usize::from(function.defaults);
    let with_defaults = parameters > given;
    if with_defaults && given + defaults < parameters {
        return None;
    }
    if !names.is_empty() {
        if (function.variadic.is_valid() && expand) || parameters < given {
            return None;
        }
        let positions = match_names(function, given, names)?;
        return Some(Overload {
            function,
            ambiguous: false,
            types: positions.iter().map(|&p| function.args[p]).collect(),
            positions,
            expanded: 0,
            defaulted: parameters - given,
        });
    }
    let variadic = parameters <= given && expand && function.variadic.is_valid();
    if parameters != given && !variadic && !with_defaults {
        return None;
    }
    let mut types = function.args.clone();
    let mut expanded = 0;
    if variadic {
        expanded = given - parameters + 1;
        types.pop();
        types.resize(given, function.variadic);
    }
    Some(Overload {
        function,
        ambiguous: false,
        types,
        positions: vec![],
        expanded,
        defaulted: if with_defaults { parameters - given } else { 0 },
    })
}

/// The parameter of each argument, then the defaulted parameters.
fn match_names(function: &Function, given: usize, names: &[&str]) -> Option<Vec<usize>> {
    let parameters = function.args.len();
    if function.arg_names.is_empty() {
        return None;
    }
    let positional = given - names.len();
    let mut positions: Vec<usize> = (0..positional).collect();
    for name in names {
        let position = function.arg_names.iter().position(|n| n == name)?;
        if positions.contains(&position) {
            return None;
        }
        positions.push(position);
    }
    let first_default = parameters - usize::from(function.defaults);
    for parameter in positional..parameters {
        if !positions.contains(&parameter) {
            if parameter < first_default {
                return None;
            }
            positions.push(parameter);
        }
    }
    Some(positions)
}
