//! CURRENT_DATE, CURRENT_USER and the like.

use super::Binder;
use crate::bind::context::BindError;
use crate::typing::error;
use pg_query::protobuf::{self, SqlValueFunctionOp as Op};
use spec::catalog::Volatility;
use spec::expr::{ExprKind, SessionValue};
use spec::types::{SqlType, oids};
use spec::{Expr, ReasonCode};

impl Binder<'_, '_> {
    pub(super) fn session_value(
        &mut self,
        e: &protobuf::SqlValueFunction,
    ) -> Result<Expr, BindError> {
        let span = self.typing.span(e.location);
        let op = Op::try_from(e.op).unwrap_or(Op::SqlvalueFunctionOpUndefined);
        let (value, ty, name) = match op {
            Op::SvfopCurrentDate => (SessionValue::CurrentDate, oids::DATE, "CURRENT_DATE"),
            Op::SvfopCurrentTime | Op::SvfopCurrentTimeN => {
                (SessionValue::CurrentTime, oids::TIMETZ, "CURRENT_TIME")
            }
            Op::SvfopCurrentTimestamp | Op::SvfopCurrentTimestampN => (
                SessionValue::CurrentTimestamp,
                oids::TIMESTAMPTZ,
                "CURRENT_TIMESTAMP",
            ),
            Op::SvfopLocaltime | Op::SvfopLocaltimeN => {
                (SessionValue::LocalTime, oids::TIME, "LOCALTIME")
            }
            Op::SvfopLocaltimestamp | Op::SvfopLocaltimestampN => (
                SessionValue::LocalTimestamp,
                oids::TIMESTAMP,
                "LOCALTIMESTAMP",
            ),
            Op::SvfopCurrentRole | Op::SvfopCurrentUser | Op::SvfopUser => {
                (SessionValue::CurrentUser, oids::NAME, "CURRENT_USER")
            }
            Op::SvfopSessionUser => (SessionValue::SessionUser, oids::NAME, "SESSION_USER"),
            Op::SvfopCurrentCatalog => {
                (SessionValue::CurrentCatalog, oids::NAME, "CURRENT_CATALOG")
            }
            Op::SvfopCurrentSchema => (SessionValue::CurrentSchema, oids::NAME, "CURRENT_SCHEMA"),
            Op::SqlvalueFunctionOpUndefined => {
                return Err(error(
                    ReasonCode::Unsupported,
                    "an unknown session value",
                    span,
                ));
            }
        };
        self.scope.volatility(name, Volatility::Stable, span);
        // Only the forms with a precision have one; it goes up to microseconds.
        let with_precision = matches!(
            op,
            Op::SvfopCurrentTimeN
                | Op::SvfopCurrentTimestampN
                | Op::SvfopLocaltimeN
                | Op::SvfopLocaltimestampN
        );
        let ty = SqlType {
            typmod: if with_precision { e.typmod.min(6) } else { -1 },
            ..self.typing.catalog.sql_type(ty, -1)
        };
        Ok(Expr::new(ExprKind::SessionValue(value), ty))
    }
}
