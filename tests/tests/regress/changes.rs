//! Random changes of the shared tables, the same for the same seed: rows that are inserted, updated
//! and deleted, keys that move, NULLs and duplicates that come and go, tables that are emptied and
//! filled again. No statement can fail.

use spec::tape::Tape;

/// SQL of the values that a column may have.
enum Pool {
    Of(&'static [&'static str]),
    /// 1 to this.
    UpTo(usize),
}

struct Table {
    name: &'static str,
    /// May not be NULL, nor have a value twice.
    unique: &'static [&'static str],
    columns: &'static [(&'static str, Pool)],
    /// The table that a column of the same name refers to.
    refers: Option<(&'static str, &'static str)>,
}

/// About so many rows are in a table that has no key.
const ROWS: usize = 14;

use Pool::{Of, UpTo};

const SMALL: Pool = Of(&["0", "1", "2", "3", "NULL", "4", "1", "2"]);
const WORDS: Pool = Of(&[
    "'one'",
    "'two'",
    "'three'",
    "''",
    "NULL",
    "'ONE'",
    "'hi de ho neighbor'",
    "'doh!'",
    "'a_b%c'",
    "'äöü'",
]);
const DEPTS: &[&str] = &["'sales'", "'develop'", "'personnel'", "'empty'"];

const TABLES: &[Table] = &[
    Table {
        name: "uno",
        unique: &["u1", "u2"],
        columns: &[
            ("u1", UpTo(24)),
            ("u2", UpTo(30)),
            ("two", Of(&["0", "1"])),
            ("four", Of(&["0", "1", "2", "3"])),
            ("ten", UpTo(10)),
            (
                "s",
                Of(&["'AAAA'", "'BAAA'", "'CAAA'", "'DAAA'", "''", "'aaaa'"]),
            ),
        ],
        refers: None,
    },
    Table {
        name: "dos",
        unique: &["u1"],
        columns: &[
            ("u1", UpTo(20)),
            ("u2", Of(&["1", "2", "3", "5", "8", "13", "21", "NULL"])),
            ("two", Of(&["0", "1", "NULL"])),
            ("ten", Of(&["1", "2", "3", "4", "5", "NULL", "9"])),
            ("s", Of(&["'AAAA'", "'BAAA'", "'CAAA'", "NULL", "'zz'"])),
        ],
        refers: None,
    },
    Table {
        name: "i4",
        unique: &[],
        columns: &[(
            "f1",
            Of(&[
                "0",
                "1",
                "2",
                "123456",
                "-123456",
                "2147483647",
                "-2147483647",
                "NULL",
                "1",
            ]),
        )],
        refers: None,
    },
    Table {
        name: "i8",
        unique: &[],
        columns: &[
            ("q1", Of(&["123", "123", "4567890123456789", "NULL", "0"])),
            (
                "q2",
                Of(&[
                    "456",
                    "123",
                    "4567890123456789",
                    "-4567890123456789",
                    "NULL",
                    "0",
                ]),
            ),
        ],
        refers: None,
    },
    Table {
        name: "txt",
        unique: &[],
        columns: &[("f1", WORDS)],
        refers: None,
    },
    Table {
        name: "j1",
        unique: &[],
        columns: &[("i", SMALL), ("j", SMALL), ("t", WORDS)],
        refers: None,
    },
    Table {
        name: "j2",
        unique: &[],
        columns: &[
            ("i", SMALL),
            ("k", Of(&["-1", "2", "-3", "5", "NULL", "0", "1"])),
        ],
        refers: None,
    },
    Table {
        name: "j3",
        unique: &[],
        columns: &[("i", Of(&["0", "1", "2", "3", "5"])), ("n", WORDS)],
        refers: None,
    },
    Table {
        name: "g",
        unique: &[],
        columns: &[
            ("a", Of(&["1", "2", "3", "NULL"])),
            ("b", Of(&["1", "2", "NULL"])),
            ("c", Of(&["'x'", "'y'", "NULL", "''"])),
            ("v", Of(&["10", "11", "12", "-5", "NULL", "0", "10"])),
            (
                "d",
                Of(&["1.50", "0.00", "-3.25", "NULL", "100.10", "1.50"]),
            ),
        ],
        refers: None,
    },
    Table {
        name: "void",
        unique: &[],
        columns: &[("a", SMALL), ("b", WORDS)],
        refers: None,
    },
    Table {
        name: "emp",
        unique: &["no"],
        columns: &[
            ("no", UpTo(14)),
            ("dept", Of(DEPTS)),
            (
                "salary",
                Of(&[
                    "3500", "3900", "4200", "4800", "5200", "6000", "NULL", "4200", "100",
                ]),
            ),
            (
                "hired",
                Of(&[
                    "'2006-10-01'",
                    "'2007-01-01'",
                    "'2007-08-01'",
                    "'2007-12-10'",
                    "NULL",
                    "'2008-02-29'",
                ]),
            ),
            ("boss", Of(&["1", "2", "3", "5", "99", "NULL"])),
        ],
        refers: None,
    },
    Table {
        name: "dept",
        unique: &["name"],
        columns: &[
            ("name", Of(DEPTS)),
            ("floor", Of(&["1", "2", "NULL", "3"])),
            ("budget", Of(&["10000", "5000.50", "NULL", "0", "4200"])),
        ],
        refers: None,
    },
    Table {
        name: "parent",
        unique: &["k"],
        columns: &[("k", UpTo(12)), ("pd", Of(&["10", "20", "30", "NULL"]))],
        refers: None,
    },
    Table {
        name: "child",
        unique: &["id"],
        columns: &[
            ("id", UpTo(20)),
            ("k", UpTo(12)),
            ("cd", Of(&["1", "2", "NULL::int", "100"])),
        ],
        refers: Some(("k", "parent")),
    },
    Table {
        name: "num",
        unique: &["id"],
        columns: &[
            ("id", UpTo(14)),
            (
                "f",
                Of(&[
                    "0",
                    "1.5",
                    "-34.84",
                    "'NaN'",
                    "'Infinity'",
                    "NULL",
                    "1004.3",
                    "'-0'",
                    "'-Infinity'",
                ]),
            ),
            (
                "n",
                Of(&[
                    "0",
                    "1.0",
                    "1.00",
                    "-34338492.215397047",
                    "'NaN'",
                    "NULL",
                    "16397.038491",
                    "'Infinity'",
                    "2",
                ]),
            ),
            (
                "m",
                Of(&["1.5", "1.25", "0", "-7.75", "NULL", "12345678.90", "0.01"]),
            ),
            ("r", Of(&["0", "0.5", "-2.25", "NULL", "1e10"])),
            ("b", Of(&["0", "123", "4567890123456789", "NULL", "-1"])),
            ("s", Of(&["0", "1", "-1", "NULL", "32767"])),
        ],
        refers: None,
    },
    Table {
        name: "tim",
        unique: &["id"],
        columns: &[
            ("id", UpTo(12)),
            (
                "d",
                Of(&[
                    "'2024-02-29'",
                    "'2000-01-01'",
                    "'1999-12-31'",
                    "NULL",
                    "'2024-03-31'",
                    "'infinity'",
                ]),
            ),
            (
                "ts",
                Of(&[
                    "'2024-02-29 12:30:00'",
                    "'2000-01-01 00:00:00'",
                    "NULL",
                    "'1999-12-31 23:59:59.999'",
                ]),
            ),
            (
                "iv",
                Of(&[
                    "'1 day'",
                    "'24 hours'",
                    "'1 mon -1 day'",
                    "NULL",
                    "'0'",
                    "'-3 years 02:03:04'",
                ]),
            ),
            ("tm", Of(&["'00:00'", "'23:59:59.999'", "'12:00'", "NULL"])),
            (
                "tz",
                Of(&[
                    "'2024-03-31 01:30:00+00'",
                    "'2000-01-01 00:00:00+02'",
                    "NULL",
                ]),
            ),
        ],
        refers: None,
    },
    Table {
        name: "lst",
        unique: &["id"],
        columns: &[
            ("id", UpTo(14)),
            (
                "a",
                Of(&[
                    "'{1,2,3}'",
                    "'{}'",
                    "'{NULL}'",
                    "NULL",
                    "'{3,1,2,1}'",
                    "'{{1,2},{3,4}}'",
                    "'[0:1]={7,8}'",
                ]),
            ),
            (
                "t",
                Of(&["'{a,b}'", "'{}'", "'{NULL,x}'", "NULL", "'{\"a b\",\"\"}'"]),
            ),
            (
                "r",
                Of(&["'[1,5)'", "'empty'", "'(,3]'", "'[2,)'", "NULL", "'[1,4]'"]),
            ),
            ("e", Of(&["'sad'", "'ok'", "'happy'", "NULL"])),
            (
                "p",
                Of(&["'(1,a)'", "'(,b)'", "'(2,)'", "NULL", "'(,)'", "'(1,a)'"]),
            ),
            ("q", Of(&["1", "7", "NULL"])),
            ("h", Of(&["'\\x00ff'", "'\\x'", "NULL", "'abc'"])),
            ("b", Of(&["B'1010'", "B'0000'", "NULL", "B'1111'"])),
        ],
        refers: None,
    },
    Table {
        name: "doc",
        unique: &["id"],
        columns: &[
            ("id", UpTo(16)),
            (
                "j",
                Of(&[
                    r#"'{"a": 1, "b": [1, 2, 3], "c": {"d": "x"}}'"#,
                    r#"'{"a": 2, "b": [3, 3, {"k": 3}], "c": {"d": "y"}}'"#,
                    r#"'{"a": 1.0, "b": [], "c": null}'"#,
                    r#"'{"a": "one", "b": [{"k": 1, "v": "x"}, {"k": 2}, null]}'"#,
                    r#"'[1, "two", null, [4, 5], {"six": 7}]'"#,
                    "'[]'",
                    "'{}'",
                    "'null'",
                    "NULL",
                    r#"'"text"'"#,
                    "'12.50'",
                    "'true'",
                    r#"'{"a": {"b": {"c": [10, 20, {"d": 30}]}}, "": 0}'"#,
                ]),
            ),
        ],
        refers: None,
    },
    Table {
        name: "reading",
        unique: &[],
        columns: &[
            ("city", Of(&["'a'", "'b'", "'c'", "NULL"])),
            (
                "at",
                Of(&["'2024-01-01'", "'2024-01-02'", "'2024-02-01'", "NULL"]),
            ),
            ("temp", Of(&["-5", "0", "17", "NULL", "17", "30"])),
        ],
        refers: None,
    },
];

/// What happens between two refreshes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// One statement on each table.
    Little,
    /// Many statements on each table.
    Much,
    /// Every key and every value of some columns moves; NULLs come and go.
    Moves,
    /// Every row of a table without a key once more.
    Twice,
    /// Every other table is emptied, from the first or from the second.
    Empty(usize),
    /// All tables are filled.
    Fill,
}

/// In this order.
pub const BATCHES: [Batch; 8] = [
    Batch::Little,
    Batch::Much,
    Batch::Empty(0),
    Batch::Moves,
    Batch::Fill,
    Batch::Twice,
    Batch::Empty(1),
    Batch::Fill,
];

/// The statements of a batch.
pub fn statements(batch: Batch, tape: &mut Tape) -> Vec<String> {
    let mut out = vec![];
    for (i, table) in TABLES.iter().enumerate() {
        match batch {
            Batch::Little => out.extend(table.change(tape)),
            Batch::Much => {
                for _ in 0..4 {
                    out.extend(table.change(tape));
                }
            }
            Batch::Moves => {
                for &(column, _) in table.columns {
                    out.extend(table.update(tape, column));
                }
            }
            Batch::Twice if table.unique.is_empty() => {
                out.push(format!("INSERT INTO {0} SELECT * FROM {0}", table.name));
            }
            Batch::Twice => out.extend(table.change(tape)),
            Batch::Empty(first) if i % 2 == first => {
                out.push(format!("DELETE FROM {}", table.name))
            }
            Batch::Empty(_) => out.extend(table.change(tape)),
            Batch::Fill => out.extend(table.fill(tape)),
        }
        // Not ever more rows.
        if table.unique.is_empty() && batch != Batch::Twice {
            out.push(format!(
                "DELETE FROM {0} WHERE (tableoid, ctid) IN (SELECT tableoid, ctid FROM {0} OFFSET {ROWS})",
                table.name
            ));
        }
    }
    out
}

impl Table {
    fn value(&self, tape: &mut Tape, column: &str) -> String {
        let pool = self.columns.iter().find(|(name, _)| *name == column);
        match pool {
            Some((_, UpTo(n))) => tape.between(1, *n).to_string(),
            Some((_, Of(values))) => tape.pick(values).copied().unwrap_or("NULL").to_owned(),
            None => "NULL".to_owned(),
        }
    }

    fn column(&self, tape: &mut Tape) -> &'static str {
        tape.pick(self.columns).map_or("", |(name, _)| name)
    }

    /// That a column has some value, or none.
    fn condition(&self, tape: &mut Tape) -> String {
        let column = self.column(tape);
        match self.value(tape, column).as_str() {
            "NULL" => format!("{column} IS NULL"),
            value => format!("{column}::text = ({value})::text"),
        }
    }

    fn change(&self, tape: &mut Tape) -> Vec<String> {
        match tape.weighted(&[3, 3, 2]) {
            0 => vec![self.insert(tape, 3)],
            1 => {
                let column = self.column(tape);
                self.update(tape, column)
            }
            _ => vec![format!(
                "DELETE FROM {} WHERE {}",
                self.name,
                self.condition(tape)
            )],
        }
    }

    fn insert(&self, tape: &mut Tape, rows: usize) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        let rows: Vec<String> = (0..rows)
            .map(|_| {
                let row: Vec<String> = names.iter().map(|c| self.value(tape, c)).collect();
                let row = row.join(", ");
                match self.refers {
                    None => format!("({row})"),
                    Some((column, of)) => {
                        let names = names.join(", ");
                        format!(
                            "SELECT {names} FROM (VALUES ({row})) AS r ({names}) WHERE {column} IN (SELECT {column} FROM {of})"
                        )
                    }
                }
            })
            .collect();
        let rows = match self.refers {
            None => format!("VALUES {}", rows.join(", ")),
            Some(_) => rows.join(" UNION ALL "),
        };
        let (name, columns) = (self.name, names.join(", "));
        format!("INSERT INTO {name} ({columns}) {rows} ON CONFLICT DO NOTHING")
    }

    /// About as many rows as a table has.
    fn fill(&self, tape: &mut Tape) -> Vec<String> {
        vec![self.insert(tape, ROWS / 2), self.insert(tape, ROWS / 2)]
    }

    /// Gives some rows another value of a column; at most one row where it is unique.
    fn update(&self, tape: &mut Tape, column: &str) -> Vec<String> {
        let (name, value) = (self.name, self.value(tape, column));
        if self.unique.contains(&column) {
            let old = self.value(tape, column);
            return vec![format!(
                "UPDATE {name} SET {column} = {value} WHERE {column} = {old} AND NOT EXISTS (SELECT FROM {name} AS o WHERE o.{column} = {value})"
            )];
        }
        let exists = match self.refers {
            Some((c, of)) if c == column => {
                format!(" AND EXISTS (SELECT FROM {of} AS o WHERE o.{c} = {value})")
            }
            _ => String::new(),
        };
        let condition = self.condition(tape);
        vec![format!(
            "UPDATE {name} SET {column} = {value} WHERE {condition}{exists}"
        )]
    }
}
