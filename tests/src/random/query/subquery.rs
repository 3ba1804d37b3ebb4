//! Subqueries in expressions.

use super::super::expr::{Sql, column, condition};
use super::super::types::Ty;
use super::Generator;

impl Generator<'_> {
    /// EXISTS, IN, ANY, ALL, or a comparison with a scalar subquery. Operands are over `scope`; the
    /// subquery may read `outer`, and hold another to such a depth.
    pub(super) fn truth(&mut self, scope: &[Sql], outer: &[Sql], depth: usize) -> Sql {
        let boolean = |text: String| Sql {
            text,
            ty: Ty::Bool,
            fuzzy: false,
        };
        // A subquery in this one that reads `outer` makes this one depend on it in a way in which
        // equal values must look the same.
        let crossing = depth > 0 && self.tape.percent(4);
        let fixed = |c: &&Sql| !c.ty.has_images() || c.ty.has_look();
        let plain: Vec<Sql>;
        let outer = match crossing {
            true => {
                plain = outer.iter().filter(fixed).cloned().collect();
                &plain
            }
            false => outer,
        };
        let item = self.item(0);
        let mut conditions = vec![];
        if self.tape.percent(75) {
            conditions.extend(self.equality(outer, &item.scope));
        }
        if self.tape.percent(20) {
            let both: Vec<Sql> = outer.iter().chain(&item.scope).cloned().collect();
            conditions.push(condition(self.tape, &both, 1).text);
        } else if self.tape.percent(25) {
            conditions.push(condition(self.tape, &item.scope, 1).text);
        }
        if crossing || depth > 0 && self.tape.percent(9) {
            let both: Vec<Sql> = match crossing {
                true => outer.iter().chain(&item.scope).cloned().collect(),
                false => item.scope.clone(),
            };
            conditions.push(self.truth(&item.scope, &both, depth - 1).text);
        }
        let from = match conditions.is_empty() {
            true => format!("FROM {}", item.sql),
            false => format!("FROM {} WHERE {}", item.sql, conditions.join(" AND ")),
        };
        let mut pairs = vec![];
        for l in scope {
            for r in item.scope.iter().filter(|r| r.ty == l.ty) {
                pairs.push((l, r));
            }
        }
        let pair = self.tape.pick(&pairs).copied();
        let not = if self.tape.percent(30) { "NOT " } else { "" };
        let Some((l, r)) = pair else {
            return boolean(format!("{not}EXISTS (SELECT 1 {from})"));
        };
        match self.tape.weighted(&[30, 38, 12, 8, 12, 5, 5]) {
            0 => boolean(format!("{not}EXISTS (SELECT 1 {from})")),
            1 => boolean(format!("{} {not}IN (SELECT {} {from})", l.text, r.text)),
            2 => {
                let ordered = !matches!(l.ty, Ty::Bool | Ty::Uuid | Ty::Jsonb);
                let signs: &[&str] = match ordered {
                    true => &["=", "<>", "<", ">="],
                    false => &["=", "<>"],
                };
                let sign = self.tape.pick(signs).unwrap_or(&"=");
                let word = if self.tape.percent(50) { "ANY" } else { "ALL" };
                boolean(format!(
                    "({} {sign} {word} (SELECT {} {from}))",
                    l.text, r.text
                ))
            }
            3 => match self.tape.pick(&pairs).copied() {
                Some((l2, r2)) => boolean(format!(
                    "({}, {}) {not}IN (SELECT {}, {} {from})",
                    l.text, l2.text, r.text, r2.text
                )),
                None => boolean(format!("EXISTS (SELECT 1 {from})")),
            },
            4 => match self.tape.pick(&pairs).copied() {
                // One row, or none.
                Some((l2, r2)) => {
                    let sign = self.tape.pick(&["=", "<>"]).unwrap_or(&"=");
                    boolean(format!(
                        "(({}, {}) {sign} (SELECT {}, {} {from} ORDER BY 1, 2 LIMIT 1))",
                        l.text, l2.text, r.text, r2.text
                    ))
                }
                None => boolean(format!("EXISTS (SELECT 1 {from})")),
            },
            5 => {
                // An aggregate of the query around a subquery is not incremental in it. VALUES, and a
                // subquery in it, depend on what they read as if they crossed it.
                let first = match l.text.contains('(') || !fixed(&l) {
                    true => l.ty.literal(self.tape),
                    false => l.text.clone(),
                };
                let second = match l.ty {
                    Ty::Bool | Ty::Uuid | Ty::Jsonb => l.ty.literal(self.tape),
                    _ if !outer.iter().all(|c| fixed(&c)) => l.ty.literal(self.tape),
                    _ => format!("(SELECT min({}) {from})", r.text),
                };
                boolean(format!("{} {not}IN (VALUES ({first}), ({second}))", l.text))
            }
            _ => {
                let value = self.scalar(outer);
                let column = column(self.tape, scope, |c| c.ty == value.ty);
                let other = match column {
                    Some(column) => column.text,
                    None => value.ty.literal(self.tape),
                };
                let sign = if self.tape.percent(50) { "=" } else { "<>" };
                boolean(format!("({other} {sign} {})", value.text))
            }
        }
    }

    /// A subquery as a value: an aggregate of what matches a row of `outer`, or of all; the only row of
    /// it, if there is only one; or the array of it.
    pub(super) fn scalar(&mut self, outer: &[Sql]) -> Sql {
        let item = self.item(0);
        let mut conditions = vec![];
        let integers = |c: &&Sql| c.ty == Ty::Int4;
        let there: Vec<&Sql> = item.scope.iter().filter(integers).collect();
        let here: Vec<&Sql> = outer.iter().filter(integers).collect();
        if self.tape.percent(80)
            && let (Some(a), Some(b)) = (self.tape.pick(&here), self.tape.pick(&there))
        {
            let sign = ["=", "<", "<>"][self.tape.weighted(&[85, 8, 7])];
            conditions.push(format!("{} {sign} {}", a.text, b.text));
        }
        if self.tape.percent(25) {
            conditions.push(condition(self.tape, &item.scope, 1).text);
        }
        let filter = match conditions.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", conditions.join(" AND ")),
        };
        let from = format!("FROM {}{filter}", item.sql);
        let rows = self.tape.weighted(&[76, 14, 10]);
        let column = match rows {
            1 => column(self.tape, &item.scope, |_| true),
            2 => column(self.tape, &item.scope, |c| c.ty == Ty::Int4),
            _ => None,
        };
        if let Some(column) = column {
            return match rows {
                1 => Sql {
                    text: format!(
                        "CASE WHEN (SELECT count(*) {from}) < 2 THEN (SELECT {} {from}) END",
                        column.text
                    ),
                    ..column
                },
                _ => Sql {
                    text: format!("ARRAY(SELECT {} {from} ORDER BY 1)", column.text),
                    ty: Ty::Ints,
                    fuzzy: false,
                },
            };
        }
        let value = self.aggregate(&item.scope);
        Sql {
            text: format!("(SELECT {} FROM {}{filter})", value.text, item.sql),
            ..value
        }
    }
}
