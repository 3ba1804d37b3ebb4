//! One layer of the catalog with its indexes. Indexes hold positions in the vectors of
//! [`Objects`], so the data itself stays as it was exported.

use super::data::*;
use crate::types::Oid;
use std::collections::HashMap;
use std::hash::Hash;

#[derive(Clone, Debug)]
pub(super) struct Layer {
    objects: Objects,
    namespaces: HashMap<Oid, u32>,
    types: HashMap<Oid, u32>,
    functions: HashMap<Oid, u32>,
    operators: HashMap<Oid, u32>,
    collations: HashMap<Oid, u32>,
    relations: HashMap<Oid, u32>,
    casts: HashMap<(Oid, Oid), u32>,
    row_types: HashMap<Oid, u32>,
    types_by_name: Names,
    functions_by_name: Names,
    operators_by_name: Names,
    collations_by_name: Names,
    relations_by_name: Names,
}

/// Positions by name. Most names have one object, some operators hundreds.
type Names = HashMap<Box<str>, Vec<u32>>;

fn index<T, K: Eq + Hash>(items: &[T], key: impl Fn(&T) -> K) -> HashMap<K, u32> {
    let mut map = HashMap::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        map.insert(key(item), i as u32);
    }
    map
}

fn names<T>(items: &[T], name: impl Fn(&T) -> &str) -> Names {
    let mut map = Names::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        match map.get_mut(name(item)) {
            Some(positions) => positions.push(i as u32),
            None => {
                map.insert(name(item).into(), vec![i as u32]);
            }
        }
    }
    map
}

impl Layer {
    pub(super) fn new(objects: Objects) -> Layer {
        Layer {
            namespaces: index(&objects.namespaces, |x| x.oid),
            types: index(&objects.types, |x| x.oid),
            functions: index(&objects.functions, |x| x.oid),
            operators: index(&objects.operators, |x| x.oid),
            collations: index(&objects.collations, |x| x.oid),
            relations: index(&objects.relations, |x| x.oid),
            casts: index(&objects.casts, |x| (x.source, x.target)),
            row_types: objects
                .relations
                .iter()
                .enumerate()
                .filter(|(_, r)| r.row_type.is_valid())
                .map(|(i, r)| (r.row_type, i as u32))
                .collect(),
            types_by_name: names(&objects.types, |x| &x.name),
            functions_by_name: names(&objects.functions, |x| &x.name),
            operators_by_name: names(&objects.operators, |x| &x.name),
            collations_by_name: names(&objects.collations, |x| &x.name),
            relations_by_name: names(&objects.relations, |x| &x.name),
            objects,
        }
    }

    pub(super) fn objects(&self) -> &Objects {
        &self.objects
    }

    pub(super) fn namespace(&self, oid: Oid) -> Option<&Namespace> {
        Some(&self.objects.namespaces[*self.namespaces.get(&oid)? as usize])
    }

    pub(super) fn ty(&self, oid: Oid) -> Option<&Type> {
        Some(&self.objects.types[*self.types.get(&oid)? as usize])
    }

    pub(super) fn function(&self, oid: Oid) -> Option<&Function> {
        Some(&self.objects.functions[*self.functions.get(&oid)? as usize])
    }

    pub(super) fn operator(&self, oid: Oid) -> Option<&Operator> {
        Some(&self.objects.operators[*self.operators.get(&oid)? as usize])
    }

    pub(super) fn collation(&self, oid: Oid) -> Option<&Collation> {
        Some(&self.objects.collations[*self.collations.get(&oid)? as usize])
    }

    pub(super) fn relation(&self, oid: Oid) -> Option<&Relation> {
        Some(&self.objects.relations[*self.relations.get(&oid)? as usize])
    }

    pub(super) fn row_type(&self, oid: Oid) -> Option<&Relation> {
        Some(&self.objects.relations[*self.row_types.get(&oid)? as usize])
    }

    pub(super) fn cast(&self, source: Oid, target: Oid) -> Option<&Cast> {
        Some(&self.objects.casts[*self.casts.get(&(source, target))? as usize])
    }

    pub(super) fn types_named<'a>(
        &'a self,
        name: &str,
    ) -> impl Iterator<Item = &'a Type> + use<'a> {
        at(&self.types_by_name, name).map(|i| &self.objects.types[i])
    }

    pub(super) fn functions_named<'a>(
        &'a self,
        name: &str,
    ) -> impl Iterator<Item = &'a Function> + use<'a> {
        at(&self.functions_by_name, name).map(|i| &self.objects.functions[i])
    }

    pub(super) fn operators_named<'a>(
        &'a self,
        name: &str,
    ) -> impl Iterator<Item = &'a Operator> + use<'a> {
        at(&self.operators_by_name, name).map(|i| &self.objects.operators[i])
    }

    pub(super) fn collations_named<'a>(
        &'a self,
        name: &str,
    ) -> impl Iterator<Item = &'a Collation> + use<'a> {
        at(&self.collations_by_name, name).map(|i| &self.objects.collations[i])
    }

    pub(super) fn relations_named<'a>(
        &'a self,
        name: &str,
    ) -> impl Iterator<Item = &'a Relation> + use<'a> {
        at(&self.relations_by_name, name).map(|i| &self.objects.relations[i])
    }
}

fn at<'a>(names: &'a Names, name: &str) -> impl Iterator<Item = usize> + use<'a> {
    names
        .get(name)
        .into_iter()
        .flatten()
        .map(|&position| position as usize)
}

fn note(names: &mut Names, name: &str, position: u32) {
    names.entry(name.into()).or_default().push(position);
}

/// Adding and changing.
impl Layer {
    pub(super) fn set_search_path(&mut self, path: Vec<String>) {
        self.objects.search_path = path;
    }

    pub(super) fn push_namespace(&mut self, x: Namespace) {
        let at = self.objects.namespaces.len() as u32;
        self.namespaces.insert(x.oid, at);
        self.objects.namespaces.push(x);
    }

    pub(super) fn push_type(&mut self, x: Type) {
        let at = self.objects.types.len() as u32;
        self.types.insert(x.oid, at);
        note(&mut self.types_by_name, &x.name, at);
        self.objects.types.push(x);
    }

    pub(super) fn push_function(&mut self, x: Function) {
        let at = self.objects.functions.len() as u32;
        self.functions.insert(x.oid, at);
        note(&mut self.functions_by_name, &x.name, at);
        self.objects.functions.push(x);
    }

    pub(super) fn push_operator(&mut self, x: Operator) {
        let at = self.objects.operators.len() as u32;
        self.operators.insert(x.oid, at);
        note(&mut self.operators_by_name, &x.name, at);
        self.objects.operators.push(x);
    }

    pub(super) fn push_cast(&mut self, x: Cast) {
        let at = self.objects.casts.len() as u32;
        self.casts.insert((x.source, x.target), at);
        self.objects.casts.push(x);
    }

    pub(super) fn push_collation(&mut self, x: Collation) {
        let at = self.objects.collations.len() as u32;
        self.collations.insert(x.oid, at);
        note(&mut self.collations_by_name, &x.name, at);
        self.objects.collations.push(x);
    }

    pub(super) fn push_relation(&mut self, x: Relation) {
        let at = self.objects.relations.len() as u32;
        self.relations.insert(x.oid, at);
        if x.row_type.is_valid() {
            self.row_types.insert(x.row_type, at);
        }
        note(&mut self.relations_by_name, &x.name, at);
        self.objects.relations.push(x);
    }

    pub(super) fn relation_mut(&mut self, oid: Oid) -> Option<&mut Relation> {
        Some(&mut self.objects.relations[*self.relations.get(&oid)? as usize])
    }

    pub(super) fn type_mut(&mut self, oid: Oid) -> Option<&mut Type> {
        Some(&mut self.objects.types[*self.types.get(&oid)? as usize])
    }

    pub(super) fn function_mut(&mut self, oid: Oid) -> Option<&mut Function> {
        Some(&mut self.objects.functions[*self.functions.get(&oid)? as usize])
    }

    pub(super) fn operator_mut(&mut self, oid: Oid) -> Option<&mut Operator> {
        Some(&mut self.objects.operators[*self.operators.get(&oid)? as usize])
    }
}
