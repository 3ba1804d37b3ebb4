//! Random worlds, expressions and circuits, for property tests of everything that claims to keep
//! a circuit's meaning.
//!
//! ```ignore
//! proptest! {
//!     #[test]
//!     fn my_rule_keeps_the_meaning(case in random::case(Config::default())) {
//!         // case.circuit, case.root: a query; case.world: sources, old and delta;
//!         // case.objects: the catalog overlay that knows the sources and made-up functions
//!     }
//! }
//! ```
//!
//! Or read the parts from a [`Tape`]: [`schema::sources`], [`data::world`], [`data::zset`],
//! [`expr::of_type`], [`expr::predicate`], [`circuit::query`].
//!
//! Values come from tiny domains, so that joins match, groups share keys and values cancel.

pub mod circuit;
pub mod data;
pub mod expr;
pub mod schema;

pub use crate::tape::Tape;

use super::functions::{Functions, Pseudo};
use super::{Pick, World};
use crate::catalog::Objects;
use crate::circuit::{Circuit, NodeId};
use proptest::prelude::*;
use schema::Table;
use std::fmt;
use std::sync::Arc;

/// What to generate.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// At most so many sources.
    pub sources: usize,
    /// At most so many operators above a source.
    pub depth: usize,
    /// Expressions may raise: division, casts out of range, raising made-up functions. Without,
    /// evaluating a query never raises.
    pub errors: bool,
    /// Made-up functions.
    pub functions: bool,
    pub aggregates: bool,
    pub distinct: bool,
    pub joins: bool,
    /// NaN and infinities.
    pub specials: bool,
    /// Values of a type that have equal but different images: numeric without scale, float8, the
    /// case-insensitive type.
    pub images: bool,
    /// How often, of a hundred, an aggregate is in the normal form that folds.
    pub foldable: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            sources: 3,
            depth: 4,
            errors: false,
            functions: true,
            aggregates: true,
            distinct: true,
            joins: true,
            specials: true,
            images: true,
            foldable: 60,
        }
    }
}

/// A query over sources, and one refresh.
#[derive(Clone)]
pub struct Case {
    /// An overlay that knows the sources, the case-insensitive type and the made-up functions.
    pub objects: Objects,
    pub tables: Vec<Table>,
    pub circuit: Circuit,
    /// The query: a circuit without epochs.
    pub root: NodeId,
    /// No states: see [`World::store`].
    pub world: World,
}

impl Case {
    pub fn from_tape(tape: &mut Tape, config: Config) -> Case {
        let tables = schema::sources(tape, config);
        // The query first: shrinking the data then leaves it as it is.
        let (circuit, root) = circuit::query(tape, &tables, config);
        let mut world = data::world(tape, &tables, config);
        world.pick = if tape.percent(30) {
            Pick::Greatest
        } else {
            Pick::Least
        };
        world.functions = functions(tape.below(1 << 16) as u64);
        Case {
            objects: schema::objects(&tables),
            tables,
            circuit,
            root,
            world,
        }
    }
}

/// All made-up functions.
pub fn functions(seed: u64) -> Arc<dyn Functions> {
    Arc::new(Pseudo {
        seed,
        functions: schema::pseudo_functions()
            .into_iter()
            .map(|f| (f.oid, f.meaning))
            .collect(),
    })
}

/// Tapes, for strategies of one's own.
pub fn tape() -> impl Strategy<Value = Tape> {
    proptest::collection::vec(any::<u32>(), 0..400).prop_map(Tape::new)
}

pub fn case(config: Config) -> impl Strategy<Value = Case> {
    tape().prop_map(move |mut tape| Case::from_tape(&mut tape, config))
}

/// What a failing test prints.
impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for id in self.circuit.reachable(&[self.root]) {
            let node = self.circuit.node(id);
            let inputs: Vec<u32> = node.inputs.iter().map(|i| i.0).collect();
            writeln!(f, "{}: {:?} {inputs:?}", id.0, node.op)?;
        }
        for (relation, old) in &self.world.old {
            writeln!(f, "old {relation}:\n{old}")?;
        }
        for (relation, delta) in &self.world.delta {
            writeln!(f, "delta {relation}:")?;
            for (row, w) in &delta.0 {
                let values: Vec<String> = row.iter().map(|v| v.to_string()).collect();
                writeln!(f, "{w:+} ({})", values.join(", "))?;
            }
        }
        write!(f, "{:?}, {:?}", self.world.pick, self.world.functions)
    }
}

#[cfg(test)]
mod tests;
