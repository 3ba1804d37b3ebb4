//! Projection pruning: each collection carries only columns that something above it reads.
//!
//! One pass down collects what is read of each node (over all its readers), one pass up rebuilds.
//! Rows stay rows: weights do not change, so that what is left of a table without columns still
//! counts. Below `distinct` every column matters; below an aggregate the keys and arguments do.

use super::rules::map::compose;
use super::term::same_types;
use spec::circuit::IllTyped;
use spec::fold::{COUNT_ROWS, COUNT_VALUES};
use spec::op::{Aggregate, Closure, Link};
use spec::window::Window;
use spec::{Circuit, Expr, NodeId, Op};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The columns of each node that are read, given that all columns of the root are.
pub fn columns_read(circuit: &Circuit, root: NodeId) -> BTreeMap<NodeId, BTreeSet<usize>> {
    let mut read: BTreeMap<NodeId, BTreeSet<usize>> = BTreeMap::new();
    read.insert(root, (0..circuit.schema(root).len()).collect());
    for id in circuit.reachable(&[root]).into_iter().rev() {
        let own = read.entry(id).or_default().clone();
        let inputs = circuit.inputs(id);
        let mut need = |input: NodeId, columns: &mut dyn Iterator<Item = usize>| {
            read.entry(input).or_default().extend(columns);
        };
        match circuit.op(id) {
            Op::Map(exprs) => {
                let mut columns = own.iter().flat_map(|i| exprs[*i].columns());
                need(inputs[0], &mut columns);
            }
            Op::Filter(p) => {
                let mut columns = own.iter().copied().chain(p.columns());
                need(inputs[0], &mut columns);
            }
            Op::Repeat(times) => {
                let mut columns = own.iter().copied().chain(times.columns());
                need(inputs[0], &mut columns);
            }
            Op::FlatMap(f) => {
                let n = circuit.schema(inputs[0]).len();
                let on = f.outer.iter().flatten();
                let columns = f.calls().chain(on).flat_map(|e| e.columns());
                let mut columns = own.iter().copied().chain(columns).filter(|c| *c < n);
                need(inputs[0], &mut columns);
            }
            Op::Semi(on) | Op::Anti(on) => {
                let n = circuit.schema(inputs[0]).len();
                let read: BTreeSet<usize> = on.iter().flat_map(|c| c.columns()).collect();
                need(
                    inputs[0],
                    &mut own.iter().copied().chain(read.range(..n).copied()),
                );
                need(inputs[1], &mut read.range(n..).map(|c| c - n));
            }
            Op::Join(on) | Op::Left(on) => {
                let mut all = own.clone();
                all.extend(on.iter().flat_map(|c| c.columns()));
                let mut at = 0;
                for x in inputs {
                    let end = at + circuit.schema(*x).len();
                    need(*x, &mut all.range(at..end).map(|c| c - at));
                    at = end;
                }
            }
            Op::Aggregate(a) => {
                let kept = kept_aggregates(a, &own);
                let mut columns = a.keys.clone();
                for i in kept {
                    let agg = &a.aggs[i];
                    columns.extend(agg.args.iter().flat_map(|e| e.columns()));
                    columns.extend(agg.filter.iter().flat_map(|e| e.columns()));
                    columns.extend(agg.order_by.iter().flat_map(|k| k.expr.columns()));
                }
                need(inputs[0], &mut columns.into_iter());
            }
            Op::TopK(t) if !t.is_open() => {
                let mut columns = own.iter().copied().chain(t.columns());
                need(inputs[0], &mut columns);
            }
            Op::Window(w) if !is_open(w, circuit.schema(inputs[0]).len(), &own) => {
                let n = circuit.schema(inputs[0]).len();
                let kept = kept_calls(w, n, &own);
                let columns = match kept.is_empty() {
                    // Nor are the partitions and their order, then.
                    true => vec![],
                    false => w.columns(kept.into_iter().map(|i| &w.calls[i])),
                };
                let mut columns = own.iter().copied().filter(|c| *c < n).chain(columns);
                need(inputs[0], &mut columns);
            }
            Op::Plus | Op::Neg => {
                for x in inputs {
                    need(*x, &mut own.iter().copied());
                }
            }
            Op::Closure(c) => {
                let kept = kept_of_closure(c, &own);
                let narrow = narrowed(c, &kept);
                need(inputs[0], &mut kept.iter().copied());
                let widths = inputs[1..].iter().map(|x| circuit.schema(*x).len());
                for (x, (_, columns)) in inputs[1..].iter().zip(narrow.joined(widths)) {
                    need(*x, &mut narrow.read(columns).into_iter());
                }
                read.insert(id, kept);
            }
            // Images, keys and whole rows matter to all others.
            _ => {
                for x in inputs {
                    need(*x, &mut (0..circuit.schema(*x).len()));
                }
            }
        }
    }
    read
}

/// The aggregates to keep: those that are read, and the counts that let them fold.
fn kept_aggregates(a: &Aggregate, read: &BTreeSet<usize>) -> Vec<usize> {
    let mut kept: BTreeSet<usize> = read
        .iter()
        .filter_map(|c| c.checked_sub(a.keys.len()))
        .collect();
    kept.extend(a.row_count());
    for i in kept.clone() {
        kept.extend(a.count_beside(&a.aggs[i]));
    }
    debug_assert!(kept.iter().all(|i| *i < a.aggs.len()));
    debug_assert!(
        a.aggs
            .iter()
            .all(|g| g.function != COUNT_ROWS || g.args.is_empty())
    );
    debug_assert!(
        a.aggs
            .iter()
            .all(|g| g.function != COUNT_VALUES || g.args.len() == 1)
    );
    kept.into_iter().collect()
}

/// The columns of a recursion to keep: where rows are not told apart, those that are read, above it
/// or in its steps, and those that these are made from.
fn kept_of_closure(c: &Closure, read: &BTreeSet<usize>) -> BTreeSet<usize> {
    let width = c.types.len();
    if c.distinct {
        return (0..width).collect();
    }
    let mut kept = BTreeSet::new();
    let links = c.links.iter().flat_map(Link::exprs);
    let links = links.flat_map(Expr::columns);
    let mut todo: Vec<usize> = read.iter().copied().chain(links).collect();
    // A relation has a column.
    todo.push(read.first().copied().unwrap_or_default());
    while let Some(column) = todo.pop() {
        if column < width && kept.insert(column) {
            todo.extend(c.map[column].columns());
        }
    }
    kept
}

/// The recursion with these columns alone, in which those of the links stand behind them as before.
fn narrowed(c: &Closure, kept: &BTreeSet<usize>) -> Closure {
    let width = c.types.len();
    let moved = c.over(&|at| match at.checked_sub(width) {
        Some(of_links) => kept.len() + of_links,
        None => kept.range(..at).count(),
    });
    Closure {
        map: kept.iter().map(|k| moved.map[*k].clone()).collect(),
        types: kept.iter().map(|k| c.types[*k]).collect(),
        ..moved
    }
}

/// The same along inputs of which only these columns are there.
fn along(c: &Closure, widths: &[usize], read: &[BTreeSet<usize>]) -> Closure {
    let from = c.starts(widths.iter().copied());
    let to = c.starts(read.iter().map(BTreeSet::len));
    let of_link = |link: usize| {
        let before = c.links[..link].iter().filter(|l| l.reads_input()).count();
        c.links[link].reads_input().then(|| &read[before])
    };
    c.over(&|at| {
        if at < c.types.len() {
            return at;
        }
        // Conditions have no columns, and start where the next link does.
        let link = from.partition_point(|start| *start <= at) - 1;
        let offset = at - from[link];
        to[link] + of_link(link).map_or(offset, |read| read.range(..offset).count())
    })
}

/// The window functions that are read.
fn kept_calls(w: &Window, input: usize, read: &BTreeSet<usize>) -> Vec<usize> {
    let calls = 0..w.calls.len();
    calls.filter(|i| read.contains(&(input + i))).collect()
}

/// Does what is read of the window depend on how ties are broken?
fn is_open(w: &Window, input: usize, read: &BTreeSet<usize>) -> bool {
    let kept = kept_calls(w, input, read);
    kept.into_iter().any(|i| w.calls[i].by_image)
}

/// A node of the pruned circuit, and where the columns of the original are in it.
#[derive(Clone)]
struct Pruned {
    node: NodeId,
    place: HashMap<usize, usize>,
}

/// The same collection with fewer columns on the way.
pub fn prune(circuit: &Circuit, root: NodeId) -> Result<(Circuit, NodeId), IllTyped> {
    let read = columns_read(circuit, root);
    let mut out = Circuit::new();
    let mut done: HashMap<NodeId, Pruned> = HashMap::new();
    for id in circuit.reachable(&[root]) {
        let span = circuit.span(id);
        let own = &read[&id];
        let width = circuit.schema(id).len();
        let inputs: Vec<Pruned> = circuit.inputs(id).iter().map(|i| done[i].clone()).collect();
        let placed = |e: &Expr| e.remap(&mut |c| inputs[0].place.get(&c).copied().unwrap_or(c));
        let nodes = || inputs.iter().map(|p| p.node).collect::<Vec<_>>();
        let pruned = match circuit.op(id) {
            op @ (Op::Source(_) | Op::Constant(_)) => {
                let node = out.add(op.clone(), vec![], span)?;
                select(&mut out, node, own, width)?
            }
            Op::Map(exprs) => {
                let kept: Vec<Expr> = own.iter().map(|i| placed(&exprs[*i])).collect();
                let node = map(&mut out, kept, inputs[0].node, span)?;
                Pruned {
                    node,
                    place: own.iter().copied().zip(0..).collect(),
                }
            }
            Op::Filter(p) => Pruned {
                node: out.add(Op::Filter(placed(p)), nodes(), span)?,
                place: inputs[0].place.clone(),
            },
            Op::Repeat(times) => Pruned {
                node: out.add(Op::Repeat(placed(times)), nodes(), span)?,
                place: inputs[0].place.clone(),
            },
            Op::FlatMap(f) => {
                let old = circuit.schema(circuit.inputs(id)[0]).len();
                let new = out.schema(inputs[0].node).len();
                let f = f.over(old, new, &mut |e| placed(e));
                let made = (old..width).zip(new..);
                Pruned {
                    node: out.add(Op::FlatMap(f), nodes(), span)?,
                    place: inputs[0]
                        .place
                        .iter()
                        .map(|(c, p)| (*c, *p))
                        .chain(made)
                        .collect(),
                }
            }
            Op::Neg => Pruned {
                node: out.add(Op::Neg, nodes(), span)?,
                place: inputs[0].place.clone(),
            },
            op @ (Op::Join(on) | Op::Semi(on) | Op::Anti(on) | Op::Left(on)) => {
                let mut place = HashMap::new();
                let (mut old_at, mut new_at) = (0, 0);
                for (x, p) in circuit.inputs(id).iter().zip(&inputs) {
                    place.extend(
                        p.place
                            .iter()
                            .map(|(old, new)| (old + old_at, new + new_at)),
                    );
                    old_at += circuit.schema(*x).len();
                    new_at += out.schema(p.node).len();
                }
                let on = on
                    .iter()
                    .map(|c| c.remap(&mut |i| place.get(&i).copied().unwrap_or(i)))
                    .collect();
                let op = match op {
                    Op::Semi(_) => Op::Semi(on),
                    Op::Anti(_) => Op::Anti(on),
                    Op::Left(_) => Op::Left(on),
                    _ => Op::Join(on),
                };
                // Of semi and anti joins only the columns of x come out.
                place.retain(|c, _| *c < width);
                Pruned {
                    node: out.add(op, nodes(), span)?,
                    place,
                }
            }
            Op::TopK(t) if !t.is_open() => {
                let mut t = t.clone();
                t.keys = t.keys.iter().map(|k| inputs[0].place[k]).collect();
                for key in &mut t.order {
                    key.expr = placed(&key.expr);
                }
                Pruned {
                    node: out.add(Op::TopK(t), nodes(), span)?,
                    place: inputs[0].place.clone(),
                }
            }
            Op::Window(w) if !is_open(w, circuit.schema(circuit.inputs(id)[0]).len(), own) => {
                let old = circuit.schema(circuit.inputs(id)[0]).len();
                let new = out.schema(inputs[0].node).len();
                let kept = kept_calls(w, old, own);
                if kept.is_empty() {
                    done.insert(id, inputs[0].clone());
                    continue;
                }
                let mut w = w.clone();
                w.partition = w.partition.iter().map(|k| inputs[0].place[k]).collect();
                for key in &mut w.order {
                    key.expr = placed(&key.expr);
                }
                w.calls = kept.iter().map(|i| w.calls[*i].over(&placed)).collect();
                let mut place = inputs[0].place.clone();
                place.extend(kept.iter().map(|i| old + i).zip(new..));
                Pruned {
                    node: out.add(Op::Window(w), nodes(), span)?,
                    place,
                }
            }
            Op::Plus => {
                let mut same = vec![];
                for p in &inputs {
                    same.push(exactly(&mut out, p, own, circuit, id)?);
                }
                Pruned {
                    node: out.add(Op::Plus, same, span)?,
                    place: own.iter().copied().zip(0..).collect(),
                }
            }
            Op::Aggregate(a) => {
                let kept = kept_aggregates(a, own);
                let aggs = kept.iter().map(|i| {
                    let mut agg = a.aggs[*i].clone();
                    agg.args = agg.args.iter().map(&placed).collect();
                    agg.filter = agg.filter.as_ref().map(&placed);
                    for key in &mut agg.order_by {
                        key.expr = placed(&key.expr);
                    }
                    agg
                });
                let aggregate = Aggregate {
                    keys: a.keys.iter().map(|k| inputs[0].place[k]).collect(),
                    aggs: aggs.collect(),
                };
                let keys = a.keys.len();
                let columns = (0..keys).chain(kept.iter().map(|i| i + keys));
                Pruned {
                    node: out.add(Op::Aggregate(aggregate), nodes(), span)?,
                    place: columns.zip(0..).collect(),
                }
            }
            Op::Closure(c) => {
                let c = narrowed(c, own);
                let (seed, xs) = circuit.inputs(id).split_at(1);
                let widths: Vec<usize> = xs.iter().map(|x| circuit.schema(*x).len()).collect();
                let joined = c.joined(widths.iter().copied());
                let read: Vec<BTreeSet<usize>> = joined.map(|(_, of)| c.read(of)).collect();
                let mut nodes = vec![exactly(&mut out, &inputs[0], own, circuit, seed[0])?];
                for ((x, pruned), read) in xs.iter().zip(&inputs[1..]).zip(&read) {
                    nodes.push(exactly(&mut out, pruned, read, circuit, *x)?);
                }
                let c = along(&c, &widths, &read);
                Pruned {
                    node: out.add(Op::Closure(c), nodes, span)?,
                    place: own.iter().copied().zip(0..).collect(),
                }
            }
            op => {
                let mut whole = vec![];
                for (x, p) in circuit.inputs(id).iter().zip(&inputs) {
                    let all = (0..circuit.schema(*x).len()).collect();
                    whole.push(exactly(&mut out, p, &all, circuit, *x)?);
                }
                Pruned {
                    node: out.add(op.clone(), whole, span)?,
                    place: (0..width).zip(0..).collect(),
                }
            }
        };
        done.insert(id, pruned);
    }
    let all = (0..circuit.schema(root).len()).collect();
    let node = exactly(&mut out, &done[&root], &all, circuit, root)?;
    debug_assert!(same_types(out.schema(node), circuit.schema(root)));
    Ok((out, node))
}

/// These columns of a node, if they are not all of it.
fn select(
    out: &mut Circuit,
    node: NodeId,
    columns: &BTreeSet<usize>,
    width: usize,
) -> Result<Pruned, IllTyped> {
    if columns.len() == width {
        return Ok(Pruned {
            node,
            place: (0..width).zip(0..).collect(),
        });
    }
    let exprs = columns
        .iter()
        .map(|c| Expr::column(*c, out.schema(node)[*c].ty))
        .collect();
    let span = out.span(node);
    Ok(Pruned {
        node: out.add(Op::Map(exprs), vec![node], span)?,
        place: columns.iter().copied().zip(0..).collect(),
    })
}

/// A map, fused with a map below it that only selects.
fn map(
    out: &mut Circuit,
    exprs: Vec<Expr>,
    input: NodeId,
    span: Option<spec::Span>,
) -> Result<NodeId, IllTyped> {
    if let Op::Map(inner) = out.op(input)
        && inner.iter().all(|e| e.as_column().is_some())
    {
        let fused = exprs.iter().map(|e| compose(e, inner)).collect();
        let below = out.inputs(input).to_vec();
        return out.add(Op::Map(fused), below, span);
    }
    out.add(Op::Map(exprs), vec![input], span)
}

/// A node with exactly these columns of the original, in order.
fn exactly(
    out: &mut Circuit,
    pruned: &Pruned,
    columns: &BTreeSet<usize>,
    original: &Circuit,
    id: NodeId,
) -> Result<NodeId, IllTyped> {
    let places: Vec<usize> = columns.iter().map(|c| pruned.place[c]).collect();
    let width = out.schema(pruned.node).len();
    if places.iter().copied().eq(0..width) {
        return Ok(pruned.node);
    }
    let exprs = places
        .iter()
        .map(|p| Expr::column(*p, out.schema(pruned.node)[*p].ty))
        .collect();
    map(out, exprs, pruned.node, original.span(id))
}
