//! What expression binding needs of the query around it.
//!
//! Expressions are bound by `bind::expr`; the query (FROM, GROUP BY, subqueries) by the modules
//! beside it. This trait is the seam: a clause of a query implements it.

use spec::catalog::Volatility;
use spec::op::SortKey;
use spec::types::{Oid, SqlType};
use spec::window::Frame;
use spec::{Expr, Reason, Span};

/// A name as written, `schema.table.column` and shorter.
pub type Name = Vec<String>;

/// An aggregate call with bound and coerced arguments, which the query turns into a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregateCall {
    pub function: Oid,
    /// Direct arguments of an ordered-set aggregate; empty otherwise.
    pub direct: Vec<Expr>,
    /// Empty for `count(*)`.
    pub args: Vec<Expr>,
    /// The last argument is passed as `VARIADIC array`.
    pub variadic: bool,
    pub distinct: bool,
    pub order_by: Vec<SortKey>,
    pub filter: Option<Expr>,
    pub ty: SqlType,
    pub collation: Oid,
    pub span: Option<Span>,
}

impl AggregateCall {
    /// All that it is given.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let sorted = self.order_by.iter().map(|key| &key.expr);
        let given = self.args.iter().chain(&self.filter);
        given.chain(sorted).chain(&self.direct)
    }

    /// The same over other expressions.
    pub fn over<E>(
        &self,
        f: &mut impl FnMut(&Expr) -> Result<Expr, E>,
    ) -> Result<AggregateCall, E> {
        let mut out = self.clone();
        let sorted = out.order_by.iter_mut().map(|k| &mut k.expr);
        let given = out.args.iter_mut().chain(&mut out.filter);
        for expr in given.chain(sorted).chain(&mut out.direct) {
            *expr = f(expr)?;
        }
        Ok(out)
    }
}

/// A call of a window function, or of an aggregate over a window, with its window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowCall {
    pub function: Oid,
    pub args: Vec<Expr>,
    /// The last argument is passed as `VARIADIC array`.
    pub variadic: bool,
    /// Of an aggregate only.
    pub filter: Option<Expr>,
    pub partition: Vec<Expr>,
    pub order: Vec<SortKey>,
    pub frame: Frame,
    pub ty: SqlType,
    /// Input collation.
    pub collation: Oid,
    pub span: Option<Span>,
}

impl WindowCall {
    /// All that is evaluated on each row.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let sorted = self.order.iter().map(|k| &k.expr);
        let given = self.args.iter().chain(&self.filter);
        given.chain(&self.partition).chain(sorted)
    }

    /// Without its window.
    pub fn call(&self, nullable: bool) -> spec::window::WindowCall {
        spec::window::WindowCall {
            function: self.function,
            args: self.args.clone(),
            variadic: self.variadic,
            filter: self.filter.clone(),
            frame: self.frame.clone(),
            ty: self.ty,
            collation: self.collation,
            nullable,
            by_image: false,
        }
    }

    /// The same over other expressions.
    pub fn map<E>(&self, f: &mut impl FnMut(&Expr) -> Result<Expr, E>) -> Result<WindowCall, E> {
        let mut out = self.clone();
        let sorted = out.order.iter_mut().map(|k| &mut k.expr);
        let given = out.args.iter_mut().chain(&mut out.filter);
        for expr in given.chain(&mut out.partition).chain(sorted) {
            *expr = f(expr)?;
        }
        Ok(out)
    }
}

/// Which subquery expression stands somewhere.
#[derive(Clone, Debug)]
pub enum SublinkKind {
    Exists,
    /// `left op ANY/ALL (…)`, IN and NOT IN included. Operands are bound; the operator's name is
    /// as written.
    Quantified {
        any: bool,
        operator: Name,
        left: Vec<Expr>,
    },
    Scalar,
    /// `row op (…)`.
    Row {
        operator: Name,
        left: Vec<Expr>,
    },
    Array,
}

/// An error that PostgreSQL would raise for the query, too, or a limit of ours: nothing to go on
/// with. Constructs that are merely not incremental are *reported* ([`Context::report`]), and
/// binding goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.message)]
pub struct BindError(pub Box<Reason>);

pub trait Context {
    /// A column reference. `a.b` may also be a field of a composite column, or (PostgreSQL's
    /// functional notation) a function of a row: the implementor resolves columns and whole rows;
    /// field selection beyond that is the caller's.
    fn column(&mut self, name: &[String], span: Option<Span>) -> Result<Expr, BindError>;

    /// The same where a row that is NULL and a row of NULLs are the same: under IS NULL, and where one
    /// field is selected.
    fn fields(&mut self, name: &[String], span: Option<Span>) -> Result<Expr, BindError> {
        self.column(name, span)
    }

    /// What `qualifier.*` stands for, or `*` where the qualifier is empty: names and columns.
    fn star(
        &mut self,
        qualifier: &[String],
        span: Option<Span>,
    ) -> Result<Vec<(String, Expr)>, BindError>;

    /// Turns an aggregate call into the expression that stands for its value, or refuses it where
    /// aggregates may not stand.
    fn aggregate(&mut self, call: AggregateCall) -> Result<Expr, BindError>;

    /// `GROUPING(args)`: the expression that stands for its value.
    fn grouping(&mut self, args: Vec<Expr>, span: Option<Span>) -> Result<Expr, BindError>;

    /// Are we inside the arguments of an aggregate, or of GROUPING? (They may not nest.)
    fn enter_aggregate(&mut self, span: Option<Span>) -> Result<(), BindError>;
    fn leave_aggregate(&mut self);

    /// Turns a window function's call into the expression that stands for its value.
    fn window(&mut self, call: WindowCall) -> Result<Expr, BindError>;

    /// The definition of a name in the WINDOW clause.
    fn named_window(&self, _: &str) -> Option<pg_query::protobuf::WindowDef> {
        None
    }

    /// A subquery in an expression. May report it as not incremental and return a typed NULL.
    fn sublink(
        &mut self,
        kind: SublinkKind,
        select: &pg_query::protobuf::Node,
        span: Option<Span>,
    ) -> Result<Expr, BindError>;

    /// Notes something that cannot be incremental; binding goes on so that all are named at once.
    fn report(&mut self, reason: Reason);

    /// Notes a call of a function that is not IMMUTABLE.
    fn volatility(&mut self, what: &str, volatility: Volatility, span: Option<Span>);

    /// Notes a literal such as `'today'`, which is another value every day.
    fn moving_literal(&mut self, what: &str, span: Option<Span>) {
        self.volatility(what, Volatility::Stable, span);
    }
}
