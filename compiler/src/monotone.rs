//! Which way a query moves with each of its sources.
//!
//! A query is *monotone* in a source if more rows of it never make fewer rows of the result, and
//! antitone if they never make more. The operators say it of themselves, and along a path from a
//! source to the root signs multiply:
//!
//! ```text
//! map, filter, flat_map, repeat, plus, join, semi, positive, distinct, closure      with every input
//! closure of a left join with y                                                     with all but y
//! neg                                                                               against it
//! anti(x, y)                                                                        with x, against y
//! left(x, y)                                                                        with x only
//! aggregate, window, top_k                                                          neither
//! ```
//!
//! What stream tables that read each other in a circle mean is the least fixed point of their queries
//! (Knaster and Tarski), and that there is one is because each query moves with the others. While
//! sources change only in ways that add rows, it is reached from where it was before.
//!
//! A DISTINCT over values of which equal ones can look different does not count as monotone: which of
//! them it shows may change as more come.

use crate::rewrite::rules::distinct::count_rows;
use spec::catalog::Catalog;
use spec::op::Aggregate;
use spec::{Circuit, ColType, NodeId, Oid, Op, Span};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// More rows of the source never make fewer of the result.
    With,
    /// More rows of the source never make more of the result.
    Against,
    Neither,
}

/// What keeps a query from moving with a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// Names the construct, as in `an aggregate`.
    pub what: String,
    /// In the query's text; none for what lies inside a view.
    pub span: Option<Span>,
}

/// How a source is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub way: Way,
    /// Unless the query moves with it, the first thing on the way from the root that says so.
    pub obstacle: Option<Obstacle>,
}

impl Reading {
    const WITH: Reading = Reading {
        way: Way::With,
        obstacle: None,
    };

    /// Of what is read in both ways.
    fn and(self, other: Reading) -> Reading {
        let way = match self.way == other.way {
            true => self.way,
            false => Way::Neither,
        };
        Reading {
            way,
            obstacle: self.obstacle.or(other.obstacle),
        }
    }

    /// Of an input of a node that is read like this.
    fn through(&self, own: Reading) -> Reading {
        let way = match (self.way, own.way) {
            (Way::Neither, _) | (_, Way::Neither) => Way::Neither,
            (a, b) if a == b => Way::With,
            _ => Way::Against,
        };
        let obstacle = match way {
            Way::With => None,
            _ => self.obstacle.clone().or(own.obstacle),
        };
        Reading { way, obstacle }
    }
}

/// How the result at `root` moves with each source that it reads.
pub fn readings(circuit: &Circuit, root: NodeId, catalog: &Catalog) -> BTreeMap<Oid, Reading> {
    let mut of_node: Vec<Option<Reading>> = vec![None; circuit.len()];
    of_node[root.index()] = Some(Reading::WITH);
    let mut out: BTreeMap<Oid, Reading> = BTreeMap::new();
    // Readers come after what they read.
    for id in circuit.reachable(&[root]).into_iter().rev() {
        let Some(reading) = of_node[id.index()].clone() else {
            continue;
        };
        if let Op::Source(source) = circuit.op(id) {
            let known = out.remove(&source.relation);
            let both = match known {
                Some(known) => known.and(reading),
                None => reading,
            };
            out.insert(source.relation, both);
            continue;
        }
        for (i, input) in circuit.inputs(id).iter().enumerate() {
            let of_input = reading.through(own(circuit, id, root, i, catalog));
            let known = of_node[input.index()].take();
            of_node[input.index()] = Some(match known {
                Some(known) => known.and(of_input),
                None => of_input,
            });
        }
    }
    out
}

/// How a node moves with its i-th input.
fn own(circuit: &Circuit, id: NodeId, root: NodeId, i: usize, catalog: &Catalog) -> Reading {
    let of = |way, what: String| Reading {
        way,
        obstacle: Some(Obstacle {
            what,
            span: circuit.span(id),
        }),
    };
    let told_apart =
        |columns: &[ColType]| match columns.iter().find(|c| !catalog.image_equality(c.ty)) {
            None => Reading::WITH,
            Some(c) => {
                let ty = catalog.ty(c.ty.oid).map_or("?", |t| t.name.as_str());
                let what = "DISTINCT or UNION of values of type";
                of(
                    Way::Neither,
                    format!("{what} {ty}, of which equal ones can look different"),
                )
            }
        };
    match circuit.op(id) {
        Op::Map(_)
        | Op::Filter(_)
        | Op::FlatMap(_)
        | Op::Repeat(_)
        | Op::Plus
        | Op::Join(_)
        | Op::Semi(_)
        | Op::Positive
        | Op::Consolidate => Reading::WITH,
        Op::Closure(closure) if closure.is_optional(i) => of(
            Way::Neither,
            "the optional side of an outer join, NOT EXISTS or NOT IN, in a recursion".into(),
        ),
        Op::Closure(closure) if closure.distinct => told_apart(circuit.schema(id)),
        Op::Closure(_) => Reading::WITH,
        Op::Distinct => told_apart(circuit.schema(id)),
        Op::Aggregate(aggregate) if is_distinct(circuit, id, root, aggregate) => {
            told_apart(&circuit.schema(id)[..aggregate.keys.len()])
        }
        Op::Neg => of(Way::Against, "EXCEPT".into()),
        Op::Anti(_) | Op::Left(_) if i == 0 => Reading::WITH,
        Op::Anti(_) => of(Way::Against, "NOT EXISTS, NOT IN or EXCEPT".into()),
        Op::Left(_) => of(Way::Neither, "the optional side of an outer join".into()),
        Op::Aggregate(_) => of(Way::Neither, "an aggregate, INTERSECT or EXCEPT".into()),
        Op::Window(_) => of(Way::Neither, "a window function".into()),
        Op::TopK(_) | Op::Reserve(_) => of(Way::Neither, "LIMIT or DISTINCT ON".into()),
        other => of(Way::Neither, format!("{other:?}")),
    }
}

/// Groups of which nothing but the keys is of use are a DISTINCT. (Without keys there is a group over
/// nothing, too.)
pub(crate) fn is_distinct(
    circuit: &Circuit,
    id: NodeId,
    root: NodeId,
    aggregate: &Aggregate,
) -> bool {
    let is_shown = || id == root || is_counted(circuit, id, aggregate);
    let counted = || aggregate.aggs == [count_rows()] && !is_shown();
    !aggregate.keys.is_empty() && (aggregate.aggs.is_empty() || counted())
}

/// Does anybody but a map that leaves the count out read this?
fn is_counted(circuit: &Circuit, id: NodeId, aggregate: &Aggregate) -> bool {
    let count = aggregate.keys.len();
    circuit
        .ids()
        .filter(|reader| circuit.inputs(*reader).contains(&id))
        .any(|reader| match circuit.op(reader) {
            Op::Map(exprs) => exprs.iter().any(|e| e.columns().contains(&count)),
            _ => true,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse::analyse;
    use crate::compile::{Outcome, compile};
    use crate::schema::load_schema;
    use proptest::prelude::*;
    use spec::eval::random::{Case, Config, case};
    use spec::eval::{Epoch, ZSet, eval_at};

    fn catalog() -> Catalog {
        let schema = "CREATE TABLE edge (a int NOT NULL, b int NOT NULL);
            CREATE TABLE reach (a int, b int);
            CREATE TABLE price (n numeric, m numeric(8, 2))";
        load_schema(schema).expect("a schema").catalog
    }

    /// `edge with, reach against: what`, of a query as it was written and as it was optimised: what
    /// one of them shows is so.
    #[track_caller]
    fn check(sql: &str, expect: &str) {
        let catalog = catalog();
        let analysis = analyse(sql, &catalog).expect("a query");
        let (circuit, root) = analysis.circuit.expect("incremental");
        let show = |readings: BTreeMap<Oid, Reading>| {
            let each = readings.iter().map(|(oid, reading)| {
                let name = &catalog.relation(*oid).expect("a table").name;
                let way = format!("{:?}", reading.way).to_lowercase();
                let what = reading.obstacle.as_ref().map(|o| format!(": {}", o.what));
                format!("{name} {way}{}", what.unwrap_or_default())
            });
            each.collect::<Vec<_>>().join(", ")
        };
        let written = show(readings(&circuit, root, &catalog));
        assert_eq!(written, expect, "{sql}");
        let Ok(Outcome::Incremental(compiled)) = compile(sql, &catalog) else {
            panic!("{sql} is not incremental");
        };
        let optimised = readings(&compiled.circuit, compiled.root, &catalog);
        let before = readings(&circuit, root, &catalog);
        for (relation, reading) in optimised {
            let known = before.get(&relation).expect("it was read before");
            assert!(
                [reading.way, known.way].contains(&Way::Neither) || reading.way == known.way,
                "{sql}: {known:?} became {reading:?}"
            );
        }
    }

    #[test]
    fn with() {
        check("SELECT a FROM edge GROUP BY a", "edge with");
        check("SELECT DISTINCT m FROM price", "price with");
        for sql in [
            "SELECT e.a, r.b FROM edge e JOIN reach r ON r.a = e.b WHERE e.a > r.b",
            "SELECT a, b FROM edge UNION SELECT e.a, r.b FROM edge e JOIN reach r ON r.a = e.b",
            "SELECT a, b FROM edge UNION ALL SELECT a, b FROM reach",
            "SELECT a FROM edge WHERE EXISTS (SELECT FROM reach r WHERE r.a = edge.a)",
            "SELECT a FROM edge WHERE a IN (SELECT b FROM reach)",
            "SELECT DISTINCT e.a FROM edge e, reach r, generate_series(1, r.a) AS g WHERE e.b = g",
            "WITH RECURSIVE r AS (SELECT a, b FROM reach UNION SELECT r.a, e.b FROM r JOIN edge e ON e.a = r.b)
             SELECT a, b FROM r",
        ] {
            check(sql, "edge with, reach with");
        }
    }

    #[test]
    fn against_and_neither() {
        check(
            "SELECT a FROM edge WHERE NOT EXISTS (SELECT FROM reach r WHERE r.a = edge.a)",
            "edge with, reach against: NOT EXISTS, NOT IN or EXCEPT",
        );
        check(
            "SELECT e.a, r.b FROM edge e LEFT JOIN reach r ON r.a = e.b",
            "edge with, reach neither: the optional side of an outer join",
        );
        check(
            "SELECT a, count(*) AS n FROM reach GROUP BY a",
            "reach neither: an aggregate, INTERSECT or EXCEPT",
        );
        check(
            "SELECT a, b, row_number() OVER (PARTITION BY a ORDER BY b) AS n FROM edge",
            "edge neither: a window function",
        );
        check(
            "SELECT a, b FROM edge ORDER BY a, b LIMIT 3",
            "edge neither: LIMIT or DISTINCT ON",
        );
        check(
            "SELECT DISTINCT n FROM price",
            "price neither: DISTINCT or UNION of values of type numeric, of which equal ones can look different",
        );
        let counted = "an aggregate, INTERSECT or EXCEPT";
        check(
            "SELECT a FROM edge INTERSECT SELECT a FROM reach",
            &format!("edge neither: {counted}, reach neither: {counted}"),
        );
        // Both ways at once.
        check(
            "SELECT a FROM edge WHERE NOT EXISTS (SELECT FROM edge x WHERE x.b = edge.a)",
            "edge neither: NOT EXISTS, NOT IN or EXCEPT",
        );
    }

    /// Not against what is against.
    #[test]
    fn signs_multiply() {
        check(
            "SELECT e.a FROM edge e WHERE NOT EXISTS (SELECT FROM price p WHERE p.m = e.a
             AND NOT EXISTS (SELECT FROM reach r WHERE r.a = p.n))",
            "edge with, reach with, price against: NOT EXISTS, NOT IN or EXCEPT",
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

        /// Whatever a query moves with has never less of it when there is more, and so on.
        #[test]
        fn what_is_said_is_so(case in case(Config::default()), which in 0usize..3) {
            let Case { objects, circuit, root, mut world, .. } = case;
            let catalog = Catalog::new(objects);
            let readings = readings(&circuit, root, &catalog);
            let Some((relation, reading)) = readings.iter().nth(which) else {
                return Ok(());
            };
            // Nothing but more of it.
            let more = world.delta.get(relation).map(|d| d.consolidate()).unwrap_or_default();
            let mut only = ZSet::new();
            more.iter().filter(|(_, w)| *w > 0).for_each(|(row, w)| only.insert(row.clone(), w));
            world.delta = BTreeMap::from([(*relation, only.to_bag())]);
            let at = |epoch| eval_at(&circuit, root, &world, epoch);
            // With more rows, a recursion may have no end.
            let (Ok(old), Ok(new)) = (at(Epoch::Old), at(Epoch::New)) else {
                return Ok(());
            };
            let (small, large) = match reading.way {
                Way::With => (old, new),
                Way::Against => (new, old),
                Way::Neither => return Ok(()),
            };
            for (row, w) in small.iter() {
                prop_assert!(large.weight(row) >= w, "{relation} {reading:?}: {row:?}");
            }
        }
    }
}
