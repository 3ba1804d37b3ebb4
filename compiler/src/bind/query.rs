//! Bound queries: names resolved, types known, `*` and views expanded.
//!
//! Column numbering: inside a SELECT the columns of all items of FROM stand in a row, from left to
//! right, whatever joins them; conditions of joins, WHERE, grouping keys and arguments of
//! aggregates count in it. Behind a grouping, HAVING and the outputs count in the keys followed by
//! the aggregates. What an expression reads besides has a number far from those: see [`Reads`].

use super::context::{AggregateCall, WindowCall};
use super::select::drop_unread;
use spec::compiled::OutputColumn;
use spec::op::SortKey;
use spec::types::oids;
use spec::{ColType, Expr, Oid, Span, SqlType};
use std::convert::Infallible;
use std::sync::Arc;

/// What a column of a bound expression stands for.
///
/// A subquery in an expression is bound apart, and stands in the list of its SELECT; the expression
/// reads its value. What the subquery reads of the queries around it are its *parameters*: each a
/// column of the SELECT that it stands in (or a parameter of that, passed on), so that inside a
/// subquery no column is another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// A column of FROM or, behind a grouping, a key or an aggregate.
    Column(usize),
    /// An aggregate, in the order in which they were found, until grouping gives it its place.
    Aggregate(usize),
    /// The same of `GROUPING(…)`.
    Grouping(usize),
    /// The value of a subquery.
    Subquery(usize),
    /// A parameter of the subquery that this expression stands in.
    Parameter(usize),
    /// In the comparison of ANY and ALL: a column that the subquery puts out.
    Result(usize),
    /// A row, or the value, that a set-returning function in the SELECT list makes.
    Set(usize),
    /// The value of a window function.
    Window(usize),
}

const RANGE: usize = 1 << 24;

impl Reads {
    pub fn of(column: usize) -> Reads {
        let at = column % RANGE;
        match column / RANGE {
            0 => Reads::Column(at),
            1 => Reads::Aggregate(at),
            2 => Reads::Grouping(at),
            3 => Reads::Subquery(at),
            4 => Reads::Parameter(at),
            5 => Reads::Result(at),
            6 => Reads::Set(at),
            _ => Reads::Window(at),
        }
    }

    /// The number that stands for it.
    pub fn column(self) -> usize {
        match self {
            Reads::Column(at) => at,
            Reads::Aggregate(at) => RANGE + at,
            Reads::Grouping(at) => 2 * RANGE + at,
            Reads::Subquery(at) => 3 * RANGE + at,
            Reads::Parameter(at) => 4 * RANGE + at,
            Reads::Result(at) => 5 * RANGE + at,
            Reads::Set(at) => 6 * RANGE + at,
            Reads::Window(at) => 7 * RANGE + at,
        }
    }

    pub fn expr(self, ty: SqlType) -> Expr {
        Expr::column(self.column(), ty)
    }
}

/// A subquery in an expression. Its value is a boolean, that of its only column, or an array of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subquery {
    pub kind: SubqueryKind,
    /// What the parameters of `query` are: columns of the SELECT that it stands in.
    pub parameters: Vec<Expr>,
    pub query: Arc<Query>,
    pub span: Option<Span>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubqueryKind {
    Exists,
    /// NULL of no row; an error of two.
    Scalar,
    /// The same of a comparison of a row of the SELECT with the only row of the query.
    Row {
        comparison: Expr,
    },
    /// The values of its first column, in this order of its columns.
    Array {
        order: Vec<SortKey>,
    },
    /// `left op ANY (query)`, IN included; or ALL. The comparison of a row of the SELECT with a row
    /// of the query.
    Quantified {
        any: bool,
        comparison: Expr,
    },
}

/// A query with its output columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub columns: Vec<OutputColumn>,
    pub body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Select(Box<Select>),
    SetOperation {
        operator: SetOperator,
        all: bool,
        branches: [Branch; 2],
    },
    /// VALUES; constant expressions.
    Values(Vec<Vec<Expr>>),
    /// WITH RECURSIVE: what `step` makes of the rows that were found last, again and again.
    Recursive {
        number: usize,
        /// UNION, not UNION ALL.
        distinct: bool,
        seed: Branch,
        step: Branch,
        span: Option<Span>,
    },
    /// In a step: the rows that were found last.
    Working {
        number: usize,
    },
    /// A construct that is reported as not incremental; only the columns are known (or not even
    /// they, see [`Query::has_known_columns`]).
    Opaque {
        what: String,
        known: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOperator {
    Union,
    Intersect,
    Except,
}

impl SetOperator {
    pub fn word(self) -> &'static str {
        match self {
            SetOperator::Union => "UNION",
            SetOperator::Intersect => "INTERSECT",
            SetOperator::Except => "EXCEPT",
        }
    }
}

/// A branch of a set operation, and what of it is put out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    pub query: Arc<Query>,
    /// Over the columns of `query`.
    pub outputs: Vec<Expr>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Select {
    /// None: one row without columns.
    pub from: Option<From>,
    pub filter: Option<Expr>,
    pub grouping: Option<Grouping>,
    pub having: Option<Expr>,
    pub outputs: Vec<Expr>,
    pub distinct: bool,
    /// DISTINCT ON, LIMIT and OFFSET, and ORDER BY with them.
    pub top: Option<Top>,
    /// In FROM, WHERE, keys and arguments of aggregates; in the outputs, if there is no grouping.
    /// One may read the values of those before it.
    pub subqueries: Vec<Subquery>,
    /// In HAVING and the outputs, behind a grouping.
    pub grouped_subqueries: Vec<Subquery>,
    /// Set-returning functions in the SELECT list, whose rows are made when WHERE has been looked at;
    /// those in keys of the grouping, if there is one. One may read those before it.
    pub sets: Vec<SetCall>,
    /// The same behind a grouping.
    pub grouped_sets: Vec<SetCall>,
    /// Window functions in the outputs and the order, and over what these are: when WHERE and HAVING
    /// have been looked at, and before the rows of set-returning functions are made.
    pub windows: Vec<WindowCall>,
}

/// A call of a function that makes rows: in FROM any function, in the SELECT list a set-returning one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetCall {
    pub call: Expr,
    /// One, where the value is not a row.
    pub columns: Vec<OutputColumn>,
    /// The columns were written, `AS (a int, …)`.
    pub defined: bool,
    /// The value is a row of these columns.
    pub composite: bool,
    pub span: Option<Span>,
}

/// Which rows of a SELECT are put out: of those that agree on `on`, the first; and of these, what
/// LIMIT and OFFSET say. Expressions over what the outputs are over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Top {
    pub on: Vec<Expr>,
    pub order: Vec<SortKey>,
    pub limit: Option<Limit>,
    /// The parameters of a subquery, for each value of which all this is said. (Lowering makes them.)
    pub per: Vec<Expr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub offset: u64,
    pub count: Option<u64>,
    pub with_ties: bool,
}

/// GROUP BY: one row per group. Without keys there is exactly one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping {
    pub keys: Vec<Expr>,
    pub aggregates: Vec<AggregateCall>,
    /// Grouping sets, as places of keys, which are NULL in the groups of the other sets. None: all
    /// keys are one set.
    pub sets: Vec<Vec<usize>>,
    /// `GROUPING(…)`, as places of keys: columns behind the aggregates, of type integer.
    pub groupings: Vec<Vec<usize>>,
    pub span: Option<Span>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
}

/// An item of FROM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    Table(Table),
    Query {
        /// The name that the rest of the query calls it.
        name: String,
        query: Arc<Query>,
    },
    /// Reads columns to the left of it.
    Lateral {
        name: String,
        query: Arc<Query>,
        /// What the parameters of `query` are: columns of this FROM, or parameters of the subquery
        /// that this is in.
        parameters: Vec<Expr>,
        span: Option<Span>,
    },
    /// `ROWS FROM (…)`, over columns to the left of it.
    Functions {
        name: String,
        functions: Vec<SetCall>,
        ordinality: bool,
        span: Option<Span>,
    },
    /// `condition` none: every pair.
    Join {
        kind: JoinKind,
        left: Box<From>,
        right: Box<From>,
        condition: Option<Expr>,
    },
    /// The parameters of the subquery that this is in, where it cannot do without them: one row for
    /// each value that they have. (Lowering makes them.)
    Parameters {
        types: Vec<ColType>,
    },
    /// Reported as not incremental.
    Opaque {
        what: String,
        types: Vec<ColType>,
    },
}

/// All stored columns of a table, in attnum order. (Virtual generated columns are expressions
/// over them.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub relation: Oid,
    /// The name that the rest of the query calls it.
    pub name: String,
    pub attnums: Vec<i16>,
    pub types: Vec<ColType>,
    pub span: Option<Span>,
}

impl Subquery {
    /// The same over other expressions of the SELECT that it stands in.
    pub fn map<E>(&self, f: &mut impl FnMut(&Expr) -> Result<Expr, E>) -> Result<Subquery, E> {
        Ok(Subquery {
            kind: match &self.kind {
                SubqueryKind::Quantified { any, comparison } => SubqueryKind::Quantified {
                    any: *any,
                    comparison: f(comparison)?,
                },
                SubqueryKind::Row { comparison } => SubqueryKind::Row {
                    comparison: f(comparison)?,
                },
                kind => kind.clone(),
            },
            parameters: self
                .parameters
                .iter()
                .map(&mut *f)
                .collect::<Result<_, E>>()?,
            query: self.query.clone(),
            span: self.span,
        })
    }

    /// The expressions over the SELECT that it stands in.
    pub fn operands(&self) -> impl Iterator<Item = &Expr> {
        let comparison = match &self.kind {
            SubqueryKind::Quantified { comparison, .. } | SubqueryKind::Row { comparison } => {
                Some(comparison)
            }
            _ => None,
        };
        comparison.into_iter().chain(&self.parameters)
    }
}

impl Query {
    /// Does it read parameters of the subquery that it is in?
    pub fn is_correlated(&self) -> bool {
        match &self.body {
            Body::Select(select) => {
                let mut found = false;
                select.visit(&mut |e| {
                    found |= e
                        .columns()
                        .iter()
                        .any(|c| matches!(Reads::of(*c), Reads::Parameter(_)));
                });
                found || select.from.as_ref().is_some_and(From::is_correlated)
            }
            Body::SetOperation { branches, .. } => branches.iter().any(|b| b.query.is_correlated()),
            Body::Values(rows) => rows.iter().flatten().any(|e| !e.columns().is_empty()),
            Body::Recursive { seed, step, .. } => {
                seed.query.is_correlated() || step.query.is_correlated()
            }
            Body::Working { .. } | Body::Opaque { .. } => false,
        }
    }

    /// The same query, as if it stood nowhere in the text: equal queries have equal ones.
    pub fn without_places(&self) -> Query {
        let body = match &self.body {
            Body::Select(select) => {
                let mut select = select.clone();
                if let Some(from) = &mut select.from {
                    from.forget_places();
                }
                if let Some(grouping) = &mut select.grouping {
                    grouping.span = None;
                    for call in &mut grouping.aggregates {
                        call.span = None;
                    }
                }
                let Select {
                    subqueries,
                    grouped_subqueries,
                    sets,
                    grouped_sets,
                    windows,
                    ..
                } = &mut *select;
                for window in windows {
                    window.span = None;
                }
                for set in sets.iter_mut().chain(grouped_sets) {
                    set.span = None;
                }
                for subquery in subqueries.iter_mut().chain(grouped_subqueries) {
                    subquery.span = None;
                    subquery.query = Arc::new(subquery.query.without_places());
                }
                Body::Select(select)
            }
            Body::SetOperation {
                operator,
                all,
                branches,
            } => Body::SetOperation {
                operator: *operator,
                all: *all,
                branches: branches.each_ref().map(Branch::without_places),
            },
            Body::Recursive {
                number,
                distinct,
                seed,
                step,
                ..
            } => Body::Recursive {
                number: *number,
                distinct: *distinct,
                seed: seed.without_places(),
                step: step.without_places(),
                span: None,
            },
            body => body.clone(),
        };
        Query {
            columns: self.columns.clone(),
            body,
        }
    }

    /// VALUES whose rows read parameters, or subqueries: `SELECT row UNION ALL SELECT row …`
    pub(crate) fn of_rows(
        columns: &[OutputColumn],
        rows: &[Vec<Expr>],
        subqueries: &[Subquery],
    ) -> Query {
        let body = match rows {
            [row] => {
                let mut select = Select {
                    outputs: row.clone(),
                    subqueries: subqueries.to_vec(),
                    ..Select::default()
                };
                drop_unread(&mut select);
                Body::Select(Box::new(select))
            }
            rows => {
                let outputs = columns.iter().enumerate();
                let outputs: Vec<Expr> = outputs.map(|(i, c)| Expr::column(i, c.ty.ty)).collect();
                let branch = |rows: &[Vec<Expr>]| Branch {
                    query: Arc::new(Query::of_rows(columns, rows, subqueries)),
                    outputs: outputs.clone(),
                };
                // As a tree that is not deep.
                let (left, right) = rows.split_at(rows.len() / 2);
                Body::SetOperation {
                    operator: SetOperator::Union,
                    all: true,
                    branches: [branch(left), branch(right)],
                }
            }
        };
        Query {
            columns: columns.to_vec(),
            body,
        }
    }

    /// Takes ORDER BY out of it that no LIMIT gives a meaning, and puts what rows are sorted by among
    /// its columns.
    pub(super) fn show_order(&mut self) -> Vec<SortKey> {
        let Body::Select(select) = &mut self.body else {
            return vec![];
        };
        let Some(top) = &mut select.top else {
            return vec![];
        };
        let mut order = top.order.clone();
        if top.limit.is_none() && top.on.is_empty() {
            select.top = None;
        }
        for key in &mut order {
            let known = select.outputs.iter().position(|o| *o == key.expr);
            let at = known.unwrap_or_else(|| {
                select.outputs.push(key.expr.clone());
                self.columns.push(OutputColumn {
                    name: String::new(),
                    ty: ColType {
                        ty: key.expr.ty(),
                        nullable: true,
                    },
                });
                select.outputs.len() - 1
            });
            key.expr = Expr::column(at, key.expr.ty());
        }
        order
    }

    pub fn types(&self) -> Vec<ColType> {
        self.columns.iter().map(|c| c.ty).collect()
    }

    /// False for what is reported and whose columns could not be inferred.
    pub fn has_known_columns(&self) -> bool {
        !matches!(self.body, Body::Opaque { known: false, .. })
    }
}

impl Branch {
    fn without_places(&self) -> Branch {
        Branch {
            query: Arc::new(self.query.without_places()),
            outputs: self.outputs.clone(),
        }
    }
}

impl Select {
    /// Does what comes out for a row depend on which other rows there are, grouping aside?
    pub fn ranks(&self) -> bool {
        self.top.is_some() || !self.windows.is_empty()
    }

    /// Calls `f` on every expression of this SELECT, those of its joins included, but not on those
    /// of queries in it.
    pub fn visit(&self, f: &mut impl FnMut(&Expr)) {
        let mut keep = |e: &Expr| -> Result<Expr, Infallible> {
            f(e);
            Ok(e.clone())
        };
        let mut select = self.clone();
        let Ok(()) = select.map_below(&mut keep);
        let Ok(()) = select.map_above(&mut keep);
    }

    /// Replaces every expression over FROM.
    pub fn map_below<E>(&mut self, f: &mut impl FnMut(&Expr) -> Result<Expr, E>) -> Result<(), E> {
        if let Some(from) = &mut self.from {
            from.map(f)?;
        }
        for set in &mut self.sets {
            set.call = f(&set.call)?;
        }
        if let Some(filter) = &mut self.filter {
            *filter = f(filter)?;
        }
        match &mut self.grouping {
            Some(grouping) => grouping.map(f)?,
            None => self.map_shown(f)?,
        }
        for subquery in &mut self.subqueries {
            *subquery = subquery.map(f)?;
        }
        Ok(())
    }

    /// Replaces the outputs, the windows, and what is sorted by.
    fn map_shown<E>(&mut self, f: &mut impl FnMut(&Expr) -> Result<Expr, E>) -> Result<(), E> {
        map_all(&mut self.outputs, f)?;
        for window in &mut self.windows {
            *window = window.map(f)?;
        }
        if let Some(top) = &mut self.top {
            map_all(&mut top.on, f)?;
            map_all(&mut top.per, f)?;
            for key in &mut top.order {
                key.expr = f(&key.expr)?;
            }
        }
        Ok(())
    }

    /// Replaces every expression over keys and aggregates.
    pub fn map_above<E>(&mut self, f: &mut impl FnMut(&Expr) -> Result<Expr, E>) -> Result<(), E> {
        if let Some(having) = &mut self.having {
            *having = f(having)?;
        }
        if self.grouping.is_some() {
            self.map_shown(f)?;
        }
        for subquery in &mut self.grouped_subqueries {
            *subquery = subquery.map(f)?;
        }
        for set in &mut self.grouped_sets {
            set.call = f(&set.call)?;
        }
        Ok(())
    }
}

fn map_all<E>(exprs: &mut [Expr], f: &mut impl FnMut(&Expr) -> Result<Expr, E>) -> Result<(), E> {
    for expr in exprs {
        *expr = f(expr)?;
    }
    Ok(())
}

impl From {
    /// Replaces every expression in it.
    pub fn map<E>(&mut self, f: &mut impl FnMut(&Expr) -> Result<Expr, E>) -> Result<(), E> {
        match self {
            From::Join {
                left,
                right,
                condition,
                ..
            } => {
                left.map(f)?;
                right.map(f)?;
                if let Some(condition) = condition {
                    *condition = f(condition)?;
                }
            }
            From::Lateral { parameters, .. } => map_all(parameters, f)?,
            From::Functions { functions, .. } => {
                for function in functions {
                    function.call = f(&function.call)?;
                }
            }
            From::Table(_) | From::Query { .. } | From::Parameters { .. } | From::Opaque { .. } => {
            }
        }
        Ok(())
    }

    /// Calls `f` on every expression in it.
    pub fn visit(&self, f: &mut impl FnMut(&Expr)) {
        let Ok(()) = self.clone().map(&mut |e| -> Result<Expr, Infallible> {
            f(e);
            Ok(e.clone())
        });
    }

    /// Does a query in it read parameters?
    pub fn is_correlated(&self) -> bool {
        match self {
            From::Query { query, .. } => query.is_correlated(),
            From::Join { left, right, .. } => left.is_correlated() || right.is_correlated(),
            From::Lateral { .. } | From::Functions { .. } => {
                let mut found = false;
                self.visit(&mut |e| {
                    let columns = e.columns();
                    let mut reads = columns.iter().map(|c| Reads::of(*c));
                    found |= reads.any(|r| matches!(r, Reads::Parameter(_)));
                });
                found
            }
            From::Table(_) | From::Parameters { .. } | From::Opaque { .. } => false,
        }
    }

    /// In a step: where the columns of what was found last begin.
    pub fn working(&self, number: usize) -> Option<usize> {
        match self {
            From::Query { query, .. } => {
                matches!(query.body, Body::Working { number: n } if n == number).then_some(0)
            }
            From::Join { left, right, .. } => left.working(number).or_else(|| {
                let start = left.types().len();
                Some(start + right.working(number)?)
            }),
            _ => None,
        }
    }

    fn forget_places(&mut self) {
        match self {
            From::Table(table) => table.span = None,
            From::Query { query, .. } => *query = Arc::new(query.without_places()),
            From::Lateral { query, span, .. } => {
                *query = Arc::new(query.without_places());
                *span = None;
            }
            From::Functions {
                functions, span, ..
            } => {
                *span = None;
                for function in functions {
                    function.span = None;
                }
            }
            From::Join { left, right, .. } => {
                left.forget_places();
                right.forget_places();
            }
            From::Parameters { .. } | From::Opaque { .. } => {}
        }
    }

    /// The types of its columns. The side of an outer join that may be missing is nullable.
    pub fn types(&self) -> Vec<ColType> {
        match self {
            From::Table(table) => table.types.clone(),
            From::Query { query, .. } | From::Lateral { query, .. } => query.types(),
            From::Functions {
                functions,
                ordinality,
                ..
            } => {
                let padded = functions.len() > 1;
                let columns = functions.iter().flat_map(|f| &f.columns);
                let columns = columns.map(|c| ColType {
                    nullable: c.ty.nullable || padded,
                    ..c.ty
                });
                let ordinality = ordinality.then_some(ColType {
                    ty: SqlType::new(oids::INT8),
                    nullable: false,
                });
                columns.chain(ordinality).collect()
            }
            From::Opaque { types, .. } | From::Parameters { types } => types.clone(),
            From::Join {
                kind, left, right, ..
            } => {
                let padded = |from: &From, padded: bool| {
                    from.types().into_iter().map(move |c| ColType {
                        nullable: c.nullable || padded,
                        ..c
                    })
                };
                let left = padded(left, matches!(kind, JoinKind::Right | JoinKind::Full));
                left.chain(padded(
                    right,
                    matches!(kind, JoinKind::Left | JoinKind::Full),
                ))
                .collect()
            }
        }
    }
}

impl Grouping {
    /// Replaces every expression over FROM.
    pub fn map<E>(&mut self, f: &mut impl FnMut(&Expr) -> Result<Expr, E>) -> Result<(), E> {
        map_all(&mut self.keys, f)?;
        for call in &mut self.aggregates {
            call.map(f)?;
        }
        Ok(())
    }

    /// The types of the keys, then of the aggregates and of GROUPING().
    pub fn types(&self, input: &[ColType]) -> Vec<ColType> {
        let keys = self.keys.iter().enumerate().map(|(i, k)| ColType {
            ty: k.ty(),
            nullable: k.nullable(input) || self.sets.iter().any(|s| !s.contains(&i)),
        });
        let groupings = self.groupings.iter().map(|_| ColType {
            ty: SqlType::new(oids::INT4),
            nullable: false,
        });
        let aggregates = self.aggregates.iter().map(|a| ColType {
            ty: a.ty,
            nullable: self.nullable(a, input),
        });
        keys.chain(aggregates).chain(groupings).collect()
    }

    /// Can this aggregate be NULL for a group that exists?
    pub fn nullable(&self, call: &AggregateCall, input: &[ColType]) -> bool {
        use super::aggregates::Family;
        match Family::of(call.function) {
            Family::Count => false,
            // Over rows that are there and have a value, these have one, too.
            Family::Total => {
                self.keys.is_empty()
                    || self.sets.iter().any(Vec::is_empty)
                    || call.filter.is_some()
                    || call.args.iter().any(|a| a.nullable(input))
            }
            _ => true,
        }
    }
}

impl AggregateCall {
    fn map<E>(&mut self, f: &mut impl FnMut(&Expr) -> Result<Expr, E>) -> Result<(), E> {
        map_all(&mut self.direct, f)?;
        map_all(&mut self.args, f)?;
        for SortKey { expr, .. } in &mut self.order_by {
            *expr = f(expr)?;
        }
        if let Some(filter) = &mut self.filter {
            *filter = f(filter)?;
        }
        Ok(())
    }
}
