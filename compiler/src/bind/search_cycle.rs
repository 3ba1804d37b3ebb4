//! SEARCH and CYCLE: columns of a recursive WITH query that say how its rows were reached.
//!
//! PostgreSQL keeps rows of no declared type in them, which no table can store. So the recursion
//! keeps what these are made of, and they are made where they are read:
//!
//! ```text
//! depth                   seed 0                  step depth + 1
//! p (c), for a column c   seed ARRAY[c]           step array_append(p (c), c)
//! mark                    seed DEFAULT            step CASE WHEN again THEN TO ELSE DEFAULT END,
//!                                                 of rows with mark <> TO
//!
//! SEARCH BREADTH FIRST BY c, d SET s      s = ROW(depth, c, d)
//! SEARCH DEPTH FIRST BY c, d SET s        s = ARRAY(ROW(p (c)[i], p (d)[i]) for each i)
//! CYCLE c, d SET mark USING s             s = the same; again: ROW(c, d) = ANY (s)
//! ```
//!
//! Rows are compared as PostgreSQL compares rows, NULLs being equal; of one column,
//! `array_position` does it alike.

use super::Binder;
use super::clause::Aggregates;
use super::context::BindError;
use super::expr::{ExprPosition, bind_expr};
use super::query::{Body, Branch, Query, Select};
use super::scope::{Named, Scope};
use super::select::NO_ITEMS;
use super::set_operation::retype;
use crate::typename::strings;
use crate::typing::{Typing, error};
use pg_query::protobuf::{CommonTableExpr, CteCycleClause, Node};
use spec::catalog::{TypeKind, Volatility};
use spec::compiled::OutputColumn;
use spec::expr::{ExprKind, Piece};
use spec::types::oids;
use spec::{ColType, Expr, Oid, ReasonCode, Span, SqlType};
use std::sync::Arc;

const INT8: SqlType = SqlType::new(oids::INT8);
const BOOL: SqlType = SqlType::new(oids::BOOL);
const INT8_PLUS: (Oid, Oid) = (Oid(684), Oid(463));
const RECORDS_EQUAL: (Oid, Oid) = (Oid(2988), Oid(2981));
pub(crate) const ARRAY_APPEND: Oid = Oid(378);
const ARRAY_POSITION: Oid = Oid(3277);
/// What PostgreSQL makes its own columns with: `int8inc`, and `array_cat` of the array and a row.
const INT8_NEXT: Oid = Oid(1219);
const ARRAY_CAT: Oid = Oid(383);
/// PostgreSQL's types whose values are arrays, and are elements of arrays all the same.
const VECTORS: [Oid; 2] = [Oid(22), Oid(30)];

/// The clauses as they were written.
pub(super) struct Clauses {
    search: Option<Search>,
    cycle: Option<Cycle>,
}

struct Search {
    breadth_first: bool,
    columns: Vec<String>,
    name: String,
    span: Option<Span>,
}

struct Cycle {
    columns: Vec<String>,
    mark: String,
    path: String,
    /// Of rows that were there on the way to them, and of others.
    again: Expr,
    new: Expr,
    /// The type of both, and its `<>` with the function of it.
    ty: SqlType,
    differs: (Oid, Oid),
    span: Option<Span>,
}

/// What the clauses make of a query with certain columns.
pub(super) struct Layout {
    /// How many columns the query has without them.
    width: usize,
    kept: Vec<Kept>,
    /// Over all columns.
    pub shown: Vec<Named>,
    /// Steps are made from rows on which it is true. Over all columns.
    goes_on: Option<Expr>,
}

/// A column behind those of the query.
struct Kept {
    name: String,
    /// The column whose values on the way these are.
    path_of: Option<usize>,
    ty: ColType,
    /// Over the columns of the query.
    seed: Expr,
    /// Over the columns of the query, and all columns of the row that the step is from: `width` and
    /// more are kept ones.
    step: Expr,
}

impl Clauses {
    /// The columns by the names of the query, before it is bound.
    fn check(&self) -> Result<(), BindError> {
        let twice = |columns: &[String], what: &str, span| {
            for (i, name) in columns.iter().enumerate() {
                if columns[..i].contains(name) {
                    let message = format!("{what} column \"{name}\" specified more than once");
                    return Err(error(ReasonCode::Name, message, span));
                }
            }
            Ok(())
        };
        let same = |a: &str, b: &str, what: &str, span| match a == b {
            true => Err(error(
                ReasonCode::Name,
                format!("{what} column name are the same"),
                span,
            )),
            false => Ok(()),
        };
        if let Some(search) = &self.search {
            twice(&search.columns, "search", search.span)?;
        }
        if let Some(cycle) = &self.cycle {
            twice(&cycle.columns, "cycle", cycle.span)?;
            let what = "cycle mark column name and cycle path";
            same(&cycle.mark, &cycle.path, what, cycle.span)?;
            if let Some(search) = &self.search {
                let what = "search sequence column name and cycle mark";
                same(&search.name, &cycle.mark, what, search.span)?;
                let what = "search sequence column name and cycle path";
                same(&search.name, &cycle.path, what, search.span)?;
            }
        }
        Ok(())
    }
}

impl Layout {
    /// All columns, of which the first are those of the query.
    pub(super) fn columns(&self, columns: Vec<OutputColumn>) -> Vec<OutputColumn> {
        let kept = self.kept.iter().map(|k| OutputColumn {
            name: k.name.clone(),
            ty: k.ty,
        });
        columns.into_iter().chain(kept).collect()
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// A column that is never NULL.
    pub(super) fn present(&self) -> Option<Expr> {
        let mut kept = self.kept.iter().zip(self.width..);
        let (kept, at) = kept.find(|(k, _)| !k.ty.nullable)?;
        Some(Expr::column(at, kept.ty.ty))
    }

    fn keep(&mut self, kept: Kept) -> Expr {
        let at = self.width + self.kept.len();
        let ty = kept.ty.ty;
        self.kept.push(kept);
        Expr::column(at, ty)
    }

    /// The values that this column had on the way.
    fn path(&mut self, column: usize, named: &OutputColumn, array: Oid) -> Expr {
        let name = format!("{} on the way", named.name);
        if let Some(at) = self.kept.iter().position(|k| k.path_of == Some(column)) {
            return Expr::column(self.width + at, self.kept[at].ty.ty);
        }
        let value = Expr::column(column, named.ty.ty);
        let ty = SqlType {
            oid: array,
            typmod: -1,
            collation: value.ty().collation,
        };
        let before = Expr::column(self.width + self.kept.len(), ty);
        let append = ExprKind::Call {
            function: ARRAY_APPEND,
            args: vec![before, value.clone()],
            collation: ty.collation,
            variadic: false,
        };
        self.keep(Kept {
            name,
            path_of: Some(column),
            ty: ColType {
                ty,
                nullable: false,
            },
            seed: Expr::new(ExprKind::Array(vec![value]), ty),
            step: Expr::new(append, ty),
        })
    }
}

impl Binder<'_> {
    pub(super) fn search_and_cycle(
        &mut self,
        cte: &CommonTableExpr,
    ) -> Result<Option<Clauses>, BindError> {
        if cte.search_clause.is_none() && cte.cycle_clause.is_none() {
            return Ok(None);
        }
        let search = cte.search_clause.as_ref().map(|s| Search {
            breadth_first: s.search_breadth_first,
            columns: strings(&s.search_col_list),
            name: s.search_seq_column.clone(),
            span: self.unit.span(s.location),
        });
        let cycle = match &cte.cycle_clause {
            Some(cycle) => Some(self.cycle(cycle)?),
            None => None,
        };
        let clauses = Clauses { search, cycle };
        clauses.check()?;
        Ok(Some(clauses))
    }

    fn cycle(&mut self, cycle: &CteCycleClause) -> Result<Cycle, BindError> {
        let unit = self.unit;
        let span = unit.span(cycle.location);
        let mut clause = self.clause(
            &Scope {
                items: NO_ITEMS,
                parent: None,
                depth: 0,
            },
            ExprPosition::Values,
            Aggregates::No,
        );
        let missing = || error(ReasonCode::Unsupported, "CYCLE without a mark", span);
        let mut constant = |node: &Option<Box<Node>>| {
            let node = node.as_deref().ok_or_else(missing)?;
            bind_expr(node, ExprPosition::Values, &mut clause, &unit.typing)
        };
        let again = constant(&cycle.cycle_mark_value)?;
        let new = constant(&cycle.cycle_mark_default)?;
        let mut ty = unit.typing.common_type(&[&again, &new], "CYCLE", span)?;
        let coerced = |e: Expr, what: &str| {
            let e = unit.typing.coerce_to_common(e, ty.oid, what, span)?;
            unit.typing.assign_collations(&e, span)
        };
        let again = coerced(again, "CYCLE/SET/TO")?;
        let new = coerced(new, "CYCLE/SET/DEFAULT")?;
        unit.typing.flush(&mut clause);
        if unit.catalog.type_collation(ty.oid).is_valid() {
            ty.collation = unit.typing.common_collation(&[&again, &new], true, span)?;
        }
        let equality = unit.typing.grouping_equality(ty, span)?;
        let equal = unit.catalog.operator(equality.eq);
        let differs = equal.and_then(|o| unit.catalog.operator(o.negator));
        let differs = differs.ok_or_else(|| {
            let name = unit.typing.type_name(ty.oid);
            let message = format!("could not identify an inequality operator for type {name}");
            error(ReasonCode::NoEquality, message, span)
        })?;
        Ok(Cycle {
            columns: strings(&cycle.cycle_col_list),
            mark: cycle.cycle_mark_column.clone(),
            path: cycle.cycle_path_column.clone(),
            again: retype(again, ty),
            new: retype(new, ty),
            ty,
            differs: (differs.oid, differs.function),
            span,
        })
    }

    /// None: it was reported that there is none.
    pub(super) fn layout(
        &mut self,
        clauses: &Clauses,
        columns: &[OutputColumn],
    ) -> Result<Option<Layout>, BindError> {
        let mut layout = Layout {
            width: columns.len(),
            kept: vec![],
            shown: vec![],
            goes_on: None,
        };
        let taken = |name: &String| columns.iter().any(|c| c.name == *name);
        let typing = &self.unit.typing;
        if let Some(search) = &clauses.search {
            let next = if search.breadth_first {
                INT8_NEXT
            } else {
                ARRAY_CAT
            };
            typing.note_instead(&[next], &[]);
        }
        if let Some(cycle) = &clauses.cycle {
            typing.note_instead(&[ARRAY_CAT], &[RECORDS_EQUAL.0, cycle.differs.0]);
        }
        if let Some(search) = &clauses.search {
            let by = found(&search.columns, columns, "search", search.span)?;
            if taken(&search.name) {
                let message = format!(
                    "search sequence column name \"{}\" already used in WITH query column list",
                    search.name
                );
                return Err(error(ReasonCode::Name, message, search.span));
            }
            let shown = match search.breadth_first {
                true => breadth_first(&mut layout, &by, columns),
                false => {
                    let Some(paths) = self.paths(&mut layout, &by, columns, search.span) else {
                        return Ok(None);
                    };
                    records(&paths)
                }
            };
            layout.shown.push(Named::new(&search.name, shown));
        }
        if let Some(cycle) = &clauses.cycle {
            let by = found(&cycle.columns, columns, "cycle", cycle.span)?;
            for (name, what) in [(&cycle.mark, "mark"), (&cycle.path, "path")] {
                if taken(name) {
                    let message = format!(
                        "cycle {what} column name \"{name}\" already used in WITH query column list"
                    );
                    return Err(error(ReasonCode::Name, message, cycle.span));
                }
            }
            for column in &by {
                let ty = columns[*column].ty.ty.oid;
                if self.unit.catalog.equality(ty).is_none() {
                    let name = self.unit.typing.type_name(ty);
                    let message = format!("CYCLE of values without equality (of type {name})");
                    self.report(ReasonCode::Recursion, message, cycle.span);
                    return Ok(None);
                }
            }
            let Some(paths) = self.paths(&mut layout, &by, columns, cycle.span) else {
                return Ok(None);
            };
            let mark = mark(&mut layout, cycle, again(&paths, &by, columns));
            layout.goes_on = Some(differs(&mark, cycle, &self.unit.typing)?);
            layout.shown.push(Named::new(&cycle.mark, mark));
            let path = records(&paths);
            layout.shown.push(Named::new(&cycle.path, path));
        }
        Ok(Some(layout))
    }

    /// The values that these columns had on the way, under their names.
    fn paths(
        &mut self,
        layout: &mut Layout,
        by: &[usize],
        columns: &[OutputColumn],
        span: Option<Span>,
    ) -> Option<Vec<(String, Expr)>> {
        let mut out = vec![];
        for column in by {
            let named = &columns[*column];
            let ty = named.ty.ty.oid;
            let catalog = self.unit.catalog;
            let kind = catalog.ty(ty).map(|t| t.kind);
            let nested = catalog.element_type(catalog.base_of(ty)).is_some();
            let array = catalog.array_type(ty).filter(|_| {
                kind.is_some_and(|k| k != TypeKind::Pseudo) && (!nested || VECTORS.contains(&ty))
            });
            let Some(array) = array else {
                let name = self.unit.typing.type_name(ty);
                let message = format!(
                    "WITH RECURSIVE: SEARCH DEPTH FIRST or CYCLE by column \"{}\", whose values (of type {name}) \
                     cannot be elements of an array",
                    named.name
                );
                self.report(ReasonCode::Recursion, message, span);
                return None;
            };
            out.push((named.name.clone(), layout.path(*column, named, array)));
        }
        Some(out)
    }

    /// The same recursion with the columns that are kept. None: it was reported that it has none.
    pub(super) fn keeping(
        &mut self,
        layout: &Layout,
        number: usize,
        cte: &CommonTableExpr,
        [mut seed, mut step]: [Branch; 2],
    ) -> Result<Option<[Branch; 2]>, BindError> {
        let span = self.unit.span(cte.location);
        let syntax = |message: String| Err(error(ReasonCode::Syntax, message, span));
        let is_select = |b: &Branch| matches!(b.query.body, Body::Select(_) | Body::Values(_));
        for (branch, side) in [(&seed, "left"), (&step, "right")] {
            if matches!(branch.query.body, Body::Opaque { .. }) {
                return Ok(None);
            }
            if !is_select(branch) {
                return syntax(format!(
                    "with a SEARCH or CYCLE clause, the {side} side of the UNION must be a SELECT"
                ));
            }
        }
        let seeds: Vec<Expr> = layout
            .kept
            .iter()
            .map(|k| k.seed.substitute(&mut |c, _| seed.outputs[c].clone()))
            .collect();
        seed.outputs.extend(seeds);

        let not_at_top = || {
            syntax(format!(
                "with a SEARCH or CYCLE clause, the recursive reference to WITH query \"{}\" must be at \
                 the top level of its right-hand SELECT",
                cte.ctename
            ))
        };
        let Body::Select(select) = &step.query.body else {
            return not_at_top();
        };
        let mut select = Select::clone(select);
        let Some(start) = (select.from.as_ref()).and_then(|f| f.working(number)) else {
            return not_at_top();
        };
        if select.distinct || select.ranks() || select.grouping.is_some() {
            let message = "WITH RECURSIVE: SEARCH or CYCLE over a step with DISTINCT, LIMIT, window \
                           functions or a grouping";
            self.report(ReasonCode::Recursion, message, span);
            return Ok(None);
        }
        if let Some(goes_on) = &layout.goes_on {
            let goes_on = goes_on.remap(&mut |c| start + c);
            select.filter = Some(match select.filter {
                Some(filter) => Expr::new(ExprKind::And(vec![filter, goes_on]), BOOL),
                None => goes_on,
            });
        }
        let before = select.outputs.len();
        for (kept, at) in layout.kept.iter().zip(start + layout.width..) {
            select.outputs.push(Expr::column(at, kept.ty.ty));
        }
        step.query = Arc::new(Query {
            columns: layout.columns(step.query.columns.clone()),
            body: Body::Select(Box::new(select)),
        });
        let steps: Vec<Expr> = layout
            .kept
            .iter()
            .map(|k| {
                k.step
                    .substitute(&mut |c, ty| match c.checked_sub(layout.width) {
                        Some(kept) => Expr::column(before + kept, ty),
                        None => step.outputs[c].clone(),
                    })
            })
            .collect();
        step.outputs.extend(steps);
        Ok(Some([seed, step]))
    }
}

/// The places of columns.
fn found(
    names: &[String],
    columns: &[OutputColumn],
    what: &str,
    span: Option<Span>,
) -> Result<Vec<usize>, BindError> {
    let place = |name: &String| {
        let at = columns.iter().position(|c| c.name == *name);
        at.ok_or_else(|| {
            let message = format!("{what} column \"{name}\" not in WITH query column list");
            error(ReasonCode::Name, message, span)
        })
    };
    names.iter().map(place).collect()
}

fn breadth_first(layout: &mut Layout, by: &[usize], columns: &[OutputColumn]) -> Expr {
    let before = Expr::column(layout.width + layout.kept.len(), INT8);
    let plus = ExprKind::Operator {
        operator: INT8_PLUS.0,
        function: INT8_PLUS.1,
        args: vec![before, Expr::literal("1", INT8)],
        collation: Oid::INVALID,
    };
    let depth = layout.keep(Kept {
        name: "depth".into(),
        path_of: None,
        ty: ColType {
            ty: INT8,
            nullable: false,
        },
        seed: Expr::literal("0", INT8),
        step: Expr::new(plus, INT8),
    });
    let by = by.iter().map(|c| {
        let column = &columns[*c];
        (column.name.clone(), Expr::column(*c, column.ty.ty))
    });
    let fields: Vec<(String, Expr)> = [("*DEPTH*".to_owned(), depth)]
        .into_iter()
        .chain(by)
        .collect();
    record(&fields)
}

fn mark(layout: &mut Layout, cycle: &Cycle, again: Expr) -> Expr {
    let case = ExprKind::Case {
        whens: vec![(again, cycle.again.clone())],
        otherwise: cycle.new.clone(),
    };
    let nullable = cycle.again.nullable(&[]) || cycle.new.nullable(&[]);
    layout.keep(Kept {
        name: cycle.mark.clone(),
        path_of: None,
        ty: ColType {
            ty: cycle.ty,
            nullable,
        },
        seed: cycle.new.clone(),
        step: Expr::new(case, cycle.ty),
    })
}

/// `mark <> TO`.
fn differs(mark: &Expr, cycle: &Cycle, typing: &Typing<'_>) -> Result<Expr, BindError> {
    let (operator, function) = cycle.differs;
    let mut args = vec![mark.clone(), cycle.again.clone()];
    // An operator of a type that this one is another name of, such as text's for varchar.
    let declared = typing.catalog.operator(operator).map(|o| o.left);
    if let Some(declared) = declared
        && (typing.catalog.ty(declared)).is_some_and(|t| t.kind != TypeKind::Pseudo)
    {
        for arg in &mut args {
            *arg = typing.coerce_to_common(arg.clone(), declared, "CYCLE", cycle.span)?;
        }
    }
    let kind = ExprKind::Operator {
        operator,
        function,
        args,
        collation: cycle.ty.collation,
    };
    Ok(Expr::new(kind, BOOL))
}

/// Was a row with these values there on the way? Over the columns of the query and what was kept of
/// the row before it.
fn again(paths: &[(String, Expr)], by: &[usize], columns: &[OutputColumn]) -> Expr {
    let values = by.iter().map(|c| Expr::column(*c, columns[*c].ty.ty));
    let mut values: Vec<Expr> = values.collect();
    if let ([value], [(_, path)]) = (values.as_slice(), paths) {
        let position = ExprKind::Call {
            function: ARRAY_POSITION,
            args: vec![path.clone(), value.clone()],
            collation: path.ty().collation,
            variadic: false,
        };
        let found = ExprKind::IsNull {
            arg: Expr::new(position, SqlType::new(oids::INT4)),
            negated: true,
            row: false,
        };
        return Expr::new(found, BOOL);
    }
    let names = paths.iter().map(|(name, _)| name.as_str().into());
    let row = ExprKind::Row {
        fields: std::mem::take(&mut values),
        names: names.collect(),
    };
    let any = ExprKind::ScalarArray {
        operator: RECORDS_EQUAL.0,
        function: RECORDS_EQUAL.1,
        any: true,
        left: Expr::new(row, SqlType::new(oids::RECORD)),
        array: records(paths),
        collation: Oid::INVALID,
    };
    Expr::new(any, BOOL)
}

/// A row of these fields. It knows their names, as what JSON is made of.
fn record(fields: &[(String, Expr)]) -> Expr {
    let row = row_name(fields);
    let mut pieces = vec![sql("(SELECT "), name(&row), sql(" FROM (SELECT ")];
    for (i, (field, _)) in fields.iter().enumerate() {
        if i > 0 {
            pieces.push(sql(", "));
        }
        pieces.extend([Piece::Arg, sql(" AS "), name(field)]);
    }
    pieces.extend([sql(") AS "), name(&row), sql(")")]);
    verbatim(pieces, fields, oids::RECORD)
}

/// The rows whose fields are, one by one, the elements of these arrays, which are equally long.
fn records(paths: &[(String, Expr)]) -> Expr {
    let row = row_name(paths);
    let mut pieces = vec![sql("ARRAY(SELECT "), name(&row), sql(" FROM (SELECT ")];
    for (i, (field, _)) in paths.iter().enumerate() {
        if i > 0 {
            pieces.push(sql(", "));
        }
        pieces.extend([sql(&format!("a.p{i}[i] AS ")), name(field)]);
    }
    // Apart, where no name of here can be taken for one of theirs.
    pieces.push(sql(" FROM (SELECT "));
    for i in 0..paths.len() {
        if i > 0 {
            pieces.push(sql(", "));
        }
        pieces.extend([Piece::Arg, sql(&format!(" AS p{i}"))]);
    }
    pieces.push(sql(
        ") AS a, pg_catalog.generate_subscripts(a.p0, 1) AS i ORDER BY i) AS ",
    ));
    pieces.extend([name(&row), sql(")")]);
    verbatim(pieces, paths, oids::RECORD_ARRAY)
}

/// A name for the row that no field of it has.
fn row_name(fields: &[(String, Expr)]) -> String {
    let mut row = "r".to_owned();
    while fields.iter().any(|(name, _)| *name == row) {
        row.push('_');
    }
    row
}

fn sql(text: &str) -> Piece {
    Piece::Sql(text.into())
}

fn name(name: &str) -> Piece {
    Piece::Name(name.into())
}

fn verbatim(pieces: Vec<Piece>, args: &[(String, Expr)], ty: Oid) -> Expr {
    let kind = ExprKind::Verbatim {
        pieces,
        args: args.iter().map(|(_, e)| e.clone()).collect(),
        volatility: Volatility::Immutable,
        collates: false,
    };
    Expr::new(kind, SqlType::new(ty))
}
