//! Rows without a type of their own (`ROW(a, b)`), as their fields.
//!
//! No table can have a column of such rows, and so nothing that is kept can. A column that is a ROW
//! where it is made is carried as its fields, and made where an expression reads it:
//!
//! ```text
//! Map(ROW(a, b)) x             Map(a, b) x
//! Map(e(r)) x                  Map(e(ROW(f, g))) x
//! Distinct, keys, branches     of the fields: rows are equal if their fields are, NULLs being equal
//! ```
//!
//! A ROW is not NULL, whatever its fields are. So where rows may be missing (the optional side of an
//! outer join), and where they meet others, they are made before.

use spec::catalog::Catalog;
use spec::circuit::IllTyped;
use spec::expr::ExprKind;
use spec::op::{AggCall, Aggregate, SortKey, TopK};
use spec::types::oids;
use spec::window::Window;
use spec::{Circuit, Expr, NodeId, Op, SqlType};
use std::collections::HashMap;
use std::sync::Arc;

/// Where the value of a column is.
#[derive(Clone, Debug, PartialEq)]
enum Place {
    Column(usize, SqlType),
    Row {
        fields: Vec<Place>,
        names: Vec<Arc<str>>,
        ty: SqlType,
    },
}

impl Place {
    fn expr(&self) -> Expr {
        match self {
            Place::Column(at, ty) => Expr::column(*at, *ty),
            Place::Row { fields, names, ty } => {
                let kind = ExprKind::Row {
                    fields: fields.iter().map(Place::expr).collect(),
                    names: names.clone(),
                };
                Expr::new(kind, *ty)
            }
        }
    }

    fn columns(&self) -> Vec<usize> {
        match self {
            Place::Column(at, _) => vec![*at],
            Place::Row { fields, .. } => fields.iter().flat_map(Place::columns).collect(),
        }
    }

    /// The same in columns from this one on, which is moved behind them.
    fn from(&self, at: &mut usize) -> Place {
        match self {
            Place::Column(_, ty) => {
                *at += 1;
                Place::Column(*at - 1, *ty)
            }
            Place::Row { fields, names, ty } => Place::Row {
                fields: fields.iter().map(|f| f.from(at)).collect(),
                names: names.clone(),
                ty: *ty,
            },
        }
    }
}

/// A node of the new circuit, whose columns are those of all places, in their order.
#[derive(Clone)]
struct Apart {
    node: NodeId,
    places: Vec<Place>,
}

impl Apart {
    fn is_whole(&self) -> bool {
        self.places.iter().all(|p| matches!(p, Place::Column(..)))
    }
}

struct Rewriter<'a> {
    from: &'a Circuit,
    to: Circuit,
    catalog: &'a Catalog,
}

/// The same collection, in which fewer nodes have columns of rows.
pub(super) fn apart(
    circuit: Circuit,
    root: NodeId,
    catalog: &Catalog,
) -> Result<(Circuit, NodeId), IllTyped> {
    let nodes = circuit.reachable(&[root]);
    let makes_rows = |id: &NodeId| match circuit.op(*id) {
        Op::Map(exprs) => exprs.iter().any(is_row),
        _ => false,
    };
    if !nodes.iter().any(makes_rows) {
        return Ok((circuit, root));
    }
    let mut rewriter = Rewriter {
        from: &circuit,
        to: Circuit::new(),
        catalog,
    };
    let mut done: HashMap<NodeId, Apart> = HashMap::new();
    for id in nodes {
        let inputs = circuit.inputs(id).iter().map(|i| done[i].clone());
        let apart = rewriter.node(id, inputs.collect())?;
        done.insert(id, apart);
    }
    let root = rewriter.whole(done[&root].clone(), root)?.node;
    Ok((rewriter.to, root))
}

fn is_row(e: &Expr) -> bool {
    matches!(e.kind(), ExprKind::Row { .. }) && e.ty().oid == oids::RECORD
}

impl Rewriter<'_> {
    fn node(&mut self, id: NodeId, inputs: Vec<Apart>) -> Result<Apart, IllTyped> {
        let op = self.from.op(id);
        let all: Vec<Place> = beside(&inputs);
        let over = |e: &Expr| e.substitute(&mut |c, _| all[c].expr());
        let overs = |exprs: &[Expr]| exprs.iter().map(over).collect::<Vec<_>>();
        let first = || inputs[0].places.clone();
        let keys = |columns: &[usize]| -> Vec<usize> {
            columns.iter().flat_map(|c| all[*c].columns()).collect()
        };
        let sorted = |order: &[SortKey]| -> Vec<SortKey> {
            let key = |k: &SortKey| SortKey {
                expr: over(&k.expr),
                ..k.clone()
            };
            order.iter().map(key).collect()
        };
        let (op, places) = match op {
            Op::Map(exprs) => {
                let mut columns = vec![];
                let exprs = exprs.iter().map(|e| self.split(&over(e), &mut columns));
                let places = exprs.collect();
                (Op::Map(columns), places)
            }
            Op::Filter(p) => (Op::Filter(over(p)), first()),
            Op::Repeat(times) => (Op::Repeat(over(times)), first()),
            Op::Join(on) => (Op::Join(overs(on)), all.clone()),
            Op::Semi(on) => (Op::Semi(overs(on)), first()),
            Op::Anti(on) => (Op::Anti(overs(on)), first()),
            Op::Neg | Op::Distinct | Op::Positive => (op.clone(), first()),
            Op::Plus if inputs.iter().all(|i| i.places == inputs[0].places) => (Op::Plus, first()),
            Op::Left(on) if inputs[1].is_whole() => {
                let on = overs(on);
                (Op::Left(on), all.clone())
            }
            Op::FlatMap(f) => {
                let from = first().len();
                let mut at = width(&inputs[0]);
                let f = f.over(from, at, &mut { over });
                let made = f.made();
                let made = made.iter().map(|c| Place::Column(0, c.ty).from(&mut at));
                let places = first().into_iter().chain(made).collect();
                (Op::FlatMap(f), places)
            }
            Op::Aggregate(a) => {
                let mut at = 0;
                let kept = a.keys.iter().map(|k| all[*k].from(&mut at));
                let mut places: Vec<Place> = kept.collect();
                let results = a.aggs.iter().map(|c| Place::Column(0, c.ty).from(&mut at));
                places.extend(results);
                let aggs = a.aggs.iter().map(|call| AggCall {
                    args: overs(&call.args),
                    filter: call.filter.as_ref().map(over),
                    order_by: sorted(&call.order_by),
                    ..call.clone()
                });
                let aggregate = Aggregate {
                    keys: keys(&a.keys),
                    aggs: aggs.collect(),
                };
                (Op::Aggregate(aggregate), places)
            }
            Op::TopK(t) => {
                let top = TopK {
                    keys: keys(&t.keys),
                    order: sorted(&t.order),
                    ..t.clone()
                };
                (Op::TopK(top), first())
            }
            Op::Window(w) => {
                let mut at = width(&inputs[0]);
                let calls = w.calls.iter();
                let results = calls.map(|c| Place::Column(0, c.ty).from(&mut at));
                let places = first().into_iter().chain(results).collect();
                let window = Window {
                    partition: keys(&w.partition),
                    order: sorted(&w.order),
                    calls: w.calls.iter().map(|c| c.over(&over)).collect(),
                };
                (Op::Window(window), places)
            }
            _ => return self.of_whole(id, inputs),
        };
        self.add(op, inputs, places, id)
    }

    fn add(
        &mut self,
        op: Op,
        inputs: Vec<Apart>,
        places: Vec<Place>,
        id: NodeId,
    ) -> Result<Apart, IllTyped> {
        let inputs = inputs.into_iter().map(|i| i.node).collect();
        let node = self.to.add(op, inputs, self.from.span(id))?;
        Ok(Apart { node, places })
    }

    /// The same operator over inputs whose rows are made; of a left join, those of the optional side.
    fn of_whole(&mut self, id: NodeId, inputs: Vec<Apart>) -> Result<Apart, IllTyped> {
        let op = self.from.op(id).clone();
        let is_left = matches!(op, Op::Left(_));
        let mut whole = vec![];
        for (i, (input, old)) in inputs.into_iter().zip(self.from.inputs(id)).enumerate() {
            whole.push(match is_left && i == 0 {
                true => input,
                false => self.whole(input, *old)?,
            });
        }
        if is_left {
            return self.node(id, whole);
        }
        let schema = self.from.schema(id).iter().enumerate();
        let places = schema.map(|(i, c)| Place::Column(i, c.ty)).collect();
        self.add(op, whole, places, id)
    }

    /// With its rows.
    fn whole(&mut self, apart: Apart, old: NodeId) -> Result<Apart, IllTyped> {
        if apart.is_whole() {
            return Ok(apart);
        }
        let exprs = apart.places.iter().map(Place::expr).collect();
        let schema = self.from.schema(old).iter().enumerate();
        let places = schema.map(|(i, c)| Place::Column(i, c.ty)).collect();
        self.add(Op::Map(exprs), vec![apart], places, old)
    }

    /// The columns of an expression: those of its fields, if it is a row of what can be compared.
    fn split(&self, e: &Expr, columns: &mut Vec<Expr>) -> Place {
        if let ExprKind::Row { fields, names } = e.kind()
            && is_row(e)
            && !fields.is_empty()
            && fields
                .iter()
                .all(|f| self.catalog.equality(f.ty().oid).is_some())
        {
            return Place::Row {
                fields: fields.iter().map(|f| self.split(f, columns)).collect(),
                names: names.clone(),
                ty: e.ty(),
            };
        }
        columns.push(e.clone());
        Place::Column(columns.len() - 1, e.ty())
    }
}

fn width(apart: &Apart) -> usize {
    apart.places.iter().map(|p| p.columns().len()).sum()
}

/// The places of all inputs, side by side.
fn beside(inputs: &[Apart]) -> Vec<Place> {
    let mut at = 0;
    let places = inputs.iter().flat_map(|i| &i.places);
    places.map(|p| p.from(&mut at)).collect()
}
