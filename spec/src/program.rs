//! The refresh program: the contract between codegen and the runtime. Data, serialisable,
//! versioned.
//!
//! All steps of a program run under one snapshot. A *batch* of each changed source is there as a
//! named relation when the program starts; a *let* runs a query and names its rows; an *apply*
//! changes a stored collection; a *merge* does both at once. In a Z-set relation the first column is
//! `w bigint`, the weight; the others are named as the step says. A stored collection is read by no
//! step after the one that changes it, so that every read sees its old state.

use crate::op::StoredId;
use crate::types::{Oid, SqlType};
use serde::{Deserialize, Serialize};

/// Bumped whenever the meaning of a stored program changes.
pub const PROGRAM_VERSION: u32 = 2;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelColumn {
    pub name: String,
    pub ty: SqlType,
}

/// The changes of one source, as an ephemeral named relation `(w bigint, columns…)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    pub relation: Oid,
    /// The name under which the SQL of the program reads it.
    pub name: String,
    /// attnum in the source, and name and type in the batch.
    pub columns: Vec<(i16, RelColumn)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Unique in the program; for a let or a merge, the name of the relation that it makes.
    pub name: String,
    /// One line for people: which operator this computes.
    pub comment: String,
    pub kind: StepKind,
    /// Where every one of these named relations is empty (and there is at least one), the step's
    /// result is empty too, and it need not run.
    pub skip_if_empty: Vec<String>,
    /// Planner settings for this step, for instance `("enable_mergejoin", "off")`.
    pub settings: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepKind {
    /// A read-only query; its rows become the named relation.
    Let {
        sql: String,
        columns: Vec<RelColumn>,
    },
    /// Statements that bring a stored collection from its old to its new state. `delta` names the
    /// let with its exact, consolidated change (`w`, then all its columns), of which `inserted`
    /// and `deleted` rows are counted and which readers of the stream table are told.
    Apply {
        target: StoredId,
        delta: String,
        statements: Vec<String>,
    },
    /// A statement, `with` and then `rows`, that brings a stored collection from its old to its new
    /// state, and whose rows, its exact, consolidated change (`w`, then all its columns), become
    /// the named relation.
    Merge {
        target: StoredId,
        /// `WITH … AS (MERGE … RETURNING …)`
        with: String,
        /// `SELECT …`
        rows: String,
        columns: Vec<RelColumn>,
        /// The same statement, returning one row only: how many rows it inserted and deleted. None
        /// where a later step reads the change.
        counted: Option<String>,
    },
    /// A query that must return no row; otherwise the refresh fails with this message.
    Assert {
        sql: String,
        sqlstate: String,
        message: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshProgram {
    pub version: u32,
    pub batches: Vec<Batch>,
    pub steps: Vec<Step>,
}

/// A table that a stored collection lives in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QualifiedName {
    pub schema: String,
    pub name: String,
}

/// DDL of the storage of one stream table, in the order in which it is to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageDdl {
    /// CREATE TABLE of the stream table and of its states.
    pub tables: Vec<String>,
    /// One INSERT … SELECT for each stored collection, all under one snapshot. A collection that
    /// is made of others is filled from these, so that of equal values that look different all
    /// have the same.
    pub fills: Vec<(StoredId, String)>,
    /// The SELECT of the last of them, the stream table's own. Empty where there are no fills.
    pub content: String,
    /// Unique and probing indexes; after the fills.
    pub indexes: Vec<String>,
}
