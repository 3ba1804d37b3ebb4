//! FROM and WHERE.

use super::super::expr::{Sql, condition};
use super::super::types::Ty;
use super::{Column, From, Generator, Item, MOST_ROWS};

impl Generator<'_> {
    pub(super) fn item(&mut self, depth: usize) -> Item {
        let alias = format!("a{}", self.aliases);
        self.aliases += 1;
        let subquery = if depth > 0 { 16 } else { 0 };
        let mut weights: Vec<usize> = self.relations.iter().map(|r| r.weight).collect();
        weights.push(subquery);
        let chosen = self.tape.weighted(&weights);
        self.open |= self.relations.get(chosen).is_some_and(|r| r.open);
        let (sql, columns, rows, is_table) = match self.relations.get(chosen) {
            Some(r) => (
                format!("{} AS {alias}", r.name),
                r.columns.clone(),
                r.rows,
                r.is_table,
            ),
            None if depth == 0 => {
                // Shrinking has left nothing to read.
                let column = Column {
                    name: "c0".to_owned(),
                    ty: Ty::Int4,
                    fuzzy: false,
                };
                let sql = format!("(SELECT 1 AS c0) AS {alias}");
                (sql, vec![column], 1, false)
            }
            None => {
                let recursion = match self.tape.percent(16) {
                    true => self.recursion(depth - 1),
                    false => None,
                };
                let q = match recursion {
                    Some(q) => q,
                    None => self.query(depth - 1),
                };
                (format!("({}) AS {alias}", q.sql), q.columns, q.rows, false)
            }
        };
        Item {
            sql,
            scope: columns
                .iter()
                .map(|c| Sql {
                    text: format!("{alias}.{}", c.name),
                    ty: c.ty,
                    fuzzy: c.fuzzy,
                })
                .collect(),
            rows,
            is_table,
            names: columns.into_iter().map(|c| c.name).collect(),
        }
    }

    pub(super) fn from(&mut self, depth: usize) -> From {
        let first = self.item(depth);
        let n = self.tape.weighted(&[42, 36, 15, 7]);
        let commas = self.tape.percent(25);
        let mut sql = first.sql;
        let mut scope = first.scope;
        let mut rows = first.rows;
        let mut conditions: Vec<String> = vec![];
        let mut last = (first.is_table, first.names);
        for i in 0..n {
            // Later ones not as deep, so that queries stay readable.
            let item = self.item(depth.min(if i == 0 { 2 } else { 1 }));
            let equal = self.equality(&scope, &item.scope);
            let product = rows * item.rows;
            let joined = match equal {
                // The few values of a join column are shared by half of the rows, at times.
                Some(_) => (product / 2).max(1),
                None => product,
            };
            if joined > MOST_ROWS || (equal.is_none() && product > 300) {
                continue;
            }
            rows = joined;
            // NATURAL and USING see the columns of both sides whole: tables only.
            let natural = i == 0 && last.0 && item.is_table && !commas && self.tape.percent(22);
            let kind = self.outer(commas);
            let shared: Vec<&String> = item.names.iter().filter(|n| last.1.contains(n)).collect();
            scope.extend(item.scope);
            sql = match (natural, commas, equal) {
                (true, _, _) if self.tape.percent(50) => {
                    format!("{sql} NATURAL {kind}JOIN {}", item.sql)
                }
                (true, _, _) if !shared.is_empty() => {
                    format!("{sql} {kind}JOIN {} USING (k)", item.sql)
                }
                (_, true, equal) => {
                    conditions.extend(equal);
                    format!("{sql}, {}", item.sql)
                }
                (_, false, Some(mut on)) => {
                    // PostgreSQL joins FULL on equations only.
                    let kind = match kind {
                        "FULL " if !on.contains(" = ") => "LEFT ",
                        kind => kind,
                    };
                    if kind != "FULL " && self.tape.percent(12) {
                        on = format!("{on} AND {}", condition(self.tape, &scope, 1).text);
                    }
                    if kind != "FULL " && self.tape.percent(6) {
                        let all = scope.clone();
                        on = format!("{on} AND {}", self.truth(&all, &all, 0).text);
                    }
                    format!("{sql} {kind}JOIN {} ON {on}", item.sql)
                }
                (_, false, None) if kind == "LEFT " => {
                    let on = condition(self.tape, &scope, 1).text;
                    format!("{sql} LEFT JOIN {} ON {on}", item.sql)
                }
                (_, false, None) => format!("{sql} CROSS JOIN {}", item.sql),
            };
            last.0 = false;
        }
        while rows * 3 <= MOST_ROWS && self.tape.percent(16) {
            let item = self.lateral(&scope);
            let (word, on) = match (self.tape.percent(40), self.tape.percent(50)) {
                (false, true) => (", LATERAL", String::new()),
                (false, false) => (" CROSS JOIN LATERAL", String::new()),
                (true, true) => (" LEFT JOIN LATERAL", " ON true".to_owned()),
                (true, false) => {
                    let on = condition(self.tape, &item.scope, 1).text;
                    (" LEFT JOIN LATERAL", format!(" ON {on}"))
                }
            };
            sql = format!("{sql}{word} {}{on}", item.sql);
            scope.extend(item.scope);
            rows = (rows * item.rows).min(MOST_ROWS);
        }
        if self.tape.percent(25) {
            conditions.push(condition(self.tape, &scope, 1).text);
        }
        if self.tape.percent(18) {
            let mut truth = self.truth(&scope, &scope, 1).text;
            if self.tape.percent(20) {
                let other = condition(self.tape, &scope, 1).text;
                truth = format!("({truth} OR {other})");
            }
            conditions.push(truth);
        }
        let filter = match conditions.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", conditions.join(" AND ")),
        };
        From {
            sql: format!("FROM {sql}{filter}"),
            scope,
            rows,
        }
    }

    /// `LEFT `, `RIGHT `, `FULL ` or nothing, before JOIN.
    pub(super) fn outer(&mut self, commas: bool) -> &'static str {
        if commas {
            return "";
        }
        ["", "LEFT ", "RIGHT ", "FULL "][self.tape.weighted(&[60, 22, 9, 9])]
    }

    /// A condition that joins two sides: on equal columns, mostly integers; rarely on something
    /// else, or none.
    pub(super) fn equality(&mut self, left: &[Sql], right: &[Sql]) -> Option<String> {
        if self.tape.percent(5) {
            return None;
        }
        let any = self.tape.percent(30);
        let mut pairs = vec![];
        for l in left {
            for r in right {
                let integers = l.ty == Ty::Int4 && r.ty == Ty::Int4;
                if integers || any && l.ty == r.ty {
                    pairs.push((l, r));
                }
            }
        }
        let (l, r) = self.tape.pick(&pairs)?;
        Some(match self.tape.weighted(&[85, 5, 5, 5]) {
            1 if l.ty == Ty::Int4 => format!("{} = {} + 1", l.text, r.text),
            2 => format!("{} <= {}", l.text, r.text),
            3 if l.ty == Ty::Int4 => format!("{}::int8 = {}", l.text, r.text),
            _ => format!("{} = {}", l.text, r.text),
        })
    }
}
