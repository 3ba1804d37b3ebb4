//! Growing an overlay object by object, as a schema file is read: each object can be looked up as
//! soon as it is added.

use super::data::*;
use super::{Catalog, Layer, lookup};
use crate::types::Oid;
use std::sync::Arc;

impl Catalog {
    /// The overlay, copied first if another catalog shares it.
    fn grow(&mut self) -> &mut Layer {
        Arc::make_mut(&mut self.overlay)
    }

    pub fn add_namespace(&mut self, namespace: Namespace) {
        self.grow().push_namespace(namespace);
        let path = self.objects().search_path.clone();
        self.path = lookup::search_path(self.builtin, &self.overlay, &path).into();
    }

    pub fn add_type(&mut self, ty: Type) {
        self.grow().push_type(ty);
    }

    pub fn add_function(&mut self, function: Function) {
        self.grow().push_function(function);
    }

    pub fn add_operator(&mut self, operator: Operator) {
        self.grow().push_operator(operator);
    }

    pub fn add_cast(&mut self, cast: Cast) {
        self.grow().push_cast(cast);
    }

    pub fn add_collation(&mut self, collation: Collation) {
        self.grow().push_collation(collation);
    }

    pub fn add_relation(&mut self, relation: Relation) {
        self.grow().push_relation(relation);
    }

    /// Changes a relation of the overlay, all but what it is found by (its OID, its name, its row
    /// type). Says whether there is one.
    pub fn change_relation(&mut self, oid: Oid, change: impl FnOnce(&mut Relation)) -> bool {
        self.grow().relation_mut(oid).map(change).is_some()
    }

    /// Changes a type of the overlay, all but its OID and name.
    pub fn change_type(&mut self, oid: Oid, change: impl FnOnce(&mut Type)) -> bool {
        self.grow().type_mut(oid).map(change).is_some()
    }

    /// Changes a function of the overlay, all but its OID and name.
    pub fn change_function(&mut self, oid: Oid, change: impl FnOnce(&mut Function)) -> bool {
        self.grow().function_mut(oid).map(change).is_some()
    }

    /// Changes an operator of the overlay, all but its OID and name.
    pub fn change_operator(&mut self, oid: Oid, change: impl FnOnce(&mut Operator)) -> bool {
        self.grow().operator_mut(oid).map(change).is_some()
    }

    /// From now on unqualified names mean what this path says, in [`Catalog::objects`] too.
    pub fn set_search_path(&mut self, path: Vec<String>) {
        self.path = lookup::search_path(self.builtin, &self.overlay, &path).into();
        self.grow().set_search_path(path);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    /// Adding one by one is indexing all at once.
    #[test]
    fn what_is_added_is_found() {
        let whole = fixture::catalog();
        let data = whole.objects().clone();
        let mut grown = Catalog::builtin();
        grown.set_search_path(data.search_path.clone());
        assert!(grown.relation_named(None, "t").is_none());
        data.namespaces
            .iter()
            .cloned()
            .for_each(|x| grown.add_namespace(x));
        data.types.iter().cloned().for_each(|x| grown.add_type(x));
        data.functions
            .iter()
            .cloned()
            .for_each(|x| grown.add_function(x));
        data.collations
            .iter()
            .cloned()
            .for_each(|x| grown.add_collation(x));
        data.relations
            .iter()
            .cloned()
            .for_each(|x| grown.add_relation(x));
        assert_eq!(grown.objects(), &data);
        assert_eq!(grown.search_path(), whole.search_path());
        assert_eq!(
            grown.type_named(None, "mood").map(|t| t.oid),
            Some(fixture::MOOD)
        );
        let t = grown.relation_named(None, "t").map(|r| r.oid);
        assert!(t.is_some());
        assert_eq!(t, whole.relation_named(None, "t").map(|r| r.oid));
        assert!(grown.relation_of_row_type(fixture::PAIR).is_some());
    }

    #[test]
    fn a_copy_is_not_changed() {
        let mut catalog = fixture::catalog();
        let before = catalog.clone();
        let changed = catalog.change_type(fixture::MOOD, |t| t.labels.push("new".into()));
        assert!(changed && !catalog.change_type(Oid(1), |_| ()));
        assert_eq!(catalog.ty(fixture::MOOD).map(|t| t.labels.len()), Some(1));
        assert_eq!(before.ty(fixture::MOOD).map(|t| t.labels.len()), Some(0));
    }
}
