//! Random rows, Z-sets, and reachable pairs of an old state and a log of changes.

use super::schema::Table;
use super::{Config, Tape};
use crate::eval::builtin::CITEXT;
use crate::eval::numeric::Numeric;
use crate::eval::{Bag, Row, Value, World, ZSet};
use crate::types::{ColType, SqlType, oids};
use std::collections::BTreeMap;

/// A value of a tiny domain; the first ones are the simplest.
pub fn value(tape: &mut Tape, ty: SqlType, nullable: bool, config: Config) -> Value {
    if nullable && tape.percent(15) {
        return Value::Null;
    }
    let texts = |tape: &mut Tape, items: &[&str]| (*tape.pick(items).unwrap_or(&"")).to_owned();
    match ty.oid {
        oids::BOOL => Value::Bool(tape.percent(50)),
        oids::INT2 | oids::INT4 | oids::INT8 => Value::Int(tape.below(5) as i64),
        oids::TEXT => Value::text(&texts(tape, &["a", "b", "", "A"])),
        CITEXT => Value::CiText(texts(tape, &["a", "A", "b", "B"]).into()),
        oids::FLOAT8 if config.specials => {
            let f = [0.0, -0.0, 1.5, 2.0, f64::INFINITY, f64::NAN];
            Value::float(*tape.pick(&f).unwrap_or(&0.0))
        }
        oids::FLOAT8 => Value::float(*tape.pick(&[0.0, -0.0, 1.5, 2.0]).unwrap_or(&0.0)),
        oids::NUMERIC => {
            // Two images of 1 and of 0 where the scale is free.
            let finite = ["1", "1.00", "0", "0.0", "2.5", "-1"];
            let special = ["NaN", "NaN", "Infinity", "-Infinity"];
            let text = if config.specials && tape.percent(8) {
                let n = if ty.typmod < 0 { 4 } else { 1 };
                tape.pick(&special[..n])
            } else {
                tape.pick(&finite)
            };
            let n = text
                .and_then(|t| Numeric::parse(t))
                .and_then(|n| n.with_typmod(ty.typmod).ok());
            n.map_or(Value::Null, Value::Numeric)
        }
        _ => Value::Null,
    }
}

pub fn row(tape: &mut Tape, types: &[ColType], config: Config) -> Row {
    types
        .iter()
        .map(|c| value(tape, c.ty, c.nullable, config))
        .collect()
}

/// Any Z-set: weights of both signs.
pub fn zset(tape: &mut Tape, types: &[ColType], config: Config) -> ZSet {
    bag(tape, types, config).consolidate()
}

/// Any bag: rows repeat and cancel.
pub fn bag(tape: &mut Tape, types: &[ColType], config: Config) -> Bag {
    let n = tape.below(8);
    let mut out = Bag::default();
    for _ in 0..n {
        let w = *tape.pick(&[1, -1, 2, -2]).unwrap_or(&1);
        let row = match out.0.is_empty() {
            false if tape.percent(25) => out.0[tape.below(out.0.len())].0.clone(),
            _ => row(tape, types, config),
        };
        out.0.push((row, w));
    }
    out
}

/// Every source with some rows, and some of them with a log of changes, of which every state in
/// between keeps the facts of the source: the key, NOT NULL, no negative weights.
pub fn world(tape: &mut Tape, tables: &[Table], config: Config) -> World {
    let mut old = BTreeMap::new();
    let mut delta = BTreeMap::new();
    for table in tables {
        let mut content = Content {
            table,
            rows: vec![],
        };
        for _ in 0..tape.weighted(&[1, 1, 1, 2, 3, 3, 3]) {
            content.insert(tape, config);
        }
        let relation = table.source.relation;
        old.insert(
            relation,
            content.rows.iter().map(|r| (r.clone(), 1)).collect(),
        );
        if tape.percent(80) {
            let mut log = Bag::default();
            for _ in 0..tape.between(1, 6) {
                content.change(tape, config, &mut log);
            }
            if !log.0.is_empty() {
                delta.insert(relation, log);
            }
        }
    }
    World {
        old,
        delta,
        ..World::default()
    }
}

/// The rows of a table as it changes.
struct Content<'a> {
    table: &'a Table,
    rows: Vec<Row>,
}

impl Content<'_> {
    fn insert(&mut self, tape: &mut Tape, config: Config) -> Option<Row> {
        let row = match self.rows.is_empty() {
            // A duplicate, where there is no key.
            false if tape.percent(15) => self.rows[tape.below(self.rows.len())].clone(),
            _ => row(tape, &self.table.source.types, config),
        };
        self.admit(row)
    }

    /// Adds a row unless the key forbids it.
    fn admit(&mut self, row: Row) -> Option<Row> {
        let clash = self.table.key.as_ref().is_some_and(|key| {
            self.rows.iter().any(|r| {
                key.iter()
                    .all(|&c| r[c].sql_cmp(&row[c]).is_some_and(|o| o.is_eq()))
            })
        });
        if clash {
            return None;
        }
        self.rows.push(row.clone());
        Some(row)
    }

    fn delete(&mut self, tape: &mut Tape) -> Option<Row> {
        if self.rows.is_empty() {
            return None;
        }
        // The last, which may have been inserted just now, more often than others.
        let i = match tape.percent(25) {
            true => self.rows.len() - 1,
            false => tape.below(self.rows.len()),
        };
        Some(self.rows.remove(i))
    }

    /// One INSERT, DELETE or UPDATE of one row, as capture would log it.
    fn change(&mut self, tape: &mut Tape, config: Config, log: &mut Bag) {
        match tape.weighted(&[35, 30, 35]) {
            0 => log.0.extend(self.insert(tape, config).map(|r| (r, 1))),
            1 => log.0.extend(self.delete(tape).map(|r| (r, -1))),
            _ => {
                let Some(before) = self.delete(tape) else {
                    return;
                };
                let mut after = before.clone();
                let types = &self.table.source.types;
                for _ in 0..tape.between(1, 2) {
                    let c = tape.below(types.len());
                    after[c] = value(tape, types[c].ty, types[c].nullable, config);
                }
                match self.admit(after) {
                    Some(after) => log.0.extend([(before, -1), (after, 1)]),
                    None => self.rows.push(before),
                }
            }
        }
    }
}
