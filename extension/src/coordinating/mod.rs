//! Coordinating refreshes with those who load the sources, and with each other: gates, watermarks,
//! groups; and what the scheduler makes of that. What plain SQL can say is in
//! `sql/coordinating.sql`.

mod gates;
mod groups;
mod names;
mod units;
mod watermarks;

use pgrx::prelude::*;

// The event triggers look at tables that are created, and call this function.
extension_sql_file!(
    "../../sql/coordinating.sql",
    name = "coordinating",
    requires = ["catalog", _home]
);
