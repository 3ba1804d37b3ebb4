//! The reference evaluator: what a circuit means, written to be plain, not fast. It is the oracle
//! that rewrite rules are tested against.
//!
//! A refresh is described by a [`World`]: the sources as they were ([`World::old`]), the log of
//! what changed ([`World::delta`]) and the stored collections. The epochs are the operators of
//! DBSP over the one step that the world holds:
//!
//! ```text
//! Old(R)   = old(R)                    z⁻¹ I
//! New(R)   = old(R) + delta(R)         I
//! Old(f x) = f(Old x)    New(f x) = f(New x)        for every other operator f
//! Delta(x) = New(x) − Old(x)           D
//! State(s) = Old of the node that s stores
//! ```
//!
//! One operator has a memory: what a [`Reserve`](crate::op::Reserve) is after a refresh depends on
//! what it was before.
//!
//! Below the epochs a circuit is evaluated *as it would be executed*: [`Bag`]s pass from operator
//! to operator, `Delta(Source)` is the raw log, and a row whose weights cancel only later is still
//! there for an expression to fail on (COMPILER.md 7, ghost rows). [`Consolidate`](crate::Op)
//! is what removes it. A collection that raises on any row that it evaluates is an error.
//!
//! One file says what one operator means; its name is the operator's.

use crate::circuit::{Circuit, NodeId};
use crate::compiled::StoragePlan;
use crate::op::{Op, StoredId};
use crate::types::Oid;
use functions::{Builtin, Functions};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub mod aggregate;
pub mod aggregate_step;
pub mod anti;
pub mod builtin;
pub mod closure;
pub mod consolidate;
pub mod constant;
pub mod delta;
pub mod distinct;
pub mod expr;
pub mod filter;
pub mod flat_map;
pub mod functions;
pub mod group;
pub mod join;
pub mod last;
pub mod left;
pub mod map;
pub mod neg;
pub mod numeric;
pub mod ordering;
pub mod plus;
pub mod positive;
pub mod probe;
#[cfg(any(test, feature = "gen"))]
pub mod random;
pub mod repeat;
pub mod reserve;
pub mod reserve_step;
pub mod semi;
pub mod short;
pub mod source;
pub mod stale;
pub mod state;
pub mod suffix;
pub mod top_k;
pub mod touched;
pub mod value;
pub mod window;
pub mod window_step;
pub mod zset;

pub use value::{Row, Value};
pub use zset::{Bag, ZSet};

/// Why there is no value. Those that [`EvalError::is_sql_error`] names are PostgreSQL's; the others say that the oracle was
/// asked what it does not know, or something that has no meaning.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum EvalError {
    #[error("division by zero")]
    DivisionByZero,
    #[error("value out of range")]
    OutOfRange,
    #[error("invalid input {text:?} for type {ty}")]
    InvalidText { text: String, ty: Oid },
    /// An offset of a frame is NULL or negative.
    #[error("invalid offset of a frame")]
    FrameOffset,
    /// The argument of `ntile` or `nth_value` is not positive.
    #[error("an argument of a window function must be greater than zero")]
    WindowArgument,
    #[error("more than one row returned by a subquery used as an expression")]
    SeveralRows,
    /// A made-up function raised.
    #[error("function {function} raised")]
    Raised { function: Oid },
    #[error("the oracle does not know {what}")]
    Unknown { what: String },
    /// A value, or a row, is not of the type that its operator needs.
    #[error("ill-typed")]
    IllTyped,
    #[error("the world has no relation {relation}")]
    NoRelation { relation: Oid },
    #[error("the world has no stored collection {}", .id.0)]
    NoState { id: StoredId },
    /// An aggregate over a collection that is not a multiset has no meaning.
    #[error("a row of negative weight under an aggregate")]
    Negative,
    /// An epoch of something that is not a circuit of a query.
    #[error("operator {op} has no epochs")]
    NoEpoch { op: &'static str },
    /// Recursion that does not end.
    #[error("recursion does not end")]
    Endless,
    /// A step for an aggregate that cannot be folded.
    #[error("this aggregate cannot be folded")]
    NotFoldable,
}

impl EvalError {
    /// Would PostgreSQL raise? Otherwise it is a mistake of whoever asked the oracle.
    pub fn is_sql_error(&self) -> bool {
        matches!(
            self,
            EvalError::DivisionByZero
                | EvalError::OutOfRange
                | EvalError::InvalidText { .. }
                | EvalError::FrameOffset
                | EvalError::WindowArgument
                | EvalError::Raised { .. }
        )
    }
}

/// Of several equal values with different images, which one stands for its group? PostgreSQL
/// takes whichever row comes first.
///
/// The oracle takes the least (or greatest) image: a choice that depends on nothing but the
/// multiset of the group. That is safe, because it is one of the answers that PostgreSQL may give
/// and because `Delta = New − Old` needs the choice to be the same whenever the group is the
/// same. A rule that holds for one choice only, as one that reads `x::text` of a key, relies on
/// what is not fixed: test with both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pick {
    #[default]
    Least,
    Greatest,
}

impl Pick {
    /// Does `a` stand before `b`?
    pub fn prefers<T: Ord>(self, a: &T, b: &T) -> bool {
        match self {
            Pick::Least => a < b,
            Pick::Greatest => a > b,
        }
    }
}

/// The inputs of one refresh.
#[derive(Clone, Debug)]
pub struct World {
    /// Every source before the refresh.
    pub old: BTreeMap<Oid, ZSet>,
    /// The log of changes: rows may repeat and cancel. A source that is missing did not change.
    pub delta: BTreeMap<Oid, Bag>,
    /// The old contents of stored collections; see [`World::store`].
    pub states: BTreeMap<StoredId, ZSet>,
    pub functions: Arc<dyn Functions>,
    pub pick: Pick,
    /// How many rows have left each reserve since it was filled.
    pub spent: u64,
}

impl Default for World {
    fn default() -> World {
        World {
            old: BTreeMap::new(),
            delta: BTreeMap::new(),
            states: BTreeMap::new(),
            functions: Arc::new(Builtin),
            pick: Pick::default(),
            spent: 0,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Epoch {
    Old,
    New,
}

impl World {
    /// A source at an epoch.
    pub fn source(&self, relation: Oid, epoch: Epoch) -> Result<ZSet, EvalError> {
        let old = self
            .old
            .get(&relation)
            .ok_or(EvalError::NoRelation { relation })?;
        Ok(match (epoch, self.delta.get(&relation)) {
            (Epoch::New, Some(delta)) => old + &delta.consolidate(),
            _ => old.clone(),
        })
    }

    /// Fills the states as a storage plan over the query's circuit says: each with the Old of
    /// its node.
    pub fn store(&mut self, circuit: &Circuit, plan: &StoragePlan) -> Result<(), EvalError> {
        for stored in &plan.stored {
            let old = eval_at(circuit, stored.node, self, Epoch::Old)?;
            self.states.insert(stored.id, old);
        }
        Ok(())
    }

    /// The world after this refresh, with nothing changed yet. States are left out.
    pub fn advance(&self) -> Result<World, EvalError> {
        let old = self
            .old
            .keys()
            .map(|&r| Ok((r, self.source(r, Epoch::New)?)))
            .collect::<Result<_, EvalError>>()?;
        Ok(World {
            old,
            delta: BTreeMap::new(),
            states: BTreeMap::new(),
            functions: self.functions.clone(),
            pick: self.pick,
            spent: self.spent,
        })
    }
}

/// The value of a node. Sources that stand under no epoch are read as they are after the refresh.
pub fn eval(circuit: &Circuit, node: NodeId, world: &World) -> Result<ZSet, EvalError> {
    Ok(eval_bag(circuit, node, world)?.consolidate())
}

/// The value of a node of a query's circuit (one without epochs) at an epoch.
pub fn eval_at(
    circuit: &Circuit,
    node: NodeId,
    world: &World,
    epoch: Epoch,
) -> Result<ZSet, EvalError> {
    let mut evaluator = Evaluator::new(circuit, world);
    Ok(evaluator.at(node, epoch)?.consolidate())
}

/// The value of a node as a program would hold it: rows may repeat and cancel.
pub fn eval_bag(circuit: &Circuit, node: NodeId, world: &World) -> Result<Bag, EvalError> {
    Ok(Bag::clone(&*Evaluator::new(circuit, world).node(node)?))
}

/// Evaluates nodes of one circuit in one world, each at most once in each context.
struct Evaluator<'a> {
    circuit: &'a Circuit,
    world: &'a World,
    memo: HashMap<(NodeId, Option<Epoch>), Result<Arc<Bag>, EvalError>>,
}

impl<'a> Evaluator<'a> {
    fn new(circuit: &'a Circuit, world: &'a World) -> Self {
        Evaluator {
            circuit,
            world,
            memo: HashMap::new(),
        }
    }

    /// Outside any epoch.
    fn node(&mut self, id: NodeId) -> Result<Arc<Bag>, EvalError> {
        self.memoised(id, None)
    }

    fn at(&mut self, id: NodeId, epoch: Epoch) -> Result<Arc<Bag>, EvalError> {
        self.memoised(id, Some(epoch))
    }

    fn memoised(&mut self, id: NodeId, epoch: Option<Epoch>) -> Result<Arc<Bag>, EvalError> {
        if let Some(known) = self.memo.get(&(id, epoch)) {
            return known.clone();
        }
        let value = self.compute(id, epoch).map(Arc::new);
        self.memo.insert((id, epoch), value.clone());
        value
    }

    fn compute(&mut self, id: NodeId, epoch: Option<Epoch>) -> Result<Bag, EvalError> {
        let circuit = self.circuit;
        let op = circuit.op(id);
        let inputs = circuit.inputs(id);
        let world = self.world;
        let functions = &*world.functions;
        match (op, epoch) {
            (Op::New, None) => return Ok(Bag::clone(&*self.at(inputs[0], Epoch::New)?)),
            (Op::Old, None) => return Ok(Bag::clone(&*self.at(inputs[0], Epoch::Old)?)),
            (Op::Delta, None) => {
                // The log itself, where there is one.
                if let Op::Source(s) = circuit.op(inputs[0]) {
                    return delta::source(s, world);
                }
                let new = self.at(inputs[0], Epoch::New)?;
                let old = self.at(inputs[0], Epoch::Old)?;
                return Ok(delta::difference(&new, &old));
            }
            (Op::New | Op::Old | Op::Delta, Some(_)) => {
                return Err(EvalError::NoEpoch {
                    op: "New, Old, Delta",
                });
            }
            (
                Op::State(_)
                | Op::Probe(_)
                | Op::Suffix(_)
                | Op::Last(_)
                | Op::WindowStep(_)
                | Op::Touched(_)
                | Op::Consolidate
                | Op::Positive
                | Op::AggregateStep(_)
                | Op::Stale(_)
                | Op::ReserveStep(_)
                | Op::Short(_),
                Some(_),
            ) => {
                return Err(EvalError::NoEpoch {
                    op: "of an incremental term",
                });
            }
            (Op::Reserve(r), Some(Epoch::New)) => {
                let before = self.at(id, Epoch::Old)?;
                let [old, new] = [Epoch::Old, Epoch::New].map(|e| self.at(inputs[0], e));
                return reserve::after(r, &before, &*old?, &*new?, functions, world.pick);
            }
            _ => {}
        }
        let x: Vec<Arc<Bag>> = inputs
            .iter()
            .map(|&i| self.memoised(i, epoch))
            .collect::<Result<_, _>>()?;
        match (op, x.as_slice()) {
            (Op::Source(s), []) => source::eval(s, epoch.unwrap_or(Epoch::New), world),
            (Op::Constant(c), []) => constant::eval(c, functions),
            (Op::State(s), []) => state::eval(s, world),
            (Op::Map(exprs), [x]) => map::eval(exprs, x, functions),
            (Op::Filter(predicate), [x]) => filter::eval(predicate, x, functions),
            (Op::Join(conjuncts), x) => join::eval(conjuncts, x, functions),
            (Op::Semi(conjuncts), [x, y]) => semi::eval(conjuncts, x, y, functions),
            (Op::Anti(conjuncts), [x, y]) => anti::eval(conjuncts, x, y, functions),
            (Op::Left(conjuncts), [x, y]) => {
                let width = circuit.schema(inputs[1]).len();
                left::eval(conjuncts, x, y, width, functions)
            }
            (Op::Plus, x) => Ok(plus::eval(x)),
            (Op::Neg, [x]) => Ok(neg::eval(x)),
            (Op::Distinct, [x]) => Ok(distinct::eval(x, world.pick)),
            (Op::Aggregate(a), [x]) => aggregate::eval(a, x, functions, world.pick),
            (Op::FlatMap(f), [x]) => flat_map::eval(f, x, functions),
            (Op::TopK(t), [x]) => top_k::eval(t, x, functions, world.pick),
            (Op::Reserve(r), [x]) => reserve::eval(r, x, world.spent, functions, world.pick),
            (Op::Window(w), [x]) => window::eval(w, x, functions, world.pick),
            (Op::Repeat(times), [x]) => repeat::eval(times, x, functions),
            (Op::Probe(cols), [x, keys]) => Ok(probe::eval(cols, x, keys)),
            (Op::Suffix(s), [x, places]) => suffix::eval(s, x, places, functions),
            (Op::Last(l), [x, places]) => last::eval(l, x, places, functions, world.pick),
            (Op::WindowStep(w), [x, carried, before]) => {
                window_step::eval(w, [x, carried, before], functions, world.pick)
            }
            (Op::Touched(cols), [x]) => Ok(touched::eval(cols, x)),
            (Op::Consolidate, [x]) => Ok(consolidate::eval(x)),
            (Op::Positive, [x]) => Ok(positive::eval(x)),
            (Op::Closure(c), [seed, rest @ ..]) => {
                let types = inputs.iter().skip(1).map(|i| circuit.schema(*i).len());
                closure::eval(
                    c,
                    seed,
                    rest,
                    &types.collect::<Vec<_>>(),
                    functions,
                    world.pick,
                )
            }
            (Op::AggregateStep(a), [old, delta]) => {
                aggregate_step::eval(a, old, delta, None, functions, world.pick)
            }
            (Op::AggregateStep(a), [old, delta, renewed]) => {
                aggregate_step::eval(a, old, delta, Some(renewed), functions, world.pick)
            }
            (Op::Stale(a), [old, delta]) => stale::eval(a, old, delta, functions),
            (Op::ReserveStep(r), [old, delta, renewed]) => {
                reserve_step::eval(r, old, delta, renewed, functions, world.pick)
            }
            (Op::Short(r), [old, delta]) => short::eval(r, old, delta, functions, world.pick),
            _ => Err(EvalError::IllTyped),
        }
    }
}
