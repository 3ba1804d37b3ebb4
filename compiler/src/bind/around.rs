//! Aggregates of a query around a subquery, in the subquery.
//!
//! An aggregate belongs to the innermost query of which its arguments read a column; where that is
//! one around the subquery in which it stands, it is computed of the groups *there*, and the
//! subquery reads its value as a parameter. The same holds of GROUPING.
//!
//! ```text
//! SELECT … FROM a GROUP BY a.k HAVING EXISTS (SELECT … FROM b WHERE b.n < count(a.x))
//!          count(x)                           :0 = count(x)     n < :0
//! ```

use super::Session;
use super::clause::Calls;
use super::context::{AggregateCall, BindError};
use super::query::Reads;
use super::scope::Level;
use crate::typing::error;
use spec::{Expr, ReasonCode, Span};
use std::convert::Infallible;

impl Session {
    /// An aggregate of the innermost SELECT, and the level that it belongs to, over whose columns it
    /// is then.
    pub(super) fn home_of_aggregate(&self, call: AggregateCall) -> (Level, AggregateCall) {
        let mut call = call;
        let mut home = Level::Here;
        // Direct arguments have no say in it.
        let exprs = |call: &AggregateCall| -> Vec<Expr> {
            let direct = call.direct.len();
            let all: Vec<Expr> = call.exprs().cloned().collect();
            all[..all.len() - direct].to_vec()
        };
        for depth in (0..self.frames.len()).rev() {
            if !self.is_from_around(&exprs(&call)) {
                break;
            }
            let Ok(lifted) = call.over(&mut |e| Ok::<_, Infallible>(self.lifted(e, depth)));
            call = lifted;
            home = Level::Outer(depth);
        }
        (home, call)
    }

    /// The same of the arguments of GROUPING.
    pub(super) fn home_of_grouping(&self, mut args: Vec<Expr>) -> (Level, Vec<Expr>) {
        let mut home = Level::Here;
        for depth in (0..self.frames.len()).rev() {
            if !self.is_from_around(&args) {
                break;
            }
            args = args.iter().map(|a| self.lifted(a, depth)).collect();
            home = Level::Outer(depth);
        }
        (home, args)
    }

    /// Do these read parameters, and nothing else, but in a subquery, which would have to stand in
    /// the query around?
    pub(super) fn is_from_around_within<'e>(
        &self,
        exprs: impl Iterator<Item = &'e Expr> + Clone,
    ) -> bool {
        let of_subquery = |c: usize| matches!(Reads::of(c), Reads::Subquery(_));
        let mut reads = exprs.clone().flat_map(|e| self.reads(e)).peekable();
        exprs.flat_map(Expr::columns).any(of_subquery)
            && reads.peek().is_some()
            && reads.all(|r| matches!(r, Reads::Parameter(_)))
    }

    /// Do these read parameters, and nothing else?
    fn is_from_around(&self, exprs: &[Expr]) -> bool {
        let columns = exprs.iter().flat_map(Expr::columns);
        let mut reads = columns.map(Reads::of).peekable();
        reads.peek().is_some() && reads.all(|r| matches!(r, Reads::Parameter(_)))
    }

    /// What reads parameters of this subquery, over the SELECT that the subquery stands in.
    fn lifted(&self, expr: &Expr, depth: usize) -> Expr {
        expr.substitute(&mut |column, ty| {
            let parameter = match Reads::of(column) {
                Reads::Parameter(at) => self.frames[depth].parameters.get(at),
                _ => None,
            };
            parameter.cloned().unwrap_or(Expr::column(column, ty))
        })
    }

    /// What is computed of the groups of the SELECT that this subquery stands in, if that may be
    /// done there, and what the place there is called.
    pub(super) fn calls_around(
        &mut self,
        depth: usize,
        span: Option<Span>,
    ) -> Result<(Option<&mut Calls>, &'static str), BindError> {
        let frame = &mut self.frames[depth];
        if frame.inside_aggregate {
            let message = "aggregate function calls cannot be nested";
            return Err(error(ReasonCode::Type, message, span));
        }
        Ok((frame.calls.as_mut(), frame.place))
    }

    /// An aggregate of this level is given something that is not IMMUTABLE.
    pub(super) fn note_unsteady(&mut self, home: Level) {
        if let Level::Outer(depth) = home {
            self.frames[depth].unsteady_aggregate = true;
        }
    }

    /// How many parameters each subquery around has.
    pub(super) fn marks(&self) -> Vec<usize> {
        self.frames.iter().map(|f| f.parameters.len()).collect()
    }

    /// Drops the parameters that came after the marks.
    pub(super) fn keep(&mut self, marks: &[usize]) {
        for (frame, mark) in self.frames.iter_mut().zip(marks) {
            frame.parameters.truncate(*mark);
        }
    }
}
