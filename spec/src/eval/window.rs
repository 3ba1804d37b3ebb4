//! `Window(partition, order, calls)(x)`: each row of x, with the value of each call on it. x must
//! be a multiset; of a row of weight w each of the w copies has its own place in the order.
//!
//! Where the order leaves rows tied, PostgreSQL takes them as they come. The oracle orders them by
//! image, [`Pick`] says which way: one of the right answers, and the same one for the same
//! partition. Which rows are *peers* does not depend on it.
//!
//! Every frame is found by asking of each row of the partition whether it is in it.

use super::aggregate;
use super::expr;
use super::functions::Functions;
use super::group::GroupKey;
use super::numeric::Numeric;
use super::ordering::{Order, Sorted};
use super::{Bag, EvalError, Pick, Row, Value};
use crate::types::Oid;
use crate::window::{Bound, Exclusion, Frame, FrameMode, Window, WindowCall};
use std::cmp::Ordering;

/// The window functions; every other function is an aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    RowNumber,
    Rank,
    DenseRank,
    PercentRank,
    CumeDist,
    Ntile,
    Lag,
    Lead,
    FirstValue,
    LastValue,
    NthValue,
}

impl Kind {
    /// Does it look at the frame, and not at the partition whatever the frame?
    pub fn has_frame(self) -> bool {
        matches!(self, Kind::FirstValue | Kind::LastValue | Kind::NthValue)
    }
}

pub fn kind(function: Oid) -> Option<Kind> {
    Some(match function.0 {
        3100 => Kind::RowNumber,
        3101 => Kind::Rank,
        3102 => Kind::DenseRank,
        3103 => Kind::PercentRank,
        3104 => Kind::CumeDist,
        3105 => Kind::Ntile,
        3106..=3108 => Kind::Lag,
        3109..=3111 => Kind::Lead,
        3112 => Kind::FirstValue,
        3113 => Kind::LastValue,
        3114 => Kind::NthValue,
        _ => return None,
    })
}

pub fn eval(
    window: &Window,
    x: &Bag,
    functions: &dyn Functions,
    pick: Pick,
) -> Result<Bag, EvalError> {
    let order = Order::new(&window.order, pick)?;
    check_arguments(window, x, functions)?;
    let mut out = vec![];
    for rows in order.groups(&window.partition, x, functions)? {
        let partition = Partition::sorted(&order, rows);
        for at in 0..partition.rows.len() {
            let mut row = partition.rows[at].clone();
            for call in &window.calls {
                row.push(partition.call(call, at, functions, pick)?);
            }
            out.push((row, 1));
        }
    }
    Ok(Bag(out))
}

/// What raises on a row, raises also where the row's weights cancel.
pub(super) fn check_arguments(
    window: &Window,
    x: &Bag,
    functions: &dyn Functions,
) -> Result<(), EvalError> {
    for (row, _) in &x.0 {
        for call in &window.calls {
            aggregate::argument(&call.aggregate(), row, functions)?;
        }
    }
    Ok(())
}

/// The rows of one partition, in order.
pub(super) struct Partition {
    pub(super) rows: Vec<Row>,
    /// The number of the group of peers that each row is in.
    groups: Vec<usize>,
    /// Of each row the first key of the order; none without an order.
    keys: Vec<Option<Value>>,
    descending: bool,
}

impl Partition {
    /// Of sorted rows, each as often as its weight says.
    pub(super) fn sorted(order: &Order, rows: impl IntoIterator<Item = Sorted>) -> Partition {
        let copies = rows.into_iter().flat_map(|s| {
            std::iter::repeat_n((s.by, s.row), usize::try_from(s.weight).unwrap_or(0))
        });
        Partition::new(order.first_descends(), copies.collect())
    }

    fn new(descending: Option<bool>, rows: Vec<(Vec<Value>, Row)>) -> Partition {
        let mut groups: Vec<usize> = vec![];
        for (i, (key, _)) in rows.iter().enumerate() {
            let peers = |i: usize| GroupKey(rows[i].0.clone()) == GroupKey(key.clone());
            let group = match i.checked_sub(1) {
                None => 0,
                Some(before) => groups[before] + usize::from(!peers(before)),
            };
            groups.push(group);
        }
        Partition {
            groups,
            keys: rows.iter().map(|(key, _)| key.first().cloned()).collect(),
            descending: descending.unwrap_or(false),
            rows: rows.into_iter().map(|(_, row)| row).collect(),
        }
    }

    pub(super) fn call(
        &self,
        call: &WindowCall,
        at: usize,
        functions: &dyn Functions,
        pick: Pick,
    ) -> Result<Value, EvalError> {
        let Some(kind) = kind(call.function) else {
            let frame = self.frame(&call.frame, at, functions)?;
            let rows: Vec<(Row, i64)> = frame.iter().map(|j| (self.rows[*j].clone(), 1)).collect();
            return aggregate::apply(&call.aggregate(), &rows, functions, pick);
        };
        let arg = |n: usize, row: usize| match call.args.get(n) {
            Some(e) => expr::eval(e, &self.rows[row], functions).map(Some),
            None => Ok(None),
        };
        let value = |row: usize| arg(0, row)?.ok_or(EvalError::IllTyped);
        // A number that a call counts with; NULL makes the result NULL.
        let number = |n: usize| match arg(n, at)? {
            None => Ok(Some(1)),
            Some(Value::Int(i)) => Ok(Some(i)),
            Some(Value::Null) => Ok(None),
            Some(_) => Err(EvalError::IllTyped),
        };
        let own = self.groups[at];
        let count = |keep: &dyn Fn(usize) -> bool| self.groups.iter().filter(|g| keep(**g)).count();
        let before = count(&|g| g < own);
        let total = self.rows.len();
        Ok(match kind {
            Kind::RowNumber => integer(at + 1)?,
            Kind::Rank => integer(before + 1)?,
            Kind::DenseRank => integer(own + 1)?,
            Kind::PercentRank if total == 1 => Value::float(0.0),
            Kind::PercentRank => Value::float(before as f64 / (total - 1) as f64),
            Kind::CumeDist => Value::float(count(&|g| g <= own) as f64 / total as f64),
            Kind::Ntile => {
                let mut all = (0..total).map(value).collect::<Result<Vec<_>, _>>()?;
                all.dedup();
                match all.as_slice() {
                    [Value::Null] => Value::Null,
                    [Value::Int(buckets)] => ntile(at, total, *buckets)?,
                    // PostgreSQL asks the row that comes first.
                    _ => {
                        return Err(EvalError::Unknown {
                            what: "ntile() of what is not the same on all rows".into(),
                        });
                    }
                }
            }
            Kind::Lag | Kind::Lead => {
                let Some(offset) = number(1)? else {
                    return Ok(Value::Null);
                };
                let ahead = i128::from(offset) * if kind == Kind::Lag { -1 } else { 1 };
                match usize::try_from(at as i128 + ahead) {
                    Ok(row) if row < total => value(row)?,
                    _ => arg(2, at)?.unwrap_or(Value::Null),
                }
            }
            Kind::FirstValue | Kind::LastValue | Kind::NthValue => {
                let frame = self.frame(&call.frame, at, functions)?;
                let row = match kind {
                    Kind::FirstValue => frame.first(),
                    Kind::LastValue => frame.last(),
                    _ => match number(1)? {
                        None => None,
                        Some(n) if n < 1 => return Err(EvalError::WindowArgument),
                        Some(n) => usize::try_from(n - 1).ok().and_then(|n| frame.get(n)),
                    },
                };
                match row {
                    Some(row) => value(*row)?,
                    None => Value::Null,
                }
            }
        })
    }

    /// The rows of the frame of a row, ascending.
    fn frame(
        &self,
        frame: &Frame,
        at: usize,
        functions: &dyn Functions,
    ) -> Result<Vec<usize>, EvalError> {
        let mut out = vec![];
        for row in 0..self.rows.len() {
            let peers = self.groups[row] == self.groups[at];
            let excluded = match frame.exclude {
                Exclusion::Nothing => false,
                Exclusion::CurrentRow => row == at,
                Exclusion::Group => peers,
                Exclusion::Ties => peers && row != at,
            };
            let after = self.side(frame.mode, &frame.start, row, at, functions)?;
            let before = self.side(frame.mode, &frame.end, row, at, functions)?;
            if after.is_ge() && before.is_le() && !excluded {
                out.push(row);
            }
        }
        Ok(out)
    }

    /// Where a row stands, seen from a bound of the frame of the row `at`: before it, on it, or
    /// behind it.
    fn side(
        &self,
        mode: FrameMode,
        bound: &Bound,
        row: usize,
        at: usize,
        functions: &dyn Functions,
    ) -> Result<Ordering, EvalError> {
        let (offset, backwards) = match bound {
            Bound::UnboundedPreceding => return Ok(Ordering::Greater),
            Bound::UnboundedFollowing => return Ok(Ordering::Less),
            Bound::CurrentRow => {
                return Ok(match mode {
                    FrameMode::Rows => row.cmp(&at),
                    FrameMode::Range | FrameMode::Groups => self.groups[row].cmp(&self.groups[at]),
                });
            }
            Bound::Preceding(offset) => (offset, true),
            Bound::Following(offset) => (offset, false),
        };
        let offset = expr::eval(offset, &[], functions)?;
        let counted = |row: usize, at: usize| match offset {
            Value::Int(n) if n >= 0 => {
                let bound = at as i128 + if backwards { -i128::from(n) } else { n.into() };
                Ok((row as i128).cmp(&bound))
            }
            Value::Int(_) | Value::Null => Err(EvalError::FrameOffset),
            _ => Err(EvalError::IllTyped),
        };
        match mode {
            FrameMode::Rows => counted(row, at),
            FrameMode::Groups => counted(self.groups[row], self.groups[at]),
            FrameMode::Range => {
                let (Some(there), Some(here)) = (&self.keys[row], &self.keys[at]) else {
                    return Err(EvalError::IllTyped);
                };
                // NULL is as far away as can be from every value, and on the spot from NULL.
                if there.is_null() || here.is_null() {
                    is_offset(&offset)?;
                    return Ok(self.groups[row].cmp(&self.groups[at]));
                }
                let side = distance(there, here, &offset, backwards != self.descending)?;
                Ok(if self.descending {
                    side.reverse()
                } else {
                    side
                })
            }
        }
    }
}

/// Offsets are not NULL and not negative.
fn is_offset(offset: &Value) -> Result<(), EvalError> {
    let negative = match offset {
        Value::Null => true,
        Value::Int(n) => *n < 0,
        Value::Numeric(n) => n.sql_cmp(&Numeric::integer(0)).is_lt(),
        Value::Float(bits) => f64::from_bits(*bits) < 0.0,
        _ => return Err(EvalError::IllTyped),
    };
    match negative {
        true => Err(EvalError::FrameOffset),
        false => Ok(()),
    }
}

/// How a value compares with another one that is moved so far down or up (perhaps beyond the range
/// of its type).
fn distance(
    there: &Value,
    here: &Value,
    offset: &Value,
    down: bool,
) -> Result<Ordering, EvalError> {
    is_offset(offset)?;
    let infinite = || EvalError::Unknown {
        what: "an infinite offset of a frame".into(),
    };
    match (there, here, offset) {
        (Value::Int(there), Value::Int(here), Value::Int(n)) => {
            let n = i128::from(*n) * if down { -1 } else { 1 };
            Ok(i128::from(*there).cmp(&(i128::from(*here) + n)))
        }
        (Value::Numeric(there), Value::Numeric(here), Value::Numeric(n)) => {
            if !n.is_finite() {
                return Err(infinite());
            }
            let bound = if down {
                here.minus(*n)?
            } else {
                here.plus(*n)?
            };
            Ok(there.sql_cmp(&bound))
        }
        (Value::Float(_), Value::Float(here), Value::Float(n)) => {
            let (here, n) = (f64::from_bits(*here), f64::from_bits(*n));
            if !n.is_finite() {
                return Err(infinite());
            }
            let bound = Value::float(if down { here - n } else { here + n });
            there.sql_cmp(&bound).ok_or(EvalError::IllTyped)
        }
        _ => Err(EvalError::IllTyped),
    }
}

/// The number of the bucket: the first ones have one row more where they cannot all be equal.
fn ntile(at: usize, total: usize, buckets: i64) -> Result<Value, EvalError> {
    let buckets = usize::try_from(buckets).map_err(|_| EvalError::WindowArgument)?;
    if buckets == 0 {
        return Err(EvalError::WindowArgument);
    }
    let (size, larger) = (total / buckets, total % buckets);
    let in_larger = larger * (size + 1);
    let bucket = match at.checked_sub(in_larger) {
        None => at / (size + 1),
        Some(rest) => larger + rest / size.max(1),
    };
    integer(bucket + 1)
}

fn integer(n: usize) -> Result<Value, EvalError> {
    i64::try_from(n)
        .map(Value::Int)
        .map_err(|_| EvalError::OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::super::functions::Builtin;
    use super::*;
    use crate::catalog::{Catalog, FunctionKind};
    use crate::expr::Expr;
    use crate::op::SortKey;
    use crate::types::{SqlType, oids};

    const INT: SqlType = SqlType::new(oids::INT4);
    const SUM: u32 = 2108;
    const COUNT: u32 = 2803;

    fn offset(n: &str) -> Expr {
        Expr::literal(n, SqlType::new(oids::INT8))
    }

    fn frame(mode: FrameMode, start: Bound, end: Bound, exclude: Exclusion) -> Frame {
        Frame {
            mode,
            start,
            end,
            exclude,
        }
    }

    fn call(function: u32, args: Vec<Expr>, frame: Frame) -> WindowCall {
        WindowCall {
            function: Oid(function),
            args,
            variadic: false,
            filter: None,
            frame,
            ty: match function {
                COUNT | SUM | 3100..=3102 => SqlType::new(oids::INT8),
                3103 | 3104 => SqlType::new(oids::FLOAT8),
                _ => INT,
            },
            collation: Oid::INVALID,
            nullable: true,
            by_image: false,
        }
    }

    fn ascending() -> SortKey {
        SortKey {
            expr: Expr::column(0, INT),
            operator: Oid(97),
            nulls_first: false,
        }
    }

    fn descending() -> SortKey {
        SortKey {
            operator: Oid(521),
            nulls_first: true,
            ..ascending()
        }
    }

    fn row(value: Option<i64>) -> Row {
        vec![value.map_or(Value::Null, Value::Int)]
    }

    /// The results over a column of integers, ordered by it, in that order.
    fn over(values: &[Option<i64>], order: Vec<SortKey>, call: WindowCall) -> String {
        let x: Bag = values.iter().map(|v| (row(*v), 1)).collect();
        let window = Window {
            partition: vec![],
            order,
            calls: vec![call],
        };
        match eval(&window, &x, &Builtin, Pick::Least) {
            Ok(bag) => {
                let shown: Vec<String> = bag.0.iter().map(|(row, _)| row[1].to_string()).collect();
                shown.join(" ")
            }
            Err(e) => e.to_string(),
        }
    }

    const VALUES: &[Option<i64>] = &[Some(1), Some(2), Some(2), Some(4), Some(7)];

    fn of(function: u32, args: &[&str]) -> String {
        let args = args.iter().enumerate().map(|(i, text)| match (i, *text) {
            (0, "x") => Expr::column(0, INT),
            (_, "NULL") => Expr::null(INT),
            (_, text) => Expr::literal(text, INT),
        });
        over(
            VALUES,
            vec![ascending()],
            call(function, args.collect(), Frame::default()),
        )
    }

    #[test]
    fn functions_of_the_order() {
        assert_eq!(of(3100, &[]), "1 2 3 4 5");
        assert_eq!(of(3101, &[]), "1 2 2 4 5");
        assert_eq!(of(3102, &[]), "1 2 2 3 4");
        assert_eq!(of(3103, &[]), "0 0.25 0.25 0.75 1");
        assert_eq!(of(3104, &[]), "0.2 0.6 0.6 0.8 1");
        assert_eq!(of(3105, &["2"]), "1 1 1 2 2");
        assert_eq!(of(3105, &["3"]), "1 1 2 2 3");
        assert_eq!(of(3105, &["9"]), "1 2 3 4 5");
        assert_eq!(of(3105, &["NULL"]), "NULL NULL NULL NULL NULL");
        let range = EvalError::WindowArgument.to_string();
        assert_eq!(of(3105, &["0"]), range);
        assert_eq!(of(3114, &["x", "0"]), range);
    }

    #[test]
    fn functions_of_other_rows() {
        assert_eq!(of(3106, &["x"]), "NULL 1 2 2 4");
        assert_eq!(of(3107, &["x", "2"]), "NULL NULL 1 2 2");
        assert_eq!(of(3108, &["x", "2", "9"]), "9 9 1 2 2");
        assert_eq!(of(3107, &["x", "-1"]), "2 2 4 7 NULL");
        assert_eq!(of(3107, &["x", "NULL"]), "NULL NULL NULL NULL NULL");
        assert_eq!(of(3109, &["x"]), "2 2 4 7 NULL");
        assert_eq!(of(3111, &["x", "3", "0"]), "4 7 0 0 0");
        assert_eq!(of(3112, &["x"]), "1 1 1 1 1");
        assert_eq!(of(3113, &["x"]), "1 2 2 4 7");
        assert_eq!(of(3114, &["x", "4"]), "NULL NULL NULL 4 4");
        assert_eq!(of(3114, &["x", "NULL"]), "NULL NULL NULL NULL NULL");
    }

    /// Sums over the frames of 1, 2, 2, 4, 7.
    fn sums(mode: FrameMode, start: Bound, end: Bound, exclude: Exclusion) -> String {
        let sum = call(
            SUM,
            vec![Expr::column(0, INT)],
            frame(mode, start, end, exclude),
        );
        over(VALUES, vec![ascending()], sum)
    }

    #[test]
    fn modes_of_frames() {
        use Bound::{CurrentRow, Following, Preceding, UnboundedFollowing, UnboundedPreceding};
        use FrameMode::{Groups, Range, Rows};
        let plain = |mode, start, end| sums(mode, start, end, Exclusion::Nothing);
        assert_eq!(plain(Rows, UnboundedPreceding, CurrentRow), "1 3 5 9 16");
        assert_eq!(plain(Range, UnboundedPreceding, CurrentRow), "1 5 5 9 16");
        assert_eq!(
            plain(Groups, CurrentRow, UnboundedFollowing),
            "16 15 15 11 7"
        );
        let one = || (Preceding(offset("1")), Following(offset("1")));
        let (start, end) = one();
        assert_eq!(plain(Rows, start, end), "3 5 8 13 11");
        let (start, end) = one();
        assert_eq!(plain(Range, start, end), "5 5 5 4 7");
        let (start, end) = one();
        assert_eq!(plain(Groups, start, end), "5 9 9 15 11");
        let (start, end) = (Following(offset("2")), Following(offset("3")));
        assert_eq!(plain(Range, start, end), "4 4 4 7 NULL");
        let (start, end) = (Preceding(offset("2")), Preceding(offset("1")));
        assert_eq!(plain(Groups, start, end), "NULL 1 1 5 8");
        let (start, end) = (Preceding(offset("-1")), CurrentRow);
        assert_eq!(plain(Rows, start, end), EvalError::FrameOffset.to_string());
        let (start, end) = (Preceding(offset("-1")), CurrentRow);
        assert_eq!(plain(Range, start, end), EvalError::FrameOffset.to_string());
    }

    #[test]
    fn exclusions() {
        use Bound::{UnboundedFollowing, UnboundedPreceding};
        let all = |exclude| {
            sums(
                FrameMode::Rows,
                UnboundedPreceding,
                UnboundedFollowing,
                exclude,
            )
        };
        assert_eq!(all(Exclusion::Nothing), "16 16 16 16 16");
        assert_eq!(all(Exclusion::CurrentRow), "15 14 14 12 9");
        assert_eq!(all(Exclusion::Group), "15 12 12 12 9");
        assert_eq!(all(Exclusion::Ties), "16 14 14 16 16");
    }

    #[test]
    fn nulls_and_descending_orders() {
        let values = [Some(1), None, Some(3), None];
        let near = frame(
            FrameMode::Range,
            Bound::Preceding(offset("1")),
            Bound::Following(offset("2")),
            Exclusion::Nothing,
        );
        let count = |order| over(&values, vec![order], call(COUNT, vec![], near.clone()));
        // 1 3 NULL NULL: 3 is within 2 of 1, but 1 not within 1 of 3.
        assert_eq!(count(ascending()), "2 1 2 2");
        // NULL NULL 3 1
        assert_eq!(count(descending()), "2 2 2 1");
        let rank = |order| over(&values, vec![order], call(3101, vec![], Frame::default()));
        assert_eq!(rank(ascending()), "1 2 3 3");
        assert_eq!(rank(descending()), "1 1 3 4");
        // Without an order all rows are peers.
        let all = over(&values, vec![], call(COUNT, vec![], Frame::default()));
        assert_eq!(all, "4 4 4 4");
    }

    #[test]
    fn partitions_copies_and_ties() {
        let window = Window {
            partition: vec![0],
            order: vec![],
            calls: vec![call(3100, vec![], Frame::default())],
        };
        let pair = |p: Value, v: i64| vec![p, Value::Int(v)];
        let x: Bag = [
            (pair(Value::Null, 1), 2),
            (pair(Value::Null, 0), 1),
            (pair(Value::Int(1), 5), 1),
        ]
        .into_iter()
        .collect();
        let numbered = |pick| {
            let out = eval(&window, &x, &Builtin, pick).expect("no errors");
            let shown = out.0.iter().map(|(row, w)| {
                assert_eq!(*w, 1);
                format!("{}/{}/{}", row[0], row[1], row[2])
            });
            shown.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(numbered(Pick::Least), "1/5/1 NULL/0/1 NULL/1/2 NULL/1/3");
        assert_eq!(numbered(Pick::Greatest), "1/5/1 NULL/1/1 NULL/1/2 NULL/0/3");
        let negative: Bag = [(pair(Value::Null, 1), -1)].into_iter().collect();
        let refused = eval(&window, &negative, &Builtin, Pick::Least);
        assert_eq!(refused, Err(EvalError::Negative));
    }

    #[test]
    fn filters_of_aggregates() {
        let mut sum = call(SUM, vec![Expr::column(0, INT)], Frame::default());
        let operands = vec![Expr::column(0, INT), Expr::literal("2", INT)];
        let greater = crate::expr::ExprKind::Operator {
            operator: Oid(521),
            function: Oid(147),
            args: operands,
            collation: Oid::INVALID,
        };
        sum.filter = Some(Expr::new(greater, SqlType::new(oids::BOOL)));
        assert_eq!(over(VALUES, vec![ascending()], sum), "NULL NULL NULL 4 11");
    }

    #[test]
    fn window_functions_are_what_the_catalog_calls_them() {
        let catalog = Catalog::builtin();
        let mut known = 0;
        for oid in (1..12_000).map(Oid) {
            let Some(f) = catalog
                .function(oid)
                .filter(|f| f.kind == FunctionKind::Window)
            else {
                assert_eq!(kind(oid), None);
                continue;
            };
            let expected = match kind(oid).expect("a known window function") {
                Kind::RowNumber => "row_number",
                Kind::Rank => "rank",
                Kind::DenseRank => "dense_rank",
                Kind::PercentRank => "percent_rank",
                Kind::CumeDist => "cume_dist",
                Kind::Ntile => "ntile",
                Kind::Lag => "lag",
                Kind::Lead => "lead",
                Kind::FirstValue => "first_value",
                Kind::LastValue => "last_value",
                Kind::NthValue => "nth_value",
            };
            assert_eq!(f.name, expected);
            known += 1;
        }
        assert_eq!(known, 15);
    }
}
