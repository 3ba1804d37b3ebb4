//! The common type of several expressions: CASE, COALESCE, arrays, VALUES, UNION, USING.
//!
//! If all types are the same, it is that one (a domain stays). Otherwise, over base types: unknown
//! literals say nothing; all must be of one category; going from left to right, a type gives way to
//! the next one if it can be coerced to it implicitly and not back, unless it is its category's
//! preferred type. Nothing but unknowns makes text.

use super::{Typing, error};
use crate::bind::context::BindError;
use spec::catalog::{CastContext, Equality};
use spec::expr::ExprKind;
use spec::types::{Oid, SqlType, oids};
use spec::{Expr, ReasonCode, Span};

/// What a column of USING is made of. All collations are assigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsingColumn {
    /// `left = right`.
    pub condition: Expr,
    /// The merged column, of their common type.
    pub merged: Expr,
}

/// Where a merged column is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsingSides {
    /// Inner joins: from the left side, or from the right if only that has the common type.
    Either,
    Left,
    Right,
    /// Full joins: from the left side, or else from the right.
    Both,
}

impl Typing<'_> {
    /// The common type, or the two types of which no common one is known.
    pub(super) fn common_oid(&self, types: &[Oid]) -> Result<Oid, [Oid; 2]> {
        let Some((&first, rest)) = types.split_first() else {
            return Ok(oids::TEXT);
        };
        if first != oids::UNKNOWN && rest.iter().all(|&t| t == first) {
            return Ok(first);
        }
        let mut common = self.catalog.base_of(first);
        for &ty in rest {
            let ty = self.catalog.base_of(ty);
            if ty == oids::UNKNOWN || ty == common {
                continue;
            }
            if common == oids::UNKNOWN {
                common = ty;
                continue;
            }
            let category = self.category(common);
            if self.category(ty) != category {
                return Err([common, ty]);
            }
            if !self.is_preferred(category, common)
                && self.can_coerce(common, ty, CastContext::Implicit)
                && !self.can_coerce(ty, common, CastContext::Implicit)
            {
                common = ty;
            }
        }
        Ok(if common == oids::UNKNOWN {
            oids::TEXT
        } else {
            common
        })
    }

    /// The common typmod of expressions whose common type is `ty`: the one that all have.
    pub(super) fn common_typmod(&self, exprs: &[&Expr], ty: Oid) -> i32 {
        let typmod = exprs.first().map_or(-1, |e| e.ty().typmod);
        let same = exprs
            .iter()
            .all(|e| e.ty().oid == ty && e.ty().typmod == typmod);
        if same { typmod } else { -1 }
    }

    /// The type and typmod common to several expressions (a column of VALUES); the collation is
    /// derived by [`Typing::common_collation`].
    pub fn common_type(
        &self,
        exprs: &[&Expr],
        clause: &str,
        span: Option<Span>,
    ) -> Result<SqlType, BindError> {
        let types: Vec<Oid> = exprs.iter().map(|e| e.ty().oid).collect();
        let oid = self.common_oid(&types).map_err(|[a, b]| {
            let (a, b) = (self.type_name(a), self.type_name(b));
            error(
                ReasonCode::Type,
                format!("{clause} types {a} and {b} cannot be matched"),
                span,
            )
        })?;
        Ok(SqlType {
            oid,
            typmod: self.common_typmod(exprs, oid),
            collation: Oid::INVALID,
        })
    }

    /// The operand as the common type that was found for it (no typmod is applied). Collations are
    /// as they were: assign them when the expression is complete.
    pub fn coerce_to_common(
        &self,
        expr: Expr,
        target: Oid,
        clause: &str,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        let source = expr.ty().oid;
        if source == target {
            return Ok(expr);
        }
        if !self.can_coerce(source, target, CastContext::Implicit) {
            let (from, to) = (self.type_name(source), self.type_name(target));
            let message = format!("{clause} could not convert type {from} to {to}");
            return Err(error(ReasonCode::Type, message, span));
        }
        self.coerce(expr, target, -1, CastContext::Implicit, span)
    }

    /// The type of a column of `left UNION right` (or INTERSECT, EXCEPT), collation included.
    ///
    /// `left` and `right` are expressions of the types of the two columns, with their collations;
    /// literals of type `unknown` must be given as they are. Then bring each branch to it by
    /// [`Typing::coerce_to_common`] and [`Typing::assign_collations`].
    pub fn set_operation_column(
        &self,
        left: &Expr,
        right: &Expr,
        operation: &str,
        union_all: bool,
        span: Option<Span>,
    ) -> Result<SqlType, BindError> {
        let mut ty = self.common_type(&[left, right], operation, span)?;
        let sides =
            [left, right].map(|e| self.coerce_to_common(e.clone(), ty.oid, operation, span));
        let [left, right] = sides;
        let (left, right) = (left?, right?);
        if self.catalog.type_collation(ty.oid).is_valid() {
            let left = self.assign_collations(&left, span)?;
            let right = self.assign_collations(&right, span)?;
            ty.collation = self.common_collation(&[&left, &right], union_all, span)?;
        }
        if !union_all {
            self.grouping_equality(ty, span)?;
        }
        Ok(ty)
    }

    /// A pair of columns that USING or NATURAL joins. `sides` says which of them the merged column is
    /// read from.
    pub fn using_column(
        &self,
        left: Expr,
        right: Expr,
        sides: UsingSides,
        span: Option<Span>,
    ) -> Result<UsingColumn, BindError> {
        let condition =
            self.operator(&["=".to_owned()], Some(left.clone()), right.clone(), span)?;
        let condition = self.coerce_to_boolean(condition, "JOIN/ON", span)?;
        let ty = self.common_type(&[&left, &right], "JOIN/USING", span)?;
        let side = |e: Expr| {
            let e = self.coerce_to_common(e, ty.oid, "JOIN/USING", span)?;
            let e = self.coerce_typmod(e, ty.oid, ty.typmod, CastContext::Implicit);
            self.assign_collations(&e, span)
        };
        let plain = |e: &Expr| e.as_column().is_some();
        // The coercion of a side that is not read is not part of the query.
        let start = self.mark();
        let left = side(left)?;
        let middle = self.mark();
        let of_left = self.since(start);
        let right = side(right)?;
        let of_right = self.since(middle);
        self.rewind(start);
        let merged = match sides {
            UsingSides::Both => {
                self.repeat(&of_left, span)?;
                self.repeat(&of_right, span)?;
                let ty = left.ty();
                Expr::new(ExprKind::Coalesce(vec![left, right]), ty)
            }
            UsingSides::Either if plain(&left) || !plain(&right) => {
                self.repeat(&of_left, span)?;
                left
            }
            UsingSides::Left => {
                self.repeat(&of_left, span)?;
                left
            }
            UsingSides::Either | UsingSides::Right => {
                self.repeat(&of_right, span)?;
                right
            }
        };
        Ok(UsingColumn {
            condition: self.assign_collations(&condition, span)?,
            merged,
        })
    }

    /// The equality of GROUP BY and DISTINCT; an error where the type has none.
    pub fn grouping_equality(
        &self,
        ty: SqlType,
        span: Option<Span>,
    ) -> Result<Equality, BindError> {
        self.catalog.equality(ty.oid).ok_or_else(|| {
            let name = self.type_name(ty.oid);
            let message = format!("could not identify an equality operator for type {name}");
            error(ReasonCode::NoEquality, message, span)
        })
    }
}
