//! Expressions and circuits for people to read: `explain` and snapshot tests.
//!
//! Names come from the catalog; columns are `$i`, counted in the node's input. A node that several
//! others read is numbered where it stands first, and named by its number after that. This is not
//! SQL: what is run is printed by the code generator.

use crate::catalog::Catalog;
use crate::circuit::{Circuit, NodeId};
use crate::clock::{CLOCK, Clock};
use crate::expr::{BoolTest, Coercion, Expr, ExprKind, Piece};
use crate::op::{
    AggCall, Aggregate, FlatMap, Last, Link, Op, Reserve, SetFunction, SortKey, Source, TopK,
};
use crate::types::{ColType, Oid, SqlType, oids};
use crate::window::{Bound, Exclusion, Frame, FrameMode, Window};
use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};

/// The type as PostgreSQL's catalog calls it, with its typmod where it is numeric's or a length.
pub fn type_name(ty: SqlType, catalog: &Catalog) -> String {
    let Some(t) = catalog.ty(ty.oid) else {
        return format!("type {}", ty.oid);
    };
    let name = match catalog.ty(t.element).filter(|_| t.is_array) {
        Some(element) => format!("{}[]", element.name),
        None => t.name.clone(),
    };
    if ty.typmod < 0 {
        return name;
    }
    if ty.declared() != ty {
        return format!("{name}(…,{})", (ty.typmod - 4) & 0x7ff);
    }
    match t.oid {
        oids::NUMERIC if ty.typmod >= 4 => {
            let raw = ty.typmod - 4;
            let scale = ((raw & 0x7ff) ^ 1024) - 1024;
            format!("{name}({},{scale})", (raw >> 16) & 0xffff)
        }
        oids::BPCHAR | oids::VARCHAR if ty.typmod >= 4 => format!("{name}({})", ty.typmod - 4),
        _ => format!("{name}[typmod {}]", ty.typmod),
    }
}

/// The name of a function or aggregate; with its schema unless it is built in.
pub fn function_name(function: Oid, catalog: &Catalog) -> String {
    match catalog.function(function) {
        Some(f) => qualified(f.namespace, &f.name, catalog),
        None => format!("function {function}"),
    }
}

/// The name of a relation, with its schema.
pub fn relation_name(relation: Oid, catalog: &Catalog) -> String {
    match catalog.relation(relation) {
        Some(r) => qualified(r.namespace, &r.name, catalog),
        None if relation == CLOCK => "the clock".into(),
        None => format!("relation {relation}"),
    }
}

fn operator_name(operator: Oid, catalog: &Catalog) -> String {
    match catalog.operator(operator) {
        Some(o) => qualified(o.namespace, &o.name, catalog),
        None => format!("operator {operator}"),
    }
}

fn qualified(namespace: Oid, name: &str, catalog: &Catalog) -> String {
    match catalog.namespace(namespace) {
        Some(n) if n.oid != oids::PG_CATALOG => format!("{}.{name}", n.name),
        _ => name.to_string(),
    }
}

impl Expr {
    /// The expression with names from `catalog`.
    pub fn display<'a>(&'a self, catalog: &'a Catalog) -> impl Display + 'a {
        ShowExpr {
            expr: self,
            catalog,
        }
    }
}

struct ShowExpr<'a> {
    expr: &'a Expr,
    catalog: &'a Catalog,
}

struct Join<'a, T>(&'a [T], &'a str);

impl<T: Display> Display for Join<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, item) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(self.1)?;
            }
            item.fmt(f)?;
        }
        Ok(())
    }
}

impl<'a> ShowExpr<'a> {
    fn of(&self, expr: &'a Expr) -> ShowExpr<'a> {
        ShowExpr {
            expr,
            catalog: self.catalog,
        }
    }

    fn all<'b>(&self, exprs: impl IntoIterator<Item = &'a Expr>) -> Vec<ShowExpr<'b>>
    where
        'a: 'b,
    {
        exprs.into_iter().map(|e| self.of(e)).collect()
    }

    /// `left op right`, or `op right`.
    fn infix(&self, f: &mut Formatter<'_>, operator: &str, args: &'a [Expr]) -> fmt::Result {
        match args {
            [right] => write!(f, "({operator} {})", self.of(right)),
            [left, right] => write!(f, "({} {operator} {})", self.of(left), self.of(right)),
            _ => write!(f, "{operator}({})", Join(&self.all(args), ", ")),
        }
    }
}

impl Display for ShowExpr<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let catalog = self.catalog;
        match self.expr.kind() {
            ExprKind::Column(i) => write!(f, "${i}"),
            ExprKind::Const(value) => {
                let ty = type_name(self.expr.ty(), catalog);
                match value {
                    None => write!(f, "NULL::{ty}"),
                    Some(text) if is_plain_number(text, self.expr.ty()) => f.write_str(text),
                    Some(text) => write!(f, "'{}'::{ty}", text.replace('\'', "''")),
                }
            }
            ExprKind::Call {
                function,
                args,
                variadic,
                ..
            } => {
                let name = function_name(*function, catalog);
                let variadic = if *variadic { "VARIADIC " } else { "" };
                write!(f, "{name}({variadic}{})", Join(&self.all(args), ", "))
            }
            ExprKind::Operator { operator, args, .. } => {
                self.infix(f, &operator_name(*operator, catalog), args)
            }
            ExprKind::And(args) => write!(f, "({})", Join(&self.all(args), " AND ")),
            ExprKind::Or(args) => write!(f, "({})", Join(&self.all(args), " OR ")),
            ExprKind::Not(arg) => write!(f, "(NOT {})", self.of(arg)),
            ExprKind::IsNull { arg, negated, row } => {
                let row = if *row { "ROW " } else { "" };
                let not = if *negated { "NOT " } else { "" };
                write!(f, "({} IS {row}{not}NULL)", self.of(arg))
            }
            ExprKind::BoolTest { arg, test } => {
                let test = match test {
                    BoolTest::IsTrue => "TRUE",
                    BoolTest::IsNotTrue => "NOT TRUE",
                    BoolTest::IsFalse => "FALSE",
                    BoolTest::IsNotFalse => "NOT FALSE",
                    BoolTest::IsUnknown => "UNKNOWN",
                    BoolTest::IsNotUnknown => "NOT UNKNOWN",
                };
                write!(f, "({} IS {test})", self.of(arg))
            }
            ExprKind::Distinct {
                args: [a, b],
                negated,
                ..
            } => {
                let not = if *negated { "NOT " } else { "" };
                write!(f, "({} IS {not}DISTINCT FROM {})", self.of(a), self.of(b))
            }
            ExprKind::NullIf { args: [a, b], .. } => {
                write!(f, "nullif({}, {})", self.of(a), self.of(b))
            }
            ExprKind::ScalarArray {
                operator,
                any,
                left,
                array,
                ..
            } => {
                let operator = operator_name(*operator, catalog);
                let any = if *any { "ANY" } else { "ALL" };
                write!(
                    f,
                    "({} {operator} {any} ({}))",
                    self.of(left),
                    self.of(array)
                )
            }
            ExprKind::Case { whens, otherwise } => {
                f.write_str("CASE")?;
                for (when, then) in whens {
                    write!(f, " WHEN {} THEN {}", self.of(when), self.of(then))?;
                }
                write!(f, " ELSE {} END", self.of(otherwise))
            }
            ExprKind::Coalesce(args) => write!(f, "coalesce({})", Join(&self.all(args), ", ")),
            ExprKind::MinMax { greatest, args, .. } => {
                let name = if *greatest { "greatest" } else { "least" };
                write!(f, "{name}({})", Join(&self.all(args), ", "))
            }
            ExprKind::Array(args) => {
                let ty = type_name(self.expr.ty(), catalog);
                write!(f, "ARRAY[{}]::{ty}", Join(&self.all(args), ", "))
            }
            ExprKind::Row { fields, .. } => {
                write!(f, "ROW({})", Join(&self.all(fields), ", "))
            }
            ExprKind::Field { arg, name, .. } => write!(f, "({}).{name}", self.of(arg)),
            ExprKind::Subscript {
                container,
                subscripts,
                slice,
            } => {
                write!(f, "({})", self.of(container))?;
                for (lower, upper) in subscripts {
                    f.write_str("[")?;
                    if let Some(lower) = lower {
                        self.of(lower).fmt(f)?;
                    }
                    if *slice {
                        f.write_str(":")?;
                    }
                    if let Some(upper) = upper {
                        self.of(upper).fmt(f)?;
                    }
                    f.write_str("]")?;
                }
                Ok(())
            }
            ExprKind::Cast { arg, coercion, .. } => {
                let ty = type_name(self.expr.ty(), catalog);
                let arg = self.of(arg);
                match coercion {
                    Coercion::Relabel => write!(f, "{arg}:={ty}"),
                    _ => write!(f, "{arg}::{ty}"),
                }
            }
            ExprKind::Collate(arg) => {
                let collation = match catalog.collation(self.expr.ty().collation) {
                    Some(c) => qualified(c.namespace, &c.name, catalog),
                    None => format!("collation {}", self.expr.ty().collation),
                };
                write!(f, "({} COLLATE {collation})", self.of(arg))
            }
            ExprKind::OneRow(arg) => write!(f, "one row of {}", self.of(arg)),
            ExprKind::SessionValue(value) => write!(f, "{value:?}"),
            ExprKind::Verbatim { pieces, args, .. } => {
                let mut args = args.iter();
                for piece in pieces {
                    match piece {
                        Piece::Sql(text) => f.write_str(text)?,
                        Piece::Name(name) => write!(f, "\"{name}\"")?,
                        Piece::Text(text) => write!(f, "'{text}'")?,
                        Piece::Type(ty) => f.write_str(&type_name(*ty, catalog))?,
                        Piece::Arg => match args.next() {
                            Some(arg) => self.of(arg).fmt(f)?,
                            None => f.write_str("?")?,
                        },
                    }
                }
                Ok(())
            }
        }
    }
}

/// Is this literal plain without its type?
fn is_plain_number(text: &str, ty: SqlType) -> bool {
    match ty.oid {
        oids::INT4 => text.bytes().all(|b| b.is_ascii_digit()),
        oids::NUMERIC => {
            text.contains('.') && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        }
        _ => false,
    }
}

/// A list of expressions in brackets.
pub fn expr_list(exprs: &[Expr], catalog: &Catalog) -> String {
    let shown: Vec<ShowExpr<'_>> = exprs
        .iter()
        .map(|expr| ShowExpr { expr, catalog })
        .collect();
    format!("[{}]", Join(&shown, ", "))
}

impl AggCall {
    pub fn display(&self, catalog: &Catalog) -> String {
        let show = |expr| ShowExpr { expr, catalog };
        let mut args: Vec<String> = self.args.iter().map(|e| show(e).to_string()).collect();
        if self.variadic
            && let Some(last) = args.last_mut()
        {
            last.insert_str(0, "VARIADIC ");
        }
        let mut out = function_name(self.function, catalog);
        out.push('(');
        if self.args.is_empty() {
            out.push('*');
        }
        if self.distinct {
            out.push_str("DISTINCT ");
        }
        out.push_str(&args.join(", "));
        out.push_str(&ordered(&self.order_by, catalog));
        out.push(')');
        if let Some(filter) = &self.filter {
            out.push_str(&format!(" FILTER {}", filter.display(catalog)));
        }
        if !self.nullable {
            out.push('!');
        }
        out
    }
}

impl SortKey {
    pub fn display(&self, catalog: &Catalog) -> String {
        format!(
            "{} using {} nulls {}",
            self.expr.display(catalog),
            operator_name(self.operator, catalog),
            if self.nulls_first { "first" } else { "last" }
        )
    }
}

impl TopK {
    pub fn display(&self, catalog: &Catalog) -> String {
        let mut out = match self.limit {
            Some(limit) => format!("{limit}"),
            None => "all".into(),
        };
        if self.offset > 0 {
            out.push_str(&format!(" from {}", self.offset));
        }
        let order: Vec<String> = self.order.iter().map(|k| k.display(catalog)).collect();
        out.push_str(&format!(" by [{}]", order.join(", ")));
        if self.is_open() {
            out.push_str(" and image");
        }
        if self.with_ties {
            out.push_str(" with ties");
        }
        if !self.keys.is_empty() {
            let keys: Vec<String> = self.keys.iter().map(|k| format!("${k}")).collect();
            out.push_str(&format!(" of each [{}]", keys.join(", ")));
        }
        out
    }
}

impl Last {
    pub fn display(&self, catalog: &Catalog) -> String {
        let first = TopK {
            keys: self.keys.clone(),
            order: self.order.clone(),
            offset: 0,
            limit: Some(self.limit),
            with_ties: false,
            total: self.total,
        };
        let ties = if self.ties.is_some() { " and ties" } else { "" };
        format!("last {}{ties}", first.display(catalog))
    }
}

impl Reserve {
    pub fn display(&self, catalog: &Catalog) -> String {
        format!("{} of {}", self.least, self.filled().display(catalog))
    }
}

impl Aggregate {
    pub fn display(&self, catalog: &Catalog) -> String {
        let keys: Vec<String> = self.keys.iter().map(|k| format!("${k}")).collect();
        let aggs: Vec<String> = self.aggs.iter().map(|a| a.display(catalog)).collect();
        format!("[{}] by [{}]", aggs.join(", "), keys.join(", "))
    }
}

impl FlatMap {
    pub fn display(&self, catalog: &Catalog) -> String {
        let function = |f: &SetFunction| {
            let columns: Vec<String> = f.columns.iter().map(|c| column_type(*c, catalog)).collect();
            format!("{} ({})", f.call.display(catalog), columns.join(", "))
        };
        let functions: Vec<String> = self.functions.iter().map(function).collect();
        let mut out = functions.join(", ");
        if self.ordinality {
            out.push_str(" with ordinality");
        }
        if let Some(on) = &self.outer {
            out.push_str(&format!(" outer on {}", expr_list(on, catalog)));
        }
        out
    }
}

/// ` ORDER BY …`, or nothing.
fn ordered(keys: &[SortKey], catalog: &Catalog) -> String {
    let mut out = String::new();
    for (i, key) in keys.iter().enumerate() {
        out.push_str(if i == 0 { " ORDER BY " } else { ", " });
        out.push_str(&key.expr.display(catalog).to_string());
        out.push_str(" USING ");
        out.push_str(&operator_name(key.operator, catalog));
    }
    out
}

impl Window {
    pub fn display(&self, catalog: &Catalog) -> String {
        let partition: Vec<String> = self.partition.iter().map(|k| format!("${k}")).collect();
        let calls = self.calls.iter().map(|call| {
            let shown = call.aggregate().display(catalog);
            match call.frame == Frame::default() {
                true => shown,
                false => format!("{shown} {}", call.frame.display(catalog)),
            }
        });
        let calls: Vec<String> = calls.collect();
        format!(
            "[{}] by [{}]{}",
            calls.join(", "),
            partition.join(", "),
            ordered(&self.order, catalog)
        )
    }
}

impl Frame {
    pub fn display(&self, catalog: &Catalog) -> String {
        let mode = match self.mode {
            FrameMode::Rows => "ROWS",
            FrameMode::Range => "RANGE",
            FrameMode::Groups => "GROUPS",
        };
        let bound = |bound: &Bound| match bound {
            Bound::UnboundedPreceding => "UNBOUNDED PRECEDING".into(),
            Bound::Preceding(offset) => format!("{} PRECEDING", offset.display(catalog)),
            Bound::CurrentRow => "CURRENT ROW".into(),
            Bound::Following(offset) => format!("{} FOLLOWING", offset.display(catalog)),
            Bound::UnboundedFollowing => "UNBOUNDED FOLLOWING".into(),
        };
        let exclude = match self.exclude {
            Exclusion::Nothing => "",
            Exclusion::CurrentRow => " EXCLUDE CURRENT ROW",
            Exclusion::Group => " EXCLUDE GROUP",
            Exclusion::Ties => " EXCLUDE TIES",
        };
        let (start, end) = (bound(&self.start), bound(&self.end));
        format!("{mode} BETWEEN {start} AND {end}{exclude}")
    }
}

impl Source {
    fn display(&self, catalog: &Catalog) -> String {
        let relation = catalog.relation(self.relation);
        let columns: Vec<String> = self
            .attnums
            .iter()
            .zip(&self.types)
            .enumerate()
            .map(|(i, (attnum, ty))| {
                let name = match relation.and_then(|r| r.column(*attnum)) {
                    Some(column) => column.name.clone(),
                    None if self.relation == CLOCK => Clock::column_name(*attnum),
                    None => format!("column {attnum}"),
                };
                format!("${i} {name} {}", column_type(*ty, catalog))
            })
            .collect();
        let name = relation_name(self.relation, catalog);
        format!("{name} ({})", columns.join(", "))
    }
}

/// A type, with `!` where NULL is excluded.
pub fn column_type(ty: ColType, catalog: &Catalog) -> String {
    let not_null = if ty.nullable { "" } else { "!" };
    format!("{}{not_null}", type_name(ty.ty, catalog))
}

impl Op {
    /// One line: the operator with its payload.
    pub fn display(&self, catalog: &Catalog) -> String {
        let list = |exprs: &[Expr]| expr_list(exprs, catalog);
        let columns = |cols: &[usize]| -> String {
            let cols: Vec<String> = cols.iter().map(|c| format!("${c}")).collect();
            format!("[{}]", cols.join(", "))
        };
        match self {
            Op::Source(s) => format!("source {}", s.display(catalog)),
            Op::Constant(c) => {
                let rows: Vec<String> = c.rows.iter().map(|r| list(r)).collect();
                format!("constant {}", rows.join(", "))
            }
            Op::Map(exprs) => format!("map {}", list(exprs)),
            Op::Filter(predicate) => format!("filter {}", predicate.display(catalog)),
            Op::Repeat(times) => format!("repeat {}", times.display(catalog)),
            Op::FlatMap(f) => format!("flat map {}", f.display(catalog)),
            Op::Join(conjuncts) => format!("join on {}", list(conjuncts)),
            Op::Semi(conjuncts) => format!("semi join on {}", list(conjuncts)),
            Op::Anti(conjuncts) => format!("anti join on {}", list(conjuncts)),
            Op::Left(conjuncts) => format!("left join on {}", list(conjuncts)),
            Op::Plus => "plus".into(),
            Op::Neg => "neg".into(),
            Op::Distinct => "distinct".into(),
            Op::Aggregate(a) => format!("aggregate {}", a.display(catalog)),
            Op::TopK(t) => format!("top {}", t.display(catalog)),
            Op::Reserve(r) => format!("reserve {}", r.display(catalog)),
            Op::Window(w) => format!("window {}", w.display(catalog)),
            Op::Closure(c) => {
                let union = if c.distinct { " distinct" } else { "" };
                let link = |l: &Link| match l {
                    Link::Join(on) => format!("on {}", list(on)),
                    Link::Left(on) => format!("left on {}", list(on)),
                    Link::FlatMap(f) => format!("flat map {}", f.display(catalog)),
                    Link::Filter(on) => format!("where {}", list(on)),
                };
                let links: Vec<String> = c.links.iter().map(link).collect();
                format!("closure{union} {} map {}", links.join(" "), list(&c.map))
            }
            Op::New => "New".into(),
            Op::Old => "Old".into(),
            Op::Delta => "Delta".into(),
            Op::State(s) => format!("state {}", s.id.0),
            Op::Probe(cols) => format!("probe {}", columns(cols)),
            Op::Suffix(s) => {
                format!(
                    "suffix by {} of each {}",
                    s.by.display(catalog),
                    columns(&s.keys)
                )
            }
            Op::Last(l) => l.display(catalog),
            Op::WindowStep(w) => format!("window step {}", w.window.display(catalog)),
            Op::Touched(cols) => format!("touched {}", columns(cols)),
            Op::Consolidate => "consolidate".into(),
            Op::Positive => "positive".into(),
            Op::AggregateStep(a) => format!("aggregate step {}", a.display(catalog)),
            Op::Stale(a) => format!("stale {}", a.display(catalog)),
            Op::ReserveStep(r) => format!("reserve step {}", r.display(catalog)),
            Op::Short(r) => format!("short {}", r.display(catalog)),
        }
    }
}

impl Circuit {
    /// What `roots` compute, as trees: inputs are indented below their readers. Of the columns of
    /// a join, each input says where its own begin.
    pub fn display<'a>(&'a self, roots: &'a [NodeId], catalog: &'a Catalog) -> impl Display + 'a {
        ShowCircuit {
            circuit: self,
            roots,
            catalog,
        }
    }
}

struct ShowCircuit<'a> {
    circuit: &'a Circuit,
    roots: &'a [NodeId],
    catalog: &'a Catalog,
}

impl Display for ShowCircuit<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let circuit = self.circuit;
        let mut readers: HashMap<NodeId, usize> = HashMap::new();
        for id in circuit.reachable(self.roots) {
            for input in circuit.inputs(id) {
                *readers.entry(*input).or_default() += 1;
            }
        }
        for root in self.roots {
            *readers.entry(*root).or_default() += 1;
        }
        let mut numbers: HashMap<NodeId, usize> = HashMap::new();
        // (node, depth, where its columns start)
        let mut open: Vec<(NodeId, usize, Option<usize>)> =
            self.roots.iter().rev().map(|r| (*r, 0, None)).collect();
        while let Some((id, depth, start)) = open.pop() {
            for _ in 0..depth {
                f.write_str("  ")?;
            }
            if let Some(start) = start {
                write!(f, "+{start} ")?;
            }
            if let Some(number) = numbers.get(&id) {
                writeln!(f, "#{number}")?;
                continue;
            }
            if readers.get(&id).is_some_and(|n| *n > 1) {
                let number = numbers.len() + 1;
                numbers.insert(id, number);
                write!(f, "#{number} = ")?;
            }
            writeln!(f, "{}", circuit.op(id).display(self.catalog))?;
            let is_join = matches!(
                circuit.op(id),
                Op::Join(_) | Op::Semi(_) | Op::Anti(_) | Op::Left(_) | Op::Closure(_)
            );
            let mut at = 0;
            let mut below = vec![];
            let widths = circuit.inputs(id).iter().map(|i| circuit.schema(*i).len());
            let of_links = match circuit.op(id) {
                Op::Closure(c) => c.joined(widths.clone().skip(1)).map(|l| l.1).collect(),
                _ => vec![],
            };
            for (i, (input, width)) in circuit.inputs(id).iter().zip(widths).enumerate() {
                let link = i.checked_sub(1).and_then(|i| of_links.get(i));
                at = link.map_or(at, |columns| columns.start);
                below.push((*input, depth + 1, is_join.then_some(at)));
                at += width;
            }
            open.extend(below.into_iter().rev());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::Constant;

    #[test]
    fn expressions_are_readable() {
        let catalog = Catalog::builtin();
        let int = SqlType::new(oids::INT4);
        let plus = Expr::new(
            ExprKind::Operator {
                operator: Oid(551),
                function: Oid(177),
                args: vec![Expr::column(0, int), Expr::literal("1", int)],
                collation: Oid::INVALID,
            },
            int,
        );
        let text = Expr::literal("it's", SqlType::new(oids::TEXT));
        let both = [plus, text, Expr::null(SqlType::new(oids::DATE))];
        assert_eq!(
            expr_list(&both, &catalog),
            "[($0 + 1), 'it''s'::text, NULL::date]"
        );
        let price = SqlType {
            typmod: (15 << 16) + 2 + 4,
            ..SqlType::new(oids::NUMERIC)
        };
        assert_eq!(type_name(price, &catalog), "numeric(15,2)");
        assert_eq!(type_name(SqlType::new(Oid(1007)), &catalog), "int4[]");
    }

    #[test]
    fn shared_nodes_are_numbered() {
        let int = ColType {
            ty: SqlType::new(oids::INT4),
            nullable: false,
        };
        let rows = vec![vec![Expr::literal("1", int.ty)]];
        let types = vec![int];
        let mut circuit = Circuit::new();
        let constant = Op::Constant(Constant { types, rows });
        let one = circuit.add(constant, vec![], None).expect("fits");
        let join = circuit
            .add(Op::Join(vec![]), vec![one, one], None)
            .expect("fits");
        let shown = circuit.display(&[join], &Catalog::builtin()).to_string();
        assert_eq!(shown, "join on []\n  +0 #1 = constant [1]\n  +1 #1\n");
    }
}
