//! `x::type`, CAST, `type 'literal'`, COLLATE.

use super::Binder;
use crate::bind::context::BindError;
use crate::typename::{TypeNameError, collation_from_ast, type_from_ast};
use crate::typing::{collate, error};
use pg_query::NodeEnum;
use pg_query::protobuf::{self, TypeName};
use spec::types::{SqlType, oids};
use spec::{Expr, Reason, ReasonCode};

impl Binder<'_, '_> {
    pub(super) fn type_cast(&mut self, e: &protobuf::TypeCast) -> Result<Expr, BindError> {
        let Some(name) = &e.type_name else {
            return Err(error(
                ReasonCode::Unsupported,
                "a cast without a type",
                None,
            ));
        };
        let target = self.type_name(name)?;
        let span = self.typing.span(if e.location >= 0 {
            e.location
        } else {
            name.location
        });
        let arg = match e.arg.as_ref().and_then(|a| a.node.as_ref()) {
            // ARRAY[…]::type makes elements of that type, also of none.
            Some(NodeEnum::AArrayExpr(array)) => {
                let (base, typmod) = self.typing.catalog.base_type(target.oid, target.typmod);
                let wanted = (self.typing.catalog.element_type(base)).map(|_| SqlType {
                    typmod,
                    ..SqlType::new(base)
                });
                self.array(array, wanted)?
            }
            _ => self.required(&e.arg)?,
        };
        self.typing.explicit_cast(arg, target, span)
    }

    pub(super) fn type_name(&self, name: &TypeName) -> Result<SqlType, BindError> {
        type_from_ast(name, self.typing.catalog).map_err(|e| self.place(e))
    }

    pub(super) fn collate_clause(
        &mut self,
        e: &protobuf::CollateClause,
    ) -> Result<Expr, BindError> {
        let span = self.typing.span(e.location);
        let arg = self.required(&e.arg)?;
        let ty = arg.ty().oid;
        if ty != oids::UNKNOWN && !self.typing.catalog.type_collation(ty).is_valid() {
            let name = self.typing.type_name(ty);
            let message = format!("collations are not supported by type {name}");
            return Err(error(ReasonCode::Type, message, span));
        }
        let collation = collation_from_ast(&e.collname, e.location, self.typing.catalog)
            .map_err(|e| self.place(e))?;
        Ok(collate(arg, collation))
    }

    fn place(&self, e: TypeNameError) -> BindError {
        let at = e.location.and_then(|l| i32::try_from(l).ok()).unwrap_or(-1);
        BindError(Box::new(Reason {
            span: self.typing.span(at),
            ..e.reason()
        }))
    }
}
