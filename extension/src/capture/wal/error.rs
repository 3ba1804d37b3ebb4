//! What capture from the WAL asks for.

use pgrx::prelude::*;

#[derive(Clone, Debug, thiserror::Error)]
pub enum WalError {
    #[error(
        "this transaction may have changed {0}, whose changes are captured from the WAL when it has committed"
    )]
    Written(String),
    #[error("capture from the WAL needs wal_level = logical")]
    Level,
    #[error("capture from the WAL needs pg_trickle in output_plugin_libraries")]
    NotTrusted,
    #[error("the replication slot {0} cannot be made in a transaction that has written")]
    NotAlone(String),
    #[error("the replication slot {slot} {what}")]
    NoSlot { slot: String, what: &'static str },
    #[error("{source_name} cannot be captured from the WAL: {what}")]
    Unfit {
        source_name: String,
        what: String,
        hint: Option<String>,
    },
    #[error(
        "{source_name} is captured in one way for all who read it, and {reader} asks for {way}"
    )]
    Contradiction {
        source_name: String,
        reader: String,
        way: &'static str,
    },
}

impl WalError {
    pub fn sqlstate(&self) -> PgSqlErrorCode {
        use PgSqlErrorCode::*;
        match self {
            WalError::Written(_) => ERRCODE_OBJECT_IN_USE,
            WalError::NotAlone(_) => ERRCODE_ACTIVE_SQL_TRANSACTION,
            WalError::Level
            | WalError::NotTrusted
            | WalError::NoSlot { .. }
            | WalError::Unfit { .. }
            | WalError::Contradiction { .. } => ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        }
    }

    pub fn hint(&self) -> Option<String> {
        let fixed = match self {
            WalError::Written(_) => {
                "Do it in another transaction, or capture the source with cdc_mode => 'trigger'."
            }
            WalError::Level => {
                "Set it and restart the server, or capture with cdc_mode => 'trigger'."
            }
            WalError::NotTrusted => {
                "Add it to the setting and reload the configuration: output_plugin_libraries = \
                 'pgoutput, test_decoding, pg_trickle'."
            }
            WalError::NotAlone(_) => {
                "Call the function in a transaction of its own, before anything is written."
            }
            WalError::NoSlot { .. } => {
                "The scheduler makes it again, and so does a refresh in a transaction of its own."
            }
            WalError::Unfit { hint, .. } => return hint.clone(),
            WalError::Contradiction { .. } => {
                "Change that one first, with pgtrickle.alter_stream_table(…, cdc_mode => 'auto')."
            }
        };
        Some(fixed.to_string())
    }
}
