//! Random circuits of queries: what lowering could make of a SELECT.

use super::expr::{infix, of_type, predicate};
use super::schema::{Table, sql_type};
use super::{Config, Tape, data};
use crate::circuit::{Circuit, NodeId};
use crate::eval::aggregate::{MAX_CITEXT, MIN_CITEXT};
use crate::eval::builtin::{self, CITEXT};
use crate::eval::flat_map::SERIES;
use crate::expr::{Expr, ExprKind};
use crate::fold::COUNT_ROWS;
use crate::op::{
    AggCall, Aggregate, Closure, Constant, FlatMap, Link, Op, SetFunction, SortKey, TopK,
};
use crate::types::{ColType, Oid, SqlType, oids};
use crate::window::{Bound, Exclusion, Frame, FrameMode, Window, WindowCall};

/// Evaluating a join by its definition must stay quick.
const MOST_ROWS: usize = 1500;
const SOURCE_ROWS: usize = 8;

/// A query over these sources.
pub fn query(tape: &mut Tape, tables: &[Table], config: Config) -> (Circuit, NodeId) {
    let mut generator = Generator {
        tape,
        tables,
        config,
        circuit: Circuit::new(),
        rows: vec![],
    };
    let root = generator.node(config.depth);
    (generator.circuit, root)
}

struct Generator<'a> {
    tape: &'a mut Tape,
    tables: &'a [Table],
    config: Config,
    circuit: Circuit,
    /// A bound on the rows of each node.
    rows: Vec<usize>,
}

impl Generator<'_> {
    /// Adds a node that fits its inputs; should it not, the input stands for it, which a test of
    /// this generator would see.
    fn add(&mut self, op: Op, inputs: Vec<NodeId>, rows: usize) -> NodeId {
        let fallback = inputs.first().copied();
        match (self.circuit.add(op, inputs, None), fallback) {
            (Ok(id), _) => {
                self.rows.resize(self.circuit.len(), rows);
                id
            }
            (Err(_), Some(input)) => input,
            (Err(_), None) => NodeId(0),
        }
    }

    fn rows(&self, id: NodeId) -> usize {
        self.rows.get(id.index()).copied().unwrap_or(SOURCE_ROWS)
    }

    fn schema(&self, id: NodeId) -> Vec<ColType> {
        self.circuit.schema(id).to_vec()
    }

    fn node(&mut self, depth: usize) -> NodeId {
        if depth == 0 {
            return self.leaf();
        }
        let c = self.config;
        let on = |flag: bool, weight: usize| if flag { weight } else { 0 };
        match self.tape.weighted(&[
            8,
            14,
            18,
            on(c.joins, 24),
            12,
            on(c.distinct, 12),
            on(c.aggregates, 22),
            on(c.joins, 12),
            4,
            6,
            8,
            on(c.aggregates, 10),
            on(c.aggregates, 10),
            on(c.joins, 13),
        ]) {
            0 => self.leaf(),
            1 => {
                let x = self.node(depth - 1);
                let schema = self.schema(x);
                let n = self.tape.between(1, 3);
                let exprs = (0..n).map(|_| self.output(&schema)).collect();
                let rows = self.rows(x);
                self.add(Op::Map(exprs), vec![x], rows)
            }
            2 => {
                let x = self.node(depth - 1);
                let schema = self.schema(x);
                let depth = self.tape.between(1, 2);
                let p = predicate(self.tape, &schema, depth, c);
                let rows = self.rows(x);
                self.add(Op::Filter(p), vec![x], rows)
            }
            3 => self.join(depth - 1),
            4 => self.plus(depth - 1),
            5 => {
                let x = self.node(depth - 1);
                let rows = self.rows(x);
                self.add(Op::Distinct, vec![x], rows)
            }
            6 => self.aggregate(depth - 1),
            7 => self.half_join(depth - 1),
            9 => self.repeat(depth - 1),
            10 => self.flat_map(depth - 1),
            11 => self.top_k(depth - 1),
            12 => self.window(depth - 1),
            13 => self.closure(depth - 1),
            _ => self.reuse(depth - 1),
        }
    }

    fn leaf(&mut self) -> NodeId {
        if self.tape.percent(4) {
            let types = vec![ColType {
                ty: sql_type(oids::INT4),
                nullable: false,
            }];
            let rows = ["1", "2", "2"].map(|v| vec![Expr::literal(v, sql_type(oids::INT4))]);
            let n = self.tape.below(3);
            let constant = Constant {
                types,
                rows: rows[..=n].to_vec(),
            };
            return self.add(Op::Constant(constant), vec![], n + 1);
        }
        let Some(table) = self.tape.pick(self.tables) else {
            return NodeId(0);
        };
        self.add(Op::Source(table.source.clone()), vec![], SOURCE_ROWS)
    }

    /// A column as it is, more often than not.
    fn output(&mut self, schema: &[ColType]) -> Expr {
        if !schema.is_empty() && !self.tape.percent(35) {
            let i = self.tape.below(schema.len());
            return Expr::column(i, schema[i].ty);
        }
        let types = [oids::INT4, oids::TEXT, oids::NUMERIC, oids::BOOL];
        let ty = *self.tape.pick(&types).unwrap_or(&oids::INT4);
        of_type(self.tape, schema, ty, 2, self.config)
    }

    /// An earlier node once more: shared subqueries, self-joins.
    fn reuse(&mut self, depth: usize) -> NodeId {
        if self.circuit.is_empty() {
            return self.node(depth);
        }
        NodeId(self.tape.below(self.circuit.len()) as u32)
    }

    fn join(&mut self, depth: usize) -> NodeId {
        let n = self.tape.between(2, 3);
        let mut inputs: Vec<NodeId> = vec![];
        let mut rows = 1;
        for _ in 0..n {
            let x = match self.tape.percent(20) {
                true => self.reuse(depth.min(1)),
                false => self.node(depth.min(2)),
            };
            if rows * self.rows(x) <= MOST_ROWS {
                rows *= self.rows(x);
                inputs.push(x);
            }
        }
        if inputs.is_empty() {
            return self.leaf();
        }
        let mut schema: Vec<ColType> = vec![];
        let mut conjuncts = vec![];
        for &x in &inputs {
            let right = self.schema(x);
            let pairs: Vec<(usize, usize)> = (0..schema.len())
                .flat_map(|i| (0..right.len()).map(move |j| (i, j)))
                .filter(|&(i, j)| schema[i].ty.oid == right[j].ty.oid)
                .collect();
            let width = schema.len();
            if !self.tape.percent(8)
                && let Some(&(i, j)) = self.tape.pick(&pairs)
            {
                let left = Expr::column(i, schema[i].ty);
                let right = Expr::column(width + j, right[j].ty);
                conjuncts.extend(infix("=", left, right));
            }
            schema.extend(right);
        }
        if self.tape.percent(20) {
            conjuncts.push(predicate(self.tape, &schema, 1, self.config));
        }
        let join = self.add(Op::Join(conjuncts), inputs, rows);
        if schema.len() <= 4 {
            return join;
        }
        // Keep rows narrow, as the SELECT list above a join does.
        let schema = self.schema(join);
        let n = self.tape.between(2, 4);
        let exprs = (0..n).map(|_| self.output(&schema)).collect();
        self.add(Op::Map(exprs), vec![join], rows)
    }

    /// A semi, anti or left join.
    fn half_join(&mut self, depth: usize) -> NodeId {
        let x = self.node(depth);
        let y = match self.tape.percent(20) {
            true => self.reuse(depth.min(1)),
            false => self.node(depth.min(2)),
        };
        let rows = self.rows(x) * self.rows(y);
        if rows > MOST_ROWS {
            return x;
        }
        let (left, right) = (self.schema(x), self.schema(y));
        let pairs: Vec<(usize, usize)> = (0..left.len())
            .flat_map(|i| (0..right.len()).map(move |j| (i, j)))
            .filter(|&(i, j)| left[i].ty.oid == right[j].ty.oid)
            .collect();
        let mut conjuncts = vec![];
        if !self.tape.percent(8)
            && let Some(&(i, j)) = self.tape.pick(&pairs)
        {
            let a = Expr::column(i, left[i].ty);
            let b = Expr::column(left.len() + j, right[j].ty);
            conjuncts.extend(infix("=", a, b));
        }
        let both: Vec<ColType> = left.iter().chain(&right).copied().collect();
        if self.tape.percent(20) {
            conjuncts.push(predicate(self.tape, &both, 1, self.config));
        }
        match self.tape.weighted(&[2, 2, 3]) {
            0 => self.add(Op::Semi(conjuncts), vec![x, y], self.rows(x)),
            1 => self.add(Op::Anti(conjuncts), vec![x, y], self.rows(x)),
            _ => {
                let join = self.add(Op::Left(conjuncts), vec![x, y], rows.max(self.rows(x)));
                if both.len() <= 4 {
                    return join;
                }
                let schema = self.schema(join);
                let n = self.tape.between(2, 4);
                let exprs = (0..n).map(|_| self.output(&schema)).collect();
                self.add(Op::Map(exprs), vec![join], rows.max(self.rows(x)))
            }
        }
    }

    /// UNION ALL of inputs that are brought to the types of the first.
    fn plus(&mut self, depth: usize) -> NodeId {
        let first = self.node(depth);
        let types = self.schema(first);
        let mut inputs = vec![first];
        let mut rows = self.rows(first);
        for _ in 0..self.tape.between(1, 2) {
            let x = match self.tape.percent(30) {
                true => self.reuse(depth.min(1)),
                false => self.node(depth.min(2)),
            };
            if rows + self.rows(x) > MOST_ROWS {
                continue;
            }
            let schema = self.schema(x);
            let exprs = types
                .iter()
                .map(|t| {
                    // Of the same typmod, as PostgreSQL would coerce: a column, or a literal.
                    let same: Vec<usize> = (0..schema.len())
                        .filter(|&i| schema[i].ty == t.ty)
                        .collect();
                    match self.tape.pick(&same) {
                        Some(&i) => Expr::column(i, t.ty),
                        None => {
                            let v = data::value(self.tape, t.ty, false, self.config);
                            Expr::literal(&v.to_string(), t.ty)
                        }
                    }
                })
                .collect();
            rows += self.rows(x);
            let bound = self.rows(x);
            inputs.push(self.add(Op::Map(exprs), vec![x], bound));
        }
        self.add(Op::Plus, inputs, rows)
    }

    /// Rows as often as a number says: mostly one that the rows hold.
    fn repeat(&mut self, depth: usize) -> NodeId {
        let x = self.node(depth);
        let schema = self.schema(x);
        // Few values are more than this.
        let rows = self.rows(x) * 3;
        if rows > MOST_ROWS {
            return x;
        }
        let counts: Vec<usize> = (0..schema.len())
            .filter(|i| schema[*i].ty.oid == oids::INT8)
            .collect();
        let times = match self.tape.pick(&counts) {
            Some(&i) => Expr::column(i, schema[i].ty),
            None => of_type(self.tape, &schema, oids::INT8, 1, self.config),
        };
        self.add(Op::Repeat(times), vec![x], rows)
    }

    /// Each row beside up to three numbers, or two lists of them; where errors may be, now and then by
    /// a step that may be 0.
    fn flat_map(&mut self, depth: usize) -> NodeId {
        let x = self.node(depth);
        let rows = self.rows(x) * 3;
        if rows > MOST_ROWS {
            return x;
        }
        let schema = self.schema(x);
        let int = sql_type(oids::INT4);
        let some = |g: &mut Self| {
            let n = of_type(g.tape, &schema, oids::INT4, 1, g.config);
            let kind = ExprKind::MinMax {
                greatest: false,
                args: vec![n, Expr::literal("3", int)],
                collation: Oid::INVALID,
            };
            Expr::new(kind, int)
        };
        let functions: Vec<SetFunction> = (0..1 + usize::from(self.tape.percent(25)))
            .map(|_| {
                let mut args = vec![Expr::literal("1", int), some(self)];
                let steps = self.config.errors && self.tape.percent(20);
                if steps {
                    args.push(some(self));
                }
                let kind = ExprKind::Call {
                    function: SERIES[if steps { 2 } else { 0 }],
                    args,
                    collation: Oid::INVALID,
                    variadic: false,
                };
                SetFunction {
                    call: Expr::new(kind, int),
                    columns: vec![ColType {
                        ty: int,
                        nullable: false,
                    }],
                    definitions: vec![],
                }
            })
            .collect();
        let mut f = FlatMap {
            functions,
            ordinality: self.tape.percent(30),
            outer: None,
        };
        if self.tape.percent(40) {
            let both: Vec<ColType> = schema.iter().copied().chain(f.made()).collect();
            let on = (0..self.tape.below(2)).map(|_| predicate(self.tape, &both, 1, self.config));
            f.outer = Some(on.collect());
        }
        self.add(Op::FlatMap(f), vec![x], rows)
    }

    /// Up to two keys of an ORDER BY.
    fn order(&mut self, schema: &[ColType]) -> Vec<SortKey> {
        let mut order = vec![];
        for _ in 0..self.tape.below(3).min(schema.len()) {
            let i = self.tape.below(schema.len());
            let symbol = if self.tape.percent(50) { "<" } else { ">" };
            let ty = schema[i].ty;
            if let Some(o) = builtin::operator(symbol, ty.oid, ty.oid) {
                order.push(SortKey {
                    expr: Expr::column(i, ty),
                    operator: o.operator,
                    nulls_first: self.tape.percent(50),
                });
            }
        }
        order
    }

    /// The first rows of some groups, in an order that may be open.
    fn top_k(&mut self, depth: usize) -> NodeId {
        let x = self.node(depth);
        let schema = self.schema(x);
        let n = self.tape.weighted(&[40, 45, 15]).min(schema.len());
        let mut keys: Vec<usize> = (0..n).map(|_| self.tape.below(schema.len())).collect();
        keys.dedup();
        let order = self.order(&schema);
        let t = TopK {
            keys,
            order,
            offset: self.tape.weighted(&[60, 25, 15]) as u64,
            limit: match self.tape.below(5) {
                0 => None,
                n => Some(n as u64 - 1),
            },
            with_ties: self.tape.percent(30),
            total: false,
        };
        let rows = self.rows(x);
        self.add(Op::TopK(t), vec![x], rows)
    }

    /// A window function, over partitions in an order that may be open.
    fn window(&mut self, depth: usize) -> NodeId {
        let x = self.node(depth);
        let schema = self.schema(x);
        let n = self.tape.weighted(&[30, 55, 15]).min(schema.len());
        let mut partition: Vec<usize> = (0..n).map(|_| self.tape.below(schema.len())).collect();
        partition.dedup();
        let order = self.order(&schema);
        let frame = |mode, start, end| Frame {
            mode,
            start,
            end,
            exclude: Exclusion::Nothing,
        };
        use Bound::{CurrentRow, UnboundedFollowing, UnboundedPreceding};
        let running = frame(FrameMode::Rows, UnboundedPreceding, CurrentRow);
        let behind = frame(FrameMode::Rows, CurrentRow, UnboundedFollowing);
        let peers = frame(FrameMode::Groups, CurrentRow, CurrentRow);
        let all = frame(FrameMode::Rows, UnboundedPreceding, UnboundedFollowing);
        let plain = Frame::default();
        let around = Frame {
            exclude: Exclusion::Ties,
            ..running.clone()
        };
        let (function, frame, by_image) = match self.tape.below(7) {
            0 => (3100, plain, true),
            1 => (3101, plain, false),
            2 => (COUNT_ROWS.0, peers, false),
            3 => (COUNT_ROWS.0, running, true),
            4 => (COUNT_ROWS.0, behind, true),
            5 => (COUNT_ROWS.0, around, true),
            _ => (COUNT_ROWS.0, all, false),
        };
        let call = WindowCall {
            function: Oid(function),
            args: vec![],
            variadic: false,
            filter: None,
            frame,
            ty: SqlType::new(oids::INT8),
            collation: Oid::INVALID,
            nullable: false,
            by_image,
        };
        let window = Window {
            partition,
            order,
            calls: vec![call],
        };
        let rows = self.rows(x);
        self.add(Op::Window(window), vec![x], rows)
    }

    /// Recursion that ends: over values that are there already, or upwards.
    fn closure(&mut self, depth: usize) -> NodeId {
        let seed = self.node(depth);
        let x = match self.tape.percent(60) {
            true => self.leaf(),
            false => self.node(depth.min(1)),
        };
        let (of_seed, of_x) = (self.schema(seed), self.schema(x));
        let rows = self.rows(seed) * self.rows(x);
        if of_seed.is_empty() || rows > MOST_ROWS {
            return seed;
        }
        let types: Vec<ColType> = of_seed
            .iter()
            .map(|c| ColType {
                nullable: true,
                ..*c
            })
            .collect();
        let n = types.len();
        let mut all: Vec<ColType> = types.iter().chain(&of_x).copied().collect();
        let pairs: Vec<(usize, usize)> = (0..n)
            .flat_map(|i| (n..all.len()).map(move |j| (i, j)))
            .filter(|&(i, j)| all[i].ty.oid == all[j].ty.oid)
            .collect();
        let mut inputs = vec![seed, x];
        let more = match self.tape.percent(35) {
            true => self.more_links(&mut all, &mut inputs),
            false => vec![],
        };
        let column = |c: usize| Expr::column(c, all[c].ty);
        let mut map: Vec<Expr> = vec![];
        for (i, ty) in types.iter().enumerate() {
            let fitting: Vec<usize> = (0..all.len()).filter(|&c| all[c].ty == ty.ty).collect();
            let c = self.tape.pick(&fitting).copied().unwrap_or(i);
            map.push(column(c));
        }
        let mut on = vec![];
        if !self.tape.percent(8)
            && let Some(&(i, j)) = self.tape.pick(&pairs)
        {
            on.extend(infix("=", column(i), column(j)));
        }
        // Equal values of other types may look different.
        let one_image = [oids::INT4, oids::INT8, oids::BOOL, oids::TEXT];
        let distinct = types.iter().all(|c| one_image.contains(&c.ty.oid)) && self.tape.percent(60);
        if !distinct {
            let Some((i, j)) = pairs
                .iter()
                .copied()
                .find(|(i, _)| types[*i].ty.oid == oids::INT4)
            else {
                return seed;
            };
            on.extend(infix("<", column(i), column(j)));
            map[i] = column(j);
        }
        let mut links = vec![Link::Join(on)];
        links.extend(more);
        let closure = Closure {
            links,
            map,
            types,
            distinct,
            change: false,
        };
        self.add(Op::Closure(closure), inputs, 3 * rows)
    }

    /// A left join, of which only what has no match goes on, at times; or a join.
    fn more_links(&mut self, all: &mut Vec<ColType>, inputs: &mut Vec<NodeId>) -> Vec<Link> {
        let y = self.leaf();
        let of_y = self.schema(y);
        let start = all.len();
        let pairs: Vec<(usize, usize)> = (0..start)
            .flat_map(|i| (0..of_y.len()).map(move |j| (i, start + j)))
            .filter(|&(i, j)| all[i].ty.oid == of_y[j - start].ty.oid)
            .collect();
        let Some(&(i, j)) = self.tape.pick(&pairs) else {
            return vec![];
        };
        inputs.push(y);
        let is_left = self.tape.percent(80);
        all.extend(of_y.iter().map(|c| ColType {
            nullable: c.nullable || is_left,
            ..*c
        }));
        let column = |c: usize| Expr::column(c, all[c].ty);
        let on: Vec<Expr> = infix("=", column(i), column(j)).into_iter().collect();
        if !is_left {
            return vec![Link::Join(on)];
        }
        let mut links = vec![Link::Left(on)];
        if self.tape.percent(50) {
            let kind = ExprKind::IsNull {
                arg: column(j),
                negated: false,
                row: false,
            };
            links.push(Link::Filter(vec![Expr::new(kind, sql_type(oids::BOOL))]));
        }
        links
    }

    fn aggregate(&mut self, depth: usize) -> NodeId {
        let x = self.node(depth);
        let schema = self.schema(x);
        let n = self.tape.weighted(&[20, 55, 25]);
        let mut keys: Vec<usize> = vec![];
        for _ in 0..n.min(schema.len()) {
            let k = self.tape.below(schema.len());
            if !keys.contains(&k) {
                keys.push(k);
            }
        }
        let normal = self.tape.percent(self.config.foldable);
        let mut aggs = vec![];
        if normal {
            aggs.push(count_rows());
        }
        for _ in 0..self.tape.between(usize::from(!normal), 2) {
            let agg = self.call(&schema, keys.is_empty(), normal);
            if normal && is_sum(&agg) && agg.nullable {
                let count = AggCall {
                    function: Oid(2147),
                    ty: sql_type(oids::INT8),
                    nullable: false,
                    ..agg.clone()
                };
                aggs.push(count);
            }
            aggs.push(agg);
        }
        let rows = self.rows(x).max(1);
        self.add(Op::Aggregate(Aggregate { keys, aggs }), vec![x], rows)
    }

    fn call(&mut self, schema: &[ColType], global: bool, normal: bool) -> AggCall {
        if self.tape.percent(15) {
            return self.modified(count_rows(), schema, normal);
        }
        let arg = if self.tape.percent(75) && !schema.is_empty() {
            let i = self.tape.below(schema.len());
            Expr::column(i, schema[i].ty)
        } else {
            let types = [oids::INT4, oids::NUMERIC, oids::TEXT];
            let ty = *self.tape.pick(&types).unwrap_or(&oids::INT4);
            of_type(self.tape, schema, ty, 1, self.config)
        };
        let t = arg.ty().oid;
        // (function, result); what folds comes first.
        let mut usable: Vec<(u32, Oid)> = vec![(2147, oids::INT8)];
        let (numbers, extrema): (&[(u32, Oid)], [u32; 2]) = match t {
            oids::INT2 => (&[(2109, oids::INT8), (2102, oids::NUMERIC)], [2117, 2133]),
            oids::INT4 => (&[(2108, oids::INT8), (2101, oids::NUMERIC)], [2116, 2132]),
            oids::INT8 => (
                &[(2107, oids::NUMERIC), (2100, oids::NUMERIC)],
                [2115, 2131],
            ),
            oids::FLOAT8 => (&[(2111, oids::FLOAT8), (2105, oids::FLOAT8)], [2120, 2136]),
            oids::NUMERIC => (
                &[(2114, oids::NUMERIC), (2103, oids::NUMERIC)],
                [2130, 2146],
            ),
            oids::TEXT => (&[], [2129, 2145]),
            CITEXT => (&[], [MAX_CITEXT.0, MIN_CITEXT.0]),
            _ => (&[(2517, oids::BOOL), (2518, oids::BOOL)], [0, 0]),
        };
        let folds = |f: u32| match f {
            2107..=2109 => true,
            2114 => crate::fold::fixed_scale(&arg).is_some(),
            _ => false,
        };
        usable.extend(numbers.iter().filter(|(f, _)| !normal || folds(*f)));
        usable.extend(extrema.into_iter().filter(|f| *f != 0).map(|f| (f, t)));
        let (function, result) = *self.tape.pick(&usable).unwrap_or(&(2147, oids::INT8));
        let counts = function == 2147;
        let call = AggCall {
            function: Oid(function),
            nullable: !counts && (global || arg.nullable(schema)),
            collation: arg.ty().collation,
            args: vec![arg],
            variadic: false,
            distinct: false,
            order_by: vec![],
            filter: None,
            ty: sql_type(result),
        };
        self.modified(call, schema, normal)
    }

    /// Now and then FILTER, and DISTINCT where it need not fold.
    fn modified(&mut self, mut call: AggCall, schema: &[ColType], normal: bool) -> AggCall {
        if self.tape.percent(20) {
            call.filter = Some(predicate(self.tape, schema, 1, self.config));
            call.nullable = !matches!(call.function.0, 2147 | 2803);
        }
        call.distinct = !normal && !call.args.is_empty() && self.tape.percent(20);
        call
    }
}

fn count_rows() -> AggCall {
    AggCall {
        function: Oid(2803),
        args: vec![],
        variadic: false,
        distinct: false,
        order_by: vec![],
        filter: None,
        ty: sql_type(oids::INT8),
        collation: Oid::INVALID,
        nullable: false,
    }
}

fn is_sum(call: &AggCall) -> bool {
    matches!(call.function.0, 2107..=2109 | 2111 | 2114)
}
