//! Circuits as text: a line for each node, inputs first.

use crate::error::Result;
use crate::expr::{Printer, Scalar};
use crate::names::{column_hints, made_hints, relation_name};
use crate::sql::ident::ident;
use crate::sql::print;
use spec::catalog::Catalog;
use spec::circuit::Circuit;
use spec::op::{AggCall, Aggregate, FlatMap, Link, Op, Reserve, SortKey, TopK};
use spec::{Expr, NodeId};

pub struct Notation<'a> {
    pub circuit: &'a Circuit,
    pub catalog: &'a Catalog,
    hints: Vec<Vec<String>>,
}

impl<'a> Notation<'a> {
    pub fn new(circuit: &'a Circuit, catalog: &'a Catalog, stored: &[Vec<String>]) -> Notation<'a> {
        Notation {
            circuit,
            catalog,
            hints: column_hints(circuit, catalog, stored),
        }
    }

    pub fn lines(&self, roots: &[NodeId]) -> Result<Vec<String>> {
        let nodes = self.circuit.reachable(roots).into_iter();
        nodes
            .map(|id| {
                let inputs = self.circuit.inputs(id).iter();
                let inputs: Vec<String> = inputs.map(|i| format!("%{}", i.0)).collect();
                let (head, detail) = self.node(id)?;
                let mut line = format!("%{} = {head}", id.0);
                for part in [inputs.join(", "), detail] {
                    if !part.is_empty() {
                        line += &format!(" {part}");
                    }
                }
                Ok(line)
            })
            .collect()
    }

    /// The columns that the inputs of a node offer to its expressions.
    fn scope(&self, id: NodeId) -> Vec<Option<Scalar>> {
        let inputs = self.circuit.inputs(id);
        let many = inputs.len() > 1
            && matches!(
                self.circuit.op(id),
                Op::Join(_) | Op::Semi(_) | Op::Anti(_) | Op::Left(_)
            );
        let inputs = inputs.iter().enumerate();
        let cols = inputs.flat_map(|(i, input)| match many {
            true => self.offered(*input, &format!("%{}", self.circuit.inputs(id)[i].0)),
            false => self.offered(*input, ""),
        });
        cols.collect()
    }

    /// The columns of a node, as those of a relation.
    fn offered(&self, id: NodeId, relation: &str) -> Vec<Option<Scalar>> {
        let hints = self.hints[id.index()].iter();
        let cols = hints.zip(self.circuit.schema(id));
        cols.map(|(name, ty)| Some(Scalar::column(relation, name, *ty)))
            .collect()
    }

    fn expr(&self, e: &Expr, scope: &[Option<Scalar>]) -> Result<String> {
        let printer = Printer {
            catalog: self.catalog,
            input: scope,
        };
        Ok(readable(&print::expr(&printer.scalar(e)?.sql, 0)))
    }

    fn call(&self, call: &AggCall, scope: &[Option<Scalar>]) -> Result<String> {
        let printer = Printer {
            catalog: self.catalog,
            input: scope,
        };
        Ok(readable(&print::expr(&printer.aggregate(call)?.sql, 0)))
    }

    fn columns(&self, id: NodeId, which: &[usize]) -> String {
        let hints = &self.hints[id.index()];
        let name = |c: &usize| hints.get(*c).map_or(format!("#{c}"), |n| ident(n));
        which.iter().map(name).collect::<Vec<_>>().join(", ")
    }

    fn aggregate(&self, a: &Aggregate, id: NodeId, over: usize) -> Result<String> {
        let Some(&input) = self.circuit.inputs(id).get(over) else {
            return Ok(String::new());
        };
        let hints = self.hints[input.index()].iter();
        let scope: Vec<Option<Scalar>> = hints
            .zip(self.circuit.schema(input))
            .map(|(name, ty)| Some(Scalar::column("", name, *ty)))
            .collect();
        let calls = a.aggs.iter().map(|c| self.call(c, &scope));
        let calls: Vec<String> = calls.collect::<Result<_>>()?;
        let mut parts = vec![];
        if !calls.is_empty() {
            parts.push(calls.join(", "));
        }
        parts.push(format!("by ({})", self.columns(input, &a.keys)));
        Ok(parts.join(" "))
    }

    fn flat_map(&self, f: &FlatMap, scope: &[Option<Scalar>], id: NodeId) -> Result<String> {
        let calls = f.calls().map(|c| self.expr(c, scope));
        let mut out = calls.collect::<Result<Vec<_>>>()?.join(", ");
        if f.ordinality {
            out += " with ordinality";
        }
        if let Some(on) = &f.outer {
            let hints = self.hints[id.index()].iter().zip(self.circuit.schema(id));
            let made = hints.skip(scope.len());
            let made = made.map(|(name, ty)| Some(Scalar::column("", name, *ty)));
            let both: Vec<Option<Scalar>> = scope.iter().cloned().chain(made).collect();
            let on = on.iter().map(|e| self.expr(e, &both));
            let on = on.collect::<Result<Vec<_>>>()?;
            out += " outer";
            if !on.is_empty() {
                out += &format!(" on {}", on.join(" AND "));
            }
        }
        Ok(out)
    }

    fn top(&self, t: &TopK, scope: &[Option<Scalar>], input: NodeId) -> Result<String> {
        let printer = Printer {
            catalog: self.catalog,
            input: scope,
        };
        let keys = printer.sort_keys(&t.order)?;
        let order = keys.iter().map(|k| readable(&print::sort_key(k, 0)));
        let order: Vec<String> = order.collect();
        let mut parts = vec![match t.limit {
            Some(limit) => limit.to_string(),
            None => "all".into(),
        }];
        if t.offset > 0 {
            parts.push(format!("from {}", t.offset));
        }
        if t.with_ties {
            parts.push("with ties".into());
        }
        if !t.keys.is_empty() {
            parts.push(format!("of each ({})", self.columns(input, &t.keys)));
        }
        if !order.is_empty() {
            parts.push(format!("by {}", order.join(", ")));
        }
        if t.is_open() {
            parts.push("then by image".into());
        }
        Ok(parts.join(" "))
    }

    /// Groups, and the order in which each is cut in two.
    fn cut(
        &self,
        keys: &[usize],
        order: &[SortKey],
        scope: &[Option<Scalar>],
        input: NodeId,
    ) -> Result<String> {
        let printer = Printer {
            catalog: self.catalog,
            input: scope,
        };
        let order = printer.sort_keys(order)?;
        let order = order.iter().map(|k| readable(&print::sort_key(k, 0)));
        let order = order.collect::<Vec<_>>().join(", ");
        Ok(match keys.is_empty() {
            true => format!("by {order}"),
            false => format!("of each ({}) by {order}", self.columns(input, keys)),
        })
    }

    fn reserve(&self, r: &Reserve, scope: &[Option<Scalar>], input: NodeId) -> Result<String> {
        let filled = self.top(&r.filled(), scope, input)?;
        Ok(format!("{} of {filled}", r.least))
    }

    /// The operator, and its payload.
    pub fn node(&self, id: NodeId) -> Result<(&'static str, String)> {
        let scope = self.scope(id);
        let input = self.circuit.inputs(id).first().copied();
        let columns = |which: &[usize]| input.map_or(String::new(), |i| self.columns(i, which));
        Ok(match self.circuit.op(id) {
            Op::Source(s) => {
                let name = relation_name(s.relation, self.catalog)?;
                ("source", name.to_string())
            }
            Op::Constant(c) => ("constant", format!("{} rows", c.rows.len())),
            Op::Map(exprs) => {
                let exprs = exprs.iter().map(|e| self.expr(e, &scope));
                ("map", exprs.collect::<Result<Vec<_>>>()?.join(", "))
            }
            Op::Filter(e) => ("filter", self.expr(e, &scope)?),
            Op::FlatMap(f) => ("flat_map", self.flat_map(f, &scope, id)?),
            Op::Repeat(times) => ("repeat", self.expr(times, &scope)?),
            op @ (Op::Join(conjuncts)
            | Op::Semi(conjuncts)
            | Op::Anti(conjuncts)
            | Op::Left(conjuncts)) => {
                let name = match op {
                    Op::Semi(_) => "semi",
                    Op::Anti(_) => "anti",
                    Op::Left(_) => "left",
                    _ => "join",
                };
                let conjuncts = conjuncts.iter().map(|e| self.expr(e, &scope));
                let conjuncts = conjuncts.collect::<Result<Vec<_>>>()?;
                match conjuncts.is_empty() {
                    true => (name, String::new()),
                    false => (name, format!("on {}", conjuncts.join(" AND "))),
                }
            }
            Op::Plus => ("plus", String::new()),
            Op::Neg => ("neg", String::new()),
            Op::Distinct => ("distinct", String::new()),
            Op::Aggregate(a) => ("aggregate", self.aggregate(a, id, 0)?),
            Op::TopK(t) => ("top", self.top(t, &scope, input.unwrap_or(id))?),
            Op::Window(w) => ("window", w.display(self.catalog)),
            Op::New => ("new", String::new()),
            Op::Old => ("old", String::new()),
            Op::Delta => ("delta", String::new()),
            Op::State(s) => ("state", s.id.0.to_string()),
            Op::Probe(cols) => ("probe", format!("on ({})", columns(cols))),
            Op::Suffix(s) => {
                let by = std::slice::from_ref(&s.by);
                let by = self.cut(&s.keys, by, &scope, input.unwrap_or(id))?;
                ("suffix", by)
            }
            Op::Last(l) => {
                let by = self.cut(&l.keys, &l.order, &scope, input.unwrap_or(id))?;
                ("last", format!("{} {by}", l.limit))
            }
            Op::WindowStep(step) => ("window_step", step.window.display(self.catalog)),
            Op::Touched(cols) => ("touched", format!("({})", columns(cols))),
            Op::Consolidate => ("consolidate", String::new()),
            Op::Positive => ("positive", String::new()),
            Op::Closure(c) => {
                let mut scope = scope[..c.types.len().min(scope.len())].to_vec();
                let mut links = String::new();
                let mut along = self.circuit.inputs(id).iter().skip(1);
                for link in &c.links {
                    match link {
                        Link::Join(_) | Link::Left(_) => {
                            scope.extend(
                                along
                                    .next()
                                    .map(|x| self.offered(*x, ""))
                                    .unwrap_or_default(),
                            );
                        }
                        Link::FlatMap(f) => {
                            let calls = f.calls().map(|c| self.expr(c, &scope));
                            links += &format!(
                                "flat_map {} ",
                                calls.collect::<Result<Vec<_>>>()?.join(", ")
                            );
                            let hints = made_hints(f, &[], self.catalog);
                            let made = hints.iter().zip(f.made());
                            scope.extend(made.map(|(name, ty)| Some(Scalar::column("", name, ty))));
                        }
                        Link::Filter(_) => {}
                    }
                    let (word, on) = match link {
                        Link::Join(on) => ("on", on),
                        Link::Left(on) => ("left on", on),
                        Link::Filter(on) => ("where", on),
                        Link::FlatMap(_) => continue,
                    };
                    let on = on.iter().map(|e| self.expr(e, &scope));
                    match on.collect::<Result<Vec<_>>>()?.join(" AND ") {
                        on if on.is_empty() => {}
                        on => links += &format!("{word} {on} "),
                    }
                }
                let map = c.map.iter().map(|e| self.expr(e, &scope));
                let map = map.collect::<Result<Vec<_>>>()?.join(", ");
                let name = if c.distinct {
                    "closure_distinct"
                } else {
                    "closure"
                };
                (name, format!("{links}map {map}"))
            }
            Op::AggregateStep(a) => ("aggregate_step", self.aggregate(a, id, 1)?),
            Op::Stale(a) => ("stale", self.aggregate(a, id, 1)?),
            Op::Reserve(r) => ("reserve", self.reserve(r, &scope, input.unwrap_or(id))?),
            Op::ReserveStep(r) => (
                "reserve_step",
                self.reserve(r, &scope, input.unwrap_or(id))?,
            ),
            Op::Short(r) => ("short", self.reserve(r, &scope, input.unwrap_or(id))?),
        })
    }
}

/// What need not be said to a person: which schema built-in things are in. (Circuits are not SQL;
/// programs are printed in full.)
fn readable(sql: &str) -> String {
    let mut out = String::new();
    let mut rest = sql;
    const OPERATOR: &str = "OPERATOR(pg_catalog.";
    while let Some(start) = rest.find(OPERATOR) {
        let tail = &rest[start + OPERATOR.len()..];
        let Some(end) = tail.find(')') else { break };
        out += &rest[..start];
        out += &tail[..end];
        rest = &tail[end + 1..];
    }
    out += rest;
    out.replace("pg_catalog.", "")
}
