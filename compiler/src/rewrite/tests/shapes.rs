//! Known shapes: what their plans must look like, and how large their graphs grow.

use super::plans::{compiled, show};
use super::random::*;
use crate::rewrite::rules::distinct::count_rows;
use crate::rewrite::{Optimised, delta, optimise};
use spec::catalog::{Catalog, Objects};
use spec::compiled::{DeltaPlan, Dependency, Identity};
use spec::fold::{COUNT_VALUES, SUM_INT8};
use spec::op::{AggCall, Aggregate, SortKey, TopK};
use spec::reason::ReasonCode;
use spec::types::{Oid, SqlType};
use spec::{Circuit, Expr, NodeId, Op};
use std::time::Instant;

/// `<` of integers.
const INT4_LESS: Oid = Oid(97);

/// A column of an input of a join: which input, which column of it.
type Place = (usize, usize);

/// Builds a query by hand.
struct Query<'a> {
    catalog: &'a Catalog,
    circuit: Circuit,
}

impl<'a> Query<'a> {
    fn new(catalog: &'a Catalog) -> Query<'a> {
        Query {
            catalog,
            circuit: Circuit::new(),
        }
    }

    fn add(&mut self, op: Op, inputs: &[NodeId]) -> NodeId {
        self.circuit
            .add(op, inputs.to_vec(), None)
            .expect("a query that fits")
    }

    fn table(&mut self, oid: Oid) -> NodeId {
        self.add(source(self.catalog, oid), &[])
    }

    fn column(&self, x: NodeId, c: usize) -> Expr {
        Expr::column(c, self.circuit.schema(x)[c].ty)
    }

    fn select(&mut self, x: NodeId, columns: &[usize]) -> NodeId {
        let exprs = columns.iter().map(|c| self.column(x, *c)).collect();
        self.add(Op::Map(exprs), &[x])
    }

    /// A join under equations between columns of (input, column).
    fn join(&mut self, inputs: &[NodeId], equal: &[(Place, Place)]) -> NodeId {
        let at = |q: &Self, (input, column): Place| {
            let before = inputs[..input].iter().map(|x| q.circuit.schema(*x).len());
            let ty = q.circuit.schema(inputs[input])[column].ty;
            Expr::column(before.sum::<usize>() + column, ty)
        };
        let on = equal
            .iter()
            .map(|(a, b)| operator(self.catalog, "=", at(self, *a), at(self, *b)))
            .collect();
        self.add(Op::Join(on), inputs)
    }

    fn aggregate(&mut self, x: NodeId, keys: &[usize], aggs: Vec<AggCall>) -> NodeId {
        let op = Op::Aggregate(Aggregate {
            keys: keys.to_vec(),
            aggs,
        });
        self.add(op, &[x])
    }

    fn done(&self, root: NodeId) -> Optimised {
        optimise(&self.circuit, root, self.catalog).expect("optimised")
    }
}

fn call(function: u32, arg: Expr, ty: SqlType) -> AggCall {
    AggCall {
        function: Oid(function),
        nullable: function != COUNT_VALUES.0,
        args: vec![arg],
        ty,
        ..count_rows()
    }
}

fn sum(e: &Expr) -> [AggCall; 2] {
    [
        call(SUM_INT8.0, e.clone(), NUMERIC),
        call(COUNT_VALUES.0, e.clone(), BIG),
    ]
}

fn plan(o: &Optimised, catalog: &Catalog, changed: &[Oid]) -> DeltaPlan {
    let changed = changed.iter().copied().collect();
    delta(&compiled(o), catalog, &changed).expect("a plan")
}

fn full_scans(plan: &DeltaPlan) -> usize {
    let scans = plan.reasons.iter();
    scans.filter(|r| r.code == ReasonCode::FullScan).count()
}

fn count(plan: &DeltaPlan, what: impl Fn(&Op) -> bool) -> usize {
    let roots: Vec<NodeId> = plan.deltas.iter().map(|d| d.1).collect();
    let nodes = plan.circuit.reachable(&roots);
    nodes
        .into_iter()
        .filter(|n| what(plan.circuit.op(*n)))
        .count()
}

fn oid(n: u32) -> Oid {
    Oid(30_000 + n)
}

/// t₁ ⋈ … ⋈ t₈ along a chain, grouped and summed.
fn chain(catalog: &Catalog) -> Optimised {
    let mut q = Query::new(catalog);
    let inputs: Vec<NodeId> = (0..8).map(|n| q.table(oid(n))).collect();
    let equal: Vec<_> = (0..7).map(|n| ((n, 1), (n + 1, 0))).collect();
    let join = q.join(&inputs, &equal);
    let last = q.column(join, 23);
    let mut aggs = vec![count_rows()];
    aggs.extend(sum(&last));
    let root = q.aggregate(join, &[2], aggs);
    q.done(root)
}

fn chain_catalog() -> Catalog {
    let columns = [(BIG, true), (BIG, false), (BIG, false)];
    Catalog::new(Objects {
        relations: (0..8)
            .map(|n| table(oid(n), &format!("t{n}"), &columns, &[(&[1], false)]))
            .collect(),
        ..Objects::default()
    })
}

#[test]
fn eight_way_join() {
    let catalog = chain_catalog();
    let start = Instant::now();
    let o = chain(&catalog);
    let optimised = start.elapsed();
    let all: Vec<Oid> = (0..8).map(oid).collect();
    let start = Instant::now();
    let all_changed = plan(&o, &catalog, &all);
    println!(
        "eight-way join: optimise {optimised:?} ({} e-nodes), delta {:?} ({} e-nodes)",
        o.enodes,
        start.elapsed(),
        all_changed.enodes
    );
    assert!(all_changed.enodes < 600, "{}", all_changed.enodes);
    // n terms, not 2ⁿ − 1, and all of them driven by their delta.
    assert_eq!(count(&all_changed, |op| matches!(op, Op::Join(_))), 8);
    assert_eq!(full_scans(&all_changed), 0);
    let one = plan(&o, &catalog, &[oid(3)]);
    assert_eq!(count(&one, |op| matches!(op, Op::Join(_))), 1);
    assert_eq!(count(&one, |op| matches!(op, Op::Delta)), 1);
    assert_eq!(full_scans(&one), 0);
}

/// TPC-H Q5: customer, orders, lineitem, supplier, nation, region.
fn q5(catalog: &Catalog) -> Optimised {
    let mut q = Query::new(catalog);
    let inputs: Vec<NodeId> = (10..16).map(|n| q.table(oid(n))).collect();
    let join = q.join(
        &inputs,
        &[
            ((0, 0), (1, 1)),
            ((2, 0), (1, 0)),
            ((2, 1), (3, 0)),
            ((0, 1), (3, 1)),
            ((3, 1), (4, 0)),
            ((4, 2), (5, 0)),
        ],
    );
    let at = |input: usize, column: usize| {
        let before = inputs[..input].iter().map(|x| q.circuit.schema(*x).len());
        before.sum::<usize>() + column
    };
    let name = at(5, 1);
    let date = at(1, 2);
    let (nation, price, discount) = (at(4, 1), at(2, 2), at(2, 3));
    let region = operator(
        catalog,
        "=",
        q.column(join, name),
        Expr::literal("ASIA", TEXT),
    );
    let since = operator(
        catalog,
        ">",
        q.column(join, date),
        Expr::literal("19940101", BIG),
    );
    let revenue = operator(
        catalog,
        "*",
        q.column(join, price),
        operator(
            catalog,
            "-",
            Expr::literal("1", BIG),
            q.column(join, discount),
        ),
    );
    let join = q.add(Op::Filter(region), &[join]);
    let join = q.add(Op::Filter(since), &[join]);
    let exprs = vec![q.column(join, nation), revenue];
    let map = q.add(Op::Map(exprs), &[join]);
    let revenue = q.column(map, 1);
    let mut aggs = vec![count_rows()];
    aggs.extend(sum(&revenue));
    let grouped = q.aggregate(map, &[0], aggs);
    let root = q.select(grouped, &[0, 2]);
    q.done(root)
}

fn q5_catalog() -> Catalog {
    let int = (BIG, true);
    let text = (TEXT, true);
    Catalog::new(Objects {
        relations: vec![
            table(oid(10), "customer", &[int, int, text], &[(&[1], false)]),
            table(oid(11), "orders", &[int, int, int, text], &[(&[1], false)]),
            table(oid(12), "lineitem", &[int, int, int, int, text, text], &[]),
            table(oid(13), "supplier", &[int, int, text], &[(&[1], false)]),
            table(oid(14), "nation", &[int, text, int], &[(&[1], false)]),
            table(oid(15), "region", &[int, text], &[(&[1], false)]),
        ],
        ..Objects::default()
    })
}

#[test]
fn tpch_q5() {
    let catalog = q5_catalog();
    let start = Instant::now();
    let o = q5(&catalog);
    let optimised = start.elapsed();
    println!("{}", show(&o.circuit, &[o.root]));
    assert_eq!(o.storage.stored.len(), 2);
    assert_eq!(o.storage.stored[0].identity, Identity::Key(vec![0]));
    // Six columns of lineitem, four of them read.
    let lineitem = o.sources.iter().find(|s| s.relation == oid(12));
    assert_eq!(
        lineitem.map(|s| s.columns.as_slice()),
        Some(&[1, 2, 3, 4][..])
    );
    // Each filter stands on its table.
    for id in o.circuit.reachable(&[o.root]) {
        if let Op::Filter(_) = o.circuit.op(id) {
            let below = o.circuit.reachable(&[id]);
            assert!(
                !below
                    .iter()
                    .any(|n| matches!(o.circuit.op(*n), Op::Join(_)))
            );
        }
    }
    let all: Vec<Oid> = (10..16).map(oid).collect();
    let start = Instant::now();
    let changed = plan(&o, &catalog, &all);
    println!(
        "Q5: optimise {optimised:?} ({} e-nodes), delta {:?} ({} e-nodes)",
        o.enodes,
        start.elapsed(),
        changed.enodes
    );
    assert_eq!(full_scans(&changed), 0);
    let orders = plan(&o, &catalog, &all[1..3]);
    println!("{}", show(&orders.circuit, &[orders.deltas[0].1]));
    assert_eq!(full_scans(&orders), 0);
    assert_eq!(count(&orders, |op| matches!(op, Op::Join(_))), 2);
}

#[test]
fn maxima_are_renewed_for_stale_groups_only() {
    let catalog = catalog();
    let mut q = Query::new(&catalog);
    let s = q.table(S);
    let max = call(2116, q.column(s, 0), INT);
    let root = q.aggregate(s, &[1], vec![count_rows(), max]);
    let o = q.done(root);
    assert_eq!(o.storage.stored.len(), 1);
    assert_eq!(o.reasons, []);
    let p = plan(&o, &catalog, &[S]);
    assert_eq!(count(&p, |op| matches!(op, Op::Stale(_))), 1);
    assert_eq!(count(&p, |op| matches!(op, Op::Probe(_))), 1);
    assert_eq!(full_scans(&p), 0);
}

#[test]
fn a_global_minimum_names_its_scan() {
    let catalog = catalog();
    let mut q = Query::new(&catalog);
    let s = q.table(S);
    let min = call(2132, q.column(s, 0), INT);
    let root = q.aggregate(s, &[], vec![count_rows(), min]);
    let o = q.done(root);
    assert_eq!(o.storage.stored[0].identity, Identity::Key(vec![]));
    assert_eq!(full_scans(&plan(&o, &catalog, &[S])), 1);
    assert!(
        o.reasons.iter().any(|r| r.message.ends_with("all of s")),
        "{:?}",
        o.reasons
    );
}

/// What is behind a reserve is read when that is used up, not by each refresh.
#[test]
fn first_rows_with_a_reserve_name_no_scan() {
    let catalog = catalog();
    let first = |limit: Option<u64>| {
        let mut q = Query::new(&catalog);
        let s = q.table(S);
        let by = SortKey {
            expr: q.column(s, 0),
            operator: INT4_LESS,
            nulls_first: false,
        };
        let top = TopK {
            keys: vec![],
            order: vec![by],
            offset: 3,
            limit,
            with_ties: true,
            total: false,
        };
        let root = q.add(Op::TopK(top), &[s]);
        q.done(root)
    };
    let scans = |o: &Optimised| o.reasons.iter().any(|r| r.code == ReasonCode::FullScan);
    let o = first(Some(5));
    assert!(!scans(&o), "{:?}", o.reasons);
    let p = plan(&o, &catalog, &[S]);
    assert_eq!(count(&p, |op| matches!(op, Op::ReserveStep(_))), 1);
    assert_eq!(full_scans(&p), 0);
    // Without a limit there is nothing to keep, and all is read.
    let o = first(None);
    assert!(scans(&o), "{:?}", o.reasons);
}

#[test]
fn a_cross_join_names_its_scans() {
    let catalog = catalog();
    let mut q = Query::new(&catalog);
    let (s, u) = (q.table(S), q.table(U));
    let root = q.join(&[s, u], &[]);
    let o = q.done(root);
    assert_eq!(full_scans(&plan(&o, &catalog, &[S])), 1);
    assert_eq!(o.reasons.len(), 2, "{:?}", o.reasons);
}

#[test]
fn float_sums_are_recomputed_for_touched_groups() {
    let catalog = catalog();
    let mut q = Query::new(&catalog);
    let t = q.table(T);
    let total = call(2111, q.column(t, 3), FLOAT);
    let root = q.aggregate(t, &[1], vec![count_rows(), total]);
    let o = q.done(root);
    let p = plan(&o, &catalog, &[T]);
    assert_eq!(count(&p, |op| matches!(op, Op::AggregateStep(_))), 0);
    assert_eq!(count(&p, |op| matches!(op, Op::Probe(_))), 2);
    assert_eq!(full_scans(&p), 0);
    assert!(
        o.reasons
            .iter()
            .any(|r| r.code == ReasonCode::GroupRecompute)
    );
}

/// r ⋈ γ(s): the aggregate is kept, and looked up by the join's column.
#[test]
fn an_aggregate_under_a_join_is_looked_up_in_its_state() {
    let catalog = catalog();
    let mut q = Query::new(&catalog);
    let (r, s) = (q.table(R), q.table(S));
    let counts = q.aggregate(s, &[1], vec![count_rows()]);
    let root = q.join(&[r, counts], &[((0, 1), (1, 0))]);
    let o = q.done(root);
    assert_eq!(o.storage.stored.len(), 2);
    for changed in [&[R][..], &[S], &[R, S]] {
        let p = plan(&o, &catalog, changed);
        assert_eq!(full_scans(&p), 0, "{changed:?}");
    }
    // r.a is the key of the result; r's key and s's group determine each other.
    assert_eq!(o.storage.stored[0].identity, Identity::Key(vec![0]));
    let because = o.dependencies.iter();
    let keys = because.filter(|d| matches!(d, Dependency::Key { .. }));
    assert!(keys.count() >= 1, "{:?}", o.dependencies);
}

#[test]
fn distinct_over_a_key_is_nothing() {
    let catalog = catalog();
    let mut q = Query::new(&catalog);
    let r = q.table(R);
    let part = q.select(r, &[0, 2]);
    let root = q.add(Op::Distinct, &[part]);
    let o = q.done(root);
    assert_eq!(o.storage.stored.len(), 1);
    let key = Dependency::Key {
        relation: R,
        index: Oid(R.0 * 10 + 1),
    };
    assert!(o.dependencies.contains(&key));

    let mut q = Query::new(&catalog);
    let r = q.table(R);
    let part = q.select(r, &[1, 2]);
    let root = q.add(Op::Distinct, &[part]);
    let o = q.done(root);
    // Counted, in a table of its own.
    assert_eq!(o.storage.stored.len(), 2);
    assert_eq!(o.storage.stored[0].identity, Identity::Key(vec![0, 1]));
}

#[test]
fn the_root_serves_an_aggregate_that_it_shows_whole() {
    let catalog = catalog();
    let mut q = Query::new(&catalog);
    let s = q.table(S);
    let counts = q.aggregate(s, &[1], vec![count_rows()]);
    let root = q.select(counts, &[1, 0]);
    let o = q.done(root);
    assert_eq!(o.storage.stored.len(), 1);
    assert_eq!(o.storage.stored[0].identity, Identity::Key(vec![1]));
    let p = plan(&o, &catalog, &[S]);
    assert_eq!(count(&p, |op| matches!(op, Op::AggregateStep(_))), 1);
    assert_eq!(full_scans(&p), 0);
}

/// What does not fold, under a HAVING and a SELECT list: recomputed into the stream table, if that
/// shows the groups' keys.
#[test]
fn what_is_recomputed_into_the_root_is_kept_there_alone() {
    let catalog = catalog();
    let floats = |keys: &[usize], shown: &[usize]| {
        let mut q = Query::new(&catalog);
        let t = q.table(T);
        let total = call(2111, q.column(t, 3), FLOAT);
        let groups = q.aggregate(t, keys, vec![count_rows(), total]);
        let rows = q.column(groups, keys.len());
        let many = operator(&catalog, ">", rows, Expr::literal("1", BIG));
        let having = q.add(Op::Filter(many), &[groups]);
        let root = q.select(having, shown);
        q.done(root)
    };
    let o = floats(&[1], &[2, 0]);
    assert_eq!(o.storage.stored.len(), 1);
    assert_eq!(o.storage.stored[0].identity, Identity::Key(vec![1]));
    let p = plan(&o, &catalog, &[T]);
    assert_eq!(count(&p, |op| matches!(op, Op::Probe(_))), 2);
    assert_eq!(full_scans(&p), 0);
    // The one group without keys is there whether it is shown or not.
    let o = floats(&[], &[1]);
    assert_eq!(o.storage.stored.len(), 1);
    // A group that does not show cannot be told from another.
    let o = floats(&[1, 2], &[2, 3]);
    assert_eq!(o.storage.stored.len(), 2);
}

#[test]
fn what_did_not_change_has_no_delta() {
    let catalog = q5_catalog();
    let o = q5(&catalog);
    let p = plan(&o, &catalog, &[Oid(1)]);
    assert!(p.deltas.is_empty() && p.circuit.is_empty());
}

#[test]
fn one_query_has_one_program() {
    let catalog = q5_catalog();
    let all: Vec<Oid> = (10..16).map(oid).collect();
    let text = || {
        let o = q5(&catalog);
        let p = plan(&o, &catalog, &all);
        let roots: Vec<NodeId> = p.deltas.iter().map(|d| d.1).collect();
        show(&o.circuit, &[o.root]) + &show(&p.circuit, &roots)
    };
    assert_eq!(text(), text());
}
