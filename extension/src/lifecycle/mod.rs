//! The life of a stream table: the SQL functions of API.md.

mod analyse;
mod capturing;
mod create;
mod ddl;
mod dropping;
mod error;
mod names;
mod refresh;
mod schedule;
mod settings;
mod verify;

pub use error::LifecycleError;
