//! The life of a stream table: the SQL functions of API.md.

mod alter;
mod analyse;
mod blocking;
mod capturing;
pub mod circles;
mod create;
mod ddl;
mod dropping;
mod error;
mod immediate;
mod mending;
mod names;
pub mod query;
mod recompile;
mod redefine;
mod refresh;
mod restore;
mod schedule;
mod settings;
mod verify;

pub use analyse::{Analysed, analyse, analyse_any};
pub use create::Definition;
pub use error::{LifecycleError, or_report};
pub use names::{check_owner, relation, stream_table};
pub use recompile::{create_indexes, drop_own_indexes, recompile};
pub use refresh::check_may_refresh;
