//! Functions to look at stream tables with. What plain SQL can say is in `sql/looking.sql`.

mod delta;
mod pending;
mod reasons;

use pgrx::prelude::*;

extension_sql_file!(
    "../../sql/looking.sql",
    name = "looking",
    requires = [
        "catalog",
        parse_duration_seconds,
        scheduler_running,
        looked_at,
        pending_rows
    ]
);

extension_sql_file!("../../sql/comments.sql", name = "comments", finalize);
