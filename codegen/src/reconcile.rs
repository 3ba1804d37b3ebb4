//! FULL refresh: the delta is the query's content minus what is stored, by image, and is applied
//! like any other delta. What stays is not written and not announced.

use crate::apply::{Target, apply};
use crate::consolidate::consolidated;
use crate::error::{CodegenError, Result};
use crate::expr::Scalar;
use crate::identity::image_hash;
use crate::lower::Relation;
use crate::names::{Names, WEIGHT, stored_columns};
use crate::program::{apply_step, target};
use crate::rel::{Branch, Rel, Weight};
use crate::select::{content, inner_first};
use crate::sql::ident::Namer;
use crate::sql::{FromItem, Name, Query, Statement, print};
use spec::catalog::Catalog;
use spec::compiled::{Compiled, Identity, OutputColumn};
use spec::op::StoredId;
use spec::program::{PROGRAM_VERSION, QualifiedName, RefreshProgram, RelColumn, Step, StepKind};
use spec::types::{SqlType, oids};
use std::collections::HashMap;

/// The program of a FULL refresh of every stored collection of an incremental query.
pub fn reconcile(compiled: &Compiled, catalog: &Catalog, names: &Names) -> Result<RefreshProgram> {
    let catalog = &names.catalog(compiled, catalog);
    let stored = stored_columns(compiled, catalog, names)?;
    let mut relations = Namer::default();
    let mut lets = vec![];
    let mut applies = vec![];
    let mut contents = HashMap::new();
    for plan in inner_first(compiled) {
        let table = names.table(plan.id)?;
        let missing = || CodegenError::Plan(format!("no stored {}", plan.id.0));
        let columns = stored.get(plan.id.0 as usize).ok_or_else(missing)?;
        let query = content(compiled, catalog, names, &stored, plan, &contents)?;
        let types = compiled.circuit.schema(plan.node);
        let cols = columns.iter().zip(types).map(|(name, ty)| OutputColumn {
            name: name.clone(),
            ty: *ty,
        });
        let cols: Vec<OutputColumn> = cols.collect();
        let source = Full::Query(query);
        let (full, delta) = difference(&mut lets, &mut relations, &table, &cols, source, catalog)?;
        contents.insert(plan.id, full);
        let target = target(compiled, names, &stored, plan.id)?;
        applies.push(apply_step(&target, catalog, plan.id, &delta, false)?);
    }
    lets.extend(applies);
    Ok(RefreshProgram {
        version: PROGRAM_VERSION,
        batches: vec![],
        steps: lets,
        together: None,
    })
}

/// The program of a FULL refresh of a query that is known by its text only. The text must be safe
/// under the search path that the program runs with; its rows are a multiset.
pub fn reconcile_text(
    query: &str,
    columns: &[OutputColumn],
    table: &QualifiedName,
    catalog: &Catalog,
) -> Result<RefreshProgram> {
    let table = Name::new(&table.schema, &table.name);
    let mut steps = vec![];
    let mut relations = Namer::default();
    let source = Full::Text(query);
    let (_, delta) = difference(&mut steps, &mut relations, &table, columns, source, catalog)?;
    let names: Vec<String> = columns.iter().map(|c| c.name.clone()).collect();
    let types: Vec<_> = columns.iter().map(|c| c.ty).collect();
    let target = Target {
        table: table.clone(),
        columns: &names,
        types: &types,
        identity: &Identity::Image,
    };
    let statements = apply(&target, &delta, catalog)?;
    steps.push(Step {
        name: "apply_0".into(),
        comment: format!("{table} := old + {}", delta.name),
        kind: StepKind::Apply {
            target: StoredId(0),
            delta: delta.name.clone(),
            statements: statements.iter().map(print::statement).collect(),
        },
        skip_if_empty: vec![delta.name],
        settings: vec![],
    });
    Ok(RefreshProgram {
        version: PROGRAM_VERSION,
        batches: vec![],
        steps,
        together: None,
    })
}

/// DDL for the table of such a query.
pub fn storage_of_text(
    columns: &[OutputColumn],
    table: &QualifiedName,
    catalog: &Catalog,
) -> Result<spec::program::StorageDdl> {
    let name = Name::new(&table.schema, &table.name);
    let defs = columns
        .iter()
        .map(|c| crate::storage::column_def(&c.name, c.ty.ty, catalog))
        .collect::<Result<_>>()?;
    let create = Statement::CreateTable {
        name: name.clone(),
        temporary: false,
        columns: defs,
        fillfactor: None,
    };
    let cols: Vec<Scalar> = columns
        .iter()
        .map(|c| Scalar::column(&name.name, &c.name, c.ty))
        .collect();
    let index = Statement::CreateIndex {
        table: name,
        unique_nulls_not_distinct: false,
        method: "btree",
        columns: vec![image_hash(&cols)],
    };
    Ok(spec::program::StorageDdl {
        tables: vec![print::statement(&create)],
        fills: vec![],
        content: String::new(),
        indexes: match cols.is_empty() {
            true => vec![],
            false => vec![print::statement(&index)],
        },
    })
}

enum Full<'a> {
    Query(Query),
    Text(&'a str),
}

/// Two lets, which it returns: the full content, and its difference to what is stored.
fn difference(
    steps: &mut Vec<Step>,
    relations: &mut Namer,
    table: &Name,
    columns: &[OutputColumn],
    source: Full<'_>,
    catalog: &Catalog,
) -> Result<(Relation, Relation)> {
    let full = relations.unique(&format!("full_{}", table.name));
    let mut namer = Namer::reserving([WEIGHT]);
    let names: Vec<Option<String>> = columns
        .iter()
        .map(|c| Some(namer.unique(&c.name)))
        .collect();
    let own: Vec<String> = columns.iter().map(|c| c.name.clone()).collect();
    let shown = |names: &[String]| -> Vec<RelColumn> {
        let cols = names.iter().zip(columns);
        cols.map(|(name, c)| RelColumn {
            name: name.clone(),
            ty: c.ty.ty,
        })
        .collect()
    };
    steps.push(Step {
        name: full.clone(),
        comment: "the whole content of the query".into(),
        kind: StepKind::Let {
            sql: match source {
                Full::Query(query) => print::query(&query, 0),
                Full::Text(text) => text.to_owned(),
            },
            columns: shown(&own),
        },
        skip_if_empty: vec![],
        settings: vec![],
    });
    let branch = |name: Name, alias: &str, negative: bool| {
        let cols = columns
            .iter()
            .map(|c| Some(Scalar::column(alias, &c.name, c.ty)));
        let weight = Weight {
            negative,
            factors: vec![],
        };
        let from = FromItem::table(name, alias);
        Branch::new(vec![from], cols.collect(), weight)
    };
    let both = Rel {
        branches: vec![
            branch(Name::bare(&full), &full, false),
            branch(table.clone(), "stored", true),
        ],
    };
    let alias = "both";
    let query = both.query(Some(WEIGHT), &names);
    let cols = names.iter().zip(columns).map(|(name, c)| {
        let name = name.as_ref()?;
        Some(Scalar::column(alias, name, c.ty))
    });
    let from = FromItem::query(query, alias);
    let weight = Weight::column(alias, WEIGHT);
    let rows = consolidated(Branch::new(vec![from], cols.collect(), weight), catalog);
    let delta = relations.unique(&crate::names::delta_of(&table.name));
    let w = RelColumn {
        name: WEIGHT.into(),
        ty: SqlType::new(oids::INT8),
    };
    let flat: Vec<String> = names.iter().flatten().cloned().collect();
    if flat.len() != columns.len() {
        return Err(CodegenError::Plan("a column without a name".into()));
    }
    steps.push(Step {
        name: delta.clone(),
        comment: "what is stored, against what should be".into(),
        kind: StepKind::Let {
            sql: print::query(&Rel::one(rows).query(Some(WEIGHT), &names), 0),
            columns: [w].into_iter().chain(shown(&flat)).collect(),
        },
        skip_if_empty: vec![],
        settings: vec![],
    });
    let full = Relation {
        name: full,
        columns: own.into_iter().map(Some).collect(),
        weighted: false,
    };
    let delta = Relation {
        name: delta,
        columns: names,
        weighted: true,
    };
    Ok((full, delta))
}
