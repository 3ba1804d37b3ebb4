//! What of a result is in doubt when rows have left its sources: a superset of the rows that anything
//! which has left had a part in.
//!
//! In a monotone circuit ([`crate::monotone`]) the support of the result is a polynomial in the supports
//! of the sources, and what rows gone from x had a part in is its derivative, taken where the others
//! are as they were:
//!
//! ```text
//! doubt(x)            = gone(x)                                  x a source
//! doubt(L x)          = L(doubt x)                               map, filter, flat_map, repeat, plus
//! doubt(⋈ x1…xn)      = Σ_i old(x1)…doubt(xi)…old(xn)
//! doubt(x ⋉ y)        = doubt(x) ⋉ old(y)  +  old(x) ⋉ doubt(y)
//! doubt(distinct x)   = doubt(x)                                 also where another row is left
//! old(x)              = x ∪ gone(x)                              x a source
//! ```
//!
//! Multiplicities mean nothing here. What is not in doubt is derived in exactly the ways that it was
//! derived in before. This is the first half of DRed (Gupta, Mumick, Subrahmanian: "Maintaining Views
//! Incrementally", SIGMOD 1993).
//!
//! Since `x ∪ gone(x)` holds what has come, too, rows meet here that were never together: where an
//! expression might raise an error on them, there is no answer.

use crate::monotone::is_distinct;
use crate::rewrite::predicate::error_free;
use spec::catalog::Catalog;
use spec::op::{State, StoredId};
use spec::types::{SqlType, oids};
use spec::{Circuit, Expr, NodeId, Oid, Op};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A circuit for the rows that are in doubt.
#[derive(Clone, Debug)]
pub struct Doubt {
    pub circuit: Circuit,
    pub root: NodeId,
    /// The leaves that stand for the rows which are gone from a source, with its columns.
    pub gone: BTreeMap<Oid, NodeId>,
}

/// Nothing can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unclear;

/// What rows gone from the sources `from` had a part in; None if they had none in anything. Sources
/// are as they are now, without the rows that are gone from `lost`; the others among `from` still hold
/// them. The query must be monotone in all of these.
pub fn doubt(
    circuit: &Circuit,
    root: NodeId,
    lost: &BTreeSet<Oid>,
    from: &BTreeSet<Oid>,
    catalog: &Catalog,
) -> Result<Option<Doubt>, Unclear> {
    let concerned = |oid: &Oid| lost.contains(oid) || from.contains(oid);
    let mut reads = vec![false; circuit.len()];
    for id in circuit.reachable(&[root]) {
        let inputs = circuit.inputs(id);
        reads[id.index()] = match circuit.op(id) {
            Op::Source(source) => concerned(&source.relation),
            op => {
                let here = inputs.iter().any(|i| reads[i.index()]);
                if here && !expressions(op).all(|e| error_free(e, catalog)) {
                    return Err(Unclear);
                }
                here
            }
        };
    }
    let mut derivative = Derivative {
        from: circuit,
        root,
        lost,
        follows: from,
        reads,
        to: Circuit::new(),
        gone: BTreeMap::new(),
        old: HashMap::new(),
        doubt: HashMap::new(),
    };
    let mut parts = derivative.doubt(root)?;
    let root = match parts.len() {
        0 => return Ok(None),
        1 => parts.remove(0),
        _ => derivative.add(Op::Plus, parts)?,
    };
    Ok(Some(Doubt {
        circuit: derivative.to,
        root,
        gone: derivative.gone,
    }))
}

fn expressions(op: &Op) -> Box<dyn Iterator<Item = &Expr> + '_> {
    match op {
        Op::Map(exprs) | Op::Join(exprs) | Op::Semi(exprs) | Op::Anti(exprs) | Op::Left(exprs) => {
            Box::new(exprs.iter())
        }
        Op::Filter(e) | Op::Repeat(e) => Box::new(std::iter::once(e)),
        Op::FlatMap(f) => Box::new(f.calls().chain(f.outer.iter().flatten())),
        _ => Box::new(std::iter::empty()),
    }
}

struct Derivative<'a> {
    from: &'a Circuit,
    root: NodeId,
    lost: &'a BTreeSet<Oid>,
    follows: &'a BTreeSet<Oid>,
    /// Which nodes read any of these.
    reads: Vec<bool>,
    to: Circuit,
    gone: BTreeMap<Oid, NodeId>,
    old: HashMap<NodeId, NodeId>,
    doubt: HashMap<NodeId, Vec<NodeId>>,
}

impl Derivative<'_> {
    fn add(&mut self, op: Op, inputs: Vec<NodeId>) -> Result<NodeId, Unclear> {
        self.to.add(op, inputs, None).map_err(|_| Unclear)
    }

    fn gone(&mut self, source: &spec::op::Source) -> Result<NodeId, Unclear> {
        if let Some(known) = self.gone.get(&source.relation) {
            return Ok(*known);
        }
        let leaf = State {
            // Of nothing that is stored.
            id: StoredId(u32::MAX - self.gone.len() as u32),
            types: source.types.clone(),
        };
        let leaf = self.add(Op::State(leaf), vec![])?;
        self.gone.insert(source.relation, leaf);
        Ok(leaf)
    }

    /// At least what a node was.
    fn old(&mut self, id: NodeId) -> Result<NodeId, Unclear> {
        if let Some(known) = self.old.get(&id) {
            return Ok(*known);
        }
        let op = self.from.op(id).clone();
        let inputs = self.from.inputs(id).iter();
        let inputs = inputs.map(|i| self.old(*i)).collect::<Result<_, _>>()?;
        let mut node = self.add(op.clone(), inputs)?;
        if let Op::Source(source) = &op
            && self.lost.contains(&source.relation)
        {
            let gone = self.gone(source)?;
            node = self.add(Op::Plus, vec![node, gone])?;
        }
        self.old.insert(id, node);
        Ok(node)
    }

    /// The parts of a node that are in doubt.
    fn doubt(&mut self, id: NodeId) -> Result<Vec<NodeId>, Unclear> {
        if !self.reads[id.index()] {
            return Ok(vec![]);
        }
        if let Some(known) = self.doubt.get(&id) {
            return Ok(known.clone());
        }
        let op = self.from.op(id).clone();
        let inputs = self.from.inputs(id).to_vec();
        let mut of_inputs = vec![];
        for input in &inputs {
            of_inputs.push(self.doubt(*input)?);
        }
        let mut found = vec![];
        match &op {
            Op::Source(source) => {
                if self.follows.contains(&source.relation) {
                    found.push(self.gone(source)?);
                }
            }
            Op::Plus | Op::Consolidate | Op::Distinct => found.extend(of_inputs.concat()),
            Op::Map(_) | Op::Filter(_) | Op::FlatMap(_) | Op::Repeat(_) => {
                for part in of_inputs.concat() {
                    found.push(self.add(op.clone(), vec![part])?);
                }
            }
            Op::Join(_) | Op::Semi(_) => {
                for (i, parts) in of_inputs.iter().enumerate() {
                    for part in parts {
                        let mut beside = vec![];
                        for (j, input) in inputs.iter().enumerate() {
                            beside.push(if i == j { *part } else { self.old(*input)? });
                        }
                        found.push(self.add(op.clone(), beside)?);
                    }
                }
            }
            Op::Anti(_) | Op::Left(_) if !self.reads[inputs[1].index()] => {
                let y = self.old(inputs[1])?;
                for part in &of_inputs[0] {
                    found.push(self.add(op.clone(), vec![*part, y])?);
                }
            }
            Op::Aggregate(aggregate) if is_distinct(self.from, id, self.root, aggregate) => {
                let types = self.from.schema(inputs[0]);
                let keys = aggregate.keys.iter();
                let keys = keys.map(|k| Expr::column(*k, types[*k].ty));
                // The count, which nobody reads.
                let counts = aggregate.aggs.iter();
                let counts = counts.map(|_| Expr::literal("1", SqlType::new(oids::INT8)));
                let all: Vec<Expr> = keys.chain(counts).collect();
                for part in &of_inputs[0] {
                    found.push(self.add(Op::Map(all.clone()), vec![*part])?);
                }
            }
            _ if of_inputs.iter().all(Vec::is_empty) => {}
            _ => return Err(Unclear),
        }
        self.doubt.insert(id, found.clone());
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::{Outcome, compile};
    use crate::monotone::{Way, readings};
    use crate::schema::load_schema;
    use proptest::prelude::*;
    use spec::eval::random::{Case, Config, case};
    use spec::eval::{Epoch, ZSet, eval, eval_at};

    #[track_caller]
    fn answer(sql: &str, from: &str) -> Result<bool, Unclear> {
        let schema = "CREATE TABLE edge (a int NOT NULL, b int NOT NULL);
            CREATE TABLE reach (a int NOT NULL, b int NOT NULL); CREATE TABLE node (n int NOT NULL)";
        let catalog = load_schema(schema).expect("a schema").catalog;
        let Ok(Outcome::Incremental(compiled)) = compile(sql, &catalog) else {
            panic!("{sql} is not incremental");
        };
        let from = catalog.relation_named(None, from).expect("a table").oid;
        let from = BTreeSet::from([from]);
        let found = doubt(&compiled.circuit, compiled.root, &from, &from, &catalog);
        found.map(|d| d.is_some())
    }

    #[test]
    fn answers() {
        let reach =
            "SELECT a, b FROM edge UNION SELECT r.a, e.b FROM reach r JOIN edge e ON e.a = r.b";
        assert_eq!(answer(reach, "edge"), Ok(true));
        assert_eq!(answer(reach, "node"), Ok(false));
        let among = "SELECT DISTINCT a FROM edge WHERE EXISTS (SELECT FROM node WHERE n = edge.b)";
        assert_eq!(answer(among, "node"), Ok(true));
        // Errors of rows that never met, and what is not monotone.
        let divided = "SELECT e.a, n / e.b AS b FROM edge e, node";
        assert_eq!(answer(divided, "edge"), Err(Unclear));
        let counted = "SELECT a, count(*) AS n FROM edge GROUP BY a";
        assert_eq!(answer(counted, "edge"), Err(Unclear));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

        /// What is not in doubt is there as often as it was.
        #[test]
        fn what_has_lost_anything_is_in_doubt(case in case(Config::default()), which in 0usize..3) {
            let Case { objects, circuit, root, mut world, .. } = case;
            let catalog = Catalog::new(objects);
            let readings = readings(&circuit, root, &catalog);
            let Some((relation, reading)) = readings.iter().nth(which) else {
                return Ok(());
            };
            if reading.way != Way::With {
                return Ok(());
            }
            let changed = world.delta.get(relation).map(|d| d.consolidate()).unwrap_or_default();
            let (mut gone, mut rows_gone) = (ZSet::new(), ZSet::new());
            for (row, w) in changed.iter().filter(|(_, w)| *w < 0) {
                gone.insert(row.clone(), w);
                rows_gone.insert(row.clone(), -w);
            }
            world.delta = BTreeMap::from([(*relation, gone.to_bag())]);
            let from = BTreeSet::from([*relation]);
            let Ok(found) = doubt(&circuit, root, &from, &from, &catalog) else {
                return Ok(());
            };
            let at = |epoch| eval_at(&circuit, root, &world, epoch);
            let (Ok(old), Ok(new)) = (at(Epoch::Old), at(Epoch::New)) else {
                return Ok(());
            };
            let in_doubt = match &found {
                None => ZSet::new(),
                Some(found) => {
                    for leaf in found.gone.values() {
                        let Op::State(state) = found.circuit.op(*leaf) else { continue };
                        world.states.insert(state.id, rows_gone.clone());
                    }
                    eval(&found.circuit, found.root, &world)
                        .map_err(|e| TestCaseError::fail(e.to_string()))?
                }
            };
            for (row, w) in old.iter() {
                prop_assert!(
                    new.weight(row) == w || in_doubt.weight(row) > 0,
                    "{row:?} of {relation}"
                );
            }
        }
    }
}
