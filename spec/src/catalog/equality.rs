//! Which equality the values of a type have, and whether equal values look the same.
//!
//! PostgreSQL compares containers (arrays, ranges, composites, enums) with one generic operator
//! class each, which works only if what they contain can be compared. *Image equality* is
//! `a = b  ⇒  image(a) = image(b)`: where it holds, any member of a group of equal values may stand
//! for all of them; where it does not (numeric's 1.0 and 1.00, float's 0.0 and −0.0, strings under a
//! nondeterministic collation), it matters which row is shown.

use super::Catalog;
use super::data::*;
use super::lookup::MAX_TYPE_DEPTH;
use crate::types::{Oid, SqlType, oids};

impl Catalog {
    /// The equality that GROUP BY, DISTINCT and keys use for values of this type; none for json,
    /// xml, point and for containers of them.
    ///
    /// `equal_image` holds here for every deterministic collation and every typmod: prefer
    /// [`Catalog::image_equality`], which knows both.
    pub fn equality(&self, ty: Oid) -> Option<Equality> {
        self.equality_within(ty, MAX_TYPE_DEPTH)
    }

    fn equality_within(&self, ty: Oid, depth: usize) -> Option<Equality> {
        let depth = depth.checked_sub(1)?;
        let ty = self.ty(self.base_of(ty))?;
        if ty.equality.is_some() {
            return ty.equality;
        }
        let generic = |pseudo: Oid| self.ty(pseudo).and_then(|t| t.equality);
        match ty.kind {
            TypeKind::Base if ty.is_array => {
                let element = self.equality_within(ty.element, depth)?;
                Some(contain(generic(oids::ANYARRAY)?, [element], false))
            }
            TypeKind::Enum => generic(oids::ANYENUM),
            TypeKind::Range => {
                let subtype = self.equality_within(ty.subtype, depth)?;
                // The snapshot does not tell the collation that a range compares its bounds with.
                let images = !self.type_collation(ty.subtype).is_valid();
                Some(contain(generic(oids::ANYRANGE)?, [subtype], images))
            }
            TypeKind::Multirange => {
                let range = self.equality_within(ty.range, depth)?;
                Some(contain(generic(oids::ANYMULTIRANGE)?, [range], true))
            }
            TypeKind::Composite => {
                let columns = &self.relation_of_row_type(ty.oid)?.columns;
                let columns: Option<Vec<Equality>> = columns
                    .iter()
                    .map(|c| self.equality_within(c.ty.oid, depth))
                    .collect();
                Some(contain(generic(oids::RECORD)?, columns?, false))
            }
            TypeKind::Pseudo if ty.oid == oids::RECORD_ARRAY => Some(contain(
                generic(oids::ANYARRAY)?,
                [generic(oids::RECORD)?],
                false,
            )),
            TypeKind::Base | TypeKind::Domain | TypeKind::Pseudo => None,
        }
    }

    /// Do equal values of this type (and typmod) always have equal images?
    ///
    /// "Equal" is by [`Catalog::equality`] under the type's collation; the answer is false where
    /// there is no equality. A collatable type without a collation cannot be compared at all, and
    /// is not claimed.
    pub fn image_equality(&self, ty: SqlType) -> bool {
        let (base, typmod) = match self.ty(ty.oid) {
            Some(t) if t.kind == TypeKind::Domain => self.base_type(ty.oid, ty.typmod),
            _ => (ty.oid, ty.typmod),
        };
        // Blanks at the end do not count, but under a length every value is padded to it.
        if base == oids::BPCHAR {
            return typmod >= 0 && self.is_deterministic(ty.collation);
        }
        // A declared scale is the scale of every value, and then a number has one image.
        if base == oids::NUMERIC {
            return typmod >= 0;
        }
        self.equality(base).is_some_and(|e| e.equal_image)
            && (!self.type_collation(base).is_valid() || self.is_deterministic(ty.collation))
    }

    /// Does this collation call only identical strings equal? Not claimed for one that is unknown.
    pub fn is_deterministic(&self, collation: Oid) -> bool {
        self.collation(collation).is_some_and(|c| c.deterministic)
    }
}

/// The equality of a container: its generic one, restricted by what it contains.
///
/// Arrays and composites pass `images = false` even over contents with equal images: an array may
/// carry a null bitmap that no null needs any more, and the header of a composite is not compared.
fn contain(
    generic: Equality,
    contents: impl IntoIterator<Item = Equality>,
    images: bool,
) -> Equality {
    let start = Equality {
        equal_image: images,
        ..generic
    };
    contents.into_iter().fold(start, |all, one| {
        let ordered = one.lt.is_valid();
        Equality {
            eq: all.eq,
            lt: if ordered { all.lt } else { Oid::INVALID },
            gt: if ordered { all.gt } else { Oid::INVALID },
            equal_image: all.equal_image && one.equal_image,
            hashable: all.hashable && one.hashable,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn image(ty: Oid, typmod: i32, collation: Oid) -> bool {
        fixture::catalog().image_equality(SqlType {
            oid: ty,
            typmod,
            collation,
        })
    }

    #[test]
    fn types_without_equality() {
        let catalog = fixture::catalog();
        for ty in [
            oids::JSON,
            oids::XML,
            Oid(600),
            Oid(199),
            Oid(143),
            fixture::HAS_JSON,
        ] {
            assert_eq!(catalog.equality(ty), None, "{ty}");
        }
    }

    #[test]
    fn equality_of_binary_coercible_types_is_borrowed() {
        let catalog = fixture::catalog();
        let text = catalog.equality(oids::TEXT).unwrap();
        assert_eq!((text.eq, text.lt, text.gt), (Oid(98), Oid(664), Oid(666)));
        assert_eq!(catalog.equality(oids::VARCHAR), Some(text));
        assert_eq!(catalog.equality(fixture::CODE), Some(text));
    }

    #[test]
    fn equality_of_containers() {
        let catalog = fixture::catalog();
        let array = catalog.equality(Oid(1007)).unwrap();
        assert_eq!((array.eq, array.lt), (Oid(1070), Oid(1072)));
        assert!(array.hashable && !array.equal_image);
        let mood = catalog.equality(fixture::MOOD).unwrap();
        assert_eq!(mood.eq, Oid(3516));
        assert!(mood.hashable && mood.equal_image);
        let pair = catalog.equality(fixture::PAIR).unwrap();
        assert_eq!(pair.eq, Oid(2988));
        assert!(!pair.equal_image);
        // xid has only a hash class, so arrays of it have no order.
        let xids = catalog.equality(Oid(1011)).unwrap();
        assert!(!xids.lt.is_valid() && xids.hashable);
        assert!(
            catalog.equality(Oid(3904)).unwrap().equal_image,
            "int4range"
        );
        assert!(
            !catalog.equality(Oid(3906)).unwrap().equal_image,
            "numrange"
        );
        assert!(
            catalog.equality(Oid(4451)).unwrap().equal_image,
            "int4multirange"
        );
    }

    #[test]
    fn images_of_equal_values() {
        let none = Oid::INVALID;
        for ty in [
            oids::INT4,
            oids::DATE,
            oids::TIMESTAMPTZ,
            oids::UUID,
            oids::BOOL,
            fixture::MOOD,
        ] {
            assert!(image(ty, -1, none), "{ty}");
        }
        for ty in [
            oids::NUMERIC,
            oids::FLOAT8,
            oids::INTERVAL,
            oids::JSONB,
            oids::JSON,
        ] {
            assert!(!image(ty, -1, none), "{ty}");
        }
        let scale_2 = (12 << 16) + 2 + 4;
        assert!(image(oids::NUMERIC, scale_2, none));
        assert!(image(oids::TEXT, -1, oids::DEFAULT_COLLATION));
        assert!(image(fixture::CODE, -1, oids::DEFAULT_COLLATION));
        assert!(!image(oids::TEXT, -1, fixture::NOCASE));
        assert!(!image(oids::VARCHAR, 12, fixture::NOCASE));
        assert!(
            !image(oids::TEXT, -1, none),
            "no collation, so no comparison"
        );
        assert!(!image(oids::TEXT, -1, Oid(4_000_000)), "unknown collation");
        assert!(image(oids::BPCHAR, 9, oids::DEFAULT_COLLATION));
        assert!(!image(oids::BPCHAR, -1, oids::DEFAULT_COLLATION));
        assert!(!image(oids::BPCHAR, 9, fixture::NOCASE));
    }
}
