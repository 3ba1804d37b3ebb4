//! Whole plans: for random circuits, databases and changes, the optimised circuit means what the
//! query means, and the plan's delta of every stored collection is exactly New − Old of it.

use super::directed::DIRECTED;
use super::random::*;
use crate::rewrite::storage::{groups_by, is_kept, served_by_root};
use crate::rewrite::{Optimised, delta, optimise};
use spec::compiled::{Compiled, DeltaPlan};
use spec::eval::{Epoch, Pick, World, eval, eval_at};
use spec::{Circuit, NodeId, Oid};
use std::collections::BTreeSet;

pub fn compiled(o: &Optimised) -> Compiled {
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

pub fn show(circuit: &Circuit, roots: &[NodeId]) -> String {
    let mut out = String::new();
    for id in circuit.reachable(roots) {
        let inputs: Vec<u32> = circuit.inputs(id).iter().map(|i| i.0).collect();
        out += &format!("  {} = {:?} {inputs:?}\n", id.0, circuit.op(id));
    }
    out
}

/// What is wrong, if anything.
fn check(
    query: &Circuit,
    root: NodeId,
    o: &Optimised,
    plan: &DeltaPlan,
    world: &mut World,
    tally: &mut Tally,
) -> Result<(), String> {
    let mut values = vec![];
    for epoch in [Epoch::Old, Epoch::New] {
        match eval_at(query, root, world, epoch) {
            Ok(value) => values.push(value),
            Err(e) if e.is_sql_error() => {
                tally.count("the query raises");
                return Ok(());
            }
            Err(e) => return Err(format!("the query itself: {e}")),
        }
    }
    for (epoch, expected) in [Epoch::Old, Epoch::New].into_iter().zip(&values) {
        let got = eval_at(&o.circuit, o.root, world, epoch)
            .map_err(|e| format!("optimised circuit: {e}"))?;
        if got != *expected {
            return Err(format!(
                "optimised circuit, {epoch:?}: expected\n{expected}got\n{got}"
            ));
        }
    }
    world
        .store(&o.circuit, &o.storage)
        .map_err(|e| format!("states: {e}"))?;
    for stored in &o.storage.stored {
        let at = |epoch| {
            eval_at(&o.circuit, stored.node, world, epoch)
                .map_err(|e| format!("stored {}: {e}", stored.id.0))
        };
        let (old, new) = (at(Epoch::Old)?, at(Epoch::New)?);
        let expected = &new - &old;
        let node = plan.deltas.iter().find(|(id, _)| *id == stored.id);
        let got = match node {
            Some((_, node)) => eval(&plan.circuit, *node, world)
                .map_err(|e| format!("delta of {}: {e}", stored.id.0))?,
            None => Default::default(),
        };
        if got != expected {
            return Err(format!(
                "delta of {}: expected\n{expected}got\n{got}",
                stored.id.0
            ));
        }
        if !expected.is_empty() {
            tally.count("a delta that is not empty");
        }
        if let spec::compiled::Identity::Key(key) = &stored.identity {
            for z in [&old, &new] {
                let keys: BTreeSet<Vec<_>> = z
                    .iter()
                    .map(|(r, _)| key.iter().map(|c| r[*c].to_string()).collect())
                    .collect();
                if keys.len() != z.len() || z.iter().any(|(_, w)| w != 1) {
                    return Err(format!("{key:?} is no key of stored {}", stored.id.0));
                }
            }
            tally.count("a key");
        }
    }
    Ok(())
}

fn run(seeds: std::ops::Range<u64>, depth: usize) -> Tally {
    let catalog = catalog();
    let mut tally = Tally::default();
    for seed in seeds {
        let mut rng = Rng(seed.wrapping_mul(0x5851_f42d_4c95_7f2d));
        let mut grower = Grower {
            catalog: &catalog,
            rng: &mut rng,
            circuit: Circuit::new(),
        };
        let root = if seed % 4 == 0 {
            grower.directed(seed as usize / 4 % DIRECTED)
        } else {
            grower.grow(depth)
        };
        let query = grower.circuit;
        let o = match optimise(&query, root, &catalog) {
            Ok(o) => o,
            Err(e) => panic!("seed {seed}: {e}\n{}", show(&query, &[root])),
        };
        // A graph of this size would have run into a bound.
        assert!(o.enodes < 5_000, "seed {seed}: {} e-nodes", o.enodes);
        let nodes = o.circuit.reachable(&[o.root]);
        let mut unkept = nodes
            .into_iter()
            .filter(|id| is_kept(o.circuit.op(*id)) && o.storage.at(*id).is_none());
        if let Some(id) = unkept.next() {
            match served_by_root(&o.circuit, o.root) {
                Some((served, _)) if served == id => tally.count("read back from the root"),
                _ => tally.count("recomputed into the root"),
            }
            // More of them look at the same groups.
            let alike = |id| groups_by(o.circuit.op(id)).is_some();
            assert!(unkept.all(alike), "seed {seed}");
        }
        for round in 0..6 {
            let changed = some_tables(&mut rng);
            let changed_set: BTreeSet<Oid> = changed.iter().copied().collect();
            let append_only = match round {
                4 => changed.clone(),
                5 => changed.iter().take(1).copied().collect(),
                _ => vec![],
            };
            let mut compiled = compiled(&o);
            for source in &mut compiled.sources {
                source.append_only = append_only.contains(&source.relation);
            }
            let plan = delta(&compiled, &catalog, &changed_set).expect("a plan");
            assert!(plan.enodes < 5_000, "seed {seed}: {} e-nodes", plan.enodes);
            let mut world = world(&catalog, &mut rng, &changed, &append_only);
            if round % 2 == 1 {
                world.pick = Pick::Greatest;
            }
            // Reserves that are full, nearly used up, and used up.
            world.spent = *rng.pick(&[0, 33, 34, 35, 1_000]);
            if let Err(e) = check(&query, root, &o, &plan, &mut world, &mut tally) {
                let roots: Vec<NodeId> = plan.deltas.iter().map(|d| d.1).collect();
                panic!(
                    "seed {seed}, round {round}: {e}\nquery\n{}\noptimised\n{}stored {:?}\nplan {:?}\n{}",
                    show(&query, &[root]),
                    show(&o.circuit, &[o.root]),
                    o.storage,
                    plan.deltas,
                    show(&plan.circuit, &roots)
                );
            }
            tally.count("cases");
        }
    }
    tally
}

#[test]
fn random_plans_are_exact() {
    let tally = run(0..2_000, 3);
    println!("{tally:?}");
    assert!(tally.of("a delta that is not empty") > 800, "{tally:?}");
    assert!(tally.of("a key") > 500, "{tally:?}");
    for way in ["read back from the root", "recomputed into the root"] {
        assert!(tally.of(way) > 1, "{way}: {tally:?}");
    }
    assert!(
        tally.of("the query raises") < tally.of("cases") / 2,
        "{tally:?}"
    );
}

/// By hand: `PLANS=100000..200000 cargo test -p pgtrickle-compiler long_run -- --ignored`
#[test]
#[ignore = "as long as one likes"]
fn long_run() {
    let range = std::env::var("PLANS").unwrap_or_else(|_| "10000..30000".into());
    let (from, to) = range.split_once("..").expect("from..to");
    let seed = |s: &str| s.parse().expect("a number");
    for depth in 2..=4 {
        println!("depth {depth}: {:?}", run(seed(from)..seed(to), depth));
    }
}
