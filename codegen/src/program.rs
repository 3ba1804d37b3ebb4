//! The refresh program: lets for all deltas, then an apply for each stored collection.

use crate::apply::{Target, apply, insert_all};
use crate::error::{CodegenError, Result};
use crate::lower::{Lowering, Relation, columns_of, settings};
use crate::merge::{Followed, MergeInto};
use crate::names::{Names, WEIGHT, delta_of, relation_name, stored_columns};
use crate::sql::ident::Namer;
use crate::sql::{Sql, print};
use crate::together::{meetings, runs_together};
use spec::catalog::Catalog;
use spec::compiled::{Compiled, DeltaPlan, Identity};
use spec::op::{Op, StoredId};
use spec::program::{Batch, PROGRAM_VERSION, RefreshProgram, RelColumn, Step, StepKind};
use spec::{Expr, NodeId, Oid};
use std::collections::{BTreeMap, HashSet};

/// The program that brings all stored collections up to date.
pub fn program(
    compiled: &Compiled,
    plan: &DeltaPlan,
    catalog: &Catalog,
    names: &Names,
) -> Result<RefreshProgram> {
    let catalog = &names.catalog(compiled, catalog);
    let stored = stored_columns(compiled, catalog, names)?;
    let roots: Vec<NodeId> = plan.deltas.iter().map(|(_, node)| *node).collect();
    let mut lowering = Lowering::new(
        catalog,
        &plan.circuit,
        &roots,
        names,
        &stored,
        &compiled.sources,
    );
    lowering.identities = compiled
        .storage
        .stored
        .iter()
        .map(|s| &s.identity)
        .collect();
    let mut batches = batches(&mut lowering, compiled, &roots)?;
    for batch in &mut batches {
        batch.asked = asked(&lowering, plan, batch.relation)?;
    }
    // What is consolidated by its form can be the delta itself, for its other readers too.
    let settled = |node: NodeId| match (plan.circuit.op(node), plan.circuit.inputs(node)) {
        (Op::Consolidate, [input]) if lowering.is_consolidated(*input) => *input,
        _ => node,
    };
    let deltas: Vec<(StoredId, NodeId)> = plan
        .deltas
        .iter()
        .map(|(id, node)| (*id, settled(*node)))
        .collect();
    for (id, node) in &deltas {
        let wish = names.delta(*id)?;
        let name = lowering.relations.unique(&wish);
        lowering.announce(*node, name);
    }
    for ((id, node), (_, root)) in deltas.iter().zip(&plan.deltas) {
        let target = target(compiled, names, &stored, *id)?;
        if lowering.merges(*node, *id, &target) {
            let read = [node, root].iter().any(|n| !lowering.is_read_once(**n));
            let into = MergeInto {
                id: *id,
                target,
                read,
                follows: None,
            };
            lowering.merges.insert(*node, into);
        }
    }
    let mut followed = HashSet::new();
    for ((id, node), (_, root)) in deltas.iter().zip(&plan.deltas) {
        let target = target(compiled, names, &stored, *id)?;
        let Some(step) = lowering.followed(*node, *id, &target) else {
            continue;
        };
        // Whose own delta nobody but the follower may ask for.
        let own = deltas
            .iter()
            .zip(&plan.deltas)
            .find(|((_, n), _)| *n == step);
        let is_asked = own.is_none_or(|(_, (_, root))| {
            lowering.uses(step) != 2 || *root != step && !lowering.is_read_once(*root)
        });
        if !is_asked && let Some(state) = lowering.merges.remove(&step) {
            let read = [node, root].iter().any(|n| !lowering.is_read_once(**n));
            let into = MergeInto {
                id: *id,
                target,
                read,
                follows: Some(Followed {
                    step,
                    target: state.target,
                }),
            };
            lowering.merges.insert(*node, into);
            followed.insert(step);
        }
    }
    let mut changes = vec![];
    for (id, node) in deltas.iter().filter(|(_, node)| !followed.contains(node)) {
        let relation = lowering.lower_let(*node)?;
        if !lowering.merges.contains_key(node) {
            changes.push((*id, relation, lowering.growing[node.index()]));
        }
    }
    let mut steps = std::mem::take(&mut lowering.steps);
    for (id, delta, grows) in changes {
        let target = target(compiled, names, &stored, id)?;
        steps.push(apply_step(&target, catalog, id, &delta, grows)?);
    }
    let together = runs_together(plan).then(|| {
        let stored = &compiled.storage.stored;
        let has_copies = |id: StoredId| {
            let stored = stored.get(id.0 as usize);
            stored.is_some_and(|s| s.identity == Identity::Image)
        };
        meetings(lowering.meetings, &steps, has_copies)
    });
    Ok(RefreshProgram {
        version: PROGRAM_VERSION,
        batches,
        steps,
        together,
    })
}

/// A batch for each changed source that the plan reads, with the columns that it reads.
fn batches(
    lowering: &mut Lowering<'_>,
    compiled: &Compiled,
    roots: &[NodeId],
) -> Result<Vec<Batch>> {
    let circuit = lowering.circuit;
    let catalog = lowering.catalog;
    let mut read: BTreeMap<_, (Vec<i16>, std::collections::BTreeSet<usize>)> = BTreeMap::new();
    for id in circuit.reachable(roots) {
        if let (Op::Delta, [input]) = (circuit.op(id), circuit.inputs(id))
            && let Op::Source(s) = circuit.op(*input)
        {
            let entry = read.entry(s.relation).or_default();
            entry.0.clone_from(&s.attnums);
            entry.1.extend(&lowering.demand[id.index()]);
        }
    }
    let mut out = vec![];
    for (relation, (attnums, demand)) in read {
        let used = compiled.sources.iter().find(|s| s.relation == relation);
        let captured = used.map_or(&[][..], |s| s.columns.as_slice());
        let name = relation_name(relation, catalog)?.name;
        let name = lowering.relations.unique(&delta_of(&name));
        let info = catalog.relation(relation);
        let mut namer = Namer::reserving([WEIGHT]);
        let mut columns = vec![];
        let mut shown = vec![];
        for (i, attnum) in attnums.iter().enumerate() {
            let column = info.and_then(|r| r.column(*attnum));
            let column = column.filter(|_| demand.contains(&i) && captured.contains(attnum));
            columns.push(column.map(|column| {
                let name = namer.unique(&column.name);
                let ty = column.ty;
                let name_too = name.clone();
                shown.push((*attnum, RelColumn { name, ty }));
                name_too
            }));
        }
        lowering.batches.insert(
            relation,
            Relation {
                name: name.clone(),
                columns,
                weighted: true,
            },
        );
        out.push(Batch {
            relation,
            name,
            columns: shown,
            asked: None,
            insertions_only: used.is_some_and(|s| s.append_only),
        });
    }
    Ok(out)
}

/// What is asked of all rows of a batch, as far as it shows the columns.
fn asked(lowering: &Lowering<'_>, plan: &DeltaPlan, source: Oid) -> Result<Option<String>> {
    let delta = plan.circuit.ids().find(|id| {
        let input = plan.circuit.inputs(*id).first();
        let is_it =
            |n: &NodeId| matches!(plan.circuit.op(*n), Op::Source(s) if s.relation == source);
        matches!(plan.circuit.op(*id), Op::Delta) && input.is_some_and(is_it)
    });
    let (Some(conditions), Some(delta)) = (plan.asked.get(&source), delta) else {
        return Ok(None);
    };
    let Some(batch) = lowering.batches.get(&source) else {
        return Ok(None);
    };
    let columns = columns_of(&batch.name, &batch.columns, plan.circuit.schema(delta));
    let shown = |c: &&Expr| {
        let columns = c.columns();
        columns
            .iter()
            .all(|c| matches!(batch.columns.get(*c), Some(Some(_))))
    };
    let printed = lowering.conjuncts(conditions.iter().filter(shown), &columns)?;
    Ok(Sql::all(printed).map(|all| print::expr(&all, 0)))
}

pub(crate) fn target<'a>(
    compiled: &'a Compiled,
    names: &Names,
    stored: &'a [Vec<String>],
    id: StoredId,
) -> Result<Target<'a>> {
    let missing = || CodegenError::Plan(format!("no stored {}", id.0));
    let k = id.0 as usize;
    let plan = compiled.storage.stored.get(k).ok_or_else(missing)?;
    Ok(Target {
        table: names.table(id)?,
        columns: stored.get(k).ok_or_else(missing)?,
        types: compiled.circuit.schema(plan.node),
        identity: &plan.identity,
    })
}

/// The apply of one stored collection, which only `grows`, or not.
pub(crate) fn apply_step(
    target: &Target<'_>,
    catalog: &Catalog,
    id: StoredId,
    delta: &Relation,
    grows: bool,
) -> Result<Step> {
    let statements = match grows {
        true => vec![insert_all(target, delta)?],
        false => apply(target, delta, catalog)?,
    };
    Ok(Step {
        name: format!("apply_{}", id.0),
        comment: format!("{} := old + {}", target.table, delta.name),
        kind: StepKind::Apply {
            target: id,
            delta: delta.name.clone(),
            statements: statements.iter().map(print::statement).collect(),
        },
        skip_if_empty: vec![delta.name.clone()],
        settings: settings(),
    })
}
