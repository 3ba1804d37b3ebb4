//! Indexes on the user's tables that the deltas would use, and that are not there.
//!
//! A delta reads New of a table by equality with something small: in a join, or by a probe; or it
//! reads a range of it, where a join compares by order alone. An index serves that if its first
//! column is one of those compared. The first rows of groups are read one after the other where an
//! index has the columns of the group, and then what they are ordered by; so is what follows a place of
//! a partition. We never create it. What is wanted does not depend on what is there, so that it can be
//! kept with a stream table, and compared with what is there at any time.

use crate::error::Result;
use crate::names::relation_name;
use crate::seek;
use crate::sql::{Sql, Statement, print};
use crate::suffix::table_columns;
use spec::catalog::{Catalog, Relation};
use spec::circuit::Circuit;
use spec::compiled::DeltaPlan;
use spec::expr::ExprKind;
use spec::op::{Op, TopK};
use spec::types::{ColType, Oid};
use spec::{Expr, NodeId};
use std::collections::BTreeSet;
use std::ops::Range;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Advice {
    pub relation: Oid,
    /// attnums
    pub columns: Vec<i16>,
    /// CREATE INDEX
    pub sql: String,
}

/// An index that a table is read by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    pub relation: Oid,
    /// attnums
    pub columns: Vec<i16>,
    /// It begins with so many of the columns, in any order, and has the others behind them. Else any
    /// index serves that begins with one of them.
    pub prefix: Option<usize>,
}

/// By which indexes the tables are read.
pub fn wanted(plan: &DeltaPlan, catalog: &Catalog) -> BTreeSet<Wanted> {
    let roots: Vec<NodeId> = plan.deltas.iter().map(|(_, node)| *node).collect();
    let circuit = &plan.circuit;
    let mut wanted: BTreeSet<(Oid, Vec<i16>)> = BTreeSet::new();
    let mut in_order: BTreeSet<(Oid, Vec<i16>, Option<i16>)> = BTreeSet::new();
    for id in circuit.reachable(&roots) {
        let inputs = circuit.inputs(id);
        match circuit.op(id) {
            Op::Probe(cols) if !cols.is_empty() => {
                let columns = cols.iter().map(|c| table_column(circuit, inputs[0], *c));
                let columns: Option<Vec<_>> = columns.collect();
                note(&mut wanted, columns.unwrap_or_default());
            }
            Op::Join(conjuncts) | Op::Semi(conjuncts) | Op::Anti(conjuncts) => {
                let mut start = 0;
                for (i, input) in inputs.iter().enumerate() {
                    let end = start + circuit.schema(*input).len();
                    let own = start..end;
                    let small = inputs
                        .iter()
                        .enumerate()
                        .any(|(j, x)| j != i && changes(circuit, *x));
                    let by = |operators: &[&str]| -> Vec<(Oid, i16)> {
                        let on = conjuncts.iter();
                        on.filter_map(|e| compared_by(operators, e, catalog, &own))
                            .filter_map(|c| table_column(circuit, *input, c - start))
                            .collect()
                    };
                    if small && !changes(circuit, *input) {
                        let mut columns = by(&["="]);
                        if columns.is_empty() {
                            columns = by(&["<", "<=", ">", ">="]);
                            // The first column of an index decides which range of it is read.
                            columns.truncate(1);
                        }
                        note(&mut wanted, columns);
                    }
                    start = end;
                }
            }
            Op::Closure(c) if c.change => {
                let widths = inputs[1..].iter().map(|x| circuit.schema(*x).len());
                for (x, (link, own)) in inputs[1..].iter().zip(c.joined(widths)) {
                    let on = link.exprs().into_iter();
                    let compared = on.filter_map(|e| compared(e, catalog, &own));
                    let column = |c: usize| table_column(circuit, *x, c - own.start);
                    note(&mut wanted, compared.filter_map(column).collect());
                }
            }
            Op::TopK(t) if sorts_as_indexes(t, catalog, circuit.schema(inputs[0])) => {
                let place = seek::place(circuit, t, inputs[0], |_| false);
                if let Some((relation, mut keys, first)) = place.and_then(|p| p.attnums(circuit)) {
                    keys.sort_unstable();
                    in_order.insert((relation, keys, first));
                }
            }
            op @ (Op::Suffix(_) | Op::Last(_)) => {
                let column = |c| table_column(circuit, inputs[0], c);
                if let Some((relation, mut keys, place)) = table_columns(op, column) {
                    keys.sort_unstable();
                    in_order.insert((relation, keys, Some(place)));
                }
            }
            _ => {}
        }
    }
    for (relation, columns, _) in &in_order {
        // It finds the groups, too.
        wanted.remove(&(*relation, columns.clone()));
    }
    let any = wanted.into_iter().map(|(relation, columns)| Wanted {
        relation,
        columns,
        prefix: None,
    });
    let ordered = in_order.into_iter().map(|(relation, keys, then)| Wanted {
        relation,
        prefix: Some(keys.len()),
        columns: keys.into_iter().chain(then).collect(),
    });
    any.chain(ordered).collect()
}

impl Wanted {
    fn is_there(&self, info: &Relation) -> bool {
        match self.prefix {
            None => is_served(info, &self.columns),
            Some(n) => {
                let (keys, then) = self.columns.split_at(n);
                seek::is_in_order(info, keys, then.first().copied())
            }
        }
    }
}

/// What is wanted, and not there.
pub fn advice(plan: &DeltaPlan, catalog: &Catalog) -> Result<Vec<Advice>> {
    let mut out = vec![];
    for wanted in wanted(plan, catalog) {
        let Wanted {
            relation, columns, ..
        } = wanted.clone();
        let Some(info) = catalog.relation(relation) else {
            continue;
        };
        if wanted.is_there(info) {
            continue;
        }
        let table = relation_name(relation, catalog)?;
        let names = columns.iter().filter_map(|a| info.column(*a));
        let index = Statement::CreateIndex {
            columns: names.map(|c| Sql::column(&info.name, &c.name)).collect(),
            table,
            unique_nulls_not_distinct: false,
            method: "btree",
        };
        out.push(Advice {
            relation,
            columns,
            sql: print::statement(&index),
        });
    }
    Ok(out)
}

/// Does the order begin as an index does that says nothing of it, read forwards or backwards?
fn sorts_as_indexes(t: &TopK, catalog: &Catalog, input: &[ColType]) -> bool {
    t.order.first().is_none_or(|by| {
        let descends = catalog
            .equality(by.expr.ty().oid)
            .is_some_and(|e| e.gt == by.operator);
        let column = by.expr.as_column();
        by.nulls_first == descends || column.is_some_and(|c| !input[c].nullable)
    })
}

/// Takes note of columns of one table that are compared together.
fn note(wanted: &mut BTreeSet<(Oid, Vec<i16>)>, columns: Vec<(Oid, i16)>) {
    let Some((relation, _)) = columns.first().copied() else {
        return;
    };
    let mut attnums: Vec<i16> = columns
        .into_iter()
        .filter(|c| c.0 == relation)
        .map(|c| c.1)
        .collect();
    attnums.sort_unstable();
    attnums.dedup();
    wanted.insert((relation, attnums));
}

/// Is there an index that begins with one of these columns?
pub(crate) fn is_served(info: &Relation, columns: &[i16]) -> bool {
    let first = |c: &[i16]| c.first().is_some_and(|f| columns.contains(f));
    let indexes = info.indexes.iter();
    let mut indexes = indexes.filter(|i| i.method == "btree" || i.method == "hash");
    indexes.any(|i| first(&i.columns)) || info.keys.iter().any(|k| first(&k.columns))
}

/// Does the node depend on a change, so that it is small?
fn changes(circuit: &Circuit, id: NodeId) -> bool {
    match circuit.op(id) {
        Op::Delta | Op::Touched(_) | Op::Stale(_) | Op::Probe(_) | Op::AggregateStep(_) => true,
        Op::Suffix(_) | Op::Last(_) => true,
        Op::New | Op::Source(_) | Op::State(_) | Op::Constant(_) => false,
        Op::Plus => circuit.inputs(id).iter().all(|i| changes(circuit, *i)),
        Op::Closure(c) => c.change,
        _ => circuit.inputs(id).iter().any(|i| changes(circuit, *i)),
    }
}

/// The column of a table that this column is, unchanged.
fn table_column(circuit: &Circuit, id: NodeId, column: usize) -> Option<(Oid, i16)> {
    let inputs = circuit.inputs(id);
    match circuit.op(id) {
        Op::Source(s) => Some((s.relation, *s.attnums.get(column)?)),
        Op::New | Op::Filter(_) | Op::Repeat(_) | Op::Consolidate | Op::Positive => {
            table_column(circuit, inputs[0], column)
        }
        Op::Semi(_) | Op::Anti(_) => table_column(circuit, inputs[0], column),
        Op::FlatMap(_) if column < circuit.schema(inputs[0]).len() => {
            table_column(circuit, inputs[0], column)
        }
        // Old of a table: New ⊎ −Delta.
        Op::Plus => table_column(circuit, inputs[0], column),
        Op::Map(exprs) => {
            let inner = exprs.get(column)?.as_column()?;
            table_column(circuit, inputs[0], inner)
        }
        _ => None,
    }
}

/// The column of `own` that a conjunct compares for equality with something outside of it.
pub(crate) fn compared(e: &Expr, catalog: &Catalog, own: &Range<usize>) -> Option<usize> {
    compared_by(&["="], e, catalog, own)
}

/// The same, for one of these operators.
fn compared_by(
    operators: &[&str],
    e: &Expr,
    catalog: &Catalog,
    own: &Range<usize>,
) -> Option<usize> {
    let ExprKind::Operator { operator, args, .. } = e.kind() else {
        return None;
    };
    let [left, right] = args.as_slice() else {
        return None;
    };
    if !operators.contains(&&*catalog.operator(*operator)?.name) {
        return None;
    }
    let outside = |e: &Expr| e.columns().iter().all(|c| !own.contains(c));
    let side = |a: &Expr, b: &Expr| column(a).filter(|c| own.contains(c) && outside(b));
    side(left, right).or_else(|| side(right, left))
}

/// A column, through relabelling.
fn column(e: &Expr) -> Option<usize> {
    match e.kind() {
        ExprKind::Cast {
            arg,
            coercion: spec::expr::Coercion::Relabel,
            ..
        } => column(arg),
        _ => e.as_column(),
    }
}
