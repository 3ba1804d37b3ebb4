//! ALTER TABLE, and what shares its grammar (ALTER INDEX, VIEW, SEQUENCE, TYPE of a composite).

use super::SchemaError;
use super::constraint::OnTable;
use super::loader::Loader;
use super::table::text;
use crate::typename::{collation_from_ast, type_from_ast};
use pg_query::NodeEnum;
use pg_query::protobuf::{AlterTableCmd, AlterTableStmt, AlterTableType, ColumnDef, ObjectType};
use spec::catalog::{Column, Generated, RelationKind};
use spec::types::Oid;

impl Loader {
    pub(super) fn alter_table(&mut self, s: &AlterTableStmt) -> Result<(), SchemaError> {
        match s.objtype() {
            ObjectType::ObjectTable
            | ObjectType::ObjectForeignTable
            | ObjectType::ObjectType
            | ObjectType::ObjectView
            | ObjectType::ObjectMatview => {}
            // Sequences and indexes.
            _ => return Ok(()),
        }
        let relation = match self.relation(s.relation.as_ref()) {
            Ok(relation) => relation,
            // pg_dump changes the owner of sequences with ALTER TABLE.
            Err(_) if s.missing_ok || s.cmds.iter().all(is_harmless) => return Ok(()),
            Err(error) => return Err(error),
        };
        let table = relation.oid;
        let only = s.relation.as_ref().is_some_and(|r| !r.inh)
            && relation.kind == RelationKind::Partitioned
            && self.has_partitions.contains(&table);
        for node in &s.cmds {
            if let Some(NodeEnum::AlterTableCmd(command)) = &node.node {
                self.alter(table, command, only)?;
            }
        }
        Ok(())
    }

    fn alter(&mut self, table: Oid, c: &AlterTableCmd, only: bool) -> Result<(), SchemaError> {
        let definition = c.def.as_ref().and_then(|d| d.node.as_ref());
        match (c.subtype(), definition) {
            (AlterTableType::AtAddColumn, Some(NodeEnum::ColumnDef(d))) => {
                self.add_column(table, d, c.missing_ok)
            }
            (AlterTableType::AtAddConstraint, Some(NodeEnum::Constraint(constraint))) => {
                if only {
                    self.warn("a constraint of ONLY the partitioned table is not trusted");
                    return Ok(());
                }
                self.add_constraint(table, OnTable::new(constraint))
            }
            (AlterTableType::AtSetNotNull, _) => {
                let attnums = self.attnums(table, std::slice::from_ref(&c.name))?;
                self.set_not_null(table, &attnums, true);
                Ok(())
            }
            (AlterTableType::AtDropNotNull, _) => {
                let attnums = self.attnums(table, std::slice::from_ref(&c.name))?;
                self.set_not_null(table, &attnums, false);
                Ok(())
            }
            (AlterTableType::AtAlterColumnType, Some(NodeEnum::ColumnDef(d))) => {
                self.retype_column(table, &c.name, d)
            }
            (AlterTableType::AtDropColumn, _) => self.drop_column(table, &c.name, c.missing_ok),
            (AlterTableType::AtSetExpression, Some(_)) => {
                let expression = c.def.as_deref().map_or(Ok(String::new()), text)?;
                let path = self.catalog.objects().search_path.clone();
                self.catalog.change_relation(table, |r| {
                    for column in r.columns.iter_mut().filter(|x| x.name == c.name) {
                        if let Generated::Virtual(old) = &mut column.generated {
                            *old = expression.clone();
                            r.definition_path.clone_from(&path);
                        }
                    }
                });
                Ok(())
            }
            (AlterTableType::AtDropExpression, _) => {
                self.catalog.change_relation(table, |r| {
                    for column in r.columns.iter_mut().filter(|x| x.name == c.name) {
                        column.generated = Generated::No;
                    }
                });
                Ok(())
            }
            (AlterTableType::AtValidateConstraint, _) => {
                self.validate_constraint(table, &c.name);
                Ok(())
            }
            (AlterTableType::AtDropConstraint, _) => {
                self.drop_constraint(table, &c.name);
                Ok(())
            }
            (AlterTableType::AtAttachPartition, Some(NodeEnum::PartitionCmd(p))) => {
                let partition = self.relation(p.name.as_ref())?.oid;
                self.has_partitions.insert(table);
                self.note_part(table, partition);
                Ok(())
            }
            (AlterTableType::AtAddInherit, Some(NodeEnum::RangeVar(parent))) => {
                let parent = self.relation(Some(parent))?.oid;
                self.note_child(parent);
                self.note_part(parent, table);
                Ok(())
            }
            (AlterTableType::AtEnableRowSecurity, _) => {
                self.catalog
                    .change_relation(table, |r| r.row_security = true);
                Ok(())
            }
            (AlterTableType::AtDisableRowSecurity, _) => {
                self.catalog
                    .change_relation(table, |r| r.row_security = false);
                Ok(())
            }
            (kind, _) if harmless(kind) => Ok(()),
            (kind, _) => Err(SchemaError::new(format!(
                "{} is not supported in a schema file",
                kind.as_str_name()
            ))),
        }
    }

    fn add_column(
        &mut self,
        table: Oid,
        d: &ColumnDef,
        missing_ok: bool,
    ) -> Result<(), SchemaError> {
        let column = self.column(d)?;
        let exists = self
            .catalog
            .relation(table)
            .is_some_and(|r| r.column_named(&d.colname).is_some());
        if exists && missing_ok {
            return Ok(());
        }
        if exists {
            let message = format!("column \"{}\" already exists", d.colname);
            return Err(SchemaError::new(message).at(d.location));
        }
        let last = self.last_attnum.entry(table).or_default();
        let next = last.checked_add(1);
        *last = next.ok_or_else(|| SchemaError::new("tables can have at most 1600 columns"))?;
        let attnum = *last;
        let path = self.catalog.objects().search_path.clone();
        self.catalog.change_relation(table, |r| {
            if matches!(column.generated, Generated::Virtual(_)) {
                r.definition_path = path;
            }
            r.columns.push(Column { attnum, ..column });
        });
        for constraint in self.column_constraints(d) {
            self.add_constraint(table, constraint)?;
        }
        Ok(())
    }

    fn retype_column(&mut self, table: Oid, name: &str, d: &ColumnDef) -> Result<(), SchemaError> {
        let attnum = self.attnums(table, &[name.to_owned()])?[0];
        let written = d.type_name.as_ref();
        let written = written.ok_or_else(|| SchemaError::new("a column without a type"))?;
        let mut ty = type_from_ast(written, &self.catalog)?;
        if let Some(clause) = &d.coll_clause {
            ty.collation = collation_from_ast(&clause.collname, clause.location, &self.catalog)?;
        }
        self.catalog.change_relation(table, |r| {
            for column in r.columns.iter_mut().filter(|c| c.attnum == attnum) {
                column.ty = ty;
            }
        });
        Ok(())
    }

    fn drop_column(&mut self, table: Oid, name: &str, missing_ok: bool) -> Result<(), SchemaError> {
        let attnum = match self.attnums(table, &[name.to_owned()]) {
            Ok(attnums) => attnums[0],
            Err(_) if missing_ok => return Ok(()),
            Err(error) => return Err(error),
        };
        self.not_nulls
            .retain(|(owner, _), n| *owner != table || n.attnum != attnum);
        self.catalog.change_relation(table, |r| {
            r.columns.retain(|c| c.attnum != attnum);
            r.keys.retain(|k| !k.columns.contains(&attnum));
            r.indexes.retain(|i| !i.columns.contains(&attnum));
            r.foreign_keys.retain(|f| !f.columns.contains(&attnum));
        });
        Ok(())
    }
}

fn is_harmless(node: &pg_query::protobuf::Node) -> bool {
    matches!(&node.node, Some(NodeEnum::AlterTableCmd(c)) if harmless(c.subtype()))
}

/// Storage, ownership, defaults, triggers, replication: nothing that the snapshot describes.
fn harmless(kind: AlterTableType) -> bool {
    use AlterTableType as T;
    matches!(
        kind,
        T::AtColumnDefault
            | T::AtSetStatistics
            | T::AtSetOptions
            | T::AtResetOptions
            | T::AtSetStorage
            | T::AtSetCompression
            | T::AtAlterColumnGenericOptions
            | T::AtChangeOwner
            | T::AtClusterOn
            | T::AtDropCluster
            | T::AtSetLogged
            | T::AtSetUnLogged
            | T::AtDropOids
            | T::AtSetAccessMethod
            | T::AtSetTableSpace
            | T::AtSetRelOptions
            | T::AtResetRelOptions
            | T::AtEnableTrig
            | T::AtEnableAlwaysTrig
            | T::AtEnableReplicaTrig
            | T::AtEnableTrigAll
            | T::AtEnableTrigUser
            | T::AtDisableTrig
            | T::AtDisableTrigUser
            | T::AtReplicaIdentity
            | T::AtForceRowSecurity
            | T::AtNoForceRowSecurity
            | T::AtGenericOptions
            | T::AtAddIdentity
            | T::AtSetIdentity
            | T::AtDropIdentity
    )
}
