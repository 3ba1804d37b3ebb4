//! The extension's own tables, as values.

pub mod copies;
pub mod stream_table;

pub use stream_table::StreamTable;
