//! Reasons: stable codes for everything that cannot be incremental, or not without a bound, with
//! the place in the query.
//!
//! A code is part of the interface: it never changes its meaning. The documentation page of codes
//! is generated from [`ReasonCode::ALL`].

use serde::{Deserialize, Serialize};
use std::fmt;

/// A byte range of the SQL text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

/// What a reason means for the stream table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Severity {
    /// No stream table can have this query, in any mode.
    Refused,
    /// Only FULL can run this query.
    NotIncremental,
    /// Incremental, but a step of the refresh is not O(Δ); the bound says what it is.
    Bounded,
}

macro_rules! reason_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $severity:ident;)+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum ReasonCode {
            $($(#[doc = $doc])+ $name,)+
        }

        impl ReasonCode {
            pub const ALL: &[ReasonCode] = &[$(ReasonCode::$name),+];

            /// The stable code that users see, for instance `PGT0101`.
            pub fn code(self) -> &'static str {
                match self { $(ReasonCode::$name => $code),+ }
            }

            pub fn severity(self) -> Severity {
                match self { $(ReasonCode::$name => Severity::$severity),+ }
            }

            /// One paragraph for users: what it is and what to do.
            pub fn explanation(self) -> &'static str {
                match self { $(ReasonCode::$name => concat!($($doc, "\n"),+)),+ }
            }
        }
    };
}

reason_codes! {
    /// The text is not a single SELECT (or VALUES, or WITH … SELECT) statement.
    NotASelect = "PGT0001", Refused;
    /// PostgreSQL's parser rejects the text.
    Syntax = "PGT0002", Refused;
    /// A relation, column, function, operator or type is not known, or ambiguous.
    Name = "PGT0003", Refused;
    /// Types do not fit, as PostgreSQL would report for the same query.
    Type = "PGT0004", Refused;
    /// The query is nested deeper than the compiler accepts.
    TooDeep = "PGT0005", Refused;
    /// FOR UPDATE and kin, INTO, or a data-modifying WITH.
    SideEffect = "PGT0006", Refused;
    /// Two output columns have the same name; a table cannot.
    DuplicateColumn = "PGT0007", Refused;
    /// An output column has a pseudo-type such as record; a table cannot.
    PseudoType = "PGT0008", Refused;
    /// LIMIT or OFFSET without ORDER BY picks rows at random.
    LimitWithoutOrder = "PGT0009", Refused;
    /// A defect of the compiler: two of its passes disagree about this query. Please report it.
    Internal = "PGT0099", Refused;
    /// This form of calling an aggregate (with an argument before WITHIN GROUP that reads a subquery or
    /// grouping sets) is not yet incremental.
    Aggregate = "PGT0102", NotIncremental;
    /// This subquery in an expression is not yet incremental. Most are: EXISTS, IN, ANY, ALL, ARRAY and
    /// scalar subqueries; the message says what is particular about this one.
    Subquery = "PGT0106", NotIncremental;
    /// This form of WITH RECURSIVE is not yet incremental. Most are; the message says what is
    /// particular about this one.
    Recursion = "PGT0107", NotIncremental;
    /// This item of FROM is not yet incremental. Functions and LATERAL subqueries are; the message
    /// says what is particular about this one.
    Lateral = "PGT0109", NotIncremental;
    /// A set-returning function in the SELECT list, of which a whole row is used as one value. Call it in
    /// FROM.
    SetReturning = "PGT0110", NotIncremental;
    /// LIMIT or OFFSET of a number that is not a constant. (ORDER BY … LIMIT is incremental, and so is
    /// DISTINCT ON.)
    TopK = "PGT0111", NotIncremental;
    /// TABLESAMPLE picks rows at random.
    TableSample = "PGT0112", NotIncremental;
    /// A STABLE function, whose value moves without any row changing; or now() and kin where they
    /// are no part of a condition on rows (WHERE, ON of a join, HAVING), so that each row
    /// would change as time passes.
    Stable = "PGT0120", NotIncremental;
    /// A VOLATILE function has no value that could be kept up to date.
    Volatile = "PGT0121", NotIncremental;
    /// The changes of this kind of source (a system catalog, a table under row-level security, a
    /// foreign table as a partition) cannot be captured.
    SourceKind = "PGT0130", NotIncremental;
    /// ONLY a table that has partitions or inheritance children is not yet incremental, nor is a
    /// stream table that has children. Without ONLY, tables are, with all their parts.
    Inheritance = "PGT0131", NotIncremental;
    /// System columns (ctid, xmin, tableoid, …) are not captured.
    SystemColumn = "PGT0132", NotIncremental;
    /// Grouping, DISTINCT or a key needs an equality that the type does not have.
    NoEquality = "PGT0140", Refused;
    /// A row without a type of its own would have to be kept by itself: what an aggregate, CASE or the
    /// optional side of an outer join makes of such rows, what SEARCH and CYCLE show, as what rows are
    /// grouped, told apart or sorted by. (A `ROW(…)` is kept as its fields.) Cast it to a composite type or
    /// to text, or use its fields.
    AnonymousRow = "PGT0141", NotIncremental;
    /// A construct that the compiler does not know.
    Unsupported = "PGT0199", NotIncremental;
    /// A step scans a whole source or state at each refresh; the program says which.
    FullScan = "PGT0201", Bounded;
    /// Each touched group is recomputed from its rows; the cost is the size of the groups.
    GroupRecompute = "PGT0202", Bounded;
    /// The output depends on an order that the query does not fix; any valid answer is kept.
    OrderDependent = "PGT0203", Bounded;
    /// Nobody tells of changes of a materialized view or foreign table: each refresh reads it once
    /// and compares it with a copy that the stream table keeps of it.
    Compared = "PGT0204", Bounded;
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// One thing that stands in the way, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    pub code: ReasonCode,
    /// Names the construct, as in `LEFT JOIN` or `function random() is VOLATILE`.
    pub message: String,
    /// In the query's text; none for what lies inside a view.
    pub span: Option<Span>,
    pub hint: Option<String>,
}
