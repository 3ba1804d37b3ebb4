//! How long compiling takes, stage by stage, and how large the e-graphs get: the TPC-H queries, and
//! a chain of eight joins. The goal is 50 ms a query, in a release build.
//!
//! `./dev bench compile`; `cargo bench -p pgtrickle-benches --bench compile -- total` for one stage.

use codegen::{Names, QualifiedName};
use compiler::analyse::{Analysis, analyse};
use compiler::rewrite::optimise;
use compiler::schema::load_schema;
use compiler::{Outcome, compile};
use criterion::{BenchmarkId, Criterion};
use spec::catalog::Catalog;
use spec::compiled::{Compiled, DeltaPlan};
use spec::program::RefreshProgram;
use spec::types::Oid;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

struct Query {
    name: String,
    sql: String,
    catalog: Catalog,
}

fn catalog(schema: &str) -> Catalog {
    load_schema(schema).expect("a schema").catalog
}

fn tpch() -> Vec<Query> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |path: &Path| std::fs::read_to_string(path).expect("a file");
    let catalog = catalog(&read(&home.join("tpch_schema.sql")));
    let entries = std::fs::read_dir(home.join("queries")).expect("a directory");
    let mut queries: Vec<Query> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let stem = path.file_stem().expect("a name");
            Query {
                name: stem.to_string_lossy().into_owned(),
                sql: read(&path),
                catalog: catalog.clone(),
            }
        })
        .collect();
    queries.sort_by_key(|q| (q.name.len(), q.name.clone()));
    queries
}

/// `t1 ⋈ t2 ⋈ … ⋈ tₙ`, each with the next, and a sum over them.
fn chain(n: usize) -> Query {
    let mut schema = String::new();
    for i in 1..=n {
        let table = format!("CREATE TABLE t{i} (id int PRIMARY KEY, next int NOT NULL, v int);");
        schema.push_str(&table);
    }
    let mut sql = "SELECT t1.v, count(*), sum(t".to_owned();
    write!(sql, "{n}.v) FROM t1").expect("a string");
    for i in 2..=n {
        write!(sql, " JOIN t{i} ON t{}.next = t{i}.id", i - 1).expect("a string");
    }
    sql.push_str(" GROUP BY t1.v");
    Query {
        name: format!("chain of {n}"),
        sql,
        catalog: catalog(&schema),
    }
}

impl Query {
    fn analysed(&self) -> Analysis {
        analyse(&self.sql, &self.catalog).expect("it is bound")
    }

    fn compiled(&self) -> Compiled {
        match compile(&self.sql, &self.catalog).expect("it compiles") {
            Outcome::Incremental(compiled) => *compiled,
            Outcome::NotIncremental { reasons, .. } => panic!("{}: {reasons:?}", self.name),
        }
    }

    fn delta(&self, compiled: &Compiled) -> DeltaPlan {
        let changed: BTreeSet<Oid> = compiled.sources.iter().map(|s| s.relation).collect();
        compiler::delta(compiled, &self.catalog, &changed).expect("a plan")
    }

    fn program(&self, compiled: &Compiled, plan: &DeltaPlan) -> RefreshProgram {
        let table = QualifiedName {
            schema: "public".into(),
            name: "st".into(),
        };
        let names = Names::new(table, 1, compiled);
        codegen::program(compiled, plan, &self.catalog, &names).expect("a program")
    }

    /// From the text to the program of a refresh in which every source changed.
    fn total(&self) -> RefreshProgram {
        let compiled = self.compiled();
        let plan = self.delta(&compiled);
        self.program(&compiled, &plan)
    }
}

/// The fastest of some runs, and the size of the e-graphs.
fn table(queries: &[Query]) {
    println!(
        "{:12} {:>9} {:>15} {:>13} {:>9}",
        "query", "best ms", "e-nodes: query", "all changed", "steps"
    );
    for query in queries {
        let (circuit, root) = query.analysed().circuit.expect("a circuit");
        let optimised = optimise(&circuit, root, &query.catalog).expect("a plan");
        let plan = query.delta(&query.compiled());
        let best = (0..10).map(|_| {
            let start = Instant::now();
            let program = query.total();
            (start.elapsed(), program.steps.len())
        });
        let (best, steps) = best.min().expect("some runs");
        println!(
            "{:12} {:>9.2} {:>15} {:>13} {:>9}",
            query.name,
            best.as_secs_f64() * 1e3,
            optimised.enodes,
            plan.enodes,
            steps
        );
    }
}

fn stages(criterion: &mut Criterion, queries: &[Query]) {
    let mut stage = |name: &str, run: &dyn Fn(&Query, &mut criterion::Bencher)| {
        let mut group = criterion.benchmark_group(name);
        group
            .sample_size(10)
            .warm_up_time(Duration::from_millis(100))
            .measurement_time(Duration::from_millis(400));
        for query in queries {
            let id = BenchmarkId::from_parameter(&query.name);
            group.bench_function(id, |b| run(query, b));
        }
        group.finish();
    };
    stage("parse", &|q, b| {
        b.iter(|| compiler::parse::parse(&q.sql).expect("it parses"));
    });
    stage("parse, bind and lower", &|q, b| b.iter(|| q.analysed()));
    stage("optimise", &|q, b| {
        let (circuit, root) = q.analysed().circuit.expect("a circuit");
        b.iter(|| optimise(&circuit, root, &q.catalog).expect("a plan"));
    });
    stage("delta", &|q, b| {
        let compiled = q.compiled();
        b.iter(|| q.delta(&compiled));
    });
    stage("program", &|q, b| {
        let compiled = q.compiled();
        let plan = q.delta(&compiled);
        b.iter(|| q.program(&compiled, &plan));
    });
    stage("total", &|q, b| b.iter(|| q.total()));
}

fn main() {
    let mut queries = tpch();
    queries.push(chain(8));
    // `cargo test --benches` runs it, too; there is nothing to see then.
    if std::env::args().any(|a| a == "--bench") {
        table(&queries);
    }
    let mut criterion = Criterion::default().configure_from_args();
    stages(&mut criterion, &queries);
    criterion.final_summary();
}
