//! Capture: every change of a source becomes rows of its change buffer, a Z-set log.
//!
//! ```text
//! INSERT new        ->  (xid, seq, +1, new)
//! DELETE old        ->  (xid, seq, -1, old)
//! UPDATE old -> new ->  (xid, seq, -1, old), (xid, seq, +1, new)
//! TRUNCATE          ->  (xid, seq, mark)
//! ```
//!
//! Where triggers capture, they write straight into the buffer's heap, with nobody's privileges but the server's:
//! the rows of a statement together, when it ends (see [`pending`]). Partitions and inheritance
//! children write to the buffers of all that they are read through ([`tree`]). Where the WAL is read
//! instead ([`wal`]), there are none for rows.

pub mod audience;
pub mod buffer;
mod chunk;
pub mod columns;
pub mod newest;
pub mod pending;
pub mod sequence;
mod statement;
pub mod tree;
pub mod trigger;
pub mod wal;

pub use columns::register_invalidation;
pub use statement::install;
