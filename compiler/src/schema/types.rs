//! CREATE TYPE (enum, composite, range), CREATE DOMAIN, CREATE COLLATION.
//!
//! Each type brings its array type with it, a range its multirange and their constructors.

use super::SchemaError;
use super::loader::{Loader, MAX_NAME, clip};
use crate::typename::{collation_from_ast, strings, type_from_ast};
use pg_query::NodeEnum;
use pg_query::protobuf::{
    AlterDomainStmt, AlterEnumStmt, CompositeTypeStmt, ConstrType, CreateDomainStmt,
    CreateEnumStmt, CreateRangeStmt, DefElem, DefineStmt, Node,
};
use spec::catalog::{
    Cast, CastContext, CastMethod, Collation, Function, FunctionKind, RelationKind, Type, TypeKind,
    Volatility,
};
use spec::types::{Oid, oids};

impl Loader {
    /// A type with nothing said about it yet.
    fn blank_type(&mut self, namespace: Oid, name: &str, kind: TypeKind, category: char) -> Type {
        Type {
            oid: self.oid(),
            name: name.to_owned(),
            namespace,
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

    /// Adds a type and the array type over it.
    fn add_with_array(&mut self, mut ty: Type) -> Result<Oid, SchemaError> {
        let schema = self.catalog.namespace(ty.namespace).map(|n| n.name.clone());
        let taken = |name: &str| self.catalog.type_named(schema.as_deref(), name).is_some();
        if taken(&ty.name) {
            return Err(SchemaError::new(format!(
                "type \"{}\" already exists",
                ty.name
            )));
        }
        let mut array_name = format!("_{}", clip(&ty.name, MAX_NAME - 1));
        while taken(&array_name) {
            array_name = format!("_{}", clip(&array_name, MAX_NAME - 1));
        }
        let array = Type {
            element: ty.oid,
            is_array: true,
            collation: ty.collation,
            ..self.blank_type(ty.namespace, &array_name, TypeKind::Base, 'A')
        };
        ty.array = array.oid;
        let oid = ty.oid;
        self.catalog.add_type(ty);
        self.catalog.add_type(array);
        Ok(oid)
    }

    /// The row type of a relation, and the array type over it.
    pub(super) fn add_row_type(
        &mut self,
        namespace: Oid,
        name: &str,
        relation: Oid,
    ) -> Result<Oid, SchemaError> {
        let ty = self.blank_type(namespace, name, TypeKind::Composite, 'C');
        self.add_with_array(Type { relation, ..ty })
    }

    pub(super) fn create_enum(&mut self, s: &CreateEnumStmt) -> Result<(), SchemaError> {
        let (namespace, name) = self.new_name(&s.type_name)?;
        let ty = self.blank_type(namespace, &name, TypeKind::Enum, 'E');
        self.add_with_array(Type {
            len: 4,
            labels: strings(&s.vals),
            ..ty
        })?;
        Ok(())
    }

    pub(super) fn alter_enum(&mut self, s: &AlterEnumStmt) -> Result<(), SchemaError> {
        let names = strings(&s.type_name);
        let mut labels = self.existing_type(&names)?.labels.clone();
        let oid = self.existing_type(&names)?.oid;
        let position = |label: &str| {
            let found = labels.iter().position(|l| l == label);
            found.ok_or_else(|| {
                SchemaError::new(format!("\"{label}\" is not an existing enum label"))
            })
        };
        if !s.old_val.is_empty() {
            let at = position(&s.old_val)?;
            labels[at] = s.new_val.clone();
        } else if labels.contains(&s.new_val) {
            if !s.skip_if_new_val_exists {
                return Err(SchemaError::new(format!(
                    "enum label \"{}\" already exists",
                    s.new_val
                )));
            }
        } else if s.new_val_neighbor.is_empty() {
            labels.push(s.new_val.clone());
        } else {
            let at = position(&s.new_val_neighbor)? + usize::from(s.new_val_is_after);
            labels.insert(at, s.new_val.clone());
        }
        self.catalog.change_type(oid, |t| t.labels = labels);
        Ok(())
    }

    fn existing_type(&self, names: &[String]) -> Result<&Type, SchemaError> {
        let found = match names {
            [name] => self.catalog.type_named(None, name),
            [schema, name] => self.catalog.type_named(Some(schema), name),
            _ => None,
        };
        let missing = || SchemaError::new(format!("type \"{}\" does not exist", names.join(".")));
        found.ok_or_else(missing)
    }

    pub(super) fn create_domain(&mut self, s: &CreateDomainStmt) -> Result<(), SchemaError> {
        let (namespace, name) = self.new_name(&s.domainname)?;
        let type_name = s.type_name.as_ref();
        let type_name = type_name.ok_or_else(|| SchemaError::new("a domain without a type"))?;
        let base = type_from_ast(type_name, &self.catalog)?;
        let collation = match &s.coll_clause {
            Some(c) => collation_from_ast(&c.collname, c.location, &self.catalog)?,
            None => base.collation,
        };
        let below = self.catalog.ty(base.oid).cloned();
        let below = below.ok_or_else(|| SchemaError::new("a domain without a type"))?;
        let restricts = |node: &Node| match &node.node {
            Some(NodeEnum::Constraint(c)) => {
                matches!(
                    c.contype(),
                    ConstrType::ConstrCheck | ConstrType::ConstrNotnull
                )
            }
            _ => false,
        };
        let ty = self.blank_type(namespace, &name, TypeKind::Domain, below.category);
        self.add_with_array(Type {
            len: below.len,
            base: base.oid,
            base_typmod: base.typmod,
            domain_checked: below.domain_checked || s.constraints.iter().any(restricts),
            collation,
            ..ty
        })?;
        Ok(())
    }

    pub(super) fn alter_domain(&mut self, s: &AlterDomainStmt) -> Result<(), SchemaError> {
        // A dropped constraint leaves the domain "may be restricted", which is always safe.
        if matches!(s.subtype.as_str(), "C" | "O") {
            let oid = self.existing_type(&strings(&s.type_name))?.oid;
            let mut restricted = vec![oid];
            let types = &self.catalog.objects().types;
            while let Some(more) = types
                .iter()
                .find(|t| restricted.contains(&t.base) && !restricted.contains(&t.oid))
            {
                restricted.push(more.oid);
            }
            for oid in restricted {
                self.catalog.change_type(oid, |t| t.domain_checked = true);
            }
        }
        Ok(())
    }

    pub(super) fn create_composite(&mut self, s: &CompositeTypeStmt) -> Result<(), SchemaError> {
        let (namespace, name) = self.new_relation_name(s.typevar.as_ref())?;
        let columns = self.columns_of(&s.coldeflist)?;
        self.add_relation(namespace, &name, RelationKind::Composite, columns, None)?;
        Ok(())
    }

    pub(super) fn create_range(&mut self, s: &CreateRangeStmt) -> Result<(), SchemaError> {
        let (namespace, name) = self.new_name(&s.type_name)?;
        let mut subtype = None;
        let mut multirange = None;
        for definition in definitions(&s.params) {
            match (definition.defname.as_str(), argument(definition)) {
                ("subtype", Some(NodeEnum::TypeName(t))) => {
                    subtype = Some(type_from_ast(t, &self.catalog)?.oid);
                }
                ("multirange_type_name", Some(NodeEnum::TypeName(t))) => {
                    multirange = Some(self.new_name(&t.names)?);
                }
                _ => {}
            }
        }
        let subtype =
            subtype.ok_or_else(|| SchemaError::new("type attribute \"subtype\" is required"))?;
        let (multi_namespace, multi_name) =
            multirange.unwrap_or_else(|| (namespace, multirange_name(&name)));
        let mut range = self.blank_type(namespace, &name, TypeKind::Range, 'R');
        let multi = self.blank_type(multi_namespace, &multi_name, TypeKind::Multirange, 'R');
        range.subtype = subtype;
        range.range = multi.oid;
        let range_oid = self.add_with_array(range)?;
        let multi_oid = self.add_with_array(Type {
            subtype: range_oid,
            range: range_oid,
            ..multi
        })?;
        let array = self.catalog.array_type(range_oid).unwrap_or_default();
        let mut to_multirange = Oid::INVALID;
        let constructors: [(Oid, &str, Oid, Vec<Oid>, Oid); 5] = [
            (namespace, &name, range_oid, vec![subtype; 2], Oid::INVALID),
            (
                namespace,
                &name,
                range_oid,
                vec![subtype, subtype, oids::TEXT],
                Oid::INVALID,
            ),
            (
                multi_namespace,
                &multi_name,
                multi_oid,
                vec![],
                Oid::INVALID,
            ),
            (
                multi_namespace,
                &multi_name,
                multi_oid,
                vec![range_oid],
                Oid::INVALID,
            ),
            (
                multi_namespace,
                &multi_name,
                multi_oid,
                vec![array],
                range_oid,
            ),
        ];
        for (namespace, name, result, args, variadic) in constructors {
            let oid = self.oid();
            if args == [range_oid] {
                to_multirange = oid;
            }
            self.catalog.add_function(Function {
                oid,
                name: name.to_owned(),
                namespace,
                kind: FunctionKind::Function,
                args,
                arg_names: Vec::new(),
                defaults: 0,
                default_exprs: Vec::new(),
                variadic,
                result,
                out_args: Vec::new(),
                returns_set: false,
                // A bound may be NULL (none); a range of a multirange may not.
                strict: result == multi_oid,
                volatility: Volatility::Immutable,
                leakproof: false,
                aggregate: None,
            });
        }
        self.catalog.add_cast(Cast {
            source: range_oid,
            target: multi_oid,
            context: CastContext::Explicit,
            method: CastMethod::Function(to_multirange),
        });
        Ok(())
    }

    pub(super) fn create_collation(&mut self, s: &DefineStmt) -> Result<(), SchemaError> {
        let (namespace, name) = self.new_name(&s.defnames)?;
        let mut deterministic = true;
        for definition in definitions(&s.definition) {
            match (definition.defname.as_str(), argument(definition)) {
                ("deterministic", value) => deterministic = is_true(value),
                ("from", Some(NodeEnum::List(from))) => {
                    let location = definition.location;
                    let from = collation_from_ast(&from.items, location, &self.catalog)?;
                    deterministic = self.catalog.is_deterministic(from);
                }
                _ => {}
            }
        }
        let oid = self.oid();
        self.catalog.add_collation(Collation {
            oid,
            name,
            namespace,
            deterministic,
        });
        Ok(())
    }
}

/// The name of the multirange of a range: `range` in it becomes `multirange`.
fn multirange_name(range: &str) -> String {
    match range.split_once("range") {
        Some((before, after)) => clip(&format!("{before}multirange{after}"), MAX_NAME).to_owned(),
        None => format!("{}_multirange", clip(range, MAX_NAME - "_multirange".len())),
    }
}

pub(super) fn definitions(nodes: &[Node]) -> impl Iterator<Item = &DefElem> {
    nodes.iter().filter_map(|node| match &node.node {
        Some(NodeEnum::DefElem(definition)) => Some(definition.as_ref()),
        _ => None,
    })
}

pub(super) fn argument(definition: &DefElem) -> Option<&NodeEnum> {
    definition.arg.as_ref()?.node.as_ref()
}

/// A Boolean option: written alone it is true.
pub(super) fn is_true(value: Option<&NodeEnum>) -> bool {
    match value {
        None => true,
        Some(NodeEnum::Boolean(b)) => b.boolval,
        Some(NodeEnum::Integer(i)) => i.ival != 0,
        Some(NodeEnum::String(s)) => {
            matches!(s.sval.to_ascii_lowercase().as_str(), "true" | "on" | "yes")
        }
        Some(NodeEnum::TypeName(t)) => {
            matches!(
                strings(&t.names).join(".").to_ascii_lowercase().as_str(),
                "true" | "on" | "yes"
            )
        }
        Some(_) => false,
    }
}
