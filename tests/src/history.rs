//! What refreshes did, from `pgtrickle.get_refresh_history`.

use crate::law::{describe, law};
use postgres::Client;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// NO_DATA, FULL, DIFFERENTIAL, REINITIALIZE or SKIP.
    pub action: String,
    /// RUNNING, COMPLETED, FAILED or SKIPPED.
    pub status: String,
    pub rows_inserted: i64,
    pub rows_deleted: i64,
    pub error_message: Option<String>,
}

/// The newest refresh of `stream_table`.
#[track_caller]
pub fn last_refresh(client: &mut Client, stream_table: &str) -> Refresh {
    let row = client
        .query_one(
            "SELECT action::text, status::text, coalesce(rows_inserted, 0)::int8,
                    coalesce(rows_deleted, 0)::int8, error_message::text
             FROM pgtrickle.get_refresh_history($1, 1)",
            &[&stream_table],
        )
        .unwrap_or_else(|error| panic!("the history of {stream_table}: {}", describe(&error)));
    Refresh {
        action: row.get(0),
        status: row.get(1),
        rows_inserted: row.get(2),
        rows_deleted: row.get(3),
        error_message: row.get(4),
    }
}

/// Refreshes `stream_table`, and panics unless that was done by `action` (for instance
/// DIFFERENTIAL: a refresh in another way has failed, also with the right rows) and the law holds.
#[track_caller]
pub fn refresh(client: &mut Client, stream_table: &str, action: &str) -> Refresh {
    client
        .execute(
            "SELECT pgtrickle.refresh_stream_table($1)",
            &[&stream_table],
        )
        .unwrap_or_else(|error| panic!("refreshing {stream_table}: {}", describe(&error)));
    let refresh = last_refresh(client, stream_table);
    assert_eq!(
        (refresh.action.as_str(), refresh.status.as_str()),
        (action, "COMPLETED"),
        "{stream_table}: {refresh:?}"
    );
    law(client, stream_table);
    refresh
}
