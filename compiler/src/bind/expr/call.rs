//! Calls: functions, aggregates, window functions, set-returning functions.

use super::{Binder, ExprPosition, node, span_of};
use crate::bind::context::{AggregateCall, BindError, Context, Name};
use crate::bind::order::sort_key;
use crate::typing::{
    Argument, Call, FunctionCall, Resolved, Typing, collate, error, error_with_hint,
};
use pg_query::NodeEnum;
use pg_query::protobuf::{self, Node};
use spec::catalog::{AggregateKind, Function, FunctionKind, Volatility};
use spec::expr::ExprKind;
use spec::types::{Oid, SqlType, oids};
use spec::{Expr, Reason, ReasonCode, Span};

impl<'a> Binder<'_, 'a> {
    pub(super) fn call(&mut self, f: &protobuf::FuncCall) -> Result<Expr, BindError> {
        let span = self.typing.span(f.location);
        let name = node::name(&f.funcname)?;
        // Arguments of an aggregate may not hold another: the context wants to know, but whether
        // this is one is known only afterwards, from the name.
        let aggregate = self.may_be_aggregate(f, &name);
        if aggregate {
            self.scope.enter_aggregate(span)?;
        }
        let bound = self.bind_arguments(f);
        if aggregate {
            self.scope.leave_aggregate();
        }
        let Bound {
            args,
            order_by,
            filter,
        } = bound?;
        let first = args.first().map(|a| a.expr.clone());
        let signature = self.typing.call_signature(&name, &args);
        let ordered: Vec<Expr> = args.iter().map(|a| a.expr.clone()).collect();
        let call = FunctionCall {
            name: &name,
            args,
            variadic: f.func_variadic,
            span,
        };
        match self.resolve(call)? {
            Resolved::Cast(cast) => {
                self.only_for_aggregates(f, &name, span)?;
                Ok(cast)
            }
            Resolved::Call(call) => match call.function.kind {
                FunctionKind::Function => {
                    self.only_for_aggregates(f, &name, span)?;
                    if call.function.returns_set {
                        return self.set_returning(call, span);
                    }
                    self.scalar_call(call, span)
                }
                FunctionKind::Aggregate if f.over.is_none() => {
                    self.aggregate_call(f, call, order_by, filter, ordered, span)
                }
                FunctionKind::Aggregate | FunctionKind::Window => {
                    if let Some(over) = &f.over {
                        return self.window_call(f, over, call, filter, span);
                    }
                    let message =
                        format!("window function {} requires an OVER clause", name.join("."));
                    Err(error(ReasonCode::Type, message, span))
                }
                FunctionKind::Procedure => {
                    let message = format!("{signature} is a procedure");
                    Err(error(ReasonCode::Type, message, span))
                }
            },
            Resolved::NotFound => {
                // `field(row)` is `row.field`.
                if let ([field], Some(row)) = (name.as_slice(), first)
                    && f.args.len() == 1
                    && let Ok(fields) = super::indirection::fields(&row, span, self.typing)
                    && let Some((_, field)) = fields.into_iter().find(|(n, _)| n == field)
                {
                    return Ok(field);
                }
                Err(error_with_hint(
                    ReasonCode::Name,
                    format!("function {signature} does not exist"),
                    span,
                    "No function matches the name and argument types. Perhaps explicit type casts \
                     are needed.",
                ))
            }
        }
    }

    fn may_be_aggregate(&self, f: &protobuf::FuncCall, name: &Name) -> bool {
        let Some(last) = name.last().filter(|_| f.over.is_none()) else {
            return false;
        };
        let mut named = self.typing.catalog.functions_named(last).peekable();
        named.peek().is_some() && named.all(|f| f.kind == FunctionKind::Aggregate)
    }

    pub(super) fn bind_arguments(&mut self, f: &protobuf::FuncCall) -> Result<Bound, BindError> {
        let mut args: Vec<Argument> = vec![];
        for arg in &f.args {
            let span = span_of(arg, self.typing);
            let (value, name) = match &arg.node {
                Some(NodeEnum::NamedArgExpr(named)) => {
                    (self.required(&named.arg)?, Some(named.name.clone()))
                }
                _ => (self.expr(arg)?, None),
            };
            match &name {
                None if args.last().is_some_and(|a| a.name.is_some()) => {
                    let message = "positional argument cannot follow named argument";
                    return Err(error(ReasonCode::Syntax, message, span));
                }
                Some(n) if args.iter().any(|a| a.name.as_ref() == Some(n)) => {
                    let message = format!("argument name \"{n}\" used more than once");
                    return Err(error(ReasonCode::Syntax, message, span));
                }
                _ => args.push(Argument { expr: value, name }),
            }
        }
        let mut order_by = vec![];
        for sort in &f.agg_order {
            let Some(NodeEnum::SortBy(sort)) = &sort.node else {
                return Err(error(ReasonCode::Unsupported, "an unknown ORDER BY", None));
            };
            let expr = self.required(&sort.node)?;
            if f.agg_within_group {
                args.push(Argument { expr, name: None });
                order_by.push(((**sort).clone(), None));
            } else {
                let expr = self.typing.resolve_unknown(expr);
                order_by.push(((**sort).clone(), Some(expr)));
            }
        }
        let filter = match &f.agg_filter {
            Some(filter) => {
                let span = span_of(filter, self.typing);
                let condition = self.expr(filter)?;
                Some(
                    self.typing
                        .coerce_to_boolean(condition, ExprPosition::Filter.name(), span)?,
                )
            }
            None => None,
        };
        Ok(Bound {
            args,
            order_by,
            filter,
        })
    }

    /// Resolves a call; defaults of parameters are bound from their text.
    pub(super) fn resolve(&mut self, call: FunctionCall<'_>) -> Result<Resolved<'a>, BindError> {
        let typing = self.typing;
        let scope = &mut *self.scope;
        typing.resolve_function(call, &mut |text| default_expr(text, typing, scope))
    }

    pub(super) fn scalar_call(
        &mut self,
        call: Call<'_>,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        self.note_kind(&call, span);
        let kind = ExprKind::Call {
            function: call.function.oid,
            args: call.args,
            collation: Oid::INVALID,
            variadic: call.variadic,
        };
        Ok(Expr::new(kind, SqlType::new(call.result)))
    }

    pub(super) fn note_kind(&self, call: &Call<'_>, span: Option<Span>) {
        let function = call.function.oid;
        if fills_records(function) {
            // As volatile as what reads the fields; who knows these, notes it.
            self.typing.note_steady_call(function);
            if call.result != oids::RECORD {
                self.typing.note_input(call.result, span);
            }
            return;
        }
        self.typing.note_call(function, &call.args, span);
    }

    /// A call that stands for its rows until whoever binds the clause takes it out.
    fn set_returning(&mut self, call: Call<'_>, span: Option<Span>) -> Result<Expr, BindError> {
        if !self.position.allows_sets() {
            let place = self.position.name();
            let message = format!("set-returning functions are not allowed in {place}");
            return Err(error(ReasonCode::Type, message, span));
        }
        self.scalar_call(call, span)
    }

    /// Modifiers that only aggregates have.
    fn only_for_aggregates(
        &self,
        f: &protobuf::FuncCall,
        name: &Name,
        span: Option<Span>,
    ) -> Result<(), BindError> {
        let modifier = if f.agg_star {
            "(*)"
        } else if f.agg_distinct {
            "DISTINCT"
        } else if f.agg_within_group {
            "WITHIN GROUP"
        } else if !f.agg_order.is_empty() {
            "ORDER BY"
        } else if f.agg_filter.is_some() {
            "FILTER"
        } else if f.over.is_some() {
            let message = format!(
                "OVER specified, but {} is not a window function nor an aggregate function",
                name.join(".")
            );
            return Err(error(ReasonCode::Type, message, span));
        } else {
            return Ok(());
        };
        let message = format!(
            "{modifier} specified, but {} is not an aggregate function",
            name.join(".")
        );
        Err(error(ReasonCode::Type, message, span))
    }

    pub(super) fn aggregate_call(
        &mut self,
        f: &protobuf::FuncCall,
        call: Call<'_>,
        order_by: Vec<(protobuf::SortBy, Option<Expr>)>,
        filter: Option<Expr>,
        given: Vec<Expr>,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        let function = call.function;
        let typing = self.typing;
        self.check_aggregate(f, &call, given.len(), span)?;
        typing.note_aggregate(function.oid);
        let mut args = vec![];
        for arg in &self.hypothetical(f, &call, span)? {
            args.push(typing.assign_collations(arg, span)?);
        }
        let ordered_set = is_ordered_set(function);
        let direct = if ordered_set {
            let aggregated = f.agg_order.len().min(args.len());
            let rest = args.split_off(args.len() - aggregated);
            std::mem::replace(&mut args, rest)
        } else {
            vec![]
        };
        let mut keys = vec![];
        for (i, (sort, expr)) in order_by.iter().enumerate() {
            let expr = match expr {
                Some(expr) => {
                    // The same expression as an argument is ordered as it is passed.
                    let same = given.iter().position(|g| g == expr);
                    let same = same.filter(|i| *i < given.len() - call.gathered());
                    match same.and_then(|i| args.get(i)) {
                        Some(arg) => arg.clone(),
                        None => typing.assign_collations(expr, span)?,
                    }
                }
                None => match args.get(i) {
                    Some(arg) => arg.clone(),
                    None => continue,
                },
            };
            keys.push(sort_key(sort, expr, self.typing)?);
        }
        if f.agg_distinct {
            for arg in &args {
                typing.grouping_equality(arg.ty(), span)?;
            }
            if keys.iter().any(|k| !args.contains(&k.expr)) {
                let message = "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list";
                return Err(error(ReasonCode::Type, message, span));
            }
        }
        let filter = match filter {
            Some(filter) => Some(typing.assign_collations(&filter, span)?),
            None => None,
        };
        let mut variadic = call.variadic;
        // DISTINCT of an array is DISTINCT of its elements, and SQL has no DISTINCT VARIADIC.
        if f.agg_distinct
            && call.gathered() > 0
            && let Some(ExprKind::Array(elements)) = args.last().map(|a| a.kind().clone())
        {
            args.pop();
            args.extend(elements);
            variadic = false;
        }
        // What the call's own collation is derived from: direct arguments count, too.
        let inputs: Vec<&Expr> = direct.iter().chain(&args).collect();
        let (ty, collation, explicit) = self.result_of(&call, &inputs, span)?;
        let result = self.scope.aggregate(AggregateCall {
            function: function.oid,
            direct,
            args,
            variadic,
            distinct: f.agg_distinct,
            order_by: keys,
            filter,
            ty,
            collation,
            span,
        })?;
        // A column would not tell that its collation was chosen by COLLATE.
        Ok(if explicit {
            collate(result, ty.collation)
        } else {
            result
        })
    }

    /// The hypothetical row of `rank(…) WITHIN GROUP (ORDER BY …)` has the types of the rows that it
    /// is compared with, or both have a common type.
    fn hypothetical(
        &self,
        f: &protobuf::FuncCall,
        call: &Call<'_>,
        span: Option<Span>,
    ) -> Result<Vec<Expr>, BindError> {
        let mut args = call.args.clone();
        let kind = call.function.aggregate.as_ref().map(|a| a.kind);
        if kind != Some(AggregateKind::Hypothetical) || call.function.variadic != oids::ANY {
            return Ok(args);
        }
        let aggregated = f.agg_order.len();
        for i in args.len().saturating_sub(aggregated)..args.len() {
            let Some(h) = i.checked_sub(aggregated) else {
                continue;
            };
            let pair = [&args[i], &args[h]];
            let common = self.typing.common_type(&pair, "WITHIN GROUP", span)?.oid;
            for position in [h, i] {
                let arg = args[position].clone();
                args[position] = self
                    .typing
                    .coerce_to_common(arg, common, "WITHIN GROUP", span)?;
            }
        }
        Ok(args)
    }

    fn check_aggregate(
        &self,
        f: &protobuf::FuncCall,
        call: &Call<'_>,
        given: usize,
        span: Option<Span>,
    ) -> Result<(), BindError> {
        let name = &call.function.name;
        if let Volatility::Volatile = call.function.volatility {
            self.typing.note_volatile(call.function.oid, span);
        }
        let Some(aggregate) = &call.function.aggregate else {
            let message = format!("aggregate {name} is not known well enough");
            return Err(error(ReasonCode::Unsupported, message, span));
        };
        if aggregate.kind == AggregateKind::Normal {
            if f.agg_within_group {
                let message = format!(
                    "{name} is not an ordered-set aggregate, so it cannot have WITHIN GROUP"
                );
                return Err(error(ReasonCode::Type, message, span));
            }
            if given == 0 && !f.agg_star {
                let message =
                    format!("{name}(*) must be used to call a parameterless aggregate function");
                return Err(error(ReasonCode::Type, message, span));
            }
            return Ok(());
        }
        if !f.agg_within_group {
            let message = format!("WITHIN GROUP is required for ordered-set aggregate {name}");
            return Err(error(ReasonCode::Type, message, span));
        }
        let direct = given - f.agg_order.len().min(given);
        let wanted = usize::from(aggregate.direct_args);
        let wrong = if !call.function.variadic.is_valid() || wanted < call.function.args.len() {
            direct != wanted
        } else if aggregate.kind == AggregateKind::Hypothetical {
            call.expanded != 2 * f.agg_order.len()
        } else {
            call.expanded <= f.agg_order.len()
        };
        if wrong {
            let message = format!(
                "function {name} does not exist with {direct} direct and {} ordered arguments",
                f.agg_order.len()
            );
            return Err(error(ReasonCode::Name, message, span));
        }
        Ok(())
    }
}

/// The bound parts of a call.
pub(super) struct Bound {
    /// Those of WITHIN GROUP included, at the end.
    args: Vec<Argument>,
    /// With their expressions, but for WITHIN GROUP.
    pub order_by: Vec<(protobuf::SortBy, Option<Expr>)>,
    pub filter: Option<Expr>,
}

fn is_ordered_set(function: &Function) -> bool {
    function
        .aggregate
        .as_ref()
        .is_some_and(|a| a.kind != AggregateKind::Normal)
}

/// `json_to_record` and kin, which are STABLE only because they call the input functions of the
/// fields' types.
pub(crate) fn fills_records(function: Oid) -> bool {
    matches!(
        function.0,
        3204 | 3205 | 3209 | 3475 | 3490 | 3491 | 3960 | 3961
    )
}

/// The default of a parameter, from its SQL text. It reads no columns.
fn default_expr(
    text: &str,
    typing: &Typing<'_>,
    scope: &mut dyn Context,
) -> Result<Expr, BindError> {
    let unreadable = || {
        let message = format!("the default {text} of an argument cannot be read");
        error(ReasonCode::Unsupported, message, None)
    };
    let tree = crate::parse::parse(&format!("SELECT {text}")).map_err(|_| unreadable())?;
    let statement = tree
        .stmts
        .first()
        .and_then(|s| s.stmt.as_ref())
        .and_then(|s| s.node.as_ref());
    let Some(NodeEnum::SelectStmt(select)) = statement else {
        return Err(unreadable());
    };
    let Some(NodeEnum::ResTarget(target)) =
        select.target_list.first().and_then(|t| t.node.as_ref())
    else {
        return Err(unreadable());
    };
    let value: &Node = target.val.as_ref().ok_or_else(unreadable)?;
    // Places in it would point into the query.
    let inner = Typing::new(typing.catalog, None);
    let mut nothing = NoColumns { outer: scope };
    super::bind_expr(value, ExprPosition::Default, &mut nothing, &inner)
}

/// The context of an expression that stands for itself.
struct NoColumns<'s> {
    outer: &'s mut dyn Context,
}

impl NoColumns<'_> {
    fn refuse<T>(&self, what: &str) -> Result<T, BindError> {
        let message = format!("{what} is not allowed in the default of an argument");
        Err(error(ReasonCode::Unsupported, message, None))
    }
}

impl Context for NoColumns<'_> {
    fn column(&mut self, _: &[String], _: Option<Span>) -> Result<Expr, BindError> {
        self.refuse("a column")
    }

    fn star(&mut self, _: &[String], _: Option<Span>) -> Result<Vec<(String, Expr)>, BindError> {
        self.refuse("a column")
    }

    fn aggregate(&mut self, _: AggregateCall) -> Result<Expr, BindError> {
        self.refuse("an aggregate")
    }

    fn grouping(&mut self, _: Vec<Expr>, _: Option<Span>) -> Result<Expr, BindError> {
        self.refuse("GROUPING()")
    }

    fn enter_aggregate(&mut self, _: Option<Span>) -> Result<(), BindError> {
        self.refuse("an aggregate")
    }

    fn leave_aggregate(&mut self) {}

    fn window(&mut self, _: crate::bind::context::WindowCall) -> Result<Expr, BindError> {
        self.refuse("a window function")
    }

    fn sublink(
        &mut self,
        _: crate::bind::context::SublinkKind,
        _: &Node,
        _: Option<Span>,
    ) -> Result<Expr, BindError> {
        self.refuse("a subquery")
    }

    fn report(&mut self, reason: Reason) {
        self.outer.report(reason);
    }

    fn volatility(&mut self, what: &str, volatility: Volatility, span: Option<Span>) {
        self.outer.volatility(what, volatility, span);
    }

    fn moving_literal(&mut self, what: &str, span: Option<Span>) {
        self.outer.moving_literal(what, span);
    }
}
