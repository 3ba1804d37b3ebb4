//! The printer. Everything that is put into SQL text is put there here.
//!
//! It is safe under any search path: names are qualified, operators written
//! `OPERATOR(schema.name)`, literals typed. Operators written so have all the same precedence, so
//! operands that are not atoms stand in parentheses.

use super::ident::{ident, string};
use super::*;
use spec::types::oids;

/// Lists longer than this are broken into lines.
const WIDTH: usize = 92;

fn pad(indent: usize) -> String {
    "  ".repeat(indent)
}

/// `head a, b, c`, on one line or on one line each.
fn list(head: &str, items: Vec<String>, separator: &str, indent: usize) -> String {
    let one = items.join(&format!("{separator} "));
    let start = if head.is_empty() {
        String::new()
    } else {
        format!("{head} ")
    };
    if 2 * indent + start.len() + one.len() <= WIDTH && !one.contains('\n') {
        return format!("{start}{one}");
    }
    let inner = pad(indent + 1);
    let lines = items.join(&format!("{separator}\n{inner}"));
    if head.is_empty() {
        lines
    } else {
        format!("{head}\n{inner}{lines}")
    }
}

/// `head a AND b AND c`.
fn conjunction(head: &str, terms: &[Sql], indent: usize) -> String {
    let terms: Vec<String> = match terms {
        [one] => vec![expr(one, indent + 1)],
        many => many.iter().map(|t| operand(t, indent + 1)).collect(),
    };
    let one = terms.join(" AND ");
    if 2 * indent + head.len() + 1 + one.len() <= WIDTH && !one.contains('\n') {
        return format!("{head} {one}");
    }
    let lines = terms.join(&format!("\n{}AND ", pad(indent + 1)));
    format!("{head} {lines}")
}

fn operator(name: &Name) -> String {
    match &name.schema {
        Some(schema) => format!("OPERATOR({}.{})", ident(schema), name.name),
        None => name.name.clone(),
    }
}

fn literal(text: Option<&str>, ty: &TypeName) -> String {
    let Some(text) = text else {
        return format!("NULL::{ty}");
    };
    let digits = text.strip_prefix('-').unwrap_or(text);
    let integral = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let number = || {
        if text.starts_with('-') {
            format!("({text})")
        } else {
            text.to_owned()
        }
    };
    let decimal = digits.split_once('.').is_some_and(|(whole, fraction)| {
        let plain = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        plain(whole) && plain(fraction)
    });
    match ty.oid {
        oids::INT4 if integral && digits.parse::<i32>().is_ok() => number(),
        oids::INT8 | oids::INT2 if integral => format!("{}::{ty}", number()),
        oids::NUMERIC if integral || decimal => format!("{}::{ty}", number()),
        oids::BOOL if matches!(text, "t" | "true") => "true".into(),
        oids::BOOL if matches!(text, "f" | "false") => "false".into(),
        _ => format!("{}::{ty}", string(text)),
    }
}

fn is_atom(e: &Sql) -> bool {
    !matches!(
        e,
        Sql::Binary(..)
            | Sql::Prefix(..)
            | Sql::And(_)
            | Sql::Or(_)
            | Sql::Not(_)
            | Sql::IsNull { .. }
            | Sql::BoolTest(..)
            | Sql::ScalarArray { .. }
            | Sql::Collate(..)
            | Sql::Verbatim(..)
            | Sql::Exists(_)
            | Sql::Scalar(_)
            | Sql::NotExists(_)
            | Sql::AnyOf { .. }
    )
}

fn operand(e: &Sql, indent: usize) -> String {
    if is_atom(e) {
        expr(e, indent)
    } else {
        format!("({})", expr(e, indent))
    }
}

fn args(items: &[Sql], indent: usize) -> String {
    let items: Vec<String> = items.iter().map(|a| expr(a, indent)).collect();
    items.join(", ")
}

/// In GROUP BY and ORDER BY a bare constant would be a position.
fn by(e: &Sql, indent: usize) -> String {
    match e {
        Sql::Literal(Some(text), ty) => format!("{}::{ty}", string(text)),
        _ => expr(e, indent),
    }
}

/// An expression on as many lines as its subqueries need.
pub fn expr(e: &Sql, indent: usize) -> String {
    match e {
        // No relation: in circuits, where there is one input.
        Sql::Column(relation, column) if relation.is_empty() => ident(column),
        Sql::Column(relation, column) => format!("{}.{}", ident(relation), ident(column)),
        Sql::Literal(text, ty) => literal(text.as_deref(), ty),
        Sql::Call {
            function,
            args: list,
            variadic,
        } => format!("{function}({})", passed(list, *variadic, indent)),
        Sql::Aggregate(a) => aggregate(a, indent),
        Sql::Binary(op, sides) => format!(
            "{} {} {}",
            operand(&sides[0], indent),
            operator(op),
            operand(&sides[1], indent)
        ),
        Sql::Prefix(op, arg) => format!("{} {}", operator(op), operand(arg, indent)),
        Sql::And(terms) => junction(" AND ", terms, "true", indent),
        Sql::Or(terms) => junction(" OR ", terms, "false", indent),
        Sql::Not(arg) => format!("NOT {}", operand(arg, indent)),
        Sql::IsNull { arg, negated } => {
            let not = if *negated { "NOT " } else { "" };
            format!("{} IS {not}NULL", operand(arg, indent))
        }
        Sql::BoolTest(arg, test) => {
            let test = match test {
                BoolTest::IsTrue => "TRUE",
                BoolTest::IsNotTrue => "NOT TRUE",
                BoolTest::IsFalse => "FALSE",
                BoolTest::IsNotFalse => "NOT FALSE",
                BoolTest::IsUnknown => "UNKNOWN",
                BoolTest::IsNotUnknown => "NOT UNKNOWN",
            };
            format!("{} IS {test}", operand(arg, indent))
        }
        Sql::ScalarArray {
            operator: op,
            any,
            args,
        } => format!(
            "{} {} {} ({})",
            operand(&args[0], indent),
            operator(op),
            if *any { "ANY" } else { "ALL" },
            expr(&args[1], indent)
        ),
        Sql::Case { whens, otherwise } => {
            let mut out = String::from("CASE");
            for (when, then) in whens {
                out += &format!(" WHEN {} THEN {}", expr(when, indent), expr(then, indent));
            }
            if let Some(otherwise) = otherwise {
                out += &format!(" ELSE {}", expr(otherwise, indent));
            }
            out + " END"
        }
        Sql::Coalesce(items) => format!("COALESCE({})", args(items, indent)),
        Sql::MinMax {
            greatest,
            args: items,
        } => {
            let name = if *greatest { "GREATEST" } else { "LEAST" };
            format!("{name}({})", args(items, indent))
        }
        Sql::Array(items) => format!("ARRAY[{}]", args(items, indent)),
        Sql::Row(items) => format!("ROW({})", args(items, indent)),
        Sql::Field(arg, name) => format!("({}).{}", expr(arg, indent), ident(name)),
        Sql::Subscript {
            container,
            subscripts,
            slice,
        } => {
            let mut out = format!("({})", expr(container, indent));
            let bound = |b: &Option<Sql>| b.as_ref().map_or(String::new(), |b| expr(b, indent));
            for (lower, upper) in subscripts {
                out += &if *slice {
                    format!("[{}:{}]", bound(lower), bound(upper))
                } else {
                    format!("[{}]", bound(upper))
                };
            }
            out
        }
        Sql::Cast(arg, ty) => match &**arg {
            Sql::Column(..) | Sql::Call { .. } | Sql::Cast(..) => {
                format!("{}::{ty}", expr(arg, indent))
            }
            Sql::Aggregate(a) if a.filter.is_none() => format!("{}::{ty}", expr(arg, indent)),
            Sql::Array(_) => format!("{}::{ty}", expr(arg, indent)),
            _ => format!("({})::{ty}", expr(arg, indent)),
        },
        Sql::Collate(arg, collation) => {
            format!("{} COLLATE {collation}", operand(arg, indent))
        }
        Sql::Keyword(word, None) => (*word).to_owned(),
        Sql::Keyword(word, Some(precision)) => format!("{word}({precision})"),
        Sql::Verbatim(pieces) => {
            let piece = |piece: &Verbatim| match piece {
                Verbatim::Sql(text) => text.to_string(),
                Verbatim::Name(name) => ident(name),
                Verbatim::Text(text) => string(text),
                Verbatim::Type(ty) => ty.to_string(),
                // Some of them stand where the grammar takes no cast.
                Verbatim::Arg(Sql::Column(relation, column)) => {
                    expr(&Sql::Column(relation.clone(), column.clone()), indent)
                }
                Verbatim::Arg(arg) => format!("({})", expr(arg, indent)),
            };
            pieces.iter().map(piece).collect()
        }
        Sql::Exists(q) => format!("EXISTS {}", parenthesised(q, indent)),
        Sql::Scalar(q) => parenthesised(q, indent),
        Sql::NotExists(q) => format!("NOT EXISTS {}", parenthesised(q, indent)),
        Sql::AnyOf {
            operator,
            row,
            query,
        } => {
            let left = match row.as_slice() {
                [one] => operand(one, indent),
                _ => expr(&Sql::Row(row.clone()), indent),
            };
            let operator = self::operator(operator);
            format!("{left} {operator} ANY {}", parenthesised(query, indent))
        }
        Sql::ArrayOf(q) => format!("ARRAY{}", parenthesised(q, indent)),
        Sql::Over(w) => over(w, indent),
    }
}

fn junction(word: &str, terms: &[Sql], empty: &str, indent: usize) -> String {
    if terms.is_empty() {
        return empty.into();
    }
    let terms: Vec<String> = terms.iter().map(|t| operand(t, indent)).collect();
    terms.join(word)
}

/// The arguments of a call.
fn passed(args: &[Sql], variadic: bool, indent: usize) -> String {
    let mut shown: Vec<String> = args.iter().map(|a| expr(a, indent)).collect();
    if variadic && let Some(last) = shown.last_mut() {
        *last = format!("VARIADIC {last}");
    }
    shown.join(", ")
}

fn aggregate(a: &AggregateCall, indent: usize) -> String {
    let mut inner = if a.args.is_empty() && !a.within_group {
        "*".to_owned()
    } else {
        passed(&a.args, a.variadic, indent)
    };
    if a.distinct {
        inner = format!("DISTINCT {inner}");
    }
    let mut group = String::new();
    if !a.order_by.is_empty() {
        let keys = sort_keys(&a.order_by, indent);
        let order = format!("ORDER BY {}", keys.join(", "));
        match a.within_group {
            true => group = format!(" WITHIN GROUP ({order})"),
            false => inner += &format!(" {order}"),
        }
    }
    let filter = a.filter.as_ref().map_or(String::new(), |f| {
        format!(" FILTER (WHERE {})", expr(f, indent))
    });
    format!("{}({inner}){group}{filter}", a.function)
}

pub fn sort_key(key: &SortBy, indent: usize) -> String {
    let nulls = if key.nulls_first { "FIRST" } else { "LAST" };
    let by = by(&key.expr, indent);
    format!("{by} USING {} NULLS {nulls}", operator(&key.operator))
}

fn sort_keys(keys: &[SortBy], indent: usize) -> Vec<String> {
    keys.iter().map(|key| sort_key(key, indent)).collect()
}

fn over(w: &WindowCall, indent: usize) -> String {
    let mut window = vec![];
    if !w.partition_by.is_empty() {
        window.push(format!("PARTITION BY {}", args(&w.partition_by, indent)));
    }
    if !w.order_by.is_empty() {
        let keys = sort_keys(&w.order_by, indent).join(", ");
        window.push(format!("ORDER BY {keys}"));
    }
    if let Some(frame) = &w.frame {
        let bound = |(offset, words): &(Option<Sql>, &'static str)| match offset {
            Some(offset) => format!("{} {words}", expr(offset, indent)),
            None => (*words).to_owned(),
        };
        let (start, end) = (bound(&frame.start), bound(&frame.end));
        let exclude = frame
            .exclude
            .map_or(String::new(), |e| format!(" EXCLUDE {e}"));
        window.push(format!("{} BETWEEN {start} AND {end}{exclude}", frame.mode));
    }
    format!("{} OVER ({})", expr(&w.call, indent), window.join(" "))
}

fn parenthesised(q: &Query, indent: usize) -> String {
    let inner = query(q, indent + 1);
    if !inner.contains('\n') && 2 * indent + inner.len() + 2 <= WIDTH {
        return format!("({inner})");
    }
    format!("(\n{}{inner}\n{})", pad(indent + 1), pad(indent))
}

/// A query; lines after the first are indented.
pub fn query(q: &Query, indent: usize) -> String {
    match q {
        Query::Select(s) => select(s, indent),
        Query::UnionAll(branches) => {
            let branches: Vec<String> = branches
                .iter()
                .map(|b| match b {
                    Query::Select(s) if s.limit.is_none() && !s.fence => query(b, indent),
                    _ => parenthesised(b, indent),
                })
                .collect();
            branches.join(&format!("\n{0}UNION ALL\n{0}", pad(indent)))
        }
        Query::Recursive {
            name,
            columns,
            seed,
            distinct,
            step,
        } => {
            let all = if *distinct { "" } else { " ALL" };
            let listed: Vec<String> = columns.iter().map(|c| ident(c)).collect();
            let listed = listed.join(", ");
            let shown: Vec<String> = columns
                .iter()
                .map(|c| expr(&Sql::column(name, c), indent))
                .collect();
            let inner = indent + 1;
            let head = format!("WITH RECURSIVE {} ({listed}) AS (", ident(name));
            let seed = match &**seed {
                Query::Select(s) if s.limit.is_none() && !s.fence => select(s, inner),
                other => parenthesised(other, inner),
            };
            let step = select(step, inner);
            let (outside, inside) = (pad(indent), pad(inner));
            format!(
                "{head}\n{inside}{seed}\n{inside}UNION{all}\n{inside}{step}\n{outside})\n{outside}SELECT {} FROM {}",
                shown.join(", "),
                ident(name),
            )
        }
    }
}

fn item(i: &Item, indent: usize) -> String {
    match &i.expr {
        Sql::Column(_, column) if *column == i.name => expr(&i.expr, indent + 1),
        e => format!("{} AS {}", expr(e, indent + 1), ident(&i.name)),
    }
}

fn select(s: &Select, indent: usize) -> String {
    let mut clauses = vec![];
    let head = if s.distinct {
        "SELECT DISTINCT"
    } else {
        "SELECT"
    };
    let items: Vec<String> = s.items.iter().map(|i| item(i, indent)).collect();
    clauses.push(list(head, items, ",", indent).trim_end().to_owned());
    if !s.from.is_empty() {
        clauses.push(from_list("FROM", &s.from, indent));
    }
    if !s.filter.is_empty() {
        clauses.push(conjunction("WHERE", &s.filter, indent));
    }
    match &s.group_by {
        Some(keys) if !keys.is_empty() => {
            let keys = keys.iter().map(|k| by(k, indent + 1)).collect();
            clauses.push(list("GROUP BY", keys, ",", indent));
        }
        Some(_) if !s.items.iter().any(|i| aggregates(&i.expr)) => {
            clauses.push("GROUP BY ()".into());
        }
        _ => {}
    }
    if !s.having.is_empty() {
        clauses.push(conjunction("HAVING", &s.having, indent));
    }
    if let Some(limit) = &s.limit {
        if !limit.order_by.is_empty() {
            let keys = sort_keys(&limit.order_by, indent + 1);
            clauses.push(list("ORDER BY", keys, ",", indent));
        }
        if let Some(offset) = &limit.offset {
            clauses.push(format!("OFFSET {}", operand(offset, indent)));
        }
        match &limit.count {
            Some(count) if limit.with_ties => {
                let count = expr(count, indent);
                clauses.push(format!("FETCH FIRST ({count}) ROWS WITH TIES"));
            }
            Some(count) => clauses.push(format!("LIMIT {}", operand(count, indent))),
            None => {}
        }
    } else if s.fence {
        clauses.push("OFFSET 0".into());
    }
    let short = clauses.join(" ");
    if clauses.len() <= 2 && 2 * indent + short.len() <= WIDTH && !short.contains('\n') {
        return short;
    }
    clauses.join(&format!("\n{}", pad(indent)))
}

/// Does an aggregate of this query stand in the expression?
fn aggregates(e: &Sql) -> bool {
    match e {
        Sql::Aggregate(_) => true,
        Sql::Column(..)
        | Sql::Literal(..)
        | Sql::Keyword(..)
        | Sql::Exists(_)
        | Sql::Scalar(_)
        | Sql::NotExists(_)
        | Sql::AnyOf { .. }
        | Sql::ArrayOf(_)
        | Sql::Over(_) => false,
        Sql::Call { args, .. }
        | Sql::And(args)
        | Sql::Or(args)
        | Sql::Coalesce(args)
        | Sql::MinMax { args, .. }
        | Sql::Array(args)
        | Sql::Row(args) => args.iter().any(aggregates),
        Sql::Verbatim(pieces) => pieces
            .iter()
            .any(|p| matches!(p, Verbatim::Arg(arg) if aggregates(arg))),
        Sql::Binary(_, sides) | Sql::ScalarArray { args: sides, .. } => {
            sides.iter().any(aggregates)
        }
        Sql::Prefix(_, a)
        | Sql::Not(a)
        | Sql::IsNull { arg: a, .. }
        | Sql::BoolTest(a, _)
        | Sql::Field(a, _)
        | Sql::Cast(a, _)
        | Sql::Collate(a, _) => aggregates(a),
        Sql::Case { whens, otherwise } => {
            whens.iter().any(|(w, t)| aggregates(w) || aggregates(t))
                || otherwise.as_ref().is_some_and(|o| aggregates(o))
        }
        Sql::Subscript {
            container,
            subscripts,
            ..
        } => {
            aggregates(container)
                || subscripts
                    .iter()
                    .any(|(l, u)| l.iter().chain(u).any(aggregates))
        }
    }
}

fn from_list(head: &str, items: &[FromItem], indent: usize) -> String {
    let items: Vec<String> = items.iter().map(|f| from_item(f, indent + 1)).collect();
    format!("{head} {}", items.join(&format!(",\n{}", pad(indent + 1))))
}

fn aliased(shown: String, alias: &str) -> String {
    format!("{shown} AS {}", ident(alias))
}

fn from_item(f: &FromItem, indent: usize) -> String {
    match f {
        FromItem::Table { name, alias } if *alias == name.name => name.to_string(),
        FromItem::Table { name, alias } => aliased(name.to_string(), alias),
        FromItem::Query {
            query,
            lateral,
            alias,
        } => {
            let lateral = if *lateral { "LATERAL " } else { "" };
            aliased(format!("{lateral}{}", parenthesised(query, indent)), alias)
        }
        FromItem::Values {
            rows,
            alias,
            columns,
        } => {
            let rows = rows.iter().map(|r| format!("({})", args(r, indent)));
            let columns: Vec<String> = columns.iter().map(|c| ident(c)).collect();
            format!(
                "({}) AS {}({})",
                list("VALUES", rows.collect(), ",", indent),
                ident(alias),
                columns.join(", ")
            )
        }
        FromItem::Function {
            call,
            alias,
            column,
        } => format!(
            "{} AS {}({})",
            expr(call, indent),
            ident(alias),
            ident(column)
        ),
        FromItem::Functions {
            functions,
            ordinality,
            alias,
            columns,
        } => {
            let function = |f: &TableFunction| {
                let call = expr(&f.call, indent);
                match f.definitions.is_empty() {
                    true => call,
                    false => format!("{call} AS ({})", column_defs(&f.definitions).join(", ")),
                }
            };
            let all: Vec<String> = functions.iter().map(function).collect();
            let alone = matches!(functions.as_slice(), [f] if f.definitions.is_empty());
            let called = match alone {
                true => all.concat(),
                false => format!("ROWS FROM ({})", all.join(", ")),
            };
            let ordinality = if *ordinality { " WITH ORDINALITY" } else { "" };
            format!(
                "{called}{ordinality} AS {}({})",
                ident(alias),
                names(columns)
            )
        }
        FromItem::LeftJoin { left, right, on } => format!(
            "{}\n{}LEFT JOIN {} {}",
            from_item(left, indent),
            pad(indent),
            from_item(right, indent + 1),
            match on.as_slice() {
                [] => "ON true".to_owned(),
                on => conjunction("ON", on, indent + 1),
            }
        ),
    }
}

fn column_defs(columns: &[ColumnDef]) -> Vec<String> {
    let columns = columns.iter().map(|c| {
        let collation = c.collation.as_ref();
        let collation = collation.map_or(String::new(), |n| format!(" COLLATE {n}"));
        format!("{} {}{collation}", ident(&c.name), c.ty)
    });
    columns.collect()
}

fn names(columns: &[String]) -> String {
    let columns: Vec<String> = columns.iter().map(|c| ident(c)).collect();
    columns.join(", ")
}

/// A statement, without a semicolon.
pub fn statement(s: &Statement) -> String {
    match s {
        Statement::Query(q) => query(q, 0),
        Statement::CreateTable {
            name,
            temporary,
            columns,
            fillfactor,
        } => {
            let columns = column_defs(columns);
            let body = match columns.is_empty() {
                true => "()".to_owned(),
                false => format!("(\n  {}\n)", columns.join(",\n  ")),
            };
            let temporary = if *temporary { "TEMPORARY " } else { "" };
            let with = fillfactor.map_or(String::new(), |f| format!(" WITH (fillfactor = {f})"));
            format!("CREATE {temporary}TABLE {name} {body}{with}")
        }
        Statement::CreateTempTableAs { name, query: q } => {
            format!("CREATE TEMPORARY TABLE {} AS\n{}", ident(name), query(q, 0))
        }
        Statement::CreateIndex {
            table,
            unique_nulls_not_distinct: unique,
            method,
            columns,
        } => {
            let columns = columns.iter().map(|c| match c {
                Sql::Column(_, name) => ident(name),
                e => format!("({})", expr(e, 0)),
            });
            let columns: Vec<String> = columns.collect();
            let (head, tail) = match unique {
                true => ("UNIQUE INDEX", " NULLS NOT DISTINCT"),
                false => ("INDEX", ""),
            };
            format!(
                "CREATE {head} ON {table} USING {method} ({}){tail}",
                columns.join(", ")
            )
        }
        Statement::Insert {
            table,
            columns,
            query: q,
            on_conflict,
        } => {
            // INSERT knows no empty list of columns; a SELECT of none fits all the same.
            let list = match columns.is_empty() {
                true => String::new(),
                false => format!(" ({})", names(columns)),
            };
            let mut out = format!("INSERT INTO {table}{list}\n{}", query(q, 0));
            match on_conflict {
                None => {}
                Some(OnConflict::Nothing) => out += "\nON CONFLICT DO NOTHING",
                Some(OnConflict::Update { key, set }) => {
                    let set = set.iter().map(|c| format!("{0} = EXCLUDED.{0}", ident(c)));
                    let head = format!("ON CONFLICT ({}) DO UPDATE SET", names(key));
                    out += &format!("\n{}", list_of(&head, set.collect()));
                }
            }
            out
        }
        Statement::Update {
            table,
            alias,
            set,
            from,
            filter,
        } => {
            let set = set
                .iter()
                .map(|(c, e)| format!("{} = {}", ident(c), expr(e, 1)));
            [
                format!("UPDATE {table} AS {}", ident(alias)),
                list_of("SET", set.collect()),
                from_list("FROM", from, 0),
                conjunction("WHERE", filter, 0),
            ]
            .join("\n")
        }
        Statement::Delete {
            table,
            alias,
            using,
            filter,
        } => {
            let mut lines = vec![format!("DELETE FROM {table} AS {}", ident(alias))];
            if !using.is_empty() {
                lines.push(from_list("USING", using, 0));
            }
            if !filter.is_empty() {
                lines.push(conjunction("WHERE", filter, 0));
            }
            lines.join("\n")
        }
        Statement::Merge(m) => merge(m, 0),
    }
}

fn list_of(head: &str, items: Vec<String>) -> String {
    list(head, items, ",", 0)
}

/// `WITH name AS (MERGE …), …`, to stand before a SELECT or an INSERT.
pub fn with_merges(merges: &[(&str, &Merge)]) -> String {
    let one =
        |(name, m): &(&str, &Merge)| format!("{} AS (\n{}{}\n)", ident(name), pad(1), merge(m, 1));
    let all: Vec<String> = merges.iter().map(one).collect();
    format!("WITH {}", all.join(", "))
}

fn merge(m: &Merge, indent: usize) -> String {
    let list = |head: &str, items: Vec<String>| list(head, items, ",", indent);
    let value = |e: &Sql| expr(e, indent + 2);
    let when = |matched: &str, condition: &[Sql]| match condition {
        [] => format!("WHEN {matched} THEN"),
        some => conjunction(&format!("WHEN {matched} AND"), some, indent) + " THEN",
    };
    let mut lines = vec![
        format!("MERGE INTO {} AS {}", m.table, ident(&m.alias)),
        from_list("USING", std::slice::from_ref(&m.using), indent),
        conjunction("ON", &m.on, indent),
    ];
    for (condition, action) in &m.matched {
        let when = when("MATCHED", condition);
        lines.push(match action {
            Matched::Delete => format!("{when} DELETE"),
            Matched::Update(set) => {
                let set = set.iter();
                let set = set.map(|(c, e)| format!("{} = {}", ident(c), value(e)));
                list(&format!("{when} UPDATE SET"), set.collect())
            }
        });
    }
    let (condition, insert) = &m.insert;
    let columns: Vec<String> = insert.iter().map(|(c, _)| ident(c)).collect();
    let values: Vec<String> = insert.iter().map(|(_, e)| value(e)).collect();
    let head = format!("{} INSERT", when("NOT MATCHED", condition));
    lines.push(list(&head, vec![format!("({})", columns.join(", "))]));
    lines.push(list("VALUES", vec![format!("({})", values.join(", "))]));
    if !m.returning.is_empty() {
        let items = m.returning.iter().map(|i| item(i, indent + 1));
        lines.push(list("RETURNING", items.collect()));
    }
    lines.join(&format!("\n{}", pad(indent)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use spec::catalog::Catalog;
    use spec::types::{Oid, SqlType};

    fn ty(oid: Oid) -> TypeName {
        TypeName::new(SqlType::new(oid), &Catalog::builtin()).unwrap()
    }

    fn value(text: &str, oid: Oid) -> Sql {
        Sql::Literal(Some(text.into()), ty(oid))
    }

    #[test]
    fn literals_have_their_type() {
        for (text, oid, want) in [
            ("5", oids::INT4, "5"),
            ("-5", oids::INT4, "(-5)"),
            // The lexer would read these as bigint.
            ("-2147483648", oids::INT4, "'-2147483648'::integer"),
            ("5", oids::INT8, "5::bigint"),
            ("-5", oids::INT2, "(-5)::smallint"),
            ("1.50", oids::NUMERIC, "1.50::numeric"),
            ("NaN", oids::NUMERIC, "'NaN'::numeric"),
            ("1e5", oids::FLOAT8, "'1e5'::double precision"),
            ("t", oids::BOOL, "true"),
            ("it's", oids::TEXT, "'it''s'::pg_catalog.text"),
            ("", oids::INT4, "''::integer"),
        ] {
            assert_eq!(expr(&value(text, oid), 0), want);
        }
        assert_eq!(
            expr(&Sql::Literal(None, ty(oids::DATE)), 0),
            "NULL::pg_catalog.date"
        );
    }

    #[test]
    fn operands_that_are_not_atoms_stand_in_parentheses() {
        let (a, b) = (Sql::column("t", "a"), Sql::column("t", "B"));
        let sum = Sql::op("+", a.clone(), b.clone());
        assert_eq!(
            expr(&Sql::op("*", sum.clone(), b.clone()), 0),
            "(t.a OPERATOR(pg_catalog.+) t.\"B\") OPERATOR(pg_catalog.*) t.\"B\""
        );
        let either = Sql::Or(vec![a.clone().is_null(), Sql::And(vec![a.clone(), b])]);
        assert_eq!(
            expr(&either.negated(), 0),
            "NOT ((t.a IS NULL) OR (t.a AND t.\"B\"))"
        );
        assert_eq!(
            expr(&sum.cast(TypeName::bigint()), 0),
            "(t.a OPERATOR(pg_catalog.+) t.\"B\")::bigint"
        );
        assert_eq!(expr(&Sql::And(vec![]), 0), "true");
        assert_eq!(expr(&Sql::Or(vec![]), 0), "false");
    }

    #[test]
    fn names_of_objects_are_quoted_and_qualified() {
        let evil = Name::new("a\"b", "select");
        let call = Sql::Call {
            function: evil.clone(),
            args: vec![Sql::column("x y", "z")],
            variadic: true,
        };
        assert_eq!(expr(&call, 0), "\"a\"\"b\".\"select\"(VARIADIC \"x y\".z)");
        let compare = Sql::Binary(
            Name::new("a\"b", "<->"),
            Box::new([Sql::int8(1), Sql::int8(2)]),
        );
        assert_eq!(
            expr(&compare, 0),
            "1::bigint OPERATOR(\"a\"\"b\".<->) 2::bigint"
        );
    }

    #[test]
    fn a_constant_in_group_by_is_not_a_position() {
        let one = value("1", oids::INT4);
        let select = Select {
            items: vec![Item::new(one.clone(), "one")],
            from: vec![FromItem::table(Name::new("s", "t"), "t")],
            group_by: Some(vec![one]),
            ..Select::default()
        };
        assert_eq!(
            query(&select.into(), 0),
            "SELECT 1 AS one\nFROM s.t\nGROUP BY '1'::integer"
        );
    }

    #[test]
    fn one_group_of_everything_is_said_where_no_aggregate_says_it() {
        let select = |items| Select {
            items,
            from: vec![FromItem::table(Name::bare("d"), "d")],
            group_by: Some(vec![]),
            ..Select::default()
        };
        let count = Sql::aggregate("count", vec![], None).cast(TypeName::bigint());
        let with = select(vec![Item::new(count, "n")]);
        assert_eq!(
            query(&with.into(), 0),
            "SELECT pg_catalog.count(*)::bigint AS n FROM d"
        );
        assert_eq!(
            query(&select(vec![]).into(), 0),
            "SELECT\nFROM d\nGROUP BY ()"
        );
    }

    #[test]
    fn statements() {
        let table = Name::new("s", "T");
        let create = Statement::CreateTable {
            name: table.clone(),
            temporary: false,
            columns: vec![],
            fillfactor: Some(70),
        };
        assert_eq!(
            statement(&create),
            "CREATE TABLE s.\"T\" () WITH (fillfactor = 70)"
        );
        let index = Statement::CreateIndex {
            table: table.clone(),
            unique_nulls_not_distinct: true,
            method: "btree",
            columns: vec![
                Sql::column("T", "user"),
                Sql::call("f", vec![Sql::column("T", "a")]),
            ],
        };
        assert_eq!(
            statement(&index),
            "CREATE UNIQUE INDEX ON s.\"T\" USING btree (\"user\", (pg_catalog.f(\"T\".a))) \
             NULLS NOT DISTINCT"
        );
        let insert = Statement::Insert {
            table: table.clone(),
            columns: vec!["a".into(), "b".into()],
            query: Select {
                items: vec![Item::new(Sql::int8(1), "a"), Item::new(Sql::int8(2), "b")],
                ..Select::default()
            }
            .into(),
            on_conflict: Some(OnConflict::Update {
                key: vec!["a".into()],
                set: vec!["b".into()],
            }),
        };
        assert_eq!(
            statement(&insert),
            "INSERT INTO s.\"T\" (a, b)\nSELECT 1::bigint AS a, 2::bigint AS b\n\
             ON CONFLICT (a) DO UPDATE SET b = EXCLUDED.b"
        );

        let set = vec![("b".into(), Sql::column("d", "b"))];
        let both = ["a", "b"].map(|c| (c.into(), Sql::column("d", c)));
        let merge = Statement::Merge(Merge {
            table,
            alias: "st".into(),
            using: FromItem::table(Name::bare("delta"), "d"),
            on: vec![Sql::op("=", Sql::column("st", "a"), Sql::column("d", "a"))],
            matched: vec![(vec![], Matched::Update(set))],
            insert: (vec![], both.into()),
            returning: vec![],
        });
        assert_eq!(
            statement(&merge),
            "MERGE INTO s.\"T\" AS st\nUSING delta AS d\nON st.a OPERATOR(pg_catalog.=) d.a\n\
             WHEN MATCHED THEN UPDATE SET b = d.b\nWHEN NOT MATCHED THEN INSERT (a, b)\n\
             VALUES (d.a, d.b)"
        );
    }
}
