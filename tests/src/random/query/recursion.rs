//! WITH RECURSIVE that ends: over values that are there already, or for a few steps.

use super::super::expr::{Sql, column, condition, expr};
use super::super::types::Ty;
use super::{Column, Generator, MOST_ROWS, Query};

/// Equal values of these look the same, as UNION wants it.
const ALIKE: [Ty; 8] = [
    Ty::Int4,
    Ty::Int4,
    Ty::Text,
    Ty::Int8,
    Ty::Money,
    Ty::Bool,
    Ty::Date,
    Ty::Uuid,
];

/// As a column of this type, modifier and all.
fn typed(e: &Sql, name: &str) -> String {
    format!("({})::{} AS {name}", e.text, e.ty.sql())
}

impl Generator<'_> {
    /// None where it could have too many rows.
    pub(super) fn recursion(&mut self, depth: usize) -> Option<Query> {
        let name = format!("r{}", self.aliases);
        self.aliases += 1;
        let distinct = self.tape.percent(55);
        let mut types = vec![Ty::Int4];
        for _ in 0..self.tape.between(usize::from(!distinct), 2) {
            let ty = match distinct {
                true => self.tape.pick(&ALIKE),
                false => self.tape.pick(&Ty::ALL),
            };
            types.push(ty.copied().unwrap_or(Ty::Int4));
        }
        let from = self.from(depth.min(1));
        if from.rows * 24 > MOST_ROWS {
            return None;
        }
        let mut fuzzy = false;
        let mut seed = vec![];
        for (i, ty) in types.iter().enumerate() {
            let e = match i == 0 && !distinct {
                true => Sql {
                    text: "0".to_owned(),
                    ty: *ty,
                    fuzzy: false,
                },
                false => expr(self.tape, &from.scope, *ty, 1),
            };
            fuzzy |= e.fuzzy;
            seed.push(typed(&e, &format!("c{i}")));
        }
        let alias = format!("a{}", self.aliases);
        self.aliases += 1;
        let own: Vec<Sql> = types
            .iter()
            .enumerate()
            .map(|(i, ty)| Sql {
                text: format!("{alias}.c{i}"),
                ty: *ty,
                fuzzy,
            })
            .collect();
        let along = self.item(depth.min(1));
        // Not by the steps that it counts.
        let joined = if distinct { &own[..] } else { &own[1..] };
        let on = self.equality(joined, &along.scope);
        if on.is_none() && (!distinct || along.rows > 40) {
            return None;
        }
        let mut scope = own.clone();
        scope.extend(along.scope.clone());
        let mut conditions: Vec<String> = on.into_iter().collect();
        let mut joined = along.sql;
        for _ in 0..self.tape.weighted(&[50, 35, 15]) {
            match self.tape.below(3) {
                0 => joined.push_str(&self.left_link(&mut scope)),
                1 => conditions.extend(self.witness(&scope)),
                _ => {
                    let number = column(self.tape, &scope, |c| c.ty == Ty::Int4);
                    let made = format!("g{}", self.aliases);
                    self.aliases += 1;
                    let most = number.map_or("2".to_owned(), |c| format!("least({}, 2)", c.text));
                    joined = format!("{joined} CROSS JOIN generate_series(1, {most}) AS {made}(g)");
                    scope.push(Sql {
                        text: format!("{made}.g"),
                        ty: Ty::Int4,
                        fuzzy: false,
                    });
                }
            }
        }
        if self.tape.percent(30) {
            conditions.push(condition(self.tape, &scope, 1).text);
        }
        let mut step = vec![];
        for (i, ty) in types.iter().enumerate() {
            let e = match (i, distinct) {
                (0, false) => {
                    conditions.push(format!("{alias}.c0 < {}", 1 + self.tape.below(2)));
                    Sql {
                        text: format!("{alias}.c0 + 1"),
                        ty: *ty,
                        fuzzy: false,
                    }
                }
                // Nothing new is made.
                (_, true) => match column(self.tape, &scope, |c| c.ty == *ty) {
                    Some(c) => c,
                    None => own[i].clone(),
                },
                (_, false) => expr(self.tape, &scope, *ty, 1),
            };
            fuzzy |= e.fuzzy;
            step.push(typed(&e, &format!("c{i}")));
        }
        let filter = match conditions.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", conditions.join(" AND ")),
        };
        let names: Vec<String> = (0..types.len()).map(|i| format!("c{i}")).collect();
        let names = names.join(", ");
        let all = if distinct { "" } else { " ALL" };
        let sql = format!(
            "WITH RECURSIVE {name} ({names}) AS (SELECT {} {} UNION{all} SELECT {} FROM {name} AS {alias} CROSS JOIN {joined}{filter}) SELECT {names} FROM {name}",
            seed.join(", "),
            from.sql,
            step.join(", "),
        );
        let columns = types.iter().enumerate().map(|(i, ty)| Column {
            name: format!("c{i}"),
            ty: *ty,
            fuzzy,
        });
        Some(Query {
            sql,
            columns: columns.collect(),
            rows: (from.rows * 8).min(MOST_ROWS),
            returns_sets: false,
            open: false,
        })
    }
    /// A left join of what stands before it, by what raises no error.
    fn left_link(&mut self, scope: &mut Vec<Sql>) -> String {
        let item = self.item(0);
        let Some((l, r)) = self.equal_pair(scope, &item.scope) else {
            return String::new();
        };
        scope.extend(item.scope);
        format!(" LEFT JOIN {} ON {l} = {r}", item.sql)
    }

    /// A column of each, of one type, of which equal values look alike.
    fn equal_pair(&mut self, left: &[Sql], right: &[Sql]) -> Option<(String, String)> {
        let mut pairs = vec![];
        for l in left {
            let equal = |r: &&Sql| r.ty == l.ty && !r.ty.has_images();
            pairs.extend(right.iter().filter(equal).map(|r| (l, r)));
        }
        let (l, r) = *self.tape.pick(&pairs)?;
        Some((l.text.clone(), r.text.clone()))
    }

    /// Whether something else has a row that fits, or has none.
    fn witness(&mut self, scope: &[Sql]) -> Option<String> {
        let item = self.item(0);
        let (l, r) = self.equal_pair(scope, &item.scope)?;
        let not = self.tape.pick(&["", "NOT "]).unwrap_or(&"");
        Some(match self.tape.percent(70) {
            true => format!("{not}EXISTS (SELECT FROM {} WHERE {r} = {l})", item.sql),
            false => format!("{l} {not}IN (SELECT {r} FROM {})", item.sql),
        })
    }
}
