//! The printed programs, run by a real server: for every operator, and for each way in which it
//! can be made incremental, what is stored equals the query after each batch of random changes.
//!
//! The extension takes no part: batches and lets are temporary tables. Plans come from the
//! compiler's rewriting and, so that every operator is met in every place, from [`naive`].

mod naive;
mod run;
mod world;

use codegen::Names;
use naive::Style;
use spec::compiled::{Compiled, Identity};
use spec::program::QualifiedName;
use spec::types::Oid;
use std::collections::BTreeSet;
use world::World;

fn names(compiled: &Compiled) -> Names {
    let table = QualifiedName {
        schema: "st".into(),
        name: "result".into(),
    };
    let mut names = Names::new(table, 7, compiled);
    for stored in names.stored.iter_mut().skip(1) {
        stored.schema = "st".into();
    }
    names
}

/// The law, after each of several batches, in one style.
fn check(build: &dyn Fn(&mut world::Circuits) -> Compiled, style: Style, seed: u64) {
    let mut world = World::new(seed);
    let mut circuits = world::Circuits::new(&world.catalog);
    let mut compiled = build(&mut circuits);
    if style.is_optimised() {
        compiled = naive::optimised(compiled, &world.catalog);
    }
    for source in &mut compiled.sources {
        source.append_only = style == Style::Growing;
    }
    let catalog = world.catalog.clone();
    let names = names(&compiled);
    let ddl = codegen::storage(&compiled, &catalog, &names).expect("DDL");
    run::create(&mut world.client, &ddl);
    let sources: Vec<Oid> = compiled.sources.iter().map(|s| s.relation).collect();
    for batch in 0..6 {
        world.clear_logs();
        // One source alone, all of them, and a batch of nothing.
        let changed: BTreeSet<Oid> = match batch {
            0 => sources.iter().copied().take(1).collect(),
            1 => sources.iter().copied().skip(1).collect(),
            _ => sources.iter().copied().collect(),
        };
        if changed.is_empty() {
            continue;
        }
        if batch != 2 {
            for source in &changed {
                world.change(*source, 12, style == Style::Growing);
            }
        }
        if batch == 4 && style != Style::Growing {
            for source in &changed {
                world.empty(*source);
            }
        }
        let plan = naive::plan(&compiled, &catalog, &changed, style);
        let program = codegen::program(&compiled, &plan, &catalog, &names).expect("a program");
        run::refresh(&mut world.client, &program, world::log_of);
        for (stored, fill) in &ddl.fills {
            let table = names.stored[stored.0 as usize].clone();
            let table = format!(
                "SELECT * FROM {}.{}",
                run::quoted(&table.schema),
                run::quoted(&table.name)
            );
            // The stream table against the base tables; a state may be made of states, which have
            // been compared by then.
            let query = match stored.0 {
                0 => codegen::select(&compiled, &catalog, &names).expect("the query"),
                _ => {
                    let (_, query) = fill.split_once('\n').expect("INSERT, then the query");
                    query.to_owned()
                }
            };
            let is = run::rows(&mut world.client, &table);
            let should = run::rows(&mut world.client, &query);
            let text = serde(&program);
            assert_eq!(is, should, "batch {batch}, {style:?}, seed {seed}:\n{text}");
        }
    }
    // A FULL refresh finds nothing to do, and repairs what is broken.
    let full = codegen::reconcile(&compiled, &catalog, &names).expect("a program");
    for id in 0..names.stored.len() {
        let table = &names.stored[id].name;
        let sql = format!(
            "DELETE FROM st.{0} WHERE ctid IN (SELECT ctid FROM st.{0} LIMIT 2)",
            run::quoted(table)
        );
        run::execute(&mut world.client, &sql);
    }
    run::refresh(&mut world.client, &full, world::log_of);
    let is = run::rows(&mut world.client, "SELECT * FROM st.result");
    let query = codegen::select(&compiled, &catalog, &names).expect("the query");
    assert_eq!(is, run::rows(&mut world.client, &query), "{}", serde(&full));
}

fn serde(program: &spec::program::RefreshProgram) -> String {
    let mut out = String::new();
    for step in &program.steps {
        out += &format!("\n-- {}: {}\n", step.name, step.comment);
        match &step.kind {
            spec::program::StepKind::Let { sql, .. } => out += sql,
            spec::program::StepKind::Merge { with, rows, .. } => {
                out += &format!("{with}\n{rows}");
            }
            spec::program::StepKind::Apply { statements, .. } => out += &statements.join(";\n"),
            spec::program::StepKind::Assert { sql, .. } => out += sql,
        }
    }
    out
}

macro_rules! cases {
    ($($name:ident: $build:expr;)+) => {$(
        #[test]
        fn $name() {
            for (seed, style) in [Style::Whole, Style::Touched, Style::Step, Style::Optimised, Style::Growing].into_iter().enumerate() {
                let seeds = std::env::var("PGT_SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
                for more in 0..seeds {
                    check(&$build, style, seed as u64 + 100 * more);
                }
            }
        }
    )+};
}

cases! {
    filter_and_map: |c: &mut world::Circuits| {
        let t = c.table("t");
        let big = c.op(">", c.col(t, "a"), c.int(3));
        let t = c.filter(t, big);
        let sum = c.op("+", c.col(t, "a"), c.int(1));
        let root = c.map(t, vec![c.col(t, "id"), c.col(t, "s"), sum, c.col(t, "x")]);
        c.compiled(root, Identity::Key(vec![0]))
    };
    no_key: |c: &mut world::Circuits| {
        let u = c.table("u");
        let root = c.map(u, vec![c.col(u, "g"), c.col(u, "s"), c.col(u, "j"), c.col(u, "x")]);
        c.compiled(root, Identity::Image)
    };
    no_columns: |c: &mut world::Circuits| {
        let u = c.table("u");
        let root = c.map(u, vec![]);
        c.compiled(root, Identity::Image)
    };
    join: |c: &mut world::Circuits| {
        let (t, u) = (c.table("t"), c.table("u"));
        let on = c.op("=", c.at(t, "g", 0), c.at(u, "g", c.arity(t)));
        let j = c.join(vec![t, u], vec![on]);
        let root = c.map(j, vec![c.at(t, "id", 0), c.at(u, "s", c.arity(t)), c.at(u, "x", c.arity(t))]);
        c.compiled(root, Identity::Image)
    };
    self_join_of_three: |c: &mut world::Circuits| {
        let (t, u) = (c.table("t"), c.table("u"));
        let n = c.arity(t);
        let a = c.op("=", c.at(t, "g", 0), c.at(t, "a", n));
        let b = c.op("=", c.at(t, "g", n), c.at(u, "g", 2 * n));
        let j = c.join(vec![t, t, u], vec![a, b]);
        let root = c.map(j, vec![c.at(t, "id", 0), c.at(t, "id", n), c.at(u, "k", 2 * n)]);
        c.compiled(root, Identity::Image)
    };
    cross_join_with_constants: |c: &mut world::Circuits| {
        let u = c.table("u");
        let v = c.constants(&[1, 2, 2]);
        let j = c.join(vec![u, v], vec![]);
        let root = c.map(j, vec![c.at(u, "s", 0), c.at(v, "", c.arity(u))]);
        c.compiled(root, Identity::Image)
    };
    union_all_of_collations: |c: &mut world::Circuits| {
        let (t, odd) = (c.table("t"), c.table("V w"));
        let a = c.map(t, vec![c.col(t, "g"), c.col(t, "s")]);
        let b = c.map(odd, vec![c.col(odd, "w"), c.col(odd, "select")]);
        let none = c.constants(&[]);
        let none = c.map(none, vec![c.at(none, "", 0), c.text_null()]);
        let root = c.plus(vec![a, b, none]);
        let early = c.op("<", c.at(root, "", 1), c.text("m"));
        let root = c.filter(root, early);
        c.compiled(root, Identity::Image)
    };
    names_of_all_kinds: |c: &mut world::Circuits| {
        let odd = c.table("V w");
        let (g, w, select) = (c.col(odd, "G"), c.col(odd, "w"), c.col(odd, "select"));
        let root = c.map(odd, vec![w, select, g]);
        c.compiled(root, Identity::Image)
    };
    distinct: |c: &mut world::Circuits| {
        let t = c.table("t");
        let m = c.map(t, vec![c.col(t, "g"), c.col(t, "s")]);
        let root = c.distinct(m);
        c.compiled(root, Identity::Key(vec![0, 1]))
    };
    distinct_of_nothing: |c: &mut world::Circuits| {
        let u = c.table("u");
        let m = c.map(u, vec![]);
        let root = c.distinct(m);
        c.compiled(root, Identity::Key(vec![]))
    };
    group_by_nullable: |c: &mut world::Circuits| {
        let t = c.table("t");
        let aggs = vec![c.count(), c.agg("count", t, "a"), c.agg("sum", t, "a"), c.agg("min", t, "a"), c.agg("max", t, "s")];
        let a = c.aggregate(t, &["g"], aggs);
        let has = c.op(">", c.at(a, "", 1), c.int8(1));
        let f = c.filter(a, has);
        let root = c.map(f, vec![c.at(a, "", 0), c.at(a, "", 3), c.at(a, "", 4), c.at(a, "", 5)]);
        c.stored(root, Identity::Key(vec![0]), &[(a, 1)])
    };
    group_by_not_null: |c: &mut world::Circuits| {
        let u = c.table("u");
        let aggs = vec![c.count(), c.agg("count", u, "m"), c.agg("sum", u, "m"), c.agg("sum", u, "k"), c.agg("count", u, "k")];
        let root = c.aggregate(u, &["g"], aggs);
        c.stored(root, Identity::Key(vec![0]), &[])
    };
    group_by_wide: |c: &mut world::Circuits| {
        let (t, u) = (c.table("t"), c.table("u"));
        let n = c.arity(t);
        let on = c.op("=", c.at(t, "g", 0), c.at(u, "g", n));
        let j = c.join(vec![t, u], vec![on]);
        let m = c.map(j, vec![c.at(t, "s", 0), c.at(u, "s", n), c.at(t, "n", 0), c.at(t, "big", 0)]);
        let aggs = vec![
            c.count(),
            c.call("count", c.at(m, "", 2)), c.call("sum", c.at(m, "", 2)),
            c.call("count", c.at(m, "", 3)), c.call("sum", c.at(m, "", 3)),
            c.call("max", c.at(m, "", 2)),
        ];
        let a = c.aggregate_on(m, vec![0, 1], aggs);
        c.stored(a, Identity::Key(vec![0, 1]), &[])
    };
    group_by_wide_not_null: |c: &mut world::Circuits| {
        let t = c.table("t");
        let key = c.coalesce_text(c.col(t, "s"));
        let m = c.map(t, vec![key, c.col(t, "a")]);
        let d = c.aggregate_on(m, vec![0], vec![c.count(), c.call("min", c.at(m, "", 1))]);
        c.stored(d, Identity::Key(vec![0]), &[])
    };
    group_by_numeric: |c: &mut world::Circuits| {
        let u = c.table("u");
        let m = c.map(u, vec![c.col(u, "x"), c.col(u, "k")]);
        let a = c.aggregate_on(m, vec![0], vec![c.count()]);
        // Which image of an equal key is shown is not fixed: show what does not tell.
        let root = c.map(a, vec![c.at(a, "", 1)]);
        c.compiled(root, Identity::Image)
    };
    aggregate_of_all: |c: &mut world::Circuits| {
        let t = c.table("t");
        let aggs = vec![c.count(), c.agg("count", t, "n"), c.agg("sum", t, "n"), c.agg("min", t, "id"), c.agg("sum", t, "big"), c.agg("count", t, "big")];
        let root = c.aggregate(t, &[], aggs);
        c.stored(root, Identity::Key(vec![]), &[])
    };
    aggregates_that_do_not_fold: |c: &mut world::Circuits| {
        let t = c.table("t");
        let aggs = vec![c.agg("sum", t, "x"), c.agg("avg", t, "a"), c.distinct_call("count", c.col(t, "s")), c.filtered("sum", t, "a", "g")];
        let root = c.aggregate(t, &["g"], aggs);
        c.stored(root, Identity::Key(vec![0]), &[])
    };
    aggregate_of_aggregate: |c: &mut world::Circuits| {
        let (t, u) = (c.table("t"), c.table("u"));
        let a = c.aggregate(t, &["g", "s"], vec![c.count()]);
        let b = c.aggregate_on(a, vec![0], vec![c.count(), c.call("max", c.at(a, "", 2)), c.call("sum", c.at(a, "", 2)), c.call("count", c.at(a, "", 2))]);
        let on = c.op("=", c.at(b, "", 0), c.at(u, "g", c.arity(b)));
        let j = c.join(vec![b, u], vec![on]);
        let root = c.map(j, vec![c.at(b, "", 2), c.at(b, "", 3), c.at(u, "j", c.arity(b)), c.at(u, "m", c.arity(b))]);
        c.stored(root, Identity::Image, &[(a, 2), (b, 1)])
    };
}
