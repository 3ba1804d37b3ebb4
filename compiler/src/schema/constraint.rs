//! Keys, foreign keys, NOT NULL, indexes: which of them bind every row (COMPILER.md 5).

use super::SchemaError;
use super::loader::{Loader, NotNull};
use crate::typename::{collation_from_ast, strings};
use pg_query::NodeEnum;
use pg_query::protobuf::{ConstrType, Constraint, IndexElem, IndexStmt};
use spec::catalog::{ForeignKey, Index, Key, Relation, RelationKind};
use spec::types::Oid;

/// A constraint on its way to a table.
pub(super) struct OnTable<'a> {
    pub(super) constraint: &'a Constraint,
    /// The column that it was written at.
    column: Option<&'a str>,
    pub(super) deferrable: bool,
    pub(super) enforced: bool,
    /// Checked against the rows that are there.
    valid: bool,
}

impl<'a> OnTable<'a> {
    pub(super) fn new(constraint: &'a Constraint) -> OnTable<'a> {
        OnTable {
            constraint,
            column: None,
            deferrable: constraint.deferrable,
            enforced: constraint.contype() != ConstrType::ConstrForeign || constraint.is_enforced,
            valid: !constraint.skip_validation,
        }
    }

    pub(super) fn of_column(constraint: &'a Constraint, column: &'a str) -> OnTable<'a> {
        OnTable {
            column: Some(column),
            // What follows a column's constraint may still say otherwise.
            enforced: true,
            ..OnTable::new(constraint)
        }
    }

    /// A new table is empty, so that NOT VALID means nothing.
    pub(super) fn at_creation(self) -> OnTable<'a> {
        OnTable {
            valid: true,
            ..self
        }
    }

    fn columns(&self, written: &[pg_query::protobuf::Node]) -> Vec<String> {
        match self.column {
            Some(column) => vec![column.to_owned()],
            None => strings(written),
        }
    }
}

impl Loader {
    fn owner(&self, oid: Oid) -> Result<&Relation, SchemaError> {
        let found = self.catalog.relation(oid);
        found.ok_or_else(|| SchemaError::new("the table is gone"))
    }

    pub(super) fn attnums(&self, table: Oid, columns: &[String]) -> Result<Vec<i16>, SchemaError> {
        let relation = self.owner(table)?;
        let attnum = |name: &String| {
            let found = relation.column_named(name).map(|c| c.attnum);
            found.ok_or_else(|| {
                SchemaError::new(format!(
                    "column \"{name}\" of relation \"{}\" does not exist",
                    relation.name
                ))
            })
        };
        columns.iter().map(attnum).collect()
    }

    /// A constraint of CREATE TABLE or ALTER TABLE ADD.
    pub(super) fn add_constraint(&mut self, table: Oid, c: OnTable<'_>) -> Result<(), SchemaError> {
        let location = c.constraint.location;
        let result = match c.constraint.contype() {
            ConstrType::ConstrNotnull => self.add_not_null(table, &c),
            ConstrType::ConstrPrimary | ConstrType::ConstrUnique => self.add_key(table, &c),
            ConstrType::ConstrForeign => self.add_foreign_key(table, &c),
            _ => Ok(()),
        };
        result.map_err(|error| match error.span {
            None => error.at(location),
            Some(_) => error,
        })
    }

    fn add_not_null(&mut self, table: Oid, c: &OnTable<'_>) -> Result<(), SchemaError> {
        let columns = c.columns(&c.constraint.keys);
        let attnums = self.attnums(table, &columns)?;
        let relation = self.owner(table)?;
        let (namespace, owner) = (relation.namespace, relation.name.clone());
        for (attnum, column) in attnums.into_iter().zip(columns) {
            let name = match c.constraint.conname.as_str() {
                "" => self.made_up_name(namespace, &owner, &[column], "not_null"),
                name => name.to_owned(),
            };
            let valid = c.valid;
            self.not_nulls
                .insert((table, name), NotNull { attnum, valid });
            if valid {
                self.set_not_null(table, &[attnum], true);
            }
        }
        Ok(())
    }

    pub(super) fn set_not_null(&mut self, table: Oid, attnums: &[i16], not_null: bool) {
        self.catalog.change_relation(table, |r| {
            for column in r.columns.iter_mut().filter(|c| attnums.contains(&c.attnum)) {
                column.not_null = not_null;
            }
        });
    }

    fn add_key(&mut self, table: Oid, c: &OnTable<'_>) -> Result<(), SchemaError> {
        let constraint = c.constraint;
        let primary = constraint.contype() == ConstrType::ConstrPrimary;
        if !constraint.indexname.is_empty() {
            return self.adopt_index(table, constraint, primary);
        }
        let columns = c.columns(&constraint.keys);
        let attnums = self.attnums(table, &columns)?;
        let relation = self.owner(table)?;
        if primary && relation.keys.iter().any(|k| k.primary) {
            return Err(SchemaError::new(format!(
                "multiple primary keys for table \"{}\" are not allowed",
                relation.name
            )));
        }
        let name = match (constraint.conname.as_str(), primary) {
            ("", true) => self.made_up_name(relation.namespace, &relation.name, &[], "pkey"),
            ("", false) => self.made_up_name(relation.namespace, &relation.name, &columns, "key"),
            (name, _) => name.to_owned(),
        };
        if primary {
            self.set_not_null(table, &attnums, true);
        }
        let method = if constraint.without_overlaps {
            "gist"
        } else {
            "btree"
        };
        let key = (!constraint.without_overlaps).then(|| Key {
            index: Oid::INVALID,
            name: name.clone(),
            columns: attnums.clone(),
            primary,
            nulls_not_distinct: constraint.nulls_not_distinct,
            deferrable: c.deferrable || constraint.initdeferred,
        });
        let index = Index {
            oid: Oid::INVALID,
            name,
            method: method.into(),
            columns: attnums,
        };
        self.add_index(table, index, key);
        Ok(())
    }

    /// `ADD CONSTRAINT … UNIQUE USING INDEX i`: the index takes the constraint's name.
    fn adopt_index(
        &mut self,
        table: Oid,
        constraint: &Constraint,
        primary: bool,
    ) -> Result<(), SchemaError> {
        let old = constraint.indexname.clone();
        let name = match constraint.conname.as_str() {
            "" => old.clone(),
            name => name.to_owned(),
        };
        let relation = self.owner(table)?;
        let Some(key) = relation.keys.iter().find(|k| k.name == old) else {
            return Err(SchemaError::new(format!("index \"{old}\" is not a key")));
        };
        let columns = key.columns.clone();
        let deferrable = constraint.deferrable;
        self.catalog.change_relation(table, |r| {
            for key in r.keys.iter_mut().filter(|k| k.name == old) {
                key.name.clone_from(&name);
                key.primary = primary;
                key.deferrable = deferrable;
            }
            for index in r.indexes.iter_mut().filter(|i| i.name == old) {
                index.name.clone_from(&name);
            }
        });
        if primary {
            self.set_not_null(table, &columns, true);
        }
        Ok(())
    }

    /// Adds an index, and the key that it enforces, under one new OID.
    fn add_index(&mut self, table: Oid, index: Index, key: Option<Key>) {
        let oid = self.oid();
        self.catalog.change_relation(table, |r| {
            if !index.columns.is_empty() {
                r.indexes.push(Index { oid, ..index });
            }
            if let Some(key) = key
                && !r.has_children
                && matches!(r.kind, RelationKind::Table | RelationKind::Partitioned)
            {
                r.keys.push(Key { index: oid, ..key });
            }
        });
    }

    /// A new partition gets the keys and indexes of its parent.
    pub(super) fn copy_partition_keys(&mut self, parent: Oid, partition: Oid) {
        let Some(parent) = self.catalog.relation(parent).cloned() else {
            return;
        };
        for index in parent.indexes {
            let Some(relation) = self.catalog.relation(partition) else {
                return;
            };
            let key = parent.keys.iter().find(|k| k.index == index.oid).cloned();
            let label = match &key {
                Some(key) if key.primary => "pkey",
                Some(_) => "key",
                None => "idx",
            };
            let columns: Vec<String> = match &key {
                Some(key) if key.primary => Vec::new(),
                _ => index
                    .columns
                    .iter()
                    .filter_map(|&a| relation.column(a).map(|c| c.name.clone()))
                    .collect(),
            };
            let name = self.made_up_name(relation.namespace, &relation.name, &columns, label);
            let key = key.map(|k| Key {
                name: name.clone(),
                ..k
            });
            self.add_index(partition, Index { name, ..index }, key);
        }
    }

    fn add_foreign_key(&mut self, table: Oid, c: &OnTable<'_>) -> Result<(), SchemaError> {
        let constraint = c.constraint;
        let columns = c.columns(&constraint.fk_attrs);
        let attnums = self.attnums(table, &columns)?;
        let target = self.relation(constraint.pktable.as_ref())?;
        let (references, written) = (target.oid, strings(&constraint.pk_attrs));
        let referenced_columns = if written.is_empty() {
            let primary = target.keys.iter().find(|k| k.primary);
            let primary = primary.ok_or_else(|| {
                SchemaError::new(format!(
                    "there is no primary key for referenced table \"{}\"",
                    target.name
                ))
            })?;
            primary.columns.clone()
        } else {
            self.attnums(references, &written)?
        };
        if referenced_columns.len() != attnums.len() {
            return Err(SchemaError::new(
                "number of referencing and referenced columns for foreign key disagree",
            ));
        }
        let relation = self.owner(table)?;
        let name = match constraint.conname.as_str() {
            "" => self.made_up_name(relation.namespace, &relation.name, &columns, "fkey"),
            name => name.to_owned(),
        };
        let oid = self.oid();
        let foreign_key = ForeignKey {
            constraint: oid,
            name,
            columns: attnums,
            references,
            referenced_columns,
            trusted: c.valid && c.enforced && !constraint.fk_with_period,
            deferrable: c.deferrable || constraint.initdeferred,
        };
        self.catalog
            .change_relation(table, |r| r.foreign_keys.push(foreign_key));
        Ok(())
    }

    pub(super) fn create_index(&mut self, s: &IndexStmt) -> Result<(), SchemaError> {
        let relation = self.relation(s.relation.as_ref())?;
        let (table, namespace, owner) = (relation.oid, relation.namespace, relation.name.clone());
        let mut names = Vec::new();
        let mut plain = true;
        let mut comparable = true;
        let mut leading = Vec::new();
        for node in &s.index_params {
            let Some(NodeEnum::IndexElem(element)) = &node.node else {
                continue;
            };
            if element.name.is_empty() {
                plain = false;
                names.push("expr".to_owned());
                continue;
            }
            let attnum = self.attnums(table, std::slice::from_ref(&element.name))?[0];
            names.push(element.name.clone());
            comparable &= self.compares_by_default(table, attnum, element)?;
            if plain {
                leading.push(attnum);
            }
        }
        let name = match s.idxname.as_str() {
            "" => {
                let mut columns: Vec<String> = Vec::new();
                for name in names {
                    let mut unique = name.clone();
                    let mut n = 0;
                    while columns.contains(&unique) {
                        n += 1;
                        unique = format!("{name}{n}");
                    }
                    columns.push(unique);
                }
                self.made_up_name(namespace, &owner, &columns, "idx")
            }
            name => {
                let taken =
                    self.catalog.objects().relations.iter().any(|r| {
                        r.namespace == namespace && r.indexes.iter().any(|i| i.name == name)
                    });
                if taken && s.if_not_exists {
                    return Ok(());
                }
                if taken {
                    return Err(SchemaError::new(format!(
                        "relation \"{name}\" already exists"
                    )));
                }
                name.to_owned()
            }
        };
        if s.where_clause.is_some() {
            return Ok(());
        }
        // CREATE INDEX … ON ONLY a partitioned table is not valid before every partition has it.
        let only = s.relation.as_ref().is_some_and(|r| !r.inh);
        if only && self.owner(table)?.kind == RelationKind::Partitioned {
            return Ok(());
        }
        let key = (s.unique && plain && comparable).then(|| Key {
            index: Oid::INVALID,
            name: name.clone(),
            columns: leading.clone(),
            primary: false,
            nulls_not_distinct: s.nulls_not_distinct,
            deferrable: false,
        });
        let method = match s.access_method.as_str() {
            "" => "btree",
            method => method,
        };
        let index = Index {
            oid: Oid::INVALID,
            name,
            method: method.to_owned(),
            columns: leading,
        };
        self.add_index(table, index, key);
        Ok(())
    }

    /// Does the index compare this column as the column's type and collation do?
    fn compares_by_default(
        &self,
        table: Oid,
        attnum: i16,
        element: &IndexElem,
    ) -> Result<bool, SchemaError> {
        // Another operator class may have another equality; which is not read.
        if !element.opclass.is_empty() {
            return Ok(false);
        }
        if element.collation.is_empty() {
            return Ok(true);
        }
        let collation = collation_from_ast(&element.collation, -1, &self.catalog)?;
        let column = self.owner(table)?.column(attnum);
        Ok(column.is_some_and(|c| c.ty.collation == collation))
    }

    pub(super) fn validate_constraint(&mut self, table: Oid, name: &str) {
        let not_null = self.not_nulls.get_mut(&(table, name.to_owned()));
        if let Some(not_null) = not_null {
            not_null.valid = true;
            let attnum = not_null.attnum;
            self.set_not_null(table, &[attnum], true);
        }
        self.catalog.change_relation(table, |r| {
            for key in r.foreign_keys.iter_mut().filter(|f| f.name == name) {
                key.trusted = true;
            }
        });
    }

    pub(super) fn drop_constraint(&mut self, table: Oid, name: &str) {
        if let Some(not_null) = self.not_nulls.remove(&(table, name.to_owned())) {
            self.set_not_null(table, &[not_null.attnum], false);
        }
        self.catalog.change_relation(table, |r| {
            r.keys.retain(|k| k.name != name);
            r.indexes.retain(|i| i.name != name);
            r.foreign_keys.retain(|f| f.name != name);
        });
    }
}
