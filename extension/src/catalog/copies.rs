//! Sources whose changes nobody tells of: materialized views and foreign tables.
//!
//! A stream table keeps a copy of what it uses of such a source, and its program reads the copy.
//! At each refresh the source is read once and compared with the copy, by image; the difference is
//! the batch, and brings the copy to what the source was:
//!
//! ```text
//! Δ = source ⊎ −copy        copy' = copy ⊎ Δ
//! ```
//!
//! All steps of a refresh read the copy, so that they agree with each other also where the source
//! itself cannot be read twice the same (a file, another server).

use super::StreamTable;
use crate::pg::{cstring, quote_identifier};
use crate::refresh::name_of;
use crate::sql::{self, arg};
use pgrx::pg_sys;
use spec::catalog::{Catalog, RelationKind};
use spec::compiled::{Compiled, SourceUse};
use spec::op::StoredId;
use spec::program::{RelColumn, StorageDdl};
use spec::types::Oid;

const STORE: &str = crate::capture::buffer::STORE;

/// The copy that a stream table keeps of a source.
pub struct Copy {
    pub source: pg_sys::Oid,
    /// Those of the source that are kept.
    pub attnums: Vec<i16>,
}

impl Copy {
    /// Of a source that has to be compared.
    fn of(source: &SourceUse, catalog: &Catalog) -> Option<Copy> {
        let relation = catalog.relation(source.relation)?;
        let compared = matches!(
            relation.kind,
            RelationKind::Foreign | RelationKind::MaterializedView
        );
        compared.then(|| {
            let mut attnums = source.columns.clone();
            if attnums.is_empty() {
                // How many rows there are is told by any column.
                attnums.extend(relation.columns.first().map(|c| c.attnum));
            }
            Copy {
                source: pg_sys::Oid::from(source.relation.0),
                attnums,
            }
        })
    }

    /// Those that the definition needs.
    pub fn all(compiled: &Compiled, catalog: &Catalog) -> Vec<Copy> {
        let sources = compiled.sources.iter();
        sources.filter_map(|s| Copy::of(s, catalog)).collect()
    }

    fn table(&self, pgt_id: i64) -> String {
        format!("state_{pgt_id}_copy{}", self.source.to_u32())
    }

    /// Its name with its schema, quoted.
    pub fn name(&self, pgt_id: i64) -> String {
        format!("{STORE}.{}", quote_identifier(&self.table(pgt_id)))
    }

    /// Its columns, in the order of the source's.
    pub fn columns(&self) -> Vec<String> {
        self.attnums.iter().map(|n| format!("c{n}")).collect()
    }

    /// What it is a copy of, under its own names.
    pub fn query(&self) -> String {
        let columns: Vec<String> = self
            .attnums
            .iter()
            .map(|&attnum| {
                // SAFETY: a look-up that answers null for what is missing.
                let name = unsafe {
                    let name = pg_sys::get_attname(self.source, attnum, true);
                    crate::pg::string(name).unwrap_or_default()
                };
                format!("s.{} AS c{attnum}", quote_identifier(&name))
            })
            .collect();
        let source = name_of(self.source);
        format!("SELECT {} FROM {source} AS s", columns.join(", "))
    }

    /// Has programs read the copy in place of the source.
    fn put(&self, pgt_id: i64, catalog: &mut Catalog) {
        let Some(store) = catalog.namespace_named(STORE).map(|n| n.oid) else {
            return;
        };
        let oid = Oid(self.source.to_u32());
        let table = self.table(pgt_id);
        catalog.change_relation(oid, |relation| {
            relation.name = table;
            relation.namespace = store;
            relation.indexes.clear();
            relation
                .columns
                .retain(|c| self.attnums.contains(&c.attnum));
            for column in &mut relation.columns {
                column.name = format!("c{}", column.attnum);
            }
        });
    }

    /// The columns of a batch that holds all that is kept.
    pub fn batch(&self) -> Vec<RelColumn> {
        sql::connect(|c| {
            let rows = c.run(
                "SELECT attnum, atttypid, atttypmod, attcollation FROM pg_catalog.pg_attribute \
                 WHERE attrelid = $1 AND attnum = ANY ($2) ORDER BY \
                 pg_catalog.array_position($2, attnum)",
                &[arg(self.source), arg(self.attnums.clone())],
            );
            rows.iter()
                .filter_map(|row| {
                    Some(RelColumn {
                        name: format!("c{}", row.get::<i16>(1)?),
                        ty: spec::types::SqlType {
                            oid: Oid(row.get::<pg_sys::Oid>(2)?.to_u32()),
                            typmod: row.get(3)?,
                            collation: Oid(row.get::<pg_sys::Oid>(4)?.to_u32()),
                        },
                    })
                })
                .collect()
        })
    }
}

/// The catalog as the programs of a stream table are to see it.
pub fn substitute(pgt_id: i64, compiled: &Compiled, catalog: &mut Catalog) {
    for copy in Copy::all(compiled, catalog) {
        copy.put(pgt_id, catalog);
    }
}

/// Adds the copies to what is stored: created and filled before all that is made from them. Says
/// the names of their tables.
pub fn store(pgt_id: i64, copies: &[Copy], storage: &mut StorageDdl) -> Vec<String> {
    let mut names = Vec::new();
    for (i, copy) in copies.iter().enumerate() {
        let name = copy.name(pgt_id);
        let query = copy.query();
        storage
            .tables
            .push(format!("CREATE TABLE {name} AS {query} WITH NO DATA"));
        let fill = format!("INSERT INTO {name} ({}) {query}", copy.columns().join(", "));
        storage
            .fills
            .insert(i, (StoredId(u32::MAX - i as u32), fill));
        names.push(name);
    }
    names
}

/// The copies that a stream table keeps.
pub fn kept(table: &StreamTable) -> Vec<Copy> {
    let exists = |copy: &Copy| {
        let (schema, name) = (cstring(STORE), cstring(&copy.table(table.pgt_id)));
        // SAFETY: look-ups that return invalid for what is missing.
        unsafe {
            let schema = pg_sys::get_namespace_oid(schema.as_ptr(), true);
            pg_sys::get_relname_relid(name.as_ptr(), schema) != pg_sys::InvalidOid
        }
    };
    let compared = table.sources.iter().filter(|s| s.compared);
    compared
        .map(|s| Copy {
            source: s.relid,
            attnums: s.columns.clone(),
        })
        .filter(exists)
        .collect()
}
