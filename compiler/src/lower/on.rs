//! Subqueries in conditions of outer joins, brought to where they can be lowered.
//!
//! ```text
//! a LEFT JOIN b ON θ(S(a))       (SELECT a.*, S AS s FROM a) LEFT JOIN b ON θ(s)
//! a LEFT JOIN b ON θ(S(a, b))    a LEFT JOIN LATERAL (SELECT * FROM b WHERE θ(S(a, b)))
//! a JOIN b ON θ(S(a, b))         on a side of an outer join: (SELECT * FROM a JOIN b ON θ(S(a, b)))
//! ```
//!
//! The first computes S for rows of a without a partner, too. So it is not for what may be an error,
//! but in a FULL JOIN, whose conditions PostgreSQL computes for each side as well.

use super::outer_join::{turn, turned};
use super::subquery::{is_one_row, unfit};
use super::{LowerError, map_subqueries, reads_subquery};
use crate::bind::query::{Body, From, JoinKind, Query, Reads, Select, Subquery, SubqueryKind};
use spec::compiled::OutputColumn;
use spec::types::SqlType;
use spec::{ColType, Expr};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

/// FROM, whose columns begin at `start`, without subqueries in conditions of outer joins; none if there
/// are none.
pub(super) fn without_subqueries(
    from: &From,
    start: usize,
    subqueries: &[Subquery],
) -> Result<Option<From>, LowerError> {
    if !asks(from, false) {
        return Ok(None);
    }
    item(from, start, false, subqueries).map(Some)
}

/// Does the condition of an outer join, or of a join in one, read a subquery?
fn asks(from: &From, inside: bool) -> bool {
    let From::Join {
        kind,
        left,
        right,
        condition,
    } = from
    else {
        return false;
    };
    let inside = inside || *kind != JoinKind::Inner;
    (inside && condition.as_ref().is_some_and(reads_subquery))
        || asks(left, inside)
        || asks(right, inside)
}

/// An item of FROM, whose columns begin at `start`, with the same columns.
fn item(
    from: &From,
    start: usize,
    inside: bool,
    subqueries: &[Subquery],
) -> Result<From, LowerError> {
    let From::Join {
        kind,
        left,
        right,
        condition,
    } = from
    else {
        return Ok(from.clone());
    };
    let inside = inside || *kind != JoinKind::Inner;
    let middle = start + left.types().len();
    let join = Join {
        kind: *kind,
        left: item(left, start, inside, subqueries)?,
        right: item(right, middle, inside, subqueries)?,
        start,
        middle,
    };
    match condition {
        Some(condition) if inside && reads_subquery(condition) => join.on(condition, subqueries),
        condition => Ok(join.plain(condition.clone())),
    }
}

struct Join {
    kind: JoinKind,
    left: From,
    right: From,
    start: usize,
    middle: usize,
}

/// Which sides of a join a subquery in its condition reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Or none.
    Left,
    Right,
    Both,
}

impl Join {
    fn plain(self, condition: Option<Expr>) -> From {
        From::Join {
            kind: self.kind,
            left: Box::new(self.left),
            right: Box::new(self.right),
            condition,
        }
    }

    fn on(self, condition: &Expr, subqueries: &[Subquery]) -> Result<From, LowerError> {
        let read = subqueries_of(condition);
        let sides: Vec<Side> = read.iter().map(|s| self.side(s, subqueries)).collect();
        let both = read.iter().zip(&sides).find(|(_, s)| **s == Side::Both);
        let raises = |(at, _): &(usize, SqlType)| may_raise(&subqueries[*at]);
        match self.kind {
            JoinKind::Inner => {
                let columns = self.columns();
                let start = self.start;
                let join = self.plain(Some(condition.clone()));
                Ok(derived(join, start, None, columns, subqueries))
            }
            JoinKind::Full => match both {
                Some(((at, _), _)) => {
                    let why = "of both sides in the condition of a FULL JOIN";
                    Err(unfit(&subqueries[*at], why))
                }
                None => Ok(self.with_values(condition, &read, &sides, subqueries)),
            },
            _ if both.is_none() && !read.iter().any(raises) => {
                Ok(self.with_values(condition, &read, &sides, subqueries))
            }
            JoinKind::Left => {
                let columns = columns(&self.right, self.middle);
                let right = derived(
                    self.right,
                    self.middle,
                    Some(condition.clone()),
                    columns,
                    subqueries,
                );
                Ok(Join { right, ..self }.plain(None))
            }
            JoinKind::Right => self.turned(condition, subqueries),
        }
    }

    /// `a RIGHT JOIN b` as `b LEFT JOIN a`.
    fn turned(self, condition: &Expr, subqueries: &[Subquery]) -> Result<From, LowerError> {
        let (start, middle) = (self.start, self.middle);
        let (n, m) = (middle - start, self.right.types().len());
        let turn = turn(start, n, m);
        let shown = self.columns().iter().map(&turn).collect();
        let join = Join {
            kind: JoinKind::Left,
            left: turned(&self.right, &turn),
            right: turned(&self.left, &turn),
            start,
            middle: start + m,
        };
        let join = join.on(&turn(condition), &map_subqueries(subqueries, &turn))?;
        Ok(derived(join, start, None, shown, &[]))
    }

    fn columns(&self) -> Vec<Expr> {
        let mut out = columns(&self.left, self.start);
        out.extend(columns(&self.right, self.middle));
        out
    }

    fn side(&self, read: &(usize, SqlType), subqueries: &[Subquery]) -> Side {
        let (mut left, mut right) = (false, false);
        for at in needed(vec![read.0], subqueries) {
            for column in subqueries[at].operands().flat_map(Expr::columns) {
                if let Reads::Column(c) = Reads::of(column) {
                    left |= (self.start..self.middle).contains(&c);
                    right |= c >= self.middle;
                }
            }
        }
        match (left, right) {
            (_, false) => Side::Left,
            (false, true) => Side::Right,
            (true, true) => Side::Both,
        }
    }

    /// The values of subqueries as columns of the sides that they read.
    fn with_values(
        self,
        condition: &Expr,
        read: &[(usize, SqlType)],
        sides: &[Side],
        subqueries: &[Subquery],
    ) -> From {
        let (start, middle) = (self.start, self.middle);
        let m = self.right.types().len();
        let of = |side: Side| -> Vec<Expr> {
            let both = read.iter().zip(sides).filter(|(_, s)| **s == side);
            both.map(|((at, ty), _)| Reads::Subquery(*at).expr(*ty))
                .collect()
        };
        let (of_left, of_right) = (of(Side::Left), of(Side::Right));
        let more = of_left.len();
        let moved = |e: &Expr| {
            e.substitute(&mut |c, ty| {
                let value = Expr::column(c, ty);
                let place = |values: &[Expr]| values.iter().position(|v| *v == value);
                match Reads::of(c) {
                    Reads::Column(at) if at >= middle => Expr::column(at + more, ty),
                    Reads::Subquery(_) => match (place(&of_left), place(&of_right)) {
                        (Some(place), _) => Expr::column(middle + place, ty),
                        (_, Some(place)) => Expr::column(middle + more + m + place, ty),
                        _ => value,
                    },
                    _ => value,
                }
            })
        };
        let shown = self.columns().iter().map(moved).collect();
        let condition = moved(condition);
        let with = |from: From, start: usize, values: &[Expr]| match values.is_empty() {
            true => from,
            false => {
                let mut outputs = columns(&from, start);
                outputs.extend_from_slice(values);
                derived(from, start, None, outputs, subqueries)
            }
        };
        let right = with(self.right, middle, &of_right);
        let join = Join {
            left: with(self.left, start, &of_left),
            right: turned(&right, moved),
            ..self
        };
        derived(join.plain(Some(condition)), start, None, shown, &[])
    }
}

/// `(SELECT outputs FROM from WHERE filter)`, of what is counted from `start`; LATERAL, if anything
/// reads what stands before it.
pub(super) fn derived(
    mut from: From,
    start: usize,
    filter: Option<Expr>,
    outputs: Vec<Expr>,
    subqueries: &[Subquery],
) -> From {
    let mut parameters: Vec<Expr> = vec![];
    let mut asked = vec![];
    let mut ask = |e: &Expr| asked.extend(subqueries_of(e).iter().map(|(at, _)| *at));
    from.visit(&mut ask);
    outputs.iter().chain(&filter).for_each(ask);
    let needed: Vec<usize> = needed(asked, subqueries).into_iter().collect();
    let mut inside = |e: &Expr| -> Result<Expr, Infallible> {
        Ok(e.substitute(&mut |c, ty| match Reads::of(c) {
            Reads::Column(at) if at < start => {
                let read = Expr::column(at, ty);
                let known = parameters.iter().position(|p| *p == read);
                let at = known.unwrap_or_else(|| {
                    parameters.push(read);
                    parameters.len() - 1
                });
                Reads::Parameter(at).expr(ty)
            }
            Reads::Column(at) => Expr::column(at - start, ty),
            Reads::Subquery(at) => {
                let place = needed.iter().position(|n| *n == at);
                Reads::Subquery(place.unwrap_or(at)).expr(ty)
            }
            _ => Expr::column(c, ty),
        }))
    };
    let columns = outputs.iter().map(|e| OutputColumn {
        name: String::new(),
        ty: ColType {
            ty: e.ty(),
            nullable: true,
        },
    });
    let columns = columns.collect();
    let Ok(()) = from.map(&mut inside);
    let mut select = Select {
        from: Some(from),
        filter,
        outputs,
        subqueries: needed.iter().map(|at| subqueries[*at].clone()).collect(),
        ..Select::default()
    };
    // What is in FROM has been brought inside.
    let from = select.from.take();
    let Ok(()) = select.map_below(&mut inside);
    select.from = from;
    let query = Arc::new(Query {
        columns,
        body: Body::Select(Box::new(select)),
    });
    let name = String::new();
    match parameters.is_empty() {
        true => From::Query { name, query },
        false => From::Lateral {
            name,
            query,
            parameters,
            span: None,
        },
    }
}

fn columns(from: &From, start: usize) -> Vec<Expr> {
    Expr::of_columns(&from.types(), start).collect()
}

/// The subqueries that an expression reads, each once, and the types of their values.
fn subqueries_of(expr: &Expr) -> Vec<(usize, SqlType)> {
    let mut out = vec![];
    expr.walk(&mut |e| {
        if let Some(Reads::Subquery(at)) = e.as_column().map(Reads::of)
            && !out.contains(&(at, e.ty()))
        {
            out.push((at, e.ty()));
        }
    });
    out
}

/// These subqueries, and those that their operands read.
fn needed(mut todo: Vec<usize>, subqueries: &[Subquery]) -> BTreeSet<usize> {
    let mut out = BTreeSet::new();
    while let Some(at) = todo.pop() {
        if out.insert(at) {
            let operands = subqueries[at].operands().flat_map(subqueries_of);
            todo.extend(operands.map(|(at, _)| at));
        }
    }
    out
}

/// Can computing its value be an error where nobody asks for it?
fn may_raise(subquery: &Subquery) -> bool {
    match subquery.kind {
        SubqueryKind::Exists | SubqueryKind::Quantified { .. } | SubqueryKind::Array { .. } => {
            false
        }
        SubqueryKind::Scalar | SubqueryKind::Row { .. } => !is_one_row(&subquery.query),
    }
}
