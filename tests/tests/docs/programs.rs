//! The delta programs on the pages are those that the compiler makes: the block after a line
//! `<!-- generated -->`. `PGT_UPDATE_DOCS=1` writes them anew.

use crate::{directory, page};
use codegen::explain::{Explanation, Format};
use codegen::{Names, QualifiedName};
use compiler::Outcome;

/// Page, schema, query, stream table, and what has changed.
const SHOWN: [(&str, &str, &str, &str, &[&str]); 2] = [
    (
        "explain-delta.md",
        "CREATE TABLE regions (id int PRIMARY KEY, name text NOT NULL);
         CREATE TABLE orders (id bigint PRIMARY KEY, region_id int NOT NULL, amount numeric(12,2) NOT NULL);",
        "SELECT o.id, r.name AS region, o.amount\nFROM orders o JOIN regions r ON r.id = o.region_id",
        "stream_table",
        &["orders"],
    ),
    (
        "how-it-works.md",
        "CREATE TABLE item (id int PRIMARY KEY, kind text NOT NULL, price int NOT NULL);",
        "SELECT kind, count(*) AS n, sum(price) AS total FROM item GROUP BY kind",
        "kinds",
        &["item"],
    ),
];

fn program(schema: &str, query: &str, name: &str, changed: &[&str]) -> String {
    let schema = compiler::schema::load_schema(schema)
        .unwrap_or_else(|error| panic!("the schema: {}", error.message));
    let catalog = schema.catalog;
    let Ok(Outcome::Incremental(compiled)) = compiler::compile(query, &catalog) else {
        panic!("{query} is not incremental");
    };
    let changed = changed
        .iter()
        .filter_map(|name| Some(catalog.relation_named(None, name)?.oid))
        .collect();
    let plan = compiler::delta(&compiled, &catalog, &changed)
        .unwrap_or_else(|error| panic!("{query}: {error}"));
    let table = QualifiedName {
        schema: "public".into(),
        name: name.into(),
    };
    let names = Names::new(table, 1, &compiled);
    Explanation::new(query, "query.sql", &compiled, &plan, &catalog, &names)
        .and_then(|explanation| explanation.render(Format::Text))
        .unwrap_or_else(|error| panic!("{query}: {error}"))
}

#[test]
fn programs_are_those_that_run() {
    for (name, schema, query, table, changed) in SHOWN {
        let text = page(name);
        let marker = "<!-- generated -->\n\n```text\n";
        let Some((before, rest)) = text.split_once(marker) else {
            panic!("{name}: no generated block");
        };
        let Some((shown, after)) = rest.split_once("\n```\n") else {
            panic!("{name}: its block has no end");
        };
        let expected = program(schema, query, table, changed);
        let expected = expected.trim_matches('\n');
        if std::env::var_os("PGT_UPDATE_DOCS").is_some() {
            let path = directory().join(name);
            let written = format!("{before}{marker}{expected}\n```\n{after}");
            std::fs::write(&path, written).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        } else {
            assert!(
                shown == expected,
                "docs/{name} is stale; to write it anew:\n\
                 PGT_UPDATE_DOCS=1 cargo nextest run --workspace -E 'test(programs_are_those_that_run)'"
            );
        }
    }
}
