//! The optimiser against the reference evaluator's own random worlds: all types with equal but
//! different images, NaN, made-up functions, shared subqueries.
//!
//! For every case: the optimised circuit means what the query means, at both epochs; and the plan
//! gives for every stored collection exactly New − Old of it; and what is said never to be NULL
//! never is.

use compiler::rewrite::{Optimised, delta, optimise};
use proptest::prelude::*;
use spec::catalog::Catalog;
use spec::compiled::Compiled;
use spec::eval::random::{Case, Config, case};
use spec::eval::{Epoch, eval, eval_at, eval_bag};
use spec::{Circuit, NodeId, Oid};
use std::collections::BTreeSet;

fn compiled(o: &Optimised) -> Compiled {
    Compiled {
        circuit: o.circuit.clone(),
        root: o.root,
        columns: vec![],
        sources: o.sources.clone(),
        storage: o.storage.clone(),
        reasons: o.reasons.clone(),
        dependencies: o.dependencies.clone(),
        bindings: Default::default(),
        clock: None,
    }
}

fn show(circuit: &Circuit, roots: &[NodeId]) -> String {
    let nodes = circuit.reachable(roots);
    let lines = nodes.iter().map(|&id| {
        let inputs: Vec<u32> = circuit.inputs(id).iter().map(|i| i.0).collect();
        format!("  {} = {:?} {inputs:?}\n", id.0, circuit.op(id))
    });
    lines.collect()
}

/// No row that is written down anywhere holds a NULL where its type says that there is none.
fn no_nulls(circuit: &Circuit, roots: &[NodeId], case: &Case) -> Result<(), TestCaseError> {
    for id in circuit.reachable(roots) {
        // What is below New, Old and Delta has no rows of its own.
        let Ok(rows) = eval_bag(circuit, id, &case.world) else {
            continue;
        };
        for (row, _) in &rows.0 {
            for (value, ty) in row.iter().zip(circuit.schema(id)) {
                let fits = ty.nullable || !value.is_null();
                prop_assert!(fits, "NULL in {} of\n{}", id.0, show(circuit, roots));
            }
        }
    }
    Ok(())
}

fn check(mut case: Case) -> Result<(), TestCaseError> {
    let fail = |what: &str, e: &dyn std::fmt::Display| TestCaseError::fail(format!("{what}: {e}"));
    let catalog = Catalog::new(case.objects.clone());
    let o = optimise(&case.circuit, case.root, &catalog).map_err(|e| fail("no plan", &e))?;
    let optimised = show(&o.circuit, &[o.root]);
    for epoch in [Epoch::Old, Epoch::New] {
        let expected = match eval_at(&case.circuit, case.root, &case.world, epoch) {
            Ok(z) => z,
            Err(e) if e.is_sql_error() => return Ok(()),
            Err(e) => return Err(fail("the query", &e)),
        };
        let got = eval_at(&o.circuit, o.root, &case.world, epoch)
            .map_err(|e| fail(&format!("optimised\n{optimised}"), &e))?;
        prop_assert_eq!(&got, &expected, "optimised, {:?}\n{}", epoch, optimised);
    }
    case.world
        .store(&o.circuit, &o.storage)
        .map_err(|e| fail("states", &e))?;
    let changed: BTreeSet<Oid> = case.world.delta.keys().copied().collect();
    let plan = delta(&compiled(&o), &catalog, &changed).map_err(|e| fail("no plan", &e))?;
    for stored in &o.storage.stored {
        let at = |epoch| {
            eval_at(&o.circuit, stored.node, &case.world, epoch).map_err(|e| fail("stored", &e))
        };
        let expected = &at(Epoch::New)? - &at(Epoch::Old)?;
        let node = plan.deltas.iter().find(|(id, _)| *id == stored.id);
        let shown = || {
            let roots: Vec<NodeId> = node.iter().map(|d| d.1).collect();
            format!(
                "stored {:?} of\n{optimised}plan\n{}",
                stored,
                show(&plan.circuit, &roots)
            )
        };
        let got = match node {
            Some((_, node)) => {
                eval(&plan.circuit, *node, &case.world).map_err(|e| fail(&shown(), &e))?
            }
            None => Default::default(),
        };
        prop_assert_eq!(&got, &expected, "{}", shown());
    }
    let roots: Vec<NodeId> = plan.deltas.iter().map(|d| d.1).collect();
    no_nulls(&o.circuit, &[o.root], &case)?;
    no_nulls(&plan.circuit, &roots, &case)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("WORLDS").ok().and_then(|n| n.parse().ok()).unwrap_or(60),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn plans_are_exact(case in case(Config::default())) {
        check(case)?;
    }

    /// Where the query raises, anything may happen; where it does not, nothing else may raise.
    #[test]
    fn plans_raise_nothing_new(case in case(Config { errors: true, ..Config::default() })) {
        check(case)?;
    }

    #[test]
    fn deep_plans_are_exact(case in case(Config { depth: 6, sources: 4, foldable: 90, ..Config::default() })) {
        check(case)?;
    }
}
