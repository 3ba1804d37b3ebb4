//! The plain data of one layer of the catalog: rows of the `pg_*` catalogs, and the JSON that the
//! extension exports. Names and meanings of fields follow the `pg_*` catalogs.

use crate::types::{Oid, SqlType};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    pub oid: Oid,
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TypeKind {
    Base,
    Composite,
    Domain,
    Enum,
    Pseudo,
    Range,
    Multirange,
}

/// A row of `pg_type`, with what operator classes say about its equality.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Type {
    pub oid: Oid,
    pub name: String,
    pub namespace: Oid,
    pub kind: TypeKind,
    /// `typcategory`, for instance `'N'`.
    pub category: char,
    pub preferred: bool,
    /// `typlen`: bytes, −1 variable, −2 C string.
    pub len: i16,
    /// `typelem`.
    pub element: Oid,
    /// `typarray`.
    pub array: Oid,
    /// Is this a true array (subscripted by `array_subscript_handler`), not merely a type with
    /// an element type?
    pub is_array: bool,
    /// `typrelid` of a composite type.
    pub relation: Oid,
    /// `typbasetype` of a domain.
    pub base: Oid,
    /// `typtypmod` of a domain.
    pub base_typmod: i32,
    /// A domain that is, or may be, restricted (NOT NULL, CHECK), so that a coercion can raise.
    pub domain_checked: bool,
    /// `typcollation`.
    pub collation: Oid,
    /// Subtype of a range, range of a multirange.
    pub subtype: Oid,
    /// The multirange of a range, and back.
    pub range: Oid,
    /// Equality of the default btree (else hash) operator class; none for json, xml, point.
    pub equality: Option<Equality>,
    /// Labels of an enum, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

/// How values of a type are compared by GROUP BY, DISTINCT and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Equality {
    /// The `=` operator of the default operator class (it may be declared on a binary-coercible
    /// type: varchar uses text's).
    pub eq: Oid,
    /// `<` and `>` of the default btree class; invalid where there is only a hash class.
    pub lt: Oid,
    pub gt: Oid,
    /// Equal values have equal images whatever their (deterministic) collation: the btree class
    /// has `btequalimage` or `btvarstrequalimage`. False for numeric, float, interval, jsonb…
    pub equal_image: bool,
    /// A hash class exists, so that hash joins and hash aggregation are possible.
    pub hashable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FunctionKind {
    Function,
    Aggregate,
    Window,
    Procedure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Volatility {
    Immutable,
    Stable,
    Volatile,
}

/// A row of `pg_proc`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    pub oid: Oid,
    pub name: String,
    pub namespace: Oid,
    pub kind: FunctionKind,
    /// Input argument types (`proargtypes`).
    pub args: Vec<Oid>,
    /// Names of the input arguments; empty, or one (possibly empty) name each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arg_names: Vec<String>,
    /// Number of trailing input arguments that have defaults.
    #[serde(default)]
    pub defaults: u16,
    /// SQL text of each default (`pg_get_function_arg_default`), `defaults` of them, or empty if
    /// not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub default_exprs: Vec<String>,
    /// Element type of a VARIADIC last argument (`provariadic`), or invalid.
    #[serde(default)]
    pub variadic: Oid,
    pub result: Oid,
    /// OUT and TABLE columns (name, type), if any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub out_args: Vec<(String, Oid)>,
    #[serde(default)]
    pub returns_set: bool,
    pub strict: bool,
    pub volatility: Volatility,
    #[serde(default)]
    pub leakproof: bool,
    /// Present iff `kind` is `Aggregate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregate: Option<Aggregate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AggregateKind {
    Normal,
    OrderedSet,
    Hypothetical,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aggregate {
    pub kind: AggregateKind,
    /// `aggnumdirectargs`.
    pub direct_args: u16,
    /// `aggtransfn`'s strictness and the like are the server's business; what the compiler needs
    /// is the sort operator that makes it a min or a max (`aggsortop`).
    pub sort_operator: Oid,
}

/// A row of `pg_operator`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    pub oid: Oid,
    pub name: String,
    pub namespace: Oid,
    /// Invalid for a prefix operator.
    pub left: Oid,
    pub right: Oid,
    pub result: Oid,
    /// `oprcode`.
    pub function: Oid,
    pub commutator: Oid,
    pub negator: Oid,
    pub can_hash: bool,
    pub can_merge: bool,
    /// The btree strategies (1 `<`, 2 `<=`, 3 `=`, 4 `>=`, 5 `>`) that it has in any btree
    /// operator family, with that family: what row comparison, IN, CASE and `NULLIF` look up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub btree: Vec<(Oid, u8)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CastContext {
    Implicit,
    Assignment,
    Explicit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CastMethod {
    Function(Oid),
    /// Through the text representation.
    InOut,
    /// The same image: a relabelling.
    Binary,
}

/// A row of `pg_cast`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cast {
    pub source: Oid,
    pub target: Oid,
    pub context: CastContext,
    pub method: CastMethod,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collation {
    pub oid: Oid,
    pub name: String,
    pub namespace: Oid,
    pub deterministic: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RelationKind {
    Table,
    /// Root or inner node of a partition tree.
    Partitioned,
    View,
    MaterializedView,
    Foreign,
    /// An ordinary table that is the content of one of our stream tables.
    StreamTable,
    /// The row type of a composite type.
    Composite,
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Generated {
    No,
    Stored,
    /// Computed on read, by this SQL expression over the columns of the same table.
    Virtual(String),
}

/// A live (not dropped) user column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// `attnum`, from 1; stable, with gaps where columns were dropped.
    pub attnum: i16,
    pub name: String,
    pub ty: SqlType,
    /// A *validated* NOT NULL binds every row.
    pub not_null: bool,
    pub generated: Generated,
}

/// A unique constraint or index that binds every row: not partial, not on expressions, valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The index that enforces it; recorded as a dependency of what is derived from it.
    pub index: Oid,
    pub name: String,
    /// attnums.
    pub columns: Vec<i16>,
    pub primary: bool,
    pub nulls_not_distinct: bool,
    pub deferrable: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    pub constraint: Oid,
    pub name: String,
    /// attnums here, and the columns that they reference there, pairwise.
    pub columns: Vec<i16>,
    pub references: Oid,
    pub referenced_columns: Vec<i16>,
    /// Validated and enforced.
    pub trusted: bool,
    pub deferrable: bool,
}

/// An index that a probe could use: plain, valid, without predicate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    pub oid: Oid,
    pub name: String,
    /// `btree`, `hash`, …
    pub method: String,
    /// attnums of the leading plain columns, up to the first expression.
    pub columns: Vec<i16>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Relation {
    pub oid: Oid,
    pub name: String,
    pub namespace: Oid,
    pub kind: RelationKind,
    /// In attnum order.
    pub columns: Vec<Column>,
    #[serde(default)]
    pub keys: Vec<Key>,
    #[serde(default)]
    pub foreign_keys: Vec<ForeignKey>,
    #[serde(default)]
    pub indexes: Vec<Index>,
    /// The query of a view: `pg_get_viewdef` under an empty search_path, or the text of the schema
    /// file. (The columns of a view from a schema file are empty: binding its query tells them.)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// The search path under which the names in `definition` (and in generation expressions) mean
    /// what they do: empty from a live catalog.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub definition_path: Vec<String>,
    /// The type of its rows.
    #[serde(default)]
    pub row_type: Oid,
    /// Has inheritance children that are not partitions.
    #[serde(default)]
    pub has_children: bool,
    /// One of its partitions or children is a foreign table, of whose changes nobody tells.
    #[serde(default)]
    pub has_foreign_parts: bool,
    /// Estimated rows (`reltuples`, at least 0).
    #[serde(default)]
    pub rows: f64,
    /// Estimated pages (`relpages`).
    #[serde(default)]
    pub pages: f64,
    /// Row-level security applies to its readers.
    #[serde(default)]
    pub row_security: bool,
}

impl Relation {
    pub fn column(&self, attnum: i16) -> Option<&Column> {
        self.columns.iter().find(|c| c.attnum == attnum)
    }

    pub fn column_named(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }
}

/// The objects of one layer, as plain data. This is the JSON that the extension exports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Objects {
    #[serde(default)]
    pub namespaces: Vec<Namespace>,
    #[serde(default)]
    pub types: Vec<Type>,
    #[serde(default)]
    pub functions: Vec<Function>,
    #[serde(default)]
    pub operators: Vec<Operator>,
    #[serde(default)]
    pub casts: Vec<Cast>,
    #[serde(default)]
    pub collations: Vec<Collation>,
    #[serde(default)]
    pub relations: Vec<Relation>,
    /// Schemas in which unqualified names are looked up, in order; `pg_catalog` comes first
    /// unless it is named.
    #[serde(default)]
    pub search_path: Vec<String>,
}
