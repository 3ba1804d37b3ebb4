//! A small overlay for tests: one of each kind of user type.

use super::*;
use crate::types::{Oid, SqlType, oids};

pub(super) const APP: Oid = Oid(16_384);
pub(super) const APP_INT4: Oid = Oid(16_385);
/// An enum.
pub(super) const MOOD: Oid = Oid(16_386);
/// A domain over `varchar(8)`.
pub(super) const CODE: Oid = Oid(16_388);
/// A composite `(a int4, b text)`.
pub(super) const PAIR: Oid = Oid(16_390);
/// A composite with a json column.
pub(super) const HAS_JSON: Oid = Oid(16_392);
pub(super) const APP_LOWER: Oid = Oid(16_394);
/// A nondeterministic collation.
pub(super) const NOCASE: Oid = Oid(16_395);

fn ty(oid: Oid, name: &str, kind: TypeKind, category: char) -> Type {
    Type {
        oid,
        name: name.into(),
        namespace: APP,
        kind,
        category,
        preferred: false,
        len: -1,
        element: Oid::INVALID,
        array: Oid::INVALID,
        is_array: false,
        relation: Oid::INVALID,
        base: Oid::INVALID,
        base_typmod: -1,
        domain_checked: false,
        collation: Oid::INVALID,
        subtype: Oid::INVALID,
        range: Oid::INVALID,
        equality: None,
        labels: Vec::new(),
    }
}

fn relation(oid: u32, name: &str, row_type: Oid, columns: &[Oid]) -> Relation {
    let column = |(i, &ty): (usize, &Oid)| Column {
        attnum: i as i16 + 1,
        name: format!("c{i}"),
        ty: SqlType::new(ty),
        not_null: false,
        generated: Generated::No,
    };
    Relation {
        oid: Oid(oid),
        name: name.into(),
        namespace: APP,
        kind: RelationKind::Composite,
        columns: columns.iter().enumerate().map(column).collect(),
        keys: Vec::new(),
        foreign_keys: Vec::new(),
        indexes: Vec::new(),
        definition: None,
        definition_path: Vec::new(),
        row_type,
        has_children: false,
        has_foreign_parts: false,
        rows: 0.0,
        pages: 0.0,
        row_security: false,
    }
}

pub(super) fn catalog() -> Catalog {
    let base = Catalog::builtin();
    let composite = |oid: Oid, name: &str, relation: u32| Type {
        relation: Oid(relation),
        ..ty(oid, name, TypeKind::Composite, 'C')
    };
    let lower = base.function(Oid(870)).expect("lower(text)").clone();
    Catalog::new(Objects {
        namespaces: vec![Namespace {
            oid: APP,
            name: "app".into(),
        }],
        types: vec![
            ty(APP_INT4, "int4", TypeKind::Base, 'U'),
            ty(MOOD, "mood", TypeKind::Enum, 'E'),
            Type {
                base: oids::VARCHAR,
                base_typmod: 8 + 4,
                collation: oids::DEFAULT_COLLATION,
                ..ty(CODE, "code", TypeKind::Domain, 'S')
            },
            composite(PAIR, "pair", 16_391),
            composite(HAS_JSON, "has_json", 16_393),
        ],
        functions: vec![Function {
            oid: APP_LOWER,
            namespace: APP,
            ..lower
        }],
        collations: vec![Collation {
            oid: NOCASE,
            name: "nocase".into(),
            namespace: APP,
            deterministic: false,
        }],
        relations: vec![
            relation(16_391, "pair", PAIR, &[oids::INT4, oids::TEXT]),
            relation(16_393, "has_json", HAS_JSON, &[oids::INT4, oids::JSON]),
            relation(16_400, "t", Oid::INVALID, &[oids::INT4]),
            relation(16_401, "pg_class", Oid::INVALID, &[oids::INT4]),
        ],
        search_path: vec!["app".into()],
        ..Objects::default()
    })
}
