//! `Window`: functions over windows.
//!
//! Rows are of weight 1 here: a weighted input is consolidated, and each of its rows repeated. A call
//! that depends on the order of ties has the image of the row as its last sort key; others must not,
//! since it would tear peers apart.
//!
//! Of those that depend on both, the rows come from a subquery that sorts them:
//!
//! ```text
//! FROM (SELECT … FROM (SELECT … FROM x WHERE … OFFSET 0) ORDER BY partition, order, image)
//! ```
//!
//! The planner sees that they are in the order of the window, sorts them no more, and takes ties as
//! they come. It sees that by the keys of the subquery, of which it leaves out those that conditions
//! make constant, or equal to others. Outside it would miss these: so no condition stands beside
//! ORDER BY.

use crate::error::{CodegenError, Result};
use crate::expr::{Printer, Scalar, operator_name};
use crate::keys::present;
use crate::lower::{Lowering, columns_of};
use crate::ordering::by_image;
use crate::rel::{Branch, Rel, Weight};
use crate::sql::ident::Namer;
use crate::sql::{Frame, FromItem, Limit, Query, SortBy, Sql, WindowCall as Over};
use spec::catalog::FunctionKind;
use spec::window::{Bound, Exclusion, Frame as Given, FrameMode, Window, WindowCall};
use spec::{ColType, NodeId};

impl Lowering<'_> {
    pub(crate) fn window(&mut self, w: &Window, id: NodeId) -> Result<Rel> {
        let input = self.input(id, 0)?;
        let mut branch = self.lower_flat(input)?;
        if !branch.weight.is_one() {
            branch = self.repeated(branch, input)?;
        }
        let width = branch.cols.len();
        let mut order = self.printer(&branch.cols).sort_keys(&w.order)?;
        if w.calls.iter().any(|c| c.asks_sorted(self.catalog)) {
            (branch, order) = self.sorted(w, branch, order, input)?;
        }
        let partition = present(&branch.cols, &w.partition)?;
        let partition: Vec<Sql> = partition.into_iter().map(|k| k.sql).collect();
        let printer = self.printer(&branch.cols);
        let demand = &self.demand[id.index()];
        let mut values = vec![];
        for (i, call) in w.calls.iter().enumerate() {
            let value = match demand.contains(&(width + i)) {
                true => {
                    let mut order = order.clone();
                    let as_key = call.by_image && !call.asks_sorted(self.catalog);
                    order.extend(as_key.then(|| by_image(&branch.cols)));
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

    /// The rows in the order of the window, those that are tied in the order of their images; and that
    /// order, over them.
    fn sorted(
        &mut self,
        w: &Window,
        mut rows: Branch,
        order: Vec<SortBy>,
        input: NodeId,
    ) -> Result<(Branch, Vec<SortBy>)> {
        let mut names = self.column_names(input);
        let mut types = self.circuit.schema(input).to_vec();
        let width = names.len();
        let mut namer = Namer::reserving(names.iter().flatten().map(String::as_str));
        // The planner knows an order by columns that come out.
        for key in &w.order {
            let scalar = self.printer(&rows.cols).scalar(&key.expr)?;
            names.push(Some(namer.unique("sorted_by")));
            types.push(ColType {
                ty: scalar.ty,
                nullable: scalar.nullable,
            });
            rows.cols.push(Some(scalar));
        }
        let mut select = rows.select(None, &names);
        select.fence = true;
        let alias = self.alias("unsorted");
        let cols = columns_of(&alias, &names, &types);
        let item = FromItem::query(Query::from(select), &alias);
        let mut rows = Branch::new(vec![item], cols, Weight::one());
        let keys = |rows: &Branch| -> Vec<SortBy> {
            let columns = rows.cols.iter().skip(width).flatten();
            let keys = columns.zip(&order).map(|(column, by)| SortBy {
                expr: column.sql.clone(),
                ..by.clone()
            });
            keys.collect()
        };
        let mut by = vec![];
        for key in present(&rows.cols, &w.partition)? {
            let equality = self.catalog.equality(key.ty.oid);
            let equality = equality.ok_or(CodegenError::NoEquality(key.ty.oid))?;
            by.push(SortBy {
                expr: key.sql,
                operator: operator_name(equality.lt, self.catalog)?,
                nulls_first: false,
            });
        }
        by.extend(keys(&rows));
        by.push(by_image(&rows.cols[..width]));
        rows.limit = Some(Limit {
            order_by: by,
            ..Limit::default()
        });
        let select = rows.select(None, &names);
        let alias = self.alias("sorted");
        let cols = columns_of(&alias, &names, &types);
        let item = FromItem::query(Query::from(select), &alias);
        let mut rows = Branch::new(vec![item], cols, Weight::one());
        let order = keys(&rows);
        rows.cols.truncate(width);
        Ok((rows, order))
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
