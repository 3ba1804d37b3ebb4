//! Bound query to circuit.
//!
//! Each clause is one operator, from the inside out:
//!
//! ```text
//! FROM a, b JOIN c ON θ WHERE φ      Join(θ, φ)(a, b, c)
//! FROM a, f(a.x)                     FlatMap(f)(a)            (see `rows_from.rs`)
//! FROM a, LATERAL (…)                the query beside a       (see `lateral.rs`)
//! a LEFT JOIN b ON θ                 Left(θ)(a, b)           (see `outer_join.rs`)
//! EXISTS, IN, … (subqueries)         Semi, Anti, Left         (see `subquery.rs`)
//! CASE WHEN a THEN (SELECT …)        Plus of both sides of a  (see `guard.rs`)
//! GROUP BY k, aggregates             Map; Aggregate; Map      (see `aggregate.rs`)
//! GROUPING SETS                      Plus of one Aggregate each   (see `grouping_sets.rs`)
//! HAVING ψ                           Filter(ψ)
//! SELECT e                           Map(e)
//! DISTINCT                           Distinct
//! f(…) OVER (…)                      Window                  (see `window.rs`)
//! DISTINCT ON, LIMIT                 TopK                    (see `top.rs`)
//! UNION, INTERSECT, EXCEPT           Plus, and counts of it    (see `set_operation.rs`)
//! VALUES                             Constant
//! WITH RECURSIVE                     Closure                 (see `recursion.rs`)
//! ```
//!
//! Nothing is pushed anywhere: where a filter or a projection sits best is a choice, and choices
//! are the e-graph's. Equal sub-queries become one node, since circuits are hash-consed.

mod aggregate;
mod apply;
mod digits;
mod distinct;
mod fields;
mod grouping_sets;
mod guard;
mod lateral;
mod on;
mod outer_join;
mod pull_up;
mod recursion;
mod rows_from;
mod scale;
mod set_operation;
mod several;
mod subquery;
mod top;
mod window;

use crate::bind::query::{
    Body, From, Grouping, JoinKind, Query, Reads, Select, SetCall, Subquery, Top,
};
use aggregate::Grouped;
use lateral::LateralItem;
use recursion::{Recursion, Working};
use spec::catalog::Catalog;
use spec::circuit::IllTyped;
use spec::clock::CLOCK;
use spec::compiled::Dependency;
use spec::expr::ExprKind;
use spec::op::{Constant, Source};
use spec::types::{SqlType, oids};
use spec::{Circuit, ColType, Expr, NodeId, Op, Reason, ReasonCode, Span};
use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use subquery::Extended;

/// A bound query that has no circuit. Neither happens to a query without reported constructs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LowerError {
    #[error(transparent)]
    IllTyped(#[from] IllTyped),
    #[error("{0} has no circuit")]
    NotIncremental(String),
    /// Only here it shows that the query is not incremental.
    #[error("{}", .0.message)]
    Reason(Reason),
}

/// What lowering yields.
#[derive(Clone, Debug)]
pub struct Lowered {
    pub circuit: Circuit,
    pub root: NodeId,
    /// Facts of the catalog without which it would not be the circuit of the query.
    pub dependencies: BTreeSet<Dependency>,
}

/// The circuit of a query.
pub fn lower(query: &Query, catalog: &Catalog) -> Result<Lowered, LowerError> {
    let mut lowering = Lowering {
        catalog,
        circuit: Circuit::new(),
        shared: HashMap::new(),
        parameters: vec![],
        working: vec![],
        applied: vec![],
        made: vec![],
        for_rows_only: false,
        dependencies: BTreeSet::new(),
    };
    let root = lowering.query(query)?;
    let (circuit, root) = fields::apart(lowering.circuit, root, catalog)?;
    if printed_size(&circuit, root) > MOST_PRINTED {
        return Err(LowerError::Reason(Reason {
            code: ReasonCode::Unsupported,
            message:
                "a query that reads results of its own in so many places that its SQL would be \
                      too long"
                    .into(),
            span: None,
            hint: None,
        }));
    }
    Ok(Lowered {
        circuit,
        root,
        dependencies: lowering.dependencies,
    })
}

/// How many operators SQL may have that defines a stream table.
const MOST_PRINTED: u64 = 20_000;

/// How many it has: each is printed wherever it is read.
fn printed_size(circuit: &Circuit, root: NodeId) -> u64 {
    let mut sizes: Vec<u64> = Vec::with_capacity(circuit.len());
    for id in circuit.ids() {
        let inputs = circuit.inputs(id).iter().map(|i| sizes[i.index()]);
        sizes.push(inputs.fold(1, u64::saturating_add));
    }
    sizes[root.index()]
}

struct Lowering<'a> {
    catalog: &'a Catalog,
    circuit: Circuit,
    /// Queries that several others read (WITH, views): lowered once.
    shared: HashMap<*const Query, NodeId>,
    /// What [`From::Parameters`] is, of the subqueries that are being lowered.
    parameters: Vec<NodeId>,
    /// Of the recursive queries whose steps are being lowered.
    working: Vec<Working>,
    /// Queries that were made here, which `shared` knows by their addresses.
    applied: Vec<Arc<Query>>,
    /// The same, in items of FROM.
    made: Vec<From>,
    /// Subqueries are computed for the rows that they stand beside alone: see `guard.rs`.
    for_rows_only: bool,
    dependencies: BTreeSet<Dependency>,
}

impl Lowering<'_> {
    fn add(
        &mut self,
        op: Op,
        inputs: Vec<NodeId>,
        span: Option<Span>,
    ) -> Result<NodeId, LowerError> {
        let op = digits::claimed_in(op, &inputs, &self.circuit, self.catalog);
        Ok(self.circuit.add(op, inputs, span)?)
    }

    fn shared(&mut self, query: &Arc<Query>) -> Result<NodeId, LowerError> {
        if let Some(node) = self.shared.get(&Arc::as_ptr(query)) {
            return Ok(*node);
        }
        let node = self.query(query)?;
        self.shared.insert(Arc::as_ptr(query), node);
        Ok(node)
    }

    fn query(&mut self, query: &Query) -> Result<NodeId, LowerError> {
        match &query.body {
            Body::Select(select) => self.select(select),
            Body::SetOperation {
                operator,
                all,
                branches,
            } => self.set_operation(*operator, *all, branches),
            Body::Values(rows) => {
                let constant = Constant {
                    types: query.types(),
                    rows: rows.clone(),
                };
                self.add(Op::Constant(constant), vec![], None)
            }
            Body::Recursive {
                number,
                distinct,
                seed,
                step,
                span,
            } => self.recursion(&Recursion {
                number: *number,
                distinct: *distinct,
                seed,
                step,
                span: *span,
            }),
            Body::Working { number } => self.working(*number),
            Body::Opaque { what, .. } => Err(LowerError::NotIncremental(what.clone())),
        }
    }

    /// `Map`, unless it would change nothing.
    fn project(
        &mut self,
        input: NodeId,
        outputs: &[Expr],
        span: Option<Span>,
    ) -> Result<NodeId, LowerError> {
        if is_identity(outputs, self.circuit.schema(input)) {
            return Ok(input);
        }
        self.add(Op::Map(outputs.to_vec()), vec![input], span)
    }

    fn select(&mut self, select: &Select) -> Result<NodeId, LowerError> {
        let (inputs, conjuncts) = self.product(select)?;
        let mut rows = self.restricted(inputs, conjuncts, &select.subqueries)?;
        if select.grouping.is_none() {
            self.windows(&mut rows, &select.windows, &select.subqueries)?;
        }
        self.make_sets(&mut rows, &select.sets, &select.subqueries)?;
        let mut outputs = select.outputs.clone();
        let mut top = select.top.clone();
        let mut subqueries = select.subqueries.clone();
        if let Some(grouping) = &select.grouping {
            let grouped = self.grouped(&mut rows, grouping, &select.subqueries)?;
            outputs = outputs.iter().map(|e| grouped.above(e)).collect();
            top = top.map(|top| top.map(|e| grouped.above(e)));
            subqueries = map_subqueries(&select.grouped_subqueries, |e| grouped.above(e));
            rows = Extended::new(grouped.node, &subqueries);
            let mut conjuncts = vec![];
            if let Some(having) = &select.having {
                split(&grouped.above(having), &mut conjuncts);
            }
            self.restrict(&mut rows, conjuncts, &subqueries)?;
            let windows = select.windows.iter();
            let windows = windows
                .map(|w| w.map(&mut |e| -> Result<Expr, LowerError> { Ok(grouped.above(e)) }));
            let windows = windows.collect::<Result<Vec<_>, _>>()?;
            self.windows(&mut rows, &windows, &subqueries)?;
            let above = select.grouped_sets.iter().map(|s| SetCall {
                call: grouped.above(&s.call),
                ..s.clone()
            });
            let above: Vec<SetCall> = above.collect();
            self.make_sets(&mut rows, &above, &subqueries)?;
        }
        for expr in outputs.iter().chain(top.iter().flat_map(Top::exprs)) {
            self.evaluate(&mut rows, expr, &subqueries)?;
        }
        let outputs = self.made_values(&rows, &outputs, None)?;
        let Some(top) = top else {
            let node = self.project(rows.node, &outputs, None)?;
            return self.distinct_if(select.distinct, node);
        };
        let sorted: Vec<Expr> = top.exprs().cloned().collect();
        let mut sorted = self.made_values(&rows, &sorted, None)?.into_iter();
        let top = top.map(|e| sorted.next().unwrap_or_else(|| e.clone()));
        self.top(rows.node, &outputs, select.distinct, &top)
    }

    /// The inputs of FROM, and the conjuncts of its conditions and of WHERE.
    fn product(&mut self, select: &Select) -> Result<(Vec<NodeId>, Vec<Expr>), LowerError> {
        let mut product = Product::default();
        if let Some(filter) = &select.filter {
            split(filter, &mut product.wanted);
        }
        if let Some(from) = &select.from {
            self.all_of_from(from, 0, &select.subqueries, &mut product)?;
        }
        if product.inputs.is_empty() {
            let one = self.one_row()?;
            product.inputs.push(one);
        }
        Ok(product.finish())
    }

    /// FROM, whose columns begin at `start`.
    fn all_of_from(
        &mut self,
        from: &From,
        start: usize,
        subqueries: &[Subquery],
        product: &mut Product,
    ) -> Result<(), LowerError> {
        let plain = on::without_subqueries(from, start, subqueries)?;
        self.from(plain.as_ref().unwrap_or(from), start, product)?;
        // Nodes are remembered by the addresses of queries.
        self.made.extend(plain);
        Ok(())
    }

    /// Columns of the clock, which is one source with all its columns, wherever it is read.
    fn clock(&mut self, attnums: &[i16]) -> Result<NodeId, LowerError> {
        let clock = self.catalog.relation(CLOCK);
        let columns = clock.map_or(&[][..], |r| &r.columns);
        let source = Source {
            relation: CLOCK,
            attnums: columns.iter().map(|c| c.attnum).collect(),
            types: columns
                .iter()
                .map(|c| ColType {
                    ty: c.ty,
                    nullable: !c.not_null,
                })
                .collect(),
        };
        let wanted = columns.iter().enumerate();
        let wanted = wanted.filter(|(_, c)| attnums.contains(&c.attnum));
        let wanted: Vec<Expr> = wanted.map(|(i, c)| Expr::column(i, c.ty)).collect();
        let source = self.add(Op::Source(source), vec![], None)?;
        self.project(source, &wanted, None)
    }

    fn one_row(&mut self) -> Result<NodeId, LowerError> {
        let one_row = Constant {
            types: vec![],
            rows: vec![vec![]],
        };
        self.add(Op::Constant(one_row), vec![], None)
    }

    /// The rows of a product on which conjuncts are true, subqueries or not.
    fn restricted(
        &mut self,
        inputs: Vec<NodeId>,
        conjuncts: Vec<Expr>,
        subqueries: &[Subquery],
    ) -> Result<Extended, LowerError> {
        let (others, plain): (Vec<Expr>, Vec<Expr>) =
            conjuncts.into_iter().partition(reads_subquery);
        let node = self.inner_join(inputs, plain)?;
        let mut rows = Extended::new(node, subqueries);
        self.filter(&mut rows, &others, subqueries)?;
        Ok(rows)
    }

    /// The same, of rows.
    fn restrict(
        &mut self,
        rows: &mut Extended,
        conjuncts: Vec<Expr>,
        subqueries: &[Subquery],
    ) -> Result<(), LowerError> {
        let (others, plain): (Vec<Expr>, Vec<Expr>) =
            conjuncts.into_iter().partition(reads_subquery);
        rows.node = self.inner_join(vec![rows.node], plain)?;
        self.filter(rows, &others, subqueries)
    }

    /// A grouping of rows, whose keys and arguments may read subqueries.
    fn grouped(
        &mut self,
        rows: &mut Extended,
        grouping: &Grouping,
        subqueries: &[Subquery],
    ) -> Result<Grouped, LowerError> {
        let mut grouping = grouping.clone();
        grouping.map(&mut |e| -> Result<Expr, LowerError> {
            self.evaluate(rows, e, subqueries)?;
            Ok(rows.over(e))
        })?;
        match grouping.sets.is_empty() {
            true => self.grouping(rows.node, &grouping),
            false => self.grouping_sets(rows.node, &grouping),
        }
    }

    fn inner_join(
        &mut self,
        inputs: Vec<NodeId>,
        conjuncts: Vec<Expr>,
    ) -> Result<NodeId, LowerError> {
        match inputs.as_slice() {
            [one] if conjuncts.is_empty() => Ok(*one),
            [one] => {
                let one = *one;
                self.add(Op::Filter(conjoin(conjuncts)), vec![one], None)
            }
            _ => self.add(Op::Join(conjuncts), inputs, None),
        }
    }

    /// Adds an item of FROM to what stands to the left of it. Columns are counted over all of FROM,
    /// of which `start` stand before this item, so that flattening renumbers nothing.
    fn from(&mut self, from: &From, start: usize, left: &mut Product) -> Result<(), LowerError> {
        match from {
            From::Table(table) if table.relation == CLOCK => {
                left.inputs.push(self.clock(&table.attnums)?);
            }
            From::Table(table) => {
                let source = Source {
                    relation: table.relation,
                    attnums: table.attnums.clone(),
                    types: table.types.clone(),
                };
                let source = self.add(Op::Source(source), vec![], table.span)?;
                left.inputs.push(source);
            }
            From::Query { query, .. } => left.inputs.push(self.shared(query)?),
            From::Lateral {
                query,
                parameters,
                span,
                ..
            } => {
                let item = LateralItem {
                    query: query.clone(),
                    parameters: parameters.clone(),
                    span: *span,
                };
                self.beside_left(start, left, |lowering, x, base| {
                    lowering.lateral(x, &item.over(base), None)
                })?;
            }
            From::Functions {
                functions,
                ordinality,
                span,
                ..
            } => self.functions(functions, *ordinality, *span, start, left)?,
            From::Join {
                kind: JoinKind::Inner,
                left: a,
                right: b,
                condition,
            } => {
                self.from(a, start, left)?;
                self.from(b, start + a.types().len(), left)?;
                if let Some(condition) = condition {
                    split(condition, &mut left.conjuncts);
                }
            }
            From::Join {
                kind,
                left: a,
                right: b,
                condition,
            } => self.outer_item(*kind, a, b, condition.as_ref(), start, left)?,
            From::Parameters { .. } => {
                let parameters = self.parameters.last().copied();
                left.inputs.push(parameters.ok_or_else(|| {
                    LowerError::NotIncremental("a subquery apart from its query".into())
                })?);
            }
            From::Opaque { what, .. } => return Err(LowerError::NotIncremental(what.clone())),
        }
        Ok(())
    }

    /// What stands to the left of an item that reads it, as one collection, is replaced by what `f`
    /// makes of that: the same columns, and those of the item behind them.
    fn beside_left(
        &mut self,
        start: usize,
        left: &mut Product,
        f: impl FnOnce(&mut Self, NodeId, usize) -> Result<NodeId, LowerError>,
    ) -> Result<(), LowerError> {
        let base = left.base;
        let local = |c: &Expr| c.remap(&mut |c| c - base);
        let now: Vec<Expr> = left.take_known(start).iter().map(local).collect();
        let mut inputs = std::mem::take(&mut left.inputs);
        if inputs.is_empty() {
            inputs.push(self.one_row()?);
        }
        let x = self.inner_join(inputs, now)?;
        left.inputs.push(f(self, x, base)?);
        Ok(())
    }
}

/// The items of FROM that are joined by inner joins, as far as they were looked at.
#[derive(Default)]
struct Product {
    inputs: Vec<NodeId>,
    /// The number of the first column of the first input.
    base: usize,
    /// Conditions of the joins.
    conjuncts: Vec<Expr>,
    /// Those of WHERE.
    wanted: Vec<Expr>,
}

impl Product {
    fn from(base: usize) -> Product {
        Product {
            base,
            ..Product::default()
        }
    }

    fn finish(mut self) -> (Vec<NodeId>, Vec<Expr>) {
        for conjunct in self.wanted {
            if !self.conjuncts.contains(&conjunct) {
                self.conjuncts.push(conjunct);
            }
        }
        (self.inputs, self.conjuncts)
    }

    /// Takes the conditions that read nothing but columns before this one.
    fn take_known(&mut self, end: usize) -> Vec<Expr> {
        let base = self.base;
        let known = |e: &Expr| {
            let columns = e.columns();
            !columns.is_empty() && columns.iter().all(|c| (base..end).contains(c))
        };
        let mut out: Vec<Expr> = vec![];
        for list in [&mut self.conjuncts, &mut self.wanted] {
            let (now, later): (Vec<Expr>, Vec<Expr>) =
                std::mem::take(list).into_iter().partition(known);
            *list = later;
            for conjunct in now {
                if !out.contains(&conjunct) {
                    out.push(conjunct);
                }
            }
        }
        out
    }
}

fn reads_subquery(expr: &Expr) -> bool {
    let columns = expr.columns();
    columns
        .iter()
        .any(|c| matches!(Reads::of(*c), Reads::Subquery(_)))
}

/// Subqueries over other expressions.
fn map_subqueries(subqueries: &[Subquery], f: impl Fn(&Expr) -> Expr) -> Vec<Subquery> {
    let map = |s: &Subquery| {
        let Ok(subquery) = s.map(&mut |e| -> Result<Expr, Infallible> { Ok(f(e)) });
        subquery
    };
    subqueries.iter().map(map).collect()
}

/// The conjuncts of a condition, each once; TRUE is none.
fn split(condition: &Expr, conjuncts: &mut Vec<Expr>) {
    match condition.kind() {
        ExprKind::And(args) => {
            for arg in args {
                split(arg, conjuncts);
            }
        }
        ExprKind::Const(Some(value)) if matches!(value.as_ref(), "t" | "true") => {}
        _ if conjuncts.contains(condition) => {}
        _ => conjuncts.push(condition.clone()),
    }
}

fn conjoin(mut conjuncts: Vec<Expr>) -> Expr {
    match conjuncts.len() {
        1 => conjuncts.swap_remove(0),
        _ => Expr::new(ExprKind::And(conjuncts), SqlType::new(oids::BOOL)),
    }
}

fn is_identity(outputs: &[Expr], input: &[ColType]) -> bool {
    outputs.len() == input.len()
        && outputs
            .iter()
            .zip(input)
            .enumerate()
            .all(|(i, (e, c))| e.as_column() == Some(i) && e.ty() == c.ty)
}
