//! Capture: every change of a source becomes rows of its change buffer, a Z-set log.
//!
//! ```text
//! INSERT new        ->  (xid, seq, +1, new)
//! DELETE old        ->  (xid, seq, -1, old)
//! UPDATE old -> new ->  (xid, seq, -1, old), (xid, seq, +1, new)
//! TRUNCATE          ->  (xid, seq, mark)
//! ```
//!
//! Row triggers write straight into the buffer's heap, with nobody's privileges but the server's.

pub mod buffer;
mod columns;
pub mod sequence;
mod trigger;

pub use columns::register_invalidation;
