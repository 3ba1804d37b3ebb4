//! Functions that make rows, and subqueries in FROM that read what stands to the left of them.

use super::super::expr::{Sql, column, condition};
use super::super::types::Ty;
use super::{Generator, Item, select_list};

impl Generator<'_> {
    /// A set-returning function of a few rows.
    pub(super) fn set_returning(&mut self, scope: &[Sql]) -> Sql {
        let array = column(self.tape, scope, |c| c.ty == Ty::Ints);
        let number = column(self.tape, scope, |c| c.ty == Ty::Int4);
        let text = match (array, number) {
            (Some(array), _) if self.tape.percent(70) => format!("unnest({})", array.text),
            (_, Some(number)) => format!("generate_series(1, LEAST({}, 3))", number.text),
            _ => "generate_series(1, 2)".to_owned(),
        };
        Sql {
            text,
            ty: Ty::Int4,
            fuzzy: false,
        }
    }

    /// JSON_TABLE of a document, or of what is made one here. Its columns show no digits of numbers,
    /// of which equal documents may have others.
    fn json_table(&mut self, scope: &[Sql], alias: &str) -> String {
        let document = column(self.tape, scope, |c| c.ty == Ty::Jsonb && !c.fuzzy);
        if let Some(document) = document.filter(|_| self.tape.percent(60)) {
            return format!(
                "JSON_TABLE({}, 'lax $.*' COLUMNS (c0 int PATH '$' DEFAULT 7 ON ERROR, \
                 c1 text PATH '$.type()')) AS {alias}",
                document.text
            );
        }
        let number = column(self.tape, scope, |c| c.ty == Ty::Int4);
        let text = column(self.tape, scope, |c| c.ty == Ty::Text && !c.fuzzy);
        let number = number.map_or("2".to_owned(), |c| c.text);
        let text = text.map_or("'x'::text".to_owned(), |c| c.text);
        format!(
            "JSON_TABLE(JSON_ARRAY({number}, {text}, 3 NULL ON NULL RETURNING jsonb), \
             '$[*]' PASSING {number} AS n COLUMNS (c0 int PATH '$ ? (@ >= $n)' NULL ON ERROR, \
             NESTED PATH '$ ? (@ == 3)' COLUMNS (c1 text PATH '$'))) AS {alias}"
        )
    }

    /// A function in FROM, or a subquery, that reads what stands to the left of it.
    pub(super) fn lateral(&mut self, scope: &[Sql]) -> Item {
        let alias = format!("l{}", self.aliases);
        self.aliases += 1;
        let named = |columns: &[(&str, Ty, bool)]| -> Vec<Sql> {
            let column = |(name, ty, fuzzy): &(&str, Ty, bool)| Sql {
                text: format!("{alias}.{name}"),
                ty: *ty,
                fuzzy: *fuzzy,
            };
            columns.iter().map(column).collect()
        };
        let of = |sql: String, scope: Vec<Sql>, rows: usize| Item {
            sql,
            scope,
            rows,
            is_table: false,
            names: vec![],
        };
        if self.tape.percent(45) {
            if self.tape.percent(25) {
                let columns = [("c0", Ty::Int4, false), ("c1", Ty::Text, false)];
                return of(self.json_table(scope, &alias), named(&columns), 2);
            }
            let call = self.set_returning(scope).text;
            return match self.tape.below(3) {
                0 => of(
                    format!("{call} WITH ORDINALITY AS {alias}(c0, c1)"),
                    named(&[("c0", Ty::Int4, false), ("c1", Ty::Int8, false)]),
                    2,
                ),
                1 => {
                    let other = self.set_returning(scope).text;
                    of(
                        format!("ROWS FROM ({call}, {other}) AS {alias}(c0, c1)"),
                        named(&[("c0", Ty::Int4, false), ("c1", Ty::Int4, false)]),
                        2,
                    )
                }
                _ => of(
                    format!("{call} AS {alias}(c0)"),
                    named(&[("c0", Ty::Int4, false)]),
                    2,
                ),
            };
        }
        let item = self.item(0);
        let integers = |c: &&Sql| c.ty == Ty::Int4;
        let there: Vec<&Sql> = item.scope.iter().filter(integers).collect();
        let here: Vec<&Sql> = scope.iter().filter(integers).collect();
        let pair = (
            self.tape.pick(&here).copied(),
            self.tape.pick(&there).copied(),
        );
        let equal = match pair {
            (Some(a), Some(b)) => format!(" WHERE {} = {}", b.text, a.text),
            _ => String::new(),
        };
        match self.tape.weighted(&[40, 30, 15, 15]) {
            0 => {
                let both: Vec<Sql> = scope.iter().chain(&item.scope).cloned().collect();
                let e = self.outputs(&both, None, 1);
                let mut filter = equal;
                if !filter.is_empty() && self.tape.percent(25) {
                    let more = condition(self.tape, &both, 1).text;
                    filter = format!("{filter} AND {more}");
                }
                let (list, columns) = select_list(&e);
                let columns: Vec<(&str, Ty, bool)> = columns
                    .iter()
                    .map(|c| (c.name.as_str(), c.ty, c.fuzzy))
                    .collect();
                of(
                    format!("(SELECT {list} FROM {}{filter}) AS {alias}", item.sql),
                    named(&columns),
                    (item.rows / 2).max(1),
                )
            }
            1 => {
                let e = self.aggregate(&item.scope);
                of(
                    format!(
                        "(SELECT {} AS c0 FROM {}{equal}) AS {alias}",
                        e.text, item.sql
                    ),
                    named(&[("c0", e.ty, e.fuzzy)]),
                    1,
                )
            }
            2 => {
                let e = self.aggregate(&item.scope);
                let key = there.first().map_or("1", |k| k.text.as_str());
                let group = match there.is_empty() {
                    true => String::new(),
                    false => format!(" GROUP BY {key}"),
                };
                of(
                    format!(
                        "(SELECT {key} AS c0, {} AS c1 FROM {}{equal}{group}) AS {alias}",
                        e.text, item.sql
                    ),
                    named(&[("c0", Ty::Int4, false), ("c1", e.ty, e.fuzzy)]),
                    2,
                )
            }
            _ => {
                let value = there.first().map_or("1", |k| k.text.as_str());
                let (set, other) = match here.first() {
                    Some(k) => ("UNION ALL", k.text.as_str()),
                    None => ("UNION", "1"),
                };
                of(
                    format!(
                        "(SELECT {value} AS c0 FROM {}{equal} {set} SELECT {other}) AS {alias}",
                        item.sql
                    ),
                    named(&[("c0", Ty::Int4, false)]),
                    2,
                )
            }
        }
    }
}
