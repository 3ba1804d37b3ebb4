//! Grouping, and what is computed of groups.

use super::super::expr::{Sql, column, condition, expr};
use super::super::types::Ty;
use super::{From, Generator, Query, select_list};

impl Generator<'_> {
    pub(super) fn grouped(&mut self, from: From, global: bool, types: Option<&[Ty]>) -> Query {
        let mut keys: Vec<Sql> = vec![];
        let n = if global { 0 } else { self.tape.between(1, 2) };
        for _ in 0..n {
            keys.extend(self.key(&from.scope));
        }
        let global = keys.is_empty();
        let mut known: Vec<Sql> = (0..self.tape.between(1, 3))
            .map(|_| self.aggregate(&from.scope))
            .collect();
        if self.tape.percent(12)
            && let Some(c) = column(self.tape, &from.scope, |c| c.ty == Ty::Int4)
        {
            // An aggregate of this query in a subquery.
            let function = ["min", "max"][self.tape.below(2)];
            let outer = Sql {
                text: format!("{function}({})", c.text),
                ..c
            };
            known.push(self.scalar(&[outer]));
        }
        let having = match self.tape.percent(if global { 8 } else { 22 }) {
            true => {
                let mut scope = known.clone();
                scope.extend(keys.iter().cloned());
                let having = match self.tape.percent(25) {
                    true => {
                        // In a subquery, only a key that is a column is known to be one.
                        let plain = |k: &&Sql| !k.text.starts_with(['(', 'u']);
                        let outer: Vec<Sql> = keys.iter().filter(plain).cloned().collect();
                        self.truth(&scope, &outer, 1)
                    }
                    false => condition(self.tape, &scope, 1),
                };
                format!(" HAVING {}", having.text)
            }
            false => String::new(),
        };
        let mut outputs = vec![];
        if types.is_none() {
            for key in &keys {
                // A key that is not shown leaves duplicates.
                if !self.tape.percent(15) {
                    outputs.push(key.clone());
                }
            }
            for e in &known {
                if !self.tape.percent(25) {
                    outputs.push(e.clone());
                }
            }
        }
        known.extend(keys.iter().cloned());
        if types.is_some() || outputs.is_empty() || self.tape.percent(30) {
            outputs.extend(self.outputs(&known, types, 2));
        }
        let (list, columns) = select_list(&outputs);
        // A row is no column of a table, but a key.
        let mut row = None;
        if !global
            && self.tape.percent(6)
            && let Some(a) = column(self.tape, &from.scope, |_| true)
            && let Some(b) = column(self.tape, &from.scope, |_| true)
        {
            row = Some(format!("ROW({}, {})", a.text, b.text));
        }
        let by = match global {
            true => String::new(),
            false => {
                let mut texts: Vec<&str> = keys.iter().map(|k| k.text.as_str()).collect();
                texts.extend(row.as_deref());
                format!(" GROUP BY {}", self.grouping(&texts))
            }
        };
        Query {
            sql: format!("SELECT {list} {}{by}{having}", from.sql),
            columns,
            rows: if global { 1 } else { from.rows },
            returns_sets: false,
            open: false,
        }
    }

    /// The keys, or grouping sets over them.
    pub(super) fn grouping(&mut self, keys: &[&str]) -> String {
        let all = keys.join(", ");
        let first = keys[0];
        match self.tape.weighted(&[86, 4, 4, 3, 3]) {
            1 => format!("ROLLUP ({all})"),
            2 => format!("CUBE ({all})"),
            3 => format!("GROUPING SETS (({all}), ({first}), ())"),
            4 => format!("GROUPING SETS ({first}, CUBE ({all}))"),
            _ => all,
        }
    }

    /// A key to group by: a column, or an expression over one.
    pub(super) fn key(&mut self, scope: &[Sql]) -> Option<Sql> {
        let mut key = column(self.tape, scope, |_| true)?;
        if self.tape.percent(20) {
            key.text = match key.ty {
                Ty::Int4 | Ty::Int8 => format!("({} % 2)", key.text),
                Ty::Text => format!("upper({})", key.text),
                Ty::Bool => format!("({} IS TRUE)", key.text),
                _ => key.text,
            };
        }
        key.fuzzy = key.ty.has_images();
        Some(key)
    }

    pub(super) fn aggregate(&mut self, scope: &[Sql]) -> Sql {
        let filter = match self.tape.percent(18) {
            true => format!(" FILTER (WHERE {})", condition(self.tape, scope, 1).text),
            false => String::new(),
        };
        let kind = self.tape.weighted(&[22, 12, 28, 14, 24, 8]);
        let summable = |c: &Sql| c.ty.is_number() || c.ty == Ty::Interval;
        let ordered = |c: &Sql| !matches!(c.ty, Ty::Bool | Ty::Uuid | Ty::Jsonb);
        let argument = match kind {
            0 => None,
            1 => column(self.tape, scope, |_| true),
            2 => column(self.tape, scope, summable),
            // How many digits a quotient has depends on the images.
            3 => column(self.tape, scope, |c| summable(c) && !c.fuzzy),
            _ => column(self.tape, scope, ordered),
        };
        let count = |argument: &str| Sql {
            text: format!("count({argument}){filter}"),
            ty: Ty::Int8,
            fuzzy: false,
        };
        let Some(mut argument) = argument else {
            return count("*");
        };
        // An expression over it, or of its type.
        if self.tape.percent(25) {
            let ty = argument.ty;
            let e = expr(self.tape, scope, ty, 2);
            if kind != 3 || !e.fuzzy {
                argument = e;
            }
        }
        let Sql {
            text,
            ty,
            mut fuzzy,
        } = argument;
        // Which of several images is summed is not fixed.
        let distinct = kind != 5 && !(kind == 3 && ty.has_images());
        let text = match self.tape.percent(22) && distinct {
            true => {
                fuzzy |= ty.has_images();
                format!("DISTINCT {text}")
            }
            false => text,
        };
        match kind {
            5 => {
                let (call, ty) = match (ty, self.tape.below(3)) {
                    (Ty::Text | Ty::Varchar, 0) => {
                        (format!("string_agg({text}, ',' ORDER BY {text})"), Ty::Text)
                    }
                    (_, 1) => (
                        format!("percentile_disc(0.5) WITHIN GROUP (ORDER BY {text} DESC)"),
                        ty,
                    ),
                    _ => (format!("mode() WITHIN GROUP (ORDER BY {text})"), ty),
                };
                let result = match ty {
                    Ty::Varchar => Ty::Text,
                    Ty::Money => Ty::Numeric,
                    other => other,
                };
                Sql {
                    text: format!("{call}{filter}"),
                    ty: result,
                    fuzzy: fuzzy || ty.has_images(),
                }
            }
            2 | 3 => {
                let name = if kind == 2 { "sum" } else { "avg" };
                let result = match (name, ty) {
                    ("sum", Ty::Int2 | Ty::Int4) => Ty::Int8,
                    (_, Ty::Float8 | Ty::Interval) => ty,
                    _ => Ty::Numeric,
                };
                let call = format!("{name}({text}){filter}");
                Sql {
                    // Sums of thirds depend on their order; all other floats here are sums of
                    // powers of two.
                    text: match (name, result) {
                        ("avg", Ty::Float8) => format!("(round({call} * 64) / 64)"),
                        _ => call,
                    },
                    ty: result,
                    fuzzy,
                }
            }
            4 => {
                let name = if self.tape.percent(50) { "max" } else { "min" };
                let result = match ty {
                    Ty::Varchar => Ty::Text,
                    // Without its typmod.
                    Ty::Money => Ty::Numeric,
                    other => other,
                };
                Sql {
                    text: format!("{name}({text}){filter}"),
                    ty: result,
                    fuzzy: ty.has_images(),
                }
            }
            _ => count(&text),
        }
    }
}
