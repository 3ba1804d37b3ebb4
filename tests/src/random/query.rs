//! Random queries in the language that is maintained incrementally: select lists, WHERE, joins of
//! up to four tables, views, CTEs and subqueries, subqueries in conditions and outputs, GROUP BY,
//! HAVING, functions and LATERAL subqueries in FROM, set-returning functions in the SELECT list,
//! aggregates with FILTER and DISTINCT, DISTINCT, DISTINCT ON, UNION, INTERSECT and EXCEPT with
//! and without ALL, ORDER BY with LIMIT, OFFSET and WITH TIES, nested three deep.

use super::expr::{Sql, column, condition, expr, some_type};
use super::schema::Table;
use super::types::Ty;
use spec::tape::Tape;

#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub ty: Ty,
    /// See [`Sql::fuzzy`].
    pub fuzzy: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub sql: String,
    pub columns: Vec<Column>,
    /// A guess at the number of rows; queries are kept small by it.
    rows: usize,
    /// A set-returning function stands in the SELECT list.
    returns_sets: bool,
}

impl Query {
    /// As an operand of a set operation. PostgreSQL 18.6 cannot plan some UNIONs whose operands
    /// have set-returning functions in their SELECT lists ("unrecognized node type", depending on
    /// the paths that it weighs), so these stand in a subquery.
    fn operand(mut self) -> Query {
        if self.returns_sets {
            self.sql = format!("SELECT * FROM ({}) AS sets", self.sql);
            self.returns_sets = false;
        }
        self
    }

    /// Is the image of every row fixed? Otherwise rows compare by equality.
    pub fn is_exact(&self) -> bool {
        !self.columns.iter().any(|c| c.fuzzy)
    }
}

/// What FROM may name: a table, a view, a stream table, a CTE.
#[derive(Clone, Debug)]
pub struct Relation {
    pub name: String,
    pub columns: Vec<Column>,
    rows: usize,
    /// A base table: its columns have the names that NATURAL and USING count on.
    is_table: bool,
    /// Named by FROM so often.
    weight: usize,
}

const TABLE_ROWS: usize = 12;
/// A batch that changes all rows puts up to three rows where there is one, so a join of k tables
/// may see 3ᵏ times as many in its terms: joins of five tables, not of six.
const MOST_ROWS: usize = 16_000;

impl Relation {
    pub fn table(table: &Table) -> Relation {
        Relation {
            name: table.name.clone(),
            columns: table
                .columns
                .iter()
                .map(|c| Column {
                    name: c.name.clone(),
                    ty: c.ty,
                    fuzzy: false,
                })
                .collect(),
            rows: TABLE_ROWS,
            is_table: true,
            weight: 6,
        }
    }

    /// A view or a CTE, whose content is the query's.
    pub fn view(name: &str, query: &Query, weight: usize) -> Relation {
        Relation {
            name: name.to_owned(),
            columns: query.columns.clone(),
            rows: query.rows,
            is_table: false,
            weight,
        }
    }

    /// A stream table. Which images it holds is settled: it is a table to its readers.
    pub fn stream_table(name: &str, query: &Query) -> Relation {
        let mut out = Relation::view(name, query, 3);
        for c in &mut out.columns {
            c.fuzzy = false;
        }
        out
    }
}

/// A query over these relations.
pub fn query(tape: &mut Tape, relations: &[Relation]) -> Query {
    let depth = 1 + tape.weighted(&[30, 40, 30]);
    let mut generator = Generator {
        tape,
        relations: relations.to_vec(),
        aliases: 0,
    };
    generator.top(depth)
}

/// A query for a view: not deep.
pub fn view(tape: &mut Tape, relations: &[Relation]) -> Query {
    let mut generator = Generator {
        tape,
        relations: relations.to_vec(),
        aliases: 0,
    };
    generator.query(1)
}

struct Generator<'a> {
    tape: &'a mut Tape,
    relations: Vec<Relation>,
    aliases: usize,
}

/// FROM and WHERE, and what the other clauses may refer to.
struct From {
    sql: String,
    scope: Vec<Sql>,
    rows: usize,
}

/// One item of FROM.
struct Item {
    sql: String,
    scope: Vec<Sql>,
    rows: usize,
    is_table: bool,
    names: Vec<String>,
}

impl Generator<'_> {
    fn top(&mut self, depth: usize) -> Query {
        let n = self.tape.weighted(&[75, 17, 8]);
        let outer = self.relations.len();
        let mut with = vec![];
        for i in 0..n {
            let q = self.query(depth - 1);
            let name = format!("x{i}");
            let materialized = self
                .tape
                .pick(&["", "", "MATERIALIZED ", "NOT MATERIALIZED "]);
            let materialized = materialized.unwrap_or(&"");
            with.push(format!("{name} AS {materialized}({})", q.sql));
            self.relations.push(Relation::view(&name, &q, 16));
        }
        let mut q = self.query(depth);
        self.relations.truncate(outer);
        if !with.is_empty() {
            q.sql = format!("WITH {} {}", with.join(", "), q.sql);
        }
        q
    }

    fn query(&mut self, depth: usize) -> Query {
        self.operand(depth, None)
    }

    /// A SELECT, or set operations; of these types, if they are given.
    fn operand(&mut self, depth: usize, types: Option<&[Ty]>) -> Query {
        let query = self.unlimited(depth, types);
        match self.tape.percent(7) {
            true => self.limited(query),
            false => query,
        }
    }

    /// The first rows of a query: in an order that leaves no two rows tied that are not equal, or with
    /// all that are tied.
    fn limited(&mut self, mut q: Query) -> Query {
        let mut keys: Vec<usize> = (1..=q.columns.len()).collect();
        let shift = self.tape.below(keys.len());
        keys.rotate_left(shift);
        let ties = self.tape.percent(30);
        if ties {
            keys.truncate(1 + self.tape.below(2));
        }
        let order = self.sort_keys(&keys);
        let rows = self.tape.between(1, 6);
        if ties {
            q.sql = format!(
                "{} ORDER BY {order} FETCH FIRST {rows} ROWS WITH TIES",
                q.sql
            );
            return q;
        }
        let limit = match self.tape.weighted(&[55, 25, 20]) {
            0 => format!("LIMIT {rows}"),
            1 => format!("LIMIT {rows} OFFSET {}", self.tape.between(1, 3)),
            _ => format!("OFFSET {rows}"),
        };
        q.sql = format!("{} ORDER BY {order} {limit}", q.sql);
        for c in &mut q.columns {
            c.fuzzy |= c.ty.has_images();
        }
        q
    }

    fn sort_keys(&mut self, positions: &[usize]) -> String {
        let mut keys = vec![];
        for position in positions {
            let order = ["", " DESC", " NULLS FIRST", " DESC NULLS LAST"];
            let order = self.tape.pick(&order).unwrap_or(&"");
            keys.push(format!("{position}{order}"));
        }
        keys.join(", ")
    }

    fn unlimited(&mut self, depth: usize, types: Option<&[Ty]>) -> Query {
        if depth == 0 || !self.tape.percent(20) {
            return self.select(depth, types);
        }
        let first = self.operand(depth - 1, types);
        let types: Vec<Ty> = first.columns.iter().map(|c| c.ty).collect();
        let first = first.operand();
        let mut out = first.clone();
        for i in 0..self.tape.between(1, 2) {
            // Some of the same rows, at times, so that sides meet.
            let next = match self.tape.percent(20) {
                true => first.clone(),
                false => self.operand(depth - 1, Some(&types)).operand(),
            };
            if out.rows + next.rows > MOST_ROWS {
                break;
            }
            let operations = [
                "UNION ALL",
                "UNION",
                "INTERSECT",
                "INTERSECT ALL",
                "EXCEPT",
                "EXCEPT ALL",
            ];
            let chosen = self.tape.weighted(&[36, 20, 8, 11, 10, 15]);
            let operation = operations.get(chosen).copied().unwrap_or("UNION ALL");
            let left = match i {
                0 => format!("({})", out.sql),
                // INTERSECT binds tighter than what stands before it.
                _ if self.tape.percent(50) => format!("({})", out.sql),
                _ => out.sql,
            };
            out.sql = format!("{left} {operation} ({})", next.sql);
            out.rows += next.rows;
            for (a, b) in out.columns.iter_mut().zip(next.columns) {
                a.fuzzy |= b.fuzzy || (operation != "UNION ALL" && a.ty.has_images());
            }
        }
        out
    }

    /// One SELECT; of these types, if they are given.
    fn select(&mut self, depth: usize, types: Option<&[Ty]>) -> Query {
        let from = self.from(depth);
        match self.tape.weighted(&[44, 12, 34, 10]) {
            1 => self.plain(from, true, types),
            2 => self.grouped(from, false, types),
            3 => self.grouped(from, true, types),
            _ => self.plain(from, false, types),
        }
    }

    fn outputs(&mut self, scope: &[Sql], types: Option<&[Ty]>, most: usize) -> Vec<Sql> {
        match types {
            Some(types) => types
                .iter()
                .map(|ty| expr(self.tape, scope, *ty, 2))
                .collect(),
            None => (0..self.tape.between(1, most))
                .map(|_| {
                    if !self.tape.percent(40)
                        && let Some(c) = column(self.tape, scope, |_| true)
                    {
                        return c;
                    }
                    let ty = some_type(self.tape, scope);
                    expr(self.tape, scope, ty, 2)
                })
                .collect(),
        }
    }

    fn plain(&mut self, from: From, distinct: bool, types: Option<&[Ty]>) -> Query {
        let mut outputs = self.outputs(&from.scope, types, 4);
        if types.is_none() && self.tape.percent(8) {
            outputs.push(match self.tape.percent(60) {
                true => self.scalar(&from.scope),
                false => self.truth(&from.scope, &from.scope, 1),
            });
        }
        if types.is_none() && self.tape.percent(14) {
            for _ in 0..self.tape.between(1, 2) {
                let window = self.window(&from.scope);
                outputs.push(window);
            }
        }
        let mut rows = from.rows;
        let returns_sets = types.is_none() && rows * 3 <= MOST_ROWS && self.tape.percent(9);
        if returns_sets {
            for _ in 0..self.tape.between(1, 2) {
                outputs.push(self.set_returning(&from.scope));
            }
            rows *= 3;
        }
        if distinct {
            for e in &mut outputs {
                e.fuzzy |= e.ty.has_images();
            }
        }
        let (list, columns) = select_list(&outputs);
        let word = if distinct { "DISTINCT " } else { "" };
        let mut query = Query {
            sql: format!("SELECT {word}{list} {}", from.sql),
            columns,
            rows,
            returns_sets,
        };
        if distinct && self.tape.percent(30) {
            // One row of each group, by an order of all that is put out.
            let on = self.tape.between(1, outputs.len());
            let names: Vec<String> = (1..=on).map(|n| n.to_string()).collect();
            let all: Vec<usize> = (1..=outputs.len()).collect();
            let order = self.sort_keys(&all);
            let on = names.join(", ");
            // As a subquery, so that what stands around it may go on.
            query.sql = format!(
                "SELECT * FROM (SELECT DISTINCT ON ({on}) {list} {} ORDER BY {order}) AS o{}",
                from.sql, self.aliases
            );
            query.returns_sets = false;
            self.aliases += 1;
        }
        query
    }

    fn grouped(&mut self, from: From, global: bool, types: Option<&[Ty]>) -> Query {
        let mut keys: Vec<Sql> = vec![];
        let n = if global { 0 } else { self.tape.between(1, 2) };
        for _ in 0..n {
            keys.extend(self.key(&from.scope));
        }
        let global = keys.is_empty();
        let mut known: Vec<Sql> = (0..self.tape.between(1, 3))
            .map(|_| self.aggregate(&from.scope))
            .collect();
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
        let by = match global {
            true => String::new(),
            false => {
                let texts: Vec<&str> = keys.iter().map(|k| k.text.as_str()).collect();
                format!(" GROUP BY {}", self.grouping(&texts))
            }
        };
        Query {
            sql: format!("SELECT {list} {}{by}{having}", from.sql),
            columns,
            rows: if global { 1 } else { from.rows },
            returns_sets: false,
        }
    }

    /// The keys, or grouping sets over them.
    fn grouping(&mut self, keys: &[&str]) -> String {
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
    fn key(&mut self, scope: &[Sql]) -> Option<Sql> {
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

    fn aggregate(&mut self, scope: &[Sql]) -> Sql {
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
                Sql {
                    text: format!("{name}({text}){filter}"),
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

    fn item(&mut self, depth: usize) -> Item {
        let alias = format!("a{}", self.aliases);
        self.aliases += 1;
        let subquery = if depth > 0 { 16 } else { 0 };
        let mut weights: Vec<usize> = self.relations.iter().map(|r| r.weight).collect();
        weights.push(subquery);
        let chosen = self.tape.weighted(&weights);
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
                let q = self.query(depth - 1);
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

    fn from(&mut self, depth: usize) -> From {
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

    /// A window function: one that peers decide or, in an order that leaves only rows tied that are
    /// the same, any.
    fn window(&mut self, scope: &[Sql]) -> Sql {
        let mut window = vec![];
        if self.tape.percent(75)
            && let Some(c) = column(self.tape, scope, |_| true)
        {
            window.push(format!("PARTITION BY {}", c.text));
        }
        let fixed = !scope.iter().any(|c| c.ty.has_images() || c.fuzzy);
        let total = fixed && self.tape.percent(50);
        let mut order: Vec<String> = vec![];
        if self.tape.percent(85) || total {
            let first = column(self.tape, scope, |_| true);
            let direction = self
                .tape
                .pick(&["", " DESC", " NULLS FIRST"])
                .unwrap_or(&"");
            order.extend(first.map(|c| format!("{}{direction}", c.text)));
        }
        if total {
            order.extend(scope.iter().map(|c| c.text.clone()));
        }
        if !order.is_empty() {
            window.push(format!("ORDER BY {}", order.join(", ")));
        }
        let number = column(self.tape, scope, |c| c.ty == Ty::Int4);
        let number = number.map_or("1".to_owned(), |c| c.text);
        let (call, ty) = match self.tape.below(if total { 10 } else { 5 }) {
            0 => ("rank()".to_owned(), Ty::Int8),
            1 => ("dense_rank()".to_owned(), Ty::Int8),
            2 => (format!("count({number})"), Ty::Int8),
            3 => (format!("sum({number})"), Ty::Int8),
            4 => (format!("max({number})"), Ty::Int4),
            5 => ("row_number()".to_owned(), Ty::Int8),
            6 => (format!("lag({number})"), Ty::Int4),
            7 => (format!("first_value({number})"), Ty::Int4),
            8 => (format!("lead({number}, 2, 0)"), Ty::Int4),
            _ => (format!("sum({number})"), Ty::Int8),
        };
        let frames: &[&str] = match (total, order.is_empty()) {
            (true, _) => &[
                "",
                " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
                " ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
                " GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW",
            ],
            (false, false) => &["", " RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING"],
            (false, true) => &[""],
        };
        let frame = self.tape.pick(frames).unwrap_or(&"");
        Sql {
            text: format!("{call} OVER ({}{frame})", window.join(" ")),
            ty,
            fuzzy: false,
        }
    }

    /// A set-returning function of a few rows.
    fn set_returning(&mut self, scope: &[Sql]) -> Sql {
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

    /// A function in FROM, or a subquery, that reads what stands to the left of it.
    fn lateral(&mut self, scope: &[Sql]) -> Item {
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

    /// EXISTS, IN, ANY, ALL, or a comparison with a scalar subquery. Operands are over `scope`; the
    /// subquery may read `outer`, and hold another to such a depth.
    fn truth(&mut self, scope: &[Sql], outer: &[Sql], depth: usize) -> Sql {
        let boolean = |text: String| Sql {
            text,
            ty: Ty::Bool,
            fuzzy: false,
        };
        // A subquery in this one that reads `outer` makes this one depend on it in a way in which
        // equal values must look the same.
        let crossing = depth > 0 && self.tape.percent(4);
        let plain: Vec<Sql>;
        let outer = match crossing {
            true => {
                // Equal arrays have one image here, but the compiler cannot know it.
                let fixed = |c: &&Sql| !c.ty.has_images() && c.ty != Ty::Ints;
                let fixed = outer.iter().filter(fixed);
                plain = fixed.cloned().collect();
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
        match self.tape.weighted(&[30, 38, 12, 8, 12]) {
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

    /// A scalar subquery: an aggregate of what matches a row of `outer`, or of all.
    fn scalar(&mut self, outer: &[Sql]) -> Sql {
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
        let value = self.aggregate(&item.scope);
        Sql {
            text: format!("(SELECT {} FROM {}{filter})", value.text, item.sql),
            ..value
        }
    }

    /// `LEFT `, `RIGHT `, `FULL ` or nothing, before JOIN.
    fn outer(&mut self, commas: bool) -> &'static str {
        if commas {
            return "";
        }
        ["", "LEFT ", "RIGHT ", "FULL "][self.tape.weighted(&[60, 22, 9, 9])]
    }

    /// A condition that joins two sides: on equal columns, mostly integers; rarely on something
    /// else, or none.
    fn equality(&mut self, left: &[Sql], right: &[Sql]) -> Option<String> {
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

fn select_list(outputs: &[Sql]) -> (String, Vec<Column>) {
    let texts: Vec<String> = outputs
        .iter()
        .enumerate()
        .map(|(i, e)| format!("{} AS c{i}", e.text))
        .collect();
    let columns = outputs
        .iter()
        .enumerate()
        .map(|(i, e)| Column {
            name: format!("c{i}"),
            ty: e.ty,
            fuzzy: e.fuzzy,
        })
        .collect();
    (texts.join(", "), columns)
}
