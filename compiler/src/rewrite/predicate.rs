//! What the rewriter needs to know about scalar expressions, besides what cannot raise
//! ([`crate::expr_facts`]).

pub use crate::expr_facts::{error_free, flat_map_error_free};
use spec::Expr;
use spec::catalog::Catalog;
use spec::expr::{Coercion, ExprKind};
use spec::types::{ColType, Oid, SqlType, oids};

/// The conjuncts of a predicate.
pub fn conjuncts(e: &Expr) -> Vec<Expr> {
    match e.kind() {
        ExprKind::And(args) => args.iter().flat_map(conjuncts).collect(),
        _ => vec![e.clone()],
    }
}

/// One predicate of many; TRUE of none.
pub fn conjunction(mut parts: Vec<Expr>) -> Expr {
    match parts.len() {
        0 => Expr::literal("t", SqlType::new(oids::BOOL)),
        1 => parts.remove(0),
        _ => Expr::new(ExprKind::And(parts), SqlType::new(oids::BOOL)),
    }
}

/// The column that the expression is an image of: itself, or relabelled to another type.
pub fn column_of(e: &Expr) -> Option<usize> {
    match e.kind() {
        ExprKind::Column(i) => Some(*i),
        ExprKind::Cast {
            arg,
            coercion: Coercion::Relabel,
            ..
        } => column_of(arg),
        _ => None,
    }
}

/// An equality that an index or a hash join can serve, and its two sides.
pub struct Equation<'e> {
    pub operator: Oid,
    pub collation: Oid,
    pub sides: [&'e Expr; 2],
}

/// Is this `a = b`, for an operator that is the equality of an operator family?
pub fn equation<'e>(e: &'e Expr, catalog: &Catalog) -> Option<Equation<'e>> {
    let ExprKind::Operator {
        operator,
        args,
        collation,
        ..
    } = e.kind()
    else {
        return None;
    };
    let [a, b] = args.as_slice() else { return None };
    let o = catalog.operator(*operator)?;
    let equality = o.can_hash || o.btree.iter().any(|(_, strategy)| *strategy == 3);
    equality.then_some(Equation {
        operator: *operator,
        collation: *collation,
        sides: [a, b],
    })
}

impl Equation<'_> {
    /// Both sides are columns of one type, compared by the equality of that type as grouping and
    /// probing compare it (which fixes either column where the other is known).
    pub fn groups(&self, catalog: &Catalog, a: SqlType, b: SqlType) -> bool {
        let collation = |ty: SqlType| {
            !ty.collation.is_valid()
                || ty.collation == self.collation
                || (catalog.is_deterministic(ty.collation)
                    && catalog.is_deterministic(self.collation))
        };
        a.oid == b.oid
            && catalog
                .equality(a.oid)
                .is_some_and(|e| e.eq == self.operator)
            && collation(a)
            && collation(b)
    }
}

/// Pairs of columns, of the left and of the right side of a join, that its conditions make equal as
/// grouping and probing compare; one for each column of the right side.
pub fn equal_columns(
    on: &[Expr],
    left: &[ColType],
    right: &[ColType],
    catalog: &Catalog,
) -> Vec<(usize, usize)> {
    let mut out: Vec<(usize, usize)> = vec![];
    for e in on.iter().filter_map(|c| equation(c, catalog)) {
        let [Some(a), Some(b)] = e.sides.map(column_of) else {
            continue;
        };
        let (a, Some(b)) = (a.min(b), a.max(b).checked_sub(left.len())) else {
            continue;
        };
        let (Some(l), Some(r)) = (left.get(a), right.get(b)) else {
            continue;
        };
        if e.groups(catalog, l.ty, r.ty) && !out.iter().any(|(_, known)| *known == b) {
            out.push((a, b));
        }
    }
    out
}

/// Constants of the expression only.
pub fn is_constant(e: &Expr) -> bool {
    e.columns().is_empty()
}

/// How many expressions it is made of.
pub fn size(e: &Expr) -> usize {
    let mut n = 0;
    e.walk(&mut |_| n += 1);
    n
}
