//! The types of columns, and literals from tiny domains: so small that joins match, groups share
//! keys, and what is inserted is found again.

use spec::tape::Tape;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ty {
    Int4,
    Text,
    Int8,
    /// `numeric(10,2)`.
    Money,
    Bool,
    Int2,
    /// `numeric` without a scale.
    Numeric,
    Float8,
    Date,
    Varchar,
    Bpchar,
    Timestamp,
    Timestamptz,
    Interval,
    Uuid,
    Bytea,
    Jsonb,
    /// An enum of the schema.
    Mood,
    Ints,
}

use Ty::*;

impl Ty {
    pub const ALL: [Ty; 19] = [
        Int4,
        Text,
        Int8,
        Money,
        Bool,
        Int2,
        Numeric,
        Float8,
        Date,
        Varchar,
        Bpchar,
        Timestamp,
        Timestamptz,
        Interval,
        Uuid,
        Bytea,
        Jsonb,
        Mood,
        Ints,
    ];

    /// As written in DDL.
    pub fn sql(self) -> &'static str {
        match self {
            Int2 => "int2",
            Int4 => "int4",
            Int8 => "int8",
            Numeric => "numeric",
            Money => "numeric(10,2)",
            Float8 => "float8",
            Text => "text",
            Varchar => "varchar(5)",
            Bpchar => "char(3)",
            Bool => "bool",
            Date => "date",
            Timestamp => "timestamp",
            Timestamptz => "timestamptz",
            Interval => "interval",
            Uuid => "uuid",
            Bytea => "bytea",
            Jsonb => "jsonb",
            Mood => "mood",
            Ints => "int4[]",
        }
    }

    /// Equal values may have different images, so that which of them a group, DISTINCT, `min` or
    /// `max` shows is not fixed.
    pub fn has_images(self) -> bool {
        matches!(self, Numeric | Float8 | Interval | Jsonb)
    }

    /// Equal values that look different have different texts, whatever the session.
    pub fn has_look(self) -> bool {
        matches!(self, Numeric | Float8 | Jsonb)
    }

    pub fn is_number(self) -> bool {
        matches!(self, Int2 | Int4 | Int8 | Numeric | Money | Float8)
    }

    fn domain(self) -> &'static [&'static str] {
        match self {
            Int2 | Int4 | Int8 => &["1", "2", "3", "0", "-1"],
            Numeric => &["1", "1.00", "2.5", "0", "0.0", "-1", "2.50"],
            Money => &["1", "2.5", "0", "-1.25", "10"],
            Float8 => &["1", "0", "-0", "0.5", "-2"],
            Text => &["a", "b", "", "A", "ab"],
            Varchar => &["a", "b", "", "abcde"],
            Bpchar => &["a", "b", "abc"],
            Bool => &["t", "f"],
            Date => &["2024-01-01", "2024-02-29", "2023-12-31"],
            Timestamp => &[
                "2024-01-01 00:00:00",
                "2024-01-01 12:30:00",
                "2024-02-29 00:00:00.5",
            ],
            Timestamptz => &[
                "2024-01-01 00:00:00+00",
                "2024-01-01 12:30:00+02",
                "2024-02-29 00:00:00+00",
            ],
            Interval => &["1 day", "24:00:00", "1 mon", "-00:30:00", "00:00:00"],
            Uuid => &[
                "00000000-0000-0000-0000-000000000001",
                "00000000-0000-0000-0000-000000000002",
                "ffffffff-ffff-ffff-ffff-ffffffffffff",
            ],
            Bytea => &["\\x00", "\\x0102", "\\x"],
            Jsonb => &[
                r#"{"a": 1, "b": "x"}"#,
                r#"{"a": 1.0, "b": "x"}"#,
                r#"{"b": "y"}"#,
                "[1, 2]",
                "1",
            ],
            Mood => &["sad", "ok", "happy"],
            Ints => &["{1,2}", "{2}", "{}", "{1,NULL}"],
        }
    }

    /// Values that make sums and averages special; rare.
    fn specials(self) -> &'static [&'static str] {
        match self {
            Numeric => &["NaN", "Infinity", "-Infinity"],
            Money => &["NaN"],
            Float8 => &["NaN", "Infinity", "-Infinity"],
            _ => &[],
        }
    }

    /// A literal of exactly this type.
    pub fn literal(self, tape: &mut Tape) -> String {
        let text = tape.pick(self.domain()).unwrap_or(&"");
        self.written(text)
    }

    /// A literal for data: NULL and special values too.
    pub fn datum(self, tape: &mut Tape, nullable: bool) -> String {
        if nullable && tape.percent(18) {
            return "NULL".to_owned();
        }
        if !self.specials().is_empty() && tape.percent(3) {
            let text = tape.pick(self.specials()).unwrap_or(&"NaN");
            return self.written(text);
        }
        self.literal(tape)
    }

    fn written(self, text: &str) -> String {
        match self {
            Int4 if !text.starts_with('-') => text.to_owned(),
            Bool => if text == "t" { "true" } else { "false" }.to_owned(),
            Text => format!("'{text}'::text"),
            _ => format!("'{text}'::{}", self.sql()),
        }
    }
}
