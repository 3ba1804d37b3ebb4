//! Lists of expressions in which `t.*` and `(row).*` stand for all their columns.

use super::{Binder, indirection, node, span_of};
use crate::bind::context::BindError;
use pg_query::NodeEnum;
use pg_query::protobuf::Node;
use spec::Expr;

impl Binder<'_, '_> {
    pub(super) fn expanded_list(&mut self, nodes: &[Node]) -> Result<Vec<Expr>, BindError> {
        let mut exprs = Vec::with_capacity(nodes.len());
        for item in nodes {
            match &item.node {
                Some(NodeEnum::ColumnRef(c)) if c.fields.last().is_some_and(node::is_star) => {
                    let qualifier = node::name(&c.fields[..c.fields.len() - 1])?;
                    let columns = self.scope.star(&qualifier, self.typing.span(c.location))?;
                    exprs.extend(columns.into_iter().map(|(_, expr)| expr));
                }
                Some(NodeEnum::AIndirection(e))
                    if e.indirection.last().is_some_and(node::is_star) =>
                {
                    let span = span_of(item, self.typing);
                    let row = self.select(e, e.indirection.len() - 1)?;
                    let fields = indirection::fields(&row, span, self.typing)?;
                    exprs.extend(fields.into_iter().map(|(_, expr)| expr));
                }
                _ => exprs.push(self.expr(item)?),
            }
        }
        Ok(exprs)
    }
}
