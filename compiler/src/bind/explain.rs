//! Bound queries for people to read.

use super::context::{AggregateCall, WindowCall};
use super::query::{
    Body, From, JoinKind, Query, Reads, Select, SetCall, Subquery, SubqueryKind, Top,
};
use spec::Expr;
use spec::catalog::{Catalog, Volatility};
use spec::clock::CLOCK;
use spec::display::{column_type, function_name, relation_name};
use spec::expr::{ExprKind, Piece};
use spec::op::SortKey;
use spec::window::Frame;
use std::convert::Infallible;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

impl Query {
    /// The query as a tree. Columns are `$i`, counted as the module `query` says.
    pub fn display<'a>(&'a self, catalog: &'a Catalog) -> impl Display + 'a {
        Show {
            query: self,
            catalog,
        }
    }
}

struct Show<'a> {
    query: &'a Query,
    catalog: &'a Catalog,
}

impl Display for Show<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut printer = Printer {
            catalog: self.catalog,
            seen: vec![],
            out: f,
        };
        printer.query(self.query, 0)
    }
}

struct Printer<'p, 'f> {
    catalog: &'p Catalog,
    /// Shared queries that stand above already.
    seen: Vec<Arc<Query>>,
    out: &'p mut Formatter<'f>,
}

impl Printer<'_, '_> {
    fn line(&mut self, depth: usize, text: &str) -> fmt::Result {
        writeln!(self.out, "{:width$}{text}", "", width = depth * 2)
    }

    fn query(&mut self, query: &Query, depth: usize) -> fmt::Result {
        let columns: Vec<String> = query
            .columns
            .iter()
            .map(|c| format!("{} {}", c.name, column_type(c.ty, self.catalog)))
            .collect();
        self.line(depth, &format!("query ({})", columns.join(", ")))?;
        let depth = depth + 1;
        match &query.body {
            Body::Select(select) => self.select(select, depth),
            Body::SetOperation {
                operator,
                all,
                branches,
            } => {
                let word = operator.word().to_lowercase();
                let all = if *all { " all" } else { "" };
                for branch in branches {
                    let outputs = self.list(&branch.outputs);
                    self.line(depth, &format!("{word}{all} branch {outputs}"))?;
                    self.query(&branch.query, depth + 1)?;
                }
                Ok(())
            }
            Body::Values(rows) => {
                for row in rows {
                    let row = self.list(row);
                    self.line(depth, &format!("values {row}"))?;
                }
                Ok(())
            }
            Body::Recursive {
                number,
                distinct,
                seed,
                step,
                ..
            } => {
                let all = if *distinct { "" } else { " all" };
                for (word, branch) in [("from", seed), ("step", step)] {
                    let outputs = self.list(&branch.outputs);
                    self.line(depth, &format!("recursion {number}{all} {word} {outputs}"))?;
                    self.query(&branch.query, depth + 1)?;
                }
                Ok(())
            }
            Body::Working { number } => {
                self.line(depth, &format!("the rows found last by recursion {number}"))
            }
            Body::Opaque { what, .. } => self.line(depth, &format!("not incremental: {what}")),
        }
    }

    fn select(&mut self, select: &Select, depth: usize) -> fmt::Result {
        let distinct = if select.distinct { " distinct" } else { "" };
        let outputs = self.list(&select.outputs);
        self.line(depth, &format!("select{distinct} {outputs}"))?;
        if let Some(top) = &select.top {
            self.top(top, depth)?;
        }
        self.sets(&select.grouped_sets, depth)?;
        self.windows(&select.windows, depth)?;
        if let Some(having) = &select.having {
            self.condition("having", having, depth)?;
        }
        for (i, subquery) in select.grouped_subqueries.iter().enumerate() {
            self.subquery(i, subquery, depth)?;
        }
        if let Some(grouping) = &select.grouping {
            let keys = self.list(&grouping.keys);
            self.line(depth, &format!("group by {keys}"))?;
            let places = |set: &Vec<usize>| {
                let places: Vec<String> = set.iter().map(|k| format!("${k}")).collect();
                format!("({})", places.join(", "))
            };
            if !grouping.sets.is_empty() {
                let sets: Vec<String> = grouping.sets.iter().map(places).collect();
                self.line(depth + 1, &format!("sets {}", sets.join(", ")))?;
            }
            for call in &grouping.aggregates {
                let call = self.aggregate(call);
                self.line(depth + 1, &call)?;
            }
            for grouping in &grouping.groupings {
                self.line(depth + 1, &format!("grouping{}", places(grouping)))?;
            }
        }
        self.sets(&select.sets, depth)?;
        if let Some(filter) = &select.filter {
            self.condition("where", filter, depth)?;
        }
        for (i, subquery) in select.subqueries.iter().enumerate() {
            self.subquery(i, subquery, depth)?;
        }
        match &select.from {
            Some(from) => {
                self.line(depth, "from")?;
                self.from(from, &mut 0, depth + 1)
            }
            None => Ok(()),
        }
    }

    fn top(&mut self, top: &Top, depth: usize) -> fmt::Result {
        let mut text = vec![];
        if !top.on.is_empty() {
            text.push(format!("first of each {}", self.list(&top.on)));
        }
        if let Some(limit) = top.limit {
            let ties = if limit.with_ties { " with ties" } else { "" };
            text.push(match limit.count {
                Some(count) => format!("limit {count}{ties}"),
                None => "limit none".into(),
            });
            text.push(format!("offset {}", limit.offset));
        }
        text.push(format!("order by [{}]", self.order(&top.order)));
        self.line(depth, &text.join(" "))
    }

    fn order(&self, keys: &[SortKey]) -> String {
        let keys = keys.iter().map(|key| {
            let key = SortKey {
                expr: self.named(&key.expr),
                ..key.clone()
            };
            key.display(self.catalog)
        });
        keys.collect::<Vec<String>>().join(", ")
    }

    fn subquery(&mut self, at: usize, subquery: &Subquery, depth: usize) -> fmt::Result {
        let kind = match &subquery.kind {
            SubqueryKind::Exists => "exists".to_string(),
            SubqueryKind::Scalar => "value".to_string(),
            SubqueryKind::Array { order } if order.is_empty() => "array".to_string(),
            SubqueryKind::Array { order } => format!("array by [{}]", self.order(order)),
            SubqueryKind::Row { comparison } => format!("row {}", self.expr(comparison)),
            SubqueryKind::Quantified { any, comparison } => {
                let any = if *any { "any" } else { "all" };
                format!("{any} {}", self.expr(comparison))
            }
        };
        let parameters = match subquery.parameters.is_empty() {
            true => String::new(),
            false => format!(" of {}", self.list(&subquery.parameters)),
        };
        self.line(depth, &format!("#{at} = {kind}{parameters}"))?;
        self.query(&subquery.query, depth + 1)
    }

    fn sets(&mut self, sets: &[SetCall], depth: usize) -> fmt::Result {
        for (at, set) in sets.iter().enumerate() {
            let text = format!("*{at} = rows of {}", self.expr(&set.call));
            self.line(depth, &text)?;
        }
        Ok(())
    }

    fn windows(&mut self, windows: &[WindowCall], depth: usize) -> fmt::Result {
        for (at, window) in windows.iter().enumerate() {
            let Ok(named) = window.map(&mut |e| -> Result<Expr, Infallible> { Ok(self.named(e)) });
            let call = named.call(true).aggregate().display(self.catalog);
            let partition = self.list(&window.partition);
            let order: Vec<String> = named
                .order
                .iter()
                .map(|k| k.display(self.catalog))
                .collect();
            let frame = match window.frame == Frame::default() {
                true => String::new(),
                false => format!(" {}", window.frame.display(self.catalog)),
            };
            let order = order.join(", ");
            let text = format!("~{at} = {call} over {partition} order by [{order}]{frame}");
            self.line(depth, &text)?;
        }
        Ok(())
    }

    /// Values of window functions are `~i`, of subqueries `#i`, parameters `:i`, columns that a subquery puts out `@i`, rows
    /// of set-returning functions `*i`.
    fn expr(&self, expr: &Expr) -> String {
        self.named(expr).display(self.catalog).to_string()
    }

    fn named(&self, expr: &Expr) -> Expr {
        expr.substitute(&mut |column, ty| {
            let name = match Reads::of(column) {
                Reads::Column(_) | Reads::Aggregate(_) | Reads::Grouping(_) => {
                    return Expr::column(column, ty);
                }
                Reads::Subquery(at) => format!("#{at}"),
                Reads::Parameter(at) => format!(":{at}"),
                Reads::Result(at) => format!("@{at}"),
                Reads::Set(at) => format!("*{at}"),
                Reads::Window(at) => format!("~{at}"),
            };
            let kind = ExprKind::Verbatim {
                pieces: vec![Piece::Sql(name.into())],
                args: vec![],
                volatility: Volatility::Immutable,
                collates: false,
            };
            Expr::new(kind, ty)
        })
    }

    fn list(&self, exprs: &[Expr]) -> String {
        let exprs: Vec<String> = exprs.iter().map(|e| self.expr(e)).collect();
        format!("[{}]", exprs.join(", "))
    }

    fn condition(&mut self, word: &str, condition: &Expr, depth: usize) -> fmt::Result {
        let text = format!("{word} {}", self.expr(condition));
        self.line(depth, &text)
    }

    fn aggregate(&self, call: &AggregateCall) -> String {
        let name = function_name(call.function, self.catalog);
        let args: Vec<String> = call.args.iter().map(|a| self.expr(a)).collect();
        let args = match args.is_empty() {
            true => "*".to_string(),
            false => args.join(", "),
        };
        let distinct = if call.distinct { "DISTINCT " } else { "" };
        let filter = match &call.filter {
            Some(filter) => format!(" FILTER {}", self.expr(filter)),
            None => String::new(),
        };
        format!("{name}({distinct}{args}){filter}")
    }

    /// `start` is the number of the first column.
    fn from(&mut self, from: &From, start: &mut usize, depth: usize) -> fmt::Result {
        match from {
            From::Table(table) if table.relation == CLOCK => {
                *start += table.types.len();
                self.line(depth, "the clock")
            }
            From::Table(table) => {
                let relation = self.catalog.relation(table.relation);
                let columns: Vec<String> = table
                    .attnums
                    .iter()
                    .enumerate()
                    .map(|(i, attnum)| {
                        let column = relation.and_then(|r| r.column(*attnum));
                        let name = column.map_or("?", |c| c.name.as_str());
                        format!("${} {name}", *start + i)
                    })
                    .collect();
                let name = relation_name(table.relation, self.catalog);
                let text = format!("{} = table {name} ({})", table.name, columns.join(", "));
                *start += table.types.len();
                self.line(depth, &text)
            }
            From::Query { name, query } => {
                let columns: Vec<String> = query
                    .columns
                    .iter()
                    .enumerate()
                    .map(|(i, c)| format!("${} {}", *start + i, c.name))
                    .collect();
                *start += query.columns.len();
                let known = self.seen.iter().any(|q| Arc::ptr_eq(q, query));
                let shared = if known { ", as above" } else { "" };
                let text = format!("{name} = subquery ({}){shared}", columns.join(", "));
                self.line(depth, &text)?;
                if known {
                    return Ok(());
                }
                self.seen.push(query.clone());
                self.query(query, depth + 1)
            }
            From::Lateral {
                name,
                query,
                parameters,
                ..
            } => {
                let columns: Vec<String> = query
                    .columns
                    .iter()
                    .enumerate()
                    .map(|(i, c)| format!("${} {}", *start + i, c.name))
                    .collect();
                *start += query.columns.len();
                let parameters = self.list(parameters);
                let text = format!(
                    "{name} = lateral subquery ({}) of {parameters}",
                    columns.join(", ")
                );
                self.line(depth, &text)?;
                self.query(query, depth + 1)
            }
            From::Functions {
                name,
                functions,
                ordinality,
                ..
            } => {
                let mut parts = vec![];
                for function in functions {
                    let columns: Vec<String> = function
                        .columns
                        .iter()
                        .enumerate()
                        .map(|(i, c)| format!("${} {}", *start + i, c.name))
                        .collect();
                    *start += columns.len();
                    parts.push(format!(
                        "{} ({})",
                        self.expr(&function.call),
                        columns.join(", ")
                    ));
                }
                let mut text = format!("{name} = rows of {}", parts.join(", "));
                if *ordinality {
                    text += &format!(" with ordinality ${start}");
                    *start += 1;
                }
                self.line(depth, &text)
            }
            From::Join {
                kind,
                left,
                right,
                condition,
            } => {
                let kind = match kind {
                    JoinKind::Inner => "join",
                    JoinKind::Left => "left join",
                    JoinKind::Right => "right join",
                    JoinKind::Full => "full join",
                };
                let text = match condition {
                    Some(condition) => format!("{kind} on {}", self.expr(condition)),
                    None => kind.to_string(),
                };
                self.line(depth, &text)?;
                self.from(left, start, depth + 1)?;
                self.from(right, start, depth + 1)
            }
            From::Parameters { types } => {
                *start += types.len();
                self.line(depth, "parameters")
            }
            From::Opaque { what, types } => {
                *start += types.len();
                self.line(depth, &format!("not incremental: {what}"))
            }
        }
    }
}
