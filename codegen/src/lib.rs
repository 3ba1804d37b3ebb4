//! From circuits to SQL: refresh programs and storage DDL.
//!
//! Everything is built as a tree ([`sql`]) and printed in one place; no identifier or literal is
//! ever pasted into text elsewhere. One operator of the algebra has one file here, named as in
//! `spec` and `compiler`.
//!
//! | file | concept |
//! |---|---|
//! | `sql/` | the tree of SQL, its printer, the quoting of names and literals |
//! | [`expr`] | scalar expressions |
//! | `rel.rs`, `lower.rs`, `demand.rs` | unfinished SELECTs; what becomes a let; what is read at all |
//! | `source.rs` … `stale.rs` | one operator each |
//! | `ordering.rs` | how rows are sorted, and ties broken |
//! | `ghost.rs` | where an expression that may raise an error is evaluated |
//! | `look_up.rs`, `seek.rs`, `band.rs` | what the planner is not left to find out |
//! | `identity.rs`, `keys.rs`, `apply.rs` | how rows are told apart and found; writing a delta |
//! | `merge.rs`, `follow.rs` | groups, and what is made of them row by row, changed where they are stored |
//! | `growing.rs` | what loses no row |
//! | `together.rs` | which programs transactions can run at the same time |
//! | [`program()`], [`storage()`], [`select()`], [`reconcile()`] | what the other crates ask for |

mod aggregate;
mod aggregate_step;
mod apply;
mod band;
mod chain;
mod clock;
mod closure;
mod consolidate;
mod constant;
mod demand;
mod distinct;
pub mod drawing;
mod error;
pub mod explain;
mod expr;
mod filter;
mod flat_map;
mod follow;
mod ghost;
mod growing;
mod identity;
mod join;
mod keys;
mod last;
mod left;
mod look_up;
mod lower;
mod map;
mod merge;
mod names;
mod neg;
mod ordering;
mod plus;
mod positive;
mod probe;
mod program;
mod reconcile;
mod rel;
mod repeat;
mod reserve;
mod reserve_step;
mod seek;
mod select;
mod semi;
mod short;
mod source;
pub mod sql;
mod stale;
mod state;
mod storage;
mod suffix;
mod together;
mod top_k;
mod touched;
mod window;
mod window_step;

pub use clock::clock_change;
pub use error::CodegenError;
pub use names::{Names, STORE, WEIGHT};
pub use program::program;
pub use reconcile::{reconcile, reconcile_text, storage_of_text};
pub use select::{Named, select, select_over, select_with};
pub use spec::program::QualifiedName;
pub use storage::storage;
pub use together::runs_together;
