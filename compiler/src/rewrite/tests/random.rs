//! Random typed circuits, databases and changes.

use crate::rewrite::rules::distinct::count_rows;
use spec::catalog::{Catalog, Column, Generated, Key, Objects, Relation, RelationKind};
use spec::eval::flat_map::SERIES;
use spec::eval::value::{Row, Value};
use spec::eval::{Bag, World};
use spec::expr::{Coercion, ExprKind};
use spec::fold::{COUNT_ROWS, COUNT_VALUES, SUM_INT4, SUM_INT8, SUM_NUMERIC};
use spec::op::{
    AggCall, Aggregate, Closure, Constant, FlatMap, Link, SetFunction, SortKey, Source, TopK,
};
use spec::types::{ColType, Oid, SqlType, oids};
use spec::window::{Bound, Exclusion, Frame, FrameMode, Window, WindowCall};
use spec::{Circuit, Expr, NodeId, Op};
use std::collections::BTreeMap;

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// True once in n.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

pub const INT: SqlType = SqlType::new(oids::INT4);
pub const BIG: SqlType = SqlType::new(oids::INT8);
pub const FLOAT: SqlType = SqlType::new(oids::FLOAT8);
pub const BOOL: SqlType = SqlType::new(oids::BOOL);
pub const NUMERIC: SqlType = SqlType::new(oids::NUMERIC);
pub const MONEY: SqlType = SqlType {
    oid: oids::NUMERIC,
    typmod: ((9 << 16) | 2) + 4,
    collation: Oid::INVALID,
};
pub const TEXT: SqlType = SqlType {
    oid: oids::TEXT,
    typmod: -1,
    collation: oids::DEFAULT_COLLATION,
};

pub const R: Oid = Oid(20_001);
pub const S: Oid = Oid(20_002);
pub const T: Oid = Oid(20_003);
pub const U: Oid = Oid(20_004);
pub const TABLES: [Oid; 4] = [R, S, T, U];

/// A table with columns (type, NOT NULL) and unique indexes (attnums, NULLS NOT DISTINCT), the
/// first of them its primary key.
pub fn table(
    oid: Oid,
    name: &str,
    columns: &[(SqlType, bool)],
    keys: &[(&[i16], bool)],
) -> Relation {
    Relation {
        oid,
        name: name.into(),
        namespace: Oid(2200),
        kind: RelationKind::Table,
        columns: columns
            .iter()
            .zip(1..)
            .map(|((ty, not_null), attnum)| Column {
                attnum,
                name: format!("c{attnum}"),
                ty: *ty,
                not_null: *not_null,
                generated: Generated::No,
            })
            .collect(),
        keys: keys
            .iter()
            .zip(1u32..)
            .map(|((columns, nulls), n)| Key {
                index: Oid(oid.0 * 10 + n),
                name: format!("{name}_key{n}"),
                columns: columns.to_vec(),
                primary: n == 1,
                nulls_not_distinct: *nulls,
                deferrable: false,
            })
            .collect(),
        foreign_keys: vec![],
        indexes: vec![],
        definition: None,
        definition_path: vec![],
        row_type: Oid::INVALID,
        has_children: false,
        has_foreign_parts: false,
        rows: 1000.0,
        pages: 10.0,
        row_security: false,
    }
}

/// R has a primary key and a nullable unique column, S has no key, T has a key of two columns,
/// U a unique index that holds NULLs equal.
pub fn catalog() -> Catalog {
    Catalog::new(Objects {
        relations: vec![
            table(
                R,
                "r",
                &[(INT, true), (INT, false), (TEXT, false), (NUMERIC, false)],
                &[(&[1], false), (&[2], false)],
            ),
            table(S, "s", &[(INT, false), (INT, true), (TEXT, false)], &[]),
            table(
                T,
                "t",
                &[(INT, true), (INT, true), (MONEY, false), (FLOAT, false)],
                &[(&[1, 2], false)],
            ),
            table(U, "u", &[(INT, false), (NUMERIC, true)], &[(&[1], true)]),
        ],
        ..Objects::default()
    })
}

pub fn source(catalog: &Catalog, oid: Oid) -> Op {
    let relation = catalog.relation(oid).expect("a table of the tests");
    Op::Source(Source {
        relation: oid,
        attnums: relation.columns.iter().map(|c| c.attnum).collect(),
        types: relation
            .columns
            .iter()
            .map(|c| ColType {
                ty: c.ty,
                nullable: !c.not_null,
            })
            .collect(),
    })
}

pub fn operator(catalog: &Catalog, name: &str, a: Expr, b: Expr) -> Expr {
    let o = catalog
        .operator_exact(None, name, a.ty().oid, b.ty().oid)
        .unwrap_or_else(|| panic!("operator {name} of {} and {}", a.ty().oid, b.ty().oid));
    let mut ty = SqlType::new(o.result);
    let collation = a.ty().collation;
    if o.result == oids::TEXT {
        ty.collation = collation;
    }
    let kind = ExprKind::Operator {
        operator: o.oid,
        function: o.function,
        args: vec![a, b],
        collation,
    };
    Expr::new(kind, ty)
}

pub fn literal(ty: SqlType, rng: &mut Rng) -> Expr {
    let text = match ty.oid {
        oids::INT4 | oids::INT8 => ["0", "1", "2"][rng.below(3)],
        oids::TEXT => ["x", "y"][rng.below(2)],
        oids::NUMERIC if ty.typmod >= 0 => ["1.00", "2.50"][rng.below(2)],
        oids::NUMERIC => ["1.0", "1.00", "2"][rng.below(3)],
        oids::FLOAT8 => ["0.5", "1"][rng.below(2)],
        _ => "t",
    };
    Expr::literal(text, ty)
}

/// A value of a column, out of few.
fn value(ty: SqlType, nullable: bool, rng: &mut Rng) -> Value {
    if nullable && rng.one_in(5) {
        return Value::Null;
    }
    let text = match ty.oid {
        oids::INT4 | oids::INT8 => ["0", "1", "2", "3"][rng.below(4)],
        oids::TEXT => ["x", "y", "z"][rng.below(3)],
        oids::NUMERIC if ty.typmod >= 0 => {
            ["1.00", "2.50", "0.00", "-1.00", "NaN"][if rng.one_in(4) { 4 } else { rng.below(4) }]
        }
        oids::NUMERIC => ["1.0", "1.00", "2", "0"][rng.below(4)],
        _ => ["0.5", "1", "-0", "0.25"][rng.below(4)],
    };
    Value::parse(text, ty).expect("a literal of the tests")
}

/// A database and a change of it: inserts, deletes and updates one after the other, so that a row
/// may come and go within one batch; keys hold all the time. Of some tables there are only inserts.
pub fn world(catalog: &Catalog, rng: &mut Rng, changed: &[Oid], append_only: &[Oid]) -> World {
    let mut world = World::default();
    for oid in TABLES {
        let relation = catalog.relation(oid).expect("a table of the tests");
        let row = |rng: &mut Rng| -> Row {
            let columns = relation.columns.iter();
            columns.map(|c| value(c.ty, !c.not_null, rng)).collect()
        };
        let clashes = |rows: &[Row], new: &Row| {
            relation.keys.iter().any(|k| {
                let part = |r: &Row| -> Row {
                    k.columns
                        .iter()
                        .map(|a| r[*a as usize - 1].clone())
                        .collect()
                };
                let mine = part(new);
                let distinct = !k.nulls_not_distinct && mine.iter().any(Value::is_null);
                !distinct && rows.iter().any(|r| part(r) == mine)
            })
        };
        let mut rows: Vec<Row> = vec![];
        for _ in 0..1 + rng.below(6) {
            let new = row(rng);
            if !clashes(&rows, &new) {
                rows.push(new);
            }
        }
        world
            .old
            .insert(oid, rows.iter().map(|r| (r.clone(), 1)).collect());
        if !changed.contains(&oid) {
            continue;
        }
        let mut log = vec![];
        for _ in 0..rng.below(7) {
            let remove = rng.below(3) != 0 && !rows.is_empty() && !append_only.contains(&oid);
            let removed = remove.then(|| rows.swap_remove(rng.below(rows.len())));
            log.extend(removed.map(|r| (r, -1)));
            if rng.below(3) != 0 {
                let new = row(rng);
                if !clashes(&rows, &new) {
                    log.push((new.clone(), 1));
                    rows.push(new);
                }
            }
        }
        world.delta.insert(oid, Bag(log));
    }
    world
}

pub fn bigint(arg: Expr) -> Expr {
    let cast = ExprKind::Cast {
        arg,
        coercion: Coercion::Function(Oid(481)),
        explicit: true,
    };
    Expr::new(cast, BIG)
}

/// Grows circuits.
pub struct Grower<'a> {
    pub catalog: &'a Catalog,
    pub rng: &'a mut Rng,
    pub circuit: Circuit,
}

impl Grower<'_> {
    pub(super) fn add(&mut self, op: Op, inputs: Vec<NodeId>) -> NodeId {
        self.circuit.add(op, inputs, None).expect("typed growth")
    }

    pub fn column(&mut self, x: NodeId, wanted: impl Fn(SqlType) -> bool) -> Option<Expr> {
        let types = self.circuit.schema(x).to_vec();
        let fit: Vec<usize> = (0..types.len()).filter(|c| wanted(types[*c].ty)).collect();
        (!fit.is_empty()).then(|| {
            let c = *self.rng.pick(&fit);
            Expr::column(c, types[c].ty)
        })
    }

    /// An integer expression; half of them may raise.
    fn integer(&mut self, x: NodeId) -> Expr {
        let atom = |g: &mut Self| {
            g.column(x, |t| t == INT)
                .unwrap_or_else(|| literal(INT, g.rng))
        };
        let a = atom(self);
        match self.rng.below(5) {
            0 => {
                let b = atom(self);
                operator(self.catalog, "/", a, b)
            }
            1 => {
                let b = literal(INT, self.rng);
                operator(self.catalog, "+", a, b)
            }
            2 => {
                let b = literal(INT, self.rng);
                Expr::new(ExprKind::Coalesce(vec![a, b]), INT)
            }
            _ => a,
        }
    }

    pub fn predicate(&mut self, x: NodeId) -> Expr {
        let compare = |g: &mut Self, a: Expr, b: Expr| {
            let name = *g.rng.pick(&["=", "<", ">", "<>", "="]);
            operator(g.catalog, name, a, b)
        };
        match self.rng.below(8) {
            0 | 1 => {
                let a = self.integer(x);
                let b = self.integer(x);
                compare(self, a, b)
            }
            2 => {
                let a = self.predicate(x);
                let b = self.predicate(x);
                Expr::new(ExprKind::And(vec![a, b]), BOOL)
            }
            3 => {
                let a = self.predicate(x);
                let b = self.predicate(x);
                Expr::new(ExprKind::Or(vec![a, b]), BOOL)
            }
            4 => match self.column(x, |_| true) {
                Some(arg) => Expr::new(
                    ExprKind::IsNull {
                        arg,
                        negated: self.rng.one_in(2),
                        row: false,
                    },
                    BOOL,
                ),
                None => Expr::literal("f", BOOL),
            },
            // Equal numerics with two images: a predicate that tells them apart.
            5 => match self.column(x, |t| t.oid == oids::NUMERIC) {
                Some(arg) => {
                    let cast = ExprKind::Cast {
                        arg,
                        coercion: Coercion::InOut,
                        explicit: true,
                    };
                    let text = Expr::new(cast, TEXT);
                    let other = Expr::literal("1.0", TEXT);
                    operator(self.catalog, "=", text, other)
                }
                None => Expr::literal("t", BOOL),
            },
            _ => match self.column(x, |_| true) {
                Some(a) => {
                    let b = literal(a.ty(), self.rng);
                    let plain = Expr::column(
                        0,
                        SqlType {
                            typmod: -1,
                            ..a.ty()
                        },
                    )
                    .ty();
                    let a = if a.ty().typmod >= 0 {
                        Expr::new(
                            ExprKind::Cast {
                                arg: a,
                                coercion: Coercion::Relabel,
                                explicit: false,
                            },
                            plain,
                        )
                    } else {
                        a
                    };
                    compare(self, a, b)
                }
                None => Expr::literal("t", BOOL),
            },
        }
    }

    pub(super) fn map(&mut self, x: NodeId) -> NodeId {
        let types = self.circuit.schema(x).to_vec();
        let mut exprs = vec![];
        for (c, t) in types.iter().enumerate() {
            if self.rng.below(4) != 0 {
                exprs.push(Expr::column(c, t.ty));
            }
        }
        if exprs.is_empty() || self.rng.one_in(3) {
            exprs.push(self.integer(x));
        }
        if self.rng.one_in(3) {
            let n = exprs.len();
            let (i, j) = (self.rng.below(n), self.rng.below(n));
            exprs.swap(i, j);
        }
        exprs.truncate(5);
        self.add(Op::Map(exprs), vec![x])
    }

    /// A semi, anti or left join.
    pub fn half(&mut self, x: NodeId, y: NodeId) -> NodeId {
        let y = match self.rng.below(6) {
            0 => self.add(Op::Distinct, vec![y]),
            1 => self.map(y),
            _ => y,
        };
        let on = self.conditions(&[x, y]);
        let op = match self.rng.below(3) {
            0 => Op::Semi(on),
            1 => Op::Anti(on),
            _ => Op::Left(on),
        };
        self.add(op, vec![x, y])
    }

    pub fn join(&mut self, inputs: Vec<NodeId>) -> NodeId {
        let on = self.conditions(&inputs);
        self.add(Op::Join(on), inputs)
    }

    /// Conditions over the columns of all inputs.
    pub(super) fn conditions(&mut self, inputs: &[NodeId]) -> Vec<Expr> {
        let inputs = inputs.to_vec();
        let cross = self.add(Op::Join(vec![]), inputs.clone());
        let types = self.circuit.schema(cross).to_vec();
        let mut ends = vec![];
        for x in &inputs {
            ends.push(ends.last().copied().unwrap_or(0) + self.circuit.schema(*x).len());
        }
        let mut on = vec![];
        for i in 1..inputs.len() {
            let earlier = 0..ends[i - 1];
            let pairs: Vec<(usize, usize)> = earlier
                .flat_map(|a| (ends[i - 1]..ends[i]).map(move |b| (a, b)))
                .filter(|(a, b)| types[*a].ty == types[*b].ty && types[*a].ty.oid != oids::BOOL)
                .collect();
            if !pairs.is_empty() && self.rng.below(8) != 0 {
                let (a, b) = *self.rng.pick(&pairs);
                let (a, b) = (Expr::column(a, types[a].ty), Expr::column(b, types[b].ty));
                on.push(operator(self.catalog, "=", a, b));
            }
        }
        if self.rng.one_in(3) {
            on.push(self.predicate(cross));
        }
        on
    }

    fn plus(&mut self, depth: usize) -> NodeId {
        let x = self.grow(depth);
        match self.rng.below(4) {
            // Some of the same rows again.
            0 => {
                let p = self.predicate(x);
                let y = self.add(Op::Filter(p), vec![x]);
                self.add(Op::Plus, vec![x, y])
            }
            // EXCEPT ALL of a part.
            1 => {
                let p = self.predicate(x);
                let y = self.add(Op::Filter(p), vec![x]);
                let minus = self.add(Op::Neg, vec![y]);
                self.add(Op::Plus, vec![x, minus])
            }
            // Another collection, cut to shape.
            _ => {
                let y = self.grow(depth);
                let ints = |g: &Self, n: NodeId| -> Vec<Expr> {
                    let types = g.circuit.schema(n);
                    let all = types.iter().enumerate().filter(|(_, t)| t.ty == INT);
                    all.map(|(c, t)| Expr::column(c, t.ty)).collect()
                };
                let (mut a, mut b) = (ints(self, x), ints(self, y));
                let n = a.len().min(b.len()).min(3);
                a.truncate(n);
                b.truncate(n);
                let a = self.add(Op::Map(a), vec![x]);
                let b = self.add(Op::Map(b), vec![y]);
                self.add(Op::Plus, vec![a, b])
            }
        }
    }

    /// Rows as often as a count says, or (where that may raise) as a quotient does.
    fn repeat(&mut self, x: NodeId) -> NodeId {
        let times = match self.column(x, |t| t == BIG) {
            Some(count) if self.rng.below(4) != 0 => count,
            _ => {
                let n = self.integer(x);
                bigint(n)
            }
        };
        self.add(Op::Repeat(times), vec![x])
    }

    /// `generate_series(from, to)`, or with a step.
    pub(super) fn series(args: Vec<Expr>) -> SetFunction {
        let kind = ExprKind::Call {
            function: SERIES[if args.len() == 3 { 2 } else { 0 }],
            args,
            collation: Oid::INVALID,
            variadic: false,
        };
        SetFunction {
            call: Expr::new(kind, INT),
            columns: vec![ColType {
                ty: INT,
                nullable: false,
            }],
            definitions: vec![],
        }
    }

    /// Each row beside a few numbers.
    fn flat_map(&mut self, x: NodeId) -> NodeId {
        let functions: Vec<SetFunction> = (0..1 + usize::from(self.rng.one_in(4)))
            .map(|_| {
                let mut args = vec![literal(INT, self.rng), self.integer(x)];
                if self.rng.one_in(5) {
                    args.push(self.integer(x));
                }
                Self::series(args)
            })
            .collect();
        let inner = FlatMap {
            functions,
            ordinality: self.rng.one_in(3),
            outer: None,
        };
        let rows = self.add(Op::FlatMap(inner.clone()), vec![x]);
        if self.rng.one_in(2) {
            return rows;
        }
        let on = (0..self.rng.below(2)).map(|_| self.predicate(rows));
        let outer = Some(on.collect());
        self.add(Op::FlatMap(FlatMap { outer, ..inner }), vec![x])
    }

    pub(super) fn call(function: Oid, args: Vec<Expr>, ty: SqlType) -> AggCall {
        AggCall {
            function,
            nullable: function != COUNT_VALUES,
            args,
            ty,
            ..count_rows()
        }
    }

    pub(super) fn aggregate(&mut self, x: NodeId) -> NodeId {
        let types = self.circuit.schema(x).to_vec();
        let mut keys: Vec<usize> = (0..types.len()).filter(|_| self.rng.one_in(2)).collect();
        keys.truncate(2);
        let mut aggs = vec![count_rows()];
        for _ in 0..self.rng.below(3) {
            let filter = self.rng.one_in(4).then(|| self.predicate(x));
            let mut some = match self.rng.below(6) {
                0 => {
                    let e = self.integer(x);
                    vec![
                        Self::call(SUM_INT4, vec![e.clone()], BIG),
                        Self::call(COUNT_VALUES, vec![e], BIG),
                    ]
                }
                1 => {
                    let greatest = self.rng.one_in(2);
                    let e = self.integer(x);
                    let f = if greatest { Oid(2116) } else { Oid(2132) };
                    vec![Self::call(f, vec![e], INT)]
                }
                2 => match self.column(x, |t| t.oid == oids::NUMERIC) {
                    Some(e) => vec![
                        Self::call(SUM_NUMERIC, vec![e.clone()], NUMERIC),
                        Self::call(COUNT_VALUES, vec![e], BIG),
                    ],
                    None => vec![],
                },
                3 => match self.column(x, |t| t.oid == oids::TEXT) {
                    Some(e) => vec![Self::call(Oid(2129), vec![e], TEXT)],
                    None => vec![],
                },
                4 => match self.column(x, |t| t == FLOAT) {
                    Some(e) => vec![Self::call(Oid(2111), vec![e], FLOAT)],
                    None => vec![],
                },
                _ => match self.column(x, |t| t == BIG) {
                    Some(e) => vec![
                        Self::call(SUM_INT8, vec![e.clone()], NUMERIC),
                        Self::call(COUNT_VALUES, vec![e], BIG),
                    ],
                    None => vec![],
                },
            };
            for agg in &mut some {
                agg.filter = filter.clone();
            }
            aggs.extend(some);
        }
        self.add(Op::Aggregate(Aggregate { keys, aggs }), vec![x])
    }

    /// The first rows, of all or of each group, in an order that keys may make total.
    fn top_k(&mut self, x: NodeId) -> NodeId {
        let types = self.circuit.schema(x).to_vec();
        let mut keys: Vec<usize> = (0..types.len()).filter(|_| self.rng.one_in(4)).collect();
        keys.truncate(1);
        let mut order = vec![];
        for (i, column) in types.iter().enumerate() {
            let equality = self.catalog.equality(column.ty.oid);
            let Some(equality) = equality.filter(|_| self.rng.below(3) != 0) else {
                continue;
            };
            let by_sum = column.ty == INT && self.rng.one_in(4);
            order.push(SortKey {
                expr: match by_sum {
                    true => self.integer(x),
                    false => Expr::column(i, column.ty),
                },
                operator: match self.rng.one_in(2) {
                    true => equality.lt,
                    false => equality.gt,
                },
                nulls_first: self.rng.one_in(2),
            });
        }
        let t = TopK {
            keys,
            order,
            offset: self.rng.below(3) as u64 / 2,
            limit: Some(1 + self.rng.below(3) as u64).filter(|_| !self.rng.one_in(6)),
            with_ties: self.rng.one_in(4),
            total: false,
        };
        self.add(Op::TopK(t), vec![x])
    }

    /// Recursion that ends: over values that are there already, or upwards.
    fn closure(&mut self, seed: NodeId, x: NodeId) -> NodeId {
        let of_x = self.circuit.schema(x).to_vec();
        let of_seed = self.circuit.schema(seed).to_vec();
        let types: Vec<ColType> = of_seed
            .iter()
            .map(|c| ColType {
                nullable: true,
                ..*c
            })
            .collect();
        let n = types.len();
        let mut all: Vec<ColType> = types.iter().chain(&of_x).copied().collect();
        let along = all.len();
        let mut inputs = vec![seed, x];
        let more = match self.rng.one_in(2) {
            true => self.more_links(&mut all, &mut inputs),
            false => vec![],
        };
        let column = |c: usize| Expr::column(c, all[c].ty);
        let pairs: Vec<(usize, usize)> = (0..n)
            .flat_map(|i| (n..along).map(move |j| (i, j)))
            .filter(|&(i, j)| all[i].ty == all[j].ty)
            .collect();
        let mut on = vec![];
        if !pairs.is_empty() && !self.rng.one_in(10) {
            let (i, j) = *self.rng.pick(&pairs);
            if self.catalog.equality(all[i].ty.oid).is_some() {
                on.push(operator(self.catalog, "=", column(i), column(j)));
            }
        }
        let mut map = vec![];
        for ty in &types {
            let fitting: Vec<usize> = (0..all.len()).filter(|c| all[*c].ty == ty.ty).collect();
            map.push(column(*self.rng.pick(&fitting)));
        }
        let alike = types.iter().all(|c| self.catalog.image_equality(c.ty));
        let distinct = alike && !self.rng.one_in(3);
        if !distinct {
            let Some((i, j)) = pairs.into_iter().find(|(i, _)| all[*i].ty == INT) else {
                return seed;
            };
            on.push(operator(self.catalog, "<", column(i), column(j)));
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
        self.add(Op::Closure(closure), inputs)
    }

    /// A left join, of which only what has no match goes on, at times; a join; functions.
    fn more_links(&mut self, all: &mut Vec<ColType>, inputs: &mut Vec<NodeId>) -> Vec<Link> {
        let mut links = vec![];
        for _ in 0..1 + self.rng.below(2) {
            let start = all.len();
            let number = (0..start).find(|c| all[*c].ty == INT);
            if let Some(number) = number.filter(|_| self.rng.one_in(5)) {
                let kind = ExprKind::MinMax {
                    greatest: false,
                    args: vec![Expr::column(number, INT), Expr::literal("2", INT)],
                    collation: Oid::INVALID,
                };
                let least = Expr::new(kind, INT);
                let f = FlatMap {
                    functions: vec![Self::series(vec![Expr::literal("1", INT), least])],
                    ordinality: false,
                    outer: self.rng.one_in(2).then(Vec::new),
                };
                all.extend(f.made());
                links.push(Link::FlatMap(f));
                continue;
            }
            let y = self.grow(0);
            let of_y = self.circuit.schema(y).to_vec();
            let pairs: Vec<(usize, usize)> = (0..start)
                .flat_map(|i| (0..of_y.len()).map(move |j| (i, start + j)))
                .filter(|&(i, j)| all[i].ty == of_y[j - start].ty)
                .filter(|&(i, _)| self.catalog.equality(all[i].ty.oid).is_some())
                .collect();
            if pairs.is_empty() {
                continue;
            }
            let (i, j) = *self.rng.pick(&pairs);
            inputs.push(y);
            let is_left = !self.rng.one_in(4);
            all.extend(of_y.iter().map(|c| ColType {
                nullable: c.nullable || is_left,
                ..*c
            }));
            let column = |c: usize| Expr::column(c, all[c].ty);
            let on = vec![operator(self.catalog, "=", column(i), column(j))];
            links.push(match is_left {
                true => Link::Left(on),
                false => Link::Join(on),
            });
            if is_left && self.rng.one_in(2) {
                let kind = ExprKind::IsNull {
                    arg: column(j),
                    negated: false,
                    row: false,
                };
                links.push(Link::Filter(vec![Expr::new(
                    kind,
                    SqlType::new(oids::BOOL),
                )]));
            }
        }
        links
    }

    /// Window functions of two kinds: those that ask how ties are put in order, and others.
    pub fn window(&mut self, x: NodeId) -> NodeId {
        let types = self.circuit.schema(x).to_vec();
        let mut partition: Vec<usize> = (0..types.len()).filter(|_| self.rng.one_in(3)).collect();
        partition.truncate(2);
        let mut order = vec![];
        for (i, column) in types.iter().enumerate() {
            let equality = self.catalog.equality(column.ty.oid);
            if let Some(equality) = equality.filter(|_| self.rng.one_in(2)) {
                order.push(SortKey {
                    expr: Expr::column(i, column.ty),
                    operator: match self.rng.one_in(2) {
                        true => equality.lt,
                        false => equality.gt,
                    },
                    nulls_first: self.rng.one_in(2),
                });
            }
        }
        let frame = |mode, start, end| Frame {
            mode,
            start,
            end,
            exclude: Exclusion::Nothing,
        };
        use Bound::{CurrentRow, Following, Preceding, UnboundedFollowing, UnboundedPreceding};
        let running = frame(FrameMode::Rows, UnboundedPreceding, CurrentRow);
        let behind = frame(FrameMode::Rows, CurrentRow, UnboundedFollowing);
        let peers = frame(FrameMode::Groups, CurrentRow, CurrentRow);
        let all = frame(FrameMode::Rows, UnboundedPreceding, UnboundedFollowing);
        let one = |n: &str| Expr::literal(n, BIG);
        let near = frame(FrameMode::Rows, Preceding(one("1")), Following(one("1")));
        let ahead = frame(FrameMode::Rows, Following(one("1")), Following(one("2")));
        let int8 = SqlType::new(oids::INT8);
        let call =
            |function: u32, args: Vec<Expr>, frame: &Frame, ty: SqlType, by_image| WindowCall {
                function: Oid(function),
                args,
                variadic: false,
                filter: None,
                frame: frame.clone(),
                ty,
                collation: Oid::INVALID,
                nullable: function > 3102,
                by_image,
            };
        let plain = Frame::default();
        let number = self.integer(x);
        let sum = self.column(x, |t| t.oid == oids::NUMERIC);
        let around = Frame {
            exclude: Exclusion::Ties,
            ..near.clone()
        };
        // Numbers of rows, that something above can cut off, more often than others.
        let chosen = match self.rng.one_in(5) {
            true => self.rng.below(2),
            false => self.rng.below(19),
        };
        let mut calls = vec![match chosen {
            0 => call(3100, vec![], &plain, int8, true),
            1 => call(3101, vec![], &plain, int8, false),
            2 => call(COUNT_ROWS.0, vec![], &peers, int8, false),
            3 => call(COUNT_ROWS.0, vec![], &running, int8, true),
            4 => call(3112, vec![number], &behind, INT, true),
            5 => call(SUM_INT4.0, vec![number], &plain, int8, false),
            6 => match sum {
                Some(sum) => call(SUM_NUMERIC.0, vec![sum], &running, NUMERIC, true),
                None => call(SUM_INT4.0, vec![number], &running, int8, true),
            },
            7 => call(2132, vec![number], &plain, INT, false),
            8 => call(2116, vec![number], &peers, INT, false),
            9 => call(3106, vec![number], &plain, INT, true),
            10 => {
                let offset = Expr::literal(["2", "-1", "0"][self.rng.below(3)], INT);
                call(3107, vec![number, offset], &plain, INT, true)
            }
            11 => call(3109, vec![number], &plain, INT, true),
            12 => call(COUNT_ROWS.0, vec![], &near, int8, true),
            13 => call(SUM_INT4.0, vec![number], &ahead, int8, true),
            14 => call(3112, vec![number], &running, INT, true),
            15 => call(3113, vec![number], &plain, INT, true),
            16 => call(3112, vec![number], &around, INT, true),
            17 => call(3113, vec![number], &peers, INT, true),
            _ => call(COUNT_ROWS.0, vec![], &all, int8, false),
        }];
        if self.rng.one_in(3) {
            calls.push(call(3100, vec![], &plain, int8, true));
        }
        if self.rng.one_in(3) {
            calls.push(call(3102, vec![], &plain, int8, false));
        }
        for call in &mut calls {
            let counts = [COUNT_ROWS, COUNT_VALUES].contains(&call.function);
            call.nullable = !counts && !(3100..=3102).contains(&call.function.0);
        }
        let window = Window {
            partition,
            order,
            calls,
        };
        self.add(Op::Window(window), vec![x])
    }

    /// Rows over a window, of which some are cut off by a number, at times.
    fn numbered(&mut self, x: NodeId) -> NodeId {
        let at = self.circuit.schema(x).len();
        let rows = self.window(x);
        if self.circuit.schema(rows)[at].ty != BIG || self.rng.one_in(3) {
            return rows;
        }
        let number = Expr::column(at, BIG);
        let bound = literal(BIG, self.rng);
        let name = *self.rng.pick(&["<", "<=", "<=", "=", ">="]);
        let mut p = match self.rng.one_in(4) {
            true => operator(self.catalog, name, bound, number),
            false => operator(self.catalog, name, number, bound),
        };
        if self.rng.one_in(3) {
            let other = self.predicate(rows);
            p = Expr::new(ExprKind::And(vec![p, other]), BOOL);
        }
        self.add(Op::Filter(p), vec![rows])
    }

    /// Something on top that rules have to get through.
    pub fn cover(&mut self, x: NodeId) -> NodeId {
        let below = match self.rng.below(16) {
            12 | 13 => self.flat_map(x),
            9 | 10 => {
                let y = self.grow(0);
                self.half(x, y)
            }
            0 => return x,
            11 => self.repeat(x),
            14 => self.top_k(x),
            15 => self.window(x),
            1 => {
                let neg = self.add(Op::Neg, vec![x]);
                return self.add(Op::Neg, vec![neg]);
            }
            2 => {
                let twice = self.add(Op::Plus, vec![x, x]);
                return self.add(Op::Plus, vec![twice, x]);
            }
            3 => self.add(Op::Neg, vec![x]),
            4 => self.add(Op::Distinct, vec![x]),
            5 => self.aggregate(x),
            6 => {
                let y = self.grow(0);
                self.join(vec![x, y])
            }
            7 => {
                let p = self.predicate(x);
                self.add(Op::Join(vec![p]), vec![x])
            }
            _ => {
                let p = self.predicate(x);
                self.add(Op::Filter(p), vec![x])
            }
        };
        let p = self.predicate(below);
        self.add(Op::Filter(p), vec![below])
    }

    pub fn grow(&mut self, depth: usize) -> NodeId {
        if depth == 0 {
            if self.rng.one_in(12) {
                let rows = (0..self.rng.below(3))
                    .map(|_| vec![literal(INT, self.rng), literal(TEXT, self.rng)])
                    .collect();
                let types = [INT, TEXT].map(|ty| ColType {
                    ty,
                    nullable: false,
                });
                return self.add(
                    Op::Constant(Constant {
                        types: types.to_vec(),
                        rows,
                    }),
                    vec![],
                );
            }
            let oid = *self.rng.pick(&TABLES);
            return self.add(source(self.catalog, oid), vec![]);
        }
        let below = depth - 1;
        match self.rng.below(23) {
            20..=22 => {
                let seed = self.grow(below.min(1));
                let seed = self.map(seed);
                let x = self.grow(below.min(1));
                self.closure(seed, x)
            }
            18 | 19 => {
                let x = self.grow(below);
                let rows = self.numbered(x);
                self.map(rows)
            }
            15 => {
                let x = self.grow(below);
                let rows = self.flat_map(x);
                self.map(rows)
            }
            16 | 17 => {
                let x = self.grow(below);
                self.top_k(x)
            }
            12..=14 => {
                let x = self.grow(below);
                let depth = self.rng.below(depth);
                let y = self.grow(depth);
                let join = self.half(x, y);
                if self.circuit.schema(join).len() > 6 {
                    return self.map(join);
                }
                join
            }
            0 | 1 => {
                let x = self.grow(below);
                self.map(x)
            }
            2 | 3 => {
                let x = self.grow(below);
                let p = self.predicate(x);
                self.add(Op::Filter(p), vec![x])
            }
            4..=6 => {
                let n = 2 + usize::from(self.rng.one_in(3));
                let inputs = (0..n)
                    .map(|_| {
                        let depth = self.rng.below(depth);
                        self.grow(depth)
                    })
                    .collect();
                let x = self.join(inputs);
                if self.circuit.schema(x).len() > 6 {
                    return self.map(x);
                }
                x
            }
            7 => self.plus(below.min(1)),
            8 => {
                let x = self.grow(below);
                self.add(Op::Distinct, vec![x])
            }
            9 | 10 => {
                let x = self.grow(below);
                self.aggregate(x)
            }
            _ => self.grow(below),
        }
    }
}

/// Some of the tables.
pub fn some_tables(rng: &mut Rng) -> Vec<Oid> {
    TABLES.into_iter().filter(|_| rng.below(3) != 0).collect()
}

/// How often each thing happened, for "at least so many" at the end of a run.
#[derive(Debug, Default)]
pub struct Tally(pub BTreeMap<String, usize>);

impl Tally {
    pub fn count(&mut self, what: &str) {
        *self.0.entry(what.to_owned()).or_default() += 1;
    }

    pub fn of(&self, what: &str) -> usize {
        self.0.get(what).copied().unwrap_or(0)
    }
}
