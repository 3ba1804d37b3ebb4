//! Looking objects up: by OID, by name through the search path, and by what they are to a type.
//!
//! Names are as stored (already folded to lower case where they were not quoted). Types,
//! collations and relations have one namespace-wide name each, so looking them up follows the
//! search path here. Functions and operators are overloaded: which of them an unqualified name
//! means depends on the arguments, so [`Catalog::functions_named`] returns all, and the binder
//! decides with [`Catalog::search_path`].

use super::data::*;
use super::layer::Layer;
use super::{Catalog, builtin};
use crate::types::{Oid, SqlType, oids};

/// The namespaces of a search path: those that exist, `pg_catalog` first unless it is named.
pub(super) fn search_path(builtin: &Layer, overlay: &Layer, names: &[String]) -> Vec<Oid> {
    let find = |layer: &Layer, name: &str| {
        let found = layer.objects().namespaces.iter().find(|n| n.name == name);
        found.map(|n| n.oid)
    };
    let mut path = Vec::new();
    for name in names {
        if let Some(oid) = find(overlay, name).or_else(|| find(builtin, name))
            && !path.contains(&oid)
        {
            path.push(oid);
        }
    }
    if !path.contains(&oids::PG_CATALOG) {
        path.insert(0, oids::PG_CATALOG);
    }
    path
}

/// Domains based on domains, arrays of arrays of domains: no sane schema nests deeper, and a
/// corrupt snapshot must not loop.
pub(super) const MAX_TYPE_DEPTH: usize = 64;

/// By OID.
impl Catalog {
    pub fn namespace(&self, oid: Oid) -> Option<&Namespace> {
        let overlay = self.overlay.namespace(oid);
        overlay.or_else(|| self.builtin.namespace(oid))
    }

    /// The type with this OID.
    pub fn ty(&self, oid: Oid) -> Option<&Type> {
        self.overlay.ty(oid).or_else(|| self.builtin.ty(oid))
    }

    pub fn function(&self, oid: Oid) -> Option<&Function> {
        let overlay = self.overlay.function(oid);
        overlay.or_else(|| self.builtin.function(oid))
    }

    /// Is it a window function, and no aggregate?
    pub fn is_window_function(&self, oid: Oid) -> bool {
        let function = self.function(oid);
        function.is_some_and(|f| f.kind == FunctionKind::Window)
    }

    pub fn operator(&self, oid: Oid) -> Option<&Operator> {
        let overlay = self.overlay.operator(oid);
        overlay.or_else(|| self.builtin.operator(oid))
    }

    pub fn collation(&self, oid: Oid) -> Option<&Collation> {
        let overlay = self.overlay.collation(oid);
        overlay.or_else(|| self.builtin.collation(oid))
    }

    pub fn relation(&self, oid: Oid) -> Option<&Relation> {
        let overlay = self.overlay.relation(oid);
        overlay.or_else(|| self.builtin.relation(oid))
    }
}

/// By name.
impl Catalog {
    /// The namespaces of unqualified names, in the order in which they are searched.
    pub fn search_path(&self) -> &[Oid] {
        &self.path
    }

    pub fn namespace_named(&self, name: &str) -> Option<&Namespace> {
        let layers = [
            &self.overlay.objects().namespaces,
            &self.builtin.objects().namespaces,
        ];
        layers.into_iter().flatten().find(|n| n.name == name)
    }

    /// The type `schema.name`, or the first `name` along the search path. `name` is the catalog's
    /// name (`int4`, not `integer`; `_int4` for `int4[]`).
    pub fn type_named(&self, schema: Option<&str>, name: &str) -> Option<&Type> {
        let candidates = || {
            let overlay = self.overlay.types_named(name);
            overlay.chain(self.builtin.types_named(name))
        };
        self.first_visible(schema, candidates, |t| t.namespace)
    }

    /// The collation `schema.name`, or the first `name` along the search path.
    pub fn collation_named(&self, schema: Option<&str>, name: &str) -> Option<&Collation> {
        let candidates = || {
            let overlay = self.overlay.collations_named(name);
            overlay.chain(self.builtin.collations_named(name))
        };
        self.first_visible(schema, candidates, |c| c.namespace)
    }

    /// The relation `schema.name`, or the first `name` along the search path. Relations of the
    /// system are not part of the catalog: where the name means one of them, the answer is
    /// `None`, and [`Catalog::is_system_relation`] says so.
    pub fn relation_named(&self, schema: Option<&str>, name: &str) -> Option<&Relation> {
        let found = self.first_visible(
            schema,
            || self.overlay.relations_named(name),
            |r| r.namespace,
        )?;
        let shadowed = schema.is_none()
            && builtin::is_system_relation(name)
            && self.position(oids::PG_CATALOG) < self.position(found.namespace);
        (!shadowed).then_some(found)
    }

    /// Does this name, with this search path, mean a relation of the system (of `pg_catalog`,
    /// `information_schema` or `pg_toast`)?
    pub fn is_system_relation(&self, schema: Option<&str>, name: &str) -> bool {
        match schema {
            Some("information_schema" | "pg_toast") => true,
            Some("pg_catalog") => builtin::is_system_relation(name),
            Some(_) => false,
            None => builtin::is_system_relation(name) && self.relation_named(None, name).is_none(),
        }
    }

    /// All functions, aggregates, window functions and procedures of this name, of any namespace.
    pub fn functions_named<'a>(
        &'a self,
        name: &str,
    ) -> impl Iterator<Item = &'a Function> + use<'a> {
        let builtin = self.builtin.functions_named(name);
        self.overlay.functions_named(name).chain(builtin)
    }

    /// All operators of this name, of any namespace, prefix operators included.
    pub fn operators_named<'a>(
        &'a self,
        name: &str,
    ) -> impl Iterator<Item = &'a Operator> + use<'a> {
        let builtin = self.builtin.operators_named(name);
        self.overlay.operators_named(name).chain(builtin)
    }

    /// The operator of exactly these argument types; `left` is invalid for a prefix operator.
    /// An unqualified name is looked for along the search path.
    pub fn operator_exact(
        &self,
        schema: Option<&str>,
        name: &str,
        left: Oid,
        right: Oid,
    ) -> Option<&Operator> {
        let candidates = || {
            self.operators_named(name)
                .filter(move |o| o.left == left && o.right == right)
        };
        self.first_visible(schema, candidates, |o| o.namespace)
    }

    /// Where in the search path a namespace is; larger than all positions if it is not in it.
    pub fn position(&self, namespace: Oid) -> usize {
        let found = self.path.iter().position(|&n| n == namespace);
        found.unwrap_or(usize::MAX)
    }

    fn first_visible<'a, T, I: Iterator<Item = &'a T>>(
        &'a self,
        schema: Option<&str>,
        candidates: impl Fn() -> I,
        namespace: impl Fn(&T) -> Oid,
    ) -> Option<&'a T> {
        match schema {
            Some(schema) => {
                let wanted = self.namespace_named(schema)?.oid;
                candidates().find(|c| namespace(c) == wanted)
            }
            None => candidates()
                .filter(|c| self.path.contains(&namespace(c)))
                .min_by_key(|c| self.position(namespace(c))),
        }
    }
}

/// What is derived from a type.
impl Catalog {
    /// The row of `pg_cast`; not the casts that need none (through text, of arrays, of domains).
    pub fn cast(&self, source: Oid, target: Oid) -> Option<&Cast> {
        let overlay = self.overlay.cast(source, target);
        overlay.or_else(|| self.builtin.cast(source, target))
    }

    /// The type below all domains, with the typmod that the domains prescribe: `getBaseTypeAndTypmod`.
    /// An unknown OID is its own base.
    pub fn base_type(&self, oid: Oid, typmod: i32) -> (Oid, i32) {
        let (mut oid, mut typmod) = (oid, typmod);
        for _ in 0..MAX_TYPE_DEPTH {
            match self.ty(oid) {
                Some(t) if t.kind == TypeKind::Domain => (oid, typmod) = (t.base, t.base_typmod),
                _ => break,
            }
        }
        (oid, typmod)
    }

    /// The type below all domains.
    pub fn base_of(&self, oid: Oid) -> Oid {
        self.base_type(oid, -1).0
    }

    /// The element type of a true array (`get_element_type`): none for a domain over one.
    pub fn element_type(&self, oid: Oid) -> Option<Oid> {
        self.ty(oid).filter(|t| t.is_array).map(|t| t.element)
    }

    /// The element type of a true array, seen through domains (`get_base_element_type`).
    pub fn base_element_type(&self, oid: Oid) -> Option<Oid> {
        self.element_type(self.base_of(oid))
    }

    /// The array type over this element type (`get_array_type`).
    pub fn array_type(&self, element: Oid) -> Option<Oid> {
        self.ty(element).map(|t| t.array).filter(|a| a.is_valid())
    }

    /// The relation whose rows this composite type describes, domains over it included.
    pub fn relation_of_row_type(&self, oid: Oid) -> Option<&Relation> {
        let base = self.base_of(oid);
        let overlay = self.overlay.row_type(base);
        overlay.or_else(|| self.builtin.row_type(base))
    }

    /// The collation of values of this type where nothing says otherwise (`get_typcollation`):
    /// invalid if the type is not collatable.
    pub fn type_collation(&self, oid: Oid) -> Oid {
        self.ty(oid).map_or(Oid::INVALID, |t| t.collation)
    }

    /// The type with its own collation, and no typmod.
    pub fn sql_type(&self, oid: Oid, typmod: i32) -> SqlType {
        SqlType {
            oid,
            typmod,
            collation: self.type_collation(oid),
        }
    }

    /// Can a value of `source` stand where `target` is wanted without any change to its image
    /// (`IsBinaryCoercible`)? This sees through domains of the source, and pseudo-types such as
    /// `anyarray` accept what they stand for.
    pub fn binary_coercible(&self, source: Oid, target: Oid) -> bool {
        if source == target || matches!(target, oids::ANY | oids::ANYELEMENT | oids::ANYCOMPATIBLE)
        {
            return true;
        }
        let source = self.base_of(source);
        if source == target {
            return true;
        }
        let Some(ty) = self.ty(source) else {
            return false;
        };
        let stands_for = match target {
            oids::ANYARRAY | oids::ANYCOMPATIBLEARRAY => ty.is_array,
            oids::ANYNONARRAY | oids::ANYCOMPATIBLENONARRAY => !ty.is_array,
            oids::ANYENUM => ty.kind == TypeKind::Enum,
            oids::ANYRANGE | oids::ANYCOMPATIBLERANGE => ty.kind == TypeKind::Range,
            oids::ANYMULTIRANGE | oids::ANYCOMPATIBLEMULTIRANGE => ty.kind == TypeKind::Multirange,
            oids::RECORD => ty.kind == TypeKind::Composite,
            // `record[]`: arrays of composites.
            oids::RECORD_ARRAY => {
                let element = self.element_type(source).and_then(|e| self.ty(e));
                element.is_some_and(|e| e.kind == TypeKind::Composite)
            }
            _ => false,
        };
        stands_for
            || self.cast(source, target).is_some_and(|c| {
                c.method == CastMethod::Binary && c.context == CastContext::Implicit
            })
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn types_follow_the_search_path() {
        let catalog = fixture::catalog();
        // pg_catalog comes first although it is not named.
        assert_eq!(catalog.type_named(None, "int4").unwrap().oid, oids::INT4);
        assert_eq!(
            catalog.type_named(Some("app"), "int4").unwrap().oid,
            fixture::APP_INT4
        );
        assert_eq!(catalog.type_named(None, "mood").unwrap().oid, fixture::MOOD);
        assert!(catalog.type_named(Some("pg_catalog"), "mood").is_none());
        assert!(catalog.type_named(Some("nowhere"), "mood").is_none());

        let mut objects = catalog.objects().clone();
        objects.search_path = vec!["app".into(), "pg_catalog".into()];
        let named = Catalog::new(objects);
        assert_eq!(
            named.type_named(None, "int4").unwrap().oid,
            fixture::APP_INT4
        );
    }

    #[test]
    fn an_unlisted_schema_is_not_searched() {
        let mut objects = fixture::catalog().objects().clone();
        objects.search_path = vec!["missing".into()];
        let catalog = Catalog::new(objects);
        assert_eq!(catalog.search_path(), [oids::PG_CATALOG]);
        assert!(catalog.relation_named(None, "t").is_none());
        assert!(catalog.relation_named(Some("app"), "t").is_some());
        let listed = catalog.with_search_path(&["app".into()]);
        assert!(listed.relation_named(None, "t").is_some());
    }

    #[test]
    fn system_relations_are_told_from_unknown_ones() {
        let catalog = fixture::catalog();
        assert!(catalog.is_system_relation(None, "pg_class"));
        assert!(catalog.is_system_relation(Some("pg_catalog"), "pg_stat_activity"));
        assert!(catalog.is_system_relation(Some("information_schema"), "tables"));
        assert!(!catalog.is_system_relation(None, "pg_clas"));
        assert!(!catalog.is_system_relation(Some("app"), "pg_class"));
        // A user's table of that name hides behind pg_catalog until the path says otherwise.
        assert!(catalog.relation_named(Some("app"), "pg_class").is_some());
        assert!(catalog.relation_named(None, "pg_class").is_none());
        let mut objects = catalog.objects().clone();
        objects.search_path = vec!["app".into(), "pg_catalog".into()];
        let named = Catalog::new(objects);
        assert!(named.relation_named(None, "pg_class").is_some());
        assert!(!named.is_system_relation(None, "pg_class"));
    }

    #[test]
    fn functions_and_operators_come_from_both_layers() {
        let catalog = fixture::catalog();
        let lower: Vec<Oid> = catalog.functions_named("lower").map(|f| f.oid).collect();
        assert!(lower.contains(&Oid(870)) && lower.contains(&fixture::APP_LOWER));
        assert!(catalog.operators_named("=").count() > 50);
        let op = catalog
            .operator_exact(None, "=", oids::INT4, oids::INT8)
            .unwrap();
        assert_eq!((op.oid, op.function), (Oid(15), Oid(852)));
        let minus = catalog.operator_exact(None, "-", Oid::INVALID, oids::INT4);
        assert_eq!(minus.unwrap().oid, Oid(558));
        assert!(catalog.functions_named("no_such_function").next().is_none());
    }

    #[test]
    fn types_of_types() {
        let catalog = fixture::catalog();
        assert_eq!(catalog.base_type(fixture::CODE, -1), (oids::VARCHAR, 8 + 4));
        assert_eq!(catalog.array_type(oids::INT4), Some(Oid(1007)));
        assert_eq!(catalog.element_type(Oid(1007)), Some(oids::INT4));
        // `name` and `point` have element types, but are no arrays.
        assert_eq!(catalog.element_type(oids::NAME), None);
        assert_eq!(catalog.element_type(Oid(600)), None);
        let range = catalog.ty(Oid(3904)).unwrap();
        assert_eq!((range.subtype, range.range), (oids::INT4, Oid(4451)));
        assert_eq!(catalog.ty(Oid(4451)).unwrap().range, Oid(3904));
    }

    #[test]
    fn binary_coercion() {
        let catalog = fixture::catalog();
        for (source, target, expected) in [
            (oids::VARCHAR, oids::TEXT, true),
            (oids::TEXT, oids::VARCHAR, true),
            (oids::INT4, oids::INT8, false),
            (oids::INT4, oids::OID, true),
            (fixture::CODE, oids::TEXT, true),
            (oids::TEXT, fixture::CODE, false),
            (Oid(1007), oids::ANYARRAY, true),
            (oids::INT4, oids::ANYNONARRAY, true),
            (fixture::MOOD, oids::ANYENUM, true),
            (fixture::PAIR, oids::RECORD, true),
            (oids::INT4, oids::RECORD, false),
        ] {
            assert_eq!(
                catalog.binary_coercible(source, target),
                expected,
                "{source} -> {target}"
            );
        }
    }

    #[test]
    fn a_domain_that_is_its_own_base_does_not_loop() {
        let mut objects = fixture::catalog().objects().clone();
        objects.types.iter_mut().for_each(|t| t.base = t.oid);
        let catalog = Catalog::new(objects);
        assert_eq!(catalog.base_of(fixture::CODE), fixture::CODE);
        assert_eq!(catalog.equality(fixture::CODE), None);
    }
}
