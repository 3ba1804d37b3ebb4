//! Numbers of which no typmod says how many digits they have, but the circuit below does.
//!
//! `sum(x)` of `x numeric(15,2)` has no typmod, and two digits after the point all the same. An
//! aggregate over it folds where that is *declared*:
//!
//! ```text
//! sum(s) = sum(s::numeric(1000, 2))       where s is a sum of numerics of scale 2
//! ```
//!
//! The cast changes no value and raises nothing: the digits before the point are bounded, too, and
//! neither sums nor products of declared numerics are infinite.
//!
//! Of group keys such as `extract(year FROM d)`, which may be infinite, the scale alone is claimed
//! ([`SqlType::numeric_of_scale`]): equal keys then look alike, and the groups can be folded.

use crate::rewrite::predicate::error_free;
use spec::catalog::Catalog;
use spec::expr::{Coercion, ExprKind};
use spec::fold::{AVG_NUMERIC, SUM_INT8, SUM_NUMERIC, fixed_scale};
use spec::op::AggCall;
use spec::types::{KNOWN_DIGITS, Oid, SqlType, oids};
use spec::{Circuit, Expr, NodeId, Op};

/// What every finite value of an expression looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Digits {
    /// After the point, exactly.
    scale: u32,
    /// Before the point, at most.
    whole: u32,
    /// There are no infinite values.
    finite: bool,
}

/// PostgreSQL's limit on a declared precision.
const MAX_PRECISION: u32 = 1000;
/// A sum of 2^63 rows is longer than each by this.
const DIGITS_OF_A_COUNT: u32 = 19;
/// Of sub-queries in sub-queries.
const MAX_DEPTH: usize = 64;

/// `extract(text, …)` of a date, a time, a timestamp and an interval.
const EXTRACT: [Oid; 4] = [Oid(6199), Oid(6200), Oid(6202), Oid(6204)];
/// `numeric(numeric, int4)`: applies a typmod.
const DECLARE: Oid = Oid(1703);
const ADD: Oid = Oid(1758);
const SUB: Oid = Oid(1759);
const MUL: Oid = Oid(1760);
const NEG: Oid = Oid(1751);
const POS: Oid = Oid(1921);
const MIN: Oid = Oid(2146);
const MAX: Oid = Oid(2130);
/// `numeric` of int2, int4, int8, and how many digits those have.
const FROM_INTEGERS: [(Oid, u32); 3] = [(Oid(1782), 5), (Oid(1740), 10), (Oid(1781), 19)];

/// A sum or average with its numeric columns declared, where the circuit below proves what they
/// look like.
pub(super) fn declare(circuit: &Circuit, input: NodeId, call: &AggCall) -> AggCall {
    if !matches!(call.function, SUM_NUMERIC | AVG_NUMERIC) {
        return call.clone();
    }
    let declared = |arg: &Expr| {
        arg.substitute(&mut |i, ty| {
            let column = Expr::column(i, ty);
            if ty.oid != oids::NUMERIC || ty.typmod >= 0 {
                return column;
            }
            match of_column(circuit, input, i, MAX_DEPTH) {
                Some(d) if d.finite && d.whole + d.scale <= MAX_PRECISION => cast(column, d.scale),
                _ => column,
            }
        })
    };
    AggCall {
        args: call.args.iter().map(declared).collect(),
        ..call.clone()
    }
}

/// The type that claims what the circuit knows of a numeric column, if it is anything new.
pub(super) fn claim(circuit: &Circuit, input: NodeId, column: usize) -> Option<SqlType> {
    let ty = circuit.schema(input).get(column)?.ty;
    if ty.oid != oids::NUMERIC || ty.typmod >= 0 {
        return None;
    }
    let digits = of_column(circuit, input, column, MAX_DEPTH)?;
    (digits.whole + digits.scale < KNOWN_DIGITS).then(|| SqlType::numeric_of_scale(digits.scale))
}

/// Conditions over the columns of these nodes, with the digits claimed that keep them from
/// raising an error: `0.5 * sum(x)` overflows for no sum of declared numerics.
pub(super) fn claimed_in(op: Op, inputs: &[NodeId], circuit: &Circuit, catalog: &Catalog) -> Op {
    let claimed = |e: &Expr| {
        if error_free(e, catalog) {
            return e.clone();
        }
        let claims = e.substitute(&mut |i, ty| {
            let column = Expr::column(i, ty);
            match claim_beside(circuit, inputs, i) {
                Some(ty) => relabel(column, ty),
                None => column,
            }
        });
        match error_free(&claims, catalog) {
            true => claims,
            false => e.clone(),
        }
    };
    let all = |exprs: &[Expr]| exprs.iter().map(claimed).collect();
    match &op {
        Op::Filter(p) => Op::Filter(claimed(p)),
        Op::Join(on) => Op::Join(all(on)),
        Op::Left(on) => Op::Left(all(on)),
        Op::Semi(on) => Op::Semi(all(on)),
        Op::Anti(on) => Op::Anti(all(on)),
        _ => op,
    }
}

/// Of a column of these nodes beside each other.
fn claim_beside(circuit: &Circuit, inputs: &[NodeId], column: usize) -> Option<SqlType> {
    let mut at = column;
    for input in inputs {
        let width = circuit.schema(*input).len();
        match at < width {
            true => return claim(circuit, *input, at),
            false => at -= width,
        }
    }
    None
}

pub(super) fn relabel(arg: Expr, ty: SqlType) -> Expr {
    let cast = ExprKind::Cast {
        arg,
        coercion: Coercion::Relabel,
        explicit: true,
    };
    Expr::new(cast, ty)
}

fn cast(arg: Expr, scale: u32) -> Expr {
    let typmod = ((MAX_PRECISION << 16) | scale) + 4;
    let ty = SqlType {
        typmod: typmod as i32,
        ..SqlType::new(oids::NUMERIC)
    };
    let coercion = Coercion::Function(DECLARE);
    let explicit = true;
    Expr::new(
        ExprKind::Cast {
            arg,
            coercion,
            explicit,
        },
        ty,
    )
}

fn of_column(circuit: &Circuit, node: NodeId, column: usize, depth: usize) -> Option<Digits> {
    let depth = depth.checked_sub(1)?;
    let ty = circuit.schema(node).get(column)?.ty;
    if let Some(digits) = declared(ty) {
        return Some(digits);
    }
    let inputs = circuit.inputs(node);
    let below = |input: NodeId, e: &Expr| of(e, &|c| of_column(circuit, input, c, depth));
    match circuit.op(node) {
        Op::Map(exprs) => below(inputs[0], exprs.get(column)?),
        Op::FlatMap(_) | Op::Window(_) if column >= circuit.schema(inputs[0]).len() => None,
        Op::Filter(_)
        | Op::Repeat(_)
        | Op::FlatMap(_)
        | Op::Distinct
        | Op::TopK(_)
        | Op::Window(_)
        | Op::Semi(_)
        | Op::Anti(_) => of_column(circuit, inputs[0], column, depth),
        Op::Join(_) | Op::Left(_) => {
            let mut at = column;
            for input in inputs {
                let width = circuit.schema(*input).len();
                if at < width {
                    return of_column(circuit, *input, at, depth);
                }
                at -= width;
            }
            None
        }
        Op::Plus => {
            let branches = inputs.iter().map(|i| of_column(circuit, *i, column, depth));
            alike(branches)
        }
        Op::Aggregate(a) => {
            let Some(call) = column.checked_sub(a.keys.len()) else {
                return of_column(circuit, inputs[0], a.keys[column], depth);
            };
            let call = a.aggs.get(call)?;
            match (call.function, call.args.as_slice()) {
                (SUM_NUMERIC, [arg]) => {
                    let term = below(inputs[0], arg)?;
                    Some(Digits {
                        whole: term.whole + DIGITS_OF_A_COUNT,
                        ..term
                    })
                }
                (SUM_INT8, [_]) => Some(Digits {
                    scale: 0,
                    whole: 2 * DIGITS_OF_A_COUNT,
                    finite: true,
                }),
                (MIN | MAX, [arg]) => below(inputs[0], arg),
                _ => None,
            }
        }
        _ => None,
    }
}

/// As a typmod says.
fn declared(ty: SqlType) -> Option<Digits> {
    if ty.oid != oids::NUMERIC || ty.typmod < 4 {
        return None;
    }
    let scale = fixed_scale(&Expr::column(0, ty))?;
    let precision = u32::try_from((ty.typmod - 4) >> 16).ok()?;
    Some(Digits {
        scale,
        // A negative scale, of up to 1000, adds to it.
        whole: match scale {
            0 => precision + 1000,
            _ => precision,
        },
        finite: precision <= MAX_PRECISION,
    })
}

/// Of an expression over columns.
fn of(e: &Expr, column: &dyn Fn(usize) -> Option<Digits>) -> Option<Digits> {
    if let Some(digits) = declared(e.ty()) {
        return Some(digits);
    }
    if e.ty().oid != oids::NUMERIC {
        return None;
    }
    let both = |a: &Expr, b: &Expr| Some((of(a, column)?, of(b, column)?));
    let is_null = |e: &&Expr| matches!(e.kind(), ExprKind::Const(None));
    match e.kind() {
        ExprKind::Column(i) => column(*i),
        ExprKind::Const(Some(text)) => Some(Digits {
            scale: fixed_scale(e)?,
            whole: text.len() as u32,
            finite: true,
        }),
        ExprKind::Operator { operator, args, .. } => match (*operator, args.as_slice()) {
            (ADD | SUB, [a, b]) => {
                let (a, b) = both(a, b)?;
                Some(Digits {
                    scale: a.scale.max(b.scale),
                    whole: a.whole.max(b.whole) + 1,
                    finite: a.finite && b.finite,
                })
            }
            (MUL, [a, b]) => {
                let (a, b) = both(a, b)?;
                Some(Digits {
                    scale: a.scale + b.scale,
                    whole: a.whole + b.whole,
                    finite: a.finite && b.finite,
                })
            }
            (NEG | POS, [a]) => of(a, column),
            _ => None,
        },
        ExprKind::Cast {
            coercion: Coercion::Function(f),
            ..
        } => {
            let (_, whole) = FROM_INTEGERS.iter().find(|(from, _)| from == f)?;
            Some(Digits {
                scale: 0,
                whole: *whole,
                finite: true,
            })
        }
        ExprKind::Call { function, args, .. } if EXTRACT.contains(function) => {
            let ExprKind::Const(Some(field)) = args.first()?.kind() else {
                return None;
            };
            let scale = match &**field {
                "microseconds" | "minute" | "hour" | "day" | "dow" | "isodow" | "doy" | "week"
                | "month" | "quarter" | "year" | "isoyear" | "decade" | "century"
                | "millennium" => 0,
                "milliseconds" => 3,
                "second" => 6,
                _ => return None,
            };
            Some(Digits {
                scale,
                whole: DIGITS_OF_A_COUNT,
                finite: false,
            })
        }
        ExprKind::Case { whens, otherwise } => {
            let results = whens.iter().map(|(_, then)| then).chain([otherwise]);
            alike(results.filter(|e| !is_null(e)).map(|e| of(e, column)))
        }
        ExprKind::Coalesce(args) => {
            alike(args.iter().filter(|e| !is_null(e)).map(|e| of(e, column)))
        }
        _ => None,
    }
}

/// One of several: of one scale, as long as the longest.
fn alike(mut all: impl Iterator<Item = Option<Digits>>) -> Option<Digits> {
    let first = all.next()??;
    all.try_fold(first, |a, b| {
        let b = b?;
        (a.scale == b.scale).then_some(Digits {
            whole: a.whole.max(b.whole),
            finite: a.finite && b.finite,
            ..a
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::analyse::analyse;
    use crate::schema::load_schema;
    use spec::Op;

    /// What the outermost aggregate computes, and whether it folds.
    fn outermost(sql: &str) -> (String, bool) {
        let schema = "CREATE TABLE t (k int4, g int4, n2 numeric(15,2), n4 numeric(5,4),
            loose numeric, i8 int8, i4 int4, wide numeric(900,2), left_of numeric(3,-5), d date,
            ts timestamp);";
        let catalog = load_schema(schema).expect("a schema").catalog;
        let analysis = analyse(sql, &catalog).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        let (circuit, root) = analysis.circuit.expect("a circuit");
        let nodes = circuit.reachable(&[root]);
        let found = nodes.into_iter().rev().find_map(|id| match circuit.op(id) {
            Op::Aggregate(a) => Some((id, a)),
            _ => None,
        });
        let (id, a) = found.expect("an aggregate");
        let input = circuit.schema(circuit.inputs(id)[0]);
        let args = a.aggs.iter().flat_map(|agg| &agg.args);
        let args: Vec<String> = args.map(|e| e.display(&catalog).to_string()).collect();
        (args.join(", "), a.folding(input, &catalog).is_some())
    }

    #[track_caller]
    fn check(select: &str, from: &str, folds: bool) {
        let (args, folded) = outermost(&format!("SELECT {select} FROM {from}"));
        assert_eq!(folded, folds, "{select} FROM {from}: {args}");
    }

    #[test]
    fn sums_of_sums_fold() {
        let per_group = |e: &str| format!("(SELECT g, {e} AS s FROM t GROUP BY k, g) x GROUP BY g");
        let (args, folds) = outermost(&format!("SELECT sum(s) FROM {}", per_group("sum(n2)")));
        assert!(folds);
        assert!(args.contains("numeric(1000,2)"), "{args}");
        for (e, folds) in [
            ("sum(n2 * (1 - n4))", true),
            ("sum(i8)", true),
            ("max(n2)", true),
            ("sum(n2) + 1", true),
            ("CASE WHEN count(*) > 3 THEN sum(n2) END", true),
            ("sum(left_of)", false),
            ("avg(n2)", false),
            ("sum(loose)", false),
            ("max(loose)", false),
            ("sum(n2) / 2", false),
            ("coalesce(sum(n2), 0)", false),
            // Its digits might not fit any declaration.
            ("sum(wide * wide)", false),
        ] {
            check("g, min(s), sum(s)", &per_group(e), folds);
        }
        check("g, avg(s)", &per_group("sum(n2)"), true);
    }

    #[test]
    fn through_what_keeps_values_as_they_are() {
        let inner = "SELECT g, sum(n2) AS s FROM t GROUP BY g";
        check("sum(s)", &format!("({inner} HAVING sum(n2) > 3) x"), true);
        check(
            "sum(x.s)",
            &format!("({inner}) x JOIN t ON t.k = x.g"),
            true,
        );
        check(
            "sum(s)",
            &format!("(SELECT DISTINCT s FROM ({inner}) y) x"),
            true,
        );
        let other = |e: &str| format!("({inner} UNION ALL SELECT k, {e} FROM t GROUP BY k) x");
        check("sum(s)", &other("sum(n2)"), true);
        check("sum(s)", &other("sum(n4)"), false);
    }

    #[test]
    fn groups_by_numbers_of_a_known_scale_fold() {
        for (key, folds) in [
            ("n2", true),
            ("loose", false),
            ("n2 + 1", true),
            ("n2 / 2", false),
            ("extract(year FROM d)", true),
            ("-extract(year FROM d) * 10", true),
            ("extract(second FROM ts)", true),
            ("extract(epoch FROM ts)", false),
            ("extract(julian FROM ts)", false),
            ("CASE WHEN g > 3 THEN extract(month FROM ts) END", true),
            (
                "CASE WHEN g > 3 THEN extract(month FROM ts) ELSE n2 END",
                false,
            ),
        ] {
            check(
                &format!("{key}, count(*)"),
                &format!("t GROUP BY {key}"),
                folds,
            );
            let inner = format!("(SELECT g, {key} AS s FROM t) x");
            check("s, sum(g)", &format!("{inner} GROUP BY s"), folds);
        }
        let sums = "(SELECT g, sum(n2) AS s FROM t GROUP BY g) x GROUP BY s";
        check("s, count(*)", sums, true);
        // They may be infinite, so that their sums do not fold.
        let years = "(SELECT g, extract(year FROM d) AS s FROM t) x GROUP BY g";
        check("g, sum(s)", years, false);
    }
}
