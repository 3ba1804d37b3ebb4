//! The refresh program: the contract between codegen and the runtime. Data, serialisable,
//! versioned.
//!
//! All steps of a program run under one snapshot. A *batch* of each changed source is there as a
//! named relation when the program starts; a *let* runs a query and names its rows; an *apply*
//! changes a stored collection; a *merge* does both at once. In a Z-set relation the first column is
//! `w bigint`, the weight; the others are named as the step says. A stored collection is read by no
//! step after the one that changes it, so that every read sees its old state.
//!
//! **Together.** Transactions that change the same source, and no other, can run some programs at the
//! same time ([`RefreshProgram::together`]). Each keeps what it must not share, *groups* or rows of
//! one image, from the others until it ends, and reads on under a snapshot that is newer than that.

use crate::op::StoredId;
use crate::types::{Oid, SqlType};
use serde::{Deserialize, Serialize};

/// Bumped whenever the meaning of a stored program changes.
pub const PROGRAM_VERSION: u32 = 3;

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
    /// A condition on these columns, in SQL: rows on which it is not true lead to nothing, and may be
    /// left out. The steps ask for all of it themselves.
    pub asked: Option<String>,
    /// The steps rely on it that no weight is negative: who provides the batch must see to that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insertions_only: bool,
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

/// Where transactions that run a program at the same time meet: who comes second waits for the
/// first to end, and then sees what it has done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meeting {
    /// The step, by its place, before which this is to be settled. From there on the other steps
    /// read under a newer snapshot.
    pub before: usize,
    /// Where what they may both change is stored.
    pub target: StoredId,
    /// A named relation, each row of which tells of something that this one changes.
    pub relation: String,
    pub over: Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Over {
    /// A group. So many first columns are its key, by SQL equality.
    Group(usize),
    /// A row of which there may be copies, by its image. Only rows that go (`w < 0`) matter: a copy
    /// is deleted by one only, while anybody may add one.
    Copies,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshProgram {
    pub version: u32,
    pub batches: Vec<Batch>,
    pub steps: Vec<Step>,
    /// How transactions that change the same source can run it at the same time, if they can: no
    /// step reads what another of them may have changed, except where they meet.
    pub together: Option<Vec<Meeting>>,
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
