//! DDL of what a stream table stores: its own table, its states, how they are filled, and the
//! indexes that finding rows in them needs.

use crate::error::{CodegenError, Result};
use crate::expr::Scalar;
use crate::identity::{
    KeyAccess, OrderedAccess, image_hash, key_access, ordered_access, record_hash,
};
use crate::names::{Names, stored_columns};
use crate::select::{content, inner_first};
use crate::sql::print;
use crate::sql::types::{TypeName, collation};
use crate::sql::{ColumnDef, Name, Sql, Statement};
use spec::catalog::Catalog;
use spec::compiled::{Compiled, Identity};
use spec::program::StorageDdl;
use spec::types::{ColType, SqlType};
use std::collections::HashMap;

/// Room for the next version of a row on the same page, so that updates need no new index entry.
const FILLFACTOR: u8 = 70;

pub fn storage(compiled: &Compiled, catalog: &Catalog, names: &Names) -> Result<StorageDdl> {
    let catalog = &names.catalog(compiled, catalog);
    let columns = stored_columns(compiled, catalog, names)?;
    let mut ddl = StorageDdl::default();
    for (stored, columns) in compiled.storage.stored.iter().zip(&columns) {
        let table = names.table(stored.id)?;
        let types = compiled.circuit.schema(stored.node);
        // Rows that are told apart by a key are updated in place.
        let is_updated = matches!(stored.identity, Identity::Key(_));
        let defs = columns
            .iter()
            .zip(types)
            .map(|(name, col)| column_def(name, col.ty, catalog))
            .collect::<Result<_>>()?;
        let create = Statement::CreateTable {
            name: table.clone(),
            temporary: false,
            columns: defs,
            fillfactor: is_updated.then_some(FILLFACTOR),
        };
        ddl.tables.push(print::statement(&create));
        let cols: Vec<Scalar> = columns
            .iter()
            .zip(types)
            .map(|(name, col)| Scalar::column(&table.name, name, *col))
            .collect();
        let index = identity_index(&table, &cols, &stored.identity, catalog)?;
        ddl.indexes.extend(index.iter().map(print::statement));
        for columns in &stored.indexes {
            let cols = pick(&cols, columns)?;
            let index = probe_index(&table, &cols, catalog);
            ddl.indexes.extend(index.iter().map(print::statement));
        }
        for columns in &stored.in_order {
            if is_served_by_key(&stored.identity, columns, &cols, catalog)? {
                continue;
            }
            let cols = pick(&cols, columns)?;
            let index = index_in_order(&table, &cols, catalog);
            ddl.indexes.extend(index.iter().map(print::statement));
        }
    }
    if let Some(clock) = &compiled.clock {
        ddl.tables.push(crate::clock::table(clock, catalog, names)?);
    }
    for which in inner_first(compiled) {
        let query = content(compiled, catalog, names, &columns, which, &HashMap::new())?;
        ddl.content = print::query(&query, 0);
        let fill = Statement::Insert {
            table: names.table(which.id)?,
            columns: columns
                .get(which.id.0 as usize)
                .cloned()
                .unwrap_or_default(),
            query,
            on_conflict: None,
        };
        ddl.fills.push((which.id, print::statement(&fill)));
    }
    Ok(ddl)
}

pub fn column_def(name: &str, ty: SqlType, catalog: &Catalog) -> Result<ColumnDef> {
    let own = catalog.type_collation(ty.oid);
    let differs = ty.collation.is_valid() && ty.collation != own;
    Ok(ColumnDef {
        name: name.into(),
        ty: TypeName::new(ty, catalog)?,
        collation: differs
            .then(|| collation(ty.collation, catalog))
            .transpose()?,
    })
}

fn pick(cols: &[Scalar], which: &[usize]) -> Result<Vec<Scalar>> {
    let col = |i: &usize| {
        let missing = || CodegenError::Plan(format!("no column {i}"));
        cols.get(*i).cloned().ok_or_else(missing)
    };
    which.iter().map(col).collect()
}

fn types_of(cols: &[Scalar]) -> Vec<ColType> {
    let ty = |c: &Scalar| ColType {
        ty: c.ty,
        nullable: c.nullable,
    };
    cols.iter().map(ty).collect()
}

fn sqls(cols: Vec<Scalar>) -> Vec<Sql> {
    cols.into_iter().map(|c| c.sql).collect()
}

/// The index by which rows are identified. None where there is one row at most, or only one
/// possible image.
pub(crate) fn identity_index(
    table: &Name,
    cols: &[Scalar],
    identity: &Identity,
    catalog: &Catalog,
) -> Result<Option<Statement>> {
    let index = |unique, method, columns| Statement::CreateIndex {
        table: table.clone(),
        unique_nulls_not_distinct: unique,
        method,
        columns,
    };
    Ok(match identity {
        Identity::Image if cols.is_empty() => None,
        Identity::Image => Some(index(false, "btree", vec![image_hash(cols)])),
        Identity::Key(key) if key.is_empty() => None,
        Identity::Key(key) => {
            let key = pick(cols, key)?;
            match key_access(&types_of(&key), catalog) {
                KeyAccess::Unique => Some(index(true, "btree", sqls(key))),
                KeyAccess::Hash => Some(index(false, "hash", sqls(key))),
                KeyAccess::RecordHash => Some(index(false, "btree", vec![record_hash(&key)])),
                KeyAccess::Scan => None,
            }
        }
    })
}

/// Does the index of the key begin with these columns, the last of them behind the others?
fn is_served_by_key(
    identity: &Identity,
    columns: &[usize],
    cols: &[Scalar],
    catalog: &Catalog,
) -> Result<bool> {
    let (Identity::Key(key), Some((last, groups))) = (identity, columns.split_last()) else {
        return Ok(false);
    };
    let of_groups = pick(cols, groups)?;
    let begins = key.get(groups.len()) == Some(last)
        && key[..groups.len()].iter().all(|c| groups.contains(c));
    Ok(begins
        && !of_groups.iter().any(|c| c.nullable)
        && key_access(&types_of(&pick(cols, key)?), catalog) == KeyAccess::Unique)
}

/// An index by which deltas read rows of some columns in the order of the last.
fn index_in_order(table: &Name, cols: &[Scalar], catalog: &Catalog) -> Option<Statement> {
    let types = types_of(cols);
    let (by, keys) = types.split_last()?;
    let columns = match ordered_access(keys, *by, catalog) {
        OrderedAccess::Plain => sqls(cols.to_vec()),
        OrderedAccess::Hash => {
            let (last, keys) = cols.split_last()?;
            vec![record_hash(keys), last.sql.clone()]
        }
        OrderedAccess::None => return None,
    };
    Some(Statement::CreateIndex {
        table: table.clone(),
        unique_nulls_not_distinct: false,
        method: "btree",
        columns,
    })
}

/// An index on columns by which deltas look rows up. It need not be unique, but must take every
/// value: wide columns are hashed, one by one.
fn probe_index(table: &Name, cols: &[Scalar], catalog: &Catalog) -> Option<Statement> {
    if cols.is_empty() {
        return None;
    }
    let index = |method, columns| Statement::CreateIndex {
        table: table.clone(),
        unique_nulls_not_distinct: false,
        method,
        columns,
    };
    if key_access(&types_of(cols), catalog) == KeyAccess::Unique {
        return Some(index("btree", sqls(cols.to_vec())));
    }
    let narrow: Vec<Scalar> = cols
        .iter()
        .filter(|c| key_access(&types_of(std::slice::from_ref(c)), catalog) == KeyAccess::Unique)
        .cloned()
        .collect();
    if key_access(&types_of(&narrow), catalog) == KeyAccess::Unique && !narrow.is_empty() {
        return Some(index("btree", sqls(narrow)));
    }
    let hashable = |c: &&Scalar| catalog.equality(c.ty.oid).is_some_and(|e| e.hashable);
    let first = cols.iter().find(hashable)?;
    Some(index("hash", vec![first.sql.clone()]))
}
