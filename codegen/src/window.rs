//! `Window`: functions over windows.
//!
//! Rows are of weight 1 here: a weighted input is consolidated, and each of its rows repeated. A call
//! that depends on the order of ties has the image of the row as its last sort key; others must not,
//! since it would tear peers apart.

use crate::error::Result;
use crate::expr::{Printer, Scalar};
use crate::keys::present;
use crate::lower::Lowering;
use crate::ordering::by_image;
use crate::rel::Rel;
use crate::sql::{Frame, SortBy, Sql, WindowCall as Over};
use spec::NodeId;
use spec::catalog::FunctionKind;
use spec::window::{Bound, Exclusion, Frame as Given, FrameMode, Window, WindowCall};

impl Lowering<'_> {
    pub(crate) fn window(&mut self, w: &Window, id: NodeId) -> Result<Rel> {
        let input = self.input(id, 0)?;
        let mut branch = self.lower_flat(input)?;
        if !branch.weight.is_one() {
            branch = self.repeated(branch, input)?;
        }
        let width = branch.cols.len();
        let partition = present(&branch.cols, &w.partition)?;
        let partition: Vec<Sql> = partition.into_iter().map(|k| k.sql).collect();
        let printer = self.printer(&branch.cols);
        let order = printer.sort_keys(&w.order)?;
        let demand = &self.demand[id.index()];
        let mut values = vec![];
        for (i, call) in w.calls.iter().enumerate() {
            let value = match demand.contains(&(width + i)) {
                true => {
                    let mut order = order.clone();
                    order.extend(call.by_image.then(|| by_image(&branch.cols)));
                    Some(printer.over(call, &partition, order)?)
                }
                false => None,
            };
            values.push(value);
        }
        branch.cols.extend(values);
        let names = self.column_names(id);
        Ok(Rel::one(self.enclose(Rel::one(branch), id, &names)?))
    }
}

impl Printer<'_> {
    pub(crate) fn over(
        &self,
        call: &WindowCall,
        partition: &[Sql],
        order: Vec<SortBy>,
    ) -> Result<Scalar> {
        let frame = self.frame(&call.frame)?;
        let function = self.catalog.function(call.function);
        let is_aggregate = function.is_some_and(|f| f.kind == FunctionKind::Aggregate);
        self.aggregate_as(&call.aggregate(), |printed| {
            let call = match is_aggregate {
                true => Sql::Aggregate(Box::new(printed)),
                false => Sql::Call {
                    function: printed.function,
                    args: printed.args,
                    variadic: printed.variadic,
                },
            };
            Sql::Over(Box::new(Over {
                call,
                partition_by: partition.to_vec(),
                order_by: order,
                frame,
            }))
        })
    }

    fn frame(&self, frame: &Given) -> Result<Option<Frame>> {
        if *frame == Given::default() {
            return Ok(None);
        }
        let bound = |bound: &Bound| -> Result<(Option<Sql>, &'static str)> {
            let offset = bound.offset().map(|e| Ok(self.scalar(e)?.sql));
            let word = match bound {
                Bound::UnboundedPreceding => "UNBOUNDED PRECEDING",
                Bound::Preceding(_) => "PRECEDING",
                Bound::CurrentRow => "CURRENT ROW",
                Bound::Following(_) => "FOLLOWING",
                Bound::UnboundedFollowing => "UNBOUNDED FOLLOWING",
            };
            Ok((offset.transpose()?, word))
        };
        Ok(Some(Frame {
            mode: match frame.mode {
                FrameMode::Rows => "ROWS",
                FrameMode::Range => "RANGE",
                FrameMode::Groups => "GROUPS",
            },
            start: bound(&frame.start)?,
            end: bound(&frame.end)?,
            exclude: match frame.exclude {
                Exclusion::Nothing => None,
                Exclusion::CurrentRow => Some("CURRENT ROW"),
                Exclusion::Group => Some("GROUP"),
                Exclusion::Ties => Some("TIES"),
            },
        }))
    }
}
