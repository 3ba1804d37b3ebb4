//! Window functions: `f(…) FILTER (…) OVER (…)`.

use super::{Binder, span_of};
use crate::bind::aggregates::makes_json;
use crate::bind::context::{BindError, WindowCall};
use crate::bind::order::sort_key;
use crate::typing::{Call, cast_volatility, collate, error};
use pg_query::NodeEnum;
use pg_query::protobuf::{FuncCall, Node, WindowDef};
use spec::catalog::{AggregateKind, CastContext, FunctionKind, Volatility};
use spec::op::SortKey;
use spec::types::{Oid, SqlType, oids};
use spec::window::{Bound, Exclusion, Frame, FrameMode};
use spec::{Expr, ReasonCode, Span};

/// The bits of `frame_options` (`FRAMEOPTION_*` of PostgreSQL's parse tree).
mod option {
    pub const NONDEFAULT: i32 = 0x1;
    pub const ROWS: i32 = 0x4;
    pub const GROUPS: i32 = 0x8;
    pub const START_UNBOUNDED_PRECEDING: i32 = 0x20;
    pub const END_UNBOUNDED_FOLLOWING: i32 = 0x100;
    pub const START_CURRENT_ROW: i32 = 0x200;
    pub const END_CURRENT_ROW: i32 = 0x400;
    pub const START_OFFSET_PRECEDING: i32 = 0x800;
    pub const END_OFFSET_PRECEDING: i32 = 0x1000;
    pub const EXCLUDE_CURRENT_ROW: i32 = 0x8000;
    pub const EXCLUDE_GROUP: i32 = 0x10000;
    pub const EXCLUDE_TIES: i32 = 0x20000;
}

/// The types of offsets that `in_range` functions know for a sorted type.
const IN_RANGE: [(Oid, &[Oid]); 12] = [
    (oids::INT2, &[oids::INT8, oids::INT4, oids::INT2]),
    (oids::INT4, &[oids::INT8, oids::INT4, oids::INT2]),
    (oids::INT8, &[oids::INT8]),
    (oids::FLOAT4, &[oids::FLOAT8]),
    (oids::FLOAT8, &[oids::FLOAT8]),
    (oids::NUMERIC, &[oids::NUMERIC]),
    (oids::DATE, &[oids::INTERVAL]),
    (oids::TIMESTAMP, &[oids::INTERVAL]),
    (oids::TIMESTAMPTZ, &[oids::INTERVAL]),
    (oids::TIME, &[oids::INTERVAL]),
    (oids::TIMETZ, &[oids::INTERVAL]),
    (oids::INTERVAL, &[oids::INTERVAL]),
];

/// What stands behind OVER, with what it copies.
#[derive(Default)]
struct Parts {
    partition: Vec<Expr>,
    order: Vec<SortKey>,
}

impl Binder<'_, '_> {
    pub(super) fn window_call(
        &mut self,
        f: &FuncCall,
        over: &WindowDef,
        call: Call<'_>,
        filter: Option<Expr>,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        if !self.position.allows_windows() {
            let place = self.position.name();
            let message = format!("window functions are not allowed in {place}");
            return Err(error(ReasonCode::Type, message, span));
        }
        let function = call.function;
        let is_aggregate = function.kind == FunctionKind::Aggregate;
        let refused = match () {
            () if f.agg_distinct => Some("DISTINCT is not implemented for window functions"),
            () if !f.agg_order.is_empty() && !f.agg_within_group => {
                Some("aggregate ORDER BY is not implemented for window functions")
            }
            () if function
                .aggregate
                .as_ref()
                .is_some_and(|a| a.kind != AggregateKind::Normal) =>
            {
                Some("OVER is not supported for ordered-set aggregates")
            }
            () if f.agg_filter.is_some() && !is_aggregate => {
                Some("FILTER is not implemented for non-aggregate window functions")
            }
            () => None,
        };
        if let Some(message) = refused {
            return Err(error(ReasonCode::Type, message, span));
        }
        let catalog = self.typing.catalog;
        let steady = |a: &Expr| cast_volatility(catalog, a, oids::TEXT) == Volatility::Immutable;
        match makes_json(function) && call.args.iter().all(steady) {
            true => self.typing.note_steady_call(function.oid),
            false => self.note_kind(&call, span),
        }
        let typing = self.typing;
        let args = call.args.iter().map(|a| typing.assign_collations(a, span));
        let args = args.collect::<Result<Vec<_>, _>>()?;
        let filter = filter.map(|f| typing.assign_collations(&f, span));
        let (ty, collation, explicit) =
            self.result_of(&call, &args.iter().collect::<Vec<_>>(), span)?;
        let (parts, frame) = self.window(over)?;
        let result = self.scope.window(WindowCall {
            function: function.oid,
            args,
            variadic: call.variadic,
            filter: filter.transpose()?,
            partition: parts.partition,
            order: parts.order,
            frame,
            ty,
            collation,
            span,
        })?;
        // A column would not tell that its collation was chosen by COLLATE.
        Ok(match explicit {
            true => collate(result, ty.collation),
            false => result,
        })
    }

    /// The type of a call's value, its input collation, and whether COLLATE chose that.
    pub(super) fn result_of(
        &self,
        call: &Call<'_>,
        inputs: &[&Expr],
        span: Option<Span>,
    ) -> Result<(SqlType, Oid, bool), BindError> {
        let input = self.typing.input_collation(inputs, span)?;
        let own = self.typing.catalog.type_collation(call.result);
        let collation = match (own.is_valid(), input.any) {
            (false, _) => Oid::INVALID,
            (true, true) => input.collation,
            (true, false) => own,
        };
        let ty = SqlType {
            oid: call.result,
            typmod: -1,
            collation,
        };
        Ok((ty, input.collation, own.is_valid() && input.explicit))
    }

    /// A window as OVER says it.
    fn window(&mut self, over: &WindowDef) -> Result<(Parts, Frame), BindError> {
        // OVER w is w as it is.
        if !over.name.is_empty() {
            let named = self.window_named(&over.name, over)?;
            return self.window(&named);
        }
        let parts = self.parts(over)?;
        let frame = self.frame(over, &parts.order)?;
        Ok((parts, frame))
    }

    /// The definition of a name in WINDOW, as that of no name.
    fn window_named(&self, name: &str, at: &WindowDef) -> Result<WindowDef, BindError> {
        let span = self.typing.span(at.location);
        let found = self.scope.named_window(name);
        let named = found.ok_or_else(|| {
            error(
                ReasonCode::Name,
                format!("window \"{name}\" does not exist"),
                span,
            )
        })?;
        Ok(WindowDef {
            name: String::new(),
            ..named
        })
    }

    fn parts(&mut self, def: &WindowDef) -> Result<Parts, BindError> {
        let span = self.typing.span(def.location);
        let mut out = Parts::default();
        if !def.refname.is_empty() {
            let name = &def.refname;
            let base = self.window_named(name, def)?;
            let refuse = |what: String| Err(error(ReasonCode::Type, what, span));
            if base.frame_options & option::NONDEFAULT != 0 {
                return refuse(format!(
                    "cannot copy window \"{name}\" because it has a frame clause"
                ));
            }
            out = self.parts(&base)?;
            if !def.partition_clause.is_empty() {
                return refuse(format!(
                    "cannot override PARTITION BY clause of window \"{name}\""
                ));
            }
            if !def.order_clause.is_empty() && !out.order.is_empty() {
                return refuse(format!(
                    "cannot override ORDER BY clause of window \"{name}\""
                ));
            }
        }
        for node in &def.partition_clause {
            let expr = self.sorted_expr(node)?;
            self.typing
                .grouping_equality(expr.ty(), span_of(node, self.typing))?;
            out.partition.push(expr);
        }
        for node in &def.order_clause {
            let Some(NodeEnum::SortBy(sort)) = &node.node else {
                return Err(error(ReasonCode::Unsupported, "an unknown ORDER BY", None));
            };
            let node = sort.node.as_deref();
            let node =
                node.ok_or_else(|| error(ReasonCode::Unsupported, "an empty ORDER BY", None))?;
            let expr = self.sorted_expr(node)?;
            out.order.push(sort_key(sort, expr, self.typing)?);
        }
        Ok(out)
    }

    fn sorted_expr(&mut self, node: &Node) -> Result<Expr, BindError> {
        let expr = self.expr(node)?;
        let expr = self.typing.resolve_unknown(expr);
        self.typing
            .assign_collations(&expr, span_of(node, self.typing))
    }

    fn frame(&mut self, def: &WindowDef, order: &[SortKey]) -> Result<Frame, BindError> {
        let options = def.frame_options;
        let has = |bit: i32| options & bit != 0;
        if !has(option::NONDEFAULT) {
            return Ok(Frame::default());
        }
        let span = self.typing.span(def.location);
        let refuse = |what: &str| Err(error(ReasonCode::Type, what.to_string(), span));
        let mode = match () {
            () if has(option::ROWS) => FrameMode::Rows,
            () if has(option::GROUPS) => FrameMode::Groups,
            () => FrameMode::Range,
        };
        if mode == FrameMode::Groups && order.is_empty() {
            return refuse("GROUPS mode requires an ORDER BY clause");
        }
        let offsets = def.start_offset.is_some() || def.end_offset.is_some();
        if mode == FrameMode::Range && offsets && order.len() != 1 {
            return refuse(
                "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column",
            );
        }
        let start = match self.distance(&def.start_offset, mode, order)? {
            Some(offset) if has(option::START_OFFSET_PRECEDING) => Bound::Preceding(offset),
            Some(offset) => Bound::Following(offset),
            None if has(option::START_UNBOUNDED_PRECEDING) => Bound::UnboundedPreceding,
            None if has(option::START_CURRENT_ROW) => Bound::CurrentRow,
            None => Bound::UnboundedFollowing,
        };
        let end = match self.distance(&def.end_offset, mode, order)? {
            Some(offset) if has(option::END_OFFSET_PRECEDING) => Bound::Preceding(offset),
            Some(offset) => Bound::Following(offset),
            None if has(option::END_UNBOUNDED_FOLLOWING) => Bound::UnboundedFollowing,
            None if has(option::END_CURRENT_ROW) => Bound::CurrentRow,
            None => Bound::UnboundedPreceding,
        };
        let exclude = match () {
            () if has(option::EXCLUDE_CURRENT_ROW) => Exclusion::CurrentRow,
            () if has(option::EXCLUDE_GROUP) => Exclusion::Group,
            () if has(option::EXCLUDE_TIES) => Exclusion::Ties,
            () => Exclusion::Nothing,
        };
        Ok(Frame {
            mode,
            start,
            end,
            exclude,
        })
    }

    fn distance(
        &mut self,
        offset: &Option<Box<Node>>,
        mode: FrameMode,
        order: &[SortKey],
    ) -> Result<Option<Expr>, BindError> {
        let offset = offset.as_deref();
        offset
            .map(|node| self.offset(node, mode, order))
            .transpose()
    }

    /// `n` of `n PRECEDING`: a bigint or, where it is a distance of values, what can be added to
    /// what is sorted.
    fn offset(
        &mut self,
        node: &Node,
        mode: FrameMode,
        order: &[SortKey],
    ) -> Result<Expr, BindError> {
        let span = span_of(node, self.typing);
        let offset = self.expr(node)?;
        let word = match mode {
            FrameMode::Rows => "ROWS",
            FrameMode::Range => "RANGE",
            FrameMode::Groups => "GROUPS",
        };
        if !offset.columns().is_empty() {
            let message = format!("argument of {word} must not contain variables");
            return Err(error(ReasonCode::Type, message, span));
        }
        let ty = match mode {
            FrameMode::Range => self.range_offset(&offset, order, span)?,
            _ => oids::INT8,
        };
        let offset = self.typing.coerce_to_specific(offset, ty, word, span)?;
        self.typing.assign_collations(&offset, span)
    }

    /// The type of the offset that the sorted type's `in_range` function takes.
    fn range_offset(
        &self,
        offset: &Expr,
        order: &[SortKey],
        span: Option<Span>,
    ) -> Result<Oid, BindError> {
        let sorted = order.first().map_or(oids::UNKNOWN, |k| k.expr.ty().oid);
        let catalog = self.typing.catalog;
        let sorted = catalog.base_of(sorted);
        let known = IN_RANGE.iter().find(|(ty, _)| *ty == sorted);
        let Some((_, accepted)) = known else {
            let name = catalog.ty(sorted).map_or("?", |t| &t.name);
            let message = format!(
                "RANGE with offset PRECEDING/FOLLOWING is not supported for column type {name}"
            );
            return Err(error(ReasonCode::Type, message, span));
        };
        let given = offset.ty().oid;
        let unknown = given == oids::UNKNOWN;
        let preferred = if unknown { sorted } else { given };
        let fits: Vec<Oid> = accepted
            .iter()
            .copied()
            .filter(|ty| unknown || self.typing.can_coerce(given, *ty, CastContext::Implicit))
            .collect();
        match fits.as_slice() {
            all if all.contains(&preferred) => Ok(preferred),
            [one] => Ok(*one),
            [] => {
                let message = "RANGE with offset PRECEDING/FOLLOWING is not supported for this \
                               type of offset";
                Err(error(ReasonCode::Type, message.to_string(), span))
            }
            _ => {
                let message = "RANGE with offset PRECEDING/FOLLOWING has multiple interpretations \
                               for this type of offset";
                Err(error(ReasonCode::Type, message.to_string(), span))
            }
        }
    }
}

/// The windows of a SELECT that have names.
pub(in crate::bind) fn named_windows(clause: &[Node]) -> Vec<WindowDef> {
    let defs = clause.iter().filter_map(|n| match &n.node {
        Some(NodeEnum::WindowDef(def)) => Some(WindowDef::clone(def)),
        _ => None,
    });
    defs.collect()
}
