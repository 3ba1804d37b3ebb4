//! Binding of expressions: raw parse tree to [`Expr`], by PostgreSQL's rules.
//!
//! [`bind_expr`] is the door; the context of the clause resolves columns, aggregates and
//! subqueries. What PostgreSQL desugars, and what has implicit operator look-ups, comes out as
//! bound operators.

use super::context::{BindError, Context};
use crate::typing::Typing;
use pg_query::protobuf::Node;
use spec::{Expr, Span};

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

/// Binds one expression. Collations are assigned. The result may be a literal of type `unknown`:
/// the caller coerces it ([`Typing::coerce_to_boolean`], …) or makes it text
/// ([`Typing::resolve_unknown`]). WHERE, ON, HAVING, FILTER: use [`bind_condition`].
pub fn bind_expr(
    node: &Node,
    position: ExprPosition,
    scope: &mut dyn Context,
    typing: &Typing<'_>,
) -> Result<Expr, BindError> {
    let _ = (node, scope);
    Err(typing.unsupported(position.name()))
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
    nodes
        .iter()
        .map(|n| bind_expr(n, position, scope, typing))
        .collect()
}

/// The fields of a value of a composite type, for `(expr).*`: names and field selections.
pub fn row_fields(
    expr: &Expr,
    span: Option<Span>,
    typing: &Typing<'_>,
) -> Result<Vec<(String, Expr)>, BindError> {
    let _ = (expr, span);
    Err(typing.unsupported("(row).*"))
}

/// The place of an expression: the token at which PostgreSQL's messages would point.
pub fn span_of(node: &Node, typing: &Typing<'_>) -> Option<Span> {
    let _ = node;
    typing.span(-1)
}
