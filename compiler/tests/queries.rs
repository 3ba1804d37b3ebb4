//! Every query under `queries/`, and TPC-H: bound, and lowered to a circuit, as snapshots.
//! `INSTA_UPDATE=always cargo test -p pgtrickle-compiler --test queries` writes them anew.

use compiler::analyse::analyse;
use compiler::schema::load_schema;
use spec::Reason;
use spec::catalog::Catalog;
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn catalog(schema: &Path) -> Catalog {
    let sql = std::fs::read_to_string(schema).expect("a schema file");
    let schema = load_schema(&sql).expect("a schema");
    assert_eq!(schema.warnings, []);
    schema.catalog
}

fn reasons(sql: &str, reasons: &[Reason]) -> String {
    let mut out = String::new();
    for reason in reasons {
        write!(out, "{} {}", reason.code, reason.message).expect("a string");
        if let Some(span) = reason.span {
            let text = &sql[span.start as usize..span.end as usize];
            write!(out, " at {}: {text:?}", span.start).expect("a string");
        }
        if let Some(hint) = &reason.hint {
            write!(out, " ({hint})").expect("a string");
        }
        out.push('\n');
    }
    out
}

/// What binding and lowering make of a query.
fn describe(sql: &str, catalog: &Catalog) -> String {
    let mut out = format!("{}\n\n", sql.trim_end());
    let analysis = match analyse(sql, catalog) {
        Ok(analysis) => analysis,
        Err(refused) => {
            out.push_str("-- refused\n");
            out.push_str(&reasons(sql, &refused));
            return out;
        }
    };
    if !analysis.reasons.is_empty() {
        out.push_str("-- reasons\n");
        out.push_str(&reasons(sql, &analysis.reasons));
        out.push('\n');
    }
    match &analysis.query {
        Some(query) => write!(out, "-- bound query\n{}", query.display(catalog)),
        None => writeln!(out, "-- bound query: its columns are not known"),
    }
    .expect("a string");
    for dependency in &analysis.dependencies {
        writeln!(out, "relies on {dependency:?}").expect("a string");
    }
    if let Some((circuit, root)) = &analysis.circuit {
        let shown = circuit.display(std::slice::from_ref(root), catalog);
        write!(out, "\n-- circuit\n{shown}").expect("a string");
    }
    out
}

fn queries(directory: &Path) -> Vec<(String, String)> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "sql"))
        .filter(|p| p.file_stem().is_none_or(|s| s != "schema"))
        .collect();
    files.sort();
    let read = |path: PathBuf| {
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        (name, std::fs::read_to_string(&path).expect("a query"))
    };
    files.into_iter().map(read).collect()
}

#[test]
fn queries_are_bound_and_lowered() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/queries");
    let catalog = catalog(&here.join("schema.sql"));
    let queries = queries(&here);
    assert!(queries.len() >= 60);
    let mut otherwise = vec![];
    for (name, sql) in queries {
        let incremental = matches!(analyse(&sql, &catalog), Ok(a) if a.circuit.is_some());
        if incremental == name.starts_with("unsupported_") {
            otherwise.push(name.clone());
        }
        insta::assert_snapshot!(name, describe(&sql, &catalog));
    }
    assert_eq!(otherwise, [""; 0]);
}

#[test]
fn tpch_is_bound_and_lowered() {
    let benches = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/src");
    let catalog = catalog(&benches.join("tpch_schema.sql"));
    let queries = queries(&benches.join("queries"));
    assert!(queries.len() >= 8);
    for (name, sql) in queries {
        assert!(
            matches!(analyse(&sql, &catalog), Ok(a) if a.circuit.is_some()),
            "{name}"
        );
        insta::assert_snapshot!(format!("tpch_{name}"), describe(&sql, &catalog));
    }
}
