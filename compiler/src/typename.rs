//! Types as written in SQL: `numeric(12, 2)`, `app.mood[]`, `interval day to second(3)`.
//!
//! The grammar has already turned SQL's own spellings into the catalog's names (`integer` into
//! `pg_catalog.int4`, `char` into `bpchar(1)`); here the name is looked up, and what stands in
//! parentheses becomes a typmod, by the rule of the type's own `typmodin` function.

use pg_query::NodeEnum;
use pg_query::protobuf::{Node, TypeName, a_const};
use spec::catalog::Catalog;
use spec::types::{Oid, SqlType, oids};
use spec::{Reason, ReasonCode, Span};

/// Why a type name means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TypeNameError {
    /// As PostgreSQL says it.
    pub message: String,
    /// Byte offset of the name in the text.
    pub location: Option<u32>,
    pub code: ReasonCode,
    pub hint: Option<String>,
}

impl TypeNameError {
    /// The same as a reason. The span is the point where the name begins.
    pub fn reason(self) -> Reason {
        Reason {
            code: self.code,
            message: self.message,
            span: self.location.map(|at| Span { start: at, end: at }),
            hint: self.hint,
        }
    }
}

/// The type that a name means, with its typmod and its own collation.
///
/// What only some places allow is left to the caller: `SETOF` ([`TypeName::setof`]) and
/// pseudo-types.
pub fn type_from_ast(name: &TypeName, catalog: &Catalog) -> Result<SqlType, TypeNameError> {
    let fail = |code, message: String| TypeNameError {
        message,
        location: u32::try_from(name.location).ok(),
        code,
        hint: None,
    };
    let written = strings(&name.names);
    let found = if name.pct_type {
        column_type(&written, catalog)
    } else {
        match written.as_slice() {
            [ty] => catalog.type_named(None, ty).map(|t| t.oid),
            [schema, ty] | [_, schema, ty] => catalog.type_named(Some(schema), ty).map(|t| t.oid),
            _ => None,
        }
    };
    let Some(oid) = found else {
        let what = if name.pct_type { "%TYPE" } else { "" };
        return Err(TypeNameError {
            hint: Some(
                "Types of extensions are known only from an exported catalog snapshot.".into(),
            ),
            ..fail(
                ReasonCode::Name,
                format!("type \"{}{what}\" does not exist", written.join(".")),
            )
        });
    };
    let typmod = if name.typmods.is_empty() {
        name.typemod
    } else {
        typmod(oid, &name.typmods, catalog).map_err(|message| fail(ReasonCode::Type, message))?
    };
    if name.array_bounds.is_empty() {
        return Ok(catalog.sql_type(oid, typmod));
    }
    match catalog.array_type(oid) {
        // All dimensions are one type; bounds are not kept. Its typmod is the element's.
        Some(array) => Ok(catalog.sql_type(array, typmod)),
        None => Err(fail(
            ReasonCode::Name,
            format!(
                "could not find array type for data type {}",
                written.join(".")
            ),
        )),
    }
}

/// The collation of `COLLATE name`.
pub fn collation_from_ast(
    names: &[Node],
    location: i32,
    catalog: &Catalog,
) -> Result<Oid, TypeNameError> {
    let written = strings(names);
    let found = match written.as_slice() {
        [name] => catalog.collation_named(None, name),
        [schema, name] => catalog.collation_named(Some(schema), name),
        _ => None,
    };
    found.map(|c| c.oid).ok_or_else(|| TypeNameError {
        message: format!("collation \"{}\" does not exist", written.join(".")),
        location: u32::try_from(location).ok(),
        code: ReasonCode::Name,
        hint: None,
    })
}

/// The parts of a qualified name.
pub(crate) fn strings(nodes: &[Node]) -> Vec<String> {
    let text = |node: &Node| match &node.node {
        Some(NodeEnum::String(s)) => Some(s.sval.clone()),
        _ => None,
    };
    nodes.iter().filter_map(text).collect()
}

/// `table.column%TYPE`: the type alone, without a typmod.
fn column_type(written: &[String], catalog: &Catalog) -> Option<Oid> {
    let (schema, relation, column) = match written {
        [relation, column] => (None, relation, column),
        [schema, relation, column] => (Some(schema.as_str()), relation, column),
        _ => return None,
    };
    let relation = catalog.relation_named(schema, relation)?;
    relation.column_named(column).map(|c| c.ty.oid)
}

/// The fields of an interval's range mask: bit numbers of `MONTH`, `YEAR`, `DAY`, `HOUR`,
/// `MINUTE`, `SECOND`.
const MONTH: i64 = 1 << 1;
const YEAR: i64 = 1 << 2;
const DAY: i64 = 1 << 3;
const HOUR: i64 = 1 << 10;
const MINUTE: i64 = 1 << 11;
const SECOND: i64 = 1 << 12;
const FULL_RANGE: i64 = 0x7FFF;
const FULL_PRECISION: i64 = 0xFFFF;
/// Digits of a second that are kept; larger precisions are reduced to it, with a warning.
const MAX_PRECISION: i64 = 6;
/// The longest attribute, in characters.
const MAX_LENGTH: i64 = 10 * 1024 * 1024;

/// What `typmodin` of the type makes of the modifiers.
fn typmod(ty: Oid, modifiers: &[Node], catalog: &Catalog) -> Result<i32, String> {
    // Arrays take the modifiers of their elements; a domain has none of its own.
    let base = catalog.element_type(ty).unwrap_or(ty);
    let name = || catalog.ty(base).map_or("", |t| t.name.as_str());
    let values: Vec<i64> = modifiers.iter().map(integer).collect::<Result<_, _>>()?;
    let value = match base {
        oids::BPCHAR | oids::VARCHAR => {
            let label = if base == oids::BPCHAR {
                "char"
            } else {
                "varchar"
            };
            length(&values, label, MAX_LENGTH)? + 4
        }
        oids::BIT | oids::VARBIT => {
            let label = if base == oids::BIT { "bit" } else { "varbit" };
            length(&values, label, MAX_LENGTH * 8)?
        }
        oids::NUMERIC => numeric(&values)?,
        oids::TIME | oids::TIMETZ | oids::TIMESTAMP | oids::TIMESTAMPTZ => {
            match values.as_slice() {
                [precision] => precision_of(*precision, name())?,
                _ => return Err("invalid type modifier".into()),
            }
        }
        oids::INTERVAL => interval(&values)?,
        _ => {
            return Err(format!(
                "type modifier is not allowed for type \"{}\"",
                name()
            ));
        }
    };
    i32::try_from(value).map_err(|_| "invalid type modifier".into())
}

fn integer(node: &Node) -> Result<i64, String> {
    let Some(NodeEnum::AConst(constant)) = &node.node else {
        return Err("type modifiers must be simple constants or identifiers".into());
    };
    let parse = |text: &str| {
        let number = text.trim().parse::<i32>();
        number
            .map(i64::from)
            .map_err(|_| format!("invalid input syntax for type integer: \"{text}\""))
    };
    match &constant.val {
        Some(a_const::Val::Ival(n)) => Ok(n.ival.into()),
        Some(a_const::Val::Fval(n)) => parse(&n.fval),
        Some(a_const::Val::Sval(s)) => parse(&s.sval),
        _ => Err("type modifiers must be simple constants or identifiers".into()),
    }
}

fn length(values: &[i64], ty: &str, max: i64) -> Result<i64, String> {
    match values {
        [n] if *n < 1 => Err(format!("length for type {ty} must be at least 1")),
        [n] if *n > max => Err(format!("length for type {ty} cannot exceed {max}")),
        [n] => Ok(*n),
        _ => Err("invalid type modifier".into()),
    }
}

fn numeric(values: &[i64]) -> Result<i64, String> {
    let (precision, scale) = match values {
        [precision] => (*precision, 0),
        [precision, scale] => (*precision, *scale),
        _ => return Err("invalid NUMERIC type modifier".into()),
    };
    if !(1..=1000).contains(&precision) {
        return Err(format!(
            "NUMERIC precision {precision} must be between 1 and 1000"
        ));
    }
    if !(-1000..=1000).contains(&scale) {
        return Err(format!(
            "NUMERIC scale {scale} must be between -1000 and 1000"
        ));
    }
    Ok(((precision << 16) | (scale & 0x7ff)) + 4)
}

fn precision_of(precision: i64, ty: &str) -> Result<i64, String> {
    if precision < 0 {
        let ty = ty.to_uppercase();
        return Err(format!("{ty}({precision}) precision must not be negative"));
    }
    Ok(precision.min(MAX_PRECISION))
}

fn interval(values: &[i64]) -> Result<i64, String> {
    const RANGES: [i64; 14] = [
        YEAR,
        MONTH,
        DAY,
        HOUR,
        MINUTE,
        SECOND,
        YEAR | MONTH,
        DAY | HOUR,
        DAY | HOUR | MINUTE,
        DAY | HOUR | MINUTE | SECOND,
        HOUR | MINUTE,
        HOUR | MINUTE | SECOND,
        MINUTE | SECOND,
        FULL_RANGE,
    ];
    let (range, precision) = match values {
        [range] => (*range, None),
        [range, precision] => (*range, Some(precision_of(*precision, "interval")?)),
        _ => return Err("invalid INTERVAL type modifier".into()),
    };
    if !RANGES.contains(&range) {
        return Err("invalid INTERVAL type modifier".into());
    }
    match precision {
        None if range == FULL_RANGE => Ok(-1),
        precision => Ok((range << 16) | precision.unwrap_or(FULL_PRECISION)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::parse;

    /// The type in `SELECT NULL::<text>`.
    fn named(text: &str) -> TypeName {
        let tree = parse(&format!("SELECT NULL::{text}")).expect("parses");
        let select = match tree.stmts[0].stmt.as_ref().and_then(|s| s.node.as_ref()) {
            Some(NodeEnum::SelectStmt(select)) => select.clone(),
            other => panic!("{other:?}"),
        };
        let target = match select.target_list[0].node.as_ref() {
            Some(NodeEnum::ResTarget(target)) => target.val.clone(),
            other => panic!("{other:?}"),
        };
        match target.and_then(|t| t.node) {
            Some(NodeEnum::TypeCast(cast)) => cast.type_name.expect("a type"),
            other => panic!("{other:?}"),
        }
    }

    fn check(text: &str, name: &str, typmod: i32) {
        let catalog = Catalog::builtin();
        let ty = type_from_ast(&named(text), &catalog).unwrap_or_else(|e| panic!("{text}: {e}"));
        let found = catalog.ty(ty.oid).expect("a known type").name.as_str();
        assert_eq!((found, ty.typmod), (name, typmod), "{text}");
        assert_eq!(ty.collation, catalog.type_collation(ty.oid), "{text}");
    }

    /// Values of `format_type`'s inverse, as a server computes them (`atttypmod`).
    #[test]
    fn typmods_are_the_servers() {
        check("int", "int4", -1);
        check("bigint", "int8", -1);
        check("char", "bpchar", 5);
        check("\"char\"", "char", -1);
        check("bpchar", "bpchar", -1);
        check("char(7)", "bpchar", 11);
        check("national character(7)", "bpchar", 11);
        check("varchar", "varchar", -1);
        check("character varying(20)", "varchar", 24);
        check("nchar varying(20)", "varchar", 24);
        check("text", "text", -1);
        check("bit", "bit", 1);
        check("bit(8)", "bit", 8);
        check("bit varying(5)", "varbit", 5);
        check("varbit", "varbit", -1);
        check("numeric", "numeric", -1);
        check("numeric(12,2)", "numeric", 786_438);
        check("decimal(5)", "numeric", 327_684);
        check("numeric(3,-2)", "numeric", 198_658);
        check("numeric(3,5)", "numeric", 196_617);
        check("float", "float8", -1);
        check("float(20)", "float4", -1);
        check("double precision", "float8", -1);
        check("timestamp", "timestamp", -1);
        check("timestamp(3) with time zone", "timestamptz", 3);
        check("timestamp(9)", "timestamp", 6);
        check("time(0)", "time", 0);
        check("time(2) with time zone", "timetz", 2);
        check("interval", "interval", -1);
        check("interval(3)", "interval", 2_147_418_115);
        check("interval year", "interval", 327_679);
        check("interval year to month", "interval", 458_751);
        check("interval day to second", "interval", 470_351_871);
        check("interval day to second(3)", "interval", 470_286_339);
        check("interval second(0)", "interval", 268_435_456);
        check("int[]", "_int4", -1);
        check("int[][]", "_int4", -1);
        check("int[3][4]", "_int4", -1);
        check("int array[4]", "_int4", -1);
        check("numeric(12,2)[]", "_numeric", 786_438);
        check("varchar(8)[]", "_varchar", 12);
        check("_varchar(8)", "_varchar", 12);
        check("pg_catalog.int4range", "int4range", -1);
        check("json", "json", -1);
    }

    #[test]
    fn wrong_types_say_what_postgresql_says() {
        for (text, message) in [
            ("nothing", "type \"nothing\" does not exist"),
            ("no.thing", "type \"no.thing\" does not exist"),
            ("int4(3)", "type modifier is not allowed for type \"int4\""),
            ("varchar(0)", "length for type varchar must be at least 1"),
            (
                "char(10485761)",
                "length for type char cannot exceed 10485760",
            ),
            (
                "numeric(0)",
                "NUMERIC precision 0 must be between 1 and 1000",
            ),
            (
                "numeric(5, 1001)",
                "NUMERIC scale 1001 must be between -1000 and 1000",
            ),
            ("numeric(1,2,3)", "invalid NUMERIC type modifier"),
            ("pg_catalog.interval(3)", "invalid INTERVAL type modifier"),
            (
                "bit(a + 1)",
                "type modifiers must be simple constants or identifiers",
            ),
        ] {
            let error = type_from_ast(&named(text), &Catalog::builtin()).unwrap_err();
            assert_eq!(error.message, message, "{text}");
            assert_eq!(error.location, Some(13), "{text}");
        }
    }

    #[test]
    fn collations_are_looked_up() {
        let names = |parts: &[&str]| -> Vec<Node> {
            let node =
                |p: &&str| NodeEnum::String(pg_query::protobuf::String { sval: (*p).into() });
            parts
                .iter()
                .map(|p| Node {
                    node: Some(node(p)),
                })
                .collect()
        };
        let catalog = Catalog::builtin();
        assert_eq!(
            collation_from_ast(&names(&["C"]), 0, &catalog),
            Ok(oids::C_COLLATION)
        );
        let qualified = names(&["pg_catalog", "default"]);
        assert_eq!(
            collation_from_ast(&qualified, 0, &catalog),
            Ok(oids::DEFAULT_COLLATION)
        );
        let error = collation_from_ast(&names(&["x"]), 7, &catalog).unwrap_err();
        assert_eq!(
            (error.message.as_str(), error.location),
            ("collation \"x\" does not exist", Some(7))
        );
    }
}
