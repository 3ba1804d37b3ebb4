//! How rows of a stored collection are found: the index that its identity needs, and the match
//! that uses it.
//!
//! | identity | index | match |
//! |---|---|---|
//! | key, narrow | unique btree, NULLS NOT DISTINCT | `=`, by cases where NULL |
//! | key, one wide column, NOT NULL | hash | `=` |
//! | key, other wide | btree on `hash_record_extended(ROW(key), 0)` | by that, then the key's own |
//! | keys, in the order of a column | btree on all, or on the hash of the keys and the column | (see `suffix.rs`) |
//! | image | btree on `pgtrickle.image_hash(ROW(all))` | by that, then `record_image_eq` |
//!
//! A key is *wide* if its values may not fit into a btree tuple (a third of a page), or if it has
//! more columns than an index can have. Then nothing
//! but the lock of the refresh keeps it unique, so rows are updated, inserted and deleted by what
//! the delta says of them.

use crate::expr::Scalar;
use crate::sql::{Name, Sql};
use spec::catalog::{Catalog, TypeKind};
use spec::types::{SqlType, oids};

/// A btree tuple has at most 2,704 bytes; this leaves room for headers and alignment.
const MAX_KEY: usize = 2_600;

/// An index has at most this many columns (`INDEX_MAX_KEYS`).
const MAX_COLUMNS: usize = 32;

/// How the rows of one key are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAccess {
    Unique,
    Hash,
    RecordHash,
    /// No index can hold these values.
    Scan,
}

pub fn key_access(key: &[spec::ColType], catalog: &Catalog) -> KeyAccess {
    let widths = key.iter().map(|c| max_width(c.ty, catalog));
    let width: Option<usize> = widths.sum();
    let ordered = key
        .iter()
        .all(|c| catalog.equality(c.ty.oid).is_some_and(|e| e.lt.is_valid()));
    let fits = key.len() <= MAX_COLUMNS && width.is_some_and(|w| w <= MAX_KEY);
    if ordered && fits {
        return KeyAccess::Unique;
    }
    let hashable = key
        .iter()
        .all(|c| catalog.equality(c.ty.oid).is_some_and(|e| e.hashable));
    match key {
        _ if !hashable => KeyAccess::Scan,
        [one] if !one.nullable => KeyAccess::Hash,
        _ => KeyAccess::RecordHash,
    }
}

/// How rows of some keys are read in the order of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderedAccess {
    /// By an index on all of them.
    Plain,
    /// By an index on the hash of the keys, and the column. Also where NULL is to match NULL, which
    /// is no equation.
    Hash,
    None,
}

pub fn ordered_access(
    keys: &[spec::ColType],
    by: spec::ColType,
    catalog: &Catalog,
) -> OrderedAccess {
    let all: Vec<spec::ColType> = keys.iter().copied().chain([by]).collect();
    let hashable = keys
        .iter()
        .all(|c| catalog.equality(c.ty.oid).is_some_and(|e| e.hashable));
    let unique = |key: &[spec::ColType]| key_access(key, catalog) == KeyAccess::Unique;
    match keys.iter().any(|c| c.nullable) {
        false if unique(&all) => OrderedAccess::Plain,
        _ if hashable && !keys.is_empty() && unique(&[by]) => OrderedAccess::Hash,
        _ => OrderedAccess::None,
    }
}

/// The most bytes that a value of this type takes, if that is bounded.
fn max_width(ty: SqlType, catalog: &Catalog) -> Option<usize> {
    const CIDR: u32 = 650;
    const INET: u32 = 869;
    const MAX_BYTES_PER_CHARACTER: usize = 4;
    let (oid, typmod) = catalog.base_type(ty.oid, ty.typmod);
    let length = usize::try_from(typmod).ok();
    let info = catalog.ty(oid)?;
    if info.len > 0 {
        return Some(8 + info.len as usize);
    }
    match oid {
        oids::VARCHAR | oids::BPCHAR => Some(8 + length?.checked_sub(4)? * MAX_BYTES_PER_CHARACTER),
        oids::BIT | oids::VARBIT => Some(16 + length? / 8),
        // At most 1,000 digits under a modifier, two bytes for four of them.
        oids::NUMERIC => length.map(|m| 16 + ((m.saturating_sub(4)) >> 16) / 2),
        _ if matches!(oid.0, CIDR | INET) => Some(32),
        _ if info.kind == TypeKind::Enum => Some(8),
        _ if info.kind == TypeKind::Range => {
            let bound = max_width(SqlType::new(info.subtype), catalog)?;
            Some(24 + 2 * bound)
        }
        _ => None,
    }
}

fn row(cols: &[Scalar]) -> Sql {
    Sql::Row(cols.iter().map(|c| c.sql.clone()).collect())
}

/// `hash_record_extended(ROW(…), 0)`: equal keys have equal hashes, NULLs included.
pub fn record_hash(key: &[Scalar]) -> Sql {
    Sql::call("hash_record_extended", vec![row(key), Sql::int8(0)])
}

/// `pgtrickle.image_hash(ROW(…))`
pub fn image_hash(cols: &[Scalar]) -> Sql {
    Sql::Call {
        function: Name::new("pgtrickle", "image_hash"),
        args: vec![row(cols)],
        variadic: false,
    }
}

/// Are the images of all these columns the same?
pub fn same_image(left: &[Scalar], right: &[Scalar]) -> Sql {
    Sql::call("record_image_eq", vec![row(left), row(right)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use spec::types::{ColType, Oid};

    fn access(columns: &[(u32, i32, bool)]) -> KeyAccess {
        let catalog = Catalog::builtin();
        let column = |&(oid, typmod, nullable): &(u32, i32, bool)| ColType {
            ty: catalog.sql_type(Oid(oid), typmod),
            nullable,
        };
        let key: Vec<ColType> = columns.iter().map(column).collect();
        key_access(&key, &catalog)
    }

    #[test]
    fn narrow_keys_are_unique() {
        for (oid, typmod) in [
            (23, -1),
            (1043, 104),
            (1700, (38 << 16 | 2) + 4),
            (2950, -1),
            (869, -1),
            (3904, -1),
            (1186, -1),
        ] {
            assert_eq!(access(&[(oid, typmod, true)]), KeyAccess::Unique, "{oid}");
        }
        assert_eq!(access(&[]), KeyAccess::Unique);
    }

    #[test]
    fn wide_keys_are_hashed() {
        for oid in [25, 17, 1043, 1700, 3802, 1009, 3906] {
            assert_eq!(access(&[(oid, -1, false)]), KeyAccess::Hash, "{oid}");
            assert_eq!(access(&[(oid, -1, true)]), KeyAccess::RecordHash, "{oid}");
        }
        assert_eq!(
            access(&[(25, -1, false), (23, -1, false)]),
            KeyAccess::RecordHash
        );
        let varchars = [(1043, 604, false), (1043, 604, false)];
        assert_eq!(access(&varchars), KeyAccess::RecordHash);
        assert_eq!(access(&[(23, -1, false); 32]), KeyAccess::Unique);
        assert_eq!(access(&[(23, -1, false); 33]), KeyAccess::RecordHash);
        // varbit compares but does not hash.
        assert_eq!(access(&[(1562, -1, false)]), KeyAccess::Scan);
    }
}
