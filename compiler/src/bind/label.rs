//! The names of output columns that the query does not name: PostgreSQL's rules.
//!
//! A column is called after what it comes from. Some forms have a name that is better than
//! nothing only (`case`, the type of a cast); the name of what is inside them is preferred.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AExprKind, JsonExprOp, MinMaxOp, Node, SelectStmt, SqlValueFunctionOp, SubLinkType, XmlExprOp,
};

/// What a column without a name is called.
const NAMELESS: &str = "?column?";

#[derive(PartialEq, Eq)]
enum Strength {
    Weak,
    Strong,
}

/// The name of the column of an expression.
pub(super) fn label(node: &Node) -> String {
    figure(node).map_or_else(|| NAMELESS.into(), |(name, _)| name)
}

fn strong(name: impl Into<String>) -> Option<(String, Strength)> {
    Some((name.into(), Strength::Strong))
}

/// Recursion is bounded by the parser's bound on nesting.
fn figure(node: &Node) -> Option<(String, Strength)> {
    let inside = |node: &Option<Box<Node>>| figure(node.as_deref()?);
    match node.node.as_ref()? {
        NodeEnum::ColumnRef(c) => strong(last_name(&c.fields)?),
        NodeEnum::AIndirection(i) => match last_name(&i.indirection) {
            Some(name) => strong(name),
            None => inside(&i.arg),
        },
        NodeEnum::FuncCall(f) => strong(last_name(&f.funcname)?),
        NodeEnum::AExpr(e) if e.kind() == AExprKind::AexprNullif => strong("nullif"),
        NodeEnum::TypeCast(cast) => match inside(&cast.arg) {
            Some(name) => Some(name),
            None => {
                let name = last_name(&cast.type_name.as_ref()?.names)?;
                Some((name, Strength::Weak))
            }
        },
        NodeEnum::CollateClause(c) => inside(&c.arg),
        NodeEnum::GroupingFunc(_) => strong("grouping"),
        NodeEnum::MergeSupportFunc(_) => strong("merge_action"),
        NodeEnum::SubLink(s) => match s.sub_link_type() {
            SubLinkType::ExistsSublink => strong("exists"),
            SubLinkType::ArraySublink => strong("array"),
            SubLinkType::ExprSublink => match s.subselect.as_ref()?.node.as_ref()? {
                NodeEnum::SelectStmt(select) => strong(first_label(select)),
                _ => None,
            },
            _ => None,
        },
        NodeEnum::CaseExpr(case) => match inside(&case.defresult) {
            Some((name, Strength::Strong)) => strong(name),
            _ => Some(("case".into(), Strength::Weak)),
        },
        NodeEnum::AArrayExpr(_) => strong("array"),
        NodeEnum::RowExpr(_) => strong("row"),
        NodeEnum::CoalesceExpr(_) => strong("coalesce"),
        NodeEnum::MinMaxExpr(m) => strong(match m.op() {
            MinMaxOp::IsLeast => "least",
            _ => "greatest",
        }),
        NodeEnum::SqlvalueFunction(f) => strong(session_value(f.op())?),
        NodeEnum::XmlExpr(x) => strong(match x.op() {
            XmlExprOp::IsXmlconcat => "xmlconcat",
            XmlExprOp::IsXmlelement => "xmlelement",
            XmlExprOp::IsXmlforest => "xmlforest",
            XmlExprOp::IsXmlparse => "xmlparse",
            XmlExprOp::IsXmlpi => "xmlpi",
            XmlExprOp::IsXmlroot => "xmlroot",
            XmlExprOp::IsXmlserialize => "xmlserialize",
            XmlExprOp::IsDocument | XmlExprOp::Undefined => return None,
        }),
        NodeEnum::XmlSerialize(_) => strong("xmlserialize"),
        NodeEnum::JsonParseExpr(_) => strong("json"),
        NodeEnum::JsonScalarExpr(_) => strong("json_scalar"),
        NodeEnum::JsonSerializeExpr(_) => strong("json_serialize"),
        NodeEnum::JsonObjectConstructor(_) => strong("json_object"),
        NodeEnum::JsonArrayConstructor(_) | NodeEnum::JsonArrayQueryConstructor(_) => {
            strong("json_array")
        }
        NodeEnum::JsonObjectAgg(_) => strong("json_objectagg"),
        NodeEnum::JsonArrayAgg(_) => strong("json_arrayagg"),
        NodeEnum::JsonFuncExpr(f) => strong(match f.op() {
            JsonExprOp::JsonExistsOp => "json_exists",
            JsonExprOp::JsonQueryOp => "json_query",
            JsonExprOp::JsonValueOp => "json_value",
            JsonExprOp::JsonTableOp | JsonExprOp::Undefined => return None,
        }),
        _ => None,
    }
}

/// The name of the first output column of a query.
fn first_label(select: &SelectStmt) -> String {
    if let Some(left) = &select.larg {
        return first_label(left);
    }
    if !select.values_lists.is_empty() {
        return "column1".into();
    }
    match select.target_list.first().and_then(|t| t.node.as_ref()) {
        Some(NodeEnum::ResTarget(t)) if !t.name.is_empty() => t.name.clone(),
        Some(NodeEnum::ResTarget(t)) => t.val.as_deref().map_or_else(|| NAMELESS.into(), label),
        _ => NAMELESS.into(),
    }
}

/// The last of the names in a list that may also hold subscripts and stars.
fn last_name(fields: &[Node]) -> Option<String> {
    fields.iter().rev().find_map(|f| match &f.node {
        Some(NodeEnum::String(s)) => Some(s.sval.clone()),
        _ => None,
    })
}

fn session_value(op: SqlValueFunctionOp) -> Option<&'static str> {
    use SqlValueFunctionOp::*;
    Some(match op {
        SvfopCurrentDate => "current_date",
        SvfopCurrentTime | SvfopCurrentTimeN => "current_time",
        SvfopCurrentTimestamp | SvfopCurrentTimestampN => "current_timestamp",
        SvfopLocaltime | SvfopLocaltimeN => "localtime",
        SvfopLocaltimestamp | SvfopLocaltimestampN => "localtimestamp",
        SvfopCurrentRole => "current_role",
        SvfopCurrentUser => "current_user",
        SvfopUser => "user",
        SvfopSessionUser => "session_user",
        SvfopCurrentCatalog => "current_catalog",
        SvfopCurrentSchema => "current_schema",
        SqlvalueFunctionOpUndefined => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(sql: &str) -> Vec<String> {
        let tree = crate::parse::parse(sql).expect("parses");
        let stmt = tree.stmts[0].stmt.as_ref().and_then(|s| s.node.as_ref());
        let Some(NodeEnum::SelectStmt(select)) = stmt else {
            panic!("a SELECT")
        };
        let value = |n: &Node| match &n.node {
            Some(NodeEnum::ResTarget(t)) => label(t.val.as_deref().expect("a value")),
            other => panic!("a target, not {other:?}"),
        };
        select.target_list.iter().map(value).collect()
    }

    #[test]
    fn columns_are_called_after_what_they_come_from() {
        let sql = "SELECT a, t.b, (c).d, (e)[1], count(*), extract(year from f), g::int, 'x'::date,
            h COLLATE \"C\", nullif(i, j), 1 + 2, -k, NOT l, m IS NULL";
        assert_eq!(
            labels(sql),
            [
                "a", "b", "d", "e", "count", "extract", "g", "date", "h", "nullif", "?column?",
                "?column?", "?column?", "?column?"
            ]
        );
    }

    #[test]
    fn weak_names_give_way() {
        let sql = "SELECT CASE WHEN a THEN b ELSE c END, CASE WHEN a THEN b END,
            CASE WHEN a THEN b ELSE 1::int END, CAST(CASE WHEN a THEN b ELSE c END AS text),
            CASE WHEN a THEN b ELSE CASE WHEN a THEN b END END";
        assert_eq!(labels(sql), ["c", "case", "case", "c", "case"]);
        assert_eq!(
            labels("SELECT 1::int8, '2'::varchar(3)"),
            ["int8", "varchar"]
        );
    }

    #[test]
    fn syntax_has_names() {
        let sql = "SELECT coalesce(a, b), greatest(a, b), least(a, b), ARRAY[1], ROW(1, 2), \
            EXISTS (SELECT 1), ARRAY(SELECT 1), (SELECT max(x) FROM t), (SELECT 1 AS y), \
            a IN (SELECT 1), current_date, current_timestamp(3), current_user, \
            json_object('a': 1), xmlforest(a), (VALUES (1))";
        assert_eq!(
            labels(sql),
            [
                "coalesce",
                "greatest",
                "least",
                "array",
                "row",
                "exists",
                "array",
                "max",
                "y",
                "?column?",
                "current_date",
                "current_timestamp",
                "current_user",
                "json_object",
                "xmlforest",
                "column1"
            ]
        );
    }
}
