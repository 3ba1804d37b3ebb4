//! Data, change streams and programs that measure pg_trickle side by side with plain PostgreSQL.

pub mod changes;
pub mod database;
pub mod measure;
pub mod tpch;
