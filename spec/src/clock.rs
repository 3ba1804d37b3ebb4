//! The clock: time as a source.
//!
//! A WHERE that compares a column with `now() - interval '1 hour'` selects other rows as time
//! passes, though no table changes. So what such a condition asks of time are columns of a table of
//! one row, the *clock* of the stream table, which each refresh sets:
//!
//! ```text
//! σ(ts > now() - '1 hour') x    =    x ⋈(ts > c₁) clock         clock = {(now() - '1 hour')}
//! Delta(clock)                  =    {+1: as of this refresh, −1: as of the one before}
//! ```
//!
//! and the rest is incremental maintenance of a join, in whichever direction the clock has moved.

use crate::catalog::{Catalog, Column, Generated, Namespace, Relation, RelationKind};
use crate::expr::Expr;
use crate::types::Oid;
use serde::{Deserialize, Serialize};

/// Stands for the clock where sources are told by their OIDs. (The largest: no table has it.)
pub const CLOCK: Oid = Oid(u32::MAX);

/// Of a namespace that the catalog may not know.
const NAMESPACE: Oid = Oid(u32::MAX);

/// What a query asks of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// The columns, with attnums from 1: expressions without columns.
    pub values: Vec<Expr>,
}

impl Clock {
    pub fn column_name(attnum: i16) -> String {
        format!("time_{attnum}")
    }

    /// The table. Nothing is kept of what a catalog says of it but names and types: it has one row
    /// by its nature.
    fn relation(&self, namespace: Oid, name: &str) -> Relation {
        let columns = self.values.iter().zip(1..).map(|(value, attnum)| Column {
            attnum,
            name: Clock::column_name(attnum),
            ty: value.ty(),
            not_null: !value.nullable(&[]),
            generated: Generated::No,
        });
        Relation {
            oid: CLOCK,
            name: name.to_owned(),
            namespace,
            kind: RelationKind::Table,
            columns: columns.collect(),
            keys: vec![],
            foreign_keys: vec![],
            indexes: vec![],
            definition: None,
            definition_path: vec![],
            row_type: Oid::INVALID,
            has_children: false,
            has_foreign_parts: false,
            rows: 1.0,
            pages: 1.0,
            row_security: false,
        }
    }

    /// A catalog that knows the clock, if there is one, by some name.
    pub fn known(clock: Option<&Clock>, catalog: &Catalog) -> Catalog {
        match clock {
            Some(clock) => clock.known_to(catalog, "pgtrickle_store", "clock"),
            None => catalog.clone(),
        }
    }

    /// A catalog that knows the clock by this name.
    pub fn known_to(&self, catalog: &Catalog, schema: &str, name: &str) -> Catalog {
        let mut catalog = catalog.clone();
        let known = catalog
            .objects()
            .namespaces
            .iter()
            .find(|n| n.name == schema);
        let namespace = match known {
            Some(known) => known.oid,
            None => {
                catalog.add_namespace(Namespace {
                    oid: NAMESPACE,
                    name: schema.to_owned(),
                });
                NAMESPACE
            }
        };
        catalog.add_relation(self.relation(namespace, name));
        catalog
    }
}
