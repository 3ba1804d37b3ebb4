//! What can go wrong when a program is printed.
//!
//! None of these is the user's mistake: the compiler has accepted the query. An object may have
//! been dropped since, or two crates disagree, which is a bug and must be loud.

use spec::types::Oid;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodegenError {
    /// The catalog does not know an object that the circuit refers to.
    #[error("{what} with OID {oid} is not in the catalog")]
    Missing { what: &'static str, oid: Oid },
    /// The circuit reads a column that is not among those declared as used.
    #[error("column {attnum} of relation {relation} is read, but not captured")]
    NotCaptured { relation: Oid, attnum: i16 },
    /// A key needs an equality that its type does not have.
    #[error("type with OID {0} has no equality")]
    NoEquality(Oid),
    /// A type modifier that only the type's own output function can print.
    #[error("the modifier {typmod} of type {ty} cannot be printed")]
    Typmod { ty: String, typmod: i32 },
    /// The plan breaks a rule of the operators.
    #[error("the plan is not well formed: {0}")]
    Plan(String),
}

impl CodegenError {
    /// A stable code, for messages and tests.
    pub fn code(&self) -> &'static str {
        match self {
            CodegenError::Missing { .. } => "PGT0901",
            CodegenError::NotCaptured { .. } => "PGT0902",
            CodegenError::NoEquality(_) => "PGT0903",
            CodegenError::Typmod { .. } => "PGT0904",
            CodegenError::Plan(_) => "PGT0905",
        }
    }
}

pub type Result<T> = std::result::Result<T, CodegenError>;
