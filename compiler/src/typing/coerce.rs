//! Inserting coercions.
//!
//! Two steps: to the type ([`Typing::coerce`]), then to the typmod ([`Typing::coerce_typmod`]). A
//! coercion goes below COLLATE, and an undecided literal becomes a literal of the target type.

use super::pathway::Pathway;
use super::{Typing, error};
use crate::bind::context::BindError;
use spec::catalog::{CastContext, TypeKind};
use spec::expr::{Coercion, ExprKind};
use spec::types::{Oid, SqlType, oids};
use spec::{Expr, ReasonCode, Span};

impl Typing<'_> {
    /// The operand as type and typmod `target` (its collation is ignored), or `None` if this
    /// context has no such coercion. `span` is of the coercion, for messages.
    pub(crate) fn coerce_to(
        &self,
        expr: Expr,
        target: SqlType,
        context: CastContext,
        span: Option<Span>,
    ) -> Result<Option<Expr>, BindError> {
        if !self.can_coerce(expr.ty().oid, target.oid, context) {
            return Ok(None);
        }
        let mut inner = &expr;
        let mut collation = None;
        while let ExprKind::Collate(arg) = inner.kind() {
            collation.get_or_insert(inner.ty().collation);
            inner = arg;
        }
        let inner = inner.clone();
        let coerced = self.coerce(inner, target.oid, target.typmod, context, span)?;
        let coerced = self.coerce_typmod(coerced, target.oid, target.typmod, context);
        Ok(Some(match collation {
            Some(collation) if self.catalog.type_collation(target.oid).is_valid() => {
                collate(coerced, collation)
            }
            _ => coerced,
        }))
    }

    /// The operand as another type. The caller has made sure that it can be coerced. The typmod is
    /// passed to coercions that apply one by themselves; [`Typing::coerce_typmod`] must follow.
    pub(super) fn coerce(
        &self,
        expr: Expr,
        target: Oid,
        typmod: i32,
        context: CastContext,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        let source = expr.ty().oid;
        if source == target {
            return Ok(expr);
        }
        match target {
            oids::ANY
            | oids::ANYELEMENT
            | oids::ANYNONARRAY
            | oids::ANYCOMPATIBLE
            | oids::ANYCOMPATIBLENONARRAY => return Ok(expr),
            oids::ANYARRAY
            | oids::ANYENUM
            | oids::ANYRANGE
            | oids::ANYMULTIRANGE
            | oids::ANYCOMPATIBLEARRAY
            | oids::ANYCOMPATIBLERANGE
            | oids::ANYCOMPATIBLEMULTIRANGE
                if source != oids::UNKNOWN =>
            {
                let base = self.catalog.base_of(source);
                return Ok(if base == source {
                    expr
                } else {
                    self.cast(expr, Coercion::Relabel, base, -1, CastContext::Implicit)
                });
            }
            _ => {}
        }
        if source == oids::UNKNOWN
            && let ExprKind::Const(text) = expr.kind()
        {
            let text = text.clone();
            let (base, base_typmod) = self.base_with_typmod(target, typmod);
            let literal = self.literal(text.as_deref(), base, base_typmod, span)?;
            return Ok(if base == target {
                literal
            } else {
                self.to_domain(literal, target, context)
            });
        }
        if let ExprKind::Collate(arg) = expr.kind() {
            let collation = expr.ty().collation;
            let coerced = self.coerce(arg.clone(), target, typmod, context, span)?;
            return Ok(if self.catalog.type_collation(target).is_valid() {
                collate(coerced, collation)
            } else {
                coerced
            });
        }
        match self.pathway(source, target, context) {
            Some(Pathway::Relabel) => {
                let is_domain = self.catalog.base_of(target) != target;
                return Ok(if is_domain {
                    self.to_domain(expr, target, context)
                } else {
                    self.cast(expr, Coercion::Relabel, target, -1, context)
                });
            }
            Some(pathway) => {
                let (base, base_typmod) = self.base_with_typmod(target, typmod);
                let coerced = self.convert(expr, pathway, base, base_typmod, context, span)?;
                return Ok(if base == target {
                    coerced
                } else {
                    self.to_domain(coerced, target, context)
                });
            }
            None => {}
        }
        if source == oids::RECORD && self.is_composite(target) {
            return self.record_to_composite(expr, target, context, span);
        }
        if target == oids::RECORD || target == oids::RECORD_ARRAY {
            return Ok(expr);
        }
        Err(error(
            ReasonCode::Type,
            format!(
                "cannot cast type {} to {}",
                self.type_name(source),
                self.type_name(target)
            ),
            span,
        ))
    }

    /// Fits a value of this type (already) to a typmod.
    pub(super) fn coerce_typmod(
        &self,
        expr: Expr,
        target: Oid,
        typmod: i32,
        context: CastContext,
    ) -> Expr {
        if expr.ty().typmod == typmod {
            return expr;
        }
        let length = (typmod >= 0)
            .then(|| self.length_coercion(target))
            .flatten();
        let Some(length) = length else {
            if let ExprKind::Const(text) = expr.kind() {
                let ty = SqlType {
                    typmod,
                    ..expr.ty()
                };
                return Expr::new(ExprKind::Const(text.clone()), ty);
            }
            return self.cast(expr, Coercion::Relabel, target, typmod, context);
        };
        self.note_function(length.function, &[], None);
        let coercion = if length.elementwise {
            Coercion::Array(length.function)
        } else {
            Coercion::Function(length.function)
        };
        self.cast(expr, coercion, target, typmod, context)
    }

    fn convert(
        &self,
        expr: Expr,
        pathway: Pathway,
        target: Oid,
        typmod: i32,
        context: CastContext,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        Ok(match pathway {
            Pathway::Relabel => self.cast(expr, Coercion::Relabel, target, -1, context),
            Pathway::Function(function) => {
                self.note_function(function, &[], span);
                // A cast function with a second argument applies the typmod, too.
                let with_typmod =
                    (self.catalog.function(function)).is_some_and(|f| f.args.len() >= 2);
                let typmod = if with_typmod { typmod } else { -1 };
                self.cast(expr, Coercion::Function(function), target, typmod, context)
            }
            Pathway::InOut => {
                self.note_io(&expr, target, span);
                self.cast(expr, Coercion::InOut, target, -1, context)
            }
            Pathway::Array => {
                let source = self.catalog.base_element_type(expr.ty().oid);
                let element = self.catalog.element_type(target);
                let (Some(source), Some(element)) = (source, element) else {
                    return Err(self.no_cast(expr.ty().oid, target, span));
                };
                // What happens to one element, tried on one.
                let source_typmod = self.catalog.base_type(expr.ty().oid, expr.ty().typmod).1;
                let sample = Expr::column(0, self.catalog.sql_type(source, source_typmod));
                let wanted = SqlType {
                    typmod,
                    ..SqlType::new(element)
                };
                let Some(one) = self.coerce_to(sample, wanted, context, span)? else {
                    return Err(self.no_cast(expr.ty().oid, target, span));
                };
                let function = match one.kind() {
                    ExprKind::Cast {
                        coercion: Coercion::Function(function),
                        ..
                    } => *function,
                    _ => Oid::INVALID,
                };
                let typmod = one.ty().typmod;
                self.cast(expr, Coercion::Array(function), target, typmod, context)
            }
        })
    }

    fn no_cast(&self, source: Oid, target: Oid, span: Option<Span>) -> BindError {
        let (source, target) = (self.type_name(source), self.type_name(target));
        error(
            ReasonCode::Type,
            format!("cannot cast type {source} to {target}"),
            span,
        )
    }

    /// `getBaseTypeAndTypmod`: for what is no domain, the typmod that was asked for.
    fn base_with_typmod(&self, target: Oid, typmod: i32) -> (Oid, i32) {
        self.catalog.base_type(target, typmod)
    }

    /// A value that fits the base type of a domain, as the domain.
    fn to_domain(&self, expr: Expr, domain: Oid, context: CastContext) -> Expr {
        let (base, typmod) = self.base_with_typmod(domain, -1);
        let expr = if typmod >= 0 || expr.ty().oid == base {
            self.coerce_typmod(expr, base, typmod, context)
        } else {
            expr
        };
        let checked = self.catalog.ty(domain).is_none_or(|t| t.domain_checked);
        let coercion = if checked {
            Coercion::Domain
        } else {
            Coercion::Relabel
        };
        self.cast(expr, coercion, domain, -1, context)
    }

    /// `ROW(…)` as a composite type, field by field.
    fn record_to_composite(
        &self,
        expr: Expr,
        target: Oid,
        context: CastContext,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        let base = self.catalog.base_of(target);
        let relation = self.catalog.relation_of_row_type(base);
        let (ExprKind::Row { fields, .. }, Some(relation)) = (expr.kind(), relation) else {
            return Err(self.no_cast(expr.ty().oid, target, span));
        };
        if fields.len() != relation.columns.len() {
            let which = if fields.len() < relation.columns.len() {
                "few"
            } else {
                "many"
            };
            let message = format!(
                "cannot cast type record to {}: the input has too {which} columns",
                self.type_name(target)
            );
            return Err(error(ReasonCode::Type, message, span));
        }
        let mut coerced = Vec::with_capacity(fields.len());
        for (field, column) in fields.iter().zip(&relation.columns) {
            let source = field.ty().oid;
            let field = self.coerce_to(field.clone(), column.ty, context, span)?;
            coerced.push(field.ok_or_else(|| {
                let message = format!(
                    "cannot cast type record to {}: cannot cast type {} to {} in column {}",
                    self.type_name(target),
                    self.type_name(source),
                    self.type_name(column.ty.oid),
                    column.name,
                );
                error(ReasonCode::Type, message, span)
            })?);
        }
        let row = ExprKind::Row {
            fields: coerced,
            names: relation
                .columns
                .iter()
                .map(|c| c.name.as_str().into())
                .collect(),
        };
        let row = Expr::new(row, SqlType::new(oids::RECORD));
        let row = self.cast(row, Coercion::Row, base, -1, context);
        Ok(if base == target {
            row
        } else {
            self.to_domain(row, target, context)
        })
    }

    fn cast(
        &self,
        arg: Expr,
        coercion: Coercion,
        target: Oid,
        typmod: i32,
        context: CastContext,
    ) -> Expr {
        let ty = SqlType {
            typmod,
            ..self.catalog.sql_type(target, typmod)
        };
        let explicit = context == CastContext::Explicit;
        // A relabelling of a relabelling, or of a literal, is one.
        if coercion == Coercion::Relabel
            && let ExprKind::Cast {
                arg: inner,
                coercion: Coercion::Relabel,
                explicit: inner_explicit,
            } = arg.kind()
            && !self.is_domain(arg.ty().oid)
        {
            return Expr::new(
                ExprKind::Cast {
                    arg: inner.clone(),
                    coercion,
                    explicit: explicit || *inner_explicit,
                },
                ty,
            );
        }
        Expr::new(
            ExprKind::Cast {
                arg,
                coercion,
                explicit,
            },
            ty,
        )
    }

    pub(super) fn is_domain(&self, ty: Oid) -> bool {
        self.catalog
            .ty(ty)
            .is_some_and(|t| t.kind == TypeKind::Domain)
    }

    /// The operand as boolean, where `clause` (as in `WHERE`) demands a condition.
    pub fn coerce_to_boolean(
        &self,
        expr: Expr,
        clause: &str,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        self.coerce_to_specific(expr, oids::BOOL, clause, span)
    }

    /// The operand as `target`, by assignment coercion (conditions: boolean; LIMIT: int8).
    pub fn coerce_to_specific(
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
        let wanted = SqlType::new(target);
        let coerced = self.coerce_to(expr, wanted, CastContext::Assignment, span)?;
        let coerced = coerced.ok_or_else(|| {
            let (target, source) = (self.type_name(target), self.type_name(source));
            let message = format!("argument of {clause} must be type {target}, not type {source}");
            error(ReasonCode::Type, message, span)
        })?;
        self.assign_collations(&coerced, span)
    }

    /// A literal that nothing decided becomes text; everything else stays.
    pub fn resolve_unknown(&self, expr: Expr) -> Expr {
        match expr.kind() {
            ExprKind::Const(text) if expr.ty().oid == oids::UNKNOWN => Expr::new(
                ExprKind::Const(text.clone()),
                self.catalog.sql_type(oids::TEXT, -1),
            ),
            ExprKind::Collate(arg) if expr.ty().oid == oids::UNKNOWN => {
                collate(self.resolve_unknown(arg.clone()), expr.ty().collation)
            }
            _ => expr,
        }
    }

    /// `expr::target`, as written by the user.
    pub(crate) fn explicit_cast(
        &self,
        expr: Expr,
        target: SqlType,
        span: Option<Span>,
    ) -> Result<Expr, BindError> {
        let source = expr.ty().oid;
        let cast = self.coerce_to(expr, target, CastContext::Explicit, span)?;
        cast.ok_or_else(|| self.no_cast(source, target.oid, span))
    }
}

pub(crate) fn collate(arg: Expr, collation: Oid) -> Expr {
    let ty = SqlType {
        collation,
        ..arg.ty()
    };
    Expr::new(ExprKind::Collate(arg), ty)
}
