//! Reading nodes of the parse tree: places, names.

use crate::bind::context::{BindError, Name};
use crate::typing::error;
use pg_query::NodeEnum;
use pg_query::protobuf::Node;
use spec::ReasonCode;

/// Where PostgreSQL's messages about an expression point; −1 where it does not know.
pub(super) fn location(node: &Node) -> i32 {
    let first = |nodes: &[Node], own: i32| {
        let starts = nodes.iter().map(location).chain([own]).filter(|&l| l >= 0);
        starts.min().unwrap_or(-1)
    };
    let leftmost = |arg: &Option<Box<Node>>, own: i32| match arg.as_deref().map(location) {
        Some(l) if l >= 0 && (own < 0 || l < own) => l,
        _ => own,
    };
    match &node.node {
        Some(NodeEnum::AConst(n)) => n.location,
        Some(NodeEnum::ColumnRef(n)) => n.location,
        Some(NodeEnum::ParamRef(n)) => n.location,
        Some(NodeEnum::AExpr(n)) => leftmost(&n.lexpr, n.location),
        Some(NodeEnum::BoolExpr(n)) => first(&n.args, n.location),
        Some(NodeEnum::NullTest(n)) => leftmost(&n.arg, n.location),
        Some(NodeEnum::BooleanTest(n)) => leftmost(&n.arg, n.location),
        Some(NodeEnum::TypeCast(n)) => {
            let name = n.type_name.as_ref().map_or(-1, |t| t.location);
            let own = if n.location >= 0 && (name < 0 || n.location < name) {
                n.location
            } else {
                name
            };
            leftmost(&n.arg, own)
        }
        Some(NodeEnum::CollateClause(n)) => leftmost(&n.arg, n.location),
        Some(NodeEnum::CaseExpr(n)) => n.location,
        Some(NodeEnum::CoalesceExpr(n)) => n.location,
        Some(NodeEnum::MinMaxExpr(n)) => n.location,
        Some(NodeEnum::AArrayExpr(n)) => n.location,
        Some(NodeEnum::RowExpr(n)) => n.location,
        Some(NodeEnum::AIndirection(n)) => leftmost(&n.arg, -1),
        Some(NodeEnum::SqlvalueFunction(n)) => n.location,
        Some(NodeEnum::FuncCall(n)) => n.location,
        Some(NodeEnum::SubLink(n)) => leftmost(&n.testexpr, n.location),
        Some(NodeEnum::GroupingFunc(n)) => n.location,
        Some(NodeEnum::NamedArgExpr(n)) => n.location,
        Some(NodeEnum::SetToDefault(n)) => n.location,
        Some(NodeEnum::XmlExpr(n)) => n.location,
        Some(NodeEnum::XmlSerialize(n)) => n.location,
        Some(NodeEnum::JsonObjectConstructor(n)) => n.location,
        Some(NodeEnum::JsonArrayConstructor(n)) => n.location,
        Some(NodeEnum::JsonArrayQueryConstructor(n)) => n.location,
        Some(NodeEnum::JsonFuncExpr(n)) => n.location,
        Some(NodeEnum::JsonIsPredicate(n)) => n.location,
        Some(NodeEnum::JsonParseExpr(n)) => n.location,
        Some(NodeEnum::JsonScalarExpr(n)) => n.location,
        Some(NodeEnum::JsonSerializeExpr(n)) => n.location,
        Some(NodeEnum::SortBy(n)) => leftmost(&n.node, n.location),
        Some(NodeEnum::List(n)) => first(&n.items, -1),
        _ => -1,
    }
}

/// A name as a list of `String` nodes.
pub(super) fn name(nodes: &[Node]) -> Result<Name, BindError> {
    let part = |n: &Node| match &n.node {
        Some(NodeEnum::String(s)) => Ok(s.sval.clone()),
        _ => Err(error(
            ReasonCode::Unsupported,
            "a name that is not made of strings",
            None,
        )),
    };
    nodes.iter().map(part).collect()
}

pub(super) fn is_star(node: &Node) -> bool {
    matches!(node.node, Some(NodeEnum::AStar(_)))
}

/// NULL as written, without a cast.
pub(super) fn is_null_literal(node: &Option<Box<Node>>) -> bool {
    matches!(
        node.as_ref().and_then(|n| n.node.as_ref()),
        Some(NodeEnum::AConst(c)) if c.isnull
    )
}
