//! What the life-cycle functions refuse.

use pgrx::prelude::*;

#[derive(Debug, thiserror::Error)]
pub enum LifecycleError {
    #[error("not yet supported: {0}")]
    NotYet(String),
    #[error("invalid value for {argument}: \"{value}\"")]
    Invalid {
        argument: &'static str,
        value: String,
        hint: &'static str,
    },
    #[error("relation {0} already exists")]
    Exists(String),
    #[error("{0} is not a stream table")]
    NotAStreamTable(String),
    #[error("{0} cannot run under REPEATABLE READ or SERIALIZABLE")]
    Isolation(&'static str),
    #[error("{0} cannot run inside a transaction block")]
    Atomic(&'static str),
    #[error("the query has other columns than stream table {0}")]
    OtherColumns(String),
    #[error("stream table {table} would read itself, through {through}")]
    Circle { table: String, through: String },
    #[error("stream table {table} cannot be in a circle: {what}")]
    NotCircular { table: String, what: String },
    #[error("permission denied for {0}")]
    Denied(String),
    #[error("must be owner of stream table {0}")]
    NotOwner(String),
    #[error("{0}")]
    Query(String),
    #[error("the query cannot be incremental: {0}")]
    NotIncremental(String),
    #[error("the stream table cannot be IMMEDIATE: {what}")]
    NotImmediate { what: String, hint: &'static str },
    #[error("{table} must stay IMMEDIATE: {reader}, which is IMMEDIATE, reads it")]
    ReadImmediately { table: String, reader: String },
    #[error("stream tables would have to be rebuilt for this: {0}")]
    Blocked(String),
    #[error("internal compiler error: {0}")]
    Compiler(String),
    #[error("cannot create a stream table while a statement of this session is still changing {0}")]
    MidStatement(String),
    #[error("the watermark of {0} is later already")]
    Backwards(String),
    #[error("group \"{0}\" already exists")]
    GroupExists(String),
    #[error("group \"{0}\" does not exist")]
    NoGroup(String),
    #[error("{0}")]
    Schedule(#[from] runtime::schedule::ScheduleError),
    #[error(transparent)]
    Refresh(#[from] crate::refresh::RefreshError),
}

impl LifecycleError {
    fn sqlstate(&self) -> PgSqlErrorCode {
        use PgSqlErrorCode::*;
        match self {
            LifecycleError::NotYet(_)
            | LifecycleError::NotIncremental(_)
            | LifecycleError::NotCircular { .. }
            | LifecycleError::NotImmediate { .. } => ERRCODE_FEATURE_NOT_SUPPORTED,
            LifecycleError::Invalid { .. } => ERRCODE_INVALID_PARAMETER_VALUE,
            LifecycleError::Exists(_) => ERRCODE_DUPLICATE_TABLE,
            LifecycleError::NotAStreamTable(_) => ERRCODE_UNDEFINED_TABLE,
            LifecycleError::Isolation(_) => ERRCODE_ACTIVE_SQL_TRANSACTION,
            LifecycleError::Atomic(_) => ERRCODE_INVALID_TRANSACTION_TERMINATION,
            LifecycleError::Denied(_) | LifecycleError::NotOwner(_) => {
                ERRCODE_INSUFFICIENT_PRIVILEGE
            }
            LifecycleError::Query(_) | LifecycleError::OtherColumns(_) => {
                ERRCODE_INVALID_TABLE_DEFINITION
            }
            LifecycleError::Circle { .. } => ERRCODE_INVALID_OBJECT_DEFINITION,
            LifecycleError::Compiler(_) => ERRCODE_INTERNAL_ERROR,
            LifecycleError::ReadImmediately { .. } | LifecycleError::Blocked(_) => {
                ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST
            }
            LifecycleError::MidStatement(_) => ERRCODE_OBJECT_IN_USE,
            LifecycleError::Backwards(_) | LifecycleError::Schedule(_) => {
                ERRCODE_INVALID_PARAMETER_VALUE
            }
            LifecycleError::GroupExists(_) => ERRCODE_DUPLICATE_OBJECT,
            LifecycleError::NoGroup(_) => ERRCODE_UNDEFINED_OBJECT,
            LifecycleError::Refresh(error) => error.sqlstate(),
        }
    }

    /// Raises it as an ERROR of the server.
    pub fn report(self) -> ! {
        let hint = match &self {
            LifecycleError::Refresh(_) => {
                let LifecycleError::Refresh(error) = self else {
                    unreachable!("matched above")
                };
                error.report()
            }
            LifecycleError::Invalid { hint, .. } | LifecycleError::NotImmediate { hint, .. } => {
                Some((*hint).to_string())
            }
            LifecycleError::OtherColumns(_) => Some(
                "Names and types must stay as they are. \
                 pgtrickle.create_or_replace_stream_table makes it anew, if nothing depends on it."
                    .into(),
            ),
            LifecycleError::Circle { .. } => Some(
                "With pg_trickle.allow_circular = on it may, if all queries of the circle are \
                 monotone in each other. WITH RECURSIVE in one query needs no circle."
                    .into(),
            ),
            LifecycleError::NotCircular { .. } => Some(
                "What stream tables in a circle hold is the least fixed point of their queries: none \
                 may take rows away because another has more."
                    .into(),
            ),
            LifecycleError::Atomic(_) => Some(
                "It refreshes each unit in a transaction of its own. CALL it outside of a \
                 transaction block."
                    .into(),
            ),
            LifecycleError::Schedule(error) => Some(error.hint().to_string()),
            LifecycleError::Blocked(_) => Some(
                "pg_trickle.block_source_ddl is on. A superuser can turn it off for a transaction: \
                 SET LOCAL pg_trickle.block_source_ddl = off."
                    .into(),
            ),
            LifecycleError::Backwards(_) => Some(
                "A watermark says that a source is complete up to a moment; it only advances."
                    .into(),
            ),
            LifecycleError::Isolation(_) => Some(
                "Changes committed after the snapshot would be lost. Use READ COMMITTED.".into(),
            ),
            LifecycleError::NotIncremental(_) => {
                Some("refresh_mode AUTO or FULL computes it anew at each refresh.".into())
            }
            _ => None,
        };
        let mut report =
            pgrx::pg_sys::panic::ErrorReport::new(self.sqlstate(), self.to_string(), "pg_trickle");
        if let Some(hint) = hint {
            report = report.set_hint(hint);
        }
        report.report(PgLogLevel::ERROR);
        unreachable!("an ERROR does not return")
    }
}

/// The value, or the ERROR.
pub fn or_report<T, E: Into<LifecycleError>>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| error.into().report())
}
