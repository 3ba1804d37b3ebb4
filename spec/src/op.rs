//! The operators of the algebra: payload only; inputs are the children of the node that carries
//! them ([`crate::circuit::Circuit`] here, e-nodes in the compiler).
//!
//! A collection is a Z-set: rows with integer weights. Row identity inside the algebra is by
//! *image* (the exact bytes of each value); grouping and joining use SQL equality as PostgreSQL
//! does. Old and New are non-negative everywhere; a Delta is a general Z-set.

use crate::expr::Expr;
use crate::null;
use crate::types::{ColType, Oid, SqlType, oids};
use crate::window::{Window, WindowStep};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// A base table (or stream table) with all its live columns, in attnum order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Source {
    pub relation: Oid,
    pub attnums: Vec<i16>,
    pub types: Vec<ColType>,
}

/// Literal rows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Constant {
    pub types: Vec<ColType>,
    /// Constant expressions (no columns).
    pub rows: Vec<Vec<Expr>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SortKey {
    pub expr: Expr,
    /// The `<` or `>` operator.
    pub operator: Oid,
    pub nulls_first: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AggCall {
    /// The aggregate's `pg_proc` OID.
    pub function: Oid,
    /// Empty for `count(*)`; the direct arguments of an ordered-set aggregate.
    pub args: Vec<Expr>,
    /// The last argument is passed as `VARIADIC array`.
    pub variadic: bool,
    pub distinct: bool,
    /// For an ordered-set aggregate, what stands in WITHIN GROUP.
    pub order_by: Vec<SortKey>,
    pub filter: Option<Expr>,
    pub ty: SqlType,
    /// Input collation.
    pub collation: Oid,
    /// The result is NULL for some group that exists.
    pub nullable: bool,
}

/// `SELECT keys…, aggs… GROUP BY keys`; output columns are the keys, then the aggregates.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Aggregate {
    /// Input columns. Without any, and only then, there is exactly one group, also over nothing.
    pub keys: Vec<usize>,
    pub aggs: Vec<AggCall>,
}

/// A function in FROM (or in a SELECT list): what it makes of one row of the input is a list of rows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SetFunction {
    /// The call, over the input. A call of a function that returns no set makes one row; where the
    /// function is one of SQL's syntax, such as JSON_TABLE, it is verbatim text.
    pub call: Expr,
    pub columns: Vec<ColType>,
    /// The names in its column definition list, `AS (a int, …)`; empty if it needs none.
    pub definitions: Vec<Arc<str>>,
}

/// `ROWS FROM (f(…), g(…), …)`: the rows of all functions side by side, those of the shorter lists
/// padded with NULLs. Output columns are those of the input, those of the functions, and the
/// ordinality.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FlatMap {
    pub functions: Vec<SetFunction>,
    /// WITH ORDINALITY: which of the rows it is, from 1.
    pub ordinality: bool,
    /// `LEFT JOIN LATERAL … ON on`, over the output columns: only rows on which all conjuncts are
    /// true are made, and a row of the input of which none is made is there once, with NULLs.
    pub outer: Option<Vec<Expr>>,
}

impl FlatMap {
    /// The types of the columns behind those of the input.
    pub fn made(&self) -> Vec<ColType> {
        let padded = self.functions.len() > 1 || self.outer.is_some();
        let of_functions = self.functions.iter().flat_map(|f| &f.columns);
        let of_functions = of_functions.map(|c| ColType {
            nullable: c.nullable || padded,
            ..*c
        });
        let ordinality = self.ordinality.then_some(ColType {
            ty: SqlType::new(oids::INT8),
            nullable: self.outer.is_some(),
        });
        of_functions.chain(ordinality).collect()
    }

    /// All expressions over the input alone.
    pub fn calls(&self) -> impl Iterator<Item = &Expr> {
        self.functions.iter().map(|f| &f.call)
    }

    /// The same of an input that has `to` columns where it had `from`, with its expressions
    /// replaced.
    pub fn over(&self, from: usize, to: usize, f: &mut impl FnMut(&Expr) -> Expr) -> FlatMap {
        let functions = self.functions.iter().map(|function| SetFunction {
            call: f(&function.call),
            ..function.clone()
        });
        let functions = functions.collect();
        let outer = self.outer.as_ref().map(|on| {
            let over = |c: &Expr| {
                c.substitute(&mut |column, ty| match column.checked_sub(from) {
                    Some(made) => Expr::column(to + made, ty),
                    None => f(&Expr::column(column, ty)),
                })
            };
            on.iter().map(over).collect()
        });
        FlatMap {
            functions,
            ordinality: self.ordinality,
            outer,
        }
    }
}

/// Of each group the first rows in an order: ORDER BY … LIMIT, DISTINCT ON.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TopK {
    /// Input columns; rows that agree on them (NULL with NULL) are a group. Without any, all are.
    pub keys: Vec<usize>,
    pub order: Vec<SortKey>,
    pub offset: u64,
    /// None: all rows behind the offset.
    pub limit: Option<u64>,
    /// The rows, too, that are tied with the last one.
    pub with_ties: bool,
    /// The order leaves no two rows of a group tied.
    pub total: bool,
}

/// The first rows in an order, and some more, kept so that rows which leave seldom make a refresh read
/// for others. An operator with a memory:
///
/// ```text
/// Old(reserve x)   the first rows of Old(x), `least` at least and `most` at most (all, if x has fewer)
/// New(reserve x)   the same of New(x), as many as are left of Old(reserve x) with the change; the
///                  first `most` of New(x) where that is fewer than `least`
/// ```
///
/// So the first `least` rows of it are those of x, and nothing more may be asked of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reserve {
    pub order: Vec<SortKey>,
    pub least: u64,
    pub most: u64,
    /// The rows, too, that are tied with the last one.
    pub with_ties: bool,
    /// The order leaves no two rows tied.
    pub total: bool,
}

/// What follows a place in each of a few groups. Inputs (x, places): a row of `places` is the keys of a
/// group and a value of what `by` sorts, the place; no two are of one group.
///
/// ```text
/// Suffix(x, places)   the rows of x of these groups that stand at the place of their group or behind
/// ```
///
/// Where a row stands is told by `by` alone: rows with one value of it are never torn apart. Linear in
/// x.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Suffix {
    /// Input columns.
    pub keys: Vec<usize>,
    /// A column.
    pub by: SortKey,
}

/// What comes before a place in each of a few groups. Inputs (x, places) as of [`Suffix`] by the first
/// key of the order, which is a column. x must be a multiset.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Last {
    /// Input columns.
    pub keys: Vec<usize>,
    pub order: Vec<SortKey>,
    /// So many rows, the last ones before the place.
    pub limit: u64,
    /// One more column: how many rows before the place are tied with it in so many keys of the order
    /// (itself among them). Of the very last row only.
    pub ties: Option<usize>,
    /// Nothing that is read depends on how ties are broken; else it is by image.
    pub total: bool,
}

/// Recursion. What is reached from `seed` by steps, each of which goes along a chain of links: the
/// least r such that
///
/// ```text
/// r = seed ⊎ Map(map)(l_n(… l_1(r)))                WITH RECURSIVE … UNION ALL
/// r = distinct(seed ∪ Map(map)(l_n(… l_1(r))))      WITH RECURSIVE … UNION
/// r = the same, without the rows of known ∖ gone    inputs (seed, x…, known, gone)
/// ```
///
/// for links l, whose inputs are x…, in their order. The inputs must not be negative once they are
/// consolidated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Closure {
    pub links: Vec<Link>,
    /// Over the columns of r, then of all links; one for each column of r.
    pub map: Vec<Expr>,
    /// Of the columns of r.
    pub types: Vec<ColType>,
    /// UNION: rows are told apart by SQL equality, and each is reached once.
    pub distinct: bool,
    /// The seed is a change: what is reached is taken to be few. (Nothing else depends on it.)
    pub change: bool,
}

/// What a step does with its rows, linear in them. Its own columns stand behind those before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Link {
    /// With the next input, on conjuncts over the columns before, then its own.
    Join(Vec<Expr>),
    /// The same, as a LEFT JOIN.
    Left(Vec<Expr>),
    FlatMap(FlatMap),
    /// Keeps the rows on which all conjuncts are true.
    Filter(Vec<Expr>),
}

/// A stored collection, read as it was before this refresh (its old state).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct State {
    pub id: StoredId,
    pub types: Vec<ColType>,
}

/// Names a stored collection of a stream table; 0 is the stream table itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoredId(pub u32);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Op {
    // ---- the circuit of a query ------------------------------------------------------------
    /// No input.
    Source(Source),
    /// No input.
    Constant(Constant),
    /// One input. Row ↦ (e₁(row), …); weights stay.
    Map(Vec<Expr>),
    /// One input. Keeps rows on which the predicate is true.
    Filter(Expr),
    /// n ≥ 1 inputs. The product of all inputs (weights multiply), keeping rows on which every
    /// conjunct, over the concatenated columns, is true.
    Join(Vec<Expr>),
    /// Inputs (x, y). The rows of x that match: for which there are rows of y, of a positive weight
    /// in all, such that every conjunct, over the columns of x, then of y, is true. Linear in x.
    Semi(Vec<Expr>),
    /// Inputs (x, y). The rows of x that do not match: `x − Semi(x, y)`.
    Anti(Vec<Expr>),
    /// Inputs (x, y). LEFT JOIN: `Join(x, y)`, and the rows of `Anti(x, y)` with NULL for the columns
    /// of y.
    Left(Vec<Expr>),
    /// n ≥ 1 inputs of the same types. Weights add.
    Plus,
    /// One input. Weights change sign.
    Neg,
    /// One input. Each row of positive weight once, by SQL equality (which of several equal images
    /// is not fixed).
    Distinct,
    /// One input.
    Aggregate(Aggregate),
    /// One input.
    TopK(TopK),
    /// One input.
    Reserve(Reserve),
    /// One input, of non-negative weights. Each row, with the value of each call on it.
    Window(Window),
    /// One input. A row of weight w becomes one of weight w·n, for n the value of this bigint
    /// expression over it; where that is not positive (or NULL) the row is dropped.
    Repeat(Expr),
    /// One input. Each row beside each of the rows that functions make of it; weights stay.
    FlatMap(FlatMap),
    /// Inputs (seed, x…), or (seed, x…, known, gone).
    Closure(Closure),

    // ---- epochs ------------------------------------------------------------------------------
    /// The input after this refresh (`I` in DBSP).
    New,
    /// The input before this refresh (`z⁻¹ I`).
    Old,
    /// New − Old (`D`).
    Delta,

    // ---- incremental terms -------------------------------------------------------------------
    /// No input. `Old` of a stored collection.
    State(State),
    /// Inputs (x, keys): the rows of x whose columns `cols` match a row of the *set* `keys`
    /// (`cols.len()` columns), NULL matching NULL. keys is small; x is found through indexes.
    Probe(Vec<usize>),
    /// Inputs (x, places): see [`Suffix`].
    Suffix(Suffix),
    /// Inputs (x, places): see [`Last`].
    Last(Last),
    /// Inputs (x, carried, before): see [`WindowStep`].
    WindowStep(WindowStep),
    /// One input, a Delta: the set of the projections of all its rows on these columns; with no
    /// columns, the empty row iff there is any row.
    Touched(Vec<usize>),
    /// One input. Adds the weights of identical images and drops rows of weight 0: the same
    /// Z-set, written with each row once.
    Consolidate,
    /// One input. Of the consolidated rows those of a positive weight.
    Positive,
    /// Inputs (old, delta) or (old, delta, renewed). `old` = Old(Aggregate(x)), `delta` =
    /// Delta(x), for an aggregate that can be folded (see `fold`): the Delta of the
    /// aggregate. For each touched group −1 the old row, +1 the new row, nothing where they are
    /// identical. Groups whose key is in `renewed` (rows of the aggregate's type, a superset of
    /// nothing and a subset of New(Aggregate(x)), for every group in `Stale`) take their new row
    /// from there, or vanish if it is not there and they are stale.
    AggregateStep(Aggregate),
    /// Inputs (old, delta) as in `AggregateStep`: the keys of the groups whose new row cannot be
    /// told from the old row and the delta (a minimum retracted, a NaN leaving a sum).
    Stale(Aggregate),
    /// Inputs (old, delta, renewed). `old` = Old(Reserve(x)), `delta` = Delta(x): the Delta of the
    /// reserve. `renewed` are the first `most` rows of New(x), if `Short` says that they are
    /// needed.
    ReserveStep(Reserve),
    /// Inputs (old, delta) as in `ReserveStep`: the empty row, iff fewer than `least` rows are left
    /// and there may be others.
    Short(Reserve),
}

impl Op {
    /// The types of the output, given those of the inputs. None where arity or types do not fit.
    pub fn schema(&self, inputs: &[&[ColType]]) -> Option<Arc<[ColType]>> {
        let one = || (inputs.len() == 1).then(|| inputs[0]);
        let same =
            |n: usize| -> Option<Arc<[ColType]>> { (inputs.len() == n).then(|| inputs[0].into()) };
        match self {
            Op::Source(s) => inputs.is_empty().then(|| s.types.as_slice().into()),
            Op::Constant(c) => inputs.is_empty().then(|| c.types.as_slice().into()),
            Op::State(s) => inputs.is_empty().then(|| s.types.as_slice().into()),
            Op::Map(exprs) => {
                let input = one()?;
                Some(
                    exprs
                        .iter()
                        .map(|e| ColType {
                            ty: e.ty(),
                            nullable: e.nullable(input),
                        })
                        .collect(),
                )
            }
            Op::Filter(predicate) => {
                let mut out = one()?.to_vec();
                null::rejected([predicate], &mut out);
                Some(out.into())
            }
            Op::Neg
            | Op::Distinct
            | Op::New
            | Op::Old
            | Op::Delta
            | Op::Consolidate
            | Op::Positive => same(1),
            Op::Reserve(_) => same(1),
            Op::ReserveStep(_) => same(3),
            Op::Short(_) => (inputs.len() == 2).then(|| [].into()),
            Op::TopK(t) => {
                let input = one()?;
                let known = |c: &usize| *c < input.len();
                t.keys.iter().all(known).then(|| input.into())
            }
            Op::Join(conjuncts) => (!inputs.is_empty()).then(|| {
                let mut out = inputs.concat();
                null::rejected(conjuncts, &mut out);
                out.into()
            }),
            Op::Semi(conjuncts) => (inputs.len() == 2).then(|| {
                let mut out = inputs.concat();
                null::rejected(conjuncts, &mut out);
                out.truncate(inputs[0].len());
                out.into()
            }),
            Op::Anti(_) => (inputs.len() == 2).then(|| inputs[0].into()),
            Op::Left(_) => (inputs.len() == 2).then(|| {
                let padded = inputs[1].iter().map(|c| ColType {
                    nullable: true,
                    ..*c
                });
                inputs[0].iter().copied().chain(padded).collect()
            }),
            Op::Plus => {
                let first = inputs.first()?;
                let mut out = first.to_vec();
                for other in &inputs[1..] {
                    if other.len() != out.len() {
                        return None;
                    }
                    for (a, b) in out.iter_mut().zip(*other) {
                        // The collation of a branch does not matter to its rows.
                        if a.ty.oid != b.ty.oid {
                            return None;
                        }
                        a.nullable |= b.nullable;
                    }
                }
                Some(out.into())
            }
            Op::Aggregate(a) => a.schema(one()?),
            Op::Window(w) => w.schema(one()?),
            Op::Repeat(times) => (times.ty().oid == oids::INT8).then(|| same(1)).flatten(),
            Op::FlatMap(f) => Some(one()?.iter().copied().chain(f.made()).collect()),
            Op::Closure(c) => {
                let alike = |x: &&[ColType]| {
                    let types = x.iter().map(|c| c.ty.oid);
                    types.eq(c.types.iter().map(|c| c.ty.oid))
                };
                let (seed, rest) = inputs.split_first()?;
                let fits = match rest.get(c.inputs()..)? {
                    [] => alike(seed),
                    [known, gone] => c.distinct && [seed, known, gone].into_iter().all(alike),
                    _ => false,
                };
                fits.then(|| c.types.as_slice().into())
            }
            Op::Probe(cols) => (inputs.len() == 2
                && inputs[1].len() == cols.len()
                && cols.iter().all(|&c| c < inputs[0].len()))
            .then(|| inputs[0].into()),
            Op::Suffix(s) => {
                let fits = inputs.len() == 2
                    && inputs[1].len() == s.keys.len() + 1
                    && s.keys.iter().all(|c| *c < inputs[0].len())
                    && s.by.expr.as_column().is_some_and(|c| c < inputs[0].len());
                fits.then(|| inputs[0].into())
            }
            Op::Last(l) => {
                let place = l.order.first()?.expr.as_column()?;
                let fits = inputs.len() == 2
                    && inputs[1].len() == l.keys.len() + 1
                    && l.keys.iter().all(|c| *c < inputs[0].len())
                    && place < inputs[0].len();
                let ties = l.ties.map(|_| ColType {
                    ty: SqlType::new(oids::INT8),
                    nullable: false,
                });
                fits.then(|| inputs[0].iter().copied().chain(ties).collect())
            }
            Op::WindowStep(WindowStep { window: w, reach }) => {
                let fits = inputs.len() == 3
                    && reach.len() == w.calls.len()
                    && inputs[1].len() == w.partition.len() + w.calls.len() + 1
                    && inputs[2].len() == inputs[0].len();
                fits.then(|| w.schema(inputs[0])).flatten()
            }
            Op::Touched(cols) => {
                let input = one()?;
                cols.iter().map(|&c| input.get(c).copied()).collect()
            }
            Op::AggregateStep(_) => {
                (inputs.len() == 2 || inputs.len() == 3).then(|| inputs[0].into())
            }
            Op::Stale(a) => (inputs.len() == 2).then(|| inputs[0][..a.keys.len()].into()),
        }
    }
}

impl Link {
    /// Has it an input?
    pub fn reads_input(&self) -> bool {
        matches!(self, Link::Join(_) | Link::Left(_))
    }

    /// All that it evaluates.
    pub fn exprs(&self) -> Vec<&Expr> {
        match self {
            Link::Join(on) | Link::Left(on) | Link::Filter(on) => on.iter().collect(),
            Link::FlatMap(f) => f.calls().chain(f.outer.iter().flatten()).collect(),
        }
    }

    /// The same over columns that stand elsewhere, its own too.
    pub fn over(&self, place: &impl Fn(usize) -> usize) -> Link {
        let moved = |e: &Expr| e.remap(&mut |c| place(c));
        let all = |exprs: &[Expr]| exprs.iter().map(moved).collect();
        match self {
            Link::Join(on) => Link::Join(all(on)),
            Link::Left(on) => Link::Left(all(on)),
            Link::Filter(on) => Link::Filter(all(on)),
            Link::FlatMap(f) => {
                let functions = f.functions.iter().map(|function| SetFunction {
                    call: moved(&function.call),
                    ..function.clone()
                });
                Link::FlatMap(FlatMap {
                    functions: functions.collect(),
                    outer: f.outer.as_ref().map(|on| all(on)),
                    ..f.clone()
                })
            }
        }
    }
}

impl Closure {
    /// How many links have an input.
    pub fn inputs(&self) -> usize {
        self.links.iter().filter(|l| l.reads_input()).count()
    }

    /// Is the i-th input, of which the seed is the first, that of a left join?
    pub fn is_optional(&self, i: usize) -> bool {
        let mut joined = self.links.iter().filter(|l| l.reads_input());
        let link = i.checked_sub(1).and_then(|i| joined.nth(i));
        matches!(link, Some(Link::Left(_)))
    }

    /// Where the columns of each link start, for inputs with so many columns each.
    pub fn starts(&self, widths: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut widths = widths.into_iter();
        let mut at = self.types.len();
        let starts = self.links.iter().map(|link| {
            let start = at;
            at += match link {
                Link::Join(_) | Link::Left(_) => widths.next().unwrap_or(0),
                Link::FlatMap(f) => f.made().len(),
                Link::Filter(_) => 0,
            };
            start
        });
        starts.collect()
    }

    /// The links that have an input, with the columns that are those of the input.
    pub fn joined(
        &self,
        widths: impl IntoIterator<Item = usize>,
    ) -> impl Iterator<Item = (&Link, Range<usize>)> {
        let widths: Vec<usize> = widths.into_iter().collect();
        let starts = self.starts(widths.iter().copied());
        let links = self.links.iter().zip(starts);
        let links = links.filter(|(link, _)| link.reads_input());
        links
            .zip(widths)
            .map(|((link, start), width)| (link, start..start + width))
    }

    /// All that a step evaluates.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let links = self.links.iter().flat_map(Link::exprs);
        links.chain(&self.map)
    }

    /// Which of these columns are read, counted from the first of them.
    pub fn read(&self, of: Range<usize>) -> BTreeSet<usize> {
        let columns = self.exprs().flat_map(Expr::columns);
        let columns = columns.filter(|c| of.contains(c));
        columns.map(|c| c - of.start).collect()
    }

    /// The same over columns that stand elsewhere.
    pub fn over(&self, place: &impl Fn(usize) -> usize) -> Closure {
        let map = self.map.iter().map(|e| e.remap(&mut |c| place(c)));
        Closure {
            links: self.links.iter().map(|l| l.over(place)).collect(),
            map: map.collect(),
            ..self.clone()
        }
    }
}

impl TopK {
    /// Does which rows come out depend on how ties are broken? Then it is by image.
    pub fn is_open(&self) -> bool {
        !(self.total || self.with_ties && self.offset == 0)
    }

    /// The columns that decide which rows come out, images aside.
    pub fn columns(&self) -> Vec<usize> {
        let sorted = self.order.iter().flat_map(|k| k.expr.columns());
        self.keys.iter().copied().chain(sorted).collect()
    }
}

impl Last {
    /// The columns that decide which rows these are, images aside.
    pub fn columns(&self) -> Vec<usize> {
        let sorted = self.order.iter().flat_map(|k| k.expr.columns());
        self.keys.iter().copied().chain(sorted).collect()
    }
}

impl Reserve {
    /// What it is when it is filled.
    pub fn filled(&self) -> TopK {
        TopK {
            keys: vec![],
            order: self.order.clone(),
            offset: 0,
            limit: Some(self.most),
            with_ties: self.with_ties,
            total: self.total,
        }
    }
}

impl Aggregate {
    fn schema(&self, input: &[ColType]) -> Option<Arc<[ColType]>> {
        self.keys
            .iter()
            .map(|&k| input.get(k).copied())
            .chain(self.aggs.iter().map(|a| {
                Some(ColType {
                    ty: a.ty,
                    nullable: a.nullable,
                })
            }))
            .collect()
    }
}
