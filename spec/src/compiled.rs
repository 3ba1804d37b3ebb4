//! What compiling a query yields: the optimised circuit, what of it is stored, and, for each set
//! of changed sources, the circuit of its deltas.

use crate::circuit::{Circuit, NodeId};
use crate::clock::Clock;
use crate::expr::Expr;
use crate::op::StoredId;
use crate::reason::Reason;
use crate::types::{ColType, Oid};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputColumn {
    pub name: String,
    pub ty: ColType,
}

/// A source and what is read of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceUse {
    pub relation: Oid,
    /// attnums of the columns whose values matter to the circuit; capture stores these. At least
    /// the ones read; possibly none (`SELECT count(*) FROM t`).
    pub columns: Vec<i16>,
    /// Its changes are known to be insertions alone. Nothing that is stored rests on it, only the
    /// circuits of the deltas do, and their programs say where ([`crate::program::Batch`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub append_only: bool,
}

/// A fact of the catalog that the circuit or its rewriting relied on. When it goes, so does the
/// compiled query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Dependency {
    /// The unique index.
    Key {
        relation: Oid,
        index: Oid,
    },
    NotNull {
        relation: Oid,
        attnum: i16,
    },
    ForeignKey {
        relation: Oid,
        constraint: Oid,
    },
}

impl Dependency {
    /// The table that it is a fact of.
    pub fn relation(&self) -> Oid {
        match self {
            Dependency::Key { relation, .. }
            | Dependency::NotNull { relation, .. }
            | Dependency::ForeignKey { relation, .. } => *relation,
        }
    }
}

/// How rows of a stored collection are told apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Identity {
    /// At most one row for each value of these columns (NULLs not distinct, by SQL equality).
    /// Empty: at most one row.
    Key(Vec<usize>),
    /// A multiset: by the exact image of the whole row.
    Image,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    pub id: StoredId,
    /// The node of [`Compiled::circuit`] whose New this collection holds.
    pub node: NodeId,
    pub identity: Identity,
    /// Column lists on which the deltas probe it, besides its key.
    pub indexes: Vec<Vec<usize>>,
    /// Column lists by which the deltas read parts of it: by all columns but the last, in the order
    /// of the last.
    #[serde(default)]
    pub in_order: Vec<Vec<usize>>,
}

/// Decided once, when the stream table is created; every refresh keeps all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoragePlan {
    pub version: u32,
    /// Element i has id i. The first is the stream table: the root, all columns in order.
    pub stored: Vec<Stored>,
}

impl StoragePlan {
    pub fn at(&self, node: NodeId) -> Option<&Stored> {
        self.stored.iter().find(|s| s.node == node)
    }
}

/// OIDs that binding chose, each as often as it chose it, before desugaring; sorted. Compared with
/// the server's own analysed tree when a stream table is created.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bindings {
    pub functions: Vec<Oid>,
    pub operators: Vec<Oid>,
    pub aggregates: Vec<Oid>,
}

/// An incremental query.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Compiled {
    pub circuit: Circuit,
    pub root: NodeId,
    pub columns: Vec<OutputColumn>,
    /// Every base table that is read, in the order of their OIDs.
    pub sources: Vec<SourceUse>,
    pub storage: StoragePlan,
    /// Only of severity `Bounded`.
    pub reasons: Vec<Reason>,
    pub dependencies: BTreeSet<Dependency>,
    pub bindings: Bindings,
    /// What it asks of time, if anything: one of the sources, then ([`crate::clock::CLOCK`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Clock>,
}

/// The deltas of all stored collections, for one set of changed sources.
///
/// Leaves are `New(Source)`, `Delta(Source)`, `State` and `Constant`; there is no other `New`,
/// `Old` or `Delta`.
#[derive(Clone, Debug)]
pub struct DeltaPlan {
    pub changed: BTreeSet<Oid>,
    pub circuit: Circuit,
    /// For each stored collection that can change: the node whose value is the Delta of it.
    pub deltas: Vec<(StoredId, NodeId)>,
    /// Conditions on the columns of changed sources: a row of a delta on which one is not true leads
    /// to nothing.
    pub asked: BTreeMap<Oid, Vec<Expr>>,
    /// Named rules that fired, with how often, for `explain`.
    pub rules: Vec<(String, usize)>,
    /// E-nodes at the end of saturation.
    pub enodes: usize,
    pub reasons: Vec<Reason>,
}
