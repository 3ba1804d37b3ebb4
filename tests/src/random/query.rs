//! Random queries in the language that is maintained incrementally: select lists, WHERE, joins of
//! up to four tables, views, CTEs and subqueries, subqueries in conditions and outputs, GROUP BY,
//! HAVING, functions and LATERAL subqueries in FROM, set-returning functions in the SELECT list,
//! aggregates with FILTER and DISTINCT, DISTINCT, DISTINCT ON, UNION, INTERSECT and EXCEPT with
//! and without ALL, WITH RECURSIVE, ORDER BY with LIMIT, OFFSET and WITH TIES, window functions,
//! nested three deep.

mod aggregate;
mod from;
mod lateral;
mod recursion;
mod subquery;
mod window;

use super::expr::{Sql, column, expr, some_type};
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
    /// Several answers are right, of which the compiled query shows the one that is kept: what windows
    /// show depends on how ties are broken.
    pub open: bool,
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
    /// See [`Query::open`].
    open: bool,
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
            open: false,
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
            open: query.open,
        }
    }

    /// A stream table. Which images it holds is settled: it is a table to its readers.
    pub fn stream_table(name: &str, query: &Query) -> Relation {
        let mut out = Relation::view(name, query, 3);
        for c in &mut out.columns {
            c.fuzzy = false;
        }
        out.open = false;
        out
    }
}

/// A query over these relations.
pub fn query(tape: &mut Tape, relations: &[Relation]) -> Query {
    let depth = 1 + tape.weighted(&[30, 40, 30]);
    let mut generator = Generator::new(tape, relations);
    let query = generator.top(depth);
    Query {
        open: generator.open,
        ..query
    }
}

/// A query for a view: not deep.
pub fn view(tape: &mut Tape, relations: &[Relation]) -> Query {
    let mut generator = Generator::new(tape, relations);
    let query = generator.query(1);
    Query {
        open: generator.open,
        ..query
    }
}

struct Generator<'a> {
    tape: &'a mut Tape,
    relations: Vec<Relation>,
    aliases: usize,
    /// See [`Query::open`].
    open: bool,
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

impl<'a> Generator<'a> {
    fn new(tape: &'a mut Tape, relations: &[Relation]) -> Generator<'a> {
        Generator {
            tape,
            relations: relations.to_vec(),
            aliases: 0,
            open: false,
        }
    }
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
        match self.tape.percent(10) {
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
        // WITH TIES over min or max without GROUP BY is an error in PostgreSQL 18.6, where they are
        // read off an index: the query for the extremum takes the WITH TIES over (21000).
        let ties = self.tape.percent(30) && q.rows > 1;
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
                if i == 0 {
                    // With a LIMIT of its own, perhaps, behind which no other may stand.
                    out.sql = format!("SELECT * FROM ({}) AS alone", out.sql);
                }
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
        match self.tape.weighted(&[40, 12, 32, 10, 6]) {
            4 => self.numbered(from, types),
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
            outputs.extend(self.windows(&from.scope));
            // A refresh goes on from what is shown, if that is all that the windows look at.
            if self.tape.percent(50) {
                outputs.extend(from.scope.iter().cloned());
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
            open: false,
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
