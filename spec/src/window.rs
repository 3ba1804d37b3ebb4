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
use crate::types::{ColType, Oid, SqlType, oids};
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
    /// It depends on how rows that the order leaves tied are put in order: by image. (See
    /// [`WindowCall::asks_sorted`].)
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

/// What tells the value of a call on a row, other than the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Reach {
    /// All rows before it (and its peers); of those before a row that stands between, what the call
    /// says of the last of them is enough.
    Carried(Carry),
    /// So many rows before it and so many behind it (and its peers).
    Near { back: u64, ahead: u64 },
}

/// How a value goes on from what it is on the row before: v is the value without the rows up to
/// there, c what is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Carry {
    /// `row_number`, `rank`, `dense_rank`: so many rows, or groups of peers, and v.
    Number,
    /// `count`: c + v.
    Count,
    /// A sum in another type than its arguments': c + v, of those that are not NULL.
    Sum,
    /// An aggregate of which c is the first argument.
    Fold,
    /// The first value: c, if there is a row before.
    First,
}

/// What a window says of rows that are not all of a partition but what follows a place of it. `carried`
/// is, for each partition that has rows before it, what the window says of the last of them: its keys,
/// the value of each call, and how many rows are tied with it. `before` are these last rows
/// themselves, as many as any call looks back at. What no call asks for is not looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WindowStep {
    pub window: Window,
    /// Of each call.
    pub reach: Vec<Reach>,
}

/// Further away than this no row is looked for from each end of what is computed again.
pub const MAX_REACH: u64 = 1_000;

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
    /// Is it the whole partition, or all of it but what it excludes?
    fn is_unbounded(&self) -> bool {
        self.start == Bound::UnboundedPreceding && self.end == Bound::UnboundedFollowing
    }
}

impl Frame {
    /// From the first row of the partition to the row, or to the last of its peers.
    fn is_running(&self) -> bool {
        self.start == Bound::UnboundedPreceding
            && self.end == Bound::CurrentRow
            && self.exclude == Exclusion::Nothing
    }

    /// How many rows before a row, and behind it, the frame may hold, its peers aside.
    fn near(&self) -> Option<Reach> {
        let rows = self.mode == FrameMode::Rows;
        let offset = |e: &Expr| {
            let n = u64::try_from(literal(e)?).ok()?;
            (rows && n <= MAX_REACH).then_some(n)
        };
        let [back, ahead] = [&self.start, &self.end].map(|bound| match bound {
            Bound::CurrentRow => Some((0, 0)),
            Bound::Preceding(n) => Some((offset(n)?, 0)),
            Bound::Following(n) => Some((0, offset(n)?)),
            Bound::UnboundedPreceding | Bound::UnboundedFollowing => None,
        });
        let (from, to) = (back?, ahead?);
        Some(Reach::Near {
            back: from.0.max(to.0),
            ahead: from.1.max(to.1),
        })
    }
}

/// An integer that is written out, perhaps as one of another width.
fn literal(e: &Expr) -> Option<i64> {
    const INTEGERS: [Oid; 3] = [oids::INT2, oids::INT4, oids::INT8];
    let value = match e.kind() {
        ExprKind::Const(Some(n)) => n.parse().ok(),
        ExprKind::Cast { arg, .. } => literal(arg),
        _ => None,
    };
    value.filter(|_| INTEGERS.contains(&e.ty().oid))
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

impl WindowStep {
    /// How many rows before a place its calls look back at, and how many ahead of one.
    pub fn near(&self) -> (u64, u64) {
        let near = |(b, a): (u64, u64), reach: &Reach| match reach {
            Reach::Carried(_) => (b, a),
            Reach::Near { back, ahead } => (b.max(*back), a.max(*ahead)),
        };
        self.reach.iter().fold((0, 0), near)
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
                !of_bag || self.frame.mode == FrameMode::Rows && !self.frame.is_unbounded()
            }
        }
    }

    /// Does it depend both on how ties are put in order and on which rows are tied? An order with the
    /// image as its last key would tell it the first, and hide the second.
    pub fn asks_sorted(&self, catalog: &Catalog) -> bool {
        let by_rows = self.frame.mode == FrameMode::Rows
            && !matches!(self.frame.exclude, Exclusion::Group | Exclusion::Ties);
        let asks_peers = match kind(self.function) {
            Some(kind) => kind.has_frame() && !by_rows,
            // One of users: it may ask.
            None => !by_rows || catalog.is_window_function(self.function),
        };
        self.by_image && asks_peers
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

    /// From where its value on a row is told; none if that may be anywhere in the partition, or if it
    /// asks for rows that are sorted, which parts of a partition are not.
    pub fn reach(&self, catalog: &Catalog) -> Option<Reach> {
        use Kind::*;
        if self.asks_sorted(catalog) {
            return None;
        }
        let carried = |carry| Some(Reach::Carried(carry));
        match kind(self.function) {
            Some(RowNumber | Rank | DenseRank) => carried(Carry::Number),
            Some(PercentRank | CumeDist | Ntile) => None,
            Some(at @ (Lag | Lead)) => {
                let offset = self.args.get(1).map_or(Some(1), literal)?;
                let far = Some(offset.unsigned_abs()).filter(|n| *n <= MAX_REACH)?;
                let is_back = (at == Lag) == (offset >= 0);
                let (back, ahead) = if is_back { (far, 0) } else { (0, far) };
                Some(Reach::Near { back, ahead })
            }
            Some(FirstValue) if self.frame.is_running() => carried(Carry::First),
            Some(FirstValue | LastValue | NthValue) => self.frame.near(),
            None if catalog.is_window_function(self.function) => None,
            None if self.frame.is_running() => carried(self.carry(catalog)?),
            None => self.frame.near(),
        }
    }

    /// How an aggregate over a running frame goes on. Only what gives the same whether it is added up
    /// at once or in parts: not floating point.
    fn carry(&self, catalog: &Catalog) -> Option<Carry> {
        let argument = self.args.first().map(|a| a.ty());
        if !fold::is_of_bag(self.function, argument, catalog) {
            return None;
        }
        let same_type = argument.is_some_and(|ty| ty.oid == self.ty.oid);
        match catalog.function(self.function)?.name.as_str() {
            "count" => Some(Carry::Count),
            "sum" if [fold::SUM_INT2, fold::SUM_INT4, fold::SUM_INT8].contains(&self.function) => {
                Some(Carry::Sum)
            }
            "sum" | "min" | "max" | "bool_and" | "bool_or" | "every" | "bit_and" | "bit_or"
            | "bit_xor"
                if same_type =>
            {
                Some(Carry::Fold)
            }
            _ => None,
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
