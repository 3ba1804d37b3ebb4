//! Window functions.
//!
//! ```text
//! SELECT e, f(a) OVER (PARTITION BY p ORDER BY o)      π(e, f) (Window(p; o; f(a)) (π(*, p) x))
//! ```
//!
//! one operator for each partition and order, one above the other.
//!
//! What a call shows may depend on how rows that ORDER BY leaves tied are put in order. Where a key
//! says that none are, nothing is to be done; else ties are broken by image, which PostgreSQL can be
//! told for frames that count rows. A frame made of groups of peers would fall apart, so such calls
//! are made to count rows where that is the same; to others the rows must come sorted.

use super::subquery::Extended;
use super::{LowerError, Lowering};
use crate::bind::context::WindowCall as Call;
use crate::bind::query::Subquery;
use crate::rewrite::keys_of;
use spec::eval::window::{Kind, kind};
use spec::fold::{COUNT_ROWS, COUNT_VALUES};
use spec::op::SortKey;
use spec::window::{Bound, Exclusion, Frame, FrameMode, Window, WindowCall};
use spec::{Expr, Op};

impl Lowering<'_> {
    /// Adds the values of window functions to rows.
    pub(super) fn windows(
        &mut self,
        rows: &mut Extended,
        calls: &[Call],
        subqueries: &[Subquery],
    ) -> Result<(), LowerError> {
        for expr in calls.iter().flat_map(Call::exprs) {
            self.evaluate(rows, expr, subqueries)?;
        }
        let calls: Vec<Call> = calls
            .iter()
            .map(|c| c.map(&mut |e| -> Result<Expr, LowerError> { Ok(rows.over(e)) }))
            .collect::<Result<_, _>>()?;
        rows.windows = vec![None; calls.len()];
        for at in 0..calls.len() {
            if rows.windows[at].is_some() {
                continue;
            }
            let first = &calls[at];
            let same = |c: &Call| c.partition == first.partition && c.order == first.order;
            let here: Vec<usize> = (at..calls.len()).filter(|i| same(&calls[*i])).collect();
            self.window(rows, &calls, &here)?;
        }
        Ok(())
    }

    /// The calls over one window.
    fn window(
        &mut self,
        rows: &mut Extended,
        calls: &[Call],
        here: &[usize],
    ) -> Result<(), LowerError> {
        let Call {
            partition, order, ..
        } = &calls[here[0]];
        let types = self.circuit.schema(rows.node).to_vec();
        let mut columns: Vec<Expr> = Expr::of_columns(&types, 0).collect();
        let partition: Vec<usize> = partition
            .iter()
            .map(|e| {
                let known = columns.iter().position(|c| c == e);
                known.unwrap_or_else(|| {
                    columns.push(e.clone());
                    columns.len() - 1
                })
            })
            .collect();
        rows.node = self.project(rows.node, &columns, None)?;
        let total = self.is_total(rows, &partition, order);
        let made = here.iter().map(|at| self.settled(&calls[*at], total));
        let made = made.collect();
        let width = columns.len();
        for (i, at) in here.iter().enumerate() {
            rows.windows[*at] = Some(Expr::column(width + i, calls[*at].ty));
        }
        let window = Window {
            partition,
            order: order.clone(),
            calls: made,
        };
        let span = calls[here[0]].span;
        rows.node = self.add(Op::Window(window), vec![rows.node], span)?;
        Ok(())
    }

    /// Are no two rows of a partition tied?
    fn is_total(&mut self, rows: &Extended, partition: &[usize], order: &[SortKey]) -> bool {
        let catalog = self.catalog;
        let sorted = order.iter().filter_map(|key| {
            let column = key.expr.as_column()?;
            let equality = catalog.equality(key.expr.ty().oid)?;
            let by_default = [equality.lt, equality.gt].contains(&key.operator);
            by_default.then_some(column)
        });
        let known: Vec<usize> = sorted.chain(partition.iter().copied()).collect();
        let keys = keys_of(&self.circuit, rows.node, catalog);
        let deciding = keys
            .iter()
            .find(|k| k.columns.iter().all(|c| known.contains(c)));
        match deciding {
            Some(key) => {
                self.dependencies.extend(key.because.iter().copied());
                true
            }
            None => false,
        }
    }

    /// The call, and whether it depends on the order of ties; in a frame in which that can be told,
    /// if there is one.
    fn settled(&self, call: &Call, total: bool) -> WindowCall {
        let known = kind(call.function);
        let not_null = match known {
            Some(kind) => matches!(
                kind,
                Kind::RowNumber | Kind::Rank | Kind::DenseRank | Kind::PercentRank | Kind::CumeDist
            ),
            None => [COUNT_ROWS, COUNT_VALUES].contains(&call.function),
        };
        let mut out = call.call(!not_null);
        out.by_image = !total && out.asks_order(self.catalog);
        // Nobody knows how one of users looks at its frame.
        let foreign = known.is_none() && self.catalog.is_window_function(call.function);
        if out.by_image
            && !foreign
            && let Some(frame) = by_rows(&out.frame, known, call.order.is_empty())
        {
            out.frame = frame;
        }
        out
    }
}

/// The same frame in ROWS, where it is the same or, for this function, as good.
fn by_rows(frame: &Frame, kind: Option<Kind>, unordered: bool) -> Option<Frame> {
    use Bound::*;
    // Ranks and neighbours look at the partition, whatever the frame.
    if let Some(kind) = kind
        && !kind.has_frame()
    {
        return Some(Frame::default());
    }
    if matches!(frame.exclude, Exclusion::Group | Exclusion::Ties) {
        return None;
    }
    if frame.mode == FrameMode::Rows {
        return Some(frame.clone());
    }
    let rows = |start: Bound, end: Bound| {
        Some(Frame {
            mode: FrameMode::Rows,
            start,
            end,
            exclude: frame.exclude,
        })
    };
    // Without ORDER BY all rows are peers.
    let first = frame.start == UnboundedPreceding || unordered && frame.start == CurrentRow;
    let last = frame.end == UnboundedFollowing || unordered && frame.end == CurrentRow;
    let plain = frame.exclude == Exclusion::Nothing;
    match kind {
        _ if first && last => rows(UnboundedPreceding, UnboundedFollowing),
        Some(Kind::FirstValue) if first && plain && frame.end == CurrentRow => {
            rows(UnboundedPreceding, CurrentRow)
        }
        Some(Kind::LastValue) if last && plain && frame.start == CurrentRow => {
            rows(CurrentRow, UnboundedFollowing)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spec::types::oids;

    #[test]
    fn frames_that_count_rows_as_well() {
        let of = |start: Bound, end: Bound, kind: Option<Kind>, unordered: bool| {
            let frame = Frame {
                mode: FrameMode::Range,
                start,
                end,
                exclude: Exclusion::Nothing,
            };
            by_rows(&frame, kind, unordered).map(|f| f.mode)
        };
        use Bound::*;
        let rows = Some(FrameMode::Rows);
        assert_eq!(
            of(UnboundedPreceding, UnboundedFollowing, None, false),
            rows
        );
        assert_eq!(of(UnboundedPreceding, CurrentRow, None, true), rows);
        assert_eq!(of(UnboundedPreceding, CurrentRow, None, false), None);
        let first = Some(Kind::FirstValue);
        assert_eq!(of(UnboundedPreceding, CurrentRow, first, false), rows);
        assert_eq!(of(CurrentRow, UnboundedFollowing, first, false), None);
        let last = Some(Kind::LastValue);
        assert_eq!(of(CurrentRow, UnboundedFollowing, last, false), rows);
        assert_eq!(of(UnboundedPreceding, CurrentRow, last, false), None);
        let one = Expr::literal("1", spec::SqlType::new(oids::INT8));
        assert_eq!(of(Preceding(one), CurrentRow, None, false), None);
        // Whatever is written, these look at the partition.
        let lag = Some(Kind::Lag);
        assert_eq!(
            of(CurrentRow, CurrentRow, lag, false),
            Some(FrameMode::Range)
        );
    }
}
