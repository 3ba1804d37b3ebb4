//! Functions to look at stream tables with. What plain SQL can say is in `sql/looking.sql`.

mod delta;
mod graph;
pub mod indexes;
pub mod pending;
mod reasons;

use pgrx::prelude::*;

// The event triggers look at tables that are created, and call this function.
extension_sql_file!(
    "../../sql/seen.sql",
    name = "seen",
    requires = ["catalog", _home]
);

extension_sql_file!(
    "../../sql/looking.sql",
    name = "looking",
    requires = [
        "seen",
        schedule_seconds,
        worker_pool_status,
        scheduler_running,
        looked_at,
        pending_rows,
        slot_fault,
        rebuild_cdc_triggers
    ]
);

extension_sql_file!(
    "../../sql/metrics.sql",
    name = "metrics",
    requires = ["looking", version]
);

extension_sql_file!("../../sql/comments.sql", name = "comments", finalize);
