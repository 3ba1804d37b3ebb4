//! Is there a coercion from one type to another, and which?
//!
//! A *pathway* is how `source → target` works: the row of `pg_cast` if there is one (and the context
//! admits it), else element by element between arrays, else through text where one side is of the
//! string category. Domains are looked at through their base types. Pseudo-types, `unknown` and
//! rows have no pathway: [`Typing::can_coerce`] knows them.

use super::Typing;
use super::polymorphic::is_polymorphic;
use spec::catalog::{CastContext, CastMethod, TypeKind};
use spec::types::{Oid, oids};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pathway {
    Relabel,
    Function(Oid),
    /// Element by element.
    Array,
    InOut,
}

/// A length coercion: the function, and whether it is applied to each element of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LengthCoercion {
    pub function: Oid,
    pub elementwise: bool,
}

const INT2VECTOR: Oid = Oid(22);
const OIDVECTOR: Oid = Oid(30);

/// Array types nest once, domains a little: deeper is a corrupt snapshot.
const MAX_DEPTH: usize = 16;

impl Typing<'_> {
    pub(super) fn category(&self, ty: Oid) -> char {
        self.catalog.ty(ty).map_or('U', |t| t.category)
    }

    /// Is this a preferred type of this category?
    pub(super) fn is_preferred(&self, category: char, ty: Oid) -> bool {
        let ty = self.catalog.ty(ty);
        ty.is_some_and(|t| t.category == category && t.preferred)
    }

    /// A composite type or a domain over one (`ISCOMPLEX`).
    pub(super) fn is_composite(&self, ty: Oid) -> bool {
        let base = self.catalog.ty(self.catalog.base_of(ty));
        base.is_some_and(|t| t.kind == TypeKind::Composite)
    }

    pub(super) fn pathway(
        &self,
        source: Oid,
        target: Oid,
        context: CastContext,
    ) -> Option<Pathway> {
        self.pathway_within(source, target, context, MAX_DEPTH)
    }

    fn pathway_within(
        &self,
        source: Oid,
        target: Oid,
        context: CastContext,
        depth: usize,
    ) -> Option<Pathway> {
        let depth = depth.checked_sub(1)?;
        let source = self.catalog.base_of(source);
        let target = self.catalog.base_of(target);
        if source == target {
            return Some(Pathway::Relabel);
        }
        if let Some(cast) = self.catalog.cast(source, target) {
            return (context >= cast.context).then_some(match cast.method {
                CastMethod::Function(function) => Pathway::Function(function),
                CastMethod::InOut => Pathway::InOut,
                CastMethod::Binary => Pathway::Relabel,
            });
        }
        if target != INT2VECTOR
            && target != OIDVECTOR
            && let Some(from) = self.catalog.element_type(source)
            && let Some(to) = self.catalog.element_type(target)
            && self.pathway_within(from, to, context, depth).is_some()
        {
            return Some(Pathway::Array);
        }
        let to_string = context >= CastContext::Assignment && self.category(target) == 'S';
        let from_string = context >= CastContext::Explicit && self.category(source) == 'S';
        (to_string || from_string).then_some(Pathway::InOut)
    }

    /// The function that fits values of a type to a typmod, if the type needs one.
    pub(super) fn length_coercion(&self, ty: Oid) -> Option<LengthCoercion> {
        let element = self.catalog.element_type(ty);
        let cast = self
            .catalog
            .cast(element.unwrap_or(ty), element.unwrap_or(ty))?;
        match cast.method {
            CastMethod::Function(function) => Some(LengthCoercion {
                function,
                elementwise: element.is_some(),
            }),
            CastMethod::InOut | CastMethod::Binary => None,
        }
    }

    /// Can values of these types be passed where those are declared?
    pub(super) fn can_coerce_all(
        &self,
        sources: &[Oid],
        targets: &[Oid],
        context: CastContext,
    ) -> bool {
        let mut generic = false;
        for (&source, &target) in sources.iter().zip(targets) {
            if source == target || target == oids::ANY {
                continue;
            }
            if is_polymorphic(target) {
                generic = true;
                continue;
            }
            if source == oids::UNKNOWN || self.pathway(source, target, context).is_some() {
                continue;
            }
            let rows = (source == oids::RECORD && self.is_composite(target))
                || (target == oids::RECORD && self.is_composite(source))
                || (target == oids::RECORD_ARRAY
                    && (self.catalog.element_type(source)).is_some_and(|e| self.is_composite(e)));
            if !rows {
                return false;
            }
        }
        !generic || self.polymorphic_consistent(sources, targets)
    }

    pub(crate) fn can_coerce(&self, source: Oid, target: Oid, context: CastContext) -> bool {
        self.can_coerce_all(&[source], &[target], context)
    }
}
