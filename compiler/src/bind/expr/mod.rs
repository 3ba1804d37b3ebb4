//! Binding of expressions: raw parse tree to [`Expr`], by PostgreSQL's rules.
//!
//! [`bind_expr`] is the door; the context of the clause resolves columns, aggregates and
//! subqueries. What PostgreSQL desugars, and what has implicit operator look-ups, comes out as
//! bound operators.

mod array;
mod boolean;
mod call;
mod cast;
mod column;
mod comparison;
mod conditional;
mod indirection;
mod json;
mod list;
mod node;
mod row;
mod session;
mod sublink;
mod syntax;
#[cfg(test)]
pub(crate) mod tests;
pub(super) mod window;
mod xml;

pub(crate) use call::fills_records;
pub(super) use json::bind_json_table;
pub(super) use xml::bind_xml_table;

use super::context::{BindError, Context};
use crate::typing::{Typing, error, error_with_hint};
use pg_query::NodeEnum;
use pg_query::protobuf::{self, Node};
use spec::catalog::Catalog;
use spec::expr::ExprKind;
use spec::types::{Oid, SqlType, oids};
use spec::{Expr, Reason, ReasonCode, Span};

/// The clause in which an expression stands; for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExprPosition {
    SelectList,
    Where,
    JoinOn,
    GroupBy,
    Having,
    OrderBy,
    DistinctOn,
    Values,
    Limit,
    Offset,
    FromFunction,
    Filter,
    Default,
    GeneratedColumn,
}

impl ExprPosition {
    /// As in "argument of WHERE must be type boolean".
    pub fn name(self) -> &'static str {
        match self {
            ExprPosition::SelectList => "SELECT",
            ExprPosition::Where => "WHERE",
            ExprPosition::JoinOn => "JOIN/ON",
            ExprPosition::GroupBy => "GROUP BY",
            ExprPosition::Having => "HAVING",
            ExprPosition::OrderBy => "ORDER BY",
            ExprPosition::DistinctOn => "DISTINCT ON",
            ExprPosition::Values => "VALUES",
            ExprPosition::Limit => "LIMIT",
            ExprPosition::Offset => "OFFSET",
            ExprPosition::FromFunction => "functions in FROM",
            ExprPosition::Filter => "FILTER",
            ExprPosition::Default => "DEFAULT",
            ExprPosition::GeneratedColumn => "column generation",
        }
    }
}

impl ExprPosition {
    fn allows_windows(self) -> bool {
        use ExprPosition::*;
        matches!(self, SelectList | OrderBy | DistinctOn)
    }

    fn allows_sets(self) -> bool {
        use ExprPosition::*;
        self.allows_windows() || matches!(self, GroupBy | FromFunction)
    }
}

/// An operator's name, as USING writes it.
pub(super) fn operator_name(nodes: &[Node]) -> Result<super::context::Name, BindError> {
    node::name(nodes)
}

/// JSON_TABLE or XMLTABLE: a call that is printed in FROM, and what it makes.
pub(super) struct TableFunction {
    pub call: Expr,
    pub columns: Vec<(String, SqlType)>,
}

/// Binds one expression. Collations are assigned. The result may be a literal of type `unknown`:
/// the caller coerces it ([`Typing::coerce_to_boolean`], …) or makes it text
/// ([`Typing::resolve_unknown`]). WHERE, ON, HAVING, FILTER: use [`bind_condition`].
pub fn bind_expr(
    node: &Node,
    position: ExprPosition,
    scope: &mut dyn Context,
    typing: &Typing<'_>,
) -> Result<Expr, BindError> {
    let mut binder = Binder {
        typing,
        scope,
        position,
    };
    let expr = binder.expr(node)?;
    let expr = typing.assign_collations(&expr, span_of(node, typing))?;
    typing.flush(scope);
    Ok(expr)
}

/// Binds a condition: coerced to boolean, collations assigned.
pub fn bind_condition(
    node: &Node,
    position: ExprPosition,
    scope: &mut dyn Context,
    typing: &Typing<'_>,
) -> Result<Expr, BindError> {
    let expr = bind_expr(node, position, scope, typing)?;
    let expr = typing.coerce_to_boolean(expr, position.name(), span_of(node, typing))?;
    typing.flush(scope);
    Ok(expr)
}

/// Binds a list in which `t.*` stands for all its columns: a row of VALUES, the fields of ROW.
pub fn bind_list(
    nodes: &[Node],
    position: ExprPosition,
    scope: &mut dyn Context,
    typing: &Typing<'_>,
) -> Result<Vec<Expr>, BindError> {
    let mut binder = Binder {
        typing,
        scope,
        position,
    };
    let exprs = binder.expanded_list(nodes)?;
    let place = nodes.first().and_then(|n| span_of(n, typing));
    let exprs = exprs
        .iter()
        .map(|e| typing.assign_collations(e, place))
        .collect();
    typing.flush(scope);
    exprs
}

/// The fields of a value of a composite type, for `(expr).*`: names and field selections.
pub fn row_fields(
    expr: &Expr,
    span: Option<Span>,
    typing: &Typing<'_>,
) -> Result<Vec<(String, Expr)>, BindError> {
    indirection::fields(expr, span, typing)
}

/// Does a set-returning function stand in the expression?
pub fn returns_set(expr: &Expr, catalog: &Catalog) -> bool {
    let mut found = false;
    expr.walk(&mut |e| found |= is_set(e, catalog));
    found
}

/// Is it a call of a set-returning function?
pub fn is_set(expr: &Expr, catalog: &Catalog) -> bool {
    match expr.kind() {
        ExprKind::Call { function, .. } => {
            catalog.function(*function).is_some_and(|f| f.returns_set)
        }
        _ => false,
    }
}

/// What PostgreSQL refuses with advice.
pub fn moved_to_lateral(message: impl Into<String>, span: Option<Span>) -> BindError {
    error_with_hint(
        ReasonCode::Type,
        message,
        span,
        "You might be able to move the set-returning function into a LATERAL FROM item.",
    )
}

/// The place of an expression: the token at which PostgreSQL's messages would point.
pub fn span_of(node: &Node, typing: &Typing<'_>) -> Option<Span> {
    typing.span(node::location(node))
}

/// Binding of one expression and what is in it. Collations are not assigned yet.
struct Binder<'s, 'a> {
    typing: &'s Typing<'a>,
    scope: &'s mut dyn Context,
    position: ExprPosition,
}

impl<'s, 'a> Binder<'s, 'a> {
    fn expr(&mut self, node: &Node) -> Result<Expr, BindError> {
        let Some(inner) = &node.node else {
            return Err(error(
                ReasonCode::Unsupported,
                "an empty node in the parse tree",
                None,
            ));
        };
        match inner {
            NodeEnum::AConst(c) => self.constant(c),
            NodeEnum::ColumnRef(c) => self.column_ref(c),
            NodeEnum::AExpr(e) => self.operator_expr(e),
            NodeEnum::BoolExpr(e) => self.bool_expr(e),
            NodeEnum::NullTest(e) => self.null_test(e),
            NodeEnum::BooleanTest(e) => self.boolean_test(e),
            NodeEnum::TypeCast(e) => self.type_cast(e),
            NodeEnum::CollateClause(e) => self.collate_clause(e),
            NodeEnum::CaseExpr(e) => self.case(e),
            NodeEnum::CoalesceExpr(e) => self.coalesce(e),
            NodeEnum::MinMaxExpr(e) => self.min_max(e),
            NodeEnum::AArrayExpr(e) => self.array(e, None),
            NodeEnum::RowExpr(e) => self.row(e),
            NodeEnum::AIndirection(e) => self.indirection(e),
            NodeEnum::SqlvalueFunction(e) => self.session_value(e),
            NodeEnum::FuncCall(e) => self.call(e),
            NodeEnum::SubLink(e) => self.sublink(e),
            NodeEnum::GroupingFunc(e) => {
                let span = self.typing.span(e.location);
                self.scope.enter_aggregate(span)?;
                let args = e.args.iter().map(|a| self.expr(a));
                let args = args.collect::<Result<Vec<_>, _>>();
                self.scope.leave_aggregate();
                self.scope.grouping(args?, span)
            }
            NodeEnum::ParamRef(p) => Err(error(
                ReasonCode::Name,
                format!("there is no parameter ${}", p.number),
                self.typing.span(p.location),
            )),
            NodeEnum::SetToDefault(d) => Err(error(
                ReasonCode::Syntax,
                "DEFAULT is not allowed in this context",
                self.typing.span(d.location),
            )),
            NodeEnum::NamedArgExpr(e) => Err(error(
                ReasonCode::Syntax,
                "a named argument is only allowed in a function call",
                self.typing.span(e.location),
            )),
            other => self.constructor(other, node),
        }
    }

    /// An optional node that the grammar always fills.
    fn required(&mut self, node: &Option<Box<Node>>) -> Result<Expr, BindError> {
        match node {
            Some(node) => self.expr(node),
            None => Err(error(
                ReasonCode::Unsupported,
                "an empty node in the parse tree",
                None,
            )),
        }
    }

    fn constant(&mut self, c: &protobuf::AConst) -> Result<Expr, BindError> {
        use protobuf::a_const::Val;
        let span = self.typing.span(c.location);
        match &c.val {
            _ if c.isnull => Ok(self.typing.unknown_literal(None)),
            None => Ok(self.typing.unknown_literal(None)),
            Some(Val::Ival(i)) => Ok(self.typing.integer(i.ival)),
            Some(Val::Fval(f)) => self.typing.number(&f.fval, span),
            Some(Val::Boolval(b)) => Ok(self.typing.boolean(b.boolval)),
            Some(Val::Sval(s)) => Ok(self.typing.unknown_literal(Some(&s.sval))),
            Some(Val::Bsval(s)) => {
                // Written b'101' or x'1F': the text keeps the letter, as the type's input wants it.
                Ok(Expr::literal(&s.bsval, SqlType::new(oids::BIT)))
            }
        }
    }

    /// What has syntax of its own: SQL/XML and SQL/JSON.
    fn constructor(&mut self, inner: &NodeEnum, node: &Node) -> Result<Expr, BindError> {
        match inner {
            NodeEnum::XmlExpr(e) => self.xml_expr(e),
            NodeEnum::XmlSerialize(e) => self.xml_serialize(e),
            NodeEnum::JsonIsPredicate(e) => self.is_json(e),
            NodeEnum::JsonObjectConstructor(e) => self.json_object(e),
            NodeEnum::JsonArrayConstructor(e) => self.json_array(e),
            NodeEnum::JsonArrayQueryConstructor(e) => self.json_array_of_query(e),
            NodeEnum::JsonObjectAgg(e) => self.json_object_agg(e),
            NodeEnum::JsonArrayAgg(e) => self.json_array_agg(e),
            NodeEnum::JsonParseExpr(e) => self.json_parse(e),
            NodeEnum::JsonScalarExpr(e) => self.json_scalar(e),
            NodeEnum::JsonSerializeExpr(e) => self.json_serialize(e),
            NodeEnum::JsonFuncExpr(e) => self.json_query_function(e),
            _ => {
                let span = span_of(node, self.typing);
                let what = "this kind of expression";
                self.not_incremental(ReasonCode::Unsupported, what, span);
                Ok(self.placeholder(oids::TEXT))
            }
        }
    }

    /// Reports something that only FULL can do; binding goes on.
    fn not_incremental(&mut self, code: ReasonCode, what: &str, span: Option<Span>) {
        let message = match code {
            ReasonCode::Unsupported => format!("{what} is not known to the compiler"),
            _ => format!("{what} is not yet incremental"),
        };
        self.scope.report(Reason {
            code,
            message,
            span,
            hint: None,
        });
    }

    /// A value of a type of which nothing is known but the type.
    fn placeholder(&self, ty: Oid) -> Expr {
        Expr::null(self.typing.catalog.sql_type(ty, -1))
    }
}
