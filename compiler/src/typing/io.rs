//! The text form of a type, and what it depends on.
//!
//! A coercion through text calls the source's output function and the target's input function. Some
//! of them read the catalog, or the time (`'today'`), and are STABLE. What they make of settings is
//! steady (see [`crate::settled`]). `pg_type.typinput` and `typoutput` are not part of the snapshot: built-in types are
//! listed here, containers follow their contents, other types are looked up by the naming
//! convention that every extension follows, and are held STABLE where that finds nothing.

use super::Typing;
use spec::catalog::{Catalog, Type, TypeKind, Volatility};
use spec::expr::ExprKind;
use spec::types::{Oid, oids};
use spec::{Expr, Span};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    In,
    Out,
}

const CSTRING: Oid = Oid(2275);

/// Built-in base types whose text form names something of the catalog.
const OF_CATALOG: &[u32] = &[
    24, 1033, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096, 4191,
];

/// Those whose text may say `now` or `today`.
const OF_TIME: &[Oid] = &[
    oids::DATE,
    oids::TIME,
    oids::TIMETZ,
    oids::TIMESTAMP,
    oids::TIMESTAMPTZ,
];

impl Typing<'_> {
    pub(super) fn note_io(&self, source: &Expr, target: Oid, span: Option<Span>) {
        let volatility = cast_volatility(self.catalog, source, target);
        let what = || {
            let (source, target) = (self.type_name(source.ty().oid), self.type_name(target));
            format!("the cast from {source} to {target} (through its text form)")
        };
        self.note_unsteady(what, volatility, span);
    }
}

impl Typing<'_> {
    /// A value of this type is read from text.
    pub(crate) fn note_input(&self, ty: Oid, span: Option<Span>) {
        let volatility = text_volatility(self.catalog, ty, Direction::In, 0);
        let what = || format!("reading type {} from text", self.type_name(ty));
        self.note_unsteady(what, volatility, span);
    }
}

/// Of a coercion from one type to another through text.
pub(crate) fn io_volatility(catalog: &Catalog, source: Oid, target: Oid) -> Volatility {
    let out = text_volatility(catalog, source, Direction::Out, 0);
    let into = text_volatility(catalog, target, Direction::In, 0);
    out.max(into)
}

/// The same of a value: what a row without a type of its own consists of may be known.
pub(crate) fn cast_volatility(catalog: &Catalog, source: &Expr, target: Oid) -> Volatility {
    let into = text_volatility(catalog, target, Direction::In, 0);
    written_volatility(catalog, source).max(into)
}

fn written_volatility(catalog: &Catalog, value: &Expr) -> Volatility {
    let parts: Vec<&Expr> = match (value.ty().oid, value.kind()) {
        (_, ExprKind::Const(None)) | (oids::UNKNOWN, _) => vec![],
        (oids::RECORD, ExprKind::Row { fields, .. }) => fields.iter().collect(),
        // What SEARCH and CYCLE show is made of these fields, or of arrays of them.
        (oids::RECORD | oids::RECORD_ARRAY, ExprKind::Verbatim { args, .. }) => {
            args.iter().collect()
        }
        (oids::RECORD, ExprKind::Subscript { container, .. }) => vec![container],
        (oids::RECORD | oids::RECORD_ARRAY, ExprKind::Case { whens, otherwise }) => {
            let values = whens.iter().map(|(_, then)| then);
            values.chain([otherwise]).collect()
        }
        (ty, _) => return text_volatility(catalog, ty, Direction::Out, 0),
    };
    let parts = parts.into_iter().map(|p| written_volatility(catalog, p));
    parts.max().unwrap_or(Volatility::Immutable)
}

fn text_volatility(catalog: &Catalog, ty: Oid, direction: Direction, depth: usize) -> Volatility {
    let Some(ty) = catalog.ty(catalog.base_of(ty)).filter(|_| depth < 8) else {
        return Volatility::Stable;
    };
    let part = |part: Oid| text_volatility(catalog, part, direction, depth + 1);
    match ty.kind {
        TypeKind::Base if ty.is_array => part(ty.element),
        TypeKind::Range => part(ty.subtype),
        TypeKind::Multirange => part(ty.range),
        TypeKind::Composite => match catalog.relation_of_row_type(ty.oid) {
            Some(relation) => relation
                .columns
                .iter()
                .map(|c| part(c.ty.oid))
                .max()
                .unwrap_or(Volatility::Immutable),
            None => Volatility::Stable,
        },
        // A label can be renamed.
        TypeKind::Enum | TypeKind::Pseudo | TypeKind::Domain => Volatility::Stable,
        TypeKind::Base if ty.oid.0 < spec::catalog::FIRST_UNPINNED => {
            let stable = OF_CATALOG.contains(&ty.oid.0)
                || (direction == Direction::In && OF_TIME.contains(&ty.oid));
            if stable {
                Volatility::Stable
            } else {
                Volatility::Immutable
            }
        }
        TypeKind::Base => io_function(catalog, ty, direction).unwrap_or(Volatility::Stable),
    }
}

fn io_function(catalog: &Catalog, ty: &Type, direction: Direction) -> Option<Volatility> {
    let suffix = match direction {
        Direction::In => "in",
        Direction::Out => "out",
    };
    [
        format!("{}{suffix}", ty.name),
        format!("{}_{suffix}", ty.name),
    ]
    .iter()
    .flat_map(|name| catalog.functions_named(name))
    .find(|f| match direction {
        Direction::In => f.result == ty.oid && f.args.first() == Some(&CSTRING),
        Direction::Out => f.result == CSTRING && f.args == [ty.oid],
    })
    .map(|f| f.volatility)
}
