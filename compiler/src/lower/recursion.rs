//! WITH RECURSIVE: the closure of a seed under a step.
//!
//! The step is lowered with a leaf for the rows that were found last, and then brought into the form
//! that [`Closure`] has: a chain of links from that leaf, and a map.
//!
//! ```text
//! Map(e) s                 e over what s puts out
//! Filter(p) s              p, as soon as what it reads is there
//! Join(θ)(s, a, b)         s beside a and b, on θ
//! Left(θ)(s, y)            a link; on columns of one of the others alone, say a: Left(θ)(a, y) in the
//!                          place of a, and so with Semi and Anti
//! Semi(θ)(s, y)            s beside the distinct values of y that θ equates with something of s
//! Anti(θ)(s, y)            Left(θ)(s, y ⊎ a mark), without what has the mark
//! FlatMap(f) s             a link
//! ```
//!
//! Others that conditions join with each other are one, so that what changes in both is paired by
//! these. What has no such form, such as a grouping of what was found last, is not incremental.

use super::subquery::{Marks, is_null};
use super::{LowerError, Lowering};
use crate::bind::query::{Body, Branch};
use crate::bind::search_cycle::ARRAY_APPEND;
use crate::rewrite::predicate::{conjuncts, error_free};
use crate::rewrite::rules::map::compose;
use spec::expr::ExprKind;
use spec::op::{Closure, FlatMap, Link, State, StoredId};
use spec::types::oids;
use spec::{ColType, Expr, NodeId, Op, Reason, ReasonCode, Span, SqlType};

/// Columns of items have numbers of their own, far from those of what was found last: which of the
/// items, from 1, times this.
const RANGE: usize = 1 << 16;

/// More left joins make a delta of too many terms.
const MOST_LEFT: usize = 4;

const BOOL: SqlType = SqlType::new(oids::BOOL);

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

/// A step as links, one after the other.
struct Chain {
    links: Vec<Link>,
    /// What they go along.
    along: Vec<NodeId>,
    /// The outputs.
    map: Vec<Expr>,
}

/// A step as far as it was looked at.
struct Linear {
    conditions: Vec<Expr>,
    outputs: Vec<Expr>,
    items: Vec<Item>,
}

/// What stands beside what was found last.
enum Item {
    Other(NodeId),
    Left(Vec<Expr>, NodeId),
    Functions(FlatMap),
}

impl Linear {
    /// The items that an expression reads; 0 is what was found last.
    fn owners(exprs: &[Expr]) -> Vec<usize> {
        let mut owners: Vec<usize> = exprs
            .iter()
            .flat_map(Expr::columns)
            .map(|c| c / RANGE)
            .collect();
        owners.sort_unstable();
        owners.dedup();
        owners
    }

    fn other(&self, item: usize) -> Option<NodeId> {
        match self.items.get(item.checked_sub(1)?)? {
            Item::Other(node) => Some(*node),
            _ => None,
        }
    }

    fn is_other(&self, item: usize) -> bool {
        self.other(item).is_some()
    }
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
        let Chain { links, along, map } = self.links(linear, types.len())?;
        let closure = Closure {
            links,
            map,
            types,
            distinct: r.distinct,
            change: false,
        };
        let inputs = std::iter::once(seed).chain(along).collect();
        self.add(Op::Closure(closure), inputs, r.span)
    }

    /// The items in a row, with each condition where all is there that it reads.
    fn links(&mut self, linear: Linear, width: usize) -> Result<Chain, LowerError> {
        let n = linear.items.len();
        let owners = |c: &Expr| Linear::owners(std::slice::from_ref(c));
        // The first of the others that each of them is joined with.
        let mut first: Vec<usize> = (0..=n).collect();
        let of_others = |c: &Expr| {
            let owners = owners(c);
            !owners.is_empty() && owners.iter().all(|item| linear.is_other(*item))
        };
        let (local, mut conditions): (Vec<Expr>, Vec<Expr>) =
            linear.conditions.iter().cloned().partition(of_others);
        for condition in &local {
            let owners = owners(condition);
            let group = owners.iter().map(|item| first[*item]).min().unwrap_or(0);
            let joined: Vec<usize> = owners.iter().map(|item| first[*item]).collect();
            for own in &mut first {
                if joined.contains(own) {
                    *own = group;
                }
            }
        }
        // Where the columns of each item are.
        let mut starts = vec![0; n + 1];
        let mut at = width;
        for item in 1..=n {
            if first[item] != item {
                continue;
            }
            for (member, start) in starts.iter_mut().enumerate().skip(item) {
                if first[member] == item {
                    *start = at;
                    at += match &linear.items[member - 1] {
                        Item::Other(node) | Item::Left(_, node) => self.circuit.schema(*node).len(),
                        Item::Functions(f) => f.made().len(),
                    };
                }
            }
        }
        let place = |c: usize| match c / RANGE {
            0 => c,
            item => starts[item] + c % RANGE,
        };
        let placed = |e: &Expr| e.remap(&mut |c| place(c));
        let mut links: Vec<Link> = vec![];
        let mut along = vec![];
        let mut there = vec![0];
        for item in 0..=n {
            if item > 0 {
                if first[item] != item {
                    continue;
                }
                match &linear.items[item - 1] {
                    Item::Other(_) => {
                        let members: Vec<usize> =
                            (item..=n).filter(|m| first[*m] == item).collect();
                        let nodes = members.iter().filter_map(|m| linear.other(*m)).collect();
                        let start = starts[item];
                        let own = local
                            .iter()
                            .filter(|c| owners(c).iter().all(|o| members.contains(o)));
                        let own = own.map(|c| placed(c).remap(&mut |c| c - start)).collect();
                        there.extend(members);
                        along.push(self.inner_join(nodes, own)?);
                        links.push(Link::Join(vec![]));
                    }
                    Item::Left(on, node) => {
                        there.push(item);
                        along.push(*node);
                        links.push(Link::Left(on.iter().map(placed).collect()));
                    }
                    Item::Functions(f) => {
                        there.push(item);
                        let link = Link::FlatMap(f.clone());
                        links.push(link.over(&place));
                    }
                }
            } else if linear.is_other(1) {
                // It is said in that join.
                continue;
            }
            let (ready, later): (Vec<Expr>, Vec<Expr>) = conditions
                .into_iter()
                .partition(|c| owners(c).iter().all(|o| there.contains(o)));
            conditions = later;
            let ready: Vec<Expr> = ready.iter().map(placed).collect();
            match links.last_mut() {
                _ if ready.is_empty() => {}
                Some(Link::Join(on)) => on.extend(ready),
                _ => links.push(Link::Filter(ready)),
            }
        }
        let map = linear.outputs.iter().map(placed).collect();
        Ok(Chain { links, along, map })
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
                items: vec![],
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
                            linear.items.push(Item::Other(*input));
                            columns.extend(self.columns_of(*input, linear.items.len()));
                        }
                    }
                }
                linear
                    .conditions
                    .extend(on.iter().map(|c| compose(c, &columns)));
                linear.outputs = columns;
            }
            Op::Semi(on) | Op::Anti(on) | Op::Left(on) => {
                let y = inputs[1];
                if !self.beside_other(&op, on, y, &mut linear, r.span)? {
                    self.beside_found(&op, on, y, &mut linear, r)?;
                }
            }
            Op::FlatMap(f) => {
                let item = linear.items.len() + 1;
                let width = linear.outputs.len();
                let outputs = linear.outputs.clone();
                let functions = f.over(width, item * RANGE, &mut |e| compose(e, &outputs));
                linear.items.push(Item::Functions(functions));
                linear
                    .outputs
                    .extend(Expr::of_columns(&f.made(), item * RANGE));
            }
            _ => return Err(no_form(&op, r.span)),
        }
        Ok(linear)
    }

    fn columns_of(&self, node: NodeId, item: usize) -> Vec<Expr> {
        Expr::of_columns(self.circuit.schema(node), item * RANGE).collect()
    }

    /// A semi, anti or left join with y that is one of one of the others, if it is.
    fn beside_other(
        &mut self,
        op: &Op,
        on: &[Expr],
        y: NodeId,
        linear: &mut Linear,
        span: Option<Span>,
    ) -> Result<bool, LowerError> {
        let of_y = linear.items.len() + 1;
        let mut columns = linear.outputs.clone();
        columns.extend(self.columns_of(y, of_y));
        let on: Vec<Expr> = on.iter().map(|c| compose(c, &columns)).collect();
        let mut owners = Linear::owners(&on);
        owners.retain(|item| *item != of_y);
        let owner = match owners.as_slice() {
            // It says the same of every row.
            [] => (1..of_y).find(|item| linear.is_other(*item)),
            [owner] => Some(*owner),
            _ => None,
        };
        let Some((owner, x)) = owner.and_then(|item| Some((item, linear.other(item)?))) else {
            return Ok(false);
        };
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
        let node = self.add(op, vec![x, y], span)?;
        linear.items[owner - 1] = Item::Other(node);
        if padded {
            let all = self.columns_of(node, owner);
            linear.outputs.extend(all.into_iter().skip(width));
        }
        Ok(true)
    }

    /// One that reads what was found last.
    fn beside_found(
        &mut self,
        op: &Op,
        on: &[Expr],
        y: NodeId,
        linear: &mut Linear,
        r: &Recursion<'_>,
    ) -> Result<(), LowerError> {
        let width = linear.outputs.len();
        // Of y only what is asked of it, once; and TRUE, which is there if there is a match.
        let marks = match op {
            Op::Left(_) => None,
            _ => self.marks(width, y, on)?,
        };
        let (y, on, of_x) = match (op, marks) {
            (_, Some(Marks { y, on, of_x })) => (y, on, of_x),
            (Op::Anti(_), None) => {
                let own = Expr::of_columns(self.circuit.schema(y), 0);
                let marked = own.chain([Expr::literal("t", BOOL)]).collect();
                (
                    self.add(Op::Map(marked), vec![y], None)?,
                    on.to_vec(),
                    vec![],
                )
            }
            // What a row meets twice is told apart above.
            (Op::Semi(_), None) if !r.distinct => return Err(no_form(op, r.span)),
            (_, None) => (y, on.to_vec(), vec![]),
        };
        let item = linear.items.len() + 1;
        let mut columns = linear.outputs.clone();
        columns.extend(self.columns_of(y, item));
        let conditions = on.iter().chain(&of_x);
        let conditions: Vec<Expr> = conditions.map(|c| compose(c, &columns)).collect();
        if matches!(op, Op::Semi(_)) {
            linear.items.push(Item::Other(y));
            linear.conditions.extend(conditions);
            return Ok(());
        }
        // Rows meet what is there in another epoch only.
        if !conditions.iter().all(|c| error_free(c, self.catalog)) {
            let why = "an outer join or NOT EXISTS, with conditions that may raise errors";
            return Err(not_linear(why, r.span));
        }
        let lefts = linear
            .items
            .iter()
            .filter(|i| matches!(i, Item::Left(..)))
            .count();
        if lefts == MOST_LEFT {
            return Err(not_linear(
                "more than four outer joins or NOT EXISTS",
                r.span,
            ));
        }
        linear.items.push(Item::Left(conditions, y));
        let of_y = columns.split_off(width);
        match op {
            Op::Left(_) => linear.outputs.extend(of_y),
            _ => linear
                .conditions
                .extend(of_y.last().map(|mark| is_null(mark.clone(), false))),
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
        Op::Semi(_) => "EXISTS with conditions on what was found last that are no equations",
        Op::Aggregate(_) | Op::Distinct => "a grouping of what was found last",
        Op::Window(_) => "a window function over what was found last",
        Op::TopK(_) => "the first rows of what was found last",
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
