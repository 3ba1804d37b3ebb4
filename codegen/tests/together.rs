//! Whose writers run together, and where they meet.

use codegen::{Names, QualifiedName};
use compiler::Outcome;
use spec::catalog::Catalog;
use spec::program::{Meeting, Over};

const SCHEMA: &str = "
    CREATE TABLE a (id int PRIMARY KEY, j int, v bigint, x numeric(12,2), u numeric);
    CREATE TABLE b (j int PRIMARY KEY, w text);
    CREATE TABLE c (j int, y int);";

fn catalog() -> Catalog {
    compiler::schema::load_schema(SCHEMA)
        .expect("a schema")
        .catalog
}

/// Of each source, `-` if its writers take turns, else where they meet: `groups`, `copies`.
fn found(sql: &str) -> String {
    let catalog = catalog();
    let Ok(Outcome::Incremental(compiled)) = compiler::compile(sql, &catalog) else {
        panic!("not incremental: {sql}");
    };
    let table = QualifiedName {
        schema: "public".into(),
        name: "st".into(),
    };
    let names = Names::new(table, 1, &compiled);
    let of_source = |source: &spec::compiled::SourceUse| {
        let changed = [source.relation].into();
        let plan = compiler::delta(&compiled, &catalog, &changed).expect("a plan");
        let program = codegen::program(&compiled, &plan, &catalog, &names).expect("a program");
        assert_eq!(program.together.is_some(), codegen::runs_together(&plan));
        let what = |m: &Meeting| {
            assert!(m.before < program.steps.len(), "{sql}: {m:?}");
            match m.over {
                Over::Group(_) => "groups",
                Over::Copies => "copies",
            }
        };
        let name = &catalog.relation(source.relation).expect("a table").name;
        match &program.together {
            None => format!("{name} -"),
            Some(meetings) => {
                let places: Vec<&str> = meetings.iter().map(what).collect();
                format!("{name} [{}]", places.join(" "))
            }
        }
    };
    let sources: Vec<String> = compiled.sources.iter().map(of_source).collect();
    sources.join(", ")
}

#[test]
fn whose_writers_run_together() {
    let cases = [
        ("SELECT id, v FROM a WHERE v > 0", "a []"),
        ("SELECT v FROM a", "a [copies]"),
        ("SELECT v FROM a UNION ALL SELECT j FROM a", "a [copies]"),
        (
            "SELECT j, count(*), sum(v), avg(v) FROM a GROUP BY j",
            "a [groups]",
        ),
        ("SELECT count(*), sum(x) FROM a", "a [groups]"),
        (
            "SELECT j, min(v), max(v), sum(x) FROM a GROUP BY j HAVING count(*) > 1",
            "a [groups]",
        ),
        ("SELECT DISTINCT j FROM a", "a [groups]"),
        (
            "SELECT n, count(*) FROM (SELECT j, count(*) AS n FROM a GROUP BY j) g GROUP BY n",
            "a [groups groups]",
        ),
        ("SELECT a.id, b.w FROM a JOIN b ON a.j = b.j", "a [], b []"),
        (
            "SELECT b.w, sum(a.v) FROM a JOIN b ON a.j = b.j GROUP BY b.w",
            "a [groups], b [groups]",
        ),
        (
            "SELECT a.id, b.w FROM a LEFT JOIN b ON a.j = b.j",
            "a [], b -",
        ),
        (
            "SELECT id FROM a WHERE EXISTS (SELECT FROM c WHERE c.j = a.j)",
            "a [], c -",
        ),
        ("SELECT id FROM a WHERE j IN (SELECT y FROM c)", "a [], c -"),
        (
            "SELECT x.id AS x, y.id AS y FROM a x JOIN a y ON x.j = y.j",
            "a -",
        ),
        (
            "SELECT g.j, g.n, a.id FROM (SELECT j, count(*) AS n FROM a GROUP BY j) g JOIN a ON a.j = g.j",
            "a -",
        ),
        ("SELECT j, sum(u) FROM a GROUP BY j", "a -"),
        (
            "SELECT j, array_agg(id ORDER BY id) FROM a GROUP BY j",
            "a -",
        ),
        (
            "SELECT id, rank() OVER (PARTITION BY j ORDER BY v) FROM a",
            "a -",
        ),
        ("SELECT id FROM a ORDER BY v, id LIMIT 3", "a -"),
        (
            "SELECT v FROM a EXCEPT ALL SELECT y FROM c",
            "a [groups copies], c [groups copies]",
        ),
        (
            "SELECT v FROM a UNION SELECT y FROM c",
            "a [groups], c [groups]",
        ),
        (
            "SELECT v FROM a INTERSECT SELECT y FROM c",
            "a [groups], c [groups]",
        ),
        (
            "WITH RECURSIVE r (j) AS (SELECT j FROM b UNION SELECT c.y FROM r JOIN c ON c.j = r.j) SELECT j FROM r",
            "b -, c -",
        ),
    ];
    let differ = |(sql, expected): (&str, &str)| {
        let found = found(sql);
        (found != expected).then(|| format!("{sql}: {found}, not {expected}"))
    };
    let wrong: Vec<String> = cases.into_iter().filter_map(differ).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
