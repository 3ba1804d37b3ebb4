//! The payload of [`Op::Window`](crate::Op::Window): what windows are made of.
//!
//! A window is a partition of the rows by SQL equality, an order within it, and for each call a
//! *frame*: of each row, the rows of its partition that the call looks at. Windows of one SELECT
//! that differ in partition or order are a chain of operators.

use crate::catalog::Catalog;
use crate::eval::window::{Kind, kind};
use crate::expr::{Expr, ExprKind};
use crate::fold;
use crate::op::{AggCall, SortKey};
use crate::types::{ColType, Oid, SqlType};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// `SELECT *, calls… OVER (PARTITION BY partition ORDER BY order)`; output columns are those of the
/// input, then the calls.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    /// Input columns. Without any, all rows are one partition.
    pub partition: Vec<usize>,
    /// Without any, all rows of a partition are peers.
    pub order: Vec<SortKey>,
    pub calls: Vec<WindowCall>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WindowCall {
    /// The `pg_proc` OID of a window function, or of an aggregate.
    pub function: Oid,
    /// Empty for `count(*)` and for functions such as `rank()`.
    pub args: Vec<Expr>,
    /// The last argument is passed as `VARIADIC array`.
    pub variadic: bool,
    /// Of an aggregate only.
    pub filter: Option<Expr>,
    /// Some functions, such as `rank()`, look at the whole partition whatever it says.
    pub frame: Frame,
    pub ty: SqlType,
    /// Input collation.
    pub collation: Oid,
    /// The result is NULL for some row.
    pub nullable: bool,
    /// It depends on how rows that the order leaves tied are put in order: by image. (The frame
    /// counts rows, then, or does not matter.)
    pub by_image: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Frame {
    pub mode: FrameMode,
    pub start: Bound,
    pub end: Bound,
    pub exclude: Exclusion,
}

/// What a bound counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FrameMode {
    Rows,
    /// Distances of the values of the only key of the order; without offsets, of any order.
    Range,
    /// Groups of peers.
    Groups,
}

/// Offsets read no column. They are neither negative nor NULL: an error at run time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Bound {
    UnboundedPreceding,
    Preceding(Expr),
    /// This row; where the mode is not ROWS, the first or last of its peers.
    CurrentRow,
    Following(Expr),
    UnboundedFollowing,
}

/// Rows that are in no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Exclusion {
    Nothing,
    CurrentRow,
    /// The row and its peers.
    Group,
    /// The row's peers without the row.
    Ties,
}

impl Default for Frame {
    /// What stands where nothing is written: all rows up to the last peer.
    fn default() -> Frame {
        Frame {
            mode: FrameMode::Range,
            start: Bound::UnboundedPreceding,
            end: Bound::CurrentRow,
            exclude: Exclusion::Nothing,
        }
    }
}

impl Frame {
    /// Is it the whole partition, or all of it but the row?
    pub fn is_partition(&self) -> bool {
        let whole =
            self.start == Bound::UnboundedPreceding && self.end == Bound::UnboundedFollowing;
        whole && matches!(self.exclude, Exclusion::Nothing | Exclusion::CurrentRow)
    }
}

impl Bound {
    pub fn offset(&self) -> Option<&Expr> {
        match self {
            Bound::Preceding(offset) | Bound::Following(offset) => Some(offset),
            _ => None,
        }
    }
}

impl Window {
    pub(crate) fn schema(&self, input: &[ColType]) -> Option<Arc<[ColType]>> {
        let fits = |e: &Expr| e.columns().last().is_none_or(|c| *c < input.len());
        let fits = self.partition.iter().all(|c| *c < input.len())
            && self.order.iter().all(|k| fits(&k.expr))
            && self.calls.iter().all(|c| c.exprs().all(fits));
        fits.then(|| {
            let calls = self.calls.iter().map(|c| ColType {
                ty: c.ty,
                nullable: c.nullable,
            });
            input.iter().copied().chain(calls).collect()
        })
    }

    /// Does what is shown depend on how ties are broken?
    pub fn is_open(&self) -> bool {
        self.calls.iter().any(|c| c.by_image)
    }

    /// All that is evaluated on rows.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let sorted = self.order.iter().map(|k| &k.expr);
        sorted.chain(self.calls.iter().flat_map(WindowCall::exprs))
    }

    /// Is it known that no call raises an error, whatever rows a partition has?
    pub fn raises_nothing(&self) -> bool {
        use Kind::*;
        let calls = self.calls.iter();
        let bounds = calls.clone().flat_map(|c| [&c.frame.start, &c.frame.end]);
        let known = |c: &WindowCall| match kind(c.function) {
            Some(Ntile | NthValue) => false,
            Some(_) => true,
            None => [fold::COUNT_ROWS, fold::COUNT_VALUES].contains(&c.function),
        };
        calls.clone().all(known) && bounds.into_iter().all(|b| b.offset().is_none())
    }

    /// The columns that partition, order and these calls read; with repetitions.
    pub fn columns<'a>(&'a self, calls: impl IntoIterator<Item = &'a WindowCall>) -> Vec<usize> {
        let order = self.order.iter().map(|k| &k.expr);
        let calls = calls.into_iter().flat_map(WindowCall::exprs);
        let read = order.chain(calls).flat_map(Expr::columns);
        self.partition.iter().copied().chain(read).collect()
    }
}

impl WindowCall {
    /// Does its value depend on how rows that the order leaves tied are put in order?
    pub fn asks_order(&self, catalog: &Catalog) -> bool {
        use Kind::*;
        match kind(self.function) {
            Some(Rank | DenseRank | PercentRank | CumeDist) => false,
            Some(RowNumber | Ntile | Lag | Lead | FirstValue | LastValue | NthValue) => true,
            None => {
                let argument = self.args.first().map(|a| a.ty());
                let of_bag = fold::is_of_bag(self.function, argument, catalog);
                let all = self.frame.mode == FrameMode::Rows && !self.frame.is_partition();
                !of_bag || all
            }
        }
    }

    /// Is its value on a row told by that row and those before it? `peers`: and by those that the
    /// order leaves tied with it.
    pub fn looks_back(&self, peers: bool, catalog: &Catalog) -> bool {
        use Kind::*;
        match kind(self.function) {
            Some(RowNumber | Rank | DenseRank) => true,
            Some(Lag) => match self.args.get(1).map(Expr::kind) {
                None => true,
                Some(ExprKind::Const(Some(n))) => n.parse().is_ok_and(|n: i32| n >= 0),
                Some(_) => false,
            },
            Some(PercentRank | CumeDist | Ntile | Lead) => false,
            // One of users: it may look where it likes.
            None if catalog.is_window_function(self.function) => false,
            Some(FirstValue | LastValue | NthValue) | None => {
                let ends = matches!(self.frame.end, Bound::CurrentRow | Bound::Preceding(_));
                ends && (peers || self.frame.mode == FrameMode::Rows)
            }
        }
    }

    /// What it evaluates on each row.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.args.iter().chain(&self.filter)
    }

    /// The same of other expressions.
    pub fn over(&self, f: &impl Fn(&Expr) -> Expr) -> WindowCall {
        WindowCall {
            args: self.args.iter().map(f).collect(),
            filter: self.filter.as_ref().map(f),
            ..self.clone()
        }
    }

    /// The same call as an aggregate, over the rows of a frame.
    pub fn aggregate(&self) -> AggCall {
        AggCall {
            function: self.function,
            args: self.args.clone(),
            variadic: self.variadic,
            distinct: false,
            order_by: vec![],
            filter: self.filter.clone(),
            ty: self.ty,
            collation: self.collation,
            nullable: self.nullable,
        }
    }
}
