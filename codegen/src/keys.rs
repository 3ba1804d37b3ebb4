//! Matching rows on keys, by the equality of SQL.
//!
//! NULL matches NULL. Where one side is proved NOT NULL that is `=`, which the planner can hash,
//! merge and look up; elsewhere `a = b OR (a IS NULL AND b IS NULL)`, which it can only look up.
//! Never `IS NOT DISTINCT FROM`, which it can do nothing with.

use crate::error::{CodegenError, Result};
use crate::expr::{Printer, Scalar, agree, operator_name};
use crate::sql::Sql;
use spec::catalog::Catalog;

/// `left = right`, by the equality of their type and the collation of `left`, on which the
/// index is.
pub fn equal(left: &Scalar, right: &Scalar, catalog: &Catalog) -> Result<Sql> {
    let ty = left.ty.oid;
    let equality = catalog.equality(ty).ok_or(CodegenError::NoEquality(ty))?;
    let operator = operator_name(equality.eq, catalog)?;
    let mut right = right.clone();
    if right.ty.collation != left.ty.collation
        && let Some(agreed) = agree(vec![right.clone()], left.ty.collation, catalog)?.pop()
    {
        right = agreed;
    }
    Ok(Sql::Binary(
        operator,
        Box::new([left.sql.clone(), right.sql]),
    ))
}

/// Does `=` suffice?
pub fn is_strict(left: &Scalar, right: &Scalar) -> bool {
    !left.nullable || !right.nullable
}

pub fn null_test(value: &Scalar, negated: bool, catalog: &Catalog) -> Result<Sql> {
    let printer = Printer {
        catalog,
        input: &[],
    };
    printer.null_test(value.sql.clone(), value.ty.oid, negated)
}

/// The null-safe match of one pair.
pub fn same(left: &Scalar, right: &Scalar, catalog: &Catalog) -> Result<Sql> {
    let equal = equal(left, right, catalog)?;
    if is_strict(left, right) {
        return Ok(equal);
    }
    let nulls = vec![
        null_test(left, false, catalog)?,
        null_test(right, false, catalog)?,
    ];
    Ok(Sql::Or(vec![equal, Sql::And(nulls)]))
}

/// The null-safe match of all pairs.
pub fn all_same(left: &[Scalar], right: &[Scalar], catalog: &Catalog) -> Result<Vec<Sql>> {
    let pairs = left.iter().zip(right);
    pairs.map(|(l, r)| same(l, r, catalog)).collect()
}

/// All pairs by `=` alone.
pub fn all_equal(left: &[Scalar], right: &[Scalar], catalog: &Catalog) -> Result<Vec<Sql>> {
    let pairs = left.iter().zip(right);
    pairs.map(|(l, r)| equal(l, r, catalog)).collect()
}

/// Those of `keys` that decide whether `=` suffices: nullable on both sides.
pub fn loose<'a>(keys: &'a [Scalar], others: &[Scalar]) -> Vec<&'a Scalar> {
    let pairs = keys.iter().zip(others);
    pairs
        .filter(|(k, o)| !is_strict(k, o))
        .map(|(k, _)| k)
        .collect()
}

/// The columns, all of which must be there.
pub fn present<'a>(
    cols: &[Option<Scalar>],
    which: impl IntoIterator<Item = &'a usize>,
) -> Result<Vec<Scalar>> {
    let missing = |c: &usize| CodegenError::Plan(format!("column {c} is not there"));
    let col = |c: &usize| cols.get(*c).cloned().flatten().ok_or_else(|| missing(c));
    which.into_iter().map(col).collect()
}
