//! What can go wrong in a refresh, and how users hear of it.

use super::name_of;
use crate::catalog::StreamTable;
use pgrx::pg_sys;
use pgrx::prelude::*;

#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    #[error("stream table {0} does not exist")]
    NotFound(String),
    #[error("stream table {0} is suspended")]
    Suspended(String),
    #[error("permission denied for stream table {0}")]
    NotPermitted(String),
    #[error(
        "cannot refresh {table} while a statement of this session is still changing {source_name}"
    )]
    MidStatement { table: String, source_name: String },
    #[error(
        "could not serialize access to {source_name}: it was truncated or rewritten after this transaction's snapshot"
    )]
    Conflict { source_name: String },
    #[error(
        "could not serialize access to {source_name}: its changes are captured otherwise since this transaction's snapshot"
    )]
    Recaptured { source_name: String },
    #[error(
        "could not serialize access to {table}: another transaction has changed its sources since this transaction's snapshot"
    )]
    Overtaken { table: String },
    #[error(
        "what this session reads of {source_name} holds the rows of its temporary table {child}"
    )]
    TemporaryChild { source_name: String, child: String },
    #[error("stream table {table} is append_only, and {what}")]
    NotAppendOnly { table: String, what: String },
    #[error("{message}")]
    Asserted { sqlstate: String, message: String },
    #[error("the change buffer of {source_name} is missing")]
    NoBuffer { source_name: String },
    #[error("stream table {table} cannot be rebuilt: {why}")]
    CannotRebuild { table: String, why: String },
    #[error("the circle of {members} has not come to rest after {rounds} rounds")]
    NoFixpoint { members: String, rounds: u32 },
    #[error(transparent)]
    Wal(#[from] crate::capture::wal::WalError),
    #[error("pg_trickle made an inconsistent refresh program: {step} {what}")]
    Internal { step: String, what: String },
}

impl RefreshError {
    pub fn sqlstate(&self) -> PgSqlErrorCode {
        use PgSqlErrorCode::*;
        match self {
            RefreshError::NotFound(_) => ERRCODE_UNDEFINED_TABLE,
            RefreshError::Suspended(_)
            | RefreshError::CannotRebuild { .. }
            | RefreshError::TemporaryChild { .. } => ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            RefreshError::NotAppendOnly { .. } => ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION,
            RefreshError::NotPermitted(_) => ERRCODE_INSUFFICIENT_PRIVILEGE,
            RefreshError::MidStatement { .. } => ERRCODE_OBJECT_IN_USE,
            RefreshError::Conflict { .. }
            | RefreshError::Recaptured { .. }
            | RefreshError::Overtaken { .. } => ERRCODE_T_R_SERIALIZATION_FAILURE,
            RefreshError::Asserted { sqlstate, .. } if sqlstate == "21000" => {
                ERRCODE_CARDINALITY_VIOLATION
            }
            RefreshError::Asserted { .. } => ERRCODE_DATA_EXCEPTION,
            RefreshError::NoFixpoint { .. } => ERRCODE_STATEMENT_TOO_COMPLEX,
            RefreshError::Wal(error) => error.sqlstate(),
            RefreshError::NoBuffer { .. } | RefreshError::Internal { .. } => ERRCODE_INTERNAL_ERROR,
        }
    }

    fn hint(&self) -> Option<String> {
        let fixed = match self {
            RefreshError::NotAppendOnly { table, .. } => {
                let name = pgrx::spi::quote_literal(table);
                return Some(format!(
                    "No change is lost: after pgtrickle.alter_stream_table({name}, append_only => \
                     false) all of them are followed."
                ));
            }
            RefreshError::Wal(error) => return error.hint(),
            RefreshError::Suspended(_) => Some("Use pgtrickle.resume_stream_table."),
            RefreshError::MidStatement { .. } => Some("Refresh after the statement has ended."),
            RefreshError::TemporaryChild { .. } => Some("Refresh in another session."),
            RefreshError::Conflict { .. }
            | RefreshError::Recaptured { .. }
            | RefreshError::Overtaken { .. } => Some("Retry the transaction."),
            RefreshError::NoFixpoint { .. } => Some(
                "pg_trickle.max_fixpoint_iterations allows no more; with UNION ALL, rows that lead back to themselves have no end.",
            ),
            RefreshError::CannotRebuild { .. } => {
                Some("Use pgtrickle.alter_stream_table or drop and create it again.")
            }
            _ => None,
        };
        fixed.map(str::to_string)
    }

    /// A row of a source of an append_only stream table did not only come.
    pub fn retracted(table: &StreamTable, source: pg_sys::Oid) -> RefreshError {
        RefreshError::NotAppendOnly {
            table: table.name(),
            what: format!("a row of {} was deleted or changed", name_of(source)),
        }
    }

    /// A source of an append_only stream table was truncated.
    pub fn truncated(table: &StreamTable, source: pg_sys::Oid) -> RefreshError {
        RefreshError::NotAppendOnly {
            table: table.name(),
            what: format!("{} was truncated", name_of(source)),
        }
    }

    /// Raises it as an ERROR of the server.
    pub fn report(self) -> ! {
        let (code, message) = (self.sqlstate(), self.to_string());
        let mut report = pgrx::pg_sys::panic::ErrorReport::new(code, message, "pg_trickle");
        if let Some(hint) = self.hint() {
            report = report.set_hint(hint);
        }
        report.report(PgLogLevel::ERROR);
        unreachable!("an ERROR does not return")
    }
}
