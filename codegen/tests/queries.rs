//! The programs of the compiler's corpus of queries, as snapshots.
//! `INSTA_UPDATE=always cargo test -p pgtrickle-codegen --test queries` writes them anew.
#![cfg(feature = "cli")]

use codegen::explain::{Explanation, Format};
use codegen::{Names, QualifiedName};
use compiler::Outcome;
use spec::catalog::Catalog;
use spec::compiled::Compiled;
use spec::program::{RefreshProgram, Step, StepKind};
use spec::types::Oid;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../compiler/tests/queries")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a file")
}

fn catalog() -> Catalog {
    let schema = compiler::schema::load_schema(&read(&corpus().join("schema.sql")));
    schema.expect("a schema").catalog
}

/// Name, text and circuit of every incremental query.
fn incremental(catalog: &Catalog) -> Vec<(String, String, Compiled)> {
    let entries = std::fs::read_dir(corpus()).expect("a directory");
    let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    paths.sort();
    let stem = |p: &PathBuf| {
        p.file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned()
    };
    let queries = paths
        .iter()
        .filter(|p| p.extension().is_some_and(|e| e == "sql"));
    let queries = queries.filter(|p| stem(p) != "schema");
    queries
        .filter_map(|path| {
            let sql = read(path);
            match compiler::compile(&sql, catalog) {
                Ok(Outcome::Incremental(compiled)) => Some((stem(path), sql, *compiled)),
                _ => None,
            }
        })
        .collect()
}

fn names(compiled: &Compiled) -> Names {
    let table = QualifiedName {
        schema: "public".into(),
        name: "st".into(),
    };
    Names::new(table, 1, compiled)
}

fn sources(compiled: &Compiled) -> BTreeSet<Oid> {
    compiled.sources.iter().map(|s| s.relation).collect()
}

fn explained(sql: &str, compiled: &Compiled, catalog: &Catalog, format: Format) -> String {
    let names = names(compiled);
    let plan = compiler::delta(compiled, catalog, &sources(compiled)).expect("a plan");
    let x = Explanation::new(sql, "query", compiled, &plan, catalog, &names).expect("a program");
    x.render(format).expect("a rendering")
}

#[test]
fn programs_of_the_corpus() {
    let catalog = catalog();
    let found = incremental(&catalog);
    assert!(
        found.len() >= 40,
        "only {} queries are incremental",
        found.len()
    );
    for (name, sql, compiled) in &found {
        let text = explained(sql, compiled, &catalog, Format::Text);
        insta::assert_snapshot!(name.as_str(), text, sql);
    }
}

/// Whatever has changed, every let is named once, comes before its readers, and skips only by
/// what comes before it; applies come last and read a delta.
#[test]
fn programs_are_in_order() {
    let catalog = catalog();
    for (name, _, compiled) in incremental(&catalog) {
        let all = sources(&compiled);
        let alone = all.iter().map(|s| BTreeSet::from([*s]));
        for changed in alone.chain([all.clone()]) {
            let plan = compiler::delta(&compiled, &catalog, &changed).expect("a plan");
            let program = codegen::program(&compiled, &plan, &catalog, &names(&compiled));
            in_order(&name, &program.expect("a program"));
        }
    }
}

fn in_order(name: &str, program: &RefreshProgram) {
    let mut known: BTreeSet<&str> = program.batches.iter().map(|b| b.name.as_str()).collect();
    assert_eq!(known.len(), program.batches.len(), "{name}");
    let mut applied = false;
    for step in &program.steps {
        let skip = step.skip_if_empty.iter();
        assert!(
            skip.clone().all(|r| known.contains(r.as_str())),
            "{name}: {}",
            step.name
        );
        match &step.kind {
            StepKind::Let { columns, .. } => {
                assert!(!applied, "{name}: {} after an apply", step.name);
                assert!(known.insert(&step.name), "{name}: {} twice", step.name);
                let columns: BTreeSet<&str> = columns.iter().map(|c| c.name.as_str()).collect();
                assert!(columns.iter().all(|c| c.len() <= 63));
            }
            StepKind::Merge {
                with,
                rows,
                columns,
                counted,
                ..
            } => {
                assert!(!applied, "{name}: {} after an apply", step.name);
                assert!(known.insert(&step.name), "{name}: {} twice", step.name);
                assert!(columns.iter().all(|c| c.name.len() <= 63));
                assert!(rows.starts_with("SELECT"), "{rows}");
                let later = program.steps.iter().skip_while(|s| s.name != step.name);
                let later: Vec<&Step> = later.skip(1).collect();
                let reads = |s: &&Step, what: &str| {
                    let text = format!("{:?}", s.kind);
                    let mut words = text.split(|c: char| !c.is_alphanumeric() && !"._".contains(c));
                    words.any(|word| word == what)
                };
                let is_read = later.iter().any(|s| reads(s, &step.name));
                assert_eq!(counted.is_none(), is_read, "{name}");
                // What is merged is new: no step after this may read it.
                let tables = with.split("MERGE INTO ").skip(1);
                let tables = tables.filter_map(|text| text.split(' ').next());
                let tables: Vec<&str> = tables.collect();
                assert!(!tables.is_empty());
                for table in tables {
                    assert!(!later.iter().any(|s| reads(s, table)), "{name}: {table}");
                }
            }
            StepKind::Apply { delta, .. } => {
                assert!(known.contains(delta.as_str()), "{name}: no {delta}");
                applied = true;
            }
            StepKind::Assert { .. } => {}
        }
    }
}

/// A compiled query that has been through JSON gives the same program.
#[test]
fn programs_survive_json() {
    let catalog = catalog();
    for (name, _, compiled) in incremental(&catalog) {
        let json = serde_json::to_string(&compiled).expect("JSON");
        let back: Compiled = serde_json::from_str(&json).expect("the same");
        let program = |c: &Compiled| {
            let plan = compiler::delta(c, &catalog, &sources(c)).expect("a plan");
            codegen::program(c, &plan, &catalog, &names(c)).expect("a program")
        };
        assert_eq!(program(&compiled), program(&back), "{name}");
    }
}

#[test]
fn other_formats() {
    let catalog = catalog();
    let found = incremental(&catalog);
    let (_, sql, compiled) = found
        .iter()
        .find(|f| f.0 == "group_having")
        .expect("the query");
    for (name, format) in Format::ALL {
        let text = explained(sql, compiled, &catalog, format);
        match format {
            Format::Json => {
                let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                assert_eq!(json["incremental"], true);
                assert!(
                    json["program"]["steps"]
                        .as_array()
                        .is_some_and(|s| s.len() > 2)
                );
            }
            _ => insta::assert_snapshot!(format!("format_{name}"), text, sql),
        }
    }
}
