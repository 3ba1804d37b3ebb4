//! CREATE TABLE with its columns, foreign tables, views, materialized views.

use super::SchemaError;
use super::constraint::OnTable;
use super::loader::{Loader, schema_of};
use crate::typename::{collation_from_ast, strings, type_from_ast};
use pg_query::NodeEnum;
use pg_query::protobuf::{
    ColumnDef, ConstrType, Constraint, CreateForeignTableStmt, CreateStmt, CreateTableAsStmt,
    LimitOption, Node, ObjectType, ParseResult, RawStmt, ResTarget, SelectStmt, SetOperation,
    TypeName, ViewStmt,
};
use spec::catalog::{Column, Generated, Relation, RelationKind};
use spec::types::{Oid, SqlType, oids};

/// What `LIKE` may copy beside columns: bits of its options.
const LIKE_GENERATED: u32 = 1 << 4;
const LIKE_INDEXES: u32 = 1 << 6;

impl Loader {
    pub(super) fn create_table(&mut self, s: &CreateStmt) -> Result<(), SchemaError> {
        let kind = match s.partspec {
            Some(_) => RelationKind::Partitioned,
            None => RelationKind::Table,
        };
        self.create_table_of(s, kind)
    }

    pub(super) fn create_foreign_table(
        &mut self,
        s: &CreateForeignTableStmt,
    ) -> Result<(), SchemaError> {
        match &s.base_stmt {
            Some(base) => self.create_table_of(base, RelationKind::Foreign),
            None => Err(SchemaError::new("a foreign table without a definition")),
        }
    }

    fn create_table_of(&mut self, s: &CreateStmt, kind: RelationKind) -> Result<(), SchemaError> {
        if let Some(range) = &s.relation {
            if range.relpersistence == "t" {
                self.warn(format!("temporary table \"{}\" is not read", range.relname));
                return Ok(());
            }
            let exists = self
                .catalog
                .relation_named(schema_of(range), &range.relname);
            if s.if_not_exists && exists.is_some() {
                return Ok(());
            }
        }
        let (namespace, name) = self.new_relation_name(s.relation.as_ref())?;
        let mut columns: Vec<Column> = Vec::new();
        for parent in &s.inh_relations {
            if let Some(NodeEnum::RangeVar(parent)) = &parent.node {
                for column in self.relation(Some(parent))?.columns.clone() {
                    merge(&mut columns, column);
                }
            }
        }
        if let Some(of) = &s.of_typename {
            let ty = type_from_ast(of, &self.catalog)?;
            let composite = self.catalog.relation_of_row_type(ty.oid);
            columns.extend(composite.into_iter().flat_map(|r| r.columns.clone()));
        }
        let mut inherited: Vec<String> = columns.iter().map(|c| c.name.clone()).collect();
        let mut constraints: Vec<OnTable<'_>> = Vec::new();
        for element in &s.table_elts {
            match &element.node {
                Some(NodeEnum::ColumnDef(c)) => {
                    constraints.extend(self.column_constraints(c));
                    let merges = inherited.iter().position(|name| *name == c.colname);
                    match merges.map(|at| inherited.swap_remove(at)) {
                        // Of a type or a parent: options for a column that is there already.
                        Some(_) if c.type_name.is_none() => {}
                        Some(_) => merge(&mut columns, self.column(c)?),
                        None => columns.push(self.column(c)?),
                    }
                }
                Some(NodeEnum::TableLikeClause(like)) => {
                    for mut column in self.relation(like.relation.as_ref())?.columns.clone() {
                        if like.options & LIKE_GENERATED == 0 {
                            column.generated = Generated::No;
                        }
                        columns.push(column);
                    }
                    if like.options & LIKE_INDEXES != 0 {
                        self.warn("keys and indexes that LIKE copies are not read");
                    }
                }
                Some(NodeEnum::Constraint(c)) => constraints.push(OnTable::new(c)),
                _ => {}
            }
        }
        for node in &s.constraints {
            if let Some(NodeEnum::Constraint(c)) = &node.node {
                constraints.push(OnTable::new(c));
            }
        }
        for (i, column) in columns.iter_mut().enumerate() {
            column.attnum = i16::try_from(i + 1)
                .map_err(|_| SchemaError::new("tables can have at most 1600 columns"))?;
        }
        let oid = self.add_relation(namespace, &name, kind, columns, None)?;
        for parent in &s.inh_relations {
            if let Some(NodeEnum::RangeVar(parent)) = &parent.node {
                let parent = self.relation(Some(parent))?;
                let (parent_oid, partitioned) =
                    (parent.oid, parent.kind == RelationKind::Partitioned);
                if partitioned {
                    self.has_partitions.insert(parent_oid);
                    self.copy_partition_keys(parent_oid, oid);
                } else {
                    self.note_child(parent_oid);
                }
                self.note_part(parent_oid, oid);
            }
        }
        // Keys first: a foreign key may reference the table itself.
        let is_foreign = |c: &OnTable<'_>| c.constraint.contype() == ConstrType::ConstrForeign;
        let (foreign, local): (Vec<_>, Vec<_>) = constraints.into_iter().partition(is_foreign);
        for constraint in local.into_iter().chain(foreign) {
            self.add_constraint(oid, constraint.at_creation())?;
        }
        Ok(())
    }

    /// An inherited key binds each table by itself; what is declared on the parent no longer
    /// binds all rows that reading the parent returns.
    pub(super) fn note_child(&mut self, parent: Oid) {
        self.catalog.change_relation(parent, |r| {
            r.has_children = true;
            r.keys.clear();
        });
    }

    /// What is read through its parts has a foreign table among them if one of them is, or has.
    pub(super) fn note_part(&mut self, parent: Oid, part: Oid) {
        self.parents.entry(part).or_default().push(parent);
        let relation = self.catalog.relation(part);
        if !relation.is_some_and(|r| r.kind == RelationKind::Foreign || r.has_foreign_parts) {
            return;
        }
        let mut above = vec![parent];
        while let Some(table) = above.pop() {
            self.catalog
                .change_relation(table, |r| r.has_foreign_parts = true);
            above.extend(self.parents.get(&table).into_iter().flatten());
        }
    }

    pub(super) fn add_relation(
        &mut self,
        namespace: Oid,
        name: &str,
        kind: RelationKind,
        columns: Vec<Column>,
        definition: Option<String>,
    ) -> Result<Oid, SchemaError> {
        if self.relation_in(namespace, name).is_some() {
            return Err(SchemaError::new(format!(
                "relation \"{name}\" already exists"
            )));
        }
        let mut names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|w| w[0] == w[1]) {
            return Err(SchemaError::new(format!(
                "column \"{}\" specified more than once",
                twice[0]
            )));
        }
        let oid = self.oid();
        let row_type = self.add_row_type(namespace, name, oid)?;
        let needs_path = definition.is_some()
            || columns
                .iter()
                .any(|c| matches!(c.generated, Generated::Virtual(_)));
        let path = &self.catalog.objects().search_path;
        self.last_attnum.insert(oid, columns.len() as i16);
        let relation = Relation {
            oid,
            name: name.to_owned(),
            namespace,
            kind,
            columns,
            keys: Vec::new(),
            foreign_keys: Vec::new(),
            indexes: Vec::new(),
            definition,
            definition_path: if needs_path { path.clone() } else { Vec::new() },
            row_type,
            has_children: false,
            has_foreign_parts: false,
            rows: 0.0,
            pages: 0.0,
            row_security: false,
        };
        self.catalog.add_relation(relation);
        Ok(oid)
    }

    /// The columns of a composite type.
    pub(super) fn columns_of(&mut self, nodes: &[Node]) -> Result<Vec<Column>, SchemaError> {
        let mut columns = Vec::new();
        for node in nodes {
            if let Some(NodeEnum::ColumnDef(c)) = &node.node {
                let attnum = columns.len() as i16 + 1;
                columns.push(Column {
                    attnum,
                    ..self.column(c)?
                });
            }
        }
        Ok(columns)
    }

    /// A column by itself; its attnum is the caller's.
    pub(super) fn column(&mut self, c: &ColumnDef) -> Result<Column, SchemaError> {
        let written = c.type_name.as_ref();
        let written = written.ok_or_else(|| {
            SchemaError::new(format!("column \"{}\" has no type", c.colname)).at(c.location)
        })?;
        let (mut ty, serial) = match self.serial(written) {
            Some(oid) => (SqlType::new(oid), true),
            None => (type_from_ast(written, &self.catalog)?, false),
        };
        if let Some(clause) = &c.coll_clause {
            if !ty.collation.is_valid() {
                return Err(
                    SchemaError::new("collations are not supported by this type")
                        .at(clause.location),
                );
            }
            ty.collation = collation_from_ast(&clause.collname, clause.location, &self.catalog)?;
        }
        let mut generated = Generated::No;
        let mut not_null = c.is_not_null || serial;
        for constraint in constraints(&c.constraints) {
            match constraint.contype() {
                ConstrType::ConstrIdentity => not_null = true,
                ConstrType::ConstrGenerated if constraint.generated_kind == "s" => {
                    generated = Generated::Stored;
                }
                ConstrType::ConstrGenerated => {
                    let expression = constraint.raw_expr.as_deref();
                    generated = Generated::Virtual(expression.map_or(Ok(String::new()), text)?);
                }
                _ => {}
            }
        }
        Ok(Column {
            attnum: 0,
            name: c.colname.clone(),
            ty,
            not_null,
            generated,
        })
    }

    /// The integer below `serial` and its kin, which are no types but a way to write one.
    fn serial(&self, name: &TypeName) -> Option<Oid> {
        if !name.array_bounds.is_empty() || name.pct_type {
            return None;
        }
        match strings(&name.names).as_slice() {
            [name] => match name.as_str() {
                "smallserial" | "serial2" => Some(oids::INT2),
                "serial" | "serial4" => Some(oids::INT4),
                "bigserial" | "serial8" => Some(oids::INT8),
                _ => None,
            },
            _ => None,
        }
    }

    /// The constraints of a column, with the attributes (DEFERRABLE…) that follow each.
    pub(super) fn column_constraints<'a>(&self, c: &'a ColumnDef) -> Vec<OnTable<'a>> {
        let mut all: Vec<OnTable<'a>> = Vec::new();
        for constraint in constraints(&c.constraints) {
            match constraint.contype() {
                ConstrType::ConstrAttrDeferrable | ConstrType::ConstrAttrDeferred => {
                    if let Some(last) = all.last_mut() {
                        last.deferrable = true;
                    }
                }
                ConstrType::ConstrAttrNotEnforced => {
                    if let Some(last) = all.last_mut() {
                        last.enforced = false;
                    }
                }
                ConstrType::ConstrNotnull
                | ConstrType::ConstrPrimary
                | ConstrType::ConstrUnique
                | ConstrType::ConstrForeign => all.push(OnTable::of_column(constraint, &c.colname)),
                _ => {}
            }
        }
        all
    }

    pub(super) fn create_view(&mut self, s: &ViewStmt) -> Result<(), SchemaError> {
        let (namespace, name) = self.new_relation_name(s.view.as_ref())?;
        if s.view.as_ref().is_some_and(|v| v.relpersistence == "t") {
            self.warn(format!("temporary view \"{name}\" is not read"));
            return Ok(());
        }
        let query = s.query.as_ref().and_then(|q| q.node.as_ref());
        let query = query.ok_or_else(|| SchemaError::new("a view without a query"))?;
        let mut definition = deparse(query)?;
        let aliases = strings(&s.aliases);
        if !aliases.is_empty() {
            let list: Vec<String> = aliases.iter().map(|a| quoted(a)).collect();
            definition = format!("SELECT * FROM ({definition}) AS v({})", list.join(", "));
        }
        if let Some(existing) = self.relation_in(namespace, &name) {
            let oid = existing.oid;
            if !(s.replace && existing.kind == RelationKind::View) {
                return Err(SchemaError::new(format!(
                    "relation \"{name}\" already exists"
                )));
            }
            let path = self.catalog.objects().search_path.clone();
            self.catalog.change_relation(oid, |r| {
                r.definition = Some(definition);
                r.definition_path = path;
            });
            return Ok(());
        }
        let kind = RelationKind::View;
        self.add_relation(namespace, &name, kind, Vec::new(), Some(definition))?;
        Ok(())
    }

    /// A materialized view is named, so that a query on it can be told from a misspelt one. Its
    /// columns, and those of CREATE TABLE AS, only the binding of its query would tell.
    pub(super) fn create_table_as(&mut self, s: &CreateTableAsStmt) -> Result<(), SchemaError> {
        let range = s.into.as_ref().and_then(|i| i.rel.as_ref());
        let (namespace, name) = self.new_relation_name(range)?;
        if s.objtype() == ObjectType::ObjectMatview {
            let kind = RelationKind::MaterializedView;
            self.add_relation(namespace, &name, kind, Vec::new(), None)?;
            return Ok(());
        }
        Err(
            SchemaError::new("CREATE TABLE AS is not supported in a schema file")
                .hint("Write the table's columns out."),
        )
    }
}

fn constraints(nodes: &[Node]) -> impl Iterator<Item = &Constraint> {
    nodes.iter().filter_map(|node| match &node.node {
        Some(NodeEnum::Constraint(constraint)) => Some(constraint.as_ref()),
        _ => None,
    })
}

/// Adds a column, or merges it with an inherited one of the same name.
fn merge(columns: &mut Vec<Column>, column: Column) {
    match columns.iter_mut().find(|c| c.name == column.name) {
        Some(inherited) if inherited.ty.oid == column.ty.oid => {
            inherited.not_null |= column.not_null;
            if column.generated != Generated::No {
                inherited.generated = column.generated;
            }
        }
        _ => columns.push(column),
    }
}

/// A statement as text again.
fn deparse(statement: &NodeEnum) -> Result<String, SchemaError> {
    let tree = ParseResult {
        version: 0,
        stmts: vec![RawStmt {
            stmt: Some(Box::new(Node {
                node: Some(statement.clone()),
            })),
            stmt_location: 0,
            stmt_len: 0,
        }],
    };
    pg_query::deparse(&tree, pg_query::DeparseOptions::default())
        .map_err(|error| SchemaError::new(format!("cannot print the statement: {error}")))
}

/// An expression as text again.
pub(super) fn text(expression: &Node) -> Result<String, SchemaError> {
    let target = ResTarget {
        val: Some(Box::new(expression.clone())),
        ..ResTarget::default()
    };
    let select = SelectStmt {
        target_list: vec![Node {
            node: Some(NodeEnum::ResTarget(Box::new(target))),
        }],
        limit_option: LimitOption::Default.into(),
        op: SetOperation::SetopNone.into(),
        ..SelectStmt::default()
    };
    let text = deparse(&NodeEnum::SelectStmt(Box::new(select)))?;
    let expression = text.strip_prefix("SELECT ").map(str::to_owned);
    expression.ok_or_else(|| SchemaError::new("cannot print the expression"))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
