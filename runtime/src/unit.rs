//! Units of refreshing: the stream tables that are refreshed together, in one transaction and
//! under one snapshot.
//!
//! A stream table is a unit by itself, unless
//!
//! - it is part of a *diamond*: paths from one source that meet again. At where they meet, a
//!   reader would see the source in two states if the parts were refreshed one by one;
//! - the user has put it into a *refresh group*;
//! - it reads itself, through others or not, in a *circle*.
//!
//! Units that overlap are one. What lies between two members of a unit belongs to it, too: else it
//! would have to be refreshed both after and before the unit.
//!
//! The source at which the paths of a diamond part is not a part of it: while the unit's snapshot
//! lasts, the source has one state. So a stream table there keeps its own schedule.

use crate::dag::{Dag, TableId};
use std::collections::{BTreeMap, BTreeSet};

/// What a stream table reads: a stream table, or a table by its OID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Input {
    Table(TableId),
    Source(u32),
}

/// When a unit is due, of whose members some are and some are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// As soon as one of them is.
    #[default]
    Fastest,
    /// When all of them are that changes wait for.
    Slowest,
}

/// What makes it a unit; the first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Cycle,
    Diamond,
    Group,
    Single,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Cycle => "cycle",
            Kind::Diamond => "diamond",
            Kind::Group => "group",
            Kind::Single => "singleton",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Upstreams first; those in a circle in the order of their ids.
    pub members: Vec<TableId>,
    pub kind: Kind,
    pub policy: Policy,
}

/// What units are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Structure {
    /// Those that can be refreshed together with others.
    pub tables: BTreeSet<TableId>,
    /// (what is read, by whom). A stream table that is not among `tables` passes changes on.
    pub reads: BTreeSet<(Input, TableId)>,
    /// Stream tables at which a diamond may end that is to be kept together, and its policy.
    pub atomic: BTreeMap<TableId, Policy>,
    /// Refresh groups.
    pub groups: Vec<BTreeSet<TableId>>,
}

impl Structure {
    fn inputs(&self) -> BTreeMap<TableId, BTreeSet<Input>> {
        let mut inputs: BTreeMap<TableId, BTreeSet<Input>> = BTreeMap::new();
        for (input, reader) in &self.reads {
            inputs.entry(*reader).or_default().insert(*input);
        }
        inputs
    }

    fn dag(&self) -> Dag {
        let edges = self.reads.iter().filter_map(|(input, reader)| match input {
            Input::Table(up) => Some((*up, *reader)),
            Input::Source(_) => None,
        });
        Dag::new(self.tables.iter().copied(), edges)
    }

    /// The diamonds that end at a stream table which is to be kept together with them: all that
    /// lies between where the paths part and where they meet, and that.
    pub fn diamonds(&self) -> Vec<(TableId, BTreeSet<TableId>)> {
        let inputs = self.inputs();
        let mut above: BTreeMap<Input, BTreeSet<Input>> = BTreeMap::new();
        let mut out = vec![];
        for &end in self.atomic.keys().filter(|end| self.tables.contains(end)) {
            let direct = inputs.get(&end).cloned().unwrap_or_default();
            let mut seen: BTreeMap<Input, u32> = BTreeMap::new();
            for &input in &direct {
                for x in ancestors(input, &inputs, &mut above) {
                    *seen.entry(x).or_default() += 1;
                }
            }
            // Reached through two of its inputs.
            let shared: BTreeSet<Input> = seen
                .iter()
                .filter(|(_, times)| **times > 1)
                .map(|(x, _)| *x)
                .collect();
            if shared.is_empty() {
                continue;
            }
            let mut members = BTreeSet::from([end]);
            for (&x, _) in seen.iter().filter(|(x, _)| !shared.contains(x)) {
                if let Input::Table(id) = x
                    && self.tables.contains(&id)
                    && id != end
                    && ancestors(x, &inputs, &mut above)
                        .iter()
                        .any(|a| shared.contains(a))
                {
                    members.insert(id);
                }
            }
            if members.len() > 1 {
                out.push((end, members));
            }
        }
        out
    }

    /// All units, each after those that it reads.
    pub fn units(&self) -> Vec<Unit> {
        let dag = self.dag();
        let components = dag.components();
        let mut parts = Partition::default();
        let mut kinds: BTreeMap<TableId, Kind> = BTreeMap::new();
        let mut slowest: BTreeMap<TableId, bool> = BTreeMap::new();
        let mut join = |parts: &mut Partition, members: &BTreeSet<TableId>, kind: Kind| {
            let members: Vec<TableId> = members.intersection(&self.tables).copied().collect();
            for &member in &members {
                parts.join(members[0], member);
                let known = kinds.entry(member).or_insert(kind);
                *known = kind.min(*known);
            }
        };
        for circle in dag.circles() {
            join(&mut parts, &circle.into_iter().collect(), Kind::Cycle);
        }
        for (end, members) in self.diamonds() {
            join(&mut parts, &members, Kind::Diamond);
            slowest.insert(end, self.atomic.get(&end) == Some(&Policy::Slowest));
        }
        for group in &self.groups {
            join(&mut parts, group, Kind::Group);
        }
        // Units that read each other, directly or not, are one.
        let roots: BTreeSet<TableId> = self.tables.iter().map(|t| parts.root(*t)).collect();
        let edges: Vec<(TableId, TableId)> = self
            .reads
            .iter()
            .filter_map(|(input, reader)| match input {
                Input::Table(up) if self.tables.contains(up) => Some((*up, *reader)),
                _ => None,
            })
            .filter(|(_, down)| self.tables.contains(down))
            .map(|(up, down)| (parts.root(up), parts.root(down)))
            .filter(|(up, down)| up != down)
            .collect();
        let order: BTreeMap<TableId, usize> = components
            .iter()
            .flatten()
            .enumerate()
            .map(|(i, t)| (*t, i))
            .collect();
        let mut members: BTreeMap<TableId, Vec<TableId>> = BTreeMap::new();
        for &table in &self.tables {
            members.entry(parts.root(table)).or_default().push(table);
        }
        Dag::new(roots, edges)
            .components()
            .into_iter()
            .map(|roots| {
                let mut all: Vec<TableId> = roots
                    .iter()
                    .flat_map(|root| members.remove(root).unwrap_or_default())
                    .collect();
                all.sort_unstable_by_key(|t| order.get(t));
                let kind = all.iter().filter_map(|t| kinds.get(t)).min();
                let kind = kind.copied().unwrap_or(Kind::Single);
                let mut policies = all.iter().filter_map(|t| slowest.get(t)).peekable();
                let slow = policies.peek().is_some() && policies.all(|slow| *slow);
                Unit {
                    members: all,
                    kind,
                    policy: if slow {
                        Policy::Slowest
                    } else {
                        Policy::Fastest
                    },
                }
            })
            .collect()
    }
}

/// What an input is made of, directly or not, and itself.
fn ancestors(
    input: Input,
    inputs: &BTreeMap<TableId, BTreeSet<Input>>,
    known: &mut BTreeMap<Input, BTreeSet<Input>>,
) -> BTreeSet<Input> {
    if let Some(known) = known.get(&input) {
        return known.clone();
    }
    let mut out = BTreeSet::from([input]);
    let mut todo = vec![input];
    while let Some(next) = todo.pop() {
        let Input::Table(id) = next else { continue };
        for &up in inputs.get(&id).into_iter().flatten() {
            match known.get(&up) {
                Some(all) => out.extend(all.iter().copied()),
                None if out.insert(up) => todo.push(up),
                None => (),
            }
        }
    }
    known.insert(input, out.clone());
    out
}

/// Disjoint sets.
#[derive(Default)]
struct Partition {
    parent: BTreeMap<TableId, TableId>,
}

impl Partition {
    fn root(&mut self, table: TableId) -> TableId {
        let parent = *self.parent.entry(table).or_insert(table);
        if parent == table {
            return table;
        }
        let root = self.root(parent);
        self.parent.insert(table, root);
        root
    }

    fn join(&mut self, a: TableId, b: TableId) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent.insert(a.max(b), a.min(b));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Edges from tables (small letters) and stream tables (numbers), all of them atomic.
    fn structure(reads: &[(&str, TableId)]) -> Structure {
        let mut out = Structure::default();
        for (input, reader) in reads {
            let input = match input.parse() {
                Ok(id) => {
                    out.tables.insert(id);
                    Input::Table(id)
                }
                Err(_) => Input::Source(u32::from(input.as_bytes()[0])),
            };
            out.tables.insert(*reader);
            out.reads.insert((input, *reader));
        }
        out.atomic = out.tables.iter().map(|t| (*t, Policy::Fastest)).collect();
        out
    }

    fn members(structure: &Structure) -> Vec<Vec<TableId>> {
        let sorted = |mut u: Unit| {
            u.members.sort_unstable();
            u.members
        };
        structure.units().into_iter().map(sorted).collect()
    }

    #[test]
    fn a_chain_is_no_diamond() {
        let chain = structure(&[("a", 1), ("1", 2), ("2", 3), ("b", 3)]);
        assert_eq!(members(&chain), vec![vec![1], vec![2], vec![3]]);
        assert!(chain.units().iter().all(|u| u.kind == Kind::Single));
    }

    #[test]
    fn paths_that_meet() {
        let of_table = structure(&[("a", 1), ("a", 2), ("1", 3), ("2", 3), ("3", 4)]);
        assert_eq!(members(&of_table), vec![vec![1, 2, 3], vec![4]]);
        assert_eq!(of_table.units()[0].kind, Kind::Diamond);
        // Where they part is not in it.
        let of_stream = structure(&[("a", 9), ("9", 1), ("9", 2), ("1", 3), ("2", 3)]);
        assert_eq!(members(&of_stream), vec![vec![9], vec![1, 2, 3]]);
        // One of the paths is the source itself.
        let direct = structure(&[("a", 1), ("1", 2), ("a", 2)]);
        assert_eq!(members(&direct), vec![vec![1, 2]]);
        // Long paths, and one beside them.
        let long = structure(&[
            ("a", 1),
            ("1", 2),
            ("2", 5),
            ("a", 3),
            ("3", 5),
            ("b", 4),
            ("4", 5),
        ]);
        assert_eq!(
            members(&long)
                .into_iter()
                .filter(|u| u.len() > 1)
                .collect::<Vec<_>>(),
            vec![vec![1, 2, 3, 5]]
        );
    }

    #[test]
    fn not_wanted_is_not_kept_together() {
        let mut diamond = structure(&[("a", 1), ("a", 2), ("1", 3), ("2", 3)]);
        diamond.atomic.remove(&3);
        assert_eq!(diamond.units().len(), 3);
        diamond.atomic.insert(3, Policy::Slowest);
        assert_eq!(diamond.units()[0].policy, Policy::Slowest);
    }

    /// What is kept by its writers is always right, and passes changes on.
    #[test]
    fn through_what_is_immediate() {
        let mut diamond = structure(&[("a", 1), ("a", 2), ("1", 3), ("2", 3)]);
        diamond.tables.remove(&1);
        assert_eq!(members(&diamond), vec![vec![2, 3]]);
    }

    #[test]
    fn groups_take_what_lies_between() {
        let mut chain = structure(&[("a", 1), ("1", 2), ("2", 3), ("b", 4)]);
        chain.groups = vec![BTreeSet::from([1, 3])];
        let units = chain.units();
        assert_eq!(units.len(), 2);
        let group = units.iter().find(|u| u.kind == Kind::Group).unwrap();
        assert_eq!(group.members, vec![1, 2, 3]);
    }

    #[test]
    fn circles() {
        let circle = structure(&[("a", 1), ("1", 2), ("2", 1), ("2", 3)]);
        let units = circle.units();
        let circle = units.iter().find(|u| u.kind == Kind::Cycle).unwrap();
        assert_eq!(circle.members, vec![1, 2]);
        let alone = structure(&[("a", 1), ("1", 1)]);
        assert_eq!(alone.units()[0].kind, Kind::Cycle);
    }

    proptest! {
        /// Whatever is asked for: each table is in one unit, and no unit comes before one that it
        /// reads.
        #[test]
        fn units_are_in_order(
            edges in proptest::collection::vec((0i64..20, 0i64..20), 0..60),
            sources in proptest::collection::vec((0u32..6, 0i64..20), 0..20),
            groups in proptest::collection::vec(proptest::collection::btree_set(0i64..20, 2..5), 0..4),
            not_atomic in proptest::collection::btree_set(0i64..20, 0..20),
        ) {
            let tables: BTreeSet<TableId> = (0..20).collect();
            let structure = Structure {
                reads: edges.iter().filter(|(a, b)| a < b).map(|(a, b)| (Input::Table(*a), *b))
                    .chain(sources.iter().map(|(s, t)| (Input::Source(*s), *t))).collect(),
                atomic: tables.iter().filter(|t| !not_atomic.contains(t))
                    .map(|t| (*t, Policy::Fastest)).collect(),
                tables,
                groups,
            };
            let units = structure.units();
            let all: Vec<TableId> = units.iter().flat_map(|u| u.members.clone()).collect();
            prop_assert_eq!(all.len(), 20);
            let unit = |t: TableId| units.iter().position(|u| u.members.contains(&t)).unwrap();
            let place = |t: TableId| all.iter().position(|x| *x == t).unwrap();
            for (input, reader) in &structure.reads {
                if let Input::Table(up) = input {
                    prop_assert!(unit(*up) <= unit(*reader));
                    prop_assert!(place(*up) < place(*reader));
                }
            }
            for group in &structure.groups {
                let first = unit(*group.first().unwrap());
                prop_assert!(group.iter().all(|t| unit(*t) == first));
            }
            for (_, members) in structure.diamonds() {
                let first = unit(*members.first().unwrap());
                prop_assert!(members.iter().all(|t| unit(*t) == first));
            }
        }
    }
}
