//! Column references, and `t.f` where f is no column of t but a function of its rows.

use super::{Binder, node};
use crate::bind::context::BindError;
use pg_query::NodeEnum;
use pg_query::protobuf::{ColumnRef, Node};
use spec::{Expr, ReasonCode};

impl Binder<'_, '_> {
    pub(super) fn column_ref(&mut self, c: &ColumnRef) -> Result<Expr, BindError> {
        self.reference(c, false)
    }

    /// An operand of which only the fields matter, should it be a row.
    pub(super) fn row_operand(&mut self, node: &Option<Box<Node>>) -> Result<Expr, BindError> {
        match node.as_ref().and_then(|n| n.node.as_ref()) {
            Some(NodeEnum::ColumnRef(c)) => self.reference(c, true),
            _ => self.required(node),
        }
    }

    fn reference(&mut self, c: &ColumnRef, fields: bool) -> Result<Expr, BindError> {
        let span = self.typing.span(c.location);
        if let Some((last, qualifier)) = c.fields.split_last()
            && node::is_star(last)
            && !qualifier.is_empty()
        {
            // As an operand, `t.*` is the row.
            let name = node::name(qualifier)?;
            return match fields {
                true => self.scope.fields(&name, span),
                false => self.scope.column(&name, span),
            };
        }
        let name = node::name(&c.fields)?;
        if fields && let Ok(found) = self.scope.fields(&name, span) {
            return Ok(found);
        }
        let missing = match self.scope.column(&name, span) {
            Err(e) if e.0.code == ReasonCode::Name => e,
            found => return found,
        };
        let Some((field, qualifier)) = name.split_last().filter(|(_, q)| !q.is_empty()) else {
            return Err(missing);
        };
        if self.scope.star(qualifier, span).is_err() {
            return Err(missing);
        }
        let row = self.scope.fields(qualifier, span)?;
        self.select_field(row, field, span)?.ok_or(missing)
    }
}
