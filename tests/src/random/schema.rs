//! Random tables: with and without keys, columns of all types, NULLs and duplicates.
//!
//! Every table has a column `k int4` to join on and to select rows by; one with a key has
//! `id int4` as well. All other column names are of one table only, so that NATURAL and USING
//! joins are always well-typed.

use super::types::Ty;
use spec::tape::Tape;

#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub ty: Ty,
    pub nullable: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub name: String,
    pub columns: Vec<Column>,
    /// Names of the columns of the primary key.
    pub key: Vec<String>,
    pub parts: Parts,
}

/// What a table consists of beside itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Parts {
    None,
    /// Partitions by `id`, or by `k` of a table without key; one has its columns in another order
    /// and has lost one.
    Partitions,
    /// An inheritance child with more columns.
    Child,
}

/// What the name of a child has beside its parent's.
pub const CHILD: &str = "_child";

pub const TYPES: &str = "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');";

pub fn tables(tape: &mut Tape) -> Vec<Table> {
    let n = tape.between(2, 4);
    (0..n).map(|i| table(tape, i)).collect()
}

fn table(tape: &mut Tape, index: usize) -> Table {
    let mut columns = vec![];
    let keyed = tape.percent(60);
    let composite = keyed && tape.percent(25);
    if keyed {
        columns.push(Column {
            name: "id".to_owned(),
            ty: Ty::Int4,
            nullable: false,
        });
    }
    columns.push(Column {
        name: "k".to_owned(),
        ty: Ty::Int4,
        nullable: !composite && !tape.percent(25),
    });
    for c in 0..tape.between(2, 5) {
        // The first types are the commonest.
        let ty = match tape.percent(45) {
            true => Ty::ALL[tape.below(Ty::ALL.len())],
            false => Ty::ALL[tape.below(8)],
        };
        columns.push(Column {
            name: format!("t{index}_{c}"),
            ty,
            nullable: !tape.percent(25),
        });
    }
    let key: &[&str] = match (keyed, composite) {
        (true, true) => &["id", "k"],
        (true, false) => &["id"],
        _ => &[],
    };
    let parts = match tape.weighted(&[70, 20, 10]) {
        1 => Parts::Partitions,
        // The key of a parent is no key of all that is read through it.
        2 if !keyed => Parts::Child,
        _ => Parts::None,
    };
    Table {
        name: format!("t{index}"),
        columns,
        key: key.iter().map(|c| (*c).to_owned()).collect(),
        parts,
    }
}

impl Table {
    pub fn ddl(&self) -> String {
        let name = &self.name;
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|c| {
                let not_null = if c.nullable { "" } else { " NOT NULL" };
                format!("{} {}{not_null}", c.name, c.ty.sql())
            })
            .collect();
        let mut elements = columns.clone();
        if self.is_keyed() {
            elements.push(format!("PRIMARY KEY ({})", self.key.join(", ")));
        }
        let table = format!("CREATE TABLE {name} ({})", elements.join(", "));
        match self.parts {
            Parts::None => format!("{table};"),
            Parts::Child => {
                format!("{table}; CREATE TABLE {name}{CHILD} (more text, k int) INHERITS ({name});")
            }
            Parts::Partitions => {
                let backwards: Vec<String> = columns.into_iter().rev().collect();
                let (by, first, second) = match self.is_keyed() {
                    true => ("RANGE (id)", "FROM (MINVALUE) TO (6)", "FROM (6) TO (100)"),
                    false => (
                        "HASH (k)",
                        "WITH (MODULUS 2, REMAINDER 0)",
                        "WITH (MODULUS 2, REMAINDER 1)",
                    ),
                };
                format!(
                    "{table} PARTITION BY {by};
                     CREATE TABLE {name}_p1 PARTITION OF {name} FOR VALUES {first};
                     CREATE TABLE {name}_p2 (lost int, {});
                     ALTER TABLE {name}_p2 DROP COLUMN lost;
                     ALTER TABLE {name} ATTACH PARTITION {name}_p2 FOR VALUES {second};",
                    backwards.join(", ")
                )
            }
        }
    }

    pub fn is_keyed(&self) -> bool {
        !self.key.is_empty()
    }

    /// A row of literals.
    pub fn row(&self, tape: &mut Tape) -> String {
        let values: Vec<String> = self
            .columns
            .iter()
            .map(|c| match c.name.as_str() {
                "id" => tape.between(1, 14).to_string(),
                _ => c.ty.datum(tape, c.nullable),
            })
            .collect();
        format!("({})", values.join(", "))
    }

    pub fn insert(&self, rows: &[String]) -> String {
        let conflict = if self.is_keyed() {
            " ON CONFLICT DO NOTHING"
        } else {
            ""
        };
        // A child has the same columns first.
        let of_child = self.parts == Parts::Child && rows.len() % 2 == 1;
        let child = if of_child { CHILD } else { "" };
        format!(
            "INSERT INTO {}{child} VALUES {}{conflict};",
            self.name,
            rows.join(", ")
        )
    }
}
