//! What terms cost: in the query's circuit, and in a refresh.

use super::extract::{Candidate, Cost, Model, Reading, base_table};
use super::facts::{Reach, connected};
use super::predicate::{column_of, conjuncts, equation};
use super::rules::window::is_cut;
use super::term::{Graph, Term};
use egg::Id;
use spec::op::{Last, Link, SortKey, Suffix};
use spec::{Expr, Op};

const NODE: Cost = [0, 0, 1];
const PROBE: Cost = [0, 1, 1];
const SCAN: Cost = [1, 0, 1];

/// A circuit of the query: few nodes, filters as deep as they go, joins flat, distinct counted.
pub struct QueryModel;

impl Model for QueryModel {
    fn candidate<'g>(
        &self,
        graph: &'g Graph,
        term: &'g Term,
        reading: &Reading,
    ) -> Option<Candidate<'g>> {
        let in_join = *reading != Reading::Whole;
        let (own, per_node_below, below) = match &*term.op {
            Op::Source(_)
            | Op::Constant(_)
            | Op::Plus
            | Op::Neg
            | Op::Aggregate(_)
            | Op::FlatMap(_)
            | Op::Closure(_)
            | Op::Repeat(_) => (1, 0, Reading::Whole),
            // Whatever is filtered above it, of first rows there are few.
            Op::Window(w) => {
                let few = is_cut(graph, w, term.inputs[0]);
                (if few { 1 } else { 32 }, 0, Reading::Whole)
            }
            // A map or a join within a join keeps others from meeting.
            Op::Map(_) => (1 + 2 * u64::from(in_join), 0, Reading::Whole),
            Op::Join(on) => {
                let own = 1 + 2 * u64::from(in_join) + u64::from(term.inputs.len() == 1);
                let mut ends: Vec<usize> = vec![];
                for x in &term.inputs {
                    let width = graph[*x].data.types.as_ref().map_or(0, |t| t.len());
                    ends.push(ends.last().copied().unwrap_or(0) + width);
                }
                let owner = |c: usize| ends.partition_point(|end| *end <= c);
                let local = on.iter().filter(|c| {
                    let owners: Vec<usize> = c.columns().into_iter().map(owner).collect();
                    owners.iter().all(|o| *o == owners[0])
                });
                (own, local.count() as u64, Reading::Look(vec![]))
            }
            Op::Semi(on) | Op::Anti(on) | Op::Left(on) => {
                let n = graph[term.inputs[0]]
                    .data
                    .types
                    .as_ref()
                    .map_or(0, |t| t.len());
                let local = on.iter().filter(|c| {
                    let columns = c.columns();
                    columns.iter().all(|c| *c < n) || columns.iter().all(|c| *c >= n)
                });
                (2, local.count() as u64, Reading::Look(vec![]))
            }
            Op::Filter(p) => (1, conjuncts(p).len() as u64, Reading::Whole),
            // Of an order that is known to be total, less is sorted and kept.
            Op::TopK(t) => (1 + u64::from(t.is_open()), 0, Reading::Whole),
            // Counted (a map over an aggregate) where that is offered.
            Op::Distinct => (6, 0, Reading::Whole),
            _ => return None,
        };
        Some(Candidate {
            term,
            own: [0, 0, own],
            per_node_below,
            needs: term.inputs.iter().map(|x| (*x, below.clone())).collect(),
            leaf: false,
        })
    }

    fn normal(&self, _: &Graph, _: Id, reading: Reading) -> Reading {
        reading
    }
}

/// A refresh: what cannot be read is out; then scans of what is not O(Δ), then probes, then nodes.
pub struct RefreshModel;

impl Model for RefreshModel {
    fn candidate<'g>(
        &self,
        graph: &'g Graph,
        term: &'g Term,
        reading: &Reading,
    ) -> Option<Candidate<'g>> {
        let x = || term.inputs[0];
        let read = |own: Cost, leaf: bool| {
            Some(Candidate {
                term,
                own,
                per_node_below: 0,
                needs: vec![],
                leaf,
            })
        };
        let node = |needs: Vec<(Id, Reading)>| {
            Some(Candidate {
                term,
                own: NODE,
                per_node_below: 0,
                needs,
                leaf: false,
            })
        };
        // How what is read whole is read: as seldom as what is above it.
        let all = match reading {
            Reading::Seldom => Reading::Seldom,
            _ => Reading::Whole,
        };
        let whole = || {
            let needs = term.inputs.iter().map(|i| (*i, all.clone()));
            node(needs.collect())
        };
        match &*term.op {
            Op::Source(_) | Op::Old => None,
            Op::New => base_table(graph, x()).and_then(|table| {
                read(
                    match reading {
                        Reading::Whole => SCAN,
                        Reading::Seldom => PROBE,
                        Reading::Look(columns) | Reading::Probe(columns) => {
                            look_into(graph, table, columns)
                        }
                        Reading::Range(columns) => {
                            let groups = columns.len().max(2) - 1;
                            look_into(graph, table, &columns[..groups.min(columns.len())])
                        }
                    },
                    true,
                )
            }),
            Op::Delta => base_table(graph, x()).and_then(|_| read(NODE, true)),
            Op::State(_) => {
                let small = graph
                    .lookup(term.clone())
                    .is_some_and(|id| graph[id].data.small);
                read(
                    match reading {
                        Reading::Whole if !small => SCAN,
                        _ => PROBE,
                    },
                    false,
                )
            }
            Op::Constant(_) => read(NODE, false),
            Op::Map(exprs) => {
                let place = |c: &usize| column_of(exprs.get(*c)?);
                let below = match reading {
                    Reading::Look(columns) => look(columns.iter().filter_map(place).collect()),
                    Reading::Range(columns) => {
                        let columns = columns.iter().map(place).collect::<Option<_>>();
                        columns.map_or(Reading::Whole, Reading::Range)
                    }
                    _ => all,
                };
                node(vec![(x(), below)])
            }
            Op::FlatMap(_) => {
                let width = graph[x()].data.types.as_ref().map_or(0, |t| t.len());
                let below = match reading {
                    Reading::Look(columns) => {
                        look(columns.iter().copied().filter(|c| *c < width).collect())
                    }
                    _ => all,
                };
                node(vec![(x(), below)])
            }
            Op::Filter(_) | Op::Repeat(_) | Op::Neg | Op::Plus => {
                let below = match reading {
                    Reading::Look(_) | Reading::Range(_) => reading.clone(),
                    _ => all,
                };
                node(term.inputs.iter().map(|i| (*i, below.clone())).collect())
            }
            Op::Join(on) => {
                let reach = connected(graph, on, &term.inputs);
                let needs = term.inputs.iter().enumerate().map(|(i, x)| {
                    let reading = match reach.as_ref().map(|r| &r[i]) {
                        Some(Reach::Look(links)) => look(links.iter().map(|l| l.column).collect()),
                        _ => all.clone(),
                    };
                    (*x, reading)
                });
                node(needs.collect())
            }
            Op::Semi(on) | Op::Anti(on) => {
                let y = term.inputs[1];
                let [of_x, of_y] = equated(graph, on, x());
                let left = match (&*term.op, reading) {
                    (_, Reading::Look(_)) => reading.clone(),
                    // Of an anti join, what has no match is read, too.
                    (Op::Semi(_), _) if graph[y].data.small => look(of_x),
                    _ => all.clone(),
                };
                let some = graph[x()].data.small || left != all;
                let right = if some { look(of_y) } else { all };
                node(vec![(x(), left), (y, right)])
            }
            // Printed as its parts, whose weights may be negative.
            Op::Left(_) => None,
            // From a few rows, step by step, with a look along each link for each.
            Op::Closure(c) => {
                let mut needs = vec![(x(), all.clone())];
                let (along, barrier) = term.inputs[1..].split_at(c.inputs());
                let widths = along.iter().map(|x| width_of(graph, *x));
                for (x, (link, columns)) in along.iter().zip(c.joined(widths)) {
                    let (Link::Join(on) | Link::Left(on)) = link else {
                        continue;
                    };
                    let [_, of_x] = equated_at(graph, on, columns.start);
                    let reading = match c.change {
                        true => look(of_x),
                        false => all.clone(),
                    };
                    needs.push((*x, reading));
                }
                if let [known, gone] = barrier {
                    needs.push((*known, look((0..c.types.len()).collect())));
                    needs.push((*gone, all));
                }
                node(needs)
            }
            Op::Probe(columns) => {
                let below = if columns.is_empty() {
                    all.clone()
                } else {
                    Reading::Probe(columns.clone())
                };
                node(vec![(x(), below), (term.inputs[1], all)])
            }
            Op::Suffix(Suffix { keys, by }) => {
                let below = range(keys, by).unwrap_or(Reading::Whole);
                node(vec![(x(), below), (term.inputs[1], all)])
            }
            Op::Last(Last { keys, order, .. }) => {
                let below = order.first().and_then(|by| range(keys, by));
                let below = below.unwrap_or(Reading::Whole);
                node(vec![(x(), below), (term.inputs[1], all)])
            }
            Op::AggregateStep(a) | Op::Stale(a) => {
                let old = look((0..a.keys.len()).collect());
                let rest = term.inputs[1..].iter().map(|i| (*i, all.clone()));
                node(std::iter::once((x(), old)).chain(rest).collect())
            }
            Op::ReserveStep(_) => {
                let [old, delta, renewed] = [0, 1, 2].map(|i| term.inputs[i]);
                let renewed = (renewed, Reading::Seldom);
                node(vec![(old, all.clone()), (delta, all), renewed])
            }
            Op::Aggregate(_)
            | Op::TopK(_)
            | Op::Window(_)
            | Op::WindowStep(_)
            | Op::Distinct
            | Op::Consolidate
            | Op::Positive
            | Op::Short(_)
            | Op::Touched(_) => whole(),
            // Its delta is a step, and its content is stored.
            Op::Reserve(_) => None,
        }
    }

    fn normal(&self, graph: &Graph, class: Id, reading: Reading) -> Reading {
        // All of something or nothing of it: small by what it asks for, not by what it reads.
        let asks = |t: &Term| matches!(&*t.op, Op::Probe(columns) if columns.is_empty());
        let seldom = reading == Reading::Seldom && graph[class].nodes.iter().any(asks);
        match graph[class].data.small && !seldom {
            true => Reading::Whole,
            false => reading,
        }
    }
}

/// Columns of x, and of y, that the conditions of a semi or anti join fix where the other side is
/// known.
fn equated(graph: &Graph, on: &[Expr], x: Id) -> [Vec<usize>; 2] {
    equated_at(graph, on, width_of(graph, x))
}

fn width_of(graph: &Graph, x: Id) -> usize {
    graph[x].data.types.as_ref().map_or(0, |t| t.len())
}

/// The same, where the columns before are so many.
fn equated_at(graph: &Graph, on: &[Expr], n: usize) -> [Vec<usize>; 2] {
    let mut out = [vec![], vec![]];
    for c in on {
        let Some(e) = equation(c, graph.analysis.catalog) else {
            continue;
        };
        for (mine, other) in [(0, 1), (1, 0)] {
            let known = e.sides[other].columns();
            match column_of(e.sides[mine]) {
                _ if known.is_empty() => {}
                Some(c) if c < n && known.iter().all(|k| *k >= n) => out[0].push(c),
                Some(c) if c >= n && known.iter().all(|k| *k < n) => out[1].push(c - n),
                _ => {}
            }
        }
    }
    out
}

/// One row for each key through a unique index; several through another; and all of them to find a
/// few where there is none (yet: it is advised). So the group of a customer is recomputed from the
/// customer's key, not from the name of its nation.
fn look_into(graph: &Graph, table: &Term, columns: &[usize]) -> Cost {
    let Op::Source(source) = &*table.op else {
        return PROBE;
    };
    let Some(relation) = graph.analysis.catalog.relation(source.relation) else {
        return PROBE;
    };
    let known = |attnum: &i16| {
        let at = source.attnums.iter().position(|a| a == attnum);
        at.is_some_and(|at| columns.contains(&at))
    };
    let unique = relation.keys.iter().any(|k| k.columns.iter().all(known));
    let leading = |columns: &[i16]| columns.first().is_some_and(known);
    let mut keys = relation.keys.iter().map(|k| k.columns.as_slice());
    let mut indexes = relation.indexes.iter().map(|i| i.columns.as_slice());
    let probes = if unique {
        1
    } else if keys.any(leading) || indexes.any(leading) {
        2
    } else {
        3
    };
    [0, probes, 1]
}

/// What is cut at a place is read from there, or up to there.
fn range(keys: &[usize], by: &SortKey) -> Option<Reading> {
    let place = by.expr.as_column()?;
    Some(Reading::Range(
        keys.iter().copied().chain([place]).collect(),
    ))
}

fn look(mut columns: Vec<usize>) -> Reading {
    columns.sort_unstable();
    columns.dedup();
    if columns.is_empty() {
        Reading::Whole
    } else {
        Reading::Look(columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::facts::Setting;
    use crate::schema::load_schema;
    use spec::op::Source;
    use spec::types::ColType;
    use std::collections::BTreeSet;
    use std::sync::Arc;

    #[test]
    fn a_unique_index_tells_most_and_none_least() {
        let schema = "CREATE TABLE customer (id int PRIMARY KEY, nation int NOT NULL, name text);
            CREATE INDEX ON customer (nation);";
        let catalog = load_schema(schema).expect("a schema").catalog;
        let relation = catalog.relation_named(Some("public"), "customer");
        let relation = relation.expect("customer");
        let types = relation.columns.iter().map(|c| ColType {
            ty: c.ty,
            nullable: !c.not_null,
        });
        let source = Source {
            relation: relation.oid,
            attnums: vec![1, 2, 3],
            types: types.collect(),
        };
        let graph = Graph::new(Setting::new(&catalog, BTreeSet::new()));
        let table = Term::new(Arc::new(Op::Source(source)), vec![]);
        let cost = |columns: &[usize]| look_into(&graph, &table, columns);
        assert!(cost(&[0]) < cost(&[1]));
        assert!(cost(&[1]) < cost(&[2]));
        // Whatever else is known.
        assert_eq!(cost(&[0, 2]), cost(&[0]));
        assert_eq!(cost(&[1, 2]), cost(&[1]));
    }
}
