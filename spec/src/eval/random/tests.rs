//! The equations of the algebra, on random cases.

use super::*;
use crate::catalog::Catalog;
use crate::eval::group::{GroupKey, project};
use crate::eval::{Bag, Epoch, EvalError, Row, Value, ZSet, eval, eval_at};
use crate::eval::{consolidate, distinct, filter, map, neg, probe, touched};
use crate::op::{Op, State, StoredId};
use crate::types::{ColType, oids};
use std::collections::{BTreeMap, BTreeSet};

fn ok<T>(result: Result<T, EvalError>) -> Result<T, TestCaseError> {
    result.map_err(|e| TestCaseError::fail(e.to_string()))
}

/// Adds an epoch above a node.
fn epoch(circuit: &mut Circuit, op: Op, node: NodeId) -> NodeId {
    circuit.add(op, vec![node], None).expect("epochs fit all")
}

fn has_type(value: &Value, ty: &ColType) -> bool {
    match value {
        Value::Null => ty.nullable,
        Value::Bool(_) => ty.ty.oid == oids::BOOL,
        Value::Int(_) => matches!(ty.ty.oid, oids::INT2 | oids::INT4 | oids::INT8),
        Value::Numeric(n) => ty.ty.oid == oids::NUMERIC && n.with_typmod(ty.ty.typmod) == Ok(*n),
        Value::Float(_) => ty.ty.oid == oids::FLOAT8,
        Value::Text(_) => ty.ty.oid == oids::TEXT,
        Value::CiText(_) => ty.ty.oid == crate::eval::builtin::CITEXT,
        Value::Array(_) => false,
    }
}

proptest! {
    /// Every node of a case evaluates at both epochs, without error, to a multiset of rows of
    /// its type.
    #[test]
    fn cases_are_well_formed(case in case(Config::default())) {
        for id in case.circuit.ids() {
            for e in [Epoch::Old, Epoch::New] {
                let z = ok(eval_at(&case.circuit, id, &case.world, e))?;
                prop_assert!(z.is_positive(), "node {}", id.0);
                for (row, _) in z.iter() {
                    let schema = case.circuit.schema(id);
                    prop_assert_eq!(row.len(), schema.len());
                    prop_assert!(row.iter().zip(schema).all(|(v, t)| has_type(v, t)),
                        "node {} {:?}", id.0, row);
                }
            }
        }
    }

    /// With errors wanted, nothing but SQL errors comes of it.
    #[test]
    fn errors_are_those_of_sql(case in case(Config { errors: true, ..Config::default() })) {
        if let Err(e) = eval_at(&case.circuit, case.root, &case.world, Epoch::New) {
            prop_assert!(e.is_sql_error(), "{e}");
        }
    }

    /// Both states of a source keep its facts.
    #[test]
    fn sources_keep_their_facts(case in case(Config::default())) {
        let catalog = Catalog::new(case.objects.clone());
        for table in &case.tables {
            let relation = table.source.relation;
            prop_assert!(catalog.relation(relation).is_some());
            for e in [Epoch::Old, Epoch::New] {
                let z = ok(case.world.source(relation, e))?;
                prop_assert!(z.is_positive());
                if let Some(key) = &table.key {
                    let keys: BTreeSet<GroupKey> =
                        z.iter().map(|(r, _)| GroupKey::of(r, key)).collect();
                    prop_assert_eq!(keys.len(), z.len());
                    prop_assert!(z.iter().all(|(_, w)| w == 1));
                }
            }
        }
    }

    /// New(x) = Old(x) + Delta(x), and the next refresh starts where this one ends.
    #[test]
    fn epochs(mut case in case(Config::default())) {
        let root = case.root;
        let ops = [Op::New, Op::Old, Op::Delta];
        let [new, old, delta] = ops.map(|op| epoch(&mut case.circuit, op, root));
        let value = |id| ok(eval(&case.circuit, id, &case.world));
        let (new, old, delta) = (value(new)?, value(old)?, value(delta)?);
        prop_assert_eq!(&new, &(&old + &delta));
        let next = ok(case.world.advance())?;
        prop_assert_eq!(eval_at(&case.circuit, root, &next, Epoch::Old), Ok(new));
    }

    /// f(a + b) = f(a) + f(b), and f(−a) = −f(a), for every linear operator, on any Z-sets.
    #[test]
    fn linearity(mut tape in tape()) {
        let config = Config::default();
        let table = schema::sources(&mut tape, Config { sources: 1, ..config }).remove(0);
        let types = table.source.types.clone();
        let mut bag = || data::bag(&mut tape, &types, config);
        let (a, b) = (bag(), bag());
        let sum = Bag(a.0.iter().chain(&b.0).cloned().collect());
        let keys = data::bag(&mut tape, &types[..1], config);
        let exprs = [oids::INT4, oids::TEXT]
            .map(|ty| expr::of_type(&mut tape, &types, ty, 2, config));
        let p = expr::predicate(&mut tape, &types, 2, config);
        let functions = functions(7);
        type Linear<'a> = Box<dyn Fn(&Bag) -> Result<Bag, EvalError> + 'a>;
        let operators: Vec<Linear> = vec![
            Box::new(|x| map::eval(&exprs, x, &*functions)),
            Box::new(|x| filter::eval(&p, x, &*functions)),
            Box::new(|x| Ok(neg::eval(x))),
            Box::new(|x| Ok(consolidate::eval(x))),
            Box::new(|x| Ok(probe::eval(&[0], x, &keys))),
        ];
        for f in operators {
            let f = |x: &_| Ok::<_, TestCaseError>(ok(f(x))?.consolidate());
            prop_assert_eq!(f(&sum)?, &f(&a)? + &f(&b)?);
            prop_assert_eq!(f(&neg::eval(&a))?, -&f(&a)?);
        }
    }

    /// Delta(x ⋈ y) = Delta x ⋈ Old y + New x ⋈ Delta y.
    #[test]
    fn joins_are_bilinear(
        mut case in case(Config { sources: 2, depth: 2, ..Config::default() }),
        mut tape in tape(),
    ) {
        let (x, y) = (case.root, NodeId(tape.below(case.circuit.len()) as u32));
        let types = [case.circuit.schema(x), case.circuit.schema(y)].concat();
        let p = vec![expr::predicate(&mut tape, &types, 1, Config::default())];
        let c = &mut case.circuit;
        let join = c.add(Op::Join(p.clone()), vec![x, y], None).expect("a join");
        let delta = epoch(c, Op::Delta, join);
        let (dx, oy) = (epoch(c, Op::Delta, x), epoch(c, Op::Old, y));
        let (nx, dy) = (epoch(c, Op::New, x), epoch(c, Op::Delta, y));
        let first = c.add(Op::Join(p.clone()), vec![dx, oy], None).expect("a join");
        let second = c.add(Op::Join(p), vec![nx, dy], None).expect("a join");
        let terms = c.add(Op::Plus, vec![first, second], None).expect("a sum");
        prop_assert_eq!(eval(c, delta, &case.world), eval(c, terms, &case.world));
    }

    /// Distinct and Touched make sets; Distinct of a set is the set.
    #[test]
    fn sets(mut tape in tape()) {
        let config = Config::default();
        let table = schema::sources(&mut tape, config).remove(0);
        let x = data::bag(&mut tape, &table.source.types, config);
        for pick in [Pick::Least, Pick::Greatest] {
            let once = distinct::eval(&x, pick);
            let all = x.consolidate();
            prop_assert!(once.0.iter().all(|(r, w)| *w == 1 && all.weight(r) > 0));
            prop_assert_eq!(&distinct::eval(&once, pick), &once);
        }
        let touched = touched::eval(&[0], &x);
        prop_assert!(touched.consolidate().iter().all(|(_, w)| w == 1));
        let probed = probe::eval(&[0], &x, &touched);
        prop_assert_eq!(probed, x);
    }

    /// AggregateStep(Old(A x), Delta x, New(A x) ⋉ Stale) = Delta(A x), wherever A folds; without
    /// stale groups the third input is not needed.
    #[test]
    fn steps(mut case in case(Config { foldable: 100, ..Config::default() })) {
        let catalog = Catalog::new(case.objects.clone());
        for id in case.circuit.reachable(&[case.root]) {
            let Op::Aggregate(a) = case.circuit.op(id).clone() else { continue };
            let x = case.circuit.inputs(id)[0];
            if a.folding(case.circuit.schema(x), &catalog).is_none() {
                continue;
            }
            let c = &mut case.circuit;
            let old = ok(eval_at(c, id, &case.world, Epoch::Old))?;
            case.world.states.insert(StoredId(1), old);
            let state = Op::State(State { id: StoredId(1), types: c.schema(id).to_vec() });
            let state = c.add(state, vec![], None).expect("a state");
            let dx = epoch(c, Op::Delta, x);
            let mut add = |op, inputs| c.add(op, inputs, None).expect("fits its inputs");
            let stale = add(Op::Stale(a.clone()), vec![state, dx]);
            let new = add(Op::New, vec![id]);
            let keys: Vec<usize> = (0..a.keys.len()).collect();
            let renewed = add(Op::Probe(keys), vec![new, stale]);
            let step = add(Op::AggregateStep(a.clone()), vec![state, dx, renewed]);
            let short = add(Op::AggregateStep(a.clone()), vec![state, dx]);
            let delta = epoch(c, Op::Delta, id);
            let value = |id| eval(c, id, &case.world);
            prop_assert_eq!(value(step), value(delta), "{:?}", a);
            if value(stale).is_ok_and(|z| z.is_empty()) {
                prop_assert_eq!(value(short), value(delta));
            }
        }
    }

    /// Recomputing the touched groups: Delta(A x) = A(New x ⋉ K) − A(Old x ⋉ K).
    #[test]
    fn recomputation(mut case in case(Config { foldable: 20, ..Config::default() })) {
        for id in case.circuit.reachable(&[case.root]) {
            let Op::Aggregate(a) = case.circuit.op(id).clone() else { continue };
            if a.keys.is_empty() {
                continue;
            }
            let x = case.circuit.inputs(id)[0];
            let c = &mut case.circuit;
            let dx = epoch(c, Op::Delta, x);
            let mut add = |op, inputs| c.add(op, inputs, None).expect("fits its inputs");
            let touched = add(Op::Touched(a.keys.clone()), vec![dx]);
            let [new, old] = [Op::New, Op::Old].map(|op| {
                let x = add(op, vec![x]);
                let probed = add(Op::Probe(a.keys.clone()), vec![x, touched]);
                add(Op::Aggregate(a.clone()), vec![probed])
            });
            let minus = add(Op::Neg, vec![old]);
            let terms = add(Op::Plus, vec![new, minus]);
            let delta = epoch(c, Op::Delta, id);
            prop_assert_eq!(eval(c, terms, &case.world), eval(c, delta, &case.world));
        }
    }
}

/// The generator must make the cases that matter, not only valid ones. Counts over a fixed run.
#[test]
fn cases_are_not_trivial() {
    let mut hits: BTreeMap<&str, usize> = BTreeMap::new();
    let mut hit = |what, yes: bool| *hits.entry(what).or_default() += usize::from(yes);
    for seed in 0..1_200 {
        let mut tape = Tape::seeded(seed, 400);
        let case = Case::from_tape(&mut tape, Config::default());
        let (c, w) = (&case.circuit, &case.world);
        let at = |id, e| eval_at(c, id, w, e).expect("cases evaluate");
        let delta_of = |id| &at(id, Epoch::New) - &at(id, Epoch::Old);
        let delta = delta_of(case.root);
        hit("the root changes", !delta.is_empty());
        let gains = delta.iter().any(|(_, w)| w > 0);
        hit(
            "the root gains and loses",
            gains && delta.iter().any(|(_, w)| w < 0),
        );
        let cancels = |log: &Bag| log.consolidate().len() < log.0.len();
        hit("a log cancels", w.delta.values().any(cancels));
        for id in c.reachable(&[case.root]) {
            let inputs = c.inputs(id);
            let (new, old) = (at(id, Epoch::New), at(id, Epoch::Old));
            match c.op(id) {
                Op::Join(p) if inputs.len() > 1 => {
                    let matches = !p.is_empty() && !new.is_empty();
                    hit("a join with a condition matches", matches);
                    let changed = inputs.iter().filter(|i| !delta_of(**i).is_empty());
                    hit("both sides of a join change", changed.count() > 1);
                }
                Op::Filter(_) => {
                    let all = at(inputs[0], Epoch::New);
                    hit("a filter splits", !new.is_empty() && new != all);
                }
                Op::Repeat(_) => {
                    let all = at(inputs[0], Epoch::New);
                    let more = |(r, w): (&Row, i64)| w > all.weight(r);
                    hit("a row is repeated", new.iter().any(more));
                    hit("a row is repeated no times", new.len() < all.len());
                }
                Op::FlatMap(f) => {
                    let n = c.schema(inputs[0]).len();
                    let padded = |(r, _): (&Row, i64)| r[n..].iter().all(Value::is_null);
                    hit("functions make rows", !new.iter().all(padded));
                    let outer = f.outer.is_some();
                    hit("a row is padded", outer && new.iter().any(padded));
                }
                Op::Closure(_) => {
                    let seed = at(inputs[0], Epoch::New);
                    hit("a step finds rows", new.len() > seed.len());
                    let delta = &new - &old;
                    hit("a recursion loses rows", delta.iter().any(|(_, w)| w < 0));
                }
                Op::Distinct => hit("distinct merges", new != at(inputs[0], Epoch::New)),
                Op::Aggregate(a) if !a.keys.is_empty() => {
                    let keys: Vec<usize> = (0..a.keys.len()).collect();
                    let groups = |z: &ZSet| -> BTreeSet<GroupKey> {
                        z.iter().map(|(r, _)| GroupKey::of(r, &keys)).collect()
                    };
                    let (before, after) = (groups(&old), groups(&new));
                    hit("a group vanishes", before.difference(&after).count() > 0);
                    hit("a group appears", after.difference(&before).count() > 0);
                    let changed = groups(&(&new - &old));
                    let stays = |k| before.contains(k) && after.contains(k);
                    hit("a group changes", changed.iter().any(stays));
                    let images: BTreeSet<Row> = at(inputs[0], Epoch::New)
                        .iter()
                        .map(|(r, _)| project(r, &a.keys))
                        .collect();
                    hit("a group has several images", images.len() > new.len());
                    let null = |k: &GroupKey| k.0.contains(&Value::Null);
                    hit("a null key", after.iter().any(null));
                }
                _ => {}
            }
            hit("a duplicate", new.iter().any(|(_, w)| w > 1));
        }
    }
    for (what, n) in &hits {
        let enough = if what.contains("several images") {
            5
        } else {
            30
        };
        assert!(*n >= enough, "too rare: {what}: {n} of {hits:#?}");
    }
    assert_eq!(hits.len(), 19, "{hits:#?}");
}

/// Some case must show which of several equal images was picked.
#[test]
fn picks_can_be_told_apart() {
    let differs = (0..1500).any(|seed| {
        let mut tape = Tape::seeded(seed, 400);
        let mut case = Case::from_tape(&mut tape, Config::default());
        let mut value = |pick| {
            case.world.pick = pick;
            eval(&case.circuit, case.root, &case.world)
        };
        value(Pick::Least) != value(Pick::Greatest)
    });
    assert!(differs);
}
