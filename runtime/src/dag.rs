//! Dependencies between stream tables: refresh order and demand.

use crate::demand::{Demand, Tier};
use crate::schedule::Schedule;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::{BTreeMap, BTreeSet};

/// Identifies a stream table (`pgt_id`).
pub type TableId = i64;

/// Stream tables, with an edge from each to the stream tables that read it.
#[derive(Debug, Default)]
pub struct Dag {
    graph: DiGraph<TableId, ()>,
    nodes: BTreeMap<TableId, NodeIndex>,
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

    /// The strongly connected components, each after all that it reads: single stream tables, and
    /// those that read each other in a circle.
    pub fn components(&self) -> Vec<Vec<TableId>> {
        let mut out: Vec<Vec<TableId>> = tarjan_scc(&self.graph)
            .into_iter()
            .map(|c| {
                let mut members: Vec<TableId> = c.into_iter().map(|n| self.graph[n]).collect();
                members.sort_unstable();
                members
            })
            .collect();
        // Tarjan's algorithm finds what is downstream first.
        out.reverse();
        out
    }

    /// Those that read each other, or one that reads itself; the components that are circles.
    pub fn circles(&self) -> Vec<Vec<TableId>> {
        let all = self.components().into_iter();
        all.filter(|members| members.len() > 1 || self.upstream(members[0]).contains(&members[0]))
            .collect()
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

    /// What is asked of each table: by its own schedule or, where that is `calculated`, by its
    /// readers; `default` where nothing reads it. Of those in a circle, what is asked of one is
    /// asked of all.
    pub fn demand(
        &self,
        schedules: &BTreeMap<TableId, (Schedule, Tier)>,
        default: &Demand,
    ) -> BTreeMap<TableId, Demand> {
        let mut demand: BTreeMap<TableId, Demand> = BTreeMap::new();
        for members in self.components().into_iter().rev() {
            let mut asked = Demand::default();
            let mut read = false;
            for &table in &members {
                for down in self.downstream(table) {
                    if let Some(theirs) = demand.get(&down) {
                        asked.and(theirs);
                        read = true;
                    }
                }
            }
            let explicit = |table: &TableId| schedules.get(table).and_then(|(s, _)| Demand::of(s));
            if members.len() > 1 {
                for theirs in members.iter().filter_map(explicit) {
                    asked.and(&theirs);
                    read = true;
                }
            }
            for &table in &members {
                let own = explicit(&table).unwrap_or_else(|| match read {
                    true => asked.clone(),
                    false => default.clone(),
                });
                let tier = schedules.get(&table).map_or(Tier::Hot, |(_, tier)| *tier);
                demand.insert(table, own.in_tier(tier));
            }
        }
        demand
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn asks(text: &str) -> Demand {
        Demand::of(&schedule(text)).unwrap()
    }

    fn schedule(text: &str) -> Schedule {
        Schedule::parse(text, "UTC").unwrap()
    }

    fn hot(schedules: &[(TableId, &str)]) -> BTreeMap<TableId, (Schedule, Tier)> {
        schedules
            .iter()
            .map(|(t, s)| (*t, (schedule(s), Tier::Hot)))
            .collect()
    }

    #[test]
    fn a_diamond_in_order() {
        let dag = Dag::new([4, 3, 2, 1], [(1, 2), (1, 3), (2, 4), (3, 4)]);
        let order = dag.components();
        assert_eq!((&order[0], &order[3]), (&vec![1], &vec![4]));
        assert_eq!(dag.downstream(1), vec![2, 3]);
        assert_eq!(dag.upstream(4), vec![2, 3]);
    }

    #[test]
    fn a_circle_is_one_component() {
        let dag = Dag::new([1, 2, 3, 4], [(1, 2), (2, 3), (3, 2), (3, 4)]);
        assert_eq!(dag.components(), vec![vec![1], vec![2, 3], vec![4]]);
    }

    #[test]
    fn circles_are_those_that_read_themselves() {
        let dag = Dag::new([1, 2, 3, 4], [(1, 2), (2, 3), (3, 2), (3, 4), (4, 4)]);
        assert_eq!(dag.circles(), vec![vec![2, 3], vec![4]]);
        assert_eq!(
            Dag::new([1, 2], [(1, 2)]).circles(),
            Vec::<Vec<TableId>>::new()
        );
    }

    /// What one asks of itself is nothing.
    #[test]
    fn a_circle_asks_nothing_of_itself() {
        let dag = Dag::new([1, 2, 3], [(1, 2), (2, 1), (3, 3)]);
        let schedules = hot(&[(1, "calculated"), (2, "calculated"), (3, "calculated")]);
        let demand = dag.demand(&schedules, &Demand::every(S(5)));
        assert!(demand.values().all(|d| *d == asks("5s")));
    }

    #[test]
    fn calculated_takes_the_tightest_reader() {
        let dag = Dag::new([1, 2, 3, 4], [(1, 2), (1, 3), (2, 4)]);
        let schedules = hot(&[(1, "calculated"), (2, "calculated"), (3, "60s"), (4, "10s")]);
        let demand = dag.demand(&schedules, &Demand::every(S(1)));
        assert_eq!(demand[&1].due(S(0)), Some(S(10)));
        assert_eq!(demand[&2], asks("10s"));
        assert_eq!(demand[&3], asks("60s"));
        let alone = Dag::new([7], []);
        let demand = alone.demand(&hot(&[(7, "calculated")]), &Demand::every(S(5)));
        assert_eq!(demand[&7], asks("5s"));
    }

    /// A calendar and an interval are both passed on, as a tier has stretched them.
    #[test]
    fn calendars_and_tiers_are_passed_on() {
        let dag = Dag::new([1, 2, 3], [(1, 2), (1, 3)]);
        let mut schedules = hot(&[(1, "calculated"), (2, "0 * * * *"), (3, "10m")]);
        schedules.insert(3, (schedule("10m"), Tier::Cold));
        let demand = dag.demand(&schedules, &Demand::every(S(1)));
        assert_eq!(demand[&1].due(S(0)), Some(S(3600)));
        assert_eq!(demand[&1].due(S(3000)), Some(S(3600)));
        // Who is never refreshed asks for nothing.
        schedules.insert(2, (schedule("1s"), Tier::Frozen));
        let demand = dag.demand(&schedules, &Demand::every(S(1)));
        assert_eq!(demand[&1].due(S(0)), Some(S(6000)));
    }

    #[test]
    fn a_circle_is_asked_as_one() {
        let dag = Dag::new([1, 2, 3], [(1, 2), (2, 1), (2, 3)]);
        let schedules = hot(&[(1, "calculated"), (2, "calculated"), (3, "10s")]);
        let demand = dag.demand(&schedules, &Demand::every(S(1)));
        assert_eq!(demand[&1], asks("10s"));
    }

    proptest! {
        #[test]
        fn nothing_before_its_upstreams(edges in proptest::collection::vec((0i64..30, 0i64..30), 0..80)) {
            // Edges from smaller to larger numbers never make a cycle.
            let edges: Vec<_> = edges.into_iter().filter(|(a, b)| a != b)
                .map(|(a, b)| (a.min(b), a.max(b))).collect();
            let dag = Dag::new(0..30, edges.iter().copied());
            let order = dag.components();
            prop_assert_eq!(order.len(), 30);
            let at = |t| order.iter().position(|o| o == &vec![t]);
            for (up, down) in edges {
                prop_assert!(at(up) < at(down));
            }
        }
    }
}
