//! The state of loading: the catalog so far, the next OID, the search path; and which statement
//! goes where.

use super::{Schema, SchemaError, Warning};
use crate::typename::strings;
use pg_query::NodeEnum;
use pg_query::protobuf::{
    Node, ObjectType, RangeVar, ResTarget, SelectStmt, VariableSetKind, VariableSetStmt, a_const,
};
use spec::Span;
use spec::catalog::{Catalog, Namespace, Objects, Relation};
use spec::types::Oid;
use std::collections::{HashMap, HashSet};

/// The first OID of user objects (`FirstNormalObjectId`).
const FIRST_OID: u32 = 16_384;
/// The schema `public` has the same OID everywhere.
const PUBLIC: Oid = Oid(2200);

/// Identifiers are at most 63 bytes long.
pub(super) const MAX_NAME: usize = 63;

/// A constraint that the catalog does not keep by name, but that ALTER TABLE may name.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotNull {
    pub(super) attnum: i16,
    pub(super) valid: bool,
}

pub(super) struct Loader {
    pub(super) catalog: Catalog,
    next_oid: u32,
    warnings: Vec<Warning>,
    /// Where the statement that is being loaded stands.
    pub(super) span: Span,
    /// Where a schema file's queries are meant to be looked up in the end.
    final_path: Vec<String>,
    /// The highest attnum that a relation ever had: those of dropped columns do not come back.
    pub(super) last_attnum: HashMap<Oid, i16>,
    /// Partitioned tables that have partitions.
    pub(super) has_partitions: HashSet<Oid>,
    /// What a table is a partition or child of.
    pub(super) parents: HashMap<Oid, Vec<Oid>>,
    pub(super) not_nulls: HashMap<(Oid, String), NotNull>,
    /// Commutators and negators may be named before they exist.
    pub(super) operator_links: Vec<super::routine::OperatorLink>,
}

impl Loader {
    pub(super) fn new() -> Loader {
        let path = vec!["public".to_owned()];
        let catalog = Catalog::new(Objects {
            namespaces: vec![Namespace {
                oid: PUBLIC,
                name: "public".into(),
            }],
            search_path: path.clone(),
            ..Objects::default()
        });
        Loader {
            catalog,
            next_oid: FIRST_OID,
            warnings: Vec::new(),
            span: Span { start: 0, end: 0 },
            final_path: path,
            last_attnum: HashMap::new(),
            has_partitions: HashSet::new(),
            parents: HashMap::new(),
            not_nulls: HashMap::new(),
            operator_links: Vec::new(),
        }
    }

    pub(super) fn finish(mut self) -> Schema {
        self.link_operators();
        self.catalog.set_search_path(self.final_path);
        Schema {
            catalog: self.catalog,
            warnings: self.warnings,
        }
    }

    pub(super) fn oid(&mut self) -> Oid {
        let oid = Oid(self.next_oid);
        self.next_oid += 1;
        oid
    }

    pub(super) fn warn(&mut self, message: impl Into<String>) {
        self.warnings.push(Warning {
            message: message.into(),
            span: self.span,
        });
    }

    pub(super) fn statement(
        &mut self,
        statement: &NodeEnum,
        span: Span,
    ) -> Result<(), SchemaError> {
        self.span = span;
        match statement {
            NodeEnum::CreateSchemaStmt(s) => self.create_schema(s),
            NodeEnum::VariableSetStmt(s) => {
                self.set_variable(s);
                Ok(())
            }
            NodeEnum::SelectStmt(s) => {
                self.set_config(s);
                Ok(())
            }
            NodeEnum::CreateStmt(s) => self.create_table(s),
            NodeEnum::CreateForeignTableStmt(s) => self.create_foreign_table(s),
            NodeEnum::CreateTableAsStmt(s) => self.create_table_as(s),
            NodeEnum::ViewStmt(s) => self.create_view(s),
            NodeEnum::IndexStmt(s) => self.create_index(s),
            NodeEnum::AlterTableStmt(s) => self.alter_table(s),
            NodeEnum::CreateEnumStmt(s) => self.create_enum(s),
            NodeEnum::AlterEnumStmt(s) => self.alter_enum(s),
            NodeEnum::CreateDomainStmt(s) => self.create_domain(s),
            NodeEnum::AlterDomainStmt(s) => self.alter_domain(s),
            NodeEnum::CompositeTypeStmt(s) => self.create_composite(s),
            NodeEnum::CreateRangeStmt(s) => self.create_range(s),
            NodeEnum::CreateFunctionStmt(s) => self.create_function(s),
            NodeEnum::CreateCastStmt(s) => self.create_cast(s),
            NodeEnum::DefineStmt(s) => match s.kind() {
                ObjectType::ObjectAggregate => self.create_aggregate(s),
                ObjectType::ObjectOperator => self.create_operator(s),
                ObjectType::ObjectCollation => self.create_collation(s),
                ObjectType::ObjectType => {
                    self.warn(format!(
                        "base type {} is not known from a schema file",
                        strings(&s.defnames).join(".")
                    ));
                    Ok(())
                }
                _ => Ok(()),
            },
            NodeEnum::CreateExtensionStmt(s) => {
                if s.extname != "plpgsql" {
                    self.warn(format!(
                        "objects of extension \"{}\" are not known from a schema file: use a \
                         catalog snapshot exported from a database",
                        s.extname
                    ));
                }
                Ok(())
            }
            NodeEnum::CreateOpClassStmt(_) | NodeEnum::AlterOpFamilyStmt(_) => {
                self.warn("operator classes are not read: types have no equality through them");
                Ok(())
            }
            NodeEnum::RuleStmt(_) => {
                self.warn("rules are not read");
                Ok(())
            }
            NodeEnum::DropStmt(s) => self.drop_objects(s),
            NodeEnum::RenameStmt(_) | NodeEnum::AlterObjectSchemaStmt(_) => Err(SchemaError::new(
                "renaming and moving objects is not supported in a schema file",
            )
            .hint("Create the object under its final name.")),
            NodeEnum::AlterTypeStmt(_)
            | NodeEnum::AlterOperatorStmt(_)
            | NodeEnum::AlterFunctionStmt(_)
            | NodeEnum::AlterExtensionStmt(_)
            | NodeEnum::ImportForeignSchemaStmt(_)
            | NodeEnum::DoStmt(_)
            | NodeEnum::CallStmt(_) => {
                self.warn("this statement is not read, though it may change the schema");
                Ok(())
            }
            // Rights, comments, storage, statistics, triggers, replication, data, transactions:
            // nothing that the snapshot describes.
            _ => Ok(()),
        }
    }

    fn create_schema(
        &mut self,
        s: &pg_query::protobuf::CreateSchemaStmt,
    ) -> Result<(), SchemaError> {
        let name = match (&s.authrole, s.schemaname.as_str()) {
            (Some(role), "") => role.rolename.clone(),
            (_, name) => name.to_owned(),
        };
        match self.catalog.namespace_named(&name) {
            // pg_dump of a database whose public has changed writes it out.
            Some(n) if n.oid == PUBLIC || s.if_not_exists => {}
            Some(_) => {
                return Err(SchemaError::new(format!(
                    "schema \"{name}\" already exists"
                )));
            }
            None => {
                let oid = self.oid();
                self.catalog.add_namespace(Namespace {
                    oid,
                    name: name.clone(),
                });
            }
        }
        if s.schema_elts.is_empty() {
            return Ok(());
        }
        let path = self.catalog.objects().search_path.clone();
        let mut inner = vec![name];
        inner.extend(path.iter().cloned());
        self.catalog.set_search_path(inner);
        let span = self.span;
        let result = s
            .schema_elts
            .iter()
            .filter_map(|element| element.node.as_ref())
            .try_for_each(|element| self.statement(element, span));
        self.catalog.set_search_path(path);
        result
    }

    fn set_variable(&mut self, s: &VariableSetStmt) {
        if s.name != "search_path" {
            return;
        }
        match s.kind() {
            VariableSetKind::VarSetValue => {
                let names = s.args.iter().filter_map(constant_text).collect();
                self.set_search_path(names);
            }
            _ => self.set_search_path(vec!["public".into()]),
        }
    }

    /// `SELECT pg_catalog.set_config('search_path', '', false)`, as pg_dump writes it.
    fn set_config(&mut self, s: &SelectStmt) {
        let [target] = s.target_list.as_slice() else {
            return;
        };
        let Some(NodeEnum::ResTarget(target)) = &target.node else {
            return;
        };
        let ResTarget {
            val: Some(value), ..
        } = target.as_ref()
        else {
            return;
        };
        let Some(NodeEnum::FuncCall(call)) = &value.node else {
            return;
        };
        if strings(&call.funcname).last().map(String::as_str) != Some("set_config") {
            return;
        }
        let arguments: Vec<String> = call.args.iter().filter_map(constant_text).collect();
        if let [name, value, ..] = arguments.as_slice()
            && name == "search_path"
        {
            let names = value.split(',').map(|n| n.trim().trim_matches('"'));
            self.set_search_path(names.filter(|n| !n.is_empty()).map(str::to_owned).collect());
        }
    }

    fn set_search_path(&mut self, names: Vec<String>) {
        // "$user" is a schema that only a session can name.
        let names: Vec<String> = names.into_iter().filter(|n| n != "$user").collect();
        if !names.is_empty() {
            self.final_path = names.clone();
        }
        self.catalog.set_search_path(names);
    }

    /// The namespace that a new object goes to.
    pub(super) fn creation_namespace(&self, schema: Option<&str>) -> Result<Oid, SchemaError> {
        match schema {
            Some(schema) => self
                .catalog
                .namespace_named(schema)
                .map(|n| n.oid)
                .ok_or_else(|| SchemaError::new(format!("schema \"{schema}\" does not exist"))),
            None => {
                let path = &self.catalog.objects().search_path;
                let found = path.iter().find_map(|n| self.catalog.namespace_named(n));
                found
                    .map(|n| n.oid)
                    .ok_or_else(|| SchemaError::new("no schema has been selected to create in"))
            }
        }
    }

    /// The namespace and name of a new object that is written as a list of names.
    pub(super) fn new_name(&self, names: &[Node]) -> Result<(Oid, String), SchemaError> {
        match strings(names).as_slice() {
            [name] => Ok((self.creation_namespace(None)?, name.clone())),
            [schema, name] => Ok((self.creation_namespace(Some(schema))?, name.clone())),
            other => Err(SchemaError::new(format!(
                "improper qualified name: {}",
                other.join(".")
            ))),
        }
    }

    /// The namespace and name of a new relation; an error if it exists.
    pub(super) fn new_relation_name(
        &self,
        range: Option<&RangeVar>,
    ) -> Result<(Oid, String), SchemaError> {
        let range = range.ok_or_else(|| SchemaError::new("a relation without a name"))?;
        let namespace = self
            .creation_namespace(schema_of(range))
            .map_err(|e| e.at(range.location))?;
        Ok((namespace, range.relname.clone()))
    }

    pub(super) fn relation_in(&self, namespace: Oid, name: &str) -> Option<&Relation> {
        let schema = &self.catalog.namespace(namespace)?.name;
        self.catalog.relation_named(Some(schema), name)
    }

    /// The relation that a statement names.
    pub(super) fn relation(&self, range: Option<&RangeVar>) -> Result<&Relation, SchemaError> {
        let range = range.ok_or_else(|| SchemaError::new("a relation without a name"))?;
        let found = self
            .catalog
            .relation_named(schema_of(range), &range.relname);
        found.ok_or_else(|| {
            let name = match schema_of(range) {
                Some(schema) => format!("{schema}.{}", range.relname),
                None => range.relname.clone(),
            };
            SchemaError::new(format!("relation \"{name}\" does not exist")).at(range.location)
        })
    }

    /// DROP of what does not exist yet (as `pg_dump --clean` writes it) does nothing.
    fn drop_objects(&mut self, s: &pg_query::protobuf::DropStmt) -> Result<(), SchemaError> {
        for object in &s.objects {
            let names = match &object.node {
                Some(NodeEnum::List(list)) => strings(&list.items),
                Some(NodeEnum::TypeName(name)) => strings(&name.names),
                _ => Vec::new(),
            };
            let (schema, name) = match names.as_slice() {
                [name] => (None, name.as_str()),
                [schema, name] => (Some(schema.as_str()), name.as_str()),
                _ => continue,
            };
            let exists = match s.remove_type() {
                ObjectType::ObjectTable
                | ObjectType::ObjectView
                | ObjectType::ObjectMatview
                | ObjectType::ObjectForeignTable => {
                    self.catalog.relation_named(schema, name).is_some()
                }
                ObjectType::ObjectType | ObjectType::ObjectDomain => {
                    self.catalog.type_named(schema, name).is_some()
                }
                ObjectType::ObjectIndex => self.catalog.objects().relations.iter().any(|r| {
                    r.indexes.iter().any(|i| i.name == name)
                        || r.keys.iter().any(|k| k.name == name)
                }),
                _ => false,
            };
            if exists {
                return Err(SchemaError::new(format!(
                    "dropping \"{name}\", which the schema file creates, is not supported"
                )));
            }
        }
        Ok(())
    }

    /// A name for a constraint or an index, as PostgreSQL makes them up: `t_a_b_key`, shortened to
    /// fit, numbered to be unique in the schema.
    pub(super) fn made_up_name(
        &self,
        namespace: Oid,
        relation: &str,
        columns: &[String],
        label: &str,
    ) -> String {
        let columns = columns.join("_");
        for pass in 0_u32.. {
            let label = match pass {
                0 => label.to_owned(),
                n => format!("{label}{n}"),
            };
            let name = joined_name(relation, &columns, &label);
            let taken = self.catalog.objects().relations.iter().any(|r| {
                r.namespace == namespace
                    && (r.name == name
                        || r.indexes.iter().any(|i| i.name == name)
                        || r.keys.iter().any(|k| k.name == name)
                        || r.foreign_keys.iter().any(|f| f.name == name))
            });
            if !taken {
                return name;
            }
        }
        unreachable!("names are numbered until one is free")
    }
}

pub(super) fn schema_of(range: &RangeVar) -> Option<&str> {
    Some(range.schemaname.as_str()).filter(|s| !s.is_empty())
}

/// `first_second_label`, the longer of the first two shortened until it fits (`makeObjectName`).
fn joined_name(first: &str, second: &str, label: &str) -> String {
    let extra = label.len() + 1 + usize::from(!second.is_empty());
    let (mut a, mut b) = (first.len(), second.len());
    while a + b + extra > MAX_NAME {
        if a > b { a -= 1 } else { b -= 1 }
    }
    let (first, second) = (clip(first, a), clip(second, b));
    if second.is_empty() {
        format!("{first}_{label}")
    } else {
        format!("{first}_{second}_{label}")
    }
}

/// At most `bytes` bytes of `text`, whole characters.
pub(super) fn clip(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn constant_text(node: &Node) -> Option<String> {
    match &node.node {
        Some(NodeEnum::AConst(constant)) => match &constant.val {
            Some(a_const::Val::Sval(s)) => Some(s.sval.clone()),
            _ => None,
        },
        _ => None,
    }
}
