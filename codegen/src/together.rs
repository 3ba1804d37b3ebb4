//! Which programs transactions can run at the same time.
//!
//! Transactions 1 and 2 change the same source s and nothing else, and none sees the other's
//! changes while it is running. What both add to a stored collection is right whoever ends first iff
//!
//! ```text
//! Q(s + Δ1 + Δ2) − Q(s + Δ1)  =  Q(s + Δ2) − Q(s)
//! ```
//!
//! It is wherever the Delta is computed from Δs and *other* collections alone, for nobody may change
//! these meanwhile: it cannot depend on an s that it does not read. Three things are left, and the
//! first two are where transactions meet ([`Meeting`]).
//!
//! - **Groups.** An aggregate's step reads the old row of each group that it changes, and where a
//!   group is stale, all its rows. Groups are independent of each other: who keeps those that its
//!   change touches from everybody else, and then reads under a newer snapshot, reads of them what
//!   it would if it were alone. Deltas of that are again exact.
//! - **Copies.** Of a row without a key each deleter must find a copy that no other deletes.
//! - **Keys.** Where a row of the result has a key that is not a group's, it comes from a unique
//!   index of s, and two transactions that may make rows of that key wait for each other there.
//!
//! Everything else that reads s itself (self-joins, matches and their absence in s, first rows,
//! windows, recursion, groups that are recomputed whole) takes turns.

use crate::lower::small;
use spec::NodeId;
use spec::circuit::Circuit;
use spec::compiled::DeltaPlan;
use spec::op::{Op, Source};
use spec::program::{Meeting, Over, StepKind};

/// What a node's value depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reads {
    /// Other sources, and the changes that this transaction has made.
    Others,
    /// What another transaction may be changing.
    Changing,
}

/// Can transactions that change this source run the program of this plan at the same time?
pub fn runs_together(plan: &DeltaPlan) -> bool {
    let circuit = &plan.circuit;
    let mut changed = plan.changed.iter();
    let (Some(&source), None) = (changed.next(), changed.next()) else {
        return false;
    };
    let small = small(circuit);
    let mut reads: Vec<Reads> = Vec::with_capacity(circuit.len());
    for id in circuit.ids() {
        let inputs = circuit.inputs(id);
        let worst = inputs.iter().map(|i| reads[i.index()]).max();
        reads.push(match circuit.op(id) {
            Op::Source(Source { relation, .. }) if *relation == source => Reads::Changing,
            Op::State(_) => Reads::Changing,
            Op::Delta => Reads::Others,
            Op::AggregateStep(_) if is_met(circuit, &reads, &small, id) => Reads::Others,
            _ => worst.unwrap_or(Reads::Others),
        });
    }
    let mut roots = plan.deltas.iter().map(|(_, root)| root.index());
    roots.all(|root| reads[root] == Reads::Others)
}

/// Does a step read what may be changing only once its groups are its own?
fn is_met(circuit: &Circuit, reads: &[Reads], small: &[bool], step: NodeId) -> bool {
    let (Op::AggregateStep(a), [old, delta, renewed @ ..]) =
        (circuit.op(step), circuit.inputs(step))
    else {
        return false;
    };
    // For whoever asks which groups are stale has asked which are changed.
    let stale: Vec<bool> = circuit.ids().fold(vec![], |mut stale, id| {
        let inputs = circuit.inputs(id);
        let own = matches!(circuit.op(id), Op::Stale(b) if a == b) && inputs == [*old, *delta];
        stale.push(own || inputs.iter().any(|i| stale[i.index()]));
        stale
    });
    // A small one might be a let of its own, and come before.
    let comes_after = |id: &NodeId| {
        let i = id.index();
        reads[i] == Reads::Others || stale[i] || !small[i]
    };
    matches!(circuit.op(*old), Op::State(_))
        && reads[delta.index()] == Reads::Others
        && circuit.reachable(renewed).iter().all(comes_after)
}

/// The meetings of a program: those over groups, and those of applies that delete copies.
pub(crate) fn meetings(
    over_groups: Vec<Meeting>,
    steps: &[spec::program::Step],
    has_copies: impl Fn(spec::op::StoredId) -> bool,
) -> Vec<Meeting> {
    let of_copies = steps.iter().enumerate().filter_map(|(before, step)| {
        let StepKind::Apply { target, delta, .. } = &step.kind else {
            return None;
        };
        has_copies(*target).then(|| Meeting {
            before,
            target: *target,
            relation: delta.clone(),
            over: Over::Copies,
        })
    });
    let mut all: Vec<Meeting> = over_groups.into_iter().chain(of_copies).collect();
    all.sort_by_key(|m| m.before);
    all
}
