//! A schema file read offline is what a server makes of it: `schema/objects.sql`, loaded here, is
//! compared with `schema/objects.json`, the extension's snapshot of the same statements on a real
//! PostgreSQL 18. So is `schema/dump.sql`, what pg_dump writes about it (`schema/regenerate` writes
//! both).

use compiler::schema::load_schema;
use serde_json::Value;
use spec::catalog::{Catalog, FIRST_UNPINNED, Objects, RelationKind};
use spec::types::oids;
use std::collections::HashMap;

const SQL: &str = include_str!("schema/objects.sql");
const DUMP: &str = include_str!("schema/dump.sql");
const JSON: &str = include_str!("schema/objects.json");

/// Names in place of the OIDs, which differ from server to server.
fn names(objects: &Objects) -> HashMap<u64, String> {
    let catalog = Catalog::new(objects.clone());
    let schema = |oid| catalog.namespace(oid).map_or("?", |n| n.name.as_str());
    let ty = |oid| match catalog.ty(oid) {
        Some(t) => format!("{}.{}", schema(t.namespace), t.name),
        None => format!("?{oid}"),
    };
    let mut names = HashMap::new();
    let mut name = |oid: spec::Oid, name: String| {
        if oid.0 >= FIRST_UNPINNED {
            let previous = names.insert(u64::from(oid.0), name);
            assert_eq!(previous, None, "{oid} is used twice");
        }
    };
    for n in &objects.namespaces {
        name(n.oid, format!("schema {}", n.name));
    }
    for t in &objects.types {
        name(t.oid, format!("type {}", ty(t.oid)));
    }
    for f in &objects.functions {
        let args: Vec<String> = f.args.iter().map(|&a| ty(a)).collect();
        name(
            f.oid,
            format!(
                "function {}.{}({})",
                schema(f.namespace),
                f.name,
                args.join(", ")
            ),
        );
    }
    for o in &objects.operators {
        let (left, right) = (ty(o.left), ty(o.right));
        name(
            o.oid,
            format!(
                "operator {}.{}({left}, {right})",
                schema(o.namespace),
                o.name
            ),
        );
    }
    for c in &objects.collations {
        name(
            c.oid,
            format!("collation {}.{}", schema(c.namespace), c.name),
        );
    }
    for r in &objects.relations {
        let of = format!("{}.{}", schema(r.namespace), r.name);
        name(r.oid, format!("relation {of}"));
        for i in &r.indexes {
            name(i.oid, format!("index {} of {of}", i.name));
        }
        for f in &r.foreign_keys {
            name(f.constraint, format!("foreign key {} of {of}", f.name));
        }
    }
    names
}

/// Every array of objects as a map by name, every OID as a name.
fn render(objects: &Objects) -> Value {
    fn walk(value: &mut Value, names: &HashMap<u64, String>) {
        match value {
            Value::Number(n) => {
                if let Some(name) = n.as_u64().and_then(|n| names.get(&n)) {
                    *value = Value::String(name.clone());
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|x| walk(x, names)),
            Value::Object(fields) => fields.values_mut().for_each(|x| walk(x, names)),
            _ => {}
        }
    }
    let names = names(objects);
    let mut value = serde_json::to_value(objects).expect("serialises");
    walk(&mut value, &names);
    let sort = |list: &mut Value| {
        if let Value::Array(items) = list {
            items.sort_by_cached_key(|item| match item.get("oid").or(item.get("name")) {
                Some(name) => name.to_string(),
                None => item.to_string(),
            });
        }
    };
    for list in [
        "types",
        "functions",
        "operators",
        "casts",
        "collations",
        "relations",
    ] {
        sort(&mut value[list]);
    }
    for relation in value["relations"].as_array_mut().into_iter().flatten() {
        for list in ["keys", "foreign_keys", "indexes"] {
            sort(&mut relation[list]);
        }
    }
    value
}

/// What both sides are expected to know: nothing that initdb numbered, no statistics, no texts
/// (a server prints definitions and expressions in its own way) and no columns of views.
fn comparable(mut objects: Objects) -> Objects {
    objects
        .functions
        .retain(|f| f.namespace != oids::PG_CATALOG);
    objects
        .collations
        .retain(|c| c.namespace != oids::PG_CATALOG);
    for relation in &mut objects.relations {
        (relation.rows, relation.pages) = (0.0, 0.0);
        relation.definition_path.clear();
        if relation.definition.take().is_some() {
            relation.columns.clear();
        }
        for column in &mut relation.columns {
            if let spec::catalog::Generated::Virtual(text) = &mut column.generated {
                text.clear();
            }
        }
    }
    for function in &mut objects.functions {
        function.default_exprs.iter_mut().for_each(String::clear);
    }
    objects
}

/// Attnums as a restored database has them: without the gaps of dropped columns.
fn without_gaps(objects: &mut Objects) {
    let before = objects.relations.clone();
    let position = |relation: spec::Oid, attnum: i16| {
        let relation = before.iter().find(|r| r.oid == relation);
        let columns = &relation.expect("a relation of the snapshot").columns;
        let at = columns.iter().position(|c| c.attnum == attnum);
        at.expect("a column of the relation") as i16 + 1
    };
    for relation in &mut objects.relations {
        let oid = relation.oid;
        for column in &mut relation.columns {
            column.attnum = position(oid, column.attnum);
        }
        let keys = relation.keys.iter_mut().map(|k| &mut k.columns);
        let indexes = relation.indexes.iter_mut().map(|i| &mut i.columns);
        for attnum in keys.chain(indexes).flatten() {
            *attnum = position(oid, *attnum);
        }
        for key in &mut relation.foreign_keys {
            key.columns.iter_mut().for_each(|a| *a = position(oid, *a));
            let target = key.references;
            key.referenced_columns
                .iter_mut()
                .for_each(|a| *a = position(target, *a));
        }
    }
}

fn assert_same(live: &Objects, offline: &Objects) {
    let (live, offline) = (render(live), render(offline));
    let mut differences = Vec::new();
    for list in [
        "namespaces",
        "types",
        "functions",
        "operators",
        "casts",
        "collations",
        "relations",
    ] {
        let (Value::Array(live), Value::Array(offline)) = (&live[list], &offline[list]) else {
            panic!("{list} is no list");
        };
        let only = |these: &[Value], those: &[Value]| -> Vec<String> {
            let missing = these.iter().filter(|x| !those.contains(x));
            missing.map(Value::to_string).collect()
        };
        differences.extend(
            only(live, offline)
                .into_iter()
                .map(|x| format!("server {list}: {x}")),
        );
        differences.extend(
            only(offline, live)
                .into_iter()
                .map(|x| format!("file   {list}: {x}")),
        );
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(live["search_path"], offline["search_path"]);
}

/// The snapshot, with the one table that was given to it as a stream table made a table again.
fn live() -> Objects {
    let mut objects: Objects = serde_json::from_str(JSON).expect("a snapshot");
    for relation in objects.relations.iter_mut().filter(|r| r.name == "no_key") {
        assert_eq!(relation.kind, RelationKind::StreamTable);
        relation.kind = RelationKind::Table;
    }
    objects
}

/// `schema/regenerate` asks for the view `renamed`, but not for what it is defined on.
#[test]
fn a_view_brings_its_sources() {
    let names: Vec<String> = live().relations.into_iter().map(|r| r.name).collect();
    for name in ["renamed", "totals", "orders", "pair"] {
        assert!(names.iter().any(|n| n == name), "{name} is missing");
    }
}

#[test]
fn offline_is_what_the_server_says() {
    let offline = load_schema(SQL).expect("loads");
    assert_eq!(offline.warnings, []);
    let offline = offline.catalog.objects().clone();
    assert_eq!(offline.relations.len(), 16);
    assert_same(&comparable(live()), &comparable(offline));
}

#[test]
fn a_dump_says_the_same() {
    let offline = load_schema(DUMP).expect("loads");
    let mut offline = comparable(offline.catalog.objects().clone());
    let mut live = comparable(live());
    without_gaps(&mut live);
    without_gaps(&mut offline);
    // pg_dump's own search path is empty, so the default stands.
    assert_eq!(offline.search_path, ["public"]);
    offline.search_path.clone_from(&live.search_path);
    // A key of ONLY a partitioned table, as pg_dump writes it, is not trusted.
    for relation in live.relations.iter_mut().chain(&mut offline.relations) {
        if relation.name.starts_with("parts") {
            relation.keys.clear();
            relation.indexes.clear();
        }
    }
    assert_same(&live, &offline);
}

/// Names in a view's definition are looked up where the view was created.
#[test]
fn views_keep_their_text_and_path() {
    let schema = load_schema(
        "CREATE SCHEMA a; SET search_path = a; CREATE TABLE t (x int, \"Y\" text);
         CREATE VIEW v (p, \"Q\"\"\") AS SELECT x, \"Y\" FROM t WHERE x > 1 -- all
         ; CREATE OR REPLACE VIEW w AS SELECT 1; CREATE OR REPLACE VIEW w AS SELECT 2
         ; SET search_path = public",
    );
    let catalog = schema.expect("loads").catalog;
    let view = catalog.relation_named(Some("a"), "v").expect("the view");
    assert_eq!(
        view.definition.as_deref(),
        Some(r#"SELECT * FROM (SELECT x, "Y" FROM t WHERE x > 1) AS v("p", "Q""")"#)
    );
    assert_eq!(view.definition_path, ["a"]);
    assert!(catalog.relation_named(None, "t").is_none());
    let inside = catalog.with_search_path(&view.definition_path);
    assert!(inside.relation_named(None, "t").is_some());
    let replaced = catalog.relation_named(Some("a"), "w").expect("the view");
    assert_eq!(replaced.definition.as_deref(), Some("SELECT 2"));
}

/// An error points at the word that is wrong, else at its statement.
#[test]
fn errors_have_a_place() {
    for (sql, message, at) in [
        (
            "CREATE TABLE t (a int, b nothing)",
            "type \"nothing\" does not exist",
            "nothing)",
        ),
        (
            "CREATE TABEL t ()",
            "syntax error at or near \"TABEL\"",
            "TABEL",
        ),
        (
            "SELECT 1;\n -- comment\n CREATE TABLE t (a int, a int)",
            "column \"a\" specified more than once",
            "CREATE TABLE t (a",
        ),
        (
            "CREATE TABLE p (a int); CREATE TABLE t (a int, b int, b int) INHERITS (p)",
            "column \"b\" specified more than once",
            "CREATE TABLE t (a",
        ),
        (
            "CREATE TABLE t (a int); CREATE TABLE t (b int)",
            "relation \"t\" already exists",
            "CREATE TABLE t (b",
        ),
        (
            "CREATE TABLE t (a int REFERENCES u)",
            "relation \"u\" does not exist",
            "u)",
        ),
        (
            "CREATE TABLE t (a int, PRIMARY KEY (b))",
            "column \"b\" of relation \"t\" does not exist",
            "PRIMARY",
        ),
        (
            "ALTER TABLE t ADD UNIQUE (a)",
            "relation \"t\" does not exist",
            "t ADD",
        ),
        ("CREATE TABLE s.t ()", "schema \"s\" does not exist", "s.t"),
        (
            "CREATE TABLE t (a int COLLATE \"C\")",
            "collations are not supported by this type",
            "COLLATE",
        ),
        (
            "CREATE TABLE t (a int);DROP TABLE t",
            "dropping \"t\", which the schema file creates, is not supported",
            "DROP",
        ),
        (
            "CREATE TABLE t (a int); ALTER TABLE t RENAME TO u",
            "renaming and moving objects is not supported in a schema file",
            "ALTER",
        ),
        (
            "CREATE TYPE m AS ENUM ('a'); CREATE TYPE m AS ENUM ('a')",
            "type \"m\" already exists",
            "CREATE TYPE m AS ENUM ('a')",
        ),
        (
            "CREATE TABLE t AS SELECT 1",
            "CREATE TABLE AS is not supported in a schema file",
            "CREATE",
        ),
    ] {
        let error = load_schema(sql).expect_err(sql);
        assert_eq!(error.message, message, "{sql}");
        let span = error.span.expect(sql);
        let rest = &sql[span.start as usize..];
        assert!(rest.starts_with(at), "{sql}: {rest}");
    }
}

#[test]
fn what_might_matter_is_a_warning() {
    let sql = "CREATE EXTENSION citext; CREATE EXTENSION plpgsql; GRANT SELECT ON t TO PUBLIC;
               COMMENT ON TABLE t IS 'x'; INSERT INTO t VALUES (1);
               CREATE TEMP TABLE hidden (a int); DROP TABLE IF EXISTS gone";
    let schema = load_schema(sql).expect("loads");
    let places: Vec<&str> = schema
        .warnings
        .iter()
        .map(|w| &sql[w.span.start as usize..w.span.end as usize])
        .collect();
    assert_eq!(
        places,
        [
            "CREATE EXTENSION citext",
            "CREATE TEMP TABLE hidden (a int)"
        ]
    );
    assert_eq!(schema.catalog.objects().relations, []);
}

#[test]
fn the_same_file_gives_the_same_catalog() {
    let load = || load_schema(SQL).expect("loads").catalog.objects().clone();
    let (one, two) = (load(), load());
    assert_eq!(one, two);
    assert!(one.types.iter().all(|t| t.oid.0 >= 16_384));
}
