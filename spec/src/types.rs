//! OIDs and the type of a column: type OID, typmod, collation, nullability.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A PostgreSQL object identifier; 0 is "invalid" (none), as in PostgreSQL.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Oid(pub u32);

impl Oid {
    pub const INVALID: Oid = Oid(0);

    pub fn is_valid(self) -> bool {
        self.0 != 0
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The type of a value: what PostgreSQL calls `exprType`, `exprTypmod`, `exprCollation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SqlType {
    pub oid: Oid,
    /// −1 where there is none.
    pub typmod: i32,
    /// Invalid where the type has no collation, or where derivation ended in a conflict.
    pub collation: Oid,
}

impl SqlType {
    pub const fn new(oid: Oid) -> Self {
        SqlType {
            oid,
            typmod: -1,
            collation: Oid::INVALID,
        }
    }

    /// A numeric that nobody declared, but every finite value of which is proved to have `scale`
    /// digits after the point, and less than [`KNOWN_DIGITS`] before it: two equal ones look alike.
    /// A claim of the circuit, by a precision that no declaration may have; SQL knows nothing of it.
    pub const fn numeric_of_scale(scale: u32) -> Self {
        SqlType {
            typmod: ((KNOWN_DIGITS << 16) | scale) as i32 + 4,
            ..SqlType::new(oids::NUMERIC)
        }
    }

    /// The type as SQL may name it.
    pub fn declared(self) -> Self {
        let claims = self.oid == oids::NUMERIC
            && self.typmod >= 0
            && ((self.typmod - 4) >> 16) == KNOWN_DIGITS as i32;
        SqlType {
            typmod: if claims { -1 } else { self.typmod },
            ..self
        }
    }
}

/// Above PostgreSQL's limit on a declared precision, which is 1000.
pub const KNOWN_DIGITS: u32 = 2000;

/// The type of a column of a circuit edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ColType {
    pub ty: SqlType,
    /// False only where NOT NULL is proved.
    pub nullable: bool,
}

/// OIDs of built-in types that the compiler itself must know. They never change.
pub mod oids {
    use super::Oid;
    pub const BOOL: Oid = Oid(16);
    pub const BYTEA: Oid = Oid(17);
    pub const CHAR: Oid = Oid(18);
    pub const NAME: Oid = Oid(19);
    pub const INT8: Oid = Oid(20);
    pub const INT2: Oid = Oid(21);
    pub const INT4: Oid = Oid(23);
    pub const TEXT: Oid = Oid(25);
    pub const OID: Oid = Oid(26);
    pub const JSON: Oid = Oid(114);
    pub const XML: Oid = Oid(142);
    pub const FLOAT4: Oid = Oid(700);
    pub const FLOAT8: Oid = Oid(701);
    pub const UNKNOWN: Oid = Oid(705);
    pub const MONEY: Oid = Oid(790);
    pub const BPCHAR: Oid = Oid(1042);
    pub const VARCHAR: Oid = Oid(1043);
    pub const DATE: Oid = Oid(1082);
    pub const TIME: Oid = Oid(1083);
    pub const TIMESTAMP: Oid = Oid(1114);
    pub const TIMESTAMPTZ: Oid = Oid(1184);
    pub const INTERVAL: Oid = Oid(1186);
    pub const TIMETZ: Oid = Oid(1266);
    pub const BIT: Oid = Oid(1560);
    pub const VARBIT: Oid = Oid(1562);
    pub const NUMERIC: Oid = Oid(1700);
    pub const RECORD: Oid = Oid(2249);
    pub const RECORD_ARRAY: Oid = Oid(2287);
    pub const ANY: Oid = Oid(2276);
    pub const ANYARRAY: Oid = Oid(2277);
    pub const ANYELEMENT: Oid = Oid(2283);
    pub const ANYNONARRAY: Oid = Oid(2776);
    pub const UUID: Oid = Oid(2950);
    pub const ANYENUM: Oid = Oid(3500);
    pub const JSONB: Oid = Oid(3802);
    pub const JSONPATH: Oid = Oid(4072);
    pub const ANYRANGE: Oid = Oid(3831);
    pub const ANYMULTIRANGE: Oid = Oid(4537);
    pub const ANYCOMPATIBLE: Oid = Oid(5077);
    pub const ANYCOMPATIBLEARRAY: Oid = Oid(5078);
    pub const ANYCOMPATIBLENONARRAY: Oid = Oid(5079);
    pub const ANYCOMPATIBLERANGE: Oid = Oid(5080);
    pub const ANYCOMPATIBLEMULTIRANGE: Oid = Oid(4538);
    /// The schema `pg_catalog`.
    pub const PG_CATALOG: Oid = Oid(11);
    /// The collation `"default"`.
    pub const DEFAULT_COLLATION: Oid = Oid(100);
    /// The collation `"C"`.
    pub const C_COLLATION: Oid = Oid(950);
}
