//! Column references, and `t.f` where f is no column of t but a function of its rows.

use super::{Binder, node};
use crate::bind::context::BindError;
use pg_query::protobuf::ColumnRef;
use spec::{Expr, ReasonCode};

impl Binder<'_, '_> {
    pub(super) fn column_ref(&mut self, c: &ColumnRef) -> Result<Expr, BindError> {
        let span = self.typing.span(c.location);
        if let Some((last, qualifier)) = c.fields.split_last()
            && node::is_star(last)
            && !qualifier.is_empty()
        {
            // As an operand, `t.*` is the row.
            return self.scope.column(&node::name(qualifier)?, span);
        }
        let name = node::name(&c.fields)?;
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
        let row = self.scope.column(qualifier, span)?;
        self.select_field(row, field, span)?.ok_or(missing)
    }
}
