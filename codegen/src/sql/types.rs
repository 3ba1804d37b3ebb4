//! Types in SQL text.
//!
//! `bigint` and the other type names of the grammar always mean the built-in type, whatever the
//! search path; every other name is qualified.

use super::Name;
use super::ident::ident;
use crate::error::{CodegenError, Result};
use spec::catalog::Catalog;
use spec::types::{Oid, SqlType, oids};
use std::fmt;

/// A type as it is printed, with its modifier.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TypeName {
    pub oid: Oid,
    text: String,
}

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TypeName {
    pub fn bigint() -> TypeName {
        TypeName {
            oid: oids::INT8,
            text: "bigint".into(),
        }
    }

    pub fn numeric() -> TypeName {
        TypeName {
            oid: oids::NUMERIC,
            text: "numeric".into(),
        }
    }

    pub fn new(ty: SqlType, catalog: &Catalog) -> Result<TypeName> {
        let ty = ty.declared();
        let text = match catalog.element_type(ty.oid) {
            // `int2vector` and kin are true arrays, too, but not `element[]`.
            Some(element) if catalog.array_type(element) == Some(ty.oid) => {
                format!("{}[]", scalar(element, ty.typmod, catalog)?)
            }
            _ => scalar(ty.oid, ty.typmod, catalog)?,
        };
        Ok(TypeName { oid: ty.oid, text })
    }
}

fn scalar(oid: Oid, typmod: i32, catalog: &Catalog) -> Result<String> {
    let length = |name: &str| format!("{name}({})", typmod - 4);
    let precision = |name: &str, zone: &str| match typmod {
        ..0 => format!("{name}{zone}"),
        p => format!("{name}({p}){zone}"),
    };
    let modified = typmod >= 0;
    Ok(match oid {
        oids::BOOL => "boolean".into(),
        oids::INT2 => "smallint".into(),
        oids::INT4 => "integer".into(),
        oids::INT8 => "bigint".into(),
        oids::FLOAT4 => "real".into(),
        oids::FLOAT8 => "double precision".into(),
        oids::NUMERIC if modified => {
            let raw = typmod - 4;
            let scale = ((raw & 0x7ff) ^ 1024) - 1024;
            format!("numeric({},{scale})", (raw >> 16) & 0xffff)
        }
        oids::NUMERIC => "numeric".into(),
        oids::VARCHAR if modified => length("character varying"),
        oids::VARCHAR => "character varying".into(),
        oids::BPCHAR if modified => length("character"),
        oids::BIT if modified => format!("bit({typmod})"),
        oids::VARBIT if modified => format!("bit varying({typmod})"),
        oids::VARBIT => "bit varying".into(),
        oids::TIME => precision("time", ""),
        oids::TIMETZ => precision("time", " with time zone"),
        oids::TIMESTAMP => precision("timestamp", ""),
        oids::TIMESTAMPTZ => precision("timestamp", " with time zone"),
        oids::INTERVAL if modified => interval(typmod)?,
        oids::INTERVAL => "interval".into(),
        _ => {
            let missing = CodegenError::Missing { what: "type", oid };
            let ty = catalog.ty(oid).ok_or(missing)?;
            let name = Name::within(ty.namespace, &ty.name, catalog)?;
            if modified {
                return Err(CodegenError::Typmod {
                    ty: name.to_string(),
                    typmod,
                });
            }
            name.to_string()
        }
    })
}

/// `interval day to second(3)`: a mask of fields in the upper half, a precision in the lower.
fn interval(typmod: i32) -> Result<String> {
    const FIELDS: [(i32, &str); 13] = [
        (1 << 2, " year"),
        (1 << 1, " month"),
        (1 << 3, " day"),
        (1 << 10, " hour"),
        (1 << 11, " minute"),
        (1 << 12, " second"),
        (1 << 2 | 1 << 1, " year to month"),
        (1 << 3 | 1 << 10, " day to hour"),
        (1 << 3 | 1 << 10 | 1 << 11, " day to minute"),
        (1 << 3 | 1 << 10 | 1 << 11 | 1 << 12, " day to second"),
        (1 << 10 | 1 << 11, " hour to minute"),
        (1 << 10 | 1 << 11 | 1 << 12, " hour to second"),
        (1 << 11 | 1 << 12, " minute to second"),
    ];
    const FULL: i32 = 0x7fff;
    let (mask, precision) = ((typmod >> 16) & 0x7fff, typmod & 0xffff);
    let fields = match FIELDS.iter().find(|f| f.0 == mask) {
        Some((_, name)) => name,
        None if mask == FULL => "",
        None => {
            return Err(CodegenError::Typmod {
                ty: "interval".into(),
                typmod,
            });
        }
    };
    Ok(match precision {
        0xffff => format!("interval{fields}"),
        p => format!("interval{fields}({p})"),
    })
}

/// ` COLLATE x`, where the collation is not the one that the type has by itself.
pub fn collate_clause(ty: SqlType, catalog: &Catalog) -> Result<String> {
    if !ty.collation.is_valid() || ty.collation == catalog.type_collation(ty.oid) {
        return Ok(String::new());
    }
    Ok(format!(" COLLATE {}", collation(ty.collation, catalog)?))
}

pub fn collation(oid: Oid, catalog: &Catalog) -> Result<Name> {
    let what = "collation";
    let missing = CodegenError::Missing { what, oid };
    let collation = catalog.collation(oid).ok_or(missing)?;
    Name::within(collation.namespace, &collation.name, catalog)
}

impl Name {
    /// The name of an object in the namespace with this OID.
    pub fn within(namespace: Oid, name: &str, catalog: &Catalog) -> Result<Name> {
        let missing = CodegenError::Missing {
            what: "schema",
            oid: namespace,
        };
        let schema = catalog.namespace(namespace).ok_or(missing)?;
        Ok(Name::new(&schema.name, name))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{}.", ident(schema))?;
        }
        f.write_str(&ident(&self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(oid: Oid, typmod: i32) -> String {
        let ty = SqlType {
            oid,
            typmod,
            collation: Oid::INVALID,
        };
        TypeName::new(ty, &Catalog::builtin()).unwrap().to_string()
    }

    #[test]
    fn built_in_types() {
        for (oid, typmod, want) in [
            (20, -1, "bigint"),
            (1016, -1, "bigint[]"),
            (25, -1, "pg_catalog.text"),
            (18, -1, "pg_catalog.\"char\""),
            (22, -1, "pg_catalog.int2vector"),
            (1043, 24, "character varying(20)"),
            (1015, 24, "character varying(20)[]"),
            (1042, 14, "character(10)"),
            (1042, -1, "pg_catalog.bpchar"),
            (1560, 3, "bit(3)"),
            (1560, -1, "pg_catalog.\"bit\""),
            (1700, (10 << 16 | 2) + 4, "numeric(10,2)"),
            (1700, (3 << 16 | 0x7fe) + 4, "numeric(3,-2)"),
            (1184, 3, "timestamp(3) with time zone"),
            (1186, 0x7fff << 16 | 3, "interval(3)"),
            (
                1186,
                (1 << 3 | 1 << 10 | 1 << 11 | 1 << 12) << 16 | 0xffff,
                "interval day to second",
            ),
        ] {
            assert_eq!(print(Oid(oid), typmod), want);
        }
    }

    #[test]
    fn a_modifier_that_is_not_known_is_an_error() {
        let ty = SqlType {
            oid: oids::TEXT,
            typmod: 7,
            collation: Oid::INVALID,
        };
        let error = TypeName::new(ty, &Catalog::builtin()).unwrap_err();
        assert_eq!(error.code(), "PGT0904");
    }
}
