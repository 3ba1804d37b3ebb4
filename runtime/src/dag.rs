//! Dependencies between stream tables: refresh order and demand.

use crate::schedule::Schedule;
use petgraph::algo::{tarjan_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Identifies a stream table (`pgt_id`).
pub type TableId = i64;

/// Stream tables, with an edge from each to the stream tables that read it.
#[derive(Debug, Default)]
pub struct Dag {
    graph: DiGraph<TableId, ()>,
    nodes: BTreeMap<TableId, NodeIndex>,
}

/// Stream tables that read each other in a circle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stream tables depend on each other in a cycle")]
pub struct Cycle {
    /// Ascending.
    pub members: Vec<TableId>,
}

impl Dag {
    /// `tables` in any order; `edges` are (upstream, downstream). An edge to a table that is not
    /// among `tables` is of no concern.
    pub fn new(
        tables: impl IntoIterator<Item = TableId>,
        edges: impl IntoIterator<Item = (TableId, TableId)>,
    ) -> Dag {
        let mut dag = Dag::default();
        let tables: BTreeSet<TableId> = tables.into_iter().collect();
        for table in tables {
            let node = dag.graph.add_node(table);
            dag.nodes.insert(table, node);
        }
        // In a fixed order, so that the refresh order is the same each time.
        let edges: BTreeSet<(TableId, TableId)> = edges.into_iter().collect();
        for (up, down) in edges {
            if let (Some(&up), Some(&down)) = (dag.nodes.get(&up), dag.nodes.get(&down)) {
                dag.graph.update_edge(up, down, ());
            }
        }
        dag
    }

    /// Every table after all that it reads.
    pub fn refresh_order(&self) -> Result<Vec<TableId>, Cycle> {
        match toposort(&self.graph, None) {
            Ok(order) => Ok(order.into_iter().map(|n| self.graph[n]).collect()),
            Err(at) => {
                let stuck = at.node_id();
                let mut members: Vec<TableId> = tarjan_scc(&self.graph)
                    .into_iter()
                    .find(|c| c.contains(&stuck))
                    .unwrap_or_else(|| vec![stuck])
                    .into_iter()
                    .map(|n| self.graph[n])
                    .collect();
                members.sort_unstable();
                Err(Cycle { members })
            }
        }
    }

    fn neighbours(&self, table: TableId, dir: petgraph::Direction) -> Vec<TableId> {
        let Some(&node) = self.nodes.get(&table) else {
            return vec![];
        };
        let mut out: Vec<TableId> = self
            .graph
            .neighbors_directed(node, dir)
            .map(|n| self.graph[n])
            .collect();
        out.sort_unstable();
        out
    }

    /// The stream tables that this one reads directly.
    pub fn upstream(&self, table: TableId) -> Vec<TableId> {
        self.neighbours(table, petgraph::Incoming)
    }

    /// The stream tables that read this one directly.
    pub fn downstream(&self, table: TableId) -> Vec<TableId> {
        self.neighbours(table, petgraph::Outgoing)
    }

    /// The table and all that it reads, directly or not; upstreams first.
    pub fn with_upstreams(&self, table: TableId) -> Result<Vec<TableId>, Cycle> {
        let mut needed = BTreeSet::from([table]);
        let mut todo = vec![table];
        while let Some(next) = todo.pop() {
            for up in self.upstream(next) {
                if needed.insert(up) {
                    todo.push(up);
                }
            }
        }
        Ok(self
            .refresh_order()?
            .into_iter()
            .filter(|t| needed.contains(t))
            .collect())
    }

    /// The interval at which each table is refreshed: its own schedule or, where that is
    /// `calculated`, the tightest interval among its readers; `default` where nothing reads it.
    pub fn demand(
        &self,
        schedules: &BTreeMap<TableId, Schedule>,
        default: Duration,
    ) -> Result<BTreeMap<TableId, Duration>, Cycle> {
        let mut demand = BTreeMap::new();
        for table in self.refresh_order()?.into_iter().rev() {
            let every = match schedules.get(&table) {
                Some(Schedule::Every(every)) => *every,
                Some(Schedule::Calculated) | None => self
                    .downstream(table)
                    .iter()
                    .filter_map(|t| demand.get(t).copied())
                    .min()
                    .unwrap_or(default),
            };
            demand.insert(table, every);
        }
        Ok(demand)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn a_diamond_in_order() {
        let dag = Dag::new([4, 3, 2, 1], [(1, 2), (1, 3), (2, 4), (3, 4)]);
        let order = dag.refresh_order().unwrap();
        assert_eq!((order[0], order[3]), (1, 4));
        assert_eq!(dag.with_upstreams(2).unwrap(), vec![1, 2]);
        assert_eq!(dag.downstream(1), vec![2, 3]);
    }

    #[test]
    fn a_cycle_is_named() {
        let dag = Dag::new([1, 2, 3, 4], [(1, 2), (2, 3), (3, 2), (3, 4)]);
        assert_eq!(
            dag.refresh_order(),
            Err(Cycle {
                members: vec![2, 3]
            })
        );
    }

    #[test]
    fn calculated_takes_the_tightest_reader() {
        let dag = Dag::new([1, 2, 3, 4], [(1, 2), (1, 3), (2, 4)]);
        let schedules = BTreeMap::from([
            (1, Schedule::Calculated),
            (2, Schedule::Calculated),
            (3, Schedule::Every(S(60))),
            (4, Schedule::Every(S(10))),
        ]);
        let demand = dag.demand(&schedules, S(1)).unwrap();
        assert_eq!(
            demand,
            BTreeMap::from([(1, S(10)), (2, S(10)), (3, S(60)), (4, S(10))])
        );
        let alone = Dag::new([7], []);
        let demand = alone.demand(&BTreeMap::from([(7, Schedule::Calculated)]), S(5));
        assert_eq!(demand, Ok(BTreeMap::from([(7, S(5))])));
    }

    proptest! {
        #[test]
        fn nothing_before_its_upstreams(edges in proptest::collection::vec((0i64..30, 0i64..30), 0..80)) {
            // Edges from smaller to larger numbers never make a cycle.
            let edges: Vec<_> = edges.into_iter().filter(|(a, b)| a != b)
                .map(|(a, b)| (a.min(b), a.max(b))).collect();
            let dag = Dag::new(0..30, edges.iter().copied());
            let order = dag.refresh_order().unwrap();
            prop_assert_eq!(order.len(), 30);
            let at = |t| order.iter().position(|o| *o == t);
            for (up, down) in edges {
                prop_assert!(at(up) < at(down));
            }
        }
    }
}
