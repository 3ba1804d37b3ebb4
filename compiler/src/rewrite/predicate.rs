//! What the rewriter needs to know about scalar expressions.

use spec::Expr;
use spec::catalog::Catalog;
use spec::expr::{Coercion, ExprKind};
use spec::types::{Oid, SqlType, oids};

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

/// Is it proved that evaluating this raises no error, whatever the columns hold? The list is
/// short on purpose: what is not on it costs a `Consolidate`, not exactness.
pub fn error_free(e: &Expr, catalog: &Catalog) -> bool {
    use ExprKind::*;
    let here = match e.kind() {
        Column(_)
        | Const(_)
        | And(_)
        | Or(_)
        | Not(_)
        | IsNull { .. }
        | BoolTest { .. }
        | Case { .. }
        | Coalesce(_)
        | Collate(_) => true,
        Operator { operator, .. } => comparison(*operator, catalog),
        Distinct { operator, .. } | NullIf { operator, .. } => comparison(*operator, catalog),
        ScalarArray {
            operator, array, ..
        } => comparison(*operator, catalog) && matches!(array.kind(), Const(_) | Array(_)),
        Array(_) => true,
        MinMax { .. } => COMPARABLE.contains(&e.ty().oid),
        Cast { coercion, .. } => match coercion {
            Coercion::Relabel => true,
            Coercion::Function(f) => WIDENING.contains(f),
            _ => false,
        },
        _ => false,
    };
    here && e.children().iter().all(|c| error_free(c, catalog))
}

/// Types whose built-in comparisons never raise.
const COMPARABLE: [Oid; 17] = [
    oids::BOOL,
    oids::BYTEA,
    oids::CHAR,
    oids::NAME,
    oids::INT8,
    oids::INT2,
    oids::INT4,
    oids::TEXT,
    oids::OID,
    oids::FLOAT4,
    oids::FLOAT8,
    oids::BPCHAR,
    oids::DATE,
    oids::TIME,
    oids::TIMESTAMP,
    oids::NUMERIC,
    oids::UUID,
];

/// Cast functions from a smaller to a larger domain: int2→int4, int4→int8, int2→int8,
/// integers→numeric, integers→float8, float4→float8.
const WIDENING: [Oid; 10] = [
    Oid(313),
    Oid(481),
    Oid(754),
    Oid(1740),
    Oid(1781),
    Oid(1782),
    Oid(235),
    Oid(316),
    Oid(482),
    Oid(311),
];

fn comparison(operator: Oid, catalog: &Catalog) -> bool {
    catalog.operator(operator).is_some_and(|o| {
        o.namespace == oids::PG_CATALOG
            && matches!(o.name.as_str(), "=" | "<>" | "<" | "<=" | ">" | ">=")
            && COMPARABLE.contains(&o.left)
            && COMPARABLE.contains(&o.right)
    })
}
