//! WITH RECURSIVE: the closure of a seed under a step.
//!
//! The step is lowered with a leaf for the rows that were found last, and then brought into the form
//! that [`Closure`] has: a join of that leaf with one other collection, and a map.
//!
//! ```text
//! Map(e) s                 e over what s puts out
//! Filter(p) s              p, beside the conditions of s
//! Join(θ)(s, a, b)         s beside a and b, on θ
//! Semi(θ)(s, y)            on columns of one of the others, say a: Semi(θ)(a, y) in the place of a;
//!                          and so with Anti and Left
//! ```
//!
//! What has no such form, such as an outer join or a subquery that depends on what was found last,
//! is not incremental.

use super::{LowerError, Lowering};
use crate::bind::query::{Body, Branch};
use crate::bind::search_cycle::ARRAY_APPEND;
use crate::rewrite::predicate::conjuncts;
use crate::rewrite::rules::map::compose;
use spec::expr::ExprKind;
use spec::op::{Closure, State, StoredId};
use spec::{ColType, Expr, NodeId, Op, Reason, ReasonCode, Span, SqlType};

/// Columns of the others have numbers of their own, far from those of what was found last: which
/// of the others, from 1, times this.
const RANGE: usize = 1 << 16;

/// The rows that were found last, while a step is being lowered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Working {
    number: usize,
    node: NodeId,
}

/// A recursive query, as it was bound.
pub(super) struct Recursion<'q> {
    pub number: usize,
    pub distinct: bool,
    pub seed: &'q Branch,
    pub step: &'q Branch,
    pub span: Option<Span>,
}

/// A step as far as it was looked at.
struct Linear {
    conditions: Vec<Expr>,
    outputs: Vec<Expr>,
    others: Vec<NodeId>,
}

impl Lowering<'_> {
    pub(super) fn working(&self, number: usize) -> Result<NodeId, LowerError> {
        let found = self.working.iter().find(|w| w.number == number);
        found
            .map(|w| w.node)
            .ok_or_else(|| LowerError::NotIncremental("a step apart from its recursion".into()))
    }

    pub(super) fn recursion(&mut self, r: &Recursion<'_>) -> Result<NodeId, LowerError> {
        let seed = self.branch(r.seed)?;
        let mut types = self.circuit.schema(seed).to_vec();
        let has_image = |(i, c): (usize, &ColType)| {
            let ty = match is_path(r, i) {
                true => self.catalog.element_type(c.ty.oid).map(|oid| SqlType {
                    oid,
                    typmod: -1,
                    ..c.ty
                }),
                false => Some(c.ty),
            };
            ty.is_some_and(|ty| self.catalog.image_equality(ty))
        };
        if r.distinct
            && let Some((_, c)) = types.iter().enumerate().find(|column| !has_image(*column))
        {
            let ty = self.catalog.ty(c.ty.oid).map_or("?", |t| t.name.as_str());
            let message = format!(
                "WITH RECURSIVE: UNION of values of type {ty}, of which equal ones can look \
                 different: the steps go on from any one of them"
            );
            let reason = Reason {
                code: ReasonCode::Recursion,
                message,
                span: r.span,
                hint: Some("UNION ALL tells no rows apart.".into()),
            };
            return Err(LowerError::Reason(reason));
        }
        loop {
            let (step, working) = self.step(r, &types)?;
            let found = self.circuit.schema(step).to_vec();
            let may_be_null = found.iter().map(|c| c.nullable);
            let wider: Vec<ColType> = types
                .iter()
                .zip(may_be_null)
                .map(|(c, nullable)| ColType {
                    nullable: c.nullable | nullable,
                    ..*c
                })
                .collect();
            if wider == types {
                return self.closure(r, seed, types, step, working);
            }
            types = wider;
        }
    }

    fn branch(&mut self, branch: &Branch) -> Result<NodeId, LowerError> {
        let node = self.shared(&branch.query)?;
        self.project(node, &branch.outputs, None)
    }

    /// The step from rows of these types, and their leaf.
    fn step(
        &mut self,
        r: &Recursion<'_>,
        types: &[ColType],
    ) -> Result<(NodeId, NodeId), LowerError> {
        let leaf = State {
            // Of nothing that is stored.
            id: StoredId(u32::MAX - r.number as u32),
            types: types.to_vec(),
        };
        let node = self.add(Op::State(leaf), vec![], r.span)?;
        // What is lowered below reads this leaf.
        let shared = self.shared.clone();
        self.working.push(Working {
            number: r.number,
            node,
        });
        let step = self.branch(r.step);
        self.working.pop();
        self.shared = shared;
        Ok((step?, node))
    }

    fn closure(
        &mut self,
        r: &Recursion<'_>,
        seed: NodeId,
        types: Vec<ColType>,
        step: NodeId,
        working: NodeId,
    ) -> Result<NodeId, LowerError> {
        let reads: Vec<bool> = self.reads(working);
        if !reads[step.index()] {
            // It is a UNION of two queries, of which one step says it all.
            let why = "a step that does not read what was found last";
            return Err(not_linear(why, r.span));
        }
        let linear = self.linear(step, working, &reads, r)?;
        let width = types.len();
        // The others side by side.
        let mut starts = vec![];
        let mut at = width;
        for other in &linear.others {
            starts.push(at);
            at += self.circuit.schema(*other).len();
        }
        let place = |e: &Expr| {
            e.remap(&mut |c| match c / RANGE {
                0 => c,
                other => starts[other - 1] + c % RANGE,
            })
        };
        let (of_others, on): (Vec<Expr>, Vec<Expr>) = linear
            .conditions
            .iter()
            .map(place)
            .partition(|c| !c.columns().is_empty() && c.columns().iter().all(|c| *c >= width));
        let of_others = of_others.iter().map(|c| c.remap(&mut |c| c - width));
        let of_others: Vec<Expr> = of_others.collect();
        let x = match linear.others.is_empty() {
            true => self.one_row()?,
            false => self.inner_join(linear.others, of_others)?,
        };
        let closure = Closure {
            on,
            map: linear.outputs.iter().map(place).collect(),
            types,
            distinct: r.distinct,
            change: false,
        };
        self.add(Op::Closure(closure), vec![seed, x], r.span)
    }

    /// Which nodes read this leaf.
    fn reads(&self, leaf: NodeId) -> Vec<bool> {
        let mut reads: Vec<bool> = Vec::with_capacity(self.circuit.len());
        for id in self.circuit.ids() {
            let inputs = self.circuit.inputs(id).iter();
            reads.push(id == leaf || inputs.into_iter().any(|i| reads[i.index()]));
        }
        reads
    }

    fn linear(
        &mut self,
        node: NodeId,
        leaf: NodeId,
        reads: &[bool],
        r: &Recursion<'_>,
    ) -> Result<Linear, LowerError> {
        if node == leaf {
            return Ok(Linear {
                conditions: vec![],
                outputs: Expr::of_columns(self.circuit.schema(leaf), 0).collect(),
                others: vec![],
            });
        }
        let inputs = self.circuit.inputs(node).to_vec();
        let op = self.circuit.op(node).clone();
        let mut reading = (0..inputs.len()).filter(|i| reads[inputs[*i].index()]);
        let (Some(first), None) = (reading.next(), reading.next()) else {
            let why = "a step that reads what was found last more than once";
            return Err(not_linear(why, r.span));
        };
        if first > 0 && !matches!(op, Op::Join(_)) {
            return Err(no_form(&op, r.span));
        }
        let mut linear = self.linear(inputs[first], leaf, reads, r)?;
        match &op {
            Op::Map(exprs) => {
                linear.outputs = exprs.iter().map(|e| compose(e, &linear.outputs)).collect();
            }
            Op::Filter(p) => {
                let conditions = conjuncts(p);
                let conditions = conditions.iter().map(|c| compose(c, &linear.outputs));
                linear.conditions.extend(conditions);
            }
            // Rows are told apart above it, too.
            Op::Distinct if r.distinct => {}
            Op::Join(on) => {
                let mut columns = vec![];
                for (i, input) in inputs.iter().enumerate() {
                    match i == first {
                        true => columns.extend(linear.outputs.clone()),
                        false => {
                            linear.others.push(*input);
                            columns.extend(self.columns_of(*input, linear.others.len()));
                        }
                    }
                }
                linear
                    .conditions
                    .extend(on.iter().map(|c| compose(c, &columns)));
                linear.outputs = columns;
            }
            Op::Semi(on) | Op::Anti(on) | Op::Left(on) => {
                self.beside_other(&op, on, inputs[1], &mut linear, r)?;
            }
            _ => return Err(no_form(&op, r.span)),
        }
        Ok(linear)
    }

    fn columns_of(&self, node: NodeId, other: usize) -> Vec<Expr> {
        Expr::of_columns(self.circuit.schema(node), other * RANGE).collect()
    }

    /// A semi, anti or left join with y that is one of another of the others.
    fn beside_other(
        &mut self,
        op: &Op,
        on: &[Expr],
        y: NodeId,
        linear: &mut Linear,
        r: &Recursion<'_>,
    ) -> Result<(), LowerError> {
        let of_y = linear.others.len() + 1;
        let mut columns = linear.outputs.clone();
        columns.extend(self.columns_of(y, of_y));
        let on: Vec<Expr> = on.iter().map(|c| compose(c, &columns)).collect();
        let read = on.iter().flat_map(Expr::columns).map(|c| c / RANGE);
        let mut owners: Vec<usize> = read.filter(|owner| *owner != of_y).collect();
        owners.sort_unstable();
        owners.dedup();
        let owner = match owners.as_slice() {
            [] if !linear.others.is_empty() => 1,
            [] => {
                // It says the same of every row.
                let one = self.one_row()?;
                linear.others.push(one);
                let n = linear.outputs.len();
                let on: Vec<Expr> = on
                    .iter()
                    .map(|c| c.remap(&mut |c| n + c - of_y * RANGE))
                    .collect();
                return self.beside_other(op, &on, y, linear, r);
            }
            [owner] if *owner > 0 => *owner,
            _ => return Err(no_form(op, r.span)),
        };
        let x = linear.others[owner - 1];
        let width = self.circuit.schema(x).len();
        let over = |c: &Expr| {
            c.remap(&mut |c| match c / RANGE == of_y {
                true => width + c % RANGE,
                false => c % RANGE,
            })
        };
        let on: Vec<Expr> = on.iter().map(over).collect();
        let (op, padded) = match op {
            Op::Semi(_) => (Op::Semi(on), false),
            Op::Anti(_) => (Op::Anti(on), false),
            _ => (Op::Left(on), true),
        };
        let node = self.add(op, vec![x, y], r.span)?;
        linear.others[owner - 1] = node;
        if padded {
            let all = self.columns_of(node, owner);
            linear.outputs.extend(all.into_iter().skip(width));
        }
        Ok(())
    }
}

/// Is this column `ARRAY[…]` in the seed, and in each step what it was, and one element more? Equal
/// ones of those look alike if their elements do: they have the same bounds, and nothing but them.
fn is_path(r: &Recursion<'_>, column: usize) -> bool {
    let (Some(seed), Some(step)) = (r.seed.outputs.get(column), r.step.outputs.get(column)) else {
        return false;
    };
    let ExprKind::Call { function, args, .. } = step.kind() else {
        return false;
    };
    let Body::Select(select) = &r.step.query.body else {
        return false;
    };
    let before = (args.first().and_then(Expr::as_column)).and_then(|c| select.outputs.get(c));
    let working = select.from.as_ref().and_then(|f| f.working(r.number));
    let own = working.map(|start| start + column);
    *function == ARRAY_APPEND
        && matches!(seed.kind(), ExprKind::Array(_))
        && own.is_some()
        && before.and_then(Expr::as_column) == own
}

fn no_form(op: &Op, span: Option<Span>) -> LowerError {
    let why = match op {
        Op::Semi(_) | Op::Anti(_) => "a subquery that depends on what was found last",
        Op::Left(_) => "an outer join that depends on what was found last",
        Op::Aggregate(_) | Op::Distinct => "a grouping of what was found last",
        Op::Window(_) => "a window function over what was found last",
        Op::TopK(_) => "the first rows of what was found last",
        Op::FlatMap(_) => "a set-returning function of what was found last",
        Op::Closure(_) => "a recursion from what was found last",
        _ => "a set operation on what was found last",
    };
    not_linear(why, span)
}

fn not_linear(why: &str, span: Option<Span>) -> LowerError {
    LowerError::Reason(Reason {
        code: ReasonCode::Recursion,
        message: format!("WITH RECURSIVE: {why}"),
        span,
        hint: None,
    })
}
