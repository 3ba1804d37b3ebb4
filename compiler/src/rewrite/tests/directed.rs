//! Circuits that guards of rules are there for, and that chance hardly finds.

use super::random::{
    BIG, BOOL, Grower, INT, MONEY, NUMERIC, R, S, T, TEXT, U, bigint, operator, source,
};
use crate::rewrite::rules::distinct::count_rows;
use spec::expr::{Coercion, ExprKind};
use spec::fold::{COUNT_VALUES, SUM_INT4, SUM_NUMERIC};
use spec::op::{Aggregate, FlatMap};
use spec::{Expr, NodeId, Op};

/// How many directed circuits there are.
pub const DIRECTED: usize = 26;

impl Grower<'_> {
    /// Circuits that guards are there for, which chance hardly finds. The last one is
    /// `DIRECTED - 1`.
    pub fn directed(&mut self, which: usize) -> NodeId {
        let shows_image = |g: &Self, column: usize| {
            let cast = ExprKind::Cast {
                arg: Expr::column(column, NUMERIC),
                coercion: Coercion::InOut,
                explicit: true,
            };
            let text = Expr::new(cast, TEXT);
            operator(g.catalog, "=", text, Expr::literal("1.0", TEXT))
        };
        let quotient = |g: &Self, column: usize| {
            let (one, by) = (Expr::literal("1", INT), Expr::column(column, INT));
            let quotient = operator(g.catalog, "/", one, by);
            operator(g.catalog, "=", quotient, Expr::literal("1", INT))
        };
        let zero = |g: &Self, column: usize| {
            let column = Expr::column(column, INT);
            operator(g.catalog, "=", column, Expr::literal("0", INT))
        };
        let table = *self.rng.pick(&[R, S]);
        let x = self.add(source(self.catalog, table), vec![]);
        let r = self.add(source(self.catalog, R), vec![]);
        let t = self.add(source(self.catalog, T), vec![]);
        match which {
            // A NaN that leaves a sum.
            0 => {
                let money = Expr::column(2, MONEY);
                let aggs = vec![
                    count_rows(),
                    Self::call(SUM_NUMERIC, vec![money.clone()], NUMERIC),
                    Self::call(COUNT_VALUES, vec![money], BIG),
                ];
                let keys = vec![1];
                self.add(Op::Aggregate(Aggregate { keys, aggs }), vec![t])
            }
            // A predicate that tells the images of one group apart.
            1 => {
                let column = vec![Expr::column(3, NUMERIC)];
                let column = self.add(Op::Map(column), vec![r]);
                let distinct = self.add(Op::Distinct, vec![column]);
                let p = shows_image(self, 0);
                self.add(Op::Filter(p), vec![distinct])
            }
            2 => {
                let (keys, aggs) = (vec![3], vec![count_rows()]);
                let groups = self.add(Op::Aggregate(Aggregate { keys, aggs }), vec![r]);
                let p = shows_image(self, 0);
                self.add(Op::Filter(p), vec![groups])
            }
            // Negative rows under a distinct.
            3 => {
                let p = self.predicate(x);
                let part = self.add(Op::Filter(p), vec![x]);
                let neg = self.add(Op::Neg, vec![x]);
                let sum = self.add(Op::Plus, vec![part, neg]);
                self.add(Op::Distinct, vec![sum])
            }
            4 => {
                let neg = self.add(Op::Neg, vec![r]);
                self.add(Op::Distinct, vec![neg])
            }
            // A filter that raises on rows that cancel.
            5 => {
                let p = zero(self, 0);
                let zeros = self.add(Op::Filter(p), vec![x]);
                let neg = self.add(Op::Neg, vec![zeros]);
                let others = self.add(Op::Plus, vec![x, neg]);
                let p = quotient(self, 0);
                self.add(Op::Filter(p), vec![others])
            }
            // Expressions that raise on rows that a join, or a filter, keeps out.
            6 => {
                let p = zero(self, 0);
                let p = Expr::new(ExprKind::Not(p), BOOL);
                let nonzero = self.add(Op::Filter(p), vec![x]);
                let types = self.circuit.schema(x).to_vec();
                let equal = operator(
                    self.catalog,
                    "=",
                    Expr::column(1, INT),
                    Expr::column(types.len(), INT),
                );
                let join = self.add(Op::Join(vec![equal]), vec![nonzero, t]);
                let quotient = quotient(self, 0);
                let quotient = self.add(Op::Filter(quotient), vec![join]);
                self.map(quotient)
            }
            // An Old that raises on pairs of rows that were never there together.
            7 => {
                let width = self.circuit.schema(x).len();
                let equal = |g: &Self, a: usize, b: usize| {
                    let (a, b) = (Expr::column(a, INT), Expr::column(b, INT));
                    operator(g.catalog, "=", a, b)
                };
                let on = equal(self, 1, width);
                let pairs = self.add(Op::Join(vec![on]), vec![x, t]);
                let quotient = quotient(self, width + 1);
                let some = self.add(Op::Filter(quotient), vec![pairs]);
                let s = self.add(source(self.catalog, S), vec![]);
                let on = equal(self, 0, self.circuit.schema(some).len() + 1);
                self.add(Op::Join(vec![on]), vec![some, s])
            }
            // Conditions of semi, anti and left joins that raise on pairs that never were.
            8 | 9 => {
                let width = self.circuit.schema(x).len();
                let equal = |g: &Self, a: usize, b: usize| {
                    let (a, b) = (Expr::column(a, INT), Expr::column(b, INT));
                    operator(g.catalog, "=", a, b)
                };
                let (a, b) = (Expr::column(0, INT), Expr::column(width + 1, INT));
                let dividend = operator(self.catalog, "/", a, b);
                let one = Expr::literal("1", INT);
                // Of both sides, of y or of x alone.
                let raises = match self.rng.below(3) {
                    0 => operator(self.catalog, "=", dividend, one),
                    1 => quotient(self, width + 1),
                    _ => quotient(self, 0),
                };
                let mut on = vec![equal(self, 1, width), raises];
                if self.rng.one_in(4) {
                    on.remove(0);
                }
                let op = match self.rng.below(3) {
                    0 => Op::Semi(on),
                    1 => Op::Anti(on),
                    _ => Op::Left(on),
                };
                let y = if self.rng.one_in(2) { t } else { r };
                self.add(op, vec![x, y])
            }
            // What only a match shows not to be NULL.
            10 => {
                let width = self.circuit.schema(x).len();
                let (a, b) = (Expr::column(1, INT), Expr::column(width, INT));
                let on = vec![operator(self.catalog, "=", a, b)];
                let y = if self.rng.one_in(2) { t } else { r };
                let left = self.add(Op::Left(on), vec![x, y]);
                let which = width + self.rng.below(2);
                let null = ExprKind::IsNull {
                    arg: Expr::column(which, INT),
                    negated: self.rng.one_in(3),
                    row: false,
                };
                self.add(Op::Filter(Expr::new(null, BOOL)), vec![left])
            }
            // A join that a padded row does not survive.
            12 => {
                let width = self.circuit.schema(x).len();
                let equal = |g: &Self, a: usize, b: usize| {
                    let (a, b) = (Expr::column(a, INT), Expr::column(b, INT));
                    operator(g.catalog, "=", a, b)
                };
                let on = vec![equal(self, 1, width)];
                let left = self.add(Op::Left(on), vec![x, t]);
                let on = vec![equal(self, width + 1, width + 4)];
                let join = self.add(Op::Join(on), vec![left, r]);
                self.map(join)
            }
            // A condition that tells the images of one distinct row apart.
            15 => {
                let column = vec![Expr::column(3, NUMERIC)];
                let column = self.add(Op::Map(column), vec![r]);
                let distinct = self.add(Op::Distinct, vec![column]);
                let width = self.circuit.schema(x).len();
                let on = vec![shows_image(self, width)];
                let op = if self.rng.one_in(2) {
                    Op::Semi(on)
                } else {
                    Op::Anti(on)
                };
                self.add(op, vec![x, distinct])
            }
            // Rows of negative weight under a distinct, and equal ones of positive weight beside
            // them: none of them is there.
            14 => {
                let some = vec![Expr::column(0, INT), Expr::column(1, INT)];
                let s = self.add(source(self.catalog, S), vec![]);
                let part = self.add(Op::Map(some), vec![s]);
                let neg = self.add(Op::Neg, vec![part]);
                let distinct = self.add(Op::Distinct, vec![neg]);
                let width = self.circuit.schema(x).len();
                let p = zero(self, 0);
                let y = match self.rng.below(3) {
                    0 => distinct,
                    _ => {
                        let twice = self.add(Op::Plus, vec![part, part, neg]);
                        let p = self.add(Op::Filter(p), vec![neg]);
                        let sum = self.add(Op::Plus, vec![twice, p, p]);
                        self.add(Op::Distinct, vec![sum])
                    }
                };
                let (a, b) = (Expr::column(1, INT), Expr::column(width + 1, INT));
                let on = vec![operator(self.catalog, "=", a, b)];
                let op = if self.rng.one_in(2) {
                    Op::Semi(on)
                } else {
                    Op::Anti(on)
                };
                self.add(op, vec![x, y])
            }
            // NULL in the key of y.
            11 => {
                let u = self.add(source(self.catalog, U), vec![]);
                let y = *self.rng.pick(&[r, t, u]);
                let on = self.conditions(&[x, y]);
                let semi = self.add(Op::Semi(on), vec![x, y]);
                self.map(semi)
            }
            // Rows as often as a quotient says that raises on pairs that never were.
            16 => {
                let width = self.circuit.schema(x).len();
                let (a, b) = (Expr::column(1, INT), Expr::column(width, INT));
                let on = operator(self.catalog, "=", a, b);
                let pairs = self.add(Op::Join(vec![on]), vec![x, t]);
                let (a, b) = (Expr::column(0, INT), Expr::column(width + 1, INT));
                let times = bigint(operator(self.catalog, "/", a, b));
                self.add(Op::Repeat(times), vec![pairs])
            }
            // Rows made of a quotient that raises on pairs that never were.
            17 => {
                let width = self.circuit.schema(x).len();
                let (a, b) = (Expr::column(1, INT), Expr::column(width, INT));
                let on = operator(self.catalog, "=", a, b);
                let pairs = self.add(Op::Join(vec![on]), vec![x, t]);
                let (a, b) = (Expr::column(0, INT), Expr::column(width + 1, INT));
                let last = operator(self.catalog, "/", a, b);
                let rows = FlatMap {
                    functions: vec![Self::series(vec![Expr::literal("1", INT), last])],
                    ordinality: false,
                    outer: None,
                };
                self.add(Op::FlatMap(rows), vec![pairs])
            }
            // A filter that raises on rows of which nothing is made.
            18 => {
                let rows = FlatMap {
                    functions: vec![Self::series(vec![
                        Expr::literal("1", INT),
                        Expr::column(1, INT),
                    ])],
                    ordinality: false,
                    outer: None,
                };
                let rows = self.add(Op::FlatMap(rows), vec![x]);
                let p = quotient(self, 1);
                self.add(Op::Filter(p), vec![rows])
            }
            // What only a row that is made shows not to be NULL; and a filter that raises where the
            // conditions are not true.
            19..=22 => {
                let width = self.circuit.schema(x).len();
                let (made, other) = (Expr::column(width, INT), Expr::column(1, INT));
                let rows = FlatMap {
                    functions: vec![Self::series(vec![
                        Expr::literal("0", INT),
                        Expr::literal("2", INT),
                    ])],
                    ordinality: false,
                    outer: Some(vec![operator(self.catalog, "<", other, made.clone())]),
                };
                let rows = self.add(Op::FlatMap(rows), vec![x]);
                let p = match self.rng.below(3) {
                    0 => quotient(self, width),
                    n => {
                        let null = ExprKind::IsNull {
                            arg: made,
                            negated: n == 1,
                            row: false,
                        };
                        Expr::new(null, BOOL)
                    }
                };
                self.add(Op::Filter(p), vec![rows])
            }
            // Rows as often as they were counted, grouped and joined again.
            13 => {
                let (keys, aggs) = (vec![1], vec![count_rows()]);
                let counted = self.add(Op::Aggregate(Aggregate { keys, aggs }), vec![x]);
                let count = Expr::column(1, BIG);
                let repeated = self.add(Op::Repeat(count), vec![counted]);
                match self.rng.below(4) {
                    0 => self.aggregate(repeated),
                    1 => self.add(Op::Distinct, vec![repeated]),
                    _ => self.join(vec![repeated, t]),
                }
            }
            // Windows that are the result, of which all that they look at comes out.
            23 | 24 => {
                let x = match self.rng.below(4) {
                    0 => self.join(vec![x, t]),
                    1 => self.aggregate(x),
                    _ => x,
                };
                let window = self.window(x);
                if self.rng.one_in(2) {
                    return window;
                }
                let types = self.circuit.schema(window).to_vec();
                let mut turned: Vec<Expr> = Expr::of_columns(&types, 0).collect();
                turned.reverse();
                self.add(Op::Map(turned), vec![window])
            }
            _ => {
                let (a, b) = (Expr::column(0, INT), Expr::column(1, INT));
                let quotient = operator(self.catalog, "/", a, b);
                let aggs = vec![
                    count_rows(),
                    Self::call(SUM_INT4, vec![quotient.clone()], BIG),
                    Self::call(COUNT_VALUES, vec![quotient], BIG),
                ];
                let (keys, p) = (vec![2], zero(self, 1));
                let p = Expr::new(ExprKind::Not(p), BOOL);
                let nonzero = self.add(Op::Filter(p), vec![x]);
                self.add(Op::Aggregate(Aggregate { keys, aggs }), vec![nonzero])
            }
        }
    }
}
