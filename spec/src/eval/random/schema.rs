//! Random sources, and the catalog that knows them.

use super::{Config, Tape};
use crate::catalog::{
    Column, Equality, Function, FunctionKind, Generated, Key, Namespace, Objects, Operator,
    Relation, RelationKind, Type, TypeKind, Volatility,
};
use crate::eval::aggregate::{MAX_CITEXT, MIN_CITEXT};
use crate::eval::builtin::{self, CITEXT};
use crate::eval::functions::PseudoFunction;
use crate::op::Source;
use crate::types::{ColType, Oid, SqlType, oids};

/// A source with the facts that its rows keep.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub source: Source,
    /// Columns of which no two rows have the same values; NULLs are distinct.
    pub key: Option<Vec<usize>>,
}

pub const FIRST_SOURCE: u32 = 50_000;
/// The index behind the key of source i.
pub const FIRST_KEY: u32 = 60_000;
const FIRST_FUNCTION: u32 = 91_000;
const PUBLIC: Oid = Oid(2200);

/// `numeric(10,2)`.
pub const NUMERIC_10_2: SqlType = SqlType {
    oid: oids::NUMERIC,
    typmod: ((10 << 16) | 2) + 4,
    collation: Oid::INVALID,
};

/// With the collation that a column of the type has.
pub fn sql_type(oid: Oid) -> SqlType {
    SqlType {
        collation: match oid {
            oids::TEXT | CITEXT => oids::DEFAULT_COLLATION,
            _ => Oid::INVALID,
        },
        ..SqlType::new(oid)
    }
}

/// The types of columns, commoner ones more than once.
fn column_types(config: Config) -> Vec<SqlType> {
    let mut types: Vec<SqlType> = [
        oids::INT4,
        oids::INT4,
        oids::INT4,
        oids::TEXT,
        oids::TEXT,
        oids::INT8,
        oids::BOOL,
        oids::INT2,
    ]
    .map(sql_type)
    .into();
    types.push(NUMERIC_10_2);
    if config.images {
        types.extend([oids::NUMERIC, oids::FLOAT8, CITEXT].map(sql_type));
    }
    types
}

pub fn sources(tape: &mut Tape, config: Config) -> Vec<Table> {
    let n = tape.between(1, config.sources.max(1));
    (0..n).map(|i| table(tape, i as u32, config)).collect()
}

fn table(tape: &mut Tape, index: u32, config: Config) -> Table {
    let pool = column_types(config);
    let columns = tape.between(1, 4);
    let keyed = tape.percent(60);
    let width = if columns > 1 && tape.percent(25) {
        2
    } else {
        1
    };
    let types: Vec<ColType> = (0..columns)
        .map(|i| {
            // The first column is what most joins are on.
            let ty = match i {
                0 => sql_type(oids::INT4),
                _ => *tape.pick(&pool).unwrap_or(&pool[0]),
            };
            let not_null = tape.percent(30);
            ColType {
                ty,
                nullable: !(not_null || keyed && i < width),
            }
        })
        .collect();
    Table {
        source: Source {
            relation: Oid(FIRST_SOURCE + index),
            attnums: (1..=columns as i16).collect(),
            types,
        },
        key: keyed.then(|| (0..width).collect()),
    }
}

/// A made-up function of one argument.
#[derive(Clone, Debug, PartialEq)]
pub struct Pseudo {
    pub oid: Oid,
    pub name: String,
    pub arg: Oid,
    pub meaning: PseudoFunction,
}

/// For every pair of common types, strict or not, raising or not.
pub fn pseudo_functions() -> Vec<Pseudo> {
    let mut out = vec![];
    for result in [oids::BOOL, oids::INT4, oids::TEXT, oids::NUMERIC] {
        for arg in [oids::INT4, oids::TEXT, oids::NUMERIC, CITEXT] {
            for strict in [true, false] {
                for raises in [false, true] {
                    let i = out.len() as u32;
                    out.push(Pseudo {
                        oid: Oid(FIRST_FUNCTION + i),
                        name: format!("f{i}"),
                        arg,
                        meaning: PseudoFunction {
                            result,
                            strict,
                            raises,
                        },
                    });
                }
            }
        }
    }
    out
}

/// An overlay with the sources, the case-insensitive type and the made-up functions.
pub fn objects(tables: &[Table]) -> Objects {
    let eq =
        |symbol| builtin::operator(symbol, CITEXT, CITEXT).map_or(Oid::INVALID, |o| o.operator);
    let function = |oid, name: &str, arg, result, strict| Function {
        oid,
        name: name.to_owned(),
        namespace: PUBLIC,
        kind: FunctionKind::Function,
        args: vec![arg],
        arg_names: vec![],
        defaults: 0,
        default_exprs: vec![],
        variadic: Oid::INVALID,
        result,
        out_args: vec![],
        returns_set: false,
        strict,
        volatility: Volatility::Immutable,
        leakproof: false,
        aggregate: None,
    };
    let mut functions: Vec<Function> = pseudo_functions()
        .into_iter()
        .map(|f| function(f.oid, &f.name, f.arg, f.meaning.result, f.meaning.strict))
        .collect();
    let citext_operators: Vec<_> = builtin::OPERATORS
        .iter()
        .filter(|o| o.left == CITEXT)
        .collect();
    for o in &citext_operators {
        functions.push(Function {
            args: vec![CITEXT, CITEXT],
            ..function(
                o.function,
                &format!("citext_{}", o.function),
                CITEXT,
                o.result,
                true,
            )
        });
    }
    for f in builtin::FUNCTIONS.iter().filter(|f| f.args == [CITEXT]) {
        functions.push(function(f.function, f.name, CITEXT, f.result, true));
    }
    for (oid, name, sort) in [(MIN_CITEXT, "min", "<"), (MAX_CITEXT, "max", ">")] {
        functions.push(Function {
            kind: FunctionKind::Aggregate,
            aggregate: Some(crate::catalog::Aggregate {
                kind: crate::catalog::AggregateKind::Normal,
                direct_args: 0,
                sort_operator: eq(sort),
            }),
            ..function(oid, name, CITEXT, CITEXT, false)
        });
    }
    let swap = |symbol: &'static str| match symbol {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        _ => symbol,
    };
    let negate = |symbol: &str| match symbol {
        "=" => "<>",
        "<>" => "=",
        "<" => ">=",
        "<=" => ">",
        ">" => "<=",
        _ => "<",
    };
    Objects {
        namespaces: vec![Namespace {
            oid: PUBLIC,
            name: "public".to_owned(),
        }],
        types: vec![Type {
            oid: CITEXT,
            name: "citext".to_owned(),
            namespace: PUBLIC,
            kind: TypeKind::Base,
            category: 'S',
            preferred: false,
            len: -1,
            element: Oid::INVALID,
            array: Oid::INVALID,
            is_array: false,
            relation: Oid::INVALID,
            base: Oid::INVALID,
            base_typmod: -1,
            domain_checked: false,
            collation: oids::DEFAULT_COLLATION,
            subtype: Oid::INVALID,
            range: Oid::INVALID,
            equality: Some(Equality {
                eq: eq("="),
                lt: eq("<"),
                gt: eq(">"),
                equal_image: false,
                hashable: true,
            }),
            labels: vec![],
        }],
        functions,
        operators: citext_operators
            .iter()
            .map(|o| Operator {
                oid: o.operator,
                name: o.symbol.to_owned(),
                namespace: PUBLIC,
                left: o.left,
                right: o.right,
                result: o.result,
                function: o.function,
                commutator: eq(swap(o.symbol)),
                negator: eq(negate(o.symbol)),
                can_hash: o.symbol == "=",
                can_merge: o.symbol == "=",
                btree: ["<", "<=", "=", ">=", ">"]
                    .iter()
                    .zip(1u8..)
                    .filter(|(s, _)| **s == o.symbol)
                    .map(|(_, strategy)| (Oid(90_100), strategy))
                    .collect(),
            })
            .collect(),
        casts: vec![],
        collations: vec![],
        relations: tables.iter().enumerate().map(relation).collect(),
        search_path: vec!["public".to_owned()],
    }
}

fn relation((index, table): (usize, &Table)) -> Relation {
    let columns = table
        .source
        .attnums
        .iter()
        .zip(&table.source.types)
        .map(|(&attnum, c)| Column {
            attnum,
            name: format!("c{attnum}"),
            ty: c.ty,
            not_null: !c.nullable,
            generated: Generated::No,
        })
        .collect();
    Relation {
        oid: table.source.relation,
        name: format!("t{index}"),
        namespace: PUBLIC,
        kind: RelationKind::Table,
        columns,
        keys: table
            .key
            .iter()
            .map(|key| Key {
                index: Oid(FIRST_KEY + index as u32),
                name: format!("t{index}_key"),
                columns: key.iter().map(|c| *c as i16 + 1).collect(),
                primary: true,
                nulls_not_distinct: false,
                deferrable: false,
            })
            .collect(),
        foreign_keys: vec![],
        indexes: vec![],
        definition: None,
        definition_path: vec![],
        row_type: Oid::INVALID,
        has_children: false,
        has_foreign_parts: false,
        rows: 0.0,
        pages: 0.0,
        row_security: false,
    }
}
